/* unary.c - operators of one operand. */
#include "elementwise.h"

#define FLOAT_OR_COMPLEX (PVT_LOOPS_FLOAT | PVT_LOOPS_COMPLEX)

static const pvt_rule rules[PVT_UNARY_OPS] = {
    [PVT_NEGATIVE] = {"negative", PVT_LOOPS_NUMBER, .no_bool = true},
    [PVT_POSITIVE] = {"positive", PVT_LOOPS_NUMBER, .no_bool = true},
    [PVT_ABSOLUTE] = {"absolute", PVT_LOOPS_ANY, PVT_GIVES_REAL},
    [PVT_SIGN] = {"sign", PVT_LOOPS_NUMBER, .no_bool = true},
    [PVT_SQUARE] = {"square", PVT_LOOPS_NUMBER},
    [PVT_SQRT] = {"sqrt", FLOAT_OR_COMPLEX},
    [PVT_CBRT] = {"cbrt", PVT_LOOPS_FLOAT},
    [PVT_RECIPROCAL] = {"reciprocal", PVT_LOOPS_NUMBER},
    [PVT_EXP] = {"exp", FLOAT_OR_COMPLEX},
    [PVT_EXP2] = {"exp2", FLOAT_OR_COMPLEX},
    [PVT_EXPM1] = {"expm1", FLOAT_OR_COMPLEX},
    [PVT_LOG] = {"log", FLOAT_OR_COMPLEX},
    [PVT_LOG2] = {"log2", FLOAT_OR_COMPLEX},
    [PVT_LOG10] = {"log10", FLOAT_OR_COMPLEX},
    [PVT_LOG1P] = {"log1p", FLOAT_OR_COMPLEX},
    [PVT_SIN] = {"sin", FLOAT_OR_COMPLEX},
    [PVT_COS] = {"cos", FLOAT_OR_COMPLEX},
    [PVT_TAN] = {"tan", FLOAT_OR_COMPLEX},
    [PVT_ASIN] = {"arcsin", FLOAT_OR_COMPLEX},
    [PVT_ACOS] = {"arccos", FLOAT_OR_COMPLEX},
    [PVT_ATAN] = {"arctan", FLOAT_OR_COMPLEX},
    [PVT_SINH] = {"sinh", FLOAT_OR_COMPLEX},
    [PVT_COSH] = {"cosh", FLOAT_OR_COMPLEX},
    [PVT_TANH] = {"tanh", FLOAT_OR_COMPLEX},
    [PVT_ASINH] = {"arcsinh", FLOAT_OR_COMPLEX},
    [PVT_ACOSH] = {"arccosh", FLOAT_OR_COMPLEX},
    [PVT_ATANH] = {"arctanh", FLOAT_OR_COMPLEX},
    [PVT_ERF] = {"erf", PVT_LOOPS_FLOAT},
    [PVT_SIGMOID] = {"sigmoid", PVT_LOOPS_FLOAT},
    [PVT_FLOOR] = {"floor", PVT_LOOPS_BOOL | PVT_LOOPS_INT | PVT_LOOPS_FLOAT},
    [PVT_CEIL] = {"ceil", PVT_LOOPS_BOOL | PVT_LOOPS_INT | PVT_LOOPS_FLOAT},
    [PVT_TRUNC] = {"trunc", PVT_LOOPS_BOOL | PVT_LOOPS_INT | PVT_LOOPS_FLOAT},
    [PVT_RINT] = {"rint", FLOAT_OR_COMPLEX},
    [PVT_ISNAN] = {"isnan", PVT_LOOPS_ANY, PVT_GIVES_BOOL},
    [PVT_ISINF] = {"isinf", PVT_LOOPS_ANY, PVT_GIVES_BOOL},
    [PVT_ISFINITE] = {"isfinite", PVT_LOOPS_ANY, PVT_GIVES_BOOL},
    [PVT_SIGNBIT] = {"signbit", PVT_LOOPS_FLOAT, PVT_GIVES_BOOL},
    [PVT_LOGICAL_NOT] = {"logical_not", PVT_LOOPS_ANY, PVT_GIVES_BOOL},
    [PVT_INVERT] = {"invert", PVT_LOOPS_BOOL | PVT_LOOPS_INT},
    [PVT_CONJ] = {"conjugate", PVT_LOOPS_NUMBER},
    [PVT_REAL] = {"real", PVT_LOOPS_ANY, PVT_GIVES_REAL},
    [PVT_IMAG] = {"imag", PVT_LOOPS_ANY, PVT_GIVES_REAL},
    [PVT_ANGLE] = {"angle", FLOAT_OR_COMPLEX, PVT_GIVES_REAL},
    [PVT_DEG2RAD] = {"deg2rad", PVT_LOOPS_FLOAT},
    [PVT_RAD2DEG] = {"rad2deg", PVT_LOOPS_FLOAT},
};

const char *pvt_unary_name(int op) {
  return op >= 0 && op < PVT_UNARY_OPS ? rules[op].name : NULL;
}

int pvt_unary_types(pvt_unary_op op, pvt_dtype x, pvt_dtype *loop, pvt_dtype *result) {
  if (op == PVT_ANGLE && x == PVT_BOOL) { /* so NumPy has it */
    *loop = *result = PVT_FLOAT64;
    return PVT_OK;
  }
  if (pvt_rule_apply(&rules[op], x, x, loop, result)) return PVT_OK;
  if (op == PVT_NEGATIVE)
    return pvt_fail(PVT_E_DTYPE, "The numpy boolean negative, the `-` operator, is not supported, "
                                 "use the `~` operator or the logical_not function instead.");
  return pvt_fail(PVT_E_DTYPE,
                  "ufunc '%s' not supported for the input types, and the inputs could not be "
                  "safely coerced to any supported types according to the casting rule ''safe'' "
                  "(the input is %s)",
                  rules[op].name, pvt_dtype_name(x));
}

int pvt_unary(pvt_unary_op op, const pvt_array *x, pvt_array *out) {
  if (op >= PVT_FLOOR && op <= PVT_TRUNC && pvt_dtype_kind((pvt_dtype)x->dtype) <= PVT_KIND_UINT)
    op = PVT_REAL; /* integers are whole: a copy */
  pvt_kernel *const *row = pvt_kernels_get()->elementwise->unary[op];
  pvt_dtype type = (pvt_dtype)x->dtype, loop, result;
  pvt_kernel *kernel = row[type];
  int gives = rules[op].gives;
  result = gives == PVT_GIVES_BOOL ? PVT_BOOL : gives == PVT_GIVES_REAL ? pvt_real_of(type) : type;
  if (kernel != NULL && out->dtype == result && out->writable) {
    int64_t strides[PVT_OPERANDS], n = pvt_flat(1, &x, out, strides);
    if (n > 0) {
      char *const data[2] = {x->data, out->data};
      kernel(n, data, strides, NULL);
      return PVT_OK;
    }
  }
  int status = pvt_unary_types(op, type, &loop, &result);
  if (status != PVT_OK) return status;
  return pvt_elementwise_row(row, NULL, 1, &x, out, loop, result);
}

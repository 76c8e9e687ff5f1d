/* binary.c - operators of two operands. */
#include "elementwise.h"

#define REAL (PVT_LOOPS_INT | PVT_LOOPS_FLOAT)
#define BITS (PVT_LOOPS_BOOL | PVT_LOOPS_INT)

static const pvt_rule rules[PVT_BINARY_OPS] = {
    [PVT_ADD] = {"add", PVT_LOOPS_ANY},
    [PVT_SUBTRACT] = {"subtract", PVT_LOOPS_NUMBER, .no_bool = true},
    [PVT_MULTIPLY] = {"multiply", PVT_LOOPS_ANY},
    [PVT_DIVIDE] = {"divide", PVT_LOOPS_FLOAT | PVT_LOOPS_COMPLEX, .true_ratio = true},
    [PVT_FLOOR_DIVIDE] = {"floor_divide", REAL},
    [PVT_REMAINDER] = {"remainder", REAL},
    [PVT_FMOD] = {"fmod", REAL},
    [PVT_POWER] = {"power", PVT_LOOPS_NUMBER},
    [PVT_MAXIMUM] = {"maximum", PVT_LOOPS_ANY},
    [PVT_MINIMUM] = {"minimum", PVT_LOOPS_ANY},
    [PVT_FMAX] = {"fmax", PVT_LOOPS_ANY},
    [PVT_FMIN] = {"fmin", PVT_LOOPS_ANY},
    [PVT_ATAN2] = {"arctan2", PVT_LOOPS_FLOAT},
    [PVT_HYPOT] = {"hypot", PVT_LOOPS_FLOAT},
    [PVT_LOGADDEXP] = {"logaddexp", PVT_LOOPS_FLOAT},
    [PVT_LOGADDEXP2] = {"logaddexp2", PVT_LOOPS_FLOAT},
    [PVT_COPYSIGN] = {"copysign", PVT_LOOPS_FLOAT},
    [PVT_NEXTAFTER] = {"nextafter", PVT_LOOPS_FLOAT},
    [PVT_HEAVISIDE] = {"heaviside", PVT_LOOPS_FLOAT},
    [PVT_GCD] = {"gcd", PVT_LOOPS_INT, .no_bool = true},
    [PVT_LCM] = {"lcm", PVT_LOOPS_INT, .no_bool = true},
    [PVT_EQUAL] = {"equal", PVT_LOOPS_ANY, PVT_GIVES_BOOL},
    [PVT_NOT_EQUAL] = {"not_equal", PVT_LOOPS_ANY, PVT_GIVES_BOOL},
    [PVT_LESS] = {"less", PVT_LOOPS_ANY, PVT_GIVES_BOOL},
    [PVT_LESS_EQUAL] = {"less_equal", PVT_LOOPS_ANY, PVT_GIVES_BOOL},
    [PVT_GREATER] = {"greater", PVT_LOOPS_ANY, PVT_GIVES_BOOL},
    [PVT_GREATER_EQUAL] = {"greater_equal", PVT_LOOPS_ANY, PVT_GIVES_BOOL},
    [PVT_LOGICAL_AND] = {"logical_and", PVT_LOOPS_ANY, PVT_GIVES_BOOL},
    [PVT_LOGICAL_OR] = {"logical_or", PVT_LOOPS_ANY, PVT_GIVES_BOOL},
    [PVT_LOGICAL_XOR] = {"logical_xor", PVT_LOOPS_ANY, PVT_GIVES_BOOL},
    [PVT_BITWISE_AND] = {"bitwise_and", BITS},
    [PVT_BITWISE_OR] = {"bitwise_or", BITS},
    [PVT_BITWISE_XOR] = {"bitwise_xor", BITS},
    [PVT_LEFT_SHIFT] = {"left_shift", PVT_LOOPS_INT},
    [PVT_RIGHT_SHIFT] = {"right_shift", PVT_LOOPS_INT},
};

const char *pvt_binary_name(int op) {
  return op >= 0 && op < PVT_BINARY_OPS ? rules[op].name : NULL;
}

int pvt_binary_types(pvt_binary_op op, pvt_dtype a, pvt_dtype b, pvt_dtype *loop,
                     pvt_dtype *result) {
  if (pvt_rule_apply(&rules[op], a, b, loop, result)) return PVT_OK;
  if (op == PVT_SUBTRACT)
    return pvt_fail(PVT_E_DTYPE,
                    "numpy boolean subtract, the `-` operator, is not supported, use the "
                    "bitwise_xor, the `^` operator, or the logical_xor function instead.");
  return pvt_fail(PVT_E_DTYPE,
                  "ufunc '%s' not supported for the input types, and the inputs could not be "
                  "safely coerced to any supported types according to the casting rule ''safe'' "
                  "(the inputs are %s and %s)",
                  rules[op].name, pvt_dtype_name(a), pvt_dtype_name(b));
}

/* ---- Comparing uint64 with signed integers ------------------------------ */

static bool is_comparison(pvt_binary_op op) {
  return op >= PVT_EQUAL && op <= PVT_GREATER_EQUAL;
}

static bool is_mixed(pvt_dtype a, pvt_dtype b) {
  return (a == PVT_UINT64 && pvt_dtype_kind(b) == PVT_KIND_INT) ||
         (b == PVT_UINT64 && pvt_dtype_kind(a) == PVT_KIND_INT);
}

static int compare_mixed(pvt_binary_op op, const pvt_array *a, const pvt_array *b, pvt_array *out) {
  const pvt_array *in[2] = {a, b};
  if (a->dtype == PVT_UINT64) { /* the signed one goes first */
    static const uint8_t turned[] = {PVT_EQUAL,         PVT_NOT_EQUAL, PVT_GREATER,
                                     PVT_GREATER_EQUAL, PVT_LESS,      PVT_LESS_EQUAL};
    in[0] = b;
    in[1] = a;
    op = turned[op - PVT_EQUAL];
  }
  static const pvt_dtype wanted[3] = {PVT_INT64, PVT_UINT64, PVT_BOOL};
  pvt_kernel *kernel = pvt_kernels_get()->elementwise->mixed[op - PVT_EQUAL];
  return pvt_elementwise_run(kernel, NULL, 2, in, out, wanted);
}

/* ---- Running ------------------------------------------------------------ */

int pvt_binary(pvt_binary_op op, const pvt_array *a, const pvt_array *b, pvt_array *out) {
  const pvt_array *const in[2] = {a, b};
  pvt_kernel *const *row = pvt_kernels_get()->elementwise->binary[op];
  pvt_dtype ta = (pvt_dtype)a->dtype, tb = (pvt_dtype)b->dtype, loop, result;
  pvt_kernel *kernel = ta == tb ? row[ta] : NULL;
  bool bad = false; /* set by kernels of integer powers */
  if (kernel != NULL && out->writable &&
      out->dtype == (rules[op].gives == PVT_GIVES_BOOL ? PVT_BOOL : ta)) {
    int64_t strides[PVT_OPERANDS], n = pvt_flat(2, in, out, strides);
    if (n > 0) {
      char *const data[3] = {a->data, b->data, out->data};
      kernel(n, data, strides, &bad);
      goto done;
    }
  }
  if (is_comparison(op) && is_mixed(ta, tb)) return compare_mixed(op, a, b, out);
  int status = pvt_binary_types(op, ta, tb, &loop, &result);
  if (status != PVT_OK) return status;
  status = pvt_elementwise_row(row, &bad, 2, in, out, loop, result);
  if (status != PVT_OK) return status;
done:
  if (bad) return pvt_fail(PVT_E_VALUE, "Integers to negative integer powers are not allowed.");
  return PVT_OK;
}

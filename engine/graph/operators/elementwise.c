/* elementwise.c - arithmetic, comparisons, functions of each element, casts. */
#include "elementwise_operators.h"

#include <math.h>

#include "activations.h"
#include "elementwise.h"

/* ---- Inference ---------------------------------------------------------- */

int pvg_infer_broadcast_all(pvg_infer *infer) {
  pvg_info *out = &infer->outputs[0];
  int dtype = infer->inputs[0]->dtype;
  pvg_info_shape(out, infer->inputs[0]);
  for (int i = 1; i < infer->input_count; i++) {
    pvg_info before = *out;
    out->ranked = false;
    int status = pvg_infer_broadcast(infer, &before, infer->inputs[i], out);
    if (status != PVT_OK) return status;
    if (!out->ranked) break;
  }
  out->dtype = dtype;
  return PVT_OK;
}

static int infer_predicate(pvg_infer *infer) {
  int status = pvg_infer_like(infer);
  infer->outputs[0].dtype = PVT_BOOL;
  return status;
}

void pvg_elementwise_start(const pvg_prepare *prepare, pvg_elementwise *state) {
  const pvg_info *out = &prepare->outputs[0];
  state->dtype = (pvt_dtype)out->dtype;
  state->ndim = out->ndim;
  for (int d = 0; d < out->ndim; d++) state->shape[d] = out->size[d];
}

/* ---- Which operator it is ----------------------------------------------- */

typedef struct named {
  const char *type;
  int op;
} named;

static const named unary[] = {
    {"Abs", PVT_ABSOLUTE},
    {"Acos", PVT_ACOS},
    {"Acosh", PVT_ACOSH},
    {"Asin", PVT_ASIN},
    {"Asinh", PVT_ASINH},
    {"Atan", PVT_ATAN},
    {"Atanh", PVT_ATANH},
    {"BitwiseNot", PVT_INVERT},
    {"Ceil", PVT_CEIL},
    {"Cos", PVT_COS},
    {"Cosh", PVT_COSH},
    {"Erf", PVT_ERF},
    {"Exp", PVT_EXP},
    {"Floor", PVT_FLOOR},
    {"IsNaN", PVT_ISNAN},
    {"Log", PVT_LOG},
    {"Neg", PVT_NEGATIVE},
    {"Not", PVT_LOGICAL_NOT},
    {"Reciprocal", PVT_RECIPROCAL},
    {"Round", PVT_RINT},
    {"Sigmoid", PVT_SIGMOID},
    {"Sign", PVT_SIGN},
    {"Sin", PVT_SIN},
    {"Sinh", PVT_SINH},
    {"Sqrt", PVT_SQRT},
    {"Tan", PVT_TAN},
    {"Tanh", PVT_TANH},
    {NULL, 0},
};

static const named binary[] = {
    {"Add", PVT_ADD},
    {"And", PVT_LOGICAL_AND},
    {"BitwiseAnd", PVT_BITWISE_AND},
    {"BitwiseOr", PVT_BITWISE_OR},
    {"BitwiseXor", PVT_BITWISE_XOR},
    {"Div", PVT_DIVIDE},
    {"Equal", PVT_EQUAL},
    {"Greater", PVT_GREATER},
    {"GreaterOrEqual", PVT_GREATER_EQUAL},
    {"Less", PVT_LESS},
    {"LessOrEqual", PVT_LESS_EQUAL},
    {"Max", PVT_MAXIMUM},
    {"Mean", PVT_ADD},
    {"Min", PVT_MINIMUM},
    {"Mul", PVT_MULTIPLY},
    {"Or", PVT_LOGICAL_OR},
    {"Pow", PVT_POWER},
    {"Sub", PVT_SUBTRACT},
    {"Sum", PVT_ADD},
    {"Xor", PVT_LOGICAL_XOR},
    {NULL, 0},
};

static int op_of(const named *table, const char *type) {
  while (table->type != NULL && strcmp(table->type, type) != 0) table++;
  return table->op;
}

/* Those of float32 that have a kernel for models, which is quicker. */
static const named fast[] = {
    {"Erf", PVT_FAST_ERF},
    {"Exp", PVT_FAST_EXP},
    {"Sigmoid", PVT_FAST_SIGMOID},
    {"Tanh", PVT_FAST_TANH},
    {NULL, -1},
};

static int prepare_unary(const pvg_prepare *prepare, void *state) {
  pvg_elementwise *s = state;
  pvg_elementwise_start(prepare, s);
  s->op = op_of(unary, prepare->node->type);
  s->fast = s->dtype == PVT_FLOAT32 ? op_of(fast, prepare->node->type) : -1;
  return PVT_OK;
}

/* ---- One operand -------------------------------------------------------- */

static int run_unary(pvg_call *call) {
  const pvg_elementwise *s = call->state;
  pvt_array *out = pvg_elementwise_output(call);
  if (out == NULL) return pvt_error_status();
  if (s->fast >= 0) return pvg_activate(s->fast, 0, 0, call->inputs[0], out);
  return pvt_unary((pvt_unary_op)s->op, call->inputs[0], out);
}

static int prepare_isinf(const pvg_prepare *prepare, void *state) {
  pvg_elementwise *s = state;
  pvg_elementwise_start(prepare, s);
  s->has_high = pvg_int(prepare->node, "detect_positive", 1) != 0;
  s->has_low = pvg_int(prepare->node, "detect_negative", 1) != 0;
  return PVT_OK;
}

static int run_isinf(pvg_call *call) {
  const pvg_elementwise *s = call->state;
  const pvt_array *x = call->inputs[0];
  pvt_array *out = pvg_elementwise_output(call);
  if (out == NULL) return pvt_error_status();
  if (s->has_low && s->has_high) return pvt_unary(PVT_ISINF, x, out);
  if (!s->has_low && !s->has_high) return pvt_fill(out, "");
  pvt_array infinity;
  char memory[16];
  pvg_scalar(&infinity, memory, (pvt_dtype)x->dtype, s->has_high ? INFINITY : -INFINITY);
  return pvt_binary(PVT_EQUAL, x, &infinity, out);
}

/* ---- Two operands ------------------------------------------------------- */

/* Before version 7 the second operand's dimensions were put at an axis of the first one's: `added`
** dimensions of 1 follow them. */
static int prepare_binary(const pvg_prepare *prepare, void *state) {
  pvg_elementwise *s = state;
  pvg_elementwise_start(prepare, s);
  s->op = op_of(binary, prepare->node->type);
  const pvg_attribute *at = pvg_attribute_of(prepare->node, "axis");
  if (prepare->node->version >= 7 || at == NULL) return PVT_OK;
  int ndim = prepare->inputs[0]->ndim, axis = pvg_axis(at->i, ndim);
  if (axis < 0) return axis;
  s->added = ndim - axis - prepare->inputs[1]->ndim;
  return s->added >= 0 ? PVT_OK
                       : pvt_fail(PVT_E_SHAPE, "the second operand has too many dimensions");
}

static int infer_binary(pvg_infer *infer) {
  if (infer->node->version < 7 && pvg_attribute_of(infer->node, "axis") != NULL)
    return pvg_infer_like(infer);
  return pvg_infer_broadcast_all(infer);
}

static int infer_comparison(pvg_infer *infer) {
  int status = infer_binary(infer);
  infer->outputs[0].dtype = PVT_BOOL;
  return status;
}

/* Quotients of signed integers are cut towards 0, as C does; by 0 they are 0. */
static void quotient(int64_t n, char *const *data, const int64_t *strides, void *arg) {
  (void)arg;
  for (int64_t i = 0; i < n; i++) {
    int64_t a = *(const int64_t *)(data[0] + i * strides[0]);
    int64_t b = *(const int64_t *)(data[1] + i * strides[1]);
    int64_t result = b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
    *(int64_t *)(data[2] + i * strides[2]) = result;
  }
}

static int divide(const pvt_array *a, const pvt_array *b, pvt_array *out) {
  switch (pvt_dtype_kind((pvt_dtype)out->dtype)) {
  case PVT_KIND_INT: {
    static const pvt_dtype wanted[3] = {PVT_INT64, PVT_INT64, PVT_INT64};
    return pvt_elementwise_run(quotient, NULL, 2, (const pvt_array *const[]){a, b}, out, wanted);
  }
  case PVT_KIND_UINT: return pvt_binary(PVT_FLOOR_DIVIDE, a, b, out);
  default: return pvt_binary(PVT_DIVIDE, a, b, out);
  }
}

/* Powers by one small exponent are products. True if that was one. */
static bool power_of(const pvt_array *x, double exponent, pvt_array *out, int *status) {
  bool is_float = pvt_dtype_kind((pvt_dtype)x->dtype) == PVT_KIND_FLOAT;
  if (exponent == 2) *status = pvt_unary(PVT_SQUARE, x, out);
  else if (exponent == 1) *status = pvt_copy(x, out);
  else if (exponent == 0.5 && is_float) *status = pvt_unary(PVT_SQRT, x, out);
  else if (exponent == -1 && is_float) *status = pvt_unary(PVT_RECIPROCAL, x, out);
  else return false;
  return true;
}

static int power(pvg_call *call, const pvt_array *x, const pvt_array *y, pvt_array *out) {
  int status;
  if (pvt_array_count(y) == 1 && pvt_dtype_kind((pvt_dtype)y->dtype) < PVT_KIND_COMPLEX &&
      power_of(x, pvg_float_at(y, 0), out, &status))
    return status;
  if (pvt_dtype_kind((pvt_dtype)x->dtype) > PVT_KIND_UINT ||
      pvt_dtype_kind((pvt_dtype)y->dtype) != PVT_KIND_INT)
    return pvt_binary(PVT_POWER, x, y, out);
  /* Negative powers of integers are those of floats, cut. */
  pvt_array lowest, exponents;
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < y->ndim; d++) shape[d] = 1;
  if (pvt_array_count(y) == 0) return PVT_OK;
  status = pvg_scratch_array(call, &lowest, (pvt_dtype)y->dtype, y->ndim, shape);
  if (status == PVT_OK)
    status = pvt_reduce(PVT_MIN, y, y->ndim == 32 ? ~0u : (1u << y->ndim) - 1, &lowest);
  if (status != PVT_OK) return status;
  if (pvg_int_at(&lowest, 0) >= 0) return pvt_binary(PVT_POWER, x, y, out);
  status = pvg_as(call, y, PVT_FLOAT64, &exponents);
  return status == PVT_OK ? pvt_binary(PVT_POWER, x, &exponents, out) : status;
}

static int run_binary(pvg_call *call) {
  const pvg_elementwise *s = call->state;
  const pvt_array *a = call->inputs[0], *b = call->inputs[1];
  pvt_array more;
  if (s->added > 0) {
    pvg_look(&more, b);
    for (int i = 0; i < s->added; i++) more.dim[more.ndim++] = (pvt_dim){1, 0};
    b = &more;
  }
  pvt_array *out = pvg_elementwise_output(call);
  if (out == NULL) return pvt_error_status();
  if (s->op == PVT_DIVIDE) return divide(a, b, out);
  if (s->op == PVT_POWER) return power(call, a, b, out);
  return pvt_binary((pvt_binary_op)s->op, a, b, out);
}

static int prepare_mod(const pvg_prepare *prepare, void *state) {
  pvg_elementwise *s = state;
  pvg_elementwise_start(prepare, s);
  s->op = pvg_int(prepare->node, "fmod", 0) != 0 ? PVT_FMOD : PVT_REMAINDER;
  return PVT_OK;
}

static int prepare_shift(const pvg_prepare *prepare, void *state) {
  pvg_elementwise *s = state;
  pvg_elementwise_start(prepare, s);
  const char *direction = pvg_string(prepare->node, "direction", "");
  if (strcmp(direction, "LEFT") != 0 && strcmp(direction, "RIGHT") != 0)
    return pvt_fail(PVT_E_VALUE, "direction is \"%.20s\", not LEFT or RIGHT", direction);
  s->op = direction[0] == 'L' ? PVT_LEFT_SHIFT : PVT_RIGHT_SHIFT;
  return PVT_OK;
}

/* ---- Any number of operands --------------------------------------------- */

static int fold(pvg_call *call, pvt_array **result) {
  const pvg_elementwise *s = call->state;
  pvt_array *out = *result = pvg_output(call, 0, s->dtype, s->ndim, s->shape);
  if (out == NULL) return pvt_error_status();
  if (call->input_count == 1) return pvt_copy(call->inputs[0], out);
  int status = pvt_binary((pvt_binary_op)s->op, call->inputs[0], call->inputs[1], out);
  for (int i = 2; i < call->input_count && status == PVT_OK; i++)
    status = pvt_binary((pvt_binary_op)s->op, out, call->inputs[i], out);
  return status;
}

static int run_variadic(pvg_call *call) {
  pvt_array *out;
  return fold(call, &out);
}

static int run_mean(pvg_call *call) {
  pvt_array *out, count;
  int status = fold(call, &out);
  if (status != PVT_OK || call->input_count == 1) return status;
  char memory[16];
  pvg_scalar(&count, memory, (pvt_dtype)out->dtype, call->input_count);
  return pvt_binary(PVT_DIVIDE, out, &count, out);
}

/* ---- The table ---------------------------------------------------------- */

#define EACH (PVG_ELEMENTWISE | PVG_OVER)
#define STATE sizeof(pvg_elementwise)
#define UNARY(type, since)                                                                         \
  {type, "", since, 0, 1, 1, EACH, pvg_infer_like, STATE, prepare_unary, NULL, run_unary, NULL}
#define PREDICATE(type, since)                                                                     \
  {type, "", since, 0, 1, 1, EACH, infer_predicate, STATE, prepare_unary, NULL, run_unary, NULL}
#define BINARY(type, since)                                                                        \
  {type, "", since, 0, 2, 2, EACH, infer_binary, STATE, prepare_binary, NULL, run_binary, NULL}
#define COMPARISON(type, since)                                                                    \
  {type, "", since, 0, 2, 2, EACH, infer_comparison, STATE, prepare_binary, NULL, run_binary, NULL}
#define VARIADIC(type, run)                                                                        \
  {type,           "",   1,   0,   1, -1, PVG_ELEMENTWISE, pvg_infer_broadcast_all, STATE,         \
   prepare_binary, NULL, run, NULL}
#define ACTIVATION(type, since)                                                                    \
  {type,  "",                                                                                      \
   since, 0,                                                                                       \
   1,     1,                                                                                       \
   EACH,  pvg_infer_like,                                                                          \
   STATE, pvg_activation_prepare,                                                                  \
   NULL,  pvg_activation_run,                                                                      \
   NULL}

const pvg_operator pvg_elementwise_operators[] = {
    UNARY("Abs", 1),
    UNARY("Acos", 7),
    UNARY("Acosh", 9),
    UNARY("Asin", 7),
    UNARY("Asinh", 9),
    UNARY("Atan", 7),
    UNARY("Atanh", 9),
    UNARY("BitwiseNot", 18),
    UNARY("Ceil", 1),
    UNARY("Cos", 7),
    UNARY("Cosh", 9),
    UNARY("Erf", 9),
    UNARY("Exp", 1),
    UNARY("Floor", 1),
    UNARY("Log", 1),
    UNARY("Neg", 1),
    UNARY("Reciprocal", 1),
    UNARY("Round", 11),
    UNARY("Sigmoid", 1),
    UNARY("Sign", 9),
    UNARY("Sin", 7),
    UNARY("Sinh", 9),
    UNARY("Sqrt", 1),
    UNARY("Tan", 7),
    UNARY("Tanh", 1),
    PREDICATE("IsNaN", 9),
    PREDICATE("Not", 1),
    {"IsInf", "", 10, 0, 1, 1, EACH, infer_predicate, STATE, prepare_isinf, NULL, run_isinf, NULL},
    BINARY("Add", 1),
    BINARY("BitwiseAnd", 18),
    BINARY("BitwiseOr", 18),
    BINARY("BitwiseXor", 18),
    BINARY("Div", 1),
    BINARY("Mul", 1),
    BINARY("Pow", 1),
    BINARY("Sub", 1),
    COMPARISON("And", 1),
    COMPARISON("Equal", 1),
    COMPARISON("Greater", 1),
    COMPARISON("GreaterOrEqual", 12),
    COMPARISON("Less", 1),
    COMPARISON("LessOrEqual", 12),
    COMPARISON("Or", 1),
    COMPARISON("Xor", 1),
    {"Mod", "", 10, 0, 2, 2, EACH, pvg_infer_broadcast_all, STATE, prepare_mod, NULL, run_binary,
     NULL},
    {"BitShift", "", 11, 0, 2, 2, EACH, pvg_infer_broadcast_all, STATE, prepare_shift, NULL,
     run_binary, NULL},
    VARIADIC("Max", run_variadic),
    VARIADIC("Mean", run_mean),
    VARIADIC("Min", run_variadic),
    VARIADIC("Sum", run_variadic),
    ACTIVATION("Celu", 12),
    ACTIVATION("Elu", 1),
    ACTIVATION("Gelu", 20),
    ACTIVATION("HardSigmoid", 1),
    ACTIVATION("HardSwish", 14),
    ACTIVATION("LeakyRelu", 1),
    ACTIVATION("Mish", 18),
    ACTIVATION("Selu", 1),
    ACTIVATION("Shrink", 9),
    ACTIVATION("Softplus", 1),
    ACTIVATION("Softsign", 1),
    ACTIVATION("Swish", 24),
    ACTIVATION("ThresholdedRelu", 10),
    {"Relu", "", 1, 0, 1, 1, EACH, pvg_infer_like, STATE, prepare_unary, NULL, pvg_relu_run, NULL},
    {"PRelu", "", 1, 0, 2, 2, EACH, pvg_infer_like, STATE, prepare_unary, NULL, pvg_prelu_run,
     NULL},
    {"Clip", "", 1, 0, 1, 3, EACH, pvg_infer_like, STATE, pvg_clip_prepare, NULL, pvg_clip_run,
     NULL},
    {"Where", "", 9, 0, 3, 3, EACH, pvg_where_infer, STATE, prepare_unary, NULL, pvg_where_run,
     NULL},
    {"Cast", "", 6, 0, 1, 1, PVG_ELEMENTWISE, pvg_cast_infer, STATE, pvg_cast_prepare, NULL,
     pvg_cast_run, NULL},
    {"CastLike", "", 15, 0, 2, 2, PVG_ELEMENTWISE, pvg_cast_infer, STATE, pvg_cast_prepare, NULL,
     pvg_cast_run, NULL},
    {"Dropout", "", 1, 0, 1, 3, PVG_VIEW | PVG_RANDOM, pvg_dropout_infer, STATE,
     pvg_dropout_prepare, NULL, pvg_dropout_run, NULL},
    {0},
};

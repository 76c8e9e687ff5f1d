/* reducing.c - sums, means, extremes and norms over axes; running totals. */
#include "inference.h"

#include <math.h>

#include "kernels.h"

typedef enum reduction {
  SUM,
  MEAN,
  PROD,
  MAX,
  MIN,
  SUM_SQUARE,
  L1,
  L2,
  LOG_SUM,
  LOG_SUM_EXP,
} reduction;

typedef struct reducing {
  reduction kind;
  uint32_t axes;
  int ndim; /* of the output */
  int64_t shape[PVT_MAX_DIMS];
  int64_t kept[PVT_MAX_DIMS]; /* the same with dimensions of 1 for those reduced */
} reducing;

/* ---- Which axes --------------------------------------------------------- */

/* PVT_OK, PVG_UNKNOWN or an error. */
static int read_axes(const pvg_node *node, const pvg_info *given, int ndim, uint32_t *bits) {
  int64_t axes[PVT_MAX_DIMS];
  int count = pvg_listed_ints(node, given, "axes", axes, PVT_MAX_DIMS);
  if (count == PVG_UNKNOWN || (count < 0 && count != PVG_LEFT_OUT)) return count;
  *bits = 0;
  if (count <= 0 && pvg_int(node, "noop_with_empty_axes", 0) != 0) return PVT_OK;
  return pvg_axes(axes, count, ndim, bits);
}

static int infer_reduce(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  bool keep = pvg_int(infer->node, "keepdims", 1) != 0;
  if (!x->ranked) return pvg_infer_open(infer, -1);
  uint32_t axes;
  int status = read_axes(infer->node, PVG_INPUT(infer, 1), x->ndim, &axes);
  if (status == PVG_UNKNOWN) return pvg_infer_open(infer, keep ? x->ndim : -1);
  if (status != PVT_OK) return status;
  pvg_info *out = &infer->outputs[0];
  out->dtype = x->dtype;
  out->ranked = true;
  out->ndim = 0;
  for (int d = 0; d < x->ndim; d++)
    if ((axes >> d & 1) == 0) out->size[out->ndim++] = x->size[d];
    else if (keep) out->size[out->ndim++] = 1;
  return PVT_OK;
}

static void shapes_of(reducing *state, const pvg_info *x, bool keep) {
  state->ndim = 0;
  for (int d = 0; d < x->ndim; d++) {
    bool reduced = state->axes >> d & 1;
    state->kept[d] = reduced ? 1 : x->size[d];
    if (!reduced || keep) state->shape[state->ndim++] = state->kept[d];
  }
}

static int prepare_reduce(const pvg_prepare *prepare, void *memory) {
  static const char *const types[] = {"ReduceSum",    "ReduceMean",      "ReduceProd", "ReduceMax",
                                      "ReduceMin",    "ReduceSumSquare", "ReduceL1",   "ReduceL2",
                                      "ReduceLogSum", "ReduceLogSumExp"};
  reducing *state = memory;
  while (strcmp(types[state->kind], prepare->node->type) != 0) state->kind++;
  const pvg_info *x = prepare->inputs[0];
  int status = read_axes(prepare->node, PVG_INPUT(prepare, 1), x->ndim, &state->axes);
  if (status != PVT_OK) return status == PVG_UNKNOWN ? PVG_LATER : status;
  shapes_of(state, x, pvg_int(prepare->node, "keepdims", 1) != 0);
  return PVT_OK;
}

/* ---- Reductions --------------------------------------------------------- */

/* The type in which what is not one reduction is computed. */
static pvt_dtype wide_type(pvt_dtype dtype) {
  if (pvt_dtype_kind(dtype) <= PVT_KIND_UINT) return PVT_FLOAT64;
  return pvt_itemsize(dtype) == 2 ? PVT_FLOAT32 : dtype;
}

static int same_shape(pvg_call *call, const pvt_array *x, pvt_dtype dtype, pvt_array *made) {
  int64_t shape[PVT_MAX_DIMS];
  pvg_shape_of(x, shape);
  return pvg_scratch_array(call, made, dtype, x->ndim, shape);
}

/* An extreme of nothing is the least that the type has, or the greatest. */
static int extreme_of_nothing(bool largest, pvt_array *out) {
  pvt_dtype dtype = (pvt_dtype)out->dtype;
  char memory[16] = {0};
  pvt_array element;
  pvt_kind kind = pvt_dtype_kind(dtype);
  size_t size = pvt_itemsize(dtype);
  if (kind >= PVT_KIND_FLOAT) pvg_scalar(&element, memory, dtype, largest ? -INFINITY : INFINITY);
  else if (kind == PVT_KIND_BOOL) memory[0] = !largest;
  else if (kind == PVT_KIND_UINT) memset(memory, largest ? 0 : 255, size);
  else {
    memset(memory, largest ? 0 : 255, size);
    memory[size - 1] = largest ? -128 : 127;
  }
  return pvt_fill(out, memory);
}

static int l1(pvg_call *call, const pvt_array *x, uint32_t axes, pvt_array *out) {
  pvt_array sizes;
  int status = same_shape(call, x, (pvt_dtype)x->dtype, &sizes);
  if (status == PVT_OK) status = pvt_unary(PVT_ABSOLUTE, x, &sizes);
  return status == PVT_OK ? pvt_reduce(PVT_SUM, &sizes, axes, out) : status;
}

/* A reduction in a wide type, then a function of it. */
static int then(pvg_call *call, pvt_reduce_op op, pvt_unary_op function, const pvt_array *x,
                uint32_t axes, pvt_array *out) {
  pvt_dtype wide = wide_type((pvt_dtype)x->dtype);
  pvt_array total;
  int status = same_shape(call, out, wide, &total);
  if (status == PVT_OK) status = pvt_reduce(op, x, axes, &total);
  return status == PVT_OK ? pvt_unary(function, &total, out) : status;
}

/* log(sum(exp(x - m))) + m with the largest m, or 0 where that is infinite. */
static int log_sum_exp(pvg_call *call, const pvt_array *x, uint32_t axes, pvt_array *out) {
  pvt_dtype wide = wide_type((pvt_dtype)x->dtype);
  pvt_array most, total, terms, finite, zero;
  char memory[16];
  int status = same_shape(call, out, wide, &most);
  if (status == PVT_OK) status = same_shape(call, out, wide, &total);
  if (status == PVT_OK) status = same_shape(call, out, PVT_BOOL, &finite);
  if (status == PVT_OK) status = same_shape(call, x, wide, &terms);
  if (status == PVT_OK)
    status = pvt_array_count(x) > 0 ? pvt_reduce(PVT_MAX, x, axes, &most)
                                    : extreme_of_nothing(true, &most);
  if (status == PVT_OK) status = pvt_unary(PVT_ISFINITE, &most, &finite);
  pvg_scalar(&zero, memory, wide, 0);
  if (status == PVT_OK) status = pvt_where(&finite, &most, &zero, &most);
  if (status == PVT_OK) status = pvt_binary(PVT_SUBTRACT, x, &most, &terms);
  if (status == PVT_OK) status = pvt_unary(PVT_EXP, &terms, &terms);
  if (status == PVT_OK) status = pvt_reduce(PVT_SUM, &terms, axes, &total);
  if (status == PVT_OK) status = pvt_unary(PVT_LOG, &total, &total);
  return status == PVT_OK ? pvt_binary(PVT_ADD, &total, &most, out) : status;
}

/* Short rows of float32 that lie one behind the other, as in pooling over whole images: a kernel's
** call each. True if it was that. */
static bool reduce_rows(const reducing *state, const pvt_array *x, pvt_array *out, int *status) {
  static const int8_t ops[] = {[SUM] = PVT_SUM, [MEAN] = PVT_SUM, [MAX] = PVT_MAX, [MIN] = PVT_MIN};
  int kept = x->ndim;
  int64_t length = 1, rows = 1;
  if (state->kind > MIN || state->kind == PROD || x->dtype != PVT_FLOAT32) return false;
  while (kept > 0 && (state->axes >> (kept - 1) & 1)) length *= x->dim[--kept].size;
  for (int d = 0; d < kept; d++) rows *= x->dim[d].size;
  bool others = (state->axes & ((1u << kept) - 1)) != 0;
  if (others || length < 1 || length > PVT_REDUCE_BLOCK || kept == x->ndim || kept == 0 ||
      !pvt_array_is_contiguous(x))
    return false;
  pvt_row_kernel *kernel = pvt_kernels_get()->reductions->row[ops[state->kind]][PVT_FLOAT32];
  int64_t since = 0;
  *status = PVT_OK;
  for (int64_t i = 0; i < rows; i++) {
    float *to = (float *)out->data + i;
    kernel(length, x->data + i * length * 4, (char *)to);
    if (state->kind == MEAN) *to /= (float)length;
    since += length;
    if (since < PVT_TILE) continue;
    since = 0;
    *status = pvt_poll();
    if (*status != PVT_OK) return true;
  }
  return true;
}

static int run_reduce(pvg_call *call) {
  const reducing *state = call->state;
  const pvt_array *x = call->inputs[0];
  int status;
  pvt_array *made = pvg_output(call, 0, (pvt_dtype)x->dtype, state->ndim, state->shape), out;
  if (made == NULL) return pvt_error_status();
  pvt_array_over(&out, made->data, (pvt_dtype)x->dtype, x->ndim, state->kept);
  if (reduce_rows(state, x, &out, &status)) return status;
  switch (state->kind) {
  case SUM: return pvt_reduce(PVT_SUM, x, state->axes, &out);
  case MEAN: return pvt_reduce(PVT_MEAN, x, state->axes, &out);
  case PROD: return pvt_reduce(PVT_PROD, x, state->axes, &out);
  case SUM_SQUARE: return pvt_reduce(PVT_SUMSQ, x, state->axes, &out);
  case MAX:
  case MIN:
    if (pvt_array_count(x) == 0) return extreme_of_nothing(state->kind == MAX, &out);
    return pvt_reduce(state->kind == MAX ? PVT_MAX : PVT_MIN, x, state->axes, &out);
  case L1: return l1(call, x, state->axes, &out);
  case L2: return then(call, PVT_SUMSQ, PVT_SQRT, x, state->axes, &out);
  case LOG_SUM: return then(call, PVT_SUM, PVT_LOG, x, state->axes, &out);
  default: return log_sum_exp(call, x, state->axes, &out);
  }
}

/* ---- ArgMax, ArgMin ----------------------------------------------------- */

static int infer_arg(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  bool keep = pvg_int(infer->node, "keepdims", 1) != 0;
  pvg_info *out = &infer->outputs[0];
  out->dtype = PVT_INT64;
  if (!x->ranked) return PVT_OK;
  int axis = pvg_axis(pvg_int(infer->node, "axis", 0), x->ndim);
  if (axis < 0) return axis;
  out->ranked = true;
  out->ndim = 0;
  for (int d = 0; d < x->ndim; d++)
    if (d != axis) out->size[out->ndim++] = x->size[d];
    else if (keep) out->size[out->ndim++] = 1;
  return PVT_OK;
}

static int prepare_arg(const pvg_prepare *prepare, void *memory) {
  reducing *state = memory;
  const pvg_info *x = prepare->inputs[0];
  state->kind = strcmp(prepare->node->type, "ArgMax") == 0 ? MAX : MIN;
  state->axes = 1u << pvg_axis(pvg_int(prepare->node, "axis", 0), x->ndim);
  shapes_of(state, x, pvg_int(prepare->node, "keepdims", 1) != 0);
  return PVT_OK;
}

static int run_arg(pvg_call *call) {
  const reducing *state = call->state;
  int axis = __builtin_ctz(state->axes);
  pvt_array x, *made = pvg_output(call, 0, PVT_INT64, state->ndim, state->shape), out;
  if (made == NULL) return pvt_error_status();
  pvg_look(&x, call->inputs[0]);
  pvt_array_over(&out, made->data, PVT_INT64, x.ndim, state->kept);
  int64_t size = x.dim[axis].size;
  bool last = pvg_int(call->node, "select_last_index", 0) != 0;
  if (last && size > 0) { /* the first from behind */
    int status = pvt_view_slice(&x, axis, size - 1, size, -1);
    if (status != PVT_OK) return status;
  }
  int status = pvt_arg_reduce(state->kind == MAX, &x, axis, &out);
  int64_t count = pvt_array_count(&out), *index = (int64_t *)out.data;
  if (last && status == PVT_OK)
    for (int64_t i = 0; i < count; i++) index[i] = size - 1 - index[i];
  return status;
}

/* ---- CumSum, CumProd ---------------------------------------------------- */

static int run_scan(pvg_call *call) {
  pvt_array x, *made, out;
  bool sum = strcmp(call->node->type, "CumSum") == 0;
  const pvt_array *axes = call->inputs[1];
  if (pvt_array_count(axes) != 1) return pvt_fail(PVT_E_SHAPE, "the axis is one element");
  int64_t shape[PVT_MAX_DIMS];
  pvg_look(&x, call->inputs[0]);
  int axis = pvg_axis(pvg_int_at(axes, 0), x.ndim);
  if (axis < 0) return axis;
  pvg_shape_of(&x, shape);
  made = pvg_output(call, 0, (pvt_dtype)x.dtype, x.ndim, shape);
  if (made == NULL) return pvt_error_status();
  pvg_look(&out, made);
  int64_t size = x.dim[axis].size;
  if (size == 0) return PVT_OK;
  if (pvg_int(call->node, "reverse", 0) != 0) {
    x.data += (size - 1) * x.dim[axis].stride;
    x.dim[axis].stride = -x.dim[axis].stride;
    out.data += (size - 1) * out.dim[axis].stride;
    out.dim[axis].stride = -out.dim[axis].stride;
  }
  if (pvg_int(call->node, "exclusive", 0) != 0) { /* what comes before each element */
    pvt_array first, neutral;
    char memory[16];
    pvg_look_at(&first, &out, axis, 0);
    pvg_scalar(&neutral, memory, (pvt_dtype)x.dtype, sum ? 0 : 1);
    int status = pvt_fill(&first, memory);
    if (status != PVT_OK || size == 1) return status;
    out.data += out.dim[axis].stride;
    out.dim[axis].size = x.dim[axis].size = size - 1;
  }
  return pvt_scan(sum ? PVT_CUMSUM : PVT_CUMPROD, &x, axis, &out);
}

/* ---- The table ---------------------------------------------------------- */

#define REDUCE(type)                                                                               \
  {type, "", 1, 0, 1, 2, 0, infer_reduce, sizeof(reducing), prepare_reduce, NULL, run_reduce, NULL}
#define ARG(type)                                                                                  \
  {type, "", 1, 0, 1, 1, 0, infer_arg, sizeof(reducing), prepare_arg, NULL, run_arg, NULL}

const pvg_operator pvg_reducing_operators[] = {
    ARG("ArgMax"),
    ARG("ArgMin"),
    {"CumProd", "", 26, 0, 2, 2, 0, pvg_infer_like, 0, NULL, NULL, run_scan, NULL},
    {"CumSum", "", 11, 0, 2, 2, 0, pvg_infer_like, 0, NULL, NULL, run_scan, NULL},
    REDUCE("ReduceL1"),
    REDUCE("ReduceL2"),
    REDUCE("ReduceLogSum"),
    REDUCE("ReduceLogSumExp"),
    REDUCE("ReduceMax"),
    REDUCE("ReduceMean"),
    REDUCE("ReduceMin"),
    REDUCE("ReduceProd"),
    REDUCE("ReduceSum"),
    REDUCE("ReduceSumSquare"),
    {0},
};

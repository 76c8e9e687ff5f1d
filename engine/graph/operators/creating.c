/* creating.c - operators that make arrays: constants, ranges, shapes, random numbers. */
#include "creating_operators.h"

/* ---- Constant ----------------------------------------------------------- */

/* The attribute that holds the value, with its type. */
static const pvg_attribute *constant_of(const pvg_node *node, int *dtype, int64_t *count) {
  static const char *const names[] = {"value", "value_float", "value_int", "value_floats",
                                      "value_ints"};
  const pvg_attribute *value = NULL;
  for (int i = 0; i < 5 && value == NULL; i++) value = pvg_attribute_of(node, names[i]);
  if (value == NULL) return NULL;
  *count = value->kind == PVG_INTS || value->kind == PVG_FLOATS ? value->count : -1;
  *dtype = value->kind == PVG_TENSOR                           ? value->tensor->dtype
           : value->kind == PVG_INT || value->kind == PVG_INTS ? PVT_INT64
                                                               : PVT_FLOAT32;
  return value;
}

static int infer_constant(pvg_infer *infer) {
  int dtype;
  int64_t count, shape[PVT_MAX_DIMS];
  const pvg_attribute *value = constant_of(infer->node, &dtype, &count);
  if (value == NULL)
    return pvt_fail(PVT_E_UNSUPPORTED, "a constant is no tensor of numbers (texts and sparse "
                                       "tensors are not supported)");
  infer->outputs[0].dtype = dtype;
  if (value->kind == PVG_TENSOR) {
    pvg_shape_of(value->tensor, shape);
    pvg_info_sizes(&infer->outputs[0], value->tensor->ndim, shape);
  } else pvg_info_sizes(&infer->outputs[0], count >= 0, &count);
  return PVT_OK;
}

static int run_constant(pvg_call *call) {
  int dtype;
  int64_t count, shape[PVT_MAX_DIMS];
  const pvg_attribute *value = constant_of(call->node, &dtype, &count);
  pvt_array from;
  if (value->kind == PVG_TENSOR) {
    pvg_look(&from, value->tensor);
    pvg_shape_of(&from, shape);
  } else {
    shape[0] = count;
    void *data = count < 0 ? (void *)&value->i : (void *)value->ints; /* the union's, all of them */
    pvt_array_over(&from, data, (pvt_dtype)dtype, count >= 0, shape);
  }
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)dtype, from.ndim, shape);
  return out == NULL ? pvt_error_status() : pvt_copy(&from, out);
}

/* ---- ConstantOfShape ---------------------------------------------------- */

typedef struct filled {
  int ndim;
  int64_t shape[PVT_MAX_DIMS];
} filled;

static int prepare_filled(const pvg_prepare *prepare, void *state) {
  filled *filled = state;
  const pvg_info *out = &prepare->outputs[0];
  if (!pvg_info_is_known(out)) return PVG_LATER;
  filled->ndim = out->ndim;
  for (int d = 0; d < out->ndim; d++) filled->shape[d] = out->size[d];
  return PVT_OK;
}

static int infer_constant_of_shape(pvg_infer *infer) {
  const pvt_array *value = pvg_tensor(infer->node, "value");
  const pvg_info *wanted = infer->inputs[0];
  pvg_info *out = &infer->outputs[0];
  int64_t shape[PVT_MAX_DIMS];
  int count = pvg_info_ints(wanted, shape, PVT_MAX_DIMS);
  int dtype = value != NULL ? value->dtype : PVT_FLOAT32;
  if (value != NULL && pvt_array_count(value) != 1)
    return pvt_fail(PVT_E_SHAPE, "the value to fill with is not one element");
  if (count == PVG_UNKNOWN) {
    bool counted = wanted->ranked && wanted->ndim == 1 && !PVG_IS_SYMBOL(wanted->size[0]) &&
                   wanted->size[0] <= PVT_MAX_DIMS;
    pvg_infer_open(infer, counted ? (int)wanted->size[0] : -1);
  } else if (count < 0) {
    return count;
  } else {
    for (int d = 0; d < count; d++)
      if (shape[d] < 0)
        return pvt_fail(PVT_E_SHAPE, "a shape has a size of %lld", (long long)shape[d]);
    pvg_info_sizes(out, count, shape);
  }
  out->dtype = dtype;
  return PVT_OK;
}

static int run_constant_of_shape(pvg_call *call) {
  const filled *filled = call->state;
  const pvt_array *value = pvg_tensor(call->node, "value");
  pvt_dtype dtype = value != NULL ? (pvt_dtype)value->dtype : PVT_FLOAT32;
  pvt_array *out = pvg_output(call, 0, dtype, filled->ndim, filled->shape);
  static const char zero[16];
  return out == NULL ? pvt_error_status() : pvt_fill(out, value != NULL ? value->data : zero);
}

/* ---- Range -------------------------------------------------------------- */

/* How many numbers from start on, by steps, come before limit. */
static int count_range(const pvt_array *start, const pvt_array *limit, const pvt_array *delta,
                       int64_t *count) {
  if (pvt_array_count(start) != 1 || pvt_array_count(limit) != 1 || pvt_array_count(delta) != 1)
    return pvt_fail(PVT_E_SHAPE, "start, limit and delta of a range are one element each");
  bool whole = pvt_dtype_kind((pvt_dtype)start->dtype) <= PVT_KIND_UINT;
  double steps;
  if (whole) {
    int64_t from = pvg_int_at(start, 0), to = pvg_int_at(limit, 0), by = pvg_int_at(delta, 0), span;
    if (by == 0) return pvt_fail(PVT_E_VALUE, "the delta of a range is 0");
    if (__builtin_sub_overflow(to, from, &span))
      return pvt_fail(PVT_E_SHAPE, "a range is too long");
    bool forward = span > 0 && by > 0, back = span < 0 && by < 0;
    *count = forward || back ? span / by + (span % by != 0) : 0;
    return PVT_OK;
  }
  double by = pvg_float_at(delta, 0);
  steps = __builtin_ceil((pvg_float_at(limit, 0) - pvg_float_at(start, 0)) / by);
  if (by == 0 || steps != steps || steps > 1e18)
    return pvt_fail(PVT_E_VALUE, "a range does not end");
  *count = steps > 0 ? (int64_t)steps : 0;
  return PVT_OK;
}

static int infer_range(pvg_infer *infer) {
  for (int i = 0; i < 3; i++)
    if (infer->inputs[i]->constant == NULL) return pvg_infer_open(infer, 1);
  int64_t count;
  int status = count_range(infer->inputs[0]->constant, infer->inputs[1]->constant,
                           infer->inputs[2]->constant, &count);
  infer->outputs[0].dtype = infer->inputs[0]->dtype;
  pvg_info_sizes(&infer->outputs[0], 1, &count);
  return status;
}

static int run_range(pvg_call *call) {
  const pvt_array *start = call->inputs[0], *delta = call->inputs[2];
  int64_t count;
  int status = count_range(start, call->inputs[1], delta, &count);
  if (status != PVT_OK) return status;
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)start->dtype, 1, &count);
  if (out == NULL) return pvt_error_status();
  if (pvt_dtype_kind((pvt_dtype)start->dtype) <= PVT_KIND_UINT)
    return pvt_arange_int(out, pvg_int_at(start, 0), pvg_int_at(delta, 0));
  return pvt_arange_float(out, pvg_float_at(start, 0), pvg_float_at(delta, 0));
}

/* ---- Shape, Size -------------------------------------------------------- */

/* Which of the dimensions are wanted. */
static void ends_of_shape(const pvg_node *node, int ndim, int *start, int *end) {
  int64_t from = pvg_int(node, "start", 0), to = pvg_int(node, "end", ndim);
  if (from < 0) from += ndim;
  if (to < 0) to += ndim;
  *start = from < 0 ? 0 : from > ndim ? ndim : (int)from;
  *end = to < *start ? *start : to > ndim ? ndim : (int)to;
}

static int infer_shape(pvg_infer *infer) {
  pvg_info *out = &infer->outputs[0];
  out->dtype = PVT_INT64;
  int start = 0, end = 0;
  if (infer->inputs[0]->ranked) ends_of_shape(infer->node, infer->inputs[0]->ndim, &start, &end);
  pvg_size count = infer->inputs[0]->ranked ? end - start : pvg_symbol(infer);
  pvg_info_sizes(out, 1, &count);
  return PVT_OK;
}

static int run_shape(pvg_call *call) {
  const pvt_array *x = call->inputs[0];
  int start, end;
  ends_of_shape(call->node, x->ndim, &start, &end);
  int64_t count = end - start;
  pvt_array *out = pvg_output(call, 0, PVT_INT64, 1, &count);
  if (out == NULL) return pvt_error_status();
  for (int d = start; d < end; d++) ((int64_t *)out->data)[d - start] = x->dim[d].size;
  return PVT_OK;
}

static int infer_size(pvg_infer *infer) {
  infer->outputs[0].dtype = PVT_INT64;
  pvg_info_sizes(&infer->outputs[0], 0, NULL);
  return PVT_OK;
}

static int run_size(pvg_call *call) {
  pvt_array *out = pvg_output(call, 0, PVT_INT64, 0, NULL);
  if (out == NULL) return pvt_error_status();
  *(int64_t *)out->data = pvt_array_count(call->inputs[0]);
  return PVT_OK;
}

/* ---- EyeLike ------------------------------------------------------------ */

static int infer_eye(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  if (x->ranked && x->ndim != 2)
    return pvt_fail(PVT_E_SHAPE, "the input has %d dimensions, not 2", x->ndim);
  return pvg_random_like_infer(infer);
}

static int run_eye(pvg_call *call) {
  const pvt_array *x = call->inputs[0];
  int64_t rows = x->dim[0].size, columns = x->dim[1].size, k = pvg_int(call->node, "k", 0);
  const pvg_attribute *type = pvg_attribute_of(call->node, "dtype");
  pvt_dtype dtype = type != NULL ? (pvt_dtype)pvg_dtype_of(type->i) : (pvt_dtype)x->dtype;
  pvt_array *out = pvg_output(call, 0, dtype, 2, (int64_t[]){rows, columns});
  if (out == NULL) return pvt_error_status();
  static const char zero[16];
  int status = pvt_fill(out, zero);
  if (status != PVT_OK || k <= -rows || k >= columns) return status;
  int64_t row = k < 0 ? -k : 0, column = k > 0 ? k : 0;
  int64_t count = rows - row < columns - column ? rows - row : columns - column;
  pvt_array diagonal;
  pvt_array_over(&diagonal, out->data + row * out->dim[0].stride + column * out->dim[1].stride,
                 dtype, 1, &count);
  diagonal.dim[0].stride = out->dim[0].stride + out->dim[1].stride;
  char memory[16];
  pvt_array one;
  pvg_scalar(&one, memory, dtype, 1);
  return pvt_fill(&diagonal, memory);
}

/* ---- The table ---------------------------------------------------------- */

#define RANDOM(type, since, inputs, infer, run)                                                    \
  {type, "",  since, 0, inputs, inputs, PVG_RANDOM, infer, sizeof(pvg_random), pvg_random_prepare, \
   NULL, run, NULL}

const pvg_operator pvg_creating_operators[] = {
    RANDOM("Bernoulli", 15, 1, pvg_random_like_infer, pvg_bernoulli_run),
    {"Constant", "", 1, 0, 0, 0, 0, infer_constant, 0, NULL, NULL, run_constant, NULL},
    {"ConstantOfShape", "", 9, 0, 1, 1, 0, infer_constant_of_shape, sizeof(filled), prepare_filled,
     NULL, run_constant_of_shape, NULL},
    {"EyeLike", "", 9, 0, 1, 1, PVG_SHAPES, infer_eye, 0, NULL, NULL, run_eye, NULL},
    RANDOM("Multinomial", 7, 1, pvg_multinomial_infer, pvg_multinomial_run),
    RANDOM("RandomNormal", 1, 0, pvg_random_infer, pvg_normal_run),
    RANDOM("RandomNormalLike", 1, 1, pvg_random_like_infer, pvg_normal_run),
    RANDOM("RandomUniform", 1, 0, pvg_random_infer, pvg_uniform_run),
    RANDOM("RandomUniformLike", 1, 1, pvg_random_like_infer, pvg_uniform_run),
    {"Range", "", 11, 0, 3, 3, 0, infer_range, 0, NULL, NULL, run_range, NULL},
    {"Shape", "", 1, 0, 1, 1, PVG_SHAPES, infer_shape, 0, NULL, NULL, run_shape, NULL},
    {"Size", "", 1, 0, 1, 1, PVG_SHAPES, infer_size, 0, NULL, NULL, run_size, NULL},
    {0},
};

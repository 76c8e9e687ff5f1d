/* qlinear.c - onnxruntime's operators between quantised ends: sums, activations, means, concat. */
#include <string.h>

#include "quantised_operators.h"

int pvg_qlinear_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_qlinear_state *state = memory;
  const pvg_node *node = prepare->node;
  state->alpha = pvg_float(node, "alpha", 0.01F);
  state->axis = pvg_int(node, "axis", -1);
  state->channels_last = pvg_int(node, "channels_last", 0) != 0;
  return PVT_OK;
}

static int described(pvg_call *call, pvt_array *array, int input, int scale, int zero) {
  const pvt_array *x = call->inputs[input];
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  const float *data = pvg_dequantised(call, x, call->inputs[scale], PVG_INPUT(call, zero));
  if (data == NULL) return pvt_error_status();
  pvt_array_over(array, (void *)data, PVT_FLOAT32, ndim, shape);
  return PVT_OK;
}

/* a, a's scale and zero, b, b's, y's. */
int pvg_qlinear_binary_run(pvg_call *call) {
  pvt_array a, b, real;
  int64_t shape[PVT_MAX_DIMS];
  int ndim, status = described(call, &a, 0, 1, 2);
  if (status == PVT_OK) status = described(call, &b, 3, 4, 5);
  if (status == PVT_OK) status = pvt_broadcast_shapes(&a, &b, &ndim, shape);
  if (status == PVT_OK) status = pvg_scratch_array(call, &real, PVT_FLOAT32, ndim, shape);
  pvt_binary_op op = strcmp(call->node->type, "QLinearMul") == 0 ? PVT_MULTIPLY : PVT_ADD;
  if (status == PVT_OK) status = pvt_binary(op, &a, &b, &real);
  if (status != PVT_OK) return status;
  return pvg_give_quantised(call, 0, (const float *)real.data, ndim, shape, call->inputs[6],
                            PVG_INPUT(call, 7));
}

int pvg_qlinear_binary_infer(pvg_infer *infer) {
  int status = pvg_infer_needs(infer, 1 << 3 | 1 << 4 | 1 << 6);
  if (status != PVT_OK) return status;
  const pvg_info *a = PVG_INPUT(infer, 0), *b = PVG_INPUT(infer, 3);
  pvg_info out = {.dtype = a->dtype}, left = *a, right = *b;
  left.constant = right.constant = NULL;
  status = pvg_infer_broadcast(infer, &left, &right, &out);
  if (status == PVT_OK) pvg_infer_is(infer, 0, a->dtype, out.ranked ? out.ndim : -1, out.size);
  return status;
}

static int soft_max(pvg_call *call, pvt_array *x, int64_t along) {
  int axis = pvg_axis(along, x->ndim);
  if (axis < 0) return axis;
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  shape[axis] = 1;
  pvt_array line;
  int status = pvg_scratch_array(call, &line, PVT_FLOAT32, ndim, shape);
  if (status == PVT_OK && pvt_array_count(x) == 0) return PVT_OK;
  if (status == PVT_OK) status = pvt_reduce(PVT_MAX, x, 1U << axis, &line);
  if (status == PVT_OK) status = pvt_binary(PVT_SUBTRACT, x, &line, x);
  if (status == PVT_OK) status = pvt_unary(PVT_EXP, x, x);
  if (status == PVT_OK) status = pvt_reduce(PVT_SUM, x, 1U << axis, &line);
  return status == PVT_OK ? pvt_binary(PVT_DIVIDE, x, &line, x) : status;
}

/* x, x's scale and zero, y's: QLinearSigmoid, QLinearLeakyRelu, QLinearSoftmax. */
int pvg_qlinear_unary_run(pvg_call *call) {
  const pvg_qlinear_state *state = call->state;
  pvt_array x;
  int status = described(call, &x, 0, 1, 2);
  if (status != PVT_OK) return status;
  const char *type = call->node->type;
  int64_t shape[PVT_MAX_DIMS], count = pvt_array_count(&x);
  int ndim = pvg_sizes_of(&x, shape);
  float *data = (float *)x.data, alpha = (float)state->alpha;
  if (strcmp(type, "QLinearSigmoid") == 0) status = pvt_unary(PVT_SIGMOID, &x, &x);
  else if (strcmp(type, "QLinearSoftmax") == 0) status = soft_max(call, &x, state->axis);
  else
    for (int64_t i = 0; i < count; i++) data[i] = data[i] >= 0 ? data[i] : data[i] * alpha;
  if (status != PVT_OK) return status;
  return pvg_give_quantised(call, 0, data, ndim, shape, call->inputs[3], PVG_INPUT(call, 4));
}

/* y's scale and zero, then x, scale and zero of each input. */
int pvg_qlinear_concat_run(pvg_call *call) {
  const pvg_qlinear_state *state = call->state;
  int count = (call->input_count - 1) / 3, status = PVT_OK; /* the last zero may be left out */
  if (count < 1) return pvt_fail(PVT_E_VALUE, "QLinearConcat: there is no input");
  const pvt_array **inputs = pvg_scratch(call, (size_t)count * sizeof *inputs);
  pvt_array *arrays = pvg_scratch(call, (size_t)count * sizeof *arrays), real;
  if (inputs == NULL || arrays == NULL) return pvt_error_status();
  int64_t shape[PVT_MAX_DIMS], along = 0;
  int ndim = pvg_sizes_of(call->inputs[2], shape), axis;
  if ((axis = pvg_axis(state->axis, ndim)) < 0) return axis;
  for (int i = 0; i < count && status == PVT_OK; i++) {
    status = described(call, &arrays[i], 2 + 3 * i, 3 + 3 * i, 4 + 3 * i);
    inputs[i] = &arrays[i];
    if (status == PVT_OK && arrays[i].ndim != ndim)
      status = pvt_fail(PVT_E_SHAPE, "QLinearConcat: inputs differ in dimensions");
    if (status == PVT_OK) along += arrays[i].dim[axis].size;
  }
  shape[axis] = along;
  if (status == PVT_OK) status = pvg_scratch_array(call, &real, PVT_FLOAT32, ndim, shape);
  pvt_regions regions = PVT_REGIONS_NONE;
  if (status == PVT_OK) status = pvt_transform_concat(&regions, inputs, count, axis, &real);
  if (status == PVT_OK) status = pvt_regions_run(&regions, PVT_FLOAT32);
  pvt_regions_release(&regions);
  if (status != PVT_OK) return status;
  return pvg_give_quantised(call, 0, (const float *)real.data, ndim, shape, call->inputs[0],
                            PVG_INPUT(call, 1));
}

int pvg_qlinear_concat_infer(pvg_infer *infer) {
  for (int i = 2; i < infer->input_count; i++)
    if (infer->inputs[i] == NULL && i % 3 != 1)
      return pvt_fail(PVT_E_VALUE, "QLinearConcat lacks input %d", i);
  if (infer->input_count < 4 || infer->inputs[0] == NULL || (infer->input_count - 1) % 3 == 2)
    return pvt_fail(PVT_E_VALUE, "QLinearConcat: there is no input");
  const pvg_info *first = PVG_INPUT(infer, 2);
  if (first == NULL) return PVT_OK;
  pvg_infer_is(infer, 0, first->dtype, -1, NULL);
  if (!first->ranked) return PVT_OK;
  pvg_size size[PVT_MAX_DIMS], along = 0;
  int axis = pvg_axis(pvg_int(infer->node, "axis", 0), first->ndim);
  if (axis < 0) return axis;
  for (int i = 0; i < first->ndim; i++) size[i] = first->size[i];
  for (int i = 2; i < infer->input_count; i += 3) {
    const pvg_info *x = PVG_INPUT(infer, i);
    if (x == NULL || !x->ranked || x->ndim != first->ndim) return PVT_OK;
    along = PVG_IS_SYMBOL(along) || PVG_IS_SYMBOL(x->size[axis]) ? -1 : along + x->size[axis];
  }
  size[axis] = PVG_IS_SYMBOL(along) ? pvg_symbol(infer) : along;
  pvg_infer_is(infer, 0, first->dtype, first->ndim, size);
  return PVT_OK;
}

/* x, x's scale and zero, y's. */
int pvg_qlinear_global_pool_run(pvg_call *call) {
  const pvg_qlinear_state *state = call->state;
  pvt_array x, mean;
  int status = described(call, &x, 0, 1, 2);
  if (status != PVT_OK) return status;
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(&x, shape), first = state->channels_last ? 1 : 2;
  uint32_t axes = 0;
  for (int i = first; i < first + ndim - 2; i++) {
    axes |= 1U << i;
    shape[i] = 1;
  }
  status = pvg_scratch_array(call, &mean, PVT_FLOAT32, ndim, shape);
  if (status == PVT_OK) status = pvt_reduce(PVT_MEAN, &x, axes, &mean);
  if (status != PVT_OK) return status;
  return pvg_give_quantised(call, 0, (const float *)mean.data, ndim, shape, call->inputs[3],
                            PVG_INPUT(call, 4));
}

int pvg_qlinear_unary_infer(pvg_infer *infer) {
  pvg_infer_like(infer);
  return pvg_infer_needs(infer, 1 << 3);
}

int pvg_qlinear_pool_infer(pvg_infer *infer) {
  int status = pvg_infer_needs(infer, 1 << 3);
  if (status != PVT_OK) return status;
  const pvg_info *x = PVG_INPUT(infer, 0);
  pvg_infer_is(infer, 0, x->dtype, x->ranked ? x->ndim : -1, x->size);
  int first = pvg_int(infer->node, "channels_last", 0) != 0 ? 1 : 2;
  int last = x->ranked && infer->output_count > 0 ? first + x->ndim - 2 : 0;
  for (int i = first; i < last; i++) infer->outputs[0].size[i] = 1;
  return PVT_OK;
}

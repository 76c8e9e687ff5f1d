/* choosers.c - elements kept between limits, chosen by conditions, left out by chance, converted. */
#include "creating_operators.h"
#include "elementwise_operators.h"

/* ---- Cast, CastLike ----------------------------------------------------- */

int pvg_cast_infer(pvg_infer *infer) {
  int to = infer->input_count == 2 ? infer->inputs[1]->dtype
                                   : pvg_dtype_of(pvg_int(infer->node, "to", 0));
  if (to < 0 && infer->input_count == 1) return to;
  pvg_infer_like(infer);
  infer->outputs[0].dtype = to;
  return PVT_OK;
}

int pvg_cast_prepare(const pvg_prepare *prepare, void *state) {
  pvg_elementwise_start(prepare, state);
  return PVT_OK;
}

int pvg_cast_run(pvg_call *call) {
  const pvg_elementwise *s = call->state;
  pvt_array *out = pvg_output(call, 0, s->dtype, s->ndim, s->shape);
  return out == NULL ? pvt_error_status() : pvt_copy(call->inputs[0], out);
}

/* ---- Clip --------------------------------------------------------------- */

int pvg_clip_prepare(const pvg_prepare *prepare, void *state) {
  pvg_elementwise *s = state;
  pvg_elementwise_start(prepare, s);
  const pvg_attribute *low = pvg_attribute_of(prepare->node, "min");
  const pvg_attribute *high = pvg_attribute_of(prepare->node, "max");
  s->has_low = low != NULL;
  s->has_high = high != NULL;
  pvt_array scalar;
  if (s->has_low) pvg_scalar(&scalar, s->low, s->dtype, low->f);
  if (s->has_high) pvg_scalar(&scalar, s->high, s->dtype, high->f);
  return PVT_OK;
}

int pvg_clip_run(pvg_call *call) {
  const pvg_elementwise *s = call->state;
  const pvt_array *x = call->inputs[0], *low = PVG_INPUT(call, 1), *high = PVG_INPUT(call, 2);
  pvt_array limits[2];
  if (s->has_low) {
    pvt_array_over(&limits[0], (void *)s->low, s->dtype, 0, NULL);
    low = &limits[0];
  }
  if (s->has_high) {
    pvt_array_over(&limits[1], (void *)s->high, s->dtype, 0, NULL);
    high = &limits[1];
  }
  if ((low != NULL && pvt_array_count(low) != 1) || (high != NULL && pvt_array_count(high) != 1))
    return pvt_fail(PVT_E_SHAPE, "a limit of Clip is one element");
  pvt_array *out = pvg_elementwise_output(call);
  if (out == NULL) return pvt_error_status();
  if (low == NULL && high == NULL) return pvt_copy(x, out);
  return pvt_clip(x, low, high, out);
}

/* ---- Where -------------------------------------------------------------- */

int pvg_where_infer(pvg_infer *infer) {
  int status = pvg_infer_broadcast_all(infer);
  infer->outputs[0].dtype = infer->inputs[1]->dtype;
  return status;
}

int pvg_where_run(pvg_call *call) {
  pvt_array *out = pvg_elementwise_output(call);
  if (out == NULL) return pvt_error_status();
  return pvt_where(call->inputs[0], call->inputs[1], call->inputs[2], out);
}

/* ---- Dropout ------------------------------------------------------------ */

int pvg_dropout_infer(pvg_infer *infer) {
  pvg_infer_like(infer);
  if (infer->output_count < 2) return PVT_OK;
  pvg_info_shape(&infer->outputs[1], infer->inputs[0]);
  infer->outputs[1].dtype = infer->node->version < 10 ? infer->inputs[0]->dtype : PVT_BOOL;
  return PVT_OK;
}

/* alpha is the ratio, if that counts. */
int pvg_dropout_prepare(const pvg_prepare *prepare, void *state) {
  pvg_elementwise *s = state;
  pvg_elementwise_start(prepare, s);
  const pvg_info *ratio = PVG_INPUT(prepare, 1), *training = PVG_INPUT(prepare, 2);
  s->alpha = 0;
  if (training == NULL) return PVT_OK;
  if (training->constant == NULL) return PVG_LATER;
  if (pvt_array_count(training->constant) != 1)
    return pvt_fail(PVT_E_SHAPE, "training_mode is one element");
  if (pvg_int_at(training->constant, 0) == 0) return PVT_OK;
  if (ratio != NULL && ratio->constant == NULL) return PVG_LATER;
  if (ratio != NULL && pvt_array_count(ratio->constant) != 1)
    return pvt_fail(PVT_E_SHAPE, "the ratio of Dropout is one element");
  s->alpha = ratio != NULL ? pvg_float_at(ratio->constant, 0) : 0.5;
  if (!(s->alpha >= 0 && s->alpha <= 1))
    return pvt_fail(PVT_E_VALUE, "the ratio of Dropout is %g, not from 0 to 1", s->alpha);
  return PVT_OK;
}

static int mask_of_ones(pvg_call *call, const pvt_array *x) {
  if (call->output_count < 2 || !pvg_output_wanted(call, 1)) return PVT_OK;
  int64_t shape[PVT_MAX_DIMS];
  pvg_shape_of(x, shape);
  pvt_dtype dtype = call->node->version < 10 ? (pvt_dtype)x->dtype : PVT_BOOL;
  pvt_array *mask = pvg_output(call, 1, dtype, x->ndim, shape), one;
  if (mask == NULL) return pvt_error_status();
  char memory[16];
  pvg_scalar(&one, memory, dtype, 1);
  return pvt_fill(mask, memory);
}

/* Each element is left out with probability `ratio`, the others grow by what is missing. */
static int drop(pvg_call *call, const pvt_array *x, double ratio) {
  const pvg_elementwise *s = call->state;
  pvt_array random, kept, scale, dropped;
  pvt_array *out = pvg_output(call, 0, s->dtype, s->ndim, s->shape);
  if (out == NULL) return pvt_error_status();
  int status = pvg_scratch_array(call, &random, PVT_FLOAT64, s->ndim, s->shape);
  if (status == PVT_OK) status = pvg_scratch_array(call, &kept, PVT_BOOL, s->ndim, s->shape);
  if (status != PVT_OK) return status;
  pvt_bits bits;
  pvg_random_start(call->node, &bits);
  status = pvt_random(&bits, PVT_RANDOM, NULL, &random);
  char memory[16], zero[16];
  pvg_scalar(&scale, memory, PVT_FLOAT64, ratio);
  if (status == PVT_OK) status = pvt_binary(PVT_GREATER_EQUAL, &random, &scale, &kept);
  if (status != PVT_OK) return status;
  pvg_scalar(&scale, memory, s->dtype, ratio < 1 ? 1 / (1 - ratio) : 0);
  pvg_scalar(&dropped, zero, s->dtype, 0);
  status = pvt_binary(PVT_MULTIPLY, x, &scale, out);
  if (status == PVT_OK) status = pvt_where(&kept, out, &dropped, out);
  if (status != PVT_OK || call->output_count < 2 || !pvg_output_wanted(call, 1)) return status;
  pvt_array *mask = pvg_output(call, 1, PVT_BOOL, s->ndim, s->shape);
  return mask == NULL ? pvt_error_status() : pvt_copy(&kept, mask);
}

int pvg_dropout_run(pvg_call *call) {
  const pvg_elementwise *s = call->state;
  const pvt_array *x = call->inputs[0];
  if (s->alpha > 0) return drop(call, x, s->alpha);
  int status = pvg_output_view(call, 0, x);
  return status == PVT_OK ? mask_of_ones(call, x) : status;
}

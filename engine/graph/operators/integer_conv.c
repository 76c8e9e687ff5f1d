/* integer_conv.c - convolutions of quantised images: ConvInteger, QLinearConv. */
#include <string.h>

#include "context.h"
#include "quantised_operators.h"

int pvg_integer_conv_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_integer_conv_state *state = memory;
  state->groups = pvg_int(prepare->node, "group", 1);
  return pvg_window_read(prepare->node, &state->window);
}

int pvg_integer_conv_infer(pvg_infer *infer) {
  bool linear = strcmp(infer->node->type, "QLinearConv") == 0;
  const pvg_info *x = PVG_INPUT(infer, 0), *w = PVG_INPUT(infer, linear ? 3 : 1);
  int dtype = PVT_INT32;
  if (linear) dtype = PVG_INPUT(infer, 7) != NULL ? infer->inputs[7]->dtype : PVT_UINT8;
  pvg_infer_is(infer, 0, dtype, -1, NULL);
  if (!x->ranked || !w->ranked || x->ndim < 3 || w->ndim != x->ndim) return PVT_OK;
  pvg_window window;
  pvg_size size[PVT_MAX_DIMS] = {x->size[0], w->size[0]};
  int status = pvg_window_read(infer->node, &window);
  if (status == PVT_OK)
    status = pvg_window_infer(infer, &window, x->ndim - 2, w->size + 2, x->size + 2, size + 2);
  if (status == PVT_OK) pvg_infer_is(infer, 0, dtype, x->ndim, size);
  return status;
}

/* The sums, int32 [n, out channels, out...], in scratch memory. */
static int integer_conv(pvg_call *call, const pvt_array *x, const pvt_array *x_zero,
                        const pvt_array *w, const pvt_array *w_zero, int64_t shape[PVT_MAX_DIMS],
                        pvt_array *out) {
  const pvg_integer_conv_state *state = call->state;
  const char *type = call->node->type;
  int64_t w_shape[PVT_MAX_DIMS], groups = state->groups;
  int ndim = pvg_sizes_of(x, shape);
  pvg_sizes_of(w, w_shape);
  if (ndim < 3 || w->ndim != ndim || groups < 1 || groups > INT32_MAX || w_shape[0] % groups != 0 ||
      shape[1] != w_shape[1] * groups)
    return pvt_fail(PVT_E_SHAPE, "%s: x and weights do not fit", type);
  pvg_fit fit;
  int status = pvg_window_fit(&state->window, type, ndim - 2, w_shape + 2, shape + 2, &fit);
  if (status != PVT_OK) return status;
  shape[1] = w_shape[0];
  for (int i = 0; i < fit.spatial; i++) shape[i + 2] = fit.out[i];
  pvt_array pixels, weights;
  pvt_window window;
  pvg_fit_window(&fit, &window);
  status = pvg_without_zero(call, x, x_zero, 1, &pixels);
  if (status == PVT_OK) status = pvg_without_zero(call, w, w_zero, 0, &weights);
  if (status == PVT_OK) status = pvg_scratch_array(call, out, PVT_INT32, ndim, shape);
  return status == PVT_OK ? pvt_conv(&pixels, &weights, NULL, &window, groups, out) : status;
}

int pvg_conv_integer_run(pvg_call *call) {
  int64_t shape[PVT_MAX_DIMS];
  pvt_array sums;
  int status = integer_conv(call, call->inputs[0], PVG_INPUT(call, 2), call->inputs[1],
                            PVG_INPUT(call, 3), shape, &sums);
  if (status != PVT_OK) return status;
  pvt_array *y = pvg_output(call, 0, PVT_INT32, sums.ndim, shape);
  return y == NULL ? pvt_error_status() : pvt_copy(&sums, y);
}

/* x, x's scale and zero, w, w's scale and zero (for each output channel, or one), y's, bias int32. */
int pvg_qlinear_conv_run(pvg_call *call) {
  int64_t shape[PVT_MAX_DIMS];
  pvt_array sums, real;
  int status = integer_conv(call, call->inputs[0], call->inputs[2], call->inputs[3],
                            call->inputs[5], shape, &sums);
  if (status != PVT_OK) return status;
  int64_t channels = shape[1], places = pvg_product_of(shape, 2, sums.ndim);
  double x_scale;
  status = pvg_one_float("QLinearConv: x_scale", call->inputs[1], &x_scale);
  if (status == PVT_OK) status = pvg_scratch_array(call, &real, PVT_FLOAT32, sums.ndim, shape);
  if (status != PVT_OK) return status;
  const float *w_scale = pvg_dense_as(call, call->inputs[4], PVT_FLOAT32, 1, &channels);
  const pvt_array *given = PVG_INPUT(call, 8);
  const int32_t *bias = given != NULL ? pvg_dense_as(call, given, PVT_INT32, 1, &channels) : NULL;
  if (w_scale == NULL || (given != NULL && bias == NULL)) return pvt_error_status();
  const int32_t *from = (const int32_t *)sums.data;
  float *to = (float *)real.data;
  for (int64_t i = 0; i < shape[0] * channels; i++, from += places, to += places) {
    int64_t c = i % channels;
    float by = (float)x_scale * w_scale[c];
    int32_t plus = bias != NULL ? bias[c] : 0;
    for (int64_t j = 0; j < places; j++) to[j] = (float)(from[j] + plus) * by;
    if ((status = pvt_poll()) != PVT_OK) return status;
  }
  return pvg_give_quantised(call, 0, (const float *)real.data, sums.ndim, shape, call->inputs[6],
                            call->inputs[7]);
}

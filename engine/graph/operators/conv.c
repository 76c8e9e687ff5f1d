/* conv.c - Conv. */
#include "image_operators.h"

int pvg_conv_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0], *w = infer->inputs[1];
  pvg_infer_is(infer, 0, x->dtype, -1, NULL);
  if (!x->ranked || !w->ranked) return PVT_OK;
  if (w->ndim != x->ndim || x->ndim < 3)
    return pvt_fail(PVT_E_SHAPE, "%s: x has %d dimensions, the weights %d", infer->node->type,
                    x->ndim, w->ndim);
  pvg_window window;
  pvg_size size[PVT_MAX_DIMS] = {x->size[0], w->size[0]};
  int status = pvg_window_read(infer->node, &window);
  if (status == PVT_OK)
    status = pvg_window_infer(infer, &window, x->ndim - 2, w->size + 2, x->size + 2, size + 2);
  if (status == PVT_OK) pvg_infer_is(infer, 0, x->dtype, x->ndim, size);
  return status;
}

int pvg_conv_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_conv_state *state = memory;
  const pvg_node *node = prepare->node;
  const pvg_info *x = prepare->inputs[0], *w = prepare->inputs[1];
  state->groups = pvg_int(node, "group", 1);
  int status = pvg_window_read(node, &state->window);
  if (status != PVT_OK) return status;
  if (x->ndim != w->ndim || x->ndim < 3)
    return pvt_fail(PVT_E_SHAPE, "%s: x has %d dimensions, the weights %d", node->type, x->ndim,
                    w->ndim);
  if (state->groups < 1 || state->groups > INT32_MAX || w->size[1] > INT32_MAX)
    return pvt_fail(PVT_E_VALUE, "%s: %lld groups are out of range", node->type,
                    (long long)state->groups);
  if (w->size[0] % state->groups != 0 || x->size[1] != w->size[1] * state->groups)
    return pvt_fail(PVT_E_SHAPE, "%s: x has %lld channels, the weights are for %lld, %lld groups",
                    node->type, (long long)x->size[1], (long long)(w->size[1] * state->groups),
                    (long long)state->groups);
  return pvg_window_fit(&state->window, node->type, x->ndim - 2, w->size + 2, x->size + 2,
                        &state->fit);
}

int pvg_conv_run(pvg_call *call) {
  const pvg_conv_state *state = call->state;
  const pvt_array *x = call->inputs[0], *w = call->inputs[1];
  int64_t shape[PVT_MAX_DIMS] = {x->dim[0].size, w->dim[0].size};
  for (int i = 0; i < state->fit.spatial; i++) shape[i + 2] = state->fit.out[i];
  pvt_array *y = pvg_output(call, 0, (pvt_dtype)x->dtype, x->ndim, shape);
  if (y == NULL) return pvt_error_status();
  pvt_window window;
  pvg_fit_window(&state->fit, &window);
  return pvt_conv(x, w, PVG_INPUT(call, 2), &window, state->groups, y);
}

int pvg_conv_describe(const pvg_prepare *prepare, const pvg_fit *fit, int64_t groups,
                      bool transposed, pvb_work *work) {
  const pvg_info *x = prepare->inputs[0], *w = prepare->inputs[1];
  const pvg_info *bias = PVG_INPUT(prepare, 2);
  if (x->dtype != PVT_FLOAT32 || w->dtype != PVT_FLOAT32) return 0;
  if (bias != NULL && bias->constant == NULL) return 0;
  *work = (pvb_work){.kind = transposed ? PVB_CONV_TRANSPOSED : PVB_CONV, .threads = 1};
  pvb_conv *conv = &work->conv;
  conv->spatial = fit->spatial;
  conv->n = x->size[0];
  conv->in = x->size[1];
  conv->out = transposed ? w->size[1] * groups : w->size[0];
  conv->groups = groups;
  for (int i = 0; i < fit->spatial; i++) {
    conv->size[i] = fit->size[i];
    conv->out_size[i] = fit->out[i];
    conv->kernel[i] = fit->kernel[i];
    conv->stride[i] = fit->stride[i];
    conv->dilation[i] = fit->dilation[i];
    conv->before[i] = fit->before[i];
    conv->after[i] = fit->after[i];
    if (fit->size[i] == 0 || fit->out[i] == 0) return 0;
  }
  if (conv->n == 0 || conv->in == 0 || conv->out == 0) return 0;
  work->weights = w->constant;
  work->bias = bias != NULL ? bias->constant : NULL;
  return 1;
}

int pvg_conv_work(const pvg_prepare *prepare, pvb_work *work) {
  pvg_conv_state state;
  int status = pvg_conv_prepare(prepare, &state);
  return status == PVT_OK ? pvg_conv_describe(prepare, &state.fit, state.groups, false, work)
                          : status;
}

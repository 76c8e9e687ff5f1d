/* conv_transpose.c - ConvTranspose. */
#include <string.h>

#include "image_operators.h"

/* What the result loses at the ends, of what all windows together cover. */
static int fit_transposed(const pvg_node *node, const pvg_window *window, const pvg_info *x,
                          const pvg_info *w, pvg_fit *fit) {
  int spatial = x->ndim - 2, count, extra_count;
  const int64_t *wanted = pvg_ints(node, "output_shape", &count);
  const int64_t *extra = pvg_ints(node, "output_padding", &extra_count);
  if (spatial < 1 || spatial > PVB_SPATIAL || w->ndim != x->ndim ||
      (window->dims != 0 && window->dims != spatial))
    return pvt_fail(PVT_E_SHAPE, "%s: x and the weights should be images of 1 to %d dimensions",
                    node->type, PVB_SPATIAL);
  if (extra != NULL && extra_count != 0 && extra_count != spatial)
    return pvt_fail(PVT_E_SHAPE, "%s: output_padding is for %d dimensions", node->type,
                    extra_count);
  if (wanted != NULL && count == spatial + 2) wanted += 2; /* batch and channels in front */
  else if (wanted != NULL && count != 0 && count != spatial)
    return pvt_fail(PVT_E_SHAPE, "%s: output_shape is for %d dimensions", node->type, count);
  if (count == 0) wanted = NULL;
  if (extra_count == 0) extra = NULL;
  fit->spatial = spatial;
  for (int i = 0; i < spatial; i++) {
    int64_t k = w->size[i + 2], stride = window->stride[i], size = x->size[i + 2];
    if (window->has_kernel && window->kernel[i] != k)
      return pvt_fail(PVT_E_SHAPE, "%s: kernel_shape differs from the weights", node->type);
    if (extra != NULL && (extra[i] < 0 || extra[i] > INT32_MAX))
      return pvt_fail(PVT_E_VALUE, "%s: output_padding is out of range", node->type);
    if (k < 1) return pvt_fail(PVT_E_SHAPE, "%s: the kernel is empty", node->type);
    if (wanted != NULL && (wanted[i] < 0 || wanted[i] > INT32_MAX))
      return pvt_fail(PVT_E_VALUE, "%s: output_shape is out of range", node->type);
    int64_t more = extra != NULL ? extra[i] : 0;
    int64_t covered = stride * (size - 1) + (k - 1) * window->dilation[i] + 1, out;
    int64_t before = window->before[i];
    bool same = window->auto_pad == PVG_PAD_UPPER || window->auto_pad == PVG_PAD_LOWER;
    if (wanted != NULL || same) {
      out = wanted != NULL ? wanted[i] : size * stride;
      int64_t lost = covered + more - out;
      if (lost < 0) lost = 0;
      before = window->auto_pad == PVG_PAD_UPPER ? lost / 2 : lost - lost / 2;
    } else {
      out = covered + more - before - window->after[i];
    }
    if (out < 1 && size > 0)
      return pvt_fail(PVT_E_SHAPE, "%s: nothing is left of the result", node->type);
    fit->size[i] = size;
    fit->out[i] = size > 0 ? out : 0;
    fit->kernel[i] = k;
    fit->stride[i] = stride;
    fit->dilation[i] = window->dilation[i];
    fit->before[i] = before;
    fit->after[i] = covered - before - out;
  }
  return PVT_OK;
}

int pvg_conv_transpose_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0], *w = infer->inputs[1];
  pvg_infer_is(infer, 0, x->dtype, -1, NULL);
  if (!x->ranked || !w->ranked || x->ndim < 3 || x->ndim != w->ndim) return PVT_OK;
  pvg_window window;
  pvg_fit fit;
  int status = pvg_window_read(infer->node, &window);
  if (status != PVT_OK) return status;
  int64_t groups = pvg_int(infer->node, "group", 1);
  if (groups < 1 || groups > INT32_MAX || w->size[1] > INT32_MAX)
    return pvt_fail(PVT_E_VALUE, "%s: group is out of range", infer->node->type);
  pvg_size size[PVT_MAX_DIMS] = {x->size[0]};
  size[1] = PVG_IS_SYMBOL(w->size[1]) ? pvg_symbol(infer) : w->size[1] * groups;
  bool known = true;
  for (int i = 2; i < x->ndim; i++)
    known = known && !PVG_IS_SYMBOL(x->size[i]) && !PVG_IS_SYMBOL(w->size[i]);
  if (known) status = fit_transposed(infer->node, &window, x, w, &fit);
  if (status != PVT_OK) return status;
  for (int i = 2; i < x->ndim; i++) size[i] = known ? fit.out[i - 2] : pvg_symbol(infer);
  pvg_infer_is(infer, 0, x->dtype, x->ndim, size);
  return PVT_OK;
}

int pvg_conv_transpose_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_conv_state *state = memory;
  const pvg_node *node = prepare->node;
  const pvg_info *x = prepare->inputs[0], *w = prepare->inputs[1];
  state->groups = pvg_int(node, "group", 1);
  int status = pvg_window_read(node, &state->window);
  if (status == PVT_OK) status = fit_transposed(node, &state->window, x, w, &state->fit);
  if (status != PVT_OK) return status;
  if (state->groups < 1 || x->size[1] % state->groups != 0 || x->size[1] != w->size[0])
    return pvt_fail(PVT_E_SHAPE, "%s: x has %lld channels, the weights are for %lld, %lld groups",
                    node->type, (long long)x->size[1], (long long)w->size[0],
                    (long long)state->groups);
  return PVT_OK;
}

int pvg_conv_transpose_run(pvg_call *call) {
  const pvg_conv_state *state = call->state;
  const pvt_array *x = call->inputs[0], *w = call->inputs[1];
  int64_t shape[PVT_MAX_DIMS] = {x->dim[0].size, w->dim[1].size * state->groups};
  for (int i = 0; i < state->fit.spatial; i++) shape[i + 2] = state->fit.out[i];
  pvt_array *y = pvg_output(call, 0, (pvt_dtype)x->dtype, x->ndim, shape);
  if (y == NULL) return pvt_error_status();
  pvt_window window;
  pvg_fit_window(&state->fit, &window);
  return pvt_conv_transposed(x, w, PVG_INPUT(call, 2), &window, state->groups, y);
}

int pvg_conv_transpose_work(const pvg_prepare *prepare, pvb_work *work) {
  pvg_conv_state state;
  int status = pvg_conv_transpose_prepare(prepare, &state);
  return status == PVT_OK ? pvg_conv_describe(prepare, &state.fit, state.groups, true, work)
                          : status;
}

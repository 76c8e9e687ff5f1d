/* pool.c - AveragePool, MaxPool, LpPool, and MaxUnpool, which puts a MaxPool's results back. */
#include <string.h>

#include "layouts.h"
#include "pooling_operators.h"

int pvg_pool_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  pvg_infer_is(infer, 0, x->dtype, -1, NULL);
  pvg_infer_is(infer, 1, PVT_INT64, -1, NULL);
  if (!x->ranked) return PVT_OK;
  if (x->ndim < 3)
    return pvt_fail(PVT_E_SHAPE, "%s: x should have 3 or more dimensions", infer->node->type);
  pvg_window window;
  pvg_size size[PVT_MAX_DIMS] = {x->size[0], x->size[1]};
  int status = pvg_window_read(infer->node, &window);
  if (status == PVT_OK)
    status = pvg_window_infer(infer, &window, x->ndim - 2, NULL, x->size + 2, size + 2);
  if (status != PVT_OK) return status;
  pvg_infer_is(infer, 0, x->dtype, x->ndim, size);
  pvg_infer_is(infer, 1, PVT_INT64, x->ndim, size);
  return PVT_OK;
}

static pvt_pool_op op_of(const pvg_node *node) {
  if (strstr(node->type, "Max") != NULL) return PVT_POOL_MAX;
  if (strstr(node->type, "Lp") != NULL) return PVT_POOL_LP;
  return pvg_int(node, "count_include_pad", 0) != 0 ? PVT_POOL_AVERAGE_PADDED : PVT_POOL_AVERAGE;
}

static double p_of(const pvg_node *node) {
  const pvg_attribute *p = pvg_attribute_of(node, "p"); /* version 1 had a float */
  if (p != NULL && p->kind == PVG_FLOAT) return p->f;
  return p != NULL && p->kind == PVG_INT ? (double)p->i : 2;
}

int pvg_pool_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_pool_state *state = memory;
  const pvg_node *node = prepare->node;
  const pvg_info *x = prepare->inputs[0];
  state->op = op_of(node);
  state->p = p_of(node);
  state->by_column = pvg_int(node, "storage_order", 0) != 0;
  if (state->op == PVT_POOL_LP && !(state->p >= 1))
    return pvt_fail(PVT_E_VALUE, "%s: p should be 1 or more", node->type);
  int status = pvg_window_read(node, &state->window);
  if (status != PVT_OK) return status;
  return pvg_window_fit(&state->window, node->type, x->ndim - 2, NULL, x->size + 2, &state->fit);
}

/* From places within an image to places within all of x. */
static void number_places(const pvg_pool_state *state, pvt_array *places) {
  const pvg_fit *fit = &state->fit;
  int64_t image = pvg_fit_count(fit->size, fit->spatial),
          out = pvg_fit_count(fit->out, fit->spatial);
  int64_t count = pvt_array_count(places), *p = (int64_t *)places->data;
  for (int64_t i = 0; i < count; i++) {
    int64_t at = p[i], before = i / out * image;
    if (state->by_column) {
      int64_t rest = at, turned = 0, stride = image;
      for (int d = fit->spatial - 1; d >= 0; d--) {
        stride /= fit->size[d];
        turned += rest % fit->size[d] * stride;
        rest /= fit->size[d];
      }
      at = turned;
    }
    p[i] = before + at;
  }
}

int pvg_pool_run(pvg_call *call) {
  const pvg_pool_state *state = call->state;
  const pvt_array *x = call->inputs[0];
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  for (int i = 0; i < state->fit.spatial; i++) shape[i + 2] = state->fit.out[i];
  pvt_array *y = pvg_output(call, 0, (pvt_dtype)x->dtype, ndim, shape), *places = NULL;
  if (y == NULL) return pvt_error_status();
  if (call->output_count > 1 && pvg_output_wanted(call, 1)) {
    places = pvg_output(call, 1, PVT_INT64, ndim, shape);
    if (places == NULL) return pvt_error_status();
  }
  pvt_window window;
  pvg_fit_window(&state->fit, &window);
  int status = pvt_pool(state->op, x, &window, state->p, y, places);
  if (status == PVT_OK && places != NULL) number_places(state, places);
  return status;
}

int pvg_pool_blocked(pvg_call *call, int64_t channels) {
  const pvg_pool_state *state = call->state;
  const pvt_array *x = call->inputs[0];
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  for (int i = 0; i < state->fit.spatial; i++) shape[i + 2] = state->fit.out[i];
  pvt_array *y = pvg_output(call, 0, PVT_FLOAT32, ndim, shape);
  if (y == NULL) return pvt_error_status();
  pvt_window window;
  pvg_fit_window(&state->fit, &window);
  return pvb_pool_blocked(state->op, x, &window, channels, y);
}

/* ---- MaxUnpool ------------------------------------------------------------------ */

/* The size of what was pooled, as far as it is known. */
static void unpooled(const pvg_window *window, int spatial, const int64_t *size, int64_t *out) {
  for (int i = 0; i < spatial; i++)
    out[i] = (size[i] - 1) * window->stride[i] + window->kernel[i] - window->before[i] -
             window->after[i];
}

int pvg_unpool_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  pvg_infer_is(infer, 0, x->dtype, -1, NULL);
  if (!x->ranked || x->ndim < 3 || x->ndim > 2 + PVB_SPATIAL) return PVT_OK;
  pvg_window window;
  int64_t sizes[PVT_MAX_DIMS];
  int status = pvg_window_read(infer->node, &window), known = pvg_known_ints(infer, 2, sizes);
  if (status != PVT_OK) return status;
  if (PVG_INPUT(infer, 2) != NULL) {
    for (int i = 0; i < known; i++)
      if (sizes[i] < 0) return pvt_fail(PVT_E_VALUE, "MaxUnpool: output_shape is negative");
    if (known == x->ndim) pvg_infer_is(infer, 0, x->dtype, x->ndim, sizes);
    return PVT_OK;
  }
  for (int i = 0; i < x->ndim; i++)
    if (PVG_IS_SYMBOL(x->size[i])) return PVT_OK;
  sizes[0] = x->size[0];
  sizes[1] = x->size[1];
  unpooled(&window, x->ndim - 2, x->size + 2, sizes + 2);
  for (int i = 2; i < x->ndim; i++)
    if (sizes[i] < 0) return pvt_fail(PVT_E_SHAPE, "MaxUnpool: nothing is left of the result");
  pvg_infer_is(infer, 0, x->dtype, x->ndim, sizes);
  return PVT_OK;
}

int pvg_unpool_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_pool_state *state = memory;
  int status = pvg_window_read(prepare->node, &state->window);
  if (status != PVT_OK) return status;
  if (!state->window.has_kernel || state->window.dims != prepare->inputs[0]->ndim - 2)
    return pvt_fail(PVT_E_SHAPE, "MaxUnpool: kernel_shape does not go with x");
  return PVT_OK;
}

int pvg_unpool_run(pvg_call *call) {
  const pvg_pool_state *state = call->state;
  const pvt_array *x = call->inputs[0], *given = PVG_INPUT(call, 2);
  int64_t own[PVT_MAX_DIMS], shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, own);
  unpooled(&state->window, ndim - 2, own + 2, own + 2);
  memcpy(shape, own, (size_t)ndim * sizeof *shape);
  if (given != NULL) {
    int count = pvg_some_ints("MaxUnpool: output_shape", given, shape);
    if (count < 0) return count;
    if (count != ndim || shape[0] != own[0] || shape[1] != own[1])
      return pvt_fail(PVT_E_SHAPE, "MaxUnpool: output_shape does not go with x");
  }
  if (pvt_array_count(call->inputs[1]) != pvt_array_count(x))
    return pvt_fail(PVT_E_SHAPE, "MaxUnpool: x and its indices differ in shape");
  pvt_array *y = pvg_output(call, 0, (pvt_dtype)x->dtype, ndim, shape);
  if (y == NULL) return pvt_error_status();
  memset(y->data, 0, (size_t)pvt_array_count(y) * pvt_itemsize((pvt_dtype)y->dtype));
  const int64_t *index = pvg_dense(call, call->inputs[1], PVT_INT64);
  const char *from = pvg_dense(call, x, (pvt_dtype)x->dtype);
  if (index == NULL || from == NULL) return pvt_error_status();
  /* Indices count in the shape that the attributes give; the result may be larger. */
  int64_t count = pvt_array_count(x), all = pvg_product_of(own, 0, ndim);
  size_t size = pvt_itemsize((pvt_dtype)x->dtype);
  for (int64_t i = 0; i < count; i++, from += size) {
    int64_t rest = index[i], at = 0, step = 1;
    if (rest < 0 || rest >= all)
      return pvt_fail(PVT_E_INDEX, "MaxUnpool: index %lld is out of bounds for %lld elements",
                      (long long)rest, (long long)all);
    for (int d = ndim - 1; d >= 0; d--) {
      int64_t place = rest % own[d];
      if (place >= shape[d])
        return pvt_fail(PVT_E_INDEX, "MaxUnpool: an index is beyond output_shape");
      at += place * step;
      step *= shape[d];
      rest /= own[d];
    }
    memcpy(y->data + (size_t)at * size, from, size);
  }
  return PVT_OK;
}

/* global_pool.c - one result for each channel: GlobalAveragePool, GlobalMaxPool, GlobalLpPool. */
#include <string.h>

#include "layouts.h"
#include "pooling_operators.h"

int pvg_global_pool_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  pvg_infer_is(infer, 0, x->dtype, x->ranked ? x->ndim : -1, x->size);
  for (int i = 2; x->ranked && i < x->ndim && infer->output_count > 0; i++)
    infer->outputs[0].size[i] = 1;
  return PVT_OK;
}

int pvg_global_pool_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_pool_state *state = memory;
  const char *type = prepare->node->type;
  state->op = strcmp(type, "GlobalMaxPool") == 0  ? PVT_POOL_MAX
              : strcmp(type, "GlobalLpPool") == 0 ? PVT_POOL_LP
                                                  : PVT_POOL_AVERAGE;
  const pvg_attribute *p = pvg_attribute_of(prepare->node, "p");
  state->p = p == NULL ? 2 : p->kind == PVG_FLOAT ? p->f : (double)p->i;
  return PVT_OK;
}

/* The p-th root of sums of p-th powers. */
static int lp(pvg_call *call, const pvt_array *x, uint32_t axes, double p, pvt_array *y) {
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  pvt_dtype type = pvg_real(x);
  pvt_array powers, sums, exponent, root;
  int status = pvg_scratch_array(call, &powers, type, ndim, shape);
  pvg_sizes_of(y, shape);
  if (status == PVT_OK) status = pvg_scratch_array(call, &sums, type, ndim, shape);
  char exponent_memory[16], root_memory[16];
  pvg_scalar(&exponent, exponent_memory, type, p);
  pvg_scalar(&root, root_memory, type, 1 / p);
  if (status == PVT_OK) status = pvt_unary(PVT_ABSOLUTE, x, &powers);
  if (status == PVT_OK && p != 1) status = pvt_binary(PVT_POWER, &powers, &exponent, &powers);
  if (status == PVT_OK) status = pvt_reduce(PVT_SUM, &powers, axes, &sums);
  if (status == PVT_OK && p != 1) status = pvt_binary(PVT_POWER, &sums, &root, &sums);
  return status == PVT_OK ? pvt_copy(&sums, y) : status;
}

int pvg_global_pool_run(pvg_call *call) {
  const pvg_pool_state *state = call->state;
  const pvt_array *x = call->inputs[0];
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  if (ndim < 2)
    return pvt_fail(PVT_E_SHAPE, "%s: x should have 2 or more dimensions", call->node->type);
  uint32_t axes = 0;
  for (int i = 2; i < ndim; i++) {
    axes |= 1U << i;
    shape[i] = 1;
  }
  pvt_array *y = pvg_output(call, 0, (pvt_dtype)x->dtype, ndim, shape);
  if (y == NULL) return pvt_error_status();
  switch (state->op) {
  case PVT_POOL_MAX: return pvt_reduce(PVT_MAX, x, axes, y);
  case PVT_POOL_LP: return lp(call, x, axes, state->p, y);
  default: return pvt_reduce(PVT_MEAN, x, axes, y);
  }
}

int pvg_global_pool_blocked(pvg_call *call, int64_t channels) {
  const pvg_pool_state *state = call->state;
  const pvt_array *x = call->inputs[0];
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  pvt_window window = {.size = {1, 1, 1}, .stride = {1, 1, 1}, .dilation = {1, 1, 1}};
  for (int i = 2; i < ndim - 1; i++) {
    window.size[i - 2] = shape[i];
    shape[i] = 1;
  }
  pvt_array *y = pvg_output(call, 0, PVT_FLOAT32, ndim, shape);
  return y != NULL ? pvb_pool_blocked(state->op, x, &window, channels, y) : pvt_error_status();
}

/* layer_normalization.c - LayerNormalization, RMSNormalization, and those by groups of channels. */
#include <string.h>

#include "normalising_operators.h"

int pvg_layer_normalization_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_layer_state *state = memory;
  const pvg_node *node = prepare->node;
  state->axis = pvg_int(node, "axis", -1);
  state->epsilon = pvg_float(node, "epsilon", 1e-5F);
  state->rms = strcmp(node->type, "RMSNormalization") == 0 ||
               strcmp(node->type, "SimplifiedLayerNormalization") == 0;
  state->groups = pvg_int(node, "num_groups", 0);
  /* Version 18 had a scale for each group, later ones for each channel. */
  state->by_group = node->version < 21;
  int stash = pvg_dtype_attribute(node, "stash_type", PVT_FLOAT32);
  state->stash = (pvt_dtype)stash;
  return stash < 0 ? stash : PVT_OK;
}

int pvg_layer_normalization_infer(pvg_infer *infer) {
  pvg_infer_copy(infer, 0, 0);
  const pvg_info *x = PVG_INPUT(infer, 0);
  if (x == NULL || infer->output_count < 2) return PVT_OK;
  int stash = pvg_dtype_attribute(infer->node, "stash_type", PVT_FLOAT32);
  if (stash < 0) return stash;
  pvg_size size[PVT_MAX_DIMS];
  if (x->ranked) {
    int axis = pvg_axis(pvg_int(infer->node, "axis", -1), x->ndim);
    if (axis < 0) return axis;
    for (int i = 0; i < x->ndim; i++) size[i] = i < axis ? x->size[i] : 1;
  }
  for (int i = 1; i < infer->output_count; i++)
    pvg_infer_is(infer, i, stash, x->ranked ? x->ndim : -1, size);
  return PVT_OK;
}

/* Scale or bias, broadcast to the normalised dimensions; or to all, where one of them has more. */
static int parameter(pvg_call *call, const pvt_array *p, int first, int ndim, const int64_t *shape,
                     pvt_dtype type, const void **data) {
  *data = p != NULL ? pvg_dense_as(call, p, type, ndim - first, shape + first) : NULL;
  return p != NULL && *data == NULL ? pvt_error_status() : PVT_OK;
}

int pvg_layer_normalization_run(pvg_call *call) {
  const pvg_layer_state *state = call->state;
  const pvt_array *x = call->inputs[0], *scale = PVG_INPUT(call, 1), *bias = PVG_INPUT(call, 2);
  int64_t shape[PVT_MAX_DIMS], reduced[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape), axis = pvg_axis(state->axis, ndim);
  if (axis < 0) return axis;
  pvg_rows rows = {
      .type = pvg_real(x), .repeat = 1, .period = 1, .epsilon = state->epsilon, .rms = state->rms};
  rows.rows = pvg_product_of(shape, 0, axis);
  rows.n = pvg_product_of(shape, axis, ndim);
  /* The result has the scale's type (T, or V of RMSNormalization). */
  pvt_dtype dtype = state->rms && scale != NULL ? (pvt_dtype)scale->dtype : (pvt_dtype)x->dtype;
  pvg_result y, mean = {0}, deviation = {0};
  int status = pvg_result_begin(call, &y, 0, dtype, rows.type, ndim, shape);
  for (int i = 0; i < ndim; i++) reduced[i] = i < axis ? shape[i] : 1;
  int statistics = state->rms ? 0 : 1; /* the output before 1 / deviation */
  if (status == PVT_OK && !state->rms && call->output_count > 1 && pvg_output_wanted(call, 1))
    status = pvg_result_begin(call, &mean, 1, state->stash, rows.type, ndim, reduced);
  if (status == PVT_OK && call->output_count > statistics + 1 &&
      pvg_output_wanted(call, statistics + 1))
    status =
        pvg_result_begin(call, &deviation, statistics + 1, state->stash, rows.type, ndim, reduced);
  if (status != PVT_OK) return status;
  rows.x = pvg_dense(call, x, rows.type);
  if (rows.x == NULL) return pvt_error_status();
  int rest = ndim - axis, first = axis;
  if ((scale != NULL && scale->ndim > rest) || (bias != NULL && bias->ndim > rest)) {
    first = 0; /* from row to row they change */
    rows.period = rows.rows;
  }
  status = parameter(call, scale, first, ndim, shape, rows.type, &rows.scale);
  if (status == PVT_OK) status = parameter(call, bias, first, ndim, shape, rows.type, &rows.bias);
  if (status != PVT_OK) return status;
  rows.y = y.data;
  rows.mean = mean.data;
  rows.deviation = deviation.data;
  if (rows.n > 0) status = pvg_normalise_rows(&rows);
  if (status == PVT_OK) status = pvg_result_end(&y);
  if (status == PVT_OK && mean.data != NULL) status = pvg_result_end(&mean);
  if (status == PVT_OK && deviation.data != NULL) status = pvg_result_end(&deviation);
  return status;
}

/* InstanceNormalization is one group for each channel. */
int pvg_group_normalization_run(pvg_call *call) {
  const pvg_layer_state *state = call->state;
  const pvt_array *x = call->inputs[0];
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  const char *type = call->node->type;
  if (ndim < 2) return pvt_fail(PVT_E_SHAPE, "%s: x should have 2 or more dimensions", type);
  bool instance = strcmp(type, "InstanceNormalization") == 0;
  int64_t channels = shape[1], groups = instance ? channels : state->groups;
  if (groups < 1 ? channels != 0 : channels % groups != 0)
    return pvt_fail(PVT_E_SHAPE, "%s: %lld channels do not fall into %lld groups", type,
                    (long long)channels, (long long)groups);
  bool by_group = !instance && state->by_group;
  int64_t inner = pvg_product_of(shape, 2, ndim), wanted = by_group ? groups : channels;
  for (int i = 1; i < 3; i++)
    if (pvt_array_count(call->inputs[i]) != wanted)
      return pvt_fail(PVT_E_SHAPE, "%s: scale and bias should have %lld elements", type,
                      (long long)wanted);
  pvg_rows rows = {.type = pvg_real(x), .epsilon = state->epsilon, .period = groups};
  pvg_result y;
  int status = pvg_result_begin(call, &y, 0, (pvt_dtype)x->dtype, rows.type, ndim, shape);
  if (status != PVT_OK) return status;
  rows.x = pvg_dense(call, x, rows.type);
  rows.y = y.data;
  rows.scale = pvg_dense(call, call->inputs[1], rows.type);
  rows.bias = pvg_dense(call, call->inputs[2], rows.type);
  if (rows.x == NULL || rows.scale == NULL || rows.bias == NULL) return pvt_error_status();
  rows.rows = shape[0] * groups;
  rows.n = groups == 0 ? 0 : channels / groups * inner;
  rows.repeat = by_group ? rows.n : inner;
  if (rows.n > 0) status = pvg_normalise_rows(&rows);
  return status == PVT_OK ? pvg_result_end(&y) : status;
}

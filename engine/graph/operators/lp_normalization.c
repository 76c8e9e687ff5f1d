/* lp_normalization.c - LpNormalization, MeanVarianceNormalization: by sums over axes. */
#include "normalising_operators.h"

int pvg_axes_normalization_prepare(const pvg_prepare *prepare, void *memory) {
  static const int64_t image[] = {0, 2, 3};
  pvg_axes_state *state = memory;
  const pvg_node *node = prepare->node;
  state->p = pvg_int(node, "p", 2);
  state->axis = pvg_int(node, "axis", -1);
  int count;
  const int64_t *axes = pvg_ints(node, "axes", &count);
  if (axes == NULL) {
    axes = image;
    count = 3;
  }
  if (count > PVT_MAX_DIMS)
    return pvt_fail(PVT_E_AXIS, "%s: %d axes are too many", node->type, count);
  state->count = count;
  for (int i = 0; i < count; i++) state->axes[i] = axes[i];
  return PVT_OK;
}

/* An array over the input's elements in `type`, and the output over which to compute. */
static int begin(pvg_call *call, pvt_array *x, pvt_array *y, pvg_result *result) {
  const pvt_array *input = call->inputs[0];
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(input, shape);
  pvt_dtype type = pvg_real(input);
  int status = pvg_result_begin(call, result, 0, (pvt_dtype)input->dtype, type, ndim, shape);
  if (status != PVT_OK) return status;
  const void *data = pvg_dense(call, input, type);
  if (data == NULL) return pvt_error_status();
  pvt_array_over(x, (void *)data, type, ndim, shape);
  pvt_array_over(y, result->data, type, ndim, shape);
  return PVT_OK;
}

static int reduced(pvg_call *call, const pvt_array *x, uint32_t axes, pvt_array *out) {
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  for (int i = 0; i < ndim; i++)
    if (axes >> i & 1) shape[i] = 1;
  return pvg_scratch_array(call, out, (pvt_dtype)x->dtype, ndim, shape);
}

/* Where a norm is 0, all that it divides is 0 and stays so. */
static void without_zeros(pvt_array *norm) {
  int64_t count = pvt_array_count(norm);
  if (norm->dtype == PVT_FLOAT64) {
    double *p = (double *)norm->data;
    for (int64_t i = 0; i < count; i++) p[i] = p[i] == 0 ? 1 : p[i];
  } else {
    float *p = (float *)norm->data;
    for (int64_t i = 0; i < count; i++) p[i] = p[i] == 0 ? 1 : p[i];
  }
}

int pvg_lp_normalization_run(pvg_call *call) {
  const pvg_axes_state *state = call->state;
  int axis = pvg_axis(state->axis, call->inputs[0]->ndim);
  if (axis < 0) return axis;
  if (state->p != 1 && state->p != 2)
    return pvt_fail(PVT_E_VALUE, "LpNormalization: p should be 1 or 2, not %lld",
                    (long long)state->p);
  pvt_array x, y, norm;
  pvg_result result;
  int status = begin(call, &x, &y, &result);
  if (status == PVT_OK) status = reduced(call, &x, 1U << axis, &norm);
  if (status == PVT_OK && state->p == 1) {
    status = pvt_unary(PVT_ABSOLUTE, &x, &y);
    if (status == PVT_OK) status = pvt_reduce(PVT_SUM, &y, 1U << axis, &norm);
  } else if (status == PVT_OK) {
    status = pvt_reduce(PVT_SUMSQ, &x, 1U << axis, &norm);
    if (status == PVT_OK) status = pvt_unary(PVT_SQRT, &norm, &norm);
  }
  if (status != PVT_OK) return status;
  without_zeros(&norm);
  status = pvt_binary(PVT_DIVIDE, &x, &norm, &y);
  return status == PVT_OK ? pvg_result_end(&result) : status;
}

int pvg_mean_variance_run(pvg_call *call) {
  const pvg_axes_state *state = call->state;
  uint32_t axes = 0;
  for (int i = 0; i < state->count; i++) {
    int axis = pvg_axis(state->axes[i], call->inputs[0]->ndim);
    if (axis < 0) return axis;
    axes |= 1U << axis;
  }
  pvt_array x, y, mean, deviation, epsilon;
  pvg_result result;
  int status = begin(call, &x, &y, &result);
  if (status == PVT_OK) status = reduced(call, &x, axes, &mean);
  if (status == PVT_OK) status = reduced(call, &x, axes, &deviation);
  if (status == PVT_OK) status = pvt_reduce(PVT_MEAN, &x, axes, &mean);
  if (status == PVT_OK) status = pvt_variance(&x, axes, 0, &deviation);
  if (status == PVT_OK) status = pvt_unary(PVT_SQRT, &deviation, &deviation);
  if (status != PVT_OK) return status;
  double wide = 1e-9;
  float narrow = 1e-9F;
  bool is_wide = x.dtype == PVT_FLOAT64;
  pvt_array_over(&epsilon, is_wide ? (void *)&wide : (void *)&narrow, (pvt_dtype)x.dtype, 0, NULL);
  status = pvt_binary(PVT_ADD, &deviation, &epsilon, &deviation);
  if (status == PVT_OK) status = pvt_binary(PVT_SUBTRACT, &x, &mean, &y);
  if (status == PVT_OK) status = pvt_binary(PVT_DIVIDE, &y, &deviation, &y);
  return status == PVT_OK ? pvg_result_end(&result) : status;
}

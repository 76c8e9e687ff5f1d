/* batch_normalization.c - BatchNormalization, with given statistics or with the batch's own. */
#include <math.h>

#include "normalising_operators.h"

int pvg_batch_normalization_infer(pvg_infer *infer) {
  pvg_infer_copy(infer, 0, 0);
  for (int i = 1; i < infer->output_count; i++) pvg_infer_copy(infer, i, i % 2 == 1 ? 3 : 4);
  return PVT_OK;
}

int pvg_batch_normalization_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_batch_state *state = memory;
  const pvg_node *node = prepare->node;
  state->epsilon = pvg_float(node, "epsilon", 1e-5F);
  state->momentum = pvg_float(node, "momentum", 0.9F);
  state->saved = node->version < 14;
  state->training = pvg_int(node, "training_mode", 0) != 0;
  state->by_element = node->version < 9 && pvg_int(node, "spatial", 1) == 0;
  for (int i = 1; state->saved && i < node->output_count; i++)
    if (node->outputs[i] != NULL) state->training = true;
  return PVT_OK;
}

/* Outputs 1 (3) and 2 (4) from doubles. */
static int give(pvg_call *call, int i, const pvt_array *like, const double *values) {
  if (i >= call->output_count || !pvg_output_wanted(call, i)) return PVT_OK;
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(like, shape);
  pvt_array *out = pvg_output(call, i, (pvt_dtype)like->dtype, ndim, shape), from;
  if (out == NULL) return pvt_error_status();
  pvt_array_over(&from, (void *)values, PVT_FLOAT64, ndim, shape);
  return pvt_copy(&from, out);
}

int pvg_batch_normalization_run(pvg_call *call) {
  const pvg_batch_state *state = call->state;
  const pvt_array *x = call->inputs[0];
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  if (ndim < 1) return pvt_fail(PVT_E_SHAPE, "BatchNormalization: x has no dimensions");
  int64_t channels = pvt_array_count(call->inputs[1]), count = pvg_product_of(shape, 1, ndim);
  if (ndim == 1) count = 1; /* one channel for all */
  for (int i = 2; i < 5; i++)
    if (pvt_array_count(call->inputs[i]) != channels)
      return pvt_fail(PVT_E_SHAPE,
                      "BatchNormalization: scale, bias, mean and variance should have "
                      "%lld elements each",
                      (long long)channels);
  /* A statistic for each channel; before version 9 also one for each element. */
  int64_t wanted = state->by_element ? count : ndim == 1 ? 1 : shape[1];
  if (channels != wanted)
    return pvt_fail(PVT_E_SHAPE, "BatchNormalization: x has %lld channels, scale %lld elements",
                    (long long)wanted, (long long)channels);
  int64_t inner = channels == 0 ? 0 : count / channels;
  pvt_dtype type = pvg_real(x);
  pvg_result y;
  int status = pvg_result_begin(call, &y, 0, (pvt_dtype)x->dtype, type, ndim, shape);
  if (status != PVT_OK) return status;
  const void *data = pvg_dense(call, x, type);
  const double *p[4];
  for (int i = 0; i < 4; i++)
    if ((p[i] = pvg_dense(call, call->inputs[i + 1], PVT_FLOAT64)) == NULL)
      return pvt_error_status();
  double *memory = pvg_scratch(call, (size_t)(6 * channels + 1) * sizeof(double));
  if (data == NULL || memory == NULL) return pvt_error_status();
  const double *mean = p[2], *variance = p[3];
  if (state->training) {
    double *own = memory, *running = memory + 2 * channels;
    status = pvg_channel_moments(type, shape[0], channels, inner, data, own, own + channels);
    if (status != PVT_OK) return status;
    for (int64_t c = 0; c < 2 * channels; c++) {
      double before = c < channels ? mean[c] : variance[c - channels];
      running[c] = before * state->momentum + own[c] * (1 - state->momentum);
    }
    for (int i = 0; i < 2 && status == PVT_OK; i++) {
      status = give(call, 1 + i, call->inputs[3 + i], running + i * channels);
      if (status == PVT_OK && state->saved)
        status = give(call, 3 + i, call->inputs[3 + i], own + i * channels);
    }
    if (status != PVT_OK) return status;
    mean = own;
    variance = own + channels;
  }
  double *ab = memory + 4 * channels;
  for (int64_t c = 0; c < channels; c++) {
    double a = p[0][c] / sqrt(variance[c] + state->epsilon);
    double b = p[1][c] - mean[c] * a;
    if (type == PVT_FLOAT64) {
      ab[c] = a;
      ab[channels + c] = b;
    } else {
      ((float *)ab)[c] = (float)a;
      ((float *)ab)[channels + c] = (float)b;
    }
  }
  const char *b = (const char *)ab + (size_t)channels * pvt_itemsize(type);
  status = pvg_scale_channels(type, shape[0], channels, inner, data, ab, b, y.data);
  return status == PVT_OK ? pvg_result_end(&y) : status;
}

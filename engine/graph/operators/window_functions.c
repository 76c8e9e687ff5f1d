/* window_functions.c - HannWindow, HammingWindow, BlackmanWindow, MelWeightMatrix. */
#include <math.h>
#include <string.h>

#include "signal_operators.h"

enum { HANN, HAMMING, BLACKMAN };

int pvg_window_function_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_window_function *state = memory;
  const pvg_node *node = prepare->node;
  int dtype = pvg_dtype_attribute(node, "output_datatype", PVT_FLOAT32);
  state->dtype = (pvt_dtype)dtype;
  state->periodic = pvg_int(node, "periodic", 1) != 0;
  state->kind = strcmp(node->type, "HannWindow") == 0      ? HANN
                : strcmp(node->type, "HammingWindow") == 0 ? HAMMING
                                                           : BLACKMAN;
  return dtype < 0 ? dtype : PVT_OK;
}

int pvg_window_function_infer(pvg_infer *infer) {
  int dtype = pvg_dtype_attribute(infer->node, "output_datatype", PVT_FLOAT32);
  if (dtype < 0) return dtype;
  int64_t size[PVT_MAX_DIMS];
  bool known = pvg_known_ints(infer, 0, size) == 1;
  if (known && size[0] < 0) return pvt_fail(PVT_E_VALUE, "%s: size is negative", infer->node->type);
  pvg_size open = known ? size[0] : pvg_symbol(infer);
  pvg_infer_is(infer, 0, dtype, 1, &open);
  return PVT_OK;
}

int pvg_window_function_run(pvg_call *call) {
  const pvg_window_function *state = call->state;
  int64_t size;
  int status = pvg_one_int("size", call->inputs[0], &size);
  if (status != PVT_OK) return status;
  if (size < 0) return pvt_fail(PVT_E_VALUE, "%s: size is negative", call->node->type);
  pvg_result y;
  status = pvg_result_begin(call, &y, 0, state->dtype, PVT_FLOAT64, 1, &size);
  if (status != PVT_OK) return status;
  double *to = y.data, period = (double)(state->periodic ? size : size - 1);
  for (int64_t i = 0; i < size; i++) {
    double turn = period > 0 ? 2 * M_PI * (double)i / period : M_PI; /* one element is the middle */
    switch (state->kind) {
    case HANN: to[i] = 0.5 - 0.5 * cos(turn); break;
    case HAMMING: to[i] = 25.0 / 46 - 21.0 / 46 * cos(turn); break;
    default: to[i] = 0.42 - 0.5 * cos(turn) + 0.08 * cos(2 * turn);
    }
  }
  return pvg_result_end(&y);
}

/* ---- MelWeightMatrix ------------------------------------------------------------------ */

/* Inputs: mel bins, length of the transform, sample rate, lowest and highest frequency. */
int pvg_mel_infer(pvg_infer *infer) {
  int dtype = pvg_dtype_attribute(infer->node, "output_datatype", PVT_FLOAT32);
  if (dtype < 0) return dtype;
  int64_t bins[PVT_MAX_DIMS], length[PVT_MAX_DIMS];
  pvg_size size[2];
  size[0] = pvg_known_ints(infer, 1, length) == 1 && length[0] >= 0 ? length[0] / 2 + 1
                                                                    : pvg_symbol(infer);
  size[1] = pvg_known_ints(infer, 0, bins) == 1 && bins[0] >= 0 ? bins[0] : pvg_symbol(infer);
  pvg_infer_is(infer, 0, dtype, 2, size);
  return PVT_OK;
}

static double mel_of(double hertz) {
  return 2595 * log10(1 + hertz / 700);
}
static double hertz_of(double mel) {
  return 700 * (pow(10, mel / 2595) - 1);
}

int pvg_mel_run(pvg_call *call) {
  int64_t bins, length, rate;
  double lowest, highest;
  int dtype = pvg_dtype_attribute(call->node, "output_datatype", PVT_FLOAT32);
  int status = pvg_one_int("num_mel_bins", call->inputs[0], &bins);
  if (status == PVT_OK) status = pvg_one_int("dft_length", call->inputs[1], &length);
  if (status == PVT_OK) status = pvg_one_int("sample_rate", call->inputs[2], &rate);
  if (status == PVT_OK) status = pvg_one_float("lower_edge_hertz", call->inputs[3], &lowest);
  if (status == PVT_OK) status = pvg_one_float("upper_edge_hertz", call->inputs[4], &highest);
  if (status != PVT_OK || dtype < 0) return dtype < 0 ? dtype : status;
  if (bins < 0 || length < 0 || rate < 1 || bins > INT32_MAX || length > INT32_MAX ||
      !(lowest >= 0 && lowest <= highest && highest < 1e12))
    return pvt_fail(PVT_E_VALUE, "MelWeightMatrix: inputs are out of range");
  int64_t rows = length / 2 + 1, shape[2] = {rows, bins};
  pvg_result y;
  status = pvg_result_begin(call, &y, 0, (pvt_dtype)dtype, PVT_FLOAT64, 2, shape);
  if (status != PVT_OK) return status;
  int64_t *at = pvg_scratch(call, (size_t)(bins + 2) * sizeof *at);
  if (at == NULL) return pvt_error_status();
  double from = mel_of(lowest), step = (mel_of(highest) - from) / (double)(bins + 2);
  for (int64_t i = 0; i < bins + 2; i++)
    at[i] = (int64_t)floor((double)(length + 1) * hertz_of(from + step * (double)i) / (double)rate);
  double *to = y.data;
  memset(to, 0, (size_t)(rows * bins) * sizeof *to);
  for (int64_t i = 0; i < bins; i++) {
    int64_t left = at[i], centre = at[i + 1], right = at[i + 2];
    if (left == centre && centre < rows) to[centre * bins + i] = 1;
    for (int64_t j = left; j <= centre && j < rows && left < centre; j++)
      to[j * bins + i] = (double)(j - left) / (double)(centre - left);
    for (int64_t j = centre; j < right && j < rows; j++)
      to[j * bins + i] = (double)(right - j) / (double)(right - centre);
  }
  return pvg_result_end(&y);
}

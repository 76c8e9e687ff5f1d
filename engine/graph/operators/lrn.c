/* lrn.c - LRN: each element divided by a power of its neighbours' squares, across channels. */
#include <string.h>

#include "context.h"
#include "normalising_operators.h"

int pvg_lrn_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_lrn_state *state = memory;
  const pvg_node *node = prepare->node;
  state->size = pvg_int(node, "size", 0);
  state->alpha = pvg_float(node, "alpha", 1e-4F);
  state->beta = pvg_float(node, "beta", 0.75F);
  state->bias = pvg_float(node, "bias", 1);
  return state->size > 0 ? PVT_OK : pvt_fail(PVT_E_VALUE, "LRN: size should be above 0");
}

/* to = bias + by * the sum of squares of the channels first .. last - 1, each `inner` elements. */
#define SUM_SQUARES(REAL, name)                                                                    \
  static void name(const void *from, void *out, int64_t inner, int64_t first, int64_t last,        \
                   double bias, double by) {                                                       \
    REAL *to = out;                                                                                \
    memset(to, 0, (size_t)inner * sizeof(REAL));                                                   \
    for (int64_t c = first; c < last; c++) {                                                       \
      const REAL *x = (const REAL *)from + c * inner;                                              \
      for (int64_t i = 0; i < inner; i++) to[i] += x[i] * x[i];                                    \
    }                                                                                              \
    REAL plus = (REAL)bias, times = (REAL)by;                                                      \
    for (int64_t i = 0; i < inner; i++) to[i] = plus + times * to[i];                              \
  }
SUM_SQUARES(float, sum_squares_f32)
SUM_SQUARES(double, sum_squares_f64)

int pvg_lrn_run(pvg_call *call) {
  const pvg_lrn_state *state = call->state;
  const pvt_array *input = call->inputs[0];
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(input, shape);
  if (ndim < 2) return pvt_fail(PVT_E_SHAPE, "LRN: x should have 2 or more dimensions");
  pvt_dtype type = pvg_real(input);
  pvg_result result;
  int status = pvg_result_begin(call, &result, 0, (pvt_dtype)input->dtype, type, ndim, shape);
  if (status != PVT_OK) return status;
  const char *data = pvg_dense(call, input, type);
  if (data == NULL) return pvt_error_status();
  int64_t channels = shape[1], inner = pvg_product_of(shape, 2, ndim);
  int64_t below = (state->size - 1) / 2, above = state->size - 1 - below;
  size_t image = (size_t)(channels * inner) * pvt_itemsize(type);
  for (int64_t n = 0; n < shape[0] && image > 0; n++) {
    const char *from = data + (size_t)n * image;
    char *to = (char *)result.data + (size_t)n * image;
    for (int64_t c = 0; c < channels; c++) {
      int64_t first = c > below ? c - below : 0;
      int64_t last = c + above + 1 < channels ? c + above + 1 : channels;
      void *row = to + (size_t)(c * inner) * pvt_itemsize(type);
      (type == PVT_FLOAT64 ? sum_squares_f64 : sum_squares_f32)(
          from, row, inner, first, last, state->bias, state->alpha / (double)state->size);
      if ((status = pvt_poll()) != PVT_OK) return status;
    }
  }
  pvt_array x, y, power;
  double wide = state->beta;
  float narrow = (float)state->beta;
  pvt_array_over(&x, (void *)data, type, ndim, shape);
  pvt_array_over(&y, result.data, type, ndim, shape);
  pvt_array_over(&power, type == PVT_FLOAT64 ? (void *)&wide : (void *)&narrow, type, 0, NULL);
  status = pvt_binary(PVT_POWER, &y, &power, &y);
  if (status == PVT_OK) status = pvt_binary(PVT_DIVIDE, &x, &y, &y);
  return status == PVT_OK ? pvg_result_end(&result) : status;
}

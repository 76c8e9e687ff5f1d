/* recurrent_quantised.c - onnxruntime's LSTM with weights of 8 bits. */
#include <string.h>

#include "context.h"
#include "quantised_operators.h"
#include "recurrent_operators.h"

/* One matrix of weights [k, n] of one direction, and its scales: one, or one for each column. */
typedef struct codes {
  const void *data;
  bool is_signed, by_column;
  int64_t n;
  const float *scale;
  const int32_t *zero; /* NULL */
} codes;

typedef struct quantised_weights {
  codes w, r;
  uint8_t *row;  /* of x, quantised */
  int32_t *sums; /* [n] */
} quantised_weights;

/* to [rows, n] = x [rows, k] times w; x is quantised with one scale for all its rows. */
static int product(pvg_steps *s, const codes *w, const float *x, int64_t rows, int64_t k,
                   float *to) {
  quantised_weights *weights = s->arg;
  float scale;
  uint8_t zero;
  uint8_t *quantised = weights->row;
  pvg_dynamic_quantise(x, rows * k, quantised, &scale, &zero);
  int32_t *sums = weights->sums;
  int64_t n = w->n;
  for (int64_t row = 0; row < rows; row++, to += n, quantised += k) {
    memset(sums, 0, (size_t)n * sizeof *sums);
    int32_t total = 0;
    for (int64_t i = 0; i < k; i++) {
      int32_t a = quantised[i] - zero;
      total += a;
      if (a == 0) continue;
      if (w->is_signed) {
        const int8_t *line = (const int8_t *)w->data + i * n;
        for (int64_t j = 0; j < n; j++) sums[j] += a * line[j];
      } else {
        const uint8_t *line = (const uint8_t *)w->data + i * n;
        for (int64_t j = 0; j < n; j++) sums[j] += a * line[j];
      }
    }
    for (int64_t j = 0; j < n; j++) {
      int64_t column = w->by_column ? j : 0;
      int32_t less = w->zero != NULL ? w->zero[column] * total : 0;
      to[j] = (float)(sums[j] - less) * (scale * w->scale[column]);
    }
    int status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

static int project(pvg_steps *s, const void *x, int64_t rows, int64_t inputs, void *to) {
  quantised_weights *weights = s->arg;
  return product(s, &weights->w, x, rows, inputs, to);
}

static int multiply(pvg_steps *s, int part, const void *from, void *to) {
  quantised_weights *weights = s->arg;
  (void)part; /* an LSTM has one */
  return product(s, &weights->r, from, s->batch, s->hidden, to);
}

static int read_codes(pvg_call *call, int direction, int weights, int scale, codes *out) {
  const pvt_array *w = call->inputs[weights], *zero = PVG_INPUT(call, scale + 1);
  int64_t directions = w->dim[0].size, k = w->dim[1].size, n = w->dim[2].size;
  int64_t count = pvt_array_count(call->inputs[scale]);
  if ((w->dtype != PVT_INT8 && w->dtype != PVT_UINT8) ||
      (count != directions && count != directions * n) ||
      (zero != NULL && pvt_array_count(zero) != count))
    return pvt_fail(PVT_E_SHAPE,
                    "%s: weights should be of 8 bits, with a scale for each direction "
                    "or for each column",
                    call->node->type);
  out->is_signed = w->dtype == PVT_INT8;
  out->by_column = count != directions;
  out->n = n;
  const char *data = pvg_dense(call, w, (pvt_dtype)w->dtype);
  out->scale = pvg_dense(call, call->inputs[scale], PVT_FLOAT32);
  out->zero = zero != NULL ? pvg_dense(call, zero, PVT_INT32) : NULL;
  if (data == NULL || out->scale == NULL || (zero != NULL && out->zero == NULL))
    return pvt_error_status();
  out->data = data + direction * k * n;
  out->scale += direction * (count / directions);
  if (zero != NULL) out->zero += direction * (count / directions);
  return PVT_OK;
}

static void *arg(pvg_call *call, int direction, int64_t inputs) {
  quantised_weights *weights = pvg_scratch(call, sizeof *weights);
  if (weights == NULL || read_codes(call, direction, 1, 8, &weights->w) != PVT_OK ||
      read_codes(call, direction, 2, 10, &weights->r) != PVT_OK)
    return NULL;
  const pvt_array *x = call->inputs[0];
  int64_t rows = x->dim[0].size * x->dim[1].size, hidden = call->inputs[2]->dim[1].size;
  int64_t most = rows * (inputs > hidden ? inputs : hidden) + x->dim[1].size * hidden +
                 x->dim[0].size * hidden;
  weights->row = pvg_scratch(call, (size_t)most + 1);
  weights->sums = pvg_scratch(call, (size_t)(weights->w.n + 1) * sizeof(int32_t));
  return weights->row == NULL || weights->sums == NULL ? NULL : weights;
}

int pvg_dynamic_lstm_run(pvg_call *call) {
  static const pvg_recurrent_weights weights = {project, multiply, arg};
  if (call->inputs[0]->dtype != PVT_FLOAT32)
    return pvt_fail(PVT_E_DTYPE, "%s: x should be float32", call->node->type);
  return pvg_recurrent_run_with(call, &weights);
}

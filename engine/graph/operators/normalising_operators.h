/* normalising_operators.h - what the files of the family share. */
#ifndef PVG_NORMALISING_OPERATORS_H
#define PVG_NORMALISING_OPERATORS_H

#include "dense.h"

/* Rows of n elements, each normalised by itself: y = (x - mean) / sqrt(variance + epsilon) * scale +
** bias; or without the mean (`rms`): y = x / sqrt(mean square + epsilon) * scale + bias. */
typedef struct pvg_rows {
  pvt_dtype type; /* float32 or float64: of x, y, scale and bias */
  int64_t rows, n;
  const void *x;
  void *y;                  /* may be x */
  const void *scale, *bias; /* n / repeat elements for a row; NULL: 1, 0 */
  int64_t repeat;           /* each of them stands for so many of a row's elements */
  int64_t period;           /* they are others for each of so many rows, then the same again */
  double epsilon;
  bool rms;
  void *mean, *deviation; /* of each row, mean and 1 / sqrt(...), of `type`; NULL: not wanted */
} pvg_rows;
/* PVT_OK or PVT_E_CANCELLED. */
int pvg_normalise_rows(const pvg_rows *rows);

/* y[o, c, i] = x[o, c, i] * a[c] + b[c]. */
int pvg_scale_channels(pvt_dtype type, int64_t outer, int64_t channels, int64_t inner,
                       const void *x, const void *a, const void *b, void *y);
/* The mean and variance (about the mean, divided by the count) of each channel. */
int pvg_channel_moments(pvt_dtype type, int64_t outer, int64_t channels, int64_t inner,
                        const void *x, double *mean, double *variance);

/* ---- What prepare keeps, and the operators' functions --------------------- */

typedef struct pvg_batch_state {
  double epsilon, momentum;
  bool by_element;      /* statistics, instead of by channel */
  bool training, saved; /* saved: versions before 14, which also give the batch's own statistics */
} pvg_batch_state;

typedef struct pvg_layer_state {
  int64_t axis, groups;
  double epsilon;
  pvt_dtype stash; /* of the outputs mean and 1 / deviation */
  bool rms, by_group;
} pvg_layer_state;

typedef struct pvg_axes_state {
  int64_t p, axis;
  int count;
  int64_t axes[PVT_MAX_DIMS];
} pvg_axes_state;

typedef struct pvg_lrn_state {
  int64_t size;
  double alpha, beta, bias;
} pvg_lrn_state;

int pvg_batch_normalization_infer(pvg_infer *infer);
int pvg_batch_normalization_prepare(const pvg_prepare *prepare, void *state);
int pvg_batch_normalization_run(pvg_call *call);
int pvg_layer_normalization_infer(pvg_infer *infer);
int pvg_layer_normalization_prepare(const pvg_prepare *prepare, void *state);
int pvg_layer_normalization_run(pvg_call *call);
int pvg_group_normalization_run(pvg_call *call);
int pvg_axes_normalization_prepare(const pvg_prepare *prepare, void *state);
int pvg_lp_normalization_run(pvg_call *call);
int pvg_mean_variance_run(pvg_call *call);
int pvg_lrn_prepare(const pvg_prepare *prepare, void *state);
int pvg_lrn_run(pvg_call *call);

#endif

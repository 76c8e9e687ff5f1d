/* rows.h - what models do with rows, in one pass: soft-max, normalisations, activations, attention.
**
** All arrays are float32. Rows are the last dimension; where its elements do not lie side by side, a
** row is copied on the way, so any strides are right. Results may be inputs, unless something else is
** said; other overlaps are not allowed. Every function polls.
*/
#ifndef PVB_ROWS_H
#define PVB_ROWS_H

#include "backend.h"

/* y = softmax(scale x + mask), or its logarithm, along the last dimension. mask: NULL, or broadcast to
** x's shape. A row without elements is left alone. */
PVT_API int pvb_softmax(const pvt_array *x, float scale, const pvt_array *mask, bool logs,
                        pvt_array *y);

/* y = gamma (s - mean) / sqrt(variance + epsilon) + beta with s = x + residual + added, mean and
** variance along the last dimension; `rms` takes the mean as 0. residual: x's shape, broadcast. added,
** gamma, beta: of the last dimension alone. sum: where s is left, of x's shape. mean, inverse: of x's
** shape with a last dimension of 1. All of them may be NULL. */
typedef struct pvb_normal {
  const pvt_array *residual, *added, *gamma, *beta;
  float epsilon;
  bool rms;
  pvt_array *sum, *mean, *inverse;
} pvb_normal;
PVT_API int pvb_normalise(const pvt_array *x, const pvb_normal *normal, pvt_array *y);

/* y = activation(x), of one shape. */
PVT_API int pvb_activate(pvb_activation activation, float alpha, float beta, const pvt_array *x,
                         pvt_array *y);

/* y = softmax(scale q k^T + mask) v: q [..., n, d], k [..., m, d], v [..., m, e], y [..., n, e]; the
** leading dimensions are broadcast to y's (so that several heads share a k), mask to [..., n, m] or
** NULL. There is no n x m matrix: scratch memory is some 256 KiB and what k and v of one head take. y
** overlaps nothing. */
typedef struct pvb_attending {
  float scale;
  bool causal;       /* row i sees the first m - n + i + 1 keys; a row that sees none gives zeros */
  bool none_is_zero; /* so does a row whose soft-max is NaN: all that it sees is masked out */
  bool fast;         /* products of bfloat16, where the processor has them */
} pvb_attending;
PVT_API int pvb_attention(const pvt_array *q, const pvt_array *k, const pvt_array *v,
                          const pvt_array *mask, const pvb_attending *how, pvb_team *team,
                          pvt_array *y);

#endif

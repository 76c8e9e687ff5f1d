/* normalise.c - rows and channels, normalised: what the operators of the family are made of. */
#include <math.h>

#include "context.h"
#include "normalising_operators.h"

#define REAL float
#define NAME(x) x##_f32
#include "normalising.inc"
#undef REAL
#undef NAME
#define REAL double
#define NAME(x) x##_f64
#include "normalising.inc"

int pvg_normalise_rows(const pvg_rows *rows) {
  return rows->type == PVT_FLOAT64 ? normalise_rows_f64(rows) : normalise_rows_f32(rows);
}

int pvg_scale_channels(pvt_dtype type, int64_t outer, int64_t channels, int64_t inner,
                       const void *x, const void *a, const void *b, void *y) {
  if (type == PVT_FLOAT64) return scale_channels_f64(outer, channels, inner, x, a, b, y);
  return scale_channels_f32(outer, channels, inner, x, a, b, y);
}

int pvg_channel_moments(pvt_dtype type, int64_t outer, int64_t channels, int64_t inner,
                        const void *x, double *mean, double *variance) {
  if (type == PVT_FLOAT64) return channel_moments_f64(outer, channels, inner, x, mean, variance);
  return channel_moments_f32(outer, channels, inner, x, mean, variance);
}

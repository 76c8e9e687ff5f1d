/* windows.h - how windows lie on images, with three sizes each. */
#ifndef PVT_WINDOWS_H
#define PVT_WINDOWS_H

#include "context.h"

/* Images of fewer sizes have sizes of 1 before them, with windows of 1. */
typedef struct pvt_sweep {
  int64_t n, in, out;         /* images, channels */
  int64_t size[3], result[3]; /* of one channel of the image, and of what comes of it */
  int64_t window[3], stride[3], dilation[3], before[3];
  int64_t after[3];
} pvt_sweep;

/* From an image [n, in, sizes...], a result [n, out, ...] and a window of `window` elements in each
** size. PVT_E_SHAPE, PVT_E_VALUE. `what` begins sentences. */
int pvt_sweep_of(pvt_sweep *sweep, const char *what, const pvt_array *image,
                 const pvt_array *result, const int64_t *size, const pvt_window *window);
/* PVT_E_SHAPE unless the result's sizes are those of windows that fit, or with `more` up to one
** larger. */
int pvt_sweep_check(const pvt_sweep *sweep, const char *what, bool more);

/* Contiguous, and its elements where the machine wants them. */
bool pvt_sweep_dense(const pvt_array *array);

/* The first and the end of the results whose tap `tap` of dimension d lies on the image; first <=
** end. */
static inline void pvt_sweep_range(const pvt_sweep *s, int d, int64_t tap, int64_t *first,
                                   int64_t *end) {
  int64_t shift = tap * s->dilation[d] - s->before[d], stride = s->stride[d];
  int64_t low = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
  int64_t high = shift >= s->size[d] ? 0 : (s->size[d] - shift - 1) / stride + 1;
  if (high > s->result[d]) high = s->result[d];
  *first = low < high ? low : high;
  *end = high;
}

#endif

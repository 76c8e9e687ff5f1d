/* resample.c - images along one axis: picked elements, or weighted sums of some. */
#include <string.h>

#include "context.h"
#include "image_operators.h"

#define RESAMPLE(REAL, name)                                                                       \
  static int name(const pvg_taps *taps, int64_t outer, int64_t inner, const REAL *from,            \
                  REAL *to) {                                                                      \
    int64_t since = 0;                                                                             \
    int count = taps->taps;                                                                        \
    for (int64_t o = 0; o < outer; o++, from += taps->in * inner) {                                \
      for (int64_t i = 0; i < taps->out; i++, to += inner) {                                       \
        const int64_t *index = taps->index + i * count;                                            \
        const double *weight = taps->weight + i * count;                                           \
        if (taps->beyond != NULL && taps->beyond[i]) {                                             \
          for (int64_t j = 0; j < inner; j++) to[j] = (REAL)taps->value;                           \
        } else if (inner == 1) {                                                                   \
          double sum = 0;                                                                          \
          for (int k = 0; k < count; k++) sum += weight[k] * (double)from[index[k]];               \
          *to = (REAL)sum;                                                                         \
        } else {                                                                                   \
          REAL by = (REAL)weight[0];                                                               \
          const REAL *row = from + index[0] * inner;                                               \
          for (int64_t j = 0; j < inner; j++) to[j] = by * row[j];                                 \
          for (int k = 1; k < count; k++) {                                                        \
            by = (REAL)weight[k];                                                                  \
            row = from + index[k] * inner;                                                         \
            for (int64_t j = 0; j < inner; j++) to[j] += by * row[j];                              \
          }                                                                                        \
        }                                                                                          \
        if ((since += inner * count) < PVT_TILE) continue;                                         \
        since = 0;                                                                                 \
        int status = pvt_poll();                                                                   \
        if (status != PVT_OK) return status;                                                       \
      }                                                                                            \
    }                                                                                              \
    return PVT_OK;                                                                                 \
  }
RESAMPLE(float, resample_f32)
RESAMPLE(double, resample_f64)

int pvg_resample(pvt_dtype type, const pvg_taps *taps, int64_t outer, int64_t inner,
                 const void *from, void *to) {
  if (type == PVT_FLOAT64) return resample_f64(taps, outer, inner, from, to);
  return resample_f32(taps, outer, inner, from, to);
}

/* A row of elements one by one. */
#define PICK(T)                                                                                    \
  for (int64_t i = 0; i < taps->out; i++) ((T *)to)[i] = ((const T *)from)[taps->index[i]]

int pvg_pick(size_t itemsize, const pvg_taps *taps, int64_t outer, int64_t inner, const void *data,
             void *result) {
  const char *from = data;
  char *to = result;
  size_t row = (size_t)inner * itemsize;
  int64_t since = 0;
  for (int64_t o = 0; o < outer;
       o++, from += (size_t)taps->in * row, to += (size_t)taps->out * row) {
    if (inner == 1 && itemsize == 4) {
      PICK(uint32_t);
    } else if (inner == 1 && itemsize == 1) {
      PICK(uint8_t);
    } else if (inner == 1 && itemsize == 2) {
      PICK(uint16_t);
    } else if (inner == 1 && itemsize == 8) {
      PICK(uint64_t);
    } else {
      for (int64_t i = 0; i < taps->out; i++)
        memcpy(to + (size_t)i * row, from + (size_t)taps->index[i] * row, row);
    }
    if ((since += taps->out * inner) < PVT_TILE) continue;
    since = 0;
    int status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

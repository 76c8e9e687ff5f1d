/* rows.c - rows that are made ratios of themselves: soft-max, layer and RMS normalisation. */
#include <math.h>

#include "functions.h"
#include "kernels.h"
#include "layers.h"

#define EACH_VECTOR(n, whole, rest)                                                                \
  do {                                                                                             \
    int64_t i = 0;                                                                                 \
    for (; i + LANES_f32 <= (n); i += LANES_f32) whole;                                            \
    if (i < (n)) {                                                                                 \
      int64_t some = (n) - i;                                                                      \
      rest;                                                                                        \
    }                                                                                              \
  } while (0)

/* Lane i of the result is lane i ^ distance. */
static inline v_f32 crossed(v_f32 v, int distance) {
  v_i32 from;
  for (int i = 0; i < LANES_f32; i++) from[i] = i ^ distance;
  return (v_f32)__builtin_shuffle(v, from);
}

/* By halves: one lane after the other would take as long as a short row. */
static inline float sum_lanes(v_f32 v) {
#pragma GCC unroll 4
  for (int distance = LANES_f32 / 2; distance > 0; distance /= 2) v += crossed(v, distance);
  return v[0];
}

/* NaN where a lane is. */
static inline float most_lane(v_f32 v) {
#pragma GCC unroll 4
  for (int distance = LANES_f32 / 2; distance > 0; distance /= 2) {
    v_f32 other = crossed(v, distance);
    v_i32 more = (other > v) | (other != other);
    v = (v_f32)((more & (v_i32)other) | (~more & (v_i32)v));
  }
  return v[0];
}

/* Lanes from `some` on as `other`. */
static inline v_f32 pad_f32(v_f32 v, int64_t some, float other) {
  for (int64_t i = 0; i < LANES_f32; i++) v[i] = i < some ? v[i] : other;
  return v;
}

static void softmax(int64_t n, const float *x, float scale, const float *mask, bool logs,
                    float *y) {
  v_f32 most = splat_f32(-INFINITY), factor = splat_f32(scale);
  EACH_VECTOR(
      n,
      {
        v_f32 v = LOAD_f32(x + i) * factor;
        if (mask != NULL) v += LOAD_f32(mask + i);
        most = max_f32(most, v);
        STORE_f32(y + i, v);
      },
      {
        v_f32 v = LOAD_SOME_f32(x + i, some) * factor;
        if (mask != NULL) v += LOAD_SOME_f32(mask + i, some);
        STORE_SOME_f32(y + i, v, some);
        most = max_f32(most, pad_f32(v, some, -INFINITY));
      });
  v_f32 top = splat_f32(most_lane(most)), sum = {0};
  EACH_VECTOR(
      n,
      {
        v_f32 v = LOAD_f32(y + i) - top;
        v_f32 e = exp_f32(v);
        sum += e;
        STORE_f32(y + i, logs ? v : e);
      },
      {
        v_f32 v = LOAD_SOME_f32(y + i, some) - top;
        v_f32 e = exp_f32(v);
        sum += pad_f32(e, some, 0);
        v_f32 to = logs ? v : e;
        STORE_SOME_f32(y + i, to, some);
      });
  float total = sum_lanes(sum);
  if (logs) {
    v_f32 less = splat_f32(logf(total));
    EACH_VECTOR(n, STORE_f32(y + i, LOAD_f32(y + i) - less), {
      v_f32 v = LOAD_SOME_f32(y + i, some) - less;
      STORE_SOME_f32(y + i, v, some);
    });
    return;
  }
  v_f32 share = splat_f32(1 / total);
  EACH_VECTOR(n, STORE_f32(y + i, LOAD_f32(y + i) * share), {
    v_f32 v = LOAD_SOME_f32(y + i, some) * share;
    STORE_SOME_f32(y + i, v, some);
  });
}

static void normalise(const pvt_normal *row, int64_t n) {
  const float *x = row->x;
  float *sum = row->sum != NULL ? row->sum : row->y;
  if (row->residual != NULL || row->added != NULL || row->sum != NULL) {
    EACH_VECTOR(
        n,
        {
          v_f32 v = LOAD_f32(x + i);
          if (row->residual != NULL) v += LOAD_f32(row->residual + i);
          if (row->added != NULL) v += LOAD_f32(row->added + i);
          STORE_f32(sum + i, v);
        },
        {
          v_f32 v = LOAD_SOME_f32(x + i, some);
          if (row->residual != NULL) v += LOAD_SOME_f32(row->residual + i, some);
          if (row->added != NULL) v += LOAD_SOME_f32(row->added + i, some);
          STORE_SOME_f32(sum + i, v, some);
        });
    x = sum;
  }
  float mean = 0;
  if (!row->rms) {
    v_f32 total = {0};
    EACH_VECTOR(n, total += LOAD_f32(x + i), total += pad_f32(LOAD_SOME_f32(x + i, some), some, 0));
    mean = sum_lanes(total) / (float)n;
  }
  v_f32 squares = {0}, middle = splat_f32(mean);
  EACH_VECTOR(
      n,
      {
        v_f32 v = LOAD_f32(x + i) - middle;
        squares = FMA_f32(v, v, squares);
      },
      {
        v_f32 v = pad_f32(LOAD_SOME_f32(x + i, some) - middle, some, 0);
        squares = FMA_f32(v, v, squares);
      });
  float inverse = 1 / sqrtf(sum_lanes(squares) / (float)n + row->epsilon);
  v_f32 factor = splat_f32(inverse);
  EACH_VECTOR(
      n,
      {
        v_f32 v = (LOAD_f32(x + i) - middle) * factor;
        if (row->gamma != NULL) v *= LOAD_f32(row->gamma + i);
        if (row->beta != NULL) v += LOAD_f32(row->beta + i);
        STORE_f32(row->y + i, v);
      },
      {
        v_f32 v = (LOAD_SOME_f32(x + i, some) - middle) * factor;
        if (row->gamma != NULL) v *= LOAD_SOME_f32(row->gamma + i, some);
        if (row->beta != NULL) v += LOAD_SOME_f32(row->beta + i, some);
        STORE_SOME_f32(row->y + i, v, some);
      });
  if (row->mean != NULL) *row->mean = mean;
  if (row->inverse != NULL) *row->inverse = inverse;
}

const pvt_rows PVT_KERNEL(pvt_rows) = {softmax, normalise};

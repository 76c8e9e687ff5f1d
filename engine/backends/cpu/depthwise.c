/* depthwise.c - rows of results whose channels do not mix: depthwise convolutions, pooling.
**
** Images are in blocks: a pixel's 16 channels are one, two or four vectors. Where all taps of a row
** lie on the image, several results are worked on at once.
*/
#include <math.h>

#include "functions.h"
#include "kernels.h"
#include "layers.h"

#define BLOCK_VECTORS (PVB_BLOCK * 4 / VECTOR_BYTES)
#define TOGETHER (VECTOR_BYTES == 64 ? 8 : VECTOR_BYTES == 32 ? 4 : 2)

/* The results whose taps all lie on the image: [*first, *end). */
static void inner_range(const pvt_window_row *s, int64_t *first, int64_t *end) {
  int64_t low = s->before <= 0 ? 0 : (s->before + s->stride - 1) / s->stride;
  int64_t reach = (s->kernel - 1) * s->dilation - s->before; /* of result 0 */
  int64_t high = reach >= s->size ? 0 : (s->size - 1 - reach) / s->stride + 1;
  if (high > s->result) high = s->result;
  *first = low < high ? low : high;
  *end = high;
}

/* Taps of result i that lie on the image: [*first, *end). */
static void taps_of(const pvt_window_row *s, int64_t i, int64_t *first, int64_t *end) {
  int64_t start = i * s->stride - s->before;
  int64_t low = start >= 0 ? 0 : (-start + s->dilation - 1) / s->dilation;
  int64_t high = start >= s->size ? 0 : (s->size - 1 - start) / s->dilation + 1;
  if (high > s->kernel) high = s->kernel;
  *first = low < high ? low : high;
  *end = high;
}

/* ---- Depthwise convolution ---------------------------------------------- */

static inline __attribute__((always_inline)) void finish_pixel(const pvt_window_row *s, int64_t i,
                                                               int v, v_f32 sum) {
  float *y = s->y + i * PVB_BLOCK + v * LANES_f32;
  if (s->bias != NULL) sum += LOAD_f32(s->bias + v * LANES_f32);
  if (s->residual != NULL) sum += LOAD_f32(s->residual + i * PVB_BLOCK + v * LANES_f32);
  if (s->activation == PVB_RELU) sum = max_f32((v_f32){0}, sum);
  if (s->activation == PVB_CLIP)
    sum = min_f32(splat_f32(s->beta), max_f32(splat_f32(s->alpha), sum));
  STORE_f32(y, sum);
}

static inline __attribute__((always_inline)) void
pixels(const pvt_window_row *s, int64_t i, int64_t first, int64_t end, const int count) {
  v_f32 sum[TOGETHER][BLOCK_VECTORS];
#pragma GCC unroll 8
  for (int p = 0; p < count; p++)
#pragma GCC unroll 4
    for (int v = 0; v < BLOCK_VECTORS; v++) sum[p][v] = (v_f32){0};
  int64_t start = (i * s->stride - s->before) * PVB_BLOCK, step = s->stride * PVB_BLOCK;
  for (int64_t r = 0; r < s->rows; r++) {
    const float *x = s->row[r] + start + first * s->dilation * PVB_BLOCK;
    const float *w = s->w[r] + first * PVB_BLOCK;
    for (int64_t t = first; t < end; t++, x += s->dilation * PVB_BLOCK, w += PVB_BLOCK) {
      v_f32 factor[BLOCK_VECTORS];
#pragma GCC unroll 4
      for (int v = 0; v < BLOCK_VECTORS; v++) factor[v] = LOAD_f32(w + v * LANES_f32);
#pragma GCC unroll 8
      for (int p = 0; p < count; p++)
#pragma GCC unroll 4
        for (int v = 0; v < BLOCK_VECTORS; v++)
          sum[p][v] = FMA_f32(LOAD_f32(x + p * step + v * LANES_f32), factor[v], sum[p][v]);
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < count; p++)
#pragma GCC unroll 4
    for (int v = 0; v < BLOCK_VECTORS; v++) finish_pixel(s, i + p, v, sum[p][v]);
}

static void depthwise_row(const pvt_window_row *s) {
  int64_t first, end, low, high, i = 0;
  inner_range(s, &first, &end);
  for (; i < first; i++) {
    taps_of(s, i, &low, &high);
    pixels(s, i, low, high, 1);
  }
  for (; i + TOGETHER <= end; i += TOGETHER) pixels(s, i, 0, s->kernel, TOGETHER);
  for (; i + TOGETHER / 2 <= end; i += TOGETHER / 2) pixels(s, i, 0, s->kernel, TOGETHER / 2);
  for (; i < s->result; i++) {
    taps_of(s, i, &low, &high);
    pixels(s, i, low, high, 1);
  }
}

/* ---- Pooling ------------------------------------------------------------ */

static void largest_row(const pvt_window_row *s) {
  for (int64_t i = 0; i < s->result; i++) {
    int64_t low, high;
    taps_of(s, i, &low, &high);
    v_f32 most[BLOCK_VECTORS];
    for (int v = 0; v < BLOCK_VECTORS; v++) most[v] = splat_f32(-INFINITY);
    for (int64_t r = 0; r < s->rows; r++) {
      const float *x = s->row[r] + (i * s->stride - s->before + low * s->dilation) * PVB_BLOCK;
      for (int64_t t = low; t < high; t++, x += s->dilation * PVB_BLOCK)
        for (int v = 0; v < BLOCK_VECTORS; v++) {
          v_f32 one = LOAD_f32(x + v * LANES_f32);
          /* NaNs win, whichever side they are on */
          most[v] = choose_f32(one != one, one, max_f32(one, most[v]));
        }
    }
    for (int v = 0; v < BLOCK_VECTORS; v++)
      STORE_f32(s->y + i * PVB_BLOCK + v * LANES_f32, most[v]);
  }
}

static void sum_row(const pvt_window_row *s) {
  for (int64_t i = 0; i < s->result; i++) {
    int64_t low, high;
    taps_of(s, i, &low, &high);
    v_f32 sum[BLOCK_VECTORS] = {{0}};
    for (int64_t r = 0; r < s->rows; r++) {
      const float *x = s->row[r] + (i * s->stride - s->before + low * s->dilation) * PVB_BLOCK;
      for (int64_t t = low; t < high; t++, x += s->dilation * PVB_BLOCK)
        for (int v = 0; v < BLOCK_VECTORS; v++) sum[v] += LOAD_f32(x + v * LANES_f32);
    }
    float share = s->share[i];
    for (int v = 0; v < BLOCK_VECTORS; v++)
      STORE_f32(s->y + i * PVB_BLOCK + v * LANES_f32, sum[v] / share);
  }
}

const pvt_window_rows PVT_KERNEL(pvt_window_rows) = {depthwise_row, largest_row, sum_row};

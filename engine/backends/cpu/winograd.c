/* winograd.c - the transforms of convolutions by 3 x 3 windows that save multiplications.
**
** F(2 x 2) has the points 0, 1 and -1, F(4 x 4) has 0, 3/4, -3/4, 3/2 and -3/2, which err a third as
** much as the usual 1 and 2 do. Weights are transformed by portable/minimal.c.
*/
#include "functions.h"
#include "kernels.h"
#include "layers.h"

#define BLOCK_VECTORS (PVB_BLOCK * 4 / VECTOR_BYTES)

static inline __attribute__((always_inline)) void input_2(const v_f32 *d, v_f32 *t) {
  t[0] = d[0] - d[2];
  t[1] = d[1] + d[2];
  t[2] = d[2] - d[1];
  t[3] = d[3] - d[1];
}

static inline __attribute__((always_inline)) void output_2(const v_f32 *m, v_f32 *y) {
  y[0] = m[0] + m[1] + m[2];
  y[1] = m[1] - m[2] + m[3];
}

/* The points' squares, their sum and product. */
#define A 0.75f
#define B 1.5f
#define A2 (A * A)
#define B2 (B * B)

static inline __attribute__((always_inline)) void input_4(const v_f32 *d, v_f32 *t) {
  const v_f32 sum = splat_f32(-(A2 + B2)), product = splat_f32(A2 * B2);
  const v_f32 a = splat_f32(A), b = splat_f32(B), a2 = splat_f32(-A2), b2 = splat_f32(-B2);
  v_f32 even_a = FMA_f32(b2, d[2], d[4]), odd_a = FMA_f32(b2, d[1], d[3]);
  v_f32 even_b = FMA_f32(a2, d[2], d[4]), odd_b = FMA_f32(a2, d[1], d[3]);
  t[0] = FMA_f32(product, d[0], FMA_f32(sum, d[2], d[4]));
  t[1] = FMA_f32(a, odd_a, even_a);
  t[2] = FMA_f32(-a, odd_a, even_a);
  t[3] = FMA_f32(b, odd_b, even_b);
  t[4] = FMA_f32(-b, odd_b, even_b);
  t[5] = FMA_f32(product, d[1], FMA_f32(sum, d[3], d[5]));
}

static inline __attribute__((always_inline)) void output_4(const v_f32 *m, v_f32 *y) {
  v_f32 plus_a = m[1] + m[2], minus_a = m[1] - m[2];
  v_f32 plus_b = m[3] + m[4], minus_b = m[3] - m[4];
  y[0] = m[0] + plus_a + plus_b;
  y[1] = FMA_f32(splat_f32(A), minus_a, splat_f32(B) * minus_b);
  y[2] = FMA_f32(splat_f32(A2), plus_a, splat_f32(B2) * plus_b);
  y[3] = FMA_f32(splat_f32(A2 * A), minus_a, FMA_f32(splat_f32(B2 * B), minus_b, m[5]));
}

#define TRANSFORMS(m, side)                                                                        \
  static void input_tile_##m(const float *x, int64_t x_row, float *v, int64_t v_step) {            \
    for (int part = 0; part < BLOCK_VECTORS; part++, x += LANES_f32, v += LANES_f32) {             \
      v_f32 half[side][side];                                                                      \
      _Pragma("GCC unroll 6") for (int j = 0; j < side; j++) {                                     \
        v_f32 d[side], t[side];                                                                    \
        _Pragma("GCC unroll 6") for (int i = 0; i < side; i++) d[i] =                              \
            LOAD_f32(x + i * x_row + j * PVB_BLOCK);                                               \
        input_##m(d, t);                                                                           \
        _Pragma("GCC unroll 6") for (int i = 0; i < side; i++) half[i][j] = t[i];                  \
      }                                                                                            \
      _Pragma("GCC unroll 6") for (int i = 0; i < side; i++) {                                     \
        v_f32 t[side];                                                                             \
        input_##m(half[i], t);                                                                     \
        _Pragma("GCC unroll 6") for (int j = 0; j < side; j++)                                     \
            STORE_f32(v + (i * side + j) * v_step, t[j]);                                          \
      }                                                                                            \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  static void output_tile_##m(const float *from, int64_t from_step, const pvt_winograd_out *out) { \
    for (int part = 0; part < BLOCK_VECTORS; part++, from += LANES_f32) {                          \
      int64_t lane = part * LANES_f32;                                                             \
      v_f32 half[m][side];                                                                         \
      _Pragma("GCC unroll 6") for (int j = 0; j < side; j++) {                                     \
        v_f32 d[side], t[m];                                                                       \
        _Pragma("GCC unroll 6") for (int i = 0; i < side; i++) d[i] =                              \
            LOAD_f32(from + (i * side + j) * from_step);                                           \
        output_##m(d, t);                                                                          \
        _Pragma("GCC unroll 4") for (int i = 0; i < m; i++) half[i][j] = t[i];                     \
      }                                                                                            \
      v_f32 bias = {0}, low = splat_f32(out->alpha), high = splat_f32(out->beta);                  \
      if (out->bias != NULL) bias = LOAD_f32(out->bias + lane);                                    \
      _Pragma("GCC unroll 4") for (int i = 0; i < m; i++) {                                        \
        v_f32 y[m];                                                                                \
        output_##m(half[i], y);                                                                    \
        _Pragma("GCC unroll 4") for (int j = 0; j < m; j++) {                                      \
          v_f32 sum = y[j] + bias;                                                                 \
          int64_t at = i * out->row + j * PVB_BLOCK + lane;                                        \
          if (out->residual != NULL) sum += LOAD_f32(out->residual + at);                          \
          if (out->activation == PVB_RELU) sum = max_f32((v_f32){0}, sum);                         \
          if (out->activation == PVB_CLIP) sum = min_f32(high, max_f32(low, sum));                 \
          STORE_f32(out->y + at, sum);                                                             \
        }                                                                                          \
      }                                                                                            \
    }                                                                                              \
  }
TRANSFORMS(2, 4)
TRANSFORMS(4, 6)

const pvt_winograd PVT_KERNEL(pvt_winograd_of)[2] = {{input_tile_2, output_tile_2},
                                                     {input_tile_4, output_tile_4}};

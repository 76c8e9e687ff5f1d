/* movers.c - transposing elements.
**
** A tile of n x n elements is turned in registers: log2(n) rounds that interleave register k with
** register k + n/2. Tiles are walked so that whole cache lines are read and written together,
** whatever the strides.
*/
#include <string.h>

#include "elements.h"
#include "kernels.h"

#define INTERLEAVE_2 {0, 2}, {1, 3}
#define INTERLEAVE_4 {0, 4, 1, 5}, {2, 6, 3, 7}
#define INTERLEAVE_8 {0, 8, 1, 9, 2, 10, 3, 11}, {4, 12, 5, 13, 6, 14, 7, 15}
#define INTERLEAVE_16                                                                              \
  {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23},                                        \
      {8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31}

/* TYPE's lanes fill BYTES; N of them. */
#define TILE(name, TYPE, N, ROUNDS)                                                                \
  typedef TYPE name##_vector __attribute__((vector_size(N * sizeof(TYPE))));                       \
  static inline __attribute__((always_inline)) void name(                                          \
      const char *source, int64_t source_stride, char *target, int64_t target_stride) {            \
    static const name##_vector order[2] = {INTERLEAVE_##N};                                        \
    name##_vector a[N], b[N];                                                                      \
    _Pragma("GCC unroll 16") for (int k = 0; k < N; k++)                                           \
        memcpy(&a[k], source + k * source_stride, sizeof a[k]);                                    \
    _Pragma("GCC unroll 4") for (int round = 0; round < ROUNDS; round++) {                         \
      _Pragma("GCC unroll 16") for (int k = 0; k < N / 2; k++) {                                   \
        b[2 * k] = __builtin_shuffle(a[k], a[k + N / 2], order[0]);                                \
        b[2 * k + 1] = __builtin_shuffle(a[k], a[k + N / 2], order[1]);                            \
      }                                                                                            \
      _Pragma("GCC unroll 16") for (int k = 0; k < N; k++) a[k] = b[k];                            \
    }                                                                                              \
    _Pragma("GCC unroll 16") for (int k = 0; k < N; k++)                                           \
        memcpy(target + k * target_stride, &a[k], sizeof a[k]);                                    \
  }

TILE(tile1, uint8_t, 16, 4)
TILE(tile2, uint16_t, 8, 3)
TILE(tile4, uint32_t, 4, 2)
TILE(tile8, uint64_t, 2, 1)
#if defined(__AVX512F__)
TILE(wide4, uint32_t, 16, 4)
TILE(wide8, uint64_t, 8, 3)
#endif

/* All of rows x columns that TILE fits into; what is left over is done one by one. A line is
** LINE elements, a multiple of N. */
#define TILES(name, TYPE, TURN, N, LINE)                                                           \
  static void name(int64_t rows, int64_t columns, const char *source, int64_t source_stride,       \
                   char *target, int64_t target_stride) {                                          \
    int64_t i_end = rows - rows % N, j_end = columns - columns % N;                                \
    for (int64_t i = 0; i < i_end; i += LINE)                                                      \
      for (int64_t j = 0; j < j_end; j += LINE)                                                    \
        for (int64_t jj = j; jj < j_end && jj < j + LINE; jj += N)                                 \
          for (int64_t ii = i; ii < i_end && ii < i + LINE; ii += N)                               \
            TURN(source + ii * source_stride + jj * (int64_t)sizeof(TYPE), source_stride,          \
                 target + jj * target_stride + ii * (int64_t)sizeof(TYPE), target_stride);         \
    for (int64_t i = i_end; i < rows; i++) {                                                       \
      const TYPE *restrict from = (const TYPE *)(source + i * source_stride);                      \
      char *to = target + i * (int64_t)sizeof(TYPE);                                               \
      for (int64_t j = 0; j < columns; j++, to += target_stride) *(TYPE *)to = from[j];            \
    }                                                                                              \
    for (int64_t j = j_end; j < columns; j++) {                                                    \
      const char *from = source + j * (int64_t)sizeof(TYPE);                                       \
      TYPE *restrict to = (TYPE *)(target + j * target_stride);                                    \
      for (int64_t i = 0; i < i_end; i++, from += source_stride) to[i] = *(const TYPE *)from;      \
    }                                                                                              \
  }

TILES(transpose1, e_u8, tile1, 16, 64)
TILES(transpose2, e_u16, tile2, 8, 32)
TILES(transpose4, e_u32, tile4, 4, 16)
TILES(transpose8, e_u64, tile8, 2, 8)

static void transpose16(int64_t rows, int64_t columns, const char *source, int64_t source_stride,
                        char *target, int64_t target_stride) {
  for (int64_t i = 0; i < rows; i += 4)
    for (int64_t j = 0; j < columns; j++)
      for (int64_t ii = i; ii < rows && ii < i + 4; ii++)
        memcpy(target + j * target_stride + ii * 16, source + ii * source_stride + j * 16, 16);
}

#if defined(__AVX512F__)
/* Wide tiles in the middle, narrow ones at the edges. */
#define WIDE(name, BYTES, TURN, N, REST)                                                           \
  static void name(int64_t rows, int64_t columns, const char *source, int64_t source_stride,       \
                   char *target, int64_t target_stride) {                                          \
    int64_t i_end = rows - rows % N, j_end = columns - columns % N;                                \
    for (int64_t i = 0; i < i_end; i += N)                                                         \
      for (int64_t j = 0; j < j_end; j += N)                                                       \
        TURN(source + i * source_stride + j * BYTES, source_stride,                                \
             target + j * target_stride + i * BYTES, target_stride);                               \
    if (i_end < rows)                                                                              \
      REST(rows - i_end, columns, source + i_end * source_stride, source_stride,                   \
           target + i_end * BYTES, target_stride);                                                 \
    if (j_end < columns && i_end > 0)                                                              \
      REST(i_end, columns - j_end, source + j_end * BYTES, source_stride,                          \
           target + j_end * target_stride, target_stride);                                         \
  }
WIDE(wide_transpose4, 4, wide4, 16, transpose4)
WIDE(wide_transpose8, 8, wide8, 8, transpose8)
#else
#define wide_transpose4 transpose4
#define wide_transpose8 transpose8
#endif

const pvt_movers PVT_KERNEL(pvt_movers) = {
    .transpose = {transpose1, transpose2, wide_transpose4, wide_transpose8, transpose16},
};

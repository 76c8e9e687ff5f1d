/* products_integer.c - matrix products of integers, which wrap, and of booleans. */
#include <string.h>

#include "kernels.h"

/* b's rows are contiguous: four rows of c are added to at a time, in strips that stay in the first
** cache together with four rows of b. */
#define STRIP 1024

#define GEMM(name, T, STEP)                                                                        \
  static int name##_contiguous(int64_t m, int64_t n, int64_t k, const T *a, int64_t a_row,         \
                               int64_t a_column, const T *b, int64_t b_row, T *c, int64_t c_row) { \
    int64_t work = 0;                                                                              \
    for (int64_t j0 = 0; j0 < n; j0 += STRIP) {                                                    \
      int64_t count = n - j0 < STRIP ? n - j0 : STRIP;                                             \
      for (int64_t i = 0; i < m; i++) {                                                            \
        T *restrict to = c + i * c_row + j0;                                                       \
        const T *row = a + i * a_row;                                                              \
        int64_t p = 0;                                                                             \
        for (; p + 4 <= k; p += 4) {                                                               \
          T x0 = row[p * a_column], x1 = row[(p + 1) * a_column];                                  \
          T x2 = row[(p + 2) * a_column], x3 = row[(p + 3) * a_column];                            \
          const T *restrict b0 = b + p * b_row + j0, *restrict b1 = b0 + b_row;                    \
          const T *restrict b2 = b1 + b_row, *restrict b3 = b2 + b_row;                            \
          for (int64_t j = 0; j < count; j++) {                                                    \
            T s = to[j];                                                                           \
            s = STEP(s, x0, b0[j]);                                                                \
            s = STEP(s, x1, b1[j]);                                                                \
            s = STEP(s, x2, b2[j]);                                                                \
            s = STEP(s, x3, b3[j]);                                                                \
            to[j] = s;                                                                             \
          }                                                                                        \
        }                                                                                          \
        for (; p < k; p++) {                                                                       \
          T x0 = row[p * a_column];                                                                \
          const T *restrict b0 = b + p * b_row + j0;                                               \
          for (int64_t j = 0; j < count; j++) to[j] = STEP(to[j], x0, b0[j]);                      \
        }                                                                                          \
        work += k * count;                                                                         \
        if (work < 1 << 19) continue;                                                              \
        work = 0;                                                                                  \
        int status = pvt_poll();                                                                   \
        if (status != PVT_OK) return status;                                                       \
      }                                                                                            \
    }                                                                                              \
    return PVT_OK;                                                                                 \
  }                                                                                                \
                                                                                                   \
  int PVT_KERNEL(pvt_##name)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row,        \
                             int64_t a_column, const void *b, int64_t b_row, int64_t b_column,     \
                             void *c, int64_t c_row, pvt_into into);                               \
  int PVT_KERNEL(pvt_##name)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row,        \
                             int64_t a_column, const void *b, int64_t b_row, int64_t b_column,     \
                             void *c, int64_t c_row, pvt_into into) {                              \
    for (int64_t i = 0; i < m && into == PVT_SET; i++)                                             \
      memset((T *)c + i * c_row, 0, (size_t)n * sizeof(T));                                        \
    if (b_column == 1) return name##_contiguous(m, n, k, a, a_row, a_column, b, b_row, c, c_row);  \
    /* blocks of b are copied so that their rows are contiguous */                                 \
    enum { DEEP = 64, WIDE = 256 };                                                                \
    int64_t deep = k < DEEP ? k : DEEP, wide = n < WIDE ? n : WIDE;                                \
    pvt_buffer *scratch = pvt_buffer_new((size_t)(deep * wide) * sizeof(T));                       \
    if (scratch == NULL) return pvt_error_status();                                                \
    T *block = pvt_buffer_data(scratch);                                                           \
    int status = PVT_OK;                                                                           \
    for (int64_t j0 = 0; j0 < n && status == PVT_OK; j0 += WIDE)                                   \
      for (int64_t p0 = 0; p0 < k && status == PVT_OK; p0 += DEEP) {                               \
        int64_t columns = n - j0 < WIDE ? n - j0 : WIDE, depth = k - p0 < DEEP ? k - p0 : DEEP;    \
        for (int64_t p = 0; p < depth; p++)                                                        \
          for (int64_t j = 0; j < columns; j++)                                                    \
            block[p * columns + j] = ((const T *)b)[(p0 + p) * b_row + (j0 + j) * b_column];       \
        status = name##_contiguous(m, columns, depth, (const T *)a + p0 * a_column, a_row,         \
                                   a_column, block, columns, (T *)c + j0, c_row);                  \
      }                                                                                            \
    pvt_buffer_release(scratch);                                                                   \
    return status;                                                                                 \
  }

/* Products are taken in a type that does not promote to a signed one. */
#define WRAPPING(s, x, y) ((s) + (x) * (y))
#define WRAPPING_16(s, x, y) ((uint16_t)((s) + (uint32_t)(x) * (y)))
#define EITHER(s, x, y) ((uint8_t)((s) | ((x) & (y))))

GEMM(gemm_8, uint8_t, WRAPPING)
GEMM(gemm_16, uint16_t, WRAPPING_16)
GEMM(gemm_32, uint32_t, WRAPPING)
GEMM(gemm_64, uint64_t, WRAPPING)
GEMM(gemm_bool, uint8_t, EITHER)

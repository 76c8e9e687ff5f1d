/* products.c - matrix products: the table, and the vectors that gemm.inc is written in. */
#include <string.h>

#include "kernels.h"
#include "vectors.h"

extern const pvt_movers PVT_KERNEL(pvt_movers);

/* ROWS x 2 vectors of c stay in registers; ROWS_DIRECT x 2 where a is read in place. */
#if defined(__AVX512F__)
#define ROWS 14
#define ROWS_DIRECT 8
#elif defined(__AVX2__)
#define ROWS 6
#define ROWS_DIRECT 4
#else
#define ROWS 4
#define ROWS_DIRECT 4
#endif

/* Work between two looks at the cancel word: 4 M multiplications take 40 us at 200 GFLOP/s, and
** some 400 us with portable kernels on a slow machine. */
#define WORK_BETWEEN_POLLS ((int64_t)(VECTOR_BYTES == 16 ? 1 << 20 : 4 << 20))

/* Blocks: DEEP of k at a time, so that a panel of b stays in the first cache; HIGH rows of a in
** the second, WIDE columns of b in the third. Packed rows of a are DEEP + 16 apart, so that they
** do not fall into the same sets. */
#define DEEP 256
#define HIGH (ROWS * (252 / ROWS))
#define WIDE 1024
#define A_ROW (DEEP + 16)

#define T float
#define SUFFIX f32
#include "gemm.inc"
#undef T
#undef SUFFIX

#define T double
#define SUFFIX f64
#include "gemm.inc"
#undef T
#undef SUFFIX

extern pvt_gemm PVT_KERNEL(pvt_gemm_8), PVT_KERNEL(pvt_gemm_16), PVT_KERNEL(pvt_gemm_32),
    PVT_KERNEL(pvt_gemm_64), PVT_KERNEL(pvt_gemm_bool);

/* ---- Complex: four real products ---------------------------------------- */

#define CHUNK_ROWS 504 /* of c whose parts are kept apart at a time */

#define COMPLEX(name, T, gemm)                                                                     \
  static void name##_join(int64_t m, int64_t n, const T *plus, const T *minus, const T *imag,      \
                          T *c, int64_t c_row, pvt_into into) {                                    \
    for (int64_t i = 0; i < m; i++, plus += n, minus += n, imag += n, c += 2 * c_row) {            \
      if (into == PVT_SET)                                                                         \
        for (int64_t j = 0; j < n; j++) c[2 * j] = plus[j] - minus[j], c[2 * j + 1] = imag[j];     \
      else if (into == PVT_PLUS)                                                                   \
        for (int64_t j = 0; j < n; j++) c[2 * j] += plus[j] - minus[j], c[2 * j + 1] += imag[j];   \
      else                                                                                         \
        for (int64_t j = 0; j < n; j++) c[2 * j] -= plus[j] - minus[j], c[2 * j + 1] -= imag[j];   \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  static int name(int64_t m, int64_t n, int64_t k, const void *av, int64_t ar, int64_t ac,         \
                  const void *bv, int64_t br, int64_t bc, void *cv, int64_t c_row,                 \
                  pvt_into into) {                                                                 \
    const T *b = bv;                                                                               \
    if (m == 0 || n == 0) return PVT_OK;                                                           \
    int64_t most = m < CHUNK_ROWS ? m : CHUNK_ROWS;                                                \
    pvt_buffer *scratch = pvt_buffer_new(3 * (size_t)(most * n) * sizeof(T));                      \
    if (scratch == NULL) return pvt_error_status();                                                \
    T *plus = pvt_buffer_data(scratch), *minus = plus + most * n, *imag = minus + most * n;        \
    ar *= 2, ac *= 2, br *= 2, bc *= 2;                                                            \
    int status = PVT_OK;                                                                           \
    for (int64_t i = 0; i < m && status == PVT_OK; i += CHUNK_ROWS) {                              \
      int64_t rows = m - i < CHUNK_ROWS ? m - i : CHUNK_ROWS;                                      \
      const T *a = (const T *)av + i * ar;                                                         \
      status = gemm(rows, n, k, a, ar, ac, b, br, bc, plus, n, PVT_SET);                           \
      if (status == PVT_OK)                                                                        \
        status = gemm(rows, n, k, a + 1, ar, ac, b + 1, br, bc, minus, n, PVT_SET);                \
      if (status == PVT_OK) status = gemm(rows, n, k, a, ar, ac, b + 1, br, bc, imag, n, PVT_SET); \
      if (status == PVT_OK)                                                                        \
        status = gemm(rows, n, k, a + 1, ar, ac, b, br, bc, imag, n, PVT_PLUS);                    \
      if (status == PVT_OK)                                                                        \
        name##_join(rows, n, plus, minus, imag, (T *)cv + 2 * i * c_row, c_row, into);             \
    }                                                                                              \
    pvt_buffer_release(scratch);                                                                   \
    return status;                                                                                 \
  }

COMPLEX(gemm_c64, float, gemm_f32)
COMPLEX(gemm_c128, double, gemm_f64)

const pvt_products PVT_KERNEL(pvt_products) = {{
    [PVT_BOOL] = PVT_KERNEL(pvt_gemm_bool),
    [PVT_INT8] = PVT_KERNEL(pvt_gemm_8),
    [PVT_INT16] = PVT_KERNEL(pvt_gemm_16),
    [PVT_INT32] = PVT_KERNEL(pvt_gemm_32),
    [PVT_INT64] = PVT_KERNEL(pvt_gemm_64),
    [PVT_UINT8] = PVT_KERNEL(pvt_gemm_8),
    [PVT_UINT16] = PVT_KERNEL(pvt_gemm_16),
    [PVT_UINT32] = PVT_KERNEL(pvt_gemm_32),
    [PVT_UINT64] = PVT_KERNEL(pvt_gemm_64),
    [PVT_FLOAT32] = gemm_f32,
    [PVT_FLOAT64] = gemm_f64,
    [PVT_COMPLEX64] = gemm_c64,
    [PVT_COMPLEX128] = gemm_c128,
}};

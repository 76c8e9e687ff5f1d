/* products.c - matrix products: the table, and the vectors that gemm.inc is written in. */
#include <string.h>

#include "kernels.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

extern const pvt_movers PVT_KERNEL(pvt_movers);

/* For each type: a vector V of LANES, loads and stores of the first `count` lanes, and FMA(a, b,
** c) = a b + c, fused where the machine can. ROWS x 2 vectors of c stay in registers; ROWS_DIRECT
** x 2 where a is read in place. */
#if defined(__AVX512F__)
#define ROWS 14
#define ROWS_DIRECT 8
#define VECTOR_BYTES 64
#define LOAD_SOME_f32(p, count) _mm512_maskz_loadu_ps((__mmask16)((1u << (count)) - 1), p)
#define STORE_SOME_f32(p, v, count) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (count)) - 1), v)
#define LOAD_SOME_f64(p, count) _mm512_maskz_loadu_pd((__mmask8)((1u << (count)) - 1), p)
#define STORE_SOME_f64(p, v, count) _mm512_mask_storeu_pd(p, (__mmask8)((1u << (count)) - 1), v)
#define FMA_f32(a, b, c) _mm512_fmadd_ps(a, b, c)
#define FMA_f64(a, b, c) _mm512_fmadd_pd(a, b, c)
#elif defined(__AVX2__)
#define ROWS 6
#define ROWS_DIRECT 4
#define VECTOR_BYTES 32
static const int32_t lane_mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
#define SOME(bytes)                                                                                \
  _mm256_loadu_si256((const __m256i *)(const void *)((const char *)(lane_mask + 8) - (bytes)))
#define LOAD_SOME_f32(p, count) _mm256_maskload_ps(p, SOME(4 * (count)))
#define STORE_SOME_f32(p, v, count) _mm256_maskstore_ps(p, SOME(4 * (count)), v)
#define LOAD_SOME_f64(p, count) _mm256_maskload_pd(p, SOME(8 * (count)))
#define STORE_SOME_f64(p, v, count) _mm256_maskstore_pd(p, SOME(8 * (count)), v)
#define FMA_f32(a, b, c) _mm256_fmadd_ps(a, b, c)
#define FMA_f64(a, b, c) _mm256_fmadd_pd(a, b, c)
#else
#define ROWS 4
#define ROWS_DIRECT 4
#define VECTOR_BYTES 16
#define LOAD_SOME_f32(p, count) load_some_f32(p, count)
#define STORE_SOME_f32(p, v, count) memcpy(p, &(v), 4 * (size_t)(count))
#define LOAD_SOME_f64(p, count) load_some_f64(p, count)
#define STORE_SOME_f64(p, v, count) memcpy(p, &(v), 8 * (size_t)(count))
#define FMA_f32(a, b, c) ((a) * (b) + (c))
#define FMA_f64(a, b, c) ((a) * (b) + (c))
#endif

typedef float v_f32 __attribute__((vector_size(VECTOR_BYTES)));
typedef double v_f64 __attribute__((vector_size(VECTOR_BYTES)));
typedef float u_f32 __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef double u_f64 __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));

#if VECTOR_BYTES == 16
static inline v_f32 load_some_f32(const float *p, int64_t count) {
  v_f32 v = {0};
  memcpy(&v, p, 4 * (size_t)count);
  return v;
}

static inline v_f64 load_some_f64(const double *p, int64_t count) {
  v_f64 v = {0};
  memcpy(&v, p, 8 * (size_t)count);
  return v;
}
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

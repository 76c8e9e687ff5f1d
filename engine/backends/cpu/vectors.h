/* vectors.h - vectors of float and double, for kernels that are written with them.
**
** v_f32 and v_f64 are as wide as the instruction set allows, u_f32 and u_f64 the same in memory,
** where they need not be aligned. LOAD_SOME_x and STORE_SOME_x take the first `count` lanes, 1
** up to all of them; FMA_x(a, b, c) is a b + c, rounded once where the machine can.
*/
#ifndef PVT_VECTORS_H
#define PVT_VECTORS_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define LOAD_SOME_f32(p, count) _mm512_maskz_loadu_ps((__mmask16)((1u << (count)) - 1), p)
#define STORE_SOME_f32(p, v, count) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (count)) - 1), v)
#define LOAD_SOME_f64(p, count) _mm512_maskz_loadu_pd((__mmask8)((1u << (count)) - 1), p)
#define STORE_SOME_f64(p, v, count) _mm512_mask_storeu_pd(p, (__mmask8)((1u << (count)) - 1), v)
#define FMA_f32(a, b, c) _mm512_fmadd_ps(a, b, c)
#define FMA_f64(a, b, c) _mm512_fmadd_pd(a, b, c)
#elif defined(__AVX2__)
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

#endif

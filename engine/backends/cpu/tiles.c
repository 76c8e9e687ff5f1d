/* tiles.c - tiles of products of floats, and of floats with weights of int8: see pvt_tile. */
#include "tiles.h"

#define SUFFIX f32
#define W float
#define LOAD_W(p) LOAD_f32(p)
#define MAC(a, w, s) FMA_f32(a, w, s)
#include "tiles.inc"
#undef SUFFIX

static inline v_f32 load_bytes(const int8_t *p) {
#if defined(__AVX512F__)
  return (v_f32)_mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
#elif defined(__AVX2__)
  return (v_f32)_mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
#else
  return (v_f32){p[0], p[1], p[2], p[3]};
#endif
}

#define SUFFIX i8
#define W int8_t
#define LOAD_W(p) load_bytes(p)
#define MAC(a, w, s) FMA_f32(a, w, s)
#include "tiles.inc"
#undef SUFFIX

/* tiles_bf16.c - tiles of products of pairs of bfloat16, for processors that multiply them.
**
** What tiles.inc takes for one float of x is a pair of neighbours, and so is one of w.
*/
#if defined(__AVX512F__)
#pragma GCC target("avx512bf16")
#endif
#include "tiles.h"

#if defined(__AVX512F__)

#define SUFFIX bf16
#define W float
#define LOAD_W(p) LOAD_f32(p)
#define MAC(a, w, s) ((v_f32)_mm512_dpbf16_ps((__m512)(s), (__m512bh)(a), (__m512bh)(w)))
#include "tiles.inc"

static void to_bf16(int64_t n, const float *from, uint32_t *to) {
  for (int64_t i = 0; i < n; i += 32) {
    int64_t left = n - i;
    if (left >= 32) {
      __m512bh both =
          _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + i + 16), _mm512_loadu_ps(from + i));
      _mm512_storeu_si512(to + i / 2, (__m512i)both);
    } else {
      __mmask16 low = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
      __mmask16 high = left > 16 ? (__mmask16)((1u << (left - 16)) - 1) : 0;
      __mmask16 pairs = (__mmask16)((1u << ((left + 1) / 2)) - 1);
      __m512bh both = _mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, from + i + 16),
                                          _mm512_maskz_loadu_ps(low, from + i));
      _mm512_mask_storeu_epi32(to + i / 2, pairs, (__m512i)both);
    }
  }
}

static inline __m512i widened(__mmask16 lanes, const float *from) {
  return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lanes, from)));
}

static void join(int64_t n, const float *low, const float *high, uint32_t *to) {
  for (int64_t i = 0; i < n; i += 16) {
    __mmask16 lanes = n - i >= 16 ? 0xffff : (__mmask16)((1u << (n - i)) - 1);
    __m512i both = widened(lanes, low + i);
    if (high != NULL) both = _mm512_or_si512(both, _mm512_slli_epi32(widened(lanes, high + i), 16));
    _mm512_mask_storeu_epi32(to + i, lanes, both);
  }
}

const pvt_pairs PVT_KERNEL(pvt_bf16) = {&PVT_KERNEL(pvt_tiles_bf16), to_bf16, join};

#else

const pvt_pairs PVT_KERNEL(pvt_bf16) = {0};

#endif

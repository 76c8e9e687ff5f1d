/* sorting.c - sorting and selecting keys with vectors, where there is AVX-512.
**
** Quicksort: each vector is split by a mask into what is below the pivot, which stays in front, and
** the rest, which goes to the spare memory and back. Few keys are sorted by a bitonic network.
*/
#include "kernels.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#include <string.h>

typedef struct progress {
  uint64_t random;
  int64_t since; /* keys split since the last look at the cancel word */
} progress;

#define T uint32_t
#define SUFFIX u32
#define LANES 16
#define MASK __mmask16
#define BITS(mask) _cvtmask16_u32(mask)
#define MIN(a, b) _mm512_min_epu32(a, b)
#define MAX(a, b) _mm512_max_epu32(a, b)
#define LESS(a, b) _mm512_cmplt_epu32_mask(a, b)
#define LESS_EQUAL(a, b) _mm512_cmple_epu32_mask(a, b)
#define PERMUTE(index, v) _mm512_permutexvar_epi32(index, v)
#define BLEND(mask, a, b) _mm512_mask_blend_epi32(mask, a, b)
#define COMPRESS(mask, v) _mm512_maskz_compress_epi32(mask, v)
#define SPLAT(x) _mm512_set1_epi32((int32_t)(x))
#define IOTA _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#define LOAD_SOME(mask, p) _mm512_mask_loadu_epi32(SPLAT(-1), mask, p)
#define STORE_SOME(p, mask, v) _mm512_mask_storeu_epi32(p, mask, v)
#include "sorting.inc"

#define T uint64_t
#define SUFFIX u64
#define LANES 8
#define MASK __mmask8
#define BITS(mask) _cvtmask8_u32(mask)
#define MIN(a, b) _mm512_min_epu64(a, b)
#define MAX(a, b) _mm512_max_epu64(a, b)
#define LESS(a, b) _mm512_cmplt_epu64_mask(a, b)
#define LESS_EQUAL(a, b) _mm512_cmple_epu64_mask(a, b)
#define PERMUTE(index, v) _mm512_permutexvar_epi64(index, v)
#define BLEND(mask, a, b) _mm512_mask_blend_epi64(mask, a, b)
#define COMPRESS(mask, v) _mm512_maskz_compress_epi64(mask, v)
#define SPLAT(x) _mm512_set1_epi64((int64_t)(x))
#define IOTA _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7)
#define LOAD_SOME(mask, p) _mm512_mask_loadu_epi64(SPLAT(-1), mask, p)
#define STORE_SOME(p, mask, v) _mm512_mask_storeu_epi64(p, mask, v)
#include "sorting.inc"

const pvt_sorting PVT_KERNEL(pvt_sorting) = {sort_u32, sort_u64, select_u32, select_u64};

#else
const pvt_sorting PVT_KERNEL(pvt_sorting) = {0};
#endif

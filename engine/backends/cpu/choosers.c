/* choosers.c - choosing elements by bytes that are 0 or 1, and elements by their index. */
#include <string.h>

#include "elements.h"
#include "kernels.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* One by one, without a branch: each is written where the next chosen one goes, so the place behind
** the last chosen one is written too unless it is `room`. */
#define COMPRESS(name, TYPE)                                                                       \
  static int64_t name(int64_t n, const char *x, const char *mask, char *out, int64_t room) {       \
    const TYPE *a = (const TYPE *)x;                                                               \
    TYPE *b = (TYPE *)out;                                                                         \
    int64_t set = 0, i = 0;                                                                        \
    for (; i < n && set < room; i++) {                                                             \
      b[set] = a[i];                                                                               \
      set += mask[i];                                                                              \
    }                                                                                              \
    return set;                                                                                    \
  }
COMPRESS(compress1, e_u8)
COMPRESS(compress2, e_u16)
COMPRESS(compress4, e_u32)
COMPRESS(compress8, e_u64)
COMPRESS(compress16, e_16)

static int64_t places(int64_t n, const char *mask, int64_t start, char *out, int64_t room) {
  e_i64 *b = (e_i64 *)out;
  int64_t set = 0;
  for (int64_t i = 0; i < n && set < room; i++) {
    b[set] = start + i;
    set += mask[i];
  }
  return set;
}

#if defined(__AVX512F__)
/* Whole vectors are written as long as there is room for them. */
#define WIDE(name, TYPE, LANES, LOAD, PACK, STORE, REST)                                           \
  static int64_t name(int64_t n, const char *x, const char *mask, char *out, int64_t room) {       \
    int64_t set = 0, i = 0;                                                                        \
    for (; i + 64 <= n && set + 64 <= room; i += 64) {                                             \
      __m512i bytes = _mm512_loadu_si512(mask + i);                                                \
      uint64_t chosen = _mm512_test_epi8_mask(bytes, bytes);                                       \
      if (chosen == 0) continue;                                                                   \
      for (int j = 0; j < 64; j += LANES, chosen >>= LANES & 63) {                                 \
        __mmask16 some = (__mmask16)(chosen & ((1u << LANES) - 1));                                \
        __m512i v = LOAD(x + (i + j) * (int64_t)sizeof(TYPE));                                     \
        STORE(out + set * (int64_t)sizeof(TYPE), PACK(some, v));                                   \
        set += __builtin_popcount(some);                                                           \
      }                                                                                            \
    }                                                                                              \
    return set + REST(n - i, x + i * (int64_t)sizeof(TYPE), mask + i,                              \
                      out + set * (int64_t)sizeof(TYPE), room - set);                              \
  }
#define LOAD_BYTES(p) _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(p)))
#define LOAD_WORDS(p) _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(p)))
#define STORE_BYTES(p, v) _mm_storeu_si128((__m128i *)(p), _mm512_cvtepi32_epi8(v))
#define STORE_WORDS(p, v) _mm256_storeu_si256((__m256i *)(p), _mm512_cvtepi32_epi16(v))
WIDE(wide1, e_u8, 16, LOAD_BYTES, _mm512_maskz_compress_epi32, STORE_BYTES, compress1)
WIDE(wide2, e_u16, 16, LOAD_WORDS, _mm512_maskz_compress_epi32, STORE_WORDS, compress2)
WIDE(wide4, e_u32, 16, _mm512_loadu_si512, _mm512_maskz_compress_epi32, _mm512_storeu_si512,
     compress4)
WIDE(wide8, e_u64, 8, _mm512_loadu_si512, _mm512_maskz_compress_epi64, _mm512_storeu_si512,
     compress8)

static int64_t wide_places(int64_t n, const char *mask, int64_t start, char *out, int64_t room) {
  int64_t set = 0, i = 0;
  const __m512i sixteen = _mm512_set1_epi32(16);
  const __m512i first = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  for (; i + 64 <= n && set + 64 <= room; i += 64) {
    __m512i bytes = _mm512_loadu_si512(mask + i);
    uint64_t chosen = _mm512_test_epi8_mask(bytes, bytes);
    if (chosen == 0) continue;
    __m512i base = _mm512_set1_epi64(start + i), at = first;
    for (int j = 0; j < 64; j += 16, chosen >>= 16, at = _mm512_add_epi32(at, sixteen)) {
      __m512i some = _mm512_maskz_compress_epi32((__mmask16)chosen, at);
      __m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(some));
      __m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(some, 1));
      _mm512_storeu_si512(out + set * 8, _mm512_add_epi64(base, low));
      _mm512_storeu_si512(out + set * 8 + 64, _mm512_add_epi64(base, high));
      set += __builtin_popcount((uint32_t)chosen & 0xffff);
    }
  }
  return set + places(n - i, mask + i, start + i, out + set * 8, room - set);
}

#elif defined(__AVX2__)
/* The lanes of the chosen ones among eight, as eight bytes: the bytes 0 to 7 put together. */
static inline __m256i lanes_of(uint64_t mask) {
  uint64_t order = _pext_u64(0x0706050403020100, mask * 0xff);
  return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)order));
}

static int64_t wide4(int64_t n, const char *x, const char *mask, char *out, int64_t room) {
  int64_t set = 0, i = 0;
  for (; i + 8 <= n && set + 8 <= room; i += 8) {
    uint64_t chosen;
    memcpy(&chosen, mask + i, 8);
    __m256i v = _mm256_loadu_si256((const __m256i *)(x + i * 4));
    _mm256_storeu_si256((__m256i *)(out + set * 4),
                        _mm256_permutevar8x32_epi32(v, lanes_of(chosen)));
    set += __builtin_popcountll(chosen);
  }
  return set + compress4(n - i, x + i * 4, mask + i, out + set * 4, room - set);
}

/* Four at a time, each as two lanes. */
static int64_t wide8(int64_t n, const char *x, const char *mask, char *out, int64_t room) {
  int64_t set = 0, i = 0;
  for (; i + 4 <= n && set + 4 <= room; i += 4) {
    uint32_t chosen;
    memcpy(&chosen, mask + i, 4);
    uint64_t pairs = _pdep_u64(_pext_u64(chosen, 0x01010101), 0x0001000100010001) * 0x0101;
    __m256i v = _mm256_loadu_si256((const __m256i *)(x + i * 8));
    _mm256_storeu_si256((__m256i *)(out + set * 8),
                        _mm256_permutevar8x32_epi32(v, lanes_of(pairs)));
    set += __builtin_popcount(chosen);
  }
  return set + compress8(n - i, x + i * 8, mask + i, out + set * 8, room - set);
}
#define wide1 compress1
#define wide2 compress2
#define wide_places places
#else
#define wide1 compress1
#define wide2 compress2
#define wide4 compress4
#define wide8 compress8
#define wide_places places
#endif

/* Where the mask is set, the next value, in order. Without a branch: a value is read whether it is
** chosen or not, as long as there is one. */
#define EXPAND(name, TYPE)                                                                         \
  static int64_t name(int64_t n, const char *values, int64_t value_stride, int64_t left,           \
                      const char *mask, char *x) {                                                 \
    TYPE *restrict b = (TYPE *)x;                                                                  \
    const uint8_t *restrict set = (const uint8_t *)mask;                                           \
    if (value_stride == 0) {                                                                       \
      TYPE v = *(const TYPE *)values;                                                              \
      for (int64_t i = 0; i < n; i++) b[i] = set[i] ? v : b[i];                                    \
      return 0;                                                                                    \
    }                                                                                              \
    int64_t used = 0;                                                                              \
    for (int64_t i = 0; i < n && used < left; i++) {                                               \
      TYPE choice[2] = {b[i], *(const TYPE *)(values + used * value_stride)};                      \
      b[i] = choice[set[i]];                                                                       \
      used += set[i];                                                                              \
    }                                                                                              \
    return used;                                                                                   \
  }
EXPAND(expand1, e_u8)
EXPAND(expand2, e_u16)
EXPAND(expand4, e_u32)
EXPAND(expand8, e_u64)
EXPAND(expand16, e_16)

#if defined(__AVX512F__)
#define WIDE_EXPAND(name, TYPE, LANES, BITS, REST)                                                 \
  static int64_t name(int64_t n, const char *values, int64_t value_stride, int64_t left,           \
                      const char *mask, char *x) {                                                 \
    enum { SIZE = sizeof(TYPE) };                                                                  \
    int64_t used = 0, i = 0;                                                                       \
    for (; value_stride == SIZE && i + 64 <= n && used + 64 <= left; i += 64) {                    \
      __m512i bytes = _mm512_loadu_si512(mask + i);                                                \
      uint64_t chosen = _mm512_test_epi8_mask(bytes, bytes);                                       \
      if (chosen == 0) continue;                                                                   \
      for (int j = 0; j < 64; j += LANES, chosen >>= LANES) {                                      \
        __mmask##LANES some = (__mmask##LANES)chosen;                                              \
        __m512i v = _mm512_loadu_si512(values + used * SIZE);                                      \
        __m512i own = _mm512_loadu_si512(x + (i + j) * SIZE);                                      \
        _mm512_storeu_si512(x + (i + j) * SIZE, _mm512_mask_expand_epi##BITS(own, some, v));       \
        used += __builtin_popcount(some);                                                          \
      }                                                                                            \
    }                                                                                              \
    return used + REST(n - i, values + used * value_stride, value_stride, left - used, mask + i,   \
                       x + i * SIZE);                                                              \
  }
WIDE_EXPAND(wide_expand4, e_u32, 16, 32, expand4)
WIDE_EXPAND(wide_expand8, e_u64, 8, 64, expand8)
#else
#define wide_expand4 expand4
#define wide_expand8 expand8
#endif

#define GATHER(name, TYPE)                                                                         \
  static void name(int64_t n, const char *x, const int64_t *offset, char *out) {                   \
    TYPE *restrict b = (TYPE *)out;                                                                \
    for (int64_t i = 0; i < n; i++) b[i] = *(const TYPE *)(x + offset[i]);                         \
  }
GATHER(gather1, e_u8)
GATHER(gather2, e_u16)
GATHER(gather4, e_u32)
GATHER(gather8, e_u64)
GATHER(gather16, e_16)

#define SCATTER(name, TYPE)                                                                        \
  static void name(int64_t n, const char *values, int64_t stride, const int64_t *offset,           \
                   char *x) {                                                                      \
    for (int64_t i = 0; i < n; i++)                                                                \
      *(TYPE *)(x + offset[i]) = *(const TYPE *)(values + i * stride);                             \
  }
SCATTER(scatter1, e_u8)
SCATTER(scatter2, e_u16)
SCATTER(scatter4, e_u32)
SCATTER(scatter8, e_u64)
SCATTER(scatter16, e_16)

/* offset[i] += stride * (index[i], counted from the end if negative); the number of indices before
** the first that is out of bounds. */
static int64_t add_offsets(int64_t n, const char *index, int64_t index_stride, int64_t size,
                           int64_t stride, int64_t *offset) {
  int64_t outside = 0;
  if (index_stride == 8) {
    const e_i64 *restrict at = (const e_i64 *)index;
    for (int64_t i = 0; i < n; i++) {
      int64_t k = at[i], from_start = k + (k < 0 ? size : 0);
      outside |= (uint64_t)from_start >= (uint64_t)size;
      offset[i] = (int64_t)((uint64_t)offset[i] + (uint64_t)from_start * (uint64_t)stride);
    }
  } else {
    for (int64_t i = 0; i < n; i++) {
      int64_t k = *(const e_i64 *)(index + i * index_stride), from_start = k + (k < 0 ? size : 0);
      outside |= (uint64_t)from_start >= (uint64_t)size;
      offset[i] = (int64_t)((uint64_t)offset[i] + (uint64_t)from_start * (uint64_t)stride);
    }
  }
  if (outside == 0) return n;
  int64_t good = 0;
  for (; good < n; good++) {
    int64_t k = *(const e_i64 *)(index + good * index_stride);
    if (k < -size || k >= size) break;
  }
  return good;
}

const pvt_choosers PVT_KERNEL(pvt_choosers) = {
    .compress = {wide1, wide2, wide4, wide8, compress16},
    .expand = {expand1, expand2, wide_expand4, wide_expand8, expand16},
    .places = wide_places,
    .gather = {gather1, gather2, gather4, gather8, gather16},
    .scatter = {scatter1, scatter2, scatter4, scatter8, scatter16},
    .add_offsets = add_offsets,
};

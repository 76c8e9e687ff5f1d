/* keys.c - see keys.h. */
#include "keys.h"

#include <string.h>

pvt_order pvt_order_of(pvt_dtype dtype) {
  switch (pvt_dtype_kind(dtype)) {
  case PVT_KIND_INT: return PVT_ORDER_SIGNED;
  case PVT_KIND_FLOAT: return PVT_ORDER_FLOAT;
  default: return PVT_ORDER_UNSIGNED;
  }
}

uint64_t pvt_infinity_bits(pvt_dtype dtype) {
  switch (dtype) {
  case PVT_FLOAT16: return 0x7c00;
  case PVT_BFLOAT16: return 0x7f80;
  case PVT_FLOAT32: return 0x7f800000;
  default: return 0x7ff0000000000000;
  }
}

#define FEW 40         /* keys that are sorted by insertion */
#define CHUNK 16384    /* keys between two looks at the cancel word */
#define MANY (1 << 16) /* keys for which digits of 11 bits pay */

int64_t pvt_sort_counts(int64_t n) {
  return n <= FEW ? 4 * 256 : n < MANY ? 8 * 256 : 65536;
}

/* Counting digits of all passes first shows which of them change nothing. */
#define RADIX_SORT(K)                                                                              \
  static int radix_sort_##K(int64_t n, K **keys, K **spare, uint64_t *counts, int low, int high) { \
    K *a = *keys, *b = *spare;                                                                     \
    K mask = high - low < (int)sizeof(K) * 8 ? (K)(((K)1 << (high - low)) - 1) : (K) ~(K)0;        \
    if (n <= FEW) {                                                                                \
      for (int64_t i = 1; i < n; i++) {                                                            \
        K x = a[i];                                                                                \
        K digits = (K)(x >> low) & mask;                                                           \
        int64_t j = i;                                                                             \
        for (; j > 0 && ((K)(a[j - 1] >> low) & mask) > digits; j--) a[j] = a[j - 1];              \
        a[j] = x;                                                                                  \
      }                                                                                            \
      return PVT_OK;                                                                               \
    }                                                                                              \
    int width = n >= MANY && high - low > 16 ? 11 : 8;                                             \
    int passes = (high - low + width - 1) / width;                                                 \
    uint32_t radix = 1u << width;                                                                  \
    memset(counts, 0, (size_t)passes * radix * sizeof *counts);                                    \
    bool sorted = true;                                                                            \
    K last = 0;                                                                                    \
    for (int64_t i0 = 0; i0 < n; i0 += CHUNK) {                                                    \
      int status = pvt_poll();                                                                     \
      if (status != PVT_OK) return status;                                                         \
      int64_t end = n - i0 < CHUNK ? n : i0 + CHUNK;                                               \
      for (int64_t i = i0; i < end; i++) {                                                         \
        K x = (K)(a[i] >> low) & mask;                                                             \
        sorted &= x >= last;                                                                       \
        last = x;                                                                                  \
        for (int p = 0; p < passes; p++, x = (K)(x >> (width - 1) >> 1))                           \
          counts[(uint32_t)p * radix + ((uint32_t)x & (radix - 1))]++;                             \
      }                                                                                            \
    }                                                                                              \
    for (int p = 0; p < passes && !sorted; p++) {                                                  \
      uint64_t *count = counts + (uint32_t)p * radix, sum = 0;                                     \
      int shift = low + p * width;                                                                 \
      if (count[(uint32_t)((K)((K)(a[0] >> low) & mask) >> (p * width)) & (radix - 1)] ==          \
          (uint64_t)n)                                                                             \
        continue;                                                                                  \
      for (uint32_t i = 0; i < radix; i++) {                                                       \
        uint64_t many = count[i];                                                                  \
        count[i] = sum;                                                                            \
        sum += many;                                                                               \
      }                                                                                            \
      K digit = (K)(mask >> (p * width)) & (K)(radix - 1);                                         \
      for (int64_t i0 = 0; i0 < n; i0 += CHUNK) {                                                  \
        int status = pvt_poll();                                                                   \
        if (status != PVT_OK) return status;                                                       \
        int64_t end = n - i0 < CHUNK ? n : i0 + CHUNK;                                             \
        for (int64_t i = i0; i < end; i++) b[count[(K)(a[i] >> shift) & digit]++] = a[i];          \
      }                                                                                            \
      K *other = a;                                                                                \
      a = b;                                                                                       \
      b = other;                                                                                   \
    }                                                                                              \
    *keys = a;                                                                                     \
    *spare = b;                                                                                    \
    return PVT_OK;                                                                                 \
  }

typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
RADIX_SORT(u16)
RADIX_SORT(u32)
RADIX_SORT(u64)

int pvt_sort_u32(int64_t n, u32 **keys, u32 **spare, uint64_t *counts, int low, int high) {
  const pvt_sorting *vectors = pvt_kernels_get()->sorting;
  if (vectors->sort_u32 != NULL) return vectors->sort_u32(n, *keys, *spare);
  return radix_sort_u32(n, keys, spare, counts, low, high);
}

int pvt_sort_u64(int64_t n, u64 **keys, u64 **spare, uint64_t *counts, int low, int high) {
  const pvt_sorting *vectors = pvt_kernels_get()->sorting;
  if (vectors->sort_u64 != NULL) return vectors->sort_u64(n, *keys, *spare);
  return radix_sort_u64(n, keys, spare, counts, low, high);
}

/* Whole keys are counted: what is equal cannot be told apart. */
int pvt_sort_u8(int64_t n, uint8_t **keys, uint8_t **spare, uint64_t *counts, int low, int high) {
  (void)spare, (void)low, (void)high;
  memset(counts, 0, 4 * 256 * sizeof *counts);
  uint8_t *a = *keys;
  for (int64_t i0 = 0; i0 < n; i0 += CHUNK) {
    int status = pvt_poll();
    if (status != PVT_OK) return status;
    int64_t end = n - i0 < CHUNK ? n : i0 + CHUNK, i = i0;
    for (; i + 4 <= end; i += 4) { /* apart, so that equal neighbours do not wait */
      counts[a[i]]++, counts[256 + a[i + 1]]++;
      counts[512 + a[i + 2]]++, counts[768 + a[i + 3]]++;
    }
    for (; i < end; i++) counts[a[i]]++;
  }
  for (int x = 0; x < 256; x++) {
    uint64_t many = counts[x] + counts[256 + x] + counts[512 + x] + counts[768 + x];
    pvt_pieces t = {.n = (int64_t)many, .size = 16 * CHUNK};
    while (pvt_piece(&t)) memset(a + t.first, x, (size_t)(t.end - t.first));
    if (t.status != PVT_OK) return t.status;
    a += many;
  }
  return PVT_OK;
}

int pvt_sort_u16(int64_t n, uint16_t **keys, uint16_t **spare, uint64_t *counts, int low,
                 int high) {
  (void)low, (void)high;
  if (n < MANY) return radix_sort_u16(n, keys, spare, counts, 0, 16);
  memset(counts, 0, 65536 * sizeof *counts);
  uint16_t *a = *keys;
  for (int64_t i0 = 0; i0 < n; i0 += CHUNK) {
    int status = pvt_poll();
    if (status != PVT_OK) return status;
    int64_t end = n - i0 < CHUNK ? n : i0 + CHUNK;
    for (int64_t i = i0; i < end; i++) counts[a[i]]++;
  }
  for (uint32_t x = 0; x < 65536; x++) {
    pvt_pieces t = {.n = (int64_t)counts[x]};
    while (pvt_piece(&t))
      for (int64_t i = t.first; i < t.end; i++) a[i] = (uint16_t)x;
    int status = t.status == PVT_OK && x % 8192 == 0 ? pvt_poll() : t.status;
    if (status != PVT_OK) return status;
    a += counts[x];
  }
  return PVT_OK;
}

/* ---- Selection ---------------------------------------------------------- */

/* Quickselect: what equals the pivot is done with. The pivot is a pseudomedian of nine random
** elements, so no order of the input is slow. */
#define SELECT(K)                                                                                  \
  static K median_##K(K a, K b, K c) {                                                             \
    K low = a < b ? a : b, high = a < b ? b : a;                                                   \
    return c < low ? low : c > high ? high : c;                                                    \
  }                                                                                                \
                                                                                                   \
  static int quickselect_##K(int64_t n, K *keys, int64_t at) {                                     \
    int64_t first = 0, end = n;                                                                    \
    uint64_t random = 0x9e3779b97f4a7c15;                                                          \
    while (end - first > FEW) {                                                                    \
      int64_t count = end - first, place[9];                                                       \
      for (int i = 0; i < 9; i++) {                                                                \
        random = random * 6364136223846793005 + 1442695040888963407;                               \
        place[i] = first + (int64_t)((random >> 33) % (uint64_t)count);                            \
      }                                                                                            \
      K pivot = median_##K(median_##K(keys[place[0]], keys[place[1]], keys[place[2]]),             \
                           median_##K(keys[place[3]], keys[place[4]], keys[place[5]]),             \
                           median_##K(keys[place[6]], keys[place[7]], keys[place[8]]));            \
      /* less: [first, i); equal or larger: [i, j) */                                              \
      int64_t i = first;                                                                           \
      for (int64_t j0 = first; j0 < end; j0 += CHUNK) {                                            \
        int status = pvt_poll();                                                                   \
        if (status != PVT_OK) return status;                                                       \
        int64_t stop = end - j0 < CHUNK ? end : j0 + CHUNK;                                        \
        for (int64_t j = j0; j < stop; j++) {                                                      \
          K x = keys[j];                                                                           \
          keys[j] = keys[i];                                                                       \
          keys[i] = x;                                                                             \
          i += x < pivot;                                                                          \
        }                                                                                          \
      }                                                                                            \
      if (at < i) {                                                                                \
        end = i;                                                                                   \
        continue;                                                                                  \
      }                                                                                            \
      int64_t larger = i;                                                                          \
      pvt_pieces t = {.n = end - larger};                                                          \
      while (pvt_piece(&t))                                                                        \
        for (int64_t j = larger + t.first; j < larger + t.end; j++) {                              \
          K x = keys[j];                                                                           \
          keys[j] = keys[i];                                                                       \
          keys[i] = x;                                                                             \
          i += x == pivot;                                                                         \
        }                                                                                          \
      if (t.status != PVT_OK) return t.status;                                                     \
      if (at < i) return PVT_OK;                                                                   \
      first = i;                                                                                   \
    }                                                                                              \
    for (int64_t i = first + 1; i < end; i++) {                                                    \
      K x = keys[i];                                                                               \
      int64_t j = i;                                                                               \
      for (; j > first && keys[j - 1] > x; j--) keys[j] = keys[j - 1];                             \
      keys[j] = x;                                                                                 \
    }                                                                                              \
    return PVT_OK;                                                                                 \
  }

SELECT(u32)
SELECT(u64)

int pvt_select_u32(int64_t n, u32 *keys, u32 *spare, int64_t at) {
  const pvt_sorting *vectors = pvt_kernels_get()->sorting;
  return vectors->select_u32 != NULL ? vectors->select_u32(n, keys, spare, at)
                                     : quickselect_u32(n, keys, at);
}

int pvt_select_u64(int64_t n, u64 *keys, u64 *spare, int64_t at) {
  const pvt_sorting *vectors = pvt_kernels_get()->sorting;
  return vectors->select_u64 != NULL ? vectors->select_u64(n, keys, spare, at)
                                     : quickselect_u64(n, keys, at);
}

/* checksum.c - see checksum.h. */
#include "checksum.h"

#include <pthread.h>
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#define POLYNOMIAL 0xedb88320u /* bits reversed */

static uint32_t table[8][256]; /* [n][b]: the sum of byte b and n zeros after it */
static int has_carryless;      /* the processor multiplies without carries */

static void fill(void) {
  for (uint32_t b = 0; b < 256; b++) {
    uint32_t sum = b;
    for (int bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ (sum & 1 ? POLYNOMIAL : 0);
    table[0][b] = sum;
  }
  for (int n = 1; n < 8; n++)
    for (uint32_t b = 0; b < 256; b++) {
      uint32_t before = table[n - 1][b];
      table[n][b] = (before >> 8) ^ table[0][before & 255];
    }
#ifdef __x86_64__
  has_carryless = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
#endif
}

void store_checksum_init(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, fill);
}

static uint32_t by_table(uint32_t sum, const unsigned char *data, size_t len) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  for (; len >= 8; data += 8, len -= 8) {
    uint64_t word;
    memcpy(&word, data, 8);
    word ^= sum;
    sum = 0;
    for (int n = 0; n < 8; n++) sum ^= table[7 - n][word >> (8 * n) & 255];
  }
#endif
  for (; len > 0; data++, len--) sum = (sum >> 8) ^ table[0][(sum ^ *data) & 255];
  return sum;
}

#ifdef __x86_64__
/* Fold 128 bits over the next ones; k: x to the powers of the distance, modulo the polynomial. */
#define FOLD(x, k, next)                                                                           \
  _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, k, 0x00), _mm_clmulepi64_si128(x, k, 0x11)), \
                next)
#define NEXT(n) _mm_loadu_si128((const __m128i *)(data + 16 * (n)))

/* After Gopal and others, "Fast CRC computation for generic polynomials using PCLMULQDQ", Intel,
** 2009, with its constants for this polynomial. len: at least 16, a multiple of 16. */
__attribute__((target("pclmul,sse4.1"))) static uint32_t
by_folding(uint32_t sum, const unsigned char *data, size_t len) {
  const __m128i by_64 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
  const __m128i by_16 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
  const __m128i by_4 = _mm_set_epi64x(0, 0x0163cd6124);
  const __m128i reduce = _mm_set_epi64x(0x01f7011641, 0x01db710641);
  const __m128i low = _mm_setr_epi32(-1, 0, -1, 0);
  __m128i x = _mm_xor_si128(NEXT(0), _mm_cvtsi32_si128((int)sum));
  if (len >= 64) {
    __m128i y = NEXT(1), z = NEXT(2), w = NEXT(3);
    for (data += 64, len -= 64; len >= 64; data += 64, len -= 64) {
      x = FOLD(x, by_64, NEXT(0));
      y = FOLD(y, by_64, NEXT(1));
      z = FOLD(z, by_64, NEXT(2));
      w = FOLD(w, by_64, NEXT(3));
    }
    x = FOLD(x, by_16, y);
    x = FOLD(x, by_16, z);
    x = FOLD(x, by_16, w);
  } else {
    data += 16;
    len -= 16;
  }
  for (; len >= 16; data += 16, len -= 16) x = FOLD(x, by_16, NEXT(0));
  x = _mm_xor_si128(_mm_srli_si128(x, 8), _mm_clmulepi64_si128(x, by_16, 0x10));
  x = _mm_xor_si128(_mm_srli_si128(x, 4), _mm_clmulepi64_si128(_mm_and_si128(x, low), by_4, 0x00));
  __m128i q = _mm_clmulepi64_si128(_mm_and_si128(x, low), reduce, 0x10);
  q = _mm_clmulepi64_si128(_mm_and_si128(q, low), reduce, 0x00);
  return (uint32_t)_mm_extract_epi32(_mm_xor_si128(x, q), 1);
}
#endif

uint32_t store_checksum(uint32_t sum, const void *data, size_t len) {
  const unsigned char *at = data;
  sum = ~sum;
#ifdef __x86_64__
  size_t whole = len & ~(size_t)15;
  if (has_carryless && whole != 0) {
    sum = by_folding(sum, at, whole);
    at += whole;
    len -= whole;
  }
#endif
  return ~by_table(sum, at, len);
}

/* sealing.h - for test programs: XChaCha20-Poly1305 by RFC 8439 and draft-irtf-cfrg-xchacha, plainly.
**
** Hosts take libsodium's, which a program without Python does not have. Both write the same bytes.
*/
#ifndef PVM_TEST_SEALING_H
#define PVM_TEST_SEALING_H

#include <string.h>

#include "check.h"
#include "store.h"

static inline uint32_t word_at(const unsigned char *at) {
  uint32_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

static inline uint32_t turned(uint32_t word, int bits) {
  return word << bits | word >> (32 - bits);
}

#define QUARTER(a, b, c, d)                                                                        \
  (x[a] += x[b], x[d] = turned(x[d] ^ x[a], 16), x[c] += x[d], x[b] = turned(x[b] ^ x[c], 12),     \
   x[a] += x[b], x[d] = turned(x[d] ^ x[a], 8), x[c] += x[d], x[b] = turned(x[b] ^ x[c], 7))

static inline void chacha_rounds(uint32_t x[16]) {
  for (int i = 0; i < 10; i++) {
    QUARTER(0, 4, 8, 12), QUARTER(1, 5, 9, 13), QUARTER(2, 6, 10, 14), QUARTER(3, 7, 11, 15);
    QUARTER(0, 5, 10, 15), QUARTER(1, 6, 11, 12), QUARTER(2, 7, 8, 13), QUARTER(3, 4, 9, 14);
  }
}

static inline void chacha_begin(uint32_t x[16], const unsigned char *key) {
  static const char constant[] = "expand 32-byte k";
  memcpy(x, constant, 16);
  memcpy(x + 4, key, 32);
}

/* xor the key stream from a block on. */
static inline void chacha(unsigned char *to, const unsigned char *from, size_t len, uint32_t block,
                          const unsigned char nonce[8], const unsigned char *key) {
  for (size_t at = 0; at < len; at += 64, block++) {
    uint32_t x[16], start[16];
    chacha_begin(start, key);
    start[12] = block, start[13] = 0;
    memcpy(start + 14, nonce, 8);
    memcpy(x, start, sizeof x);
    chacha_rounds(x);
    unsigned char stream[64];
    for (int i = 0; i < 16; i++) x[i] += start[i];
    memcpy(stream, x, sizeof stream);
    for (size_t i = 0; i < 64 && at + i < len; i++) to[at + i] = from[at + i] ^ stream[i];
  }
}

typedef struct poly {
  uint32_t r[5], h[5];
} poly;

/* Data is filled up with zeros to 16 bytes. */
static inline void poly_add(poly *p, const unsigned char *data, size_t len) {
  for (size_t at = 0; at < len; at += 16) {
    unsigned char b[17] = {0};
    memcpy(b, data + at, len - at < 16 ? len - at : 16);
    b[16] = 1;
    p->h[0] += word_at(b) & 0x3ffffff;
    p->h[1] += word_at(b + 3) >> 2 & 0x3ffffff;
    p->h[2] += word_at(b + 6) >> 4 & 0x3ffffff;
    p->h[3] += word_at(b + 9) >> 6 & 0x3ffffff;
    p->h[4] += word_at(b + 12) >> 8 | 1u << 24;
    uint64_t d[5] = {0};
    for (int i = 0; i < 5; i++)
      for (int j = 0; j < 5; j++)
        d[(i + j) % 5] += (uint64_t)p->h[i] * p->r[j] * (i + j >= 5 ? 5 : 1);
    uint64_t carry = 0;
    for (int i = 0; i < 5; i++) {
      d[i] += carry;
      p->h[i] = (uint32_t)(d[i] & 0x3ffffff);
      carry = d[i] >> 26;
    }
    p->h[0] += (uint32_t)carry * 5;
    p->h[1] += p->h[0] >> 26;
    p->h[0] &= 0x3ffffff;
  }
}

static inline void poly_end(poly *p, const unsigned char *pad, unsigned char tag[16]) {
  for (int turn = 0; turn < 2; turn++) {
    uint32_t carry = 0;
    for (int i = 0; i < 5; i++) {
      p->h[i] += carry;
      carry = p->h[i] >> 26;
      p->h[i] &= 0x3ffffff;
    }
    p->h[0] += carry * 5;
  }
  unsigned __int128 h = 0, less;
  uint32_t top;
  for (int i = 0; i < 5; i++) h += (unsigned __int128)p->h[i] << (26 * i);
  top = p->h[4] >> 24; /* bits 128 and 129 */
  less = h + 5;        /* h - (2^130 - 5) is less, if that does not borrow */
  if (top + (less < h) >= 4) h = less;
  unsigned __int128 s;
  memcpy(&s, pad, 16);
  h += s;
  memcpy(tag, &h, 16);
}

typedef struct xchacha {
  unsigned char key[32], nonce[8], once[64];
} xchacha;

static inline xchacha xchacha_begin(const unsigned char *nonce, const unsigned char *key) {
  xchacha made = {{0}, {0}, {0}};
  uint32_t x[16];
  chacha_begin(x, key);
  memcpy(x + 12, nonce, 16);
  chacha_rounds(x);
  memcpy(made.key, x, 16);
  memcpy(made.key + 16, x + 12, 16);
  memcpy(made.nonce, nonce + 16, 8);
  chacha(made.once, made.once, 64, 0, made.nonce, made.key);
  return made;
}

static inline void xchacha_tag(const xchacha *x, const unsigned char *bound, uint64_t bound_len,
                               const unsigned char *sealed, uint64_t len, unsigned char tag[16]) {
  poly p = {{0}, {0}};
  uint64_t lengths[2] = {bound_len, len};
  p.r[0] = word_at(x->once) & 0x3ffffff;
  p.r[1] = word_at(x->once + 3) >> 2 & 0x3ffff03;
  p.r[2] = word_at(x->once + 6) >> 4 & 0x3ffc0ff;
  p.r[3] = word_at(x->once + 9) >> 6 & 0x3f03fff;
  p.r[4] = word_at(x->once + 12) >> 8 & 0x00fffff;
  poly_add(&p, bound, bound_len);
  poly_add(&p, sealed, len);
  poly_add(&p, (const unsigned char *)lengths, 16);
  poly_end(&p, x->once + 16, tag);
}

static inline int xchacha_seal(unsigned char *sealed, unsigned long long *sealed_len,
                               const unsigned char *plain, unsigned long long len,
                               const unsigned char *bound, unsigned long long bound_len,
                               const unsigned char *unused, const unsigned char *nonce,
                               const unsigned char *key) {
  (void)unused;
  xchacha x = xchacha_begin(nonce, key);
  chacha(sealed, plain, len, 1, x.nonce, x.key);
  xchacha_tag(&x, bound, bound_len, sealed, len, sealed + len);
  *sealed_len = len + 16;
  return 0;
}

static inline int xchacha_unseal(unsigned char *plain, unsigned long long *len,
                                 unsigned char *unused, const unsigned char *sealed,
                                 unsigned long long sealed_len, const unsigned char *bound,
                                 unsigned long long bound_len, const unsigned char *nonce,
                                 const unsigned char *key) {
  (void)unused;
  unsigned char tag[16];
  xchacha x = xchacha_begin(nonce, key);
  *len = sealed_len - 16;
  xchacha_tag(&x, bound, bound_len, sealed, *len, tag);
  if (memcmp(tag, sealed + *len, 16) != 0) return -1;
  chacha(plain, sealed, *len, 1, x.nonce, x.key);
  return 0;
}

/* A key and its id made of one byte. */
static inline store_sealing sealing_of(unsigned char byte) {
  store_sealing sealing = {.xchacha_seal = xchacha_seal, .xchacha_unseal = xchacha_unseal};
  memset(sealing.key, byte, sizeof sealing.key);
  memset(sealing.key_id, byte + 1, sizeof sealing.key_id);
  return sealing;
}

/* The example of draft-irtf-cfrg-xchacha-03, A.3.1. */
static inline void check_sealing(void) {
  static const char text[] = "Ladies and Gentlemen of the class of '99: If I could offer you only "
                             "one tip for the future, sunscreen would be it.";
  static const unsigned char bound[] = {0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1,
                                        0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7};
  static const unsigned char tag[] = {0xc0, 0x87, 0x59, 0x24, 0xc1, 0xc7, 0x98, 0x79,
                                      0x47, 0xde, 0xaf, 0xd8, 0x78, 0x0a, 0xcf, 0x49};
  unsigned char key[32], nonce[24], sealed[200], plain[200];
  unsigned long long len;
  for (int i = 0; i < 32; i++) key[i] = (unsigned char)(0x80 + i);
  for (int i = 0; i < 24; i++) nonce[i] = (unsigned char)(0x40 + i);
  xchacha_seal(sealed, &len, (const unsigned char *)text, sizeof text - 1, bound, sizeof bound,
               NULL, nonce, key);
  CHECK(len == sizeof text - 1 + 16 && sealed[0] == 0xbd && sealed[1] == 0x6d);
  CHECK(memcmp(sealed + len - 16, tag, 16) == 0);
  CHECK(xchacha_unseal(plain, &len, NULL, sealed, sizeof text - 1 + 16, bound, sizeof bound, nonce,
                       key) == 0);
  CHECK(len == sizeof text - 1 && memcmp(plain, text, len) == 0);
}

#endif

/* hash.c - SipHash of a model's bytes. */
#include <string.h>

#include "model.h"

#define TURN(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))
#define ROUND(a, b, c, d)                                                                          \
  do {                                                                                             \
    a += b, c += d;                                                                                \
    b = TURN(b, 13) ^ a, d = TURN(d, 16) ^ c;                                                      \
    a = TURN(a, 32);                                                                               \
    c += b, a += d;                                                                                \
    b = TURN(b, 17) ^ c, d = TURN(d, 21) ^ a;                                                      \
    c = TURN(c, 32);                                                                               \
  } while (0)

pvg_hash pvg_hash_of(const uint64_t key[2], const void *data, size_t size) {
  uint64_t a = key[0] ^ 0x736f6d6570736575u, b = key[1] ^ 0x646f72616e646f6du ^ 0xee;
  uint64_t c = key[0] ^ 0x6c7967656e657261u, d = key[1] ^ 0x7465646279746573u;
  const char *at = data;
  uint64_t word;
  for (size_t left = size / 8; left > 0; left--, at += 8) {
    memcpy(&word, at, 8);
    d ^= word;
    ROUND(a, b, c, d);
    a ^= word;
  }
  word = 0;
  if (size % 8 > 0) memcpy(&word, at, size % 8);
  word |= (uint64_t)size << 56;
  d ^= word;
  ROUND(a, b, c, d);
  a ^= word;
  c ^= 0xee;
  pvg_hash hash;
  for (int i = 0; i < 2; i++) {
    for (int round = 0; round < 3; round++) ROUND(a, b, c, d);
    hash.word[i] = a ^ b ^ c ^ d;
    b ^= 0xdd;
  }
  return hash;
}

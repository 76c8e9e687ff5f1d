/* twister.c - Matsumoto and Nishimura's MT19937, and how it is seeded. */
#include <string.h>

#include "bits.h"

#define WORDS PVT_TWISTER_WORDS
#define MIDDLE 397

static uint32_t word_at(const uint64_t *state, int i) {
  return (uint32_t)(state[i / 2] >> 32 * (i % 2));
}

static void load(const pvt_bits *bits, uint32_t words[WORDS]) {
  for (int i = 0; i < WORDS; i++) words[i] = word_at(bits->state, i);
}

static void store(pvt_bits *bits, const uint32_t words[WORDS], uint64_t place) {
  for (int i = 0; i < WORDS / 2; i++)
    bits->state[i] = (uint64_t)words[2 * i + 1] << 32 | words[2 * i];
  bits->state[WORDS / 2] = place;
}

/* The next 624 words. */
static void turn(pvt_bits *bits) {
  uint32_t words[WORDS];
  load(bits, words);
  for (int i = 0; i < WORDS; i++) {
    uint32_t y = (words[i] & 0x80000000u) | (words[(i + 1) % WORDS] & 0x7fffffffu);
    words[i] = words[(i + MIDDLE) % WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
  }
  store(bits, words, 0);
}

uint32_t pvt_twister_next(pvt_bits *bits) {
  uint64_t *place = &bits->state[WORDS / 2];
  if (*place >= WORDS) turn(bits);
  uint32_t y = word_at(bits->state, (int)(*place)++);
  y ^= y >> 11;
  y ^= y << 7 & 0x9d2c5680u;
  y ^= y << 15 & 0xefc60000u;
  return y ^ y >> 18;
}

/* From entropy: its first bit is set, so that not all are 0. */
void pvt_twister_from_pool(pvt_bits *bits, const uint32_t pool[PVT_SEED_POOL]) {
  uint32_t words[WORDS];
  pvt_seed_draw(pool, WORDS, words);
  words[0] = 0x80000000u;
  store(bits, words, WORDS - 1);
}

static void from_number(uint32_t words[WORDS], uint32_t seed) {
  for (uint32_t i = 0; i < WORDS; i++) {
    words[i] = seed;
    seed = 1812433253u * (seed ^ seed >> 30) + i + 1;
  }
}

void pvt_bits_seed_twister(pvt_bits *bits, const uint32_t *seed, size_t count) {
  uint32_t words[WORDS];
  memset(bits, 0, sizeof *bits);
  bits->kind = PVT_MT19937;
  if (count == 1) {
    from_number(words, seed[0]);
    store(bits, words, WORDS);
    return;
  }
  from_number(words, 19650218u);
  size_t i = 1, j = 0;
  for (size_t k = count > WORDS ? count : WORDS; k > 0; k--) {
    words[i] = (words[i] ^ (words[i - 1] ^ words[i - 1] >> 30) * 1664525u) + seed[j] + (uint32_t)j;
    if (++i == WORDS) {
      words[0] = words[WORDS - 1];
      i = 1;
    }
    j = (j + 1) % count;
  }
  for (size_t k = WORDS - 1; k > 0; k--) {
    words[i] = (words[i] ^ (words[i - 1] ^ words[i - 1] >> 30) * 1566083941u) - (uint32_t)i;
    if (++i == WORDS) {
      words[0] = words[WORDS - 1];
      i = 1;
    }
  }
  words[0] = 0x80000000u;
  store(bits, words, WORDS);
}

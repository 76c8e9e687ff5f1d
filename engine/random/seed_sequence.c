/* seed_sequence.c - words of entropy into a pool, and from there into states.
**
** O'Neill's seed_seq_fe of four words, with the constants that NumPy's SeedSequence has: every word
** of entropy changes every word of the pool.
*/
#include "random.h"

#define POOL PVT_SEED_POOL

static uint32_t hashed(uint32_t value, uint32_t *constant) {
  value ^= *constant;
  *constant *= 0x931e8875u;
  value *= *constant;
  return value ^ value >> 16;
}

static uint32_t mixed(uint32_t x, uint32_t y) {
  uint32_t result = 0xca01f9ddu * x - 0x4973f715u * y;
  return result ^ result >> 16;
}

void pvt_seed_mix(const uint32_t *words, size_t count, uint32_t pool[POOL]) {
  uint32_t constant = 0x43b0d7e5u;
  for (size_t i = 0; i < POOL; i++) pool[i] = hashed(i < count ? words[i] : 0, &constant);
  for (int from = 0; from < POOL; from++)
    for (int to = 0; to < POOL; to++)
      if (from != to) pool[to] = mixed(pool[to], hashed(pool[from], &constant));
  for (size_t from = POOL; from < count; from++)
    for (int to = 0; to < POOL; to++) pool[to] = mixed(pool[to], hashed(words[from], &constant));
}

void pvt_seed_draw(const uint32_t pool[POOL], size_t count, uint32_t *words) {
  uint32_t constant = 0x8b51f9ddu;
  for (size_t i = 0; i < count; i++) {
    uint32_t value = pool[i % POOL] ^ constant;
    constant *= 0x58f38dedu;
    value *= constant;
    words[i] = value ^ value >> 16;
  }
}

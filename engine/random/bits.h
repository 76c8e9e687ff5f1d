/* bits.h - drawing words and uniform numbers, inline for the generator that most use. */
#ifndef PVT_BITS_H
#define PVT_BITS_H

#include "random.h"

uint64_t pvt_bits_other(pvt_bits *bits);
uint32_t pvt_twister_next(pvt_bits *bits);
void pvt_twister_from_pool(pvt_bits *bits, const uint32_t pool[PVT_SEED_POOL]);

/* PCG XSL RR 128/64. */
static inline uint64_t next64(pvt_bits *bits) {
  if (__builtin_expect(bits->kind != PVT_PCG64, 0)) return pvt_bits_other(bits);
  uint64_t *s = bits->state;
  const unsigned __int128 multiplier =
      (unsigned __int128)2549297995355413924u << 64 | 4865540595714422341u;
  unsigned __int128 state = (unsigned __int128)s[1] << 64 | s[0];
  state = state * multiplier + ((unsigned __int128)s[3] << 64 | s[2]);
  s[0] = (uint64_t)state;
  s[1] = (uint64_t)(state >> 64);
  unsigned turn = (unsigned)(s[1] >> 58);
  uint64_t folded = s[0] ^ s[1];
  return folded >> turn | folded << (-turn & 63);
}

static inline uint32_t next32(pvt_bits *bits) {
  if (bits->has_half) {
    bits->has_half = false;
    return bits->half;
  }
  if (__builtin_expect(bits->kind == PVT_MT19937, 0)) return pvt_twister_next(bits);
  uint64_t word = next64(bits);
  bits->has_half = true;
  bits->half = (uint32_t)(word >> 32);
  return (uint32_t)word;
}

static inline double next_double(pvt_bits *bits) {
  if (__builtin_expect(bits->kind == PVT_MT19937, 0)) {
    uint32_t high = pvt_twister_next(bits) >> 5, low = pvt_twister_next(bits) >> 6;
    return (high * 0x1p26 + low) * 0x1p-53;
  }
  return (double)(next64(bits) >> 11) * 0x1p-53;
}

static inline float next_float(pvt_bits *bits) {
  return (float)(next32(bits) >> 8) * 0x1p-24f;
}

#endif

/* bits.c - bit generators: PCG64, PCG64DXSM, SFC64 and Philox, and how they are seeded. */
#include "bits.h"

#include <string.h>

typedef unsigned __int128 u128;

#define CHEAP_MULTIPLIER 0xda942042e4dd58b5u

static u128 wide(const uint64_t *words) {
  return (u128)words[1] << 64 | words[0];
}

static void put_wide(uint64_t *words, u128 value) {
  words[0] = (uint64_t)value;
  words[1] = (uint64_t)(value >> 64);
}

#define MULTIPLIER ((u128)2549297995355413924u << 64 | 4865540595714422341u)

static uint64_t rotate(uint64_t x, unsigned by) {
  return x << by | x >> (64 - by);
}

/* Ten rounds of Philox 4x64. */
static void philox_block(const uint64_t counter[4], const uint64_t key[2], uint64_t out[4]) {
  uint64_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    u128 first = (u128)0xD2E7470EE14C6C93u * c[0], second = (u128)0xCA5A826395121157u * c[2];
    uint64_t mixed[4] = {(uint64_t)(second >> 64) ^ c[1] ^ k0, (uint64_t)second,
                         (uint64_t)(first >> 64) ^ c[3] ^ k1, (uint64_t)first};
    memcpy(c, mixed, sizeof c);
    k0 += 0x9E3779B97F4A7C15u;
    k1 += 0xBB67AE8584CAA73Bu;
  }
  memcpy(out, c, sizeof c);
}

static uint64_t philox_next(uint64_t *s) {
  uint64_t *buffer = s + 6, *place = s + 10;
  if (*place < 4) return buffer[(*place)++];
  for (int i = 0; i < 4 && ++s[i] == 0; i++) continue;
  philox_block(s, s + 4, buffer);
  *place = 1;
  return buffer[0];
}

uint64_t pvt_bits_other(pvt_bits *bits) {
  uint64_t *s = bits->state;
  if (bits->kind == PVT_PHILOX) return philox_next(s);
  if (bits->kind == PVT_MT19937) {
    uint64_t upper = pvt_twister_next(bits);
    return upper << 32 | pvt_twister_next(bits);
  }
  if (bits->kind == PVT_SFC64) {
    uint64_t result = s[0] + s[1] + s[3]++;
    s[0] = s[1] ^ s[1] >> 11;
    s[1] = s[2] + (s[2] << 3);
    s[2] = rotate(s[2], 24) + result;
    return result;
  }
  uint64_t low = s[0] | 1, high = s[1];
  high = (high ^ high >> 32) * CHEAP_MULTIPLIER;
  high = (high ^ high >> 48) * low;
  put_wide(s, wide(s) * CHEAP_MULTIPLIER + wide(s + 2));
  return high;
}

const char *pvt_bits_name(int kind) {
  static const char *const names[] = {"PCG64", "PCG64DXSM", "SFC64", "Philox", "MT19937"};
  return kind >= 0 && kind < PVT_BITS_KINDS ? names[kind] : NULL;
}

int pvt_bits_words(pvt_bits_kind kind) {
  return kind == PVT_MT19937 ? PVT_BITS_STATE : 11;
}

void pvt_bits_seed(pvt_bits *bits, pvt_bits_kind kind, const uint32_t pool[PVT_SEED_POOL]) {
  uint32_t words[8];
  uint64_t seed[4], *s = bits->state;
  pvt_seed_draw(pool, 8, words);
  for (int i = 0; i < 4; i++) seed[i] = (uint64_t)words[2 * i + 1] << 32 | words[2 * i];
  memset(bits, 0, sizeof *bits);
  bits->kind = (uint8_t)kind;
  switch (kind) {
  case PVT_SFC64:
    memcpy(s, seed, 3 * sizeof *s);
    s[3] = 1;
    for (int i = 0; i < 12; i++) pvt_bits_other(bits);
    break;
  case PVT_MT19937: pvt_twister_from_pool(bits, pool); break;
  case PVT_PHILOX:
    memcpy(s + 4, seed, 2 * sizeof *s);
    s[10] = 4;
    break;
  default: {
    u128 increment = ((u128)seed[2] << 64 | seed[3]) << 1 | 1;
    u128 first = increment + ((u128)seed[0] << 64 | seed[1]);
    put_wide(s + 2, increment);
    put_wide(s, first * MULTIPLIER + increment); /* DXSM's too */
  }
  }
}

uint64_t pvt_bits_next64(pvt_bits *bits) {
  return next64(bits);
}

uint32_t pvt_bits_next32(pvt_bits *bits) {
  return next32(bits);
}

double pvt_bits_double(pvt_bits *bits) {
  return next_double(bits);
}

int pvt_bits_advance(pvt_bits *bits, uint64_t low, uint64_t high) {
  uint64_t *s = bits->state;
  if (bits->kind == PVT_SFC64 || bits->kind == PVT_MT19937)
    return pvt_fail(PVT_E_VALUE, "%s cannot be advanced: its steps have no short cut",
                    pvt_bits_name(bits->kind));
  bits->has_half = false;
  bits->half = 0;
  if (bits->kind == PVT_PHILOX) {
    u128 from = wide(s), to = from + ((u128)high << 64 | low);
    put_wide(s, to);
    if (to < from && ++s[2] == 0) s[3]++;
    s[10] = 4;
    return PVT_OK;
  }
  /* s -> s * m + c, `delta` times, by squaring the step */
  u128 delta = (u128)high << 64 | low, c = wide(s + 2);
  u128 m = bits->kind == PVT_PCG64DXSM ? (u128)CHEAP_MULTIPLIER : MULTIPLIER;
  u128 all_m = 1, all_c = 0;
  for (; delta != 0; delta >>= 1) {
    if (delta & 1) {
      all_m *= m;
      all_c = all_c * m + c;
    }
    c *= m + 1;
    m *= m;
  }
  put_wide(s, wide(s) * all_m + all_c);
  return PVT_OK;
}

/* packed.c - see packed.h. The format: https://github.com/msgpack/msgpack/blob/master/spec.md */
#include "packed.h"

static uint64_t number(const unsigned char *at, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
  return value;
}

/* What stands between a value's first byte and its end: a length of so many bytes, so many bytes
** besides, and for containers how many values each element takes. */
typedef struct shape {
  unsigned char length; /* bytes of the length; 0: none */
  unsigned char fixed;
  unsigned char values;
} shape;

/* Of 0xc0 to 0xdf. */
static const shape shapes[32] = {
    [0x04] = {1, 0, 0}, [0x05] = {2, 0, 0},  [0x06] = {4, 0, 0}, /* bin */
    [0x07] = {1, 1, 0}, [0x08] = {2, 1, 0},  [0x09] = {4, 1, 0}, /* ext */
    [0x0a] = {0, 4, 0}, [0x0b] = {0, 8, 0},                      /* float */
    [0x0c] = {0, 1, 0}, [0x0d] = {0, 2, 0},  [0x0e] = {0, 4, 0}, /* uint */
    [0x0f] = {0, 8, 0}, [0x10] = {0, 1, 0},  [0x11] = {0, 2, 0}, /* int */
    [0x12] = {0, 4, 0}, [0x13] = {0, 8, 0},                      /* int */
    [0x14] = {0, 2, 0}, [0x15] = {0, 3, 0},  [0x16] = {0, 5, 0}, /* fixext */
    [0x17] = {0, 9, 0}, [0x18] = {0, 17, 0},                     /* fixext */
    [0x19] = {1, 0, 0}, [0x1a] = {2, 0, 0},  [0x1b] = {4, 0, 0}, /* str */
    [0x1c] = {2, 0, 1}, [0x1d] = {4, 0, 1},                      /* array */
    [0x1e] = {2, 0, 2}, [0x1f] = {4, 0, 2},                      /* map */
};

const unsigned char *pvm_packed_skip(const unsigned char *at, const unsigned char *end) {
  for (uint64_t values = 1; values > 0; values--) {
    uint64_t left = (uint64_t)(end - at);
    if (left < values) return NULL; /* each takes a byte at least: no sum overflows */
    unsigned char tag = *at++;
    uint64_t bytes = 0;
    left--;
    if (tag < 0x80 || tag >= 0xe0) continue; /* small integers */
    if (tag < 0x90) {
      values += 2u * (tag & 0x0f);
    } else if (tag < 0xa0) {
      values += tag & 0x0f;
    } else if (tag < 0xc0) {
      bytes = tag & 0x1f;
    } else {
      if (tag == 0xc1) return NULL;
      const shape *is = &shapes[tag - 0xc0];
      if (left < is->length) return NULL;
      uint64_t length = number(at, is->length);
      at += is->length;
      left -= is->length;
      values += length * is->values;
      bytes = is->fixed + (is->values == 0 ? length : 0);
    }
    if (left < bytes) return NULL;
    at += bytes;
  }
  return at;
}

const unsigned char *pvm_packed_array(const unsigned char *at, const unsigned char *end,
                                      uint32_t *count) {
  if (at == end) return NULL;
  unsigned char tag = *at++;
  int length = tag == 0xdc ? 2 : tag == 0xdd ? 4 : 0;
  if (length == 0 && (tag & 0xf0) != 0x90) return NULL;
  if (end - at < length) return NULL;
  *count = length == 0 ? tag & 0x0f : (uint32_t)number(at, length);
  return at + length;
}

void pvm_packed_head(unsigned char *to, uint32_t count) {
  to[0] = 0xdd;
  for (int i = 0; i < 4; i++) to[1 + i] = (unsigned char)(count >> (24 - 8 * i));
}

/* pack.c - values as MessagePack, and their hash: see row.h. */
#include "row.h"

#include "../stream/pack.h"
#include "../stream/symbol.h"

#include <math.h>
#include <string.h>

size_t flow_value_bytes(const stream_value *value) {
  return STREAM_HEAD_MAX + value->text.len;
}

unsigned char *flow_value_write(unsigned char *at, const stream_value *value) {
  switch (value->kind) {
  case STREAM_BOOL: return stream_put(at, 0xc2 + (value->integer != 0), 0, 0);
  case STREAM_INTEGER: return stream_put_integer(at, value->integer, value->negative);
  case STREAM_FLOAT: {
    uint64_t bits;
    memcpy(&bits, &value->number, sizeof bits);
    return stream_put(at, 0xcb, bits, 8);
  }
  case STREAM_STRING: return stream_put_string(at, value->text);
  case STREAM_BINARY:
    return stream_put_raw(stream_put_length(at, 0xc4, value->text.len), value->text);
  case STREAM_EXTENSION: /* its text begins with its type, which the length does not count */
    return stream_put_raw(stream_put_length(at, 0xc7, value->text.len - 1), value->text);
  case STREAM_ARRAY:
  case STREAM_MAP: return stream_put_raw(at, value->text);
  default: return stream_put(at, 0xc0, 0, 0);
  }
}

/* ---- Hashes ------------------------------------------------------------- */

/* Every bit of the result depends on every bit of the number. */
static uint64_t spread(uint64_t number) {
  number ^= number >> 33;
  number *= 0xff51afd7ed558ccdu;
  number ^= number >> 33;
  number *= 0xc4ceb9fe1a85ec53u;
  return number ^ number >> 33;
}

static uint64_t hash_number(double number, uint64_t seed) {
  if (number >= -0x1p63 && number < 0x1p64 && number == trunc(number)) {
    uint64_t whole = number < 0 ? (uint64_t)(int64_t)number : (uint64_t)number;
    return spread(whole ^ spread(seed + (number < 0)));
  }
  uint64_t bits;
  if (number != number) number = NAN; /* there are many */
  memcpy(&bits, &number, sizeof bits);
  return spread(bits ^ spread(seed + STREAM_EXTENSION + STREAM_FLOAT));
}

uint64_t flow_value_hash(const stream_value *value, uint64_t seed) {
  switch (value->kind) {
  case STREAM_INTEGER: return spread(value->integer ^ spread(seed + (value->negative != 0)));
  case STREAM_FLOAT: return hash_number(value->number, seed);
  case STREAM_NIL:
  case STREAM_BOOL: return spread(spread(seed + STREAM_EXTENSION + value->kind) + value->integer);
  default: return spread(stream_hash(value->text, seed + STREAM_EXTENSION + value->kind));
  }
}

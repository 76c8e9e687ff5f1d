/* pack.c - values as MessagePack, and their hash: see row.h. */
#include "row.h"

#include "../stream/symbol.h"

#include <math.h>
#include <string.h>

#define HEAD_BYTES 9 /* of the longest head, or number */

size_t flow_value_bytes(const stream_value *value) {
  return HEAD_BYTES + value->text.len;
}

static unsigned char *write_number(unsigned char *at, unsigned head, uint64_t number, int bytes) {
  *at++ = (unsigned char)head;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    *at++ = (unsigned char)(number >> shift);
  return at;
}

static unsigned char *write_integer(unsigned char *at, uint64_t number, int negative) {
  if (negative) {
    int64_t below = (int64_t)number;
    if (below >= -32) return write_number(at, (unsigned)(below & 0xff), 0, 0);
    if (below >= INT8_MIN) return write_number(at, 0xd0, number, 1);
    if (below >= INT16_MIN) return write_number(at, 0xd1, number, 2);
    if (below >= INT32_MIN) return write_number(at, 0xd2, number, 4);
    return write_number(at, 0xd3, number, 8);
  }
  if (number < 0x80) return write_number(at, (unsigned)number, 0, 0);
  if (number <= UINT8_MAX) return write_number(at, 0xcc, number, 1);
  if (number <= UINT16_MAX) return write_number(at, 0xcd, number, 2);
  if (number <= UINT32_MAX) return write_number(at, 0xce, number, 4);
  return write_number(at, 0xcf, number, 8);
}

/* head: of the form with a length of 8 bits; those with 16 and 32 follow it. */
static unsigned char *write_length(unsigned char *at, unsigned head, size_t len) {
  if (len <= UINT8_MAX) return write_number(at, head, len, 1);
  if (len <= UINT16_MAX) return write_number(at, head + 1, len, 2);
  return write_number(at, head + 2, len, 4);
}

static unsigned char *write_text(unsigned char *at, stream_text text) {
  if (text.len != 0) memcpy(at, text.data, text.len);
  return at + text.len;
}

unsigned char *flow_value_write(unsigned char *at, const stream_value *value) {
  switch (value->kind) {
  case STREAM_BOOL: return write_number(at, 0xc2 + (value->integer != 0), 0, 0);
  case STREAM_INTEGER: return write_integer(at, value->integer, value->negative);
  case STREAM_FLOAT: {
    uint64_t bits;
    memcpy(&bits, &value->number, sizeof bits);
    return write_number(at, 0xcb, bits, 8);
  }
  case STREAM_STRING:
    if (value->text.len < 32) *at++ = (unsigned char)(0xa0 | value->text.len);
    else at = write_length(at, 0xd9, value->text.len);
    return write_text(at, value->text);
  case STREAM_BINARY: return write_text(write_length(at, 0xc4, value->text.len), value->text);
  case STREAM_EXTENSION: /* its text begins with its type, which the length does not count */
    return write_text(write_length(at, 0xc7, value->text.len - 1), value->text);
  case STREAM_ARRAY:
  case STREAM_MAP: return write_text(at, value->text);
  default: return write_number(at, 0xc0, 0, 0);
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

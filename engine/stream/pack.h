/* pack.h - MessagePack, written where there is room for it. Each function returns the end of what it
** wrote. */
#ifndef STREAM_PACK_H
#define STREAM_PACK_H

#include <string.h>

#include "../include/stream.h"

#define STREAM_HEAD_MAX 9 /* bytes of the longest head, or number */

/* A head, and a number of so many bytes behind it, the highest first. */
static inline unsigned char *stream_put(unsigned char *at, unsigned head, uint64_t number,
                                        int bytes) {
  *at++ = (unsigned char)head;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    *at++ = (unsigned char)(number >> shift);
  return at;
}

/* number: as two's complement, if it is negative. */
static inline unsigned char *stream_put_integer(unsigned char *at, uint64_t number, int negative) {
  if (negative) {
    int64_t below = (int64_t)number;
    if (below >= -32) return stream_put(at, (unsigned)(below & 0xff), 0, 0);
    if (below >= INT8_MIN) return stream_put(at, 0xd0, number, 1);
    if (below >= INT16_MIN) return stream_put(at, 0xd1, number, 2);
    if (below >= INT32_MIN) return stream_put(at, 0xd2, number, 4);
    return stream_put(at, 0xd3, number, 8);
  }
  if (number < 0x80) return stream_put(at, (unsigned)number, 0, 0);
  if (number <= UINT8_MAX) return stream_put(at, 0xcc, number, 1);
  if (number <= UINT16_MAX) return stream_put(at, 0xcd, number, 2);
  if (number <= UINT32_MAX) return stream_put(at, 0xce, number, 4);
  return stream_put(at, 0xcf, number, 8);
}

/* As it is. */
static inline unsigned char *stream_put_raw(unsigned char *at, stream_text bytes) {
  if (bytes.len != 0) memcpy(at, bytes.data, bytes.len);
  return at + bytes.len;
}

/* A length below 2^32. head: of the form with 8 bits; those with 16 and 32 follow it. */
static inline unsigned char *stream_put_length(unsigned char *at, unsigned head, size_t len) {
  if (len <= UINT8_MAX) return stream_put(at, head, len, 1);
  if (len <= UINT16_MAX) return stream_put(at, head + 1, len, 2);
  return stream_put(at, head + 2, len, 4);
}

static inline unsigned char *stream_put_string(unsigned char *at, stream_text text) {
  at = text.len < 32 ? stream_put(at, 0xa0 | (unsigned)text.len, 0, 0)
                     : stream_put_length(at, 0xd9, text.len);
  return stream_put_raw(at, text);
}

static inline unsigned char *stream_put_name(unsigned char *at, const char *name) {
  return stream_put_string(at, (stream_text){name, strlen(name)});
}

static inline unsigned char *stream_put_array(unsigned char *at, uint32_t items) {
  return items < 16 ? stream_put(at, 0x90 | items, 0, 0) : stream_put(at, 0xdd, items, 4);
}

static inline unsigned char *stream_put_map(unsigned char *at, uint32_t pairs) {
  return pairs < 16 ? stream_put(at, 0x80 | pairs, 0, 0) : stream_put(at, 0xdf, pairs, 4);
}

#endif

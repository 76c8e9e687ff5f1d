/* value.c - see value.h. */
#include "value.h"

#include <endian.h>
#include <string.h>

static int take(stream_reader *reader, size_t count, uint64_t *number) {
  if ((size_t)(reader->end - reader->at) < count) return -1;
  const unsigned char *at = reader->at;
  uint64_t sum = 0;
  if (count == 8) { /* as one instruction */
    memcpy(&sum, at, 8);
    sum = be64toh(sum);
  } else {
    for (size_t i = 0; i < count; i++) sum = sum << 8 | at[i];
  }
  reader->at += count;
  *number = sum;
  return 0;
}

static int take_bytes(stream_reader *reader, uint64_t len, stream_text *text) {
  if ((uint64_t)(reader->end - reader->at) < len) return -1;
  *text = (stream_text){(const char *)reader->at, (size_t)len};
  reader->at += len;
  return 0;
}

static int read_integer(stream_reader *reader, stream_value *value, size_t bytes, int is_signed) {
  value->kind = STREAM_INTEGER;
  if (take(reader, bytes, &value->integer) != 0) return -1;
  unsigned unused = 64 - 8 * (unsigned)bytes;
  if (is_signed) value->integer = (uint64_t)((int64_t)(value->integer << unused) >> unused);
  value->negative = is_signed && (int64_t)value->integer < 0;
  return 0;
}

static int read_float(stream_reader *reader, stream_value *value, size_t bytes) {
  uint64_t bits;
  value->kind = STREAM_FLOAT;
  if (take(reader, bytes, &bits) != 0) return -1;
  if (bytes == 8) {
    memcpy(&value->number, &bits, sizeof value->number);
  } else {
    uint32_t half = (uint32_t)bits;
    float number;
    memcpy(&number, &half, sizeof number);
    value->number = number;
  }
  return 0;
}

static int read_sized(stream_reader *reader, stream_value *value, stream_kind kind, size_t bytes,
                      uint64_t more) {
  uint64_t count;
  value->kind = kind;
  if (take(reader, bytes, &count) != 0) return -1;
  if (kind == STREAM_ARRAY || kind == STREAM_MAP) {
    value->count = (uint32_t)count;
    return 0;
  }
  return take_bytes(reader, count + more, &value->text);
}

int stream_read(stream_reader *reader, stream_value *value) {
  *value = (stream_value){.kind = STREAM_NIL};
  if (reader->at >= reader->end) return -1;
  unsigned head = *reader->at++;
  if (head < 0x80 || head >= 0xe0) {
    value->kind = STREAM_INTEGER;
    value->negative = head >= 0xe0;
    value->integer = (uint64_t)(int64_t)(signed char)head;
    return 0;
  }
  if (head < 0x90 || (head >= 0x90 && head < 0xa0)) {
    value->kind = head < 0x90 ? STREAM_MAP : STREAM_ARRAY;
    value->count = head & 15;
    return 0;
  }
  if (head < 0xc0) {
    value->kind = STREAM_STRING;
    return take_bytes(reader, head & 31, &value->text);
  }
  switch (head) {
  case 0xc0: return 0;
  case 0xc2:
  case 0xc3:
    value->kind = STREAM_BOOL;
    value->integer = head & 1;
    return 0;
  case 0xc4:
  case 0xc5:
  case 0xc6: return read_sized(reader, value, STREAM_BINARY, (size_t)1 << (head - 0xc4), 0);
  case 0xc7:
  case 0xc8:
  case 0xc9: return read_sized(reader, value, STREAM_EXTENSION, (size_t)1 << (head - 0xc7), 1);
  case 0xca: return read_float(reader, value, 4);
  case 0xcb: return read_float(reader, value, 8);
  case 0xcc:
  case 0xcd:
  case 0xce:
  case 0xcf: return read_integer(reader, value, (size_t)1 << (head - 0xcc), 0);
  case 0xd0:
  case 0xd1:
  case 0xd2:
  case 0xd3: return read_integer(reader, value, (size_t)1 << (head - 0xd0), 1);
  case 0xd4:
  case 0xd5:
  case 0xd6:
  case 0xd7:
  case 0xd8:
    value->kind = STREAM_EXTENSION;
    return take_bytes(reader, ((uint64_t)1 << (head - 0xd4)) + 1, &value->text);
  case 0xd9:
  case 0xda:
  case 0xdb: return read_sized(reader, value, STREAM_STRING, (size_t)1 << (head - 0xd9), 0);
  case 0xdc:
  case 0xdd: return read_sized(reader, value, STREAM_ARRAY, (size_t)2 << (head - 0xdc), 0);
  case 0xde:
  case 0xdf: return read_sized(reader, value, STREAM_MAP, (size_t)2 << (head - 0xde), 0);
  default: return -1;
  }
}

int stream_skip(stream_reader *reader) {
  stream_value value;
  /* Each value takes a byte at least, so this ends, and cannot overflow before. */
  for (uint64_t left = 1; left != 0; left--) {
    if (stream_read(reader, &value) != 0) return -1;
    if (value.kind == STREAM_ARRAY) left += value.count;
    if (value.kind == STREAM_MAP) left += 2 * (uint64_t)value.count;
  }
  return 0;
}

int stream_text_equal(stream_text a, stream_text b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* ---- Comparison --------------------------------------------------------- */

static stream_order order_of(int less, int greater) {
  return less ? STREAM_LESS : greater ? STREAM_GREATER : STREAM_EQUAL;
}

static stream_order compare_integers(const stream_value *a, const stream_value *b) {
  if (a->negative != b->negative) return a->negative ? STREAM_LESS : STREAM_GREATER;
  return order_of(a->integer<b->integer, a->integer> b->integer); /* both as unsigned */
}

/* Without rounding: the float's whole part is compared as an integer, then its fraction. */
static stream_order compare_mixed(const stream_value *integer, double number) {
  if (number != number) return STREAM_UNORDERED;
  if (number >= 0x1p64) return STREAM_LESS;
  if (number < -0x1p63) return STREAM_GREATER;
  stream_value whole = {.kind = STREAM_INTEGER, .negative = number <= -1};
  double back;
  if (whole.negative) {
    whole.integer = (uint64_t)(int64_t)number;
    back = (double)(int64_t)whole.integer;
  } else {
    whole.integer = number < 0 ? 0 : (uint64_t)number;
    back = (double)whole.integer;
  }
  stream_order order = compare_integers(integer, &whole);
  return order != STREAM_EQUAL ? order : order_of(back<number, back> number);
}

stream_order stream_compare(const stream_value *a, const stream_value *b) {
  if (a->kind == STREAM_INTEGER && b->kind == STREAM_FLOAT) return compare_mixed(a, b->number);
  if (a->kind == STREAM_FLOAT && b->kind == STREAM_INTEGER) {
    stream_order order = compare_mixed(b, a->number);
    return order == STREAM_LESS ? STREAM_GREATER : order == STREAM_GREATER ? STREAM_LESS : order;
  }
  if (a->kind != b->kind) return STREAM_UNORDERED;
  switch (a->kind) {
  case STREAM_NIL: return STREAM_EQUAL;
  case STREAM_INTEGER: return compare_integers(a, b);
  case STREAM_BOOL: return a->integer == b->integer ? STREAM_EQUAL : STREAM_UNORDERED;
  case STREAM_FLOAT:
    if (a->number != a->number || b->number != b->number) return STREAM_UNORDERED;
    return order_of(a->number<b->number, a->number> b->number);
  case STREAM_STRING: {
    size_t common = a->text.len < b->text.len ? a->text.len : b->text.len;
    int first = common != 0 ? memcmp(a->text.data, b->text.data, common) : 0;
    if (first != 0) return order_of(first < 0, first > 0);
    return order_of(a->text.len<b->text.len, a->text.len> b->text.len);
  }
  default: return STREAM_UNORDERED;
  }
}

/* Move the reader, which is at a map, to the value of one of its keys. 0, or -1: it has none. */
static int enter(stream_reader *reader, stream_text name) {
  stream_value value;
  if (stream_read(reader, &value) != 0 || value.kind != STREAM_MAP) return -1;
  for (uint32_t left = value.count; left != 0; left--) {
    stream_reader before = *reader;
    if (stream_read(reader, &value) != 0) return -1;
    if (value.kind == STREAM_STRING && stream_text_equal(value.text, name)) return 0;
    if (value.kind == STREAM_ARRAY || value.kind == STREAM_MAP) {
      *reader = before;
      if (stream_skip(reader) != 0) return -1;
    }
    if (stream_skip(reader) != 0) return -1;
  }
  return -1;
}

int stream_find_field(stream_text event, stream_text path, stream_value *value) {
  stream_reader reader = {(const unsigned char *)event.data,
                          (const unsigned char *)event.data + event.len};
  for (;;) {
    const char *dot = memchr(path.data, '.', path.len);
    size_t len = dot != NULL ? (size_t)(dot - path.data) : path.len;
    if (enter(&reader, (stream_text){path.data, len}) != 0) return 0;
    if (dot == NULL) return stream_read(&reader, value) == 0;
    path = (stream_text){dot + 1, path.len - len - 1};
  }
}

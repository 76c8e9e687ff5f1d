/* columns.c - rows of columns as MessagePack. */
#include "../include/columns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"
#include "value.h"

typedef struct writing {
  unsigned char *data;
  size_t len, capacity;
  int64_t unit_ns;
} writing;

/* Room for so many bytes more; NULL without memory. */
static unsigned char *room(writing *w, size_t bytes) {
  if (w->capacity - w->len < bytes) {
    size_t more = w->capacity * 2 > w->len + bytes ? w->capacity * 2 : w->len + bytes + 4096;
    unsigned char *grown = realloc(w->data, more);
    if (grown == NULL) return NULL;
    w->data = grown;
    w->capacity = more;
  }
  return w->data + w->len;
}

static unsigned char *put_double(unsigned char *at, double number) {
  uint64_t bits;
  memcpy(&bits, &number, 8);
  return stream_put(at, 0xcb, bits, 8);
}

/* ---- Values ------------------------------------------------------------- */

static int bit(const unsigned char *bits, int64_t place) {
  return bits[place >> 3] >> (place & 7) & 1;
}

static int64_t integer_at(const unsigned char *at, int width) {
  int8_t one;
  int16_t two;
  int32_t four;
  int64_t eight;
  switch (width) {
  case 1: return memcpy(&one, at, 1), one;
  case 2: return memcpy(&two, at, 2), two;
  case 4: return memcpy(&four, at, 4), four;
  default: return memcpy(&eight, at, 8), eight;
  }
}

static uint64_t natural_at(const unsigned char *at, int width) {
  uint64_t all = (uint64_t)integer_at(at, width);
  return width == 8 ? all : all & (((uint64_t)1 << 8 * width) - 1);
}

static double float_at(const unsigned char *at, int width) {
  float four;
  double eight;
  if (width == 4) return memcpy(&four, at, 4), (double)four;
  return memcpy(&eight, at, 8), eight;
}

/* The double that is nearest to a quotient of integers. */
static double quotient(int64_t number, int64_t by) {
  uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
  if (size <= (uint64_t)1 << 53) return (double)number / (double)by; /* both are exact */
  unsigned __int128 wide = (unsigned __int128)size << 64;
  unsigned __int128 whole = wide / (uint64_t)by;
  if (wide % (uint64_t)by != 0) whole |= 1; /* more than a double's bits lie above this one */
  double found = ldexp((double)whole, -64);
  return number < 0 ? -found : found;
}

/* NULL: it is beyond 64 bits of nanoseconds. */
static unsigned char *put_time(unsigned char *at, int64_t time, int64_t factor, int64_t unit_ns) {
  if (time == INT64_MIN) return stream_put(at, 0xc0, 0, 0);
  int64_t ns;
  if (__builtin_mul_overflow(time, factor, &ns) || ns == INT64_MIN) return NULL;
  return ns % unit_ns == 0 ? stream_put_integer(at, (uint64_t)(ns / unit_ns), ns < 0)
                           : put_double(at, quotient(ns, unit_ns));
}

static int put_value(writing *w, stream_column *column, int64_t row);

/* Text, or bytes that are none. */
static int put_text(writing *w, const stream_column *column, int64_t start, int64_t end) {
  stream_text bytes = {(const char *)column->values + start, (size_t)(end - start)};
  unsigned char *at = room(w, STREAM_HEAD_MAX + bytes.len);
  if (at == NULL) return STREAM_E_NOMEM;
  at = column->kind == STREAM_COLUMN_TEXT
           ? stream_put_string(at, bytes)
           : stream_put_raw(stream_put_length(at, 0xc4, bytes.len), bytes);
  w->len = (size_t)(at - w->data);
  return STREAM_OK;
}

static int put_list(writing *w, const stream_column *column, int64_t start, int64_t end) {
  unsigned char *at = room(w, STREAM_HEAD_MAX);
  if (at == NULL) return STREAM_E_NOMEM;
  w->len = (size_t)(stream_put_array(at, (uint32_t)(end - start)) - w->data);
  int status = STREAM_OK;
  for (; start < end && status == STREAM_OK; start++)
    status = put_value(w, column->children, start);
  return status;
}

static int put_map(writing *w, stream_column *columns, uint32_t count, int64_t row,
                   uint32_t *which) {
  unsigned char *at = room(w, STREAM_HEAD_MAX);
  if (at == NULL) return STREAM_E_NOMEM;
  w->len = (size_t)(stream_put_map(at, count) - w->data);
  int status = STREAM_OK;
  for (uint32_t i = 0; i < count && status == STREAM_OK; i++) {
    at = room(w, columns[i].name_len);
    if (at == NULL) return STREAM_E_NOMEM;
    memcpy(at, columns[i].name, columns[i].name_len);
    w->len += columns[i].name_len;
    status = put_value(w, &columns[i], row);
    *which = i;
  }
  return status;
}

/* The next one of a column that is packed already. */
static int put_packed(writing *w, stream_column *column) {
  stream_reader reader = {column->values, column->values + column->len};
  if (stream_skip(&reader) != 0) return STREAM_E_DECODE;
  size_t len = (size_t)(reader.at - column->values);
  unsigned char *at = room(w, len);
  if (at == NULL) return STREAM_E_NOMEM;
  memcpy(at, column->values, len);
  w->len += len;
  column->values += len;
  column->len -= len;
  return STREAM_OK;
}

static int put_value(writing *w, stream_column *column, int64_t row) {
  int64_t place = column->first + row;
  uint32_t unused;
  int64_t number;
  if (column->kind == STREAM_COLUMN_PACKED) return put_packed(w, column);
  unsigned char *at = room(w, STREAM_HEAD_MAX);
  if (at == NULL) return STREAM_E_NOMEM;
  int is_nil = column->valid != NULL && !bit(column->valid, place);
  const unsigned char *value = column->values + place * column->stride;
  switch (is_nil ? STREAM_COLUMN_NIL : column->kind) {
  case STREAM_COLUMN_BITS: at = stream_put(at, 0xc2 | bit(column->values, place), 0, 0); break;
  case STREAM_COLUMN_BOOLEANS: at = stream_put(at, *value ? 0xc3 : 0xc2, 0, 0); break;
  case STREAM_COLUMN_INTEGERS:
    number = integer_at(value, column->width);
    at = stream_put_integer(at, (uint64_t)number, number < 0);
    break;
  case STREAM_COLUMN_NATURALS:
    at = stream_put_integer(at, natural_at(value, column->width), 0);
    break;
  case STREAM_COLUMN_FLOATS: at = put_double(at, float_at(value, column->width)); break;
  case STREAM_COLUMN_TIMES:
    at = put_time(at, integer_at(value, 8), column->factor, w->unit_ns);
    if (at == NULL) return STREAM_E_INVALID;
    break;
  case STREAM_COLUMN_TEXT:
  case STREAM_COLUMN_BINARY:
  case STREAM_COLUMN_LISTS: {
    const unsigned char *offset = column->offsets + place * column->width;
    int64_t start = integer_at(offset, column->width);
    int64_t end = integer_at(offset + column->width, column->width);
    return column->kind == STREAM_COLUMN_LISTS ? put_list(w, column, start, end)
                                               : put_text(w, column, start, end);
  }
  case STREAM_COLUMN_MAPS: return put_map(w, column->children, column->count, row, &unused);
  default: at = stream_put(at, 0xc0, 0, 0);
  }
  w->len = (size_t)(at - w->data);
  return STREAM_OK;
}

int stream_columns_pack(stream_column *columns, uint32_t count, uint64_t row, uint32_t rows,
                        int64_t unit_ns, unsigned char **packed, size_t *len, uint32_t *which) {
  writing w = {.unit_ns = unit_ns};
  *packed = NULL;
  *len = 0;
  *which = 0;
  unsigned char *at = room(&w, STREAM_HEAD_MAX);
  int status = at != NULL ? STREAM_OK : STREAM_E_NOMEM;
  if (at != NULL) w.len = (size_t)(stream_put_array(at, rows) - w.data);
  for (uint32_t i = 0; i < rows && status == STREAM_OK; i++)
    status = put_map(&w, columns, count, (int64_t)(row + i), which);
  if (status != STREAM_OK) {
    free(w.data);
    return status;
  }
  *packed = w.data;
  *len = w.len;
  return STREAM_OK;
}

/* row.c - the columns of a row, and how they are taken out of an event: see row.h. */
#include "row.h"

#include <string.h>

int flow_columns_find(flow_columns *columns, stream_text name) {
  for (uint32_t i = 0; i < columns->count; i++)
    if (stream_text_equal(columns->name[i], name)) return (int)i;
  if (!columns->open || columns->count == FLOW_COLUMNS_MAX) return -1;
  columns->name[columns->count] = name;
  return (int)columns->count++;
}

/* ---- Taking columns out of a map ---------------------------------------- */

_Static_assert(FLOW_COLUMNS_MAX <= 64, "columns are bits of a word");

/* Most values are a byte, or a short text. */
static inline int skip(stream_reader *reader) {
  if (reader->at < reader->end) {
    unsigned head = *reader->at;
    size_t bytes = head < 0x80 || head >= 0xe0   ? 1
                   : head >= 0xa0 && head < 0xc0 ? 1 + (head & 31)
                   : head == 0xcb                ? 9
                                                 : SIZE_MAX;
    if (bytes <= (size_t)(reader->end - reader->at)) {
      reader->at += bytes;
      return 0;
    }
  }
  return stream_skip(reader);
}

/* The name of a map's next pair; NULL as its data: it is no text. 0 or -1. */
static inline int read_name(stream_reader *reader, stream_text *name) {
  if (reader->at < reader->end && (*reader->at & 0xe0) == 0xa0) {
    size_t len = *reader->at & 31;
    if ((size_t)(reader->end - reader->at) <= len) return -1;
    *name = (stream_text){(const char *)reader->at + 1, len};
    reader->at += 1 + len;
    return 0;
  }
  const unsigned char *start = reader->at;
  stream_value value;
  if (stream_read(reader, &value) != 0) return -1;
  *name = value.kind == STREAM_STRING ? value.text : (stream_text){NULL, 0};
  if (value.kind != STREAM_ARRAY && value.kind != STREAM_MAP) return 0;
  reader->at = start;
  return stream_skip(reader);
}

static int read_value(stream_reader *reader, stream_value *value) {
  const unsigned char *start = reader->at;
  if (stream_read(reader, value) != 0) return -1;
  if (value->kind != STREAM_ARRAY && value->kind != STREAM_MAP) return 0;
  reader->at = start;
  if (stream_skip(reader) != 0) return -1;
  value->text = (stream_text){(const char *)start, (size_t)(reader->at - start)};
  return 0;
}

/* How a column's name, from `offset` on, goes with the name of a pair. */
typedef enum fit { APART, SAME, WITHIN } fit;

static inline fit fit_of(stream_text name, size_t offset, stream_text key) {
  size_t len = name.len - offset;
  if (len < key.len || (len != key.len && name.data[offset + key.len] != '.')) return APART;
  const char *own = name.data + offset;
  for (size_t i = 0; i < key.len; i++) /* short, and most differ soon */
    if (own[i] != key.data[i]) return APART;
  return len == key.len ? SAME : WITHIN;
}

static int is_map(const unsigned char *at, const unsigned char *end) {
  return at < end && ((*at & 0xf0) == 0x80 || *at == 0xde || *at == 0xdf);
}

/* The names of the columns in *wanted have the same beginning, `offset` bytes long, which led to this
** map. What is found is taken out of *wanted; if nothing is left, the reader may be anywhere. */
static int read_map(stream_reader *reader, const flow_columns *columns, size_t offset,
                    uint64_t *wanted, stream_value *row) {
  stream_value map;
  if (stream_read(reader, &map) != 0 || map.kind != STREAM_MAP) return -1;
  for (uint32_t left = map.count; left != 0 && *wanted != 0; left--) {
    stream_text key;
    if (read_name(reader, &key) != 0) return -1;
    uint64_t here = 0, within = 0;
    for (uint64_t rest = *wanted; rest != 0 && key.data != NULL; rest &= rest - 1) {
      uint32_t i = (uint32_t)__builtin_ctzll(rest);
      fit how = fit_of(columns->name[i], offset, key);
      if (how == SAME) here = rest & -rest;
      else if (how == WITHIN) within |= rest & -rest;
    }
    const unsigned char *start = reader->at;
    if (here != 0) {
      if (read_value(reader, &row[__builtin_ctzll(here)]) != 0) return -1;
      *wanted ^= here;
    }
    if (within != 0 && is_map(start, reader->end)) {
      stream_reader inner = {start, reader->end};
      *wanted ^= within;
      if (read_map(&inner, columns, offset + key.len + 1, &within, row) != 0) return -1;
      *wanted |= within;
      if (here == 0 && within != 0) {
        reader->at = inner.at; /* it was read to its end */
        continue;
      }
    }
    if (here == 0 && skip(reader) != 0) return -1;
  }
  return 0;
}

int flow_row_read(const flow_columns *columns, stream_text event, stream_value *row) {
  for (uint32_t i = 0; i < columns->count; i++) row[i] = flow_nil();
  stream_reader reader = {(const unsigned char *)event.data,
                          (const unsigned char *)event.data + event.len};
  if (event.data == NULL) return -1;
  uint64_t wanted = columns->count == 64 ? UINT64_MAX : ((uint64_t)1 << columns->count) - 1;
  return read_map(&reader, columns, 0, &wanted, row);
}

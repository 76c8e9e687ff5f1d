/* event_columns.c - events as rows of the columns that somebody wants of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/stream/sound.h"
#include "../../engine/stream/symbol.h"
#include "../../engine/stream/value.h"
#include "event_store.h"
#include "rows.h"

#define BYTES ((size_t)8 << 20) /* of rows, after which no other one is begun */

typedef struct wanted {
  uint64_t what;     /* pvm_event_column */
  stream_text name;  /* of a field */
  stream_text value; /* in the event at hand: MessagePack; data NULL: it has none */
} wanted;

typedef struct columns {
  wanted *wanted;
  uint32_t count;
  uint32_t *slots; /* a field's place + 1; 0: free */
  uint32_t mask;
  pvm_rows rows;
  uint64_t last; /* the number of the latest event */
} columns;

static wanted *find(const columns *c, stream_text name) {
  uint32_t slot = (uint32_t)stream_hash(name, 0) & c->mask;
  for (; c->slots[slot] != 0; slot = (slot + 1) & c->mask) {
    wanted *one = &c->wanted[c->slots[slot] - 1];
    if (stream_text_equal(one->name, name)) return one;
  }
  return NULL;
}

/* 0; -1: it is no list of columns, or names a field twice; -2 without memory. */
static int read_columns(columns *c, const void *data, size_t len) {
  stream_reader reader = {data, (const unsigned char *)data + len};
  stream_value value;
  if (stream_read(&reader, &value) != 0 || value.kind != STREAM_ARRAY) return -1;
  if (value.count > len) return -1;
  uint32_t slots = 4;
  while (slots < 2 * value.count + 2) slots *= 2;
  c->mask = slots - 1;
  c->wanted = calloc(value.count + 1u, sizeof *c->wanted);
  c->slots = calloc(slots, sizeof *c->slots);
  if (c->wanted == NULL || c->slots == NULL) return -2;
  for (uint32_t count = value.count; c->count < count; c->count++) {
    wanted *one = &c->wanted[c->count];
    if (stream_read(&reader, &value) != 0) return -1;
    if (value.kind == STREAM_INTEGER && value.integer < PVM_EVENT_FIELD) {
      one->what = value.integer;
      continue;
    }
    if (value.kind != STREAM_STRING || find(c, value.text) != NULL) return -1;
    one->what = PVM_EVENT_FIELD;
    one->name = value.text;
    uint32_t slot = (uint32_t)stream_hash(value.text, 0) & c->mask;
    while (c->slots[slot] != 0) slot = (slot + 1) & c->mask;
    c->slots[slot] = c->count + 1;
  }
  return reader.at == reader.end ? 0 : -1;
}

/* Find the values of the fields; of those that are there twice the last one counts. */
static void find_values(columns *c, const store_event *event) {
  stream_reader reader = {(const unsigned char *)event->value.data,
                          (const unsigned char *)event->value.data + event->value.len};
  stream_value map, name;
  for (uint32_t i = 0; i < c->count; i++) c->wanted[i].value = (stream_text){0};
  if (stream_read(&reader, &map) != 0 || map.kind != STREAM_MAP) return;
  for (uint32_t i = 0; i < map.count; i++) {
    char digits[24];
    if (stream_read(&reader, &name) != 0) return;
    if (name.kind == STREAM_INTEGER) {
      int len = name.negative
                    ? snprintf(digits, sizeof digits, "%lld", (long long)name.integer)
                    : snprintf(digits, sizeof digits, "%llu", (unsigned long long)name.integer);
      name.text = (stream_text){digits, (size_t)len};
    } else if (name.kind != STREAM_STRING) return;
    const char *value = (const char *)reader.at;
    if (stream_skip(&reader) != 0) return;
    wanted *one = find(c, name.text);
    if (one != NULL) one->value = (stream_text){value, (size_t)((const char *)reader.at - value)};
  }
}

static unsigned char *put_double(unsigned char *at, double number) {
  uint64_t bits;
  memcpy(&bits, &number, 8);
  return stream_put(at, 0xcb, bits, 8);
}

static unsigned char *put_extension(unsigned char *at, int code, stream_text data) {
  at = stream_put(at, 0xc9, data.len, 4);
  *at++ = (unsigned char)code;
  return stream_put_raw(at, data);
}

/* Scalars as they are, but for what a database has no integer for. */
static unsigned char *put_field(unsigned char *at, stream_text value) {
  if (value.data == NULL) return stream_put(at, 0xc0, 0, 0);
  stream_reader reader = {(const unsigned char *)value.data,
                          (const unsigned char *)value.data + value.len};
  stream_value read;
  if (stream_read(&reader, &read) != 0) return stream_put(at, 0xc0, 0, 0);
  if (read.kind == STREAM_INTEGER && !read.negative && read.integer > INT64_MAX)
    return put_double(at, (double)read.integer);
  if (read.kind == STREAM_ARRAY || read.kind == STREAM_MAP || read.kind == STREAM_EXTENSION)
    return put_extension(at, PVM_EVENT_NESTED, value);
  return stream_put_raw(at, value);
}

static unsigned char *put_key(unsigned char *at, store_bytes key) {
  stream_text text = {key.data, key.len};
  return stream_is_utf8(text) ? stream_put_string(at, text)
                              : put_extension(at, PVM_EVENT_NO_TEXT, text);
}

static int write_row(void *arg, const store_event *event) {
  columns *c = arg;
  find_values(c, event);
  size_t most = STREAM_HEAD_MAX;
  for (uint32_t i = 0; i < c->count; i++)
    most += STREAM_HEAD_MAX + (c->wanted[i].what == PVM_EVENT_KEY ? event->key.len : 0) +
            c->wanted[i].value.len;
  unsigned char *at = pvm_rows_next(&c->rows, most);
  if (at == NULL) return 1;
  c->last = event->sequence;
  at = stream_put_array(at, c->count);
  for (uint32_t i = 0; i < c->count; i++) {
    const wanted *one = &c->wanted[i];
    switch (one->what) {
    case PVM_EVENT_SEQUENCE: at = stream_put_integer(at, event->sequence, 0); break;
    case PVM_EVENT_TIME: at = put_double(at, (double)event->time_ns / 1e9); break;
    case PVM_EVENT_ARRIVAL: at = put_double(at, (double)event->arrival_ns / 1e9); break;
    case PVM_EVENT_KEY: at = put_key(at, event->key); break;
    case PVM_EVENT_FIELD: at = put_field(at, one->value); break;
    default: at = stream_put(at, 0xc0, 0, 0);
    }
  }
  pvm_rows_end(&c->rows, at);
  return c->rows.len >= BYTES;
}

int pvm_store_columns(pvm_store *handle, const pvm_store_query *query, const void *wanted_columns,
                      size_t len, pvm_buffer *rows, uint64_t *behind) {
  if (handle == NULL || query == NULL || wanted_columns == NULL || rows == NULL || behind == NULL)
    return PVM_E_INVALID;
  columns c = {0};
  int read = read_columns(&c, wanted_columns, len);
  int status = read == -1 ? PVM_E_INVALID : read == -2 ? PVM_E_NOMEM : pvm_rows_begin(&c.rows);
  if (status == PVM_OK) {
    int64_t visited = pvm_store_visit(handle, query, write_row, &c);
    if (visited >= 0) status = pvm_rows_finish(&c.rows, rows);
    else {
      pvm_rows_free(&c.rows);
      status = (int)visited;
    }
    *behind = c.last != 0 ? c.last + 1 : 0;
  }
  free(c.wanted);
  free(c.slots);
  return status;
}

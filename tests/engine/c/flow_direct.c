/* flow_direct.c - parts of flows, called with MessagePack and answering with it; see flow_direct.py. */
#include <stdlib.h>
#include <string.h>

#include "../../../engine/flow/aggregate.h"
#include "../../../engine/flow/expression.h"

/* ---- Memory that ends --------------------------------------------------- */

static long allocations_left = -1; /* until one fails; below 0: none does */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);

static int fails(void) {
  return allocations_left >= 0 && allocations_left-- == 0;
}

void *__wrap_malloc(size_t size) {
  return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
  return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size) {
  return fails() ? NULL : __real_realloc(block, size);
}

/* The allocation after so many others fails, once; below 0: none does. */
void direct_fail_after(long allocations) {
  allocations_left = allocations;
}

/* ---- MessagePack -------------------------------------------------------- */

typedef struct bytes {
  unsigned char *at, *end;
} bytes_of_result;

static unsigned char *put_count(unsigned char *at, uint32_t count) {
  *at++ = 0xdd;
  for (int shift = 24; shift >= 0; shift -= 8) *at++ = (unsigned char)(count >> shift);
  return at;
}

static int put(bytes_of_result *out, const stream_value *value) {
  if ((size_t)(out->end - out->at) < flow_value_bytes(value)) return -1;
  out->at = flow_value_write(out->at, value);
  return 0;
}

static stream_text whole(stream_reader *reader) {
  const unsigned char *start = reader->at;
  if (stream_skip(reader) != 0) abort();
  return (stream_text){(const char *)start, (size_t)(reader->at - start)};
}

static uint32_t begin_array(stream_reader *reader) {
  stream_value array;
  if (stream_read(reader, &array) != 0 || array.kind != STREAM_ARRAY) abort();
  return array.count;
}

static stream_reader reader_of(const void *data, size_t len) {
  return (stream_reader){data, (const unsigned char *)data + len};
}

/* ---- Expressions -------------------------------------------------------- */

/* The array of an expression's values for an array of events. How many bytes, or a status; -100: they
** do not fit. */
long direct_expression(const char *packed, size_t packed_len, const char *events, size_t events_len,
                       unsigned char *out, size_t size, char *err) {
  flow_columns columns = {.open = 1};
  flow_expression *expression;
  int status =
      flow_expression_compile((stream_text){packed, packed_len}, &columns, &expression, err);
  if (status != STREAM_OK) return status;
  flow_arena *arena = flow_arena_new();
  stream_reader reader = reader_of(events, events_len);
  uint32_t left = begin_array(&reader);
  bytes_of_result to = {put_count(out, left), out + size};
  stream_value row[FLOW_COLUMNS_MAX];
  for (; left != 0 && status == 0; left--) {
    if (flow_row_read(&columns, whole(&reader), row) != 0) abort();
    stream_value value = flow_expression_value(expression, row, arena);
    if (put(&to, &value) != 0) status = -100;
    flow_arena_reset(arena);
  }
  flow_arena_free(arena);
  flow_expression_free(expression);
  return status == 0 ? (long)(to.at - out) : status;
}

/* As flow_expression_compile against closed columns, an array of names. */
int direct_compile(const char *packed, size_t packed_len, const char *names, size_t names_len,
                   char *err) {
  flow_columns columns = {0};
  stream_reader reader = reader_of(names, names_len);
  stream_value name;
  for (uint32_t left = begin_array(&reader); left != 0; left--) {
    if (stream_read(&reader, &name) != 0) abort();
    columns.name[columns.count++] = name.text;
  }
  flow_expression *expression;
  int status =
      flow_expression_compile((stream_text){packed, packed_len}, &columns, &expression, err);
  if (status == STREAM_OK) flow_expression_free(expression);
  return status;
}

uint64_t direct_hash(const char *value, size_t len, uint64_t seed) {
  stream_reader reader = reader_of(value, len);
  stream_value read;
  if (stream_read(&reader, &read) != 0) abort();
  return flow_value_hash(&read, seed);
}

/* ---- Aggregates --------------------------------------------------------- */

#define PARAMETERS_MAX 8
#define HELD_AT_THE_END -101

static int add_pane(const flow_aggregate *aggregate, uint32_t arguments, stream_reader *reader,
                    void *state, int64_t *held) {
  stream_value values[FLOW_ARGUMENTS_MAX + 1], head;
  for (uint32_t rows = begin_array(reader); rows != 0; rows--) {
    if (begin_array(reader) != arguments + 1) abort();
    for (uint32_t i = 0; i <= arguments; i++) {
      stream_text text = whole(reader);
      stream_reader own = reader_of(text.data, text.len);
      if (stream_read(&own, &head) != 0) abort();
      values[i] = head;
      if (head.kind == STREAM_ARRAY || head.kind == STREAM_MAP) values[i].text = text;
    }
    int64_t time_ns = (int64_t)values[0].integer;
    int status = flow_aggregate_add(aggregate, state, values + 1, time_ns, held);
    if (status == STREAM_E_NOMEM) /* then it has not counted */
      status = flow_aggregate_add(aggregate, state, values + 1, time_ns, held);
    if (status != STREAM_OK) return status;
  }
  return STREAM_OK;
}

/* What rows come to: an array of panes, each an array of rows [time, value, ...]. Each pane has a state
** of its own; they are merged into the first one. *most: bytes that it held then. */
long direct_aggregate(const char *name, const char *parameters, size_t parameters_len,
                      const char *panes, size_t panes_len, unsigned char *out, size_t size,
                      int64_t *most, char *err) {
  stream_value given[PARAMETERS_MAX];
  stream_reader reader = reader_of(parameters, parameters_len);
  uint32_t count = begin_array(&reader), arguments;
  for (uint32_t i = 0; i < count; i++)
    if (stream_read(&reader, &given[i]) != 0) abort();
  flow_aggregate *aggregate;
  long failing = allocations_left; /* what the states need, and nothing else */
  allocations_left = -1;
  int status = flow_aggregate_new((stream_text){name, strlen(name)}, given, count, &aggregate,
                                  &arguments, err);
  if (status != STREAM_OK) return status;
  size_t bytes = flow_aggregate_bytes(aggregate);
  char *first = malloc(bytes), *pane = malloc(bytes), *moved = malloc(bytes);
  int64_t held = 0;
  flow_aggregate_begin(aggregate, first);
  reader = reader_of(panes, panes_len);
  uint32_t left = begin_array(&reader);
  allocations_left = failing;
  if (left != 0) status = add_pane(aggregate, arguments, &reader, first, &held);
  for (; left > 1 && status == STREAM_OK; left--) {
    flow_aggregate_begin(aggregate, pane);
    status = add_pane(aggregate, arguments, &reader, pane, &held);
    memcpy(moved, pane, bytes); /* states may move */
    memset(pane, 0xee, bytes);
    if (status == STREAM_OK) status = flow_aggregate_merge(aggregate, first, moved, &held);
    flow_aggregate_end(aggregate, moved, &held);
  }
  allocations_left = -1;
  *most = held + (int64_t)bytes;
  flow_arena *arena = flow_arena_new();
  stream_value result = flow_aggregate_result(aggregate, first, arena);
  flow_aggregate_end(aggregate, first, &held);
  bytes_of_result to = {out, out + size};
  if (held != 0) status = HELD_AT_THE_END;
  if (status == STREAM_OK && put(&to, &result) != 0) status = -100;
  flow_arena_free(arena);
  flow_aggregate_free(aggregate);
  free(first);
  free(pane);
  free(moved);
  return status == STREAM_OK ? (long)(to.at - out) : status;
}

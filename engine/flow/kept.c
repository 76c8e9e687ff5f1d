/* kept.c - see kept.h. */
#include "kept.h"

#include <stdlib.h>
#include <string.h>

#include "../stream/pack.h"

static int has_text(uint8_t kind) {
  return kind >= STREAM_STRING;
}

int flow_keep(flow_kept *kept, const stream_value *value, int64_t *held) {
  *kept = (flow_kept){.kind = (uint8_t)value->kind, .negative = value->negative != 0};
  if (value->kind == STREAM_FLOAT) kept->number = value->number;
  else if (!has_text(kept->kind)) kept->integer = value->integer;
  if (!has_text(kept->kind)) return STREAM_OK;
  kept->len = (uint32_t)value->text.len;
  if (kept->len <= sizeof kept->small) {
    if (kept->len != 0) memcpy(kept->small, value->text.data, kept->len);
    return STREAM_OK;
  }
  char *copy = value->text.len <= UINT32_MAX ? malloc(kept->len) : NULL;
  if (copy == NULL) {
    *kept = (flow_kept){0};
    return STREAM_E_NOMEM;
  }
  memcpy(copy, value->text.data, kept->len);
  kept->text = copy;
  *held += kept->len;
  return STREAM_OK;
}

void flow_let_go(flow_kept *kept, int64_t *held) {
  if (has_text(kept->kind) && kept->len > sizeof kept->small) {
    free(kept->text);
    *held -= kept->len;
  }
  *kept = (flow_kept){0};
}

stream_value flow_kept_value(const flow_kept *kept) {
  stream_value value = {.kind = (stream_kind)kept->kind, .negative = kept->negative};
  if (value.kind == STREAM_FLOAT) value.number = kept->number;
  else if (!has_text(kept->kind)) value.integer = kept->integer;
  if (!has_text(kept->kind)) return value;
  value.text.data = kept->len <= sizeof kept->small ? kept->small : kept->text;
  value.text.len = kept->len;
  if (value.kind != STREAM_ARRAY && value.kind != STREAM_MAP) return value;
  stream_reader reader = {(const unsigned char *)value.text.data,
                          (const unsigned char *)value.text.data + kept->len};
  stream_value head;
  stream_read(&reader, &head);
  value.count = head.count;
  return value;
}

stream_value flow_kept_copy(const flow_kept *kept, flow_arena *arena) {
  stream_value value = flow_kept_value(kept);
  if (!has_text(kept->kind)) return value;
  char *copy = flow_arena_take(arena, value.text.len);
  if (copy == NULL) return flow_nil();
  memcpy(copy, value.text.data, value.text.len);
  value.text.data = copy;
  return value;
}

int flow_kept_equal(const flow_kept *kept, const stream_value *value) {
  stream_value own = flow_kept_value(kept);
  if (value->kind > STREAM_STRING)
    return own.kind == value->kind && stream_text_equal(own.text, value->text);
  return stream_compare(&own, value) == STREAM_EQUAL;
}

stream_value flow_array_of(const stream_value *items, uint32_t count, flow_arena *arena) {
  size_t size = 5;
  for (uint32_t i = 0; i < count; i++) size += flow_value_bytes(&items[i]);
  unsigned char *start = size <= FLOW_ARRAY_MAX ? flow_arena_take(arena, size) : NULL, *at = start;
  if (at == NULL) return flow_nil();
  at = stream_put_array(at, count);
  for (uint32_t i = 0; i < count; i++) at = flow_value_write(at, &items[i]);
  return (stream_value){
      .kind = STREAM_ARRAY, .count = count, .text = {(const char *)start, (size_t)(at - start)}};
}

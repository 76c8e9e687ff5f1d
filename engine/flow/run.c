/* run.c - rows from stage to stage, and out. */
#include <stdio.h>
#include <string.h>

#include "set.h"

flow_row *flow_run_output(flow_run *run, uint32_t count, int64_t time_ns) {
  flow_result *made = flow_arena_take(run->arena, sizeof *made);
  stream_value *values = flow_arena_take(run->arena, (count != 0 ? count : 1) * sizeof *values);
  if (made == NULL || values == NULL) {
    run->refused++;
    return NULL;
  }
  for (uint32_t i = 0; i < count; i++) values[i] = flow_nil();
  *made = (flow_result){.row = {.values = values, .time_ns = time_ns, .way = run->way}};
  *run->last = made;
  run->last = &made->next;
  return &made->row;
}

char *flow_run_copy(flow_run *run, const void *bytes, size_t len) {
  char *copy = flow_arena_take(run->arena, len != 0 ? len : 1);
  if (copy != NULL && len != 0) memcpy(copy, bytes, len);
  return copy;
}

void flow_run_hand_on(flow_run *run, const flow_stage *from) {
  flow_result *result = run->first;
  run->first = NULL; /* the next stages put theirs into the same list */
  run->last = &run->first;
  for (; result != NULL; result = result->next)
    flow_stage_take(run, from->next, from->side, &result->row);
}

void flow_stage_take(flow_run *run, flow_stage *stage, int side, flow_row *row) {
  for (; stage != NULL && stage->timers == NULL; side = stage->side, stage = stage->next)
    if (!flow_stateless_apply(run, stage, row)) return;
  if (stage != NULL) flow_keyed_take(run, stage, side, row);
  else flow_sink_put(run, row);
}

void flow_assign(const flow_assignments *assignments, const stream_value *from, stream_value *to,
                 flow_arena *arena) {
  stream_value values[FLOW_COLUMNS_MAX];
  for (uint32_t i = 0; i < assignments->count; i++)
    values[i] = flow_expression_value(assignments->item[i].value, from, arena);
  for (uint32_t i = 0; i < assignments->count; i++) to[assignments->item[i].column] = values[i];
}

/* ---- Values as MessagePack ---- */

size_t flow_values_bytes(const stream_value *values, uint32_t count) {
  size_t bytes = 0;
  for (uint32_t i = 0; i < count; i++) bytes += flow_value_bytes(&values[i]);
  return bytes;
}

unsigned char *flow_values_write(unsigned char *at, const stream_value *values, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) at = flow_value_write(at, &values[i]);
  return at;
}

void flow_values_read(stream_text packed, stream_value *values, uint32_t count) {
  stream_reader reader = {(const unsigned char *)packed.data,
                          (const unsigned char *)packed.data + packed.len};
  for (uint32_t i = 0; i < count; i++) {
    stream_reader before = reader;
    if (stream_read(&reader, &values[i]) != 0) {
      values[i] = flow_nil();
      continue;
    }
    if (values[i].kind != STREAM_ARRAY && values[i].kind != STREAM_MAP) continue;
    reader = before;
    stream_skip(&reader);
    values[i].text = (stream_text){(const char *)before.at, (size_t)(reader.at - before.at)};
  }
}

/* ---- Keys ---- */

/* Numbers that are equal are one key. */
static stream_value normal(stream_value value) {
  if (value.kind != STREAM_FLOAT || !(value.number >= -0x1p63 && value.number < 0x1p63))
    return value;
  int64_t whole = (int64_t)value.number;
  return (double)whole == value.number ? flow_integer(whole) : value;
}

stream_text flow_group_key(const flow_group *group, const stream_value *row, flow_arena *arena) {
  stream_value values[FLOW_KEYS_MAX];
  if (group->count == 0) return (stream_text){"", 0};
  for (uint32_t i = 0; i < group->count; i++)
    values[i] = normal(flow_expression_value(group->value[i], row, arena));
  size_t bytes = flow_values_bytes(values, group->count);
  unsigned char *packed = bytes <= FLOW_KEY_BYTES_MAX + 64 ? flow_arena_take(arena, bytes) : NULL;
  if (packed == NULL) return (stream_text){NULL, FLOW_KEY_BYTES_MAX + 1};
  size_t len = (size_t)(flow_values_write(packed, values, group->count) - packed);
  return (stream_text){(const char *)packed, len};
}

/* Decimal digits of an integer. */
static size_t put_digits(char *out, const stream_value *value) {
  char digits[24], *at = digits + sizeof digits;
  uint64_t rest = value->negative ? 0 - value->integer : value->integer;
  do *--at = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (value->negative) *--at = '-';
  size_t len = (size_t)(digits + sizeof digits - at);
  memcpy(out, at, len);
  return len;
}

stream_text flow_key_text(const stream_value *values, uint32_t count, flow_arena *arena) {
  size_t most = 0, len = 0;
  for (uint32_t i = 0; i < count; i++) most += 25 + flow_value_bytes(&values[i]);
  char *out = flow_arena_take(arena, most != 0 ? most : 1);
  if (out == NULL) return (stream_text){NULL, 0};
  for (uint32_t i = 0; i < count; i++) {
    stream_value value = normal(values[i]);
    if (i != 0) out[len++] = ':';
    switch (value.kind) {
    case STREAM_NIL: break;
    case STREAM_BOOL:
      memcpy(out + len, value.integer ? "true" : "false", value.integer ? 4 : 5);
      len += value.integer ? 4 : 5;
      break;
    case STREAM_INTEGER: len += put_digits(out + len, &value); break;
    case STREAM_STRING:
    case STREAM_BINARY:
      if (value.text.len != 0) memcpy(out + len, value.text.data, value.text.len);
      len += value.text.len;
      break;
    case STREAM_FLOAT: len += (size_t)snprintf(out + len, 25, "%.17g", value.number); break;
    default: /* whatever else is told apart by its bytes */
      len = (size_t)(flow_value_write((unsigned char *)out + len, &value) - (unsigned char *)out);
    }
  }
  return (stream_text){out, len};
}

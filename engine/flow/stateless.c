/* stateless.c - filter, map, lookup, rules: what needs no more than the row. */
#include <string.h>

#include "stage.h"

/* New columns of a row that keeps no others. */
static int replace_values(flow_run *run, const flow_stage *stage, flow_row *row) {
  stream_value *values = flow_arena_take(run->arena, stage->leaving->count * sizeof *values);
  if (values == NULL) {
    atomic_fetch_add_explicit(&stage->core->refused, 1, memory_order_relaxed);
    return 0;
  }
  flow_assign(&stage->map, row->values, values, run->arena);
  row->values = values;
  return 1;
}

/* A text that goes when the table's row is let go of. */
static stream_value keep_value(flow_arena *arena, stream_value value) {
  if (value.kind < STREAM_STRING || value.text.len == 0) return value;
  char *copy = flow_arena_take(arena, value.text.len);
  if (copy == NULL) return flow_nil();
  memcpy(copy, value.text.data, value.text.len);
  value.text.data = copy;
  return value;
}

static void look_up(flow_run *run, const flow_lookup *lookup, flow_row *row) {
  stream_value found[FLOW_COLUMNS_MAX];
  stream_value key = flow_expression_value(lookup->key.value[0], row->values, run->arena);
  stream_text text = flow_key_text(&key, 1, run->arena);
  for (uint32_t i = 0; i < lookup->fields->count; i++) found[i] = flow_nil();
  feature_row known;
  feature_hold hold;
  int is_there = text.data != NULL && key.kind != STREAM_NIL &&
                 feature_get(lookup->table, (store_bytes){text.data, text.len}, row->time_ns,
                             &known, &hold) == FEATURE_OK;
  if (is_there) {
    stream_text map = {known.values.data, known.values.len};
    flow_row_read(lookup->fields, map, found);
    for (uint32_t i = 0; i < lookup->fields->count; i++)
      found[i] = keep_value(run->arena, found[i]);
    feature_release(&hold);
  }
  for (uint32_t i = 0; i < lookup->fields->count; i++) row->values[lookup->columns[i]] = found[i];
}

/* The names of the rules that hold, as a MessagePack array. */
static stream_value match_rules(flow_run *run, const flow_stage *stage, const flow_row *row) {
  size_t bytes = 3;
  uint32_t holding = 0;
  for (uint32_t i = 0; i < stage->rules.count; i++) bytes += 5 + stage->rules.rule[i].name.len;
  unsigned char *packed = flow_arena_take(run->arena, bytes), *at = packed + 3;
  if (packed == NULL) return flow_nil();
  for (uint32_t i = 0; i < stage->rules.count; i++) {
    const flow_rule *rule = &stage->rules.rule[i];
    stream_value holds = flow_expression_value(rule->condition, row->values, run->arena);
    if (!flow_true(&holds)) continue;
    stream_value name = flow_string(rule->name);
    at = flow_value_write(at, &name);
    holding++;
  }
  packed[0] = 0xdc;
  packed[1] = (unsigned char)(holding >> 8);
  packed[2] = (unsigned char)holding;
  return (stream_value){.kind = STREAM_ARRAY,
                        .count = holding,
                        .text = {(const char *)packed, (size_t)(at - packed)}};
}

int flow_stateless_apply(flow_run *run, flow_stage *stage, flow_row *row) {
  switch (stage->operator) {
  case FLOW_FILTER: {
    stream_value holds = flow_expression_value(stage->filter, row->values, run->arena);
    return flow_true(&holds);
  }
  case FLOW_MAP:
    if (stage->leaving != stage->columns) return replace_values(run, stage, row);
    flow_assign(&stage->map, row->values, row->values, run->arena);
    return 1;
  case FLOW_LOOKUP: look_up(run, &stage->lookup, row); return 1;
  default: row->values[stage->rules.column] = match_rules(run, stage, row); return 1;
  }
}

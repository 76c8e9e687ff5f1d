/* sink.c - rows that leave a flow: as MessagePack, into a table or to whoever is called. */
#include <string.h>

#include "../stream/pack.h"
#include "set.h"

static unsigned char *put_column(unsigned char *at, stream_text name, const stream_value *value) {
  stream_value text = flow_string(name);
  return flow_value_write(flow_value_write(at, &text), value);
}

/* {column: value}; data NULL without memory. */
static stream_text write_closed(const flow_columns *columns, const stream_value *values,
                                flow_arena *arena) {
  size_t bytes = 5;
  for (uint32_t i = 0; i < columns->count; i++)
    bytes += 5 + columns->name[i].len + flow_value_bytes(&values[i]);
  unsigned char *packed = flow_arena_take(arena, bytes), *at = packed;
  if (packed == NULL) return (stream_text){NULL, 0};
  at = stream_put_map(at, columns->count);
  for (uint32_t i = 0; i < columns->count; i++) at = put_column(at, columns->name[i], &values[i]);
  return (stream_text){(const char *)packed, (size_t)(at - packed)};
}

/* Is this a column that takes the place of the event's? */
static int is_computed(const flow_core *core, stream_text name) {
  for (uint32_t i = 0; i < core->leaving->count; i++)
    if ((core->computed >> i & 1) != 0 && stream_text_equal(core->leaving->name[i], name)) return 1;
  return 0;
}

/* The event's map with the columns that were computed. */
static stream_text write_open(const flow_core *core, const flow_row *row, flow_arena *arena) {
  const flow_columns *columns = core->leaving;
  size_t bytes = 5 + row->whole.len;
  for (uint32_t i = 0; i < columns->count; i++)
    if ((core->computed >> i & 1) != 0)
      bytes += 5 + columns->name[i].len + flow_value_bytes(&row->values[i]);
  unsigned char *packed = flow_arena_take(arena, bytes);
  if (packed == NULL) return (stream_text){NULL, 0};
  stream_reader reader = {(const unsigned char *)row->whole.data,
                          (const unsigned char *)row->whole.data + row->whole.len};
  unsigned char *at = packed + 5; /* the count comes last */
  stream_value head, name;
  uint32_t count = 0;
  if (stream_read(&reader, &head) != 0) return (stream_text){NULL, 0};
  for (uint32_t left = head.count; left != 0; left--) {
    const unsigned char *start = reader.at;
    stream_reader of_name = reader;
    int named = stream_read(&of_name, &name) == 0 && name.kind == STREAM_STRING;
    if (stream_skip(&reader) != 0 || stream_skip(&reader) != 0) return (stream_text){NULL, 0};
    if (named && is_computed(core, name.text)) continue;
    memcpy(at, start, (size_t)(reader.at - start));
    at += reader.at - start;
    count++;
  }
  for (uint32_t i = 0; i < columns->count; i++) {
    if ((core->computed >> i & 1) == 0) continue;
    at = put_column(at, columns->name[i], &row->values[i]);
    count++;
  }
  stream_put(packed, 0xdf, count, 4);
  return (stream_text){(const char *)packed, (size_t)(at - packed)};
}

static stream_text key_of(const flow_run *run, const flow_row *row) {
  const flow_core *core = run->flow->core;
  stream_value values[FLOW_KEYS_MAX];
  if (core->key != NULL) {
    values[0] = flow_expression_value(core->key, row->values, run->arena);
    return flow_key_text(values, 1, run->arena);
  }
  if (core->group.count == 0) return row->event != NULL ? row->event->key : (stream_text){"", 0};
  for (uint32_t i = 0; i < core->group.count; i++)
    values[i] = flow_expression_value(core->group.value[i], row->values, run->arena);
  return flow_key_text(values, core->group.count, run->arena);
}

/* Does the table know of this row, or of a later one of its key? One of its time may be what a window
** had come to when its process ended. */
static int is_known(feature_table *table, const feature_row *row) {
  feature_row known;
  feature_hold hold;
  if (feature_get(table, row->key, FEATURE_LATEST, &known, &hold) != FEATURE_OK) return 0;
  int is_same = known.time_ns == row->time_ns && known.values.len == row->values.len &&
                memcmp(known.values.data, row->values.data, row->values.len) == 0;
  int is_later = known.time_ns > row->time_ns;
  feature_release(&hold);
  return is_same || is_later;
}

void flow_sink_put(flow_run *run, flow_row *row) {
  flow_core *core = run->flow->core;
  stream_text key = key_of(run, row);
  stream_text packed = !core->leaving->open  ? write_closed(core->leaving, row->values, run->arena)
                       : core->computed == 0 ? row->whole
                                             : write_open(core, row, run->arena);
  if (key.data == NULL || packed.data == NULL) {
    atomic_fetch_add_explicit(&core->refused, 1, memory_order_relaxed);
    return;
  }
  if (core->sink == FLOW_TO_TABLE) {
    feature_row put = {
        .time_ns = row->time_ns, .key = {key.data, key.len}, .values = {packed.data, packed.len}};
    int store_status = STORE_OK, status = FEATURE_OK;
    if (!run->again || !is_known(core->table, &put))
      status = feature_put(core->table, &put, core->merge, &store_status);
    atomic_fetch_add_explicit(status == FEATURE_OK ? &core->rows : &core->refused, 1,
                              memory_order_relaxed);
    return;
  }
  atomic_fetch_add_explicit(&core->rows, 1, memory_order_relaxed);
  flow_output output = {.user = run->flow->user,
                        .into = core->into,
                        .task = core->sink == FLOW_TO_TASK,
                        .key = key,
                        .time_ns = row->time_ns,
                        .row = packed,
                        .way = row->way};
  run->set->config.emit(run->context, &output);
}

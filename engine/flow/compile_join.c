/* compile_join.c - joins as they are written: the other chain, what meets, what comes out. */
#include <string.h>

#include "compile.h"

#define LONGEST (INT64_MAX / 4)

static int read_span(flow_compiler *c, stream_text lower, stream_text upper, stream_text window,
                     flow_join *join) {
  if (window.data != NULL) {
    if (lower.data != NULL || upper.data != NULL)
      return flow_refuse(&c->reading, "it has lower_ns and upper_ns, or window_ns, not both");
    return flow_field_integer(&c->reading, window, "window_ns", 1, LONGEST, 0, &join->window_ns);
  }
  if (lower.data == NULL || upper.data == NULL)
    return flow_refuse(&c->reading, "it needs lower_ns and upper_ns, or window_ns");
  int status =
      flow_field_integer(&c->reading, lower, "lower_ns", -LONGEST, LONGEST, 0, &join->lower_ns);
  if (status == STREAM_OK)
    status =
        flow_field_integer(&c->reading, upper, "upper_ns", -LONGEST, LONGEST, 0, &join->upper_ns);
  if (status == STREAM_OK && join->lower_ns > join->upper_ns)
    return flow_refuse(&c->reading, "lower_ns is more than upper_ns");
  return status;
}

/* [[EXPR of left, EXPR of right], ...] */
static int read_on(flow_compiler *c, stream_text packed, flow_join *join) {
  stream_reader items, pair;
  uint32_t count, two;
  int status = flow_field_items(&c->reading, packed, "on", 1, FLOW_KEYS_MAX, &items, &count);
  for (uint32_t i = 0; status == STREAM_OK && i < count; i++) {
    status = flow_field_items(&c->reading, flow_next(&items), "on", 2, 2, &pair, &two);
    for (int side = 0; status == STREAM_OK && side < 2; side++) {
      join->group[side].count = count;
      status = flow_compile_expression(c, flow_next(&pair), "on", join->sides[side],
                                       &join->group[side].value[i]);
    }
  }
  return status;
}

/* Where the columns that the output asks for come from. */
static int find_origins(flow_compiler *c, flow_join *join) {
  flow_columns *joined = join->joined;
  join->origin = flow_compile_block(c, (joined->count + 1) * sizeof *join->origin);
  if (join->origin == NULL) return STREAM_E_NOMEM;
  for (uint32_t i = 0; i < joined->count; i++) {
    stream_text name = joined->name[i];
    int side = name.len > 5 && memcmp(name.data, "left.", 5) == 0    ? 0
               : name.len > 6 && memcmp(name.data, "right.", 6) == 0 ? 1
               : flow_text_is(name, "window_start")                  ? 2
               : flow_text_is(name, "window_end")                    ? 3
                                                                     : -1;
    if (side < 0 || (side > 1 && join->window_ns == 0))
      return flow_refuse(
          &c->reading, "column %.*s is of neither side; write left.NAME or right.NAME%s",
          (int)name.len, name.data, join->window_ns != 0 ? ", window_start or window_end" : "");
    join->origin[i].side = (int8_t)side;
    if (side > 1) continue;
    size_t prefix = side == 0 ? 5 : 6;
    stream_text rest = {name.data + prefix, name.len - prefix};
    int column = flow_columns_find(join->sides[side], rest);
    if (column < 0)
      return flow_refuse(&c->reading, "the %s side has no column %.*s, or too many",
                         side == 0 ? "left" : "right", (int)rest.len, rest.data);
    join->origin[i].column = (uint32_t)column;
  }
  return STREAM_OK;
}

int flow_compile_join(flow_compiler *c, flow_chain *chain, stream_text map) {
  stream_text from, steps, on, lower, upper, window, outer, columns;
  const flow_field fields[] = {{"from", &from},      {"steps", &steps},    {"on", &on},
                               {"lower_ns", &lower}, {"upper_ns", &upper}, {"window_ns", &window},
                               {"outer", &outer},    {"columns", &columns}};
  int status = flow_fields_read(&c->reading, map, fields, 8);
  if (status != STREAM_OK) return status;
  flow_chain right;
  status = flow_compile_chain(c, from, steps, &right);
  if (status != STREAM_OK) return status;
  chain->lost = (stream_text){NULL, 0}; /* the join has keys of its own */
  flow_stage *stage = flow_compile_stage(c, chain, FLOW_JOIN, 1);
  if (stage == NULL) return c->status != STREAM_OK ? c->status : STREAM_E_INVALID;
  flow_compile_link(&right, stage, 1);
  flow_join *join = &stage->join;
  join->sides[0] = chain->columns;
  join->sides[1] = right.columns;
  status = read_span(c, lower, upper, window, join);
  if (status == STREAM_OK) status = flow_field_flag(&c->reading, outer, "outer", 0, &join->outer);
  if (status == STREAM_OK) status = read_on(c, on, join);
  if (status != STREAM_OK) return status;
  join->joined = flow_compile_columns(c, 1);
  flow_columns *to = flow_compile_columns(c, 0);
  if (join->joined == NULL || to == NULL) return STREAM_E_NOMEM;
  status = flow_compile_assignments(c, columns, "columns", join->joined, to, &join->output);
  if (status == STREAM_OK) status = find_origins(c, join);
  stage->leaving = to;
  return status == STREAM_OK ? flow_compile_replace(c, chain, to) : status;
}

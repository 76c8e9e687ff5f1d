/* compile_window.c - windows as they are written: which kind, which aggregates. */
#include <string.h>

#include "compile.h"

typedef struct fields_of_window {
  stream_text kind, emit, ttl, aggregates, size, step, offset, gap, rows, open, close, timeout;
} fields_of_window;

static const struct {
  const char *name;
  flow_window_kind kind;
} KINDS[] = {{"tumbling", FLOW_TUMBLING}, {"sliding", FLOW_TUMBLING}, {"session", FLOW_SESSION},
             {"count", FLOW_COUNT},       {"span", FLOW_SPAN},        {"running", FLOW_RUNNING}};
#define KIND_COUNT (sizeof KINDS / sizeof KINDS[0])
#define LONGEST (INT64_MAX / 4)

static int read_kind(flow_compiler *c, const fields_of_window *given, flow_window *window,
                     stream_text *kind) {
  int status = flow_field_text(&c->reading, given->kind, "kind", 32, kind);
  if (status != STREAM_OK) return status;
  for (size_t i = 0; i < KIND_COUNT && kind->data != NULL; i++)
    if (flow_text_is(*kind, KINDS[i].name)) {
      window->kind = KINDS[i].kind;
      return STREAM_OK;
    }
  return flow_refuse(&c->reading,
                     "kind is one of tumbling, sliding, session, count, span and running");
}

static int64_t divisor(int64_t a, int64_t b) {
  while (b != 0) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

static int read_panes(flow_compiler *c, const fields_of_window *given, flow_window *window,
                      int sliding) {
  int status =
      flow_field_integer(&c->reading, given->size, "size_ns", 1, LONGEST, 0, &window->size_ns);
  window->step_ns = window->size_ns;
  if (status == STREAM_OK && sliding)
    status =
        flow_field_integer(&c->reading, given->step, "step_ns", 1, LONGEST, 0, &window->step_ns);
  if (status == STREAM_OK)
    status = flow_field_integer(&c->reading, given->offset, "offset_ns", -LONGEST, LONGEST, 0,
                                &window->offset_ns);
  if (status != STREAM_OK) return status;
  if (window->step_ns > window->size_ns)
    return flow_refuse(&c->reading, "step_ns is larger than size_ns, and some rows would be in no "
                                    "window");
  window->offset_ns %= window->step_ns;
  window->pane_ns = divisor(window->size_ns, window->step_ns);
  if (window->size_ns / window->pane_ns > FLOW_PANES_MAX)
    return flow_refuse(&c->reading,
                       "a window would be made of more than %d panes; let step_ns divide size_ns, "
                       "or be larger",
                       FLOW_PANES_MAX);
  return STREAM_OK;
}

static int read_times(flow_compiler *c, const fields_of_window *given, flow_window *window,
                      stream_text kind, flow_columns *columns) {
  int64_t rows = 0;
  int status = STREAM_OK;
  switch (window->kind) {
  case FLOW_TUMBLING: return read_panes(c, given, window, flow_text_is(kind, "sliding"));
  case FLOW_SESSION:
    return flow_field_integer(&c->reading, given->gap, "gap_ns", 1, LONGEST, 0, &window->gap_ns);
  case FLOW_COUNT:
    status = flow_field_integer(&c->reading, given->rows, "rows", 1, INT64_MAX, 0, &rows);
    window->rows = (uint64_t)rows;
    return status;
  case FLOW_SPAN:
    status = flow_compile_expression(c, given->open, "open", columns, &window->open);
    if (status == STREAM_OK)
      status = flow_compile_expression(c, given->close, "close", columns, &window->close);
    if (status == STREAM_OK)
      status = flow_field_integer(&c->reading, given->timeout, "timeout_ns", 0, LONGEST, 0,
                                  &window->timeout_ns);
    return status;
  default: return status;
  }
}

/* Fields that this kind has no use for are mistakes. */
static int check_unused(flow_compiler *c, const fields_of_window *given, const flow_window *window,
                        stream_text kind) {
  int panes = window->kind == FLOW_TUMBLING, span = window->kind == FLOW_SPAN;
  const struct {
    const char *name;
    stream_text value;
    int used;
  } all[] = {{"size_ns", given->size, panes},
             {"step_ns", given->step, flow_text_is(kind, "sliding")},
             {"offset_ns", given->offset, panes},
             {"gap_ns", given->gap, window->kind == FLOW_SESSION},
             {"rows", given->rows, window->kind == FLOW_COUNT},
             {"open", given->open, span},
             {"close", given->close, span},
             {"timeout_ns", given->timeout, span},
             {"emit", given->emit, window->kind != FLOW_RUNNING}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    if (all[i].value.data != NULL && !all[i].used)
      return flow_refuse(&c->reading, "a %.*s window has no %s", (int)kind.len, kind.data,
                         all[i].name);
  return STREAM_OK;
}

/* ---- Aggregates ---- */

static int read_parameters(flow_compiler *c, stream_text packed, stream_value *values,
                           uint32_t *count) {
  stream_reader items;
  int status = flow_field_items(&c->reading, packed, "parameters", 0, 8, &items, count);
  for (uint32_t i = 0; status == STREAM_OK && i < *count; i++)
    if (stream_read(&items, &values[i]) != 0 || values[i].kind > STREAM_STRING)
      return flow_refuse(&c->reading, "parameters are numbers or texts");
  return status;
}

/* [name, function, [EXPR, ...], [literal, ...]] */
static int read_measure(flow_compiler *c, stream_text packed, flow_window *window,
                        flow_columns *from, flow_columns *to) {
  stream_reader items, arguments;
  uint32_t count, given, parameters = 0;
  stream_text name, function;
  int status = flow_field_items(&c->reading, packed, "an aggregate", 2, 4, &items, &count);
  if (status != STREAM_OK) return status;
  stream_text name_packed = flow_next(&items), function_packed = flow_next(&items);
  stream_text arguments_packed = count > 2 ? flow_next(&items) : (stream_text){NULL, 0};
  stream_text parameters_packed = count > 3 ? flow_next(&items) : (stream_text){NULL, 0};
  status =
      flow_field_text(&c->reading, name_packed, "an aggregate's column", STREAM_TEXT_MAX, &name);
  if (status == STREAM_OK)
    status =
        flow_field_text(&c->reading, function_packed, "an aggregate's function", 64, &function);
  if (status == STREAM_OK && (name.data == NULL || function.data == NULL))
    status = flow_refuse(&c->reading, "an aggregate is [name, function, [...], [...]]");
  stream_value values[8];
  if (status == STREAM_OK) status = read_parameters(c, parameters_packed, values, &parameters);
  if (status == STREAM_OK)
    status = flow_field_items(&c->reading, arguments_packed, "arguments", 0, FLOW_ARGUMENTS_MAX,
                              &arguments, &given);
  if (status != STREAM_OK) return status;
  flow_measure *measure = &window->measure[window->measure_count];
  char why[STREAM_ERR_MAX];
  status = flow_aggregate_new(function, values, parameters, &measure->aggregate,
                              &measure->argument_count, why);
  if (status == STREAM_E_INVALID)
    return flow_refuse(&c->reading, "column %.*s: %.300s", (int)name.len, name.data, why);
  if (status != STREAM_OK) return status;
  window->measure_count++; /* the core frees it from now on */
  /* a function without arguments may be given some to look at: count(x) */
  if (given != measure->argument_count)
    return flow_refuse(&c->reading, "column %.*s: %.*s takes %u values of a row, not %u",
                       (int)name.len, name.data, (int)function.len, function.data,
                       measure->argument_count, given);
  for (uint32_t i = 0; i < given; i++) {
    status = flow_compile_expression(c, flow_next(&arguments), "an aggregate", from,
                                     &measure->argument[i]);
    if (status != STREAM_OK) return status;
  }
  measure->offset = window->state_bytes;
  window->state_bytes += flow_aggregate_bytes(measure->aggregate);
  uint32_t before = to->count;
  if (flow_compile_column(c, to, name) < 0) return STREAM_E_INVALID;
  if (to->count == before)
    return flow_refuse(&c->reading, "two columns are called %.*s", (int)name.len, name.data);
  return STREAM_OK;
}

static int read_columns(flow_compiler *c, const fields_of_window *given, flow_stage *stage,
                        flow_columns *to) {
  static const stream_text BOUNDS[] = {{"window_start", 12}, {"window_end", 10}};
  const flow_group *group = &stage->group;
  for (uint32_t i = 0; i < group->count; i++)
    if (flow_compile_column(c, to, group->name[i]) < 0) return STREAM_E_INVALID;
  if (to->count != group->count)
    return flow_refuse(&c->reading, "two parts of the key have one name");
  int *const has[] = {&stage->window.has_start, &stage->window.has_end};
  for (int i = 0; i < 2 && stage->window.kind != FLOW_RUNNING; i++) {
    uint32_t before = to->count;
    if (flow_compile_column(c, to, BOUNDS[i]) < 0) return STREAM_E_INVALID;
    *has[i] = to->count != before;
  }
  stream_reader items;
  uint32_t count;
  int status = flow_field_items(&c->reading, given->aggregates, "aggregates", 0,
                                FLOW_AGGREGATES_MAX, &items, &count);
  for (uint32_t i = 0; status == STREAM_OK && i < count; i++)
    status = read_measure(c, flow_next(&items), &stage->window, stage->columns, to);
  return status;
}

int flow_compile_window(flow_compiler *c, flow_chain *chain, stream_text map) {
  fields_of_window given;
  const flow_field fields[] = {{"kind", &given.kind},        {"emit", &given.emit},
                               {"ttl_ns", &given.ttl},       {"aggregates", &given.aggregates},
                               {"size_ns", &given.size},     {"step_ns", &given.step},
                               {"offset_ns", &given.offset}, {"gap_ns", &given.gap},
                               {"rows", &given.rows},        {"open", &given.open},
                               {"close", &given.close},      {"timeout_ns", &given.timeout}};
  int status = flow_fields_read(&c->reading, map, fields, sizeof fields / sizeof fields[0]);
  if (status != STREAM_OK) return status;
  flow_stage *stage = flow_compile_stage(c, chain, FLOW_WINDOW, 1);
  if (stage == NULL) return c->status != STREAM_OK ? c->status : STREAM_E_INVALID;
  flow_window *window = &stage->window;
  stream_text kind, emit;
  status = read_kind(c, &given, window, &kind);
  if (status == STREAM_OK) status = check_unused(c, &given, window, kind);
  if (status == STREAM_OK) status = read_times(c, &given, window, kind, chain->columns);
  if (status == STREAM_OK)
    status = flow_field_integer(&c->reading, given.ttl, "ttl_ns", 0, LONGEST, 0, &window->ttl_ns);
  if (status == STREAM_OK) status = flow_field_text(&c->reading, given.emit, "emit", 16, &emit);
  if (status != STREAM_OK) return status;
  if (emit.data != NULL && !flow_text_is(emit, "close") && !flow_text_is(emit, "update"))
    return flow_refuse(&c->reading, "emit is close or update");
  window->update =
      window->kind == FLOW_RUNNING || (emit.data != NULL && flow_text_is(emit, "update"));
  flow_columns *to = flow_compile_columns(c, 0);
  if (to == NULL) return STREAM_E_NOMEM;
  status = read_columns(c, &given, stage, to);
  stage->leaving = to;
  return status == STREAM_OK ? flow_compile_replace(c, chain, to) : status;
}

/* declaration.c - see declaration.h: the chains of a flow, its steps without state, its sink. */
#include "declaration.h"

#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "set.h"

/* ---- What the core owns ---- */

static int own(flow_compiler *c, void ***list, uint32_t *count, void *item) {
  if (item != NULL && (*count & (*count - 1)) == 0) {
    void **more = realloc(*list, (*count != 0 ? *count * 2 : 1) * sizeof *more);
    if (more != NULL) *list = more;
    else item = NULL;
  }
  if (item == NULL) {
    c->status = STREAM_E_NOMEM;
    return -1;
  }
  (*list)[(*count)++] = item;
  return 0;
}

void *flow_compile_block(flow_compiler *c, size_t bytes) {
  void *block = calloc(1, bytes != 0 ? bytes : 1);
  if (own(c, &c->core->blocks, &c->core->blocks_count, block) == 0) return block;
  free(block);
  return NULL;
}

flow_columns *flow_compile_columns(flow_compiler *c, int open) {
  flow_columns *columns = calloc(1, sizeof *columns);
  if (own(c, &c->core->columns, &c->core->columns_count, columns) != 0) {
    free(columns);
    return NULL;
  }
  columns->open = open;
  return columns;
}

int flow_compile_expression(flow_compiler *c, stream_text packed, const char *name,
                            flow_columns *columns, flow_expression **out) {
  char why[STREAM_ERR_MAX];
  if (packed.data == NULL) return flow_refuse(&c->reading, "%s is missing", name);
  int status = flow_expression_compile(packed, columns, out, why);
  if (status == STREAM_E_INVALID) return flow_refuse(&c->reading, "%s: %.400s", name, why);
  if (status != STREAM_OK) return status;
  if (own(c, &c->core->expressions, &c->core->expressions_count, *out) == 0) return STREAM_OK;
  flow_expression_free(*out);
  return STREAM_E_NOMEM;
}

static int place_of(const flow_columns *columns, const char *name) {
  for (uint32_t i = 0; i < columns->count; i++)
    if (flow_text_is(columns->name[i], name)) return (int)i;
  return -1;
}

int flow_compile_column(flow_compiler *c, flow_columns *columns, stream_text name) {
  for (uint32_t i = 0; i < columns->count; i++)
    if (stream_text_equal(columns->name[i], name)) return (int)i;
  if (columns->count == FLOW_COLUMNS_MAX) {
    flow_refuse(&c->reading, "there would be more than %d columns with %.*s", FLOW_COLUMNS_MAX,
                (int)name.len, name.data);
    return -1;
  }
  columns->name[columns->count] = name;
  return (int)columns->count++;
}

/* The two items of a pair [name, EXPR]. */
static int read_pair(flow_compiler *c, stream_text packed, const char *what, stream_text *name,
                     stream_text *value) {
  stream_reader items;
  uint32_t count;
  int status = flow_field_items(&c->reading, packed, what, 2, 2, &items, &count);
  if (status != STREAM_OK) return status;
  stream_text first = flow_next(&items);
  *value = flow_next(&items);
  status = flow_field_text(&c->reading, first, "a name", STREAM_TEXT_MAX, name);
  if (status != STREAM_OK) return status;
  return name->data != NULL ? STREAM_OK : flow_refuse(&c->reading, "%s: a name is missing", what);
}

int flow_compile_assignments(flow_compiler *c, stream_text packed, const char *name,
                             flow_columns *from, flow_columns *to, flow_assignments *out) {
  stream_reader items;
  int status =
      flow_field_items(&c->reading, packed, name, 1, FLOW_COLUMNS_MAX, &items, &out->count);
  if (status != STREAM_OK) return status;
  out->item = flow_compile_block(c, out->count * sizeof *out->item);
  if (out->item == NULL) return STREAM_E_NOMEM;
  stream_text names[FLOW_COLUMNS_MAX];
  for (uint32_t i = 0; i < out->count; i++) {
    stream_text value;
    status = read_pair(c, flow_next(&items), name, &names[i], &value);
    if (status != STREAM_OK) return status;
    for (uint32_t k = 0; k < i; k++)
      if (stream_text_equal(names[k], names[i]))
        return flow_refuse(&c->reading, "two columns are called %.*s", (int)names[i].len,
                           names[i].data);
    char which[STREAM_TEXT_MAX + 1];
    memcpy(which, names[i].data, names[i].len);
    which[names[i].len] = 0;
    status = flow_compile_expression(c, value, which, from, &out->item[i].value);
    if (status != STREAM_OK) return status;
  }
  for (uint32_t i = 0; i < out->count; i++) {
    int column = flow_compile_column(c, to, names[i]);
    if (column < 0) return STREAM_E_INVALID;
    out->item[i].column = (uint32_t)column;
  }
  return STREAM_OK;
}

int flow_compile_group(flow_compiler *c, stream_text packed, flow_columns *columns,
                       flow_group *group) {
  stream_reader items;
  int status =
      flow_field_items(&c->reading, packed, "key", 0, FLOW_KEYS_MAX, &items, &group->count);
  for (uint32_t i = 0; status == STREAM_OK && i < group->count; i++) {
    stream_text value;
    status = read_pair(c, flow_next(&items), "a part of the key", &group->name[i], &value);
    if (status == STREAM_OK)
      status = flow_compile_expression(c, value, "key", columns, &group->value[i]);
  }
  return status;
}

/* ["field", name] */
static stream_text packed_field(flow_compiler *c, stream_text name) {
  unsigned char *packed = flow_compile_block(c, name.len + 10), *at = packed;
  if (packed == NULL) return (stream_text){NULL, 0};
  memcpy(at,
         "\x92\xa5"
         "field",
         7);
  at += 7;
  *at++ = 0xda;
  *at++ = (unsigned char)(name.len >> 8);
  *at++ = (unsigned char)name.len;
  memcpy(at, name.data, name.len);
  return (stream_text){(const char *)packed, name.len + 10};
}

int flow_compile_replace(flow_compiler *c, flow_chain *chain, flow_columns *columns) {
  chain->columns = columns;
  chain->computed = 0;
  for (uint32_t i = 0; i < chain->group.count; i++) {
    stream_text name = chain->group.name[i];
    uint32_t k = 0;
    while (k < columns->count && !stream_text_equal(columns->name[k], name)) k++;
    if (k == columns->count) {
      chain->lost = name;
      chain->group.count = 0;
      return STREAM_OK;
    }
    stream_text packed = packed_field(c, name);
    if (packed.data == NULL) return STREAM_E_NOMEM;
    int status = flow_compile_expression(c, packed, "key", columns, &chain->group.value[i]);
    if (status != STREAM_OK) return status;
  }
  return STREAM_OK;
}

/* ---- Stages ---- */

void flow_compile_link(flow_chain *chain, flow_stage *stage, int side) {
  if (chain->tail == NULL) {
    chain->input->first = stage;
    chain->input->side = side;
  } else {
    chain->tail->next = stage;
    chain->tail->side = side;
  }
}

flow_stage *flow_compile_stage(flow_compiler *c, flow_chain *chain, flow_operator operator,
                               int has_state) {
  flow_core *core = c->core;
  if (core->stage_count == FLOW_STEPS_MAX) {
    flow_refuse(&c->reading, "a flow has at most %d steps", FLOW_STEPS_MAX);
    return NULL;
  }
  flow_stage *stage = flow_compile_block(c, sizeof *stage);
  if (stage == NULL) return NULL;
  stage->core = core;
  stage->operator = operator;
  stage->number = c->reading.step;
  stage->columns = stage->leaving = chain->columns;
  atomic_init(&stage->due, FLOW_NEVER);
  atomic_init(&stage->watermark, INT64_MIN);
  if (has_state) {
    if (chain->lost.data != NULL) {
      flow_refuse(&c->reading,
                  "the key's column %.*s is not there any more; keep it, or put key_by before this "
                  "step",
                  (int)chain->lost.len, chain->lost.data);
      return NULL;
    }
    stage->group = chain->group;
    stage->timers = flow_compile_block(c, c->set->config.shards * sizeof *stage->timers);
    if (stage->timers == NULL) return NULL;
    for (uint32_t i = 0; i < c->set->config.shards; i++)
      atomic_init(&stage->timers[i].first, FLOW_NEVER);
  }
  flow_compile_link(chain, stage, 0);
  chain->tail = stage;
  core->stage[core->stage_count++] = stage;
  return stage;
}

/* What flow_compile_stage returned NULL for. */
static int failed(const flow_compiler *c) {
  return c->status != STREAM_OK ? c->status : STREAM_E_INVALID;
}

static void mark_computed(flow_chain *chain, uint32_t column) {
  if (chain->columns->open) chain->computed |= UINT64_C(1) << column;
}

static int compile_filter(flow_compiler *c, flow_chain *chain, stream_text packed) {
  flow_stage *stage = flow_compile_stage(c, chain, FLOW_FILTER, 0);
  if (stage == NULL) return failed(c);
  return flow_compile_expression(c, packed, "the condition", chain->columns, &stage->filter);
}

static int compile_map(flow_compiler *c, flow_chain *chain, stream_text map) {
  stream_text columns, keep;
  const flow_field fields[] = {{"columns", &columns}, {"keep", &keep}};
  int keeps, status = flow_fields_read(&c->reading, map, fields, 2);
  if (status == STREAM_OK) status = flow_field_flag(&c->reading, keep, "keep", 1, &keeps);
  if (status != STREAM_OK) return status;
  flow_stage *stage = flow_compile_stage(c, chain, FLOW_MAP, 0);
  if (stage == NULL) return failed(c);
  flow_columns *to = keeps ? chain->columns : flow_compile_columns(c, 0);
  if (to == NULL) return STREAM_E_NOMEM;
  status = flow_compile_assignments(c, columns, "columns", chain->columns, to, &stage->map);
  if (status != STREAM_OK) return status;
  stage->leaving = to;
  if (!keeps) return flow_compile_replace(c, chain, to);
  for (uint32_t i = 0; i < stage->map.count; i++) mark_computed(chain, stage->map.item[i].column);
  return STREAM_OK;
}

static int open_table(flow_compiler *c, stream_text name, feature_table **table) {
  char copy[FEATURE_NAME_MAX + 1], why[STORE_ERR_MAX];
  if (c->set->config.features == NULL)
    return flow_refuse(&c->reading, "there are no tables of features here");
  memcpy(copy, name.data, name.len);
  copy[name.len] = 0;
  *table = feature_table_find(c->set->config.features, (store_bytes){name.data, name.len});
  if (*table != NULL) return STREAM_OK;
  feature_table_config config;
  feature_table_config_init(&config);
  int status = feature_table_open(c->set->config.features, copy, &config, table, why);
  if (status == FEATURE_OK) return STREAM_OK;
  return flow_refuse(&c->reading, "table %s: %.300s", copy, why);
}

static int compile_lookup(flow_compiler *c, flow_chain *chain, stream_text map) {
  stream_text table, key, columns, name;
  const flow_field fields[] = {{"table", &table}, {"key", &key}, {"columns", &columns}};
  int status = flow_fields_read(&c->reading, map, fields, 3);
  if (status == STREAM_OK)
    status = flow_field_text(&c->reading, table, "table", FEATURE_NAME_MAX, &name);
  if (status == STREAM_OK && name.data == NULL)
    status = flow_refuse(&c->reading, "table is missing");
  if (status != STREAM_OK) return status;
  flow_stage *stage = flow_compile_stage(c, chain, FLOW_LOOKUP, 0);
  if (stage == NULL) return failed(c);
  flow_lookup *lookup = &stage->lookup;
  status = open_table(c, name, &lookup->table);
  lookup->key.count = 1;
  if (status == STREAM_OK)
    status = flow_compile_expression(c, key, "key", chain->columns, &lookup->key.value[0]);
  stream_reader items;
  uint32_t count;
  if (status == STREAM_OK)
    status = flow_field_items(&c->reading, columns, "columns", 1, FLOW_COLUMNS_MAX, &items, &count);
  if (status != STREAM_OK) return status;
  lookup->fields = flow_compile_columns(c, 0);
  lookup->columns = flow_compile_block(c, count * sizeof *lookup->columns);
  if (lookup->fields == NULL || lookup->columns == NULL) return STREAM_E_NOMEM;
  for (uint32_t i = 0; i < count; i++) {
    stream_text column, packed, field;
    status = read_pair(c, flow_next(&items), "columns", &column, &packed);
    if (status == STREAM_OK)
      status = flow_field_text(&c->reading, packed, "a field", STREAM_TEXT_MAX, &field);
    if (status != STREAM_OK) return status;
    int place = flow_compile_column(c, chain->columns, column);
    if (place < 0) return STREAM_E_INVALID;
    lookup->columns[i] = (uint32_t)place;
    lookup->fields->name[lookup->fields->count++] = field.data != NULL ? field : column;
    mark_computed(chain, (uint32_t)place);
  }
  return STREAM_OK;
}

static int compile_rules(flow_compiler *c, flow_chain *chain, stream_text map) {
  stream_text column, rules, name;
  const flow_field fields[] = {{"column", &column}, {"rules", &rules}};
  int status = flow_fields_read(&c->reading, map, fields, 2);
  if (status == STREAM_OK)
    status = flow_field_text(&c->reading, column, "column", STREAM_TEXT_MAX, &name);
  if (status != STREAM_OK) return status;
  if (name.data == NULL) name = (stream_text){"rules", 5};
  flow_stage *stage = flow_compile_stage(c, chain, FLOW_RULES, 0);
  if (stage == NULL) return failed(c);
  stream_reader items;
  status = flow_field_items(&c->reading, rules, "rules", 1, 1024, &items, &stage->rules.count);
  if (status != STREAM_OK) return status;
  stage->rules.rule = flow_compile_block(c, stage->rules.count * sizeof *stage->rules.rule);
  if (stage->rules.rule == NULL) return STREAM_E_NOMEM;
  for (uint32_t i = 0; status == STREAM_OK && i < stage->rules.count; i++) {
    stream_text condition;
    status = read_pair(c, flow_next(&items), "rules", &stage->rules.rule[i].name, &condition);
    if (status == STREAM_OK)
      status = flow_compile_expression(c, condition, "a rule", chain->columns,
                                       &stage->rules.rule[i].condition);
  }
  if (status != STREAM_OK) return status;
  int place = flow_compile_column(c, chain->columns, name);
  if (place < 0) return STREAM_E_INVALID;
  stage->rules.column = (uint32_t)place;
  mark_computed(chain, stage->rules.column);
  return STREAM_OK;
}

static int compile_key_by(flow_compiler *c, flow_chain *chain, stream_text packed) {
  memset(&chain->group, 0, sizeof chain->group);
  chain->lost = (stream_text){NULL, 0};
  int status = flow_compile_group(c, packed, chain->columns, &chain->group);
  if (status == STREAM_OK && chain->group.count == 0)
    return flow_refuse(&c->reading, "it names no key");
  return status;
}

/* ---- Chains ---- */

static const struct step {
  const char *name;
  int (*compile)(flow_compiler *c, flow_chain *chain, stream_text packed);
} STEPS[] = {{"filter", compile_filter},  {"map", compile_map},
             {"key_by", compile_key_by},  {"lookup", compile_lookup},
             {"rules", compile_rules},    {"window", flow_compile_window},
             {"join", flow_compile_join}, {"sequence", flow_compile_sequence},
             {"top", flow_compile_top}};
#define STEP_COUNT (sizeof STEPS / sizeof STEPS[0])

static int compile_step(flow_compiler *c, flow_chain *chain, stream_text packed) {
  stream_text values[STEP_COUNT];
  flow_field fields[STEP_COUNT];
  for (size_t i = 0; i < STEP_COUNT; i++) fields[i] = (flow_field){STEPS[i].name, &values[i]};
  c->reading.part = NULL;
  int status = flow_fields_read(&c->reading, packed, fields, STEP_COUNT);
  if (status != STREAM_OK) return status;
  const struct step *found = NULL;
  stream_text value = {NULL, 0};
  for (size_t i = 0; i < STEP_COUNT; i++) {
    if (values[i].data == NULL) continue;
    if (found != NULL)
      return flow_refuse(&c->reading, "it is %s and %s; a step is one thing", found->name,
                         STEPS[i].name);
    found = &STEPS[i];
    value = values[i];
  }
  if (found == NULL) return flow_refuse(&c->reading, "it says nothing");
  c->reading.part = found->name;
  return found->compile(c, chain, value);
}

static int compile_streams(flow_compiler *c, stream_text from, flow_input *input) {
  stream_reader items;
  int status = flow_field_items(&c->reading, from, "from", 1, FLOW_STREAMS_MAX, &items,
                                &input->source_count);
  for (uint32_t i = 0; status == STREAM_OK && i < input->source_count; i++) {
    flow_source *source = &input->source[i];
    atomic_init(&source->latest, INT64_MIN);
    atomic_init(&source->idle_at, FLOW_NOT_IDLE);
    status = flow_field_text(&c->reading, flow_next(&items), "a stream", STORE_NAME_MAX,
                             &source->stream);
    if (status == STREAM_OK && source->stream.data == NULL)
      status = flow_refuse(&c->reading, "a stream has no name");
    for (uint32_t k = 0; status == STREAM_OK && k < i; k++)
      if (stream_text_equal(input->source[k].stream, source->stream))
        status = flow_refuse(&c->reading, "stream %.*s is named twice", (int)source->stream.len,
                             source->stream.data);
  }
  return status;
}

int flow_compile_chain(flow_compiler *c, stream_text from, stream_text steps, flow_chain *chain) {
  flow_core *core = c->core;
  uint32_t step = c->reading.step;
  const char *part = c->reading.part;
  if (core->input_count == FLOW_INPUTS_MAX)
    return flow_refuse(&c->reading, "a flow has at most %d inputs", FLOW_INPUTS_MAX);
  flow_input *input = &core->input[core->input_count++];
  *chain = (flow_chain){.input = input};
  int status = compile_streams(c, from, input);
  if (status != STREAM_OK) return status;
  input->columns = chain->columns = flow_compile_columns(c, 1);
  if (input->columns == NULL) return STREAM_E_NOMEM;
  stream_reader items;
  uint32_t count;
  status = flow_field_items(&c->reading, steps, "steps", 0, FLOW_STEPS_MAX, &items, &count);
  for (uint32_t i = 0; status == STREAM_OK && i < count; i++) {
    c->reading.step = i + 1;
    status = compile_step(c, chain, flow_next(&items));
  }
  if (status == STREAM_OK) {
    c->reading.step = step;
    c->reading.part = part;
  }
  return status;
}

/* ---- The whole ---- */

static int compile_sink(flow_compiler *c, flow_chain *chain, stream_text map) {
  flow_core *core = c->core;
  stream_text table, stream, task, key, merge;
  const flow_field fields[] = {
      {"table", &table}, {"stream", &stream}, {"task", &task}, {"key", &key}, {"merge", &merge}};
  c->reading.part = "into";
  if (map.data == NULL)
    return flow_refuse(&c->reading, "it is missing: it names a table, a stream or a task");
  int status = flow_fields_read(&c->reading, map, fields, 5);
  if (status == STREAM_OK) status = flow_field_flag(&c->reading, merge, "merge", 0, &core->merge);
  if (status != STREAM_OK) return status;
  if ((table.data != NULL) + (stream.data != NULL) + (task.data != NULL) != 1)
    return flow_refuse(&c->reading, "it names one table, one stream or one task");
  stream_text given = table.data != NULL ? table : stream.data != NULL ? stream : task;
  core->sink = table.data != NULL    ? FLOW_TO_TABLE
               : stream.data != NULL ? FLOW_TO_STREAM
                                     : FLOW_TO_TASK;
  size_t most = table.data != NULL ? FEATURE_NAME_MAX : STORE_NAME_MAX;
  status = flow_field_text(&c->reading, given, "its name", most, &core->into);
  if (status == STREAM_OK && core->sink == FLOW_TO_TABLE)
    status = open_table(c, core->into, &core->table);
  if (status == STREAM_OK && key.data != NULL)
    status = flow_compile_expression(c, key, "key", chain->columns, &core->key);
  core->group = chain->group;
  core->leaving = chain->columns;
  core->computed = chain->computed;
  return status;
}

static void find_special(flow_core *core) {
  for (uint32_t i = 0; i < core->input_count; i++) {
    flow_input *input = &core->input[i];
    input->time_column = place_of(input->columns, "_time");
    input->key_column = place_of(input->columns, "_key");
    input->stream_column = place_of(input->columns, "_stream");
  }
}

static int compile(flow_compiler *c) {
  flow_core *core = c->core;
  stream_text whole = {(const char *)core->declaration, core->declaration_len};
  stream_reader check = {core->declaration, core->declaration + core->declaration_len};
  if (stream_skip(&check) != 0 || check.at != check.end)
    return flow_refuse(&c->reading, "the flow's declaration is no MessagePack, or is cut short");
  stream_text name, from, lateness, idle, late, arrival, steps, into;
  const flow_field fields[] = {{"name", &name},       {"from", &from},   {"lateness_ns", &lateness},
                               {"arrival", &arrival}, {"steps", &steps}, {"into", &into},
                               {"late_into", &late},  {"idle_ns", &idle}};
  c->reading.part = "the flow's declaration";
  int status = flow_fields_read(&c->reading, whole, fields, 8);
  if (status == STREAM_OK)
    status = flow_field_text(&c->reading, name, "name", FLOW_NAME_MAX, &core->name);
  if (status == STREAM_OK && core->name.data == NULL)
    status = flow_refuse(&c->reading, "name is missing");
  c->reading.flow = core->name;
  c->reading.part = NULL;
  if (status == STREAM_OK)
    status = flow_field_integer(&c->reading, lateness, "lateness_ns", 0, INT64_MAX / 4, 0,
                                &core->lateness_ns);
  if (status == STREAM_OK)
    status = flow_field_integer(&c->reading, idle, "idle_ns", 0, INT64_MAX / 4, 0, &core->idle_ns);
  if (status == STREAM_OK)
    status = flow_field_flag(&c->reading, arrival, "arrival", 0, &core->arrival);
  if (status == STREAM_OK)
    status = flow_field_text(&c->reading, late, "late_into", STORE_NAME_MAX, &core->late_into);
  flow_chain chain;
  if (status == STREAM_OK) status = flow_compile_chain(c, from, steps, &chain);
  if (status == STREAM_OK) status = compile_sink(c, &chain, into);
  if (status == STREAM_OK) find_special(core);
  return status;
}

flow_core *flow_declaration_compile(flow_set *set, const void *declaration, size_t len, char *err,
                                    int *status) {
  flow_core *core = calloc(1, sizeof *core);
  unsigned char *copy = core != NULL ? malloc(len != 0 ? len : 1) : NULL;
  if (copy == NULL) {
    free(core);
    *status = STREAM_E_NOMEM;
    return NULL;
  }
  if (len != 0) memcpy(copy, declaration, len);
  atomic_init(&core->references, 1);
  atomic_init(&core->watermark, INT64_MIN);
  atomic_init(&core->wanted, INT64_MIN);
  atomic_init(&core->rested, INT64_MIN);
  core->set = set;
  core->declaration = copy;
  core->declaration_len = len;
  flow_compiler c = {.reading = {.err = err}, .set = set, .core = core};
  *status = compile(&c);
  if (*status != STREAM_OK && c.status != STREAM_OK) *status = c.status;
  if (*status == STREAM_OK) return core;
  flow_core_free(core);
  return NULL;
}

void flow_core_free(flow_core *core) {
  for (uint32_t i = 0; i < core->stage_count; i++) {
    flow_stage *stage = core->stage[i];
    if (stage->operator == FLOW_WINDOW)
      for (uint32_t k = 0; k < stage->window.measure_count; k++)
        flow_aggregate_free(stage->window.measure[k].aggregate);
    for (uint32_t k = 0; stage->timers != NULL && k < core->set->config.shards; k++)
      free(stage->timers[k].keys);
  }
  for (uint32_t i = 0; i < core->expressions_count; i++) flow_expression_free(core->expressions[i]);
  for (uint32_t i = 0; i < core->columns_count; i++) free(core->columns[i]);
  for (uint32_t i = 0; i < core->blocks_count; i++) free(core->blocks[i]);
  free(core->expressions);
  free(core->columns);
  free(core->blocks);
  free(core->declaration);
  free(core);
}

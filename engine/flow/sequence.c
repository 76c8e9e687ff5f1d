/* sequence.c - sequences of rows by key, matched as triggers match events (stream.h): rows that do not
** fit are passed over, the latest beginning counts, a row completes a sequence at most once. */
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "shelf.h"

/* A match that has come to a step: its rows so far. */
typedef struct progress {
  int64_t start;
  flow_stored *row[STREAM_STEPS_MAX]; /* [0] NULL: there is none */
} progress;

typedef struct flow_matching {
  int64_t clock;   /* the latest time of a row that was taken */
  flow_shelf rows; /* that wait for the watermark */
  progress at[];   /* [i]: the steps to i were matched */
} flow_matching;

/* ---- As it is written ---- */

static int read_steps(flow_compiler *c, stream_text packed, flow_columns *columns,
                      flow_sequence *sequence, stream_text *names) {
  stream_reader items, pair;
  uint32_t two;
  int status =
      flow_field_items(&c->reading, packed, "steps", 2, STREAM_STEPS_MAX, &items, &sequence->count);
  for (uint32_t i = 0; status == STREAM_OK && i < sequence->count; i++) {
    status = flow_field_items(&c->reading, flow_next(&items), "steps", 2, 2, &pair, &two);
    if (status != STREAM_OK) return status;
    stream_text name = flow_next(&pair), condition = flow_next(&pair);
    status = flow_field_text(&c->reading, name, "a step's name", 64, &names[i]);
    if (status == STREAM_OK && (names[i].data == NULL || memchr(names[i].data, '.', names[i].len)))
      status = flow_refuse(&c->reading, "a step's name is a text without dots");
    for (uint32_t k = 0; status == STREAM_OK && k < i; k++)
      if (stream_text_equal(names[k], names[i]))
        status =
            flow_refuse(&c->reading, "two steps are called %.*s", (int)names[i].len, names[i].data);
    if (status == STREAM_OK)
      status = flow_compile_expression(c, condition, "a step", columns, &sequence->step[i]);
  }
  return status;
}

static int find_origins(flow_compiler *c, flow_columns *columns, flow_sequence *sequence,
                        const stream_text *names) {
  flow_columns *matched = sequence->matched;
  sequence->origin = flow_compile_block(c, (matched->count + 1) * sizeof *sequence->origin);
  if (sequence->origin == NULL) return STREAM_E_NOMEM;
  for (uint32_t i = 0; i < matched->count; i++) {
    stream_text name = matched->name[i];
    const char *dot = memchr(name.data, '.', name.len);
    stream_text step = {name.data, dot != NULL ? (size_t)(dot - name.data) : name.len};
    uint32_t k = 0;
    while (k < sequence->count && !stream_text_equal(names[k], step)) k++;
    if (dot == NULL || k == sequence->count)
      return flow_refuse(&c->reading, "column %.*s is of no step; write STEP.NAME", (int)name.len,
                         name.data);
    stream_text rest = {dot + 1, name.len - step.len - 1};
    int column = flow_columns_find(columns, rest);
    if (column < 0)
      return flow_refuse(&c->reading, "there is no column %.*s, or there are too many",
                         (int)rest.len, rest.data);
    sequence->origin[i] = (struct flow_step_origin){k, (uint32_t)column};
  }
  return STREAM_OK;
}

int flow_compile_sequence(flow_compiler *c, flow_chain *chain, stream_text map) {
  stream_text steps, within, ttl, columns, names[STREAM_STEPS_MAX];
  const flow_field fields[] = {
      {"steps", &steps}, {"within_ns", &within}, {"ttl_ns", &ttl}, {"columns", &columns}};
  int status = flow_fields_read(&c->reading, map, fields, 4);
  if (status != STREAM_OK) return status;
  flow_stage *stage = flow_compile_stage(c, chain, FLOW_SEQUENCE, 1);
  if (stage == NULL) return c->status != STREAM_OK ? c->status : STREAM_E_INVALID;
  flow_sequence *sequence = &stage->sequence;
  int64_t most = INT64_MAX / 4;
  status = flow_field_integer(&c->reading, within, "within_ns", 0, most, 0, &sequence->within_ns);
  if (status == STREAM_OK)
    status = flow_field_integer(&c->reading, ttl, "ttl_ns", 0, most, 0, &sequence->ttl_ns);
  if (status == STREAM_OK) status = read_steps(c, steps, chain->columns, sequence, names);
  if (status != STREAM_OK) return status;
  sequence->matched = flow_compile_columns(c, 1);
  flow_columns *to = flow_compile_columns(c, 0);
  if (sequence->matched == NULL || to == NULL) return STREAM_E_NOMEM;
  status =
      flow_compile_assignments(c, columns, "columns", sequence->matched, to, &sequence->output);
  if (status == STREAM_OK) status = find_origins(c, chain->columns, sequence, names);
  stage->leaving = to;
  return status == STREAM_OK ? flow_compile_replace(c, chain, to) : status;
}

/* ---- Matching ---- */

static void clear(flow_key *key, const flow_sequence *sequence, progress *at) {
  for (uint32_t i = 0; i + 1 < sequence->count; i++) {
    flow_stored_free(key, at->row[i]);
    at->row[i] = NULL;
  }
}

/* With rows[i] of the steps before the last one. */
static void complete(flow_run *run, const flow_stage *stage, const progress *at,
                     const flow_row *last) {
  const flow_sequence *sequence = &stage->sequence;
  const stream_value *steps[STREAM_STEPS_MAX] = {NULL};
  stream_value matched[FLOW_COLUMNS_MAX];
  for (uint32_t i = 0; i + 1 < sequence->count; i++) {
    steps[i] = flow_stored_values(run, at->row[i], stage->columns->count);
    if (steps[i] == NULL) {
      run->refused = 1;
      return;
    }
  }
  steps[sequence->count - 1] = last->values;
  for (uint32_t i = 0; i < sequence->matched->count; i++)
    matched[i] = steps[sequence->origin[i].step][sequence->origin[i].column];
  flow_row *row = flow_run_output(run, stage->leaving->count, last->time_ns);
  if (row != NULL) flow_assign(&sequence->output, matched, row->values, run->arena);
}

static int fits(flow_run *run, const flow_expression *step, const flow_row *row) {
  stream_value value = flow_expression_value(step, row->values, run->arena);
  return flow_true(&value);
}

static int is_over(const flow_sequence *sequence, const progress *at, int64_t now) {
  return sequence->within_ns != 0 && now > flow_time_sum(at->start, sequence->within_ns);
}

static int waits(const flow_sequence *sequence, const flow_matching *matching) {
  for (uint32_t i = 0; i + 1 < sequence->count; i++)
    if (matching->at[i].row[0] != NULL) return 1;
  return 0;
}

/* A key that has rested for longer than its ttl, when time comes to `now`, by its next row or the watermark. */
static void drop_rested(flow_key *key, flow_matching *matching, int64_t now) {
  const flow_sequence *sequence = &key->stage->sequence;
  if (sequence->ttl_ns == 0 || !waits(sequence, matching) ||
      flow_time_sum(matching->clock, sequence->ttl_ns) >= now)
    return;
  for (uint32_t i = 0; i + 1 < sequence->count; i++) clear(key, sequence, &matching->at[i]);
  atomic_fetch_add_explicit(&key->stage->core->dropped, 1, memory_order_relaxed);
}

static void match(flow_run *run, flow_key *key, flow_matching *matching, const flow_row *given) {
  const flow_stage *stage = key->stage;
  const flow_sequence *sequence = &stage->sequence;
  flow_row row = *given;
  drop_rested(key, matching, row.time_ns);
  if (row.time_ns < matching->clock) row.time_ns = matching->clock;
  matching->clock = row.time_ns;
  for (uint32_t i = sequence->count - 1; i-- > 0;) {
    progress *at = &matching->at[i];
    if (at->row[0] == NULL) continue;
    if (is_over(sequence, at, row.time_ns)) {
      clear(key, sequence, at);
    } else if (fits(run, sequence->step[i + 1], &row)) {
      if (i + 2 == sequence->count) {
        complete(run, stage, at, &row);
        clear(key, sequence, at);
        continue;
      }
      flow_stored *kept = flow_stored_new(key, &row, stage->columns->count);
      clear(key, sequence, &matching->at[i + 1]);
      if (kept == NULL) {
        run->refused = 1;
        continue;
      }
      matching->at[i + 1] = *at;
      matching->at[i + 1].row[i + 1] = kept;
      memset(at->row, 0, sizeof at->row);
    }
  }
  if (!fits(run, sequence->step[0], &row)) return;
  clear(key, sequence, &matching->at[0]);
  matching->at[0].start = row.time_ns;
  matching->at[0].row[0] = flow_stored_new(key, &row, stage->columns->count);
  if (matching->at[0].row[0] == NULL) run->refused = 1;
}

static int64_t next_due(const flow_sequence *sequence, const flow_matching *matching) {
  int64_t next = matching->rows.count != 0 ? matching->rows.row[0]->time_ns : FLOW_NEVER;
  for (uint32_t i = 0; i + 1 < sequence->count && sequence->within_ns != 0; i++) {
    const progress *at = &matching->at[i];
    int64_t end = flow_time_sum(flow_time_sum(at->start, sequence->within_ns), 1);
    if (at->row[0] != NULL && end < next) next = end;
  }
  if (sequence->ttl_ns != 0 && waits(sequence, matching)) {
    int64_t end = flow_time_sum(matching->clock, sequence->ttl_ns + 1);
    if (end < next) next = end;
  }
  return next;
}

static flow_matching *matching_of(flow_key *key) {
  if (key->state != NULL) return key->state;
  size_t bytes = sizeof(flow_matching) + (key->stage->sequence.count - 1) * sizeof(progress);
  flow_matching *matching = calloc(1, bytes);
  if (matching == NULL) return NULL;
  matching->clock = INT64_MIN;
  flow_key_charge(key, (int64_t)bytes);
  return key->state = matching;
}

static int take(flow_run *run, flow_shard *shard, flow_key *key, int side, const flow_row *row) {
  const flow_stage *stage = key->stage;
  flow_matching *matching = matching_of(key);
  (void)side;
  if (matching == NULL) {
    run->refused = 1;
    return 0;
  }
  if (stage->core->lateness_ns == 0) {
    match(run, key, matching, row);
  } else if (row->time_ns < atomic_load_explicit(&stage->watermark, memory_order_relaxed)) {
    run->late = 1;
  } else {
    flow_stored *kept = flow_stored_new(key, row, stage->columns->count);
    if (kept == NULL || flow_shelf_put(key, &matching->rows, kept) != 0) {
      flow_stored_free(key, kept);
      run->refused = 1;
    }
  }
  if (flow_key_wait(shard, key, next_due(&stage->sequence, matching)) != 0) run->refused = 1;
  return matching->rows.count != 0 || waits(&stage->sequence, matching);
}

static int64_t due(flow_run *run, flow_key *key, int64_t now, int *empty) {
  const flow_stage *stage = key->stage;
  const flow_sequence *sequence = &stage->sequence;
  flow_matching *matching = key->state;
  uint32_t over = 0;
  for (; over < matching->rows.count && matching->rows.row[over]->time_ns <= now; over++) {
    const flow_stored *kept = matching->rows.row[over];
    flow_row row = {.values = flow_stored_values(run, kept, stage->columns->count),
                    .time_ns = kept->time_ns};
    if (row.values != NULL) match(run, key, matching, &row);
    else run->refused = 1;
  }
  flow_shelf_shift(key, &matching->rows, over);
  drop_rested(key, matching, now);
  for (uint32_t i = 0; i + 1 < sequence->count; i++)
    if (is_over(sequence, &matching->at[i], now)) clear(key, sequence, &matching->at[i]);
  *empty = matching->rows.count == 0 && !waits(sequence, matching);
  return next_due(sequence, matching);
}

static void let_go(flow_key *key) {
  flow_matching *matching = key->state;
  const flow_sequence *sequence = &key->stage->sequence;
  if (matching == NULL) return;
  for (uint32_t i = 0; i + 1 < sequence->count; i++) clear(key, sequence, &matching->at[i]);
  flow_shelf_free(key, &matching->rows);
  free(matching);
}

const flow_keyed flow_sequence_keyed = {take, due, let_go};

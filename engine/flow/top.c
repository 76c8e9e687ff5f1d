/* top.c - the first n rows of each tumbling window, by a value, the greatest first. */
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "shelf.h"

/* A window's best rows so far, in order. */
typedef struct podium {
  struct podium *next;
  int64_t start;
  uint32_t count, capacity;
  struct place {
    stream_value by; /* its text is in the kept row */
    flow_stored *row;
  } *place;
} podium;

/* ---- As it is written ---- */

int flow_compile_top(flow_compiler *c, flow_chain *chain, stream_text map) {
  stream_text n, by, ties, size;
  const flow_field fields[] = {{"n", &n}, {"by", &by}, {"ties", &ties}, {"size_ns", &size}};
  int status = flow_fields_read(&c->reading, map, fields, 4);
  if (status != STREAM_OK) return status;
  if (chain->columns->open)
    return flow_refuse(&c->reading,
                       "the columns of its rows are not known; put a map that keeps no "
                       "others before it");
  flow_stage *stage = flow_compile_stage(c, chain, FLOW_TOP, 1);
  if (stage == NULL) return c->status != STREAM_OK ? c->status : STREAM_E_INVALID;
  flow_top *top = &stage->top;
  int64_t count;
  status = flow_field_integer(&c->reading, n, "n", 1, 100000, 0, &count);
  top->count = (uint32_t)count;
  if (status == STREAM_OK)
    status = flow_field_integer(&c->reading, size, "size_ns", 1, INT64_MAX / 4, 0, &top->size_ns);
  if (status == STREAM_OK) status = flow_field_flag(&c->reading, ties, "ties", 0, &top->ties);
  if (status == STREAM_OK) status = flow_compile_expression(c, by, "by", chain->columns, &top->by);
  flow_columns *to = status == STREAM_OK ? flow_compile_columns(c, 0) : NULL;
  if (to == NULL) return status == STREAM_OK ? STREAM_E_NOMEM : status;
  for (uint32_t i = 0; i < chain->columns->count; i++)
    to->name[to->count++] = chain->columns->name[i];
  uint32_t before = to->count;
  if (flow_compile_column(c, to, (stream_text){"rank", 4}) < 0) return STREAM_E_INVALID;
  if (to->count == before) return flow_refuse(&c->reading, "there is a column rank already");
  stage->leaving = to;
  return flow_compile_replace(c, chain, to);
}

/* ---- Rows ---- */

static void drop_last(flow_key *key, podium *window) {
  flow_stored_free(key, window->place[--window->count].row);
}

static void drop_window(flow_key *key, podium **link) {
  podium *window = *link;
  while (window->count != 0) drop_last(key, window);
  flow_key_charge(key, -(int64_t)(sizeof *window + window->capacity * sizeof *window->place));
  *link = window->next;
  free(window->place);
  free(window);
}

/* The windows are in the order of their times. */
static podium *window_at(flow_key *key, int64_t start) {
  podium **link = (podium **)&key->state;
  while (*link != NULL && (*link)->start < start) link = &(*link)->next;
  if (*link != NULL && (*link)->start == start) return *link;
  podium *window = calloc(1, sizeof *window);
  if (window == NULL) return NULL;
  window->start = start;
  window->next = *link;
  flow_key_charge(key, sizeof *window);
  return *link = window;
}

/* How many places are not behind the value. */
static uint32_t places_before(const podium *window, const stream_value *by) {
  uint32_t low = 0, high = window->count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (stream_compare(by, &window->place[middle].by) == STREAM_GREATER) high = middle;
    else low = middle + 1;
  }
  return low;
}

/* Rows that are behind the last place go. */
static void prune(flow_key *key, const flow_top *top, podium *window) {
  while (window->count > top->count) {
    const stream_value *last = &window->place[top->count - 1].by;
    if (top->ties && stream_compare(&window->place[window->count - 1].by, last) == STREAM_EQUAL)
      return;
    drop_last(key, window);
  }
}

static int insert(flow_key *key, podium *window, uint32_t at, flow_stored *kept, uint32_t columns) {
  if (window->count == window->capacity) {
    uint32_t capacity = window->capacity != 0 ? window->capacity * 2 : 4;
    struct place *more = realloc(window->place, capacity * sizeof *more);
    if (more == NULL) return -1;
    flow_key_charge(key, (int64_t)((capacity - window->capacity) * sizeof *more));
    window->place = more;
    window->capacity = capacity;
  }
  memmove(window->place + at + 1, window->place + at, (window->count - at) * sizeof *window->place);
  stream_value values[FLOW_COLUMNS_MAX + 1];
  flow_values_read((stream_text){kept->packed, kept->len}, values, columns + 1);
  window->place[at] = (struct place){values[columns], kept};
  window->count++;
  return 0;
}

static int take(flow_run *run, flow_shard *shard, flow_key *key, int side, const flow_row *row) {
  const flow_stage *stage = key->stage;
  const flow_top *top = &stage->top;
  uint32_t columns = stage->columns->count;
  int64_t start = flow_time_floor(row->time_ns, top->size_ns, 0);
  int64_t end = flow_time_sum(start, top->size_ns);
  stream_value by = flow_expression_value(top->by, row->values, run->arena);
  (void)side;
  if (end <= atomic_load_explicit(&stage->watermark, memory_order_relaxed)) {
    run->late = 1;
    return key->state != NULL;
  }
  if (by.kind == STREAM_NIL || by.kind > STREAM_STRING ||
      (by.kind == STREAM_FLOAT && by.number != by.number))
    return key->state != NULL;
  podium *window = window_at(key, start);
  uint32_t at = window != NULL ? places_before(window, &by) : 0;
  if (window != NULL && at >= top->count &&
      !(top->ties && stream_compare(&by, &window->place[top->count - 1].by) == STREAM_EQUAL))
    return 1;
  stream_value *values = flow_arena_take(run->arena, (columns + 1) * sizeof *values);
  flow_stored *kept = NULL;
  if (window != NULL && values != NULL) {
    memcpy(values, row->values, columns * sizeof *values);
    values[columns] = by;
    flow_row whole = {.values = values, .time_ns = row->time_ns};
    kept = flow_stored_new(key, &whole, columns + 1);
  }
  if (kept == NULL || insert(key, window, at, kept, columns) != 0) {
    flow_stored_free(key, kept);
    run->refused = 1;
  } else {
    prune(key, top, window);
  }
  if (flow_key_wait(shard, key, end) != 0) run->refused = 1;
  return key->state != NULL;
}

static void put(flow_run *run, flow_key *key, const podium *window) {
  const flow_stage *stage = key->stage;
  uint32_t columns = stage->columns->count, rank = 0;
  int64_t time = flow_time_sum(window->start, stage->top.size_ns - 1);
  for (uint32_t i = 0; i < window->count; i++) {
    int tie = stage->top.ties && i != 0 &&
              stream_compare(&window->place[i].by, &window->place[i - 1].by) == STREAM_EQUAL;
    if (!tie) rank = i + 1;
    const stream_value *values = flow_stored_values(run, window->place[i].row, columns);
    flow_row *row = values != NULL ? flow_run_output(run, columns + 1, time) : NULL;
    if (row == NULL) {
      run->refused = 1;
      return;
    }
    memcpy(row->values, values, columns * sizeof *values);
    row->values[columns] = flow_integer(rank);
  }
}

static int64_t due(flow_run *run, flow_key *key, int64_t now, int *empty) {
  int64_t size = key->stage->top.size_ns;
  podium **first = (podium **)&key->state;
  while (*first != NULL && flow_time_sum((*first)->start, size) <= now) {
    put(run, key, *first);
    drop_window(key, first);
  }
  *empty = *first == NULL;
  return *empty ? FLOW_NEVER : flow_time_sum((*first)->start, size);
}

static void let_go(flow_key *key) {
  while (key->state != NULL) drop_window(key, (podium **)&key->state);
}

const flow_keyed flow_top_keyed = {take, due, let_go};

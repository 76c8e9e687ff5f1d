/* panes.c - see panes.h. */
#include "panes.h"

#include <stdlib.h>
#include <string.h>

static const flow_window *window_of(const flow_key *key) {
  return &key->stage->window;
}

flow_panes *flow_panes_of(flow_key *key) {
  if (key->state != NULL) return key->state;
  flow_panes *panes = calloc(1, sizeof *panes);
  if (panes == NULL) return NULL;
  panes->done = atomic_load_explicit(&key->stage->watermark, memory_order_relaxed);
  panes->latest = INT64_MIN;
  flow_key_charge(key, sizeof *panes);
  return key->state = panes;
}

void flow_panes_free(flow_key *key) {
  flow_panes *panes = key->state;
  if (panes == NULL) return;
  flow_panes_drop(key, panes, 0, panes->count);
  flow_shelf_free(key, &panes->rows);
  flow_key_charge(key, -(int64_t)(sizeof *panes + panes->capacity * sizeof(flow_pane *)));
  free(panes->pane);
  free(panes);
  key->state = NULL;
}

uint32_t flow_panes_until(const flow_panes *panes, int64_t start) {
  if (panes->count == 0 || panes->pane[panes->count - 1]->start <= start) return panes->count;
  uint32_t low = 0, high = panes->count - 1;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (panes->pane[middle]->start <= start) low = middle + 1;
    else high = middle;
  }
  return low;
}

flow_pane *flow_pane_add(flow_key *key, flow_panes *panes, int64_t start) {
  const flow_window *window = window_of(key);
  if (panes->count == panes->capacity) {
    uint32_t capacity = panes->capacity != 0 ? panes->capacity * 2 : 2;
    flow_pane **more = realloc(panes->pane, capacity * sizeof(flow_pane *));
    if (more == NULL) return NULL;
    flow_key_charge(key, (int64_t)((capacity - panes->capacity) * sizeof(flow_pane *)));
    panes->pane = more;
    panes->capacity = capacity;
  }
  flow_pane *pane = malloc(sizeof *pane + window->state_bytes);
  if (pane == NULL) return NULL;
  *pane = (flow_pane){.start = start, .last = INT64_MIN};
  for (uint32_t i = 0; i < window->measure_count; i++)
    flow_aggregate_begin(window->measure[i].aggregate, pane->state + window->measure[i].offset);
  flow_key_charge(key, (int64_t)(sizeof *pane + window->state_bytes));
  uint32_t at = flow_panes_until(panes, start);
  memmove(panes->pane + at + 1, panes->pane + at, (panes->count - at) * sizeof(flow_pane *));
  panes->pane[at] = pane;
  panes->count++;
  return pane;
}

void flow_panes_drop(flow_key *key, flow_panes *panes, uint32_t from, uint32_t count) {
  const flow_window *window = window_of(key);
  int64_t held = 0;
  for (uint32_t i = from; i < from + count; i++) {
    flow_pane *pane = panes->pane[i];
    for (uint32_t k = 0; k < window->measure_count; k++)
      flow_aggregate_end(window->measure[k].aggregate, pane->state + window->measure[k].offset,
                         &held);
    held -= (int64_t)(sizeof *pane + window->state_bytes);
    free(pane);
  }
  if (count == 0) return;
  flow_key_charge(key, held);
  panes->count -= count;
  memmove(panes->pane + from, panes->pane + from + count,
          (panes->count - from) * sizeof(flow_pane *));
}

void flow_pane_take(flow_run *run, flow_key *key, flow_pane *pane, const flow_row *row) {
  const flow_window *window = window_of(key);
  int64_t held = 0;
  for (uint32_t i = 0; i < window->measure_count; i++) {
    const flow_measure *measure = &window->measure[i];
    stream_value arguments[FLOW_ARGUMENTS_MAX];
    for (uint32_t k = 0; k < measure->argument_count; k++)
      arguments[k] = flow_expression_value(measure->argument[k], row->values, run->arena);
    if (flow_aggregate_add(measure->aggregate, pane->state + measure->offset, arguments,
                           row->time_ns, &held) != STREAM_OK)
      run->refused = 1;
  }
  pane->rows++;
  if (row->time_ns > pane->last) pane->last = row->time_ns;
  if (held != 0) flow_key_charge(key, held);
}

void flow_pane_merge(flow_run *run, flow_key *key, flow_pane *pane, const flow_pane *later) {
  const flow_window *window = window_of(key);
  int64_t held = 0;
  for (uint32_t i = 0; i < window->measure_count; i++) {
    const flow_measure *measure = &window->measure[i];
    if (flow_aggregate_merge(measure->aggregate, pane->state + measure->offset,
                             later->state + measure->offset, &held) != STREAM_OK)
      run->refused = 1;
  }
  pane->rows += later->rows;
  if (later->last > pane->last) pane->last = later->last;
  if (held != 0) flow_key_charge(key, held);
}

/* Several panes in one, in the arena; its states must be ended. NULL without memory. */
static char *gather(flow_run *run, const flow_window *window, flow_pane *const *panes,
                    uint32_t count, int64_t *held) {
  char *state = flow_arena_take(run->arena, window->state_bytes + 1);
  if (state == NULL) return NULL;
  for (uint32_t i = 0; i < window->measure_count; i++) {
    const flow_measure *measure = &window->measure[i];
    flow_aggregate_begin(measure->aggregate, state + measure->offset);
    for (uint32_t k = 0; k < count; k++)
      if (flow_aggregate_merge(measure->aggregate, state + measure->offset,
                               panes[k]->state + measure->offset, held) != STREAM_OK)
        run->refused = 1;
  }
  return state;
}

void flow_panes_put(flow_run *run, flow_key *key, flow_pane *const *panes, uint32_t count,
                    int64_t start, int64_t end, int64_t time) {
  const flow_stage *stage = key->stage;
  const flow_window *window = &stage->window;
  int64_t held = 0;
  char *gathered = count > 1 ? gather(run, window, panes, count, &held) : NULL;
  const char *state = count == 1 ? panes[0]->state : gathered;
  flow_row *row = state != NULL ? flow_run_output(run, stage->leaving->count, time) : NULL;
  char *text = row != NULL ? flow_run_copy(run, key->text, key->len) : NULL;
  uint32_t column = stage->group.count;
  if (text != NULL) {
    flow_values_read((stream_text){text, key->len}, row->values, column);
    if (window->has_start) row->values[column++] = flow_integer(start);
    if (window->has_end) row->values[column++] = flow_integer(end);
    for (uint32_t i = 0; i < window->measure_count; i++)
      row->values[column++] = flow_aggregate_result(window->measure[i].aggregate,
                                                    state + window->measure[i].offset, run->arena);
  } else {
    run->refused = 1;
  }
  for (uint32_t i = 0; gathered != NULL && i < window->measure_count; i++)
    flow_aggregate_end(window->measure[i].aggregate, gathered + window->measure[i].offset, &held);
}

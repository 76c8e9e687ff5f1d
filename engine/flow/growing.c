/* growing.c - windows of one pane that grows: counts, spans, running results.
**
** What ends by its timeout or by rest has ended at that time, whether it is another key's row or its own
** next one that tells: what leaves does not depend on how rows of keys are mixed.
**
** Rows of a span are taken in the order of their times, if the flow has a lateness: they wait until
** the watermark has come to them. Without one, and for counts and running results, they are taken as
** they come.
*/
#include "panes.h"

static void put(flow_run *run, flow_key *key, flow_panes *panes, int64_t time) {
  const flow_pane *pane = panes->pane[0];
  flow_panes_put(run, key, panes->pane, 1, pane->start, pane->last, time);
}

static void put_last(flow_run *run, flow_key *key, flow_panes *panes, int64_t time) {
  if (!key->stage->window.update) put(run, key, panes, time);
  flow_panes_drop(key, panes, 0, 1);
}

/* The row counts in the pane, which is made if there is none. 0, or -1 without memory. */
static int count_row(flow_run *run, flow_key *key, flow_panes *panes, const flow_row *row) {
  if (panes->count == 0 && flow_pane_add(key, panes, row->time_ns) == NULL) {
    run->refused = 1;
    return -1;
  }
  flow_pane *pane = panes->pane[0];
  flow_pane_take(run, key, pane, row);
  if (row->time_ns < pane->start) pane->start = row->time_ns;
  return 0;
}

/* When its timeout ends the pane; FLOW_NEVER. */
static int64_t times_out(const flow_window *window, const flow_panes *panes) {
  if (panes->count == 0 || window->timeout_ns == 0) return FLOW_NEVER;
  return flow_time_sum(panes->pane[0]->start, window->timeout_ns);
}

/* When its key has rested for longer than it may. */
static int64_t has_rested(const flow_window *window, const flow_panes *panes) {
  if (panes->count == 0 || window->ttl_ns == 0) return FLOW_NEVER;
  return flow_time_sum(panes->latest, window->ttl_ns + 1);
}

/* Time has come to `now`, by a row of the key or the watermark: what comes first ends the pane. */
static void end_by(flow_run *run, flow_key *key, flow_panes *panes, int64_t now) {
  const flow_window *window = &key->stage->window;
  int64_t end = times_out(window, panes), rest = has_rested(window, panes);
  if (end <= rest && end <= now && end != FLOW_NEVER) {
    put_last(run, key, panes, end);
  } else if (rest <= now && rest != FLOW_NEVER) {
    flow_panes_drop(key, panes, 0, 1);
    atomic_fetch_add_explicit(&key->stage->core->dropped, 1, memory_order_relaxed);
  }
}

static int holds(flow_run *run, const flow_expression *condition, const flow_row *row) {
  stream_value value = flow_expression_value(condition, row->values, run->arena);
  return flow_true(&value);
}

static void take_span(flow_run *run, flow_key *key, flow_panes *panes, const flow_row *row) {
  const flow_window *window = &key->stage->window;
  int64_t time = row->time_ns;
  if (holds(run, window->open, row)) {
    if (panes->count != 0) put_last(run, key, panes, time);
  } else if (panes->count == 0) {
    return;
  } else if (time < panes->pane[0]->start) {
    run->late = 1;
    return;
  }
  if (count_row(run, key, panes, row) != 0) return;
  if (window->update) put(run, key, panes, time);
  if (holds(run, window->close, row)) put_last(run, key, panes, time);
}

static void take_one(flow_run *run, flow_key *key, flow_panes *panes, const flow_row *row) {
  const flow_window *window = &key->stage->window;
  end_by(run, key, panes, row->time_ns);
  if (row->time_ns > panes->latest) panes->latest = row->time_ns;
  if (window->kind == FLOW_SPAN) {
    take_span(run, key, panes, row);
    return;
  }
  if (count_row(run, key, panes, row) != 0) return;
  if (window->update) put(run, key, panes, row->time_ns);
  if (window->kind == FLOW_COUNT && panes->pane[0]->rows >= window->rows)
    put_last(run, key, panes, panes->pane[0]->last);
}

/* When something is to be done without a row. */
static int64_t next_due(const flow_window *window, const flow_panes *panes) {
  int64_t next = panes->rows.count != 0 ? panes->rows.row[0]->time_ns : FLOW_NEVER;
  int64_t end = times_out(window, panes), rest = has_rested(window, panes);
  if (end < next) next = end;
  return rest < next ? rest : next;
}

static int is_empty(const flow_panes *panes) {
  return panes->count == 0 && panes->rows.count == 0;
}

int flow_growing_take(flow_run *run, flow_shard *shard, flow_key *key, const flow_row *row) {
  const flow_window *window = &key->stage->window;
  flow_panes *panes = flow_panes_of(key);
  if (panes == NULL) {
    run->refused = 1;
    return 0;
  }
  if (window->kind != FLOW_SPAN || key->stage->core->lateness_ns == 0) {
    take_one(run, key, panes, row);
  } else if (row->time_ns < atomic_load_explicit(&key->stage->watermark, memory_order_relaxed)) {
    run->late = 1;
  } else {
    flow_stored *kept = flow_stored_new(key, row, key->stage->columns->count);
    if (kept == NULL || flow_shelf_put(key, &panes->rows, kept) != 0) {
      flow_stored_free(key, kept);
      run->refused = 1;
    }
  }
  if (flow_key_wait(shard, key, next_due(window, panes)) != 0) run->refused = 1;
  return !is_empty(panes);
}

int64_t flow_growing_due(flow_run *run, flow_key *key, int64_t now, int *empty) {
  const flow_window *window = &key->stage->window;
  flow_panes *panes = key->state;
  uint32_t columns = key->stage->columns->count, over = 0;
  for (; over < panes->rows.count && panes->rows.row[over]->time_ns <= now; over++) {
    const flow_stored *kept = panes->rows.row[over];
    flow_row row = {.values = flow_stored_values(run, kept, columns), .time_ns = kept->time_ns};
    if (row.values != NULL) take_one(run, key, panes, &row);
    else run->refused = 1;
  }
  flow_shelf_shift(key, &panes->rows, over);
  end_by(run, key, panes, now);
  *empty = is_empty(panes);
  return next_due(window, panes);
}

/* window.c - windows by key; tumbling and sliding ones, of panes. */
#include "panes.h"

static int take(flow_run *run, flow_shard *shard, flow_key *key, int side, const flow_row *row) {
  (void)side;
  switch (key->stage->window.kind) {
  case FLOW_TUMBLING: return flow_tumbling_take(run, shard, key, row);
  case FLOW_SESSION: return flow_session_take(run, shard, key, row);
  default: return flow_growing_take(run, shard, key, row);
  }
}

static int64_t due(flow_run *run, flow_key *key, int64_t now, int *empty) {
  switch (key->stage->window.kind) {
  case FLOW_TUMBLING: return flow_tumbling_due(run, key, now, empty);
  case FLOW_SESSION: return flow_session_due(run, key, now, empty);
  default: return flow_growing_due(run, key, now, empty);
  }
}

const flow_keyed flow_window_keyed = {take, due, flow_panes_free};

/* ---- Panes ---- */

/* The end of the last window that a pane is in. */
static int64_t last_end(const flow_window *window, int64_t pane) {
  if (window->pane_ns == window->size_ns) return flow_time_sum(pane, window->size_ns);
  int64_t start = flow_time_floor(pane, window->step_ns, window->offset_ns);
  return flow_time_sum(start, window->size_ns);
}

/* The end of the first window that the first pane is in and that has not given its result. */
static int64_t next_end(const flow_window *window, const flow_panes *panes) {
  int64_t pane = panes->pane[0]->start, step = window->step_ns;
  if (window->pane_ns == window->size_ns && flow_time_sum(pane, window->size_ns) > panes->done)
    return flow_time_sum(pane, window->size_ns);
  int64_t earliest = flow_time_sum(pane, window->pane_ns - window->size_ns);
  int64_t start = flow_time_floor(flow_time_sum(earliest, step - 1), step, window->offset_ns);
  int64_t end = flow_time_sum(start, window->size_ns);
  if (end > panes->done) return end;
  start = flow_time_floor(flow_time_sum(panes->done, -window->size_ns), step, window->offset_ns);
  return flow_time_sum(flow_time_sum(start, step), window->size_ns);
}

/* The result of the window that ends then, if it has rows. */
static void put_window(flow_run *run, flow_key *key, const flow_panes *panes, int64_t end) {
  int64_t start = flow_time_sum(end, -key->stage->window.size_ns);
  uint32_t from = flow_panes_until(panes, flow_time_sum(start, -1));
  uint32_t until = flow_panes_until(panes, flow_time_sum(end, -1));
  if (from < until)
    flow_panes_put(run, key, panes->pane + from, until - from, start, end, flow_time_sum(end, -1));
}

int flow_tumbling_take(flow_run *run, flow_shard *shard, flow_key *key, const flow_row *row) {
  const flow_window *window = &key->stage->window;
  int64_t watermark = atomic_load_explicit(&key->stage->watermark, memory_order_relaxed);
  int64_t start = flow_time_floor(row->time_ns, window->pane_ns, window->offset_ns);
  flow_panes *panes = flow_panes_of(key);
  if (panes == NULL) {
    run->refused = 1;
    return 0;
  }
  /* unless what is due then is still to be fired */
  if (watermark > panes->done && (panes->count == 0 || next_end(window, panes) > watermark))
    panes->done = watermark;
  if (last_end(window, start) <= panes->done) {
    run->late = 1;
    return panes->count != 0;
  }
  uint32_t at = flow_panes_until(panes, start);
  flow_pane *pane = at != 0 && panes->pane[at - 1]->start == start
                        ? panes->pane[at - 1]
                        : flow_pane_add(key, panes, start);
  if (pane == NULL) {
    run->refused = 1;
    return panes->count != 0;
  }
  flow_pane_take(run, key, pane, row);
  if (flow_key_wait(shard, key, next_end(window, panes)) != 0) run->refused = 1;
  if (!window->update) return 1;
  for (int64_t end = last_end(window, start); end > panes->done && end > row->time_ns;
       end = flow_time_sum(end, -window->step_ns)) {
    int64_t from = flow_time_sum(end, -window->size_ns);
    uint32_t first = flow_panes_until(panes, flow_time_sum(from, -1));
    uint32_t until = flow_panes_until(panes, flow_time_sum(end, -1));
    flow_panes_put(run, key, panes->pane + first, until - first, from, end, row->time_ns);
  }
  return 1;
}

int64_t flow_tumbling_due(flow_run *run, flow_key *key, int64_t now, int *empty) {
  const flow_window *window = &key->stage->window;
  flow_panes *panes = key->state;
  int64_t next = FLOW_NEVER;
  while (panes->count != 0 && (next = next_end(window, panes)) <= now) {
    if (!window->update) put_window(run, key, panes, next);
    panes->done = next;
    uint32_t over = 0;
    while (over < panes->count && last_end(window, panes->pane[over]->start) <= next) over++;
    flow_panes_drop(key, panes, 0, over);
  }
  if (now > panes->done) panes->done = now;
  *empty = panes->count == 0;
  return *empty ? FLOW_NEVER : next;
}

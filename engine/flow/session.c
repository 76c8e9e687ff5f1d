/* session.c - session windows: rows that follow one another within a gap; sessions that meet merge. */
#include "panes.h"

/* Does a row at this time belong to the session? */
static int meets(const flow_pane *session, int64_t time, int64_t gap) {
  return time < flow_time_sum(session->last, gap) && session->start < flow_time_sum(time, gap);
}

static int64_t earliest_end(const flow_panes *panes, int64_t gap) {
  int64_t earliest = FLOW_NEVER;
  for (uint32_t i = 0; i < panes->count; i++) {
    int64_t end = flow_time_sum(panes->pane[i]->last, gap);
    if (end < earliest) earliest = end;
  }
  return earliest;
}

int flow_session_take(flow_run *run, flow_shard *shard, flow_key *key, const flow_row *row) {
  int64_t gap = key->stage->window.gap_ns, time = row->time_ns;
  int64_t watermark = atomic_load_explicit(&key->stage->watermark, memory_order_relaxed);
  flow_panes *panes = flow_panes_of(key);
  if (panes == NULL) {
    run->refused = 1;
    return 0;
  }
  uint32_t first = 0, until;
  while (first < panes->count && !meets(panes->pane[first], time, gap)) first++;
  for (until = first; until < panes->count && meets(panes->pane[until], time, gap);) until++;
  if (first == until && flow_time_sum(time, gap) <= watermark) {
    run->late = 1;
    return panes->count != 0;
  }
  flow_pane *session = first < until ? panes->pane[first] : flow_pane_add(key, panes, time);
  if (session == NULL) {
    run->refused = 1;
    return panes->count != 0;
  }
  flow_pane_take(run, key, session, row);
  if (time < session->start) session->start = time;
  for (uint32_t i = first + 1; i < until; i++) flow_pane_merge(run, key, session, panes->pane[i]);
  if (first + 1 < until) flow_panes_drop(key, panes, first + 1, until - first - 1);
  int64_t end = flow_time_sum(session->last, gap);
  if (flow_key_wait(shard, key, end) != 0) run->refused = 1;
  if (key->stage->window.update) flow_panes_put(run, key, &session, 1, session->start, end, time);
  return 1;
}

int64_t flow_session_due(flow_run *run, flow_key *key, int64_t now, int *empty) {
  const flow_window *window = &key->stage->window;
  flow_panes *panes = key->state;
  for (uint32_t i = 0; i < panes->count;) {
    flow_pane *session = panes->pane[i];
    int64_t end = flow_time_sum(session->last, window->gap_ns);
    if (end > now) {
      i++;
      continue;
    }
    if (!window->update)
      flow_panes_put(run, key, &session, 1, session->start, end, flow_time_sum(end, -1));
    flow_panes_drop(key, panes, i, 1);
  }
  *empty = panes->count == 0;
  return earliest_end(panes, window->gap_ns);
}

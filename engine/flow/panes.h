/* panes.h - the states of a window's aggregates, by key: what windows of all kinds are made of.
**
** A pane holds what the rows of a stretch of time have come to. Tumbling windows are one pane each,
** sliding ones several; a session, a span, a count and a running window are a pane that grows.
*/
#ifndef FLOW_PANES_H
#define FLOW_PANES_H

#include "shelf.h"

typedef struct flow_pane {
  int64_t start; /* of the stretch; of one that grows, its first row's time */
  int64_t last;  /* the latest row's time */
  uint64_t rows;
  _Alignas(8) char state[]; /* of all measures */
} flow_pane;

/* A key of a window. */
typedef struct flow_panes {
  flow_pane **pane; /* by start */
  uint32_t count, capacity;
  int64_t done;    /* windows that end until then have given their results */
  int64_t latest;  /* the latest row's time */
  flow_shelf rows; /* that wait until the watermark has passed them */
} flow_panes;

/* The key's, made if there are none yet; NULL without memory. */
flow_panes *flow_panes_of(flow_key *key);
void flow_panes_free(flow_key *key);
/* How many panes begin before or at this time. */
uint32_t flow_panes_until(const flow_panes *panes, int64_t start);
/* A new one in its place; NULL without memory. */
flow_pane *flow_pane_add(flow_key *key, flow_panes *panes, int64_t start);
/* The first `count`, from a place on, go. */
void flow_panes_drop(flow_key *key, flow_panes *panes, uint32_t from, uint32_t count);
/* A row counts. */
void flow_pane_take(flow_run *run, flow_key *key, flow_pane *pane, const flow_row *row);
/* What a later pane holds counts here too. */
void flow_pane_merge(flow_run *run, flow_key *key, flow_pane *pane, const flow_pane *later);
/* A result of what `count` panes hold together. end: as a column; time: of the row. */
void flow_panes_put(flow_run *run, flow_key *key, flow_pane *const *panes, uint32_t count,
                    int64_t start, int64_t end, int64_t time);

/* By kind; as flow_keyed has them. */
int flow_tumbling_take(flow_run *run, flow_shard *shard, flow_key *key, const flow_row *row);
int64_t flow_tumbling_due(flow_run *run, flow_key *key, int64_t now, int *empty);
int flow_session_take(flow_run *run, flow_shard *shard, flow_key *key, const flow_row *row);
int64_t flow_session_due(flow_run *run, flow_key *key, int64_t now, int *empty);
int flow_growing_take(flow_run *run, flow_shard *shard, flow_key *key, const flow_row *row);
int64_t flow_growing_due(flow_run *run, flow_key *key, int64_t now, int *empty);

#endif

/* shelf.h - rows that a key keeps: packed, in the order of their times. */
#ifndef FLOW_SHELF_H
#define FLOW_SHELF_H

#include "keyed.h"

typedef struct flow_stored {
  int64_t time_ns;
  uint32_t len;
  uint32_t mark; /* the stage's own */
  char packed[];
} flow_stored;

typedef struct flow_shelf {
  flow_stored **row;
  uint32_t count, capacity;
} flow_shelf;

/* A copy of a row's values; NULL without memory. */
flow_stored *flow_stored_new(flow_key *key, const flow_row *row, uint32_t columns);
void flow_stored_free(flow_key *key, flow_stored *kept);
/* Its values, in the run's arena; NULL without memory. */
stream_value *flow_stored_values(flow_run *run, const flow_stored *kept, uint32_t columns);

/* Behind those of the same time. 0, or -1 without memory, and then the row is still the caller's. */
int flow_shelf_put(flow_key *key, flow_shelf *shelf, flow_stored *kept);
/* The place of the first row that is not before this time. */
uint32_t flow_shelf_find(const flow_shelf *shelf, int64_t time_ns);
/* The first `count` rows go. */
void flow_shelf_shift(flow_key *key, flow_shelf *shelf, uint32_t count);
void flow_shelf_free(flow_key *key, flow_shelf *shelf);

#endif

/* shelf.c - see shelf.h. */
#include "shelf.h"

#include <stdlib.h>
#include <string.h>

flow_stored *flow_stored_new(flow_key *key, const flow_row *row, uint32_t columns) {
  size_t bytes = flow_values_bytes(row->values, columns);
  if (bytes > UINT32_MAX) return NULL;
  flow_stored *kept = malloc(sizeof *kept + bytes);
  if (kept == NULL) return NULL;
  kept->time_ns = row->time_ns;
  kept->mark = 0;
  kept->len = (uint32_t)bytes; /* as it was allocated and is charged */
  flow_values_write((unsigned char *)kept->packed, row->values, columns);
  flow_key_charge(key, (int64_t)(sizeof *kept + bytes));
  return kept;
}

void flow_stored_free(flow_key *key, flow_stored *kept) {
  if (kept == NULL) return;
  flow_key_charge(key, -(int64_t)(sizeof *kept + kept->len));
  free(kept);
}

stream_value *flow_stored_values(flow_run *run, const flow_stored *kept, uint32_t columns) {
  stream_value *values = flow_arena_take(run->arena, (columns + 1) * sizeof *values);
  char *packed = flow_run_copy(run, kept->packed, kept->len);
  if (values == NULL || packed == NULL) return NULL;
  flow_values_read((stream_text){packed, kept->len}, values, columns);
  return values;
}

uint32_t flow_shelf_find(const flow_shelf *shelf, int64_t time_ns) {
  uint32_t low = 0, high = shelf->count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (shelf->row[middle]->time_ns < time_ns) low = middle + 1;
    else high = middle;
  }
  return low;
}

int flow_shelf_put(flow_key *key, flow_shelf *shelf, flow_stored *kept) {
  if (shelf->count == shelf->capacity) {
    uint32_t capacity = shelf->capacity != 0 ? shelf->capacity * 2 : 4;
    flow_stored **more = realloc(shelf->row, capacity * sizeof(flow_stored *));
    if (more == NULL) return -1;
    flow_key_charge(key, (int64_t)((capacity - shelf->capacity) * sizeof(flow_stored *)));
    shelf->row = more;
    shelf->capacity = capacity;
  }
  uint32_t at = shelf->count;
  if (at != 0 && shelf->row[at - 1]->time_ns > kept->time_ns)
    at = flow_shelf_find(shelf, flow_time_sum(kept->time_ns, 1));
  memmove(shelf->row + at + 1, shelf->row + at, (shelf->count - at) * sizeof(flow_stored *));
  shelf->row[at] = kept;
  shelf->count++;
  return 0;
}

void flow_shelf_shift(flow_key *key, flow_shelf *shelf, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) flow_stored_free(key, shelf->row[i]);
  shelf->count -= count;
  if (count != 0) memmove(shelf->row, shelf->row + count, shelf->count * sizeof(flow_stored *));
}

void flow_shelf_free(flow_key *key, flow_shelf *shelf) {
  flow_shelf_shift(key, shelf, shelf->count);
  flow_key_charge(key, -(int64_t)(shelf->capacity * sizeof(flow_stored *)));
  free(shelf->row);
  *shelf = (flow_shelf){NULL, 0, 0};
}

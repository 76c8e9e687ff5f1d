/* read.c - rows out, without a lock: the row of a time, all rows, the rows of a key. */
#include <stdlib.h>

#include "table.h"

/* A key is expired by the clock, and a row by the time that is asked for. */
static const feature_node *row_at(const feature_table *table, const feature_entry *entry,
                                  int64_t at_ns, int64_t now_ns) {
  if (feature_is_expired(table, entry, now_ns)) return NULL;
  const feature_node *row = atomic_load(&entry->latest);
  while (row != NULL && row->time_ns > at_ns) row = atomic_load(&row->older);
  if (row == NULL || row->removed) return NULL;
  uint64_t ttl = atomic_load_explicit(&table->ttl_ns, memory_order_relaxed);
  int is_old =
      ttl != 0 && at_ns != FEATURE_LATEST && (uint64_t)at_ns - (uint64_t)row->time_ns > ttl;
  return is_old ? NULL : row;
}

static int64_t now_of(const feature_table *table) {
  return atomic_load_explicit(&table->ttl_ns, memory_order_relaxed) != 0 ? feature_now() : 0;
}

static feature_row row_of(const feature_entry *entry, const feature_node *row) {
  return (feature_row){
      row->time_ns, row->version, {entry->key, entry->key_len}, {row->values, row->len}};
}

static const feature_entry *find(feature_table *table, store_bytes key) {
  uint64_t hash = feature_hash(table, key);
  return feature_map_find(atomic_load(&feature_part_of(table, hash)->map), key, hash);
}

int feature_get(feature_table *table, store_bytes key, int64_t at_ns, feature_row *row,
                feature_hold *hold) {
  feature_stripe *stripe = &table->stripes[feature_reader() % FEATURE_STRIPES];
  atomic_fetch_add_explicit(&stripe->gets, 1, memory_order_relaxed);
  void *pinned = feature_pin(table->epoch);
  const feature_entry *entry = find(table, key);
  const feature_node *found = entry != NULL ? row_at(table, entry, at_ns, now_of(table)) : NULL;
  if (found == NULL) {
    feature_unpin(pinned);
    atomic_fetch_add_explicit(&stripe->misses, 1, memory_order_relaxed);
    return FEATURE_E_NONE;
  }
  *row = row_of(entry, found);
  hold->held = pinned;
  return FEATURE_OK;
}

void feature_release(feature_hold *hold) {
  feature_unpin(hold->held);
}

int64_t feature_scan(feature_table *table, int64_t at_ns, uint64_t most, feature_visit *visit,
                     void *arg) {
  int64_t visited = 0, now = now_of(table);
  int stopped = most == 0;
  for (uint32_t p = 0; p < FEATURE_PARTS && !stopped; p++) {
    void *pinned = feature_pin(table->epoch);
    const feature_map *map = atomic_load(&table->parts[p].map);
    for (uint32_t i = 0; map != NULL && i <= map->mask && !stopped; i++) {
      const feature_entry *entry = atomic_load(&map->slot[i]);
      /* what stands where an entry was has no rows */
      if (entry == NULL || atomic_load(&entry->latest) == NULL) continue;
      const feature_node *row = row_at(table, entry, at_ns, now);
      if (row == NULL) continue;
      feature_row shown = row_of(entry, row);
      visited++;
      stopped = visit(arg, &shown) != 0 || (uint64_t)visited == most;
    }
    feature_unpin(pinned);
  }
  return visited;
}

int64_t feature_history(feature_table *table, store_bytes key, feature_visit *visit, void *arg) {
  void *pinned = feature_pin(table->epoch);
  const feature_entry *entry = find(table, key);
  const feature_node **rows = NULL;
  size_t count = 0, room = 0;
  int64_t visited = 0;
  if (entry != NULL && !feature_is_expired(table, entry, now_of(table)))
    for (const feature_node *row = atomic_load(&entry->latest); row != NULL;
         row = atomic_load(&row->older)) {
      if (row->removed) continue;
      if (count == room) {
        const feature_node **more = realloc(rows, (room = 2 * room + 4) * sizeof *rows);
        if (more == NULL) {
          visited = FEATURE_E_NOMEM;
          count = 0;
          break;
        }
        rows = more;
      }
      rows[count++] = row;
    }
  while (count-- != 0) {
    feature_row shown = row_of(entry, rows[count]);
    visited++;
    if (visit(arg, &shown) != 0) break;
  }
  feature_unpin(pinned);
  free(rows);
  return visited;
}

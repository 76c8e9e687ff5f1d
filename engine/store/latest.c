/* latest.c - see latest.h. */
#include "latest.h"

#include <stdlib.h>

#define SMALLEST 256u

int store_latest_init(store_latest *latest) {
  *latest = (store_latest){.mask = SMALLEST - 1};
  latest->entries = calloc(SMALLEST, sizeof *latest->entries);
  return latest->entries != NULL ? 0 : -1;
}

void store_latest_free(store_latest *latest) {
  free(latest->entries);
}

struct store_latest_entry *store_latest_find(const store_latest *latest, uint64_t hash,
                                             store_bytes key, store_is_key *is_key, void *arg) {
  for (uint32_t i = (uint32_t)hash & latest->mask;; i = (i + 1) & latest->mask) {
    struct store_latest_entry *entry = &latest->entries[i];
    if (entry->place == 0) return entry;
    if (entry->hash == hash && is_key(arg, entry->place, key)) return entry;
  }
}

static void move(store_latest *to, const store_latest *from, store_place first) {
  for (uint32_t i = 0; i <= from->mask; i++) {
    if (from->entries[i].place < first) continue;
    uint32_t at = (uint32_t)from->entries[i].hash & to->mask;
    while (to->entries[at].place != 0) at = (at + 1) & to->mask;
    to->entries[at] = from->entries[i];
    to->used++;
  }
}

int store_latest_reserve(store_latest *latest, store_place first) {
  if (latest->used < (latest->mask + 1) / 4 * 3) return 0;
  uint32_t alive = 0;
  if (first == 0) first = 1;
  for (uint32_t i = 0; i <= latest->mask; i++) alive += latest->entries[i].place >= first;
  uint32_t size = SMALLEST;
  while (size / 2 <= alive) {
    if (size > UINT32_MAX / 2) return -1;
    size *= 2;
  }
  store_latest grown = {.mask = size - 1};
  grown.entries = calloc(size, sizeof *grown.entries);
  if (grown.entries == NULL) return -1;
  move(&grown, latest, first);
  free(latest->entries);
  *latest = grown;
  return 0;
}

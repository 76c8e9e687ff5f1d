/* map.c - the entries of one part of a table by their keys; see table.h. */
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define SMALLEST 8u

/* Stands where an entry was, so that what lies behind it is still found. */
static feature_entry gone;

feature_entry *feature_map_find(const feature_map *map, store_bytes key, uint64_t hash) {
  if (map == NULL) return NULL;
  uint32_t at = (uint32_t)hash & map->mask;
  for (uint32_t i = 0; i <= map->mask; i++, at = (at + 1) & map->mask) {
    feature_entry *entry = atomic_load(&map->slot[at]);
    if (entry == NULL) return NULL;
    if (entry != &gone && entry->hash == hash && entry->key_len == key.len &&
        (key.len == 0 || memcmp(entry->key, key.data, key.len) == 0))
      return entry;
  }
  return NULL;
}

int feature_map_reserve(feature_table *table, feature_part *part) {
  feature_map *map = atomic_load(&part->map);
  if (map != NULL && map->used < (map->mask + 1) / 4 * 3) return 0;
  uint32_t entries = map != NULL ? map->entries : 0, size = SMALLEST;
  while (size / 2 <= entries) {
    if (size > UINT32_MAX / 4) return -1;
    size *= 2;
  }
  feature_map *made = calloc(1, sizeof *made + size * sizeof made->slot[0]);
  if (made == NULL) return -1;
  made->mask = size - 1;
  for (uint32_t i = 0; map != NULL && i <= map->mask; i++) {
    feature_entry *entry = atomic_load(&map->slot[i]);
    if (entry != NULL && entry != &gone) feature_map_add(made, entry);
  }
  atomic_store(&part->map, made);
  feature_retire(table->epoch, &part->limbo, map);
  return 0;
}

void feature_map_add(feature_map *map, feature_entry *entry) {
  for (uint32_t at = (uint32_t)entry->hash & map->mask;; at = (at + 1) & map->mask) {
    if (atomic_load(&map->slot[at]) != NULL) continue;
    atomic_store(&map->slot[at], entry);
    map->used++;
    map->entries++;
    return;
  }
}

void feature_map_remove(feature_map *map, const feature_entry *entry) {
  uint32_t at = (uint32_t)entry->hash & map->mask;
  while (atomic_load(&map->slot[at]) != entry) at = (at + 1) & map->mask;
  uint32_t next = (at + 1) & map->mask;
  map->entries--;
  if (atomic_load(&map->slot[next]) != NULL) {
    atomic_store(&map->slot[at], &gone);
    return;
  }
  /* nothing lies behind it: it needs no mark, nor do those before it */
  atomic_store(&map->slot[at], NULL);
  map->used--;
  for (at = (at - 1) & map->mask; atomic_load(&map->slot[at]) == &gone; at = (at - 1) & map->mask) {
    atomic_store(&map->slot[at], NULL);
    map->used--;
  }
}

/* bounds.c - what a table gives up: rows beyond its versions, keys for their age, number and size. */
#include <stdlib.h>
#include <time.h>

#include "table.h"

/* A key that has nothing but its removal is remembered so long, in which older rows may still come. */
#define REMOVAL_NS ((int64_t)3600 * 1000000000)
#define SWEPT 2 /* keys of a part that a put looks at */
#define SWEEP_EVERY                                                                                \
  7 /* puts, where nothing but removals grows old; no divisor of the parts' number */

int64_t feature_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Clocks may be set back: then nothing is old. */
static int is_older(int64_t since, int64_t now_ns, uint64_t span_ns) {
  return now_ns > since && (uint64_t)now_ns - (uint64_t)since > span_ns;
}

int feature_is_expired(const feature_table *table, const feature_entry *entry, int64_t now_ns) {
  uint64_t ttl = atomic_load_explicit(&table->ttl_ns, memory_order_relaxed);
  if (ttl == 0) return 0;
  return is_older(atomic_load_explicit(&entry->written_ns, memory_order_relaxed), now_ns, ttl);
}

/* ---- The order of writing ----------------------------------------------- */

static void note_first(feature_part *part) {
  uint64_t touched = part->first != NULL ? part->first->touched : UINT64_MAX;
  atomic_store_explicit(&part->least_touched, touched, memory_order_relaxed);
}

static void unlink_entry(feature_part *part, feature_entry *entry) {
  if (entry->before != NULL) entry->before->after = entry->after;
  else if (part->first == entry) part->first = entry->after;
  if (entry->after != NULL) entry->after->before = entry->before;
  else if (part->last == entry) part->last = entry->before;
  entry->before = entry->after = NULL;
}

void feature_touch(feature_part *part, feature_entry *entry, uint64_t version, int64_t now_ns) {
  if (atomic_load_explicit(&entry->written_ns, memory_order_relaxed) < now_ns)
    atomic_store_explicit(&entry->written_ns, now_ns, memory_order_relaxed);
  unlink_entry(part, entry);
  entry->touched = version;
  entry->before = part->last;
  if (part->last != NULL) part->last->after = entry;
  else part->first = entry;
  part->last = entry;
  note_first(part);
}

/* ---- Going -------------------------------------------------------------- */

static void give_up_row(feature_table *table, feature_part *part, feature_node *row) {
  atomic_fetch_sub_explicit(&table->rows, !row->removed, memory_order_relaxed);
  atomic_fetch_sub_explicit(&table->bytes, sizeof *row + row->len, memory_order_relaxed);
  feature_retire(table->epoch, &part->limbo, row);
}

void feature_trim(feature_table *table, feature_part *part, feature_entry *entry) {
  uint32_t versions = atomic_load_explicit(&table->versions, memory_order_relaxed);
  while (entry->count > versions) {
    feature_node *row = entry->oldest;
    entry->oldest = row->newer;
    atomic_store(&row->newer->older, NULL);
    entry->count--;
    give_up_row(table, part, row);
  }
}

void feature_drop(feature_table *table, feature_part *part, feature_entry *entry) {
  feature_map_remove(atomic_load(&part->map), entry);
  unlink_entry(part, entry);
  note_first(part);
  for (feature_node *row = atomic_load(&entry->latest), *older; row != NULL; row = older) {
    older = atomic_load(&row->older);
    give_up_row(table, part, row);
  }
  atomic_fetch_sub_explicit(&table->keys, 1, memory_order_relaxed);
  atomic_fetch_sub_explicit(&table->bytes, sizeof *entry + entry->key_len, memory_order_relaxed);
  feature_retire(table->epoch, &part->limbo, entry);
}

/* Has the key nothing but an old removal? */
static int is_forgotten(const feature_entry *entry, int64_t now_ns) {
  return entry->count == 1 && entry->oldest->removed &&
         is_older(entry->oldest->arrival_ns, now_ns, (uint64_t)REMOVAL_NS);
}

/* Of a part that was written least recently, some that have expired. */
static void sweep(feature_table *table, feature_part *part, int64_t now_ns) {
  pthread_mutex_lock(&part->lock);
  for (int i = 0; i < SWEPT && part->first != NULL; i++) {
    feature_entry *entry = part->first;
    if (feature_is_expired(table, entry, now_ns)) {
      feature_drop(table, part, entry);
      atomic_fetch_add_explicit(&table->expired, 1, memory_order_relaxed);
    } else if (is_forgotten(entry, now_ns)) feature_drop(table, part, entry);
    else break;
  }
  pthread_mutex_unlock(&part->lock);
}

static int is_over(feature_table *table) {
  uint64_t keys = atomic_load_explicit(&table->max_keys, memory_order_relaxed);
  uint64_t bytes = atomic_load_explicit(&table->max_bytes, memory_order_relaxed);
  return (keys != 0 && atomic_load_explicit(&table->keys, memory_order_relaxed) > keys) ||
         (bytes != 0 && atomic_load_explicit(&table->bytes, memory_order_relaxed) > bytes);
}

/* Drop the key that was written least recently. 0: there is none. */
static int drop_least(feature_table *table) {
  feature_part *least = NULL;
  uint64_t touched = UINT64_MAX;
  for (uint32_t i = 0; i < FEATURE_PARTS; i++) {
    uint64_t seen = atomic_load_explicit(&table->parts[i].least_touched, memory_order_relaxed);
    if (seen >= touched) continue;
    touched = seen;
    least = &table->parts[i];
  }
  if (least == NULL) return 0;
  pthread_mutex_lock(&least->lock);
  if (least->first != NULL && is_over(table)) {
    feature_drop(table, least, least->first);
    atomic_fetch_add_explicit(&table->dropped, 1, memory_order_relaxed);
  }
  pthread_mutex_unlock(&least->lock);
  return 1;
}

void feature_bound(feature_table *table, uint64_t version, int64_t now_ns) {
  /* every part has its turn, also those that nobody writes to */
  int ages = atomic_load_explicit(&table->ttl_ns, memory_order_relaxed) != 0;
  if (ages || version % SWEEP_EVERY == 0)
    sweep(table, &table->parts[version & (FEATURE_PARTS - 1)], now_ns);
  while (is_over(table) && drop_least(table)) {
  }
}

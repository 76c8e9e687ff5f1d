/* write.c - rows in: where a row goes among those of its key. */
#include <stdlib.h>
#include <string.h>

#include "../stream/symbol.h"
#include "table.h"

/* What is put. */
typedef struct writing {
  store_bytes key, values; /* values.data NULL: the key is removed */
  uint64_t hash;
  int64_t time_ns, arrival_ns;
  uint64_t sequence; /* not 0: it is kept already */
  int merge;
} writing;

uint64_t feature_hash(const feature_table *table, store_bytes key) {
  return stream_hash((stream_text){key.data, key.len}, table->seed);
}

/* ---- Where it goes ------------------------------------------------------ */

typedef struct place {
  feature_node *newer; /* the one after it; NULL: it is the latest */
  feature_node *older; /* the one before it, or of the same time; NULL */
  uint32_t index;      /* how many are newer */
} place;

static place find_place(const feature_entry *entry, int64_t time_ns) {
  place found = {0};
  if (entry == NULL) return found;
  found.older = atomic_load(&entry->latest);
  while (found.older != NULL && found.older->time_ns > time_ns) {
    found.newer = found.older;
    found.older = atomic_load(&found.older->older);
    found.index++;
  }
  return found;
}

/* With the features that it takes over. A feature_status. */
static int make_row(const writing *w, const feature_node *base, feature_node **out) {
  store_bytes values = w->values;
  char *merged = NULL;
  if (w->merge && base != NULL && !base->removed) {
    merged = feature_merge(values, (store_bytes){base->values, base->len}, &values.len);
    if (merged == NULL) return FEATURE_E_NOMEM;
    values.data = merged;
  }
  int status = values.len <= FEATURE_ROW_MAX ? FEATURE_OK : FEATURE_E_SIZE;
  feature_node *row = status == FEATURE_OK ? malloc(sizeof *row + values.len) : NULL;
  if (row != NULL) {
    memset(row, 0, sizeof *row);
    row->time_ns = w->time_ns;
    row->arrival_ns = w->arrival_ns;
    row->sequence = w->sequence;
    row->removed = values.data == NULL;
    row->len = (uint32_t)values.len;
    if (values.len != 0) memcpy(row->values, values.data, values.len);
    *out = row;
  } else if (status == FEATURE_OK) status = FEATURE_E_NOMEM;
  free(merged);
  return status;
}

static feature_entry *make_entry(const writing *w) {
  feature_entry *entry = calloc(1, sizeof *entry + w->key.len);
  if (entry == NULL) return NULL;
  entry->hash = w->hash;
  entry->key_len = (uint32_t)w->key.len;
  if (w->key.len != 0) memcpy(entry->key, w->key.data, w->key.len);
  return entry;
}

/* Lead readers to it. One of the same time goes. */
static void link_row(feature_table *table, feature_part *part, feature_entry *entry,
                     const place *where, feature_node *row) {
  feature_node *replaced = NULL, *older = where->older;
  if (older != NULL && older->time_ns == row->time_ns) {
    replaced = older;
    older = atomic_load(&older->older);
  }
  atomic_store_explicit(&row->older, older, memory_order_relaxed);
  row->newer = where->newer;
  if (older != NULL) older->newer = row;
  else entry->oldest = row;
  if (where->newer != NULL) atomic_store(&where->newer->older, row);
  else atomic_store(&entry->latest, row);
  uint64_t bytes = sizeof *row + row->len;
  atomic_fetch_add_explicit(&table->rows, !row->removed, memory_order_relaxed);
  atomic_fetch_add_explicit(&table->bytes, bytes, memory_order_relaxed);
  if (replaced == NULL) {
    entry->count++;
    return;
  }
  atomic_fetch_sub_explicit(&table->rows, !replaced->removed, memory_order_relaxed);
  atomic_fetch_sub_explicit(&table->bytes, sizeof *replaced + replaced->len, memory_order_relaxed);
  feature_retire(table->epoch, &part->limbo, replaced);
}

/* ---- Putting ------------------------------------------------------------ */

/* The key's entry; one that has expired goes, and its key begins anew. With the part's lock. */
static feature_entry *find_entry(feature_table *table, feature_part *part, const writing *w) {
  feature_entry *entry = feature_map_find(atomic_load(&part->map), w->key, w->hash);
  if (entry == NULL || !feature_is_expired(table, entry, w->arrival_ns)) return entry;
  feature_drop(table, part, entry);
  atomic_fetch_add_explicit(&table->expired, 1, memory_order_relaxed);
  return NULL;
}

/* With the part's lock. Nothing fails once the row is kept. *version: 0 if it was of no use. */
static int put(feature_table *table, feature_part *part, const writing *w, uint64_t *version,
               int *store_status) {
  feature_entry *entry = find_entry(table, part, w), *made = NULL;
  place where = find_place(entry, w->time_ns);
  *version = 0;
  if (where.index >= atomic_load_explicit(&table->versions, memory_order_relaxed))
    return FEATURE_OK; /* there are as many newer ones as are to be had */
  feature_node *row;
  int status = make_row(w, where.older, &row);
  if (status != FEATURE_OK) return status;
  if (entry == NULL) entry = made = make_entry(w);
  if (entry == NULL || (made != NULL && feature_map_reserve(table, part) != 0)) {
    status = FEATURE_E_NOMEM;
  } else if (table->stream != NULL && w->sequence == 0) {
    *store_status = feature_keep(table, w->key, row);
    if (*store_status != STORE_OK) status = FEATURE_E_STORE;
  }
  if (status != FEATURE_OK) {
    free(made);
    free(row);
    return status;
  }
  *version = row->version = atomic_fetch_add_explicit(&table->version, 1, memory_order_relaxed) + 1;
  link_row(table, part, entry, &where, row);
  if (made != NULL) {
    feature_map_add(atomic_load(&part->map), made);
    atomic_fetch_add_explicit(&table->keys, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&table->bytes, sizeof *made + made->key_len, memory_order_relaxed);
  }
  feature_touch(part, entry, *version, w->arrival_ns);
  feature_trim(table, part, entry);
  return FEATURE_OK;
}

static void note_newest(feature_table *table, int64_t time_ns) {
  int64_t seen = atomic_load_explicit(&table->newest, memory_order_relaxed);
  while (time_ns > seen && !atomic_compare_exchange_weak(&table->newest, &seen, time_ns)) {
  }
}

static int write_row(feature_table *table, writing *w, int *store_status) {
  if (w->key.len > FEATURE_KEY_MAX || w->values.len > FEATURE_ROW_MAX) return FEATURE_E_SIZE;
  w->hash = feature_hash(table, w->key);
  feature_part *part = feature_part_of(table, w->hash);
  uint64_t version;
  pthread_mutex_lock(&part->lock);
  int status = put(table, part, w, &version, store_status);
  pthread_mutex_unlock(&part->lock);
  if (version == 0) return status;
  note_newest(table, w->time_ns);
  feature_bound(table, version, w->sequence == 0 ? w->arrival_ns : feature_now());
  if (w->sequence == 0) {
    atomic_fetch_add_explicit(&table->puts, 1, memory_order_relaxed);
    feature_carry(table, version);
  }
  return status;
}

static int write_anew(feature_table *table, writing *w, int *store_status) {
  int unused;
  if (store_status == NULL) store_status = &unused;
  *store_status = STORE_OK;
  if (table->owner != store_process()) { /* others' locks may have been taken when it was forked */
    *store_status = STORE_E_FORKED;
    return FEATURE_E_STORE;
  }
  w->arrival_ns = feature_now();
  return write_row(table, w, store_status);
}

int feature_put(feature_table *table, const feature_row *row, int merge, int *store_status) {
  if (row->values.data == NULL || !feature_is_map(row->values)) return FEATURE_E_INVALID;
  writing w = {.key = row->key, .values = row->values, .time_ns = row->time_ns, .merge = merge};
  return write_anew(table, &w, store_status);
}

int feature_remove(feature_table *table, store_bytes key, int64_t time_ns, int *store_status) {
  writing w = {.key = key, .time_ns = time_ns};
  return write_anew(table, &w, store_status);
}

int feature_restore(feature_table *table, const store_event *event) {
  writing w = {.key = event->key,
               .time_ns = event->time_ns,
               .arrival_ns = event->arrival_ns,
               .sequence = event->sequence};
  int unused;
  if (feature_is_map(event->value)) w.values = event->value;
  else if (event->value.len != 1 || (unsigned char)event->value.data[0] != FEATURE_REMOVED)
    return FEATURE_E_INVALID;
  return write_row(table, &w, &unused);
}

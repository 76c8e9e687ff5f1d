/* table.h - one table: parts of its keys, each with a lock for writers; what readers walk.
**
** A key's entry leads to its rows, the latest first. A row never changes but for where it leads to;
** whoever writes makes another one and leads to that, so that every reader finds the rows of one moment.
** What readers follow are the atomic pointers; all else belongs to the writer with the part's lock.
*/
#ifndef FEATURE_TABLE_H
#define FEATURE_TABLE_H

#include <pthread.h>
#include <sys/types.h>

#include "../store/process.h"
#include "epoch.h"
#include "feature.h"

#define FEATURE_PARTS 64 /* of a table's keys; a power of 2 */
#define FEATURE_STRIPES 16
#define FEATURE_REMOVED 0xc0 /* nil: what is kept of a removal */

typedef struct feature_node {
  feature_retired retired; /* first */
  _Atomic(struct feature_node *) older;
  struct feature_node *newer;
  int64_t time_ns;
  int64_t arrival_ns; /* when it was put, since the epoch */
  uint64_t version;
  uint64_t sequence; /* in the store's stream; 0: it is not kept */
  uint32_t len;
  int removed; /* from its time on there is nothing */
  char values[];
} feature_node;

typedef struct feature_entry {
  feature_retired retired; /* first */
  uint64_t hash;
  _Atomic(feature_node *) latest; /* never NULL while it is in the map */
  _Atomic int64_t written_ns;     /* when it was put last, since the epoch */
  feature_node *oldest;
  struct feature_entry *before, *after; /* in the order of their last puts */
  uint64_t touched;                     /* the version of the last put */
  uint32_t count;                       /* of rows */
  uint32_t key_len;
  char key[];
} feature_entry;

/* Open addressing. A larger one takes its place; readers that have the old one go on in it. */
typedef struct feature_map {
  feature_retired retired; /* first */
  uint32_t mask;
  uint32_t used; /* slots that are not NULL */
  uint32_t entries;
  _Atomic(feature_entry *) slot[];
} feature_map;

typedef struct feature_part {
  _Alignas(64) pthread_mutex_t lock;
  _Atomic(feature_map *) map;
  feature_entry *first, *last;    /* by their last puts */
  _Atomic uint64_t least_touched; /* of `first`; UINT64_MAX: there is none */
  feature_limbo limbo;
} feature_part;

typedef struct feature_stripe {
  _Alignas(64) _Atomic uint64_t gets;
  _Atomic uint64_t misses;
} feature_stripe;

struct feature_table {
  char name[FEATURE_NAME_MAX + 1];
  feature_epoch *epoch;
  uint64_t seed;
  uint64_t owner;
  _Atomic uint32_t versions;
  _Atomic uint64_t ttl_ns, max_keys, max_bytes;
  store_stream *stream;                  /* NULL: in memory alone */
  _Alignas(64) _Atomic uint64_t version; /* the last one that was given */
  _Atomic uint64_t keys, rows, bytes, puts, expired, dropped;
  _Atomic int64_t newest; /* the latest time of a row that was put; INT64_MIN: none was */
  _Alignas(64) pthread_mutex_t carrying; /* of the two; see keep.c */
  uint64_t cursor; /* rows kept before this number are of no use, or were kept again */
  int carries;     /* most of the stream was of no use at the last look */
  feature_stripe stripes[FEATURE_STRIPES];
  feature_part parts[FEATURE_PARTS];
};

/* ---- map.c: from keys to entries ---- */

/* Any reader that is pinned, or the writer. NULL: there is none. */
feature_entry *feature_map_find(const feature_map *map, store_bytes key, uint64_t hash);
/* With the part's lock: make room for one more entry. 0, or -1 without memory. */
int feature_map_reserve(feature_table *table, feature_part *part);
void feature_map_add(feature_map *map, feature_entry *entry);
void feature_map_remove(feature_map *map, const feature_entry *entry);

/* ---- bounds.c: what goes ---- */

int64_t feature_now(void); /* since the epoch */
/* Has the key had no new row for too long? */
int feature_is_expired(const feature_table *table, const feature_entry *entry, int64_t now_ns);
/* With the part's lock: the entry was written now. */
void feature_touch(feature_part *part, feature_entry *entry, uint64_t version, int64_t now_ns);
/* With the part's lock: the rows beyond the table's bound of versions go. */
void feature_trim(feature_table *table, feature_part *part, feature_entry *entry);
/* With the part's lock. */
void feature_drop(feature_table *table, feature_part *part, feature_entry *entry);
/* With no lock: drop some of what has expired, and all beyond the bounds. */
void feature_bound(feature_table *table, uint64_t version, int64_t now_ns);

/* ---- write.c ---- */

static inline feature_part *feature_part_of(feature_table *table, uint64_t hash) {
  return &table->parts[hash >> 40 & (FEATURE_PARTS - 1)];
}
uint64_t feature_hash(const feature_table *table, store_bytes key);
/* Put a row that is kept already, as it was when it was put. FEATURE_E_INVALID: it is none. */
int feature_restore(feature_table *table, const store_event *event);

/* ---- keep.c: rows in a stream of the store ---- */

/* Find or make the stream and put all of its rows into the empty table. A sentence in `err`, which has
** STORE_ERR_MAX bytes. */
int feature_load(feature_table *table, store *kept, char *err);
/* With the part's lock: keep a row. A store_status; row->sequence is filled in. */
int feature_keep(feature_table *table, store_bytes key, feature_node *row);
/* With no lock, after every put: some of what must not go with the oldest segment is kept again. */
void feature_carry(feature_table *table, uint64_t version);

/* ---- merge.c ---- */

/* Is it a MessagePack map whose names are text, and nothing else? */
int feature_is_map(store_bytes values);
/* The features of `values`, then those of `before` that it does not name. Both are maps. malloc's;
** NULL without memory. */
char *feature_merge(store_bytes values, store_bytes before, size_t *len);

#endif

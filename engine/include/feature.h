/* feature.h - tables of features: for each key the latest values, and those before.
**
** A row of a table is a MessagePack map of features under a key. Each row put is a version, valid from
** its time until the next one's; reading at a time gives what was known then, and nothing later. Limits
** first:
**
** - All rows are in memory. With a store they are also kept there, in the stream "features.NAME", and
**   read again when the table is opened: what an accepted put outlives is what store.h says of an event.
** - A key takes at most FEATURE_KEY_MAX bytes, a row FEATURE_ROW_MAX. Features are named by text. There are
**   at most FEATURE_TABLES_MAX tables.
** - Any thread may read and write at any time. Readers take no lock and wait for nobody; writers of
**   different keys seldom wait for one another.
** - What is over a bound goes: versions beyond `versions`, the oldest first, rows whose key has had no new
**   one for ttl_ns, and beyond max_keys or max_bytes the keys that were written least recently. A read at
**   a time finds no row that was older than ttl_ns then.
** - A store's stream takes about twice what is in the table, and two segments: what others have taken the
**   place of goes, whatever the store's retention, and what is in the table stays.
*/
#ifndef FEATURE_H
#define FEATURE_H

#include "store.h"

#define FEATURE_NAME_MAX 54 /* "features." before it makes the name of a stream */
#define FEATURE_KEY_MAX 1024
#define FEATURE_ROW_MAX ((uint32_t)1 << 20)
#define FEATURE_VERSIONS_MAX 4096 /* reading at a time passes over those that are later */
#define FEATURE_TABLES_MAX 1024
#define FEATURE_LATEST INT64_MAX

typedef enum feature_status {
  FEATURE_OK = 0,
  FEATURE_E_NOMEM = -1,
  FEATURE_E_INVALID = -2, /* an argument is out of its range; the values are no map */
  FEATURE_E_NONE = -3, /* the key has no row, or had none at that time */
  FEATURE_E_SIZE = -4,
  FEATURE_E_STORE = -5 /* the store did not take the row; nothing has changed. *store_status: why.
                          STORE_E_FORKED also for tables that are in memory alone */
} feature_status;

typedef struct feature_store feature_store;
typedef struct feature_table feature_table;

typedef struct feature_table_config {
  uint32_t versions;  /* of a key: 1 to FEATURE_VERSIONS_MAX; 1 */
  uint64_t ttl_ns;    /* 0: no limit */
  uint64_t max_keys;  /* 0: no limit */
  uint64_t max_bytes; /* 0: no limit */
} feature_table_config;

typedef struct feature_row {
  int64_t time_ns;  /* from when it is valid */
  uint64_t version; /* counts up in the table, from 1; another one once the table was opened again */
  store_bytes key, values;
} feature_row;

/* kept: where rows are kept; NULL: in memory alone. It outlives the feature store. NULL with a sentence in
** `err` (STORE_ERR_MAX bytes). */
feature_store *feature_store_new(store *kept, char *err);
void feature_store_free(feature_store *features);

void feature_table_config_init(feature_table_config *config);
/* The table of that name; made if there is none, and filled with what is kept of it. One that is there
** gets the new bounds. config NULL: the defaults for a new one, and no change for one that is there. It
** stays valid as long as the feature store. A sentence in `err`. */
int feature_table_open(feature_store *features, const char *name,
                       const feature_table_config *config, feature_table **out, char *err);
/* NULL: there is none. */
feature_table *feature_table_find(feature_store *features, store_bytes name);
feature_table *feature_table_at(feature_store *features, uint32_t i);
const char *feature_table_name(const feature_table *table);

/* A new version of a key. A row of the same time as another one takes its place; one that is older than
** the latest goes in where it belongs, or is passed over if there are `versions` later ones. merge: features
** that the new map does not name are taken over from the row that was valid at its time. store_status may
** be NULL. */
int feature_put(feature_table *table, const feature_row *row, int merge, int *store_status);
/* Wait until what was put is synced, where the table's stream has that level. A store_status. */
int feature_commit(feature_table *table);
/* The key has nothing from that time on until its next row's. */
int feature_remove(feature_table *table, store_bytes key, int64_t time_ns, int *store_status);

/* The row that was valid at a time. It stays valid until feature_release, and costs memory as long: no
** row that is replaced meanwhile is freed. */
typedef struct feature_hold {
  void *held; /* the table's own business */
} feature_hold;
int feature_get(feature_table *table, store_bytes key, int64_t at_ns, feature_row *row,
                feature_hold *hold);
void feature_release(feature_hold *hold);

/* All rows that are valid at a time, in no order; not 0 ends it. Rows put meanwhile may be seen or not.
** How many were visited. */
typedef int feature_visit(void *arg, const feature_row *row);
int64_t feature_scan(feature_table *table, int64_t at_ns, uint64_t most, feature_visit *visit,
                     void *arg);
/* All versions of one key, the oldest first. */
int64_t feature_history(feature_table *table, store_bytes key, feature_visit *visit, void *arg);

typedef struct feature_stats {
  uint64_t keys, rows, bytes; /* now */
  uint64_t puts, gets, misses;
  uint64_t expired, dropped; /* keys, for their ttl and for other bounds */
  uint64_t ttl_ns;           /* as it is configured */
  int64_t newest_ns;         /* the latest time of a row that was put, ever; INT64_MIN: none was */
} feature_stats;
void feature_table_stats(feature_table *table, feature_stats *stats);

#endif

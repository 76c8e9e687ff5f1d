/* feature_api.h - vm.h's part on tables of features. engine/include/feature.h says what a table promises. */
#ifndef PVM_FEATURE_API_H
#define PVM_FEATURE_API_H

/* Tables of features: what programs around the host put, what flows come to, and what tasks put are rows
** of the same tables. Any thread may call any of these at any time. */
typedef struct pvm_features pvm_features;

#define PVM_TABLE_NAME_MAX 54
#define PVM_TABLE_LATEST INT64_MAX /* as a time: the latest row, whatever its time */

/* 0 where nothing is said: no limit. */
typedef struct pvm_table_config {
  uint32_t versions;  /* of a key; 1; up to 4096 */
  uint64_t ttl_ns;    /* of a key, since its last row was put */
  uint64_t max_keys;  /* the least recently written go first */
  uint64_t max_bytes;
} pvm_table_config;

/* Rows are kept in the store, in streams that begin with "features."; store NULL: in memory alone. The store
** outlives them. A sentence in `err`. */
PVM_API int pvm_features_open(pvm_store *store, pvm_features **features, char *err);
/* When no executor has them any more. NULL is fine. */
PVM_API void pvm_features_close(pvm_features *features);
/* What tasks and flows of this executor read and write. Once, before its first task, else PVM_E_STATE. They
** outlive the executor. */
PVM_API int pvm_features_attach(pvm_executor *executor, pvm_features *features);

PVM_API void pvm_table_config_init(pvm_table_config *config);
/* The table of that name, made if there is none; one that is there gets these bounds. config NULL: the
** defaults for a new one. PVM_E_INVALID or PVM_E_STORE with a sentence in `err`. */
PVM_API int pvm_table_open(pvm_features *features, const char *name, const pvm_table_config *config,
                           char *err);

typedef struct pvm_table_stats {
  char name[PVM_TABLE_NAME_MAX + 1];
  uint64_t keys, rows, bytes; /* now */
  uint64_t puts, gets, misses;
  uint64_t expired, dropped;  /* keys, for their ttl and for other bounds */
  uint64_t ttl_ns;            /* as it is configured */
  int64_t newest_ns;          /* the latest time of a row that was put; INT64_MIN: none was */
} pvm_table_stats;

/* The i-th table; PVM_E_UNKNOWN beyond the last. */
PVM_API int pvm_table_stats_get(pvm_features *features, uint32_t i, pvm_table_stats *stats);

/* Put rows, MessagePack: an array of [key, time_ns, values]. key: text, bin, or an integer, which counts as
** its digits. values: a map whose names are text; nil: from that time on the key has nothing. time_ns nil:
** now. merge: what a map does not name is taken over from the row that was valid at its time. Returns how many
** were put. If that is not all of them the next one was refused: *status is not PVM_OK then, and `err` says
** why. PVM_E_UNKNOWN: there is no such table. */
PVM_API int64_t pvm_table_put(pvm_features *features, const char *table, const void *rows, size_t len,
                              int merge, int *status, char *err);
/* The rows of some keys (MessagePack: an array of them) that were valid at a time: an array of nil or
** [time_ns, version, values]. */
PVM_API int pvm_table_get(pvm_features *features, const char *table, const void *keys, size_t len,
                          int64_t at_ns, pvm_buffer *rows);
/* The rows of all keys that were valid at a time, in no order, at most `most`: an array of [key as bin,
** time_ns, version, values]. */
PVM_API int pvm_table_scan(pvm_features *features, const char *table, int64_t at_ns, uint64_t most,
                           pvm_buffer *rows);
/* All rows of one key, likewise, the oldest first. */
PVM_API int pvm_table_history(pvm_features *features, const char *table, const void *key, size_t key_len,
                              pvm_buffer *rows);

#endif

/* store_api.h - vm.h's part on keeping events. engine/include/store.h says what a store promises. */
#ifndef PVM_STORE_API_H
#define PVM_STORE_API_H

/* A folder of streams of events, which one process has open at a time. An executor that is given one
** (pvm_trigger_config) keeps every event there before its triggers see it; tasks read from it. Any
** thread may call any of these at any time. */
typedef struct pvm_store pvm_store;

#define PVM_STREAM_NAME_MAX 64

/* 0 where nothing is said: no limit. Whole segments go, the oldest first. */
typedef struct pvm_store_config {
  uint64_t segment_bytes; /* 16 MiB; 64 KiB to 2 GiB, a multiple of 4096 */
  uint64_t keep_bytes;    /* of each stream */
  uint64_t keep_events;
  uint64_t keep_ns;       /* since they came */
} pvm_store_config;

PVM_API void pvm_store_config_init(pvm_store_config *config);
/* All that is in the folder is checked. PVM_E_STORE with a sentence in `err`. */
PVM_API int pvm_store_open(const char *folder, const pvm_store_config *config, pvm_store **store,
                           char *err);
/* When no executor has it any more. NULL is fine. */
PVM_API void pvm_store_close(pvm_store *store);
/* Wait until all that is in it now outlives the machine too. PVM_E_STORE. */
PVM_API int pvm_store_sync(pvm_store *store);

/* Give a stream limits of its own, and make it if there is none. PVM_E_INVALID: that is no name. */
PVM_API int pvm_store_retain(pvm_store *store, const char *stream, uint64_t keep_bytes,
                             uint64_t keep_events, uint64_t keep_ns);

typedef struct pvm_stream_stats {
  char name[PVM_STREAM_NAME_MAX + 1];
  uint64_t first;    /* sequence number of the first event that is still there */
  uint64_t next;     /* that the next one gets */
  uint64_t synced;   /* of the last one that is known to outlive the machine */
  uint64_t bytes;    /* of events */
  uint64_t segments;
  uint64_t keys;     /* about */
  uint64_t dropped;  /* events that were given up as the configuration says, since the opening */
  uint64_t damaged;  /* events that were found lost at the opening */
  uint64_t aside;    /* files that could not be read then, and were put aside */
  uint64_t cleared;  /* bytes behind the last event that were cleared then */
} pvm_stream_stats;

/* The i-th stream; PVM_E_UNKNOWN beyond the last. */
PVM_API int pvm_stream_stats_get(pvm_store *store, uint32_t i, pvm_stream_stats *stats);

/* Which events of a stream, in this order of choice: those of a key, the latest first; those of a
** span of time; those from a sequence number on. */
typedef struct pvm_store_query {
  const char *stream;
  const void *key;    /* NULL: all keys */
  size_t key_len;
  int64_t from_ns;    /* by the events' own time; until_ns 0: whenever */
  int64_t until_ns;
  uint64_t sequence;
  uint64_t most;      /* 1 or more */
} pvm_store_query;

/* MessagePack: an array of [sequence, time_ns, arrival_ns, key as bin, event]. PVM_E_UNKNOWN for a
** stream that is not there. */
PVM_API int pvm_store_read(pvm_store *store, const pvm_store_query *query, pvm_buffer *events);

/* A stream as a time series: engine/include/series.h. */
typedef struct pvm_series_query {
  const char *stream;
  const void *key;       /* NULL: all keys */
  size_t key_len;
  const char *field;     /* whose numbers are taken, with dots into nested maps */
  int64_t from_ns;       /* INT64_MIN: from the first on */
  int64_t until_ns;      /* not included; INT64_MAX: to the last */
  int64_t step_ns;       /* 0: the points themselves */
  const char *functions; /* of count sum mean min max first last, with commas between; "" without steps */
  const char *fill;      /* of steps without points: none (no row), null, previous, linear, value */
  double value;
} pvm_series_query;

/* MessagePack: an array of [time_ns, value, ...] in the order of time, a value for each function; nil
** where there is none. PVM_E_UNKNOWN for a stream that is not there, PVM_E_INVALID with a sentence. */
PVM_API int pvm_series_read(pvm_store *store, const pvm_series_query *query, pvm_buffer *rows,
                            char *err);

#endif

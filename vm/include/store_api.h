/* store_api.h - vm.h's part on keeping events. engine/include/store.h says what a store promises. */
#ifndef PVM_STORE_API_H
#define PVM_STORE_API_H

/* A folder of streams of events, which one process has open at a time. An executor that is given one
** (pvm_trigger_config) keeps every event there before its triggers see it; tasks read from it. Any
** thread may call any of these at any time. */
typedef struct pvm_store pvm_store;

#define PVM_STREAM_NAME_MAX 64

/* What an accepted event of a stream outlives: nothing, the process, the machine. An event that is handed
** in counts as accepted when the call returns. */
typedef enum pvm_level {
  PVM_LEVEL_MEMORY = 1,
  PVM_LEVEL_FLUSHED = 2,
  PVM_LEVEL_SYNCED = 3
} pvm_level;

/* What sealed streams need: a key with an id that names it, and functions with the signatures of
** libsodium's crypto_aead_*_encrypt and _decrypt, XChaCha20-Poly1305 (ietf) and AES-256-GCM; NULL for both
** of the latter where the processor has no instructions for it. */
typedef struct pvm_sealing {
  unsigned char key[32];
  unsigned char key_id[8];
  void *xchacha_seal;
  void *xchacha_unseal;
  void *aes_seal;
  void *aes_unseal;
} pvm_sealing;

/* 0 where nothing is said: no limit. Whole segments go, the oldest first. */
typedef struct pvm_store_config {
  uint64_t segment_bytes; /* 16 MiB; 64 KiB to 2 GiB, a multiple of 4096 */
  uint64_t keep_bytes;    /* of each stream */
  uint64_t keep_events;
  uint64_t keep_ns;       /* since they came */
  pvm_level level;        /* PVM_LEVEL_FLUSHED; of streams that are told no other */
  const pvm_sealing *sealing; /* copied; NULL: a store that has sealed streams is not opened */
} pvm_store_config;

PVM_API void pvm_store_config_init(pvm_store_config *config);
/* All that is in the folder is checked. PVM_E_STORE with a sentence in `err`. */
PVM_API int pvm_store_open(const char *folder, const pvm_store_config *config, pvm_store **store,
                           char *err);
/* When no executor has it any more. NULL is fine. */
PVM_API void pvm_store_close(pvm_store *store);
/* Wait until all that is in it now outlives the machine too. PVM_E_STORE. */
PVM_API int pvm_store_sync(pvm_store *store);

/* Make a stream, or tell one that has no events yet, how it is kept. level 0: as the store's. sealed:
** encrypted and authenticated in its files; what was sealed stays so. PVM_E_INVALID and PVM_E_STORE with
** a sentence in `err`: it has events that are kept in another way, there is no key, ... */
PVM_API int pvm_store_declare(pvm_store *store, const char *stream, int level, int sealed, char *err);
/* Another key for all sealed streams of a folder that nobody has open; see store_rekey. */
PVM_API int pvm_store_rekey(const char *folder, const pvm_sealing *old, const pvm_sealing *newer,
                            uint64_t *segments, char *err);
/* Seal a stream of a folder that nobody has open, and that was kept plain so far; see store_seal_stream.
** *events: how many are sealed now; UINT64_MAX: it was sealed already. PVM_E_UNKNOWN: there is none. */
PVM_API int pvm_store_seal(const char *folder, const char *stream, const pvm_sealing *sealing,
                           uint64_t *events, char *err);
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
  int level;         /* pvm_level */
  int sealed;        /* 1: it is */
} pvm_stream_stats;

/* The i-th stream; PVM_E_UNKNOWN beyond the last. */
PVM_API int pvm_stream_stats_get(pvm_store *store, uint32_t i, pvm_stream_stats *stats);

/* Which events of a stream: those of a key, in a span of time if there is one, the latest first; else, from
** a sequence number on, those of a span of time, or all. */
typedef struct pvm_store_query {
  const char *stream;
  const void *key;    /* NULL: all keys */
  size_t key_len;
  int64_t from_ns;    /* by the events' own time; until_ns 0: whenever */
  int64_t until_ns;   /* not included; INT64_MAX: to the last */
  uint64_t sequence;
  uint64_t most;      /* 1 or more */
  uint64_t max_bytes; /* of the answer, beyond which it is PVM_E_NOMEM; 0: no limit */
} pvm_store_query;

/* MessagePack: an array of [sequence, time_ns, arrival_ns, key as bin, event]. PVM_E_UNKNOWN for a
** stream that is not there. */
PVM_API int pvm_store_read(pvm_store *store, const pvm_store_query *query, pvm_buffer *events);

#define PVM_FIELDS_MAX 4096

/* What fields the maps have that a query asks for: MessagePack, [the number behind the last event that was
** looked at, how many were, names]. The names are in the order of their first coming, at most
** PVM_FIELDS_MAX; integers are their digits. PVM_E_UNKNOWN for a stream that is not there. */
PVM_API int pvm_store_fields(pvm_store *store, const pvm_store_query *query, pvm_buffer *fields);

/* What a row has of an event. */
typedef enum pvm_event_column {
  PVM_EVENT_SEQUENCE = 0,
  PVM_EVENT_TIME = 1,    /* seconds since the epoch, as a double */
  PVM_EVENT_ARRIVAL = 2, /* likewise */
  PVM_EVENT_KEY = 3,
  PVM_EVENT_NIL = 4,
  PVM_EVENT_FIELD = 5 /* by its name instead */
} pvm_event_column;

/* Extension types of MessagePack in these rows: a value that is no scalar, as it is in the event; a key
** that is no UTF-8. */
#define PVM_EVENT_NESTED 3
#define PVM_EVENT_NO_TEXT 4

/* Rows of such events for a database: an array of arrays with a value for each of `columns`, a MessagePack
** array of pvm_event_column and names of fields, each of these once. Integers beyond 63 bits are doubles;
** what an event does not have is nil. They end, too, when they take 8 MiB. *behind: the number behind the
** last one; 0: there was none. */
PVM_API int pvm_store_columns(pvm_store *store, const pvm_store_query *query, const void *columns,
                              size_t len, pvm_buffer *rows, uint64_t *behind);

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
  uint32_t rows;         /* at most, up to 1000000; 0: so many */
} pvm_series_query;

/* MessagePack: an array of [time_ns, value, ...] in the order of time, a value for each function; nil
** where there is none. PVM_E_UNKNOWN for a stream that is not there, PVM_E_INVALID with a sentence. */
PVM_API int pvm_series_read(pvm_store *store, const pvm_series_query *query, pvm_buffer *rows,
                            char *err);

#endif

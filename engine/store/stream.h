/* stream.h - one stream: its segments, and who may touch them. */
#ifndef STORE_STREAM_H
#define STORE_STREAM_H

#include <pthread.h>
#include <string.h>
#include <sys/types.h>

#include "latest.h"
#include "process.h"

/* The segments, oldest first. Never changed once it is published: another one takes its place, and
** readers that hold it go on. */
typedef struct store_segments {
  _Atomic uint32_t references;
  uint32_t count;
  store_segment *segment[];
} store_segments;

struct store_stream {
  char name[STORE_NAME_MAX + 1];
  char *folder;              /* NULL: in memory */
  struct store_files *files; /* who makes its files, once it is open; NULL: whoever appends */
  struct store_vault *vault; /* of the store; NULL: the stream is not sealed */
  _Atomic int level;         /* store_level */
  store_is_key *is_key;      /* as latest.h asks; arg: the store_segments */
  uint64_t segment_bytes;
  uint64_t owner;       /* the process that opened it */
  pthread_mutex_t lock; /* of all below, for appending; readers take it to find where to begin */
  store_segments *segments;
  uint64_t asked; /* number of the segment that was asked for ahead of its time */
  store_latest latest;
  store_retention retention;
  uint64_t next; /* sequence number */
  uint64_t seed;
  uint64_t dropped, damaged, aside, cleared;
  _Atomic(store_segment *) ahead; /* the next segment, made by the thread of files; NULL: not yet */
  pthread_mutex_t sync_lock;      /* whoever has it syncs; taken before the other one */
  _Atomic uint64_t synced;
  int sync_failed;
  uint64_t folder_synced; /* number of the last segment whose name is on the disk */
};

/* Where a stream is, and how it is kept. */
typedef struct store_home {
  const char *folder; /* NULL: in memory */
  const char *name;
  struct store_vault *vault; /* NULL: it is not sealed */
  store_level level;
  uint64_t segment_bytes;
} store_home;

/* Another home for a stream that has no events, and whose folder is empty. A status; STORE_E_INVALID if
** it is not so. The folder of the new home is made. */
int store_stream_move(store_stream *stream, const store_home *home);
/* All that the folder has of it; made if it is not there. A sentence in `err`. */
int store_stream_load(const store_home *home, store_stream **out, char *err);
void store_stream_unload(store_stream *stream);
/* Wait until all that was appended is synced. */
int store_sync_all(store_stream *stream);

/* The segments as they are now, with a reference. */
store_segments *store_segments_hold(store_stream *stream);
void store_segments_release(store_segments *segments);
/* The segment with this number; NULL: it is gone. */
store_segment *store_segments_get(const store_segments *segments, uint64_t number);
uint64_t store_key_hash(const store_stream *stream, store_bytes key);
static inline store_bytes store_record_key(const store_record *record) {
  return (store_bytes){record->text, record->key_len};
}
static inline int store_record_is_of(const store_record *record, store_bytes key) {
  return record->key_len == key.len &&
         (key.len == 0 || memcmp(record->text, key.data, key.len) == 0);
}
static inline store_event store_record_event(const store_record *record) {
  uint32_t value_len = store_record_bytes(record) - sizeof *record - record->key_len;
  return (store_event){record->sequence,
                       record->time_ns,
                       record->arrival_ns,
                       store_record_key(record),
                       {record->text + record->key_len, value_len}};
}

#endif

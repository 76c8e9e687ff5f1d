/* segment.h - one file of a stream: a header, then events one behind the other.
**
** The file is mapped and written by plain stores; its space is allocated before. An event's head
** word is stored last, so that a reader that finds one finds the whole event. In a store without a
** folder a segment is memory that looks the same.
**
** Layout, in the byte order of the machine: a page with the header, then events at multiples of 8,
** then zeros. An event's checksum covers the segment's salt as well: what another file left in the
** same blocks of the disk does not fit.
**
** A sealed segment's file holds blocks instead (sealed.h). What is said here of the mapping is then true
** of memory, which the segment that is written has; in the others, which are only read, map is NULL, and
** store_reader has the events.
*/
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include <stdatomic.h>

#include "store.h"

#define STORE_SEGMENT_MAGIC "PVMEVNT" /* with its final 0: 8 bytes */
#define STORE_SEGMENT_VERSION 1u
#define STORE_SEGMENT_ORDER 0x01020304u
#define STORE_SEGMENT_HEAD 4096u

typedef struct store_segment_head {
  char magic[8];
  uint32_t version;
  uint32_t order;
  uint64_t bytes;    /* that a full file has; a stream that was closed leaves a shorter one */
  uint64_t number;   /* of the stream's segments, from 1 */
  uint64_t sequence; /* of its first event */
  uint64_t salt;
  uint32_t unused;
  uint32_t checksum; /* of all before */
} store_segment_head;

typedef struct store_record {
  _Atomic uint64_t
      head; /* bytes of all, without padding << 32 | checksum; 0: nothing is here yet */
  uint64_t sequence;
  int64_t time_ns, arrival_ns;
  uint64_t before; /* where the key's event before this one is (store_place); 0: nowhere */
  uint32_t key_len;
  uint32_t unused; /* 0 */
  char text[];     /* the key, then the value */
} store_record;

/* Where an event is: segment number << 32 | offset in its file. 0 is nowhere. */
typedef uint64_t store_place;

/* Of every so many events a segment remembers where it is, and the times of all up to the next. */
#define STORE_CHUNK 128

typedef struct store_chunk {
  uint32_t offset;
  int64_t earliest, latest;
} store_chunk;

typedef struct store_segment {
  _Atomic uint32_t references;
  int file; /* of the one that is written; -1: closed, or memory alone */
  char *path;
  char *map;                   /* NULL: sealed, and only read */
  struct store_sealed *sealed; /* NULL: a plain one */
  uint64_t bytes;              /* of the mapping */
  uint64_t number, sequence, salt;
  int64_t newest_ns;    /* the latest arrival */
  int cut;              /* damaged: nothing is appended */
  uint64_t populated;   /* of the file: pages up to here have been asked for */
  _Atomic uint32_t end; /* behind the last event */
  _Atomic uint32_t count;
  _Atomic uint32_t chunk_count; /* the last one's times still change: read them from the events */
  store_chunk *chunks;          /* room for all that fit, so that it never moves */
} store_segment;

static inline uint32_t store_padded(uint64_t bytes) {
  return (uint32_t)((bytes + 7) & ~(uint64_t)7);
}

/* Where a segment belongs. */
typedef struct store_origin {
  const char *folder;        /* NULL: in memory */
  const char *stream;        /* its name */
  struct store_vault *vault; /* NULL: it is not sealed */
} store_origin;

/* Make one, which is unborn until it is begun: its file has its space, and no head. STORE_OK, _NOMEM,
** _FULL or _IO (errno). */
int store_segment_make(const store_origin *origin, uint64_t bytes, uint64_t number,
                       store_segment **out);
/* Its first event has this sequence number. Opens, allocates and maps nothing. STORE_OK,
** _FULL or _IO. */
int store_segment_begin(store_segment *segment, const store_origin *origin, uint64_t sequence);
/* One that nobody has seen goes, and its file. errno stays. */
void store_segment_discard(store_segment *segment);
/* Has a file neither a head nor an event? */
int store_segment_is_unborn(const char *path);

/* What a scan found. */
typedef struct store_scan {
  uint64_t behind; /* not 0: the sequence number of the last of the events that are cut off from the
                       others by something that does not fit */
  uint32_t cleared; /* bytes that were cleared behind the last event */
} store_scan;
typedef void store_seen(void *arg, const store_segment *segment, const store_record *record,
                        store_place place);
/* Open a file, check all of its events, calling `seen` with each and its place. `last`: it is the
** stream's last one, appends may go on in it; what follows its last whole event is cleared, unless
** there are more whole ones behind. STORE_E_DAMAGED for a head that does not fit,
** STORE_E_VERSION, STORE_E_KEY; STORE_E_INVALID for a sealed file of a stream that is not, and the other
** way round. */
int store_segment_open(const store_origin *origin, const char *path, int last, store_seen *seen,
                       void *arg, store_scan *scan, store_segment **out);
store_segment *store_segment_retain(store_segment *segment);
/* The last reference unmaps the file. NULL is fine. */
void store_segment_release(store_segment *segment);
/* Nothing more will be written: it needs no descriptor any more. */
void store_segment_close(store_segment *segment);
/* Wait until what is in the file outlives the machine; its space and its size, too. STORE_OK or _IO. */
int store_segment_sync(const store_segment *segment);

/* Behind what is written, in the file. */
uint64_t store_segment_used(const store_segment *segment);
/* Have the file's pages from here to there ready, so that writing finds them: a page that is touched first
** costs the file system a while. */
void store_segment_populate(const store_segment *segment, uint64_t from, uint64_t to);

/* Put an event at the end; the caller has the stream's lock and has filled in event->sequence. Its
** place, or 0 if there is no room. */
store_place store_segment_put(store_segment *segment, const store_event *event, store_place before);
/* The head as the file is to have it. */
void store_head_fill(const store_segment *segment, const char *magic, store_segment_head *head);
/* Can this be the head of a file of so many bytes? A status. */
int store_head_check(const store_segment_head *head, const char *magic, uint64_t size);
/* Nothing but zeros? */
int store_is_zero(const void *data, size_t len);
/* Where and when the event is that has just got its place. */
void store_segment_note(store_segment *segment, const store_record *record, uint32_t offset);
/* Is there a record of this sequence number that fits in so many bytes? Of its checksum nothing is said. */
int store_record_fits(const store_record *record, uint64_t bytes, uint64_t sequence);

static inline uint32_t store_record_bytes(const store_record *record) {
  return (uint32_t)(atomic_load_explicit(&record->head, memory_order_relaxed) >> 32);
}

#endif

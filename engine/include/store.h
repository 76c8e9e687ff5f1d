/* store.h - the stream store: events kept in the order in which they came, on disk or in memory.
**
** A store is a folder that one process has open at a time; a stream in it is a log of events that
** only grows at its end and is shortened at its beginning. Limits first:
**
** - An event with its key takes at most a segment, less 4 KiB and 48 bytes (STORE_E_SIZE).
** - A store has at most STORE_STREAMS_MAX streams. Names have 1 to STORE_NAME_MAX bytes.
** - Opening reads every event once, to check it and to find the latest one of each key: about a
**   second for a gigabyte. 16 to 32 bytes of memory are kept for each key, and the text of none.
** - Any thread may append and read at any time. Appends to one stream take turns, for a fraction of
**   a microsecond each; readers wait for nobody, and nobody for them.
** - A process that was forked from the one that opened a store has nothing of it (STORE_E_FORKED).
**
** What an accepted event outlives is its stream's level:
**
**   STORE_MEMORY    nothing: it is in memory alone and never touches the disk. So are all events of a
**                   store without a folder.
**   STORE_FLUSHED   the process, however it ends: an event is stored in a mapping of the file, and half
**                   of one is told by its checksum. A power cut may cost the last ones.
**   STORE_SYNCED    also the machine: store_commit, after the appends that are to be accepted together,
**                   returns when the files have been synced to the disk. Threads that wait for that at
**                   the same time share one sync.
**
** Sealed streams are encrypted and authenticated in their files, which are in the folder `sealed`: keys,
** times and values of events are only there for whoever has the store's key. The stream's name, sequence
** numbers and sizes of blocks of events can be seen. Each segment has a random key of its own, which the
** store's key wraps. Events of one append are one block, or several of 64 KiB; the segment that is written
** is in memory as well, of the others readers have one block each. A segment is never appended to after it
** was opened, so that no nonce comes twice. What was sealed stays sealed.
**
** Disk space is allocated a segment at a time, before anything is put there. If there is none, the
** append fails with STORE_E_FULL and nothing else changes; once there is space again, appends go on.
**
** Damage. What follows an event that was being stored when the process or the machine died was not
** accepted, and is cleared when the store is opened. Anything else that does not fit its checksum
** is damage: of that segment the events before it are kept, those behind are lost, and counted by
** store_stats; the file stays as it is, and appends go on in another. A file whose head is damaged is
** put aside under a name with ".damaged" at its end. Sequence numbers of lost events are not given
** again where they are known. Of a sealed stream a block that is changed in any way is damage. A wrong key
** is STORE_E_KEY, and changes nothing.
*/
#ifndef STORE_H
#define STORE_H

#include <stddef.h>
#include <stdint.h>

#define STORE_NAME_MAX 64
#define STORE_STREAMS_MAX 1024
#define STORE_ERR_MAX 512 /* bytes that an `err` text needs, with the final 0 */
#define STORE_SEGMENT_MIN ((uint64_t)1 << 16)
#define STORE_SEGMENT_MAX ((uint64_t)1 << 31)

typedef enum store_status {
  STORE_OK = 0,
  STORE_E_NOMEM = -1,
  STORE_E_INVALID = -2, /* an argument is out of its range */
  STORE_E_FULL = -3,    /* no space on the disk */
  STORE_E_IO = -4,      /* the system refused: `err` or errno says what */
  STORE_E_BUSY = -5,    /* another process has the store open */
  STORE_E_VERSION = -6, /* a segment is of a version, or a kind of machine, that is not known */
  STORE_E_SIZE = -7,    /* the event is larger than a segment holds */
  STORE_E_FORKED = -8,  /* opened by the process that this one was forked from */
  STORE_E_DAMAGED = -9, /* a file's head does not fit its checksum, or a sealed block that was whole when the
                           store was opened is not any more */
  STORE_E_KEY = -10,    /* sealed, and not with the key that was given */
  STORE_E_UNKNOWN = -11 /* there is no stream of that name */
} store_status;

typedef struct store store;
typedef struct store_stream store_stream;

/* How long a stream keeps events. Whole segments go, the oldest first, when the next one is begun;
** 0: that is no reason. */
typedef struct store_retention {
  uint64_t bytes; /* of segments */
  uint64_t events;
  uint64_t age_ns; /* by the time of arrival */
  uint64_t below;  /* events with lower sequence numbers are of no use to anybody */
} store_retention;

typedef enum store_level {
  STORE_MEMORY = 1,
  STORE_FLUSHED = 2,
  STORE_SYNCED = 3
} store_level;

#define STORE_KEY_BYTES 32
#define STORE_KEY_ID_BYTES 8

/* Authenticated encryption with 16 bytes of tag behind what is sealed, as libsodium's crypto_aead_*
** functions have it. 0, or not: it is not as it was sealed. */
typedef int store_seal(unsigned char *sealed, unsigned long long *sealed_len,
                       const unsigned char *plain, unsigned long long len,
                       const unsigned char *bound, unsigned long long bound_len,
                       const unsigned char *unused, const unsigned char *nonce,
                       const unsigned char *key);
typedef int store_unseal(unsigned char *plain, unsigned long long *len, unsigned char *unused,
                         const unsigned char *sealed, unsigned long long sealed_len,
                         const unsigned char *bound, unsigned long long bound_len,
                         const unsigned char *nonce, const unsigned char *key);

/* What sealed streams need. XChaCha20-Poly1305 wraps keys; AES-256-GCM seals events, unless it is NULL as
** the processor has no instructions for it: then XChaCha20-Poly1305 does, too. */
typedef struct store_sealing {
  unsigned char key[STORE_KEY_BYTES];
  unsigned char key_id[STORE_KEY_ID_BYTES]; /* names the key in files and in sentences */
  store_seal *xchacha_seal;
  store_unseal *xchacha_unseal;
  store_seal *aes_seal;
  store_unseal *aes_unseal;
} store_sealing;

typedef struct store_config {
  const char *folder;     /* made if it is not there; NULL: in memory alone */
  uint64_t segment_bytes; /* 16 MiB; STORE_SEGMENT_MIN to STORE_SEGMENT_MAX, a multiple of 4096; what a
                             stream's later segments take */
  store_retention retention; /* of streams that are told no other */
  store_level level;         /* STORE_FLUSHED; of streams that are declared with no other */
  const store_sealing *sealing; /* copied; NULL: a store that has sealed streams is not opened */
} store_config;

/* The values named above; no retention, no key. */
void store_config_init(store_config *config);
/* All streams of the folder are opened. A sentence in `err` where it fails. */
int store_open(const store_config *config, store **out, char *err);
/* When nobody uses it any more. Does not sync. Nothing happens for NULL, or after a fork. */
void store_close(store *store);

/* The stream of that name, made if there is none. It stays valid as long as the store. */
int store_stream_open(store *store, const char *name, store_stream **out, char *err);

typedef struct store_rules {
  store_level level; /* 0: the store's */
  int sealed;
} store_rules;

/* The same, with rules; before the stream's first event. STORE_E_INVALID with a sentence for one that is to
** be sealed and has events that are not, and for one that is to be in memory and has events in files, or
** the other way round; STORE_E_KEY where a key is missing. A stream in memory that is told no limit keeps
** 256 MiB. */
int store_stream_declare(store *store, const char *name, const store_rules *rules,
                         store_stream **out, char *err);
store_level store_stream_level(const store_stream *stream);
int store_stream_is_sealed(const store_stream *stream);
/* The i-th stream, in the order of their making or finding; NULL beyond the last. */
store_stream *store_stream_at(store *store, uint32_t i);
const char *store_stream_name(const store_stream *stream);
void store_stream_retain(store_stream *stream, const store_retention *retention);

typedef struct store_bytes {
  const char *data;
  size_t len;
} store_bytes;

typedef struct store_event {
  uint64_t sequence;  /* 1 for the stream's first one, ever; given by appending */
  int64_t time_ns;    /* when it happened, since the epoch */
  int64_t arrival_ns; /* when it came here, since the epoch */
  store_bytes key;    /* may be empty; any bytes */
  store_bytes value;
} store_event;

/* Append `count` events, in order; their sequence numbers are filled in. Either all are accepted, or
** those before *accepted (if it is not NULL), and the status says why the next one was not. */
int store_append(store_stream *stream, store_event *events, size_t count, size_t *accepted);
/* Wait until all up to this number are synced. STORE_E_INVALID in memory. */
int store_sync(store_stream *stream, uint64_t sequence);
/* Wait until all that was appended to streams of STORE_SYNCED is. */
int store_commit(store *store);

/* Wrap the keys of all sealed segments of a folder that nobody has open by another key. Killed at any
** moment it can be done again, and goes on where it was. *done: how many segments have the new key now.
** What was sealed is not sealed anew: who had the old key, and the files of then, can still read them. */
int store_rekey(const char *folder, const store_sealing *old, const store_sealing *newer,
                uint64_t *done, char *err);

#define STORE_SEALED_BEFORE UINT64_MAX

/* Seal a stream of a folder that nobody has open, and that was kept plain so far. Killed at any moment,
** or cut off from power, it leaves the plain stream whole or the sealed one; it can be done again. Then
** the plain files are gone; what they had on the disk is not overwritten. It needs as much space again
** while it goes on. *events: how many are sealed now; STORE_SEALED_BEFORE: it was sealed already. Sequence
** numbers stay, those of lost events as well. A file in the stream's folder that no events can be read
** from is refused. A status with a sentence in `err`. */
int store_seal_stream(const char *folder, const char *name, const store_sealing *sealing,
                      uint64_t *events, char *err);

/* Called with one event after the other; not 0 ends the reading. What an event points to is valid
** during the call. */
typedef int store_visit(void *arg, const store_event *event);

/* From a sequence number on (or the first one that is still there), in order, at most `most`. All
** readers return how many were visited, or a negative status. */
int64_t store_read(store_stream *stream, uint64_t sequence, uint64_t most, store_visit *visit,
                   void *arg);
/* Of those from a sequence number on the ones with from_ns <= time_ns < until_ns, likewise. */
int64_t store_read_times(store_stream *stream, int64_t from_ns, int64_t until_ns, uint64_t sequence,
                         uint64_t most, store_visit *visit, void *arg);
/* Those of one key, the latest arrival first. */
int64_t store_read_key(store_stream *stream, store_bytes key, uint64_t most, store_visit *visit,
                       void *arg);

typedef struct store_stats {
  uint64_t first, next; /* sequence numbers: of the first that is still there, of the next one */
  uint64_t synced;      /* the last one that is known to be on the disk; 0 */
  uint64_t bytes;       /* of events with their heads */
  uint64_t segments;
  uint64_t keys;    /* that have a latest event which is still there, about */
  uint64_t dropped; /* events that retention took since the store was opened */
  uint64_t damaged; /* events that were found lost when it was opened */
  uint64_t aside;   /* files that were put aside then */
  uint64_t cleared; /* bytes that were cleared behind the last event then */
} store_stats;
void store_stream_stats(store_stream *stream, store_stats *stats);

#endif

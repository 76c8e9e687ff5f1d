/* counter.h - what comes into a stream, counted for each key until it is enough.
**
** Counters are spread over slots by the name of their stream. While there are any, an event takes its
** slot's lock before it is kept and until it is counted: so a counter sees events in the order of their
** sequence numbers, and what it fires with are all events of the key between two of them. What is
** enough leaves the counter under that lock, and is fired without it.
*/
#ifndef STREAM_COUNTER_H
#define STREAM_COUNTER_H

#include <pthread.h>

#include "event.h"

#define STREAM_COUNTER_SLOTS 64

/* What has come for one key. */
typedef struct stream_tally {
  struct stream_tally *next; /* of its bucket; of those that are to be fired */
  struct stream_tally *newer,
      *older;              /* by when it began; of those that are being fired, in no order */
  stream_counter *counter; /* a reference, once it is to be fired */
  int mode;                /* of the counter, then */
  uint32_t way;            /* of the last event */
  uint64_t hash, began_ns, first, last, events, bytes;
  size_t len;
  char key[];
} stream_tally;

struct stream_counter {
  _Atomic uint32_t references;
  stream_counter *next; /* of its slot */
  void *user;
  void (*forget)(void *user);
  int mode;
  uint64_t events, bytes, wait_ns; /* 0: no reason to fire */
  uint32_t space;                  /* of the mapping's keys */
  int keyed;
  stream_tally **buckets;
  uint32_t mask, keys;
  uint64_t key_bytes;
  stream_tally *oldest, *newest;
  stream_tally *leaving; /* those that are being fired */
  uint64_t upto;         /* the last event that was counted */
  size_t stream_len;
  char stream[STORE_NAME_MAX];
};

typedef struct stream_counters {
  struct stream_counter_slot {
    _Alignas(64) pthread_mutex_t lock;
    stream_counter *first;
  } slots[STREAM_COUNTER_SLOTS];
  _Atomic uint32_t count;
  _Atomic uint64_t fired;
  _Atomic uint64_t alone; /* events that counters counted and no condition matched */
  uint64_t seed;
  uint32_t max_keys; /* of a counter */
  uint64_t max_bytes;
} stream_counters;

void stream_counters_init(stream_counters *counters, const stream_config *config, uint64_t seed);
void stream_counters_free(stream_counters *counters);

/* Lock the stream's slot, if anything is counted at all: NULL otherwise. */
struct stream_counter_slot *stream_counters_lock(stream_counters *counters, stream_text stream);
/* Count an event, with its slot's lock; what is enough is put before *due. 1 if any counter has, 0 if
** not, or -1 without memory, and then some have not. */
int stream_counters_count(stream_counters *counters, struct stream_counter_slot *slot,
                          stream_text stream, const stream_event *event, uint64_t sequence,
                          uint64_t now_ns, stream_tally **due);
/* The same of one counter. */
int stream_counter_count(const stream_counters *counters, stream_counter *counter,
                         const stream_event *event, uint64_t sequence, uint64_t now_ns,
                         stream_tally **due);
/* With its lock: it has counted nothing, and what comes is behind this number. */
void stream_counter_begin_at(stream_counter *counter, uint64_t after);
/* Call `enough` for each, the first that was put there first, and let go of them. */
void stream_counters_fire(stream_counters *counters, stream_tally *due, const stream_config *config,
                          void *context);

#endif

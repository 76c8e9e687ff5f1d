/* triggers.h - what a set of conditions holds.
**
** Keys are spread over shards by their hash. An event locks the shard of its key; whoever writes
** what is not in a shard locks all of them, in order, so it stays as it is while one is locked.
** `fire` is called without a lock, with references to what its matches hold.
*/
#ifndef STREAM_TRIGGERS_H
#define STREAM_TRIGGERS_H

#include "counter.h"
#include "event.h"
#include "pending.h"
#include "trie.h"

struct stream_triggers {
  stream_config config;
  stream_mapping mapping;
  stream_trie trie;
  uint64_t seed;
  uint64_t version; /* of the trie: counts its changes */
  uint64_t epoch;   /* counts the conditions that were added or switched on */
  uint64_t conditions;
  _Atomic uint32_t in_space[STREAM_SPACES_MAX]; /* conditions of each root */
  _Atomic uint64_t bytes;
  _Atomic uint64_t unheard; /* events that came while there were no conditions */
  uint32_t max_keys;        /* of a shard */
  stream_shard *shards;
  stream_counters counters;
};

/* One reference less; the last one forgets the condition. */
void stream_condition_release(stream_condition *condition);
/* The place among the mapping's keys for a key field; 0 for an empty one. STREAM_OK, _NOMEM, or
** _INVALID with a sentence in `err`: there are too many. */
int stream_triggers_space(stream_triggers *triggers, stream_text key, uint32_t *space, char *err);

#endif

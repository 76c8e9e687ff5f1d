/* keyed.h - the state of stages by key: shards with a lock each, over all flows of a set.
**
** A key of a stage lies in the shard that its hash says, in a table, in the order of use, and, if it
** waits for a time, in the stage's heap for that shard. Memory of all is counted in the set; over the
** bound, keys of the shard that grows go first, the least recently used ones, whosever they are, then
** those of other shards.
**
** A heap's time may be earlier than what its key waits for: whoever looks asks the stage, which says
** when the next time is.
*/
#ifndef FLOW_KEYED_H
#define FLOW_KEYED_H

#include "stage.h"

typedef struct flow_key {
  struct flow_key *next; /* of its bucket */
  struct flow_key *newer, *older;
  flow_stage *stage;
  uint64_t hash;
  int64_t due;    /* in the heap */
  uint32_t place; /* there, from 1; 0: it waits for nothing */
  uint32_t len;
  uint32_t way;   /* of the latest row to come */
  uint64_t bytes; /* that it takes, all in all */
  void *state;    /* the stage's own */
  char text[];    /* as flow_group_key makes it */
} flow_key;

typedef struct flow_shard {
  _Alignas(64) pthread_mutex_t lock;
  uint32_t number;
  flow_key **buckets;
  uint32_t mask, keys;
  flow_key *newest, *oldest;
} flow_shard;

/* What a kind of stage does with its keys; always with the shard's lock. */
typedef struct flow_keyed {
  /* A row has come. Results go to the run. 0: the key holds nothing any more. */
  int (*take)(flow_run *run, flow_shard *shard, flow_key *key, int side, const flow_row *row);
  /* The watermark has come to `now`: do what is due. When the next time is, FLOW_NEVER: none. *empty:
  ** set to 1 if the key holds nothing any more. */
  int64_t (*due)(flow_run *run, flow_key *key, int64_t now, int *empty);
  void (*free)(flow_key *key);
} flow_keyed;

extern const flow_keyed flow_window_keyed, flow_join_keyed, flow_sequence_keyed, flow_top_keyed;

int flow_shard_init(flow_shard *shard, uint32_t number);
void flow_shard_free(flow_shard *shard);

/* A row comes to a stage with state, and what it puts out goes on. */
void flow_keyed_take(flow_run *run, flow_stage *stage, int side, flow_row *row);
/* All keys of a stage that are due. */
void flow_keyed_fire(flow_run *run, flow_stage *stage, int64_t now);
/* All keys of a flow go. */
void flow_keyed_forget(flow_set *set, const flow_core *core);

/* The key waits for this time too. 0; -1 without memory. */
int flow_key_wait(flow_shard *shard, flow_key *key, int64_t due);
/* It takes more or less memory. */
void flow_key_charge(flow_key *key, int64_t bytes);

#endif

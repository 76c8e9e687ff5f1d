/* set.h - the flows of a set, found without waiting.
**
** The list of flows is never changed once it is published: another one takes its place, and whoever
** holds it goes on. It is published in several slots, so that threads seldom meet at one.
*/
#ifndef FLOW_SET_H
#define FLOW_SET_H

#include "keyed.h"

#define FLOW_SLOTS 8

typedef struct flow_list {
  _Atomic uint32_t references;
  uint32_t count;
  flow *flow[];
} flow_list;

typedef struct flow_slot {
  _Alignas(64) pthread_mutex_t lock;
  flow_list *list;
  flow_run *free;
} flow_slot;

struct flow_set {
  flow_config config;
  uint64_t seed;
  _Atomic uint64_t bytes;
  pthread_mutex_t changing; /* adding and removing */
  pthread_mutex_t ticking;  /* what a tick knows of inputs */
  flow_slot slot[FLOW_SLOTS];
  flow_shard *shards;
};

void flow_core_release(flow_core *core);

#endif

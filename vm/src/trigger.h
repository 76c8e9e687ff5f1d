/* trigger.h - triggers: conditions and counters of the stream store that start tasks. */
#ifndef PVM_TRIGGER_H
#define PVM_TRIGGER_H

#include <pthread.h>

#include "../include/vm.h"
#include "stream.h"

/* Triggers by their ids. */
typedef struct pvm_trigger_table {
  pthread_mutex_t lock; /* for adding, removing, setting, figures; never taken for an event */
  struct pvm_trigger_slot *slots;
  uint32_t count, capacity, free;
} pvm_trigger_table;

void pvm_trigger_table_init(pvm_trigger_table *table);
/* When the stream store has forgotten the triggers. */
void pvm_trigger_table_free(pvm_trigger_table *table);

/* Callbacks of the stream store, whose `context` is a pvm_firing: conditions that came true, a
** counter that has counted enough. */
void pvm_trigger_fire(void *context, const stream_match *matches, size_t count);
void pvm_trigger_enough(void *context, const stream_amount *amount);
/* What it counted is not to be counted again in the next process. */
void pvm_trigger_settled(void *context, const stream_amount *amount);
/* `user` is a trigger that is gone. */
void pvm_trigger_forget(void *user);

/* Of a status of the stream store, but STREAM_E_STORE. */
int pvm_trigger_status(int stream_status);

#endif

/* invocation.h - one run of a task on one input, from acceptance to its result. */
#ifndef PVM_INVOCATION_H
#define PVM_INVOCATION_H

#include <stdatomic.h>
#include <stdlib.h>

#include "held.h"
#include "task.h"

#define PVM_NEVER UINT64_MAX /* a point in time that does not come */

enum { PVM_OVER_NOT, PVM_OVER_ASLEEP, PVM_OVER };

typedef struct pvm_invocation {
  pvm_completion completion; /* filled in as it goes; tag and task at once */
  pvm_task *task;
  uint64_t accepted_ns;
  uint64_t deadline_ns; /* when it must have ended; PVM_NEVER */
  int priority;
  uint32_t block;              /* of the journal */
  uint64_t token;              /* of the task's breaker */
  struct pvm_invocation *next; /* in its task's backlog, or in a chain's list of what is next */
  int in_backlog;              /* it was taken from there, and so never dispatched */
  int warm;                    /* only makes a VM ready */
  int waited_for;              /* pvm_invoke waits for it: it does not go to the queue */
  pvm_array *array;            /* that it is part of: the same; NULL: none */
  _Atomic uint32_t over;       /* futex of who waits: PVM_OVER_NOT ... */
  /* 1; one more while a thread that was given up may read it, one while its chain does */
  _Atomic uint32_t references;
  struct pvm_trace_marks *trace; /* see trace.h; NULL: it is not traced */
  struct pvm_chain_run *chain;   /* that it is part of; NULL */
  uint32_t node;                 /* and its number there */
  uint32_t depth;                /* how many tasks in a row appended what started it */
  pvm_held *held;                /* what the payload needs */
  size_t len;
  unsigned char *payload; /* `copied`, or memory of its own */
  unsigned char copied[];
} pvm_invocation;

/* See array.h. */
void pvm_array_release(pvm_array *array);

static inline void pvm_invocation_release(pvm_invocation *invocation) {
  if (atomic_fetch_sub_explicit(&invocation->references, 1, memory_order_acq_rel) != 1) return;
  if (invocation->payload != invocation->copied) free(invocation->payload);
  free(invocation->trace);
  pvm_held_free(invocation->held);
  if (invocation->array != NULL) pvm_array_release(invocation->array);
  else free(invocation);
}

#endif

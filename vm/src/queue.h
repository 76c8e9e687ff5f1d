/* queue.h - what waits for a worker, in the order in which it is to run.
**
** By priority, then deadline, then arrival; and waiting counts: each step of priority is
** worth PVM_PRIORITY_STEP_NS of it, so nothing waits for ever. The order of two invocations
** never changes while they wait, which makes it a plain key:
**
**   (arrival / step - priority, deadline, arrival), smallest first
**
** Invocations of one kind, that is of one priority and one span from arrival to deadline, come in
** the order in which they are to run. So a lock-free ring takes one kind, in the order of arrival;
** it takes another once it is empty. The others go through a heap under a lock of this queue
** alone. Any thread may push and pop; of two that push at the same moment either may be first.
*/
#ifndef PVM_QUEUE_H
#define PVM_QUEUE_H

#include <pthread.h>

#include "invocation.h"
#include "ring.h"

/* With its key, so that finding a place reads no other memory. */
typedef struct pvm_queue_entry {
  int64_t level;
  uint64_t deadline_ns;
  uint64_t accepted_ns;
  pvm_invocation *invocation;
} pvm_queue_entry;

typedef struct pvm_queue {
  pvm_ring ring;
  _Atomic uint64_t kind; /* of the ring's */
  pthread_mutex_t lock;  /* of the heap */
  pvm_queue_entry *heap;
  size_t cap;
  _Atomic size_t count; /* in the heap */
} pvm_queue;

/* The first part of the key. */
int64_t pvm_invocation_level(uint64_t accepted_ns, int priority);
/* Is a to run before b? */
int pvm_invocation_before(const pvm_invocation *a, const pvm_invocation *b);

/* 0, or -1 without memory. At most `capacity` invocations are ever in it at a time. */
int pvm_queue_init(pvm_queue *queue, size_t capacity);
void pvm_queue_free(pvm_queue *queue);
/* Without memory for the heap, an invocation takes its place by arrival alone. */
void pvm_queue_push(pvm_queue *queue, pvm_invocation *invocation);
/* NULL when empty. */
pvm_invocation *pvm_queue_pop(pvm_queue *queue);
/* Take out the invocation with this id, wherever it stands; NULL if it is not there any more.
** Looks at all of them. */
pvm_invocation *pvm_queue_take(pvm_queue *queue, uint64_t id);
/* Guesses while others push and pop: how many; and when the next was accepted, PVM_NEVER
** for none. */
size_t pvm_queue_count(pvm_queue *queue);
uint64_t pvm_queue_oldest(pvm_queue *queue);

#endif

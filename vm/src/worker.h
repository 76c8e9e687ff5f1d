/* worker.h - a place where invocations queue up, and the thread that serves it now. */
#ifndef PVM_WORKER_H
#define PVM_WORKER_H

#include "park.h"
#include "queue.h"
#include "thread.h"

struct pvm_executor;
struct pvm_group;

typedef struct pvm_worker {
  struct pvm_executor *executor;
  struct pvm_group *group;
  uint32_t index; /* in its group */
  uint32_t seat;  /* its number among those who may run the same tasks: see pvm_task_seat */
  pvm_queue queue;
  pvm_park park;
  _Atomic int looking; /* its thread is awake and without work: it takes the next at once */
  _Atomic(pvm_thread *) thread;
  /* Its own: */
  _Alignas(64) _Atomic uint64_t delivered; /* invocations that ended here, so far */
  /* For whoever looks for an invocation: the id of the one that its thread has taken out of a
  ** queue and that has not ended; 0; or PVM_TAKING while it looks into a queue. */
  _Atomic uint64_t holding;
} pvm_worker;

#define PVM_TAKING UINT64_MAX

/* The worker's number among all of the executor's. */
uint32_t pvm_worker_number(const pvm_worker *worker);
/* From any thread, once no more work is accepted: end what is queued as cancelled. */
void pvm_worker_cancel_queue(pvm_worker *worker);
/* From any thread: end one that was taken out of a queue or a backlog as cancelled. */
void pvm_worker_settle_queued(pvm_worker *worker, pvm_invocation *invocation, const char *why);
/* Whoever runs it or gives it up: the invocation has its outcome; count it and hand it on. */
void pvm_worker_settle(pvm_worker *worker, pvm_invocation *invocation);

#endif

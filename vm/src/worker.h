/* worker.h - a thread that runs invocations in VMs of its own.
**
** A worker looks for work in its own queue, then for work that has waited too long in
** another's, and sleeps when there is none.
** A task keeps its VM on a worker between invocations; when the worker's VMs are used up
** the one unused for longest retires.
*/
#ifndef PVM_WORKER_H
#define PVM_WORKER_H

#include <semaphore.h>

#include "park.h"
#include "pool.h"
#include "ring.h"
#include "task.h"

struct pvm_executor;
struct pvm_group;

enum { PVM_OVER_NOT, PVM_OVER_ASLEEP, PVM_OVER };

typedef struct pvm_invocation {
  pvm_completion completion; /* filled in as it goes; tag and task at once */
  pvm_task *task;
  uint64_t accepted_ns;
  int waited_for;        /* pvm_invoke waits for it: it does not go to the queue */
  _Atomic uint32_t over; /* futex of who waits: PVM_OVER_NOT ... */
  size_t len;
  unsigned char payload[];
} pvm_invocation;

typedef struct pvm_worker {
  struct pvm_executor *executor;
  struct pvm_group *group;
  uint32_t index; /* in its group */
  pthread_t thread;
  sem_t begun;           /* posted when the thread is confined, or could not be */
  int status;            /* which of the two; PVM_OK or a negative status */
  char *err;             /* and why: the starter's, until `begun` */
  _Atomic int dismissed; /* end at once: nothing was ever asked of it */
  pvm_ring queue;        /* of pvm_invocation */
  pvm_park park;
  _Atomic int looking; /* awake and without work: it takes the next at once */
  pvm_pool pool;
  pvm_seat *oldest; /* seats in use, least recently used first */
  pvm_seat *newest;
  uint32_t seated;
  uint64_t swept;            /* the executor's count of withdrawals when last looked at */
  pthread_mutex_t interrupt; /* held while another thread interrupts `running` */
  _Atomic(pvm_vm *) running;
} pvm_worker;

/* PVM_OK, or a negative status with the reason in `err`, and then no thread is left. */
int pvm_worker_start(pvm_worker *worker, char *err);
/* End a worker that was started and never given work. */
void pvm_worker_dismiss(pvm_worker *worker);
/* From any thread, once no more work is accepted: end what is queued as cancelled. */
void pvm_worker_cancel_queue(pvm_worker *worker);
/* Raise KeyboardInterrupt in what the worker runs now, if it runs anything. */
void pvm_worker_interrupt(pvm_worker *worker);

#endif

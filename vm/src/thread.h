/* thread.h - a thread that runs invocations in VMs of its own, for one worker.
**
** A thread looks for work in its worker's queue, then for work that has waited too long in
** another's, and sleeps when there is none (find_work.h).
** A task keeps its VM on a thread between invocations; when the thread's VMs are used up
** the one unused for longest retires (seats.h).
** A thread that the ladder gave up is nobody's: when it comes back from what it was stuck in
** it ends its VMs and itself, and touches nothing of the worker, which has another thread.
*/
#ifndef PVM_THREAD_H
#define PVM_THREAD_H

#include <semaphore.h>

#include "journal.h"
#include "pool.h"
#include "run.h"

struct pvm_worker;

typedef struct pvm_thread {
  struct pvm_worker *worker;
  pthread_t handle;
  pid_t tid;
  sem_t begun;           /* posted when the thread is confined, or could not be */
  int status;            /* which of the two; PVM_OK or a negative status */
  char *err;             /* and why: the starter's, until `begun` */
  _Atomic int dismissed; /* end at once: nothing was ever asked of it */
  _Atomic int ended;     /* it may be joined and freed */
  pvm_run run;
  uint64_t cpu_read;         /* its processor clock when last read, */
  uint64_t cpu_read_at;      /* and when that was; 0: never */
  pvm_journal_thread *doing; /* what it does, for whoever looks after a crash; maybe `own` */
  pvm_journal_thread own;
  int helping;   /* it runs the low lane's work for a regular worker, and counts as doing so */
  pvm_vm *unfit; /* could not be loaded, and is to be retired after the run */
  pvm_pool pool;
  pvm_seat *oldest; /* seats in use, least recently used first */
  pvm_seat *newest;
  uint32_t seated;
  uint64_t swept; /* the executor's count of withdrawals when last looked at */
} pvm_thread;

/* A thread for the worker, confined and waiting. NULL with *status and `err`. */
pvm_thread *pvm_thread_start(struct pvm_worker *worker, int *status, char *err);
/* On the thread itself, between two bytecodes of a low task: wait while the core lane has work,
** but not for long. */
void pvm_thread_pause(pvm_thread *thread);
/* What it does now, for whoever looks after a crash. */
void pvm_thread_note(pvm_thread *thread, pvm_journal_doing doing, uint64_t id, uint64_t now,
                     int64_t task, const pvm_program *program);
/* A VM of the thread went over its quota, on the thread itself: memory.c calls this once for each. */
void pvm_thread_over_quota(pvm_memory *memory);
/* Is it to end? */
int pvm_thread_is_over(pvm_thread *thread);
/* End a thread that was never given work. */
void pvm_thread_dismiss(pvm_thread *thread);
/* For one that has ended. */
void pvm_thread_join(pvm_thread *thread);

#endif

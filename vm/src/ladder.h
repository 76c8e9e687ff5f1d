/* ladder.h - stops what does not stop by itself, one step after the other.
**
** One thread for an executor. It sleeps until the first run is due (a deadline, a time-out,
** a quota, the executor's stop) or is to be cancelled, and then, for that run:
**
**   at once      an exception at the next bytecode boundary, and a signal, so that a
**                system call that waits comes back
**   every 10 ms  the same again, since a task may have caught it; from the third time on the
**                exception comes again at every boundary, and cannot be caught for good
**   after grace  the thread is given up: its invocation ends with the outcome, a new
**                thread serves the worker's queue, and the old one gets what processor time
**                nobody else wants until it comes back to end
*/
#ifndef PVM_LADDER_H
#define PVM_LADDER_H

#include <pthread.h>

#include "park.h"
#include "run.h"

struct pvm_executor;

typedef struct pvm_ladder {
  struct pvm_executor *executor;
  pthread_t handle;
  pvm_park park;
  _Atomic uint64_t wake_ns; /* when it wakes by itself; PVM_NEVER also while it looks */
  _Atomic int over;
  pthread_mutex_t lock; /* of the two below; the count is read without it too */
  uint64_t *unwanted;   /* ids of invocations that threads hold and that are cancelled */
  _Atomic size_t unwanted_count;
  size_t unwanted_cap;
} pvm_ladder;

/* The signal that makes waiting system calls of a VM's thread return; its handler does
** nothing. Idempotent. PVM_OK or PVM_E_OS. */
int pvm_ladder_signal_install(void);
int pvm_ladder_signal(void);

int pvm_ladder_start(pvm_ladder *ladder, struct pvm_executor *executor);
void pvm_ladder_stop(pvm_ladder *ladder);
/* Once nobody calls it any more, started or not. */
void pvm_ladder_free(pvm_ladder *ladder);
/* A run that was begun is due at its due_ns: let the ladder know if that is sooner than it
** would look. */
static inline void pvm_ladder_expect(pvm_ladder *ladder, uint64_t due_ns) {
  if (due_ns < atomic_load(&ladder->wake_ns)) pvm_park_ring(&ladder->park);
}
/* Stop a run that a worker holds (see worker.h), once it has begun. PVM_OK or PVM_E_NOMEM. */
int pvm_ladder_cancel(pvm_ladder *ladder, uint64_t id);
/* Why a run was stopped that ended with that outcome. */
const char *pvm_ladder_words(const pvm_ladder *ladder, int outcome);
/* Look at everything now. */
static inline void pvm_ladder_ring(pvm_ladder *ladder) {
  pvm_park_ring(&ladder->park);
}

#endif

/* run.h - what a thread runs at this moment, and how others may step in.
**
** The thread begins and ends its runs; the ladder (ladder.h) may hold one for a moment, to
** interrupt it, and may give it up. A stage decides who may touch the rest:
**
**   NONE -> RUNNING -> NONE                     by the thread, when nobody steps in
**   RUNNING -> HELD -> RUNNING or KICKED        by the ladder
**   KICKED -> NONE                              by the thread: it ended after all
**   KICKED -> HELD -> KICKED or ABANDONED       by the ladder
**
** The thread waits while a run is HELD, which is microseconds. So a kick never reaches the
** next run, and an invocation has one owner, whoever wins.
*/
#ifndef PVM_RUN_H
#define PVM_RUN_H

#include <stdatomic.h>

#include "invocation.h"

enum { PVM_RUN_NONE, PVM_RUN_RUNNING, PVM_RUN_HELD, PVM_RUN_KICKED, PVM_RUN_ABANDONED };

typedef struct pvm_run {
  _Atomic uint32_t stage;
  _Atomic uint64_t due_ns;    /* when the ladder must look at it; PVM_NEVER */
  _Atomic int reason;         /* the outcome if it is stopped: a pvm_outcome */
  _Atomic(pvm_vm *) vm;       /* NULL until it has one */
  pvm_invocation *invocation; /* NULL while a VM is being unloaded */
  pvm_invocation *waiting;    /* until that VM is unloaded; NULL */
  uint64_t started_ns;
  _Atomic uint64_t paused_ns; /* in favour of the core lane: no time of the run's */
  _Atomic int pause_asked;
  uint64_t cpu_limit_ns; /* of the thread's processor clock; PVM_NEVER */
  /* the ladder's: */
  uint64_t kicked_ns; /* since when it tries */
  uint64_t again_ns;  /* when it tries next */
  uint32_t kicks;
} pvm_run;

/* What ends a run, in the thread's own words. */
typedef enum pvm_run_end {
  PVM_RUN_FREE,    /* nobody stepped in */
  PVM_RUN_STOPPED, /* it was interrupted, for `reason` */
  PVM_RUN_LOST     /* it was given up: invocation and worker are no longer this thread's */
} pvm_run_end;

/* By the thread. `run`'s other fields are set before. */
void pvm_run_begin(pvm_run *run);
pvm_run_end pvm_run_finish(pvm_run *run);

/* By others: take hold of a run in that stage; 1 if it was. Let go into another stage. */
int pvm_run_hold(pvm_run *run, uint32_t stage);
void pvm_run_let(pvm_run *run, uint32_t stage);

#endif

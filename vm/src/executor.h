/* executor.h - what pvm_executor holds. */
#ifndef PVM_EXECUTOR_H
#define PVM_EXECUTOR_H

#include "group.h"
#include "journal.h"
#include "ladder.h"
#include "outbox.h"

enum {
  PVM_EXECUTOR_RUNNING,
  PVM_EXECUTOR_DRAINING,   /* no new work */
  PVM_EXECUTOR_CANCELLING, /* nor what is queued */
  PVM_EXECUTOR_STOPPED
};

struct pvm_trigger_set;

/* Fields stand by who writes them, on cache lines of their own: what every run reads shares none
** with what every run, or every submission, writes. */
struct pvm_executor {
  pvm_executor_config config;
  _Atomic int state;
  uint32_t cores;                /* that its threads may use */
  uint64_t wall_ns;              /* the wall clock when the monotonic one was 0 */
  pvm_journal *journal;          /* NULL: none is kept */
  _Atomic uint64_t traced_below; /* see trace.c: 0 to 2^32, for none and all */
  _Atomic uint64_t withdrawals;  /* counts occasions on which VMs may have to retire */
  pvm_task_table tasks;
  _Atomic(struct pvm_trigger_set *) triggers; /* NULL: there were none yet */
  _Atomic(pvm_features *) features;           /* NULL: it has no tables */
  pthread_mutex_t grouping; /* of starting a group, and of leaving the state RUNNING */
  _Atomic uint32_t group_count;
  pvm_group *groups[PVM_MAX_WORKERS]; /* those below group_count stay as they are */
  /* Submitters': */
  _Alignas(64) _Atomic uint32_t outstanding[PVM_LANES]; /* accepted and not yet collected: at most
                                                           max_pending */
  _Atomic uint64_t admitted;  /* what has not been delivered of these is unfinished */
  _Atomic uint64_t delivered; /* by others than workers */
  _Atomic uint64_t last;      /* count of invocations */
  /* Between workers and collectors: */
  pvm_ring completed; /* of pvm_invocation; never full: see outstanding */
  _Alignas(64) pvm_park collector;
  pvm_outbox outbox;
  pthread_mutex_t handing; /* of what was handed out by the last collection */
  uint32_t *handed;        /* blocks of the journal: finished at the next */
  size_t handed_count;
  size_t handed_cap;
  /* Of the core and the low lane: */
  _Alignas(64) _Atomic uint32_t core_unfinished; /* while there are any, low ones pause */
  _Atomic uint32_t low_running;
  _Atomic uint64_t pauses;
  pvm_park resumed; /* rung when core_unfinished falls to 0 */
  /* Seldom written: */
  _Alignas(64) pvm_ladder ladder;
  pvm_park drained; /* rung when nothing is unfinished any more while draining */
  _Atomic uint32_t cancelled;
  _Atomic uint32_t returned; /* counts invocations that went from a thread back into a queue */
  pvm_park departures;       /* rung when a thread has ended, or was given up */
  _Atomic uint32_t stuck;    /* threads that were given up and have not come back */
  _Atomic uint32_t unserved; /* workers for which no new thread could be had */
};

/* Does the configuration of a task keep to what vm.h says? */
int pvm_task_config_is_valid(const pvm_task_config *config);
/* The task of an id; PVM_E_UNKNOWN, or what pvm_runtime_check finds. */
int pvm_executor_find(pvm_executor *executor, int64_t id, pvm_task **task);
/* Accept one invocation, which goes to nobody yet, and starts no chain. */
int pvm_executor_accept(pvm_executor *executor, pvm_task *task, uint64_t tag, const void *payload,
                        size_t len, const pvm_submit_options *options, pvm_invocation **invocation);
/* Places in a lane are taken by submission, and free again when the completion was collected.
** Returns how many of those wanted there were. */
uint32_t pvm_executor_take_places(pvm_executor *executor, pvm_lane lane, uint32_t wanted);
void pvm_executor_return_places(pvm_executor *executor, pvm_lane lane, uint32_t n);
/* Count n invocations as accepted, unless the task or the executor takes no more. */
int pvm_executor_admit(pvm_executor *executor, pvm_task *task, uint32_t n);
/* n that were admitted are refused after all. */
void pvm_executor_take_back(pvm_executor *executor, pvm_task *task, uint32_t n);
/* The first of n ids that follow each other. */
uint64_t pvm_executor_new_ids(pvm_executor *executor, uint32_t n);
/* An invocation that rate and breaker let in, and that is in the journal with the number of ids
** that are its chain's. */
int pvm_executor_make(pvm_executor *executor, pvm_task *task, uint64_t tag, const void *payload,
                      size_t len, const pvm_submit_options *options, uint32_t ids,
                      pvm_invocation **out);
/* To a worker, or into the task's backlog. */
void pvm_executor_dispatch(pvm_executor *executor, pvm_invocation *invocation);
/* How many were accepted and have not ended. */
uint64_t pvm_executor_unfinished(pvm_executor *executor);
/* Wake whoever waits for that to be 0, if it is. */
void pvm_executor_tell_drained(pvm_executor *executor);
/* A withdrawn task may have just run out of work: its VMs and its program can go. */
void pvm_executor_settle(pvm_executor *executor, pvm_task *task);
/* What the last collection handed out has been seen: the journal may forget it. */
void pvm_executor_finish_handed(pvm_executor *executor);
/* A running invocation has ended, as its completion says: count it, tell its task's breaker, and
** hand it to whoever waits for it; what comes after it in a chain goes on. share, delivered: of the
** worker that ran it. */
void pvm_executor_end(pvm_executor *executor, pvm_invocation *invocation, pvm_share *share,
                      _Atomic uint64_t *delivered);
/* One that never was a worker's has ended: count it, and hand it on. */
void pvm_executor_end_unstarted(pvm_executor *executor, pvm_invocation *invocation);
/* Its completion was handed out: the block that the journal may forget then. Once. */
uint32_t pvm_executor_block_of(pvm_invocation *invocation);
/* All of a completion but its data, which ends at `end` of a batch's. */
void pvm_record_write(pvm_record *record, const pvm_completion *completion, size_t end);
/* For workers: an invocation has ended; the next of its task's backlog goes to a worker. */
void pvm_executor_dispatch_next(pvm_task *task);
/* For a thread that was given up before it began what it had taken: others take it. */
void pvm_executor_return(pvm_worker *worker, pvm_invocation *invocation);
/* For workers: a withdrawn task has run out of work. */
void pvm_executor_note_withdrawal(pvm_executor *executor);

#endif

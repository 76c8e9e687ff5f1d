/* task.h - the executor's view of one version of a task, and the table of them.
**
** Tasks are never freed while their executor lives, so that a submitter needs no lock to
** use one; a withdrawn task keeps this struct but not its program.
*/
#ifndef PVM_TASK_H
#define PVM_TASK_H

#include <stdatomic.h>

#include "breaker.h"
#include "vm_state.h"

struct pvm_chain;
struct pvm_group;
struct pvm_invocation;
struct pvm_thread;

/* The place of one task's VM on one thread; only that thread touches it. A thread that was
** given up keeps its seats, and its successor makes new ones. */
typedef struct pvm_seat {
  pvm_vm *vm;   /* NULL: none here */
  size_t bytes; /* of the VM, as last added to the task's sum */
  struct pvm_task *task;
  struct pvm_thread *thread;
  struct pvm_seat *made_before; /* all that the task ever had, to be freed with it */
  struct pvm_seat *older;       /* the worker's seats in order of use */
  struct pvm_seat *newer;
} pvm_seat;

/* One worker's part in a task, on a cache line that only this worker writes: what all workers
** count into would go from core to core with every run. */
typedef struct pvm_share {
  _Alignas(64) _Atomic(pvm_seat *) seat; /* its present thread's */
  _Atomic uint64_t finished;
  _Atomic uint64_t failed;
  _Atomic uint32_t running;
} pvm_share;

/* Read by everybody, and written seldom, up to `emptied`. */
typedef struct pvm_task {
  int64_t id;
  char name[PVM_NAME_MAX + 1];
  pvm_program *program; /* NULL for external tasks, as is their group */
  pvm_task_config config;
  pvm_breaker *breaker;    /* of all versions of its name */
  struct pvm_group *group; /* whose workers may run it */
  uint32_t home;           /* the worker of it whose queue gets the task's invocations first */
  uint32_t share_count;
  _Atomic uint64_t failed_at; /* when it last could not be loaded; 0: never */
  _Atomic int withdrawn;
  _Atomic int emptied;               /* the program is released: nobody can need it any more */
  _Atomic(struct pvm_chain *) chain; /* what its invocations start; NULL: nothing */
  pthread_mutex_t chain_lock;        /* of changing and of retaining it */
  /* Submitters': */
  _Alignas(64) _Atomic uint64_t accepted;
  _Atomic uint64_t next_ns; /* of the rate: when the next would be on time */
  _Atomic uint32_t spread;  /* turns through the other workers when home is behind */
  /* For tasks with max_running only: */
  _Alignas(64) _Atomic uint32_t dispatched; /* queued at workers or running: at most max_running */
  _Atomic uint32_t backlog;                 /* how many wait for those */
  pthread_mutex_t backlog_lock;             /* of the two below, and of growth of `backlog` */
  struct pvm_invocation *backlog_first;     /* in the order of queues */
  struct pvm_invocation *backlog_last;
  /* Seldom written: */
  _Alignas(64) _Atomic uint32_t vms;
  _Atomic size_t bytes;
  pthread_mutex_t failure_lock;
  pvm_buffer failure;       /* why it could not be loaded */
  _Atomic(pvm_seat *) made; /* the seat made last */
  pvm_share shares[];       /* by pvm_worker.seat; one if no worker runs it */
} pvm_task;

#define PVM_TASKS_CHUNK 1024
#define PVM_TASKS_CHUNKS 1024 /* so a million versions in an executor's life */

/* Ids are handed out from 1 and never again; look-up takes no lock. */
typedef struct pvm_task_table {
  pthread_mutex_t lock; /* of adding */
  _Atomic int64_t count;
  _Atomic(pvm_task **) chunks[PVM_TASKS_CHUNKS];
  struct pvm_named_breaker *breakers; /* by name; guarded by the lock */
} pvm_task_table;

void pvm_task_table_init(pvm_task_table *table);
/* Takes a reference to the program; both it and the group are NULL for an external task. NULL
** without memory or when the table is full. */
pvm_task *pvm_task_table_add(pvm_task_table *table, const char *name, pvm_program *program,
                             const pvm_task_config *config, struct pvm_group *group);
/* NULL when there is no such id. */
pvm_task *pvm_task_table_get(pvm_task_table *table, int64_t id);
void pvm_task_table_free(pvm_task_table *table);

/* Does the task's rate allow one more now? Counts it if so. */
int pvm_task_rate_admits(pvm_task *task, uint64_t now);
/* Tasks with max_running: may the invocation go to a worker now? 1; or 0, and it waits in the
** backlog. */
int pvm_task_dispatch(pvm_task *task, struct pvm_invocation *invocation);
/* One that was dispatched has ended: the next of the backlog, if there is one, goes to a worker by
** `enqueue`, while nobody can find it in between. Returns that worker, or NULL. */
struct pvm_worker *
pvm_task_dispatch_next(pvm_task *task,
                       struct pvm_worker *(*enqueue)(struct pvm_invocation *invocation));
/* Take the invocation with this id out of the backlog; NULL if it is not there. */
struct pvm_invocation *pvm_task_backlog_take(pvm_task *task, uint64_t id);

/* The task's seat on a thread, which calls this; made when there is none yet. `index` is
** its worker's pvm_worker.seat. NULL without memory. */
pvm_seat *pvm_task_seat(pvm_task *task, uint32_t index, struct pvm_thread *thread);

/* A task that cannot be loaded is not tried again for PVM_TASK_RETRY_NS: making a VM and
** importing costs milliseconds, and the queue may be full of its invocations. */
#define PVM_TASK_RETRY_NS 1000000000u
void pvm_task_failure_note(pvm_task *task, uint64_t now, const pvm_buffer *why);
/* 1, with a copy of the reason, while the task is not to be tried. */
int pvm_task_failure_recall(pvm_task *task, uint64_t now, pvm_buffer *why);

/* How many have ended, in whatever outcome. Sequentially consistent with the ends that it counts:
** of several threads that note an end and then look, the last sees all. */
uint64_t pvm_task_finished(pvm_task *task);
/* Withdrawn, and nothing of it is accepted but unfinished? */
int pvm_task_over(pvm_task *task);
/* Release the program of a task that is over once no VM holds it. */
void pvm_task_empty(pvm_task *task);

#endif

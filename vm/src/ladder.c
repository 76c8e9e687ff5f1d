/* ladder.c - see ladder.h. */
#include "ladder.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "executor.h"
#include "runtime.h"
#include "trace.h"

#define AGAIN_NS 10000000u /* between two kicks */
#define LOOK_NS 1000000u   /* between two looks at whether what is cancelled has begun */
#define DOOM_AFTER 2       /* kicks that may be caught; then there is no way around */

/* ---- The signal --------------------------------------------------------- */

static void nothing(int number) {
  (void)number; /* it is enough that a system call was interrupted */
}

int pvm_ladder_signal(void) {
  return SIGRTMAX - 3; /* far from what programs take first */
}

int pvm_ladder_signal_install(void) {
  struct sigaction action = {.sa_handler = nothing}; /* no SA_RESTART */
  sigemptyset(&action.sa_mask);
  return sigaction(pvm_ladder_signal(), &action, NULL) == 0 ? PVM_OK : PVM_E_OS;
}

/* ---- What is cancelled -------------------------------------------------- */

int pvm_ladder_cancel(pvm_ladder *ladder, uint64_t id) {
  int status = PVM_OK;
  pthread_mutex_lock(&ladder->lock);
  size_t count = atomic_load(&ladder->unwanted_count);
  if (count == ladder->unwanted_cap) {
    size_t cap = count ? 2 * count : 16;
    uint64_t *more = realloc(ladder->unwanted, cap * sizeof *more);
    if (more == NULL) status = PVM_E_NOMEM;
    else ladder->unwanted = more, ladder->unwanted_cap = cap;
  }
  if (status == PVM_OK) {
    ladder->unwanted[count] = id;
    atomic_store(&ladder->unwanted_count, count + 1);
  }
  pthread_mutex_unlock(&ladder->lock);
  if (status == PVM_OK) pvm_park_ring(&ladder->park);
  return status;
}

static int is_unwanted(pvm_ladder *ladder, uint64_t id) {
  if (id == 0 || atomic_load(&ladder->unwanted_count) == 0) return 0;
  size_t i = 0;
  pthread_mutex_lock(&ladder->lock);
  size_t count = atomic_load(&ladder->unwanted_count);
  while (i < count && ladder->unwanted[i] != id) i++;
  pthread_mutex_unlock(&ladder->lock);
  return i < count;
}

static int is_held(const pvm_executor *executor, uint64_t id) {
  uint32_t groups = atomic_load(&executor->group_count);
  for (uint32_t g = 0; g < groups; g++)
    for (uint32_t i = 0; i < executor->groups[g]->count; i++)
      if (atomic_load(&executor->groups[g]->workers[i].holding) == id) return 1;
  return 0;
}

/* Forget what has ended; returns how many are left. */
static size_t forget_ended(pvm_ladder *ladder) {
  if (atomic_load(&ladder->unwanted_count) == 0) return 0;
  size_t left = 0;
  pthread_mutex_lock(&ladder->lock);
  size_t count = atomic_load(&ladder->unwanted_count);
  for (size_t i = 0; i < count; i++)
    if (is_held(ladder->executor, ladder->unwanted[i]))
      ladder->unwanted[left++] = ladder->unwanted[i];
  atomic_store(&ladder->unwanted_count, left);
  pthread_mutex_unlock(&ladder->lock);
  return left;
}

/* ---- The steps ---------------------------------------------------------- */

static int is_stopping(const pvm_ladder *ladder) {
  return atomic_load(&ladder->executor->state) >= PVM_EXECUTOR_CANCELLING;
}

const char *pvm_ladder_words(const pvm_ladder *ladder, int outcome) {
  switch (outcome) {
  case PVM_OVER_QUOTA: return "stopped: over its quota";
  case PVM_CANCELLED:
    return is_stopping(ladder) ? "stopped: the executor stopped" : "stopped: it was cancelled";
  default: return "stopped at its deadline";
  }
}

static uint64_t cpu_of(pvm_thread *t) {
  clockid_t clock;
  struct timespec used;
  if (pthread_getcpuclockid(t->handle, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* Held: is the run to be stopped, and why? If it is only its processor time that had to be
** looked at, when is it due next? */
static int is_due(pvm_ladder *ladder, pvm_thread *t, uint64_t now) {
  pvm_run *run = &t->run;
  if (run->invocation != NULL &&
      (is_stopping(ladder) || is_unwanted(ladder, run->invocation->completion.id))) {
    atomic_store(&run->reason, PVM_CANCELLED);
    return 1;
  }
  if (atomic_load(&run->due_ns) > now) return 0;
  if (atomic_load(&run->reason) == PVM_OVER_QUOTA || run->cpu_limit_ns == PVM_NEVER) return 1;
  const pvm_task_config *config = &run->invocation->task->config;
  uint64_t begun = run->started_ns + atomic_load(&run->paused_ns);
  uint64_t due = run->invocation->deadline_ns, used = cpu_of(t);
  if (config->timeout_ns != 0 && begun + config->timeout_ns < due) due = begun + config->timeout_ns;
  if (due <= now) return 1;
  if (used >= run->cpu_limit_ns) {
    atomic_store(&run->reason, PVM_OVER_QUOTA);
    return 1;
  }
  uint64_t left = now + (run->cpu_limit_ns - used);
  atomic_store(&run->due_ns, left < due ? left : due);
  return 0;
}

static void kick(pvm_thread *t) {
  pvm_run *run = &t->run;
  pvm_vm *vm = atomic_load(&run->vm);
  if (vm != NULL) pvm_vm_interrupt(vm, run->kicks >= DOOM_AFTER);
  pthread_kill(t->handle, pvm_ladder_signal());
  run->kicks++;
  if (run->invocation != NULL) pvm_trace_note_kick(run->invocation->trace);
  run->again_ns = pvm_now() + AGAIN_NS;
}

/* The kernel gives it what nobody else wants. No privilege is needed for that. */
static void demote(pvm_thread *t) {
  struct sched_param none = {0};
  if (sched_setscheduler(t->tid, SCHED_IDLE, &none) != 0)
    setpriority(PRIO_PROCESS, (id_t)t->tid, 19);
}

static void give_up(pvm_ladder *ladder, pvm_worker *worker, pvm_thread *t) {
  pvm_executor *executor = ladder->executor;
  pvm_run *run = &t->run;
  pvm_invocation *invocation = run->invocation, *waiting = run->waiting;
  int stopping = is_stopping(ladder);
  int reason = atomic_load(&run->reason);
  uint64_t started = run->started_ns;
  atomic_fetch_add(&executor->stuck, 1);
  if (invocation != NULL) atomic_fetch_add(&invocation->references, 1); /* the thread reads it */
  if (t->helping) atomic_fetch_sub(&worker->group->helping, 1);
  demote(t);
  pthread_detach(t->handle);
  if (invocation == NULL && waiting != NULL) pvm_executor_return(worker, waiting);
  atomic_store(&worker->holding, 0); /* before the next thread holds another */
  int status;
  pvm_thread *next = stopping ? NULL : pvm_thread_start(worker, &status, NULL);
  atomic_store(&worker->thread, next);
  if (next == NULL && !stopping) atomic_fetch_add(&executor->unserved, 1);
  pvm_run_let(run, PVM_RUN_ABANDONED); /* from here on it may be gone */
  if (invocation == NULL) return;
  invocation->completion.outcome = reason;
  invocation->completion.run_ns = pvm_now() - started;
  pvm_trace_mark(invocation->trace, PVM_STAGE_GIVEN_UP);
  char text[PVM_ERR_MAX];
  snprintf(text, sizeof text, "%s; it did not end, and its thread was given up",
           pvm_ladder_words(ladder, reason));
  pvm_buffer_text(&invocation->completion.data, text);
  pvm_worker_settle(worker, invocation);
}

/* Look at what one thread runs; returns when to look again. */
static uint64_t look(pvm_ladder *ladder, pvm_worker *worker, uint64_t now) {
  pvm_executor *executor = ladder->executor;
  pvm_thread *t = atomic_load(&worker->thread);
  if (t == NULL) return PVM_NEVER;
  pvm_run *run = &t->run;
  int unwanted = is_stopping(ladder) || is_unwanted(ladder, atomic_load(&worker->holding));
  uint32_t stage = atomic_load(&run->stage);
  if (stage == PVM_RUN_RUNNING) {
    uint64_t due = atomic_load(&run->due_ns);
    if (due > now && !unwanted) return due;
    if (!pvm_run_hold(run, PVM_RUN_RUNNING)) return now;
    if (!is_due(ladder, t, now)) {
      due = atomic_load(&run->due_ns);
      pvm_run_let(run, PVM_RUN_RUNNING);
      return due;
    }
    run->kicked_ns = now;
    run->kicks = 0;
    kick(t);
    pvm_run_let(run, PVM_RUN_KICKED);
    return run->again_ns;
  }
  if (stage != PVM_RUN_KICKED) return PVM_NEVER;
  if (run->again_ns > now) return run->again_ns;
  if (!pvm_run_hold(run, PVM_RUN_KICKED)) return now;
  if (now - run->kicked_ns >= (uint64_t)executor->config.grace_ms * 1000000u) {
    give_up(ladder, worker, t);
    pvm_park_ring_all(&executor->departures);
    return PVM_NEVER;
  }
  kick(t);
  pvm_run_let(run, PVM_RUN_KICKED);
  return run->again_ns;
}

/* ---- Standing back ------------------------------------------------------ */

static int is_low(pvm_run *run) {
  return run->invocation != NULL && run->invocation->task->config.lane == PVM_LANE_LOW;
}

/* Ask it to pause, if it is a low run that is not asked yet; 1 if it pauses then. */
static int ask_pause(pvm_thread *t) {
  pvm_run *run = &t->run;
  if (!pvm_run_hold(run, PVM_RUN_RUNNING)) return 0;
  pvm_vm *vm = atomic_load(&run->vm);
  int low = is_low(run) && vm != NULL;
  if (low && !atomic_exchange(&run->pause_asked, 1)) pvm_vm_ask_pause(vm);
  pvm_run_let(run, PVM_RUN_RUNNING);
  return low;
}

static pvm_thread *thread_at(pvm_executor *executor, uint32_t group, uint32_t index) {
  return atomic_load(&executor->groups[group]->workers[index].thread);
}

/* While the core lane has work and more threads run than there are cores, as many low runs as
** are too many pause. */
static void make_way(pvm_executor *executor) {
  if (!executor->config.preempt || atomic_load(&executor->core_unfinished) == 0 ||
      atomic_load(&executor->low_running) == 0)
    return;
  uint32_t groups = atomic_load(&executor->group_count), running = 0;
  for (uint32_t g = 0; g < groups; g++)
    for (uint32_t i = 0; i < executor->groups[g]->count; i++) {
      pvm_thread *t = thread_at(executor, g, i);
      if (t == NULL) continue;
      int core = executor->groups[g]->lane == PVM_LANE_CORE; /* it runs, or will at once */
      running += core || atomic_load(&t->run.stage) == PVM_RUN_RUNNING;
    }
  for (uint32_t g = 0; g < groups && running > executor->cores; g++)
    for (uint32_t i = 0; i < executor->groups[g]->count && running > executor->cores; i++) {
      pvm_thread *t = thread_at(executor, g, i);
      if (t != NULL && executor->groups[g]->lane != PVM_LANE_CORE)
        running -= (uint32_t)ask_pause(t);
    }
}

static uint64_t look_at_all(pvm_ladder *ladder) {
  pvm_executor *executor = ladder->executor;
  uint64_t next = PVM_NEVER;
  uint32_t groups = atomic_load(&executor->group_count);
  for (uint32_t g = 0; g < groups; g++)
    for (uint32_t i = 0; i < executor->groups[g]->count; i++) {
      uint64_t at = look(ladder, &executor->groups[g]->workers[i], pvm_now());
      if (at < next) next = at;
    }
  if (forget_ended(ladder) != 0) {
    uint64_t soon = pvm_now() + LOOK_NS;
    if (soon < next) next = soon;
  }
  return next;
}

/* ---- The thread --------------------------------------------------------- */

static void *climb(void *argument) {
  pvm_ladder *ladder = argument;
  pthread_setname_np(pthread_self(), "pvm-ladder");
  while (!atomic_load(&ladder->over)) {
    uint32_t ticket = pvm_park_ticket(&ladder->park);
    atomic_store(&ladder->wake_ns, PVM_NEVER); /* who begins a run now rings */
    make_way(ladder->executor);
    uint64_t next = look_at_all(ladder), now = pvm_now();
    atomic_store(&ladder->wake_ns, next);
    if (next <= now || atomic_load(&ladder->over)) pvm_park_leave(&ladder->park);
    else
      pvm_park_sleep(&ladder->park, ticket,
                     next == PVM_NEVER ? PVM_FOREVER : (int64_t)(next - now));
  }
  return NULL;
}

int pvm_ladder_start(pvm_ladder *ladder, struct pvm_executor *executor) {
  sigset_t all, before;
  ladder->executor = executor;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int status = pthread_create(&ladder->handle, NULL, climb, ladder);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return status == 0 ? PVM_OK : PVM_E_OS;
}

void pvm_ladder_stop(pvm_ladder *ladder) {
  atomic_store(&ladder->over, 1);
  pvm_park_ring_all(&ladder->park);
  pthread_join(ladder->handle, NULL);
}

void pvm_ladder_free(pvm_ladder *ladder) {
  free(ladder->unwanted);
  pthread_mutex_destroy(&ladder->lock);
}

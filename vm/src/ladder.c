/* ladder.c - see ladder.h. */
#include "ladder.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "executor.h"
#include "runtime.h"

#define AGAIN_NS 10000000u /* between two kicks */
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

/* ---- The steps ---------------------------------------------------------- */

static uint64_t cpu_of(pvm_thread *t) {
  clockid_t clock;
  struct timespec used;
  if (pthread_getcpuclockid(t->handle, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* Held: is the run to be stopped, and why? If it is only its processor time that had to be
** looked at, when is it due next? */
static int is_due(pvm_thread *t, uint64_t now, int cancelling) {
  pvm_run *run = &t->run;
  if (cancelling && run->invocation != NULL) {
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
  run->again_ns = pvm_now() + AGAIN_NS;
}

/* The kernel gives it what nobody else wants. No privilege is needed for that. */
static void demote(pvm_thread *t) {
  struct sched_param none = {0};
  if (sched_setscheduler(t->tid, SCHED_IDLE, &none) != 0)
    setpriority(PRIO_PROCESS, (id_t)t->tid, 19);
}

static void give_up(pvm_ladder *ladder, pvm_worker *worker, pvm_thread *t, int cancelling) {
  pvm_executor *executor = ladder->executor;
  pvm_run *run = &t->run;
  pvm_invocation *invocation = run->invocation;
  int reason = atomic_load(&run->reason);
  uint64_t started = run->started_ns;
  atomic_fetch_add(&executor->stuck, 1);
  if (invocation != NULL) atomic_fetch_add(&invocation->references, 1); /* the thread reads it */
  if (t->helping) atomic_fetch_sub(&worker->group->helping, 1);
  demote(t);
  pthread_detach(t->handle);
  int status;
  pvm_thread *next = cancelling ? NULL : pvm_thread_start(worker, &status, NULL);
  atomic_store(&worker->thread, next);
  if (next == NULL && !cancelling) atomic_fetch_add(&executor->unserved, 1);
  pvm_run_let(run, PVM_RUN_ABANDONED); /* from here on it may be gone */
  if (invocation == NULL) return;
  invocation->completion.outcome = reason;
  invocation->completion.run_ns = pvm_now() - started;
  pvm_buffer_text(&invocation->completion.data,
                  reason == PVM_OVER_QUOTA ? "over its quota; it could not be stopped, and its "
                                             "thread was given up"
                                           : "stopped at its deadline; it did not end, and its "
                                             "thread was given up");
  pvm_worker_settle(worker, invocation);
}

/* Look at what one thread runs; returns when to look again. */
static uint64_t look(pvm_ladder *ladder, pvm_worker *worker, uint64_t now) {
  pvm_executor *executor = ladder->executor;
  pvm_thread *t = atomic_load(&worker->thread);
  if (t == NULL) return PVM_NEVER;
  pvm_run *run = &t->run;
  int cancelling = atomic_load(&executor->state) >= PVM_EXECUTOR_CANCELLING;
  uint32_t stage = atomic_load(&run->stage);
  if (stage == PVM_RUN_RUNNING) {
    uint64_t due = atomic_load(&run->due_ns);
    if (due > now && !cancelling) return due;
    if (!pvm_run_hold(run, PVM_RUN_RUNNING)) return now;
    if (!is_due(t, now, cancelling)) {
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
    give_up(ladder, worker, t, cancelling);
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

/* thread.c - see thread.h. */
#include "thread.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "chain_run.h"
#include "confine.h"
#include "crash.h"
#include "executor.h"
#include "find_work.h"
#include "graph.h"
#include "runtime.h"
#include "seats.h"
#include "trace.h"

/* Enough for all the nested C calls that CPython allows (see pvm_vm_begin). Pages are
** touched only if a task does recurse that deep. */
#define STACK_BYTES (128u << 20)

/* A limit of processor time may be exceeded by so much before it is noticed: see cpu_at_most. */
#define CPU_TOLERATED_NS 1000000u

/* ---- Runs --------------------------------------------------------------- */

static uint64_t cpu_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What the thread's processor clock shows now, or somewhat more: that clock is a system call, so
** it is read again only when time that may have been others' amounts to a sixteenth of the limit,
** or a millisecond. */
static uint64_t cpu_at_most(pvm_thread *t, uint64_t now, uint64_t limit_ns) {
  uint64_t tolerated = limit_ns / 16 < CPU_TOLERATED_NS ? limit_ns / 16 : CPU_TOLERATED_NS;
  if (t->cpu_read_at == 0 || now - t->cpu_read_at > tolerated) {
    t->cpu_read = cpu_now();
    t->cpu_read_at = now;
  }
  return t->cpu_read + (now - t->cpu_read_at);
}

static void expect(pvm_thread *t, uint64_t due_ns) {
  atomic_store(&t->run.due_ns, due_ns);
  if (due_ns != PVM_NEVER) pvm_ladder_expect(&t->worker->executor->ladder, due_ns);
}

static uint64_t sooner(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* A low run stands back for so long at a time, so that it goes on under any load. */
#define PAUSE_NS 50000000u

/* When the run must be looked at, its pauses not counted. */
static uint64_t due_of(const pvm_run *run) {
  const pvm_task_config *config = &run->invocation->task->config;
  uint64_t begun = run->started_ns + atomic_load(&run->paused_ns);
  uint64_t due = run->invocation->deadline_ns;
  if (config->timeout_ns != 0) due = sooner(due, begun + config->timeout_ns);
  if (config->cpu_ns != 0) due = sooner(due, begun + config->cpu_ns);
  return due;
}

void pvm_thread_pause(pvm_thread *t) {
  pvm_executor *executor = t->worker->executor;
  pvm_run *run = &t->run;
  if (!atomic_exchange(&run->pause_asked, 0)) return; /* for a run that has ended */
  uint64_t began = pvm_now(), now = began;
  while (now - began < PAUSE_NS && atomic_load(&run->stage) != PVM_RUN_KICKED) {
    uint32_t ticket = pvm_park_ticket(&executor->resumed);
    if (atomic_load(&executor->core_unfinished) == 0) {
      pvm_park_leave(&executor->resumed);
      break;
    }
    pvm_park_sleep(&executor->resumed, ticket, (int64_t)(began + PAUSE_NS - now));
    now = pvm_now();
  }
  atomic_fetch_add(&run->paused_ns, now - began);
  if (run->invocation != NULL) pvm_trace_note_pause(run->invocation->trace, now - began);
  atomic_fetch_add_explicit(&executor->pauses, 1, memory_order_relaxed);
  if (run->invocation != NULL && atomic_load(&run->reason) == PVM_TIMED_OUT)
    atomic_store(&run->due_ns, due_of(run));
}

void pvm_thread_note(pvm_thread *t, pvm_journal_doing doing, uint64_t id, uint64_t now,
                     int64_t task, const pvm_program *program) {
  pvm_journal_begin(t->doing, doing, id, t->worker->executor->wall_ns + now, task, program->name,
                    program->version);
}

static void begin_run(pvm_thread *t, pvm_invocation *invocation, uint64_t now) {
  const pvm_task_config *config = &invocation->task->config;
  t->run.invocation = invocation;
  t->run.started_ns = now;
  atomic_store_explicit(&t->run.paused_ns, 0, memory_order_relaxed);
  atomic_store_explicit(&t->run.pause_asked, 0, memory_order_relaxed);
  t->run.cpu_limit_ns =
      config->cpu_ns != 0 ? cpu_at_most(t, now, config->cpu_ns) + config->cpu_ns : PVM_NEVER;
  uint64_t due = due_of(&t->run);
  atomic_store_explicit(&t->run.vm, NULL, memory_order_relaxed);
  atomic_store_explicit(&t->run.reason, PVM_TIMED_OUT, memory_order_relaxed);
  atomic_store_explicit(&t->run.due_ns, due, memory_order_relaxed);
  pvm_run_begin(&t->run);
  pvm_thread_note(t, PVM_DOING_CALL, invocation->completion.id, now, invocation->task->id,
                  invocation->task->program);
  if (due != PVM_NEVER) pvm_ladder_expect(&t->worker->executor->ladder, due);
  /* the executor's stop looks at runs once: it has seen this one, or is seen here */
  if (atomic_load(&t->worker->executor->state) >= PVM_EXECUTOR_CANCELLING)
    pvm_ladder_ring(&t->worker->executor->ladder);
}

void pvm_thread_over_quota(pvm_memory *memory) {
  pvm_vm *vm = (pvm_vm *)memory;
  pvm_thread *t = vm->runner;
  pvm_vm_raise_memory_error(vm);
  if (t == NULL || atomic_load(&t->run.stage) == PVM_RUN_NONE) return;
  atomic_store(&t->run.reason, PVM_OVER_QUOTA);
  expect(t, pvm_now());
}

/* ---- Invocations -------------------------------------------------------- */

/* What a stopped run tells: why, and where the task was, if it has a traceback. */
static void tell_stopped(pvm_executor *executor, pvm_buffer *data, int reason) {
  const char *words = pvm_ladder_words(&executor->ladder, reason);
  size_t n = strlen(words);
  char *text = malloc(n + 1 + data->len);
  if (text == NULL) return;
  memcpy(text, words, n);
  if (data->len != 0) {
    text[n++] = '\n';
    memcpy(text + n, data->data, data->len);
  }
  size_t len = n + data->len;
  pvm_buffer_free(data);
  *data = (pvm_buffer){text, len, NULL};
}

/* The VM of a run that was stopped, or could not be loaded, is not used again. */
static int clear_away(pvm_thread *t, pvm_task *task, int stopped) {
  pvm_vm *unfit = t->unfit;
  t->unfit = NULL;
  if (unfit != NULL) return pvm_seat_retire(t, unfit, task);
  pvm_seat *seat = stopped ? pvm_task_seat(task, t->worker->seat, t) : NULL;
  return seat == NULL || seat->vm == NULL || pvm_seat_vacate(t, seat);
}

/* Much may have happened while it was queued. 0, with its outcome, if it is not to run. */
static int may_start(pvm_invocation *invocation, uint64_t now) {
  pvm_completion *completion = &invocation->completion;
  if (now >= invocation->deadline_ns) {
    pvm_buffer_text(&completion->data, "its deadline passed before it ran");
    completion->outcome = PVM_TIMED_OUT;
    return 0;
  }
  if (pvm_chain_is_stopped(invocation, &completion->data)) {
    completion->outcome = PVM_CANCELLED;
    return 0;
  }
  if (pvm_breaker_may_start(invocation->task->breaker, invocation->token)) return 1;
  char why[PVM_ERR_MAX];
  pvm_breaker_explain(invocation->task->breaker, now, why, sizeof why);
  pvm_buffer_text(&completion->data, why);
  completion->outcome = PVM_REJECTED;
  return 0;
}

static void settle(pvm_worker *w, pvm_invocation *invocation) {
  atomic_store_explicit(&w->holding, 0, memory_order_release);
  pvm_worker_settle(w, invocation);
}

/* 0 if the thread was given up over it. */
static int run(pvm_thread *t, pvm_invocation *invocation) {
  pvm_worker *w = t->worker;
  pvm_task *task = invocation->task;
  uint64_t started = pvm_now(), load_ns = 0;
  if (t->seated >= w->executor->config.vms_per_worker) {
    pvm_seat *seat = pvm_task_seat(task, w->seat, t);
    t->run.waiting = invocation;
    int kept = (seat != NULL && seat->vm != NULL) || pvm_seat_vacate(t, t->oldest);
    t->run.waiting = NULL;
    if (!kept) return 0; /* the ladder has given the invocation to others */
  }
  atomic_fetch_add_explicit(&task->shares[w->seat].running, 1, memory_order_relaxed);
  invocation->completion.worker = pvm_worker_number(w);
  invocation->completion.queued_ns = started - invocation->accepted_ns;
  pvm_buffer data = {NULL, 0, NULL}; /* of this thread alone until the run has ended */
  int outcome = PVM_FAILED;
  if (!may_start(invocation, started)) {
    settle(w, invocation);
    return 1;
  }
  begin_run(t, invocation, started);
  int low = task->config.lane == PVM_LANE_LOW;
  if (low) {
    atomic_fetch_add(&w->executor->low_running, 1);
    /* it came to run while the core lane has work: whoever saw none running did not ask */
    if (atomic_load(&w->executor->core_unfinished) != 0) pvm_ladder_ring(&w->executor->ladder);
  }
  pvm_trace_mark(invocation->trace, PVM_STAGE_TAKEN);
  pvm_vm *vm = pvm_seat_take(t, task, &data, &load_ns);
  int loaded = vm != NULL;
  if (loaded) pvm_trace_mark(invocation->trace, PVM_STAGE_READY);
  if (loaded && invocation->warm) {
    pvm_buffer_text(&data, "\xc0"); /* nil */
    outcome = data.data != NULL ? PVM_DONE : PVM_FAILED;
  } else if (loaded) {
    char err[PVM_ERR_MAX] = "";
    pvg_thread_busy(invocation->completion.worker, 1); /* models' helpers use the cores left */
    outcome = pvm_vm_run(vm, invocation->payload, invocation->len, &data, err);
    pvg_thread_busy(invocation->completion.worker, -1);
    if (outcome < 0) {
      pvm_buffer_text(&data, err[0] ? err : pvm_strerror(outcome));
      outcome = PVM_FAILED;
    }
  }
  int over = vm != NULL ? vm->memory.over : t->unfit != NULL && t->unfit->memory.over;
  pvm_run_end end = pvm_run_finish(&t->run);
  pvm_journal_end(t->doing);
  if (low) atomic_fetch_sub(&w->executor->low_running, 1);
  if (end == PVM_RUN_LOST) {
    pvm_buffer_free(&data);
    pvm_invocation_release(invocation);
    return 0;
  }
  if (invocation->chain == NULL) { /* nobody reads the payload again */
    pvm_held_free(invocation->held);
    invocation->held = NULL;
  }
  int reason = over ? PVM_OVER_QUOTA : atomic_load(&t->run.reason);
  int stopped = end == PVM_RUN_STOPPED || over;
  if (stopped && outcome != PVM_DONE) {
    outcome = reason;
    tell_stopped(w->executor, &data, reason);
  }
  if (load_ns != 0 && !loaded && !stopped) pvm_task_failure_note(task, pvm_now(), &data);
  if (loaded) pvm_seat_account(pvm_task_seat(task, w->seat, t), pvm_memory_total(&vm->memory));
  pvm_completion *completion = &invocation->completion;
  completion->data = data;
  completion->outcome = outcome;
  completion->load_ns = load_ns;
  completion->run_ns = loaded ? pvm_now() - started - load_ns : 0;
  settle(w, invocation);
  return clear_away(t, task, stopped);
}

/* ---- The thread --------------------------------------------------------- */

int pvm_thread_is_over(pvm_thread *t) {
  return atomic_load(&t->worker->executor->state) >= PVM_EXECUTOR_CANCELLING ||
         atomic_load_explicit(&t->dismissed, memory_order_relaxed);
}

/* Tell the starter how it went. */
static int begin(pvm_thread *t) {
  pvm_worker *w = t->worker;
  char name[16];
  snprintf(name, sizeof name, "pvm-worker-%u", (unsigned)(pvm_worker_number(w) % 1000));
  pthread_setname_np(pthread_self(), name);
  t->tid = gettid();
  t->doing = pvm_journal_thread_take(w->executor->journal, pvm_worker_number(w));
  if (t->doing == NULL) t->doing = &t->own;
  (void)pvm_crash_thread_enter(t->doing); /* without memory for it, crashes go unreported */
  int status = w->executor->config.confine ? pvm_confine_enter(w->group->ruleset, t->err) : PVM_OK;
  t->status = status;
  sem_post(&t->begun);
  return status;
}

/* One turn: some work, or some chore, or a nap. 0 if the thread was given up over it. */
static int turn(pvm_thread *t) {
  pvm_worker *w = t->worker;
  pvm_invocation *invocation = pvm_find_work(t);
  if (invocation != NULL && !run(t, invocation)) return 0;
  if (t->helping) {
    t->helping = 0;
    atomic_fetch_sub(&w->group->helping, 1);
  }
  if (t->swept != atomic_load_explicit(&w->executor->withdrawals, memory_order_relaxed) &&
      !pvm_seats_sweep(t))
    return 0;
  if (invocation == NULL && !pvm_pool_refill(&t->pool)) pvm_wait_for_work(t);
  return 1;
}

static void leave(pvm_thread *t) {
  pvm_pool_free(&t->pool);
  pvm_vm_leave();
  pvm_crash_thread_leave();
  if (t->doing != &t->own) pvm_journal_thread_return(t->doing);
}

/* Nobody waits for a thread that was given up: it clears away what is its own. */
static void end_lost(pvm_thread *t) {
  pvm_executor *executor = t->worker->executor;
  if (t->unfit != NULL) pvm_vm_delete(t->unfit);
  while (t->oldest != NULL) pvm_seat_vacate(t, t->oldest);
  leave(t);
  sem_destroy(&t->begun);
  free(t);
  atomic_fetch_sub(&executor->stuck, 1);
}

static void *work(void *argument) {
  pvm_thread *t = argument;
  pvm_executor *executor = t->worker->executor;
  if (begin(t) != PVM_OK) {
    leave(t);
    return NULL;
  }
  int kept = 1;
  while (kept && !pvm_thread_is_over(t)) kept = turn(t);
  while (kept && t->oldest != NULL) kept = pvm_seat_vacate(t, t->oldest);
  if (!kept) {
    end_lost(t);
    return NULL;
  }
  leave(t);
  atomic_store(&t->ended, 1);
  pvm_park_ring_all(&executor->departures);
  return NULL;
}

static int create(pvm_thread *t) {
  pthread_attr_t attributes;
  sigset_t blocked, before;
  if (pthread_attr_init(&attributes) != 0) return -1;
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  sigfillset(&blocked); /* signals are the host's, but for the ladder's own */
  sigdelset(&blocked, pvm_ladder_signal());
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  int status = pthread_create(&t->handle, &attributes, work, t);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return status;
}

static void discard(pvm_thread *t) {
  free(t->pool.vms);
  sem_destroy(&t->begun);
  free(t);
}

pvm_thread *pvm_thread_start(struct pvm_worker *worker, int *status, char *err) {
  pvm_thread *t = NULL;
  *status = PVM_E_NOMEM;
  if (posix_memalign((void **)&t, _Alignof(pvm_thread), sizeof *t) != 0) return NULL;
  memset(t, 0, sizeof *t);
  t->worker = worker;
  t->err = err;
  sem_init(&t->begun, 0, 0);
  atomic_store(&t->run.due_ns, PVM_NEVER);
  if (pvm_pool_init(&t->pool, worker->executor->config.warm_vms) == 0) {
    if (create(t) == 0) {
      while (sem_wait(&t->begun) != 0) continue; /* a signal of the host's came between */
      t->err = NULL;
      if ((*status = t->status) == PVM_OK) return t;
      pthread_join(t->handle, NULL);
    } else {
      *status = PVM_E_OS;
      if (err) snprintf(err, PVM_ERR_MAX, "a worker thread could not be started");
    }
  }
  discard(t);
  return NULL;
}

void pvm_thread_join(pvm_thread *t) {
  pthread_join(t->handle, NULL);
  discard(t);
}

void pvm_thread_dismiss(pvm_thread *t) {
  atomic_store(&t->dismissed, 1);
  pvm_park_ring_all(&t->worker->park);
  pvm_thread_join(t);
}

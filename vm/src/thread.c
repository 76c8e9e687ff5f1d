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
#include "graph.h"
#include "runtime.h"
#include "trace.h"

/* Enough for all the nested C calls that CPython allows (see pvm_vm_begin). Pages are
** touched only if a task does recurse that deep. */
#define STACK_BYTES (128u << 20)

/* Work that has waited this long in another's queue may be stolen, and a sleeper looks for
** such work this often while any is queued. Sooner, and a thread would make a VM for what
** the home worker was about to do in its own, warm one. */
#define PATIENCE_NS 200000

/* A limit of processor time may be exceeded by so much before it is noticed: see cpu_at_most. */
#define CPU_TOLERATED_NS 1000000u

/* What a task leaves to run at its VM's end, __del__ methods above all, gets this long. */
#define UNLOAD_NS 1000000000u

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

/* For whoever looks after a crash. */
static void note_doing(pvm_thread *t, pvm_journal_doing doing, uint64_t id, uint64_t now,
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
  note_doing(t, PVM_DOING_CALL, invocation->completion.id, now, invocation->task->id,
             invocation->task->program);
  if (due != PVM_NEVER) pvm_ladder_expect(&t->worker->executor->ladder, due);
  /* the executor's stop looks at runs once: it has seen this one, or is seen here */
  if (atomic_load(&t->worker->executor->state) >= PVM_EXECUTOR_CANCELLING)
    pvm_ladder_ring(&t->worker->executor->ladder);
}

/* The VM went over its quota, on its own thread: memory.c calls this once for each VM. */
static void over_quota(pvm_memory *memory) {
  pvm_vm *vm = (pvm_vm *)memory;
  pvm_thread *t = vm->runner;
  pvm_vm_raise_memory_error(vm);
  if (t == NULL || atomic_load(&t->run.stage) == PVM_RUN_NONE) return;
  atomic_store(&t->run.reason, PVM_OVER_QUOTA);
  expect(t, pvm_now());
}

/* ---- Seats: which task has a VM here ------------------------------------ */

static void seat_unlink(pvm_thread *t, pvm_seat *seat) {
  *(seat->older ? &seat->older->newer : &t->oldest) = seat->newer;
  *(seat->newer ? &seat->newer->older : &t->newest) = seat->older;
  seat->older = seat->newer = NULL;
}

static void seat_append(pvm_thread *t, pvm_seat *seat) {
  seat->older = t->newest;
  seat->newer = NULL;
  *(t->newest ? &t->newest->newer : &t->oldest) = seat;
  t->newest = seat;
}

/* Pass on what the VM's memory has changed by since the last time. */
static void seat_account(pvm_seat *seat, size_t bytes) {
  if (bytes == seat->bytes) return;
  atomic_fetch_add_explicit(&seat->task->bytes, bytes - seat->bytes, memory_order_relaxed);
  seat->bytes = bytes;
}

/* End a VM. What the task left to run at its end is a run of its own, so that it can be
** interrupted. 0 if the thread was given up over it. */
static int retire(pvm_thread *t, pvm_vm *vm, pvm_task *task) {
  uint64_t due = pvm_now() + UNLOAD_NS;
  t->run.invocation = NULL;
  t->run.started_ns = due - UNLOAD_NS;
  t->run.cpu_limit_ns = PVM_NEVER;
  atomic_store(&t->run.vm, vm);
  atomic_store(&t->run.reason, PVM_TIMED_OUT);
  atomic_store(&t->run.due_ns, due);
  pvm_run_begin(&t->run);
  pvm_ladder_expect(&t->worker->executor->ladder, due);
  if (vm->program != NULL)
    note_doing(t, PVM_DOING_UNLOAD, 0, due - UNLOAD_NS, task->id, vm->program);
  pvm_vm_unload(vm);
  int kept = pvm_run_finish(&t->run) != PVM_RUN_LOST;
  pvm_vm_delete(vm);
  pvm_journal_end(t->doing);
  return kept;
}

/* 0 if the thread was given up over it. */
static int seat_vacate(pvm_thread *t, pvm_seat *seat) {
  seat_unlink(t, seat);
  t->seated--;
  int kept = retire(t, seat->vm, seat->task);
  seat->vm = NULL;
  seat_account(seat, 0);
  atomic_fetch_sub(&seat->task->vms, 1);
  pvm_task_empty(seat->task);
  return kept;
}

/* A VM loaded with the task. NULL with the reason in `data`, or when the thread was lost. */
static pvm_vm *seat_take(pvm_thread *t, pvm_task *task, pvm_buffer *data, uint64_t *load_ns) {
  pvm_seat *seat = pvm_task_seat(task, t->worker->seat, t);
  if (seat == NULL) return pvm_buffer_text(data, pvm_strerror(PVM_E_NOMEM)), NULL;
  if (seat->vm != NULL) {
    if (t->newest != seat) {
      seat_unlink(t, seat);
      seat_append(t, seat);
    }
    atomic_store(&t->run.vm, seat->vm);
    return seat->vm;
  }
  uint64_t started = pvm_now();
  if (pvm_task_failure_recall(task, started, data)) return NULL;
  char err[PVM_ERR_MAX] = "";
  pvm_vm *vm = pvm_pool_take(&t->pool, err);
  int status = vm == NULL ? PVM_E_NOMEM : PVM_OK;
  if (vm != NULL) {
    vm->runner = t;
    pvm_memory_limit(&vm->memory, task->config.memory_bytes, over_quota);
    atomic_store(&t->run.vm, vm);
    uint64_t id = t->run.invocation->completion.id;
    note_doing(t, PVM_DOING_LOAD, id, started, task->id, task->program);
    status = pvm_vm_bind(vm, task->program, data, err);
    note_doing(t, PVM_DOING_CALL, id, started, task->id, task->program);
  }
  *load_ns = pvm_now() - started;
  if (status == PVM_OK) {
    seat->vm = vm;
    t->seated++;
    seat_append(t, seat);
    atomic_fetch_add(&task->vms, 1);
    return vm;
  }
  if (data->data == NULL) pvm_buffer_text(data, err[0] ? err : pvm_strerror(status));
  t->unfit = vm;
  return NULL;
}

/* Retire the VMs of tasks that are over. 0 if the thread was given up over it. */
static int sweep(pvm_thread *t) {
  t->swept = atomic_load(&t->worker->executor->withdrawals);
  for (pvm_seat *seat = t->oldest, *next; seat != NULL; seat = next) {
    next = seat->newer;
    if (pvm_task_over(seat->task) && !seat_vacate(t, seat)) return 0;
  }
  return 1;
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
  if (unfit != NULL) return retire(t, unfit, task);
  pvm_seat *seat = stopped ? pvm_task_seat(task, t->worker->seat, t) : NULL;
  return seat == NULL || seat->vm == NULL || seat_vacate(t, seat);
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
    int kept = (seat != NULL && seat->vm != NULL) || seat_vacate(t, t->oldest);
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
  pvm_vm *vm = seat_take(t, task, &data, &load_ns);
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
  if (loaded) seat_account(pvm_task_seat(task, w->seat, t), pvm_memory_total(&vm->memory));
  pvm_completion *completion = &invocation->completion;
  completion->data = data;
  completion->outcome = outcome;
  completion->load_ns = load_ns;
  completion->run_ns = loaded ? pvm_now() - started - load_ns : 0;
  settle(w, invocation);
  return clear_away(t, task, stopped);
}

/* ---- Looking for work --------------------------------------------------- */

/* Whoever looks for the invocation finds it in the queue or held here. */
static pvm_invocation *take(pvm_thread *t, pvm_queue *queue) {
  _Atomic uint64_t *holding = &t->worker->holding;
  atomic_store_explicit(holding, PVM_TAKING, memory_order_relaxed);
  pvm_invocation *invocation = pvm_queue_pop(queue);
  uint64_t id = invocation != NULL ? invocation->completion.id : 0;
  atomic_store_explicit(holding, id, memory_order_release);
  return invocation;
}

/* What has waited too long in another queue of the group. */
static pvm_invocation *steal(pvm_thread *t, pvm_group *group, uint32_t first) {
  uint64_t now = pvm_now();
  for (uint32_t i = 0; i < group->count; i++) {
    pvm_worker *other = &group->workers[(first + i) % group->count];
    uint64_t oldest = pvm_queue_oldest(&other->queue);
    if (oldest == UINT64_MAX || oldest + PATIENCE_NS > now) continue;
    pvm_invocation *invocation = take(t, &other->queue);
    if (invocation != NULL) return invocation;
  }
  return NULL;
}

/* Regular workers help other lanes; one of them never helps the low lane. */
static pvm_invocation *help(pvm_thread *t) {
  pvm_worker *w = t->worker;
  pvm_group *own = w->group;
  if (own->lane != PVM_LANE_REGULAR) return NULL;
  pvm_group *core = atomic_load(&own->beside[PVM_LANE_CORE]);
  pvm_invocation *invocation = core != NULL ? steal(t, core, w->index) : NULL;
  if (invocation != NULL) return invocation;
  pvm_group *low = atomic_load(&own->beside[PVM_LANE_LOW]);
  if (low == NULL || own->count < 2) return NULL;
  t->helping = atomic_fetch_add(&own->helping, 1) < own->count - 1 &&
               (invocation = steal(t, low, w->index)) != NULL;
  if (!t->helping) atomic_fetch_sub(&own->helping, 1);
  return invocation;
}

static void ring_group(pvm_group *group) {
  for (uint32_t i = 0; group != NULL && i < group->count; i++)
    pvm_park_ring(&group->workers[i].park);
}

/* Who pushed while this thread was asleep or looking relied on it, but it takes one at a time: if
** there is more than that, others are to come. */
static void call_others(pvm_worker *w, size_t takes) {
  if (pvm_queue_count(&w->queue) <= takes) return;
  ring_group(w->group);
  if (w->group->lane != PVM_LANE_REGULAR)
    ring_group(atomic_load(&w->group->beside[PVM_LANE_REGULAR]));
}

/* Look at the own queue for spin_us. */
static pvm_invocation *watch(pvm_thread *t) {
  pvm_worker *w = t->worker;
  pvm_invocation *invocation = NULL;
  uint64_t until = pvm_now() + w->executor->config.spin_us * 1000u;
  atomic_store(&w->looking, 1);
  do {
    for (int i = 0; i < 64 && invocation == NULL; i++) {
      invocation = take(t, &w->queue);
      pvm_spin();
    }
  } while (invocation == NULL && pvm_now() < until);
  atomic_store(&w->looking, 0);
  if (invocation != NULL) call_others(w, 0);
  return invocation;
}

/* Own work while it lasts; after a while without any, others'. */
static pvm_invocation *look(pvm_thread *t) {
  pvm_worker *w = t->worker;
  pvm_invocation *invocation = take(t, &w->queue);
  if (invocation == NULL) invocation = watch(t);
  if (invocation == NULL) invocation = steal(t, w->group, w->index + 1);
  return invocation != NULL ? invocation : help(t);
}

static int is_over(pvm_thread *t) {
  return atomic_load(&t->worker->executor->state) >= PVM_EXECUTOR_CANCELLING ||
         atomic_load_explicit(&t->dismissed, memory_order_relaxed);
}

static int has_queued(pvm_group *group) {
  for (uint32_t i = 0; group != NULL && i < group->count; i++)
    if (pvm_queue_count(&group->workers[i].queue) != 0) return 1;
  return 0;
}

/* Is there work that this thread may take when it has waited long enough? */
static int may_have_work_soon(pvm_group *group) {
  if (has_queued(group)) return 1;
  if (group->lane != PVM_LANE_REGULAR) return 0;
  return has_queued(atomic_load(&group->beside[PVM_LANE_CORE])) ||
         (atomic_load(&group->helping) + 1 < group->count &&
          has_queued(atomic_load(&group->beside[PVM_LANE_LOW])));
}

static void sleep_until_rung(pvm_thread *t) {
  pvm_worker *w = t->worker;
  uint32_t ticket = pvm_park_ticket(&w->park);
  if (t->swept != atomic_load(&w->executor->withdrawals) || is_over(t) ||
      pvm_queue_count(&w->queue) != 0) {
    pvm_park_leave(&w->park);
    call_others(w, 1);
    return;
  }
  pvm_vm_leave(); /* an interpreter is not held while nothing runs in it */
  int soon = may_have_work_soon(w->group);
  pvm_park_sleep(&w->park, ticket, soon ? PATIENCE_NS : PVM_FOREVER);
  call_others(w, 1);
}

/* ---- The thread --------------------------------------------------------- */

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
  pvm_invocation *invocation = look(t);
  if (invocation != NULL && !run(t, invocation)) return 0;
  if (t->helping) {
    t->helping = 0;
    atomic_fetch_sub(&w->group->helping, 1);
  }
  if (t->swept != atomic_load_explicit(&w->executor->withdrawals, memory_order_relaxed) &&
      !sweep(t))
    return 0;
  if (invocation == NULL && !pvm_pool_refill(&t->pool)) sleep_until_rung(t);
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
  while (t->oldest != NULL) seat_vacate(t, t->oldest);
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
  while (kept && !is_over(t)) kept = turn(t);
  while (kept && t->oldest != NULL) kept = seat_vacate(t, t->oldest);
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

/* worker.c - see worker.h. */
#include "worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confine.h"
#include "executor.h"
#include "runtime.h"

/* Enough for all the nested C calls that CPython allows (see pvm_vm_begin). Pages are
** touched only if a task does recurse that deep. */
#define STACK_BYTES (128u << 20)

/* Work that has waited this long in another's queue may be stolen, and a sleeper looks for
** such work this often while any is queued. Sooner, and a worker would make a VM for what
** the home worker was about to do in its own, warm one. */
#define PATIENCE_NS 200000

/* ---- Seats: which task has a VM here ------------------------------------ */

static void seat_unlink(pvm_worker *w, pvm_seat *seat) {
  *(seat->older ? &seat->older->newer : &w->oldest) = seat->newer;
  *(seat->newer ? &seat->newer->older : &w->newest) = seat->older;
  seat->older = seat->newer = NULL;
}

static void seat_append(pvm_worker *w, pvm_seat *seat) {
  seat->older = w->newest;
  seat->newer = NULL;
  *(w->newest ? &w->newest->newer : &w->oldest) = seat;
  w->newest = seat;
}

/* Pass on what the VM's memory has changed by since the last time. */
static void seat_account(pvm_seat *seat, size_t bytes) {
  atomic_fetch_add_explicit(&seat->task->bytes, bytes - seat->bytes, memory_order_relaxed);
  seat->bytes = bytes;
}

/* End a VM. What the task left to run at its end, __del__ methods above all, can still be
** interrupted; once the interrupt lock has been taken nobody points at the VM any more. */
static void retire(pvm_worker *w, pvm_vm *vm) {
  atomic_store(&w->running, vm);
  pvm_vm_unload(vm);
  atomic_store(&w->running, NULL);
  pthread_mutex_lock(&w->interrupt);
  pthread_mutex_unlock(&w->interrupt);
  pvm_vm_delete(vm);
}

static void seat_vacate(pvm_worker *w, pvm_seat *seat) {
  seat_unlink(w, seat);
  w->seated--;
  retire(w, seat->vm);
  seat->vm = NULL;
  seat_account(seat, 0);
  atomic_fetch_sub(&seat->task->vms, 1);
  pvm_task_empty(seat->task);
}

/* A VM loaded with the task. NULL with the reason in `completion`. */
static pvm_vm *seat_take(pvm_worker *w, pvm_task *task, pvm_completion *completion) {
  pvm_seat *seat = &task->seats[w->index];
  if (seat->vm != NULL) {
    if (w->newest != seat) {
      seat_unlink(w, seat);
      seat_append(w, seat);
    }
    return seat->vm;
  }
  uint64_t started = pvm_now();
  if (pvm_task_failure_recall(task, started, &completion->data)) return NULL;
  if (w->seated >= w->executor->config.vms_per_worker) seat_vacate(w, w->oldest);
  char err[PVM_ERR_MAX] = "";
  pvm_vm *vm = pvm_pool_take(&w->pool, err);
  int status = vm == NULL ? PVM_E_NOMEM : PVM_OK;
  if (vm != NULL) {
    atomic_store(&w->running, vm);
    status = pvm_vm_bind(vm, task->program, &completion->data, err);
    atomic_store(&w->running, NULL);
  }
  completion->load_ns = pvm_now() - started;
  if (status != PVM_OK) {
    if (vm != NULL) retire(w, vm);
    if (completion->data.data == NULL)
      pvm_buffer_text(&completion->data, err[0] ? err : pvm_strerror(status));
    pvm_task_failure_note(task, pvm_now(), &completion->data);
    return NULL;
  }
  seat->vm = vm;
  w->seated++;
  seat_append(w, seat);
  atomic_fetch_add(&task->vms, 1);
  return vm;
}

/* Retire the VMs of tasks that are over. */
static void sweep(pvm_worker *w) {
  w->swept = atomic_load(&w->executor->withdrawals);
  for (pvm_seat *seat = w->oldest, *next; seat != NULL; seat = next) {
    next = seat->newer;
    if (pvm_task_over(seat->task)) seat_vacate(w, seat);
  }
}

/* ---- Invocations -------------------------------------------------------- */

static void finish(pvm_worker *w, pvm_invocation *invocation) {
  pvm_task *task = invocation->task;
  if (invocation->completion.outcome == PVM_CANCELLED) atomic_fetch_add(&w->executor->cancelled, 1);
  if (invocation->completion.outcome != PVM_DONE)
    atomic_fetch_add_explicit(&task->failed, 1, memory_order_relaxed);
  atomic_fetch_sub_explicit(&task->running, 1, memory_order_relaxed);
  atomic_fetch_add(&task->finished, 1);
  if (atomic_load_explicit(&task->withdrawn, memory_order_relaxed) && pvm_task_over(task)) {
    pvm_executor_note_withdrawal(w->executor);
    pvm_task_empty(task);
  }
  pvm_executor_deliver(w->executor, invocation);
}

static void run(pvm_worker *w, pvm_invocation *invocation) {
  pvm_completion *completion = &invocation->completion;
  pvm_task *task = invocation->task;
  uint64_t started = pvm_now();
  completion->worker = w->group->first + w->index;
  completion->queued_ns = started - invocation->accepted_ns;
  atomic_fetch_add_explicit(&task->running, 1, memory_order_relaxed);
  completion->outcome = PVM_FAILED;
  pvm_vm *vm = seat_take(w, task, completion);
  if (vm != NULL) {
    char err[PVM_ERR_MAX] = "";
    atomic_store(&w->running, vm);
    int outcome = pvm_vm_run(vm, invocation->payload, invocation->len, &completion->data, err);
    atomic_store(&w->running, NULL);
    if (outcome < 0) pvm_buffer_text(&completion->data, err[0] ? err : pvm_strerror(outcome));
    else completion->outcome = outcome;
    seat_account(&task->seats[w->index],
                 atomic_load_explicit(&vm->memory.bytes, memory_order_relaxed));
    completion->run_ns = pvm_now() - started - completion->load_ns;
  }
  if (completion->outcome == PVM_FAILED &&
      atomic_load(&w->executor->state) >= PVM_EXECUTOR_CANCELLING)
    completion->outcome = PVM_CANCELLED; /* interrupted by pvm_executor_stop */
  finish(w, invocation);
}

void pvm_worker_cancel_queue(pvm_worker *w) {
  for (pvm_invocation *rest; (rest = pvm_ring_pop(&w->queue)) != NULL;) {
    atomic_fetch_add_explicit(&rest->task->running, 1, memory_order_relaxed);
    rest->completion.outcome = PVM_CANCELLED;
    rest->completion.worker = w->group->first + w->index;
    rest->completion.queued_ns = pvm_now() - rest->accepted_ns;
    pvm_buffer_text(&rest->completion.data, "the executor stopped before it ran");
    finish(w, rest);
  }
}

/* ---- The thread --------------------------------------------------------- */

static pvm_invocation *steal(pvm_worker *w) {
  pvm_group *group = w->group;
  uint64_t now = pvm_now();
  for (uint32_t i = 1; i < group->count; i++) {
    pvm_worker *other = &group->workers[(w->index + i) % group->count];
    uint64_t oldest = pvm_ring_oldest(&other->queue);
    if (oldest == UINT64_MAX || oldest + PATIENCE_NS > now) continue;
    pvm_invocation *invocation = pvm_ring_pop(&other->queue);
    if (invocation != NULL) return invocation;
  }
  return NULL;
}

/* Look at the own queue for spin_us. */
static pvm_invocation *watch(pvm_worker *w) {
  pvm_invocation *invocation = NULL;
  uint64_t until = pvm_now() + w->executor->config.spin_us * 1000u;
  atomic_store(&w->looking, 1);
  do {
    for (int i = 0; i < 64 && invocation == NULL; i++) {
      invocation = pvm_ring_pop(&w->queue);
      pvm_spin();
    }
  } while (invocation == NULL && pvm_now() < until);
  atomic_store(&w->looking, 0);
  return invocation;
}

/* Own work while it lasts; after a while without any, others'. */
static pvm_invocation *look(pvm_worker *w) {
  pvm_invocation *invocation = pvm_ring_pop(&w->queue);
  if (invocation == NULL) invocation = watch(w);
  return invocation != NULL ? invocation : steal(w);
}

static int has_chores(pvm_worker *w) {
  return w->swept != atomic_load(&w->executor->withdrawals) ||
         atomic_load(&w->executor->state) >= PVM_EXECUTOR_CANCELLING ||
         atomic_load(&w->dismissed) || pvm_ring_count(&w->queue) != 0;
}

static void sleep_until_rung(pvm_worker *w) {
  uint32_t ticket = pvm_park_ticket(&w->park);
  if (has_chores(w)) {
    pvm_park_leave(&w->park);
    return;
  }
  pvm_vm_leave(); /* an interpreter is not held while nothing runs in it */
  int queued = 0;
  for (uint32_t i = 0; i < w->group->count && !queued; i++)
    queued = pvm_ring_count(&w->group->workers[i].queue) != 0;
  pvm_park_sleep(&w->park, ticket, queued ? PATIENCE_NS : PVM_FOREVER);
}

/* Tell the starter how it went. */
static int begin(pvm_worker *w) {
  char name[16];
  snprintf(name, sizeof name, "pvm-worker-%u", (unsigned)((w->group->first + w->index) % 1000));
  pthread_setname_np(pthread_self(), name);
  int status = w->executor->config.confine ? pvm_confine_enter(w->group->ruleset, w->err) : PVM_OK;
  w->status = status;
  sem_post(&w->begun);
  return status;
}

static void *work(void *argument) {
  pvm_worker *w = argument;
  pvm_executor *executor = w->executor;
  if (begin(w) != PVM_OK) return NULL;
  while (!atomic_load_explicit(&w->dismissed, memory_order_relaxed) &&
         atomic_load(&executor->state) < PVM_EXECUTOR_CANCELLING) {
    pvm_invocation *invocation = look(w);
    if (invocation != NULL) run(w, invocation);
    if (w->swept != atomic_load_explicit(&executor->withdrawals, memory_order_relaxed)) sweep(w);
    if (invocation == NULL && !pvm_pool_refill(&w->pool)) sleep_until_rung(w);
  }
  while (w->oldest != NULL) seat_vacate(w, w->oldest);
  pvm_pool_free(&w->pool);
  pvm_vm_leave();
  return NULL;
}

static int create_thread(pvm_worker *w) {
  pthread_attr_t attributes;
  sigset_t all, before;
  if (pthread_attr_init(&attributes) != 0) return -1;
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  sigfillset(&all); /* signals are the host's */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int status = pthread_create(&w->thread, &attributes, work, w);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return status;
}

int pvm_worker_start(pvm_worker *w, char *err) {
  sem_init(&w->begun, 0, 0);
  w->err = err;
  if (create_thread(w) != 0) {
    if (err) snprintf(err, PVM_ERR_MAX, "worker thread %u could not be started", w->index);
    return PVM_E_OS;
  }
  while (sem_wait(&w->begun) != 0) continue; /* a signal of the host's came between */
  w->err = NULL;
  if (w->status != PVM_OK) pthread_join(w->thread, NULL);
  return w->status;
}

void pvm_worker_dismiss(pvm_worker *w) {
  atomic_store(&w->dismissed, 1);
  pvm_park_ring_all(&w->park);
  pthread_join(w->thread, NULL);
}

void pvm_worker_interrupt(pvm_worker *w) {
  pthread_mutex_lock(&w->interrupt);
  pvm_vm *vm = atomic_load(&w->running);
  if (vm != NULL) pvm_vm_interrupt(vm);
  pthread_mutex_unlock(&w->interrupt);
}

/* seats.c - see seats.h. */
#include "seats.h"

#include "executor.h"
#include "runtime.h"

/* What a task leaves to run at its VM's end, __del__ methods above all, gets this long. */
#define UNLOAD_NS 1000000000u

static void unlink_seat(pvm_thread *t, pvm_seat *seat) {
  *(seat->older ? &seat->older->newer : &t->oldest) = seat->newer;
  *(seat->newer ? &seat->newer->older : &t->newest) = seat->older;
  seat->older = seat->newer = NULL;
}

static void append_seat(pvm_thread *t, pvm_seat *seat) {
  seat->older = t->newest;
  seat->newer = NULL;
  *(t->newest ? &t->newest->newer : &t->oldest) = seat;
  t->newest = seat;
}

void pvm_seat_account(pvm_seat *seat, size_t bytes) {
  if (bytes == seat->bytes) return;
  atomic_fetch_add_explicit(&seat->task->bytes, bytes - seat->bytes, memory_order_relaxed);
  seat->bytes = bytes;
}

int pvm_seat_retire(pvm_thread *t, pvm_vm *vm, pvm_task *task) {
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
    pvm_thread_note(t, PVM_DOING_UNLOAD, 0, due - UNLOAD_NS, task->id, vm->program);
  pvm_vm_unload(vm);
  int kept = pvm_run_finish(&t->run) != PVM_RUN_LOST;
  pvm_vm_delete(vm);
  pvm_journal_end(t->doing);
  return kept;
}

int pvm_seat_vacate(pvm_thread *t, pvm_seat *seat) {
  unlink_seat(t, seat);
  t->seated--;
  int kept = pvm_seat_retire(t, seat->vm, seat->task);
  seat->vm = NULL;
  pvm_seat_account(seat, 0);
  atomic_fetch_sub(&seat->task->vms, 1);
  pvm_task_empty(seat->task);
  return kept;
}

pvm_vm *pvm_seat_take(pvm_thread *t, pvm_task *task, pvm_buffer *data, uint64_t *load_ns) {
  pvm_seat *seat = pvm_task_seat(task, t->worker->seat, t);
  if (seat == NULL) return pvm_buffer_text(data, pvm_strerror(PVM_E_NOMEM)), NULL;
  if (seat->vm != NULL) {
    if (t->newest != seat) {
      unlink_seat(t, seat);
      append_seat(t, seat);
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
    pvm_memory_limit(&vm->memory, task->config.memory_bytes, pvm_thread_over_quota);
    atomic_store(&t->run.vm, vm);
    uint64_t id = t->run.invocation->completion.id;
    pvm_thread_note(t, PVM_DOING_LOAD, id, started, task->id, task->program);
    status = pvm_vm_bind(vm, task->program, data, err);
    pvm_thread_note(t, PVM_DOING_CALL, id, started, task->id, task->program);
  }
  *load_ns = pvm_now() - started;
  if (status == PVM_OK) {
    seat->vm = vm;
    t->seated++;
    append_seat(t, seat);
    atomic_fetch_add(&task->vms, 1);
    return vm;
  }
  if (data->data == NULL) pvm_buffer_text(data, err[0] ? err : pvm_strerror(status));
  t->unfit = vm;
  return NULL;
}

int pvm_seats_sweep(pvm_thread *t) {
  t->swept = atomic_load(&t->worker->executor->withdrawals);
  for (pvm_seat *seat = t->oldest, *next; seat != NULL; seat = next) {
    next = seat->newer;
    if (pvm_task_over(seat->task) && !pvm_seat_vacate(t, seat)) return 0;
  }
  return 1;
}

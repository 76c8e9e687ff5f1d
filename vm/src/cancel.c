/* cancel.c - ending one invocation that its submitter does not want any more.
**
** Nothing keeps an index of invocations, so that submission and completion pay nothing for this:
** whoever cancels looks for it. An invocation goes from its task's backlog to a worker's queue
** and from there into a thread's hold (pvm_worker.holding), so looking in that order finds it
** wherever it is; but for one that a thread puts back into a queue, which is counted.
*/
#include <sched.h>

#include "executor.h"
#include "runtime.h"

static const char WHY[] = "cancelled before it ran";

static int end_in_backlog(pvm_executor *executor, uint64_t id) {
  int64_t count = atomic_load(&executor->tasks.count);
  for (int64_t n = 1; n <= count; n++) {
    pvm_task *task = pvm_task_table_get(&executor->tasks, n);
    pvm_invocation *invocation = pvm_task_backlog_take(task, id);
    if (invocation == NULL) continue;
    pvm_worker_settle_queued(&task->group->workers[task->home], invocation, WHY);
    return 1;
  }
  return 0;
}

static int end_in_queue(pvm_worker *worker, uint64_t id) {
  pvm_invocation *invocation = pvm_queue_take(&worker->queue, id);
  if (invocation != NULL) pvm_worker_settle_queued(worker, invocation, WHY);
  return invocation != NULL;
}

static int is_held(pvm_worker *worker, uint64_t id) {
  uint64_t held;
  while ((held = atomic_load(&worker->holding)) == PVM_TAKING) sched_yield();
  return held == id;
}

static int any_worker(pvm_executor *executor, uint64_t id, int (*is)(pvm_worker *, uint64_t)) {
  uint32_t groups = atomic_load(&executor->group_count);
  for (uint32_t g = 0; g < groups; g++)
    for (uint32_t i = 0; i < executor->groups[g]->count; i++)
      if (is(&executor->groups[g]->workers[i], id)) return 1;
  return 0;
}

int pvm_cancel(pvm_executor *executor, uint64_t id) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL || id == 0) return PVM_E_INVALID;
  uint32_t returned;
  do {
    int state = atomic_load(&executor->state);
    if (state == PVM_EXECUTOR_CANCELLING) return PVM_E_STATE;
    if (state == PVM_EXECUTOR_STOPPED) return PVM_E_UNKNOWN;
    returned = atomic_load(&executor->returned);
    if (end_in_backlog(executor, id) || any_worker(executor, id, end_in_queue)) return PVM_OK;
    if (any_worker(executor, id, is_held)) return pvm_ladder_cancel(&executor->ladder, id);
  } while (returned != atomic_load(&executor->returned));
  return PVM_E_UNKNOWN;
}

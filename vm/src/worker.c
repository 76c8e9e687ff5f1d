/* worker.c - see worker.h. */
#include "worker.h"

#include "executor.h"
#include "runtime.h"

uint32_t pvm_worker_number(const pvm_worker *worker) {
  return worker->group->first + worker->index;
}

void pvm_worker_settle(pvm_worker *worker, pvm_invocation *invocation) {
  pvm_executor *executor = worker->executor;
  pvm_task *task = invocation->task;
  int core = task->config.lane == PVM_LANE_CORE, dispatched = !invocation->in_backlog;
  pvm_executor_end(executor, invocation, &task->shares[worker->seat], &worker->delivered);
  if (core && atomic_fetch_sub(&executor->core_unfinished, 1) == 1)
    pvm_park_ring_all(&executor->resumed);
  if (dispatched)
    pvm_executor_dispatch_next(task); /* after that: with one at a time, results come in order */
}

void pvm_worker_settle_queued(pvm_worker *worker, pvm_invocation *invocation, const char *why) {
  atomic_fetch_add_explicit(&invocation->task->shares[worker->seat].running, 1,
                            memory_order_relaxed);
  invocation->completion.outcome = PVM_CANCELLED;
  invocation->completion.worker = pvm_worker_number(worker);
  invocation->completion.queued_ns = pvm_now() - invocation->accepted_ns;
  pvm_buffer_text(&invocation->completion.data, why);
  pvm_worker_settle(worker, invocation);
}

void pvm_worker_cancel_queue(pvm_worker *worker) {
  for (pvm_invocation *rest; (rest = pvm_queue_pop(&worker->queue)) != NULL;)
    pvm_worker_settle_queued(worker, rest, "the executor stopped before it ran");
}

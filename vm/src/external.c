/* external.c - invocations of tasks that the host runs itself: accepted and ended like the others.
 */
#include <string.h>

#include "executor.h"
#include "runtime.h"
#include "trace.h"

int64_t pvm_external_add(pvm_executor *executor, const char *name, const pvm_task_config *config) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL || name == NULL || config == NULL) return PVM_E_INVALID;
  size_t len = strlen(name);
  if (len == 0 || len > PVM_NAME_MAX || !pvm_task_config_is_valid(config)) return PVM_E_INVALID;
  if (atomic_load(&executor->state) != PVM_EXECUTOR_RUNNING) return PVM_E_STATE;
  pvm_task *task = pvm_task_table_add(&executor->tasks, name, NULL, config, NULL);
  return task != NULL ? task->id : PVM_E_NOMEM;
}

int pvm_external_submit(pvm_executor *executor, int64_t id, uint64_t tag, const void *payload,
                        size_t len, const pvm_submit_options *options, pvm_ticket *ticket) {
  pvm_task *task;
  int status = pvm_executor_find(executor, id, &task);
  if (status != PVM_OK) return status;
  if (task->group != NULL || ticket == NULL) return PVM_E_INVALID;
  pvm_invocation *invocation;
  pvm_buffer elements; /* it runs where this process's memory is not */
  int expanded = pvm_expand(payload, len, &elements);
  if (expanded < 0) return expanded;
  status = pvm_executor_accept(executor, task, tag, expanded ? elements.data : payload,
                               expanded ? elements.len : len, options, &invocation);
  pvm_buffer_free(&elements);
  if (status != PVM_OK) return status;
  *ticket = (pvm_ticket){
      .invocation = invocation,
      .payload = invocation->payload,
      .len = invocation->len,
      .id = invocation->completion.id,
      .accepted_ns = invocation->accepted_ns,
      .deadline_ns = invocation->deadline_ns,
      .level = pvm_invocation_level(invocation->accepted_ns, invocation->priority),
  };
  return PVM_OK;
}

int pvm_external_start(pvm_executor *executor, const pvm_ticket *ticket, char *why) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (executor == NULL || ticket == NULL || ticket->invocation == NULL) return PVM_E_INVALID;
  pvm_task *task = ticket->invocation->task;
  if (!pvm_breaker_may_start(task->breaker, ticket->invocation->token)) {
    if (why != NULL) pvm_breaker_explain(task->breaker, pvm_now(), why, PVM_ERR_MAX);
    return PVM_E_BREAKER;
  }
  atomic_fetch_add_explicit(&task->shares[0].running, 1, memory_order_relaxed);
  return PVM_OK;
}

static void copy(pvm_buffer *to, const void *data, size_t len) {
  to->data = len != 0 ? malloc(len) : NULL;
  if (to->data == NULL) return;
  memcpy(to->data, data, len);
  to->len = len;
}

int pvm_external_end(pvm_executor *executor, pvm_ticket *ticket, pvm_outcome outcome,
                     uint32_t worker, uint64_t started_ns, uint64_t called_ns, const void *data,
                     size_t len) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (executor == NULL || ticket == NULL || ticket->invocation == NULL) return PVM_E_INVALID;
  if (outcome < PVM_DONE || outcome > PVM_REJECTED || (data == NULL && len != 0))
    return PVM_E_INVALID;
  pvm_invocation *invocation = ticket->invocation;
  pvm_share *share = &invocation->task->shares[0];
  *ticket = (pvm_ticket){0};
  /* what never started is counted as if it had, as by pvm_worker_cancel_queue */
  if (started_ns == 0) atomic_fetch_add_explicit(&share->running, 1, memory_order_relaxed);
  uint64_t now = pvm_now();
  uint64_t started = started_ns != 0 ? started_ns : now;
  uint64_t called = called_ns != 0 ? called_ns : now;
  pvm_completion *completion = &invocation->completion;
  if (started_ns != 0) pvm_trace_mark_at(invocation->trace, PVM_STAGE_TAKEN, started);
  if (called_ns != 0) pvm_trace_mark_at(invocation->trace, PVM_STAGE_READY, called);
  completion->outcome = outcome;
  completion->worker = worker;
  completion->queued_ns = started - invocation->accepted_ns;
  completion->load_ns = called - started;
  completion->run_ns = now - called;
  copy(&completion->data, data, len);
  pvm_executor_end(executor, invocation, share, &executor->delivered);
  return PVM_OK;
}

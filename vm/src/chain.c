/* chain.c - see chain.h. */
#include "chain.h"

#include <stdlib.h>

#include "executor.h"
#include "runtime.h"

pvm_chain *pvm_chain_of(pvm_task *task) {
  pthread_mutex_lock(&task->chain_lock);
  pvm_chain *chain = atomic_load_explicit(&task->chain, memory_order_relaxed);
  if (chain != NULL) atomic_fetch_add_explicit(&chain->references, 1, memory_order_relaxed);
  pthread_mutex_unlock(&task->chain_lock);
  return chain;
}

void pvm_chain_release(pvm_chain *chain) {
  if (chain != NULL && atomic_fetch_sub_explicit(&chain->references, 1, memory_order_acq_rel) == 1)
    free(chain);
}

/* A task that is there, takes work, and is not in the chain yet. */
static int take_in(pvm_executor *executor, pvm_chain *chain, int64_t id) {
  pvm_task *task = pvm_task_table_get(&executor->tasks, id);
  if (task == NULL || atomic_load(&task->withdrawn)) return PVM_E_UNKNOWN;
  if (task->group == NULL) return PVM_E_INVALID;
  for (uint32_t i = 0; i < chain->count; i++)
    if (chain->members[i].task == task) return PVM_E_INVALID;
  if (++chain->places[task->config.lane] > executor->config.max_pending) return PVM_E_INVALID;
  chain->members[chain->count++].task = task;
  return PVM_OK;
}

static int connect(pvm_chain *chain, uint32_t index, const pvm_chain_node *node) {
  pvm_chain_member *member = &chain->members[index];
  if (node->after == 0 || node->after >> index != 0) return PVM_E_INVALID;
  if (node->failure < PVM_AFTER_SKIP || node->failure > PVM_AFTER_CONTINUE) return PVM_E_INVALID;
  member->after = node->after;
  member->failure = node->failure;
  for (uint32_t i = 0; i < index; i++)
    if (node->after >> i & 1) chain->members[i].followers |= (uint64_t)1 << index;
  return PVM_OK;
}

static int make(pvm_executor *executor, int64_t first, const pvm_chain_node *nodes, uint32_t count,
                pvm_chain **out) {
  pvm_chain *chain = calloc(1, sizeof *chain + (count + 1) * sizeof chain->members[0]);
  if (chain == NULL) return PVM_E_NOMEM;
  atomic_init(&chain->references, 1);
  int status = take_in(executor, chain, first);
  for (uint32_t i = 0; i < count && status == PVM_OK; i++) {
    status = take_in(executor, chain, nodes[i].task);
    if (status == PVM_OK) status = connect(chain, i + 1, &nodes[i]);
  }
  if (status == PVM_OK) *out = chain;
  else pvm_chain_release(chain);
  return status;
}

int pvm_chain_set(pvm_executor *executor, int64_t first, const pvm_chain_node *nodes,
                  uint32_t count) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL || count >= PVM_CHAIN_TASKS_MAX || (nodes == NULL && count != 0))
    return PVM_E_INVALID;
  pvm_task *task = pvm_task_table_get(&executor->tasks, first);
  if (task == NULL) return PVM_E_UNKNOWN;
  pvm_chain *chain = NULL;
  if (count != 0 && (status = make(executor, first, nodes, count, &chain)) != PVM_OK) return status;
  pthread_mutex_lock(&task->chain_lock);
  pvm_chain *former = atomic_exchange(&task->chain, chain);
  pthread_mutex_unlock(&task->chain_lock);
  pvm_chain_release(former);
  return PVM_OK;
}

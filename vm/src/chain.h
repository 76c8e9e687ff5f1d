/* chain.h - the graph of tasks that one trigger starts: what runs after what.
**
** Immutable and reference-counted. A task refers to the graph that it starts now, each run to the
** one that it began with. Nodes are in an order in which each comes after those it waits for, and
** node 0 is the first. Sets of nodes are bit masks.
*/
#ifndef PVM_CHAIN_H
#define PVM_CHAIN_H

#include "task.h"

typedef struct pvm_chain_member {
  pvm_task *task;
  uint64_t after;     /* those that it waits for; 0 for the first alone */
  uint64_t followers; /* those that wait for it */
  pvm_after_failure failure;
} pvm_chain_member;

typedef struct pvm_chain {
  _Atomic uint32_t references;
  uint32_t count;
  uint32_t places[PVM_LANES]; /* that a run takes */
  pvm_chain_member members[];
} pvm_chain;

/* Does the task start a chain? A guess while it is being set. */
static inline int pvm_chain_is_set(pvm_task *task) {
  return atomic_load_explicit(&task->chain, memory_order_relaxed) != NULL;
}
/* The task's graph, retained; NULL for none. */
pvm_chain *pvm_chain_of(pvm_task *task);
/* NULL is allowed. */
void pvm_chain_release(pvm_chain *chain);

#endif

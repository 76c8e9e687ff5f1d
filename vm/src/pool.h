/* pool.h - clean VMs that one worker holds ready, so that a task never waits for one
** to be made. A pool belongs to its worker's thread, as its VMs do. */
#ifndef PVM_POOL_H
#define PVM_POOL_H

#include "vm_state.h"

typedef struct pvm_pool {
  pvm_vm **vms;
  uint32_t count;
  uint32_t target; /* how many to hold */
} pvm_pool;

int pvm_pool_init(pvm_pool *pool, uint32_t target);
/* A clean VM: a warm one, or else a new one. NULL with `err`. */
pvm_vm *pvm_pool_take(pvm_pool *pool, char *err);
/* Make one VM if the pool is short of its target. Returns 1 if it did, else 0. */
int pvm_pool_refill(pvm_pool *pool);
void pvm_pool_free(pvm_pool *pool);

#endif

/* pool.c - see pool.h. */
#include "pool.h"

#include <stdlib.h>

int pvm_pool_init(pvm_pool *pool, uint32_t target) {
  pool->vms = calloc(target ? target : 1, sizeof *pool->vms);
  pool->count = 0;
  pool->target = target;
  return pool->vms != NULL ? 0 : -1;
}

static pvm_vm *make(char *err) {
  pvm_vm *vm = pvm_vm_new();
  if (vm == NULL) return NULL;
  if (pvm_vm_begin(vm, err) == PVM_OK) return vm;
  pvm_vm_delete(vm);
  return NULL;
}

pvm_vm *pvm_pool_take(pvm_pool *pool, char *err) {
  return pool->count > 0 ? pool->vms[--pool->count] : make(err);
}

int pvm_pool_refill(pvm_pool *pool) {
  if (pool->count >= pool->target) return 0;
  pvm_vm *vm = make(NULL);
  if (vm == NULL) return 0; /* without memory a pool stays short; taking says why */
  pool->vms[pool->count++] = vm;
  return 1;
}

void pvm_pool_free(pvm_pool *pool) {
  while (pool->count > 0) pvm_vm_delete(pool->vms[--pool->count]);
  free(pool->vms);
  pool->vms = NULL;
}

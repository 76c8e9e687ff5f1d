/* run.c - see run.h. */
#include "run.h"

#include "park.h"

void pvm_run_begin(pvm_run *run) {
  atomic_store(&run->stage, PVM_RUN_RUNNING);
}

pvm_run_end pvm_run_finish(pvm_run *run) {
  for (;;) {
    uint32_t stage = PVM_RUN_RUNNING;
    if (atomic_compare_exchange_strong(&run->stage, &stage, PVM_RUN_NONE)) return PVM_RUN_FREE;
    int lost = stage == PVM_RUN_ABANDONED;
    if (lost || (stage == PVM_RUN_KICKED &&
                 atomic_compare_exchange_strong(&run->stage, &stage, PVM_RUN_NONE))) {
      pvm_vm *vm = atomic_load(&run->vm);
      if (vm != NULL) pvm_vm_calm(vm);
      return lost ? PVM_RUN_LOST : PVM_RUN_STOPPED;
    }
    pvm_spin();
  }
}

int pvm_run_hold(pvm_run *run, uint32_t stage) {
  return atomic_compare_exchange_strong(&run->stage, &stage, PVM_RUN_HELD);
}

void pvm_run_let(pvm_run *run, uint32_t stage) {
  atomic_store(&run->stage, stage);
}

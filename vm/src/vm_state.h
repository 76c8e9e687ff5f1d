/* vm_state.h - what a pvm_vm holds, and its life on its own thread.
**
** States: empty (no interpreter) -> clean (interpreter, no program) -> loaded. All
** functions here run on the VM's thread. `enter` makes the VM's interpreter the thread's
** current one and charges memory to it; it stays so until another VM is entered or the
** thread leaves, so a worker that runs one task many times in a row pays once.
*/
#ifndef PVM_VM_STATE_H
#define PVM_VM_STATE_H

#include <pthread.h>

#include "../include/vm.h"
#include "codec.h"
#include "memory.h"
#include "program.h"
#include "python.h"
#include "tensor.h"

struct pvm_vm {
  pvm_memory memory; /* first: the current account names the current VM */
  pthread_t thread;
  uint64_t id;
  uint64_t generation;
  uint64_t calls;
  uint64_t create_ns;
  pvm_program *program;  /* retained; NULL while clean */
  PyThreadState *tstate; /* NULL while empty */
  PyObject *modules;     /* the real sys.modules, whatever the task does to the name */
  PyObject *importer;    /* of the task's modules; see importer.c */
  PyObject *entry;
  PyObject *interrupted;     /* the exception type that stops a run; immortal */
  struct pvm_thread *runner; /* the worker's thread that it belongs to, if any */
  PyObject *streams[2];      /* the task's stdout and stderr */
  pvm_codec codec;
  pvt_context arrays;         /* what the tensor engine does in this VM is counted and stopped by */
  _Atomic uint32_t attention; /* PVM_ATTENTION_...: what engine kernels are to look at */
};

enum { PVM_ATTENTION_STOP = 1, PVM_ATTENTION_PAUSE = 2 };

/* The VM that this thread is in, or NULL. */
pvm_vm *pvm_vm_current(void);

/* A new handle without an interpreter, bound to this thread; NULL without memory. */
pvm_vm *pvm_vm_new(void);
/* empty -> clean */
int pvm_vm_begin(pvm_vm *vm, char *err);
/* clean -> loaded, or still clean but for side effects of the task's top level. */
int pvm_vm_bind(pvm_vm *vm, pvm_program *program, pvm_buffer *error, char *err);
/* One call in a loaded VM; see pvm_vm_call. */
int pvm_vm_run(pvm_vm *vm, const void *payload, size_t len, pvm_buffer *result, char *err);
/* Run what the task left to run at its end, by letting go of all that is its own. The VM
** cannot be used for anything but ending it. May take as long as the task likes. */
void pvm_vm_unload(pvm_vm *vm);
/* any -> empty, memory returned whole. Unloads first. */
void pvm_vm_end(pvm_vm *vm);
void pvm_vm_delete(pvm_vm *vm);

void pvm_vm_enter(pvm_vm *vm);
/* Leave whatever VM this thread is in. */
void pvm_vm_leave(void);

/* From any thread: raise `polyvm.Interrupted` in the VM at its next bytecode boundary; with
** `doom` at every one from then on. The caller makes sure that the VM does not end meanwhile. */
void pvm_vm_interrupt(pvm_vm *vm, int doom);
/* On the VM's thread: raise MemoryError at the next bytecode boundary. */
void pvm_vm_raise_memory_error(pvm_vm *vm);
/* From any thread, as above: call pvm_thread_pause on the VM's thread at the next bytecode
** boundary. */
void pvm_vm_ask_pause(pvm_vm *vm);
/* On the VM's thread, once nobody interrupts any more: nothing is pending. */
void pvm_vm_calm(pvm_vm *vm);

#endif

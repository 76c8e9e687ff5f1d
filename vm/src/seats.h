/* seats.h - which tasks have a VM on a thread, by last use. Only that thread calls these.
**
** Ending a VM may run what its task left for its end, __del__ methods above all. That is a run, which
** can be interrupted, and over which the thread may be given up: these functions return 0 then.
*/
#ifndef PVM_SEATS_H
#define PVM_SEATS_H

#include "task.h"
#include "thread.h"

/* A VM loaded with the task, which is the latest used one now. NULL with the reason in `data`; what
** could not be loaded is t->unfit. *load_ns: what making and loading it took, unless it was there. */
pvm_vm *pvm_seat_take(pvm_thread *t, pvm_task *task, pvm_buffer *data, uint64_t *load_ns);
/* Add what the VM's memory has changed by to the task's sum. */
void pvm_seat_account(pvm_seat *seat, size_t bytes);
/* End the seat's VM. */
int pvm_seat_vacate(pvm_thread *t, pvm_seat *seat);
/* End a VM that has no seat. */
int pvm_seat_retire(pvm_thread *t, pvm_vm *vm, pvm_task *task);
/* End the VMs of tasks that are over. */
int pvm_seats_sweep(pvm_thread *t);

#endif

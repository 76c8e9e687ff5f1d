/* find_work.h - what a thread runs next: its worker's work, what waits too long elsewhere, or nothing. */
#ifndef PVM_FIND_WORK_H
#define PVM_FIND_WORK_H

#include "thread.h"

/* Own work while it lasts; after a while without any, others'. NULL: there is none. With t->helping it
** is of the low lane, and the caller counts it as over. */
pvm_invocation *pvm_find_work(pvm_thread *t);
/* Sleep until there may be some, or a chore, or the thread is over. */
void pvm_wait_for_work(pvm_thread *t);

#endif

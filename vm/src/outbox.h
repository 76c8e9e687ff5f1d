/* outbox.h - what fired by events that tasks appended, until the host takes it.
**
** The host counts what it submits before it hears how that ended, so it is the host that submits these.
** A run puts here what its events fired before it ends: whoever collects its end finds that here.
*/
#ifndef PVM_OUTBOX_H
#define PVM_OUTBOX_H

#include <pthread.h>
#include <stdatomic.h>

#include "../include/vm.h"

#define PVM_OUTBOX_BYTES ((uint64_t)64 << 20) /* beyond which tasks may append no more */

typedef struct pvm_letter pvm_letter;

typedef struct pvm_outbox {
  pthread_mutex_t lock; /* of the list */
  pvm_letter *first, *last;
  _Atomic uint64_t bytes;
  _Atomic uint32_t count;
} pvm_outbox;

void pvm_outbox_init(pvm_outbox *outbox);
void pvm_outbox_free(pvm_outbox *outbox);
int pvm_outbox_is_full(const pvm_outbox *outbox);
/* Put what fired there; it is taken over. 0, or -1 without memory. */
int pvm_outbox_put(pvm_outbox *outbox, pvm_fired_batch *fired);
/* The oldest; 0: there is none. */
int pvm_outbox_take(pvm_outbox *outbox, pvm_fired_batch *fired);

#endif

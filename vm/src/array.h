/* array.h - invocations that were submitted together and are waited for together.
**
** One block of memory holds them all. It goes with the last reference: its handle has one, and
** each invocation as long as some thread may read it.
*/
#ifndef PVM_ARRAY_H
#define PVM_ARRAY_H

#include "invocation.h"

struct pvm_executor;

struct pvm_array {
  struct pvm_executor *executor; /* until the last has ended */
  pvm_lane lane;
  uint32_t count;
  int taken;
  _Alignas(64) _Atomic uint32_t unfinished; /* and 1 while they are being submitted */
  _Atomic uint32_t state;                   /* futex of who waits */
  _Atomic uint32_t references;
  pvm_invocation *items[];
};

/* `count` invocations with payloads of MessagePack that begin at `first`, zeroed but for payload,
** len and array. NULL with *status: PVM_E_NOMEM, or PVM_E_DECODE if not just so many values stand
** there. */
pvm_array *pvm_array_new(const unsigned char *first, const unsigned char *end, uint32_t count,
                         int *status);
/* One has its outcome, or all of them are submitted. */
void pvm_array_note_end(pvm_array *array);

#endif

/* held.h - what messages need of this process: the buffers of shared arrays that they name.
**
** A MessagePack value may have handles of shared arrays in it (engine/include/tensor.h), which are
** no references. So whatever keeps such a value keeps a pvm_held beside it: an invocation for its
** payload, a pvm_buffer or a batch for results, a partial match for its events. What leaves the
** process or may outlive it is expanded: it gets the elements themselves.
**
** While nothing is shared in the process all this costs one look at a number.
*/
#ifndef PVM_HELD_H
#define PVM_HELD_H

#include "../include/vm.h"
#include "tensor.h"

struct pvm_held {
  struct pvm_held *next;
  uint32_t count, capacity;
  pvt_buffer *buffers[];
};

/* Put a reference into *held, which may begin as NULL and may move. The reference is taken over;
** 0, or -1 without memory. */
int pvm_held_add(pvm_held **held, pvt_buffer *buffer);
/* Put the list `more`, which is taken over, at the end of *held. */
void pvm_held_append(pvm_held **held, pvm_held *more);

#endif

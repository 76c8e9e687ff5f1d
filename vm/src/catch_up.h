/* catch_up.h - what is kept of a flow's streams, read in the order in which it came. */
#ifndef PVM_CATCH_UP_H
#define PVM_CATCH_UP_H

#include "firing.h"
#include "flow.h"

typedef struct pvm_catch_up pvm_catch_up;

/* NULL without memory. */
pvm_catch_up *pvm_catch_up_new(pvm_store *kept, flow_set *set, flow *flow);
void pvm_catch_up_free(pvm_catch_up *reading);
/* Feed the flow what it has not been fed, to the end. STREAM_OK, or STREAM_E_NOMEM. */
int pvm_catch_up_read(pvm_catch_up *reading, pvm_firing *f);

#endif

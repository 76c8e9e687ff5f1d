/* flows.h - the flows of an executor: engine/flow, with what leaves it. */
#ifndef PVM_FLOWS_H
#define PVM_FLOWS_H

#include "feature.h"
#include "firing.h"
#include "stream.h"

struct pvm_flows;

/* NULL without memory. */
struct pvm_flows *pvm_flows_new(struct pvm_trigger_set *set, const pvm_trigger_config *config);
/* Where the tables of flows that are added from now on are. */
void pvm_flows_set_tables(struct pvm_flows *flows, feature_store *features);
void pvm_flows_free(struct pvm_flows *flows);

/* An event was kept and matched. */
void pvm_flows_take(struct pvm_flows *flows, const stream_taken *event, pvm_firing *f);
/* How long until it is to be called again; UINT64_MAX: there are no flows. */
uint64_t pvm_flows_tick(struct pvm_flows *flows, pvm_firing *f);
/* Their streams have ended. PVM_OK or PVM_E_NOMEM. */
int pvm_flows_end(struct pvm_flows *flows, pvm_firing *f);

/* Around the keeping of an event and its way through flows, so that a flow that catches up meets each
** once. */
void pvm_flows_enter(struct pvm_flows *flows);
void pvm_flows_leave(struct pvm_flows *flows);

#endif

/* trigger_set.h - the triggers and flows of an executor, and where its events are kept. */
#ifndef PVM_TRIGGER_SET_H
#define PVM_TRIGGER_SET_H

#include "flows.h"
#include "intake.h"
#include "trigger.h"

struct pvm_trigger_set {
  stream_triggers *stream;
  pvm_store *store;      /* NULL */
  stream_intake *intake; /* NULL without a store */
  struct pvm_flows *flows;
  pvm_trigger_table triggers;
};

/* The executor's set, made with the defaults if there is none. */
int pvm_trigger_set_of(pvm_executor *executor, struct pvm_trigger_set **set, char *err);
/* NULL: there is none. */
struct pvm_trigger_set *pvm_trigger_set_made(pvm_executor *executor);
void pvm_trigger_set_free(struct pvm_trigger_set *set);
/* Where the executor's events are kept; NULL: nowhere. */
pvm_store *pvm_trigger_store(pvm_executor *executor);

#endif

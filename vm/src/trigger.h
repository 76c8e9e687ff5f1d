/* trigger.h - the triggers of an executor: conditions of the stream store that submit. */
#ifndef PVM_TRIGGER_H
#define PVM_TRIGGER_H

struct pvm_trigger_set;

void pvm_trigger_set_free(struct pvm_trigger_set *set);

#endif

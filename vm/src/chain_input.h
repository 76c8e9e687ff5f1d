/* chain_input.h - what a task in a chain is given: one map of what came before it. */
#ifndef PVM_CHAIN_INPUT_H
#define PVM_CHAIN_INPUT_H

#include "../include/vm.h"

/* One of those that it comes after. */
typedef struct pvm_chain_source {
  const char *name;
  int outcome;
  const void *result; /* when PVM_DONE: MessagePack */
  size_t len;
} pvm_chain_source;

/* The map in MessagePack, malloc's. `payload` and results must be one
** value of it each. 0, or -1 without
** memory. At most PVM_CHAIN_TASKS_MAX sources. */
int pvm_chain_input(const void *payload, size_t len, const pvm_chain_source *sources,
                    uint32_t count, pvm_buffer *out);

#endif

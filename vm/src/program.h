/* program.h - what pvm_program holds. Immutable once sealed, so readers need no lock. */
#ifndef PVM_PROGRAM_H
#define PVM_PROGRAM_H

#include <stdatomic.h>

#include "../include/vm.h"

typedef struct pvm_item {
  char *name;
  unsigned char *data;
  size_t len;
  int flags; /* PVM_MODULE_PACKAGE */
} pvm_item;

typedef struct pvm_items {
  pvm_item *items; /* sorted by name once sealed */
  size_t count;
  size_t cap;
} pvm_items;

struct pvm_program {
  _Atomic size_t references;
  int sealed;
  char *name;
  char *version;
  char *module; /* of the entry point */
  char *function;
  pvm_items modules;
  pvm_items assets;
};

/* NULL when there is none of that name. */
const pvm_item *pvm_program_find(const pvm_items *items, const char *name);

#endif

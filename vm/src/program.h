/* program.h - what pvm_program holds. Immutable once finished, so readers need no lock. */
#ifndef PVM_PROGRAM_H
#define PVM_PROGRAM_H

#include <stdatomic.h>

#include "policy.h"
#include "region.h"

typedef struct pvm_item {
  char *name;
  const unsigned char *data; /* in one of the program's regions */
  size_t len;
  int flags; /* PVM_MODULE_PACKAGE */
} pvm_item;

typedef struct pvm_items {
  pvm_item *items; /* sorted by name once finished */
  size_t count;
  size_t cap;
} pvm_items;

/* Code and assets lie in regions, so that they are wiped with the program. Small pieces
** share one; a large piece has its own. */
typedef struct pvm_regions {
  pvm_region **items;
  size_t count;
  size_t cap;
  unsigned char *free; /* what is left of the shared region filled last */
  size_t left;
} pvm_regions;

struct pvm_program {
  _Atomic size_t references;
  int finished;
  char *name;
  char *version;
  char *module; /* of the entry point */
  char *function;
  pvm_items modules;
  pvm_items assets;
  pvm_regions regions;
  pvm_policy policy;
};

/* NULL when there is none of that name. */
const pvm_item *pvm_program_find(const pvm_items *items, const char *name);

#endif

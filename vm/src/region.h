/* region.h - page-aligned memory that core dumps leave out and that is wiped before it goes. */
#ifndef PVM_REGION_H
#define PVM_REGION_H

#include <stdatomic.h>

#include "../include/vm.h"

struct pvm_region {
  _Atomic size_t references;
  size_t len;    /* as asked for */
  size_t mapped; /* in whole pages, this header's page included */
  void *data;
};

pvm_region *pvm_region_retain(pvm_region *region);

#endif

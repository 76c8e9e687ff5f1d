/* region.c - see region.h; and what keeps secrets of this process to itself. */
#include "region.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "memory.h"

pvm_region *pvm_region_new(size_t len) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if (len > SIZE_MAX - 3 * page) return NULL;
  size_t mapped = page + (len + page - 1) / page * page;
  /* The header has a page of its own, so that the data is page-aligned as well. */
  unsigned char *memory =
      mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return NULL;
  (void)madvise(memory, mapped, MADV_DONTDUMP);
  pvm_region *region = (pvm_region *)memory;
  atomic_init(&region->references, 1);
  region->len = len;
  region->mapped = mapped;
  region->data = memory + page;
  return region;
}

void *pvm_region_data(pvm_region *region) {
  return region != NULL ? region->data : NULL;
}

pvm_region *pvm_region_retain(pvm_region *region) {
  atomic_fetch_add_explicit(&region->references, 1, memory_order_relaxed);
  return region;
}

void pvm_region_release(pvm_region *region) {
  if (region == NULL) return;
  if (atomic_fetch_sub_explicit(&region->references, 1, memory_order_acq_rel) != 1) return;
  explicit_bzero(region->data, region->len);
  munmap(region, region->mapped);
}

void pvm_wipe(void *data, size_t len) {
  if (data != NULL) explicit_bzero(data, len);
}

int pvm_process_protect(char *err) {
  struct rlimit none = {0, 0};
  struct rlimit before;
  /* The hard limit stays where it was: only a host that holds keys gives up its cores. */
  if (getrlimit(RLIMIT_CORE, &before) == 0) none.rlim_max = before.rlim_max;
  if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    if (err) snprintf(err, PVM_ERR_MAX, "core dumps cannot be turned off: %s", strerror(errno));
    return PVM_E_OS;
  }
  pvm_memory_wipe_freed();
  return PVM_OK;
}

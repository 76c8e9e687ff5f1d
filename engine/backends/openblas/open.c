/* open.c - finding OpenBLAS, and how many threads may be inside it. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "blas.h"
#include "context.h"

static _Atomic(const pvt_blas *) published;
static pvt_blas found;
static char described[128];
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int inside;

const pvt_blas *pvt_blas_get(void) {
  return atomic_load_explicit(&published, memory_order_acquire);
}

const char *pvt_blas_name(void) {
  return pvt_blas_get() != NULL ? described : "none";
}

static void *symbol(void *library, const char *name) {
  char prefixed[64];
  snprintf(prefixed, sizeof prefixed, "scipy_%s", name);
  void *at = dlsym(library, prefixed);
  return at != NULL ? at : dlsym(library, name);
}

static int load(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL)
    return pvt_fail(PVT_E_UNSUPPORTED, "OpenBLAS cannot be loaded: %.200s", dlerror());
  const struct {
    const char *name;
    void *into;
  } wanted[] = {
      {"cblas_sgemm", &found.sgemm},        {"cblas_dgemm", &found.dgemm},
      {"ssyevd_", &found.syevd[0]},         {"dsyevd_", &found.syevd[1]},
      {"cheevd_", &found.heevd[0]},         {"zheevd_", &found.heevd[1]},
      {"sgesdd_", &found.gesdd[0]},         {"dgesdd_", &found.gesdd[1]},
      {"cgesdd_", &found.gesdd_complex[0]}, {"zgesdd_", &found.gesdd_complex[1]},
      {"sgeev_", &found.geev[0]},           {"dgeev_", &found.geev[1]},
      {"cgeev_", &found.geev_complex[0]},   {"zgeev_", &found.geev_complex[1]},
  };
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    void *at = symbol(library, wanted[i].name);
    if (at == NULL) {
      dlclose(library);
      return pvt_fail(PVT_E_UNSUPPORTED, "%s has no function %s", path, wanted[i].name);
    }
    memcpy(wanted[i].into, &at, sizeof at);
  }
  void (*set_threads)(int) = NULL;
  void *at = symbol(library, "openblas_set_num_threads");
  memcpy(&set_threads, &at, sizeof at);
  char *(*config)(void) = NULL;
  at = symbol(library, "openblas_get_config");
  memcpy(&config, &at, sizeof at);
  if (set_threads != NULL) set_threads(1);
  snprintf(described, sizeof described, "%s", config != NULL ? config() : path);
  /* The library stays for good: threads may be inside it at any time. */
  atomic_store_explicit(&published, &found, memory_order_release);
  return PVT_OK;
}

int pvt_blas_open(const char *path) {
  pthread_mutex_lock(&opening);
  int status = pvt_blas_get() == NULL ? load(path) : PVT_OK;
  pthread_mutex_unlock(&opening);
  return status;
}

bool pvt_blas_try_enter(void) {
  if (atomic_fetch_add_explicit(&inside, 1, memory_order_acquire) < PVT_BLAS_CALLERS) return true;
  atomic_fetch_sub_explicit(&inside, 1, memory_order_relaxed);
  return false;
}

/* More callers than places are rare enough for looking again every 200 us. */
int pvt_blas_enter(void) {
  int status = pvt_poll();
  while (status == PVT_OK && !pvt_blas_try_enter()) {
    nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    status = pvt_poll();
  }
  return status;
}

void pvt_blas_leave(void) {
  atomic_fetch_sub_explicit(&inside, 1, memory_order_release);
}

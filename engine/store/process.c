/* process.c - see process.h. */
#include "process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static _Atomic uint64_t number; /* 0: nobody has asked */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void in_child(void) {
  atomic_store_explicit(&number, (uint64_t)getpid(), memory_order_relaxed);
}

static void begin(void) {
  in_child();
  /* Without the handler a child would take itself for its parent: then every call asks the system. */
  if (pthread_atfork(NULL, NULL, in_child) != 0)
    atomic_store_explicit(&number, 0, memory_order_relaxed);
}

uint64_t store_process(void) {
  uint64_t known = atomic_load_explicit(&number, memory_order_relaxed);
  if (known != 0) return known;
  pthread_once(&once, begin);
  known = atomic_load_explicit(&number, memory_order_relaxed);
  return known != 0 ? known : (uint64_t)getpid();
}

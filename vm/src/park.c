/* park.c - see park.h. */
#include "park.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint64_t pvm_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint32_t pvm_park_ticket(pvm_park *park) {
  atomic_fetch_add_explicit(&park->sleepers, 1, memory_order_seq_cst);
  return atomic_load_explicit(&park->rings, memory_order_seq_cst);
}

void pvm_park_leave(pvm_park *park) {
  atomic_fetch_sub_explicit(&park->sleepers, 1, memory_order_seq_cst);
}

void pvm_park_sleep(pvm_park *park, uint32_t ticket, int64_t timeout) {
  struct timespec t = {timeout / 1000000000, timeout % 1000000000};
  syscall(SYS_futex, &park->rings, FUTEX_WAIT_PRIVATE, ticket, timeout == PVM_FOREVER ? NULL : &t,
          NULL, 0);
  pvm_park_leave(park);
}

int pvm_park_asleep(pvm_park *park) {
  /* Pairs with the increment in pvm_park_ticket: either the ringer sees the sleeper, or
  ** the sleeper, looking once more, sees what the ringer put in place. */
  atomic_thread_fence(memory_order_seq_cst);
  return atomic_load_explicit(&park->sleepers, memory_order_seq_cst) != 0;
}

static void ring(pvm_park *park, int count) {
  if (!pvm_park_asleep(park)) return;
  atomic_fetch_add_explicit(&park->rings, 1, memory_order_seq_cst);
  syscall(SYS_futex, &park->rings, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

void pvm_park_ring(pvm_park *park) {
  ring(park, 1);
}

void pvm_park_ring_all(pvm_park *park) {
  ring(park, INT_MAX);
}

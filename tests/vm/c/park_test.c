/* park_test.c - no wake-up is lost: sleepers without a time-out see all work there is.
**
** usage: park_test [items]
*/
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "park.h"
#include "ring.h"

#define SLEEPERS 3 /* at most */
#define RINGERS 2

static pvm_park park;
static pvm_ring ring;
static long total, share; /* of items; share: of one ringer */
static _Atomic long taken;
static _Atomic int over;

/* Ends the process when a wake-up was lost: then nobody moves any more. */
static void *watch(void *unused) {
  (void)unused;
  for (long before = -1;; sleep(1)) {
    static int still;
    long now = atomic_load(&taken);
    still = now == before ? still + 1 : 0;
    before = now;
    if (still < 20) continue;
    fprintf(stderr, "park_test: stuck at %ld of %ld\n", now, total);
    _exit(1);
  }
}

/* An item is the count of a ringer's own items that have been taken. */
static void *sleeper(void *unused) {
  (void)unused;
  for (;;) {
    _Atomic long *mine = pvm_ring_pop(&ring);
    if (mine != NULL) {
      atomic_fetch_add(mine, 1);
      atomic_fetch_add(&taken, 1);
      continue;
    }
    if (atomic_load(&over)) return NULL;
    uint32_t ticket = pvm_park_ticket(&park);
    if (pvm_ring_count(&ring) != 0 || atomic_load(&over)) pvm_park_leave(&park);
    else pvm_park_sleep(&park, ticket, PVM_FOREVER);
  }
}

/* Rings for a few items and waits until they are taken: one lost wake-up, and it waits for
** ever. */
static void *ringer(void *argument) {
  unsigned seed = (unsigned)(uintptr_t)argument * 2654435761u;
  _Atomic long mine;
  atomic_init(&mine, 0);
  for (long pushed = 0; pushed < share;) {
    seed = seed * 1664525u + 1013904223u;
    for (unsigned i = seed >> 30; pushed < share; i--) {
      while (!pvm_ring_push(&ring, &mine, 0, 0)) pvm_spin();
      pvm_park_ring(&park);
      pushed++;
      if (i == 0) break;
    }
    while (atomic_load(&mine) < pushed) sched_yield();
    for (unsigned i = (seed >> 20) % 1024; i > 0; i--) pvm_spin(); /* so that all orders occur */
  }
  return NULL;
}

static void times_out(void) {
  uint64_t before = pvm_now();
  uint32_t ticket = pvm_park_ticket(&park);
  CHECK(pvm_park_asleep(&park));
  pvm_park_sleep(&park, ticket, 1000000);
  CHECK(!pvm_park_asleep(&park));
  CHECK(pvm_now() >= before);
  ticket = pvm_park_ticket(&park);
  pvm_park_ring(&park);
  pvm_park_sleep(&park, ticket, PVM_FOREVER); /* rung since the ticket: returns */
  pvm_park_ring(&park);
  pvm_park_ring_all(&park);
  CHECK(!pvm_park_asleep(&park));
}

static void together(int sleepers, int ringers) {
  pthread_t threads[SLEEPERS + RINGERS];
  atomic_store(&taken, 0);
  atomic_store(&over, 0);
  share = total / ringers;
  for (int i = 0; i < sleepers; i++) CHECK(pthread_create(&threads[i], NULL, sleeper, NULL) == 0);
  for (int i = 0; i < ringers; i++)
    CHECK(pthread_create(&threads[sleepers + i], NULL, ringer, (void *)(uintptr_t)(i + 1)) == 0);
  for (int i = 0; i < ringers; i++) pthread_join(threads[sleepers + i], NULL);
  CHECK(atomic_load(&taken) == share * ringers);
  atomic_store(&over, 1);
  pvm_park_ring_all(&park);
  for (int i = 0; i < sleepers; i++) pthread_join(threads[i], NULL);
  CHECK(!pvm_park_asleep(&park));
}

int main(int argc, char **argv) {
  pthread_t watcher;
  total = number(argc, argv, 1, 20000);
  CHECK(pvm_ring_init(&ring, 64) == 0);
  CHECK(pthread_create(&watcher, NULL, watch, NULL) == 0);
  times_out();
  together(1, 1);
  together(SLEEPERS, RINGERS);
  together(1, RINGERS);
  pvm_ring_free(&ring);
  puts("park_test: ok");
  return 0;
}

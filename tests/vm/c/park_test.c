/* park_test.c - no wake-up is lost: sleepers without a time-out see all work there is.
**
** usage: park_test [items]
*/
#include <pthread.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "park.h"
#include "ring.h"

#define SLEEPERS 3
#define RINGERS 2

static pvm_park park;
static pvm_ring ring;
static long total;
static _Atomic long taken, handed_out;
static _Atomic int over;

/* Ends the process when a wake-up was lost: then nobody moves any more. */
static void *watch(void *unused) {
  (void)unused;
  for (long before = -1; !atomic_load(&over); sleep(1)) {
    static int still;
    long now = atomic_load(&taken);
    still = now == before ? still + 1 : 0;
    before = now;
    if (still < 30) continue;
    fprintf(stderr, "park_test: stuck at %ld of %ld\n", now, total);
    _exit(1);
  }
  return NULL;
}

static void *sleeper(void *unused) {
  (void)unused;
  for (;;) {
    if (pvm_ring_pop(&ring) != NULL) {
      if (atomic_fetch_add(&taken, 1) + 1 == total) {
        atomic_store(&over, 1);
        pvm_park_ring_all(&park);
      }
      continue;
    }
    if (atomic_load(&over)) return NULL;
    uint32_t ticket = pvm_park_ticket(&park);
    if (pvm_ring_count(&ring) != 0 || atomic_load(&over)) pvm_park_leave(&park);
    else pvm_park_sleep(&park, ticket, PVM_FOREVER);
  }
}

static void *ringer(void *argument) {
  unsigned seed = (unsigned)(uintptr_t)argument * 2654435761u;
  while (atomic_fetch_add(&handed_out, 1) < total) {
    while (!pvm_ring_push(&ring, &park, 0)) pvm_spin();
    pvm_park_ring(&park);
    seed = seed * 1664525u + 1013904223u; /* pauses of all lengths, so that all orders occur */
    for (unsigned i = seed >> 22; i > 0; i--) pvm_spin();
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

int main(int argc, char **argv) {
  pthread_t threads[SLEEPERS + RINGERS], watcher;
  total = number(argc, argv, 1, 20000);
  times_out();
  CHECK(pvm_ring_init(&ring, 64) == 0);
  CHECK(pthread_create(&watcher, NULL, watch, NULL) == 0);
  for (int i = 0; i < SLEEPERS; i++) CHECK(pthread_create(&threads[i], NULL, sleeper, NULL) == 0);
  for (uintptr_t i = 0; i < RINGERS; i++)
    CHECK(pthread_create(&threads[SLEEPERS + i], NULL, ringer, (void *)(i + 1)) == 0);
  for (int i = 0; i < SLEEPERS + RINGERS; i++) pthread_join(threads[i], NULL);
  CHECK(atomic_load(&taken) == total);
  CHECK(!pvm_park_asleep(&park));
  pthread_join(watcher, NULL);
  pvm_ring_free(&ring);
  puts("park_test: ok");
  return 0;
}

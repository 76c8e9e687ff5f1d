/* ring_test.c - every item pushed is popped or taken once, in each producer's order.
**
** usage: ring_test [items for each producer]
*/
#include <pthread.h>
#include <sched.h>
#include <stdint.h>

#include "check.h"
#include "ring.h"

#define PRODUCERS 3
#define CONSUMERS 3

typedef struct item {
  uint32_t producer;
  uint32_t number;
  uint64_t payload; /* plain memory: the ring must make it visible */
} item;

static pvm_ring ring;
static long per_producer;
static _Atomic long popped, taken;

/* last[c][p]: the last item of producer p that consumer c saw. */
static int64_t last[CONSUMERS][PRODUCERS];
static long seen[CONSUMERS][PRODUCERS];

static uint64_t key_of(uint32_t producer, long n) {
  return (uint64_t)producer << 40 | (uint64_t)(n + 1);
}

static void *produce(void *argument) {
  uint32_t me = (uint32_t)(uintptr_t)argument;
  for (long n = 0; n < per_producer; n++) {
    item *it = malloc(sizeof *it);
    CHECK(it != NULL);
    *it = (item){me, (uint32_t)n, (uint64_t)n * 1000003u + me};
    while (!pvm_ring_push(&ring, it, (uint64_t)n + 1, key_of(me, n))) sched_yield();
    if (n % 3 == 0) {
      it = pvm_ring_take(&ring, key_of(me, n)); /* a consumer may have been quicker */
      if (it == NULL) continue;
      CHECK(it->producer == me && it->number == n && it->payload == (uint64_t)n * 1000003u + me);
      free(it);
      atomic_fetch_add(&taken, 1);
    }
  }
  return NULL;
}

static void *consume(void *argument) {
  uint32_t me = (uint32_t)(uintptr_t)argument;
  for (int p = 0; p < PRODUCERS; p++) last[me][p] = -1;
  while (atomic_load(&popped) + atomic_load(&taken) < PRODUCERS * per_producer) {
    uint64_t oldest = pvm_ring_oldest(&ring);
    CHECK(oldest == UINT64_MAX || (oldest >= 1 && oldest <= (uint64_t)per_producer));
    CHECK(pvm_ring_count(&ring) <= ring.mask + 1);
    item *it = pvm_ring_pop(&ring);
    if (it == NULL) {
      sched_yield();
      continue;
    }
    CHECK(it->payload == (uint64_t)it->number * 1000003u + it->producer);
    CHECK((int64_t)it->number > last[me][it->producer]);
    last[me][it->producer] = it->number;
    seen[me][it->producer]++;
    free(it);
    atomic_fetch_add(&popped, 1);
  }
  return NULL;
}

static void alone(void) {
  int values[9];
  CHECK(pvm_ring_init(&ring, 5) == 0 && ring.mask == 7);
  CHECK(pvm_ring_pop(&ring) == NULL && pvm_ring_oldest(&ring) == UINT64_MAX);
  for (int round = 0; round < 100; round++) {
    for (int i = 0; i < 8; i++) CHECK(pvm_ring_push(&ring, &values[i], (uint64_t)i, 0));
    CHECK(!pvm_ring_push(&ring, &values[8], 8, 0) && pvm_ring_count(&ring) == 8);
    for (int i = 0; i < 8; i++) {
      CHECK(pvm_ring_oldest(&ring) == (uint64_t)i);
      CHECK(pvm_ring_pop(&ring) == &values[i]);
    }
    CHECK(pvm_ring_pop(&ring) == NULL && pvm_ring_count(&ring) == 0);
    CHECK(pvm_ring_push(&ring, &values[0], 0, 0) && pvm_ring_pop(&ring) == &values[0]);
    for (int i = 0; i < 8; i++) CHECK(pvm_ring_push(&ring, &values[i], (uint64_t)i, 10 + i));
    CHECK(pvm_ring_take(&ring, 9) == NULL && pvm_ring_take(&ring, 18) == NULL);
    for (int i = 0; i < 8; i++)
      if (i != 2 && i != 5) CHECK(pvm_ring_take(&ring, 10 + i) == &values[i]);
    CHECK(pvm_ring_take(&ring, 10) == NULL); /* once */
    CHECK(pvm_ring_oldest(&ring) == 2 && !pvm_ring_push(&ring, &values[8], 8, 8));
    CHECK(pvm_ring_pop(&ring) == &values[2] && pvm_ring_pop(&ring) == &values[5]);
    CHECK(pvm_ring_oldest(&ring) == UINT64_MAX && pvm_ring_pop(&ring) == NULL);
    CHECK(pvm_ring_count(&ring) == 0 && pvm_ring_take(&ring, 12) == NULL);
  }
  pvm_ring_free(&ring);
}

static void together(size_t capacity) {
  pthread_t threads[PRODUCERS + CONSUMERS];
  CHECK(pvm_ring_init(&ring, capacity) == 0);
  atomic_store(&popped, 0);
  atomic_store(&taken, 0);
  for (int c = 0; c < CONSUMERS; c++)
    for (int p = 0; p < PRODUCERS; p++) seen[c][p] = 0;
  for (uintptr_t i = 0; i < PRODUCERS; i++)
    CHECK(pthread_create(&threads[i], NULL, produce, (void *)i) == 0);
  for (uintptr_t i = 0; i < CONSUMERS; i++)
    CHECK(pthread_create(&threads[PRODUCERS + i], NULL, consume, (void *)i) == 0);
  for (int i = 0; i < PRODUCERS + CONSUMERS; i++) pthread_join(threads[i], NULL);
  long sum = atomic_load(&taken);
  for (int p = 0; p < PRODUCERS; p++)
    for (int c = 0; c < CONSUMERS; c++) sum += seen[c][p];
  CHECK(sum == PRODUCERS * per_producer && pvm_ring_pop(&ring) == NULL);
  CHECK(pvm_ring_count(&ring) == 0 && pvm_ring_pop(&ring) == NULL);
  pvm_ring_free(&ring);
}

int main(int argc, char **argv) {
  per_producer = number(argc, argv, 1, 20000);
  alone();
  together(2); /* almost always full or empty */
  together(1024);
  puts("ring_test: ok");
  return 0;
}

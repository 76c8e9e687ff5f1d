/* team_test.c - many runs that share the process's helpers, for the sanitizers.
**
** CALLERS threads spread works of random sizes over crews of random sizes: each part is to be done
** once, unless one fails or the caller is to stop; other threads come and go as busy ones.
**
**     team_test ROUNDS [SEED]
*/
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "graph.h"
#include "team.h"

#define CALLERS 4
#define PARTS 64

static long rounds;
static uint64_t seed;

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "%s (seed %llu): %s\n", what, (unsigned long long)seed, pvt_error());
  exit(1);
}

static uint64_t next(uint64_t *random) {
  *random ^= *random << 13;
  *random ^= *random >> 7;
  return *random ^= *random << 17;
}

static int below(uint64_t *random, int n) {
  return (int)(next(random) % (uint64_t)n);
}

typedef struct work {
  int done[PARTS]; /* of one thread each: plain, so that a part done twice is a race */
  int failing;     /* -1: none */
  _Atomic uint32_t *attention;
  int stopping; /* -1: none */
} work;

static int part(void *arg, int index) {
  work *work = arg;
  if (pvt_poll() != PVT_OK) return PVT_E_CANCELLED;
  work->done[index]++;
  pvt_buffer *scratch = pvt_buffer_new(100 + (size_t)index);
  if (scratch == NULL) return pvt_error_status();
  memset(pvt_buffer_data(scratch), index, 100);
  pvt_buffer_release(scratch);
  if (index == work->stopping) atomic_store(work->attention, 1);
  if (index == work->failing) return pvt_fail(PVT_E_VALUE, "part %d", index);
  return PVT_OK;
}

static void one(uint64_t *random, pvb_team *team, _Atomic uint32_t *attention) {
  work work = {.failing = -1, .stopping = -1, .attention = attention};
  int count = below(random, PARTS), kind = below(random, 4);
  atomic_store(attention, 0);
  if (kind == 0 && count > 0) work.failing = below(random, count);
  if (kind == 1 && count > 0) work.stopping = below(random, count);
  int status = team->spread(team, count, part, &work);
  if (work.failing >= 0 && status != PVT_E_VALUE) fail("a failing part");
  if (work.stopping >= 0 && status != PVT_OK && status != PVT_E_CANCELLED) fail("a stopped run");
  if (work.failing < 0 && work.stopping < 0 && status != PVT_OK) fail("a run");
  for (int i = 0; i < PARTS; i++) {
    if (work.done[i] > 1 || (i >= count && work.done[i] != 0)) fail("a part too much");
    if (status == PVT_OK && i < count && work.done[i] != 1) fail("a part left out");
  }
}

static void *call(void *arg) {
  uint64_t random = seed + 77 * (uint64_t)(uintptr_t)arg;
  _Atomic uint32_t attention = 0;
  pvt_account *account = pvt_account_new(NULL, NULL);
  pvt_context context = {account, &attention, NULL, NULL};
  for (long i = 0; i < rounds; i++) {
    pvb_crew crew;
    pvb_team *team = pvb_crew_join(&crew, 2 + below(&random, 6));
    pvt_context_set(&context);
    for (int works = below(&random, 20); works > 0; works--) one(&random, team, &attention);
    pvt_context_set(NULL);
    pvb_crew_leave(&crew);
    int change = below(&random, 3);
    pvg_thread_busy((unsigned)(uintptr_t)arg, change);
    pvg_thread_busy((unsigned)(uintptr_t)arg, -change);
  }
  if (pvt_account_bytes(account) != 0) fail("memory is still charged");
  pvt_account_close(account);
  return NULL;
}

int main(int argc, char **argv) {
  rounds = argc > 1 ? atol(argv[1]) : 20;
  seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  pthread_t threads[CALLERS];
  for (uintptr_t i = 0; i < CALLERS; i++)
    if (pthread_create(&threads[i], NULL, call, (void *)(i + 1)) != 0) fail("a thread");
  for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
  int held, started = pvb_helpers(&held);
  if (held != 0) fail("helpers are still held");
  printf("team_test: %ld rounds, %d helpers, clean\n", rounds, started);
  return 0;
}

/* chains_test.c - graphs under load, for the sanitizers: while they run, versions are replaced and
** withdrawn, invocations cancelled, and in the end the executor is stopped in the middle.
**
** usage: chains_test FOLDER [rounds [seed]]
**
** FOLDER holds one marshalled code object for each NAME.code, of which echo, fail, forever and
** hungry are used. Every graph that was accepted must end whole: one completion for each of its
** invocations, under ids that follow each other.
*/
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "task_code.h"
#include "vm.h"

#define FIRSTS 2       /* tasks that are triggered */
#define MEMBERS 5      /* tasks of a graph after the first */
#define SUBMITTERS 2
#define EPOCH_BITS 40

static const char *folder;
static long rounds;
static char err[PVM_ERR_MAX];
static pvm_executor *executor;
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;
static int64_t firsts[FIRSTS], members[FIRSTS][MEMBERS];
static _Atomic uint64_t recent; /* some invocation's id */
static _Atomic int finished;
static unsigned char *ended; /* by count in the id: completions */
static size_t ended_cap;
static _Atomic long accepted, collected;

static pvm_program *load_program(const char *name) {
  pvm_program *program = read_program(folder, name);
  CHECK(pvm_program_finish(program, err) == PVM_OK);
  return program;
}

static int64_t add(const char *name, pvm_lane lane, uint32_t max_running) {
  pvm_program *program = load_program(name);
  pvm_task_config config;
  pvm_task_config_init(&config);
  config.lane = lane;
  config.max_running = max_running;
  if (strcmp(name, "forever") == 0) config.timeout_ns = 2000000;
  if (strcmp(name, "hungry") == 0) config.memory_bytes = 6u << 20;
  int64_t task = pvm_task_add(executor, program, &config, err);
  CHECK(task > 0);
  pvm_program_release(program);
  return task;
}

static void add_member(int chain, int i, uint32_t *seed) {
  static const char *const names[] = {"echo", "echo", "echo", "echo", "echo", "echo",
                                      "echo", "fail", "forever", "hungry"};
  const char *name = names[next_random(seed) % (sizeof names / sizeof names[0])];
  members[chain][i] =
      add(name, (pvm_lane)(next_random(seed) % PVM_LANES), next_random(seed) % 3);
}

/* A random graph over the members as they are. Locked. */
static void set_chain(int chain, uint32_t *seed) {
  pvm_chain_node nodes[MEMBERS];
  for (int i = 0; i < MEMBERS; i++) {
    uint64_t earlier = ((uint64_t)1 << (i + 1)) - 1;
    uint64_t after = next_random(seed) & earlier;
    nodes[i] = (pvm_chain_node){members[chain][i], after != 0 ? after : 1,
                                (pvm_after_failure)(next_random(seed) % 3)};
  }
  CHECK(pvm_chain_set(executor, firsts[chain], nodes, MEMBERS) == PVM_OK);
}

/* A new version of a member, or of a first, comes and the old one goes. */
static void replace(uint32_t *seed) {
  pthread_mutex_lock(&changing);
  int chain = (int)(next_random(seed) % FIRSTS), i = (int)(next_random(seed) % (MEMBERS + 1));
  int64_t *place = i < MEMBERS ? &members[chain][i] : &firsts[chain];
  int64_t former = *place;
  if (i < MEMBERS) add_member(chain, i, seed);
  else *place = add("echo", PVM_LANE_REGULAR, 0);
  set_chain(chain, seed);
  CHECK(pvm_task_withdraw(executor, former) == PVM_OK);
  pthread_mutex_unlock(&changing);
}

static void *change(void *argument) {
  uint32_t seed = (uint32_t)(uintptr_t)argument + 3;
  for (long round = 0; round < rounds * 4; round++) {
    replace(&seed);
    uint64_t id = atomic_load(&recent);
    if (id != 0) {
      int status = pvm_cancel(executor, id + next_random(&seed) % MEMBERS);
      CHECK(status == PVM_OK || status == PVM_E_UNKNOWN);
    }
    usleep(500);
  }
  return NULL;
}

static void note(const pvm_completion *completion) {
  size_t count = (size_t)(completion->id & (((uint64_t)1 << EPOCH_BITS) - 1));
  CHECK(count < ended_cap && ended[count] == 0);
  CHECK(completion->trigger <= completion->id && completion->id <= completion->trigger + MEMBERS);
  ended[count] = 1;
}

static void *submit(void *argument) {
  uint32_t seed = (uint32_t)(uintptr_t)argument + 7;
  for (long n = 0; n < rounds * 30; n++) {
    /* a version that was replaced between the look and the call is unknown */
    pthread_mutex_lock(&changing);
    int64_t first = firsts[next_random(&seed) % FIRSTS];
    pthread_mutex_unlock(&changing);
    size_t ends[3] = {1, 1, 2};
    pvm_completion completion;
    int64_t got;
    switch (next_random(&seed) % 4) {
    case 0:
      got = pvm_invoke(executor, first, "\x05", 1, NULL, &completion);
      if (got == PVM_OK) {
        CHECK(completion.trigger == completion.id && completion.task == first);
        atomic_store(&recent, completion.id);
        pvm_buffer_free(&completion.data);
        atomic_fetch_add(&collected, 1);
        atomic_fetch_add(&accepted, 1);
      }
      break;
    case 1:
      got = pvm_submit_many(executor, first, (uint64_t)n, "\x01\x02", ends, 3, NULL);
      if (got > 0) atomic_fetch_add(&accepted, (long)got);
      break;
    default:
      got = pvm_submit(executor, first, (uint64_t)n, "\x2a", 1, NULL);
      if (got > 0) atomic_store(&recent, (uint64_t)got);
      if (got > 0) atomic_fetch_add(&accepted, 1);
    }
    CHECK(got >= 0 || got == PVM_E_FULL || got == PVM_E_UNKNOWN || got == PVM_E_STATE);
    if (got == PVM_E_FULL) usleep(100);
  }
  return NULL;
}

static void take(uint32_t timeout_ms) {
  pvm_completion some[16];
  int count = pvm_collect(executor, some, 16, timeout_ms);
  CHECK(count >= 0);
  for (int i = 0; i < count; i++) {
    CHECK(some[i].trigger != 0);
    note(&some[i]);
    CHECK(some[i].data.len != 0);
    pvm_buffer_free(&some[i].data);
  }
  atomic_fetch_add(&collected, count);
}

static void *collect(void *unused) {
  (void)unused;
  while (!atomic_load(&finished)) take(5);
  return NULL;
}

static void start(uint32_t *seed) {
  pvm_executor_config config;
  pvm_executor_config_init(&config);
  config.workers = 3;
  config.max_pending = 256;
  config.spin_us = 50;
  CHECK(pvm_executor_start(&config, &executor, err) == PVM_OK);
  for (int chain = 0; chain < FIRSTS; chain++) {
    firsts[chain] = add("echo", PVM_LANE_REGULAR, 0);
    for (int i = 0; i < MEMBERS; i++) add_member(chain, i, seed);
    set_chain(chain, seed);
  }
  atomic_store(&accepted, 0);
  atomic_store(&collected, 0);
  atomic_store(&recent, 0);
  atomic_store(&finished, 0);
  memset(ended, 0, ended_cap);
}

/* early: stop while submitters still submit. */
static void run(uint32_t *seed, int early) {
  pthread_t threads[SUBMITTERS], changer, collector;
  start(seed);
  CHECK(pthread_create(&collector, NULL, collect, NULL) == 0);
  for (uintptr_t i = 0; i < SUBMITTERS; i++)
    CHECK(pthread_create(&threads[i], NULL, submit, (void *)(next_random(seed) + i)) == 0);
  if (!early) {
    CHECK(pthread_create(&changer, NULL, change, (void *)(uintptr_t)next_random(seed)) == 0);
    pthread_join(changer, NULL);
  } else {
    while (atomic_load(&collected) < 50) usleep(100);
    CHECK(pvm_executor_stop(executor, 0) >= 0);
  }
  for (int i = 0; i < SUBMITTERS; i++) pthread_join(threads[i], NULL);
  if (!early) CHECK(pvm_executor_stop(executor, 600000) == 0);
  atomic_store(&finished, 1);
  pthread_join(collector, NULL);
  pvm_executor_stats stats;
  do {
    take(0);
    CHECK(pvm_executor_stats_get(executor, &stats) == PVM_OK && stats.unfinished == 0);
  } while (stats.pending[0] + stats.pending[1] + stats.pending[2] != 0);
  CHECK(atomic_load(&collected) == atomic_load(&accepted) * (MEMBERS + 1));
  pvm_executor_free(executor);
}

/* With completions that nobody collected. */
static void abandon(uint32_t *seed) {
  start(seed);
  for (int i = 0; i < 20; i++) CHECK(pvm_submit(executor, firsts[0], 0, "\xc0", 1, NULL) > 0);
  CHECK(pvm_executor_stop(executor, 0) >= 0);
  pvm_executor_free(executor);
}

int main(int argc, char **argv) {
  CHECK(argc > 1);
  folder = argv[1];
  rounds = number(argc, argv, 2, 5);
  uint32_t seed = (uint32_t)number(argc, argv, 3, 1);
  printf("seed %u, ", seed);
  fflush(stdout);
  ended_cap = (size_t)rounds * 30 * SUBMITTERS * 3 * (MEMBERS + 1) + 64;
  ended = malloc(ended_cap);
  CHECK(ended != NULL);
  CHECK(pvm_runtime_start(err) == PVM_OK);
  run(&seed, 0);
  run(&seed, 1);
  abandon(&seed);
  free(ended);
  printf("chains_test: ok\n");
  return 0;
}

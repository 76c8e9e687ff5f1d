/* cancel_test.c - whatever is cancelled is found, wherever it is, and ends once.
**
** usage: cancel_test FOLDER [rounds [seed]]
**
** FOLDER holds the marshalled code of `echo` and of `forever`, which does not end by itself: a
** cancellation that did not find it, or did not reach it, would leave this test waiting.
*/
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "task_code.h"
#include "vm.h"

#define SUBMITTERS 8
#define TASKS 5 /* the last is endless, as is the one before it, of which one runs at a time */

static const char *folder;
static pvm_executor *executor;
static int64_t tasks[TASKS];
static long rounds;
static _Atomic long accepted, collected, cancelled, found;
static _Atomic int finished;
static long traced; /* the collector's */

static pvm_program *load_program(const char *name) {
  pvm_program *program = read_program(folder, name);
  CHECK(pvm_program_finish(program, NULL) == PVM_OK);
  return program;
}

static void start(void) {
  char err[PVM_ERR_MAX];
  pvm_executor_config config;
  pvm_executor_config_init(&config);
  config.workers = 3;
  config.max_pending = 64; /* so that what was taken out of the middle fills the rings */
  config.vms_per_worker = 3;
  config.warm_vms = 1;
  config.grace_ms = 60000;
  CHECK(pvm_executor_start(&config, &executor, err) == PVM_OK);
  pvm_program *echo = load_program("echo"), *forever = load_program("forever");
  for (int i = 0; i < TASKS; i++) {
    pvm_task_config task;
    pvm_task_config_init(&task);
    task.lane = i == 1 ? PVM_LANE_CORE : i == 2 ? PVM_LANE_LOW : PVM_LANE_REGULAR;
    task.max_running = i == 0 || i == TASKS - 2 ? 1 : 0;
    tasks[i] = pvm_task_add(executor, i < TASKS - 2 ? echo : forever, &task, err);
    CHECK(tasks[i] > 0);
  }
  pvm_program_release(echo);
  pvm_program_release(forever);
}

/* Submits a few, and cancels them in any order, soon or late; all endless ones. */
static void *submit(void *argument) {
  uint32_t seed = (uint32_t)(uintptr_t)argument * 2654435761u + 1;
  for (long round = 0; round < rounds; round++) {
    uint64_t ids[6];
    int endless[6], count = 0;
    for (int i = 0; i < 6; i++) {
      pvm_submit_options options = {0};
      if (next_random(&seed) % 2) options.priority = (int32_t)(next_random(&seed) % 201) - 100;
      if (next_random(&seed) % 4 == 0) options.deadline_ns = 3600000000000u;
      options.trace = next_random(&seed) % 2;
      int task = (int)(next_random(&seed) % TASKS);
      int64_t id = pvm_submit(executor, tasks[task], 0, "\x01", 1, &options);
      CHECK(id > 0 || id == PVM_E_FULL);
      if (id < 0) continue;
      atomic_fetch_add(&accepted, 1);
      endless[count] = task >= TASKS - 2;
      ids[count++] = (uint64_t)id;
    }
    if (next_random(&seed) % 4 == 0) usleep(next_random(&seed) % 2000);
    while (count > 0) {
      int i = (int)(next_random(&seed) % (uint32_t)count);
      int status = pvm_cancel(executor, ids[i]);
      CHECK(status == PVM_OK || (status == PVM_E_UNKNOWN && !endless[i]));
      if (status == PVM_OK) atomic_fetch_add(&found, 1);
      ids[i] = ids[--count];
      endless[i] = endless[count];
    }
  }
  return NULL;
}

static void take(uint32_t timeout_ms) {
  pvm_batch batch;
  int count = pvm_collect_batch(executor, &batch, 16, timeout_ms);
  CHECK(count >= 0);
  for (int i = 0; i < count; i++) {
    const pvm_record *ended = &batch.records[i];
    int endless = ended->task >= tasks[TASKS - 2];
    CHECK(ended->outcome == PVM_CANCELLED || (ended->outcome == PVM_DONE && !endless));
    if (ended->outcome == PVM_CANCELLED) atomic_fetch_add(&cancelled, 1);
    CHECK(pvm_cancel(executor, ended->id) == PVM_E_UNKNOWN); /* it is over */
  }
  for (uint32_t i = 0; i < batch.trace_count; i++) {
    const uint64_t *at = batch.traces[i].at_ns;
    CHECK(at[PVM_STAGE_ACCEPTED] <= at[PVM_STAGE_ENDED]);
    CHECK(at[PVM_STAGE_ENDED] <= at[PVM_STAGE_COLLECTED]);
    CHECK(at[PVM_STAGE_TAKEN] == 0 || at[PVM_STAGE_QUEUED] <= at[PVM_STAGE_TAKEN]);
  }
  traced += batch.trace_count;
  pvm_batch_free(&batch);
  atomic_fetch_add(&collected, count);
}

static void *collect(void *unused) {
  (void)unused;
  while (!atomic_load(&finished) || atomic_load(&collected) < atomic_load(&accepted)) take(5);
  return NULL;
}

int main(int argc, char **argv) {
  CHECK(argc > 1);
  folder = argv[1];
  rounds = 10 * number(argc, argv, 2, 3);
  uintptr_t seed = (uintptr_t)number(argc, argv, 3, 1);
  printf("cancel_test: %ld rounds, seed %ld\n", rounds, (long)seed);
  fflush(stdout);
  pthread_t threads[SUBMITTERS], collector;
  start();
  CHECK(pvm_cancel(executor, 0) == PVM_E_INVALID);
  CHECK(pvm_cancel(executor, 12345) == PVM_E_UNKNOWN);
  CHECK(pthread_create(&collector, NULL, collect, NULL) == 0);
  for (uintptr_t i = 0; i < SUBMITTERS; i++)
    CHECK(pthread_create(&threads[i], NULL, submit, (void *)(i + seed * SUBMITTERS)) == 0);
  for (int i = 0; i < SUBMITTERS; i++) pthread_join(threads[i], NULL);
  atomic_store(&finished, 1);
  pthread_join(collector, NULL);
  CHECK(atomic_load(&collected) == atomic_load(&accepted));
  CHECK(atomic_load(&cancelled) <= atomic_load(&found));
  CHECK(traced > 0 && traced < atomic_load(&collected));
  pvm_executor_stats stats;
  CHECK(pvm_executor_stop(executor, 60000) == 0);
  CHECK(pvm_executor_stats_get(executor, &stats) == PVM_OK && stats.unfinished == 0);
  CHECK(stats.stuck == 0);
  CHECK(pvm_cancel(executor, 1) == PVM_E_UNKNOWN);
  pvm_executor_free(executor);
  printf("cancel_test: ok, %ld of %ld cancelled\n", atomic_load(&cancelled), atomic_load(&accepted));
  return 0;
}

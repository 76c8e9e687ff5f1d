/* runtime_test.c - the whole library through vm.h, for the sanitizers.
**
** usage: runtime_test FOLDER [rounds [seed]]
**
** FOLDER holds one marshalled code object for each NAME.code: echo, work (imports and
** computes), count (keeps state), fail (raises), broken (raises at import), log; and what does
** not end by itself: forever, swallow, sleep, hungry (memory), late (its VM's end).
*/
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "task_code.h"
#include "vm.h"

static const char *folder;
static long rounds;
static char err[PVM_ERR_MAX];

static pvm_program *load_program(const char *name) {
  pvm_program *program = read_program(folder, name);
  CHECK(pvm_program_add_asset(program, "data", "\1\2\3", 3) == PVM_OK);
  CHECK(pvm_program_finish(program, err) == PVM_OK);
  CHECK(pvm_program_add_asset(program, "late", "x", 1) == PVM_E_STATE);
  return program;
}

/* ---- One VM -------------------------------------------------------------- */

static void fuzz(pvm_vm *vm, uint32_t seed, long turns) {
  static const unsigned char sample[] = "\x84\xa1\x61\x93\x01\xcd\x12\x34\xcb\x3f\xf8\0\0\0\0\0\0"
                                        "\xa4text\xd9\x02hi\xc4\x01\xff\x81\xc0\xc3\x05\xdc\0\x02\xc2\xc0";
  unsigned char data[64];
  pvm_buffer result;
  for (long turn = 0; turn < turns; turn++) {
    size_t len = 1 + next_random(&seed) % sizeof data;
    if (turn % 2) {
      len = sizeof sample - 1 - next_random(&seed) % 8;
      memcpy(data, sample, len);
      for (int i = 0; i < 3; i++) data[next_random(&seed) % len] = (unsigned char)next_random(&seed);
    } else {
      for (size_t i = 0; i < len; i++) data[i] = (unsigned char)next_random(&seed);
    }
    unsigned char *exact = malloc(len); /* so that reading past its end is noticed */
    CHECK(exact != NULL);
    memcpy(exact, data, len);
    char why[PVM_ERR_MAX] = "";
    int outcome = pvm_vm_call(vm, exact, len, &result, why);
    CHECK(outcome == PVM_DONE || (outcome == PVM_E_DECODE && why[0] != '\0'));
    pvm_buffer_free(&result);
    free(exact);
  }
}

static void call(pvm_vm *vm, const char *payload, size_t len, int expected) {
  pvm_buffer result;
  int outcome = pvm_vm_call(vm, payload, len, &result, NULL);
  CHECK(outcome == expected);
  CHECK(result.len > 0 || outcome < 0);
  pvm_buffer_free(&result);
}

static void load(pvm_vm *vm, pvm_program *program) {
  pvm_buffer trace;
  int status = pvm_vm_load(vm, program, &trace, NULL);
  if (status != PVM_OK) fprintf(stderr, "%.*s\n", (int)trace.len, (const char *)trace.data);
  CHECK(status == PVM_OK && trace.len == 0);
}

static void *one_vm(void *argument) {
  uint32_t seed = (uint32_t)(uintptr_t)argument * 2654435761u + 1;
  pvm_program *echo = load_program("echo"), *work = load_program("work");
  pvm_program *fail = load_program("fail"), *broken = load_program("broken");
  pvm_vm *vm;
  pvm_buffer trace;
  pvm_vm_stats stats;
  CHECK(pvm_vm_create(&vm, NULL) == PVM_OK);
  for (long round = 0; round < rounds; round++) {
    load(vm, work);
    for (int i = 0; i < 3; i++) call(vm, "\x05", 1, PVM_DONE);
    CHECK(pvm_vm_load(vm, work, &trace, NULL) == PVM_E_STATE);
    CHECK(pvm_vm_reset(vm, NULL) == PVM_OK);
    load(vm, echo);
    fuzz(vm, seed + (uint32_t)round, 300);
    CHECK(pvm_vm_reset(vm, NULL) == PVM_OK);
    load(vm, fail);
    for (int i = 0; i < 8; i++) {
      char kind = (char)i;
      call(vm, &kind, 1, PVM_FAILED);
    }
    CHECK(pvm_vm_reset(vm, NULL) == PVM_OK);
    CHECK(pvm_vm_load(vm, broken, &trace, NULL) == PVM_E_PYTHON && trace.len > 0);
    pvm_buffer_free(&trace);
    call(vm, "\xc0", 1, PVM_E_STATE);
    CHECK(pvm_vm_reset(vm, NULL) == PVM_OK);
    CHECK(pvm_vm_stats_get(vm, &stats) == PVM_OK && stats.bytes > 0);
  }
  CHECK(pvm_vm_retire(vm) == PVM_OK);
  pvm_program_release(echo);
  pvm_program_release(work);
  pvm_program_release(fail);
  pvm_program_release(broken);
  return NULL;
}

static void *trespass(void *vm) {
  pvm_vm_stats stats;
  CHECK(pvm_vm_stats_get(vm, &stats) == PVM_E_THREAD);
  CHECK(pvm_vm_reset(vm, NULL) == PVM_E_THREAD);
  CHECK(pvm_vm_retire(vm) == PVM_E_THREAD);
  return NULL;
}

/* ---- Executor ------------------------------------------------------------ */

#define SUBMITTERS 2
#define TASKS 4

static pvm_executor *executor;
static int64_t tasks[TASKS];
static _Atomic long accepted, collected;
static _Atomic int finished;

/* An array that is waited for, or dropped on its way. Returns as pvm_array_submit does. */
static int64_t submit_array(int64_t task, uint32_t choice) {
  static const unsigned char packed[] = "\x95\x01\xa2hi\xc0\x93\x01\x02\x03\x02";
  pvm_array *array;
  pvm_batch batch;
  int64_t count = pvm_array_submit(executor, task, 5, packed, sizeof packed - 1, NULL, &array);
  if (count < 0) return count;
  CHECK(count == 5);
  if (choice % 3 > 0) {
    while (pvm_array_wait(array, 1000) == 0) continue;
    int not_done = pvm_array_take(array, &batch);
    CHECK(not_done >= 0 && not_done <= 5 && batch.count == 5 && batch.data[0] == 0xdd);
    CHECK(batch.records[4].tag == 9 && pvm_array_take(array, &batch) == PVM_E_STATE);
    pvm_batch_free(&batch);
  }
  pvm_array_free(array);
  return count;
}

static void *submit(void *argument) {
  uint32_t seed = (uint32_t)(uintptr_t)argument + 7;
  for (long n = 0; n < rounds * 200; n++) {
    int64_t task = tasks[next_random(&seed) % TASKS];
    unsigned char payload[4] = {0x93, 1, 2, (unsigned char)(n & 0x7f)};
    size_t ends[3] = {1, 1, 2};
    pvm_completion ended;
    int64_t got = 1;
    switch (next_random(&seed) % 9) {
      case 0:
        got = pvm_invoke(executor, task, payload, sizeof payload, NULL, &ended);
        if (got == PVM_OK) {
          CHECK(ended.outcome == PVM_DONE || ended.outcome == PVM_FAILED);
          pvm_buffer_free(&ended.data);
        }
        got = got < 0 ? got : 0;
        break;
      case 1: got = pvm_submit_many(executor, task, (uint64_t)n, "\x01\x02", ends, 3, NULL); break;
      case 2:
        got = submit_array(task, next_random(&seed));
        got = got < 0 ? got : 0;
        break;
      default:
        got = pvm_submit(executor, task, (uint64_t)n, payload, sizeof payload, NULL);
        got = got < 0 ? got : 1;
    }
    CHECK(got >= 0 || got == PVM_E_FULL);
    if (got == PVM_E_FULL) usleep(100);
    if (got > 0) atomic_fetch_add(&accepted, (long)got);
    pvm_task_stats stats;
    CHECK(pvm_task_stats_get(executor, task, &stats) == PVM_OK && stats.finished <= stats.accepted);
  }
  return NULL;
}

static void take(uint32_t timeout_ms) {
  pvm_completion some[16];
  pvm_batch batch;
  int count = pvm_collect(executor, some, 16, timeout_ms);
  CHECK(count >= 0);
  for (int i = 0; i < count; i++) pvm_buffer_free(&some[i].data);
  atomic_fetch_add(&collected, count);
  count = pvm_collect_batch(executor, &batch, 16, 0);
  CHECK(count >= 0);
  pvm_batch_free(&batch);
  atomic_fetch_add(&collected, count);
}

static void *collect(void *unused) {
  (void)unused;
  while (!atomic_load(&finished)) take(5);
  return NULL;
}

static void *collect_logs(void *unused) {
  (void)unused;
  pvm_log logs[16];
  uint64_t dropped;
  while (!atomic_load(&finished)) {
    int count = pvm_logs_collect(logs, 16, 5, &dropped);
    CHECK(count >= 0);
    for (int i = 0; i < count; i++) {
      pvm_buffer_free(&logs[i].logger);
      pvm_buffer_free(&logs[i].text);
    }
  }
  return NULL;
}

static void *replace(void *argument) {
  pvm_program *program = argument;
  for (long n = 0; n < rounds * 5; n++) {
    pvm_completion ended;
    int64_t task = pvm_task_add(executor, program, NULL, NULL);
    CHECK(task > 0);
    int got = pvm_invoke(executor, task, "\x01", 1, NULL, &ended);
    CHECK(got == PVM_OK || got == PVM_E_FULL);
    if (got == PVM_OK) pvm_buffer_free(&ended.data);
    if (pvm_submit(executor, task, 0, "\x01", 1, NULL) > 0) atomic_fetch_add(&accepted, 1);
    CHECK(pvm_task_withdraw(executor, task) == PVM_OK);
    CHECK(pvm_submit(executor, task, 0, "\x01", 1, NULL) < 0);
  }
  return NULL;
}

/* Accepts and ends work of its own. */
static void *outside(void *unused) {
  (void)unused;
  uint32_t seed = 99;
  pvm_task_config config;
  pvm_task_config_init(&config);
  config.breaker = (pvm_breaker_policy){.consecutive = 5, .trials = 1, .open_ns = 1, .max_open_ns = 1};
  for (long n = 0; n < rounds * 5; n++) {
    int64_t task = pvm_external_add(executor, "outside", &config);
    CHECK(task > 0 && pvm_submit(executor, task, 0, "\x01", 1, NULL) == PVM_E_INVALID);
    pvm_ticket tickets[8];
    int count = 0;
    for (int i = 0; i < 8; i++) {
      int got = pvm_external_submit(executor, task, (uint64_t)i, "\x01", 1, NULL, &tickets[count]);
      CHECK(got == PVM_OK || got == PVM_E_FULL || got == PVM_E_BREAKER);
      count += got == PVM_OK;
    }
    CHECK(pvm_task_withdraw(executor, task) == PVM_OK);
    CHECK(pvm_external_submit(executor, task, 0, "\x01", 1, NULL, &tickets[0]) == PVM_E_UNKNOWN);
    for (int i = 0; i < count; i++) {
      uint64_t at = tickets[i].accepted_ns;
      char why[PVM_ERR_MAX];
      int status = pvm_external_start(executor, &tickets[i], why);
      CHECK(status == PVM_OK || (status == PVM_E_BREAKER && strlen(why) > 0));
      pvm_outcome outcome = next_random(&seed) % 2 ? PVM_DONE : PVM_CRASHED;
      if (status != PVM_OK) outcome = PVM_REJECTED;
      atomic_fetch_add(&accepted, 1);
      CHECK(pvm_external_end(executor, &tickets[i], outcome, 1, status == PVM_OK ? at : 0, 0, "data",
                             4) == PVM_OK);
      CHECK(pvm_external_end(executor, &tickets[i], outcome, 1, 0, 0, NULL, 0) == PVM_E_INVALID);
    }
  }
  return NULL;
}

static void start_executor(void) {
  pvm_executor_config config;
  pvm_executor_config_init(&config);
  config.workers = 2;
  config.max_pending = 256;
  config.vms_per_worker = 3; /* fewer than there are tasks: they change places */
  config.warm_vms = 1;
  int status = pvm_executor_start(&config, &executor, err);
  if (status != PVM_OK) fprintf(stderr, "status %d: %s\n", status, err);
  CHECK(status == PVM_OK);
}

static void run_executor(void) {
  static const char *const names[TASKS] = {"echo", "count", "fail", "log"};
  pthread_t threads[SUBMITTERS + 4];
  pvm_program *programs[TASKS], *work = load_program("work");
  start_executor();
  for (int i = 0; i < TASKS; i++) {
    programs[i] = load_program(names[i]);
    pvm_task_config task_config;
    pvm_task_config_init(&task_config);
    task_config.lane = (pvm_lane)(i % PVM_LANES);
    task_config.priority = i - 1;
    task_config.max_running = i == 2 ? 1 : 0;
    tasks[i] = pvm_task_add(executor, programs[i], &task_config, NULL);
    CHECK(tasks[i] > 0);
    pvm_program_release(programs[i]);
  }
  for (uintptr_t i = 0; i < SUBMITTERS; i++)
    CHECK(pthread_create(&threads[i], NULL, submit, (void *)i) == 0);
  CHECK(pthread_create(&threads[SUBMITTERS], NULL, collect, NULL) == 0);
  CHECK(pthread_create(&threads[SUBMITTERS + 1], NULL, collect_logs, NULL) == 0);
  CHECK(pthread_create(&threads[SUBMITTERS + 2], NULL, replace, work) == 0);
  CHECK(pthread_create(&threads[SUBMITTERS + 3], NULL, outside, NULL) == 0);
  for (int i = 0; i < SUBMITTERS; i++) pthread_join(threads[i], NULL);
  pthread_join(threads[SUBMITTERS + 2], NULL);
  pthread_join(threads[SUBMITTERS + 3], NULL);
  CHECK(pvm_executor_stop(executor, 600000) == 0);
  atomic_store(&finished, 1);
  pthread_join(threads[SUBMITTERS], NULL);
  pthread_join(threads[SUBMITTERS + 1], NULL);
  for (long before = -1; before != atomic_load(&collected);) {
    before = atomic_load(&collected);
    take(0);
  }
  CHECK(atomic_load(&collected) == atomic_load(&accepted));
  pvm_executor_free(executor);
  pvm_program_release(work);
}

/* Submitters that race with a stop that does not wait. */
static void *submit_until_refused(void *arrays) {
  pvm_completion ended;
  int status;
  if (arrays != NULL) {
    int64_t got;
    for (uint32_t n = 0; (got = submit_array(tasks[0], n)) != PVM_E_STATE; n++)
      CHECK(got > 0 || got == PVM_E_FULL);
    return NULL;
  }
  while ((status = pvm_invoke(executor, tasks[0], "\x01", 1, NULL, &ended)) == PVM_OK)
    pvm_buffer_free(&ended.data);
  CHECK(status == PVM_E_STATE);
  return NULL;
}

static void stop_executor(void) {
  pvm_program *echo = load_program("echo"), *forever = load_program("forever");
  for (long round = 0; round < rounds; round++) {
    pthread_t threads[2];
    pvm_task_stats stats;
    pvm_completion ended;
    start_executor();
    tasks[0] = pvm_task_add(executor, echo, NULL, NULL);
    CHECK(pvm_invoke(executor, tasks[0], "\x01", 1, NULL, &ended) == PVM_OK);
    pvm_buffer_free(&ended.data);
    int64_t endless = pvm_task_add(executor, forever, NULL, NULL);
    CHECK(pvm_submit(executor, endless, 1, "\x01", 1, NULL) > 0);
    do CHECK(pvm_task_stats_get(executor, endless, &stats) == PVM_OK);
    while (stats.running == 0);
    for (uintptr_t i = 0; i < 2; i++)
      CHECK(pthread_create(&threads[i], NULL, submit_until_refused, (void *)i) == 0);
    int cancelled = pvm_executor_stop(executor, 0);
    CHECK(cancelled >= 1);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    CHECK(pvm_collect(executor, &ended, 1, 0) == 1 && ended.outcome == PVM_CANCELLED);
    pvm_buffer_free(&ended.data);
    pvm_executor_free(executor);
  }
  pvm_program_release(echo);
  pvm_program_release(forever);
}

/* ---- What does not end by itself ----------------------------------------- */

static int64_t add_limited(const char *name, uint64_t timeout_ms, size_t memory) {
  pvm_program *program = load_program(name);
  pvm_task_config config;
  pvm_task_config_init(&config);
  config.timeout_ns = timeout_ms * 1000000;
  config.memory_bytes = memory;
  int64_t task = pvm_task_add(executor, program, &config, err);
  pvm_program_release(program);
  CHECK(task > 0);
  return task;
}

/* Every one of them is stopped or given up, and others go on meanwhile. A thread that was
** given up may never come back: its executor is left to it. */
static void climb_ladder(void) {
  start_executor();
  int64_t echo = add_limited("echo", 0, 0);
  int64_t bad[] = {add_limited("forever", 20, 0), add_limited("swallow", 20, 0),
                   add_limited("hungry", 60000, 8u << 20), add_limited("late", 60000, 0)};
  enum { BAD = sizeof bad / sizeof bad[0] };
  long expected = 0, stopped = 0;
  for (long round = 0; round < rounds; round++) {
    for (int i = 0; i < BAD; i++) {
      if (i == 1 && round % 8 != 0) continue; /* it keeps a processor busy for good */
      CHECK(pvm_submit(executor, bad[i], (uint64_t)i, "\x01", 1, NULL) > 0);
      expected++;
    }
    pvm_completion ended;
    CHECK(pvm_invoke(executor, echo, "\x01", 1, NULL, &ended) == PVM_OK);
    CHECK(ended.outcome == PVM_DONE);
    pvm_buffer_free(&ended.data);
    while (stopped < expected) {
      CHECK(pvm_collect(executor, &ended, 1, 60000) == 1);
      CHECK(ended.outcome == (ended.tag == 2   ? PVM_OVER_QUOTA
                              : ended.tag == 3 ? PVM_DONE
                                               : PVM_TIMED_OUT));
      pvm_buffer_free(&ended.data);
      stopped++;
    }
    CHECK(pvm_task_withdraw(executor, bad[3]) == PVM_OK); /* its VM ends, in its own way */
    bad[3] = add_limited("late", 60000, 0);
  }
  CHECK(pvm_executor_stop(executor, 0) == 0);
  pvm_executor_free(executor);
}

int main(int argc, char **argv) {
  CHECK(argc > 1);
  folder = argv[1];
  rounds = number(argc, argv, 2, 3);
  long seed = number(argc, argv, 3, 1);
  printf("runtime_test: %ld rounds, seed %ld\n", rounds, seed);
  fflush(stdout);
  pvm_program *echo = NULL;
  pthread_t threads[3];
  pvm_vm *vm;
  CHECK(pvm_runtime_start(err) == PVM_OK);
  for (uintptr_t i = 0; i < 3; i++)
    CHECK(pthread_create(&threads[i], NULL, one_vm, (void *)(i + 3 * (uintptr_t)seed)) == 0);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  CHECK(pvm_vm_create(&vm, err) == PVM_OK);
  CHECK(pthread_create(&threads[0], NULL, trespass, vm) == 0);
  pthread_join(threads[0], NULL);
  load(vm, echo = load_program("echo"));
  CHECK(pvm_vm_retire(vm) == PVM_OK);
  pvm_program_release(echo);
  puts("runtime_test: VMs ok");
  fflush(stdout);
  run_executor();
  puts("runtime_test: executor ok");
  fflush(stdout);
  climb_ladder();
  puts("runtime_test: ladder ok");
  fflush(stdout);
  stop_executor();
  puts("runtime_test: ok");
  return 0;
}

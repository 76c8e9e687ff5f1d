/* task_store_test.c - tasks in several VMs read and write feature tables, append events and read them,
** while the host does the same.
**
** usage: task_store_test TASKS_FOLDER [rounds] [seed]
*/
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "task_code.h"
#include "vm.h"

#define TASKS 8

/* Adding a trigger takes the locks of all parts of the keys, which are more than it can follow. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) {
  return "detect_deadlocks=0";
}

static pvm_executor *executor;
static pvm_features *features;
static int64_t tasks[TASKS];
static _Atomic int over;
static char err[PVM_ERR_MAX];

/* [[key, nil, {"a": n, "b": n, "sum": 2 n}]], n below 64 */
static size_t put_rows(unsigned char *out, unsigned key, unsigned n) {
  const char *names[3] = {"\xa1" "a", "\xa1" "b", "\xa3sum"};
  unsigned char *at = out;
  memcpy(at, "\x91\x93", 2);
  at += 2;
  *at++ = (unsigned char)key;
  memcpy(at, "\xc0\x83", 2);
  at += 2;
  for (int i = 0; i < 3; i++) {
    memcpy(at, names[i], strlen(names[i]));
    at += strlen(names[i]);
    *at++ = (unsigned char)(i == 2 ? 2 * n : n);
  }
  return (size_t)(at - out);
}

static void *host(void *argument) {
  uint32_t seed = (uint32_t)(uintptr_t)argument;
  char why[PVM_ERR_MAX];
  while (!atomic_load(&over)) {
    unsigned char rows[64];
    size_t len = put_rows(rows, next_random(&seed) % 16, next_random(&seed) % 60);
    int status;
    CHECK(pvm_table_put(features, "t", rows, len, 0, &status, why) == 1 && status == PVM_OK);
    pvm_buffer read;
    CHECK(pvm_table_scan(features, "t", PVM_TABLE_LATEST, 8, &read) == PVM_OK);
    pvm_buffer_free(&read);
    CHECK(pvm_table_history(features, "t", "7", 1, &read) == PVM_OK);
    pvm_buffer_free(&read);
    CHECK(pvm_table_get(features, "t", "\x92\x07\xa4none", 7, 5, &read) == PVM_OK);
    pvm_buffer_free(&read);
  }
  return NULL;
}

static void start(const char *folder, const char *code) {
  pvm_store *store;
  pvm_store_config store_config;
  pvm_store_config_init(&store_config);
  store_config.segment_bytes = 1 << 16; /* segments are begun by threads that may open no files */
  int status = pvm_store_open(folder, &store_config, &store, err);
  if (status != PVM_OK) fprintf(stderr, "%s\n", err);
  CHECK(status == PVM_OK);
  CHECK(pvm_features_open(store, &features, err) == PVM_OK);
  pvm_table_config bounds;
  pvm_table_config_init(&bounds);
  bounds.versions = 4;
  CHECK(pvm_table_open(features, "t", &bounds, err) == PVM_OK);
  pvm_executor_config config;
  pvm_executor_config_init(&config);
  config.workers = 4;
  config.vms_per_worker = 3;
  CHECK(pvm_executor_start(&config, &executor, err) == PVM_OK);
  CHECK(pvm_features_attach(executor, features) == PVM_OK);
  CHECK(pvm_features_attach(executor, features) == PVM_E_STATE);
  pvm_trigger_config triggers;
  pvm_trigger_config_init(&triggers);
  triggers.store = store;
  CHECK(pvm_triggers_configure(executor, &triggers, err) == PVM_OK);
  for (int i = 0; i < TASKS; i++) {
    pvm_program *program = read_program(code, "rows");
    CHECK(pvm_program_finish(program, err) == PVM_OK);
    tasks[i] = pvm_task_add(executor, program, NULL, err);
    CHECK(tasks[i] > 0);
    pvm_program_release(program);
  }
  /* {"steps": [{"type": "done"}]} */
  static const char condition[] = "\x81\xa5steps\x91\x81\xa4type\xa4" "done";
  CHECK(pvm_trigger_add(executor, tasks[0], "done", condition, sizeof condition - 1,
                        PVM_TRIGGER_SUBMIT, 0, err) > 0);
}

int main(int argc, char **argv) {
  CHECK(argc > 1);
  long rounds = number(argc, argv, 2, 5), fired = 0, ended = 0, submitted = 0;
  uint32_t seed = (uint32_t)number(argc, argv, 3, 7);
  char folder[] = "/tmp/task_store_test-XXXXXX", path[64];
  CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/kept", folder);
  start(path, argv[1]);
  pthread_t hosts[2];
  for (uintptr_t i = 0; i < 2; i++) pthread_create(&hosts[i], NULL, host, (void *)(seed + 3 * i));
  for (long round = 0; round < rounds; round++) {
    for (int i = 0; i < TASKS; i++, submitted++) {
      unsigned char payload = (unsigned char)(next_random(&seed) % 16);
      CHECK(pvm_submit(executor, tasks[i], 0, &payload, 1, NULL) > 0);
    }
    while (ended < submitted) {
      pvm_completion done[8];
      int count = pvm_collect(executor, done, 8, 10000);
      for (int i = 0; i < count; i++, ended++) {
        if (done[i].outcome != PVM_DONE)
          fprintf(stderr, "%.*s\n", (int)done[i].data.len, (const char *)done[i].data.data);
        CHECK(done[i].outcome == PVM_DONE);
        pvm_buffer_free(&done[i].data);
      }
      pvm_fired_batch batch;
      for (int more = 1; more; fired += batch.count, pvm_fired_free(&batch)) {
        more = pvm_fired_collect(executor, &batch);
        for (uint32_t i = 0; i < batch.count; i++)
          CHECK(batch.fired[i].task == tasks[0] && batch.fired[i].depth == 1 &&
                batch.fired[i].status == PVM_TRIGGER_HANDED_OUT);
      }
    }
  }
  CHECK(fired == submitted);
  atomic_store(&over, 1);
  for (int i = 0; i < 2; i++) pthread_join(hosts[i], NULL);
  CHECK(pvm_executor_stop(executor, 600000) == 0);
  pvm_executor_free(executor);
  pvm_features_close(features);
  char remove[96];
  snprintf(remove, sizeof remove, "rm -rf '%s'", folder);
  CHECK(system(remove) == 0);
  puts("task_store_test: ok");
  return 0;
}

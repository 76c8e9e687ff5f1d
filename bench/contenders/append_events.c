/* append_events.c - events into the store from C: threads that append to streams of their own. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store.h"

#define KEYS 2000
#define BATCH_MAX 1000

typedef struct appending {
  store *store;
  store_stream *stream;
  pthread_barrier_t *begin;
  long batches;
  int batch;
  const char *value;
  size_t len;
  int status;
} appending;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void *append(void *arg) {
  appending *a = arg;
  static char keys[KEYS][16];
  store_event events[BATCH_MAX];
  for (int i = 0; i < KEYS; i++) snprintf(keys[i], sizeof keys[i], "session-%d", i);
  pthread_barrier_wait(a->begin);
  for (long n = 0; n < a->batches && a->status == STORE_OK; n++) {
    for (int i = 0; i < a->batch; i++) {
      char *key = keys[(n * a->batch + i) * 7 % KEYS];
      events[i] = (store_event){.time_ns = n,
                                .arrival_ns = n,
                                .key = {key, strlen(key)},
                                .value = {a->value, a->len}};
    }
    a->status = store_append(a->stream, events, (size_t)a->batch, NULL);
    if (a->status == STORE_OK) a->status = store_commit(a->store);
  }
  return NULL;
}

/* Nanoseconds for each event, all threads together; negative: a store_status. sealing: four functions, as
** store_sealing has them; the first is NULL for a plain stream. threads: 1 or 2. */
double append_events(const char *folder, int level, void *const sealing[4], int threads, int batch,
                     long batches, const char *value, size_t len);
double append_events(const char *folder, int level, void *const sealing[4], int threads, int batch,
                     long batches, const char *value, size_t len) {
  store_config config;
  store_sealing given = {.key = "a key that nobody uses otherwise",
                         .xchacha_seal = (store_seal *)sealing[0],
                         .xchacha_unseal = (store_unseal *)sealing[1],
                         .aes_seal = (store_seal *)sealing[2],
                         .aes_unseal = (store_unseal *)sealing[3]};
  char err[STORE_ERR_MAX];
  store_config_init(&config);
  config.folder = folder;
  if (sealing[0] != NULL) config.sealing = &given;
  store *opened;
  int status = store_open(&config, &opened, err);
  if (status != STORE_OK) return status;
  pthread_barrier_t begin;
  pthread_barrier_init(&begin, NULL, (unsigned)threads + 1);
  appending each[2];
  pthread_t started[2];
  for (int i = 0; i < threads; i++) {
    store_rules rules = {(store_level)level, sealing[0] != NULL};
    each[i] = (appending){opened, NULL, &begin, batches, batch, value, len, STORE_OK};
    status = store_stream_declare(opened, i == 0 ? "first" : "second", &rules, &each[i].stream, err);
    if (status == STORE_OK && pthread_create(&started[i], NULL, append, &each[i]) != 0)
      status = STORE_E_NOMEM;
    if (status != STORE_OK) abort(); /* a thread may wait at the barrier already */
  }
  pthread_barrier_wait(&begin);
  double start = now();
  for (int i = 0; i < threads; i++) {
    pthread_join(started[i], NULL);
    if (each[i].status != STORE_OK) status = each[i].status;
  }
  double took = now() - start;
  pthread_barrier_destroy(&begin);
  store_close(opened);
  return status == STORE_OK ? took / ((double)batches * batch * threads) : status;
}

/* features_test.c - threads read tables of features while others write them; what is kept comes back.
**
** usage: features_test [steps] [seed]
*/
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "feature.h"

#define READERS 6
#define WRITERS 4
#define KEYS 97

static feature_table *table, *crowded; /* without a bound of keys, and with a tight one */
static _Atomic int over;
static _Atomic uint64_t highest[KEYS]; /* time of the latest row that was put */
static long steps;
static uint64_t seed;

static uint64_t random_next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static store_bytes key_of(uint64_t number, char text[16]) {
  return (store_bytes){text, (size_t)snprintf(text, 16, "key-%llu", (unsigned long long)number)};
}

/* {"k": key, "t": time, "n": time ^ key, "pad": bytes}: one that is torn does not fit itself */
static size_t put_values(unsigned char *out, uint64_t key, uint64_t time) {
  unsigned char *at = out;
  const uint64_t numbers[3] = {key, time, time ^ key};
  *at++ = 0x84;
  for (int i = 0; i < 3; i++) {
    *at++ = 0xa1;
    *at++ = (unsigned char)"ktn"[i];
    *at++ = 0xcf;
    for (int b = 7; b >= 0; b--) *at++ = (unsigned char)(numbers[i] >> 8 * b);
  }
  unsigned pad = (unsigned)(time % 50);
  memcpy(at, "\xa3pad\xc4", 5);
  at[5] = (unsigned char)pad;
  memset(at + 6, (int)(time & 255), pad);
  return (size_t)(at + 6 + pad - out);
}

static uint64_t number_at(store_bytes values, int i) {
  uint64_t number = 0;
  const unsigned char *at = (const unsigned char *)values.data + 1 + i * 11 + 3;
  for (int b = 0; b < 8; b++) number = number << 8 | at[b];
  return number;
}

static void check_row(const feature_row *row, uint64_t key) {
  CHECK(number_at(row->values, 0) == key);
  CHECK(number_at(row->values, 1) == (uint64_t)row->time_ns);
  CHECK(number_at(row->values, 2) == ((uint64_t)row->time_ns ^ key));
  uint64_t pad = (uint64_t)row->time_ns % 50;
  CHECK(row->values.len == 1 + 3 * 11 + 6 + pad);
  for (uint64_t i = 0; i < pad; i++)
    CHECK((unsigned char)row->values.data[row->values.len - 1 - i] ==
          (unsigned char)(row->time_ns & 255));
}

static void put(feature_table *into, uint64_t key, uint64_t time, int merge) {
  unsigned char values[128];
  char text[16];
  feature_row row = {.time_ns = (int64_t)time, .key = key_of(key, text)};
  row.values = (store_bytes){(char *)values, put_values(values, key, time)};
  CHECK(feature_put(into, &row, merge, NULL) == FEATURE_OK);
}

/* ---- Threads ------------------------------------------------------------ */

/* Each key has one writer, which puts later and later rows, and now and then an older one. */
static void *writes(void *argument) {
  uint64_t self = (uint64_t)(uintptr_t)argument, state = seed + self;
  for (long i = 1; i <= steps; i++) {
    uint64_t key = random_next(&state) % KEYS / WRITERS * WRITERS + self;
    if (key >= KEYS) continue;
    uint64_t time = (uint64_t)i * 4;
    put(table, key, time, i % 3 == 0);
    atomic_store(&highest[key], time);
    if (i % 5 == 0 && time > 400) put(table, key, time - 402, 0);
    if (i % 1000 == 0) /* more keys move the others about */
      for (uint64_t n = 0; n < 200; n++) put(table, KEYS + self * 1000000 + n + (uint64_t)i, 4, 0);
    char text[16];
    uint64_t any = random_next(&state) % 1000;
    if (i % 16 == 0) CHECK(feature_remove(crowded, key_of(any, text), i, NULL) == FEATURE_OK);
    else put(crowded, any, time, i % 2 == 0);
  }
  return NULL;
}

typedef struct seen {
  uint64_t key;
  int64_t time;
  uint64_t rows;
} seen;

static int see_history(void *arg, const feature_row *row) {
  seen *s = arg;
  check_row(row, s->key);
  CHECK(row->time_ns > s->time);
  s->time = row->time_ns;
  s->rows++;
  return 0;
}

static int see_any(void *arg, const feature_row *row) {
  check_row(row, number_at(row->values, 0));
  return ++*(uint64_t *)arg > 500;
}

static void *reads(void *argument) {
  uint64_t state = seed * 31 + (uint64_t)(uintptr_t)argument, found = 0, turns = 0;
  while (!atomic_load(&over)) {
    char text[16];
    uint64_t key = random_next(&state) % KEYS, at = random_next(&state) % (4 * (uint64_t)steps);
    uint64_t least = atomic_load(&highest[key]);
    store_bytes name = key_of(key, text);
    feature_row row;
    feature_hold hold[3];
    int status = feature_get(table, name, FEATURE_LATEST, &row, &hold[0]);
    CHECK(status == FEATURE_OK || least == 0);
    if (status == FEATURE_OK) {
        CHECK((uint64_t)row.time_ns >= least);
      feature_row again;
      for (int i = 1; i < 3; i++) CHECK(feature_get(table, name, FEATURE_LATEST, &again, &hold[i]) == 0);
      check_row(&row, key); /* still there, whatever came meanwhile */
      for (int i = 0; i < 3; i++) feature_release(&hold[i]);
      found++;
    }
    if (feature_get(table, name, (int64_t)at, &row, &hold[0]) == FEATURE_OK) {
      check_row(&row, key);
      CHECK((uint64_t)row.time_ns <= at);
      feature_release(&hold[0]);
    }
    seen s = {.key = key, .time = -1};
    CHECK(feature_history(table, name, see_history, &s) >= 0 && s.rows <= 9);
    key = random_next(&state) % 1000;
    if (feature_get(crowded, key_of(key, text), FEATURE_LATEST, &row, &hold[0]) == FEATURE_OK) {
      check_row(&row, key);
      feature_release(&hold[0]);
    }
    uint64_t scanned = 0;
    if (turns++ % 64 == 0) feature_scan(turns % 128 == 0 ? table : crowded, FEATURE_LATEST, UINT64_MAX, see_any, &scanned);
  }
  CHECK(found != 0);
  return NULL;
}

static void run_threads(store *kept) {
  char err[STORE_ERR_MAX];
  feature_store *features = feature_store_new(kept, err);
  feature_table_config config;
  feature_table_config_init(&config);
  config.versions = 8;
  CHECK(features != NULL && feature_table_open(features, "t", &config, &table, err) == 0);
  config.max_keys = 100;
  CHECK(feature_table_open(features, "crowded", &config, &crowded, err) == 0);
  memset(highest, 0, sizeof highest);
  atomic_store(&over, 0);
  for (uint64_t key = 0; key < KEYS; key++) put(table, key, 1, 0);
  pthread_t readers[READERS], writers[WRITERS];
  for (uintptr_t i = 0; i < READERS; i++) pthread_create(&readers[i], NULL, reads, (void *)(i + 1));
  for (uintptr_t i = 0; i < WRITERS; i++) pthread_create(&writers[i], NULL, writes, (void *)i);
  for (int i = 0; i < WRITERS; i++) pthread_join(writers[i], NULL);
  atomic_store(&over, 1);
  for (int i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
  feature_stats stats;
  feature_table_stats(table, &stats);
  CHECK(stats.gets > stats.misses && stats.dropped == 0);
  feature_table_stats(crowded, &stats);
  CHECK(stats.keys <= 100 && stats.dropped != 0);
  feature_store_free(features);
}

/* ---- What is kept ------------------------------------------------------- */

typedef struct contents {
  uint64_t sum, rows;
} contents;

static int add_row(void *arg, const feature_row *row) {
  contents *c = arg;
  uint64_t hash = (uint64_t)row->time_ns * 0x9e3779b97f4a7c15u;
  for (size_t i = 0; i < row->values.len; i++) hash = (hash ^ (uint64_t)row->values.data[i]) * 31;
  for (size_t i = 0; i < row->key.len; i++) hash = (hash ^ (uint64_t)row->key.data[i]) * 31;
  c->sum += hash;
  c->rows++;
  return 0;
}

static contents contents_of(feature_table *of, uint64_t keys) {
  contents all = {0};
  char text[16];
  for (uint64_t key = 0; key < keys; key++)
    CHECK(feature_history(of, key_of(key, text), add_row, &all) >= 0);
  return all;
}

static store *open_store(const char *folder) {
  char err[STORE_ERR_MAX];
  store_config config;
  store_config_init(&config);
  config.folder = folder;
  config.segment_bytes = STORE_SEGMENT_MIN;
  config.retention.bytes = STORE_SEGMENT_MIN; /* tables do not care */
  store *kept;
  int status = store_open(&config, &kept, err);
  if (status != STORE_OK) fprintf(stderr, "%s\n", err);
  CHECK(status == STORE_OK);
  return kept;
}

/* Few keys that change often, and many that never do: rows are carried on, for ever the same. */
static void run_kept(const char *folder) {
  char err[STORE_ERR_MAX], text[16];
  feature_table_config config;
  feature_table_config_init(&config);
  config.versions = 3;
  uint64_t state = seed;
  store_stats kept_stats = {0};
  contents before = {0};
  for (int round = 0; round < 4; round++) {
    store *kept = open_store(folder);
    feature_store *features = feature_store_new(kept, err);
    feature_table *own;
    CHECK(features != NULL && feature_table_open(features, "kept", &config, &own, err) == 0);
    contents now = contents_of(own, 1000);
    CHECK(now.sum == before.sum && now.rows == before.rows);
    if (round == 0)
      for (uint64_t key = 0; key < 1000; key++) put(own, key, 7 + key % 3, 0);
    for (long i = 0; i < steps; i++) {
      uint64_t key = random_next(&state) % 20;
      uint64_t time = (uint64_t)(round * steps + i) * 10 + random_next(&state) % 1000;
      if (i % 11 == 0)
        CHECK(feature_remove(own, key_of(key, text), (int64_t)time, NULL) == FEATURE_OK);
      else put(own, key, time, i % 2 == 0);
    }
    before = contents_of(own, 1000);
    CHECK(before.rows >= 980);
    store_stream *stream;
    CHECK(store_stream_open(kept, "features.kept", &stream, err) == STORE_OK);
    store_stream_stats(stream, &kept_stats);
    feature_stats stats;
    feature_table_stats(own, &stats);
    CHECK(kept_stats.bytes < 3 * stats.bytes + 4 * STORE_SEGMENT_MIN);
    feature_store_free(features);
    store_close(kept);
  }
  CHECK(steps < 10000 || kept_stats.dropped != 0);
}

int main(int argc, char **argv) {
  steps = number(argc, argv, 1, 50000);
  seed = (uint64_t)number(argc, argv, 2, 20261122);
  fprintf(stderr, "features_test: %ld steps, seed %llu\n", steps, (unsigned long long)seed);
  char folder[] = "/tmp/features_test-XXXXXX";
  CHECK(mkdtemp(folder) != NULL);
  long all = steps;
  steps = all / 10 + 1; /* a reader does far more than a writer */
  run_threads(NULL);
  char path[64];
  snprintf(path, sizeof path, "%s/threads", folder);
  store *kept = open_store(path);
  run_threads(kept);
  store_close(kept);
  steps = all;
  snprintf(path, sizeof path, "%s/kept", folder);
  run_kept(path);
  char remove[96];
  snprintf(remove, sizeof remove, "rm -rf '%s'", folder);
  CHECK(system(remove) == 0);
  puts("features_test: ok");
  return 0;
}

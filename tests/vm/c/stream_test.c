/* stream_test.c - threads append to triggers that come and go, within bounds; nothing leaks.
**
** usage: stream_test [steps] [seed]
*/
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"
#include "stream.h"

#define THREADS 8
#define CHANGED 64 /* triggers that come and go */

static stream_triggers *triggers;
static _Atomic uint64_t fired_by[THREADS], forgotten;
static _Atomic int over;
static long rounds;

static size_t put_text(unsigned char *out, const char *text) {
  size_t len = strlen(text);
  CHECK(len < 32);
  out[0] = (unsigned char)(0xa0 | len);
  memcpy(out + 1, text, len);
  return len + 1;
}

/* {"event": type, "key": key, "n": number} */
static size_t put_event(unsigned char *out, const char *type, const char *key, unsigned number) {
  unsigned char *at = out;
  *at++ = 0x83;
  at += put_text(at, "event");
  at += put_text(at, type);
  at += put_text(at, "key");
  at += put_text(at, key);
  at += put_text(at, "n");
  *at++ = (unsigned char)(number & 127);
  return (size_t)(at - out);
}

/* {"steps": [{"type": first}, {"type": second, "where": [["n", ">=", 0]]}]} */
static size_t put_condition(unsigned char *out, const char *first, const char *second) {
  unsigned char *at = out;
  *at++ = 0x81;
  at += put_text(at, "steps");
  *at++ = 0x92;
  *at++ = 0x81;
  at += put_text(at, "type");
  at += put_text(at, first);
  *at++ = 0x82;
  at += put_text(at, "type");
  at += put_text(at, second);
  at += put_text(at, "where");
  *at++ = 0x91;
  *at++ = 0x93;
  at += put_text(at, "n");
  at += put_text(at, ">=");
  *at++ = 0;
  return (size_t)(at - out);
}

/* The lasting trigger has no user; the others' is a block that forget frees. */
static void fire(void *context, const stream_match *matches, size_t count) {
  for (size_t i = 0; i < count; i++) {
    CHECK(matches[i].mode == 1 && matches[i].count == 2);
    CHECK(matches[i].events[0].len > 10 && matches[i].events[0].data[0] == (char)0x83);
    if (matches[i].user == NULL) atomic_fetch_add(&fired_by[*(long *)context], 1);
    else CHECK(strcmp(matches[i].user, "alive") == 0);
  }
}

static void forget(void *user) {
  atomic_fetch_add(&forgotten, 1);
  free(user);
}

static void *append(void *argument) {
  long self = *(long *)argument;
  unsigned char event[128];
  char key[24];
  for (long round = 0; round < rounds; round++) {
    snprintf(key, sizeof key, "%ld %ld", self, round % 13);
    uint64_t now = (uint64_t)round;
    size_t len = put_event(event, "a", key, (unsigned)round);
    CHECK(stream_append(triggers, event, len, now, now, &self, NULL) == 1);
    len = put_event(event, "other", key, 0);
    CHECK(stream_append(triggers, event, len, now, now, &self, NULL) >= 0);
    len = put_event(event, "b", key, (unsigned)round);
    CHECK(stream_append(triggers, event, len, now, now, &self, NULL) == 1);
    /* keys that all threads use: others may complete what this one began */
    len = put_event(event, round % 2 ? "c" : "d", "shared", (unsigned)round);
    CHECK(stream_append(triggers, event, len, now, now, &self, NULL) >= 0);
  }
  return NULL;
}

static void *change(void *argument) {
  uint64_t *seed = argument;
  stream_condition *conditions[CHANGED] = {NULL};
  uint64_t added = 0;
  while (!atomic_load(&over) || added < CHANGED) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    size_t at = (*seed >> 33) % CHANGED;
    stream_condition *former = conditions[at], *made;
    if (former != NULL && (*seed >> 40) % 3 == 0) {
      stream_triggers_set(triggers, former, (int)(*seed >> 42) & 1);
      continue;
    }
    static const char *const types[] = {"a", "b", "c", "d", "other"};
    unsigned char condition[128];
    size_t len = put_condition(condition, types[(*seed >> 44) % 5], types[(*seed >> 48) % 5]);
    char *user = malloc(8), err[STREAM_ERR_MAX];
    strcpy(user, "alive");
    CHECK(stream_triggers_add(triggers, condition, len, 1, user, former, &made, err) == STREAM_OK);
    added++;
    if (former != NULL) stream_triggers_remove(triggers, former);
    conditions[at] = made;
    stream_stats stats;
    stream_triggers_stats(triggers, &stats);
    CHECK(stats.conditions <= CHANGED + 1 && stats.nodes <= 2 * (CHANGED + 1));
  }
  *seed = added;
  return NULL;
}

int main(int argc, char **argv) {
  rounds = number(argc, argv, 1, 20000) / 20 + 1;
  uint64_t seed = (uint64_t)number(argc, argv, 2, 1);
  stream_config config;
  stream_config_init(&config);
  config.fire = fire;
  config.forget = forget;
  config.shards = 4;
  char err[STREAM_ERR_MAX];
  triggers = stream_triggers_new(&config, err);
  CHECK(triggers != NULL);
  unsigned char condition[128];
  size_t len = put_condition(condition, "a", "b");
  stream_condition *lasting;
  CHECK(stream_triggers_add(triggers, condition, len, 1, NULL, NULL, &lasting, err) == STREAM_OK);
  pthread_t threads[THREADS], changer;
  long self[THREADS];
  CHECK(pthread_create(&changer, NULL, change, &seed) == 0);
  for (long i = 0; i < THREADS; i++) {
    self[i] = i;
    CHECK(pthread_create(&threads[i], NULL, append, &self[i]) == 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  atomic_store(&over, 1);
  pthread_join(changer, NULL);
  for (int i = 0; i < THREADS; i++) CHECK(atomic_load(&fired_by[i]) == (uint64_t)rounds);
  stream_stats stats;
  stream_triggers_stats(triggers, &stats);
  CHECK(stats.events == (uint64_t)rounds * 4 * THREADS && stats.keys <= 13 * THREADS + 1);
  stream_triggers_free(triggers);
  CHECK(atomic_load(&forgotten) == seed + 1); /* with the lasting one */
  printf("stream_test: ok\n");
  return 0;
}

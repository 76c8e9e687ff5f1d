/* counters_test.c - threads append while counters come, go, and are ticked; nothing is counted twice.
**
** usage: counters_test [events] [seed]
*/
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"
#include "stream.h"

#define THREADS 4
#define USERS 9
#define CHANGED 8 /* counters that come and go */

static stream_triggers *triggers;
static _Atomic int over;
static _Atomic uint64_t forgotten;
static long rounds;

/* What the two lasting counters handed out; each event's place is its sequence number. */
static _Atomic unsigned char *taken[2];
static _Atomic uint64_t counted[2];

static unsigned char *put(unsigned char *at, const char *text) {
  size_t len = strlen(text);
  *at++ = 0xd9;
  *at++ = (unsigned char)len;
  memcpy(at, text, len);
  return at + len;
}

static size_t put_event(unsigned char *out, const char *stream, long user) {
  unsigned char *at = out;
  *at++ = 0x82;
  at = put(put(at, "stream"), stream);
  at = put(at, "user");
  *at++ = (unsigned char)user;
  return (size_t)(at - out);
}

static size_t put_counter(unsigned char *out, const char *stream, const char *key, int events) {
  unsigned char *at = out;
  *at++ = 0x84;
  at = put(put(at, "stream"), stream);
  at = put(put(at, "key"), key);
  at = put(at, "events");
  *at++ = (unsigned char)events;
  at = put(at, "wait_ns");
  *at++ = 1;
  return (size_t)(at - out);
}

/* `user` of a lasting counter is a place in `counted`; the others' is a block that forget frees. */
static void enough(void *context, const stream_amount *amount) {
  (void)context;
  CHECK(amount->mode == 1 && amount->stream.len == 6 && amount->events >= 1);
  CHECK(amount->last - amount->first + 1 >= amount->events && amount->bytes > amount->events);
  _Atomic uint64_t *count = amount->user;
  if (count < counted || count > counted + 1) return;
  atomic_fetch_add(count, amount->events);
  int which = (int)(count - counted);
  CHECK(amount->keyed == which);
  if (which == 0) {
    CHECK(amount->last - amount->first + 1 == amount->events);
    for (uint64_t i = amount->first; i <= amount->last; i++)
      CHECK(atomic_fetch_add(&taken[0][i], 1) == 0);
  } else {
    CHECK(atomic_fetch_add(&taken[1][amount->first], 1) == 0);
    if (amount->last != amount->first) CHECK(atomic_fetch_add(&taken[1][amount->last], 1) == 0);
  }
}

/* With the counter's lock: whatever is settled has been handed out. */
static uint64_t upto[2];

static void settled(void *context, const stream_amount *amount) {
  (void)context;
  _Atomic uint64_t *count = amount->user;
  if (count < counted || count > counted + 1) return;
  int which = (int)(count - counted);
  CHECK(amount->settled >= upto[which]);
  for (uint64_t i = upto[which] + 1; which == 0 && i <= amount->settled; i++)
    CHECK(atomic_load(&taken[0][i]) == 1);
  upto[which] = amount->settled;
}

static uint64_t last_of(void *arg, stream_text key) {
  CHECK(key.len == 1);
  return *(uint64_t *)arg;
}

/* What is kept counts again: from a number on; of keys what no firing is known to have had. */
static void recount(store *store, stream_counter *const lasting[2], uint64_t all) {
  store_stream *stream;
  char err[STREAM_ERR_MAX];
  CHECK(store_stream_open(store, "clicks", &stream, err) == STORE_OK);
  stream_recount how = {.kept = stream, .after = all - 15, .last_of = last_of, .arg = &all};
  for (int i = 0; i < 2; i++) {
    memset((void *)taken[i], 0, all + 1);
    atomic_store(&counted[i], 0);
    CHECK(upto[i] == all && stream_counter_settled(triggers, lasting[i]) == all);
    upto[i] = 0;
  }
  memset((void *)taken[0], 1, all - 14);
  CHECK(stream_counter_recount(triggers, lasting[0], &how, NULL) == STREAM_OK);
  CHECK(atomic_load(&counted[0]) == 10 && upto[0] == all - 5);
  CHECK(stream_counter_recount(triggers, lasting[1], &how, NULL) == STREAM_OK);
  uint64_t most = all - 8;
  how.arg = &most;
  CHECK(stream_counter_recount(triggers, lasting[1], &how, NULL) == STREAM_OK);
  CHECK(stream_counters_tick(triggers, 0, 1, NULL) == UINT64_MAX);
  CHECK(atomic_load(&counted[0]) == 15 && atomic_load(&counted[1]) == 8);
  CHECK(upto[0] == all);
}

static void fire(void *context, const stream_match *matches, size_t count) {
  (void)context, (void)matches, (void)count;
  CHECK(!"there are no conditions");
}

static void forget(void *user) {
  _Atomic uint64_t *count = user;
  if (count >= counted && count <= counted + 1) return;
  atomic_fetch_add(&forgotten, 1);
  free(user);
}

static void *append(void *argument) {
  long self = *(long *)argument;
  unsigned char event[128];
  for (long round = 0; round < rounds; round++) {
    int status;
    size_t len = put_event(event, "clicks", (round * 7 + self) % USERS);
    CHECK(stream_append(triggers, event, len, 1, (uint64_t)round, NULL, &status) == 1);
    len = put_event(event, round % 2 ? "views " : "events", round % USERS);
    CHECK(stream_append(triggers, event, len, 1, (uint64_t)round, NULL, &status) >= 0);
  }
  return NULL;
}

static void *change(void *argument) {
  uint64_t *seed = argument;
  stream_counter *counters[CHANGED] = {NULL};
  uint64_t added = 0;
  for (int places = 0; !atomic_load(&over) || places < CHANGED;) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    size_t at = (*seed >> 33) % CHANGED;
    stream_counter *former = counters[at], *made;
    if ((*seed >> 36) % 5 == 0) CHECK(stream_counters_tick(triggers, *seed >> 50, 0, NULL) > 0);
    if (former != NULL && (*seed >> 40) % 3 == 0) {
      stream_counter_set(triggers, former, (int)(*seed >> 42) & 1);
      continue;
    }
    static const char *const streams[] = {"clicks", "views ", "events"};
    unsigned char counter[128];
    char err[STREAM_ERR_MAX], *user = malloc(8);
    size_t len = put_counter(counter, streams[(*seed >> 44) % 3], (*seed >> 46) & 1 ? "user" : "",
                             1 + (int)((*seed >> 47) % 5));
    CHECK(stream_is_counter(counter, len));
    CHECK(stream_counter_add(triggers, counter, len, 1, user, former, &made, err) == STREAM_OK);
    if (former != NULL) stream_counter_remove(triggers, former);
    places += former == NULL;
    counters[at] = made;
    added++;
  }
  *seed = added;
  return NULL;
}

int main(int argc, char **argv) {
  rounds = number(argc, argv, 1, 20000) / 20 + 1;
  uint64_t seed = (uint64_t)number(argc, argv, 2, 1), all = (uint64_t)rounds * THREADS;
  char err[STREAM_ERR_MAX];
  store_config kept;
  store_config_init(&kept);
  store *store;
  CHECK(store_open(&kept, &store, err) == STORE_OK);
  stream_config config;
  stream_config_init(&config);
  config.fire = fire;
  config.enough = enough;
  config.settled = settled;
  config.forget = forget;
  config.store = store;
  config.max_keys = 5; /* fewer than there are: some are fired early */
  triggers = stream_triggers_new(&config, err);
  CHECK(triggers != NULL);
  stream_counter *lasting[2];
  for (int i = 0; i < 2; i++) {
    taken[i] = calloc(all + 1, 1);
    unsigned char counter[128];
    size_t len = put_counter(counter, "clicks", i == 1 ? "user" : "", 10);
    CHECK(stream_counter_add(triggers, counter, len, 1, (void *)&counted[i], NULL, &lasting[i],
                             err) == STREAM_OK);
  }
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
  CHECK(stream_counters_tick(triggers, 0, 1, NULL) == UINT64_MAX);
  for (int i = 0; i < 2; i++) CHECK(atomic_load(&counted[i]) == all);
  recount(store, lasting, all);
  for (int i = 0; i < 2; i++) free((void *)taken[i]);
  stream_stats stats;
  stream_triggers_stats(triggers, &stats);
  CHECK(stats.counters == CHANGED + 2 && stats.events == 2 * all);
  stream_triggers_free(triggers);
  store_close(store);
  CHECK(atomic_load(&forgotten) == seed);
  printf("counters_test: ok\n");
  return 0;
}

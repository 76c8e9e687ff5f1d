/* flows_test.c - threads append to flows that come and go, within bounds; nothing is lost, doubled or
** leaked.
**
** usage: flows_test [events of each thread] [seed]
*/
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"
#include "flow.h"

#define THREADS 6
#define KEYS 64
#define PASSING 8 /* flows that come and go */

static flow_set *flows;
static feature_store *features;
static _Atomic uint64_t counted, summed, joined, forgotten;
static _Atomic int over;
static long events, seed;

/* ---- Declarations ---- */

typedef struct text {
  unsigned char data[2048];
  size_t len;
} text;

static void head(text *out, unsigned char byte) {
  out->data[out->len++] = byte;
}

static void word(text *out, const char *word) {
  size_t len = strlen(word);
  CHECK(len < 32 && out->len + len + 1 < sizeof out->data);
  head(out, (unsigned char)(0xa0 | len));
  memcpy(out->data + out->len, word, len);
  out->len += len;
}

static void put_number(text *out, uint64_t number) {
  head(out, 0xcf);
  for (int shift = 56; shift >= 0; shift -= 8) head(out, (unsigned char)(number >> shift));
}

static void field(text *out, const char *name) {
  head(out, 0x92);
  word(out, "field");
  word(out, name);
}

static void begin(text *out, const char *name, const char *from, unsigned steps) {
  out->len = 0;
  head(out, 0x85);
  word(out, "name");
  word(out, name);
  word(out, "lateness_ns");
  put_number(out, 1000000);
  word(out, "from");
  head(out, 0x91);
  word(out, from);
  word(out, "steps");
  head(out, (unsigned char)(0x90 | steps));
}

static void key_by(text *out) {
  head(out, 0x81);
  word(out, "key_by");
  head(out, 0x91);
  head(out, 0x92);
  word(out, "key");
  field(out, "key");
}

static void aggregate(text *out, const char *name, const char *function, const char *argument) {
  head(out, 0x94);
  word(out, name);
  word(out, function);
  head(out, argument != NULL ? 0x91 : 0x90);
  if (argument != NULL) field(out, argument);
  head(out, 0x90);
}

/* A window with the count and the sum of n. */
static void window(text *out, const char *kind, const char *size, uint64_t ns, uint64_t step_ns) {
  head(out, 0x81);
  word(out, "window");
  head(out, step_ns != 0 ? 0x84 : 0x83);
  word(out, "kind");
  word(out, kind);
  word(out, size);
  put_number(out, ns);
  if (step_ns != 0) {
    word(out, "step_ns");
    put_number(out, step_ns);
  }
  word(out, "aggregates");
  head(out, 0x93);
  aggregate(out, "count", "count", NULL);
  aggregate(out, "sum", "sum", "n");
  aggregate(out, "last", "last", "text");
}

static void into(text *out, const char *kind, const char *name) {
  word(out, "into");
  head(out, 0x81);
  word(out, kind);
  word(out, name);
}

static void join(text *out) {
  head(out, 0x81);
  word(out, "join");
  head(out, 0x85);
  word(out, "from");
  head(out, 0x91);
  word(out, "s");
  word(out, "steps");
  head(out, 0x90);
  word(out, "on");
  head(out, 0x91);
  head(out, 0x92);
  field(out, "key");
  field(out, "key");
  word(out, "window_ns");
  put_number(out, 1);
  word(out, "columns");
  head(out, 0x91);
  head(out, 0x92);
  word(out, "a");
  field(out, "left.text");
}

static flow *add(const text *declaration, void *user, flow *replaces) {
  char err[STREAM_ERR_MAX];
  flow *made = NULL;
  int status = flow_add(flows, declaration->data, declaration->len, user, replaces, &made, err);
  if (status != STREAM_OK) fprintf(stderr, "%s\n", err);
  CHECK(status == STREAM_OK);
  return made;
}

/* ---- What leaves ---- */

static uint64_t number_of(stream_text row, const char *name) {
  const unsigned char *at = (const unsigned char *)row.data, *end = at + row.len;
  size_t len = strlen(name);
  for (; at + len + 1 < end; at++)
    if (*at == (0xa0 | len) && memcmp(at + 1, name, len) == 0) {
      at += len + 1;
      if (*at < 0x80) return *at;
      CHECK(*at >= 0xcc && *at <= 0xcf);
      uint64_t sum = 0;
      for (int left = 1 << (*at - 0xcc); left > 0; left--) sum = sum << 8 | *++at;
      return sum;
    }
  CHECK(0);
  return 0;
}

static int is(stream_text text, const char *name) {
  return text.len == strlen(name) && memcmp(text.data, name, text.len) == 0;
}

static void emit(void *context, const flow_output *output) {
  CHECK(context != NULL && output->row.len != 0);
  if (is(output->into, "counts")) {
    atomic_fetch_add(&counted, number_of(output->row, "count"));
    atomic_fetch_add(&summed, number_of(output->row, "sum"));
  } else if (is(output->into, "again")) { /* what leaves comes in again */
    flow_event event = {.stream = {"again", 5},
                        .key = output->key,
                        .whole = output->row,
                        .time_ns = output->time_ns,
                        .way = output->way};
    CHECK(flow_append(flows, &event, context) >= STREAM_OK);
  } else if (is(output->into, "pairs")) {
    atomic_fetch_add(&joined, 1);
  }
}

static void forget(void *user) {
  CHECK(strcmp(user, "alive") == 0);
  atomic_fetch_add(&forgotten, 1);
  free(user);
}

/* ---- Threads ---- */

static uint64_t next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}

/* {"key": k, "n": n, "text": "..."} */
static size_t put_event(unsigned char *out, unsigned key, unsigned n) {
  text event = {.len = 0};
  char words[32];
  snprintf(words, sizeof words, "text of %u", n);
  head(&event, 0x83);
  word(&event, "key");
  head(&event, (unsigned char)key);
  word(&event, "n");
  head(&event, (unsigned char)n);
  word(&event, "text");
  word(&event, words);
  memcpy(out, event.data, event.len);
  return event.len;
}

static uint64_t given[THREADS];

static void *append(void *argument) {
  long self = (long)(intptr_t)argument;
  uint64_t state = (uint64_t)seed * 1000 + (uint64_t)self + 1;
  for (long i = 0; i < events; i++) {
    unsigned char data[128];
    unsigned n = (unsigned)(next(&state) % 100);
    size_t len = put_event(data, (unsigned)(next(&state) % KEYS), n);
    flow_event event = {.stream = {"s", 1},
                        .key = {"", 0},
                        .whole = {(const char *)data, len},
                        .time_ns = i + (int64_t)(next(&state) % 50)};
    CHECK(flow_append(flows, &event, &state) == 1);
    given[self] += n;
  }
  return NULL;
}

static char *alive(void) {
  char *user = malloc(8);
  CHECK(user != NULL);
  strcpy(user, "alive");
  return user;
}

static void *come_and_go(void *argument) {
  uint64_t made = 0;
  while (!atomic_load(&over)) {
    flow *passing[PASSING];
    for (int i = 0; i < PASSING; i++) {
      char name[16];
      text declaration;
      snprintf(name, sizeof name, "passing%d", i);
      begin(&declaration, name, "s", 2);
      key_by(&declaration);
      window(&declaration, i % 2 == 0 ? "session" : "tumbling", i % 2 == 0 ? "gap_ns" : "size_ns",
             30, 0);
      into(&declaration, i % 3 == 0 ? "table" : "stream", "elsewhere");
      passing[i] = add(&declaration, alive(), NULL);
      passing[i] = add(&declaration, alive(), passing[i]); /* goes on with the state */
      made += 2;
    }
    flow_tick(flows, (int64_t)events / 2, argument);
    for (int i = 0; i < PASSING; i++) {
      flow_stats stats;
      flow_stats_get(passing[i], &stats);
      CHECK(flow_remove(flows, passing[i]) == STREAM_OK);
    }
  }
  *(uint64_t *)argument = made;
  return NULL;
}

static void declare(void) {
  text declaration;
  begin(&declaration, "counts", "s", 4);
  key_by(&declaration);
  window(&declaration, "tumbling", "size_ns", 100, 0);
  key_by(&declaration);
  head(&declaration, 0x81); /* sums of the sums */
  word(&declaration, "window");
  head(&declaration, 0x83);
  word(&declaration, "kind");
  word(&declaration, "session");
  word(&declaration, "gap_ns");
  put_number(&declaration, 250);
  word(&declaration, "aggregates");
  head(&declaration, 0x92);
  aggregate(&declaration, "count", "sum", "count");
  aggregate(&declaration, "sum", "sum", "sum");
  into(&declaration, "stream", "counts");
  add(&declaration, NULL, NULL);
  begin(&declaration, "again", "s", 2);
  key_by(&declaration);
  window(&declaration, "running", "ttl_ns", 500, 0);
  into(&declaration, "stream", "again");
  add(&declaration, NULL, NULL);
  begin(&declaration, "table", "again", 2);
  key_by(&declaration);
  window(&declaration, "sliding", "size_ns", 60, 20);
  into(&declaration, "table", "slid");
  add(&declaration, NULL, NULL);
  begin(&declaration, "pairs", "again", 1);
  join(&declaration);
  into(&declaration, "stream", "pairs");
  add(&declaration, NULL, NULL);
}

int main(int argc, char **argv) {
  events = number(argc, argv, 1, 2000);
  seed = number(argc, argv, 2, 1);
  char err[STREAM_ERR_MAX];
  uint64_t bounds[] = {UINT64_C(1) << 30, 200000};
  for (int round = 0; round < 2; round++) {
    flow_config config;
    flow_config_init(&config);
    features = feature_store_new(NULL, err);
    CHECK(features != NULL);
    config.features = features;
    config.emit = emit;
    config.forget = forget;
    config.shards = 8;
    config.max_bytes = bounds[round];
    flows = flow_set_new(&config, err);
    CHECK(flows != NULL);
    atomic_store(&counted, 0);
    atomic_store(&summed, 0);
    atomic_store(&forgotten, 0);
    atomic_store(&over, 0);
    memset(given, 0, sizeof given);
    declare();
    pthread_t threads[THREADS], changer;
    uint64_t made = 0;
    CHECK(pthread_create(&changer, NULL, come_and_go, &made) == 0);
    for (long i = 0; i < THREADS; i++)
      CHECK(pthread_create(&threads[i], NULL, append, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    atomic_store(&over, 1);
    pthread_join(changer, NULL);
    CHECK(atomic_load(&forgotten) == made);
    flow_tick(flows, INT64_C(1) << 60, &made);
    flow_tick(flows, INT64_C(1) << 61, &made);
    uint64_t sum = 0;
    for (int i = 0; i < THREADS; i++) sum += given[i];
    if (round == 0) {
      CHECK(atomic_load(&counted) == (uint64_t)events * THREADS);
      CHECK(atomic_load(&summed) == sum);
      CHECK(atomic_load(&joined) != 0);
    } else {
      CHECK(atomic_load(&counted) <= (uint64_t)events * THREADS);
    }
    flow_set_free(flows);
    feature_store_free(features);
  }
  printf("flows_test: ok\n");
  return 0;
}

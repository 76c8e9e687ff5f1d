/* series_test.c - series of events that are damaged at random, read while more are appended.
**
** usage: series_test [events] [seed]
*/
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"
#include "series.h"

#define QUERIES 200

static store_stream *stream;
static long rounds;
static _Atomic int writing = 1;
static uint64_t seed;

static uint64_t next(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

/* {"a": {"x": number}}, some of whose bytes are anything. */
static size_t put_event(unsigned char *out, uint64_t *state) {
  static const unsigned char whole[] = {0x81, 0xa1, 'a', 0x81, 0xa1, 'x', 0xcb};
  memcpy(out, whole, sizeof whole);
  double value = (double)next(state) - 1e9;
  uint64_t bits;
  memcpy(&bits, &value, 8);
  for (int i = 0; i < 8; i++) out[7 + i] = (unsigned char)(bits >> 8 * (7 - i));
  for (uint64_t n = next(state) % 8; n > 5; n--) out[next(state) % 15] = (unsigned char)next(state);
  return next(state) % 16 == 0 ? next(state) % 15 : 15;
}

static void *append(void *arg) {
  (void)arg;
  uint64_t state = seed;
  for (long i = 0; i < rounds; i++) {
    unsigned char text[16];
    size_t len = put_event(text, &state);
    store_event event = {.time_ns = (int64_t)(next(&state) % 100000) - 500};
    event.key = (store_bytes){next(&state) % 2 ? "k" : "", 1};
    event.value = (store_bytes){(char *)text, len};
    CHECK(store_append(stream, &event, 1, NULL) == STORE_OK);
  }
  atomic_store(&writing, 0);
  return NULL;
}

typedef struct seen {
  const series_query *query;
  int64_t last;
  uint64_t rows, points;
} seen;

static int visit(void *arg, int64_t time_ns, const double *values, uint64_t points) {
  seen *s = arg;
  CHECK(s->rows == 0 || time_ns > s->last || (s->query->step_ns == 0 && time_ns == s->last));
  s->last = time_ns;
  s->rows++;
  s->points += points;
  if (s->query->step_ns == 0) return 0;
  CHECK(points != 0 || s->query->fill != SERIES_FILL_NONE);
  if (points != 0) CHECK(values[0] == (double)points && values[1] <= values[2]);
  return 0;
}

static void ask(uint64_t *state) {
  series_query query = {.field = {"a.x", 3}, .from_ns = INT64_MIN, .until_ns = INT64_MAX};
  if (next(state) % 2) query.key = (store_bytes){"k", 1};
  if (next(state) % 2) query.from_ns = (int64_t)(next(state) % 50000);
  if (next(state) % 2) query.until_ns = 50000 + (int64_t)(next(state) % 60000);
  uint64_t points[2] = {0, 0};
  for (int steps = 0; steps < 2; steps++) {
    if (steps) {
      query.step_ns = 1 + (int64_t)(next(state) % 5000);
      query.function_count = 3;
      query.functions[0] = SERIES_COUNT;
      query.functions[1] = SERIES_MIN;
      query.functions[2] = SERIES_MAX;
      query.fill = (series_fill)(next(state) % 5);
    }
    int done = !atomic_load(&writing), status;
    seen s = {.query = &query};
    CHECK(series_read(stream, &query, visit, &s, &status) == SERIES_OK);
    points[steps] = s.points;
    if (steps) CHECK(done ? points[1] == points[0] : points[1] >= points[0]);
    if (!done && steps == 0 && !atomic_load(&writing)) steps = -1; /* it ended meanwhile */
  }
}

int main(int argc, char **argv) {
  rounds = number(argc, argv, 1, 20000) / 4 + 1;
  seed = (uint64_t)number(argc, argv, 2, 1);
  store_config config;
  store_config_init(&config);
  config.segment_bytes = STORE_SEGMENT_MIN;
  store *store;
  char err[STORE_ERR_MAX];
  CHECK(store_open(&config, &store, err) == STORE_OK);
  CHECK(store_stream_open(store, "s", &stream, err) == STORE_OK);
  pthread_t writer;
  CHECK(pthread_create(&writer, NULL, append, NULL) == 0);
  uint64_t state = seed ^ 0x5555;
  for (int i = 0; i < QUERIES || atomic_load(&writing); i++) ask(&state);
  pthread_join(writer, NULL);
  for (int i = 0; i < QUERIES; i++) ask(&state);
  store_close(store);
  printf("series_test: ok\n");
  return 0;
}

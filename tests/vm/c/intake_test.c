/* intake_test.c - damaged events and JSON lines on their way in; threads with the same ids.
**
** usage: intake_test [steps] [seed]
*/
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "../../../engine/stream/json.h"
#include "../../../engine/stream/sound.h"
#include "check.h"
#include "intake.h"

#define THREADS 6

static uint64_t state;

static uint32_t draw(uint32_t below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) % below;
}

static void fire(void *context, const stream_match *matches, size_t count) {
  (void)context;
  (void)matches;
  (void)count;
}

/* {"s": {"fields": {"a": "int", "b": "str?", "t": "time?"}, "open": open, "id": "i", "span_ns": 8 s,
** "most": 4000, "clock_ns": 1 s}} */
static const unsigned char DECLARED[] =
    "\x81\xa1s\x86\xa6" "fields\x83\xa1" "a\xa3int\xa1" "b\xa4str?\xa1t\xa5time?\xa4open\xc2\xa2id\xa1i"
    "\xa7span_ns\xcf\0\0\0\x01\xdc\xd6\x50\0\xa4most\xcd\x0f\xa0\xa8" "clock_ns\xce\x3b\x9a\xca\0";

typedef struct place {
  store *store;
  stream_intake *intake;
  stream_triggers *triggers;
} place;

static place open_place(uint64_t most_segment) {
  place p;
  char err[STORE_ERR_MAX];
  store_config kept;
  store_config_init(&kept);
  kept.segment_bytes = most_segment;
  CHECK(store_open(&kept, &p.store, err) == STORE_OK);
  stream_config config;
  stream_config_init(&config);
  config.fire = fire;
  config.time = "t,ts";
  config.store = p.store;
  p.intake = stream_intake_new(&config, DECLARED, sizeof DECLARED - 1, err);
  if (p.intake == NULL) fprintf(stderr, "%s\n", err);
  CHECK(p.intake != NULL);
  config.intake = p.intake;
  p.triggers = stream_triggers_new(&config, err);
  CHECK(p.triggers != NULL);
  return p;
}

static void close_place(place *p) {
  stream_triggers_free(p->triggers);
  stream_intake_free(p->intake);
  store_close(p->store);
}

static uint64_t kept_in(store *store, const char *name) {
  store_stream *stream;
  store_stats stats;
  for (uint32_t i = 0; (stream = store_stream_at(store, i)) != NULL; i++)
    if (strcmp(store_stream_name(stream), name) == 0) {
      store_stream_stats(stream, &stats);
      return stats.next - 1;
    }
  return 0;
}

/* ---- Damage ------------------------------------------------------------- */

static const char *const LINES[] = {
    "{\"a\": 12, \"b\": \"text \\u00e9\\ud83d\\ude00\\n\", \"i\": 7, \"t\": 1.5e0}",
    "{\"a\": -9223372036854775808, \"i\": \"caf\xc3\xa9 and something long enough to pass a word\"}",
    "{\"a\": [1, 2.25, [], {}, [[[null, true, false]]]], \"i\": 18446744073709551615}",
    "{\"ts\": 1e300, \"key\": \"k\", \"x\": [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}",
    "[1.7976931348623157e308, 5e-324, 0.1, -0.0, 123456789012345678901234567890.5]",
};

/* A copy of exactly its size, so that reading beyond its end is seen. */
static char *damaged(const char *text, size_t *len) {
  static const char pieces[] = "{}[],:\"\\u0e-+.1 \xc3\xed\xff\x80\n\x01";
  char *copy = malloc(*len + 1);
  memcpy(copy, text, *len);
  for (uint32_t changes = draw(4); changes != 0 && *len != 0; changes--) {
    uint32_t at = draw((uint32_t)*len);
    if (draw(3) == 0) {
      memmove(copy + at, copy + at + 1, *len - at - 1);
      --*len;
    } else copy[at] = draw(2) ? pieces[draw(sizeof pieces - 1)] : (char)draw(256);
  }
  if (draw(8) == 0) *len = draw((uint32_t)*len + 1);
  char *exact = malloc(*len != 0 ? *len : 1);
  memcpy(exact, copy, *len);
  free(copy);
  return exact;
}

static void damage(long steps) {
  place p = open_place(STORE_SEGMENT_MIN);
  stream_packing packing = {0};
  uint64_t dead = 0, passed = 0, taken = 0, none = 0;
  for (long step = 0; step < steps; step++) {
    const char *line = LINES[draw(sizeof LINES / sizeof LINES[0])], *why;
    size_t len = strlen(line);
    char *text = damaged(line, &len);
    int packed = stream_json_pack(text, len, &packing, &why);
    CHECK(packed == STREAM_OK || packed == STREAM_JSON_BLANK || packed == STREAM_E_DECODE);
    const unsigned char *event = (const unsigned char *)text;
    size_t size = len;
    if (packed == STREAM_OK) {
      stream_reader reader = {packing.data, packing.data + packing.len};
      CHECK(stream_sound(&reader) == NULL && reader.at == reader.end);
      event = packing.data;
      size = packing.len;
    } else if (packed == STREAM_E_DECODE) CHECK(strlen(why) > 5);
    char *again = damaged((const char *)event, &size);
    stream_origin origin = {{"fuzz", 4}, {draw(2) ? "s" : "", draw(2)}};
    int store_status = STORE_OK;
    int status = stream_append_from(p.triggers, &origin, again, size, 2000000000u, (uint64_t)step,
                                    NULL, &store_status);
    CHECK(store_status == STORE_OK && status >= 0);
    dead += status == STREAM_REFUSED;
    passed += status == STREAM_PASSED_OVER;
    taken += status == 0;
    none += status == 1;
    free(again);
    free(text);
  }
  stream_intake_stats stats;
  CHECK(stream_intake_stats_get(p.intake, NULL, &stats) == 0);
  CHECK(stats.dead == dead && stats.duplicates == passed && none == 0);
  CHECK(kept_in(p.store, STREAM_DEAD) == dead);
  stream_stats seen;
  stream_triggers_stats(p.triggers, &seen);
  CHECK(seen.events == taken && dead > 0 && taken > 0);
  free(packing.data);
  close_place(&p);
}

/* ---- Threads ------------------------------------------------------------ */

static place shared;
static uint64_t ids;
static _Atomic uint64_t passed_over;

/* {"a": 1, "i": id, "t": seconds} */
static size_t put_event(unsigned char *out, uint32_t id, uint32_t seconds) {
  static const unsigned char head[] = "\x83\xa1" "a\x01\xa1i\xce";
  memcpy(out, head, sizeof head - 1);
  unsigned char *at = out + sizeof head - 1;
  for (int i = 3; i >= 0; i--) *at++ = (unsigned char)(id >> 8 * i);
  memcpy(at, "\xa1t\xce", 3);
  at += 3;
  for (int i = 3; i >= 0; i--) *at++ = (unsigned char)(seconds >> 8 * i);
  return (size_t)(at - out);
}

static void *append(void *argument) {
  uint64_t self = *(uint64_t *)argument;
  stream_origin origin = {{"thread", 6}, {"s", 1}};
  unsigned char event[64];
  for (uint64_t n = 0; n < ids; n++) {
    /* all within the span, in another order in each thread */
    uint32_t id = (uint32_t)((n * (2 * self + 1) + self * 7) % ids);
    size_t len = put_event(event, id, 100 + id % 8);
    int store_status = STORE_OK;
    int status = stream_append_from(shared.triggers, &origin, event, len, 200000000000u, n, NULL,
                                    &store_status);
    CHECK(status == 0 || status == STREAM_PASSED_OVER);
    if (status == STREAM_PASSED_OVER) atomic_fetch_add(&passed_over, 1);
    stream_intake_stats stats;
    if (n % 64 == 0) CHECK(stream_intake_stats_get(shared.intake, "s", &stats) == 0);
  }
  return NULL;
}

static void threads(void) {
  shared = open_place(STORE_SEGMENT_MIN * 4);
  ids = 2048; /* a power of two: odd factors reach all */
  pthread_t running[THREADS];
  uint64_t numbers[THREADS];
  for (uint64_t i = 0; i < THREADS; i++) {
    numbers[i] = i;
    CHECK(pthread_create(&running[i], NULL, append, &numbers[i]) == 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(running[i], NULL);
  CHECK(kept_in(shared.store, "s") == ids);
  CHECK(atomic_load(&passed_over) == (THREADS - 1) * ids);
  close_place(&shared);
}

int main(int argc, char **argv) {
  long steps = number(argc, argv, 1, 20000);
  state = (uint64_t)number(argc, argv, 2, (long)time(NULL));
  fprintf(stderr, "seed %llu\n", (unsigned long long)state);
  damage(steps);
  threads();
  puts("intake_test: ok");
  return 0;
}

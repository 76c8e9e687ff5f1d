/* flow_aggregates_test.c - states of every aggregate are added to, merged, moved and ended at random; what
** they hold is counted, and all of it given back.
**
** usage: flow_aggregates_test [steps] [seed]
*/
#include <string.h>

#include "../../../engine/flow/aggregate.h"
#include "check.h"

#define STATES 4

static uint64_t random_state;

static uint32_t below(uint32_t bound) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)((random_state >> 33) % bound);
}

static const struct {
  const char *name;
  double parameter[2]; /* 0: none */
} kinds[] = {
    {"count", {0}},         {"count_if", {0}}, {"sum", {0}},
    {"mean", {0}},          {"variance", {2}}, {"stddev", {0}},
    {"min", {0}},           {"max", {0}},      {"first", {0}},
    {"last", {0}},          {"min_by", {0}},   {"max_by", {0}},
    {"distinct", {20}},     {"distinct", {0}}, {"distinct_approx", {6}},
    {"top_k", {1}},         {"top_k", {20}},   {"quantile", {0.5, 8}},
    {"quantile", {1, 100}}, {"last_n", {1}},   {"last_n", {37}},
    {"collect", {1}},       {"collect", {30}}, {"decayed_sum", {1000}},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* `room` has 64 bytes. */
static stream_value random_value(char *room) {
  static const double odd[] = {0.0, -0.0, 1e308, -1e308, 0.5};
  switch (below(8)) {
  case 0: return flow_nil();
  case 1: return flow_bool((int)below(2));
  case 2: return flow_integer((int64_t)(random_state << below(64)));
  case 3: return flow_float(odd[below(5)] / (double)below(2));
  case 4: { /* [[number], "xx"] */
    memcpy(room, (char[]){(char)0x92, (char)0x91, (char)below(9), (char)0xa2, 'x', 'x'}, 6);
    return (stream_value){.kind = STREAM_ARRAY, .count = 2, .text = {room, 6}};
  }
  case 5:
  case 6: {
    size_t len = below(3) == 0 ? below(64) : 5;
    memset(room, (int)('a' + below(20)), len);
    return flow_string((stream_text){room, len});
  }
  default: return flow_integer(below(200));
  }
}

typedef struct tested {
  flow_aggregate *aggregate;
  uint32_t arguments;
  size_t bytes;
  void *states[STATES];
  uint64_t rows[STATES]; /* in each */
  int64_t held;
} tested;

static void begin(tested *of, size_t kind) {
  stream_value parameters[2];
  uint32_t count = 0;
  char err[STREAM_ERR_MAX];
  for (; count < 2 && kinds[kind].parameter[count] != 0; count++) {
    double number = kinds[kind].parameter[count];
    parameters[count] =
        number == (double)(int64_t)number ? flow_integer((int64_t)number) : flow_float(number);
  }
  stream_text name = {kinds[kind].name, strlen(kinds[kind].name)};
  CHECK(flow_aggregate_new(name, parameters, count, &of->aggregate, &of->arguments, err) ==
        STREAM_OK);
  CHECK(of->arguments <= FLOW_ARGUMENTS_MAX);
  of->bytes = flow_aggregate_bytes(of->aggregate);
  CHECK(of->bytes % 8 == 0 && of->bytes <= 64);
  for (int i = 0; i < STATES; i++) {
    of->states[i] = malloc(of->bytes);
    CHECK(of->states[i] != NULL);
    flow_aggregate_begin(of->aggregate, of->states[i]);
    of->rows[i] = 0;
  }
  of->held = 0;
}

static void check_result(const tested *of, size_t kind, int which, flow_arena *arena) {
  stream_value value = flow_aggregate_result(of->aggregate, of->states[which], arena);
  unsigned char *bytes = malloc(flow_value_bytes(&value));
  CHECK(bytes != NULL);
  unsigned char *end = flow_value_write(bytes, &value);
  stream_reader reader = {bytes, end};
  CHECK(stream_skip(&reader) == 0 && reader.at == end);
  free(bytes);
  if (strcmp(kinds[kind].name, "count") == 0)
    CHECK(value.kind == STREAM_INTEGER && value.integer == of->rows[which]);
  flow_arena_reset(arena);
}

static void step(tested *of, size_t kind, flow_arena *arena) {
  int which = (int)below(STATES), other = (int)below(STATES);
  uint32_t what = below(60);
  if (what == 0) {
    check_result(of, kind, which, arena);
  } else if (what == 1) {
    flow_aggregate_end(of->aggregate, of->states[which], &of->held);
    flow_aggregate_begin(of->aggregate, of->states[which]);
    of->rows[which] = 0;
  } else if (what == 2) {
    void *moved = malloc(of->bytes);
    CHECK(moved != NULL);
    memcpy(moved, of->states[which], of->bytes);
    free(of->states[which]);
    of->states[which] = moved;
  } else if (what == 3 && which != other && of->rows[which] + of->rows[other] < 1000000) {
    CHECK(flow_aggregate_merge(of->aggregate, of->states[which], of->states[other], &of->held) ==
          STREAM_OK);
    of->rows[which] += of->rows[other];
  } else {
    char room[FLOW_ARGUMENTS_MAX][64];
    stream_value values[FLOW_ARGUMENTS_MAX];
    for (uint32_t i = 0; i < of->arguments; i++) values[i] = random_value(room[i]);
    int64_t time_ns = (int64_t)below(1000) - 500;
    CHECK(flow_aggregate_add(of->aggregate, of->states[which], values, time_ns, &of->held) ==
          STREAM_OK);
    of->rows[which]++;
  }
  CHECK(of->held >= 0);
}

int main(int argc, char **argv) {
  long steps = number(argc, argv, 1, 20000);
  random_state = (uint64_t)number(argc, argv, 2, 1);
  flow_arena *arena = flow_arena_new();
  CHECK(arena != NULL);
  for (size_t kind = 0; kind < KINDS; kind++) {
    tested one;
    begin(&one, kind);
    for (long i = 0; i < steps / (long)KINDS + 1; i++) step(&one, kind, arena);
    for (int i = 0; i < STATES; i++) {
      check_result(&one, kind, i, arena);
      flow_aggregate_end(one.aggregate, one.states[i], &one.held);
      free(one.states[i]);
    }
    CHECK(one.held == 0);
    flow_aggregate_free(one.aggregate);
  }
  flow_arena_free(arena);
  printf("flow_aggregates_test: ok\n");
  return 0;
}

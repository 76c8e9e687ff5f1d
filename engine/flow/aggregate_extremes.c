/* aggregate_extremes.c - min, max, min_by, max_by. Of equal numbers the one that came first counts. */
#include "aggregate_family.h"
#include "arithmetic.h"
#include "kept.h"

typedef struct extreme {
  flow_kept number; /* nil: none yet */
  flow_kept value;  /* of min_by and max_by; the last, as the others have none */
} extreme;

#define NUMBER_BYTES offsetof(extreme, value)

static int is_better(const flow_aggregate *aggregate, const extreme *than,
                     const stream_value *number) {
  if (!flow_is_number(number) || (number->kind == STREAM_FLOAT && number->number != number->number))
    return 0;
  if (than->number.kind == STREAM_NIL) return 1;
  stream_value best = flow_kept_value(&than->number);
  return stream_compare(number, &best) == (stream_order)(int)aggregate->family->variant;
}

static int add(const flow_aggregate *aggregate, void *state, const stream_value *arguments,
               int64_t time_ns, int64_t *held) {
  (void)time_ns;
  extreme *to = state;
  if (is_better(aggregate, to, arguments)) flow_keep(&to->number, arguments, held);
  return STREAM_OK;
}

static int merge(const flow_aggregate *aggregate, void *state, const void *from, int64_t *held) {
  stream_value number = flow_kept_value(&((const extreme *)from)->number);
  return add(aggregate, state, &number, 0, held);
}

static stream_value result(const flow_aggregate *aggregate, const void *state, flow_arena *arena) {
  (void)aggregate, (void)arena;
  return flow_kept_value(&((const extreme *)state)->number);
}

static int replace(extreme *to, const stream_value *value, const stream_value *number,
                   int64_t *held) {
  flow_kept kept;
  int status = flow_keep(&kept, value, held);
  if (status != STREAM_OK) return status;
  flow_let_go(&to->value, held);
  to->value = kept;
  return flow_keep(&to->number, number, held);
}

static int add_by(const flow_aggregate *aggregate, void *state, const stream_value *arguments,
                  int64_t time_ns, int64_t *held) {
  (void)time_ns;
  extreme *to = state;
  if (arguments[0].kind == STREAM_NIL || !is_better(aggregate, to, &arguments[1])) return STREAM_OK;
  return replace(to, &arguments[0], &arguments[1], held);
}

static int merge_by(const flow_aggregate *aggregate, void *state, const void *from, int64_t *held) {
  const extreme *more = from;
  stream_value arguments[2] = {flow_kept_value(&more->value), flow_kept_value(&more->number)};
  return add_by(aggregate, state, arguments, 0, held);
}

static stream_value result_by(const flow_aggregate *aggregate, const void *state,
                              flow_arena *arena) {
  (void)aggregate;
  return flow_kept_copy(&((const extreme *)state)->value, arena);
}

static void end_by(const flow_aggregate *aggregate, void *state, int64_t *held) {
  (void)aggregate;
  flow_let_go(&((extreme *)state)->value, held);
}

#define LEAST (uint32_t)STREAM_LESS
#define GREATEST (uint32_t)STREAM_GREATER

const flow_family flow_family_extremes[] = {
    {"min", 1, LEAST, NUMBER_BYTES, {{0}}, add, merge, result, NULL},
    {"max", 1, GREATEST, NUMBER_BYTES, {{0}}, add, merge, result, NULL},
    {"min_by", 2, LEAST, sizeof(extreme), {{0}}, add_by, merge_by, result_by, end_by},
    {"max_by", 2, GREATEST, sizeof(extreme), {{0}}, add_by, merge_by, result_by, end_by},
    {0},
};

/* aggregate_decayed.c - decayed_sum: a number counts half after each half-life. */
#include "aggregate_family.h"
#include "arithmetic.h"

#include <math.h>

typedef struct decayed {
  double sum; /* at that time */
  int64_t time_ns;
  uint64_t has_any;
} decayed;

static double decay(const flow_aggregate *aggregate, int64_t later, int64_t sooner) {
  return exp2(-(double)((uint64_t)later - (uint64_t)sooner) / aggregate->parameter[0]);
}

static void put(const flow_aggregate *aggregate, decayed *to, double number, int64_t time_ns) {
  if (!to->has_any) {
    *to = (decayed){number, time_ns, 1};
  } else if (time_ns >= to->time_ns) {
    if (time_ns != to->time_ns) to->sum *= decay(aggregate, time_ns, to->time_ns);
    to->sum += number;
    to->time_ns = time_ns;
  } else {
    to->sum += number * decay(aggregate, to->time_ns, time_ns);
  }
}

static int add(const flow_aggregate *aggregate, void *state, const stream_value *arguments,
               int64_t time_ns, int64_t *held) {
  (void)held;
  if (flow_is_number(arguments)) put(aggregate, state, flow_double_of(arguments), time_ns);
  return STREAM_OK;
}

static int merge(const flow_aggregate *aggregate, void *state, const void *from, int64_t *held) {
  (void)held;
  const decayed *more = from;
  if (more->has_any) put(aggregate, state, more->sum, more->time_ns);
  return STREAM_OK;
}

static stream_value result(const flow_aggregate *aggregate, const void *state, flow_arena *arena) {
  (void)aggregate, (void)arena;
  return flow_float(((const decayed *)state)->sum);
}

const flow_family flow_family_decayed[] = {
    {"decayed_sum",
     1,
     0,
     sizeof(decayed),
     {{"halflife", 1, 1, 0x1p63, 0}},
     add,
     merge,
     result,
     NULL},
    {0},
};

/* aggregate_counts.c - count, count_if. */
#include "aggregate_family.h"
#include "expression.h"

static int add(const flow_aggregate *aggregate, void *state, const stream_value *arguments,
               int64_t time_ns, int64_t *held) {
  (void)time_ns, (void)held;
  *(uint64_t *)state += aggregate->family->arguments == 0 || flow_true(&arguments[0]);
  return STREAM_OK;
}

static int merge(const flow_aggregate *aggregate, void *state, const void *from, int64_t *held) {
  (void)aggregate, (void)held;
  *(uint64_t *)state += *(const uint64_t *)from;
  return STREAM_OK;
}

static stream_value result(const flow_aggregate *aggregate, const void *state, flow_arena *arena) {
  (void)aggregate, (void)arena;
  return flow_integer((int64_t)*(const uint64_t *)state);
}

const flow_family flow_family_counts[] = {
    {"count", 0, 0, sizeof(uint64_t), {{0}}, add, merge, result, NULL},
    {"count_if", 1, 0, sizeof(uint64_t), {{0}}, add, merge, result, NULL},
    {0},
};

/* aggregate_moments.c - variance, stddev: Welford's sums, merged as Chan, Golub and LeVeque do. */
#include "aggregate_family.h"
#include "arithmetic.h"

#include <math.h>

enum { VARIANCE, STDDEV };

typedef struct moments {
  double count, mean, squares; /* squares: of the distances from the mean */
} moments;

static int add(const flow_aggregate *aggregate, void *state, const stream_value *arguments,
               int64_t time_ns, int64_t *held) {
  (void)aggregate, (void)time_ns, (void)held;
  moments *to = state;
  if (!flow_is_number(arguments)) return STREAM_OK;
  double number = flow_double_of(arguments), distance = number - to->mean;
  to->count++;
  to->mean += distance / to->count;
  to->squares += distance * (number - to->mean);
  return STREAM_OK;
}

static int merge(const flow_aggregate *aggregate, void *state, const void *from, int64_t *held) {
  (void)aggregate, (void)held;
  moments *to = state;
  const moments *more = from;
  double count = to->count + more->count, distance = more->mean - to->mean;
  if (more->count == 0) return STREAM_OK;
  if (to->count == 0) {
    *to = *more;
    return STREAM_OK;
  }
  to->mean += distance * (more->count / count);
  to->squares += more->squares + distance * distance * (to->count * more->count / count);
  to->count = count;
  return STREAM_OK;
}

static stream_value result(const flow_aggregate *aggregate, const void *state, flow_arena *arena) {
  (void)arena;
  const moments *of = state;
  double freedom = of->count - aggregate->parameter[0];
  if (!(freedom > 0)) return flow_nil();
  double variance = of->squares / freedom;
  return flow_float(aggregate->family->variant == STDDEV ? sqrt(variance) : variance);
}

#define DDOF {{"ddof", 0, 0, 1e9, 1}}

const flow_family flow_family_moments[] = {
    {"variance", 1, VARIANCE, sizeof(moments), DDOF, add, merge, result, NULL},
    {"stddev", 1, STDDEV, sizeof(moments), DDOF, add, merge, result, NULL},
    {0},
};

/* aggregate_sums.c - sum, mean.
**
** Integers are added as such, so their sum is exact. Floats are added with Neumaier's compensation: `lost`
** has what rounding has cost. */
#include "aggregate_family.h"
#include "arithmetic.h"

#include <math.h>

enum { SUM, MEAN };

typedef struct sums {
  uint64_t count : 63;
  uint64_t has_float : 1;
  uint64_t low; /* the sum of integers, of 128 bits */
  int64_t high;
  double sum, lost;
} sums;

static void add_float(sums *to, double number) {
  double sum = to->sum + number;
  if (isfinite(sum)) {
    if (fabs(to->sum) >= fabs(number)) to->lost += (to->sum - sum) + number;
    else to->lost += (number - sum) + to->sum;
  }
  to->sum = sum;
  to->has_float = 1;
}

static flow_wide whole_of(const sums *of) {
  return (flow_wide)((unsigned __int128)(uint64_t)of->high << 64 | of->low);
}

static void add_whole(sums *to, flow_wide number) {
  flow_wide sum = whole_of(to) + number;
  to->low = (uint64_t)sum;
  to->high = (int64_t)(sum >> 64);
}

static int add(const flow_aggregate *aggregate, void *state, const stream_value *arguments,
               int64_t time_ns, int64_t *held) {
  (void)aggregate, (void)time_ns, (void)held;
  sums *to = state;
  if (!flow_is_number(arguments)) return STREAM_OK;
  to->count++;
  if (arguments->kind == STREAM_INTEGER) add_whole(to, flow_wide_of(arguments));
  else add_float(to, arguments->number);
  return STREAM_OK;
}

static int merge(const flow_aggregate *aggregate, void *state, const void *from, int64_t *held) {
  (void)aggregate, (void)held;
  sums *to = state;
  const sums *more = from;
  to->count += more->count;
  add_whole(to, whole_of(more));
  if (!more->has_float) return STREAM_OK;
  add_float(to, more->sum);
  to->lost += more->lost;
  return STREAM_OK;
}

static stream_value result(const flow_aggregate *aggregate, const void *state, flow_arena *arena) {
  (void)arena;
  const sums *of = state;
  sums total = *of;
  flow_wide whole = whole_of(of);
  if (total.has_float) add_float(&total, (double)whole);
  double sum = isfinite(total.sum) ? total.sum + total.lost : total.sum;
  if (aggregate->family->variant == SUM)
    return of->has_float ? flow_float(sum) : flow_from_wide(whole);
  if (of->count == 0) return flow_nil();
  return flow_float((of->has_float ? sum : (double)whole) / (double)of->count);
}

const flow_family flow_family_sums[] = {
    {"sum", 1, SUM, sizeof(sums), {{0}}, add, merge, result, NULL},
    {"mean", 1, MEAN, sizeof(sums), {{0}}, add, merge, result, NULL},
    {0},
};

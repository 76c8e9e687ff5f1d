/* aggregate_ends.c - first, last. */
#include "aggregate_family.h"
#include "kept.h"

enum { FIRST, LAST };

typedef struct one_end {
  int64_t time_ns;
  flow_kept value; /* nil: none yet */
} one_end;

static int add(const flow_aggregate *aggregate, void *state, const stream_value *arguments,
               int64_t time_ns, int64_t *held) {
  one_end *to = state;
  if (arguments->kind == STREAM_NIL) return STREAM_OK;
  int is_last = aggregate->family->variant == LAST;
  int counts = is_last ? time_ns >= to->time_ns : time_ns < to->time_ns;
  if (to->value.kind != STREAM_NIL && !counts) return STREAM_OK;
  flow_kept kept;
  int status = flow_keep(&kept, arguments, held);
  if (status != STREAM_OK) return status;
  flow_let_go(&to->value, held);
  *to = (one_end){time_ns, kept};
  return STREAM_OK;
}

static int merge(const flow_aggregate *aggregate, void *state, const void *from, int64_t *held) {
  const one_end *more = from;
  stream_value value = flow_kept_value(&more->value);
  return add(aggregate, state, &value, more->time_ns, held);
}

static stream_value result(const flow_aggregate *aggregate, const void *state, flow_arena *arena) {
  (void)aggregate;
  return flow_kept_copy(&((const one_end *)state)->value, arena);
}

static void end(const flow_aggregate *aggregate, void *state, int64_t *held) {
  (void)aggregate;
  flow_let_go(&((one_end *)state)->value, held);
}

const flow_family flow_family_ends[] = {
    {"first", 1, FIRST, sizeof(one_end), {{0}}, add, merge, result, end},
    {"last", 1, LAST, sizeof(one_end), {{0}}, add, merge, result, end},
    {0},
};

/* aggregate_distinct.c - distinct, distinct_approx: the set of the values' hashes, and a HyperLogLog once
** there are too many. Both aggregates differ only in when that is. */
#include "aggregate_family.h"
#include "hyperloglog.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EXACT, APPROXIMATE };

#define EXACT_BITS 14 /* of distinct, once it is exact no more */
#define FIRST_SLOTS 8

typedef struct distinct {
  union {
    uint64_t *slots; /* hashes; 0: free. NULL: none yet */
    uint8_t *registers;
  };
  uint32_t count;     /* of hashes */
  uint32_t slots_log; /* 0: these are registers, or there is nothing yet */
} distinct;

static int bits_of(const flow_aggregate *aggregate) {
  return aggregate->family->variant == EXACT ? EXACT_BITS : (int)aggregate->parameter[0];
}

static uint32_t most_of(const flow_aggregate *aggregate) {
  if (aggregate->family->variant == EXACT) return (uint32_t)aggregate->parameter[0];
  return (uint32_t)1 << (bits_of(aggregate) - 4);
}

static int is_sketch(const distinct *of) {
  return of->registers != NULL && of->slots_log == 0;
}

static size_t bytes_of(const flow_aggregate *aggregate, const distinct *of) {
  if (is_sketch(of)) return (size_t)1 << bits_of(aggregate);
  return of->slots == NULL ? 0 : sizeof *of->slots << of->slots_log;
}

/* Returns 1 if it was not there. */
static int insert(uint64_t *slots, uint32_t slots_log, uint64_t hash) {
  uint64_t mask = ((uint64_t)1 << slots_log) - 1, at = flow_placed(hash) & mask;
  for (; slots[at] != 0; at = (at + 1) & mask)
    if (slots[at] == hash) return 0;
  slots[at] = hash;
  return 1;
}

static int grow(distinct *to, int64_t *held) {
  uint32_t slots_log = to->slots == NULL ? 3 : to->slots_log + 1;
  _Static_assert(FIRST_SLOTS == 1 << 3, "the first logarithm is that of the first size");
  uint64_t *slots = calloc((size_t)1 << slots_log, sizeof *slots);
  if (slots == NULL) return STREAM_E_NOMEM;
  size_t before = to->slots == NULL ? 0 : (size_t)1 << to->slots_log;
  for (size_t i = 0; i < before; i++)
    if (to->slots[i] != 0) insert(slots, slots_log, to->slots[i]);
  *held += (int64_t)(sizeof *slots * (((size_t)1 << slots_log) - before));
  free(to->slots);
  to->slots = slots;
  to->slots_log = slots_log;
  return STREAM_OK;
}

/* From the set to registers. */
static int sketch(const flow_aggregate *aggregate, distinct *to, int64_t *held) {
  int bits = bits_of(aggregate);
  uint8_t *registers = calloc((size_t)1 << bits, 1);
  if (registers == NULL) return STREAM_E_NOMEM;
  size_t slots = to->slots == NULL ? 0 : (size_t)1 << to->slots_log;
  for (size_t i = 0; i < slots; i++)
    if (to->slots[i] != 0) flow_hyperloglog_add(registers, bits, to->slots[i]);
  *held += ((int64_t)1 << bits) - (int64_t)bytes_of(aggregate, to);
  free(to->slots);
  *to = (distinct){.registers = registers};
  return STREAM_OK;
}

static int add_hash(const flow_aggregate *aggregate, distinct *to, uint64_t hash, int64_t *held) {
  if (hash == 0) hash = 1;
  if (!is_sketch(to)) {
    if (to->slots == NULL || 2 * (uint64_t)(to->count + 1) > (uint64_t)1 << to->slots_log) {
      int is_full = to->count == most_of(aggregate);
      int status = is_full ? STREAM_OK : grow(to, held);
      if (status != STREAM_OK) return status;
    }
    if (to->count < most_of(aggregate)) {
      to->count += (uint32_t)insert(to->slots, to->slots_log, hash);
      return STREAM_OK;
    }
    uint64_t mask = ((uint64_t)1 << to->slots_log) - 1, at = flow_placed(hash) & mask;
    for (; to->slots[at] != 0; at = (at + 1) & mask)
      if (to->slots[at] == hash) return STREAM_OK;
    int status = sketch(aggregate, to, held);
    if (status != STREAM_OK) return status;
  }
  flow_hyperloglog_add(to->registers, bits_of(aggregate), hash);
  return STREAM_OK;
}

static int add(const flow_aggregate *aggregate, void *state, const stream_value *arguments,
               int64_t time_ns, int64_t *held) {
  (void)time_ns;
  if (arguments->kind == STREAM_NIL) return STREAM_OK;
  return add_hash(aggregate, state, flow_value_hash(arguments, 0), held);
}

static int merge(const flow_aggregate *aggregate, void *state, const void *from, int64_t *held) {
  distinct *to = state;
  const distinct *more = from;
  int status = STREAM_OK;
  if (is_sketch(more)) {
    if (!is_sketch(to)) status = sketch(aggregate, to, held);
    if (status == STREAM_OK)
      flow_hyperloglog_merge(to->registers, more->registers, bits_of(aggregate));
    return status;
  }
  size_t slots = more->slots == NULL ? 0 : (size_t)1 << more->slots_log;
  for (size_t i = 0; i < slots && status == STREAM_OK; i++)
    if (more->slots[i] != 0) status = add_hash(aggregate, to, more->slots[i], held);
  return status;
}

static stream_value result(const flow_aggregate *aggregate, const void *state, flow_arena *arena) {
  (void)arena;
  const distinct *of = state;
  if (!is_sketch(of)) return flow_integer(of->count);
  double estimate = rint(flow_hyperloglog_estimate(of->registers, bits_of(aggregate)));
  return flow_integer(estimate < 0x1p62 ? (int64_t)estimate : INT64_MAX);
}

static void end(const flow_aggregate *aggregate, void *state, int64_t *held) {
  distinct *of = state;
  *held -= (int64_t)bytes_of(aggregate, of);
  free(of->slots);
  *of = (distinct){0};
}

const flow_family flow_family_distinct[] = {
    {"distinct",
     1,
     EXACT,
     sizeof(distinct),
     {{"most", 1, 1, 1 << 24, 65536}},
     add,
     merge,
     result,
     end},
    {"distinct_approx",
     1,
     APPROXIMATE,
     sizeof(distinct),
     {{"bits", 1, 4, 16, 12}},
     add,
     merge,
     result,
     end},
    {0},
};

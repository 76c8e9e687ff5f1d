/* aggregate_top.c - top_k: the Space-Saving algorithm (Metwally, Agrawal, El Abbadi 2005).
**
** There are so many counters. A value that has none when all are taken takes over one whose count is
** least, with its count: so counts may be too high, never too low, and whatever is frequent has one. */
#include "aggregate_family.h"
#include "kept.h"

#include <stdlib.h>
#include <string.h>

#define COUNTERS_LEAST 64
#define COUNTERS_PER_VALUE 8
#define FIRST_COUNTERS 8
#define FREE UINT32_MAX

typedef struct counter {
  flow_kept value;
  uint64_t hash;
} counter;

/* Counts lie by themselves, as the least one is searched for among them. */
typedef struct top {
  counter *counters;
  uint64_t *counts;
  uint32_t
      *places; /* twice as many as counters at least: a counter's number by its hash, or FREE */
  uint32_t count, capacity; /* of counters */
  uint32_t places_log;
  uint32_t hand;  /* no counter before it has the least count, if all are taken */
  uint64_t least; /* not above the least count */
} top;

static uint32_t most_of(const flow_aggregate *aggregate) {
  uint32_t counters = COUNTERS_PER_VALUE * (uint32_t)aggregate->parameter[0];
  return counters < COUNTERS_LEAST ? COUNTERS_LEAST : counters;
}

static size_t bytes_of(const top *of) {
  if (of->capacity == 0) return 0;
  return of->capacity * (sizeof *of->counters + sizeof *of->counts) +
         (sizeof *of->places << of->places_log);
}

static uint32_t place_of(const top *of, uint64_t hash) {
  return (uint32_t)(flow_placed(hash) >> (64 - of->places_log));
}

static uint32_t next_place(const top *of, uint32_t place) {
  return (place + 1) & (((uint32_t)1 << of->places_log) - 1);
}

static void set_place(top *to, uint32_t number) {
  uint32_t place = place_of(to, to->counters[number].hash);
  while (to->places[place] != FREE) place = next_place(to, place);
  to->places[place] = number;
}

/* Those behind it move up, so that each is still found from its first place on. */
static void clear_place(top *to, uint32_t number) {
  uint32_t hole = place_of(to, to->counters[number].hash);
  while (to->places[hole] != number) hole = next_place(to, hole);
  uint32_t mask = ((uint32_t)1 << to->places_log) - 1;
  for (uint32_t at = next_place(to, hole); to->places[at] != FREE; at = next_place(to, at)) {
    uint32_t wanted = place_of(to, to->counters[to->places[at]].hash);
    if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
    to->places[hole] = to->places[at];
    hole = at;
  }
  to->places[hole] = FREE;
}

/* The number of a value's counter, or FREE. */
static uint32_t find(const top *of, uint64_t hash, const stream_value *value) {
  if (of->capacity == 0) return FREE;
  for (uint32_t place = place_of(of, hash);; place = next_place(of, place)) {
    uint32_t number = of->places[place];
    if (number == FREE) return FREE;
    if (of->counters[number].hash == hash && flow_kept_equal(&of->counters[number].value, value))
      return number;
  }
}

static int resize(top *to, uint32_t capacity, int64_t *held) {
  uint32_t places_log = 4;
  while ((uint32_t)1 << places_log < 2 * capacity) places_log++;
  size_t places = (size_t)1 << places_log;
  counter *counters =
      malloc(capacity * (sizeof *to->counters + sizeof *to->counts) + places * sizeof *to->places);
  if (counters == NULL) return STREAM_E_NOMEM;
  top made = *to;
  made.counters = counters;
  made.counts = (uint64_t *)(counters + capacity);
  made.places = (uint32_t *)(made.counts + capacity);
  made.capacity = capacity;
  made.places_log = places_log;
  memset(made.places, 0xff, places * sizeof *made.places);
  if (to->count != 0) {
    memcpy(counters, to->counters, to->count * sizeof *counters);
    memcpy(made.counts, to->counts, to->count * sizeof *made.counts);
  }
  for (uint32_t i = 0; i < made.count; i++) set_place(&made, i);
  *held += (int64_t)bytes_of(&made) - (int64_t)bytes_of(to);
  free(to->counters);
  *to = made;
  return STREAM_OK;
}

/* A counter with the least count. Those before the hand have been seen to have more, and counts never
** fall; when it comes to the end the least count is looked for again. */
static uint32_t least_of(top *to) {
  for (;;) {
    for (; to->hand < to->count; to->hand++)
      if (to->counts[to->hand] == to->least) return to->hand;
    to->least = to->counts[0];
    for (uint32_t i = 1; i < to->count; i++)
      if (to->counts[i] < to->least) to->least = to->counts[i];
    to->hand = 0;
  }
}

static int add(const flow_aggregate *aggregate, void *state, const stream_value *arguments,
               int64_t time_ns, int64_t *held) {
  (void)time_ns;
  top *to = state;
  if (arguments->kind == STREAM_NIL) return STREAM_OK;
  uint64_t hash = flow_value_hash(arguments, 0);
  uint32_t number = find(to, hash, arguments), most = most_of(aggregate);
  if (number != FREE) {
    to->counts[number]++;
    return STREAM_OK;
  }
  if (to->count == to->capacity && to->count < most) {
    uint32_t capacity = to->capacity == 0 ? FIRST_COUNTERS : 2 * to->capacity;
    int status = resize(to, capacity < most ? capacity : most, held);
    if (status != STREAM_OK) return status;
  }
  flow_kept kept;
  int status = flow_keep(&kept, arguments, held);
  if (status != STREAM_OK) return status;
  if (to->count < most) {
    number = to->count++;
    to->counts[number] = 1;
  } else {
    number = least_of(to);
    clear_place(to, number);
    flow_let_go(&to->counters[number].value, held);
    to->counts[number]++;
  }
  to->counters[number] = (counter){kept, hash};
  set_place(to, number);
  return STREAM_OK;
}

/* ---- In the order of their counts --------------------------------------- */

typedef struct ranked {
  uint64_t count, hash;
  flow_kept value;
} ranked;

/* Of equal counts the smaller value is first, so that the order does not depend on how rows came. */
static int by_rank(const void *left, const void *right) {
  const ranked *a = left, *b = right;
  if (a->count != b->count) return a->count > b->count ? -1 : 1;
  stream_value x = flow_kept_value(&a->value), y = flow_kept_value(&b->value);
  stream_order order = stream_compare(&x, &y);
  if (order == STREAM_LESS || order == STREAM_GREATER) return (int)order;
  return (a->hash > b->hash) - (a->hash < b->hash);
}

static uint64_t least_count(const top *of, uint32_t most) {
  if (of->count < most) return 0;
  uint64_t least = of->counts[0];
  for (uint32_t i = 1; i < of->count; i++)
    if (of->counts[i] < least) least = of->counts[i];
  return least;
}

/* What only one has may have been the other's least one, and counts so much more. The greatest stay.
** Counters of `more` come first, as copies; those that do not stay are let go. */
static int merge(const flow_aggregate *aggregate, void *state, const void *from, int64_t *held) {
  top *to = state;
  const top *more = from;
  if (more->count == 0) return STREAM_OK;
  uint32_t most = most_of(aggregate), count = 0;
  uint64_t least = least_count(to, most), least_more = least_count(more, most);
  ranked *all = malloc(((size_t)to->count + more->count + 1) * sizeof *all);
  int status = all == NULL ? STREAM_E_NOMEM : STREAM_OK;
  uint32_t new = 0;
  for (uint32_t i = 0; i < more->count && status == STREAM_OK; i++) {
    stream_value value = flow_kept_value(&more->counters[i].value);
    if (find(to, more->counters[i].hash, &value) != FREE) continue;
    all[new] = (ranked){.count = more->counts[i] + least, .hash = more->counters[i].hash};
    status = flow_keep(&all[new].value, &value, held);
    new += status == STREAM_OK;
  }
  uint32_t total = new + to->count, stay = total < most ? total : most;
  if (status == STREAM_OK && stay > to->capacity) status = resize(to, stay, held);
  if (status != STREAM_OK) {
    for (uint32_t i = 0; i < new; i++) flow_let_go(&all[i].value, held);
    free(all);
    return status;
  }
  for (count = new; count < total; count++) {
    const counter *own = &to->counters[count - new];
    stream_value value = flow_kept_value(&own->value);
    uint32_t other = find(more, own->hash, &value);
    uint64_t extra = other != FREE ? more->counts[other] : least_more;
    all[count] = (ranked){to->counts[count - new] + extra, own->hash, own->value};
  }
  if (total > most) qsort(all, total, sizeof *all, by_rank);
  memset(to->places, 0xff, sizeof *to->places << to->places_log);
  for (uint32_t i = 0; i < total; i++) {
    if (i >= stay) {
      flow_let_go(&all[i].value, held);
      continue;
    }
    to->counters[i] = (counter){all[i].value, all[i].hash};
    to->counts[i] = all[i].count;
    set_place(to, i);
  }
  to->count = stay;
  to->hand = 0;
  to->least = 0;
  free(all);
  return STREAM_OK;
}

static stream_value result(const flow_aggregate *aggregate, const void *state, flow_arena *arena) {
  const top *of = state;
  ranked *all = flow_arena_take(arena, of->count * sizeof *all);
  if (all == NULL) return flow_nil();
  for (uint32_t i = 0; i < of->count; i++)
    all[i] = (ranked){of->counts[i], of->counters[i].hash, of->counters[i].value};
  qsort(all, of->count, sizeof *all, by_rank);
  uint32_t count = (uint32_t)aggregate->parameter[0];
  if (count > of->count) count = of->count;
  stream_value *pairs = flow_arena_take(arena, count * sizeof *pairs);
  if (pairs == NULL) return flow_nil();
  for (uint32_t i = 0; i < count; i++) {
    stream_value pair[2] = {flow_kept_value(&all[i].value), flow_integer((int64_t)all[i].count)};
    pairs[i] = flow_array_of(pair, 2, arena);
  }
  return flow_array_of(pairs, count, arena);
}

static void end(const flow_aggregate *aggregate, void *state, int64_t *held) {
  (void)aggregate;
  top *of = state;
  for (uint32_t i = 0; i < of->count; i++) flow_let_go(&of->counters[i].value, held);
  *held -= (int64_t)bytes_of(of);
  free(of->counters);
  *of = (top){0};
}

const flow_family flow_family_top[] = {
    {"top_k", 1, 0, sizeof(top), {{"k", 1, 1, 1000, 0}}, add, merge, result, end},
    {0},
};

/* aggregate_quantile.c - quantile: a KLL sketch (Karnin, Lang, Liberty 2016).
**
** Level h has numbers that stand for 2^h each. When there are too many, the lowest level that is over its
** share is sorted, and every other of its numbers goes up. Higher levels have larger shares, by 3/2, as
** what is lost there weighs more. Least and greatest are kept beside, exactly. */
#include "aggregate_family.h"
#include "arithmetic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS_MAX 60
#define SHARE_LEAST 8
#define FIRST_NUMBERS 4

typedef struct level {
  double *numbers;
  uint32_t count, capacity;
} level;

typedef struct quantile {
  uint64_t count; /* of all rows */
  double least, greatest;
  level *levels;
  uint32_t level_count;
  uint32_t kept, room; /* numbers in all levels; when they are too many */
  uint32_t random;
} quantile;

/* How many numbers level h of so many has at most when it is not to be halved. */
static uint32_t share_of(const flow_aggregate *aggregate, uint32_t levels, uint32_t h) {
  double share = aggregate->parameter[1] * pow(2.0 / 3, (double)(levels - 1 - h));
  return share < SHARE_LEAST ? SHARE_LEAST : (uint32_t)ceil(share);
}

static int add_level(const flow_aggregate *aggregate, quantile *to, int64_t *held) {
  if (to->level_count == LEVELS_MAX) return STREAM_E_NOMEM; /* 2^60 rows */
  level *levels = realloc(to->levels, (to->level_count + 1) * sizeof *levels);
  if (levels == NULL) return STREAM_E_NOMEM;
  *held += (int64_t)sizeof *levels;
  to->levels = levels;
  levels[to->level_count++] = (level){0};
  to->room = 0;
  for (uint32_t h = 0; h < to->level_count; h++)
    to->room += share_of(aggregate, to->level_count, h);
  return STREAM_OK;
}

static int reserve(level *of, uint32_t more, int64_t *held) {
  uint32_t capacity = of->capacity == 0 ? FIRST_NUMBERS : of->capacity;
  while (capacity - of->count < more) capacity += (capacity / 8 + 1) * 4; /* about 3/2 */
  if (capacity == of->capacity) return STREAM_OK;
  double *numbers = realloc(of->numbers, capacity * sizeof *numbers);
  if (numbers == NULL) return STREAM_E_NOMEM;
  *held += (int64_t)((capacity - of->capacity) * sizeof *numbers);
  of->numbers = numbers;
  of->capacity = capacity;
  return STREAM_OK;
}

/* A level that went up is full again only after as many rows as there were below it. */
static void shrink(level *of, int64_t *held) {
  if (of->capacity <= FIRST_NUMBERS) return;
  double *numbers = realloc(of->numbers, FIRST_NUMBERS * sizeof *numbers);
  if (numbers == NULL) return;
  *held -= (int64_t)((of->capacity - FIRST_NUMBERS) * sizeof *numbers);
  of->numbers = numbers;
  of->capacity = FIRST_NUMBERS;
}

/* Shell's, with Ciura's gaps: levels have a few hundred numbers, and many are sorted in runs. */
static void sort(double *numbers, uint32_t count) {
  static const uint32_t gaps[] = {8861, 3938, 1750, 701, 301, 132, 57, 23, 10, 4, 1};
  for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++)
    for (uint32_t gap = gaps[g], i = gap; i < count; i++) {
      double number = numbers[i];
      uint32_t at = i;
      for (; at >= gap && numbers[at - gap] > number; at -= gap) numbers[at] = numbers[at - gap];
      numbers[at] = number;
    }
}

/* Of an odd number one stays where it is. Without memory nothing is done: there are more numbers than
** need be for a while. */
static int halve(const flow_aggregate *aggregate, quantile *to, uint32_t h, int64_t *held) {
  if (h + 1 == to->level_count && add_level(aggregate, to, held) != STREAM_OK) return -1;
  level *low = &to->levels[h], *high = low + 1;
  uint32_t stays = low->count & 1, pairs = low->count / 2;
  if (reserve(high, pairs, held) != STREAM_OK) return -1;
  sort(low->numbers + stays, low->count - stays);
  to->random = to->random * 1664525 + 1013904223;
  uint32_t which = to->random >> 31;
  for (uint32_t i = 0; i < pairs; i++)
    high->numbers[high->count++] = low->numbers[stays + 2 * i + which];
  low->count = stays;
  if (h != 0) shrink(low, held);
  to->kept -= pairs;
  return 0;
}

static void compress(const flow_aggregate *aggregate, quantile *to, int64_t *held) {
  while (to->kept > to->room) {
    uint32_t h = 0;
    while (h + 1 < to->level_count && to->levels[h].count < share_of(aggregate, to->level_count, h))
      h++;
    if (halve(aggregate, to, h, held) != 0) return;
  }
}

static int add(const flow_aggregate *aggregate, void *state, const stream_value *arguments,
               int64_t time_ns, int64_t *held) {
  quantile *to = state;
  double number = flow_is_number(arguments) ? flow_double_of(arguments) : NAN;
  if (number != number) return STREAM_OK;
  if (to->level_count == 0) {
    int status = add_level(aggregate, to, held);
    if (status != STREAM_OK) return status;
    /* different panes are not to make the same choices */
    to->random = (uint32_t)flow_value_hash(arguments, (uint64_t)time_ns);
    to->least = to->greatest = number;
  }
  level *lowest = &to->levels[0];
  if (lowest->count == lowest->capacity) {
    int status = reserve(lowest, 1, held);
    if (status != STREAM_OK) return status;
  }
  lowest->numbers[lowest->count++] = number;
  to->kept++;
  to->count++;
  if (number < to->least) to->least = number;
  if (number > to->greatest) to->greatest = number;
  if (to->kept > to->room) compress(aggregate, to, held);
  return STREAM_OK;
}

static int merge(const flow_aggregate *aggregate, void *state, const void *from, int64_t *held) {
  quantile *to = state;
  const quantile *more = from;
  if (more->count == 0) return STREAM_OK;
  while (to->level_count < more->level_count)
    if (add_level(aggregate, to, held) != STREAM_OK) return STREAM_E_NOMEM;
  for (uint32_t h = 0; h < more->level_count; h++)
    if (reserve(&to->levels[h], more->levels[h].count, held) != STREAM_OK) return STREAM_E_NOMEM;
  for (uint32_t h = 0; h < more->level_count; h++) {
    level *low = &to->levels[h];
    size_t count = more->levels[h].count;
    if (count != 0)
      memcpy(low->numbers + low->count, more->levels[h].numbers, count * sizeof(double));
    low->count += (uint32_t)count;
  }
  to->least = to->count == 0 || more->least < to->least ? more->least : to->least;
  to->greatest = to->count == 0 || more->greatest > to->greatest ? more->greatest : to->greatest;
  to->count += more->count;
  to->kept += more->kept;
  to->random ^= more->random;
  compress(aggregate, to, held);
  return STREAM_OK;
}

typedef struct weighed {
  double number;
  uint64_t weight;
} weighed;

static int by_number(const void *left, const void *right) {
  double a = ((const weighed *)left)->number, b = ((const weighed *)right)->number;
  return (a > b) - (a < b);
}

/* The least number that is not exceeded by a share of q of the rows. */
static stream_value result(const flow_aggregate *aggregate, const void *state, flow_arena *arena) {
  const quantile *of = state;
  double q = aggregate->parameter[0];
  if (of->count == 0) return flow_nil();
  if (q == 0) return flow_float(of->least);
  if (q == 1) return flow_float(of->greatest);
  weighed *all = flow_arena_take(arena, of->kept * sizeof *all);
  if (all == NULL) return flow_nil();
  uint32_t count = 0;
  for (uint32_t h = 0; h < of->level_count; h++)
    for (uint32_t i = 0; i < of->levels[h].count; i++)
      all[count++] = (weighed){of->levels[h].numbers[i], (uint64_t)1 << h};
  qsort(all, count, sizeof *all, by_number);
  double wanted = ceil(q * (double)of->count), seen = 0;
  uint32_t at = 0;
  for (; at + 1 < count; at++) {
    seen += (double)all[at].weight;
    if (seen >= wanted) break;
  }
  return flow_float(all[at].number);
}

static void end(const flow_aggregate *aggregate, void *state, int64_t *held) {
  (void)aggregate;
  quantile *of = state;
  for (uint32_t h = 0; h < of->level_count; h++) {
    *held -= (int64_t)(of->levels[h].capacity * sizeof(double));
    free(of->levels[h].numbers);
  }
  *held -= (int64_t)(of->level_count * sizeof *of->levels);
  free(of->levels);
  *of = (quantile){0};
}

const flow_family flow_family_quantile[] = {
    {"quantile",
     1,
     0,
     sizeof(quantile),
     {{"q", 0, 0, 1, -1}, {"k", 1, 8, 4096, 200}},
     add,
     merge,
     result,
     end},
    {0},
};

/* aggregate_lists.c - last_n, collect: values in the order of their times, in a ring. */
#include "aggregate_family.h"
#include "kept.h"

#include <stdlib.h>
#include <string.h>

enum { LAST, FIRST };

#define FIRST_ITEMS 4
#define ITEMS_MAX 10000

typedef struct item {
  int64_t time_ns;
  flow_kept value;
} item;

typedef struct list {
  item *items;
  uint32_t first, count;
  uint32_t capacity; /* 0, or a power of two */
  uint32_t unused;
} list;

static item *item_at(const list *of, uint32_t i) {
  return &of->items[(of->first + i) & (of->capacity - 1)];
}

static int grow(list *to, int64_t *held) {
  uint32_t capacity = to->capacity == 0 ? FIRST_ITEMS : 2 * to->capacity;
  item *items = malloc(capacity * sizeof *items);
  if (items == NULL) return STREAM_E_NOMEM;
  for (uint32_t i = 0; i < to->count; i++) items[i] = *item_at(to, i);
  *held += (int64_t)((capacity - to->capacity) * sizeof *items);
  free(to->items);
  to->items = items;
  to->capacity = capacity;
  to->first = 0;
  return STREAM_OK;
}

/* Behind all that are as old or older. There is room. */
static void insert(list *to, const item *new) {
  uint32_t at = to->count++;
  for (; at != 0 && item_at(to, at - 1)->time_ns > new->time_ns; at--)
    *item_at(to, at) = *item_at(to, at - 1);
  *item_at(to, at) = *new;
}

static int add(const flow_aggregate *aggregate, void *state, const stream_value *arguments,
               int64_t time_ns, int64_t *held) {
  list *to = state;
  uint32_t most = (uint32_t)aggregate->parameter[0];
  int keeps_last = aggregate->family->variant == LAST, is_full = to->count == most;
  if (arguments->kind == STREAM_NIL) return STREAM_OK;
  if (is_full && keeps_last && time_ns < item_at(to, 0)->time_ns) return STREAM_OK;
  if (is_full && !keeps_last && time_ns >= item_at(to, most - 1)->time_ns) return STREAM_OK;
  int status = !is_full && to->count == to->capacity ? grow(to, held) : STREAM_OK;
  item new = {.time_ns = time_ns};
  if (status == STREAM_OK) status = flow_keep(&new.value, arguments, held);
  if (status != STREAM_OK) return status;
  if (is_full && keeps_last) {
    flow_let_go(&item_at(to, 0)->value, held);
    to->first = (to->first + 1) & (to->capacity - 1);
    to->count--;
  } else if (is_full) {
    flow_let_go(&item_at(to, --to->count)->value, held);
  }
  insert(to, &new);
  return STREAM_OK;
}

static int merge(const flow_aggregate *aggregate, void *state, const void *from, int64_t *held) {
  const list *more = from;
  int status = STREAM_OK;
  for (uint32_t i = 0; i < more->count && status == STREAM_OK; i++) {
    const item *one = item_at(more, i);
    stream_value value = flow_kept_value(&one->value);
    status = add(aggregate, state, &value, one->time_ns, held);
  }
  return status;
}

static stream_value result(const flow_aggregate *aggregate, const void *state, flow_arena *arena) {
  (void)aggregate;
  const list *of = state;
  stream_value *values = flow_arena_take(arena, of->count * sizeof *values);
  if (values == NULL) return flow_nil();
  for (uint32_t i = 0; i < of->count; i++) values[i] = flow_kept_value(&item_at(of, i)->value);
  return flow_array_of(values, of->count, arena);
}

static void end(const flow_aggregate *aggregate, void *state, int64_t *held) {
  (void)aggregate;
  list *of = state;
  for (uint32_t i = 0; i < of->count; i++) flow_let_go(&item_at(of, i)->value, held);
  *held -= (int64_t)(of->capacity * sizeof *of->items);
  free(of->items);
  *of = (list){0};
}

#define COUNT {{"n", 1, 1, ITEMS_MAX, 0}}

const flow_family flow_family_lists[] = {
    {"last_n", 1, LAST, sizeof(list), COUNT, add, merge, result, end},
    {"collect", 1, FIRST, sizeof(list), COUNT, add, merge, result, end},
    {0},
};

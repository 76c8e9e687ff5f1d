/* join.c - two inputs by key: rows of either side wait for those of the other one that may come. */
#include <stdlib.h>

#include "shelf.h"

typedef struct flow_meeting {
  flow_shelf side[2];
} flow_meeting;

/* Times of the other side's rows that a row meets. */
typedef struct reach {
  int64_t from, until; /* both in it */
} reach;

static reach reach_of(const flow_join *join, int side, int64_t time) {
  if (join->window_ns != 0) {
    int64_t start = flow_time_floor(time, join->window_ns, 0);
    return (reach){start, flow_time_sum(start, join->window_ns - 1)};
  }
  if (side == 0)
    return (reach){flow_time_sum(time, join->lower_ns), flow_time_sum(time, join->upper_ns)};
  return (reach){flow_time_sum(time, -join->upper_ns), flow_time_sum(time, -join->lower_ns)};
}

/* A result of a left and a right row; one of them may be NULL. */
static void put(flow_run *run, const flow_stage *stage, const stream_value *const sides[2],
                int64_t window_time, int64_t time) {
  const flow_join *join = &stage->join;
  stream_value joined[FLOW_COLUMNS_MAX];
  int64_t start =
      join->window_ns != 0 ? flow_time_floor(window_time, join->window_ns, 0) : window_time;
  for (uint32_t i = 0; i < join->joined->count; i++) {
    int side = join->origin[i].side;
    joined[i] = side == 2             ? flow_integer(start)
                : side == 3           ? flow_integer(flow_time_sum(start, join->window_ns))
                : sides[side] != NULL ? sides[side][join->origin[i].column]
                                      : flow_nil();
  }
  flow_row *row = flow_run_output(run, stage->leaving->count, time);
  if (row != NULL) flow_assign(&join->output, joined, row->values, run->arena);
}

/* With all rows of the other side that it meets. */
static void meet(flow_run *run, flow_key *key, flow_meeting *meeting, int side, flow_stored *kept,
                 const stream_value *values) {
  const flow_stage *stage = key->stage;
  const flow_shelf *others = &meeting->side[1 - side];
  reach wanted = reach_of(&stage->join, side, kept->time_ns);
  for (uint32_t i = flow_shelf_find(others, wanted.from);
       i < others->count && others->row[i]->time_ns <= wanted.until; i++) {
    flow_stored *other = others->row[i];
    const stream_value *found = flow_stored_values(run, other, stage->join.sides[1 - side]->count);
    if (found == NULL) {
      run->refused = 1;
      return;
    }
    const stream_value *sides[2] = {side == 0 ? values : found, side == 0 ? found : values};
    int64_t time = kept->time_ns > other->time_ns ? kept->time_ns : other->time_ns;
    put(run, stage, sides, kept->time_ns, time);
    kept->mark = other->mark = 1;
  }
}

static int take(flow_run *run, flow_shard *shard, flow_key *key, int side, const flow_row *row) {
  const flow_join *join = &key->stage->join;
  int64_t watermark = atomic_load_explicit(&key->stage->watermark, memory_order_relaxed);
  flow_meeting *meeting = key->state;
  if (meeting == NULL) {
    meeting = calloc(1, sizeof *meeting);
    if (meeting == NULL) {
      run->refused = 1;
      return 0;
    }
    key->state = meeting;
    flow_key_charge(key, sizeof *meeting);
  }
  int has_rows = meeting->side[0].count + meeting->side[1].count != 0;
  int64_t until = reach_of(join, side, row->time_ns).until;
  if (join->window_ns != 0 ? until < watermark : row->time_ns < watermark) {
    run->late = 1;
    return has_rows;
  }
  flow_stored *kept = flow_stored_new(key, row, join->sides[side]->count);
  if (kept == NULL) {
    run->refused = 1;
    return has_rows;
  }
  meet(run, key, meeting, side, kept, row->values);
  /* what has no time left goes when its time is looked at */
  if (flow_shelf_put(key, &meeting->side[side], kept) != 0) {
    flow_stored_free(key, kept);
    run->refused = 1;
    return has_rows;
  }
  if (flow_key_wait(shard, key, flow_time_sum(until, 1)) != 0) run->refused = 1;
  return 1;
}

/* Rows of a side that nothing can meet any more; a left one that nothing has met leaves alone. When the
** next one goes. */
static int64_t drop_met(flow_run *run, flow_key *key, flow_meeting *meeting, int side,
                        int64_t now) {
  const flow_stage *stage = key->stage;
  flow_shelf *shelf = &meeting->side[side];
  uint32_t over = 0;
  for (; over < shelf->count; over++) {
    const flow_stored *kept = shelf->row[over];
    int64_t until = reach_of(&stage->join, side, kept->time_ns).until;
    if (until >= now) break;
    if (side != 0 || !stage->join.outer || kept->mark) continue;
    const stream_value *values = flow_stored_values(run, kept, stage->join.sides[0]->count);
    const stream_value *sides[2] = {values, NULL};
    if (values != NULL)
      put(run, stage, sides, kept->time_ns, until > kept->time_ns ? until : kept->time_ns);
    else run->refused = 1;
  }
  flow_shelf_shift(key, shelf, over);
  if (shelf->count == 0) return FLOW_NEVER;
  return flow_time_sum(reach_of(&stage->join, side, shelf->row[0]->time_ns).until, 1);
}

static int64_t due(flow_run *run, flow_key *key, int64_t now, int *empty) {
  flow_meeting *meeting = key->state;
  int64_t left = drop_met(run, key, meeting, 0, now), right = drop_met(run, key, meeting, 1, now);
  *empty = meeting->side[0].count + meeting->side[1].count == 0;
  return left < right ? left : right;
}

static void let_go(flow_key *key) {
  flow_meeting *meeting = key->state;
  if (meeting == NULL) return;
  flow_shelf_free(key, &meeting->side[0]);
  flow_shelf_free(key, &meeting->side[1]);
  flow_key_charge(key, -(int64_t)sizeof *meeting);
  free(meeting);
}

const flow_keyed flow_join_keyed = {take, due, let_go};

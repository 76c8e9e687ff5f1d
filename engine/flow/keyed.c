/* keyed.c - see keyed.h. */
#include "keyed.h"

#include <stdlib.h>
#include <string.h>

#include "../stream/symbol.h"
#include "set.h"

#define BUCKETS_MIN 16u
#define BATCH 256   /* keys that fire between two locks */
#define ELSEWHERE 8 /* keys of other shards that one row may cost */

static const flow_keyed *kind_of(const flow_stage *stage) {
  switch (stage->operator) {
  case FLOW_WINDOW: return &flow_window_keyed;
  case FLOW_JOIN: return &flow_join_keyed;
  case FLOW_SEQUENCE: return &flow_sequence_keyed;
  default: return &flow_top_keyed;
  }
}

/* ---- Timers ---- */

static void lower(_Atomic int64_t *time, int64_t to) {
  int64_t seen = atomic_load(time);
  while (to < seen && !atomic_compare_exchange_weak(time, &seen, to)) {
  }
}

static void place(flow_timers *timers, uint32_t at, flow_key *key) {
  timers->keys[at] = key;
  key->place = at + 1;
}

static void sift_up(flow_timers *timers, uint32_t at) {
  flow_key *key = timers->keys[at];
  for (; at != 0 && timers->keys[(at - 1) / 2]->due > key->due; at = (at - 1) / 2)
    place(timers, at, timers->keys[(at - 1) / 2]);
  place(timers, at, key);
}

static void sift_down(flow_timers *timers, uint32_t at) {
  flow_key *key = timers->keys[at];
  for (uint32_t child; (child = 2 * at + 1) < timers->count; at = child) {
    if (child + 1 < timers->count && timers->keys[child + 1]->due < timers->keys[child]->due)
      child++;
    if (timers->keys[child]->due >= key->due) break;
    place(timers, at, timers->keys[child]);
  }
  place(timers, at, key);
}

static void note_first(flow_stage *stage, flow_timers *timers) {
  int64_t first = timers->count != 0 ? timers->keys[0]->due : FLOW_NEVER;
  atomic_store(&timers->first, first);
  lower(&stage->due, first);
}

static void leave_timers(flow_timers *timers, flow_key *key) {
  if (key->place == 0) return;
  uint32_t at = key->place - 1;
  flow_key *last = timers->keys[--timers->count];
  key->place = 0;
  if (last == key) return;
  place(timers, at, last);
  sift_up(timers, at);
  sift_down(timers, last->place - 1);
}

int flow_key_wait(flow_shard *shard, flow_key *key, int64_t due) {
  flow_timers *timers = &key->stage->timers[shard->number];
  if (due == FLOW_NEVER || (key->place != 0 && key->due <= due)) return 0;
  if (key->place == 0) {
    if (timers->count == timers->capacity) {
      uint32_t capacity = timers->capacity != 0 ? timers->capacity * 2 : 16;
      flow_key **more = realloc(timers->keys, capacity * sizeof *more);
      if (more == NULL) return -1;
      timers->keys = more;
      timers->capacity = capacity;
    }
    place(timers, timers->count++, key);
  }
  key->due = due;
  sift_up(timers, key->place - 1);
  note_first(key->stage, timers);
  return 0;
}

/* ---- Keys ---- */

int flow_shard_init(flow_shard *shard, uint32_t number) {
  memset(shard, 0, sizeof *shard);
  shard->number = number;
  pthread_mutex_init(&shard->lock, NULL);
  shard->mask = BUCKETS_MIN - 1;
  shard->buckets = calloc(BUCKETS_MIN, sizeof(flow_key *));
  return shard->buckets != NULL ? 0 : -1;
}

void flow_shard_free(flow_shard *shard) {
  free(shard->buckets);
  pthread_mutex_destroy(&shard->lock);
}

void flow_key_charge(flow_key *key, int64_t bytes) {
  flow_core *core = key->stage->core;
  key->bytes += (uint64_t)bytes;
  atomic_fetch_add_explicit(&core->bytes, (uint64_t)bytes, memory_order_relaxed);
  atomic_fetch_add_explicit(&core->set->bytes, (uint64_t)bytes, memory_order_relaxed);
}

static flow_key *find(const flow_shard *shard, const flow_stage *stage, stream_text text,
                      uint64_t hash) {
  flow_key *key = shard->buckets[hash & shard->mask];
  for (; key != NULL; key = key->next)
    if (key->hash == hash && key->stage == stage && key->len == text.len &&
        memcmp(key->text, text.data, text.len) == 0)
      return key;
  return NULL;
}

static void put_newest(flow_shard *shard, flow_key *key) {
  key->newer = NULL;
  key->older = shard->newest;
  if (shard->newest != NULL) shard->newest->newer = key;
  else shard->oldest = key;
  shard->newest = key;
}

static void take_out(flow_shard *shard, flow_key *key) {
  *(key->newer != NULL ? &key->newer->older : &shard->newest) = key->older;
  *(key->older != NULL ? &key->older->newer : &shard->oldest) = key->newer;
}

/* Twice the buckets, if there is memory. */
static void grow(flow_shard *shard) {
  uint32_t mask = shard->mask * 2 + 1;
  flow_key **buckets = shard->keys > shard->mask ? calloc(mask + 1u, sizeof *buckets) : NULL;
  if (buckets == NULL) return;
  for (uint32_t i = 0; i <= shard->mask; i++)
    for (flow_key *key = shard->buckets[i], *next; key != NULL; key = next) {
      next = key->next;
      key->next = buckets[key->hash & mask];
      buckets[key->hash & mask] = key;
    }
  free(shard->buckets);
  shard->buckets = buckets;
  shard->mask = mask;
}

static flow_key *add(flow_shard *shard, flow_stage *stage, stream_text text, uint64_t hash) {
  flow_key *key = calloc(1, sizeof *key + text.len);
  if (key == NULL) return NULL;
  grow(shard);
  key->stage = stage;
  key->hash = hash;
  key->len = (uint32_t)text.len;
  memcpy(key->text, text.data, text.len);
  key->next = shard->buckets[hash & shard->mask];
  shard->buckets[hash & shard->mask] = key;
  put_newest(shard, key);
  shard->keys++;
  flow_key_charge(key, (int64_t)(sizeof *key + text.len));
  atomic_fetch_add_explicit(&stage->core->keys, 1, memory_order_relaxed);
  return key;
}

/* With the lock. */
static void drop(flow_shard *shard, flow_key *key) {
  flow_stage *stage = key->stage;
  flow_key **link = &shard->buckets[key->hash & shard->mask];
  while (*link != key) link = &(*link)->next;
  *link = key->next;
  take_out(shard, key);
  shard->keys--;
  leave_timers(&stage->timers[shard->number], key);
  kind_of(stage)->free(key);
  flow_key_charge(key, -(int64_t)key->bytes);
  atomic_fetch_sub_explicit(&stage->core->keys, 1, memory_order_relaxed);
  free(key);
}

static void give_up(flow_shard *shard, flow_key *key) {
  atomic_fetch_add_explicit(&key->stage->core->dropped, 1, memory_order_relaxed);
  drop(shard, key);
}

static int is_over(flow_set *set) {
  return atomic_load_explicit(&set->bytes, memory_order_relaxed) > set->config.max_bytes;
}

/* Bounds are kept by giving up keys, of this shard first. `key` goes only if nothing else helps. */
static void make_room(flow_set *set, flow_shard *shard, flow_key *key) {
  while (is_over(set) && shard->oldest != key) give_up(shard, shard->oldest);
  uint32_t shards = set->config.shards;
  for (uint32_t i = 1, given = 0; is_over(set) && i < shards && given < ELSEWHERE; i++) {
    flow_shard *other = &set->shards[(shard->number + i) % shards];
    if (pthread_mutex_trylock(&other->lock) != 0) continue;
    for (; is_over(set) && other->oldest != NULL && given < ELSEWHERE; given++)
      give_up(other, other->oldest);
    pthread_mutex_unlock(&other->lock);
  }
  if (is_over(set)) give_up(shard, key);
}

/* ---- Rows and times ---- */

static void tell_late(flow_run *run, const flow_row *row) {
  atomic_fetch_add_explicit(&run->flow->core->late, 1, memory_order_relaxed);
  const flow_event *event = row->event;
  if (event == NULL) return;
  if (run->set->config.late != NULL) run->set->config.late(run->context, run->flow->user, event);
  if (run->flow->core->late_into.data == NULL) return;
  flow_output output = {.user = run->flow->user,
                        .into = run->flow->core->late_into,
                        .key = event->key,
                        .time_ns = event->time_ns,
                        .row = event->whole,
                        .way = event->way};
  run->set->config.emit(run->context, &output);
}

void flow_keyed_take(flow_run *run, flow_stage *stage, int side, flow_row *row) {
  flow_set *set = run->set;
  const flow_group *group = stage->operator == FLOW_JOIN ? &stage->join.group[side] : &stage->group;
  stream_text text = flow_group_key(group, row->values, run->arena);
  run->late = 0;
  run->way = row->way;
  run->refused = text.len > FLOW_KEY_BYTES_MAX;
  if (!run->refused) {
    uint64_t hash = stream_mix(stream_hash(text, set->seed), (uint64_t)(uintptr_t)stage);
    flow_shard *shard = &set->shards[(hash >> 40) % set->config.shards];
    pthread_mutex_lock(&shard->lock);
    if (stage->core->arrival) {
      /* what comes now is not late, though another thread has moved time on meanwhile */
      int64_t now = atomic_load_explicit(&stage->watermark, memory_order_relaxed);
      if (row->time_ns < now) row->time_ns = now;
    }
    flow_key *key = find(shard, stage, text, hash);
    if (key == NULL) {
      key = add(shard, stage, text, hash);
    } else if (shard->newest != key) {
      take_out(shard, key);
      put_newest(shard, key);
    }
    if (key != NULL) key->way = row->way;
    if (key == NULL) run->refused = 1;
    else if (!kind_of(stage)->take(run, shard, key, side, row)) drop(shard, key);
    else if (is_over(set)) make_room(set, shard, key);
    pthread_mutex_unlock(&shard->lock);
  }
  if (run->refused) atomic_fetch_add_explicit(&run->flow->core->refused, 1, memory_order_relaxed);
  if (run->late) tell_late(run, row);
  if (run->first != NULL) flow_run_hand_on(run, stage);
}

/* Some keys of a shard that are due; 0: none is left. */
static int fire_some(flow_run *run, flow_stage *stage, flow_shard *shard, int64_t now) {
  flow_timers *timers = &stage->timers[shard->number];
  const flow_keyed *kind = kind_of(stage);
  run->refused = 0;
  pthread_mutex_lock(&shard->lock);
  for (int i = 0; i < BATCH && timers->count != 0 && timers->keys[0]->due <= now; i++) {
    flow_key *key = timers->keys[0];
    int empty = 0;
    run->way = key->way;
    int64_t next = kind->due(run, key, now, &empty);
    if (empty) {
      drop(shard, key);
    } else if (next == FLOW_NEVER) {
      leave_timers(timers, key);
    } else {
      key->due = next > now ? next : flow_time_sum(now, 1);
      sift_down(timers, 0);
    }
  }
  note_first(stage, timers);
  int more = timers->count != 0 && timers->keys[0]->due <= now;
  pthread_mutex_unlock(&shard->lock);
  if (run->refused) atomic_fetch_add_explicit(&run->flow->core->refused, 1, memory_order_relaxed);
  flow_run_hand_on(run, stage);
  flow_arena_reset(run->arena);
  return more;
}

void flow_keyed_fire(flow_run *run, flow_stage *stage, int64_t now) {
  flow_set *set = run->set;
  atomic_store(&stage->due, FLOW_NEVER);
  for (uint32_t i = 0; i < set->config.shards; i++) {
    int64_t first = atomic_load(&stage->timers[i].first);
    if (first > now) {
      lower(&stage->due, first);
      continue;
    }
    while (fire_some(run, stage, &set->shards[i], now)) {
    }
  }
}

void flow_keyed_forget(flow_set *set, const flow_core *core) {
  for (uint32_t i = 0; i < set->config.shards; i++) {
    flow_shard *shard = &set->shards[i];
    pthread_mutex_lock(&shard->lock);
    for (flow_key *key = shard->oldest, *newer; key != NULL; key = newer) {
      newer = key->newer;
      if (key->stage->core == core) drop(shard, key);
    }
    pthread_mutex_unlock(&shard->lock);
  }
}

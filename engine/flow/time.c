/* time.c - the watermark of a flow: what its sources have seen, and what fires when it goes on.
**
** It is as far as the source that is behind has come. One that is silent for a while holds nothing back
** until its next event; when all are, time goes on with the clock, so that the last window does not wait
** for ever.
**
** One thread at a time moves it on: whoever finds another one at it leaves the work to that one, which
** looks again before it ends. So nobody waits, and a stage's watermark is raised only when what the
** stages before it had to give at that time has come to it.
*/
#include <time.h>

#include "set.h"

static void raise(_Atomic int64_t *time, int64_t to) {
  int64_t seen = atomic_load_explicit(time, memory_order_relaxed);
  while (to > seen && !atomic_compare_exchange_weak(time, &seen, to)) {
  }
}

/* The source that holds back again has its new time by then. */
void flow_source_saw(flow_source *source, int64_t time_ns) {
  raise(&source->latest, time_ns);
  atomic_fetch_add(&source->events, 1);
}

static int is_idle(flow_source *source) {
  return atomic_load(&source->idle_at) == atomic_load(&source->events);
}

/* As far as all sources have come that are not silent; INT64_MIN: one has not begun. Before FLOW_NEVER:
** what waits for ever is never due. */
static int64_t reached(flow_core *core) {
  int64_t least = INT64_MAX;
  int are_idle = 1;
  for (uint32_t i = 0; i < core->input_count; i++) {
    flow_input *input = &core->input[i];
    for (uint32_t k = 0; k < input->source_count; k++) {
      if (is_idle(&input->source[k])) continue;
      int64_t latest = atomic_load(&input->source[k].latest);
      if (latest < least) least = latest;
      are_idle = 0;
    }
  }
  if (are_idle) least = atomic_load(&core->rested);
  if (least == INT64_MIN) return least;
  int64_t time = flow_time_sum(least, -core->lateness_ns);
  return time < FLOW_NEVER ? time : FLOW_NEVER - 1;
}

/* Has a stage something that is due already? A row may have come while time went on. */
static int is_due(const flow_core *core) {
  int64_t watermark = atomic_load(&core->watermark);
  for (uint32_t i = 0; i < core->stage_count; i++)
    if (core->stage[i]->timers != NULL && atomic_load(&core->stage[i]->due) <= watermark) return 1;
  return 0;
}

static void move_on(flow_run *run, flow_core *core, int64_t to) {
  for (uint32_t i = 0; i < core->stage_count; i++) {
    flow_stage *stage = core->stage[i];
    if (stage->timers == NULL) continue;
    raise(&stage->watermark, to);
    if (atomic_load(&stage->due) <= to) flow_keyed_fire(run, stage, to);
  }
  raise(&core->watermark, to);
}

void flow_core_advance(flow_run *run) {
  flow_core *core = run->flow->core;
  raise(&core->wanted, reached(core));
  for (;;) {
    int64_t wanted = atomic_load(&core->wanted);
    if (wanted == INT64_MIN) return;
    if (wanted <= atomic_load(&core->watermark) && !is_due(core)) return;
    if (atomic_exchange(&core->advancing, 1)) return;
    flow_arena_reset(run->arena);
    move_on(run, core, atomic_load(&core->wanted));
    atomic_store(&core->advancing, 0);
  }
}

/* Is it silent now? A clock that goes back begins the wait anew. */
static int tick_source(flow_source *source, int64_t wall_ns, uint64_t idle_ns) {
  uint64_t events = atomic_load(&source->events);
  if (events != source->ticked_events || source->ticked_ns == 0 || wall_ns < source->ticked_ns) {
    source->ticked_events = events;
    source->ticked_ns = wall_ns;
  } else if ((uint64_t)wall_ns - (uint64_t)source->ticked_ns >= idle_ns) {
    atomic_store(&source->idle_at, events);
  }
  return is_idle(source);
}

void flow_core_tick(flow_core *core, int64_t wall_ns) {
  if (atomic_load(&core->events) == 0) return;
  uint64_t idle_ns = core->idle_ns != 0 ? (uint64_t)core->idle_ns : core->set->config.idle_ns;
  int are_idle = !core->arrival;
  for (uint32_t i = 0; i < core->input_count; i++) {
    flow_input *input = &core->input[i];
    for (uint32_t k = 0; k < input->source_count; k++) {
      if (core->arrival) raise(&input->source[k].latest, wall_ns);
      else if (!tick_source(&input->source[k], wall_ns, idle_ns)) are_idle = 0;
    }
  }
  if (are_idle) raise(&core->rested, wall_ns);
}

void flow_core_restart(flow_core *core) {
  for (uint32_t i = 0; i < core->input_count; i++)
    for (uint32_t k = 0; k < core->input[i].source_count; k++)
      core->input[i].source[k].ticked_ns = 0;
}

void flow_core_finish(flow_core *core) {
  raise(&core->rested, INT64_MAX - 1);
  for (uint32_t i = 0; i < core->input_count; i++)
    for (uint32_t k = 0; k < core->input[i].source_count; k++)
      raise(&core->input[i].source[k].latest, INT64_MAX - 1);
}

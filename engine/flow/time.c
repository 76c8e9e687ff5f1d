/* time.c - the watermark of a flow: what its inputs have seen, and what fires when it goes on.
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

void flow_input_saw(flow_input *input, int64_t time_ns) {
  raise(&input->latest, time_ns);
  atomic_fetch_add_explicit(&input->events, 1, memory_order_relaxed);
}

/* As far as all inputs have come; INT64_MIN: one has not begun. Before FLOW_NEVER: what waits for ever
** is never due. */
static int64_t reached(flow_core *core) {
  int64_t least = INT64_MAX;
  for (uint32_t i = 0; i < core->input_count; i++) {
    int64_t latest = atomic_load(&core->input[i].latest);
    if (latest < least) least = latest;
  }
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

void flow_core_tick(flow_core *core, int64_t wall_ns, uint64_t idle_ns) {
  if (atomic_load(&core->events) == 0) return;
  for (uint32_t i = 0; i < core->input_count; i++) {
    flow_input *input = &core->input[i];
    uint64_t events = atomic_load(&input->events);
    if (core->arrival) {
      raise(&input->latest, wall_ns);
    } else if (events != input->ticked_events || input->ticked_ns == 0) {
      input->ticked_events = events;
      input->ticked_ns = wall_ns;
    } else if (wall_ns > input->ticked_ns && (uint64_t)(wall_ns - input->ticked_ns) >= idle_ns) {
      raise(&input->latest, wall_ns);
    }
  }
}

void flow_core_finish(flow_core *core) {
  for (uint32_t i = 0; i < core->input_count; i++) raise(&core->input[i].latest, INT64_MAX - 1);
}

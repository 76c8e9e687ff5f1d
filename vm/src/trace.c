/* trace.c - see trace.h. */
#include "trace.h"

#include <stdlib.h>

#include "executor.h"
#include "runtime.h"

/* Spreads ids, which follow each other, over all numbers. */
#define SPREAD 0x9e3779b97f4a7c15ull

void pvm_trace_begin(uint64_t below, const pvm_submit_options *options,
                     pvm_invocation *invocation) {
  int asked = options != NULL && options->trace != 0;
  if (!asked && (invocation->completion.id * SPREAD) >> 32 >= below) return;
  invocation->trace = calloc(1, sizeof *invocation->trace);
}

void pvm_trace_note_kick(pvm_trace_marks *marks) {
  if (marks == NULL) return;
  if (atomic_fetch_add_explicit(&marks->kicks, 1, memory_order_relaxed) == 0)
    pvm_trace_mark(marks, PVM_STAGE_KICKED);
}

void pvm_trace_note_pause(pvm_trace_marks *marks, uint64_t ns) {
  if (marks == NULL) return;
  atomic_fetch_add_explicit(&marks->pauses, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&marks->paused_ns, ns, memory_order_relaxed);
}

void pvm_trace_read(const pvm_invocation *invocation, uint64_t wall_ns, pvm_trace *trace) {
  const pvm_completion *completion = &invocation->completion;
  const pvm_trace_marks *marks = invocation->trace;
  *trace = (pvm_trace){
      .id = completion->id,
      .tag = completion->tag,
      .task = completion->task,
      .outcome = completion->outcome,
      .worker = completion->worker,
      .attempt = completion->attempt,
      .trigger = completion->trigger,
      .kicks = atomic_load_explicit(&marks->kicks, memory_order_relaxed),
      .pauses = atomic_load_explicit(&marks->pauses, memory_order_relaxed),
      .paused_ns = atomic_load_explicit(&marks->paused_ns, memory_order_relaxed),
  };
  for (int stage = 0; stage < PVM_STAGES; stage++) {
    uint64_t at = stage == PVM_STAGE_ACCEPTED
                      ? invocation->accepted_ns
                      : atomic_load_explicit(&marks->at[stage], memory_order_relaxed);
    trace->at_ns[stage] = at != 0 ? wall_ns + at : 0;
  }
}

int pvm_executor_trace(pvm_executor *executor, double share) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (executor == NULL || !(share >= 0 && share <= 1)) return PVM_E_INVALID;
  atomic_store(&executor->traced_below, (uint64_t)(share * 4294967296.0));
  return PVM_OK;
}

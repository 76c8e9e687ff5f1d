/* trace.h - when a traced invocation reached each stage of its way.
**
** Few invocations are traced, most have no marks: then each stage costs looking at a pointer
** that is at hand anyway. Marks are written by whoever has the invocation, and once more by a
** thread that was given up and does not know yet, so they are atomic.
*/
#ifndef PVM_TRACE_H
#define PVM_TRACE_H

#include <stdatomic.h>

#include "invocation.h"
#include "park.h"

typedef struct pvm_trace_marks {
  _Atomic uint64_t at[PVM_STAGES]; /* of the monotonic clock; 0: not reached */
  _Atomic uint32_t kicks;
  _Atomic uint32_t pauses;
  _Atomic uint64_t paused_ns;
} pvm_trace_marks;

/* Give it marks if its submission asks for them, or one in so many is traced and it is such a one.
** Without memory it goes untraced. */
void pvm_trace_begin(uint64_t below, const pvm_submit_options *options, pvm_invocation *invocation);
/* As its reader sees it. wall_ns: the wall clock when the monotonic one was 0. */
void pvm_trace_read(const pvm_invocation *invocation, uint64_t wall_ns, pvm_trace *trace);

static inline void pvm_trace_mark_at(pvm_trace_marks *marks, pvm_stage stage, uint64_t ns) {
  if (marks != NULL) atomic_store_explicit(&marks->at[stage], ns, memory_order_relaxed);
}
static inline void pvm_trace_mark(pvm_trace_marks *marks, pvm_stage stage) {
  if (marks != NULL) pvm_trace_mark_at(marks, stage, pvm_now());
}
/* It was interrupted once more. */
void pvm_trace_note_kick(pvm_trace_marks *marks);
/* It stood back for so long. */
void pvm_trace_note_pause(pvm_trace_marks *marks, uint64_t ns);

#endif

/* flow_api.h - vm.h's part on flows. engine/include/flow.h says what a flow is, and
** engine/flow/declaration.h how one is written. */
#ifndef PVM_FLOW_API_H
#define PVM_FLOW_API_H

/* Every event that was kept, and matched by triggers, goes through the executor's flows. What they put
** into a stream is kept, matched, and goes through flows again, PVM_FLOW_DEPTH times at most; a row of
** several events has been through what the latest of its key has. What
** they put into a task is submitted as a trigger's match is, with the payload
**
**   {"flow": its name, "key": text, "row": map}
**
** Time goes on with pvm_triggers_tick. Any thread may call any of these at any time. */
#define PVM_FLOW_DEPTH 8

/* Could this be added? PVM_E_INVALID with a sentence. */
PVM_API int pvm_flow_check(pvm_executor *executor, const void *declaration, size_t len, char *err);
/* Add a flow; returns its id (> 0) or a negative status. task: that a flow into a task submits to,
** with SUBMIT; 0 with OFF (its rows are dropped) or HAND_OUT. catch_up: it first reads what is kept of
** its streams, in the order of arrival, and what would leave for streams and tasks then does not, as it
** has left before. replaces: 0, or a flow that this one takes the place of, with its state if the
** declarations are the same; then there is nothing to catch up with. PVM_E_INVALID with a sentence. */
PVM_API int64_t pvm_flow_add(pvm_executor *executor, int64_t task, const char *name,
                             const void *declaration, size_t len, pvm_trigger_mode mode,
                             int catch_up, int64_t replaces, char *err);
PVM_API int pvm_flow_remove(pvm_executor *executor, int64_t flow);
/* Where its rows go from now on, if it is one into a task. */
PVM_API int pvm_flow_set_task(pvm_executor *executor, int64_t flow, int64_t task,
                              pvm_trigger_mode mode);

typedef struct pvm_flow_stats {
  uint64_t events;      /* that came in */
  uint64_t rows;        /* that left */
  uint64_t late;        /* rows that came after the result that they belong to */
  uint64_t dropped;     /* keys given up: they rested, or there was too much state */
  uint64_t refused;     /* rows that could not go on: too long a key, a table or stream that refused */
  uint64_t keys;        /* with state, now */
  uint64_t bytes;       /* of state, now */
  int64_t watermark_ns; /* INT64_MIN: none yet */
  uint64_t accepted;    /* rows for a task: as invocations */
  uint64_t handed_out;
  uint64_t full;        /* refused: no place in the lane */
  uint64_t rate;        /* refused: over the task's rate */
  uint64_t breaker;     /* refused: the task's circuit breaker */
  uint64_t other;       /* refused: withdrawn, stopped, switched off, no memory */
} pvm_flow_stats;

/* The streams have ended: windows that are open give their results, and what is still open besides. What
** comes after this is late. batch: as pvm_triggers_tick has it. */
PVM_API int pvm_flows_finish(pvm_executor *executor, pvm_fired_batch *batch);

PVM_API int pvm_flow_stats_get(pvm_executor *executor, int64_t flow, pvm_flow_stats *stats);

#endif

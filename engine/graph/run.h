/* run.h - calling operators: what stands behind a pvg_call. */
#ifndef PVG_RUN_H
#define PVG_RUN_H

#include "operator.h"
#include "pool.h"

/* What a run of one graph by one plan uses; bound to the plan once and used again and again. */
typedef struct pvg_frame {
  struct pvg_session *session; /* NULL while a constant is computed */
  const struct pvg_plan *plan;
  pvt_array **arrays; /* by slot */
  struct pvb_team *team;
  /* Scratch: the first bytes from one buffer, which grows between calls; more of it from a pool. */
  pvt_buffer *scratch;
  size_t scratch_used, scratch_wanted;
  pvg_pool *scratch_more;
} pvg_frame;

/* One call of one operator. */
typedef struct pvg_active {
  pvg_call call;             /* first: operators give it back to pvg_output */
  pvt_array *const *outputs; /* where they go; NULL: not wanted. Described, if `placed` */
  const bool
      *placed; /* by output: memory is foreseen, for the shape that it describes; NULL: none */
  bool dry;    /* views only: nothing may be allocated or read */
  bool copied; /* a dry call asked for memory */
} pvg_active;

/* Infer, prepare and run a node with what is there. Outputs that are wanted (not NULL) become
** arrays of their own (released by the caller, also after a failure), unless `placed` (NULL: none)
** says that they have memory. */
int pvg_run_node(pvg_frame *frame, const pvg_node *node, const pvt_array *const *inputs,
                 pvt_array *const *outputs, const bool *placed);
/* Give back scratch after a call. */
void pvg_scratch_reset(pvg_frame *frame);
void pvg_scratch_release(pvg_frame *frame);

#endif

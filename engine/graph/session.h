/* session.h - one thread's means to run a model: frames, bound to plans. */
#ifndef PVG_SESSION_H
#define PVG_SESSION_H

#include "plan.h"

/* Memory for the values of a plan; replaced when a larger one is needed or another account pays. */
typedef struct pvg_arena {
  pvt_buffer *buffer;
  const pvt_account *account;
} pvg_arena;

typedef struct pvg_bound {
  pvg_frame frame; /* first: calls give it back to pvg_call_graph */
  struct pvg_bound *next;
  pvg_plan *plan; /* a reference */
  pvg_pool *pool;
  pvg_active *actives; /* by step */
  pvg_arena *arena, own_arena;
  char *base; /* of the arena that slots point into now */
  bool busy;
  uint64_t used;
  double *step_seconds; /* by step, filled in by a run, if somebody wants to know; NULL */
} pvg_bound;

struct pvg_session {
  pvg_model *model;
  pvg_bound *bounds;
  pvg_arena arena; /* of the model's own graph; inner graphs' frames have theirs */
  int bound_count;
  uint64_t clock;
};

/* The frame for these shapes, marked busy; bound now if there is none. */
int pvg_bound_get(pvg_session *session, const pvg_graph *graph, const pvt_array *const *inputs,
                  const pvt_array *const *captures, pvg_bound **bound);
/* One run; outputs become new arrays. The frame is not busy afterwards. */
int pvg_bound_run(pvg_bound *bound, const pvt_array *const *inputs,
                  const pvt_array *const *captures, pvt_array *outputs);
void pvg_bound_release(pvg_bound *bound);

/* One step of a plan: steps.c. */
int pvg_step_run(pvg_bound *bound, int step);

#endif

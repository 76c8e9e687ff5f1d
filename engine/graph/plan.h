/* plan.h - what is prepared for one set of input shapes.
**
** Values lie in *slots*: those of the graph by their index, then the graph's captures, then what the
** plan adds (values in another layout). A plan is made by plan.c (what runs, and how), ways.c (who
** computes what costs), and homes.c (where values lie), and never changes afterwards.
*/
#ifndef PVG_PLAN_H
#define PVG_PLAN_H

#include <stdatomic.h>

#include "backend.h"
#include "infer.h"
#include "model.h"
#include "run.h"

typedef enum pvg_home {
  PVG_NOWHERE, /* made in each run, of whatever shape it comes */
  PVG_CONSTANT,
  PVG_GIVEN, /* the caller's memory: inputs and captures */
  PVG_ARENA,
  PVG_FRESH, /* memory of its own in each run: becomes an output */
  PVG_WITHIN /* a view of another slot's memory, found while planning */
} pvg_home;

typedef struct pvg_slot {
  pvg_info info; /* with the constant, if it is one */
  pvg_home home;
  int root;         /* PVG_WITHIN: the slot, of a home with memory, in which it lies */
  int64_t offset;   /* from the root's data; PVG_ARENA: from the arena's start */
  pvt_array *array; /* its description where that is known: all but PVG_NOWHERE; data is NULL
                         or, of constants, in place */
  const char *name; /* for descriptions */
} pvg_slot;

/* What a step does besides calling its node's operator. */
typedef enum pvg_doing {
  PVG_CALLS,
  PVG_CALLS_BLOCKED, /* the operator's function for images in blocks */
  PVG_KERNEL,
  PVG_REORDERS
} pvg_doing;

typedef struct pvg_step {
  struct pvg_step *made_before; /* of all steps of the plan, also those that others took over */
  pvg_doing doing;
  const pvg_node *node; /* NULL for PVG_REORDERS */
  bool late;            /* inferred and prepared in each run */
  int input_count, output_count;
  int *inputs, *outputs; /* slots; -1: left out */
  void *state;
  bool *placed; /* by output */
  int dead_count;
  int *dead; /* slots without a home that nobody reads any more */
  /* PVG_KERNEL: inputs are x, weights or b or -1, residual or -1 */
  pvb_work *work;
  pvb_way way;
  pvb_kernel *kernel;
  const pvg_node **fused; /* nodes whose work it does as well */
  int fused_count;
  double predicted; /* seconds */
  double measured;  /* seconds, or 0 */
  int64_t channels; /* PVG_CALLS_BLOCKED */
  /* PVG_REORDERS */
  bool to_blocked;
} pvg_step;

typedef enum pvg_giving { PVG_MOVE, PVG_SHARE, PVG_COPY } pvg_giving;

typedef struct pvg_plan {
  _Atomic uint32_t references;
  _Atomic uint64_t used; /* a clock of its table */
  pvg_pool *pool;
  const pvg_model *model;
  const pvg_graph *graph;
  int given_count; /* inputs, then captures */
  int *given;      /* their slots */
  int slot_count, slot_capacity;
  pvg_slot *slots;
  int step_count, step_capacity;
  pvg_step **steps;
  pvg_step *made_last;
  size_t arena; /* bytes */
  int output_count;
  int *outputs;       /* slots */
  pvg_giving *giving; /* by output */
  int patch_count;
  int *patches; /* slots within given or fresh ones */
  int fresh_count;
  int *fresh;
  int loose_count;
  int *loose;     /* slots whose buffers a run may hold */
  double seconds; /* that planning took */
} pvg_plan;

/* Make a plan for inputs and captures of these types and shapes. */
int pvg_plan_make(pvg_model *model, const pvg_graph *graph, const pvt_array *const *inputs,
                  const pvt_array *const *captures, pvg_plan **plan);
void pvg_plan_retain(pvg_plan *plan);
void pvg_plan_release(pvg_plan *plan); /* NULL is fine */
bool pvg_plan_fits(const pvg_plan *plan, const pvt_array *const *inputs,
                   const pvt_array *const *captures);

/* For the files that make it. */
int pvg_plan_slot(pvg_plan *plan, const pvg_info *info, const char *name); /* its number */
/* A step behind the last one. NULL after pvt_fail. */
pvg_step *pvg_plan_step(pvg_plan *plan, pvg_doing doing, const pvg_node *node, int inputs,
                        int outputs);
/* The same for a step that is there. */
int pvg_plan_put(pvg_plan *plan, pvg_step *step);
/* ways.c: let backends compute what costs; rewrites the steps. */
int pvg_plan_ways(pvg_model *model, pvg_plan *plan);
/* homes.c: give every slot a home, and steps their lists. */
int pvg_plan_homes(pvg_plan *plan);

/* ---- The plans of a graph: plans.c ---- */

typedef struct pvg_plans pvg_plans;
pvg_plans *pvg_plans_new(void);
void pvg_plans_release(pvg_plans *plans); /* no run may be under way */
/* The plan for these shapes, made if there is none; the caller has a reference. */
int pvg_plans_get(pvg_plans *plans, pvg_model *model, const pvg_graph *graph,
                  const pvt_array *const *inputs, const pvt_array *const *captures,
                  pvg_plan **plan);

#endif

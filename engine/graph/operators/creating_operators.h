/* creating_operators.h - random numbers of nodes. */
#ifndef PVG_CREATING_OPERATORS_H
#define PVG_CREATING_OPERATORS_H

#include "inference.h"
#include "random.h"

/* A generator for one run of a node: by its attribute `seed`, and then the same in each run;
** without one by the system's random numbers. */
void pvg_random_start(const pvg_node *node, pvt_bits *bits);

/* random.c. The type and the shape of what is filled. */
typedef struct pvg_random {
  pvt_dtype dtype;
  int ndim;
  int64_t shape[PVT_MAX_DIMS];
  double low, scale; /* mean and deviation of normal ones */
} pvg_random;
int pvg_random_infer(pvg_infer *infer);
int pvg_random_like_infer(pvg_infer *infer);
int pvg_random_prepare(const pvg_prepare *prepare, void *state);
int pvg_normal_run(pvg_call *call);
int pvg_uniform_run(pvg_call *call);
int pvg_bernoulli_run(pvg_call *call);
int pvg_multinomial_infer(pvg_infer *infer);
int pvg_multinomial_run(pvg_call *call);

#endif

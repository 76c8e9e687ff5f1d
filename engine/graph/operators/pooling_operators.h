/* pooling_operators.h - what the files of the family share. */
#ifndef PVG_POOLING_OPERATORS_H
#define PVG_POOLING_OPERATORS_H

#include "window.h"

typedef struct pvg_pool_state {
  pvg_window window;
  pvg_fit fit;
  pvt_pool_op op;
  double p;
  bool by_column; /* indices count the image's last dimension slowest */
} pvg_pool_state;

/* pool.c */
int pvg_pool_infer(pvg_infer *infer);
int pvg_pool_prepare(const pvg_prepare *prepare, void *state);
int pvg_pool_run(pvg_call *call);
int pvg_pool_blocked(pvg_call *call, int64_t channels);
int pvg_unpool_infer(pvg_infer *infer);
int pvg_unpool_prepare(const pvg_prepare *prepare, void *state);
int pvg_unpool_run(pvg_call *call);
/* global_pool.c */
int pvg_global_pool_infer(pvg_infer *infer);
int pvg_global_pool_prepare(const pvg_prepare *prepare, void *state);
int pvg_global_pool_run(pvg_call *call);
int pvg_global_pool_blocked(pvg_call *call, int64_t channels);

#endif

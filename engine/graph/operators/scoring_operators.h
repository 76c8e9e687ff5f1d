/* scoring_operators.h - the scoring family's functions, for its table. */
#ifndef PVG_SCORING_OPERATORS_H
#define PVG_SCORING_OPERATORS_H

#include "inference.h"

/* Soft-max of rows that lie one behind the other: float32 or float64; out may be x. Polls. */
int pvg_softmax_rows(int64_t rows, int64_t length, const pvt_array *x, pvt_array *out, bool log);

/* losses.c */
int pvg_nll_infer(pvg_infer *infer);
int pvg_cross_entropy_infer(pvg_infer *infer);
int pvg_nll_run(pvg_call *call);
int pvg_cross_entropy_run(pvg_call *call);

#endif

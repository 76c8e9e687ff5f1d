/* elementwise_operators.h - the elementwise family's functions, for its table. */
#ifndef PVG_ELEMENTWISE_OPERATORS_H
#define PVG_ELEMENTWISE_OPERATORS_H

#include "inference.h"

/* What one node does, found out by prepare: the output's type and shape, and what the operator
** makes of its attributes. */
typedef struct pvg_elementwise {
  int op; /* pvt_unary_op, pvt_binary_op or pvt_activation_op */
  pvt_dtype dtype;
  int fast;  /* pvt_activation_op of the same function; -1 */
  int added; /* dimensions of 1 behind the second operand's */
  int ndim;
  int64_t shape[PVT_MAX_DIMS];
  double alpha, beta;
  char low[16], high[16]; /* scalars of the input's type */
  bool has_low, has_high;
} pvg_elementwise;

/* The output's part of it; sizes that are open are found in run. */
void pvg_elementwise_start(const pvg_prepare *prepare, pvg_elementwise *state);
/* The output, over input 0 if the plan says so. */
static inline pvt_array *pvg_elementwise_output(pvg_call *call) {
  const pvg_elementwise *state = call->state;
  return pvg_output_over(call, 0, 0, state->dtype, state->ndim, state->shape);
}
/* Infer: the broadcast shape of all inputs. */
int pvg_infer_broadcast_all(pvg_infer *infer);

/* activations.c */
/* out = op(x), of one type. */
int pvg_activate(int op, double alpha, double beta, const pvt_array *x, pvt_array *out);
int pvg_activation_prepare(const pvg_prepare *prepare, void *state);
int pvg_activation_run(pvg_call *call);
int pvg_relu_run(pvg_call *call);
int pvg_prelu_run(pvg_call *call);

/* choosers.c */
int pvg_cast_infer(pvg_infer *infer);
int pvg_cast_prepare(const pvg_prepare *prepare, void *state);
int pvg_cast_run(pvg_call *call);
int pvg_clip_prepare(const pvg_prepare *prepare, void *state);
int pvg_clip_run(pvg_call *call);
int pvg_where_infer(pvg_infer *infer);
int pvg_where_run(pvg_call *call);
int pvg_dropout_infer(pvg_infer *infer);
int pvg_dropout_prepare(const pvg_prepare *prepare, void *state);
int pvg_dropout_run(pvg_call *call);

#endif

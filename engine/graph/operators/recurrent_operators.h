/* recurrent_operators.h - RNN, LSTM and GRU: what their files share. */
#ifndef PVG_RECURRENT_OPERATORS_H
#define PVG_RECURRENT_OPERATORS_H

#include "backend.h"
#include "dense.h"

typedef enum pvg_cell { PVG_RNN, PVG_LSTM, PVG_GRU } pvg_cell;

typedef enum pvg_gate_kind {
  PVG_GATE_SIGMOID,
  PVG_GATE_TANH,
  PVG_GATE_RELU,
  PVG_GATE_AFFINE,
  PVG_GATE_LEAKY_RELU,
  PVG_GATE_THRESHOLDED_RELU,
  PVG_GATE_SCALED_TANH,
  PVG_GATE_HARD_SIGMOID,
  PVG_GATE_ELU,
  PVG_GATE_SOFTSIGN,
  PVG_GATE_SOFTPLUS,
  PVG_GATE_KINDS
} pvg_gate_kind;

typedef struct pvg_gate {
  pvg_gate_kind kind;
  float alpha, beta;
} pvg_gate;

/* A product with a transposed matrix of weights, y [m, n] = x [m, k] w, prepared once for a plan
** where the weights are constant. */
typedef struct pvg_projection {
  int64_t n, k;
  pvb_kernel *kernel; /* for `rows` rows; NULL: w is multiplied as it is */
  int64_t rows;
} pvg_projection;

typedef struct pvg_recurrent_state {
  pvg_cell cell;
  int gates, directions;
  int64_t hidden;
  bool reverse; /* the first direction goes backwards */
  bool batch_first, input_forget, linear_before_reset;
  float clip; /* 0: none */
  pvg_gate gate[2][3];
  pvg_projection input[2], recurrent[2], candidate[2]; /* candidate: GRU's third gate alone */
} pvg_recurrent_state;

/* One direction of one run. Arrays are of `type` in C order; x's projections are [seq, batch,
** gates * hidden], states [batch, hidden]. */
typedef struct pvg_steps {
  pvg_call *call;
  const pvg_recurrent_state *state;
  int direction;
  bool backwards;
  pvt_dtype type;
  int64_t seq, batch, hidden;
  const void *projected;
  void *summed;           /* [batch, gates * hidden]: what the states give to the gates */
  void *z;                /* [gates * hidden] */
  void *h, *c;            /* the states, at first the initial ones */
  void *reset;            /* [batch, hidden]: GRU's r . h */
  const void *bias;       /* [gates * hidden]: input's and state's; NULL */
  const void *late_bias;  /* [hidden]: of GRU's state before the reset; NULL */
  const void *peephole;   /* [3 * hidden]; NULL */
  const int32_t *lengths; /* [batch]; NULL: seq each */
  void *y;                /* NULL: nobody wants it */
  int64_t y_step, y_row;  /* elements from one time, and one of the batch, to the next */
  /* to [batch, n] = from [batch, k] times part 0 (all gates), 1 (all but GRU's last) or 2 (GRU's
  ** last) of the recurrent weights. */
  int (*multiply)(struct pvg_steps *steps, int part, const void *from, void *to);
  void *arg; /* of multiply */
} pvg_steps;

/* recurrent_cells.c: PVT_OK or a negative status; h and c are the last states then. */
int pvg_recurrent_steps(pvg_steps *steps);

/* recurrent_run.c */
int pvg_recurrent_infer(pvg_infer *infer);
int pvg_recurrent_prepare(const pvg_prepare *prepare, void *state);
void pvg_recurrent_unprepare(void *state);
int pvg_recurrent_run(pvg_call *call);

/* What differs between floats and quantised weights. */
typedef struct pvg_recurrent_weights {
  /* projected [seq * batch, gates * hidden] from x, and multiply for the steps. */
  int (*project)(pvg_steps *steps, const void *x, int64_t rows, int64_t inputs, void *projected);
  int (*multiply)(pvg_steps *steps, int part, const void *from, void *to);
  void *(*arg)(pvg_call *call, int direction, int64_t inputs);
} pvg_recurrent_weights;
int pvg_recurrent_run_with(pvg_call *call, const pvg_recurrent_weights *weights);

/* recurrent_quantised.c: com.microsoft DynamicQuantizeLSTM. */
int pvg_dynamic_lstm_run(pvg_call *call);

#endif

/* recurrent_cells.c - one direction of RNN, LSTM or GRU, step by step. */
#include <math.h>
#include <string.h>

#include "context.h"
#include "recurrent_operators.h"

#define REAL float
#define DTYPE PVT_FLOAT32
#define NAME(x) x##_f32
#define F(x) x##f
#include "recurrent_cells.inc"
#undef REAL
#undef DTYPE
#undef NAME
#undef F
#define REAL double
#define DTYPE PVT_FLOAT64
#define NAME(x) x##_f64
#define F(x) x
#include "recurrent_cells.inc"

int pvg_recurrent_steps(pvg_steps *steps) {
  return steps->type == PVT_FLOAT64 ? steps_f64(steps) : steps_f32(steps);
}

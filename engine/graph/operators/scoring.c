/* scoring.c - soft-max and its like, losses. */
#include "scoring_operators.h"

#include "kernels.h"
#include "layers.h"

/* Rows are lines along one axis; before version 13 they are all dimensions from the axis on. */
typedef struct scoring {
  int axis;
  bool flat;       /* the latter */
  int64_t length;  /* of a row */
  bool along_last; /* rows lie one behind the other in C order */
} scoring;

static int prepare_scoring(const pvg_prepare *prepare, void *memory) {
  scoring *state = memory;
  const pvg_info *x = prepare->inputs[0];
  state->flat = prepare->node->version < 13;
  int64_t axis = pvg_int(prepare->node, "axis", state->flat ? 1 : -1);
  if (state->flat && axis == x->ndim) state->axis = x->ndim;
  else if (x->ndim == 0 && (axis == 0 || axis == -1)) state->axis = 0;
  else state->axis = pvg_axis(axis, x->ndim);
  if (state->axis < 0) return state->axis;
  state->length = 1;
  for (int d = state->axis; d < (state->flat ? x->ndim : state->axis + 1) && d < x->ndim; d++)
    state->length *= x->size[d];
  state->along_last = state->flat || state->axis >= x->ndim - 1;
  return PVT_OK;
}

#define LONG_ROW (4 * PVT_TILE) /* elements from which on the kernel that polls is used */

int pvg_softmax_rows(int64_t rows, int64_t length, const pvt_array *x, pvt_array *out, bool log) {
  bool is_double = x->dtype == PVT_FLOAT64;
  pvt_softmax_kernel *kernel = pvt_kernels_get()->elementwise->softmax[is_double];
  bool quick = !is_double && length <= LONG_ROW;
  const pvt_rows *of_floats = pvt_kernels_get()->layers->rows;
  int64_t bytes = length * (is_double ? 8 : 4), since = 0;
  for (int64_t i = 0; i < rows; i++) {
    const char *from = x->data + i * bytes;
    char *to = out->data + i * bytes;
    int status = PVT_OK;
    if (quick) of_floats->softmax(length, (const float *)from, 1, NULL, log, (float *)to);
    else status = kernel(length, from, to, log);
    since += length;
    if (status == PVT_OK && since >= PVT_TILE) {
      status = pvt_poll();
      since = 0;
    }
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

/* The axis comes last, in both. */
static void turn(const scoring *state, pvt_array *array) {
  if (state->along_last) return;
  pvt_dim along = array->dim[state->axis];
  for (int d = state->axis; d < array->ndim - 1; d++) array->dim[d] = array->dim[d + 1];
  array->dim[array->ndim - 1] = along;
}

static int run_softmax(pvg_call *call) {
  const scoring *state = call->state;
  const pvt_array *x = call->inputs[0];
  pvt_dtype dtype = (pvt_dtype)x->dtype;
  bool log = call->node->type[0] == 'L';
  int64_t shape[PVT_MAX_DIMS];
  pvg_shape_of(x, shape);
  pvt_array *out = pvg_output_over(call, 0, 0, dtype, x->ndim, shape), turned, rows;
  if (out == NULL) return pvt_error_status();
  int64_t count = pvt_array_count(x);
  if (count == 0) return PVT_OK;
  int status;
  if (state->along_last && (dtype == PVT_FLOAT32 || dtype == PVT_FLOAT64)) {
    bool there = pvt_array_is_contiguous(x);
    status = there ? PVT_OK : pvt_copy(x, out);
    if (status != PVT_OK) return status;
    return pvg_softmax_rows(count / state->length, state->length, there ? x : out, out, log);
  }
  pvg_look(&turned, x);
  turn(state, &turned);
  pvg_shape_of(&turned, shape);
  status = pvg_scratch_array(call, &rows, dtype == PVT_FLOAT64 ? PVT_FLOAT64 : PVT_FLOAT32, x->ndim,
                             shape);
  if (status == PVT_OK) status = pvt_copy(&turned, &rows);
  if (status == PVT_OK)
    status = pvg_softmax_rows(count / state->length, state->length, &rows, &rows, log);
  if (status != PVT_OK) return status;
  pvg_look(&turned, out);
  turn(state, &turned);
  return pvt_copy(&rows, &turned);
}

/* 1 for the first largest element of each row, 0 for the others. */
static int run_hardmax(pvg_call *call) {
  const scoring *state = call->state;
  const pvt_array *x = call->inputs[0];
  pvt_dtype dtype = (pvt_dtype)x->dtype;
  int64_t shape[PVT_MAX_DIMS], count = pvt_array_count(x);
  pvg_shape_of(x, shape);
  pvt_array *out = pvg_output(call, 0, dtype, x->ndim, shape), turned, rows, places;
  if (out == NULL) return pvt_error_status();
  if (count == 0) return PVT_OK;
  pvg_look(&turned, x);
  turn(state, &turned);
  pvg_shape_of(&turned, shape);
  int status = pvg_scratch_array(call, &rows, dtype, x->ndim, shape);
  if (status == PVT_OK) status = pvt_copy(&turned, &rows);
  int64_t row_count = count / state->length;
  pvt_array_over(&rows, rows.data, dtype, 2, (int64_t[]){row_count, state->length});
  if (status == PVT_OK)
    status = pvg_scratch_array(call, &places, PVT_INT64, 2, (int64_t[]){row_count, 1});
  if (status == PVT_OK) status = pvt_arg_reduce(true, &rows, 1, &places);
  if (status != PVT_OK) return status;
  char memory[16];
  pvt_array one;
  size_t size = pvt_itemsize(dtype);
  pvg_scalar(&one, memory, dtype, 1);
  memset(rows.data, 0, (size_t)count * size);
  for (int64_t i = 0; i < row_count; i++)
    memcpy(rows.data + (size_t)(i * state->length + ((int64_t *)places.data)[i]) * size, memory,
           size);
  pvt_array_over(&rows, rows.data, dtype, x->ndim, shape);
  pvg_look(&turned, out);
  turn(state, &turned);
  return pvt_copy(&rows, &turned);
}

#define SCORING(type, run)                                                                         \
  {type, "", 1, 0, 1, 1, 0, pvg_infer_like, sizeof(scoring), prepare_scoring, NULL, run, NULL}

const pvg_operator pvg_scoring_operators[] = {
    SCORING("Hardmax", run_hardmax),
    {"LogSoftmax", "", 1, 0, 1, 1, PVG_OVER, pvg_infer_like, sizeof(scoring), prepare_scoring, NULL,
     run_softmax, NULL},
    {"NegativeLogLikelihoodLoss", "", 12, 0, 2, 3, 0, pvg_nll_infer, 0, NULL, NULL, pvg_nll_run,
     NULL},
    {"Softmax", "", 1, 0, 1, 1, PVG_OVER, pvg_infer_like, sizeof(scoring), prepare_scoring, NULL,
     run_softmax, NULL},
    {"SoftmaxCrossEntropyLoss", "", 12, 0, 2, 3, 0, pvg_cross_entropy_infer, 0, NULL, NULL,
     pvg_cross_entropy_run, NULL},
    {0},
};

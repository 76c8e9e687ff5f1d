/* grid_sample.c - GridSample and AffineGrid: images at places that a grid names. */
#include <math.h>
#include <string.h>

#include "context.h"
#include "image_operators.h"

#define REAL float
#define NAME(x) x##_f32
#define F(x) x##f
#include "grid_sample.inc"
#undef REAL
#undef NAME
#undef F
#define REAL double
#define NAME(x) x##_f64
#define F(x) x
#include "grid_sample.inc"

int pvg_grid_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_grid_state *state = memory;
  const pvg_node *node = prepare->node;
  const char *mode = pvg_string(node, "mode", "linear");
  const char *padding = pvg_string(node, "padding_mode", "zeros");
  state->align_corners = pvg_int(node, "align_corners", 0) != 0;
  if (strcmp(mode, "nearest") == 0) state->mode = PVG_NEAREST;
  else if (strcmp(mode, "linear") == 0 || strcmp(mode, "bilinear") == 0) state->mode = PVG_LINEAR;
  else if (strcmp(mode, "cubic") == 0 || strcmp(mode, "bicubic") == 0) state->mode = PVG_CUBIC;
  else return pvt_fail(PVT_E_VALUE, "GridSample: mode '%s' is not known", mode);
  if (strcmp(padding, "zeros") == 0) state->padding = PVG_ZEROS;
  else if (strcmp(padding, "border") == 0) state->padding = PVG_BORDER;
  else if (strcmp(padding, "reflection") == 0) state->padding = PVG_REFLECTION;
  else return pvt_fail(PVT_E_VALUE, "GridSample: padding_mode '%s' is not known", padding);
  return PVT_OK;
}

int pvg_grid_sample_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0], *grid = infer->inputs[1];
  bool known = x->ranked && grid->ranked && x->ndim >= 3 && grid->ndim == x->ndim;
  pvg_size size[PVT_MAX_DIMS];
  for (int i = 0; known && i < x->ndim; i++) size[i] = i < 2 ? x->size[i] : grid->size[i - 1];
  pvg_infer_is(infer, 0, x->dtype, known ? x->ndim : -1, size);
  return PVT_OK;
}

int pvg_grid_sample_run(pvg_call *call) {
  const pvg_grid_state *state = call->state;
  const pvt_array *x = call->inputs[0], *grid = call->inputs[1];
  int64_t shape[PVT_MAX_DIMS], size[PVB_SPATIAL];
  int ndim = pvg_sizes_of(x, shape), spatial = ndim - 2;
  if (spatial < 1 || spatial > PVB_SPATIAL || grid->ndim != ndim ||
      grid->dim[ndim - 1].size != spatial || grid->dim[0].size != shape[0])
    return pvt_fail(PVT_E_SHAPE, "GridSample: x and the grid do not fit");
  if (pvt_dtype_kind((pvt_dtype)x->dtype) == PVT_KIND_COMPLEX)
    return pvt_fail(PVT_E_DTYPE, "GridSample: complex images are not supported");
  bool empty = false;
  for (int i = 0; i < spatial; i++) {
    size[i] = shape[i + 2];
    empty = empty || size[i] == 0;
    shape[i + 2] = grid->dim[i + 1].size;
  }
  /* Integers of more than 16 bits are not all floats. */
  bool wide = pvt_dtype_kind((pvt_dtype)x->dtype) <= PVT_KIND_UINT && pvt_itemsize(x->dtype) > 2;
  pvt_dtype type = wide ? PVT_FLOAT64 : pvg_real(x);
  pvg_result y;
  int status = pvg_result_begin(call, &y, 0, (pvt_dtype)x->dtype, type, ndim, shape);
  if (status != PVT_OK) return status;
  int64_t places = pvg_product_of(shape, 2, ndim);
  if (empty && shape[0] * shape[1] * places > 0)
    return pvt_fail(PVT_E_SHAPE, "GridSample: the image is empty");
  const void *from = pvg_dense(call, x, type), *at = pvg_dense(call, grid, type);
  if (from == NULL || at == NULL) return pvt_error_status();
  if (type == PVT_FLOAT64)
    status = sample_f64(state, spatial, size, shape[0], shape[1], places, from, at, y.data);
  else status = sample_f32(state, spatial, size, shape[0], shape[1], places, from, at, y.data);
  return status == PVT_OK ? pvg_result_end(&y) : status;
}

/* ---- AffineGrid ------------------------------------------------------------------- */

int pvg_affine_grid_infer(pvg_infer *infer) {
  const pvg_info *theta = infer->inputs[0];
  int64_t wanted[PVT_MAX_DIMS];
  int count = pvg_known_ints(infer, 1, wanted);
  pvg_infer_is(infer, 0, theta->dtype, -1, NULL);
  if (count != 4 && count != 5) return PVT_OK;
  for (int i = 0; i < count; i++)
    if (wanted[i] < 0) return pvt_fail(PVT_E_VALUE, "AffineGrid: a size is negative");
  pvg_size size[5] = {wanted[0]};
  for (int i = 2; i < count; i++) size[i - 1] = wanted[i];
  size[count - 1] = count - 2;
  pvg_infer_is(infer, 0, theta->dtype, count, size);
  return PVT_OK;
}

/* theta [n, d, d + 1]; size: n, channels, d sizes; grid [n, sizes..., d]. */
int pvg_affine_grid_run(pvg_call *call) {
  const pvt_array *theta = call->inputs[0];
  int64_t wanted[PVT_MAX_DIMS], shape[5];
  int count = pvg_some_ints("AffineGrid: size", call->inputs[1], wanted), d = count - 2;
  if (count < 0) return count;
  if ((count != 4 && count != 5) || theta->ndim != 3 || theta->dim[0].size != wanted[0] ||
      theta->dim[1].size != d || theta->dim[2].size != d + 1)
    return pvt_fail(PVT_E_SHAPE, "AffineGrid: theta and size do not fit");
  shape[0] = wanted[0];
  for (int i = 0; i < d; i++) {
    if (wanted[i + 2] < 0) return pvt_fail(PVT_E_VALUE, "AffineGrid: a size is negative");
    shape[i + 1] = wanted[i + 2];
  }
  shape[d + 1] = d;
  pvg_result grid;
  int status = pvg_result_begin(call, &grid, 0, (pvt_dtype)theta->dtype, PVT_FLOAT64, d + 2, shape);
  if (status != PVT_OK) return status;
  const double *matrix = pvg_dense(call, theta, PVT_FLOAT64);
  if (matrix == NULL) return pvt_error_status();
  bool align = pvg_int(call->node, "align_corners", 0) != 0;
  int64_t places = pvg_product_of(shape, 1, d + 1);
  double *to = grid.data;
  for (int64_t n = 0; n < shape[0]; n++, matrix += d * (d + 1)) {
    for (int64_t p = 0; p < places; p++, to += d) {
      double at[3];
      int64_t rest = p;
      /* The last size is x, the first number of a place. */
      for (int i = d - 1; i >= 0; i--) {
        double size = (double)shape[i + 1], place = (double)(rest % shape[i + 1]);
        rest /= shape[i + 1];
        at[d - 1 - i] = !align     ? (2 * place + 1) / size - 1
                        : size > 1 ? 2 * place / (size - 1) - 1
                                   : -1;
      }
      for (int i = 0; i < d; i++) {
        const double *row = matrix + i * (d + 1);
        double sum = row[d];
        for (int j = 0; j < d; j++) sum += row[j] * at[j];
        to[i] = sum;
      }
      if (p % 1024 == 0 && (status = pvt_poll()) != PVT_OK) return status;
    }
  }
  return pvg_result_end(&grid);
}

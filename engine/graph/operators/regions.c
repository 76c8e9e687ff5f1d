/* regions.c - RoiAlign, MaxRoiPool: what rectangles of images hold. */
#include <math.h>
#include <string.h>

#include "context.h"
#include "image_operators.h"

int pvg_roi_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_roi_state *state = memory;
  const pvg_node *node = prepare->node;
  int count = 0;
  const int64_t *pooled = pvg_ints(node, "pooled_shape", &count);
  state->rows = count == 2 ? pooled[0] : pvg_int(node, "output_height", 1);
  state->columns = count == 2 ? pooled[1] : pvg_int(node, "output_width", 1);
  state->sampling = pvg_int(node, "sampling_ratio", 0);
  state->scale = pvg_float(node, "spatial_scale", 1);
  state->max = strcmp(pvg_string(node, "mode", "avg"), "max") == 0;
  const char *otherwise = node->version < 16 ? "output_half_pixel" : "half_pixel";
  const char *mode = pvg_string(node, "coordinate_transformation_mode", otherwise);
  state->half_pixel = strcmp(mode, "half_pixel") == 0;
  if (state->rows < 1 || state->columns < 1 || state->rows > 1 << 20 || state->columns > 1 << 20 ||
      state->sampling < 0 || state->sampling > 1 << 15)
    return pvt_fail(PVT_E_VALUE, "%s: the result's sizes are out of range", node->type);
  return PVT_OK;
}

int pvg_roi_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0], *rois = infer->inputs[1];
  const pvg_node *node = infer->node;
  int count = 0;
  const int64_t *pooled = pvg_ints(node, "pooled_shape", &count);
  bool known = x->ranked && rois->ranked && x->ndim == 4 && rois->ndim == 2;
  int64_t rows = count == 2 ? pooled[0] : pvg_int(node, "output_height", 1);
  int64_t columns = count == 2 ? pooled[1] : pvg_int(node, "output_width", 1);
  if (rows < 1 || columns < 1)
    return pvt_fail(PVT_E_VALUE, "%s: the result's sizes are out of range", node->type);
  pvg_size size[4] = {known ? rois->size[0] : 0, known ? x->size[1] : 0, rows, columns};
  pvg_infer_is(infer, 0, x->dtype, known ? 4 : -1, size);
  return PVT_OK;
}

/* One sample between four elements: where they are, what they count; none outside of the image. */
typedef struct sample {
  int64_t at[4];
  double weight[4];
} sample;

static sample place(double y, double x, int64_t rows, int64_t columns) {
  sample s = {{0, 0, 0, 0}, {0, 0, 0, 0}};
  if (!(y >= -1 && y <= (double)rows && x >= -1 && x <= (double)columns)) return s;
  if (y < 0) y = 0;
  if (x < 0) x = 0;
  int64_t i = (int64_t)y, j = (int64_t)x, below = i + 1, right = j + 1;
  if (i >= rows - 1) {
    i = below = rows - 1;
    y = (double)i;
  }
  if (j >= columns - 1) {
    j = right = columns - 1;
    x = (double)j;
  }
  double fy = y - (double)i, fx = x - (double)j;
  s = (sample){{i * columns + j, i * columns + right, below * columns + j, below * columns + right},
               {(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx}};
  return s;
}

/* x [n, channels, rows, columns], rois [count, 4], batch indices [count]. */
int pvg_roi_align_run(pvg_call *call) {
  const pvg_roi_state *state = call->state;
  const pvt_array *x = call->inputs[0], *rois = call->inputs[1];
  if (x->ndim != 4 || rois->ndim != 2 || rois->dim[1].size != 4 ||
      pvt_array_count(call->inputs[2]) != rois->dim[0].size)
    return pvt_fail(PVT_E_SHAPE, "RoiAlign: x, rois and batch_indices do not fit");
  int64_t images = x->dim[0].size, channels = x->dim[1].size, rows = x->dim[2].size;
  int64_t columns = x->dim[3].size, image = rows * columns, count = rois->dim[0].size;
  int64_t shape[4] = {count, channels, state->rows, state->columns};
  pvg_result y;
  int status = pvg_result_begin(call, &y, 0, (pvt_dtype)x->dtype, PVT_FLOAT64, 4, shape);
  if (status != PVT_OK) return status;
  const double *pixels = pvg_dense(call, x, PVT_FLOAT64);
  const double *roi = pvg_dense(call, rois, PVT_FLOAT64);
  const int64_t *batch = pvg_dense(call, call->inputs[2], PVT_INT64);
  if (pixels == NULL || roi == NULL || batch == NULL) return pvt_error_status();
  if (image == 0 && count * channels > 0)
    return pvt_fail(PVT_E_SHAPE, "RoiAlign: the image is empty");
  double offset = state->half_pixel ? 0.5 : 0, *to = y.data;
  int64_t cells = state->rows * state->columns;
  for (int64_t r = 0; r < count; r++, roi += 4, to += channels * cells) {
    if (batch[r] < 0 || batch[r] >= images)
      return pvt_fail(PVT_E_INDEX, "RoiAlign: image %lld of %lld", (long long)batch[r],
                      (long long)images);
    double x0 = roi[0] * state->scale - offset, y0 = roi[1] * state->scale - offset;
    double width = roi[2] * state->scale - offset - x0;
    double height = roi[3] * state->scale - offset - y0;
    if (!state->half_pixel) { /* such regions have at least one element */
      width = width > 1 ? width : 1;
      height = height > 1 ? height : 1;
    }
    if (!(fabs(width) < 1e6 && fabs(height) < 1e6 && fabs(x0) < 1e9 && fabs(y0) < 1e9))
      return pvt_fail(PVT_E_VALUE, "RoiAlign: a region is out of range");
    double cell_y = height / (double)state->rows, cell_x = width / (double)state->columns;
    int64_t steps_y = state->sampling > 0 ? state->sampling : (int64_t)ceil(cell_y);
    int64_t steps_x = state->sampling > 0 ? state->sampling : (int64_t)ceil(cell_x);
    double all = (double)(steps_y > 0 && steps_x > 0 ? steps_y * steps_x : 1);
    for (int64_t cell = 0; cell < cells; cell++) {
      double top = y0 + (double)(cell / state->columns) * cell_y;
      double left = x0 + (double)(cell % state->columns) * cell_x;
      for (int64_t c = 0; c < channels; c++) to[c * cells + cell] = 0;
      bool first = true;
      for (int64_t i = 0; i < steps_y; i++) {
        for (int64_t j = 0; j < steps_x; j++, first = false) {
          sample s = place(top + ((double)i + 0.5) * cell_y / (double)steps_y,
                           left + ((double)j + 0.5) * cell_x / (double)steps_x, rows, columns);
          const double *from = pixels + batch[r] * channels * image;
          for (int64_t c = 0; c < channels; c++, from += image) {
            double *sum = &to[c * cells + cell];
            if (state->max) { /* of the weighted elements */
              for (int k = 0; k < 4; k++) {
                double value = s.weight[k] * from[s.at[k]];
                if ((first && k == 0) || value > *sum) *sum = value;
              }
            } else {
              for (int k = 0; k < 4; k++) *sum += s.weight[k] * from[s.at[k]];
            }
          }
        }
        if ((status = pvt_poll()) != PVT_OK) return status;
      }
      for (int64_t c = 0; c < channels && !state->max; c++) to[c * cells + cell] /= all;
    }
  }
  return pvg_result_end(&y);
}

static int64_t bounded(double at, int64_t size) {
  return at<0 ? 0 : at>(double) size ? size : (int64_t)at;
}

/* x as above, rois [count, 5]: the image's number, x and y of two corners. */
int pvg_max_roi_pool_run(pvg_call *call) {
  const pvg_roi_state *state = call->state;
  const pvt_array *x = call->inputs[0], *rois = call->inputs[1];
  if (x->ndim != 4 || rois->ndim != 2 || rois->dim[1].size != 5)
    return pvt_fail(PVT_E_SHAPE, "MaxRoiPool: x should have 4 dimensions, rois be [count, 5]");
  int64_t images = x->dim[0].size, channels = x->dim[1].size, rows = x->dim[2].size;
  int64_t columns = x->dim[3].size, count = rois->dim[0].size;
  int64_t shape[4] = {count, channels, state->rows, state->columns};
  pvg_result y;
  int status = pvg_result_begin(call, &y, 0, (pvt_dtype)x->dtype, PVT_FLOAT64, 4, shape);
  if (status != PVT_OK) return status;
  const double *pixels = pvg_dense(call, x, PVT_FLOAT64);
  const double *roi = pvg_dense(call, rois, PVT_FLOAT64);
  if (pixels == NULL || roi == NULL) return pvt_error_status();
  double *to = y.data;
  for (int64_t r = 0; r < count; r++, roi += 5) {
    if (!(roi[0] >= 0 && roi[0] < (double)images))
      return pvt_fail(PVT_E_INDEX, "MaxRoiPool: image %g of %lld", roi[0], (long long)images);
    for (int i = 1; i < 5; i++)
      if (!(fabs(roi[i] * state->scale) < 1e9))
        return pvt_fail(PVT_E_VALUE, "MaxRoiPool: a region is out of range");
    double left = round(roi[1] * state->scale), top = round(roi[2] * state->scale);
    double width = round(roi[3] * state->scale) - left + 1;
    double height = round(roi[4] * state->scale) - top + 1;
    double cell_x = (width > 1 ? width : 1) / (double)state->columns;
    double cell_y = (height > 1 ? height : 1) / (double)state->rows;
    for (int64_t c = 0; c < channels; c++) {
      const double *from = pixels + ((int64_t)roi[0] * channels + c) * rows * columns;
      for (int64_t i = 0; i < state->rows; i++) {
        int64_t i0 = bounded(floor((double)i * cell_y) + top, rows);
        int64_t i1 = bounded(ceil((double)(i + 1) * cell_y) + top, rows);
        for (int64_t j = 0; j < state->columns; j++) {
          int64_t j0 = bounded(floor((double)j * cell_x) + left, columns);
          int64_t j1 = bounded(ceil((double)(j + 1) * cell_x) + left, columns);
          double most = i1 > i0 && j1 > j0 ? from[i0 * columns + j0] : 0;
          for (int64_t a = i0; a < i1; a++)
            for (int64_t b = j0; b < j1; b++)
              most = from[a * columns + b] > most ? from[a * columns + b] : most;
          *to++ = most;
        }
        if ((status = pvt_poll()) != PVT_OK) return status;
      }
    }
  }
  return pvg_result_end(&y);
}

/* suppression.c - NonMaxSuppression: of boxes that overlap, the one with the best score. */
#include <stdlib.h>

#include "choosing_operators.h"
#include "context.h"

int pvg_suppression_infer(pvg_infer *infer) {
  infer->outputs[0].dtype = PVT_INT64;
  pvg_info_sizes(&infer->outputs[0], 2, (pvg_size[]){pvg_symbol(infer), 3});
  return PVT_OK;
}

typedef struct candidate {
  float score;
  int64_t box;
} candidate;

/* The best first; of equals the one that comes first. */
static int by_score(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->score != y->score) return x->score < y->score ? 1 : -1;
  return (x->box > y->box) - (x->box < y->box);
}

typedef struct box {
  float low[2], high[2];
} box;

/* Corners in any order, or the centre and both sizes. */
static box read_box(const float *numbers, bool centred) {
  box box;
  for (int d = 0; d < 2; d++) {
    float a = numbers[d], b = numbers[d + 2];
    if (centred) {
      float half = b / 2;
      b = a + half;
      a = a - half;
    }
    box.low[d] = a < b ? a : b;
    box.high[d] = a < b ? b : a;
  }
  return box;
}

static bool overlap(const box *a, const box *b, float threshold) {
  float common = 1, areas[2] = {1, 1};
  for (int d = 0; d < 2; d++) {
    float low = a->low[d] > b->low[d] ? a->low[d] : b->low[d];
    float high = a->high[d] < b->high[d] ? a->high[d] : b->high[d];
    if (!(high > low)) return false;
    common *= high - low;
    areas[0] *= a->high[d] - a->low[d];
    areas[1] *= b->high[d] - b->low[d];
  }
  float both = areas[0] + areas[1] - common;
  return common > 0 && areas[0] > 0 && areas[1] > 0 && both > 0 && common / both > threshold;
}

static double scalar(const pvg_call *call, int i, double otherwise) {
  const pvt_array *input = PVG_INPUT(call, i);
  return input != NULL && pvt_array_count(input) > 0 ? pvg_float_at(input, 0) : otherwise;
}

static int contiguous(pvg_call *call, const pvt_array *x, pvt_array *made) {
  int64_t shape[PVT_MAX_DIMS];
  if (x->ndim != 3 || x->dtype != PVT_FLOAT32)
    return pvt_fail(PVT_E_SHAPE, "boxes and scores are float32 of 3 dimensions");
  pvg_shape_of(x, shape);
  int status = pvg_scratch_array(call, made, PVT_FLOAT32, 3, shape);
  return status == PVT_OK ? pvt_copy(x, made) : status;
}

int pvg_suppression_run(pvg_call *call) {
  pvt_array boxes, scores;
  int status = contiguous(call, call->inputs[0], &boxes);
  if (status == PVT_OK) status = contiguous(call, call->inputs[1], &scores);
  if (status != PVT_OK) return status;
  int64_t batches = boxes.dim[0].size, count = boxes.dim[1].size, classes = scores.dim[1].size;
  if (boxes.dim[2].size != 4 || scores.dim[0].size != batches || scores.dim[2].size != count)
    return pvt_fail(PVT_E_SHAPE, "boxes are [batches, n, 4], scores [batches, classes, n]");
  const pvt_array *limit = PVG_INPUT(call, 2), *least = PVG_INPUT(call, 4);
  int64_t most = limit != NULL && pvt_array_count(limit) > 0 ? pvg_int_at(limit, 0) : 0;
  most = most < 0 ? 0 : most > count ? count : most;
  float threshold = (float)scalar(call, 3, 0), floor_score = (float)scalar(call, 4, 0);
  bool filtered = least != NULL && pvt_array_count(least) > 0;
  bool centred = pvg_int(call->node, "center_point_box", 0) != 0;
  candidate *sorted = pvg_scratch(call, (size_t)(count + 1) * sizeof *sorted);
  if (sorted == NULL) return pvt_error_status();
  box *kept = pvg_scratch(call, (size_t)(most + 1) * sizeof *kept);
  if (kept == NULL) return pvt_error_status();
  size_t rows;
  if (__builtin_mul_overflow((size_t)batches * (size_t)classes, (size_t)most * 24 + 1, &rows))
    return pvt_fail(PVT_E_SHAPE, "there are too many boxes");
  int64_t *chosen = pvg_scratch(call, rows + 1), found = 0;
  if (chosen == NULL) return pvt_error_status();
  for (int64_t row = 0; row < batches * classes; row++) {
    const float *own = (const float *)boxes.data + row / classes * count * 4;
    const float *score = (const float *)scores.data + row * count;
    int64_t candidates = 0, selected = 0;
    for (int64_t i = 0; i < count; i++)
      if (!filtered || score[i] > floor_score) sorted[candidates++] = (candidate){score[i], i};
    qsort(sorted, (size_t)candidates, sizeof *sorted, by_score);
    for (int64_t i = 0; i < candidates && selected < most; i++) {
      box box = read_box(own + sorted[i].box * 4, centred);
      int64_t j = 0;
      while (j < selected && !overlap(&box, &kept[j], threshold)) j++;
      if (j % 1024 == 1023 || i % 256 == 255) status = pvt_poll();
      if (status != PVT_OK) return status;
      if (j < selected) continue;
      kept[selected++] = box;
      chosen[3 * found] = row / classes;
      chosen[3 * found + 1] = row % classes;
      chosen[3 * found++ + 2] = sorted[i].box;
    }
    status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  pvt_array *out = pvg_output(call, 0, PVT_INT64, 2, (int64_t[]){found, 3});
  if (out == NULL) return pvt_error_status();
  memcpy(out->data, chosen, (size_t)found * 24);
  return PVT_OK;
}

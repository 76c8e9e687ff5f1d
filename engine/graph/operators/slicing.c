/* slicing.c - Slice, Split and Concat. */
#include <stdlib.h>

#include "moving_operators.h"

/* ---- Slice -------------------------------------------------------------- */

typedef struct bounds {
  int count; /* of axes */
  int axis[PVT_MAX_DIMS];
  int64_t start[PVT_MAX_DIMS], end[PVT_MAX_DIMS], step[PVT_MAX_DIMS];
} bounds;

/* PVT_OK, PVG_UNKNOWN, or an error. */
static int read_bounds(const pvg_node *node, const pvg_info *const *inputs, int input_count,
                       int ndim, bounds *bounds) {
  const char *const names[] = {"starts", "ends", "axes", "steps"};
  int64_t *const lists[] = {bounds->start, bounds->end, NULL, bounds->step};
  int64_t axes[PVT_MAX_DIMS];
  int counts[4];
  for (int i = 0; i < 4; i++) {
    const pvg_info *input = i + 1 < input_count ? inputs[i + 1] : NULL;
    counts[i] = pvg_listed_ints(node, input, names[i], i == 2 ? axes : lists[i], PVT_MAX_DIMS);
    if (counts[i] < 0 && counts[i] != PVG_LEFT_OUT) return counts[i];
    if (i < 2 && counts[i] < 0) return pvt_fail(PVT_E_VALUE, "%s are left out", names[i]);
    if (counts[i] >= 0 && counts[i] != counts[0])
      return pvt_fail(PVT_E_SHAPE, "%d starts have %d %s", counts[0], counts[i], names[i]);
  }
  if (counts[0] > ndim) return pvt_fail(PVT_E_SHAPE, "%d slices of %d dimensions", counts[0], ndim);
  bounds->count = counts[0];
  uint32_t seen = 0;
  for (int i = 0; i < counts[0]; i++) {
    int axis = counts[2] < 0 ? i : pvg_axis(axes[i], ndim);
    if (axis < 0) return axis;
    if (seen >> axis & 1) return pvt_fail(PVT_E_AXIS, "axis %d is named twice", axis);
    seen |= 1u << axis;
    bounds->axis[i] = axis;
    if (counts[3] < 0) bounds->step[i] = 1;
    if (bounds->step[i] == 0) return pvt_fail(PVT_E_VALUE, "a step of a slice is 0");
  }
  return PVT_OK;
}

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

/* Start and count of elements of an axis of that size. */
static void resolve(int64_t size, int64_t start, int64_t end, int64_t step, int64_t *first,
                    int64_t *count) {
  *first = *count = 0;
  if (size == 0) return;
  if (start < 0) start += size;
  if (end < 0) end += size;
  if (step > 0) {
    start = clamp(start, 0, size);
    end = clamp(end, 0, size);
    *count = end > start ? (int64_t)(((uint64_t)(end - start) - 1) / (uint64_t)step) + 1 : 0;
  } else {
    start = clamp(start, 0, size - 1);
    end = clamp(end, -1, size - 1);
    *count = start > end ? (int64_t)(((uint64_t)(start - end) - 1) / (0 - (uint64_t)step)) + 1 : 0;
  }
  *first = *count > 0 ? start : 0;
}

int pvg_slice_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  if (!x->ranked) return pvg_infer_open(infer, -1);
  bounds bounds;
  int status = read_bounds(infer->node, infer->inputs, infer->input_count, x->ndim, &bounds);
  pvg_info *out = &infer->outputs[0];
  if (status == PVG_UNKNOWN) { /* axes that are known leave the others as they are */
    int64_t axes[PVT_MAX_DIMS];
    int count = pvg_node_ints(infer, 3, "axes", axes, PVT_MAX_DIMS);
    pvg_infer_like(infer);
    for (int i = 0; i < (count < 0 ? x->ndim : count); i++) {
      int axis = count < 0 ? i : pvg_axis(axes[i], x->ndim);
      if (axis < 0) return axis;
      out->size[axis] = pvg_symbol(infer);
    }
    return PVT_OK;
  }
  if (status != PVT_OK) return status;
  pvg_infer_like(infer);
  for (int i = 0; i < bounds.count; i++) {
    pvg_size *size = &out->size[bounds.axis[i]];
    int64_t start = bounds.start[i], end = bounds.end[i], first;
    if (!PVG_IS_SYMBOL(*size)) resolve(*size, start, end, bounds.step[i], &first, size);
    else if (start != 0 || end < INT32_MAX || bounds.step[i] != 1) *size = pvg_symbol(infer);
  }
  return PVT_OK;
}

int pvg_slice_prepare(const pvg_prepare *prepare, void *state) {
  pvg_slices *slices = state;
  const pvg_info *x = prepare->inputs[0];
  bounds bounds;
  int status = read_bounds(prepare->node, prepare->inputs, prepare->input_count, x->ndim, &bounds);
  if (status != PVT_OK) return status == PVG_UNKNOWN ? PVG_LATER : status;
  for (int d = 0; d < x->ndim; d++) {
    slices->count[d] = x->size[d];
    slices->step[d] = 1;
  }
  for (int i = 0; i < bounds.count; i++) {
    int d = bounds.axis[i];
    resolve(x->size[d], bounds.start[i], bounds.end[i], bounds.step[i], &slices->start[d],
            &slices->count[d]);
    slices->step[d] = slices->count[d] > 1 ? bounds.step[i] : 1;
  }
  return PVT_OK;
}

int pvg_slice_run(pvg_call *call) {
  const pvg_slices *slices = call->state;
  const pvt_array *x = call->inputs[0];
  pvt_array view;
  memcpy(&view, x, offsetof(pvt_array, dim));
  for (int d = 0; d < x->ndim; d++) {
    view.data += slices->start[d] * x->dim[d].stride;
    view.dim[d] = (pvt_dim){slices->count[d], x->dim[d].stride * slices->step[d]};
  }
  return pvg_output_view(call, 0, &view);
}

/* ---- Split -------------------------------------------------------------- */

/* Sizes of the parts; all of them -1 where the whole is not known. */
static int read_parts(const pvg_node *node, const pvg_info *given, int parts, pvg_size whole,
                      int64_t *sizes) {
  int count = pvg_listed_ints(node, given, "split", sizes, parts);
  if (count == PVG_UNKNOWN) return count;
  if (count < 0 && count != PVG_LEFT_OUT) return count;
  if (count >= 0) {
    int64_t sum = 0;
    if (count != parts) return pvt_fail(PVT_E_SHAPE, "%d sizes for %d parts", count, parts);
    for (int i = 0; i < parts; i++) {
      if (sizes[i] < 0 || __builtin_add_overflow(sum, sizes[i], &sum))
        return pvt_fail(PVT_E_SHAPE, "a part's size is %lld", (long long)sizes[i]);
    }
    if (!PVG_IS_SYMBOL(whole) && sum != whole)
      return pvt_fail(PVT_E_SHAPE, "the parts have %lld elements, the axis has %lld",
                      (long long)sum, (long long)whole);
    return PVT_OK;
  }
  int64_t wanted = pvg_int(node, "num_outputs", parts);
  if (wanted != parts)
    return pvt_fail(PVT_E_VALUE, "num_outputs is %lld for %d outputs", (long long)wanted, parts);
  if (PVG_IS_SYMBOL(whole)) return PVG_UNKNOWN;
  int64_t each = whole / parts + (whole % parts != 0);
  if (node->version < 18 && each * parts != whole)
    return pvt_fail(PVT_E_SHAPE, "%lld elements cannot be split into %d equal parts",
                    (long long)whole, parts);
  for (int i = 0; i < parts; i++) {
    int64_t left = whole - i * each;
    sizes[i] = left < 0 ? 0 : left < each ? left : each;
  }
  return PVT_OK;
}

int pvg_split_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  int parts = infer->output_count;
  for (int i = 0; i < parts; i++) infer->outputs[i].dtype = x->dtype;
  if (!x->ranked) return PVT_OK;
  int axis = pvg_axis(pvg_int(infer->node, "axis", 0), x->ndim);
  if (axis < 0) return axis;
  int64_t few[64], *sizes = parts <= 64 ? few : malloc((size_t)parts * sizeof *sizes);
  if (sizes == NULL) return pvt_fail(PVT_E_NOMEM, "no memory for %d parts", parts);
  int status = read_parts(infer->node, PVG_INPUT(infer, 1), parts, x->size[axis], sizes);
  for (int i = 0; i < parts && (status == PVT_OK || status == PVG_UNKNOWN); i++) {
    pvg_info_shape(&infer->outputs[i], x);
    infer->outputs[i].size[axis] = status == PVT_OK ? sizes[i] : pvg_symbol(infer);
  }
  if (sizes != few) free(sizes);
  return status == PVG_UNKNOWN ? PVT_OK : status;
}

int pvg_split_prepare(const pvg_prepare *prepare, void *state) {
  pvg_parts *parts = state;
  const pvg_info *x = prepare->inputs[0];
  int count = prepare->output_count;
  parts->axis = pvg_axis(pvg_int(prepare->node, "axis", 0), x->ndim);
  if (parts->axis < 0) return parts->axis;
  parts->size = pvg_prepare_memory(prepare, (size_t)count * sizeof *parts->size);
  if (parts->size == NULL) return pvt_error_status();
  int status =
      read_parts(prepare->node, PVG_INPUT(prepare, 1), count, x->size[parts->axis], parts->size);
  return status == PVG_UNKNOWN ? PVG_LATER : status;
}

int pvg_split_run(pvg_call *call) {
  const pvg_parts *parts = call->state;
  const pvt_array *x = call->inputs[0];
  pvt_array view;
  pvg_look(&view, x);
  for (int i = 0; i < call->output_count; i++) {
    view.dim[parts->axis].size = parts->size[i];
    int status = pvg_output_wanted(call, i) ? pvg_output_view(call, i, &view) : PVT_OK;
    if (status != PVT_OK) return status;
    view.data += parts->size[i] * x->dim[parts->axis].stride;
  }
  return PVT_OK;
}

/* ---- Concat ------------------------------------------------------------- */

int pvg_concat_infer(pvg_infer *infer) {
  pvg_info *out = &infer->outputs[0];
  out->dtype = infer->inputs[0]->dtype;
  for (int i = 0; i < infer->input_count; i++)
    if (!infer->inputs[i]->ranked) return PVT_OK;
  pvg_infer_like(infer);
  int axis = pvg_axis(pvg_int(infer->node, "axis", 0), out->ndim);
  if (axis < 0) return axis;
  bool known = !PVG_IS_SYMBOL(out->size[axis]);
  for (int i = 1; i < infer->input_count; i++) {
    const pvg_info *x = infer->inputs[i];
    if (x->ndim != out->ndim)
      return pvt_fail(PVT_E_SHAPE, "inputs of %d and of %d dimensions are concatenated", out->ndim,
                      x->ndim);
    for (int d = 0; d < x->ndim; d++) {
      if (d == axis) {
        if (PVG_IS_SYMBOL(x->size[d])) known = false;
        if (known && __builtin_add_overflow(out->size[d], x->size[d], &out->size[d]))
          return pvt_fail(PVT_E_SHAPE, "what is concatenated is too large");
      } else if (PVG_IS_SYMBOL(out->size[d])) out->size[d] = x->size[d];
      else if (!PVG_IS_SYMBOL(x->size[d]) && x->size[d] != out->size[d])
        return pvt_fail(PVT_E_SHAPE,
                        "sizes %lld and %lld of axis %d differ where axis %d is "
                        "concatenated",
                        (long long)out->size[d], (long long)x->size[d], d, axis);
    }
  }
  if (!known) out->size[axis] = pvg_symbol(infer);
  return PVT_OK;
}

int pvg_concat_prepare(const pvg_prepare *prepare, void *state) {
  pvg_concat *concat = state;
  concat->axis = pvg_axis(pvg_int(prepare->node, "axis", 0), prepare->inputs[0]->ndim);
  return concat->axis < 0 ? concat->axis : pvg_shape_prepare(prepare, &concat->shape);
}

int pvg_concat_run(pvg_call *call) {
  const pvg_concat *concat = call->state;
  const pvg_shape *shape = &concat->shape;
  pvt_array part,
      *out = pvg_output(call, 0, (pvt_dtype)call->inputs[0]->dtype, shape->ndim, shape->size);
  if (out == NULL) return pvt_error_status();
  pvg_look(&part, out);
  pvt_dim *along = &part.dim[concat->axis];
  for (int i = 0; i < call->input_count; i++) {
    const pvt_array *x = call->inputs[i];
    along->size = x->dim[concat->axis].size;
    if (x->dtype != out->dtype)
      return pvt_fail(PVT_E_DTYPE, "%s and %s are concatenated", pvt_dtype_name(out->dtype),
                      pvt_dtype_name(x->dtype));
    int status = along->size > 0 ? pvt_copy(x, &part) : PVT_OK;
    if (status != PVT_OK) return status;
    part.data += along->size * along->stride;
  }
  return PVT_OK;
}

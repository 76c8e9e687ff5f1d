/* moving.c - operators that move elements: reshape, transpose, slice, pad, concatenate. */
#include "moving_operators.h"

int pvg_shape_prepare(const pvg_prepare *prepare, void *state) {
  pvg_shape *shape = state;
  const pvg_info *out = &prepare->outputs[0];
  if (!pvg_info_is_known(out)) return PVG_LATER;
  shape->ndim = out->ndim;
  for (int d = 0; d < out->ndim; d++) shape->size[d] = out->size[d];
  return PVT_OK;
}

/* ---- Other shapes ------------------------------------------------------- */

static int run_reshape(pvg_call *call) {
  const pvg_shape *shape = call->state;
  return pvg_output_reshaped(call, call->inputs[0], shape->ndim, shape->size);
}

/* What is left of x's elements for the dimension of -1. Symbols that are on both sides cancel. */
static int infer_remainder(pvg_infer *infer, const pvg_info *x, pvg_info *out, int open) {
  pvg_size symbols[PVT_MAX_DIMS];
  int count = 0;
  int64_t has = 1, wants = 1;
  for (int d = 0; d < x->ndim; d++)
    if (PVG_IS_SYMBOL(x->size[d])) symbols[count++] = x->size[d];
    else if (__builtin_mul_overflow(has, x->size[d], &has))
      return pvt_fail(PVT_E_SHAPE, "an input has too many elements");
  bool cancels = true;
  for (int d = 0; d < out->ndim; d++) {
    if (d == open) continue;
    if (!PVG_IS_SYMBOL(out->size[d])) {
      if (__builtin_mul_overflow(wants, out->size[d], &wants))
        return pvt_fail(PVT_E_SHAPE, "a shape has too many elements");
      continue;
    }
    int i = 0;
    while (i < count && symbols[i] != out->size[d]) i++;
    if (i == count) cancels = false;
    else symbols[i] = symbols[--count];
  }
  if (cancels && count == 0 && wants == 0 && has == 0)
    return pvt_fail(PVT_E_SHAPE, "-1 in a shape stands for any size where another is 0");
  if (cancels && count == 0 && (wants == 0 || has % wants != 0))
    return pvt_fail(PVT_E_SHAPE, "%lld elements cannot be put into rows of %lld", (long long)has,
                    (long long)wants);
  if (cancels && count == 0) out->size[open] = has / wants;
  else if (cancels && count == 1 && has == wants && wants != 0) out->size[open] = symbols[0];
  else out->size[open] = pvg_symbol(infer);
  return PVT_OK;
}

static int infer_reshape(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0], *wanted = PVG_INPUT(infer, 1);
  pvg_info *out = &infer->outputs[0];
  out->dtype = x->dtype;
  int64_t shape[PVT_MAX_DIMS];
  int count = pvg_node_ints(infer, 1, "shape", shape, PVT_MAX_DIMS);
  if (count == PVG_LEFT_OUT) return pvt_fail(PVT_E_SHAPE, "the shape is left out");
  if (count == PVG_UNKNOWN) {
    bool counted = wanted->ranked && wanted->ndim == 1 && !PVG_IS_SYMBOL(wanted->size[0]);
    if (counted && wanted->size[0] > PVT_MAX_DIMS)
      return pvt_fail(PVT_E_SHAPE, "a shape has %lld dimensions, at most %d are possible",
                      (long long)wanted->size[0], PVT_MAX_DIMS);
    return pvg_infer_open(infer, counted ? (int)wanted->size[0] : -1);
  }
  if (count < 0) return count;
  bool zero = pvg_int(infer->node, "allowzero", 0) != 0;
  int open = -1;
  out->ranked = true;
  out->ndim = (uint8_t)count;
  for (int d = 0; d < count; d++) {
    out->size[d] = shape[d];
    if (shape[d] < -1)
      return pvt_fail(PVT_E_SHAPE, "a shape has a size of %lld", (long long)shape[d]);
    if (shape[d] == -1 && open >= 0) return pvt_fail(PVT_E_SHAPE, "a shape has -1 twice");
    if (shape[d] == -1) open = d;
    if (shape[d] != 0 || zero) continue;
    if (x->ranked && d >= x->ndim)
      return pvt_fail(PVT_E_SHAPE, "size %d of the shape is the input's, which has %d dimensions",
                      d, x->ndim);
    out->size[d] = x->ranked ? x->size[d] : pvg_symbol(infer);
  }
  if (open < 0) return PVT_OK;
  if (x->ranked) return infer_remainder(infer, x, out, open);
  out->size[open] = pvg_symbol(infer);
  return PVT_OK;
}

static int infer_flatten(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  if (!x->ranked) return pvg_infer_open(infer, 2);
  int64_t axis = pvg_int(infer->node, "axis", 1);
  if (axis < -x->ndim || axis > x->ndim)
    return pvt_fail(PVT_E_AXIS, "axis %lld is out of bounds for %d dimensions", (long long)axis,
                    x->ndim);
  if (axis < 0) axis += x->ndim;
  pvg_info *out = &infer->outputs[0];
  pvg_size sizes[2];
  for (int side = 0; side < 2; side++) {
    int from = side == 0 ? 0 : (int)axis, to = side == 0 ? (int)axis : x->ndim, symbols = 0;
    pvg_size symbol = 0;
    int64_t product = 1;
    for (int d = from; d < to; d++)
      if (PVG_IS_SYMBOL(x->size[d])) {
        symbol = x->size[d];
        symbols++;
      } else if (__builtin_mul_overflow(product, x->size[d], &product))
        return pvt_fail(PVT_E_SHAPE, "an input has too many elements");
    if (symbols == 0) sizes[side] = product;
    else sizes[side] = symbols == 1 && product == 1 ? symbol : pvg_symbol(infer);
  }
  out->dtype = x->dtype;
  pvg_info_sizes(out, 2, sizes);
  return PVT_OK;
}

static int infer_squeeze(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  int64_t axes[PVT_MAX_DIMS];
  uint32_t bits = 0;
  int count = pvg_node_ints(infer, 1, "axes", axes, PVT_MAX_DIMS);
  if (count < 0 && count != PVG_UNKNOWN && count != PVG_LEFT_OUT) return count;
  if (!x->ranked || count == PVG_UNKNOWN) return pvg_infer_open(infer, -1);
  if (count == PVG_LEFT_OUT || count == 0) {
    for (int d = 0; d < x->ndim; d++) {
      if (PVG_IS_SYMBOL(x->size[d])) return pvg_infer_open(infer, -1);
      if (x->size[d] == 1) bits |= 1u << d;
    }
  } else {
    int status = pvg_axes(axes, count, x->ndim, &bits);
    if (status != PVT_OK) return status;
  }
  pvg_info *out = &infer->outputs[0];
  out->dtype = x->dtype;
  out->ranked = true;
  out->ndim = 0;
  for (int d = 0; d < x->ndim; d++)
    if ((bits >> d & 1) == 0) out->size[out->ndim++] = x->size[d];
    else if (!PVG_IS_SYMBOL(x->size[d]) && x->size[d] != 1)
      return pvt_fail(PVT_E_SHAPE, "axis %d to be squeezed has size %lld, not 1", d,
                      (long long)x->size[d]);
  return PVT_OK;
}

static int infer_unsqueeze(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  int64_t axes[PVT_MAX_DIMS];
  uint32_t bits = 0;
  int count = pvg_node_ints(infer, 1, "axes", axes, PVT_MAX_DIMS);
  if (count == PVG_LEFT_OUT) return pvt_fail(PVT_E_AXIS, "the axes are left out");
  if (count < 0 && count != PVG_UNKNOWN) return count;
  if (!x->ranked || count == PVG_UNKNOWN) return pvg_infer_open(infer, -1);
  int ndim = x->ndim + count;
  if (ndim > PVT_MAX_DIMS)
    return pvt_fail(PVT_E_SHAPE, "%d dimensions, at most %d are possible", ndim, PVT_MAX_DIMS);
  int status = count > 0 ? pvg_axes(axes, count, ndim, &bits) : PVT_OK;
  if (status != PVT_OK) return status;
  pvg_info *out = &infer->outputs[0];
  out->dtype = x->dtype;
  out->ranked = true;
  out->ndim = (uint8_t)ndim;
  for (int d = 0, from = 0; d < ndim; d++) out->size[d] = bits >> d & 1 ? 1 : x->size[from++];
  return PVT_OK;
}

/* ---- Expand ------------------------------------------------------------- */

static int infer_expand(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0], *wanted = infer->inputs[1];
  pvg_info shape = {.dtype = x->dtype, .ranked = true};
  int count = pvg_info_ints(wanted, shape.size, PVT_MAX_DIMS);
  if (count == PVG_UNKNOWN) {
    bool counted = wanted->ranked && wanted->ndim == 1 && !PVG_IS_SYMBOL(wanted->size[0]) &&
                   wanted->size[0] <= PVT_MAX_DIMS && x->ranked;
    int own = x->ranked ? x->ndim : 0;
    return pvg_infer_open(infer, !counted                ? -1
                                 : wanted->size[0] < own ? own
                                                         : (int)wanted->size[0]);
  }
  if (count < 0) return count;
  for (int d = 0; d < count; d++)
    if (shape.size[d] < 0)
      return pvt_fail(PVT_E_SHAPE, "a shape has a size of %lld", (long long)shape.size[d]);
  shape.ndim = (uint8_t)count;
  int status = pvg_infer_broadcast(infer, x, &shape, &infer->outputs[0]);
  infer->outputs[0].dtype = x->dtype;
  return status;
}

static int run_expand(pvg_call *call) {
  const pvg_shape *shape = call->state;
  pvt_array view;
  pvg_look(&view, call->inputs[0]);
  int status = pvt_view_broadcast(&view, shape->ndim, shape->size);
  return status == PVT_OK ? pvg_output_view(call, 0, &view) : status;
}

/* ---- Transpose, Identity ------------------------------------------------ */

typedef struct order {
  int axes[PVT_MAX_DIMS];
} order;

static int find_order(const pvg_node *node, int ndim, order *order) {
  int count;
  const int64_t *perm = pvg_ints(node, "perm", &count);
  for (int d = 0; d < ndim && perm == NULL; d++) order->axes[d] = ndim - 1 - d;
  if (perm == NULL) return PVT_OK;
  if (count != ndim)
    return pvt_fail(PVT_E_SHAPE, "perm has %d axes, the input %d dimensions", count, ndim);
  uint32_t bits;
  int status = pvg_axes(perm, count, ndim, &bits);
  for (int d = 0; d < ndim && status == PVT_OK; d++) order->axes[d] = pvg_axis(perm[d], ndim);
  return status;
}

static int infer_transpose(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  if (!x->ranked) return pvg_infer_open(infer, -1);
  order order;
  int status = find_order(infer->node, x->ndim, &order);
  pvg_infer_like(infer);
  for (int d = 0; d < x->ndim && status == PVT_OK; d++)
    infer->outputs[0].size[d] = x->size[order.axes[d]];
  return status;
}

static int prepare_transpose(const pvg_prepare *prepare, void *state) {
  return find_order(prepare->node, prepare->inputs[0]->ndim, state);
}

static int run_transpose(pvg_call *call) {
  const pvt_array *x = call->inputs[0];
  const order *order = call->state;
  pvt_array view;
  memcpy(&view, x, offsetof(pvt_array, dim));
  for (int d = 0; d < x->ndim; d++) view.dim[d] = x->dim[order->axes[d]];
  return pvg_output_view(call, 0, &view);
}

static int run_identity(pvg_call *call) {
  return pvg_output_view(call, 0, call->inputs[0]);
}

/* ---- The table ---------------------------------------------------------- */

#define SHAPE sizeof(pvg_shape), pvg_shape_prepare, NULL

const pvg_operator pvg_moving_operators[] = {
    {"Concat", "", 4, 0, 1, -1, 0, pvg_concat_infer, sizeof(pvg_concat), pvg_concat_prepare, NULL,
     pvg_concat_run, NULL},
    {"CenterCropPad", "", 18, 0, 2, 2, 0, pvg_crop_pad_infer, SHAPE, pvg_crop_pad_run, NULL},
    {"DepthToSpace", "", 1, 0, 1, 1, 0, pvg_depth_to_space_infer, sizeof(pvg_block),
     pvg_block_prepare, NULL, pvg_depth_to_space_run, NULL},
    {"Expand", "", 8, 0, 2, 2, PVG_VIEW, infer_expand, SHAPE, run_expand, NULL},
    {"Flatten", "", 1, 0, 1, 1, PVG_VIEW, infer_flatten, SHAPE, run_reshape, NULL},
    {"Identity", "", 1, 0, 1, 1, PVG_VIEW, pvg_infer_like, 0, NULL, NULL, run_identity, NULL},
    {"Pad", "", 1, 0, 1, 4, 0, pvg_pad_infer, sizeof(pvg_pads), pvg_pad_prepare, NULL, pvg_pad_run,
     NULL},
    {"Reshape", "", 1, 0, 1, 2, PVG_VIEW, infer_reshape, SHAPE, run_reshape, NULL},
    {"ReverseSequence", "", 10, 0, 2, 2, 0, pvg_infer_like, 0, NULL, NULL, pvg_reverse_sequence_run,
     NULL},
    {"Slice", "", 1, 0, 1, 5, PVG_VIEW, pvg_slice_infer, sizeof(pvg_slices), pvg_slice_prepare,
     NULL, pvg_slice_run, NULL},
    {"SpaceToDepth", "", 1, 0, 1, 1, 0, pvg_space_to_depth_infer, sizeof(pvg_block),
     pvg_block_prepare, NULL, pvg_space_to_depth_run, NULL},
    {"Split", "", 2, 0, 1, 2, PVG_VIEW, pvg_split_infer, sizeof(pvg_parts), pvg_split_prepare, NULL,
     pvg_split_run, NULL},
    {"Squeeze", "", 1, 0, 1, 2, PVG_VIEW, infer_squeeze, SHAPE, run_reshape, NULL},
    {"Tile", "", 6, 0, 2, 2, PVG_VIEW, pvg_tile_infer, SHAPE, pvg_tile_run, NULL},
    {"Transpose", "", 1, 0, 1, 1, PVG_VIEW, infer_transpose, sizeof(order), prepare_transpose, NULL,
     run_transpose, NULL},
    {"Trilu", "", 14, 0, 1, 2, 0, pvg_infer_like, 0, NULL, NULL, pvg_trilu_run, NULL},
    {"Unsqueeze", "", 1, 0, 1, 2, PVG_VIEW, infer_unsqueeze, SHAPE, run_reshape, NULL},
    {0},
};

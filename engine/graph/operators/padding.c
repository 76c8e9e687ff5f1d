/* padding.c - Pad, CenterCropPad and Tile. */
#include "moving_operators.h"

/* ---- Pad ---------------------------------------------------------------- */

/* Pads of all axes; PVT_OK, PVG_UNKNOWN, or an error. */
static int read_pads(const pvg_node *node, const pvg_info *given, const pvg_info *axes, int ndim,
                     int64_t *before, int64_t *after) {
  int64_t pads[2 * PVT_MAX_DIMS], named[PVT_MAX_DIMS];
  int count =
      pvg_listed_ints(node, given, node->version < 2 ? "paddings" : "pads", pads, 2 * PVT_MAX_DIMS);
  int axis_count = pvg_info_ints(axes, named, PVT_MAX_DIMS);
  if (count == PVG_UNKNOWN || axis_count == PVG_UNKNOWN) return PVG_UNKNOWN;
  if (count == PVG_LEFT_OUT) return pvt_fail(PVT_E_VALUE, "the pads are left out");
  if (count < 0) return count;
  if (axis_count < 0 && axis_count != PVG_LEFT_OUT) return axis_count;
  int padded = axis_count == PVG_LEFT_OUT ? ndim : axis_count;
  if (count != 2 * padded)
    return pvt_fail(PVT_E_SHAPE, "%d pads for %d axes, two each are wanted", count, padded);
  uint32_t bits;
  int status = axis_count > 0 ? pvg_axes(named, axis_count, ndim, &bits) : PVT_OK;
  if (status != PVT_OK) return status;
  for (int d = 0; d < ndim; d++) before[d] = after[d] = 0;
  for (int i = 0; i < padded; i++) {
    int axis = axis_count == PVG_LEFT_OUT ? i : pvg_axis(named[i], ndim);
    before[axis] = pads[i];
    after[axis] = pads[i + padded];
  }
  return PVT_OK;
}

/* The size with its pads, which may be negative. */
static int padded_size(int64_t size, int64_t before, int64_t after, int64_t *out) {
  if (__builtin_add_overflow(size, before, out) || __builtin_add_overflow(*out, after, out) ||
      *out < 0)
    return pvt_fail(PVT_E_SHAPE, "pads %lld and %lld of size %lld", (long long)before,
                    (long long)after, (long long)size);
  return PVT_OK;
}

int pvg_pad_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  if (!x->ranked) return pvg_infer_open(infer, -1);
  int64_t before[PVT_MAX_DIMS], after[PVT_MAX_DIMS];
  int status =
      read_pads(infer->node, PVG_INPUT(infer, 1), PVG_INPUT(infer, 3), x->ndim, before, after);
  if (status == PVG_UNKNOWN) return pvg_infer_open(infer, x->ndim);
  pvg_infer_like(infer);
  for (int d = 0; d < x->ndim && status == PVT_OK; d++) {
    pvg_size *size = &infer->outputs[0].size[d];
    if (!PVG_IS_SYMBOL(*size)) status = padded_size(*size, before[d], after[d], size);
    else if (before[d] != 0 || after[d] != 0) *size = pvg_symbol(infer);
  }
  return status;
}

int pvg_pad_prepare(const pvg_prepare *prepare, void *state) {
  static const char *const modes[] = {"constant", "edge", "reflect", "symmetric", "wrap"};
  pvg_pads *pads = state;
  const pvg_node *node = prepare->node;
  const char *mode = pvg_string(node, "mode", "constant");
  while (pads->mode < 5 && strcmp(modes[pads->mode], mode) != 0) pads->mode++;
  if (pads->mode == 5)
    return pvt_fail(PVT_E_VALUE, "mode is \"%.20s\", not constant, edge, reflect or wrap", mode);
  const pvg_info *x = prepare->inputs[0];
  pvt_array value;
  if (node->version < 11)
    pvg_scalar(&value, pads->value, (pvt_dtype)x->dtype, pvg_float(node, "value", 0));
  int status = read_pads(node, PVG_INPUT(prepare, 1), PVG_INPUT(prepare, 3), x->ndim, pads->before,
                         pads->after);
  return status == PVG_UNKNOWN ? PVG_LATER : status;
}

int pvg_pad_run(pvg_call *call) {
  const pvg_pads *pads = call->state;
  const pvt_array *given = PVG_INPUT(call, 2);
  pvt_array x;
  pvg_look(&x, call->inputs[0]);
  int64_t shape[PVT_MAX_DIMS], before[PVT_MAX_DIMS], after[PVT_MAX_DIMS];
  for (int d = 0; d < x.ndim; d++) {
    int status = padded_size(x.dim[d].size, pads->before[d], pads->after[d], &shape[d]);
    if (status != PVT_OK) return status;
    before[d] = pads->before[d];
    after[d] = pads->after[d];
    /* What negative pads cut off. */
    int64_t first = before[d] < 0 ? -before[d] : 0, last = after[d] < 0 ? -after[d] : 0;
    if (first + last > x.dim[d].size) { /* nothing is left of it: all is padding */
      first = first < x.dim[d].size ? first : x.dim[d].size;
      last = x.dim[d].size - first;
      if (before[d] < 0) after[d] = shape[d];
      else before[d] = shape[d];
    }
    x.data += first * x.dim[d].stride;
    x.dim[d].size -= first + last;
    if (before[d] < 0) before[d] = 0;
    if (after[d] < 0) after[d] = 0;
    if (first + last > 0 && x.dim[d].size == 0) {
      before[d] = shape[d];
      after[d] = 0;
    }
  }
  pvt_dtype dtype = (pvt_dtype)x.dtype;
  _Alignas(16) char value[16];
  memcpy(value, pads->value, 16);
  if (given != NULL) {
    if (given->dtype != dtype || pvt_array_count(given) != 1)
      return pvt_fail(PVT_E_DTYPE, "the value to pad with is one element of the input's type");
    memcpy(value, given->data, pvt_itemsize(dtype));
  }
  pvt_array *out = pvg_output(call, 0, dtype, x.ndim, shape);
  if (out == NULL) return pvt_error_status();
  pvt_regions regions = PVT_REGIONS_NONE;
  int status = pvt_transform_pad(&regions, &x, before, after, (pvt_pad_mode)pads->mode, value, out);
  if (status == PVT_OK) status = pvt_regions_run(&regions, dtype);
  pvt_regions_release(&regions);
  return status;
}

/* ---- CenterCropPad ------------------------------------------------------ */

int pvg_crop_pad_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  if (!x->ranked) return pvg_infer_open(infer, -1);
  int64_t shape[PVT_MAX_DIMS], axes[PVT_MAX_DIMS];
  int count = pvg_info_ints(infer->inputs[1], shape, PVT_MAX_DIMS);
  int named = pvg_listed_ints(infer->node, NULL, "axes", axes, PVT_MAX_DIMS);
  if (count < 0 && count != PVG_UNKNOWN) return count;
  if (named < 0 && named != PVG_LEFT_OUT) return named;
  if (named == PVG_LEFT_OUT) named = x->ndim;
  else {
    uint32_t bits;
    int status = pvg_axes(axes, named, x->ndim, &bits);
    if (status != PVT_OK) return status;
  }
  bool all = pvg_attribute_of(infer->node, "axes") == NULL;
  if (count != PVG_UNKNOWN && count != named)
    return pvt_fail(PVT_E_SHAPE, "%d sizes for %d axes", count, named);
  pvg_infer_like(infer);
  for (int i = 0; i < named; i++) {
    if (count != PVG_UNKNOWN && shape[i] < 0)
      return pvt_fail(PVT_E_SHAPE, "a shape has a size of %lld", (long long)shape[i]);
    infer->outputs[0].size[all ? i : pvg_axis(axes[i], x->ndim)] =
        count == PVG_UNKNOWN ? pvg_symbol(infer) : shape[i];
  }
  return PVT_OK;
}

int pvg_crop_pad_run(pvg_call *call) {
  const pvg_shape *shape = call->state;
  const pvt_array *x = call->inputs[0];
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)x->dtype, shape->ndim, shape->size), from, to;
  if (out == NULL) return pvt_error_status();
  static const char zero[16];
  int status = pvt_fill(out, zero);
  if (status != PVT_OK) return status;
  pvg_look(&from, x);
  pvg_look(&to, out);
  for (int d = 0; d < x->ndim; d++) {
    int64_t has = from.dim[d].size, wants = to.dim[d].size;
    int64_t common = has < wants ? has : wants;
    from.data += (has - common) / 2 * from.dim[d].stride;
    to.data += (wants - common) / 2 * to.dim[d].stride;
    from.dim[d].size = to.dim[d].size = common;
  }
  return pvt_array_count(&to) > 0 ? pvt_copy(&from, &to) : PVT_OK;
}

/* ---- Tile --------------------------------------------------------------- */

int pvg_tile_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  if (!x->ranked) return pvg_infer_open(infer, -1);
  int64_t repeats[PVT_MAX_DIMS];
  int count = pvg_info_ints(infer->inputs[1], repeats, PVT_MAX_DIMS);
  if (count == PVG_UNKNOWN) return pvg_infer_open(infer, x->ndim);
  if (count < 0) return count;
  if (count != x->ndim)
    return pvt_fail(PVT_E_SHAPE, "%d repeats for %d dimensions", count, x->ndim);
  pvg_infer_like(infer);
  for (int d = 0; d < count; d++) {
    pvg_size *size = &infer->outputs[0].size[d];
    if (repeats[d] < 0)
      return pvt_fail(PVT_E_VALUE, "%lld repeats of axis %d", (long long)repeats[d], d);
    if (PVG_IS_SYMBOL(*size)) *size = repeats[d] == 1 ? *size : pvg_symbol(infer);
    else if (__builtin_mul_overflow(*size, repeats[d], size))
      return pvt_fail(PVT_E_SHAPE, "what is repeated is too large");
  }
  return PVT_OK;
}

int pvg_tile_run(pvg_call *call) {
  const pvg_shape *shape = call->state;
  const pvt_array *x = call->inputs[0];
  pvt_array view;
  int64_t repeats[PVT_MAX_DIMS];
  bool ones = true, any = true; /* only dimensions of 1 are repeated; there are elements */
  pvg_look(&view, x);
  for (int d = 0; d < shape->ndim; d++) {
    int64_t size = x->dim[d].size;
    if (shape->size[d] == 0) any = false;
    repeats[d] = size > 0 ? shape->size[d] / size : 0;
    if (repeats[d] != 1 && size != 1) ones = false;
    if (size == 1) view.dim[d] = (pvt_dim){shape->size[d], 0};
  }
  if (ones) return pvg_output_view(call, 0, &view);
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)x->dtype, shape->ndim, shape->size);
  if (out == NULL) return pvt_error_status();
  if (!any) return PVT_OK;
  pvt_regions regions = PVT_REGIONS_NONE;
  int status = pvt_transform_tile(&regions, x, repeats, out);
  if (status == PVT_OK) status = pvt_regions_run(&regions, (pvt_dtype)x->dtype);
  pvt_regions_release(&regions);
  return status;
}

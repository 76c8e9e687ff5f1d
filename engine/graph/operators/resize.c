/* resize.c - Resize and Upsample: every axis by itself. */
#include <math.h>
#include <string.h>

#include "image_operators.h"

enum { HALF_PIXEL, SYMMETRIC, PYTORCH, ALIGN_CORNERS, ASYMMETRIC, TF_HALF_PIXEL, CROP };
static const char *const coordinate_names[] = {
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
    "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize", NULL};
enum { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL, SIMPLE };
static const char *const rounding_names[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                             "ceil", NULL};
enum { STRETCH, NOT_LARGER, NOT_SMALLER };
static const char *const policy_names[] = {"stretch", "not_larger", "not_smaller", NULL};
static const char *const mode_names[] = {"nearest", "linear", "cubic", NULL};

/* One axis: what becomes of it. */
typedef struct axis_plan {
  int64_t in, out;
  double scale, start, end; /* start and end of the region of interest, in parts of the whole */
} axis_plan;

static int named(const pvg_node *node, const char *attribute, const char *otherwise,
                 const char *const *names, int *number) {
  const char *text = pvg_string(node, attribute, otherwise);
  if (names == mode_names && strcmp(text, "bilinear") == 0) text = "linear";
  for (int i = 0; names[i] != NULL; i++) {
    if (strcmp(text, names[i]) != 0) continue;
    *number = i;
    return PVT_OK;
  }
  return pvt_fail(PVT_E_VALUE, "%s: %s is '%s', which is not known", node->type, attribute, text);
}

/* Before version 11 there was one way only: x / scale, and the element at or above it. */
static bool is_old(const pvg_node *node) {
  return node->version < 11;
}

int pvg_resize_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_resize_state *state = memory;
  const pvg_node *node = prepare->node;
  bool old = is_old(node);
  int mode = 0;
  int status = named(node, "mode", "nearest", mode_names, &mode);
  state->mode = (pvg_resize_mode)mode;
  if (status == PVT_OK)
    status = named(node, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel",
                   coordinate_names, &state->coordinates);
  if (status == PVT_OK)
    status = named(node, "nearest_mode", "round_prefer_floor", rounding_names, &state->rounding);
  if (status == PVT_OK)
    status = named(node, "keep_aspect_ratio_policy", "stretch", policy_names, &state->policy);
  if (old) state->rounding = SIMPLE;
  state->antialias = pvg_int(node, "antialias", 0) != 0;
  state->exclude_outside = pvg_int(node, "exclude_outside", 0) != 0;
  state->cubic = pvg_float(node, "cubic_coeff_a", -0.75F);
  state->extrapolation = pvg_float(node, "extrapolation_value", 0);
  return status;
}

/* ---- Shapes --------------------------------------------------------------------- */

/* Numbers of a float input: how many, or PVG_LEFT_OUT or PVG_UNKNOWN, or a negative status. */
static int floats_of(const pvt_array *x, double *values, int most) {
  if (x == NULL) return PVG_LEFT_OUT;
  int64_t count = pvt_array_count(x);
  if (count > most || x->ndim > 1)
    return pvt_fail(PVT_E_SHAPE, "scales and regions should be vectors for each dimension");
  for (int64_t i = 0; i < count; i++) values[i] = pvg_float_at(x, i);
  return (int)count;
}

static int plan_sizes(const pvg_node *node, int policy, int ndim, const int64_t *shape,
                      const pvt_array *scales, const pvt_array *sizes, const pvt_array *roi,
                      axis_plan *plan) {
  double scale[PVT_MAX_DIMS], region[2 * PVT_MAX_DIMS];
  int64_t size[PVT_MAX_DIMS];
  int axes_count, axes[PVT_MAX_DIMS], given, count = 0;
  const int64_t *listed = pvg_ints(node, "axes", &axes_count);
  if (listed == NULL || axes_count == 0) {
    axes_count = ndim;
    for (int i = 0; i < ndim; i++) axes[i] = i;
  } else {
    if (axes_count > ndim) return pvt_fail(PVT_E_AXIS, "%s: too many axes", node->type);
    for (int i = 0; i < axes_count; i++)
      if ((axes[i] = pvg_axis(listed[i], ndim)) < 0) return axes[i];
  }
  for (int i = 0; i < ndim; i++)
    plan[i] = (axis_plan){.in = shape[i], .out = shape[i], .scale = 1, .start = 0, .end = 1};
  const float *attribute = pvg_floats(node, "scales", &count);
  if (strcmp(node->type, "Upsample") == 0 && attribute != NULL) {
    given = count;
    for (int i = 0; i < count && i < PVT_MAX_DIMS; i++) scale[i] = attribute[i];
  } else {
    given = floats_of(scales, scale, PVT_MAX_DIMS);
  }
  bool by_size = sizes != NULL && pvt_array_count(sizes) > 0;
  if (given < 0 && given != PVG_LEFT_OUT) return given;
  if (by_size) {
    int status = pvg_some_ints("Resize: sizes", sizes, size);
    if (status < 0) return status;
    given = status;
  }
  if (given != axes_count)
    return pvt_fail(PVT_E_SHAPE, "%s: scales or sizes should be given for %d dimensions",
                    node->type, axes_count);
  double least = INFINITY, most = 0;
  for (int i = 0; i < axes_count; i++) {
    axis_plan *axis = &plan[axes[i]];
    if (by_size) {
      if (size[i] < 0 || size[i] > INT32_MAX || (axis->in == 0 && size[i] != 0))
        return pvt_fail(PVT_E_VALUE, "%s: size %lld is out of range", node->type,
                        (long long)size[i]);
      axis->out = size[i];
      axis->scale = axis->in == 0 ? 1 : (double)size[i] / (double)axis->in;
    } else {
      if (!(scale[i] > 0) || !(scale[i] * (double)axis->in < INT32_MAX))
        return pvt_fail(PVT_E_VALUE, "%s: scale %g is out of range", node->type, scale[i]);
      axis->scale = scale[i];
      axis->out = (int64_t)((float)scale[i] * (float)axis->in);
    }
    least = axis->scale < least ? axis->scale : least;
    most = axis->scale > most ? axis->scale : most;
  }
  for (int i = 0; i < axes_count && by_size && policy != STRETCH; i++) {
    axis_plan *axis = &plan[axes[i]];
    axis->scale = policy == NOT_LARGER ? least : most;
    axis->out = (int64_t)(axis->scale * (double)axis->in + 0.5);
  }
  int regions = roi == NULL ? 0 : floats_of(roi, region, 2 * PVT_MAX_DIMS);
  if (regions < 0) return regions;
  if (regions != 0 && regions != 2 * axes_count)
    return pvt_fail(PVT_E_SHAPE, "%s: roi should have %d elements", node->type, 2 * axes_count);
  for (int i = 0; i < axes_count && regions != 0; i++) {
    plan[axes[i]].start = region[i];
    plan[axes[i]].end = region[axes_count + i];
  }
  return PVT_OK;
}

/* Where the inputs are: Resize has roi since version 11. */
static void positions(const pvg_node *node, int *roi, int *scales, int *sizes) {
  *roi = is_old(node) ? -1 : 1;
  *scales = is_old(node) ? 1 : 2;
  *sizes = is_old(node) ? -1 : 3;
}

int pvg_resize_infer(pvg_infer *infer) {
  const pvg_node *node = infer->node;
  const pvg_info *x = infer->inputs[0], *inputs[2] = {NULL, NULL};
  pvg_infer_is(infer, 0, x->dtype, x->ranked ? -1 : -1, NULL);
  int roi, scales, sizes, policy;
  positions(node, &roi, &scales, &sizes);
  inputs[0] = PVG_INPUT(infer, scales);
  if (sizes > 0) inputs[1] = PVG_INPUT(infer, sizes);
  if (!x->ranked) return PVT_OK;
  pvg_size size[PVT_MAX_DIMS];
  bool known = true;
  for (int i = 0; i < 2; i++) known = known && (inputs[i] == NULL || inputs[i]->constant != NULL);
  for (int i = 0; i < x->ndim; i++) known = known && !PVG_IS_SYMBOL(x->size[i]);
  if (known) {
    axis_plan plan[PVT_MAX_DIMS];
    int status = named(node, "keep_aspect_ratio_policy", "stretch", policy_names, &policy);
    if (status == PVT_OK)
      status =
          plan_sizes(node, policy, x->ndim, x->size, inputs[0] != NULL ? inputs[0]->constant : NULL,
                     inputs[1] != NULL ? inputs[1]->constant : NULL, NULL, plan);
    if (status != PVT_OK) return status;
    for (int i = 0; i < x->ndim; i++) size[i] = plan[i].out;
  } else {
    for (int i = 0; i < x->ndim; i++) size[i] = pvg_symbol(infer);
  }
  pvg_infer_is(infer, 0, x->dtype, x->ndim, size);
  return PVT_OK;
}

/* ---- Coordinates and weights ------------------------------------------------------ */

static double coordinate(const pvg_resize_state *state, const axis_plan *axis, int64_t i) {
  double y = (double)i, in = (double)axis->in, out = axis->scale * in;
  switch (state->coordinates) {
  case ALIGN_CORNERS: return out == 1 ? 0 : y * (in - 1) / (out - 1);
  case ASYMMETRIC: return y / axis->scale;
  case TF_HALF_PIXEL: return (y + 0.5) / axis->scale;
  case PYTORCH: return out == 1 ? -0.5 : (y + 0.5) / axis->scale - 0.5;
  case SYMMETRIC: return in / 2 * (1 - (double)axis->out / out) + (y + 0.5) / axis->scale - 0.5;
  case CROP: {
    double width = axis->end - axis->start;
    double x = out == 1 ? width * (in - 1) / 2 : y * width * (in - 1) / (out - 1);
    return x + axis->start * (in - 1);
  }
  default: return (y + 0.5) / axis->scale - 0.5;
  }
}

static int64_t nearest(const pvg_resize_state *state, double x, double scale) {
  switch (state->rounding) {
  case PREFER_FLOOR: return (int64_t)ceil(x - 0.5);
  case PREFER_CEIL: return (int64_t)floor(x + 0.5);
  case CEIL: return (int64_t)ceil(x);
  case SIMPLE: return scale < 1 ? (int64_t)ceil(x) : (int64_t)floor(x);
  default: return (int64_t)floor(x);
  }
}

static double weight_at(const pvg_resize_state *state, double distance) {
  double x = fabs(distance), a = state->cubic;
  if (state->mode == PVG_LINEAR) return x < 1 ? 1 - x : 0;
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static int64_t within(int64_t i, int64_t size) {
  return i < 0 ? 0 : i >= size ? size - 1 : i;
}

static int plan_taps(pvg_call *call, const pvg_resize_state *state, const axis_plan *axis,
                     pvg_taps *taps) {
  int reach = state->mode == PVG_NEAREST ? 0 : state->mode == PVG_LINEAR ? 1 : 2;
  double shrink = state->antialias && axis->scale < 1 ? axis->scale : 1; /* of the weights' curve */
  int64_t first = reach == 0 ? 0 : (int64_t)floor(-reach / shrink) + 1;
  int64_t count = reach == 0 ? 1 : 2 - 2 * first;
  if (count > INT32_MAX || count * axis->out > INT32_MAX)
    return pvt_fail(PVT_E_SHAPE, "%s: an axis shrinks too much to be smoothed", call->node->type);
  size_t all = (size_t)(axis->out * count + 1);
  int64_t *index = pvg_scratch(call, all * sizeof *index);
  double *weight = pvg_scratch(call, all * sizeof *weight);
  uint8_t *beyond = pvg_scratch(call, (size_t)axis->out + 1);
  if (index == NULL || weight == NULL || beyond == NULL) return pvt_error_status();
  *taps = (pvg_taps){.in = axis->in,
                     .out = axis->out,
                     .taps = (int)count,
                     .index = index,
                     .weight = weight,
                     .value = state->extrapolation};
  for (int64_t i = 0; i < axis->out; i++, index += count, weight += count) {
    double x = coordinate(state, axis, i), sum = 0;
    beyond[i] = state->coordinates == CROP && (x < 0 || x > (double)(axis->in - 1));
    if (beyond[i]) taps->beyond = beyond;
    if (!(x > -1e9)) x = -1e9; /* far out is as good as any */
    if (!(x < 4e9)) x = 4e9;
    if (reach == 0) {
      index[0] = within(nearest(state, x, axis->scale), axis->in);
      weight[0] = 1;
      continue;
    }
    int64_t at = (int64_t)floor(x);
    for (int64_t k = 0; k < count; k++) {
      int64_t place = at + first + k;
      weight[k] = weight_at(state, ((double)place - x) * shrink);
      if (state->exclude_outside && (place < 0 || place >= axis->in)) weight[k] = 0;
      index[k] = within(place, axis->in);
      sum += weight[k];
    }
    if ((state->exclude_outside || shrink < 1) && sum != 0)
      for (int64_t k = 0; k < count; k++) weight[k] /= sum;
  }
  return PVT_OK;
}

/* ---- Running ----------------------------------------------------------------------- */

/* Integers get the nearest whole number within their range. */
static int round_result(pvg_call *call, const pvg_result *result, int ndim, const int64_t *shape) {
  pvt_array whole, low, high;
  char low_memory[16], high_memory[16];
  pvt_dtype to = (pvt_dtype)result->out->dtype;
  pvt_kind kind = pvt_dtype_kind(to);
  (void)call;
  if (kind != PVT_KIND_INT && kind != PVT_KIND_UINT) return PVT_OK;
  int bits = (int)pvt_itemsize(to) * 8;
  bool is_signed = kind == PVT_KIND_INT;
  pvt_array_over(&whole, result->data, result->computed, ndim, shape);
  int status = pvt_unary(PVT_RINT, &whole, &whole);
  if (bits > 16 || status != PVT_OK) return status;
  pvg_scalar(&low, low_memory, result->computed, is_signed ? -ldexp(1, bits - 1) : 0);
  pvg_scalar(&high, high_memory, result->computed, ldexp(1, is_signed ? bits - 1 : bits) - 1);
  return pvt_clip(&whole, &low, &high, &whole);
}

int pvg_resize_run(pvg_call *call) {
  const pvg_resize_state *state = call->state;
  const pvt_array *x = call->inputs[0];
  int64_t shape[PVT_MAX_DIMS], out[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape), roi, scales, sizes;
  positions(call->node, &roi, &scales, &sizes);
  axis_plan plan[PVT_MAX_DIMS];
  int status =
      plan_sizes(call->node, state->policy, ndim, shape, PVG_INPUT(call, scales),
                 sizes > 0 ? PVG_INPUT(call, sizes) : NULL,
                 roi > 0 && state->coordinates == CROP ? PVG_INPUT(call, roi) : NULL, plan);
  if (status != PVT_OK) return status;
  int steps = 0, order[PVT_MAX_DIMS];
  for (int i = 0; i < ndim; i++) {
    out[i] = plan[i].out;
    bool same = plan[i].in == plan[i].out && fabs(plan[i].scale - 1) <= 1e-9 &&
                (state->coordinates != CROP || (plan[i].start == 0 && plan[i].end == 1)) &&
                state->coordinates != TF_HALF_PIXEL;
    if (!same) order[steps++] = i;
  }
  /* Those that shrink first: less is left for the others. */
  for (int i = 1; i < steps; i++)
    for (int j = i; j > 0 && plan[order[j]].scale < plan[order[j - 1]].scale; j--) {
      int swapped = order[j];
      order[j] = order[j - 1];
      order[j - 1] = swapped;
    }
  bool picks = state->mode == PVG_NEAREST && state->coordinates != CROP;
  pvt_kind kind = pvt_dtype_kind((pvt_dtype)x->dtype);
  bool wide = x->dtype == PVT_FLOAT64 || (kind <= PVT_KIND_UINT && pvt_itemsize(x->dtype) > 2);
  pvt_dtype type = picks ? (pvt_dtype)x->dtype : wide ? PVT_FLOAT64 : PVT_FLOAT32;
  if (!picks && kind == PVT_KIND_COMPLEX)
    return pvt_fail(PVT_E_DTYPE, "%s: complex images are not supported", call->node->type);
  pvg_result y;
  status = pvg_result_begin(call, &y, 0, (pvt_dtype)x->dtype, type, ndim, out);
  if (status != PVT_OK) return status;
  if (y.out == NULL || pvg_product_of(out, 0, ndim) == 0) return PVT_OK;
  if (steps == 0) return pvt_copy(x, y.out);
  const void *from = pvg_dense(call, x, type);
  if (from == NULL) return pvt_error_status();
  for (int i = 0; i < steps; i++) {
    int axis = order[i];
    pvg_taps taps;
    if ((status = plan_taps(call, state, &plan[axis], &taps)) != PVT_OK) return status;
    shape[axis] = plan[axis].out;
    pvt_array between;
    void *to = y.data;
    if (i < steps - 1) {
      status = pvg_scratch_array(call, &between, type, ndim, shape);
      if (status != PVT_OK) return status;
      to = between.data;
    }
    int64_t outer = pvg_product_of(shape, 0, axis), inner = pvg_product_of(shape, axis + 1, ndim);
    if (picks) status = pvg_pick(pvt_itemsize(type), &taps, outer, inner, from, to);
    else status = pvg_resample(type, &taps, outer, inner, from, to);
    if (status != PVT_OK) return status;
    from = to;
  }
  status = round_result(call, &y, ndim, out);
  return status == PVT_OK ? pvg_result_end(&y) : status;
}

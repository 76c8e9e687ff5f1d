/* inference.c - see inference.h. */
#include "inference.h"

#include "loop.h"

/* ---- Infos -------------------------------------------------------------- */

void pvg_info_sizes(pvg_info *out, int ndim, const pvg_size *size) {
  out->ranked = true;
  out->ndim = (uint8_t)ndim;
  for (int d = 0; d < ndim; d++) out->size[d] = size[d];
}

void pvg_info_shape(pvg_info *out, const pvg_info *x) {
  if (x->ranked) pvg_info_sizes(out, x->ndim, x->size);
}

bool pvg_info_is_known(const pvg_info *info) {
  if (!info->ranked) return false;
  for (int d = 0; d < info->ndim; d++)
    if (PVG_IS_SYMBOL(info->size[d])) return false;
  return true;
}

int pvg_infer_like(pvg_infer *infer) {
  infer->outputs[0].dtype = infer->inputs[0]->dtype;
  pvg_info_shape(&infer->outputs[0], infer->inputs[0]);
  return PVT_OK;
}

int pvg_infer_open(pvg_infer *infer, int ndim) {
  pvg_info *out = &infer->outputs[0];
  out->dtype = infer->inputs[0]->dtype;
  if (ndim < 0) return PVT_OK;
  out->ranked = true;
  out->ndim = (uint8_t)ndim;
  for (int d = 0; d < ndim; d++) out->size[d] = pvg_symbol(infer);
  return PVT_OK;
}

/* ---- Integers of nodes -------------------------------------------------- */

static const char *element_at(const pvt_array *array, int64_t i) {
  const char *at = array->data;
  for (int d = array->ndim - 1; d >= 0; d--) {
    int64_t size = array->dim[d].size;
    at += i % size * array->dim[d].stride;
    i /= size;
  }
  return at;
}

int64_t pvg_int_at(const pvt_array *array, int64_t i) {
  int64_t value;
  const char *at = element_at(array, i);
  if (array->dtype == PVT_INT64) return *(const int64_t *)at;
  pvt_cast_find((pvt_dtype)array->dtype, PVT_INT64)(1, at, 8, (char *)&value, 8);
  return value;
}

double pvg_float_at(const pvt_array *array, int64_t i) {
  double value;
  pvt_cast_find((pvt_dtype)array->dtype, PVT_FLOAT64)(1, element_at(array, i), 8, (char *)&value,
                                                      8);
  return value;
}

int pvg_info_ints(const pvg_info *info, int64_t *values, int most) {
  if (info == NULL) return PVG_LEFT_OUT;
  if (info->dtype >= 0 && pvt_dtype_kind((pvt_dtype)info->dtype) > PVT_KIND_UINT)
    return pvt_fail(PVT_E_DTYPE, "an input that should be of integers is %s",
                    pvt_dtype_name(info->dtype));
  if (info->constant == NULL) return PVG_UNKNOWN;
  int64_t count = pvt_array_count(info->constant);
  if (count > most)
    return pvt_fail(PVT_E_SHAPE, "an input has %lld integers, at most %d make sense",
                    (long long)count, most);
  for (int64_t i = 0; i < count; i++) values[i] = pvg_int_at(info->constant, i);
  return (int)count;
}

int pvg_listed_ints(const pvg_node *node, const pvg_info *input, const char *name, int64_t *values,
                    int most) {
  if (input != NULL) return pvg_info_ints(input, values, most);
  int count;
  const int64_t *given = pvg_ints(node, name, &count);
  if (given == NULL && count == 0) {
    const pvg_attribute *one = pvg_attribute_of(node, name);
    if (one == NULL) return PVG_LEFT_OUT;
    if (one->kind != PVG_INT) return 0;
    values[0] = one->i;
    return 1;
  }
  if (count > most)
    return pvt_fail(PVT_E_SHAPE, "attribute %s has %d integers, at most %d make sense", name, count,
                    most);
  for (int i = 0; i < count; i++) values[i] = given[i];
  return count;
}

int pvg_axis(int64_t axis, int ndim) {
  if (axis < -ndim || axis >= ndim)
    return pvt_fail(PVT_E_AXIS, "axis %lld is out of bounds for %d dimensions", (long long)axis,
                    ndim);
  return (int)(axis < 0 ? axis + ndim : axis);
}

int pvg_axes(const int64_t *axes, int count, int ndim, uint32_t *bits) {
  *bits = 0;
  if (count <= 0) *bits = ndim == 32 ? ~0u : (1u << ndim) - 1;
  for (int i = 0; i < count; i++) {
    int axis = pvg_axis(axes[i], ndim);
    if (axis < 0) return axis;
    if (*bits >> axis & 1) return pvt_fail(PVT_E_AXIS, "axis %d is named twice", axis);
    *bits |= 1u << axis;
  }
  return PVT_OK;
}

int pvg_dtype_of(int64_t number) {
  static const int8_t types[] = {
      -1,           PVT_FLOAT32, PVT_UINT8,     PVT_INT8,
      PVT_UINT16,   PVT_INT16,   PVT_INT32,     PVT_INT64,
      -1,           PVT_BOOL,    PVT_FLOAT16,   PVT_FLOAT64,
      PVT_UINT32,   PVT_UINT64,  PVT_COMPLEX64, PVT_COMPLEX128,
      PVT_BFLOAT16,
  };
  int count = (int)(sizeof types / sizeof *types);
  if (number > 0 && number < count && types[number] >= 0) return types[number];
  return pvt_fail(PVT_E_UNSUPPORTED, "elements of ONNX's type number %lld are not supported",
                  (long long)number);
}

/* ---- Arrays ------------------------------------------------------------- */

void pvg_scalar(pvt_array *array, char memory[16], pvt_dtype dtype, double value) {
  pvt_cast_find(PVT_FLOAT64, dtype)(1, (const char *)&value, 8, memory, 16);
  pvt_array_over(array, memory, dtype, 0, NULL);
}

int pvg_scratch_array(pvg_call *call, pvt_array *array, pvt_dtype dtype, int ndim,
                      const int64_t *shape) {
  size_t bytes = pvt_itemsize(dtype);
  for (int d = 0; d < ndim; d++)
    if (__builtin_mul_overflow(bytes, (size_t)shape[d], &bytes))
      return pvt_fail(PVT_E_SHAPE, "an intermediate result is too large");
  void *memory = pvg_scratch(call, bytes == 0 ? 1 : bytes);
  if (memory == NULL) return pvt_error_status();
  pvt_array_over(array, memory, dtype, ndim, shape);
  return PVT_OK;
}

int pvg_as(pvg_call *call, const pvt_array *x, pvt_dtype dtype, pvt_array *as) {
  if (x->dtype == dtype) {
    pvg_look(as, x);
    return PVT_OK;
  }
  int64_t shape[PVT_MAX_DIMS];
  pvg_shape_of(x, shape);
  int status = pvg_scratch_array(call, as, dtype, x->ndim, shape);
  return status == PVT_OK ? pvt_copy(x, as) : status;
}

void pvg_look_at(pvt_array *view, const pvt_array *whole, int axis, int64_t i) {
  memcpy(view, whole, offsetof(pvt_array, dim));
  view->data += i * whole->dim[axis].stride;
  view->ndim--;
  for (int d = 0; d < view->ndim; d++) view->dim[d] = whole->dim[d < axis ? d : d + 1];
}

int pvg_output_reshaped(pvg_call *call, const pvt_array *x, int ndim, const int64_t *shape) {
  pvt_array view;
  pvg_look(&view, x);
  bool possible;
  int status = pvt_view_reshape(&view, ndim, shape, &possible);
  if (status != PVT_OK) return status;
  if (possible) return pvg_output_view(call, 0, &view);
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)x->dtype, ndim, shape);
  if (out == NULL) return pvt_error_status();
  int64_t own[PVT_MAX_DIMS];
  pvg_shape_of(x, own);
  pvt_array_over(&view, out->data, (pvt_dtype)x->dtype, x->ndim, own);
  return pvt_copy(x, &view);
}

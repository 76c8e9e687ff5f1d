/* array.c - descriptions of arrays, and the views that change nothing else. */
#include <stdio.h>
#include <string.h>

#include "context.h"

#define MOST_BYTES ((int64_t)1 << 62)

static int check_ndim(int ndim) {
  if (ndim >= 0 && ndim <= PVT_MAX_DIMS) return PVT_OK;
  return pvt_fail(PVT_E_SHAPE, "%d dimensions: there may be up to %d", ndim, PVT_MAX_DIMS);
}

/* Bytes of an array of that shape; a negative status if it cannot be. Sizes other than 0 are
** bounded even when one is 0, so that strides never overflow. */
static int64_t bytes_of(pvt_dtype dtype, int ndim, const int64_t *shape) {
  int status = check_ndim(ndim);
  if (status != PVT_OK) return status;
  int64_t bytes = (int64_t)pvt_itemsize(dtype);
  bool empty = false;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] < 0)
      return pvt_fail(PVT_E_SHAPE, "negative dimensions are not allowed: dimension %d is %lld", i,
                      (long long)shape[i]);
    if (shape[i] == 0) empty = true;
    else if (__builtin_mul_overflow(bytes, shape[i], &bytes) || bytes > MOST_BYTES)
      return pvt_fail(PVT_E_SHAPE, "array is too big: its size has more than 62 bits");
  }
  return empty ? 0 : bytes;
}

void pvt_array_over(pvt_array *array, void *data, pvt_dtype dtype, int ndim, const int64_t *shape) {
  array->data = data;
  array->buffer = NULL;
  array->dtype = (uint8_t)dtype;
  array->ndim = (uint8_t)ndim;
  array->writable = true;
  int64_t stride = (int64_t)pvt_itemsize(dtype);
  for (int i = ndim - 1; i >= 0; i--) {
    array->dim[i] = (pvt_dim){shape[i], stride};
    if (shape[i] > 1) stride *= shape[i];
  }
}

int pvt_array_new(pvt_array *array, pvt_dtype dtype, int ndim, const int64_t *shape) {
  int64_t bytes = bytes_of(dtype, ndim, shape);
  if (bytes < 0) return (int)bytes;
  pvt_buffer *buffer = pvt_buffer_new((size_t)bytes);
  if (buffer == NULL) return pvt_error_status();
  pvt_array_over(array, pvt_buffer_data(buffer), dtype, ndim, shape);
  array->buffer = buffer;
  return PVT_OK;
}

int pvt_array_zeros(pvt_array *array, pvt_dtype dtype, int ndim, const int64_t *shape) {
  int status = pvt_array_new(array, dtype, ndim, shape);
  if (status == PVT_OK) memset(array->data, 0, pvt_buffer_size(array->buffer));
  return status;
}

void pvt_array_view(pvt_array *view, const pvt_array *array) {
  memcpy(view, array, offsetof(pvt_array, dim) + array->ndim * sizeof(pvt_dim));
  pvt_buffer_retain(view->buffer);
}

void pvt_array_release(pvt_array *array) {
  pvt_buffer_release(array->buffer);
  array->buffer = NULL;
  array->data = NULL;
}

int64_t pvt_array_count(const pvt_array *array) {
  int64_t count = 1;
  for (int i = 0; i < array->ndim; i++) count *= array->dim[i].size;
  return count;
}

static bool is_dense(const pvt_array *array, int first, int end, int step) {
  int64_t stride = (int64_t)pvt_itemsize((pvt_dtype)array->dtype);
  for (int i = first; i != end; i += step) {
    int64_t size = array->dim[i].size;
    if (size == 0) return true;
    if (size != 1 && array->dim[i].stride != stride) return false;
    stride *= size;
  }
  return true;
}

static bool is_empty(const pvt_array *array) {
  for (int i = 0; i < array->ndim; i++)
    if (array->dim[i].size == 0) return true;
  return false;
}

bool pvt_array_is_contiguous(const pvt_array *array) {
  return is_dense(array, array->ndim - 1, -1, -1) || is_empty(array);
}

bool pvt_array_is_fortran(const pvt_array *array) {
  return is_dense(array, 0, array->ndim, 1) || is_empty(array);
}

/* The bytes from *low up to *high hold all of the array's elements. */
static void extent(const pvt_array *array, const char **low, const char **high) {
  *low = *high = array->data;
  for (int i = 0; i < array->ndim; i++) {
    int64_t span = (array->dim[i].size - 1) * array->dim[i].stride;
    if (span < 0) *low += span;
    else *high += span;
  }
  *high += pvt_itemsize((pvt_dtype)array->dtype);
}

bool pvt_array_overlap(const pvt_array *a, const pvt_array *b) {
  if (is_empty(a) || is_empty(b)) return false;
  const char *a_low, *a_high, *b_low, *b_high;
  extent(a, &a_low, &a_high);
  extent(b, &b_low, &b_high);
  return a_low < b_high && b_low < a_high;
}

bool pvt_array_same(const pvt_array *a, const pvt_array *b) {
  if (a->data != b->data || a->dtype != b->dtype || a->ndim != b->ndim) return false;
  for (int i = 0; i < a->ndim; i++) {
    if (a->dim[i].size != b->dim[i].size) return false;
    if (a->dim[i].size > 1 && a->dim[i].stride != b->dim[i].stride) return false;
  }
  return true;
}

const char *pvt_shape_text(const pvt_array *array, char text[PVT_SHAPE_TEXT]) {
  size_t used = 1;
  text[0] = '(';
  for (int i = 0; i < array->ndim; i++) {
    char number[32];
    size_t length = (size_t)snprintf(number, sizeof number, "%s%lld", i > 0 ? ", " : "",
                                     (long long)array->dim[i].size);
    if (used + length + 6 > PVT_SHAPE_TEXT) {
      memcpy(text + used, "...", 3);
      used += 3;
      break;
    }
    memcpy(text + used, number, length);
    used += length;
  }
  memcpy(text + used, array->ndim == 1 ? ",)" : ")", array->ndim == 1 ? 3 : 2);
  return text;
}

/* ---- Views -------------------------------------------------------------- */

static int check_axis(const pvt_array *array, int axis, int end) {
  if (axis >= 0 && axis < end) return PVT_OK;
  return pvt_fail(PVT_E_AXIS, "axis %d is out of bounds for array of dimension %d", axis,
                  array->ndim);
}

int pvt_view_broadcast(pvt_array *array, int ndim, const int64_t *shape) {
  int status = check_ndim(ndim);
  if (status != PVT_OK) return status;
  int added = ndim - array->ndim;
  if (added < 0)
    return pvt_fail(PVT_E_SHAPE, "%d dimensions cannot be broadcast to %d", array->ndim, ndim);
  for (int i = 0; i < array->ndim; i++)
    if (array->dim[i].size != shape[i + added] && array->dim[i].size != 1)
      return pvt_fail(PVT_E_SHAPE, "dimension %d of size %lld cannot be broadcast to size %lld", i,
                      (long long)array->dim[i].size, (long long)shape[i + added]);
  for (int i = ndim - 1; i >= 0; i--) {
    bool same = i >= added && array->dim[i - added].size == shape[i];
    array->dim[i] = (pvt_dim){shape[i], same ? array->dim[i - added].stride : 0};
  }
  array->ndim = (uint8_t)ndim;
  return PVT_OK;
}

int pvt_view_permute(pvt_array *array, const int *axes) {
  pvt_dim dim[PVT_MAX_DIMS];
  uint32_t seen = 0;
  for (int i = 0; i < array->ndim; i++) {
    int status = check_axis(array, axes[i], array->ndim);
    if (status != PVT_OK) return status;
    if (seen >> axes[i] & 1) return pvt_fail(PVT_E_AXIS, "axis %d is named twice", axes[i]);
    seen |= (uint32_t)1 << axes[i];
    dim[i] = array->dim[axes[i]];
  }
  memcpy(array->dim, dim, array->ndim * sizeof *dim);
  return PVT_OK;
}

int pvt_view_slice(pvt_array *array, int axis, int64_t start, int64_t count, int64_t step) {
  int status = check_axis(array, axis, array->ndim);
  if (status != PVT_OK) return status;
  pvt_dim *dim = &array->dim[axis];
  if (count > 0) array->data += start * dim->stride;
  if (count > 1) dim->stride *= step;
  dim->size = count;
  return PVT_OK;
}

int pvt_view_insert(pvt_array *array, int axis) {
  int status = check_axis(array, axis, array->ndim + 1);
  if (status == PVT_OK) status = check_ndim(array->ndim + 1);
  if (status != PVT_OK) return status;
  memmove(&array->dim[axis + 1], &array->dim[axis], (array->ndim - axis) * sizeof(pvt_dim));
  array->dim[axis] = (pvt_dim){1, 0};
  array->ndim++;
  return PVT_OK;
}

int pvt_view_remove(pvt_array *array, int axis) {
  int status = check_axis(array, axis, array->ndim);
  if (status != PVT_OK) return status;
  if (array->dim[axis].size != 1)
    return pvt_fail(PVT_E_SHAPE, "dimension %d of size %lld cannot be taken away", axis,
                    (long long)array->dim[axis].size);
  memmove(&array->dim[axis], &array->dim[axis + 1], (array->ndim - axis - 1) * sizeof(pvt_dim));
  array->ndim--;
  return PVT_OK;
}

/* Match runs of old dimensions with runs of new ones of the same count; within a run the old ones
** must lie one behind the other as in C order. */
int pvt_view_reshape(pvt_array *array, int ndim, const int64_t *shape, bool *possible) {
  *possible = false;
  int64_t itemsize = (int64_t)pvt_itemsize((pvt_dtype)array->dtype);
  int64_t bytes = bytes_of((pvt_dtype)array->dtype, ndim, shape);
  if (bytes < 0) return (int)bytes;
  int64_t count = pvt_array_count(array);
  if (bytes / itemsize != count)
    return pvt_fail(PVT_E_SHAPE, "%lld elements cannot be reshaped into %lld", (long long)count,
                    (long long)(bytes / itemsize));
  if (count == 0 || pvt_array_is_contiguous(array)) {
    int64_t stride = itemsize;
    for (int i = ndim - 1; i >= 0; i--) {
      array->dim[i] = (pvt_dim){shape[i], stride};
      if (shape[i] > 1) stride *= shape[i];
    }
    array->ndim = (uint8_t)ndim;
    *possible = true;
    return PVT_OK;
  }
  pvt_dim old[PVT_MAX_DIMS], new[PVT_MAX_DIMS];
  int olds = 0;
  for (int i = 0; i < array->ndim; i++)
    if (array->dim[i].size != 1) old[olds++] = array->dim[i];
  int from = 0, to = 0;
  while (from < olds && to < ndim) {
    int from_end = from + 1, to_end = to + 1;
    int64_t a = old[from].size, b = shape[to];
    while (a != b) {
      if (a < b) a *= old[from_end++].size;
      else b *= shape[to_end++];
    }
    for (int i = from; i + 1 < from_end; i++)
      if (old[i].stride != old[i + 1].size * old[i + 1].stride) return PVT_OK;
    int64_t stride = old[from_end - 1].stride;
    for (int i = to_end - 1; i >= to; i--) {
      new[i] = (pvt_dim){shape[i], stride};
      stride *= shape[i];
    }
    from = from_end;
    to = to_end;
  }
  for (; to < ndim; to++) new[to] = (pvt_dim){1, itemsize};
  memcpy(array->dim, new, (size_t)ndim * sizeof *new);
  array->ndim = (uint8_t)ndim;
  *possible = true;
  return PVT_OK;
}

int pvt_broadcast_shapes(const pvt_array *a, const pvt_array *b, int *ndim,
                         int64_t shape[PVT_MAX_DIMS]) {
  int n = a->ndim > b->ndim ? a->ndim : b->ndim;
  for (int i = 0; i < n; i++) {
    int ia = i - (n - a->ndim), ib = i - (n - b->ndim);
    int64_t sa = ia < 0 ? 1 : a->dim[ia].size, sb = ib < 0 ? 1 : b->dim[ib].size;
    if (sa != sb && sa != 1 && sb != 1)
      return pvt_fail(PVT_E_SHAPE,
                      "operands could not be broadcast together: size %lld and size %lld in "
                      "dimension %d",
                      (long long)sa, (long long)sb, i);
    shape[i] = sa == 1 ? sb : sa;
  }
  *ndim = n;
  return PVT_OK;
}

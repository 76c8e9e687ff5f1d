/* windows.c - how windows lie on images: checks. */
#include "windows.h"

int pvt_sweep_of(pvt_sweep *sweep, const char *what, const pvt_array *image,
                 const pvt_array *result, const int64_t *size, const pvt_window *window) {
  int spatial = image->ndim - 2;
  if (spatial < 1 || spatial > PVT_WINDOW_DIMS)
    return pvt_fail(PVT_E_SHAPE, "%s: an image has 3 to 5 dimensions, not %d", what, image->ndim);
  if (result->ndim != image->ndim || result->dim[0].size != image->dim[0].size)
    return pvt_fail(PVT_E_SHAPE, "%s: the result's shape does not fit the image's", what);
  *sweep = (pvt_sweep){.n = image->dim[0].size,
                       .in = image->dim[1].size,
                       .out = result->dim[1].size,
                       .size = {1, 1, 1},
                       .result = {1, 1, 1},
                       .window = {1, 1, 1},
                       .stride = {1, 1, 1},
                       .dilation = {1, 1, 1}};
  for (int i = 0; i < spatial; i++) {
    int d = 3 - spatial + i;
    if (size[i] < 1 || window->stride[i] < 1 || window->dilation[i] < 1)
      return pvt_fail(PVT_E_VALUE, "%s: windows, strides and dilations must be at least 1", what);
    if (size[i] > INT32_MAX || window->stride[i] > INT32_MAX || window->dilation[i] > INT32_MAX ||
        window->before[i] > INT32_MAX || window->before[i] < -INT32_MAX ||
        window->after[i] > INT32_MAX || window->after[i] < -INT32_MAX)
      return pvt_fail(PVT_E_VALUE, "%s: windows, strides and paddings must be below 2^31", what);
    sweep->size[d] = image->dim[2 + i].size;
    sweep->result[d] = result->dim[2 + i].size;
    sweep->window[d] = size[i];
    sweep->stride[d] = window->stride[i];
    sweep->dilation[d] = window->dilation[i];
    sweep->before[d] = window->before[i];
    sweep->after[d] = window->after[i];
  }
  return PVT_OK;
}

int pvt_sweep_check(const pvt_sweep *s, const char *what, bool more) {
  for (int d = 0; d < 3; d++) {
    int64_t padded = s->size[d] + s->before[d] + s->after[d];
    int64_t room = padded - s->dilation[d] * (s->window[d] - 1) - 1;
    int64_t fit = room < 0 ? 0 : room / s->stride[d] + 1;
    if (s->result[d] == fit) continue;
    if (more && s->result[d] == fit + 1 && fit * s->stride[d] < s->size[d] + s->before[d]) continue;
    return pvt_fail(PVT_E_SHAPE, "%s: %lld windows of %lld fit in %lld elements, not %lld", what,
                    (long long)fit, (long long)s->window[d], (long long)padded,
                    (long long)s->result[d]);
  }
  return PVT_OK;
}

bool pvt_sweep_dense(const pvt_array *array) {
  size_t alignment = pvt_itemsize((pvt_dtype)array->dtype);
  if (pvt_dtype_kind((pvt_dtype)array->dtype) == PVT_KIND_COMPLEX) alignment /= 2;
  return (uintptr_t)array->data % alignment == 0 && pvt_array_is_contiguous(array);
}

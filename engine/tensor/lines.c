/* lines.c - see lines.h. */
#include "lines.h"

int pvt_lines_init(pvt_lines *lines, const char *name, const pvt_array *x, const pvt_array *out,
                   int axis) {
  if (axis < 0 || axis >= x->ndim)
    return pvt_fail(PVT_E_AXIS, "axis %d is out of bounds for array of dimension %d", axis,
                    x->ndim);
  if (!out->writable) return pvt_fail(PVT_E_READONLY, "%s: the result is read-only", name);
  if (out->ndim != x->ndim)
    return pvt_fail(PVT_E_SHAPE, "%s: a result of %d dimensions for an array of %d", name,
                    out->ndim, x->ndim);
  lines->x = x->data;
  lines->out = out->data;
  lines->x_step = x->dim[axis].stride;
  lines->out_step = out->dim[axis].stride;
  lines->x_count = x->dim[axis].size;
  lines->out_count = out->dim[axis].size;
  lines->done = false;
  lines->ndim = 0;
  for (int i = 0; i < x->ndim; i++) {
    if (i == axis) continue;
    int64_t size = x->dim[i].size;
    if (size != out->dim[i].size)
      return pvt_fail(PVT_E_SHAPE, "%s: the result has size %lld in dimension %d, not %lld", name,
                      (long long)out->dim[i].size, i, (long long)size);
    if (size == 0) lines->done = true;
    if (size == 1) continue;
    int d = lines->ndim++;
    lines->index[d] = 0;
    lines->size[d] = size;
    lines->x_stride[d] = x->dim[i].stride;
    lines->out_stride[d] = out->dim[i].stride;
  }
  return PVT_OK;
}

void pvt_lines_next(pvt_lines *lines) {
  for (int d = lines->ndim - 1; d >= 0; d--) {
    lines->x += lines->x_stride[d];
    lines->out += lines->out_stride[d];
    if (++lines->index[d] < lines->size[d]) return;
    lines->x -= lines->size[d] * lines->x_stride[d];
    lines->out -= lines->size[d] * lines->out_stride[d];
    lines->index[d] = 0;
  }
  lines->done = true;
}

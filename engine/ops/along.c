/* along.c - see along.h. */
#include "along.h"

#include <stdlib.h>

int pvt_lines_check(const pvt_array *x, int axis, const pvt_array *out, int64_t length) {
  if (!out->writable) return pvt_fail(PVT_E_READONLY, "the result is read-only");
  if (axis < 0 || axis >= x->ndim)
    return pvt_fail(PVT_E_AXIS, "axis %d is out of bounds for array of dimension %d", axis,
                    x->ndim);
  bool fits = out->ndim == x->ndim;
  for (int i = 0; fits && i < x->ndim; i++)
    fits = out->dim[i].size == (i == axis ? length : x->dim[i].size);
  if (fits) return PVT_OK;
  char shapes[2][PVT_SHAPE_TEXT];
  return pvt_fail(PVT_E_SHAPE, "an array of shape %s does not give one of shape %s along axis %d",
                  pvt_shape_text(x, shapes[0]), pvt_shape_text(out, shapes[1]), axis);
}

void pvt_lines_of(pvt_lines *lines, const pvt_array *x, int axis, const pvt_array *out) {
  lines->length = x->dim[axis].size;
  lines->x_step = x->dim[axis].stride;
  lines->out_step = out->dim[axis].stride;
  lines->ndim = 0;
  for (int i = 0; i < x->ndim; i++) {
    int64_t size = x->dim[i].size, stride = x->dim[i].stride;
    if (i == axis || size == 1) continue;
    int d = lines->ndim++;
    for (; d > 0 && llabs(lines->x[d - 1]) < llabs(stride); d--) {
      lines->size[d] = lines->size[d - 1];
      lines->x[d] = lines->x[d - 1];
      lines->out[d] = lines->out[d - 1];
    }
    lines->size[d] = size;
    lines->x[d] = stride;
    lines->out[d] = out->dim[i].stride;
  }
  if (lines->ndim == 0) {
    lines->ndim = 1;
    lines->size[0] = 1;
    lines->x[0] = lines->out[0] = 0;
  }
  int last = 0;
  for (int i = 1; i < lines->ndim; i++) {
    int64_t size = lines->size[i];
    if (lines->x[last] == size * lines->x[i] && lines->out[last] == size * lines->out[i])
      size *= lines->size[last];
    else last++;
    lines->size[last] = size;
    lines->x[last] = lines->x[i];
    lines->out[last] = lines->out[i];
  }
  lines->ndim = last + 1;
}

bool pvt_lines_step(const pvt_lines *lines, int ndim, int64_t *index, const char **x, char **out) {
  for (int d = ndim - 1; d >= 0; d--) {
    *x += lines->x[d];
    *out += lines->out[d];
    if (++index[d] < lines->size[d]) return true;
    *x -= lines->size[d] * lines->x[d];
    *out -= lines->size[d] * lines->out[d];
    index[d] = 0;
  }
  return false;
}

bool pvt_lines_across(const pvt_lines *lines) {
  int inner = lines->ndim - 1;
  int64_t lines_beside = lines->size[inner];
  if (llabs(lines->x[inner]) < llabs(lines->x_step)) return lines_beside >= 8;
  return lines->length < 16 && lines_beside >= 16;
}

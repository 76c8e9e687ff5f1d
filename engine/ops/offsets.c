/* offsets.c - see offsets.h. */
#include "offsets.h"

#include <string.h>

#include "kernels.h"

int pvt_offsets_fail(int64_t index, int axis, int64_t size) {
  return pvt_fail(PVT_E_INDEX, "index %lld is out of bounds for axis %d with size %lld",
                  (long long)index, axis, (long long)size);
}

int pvt_offsets_shape(const pvt_array *const *indices, int count, int *ndim,
                      int64_t shape[PVT_MAX_DIMS]) {
  *ndim = 0;
  for (int i = 0; i < count; i++) {
    pvt_array so_far;
    pvt_array_over(&so_far, NULL, PVT_BOOL, *ndim, shape);
    int status = pvt_broadcast_shapes(&so_far, indices[i], ndim, shape);
    if (status == PVT_OK) continue;
    return pvt_fail(PVT_E_INDEX, "shape mismatch: indexing arrays could not be broadcast together");
  }
  return PVT_OK;
}

int pvt_offsets_start(pvt_offsets *o, const pvt_array *x, const pvt_array *const *indices,
                      int count, int ndim, const int64_t *shape) {
  o->count = count;
  o->first_axis = 0;
  o->ndim = 0;
  o->done = false;
  for (int k = 0; k < count; k++) {
    if (indices[k]->dtype != PVT_INT64) return pvt_fail(PVT_E_DTYPE, "indices are int64 here");
    o->at[k] = indices[k]->data;
    o->axis_size[k] = x->dim[k].size;
    o->axis_stride[k] = x->dim[k].stride;
  }
  for (int i = 0; i < ndim; i++) {
    int64_t size = shape[i], stride[PVT_MAX_DIMS];
    if (size == 0) o->done = true;
    if (size == 1) continue;
    int last = o->ndim - 1;
    bool joins = last >= 0;
    for (int k = 0; k < count; k++) {
      int own = i - (ndim - indices[k]->ndim);
      bool steps = own >= 0 && indices[k]->dim[own].size != 1;
      stride[k] = steps ? indices[k]->dim[own].stride : 0;
      if (joins) joins = o->stride[last][k] == size * stride[k];
    }
    if (joins) size *= o->size[last];
    else last = o->ndim++;
    o->size[last] = size;
    memcpy(o->stride[last], stride, (size_t)count * sizeof *stride);
  }
  if (o->ndim == 0) {
    o->ndim = 1;
    o->size[0] = 1;
    memset(o->stride[0], 0, (size_t)count * sizeof *o->stride[0]);
  }
  memset(o->index, 0, sizeof o->index);
  o->row_left = o->size[o->ndim - 1];
  return PVT_OK;
}

/* The row is used up: on to the next. */
static void next_row(pvt_offsets *o) {
  int inner = o->ndim - 1;
  for (int k = 0; k < o->count; k++) o->at[k] -= o->size[inner] * o->stride[inner][k];
  int d = inner - 1;
  for (; d >= 0; d--) {
    for (int k = 0; k < o->count; k++) o->at[k] += o->stride[d][k];
    if (++o->index[d] < o->size[d]) break;
    for (int k = 0; k < o->count; k++) o->at[k] -= o->size[d] * o->stride[d][k];
    o->index[d] = 0;
  }
  o->row_left = o->size[inner];
  if (d < 0) o->done = true;
}

int64_t pvt_offsets_next(pvt_offsets *o, int64_t offset[PVT_OFFSETS_BLOCK]) {
  if (o->done) return 0;
  const pvt_choosers *choosers = pvt_kernels_get()->choosers;
  const int64_t *stride = o->stride[o->ndim - 1];
  memset(offset, 0, PVT_OFFSETS_BLOCK * sizeof *offset);
  int64_t made = 0;
  while (made < PVT_OFFSETS_BLOCK && !o->done) {
    int64_t n = PVT_OFFSETS_BLOCK - made < o->row_left ? PVT_OFFSETS_BLOCK - made : o->row_left;
    for (int k = 0; k < o->count; k++) {
      int64_t good = choosers->add_offsets(n, o->at[k], stride[k], o->axis_size[k],
                                           o->axis_stride[k], offset + made);
      if (good < n) {
        int64_t index;
        memcpy(&index, o->at[k] + good * stride[k], sizeof index);
        return pvt_offsets_fail(index, o->first_axis + k, o->axis_size[k]);
      }
      o->at[k] += n * stride[k];
    }
    made += n;
    o->row_left -= n;
    if (o->row_left == 0) next_row(o);
  }
  int status = pvt_poll();
  return status != PVT_OK ? status : made;
}

/* stack.c - see stack.h. */
#include "stack.h"

#include <string.h>

int pvt_stack_init(pvt_stack *stack, const char *name, int inputs, int count,
                   const pvt_array *const *arrays, const int *core) {
  stack->count = count;
  stack->done = false;
  int ndim = arrays[0]->ndim - core[0];
  for (int i = 0; i < count; i++) {
    const pvt_array *array = arrays[i];
    stack->item[i].data = NULL;
    if (array == NULL) continue;
    if (array->ndim < core[i])
      return pvt_fail(PVT_E_SHAPE,
                      "%s: %d-dimensional array given. Array must be at least "
                      "%d-dimensional",
                      name, array->ndim, core[i]);
    if (array->ndim - core[i] != ndim)
      return pvt_fail(PVT_E_SHAPE, "%s: the arrays' stacks have different shapes", name);
    if (i >= inputs && !array->writable)
      return pvt_fail(PVT_E_READONLY, "%s: the result is read-only", name);
    for (int j = 0; i >= inputs && j < i; j++)
      if (arrays[j] != NULL && pvt_array_overlap(arrays[j], array))
        return pvt_fail(PVT_E_VALUE, "%s: the result must not overlap the other arrays", name);
    pvt_array *item = &stack->item[i];
    *item = (pvt_array){.data = array->data,
                        .dtype = array->dtype,
                        .ndim = (uint8_t)core[i],
                        .writable = array->writable};
    memcpy(item->dim, array->dim + ndim, (size_t)core[i] * sizeof *item->dim);
  }
  stack->ndim = 0;
  for (int d = 0; d < ndim; d++) {
    int64_t size = arrays[0]->dim[d].size;
    for (int i = 1; i < count; i++)
      if (arrays[i] != NULL && arrays[i]->dim[d].size != size)
        return pvt_fail(PVT_E_SHAPE, "%s: the arrays' stacks have different shapes", name);
    if (size == 0) stack->done = true;
    if (size == 1) continue;
    stack->index[stack->ndim] = 0;
    stack->size[stack->ndim] = size;
    for (int i = 0; i < count; i++)
      stack->stride[i][stack->ndim] = arrays[i] != NULL ? arrays[i]->dim[d].stride : 0;
    stack->ndim++;
  }
  return PVT_OK;
}

static void move(pvt_stack *stack, int d, int64_t steps) {
  for (int i = 0; i < stack->count; i++)
    if (stack->item[i].data != NULL) stack->item[i].data += steps * stack->stride[i][d];
}

bool pvt_stack_next(pvt_stack *stack, int *status) {
  if (*status == PVT_OK) *status = pvt_poll();
  for (int d = stack->ndim - 1; d >= 0 && *status == PVT_OK; d--) {
    move(stack, d, 1);
    if (++stack->index[d] < stack->size[d]) return true;
    move(stack, d, -stack->size[d]);
    stack->index[d] = 0;
  }
  return false;
}

int pvt_linalg_type(const char *name, const pvt_array *array) {
  switch (array->dtype) {
  case PVT_FLOAT32: return 0;
  case PVT_FLOAT64: return 1;
  case PVT_COMPLEX64: return 2;
  case PVT_COMPLEX128: return 3;
  default:
    return pvt_fail(PVT_E_DTYPE, "array type %s is unsupported in linalg (%s)",
                    pvt_dtype_name(array->dtype), name);
  }
}

pvt_dtype pvt_real_type(pvt_dtype dtype) {
  return dtype == PVT_FLOAT32 || dtype == PVT_COMPLEX64 ? PVT_FLOAT32 : PVT_FLOAT64;
}

int pvt_expect_type(const char *name, const pvt_array *array, pvt_dtype dtype) {
  if (array == NULL || array->dtype == dtype) return PVT_OK;
  return pvt_fail(PVT_E_DTYPE, "%s: an array of type %s where %s is wanted", name,
                  pvt_dtype_name(array->dtype), pvt_dtype_name(dtype));
}

int pvt_expect_size(const char *name, const pvt_array *item, int dim, int64_t size) {
  if (item->data == NULL || item->dim[dim].size == size) return PVT_OK;
  return pvt_fail(PVT_E_SHAPE, "%s: a size of %lld where %lld is wanted", name,
                  (long long)item->dim[dim].size, (long long)size);
}

int pvt_expect_square(const char *name, const pvt_array *item) {
  if (item->dim[0].size == item->dim[1].size) return PVT_OK;
  return pvt_fail(PVT_E_SHAPE, "%s: Last 2 dimensions of the array must be square", name);
}

static void over(pvt_array *array, const void *data, const pvt_array *item, pvt_dtype dtype,
                 bool fortran) {
  int64_t shape[PVT_MAX_DIMS], stride = (int64_t)pvt_itemsize(dtype);
  for (int i = 0; i < item->ndim; i++) shape[i] = item->dim[i].size;
  pvt_array_over(array, (void *)(uintptr_t)data, dtype, item->ndim, shape);
  for (int i = 0; i < item->ndim && fortran; i++) {
    array->dim[i].stride = stride;
    stride *= shape[i];
  }
}

int pvt_item_load(const pvt_array *item, void *to, bool fortran) {
  pvt_array target;
  over(&target, to, item, (pvt_dtype)item->dtype, fortran);
  return pvt_copy(item, &target);
}

int pvt_item_store_as(const void *from, pvt_dtype dtype, bool fortran, pvt_array *item) {
  pvt_array source;
  over(&source, from, item, dtype, fortran);
  return pvt_copy(&source, item);
}

int pvt_item_store(const void *from, bool fortran, pvt_array *item) {
  return pvt_item_store_as(from, (pvt_dtype)item->dtype, fortran, item);
}

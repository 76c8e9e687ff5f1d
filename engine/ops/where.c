/* where.c - choosing between elements, and keeping them between limits. */
#include "elementwise.h"

int pvt_where(const pvt_array *condition, const pvt_array *a, const pvt_array *b, pvt_array *out) {
  if (condition->dtype != PVT_BOOL)
    return pvt_fail(PVT_E_DTYPE, "the condition of where is %s, not bool",
                    pvt_dtype_name(condition->dtype));
  pvt_dtype type = (pvt_dtype)out->dtype;
  pvt_kernel *kernel =
      pvt_kernels_get()->elementwise->where[__builtin_ctz((unsigned)pvt_itemsize(type))];
  const pvt_array *const in[3] = {condition, a, b};
  if (a->dtype == type && b->dtype == type && out->writable) {
    int64_t strides[PVT_OPERANDS], n = pvt_flat(3, in, out, strides);
    if (n > 0) {
      char *const data[4] = {condition->data, a->data, b->data, out->data};
      kernel(n, data, strides, NULL);
      return PVT_OK;
    }
  }
  pvt_dtype wanted[4] = {PVT_BOOL, type, type, type};
  return pvt_elementwise_run(kernel, NULL, 3, in, out, wanted);
}

/* Complex numbers have no kernel of their own: they take two steps. */
static int clip_twice(const pvt_array *x, const pvt_array *low, const pvt_array *high,
                      pvt_array *out) {
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < out->ndim; d++) shape[d] = out->dim[d].size;
  pvt_array raised;
  pvt_dtype type = pvt_promote((pvt_dtype)x->dtype, (pvt_dtype)low->dtype);
  int status = pvt_array_new(&raised, type, out->ndim, shape);
  if (status != PVT_OK) return status;
  status = pvt_binary(PVT_MAXIMUM, x, low, &raised);
  if (status == PVT_OK) status = pvt_binary(PVT_MINIMUM, &raised, high, out);
  pvt_array_release(&raised);
  return status;
}

int pvt_clip(const pvt_array *x, const pvt_array *low, const pvt_array *high, pvt_array *out) {
  if (low == NULL && high == NULL)
    return pvt_fail(PVT_E_VALUE, "clip needs a lower or an upper limit");
  if (low == NULL) return pvt_binary(PVT_MINIMUM, x, high, out);
  if (high == NULL) return pvt_binary(PVT_MAXIMUM, x, low, out);
  pvt_dtype type = pvt_promote((pvt_dtype)x->dtype, (pvt_dtype)low->dtype);
  type = pvt_promote(type, (pvt_dtype)high->dtype);
  pvt_kernel *const *row = pvt_kernels_get()->elementwise->clip;
  pvt_kernel *kernel = row[type];
  if (pvt_dtype_kind(type) == PVT_KIND_COMPLEX) return clip_twice(x, low, high, out);
  const pvt_array *const in[3] = {x, low, high};
  if (kernel != NULL && x->dtype == type && low->dtype == type && high->dtype == type &&
      out->dtype == type && out->writable) {
    int64_t strides[PVT_OPERANDS], n = pvt_flat(3, in, out, strides);
    if (n > 0) {
      char *const data[4] = {x->data, low->data, high->data, out->data};
      kernel(n, data, strides, NULL);
      return PVT_OK;
    }
  }
  return pvt_elementwise_row(row, NULL, 3, in, out, type, type);
}

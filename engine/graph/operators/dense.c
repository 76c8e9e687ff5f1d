/* dense.c - a node's inputs and outputs as memory in C order, of the type that is computed in. */
#include "dense.h"

#include <string.h>

int pvg_sizes_of(const pvt_array *x, int64_t shape[PVT_MAX_DIMS]) {
  for (int i = 0; i < x->ndim; i++) shape[i] = x->dim[i].size;
  return x->ndim;
}

int64_t pvg_product_of(const int64_t *shape, int first, int last) {
  int64_t product = 1;
  for (int i = first; i < last; i++) product *= shape[i];
  return product;
}

const void *pvg_dense(pvg_call *call, const pvt_array *x, pvt_dtype dtype) {
  if (x->dtype == dtype && pvt_array_is_contiguous(x) &&
      (uintptr_t)x->data % pvt_itemsize(dtype) == 0)
    return x->data;
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  pvt_array copy;
  if (pvg_scratch_array(call, &copy, dtype, ndim, shape) != PVT_OK) return NULL;
  return pvt_copy(x, &copy) == PVT_OK ? copy.data : NULL;
}

const void *pvg_dense_as(pvg_call *call, const pvt_array *x, pvt_dtype dtype, int ndim,
                         const int64_t *shape) {
  pvt_array view;
  pvg_look(&view, x);
  if (pvt_view_broadcast(&view, ndim, shape) != PVT_OK) return NULL;
  return pvg_dense(call, &view, dtype);
}

int pvg_result_begin(pvg_call *call, pvg_result *result, int i, pvt_dtype dtype, pvt_dtype computed,
                     int ndim, const int64_t *shape) {
  result->computed = computed;
  result->out = NULL;
  if (pvg_output_wanted(call, i)) {
    result->out = pvg_output(call, i, dtype, ndim, shape);
    if (result->out == NULL) return pvt_error_status();
    if (dtype == computed) {
      result->data = result->out->data;
      return PVT_OK;
    }
  }
  pvt_array scratch;
  int status = pvg_scratch_array(call, &scratch, computed, ndim, shape);
  result->data = scratch.data;
  return status;
}

int pvg_result_end(const pvg_result *result) {
  pvt_array *out = result->out, from;
  if (out == NULL || out->data == result->data) return PVT_OK;
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(out, shape);
  pvt_array_over(&from, result->data, result->computed, ndim, shape);
  return pvt_copy(&from, out);
}

static int one(const char *what, const pvt_array *x, pvt_dtype dtype, void *value) {
  if (pvt_array_count(x) != 1)
    return pvt_fail(PVT_E_SHAPE, "%s should have one element, but has %lld", what,
                    (long long)pvt_array_count(x));
  pvt_array to, from;
  pvg_look(&from, x);
  from.ndim = 0;
  pvt_array_over(&to, value, dtype, 0, NULL);
  return pvt_copy(&from, &to);
}

int pvg_one_int(const char *what, const pvt_array *x, int64_t *value) {
  return one(what, x, PVT_INT64, value);
}

int pvg_one_float(const char *what, const pvt_array *x, double *value) {
  return one(what, x, PVT_FLOAT64, value);
}

int pvg_dtype_attribute(const pvg_node *node, const char *name, int otherwise) {
  int64_t number = pvg_int(node, name, 0);
  return number == 0 ? otherwise : pvg_dtype_of(number);
}

int pvg_some_ints(const char *what, const pvt_array *x, int64_t values[PVT_MAX_DIMS]) {
  int64_t count = pvt_array_count(x);
  if (x->ndim > 1 || count > PVT_MAX_DIMS)
    return pvt_fail(PVT_E_SHAPE, "%s should be a vector of at most %d integers", what,
                    PVT_MAX_DIMS);
  pvt_array to;
  pvt_array_over(&to, values, PVT_INT64, x->ndim, &count);
  int status = pvt_copy(x, &to);
  return status == PVT_OK ? (int)count : status;
}

void pvg_infer_is(pvg_infer *infer, int output, int dtype, int ndim, const pvg_size *sizes) {
  if (output >= infer->output_count) return;
  pvg_info *out = &infer->outputs[output];
  out->dtype = dtype;
  out->ranked = ndim >= 0;
  out->ndim = (uint8_t)(ndim < 0 ? 0 : ndim);
  for (int i = 0; i < ndim; i++) out->size[i] = sizes[i];
}

int pvg_infer_copy(pvg_infer *infer, int output, int input) {
  const pvg_info *info = PVG_INPUT(infer, input);
  if (info != NULL)
    pvg_infer_is(infer, output, info->dtype, info->ranked ? info->ndim : -1, info->size);
  return PVT_OK;
}

int pvg_infer_needs(const pvg_infer *infer, uint64_t inputs) {
  for (int i = 0; i < 64; i++)
    if ((inputs >> i & 1) != 0 && PVG_INPUT(infer, i) == NULL)
      return pvt_fail(PVT_E_VALUE, "%s lacks input %d", infer->node->type, i);
  return PVT_OK;
}

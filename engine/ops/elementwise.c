/* elementwise.c - see elementwise.h. */
#include "elementwise.h"

/* ---- Types -------------------------------------------------------------- */

static const uint8_t order[PVT_DTYPES] = {
    PVT_BOOL,     PVT_INT8,    PVT_UINT8,   PVT_INT16,     PVT_UINT16,
    PVT_INT32,    PVT_UINT32,  PVT_INT64,   PVT_UINT64,    PVT_FLOAT16,
    PVT_BFLOAT16, PVT_FLOAT32, PVT_FLOAT64, PVT_COMPLEX64, PVT_COMPLEX128,
};

bool pvt_rule_apply(const pvt_rule *rule, pvt_dtype a, pvt_dtype b, pvt_dtype *loop,
                    pvt_dtype *result) {
  pvt_dtype common = pvt_promote(a, b);
  if (rule->no_bool && common == PVT_BOOL) return false;
  if (rule->true_ratio && pvt_dtype_kind(a) <= PVT_KIND_UINT && pvt_dtype_kind(b) <= PVT_KIND_UINT)
    common = PVT_FLOAT64;
  if ((rule->loops & PVT_BIT(common)) == 0) {
    int i = 0;
    while (i < PVT_DTYPES &&
           ((rule->loops & PVT_BIT(order[i])) == 0 || !pvt_can_cast(a, order[i], PVT_CAST_SAFE) ||
            !pvt_can_cast(b, order[i], PVT_CAST_SAFE)))
      i++;
    if (i == PVT_DTYPES) return false;
    common = order[i];
  }
  *loop = common;
  *result = rule->gives == PVT_GIVES_BOOL   ? PVT_BOOL
            : rule->gives == PVT_GIVES_REAL ? pvt_real_of(common)
                                            : common;
  return true;
}

/* ---- The short way ------------------------------------------------------ */

/* pvt_itemsize without the call. */
static const uint8_t item[PVT_DTYPES] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};

static inline bool is_apart(const pvt_array *a, int64_t bytes, const pvt_array *out, int64_t size) {
  return a->data + bytes <= out->data || out->data + size <= a->data;
}

int64_t pvt_flat(int inputs, const pvt_array *const *in, const pvt_array *out,
                 int64_t strides[PVT_OPERANDS]) {
  int64_t size = item[out->dtype], n = 1;
  if (out->ndim == 1 && out->dim[0].stride == size && out->dim[0].size > 1 &&
      out->dim[0].size <= PVT_TILE) {
    int k = 0;
    n = out->dim[0].size;
    for (; k < inputs; k++) {
      const pvt_array *a = in[k];
      int64_t own = item[a->dtype];
      if (a->ndim != 1 || a->dim[0].size != n || a->dim[0].stride != own) break;
      if (!is_apart(a, n * own, out, n * size) && (a->data != out->data || own != size)) return -1;
      strides[k] = own;
    }
    strides[k] = size;
    if (k == inputs) return n;
    n = 1;
  }
  for (int d = out->ndim - 1; d >= 0; d--) {
    if (out->dim[d].size != 1 && out->dim[d].stride != n * size) return -1;
    n *= out->dim[d].size;
    if (n > PVT_TILE || n == 0) return -1;
  }
  strides[inputs] = size;
  for (int k = 0; k < inputs; k++) {
    const pvt_array *a = in[k];
    int64_t own = item[a->dtype], count = 1;
    if (a->ndim > out->ndim) return -1;
    for (int d = a->ndim - 1, e = out->ndim - 1; d >= 0; d--, e--) {
      if (a->dim[d].size == 1) {
        if (count != 1 && out->dim[e].size != 1) return -1;
        continue;
      }
      if (a->dim[d].size != out->dim[e].size || a->dim[d].stride != count * own) return -1;
      count *= a->dim[d].size;
    }
    if (count != n && count != 1) return -1;
    strides[k] = count == 1 && n != 1 ? 0 : own;
    if (!is_apart(a, count * own, out, n * size) &&
        (a->data != out->data || own != size || count != n))
      return -1;
  }
  return n;
}

/* ---- The long way ------------------------------------------------------- */

static int copy_of(const pvt_array *array, pvt_array *copy) {
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < array->ndim; d++)
    shape[d] = array->dim[d].stride == 0 ? 1 : array->dim[d].size;
  int status = pvt_array_new(copy, (pvt_dtype)array->dtype, array->ndim, shape);
  if (status != PVT_OK) return status;
  pvt_array once;
  pvt_array_view(&once, array);
  for (int d = 0; d < once.ndim; d++) once.dim[d].size = shape[d];
  status = pvt_copy(&once, copy);
  pvt_array_release(&once);
  if (status != PVT_OK) {
    pvt_array_release(copy);
    return status;
  }
  for (int d = 0; d < array->ndim; d++)
    if (array->dim[d].size != shape[d]) copy->dim[d] = (pvt_dim){array->dim[d].size, 0};
  return PVT_OK;
}

int pvt_elementwise_run(pvt_kernel *kernel, void *arg, int inputs, const pvt_array *const *in,
                        pvt_array *out, const pvt_dtype *wanted) {
  if (!out->writable) return pvt_fail(PVT_E_READONLY, "output array is read-only");
  const pvt_array *arrays[PVT_OPERANDS];
  pvt_array copies[PVT_OPERANDS];
  pvt_dtype types[PVT_OPERANDS];
  int copied = 0, status = PVT_OK;
  for (int k = 0; k < inputs && status == PVT_OK; k++) {
    arrays[k] = in[k];
    types[k] = (pvt_dtype)in[k]->dtype;
    if (!pvt_array_overlap(in[k], out) || pvt_array_same(in[k], out)) continue;
    status = copy_of(in[k], &copies[copied]);
    if (status == PVT_OK) arrays[k] = &copies[copied++];
  }
  if (status == PVT_OK) {
    arrays[inputs] = out;
    types[inputs] = (pvt_dtype)out->dtype;
    pvt_loop loop;
    status = pvt_loop_init(&loop, inputs + 1, arrays);
    if (status == PVT_OK) status = pvt_loop_run_as(&loop, kernel, arg, types, wanted);
  }
  while (copied > 0) pvt_array_release(&copies[--copied]);
  return status;
}

static int run_and_round(pvt_kernel *kernel, void *arg, int inputs, const pvt_array *const *in,
                         pvt_array *out, const pvt_dtype *wanted, pvt_dtype result) {
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < out->ndim; d++) shape[d] = out->dim[d].size;
  pvt_array rounded;
  int status = pvt_array_new(&rounded, result, out->ndim, shape);
  if (status != PVT_OK) return status;
  status = pvt_elementwise_run(kernel, arg, inputs, in, &rounded, wanted);
  if (status == PVT_OK) status = pvt_copy(&rounded, out);
  pvt_array_release(&rounded);
  return status;
}

int pvt_elementwise_row(pvt_kernel *const *row, void *arg, int inputs, const pvt_array *const *in,
                        pvt_array *out, pvt_dtype loop, pvt_dtype result) {
  bool half = row[loop] == NULL && pvt_itemsize(loop) == 2;
  pvt_dtype compute = half ? PVT_FLOAT32 : loop, wanted[PVT_OPERANDS];
  if (row[compute] == NULL)
    return pvt_fail(PVT_E_DTYPE, "there is no kernel for %s", pvt_dtype_name(loop));
  for (int k = 0; k < inputs; k++) wanted[k] = compute;
  wanted[inputs] = half && result == loop ? compute : result;
  if (half && result == loop && out->dtype != result)
    return run_and_round(row[compute], arg, inputs, in, out, wanted, result);
  return pvt_elementwise_run(row[compute], arg, inputs, in, out, wanted);
}

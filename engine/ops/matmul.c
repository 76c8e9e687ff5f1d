/* matmul.c - matrix products of arrays: types, batches, and results that lie awkwardly. */
#include "blas.h"
#include "kernels.h"

/* One product, strides in elements of the type that gemm works in. */
typedef struct product {
  int64_t m, n, k;
  int64_t a_row, a_column, b_row, b_column, c_row;
} product;

static int multiply(const product *p, pvt_dtype dtype, pvt_gemm *gemm, const char *a, const char *b,
                    char *c) {
  if (pvt_blas_suits(dtype, p->m, p->n, p->k, p->a_row, p->a_column, p->b_row, p->b_column) &&
      pvt_blas_try_enter()) {
    int status = pvt_blas_product(dtype, p->m, p->n, p->k, a, p->a_row, p->a_column, b, p->b_row,
                                  p->b_column, c, p->c_row);
    pvt_blas_leave();
    return status;
  }
  return gemm(p->m, p->n, p->k, a, p->a_row, p->a_column, b, p->b_row, p->b_column, c, p->c_row,
              PVT_SET);
}

/* ---- Batches ------------------------------------------------------------ */

#define LEADING (PVT_MAX_DIMS - 2)
typedef struct batches {
  int ndim;
  int64_t size[LEADING], a[LEADING], b[LEADING], c[LEADING]; /* strides in bytes */
} batches;

/* a's and c's rows may be all those of a batch when b is the same for all of it. */
static void fold_rows(batches *all, product *p, int64_t itemsize) {
  while (all->ndim > 0) {
    int d = all->ndim - 1;
    if (all->b[d] != 0 || all->a[d] != p->m * p->a_row * itemsize ||
        all->c[d] != p->m * p->c_row * itemsize)
      return;
    p->m *= all->size[d];
    all->ndim--;
  }
}

static int run_batches(const batches *all, const product *p, const char *a, const char *b, char *c,
                       pvt_dtype dtype, pvt_gemm *gemm) {
  int64_t index[LEADING] = {0}, work = 0;
  for (;;) {
    int status = multiply(p, dtype, gemm, a, b, c);
    if (status != PVT_OK) return status;
    int d = all->ndim - 1;
    for (; d >= 0; d--) {
      a += all->a[d], b += all->b[d], c += all->c[d];
      if (++index[d] < all->size[d]) break;
      a -= all->size[d] * all->a[d], b -= all->size[d] * all->b[d], c -= all->size[d] * all->c[d];
      index[d] = 0;
    }
    if (d < 0) return PVT_OK;
    work += p->m * p->n * p->k + 256;
    if (work < 1 << 19) continue;
    work = 0;
    if ((status = pvt_poll()) != PVT_OK) return status;
  }
}

static int64_t elements(int64_t bytes, int64_t size, int64_t itemsize) {
  return size <= 1 ? 1 : bytes / itemsize;
}

/* Can it be described by strides in elements? */
static bool is_regular(const pvt_array *array, int64_t itemsize) {
  for (int i = array->ndim - 2; i < array->ndim; i++)
    if (array->dim[i].size > 1 && array->dim[i].stride % itemsize != 0) return false;
  return true;
}

static void shape_of(const pvt_array *array, int64_t *shape) {
  for (int i = 0; i < array->ndim; i++) shape[i] = array->dim[i].size;
}

/* The same product in arrays of another type or place: what does not fit as it is. */
static int through_copies(const pvt_array *a, const pvt_array *b, pvt_array *out, pvt_dtype dtype,
                          bool copy_inputs) {
  pvt_array x = {0}, y = {0}, result = {0};
  int64_t shape[PVT_MAX_DIMS];
  shape_of(out, shape);
  int status = pvt_array_new(&result, dtype, out->ndim, shape);
  if (status == PVT_OK && copy_inputs) {
    shape_of(a, shape);
    status = pvt_array_new(&x, dtype, a->ndim, shape);
    if (status == PVT_OK) status = pvt_copy(a, &x);
    shape_of(b, shape);
    if (status == PVT_OK) status = pvt_array_new(&y, dtype, b->ndim, shape);
    if (status == PVT_OK) status = pvt_copy(b, &y);
    a = &x, b = &y;
  }
  if (status == PVT_OK) status = pvt_matmul(a, b, &result);
  if (status == PVT_OK) status = pvt_copy(&result, out);
  pvt_array_release(&x);
  pvt_array_release(&y);
  pvt_array_release(&result);
  return status;
}

static int check(const pvt_array *a, const pvt_array *b, const pvt_array *out) {
  if (a->dtype != b->dtype || a->dtype != out->dtype)
    return pvt_fail(PVT_E_DTYPE, "matmul: operands of types %s and %s and a result of type %s",
                    pvt_dtype_name(a->dtype), pvt_dtype_name(b->dtype), pvt_dtype_name(out->dtype));
  if (a->ndim < 2 || b->ndim < 2 || out->ndim < 2)
    return pvt_fail(PVT_E_SHAPE, "matmul: operands must have at least 2 dimensions");
  if (!out->writable) return pvt_fail(PVT_E_READONLY, "matmul: the result is read-only");
  int64_t k = a->dim[a->ndim - 1].size, other = b->dim[b->ndim - 2].size;
  if (k != other)
    return pvt_fail(PVT_E_SHAPE,
                    "matmul: Input operand 1 has a mismatch in its core dimension 0 (size %lld is "
                    "different from %lld)",
                    (long long)other, (long long)k);
  if (out->dim[out->ndim - 2].size != a->dim[a->ndim - 2].size ||
      out->dim[out->ndim - 1].size != b->dim[b->ndim - 1].size)
    return pvt_fail(PVT_E_SHAPE, "matmul: the result's shape does not fit");
  return PVT_OK;
}

/* Leading dimensions of `array` as out's: its stride in each, 0 where it is broadcast. */
static int leading(const pvt_array *array, const pvt_array *out, int64_t *strides) {
  int added = out->ndim - array->ndim;
  if (added < 0)
    return pvt_fail(PVT_E_SHAPE, "matmul: %d dimensions cannot be broadcast to %d", array->ndim,
                    out->ndim);
  for (int i = 0; i < out->ndim - 2; i++) {
    const pvt_dim *dim = i >= added ? &array->dim[i - added] : NULL;
    if (dim != NULL && dim->size != out->dim[i].size && dim->size != 1)
      return pvt_fail(PVT_E_SHAPE, "matmul: size %lld cannot be broadcast to size %lld",
                      (long long)dim->size, (long long)out->dim[i].size);
    strides[i] = dim == NULL || dim->size == 1 ? 0 : dim->stride;
  }
  return PVT_OK;
}

int pvt_matmul(const pvt_array *a, const pvt_array *b, pvt_array *out) {
  int status = check(a, b, out);
  if (status != PVT_OK) return status;
  pvt_dtype dtype = (pvt_dtype)a->dtype;
  int64_t itemsize = (int64_t)pvt_itemsize(dtype);
  if (dtype == PVT_FLOAT16 || dtype == PVT_BFLOAT16)
    return through_copies(a, b, out, PVT_FLOAT32, true);
  if (!is_regular(a, itemsize) || !is_regular(b, itemsize))
    return through_copies(a, b, out, dtype, true);
  int64_t a_strides[LEADING], b_strides[LEADING];
  if ((status = leading(a, out, a_strides)) != PVT_OK) return status;
  if ((status = leading(b, out, b_strides)) != PVT_OK) return status;

  const pvt_dim *am = &a->dim[a->ndim - 2], *bk = &b->dim[b->ndim - 2];
  const pvt_dim *cm = &out->dim[out->ndim - 2], *cn = cm + 1;
  bool rows_dense = cn->size <= 1 || cn->stride == itemsize;
  bool columns_dense = cm->size <= 1 || cm->stride == itemsize;
  if ((!rows_dense && !columns_dense) || !is_regular(out, itemsize) || pvt_array_overlap(a, out) ||
      pvt_array_overlap(b, out))
    return through_copies(a, b, out, dtype, false);

  product p = {
      .m = cm->size,
      .n = cn->size,
      .k = bk->size,
      .a_row = elements(am->stride, am->size, itemsize),
      .a_column = elements(am[1].stride, am[1].size, itemsize),
      .b_row = elements(bk->stride, bk->size, itemsize),
      .b_column = elements(bk[1].stride, bk[1].size, itemsize),
      .c_row = elements(cm->stride, cm->size, itemsize),
  };
  batches all = {0};
  bool swap = !rows_dense; /* then the transposed product is taken, whose rows are dense */
  if (swap)
    p = (product){p.n,     p.m,        p.k,     p.b_column,
                  p.b_row, p.a_column, p.a_row, elements(cn->stride, cn->size, itemsize)};
  for (int i = 0; i < out->ndim - 2; i++) {
    int64_t size = out->dim[i].size;
    if (size == 0) return PVT_OK;
    if (size == 1) continue;
    int d = all.ndim++;
    all.size[d] = size;
    all.a[d] = swap ? b_strides[i] : a_strides[i];
    all.b[d] = swap ? a_strides[i] : b_strides[i];
    all.c[d] = out->dim[i].stride;
  }
  if (p.m == 0 || p.n == 0) return PVT_OK;
  if (p.m > 1) fold_rows(&all, &p, itemsize);
  const char *first = swap ? b->data : a->data, *second = swap ? a->data : b->data;
  return run_batches(&all, &p, first, second, out->data, dtype,
                     pvt_kernels_get()->products->gemm[dtype]);
}

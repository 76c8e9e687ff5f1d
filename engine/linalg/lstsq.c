/* lstsq.c - least squares from singular values. */
#include <float.h>

#include "linalg.h"
#include "stack.h"

static double real_at(const pvt_array *array, int64_t i) {
  const char *at = array->data + i * array->dim[0].stride;
  return array->dtype == PVT_FLOAT32 ? *(const float *)at : *(const double *)at;
}

/* The adjoint of a contiguous matrix, as a view of it whose elements have been conjugated. */
static void adjoint(pvt_array *view, pvt_array *matrix) {
  int64_t count = pvt_array_count(matrix);
  for (int64_t i = 0; i < count && matrix->dtype == PVT_COMPLEX64; i++)
    ((float *)matrix->data)[2 * i + 1] *= -1;
  for (int64_t i = 0; i < count && matrix->dtype == PVT_COMPLEX128; i++)
    ((double *)matrix->data)[2 * i + 1] *= -1;
  pvt_array_view(view, matrix);
  pvt_view_permute(view, (const int[]){1, 0});
}

/* Row i of c is divided by singular value i, or becomes 0. */
static void divide_rows(pvt_array *c, const pvt_array *s, int64_t rank) {
  int64_t parts = pvt_dtype_kind((pvt_dtype)c->dtype) == PVT_KIND_COMPLEX ? 2 : 1;
  int64_t width = c->dim[1].size * parts;
  for (int64_t i = 0; i < c->dim[0].size; i++) {
    double by = real_at(s, i);
    char *row = c->data + i * c->dim[0].stride;
    for (int64_t j = 0; j < width; j++)
      if (s->dtype == PVT_FLOAT32)
        ((float *)row)[j] = i < rank ? (float)(((float *)row)[j] / by) : 0;
      else ((double *)row)[j] = i < rank ? ((double *)row)[j] / by : 0;
  }
}

int pvt_lstsq(const pvt_array *a, const pvt_array *b, double rcond, pvt_array *x, int64_t *rank,
              pvt_array *singular) {
  const char *name = "lstsq";
  int type = pvt_linalg_type(name, a);
  if (type < 0) return type;
  pvt_dtype dtype = (pvt_dtype)a->dtype;
  int status = pvt_expect_type(name, b, dtype);
  if (status == PVT_OK) status = pvt_expect_type(name, x, dtype);
  if (status != PVT_OK) return status;
  if (a->ndim != 2 || b->ndim != 2 || x->ndim != 2 || singular->ndim != 1)
    return pvt_fail(PVT_E_SHAPE, "lstsq: matrices must have 2 dimensions");
  int64_t m = a->dim[0].size, n = a->dim[1].size, k = m < n ? m : n, columns = b->dim[1].size;
  if ((status = pvt_expect_size(name, b, 0, m)) != PVT_OK) return status;
  if ((status = pvt_expect_size(name, x, 0, n)) != PVT_OK) return status;
  if ((status = pvt_expect_size(name, x, 1, columns)) != PVT_OK) return status;

  pvt_array u = {0}, vh = {0}, c = {0}, left = {0}, right = {0};
  status = pvt_array_new(&u, dtype, 2, (const int64_t[]){m, k});
  if (status == PVT_OK) status = pvt_array_new(&vh, dtype, 2, (const int64_t[]){k, n});
  if (status == PVT_OK) status = pvt_array_new(&c, dtype, 2, (const int64_t[]){k, columns});
  if (status == PVT_OK) status = pvt_svd(a, &u, singular, &vh);
  if (status == PVT_OK) {
    double epsilon = pvt_real_type(dtype) == PVT_FLOAT32 ? FLT_EPSILON : DBL_EPSILON;
    if (rcond < 0) rcond = epsilon * (double)(m > n ? m : n);
    *rank = 0;
    while (*rank < k && real_at(singular, *rank) > rcond * real_at(singular, 0)) ++*rank;
    adjoint(&left, &u);
    status = pvt_matmul(&left, b, &c);
  }
  if (status == PVT_OK) {
    divide_rows(&c, singular, *rank);
    adjoint(&right, &vh);
    status = pvt_matmul(&right, &c, x);
  }
  pvt_array_release(&left);
  pvt_array_release(&right);
  pvt_array_release(&u);
  pvt_array_release(&vh);
  pvt_array_release(&c);
  return status;
}

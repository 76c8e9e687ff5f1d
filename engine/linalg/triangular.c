/* triangular.c - Cholesky and QR factorings of stacks. */
#include <complex.h>
#include <string.h>

#include "linalg.h"
#include "stack.h"

/* Everything above the diagonal becomes 0 (below: under it). */
static void clear_triangle(int64_t rows, int64_t columns, size_t itemsize, bool below, char *a) {
  for (int64_t i = 0; i < rows; i++) {
    int64_t first = below ? 0 : i + 1, end = below ? i : columns;
    if (end > columns) end = columns;
    if (first < end)
      memset(a + (size_t)(i * columns + first) * itemsize, 0, (size_t)(end - first) * itemsize);
  }
}

static void conjugate(int64_t n, int type, char *a) {
  for (int64_t i = 0; i < n && type == 2; i++) ((float *)a)[2 * i + 1] *= -1;
  for (int64_t i = 0; i < n && type == 3; i++) ((double *)a)[2 * i + 1] *= -1;
}

/* The upper triangle's U is L^H of the matrix whose lower triangle is its conjugate transpose:
** read and written in Fortran order, that is the conjugate. */
int pvt_cholesky(const pvt_array *a, bool upper, pvt_array *out) {
  int type = pvt_linalg_type("cholesky", a);
  if (type < 0) return type;
  int status = pvt_expect_type("cholesky", out, (pvt_dtype)a->dtype);
  if (status != PVT_OK) return status;
  pvt_stack stack;
  status = pvt_stack_init(&stack, "cholesky", 1, 2, (const pvt_array *const[]){a, out},
                          (const int[]){2, 2});
  if (status == PVT_OK) status = pvt_expect_square("cholesky", &stack.item[0]);
  if (status != PVT_OK) return status;
  int64_t n = stack.item[0].dim[0].size, bad;
  if ((status = pvt_expect_size("cholesky", &stack.item[1], 0, n)) != PVT_OK) return status;
  if ((status = pvt_expect_size("cholesky", &stack.item[1], 1, n)) != PVT_OK) return status;
  if (stack.done || n == 0) return PVT_OK;
  size_t itemsize = pvt_itemsize((pvt_dtype)a->dtype);
  pvt_buffer *scratch = pvt_buffer_new((size_t)(n * n) * itemsize);
  if (scratch == NULL) return pvt_error_status();
  char *l = pvt_buffer_data(scratch);
  do {
    status = pvt_item_load(&stack.item[0], l, upper);
    if (upper) conjugate(n * n, type, l);
    if (status == PVT_OK) status = pvt_kernels_get()->factors[type].cholesky(n, l, n, &bad);
    if (status == PVT_OK && bad >= 0)
      status = pvt_fail(PVT_E_LINALG, "Matrix is not positive definite");
    if (status != PVT_OK) break;
    clear_triangle(n, n, itemsize, false, l);
    if (upper) conjugate(n * n, type, l);
    status = pvt_item_store(l, upper, &stack.item[1]);
  } while (pvt_stack_next(&stack, &status));
  pvt_buffer_release(scratch);
  return status;
}

int pvt_qr(const pvt_array *a, pvt_array *q, pvt_array *r) {
  int type = pvt_linalg_type("qr", a);
  if (type < 0) return type;
  int status = pvt_expect_type("qr", q, (pvt_dtype)a->dtype);
  if (status == PVT_OK) status = pvt_expect_type("qr", r, (pvt_dtype)a->dtype);
  if (status != PVT_OK) return status;
  pvt_stack stack;
  status = pvt_stack_init(&stack, "qr", 1, 3, (const pvt_array *const[]){a, q, r},
                          (const int[]){2, 2, 2});
  if (status != PVT_OK) return status;
  int64_t m = stack.item[0].dim[0].size, n = stack.item[0].dim[1].size, k = m < n ? m : n;
  int64_t columns = stack.item[2].dim[0].size;
  if (columns != k && columns != m) columns = k;
  if ((status = pvt_expect_size("qr", &stack.item[2], 0, columns)) != PVT_OK) return status;
  if ((status = pvt_expect_size("qr", &stack.item[2], 1, n)) != PVT_OK) return status;
  if ((status = pvt_expect_size("qr", &stack.item[1], 0, m)) != PVT_OK) return status;
  if ((status = pvt_expect_size("qr", &stack.item[1], 1, columns)) != PVT_OK) return status;
  if (stack.done) return PVT_OK;
  size_t itemsize = pvt_itemsize((pvt_dtype)a->dtype);
  size_t a_size = ((size_t)(m * n) * itemsize + 63) / 64 * 64;
  size_t t_size = (size_t)((k + PVT_REFLECTORS) * PVT_REFLECTORS) * itemsize;
  size_t q_size = q != NULL ? (size_t)(m * columns) * itemsize : 0;
  pvt_buffer *scratch = pvt_buffer_new(a_size + t_size + q_size);
  if (scratch == NULL) return pvt_error_status();
  char *factors = pvt_buffer_data(scratch), *t = factors + a_size, *made = t + t_size;
  const pvt_factors *f = &pvt_kernels_get()->factors[type];
  do {
    status = pvt_item_load(&stack.item[0], factors, false);
    if (status == PVT_OK) status = f->qr(m, n, factors, n, t);
    if (status == PVT_OK && q != NULL)
      status = f->qr_q(m, k, factors, n, t, columns, made, columns);
    if (status == PVT_OK && q != NULL) status = pvt_item_store(made, false, &stack.item[1]);
    if (status != PVT_OK) break;
    clear_triangle(m, n, itemsize, true, factors);
    status = pvt_item_store(factors, false, &stack.item[2]);
  } while (pvt_stack_next(&stack, &status));
  pvt_buffer_release(scratch);
  return status;
}

/* solve.c - systems of equations, inverses and determinants, from LU factorings. */
#include <complex.h>
#include <math.h>
#include <string.h>

#include "linalg.h"
#include "stack.h"

static int singular(void) {
  return pvt_fail(PVT_E_LINALG, "Singular matrix");
}

static void identity(int64_t n, int type, char *to) {
  int64_t itemsize = (int64_t[]){4, 8, 8, 16}[type];
  memset(to, 0, (size_t)(n * n * itemsize));
  for (int64_t i = 0; i < n; i++) {
    char *at = to + (i * n + i) * itemsize;
    if (type == 0 || type == 2) *(float *)at = 1;
    else *(double *)at = 1;
  }
}

/* b NULL: the inverse. */
static int solve(const char *name, const pvt_array *a, const pvt_array *b, pvt_array *x) {
  int type = pvt_linalg_type(name, a);
  if (type < 0) return type;
  int status = pvt_expect_type(name, b, (pvt_dtype)a->dtype);
  if (status == PVT_OK) status = pvt_expect_type(name, x, (pvt_dtype)a->dtype);
  if (status != PVT_OK) return status;
  pvt_stack stack;
  status = pvt_stack_init(&stack, name, 2, 3, (const pvt_array *const[]){a, b, x},
                          (const int[]){2, 2, 2});
  if (status == PVT_OK) status = pvt_expect_square(name, &stack.item[0]);
  if (status != PVT_OK) return status;
  int64_t n = stack.item[0].dim[0].size, k = stack.item[2].dim[1].size;
  if ((status = pvt_expect_size(name, &stack.item[2], 0, n)) != PVT_OK) return status;
  if ((status = pvt_expect_size(name, &stack.item[1], 0, n)) != PVT_OK) return status;
  if ((status = pvt_expect_size(name, &stack.item[1], 1, k)) != PVT_OK) return status;
  if (b == NULL && (status = pvt_expect_size(name, &stack.item[2], 1, n)) != PVT_OK) return status;
  if (stack.done || n == 0 || k == 0) return PVT_OK;

  const pvt_factors *f = &pvt_kernels_get()->factors[type];
  size_t itemsize = pvt_itemsize((pvt_dtype)a->dtype), pivots_size = (size_t)n * sizeof(int64_t);
  size_t a_size = ((size_t)(n * n) * itemsize + 63) / 64 * 64;
  pvt_buffer *scratch = pvt_buffer_new(pivots_size + 64 + a_size + (size_t)(n * k) * itemsize);
  if (scratch == NULL) return pvt_error_status();
  int64_t *pivots = pvt_buffer_data(scratch), zero;
  char *lu = (char *)pivots + (pivots_size + 63) / 64 * 64, *solution = lu + a_size;
  do {
    status = pvt_item_load(&stack.item[0], lu, false);
    if (status == PVT_OK && b != NULL) status = pvt_item_load(&stack.item[1], solution, false);
    if (b == NULL) identity(n, type, solution);
    if (status == PVT_OK) status = f->lu(n, n, lu, n, pivots, &zero);
    if (status == PVT_OK && zero >= 0) status = singular();
    if (status == PVT_OK) status = f->lu_solve(n, k, lu, n, pivots, solution, k);
    if (status == PVT_OK) status = pvt_item_store(solution, false, &stack.item[2]);
  } while (pvt_stack_next(&stack, &status));
  pvt_buffer_release(scratch);
  return status;
}

int pvt_solve(const pvt_array *a, const pvt_array *b, pvt_array *x) {
  return solve("solve", a, b, x);
}

int pvt_inverse(const pvt_array *a, pvt_array *out) {
  return solve("inv", a, NULL, out);
}

/* ---- Determinants ------------------------------------------------------- */

static double complex element(const char *lu, int type, int64_t at) {
  switch (type) {
  case 0: return ((const float *)lu)[at];
  case 1: return ((const double *)lu)[at];
  case 2: return ((const float complex *)lu)[at];
  default: return ((const double complex *)lu)[at];
  }
}

/* The diagonal's product as a number on the unit circle and the logarithm of the size, and as it
** is. */
static void diagonal(int64_t n, const char *lu, int type, const int64_t *pivots, bool is_zero,
                     double complex *sign, double *logabs, double complex *product) {
  *sign = *product = 1;
  *logabs = 0;
  for (int64_t i = 0; i < n; i++) {
    double complex x = element(lu, type, i * n + i);
    double size = cabs(x);
    if (pivots[i] != i) *sign = -*sign, *product = -*product;
    *product *= x;
    if (is_zero) continue;
    *sign *= type < 2 ? (double complex)(creal(x) < 0      ? -1.0
                                         : isnan(creal(x)) ? NAN
                                                           : 1.0)
                      : x / size;
    *logabs += log(size);
  }
  if (!is_zero) return;
  *sign = *product = 0;
  *logabs = -INFINITY;
}

static int determinants(const char *name, const pvt_array *a, pvt_array *det, pvt_array *logabs) {
  int type = pvt_linalg_type(name, a);
  if (type < 0) return type;
  int status = pvt_expect_type(name, det, (pvt_dtype)a->dtype);
  if (status == PVT_OK) status = pvt_expect_type(name, logabs, pvt_real_type((pvt_dtype)a->dtype));
  if (status != PVT_OK) return status;
  pvt_stack stack;
  status = pvt_stack_init(&stack, name, 1, 3, (const pvt_array *const[]){a, det, logabs},
                          (const int[]){2, 0, 0});
  if (status == PVT_OK) status = pvt_expect_square(name, &stack.item[0]);
  if (status != PVT_OK || stack.done) return status;
  int64_t n = stack.item[0].dim[0].size, zero;
  size_t pivots_size = ((size_t)n * sizeof(int64_t) + 63) / 64 * 64;
  pvt_buffer *scratch =
      pvt_buffer_new(pivots_size + (size_t)(n * n) * pvt_itemsize((pvt_dtype)a->dtype));
  if (scratch == NULL) return pvt_error_status();
  int64_t *pivots = pvt_buffer_data(scratch);
  char *lu = (char *)pivots + pivots_size;
  const pvt_factors *f = &pvt_kernels_get()->factors[type];
  do {
    double complex sign, product;
    double size;
    status = pvt_item_load(&stack.item[0], lu, false);
    if (status == PVT_OK) status = f->lu(n, n, lu, n, pivots, &zero);
    if (status != PVT_OK) break;
    diagonal(n, lu, type, pivots, zero >= 0, &sign, &size, &product);
    if (logabs == NULL) sign = product;
    double real = creal(sign);
    status = pvt_item_store_as(type < 2 ? (const void *)&real : &sign,
                               type < 2 ? PVT_FLOAT64 : PVT_COMPLEX128, false, &stack.item[1]);
    if (status == PVT_OK && logabs != NULL)
      status = pvt_item_store_as(&size, PVT_FLOAT64, false, &stack.item[2]);
  } while (pvt_stack_next(&stack, &status));
  pvt_buffer_release(scratch);
  return status;
}

int pvt_det(const pvt_array *a, pvt_array *out) {
  return determinants("det", a, out, NULL);
}

int pvt_slogdet(const pvt_array *a, pvt_array *sign, pvt_array *logabs) {
  return determinants("slogdet", a, sign, logabs);
}

/* product.c - products of matrices by OpenBLAS, cut so that a cancel is seen soon. */
#include <string.h>

#include "blas.h"
#include "context.h"

enum { ROW_MAJOR = 101, AS_IT_IS = 111, TRANSPOSED = 112 }; /* cblas.h's */

/* 2 * 256 * 512 * 512 operations: some 5 ms where a core does 30 GFLOP/s. */
#define ROWS 256
#define COLUMNS 512
#define DEEP 512
#define WORTH_IT ((int64_t)32 * 32 * 32)

static bool fits(int64_t row, int64_t column) {
  int64_t other = row == 1 ? column : row;
  return (row == 1 || column == 1) && other > 0 && other <= INT32_MAX;
}

/* The engine's own kernels are faster where they have AVX2 or AVX-512. */
bool pvt_blas_suits(pvt_dtype dtype, int64_t m, int64_t n, int64_t k, int64_t a_row,
                    int64_t a_column, int64_t b_row, int64_t b_column) {
  return (dtype == PVT_FLOAT32 || dtype == PVT_FLOAT64) && pvt_blas_get() != NULL &&
         strcmp(pvt_isa(), "portable") == 0 && m * n * k > WORTH_IT && m > 1 && n > 1 &&
         fits(a_row, a_column) && fits(b_row, b_column);
}

int pvt_blas_product(pvt_dtype dtype, int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row,
                     int64_t a_column, const void *b, int64_t b_row, int64_t b_column, void *c,
                     int64_t c_row) {
  const pvt_blas *blas = pvt_blas_get();
  int64_t itemsize = (int64_t)pvt_itemsize(dtype);
  int ta = a_column == 1 ? AS_IT_IS : TRANSPOSED, tb = b_column == 1 ? AS_IT_IS : TRANSPOSED;
  /* a leading dimension must be as large as a row, even of a matrix with one */
  int64_t lda = a_column == 1 ? a_row : a_column, ldb = b_column == 1 ? b_row : b_column;
  int64_t least_a = a_column == 1 ? k : m, least_b = b_column == 1 ? n : k;
  lda = lda < least_a ? least_a : lda, ldb = ldb < least_b ? least_b : ldb;
  int64_t ldc = c_row < n ? n : c_row;
  for (int64_t i = 0; i < m; i += ROWS)
    for (int64_t j = 0; j < n; j += COLUMNS)
      for (int64_t p = 0; p < k; p += DEEP) {
        int status = pvt_poll();
        if (status != PVT_OK) return status;
        int32_t rows = (int32_t)(m - i < ROWS ? m - i : ROWS);
        int32_t columns = (int32_t)(n - j < COLUMNS ? n - j : COLUMNS);
        int32_t depth = (int32_t)(k - p < DEEP ? k - p : DEEP);
        const char *at_a = (const char *)a + (i * a_row + p * a_column) * itemsize;
        const char *at_b = (const char *)b + (p * b_row + j * b_column) * itemsize;
        char *at_c = (char *)c + (i * c_row + j) * itemsize;
        if (dtype == PVT_FLOAT32)
          blas->sgemm(ROW_MAJOR, ta, tb, rows, columns, depth, 1, (const float *)at_a, (int32_t)lda,
                      (const float *)at_b, (int32_t)ldb, p > 0, (float *)at_c, (int32_t)ldc);
        else
          blas->dgemm(ROW_MAJOR, ta, tb, rows, columns, depth, 1, (const double *)at_a,
                      (int32_t)lda, (const double *)at_b, (int32_t)ldb, p > 0, (double *)at_c,
                      (int32_t)ldc);
      }
  return PVT_OK;
}

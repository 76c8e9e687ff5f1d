/* blas.h - OpenBLAS' functions, found at run time.
**
** Integers are 32-bit; matrices of LAPACK are in Fortran order. Characters of Fortran have their
** lengths behind the other arguments.
*/
#ifndef PVT_BLAS_H
#define PVT_BLAS_H

#include "linalg.h"

typedef void pvt_blas_gemm(int order, int a_transposed, int b_transposed, int32_t m, int32_t n,
                           int32_t k, float alpha, const float *a, int32_t lda, const float *b,
                           int32_t ldb, float beta, float *c, int32_t ldc);
typedef void pvt_blas_gemm_f64(int order, int a_transposed, int b_transposed, int32_t m, int32_t n,
                               int32_t k, double alpha, const double *a, int32_t lda,
                               const double *b, int32_t ldb, double beta, double *c, int32_t ldc);

/* jobz, uplo, n, a, lda, w, work, lwork, [rwork, lrwork,] iwork, liwork, info */
typedef void pvt_lapack_syevd(const char *job, const char *triangle, const int32_t *n, void *a,
                              const int32_t *lda, void *w, void *work, const int32_t *lwork,
                              int32_t *iwork, const int32_t *liwork, int32_t *info, size_t, size_t);
typedef void pvt_lapack_heevd(const char *job, const char *triangle, const int32_t *n, void *a,
                              const int32_t *lda, void *w, void *work, const int32_t *lwork,
                              void *rwork, const int32_t *lrwork, int32_t *iwork,
                              const int32_t *liwork, int32_t *info, size_t, size_t);
/* rwork: complex ones only, before iwork */
typedef void pvt_lapack_gesdd(const char *job, const int32_t *m, const int32_t *n, void *a,
                              const int32_t *lda, void *s, void *u, const int32_t *ldu, void *vt,
                              const int32_t *ldvt, void *work, const int32_t *lwork, int32_t *iwork,
                              int32_t *info, size_t);
typedef void pvt_lapack_gesdd_complex(const char *job, const int32_t *m, const int32_t *n, void *a,
                                      const int32_t *lda, void *s, void *u, const int32_t *ldu,
                                      void *vt, const int32_t *ldvt, void *work,
                                      const int32_t *lwork, void *rwork, int32_t *iwork,
                                      int32_t *info, size_t);
typedef void pvt_lapack_geev(const char *left, const char *right, const int32_t *n, void *a,
                             const int32_t *lda, void *wr, void *wi, void *vl, const int32_t *ldvl,
                             void *vr, const int32_t *ldvr, void *work, const int32_t *lwork,
                             int32_t *info, size_t, size_t);
typedef void pvt_lapack_geev_complex(const char *left, const char *right, const int32_t *n, void *a,
                                     const int32_t *lda, void *w, void *vl, const int32_t *ldvl,
                                     void *vr, const int32_t *ldvr, void *work,
                                     const int32_t *lwork, void *rwork, int32_t *info, size_t,
                                     size_t);

typedef struct pvt_blas {
  pvt_blas_gemm *sgemm;
  pvt_blas_gemm_f64 *dgemm;
  pvt_lapack_syevd *syevd[2]; /* float32, float64 */
  pvt_lapack_heevd *heevd[2]; /* complex64, complex128 */
  pvt_lapack_gesdd *gesdd[2];
  pvt_lapack_gesdd_complex *gesdd_complex[2];
  pvt_lapack_geev *geev[2];
  pvt_lapack_geev_complex *geev_complex[2];
} pvt_blas;

/* NULL where there is none. */
const pvt_blas *pvt_blas_get(void);

/* Before and after calls: enter waits for a place (PVT_OK or PVT_E_CANCELLED), try_enter says
** whether there is one. */
int pvt_blas_enter(void);
bool pvt_blas_try_enter(void);
void pvt_blas_leave(void);

/* A pvt_gemm of float32 or float64 for contiguous rows or columns, in pieces of some ms at most. */
int pvt_blas_product(pvt_dtype dtype, int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row,
                     int64_t a_column, const void *b, int64_t b_row, int64_t b_column, void *c,
                     int64_t c_row);
/* Whether it can be used for this product, and is likely to be faster. */
bool pvt_blas_suits(pvt_dtype dtype, int64_t m, int64_t n, int64_t k, int64_t a_row,
                    int64_t a_column, int64_t b_row, int64_t b_column);

#endif

/* linalg.h - linear algebra over tensor.h's arrays.
**
** Arrays are float32, float64, complex64 or complex128, all of one call of one type but for results
** that are real. The last two dimensions are a matrix, those before it a stack of matrices, which
** results have too (callers broadcast). Strides are any; results must not overlap inputs
** (PVT_E_VALUE). Matrices may be empty.
**
** LU, Cholesky and QR are the engine's own, over its products of matrices, and look at the cancel
** word as those do. Eigenvalues and singular values come from LAPACK if pvt_blas_open has found
** it, otherwise, by Jacobi's method, from the engine itself, which takes some ten times as long but
** may be cancelled at any time. A call of LAPACK may not: the cancel word is looked at before and
** after each matrix, which may take 1 s for n = 1,000 and grows with n^3. Scratch memory is
** charged to the account, but not OpenBLAS' own buffers, some 32 MiB for each thread that is inside it.
*/
#ifndef PVT_LINALG_H
#define PVT_LINALG_H

#include "tensor.h"

/* ---- OpenBLAS ----------------------------------------------------------- */

/* Load OpenBLAS from a file, once for the process: later calls change nothing. Symbols may have
** the prefix scipy_. It is told to use no threads of its own. PVT_E_UNSUPPORTED if it cannot be
** loaded or lacks a function. At most PVT_BLAS_CALLERS threads are inside it at a time, as its table
** of threads has 64 entries; products then use own kernels, factorings wait. */
#define PVT_BLAS_CALLERS 60
PVT_API int pvt_blas_open(const char *path);
/* What OpenBLAS says of itself (version, kernels), or "none". */
PVT_API const char *pvt_blas_name(void);

/* ---- Systems of equations ----------------------------------------------- */

/* x such that a x = b: a is [..., n, n], b and x are [..., n, k]. PVT_E_LINALG for a singular one. */
PVT_API int pvt_solve(const pvt_array *a, const pvt_array *b, pvt_array *x);
PVT_API int pvt_inverse(const pvt_array *a, pvt_array *out);
/* out is a's shape without the last two dimensions. */
PVT_API int pvt_det(const pvt_array *a, pvt_array *out);
/* The determinant is sign * exp(logabs); logabs is real. Singular: 0 and -inf. */
PVT_API int pvt_slogdet(const pvt_array *a, pvt_array *sign, pvt_array *logabs);
/* The least-squares solution of smallest norm, from singular values above rcond times the largest
** (a negative rcond: the machine's epsilon times max(m, n)). a is [m, n], b [m, k], x [n, k],
** singular (real) [min(m, n)]. */
PVT_API int pvt_lstsq(const pvt_array *a, const pvt_array *b, double rcond, pvt_array *x,
                      int64_t *rank, pvt_array *singular);

/* ---- Factorings --------------------------------------------------------- */

/* a = L L^H, of a's lower triangle; or a = U^H U, of its upper one. The other triangle becomes 0. */
PVT_API int pvt_cholesky(const pvt_array *a, bool upper, pvt_array *out);
/* a = q r. q is [..., m, c], r [..., c, n] where c is min(m, n), or m for the complete form; q may be
** NULL. */
PVT_API int pvt_qr(const pvt_array *a, pvt_array *q, pvt_array *r);
/* Of the Hermitian matrix whose lower (or upper) triangle a has: eigenvalues w (real, [..., n],
** ascending) and eigenvectors, the columns of v ([..., n, n]), which may be NULL. */
PVT_API int pvt_eigh(const pvt_array *a, bool upper, pvt_array *w, pvt_array *v);
/* a = u diag(s) vh: s is real, [..., k], descending, k being min(m, n). u is [..., m, k] and vh
** [..., k, n], or [..., m, m] and [..., n, n]; both may be NULL. */
PVT_API int pvt_svd(const pvt_array *a, pvt_array *u, pvt_array *s, pvt_array *vh);
/* Of any square matrix: eigenvalues w ([..., n]) and eigenvectors of length 1, the columns of v
** ([..., n, n]), which may be NULL. Both are complex. PVT_E_UNSUPPORTED without LAPACK. */
PVT_API int pvt_eig(const pvt_array *a, pvt_array *w, pvt_array *v);

#endif

/* spectral.h - eigenvalues and singular values of one matrix, in Fortran order. */
#ifndef PVT_SPECTRAL_H
#define PVT_SPECTRAL_H

#include "blas.h"
#include "kernels.h"

/* Types are 0 .. 3 for float32, float64, complex64, complex128. All return PVT_OK or a negative
** status, PVT_E_LINALG if an iteration did not converge. What lies in a is lost. */

/* By Jacobi's rotations, which poll. Of a Hermitian matrix, both triangles given: w ascending,
** vectors the columns of v (n x n), or NULL. */
int pvt_jacobi_eigh(int type, int64_t n, void *a, void *w, void *v);
/* a is m x n with m >= n: its columns become u diag(s), then u; v (n x n) has a = u diag(s) v^H.
** Columns of u that belong to singular values of 0 are 0. v may be NULL, then u is not made. */
int pvt_jacobi_svd(int type, int64_t m, int64_t n, void *a, void *s, void *v);

/* By LAPACK, which there must be. eigh: a becomes the vectors, of its triangle 'L' or 'U'. */
int pvt_lapack_eigh(int type, bool vectors, char triangle, int64_t n, void *a, void *w);
/* job 'N', 'S' or 'A': no vectors, min(m, n) of them, all. */
int pvt_lapack_svd(int type, char job, int64_t m, int64_t n, void *a, void *s, void *u, void *vh);
/* w and v (or NULL) are complex: float pairs for types 0 and 2. */
int pvt_lapack_eig(int type, int64_t n, void *a, void *w, void *v);

#endif

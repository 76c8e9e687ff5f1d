/* jacobi.c - eigenvalues and singular values by rotations, where there is no LAPACK. */
#include <complex.h>
#include <float.h>
#include <math.h>

#include "spectral.h"

#define SWEEPS 60

#define S float
#define R float
#define SUFFIX f32
#define CONJ(x) (x)
#define REAL(x) (x)
#define SIZE(x) fabsf(x)
#define EPSILON FLT_EPSILON
#include "jacobi.inc"

#define S double
#define R double
#define SUFFIX f64
#define CONJ(x) (x)
#define REAL(x) (x)
#define SIZE(x) fabs(x)
#define EPSILON DBL_EPSILON
#include "jacobi.inc"

#define S float complex
#define R float
#define SUFFIX c64
#define CONJ(x) conjf(x)
#define REAL(x) crealf(x)
#define SIZE(x) cabsf(x)
#define EPSILON FLT_EPSILON
#include "jacobi.inc"

#define S double complex
#define R double
#define SUFFIX c128
#define CONJ(x) conj(x)
#define REAL(x) creal(x)
#define SIZE(x) cabs(x)
#define EPSILON DBL_EPSILON
#include "jacobi.inc"

int pvt_jacobi_eigh(int type, int64_t n, void *a, void *w, void *v) {
  switch (type) {
  case 0: return eigh_f32(n, a, w, v);
  case 1: return eigh_f64(n, a, w, v);
  case 2: return eigh_c64(n, a, w, v);
  default: return eigh_c128(n, a, w, v);
  }
}

int pvt_jacobi_svd(int type, int64_t m, int64_t n, void *a, void *s, void *v) {
  switch (type) {
  case 0: return svd_f32(m, n, a, s, v);
  case 1: return svd_f64(m, n, a, s, v);
  case 2: return svd_c64(m, n, a, s, v);
  default: return svd_c128(m, n, a, s, v);
  }
}

/* factors.c - LU, Cholesky and QR factorings, for the four types of linear algebra. */
#include <complex.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels.h"

extern const pvt_products PVT_KERNEL(pvt_products);

#define TYPE PVT_FLOAT32
#define S float
#define R float
#define SUFFIX f32
#define COMPLEX_TYPE 0
#define ABS(x) fabsf(x)
#define CONJ(x) (x)
#define REAL(x) (x)
#define IMAG(x) 0.0f
#define TINY FLT_MIN
#define SQRT sqrtf
#include "factors.inc"

#define TYPE PVT_FLOAT64
#define S double
#define R double
#define SUFFIX f64
#define COMPLEX_TYPE 0
#define ABS(x) fabs(x)
#define CONJ(x) (x)
#define REAL(x) (x)
#define IMAG(x) 0.0
#define TINY DBL_MIN
#define SQRT sqrt
#include "factors.inc"

#define TYPE PVT_COMPLEX64
#define S float complex
#define R float
#define SUFFIX c64
#define COMPLEX_TYPE 1
#define ABS(x) (fabsf(crealf(x)) + fabsf(cimagf(x)))
#define CONJ(x) conjf(x)
#define REAL(x) crealf(x)
#define IMAG(x) cimagf(x)
#define TINY FLT_MIN
#define SQRT sqrtf
#include "factors.inc"

#define TYPE PVT_COMPLEX128
#define S double complex
#define R double
#define SUFFIX c128
#define COMPLEX_TYPE 1
#define ABS(x) (fabs(creal(x)) + fabs(cimag(x)))
#define CONJ(x) conj(x)
#define REAL(x) creal(x)
#define IMAG(x) cimag(x)
#define TINY DBL_MIN
#define SQRT sqrt
#include "factors.inc"

#define FACTORS(suffix)                                                                            \
  {lu_##suffix, lu_solve_##suffix, cholesky_##suffix, qr_##suffix, qr_q_##suffix}
const pvt_factors PVT_KERNEL(pvt_factors)[4] = {FACTORS(f32), FACTORS(f64), FACTORS(c64),
                                                FACTORS(c128)};

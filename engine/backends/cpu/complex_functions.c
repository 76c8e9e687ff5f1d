/* complex_functions.c - roots, powers, exponentials and their kin of complex numbers.
**
** The C library's, one at a time; what it does not have is made from what it has as NumPy makes it.
*/
#include <complex.h>
#include <math.h>

#include "elementwise.h"

/* z: the operand. */
#define COMPLEX(op, suffix, T, make, ...)                                                          \
  extern pvt_kernel PVT_KERNEL(pvt_##op##_##suffix);                                               \
  void PVT_KERNEL(pvt_##op##_##suffix)(PVT_ARGS) {                                                 \
    (void)arg;                                                                                     \
    for (int64_t i = 0; i < n; i++) {                                                              \
      const T *x = (const T *)(data[0] + i * strides[0]);                                          \
      T *o = (T *)(data[1] + i * strides[1]);                                                      \
      complex T z = make(x[0], x[1]);                                                              \
      z = __VA_ARGS__;                                                                             \
      o[0] = __real__ z;                                                                           \
      o[1] = __imag__ z;                                                                           \
    }                                                                                              \
  }
#define FUNCTION(op, function)                                                                     \
  COMPLEX(op, c64, float, CMPLXF, function##f(z))                                                  \
  COMPLEX(op, c128, double, CMPLX, function(z))

FUNCTION(sqrt, csqrt)
FUNCTION(exp, cexp)
FUNCTION(log, clog)
FUNCTION(sin, csin)
FUNCTION(cos, ccos)
FUNCTION(tan, ctan)
FUNCTION(arcsin, casin)
FUNCTION(arccos, cacos)
FUNCTION(arctan, catan)
FUNCTION(sinh, csinh)
FUNCTION(cosh, ccosh)
/* The limit's imaginary part has the operand's sign, by the Array API standard. */
#define LIMITED_TANH(z, make, f)                                                                   \
  (isinf(__real__ z) && isfinite(__imag__ z)                                                       \
       ? make(copysign##f(1, __real__ z), copysign##f(0, __imag__ z))                              \
       : ctanh##f(z))
COMPLEX(tanh, c64, float, CMPLXF, LIMITED_TANH(z, CMPLXF, f))
COMPLEX(tanh, c128, double, CMPLX, LIMITED_TANH(z, CMPLX, ))
FUNCTION(arcsinh, casinh)
FUNCTION(arccosh, cacosh)
FUNCTION(arctanh, catanh)

#define MADE(T, suffix, make, f)                                                                   \
  static inline complex T scaled_##suffix(complex T z, T by) {                                     \
    return make(__real__ z * by, __imag__ z * by);                                                 \
  }                                                                                                \
  static inline complex T expm1_of_##suffix(complex T z) {                                         \
    if (!isfinite(__real__ z) || !isfinite(__imag__ z)) { /* as the C standard's cexp */           \
      complex T whole = cexp##f(z);                                                                \
      return make(__real__ whole - 1, __imag__ whole);                                             \
    }                                                                                              \
    T half = sin##f(__imag__ z / 2);                                                               \
    return make(expm1##f(__real__ z) * cos##f(__imag__ z) - 2 * half * half + 0,                   \
                exp##f(__real__ z) * sin##f(__imag__ z));                                          \
  }                                                                                                \
  static inline complex T log1p_of_##suffix(complex T z) {                                         \
    T size = hypot##f(__real__ z + 1, __imag__ z);                                                 \
    return make(log##f(size), atan2##f(__imag__ z, __real__ z + 1));                               \
  }                                                                                                \
  COMPLEX(exp2, suffix, T, make, cexp##f(scaled_##suffix(z, (T)M_LN2)))                            \
  COMPLEX(log2, suffix, T, make, scaled_##suffix(clog##f(z), (T)M_LOG2E))                          \
  COMPLEX(log10, suffix, T, make, scaled_##suffix(clog##f(z), (T)M_LOG10E))                        \
  COMPLEX(expm1, suffix, T, make, expm1_of_##suffix(z))                                            \
  COMPLEX(log1p, suffix, T, make, log1p_of_##suffix(z))
MADE(float, c64, CMPLXF, f)
MADE(double, c128, CMPLX, )

/* Whole exponents up to 100 are products; 0 has powers with a positive real part only. */
#define POWER(T, suffix, make, f)                                                                  \
  static inline complex T product_##suffix(complex T x, complex T y) {                             \
    T a = __real__ x, b = __imag__ x, c = __real__ y, d = __imag__ y;                              \
    return make(a * c - b * d, a * d + b * c);                                                     \
  }                                                                                                \
  static inline complex T whole_power_##suffix(complex T x, int n) {                               \
    complex T result = make(1, 0);                                                                 \
    for (int e = n < 0 ? -n : n; e != 0; e >>= 1) {                                                \
      if (e & 1) result = product_##suffix(result, x);                                             \
      x = product_##suffix(x, x);                                                                  \
    }                                                                                              \
    return result;                                                                                 \
  }                                                                                                \
  static complex T power_##suffix(complex T x, complex T y) {                                      \
    T c = __real__ y, d = __imag__ y;                                                              \
    if (c == 0 && d == 0) return make(1, 0);                                                       \
    if (x == 0) return c > 0 ? make(0, 0) : make((T)NAN, (T)NAN);                                  \
    if (d == 0 && c > -100 && c < 100 && c == rint##f(c)) {                                        \
      complex T result = whole_power_##suffix(x, (int)c);                                          \
      if (c > 0) return result;                                                                    \
      T a = __real__ result, b = __imag__ result;                                                  \
      if (fabs##f(b) <= fabs##f(a)) {                                                              \
        T ratio = b / a, scale = a + b * ratio;                                                    \
        return make(1 / scale, -ratio / scale);                                                    \
      }                                                                                            \
      T ratio = a / b, scale = b + a * ratio;                                                      \
      return make(ratio / scale, -1 / scale);                                                      \
    }                                                                                              \
    return cpow##f(x, y);                                                                          \
  }                                                                                                \
  extern pvt_kernel PVT_KERNEL(pvt_power_##suffix);                                                \
  void PVT_KERNEL(pvt_power_##suffix)(PVT_ARGS) {                                                  \
    (void)arg;                                                                                     \
    for (int64_t i = 0; i < n; i++) {                                                              \
      const T *x = (const T *)(data[0] + i * strides[0]);                                          \
      const T *y = (const T *)(data[1] + i * strides[1]);                                          \
      T *o = (T *)(data[2] + i * strides[2]);                                                      \
      complex T z = power_##suffix(make(x[0], x[1]), make(y[0], y[1]));                            \
      o[0] = __real__ z;                                                                           \
      o[1] = __imag__ z;                                                                           \
    }                                                                                              \
  }
POWER(float, c64, CMPLXF, f)
POWER(double, c128, CMPLX, )

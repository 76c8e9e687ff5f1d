/* transcendental.c - exponentials, logarithms, circular and hyperbolic functions of real
** numbers.
**
** With AVX2 and AVX-512 they come from glibc's libmvec, a vector at a time; elsewhere from libm,
** one at a time. docs/engine-accuracy.md has the errors.
*/
#include <math.h>
#include <string.h>

#include "elementwise.h"

#if defined(__AVX512F__)
#define WIDTH 64
#define VECTOR_F32(shape, f) _ZGVeN16##shape##_##f
#define VECTOR_F64(shape, f) _ZGVeN8##shape##_##f
#elif defined(__AVX2__)
#define WIDTH 32
#define VECTOR_F32(shape, f) _ZGVdN8##shape##_##f
#define VECTOR_F64(shape, f) _ZGVdN4##shape##_##f
#endif

#if defined(WIDTH)

typedef float floats __attribute__((vector_size(WIDTH)));
typedef double doubles __attribute__((vector_size(WIDTH)));

/* n of up to `lanes` elements; the others repeat the first, so that they ask for nothing new. */
#define LOAD(T, V)                                                                                 \
  static inline V load_##V(const char *from, int64_t stride, int64_t n) {                          \
    V v;                                                                                           \
    if (stride == PVT_SIZE(T) && n >= WIDTH / PVT_SIZE(T)) {                                       \
      memcpy(&v, from, WIDTH);                                                                     \
      return v;                                                                                    \
    }                                                                                              \
    T parts[WIDTH / sizeof(T)];                                                                    \
    for (int64_t k = 0; k < WIDTH / PVT_SIZE(T); k++)                                              \
      parts[k] = *(const T *)(from + (k < n ? k : 0) * stride);                                    \
    memcpy(&v, parts, WIDTH);                                                                      \
    return v;                                                                                      \
  }                                                                                                \
  static inline void store_##V(V v, char *to, int64_t stride, int64_t n) {                         \
    if (stride == PVT_SIZE(T) && n >= WIDTH / PVT_SIZE(T)) {                                       \
      memcpy(to, &v, WIDTH);                                                                       \
      return;                                                                                      \
    }                                                                                              \
    T parts[WIDTH / sizeof(T)];                                                                    \
    memcpy(parts, &v, WIDTH);                                                                      \
    for (int64_t k = 0; k < WIDTH / PVT_SIZE(T) && k < n; k++) *(T *)(to + k * stride) = parts[k]; \
  }
LOAD(float, floats)
LOAD(double, doubles)

#define EACH_UNARY(name, T, V, ...)                                                                \
  static void name(PVT_ARGS) {                                                                     \
    (void)arg;                                                                                     \
    const int64_t lanes = WIDTH / PVT_SIZE(T);                                                     \
    for (int64_t i = 0; i < n; i += lanes) {                                                       \
      V x = load_##V(data[0] + i * strides[0], strides[0], n - i);                                 \
      store_##V(__VA_ARGS__, data[1] + i * strides[1], strides[1], n - i);                         \
    }                                                                                              \
  }
#define EACH_BINARY(name, T, V, ...)                                                               \
  static void name(PVT_ARGS) {                                                                     \
    (void)arg;                                                                                     \
    const int64_t lanes = WIDTH / PVT_SIZE(T);                                                     \
    for (int64_t i = 0; i < n; i += lanes) {                                                       \
      V x = load_##V(data[0] + i * strides[0], strides[0], n - i);                                 \
      V y = load_##V(data[1] + i * strides[1], strides[1], n - i);                                 \
      store_##V(__VA_ARGS__, data[2] + i * strides[2], strides[2], n - i);                         \
    }                                                                                              \
  }
#define FUNCTION(op, function)                                                                     \
  extern floats VECTOR_F32(v, function##f)(floats);                                                \
  extern doubles VECTOR_F64(v, function)(doubles);                                                 \
  EACH_UNARY(op##_f32, float, floats, VECTOR_F32(v, function##f)(x))                               \
  EACH_UNARY(op##_f64, double, doubles, VECTOR_F64(v, function)(x))
#define FUNCTION_2(op, function)                                                                   \
  extern floats VECTOR_F32(vv, function##f)(floats, floats);                                       \
  extern doubles VECTOR_F64(vv, function)(doubles, doubles);                                       \
  EACH_BINARY(op##_f32, float, floats, VECTOR_F32(vv, function##f)(x, y))                          \
  EACH_BINARY(op##_f64, double, doubles, VECTOR_F64(vv, function)(x, y))

#else /* one at a time */

#define FUNCTION(op, function)                                                                     \
  PVT_UNARY_PLAIN(op##_f32, float, float, function##f(x))                                          \
  PVT_UNARY_PLAIN(op##_f64, double, double, function(x))
#define FUNCTION_2(op, function)                                                                   \
  PVT_BINARY_PLAIN(op##_f32, float, float, function##f(x, y))                                      \
  PVT_BINARY_PLAIN(op##_f64, double, double, function(x, y))

#endif

FUNCTION(cbrt, cbrt)
FUNCTION(exp, exp)
FUNCTION(exp2, exp2)
FUNCTION(expm1, expm1)
FUNCTION(log, log)
FUNCTION(log2, log2)
FUNCTION(log10, log10)
FUNCTION(log1p, log1p)
FUNCTION(sin, sin)
FUNCTION(cos, cos)
FUNCTION(tan, tan)
FUNCTION(arcsin, asin)
FUNCTION(arccos, acos)
FUNCTION(arctan, atan)
FUNCTION(sinh, sinh)
FUNCTION(cosh, cosh)
FUNCTION(tanh, tanh)
FUNCTION(arcsinh, asinh)
FUNCTION(arccosh, acosh)
FUNCTION(arctanh, atanh)
#if defined(__AVX512F__)
/* The vector of 16 errs by up to 4 units in the last place, that of 8 by less than 2. */
typedef float half_floats __attribute__((vector_size(32)));
extern half_floats _ZGVdN8v_erff(half_floats);
static inline floats erf_of_halves(floats x) {
  half_floats half[2];
  memcpy(half, &x, sizeof x);
  half[0] = _ZGVdN8v_erff(half[0]);
  half[1] = _ZGVdN8v_erff(half[1]);
  memcpy(&x, half, sizeof x);
  return x;
}
extern doubles VECTOR_F64(v, erf)(doubles);
EACH_UNARY(erf_f32, float, floats, erf_of_halves(x))
EACH_UNARY(erf_f64, double, doubles, VECTOR_F64(v, erf)(x))
#else
FUNCTION(erf, erf)
#endif
FUNCTION_2(arctan2, atan2)
FUNCTION_2(hypot, hypot)
FUNCTION_2(raised, pow)
PVT_ROW(arctan2) = {PVT_FLOATS(arctan2)};
PVT_ROW(hypot) = {PVT_FLOATS(hypot)};
PVT_ROW(cbrt) = {PVT_FLOATS(cbrt)};
PVT_ROW(erf) = {PVT_FLOATS(erf)};

#define ALSO_COMPLEX(op)                                                                           \
  extern pvt_kernel PVT_KERNEL(pvt_##op##_c64), PVT_KERNEL(pvt_##op##_c128);                       \
  PVT_ROW(op) = {PVT_FLOATS(op), [PVT_COMPLEX64] = PVT_KERNEL(pvt_##op##_c64),                     \
                 [PVT_COMPLEX128] = PVT_KERNEL(pvt_##op##_c128)};
ALSO_COMPLEX(exp)
ALSO_COMPLEX(exp2)
ALSO_COMPLEX(expm1)
ALSO_COMPLEX(log)
ALSO_COMPLEX(log2)
ALSO_COMPLEX(log10)
ALSO_COMPLEX(log1p)
ALSO_COMPLEX(sin)
ALSO_COMPLEX(cos)
ALSO_COMPLEX(tan)
ALSO_COMPLEX(arcsin)
ALSO_COMPLEX(arccos)
ALSO_COMPLEX(arctan)
ALSO_COMPLEX(sinh)
ALSO_COMPLEX(cosh)
ALSO_COMPLEX(tanh)
ALSO_COMPLEX(arcsinh)
ALSO_COMPLEX(arccosh)
ALSO_COMPLEX(arctanh)

/* Squares are far the most frequent powers. */
#define POWER(suffix, T)                                                                           \
  PVT_UNARY(square_##suffix, T, T, x *x)                                                           \
  void PVT_KERNEL(pvt_power_##suffix)(PVT_ARGS) {                                                  \
    if (strides[1] == 0 && *(const T *)data[1] == 2) {                                             \
      char *const base[2] = {data[0], data[2]};                                                    \
      const int64_t steps[2] = {strides[0], strides[2]};                                           \
      square_##suffix(n, base, steps, arg);                                                        \
      return;                                                                                      \
    }                                                                                              \
    raised_##suffix(n, data, strides, arg);                                                        \
  }
extern pvt_kernel PVT_KERNEL(pvt_power_f32), PVT_KERNEL(pvt_power_f64);
POWER(f32, float)
POWER(f64, double)

/* ---- Made of the others ------------------------------------------------- */

#define BLOCK 256

/* 1 / (1 + exp(-x)) */
#define SIGMOID(suffix, T)                                                                         \
  static void sigmoid_##suffix(PVT_ARGS) {                                                         \
    T block[BLOCK];                                                                                \
    char *const both[2] = {(char *)block, (char *)block};                                          \
    const int64_t steps[2] = {PVT_SIZE(T), PVT_SIZE(T)};                                           \
    for (int64_t i = 0; i < n; i += BLOCK) {                                                       \
      int64_t count = n - i < BLOCK ? n - i : BLOCK;                                               \
      for (int64_t k = 0; k < count; k++)                                                          \
        block[k] = -*(const T *)(data[0] + (i + k) * strides[0]);                                  \
      exp_##suffix(count, both, steps, arg);                                                       \
      for (int64_t k = 0; k < count; k++)                                                          \
        *(T *)(data[1] + (i + k) * strides[1]) = 1 / (1 + block[k]);                               \
    }                                                                                              \
  }
SIGMOID(f32, float)
SIGMOID(f64, double)
PVT_ROW(sigmoid) = {PVT_FLOATS(sigmoid)};

/* The larger one, and log(1 + exp(-d)) times `scale`, d the distance. Equal ones, infinities too,
** give themselves and `one`, which is that of d = 0. */
#define LOG_OF_SUM(name, suffix, T, exp, scale, one)                                               \
  static void name##_##suffix(PVT_ARGS) {                                                          \
    T block[BLOCK];                                                                                \
    char *const both[2] = {(char *)block, (char *)block};                                          \
    const int64_t steps[2] = {PVT_SIZE(T), PVT_SIZE(T)};                                           \
    for (int64_t i = 0; i < n; i += BLOCK) {                                                       \
      int64_t count = n - i < BLOCK ? n - i : BLOCK;                                               \
      const char *a = data[0] + i * strides[0], *b = data[1] + i * strides[1];                     \
      char *o = data[2] + i * strides[2];                                                          \
      for (int64_t k = 0; k < count; k++) {                                                        \
        T x = *(const T *)(a + k * strides[0]), y = *(const T *)(b + k * strides[1]);              \
        block[k] = x > y ? y - x : x - y;                                                          \
      }                                                                                            \
      exp##_##suffix(count, both, steps, arg);                                                     \
      log1p_##suffix(count, both, steps, arg);                                                     \
      for (int64_t k = 0; k < count; k++) {                                                        \
        T x = *(const T *)(a + k * strides[0]), y = *(const T *)(b + k * strides[1]);              \
        *(T *)(o + k * strides[2]) = x == y ? x + one : (x > y ? x : y) + block[k] * scale;        \
      }                                                                                            \
    }                                                                                              \
  }
LOG_OF_SUM(logaddexp, f32, float, exp, 1, (float)M_LN2)
LOG_OF_SUM(logaddexp, f64, double, exp, 1, M_LN2)
LOG_OF_SUM(logaddexp2, f32, float, exp2, (float)M_LOG2E, 1)
LOG_OF_SUM(logaddexp2, f64, double, exp2, M_LOG2E, 1)
PVT_ROW(logaddexp) = {PVT_FLOATS(logaddexp)};
PVT_ROW(logaddexp2) = {PVT_FLOATS(logaddexp2)};

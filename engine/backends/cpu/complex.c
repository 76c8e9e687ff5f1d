/* complex.c - arithmetic of complex numbers where it is not done part by part. */
#include <math.h>
#include <string.h>

#include "elementwise.h"

/* result = f(a + b i, c + d i): the body sets re and im. */
#define COMPLEX_BINARY(name, T, ...)                                                               \
  void PVT_KERNEL(name)(PVT_ARGS) {                                                                \
    (void)arg;                                                                                     \
    if (strides[0] == 2 * PVT_SIZE(T) && strides[1] == 2 * PVT_SIZE(T) &&                          \
        strides[2] == 2 * PVT_SIZE(T)) {                                                           \
      const T *pa = (const T *)data[0], *pb = (const T *)data[1];                                  \
      T *po = (T *)data[2];                                                                        \
      PVT_IVDEP for (int64_t i = 0; i < n; i++) {                                                  \
        T a = pa[2 * i], b = pa[2 * i + 1], c = pb[2 * i], d = pb[2 * i + 1], re, im;              \
        __VA_ARGS__;                                                                               \
        po[2 * i] = re;                                                                            \
        po[2 * i + 1] = im;                                                                        \
      }                                                                                            \
      return;                                                                                      \
    }                                                                                              \
    const char *pa = data[0], *pb = data[1];                                                       \
    char *po = data[2];                                                                            \
    for (int64_t i = 0; i < n; i++, pa += strides[0], pb += strides[1], po += strides[2]) {        \
      T a = ((const T *)pa)[0], b = ((const T *)pa)[1];                                            \
      T c = ((const T *)pb)[0], d = ((const T *)pb)[1], re, im;                                    \
      __VA_ARGS__;                                                                                 \
      ((T *)po)[0] = re;                                                                           \
      ((T *)po)[1] = im;                                                                           \
    }                                                                                              \
  }

#define COMPLEX_UNARY(name, T, ...)                                                                \
  void PVT_KERNEL(name)(PVT_ARGS) {                                                                \
    (void)arg;                                                                                     \
    const char *pa = data[0];                                                                      \
    char *po = data[1];                                                                            \
    for (int64_t i = 0; i < n; i++, pa += strides[0], po += strides[1]) {                          \
      T a = ((const T *)pa)[0], b = ((const T *)pa)[1], re, im;                                    \
      __VA_ARGS__;                                                                                 \
      ((T *)po)[0] = re;                                                                           \
      ((T *)po)[1] = im;                                                                           \
    }                                                                                              \
  }

#define DECLARE(op) extern pvt_kernel PVT_KERNEL(pvt_##op##_c64), PVT_KERNEL(pvt_##op##_c128)
DECLARE(multiply);
DECLARE(divide);
DECLARE(maximum);
DECLARE(minimum);
DECLARE(fmax);
DECLARE(fmin);
DECLARE(absolute);
DECLARE(sign);
DECLARE(square);
DECLARE(reciprocal);

/* ---- Products ----------------------------------------------------------- */

/* Several numbers at a time, their parts side by side. Written out because what the compiler
** makes of the plain loop fuses additions where the instruction set can, and results would
** depend on it. */
#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX2__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
typedef float floats __attribute__((vector_size(WIDTH), aligned(4)));
typedef int32_t float_lanes __attribute__((vector_size(WIDTH)));
typedef double doubles __attribute__((vector_size(WIDTH), aligned(8)));
typedef int64_t double_lanes __attribute__((vector_size(WIDTH)));

/* i, i for real parts; i ^ 1 for the other part; the sign bit at even places. */
#define LANE_8(f, i) f(i), f(i + 1), f(i + 2), f(i + 3), f(i + 4), f(i + 5), f(i + 6), f(i + 7)
#define LANE_4(f, i) f(i), f(i + 1), f(i + 2), f(i + 3)
#define LANE_2(f, i) f(i), f(i + 1)
#if WIDTH == 64
#define FLOAT_LANES(f) {LANE_8(f, 0), LANE_8(f, 8)}
#define DOUBLE_LANES(f) {LANE_8(f, 0)}
#elif WIDTH == 32
#define FLOAT_LANES(f) {LANE_8(f, 0)}
#define DOUBLE_LANES(f) {LANE_4(f, 0)}
#else
#define FLOAT_LANES(f) {LANE_4(f, 0)}
#define DOUBLE_LANES(f) {LANE_2(f, 0)}
#endif
#define REAL_OF(i) ((i) & ~1)
#define IMAG_OF(i) ((i) | 1)
#define OTHER_OF(i) ((i) ^ 1)
#define SIGN_32(i) ((i) & 1 ? 0 : INT32_MIN)
#define SIGN_64(i) ((i) & 1 ? 0 : INT64_MIN)

/* Without the standard's repair of infinities, like NumPy: ac - bd, ad + bc. */
#define MULTIPLY(name, T, V, L, LANES, SIGN)                                                       \
  static inline V product_##T(V x, V y) {                                                          \
    V straight = __builtin_shuffle(x, (L)LANES(REAL_OF)) * y;                                      \
    V crossed =                                                                                    \
        __builtin_shuffle(x, (L)LANES(IMAG_OF)) * __builtin_shuffle(y, (L)LANES(OTHER_OF));        \
    return straight + (V)((L)crossed ^ (L)LANES(SIGN));                                            \
  }                                                                                                \
  void PVT_KERNEL(name)(PVT_ARGS) {                                                                \
    (void)arg;                                                                                     \
    const int64_t size = 2 * PVT_SIZE(T), lanes = WIDTH / size;                                    \
    bool rows = (strides[0] == size || strides[0] == 0) &&                                         \
                (strides[1] == size || strides[1] == 0) && strides[2] == size;                     \
    int64_t i = 0;                                                                                 \
    bool plain = rows && strides[0] != 0 && strides[1] != 0;                                       \
    for (; plain && i + lanes <= n; i += lanes)                                                    \
      *(V *)(data[2] + i * size) =                                                                 \
          product_##T(*(const V *)(data[0] + i * size), *(const V *)(data[1] + i * size));         \
    for (; rows && i + lanes <= n; i += lanes) {                                                   \
      V x = *(const V *)one_or_many(data[0], strides[0], i, size, (char[WIDTH]){0});               \
      V y = *(const V *)one_or_many(data[1], strides[1], i, size, (char[WIDTH]){0});               \
      *(V *)(data[2] + i * size) = product_##T(x, y);                                              \
    }                                                                                              \
    for (; i < n; i++) {                                                                           \
      V x = {0}, y = {0};                                                                          \
      memcpy(&x, data[0] + i * strides[0], (size_t)size);                                          \
      memcpy(&y, data[1] + i * strides[1], (size_t)size);                                          \
      x = product_##T(x, y);                                                                       \
      memcpy(data[2] + i * strides[2], &x, (size_t)size);                                          \
    }                                                                                              \
  }
/* Where the vector of elements i... is; of a single element a vector is filled. */
static inline const char *one_or_many(const char *data, int64_t stride, int64_t i, int64_t size,
                                      char *room) {
  if (stride != 0) return data + i * stride;
  for (int64_t k = 0; k < WIDTH; k += size) memcpy(room + k, data, (size_t)size);
  return room;
}
MULTIPLY(pvt_multiply_c64, float, floats, float_lanes, FLOAT_LANES, SIGN_32)
MULTIPLY(pvt_multiply_c128, double, doubles, double_lanes, DOUBLE_LANES, SIGN_64)

void PVT_KERNEL(pvt_square_c64)(PVT_ARGS) {
  char *const both[3] = {data[0], data[0], data[1]};
  const int64_t steps[3] = {strides[0], strides[0], strides[1]};
  PVT_KERNEL(pvt_multiply_c64)(n, both, steps, arg);
}
void PVT_KERNEL(pvt_square_c128)(PVT_ARGS) {
  char *const both[3] = {data[0], data[0], data[1]};
  const int64_t steps[3] = {strides[0], strides[0], strides[1]};
  PVT_KERNEL(pvt_multiply_c128)(n, both, steps, arg);
}

/* ---- Quotients ---------------------------------------------------------- */

/* Keeps a product from being fused with the addition that follows. */
#if defined(__x86_64__)
#define ROUNDED(v) __asm__("" : "+x"(v))
#else
#define ROUNDED(v) (void)(v)
#endif

/* Smith's division: scaled so that nothing overflows which need not. */
#define QUOTIENT(T, fabs)                                                                          \
  static inline void quotient_##T(T a, T b, T c, T d, T *re, T *im) {                              \
    T abs_c = fabs(c), abs_d = fabs(d);                                                            \
    if (abs_c >= abs_d) {                                                                          \
      if (abs_c == 0 && abs_d == 0) {                                                              \
        *re = a / abs_c;                                                                           \
        *im = b / abs_c;                                                                           \
        return;                                                                                    \
      }                                                                                            \
      T ratio = d / c, p = d * ratio, q = b * ratio, r = a * ratio;                                \
      ROUNDED(p);                                                                                  \
      ROUNDED(q);                                                                                  \
      ROUNDED(r);                                                                                  \
      T scale = 1 / (c + p);                                                                       \
      *re = (a + q) * scale;                                                                       \
      *im = (b - r) * scale;                                                                       \
    } else {                                                                                       \
      T ratio = c / d, p = c * ratio, q = a * ratio, r = b * ratio;                                \
      ROUNDED(p);                                                                                  \
      ROUNDED(q);                                                                                  \
      ROUNDED(r);                                                                                  \
      T scale = 1 / (d + p);                                                                       \
      *re = (q + b) * scale;                                                                       \
      *im = (r - a) * scale;                                                                       \
    }                                                                                              \
  }                                                                                                \
  static inline void reciprocal_##T(T a, T b, T *re, T *im) {                                      \
    if (fabs(b) <= fabs(a)) {                                                                      \
      T ratio = b / a, scale = a + b * ratio;                                                      \
      *re = 1 / scale;                                                                             \
      *im = -ratio / scale;                                                                        \
    } else {                                                                                       \
      T ratio = a / b, scale = a * ratio + b;                                                      \
      *re = ratio / scale;                                                                         \
      *im = -1 / scale;                                                                            \
    }                                                                                              \
  }
QUOTIENT(float, __builtin_fabsf)
QUOTIENT(double, __builtin_fabs)
COMPLEX_BINARY(pvt_divide_c64, float, quotient_float(a, b, c, d, &re, &im))
COMPLEX_BINARY(pvt_divide_c128, double, quotient_double(a, b, c, d, &re, &im))
COMPLEX_UNARY(pvt_reciprocal_c64, float, reciprocal_float(a, b, &re, &im))
COMPLEX_UNARY(pvt_reciprocal_c128, double, reciprocal_double(a, b, &re, &im))

/* Ordered by the real part, then the imaginary one; a NaN in either part makes a NaN of both. */
#define EITHER(op, T, first)                                                                       \
  COMPLEX_BINARY(op, T, bool keep = first; re = keep ? a : c; im = keep ? b : d)
#define GREATER (a > c && b == b && d == d) || (a == c && b >= d)
#define LESS (a < c && b == b && d == d) || (a == c && b <= d)
EITHER(pvt_maximum_c64, float, GREATER || a != a || b != b)
EITHER(pvt_maximum_c128, double, GREATER || a != a || b != b)
EITHER(pvt_minimum_c64, float, LESS || a != a || b != b)
EITHER(pvt_minimum_c128, double, LESS || a != a || b != b)
EITHER(pvt_fmax_c64, float, GREATER || c != c || d != d)
EITHER(pvt_fmax_c128, double, GREATER || c != c || d != d)
EITHER(pvt_fmin_c64, float, LESS || c != c || d != d)
EITHER(pvt_fmin_c128, double, LESS || c != c || d != d)

/* Of float32 parts in double, where squares can neither overflow nor vanish. */
void PVT_KERNEL(pvt_absolute_c64)(PVT_ARGS) {
  (void)arg;
  if (strides[0] == 2 * PVT_SIZE(float) && strides[1] == PVT_SIZE(float)) {
    const float *x = (const float *)data[0];
    float *o = (float *)data[1];
    PVT_IVDEP for (int64_t i = 0; i < n; i++) {
      float a = __builtin_fabsf(x[2 * i]), b = __builtin_fabsf(x[2 * i + 1]);
      float size = (float)__builtin_sqrt((double)a * a + (double)b * b);
      o[i] = (a == INFINITY) | (b == INFINITY) ? INFINITY : size;
    }
    return;
  }
  for (int64_t i = 0; i < n; i++) {
    const float *x = (const float *)(data[0] + i * strides[0]);
    *(float *)(data[1] + i * strides[1]) = hypotf(x[0], x[1]);
  }
}

/* Through the kernel of hypot, in blocks whose parts are sorted. */
extern PVT_ROW(hypot);
void PVT_KERNEL(pvt_absolute_c128)(PVT_ARGS) {
  double parts[2][128];
  char *part[3] = {(char *)parts[0], (char *)parts[1], NULL};
  const int64_t steps[3] = {PVT_SIZE(double), PVT_SIZE(double), strides[1]};
  for (int64_t i = 0; i < n; i += 128) {
    int64_t count = n - i < 128 ? n - i : 128;
    for (int64_t k = 0; k < count; k++) {
      const double *x = (const double *)(data[0] + (i + k) * strides[0]);
      parts[0][k] = x[0];
      parts[1][k] = x[1];
    }
    part[2] = data[1] + i * strides[1];
    PVT_ROW_NAME(hypot)[PVT_FLOAT64](count, part, steps, arg);
  }
}

/* x / |x|; of an infinity in one part only the sign of that part. */
#define SIGN(T, hypot, copysign)                                                                   \
  static inline void sign_##T(T a, T b, T *re, T *im) {                                            \
    T size = hypot(a, b);                                                                          \
    if (isnan(size) || (isinf(a) && isinf(b))) {                                                   \
      *re = *im = (T)NAN;                                                                          \
    } else if (isinf(size)) {                                                                      \
      *re = isinf(a) ? copysign(1, a) : 0;                                                         \
      *im = isinf(a) ? 0 : copysign(1, b);                                                         \
    } else {                                                                                       \
      *re = size == 0 ? 0 : a / size;                                                              \
      *im = size == 0 ? 0 : b / size;                                                              \
    }                                                                                              \
  }
SIGN(float, hypotf, copysignf)
SIGN(double, hypot, copysign)
COMPLEX_UNARY(pvt_sign_c64, float, sign_float(a, b, &re, &im))
COMPLEX_UNARY(pvt_sign_c128, double, sign_double(a, b, &re, &im))

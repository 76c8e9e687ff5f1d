/* activations.c - see activations.h.
**
** Those with an exponential in them are, for float32, made of functions.h. Others work on blocks:
** what goes into the function is computed for the whole block, then the function by the kernel that
** arrays have for it, then the rest.
*/
#include "activations.h"

#include <math.h>

#include "elementwise.h"
#include "functions.h"

extern PVT_ROW(exp);
extern PVT_ROW(expm1);
extern PVT_ROW(log1p);
extern PVT_ROW(tanh);
extern PVT_ROW(erf);

#define BLOCK 512

/* ---- Without a function in it ------------------------------------------- */

#define PLAIN_OF(name, T, ...)                                                                     \
  static void name(PVT_ARGS) {                                                                     \
    const pvt_activation *activation = arg;                                                        \
    typedef T real;                                                                                \
    real alpha = (T)activation->alpha, beta = (T)activation->beta;                                 \
    (void)alpha, (void)beta;                                                                       \
    if (strides[0] == PVT_SIZE(T) && strides[1] == PVT_SIZE(T)) {                                  \
      const T *a = (const T *)data[0];                                                             \
      T *o = (T *)data[1];                                                                         \
      PVT_IVDEP for (int64_t i = 0; i < n; i++) {                                                  \
        T x = a[i];                                                                                \
        o[i] = (__VA_ARGS__);                                                                      \
      }                                                                                            \
      return;                                                                                      \
    }                                                                                              \
    PVT_UNARY_STRIDED(T, T, __VA_ARGS__)                                                           \
  }
#define PLAIN(op, ...)                                                                             \
  PLAIN_OF(op##_f32, float, __VA_ARGS__)                                                           \
  PLAIN_OF(op##_f64, double, __VA_ARGS__)

PLAIN(leaky_relu, x < 0 ? alpha * x : x)
PLAIN(thresholded_relu, x > alpha ? x : x != x ? x : 0)
PLAIN(hard_sigmoid, alpha *x + beta < 0 ? 0 : alpha * x + beta > 1 ? 1 : alpha * x + beta)
PLAIN(hard_swish, x *(x < -3 ? 0 : x > 3 ? 1 : x / 6 + (real)0.5))
PLAIN(softsign, x / (1 + (x < 0 ? -x : x)))
PLAIN(shrink, x<-alpha ? x + beta : x> alpha ? x - beta : x != x ? x : 0)

/* ---- Through a function ------------------------------------------------- */

/* f(x) = outer(x, e) with e = function(inner(x)). */
#define THROUGH_OF(name, T, type, inner, function, outer)                                          \
  static void name(PVT_ARGS) {                                                                     \
    const pvt_activation *activation = arg;                                                        \
    typedef T real;                                                                                \
    real alpha = (T)activation->alpha, beta = (T)activation->beta;                                 \
    (void)alpha, (void)beta;                                                                       \
    T in[BLOCK], through[BLOCK], result[BLOCK];                                                    \
    for (int64_t done = 0; done < n; done += BLOCK) {                                              \
      int64_t count = n - done < BLOCK ? n - done : BLOCK;                                         \
      const T *a = (const T *)(data[0] + done * strides[0]);                                       \
      T *o = (T *)(data[1] + done * strides[1]);                                                   \
      if (strides[0] != PVT_SIZE(T)) {                                                             \
        for (int64_t i = 0; i < count; i++)                                                        \
          in[i] = *(const T *)((const char *)a + i * strides[0]);                                  \
        a = in;                                                                                    \
      }                                                                                            \
      for (int64_t i = 0; i < count; i++) {                                                        \
        T x = a[i];                                                                                \
        through[i] = inner;                                                                        \
      }                                                                                            \
      char *const both[2] = {(char *)through, (char *)through};                                    \
      static const int64_t steps[2] = {PVT_SIZE(T), PVT_SIZE(T)};                                  \
      PVT_ROW_NAME(function)[type](count, both, steps, NULL);                                      \
      T *r = strides[1] == PVT_SIZE(T) ? o : result;                                               \
      PVT_IVDEP for (int64_t i = 0; i < count; i++) {                                              \
        T x = a[i], e = through[i];                                                                \
        (void)x;                                                                                   \
        r[i] = outer;                                                                              \
      }                                                                                            \
      if (r == result)                                                                             \
        for (int64_t i = 0; i < count; i++) *(T *)((char *)o + i * strides[1]) = result[i];        \
    }                                                                                              \
  }
#define THROUGH(op, inner, function, outer)                                                        \
  THROUGH_OF(op##_f32, float, PVT_FLOAT32, inner, function, outer)                                 \
  THROUGH_OF(op##_f64, double, PVT_FLOAT64, inner, function, outer)

THROUGH(elu, (x), expm1, (x < 0 ? alpha * e : x))
THROUGH(selu, (x), expm1, (beta * (x > 0 ? x : alpha * e)))
THROUGH(celu, (x / alpha), expm1, ((x > 0 ? x : 0) + (alpha * e < 0 ? alpha * e : x != x ? x : 0)))
/* tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2); from 20 on it is 1, and e might overflow. */
THROUGH_OF(mish_f64, double, PVT_FLOAT64, (x > 20 ? 20 : x), exp,
           (x > 20 ? x : x * (e * (e + 2) / (e * (e + 2) + 2))))
THROUGH_OF(gelu_f64, double, PVT_FLOAT64, (x * 0.70710678118654752440), erf, (0.5 * x * (1 + e)))
THROUGH_OF(gelu_tanh_f64, double, PVT_FLOAT64,
           (0.79788456080286535588 * (x + 0.044715 * x * x * x)), tanh, (0.5 * x * (1 + e)))
THROUGH_OF(swish_f64, double, PVT_FLOAT64, (-alpha * x), exp, (x / (1 + e)))
/* max(x, 0) + log(1 + e^-|x|): two functions. */
THROUGH_OF(exponential, double, PVT_FLOAT64, (x < 0 ? x : -x), exp, (e))
static void softplus_f64(PVT_ARGS) {
  double e[BLOCK];
  static const int64_t steps[2] = {8, 8};
  for (int64_t done = 0; done < n; done += BLOCK) {
    int64_t count = n - done < BLOCK ? n - done : BLOCK;
    char *const first[2] = {data[0] + done * strides[0], (char *)e};
    char *const second[2] = {(char *)e, (char *)e};
    exponential(count, first, (const int64_t[]){strides[0], 8}, arg);
    PVT_ROW_NAME(log1p)[PVT_FLOAT64](count, second, steps, NULL);
    for (int64_t i = 0; i < count; i++) {
      double x = *(const double *)(first[0] + i * strides[0]);
      *(double *)(data[1] + (done + i) * strides[1]) = (x > 0 ? x : 0) + e[i];
    }
  }
}

/* ---- By vectors --------------------------------------------------------- */

#define VECTOR(name, ...)                                                                          \
  static void name(PVT_ARGS) {                                                                     \
    const pvt_activation *activation = arg;                                                        \
    v_f32 alpha = splat_f32(activation != NULL ? (float)activation->alpha : 0);                    \
    float in[BLOCK], result[BLOCK];                                                                \
    (void)alpha;                                                                                   \
    for (int64_t done = 0; done < n; done += BLOCK) {                                              \
      int64_t count = n - done < BLOCK ? n - done : BLOCK;                                         \
      const float *a = (const float *)(data[0] + done * strides[0]);                               \
      float *o = (float *)(data[1] + done * strides[1]);                                           \
      if (strides[0] != 4) {                                                                       \
        for (int64_t i = 0; i < count; i++)                                                        \
          in[i] = *(const float *)((const char *)a + i * strides[0]);                              \
        a = in;                                                                                    \
      }                                                                                            \
      float *r = strides[1] == 4 ? o : result;                                                     \
      int64_t i = 0;                                                                               \
      for (; i + LANES_f32 <= count; i += LANES_f32) {                                             \
        v_f32 x = LOAD_f32(a + i);                                                                 \
        STORE_f32(r + i, (__VA_ARGS__));                                                           \
      }                                                                                            \
      if (i < count) {                                                                             \
        v_f32 x = LOAD_SOME_f32(a + i, count - i);                                                 \
        x = (__VA_ARGS__);                                                                         \
        STORE_SOME_f32(r + i, x, count - i);                                                       \
      }                                                                                            \
      if (r == result)                                                                             \
        for (i = 0; i < count; i++) *(float *)((char *)o + i * strides[1]) = result[i];            \
    }                                                                                              \
  }

/* As exp_f32, but of all results, down to the smallest and up to infinity: the power of two is
** multiplied in two steps. */
static inline v_f32 whole_exp(v_f32 x) {
  x = max_f32(splat_f32(-104.0f), min_f32(splat_f32(89.0f), x));
  v_f32 n = FMA_f32(x, splat_f32(1.44269504f), splat_f32(12582912.0f));
  v_i32 power = ((v_i32)n << 10) >> 10; /* the integer is in the low bits */
  n = n - 12582912.0f;
  v_f32 r = FMA_f32(n, splat_f32(-0.693359375f), x);
  r = FMA_f32(n, splat_f32(2.12194440e-4f), r);
  v_f32 p = splat_f32(1.9875691500e-4f);
  p = FMA_f32(p, r, splat_f32(1.3981999507e-3f));
  p = FMA_f32(p, r, splat_f32(8.3334519073e-3f));
  p = FMA_f32(p, r, splat_f32(4.1665795894e-2f));
  p = FMA_f32(p, r, splat_f32(1.6666665459e-1f));
  p = FMA_f32(p, r, splat_f32(5.0000001201e-1f));
  p = FMA_f32(p, r * r, r + 1.0f);
  v_i32 half = power >> 1;
  return p * (v_f32)((half + 127) << 23) * (v_f32)((power - half + 127) << 23);
}

/* max(x, 0) + log(1 + e) with e = exp(-|x|): log(1 + e) is twice the inverse hyperbolic tangent of
** e / (2 + e), of which these are the first terms: what is left out is 1.4e-8 of it. */
static inline v_f32 softplus(v_f32 x) {
  v_f32 e = exp_f32((v_f32)((v_i32)x | (int32_t)0x80000000)), s = e / (e + 2.0f), z = s * s;
  v_f32 p = splat_f32(1.0f / 13);
  p = FMA_f32(p, z, splat_f32(1.0f / 11));
  p = FMA_f32(p, z, splat_f32(1.0f / 9));
  p = FMA_f32(p, z, splat_f32(1.0f / 7));
  p = FMA_f32(p, z, splat_f32(1.0f / 5));
  p = FMA_f32(p, z, splat_f32(1.0f / 3));
  p = FMA_f32(p, z, splat_f32(1.0f));
  return max_f32((v_f32){0}, x) + 2.0f * s * p;
}

static inline v_f32 mish(v_f32 x) {
  v_f32 e = exp_f32(min_f32(splat_f32(20.0f), x));
  v_f32 product = e * (e + 2.0f);
  return choose_f32(x > 20.0f, x, x * (product / (product + 2.0f)));
}

VECTOR(fast_exp, whole_exp(x))
VECTOR(fast_sigmoid, sigmoid_f32(x))
VECTOR(fast_tanh, tanh_f32(x))
VECTOR(fast_erf, erf_f32(x))
VECTOR(softplus_f32, softplus(x))
VECTOR(mish_f32, mish(x))
VECTOR(gelu_all, gelu_f32(x))
VECTOR(gelu_tanh_all, gelu_tanh_f32(x))
VECTOR(swish_f32, x *sigmoid_f32(alpha *x))

#define ROW(op, name) [PVT_##op] = {PVT_FLOATS(name)}
pvt_activation_rows PVT_KERNEL(pvt_activations) = {
    ROW(LEAKY_RELU, leaky_relu),
    ROW(THRESHOLDED_RELU, thresholded_relu),
    ROW(ELU, elu),
    ROW(SELU, selu),
    ROW(CELU, celu),
    ROW(HARD_SIGMOID, hard_sigmoid),
    ROW(HARD_SWISH, hard_swish),
    ROW(SOFTPLUS, softplus),
    ROW(SOFTSIGN, softsign),
    [PVT_FAST_EXP] = {[PVT_FLOAT32] = fast_exp},
    [PVT_FAST_SIGMOID] = {[PVT_FLOAT32] = fast_sigmoid},
    [PVT_FAST_TANH] = {[PVT_FLOAT32] = fast_tanh},
    [PVT_FAST_ERF] = {[PVT_FLOAT32] = fast_erf},
    ROW(MISH, mish),
    [PVT_GELU] = {[PVT_FLOAT32] = gelu_all, [PVT_FLOAT64] = gelu_f64},
    [PVT_GELU_TANH] = {[PVT_FLOAT32] = gelu_tanh_all, [PVT_FLOAT64] = gelu_tanh_f64},
    ROW(SWISH, swish),
    ROW(SHRINK, shrink),
};

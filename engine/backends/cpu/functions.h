/* functions.h - exponentials and what activations are made of, a vector of float at a time.
**
** Polynomials fitted for the least largest error. exp_f32 errs by up to 2 units in the last place, is 0
** below -87.3 and goes no further than exp(88.3); tanh_f32 and erf_f32 by up to 3e-7 relative to
** their result. NaNs come through.
*/
#ifndef PVT_FUNCTIONS_H
#define PVT_FUNCTIONS_H

#include "backend.h"
#include "vectors.h"

typedef int32_t v_i32 __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t v_u32 __attribute__((vector_size(VECTOR_BYTES)));
#define LANES_f32 ((int64_t)(VECTOR_BYTES / 4))
#define LOAD_f32(p) ((v_f32)(*(const u_f32 *)(p)))
#define STORE_f32(p, v) (*(u_f32 *)(p) = (u_f32)(v))

static inline v_f32 splat_f32(float x) {
  return x - (v_f32){0};
}

/* b where one of both is NaN. */
static inline v_f32 max_f32(v_f32 a, v_f32 b) {
#if defined(__AVX512F__)
  return _mm512_max_ps(a, b);
#elif defined(__AVX2__)
  return _mm256_max_ps(a, b);
#else
  v_i32 more = a > b;
  return (v_f32)((more & (v_i32)a) | (~more & (v_i32)b));
#endif
}

static inline v_f32 min_f32(v_f32 a, v_f32 b) {
#if defined(__AVX512F__)
  return _mm512_min_ps(a, b);
#elif defined(__AVX2__)
  return _mm256_min_ps(a, b);
#else
  v_i32 less = a < b;
  return (v_f32)((less & (v_i32)a) | (~less & (v_i32)b));
#endif
}

static inline v_f32 choose_f32(v_i32 mask, v_f32 a, v_f32 b) {
  return (v_f32)((mask & (v_i32)a) | (~mask & (v_i32)b));
}

static inline v_f32 abs_f32(v_f32 x) {
  return (v_f32)((v_i32)x & 0x7fffffff);
}

/* x's sign for y, which is not negative. */
static inline v_f32 sign_f32(v_f32 x, v_f32 y) {
  return (v_f32)(((v_i32)x & (int32_t)0x80000000) | (v_i32)y);
}

static inline v_f32 exp_f32(v_f32 x) {
  v_i32 tiny = x < -87.33654f;
  x = min_f32(splat_f32(88.3f), x);
  x = max_f32(splat_f32(-87.4f), x);
  v_f32 n = FMA_f32(x, splat_f32(1.44269504f), splat_f32(12582912.0f));
  v_u32 power = (v_u32)n; /* the integer is in the low bits */
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
  v_f32 scale = (v_f32)((power + 127) << 23); /* wraps for NaN, whose bits these are then */
  return (v_f32)(~tiny & (v_i32)(p * scale));
}

static inline v_f32 sigmoid_f32(v_f32 x) {
  return 1.0f / (1.0f + exp_f32(-x));
}

static inline v_f32 tanh_f32(v_f32 x) {
  v_f32 a = abs_f32(x), z = x * x;
  v_f32 p = splat_f32(-0.00552858f);
  p = FMA_f32(p, z, splat_f32(0.02048326f));
  p = FMA_f32(p, z, splat_f32(-0.05369295f));
  p = FMA_f32(p, z, splat_f32(0.13330899f));
  p = FMA_f32(p, z, splat_f32(-0.33333263f));
  v_f32 small = FMA_f32(p, z * x, x);
  v_f32 large = 1.0f - 2.0f / (exp_f32(a + a) + 1.0f);
  return choose_f32(a < 0.65f, small, sign_f32(x, large));
}

static inline v_f32 erf_f32(v_f32 x) {
  v_f32 a = abs_f32(x), z = x * x;
  v_f32 p = splat_f32(7.889104017522186e-05f);
  p = FMA_f32(p, z, splat_f32(-0.0008020836394280195f));
  p = FMA_f32(p, z, splat_f32(0.005189534742385149f));
  p = FMA_f32(p, z, splat_f32(-0.026854444295167923f));
  p = FMA_f32(p, z, splat_f32(0.11283600330352783f));
  p = FMA_f32(p, z, splat_f32(-0.3761262595653534f));
  p = FMA_f32(p, z, splat_f32(1.1283791065216064f));
  v_f32 small = p * x;
  a = min_f32(splat_f32(4.0f), a);
  v_f32 q = splat_f32(-2.1496418412425555e-05f); /* log(1 - erf) */
  q = FMA_f32(q, a, splat_f32(0.0004391097463667393f));
  q = FMA_f32(q, a, splat_f32(-0.004193626809865236f));
  q = FMA_f32(q, a, splat_f32(0.025179008021950722f));
  q = FMA_f32(q, a, splat_f32(-0.10837253928184509f));
  q = FMA_f32(q, a, splat_f32(-0.633262574672699f));
  q = FMA_f32(q, a, splat_f32(-1.1295568943023682f));
  q = FMA_f32(q, a, splat_f32(0.00018344908312428743f));
  v_f32 large = 1.0f - exp_f32(q);
  return choose_f32(a < 1.0f, small, sign_f32(x, large));
}

static inline v_f32 gelu_f32(v_f32 x) {
  v_f32 half = 0.5f * x;
  return FMA_f32(half, erf_f32(x * 0.70710678f), half);
}

static inline v_f32 gelu_tanh_f32(v_f32 x) {
  v_f32 inner = 0.79788456f * x * FMA_f32(splat_f32(0.044715f), x * x, splat_f32(1.0f));
  /* (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u)) */
  return x * sigmoid_f32(inner + inner);
}

/* One activation; `kind` is best a constant. */
static inline v_f32 activated_f32(pvb_activation kind, v_f32 x, v_f32 alpha, v_f32 beta) {
  switch (kind) {
  case PVB_RELU: return max_f32((v_f32){0}, x);
  case PVB_CLIP: return min_f32(beta, max_f32(alpha, x));
  case PVB_LEAKY_RELU: return choose_f32(x < 0.0f, x * alpha, x);
  case PVB_SIGMOID: return sigmoid_f32(x);
  case PVB_TANH: return tanh_f32(x);
  case PVB_GELU: return gelu_f32(x);
  case PVB_GELU_TANH: return gelu_tanh_f32(x);
  case PVB_SILU: return x * sigmoid_f32(x);
  case PVB_HARD_SIGMOID:
    return max_f32((v_f32){0}, min_f32(splat_f32(1.0f), FMA_f32(x, alpha, beta)));
  case PVB_HARD_SWISH:
    return x * max_f32((v_f32){0},
                       min_f32(splat_f32(1.0f), FMA_f32(x, splat_f32(1.0f / 6), splat_f32(0.5f))));
  default: return x;
  }
}

#endif

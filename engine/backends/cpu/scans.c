/* scans.c - running totals.
**
** Sums of floats go eight (float64: four) at a time: within them by shifted additions, the same on
** every instruction set, so that only one addition a group waits for the one before. Where that
** overflows, the stretch is done again one by one: it may have added what belongs apart.
*/
#include <math.h>
#include <string.h>

#include "elements.h"
#include "kernels.h"

#define SCAN(name, TYPE, TOTAL, EXPR)                                                              \
  static void name(int64_t n, const char *x, char *out, char *carry, bool first) {                 \
    const TYPE *restrict a = (const TYPE *)x;                                                      \
    TYPE *restrict b = (TYPE *)out;                                                                \
    int64_t i = 0;                                                                                 \
    TOTAL total;                                                                                   \
    if (first) b[i++] = total = a[0];                                                              \
    else total = *(TYPE *)carry;                                                                   \
    for (; i < n; i++) {                                                                           \
      TOTAL v = a[i];                                                                              \
      b[i] = total = EXPR;                                                                         \
    }                                                                                              \
    *(TYPE *)carry = total;                                                                        \
  }

#define INTEGERS(X) X(i8) X(i16) X(i32) X(i64) X(u8) X(u16) X(u32) X(u64)
#define EXTREMES(S)                                                                                \
  SCAN(max_##S, e_##S, e_##S, v > total ? v : total)                                               \
  SCAN(min_##S, e_##S, e_##S, v < total ? v : total)
INTEGERS(EXTREMES)
#define FLOAT_EXTREMES(S, T)                                                                       \
  SCAN(max_##S, e_##S, T, (total >= v) | (total != total) ? total : v)                             \
  SCAN(min_##S, e_##S, T, (total <= v) | (total != total) ? total : v)
FLOAT_EXTREMES(f32, float)
FLOAT_EXTREMES(f64, double)

SCAN(sum_i64, e_u64, uint64_t, total + v)
SCAN(product_i64, e_u64, uint64_t, total *v)
SCAN(slow_sum_f32, e_f32, float, total + v)
SCAN(slow_sum_f64, e_f64, double, total + v)
SCAN(product_f32, e_f32, float, total *v)
SCAN(product_f64, e_f64, double, total *v)

#define COMPLEX(S)                                                                                 \
  static inline int is_nan_##S(e_##S a) {                                                          \
    return a.re != a.re || a.im != a.im;                                                           \
  }                                                                                                \
  static inline e_##S max2_##S(e_##S a, e_##S b) {                                                 \
    return is_nan_##S(a) || (!is_nan_##S(b) && (a.re > b.re || (a.re == b.re && a.im >= b.im)))    \
               ? a                                                                                 \
               : b;                                                                                \
  }                                                                                                \
  static inline e_##S min2_##S(e_##S a, e_##S b) {                                                 \
    return is_nan_##S(a) || (!is_nan_##S(b) && (a.re < b.re || (a.re == b.re && a.im <= b.im)))    \
               ? a                                                                                 \
               : b;                                                                                \
  }                                                                                                \
  SCAN(sum_##S, e_##S, e_##S, ((e_##S){total.re + v.re, total.im + v.im}))                         \
  SCAN(product_##S, e_##S, e_##S,                                                                  \
       ((e_##S){total.re * v.re - total.im * v.im, total.re * v.im + total.im * v.re}))            \
  SCAN(max_##S, e_##S, e_##S, max2_##S(total, v))                                                  \
  SCAN(min_##S, e_##S, e_##S, min2_##S(total, v))
COMPLEX(c64)
COMPLEX(c128)

/* ---- Sums of floats ----------------------------------------------------- */

typedef float f32x4 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef double f64x2 __attribute__((vector_size(16)));
typedef int64_t i64x2 __attribute__((vector_size(16)));

#define STRETCH 256 /* elements that are done again together */

static inline f32x4 within_f32(f32x4 v) {
  const f32x4 none = {-0.0f, -0.0f, -0.0f, -0.0f}; /* adding it changes nothing, not even -0 */
  v = v + __builtin_shuffle(none, v, (i32x4){0, 4, 5, 6});
  return v + __builtin_shuffle(none, v, (i32x4){0, 1, 4, 5});
}

static void sum_f32(int64_t n, const char *x, char *out, char *carry, bool first) {
  float before = first ? -0.0f : *(e_f32 *)carry;
  for (; n > 0; n -= STRETCH, x += STRETCH * 4, out += STRETCH * 4) {
    int64_t count = n < STRETCH ? n : STRETCH, i = 0;
    f32x4 total = {before, before, before, before};
    i32x4 odd = {0};
    for (; i + 8 <= count; i += 8) {
      f32x4 low, high;
      memcpy(&low, x + i * 4, 16);
      memcpy(&high, x + i * 4 + 16, 16);
      low = within_f32(low);
      high = within_f32(high) + __builtin_shuffle(low, (i32x4){3, 3, 3, 3});
      f32x4 next = total + __builtin_shuffle(high, (i32x4){3, 3, 3, 3});
      low = total + low;
      high = total + high;
      total = next;
      odd |= (low - low != 0) | (high - high != 0);
      memcpy(out + i * 4, &low, 16);
      memcpy(out + i * 4 + 16, &high, 16);
    }
    float rest = total[0];
    for (; i < count; i++) ((e_f32 *)out)[i] = rest = rest + ((const e_f32 *)x)[i];
    if (odd[0] | odd[1] | odd[2] | odd[3]) {
      rest = before;
      slow_sum_f32(count, x, out, (char *)&rest, false);
    }
    before = rest;
  }
  *(e_f32 *)carry = before;
}

static void sum_f64(int64_t n, const char *x, char *out, char *carry, bool first) {
  const f64x2 none = {-0.0, -0.0};
  double before = first ? -0.0 : *(e_f64 *)carry;
  for (; n > 0; n -= STRETCH, x += STRETCH * 8, out += STRETCH * 8) {
    int64_t count = n < STRETCH ? n : STRETCH, i = 0;
    f64x2 total = {before, before};
    i64x2 odd = {0};
    for (; i + 4 <= count; i += 4) {
      f64x2 low, high;
      memcpy(&low, x + i * 8, 16);
      memcpy(&high, x + i * 8 + 16, 16);
      low = low + __builtin_shuffle(none, low, (i64x2){0, 2});
      high = high + __builtin_shuffle(none, high, (i64x2){0, 2});
      high = high + __builtin_shuffle(low, (i64x2){1, 1});
      f64x2 next = total + __builtin_shuffle(high, (i64x2){1, 1});
      low = total + low;
      high = total + high;
      total = next;
      odd |= (low - low != 0) | (high - high != 0);
      memcpy(out + i * 8, &low, 16);
      memcpy(out + i * 8 + 16, &high, 16);
    }
    double rest = total[0];
    for (; i < count; i++) ((e_f64 *)out)[i] = rest = rest + ((const e_f64 *)x)[i];
    if (odd[0] | odd[1]) {
      rest = before;
      slow_sum_f64(count, x, out, (char *)&rest, false);
    }
    before = rest;
  }
  *(e_f64 *)carry = before;
}

/* ---- The table ---------------------------------------------------------- */

#define FLOATS(name)                                                                               \
  [PVT_FLOAT32] = name##f32, [PVT_FLOAT64] = name##f64, [PVT_COMPLEX64] = name##c64,               \
  [PVT_COMPLEX128] = name##c128
#define LONG_INTEGERS(name) [PVT_INT64] = name##i64, [PVT_UINT64] = name##i64
#define ALL_INTEGERS(name)                                                                         \
  [PVT_BOOL] = name##u8, [PVT_INT8] = name##i8, [PVT_INT16] = name##i16, [PVT_INT32] = name##i32,  \
  [PVT_INT64] = name##i64, [PVT_UINT8] = name##u8, [PVT_UINT16] = name##u16,                       \
  [PVT_UINT32] = name##u32, [PVT_UINT64] = name##u64

const pvt_scans PVT_KERNEL(pvt_scans) = {{
    [PVT_CUMSUM] = {LONG_INTEGERS(sum_), FLOATS(sum_)},
    [PVT_CUMPROD] = {LONG_INTEGERS(product_), FLOATS(product_)},
    [PVT_CUMMAX] = {ALL_INTEGERS(max_), FLOATS(max_)},
    [PVT_CUMMIN] = {ALL_INTEGERS(min_), FLOATS(min_)},
}};

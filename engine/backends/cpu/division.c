/* division.c - quotients rounded down, remainders, integer powers and common divisors.
**
** Division of integers by 0 gives 0; the smallest integer divided by -1 is itself.
*/
#include <math.h>
#include <string.h>

#include "elementwise.h"

/* ---- Integers ----------------------------------------------------------- */

/* Small integers are divided as floats F that hold every quotient exactly enough: a quotient that
** is not whole is further from the next whole one than F rounds. */
#define SMALL_SIGNED(suffix, T, F)                                                                 \
  static inline __attribute__((always_inline)) T floor_##suffix(T x, T y) {                        \
    T by = (y == 0) | (y == -1) ? 1 : y;                                                           \
    T q = (T)((F)x / (F)by);                                                                       \
    T r = (T)(x - q * by);                                                                         \
    q = (T)(q - ((r != 0) & ((r < 0) != (by < 0))));                                               \
    return y == 0 ? 0 : y == -1 ? (T)(0u - (unsigned)x) : q;                                       \
  }                                                                                                \
  static inline __attribute__((always_inline)) T fmod_##suffix(T x, T y) {                         \
    T by = (y == 0) | (y == -1) ? 1 : y;                                                           \
    T q = (T)((F)x / (F)by);                                                                       \
    return (T)(x - q * by);                                                                        \
  }
#define LARGE_SIGNED(suffix, T)                                                                    \
  static inline T floor_##suffix(T x, T y) {                                                       \
    if (y == 0) return 0;                                                                          \
    if (y == -1) return (T)(0ull - (uint64_t)x);                                                   \
    T q = x / y;                                                                                   \
    return q - ((x % y != 0) & ((x < 0) != (y < 0)));                                              \
  }                                                                                                \
  static inline T fmod_##suffix(T x, T y) {                                                        \
    T by = (y == 0) | (y == -1) ? 1 : y;                                                           \
    return x % by;                                                                                 \
  }
#define SMALL_UNSIGNED(suffix, T, F)                                                               \
  static inline __attribute__((always_inline)) T floor_##suffix(T x, T y) {                        \
    T q = (T)((F)x / (F)(y == 0 ? 1 : y));                                                         \
    return y == 0 ? 0 : q;                                                                         \
  }                                                                                                \
  static inline __attribute__((always_inline)) T fmod_##suffix(T x, T y) {                         \
    T by = y == 0 ? 1 : y;                                                                         \
    return (T)(x - (T)((F)x / (F)by) * by);                                                        \
  }
SMALL_SIGNED(i8, int8_t, float)
SMALL_SIGNED(i16, int16_t, float)
SMALL_SIGNED(i32, int32_t, double)
LARGE_SIGNED(i64, int64_t)
SMALL_UNSIGNED(u8, uint8_t, float)
SMALL_UNSIGNED(u16, uint16_t, float)
SMALL_UNSIGNED(u32, uint32_t, double)
static inline uint64_t floor_u64(uint64_t x, uint64_t y) {
  return y == 0 ? 0 : x / y;
}
static inline uint64_t fmod_u64(uint64_t x, uint64_t y) {
  return y == 0 ? 0 : x % y;
}

/* Has the divisor's sign. */
#define SIGNED_REMAINDER(suffix, T)                                                                \
  static inline __attribute__((always_inline)) T rest_##suffix(T x, T y) {                         \
    T r = fmod_##suffix(x, y);                                                                     \
    return (T)(r + ((r != 0) & ((r < 0) != (y < 0)) ? y : 0));                                     \
  }
SIGNED_REMAINDER(i8, int8_t)
SIGNED_REMAINDER(i16, int16_t)
SIGNED_REMAINDER(i32, int32_t)
SIGNED_REMAINDER(i64, int64_t)

#define DIVISIONS(M, suffix, T, rest)                                                              \
  M(floor_divide_##suffix, T, T, floor_##suffix(x, y))                                             \
  M(remainder_##suffix, T, T, rest##_##suffix(x, y))                                               \
  M(fmods_##suffix, T, T, fmod_##suffix(x, y))
DIVISIONS(PVT_BINARY, i8, int8_t, rest)
DIVISIONS(PVT_BINARY, i16, int16_t, rest)
DIVISIONS(PVT_BINARY, i32, int32_t, rest)
DIVISIONS(PVT_BINARY_PLAIN, i64, int64_t, rest)
DIVISIONS(PVT_BINARY, u8, uint8_t, fmod)
DIVISIONS(PVT_BINARY, u16, uint16_t, fmod)
DIVISIONS(PVT_BINARY, u32, uint32_t, fmod)
DIVISIONS(PVT_BINARY_PLAIN, u64, uint64_t, fmod)

/* ---- Floats ------------------------------------------------------------- */

/* What C's fmod gives, for blocks. With fused arithmetic x - trunc(x / y) y is exact where the
** quotient is whole in its type; it may be one too large, then y is added back. Blocks with a
** number for which this does not hold go to the C library. */
#define BLOCK 64
#if defined(__FMA__)
#define FMOD_BLOCK(T, fabs, trunc, fma, copysign, fmod, LIMIT)                                     \
  static void fmod_block_##T(int64_t n, const T *x, const T *y, T *m) {                            \
    int rare = 0;                                                                                  \
    for (int64_t i = 0; i < n; i++) {                                                              \
      T a = fabs(x[i]), b = fabs(y[i]), q = trunc(a / b), r = fma(-q, b, a);                       \
      r = r < 0 ? r + b : r;                                                                       \
      m[i] = copysign(r, x[i]);                                                                    \
      rare |= !((b > 0) & (b < (T)INFINITY) & (q < (T)LIMIT));                                     \
    }                                                                                              \
    if (rare)                                                                                      \
      for (int64_t i = 0; i < n; i++) m[i] = fmod(x[i], y[i]);                                     \
  }
#else
#define FMOD_BLOCK(T, fabs, trunc, fma, copysign, fmod, LIMIT)                                     \
  static void fmod_block_##T(int64_t n, const T *x, const T *y, T *m) {                            \
    for (int64_t i = 0; i < n; i++) m[i] = fmod(x[i], y[i]);                                       \
  }
#endif
FMOD_BLOCK(float, fabsf, truncf, __builtin_fmaf, copysignf, fmodf, 0x1p22)
FMOD_BLOCK(double, fabs, trunc, __builtin_fma, copysign, fmod, 0x1p51)

#define GATHER(T, from, stride, to)                                                                \
  if ((stride) == PVT_SIZE(T)) {                                                                   \
    memcpy(to, from, sizeof(T) * (size_t)count);                                                   \
  } else {                                                                                         \
    for (int64_t k = 0; k < count; k++) (to)[k] = *(const T *)((from) + k * (stride));             \
  }

/* FINISH sets r from x, y and m = fmod(x, y). */
#define FLOAT_DIVISION(name, T, FINISH)                                                            \
  static void name(PVT_ARGS) {                                                                     \
    (void)arg;                                                                                     \
    _Alignas(64) T xs[BLOCK], ys[BLOCK], ms[BLOCK];                                                \
    for (int64_t i = 0; i < n; i += BLOCK) {                                                       \
      int64_t count = n - i < BLOCK ? n - i : BLOCK;                                               \
      GATHER(T, data[0] + i * strides[0], strides[0], xs)                                          \
      GATHER(T, data[1] + i * strides[1], strides[1], ys)                                          \
      fmod_block_##T(count, xs, ys, ms);                                                           \
      for (int64_t k = 0; k < count; k++) {                                                        \
        T x = xs[k], y = ys[k], m = ms[k], r;                                                      \
        (void)x;                                                                                   \
        (void)y;                                                                                   \
        FINISH;                                                                                    \
        ms[k] = r;                                                                                 \
      }                                                                                            \
      char *to = data[2] + i * strides[2];                                                         \
      if (strides[2] == PVT_SIZE(T)) {                                                             \
        memcpy(to, ms, sizeof(T) * (size_t)count);                                                 \
      } else {                                                                                     \
        for (int64_t k = 0; k < count; k++) *(T *)(to + k * strides[2]) = ms[k];                   \
      }                                                                                            \
    }                                                                                              \
  }
#define REST(T, copysign)                                                                          \
  T zero = copysign(0, y), turned = m + y;                                                         \
  r = m == 0 ? zero : (y < 0) != (m < 0) ? turned : m
/* The quotient is found from what is left over, and rounded to the whole number that it is next
** to; where it is 0 its sign is the division's. With an infinity it is the division's own, as the
** Array API standard says; NumPy has NaN and -1 for some of these. */
#define FLOOR(T, copysign, floor)                                                                  \
  T ratio = x / y, q = (x - m) / y;                                                                \
  q -= (m != 0) & ((y < 0) != (m < 0)) ? 1 : 0;                                                    \
  T whole = floor(q);                                                                              \
  whole += q - whole > (T)0.5 ? 1 : 0;                                                             \
  whole = q != 0 ? whole : copysign(0, ratio);                                                     \
  r = (y == 0) | (x - x != 0) | (y - y != 0) ? ratio : whole
FLOAT_DIVISION(fmods_f32, float, r = m)
FLOAT_DIVISION(fmods_f64, double, r = m)
FLOAT_DIVISION(remainder_f32, float, REST(float, copysignf))
FLOAT_DIVISION(remainder_f64, double, REST(double, copysign))
FLOAT_DIVISION(floor_divide_f32, float, FLOOR(float, copysignf, floorf))
FLOAT_DIVISION(floor_divide_f64, double, FLOOR(double, copysign, floor))

PVT_ROW(floor_divide) = {PVT_INTS(floor_divide), PVT_FLOATS(floor_divide)};
PVT_ROW(remainder) = {PVT_INTS(remainder), PVT_FLOATS(remainder)};
PVT_ROW(fmod) = {PVT_INTS(fmods), PVT_FLOATS(fmods)};

/* ---- Powers of integers ------------------------------------------------- */

/* Modulo 2 to the bits. The context is a bool that a negative exponent sets. */
#define POWER(suffix, T, U)                                                                        \
  static inline T power_of_##suffix(T base, T exponent, bool *bad) {                               \
    if (!(exponent > 0 || exponent == 0)) {                                                        \
      *bad = true;                                                                                 \
      return 0;                                                                                    \
    }                                                                                              \
    U x = (U)base, result = 1;                                                                     \
    for (U e = (U)exponent; e != 0; e >>= 1) {                                                     \
      if (e & 1) result = (U)(1u * result * x);                                                    \
      x = (U)(1u * x * x);                                                                         \
    }                                                                                              \
    return (T)result;                                                                              \
  }                                                                                                \
  PVT_UNARY(square_of_##suffix, U, U, 1u * x * x)                                                  \
  static void power_##suffix(PVT_ARGS) {                                                           \
    if (strides[1] == 0 && *(const T *)data[1] == 2) {                                             \
      char *const base[2] = {data[0], data[2]};                                                    \
      const int64_t steps[2] = {strides[0], strides[2]};                                           \
      square_of_##suffix(n, base, steps, NULL);                                                    \
      return;                                                                                      \
    }                                                                                              \
    PVT_BINARY_STRIDED(T, T, power_of_##suffix(x, y, arg))                                         \
  }
POWER(i8, int8_t, uint8_t)
POWER(i16, int16_t, uint16_t)
POWER(i32, int32_t, uint32_t)
POWER(i64, int64_t, uint64_t)
POWER(u8, uint8_t, uint8_t)
POWER(u16, uint16_t, uint16_t)
POWER(u32, uint32_t, uint32_t)
POWER(u64, uint64_t, uint64_t)
extern pvt_kernel PVT_KERNEL(pvt_power_f32), PVT_KERNEL(pvt_power_f64);
extern pvt_kernel PVT_KERNEL(pvt_power_c64), PVT_KERNEL(pvt_power_c128);
PVT_ROW(power) = {PVT_INTS(power), [PVT_FLOAT32] = PVT_KERNEL(pvt_power_f32),
                  [PVT_FLOAT64] = PVT_KERNEL(pvt_power_f64),
                  [PVT_COMPLEX64] = PVT_KERNEL(pvt_power_c64),
                  [PVT_COMPLEX128] = PVT_KERNEL(pvt_power_c128)};

/* ---- Common divisors and multiples -------------------------------------- */

/* Euclid's: machines divide small numbers fast, and most are. */
static inline uint64_t divisor(uint64_t a, uint64_t b) {
  while (a >> 32 != 0 || b >> 32 != 0) {
    if (b == 0) return a;
    uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  uint32_t x = (uint32_t)a, y = (uint32_t)b;
  while (y != 0) {
    uint32_t rest = x % y;
    x = y;
    y = rest;
  }
  return x;
}
static inline uint64_t multiple(uint64_t a, uint64_t b) {
  uint64_t d = divisor(a, b);
  return d == 0 ? 0 : a / d * b;
}
#define SIZE_OF(x) ((x) < 0 ? 0 - (uint64_t)(x) : (uint64_t)(x))
PVT_EACH_SIGNED(PVT_BINARY_PLAIN, gcd, divisor(SIZE_OF(x), SIZE_OF(y)))
PVT_EACH_UNSIGNED(PVT_BINARY_PLAIN, gcd, divisor(x, y))
PVT_EACH_SIGNED(PVT_BINARY_PLAIN, lcm, multiple(SIZE_OF(x), SIZE_OF(y)))
PVT_EACH_UNSIGNED(PVT_BINARY_PLAIN, lcm, multiple(x, y))
PVT_ROW(gcd) = {PVT_INTS(gcd)};
PVT_ROW(lcm) = {PVT_INTS(lcm)};

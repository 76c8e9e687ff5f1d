/* rounding.c - whole numbers, signs, neighbours, and angles' units. */
#include <math.h>

#include "elementwise.h"

/* Integers are whole: their kernels are those of real parts, which are copies. */
#define WHOLE(op)                                                                                  \
  PVT_UNARY(op##_f32, float, float, __builtin_##op##f(x))                                          \
  PVT_UNARY(op##_f64, double, double, __builtin_##op(x))
WHOLE(floor)
WHOLE(ceil)
WHOLE(trunc)
WHOLE(rint)
PVT_ROW(floor) = {PVT_FLOATS(floor)};
PVT_ROW(ceil) = {PVT_FLOATS(ceil)};
PVT_ROW(trunc) = {PVT_FLOATS(trunc)};
static void rint_c64(PVT_ARGS) {
  char *imaginary[2] = {data[0] + sizeof(float), data[1] + sizeof(float)};
  rint_f32(n, data, strides, arg);
  rint_f32(n, imaginary, strides, arg);
}
static void rint_c128(PVT_ARGS) {
  char *imaginary[2] = {data[0] + sizeof(double), data[1] + sizeof(double)};
  rint_f64(n, data, strides, arg);
  rint_f64(n, imaginary, strides, arg);
}
PVT_ROW(rint) = {PVT_FLOATS(rint), PVT_COMPLEXES(rint)};

/* On bits. */
PVT_BINARY(copysign_half, uint16_t, uint16_t, (x & 0x7fff) | (y & 0x8000))
PVT_BINARY(copysign_f32, uint32_t, uint32_t, (x & 0x7fffffff) | (y & 0x80000000))
PVT_BINARY(copysign_f64, uint64_t, uint64_t, (x & INT64_MAX) | (y & (uint64_t)INT64_MIN))
PVT_ROW(copysign) = {
    [PVT_FLOAT16] = copysign_half, [PVT_BFLOAT16] = copysign_half, PVT_FLOATS(copysign)};

/* Bits of finite numbers of one sign are ordered as the numbers are. */
static inline uint16_t next_half(uint16_t x, uint16_t y, uint16_t infinity) {
  uint16_t a = x & 0x7fff, b = y & 0x7fff;
  if (a > infinity) return x;
  if (b > infinity) return y;
  if (x == y || (a | b) == 0) return x;
  if (a == 0) return (y & 0x8000) | 1;
  bool away = ((x ^ y) & 0x8000) == 0 && b > a;
  return away ? x + 1 : x - 1;
}
PVT_BINARY_PLAIN(nextafter_f16, uint16_t, uint16_t, next_half(x, y, 0x7c00))
PVT_BINARY_PLAIN(nextafter_bf16, uint16_t, uint16_t, next_half(x, y, 0x7f80))
PVT_BINARY_PLAIN(nextafter_f32, float, float, nextafterf(x, y))
PVT_BINARY_PLAIN(nextafter_f64, double, double, nextafter(x, y))
PVT_ROW(nextafter) = {
    [PVT_FLOAT16] = nextafter_f16, [PVT_BFLOAT16] = nextafter_bf16, PVT_FLOATS(nextafter)};

PVT_EACH_FLOAT(PVT_BINARY, heaviside, x == 0 ? y : x < 0 ? 0 : x > 0 ? 1 : x)
PVT_ROW(heaviside) = {PVT_FLOATS(heaviside)};

#define PI 3.14159265358979323846
PVT_UNARY(deg2rad_f32, float, float, x *((float)PI / 180.0f))
PVT_UNARY(deg2rad_f64, double, double, x *(PI / 180.0))
PVT_UNARY(rad2deg_f32, float, float, x * (180.0f / (float)PI))
PVT_UNARY(rad2deg_f64, double, double, x * (180.0 / PI))
PVT_ROW(deg2rad) = {PVT_FLOATS(deg2rad)};
PVT_ROW(rad2deg) = {PVT_FLOATS(rad2deg)};

/* Real numbers lie at 0 or at pi, by their sign. */
PVT_UNARY(angle_f32, float, float, x != x ? x : __builtin_signbit(x) ? (float)PI : 0)
PVT_UNARY(angle_f64, double, double, x != x ? x : __builtin_signbit(x) ? PI : 0)
#define ANGLE(name, T, atan2)                                                                      \
  static void name(PVT_ARGS) {                                                                     \
    (void)arg;                                                                                     \
    for (int64_t i = 0; i < n; i++) {                                                              \
      const T *x = (const T *)(data[0] + i * strides[0]);                                          \
      *(T *)(data[1] + i * strides[1]) = atan2(x[1], x[0]);                                        \
    }                                                                                              \
  }
ANGLE(angle_c64, float, atan2f)
ANGLE(angle_c128, double, atan2)
PVT_ROW(angle) = {PVT_FLOATS(angle), PVT_COMPLEXES(angle)};

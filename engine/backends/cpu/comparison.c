/* comparison.c - what is equal, less or greater, and the logic of what is not zero. */
#include "elementwise.h"

#define COMPARE_ALL(M, p, ...)                                                                     \
  M(p##_u8, uint8_t, uint8_t, __VA_ARGS__)                                                         \
  M(p##_u16, uint16_t, uint8_t, __VA_ARGS__)                                                       \
  M(p##_u32, uint32_t, uint8_t, __VA_ARGS__)                                                       \
  M(p##_u64, uint64_t, uint8_t, __VA_ARGS__)                                                       \
  M(p##_f32, float, uint8_t, __VA_ARGS__)                                                          \
  M(p##_f64, double, uint8_t, __VA_ARGS__)
#define COMPARE_SIGNED(M, p, ...)                                                                  \
  M(p##_i8, int8_t, uint8_t, __VA_ARGS__)                                                          \
  M(p##_i16, int16_t, uint8_t, __VA_ARGS__)                                                        \
  M(p##_i32, int32_t, uint8_t, __VA_ARGS__)                                                        \
  M(p##_i64, int64_t, uint8_t, __VA_ARGS__)

COMPARE_ALL(PVT_BINARY, equal, x == y)
COMPARE_ALL(PVT_BINARY, not_equal, x != y)
COMPARE_ALL(PVT_BINARY, less, x < y)
COMPARE_SIGNED(PVT_BINARY, less, x < y)
COMPARE_ALL(PVT_BINARY, less_equal, x <= y)
COMPARE_SIGNED(PVT_BINARY, less_equal, x <= y)

/* a > b is b < a. */
#define TURNED(op, turned, suffix)                                                                 \
  static void op##_##suffix(PVT_ARGS) {                                                            \
    char *const swapped[3] = {data[1], data[0], data[2]};                                          \
    const int64_t steps[3] = {strides[1], strides[0], strides[2]};                                 \
    turned##_##suffix(n, swapped, steps, arg);                                                     \
  }
#define TURNED_ALL(op, turned)                                                                     \
  TURNED(op, turned, u8)                                                                           \
  TURNED(op, turned, u16)                                                                          \
  TURNED(op, turned, u32)                                                                          \
  TURNED(op, turned, u64)                                                                          \
  TURNED(op, turned, i8)                                                                           \
  TURNED(op, turned, i16)                                                                          \
  TURNED(op, turned, i32)                                                                          \
  TURNED(op, turned, i64)                                                                          \
  TURNED(op, turned, f32)                                                                          \
  TURNED(op, turned, f64)                                                                          \
  TURNED(op, turned, c64)                                                                          \
  TURNED(op, turned, c128)

/* Complex numbers are ordered by their real parts, equal ones by their imaginary parts; with a NaN
** in either part of either number nothing is ordered. */
#define COMPLEX(name, T, ...)                                                                      \
  static void name(PVT_ARGS) {                                                                     \
    (void)arg;                                                                                     \
    const char *pa = data[0], *pb = data[1];                                                       \
    char *po = data[2];                                                                            \
    for (int64_t i = 0; i < n; i++, pa += strides[0], pb += strides[1], po += strides[2]) {        \
      T a = ((const T *)pa)[0], b = ((const T *)pa)[1];                                            \
      T c = ((const T *)pb)[0], d = ((const T *)pb)[1];                                            \
      *(uint8_t *)po = __VA_ARGS__;                                                                \
    }                                                                                              \
  }
#define COMPLEX_BOTH(op, ...)                                                                      \
  COMPLEX(op##_c64, float, __VA_ARGS__)                                                            \
  COMPLEX(op##_c128, double, __VA_ARGS__)
COMPLEX_BOTH(equal, (a == c) & (b == d))
COMPLEX_BOTH(not_equal, (a != c) | (b != d))
COMPLEX_BOTH(less, ((a < c) & (b == b) & (d == d)) | ((a == c) & (b < d)))
COMPLEX_BOTH(less_equal, ((a < c) & (b == b) & (d == d)) | ((a == c) & (b <= d)))

TURNED_ALL(greater, less)
TURNED_ALL(greater_equal, less_equal)

PVT_ROW(equal) = {
    [PVT_BOOL] = equal_u8, PVT_SHARED_INTS(equal), PVT_FLOATS(equal), PVT_COMPLEXES(equal)};
PVT_ROW(not_equal) = {[PVT_BOOL] = not_equal_u8,
                      PVT_SHARED_INTS(not_equal),
                      PVT_FLOATS(not_equal),
                      PVT_COMPLEXES(not_equal)};
PVT_ROW(less) = {[PVT_BOOL] = less_u8, PVT_INTS(less), PVT_FLOATS(less), PVT_COMPLEXES(less)};
PVT_ROW(less_equal) = {[PVT_BOOL] = less_equal_u8,
                       PVT_INTS(less_equal),
                       PVT_FLOATS(less_equal),
                       PVT_COMPLEXES(less_equal)};
PVT_ROW(greater) = {
    [PVT_BOOL] = greater_u8, PVT_INTS(greater), PVT_FLOATS(greater), PVT_COMPLEXES(greater)};
PVT_ROW(greater_equal) = {[PVT_BOOL] = greater_equal_u8,
                          PVT_INTS(greater_equal),
                          PVT_FLOATS(greater_equal),
                          PVT_COMPLEXES(greater_equal)};

/* ---- int64 with uint64 -------------------------------------------------- */

/* No type holds both, so they have kernels of their own: x is int64, y uint64. */
#define MIXED(name, ...)                                                                           \
  static void name(PVT_ARGS) {                                                                     \
    (void)arg;                                                                                     \
    const char *pa = data[0], *pb = data[1];                                                       \
    char *po = data[2];                                                                            \
    for (int64_t i = 0; i < n; i++, pa += strides[0], pb += strides[1], po += strides[2]) {        \
      int64_t x = *(const int64_t *)pa;                                                            \
      uint64_t y = *(const uint64_t *)pb;                                                          \
      *(uint8_t *)po = __VA_ARGS__;                                                                \
    }                                                                                              \
  }
MIXED(equal_mixed, (x >= 0) & ((uint64_t)x == y))
MIXED(not_equal_mixed, (x < 0) | ((uint64_t)x != y))
MIXED(less_mixed, (x < 0) | ((uint64_t)x < y))
MIXED(less_equal_mixed, (x < 0) | ((uint64_t)x <= y))
MIXED(greater_mixed, (x >= 0) & ((uint64_t)x > y))
MIXED(greater_equal_mixed, (x >= 0) & ((uint64_t)x >= y))
/* From PVT_EQUAL on. */
pvt_kernel *const PVT_KERNEL(pvt_mixed)[6] = {
    equal_mixed, not_equal_mixed, less_mixed, less_equal_mixed, greater_mixed, greater_equal_mixed};

/* ---- Logic -------------------------------------------------------------- */

/* The bits of floats are looked at: all but the sign are clear in a zero. */
#define LOGIC(op, ...)                                                                             \
  PVT_BINARY(op##_u8, uint8_t, uint8_t, __VA_ARGS__)                                               \
  PVT_BINARY(op##_u16, uint16_t, uint8_t, __VA_ARGS__)                                             \
  PVT_BINARY(op##_u32, uint32_t, uint8_t, __VA_ARGS__)                                             \
  PVT_BINARY(op##_u64, uint64_t, uint8_t, __VA_ARGS__)                                             \
  PVT_BINARY(op##_f32, float, uint8_t, __VA_ARGS__)                                                \
  PVT_BINARY(op##_f64, double, uint8_t, __VA_ARGS__)
LOGIC(logical_and, (x != 0) & (y != 0))
LOGIC(logical_or, (x != 0) | (y != 0))
LOGIC(logical_xor, (x != 0) ^ (y != 0))
COMPLEX_BOTH(logical_and, ((a != 0) | (b != 0)) & ((c != 0) | (d != 0)))
COMPLEX_BOTH(logical_or, (a != 0) | (b != 0) | (c != 0) | (d != 0))
COMPLEX_BOTH(logical_xor, ((a != 0) | (b != 0)) ^ ((c != 0) | (d != 0)))
#define LOGIC_ROW(op)                                                                              \
  PVT_ROW(op) = {[PVT_BOOL] = op##_u8, PVT_SHARED_INTS(op), PVT_FLOATS(op), PVT_COMPLEXES(op)}
LOGIC_ROW(logical_and);
LOGIC_ROW(logical_or);
LOGIC_ROW(logical_xor);

COMPARE_ALL(PVT_UNARY, logical_not, x == 0)
PVT_UNARY(logical_not_half, uint16_t, uint8_t, (x & 0x7fff) == 0)
#define COMPLEX_TEST(name, T, ...)                                                                 \
  static void name(PVT_ARGS) {                                                                     \
    (void)arg;                                                                                     \
    const char *pa = data[0];                                                                      \
    char *po = data[1];                                                                            \
    for (int64_t i = 0; i < n; i++, pa += strides[0], po += strides[1]) {                          \
      T a = ((const T *)pa)[0], b = ((const T *)pa)[1];                                            \
      *(uint8_t *)po = __VA_ARGS__;                                                                \
    }                                                                                              \
  }
#define COMPLEX_TESTS(op, ...)                                                                     \
  COMPLEX_TEST(op##_c64, float, __VA_ARGS__)                                                       \
  COMPLEX_TEST(op##_c128, double, __VA_ARGS__)
COMPLEX_TESTS(logical_not, (a == 0) & (b == 0))
PVT_ROW(logical_not) = {[PVT_BOOL] = logical_not_u8,      PVT_SHARED_INTS(logical_not),
                        PVT_FLOATS(logical_not),          PVT_COMPLEXES(logical_not),
                        [PVT_FLOAT16] = logical_not_half, [PVT_BFLOAT16] = logical_not_half};

/* ---- What kind of number ------------------------------------------------ */

static void all_false(PVT_ARGS) {
  (void)arg;
  for (int64_t i = 0; i < n; i++) *(uint8_t *)(data[1] + i * strides[1]) = 0;
}
static void all_true(PVT_ARGS) {
  (void)arg;
  for (int64_t i = 0; i < n; i++) *(uint8_t *)(data[1] + i * strides[1]) = 1;
}
#define ALL_INTS(k)                                                                                \
  [PVT_BOOL] = k, [PVT_INT8] = k, [PVT_INT16] = k, [PVT_INT32] = k, [PVT_INT64] = k,               \
  [PVT_UINT8] = k, [PVT_UINT16] = k, [PVT_UINT32] = k, [PVT_UINT64] = k

/* Bits: exponents all set are infinities and, with a fraction, NaNs. */
#define TESTS(op, compare)                                                                         \
  PVT_UNARY(op##_f16, uint16_t, uint8_t, (x & 0x7fff) compare 0x7c00)                              \
  PVT_UNARY(op##_bf16, uint16_t, uint8_t, (x & 0x7fff) compare 0x7f80)                             \
  PVT_UNARY(op##_f32, uint32_t, uint8_t, (x & 0x7fffffff) compare 0x7f800000)                      \
  PVT_UNARY(op##_f64, uint64_t, uint8_t, (x & INT64_MAX) compare 0x7ff0000000000000)
TESTS(isnan, >)
TESTS(isinf, ==)
TESTS(isfinite, <)
COMPLEX_TESTS(isnan, (a != a) | (b != b))
COMPLEX_TESTS(isinf, __builtin_isinf(a) || __builtin_isinf(b))
COMPLEX_TESTS(isfinite, __builtin_isfinite(a) && __builtin_isfinite(b))
#define TEST_ROW(op, integers)                                                                     \
  PVT_ROW(op) = {ALL_INTS(integers), [PVT_FLOAT16] = op##_f16, [PVT_BFLOAT16] = op##_bf16,         \
                 PVT_FLOATS(op), PVT_COMPLEXES(op)}
TEST_ROW(isnan, all_false);
TEST_ROW(isinf, all_false);
TEST_ROW(isfinite, all_true);

PVT_UNARY(signbit_16, uint16_t, uint8_t, x >> 15)
PVT_UNARY(signbit_32, uint32_t, uint8_t, x >> 31)
PVT_UNARY(signbit_64, uint64_t, uint8_t, x >> 63)
PVT_ROW(signbit) = {[PVT_FLOAT16] = signbit_16,
                    [PVT_BFLOAT16] = signbit_16,
                    [PVT_FLOAT32] = signbit_32,
                    [PVT_FLOAT64] = signbit_64};

/* arithmetic.c - sums, differences, products, quotients, signs, and the larger of two.
**
** Results are the same on every instruction set: nothing is contracted or reordered.
*/
#include "elementwise.h"

#define BOOLEAN(p) [PVT_BOOL] = p##_bool

/* The promotion of small unsigned types to int would make their products overflow. */
PVT_BINARY(add_bool, uint8_t, uint8_t, x | y)
PVT_EACH_UNSIGNED(PVT_BINARY, add, x + y)
PVT_EACH_FLOAT(PVT_BINARY, add, x + y)
PVT_EACH_UNSIGNED(PVT_BINARY, subtract, x - y)
PVT_EACH_FLOAT(PVT_BINARY, subtract, x - y)
PVT_BINARY(multiply_bool, uint8_t, uint8_t, x &y)
PVT_EACH_UNSIGNED(PVT_BINARY, multiply, 1u * x * y)
PVT_EACH_FLOAT(PVT_BINARY, multiply, x *y)
PVT_EACH_FLOAT(PVT_BINARY, divide, x / y)

/* Complex sums go part by part. */
#define COMPLEX_SUM(op, suffix, real, T)                                                           \
  static void op##_##suffix(PVT_ARGS) {                                                            \
    bool rows =                                                                                    \
        strides[0] == 2 * PVT_SIZE(T) && strides[1] == strides[0] && strides[2] == strides[0];     \
    if (rows) {                                                                                    \
      int64_t part[3] = {PVT_SIZE(T), PVT_SIZE(T), PVT_SIZE(T)};                                   \
      op##_##real(2 * n, data, part, arg);                                                         \
      return;                                                                                      \
    }                                                                                              \
    char *imaginary[3] = {data[0] + sizeof(T), data[1] + sizeof(T), data[2] + sizeof(T)};          \
    op##_##real(n, data, strides, arg);                                                            \
    op##_##real(n, imaginary, strides, arg);                                                       \
  }
COMPLEX_SUM(add, c64, f32, float)
COMPLEX_SUM(add, c128, f64, double)
COMPLEX_SUM(subtract, c64, f32, float)
COMPLEX_SUM(subtract, c128, f64, double)

PVT_ROW(add) = {BOOLEAN(add), PVT_SHARED_INTS(add), PVT_FLOATS(add), PVT_COMPLEXES(add)};
PVT_ROW(subtract) = {PVT_SHARED_INTS(subtract), PVT_FLOATS(subtract), PVT_COMPLEXES(subtract)};
extern pvt_kernel PVT_KERNEL(pvt_multiply_c64), PVT_KERNEL(pvt_multiply_c128);
PVT_ROW(multiply) = {BOOLEAN(multiply), PVT_SHARED_INTS(multiply), PVT_FLOATS(multiply),
                     [PVT_COMPLEX64] = PVT_KERNEL(pvt_multiply_c64),
                     [PVT_COMPLEX128] = PVT_KERNEL(pvt_multiply_c128)};
extern pvt_kernel PVT_KERNEL(pvt_divide_c64), PVT_KERNEL(pvt_divide_c128);
PVT_ROW(divide) = {PVT_FLOATS(divide), [PVT_COMPLEX64] = PVT_KERNEL(pvt_divide_c64),
                   [PVT_COMPLEX128] = PVT_KERNEL(pvt_divide_c128)};

/* ---- The larger and the smaller ----------------------------------------- */

/* maximum and minimum: a NaN wins; fmax and fmin: a number wins over a NaN. */
PVT_EACH_UNSIGNED(PVT_BINARY, maximum, x > y ? x : y)
PVT_EACH_SIGNED(PVT_BINARY, maximum, x > y ? x : y)
PVT_EACH_FLOAT(PVT_BINARY, maximum, (x >= y) | (x != x) ? x : y)
PVT_EACH_UNSIGNED(PVT_BINARY, minimum, x < y ? x : y)
PVT_EACH_SIGNED(PVT_BINARY, minimum, x < y ? x : y)
PVT_EACH_FLOAT(PVT_BINARY, minimum, (x <= y) | (x != x) ? x : y)
PVT_EACH_FLOAT(PVT_BINARY, fmax, (x >= y) | (y != y) ? x : y)
PVT_EACH_FLOAT(PVT_BINARY, fmin, (x <= y) | (y != y) ? x : y)

#define EXTREMES(op, integers)                                                                     \
  [PVT_BOOL] = integers##_u8, PVT_INTS(integers), PVT_FLOATS(op),                                  \
  [PVT_COMPLEX64] = PVT_KERNEL(pvt_##op##_c64), [PVT_COMPLEX128] = PVT_KERNEL(pvt_##op##_c128)
#define DECLARE_COMPLEX(op)                                                                        \
  extern pvt_kernel PVT_KERNEL(pvt_##op##_c64), PVT_KERNEL(pvt_##op##_c128)
DECLARE_COMPLEX(maximum);
DECLARE_COMPLEX(minimum);
DECLARE_COMPLEX(fmax);
DECLARE_COMPLEX(fmin);
PVT_ROW(maximum) = {EXTREMES(maximum, maximum)};
PVT_ROW(minimum) = {EXTREMES(minimum, minimum)};
PVT_ROW(fmax) = {EXTREMES(fmax, maximum)};
PVT_ROW(fmin) = {EXTREMES(fmin, minimum)};

/* ---- Of one number ------------------------------------------------------ */

PVT_UNARY(same_8, uint8_t, uint8_t, x)
PVT_UNARY(same_16, uint16_t, uint16_t, x)
PVT_UNARY(same_32, uint32_t, uint32_t, x)
PVT_UNARY(same_64, uint64_t, uint64_t, x)
typedef struct wide {
  uint64_t part[2];
} wide;
static void same_128(PVT_ARGS) {
  (void)arg;
  for (int64_t i = 0; i < n; i++)
    *(wide *)(data[1] + i * strides[1]) = *(const wide *)(data[0] + i * strides[0]);
}
#define SAME_INTS                                                                                  \
  [PVT_INT8] = same_8, [PVT_INT16] = same_16, [PVT_INT32] = same_32, [PVT_INT64] = same_64,        \
  [PVT_UINT8] = same_8, [PVT_UINT16] = same_16, [PVT_UINT32] = same_32, [PVT_UINT64] = same_64
#define SAME_FLOATS                                                                                \
  [PVT_FLOAT16] = same_16, [PVT_BFLOAT16] = same_16, [PVT_FLOAT32] = same_32,                      \
  [PVT_FLOAT64] = same_64
PVT_ROW(positive) = {SAME_INTS, SAME_FLOATS, [PVT_COMPLEX64] = same_64,
                     [PVT_COMPLEX128] = same_128};

PVT_EACH_UNSIGNED(PVT_UNARY, negative, 0u - x)
PVT_EACH_FLOAT(PVT_UNARY, negative, -x)
PVT_UNARY(negative_half, uint16_t, uint16_t, x ^ 0x8000)
#define COMPLEX_UNARY(op, suffix, real, T)                                                         \
  static void op##_##suffix(PVT_ARGS) {                                                            \
    char *imaginary[2] = {data[0] + sizeof(T), data[1] + sizeof(T)};                               \
    op##_##real(n, data, strides, arg);                                                            \
    op##_##real(n, imaginary, strides, arg);                                                       \
  }
COMPLEX_UNARY(negative, c64, f32, float)
COMPLEX_UNARY(negative, c128, f64, double)
PVT_ROW(negative) = {PVT_SHARED_INTS(negative), PVT_FLOATS(negative), PVT_COMPLEXES(negative),
                     [PVT_FLOAT16] = negative_half, [PVT_BFLOAT16] = negative_half};

/* The smallest integer is its own absolute value, as in NumPy. */
PVT_UNARY(absolute_i8, int8_t, uint8_t, x < 0 ? 0u - (uint8_t)x : (uint8_t)x)
PVT_UNARY(absolute_i16, int16_t, uint16_t, x < 0 ? 0u - (uint16_t)x : (uint16_t)x)
PVT_UNARY(absolute_i32, int32_t, uint32_t, x < 0 ? 0u - (uint32_t)x : (uint32_t)x)
PVT_UNARY(absolute_i64, int64_t, uint64_t, x < 0 ? 0u - (uint64_t)x : (uint64_t)x)
PVT_UNARY(absolute_f32, float, float, __builtin_fabsf(x))
PVT_UNARY(absolute_f64, double, double, __builtin_fabs(x))
PVT_UNARY(absolute_half, uint16_t, uint16_t, x & 0x7fff)
DECLARE_COMPLEX(absolute);
PVT_ROW(absolute) = {
    [PVT_BOOL] = same_8,
    PVT_SIGNED(absolute),
    [PVT_UINT8] = same_8,
    [PVT_UINT16] = same_16,
    [PVT_UINT32] = same_32,
    [PVT_UINT64] = same_64,
    PVT_FLOATS(absolute),
    [PVT_FLOAT16] = absolute_half,
    [PVT_BFLOAT16] = absolute_half,
    [PVT_COMPLEX64] = PVT_KERNEL(pvt_absolute_c64),
    [PVT_COMPLEX128] = PVT_KERNEL(pvt_absolute_c128),
};

PVT_EACH_UNSIGNED(PVT_UNARY, sign, x != 0)
PVT_EACH_SIGNED(PVT_UNARY, sign, (x > 0) - (x < 0))
PVT_EACH_FLOAT(PVT_UNARY, sign, x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x)
DECLARE_COMPLEX(sign);
PVT_ROW(sign) = {PVT_INTS(sign), PVT_FLOATS(sign), [PVT_COMPLEX64] = PVT_KERNEL(pvt_sign_c64),
                 [PVT_COMPLEX128] = PVT_KERNEL(pvt_sign_c128)};

PVT_EACH_UNSIGNED(PVT_UNARY, square, 1u * x * x)
PVT_EACH_FLOAT(PVT_UNARY, square, x *x)
DECLARE_COMPLEX(square);
PVT_ROW(square) = {PVT_SHARED_INTS(square), PVT_FLOATS(square),
                   [PVT_COMPLEX64] = PVT_KERNEL(pvt_square_c64),
                   [PVT_COMPLEX128] = PVT_KERNEL(pvt_square_c128)};

/* Of integers 1 and -1 have one, the others 0; of 0 it is the smallest, as in NumPy, or for small
** types what is left of it when cut. */
PVT_EACH_UNSIGNED(PVT_UNARY, reciprocal, x == 1)
PVT_UNARY(reciprocal_i8, int8_t, int8_t, x == 1 ? 1 : x == -1 ? -1 : 0)
PVT_UNARY(reciprocal_i16, int16_t, int16_t, x == 1 ? 1 : x == -1 ? -1 : 0)
PVT_UNARY(reciprocal_i32, int32_t, int32_t, x == 1 ? 1 : x == -1 ? -1 : x == 0 ? INT32_MIN : 0)
PVT_UNARY(reciprocal_i64, int64_t, int64_t, x == 1 ? 1 : x == -1 ? -1 : x == 0 ? INT64_MIN : 0)
PVT_EACH_FLOAT(PVT_UNARY, reciprocal, 1 / x)
DECLARE_COMPLEX(reciprocal);
PVT_ROW(reciprocal) = {PVT_INTS(reciprocal), PVT_FLOATS(reciprocal),
                       [PVT_COMPLEX64] = PVT_KERNEL(pvt_reciprocal_c64),
                       [PVT_COMPLEX128] = PVT_KERNEL(pvt_reciprocal_c128)};

PVT_UNARY(sqrt_f32, float, float, __builtin_sqrtf(x))
PVT_UNARY(sqrt_f64, double, double, __builtin_sqrt(x))
DECLARE_COMPLEX(sqrt);
PVT_ROW(sqrt) = {PVT_FLOATS(sqrt), [PVT_COMPLEX64] = PVT_KERNEL(pvt_sqrt_c64),
                 [PVT_COMPLEX128] = PVT_KERNEL(pvt_sqrt_c128)};

/* ---- Conjugates and parts ----------------------------------------------- */

PVT_UNARY(zero_8, uint8_t, uint8_t, x & 0)
PVT_UNARY(zero_16, uint16_t, uint16_t, x & 0)
PVT_UNARY(zero_32, uint32_t, uint32_t, x & 0)
PVT_UNARY(zero_64, uint64_t, uint64_t, x & 0)
static void conjugate_c64(PVT_ARGS) {
  char *imaginary[2] = {data[0] + sizeof(float), data[1] + sizeof(float)};
  same_32(n, data, strides, arg);
  negative_f32(n, imaginary, strides, arg);
}
static void conjugate_c128(PVT_ARGS) {
  char *imaginary[2] = {data[0] + sizeof(double), data[1] + sizeof(double)};
  same_64(n, data, strides, arg);
  negative_f64(n, imaginary, strides, arg);
}
static void imag_c64(PVT_ARGS) {
  char *imaginary[2] = {data[0] + sizeof(float), data[1]};
  same_32(n, imaginary, strides, arg);
}
static void imag_c128(PVT_ARGS) {
  char *imaginary[2] = {data[0] + sizeof(double), data[1]};
  same_64(n, imaginary, strides, arg);
}
PVT_ROW(conjugate) = {SAME_INTS, SAME_FLOATS, PVT_COMPLEXES(conjugate)};
PVT_ROW(real) = {[PVT_BOOL] = same_8,
                 SAME_INTS,
                 SAME_FLOATS,
                 [PVT_COMPLEX64] = same_32,
                 [PVT_COMPLEX128] = same_64};
PVT_ROW(imag) = {
    [PVT_BOOL] = zero_8,     [PVT_INT8] = zero_8,      [PVT_INT16] = zero_16,
    [PVT_INT32] = zero_32,   [PVT_INT64] = zero_64,    [PVT_UINT8] = zero_8,
    [PVT_UINT16] = zero_16,  [PVT_UINT32] = zero_32,   [PVT_UINT64] = zero_64,
    [PVT_FLOAT16] = zero_16, [PVT_BFLOAT16] = zero_16, [PVT_FLOAT32] = zero_32,
    [PVT_FLOAT64] = zero_64, PVT_COMPLEXES(imag),
};

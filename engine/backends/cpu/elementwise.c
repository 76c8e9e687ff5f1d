/* elementwise.c - the table of elementwise kernels. */
#include "elementwise.h"
#include "activations.h"

#define UNARY_ROWS(X)                                                                              \
  X(NEGATIVE, negative)                                                                            \
  X(POSITIVE, positive)                                                                            \
  X(ABSOLUTE, absolute)                                                                            \
  X(SIGN, sign)                                                                                    \
  X(SQUARE, square)                                                                                \
  X(SQRT, sqrt)                                                                                    \
  X(CBRT, cbrt)                                                                                    \
  X(RECIPROCAL, reciprocal)                                                                        \
  X(EXP, exp)                                                                                      \
  X(EXP2, exp2)                                                                                    \
  X(EXPM1, expm1)                                                                                  \
  X(LOG, log)                                                                                      \
  X(LOG2, log2)                                                                                    \
  X(LOG10, log10)                                                                                  \
  X(LOG1P, log1p)                                                                                  \
  X(SIN, sin)                                                                                      \
  X(COS, cos)                                                                                      \
  X(TAN, tan)                                                                                      \
  X(ASIN, arcsin)                                                                                  \
  X(ACOS, arccos)                                                                                  \
  X(ATAN, arctan)                                                                                  \
  X(SINH, sinh)                                                                                    \
  X(COSH, cosh)                                                                                    \
  X(TANH, tanh)                                                                                    \
  X(ASINH, arcsinh)                                                                                \
  X(ACOSH, arccosh)                                                                                \
  X(ATANH, arctanh)                                                                                \
  X(ERF, erf)                                                                                      \
  X(SIGMOID, sigmoid)                                                                              \
  X(FLOOR, floor)                                                                                  \
  X(CEIL, ceil)                                                                                    \
  X(TRUNC, trunc)                                                                                  \
  X(RINT, rint)                                                                                    \
  X(ISNAN, isnan)                                                                                  \
  X(ISINF, isinf)                                                                                  \
  X(ISFINITE, isfinite)                                                                            \
  X(SIGNBIT, signbit)                                                                              \
  X(LOGICAL_NOT, logical_not)                                                                      \
  X(INVERT, invert)                                                                                \
  X(CONJ, conjugate)                                                                               \
  X(REAL, real)                                                                                    \
  X(IMAG, imag)                                                                                    \
  X(ANGLE, angle)                                                                                  \
  X(DEG2RAD, deg2rad)                                                                              \
  X(RAD2DEG, rad2deg)

#define BINARY_ROWS(X)                                                                             \
  X(ADD, add)                                                                                      \
  X(SUBTRACT, subtract)                                                                            \
  X(MULTIPLY, multiply)                                                                            \
  X(DIVIDE, divide)                                                                                \
  X(FLOOR_DIVIDE, floor_divide)                                                                    \
  X(REMAINDER, remainder)                                                                          \
  X(FMOD, fmod)                                                                                    \
  X(POWER, power)                                                                                  \
  X(MAXIMUM, maximum)                                                                              \
  X(MINIMUM, minimum)                                                                              \
  X(FMAX, fmax)                                                                                    \
  X(FMIN, fmin)                                                                                    \
  X(ATAN2, arctan2)                                                                                \
  X(HYPOT, hypot)                                                                                  \
  X(LOGADDEXP, logaddexp)                                                                          \
  X(LOGADDEXP2, logaddexp2)                                                                        \
  X(COPYSIGN, copysign)                                                                            \
  X(NEXTAFTER, nextafter)                                                                          \
  X(HEAVISIDE, heaviside)                                                                          \
  X(GCD, gcd)                                                                                      \
  X(LCM, lcm)                                                                                      \
  X(EQUAL, equal)                                                                                  \
  X(NOT_EQUAL, not_equal)                                                                          \
  X(LESS, less)                                                                                    \
  X(LESS_EQUAL, less_equal)                                                                        \
  X(GREATER, greater)                                                                              \
  X(GREATER_EQUAL, greater_equal)                                                                  \
  X(LOGICAL_AND, logical_and)                                                                      \
  X(LOGICAL_OR, logical_or)                                                                        \
  X(LOGICAL_XOR, logical_xor)                                                                      \
  X(BITWISE_AND, bitwise_and)                                                                      \
  X(BITWISE_OR, bitwise_or)                                                                        \
  X(BITWISE_XOR, bitwise_xor)                                                                      \
  X(LEFT_SHIFT, left_shift)                                                                        \
  X(RIGHT_SHIFT, right_shift)

#define DECLARE(op, name) extern PVT_ROW(name);
UNARY_ROWS(DECLARE)
BINARY_ROWS(DECLARE)
extern PVT_ROW(clip);
extern pvt_activation_rows PVT_KERNEL(pvt_activations);
extern pvt_softmax_kernel *const PVT_KERNEL(pvt_softmax)[2];
extern pvt_kernel *const PVT_KERNEL(pvt_mixed)[6], *const PVT_KERNEL(pvt_where)[5];

#define ENTRY(op, name) [PVT_##op] = PVT_ROW_NAME(name),
const pvt_elementwise PVT_KERNEL(pvt_elementwise) = {
    .unary = {UNARY_ROWS(ENTRY)},
    .binary = {BINARY_ROWS(ENTRY)},
    .mixed = PVT_KERNEL(pvt_mixed),
    .where = PVT_KERNEL(pvt_where),
    .clip = PVT_ROW_NAME(clip),
    .activations = PVT_KERNEL(pvt_activations),
    .softmax = PVT_KERNEL(pvt_softmax),
};

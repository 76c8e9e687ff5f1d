/* bitwise.c - operators on the bits of integers. */
#include "elementwise.h"

PVT_EACH_UNSIGNED(PVT_BINARY, bitwise_and, x &y)
PVT_EACH_UNSIGNED(PVT_BINARY, bitwise_or, x | y)
PVT_EACH_UNSIGNED(PVT_BINARY, bitwise_xor, x ^ y)
PVT_ROW(bitwise_and) = {[PVT_BOOL] = bitwise_and_u8, PVT_SHARED_INTS(bitwise_and)};
PVT_ROW(bitwise_or) = {[PVT_BOOL] = bitwise_or_u8, PVT_SHARED_INTS(bitwise_or)};
PVT_ROW(bitwise_xor) = {[PVT_BOOL] = bitwise_xor_u8, PVT_SHARED_INTS(bitwise_xor)};

PVT_EACH_UNSIGNED(PVT_UNARY, invert, ~x)
PVT_UNARY(invert_bool, uint8_t, uint8_t, x == 0)
PVT_ROW(invert) = {[PVT_BOOL] = invert_bool, PVT_SHARED_INTS(invert)};

/* A shift by as many bits as there are, or more, or fewer than none, leaves nothing, and of a
** negative number shifted right -1. Counts are compared as unsigned ones. */
#define BITS(x) (8 * sizeof(x))
#define LEFT(name, U)                                                                              \
  PVT_BINARY(name, U, U, y < BITS(x) ? (U)((U)(x * 1u) << (y & (BITS(x) - 1))) : (U)0)
LEFT(left_shift_u8, uint8_t)
LEFT(left_shift_u16, uint16_t)
LEFT(left_shift_u32, uint32_t)
LEFT(left_shift_u64, uint64_t)
PVT_ROW(left_shift) = {PVT_SHARED_INTS(left_shift)};

PVT_EACH_UNSIGNED(PVT_BINARY, right_shift, y < BITS(x) ? x >> (y & (BITS(x) - 1)) : 0)
#define RIGHT_SIGNED(name, T, U)                                                                   \
  PVT_BINARY(name, T, T, (U)y < BITS(x) ? x >> (y & (BITS(x) - 1)) : x >> (BITS(x) - 1))
RIGHT_SIGNED(right_shift_i8, int8_t, uint8_t)
RIGHT_SIGNED(right_shift_i16, int16_t, uint16_t)
RIGHT_SIGNED(right_shift_i32, int32_t, uint32_t)
RIGHT_SIGNED(right_shift_i64, int64_t, uint64_t)
PVT_ROW(right_shift) = {PVT_INTS(right_shift)};

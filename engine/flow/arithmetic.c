/* arithmetic.c - see arithmetic.h. */
#include "arithmetic.h"

#include <math.h>

stream_value flow_from_wide(flow_wide number) {
  if (number >= INT64_MIN && number <= UINT64_MAX)
    return (stream_value){
        .kind = STREAM_INTEGER, .negative = number < 0, .integer = (uint64_t)number};
  return flow_float((double)number);
}

stream_value flow_from_whole(double number) {
  if (!isfinite(number)) return flow_nil();
  if (number < -0x1p63 || number >= 0x1p64) return flow_float(number);
  return flow_from_wide((flow_wide)number);
}

static int are_numbers(const stream_value *a, const stream_value *b) {
  return flow_is_number(a) && flow_is_number(b);
}

static int are_integers(const stream_value *a, const stream_value *b) {
  return a->kind == STREAM_INTEGER && b->kind == STREAM_INTEGER;
}

stream_value flow_plus(const stream_value *a, const stream_value *b) {
  if (are_integers(a, b)) return flow_from_wide(flow_wide_of(a) + flow_wide_of(b));
  if (!are_numbers(a, b)) return flow_nil();
  return flow_float(flow_double_of(a) + flow_double_of(b));
}

stream_value flow_subtract(const stream_value *a, const stream_value *b) {
  if (are_integers(a, b)) return flow_from_wide(flow_wide_of(a) - flow_wide_of(b));
  if (!are_numbers(a, b)) return flow_nil();
  return flow_float(flow_double_of(a) - flow_double_of(b));
}

stream_value flow_multiply(const stream_value *a, const stream_value *b) {
  flow_wide product;
  if (are_integers(a, b) && !__builtin_mul_overflow(flow_wide_of(a), flow_wide_of(b), &product))
    return flow_from_wide(product);
  if (!are_numbers(a, b)) return flow_nil();
  return flow_float(flow_double_of(a) * flow_double_of(b));
}

static int is_zero(const stream_value *value) {
  return value->kind == STREAM_INTEGER ? value->integer == 0 : value->number == 0;
}

stream_value flow_divide(const stream_value *a, const stream_value *b) {
  if (!are_numbers(a, b) || is_zero(b)) return flow_nil();
  return flow_float(flow_double_of(a) / flow_double_of(b));
}

/* Quotients that are rounded to zero are one too great where the signs differ and there is a rest. */
static flow_wide floor_divide_wide(flow_wide a, flow_wide b) {
  flow_wide quotient = a / b;
  return quotient - (quotient * b != a && (a < 0) != (b < 0));
}

/* As CPython does it: from the remainder, which is exact. x / y may be rounded up to a whole number. */
static double floor_divide(double x, double y, double *remainder) {
  double rest = fmod(x, y), quotient = (x - rest) / y;
  if (rest == 0) {
    rest = copysign(0, y);
  } else if ((rest < 0) != (y < 0)) {
    rest += y;
    quotient -= 1;
  }
  *remainder = rest;
  if (quotient == 0) return copysign(0, x / y);
  double whole = floor(quotient);
  return quotient - whole > 0.5 ? whole + 1 : whole;
}

stream_value flow_floor_divide(const stream_value *a, const stream_value *b) {
  if (!are_numbers(a, b) || is_zero(b)) return flow_nil();
  if (are_integers(a, b))
    return flow_from_wide(floor_divide_wide(flow_wide_of(a), flow_wide_of(b)));
  double rest;
  return flow_float(floor_divide(flow_double_of(a), flow_double_of(b), &rest));
}

stream_value flow_remainder(const stream_value *a, const stream_value *b) {
  if (!are_numbers(a, b) || is_zero(b)) return flow_nil();
  if (!are_integers(a, b)) {
    double rest;
    floor_divide(flow_double_of(a), flow_double_of(b), &rest);
    return flow_float(rest);
  }
  flow_wide x = flow_wide_of(a), y = flow_wide_of(b);
  return flow_from_wide(x - floor_divide_wide(x, y) * y);
}

/* By squaring; what does not fit is left to pow. */
static int power_of_integers(flow_wide base, uint64_t exponent, stream_value *out) {
  flow_wide result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return 0;
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return 0;
  }
  *out = flow_from_wide(result);
  return 1;
}

stream_value flow_power(const stream_value *a, const stream_value *b) {
  if (!are_numbers(a, b)) return flow_nil();
  stream_value result;
  if (are_integers(a, b) && !b->negative && power_of_integers(flow_wide_of(a), b->integer, &result))
    return result;
  double x = flow_double_of(a), y = flow_double_of(b);
  if (x == 0 && y < 0 && isfinite(y)) return flow_nil();
  if (x < 0 && isfinite(x) && isfinite(y) && y != floor(y)) return flow_nil();
  return flow_float(pow(x, y));
}

stream_value flow_negate(const stream_value *a) {
  if (a->kind == STREAM_INTEGER) return flow_from_wide(-flow_wide_of(a));
  return a->kind == STREAM_FLOAT ? flow_float(-a->number) : flow_nil();
}

/* arithmetic.h - numbers of a flow: integers of 64 bits, with a sign or without, and floats.
**
** A result that does not fit into 64 bits is a float. What has no result is nil: with anything that is
** no number, a division by zero, a root of a negative number. */
#ifndef FLOW_ARITHMETIC_H
#define FLOW_ARITHMETIC_H

#include "row.h"

typedef __int128 flow_wide; /* holds every integer that a value holds */

static inline int flow_is_number(const stream_value *value) {
  return value->kind == STREAM_INTEGER || value->kind == STREAM_FLOAT;
}
/* Of an integer. */
static inline flow_wide flow_wide_of(const stream_value *value) {
  return value->negative ? (flow_wide)(int64_t)value->integer : (flow_wide)value->integer;
}
/* Of a number. */
static inline double flow_double_of(const stream_value *value) {
  if (value->kind == STREAM_FLOAT) return value->number;
  return value->negative ? (double)(int64_t)value->integer : (double)value->integer;
}

stream_value flow_from_wide(flow_wide number);
/* An integer of a float without a fraction, if it fits; otherwise the float. Not finite: nil. */
stream_value flow_from_whole(double number);

stream_value flow_plus(const stream_value *a, const stream_value *b);
stream_value flow_subtract(const stream_value *a, const stream_value *b);
stream_value flow_multiply(const stream_value *a, const stream_value *b);
stream_value flow_divide(const stream_value *a, const stream_value *b);
/* Quotients are rounded down, and remainders have the sign of b, as in Python. */
stream_value flow_floor_divide(const stream_value *a, const stream_value *b);
stream_value flow_remainder(const stream_value *a, const stream_value *b);
stream_value flow_power(const stream_value *a, const stream_value *b);
stream_value flow_negate(const stream_value *a);

#endif

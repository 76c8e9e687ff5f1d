/* functions_of_numbers.c - functions of numbers that expressions call. */
#include "arithmetic.h"
#include "functions.h"

#include <math.h>

#define EARTH_METRES 6371008.8 /* its mean radius */

static stream_value absolute(const stream_value *x, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  if (x->kind == STREAM_INTEGER) return x->negative ? flow_negate(x) : *x;
  return x->kind == STREAM_FLOAT ? flow_float(fabs(x->number)) : flow_nil();
}

static stream_value sign(const stream_value *x, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  if (!flow_is_number(x)) return flow_nil();
  double number = flow_double_of(x);
  return number != number ? flow_nil() : flow_integer((number > 0) - (number < 0));
}

/* The one that stands `wanted` to all others; the first of equal ones. */
static stream_value extreme(const stream_value *values, uint32_t count, stream_order wanted) {
  const stream_value *best = values;
  for (uint32_t i = 0; i < count; i++) {
    stream_order order = stream_compare(&values[i], best);
    if (order == STREAM_UNORDERED || values[i].kind == STREAM_BOOL) return flow_nil();
    if (order == wanted) best = &values[i];
  }
  return *best;
}

static stream_value least(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  return extreme(values, count, STREAM_LESS);
}

static stream_value greatest(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  return extreme(values, count, STREAM_GREATER);
}

static stream_value clip(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  stream_value ends[2] = {values[0], values[1]};
  ends[1] = extreme(ends, 2, STREAM_GREATER);
  ends[0] = values[2];
  return extreme(ends, 2, STREAM_LESS);
}

/* How many of the bounds behind it are not above x. */
static stream_value digitize(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  int64_t below = 0;
  for (uint32_t i = 1; i < count; i++) {
    stream_order order = stream_compare(&values[0], &values[i]);
    if (order == STREAM_UNORDERED || values[0].kind == STREAM_BOOL) return flow_nil();
    below += order != STREAM_LESS;
  }
  return flow_integer(below);
}

static stream_value bucket(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  if (!flow_is_number(&values[1]) || !(flow_double_of(&values[1]) > 0)) return flow_nil();
  stream_value index = flow_floor_divide(&values[0], &values[1]);
  return flow_multiply(&index, &values[1]);
}

/* ---- Rounding ----------------------------------------------------------- */

static stream_value to_whole(const stream_value *x, double (*rounded)(double)) {
  if (x->kind == STREAM_INTEGER) return *x;
  return x->kind == STREAM_FLOAT ? flow_from_whole(rounded(x->number)) : flow_nil();
}

static stream_value round_down(const stream_value *x, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  return to_whole(x, floor);
}

static stream_value round_up(const stream_value *x, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  return to_whole(x, ceil);
}

static stream_value round_to_zero(const stream_value *x, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  return to_whole(x, trunc);
}

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}; /* all exact */
#define DIGITS_MAX 22

/* To a multiple of `unit`, of two that are equally near to the even one. */
static flow_wide round_wide(flow_wide number, flow_wide unit) {
  flow_wide rest = number % unit;
  if (rest < 0) rest += unit;
  flow_wide down = number - rest;
  int up = 2 * rest > unit || (2 * rest == unit && (down / unit) % 2 != 0);
  return up ? down + unit : down;
}

/* The product may be rounded to a half that it is not: what was lost decides then. */
static double round_to(double number, int64_t digits) {
  if (!isfinite(number) || digits > DIGITS_MAX) return number;
  if (digits < -DIGITS_MAX) return copysign(0, number);
  double scale = POWERS[digits < 0 ? -digits : digits];
  if (digits < 0) return rint(number / scale) * scale;
  double scaled = number * scale;
  if (fabs(scaled) >= 0x1p52) return number;
  double whole = rint(scaled), lost = fma(number, scale, -scaled);
  if (fabs(scaled - whole) == 0.5 && lost != 0) whole = lost > 0 ? ceil(scaled) : floor(scaled);
  return whole / scale;
}

static stream_value round_off(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  if (count == 1) return to_whole(values, rint);
  if (values[1].kind != STREAM_INTEGER || !flow_is_number(&values[0])) return flow_nil();
  int64_t digits = (int64_t)values[1].integer;
  if (!values[1].negative && digits < 0) digits = INT64_MAX;
  if (values[0].kind == STREAM_FLOAT) return flow_float(round_to(values[0].number, digits));
  if (digits >= 0) return values[0];
  flow_wide unit = 1;
  for (int64_t i = digits; i < 0 && unit < (flow_wide)1 << 80; i++) unit *= 10;
  return flow_from_wide(round_wide(flow_wide_of(&values[0]), unit));
}

/* ---- Functions of real numbers ------------------------------------------ */

#define REAL(name, domain, result)                                                                 \
  static stream_value name(const stream_value *values, uint32_t count, flow_arena *arena) {        \
    (void)count, (void)arena;                                                                      \
    if (!flow_is_number(values)) return flow_nil();                                                \
    double x = flow_double_of(values);                                                             \
    return (domain) ? flow_float(result) : flow_nil();                                             \
  }

REAL(square_root, !(x < 0), sqrt(x))
REAL(exponential, 1, exp(x))
REAL(logarithm_1p, !(x <= -1), log1p(x))
REAL(logarithm_2, !(x <= 0), log2(x))
REAL(logarithm_10, !(x <= 0), log10(x))
REAL(sine, !isinf(x), sin(x))
REAL(cosine, !isinf(x), cos(x))
REAL(hyperbolic_tangent, 1, tanh(x))
REAL(sigmoid, 1, x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)))

static stream_value logarithm(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  for (uint32_t i = 0; i < count; i++)
    if (!flow_is_number(&values[i]) || flow_double_of(&values[i]) <= 0) return flow_nil();
  double natural = log(flow_double_of(&values[0]));
  if (count == 1) return flow_float(natural);
  double base = log(flow_double_of(&values[1]));
  return base == 0 ? flow_nil() : flow_float(natural / base);
}

static stream_value power(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  return flow_power(&values[0], &values[1]);
}

static stream_value arc_tangent_2(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  if (!flow_is_number(&values[0]) || !flow_is_number(&values[1])) return flow_nil();
  return flow_float(atan2(flow_double_of(&values[0]), flow_double_of(&values[1])));
}

/* Metres between two places, given as latitude, longitude, latitude, longitude in degrees. */
static stream_value haversine(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  double angle[4];
  for (uint32_t i = 0; i < count; i++) {
    if (!flow_is_number(&values[i])) return flow_nil();
    angle[i] = flow_double_of(&values[i]) * (M_PI / 180);
    if (!isfinite(angle[i])) return flow_nil();
  }
  double north = sin((angle[2] - angle[0]) / 2), east = sin((angle[3] - angle[1]) / 2);
  double square = north * north + cos(angle[0]) * cos(angle[2]) * east * east;
  return flow_float(2 * EARTH_METRES * asin(sqrt(fmin(square, 1))));
}

static stream_value is_nan(const stream_value *x, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  return flow_bool(x->kind == STREAM_FLOAT && x->number != x->number);
}

const flow_function flow_functions_of_numbers[] = {
    {"abs", 1, 1, 0, absolute},
    {"sign", 1, 1, 0, sign},
    {"min", 2, FLOW_CALL_MAX, 0, least},
    {"max", 2, FLOW_CALL_MAX, 0, greatest},
    {"clip", 3, 3, 0, clip},
    {"digitize", 2, FLOW_CALL_MAX, 0, digitize},
    {"bucket", 2, 2, 0, bucket},
    {"round", 1, 2, 0, round_off},
    {"floor", 1, 1, 0, round_down},
    {"ceil", 1, 1, 0, round_up},
    {"trunc", 1, 1, 0, round_to_zero},
    {"sqrt", 1, 1, 0, square_root},
    {"exp", 1, 1, 0, exponential},
    {"log", 1, 2, 0, logarithm},
    {"log1p", 1, 1, 0, logarithm_1p},
    {"log2", 1, 1, 0, logarithm_2},
    {"log10", 1, 1, 0, logarithm_10},
    {"pow", 2, 2, 0, power},
    {"sin", 1, 1, 0, sine},
    {"cos", 1, 1, 0, cosine},
    {"atan2", 2, 2, 0, arc_tangent_2},
    {"tanh", 1, 1, 0, hyperbolic_tangent},
    {"sigmoid", 1, 1, 0, sigmoid},
    {"haversine", 4, 4, 0, haversine},
    {"is_nan", 1, 1, 1, is_nan},
    {NULL, 0, 0, 0, NULL},
};

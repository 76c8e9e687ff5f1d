/* functions_of_times.c - functions of times that expressions call.
**
** A time is a number since the epoch, in a unit that its size tells: below 1e11 seconds, below 1e14
** milliseconds, below 1e17 microseconds, else nanoseconds; so all times from 1973 to 5138 are told
** apart. The calendar is the Gregorian one, in UTC; an offset, in nanoseconds, is added before. */
#include "arithmetic.h"
#include "functions.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SECOND ((flow_wide)1000000000)
#define DAY (86400 * SECOND)
#define OFFSET_MAX (2 * DAY)

static flow_wide floor_divide(flow_wide a, flow_wide b) {
  return a / b - (a % b != 0 && a < 0); /* b > 0 */
}

/* The time in nanoseconds, and its unit. 0; -1: it is no time. */
static int read_time(const stream_value *value, flow_wide *ns, int64_t *unit) {
  if (!flow_is_number(value)) return -1;
  double size = fabs(flow_double_of(value));
  if (!(size < 0x1p64)) return -1;
  *unit = size < 1e11 ? 1000000000 : size < 1e14 ? 1000000 : size < 1e17 ? 1000 : 1;
  if (value->kind == STREAM_INTEGER) {
    *ns = flow_wide_of(value) * *unit;
    return 0;
  }
  double whole = floor(value->number); /* the fraction by itself: it would be rounded otherwise */
  *ns = (flow_wide)whole * *unit + (flow_wide)((value->number - whole) * (double)*unit);
  return 0;
}

/* Of a time with an optional offset. 0 or -1. */
static int read_local(const stream_value *values, uint32_t count, flow_wide *ns) {
  int64_t unit;
  if (read_time(&values[0], ns, &unit) != 0) return -1;
  if (count == 1) return 0;
  if (values[1].kind != STREAM_INTEGER) return -1;
  flow_wide offset = flow_wide_of(&values[1]);
  if (offset < -OFFSET_MAX || offset > OFFSET_MAX) return -1;
  *ns += offset;
  return 0;
}

typedef struct date {
  int64_t year;
  int month, day, day_of_year; /* from 1 */
} date;

/* Years begin in March here, so that a leap day is the last one; 400 years have 146,097 days. */
static date date_of(flow_wide ns) {
  int64_t days = (int64_t)floor_divide(ns, DAY) + 719468; /* since the 1st of March of the year 0 */
  int64_t cycle = (int64_t)floor_divide(days, 146097);
  int64_t of_cycle = days - cycle * 146097;
  int64_t year = (of_cycle - of_cycle / 1460 + of_cycle / 36524 - of_cycle / 146096) / 365;
  int64_t of_year = of_cycle - (365 * year + year / 4 - year / 100);
  int month = (int)((5 * of_year + 2) / 153); /* from March, 0 */
  date found = {.day = (int)(of_year - (153 * month + 2) / 5) + 1};
  found.month = month < 10 ? month + 3 : month - 9;
  found.year = year + cycle * 400 + (month >= 10);
  int64_t y = found.year;
  int leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  found.day_of_year = (int)(month < 10 ? of_year + 60 + leap : of_year - 305);
  return found;
}

/* ---- Parts of a time ---------------------------------------------------- */

static stream_value clock_part(const stream_value *values, uint32_t count, flow_wide unit,
                               int64_t most) {
  flow_wide ns;
  if (read_local(values, count, &ns) != 0) return flow_nil();
  flow_wide whole = floor_divide(ns, unit);
  return flow_from_wide(whole - floor_divide(whole, most) * most);
}

static stream_value second(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  return clock_part(values, count, SECOND, 60);
}

static stream_value minute(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  return clock_part(values, count, 60 * SECOND, 60);
}

static stream_value hour(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  return clock_part(values, count, 3600 * SECOND, 24);
}

/* 0 is Monday; the epoch was a Thursday. */
static stream_value weekday(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  flow_wide ns;
  if (read_local(values, count, &ns) != 0) return flow_nil();
  flow_wide days = floor_divide(ns, DAY) + 3;
  return flow_from_wide(days - floor_divide(days, 7) * 7);
}

static stream_value day(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  flow_wide ns;
  return read_local(values, count, &ns) != 0 ? flow_nil() : flow_integer(date_of(ns).day);
}

static stream_value month(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  flow_wide ns;
  return read_local(values, count, &ns) != 0 ? flow_nil() : flow_integer(date_of(ns).month);
}

static stream_value year(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  flow_wide ns;
  return read_local(values, count, &ns) != 0 ? flow_nil() : flow_integer(date_of(ns).year);
}

static stream_value yearday(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  flow_wide ns;
  return read_local(values, count, &ns) != 0 ? flow_nil() : flow_integer(date_of(ns).day_of_year);
}

static stream_value date_text(const stream_value *values, uint32_t count, flow_arena *arena) {
  flow_wide ns;
  char *text = flow_arena_take(arena, 48);
  if (text == NULL || read_local(values, count, &ns) != 0) return flow_nil();
  date found = date_of(ns);
  int len = snprintf(text, 48, "%04lld-%02d-%02d", (long long)found.year, found.month, found.day);
  return flow_string((stream_text){text, (size_t)len});
}

/* ---- Rounding ----------------------------------------------------------- */

/* floor_time(t, width[, offset]): where the interval begins that t is in, in the unit of t. */
static stream_value floor_time(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  flow_wide ns, offset = 0;
  int64_t unit;
  if (read_time(&values[0], &ns, &unit) != 0) return flow_nil();
  if (values[1].kind != STREAM_INTEGER || values[1].negative || values[1].integer == 0)
    return flow_nil();
  if (count == 3) {
    if (values[2].kind != STREAM_INTEGER) return flow_nil();
    offset = flow_wide_of(&values[2]);
  }
  flow_wide width = flow_wide_of(&values[1]);
  ns = floor_divide(ns + offset, width) * width - offset;
  if (values[0].kind == STREAM_INTEGER) return flow_from_wide(floor_divide(ns, unit));
  flow_wide whole = floor_divide(ns, unit);
  return flow_float((double)whole + (double)(ns - whole * unit) / (double)unit);
}

const flow_function flow_functions_of_times[] = {
    {"second", 1, 2, 0, second},  {"minute", 1, 2, 0, minute},
    {"hour", 1, 2, 0, hour},      {"weekday", 1, 2, 0, weekday},
    {"day", 1, 2, 0, day},        {"month", 1, 2, 0, month},
    {"year", 1, 2, 0, year},      {"yearday", 1, 2, 0, yearday},
    {"date", 1, 2, 0, date_text}, {"floor_time", 2, 3, 0, floor_time},
    {NULL, 0, 0, 0, NULL},
};

/* series.c - see series.h. */
#include "series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

typedef struct point {
  int64_t time_ns;
  uint64_t sequence;
  double value;
} point;

/* What the points of a step come to. */
typedef struct step {
  uint64_t count; /* 0: none yet */
  double sum, rest, min, max;
  point first, last;
} step;

typedef struct scan {
  const series_query *query;
  uint32_t most; /* rows */
  int status;
  point *points; /* without steps */
  size_t point_count, point_capacity;
  step *steps;
  size_t room;       /* for so many of them */
  int64_t base;      /* number of steps[0], counted from the epoch */
  int used;          /* there are any: */
  int64_t low, high; /* their numbers; the others are zeros */
} scan;

/* ---- Gathering ---------------------------------------------------------- */

static int read_number(const series_query *query, const store_event *event, double *number) {
  stream_value value;
  if (!stream_find_field((stream_text){event->value.data, event->value.len},
                         (stream_text){query->field.data, query->field.len}, &value))
    return 0;
  if (value.kind == STREAM_INTEGER)
    *number = value.negative ? (double)(int64_t)value.integer : (double)value.integer;
  else if (value.kind == STREAM_FLOAT) *number = value.number;
  else return 0;
  return !isnan(*number);
}

static int64_t step_of(int64_t time_ns, int64_t step_ns) {
  int64_t step = time_ns / step_ns;
  return step - (time_ns % step_ns < 0);
}

static int add_point(scan *s, point one) {
  if (s->point_count == s->most) return SERIES_E_ROWS;
  if (s->point_count == s->point_capacity) {
    size_t capacity = s->point_capacity != 0 ? s->point_capacity * 2 : 256;
    point *more = realloc(s->points, capacity * sizeof *more);
    if (more == NULL) return SERIES_E_NOMEM;
    s->points = more;
    s->point_capacity = capacity;
  }
  s->points[s->point_count++] = one;
  return SERIES_OK;
}

/* Room for the steps from `low` to `high`, and as many more on the side to which they grow, so that
** moving them costs little in all. */
static int make_room(scan *s, int64_t low, int64_t high) {
  if (s->room != 0 && low >= s->base && high < s->base + (int64_t)s->room) return SERIES_OK;
  int64_t span = high - low + 1, base = low, count = span * 2;
  if (s->used && low < s->low && low > INT64_MIN + span) base = low - span;
  step *more = calloc((size_t)count, sizeof *more);
  if (more == NULL) return SERIES_E_NOMEM;
  if (s->used) {
    size_t kept = (size_t)(s->high - s->low + 1);
    memcpy(more + (s->low - base), s->steps + (s->low - s->base), kept * sizeof *more);
  }
  free(s->steps);
  s->steps = more;
  s->base = base;
  s->room = (size_t)count;
  return SERIES_OK;
}

/* Have the steps from one number to another as well. */
static int cover(scan *s, int64_t first, int64_t last) {
  int64_t low = s->used && s->low < first ? s->low : first;
  int64_t high = s->used && s->high > last ? s->high : last;
  if ((uint64_t)high - (uint64_t)low >= s->most) return SERIES_E_ROWS;
  int status = make_room(s, low, high);
  if (status != SERIES_OK) return status;
  s->used = 1;
  s->low = low;
  s->high = high;
  return SERIES_OK;
}

static int is_before(const point *a, const point *b) {
  return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->sequence < b->sequence;
}

static void add_to_step(step *to, point one) {
  double x = one.value;
  if (to->count++ == 0) {
    *to = (step){1, x, 0, x, x, one, one};
    return;
  }
  double sum = to->sum + x; /* Neumaier's */
  if (isfinite(sum))
    to->rest += fabs(to->sum) >= fabs(x) ? (to->sum - sum) + x : (x - sum) + to->sum;
  to->sum = sum;
  if (x < to->min) to->min = x;
  if (x > to->max) to->max = x;
  if (is_before(&one, &to->first)) to->first = one;
  if (is_before(&to->last, &one)) to->last = one;
}

static int see(void *arg, const store_event *event) {
  scan *s = arg;
  const series_query *query = s->query;
  if (query->poll != NULL && query->poll(query->poll_arg) != 0) {
    s->status = SERIES_E_STOPPED;
    return 1;
  }
  if (event->time_ns < query->from_ns ||
      (event->time_ns >= query->until_ns && query->until_ns != INT64_MAX))
    return 0;
  if (query->key.data != NULL && (event->key.len != query->key.len ||
                                  memcmp(event->key.data, query->key.data, query->key.len) != 0))
    return 0;
  point one = {event->time_ns, event->sequence, 0};
  if (!read_number(query, event, &one.value)) return 0;
  if (query->step_ns == 0) {
    s->status = add_point(s, one);
  } else {
    int64_t number = step_of(one.time_ns, query->step_ns);
    s->status = cover(s, number, number);
    if (s->status == SERIES_OK) add_to_step(&s->steps[number - s->base], one);
  }
  return s->status != SERIES_OK;
}

/* ---- Rows --------------------------------------------------------------- */

static int by_time(const void *a, const void *b) {
  return is_before(a, b) ? -1 : is_before(b, a);
}

static void show_points(scan *s, series_visit *visit, void *arg) {
  if (s->point_count != 0) qsort(s->points, s->point_count, sizeof *s->points, by_time);
  for (size_t i = 0; i < s->point_count; i++)
    if (visit(arg, s->points[i].time_ns, &s->points[i].value, 1) != 0) return;
}

static double sum_of(const step *of) {
  return of->sum + of->rest;
}

static double value_of(const step *of, series_function function) {
  switch (function) {
  case SERIES_COUNT: return (double)of->count;
  case SERIES_SUM: return sum_of(of);
  case SERIES_MEAN: return sum_of(of) / (double)of->count;
  case SERIES_MIN: return of->min;
  case SERIES_MAX: return of->max;
  case SERIES_FIRST: return of->first.value;
  default: return of->last.value;
  }
}

/* Of a step without points; `before` and `after`: the next ones that have any, or NULL. */
static double filled(const series_query *query, const step *here, const step *before,
                     const step *after, series_function function) {
  if (query->fill == SERIES_FILL_VALUE) return query->value;
  if (query->fill == SERIES_FILL_PREVIOUS && before != NULL) return value_of(before, function);
  if (query->fill != SERIES_FILL_LINEAR || before == NULL || after == NULL) return NAN;
  double from = value_of(before, function), to = value_of(after, function);
  double share = (double)(here - before) / (double)(after - before);
  return from * (1 - share) + to * share;
}

/* When a step begins; the first of all may begin before time does. */
static int64_t time_of(const scan *s, int64_t number) {
  int64_t time_ns;
  return __builtin_mul_overflow(number, s->query->step_ns, &time_ns) ? INT64_MIN : time_ns;
}

static void show_steps(const scan *s, series_visit *visit, void *arg) {
  if (!s->used) return;
  const series_query *query = s->query;
  const step *end = s->steps + (s->high - s->base) + 1, *before = NULL, *after = NULL;
  for (const step *here = s->steps + (s->low - s->base); here < end; here++) {
    double values[SERIES_FUNCTIONS_MAX];
    if (here->count == 0 && query->fill == SERIES_FILL_NONE) continue;
    if (here->count == 0 && (after == NULL || after < here))
      for (after = here; after < end && after->count == 0;) after++;
    for (uint32_t f = 0; f < query->function_count; f++)
      values[f] = here->count != 0 ? value_of(here, query->functions[f])
                                   : filled(query, here, before, after < end ? after : NULL,
                                            query->functions[f]);
    if (here->count != 0) before = here;
    if (visit(arg, time_of(s, s->base + (here - s->steps)), values, here->count) != 0) return;
  }
}

/* With the steps of the span that have no points, where it has a beginning and an end. */
static int fill_in(scan *s) {
  const series_query *query = s->query;
  if (query->step_ns == 0 || query->fill == SERIES_FILL_NONE) return SERIES_OK;
  int from = query->from_ns != INT64_MIN, until = query->until_ns != INT64_MAX;
  if (!s->used && !(from && until)) return SERIES_OK;
  return cover(s, from ? step_of(query->from_ns, query->step_ns) : s->low,
               until ? step_of(query->until_ns - 1, query->step_ns) : s->high);
}

static int is_valid(const series_query *query) {
  if (query->field.len == 0 || query->from_ns >= query->until_ns || query->step_ns < 0) return 0;
  if (query->function_count > SERIES_FUNCTIONS_MAX || isnan(query->value) ||
      query->rows > SERIES_ROWS_MAX)
    return 0;
  if ((query->step_ns == 0) != (query->function_count == 0)) return 0;
  for (uint32_t i = 0; i < query->function_count; i++)
    if ((unsigned)query->functions[i] > SERIES_LAST) return 0;
  return (unsigned)query->fill <= SERIES_FILL_VALUE;
}

int series_read(store_stream *stream, const series_query *query, series_visit *visit, void *arg,
                int *store_status) {
  if (!is_valid(query)) return SERIES_E_INVALID;
  scan s = {.query = query, .most = query->rows != 0 ? query->rows : SERIES_ROWS_MAX};
  int bounded = query->from_ns != INT64_MIN && query->until_ns != INT64_MAX;
  int64_t visited =
      query->key.data != NULL && !bounded
          ? store_read_key(stream, query->key, UINT64_MAX, see, &s)
          : store_read_times(stream, query->from_ns, query->until_ns, 0, UINT64_MAX, see, &s);
  if (visited < 0) {
    *store_status = (int)visited;
    s.status = SERIES_E_STORE;
  }
  if (s.status == SERIES_OK) s.status = fill_in(&s);
  if (s.status == SERIES_OK) {
    if (query->step_ns == 0) show_points(&s, visit, arg);
    else show_steps(&s, visit, arg);
  }
  free(s.points);
  free(s.steps);
  return s.status;
}

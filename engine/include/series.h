/* series.h - a stream of events as a time series: points, or what comes to each step of time.
**
** A point is an event whose field is a number; others are passed over, and so are NaN. Times are the
** events' own, so what came late is where it belongs. Limits first:
**
** - An answer has at most SERIES_ROWS_MAX rows, filled gaps included; else SERIES_E_ROWS. Memory is taken
**   for twice the rows, of 88 bytes each.
** - All points of a span are looked at: the store finds the chunks of events that may be in it by their
**   times. Of a key in a span without a beginning or an end, only its own events are.
** - Any thread may read at any time. Events appended meanwhile are in the answer or not.
**
** Steps begin at multiples of their length since the epoch; the first and the last may be cut short by
** the span. Of a step with points there are the functions below; `first` and `last` go by time, and of
** equal times by arrival. Sums are compensated; integers beyond 2^53 are rounded.
*/
#ifndef SERIES_H
#define SERIES_H

#include "store.h"

#define SERIES_ROWS_MAX 1000000u
#define SERIES_FUNCTIONS_MAX 8

typedef enum series_function {
  SERIES_COUNT,
  SERIES_SUM,
  SERIES_MEAN,
  SERIES_MIN,
  SERIES_MAX,
  SERIES_FIRST,
  SERIES_LAST
} series_function;

/* What stands for a step without points, from the span's beginning to its end where it has them, else
** between the first step that has points and the last one. */
typedef enum series_fill {
  SERIES_FILL_NONE,     /* no row */
  SERIES_FILL_NIL,      /* a row without values */
  SERIES_FILL_PREVIOUS, /* the values of the step before; none before the first */
  SERIES_FILL_LINEAR,   /* on the line between the steps around it; none at the ends */
  SERIES_FILL_VALUE
} series_fill;

typedef enum series_status {
  SERIES_OK = 0,
  SERIES_E_NOMEM = -1,
  SERIES_E_INVALID = -2,
  SERIES_E_ROWS = -3, /* there would be too many */
  SERIES_E_STORE = -4, /* *store_status says why */
  SERIES_E_STOPPED = -5
} series_status;

typedef struct series_query {
  store_bytes key; /* data NULL: of all keys */
  store_bytes field; /* with dots into nested maps */
  int64_t from_ns;   /* INT64_MIN: from the first on */
  int64_t until_ns;  /* not included; INT64_MAX: to the last */
  int64_t step_ns;   /* 0: the points themselves, in the order of time */
  uint32_t function_count; /* 1 or more with steps, 0 without */
  series_function functions[SERIES_FUNCTIONS_MAX];
  series_fill fill;
  double value; /* of SERIES_FILL_VALUE */
  uint32_t rows; /* at most, up to SERIES_ROWS_MAX; 0: so many */
  /* Called for each event that is looked at; not 0 ends it with SERIES_E_STOPPED. NULL: none is */
  int (*poll)(void *arg);
  void *poll_arg;
} series_query;

/* A row: when its step begins, or the point's time, and a value for each function, or the point's. NaN:
** there is none. `points`: how many there are. Not 0 ends it. */
typedef int series_visit(void *arg, int64_t time_ns, const double *values, uint64_t points);

int series_read(store_stream *stream, const series_query *query, series_visit *visit, void *arg,
                int *store_status);

#endif

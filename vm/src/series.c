/* series.c - streams as time series, as MessagePack. */
#include "series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_store.h"
#include "rows.h"

static const char *const FUNCTIONS[] = {"count", "sum", "mean", "min", "max", "first", "last"};
static const char *const FILLS[] = {"none", "null", "previous", "linear", "value"};

static int find_word(const char *const *words, size_t count, const char *text, size_t len) {
  for (size_t i = 0; i < count; i++)
    if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0) return (int)i;
  return -1;
}

static int refuse(char *err, const char *what) {
  if (err != NULL) snprintf(err, PVM_ERR_MAX, "%s", what);
  return PVM_E_INVALID;
}

static int read_functions(const char *list, series_query *query, char *err) {
  for (const char *at = list; *at != 0;) {
    size_t len = strcspn(at, ",");
    int function = find_word(FUNCTIONS, sizeof FUNCTIONS / sizeof *FUNCTIONS, at, len);
    if (function < 0)
      return refuse(err,
                    "a function of a series is one of count, sum, mean, min, max, first, last");
    if (query->function_count == SERIES_FUNCTIONS_MAX)
      return refuse(err, "a series has at most 8 functions");
    query->functions[query->function_count++] = (series_function)function;
    at += len;
    at += *at == ',';
  }
  return PVM_OK;
}

static int read_query(const pvm_series_query *given, series_query *query, char *err) {
  *query = (series_query){.key = {given->key, given->key_len},
                          .field = {given->field, strlen(given->field)},
                          .from_ns = given->from_ns,
                          .until_ns = given->until_ns,
                          .step_ns = given->step_ns,
                          .value = given->value,
                          .rows = given->rows};
  int fill = find_word(FILLS, sizeof FILLS / sizeof *FILLS, given->fill, strlen(given->fill));
  if (fill < 0) return refuse(err, "gaps are filled by one of none, null, previous, linear, value");
  query->fill = (series_fill)fill;
  if (query->field.len == 0) return refuse(err, "a series is of a field: name one");
  if (query->from_ns >= query->until_ns)
    return refuse(err, "the span of a series ends before it begins");
  if (query->step_ns < 0) return refuse(err, "the step of a series is more than 0");
  if (isnan(query->value)) return refuse(err, "what fills gaps is no number");
  int status = read_functions(given->functions, query, err);
  if (status != PVM_OK) return status;
  if (query->step_ns != 0 && query->function_count == 0)
    return refuse(err, "what is each step to have? name a function, such as mean");
  if (query->step_ns == 0 && query->function_count != 0)
    return refuse(err, "functions are of steps of time: name the length of one");
  return PVM_OK;
}

/* ---- Writing ------------------------------------------------------------ */

typedef struct series_rows {
  pvm_rows rows;
  const series_query *query;
} series_rows;

static unsigned char *put_value(unsigned char *at, double value, int whole) {
  uint64_t bits;
  if (isnan(value)) return stream_put(at, 0xc0, 0, 0);
  if (whole) return stream_put(at, 0xcf, (uint64_t)value, 8);
  memcpy(&bits, &value, sizeof bits);
  return stream_put(at, 0xcb, bits, 8);
}

static int write_row(void *arg, int64_t time_ns, const double *values, uint64_t points) {
  series_rows *w = arg;
  uint32_t functions = w->query->function_count;
  unsigned char *at = pvm_rows_next(&w->rows, 10 + 9 * SERIES_FUNCTIONS_MAX);
  if (at == NULL) return 1;
  at = stream_put_array(at, 1 + (functions != 0 ? functions : 1));
  at = stream_put(at, 0xd3, (uint64_t)time_ns, 8);
  if (functions == 0) at = put_value(at, values[0], 0);
  for (uint32_t i = 0; i < functions; i++)
    at = put_value(at, values[i], points != 0 && w->query->functions[i] == SERIES_COUNT);
  pvm_rows_end(&w->rows, at);
  return 0;
}

int pvm_series_read(pvm_store *handle, const pvm_series_query *query, pvm_buffer *rows, char *err) {
  return pvm_series_read_polled(handle, query, NULL, rows, err);
}

static int refuse_rows(char *err, uint32_t most) {
  if (err != NULL)
    snprintf(err, PVM_ERR_MAX,
             "the series has more than %u rows: take a longer step, or a shorter span", most);
  return PVM_E_INVALID;
}

int pvm_series_read_polled(pvm_store *handle, const pvm_series_query *query, int (*poll)(void *),
                           pvm_buffer *rows, char *err) {
  if (handle == NULL || query == NULL || rows == NULL) return PVM_E_INVALID;
  if (query->stream == NULL || query->field == NULL || query->functions == NULL ||
      query->fill == NULL)
    return PVM_E_INVALID;
  series_query own;
  int status = read_query(query, &own, err);
  if (status != PVM_OK) return status;
  own.poll = poll;
  store_stream *stream = pvm_store_find(handle, query->stream);
  if (stream == NULL) return PVM_E_UNKNOWN;
  series_rows w = {.query = &own};
  if (pvm_rows_begin(&w.rows) != PVM_OK) return PVM_E_NOMEM;
  int store_status = STORE_OK;
  int read = series_read(stream, &own, write_row, &w, &store_status);
  if (read == SERIES_OK) return pvm_rows_finish(&w.rows, rows);
  pvm_rows_free(&w.rows);
  if (read == SERIES_E_ROWS) return refuse_rows(err, own.rows != 0 ? own.rows : SERIES_ROWS_MAX);
  return read == SERIES_E_STOPPED   ? PVM_E_STATE
         : read == SERIES_E_STORE   ? pvm_store_status(store_status)
         : read == SERIES_E_INVALID ? PVM_E_INVALID
                                    : PVM_E_NOMEM;
}

/* aggregate.h - what many rows come to: counts, sums, sketches.
**
** An aggregate is a function with its parameters; a *state* of it is what the rows of one key and
** window have come to so far. A state has a fixed size, may be moved as bytes, and may own more memory,
** which is counted. States merge: windows that slide are made of panes, sessions that meet become one.
** Merging gives what adding the rows one by one would have given, but for the order among rows of equal
** times, for rounding, and for the errors of sketches.
**
**   count count_if(x)                            of all rows; of those where x is true
**   sum mean min max                             of numbers; of none: sum is 0, the others nil
**   variance(x[, ddof]) stddev(x[, ddof])        of a sample, ddof 1; nil for ddof rows and fewer
**   first last                                   by the time of the rows; of equal times, as they came
**   min_by(x, y) max_by(x, y)                    x of the row whose number y is least, greatest
**   distinct(x[, most])                          exact up to 65,536 or `most`; then as with 14 bits
**   distinct_approx(x[, bits])                   HyperLogLog, 4 to 16 bits, 12; exact up to 2^bits / 16
**   top_k(x, k)                                  [[value, count], ...], the most frequent first
**   quantile(x, q[, k])                          KLL, k 200
**   last_n(x, n) collect(x, n)                   array of the last, the first n by time, oldest first
**   decayed_sum(x, halflife_ns)                  at the time of the latest row
**
** Nil is passed over by all but count and count_if, and what is no number by those of numbers; NaN is
** passed over where order matters: by min, max, min_by, max_by and quantile.
**
** Errors. Sums are compensated: what is lost does not grow with the number of rows. Distinct values are
** told apart by 64-bit hashes; with b bits the standard error is 1.04 / sqrt(2^b). top_k has 8 k counters,
** 64 at least: it is exact for so many different values; beyond, a count is too high by at most the
** number of rows over the number of counters, never too low. The rank of a quantile is off by less than
** 1 % with k 200 in 99 of 100 cases, in inverse proportion to k; exact up to k values.
*/
#ifndef FLOW_AGGREGATE_H
#define FLOW_AGGREGATE_H

#include "row.h"

#define FLOW_ARGUMENTS_MAX 2 /* values of a row that an aggregate takes */

typedef struct flow_aggregate flow_aggregate;

/* By name, with `parameters`: the literals behind the values in the lists above. STREAM_OK, _E_NOMEM,
** or _E_INVALID with a sentence. arguments: how many values of a row it takes. */
int flow_aggregate_new(stream_text name, const stream_value *parameters, uint32_t parameter_count,
                       flow_aggregate **out, uint32_t *arguments, char *err);
void flow_aggregate_free(flow_aggregate *aggregate);
/* Of a state; a multiple of 8. */
size_t flow_aggregate_bytes(const flow_aggregate *aggregate);
void flow_aggregate_begin(const flow_aggregate *aggregate, void *state);
/* *held: bytes that states own beyond themselves, counted up and down. STREAM_OK or _E_NOMEM, and then
** the row has not counted. */
int flow_aggregate_add(const flow_aggregate *aggregate, void *state, const stream_value *arguments,
                       int64_t time_ns, int64_t *held);
/* `from` is unchanged. STREAM_OK or _E_NOMEM, and then only a part of it may have been merged. */
int flow_aggregate_merge(const flow_aggregate *aggregate, void *state, const void *from,
                         int64_t *held);
/* Containers and text are in the arena. Without memory: nil. */
stream_value flow_aggregate_result(const flow_aggregate *aggregate, const void *state,
                                   flow_arena *arena);
void flow_aggregate_end(const flow_aggregate *aggregate, void *state, int64_t *held);

#endif

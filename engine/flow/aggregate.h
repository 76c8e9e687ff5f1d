/* aggregate.h - what many rows come to: counts, sums, sketches.
**
** An aggregate is a function with its parameters; a *state* of it is what the rows of one key and
** window have come to so far. A state has a fixed size and may own more memory, which is counted.
** States merge: windows that slide are made of panes, sessions that meet become one. Merging panes in
** the order of their time gives what adding the rows one by one would have given, but for rounding and
** the sketches' error, which aggregate.c says.
**
**   count sum mean variance stddev min max       of numbers; nil and other kinds are passed over
**   first last                                   by the time of the rows; of equal times, as they came
**   min_by(x, y) max_by(x, y)                    x of the row whose y is least, greatest
**   distinct(x) distinct_approx(x[, bits])       exact, bounded; HyperLogLog, 4 to 16 bits, 12
**   top_k(x, k)                                  [[value, count], ...], space-saving, exact while it fits
**   quantile(x, q[, k])                          KLL
**   last_n(x, n)                                 array, oldest first
**   collect(x, n)                                array of the first n
**   decayed_sum(x, halflife_ns)                  at the time of the latest row
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
/* `from` holds later rows, or is another session's; it is unchanged. */
int flow_aggregate_merge(const flow_aggregate *aggregate, void *state, const void *from,
                         int64_t *held);
/* Containers and text are in the arena. Without memory: nil. */
stream_value flow_aggregate_result(const flow_aggregate *aggregate, const void *state,
                                   flow_arena *arena);
void flow_aggregate_end(const flow_aggregate *aggregate, void *state, int64_t *held);

#endif

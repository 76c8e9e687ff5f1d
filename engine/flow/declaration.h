/* declaration.h - flows as they are written, checked and compiled.
**
** A MessagePack map. What is absent or nil has the value in parentheses; *_ns are nanoseconds;
** EXPR is what expression.h takes.
**
**   "name"         text, 1 to FLOW_NAME_MAX bytes
**   "from"         array of the names of streams, each once
**   "lateness_ns"  (0) how long the watermark stays behind the latest event of the stream that is behind
**   "idle_ns"      (0: the set's) after so long a silent stream does not hold it back
**   "late_into"    (none) a stream that events are put into which came too late
**   "arrival"      (false) an event's time is that of its arrival
**   "steps"        array of maps with one field each, below
**   "into"         {"table" | "stream" | "task": name, "key": EXPR (the last key; else the event's),
**                  "merge": flag (false; of tables)}
**
** Rows of a stream have the columns that an event's map has; _time (ns), _key and _stream are its own.
**
**   {"filter": EXPR}
**   {"map": {"columns": [[name, EXPR], ...], "keep": flag (true): other columns stay}}
**   {"key_by": [[name, EXPR], ...]}   of the windows, sequences and tops that follow
**   {"lookup": {"table": name, "key": EXPR, "columns": [[name, field], ...]}}
**             what the table knew of the key at the row's time; nil where there is none
**   {"rules": {"column": name, "rules": [[name, EXPR], ...]}}   an array of the names that hold
**   {"window": {"kind": ..., "emit": "close" | "update" ("close"), "ttl_ns": (0: never),
**               "aggregates": [[name, function, [EXPR, ...], [literal, ...]], ...]}}
**       "tumbling"  size_ns, offset_ns (0)
**       "sliding"   size_ns, step_ns, offset_ns (0); at most FLOW_PANES_MAX steps to a size
**       "session"   gap_ns: ends when for so long no row came
**       "count"     rows: a result for every so many
**       "span"      open, close: EXPR; timeout_ns (0: none)
**       "running"   a result on every row
**     Columns of the result: those of the key, window_start and window_end (ns; unless the key has one
**     of that name), the aggregates. Of a running one without the window's. The times of count windows and spans are those of the first
**     and the last row.
**   {"join": {"from": [...], "steps": [...], "on": [[EXPR of left, EXPR of right], ...],
**             "lower_ns", "upper_ns": of right's time - left's, or "window_ns",
**             "outer": flag (false), "columns": [[name, EXPR of left.NAME, right.NAME,
**             window_start and window_end], ...]}}
**   {"sequence": {"steps": [[name, EXPR], ...], "within_ns": (0), "ttl_ns": (0),
**                 "columns": [[name, EXPR of STEP.NAME], ...]}}
**   {"top": {"n": 1 or more, "by": EXPR, "ties": flag (false), "size_ns": of the tumbling window}}
**     Needs columns that are known (after a window, a join, or a map that keeps no others). Adds the
**     column rank.
*/
#ifndef FLOW_DECLARATION_H
#define FLOW_DECLARATION_H

#include "stage.h"

#define FLOW_PANES_MAX 4096

/* A core without state, with one reference; NULL with a sentence in `err`. */
flow_core *flow_declaration_compile(flow_set *set, const void *declaration, size_t len, char *err,
                                    int *status);

#endif

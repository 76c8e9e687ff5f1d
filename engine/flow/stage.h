/* stage.h - what a flow is made of: stages, one after the other, and the rows that go through them.
**
** A declaration is compiled into a flow_core. Stages lie in an order in which each hands its rows to
** later ones only; a join is where two chains meet. Stages without state (filter, map, lookup, rules)
** do their work where the row is; stages with state keep it by key, in the shards of the set
** (keyed.h).
**
** Rows leave a stage with state through the run's list of outputs, which is handed on once no lock is
** held. What a row points to lives in the run's arena, in the event, or in the declaration.
*/
#ifndef FLOW_STAGE_H
#define FLOW_STAGE_H

#include <pthread.h>
#include <stdatomic.h>

#include "../include/flow.h"
#include "aggregate.h"
#include "expression.h"

#define FLOW_KEYS_MAX 8          /* values that make a key */
#define FLOW_KEY_BYTES_MAX 65536 /* of a key */
#define FLOW_INPUTS_MAX 8
#define FLOW_STREAMS_MAX 16    /* of an input */
#define FLOW_AGGREGATES_MAX 32 /* of a window */
#define FLOW_NEVER INT64_MAX   /* due at no time */

typedef struct flow_core flow_core;
typedef struct flow_stage flow_stage;

/* A row on its way. */
typedef struct flow_row {
  stream_value *values; /* by the columns of the stage that it comes to */
  int64_t time_ns;
  stream_text whole;       /* of open columns: the event's map */
  const flow_event *event; /* that it comes straight from; NULL */
  uint32_t way;            /* as flow_output has it */
} flow_row;

typedef struct flow_result {
  struct flow_result *next;
  flow_row row;
} flow_result;

/* One thread's work on one flow, at one event or tick. */
typedef struct flow_run {
  struct flow_run *next; /* of those that are free */
  flow_set *set;
  flow *flow;
  void *context; /* of the caller, for emit */
  flow_arena *arena;
  flow_result *first, **last;
  uint32_t way; /* of the rows that are put out now */
  int again;    /* the event has come before, to another process maybe */
  int late;     /* the stage found its row late; told once no lock is held */
  int refused;  /* the stage could not take its row */
} flow_run;

typedef enum flow_operator {
  FLOW_FILTER,
  FLOW_MAP,
  FLOW_LOOKUP,
  FLOW_RULES,
  FLOW_WINDOW, /* and what follows: with state, by key */
  FLOW_JOIN,
  FLOW_SEQUENCE,
  FLOW_TOP
} flow_operator;

/* An expression with the column that its value goes to. */
typedef struct flow_column {
  flow_expression *value;
  uint32_t column;
} flow_column;

typedef struct flow_assignments {
  uint32_t count;
  flow_column *item;
} flow_assignments;

typedef struct flow_group {
  uint32_t count; /* 0: all rows have one key */
  flow_expression *value[FLOW_KEYS_MAX];
  stream_text name[FLOW_KEYS_MAX];
} flow_group;

typedef enum flow_window_kind {
  FLOW_TUMBLING, /* and sliding: of panes */
  FLOW_SESSION,
  FLOW_COUNT,
  FLOW_SPAN,
  FLOW_RUNNING
} flow_window_kind;

typedef struct flow_measure {
  flow_aggregate *aggregate;
  uint32_t argument_count;
  flow_expression *argument[FLOW_ARGUMENTS_MAX];
  size_t offset; /* of its state in a pane's */
} flow_measure;

typedef struct flow_window {
  flow_window_kind kind;
  int update; /* a result on each row, none at the end */
  int64_t size_ns, step_ns, offset_ns, pane_ns;
  int64_t gap_ns;     /* of sessions */
  int64_t timeout_ns; /* of spans; 0: none */
  int64_t ttl_ns;     /* a key that rests so long goes; 0: never */
  uint64_t rows;      /* of a count window */
  flow_expression *open, *close;
  int has_start, has_end; /* columns; a part of the key may be called so instead */
  uint32_t measure_count;
  flow_measure measure[FLOW_AGGREGATES_MAX];
  size_t state_bytes; /* of all measures */
} flow_window;

typedef struct flow_join {
  int outer;                  /* a left row without a match leaves with nils */
  int64_t window_ns;          /* 0: an interval join */
  int64_t lower_ns, upper_ns; /* of right.time - left.time */
  flow_group group[2];
  flow_columns *sides[2];
  flow_columns *joined; /* what the output is computed from: left., right., window_ */
  struct flow_origin {
    int8_t side; /* 0, 1; 2: window_start, 3: window_end */
    uint32_t column;
  } *origin;
  flow_assignments output;
} flow_join;

typedef struct flow_sequence {
  uint32_t count; /* 2 or more */
  flow_expression *step[STREAM_STEPS_MAX];
  int64_t within_ns; /* 0: no limit */
  int64_t ttl_ns;
  flow_columns *matched; /* STEP.COLUMN */
  struct flow_step_origin {
    uint32_t step, column;
  } *origin;
  flow_assignments output;
} flow_sequence;

typedef struct flow_top {
  uint32_t count;
  int ties;
  int64_t size_ns;
  flow_expression *by;
} flow_top;

typedef struct flow_rule {
  stream_text name;
  flow_expression *condition;
} flow_rule;

typedef struct flow_lookup {
  feature_table *table;
  flow_group key;
  flow_columns *fields; /* of the table's rows, by the places of `columns` */
  uint32_t *columns;
} flow_lookup;

/* The keys of a stage that wait for a time, in one shard; a heap, guarded by the shard's lock. */
typedef struct flow_timers {
  struct flow_key **keys;
  uint32_t count, capacity;
  _Atomic int64_t first; /* when the first is due */
} flow_timers;

struct flow_stage {
  flow_core *core;
  flow_operator operator;
  uint32_t number;       /* of the step in the declaration, from 1 */
  flow_stage *next;      /* where its rows go; NULL: out */
  int side;              /* of `next` */
  flow_columns *columns; /* of the rows that come in */
  flow_columns *leaving; /* of those that go out */
  flow_group group;
  flow_timers *timers; /* one a shard; NULL: it has no state */
  _Atomic int64_t due; /* not later than the first of all timers */
  _Atomic int64_t watermark;
  union {
    flow_expression *filter;
    flow_assignments map;
    flow_lookup lookup;
    struct {
      uint32_t count, column;
      flow_rule *rule;
    } rules;
    flow_window window;
    flow_join join;
    flow_sequence sequence;
    flow_top top;
  };
};

/* A stream of an input, with a watermark of its own. */
typedef struct flow_source {
  stream_text stream;
  _Atomic int64_t latest;   /* event time; INT64_MIN: no event yet */
  _Atomic uint64_t events;  /* that came */
  _Atomic uint64_t idle_at; /* it is silent as long as `events` is this */
  uint64_t ticked_events;   /* how many it were at a tick; of ticks alone */
  int64_t ticked_ns;        /* the first tick with so many; 0: none yet */
} flow_source;
#define FLOW_NOT_IDLE UINT64_MAX

/* Where a chain begins. */
typedef struct flow_input {
  uint32_t source_count;
  flow_source source[FLOW_STREAMS_MAX];
  flow_columns *columns;
  flow_stage *first; /* NULL: its rows go out as they are */
  int side;
  int time_column, key_column, stream_column; /* of _time, _key, _stream; -1: not asked for */
} flow_input;

typedef enum flow_sink { FLOW_TO_TABLE, FLOW_TO_STREAM, FLOW_TO_TASK } flow_sink;

/* A compiled declaration with its state; of the flows that say the same, one after the other. */
struct flow_core {
  _Atomic uint32_t references;
  flow_set *set;
  unsigned char *declaration;
  size_t declaration_len;
  stream_text name;
  int64_t lateness_ns;
  int64_t idle_ns;       /* after which a silent source holds nothing back; 0: the set's */
  int arrival;           /* time is that of arrival */
  stream_text late_into; /* a stream; data NULL: late events are only counted */
  uint32_t input_count;
  flow_input input[FLOW_INPUTS_MAX];
  uint32_t stage_count;
  flow_stage *stage[FLOW_STEPS_MAX];
  flow_columns *leaving; /* of what goes out */
  uint64_t computed;     /* of these, if they are open: those that are not the event's */
  flow_group group;      /* the last key; count 0: the event's */
  flow_sink sink;
  stream_text into;
  flow_expression *key; /* NULL: the last key */
  int merge;
  feature_table *table;
  /* All that is to be freed with it. */
  void **columns, **expressions, **blocks;
  uint32_t columns_count, expressions_count, blocks_count;
  /* Time. */
  _Atomic int64_t rested;    /* the latest tick at which all sources were silent; INT64_MIN: none */
  _Atomic int64_t watermark; /* that stages have */
  _Atomic int64_t wanted;    /* that they are to have */
  _Atomic int advancing;     /* somebody sees to that */
  _Atomic uint64_t events, rows, late, dropped, refused, keys, bytes;
};

struct flow {
  _Atomic uint32_t references;
  flow_core *core;
  void *user;
};

/* ---- Rows and runs ---- */

/* A row for the next stage, with `count` values that are nil; NULL without memory. */
flow_row *flow_run_output(flow_run *run, uint32_t count, int64_t time_ns);
/* Bytes that live as long as the run; NULL without memory. */
char *flow_run_copy(flow_run *run, const void *bytes, size_t len);
/* Hand on what a stage has put out; no lock is held. */
void flow_run_hand_on(flow_run *run, const flow_stage *from);
/* A row comes to a stage (NULL: it goes out). Its values may be changed. */
void flow_stage_take(flow_run *run, flow_stage *stage, int side, flow_row *row);
/* A row goes out. */
void flow_sink_put(flow_run *run, flow_row *row);
/* Compute columns of a row into others: all values are computed before the first is stored. */
void flow_assign(const flow_assignments *assignments, const stream_value *from, stream_value *to,
                 flow_arena *arena);
/* The values of a key, MessagePack one after the other; whole floats as integers, so that equal
** numbers are equal keys. len: FLOW_KEY_BYTES_MAX + 1 for a key that is too long. */
stream_text flow_group_key(const flow_group *group, const stream_value *row, flow_arena *arena);
/* A key as text: values with ":" between them. */
stream_text flow_key_text(const stream_value *values, uint32_t count, flow_arena *arena);

/* ---- Stages without state ---- */

/* 0: the row does not go on. */
int flow_stateless_apply(flow_run *run, flow_stage *stage, flow_row *row);

/* ---- Values in memory of their own ---- */

size_t flow_values_bytes(const stream_value *values, uint32_t count);
unsigned char *flow_values_write(unsigned char *at, const stream_value *values, uint32_t count);
/* Their texts point into `packed`. */
void flow_values_read(stream_text packed, stream_value *values, uint32_t count);

/* ---- Time ---- */

/* The latest an int64 holds, instead of going over it. */
static inline int64_t flow_time_sum(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? INT64_MAX : INT64_MIN;
}
/* The beginning of the span of that size that a time lies in. */
static inline int64_t flow_time_floor(int64_t time, int64_t size, int64_t offset) {
  int64_t from = flow_time_sum(time, -offset), rest = from % size;
  return flow_time_sum(time, -(rest < 0 ? rest + size : rest));
}

/* Event time of a source goes on to this. */
void flow_source_saw(flow_source *source, int64_t time_ns);
/* What the sources have seen moves the watermark on, and what is due then fires. The run has no rows:
** its arena is used again and again. */
void flow_core_advance(flow_run *run);
/* Which sources are silent at this time; with the set's lock of ticks. */
void flow_core_tick(flow_core *core, int64_t wall_ns);
/* What ticks knew is forgotten: a source is silent no sooner than its time from the next tick on. */
void flow_core_restart(flow_core *core);
/* No more rows come: all that is open is to give its result. */
void flow_core_finish(flow_core *core);
void flow_core_free(flow_core *core);

#endif

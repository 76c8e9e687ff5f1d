/* compile.h - what the parts of the compiler of declarations share. */
#ifndef FLOW_COMPILE_H
#define FLOW_COMPILE_H

#include "declaration.h"
#include "fields.h"

/* A chain of steps, as far as it is compiled. */
typedef struct flow_chain {
  flow_input *input;
  flow_columns *columns; /* after its last step */
  uint64_t computed;     /* of these, if they are open: those that are not the event's */
  flow_stage *tail;      /* NULL: the input */
  flow_group group;
  stream_text lost; /* a name of a key that a step did not keep; data NULL */
} flow_chain;

typedef struct flow_compiler {
  flow_reading reading;
  flow_set *set;
  flow_core *core;
  int status; /* STREAM_E_NOMEM, once memory was missing */
} flow_compiler;

/* All of these return STREAM_OK or a status, with a sentence; memory belongs to the core. */
void *flow_compile_block(flow_compiler *c, size_t bytes);
flow_columns *flow_compile_columns(flow_compiler *c, int open);
int flow_compile_expression(flow_compiler *c, stream_text packed, const char *name,
                            flow_columns *columns, flow_expression **out);
/* The place of a column that a step makes; -1 with a sentence. */
int flow_compile_column(flow_compiler *c, flow_columns *columns, stream_text name);
/* [[name, EXPR], ...]: values of `from`, into columns of `to`. */
int flow_compile_assignments(flow_compiler *c, stream_text packed, const char *name,
                             flow_columns *from, flow_columns *to, flow_assignments *out);
int flow_compile_group(flow_compiler *c, stream_text packed, flow_columns *columns,
                       flow_group *group);
/* The chain goes on with other columns; its key stays where they have it. */
int flow_compile_replace(flow_compiler *c, flow_chain *chain, flow_columns *columns);
/* A stage that takes the chain's rows, with timers if it has state; its `leaving` is not set. */
flow_stage *flow_compile_stage(flow_compiler *c, flow_chain *chain, flow_operator operator,
                               int has_state);
void flow_compile_link(flow_chain *chain, flow_stage *stage, int side);
/* "from" and "steps", of a flow or of the right side of a join. */
int flow_compile_chain(flow_compiler *c, stream_text from, stream_text steps, flow_chain *chain);

/* A step, from its map. */
int flow_compile_window(flow_compiler *c, flow_chain *chain, stream_text map);
int flow_compile_join(flow_compiler *c, flow_chain *chain, stream_text map);
int flow_compile_sequence(flow_compiler *c, flow_chain *chain, stream_text map);
int flow_compile_top(flow_compiler *c, flow_chain *chain, stream_text map);

#endif

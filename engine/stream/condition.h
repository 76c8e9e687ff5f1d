/* condition.h - a trigger's condition as its author wrote it, checked; and its predicates. */
#ifndef STREAM_CONDITION_H
#define STREAM_CONDITION_H

#include "value.h"

typedef enum stream_op {
  STREAM_OP_EQ,
  STREAM_OP_NE,
  STREAM_OP_LT,
  STREAM_OP_LE,
  STREAM_OP_GT,
  STREAM_OP_GE,
  STREAM_OP_IN,
  STREAM_OP_EXISTS
} stream_op;

/* One step. All texts lie in the condition's bytes. */
typedef struct stream_step_text {
  stream_text type;
  stream_text page; /* data NULL: any */
  stream_text *ids; /* sorted, each once; NULL: any */
  uint32_t id_count;
  stream_text where; /* the array's items, as they are written; len 0: nothing is asked */
  uint32_t where_count;
} stream_step_text;

typedef struct stream_condition_text {
  uint32_t count;
  stream_step_text steps[STREAM_STEPS_MAX];
  uint64_t within_ns; /* UINT64_MAX: no limit */
  stream_text key;
} stream_condition_text;

/* STREAM_OK, or STREAM_E_INVALID with a sentence in `err`, or STREAM_E_NOMEM. Free it in any case.
** The texts point into `data`. */
int stream_condition_parse(const void *data, size_t len, stream_condition_text *condition,
                           char *err);
void stream_condition_text_free(stream_condition_text *condition);

/* Do all of the `count` predicates that were checked by stream_condition_parse hold for an event?
 */
int stream_where_holds(stream_text where, uint32_t count, stream_text event);

#endif

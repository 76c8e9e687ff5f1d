/* aggregate_family.h - what aggregate.c knows of each aggregate. */
#ifndef FLOW_AGGREGATE_FAMILY_H
#define FLOW_AGGREGATE_FAMILY_H

#include "../stream/symbol.h"
#include "aggregate.h"

#define FLOW_PARAMETERS_MAX 2

typedef struct flow_parameter {
  const char *name; /* NULL: there is none */
  int is_whole;
  double least, most;
  double otherwise; /* < least: it must be given */
} flow_parameter;

/* The functions are those of aggregate.h. A state begins as zeros. */
typedef struct flow_family {
  const char *name;
  uint32_t arguments;
  uint32_t variant; /* for functions that serve several */
  uint32_t bytes;   /* of a state */
  flow_parameter parameters[FLOW_PARAMETERS_MAX];
  int (*add)(const flow_aggregate *aggregate, void *state, const stream_value *arguments,
             int64_t time_ns, int64_t *held);
  int (*merge)(const flow_aggregate *aggregate, void *state, const void *from, int64_t *held);
  stream_value (*result)(const flow_aggregate *aggregate, const void *state, flow_arena *arena);
  void (*end)(const flow_aggregate *aggregate, void *state, int64_t *held); /* NULL: owns nothing */
} flow_family;

struct flow_aggregate {
  const flow_family *family;
  double parameter[FLOW_PARAMETERS_MAX];
};

/* Where in a table of this process a value's hash goes. Hashes are the same everywhere, so that estimates
** are; whoever makes the events could have them all meet at one place otherwise. */
extern uint64_t flow_secret; /* since the first aggregate */
static inline uint64_t flow_placed(uint64_t hash) {
  return stream_mix(hash, flow_secret);
}

/* Each ends with a name that is NULL. */
extern const flow_family flow_family_counts[];
extern const flow_family flow_family_sums[];
extern const flow_family flow_family_moments[];
extern const flow_family flow_family_extremes[];
extern const flow_family flow_family_ends[];
extern const flow_family flow_family_distinct[];
extern const flow_family flow_family_top[];
extern const flow_family flow_family_quantile[];
extern const flow_family flow_family_lists[];
extern const flow_family flow_family_decayed[];

#endif

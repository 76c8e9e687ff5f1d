/* aggregate.c - aggregates by name, and their parameters: see aggregate.h. */
#include "aggregate.h"

#include "aggregate_family.h"
#include "arithmetic.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static const flow_family *const families[] = {
    flow_family_counts, flow_family_sums,    flow_family_moments,  flow_family_extremes,
    flow_family_ends,   flow_family_top,     flow_family_quantile, flow_family_distinct,
    flow_family_lists,  flow_family_decayed,
};
#define FAMILIES (sizeof families / sizeof *families)

uint64_t flow_secret;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_secret(void) {
  if (getrandom(&flow_secret, sizeof flow_secret, GRND_NONBLOCK) != sizeof flow_secret)
    flow_secret = stream_mix((uint64_t)(uintptr_t)&flow_secret, (uint64_t)time(NULL));
}

static const flow_family *find_family(stream_text name) {
  for (size_t i = 0; i < FAMILIES; i++)
    for (const flow_family *one = families[i]; one->name != NULL; one++)
      if (stream_text_equal(name, (stream_text){one->name, strlen(one->name)})) return one;
  return NULL;
}

static int refuse_name(stream_text name, char *err) {
  int len = snprintf(err, STREAM_ERR_MAX, "there is no aggregate '%.*s'; there are: ",
                     (int)(name.len < 64 ? name.len : 64), name.data);
  const char *between = "";
  for (size_t i = 0; i < FAMILIES; i++)
    for (const flow_family *one = families[i]; one->name != NULL; one++) {
      if (len + (int)strlen(one->name) + 3 > STREAM_ERR_MAX) return STREAM_E_INVALID;
      len += sprintf(err + len, "%s%s", between, one->name);
      between = ", ";
    }
  return STREAM_E_INVALID;
}

static int read_parameter(const flow_family *family, const flow_parameter *asked,
                          const stream_value *given, double *out, char *err) {
  int is_number =
      given->kind == STREAM_INTEGER || (given->kind == STREAM_FLOAT && !asked->is_whole);
  double number = is_number ? flow_double_of(given) : NAN;
  if (!(number >= asked->least && number <= asked->most)) {
    snprintf(err, STREAM_ERR_MAX, "%s of %s is %s of %.15g to %.15g", asked->name, family->name,
             asked->is_whole ? "an integer" : "a number", asked->least, asked->most);
    return STREAM_E_INVALID;
  }
  *out = number;
  return STREAM_OK;
}

int flow_aggregate_new(stream_text name, const stream_value *parameters, uint32_t parameter_count,
                       flow_aggregate **out, uint32_t *arguments, char *err) {
  const flow_family *family = find_family(name);
  pthread_once(&once, make_secret);
  if (family == NULL) return refuse_name(name, err);
  flow_aggregate made = {.family = family};
  uint32_t known = 0;
  for (; known < FLOW_PARAMETERS_MAX && family->parameters[known].name != NULL; known++) {
    const flow_parameter *asked = &family->parameters[known];
    made.parameter[known] = asked->otherwise;
    if (known >= parameter_count && asked->otherwise >= asked->least) continue;
    stream_value given = known < parameter_count ? parameters[known] : flow_nil();
    int status = read_parameter(family, asked, &given, &made.parameter[known], err);
    if (status != STREAM_OK) return status;
  }
  if (parameter_count > known) {
    snprintf(err, STREAM_ERR_MAX, "%s takes %u parameter%s, not %u", family->name, known,
             known == 1 ? "" : "s", parameter_count);
    return STREAM_E_INVALID;
  }
  *out = malloc(sizeof **out);
  if (*out == NULL) {
    snprintf(err, STREAM_ERR_MAX, "there is no memory for the aggregate");
    return STREAM_E_NOMEM;
  }
  **out = made;
  *arguments = family->arguments;
  return STREAM_OK;
}

void flow_aggregate_free(flow_aggregate *aggregate) {
  free(aggregate);
}

size_t flow_aggregate_bytes(const flow_aggregate *aggregate) {
  return (aggregate->family->bytes + 7) & ~(size_t)7;
}

void flow_aggregate_begin(const flow_aggregate *aggregate, void *state) {
  memset(state, 0, aggregate->family->bytes);
}

int flow_aggregate_add(const flow_aggregate *aggregate, void *state, const stream_value *arguments,
                       int64_t time_ns, int64_t *held) {
  return aggregate->family->add(aggregate, state, arguments, time_ns, held);
}

int flow_aggregate_merge(const flow_aggregate *aggregate, void *state, const void *from,
                         int64_t *held) {
  return aggregate->family->merge(aggregate, state, from, held);
}

stream_value flow_aggregate_result(const flow_aggregate *aggregate, const void *state,
                                   flow_arena *arena) {
  return aggregate->family->result(aggregate, state, arena);
}

void flow_aggregate_end(const flow_aggregate *aggregate, void *state, int64_t *held) {
  if (aggregate->family->end != NULL) aggregate->family->end(aggregate, state, held);
}

/* functions.h - the functions that expressions call. */
#ifndef FLOW_FUNCTIONS_H
#define FLOW_FUNCTIONS_H

#include "row.h"

#define FLOW_CALL_MAX 16                /* arguments of a call */
#define FLOW_TEXT_MAX ((size_t)1 << 24) /* bytes of a text that is made; a longer one is nil */

/* Any thread, side by side. What it returns may lie in the arguments or the arena. */
typedef stream_value flow_function_body(const stream_value *arguments, uint32_t count,
                                        flow_arena *arena);

typedef struct flow_function {
  const char *name;
  uint8_t least, most; /* arguments */
  uint8_t takes_nil;   /* 0: with a nil among the arguments it is nil, and not called */
  flow_function_body *body;
} flow_function;

/* Tables by family; each ends with a name that is NULL. */
extern const flow_function flow_functions_of_numbers[];
extern const flow_function flow_functions_of_text[];
extern const flow_function flow_functions_of_times[];
extern const flow_function flow_functions_of_kinds[];

/* NULL: there is none. */
const flow_function *flow_function_find(stream_text name);
/* The names of all, with commas between, as far as they fit. */
void flow_function_names(char *out, size_t size);

/* How many characters UTF-8 has; of what is none, bytes that go on with no character count, too. */
uint64_t flow_characters(stream_text text);

/* A text as it is; of numbers and booleans what Python's str would be. Other kinds: nil. */
stream_value flow_as_text(const stream_value *value, flow_arena *arena);

/* What Python's repr would write of a float, and its length; `out` has FLOW_FLOAT_DIGITS bytes. */
#define FLOW_FLOAT_DIGITS 32
size_t flow_float_text(double number, char *out);
/* The number that a text holds, white space around it aside; nil: none, or not it alone. */
stream_value flow_number_of_text(stream_text text);

#endif

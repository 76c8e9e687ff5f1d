/* functions.c - functions by name: see functions.h. */
#include "functions.h"

#include <stdio.h>
#include <string.h>

static const flow_function *const families[] = {flow_functions_of_numbers, flow_functions_of_text,
                                                flow_functions_of_times, flow_functions_of_kinds};
#define FAMILIES (sizeof families / sizeof *families)

const flow_function *flow_function_find(stream_text name) {
  for (size_t i = 0; i < FAMILIES; i++)
    for (const flow_function *one = families[i]; one->name != NULL; one++)
      if (stream_text_equal(name, (stream_text){one->name, strlen(one->name)})) return one;
  return NULL;
}

void flow_function_names(char *out, size_t size) {
  size_t len = 0;
  out[0] = 0;
  for (size_t i = 0; i < FAMILIES; i++)
    for (const flow_function *one = families[i]; one->name != NULL; one++) {
      if (len + strlen(one->name) + 3 > size) return;
      len += (size_t)sprintf(out + len, "%s%s", len != 0 ? ", " : "", one->name);
    }
}

/* check.h - for test programs: CHECK says where and what, and ends the process. */
#ifndef PVM_CHECK_H
#define PVM_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                         \
  do {                                                                           \
    if (!(condition)) {                                                          \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
      exit(1);                                                                   \
    }                                                                            \
  } while (0)

/* A positive number from the command line, or `otherwise`. */
static inline long number(int argc, char **argv, int index, long otherwise) {
  long value = argc > index ? strtol(argv[index], NULL, 10) : otherwise;
  CHECK(value > 0);
  return value;
}

#endif

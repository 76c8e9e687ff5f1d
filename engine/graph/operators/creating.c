/* creating.c - constants, ranges, shapes, random numbers. */
#include "operator.h"

const pvg_operator pvg_creating_operators[] = {{0}};

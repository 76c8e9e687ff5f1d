/* elementwise.c - arithmetic, comparisons, functions of each element, casts. */
#include "operator.h"

const pvg_operator pvg_elementwise_operators[] = {{0}};

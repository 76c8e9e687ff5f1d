/* quantised.c - integers that stand for floats. */
#include "operator.h"

const pvg_operator pvg_quantised_operators[] = {{0}};

/* reducing.c - sums, extremes, cumulative sums. */
#include "operator.h"

const pvg_operator pvg_reducing_operators[] = {{0}};

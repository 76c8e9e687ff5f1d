/* scoring.c - soft-max and losses. */
#include "operator.h"

const pvg_operator pvg_scoring_operators[] = {{0}};

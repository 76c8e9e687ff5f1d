/* pooling.c - pooling. */
#include "operator.h"

const pvg_operator pvg_pooling_operators[] = {{0}};

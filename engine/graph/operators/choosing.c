/* choosing.c - gather, scatter, where, top-k, unique, non-zero .... */
#include "operator.h"

const pvg_operator pvg_choosing_operators[] = {{0}};

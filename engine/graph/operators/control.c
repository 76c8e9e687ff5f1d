/* control.c - If, Loop, Scan. */
#include "operator.h"

const pvg_operator pvg_control_operators[] = {{0}};

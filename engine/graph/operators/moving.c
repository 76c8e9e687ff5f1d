/* moving.c - elements that only move: reshape, transpose, concat, slice, pad .... */
#include "operator.h"

const pvg_operator pvg_moving_operators[] = {{0}};

/* signal.c - Fourier transforms and windows. */
#include "operator.h"

const pvg_operator pvg_signal_operators[] = {{0}};

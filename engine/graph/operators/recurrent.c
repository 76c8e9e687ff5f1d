/* recurrent.c - RNN, LSTM, GRU. */
#include "operator.h"

const pvg_operator pvg_recurrent_operators[] = {{0}};

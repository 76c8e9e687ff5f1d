/* recurrent.c - RNN, LSTM, GRU. */
#include "recurrent_operators.h"

#define RECURRENT                                                                                  \
  pvg_recurrent_infer, sizeof(pvg_recurrent_state), pvg_recurrent_prepare, pvg_recurrent_unprepare

const pvg_operator pvg_recurrent_operators[] = {
    {"RNN", "", 7, 0, 3, 6, PVG_PURE, RECURRENT, pvg_recurrent_run},
    {"GRU", "", 7, 0, 3, 6, PVG_PURE, RECURRENT, pvg_recurrent_run},
    {"LSTM", "", 7, 0, 3, 8, PVG_PURE, RECURRENT, pvg_recurrent_run},
    {"DynamicQuantizeLSTM", "com.microsoft", 1, 0, 3, 12, PVG_PURE, RECURRENT,
     pvg_dynamic_lstm_run},
    {0}};

/* signal.c - Fourier transforms and windows. */
#include "signal_operators.h"

#define DFT pvg_dft_infer, sizeof(pvg_dft_state), pvg_dft_prepare, NULL, pvg_dft_run
#define WINDOW                                                                                     \
  pvg_window_function_infer, sizeof(pvg_window_function), pvg_window_function_prepare, NULL,       \
      pvg_window_function_run

const pvg_operator pvg_signal_operators[] = {
    {"DFT", "", 17, 19, 1, 2, PVG_PURE, DFT},
    {"DFT", "", 20, 0, 1, 3, PVG_PURE, DFT},
    {"STFT", "", 17, 0, 2, 4, PVG_PURE, pvg_stft_infer, sizeof(pvg_dft_state), pvg_stft_prepare,
     NULL, pvg_stft_run},
    {"HannWindow", "", 17, 0, 1, 1, PVG_PURE, WINDOW},
    {"HammingWindow", "", 17, 0, 1, 1, PVG_PURE, WINDOW},
    {"BlackmanWindow", "", 17, 0, 1, 1, PVG_PURE, WINDOW},
    {"MelWeightMatrix", "", 17, 0, 5, 5, PVG_PURE, pvg_mel_infer, 0, NULL, NULL, pvg_mel_run},
    {0}};

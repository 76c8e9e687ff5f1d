/* signal_operators.h - Fourier transforms and windows: what the files of the family share. */
#ifndef PVG_SIGNAL_OPERATORS_H
#define PVG_SIGNAL_OPERATORS_H

#include "dense.h"

typedef struct pvg_dft_state {
  int64_t axis;
  bool inverse, one_sided;
} pvg_dft_state;

/* fourier.c */
int pvg_dft_infer(pvg_infer *infer);
int pvg_dft_prepare(const pvg_prepare *prepare, void *state);
int pvg_dft_run(pvg_call *call);
int pvg_stft_infer(pvg_infer *infer);
int pvg_stft_prepare(const pvg_prepare *prepare, void *state);
int pvg_stft_run(pvg_call *call);

typedef struct pvg_window_function {
  pvt_dtype dtype; /* of the result */
  bool periodic;
  int kind;
} pvg_window_function;

/* window_functions.c */
int pvg_window_function_infer(pvg_infer *infer);
int pvg_window_function_prepare(const pvg_prepare *prepare, void *state);
int pvg_window_function_run(pvg_call *call);
int pvg_mel_infer(pvg_infer *infer);
int pvg_mel_run(pvg_call *call);

#endif

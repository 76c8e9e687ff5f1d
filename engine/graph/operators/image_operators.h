/* image_operators.h - convolutions, resizing, sampling, regions: what the files of the family share. */
#ifndef PVG_IMAGE_OPERATORS_H
#define PVG_IMAGE_OPERATORS_H

#include "window.h"

typedef struct pvg_conv_state {
  pvg_window window;
  pvg_fit fit;
  int64_t groups, offset_groups;
} pvg_conv_state;

/* conv.c */
int pvg_conv_infer(pvg_infer *infer);
int pvg_conv_prepare(const pvg_prepare *prepare, void *state);
int pvg_conv_run(pvg_call *call);
int pvg_conv_work(const pvg_prepare *prepare, struct pvb_work *work);
/* conv_transpose.c */
int pvg_conv_transpose_infer(pvg_infer *infer);
int pvg_conv_transpose_prepare(const pvg_prepare *prepare, void *state);
int pvg_conv_transpose_run(pvg_call *call);
int pvg_conv_transpose_work(const pvg_prepare *prepare, struct pvb_work *work);
/* A convolution of float32 as a work, given how it fits: 1, or 0 if it is none. */
int pvg_conv_describe(const pvg_prepare *prepare, const pvg_fit *fit, int64_t groups,
                      bool transposed, struct pvb_work *work);
/* deform_conv.c */
int pvg_deform_conv_infer(pvg_infer *infer);
int pvg_deform_conv_prepare(const pvg_prepare *prepare, void *state);
int pvg_deform_conv_run(pvg_call *call);

/* resize.c */
typedef enum pvg_resize_mode { PVG_NEAREST, PVG_LINEAR, PVG_CUBIC } pvg_resize_mode;
typedef struct pvg_resize_state {
  pvg_resize_mode mode;
  int coordinates, rounding; /* as resize.c numbers them */
  bool antialias, exclude_outside;
  int policy; /* of keep_aspect_ratio_policy */
  double cubic, extrapolation;
} pvg_resize_state;
int pvg_resize_infer(pvg_infer *infer);
int pvg_resize_prepare(const pvg_prepare *prepare, void *state);
int pvg_resize_run(pvg_call *call);

/* resample.c: one axis. Output i is the sum of `taps` elements of the input, weighted. */
typedef struct pvg_taps {
  int64_t in, out;
  int taps;
  const int64_t *index;  /* [out, taps], all within the input */
  const double *weight;  /* [out, taps] */
  const uint8_t *beyond; /* [out]: gets `value` instead; NULL */
  double value;
} pvg_taps;
/* from [outer, in, inner] to [outer, out, inner], float32 or float64. */
int pvg_resample(pvt_dtype type, const pvg_taps *taps, int64_t outer, int64_t inner,
                 const void *from, void *to);
/* The same for one tap without a weight, of elements of any type. */
int pvg_pick(size_t itemsize, const pvg_taps *taps, int64_t outer, int64_t inner, const void *from,
             void *to);

/* grid_sample.c */
typedef struct pvg_grid_state {
  pvg_resize_mode mode;
  enum { PVG_ZEROS, PVG_BORDER, PVG_REFLECTION } padding;
  bool align_corners;
} pvg_grid_state;
int pvg_grid_prepare(const pvg_prepare *prepare, void *state);
int pvg_grid_sample_infer(pvg_infer *infer);
int pvg_grid_sample_run(pvg_call *call);
int pvg_affine_grid_infer(pvg_infer *infer);
int pvg_affine_grid_run(pvg_call *call);

/* regions.c */
typedef struct pvg_roi_state {
  int64_t rows, columns, sampling;
  double scale;
  bool max, half_pixel;
} pvg_roi_state;
int pvg_roi_prepare(const pvg_prepare *prepare, void *state);
int pvg_roi_infer(pvg_infer *infer);
int pvg_roi_align_run(pvg_call *call);
int pvg_max_roi_pool_run(pvg_call *call);

/* col2im.c */
int pvg_col2im_infer(pvg_infer *infer);
int pvg_col2im_run(pvg_call *call);

#endif

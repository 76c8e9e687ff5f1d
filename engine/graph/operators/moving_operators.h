/* moving_operators.h - the moving family's functions, for its table. */
#ifndef PVG_MOVING_OPERATORS_H
#define PVG_MOVING_OPERATORS_H

#include "inference.h"

/* The output's shape, found by infer. */
typedef struct pvg_shape {
  int ndim;
  int64_t size[PVT_MAX_DIMS];
} pvg_shape;

/* Prepare: the shape of output 0, or PVG_LATER while it has symbols. */
int pvg_shape_prepare(const pvg_prepare *prepare, void *state);

/* slicing.c */
typedef struct pvg_slices {
  int64_t start[PVT_MAX_DIMS], count[PVT_MAX_DIMS], step[PVT_MAX_DIMS];
} pvg_slices;
int pvg_slice_infer(pvg_infer *infer);
int pvg_slice_prepare(const pvg_prepare *prepare, void *state);
int pvg_slice_run(pvg_call *call);
typedef struct pvg_parts {
  int axis;
  int64_t *size; /* of each part */
} pvg_parts;
int pvg_split_infer(pvg_infer *infer);
int pvg_split_prepare(const pvg_prepare *prepare, void *state);
int pvg_split_run(pvg_call *call);
typedef struct pvg_concat {
  int axis;
  pvg_shape shape;
} pvg_concat;
int pvg_concat_infer(pvg_infer *infer);
int pvg_concat_prepare(const pvg_prepare *prepare, void *state);
int pvg_concat_run(pvg_call *call);

/* padding.c */
typedef struct pvg_pads {
  int mode; /* pvt_pad_mode */
  bool has_value;
  char value[16];
  int64_t before[PVT_MAX_DIMS], after[PVT_MAX_DIMS];
} pvg_pads;
int pvg_pad_infer(pvg_infer *infer);
int pvg_pad_prepare(const pvg_prepare *prepare, void *state);
int pvg_pad_run(pvg_call *call);
int pvg_crop_pad_infer(pvg_infer *infer);
int pvg_crop_pad_run(pvg_call *call);
int pvg_tile_infer(pvg_infer *infer);
int pvg_tile_run(pvg_call *call);

/* blocks.c */
typedef struct pvg_block {
  int64_t size;
  bool channel_first; /* the channel comes before the block's place: CRD */
} pvg_block;
int pvg_depth_to_space_infer(pvg_infer *infer);
int pvg_space_to_depth_infer(pvg_infer *infer);
int pvg_block_prepare(const pvg_prepare *prepare, void *state);
int pvg_depth_to_space_run(pvg_call *call);
int pvg_space_to_depth_run(pvg_call *call);
int pvg_reverse_sequence_run(pvg_call *call);
int pvg_trilu_run(pvg_call *call);

#endif

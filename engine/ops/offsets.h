/* offsets.h - where in an array the elements are that integer arrays name. */
#ifndef PVT_OFFSETS_H
#define PVT_OFFSETS_H

#include "context.h"

#define PVT_OFFSETS_BLOCK 512

/* Index arrays of one broadcast shape, read in C order. */
typedef struct pvt_offsets {
  int count;      /* index arrays */
  int first_axis; /* what errors call the first one's axis; 0 */
  int ndim;       /* of their broadcast shape, after merging; 1 or more */
  int64_t size[PVT_MAX_DIMS], index[PVT_MAX_DIMS];
  int64_t row_left; /* elements of the innermost dimension still to come */
  bool done;
  const char *at[PVT_MAX_DIMS];
  int64_t stride[PVT_MAX_DIMS][PVT_MAX_DIMS]; /* [dimension][array] */
  int64_t axis_size[PVT_MAX_DIMS], axis_stride[PVT_MAX_DIMS];
} pvt_offsets;

/* Array i indexes x's dimension i. `shape` is what they broadcast to. PVT_E_DTYPE unless they are
** int64. */
int pvt_offsets_start(pvt_offsets *offsets, const pvt_array *x, const pvt_array *const *indices,
                      int count, int ndim, const int64_t *shape);
/* The next up to PVT_OFFSETS_BLOCK offsets in bytes from x's first element; 0 at the end, and
** PVT_E_INDEX or PVT_E_CANCELLED. */
int64_t pvt_offsets_next(pvt_offsets *offsets, int64_t offset[PVT_OFFSETS_BLOCK]);
/* What the shapes of all index arrays broadcast to. PVT_E_SHAPE. */
int pvt_offsets_shape(const pvt_array *const *indices, int count, int *ndim,
                      int64_t shape[PVT_MAX_DIMS]);
/* "index 5 is out of bounds for axis 0 with size 3", PVT_E_INDEX. */
int pvt_offsets_fail(int64_t index, int axis, int64_t size);

#endif

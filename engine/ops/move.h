/* move.h - moving elements of one type between strided places: what raster and copy share. */
#ifndef PVT_MOVE_H
#define PVT_MOVE_H

#include "context.h"

/* One dimension more than arrays have: raster joins regions along it. */
#define PVT_MOVE_DIMS (PVT_MAX_DIMS + 1)

typedef struct pvt_move {
  const char *source;
  char *target;
  int ndim;
  size_t itemsize; /* 1, 2, 4, 8 or 16 bytes */
  bool joins;      /* may normalising join elements into larger ones? */
  int64_t size[PVT_MOVE_DIMS];
  int64_t source_stride[PVT_MOVE_DIMS]; /* bytes */
  int64_t target_stride[PVT_MOVE_DIMS];
} pvt_move;

/* Drop dimensions of 1, turn the target's strides positive and their order descending, and merge
** dimensions that lie one behind the other in both. Returns false if there is nothing to move. */
bool pvt_move_normalise(pvt_move *move);
/* Move a normalised one; source and target do not overlap. PVT_OK or PVT_E_CANCELLED. */
int pvt_move_run(const pvt_move *move);
/* Elements of `from`, which is broadcast to `to`'s shape (the caller has checked), of one type. */
void pvt_move_between(pvt_move *move, const pvt_array *from, const pvt_array *to);

#endif

/* tiles.h - what the kinds of tiles share. */
#ifndef PVT_TILES_H
#define PVT_TILES_H

#include "functions.h"
#include "kernels.h"
#include "layers.h"

#define BLOCK_VECTORS (PVB_BLOCK * 4 / VECTOR_BYTES)

/* Vector `vector` of the last block, which has that many columns. */
static inline int64_t lanes_of(int64_t columns, int vector) {
  int64_t some = columns - vector * LANES_f32;
  return vector < 0 || some > LANES_f32 ? LANES_f32 : some < 0 ? 0 : some;
}

#endif

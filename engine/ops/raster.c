/* raster.c - the raster operator: lists of regions, joined where they continue each other. */
#include <string.h>

#include "move.h"

static void move_of(pvt_move *move, const pvt_region *region, size_t itemsize) {
  move->source = region->source;
  move->target = region->target;
  move->itemsize = itemsize;
  move->joins = true;
  move->ndim = region->ndim;
  for (int i = 0; i < region->ndim; i++) {
    move->size[i] = region->size[i];
    move->source_stride[i] = region->source_stride[i];
    move->target_stride[i] = region->target_stride[i];
  }
}

/* May `b` be another step of a dimension outside all of `a`'s? */
static bool is_alike(const pvt_region *a, const pvt_region *b) {
  size_t bytes = (size_t)a->ndim * sizeof *a->size;
  return a->ndim == b->ndim && memcmp(a->size, b->size, bytes) == 0 &&
         memcmp(a->source_stride, b->source_stride, bytes) == 0 &&
         memcmp(a->target_stride, b->target_stride, bytes) == 0;
}

/* How many regions from the first on lie at equal distances. */
static size_t run_of(const pvt_region *regions, size_t count, int64_t *from, int64_t *to) {
  if (count < 2 || !is_alike(&regions[0], &regions[1])) return 1;
  *from = (int64_t)((uintptr_t)regions[1].source - (uintptr_t)regions[0].source);
  *to = (int64_t)((uintptr_t)regions[1].target - (uintptr_t)regions[0].target);
  size_t run = 2;
  while (run < count && is_alike(&regions[0], &regions[run]) &&
         (uintptr_t)regions[run].source - (uintptr_t)regions[run - 1].source == (uintptr_t)*from &&
         (uintptr_t)regions[run].target - (uintptr_t)regions[run - 1].target == (uintptr_t)*to)
    run++;
  return run;
}

/* Append `next` to `move` if it goes on where `move` ends, along the outermost dimension. */
static bool extend(pvt_move *move, const pvt_move *next) {
  if (move->ndim != next->ndim || move->itemsize != next->itemsize) return false;
  for (int i = 0; i < move->ndim; i++)
    if ((i > 0 && move->size[i] != next->size[i]) ||
        move->source_stride[i] != next->source_stride[i] ||
        move->target_stride[i] != next->target_stride[i])
      return false;
  if (move->source + move->size[0] * move->source_stride[0] != next->source ||
      move->target + move->size[0] * move->target_stride[0] != next->target)
    return false;
  move->size[0] += next->size[0];
  return true;
}

int pvt_raster(const pvt_region *regions, size_t count, size_t itemsize) {
  if (itemsize == 0 || itemsize > 16 || (itemsize & (itemsize - 1)) != 0)
    return pvt_fail(PVT_E_VALUE, "elements of %zu bytes: they have 1, 2, 4, 8 or 16", itemsize);
  pvt_move pending, next;
  bool is_pending = false;
  for (size_t i = 0; i < count;) {
    const pvt_region *region = &regions[i];
    if (region->ndim < 0 || region->ndim > PVT_REGION_DIMS)
      return pvt_fail(PVT_E_SHAPE, "a region of %d dimensions: there may be up to %d", region->ndim,
                      PVT_REGION_DIMS);
    int64_t from = 0, to = 0;
    size_t run = run_of(region, count - i, &from, &to);
    move_of(&next, region, itemsize);
    if (run > 1) {
      int d = next.ndim++;
      next.size[d] = (int64_t)run;
      next.source_stride[d] = from;
      next.target_stride[d] = to;
    }
    i += run;
    if (!pvt_move_normalise(&next)) continue;
    if (is_pending && extend(&pending, &next)) continue;
    if (is_pending) {
      int status = pvt_move_run(&pending);
      if (status != PVT_OK) return status;
    }
    pending = next;
    is_pending = true;
  }
  return is_pending ? pvt_move_run(&pending) : PVT_OK;
}

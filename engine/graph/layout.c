/* layout.c - images in blocks of channels, and back. */
#include <string.h>

#include "context.h"
#include "heavy.h"

void pvg_blocked_info(const pvg_info *plain, pvg_info *blocked) {
  *blocked = *plain;
  blocked->constant = NULL;
  blocked->size[1] = (plain->size[1] + PVB_BLOCK - 1) / PVB_BLOCK;
  blocked->size[plain->ndim] = PVB_BLOCK;
  blocked->ndim = (uint8_t)(plain->ndim + 1);
}

/* Views of both as [n, blocks or 1, channels of a block, pixels], in the order of each one's memory:
** first whole blocks, then what is left of the last one. */
static int move(const pvt_array *plain, const pvt_array *blocked, bool to_blocked) {
  int64_t n = plain->dim[0].size, c = plain->dim[1].size, pixels = 1;
  int64_t item = (int64_t)pvt_itemsize((pvt_dtype)plain->dtype);
  for (int d = 2; d < plain->ndim; d++) pixels *= plain->dim[d].size;
  int64_t blocks = (c + PVB_BLOCK - 1) / PVB_BLOCK, whole = c / PVB_BLOCK, rest = c % PVB_BLOCK;
  for (int part = 0; part < 2; part++) {
    int64_t count = part == 0 ? whole : rest > 0, width = part == 0 ? PVB_BLOCK : rest;
    if (count == 0 || n == 0 || pixels == 0) continue;
    pvt_array x = {.dtype = plain->dtype, .ndim = 4, .writable = true}, y = x;
    x.data = plain->data + (part == 0 ? 0 : whole * PVB_BLOCK * pixels * item);
    y.data = blocked->data + (part == 0 ? 0 : whole * PVB_BLOCK * pixels * item);
    const pvt_dim of_x[4] = {{n, c * pixels * item},
                             {count, PVB_BLOCK * pixels * item},
                             {pixels, item},
                             {width, pixels * item}};
    const pvt_dim of_y[4] = {{n, blocks * PVB_BLOCK * pixels * item},
                             {count, PVB_BLOCK * pixels * item},
                             {pixels, PVB_BLOCK * item},
                             {width, item}};
    memcpy(x.dim, of_x, sizeof of_x);
    memcpy(y.dim, of_y, sizeof of_y);
    if (to_blocked && width < PVB_BLOCK)
      for (int64_t i = 0; i < n; i++)
        memset(y.data + i * of_y[0].stride, 0, (size_t)(PVB_BLOCK * pixels * item));
    int status = to_blocked ? pvt_copy(&x, &y) : pvt_copy(&y, &x);
    if (status < 0) return status;
  }
  return PVT_OK;
}

int pvg_to_blocked(const pvt_array *plain, pvt_array *blocked) {
  if (pvt_array_is_contiguous(plain)) return move(plain, blocked, true);
  pvt_array copy;
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < plain->ndim; d++) shape[d] = plain->dim[d].size;
  int status = pvt_array_new(&copy, (pvt_dtype)plain->dtype, plain->ndim, shape);
  if (status < 0) return status;
  status = pvt_copy(plain, &copy);
  if (status >= 0) status = move(&copy, blocked, true);
  pvt_array_release(&copy);
  return status;
}

int pvg_to_plain(const pvt_array *blocked, pvt_array *plain) {
  return move(plain, blocked, false);
}

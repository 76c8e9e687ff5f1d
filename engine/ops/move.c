/* move.c - see move.h.
**
** After normalising, the target's innermost stride is its smallest. Then there are three cases:
** rows that are contiguous on both sides are copied as bytes; where the source is contiguous along
** another dimension than the target, the two are transposed in tiles; all else goes element by
** element. Short contiguous rows of 2, 4, 8 or 16 bytes count as one larger element.
*/
#include "move.h"

#include <string.h>

#include "kernels.h"

#define BYTES_PER_LOOK ((int64_t)1 << 18) /* copied between two looks at the cancel word */

static void swap_dims(pvt_move *move, int i, int j) {
#define SWAP(array)                                                                                \
  do {                                                                                             \
    int64_t kept = move->array[i];                                                                 \
    move->array[i] = move->array[j];                                                               \
    move->array[j] = kept;                                                                         \
  } while (0)
  SWAP(size);
  SWAP(source_stride);
  SWAP(target_stride);
#undef SWAP
}

bool pvt_move_normalise(pvt_move *move) {
  int ndim = 0;
  for (int i = 0; i < move->ndim; i++) {
    int64_t size = move->size[i], from = move->source_stride[i], to = move->target_stride[i];
    if (size == 0) return false;
    if (size == 1) continue;
    if (to < 0) {
      move->source += (size - 1) * from;
      move->target += (size - 1) * to;
      from = -from;
      to = -to;
    }
    int d = ndim++;
    for (; d > 0 && move->target_stride[d - 1] < to; d--) {
      move->size[d] = move->size[d - 1];
      move->source_stride[d] = move->source_stride[d - 1];
      move->target_stride[d] = move->target_stride[d - 1];
    }
    move->size[d] = size;
    move->source_stride[d] = from;
    move->target_stride[d] = to;
  }
  if (ndim == 0) {
    move->ndim = 1;
    move->size[0] = 1;
    move->source_stride[0] = move->target_stride[0] = (int64_t)move->itemsize;
    return true;
  }
  int last = 0;
  for (int i = 1; i < ndim; i++) {
    int64_t size = move->size[i], from = move->source_stride[i], to = move->target_stride[i];
    bool joins = move->source_stride[last] == size * from && move->target_stride[last] == size * to;
    if (joins) size *= move->size[last];
    else last++;
    move->size[last] = size;
    move->source_stride[last] = from;
    move->target_stride[last] = to;
  }
  move->ndim = last + 1;
  int64_t itemsize = (int64_t)move->itemsize;
  if (move->joins && last > 0 && move->source_stride[last] == itemsize &&
      move->target_stride[last] == itemsize) {
    int64_t bytes = move->size[last] * itemsize;
    if (bytes <= 16 && (bytes & (bytes - 1)) == 0) {
      move->itemsize = (size_t)bytes;
      move->ndim = last;
    }
  }
  return true;
}

void pvt_move_between(pvt_move *move, const pvt_array *from, const pvt_array *to) {
  move->source = from->data;
  move->joins = true;
  move->target = to->data;
  move->itemsize = pvt_itemsize((pvt_dtype)to->dtype);
  move->ndim = to->ndim;
  int added = to->ndim - from->ndim;
  for (int i = 0; i < to->ndim; i++) {
    bool steps = i >= added && from->dim[i - added].size != 1;
    move->size[i] = to->dim[i].size;
    move->source_stride[i] = steps ? from->dim[i - added].stride : 0;
    move->target_stride[i] = to->dim[i].stride;
  }
}

/* ---- The innermost dimensions ------------------------------------------- */

static int copy_bytes(const char *source, char *target, int64_t bytes) {
  for (; bytes > BYTES_PER_LOOK;
       bytes -= BYTES_PER_LOOK, source += BYTES_PER_LOOK, target += BYTES_PER_LOOK) {
    memcpy(target, source, BYTES_PER_LOOK);
    int status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  memcpy(target, source, (size_t)bytes);
  return PVT_OK;
}

static int copy_elements(pvt_cast_kernel *copy, int64_t n, const char *source, int64_t from,
                         char *target, int64_t to) {
  for (; n > PVT_TILE; n -= PVT_TILE, source += PVT_TILE * from, target += PVT_TILE * to) {
    copy(PVT_TILE, source, from, target, to);
    int status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  copy(n, source, from, target, to);
  return PVT_OK;
}

#define BLOCK_ROWS 128

static int transpose(int log, int64_t rows, int64_t columns, const char *source, int64_t from,
                     char *target, int64_t to) {
  const pvt_movers *movers = pvt_kernels_get()->movers;
  int64_t most = columns < BLOCK_ROWS ? PVT_TILE / columns : BLOCK_ROWS;
  int64_t at_once = rows < most ? rows : most;
  int64_t across = PVT_TILE / at_once / 64 * 64;
  if (across == 0) across = 64;
  for (int64_t i = 0; i < rows; i += at_once)
    for (int64_t j = 0; j < columns; j += across) {
      movers->transpose[log](
          rows - i < at_once ? rows - i : at_once, columns - j < across ? columns - j : across,
          source + i * from + (j << log), from, target + j * to + (i << log), to);
      int status = rows * columns > PVT_TILE ? pvt_poll() : PVT_OK;
      if (status != PVT_OK) return status;
    }
  return PVT_OK;
}

static int log_of(size_t itemsize) {
  return __builtin_ctz((unsigned)itemsize);
}

static const pvt_dtype moved_as[5] = {PVT_UINT8, PVT_UINT16, PVT_UINT32, PVT_UINT64,
                                      PVT_COMPLEX128};

/* Bring the dimension along which the source is contiguous next to the innermost one; false if
** there is none, or the target is not contiguous in its own. */
static bool is_transpose(pvt_move *move) {
  int inner = move->ndim - 1;
  int64_t itemsize = (int64_t)move->itemsize;
  if (move->target_stride[inner] != itemsize || move->source_stride[inner] == itemsize ||
      move->source_stride[inner] == 0)
    return false;
  for (int d = inner - 1; d >= 0; d--)
    if (move->source_stride[d] == itemsize) {
      for (; d < inner - 1; d++) swap_dims(move, d, d + 1);
      return true;
    }
  return false;
}

/* Where rows are a few elements only, loop over the longest dimension instead. */
static void lengthen(pvt_move *move) {
  int inner = move->ndim - 1, longest = inner;
  for (int d = 0; d < inner; d++)
    if (move->size[d] > move->size[longest]) longest = d;
  if (move->size[inner] < 8 && longest != inner) swap_dims(move, longest, inner);
}

int pvt_move_run(const pvt_move *normalised) {
  pvt_move own = *normalised, *move = &own;
  int log = log_of(move->itemsize), inner = move->ndim - 1, loops = inner;
  int64_t itemsize = (int64_t)move->itemsize, elements = move->size[inner];
  bool contiguous =
      move->source_stride[inner] == itemsize && move->target_stride[inner] == itemsize;
  bool turned = !contiguous && is_transpose(move);
  if (turned) {
    loops--;
    elements *= move->size[loops];
  } else if (!contiguous) {
    lengthen(move);
    elements = move->size[inner];
  }
  pvt_cast_kernel *copy = pvt_cast_find(moved_as[log], moved_as[log]);
  int64_t index[PVT_MOVE_DIMS] = {0}, since = 0;
  const char *source = move->source;
  char *target = move->target;
  for (;;) {
    int status;
    if (contiguous) status = copy_bytes(source, target, elements * itemsize);
    else if (turned)
      status = transpose(log, move->size[inner], move->size[loops], source,
                         move->source_stride[inner], target, move->target_stride[loops]);
    else
      status = copy_elements(copy, elements, source, move->source_stride[inner], target,
                             move->target_stride[inner]);
    if (status != PVT_OK) return status;
    since += elements;
    int d = loops - 1;
    for (; d >= 0; d--) {
      source += move->source_stride[d];
      target += move->target_stride[d];
      if (++index[d] < move->size[d]) break;
      source -= move->size[d] * move->source_stride[d];
      target -= move->size[d] * move->target_stride[d];
      index[d] = 0;
    }
    if (d < 0) return PVT_OK;
    if (since >= PVT_TILE) {
      status = pvt_poll();
      if (status != PVT_OK) return status;
      since = 0;
    }
  }
}

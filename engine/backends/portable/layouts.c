/* layouts.c - see layouts.h. */
#include "layouts.h"

#include <string.h>

#include "kernels.h"
#include "layers.h"
#include "windows.h"

#define BYTES ((int64_t)sizeof(float))

/* How many elements of a plain image lie one behind the other, or 0 where its pixels are not in C
** order. */
static int64_t pixels_in_order(const pvt_array *plain) {
  int64_t count = 1;
  for (int d = plain->ndim - 1; d >= 2; d--) {
    if (plain->dim[d].size != 1 && plain->dim[d].stride != count * BYTES) return 0;
    count *= plain->dim[d].size;
  }
  return count;
}

static int check(const pvt_array *plain, const pvt_array *blocked) {
  bool fits = plain->dtype == PVT_FLOAT32 && blocked->dtype == PVT_FLOAT32 && plain->ndim >= 2 &&
              blocked->ndim == plain->ndim + 1 && pvt_array_is_contiguous(blocked) &&
              blocked->dim[0].size == plain->dim[0].size &&
              blocked->dim[1].size == (plain->dim[1].size + PVB_BLOCK - 1) / PVB_BLOCK &&
              blocked->dim[plain->ndim].size == PVB_BLOCK;
  for (int d = 2; d < plain->ndim && fits; d++) fits = blocked->dim[d].size == plain->dim[d].size;
  return fits ? PVT_OK : pvt_fail(PVT_E_SHAPE, "these are not the two layouts of one image");
}

/* Between a plain image of pixels in order and a blocked one; channels behind the last are left. */
static int turn(const pvt_array *plain, const pvt_array *blocked, int64_t pixels, bool to_blocked) {
  int64_t channels = plain->dim[1].size, blocks = blocked->dim[1].size;
  int64_t step = plain->dim[1].stride;
  const pvt_movers *movers = pvt_kernels_get()->movers;
  for (int64_t n = 0; n < plain->dim[0].size; n++)
    for (int64_t block = 0; block < blocks; block++) {
      int64_t count =
          channels - block * PVB_BLOCK < PVB_BLOCK ? channels - block * PVB_BLOCK : PVB_BLOCK;
      char *p = plain->data + n * plain->dim[0].stride + block * PVB_BLOCK * step;
      char *b = blocked->data + (n * blocks + block) * pixels * PVB_BLOCK * BYTES;
      for (int64_t i = 0; i < pixels; i += PVT_TILE / PVB_BLOCK) {
        int64_t some = pixels - i < PVT_TILE / PVB_BLOCK ? pixels - i : PVT_TILE / PVB_BLOCK;
        char *at = b + i * PVB_BLOCK * BYTES;
        if (to_blocked) {
          if (count < PVB_BLOCK) memset(at, 0, (size_t)(some * PVB_BLOCK * BYTES));
          movers->transpose[2](count, some, p + i * BYTES, step, at, PVB_BLOCK * BYTES);
        } else {
          movers->transpose[2](some, count, at, PVB_BLOCK * BYTES, p + i * BYTES, step);
        }
        int status = pvt_poll();
        if (status != PVT_OK) return status;
      }
    }
  return PVT_OK;
}

/* The same through copies of one channel at a time: [n, blocks, sizes..., 16] seen as channels. */
static int copy_channels(const pvt_array *plain, const pvt_array *blocked, bool to_blocked) {
  if (to_blocked) memset(blocked->data, 0, (size_t)(pvt_array_count(blocked) * BYTES));
  int status = PVT_OK;
  for (int64_t c = 0; c < plain->dim[1].size && status == PVT_OK; c++) {
    pvt_array one = *plain, lane = *plain;
    one.data += c * plain->dim[1].stride;
    one.dim[1].size = lane.dim[1].size = 1;
    one.buffer = lane.buffer = NULL;
    one.writable = lane.writable = true;
    lane.data = blocked->data + c / PVB_BLOCK * blocked->dim[1].stride + c % PVB_BLOCK * BYTES;
    for (int d = 0; d < plain->ndim; d++) lane.dim[d].stride = blocked->dim[d].stride;
    status = to_blocked ? pvt_copy(&one, &lane) : pvt_copy(&lane, &one);
  }
  return status;
}

static int reorder(const pvt_array *plain, const pvt_array *blocked, bool to_blocked) {
  int status = check(plain, blocked);
  if (status != PVT_OK || pvt_array_count(plain) == 0) return status;
  int64_t pixels = pixels_in_order(plain);
  return pixels > 0 ? turn(plain, blocked, pixels, to_blocked)
                    : copy_channels(plain, blocked, to_blocked);
}

int pvb_to_blocked(const pvt_array *plain, pvt_array *blocked) {
  return reorder(plain, blocked, true);
}

int pvb_from_blocked(const pvt_array *blocked, pvt_array *plain) {
  return reorder(plain, blocked, false);
}

/* ---- Pooling ------------------------------------------------------------ */

/* How many elements an average of dimension d is over, at each result. */
static int64_t covered(const pvt_sweep *s, int d, int64_t at, bool padded) {
  int64_t low = padded ? -s->before[d] : 0, high = s->size[d] + (padded ? s->after[d] : 0);
  int64_t start = at * s->stride[d] - s->before[d], step = s->dilation[d];
  int64_t first = start >= low ? 0 : (low - start + step - 1) / step;
  int64_t end = start >= high ? 0 : (high - start - 1) / step + 1;
  if (end > s->window[d]) end = s->window[d];
  return end > first ? end - first : 0;
}

typedef struct pooling {
  const pvt_sweep *s;
  pvt_pool_op op;
  const float **rows;
  float *share;
} pooling;

static void pool_row(const pooling *pool, const float *image, int64_t at0, int64_t at1, float *y) {
  const pvt_sweep *s = pool->s;
  pvt_window_row row = {.row = pool->rows,
                        .size = s->size[2],
                        .result = s->result[2],
                        .kernel = s->window[2],
                        .stride = s->stride[2],
                        .dilation = s->dilation[2],
                        .before = s->before[2],
                        .y = y,
                        .share = pool->share};
  for (int64_t t0 = 0; t0 < s->window[0]; t0++) {
    int64_t i0 = at0 * s->stride[0] + t0 * s->dilation[0] - s->before[0];
    for (int64_t t1 = 0; t1 < s->window[1]; t1++) {
      int64_t i1 = at1 * s->stride[1] + t1 * s->dilation[1] - s->before[1];
      if (i0 >= 0 && i0 < s->size[0] && i1 >= 0 && i1 < s->size[1])
        pool->rows[row.rows++] = image + (i0 * s->size[1] + i1) * s->size[2] * PVB_BLOCK;
    }
  }
  const pvt_window_rows *kernels = pvt_kernels_get()->layers->window_rows;
  if (pool->op == PVT_POOL_MAX) {
    kernels->largest(&row);
    return;
  }
  bool padded = pool->op == PVT_POOL_AVERAGE_PADDED;
  int64_t others = covered(s, 0, at0, padded) * covered(s, 1, at1, padded);
  for (int64_t i = 0; i < s->result[2]; i++)
    pool->share[i] = (float)(others * covered(s, 2, i, padded));
  kernels->average(&row);
}

int pvb_pool_blocked(pvt_pool_op op, const pvt_array *x, const pvt_window *window, int64_t channels,
                     pvt_array *y) {
  pvt_array image = *x, result = *y; /* without the lanes */
  image.ndim--, result.ndim--;
  pvt_sweep s;
  if (op == PVT_POOL_LP || x->dtype != PVT_FLOAT32 || y->dtype != PVT_FLOAT32 ||
      !pvt_array_is_contiguous(x) || !pvt_array_is_contiguous(y))
    return pvt_fail(PVT_E_UNSUPPORTED, "pool: this is not done in blocks");
  int status = pvt_sweep_of(&s, "pool", &image, &result, window->size, window);
  if (status == PVT_OK) status = pvt_sweep_check(&s, "pool", true);
  if (status != PVT_OK) return status;
  int64_t taps = s.window[0] * s.window[1], used = channels % PVB_BLOCK;
  pvt_buffer *scratch =
      pvt_buffer_new((size_t)taps * sizeof(float *) + (size_t)s.result[2] * sizeof(float));
  if (scratch == NULL) return pvt_error_status();
  pooling pool = {.s = &s, .op = op, .rows = pvt_buffer_data(scratch)};
  pool.share = (float *)(pool.rows + taps);
  const float *from = (const float *)x->data;
  float *to = (float *)y->data;
  int64_t plane = s.size[0] * s.size[1] * s.size[2] * PVB_BLOCK, work = 0;
  for (int64_t i = 0; i < s.n * s.in && status == PVT_OK; i++, from += plane) {
    bool partial = used != 0 && i % s.in == s.in - 1;
    for (int64_t row = 0; row < s.result[0] * s.result[1] && status == PVT_OK; row++) {
      pool_row(&pool, from, row / s.result[1], row % s.result[1], to);
      for (int64_t p = 0; p < s.result[2] && partial; p++)
        memset(to + p * PVB_BLOCK + used, 0, (size_t)(PVB_BLOCK - used) * sizeof(float));
      to += s.result[2] * PVB_BLOCK;
      work += s.result[2] * taps * s.window[2] * PVB_BLOCK;
      if (work < 4 * PVT_TILE) continue;
      work = 0;
      status = pvt_poll();
    }
  }
  pvt_buffer_release(scratch);
  return status;
}

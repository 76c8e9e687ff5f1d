/* attend.c - attention, some rows of queries at a time: see rows.h.
**
** Keys of one head are packed into panels once; then, for as many rows as keep their scores in the
** second cache, scores, soft-max and the sum of values follow each other. What is multiplied, and
** summed over, are *units*: floats, or pairs of bfloat16.
*/
#include <string.h>

#include "portable.h"
#include "rows.h"

#define SCORES_MOST ((int64_t)192 << 10) /* bytes of scores at a time */
#define FEW 4                            /* rows that do not pay for packing keys */

static int64_t ceiling(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/* Matrices of one head: rows `row` floats apart, elements side by side unless said. */
typedef struct head {
  const float *q, *k, *v;
  const char *mask; /* NULL */
  float *y;
} head;

typedef struct attention {
  int64_t n, m, d, e; /* queries, keys, their size, that of values */
  int64_t q_row, k_row, v_row, y_row;
  int64_t mask_row, mask_column; /* bytes */
  int leading;                   /* dimensions before the matrices, as y's */
  int64_t size[PVT_MAX_DIMS];
  int64_t step[5][PVT_MAX_DIMS]; /* bytes, of q, k, v, mask and y */
  char *data[5];
  int64_t heads, splits, rows; /* splits: of one head's rows, for threads; rows: at a time */
  int k_blocks, v_blocks;
  int64_t scores_row;
  bool v_in_place;
  bool pairs;
  int64_t d_units, m_units; /* of d and of m */
  const pvt_tiles *tiles;
  pvb_attending how;
  int count; /* parts */
} attention;

/* Rows of queries as pairs do not fall into the same sets of the first cache. */
static int64_t query_row(const attention *a) {
  return a->d_units + PVB_BLOCK;
}

/* ---- One head ----------------------------------------------------------- */

static int blocks_at(int most, int64_t left) {
  while (most > left) most /= 2;
  return most;
}

static void convert_rows(const attention *a, const float *from, int64_t from_row, int64_t rows,
                         float *to, int64_t to_row) {
  const pvt_pairs *bf16 = pvt_kernels_get()->layers->bf16;
  for (int64_t r = 0; r < rows; r++)
    bf16->convert(a->d, from + r * from_row, (uint32_t *)(void *)(to + r * to_row));
}

/* rows: where the keys are put as pairs, before they go to panels. */
static void pack_keys(const attention *a, const float *k, float *rows, float *to) {
  int64_t panels = ceiling(a->m, PVB_BLOCK), k_row = a->k_row;
  const pvt_movers *movers = pvt_kernels_get()->movers;
  if (a->pairs) {
    k_row = a->d_units;
    convert_rows(a, k, a->k_row, a->m, rows, k_row);
    k = rows;
  }
  for (int64_t panel = 0; panel < panels;) {
    int blocks = blocks_at(a->k_blocks, panels - panel);
    int64_t width = blocks * PVB_BLOCK, first = panel * PVB_BLOCK;
    int64_t count = a->m - first < width ? a->m - first : width;
    if (count < width) memset(to, 0, (size_t)(a->d_units * width) * sizeof(float));
    movers->transpose[2](count, a->d_units, (const char *)(k + first * k_row), k_row * 4,
                         (char *)to, width * 4);
    to += a->d_units * width;
    panel += blocks;
  }
}

static void pack_values(const attention *a, const float *v, float *to) {
  int64_t panels = ceiling(a->e, PVB_BLOCK);
  const pvt_pairs *bf16 = pvt_kernels_get()->layers->bf16;
  for (int64_t panel = 0; panel < panels;) {
    int blocks = blocks_at(a->v_blocks, panels - panel);
    int64_t width = blocks * PVB_BLOCK, first = panel * PVB_BLOCK;
    int64_t count = a->e - first < width ? a->e - first : width;
    for (int64_t j = 0; j < a->m; j += a->pairs ? 2 : 1, to += width) {
      const float *at = v + j * a->v_row + first;
      if (a->pairs)
        bf16->join(count, at, j + 1 < a->m ? at + a->v_row : NULL, (uint32_t *)(void *)to);
      else memcpy(to, at, (size_t)count * sizeof(float));
      memset(to + count, 0, (size_t)(width - count) * sizeof(float));
    }
    panel += blocks;
  }
}

/* to[rows][columns] = x[rows][depth] times panels of w; depth in units. */
static void multiply(const pvt_tiles *kernels, const float *x, int64_t x_row, int64_t rows,
                     int64_t depth, const float *w, int most_blocks, int64_t w_row, float *to,
                     int64_t to_row, int64_t columns) {
  int64_t panels = ceiling(columns, PVB_BLOCK);
  const int64_t offset = 0;
  for (int64_t panel = 0; panel < panels;) {
    int blocks = blocks_at(most_blocks, panels - panel);
    int64_t left = columns - (panel + blocks - 1) * PVB_BLOCK;
    pvt_tile tile = {
        .row = x_row,
        .segments = 1,
        .depth = depth,
        .offset = &offset,
        .w = w_row != 0 ? w + panel * PVB_BLOCK : w + panel * depth * PVB_BLOCK,
        .w_row = w_row != 0 ? w_row : blocks * PVB_BLOCK,
        .y_row = to_row,
        .y_block = PVB_BLOCK,
        .columns = left < PVB_BLOCK ? left : PVB_BLOCK,
    };
    int64_t tiles = ceiling(rows, kernels->most_rows[blocks - 1]);
    for (int64_t t = 0; t < tiles; t++) {
      int64_t r = rows * t / tiles, some = rows * (t + 1) / tiles - r;
      tile.x = x + r * x_row;
      tile.y = to + r * to_row + panel * PVB_BLOCK;
      kernels->kernel[blocks - 1][some - 1](&tile);
    }
    panel += blocks;
  }
}

/* Scores to weights, as pairs if so wanted. */
static void soften(const attention *a, const head *h, int64_t row, int64_t count, float *scores,
                   float *mask_row, bool pairs) {
  const pvt_layers *layers = pvt_kernels_get()->layers;
  for (int64_t r = 0; r < count; r++) {
    float *at = scores + r * a->scores_row;
    int64_t seen = a->m;
    if (a->how.causal && a->m - a->n + row + r + 1 < seen) seen = a->m - a->n + row + r + 1;
    if (seen < 0) seen = 0;
    const float *mask = NULL;
    if (h->mask != NULL) {
      const char *from = h->mask + (row + r) * a->mask_row;
      mask = mask_row;
      if (a->mask_column == 4 && (uintptr_t)from % 4 == 0) mask = (const float *)(const void *)from;
      else
        for (int64_t j = 0; j < seen; j++)
          memcpy(mask_row + j, from + j * a->mask_column, sizeof(float));
    }
    if (seen > 0) layers->rows->softmax(seen, at, a->how.scale, mask, false, at);
    if (a->how.none_is_zero && at[0] != at[0]) seen = 0; /* one NaN makes all of them NaN */
    for (int64_t j = seen; j < a->m; j++) at[j] = 0;
    if (pairs) layers->bf16->convert(a->m, at, (uint32_t *)(void *)at);
  }
}

static int64_t panel_values(const attention *a) {
  return a->m_units * ceiling(a->e, PVB_BLOCK) * PVB_BLOCK;
}

/* Rows [first, end) of one head. */
static int run_head(const attention *a, const head *h, int64_t first, int64_t end, float *scratch) {
  int64_t panel_keys = ceiling(a->m, PVB_BLOCK) * PVB_BLOCK;
  float *scores = scratch, *mask_row = scores + a->rows * a->scores_row;
  float *keys = mask_row + panel_keys, *values = keys + panel_keys * a->d_units;
  float *queries = values + (a->v_in_place ? 0 : panel_values(a));
  bool few = end - first < FEW;
  pvt_gemm *gemm = pvt_kernels_get()->products->gemm[PVT_FLOAT32];
  if (!few) pack_keys(a, h->k, queries, keys);
  if (!few && !a->v_in_place) pack_values(a, h->v, values);
  int status = pvt_poll();
  for (int64_t row = first; row < end && status == PVT_OK; row += a->rows) {
    int64_t count = end - row < a->rows ? end - row : a->rows;
    const float *q = h->q + row * a->q_row;
    float *y = h->y + row * a->y_row;
    int64_t q_row = a->q_row;
    if (a->pairs && !few) {
      convert_rows(a, q, q_row, count, queries, query_row(a));
      q = queries, q_row = query_row(a);
    }
    if (few)
      status = gemm(count, a->m, a->d, q, a->q_row, 1, h->k, 1, a->k_row, scores, a->scores_row,
                    PVT_SET);
    else
      multiply(a->tiles, q, q_row, count, a->d_units, keys, a->k_blocks, 0, scores, a->scores_row,
               a->m);
    if (status != PVT_OK) break;
    soften(a, h, row, count, scores, mask_row, a->pairs && !few);
    if (few)
      status = gemm(count, a->e, a->m, scores, a->scores_row, 1, h->v, a->v_row, 1, y, a->y_row,
                    PVT_SET);
    else if (a->v_in_place)
      multiply(a->tiles, scores, a->scores_row, count, a->m, h->v, a->v_blocks, a->v_row, y,
               a->y_row, a->e);
    else
      multiply(a->tiles, scores, a->scores_row, count, a->m_units, values, a->v_blocks, 0, y,
               a->y_row, a->e);
    if (status == PVT_OK) status = pvt_poll();
  }
  return status;
}

static int run_part(void *arg, int index) {
  const attention *a = arg;
  int64_t panel_keys = ceiling(a->m, PVB_BLOCK) * PVB_BLOCK;
  int64_t values = a->v_in_place ? 0 : panel_values(a), queries = 0;
  if (a->pairs) /* or keys, before */
    queries =
        a->m * a->d_units > a->rows * query_row(a) ? a->m * a->d_units : a->rows * query_row(a);
  int64_t floats =
      a->rows * a->scores_row + panel_keys + panel_keys * a->d_units + values + queries;
  pvt_buffer *scratch = pvt_buffer_new((size_t)floats * sizeof(float));
  if (scratch == NULL) return pvt_error_status();
  int64_t units = a->heads * a->splits, end = units * (index + 1) / a->count;
  int status = PVT_OK;
  for (int64_t i = units * index / a->count; i < end && status == PVT_OK; i++) {
    char *at[5];
    memcpy(at, a->data, sizeof at);
    int64_t rest = i / a->splits, split = i % a->splits;
    for (int d = a->leading - 1; d >= 0; d--) {
      for (int j = 0; j < 5; j++)
        if (at[j] != NULL) at[j] += rest % a->size[d] * a->step[j][d];
      rest /= a->size[d];
    }
    head h = {(float *)(void *)at[0], (float *)(void *)at[1], (float *)(void *)at[2], at[3],
              (float *)(void *)at[4]};
    status = run_head(a, &h, a->n * split / a->splits, a->n * (split + 1) / a->splits,
                      pvt_buffer_data(scratch));
  }
  pvt_buffer_release(scratch);
  return status;
}

/* ---- Arrays ------------------------------------------------------------- */

/* Elements side by side, everything else a whole number of floats apart. */
static bool lies_well(const pvt_array *array) {
  const pvt_dim *last = &array->dim[array->ndim - 1];
  if ((uintptr_t)array->data % 4 != 0 || (last->size > 1 && last->stride != 4)) return false;
  for (int d = 0; d < array->ndim - 1; d++)
    if (array->dim[d].stride % 4 != 0) return false;
  return true;
}

static int settle(const pvt_array *array, bool contents, pvt_array *copy, const pvt_array **use) {
  *use = array;
  if (lies_well(array)) return PVT_OK;
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < array->ndim; d++) shape[d] = array->dim[d].size;
  int status = pvt_array_new(copy, PVT_FLOAT32, array->ndim, shape);
  if (status == PVT_OK && contents) status = pvt_copy(array, copy);
  *use = copy;
  return status;
}

/* Array j's steps over y's leading dimensions. */
static int lead(attention *a, int j, const pvt_array *array) {
  int leading = array->ndim - 2, added = a->leading - leading;
  if (added < 0) return pvt_fail(PVT_E_SHAPE, "attention: dimensions do not fit the result's");
  for (int d = 0; d < a->leading; d++) {
    const pvt_dim *dim = d >= added ? &array->dim[d - added] : NULL;
    if (dim != NULL && dim->size != a->size[d] && dim->size != 1)
      return pvt_fail(PVT_E_SHAPE, "attention: a size of %lld does not fit the result's %lld",
                      (long long)dim->size, (long long)a->size[d]);
    a->step[j][d] = dim == NULL || dim->size == 1 ? 0 : dim->stride;
  }
  a->data[j] = array->data;
  return PVT_OK;
}

static int check(const pvt_array *q, const pvt_array *k, const pvt_array *v, const pvt_array *mask,
                 const pvt_array *y) {
  const pvt_array *all[] = {q, k, v, y, mask};
  for (int i = 0; i < 5; i++) {
    if (all[i] == NULL) continue;
    if (all[i]->dtype != PVT_FLOAT32)
      return pvt_fail(PVT_E_DTYPE, "attention: arrays must be float32");
    if (all[i]->ndim < 2)
      return pvt_fail(PVT_E_SHAPE, "attention: arrays have 2 or more dimensions");
  }
  const pvt_dim *qd = &q->dim[q->ndim - 2], *kd = &k->dim[k->ndim - 2], *vd = &v->dim[v->ndim - 2];
  const pvt_dim *yd = &y->dim[y->ndim - 2];
  if (qd[1].size != kd[1].size || kd[0].size != vd[0].size || yd[0].size != qd[0].size ||
      yd[1].size != vd[1].size)
    return pvt_fail(PVT_E_SHAPE, "attention: queries, keys, values and result do not fit");
  if (mask != NULL) {
    const pvt_dim *md = &mask->dim[mask->ndim - 2];
    if ((md[0].size != 1 && md[0].size != qd[0].size) ||
        (md[1].size != 1 && md[1].size != kd[0].size))
      return pvt_fail(PVT_E_SHAPE, "attention: the mask does not fit queries and keys");
  }
  return y->writable ? PVT_OK : pvt_fail(PVT_E_READONLY, "attention: the result is read-only");
}

static int64_t row_of(const pvt_array *array) {
  const pvt_dim *dim = &array->dim[array->ndim - 2];
  return dim->size > 1 ? dim->stride / 4 : dim[1].size;
}

static void plan(attention *a, const pvt_array *mask, pvb_team *team) {
  a->k_blocks = pvb_tile_blocks(a->n, ceiling(a->m, PVB_BLOCK));
  a->v_blocks = pvb_tile_blocks(a->n, ceiling(a->e, PVB_BLOCK));
  a->pairs = a->how.fast && pvb_has_pairs();
  a->tiles = pvb_tiles_of(a->pairs ? PVB_PAIRS : PVB_FLOATS);
  a->d_units = a->pairs ? ceiling(a->d, 2) : a->d;
  a->m_units = a->pairs ? ceiling(a->m, 2) : a->m;
  a->v_in_place = !a->pairs && a->e % PVB_BLOCK == 0;
  a->scores_row = ceiling(a->m, PVB_BLOCK) * PVB_BLOCK;
  if (a->scores_row % 256 == 0) a->scores_row += PVB_BLOCK; /* rows would meet in the same sets */
  a->rows = SCORES_MOST / (a->scores_row * 4) / PVT_TILE_ROWS * PVT_TILE_ROWS;
  if (a->rows < PVT_TILE_ROWS) a->rows = PVT_TILE_ROWS;
  if (a->rows > a->n) a->rows = a->n;
  if (mask != NULL) {
    const pvt_dim *md = &mask->dim[mask->ndim - 2];
    a->mask_row = md[0].size == 1 ? 0 : md[0].stride;
    a->mask_column = md[1].size == 1 ? 0 : md[1].stride;
  }
  a->splits = a->count = 1;
  if (team == NULL || team->threads <= 1) return;
  if (a->heads < team->threads && a->n >= 8 * FEW)
    a->splits = ceiling(team->threads, a->heads) < a->n / (2 * FEW)
                    ? ceiling(team->threads, a->heads)
                    : a->n / (2 * FEW);
  int64_t units = a->heads * a->splits;
  a->count = (int)(units < team->threads ? units : team->threads);
}

int pvb_attention(const pvt_array *q, const pvt_array *k, const pvt_array *v, const pvt_array *mask,
                  const pvb_attending *how, pvb_team *team, pvt_array *y) {
  int status = check(q, k, v, mask, y);
  if (status != PVT_OK) return status;
  pvt_array copies[4] = {{0}};
  const pvt_array *use[4] = {0};
  attention a = {.how = *how, .leading = y->ndim - 2, .heads = 1};
  status = settle(q, true, &copies[0], &use[0]);
  if (status == PVT_OK) status = settle(k, true, &copies[1], &use[1]);
  if (status == PVT_OK) status = settle(v, true, &copies[2], &use[2]);
  if (status == PVT_OK) status = settle(y, false, &copies[3], &use[3]);
  if (status == PVT_OK) {
    for (int d = 0; d < a.leading; d++) a.heads *= a.size[d] = y->dim[d].size;
    a.n = q->dim[q->ndim - 2].size, a.d = q->dim[q->ndim - 1].size;
    a.m = v->dim[v->ndim - 2].size, a.e = v->dim[v->ndim - 1].size;
    a.q_row = row_of(use[0]), a.k_row = row_of(use[1]);
    a.v_row = row_of(use[2]), a.y_row = row_of(use[3]);
    const pvt_array *all[5] = {use[0], use[1], use[2], mask, use[3]};
    for (int j = 0; j < 5 && status == PVT_OK; j++)
      if (all[j] != NULL) status = lead(&a, j, all[j]);
    if (status == PVT_OK && a.heads * a.n * a.e > 0) {
      plan(&a, mask, team);
      status = pvb_spread(team, a.count, run_part, &a);
    }
  }
  if (status == PVT_OK && use[3] != y) status = pvt_copy(use[3], y);
  for (int i = 0; i < 4; i++) pvt_array_release(&copies[i]);
  return status;
}

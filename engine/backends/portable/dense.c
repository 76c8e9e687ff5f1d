/* dense.c - products with a constant matrix, which is packed once into panels for the tiles.
**
** Weights that are multiples of a step for each column (see multiples.h) are packed as int8 and the sums
** multiplied by the step, which loses nothing: only their memory is less.
**
** For few rows, the matrix is streamed once, panel by panel. With more rows, a stretch of k is done
** at a time, so that what a panel has of it stays near for all rows of a chunk.
*/
#include <math.h>
#include <string.h>

#include "portable.h"

#define CHUNK_ROWS 336
#define DEEP_BYTES ((int64_t)64 << 10) /* of a panel that stays near for all rows of a chunk */
#define FEW_ROWS 48                    /* for which all of k is done at once */
#define FAR ((size_t)1 << 20)          /* bytes of weights that are not in the second cache */
#define SKEW 16 /* floats behind each copied row, so that rows do not fall into the same sets */

typedef struct dense {
  pvb_packed packed;
  pvb_weights kind;
  int64_t step;        /* elements of k in one unit of weights: 2 of pairs */
  int64_t rows, n, k;  /* rows: of all the batch */
  int64_t panels;      /* blocks of columns */
  int blocks;          /* of a tile, at most */
  int64_t deep;        /* of k at a time */
  int64_t chunk;       /* rows at a time */
  int64_t copy_floats; /* scratch of one part, for rows of a that lie awkwardly */
} dense;

static int64_t ceiling(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

static int blocks_at(const dense *d, int64_t panel) {
  int blocks = d->blocks;
  while (blocks > d->panels - panel) blocks /= 2;
  return blocks;
}

static float element(const pvt_array *b, int64_t p, int64_t j) {
  float value;
  memcpy(&value, b->data + p * b->dim[0].stride + j * b->dim[1].stride, sizeof value);
  return value;
}

/* Column j's scale as int8. */
static float scale_of(const dense *d, const pvt_array *b, int64_t j) {
  float most = 0;
  for (int64_t p = 0; p < d->k; p++) most = fmaxf(most, fabsf(element(b, p, j)));
  return most / 127;
}

/* [panel's blocks][k in units][blocks][16], columns that are not there 0. */
static int pack(const dense *d, const pvt_array *b, const float *steps, float scale) {
  float *to = d->packed.weights;
  uint32_t *to_pairs = (uint32_t *)(void *)to;
  int8_t *to_bytes = (int8_t *)to;
  int64_t work = 0;
  for (int64_t panel = 0; panel < d->panels;) {
    int blocks = blocks_at(d, panel);
    int64_t first = panel * PVB_BLOCK, width = blocks * PVB_BLOCK;
    int64_t columns = d->n - first < width ? d->n - first : width;
    float scales[PVT_TILE_BLOCKS * PVB_BLOCK];
    for (int64_t j = 0; j < columns && d->kind == PVB_BYTES; j++) {
      scales[j] = steps != NULL ? steps[first + j] : scale_of(d, b, first + j);
      d->packed.scale[first + j] = scale * scales[j];
    }
    for (int64_t p = 0; p < d->k; p += d->step) {
      if (d->kind == PVB_FLOATS) {
        const char *from = b->data + p * b->dim[0].stride + first * b->dim[1].stride;
        for (int64_t j = 0; j < columns; j++) {
          float value;
          memcpy(&value, from + j * b->dim[1].stride, sizeof value);
          to[j] = scale * value;
        }
        for (int64_t j = columns; j < width; j++) to[j] = 0;
        to += width;
      } else if (d->kind == PVB_PAIRS) {
        for (int64_t j = 0; j < width; j++) {
          bool there = j < columns, pair = there && p + 1 < d->k;
          *to_pairs++ = pvb_pair(there ? scale * element(b, p, first + j) : 0,
                                 pair ? scale * element(b, p + 1, first + j) : 0);
        }
      } else {
        for (int64_t j = 0; j < width; j++)
          *to_bytes++ = j < columns ? pvb_byte(element(b, p, first + j), scales[j]) : 0;
      }
      if ((work += width) < PVT_TILE) continue;
      work = 0;
      int status = pvt_poll();
      if (status != PVT_OK) return status;
    }
    panel += blocks;
  }
  return PVT_OK;
}

/* ---- Rows of a ---------------------------------------------------------- */

typedef struct rows_of_a {
  const pvt_array *a;
  bool regular; /* rows are `row` floats apart, their elements side by side */
  bool awkward; /* ... but many of them would meet in few sets of the first cache */
  int64_t row;
} rows_of_a;

static void look_at(const pvt_array *a, int64_t chunk, rows_of_a *rows) {
  *rows = (rows_of_a){.a = a, .regular = true};
  int last = a->ndim - 1;
  int64_t size = 1, stride = 0;
  if ((a->dim[last].size > 1 && a->dim[last].stride != 4) || (uintptr_t)a->data % 4 != 0)
    rows->regular = false;
  for (int i = last - 1; i >= 0; i--) {
    if (a->dim[i].size == 1) continue;
    if (size > 1 && a->dim[i].stride != size * stride) rows->regular = false;
    if (size == 1) stride = a->dim[i].stride;
    size *= a->dim[i].size;
  }
  if (stride % 4 != 0) rows->regular = false;
  rows->row = stride / 4;
  rows->awkward = chunk >= 8 && stride % 4096 == 0;
}

/* Elements [from, from + deep) of `count` rows from `row` on, `to_row` floats apart; as pairs, if
** `pairs` says so. */
static void copy_rows(const rows_of_a *rows, int64_t row, int64_t count, int64_t from, int64_t deep,
                      float *to, int64_t to_row, bool pairs) {
  const pvt_array *a = rows->a;
  const pvt_pairs *bf16 = pvt_kernels_get()->layers->bf16;
  if (rows->regular) {
    const float *source = (const float *)a->data + row * rows->row + from;
    for (int64_t i = 0; i < count; i++) {
      float *target = to + i * to_row;
      if (pairs) bf16->convert(deep, source + i * rows->row, (uint32_t *)(void *)target);
      else memcpy(target, source + i * rows->row, (size_t)deep * sizeof(float));
    }
    return;
  }
  int last = a->ndim - 1;
  int64_t column = a->dim[last].stride, m = a->dim[last - 1].size, m_step = a->dim[last - 1].stride;
  for (int64_t i = 0; i < count;) {
    int64_t rest = (row + i) / m, first = (row + i) % m;
    int64_t some = m - first < count - i ? m - first : count - i;
    const char *at = a->data + first * m_step + from * column;
    for (int d = last - 2; d >= 0; d--) {
      at += rest % a->dim[d].size * a->dim[d].stride;
      rest /= a->dim[d].size;
    }
    if (m_step == 4 && (uintptr_t)at % 4 == 0 && column % 4 == 0) {
      pvt_kernels_get()->movers->transpose[2](deep, some, at, column, (char *)(to + i * to_row),
                                              to_row * 4);
    } else {
      for (int64_t r = 0; r < some; r++)
        for (int64_t p = 0; p < deep; p++)
          memcpy(to + (i + r) * to_row + p, at + r * m_step + p * column, sizeof(float));
    }
    i += some;
  }
  for (int64_t i = 0; i < count && pairs; i++) /* what is read is ahead */
    bf16->convert(deep, to + i * to_row, (uint32_t *)(void *)(to + i * to_row));
}

/* ---- A run -------------------------------------------------------------- */

typedef struct parts {
  const dense *d;
  const pvb_run *run;
  rows_of_a rows;
  const float *residual;
  bool over;       /* y is its own residual */
  bool by_columns; /* parts are ranges of panels, not of rows */
  int count;
} parts;

static int run_rows(const parts *all, int64_t row, int64_t count, int64_t first, int64_t end,
                    float *scratch) {
  const dense *d = all->d;
  const pvt_layers *layers = pvt_kernels_get()->layers;
  const pvb_epilogue *epilogue = &d->packed.work.epilogue;
  pvb_activation activation = epilogue->activation;
  bool in_tile = activation == PVB_NONE || activation == PVB_RELU || activation == PVB_CLIP;
  const pvt_tiles *tiles_of = pvb_tiles_of(d->kind);
  bool copied = !all->rows.regular || all->rows.awkward || d->kind == PVB_PAIRS;
  int64_t size = pvb_weight_size(d->kind), units = ceiling(d->k, d->step); /* in a column */
  float *y = (float *)all->run->y->data + row * d->n;
  int64_t work = 0;
  for (int64_t from = 0; from < d->k || from == 0; from += d->deep) {
    int64_t deep = d->k - from < d->deep ? d->k - from : d->deep, a_row = all->rows.row;
    bool last = from + deep >= d->k;
    const float *a = (const float *)all->rows.a->data + row * a_row + from;
    if (copied) {
      a = scratch, a_row = d->deep + SKEW;
      copy_rows(&all->rows, row, count, from, deep, scratch, a_row, d->kind == PVB_PAIRS);
    }
    for (int64_t panel = first; panel < end;) {
      int blocks = blocks_at(d, panel);
      int64_t columns = d->n - panel * PVB_BLOCK;
      if (columns > blocks * PVB_BLOCK) columns = blocks * PVB_BLOCK;
      pvt_tile tile = {
          .row = a_row,
          .segments = 1,
          .depth = ceiling(deep, d->step),
          .offset = (const int64_t[]){0},
          .w = (const char *)d->packed.weights +
               (panel * units + from / d->step * blocks) * PVB_BLOCK * size,
          .w_row = blocks * PVB_BLOCK,
          .y_row = d->n,
          .y_block = PVB_BLOCK,
          .columns = columns - (blocks - 1) * PVB_BLOCK,
          .add = all->over || from > 0,
          .residual_row = d->n,
          .residual_block = PVB_BLOCK,
      };
      if (d->packed.scale != NULL) tile.scale = d->packed.scale + panel * PVB_BLOCK;
      if (last) {
        if (d->packed.bias != NULL) tile.bias = d->packed.bias + panel * PVB_BLOCK;
        if (in_tile) tile.activation = activation;
        tile.alpha = epilogue->alpha, tile.beta = epilogue->beta;
      }
      int64_t tiles = ceiling(count, tiles_of->most_rows[blocks - 1]);
      /* the next panel's stretch; where there is none, nothing is lost */
      bool fetch = tiles > 1 && d->packed.kernel.packed > FAR;
      int64_t piece = tile.depth * blocks * PVB_BLOCK * size;
      const char *next = (const char *)tile.w + units * blocks * PVB_BLOCK * size;
      if (panel + blocks >= end)
        next = (const char *)d->packed.weights +
               (first * units + (from + deep) / d->step * blocks) * PVB_BLOCK * size;
      for (int64_t t = 0; t < tiles; t++) {
        int64_t r = count * t / tiles, some = count * (t + 1) / tiles - r;
        if (fetch) pvb_prefetch(next, piece, t, tiles);
        tile.x = a + r * a_row;
        tile.y = y + r * d->n + panel * PVB_BLOCK;
        if (last && all->residual != NULL)
          tile.residual = all->residual + (tile.y - (float *)all->run->y->data);
        tiles_of->kernel[blocks - 1][some - 1](&tile);
        if (last && !in_tile)
          for (int64_t i = 0; i < some; i++)
            layers->activate[activation](columns, tile.y + i * d->n, NULL, epilogue->alpha,
                                         epilogue->beta);
      }
      panel += blocks;
      work += count * deep * blocks;
      if (work < 1 << 17) continue;
      work = 0;
      int status = pvt_poll();
      if (status != PVT_OK) return status;
    }
  }
  return PVT_OK;
}

static int run_part(void *arg, int index) {
  const parts *all = arg;
  const dense *d = all->d;
  float *scratch = (float *)all->run->scratch + index * d->copy_floats;
  int64_t first = 0, end = d->panels, row = 0, rows_end = d->rows;
  if (all->by_columns) {
    int64_t tiles = ceiling(d->panels, d->blocks);
    first = tiles * index / all->count * d->blocks;
    end = tiles * (index + 1) / all->count * d->blocks;
    if (end > d->panels) end = d->panels;
  } else {
    row = d->rows * index / all->count;
    rows_end = d->rows * (index + 1) / all->count;
  }
  for (int status; row < rows_end; row += d->chunk) {
    int64_t count = rows_end - row < d->chunk ? rows_end - row : d->chunk;
    if ((status = run_rows(all, row, count, first, end, scratch)) != PVT_OK) return status;
  }
  return PVT_OK;
}

/* The residual as the tiles read it: contiguous, and y itself or apart from it. */
static int settle_residual(const pvb_run *run, parts *all, pvt_array *copy) {
  const pvt_array *residual = run->residual;
  *copy = (pvt_array){0};
  if (residual == NULL) return PVT_OK;
  bool dense_rows = pvt_array_is_contiguous(residual) && (uintptr_t)residual->data % 4 == 0;
  if (dense_rows && residual->data == run->y->data) {
    all->over = true;
    return PVT_OK;
  }
  if (!dense_rows || pvt_array_overlap(residual, run->y)) {
    int64_t shape[PVT_MAX_DIMS];
    for (int d = 0; d < run->y->ndim; d++) shape[d] = run->y->dim[d].size;
    int status = pvt_array_new(copy, PVT_FLOAT32, run->y->ndim, shape);
    if (status == PVT_OK) status = pvt_copy(residual, copy);
    if (status != PVT_OK) return status;
    residual = copy;
  }
  all->residual = (const float *)residual->data;
  return PVT_OK;
}

static int run_dense(const pvb_kernel *kernel, const pvb_run *run) {
  const dense *d = (const dense *)kernel;
  parts all = {.d = d, .run = run, .count = 1};
  pvt_array copy;
  look_at(run->x, d->rows < d->chunk ? d->rows : d->chunk, &all.rows);
  int status = settle_residual(run, &all, &copy);
  if (run->team != NULL && d->packed.work.threads > 1) {
    int64_t tiles = ceiling(d->panels, d->blocks), threads = d->packed.work.threads;
    all.by_columns = d->rows < 2 * PVT_TILE_ROWS * threads;
    int64_t most = all.by_columns ? tiles : d->rows / PVT_TILE_ROWS;
    all.count = (int)(most < threads ? most : threads);
  }
  if (status == PVT_OK) status = pvb_spread(run->team, all.count, run_part, &all);
  pvt_array_release(&copy);
  return status;
}

/* ---- The way ------------------------------------------------------------ */

static bool suits(const pvb_work *work, pvb_weights kind, pvb_way *way) {
  const pvb_product *p = &work->product;
  if (work->kind != PVB_PRODUCT || !p->constant || p->batch * p->m * p->n * p->k == 0) return false;
  const pvb_speed *speed = pvb_speed_get();
  double columns = (double)(ceiling(p->n, PVB_BLOCK) * PVB_BLOCK), rows = (double)(p->batch * p->m);
  double element = kind == PVB_FLOATS ? 4 : kind == PVB_PAIRS ? 2 : 1;
  double bytes = element * columns * (double)p->k, share = kind == PVB_PAIRS ? 0.6 : 1.05;
  double products = share * rows * columns * (double)p->k / speed->products;
  double streamed = bytes / (bytes < 1e6 ? speed->cached : speed->memory);
  way->reads = way->writes = PVB_PLAIN;
  way->seconds = 3e-7 + (rows >= 8             ? products + streamed
                         : products > streamed ? products
                                               : streamed);
  return true;
}

static bool floats_suit(const pvb_work *work, pvb_way *way) {
  return work->precision != PVB_SMALL && suits(work, PVB_FLOATS, way);
}

static bool pairs_suit(const pvb_work *work, pvb_way *way) {
  return work->precision == PVB_FAST && pvb_has_pairs() && suits(work, PVB_PAIRS, way);
}

static bool bytes_suit(const pvb_work *work, pvb_way *way) {
  return work->precision == PVB_SMALL && suits(work, PVB_BYTES, way);
}

static bool multiples_suit(const pvb_work *work, pvb_way *way) {
  return work->precision != PVB_SMALL && work->steps != NULL && suits(work, PVB_BYTES, way);
}

/* Of a tile, at most. Wide tiles read the rows less often, which counts where the matrix comes from
** afar at the same time; their sums are nearly as many. */
static int blocks_of(int64_t rows, int64_t panels) {
  const int wide = PVT_TILE_BLOCKS, *most = pvt_kernels_get()->layers->tiles->most_rows;
  bool filled = most[wide - 1] > 0 && panels >= wide && 5 * ceiling(rows, most[wide - 1]) <= rows;
  return filled ? wide : pvb_tile_blocks(rows, panels);
}

static int prepare(const pvb_work *work, pvb_weights kind, pvb_kernel **kernel) {
  if (work->weights == NULL)
    return pvt_fail(PVT_E_UNSUPPORTED, "a packed product needs a constant matrix");
  const pvb_product *p = &work->product;
  dense shape = {.kind = kind, .rows = p->batch * p->m, .n = p->n, .k = p->k};
  shape.step = kind == PVB_PAIRS ? 2 : 1;
  shape.panels = ceiling(p->n, PVB_BLOCK);
  shape.blocks = blocks_of(shape.rows, shape.panels);
  int64_t size = pvb_weight_size(kind), units = ceiling(p->k, shape.step);
  int64_t deep = DEEP_BYTES / (shape.blocks * PVB_BLOCK * size);
  deep = ceiling(units, ceiling(units, deep));
  shape.deep = (shape.rows <= FEW_ROWS ? units : deep) * shape.step;
  shape.chunk = ceiling(shape.rows, ceiling(shape.rows, CHUNK_ROWS));
  shape.copy_floats = ceiling(shape.chunk * (shape.deep + SKEW), 16) * 16;
  pvb_packed *packed;
  int status = pvb_packed_bytes(sizeof(dense), work, shape.panels * PVB_BLOCK * units * size,
                                kind == PVB_BYTES ? p->n : 0, run_dense, &packed);
  if (status != PVT_OK) return status;
  shape.packed = *packed;
  dense *d = (dense *)packed;
  *d = shape;
  const float *steps = work->precision == PVB_SMALL ? NULL : work->steps;
  if ((status = pack(d, work->weights, steps, p->scale)) != PVT_OK) {
    pvb_release(&packed->kernel);
    return status;
  }
  d->packed.kernel.scratch = (size_t)(d->copy_floats * work->threads) * sizeof(float);
  *kernel = &packed->kernel;
  return PVT_OK;
}

#define PREPARE(name, kind)                                                                        \
  static int name(const pvb_work *work, const pvb_way *way, pvb_kernel **kernel) {                 \
    (void)way;                                                                                     \
    return prepare(work, kind, kernel);                                                            \
  }
PREPARE(prepare_floats, PVB_FLOATS)
PREPARE(prepare_pairs, PVB_PAIRS)
PREPARE(prepare_bytes, PVB_BYTES)

const pvb_algorithm pvb_dense = {"packed", floats_suit, prepare_floats};
const pvb_algorithm pvb_dense_pairs = {"packed bfloat16", pairs_suit, prepare_pairs};
const pvb_algorithm pvb_dense_bytes = {"packed int8", bytes_suit, prepare_bytes};
const pvb_algorithm pvb_dense_multiples = {"packed multiples", multiples_suit, prepare_bytes};

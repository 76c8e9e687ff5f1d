/* minimal.c - convolutions by 3 x 3 windows with fewer multiplications, after Winograd.
**
** m x m results come of (m + 2)^2 products instead of 9 m^2: 2.25 times fewer for m = 2, 4 times for
** m = 4. Some tiles at a time are transformed, multiplied for each place of the transform, and
** transformed back while all of it is in the second cache.
**
** Errors, of the largest result, for normally distributed images and weights of 256 channels: about
** 1e-6 for m = 2, as for direct sums, and 2e-6 for m = 4; the tests' limit is 1e-5.
*/
#include <string.h>

#include "portable.h"

#define SIDE_MOST 6
#define TRANSFORMED_MOST ((int64_t)384 << 10) /* bytes of a transformed image at a time */

typedef struct minimal {
  pvb_packed packed;
  int64_t n, in_blocks, out_blocks, used; /* used: channels of the last block, if not all */
  int64_t size[2], result[2], before[2];
  int64_t m, side, places; /* of a transform: side^2 */
  int64_t tiles[2], all;   /* of one image */
  int64_t together;        /* tiles at a time */
  int blocks;
  bool clears;
  int64_t floats; /* scratch of one part */
} minimal;

static int64_t ceiling(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/* ---- Weights ------------------------------------------------------------ */

static const double of_2[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
/* 1, p and p^2 for each point p, over the product of its distances from the others. */
#define A 0.75
#define B 1.5
#define OVER_A (1 / (2 * A * A * (A * A - B * B)))
#define OVER_B (1 / (2 * B * B * (B * B - A * A)))
static const double of_4[6][3] = {
    {1 / (A * A * B * B), 0, 0},           {OVER_A, A * OVER_A, A * A * OVER_A},
    {OVER_A, -A * OVER_A, A * A * OVER_A}, {OVER_B, B * OVER_B, B * B * OVER_B},
    {OVER_B, -B * OVER_B, B * B * OVER_B}, {0, 0, 1}};

static void transform_weights(const double (*g)[3], int64_t side, const float w[9], float *to,
                              int64_t step) {
  double half[SIDE_MOST][3];
  for (int64_t i = 0; i < side; i++)
    for (int j = 0; j < 3; j++)
      half[i][j] = g[i][0] * w[j] + g[i][1] * w[3 + j] + g[i][2] * w[6 + j];
  for (int64_t i = 0; i < side; i++)
    for (int64_t j = 0; j < side; j++)
      to[(i * side + j) * step] =
          (float)(half[i][0] * g[j][0] + half[i][1] * g[j][1] + half[i][2] * g[j][2]);
}

static int blocks_at(const minimal *c, int64_t block) {
  int blocks = c->blocks;
  while (blocks > c->out_blocks - block) blocks /= 2;
  return blocks;
}

/* [tile's blocks][place][in channel][blocks][16]. */
static int pack(const minimal *c, const float *weights, int64_t in, int64_t out, float *to) {
  const double (*g)[3] = c->m == 2 ? of_2 : of_4;
  int64_t channels = c->in_blocks * PVB_BLOCK;
  memset(to, 0, (size_t)(c->out_blocks * PVB_BLOCK * c->places * channels) * sizeof(float));
  for (int64_t block = 0; block < c->out_blocks;) {
    int blocks = blocks_at(c, block);
    int64_t width = blocks * PVB_BLOCK;
    for (int64_t o = 0; o < width && block * PVB_BLOCK + o < out; o++) {
      const float *w = weights + (block * PVB_BLOCK + o) * in * 9;
      for (int64_t i = 0; i < in; i++)
        transform_weights(g, c->side, w + i * 9, to + i * width + o, channels * width);
      int status = pvt_poll();
      if (status != PVT_OK) return status;
    }
    to += c->places * channels * width;
    block += blocks;
  }
  return PVT_OK;
}

/* ---- A run -------------------------------------------------------------- */

/* The patch of one tile: where it lies in the image, or a copy with zeros around it. */
static const float *patch_of(const minimal *c, const float *plane, int64_t row, int64_t column,
                             float *copy, int64_t *step) {
  int64_t width = c->size[1] * PVB_BLOCK;
  *step = width;
  if (row >= 0 && column >= 0 && row + c->side <= c->size[0] && column + c->side <= c->size[1])
    return plane + row * width + column * PVB_BLOCK;
  *step = c->side * PVB_BLOCK;
  for (int64_t i = 0; i < c->side; i++)
    for (int64_t j = 0; j < c->side; j++) {
      bool inside =
          row + i >= 0 && row + i < c->size[0] && column + j >= 0 && column + j < c->size[1];
      float *to = copy + (i * c->side + j) * PVB_BLOCK;
      if (inside)
        memcpy(to, plane + (row + i) * width + (column + j) * PVB_BLOCK, PVB_BLOCK * sizeof(float));
      else memset(to, 0, PVB_BLOCK * sizeof(float));
    }
  return copy;
}

/* One block of channels of one tile of results; tiles at the edges are cut. */
static void put(const minimal *c, const float *from, int64_t from_step, pvt_winograd_out *out,
                float *y, const float *residual, int64_t row, int64_t column) {
  const pvt_layers *layers = pvt_kernels_get()->layers;
  const pvt_winograd *transforms = &layers->winograd[c->m == 4];
  const pvb_epilogue *epilogue = &c->packed.work.epilogue;
  int64_t rows = c->result[0] - row < c->m ? c->result[0] - row : c->m;
  int64_t columns = c->result[1] - column < c->m ? c->result[1] - column : c->m;
  int64_t width = c->result[1] * PVB_BLOCK, at = row * width + column * PVB_BLOCK;
  size_t bytes = (size_t)(columns * PVB_BLOCK) * sizeof(float);
  float cut[SIDE_MOST * SIDE_MOST * PVB_BLOCK], old[SIDE_MOST * SIDE_MOST * PVB_BLOCK];
  bool whole = rows == c->m && columns == c->m;
  out->y = y + at, out->row = width;
  out->residual = residual == NULL ? NULL : residual + at;
  if (!whole) {
    out->y = cut, out->row = c->m * PVB_BLOCK;
    if (residual != NULL) {
      memset(old, 0, sizeof old);
      for (int64_t i = 0; i < rows; i++)
        memcpy(old + i * out->row, residual + at + i * width, bytes);
      out->residual = old;
    }
  }
  transforms->output(from, from_step, out);
  if (!whole)
    for (int64_t i = 0; i < rows; i++) memcpy(y + at + i * width, cut + i * out->row, bytes);
  if (epilogue->activation != out->activation)
    for (int64_t i = 0; i < rows; i++)
      layers->activate[epilogue->activation](columns * PVB_BLOCK, y + at + i * width, NULL,
                                             epilogue->alpha, epilogue->beta);
}

static int run_tiles(const minimal *c, const pvb_run *run, int64_t image, int64_t first,
                     int64_t count, float *scratch) {
  const pvt_layers *layers = pvt_kernels_get()->layers;
  const pvb_epilogue *epilogue = &c->packed.work.epilogue;
  pvb_activation activation = epilogue->activation;
  int64_t plane = c->size[0] * c->size[1] * PVB_BLOCK;
  int64_t out_plane = c->result[0] * c->result[1] * PVB_BLOCK;
  int64_t tile_floats = count * PVB_BLOCK, place_floats = c->in_blocks * tile_floats;
  float *v = scratch, *sums = v + c->places * c->in_blocks * c->together * PVB_BLOCK;
  float *copy = sums + c->places * c->blocks * c->together * PVB_BLOCK;
  int64_t *offset = (int64_t *)(void *)(copy + c->places * PVB_BLOCK);
  const float *x = (const float *)run->x->data + image * c->in_blocks * plane;
  int status;
  for (int64_t block = 0; block < c->in_blocks; block++, x += plane) {
    offset[block] = block * tile_floats;
    for (int64_t t = 0; t < count; t++) {
      int64_t row = (first + t) / c->tiles[1] * c->m - c->before[0], step;
      int64_t column = (first + t) % c->tiles[1] * c->m - c->before[1];
      const float *patch = patch_of(c, x, row, column, copy, &step);
      layers->winograd[c->m == 4].input(patch, step, v + block * tile_floats + t * PVB_BLOCK,
                                        place_floats);
    }
    if ((status = pvt_poll()) != PVT_OK) return status;
  }
  const float *w = c->packed.weights;
  for (int64_t block = 0; block < c->out_blocks;) {
    int blocks = blocks_at(c, block);
    int64_t width = blocks * PVB_BLOCK;
    int64_t tiles = ceiling(count, layers->tiles->most_rows[blocks - 1]);
    pvt_tile tile = {.row = PVB_BLOCK,
                     .segments = c->in_blocks,
                     .depth = PVB_BLOCK,
                     .offset = offset,
                     .w_row = width,
                     .y_row = PVB_BLOCK,
                     .y_block = tile_floats,
                     .columns = PVB_BLOCK};
    for (int64_t place = 0; place < c->places; place++, w += c->in_blocks * PVB_BLOCK * width) {
      for (int64_t t = 0; t < tiles; t++) {
        int64_t from = count * t / tiles, some = count * (t + 1) / tiles - from;
        tile.x = v + place * place_floats + from * PVB_BLOCK;
        tile.w = w;
        tile.y = sums + place * blocks * tile_floats + from * PVB_BLOCK;
        layers->tiles->kernel[blocks - 1][some - 1](&tile);
      }
      if ((status = pvt_poll()) != PVT_OK) return status;
    }
    for (int b = 0; b < blocks; b++) {
      pvt_winograd_out out = {.alpha = epilogue->alpha, .beta = epilogue->beta};
      if (activation == PVB_RELU || activation == PVB_CLIP) out.activation = activation;
      if (c->packed.bias != NULL) out.bias = c->packed.bias + (block + b) * PVB_BLOCK;
      int64_t at = (image * c->out_blocks + block + b) * out_plane;
      const float *residual = run->residual ? (const float *)run->residual->data + at : NULL;
      for (int64_t t = 0; t < count; t++)
        put(c, sums + b * tile_floats + t * PVB_BLOCK, blocks * tile_floats, &out,
            (float *)run->y->data + at, residual, (first + t) / c->tiles[1] * c->m,
            (first + t) % c->tiles[1] * c->m);
    }
    if ((status = pvt_poll()) != PVT_OK) return status;
    block += blocks;
  }
  return PVT_OK;
}

typedef struct parts {
  const minimal *c;
  const pvb_run *run;
  int count;
} parts;

static int run_part(void *arg, int index) {
  const parts *all = arg;
  const minimal *c = all->c;
  int64_t pieces = ceiling(c->all, c->together), units = c->n * pieces;
  float *scratch = (float *)all->run->scratch + index * c->floats;
  int64_t end = units * (index + 1) / all->count;
  for (int64_t i = units * index / all->count; i < end; i++) {
    int64_t piece = i % pieces, first = c->all * piece / pieces;
    int64_t count = c->all * (piece + 1) / pieces - first;
    int status = run_tiles(c, all->run, i / pieces, first, count, scratch);
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

static int run_minimal(const pvb_kernel *kernel, const pvb_run *run) {
  const minimal *c = (const minimal *)kernel;
  int64_t units = c->n * ceiling(c->all, c->together);
  int64_t threads = run->team == NULL ? 1 : c->packed.work.threads;
  parts all = {c, run, (int)(units < threads ? units : threads)};
  int status = pvb_spread(run->team, all.count, run_part, &all);
  if (status != PVT_OK || !c->clears) return status;
  int64_t results = c->result[0] * c->result[1];
  for (int64_t image = 0; image < c->n; image++) {
    float *at = (float *)run->y->data + ((image + 1) * c->out_blocks - 1) * results * PVB_BLOCK;
    for (int64_t i = 0; i < results; i++)
      memset(at + i * PVB_BLOCK + c->used, 0, (size_t)(PVB_BLOCK - c->used) * sizeof(float));
  }
  return PVT_OK;
}

/* ---- Ways --------------------------------------------------------------- */

static bool plan(minimal *c, const pvb_work *work, int64_t m) {
  const pvb_conv *v = &work->conv;
  if (work->kind != PVB_CONV || v->spatial != 2 || v->groups != 1 || v->in < 8 || v->out < 8)
    return false;
  for (int d = 0; d < 2; d++) {
    if (v->kernel[d] != 3 || v->stride[d] != 1 || v->dilation[d] != 1) return false;
    if (v->out_size[d] < 3) return false;
    c->size[d] = v->size[d], c->result[d] = v->out_size[d], c->before[d] = v->before[d];
    c->tiles[d] = ceiling(v->out_size[d], m);
  }
  if (v->n == 0) return false;
  c->n = v->n, c->m = m, c->side = m + 2, c->places = c->side * c->side;
  c->in_blocks = ceiling(v->in, PVB_BLOCK), c->out_blocks = ceiling(v->out, PVB_BLOCK);
  c->used = v->out % PVB_BLOCK;
  c->all = c->tiles[0] * c->tiles[1];
  c->blocks = pvb_tile_blocks(c->all, c->out_blocks);
  int64_t rows = pvt_kernels_get()->layers->tiles->most_rows[c->blocks - 1];
  c->together = TRANSFORMED_MOST / (c->places * c->in_blocks * PVB_BLOCK * 4) / rows * rows;
  if (c->together < 12) c->together = ceiling(12, rows) * rows;
  if (c->together > c->all) c->together = c->all;
  int64_t vectors = c->places * (c->in_blocks + c->blocks) * c->together + c->places;
  c->floats = vectors * PVB_BLOCK + ceiling(2 * c->in_blocks, PVB_BLOCK) * PVB_BLOCK;
  return true;
}

static bool suits(const pvb_work *work, pvb_way *way, int64_t m) {
  minimal c = {0};
  if (work->precision == PVB_SMALL || !plan(&c, work, m)) return false;
  const pvb_speed *speed = pvb_speed_get();
  double tiles = (double)(c.n * c.all), in = (double)(c.in_blocks * PVB_BLOCK);
  double out = (double)(c.out_blocks * PVB_BLOCK), places = (double)c.places;
  double transforms = tiles * places * (in + out) * 4 * 4;
  double weights = places * in * out * 4, rounds = (double)(c.n * ceiling(c.all, c.together));
  way->reads = way->writes = PVB_BLOCKED;
  way->seconds = 2e-6 + 1.1 * tiles * places * in * out / speed->products +
                 transforms / speed->cached + weights * rounds / speed->cached +
                 (weights > 1e6 ? weights / speed->memory : 0);
  return true;
}

static int prepare(const pvb_work *work, int64_t m, pvb_kernel **kernel) {
  minimal shape = {0};
  if (work->weights == NULL || !plan(&shape, work, m))
    return pvt_fail(PVT_E_UNSUPPORTED, "winograd convolutions need constant weights of 3 x 3");
  int64_t floats = shape.places * shape.in_blocks * shape.out_blocks * PVB_BLOCK * PVB_BLOCK;
  pvb_packed *packed;
  int status = pvb_packed_new(sizeof(minimal), work, floats, run_minimal, &packed);
  if (status != PVT_OK) return status;
  shape.packed = *packed;
  shape.clears = shape.used != 0 && !pvb_keeps_zero(&work->epilogue);
  minimal *c = (minimal *)packed;
  *c = shape;
  pvt_array copy;
  const float *weights;
  status = pvb_in_order(work->weights, &copy, &weights);
  if (status == PVT_OK) status = pack(c, weights, work->conv.in, work->conv.out, c->packed.weights);
  pvt_array_release(&copy);
  if (status != PVT_OK) {
    pvb_release(&packed->kernel);
    return status;
  }
  c->packed.kernel.scratch = (size_t)(c->floats * work->threads) * sizeof(float);
  *kernel = &packed->kernel;
  return PVT_OK;
}

static bool suits_2(const pvb_work *work, pvb_way *way) {
  return suits(work, way, 2);
}

static bool suits_4(const pvb_work *work, pvb_way *way) {
  return suits(work, way, 4);
}

static int prepare_2(const pvb_work *work, const pvb_way *way, pvb_kernel **kernel) {
  (void)way;
  return prepare(work, 2, kernel);
}

static int prepare_4(const pvb_work *work, const pvb_way *way, pvb_kernel **kernel) {
  (void)way;
  return prepare(work, 4, kernel);
}

const pvb_algorithm pvb_winograd_2 = {"winograd 2x2", suits_2, prepare_2};
const pvb_algorithm pvb_winograd_4 = {"winograd 4x4", suits_4, prepare_4};

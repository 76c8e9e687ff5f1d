/* direct.c - convolutions by tiles of pixels and blocks of channels, straight from the image.
**
** A tile adds up all taps of some blocks of input channels for up to 14 neighbouring results of a
** row and one to four blocks of output channels. Where windows reach beyond the image, the part of it
** that some rows of results need is first copied with its padding, small enough for the second
** cache. Results go out in blocks; the image comes in blocks, or plain for the few channels of a
** first layer.
*/
#include <string.h>

#include "portable.h"

#define PADDED_MOST ((int64_t)192 << 10) /* bytes of a padded part, about */
#define CHUNK_MOST ((int64_t)40 << 10)   /* bytes of weights that one round of tiles reads */
#define PART_MOST ((int64_t)1 << 23)     /* floats */
#define PADDED_ALIGNMENT ((int64_t)16)   /* floats */

typedef struct direct {
  pvb_packed packed;
  pvb_geometry g;
  pvb_weights kind;
  bool plain;            /* the image is */
  int64_t joined;        /* channels of a group, where several share a block; 0: they do not */
  int64_t in_units;      /* of one group: blocks, or channels of a plain image */
  int64_t out_blocks;    /* of one group */
  int64_t unit_depth;    /* floats of a unit that one segment adds up */
  int64_t unit_segments; /* segments of one unit */
  int64_t chunk;         /* units in one round */
  int64_t rows, columns; /* results that are done at a time: of size 1, of size 2 */
  int64_t tiles;         /* in a row of so many columns */
  int blocks;            /* of a tile, at most */
  int64_t part_size[3];  /* of a padded part */
  int64_t part_floats;
  int64_t splits;  /* into which the output blocks are cut for threads */
  int64_t *offset; /* [in_units][unit_segments] */
} direct;

static int64_t ceiling(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/* Floats, or what stands for them, of one pixel of a part. */
static int64_t lane_of(const direct *c) {
  return c->plain ? 1 : c->kind == PVB_PAIRS ? PVB_BLOCK / 2 : PVB_BLOCK;
}

/* ---- Weights ------------------------------------------------------------ */

/* How many blocks the tiles from `block` on have. */
static int blocks_at(const direct *c, int64_t block) {
  int64_t left = c->out_blocks - block;
  int blocks = c->blocks;
  while (blocks > left) blocks /= 2;
  return blocks;
}

static int64_t unit_floats(const direct *c) {
  return c->unit_segments * c->unit_depth * PVB_BLOCK; /* for one block of results */
}

/* A weight as the tiles see it; 0 where there is none. in and out are within the group. */
static float weight_of(const direct *c, const float *weights, int64_t group, int64_t out,
                       int64_t in, int64_t tap) {
  const pvb_geometry *g = &c->g;
  int64_t all = g->in;
  if (in >= g->in || out >= g->out) return 0;
  if (c->joined > 0) {
    if (in / c->joined != out / c->joined) return 0;
    in %= c->joined, all = c->joined;
  }
  return weights[((group * g->out + out) * all + in) * g->taps + tap];
}

/* The weights of an input channel and the next one, of one tap, for `outs` neighbouring outputs, as
** pairs; 0 where there are none. Not of joined groups. */
static void pack_pairs(const direct *c, const float *weights, int64_t group, int64_t out,
                       int64_t in, int64_t tap, int64_t outs, uint32_t *to) {
  const pvb_geometry *g = &c->g;
  int64_t step = g->in * g->taps, there = g->out - out < outs ? g->out - out : outs;
  const float *from = weights + ((group * g->out + out) * g->in + in) * g->taps + tap;
  if (in >= g->in) there = 0;
  if (in + 1 < g->in)
    for (int64_t j = 0; j < there; j++, from += step) to[j] = pvb_pair(*from, from[g->taps]);
  else
    for (int64_t j = 0; j < there; j++, from += step) to[j] = pvb_pair(*from, 0);
  for (int64_t j = there; j < outs; j++) to[j] = 0;
}

/* The same of one channel. */
static void pack_floats(const direct *c, const float *weights, int64_t group, int64_t out,
                        int64_t in, int64_t tap, int64_t outs, float *to) {
  const pvb_geometry *g = &c->g;
  int64_t step = g->in * g->taps, there = g->out - out < outs ? g->out - out : outs;
  const float *from = weights + ((group * g->out + out) * g->in + in) * g->taps + tap;
  if (in >= g->in) there = 0;
  for (int64_t j = 0; j < there; j++, from += step) to[j] = *from;
  for (int64_t j = there; j < outs; j++) to[j] = 0;
}

/* [group][tile's blocks][unit][segment][depth][blocks][16]. */
static int pack(const direct *c, const float *weights) {
  const pvb_geometry *g = &c->g;
  int64_t own = (c->joined > 0 ? c->joined : g->in) * g->taps;
  for (int64_t o = 0; o < g->groups * g->out && c->kind == PVB_BYTES; o++)
    c->packed.scale[o] = pvb_scale_of(weights + o * own, own, 1);
  float *to = c->packed.weights;
  uint32_t *to_pairs = (uint32_t *)(void *)to;
  int8_t *to_bytes = (int8_t *)to;
  for (int64_t group = 0; group < g->groups; group++)
    for (int64_t block = 0; block < c->out_blocks;) {
      int blocks = blocks_at(c, block);
      for (int64_t unit = 0; unit < c->in_units; unit++) {
        for (int64_t s = 0; s < c->unit_segments; s++)
          for (int64_t d = 0; d < c->unit_depth; d++) {
            int64_t tap = c->plain ? s * c->unit_depth + d : s, width = blocks * PVB_BLOCK;
            if (c->joined == 0 && c->kind == PVB_FLOATS) {
              int64_t in = c->plain ? unit : unit * PVB_BLOCK + d;
              pack_floats(c, weights, group, block * PVB_BLOCK, in, tap, width, to);
              to += width;
              continue;
            }
            if (c->joined == 0 && c->kind == PVB_PAIRS) {
              pack_pairs(c, weights, group, block * PVB_BLOCK, unit * PVB_BLOCK + 2 * d, tap, width,
                         to_pairs);
              to_pairs += width;
              continue;
            }
            for (int64_t j = 0; j < width; j++) {
              int64_t out = block * PVB_BLOCK + j, in = c->plain ? unit : unit * PVB_BLOCK + d;
              if (c->kind == PVB_FLOATS) {
                *to++ = weight_of(c, weights, group, out, in, tap);
              } else if (c->kind == PVB_PAIRS) {
                in += d; /* two for each */
                *to_pairs++ = pvb_pair(weight_of(c, weights, group, out, in, tap),
                                       weight_of(c, weights, group, out, in + 1, tap));
              } else {
                float scale = out < g->out ? c->packed.scale[group * g->out + out] : 0;
                *to_bytes++ = pvb_byte(weight_of(c, weights, group, out, in, tap), scale);
              }
            }
          }
        int status = pvt_poll();
        if (status != PVT_OK) return status;
      }
      block += blocks;
    }
  return PVT_OK;
}

/* ---- One part ----------------------------------------------------------- */

typedef struct place {
  int64_t image, group, depth, row, column, split;
} place;

/* The part of the image that results [row, row + rows) x [column, column + columns) of one depth
** need, with zeros where it reaches beyond: [unit][depth tap][part_size[1]][part_size[2]]. */
static void copy_part(const direct *c, const float *x, const place *at, float *to) {
  const pvb_geometry *g = &c->g;
  int64_t lane = c->plain ? 1 : PVB_BLOCK, to_lane = lane_of(c);
  int64_t row_step, column_step, depth_step, unit_step, image_step;
  if (c->plain) { /* in order, see run_direct */
    column_step = 1, row_step = g->size[2], depth_step = row_step * g->size[1];
    unit_step = g->pixels, image_step = unit_step * c->in_units;
  } else {
    column_step = lane, row_step = lane * g->size[2], depth_step = row_step * g->size[1];
    unit_step = lane * g->pixels, image_step = unit_step * c->in_units * g->groups;
  }
  const float *image = x + at->image * image_step + at->group * c->in_units * unit_step;
  int64_t left = at->column * g->stride[2] - g->before[2], width = c->part_size[2];
  int64_t first = left < 0 ? -left : 0, end = g->size[2] - left;
  if (end > width) end = width;
  if (first > width) first = width;
  if (end < first) end = first;
  for (int64_t unit = 0; unit < c->in_units; unit++)
    for (int64_t tap = 0; tap < g->kernel[0]; tap++) {
      int64_t depth = at->depth * g->stride[0] + tap * g->dilation[0] - g->before[0];
      for (int64_t r = 0; r < c->part_size[1]; r++, to += width * to_lane) {
        int64_t row = at->row * g->stride[1] + r - g->before[1];
        if (depth < 0 || depth >= g->size[0] || row < 0 || row >= g->size[1]) {
          memset(to, 0, (size_t)(width * to_lane) * sizeof(float));
          continue;
        }
        const float *from = image + unit * unit_step + depth * depth_step + row * row_step +
                            (left + first) * column_step;
        int64_t count = (end - first) * lane;
        memset(to, 0, (size_t)(first * to_lane) * sizeof(float));
        if (c->kind == PVB_PAIRS)
          pvt_kernels_get()->layers->bf16->convert(count, from,
                                                   (uint32_t *)(void *)(to + first * to_lane));
        else memcpy(to + first * lane, from, (size_t)count * sizeof(float));
        memset(to + end * to_lane, 0, (size_t)((width - end) * to_lane) * sizeof(float));
      }
    }
}

static int run_part(const direct *c, const pvb_run *run, const float *image, const place *at,
                    float *scratch) {
  const pvb_geometry *g = &c->g;
  const pvt_layers *layers = pvt_kernels_get()->layers;
  const pvb_epilogue *epilogue = &c->packed.work.epilogue;
  pvb_activation activation = epilogue->activation;
  bool in_tile = activation == PVB_NONE || activation == PVB_RELU || activation == PVB_CLIP;
  const pvt_tiles *tiles_of = pvb_tiles_of(c->kind);
  int64_t lane = lane_of(c), row_step, plane = g->results * PVB_BLOCK;
  const float *x;
  if (c->part_floats > 0) {
    copy_part(c, image, at, scratch);
    x = scratch, row_step = c->part_size[2] * lane;
  } else {
    row_step = g->size[2] * lane;
    x = image + (at->image * g->groups + at->group) * c->in_units * g->pixels * lane +
        ((at->depth * g->stride[0] - g->before[0]) * g->size[1] + at->row * g->stride[1] -
         g->before[1]) *
            row_step +
        (at->column * g->stride[2] - g->before[2]) * lane;
  }
  int64_t y_place = (at->image * g->groups + at->group) * c->out_blocks * plane +
                    ((at->depth * g->result[1] + at->row) * g->result[2] + at->column) * PVB_BLOCK;
  float *y = (float *)run->y->data + y_place;
  const float *residual = run->residual ? (const float *)run->residual->data + y_place : NULL;
  bool over = residual == y; /* then y is added to what is there, and that is all */
  int64_t rows = g->result[1] - at->row < c->rows ? g->result[1] - at->row : c->rows;
  int64_t columns = g->result[2] - at->column < c->columns ? g->result[2] - at->column : c->columns;
  int64_t tiles =
      columns == c->columns ? c->tiles : ceiling(columns, tiles_of->most_rows[c->blocks - 1]);
  int64_t per_split = ceiling(ceiling(c->out_blocks, c->splits), c->blocks) * c->blocks;
  int64_t first = at->split * per_split, end = first + per_split;
  if (end > c->out_blocks) end = c->out_blocks;
  int64_t w_block = c->in_units * unit_floats(c);
  int64_t polled = 0;
  for (int64_t block = first; block < end;) {
    int blocks = blocks_at(c, block);
    int64_t channel = (at->group * c->out_blocks + block) * PVB_BLOCK;
    const char *w = (const char *)c->packed.weights +
                    (at->group * c->out_blocks + block) * w_block * pvb_weight_size(c->kind);
    for (int64_t unit = 0; unit < c->in_units; unit += c->chunk) {
      int64_t units = c->in_units - unit < c->chunk ? c->in_units - unit : c->chunk;
      bool last = unit + units == c->in_units;
      pvt_tile tile = {
          .row = g->stride[2] * lane,
          .segments = units * c->unit_segments,
          .depth = c->unit_depth,
          .offset = c->offset + unit * c->unit_segments,
          .w = w + unit * unit_floats(c) * blocks * pvb_weight_size(c->kind),
          .w_row = blocks * PVB_BLOCK,
          .y_row = PVB_BLOCK,
          .y_block = plane,
          .columns = PVB_BLOCK,
          .add = over || unit > 0,
          .residual_row = PVB_BLOCK,
          .residual_block = plane,
      };
      if (c->packed.scale != NULL) tile.scale = c->packed.scale + channel;
      if (last) {
        if (c->packed.bias != NULL) tile.bias = c->packed.bias + channel;
        if (in_tile) tile.activation = activation;
        tile.alpha = epilogue->alpha, tile.beta = epilogue->beta;
      }
      for (int64_t r = 0; r < rows; r++) {
        float *y_row = y + block * plane + r * g->result[2] * PVB_BLOCK;
        for (int64_t t = 0; t < tiles; t++) {
          int64_t from = columns * t / tiles, count = columns * (t + 1) / tiles - from;
          tile.x = x + r * g->stride[1] * row_step + from * g->stride[2] * lane;
          tile.y = y_row + from * PVB_BLOCK;
          if (last && residual != NULL && !over) tile.residual = residual + (tile.y - y);
          tiles_of->kernel[blocks - 1][count - 1](&tile);
          if (last && !in_tile)
            for (int b = 0; b < blocks; b++)
              layers->activate[activation](count * PVB_BLOCK, tile.y + b * plane, NULL,
                                           epilogue->alpha, epilogue->beta);
        }
        polled += columns * tile.segments * tile.depth * blocks;
        if (polled < 1 << 17) continue;
        polled = 0;
        int status = pvt_poll();
        if (status != PVT_OK) return status;
      }
    }
    block += blocks;
  }
  return PVT_OK;
}

/* ---- A run -------------------------------------------------------------- */

typedef struct parts {
  const direct *c;
  const pvb_run *run;
  const float *image;
  int64_t units; /* in all */
  int count;
} parts;

static int run_parts(void *arg, int index) {
  const parts *all = arg;
  const direct *c = all->c;
  const pvb_geometry *g = &c->g;
  float *scratch = (float *)all->run->scratch + index * c->part_floats;
  int64_t rows = ceiling(g->result[1], c->rows), columns = ceiling(g->result[2], c->columns);
  int64_t end = all->units * (index + 1) / all->count;
  for (int64_t i = all->units * index / all->count; i < end; i++) {
    int64_t rest = i;
    place at;
    at.split = rest % c->splits, rest /= c->splits;
    at.column = rest % columns * c->columns, rest /= columns;
    at.row = rest % rows * c->rows, rest /= rows;
    at.depth = rest % g->result[0], rest /= g->result[0];
    at.group = rest % g->groups, at.image = rest / g->groups;
    int status = run_part(c, all->run, all->image, &at, scratch);
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

/* Channels of the last block that are not there. */
static void clear_rest(const direct *c, pvt_array *y) {
  const pvb_geometry *g = &c->g;
  int64_t used = g->out % PVB_BLOCK;
  for (int64_t image = 0; image < g->n; image++) {
    float *at = (float *)y->data + ((image + 1) * c->out_blocks - 1) * g->results * PVB_BLOCK;
    for (int64_t i = 0; i < g->results; i++)
      memset(at + i * PVB_BLOCK + used, 0, (size_t)(PVB_BLOCK - used) * sizeof(float));
  }
}

static int run_direct(const pvb_kernel *kernel, const pvb_run *run) {
  const direct *c = (const direct *)kernel;
  const pvb_geometry *g = &c->g;
  parts all = {.c = c, .run = run};
  all.units = g->n * g->groups * g->result[0] * ceiling(g->result[1], c->rows) *
              ceiling(g->result[2], c->columns) * c->splits;
  int64_t threads = run->team == NULL ? 1 : c->packed.work.threads;
  all.count = (int)(all.units < threads ? all.units : threads);
  pvt_array copy;
  int status = pvb_in_order(run->x, &copy, &all.image);
  if (status == PVT_OK) status = pvb_spread(run->team, all.count, run_parts, &all);
  pvt_array_release(&copy);
  if (status == PVT_OK && g->out % PVB_BLOCK != 0 && !pvb_keeps_zero(&c->packed.work.epilogue))
    clear_rest(c, run->y);
  return status;
}

/* ---- Ways --------------------------------------------------------------- */

/* Small groups of as many channels in as out are one dense group for each block, with zeros. */
static bool groups_join(const pvb_conv *conv) {
  int64_t channels = conv->in / conv->groups;
  return conv->groups > 1 && conv->in == conv->out && channels > 1 && channels < PVB_BLOCK &&
         PVB_BLOCK % channels == 0 && conv->in % PVB_BLOCK == 0;
}

static bool shape_suits(const pvb_work *work, bool plain) {
  const pvb_conv *v = &work->conv;
  if (work->kind != PVB_CONV) return false;
  if (v->n * v->in * v->out * pvb_taps(v) * pvb_out_pixels(v) == 0 || v->groups < 1) return false;
  if (plain) return v->groups == 1 && v->in <= 64;
  return v->groups == 1 || groups_join(v) ||
         (v->in / v->groups % PVB_BLOCK == 0 && v->out / v->groups % PVB_BLOCK == 0);
}

/* Tiles: as many blocks as keep enough sums in registers for rows of this length. */
static void choose_tiles(direct *c) {
  int64_t width = c->g.result[2];
  c->blocks = pvb_tile_blocks(width, c->out_blocks);
  int64_t most_rows = pvt_kernels_get()->layers->tiles->most_rows[c->blocks - 1];
  c->columns = width;
  int64_t unit_bytes = c->in_units * (c->plain ? 1 : PVB_BLOCK) * (int64_t)sizeof(float);
  if (c->g.result[0] * c->g.result[1] == 1) {
    int64_t fit = PADDED_MOST / (unit_bytes * c->g.stride[2]) / most_rows * most_rows;
    if (fit < 8 * most_rows) fit = 8 * most_rows;
    if (c->columns > fit) c->columns = ceiling(width, ceiling(width, fit));
  }
  c->tiles = ceiling(c->columns, most_rows);
}

static void plan(direct *c, const pvb_work *work, pvb_weights kind, bool plain) {
  pvb_geometry *g = &c->g;
  pvb_geometry_of(&work->conv, g);
  if (groups_join(&work->conv)) {
    c->joined = g->in;
    g->in = g->out = PVB_BLOCK;
    g->groups = work->conv.in / PVB_BLOCK;
  }
  c->kind = kind;
  c->plain = plain;
  c->in_units = plain ? g->in : ceiling(g->in, PVB_BLOCK);
  c->out_blocks = ceiling(g->out, PVB_BLOCK);
  bool rows_join = plain && g->dilation[2] == 1;
  c->unit_depth = !plain ? lane_of(c) : rows_join ? g->kernel[2] : 1;
  c->unit_segments = plain && rows_join ? g->taps / g->kernel[2] : g->taps;
  choose_tiles(c);
  int64_t lane = lane_of(c);
  c->part_size[2] = (c->columns - 1) * g->stride[2] + (g->kernel[2] - 1) * g->dilation[2] + 1;
  int64_t row_bytes = c->in_units * lane * g->kernel[0] * c->part_size[2] * (int64_t)sizeof(float);
  int64_t fit =
      (PADDED_MOST / row_bytes - (g->kernel[1] - 1) * g->dilation[1] - 1) / g->stride[1] + 1;
  if (fit < 4) fit = 4;
  if (fit > g->result[1]) fit = g->result[1];
  c->rows = ceiling(g->result[1], ceiling(g->result[1], fit));
  c->part_size[1] = (c->rows - 1) * g->stride[1] + (g->kernel[1] - 1) * g->dilation[1] + 1;
  c->part_size[0] = g->kernel[0];
  if (g->padded || plain || kind == PVB_PAIRS)
    c->part_floats =
        ceiling(c->in_units * lane * c->part_size[0] * c->part_size[1] * c->part_size[2],
                PADDED_ALIGNMENT) *
        PADDED_ALIGNMENT;
  c->chunk = CHUNK_MOST / (unit_floats(c) * c->blocks * pvb_weight_size(kind));
  if (c->chunk < 1) c->chunk = 1;
  if (c->chunk > c->in_units) c->chunk = c->in_units;
  c->chunk = ceiling(c->in_units, ceiling(c->in_units, c->chunk));
  int64_t units = g->n * g->groups * g->result[0] * ceiling(g->result[1], c->rows) *
                  ceiling(g->result[2], c->columns);
  c->splits = 1;
  if (work->threads > 1 && units < 2 * work->threads) {
    int64_t most = ceiling(c->out_blocks, c->blocks);
    c->splits = ceiling(2 * work->threads, units);
    if (c->splits > most) c->splits = most;
  }
}

/* Negative where windows reach so far that copies of parts would be large. */
static double seconds(const pvb_work *work, pvb_weights kind, bool plain) {
  direct c = {0};
  plan(&c, work, kind, plain);
  if (c.part_floats > PART_MOST) return -1;
  const pvb_geometry *g = &c.g;
  const pvb_speed *speed = pvb_speed_get();
  double depth = (double)(c.in_units * c.unit_segments * c.unit_depth);
  double results = (double)(g->n * g->groups * g->results),
         out = (double)(c.out_blocks * PVB_BLOCK);
  if (kind == PVB_BYTES) depth *= 1.1;
  /* few sums in registers wait for each other */
  double sums = (double)(c.columns / c.tiles * c.blocks), share = sums < 8 ? sums / 8 : 1;
  double products = results * out * depth / (speed->products * share);
  if (plain) products *= 1 + 1.0 / (double)c.unit_depth;
  double copied = (double)(g->n * g->groups * c.part_floats) * (double)g->result[0] *
                  (double)ceiling(g->result[1], c.rows) * 8;
  double weights = depth * out * (double)(g->groups * pvb_weight_size(kind)), y = results * out * 4;
  return 1e-6 + products + copied / speed->cached + y / speed->cached + weights / speed->memory;
}

static bool blocked_suits(const pvb_work *work, pvb_weights kind, pvb_way *way) {
  if (!shape_suits(work, false)) return false;
  way->reads = way->writes = PVB_BLOCKED;
  way->seconds = seconds(work, kind, false);
  return way->seconds > 0;
}

static bool direct_suits(const pvb_work *work, pvb_way *way) {
  return work->precision != PVB_SMALL && blocked_suits(work, PVB_FLOATS, way);
}

static bool pairs_suit(const pvb_work *work, pvb_way *way) {
  return work->precision == PVB_FAST && pvb_has_pairs() && blocked_suits(work, PVB_PAIRS, way);
}

static bool bytes_suit(const pvb_work *work, pvb_way *way) {
  return work->precision == PVB_SMALL && blocked_suits(work, PVB_BYTES, way);
}

static bool plain_suits(const pvb_work *work, pvb_way *way) {
  if (!shape_suits(work, true)) return false;
  way->reads = PVB_PLAIN;
  way->writes = PVB_BLOCKED;
  way->seconds = seconds(work, PVB_FLOATS, true);
  return way->seconds > 0;
}

/* Where each segment of each unit begins, from the first element of a part (or of the image). */
static void find_segments(direct *c) {
  const pvb_geometry *g = &c->g;
  int64_t lane = lane_of(c), *to = c->offset;
  bool copied = c->part_floats > 0;
  int64_t row = (copied ? c->part_size[2] : g->size[2]) * lane;
  int64_t depth = (copied ? c->part_size[1] : g->size[1]) * row;
  int64_t unit = copied ? c->part_size[0] * depth : g->pixels * lane;
  int64_t across = c->plain && c->unit_depth > 1 ? 1 : g->kernel[2];
  if (c->plain && g->kernel[2] == 1) across = 1;
  for (int64_t u = 0; u < c->in_units; u++)
    for (int64_t a = 0; a < g->kernel[0]; a++)
      for (int64_t b = 0; b < g->kernel[1]; b++)
        for (int64_t d = 0; d < across; d++)
          *to++ = u * unit + a * (copied ? 1 : g->dilation[0]) * depth + b * g->dilation[1] * row +
                  d * g->dilation[2] * lane;
}

static int prepare(const pvb_work *work, pvb_weights kind, bool plain, pvb_kernel **kernel) {
  if (work->weights == NULL)
    return pvt_fail(PVT_E_UNSUPPORTED, "direct convolutions need constant weights");
  direct shape = {0};
  plan(&shape, work, kind, plain);
  const pvb_geometry *g = &shape.g;
  int64_t bytes =
      g->groups * shape.out_blocks * shape.in_units * unit_floats(&shape) * pvb_weight_size(kind);
  int64_t scales = kind == PVB_BYTES ? work->conv.out : 0;
  int64_t offsets = shape.in_units * shape.unit_segments;
  pvb_packed *packed;
  int status = pvb_packed_bytes(sizeof(direct) + (size_t)offsets * sizeof(int64_t), work, bytes,
                                scales, run_direct, &packed);
  if (status != PVT_OK) return status;
  shape.packed = *packed;
  direct *c = (direct *)packed;
  *c = shape;
  c->offset = (int64_t *)(void *)(c + 1);
  find_segments(c);
  pvt_array copy;
  const float *weights;
  status = pvb_in_order(work->weights, &copy, &weights);
  if (status == PVT_OK) status = pack(c, weights);
  pvt_array_release(&copy);
  if (status != PVT_OK) {
    pvb_release(&packed->kernel);
    return status;
  }
  c->packed.kernel.scratch = (size_t)(c->part_floats * work->threads) * sizeof(float);
  *kernel = &packed->kernel;
  return PVT_OK;
}

#define PREPARE(name, kind, plain)                                                                 \
  static int name(const pvb_work *work, const pvb_way *way, pvb_kernel **kernel) {                 \
    (void)way;                                                                                     \
    return prepare(work, kind, plain, kernel);                                                     \
  }
PREPARE(prepare_blocked, PVB_FLOATS, false)
PREPARE(prepare_plain, PVB_FLOATS, true)
PREPARE(prepare_pairs, PVB_PAIRS, false)
PREPARE(prepare_bytes, PVB_BYTES, false)

const pvb_algorithm pvb_direct = {"direct", direct_suits, prepare_blocked};
const pvb_algorithm pvb_direct_plain = {"direct from plain", plain_suits, prepare_plain};
const pvb_algorithm pvb_direct_pairs = {"direct bfloat16", pairs_suit, prepare_pairs};
const pvb_algorithm pvb_direct_bytes = {"direct int8", bytes_suit, prepare_bytes};

/* channelwise.c - depthwise convolutions of blocked images, a row of results at a time. */
#include <string.h>

#include "portable.h"

#define MOST_ROWS 64 /* of a window */

typedef struct channelwise {
  pvb_packed packed;
  pvb_geometry g;
  int64_t blocks;
  bool clears; /* the activation makes something of 0 */
} channelwise;

static int64_t ceiling(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

typedef struct parts {
  const channelwise *c;
  const pvb_run *run;
  int count;
} parts;

static int run_row(const channelwise *c, const pvb_run *run, int64_t index) {
  const pvb_geometry *g = &c->g;
  const pvb_epilogue *epilogue = &c->packed.work.epilogue;
  pvb_activation activation = epilogue->activation;
  bool in_row = activation == PVB_NONE || activation == PVB_RELU || activation == PVB_CLIP;
  int64_t rows = g->result[0] * g->result[1], image = index / rows, block = image % c->blocks;
  int64_t at0 = index % rows / g->result[1], at1 = index % g->result[1];
  const float *x = (const float *)run->x->data + image * g->pixels * PVB_BLOCK;
  const float *weights = c->packed.weights + block * g->taps * PVB_BLOCK;
  int64_t place = (image * g->results + (at0 * g->result[1] + at1) * g->result[2]) * PVB_BLOCK;
  const float *row[MOST_ROWS], *w[MOST_ROWS];
  pvt_window_row one = {
      .row = row,
      .w = w,
      .size = g->size[2],
      .result = g->result[2],
      .kernel = g->kernel[2],
      .stride = g->stride[2],
      .dilation = g->dilation[2],
      .before = g->before[2],
      .y = (float *)run->y->data + place,
      .bias = c->packed.bias == NULL ? NULL : c->packed.bias + block * PVB_BLOCK,
      .residual = run->residual == NULL ? NULL : (const float *)run->residual->data + place,
      .activation = in_row ? activation : PVB_NONE,
      .alpha = epilogue->alpha,
      .beta = epilogue->beta,
  };
  for (int64_t t0 = 0; t0 < g->kernel[0]; t0++) {
    int64_t i0 = at0 * g->stride[0] + t0 * g->dilation[0] - g->before[0];
    for (int64_t t1 = 0; t1 < g->kernel[1]; t1++) {
      int64_t i1 = at1 * g->stride[1] + t1 * g->dilation[1] - g->before[1];
      if (i0 < 0 || i0 >= g->size[0] || i1 < 0 || i1 >= g->size[1]) continue;
      row[one.rows] = x + (i0 * g->size[1] + i1) * g->size[2] * PVB_BLOCK;
      w[one.rows++] = weights + (t0 * g->kernel[1] + t1) * g->kernel[2] * PVB_BLOCK;
    }
  }
  const pvt_layers *layers = pvt_kernels_get()->layers;
  layers->window_rows->depthwise(&one);
  if (!in_row)
    layers->activate[activation](g->result[2] * PVB_BLOCK, one.y, NULL, epilogue->alpha,
                                 epilogue->beta);
  int64_t used = g->groups % PVB_BLOCK;
  if (c->clears && used != 0 && block == c->blocks - 1)
    for (int64_t p = 0; p < g->result[2]; p++)
      memset(one.y + p * PVB_BLOCK + used, 0, (size_t)(PVB_BLOCK - used) * sizeof(float));
  return PVT_OK;
}

static int run_part(void *arg, int index) {
  const parts *all = arg;
  const pvb_geometry *g = &all->c->g;
  int64_t rows = g->n * all->c->blocks * g->result[0] * g->result[1], work = 0;
  int64_t end = rows * (index + 1) / all->count;
  for (int64_t i = rows * index / all->count; i < end; i++) {
    run_row(all->c, all->run, i);
    work += g->result[2] * g->taps;
    if (work < 1 << 15) continue;
    work = 0;
    int status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

static int run_channelwise(const pvb_kernel *kernel, const pvb_run *run) {
  const channelwise *c = (const channelwise *)kernel;
  int64_t rows = c->g.n * c->blocks * c->g.result[0] * c->g.result[1];
  int64_t threads = run->team == NULL ? 1 : c->packed.work.threads;
  parts all = {c, run, (int)(rows < threads ? rows : threads)};
  return pvb_spread(run->team, all.count, run_part, &all);
}

static bool channelwise_suits(const pvb_work *work, pvb_way *way) {
  const pvb_conv *v = &work->conv;
  if (work->kind != PVB_CONV || v->groups != v->in || v->groups != v->out || v->in < 4)
    return false;
  if (v->n * pvb_out_pixels(v) * pvb_taps(v) == 0) return false;
  if (pvb_taps(v) / v->kernel[v->spatial - 1] > MOST_ROWS) return false;
  const pvb_speed *speed = pvb_speed_get();
  double channels = (double)(ceiling(v->in, PVB_BLOCK) * PVB_BLOCK * v->n);
  double moved = 4 * channels * (double)(pvb_pixels(v) + pvb_out_pixels(v));
  way->reads = way->writes = PVB_BLOCKED;
  way->seconds = 1e-6 + moved / speed->cached +
                 2 * channels * (double)(pvb_out_pixels(v) * pvb_taps(v)) / speed->products;
  return true;
}

static int prepare(const pvb_work *work, const pvb_way *way, pvb_kernel **kernel) {
  (void)way;
  if (work->weights == NULL)
    return pvt_fail(PVT_E_UNSUPPORTED, "depthwise convolutions need constant weights");
  channelwise shape = {.blocks = ceiling(work->conv.in, PVB_BLOCK),
                       .clears = !pvb_keeps_zero(&work->epilogue)};
  pvb_geometry_of(&work->conv, &shape.g);
  const pvb_geometry *g = &shape.g;
  pvb_packed *packed;
  int status = pvb_packed_new(sizeof(channelwise), work, shape.blocks * g->taps * PVB_BLOCK,
                              run_channelwise, &packed);
  if (status != PVT_OK) return status;
  shape.packed = *packed;
  *(channelwise *)packed = shape;
  pvt_array copy;
  const float *weights;
  if ((status = pvb_in_order(work->weights, &copy, &weights)) != PVT_OK) {
    pvb_release(&packed->kernel);
    return status;
  }
  float *to = packed->weights;
  for (int64_t block = 0; block < shape.blocks; block++)
    for (int64_t tap = 0; tap < g->taps; tap++)
      for (int64_t i = block * PVB_BLOCK; i < (block + 1) * PVB_BLOCK; i++)
        *to++ = i < g->groups ? weights[i * g->taps + tap] : 0;
  pvt_array_release(&copy);
  *kernel = &packed->kernel;
  return PVT_OK;
}

const pvb_algorithm pvb_channelwise = {"depthwise", channelwise_suits, prepare};

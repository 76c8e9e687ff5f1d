/* openblas.c - the backend of OpenBLAS: products, and convolutions as products of columns.
**
** A call of the library is not left before its end, so works are cut into calls of some
** milliseconds at most.
*/
#include <string.h>

#include "blas.h"
#include "portable.h"
#include "stacked.h"

enum { ROW_MAJOR = 101, AS_IT_IS = 111, TRANSPOSED = 112 }; /* cblas.h's */

/* Multiplications with additions of one tile of a convolution. */
#define TILE_PRODUCTS 50000000
#define TILE_FLOATS (1 << 16) /* of columns: they stay in a cache of 1 MiB */

extern const pvb_backend pvb_openblas;

static int multiply(bool a_transposed, bool b_transposed, int64_t m, int64_t n, int64_t k,
                    float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                    float beta, float *c, int64_t ldc) {
  int status = pvt_blas_enter();
  if (status != PVT_OK) return status;
  pvt_blas_get()->sgemm(ROW_MAJOR, a_transposed ? TRANSPOSED : AS_IT_IS,
                        b_transposed ? TRANSPOSED : AS_IT_IS, (int32_t)m, (int32_t)n, (int32_t)k,
                        alpha, a, (int32_t)lda, b, (int32_t)ldb, beta, c, (int32_t)ldc);
  pvt_blas_leave();
  return PVT_OK;
}

/* ---- Convolutions ------------------------------------------------------- */

typedef struct conv_run {
  const pvb_packed *kernel;
  const pvb_run *run;
  const float *x, *weights;
  int64_t pixels; /* of y in a tile */
  int64_t tiles;  /* of one image */
} conv_run;

/* Sizes as of three dimensions, those that are not there being 1. */
typedef struct window3 {
  int64_t size[3], out[3], kernel[3], stride[3], dilation[3], before[3];
} window3;

static window3 window_of(const pvb_conv *conv) {
  window3 w;
  for (int d = 0; d < 3; d++) {
    int from = d - (3 - conv->spatial);
    bool there = from >= 0;
    w.size[d] = there ? conv->size[from] : 1;
    w.out[d] = there ? conv->out_size[from] : 1;
    w.kernel[d] = there ? conv->kernel[from] : 1;
    w.stride[d] = there ? conv->stride[from] : 1;
    w.dilation[d] = there ? conv->dilation[from] : 1;
    w.before[d] = there ? conv->before[from] : 0;
  }
  return w;
}

/* One line: what a tap reads for `count` pixels of y from (z, y, x) on, all in one row of y. */
static void line(const window3 *w, const float *channel, const int64_t tap[3], int64_t z, int64_t y,
                 int64_t x, int64_t count, float *to) {
  int64_t at_z = z * w->stride[0] + tap[0] * w->dilation[0] - w->before[0];
  int64_t at_y = y * w->stride[1] + tap[1] * w->dilation[1] - w->before[1];
  int64_t at_x = x * w->stride[2] + tap[2] * w->dilation[2] - w->before[2];
  if (at_z < 0 || at_z >= w->size[0] || at_y < 0 || at_y >= w->size[1]) {
    memset(to, 0, (size_t)count * sizeof *to);
    return;
  }
  const float *from = channel + (at_z * w->size[1] + at_y) * w->size[2];
  for (int64_t i = 0; i < count; i++, at_x += w->stride[2])
    to[i] = at_x >= 0 && at_x < w->size[2] ? from[at_x] : 0;
}

/* columns [channels * taps, pixels]: what each of `pixels` places of y from `first` on reads. */
static void gather(const window3 *w, const float *x, int64_t channels, int64_t first,
                   int64_t pixels, float *columns) {
  int64_t image = w->size[0] * w->size[1] * w->size[2];
  for (int64_t c = 0; c < channels; c++)
    for (int64_t k = 0; k < w->kernel[0] * w->kernel[1] * w->kernel[2]; k++) {
      int64_t tap[3] = {k / (w->kernel[1] * w->kernel[2]), k / w->kernel[2] % w->kernel[1],
                        k % w->kernel[2]};
      for (int64_t done = 0; done < pixels;) {
        int64_t place = first + done, column = place % w->out[2], row = place / w->out[2];
        int64_t left = w->out[2] - column, count = pixels - done < left ? pixels - done : left;
        line(w, x + c * image, tap, row / w->out[1], row % w->out[1], column, count,
             columns + done);
        done += count;
      }
      columns += pixels;
    }
}

/* Whether the columns are the image itself. */
static bool is_pointwise(const pvb_conv *conv) {
  for (int d = 0; d < conv->spatial; d++)
    if (conv->kernel[d] != 1 || conv->stride[d] != 1 || conv->before[d] != 0 || conv->after[d] != 0)
      return false;
  return true;
}

static int conv_tile(void *arg, int number) {
  const conv_run *c = arg;
  const pvb_work *work = &c->kernel->work;
  const pvb_conv *conv = &work->conv;
  const window3 w = window_of(conv);
  int64_t image = number / (conv->groups * c->tiles), group = number / c->tiles % conv->groups;
  int64_t out_pixels = pvb_out_pixels(conv), in = conv->in / conv->groups;
  int64_t out = conv->out / conv->groups, deep = in * pvb_taps(conv);
  int64_t first = number % c->tiles * c->pixels;
  int64_t pixels = out_pixels - first < c->pixels ? out_pixels - first : c->pixels;
  const float *x = c->x + (image * conv->in + group * in) * pvb_pixels(conv);
  int64_t start = (image * conv->out + group * out) * out_pixels + first;
  float *y = (float *)(void *)c->run->y->data + start;
  const pvt_array *residual = c->run->residual;
  pvt_buffer *columns = NULL;
  int64_t ld = pvb_pixels(conv);
  int status = pvt_poll();
  if (status != PVT_OK) return status;
  if (is_pointwise(conv)) x += first;
  else {
    columns = pvt_buffer_new((size_t)(deep * pixels) * sizeof *x);
    if (columns == NULL) return pvt_error_status();
    gather(&w, x, in, first, pixels, pvt_buffer_data(columns));
    x = pvt_buffer_data(columns);
    ld = pixels;
  }
  for (int64_t o = 0; o < out; o++) {
    float *row = y + o * out_pixels, bias = 0;
    if (c->kernel->bias != NULL) bias = c->kernel->bias[group * out + o];
    const float *from = residual == NULL
                            ? NULL
                            : (const float *)(const void *)residual->data + start + o * out_pixels;
    for (int64_t i = 0; i < pixels; i++) row[i] = (from == NULL ? 0 : from[i]) + bias;
  }
  status = multiply(false, false, out, pixels, deep, 1, c->weights + group * out * deep, deep, x,
                    ld, 1, y, out_pixels);
  pvt_buffer_release(columns);
  if (status != PVT_OK || work->epilogue.activation == PVB_NONE) return status;
  pvt_activate_kernel *activate = pvt_kernels_get()->layers->activate[work->epilogue.activation];
  for (int64_t o = 0; o < out; o++)
    activate(pixels, y + o * out_pixels, NULL, work->epilogue.alpha, work->epilogue.beta);
  return PVT_OK;
}

/* The array itself, or a copy in C order. */
static int contiguous(const pvt_array *x, pvt_array *copy, const pvt_array **from) {
  *copy = (pvt_array){0};
  *from = x;
  if (x == NULL || pvt_array_is_contiguous(x)) return PVT_OK;
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) shape[d] = x->dim[d].size;
  int status = pvt_array_new(copy, PVT_FLOAT32, x->ndim, shape);
  *from = copy;
  return status == PVT_OK ? pvt_copy(x, copy) : status;
}

static int run_conv(const pvb_kernel *kernel, const pvb_run *run) {
  const pvb_packed *packed = (const pvb_packed *)kernel;
  const pvb_conv *conv = &packed->work.conv;
  pvt_array x_copy, residual_copy = {0};
  const pvt_array *x, *residual;
  int status = contiguous(run->x, &x_copy, &x);
  if (status == PVT_OK) status = contiguous(run->residual, &residual_copy, &residual);
  if (status == PVT_OK) {
    pvb_run with = *run;
    with.residual = residual;
    int64_t deep = conv->in / conv->groups * pvb_taps(conv), all = pvb_out_pixels(conv);
    int64_t out = conv->out / conv->groups;
    int64_t pixels = TILE_PRODUCTS / (out * deep + 1);
    if (!is_pointwise(conv) && pixels > TILE_FLOATS / deep) pixels = TILE_FLOATS / deep;
    pixels = pixels < 16 ? 16 : pixels;
    int64_t threads = run->team != NULL ? run->team->threads : 1;
    int64_t share = (all * conv->n * conv->groups + threads - 1) / threads;
    if (pixels > share && share >= 64) pixels = share;
    if (pixels > all) pixels = all;
    conv_run c = {packed,          &with,  (const float *)(const void *)x->data,
                  packed->weights, pixels, (all + pixels - 1) / pixels};
    status = pvb_spread(run->team, (int)(conv->n * conv->groups * c.tiles), conv_tile, &c);
  }
  pvt_array_release(&x_copy);
  pvt_array_release(&residual_copy);
  return status;
}

static int prepare_conv(const pvb_work *work, pvb_kernel **kernel) {
  pvb_packed *packed;
  pvt_array copy;
  int64_t shape[2 + PVB_SPATIAL];
  for (int d = 0; d < work->weights->ndim; d++) shape[d] = work->weights->dim[d].size;
  int status =
      pvb_packed_new(sizeof *packed, work, pvt_array_count(work->weights), run_conv, &packed);
  if (status != PVT_OK) return status;
  pvt_array_over(&copy, packed->weights, PVT_FLOAT32, work->weights->ndim, shape);
  status = pvt_copy(work->weights, &copy);
  if (status != PVT_OK) pvb_release(&packed->kernel);
  else *kernel = &packed->kernel;
  return status;
}

/* ---- The backend -------------------------------------------------------- */

static bool available(void) {
  return pvt_blas_get() != NULL;
}

static const char *describe(void) {
  return available() ? pvt_blas_name() : "the package scipy-openblas32 is not there";
}

static bool fits(int64_t size) {
  return size >= 1 && size <= INT32_MAX;
}

enum { COLUMNS, MULTIPLY };

static int ways(const pvb_work *work, pvb_way found[PVB_WAYS]) {
  const pvb_speed *speed = pvb_speed_get();
  pvb_way way = {.backend = &pvb_openblas, .reads = PVB_PLAIN, .writes = PVB_PLAIN};
  bool weights = work->kind != PVB_PRODUCT || work->product.constant;
  if ((work->precision == PVB_SMALL && weights) || pvt_blas_get() == NULL) return 0;
  way.seconds = 2e-6 + 1.1 * pvb_work_products(work) / speed->products;
  if (work->kind == PVB_PRODUCT) {
    const pvb_product *p = &work->product;
    if (!fits(p->m) || !fits(p->n) || !fits(p->k) || !fits(p->batch)) return 0;
    way.algorithm = "sgemm", way.variant = MULTIPLY;
    way.seconds += (double)p->batch * 2e-7;
    double bytes = (double)p->n * (double)p->k * sizeof(float); /* of a matrix that lies afar */
    if (weights) way.seconds += bytes / (bytes < 1e6 ? speed->cached : speed->memory);
  } else {
    const pvb_conv *c = &work->conv;
    double columns = (double)c->n * (double)c->in * (double)pvb_taps(c) * (double)pvb_out_pixels(c);
    bool few = c->in / c->groups < 4 || c->out / c->groups < 4; /* hardly products any more */
    /* the number of tiles is an int: the smallest tile has 16 pixels */
    double tiles = (double)c->n * (double)c->groups * ((double)pvb_out_pixels(c) / 16 + 1);
    if (work->kind != PVB_CONV || few || tiles > 1e9 || columns == 0) return 0;
    if (!fits(pvb_pixels(c)) || !fits(pvb_out_pixels(c)) || !fits(c->in * pvb_taps(c))) return 0;
    way.algorithm = "columns", way.variant = COLUMNS;
    if (!is_pointwise(c)) way.seconds += 2 * columns * sizeof(float) / speed->cached;
    way.seconds += (double)c->n * (double)c->groups * 1e-6;
  }
  found[0] = way;
  return 1;
}

static int prepare(const pvb_work *work, const pvb_way *way, pvb_kernel **kernel) {
  if (way->variant == MULTIPLY) return pvb_stacked_prepare(work, multiply, kernel);
  if (work->weights != NULL) return prepare_conv(work, kernel);
  return pvt_fail(PVT_E_UNSUPPORTED,
                  "weights that are given to each run are not OpenBLAS' business");
}

const pvb_backend pvb_openblas = {
    .name = "openblas",
    .available = available,
    .describe = describe,
    .ways = ways,
    .prepare = prepare,
};

/* convolve.c - convolutions as products: windows become columns of a matrix, in pieces. */
#include <string.h>

#include "windows.h"

#define PIECE ((int64_t)1 << 20) /* bytes of columns at a time */

/* One call, all arrays contiguous and of one type that products take. */
typedef struct convolution {
  pvt_sweep sweep;
  int64_t groups, in, out; /* channels of one group */
  int64_t taps;            /* of a window */
  pvt_dtype dtype;
  int64_t itemsize;
} convolution;

/* ---- Columns ------------------------------------------------------------ */

static void copy_strided(int64_t n, const char *from, int64_t step, char *to, int64_t itemsize) {
#define COPY(T)                                                                                    \
  for (int64_t i = 0; i < n; i++) ((T *)to)[i] = ((const T *)from)[i * step];                      \
  return;
  if (step == 1) {
    memcpy(to, from, (size_t)(n * itemsize));
    return;
  }
  switch (itemsize) {
  case 1: COPY(uint8_t)
  case 2: COPY(uint16_t)
  case 4: COPY(uint32_t)
  case 8: COPY(uint64_t)
  default:
    for (int64_t i = 0; i < n; i++)
      memcpy(to + i * itemsize, from + i * step * itemsize, (size_t)itemsize);
  }
#undef COPY
}

static void add_strided(int64_t n, const char *from, char *to, int64_t step, pvt_dtype dtype) {
#define ADD(T)                                                                                     \
  for (int64_t i = 0; i < n; i++) ((T *)to)[i * step] += ((const T *)from)[i];                     \
  return;
  switch (dtype) {
  case PVT_INT8:
  case PVT_UINT8: ADD(uint8_t)
  case PVT_INT16:
  case PVT_UINT16: ADD(uint16_t)
  case PVT_INT32:
  case PVT_UINT32: ADD(uint32_t)
  case PVT_INT64:
  case PVT_UINT64: ADD(uint64_t)
  case PVT_FLOAT32: ADD(float)
  case PVT_FLOAT64: ADD(double)
  case PVT_COMPLEX64: ADD(float _Complex)
  case PVT_COMPLEX128: ADD(double _Complex)
  default: return;
  }
#undef ADD
}

/* What the taps of `in` channels see of one image in rows [row, row + rows) of results (a row is
** the last size, rows are counted over the first two): columns [in, taps, rows, width]. With `add`
** the columns are added to the image instead. */
static int move_columns(const convolution *c, char *image, int64_t row, int64_t rows, char *columns,
                        bool add) {
  const pvt_sweep *s = &c->sweep;
  int64_t width = s->result[2], itemsize = c->itemsize, work = 0;
  int64_t plane = s->size[0] * s->size[1] * s->size[2] * itemsize;
  for (int64_t channel = 0; channel < c->in; channel++, image += plane)
    for (int64_t tap = 0; tap < c->taps; tap++) {
      int64_t t2 = tap % s->window[2], t1 = tap / s->window[2] % s->window[1];
      int64_t t0 = tap / s->window[2] / s->window[1], first, end;
      pvt_sweep_range(s, 2, t2, &first, &end);
      int64_t start = first * s->stride[2] + t2 * s->dilation[2] - s->before[2];
      for (int64_t r = row; r < row + rows; r++, columns += width * itemsize) {
        int64_t i0 = r / s->result[1] * s->stride[0] + t0 * s->dilation[0] - s->before[0];
        int64_t i1 = r % s->result[1] * s->stride[1] + t1 * s->dilation[1] - s->before[1];
        bool inside = i0 >= 0 && i0 < s->size[0] && i1 >= 0 && i1 < s->size[1] && first < end;
        char *line = image + ((i0 * s->size[1] + i1) * s->size[2] + start) * itemsize;
        char *at = columns + first * itemsize;
        if (add) {
          if (inside) add_strided(end - first, at, line, s->stride[2], c->dtype);
        } else if (!inside) {
          memset(columns, 0, (size_t)(width * itemsize));
        } else {
          memset(columns, 0, (size_t)(first * itemsize));
          copy_strided(end - first, line, s->stride[2], at, itemsize);
          memset(columns + end * itemsize, 0, (size_t)((width - end) * itemsize));
        }
      }
      work += rows * width;
      if (work < PVT_TILE) continue;
      work = 0;
      int status = pvt_poll();
      if (status != PVT_OK) return status;
    }
  return PVT_OK;
}

static bool is_pointwise(const pvt_sweep *s) {
  for (int d = 0; d < 3; d++)
    if (s->window[d] != 1 || s->stride[d] != 1 || s->before[d] != 0 || s->after[d] != 0)
      return false;
  return true;
}

/* A matrix in memory, its columns side by side. */
static void matrix(pvt_array *array, const convolution *c, const void *data, int64_t rows,
                   int64_t columns, int64_t row) {
  int64_t shape[2] = {rows, columns};
  pvt_array_over(array, (void *)data, c->dtype, 2, shape);
  array->dim[0].stride = row * c->itemsize;
}

typedef struct pieces {
  int64_t rows, width; /* of results, in all and of one */
  int64_t most;        /* rows at a time */
  pvt_buffer *columns; /* NULL: images are columns as they are */
} pieces;

static int pieces_of(pieces *p, const convolution *c) {
  const pvt_sweep *s = &c->sweep;
  p->rows = s->result[0] * s->result[1], p->width = s->result[2];
  p->columns = NULL;
  p->most = p->rows;
  if (is_pointwise(s)) return PVT_OK;
  int64_t row_bytes = c->in * c->taps * p->width * c->itemsize;
  p->most = row_bytes == 0 ? p->rows : PIECE / row_bytes;
  if (p->most < 1) p->most = 1;
  if (p->most > p->rows) p->most = p->rows;
  p->columns = pvt_buffer_new((size_t)(p->most * row_bytes));
  return p->columns == NULL ? pvt_error_status() : PVT_OK;
}

/* ---- Both directions ---------------------------------------------------- */

static int forward(const convolution *c, const char *x, const char *weights, char *out) {
  const pvt_sweep *s = &c->sweep;
  pieces p;
  int status = pieces_of(&p, c);
  if (status != PVT_OK) return status;
  int64_t depth = c->in * c->taps, all = p.rows * p.width;
  int64_t plane = s->size[0] * s->size[1] * s->size[2] * c->itemsize;
  for (int64_t i = 0; i < s->n * c->groups && status == PVT_OK; i++) {
    const char *w = weights + i % c->groups * c->out * depth * c->itemsize;
    for (int64_t row = 0; row < p.rows && status == PVT_OK; row += p.most) {
      int64_t rows = p.rows - row < p.most ? p.rows - row : p.most, count = rows * p.width;
      char *columns = (char *)x + i * c->in * plane;
      if (p.columns != NULL) {
        status = move_columns(c, columns, row, rows, pvt_buffer_data(p.columns), false);
        columns = pvt_buffer_data(p.columns);
      }
      pvt_array a, b, y;
      matrix(&a, c, w, c->out, depth, depth);
      matrix(&b, c, columns, depth, count, count);
      matrix(&y, c, out + (i * c->out * all + row * p.width) * c->itemsize, c->out, count, all);
      if (status == PVT_OK) status = pvt_matmul(&a, &b, &y);
    }
  }
  pvt_buffer_release(p.columns);
  return status;
}

/* c is of the convolution that it transposes: its results are x, its images out. */
static int backward(const convolution *c, const char *x, const char *weights, char *out) {
  const pvt_sweep *s = &c->sweep;
  pieces p;
  int status = pieces_of(&p, c);
  if (status != PVT_OK) return status;
  int64_t depth = c->in * c->taps, all = p.rows * p.width;
  int64_t plane = s->size[0] * s->size[1] * s->size[2] * c->itemsize;
  if (p.columns != NULL) memset(out, 0, (size_t)(s->n * c->groups * c->in * plane));
  for (int64_t i = 0; i < s->n * c->groups && status == PVT_OK; i++) {
    const char *w = weights + i % c->groups * c->out * depth * c->itemsize;
    for (int64_t row = 0; row < p.rows && status == PVT_OK; row += p.most) {
      int64_t rows = p.rows - row < p.most ? p.rows - row : p.most, count = rows * p.width;
      char *image = out + i * c->in * plane;
      char *columns = p.columns != NULL ? pvt_buffer_data(p.columns) : image;
      pvt_array a, b, y;
      matrix(&a, c, w, c->out, depth, depth);
      int swap[2] = {1, 0};
      status = pvt_view_permute(&a, swap);
      matrix(&b, c, x + (i * c->out * all + row * p.width) * c->itemsize, c->out, count, all);
      matrix(&y, c, columns, depth, count, count);
      if (status == PVT_OK) status = pvt_matmul(&a, &b, &y);
      if (status == PVT_OK && p.columns != NULL)
        status = move_columns(c, image, row, rows, columns, true);
    }
  }
  pvt_buffer_release(p.columns);
  return status;
}

/* ---- Arrays ------------------------------------------------------------- */

/* `array` itself where it is contiguous and of that type, else a copy in `made`. */
static int settle(const pvt_array *array, pvt_dtype dtype, pvt_array *made, const pvt_array **use) {
  *use = array;
  if (array->dtype == dtype && pvt_sweep_dense(array)) return PVT_OK;
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < array->ndim; d++) shape[d] = array->dim[d].size;
  int status = pvt_array_new(made, dtype, array->ndim, shape);
  if (status == PVT_OK) status = pvt_copy(array, made);
  *use = made;
  return status;
}

/* bias[c] is added to every element of channel c. */
static int add_bias(const pvt_array *bias, pvt_array *out) {
  pvt_array b;
  pvt_array_over(&b, bias->data, (pvt_dtype)bias->dtype, 1, &bias->dim[0].size);
  b.dim[0] = bias->dim[0];
  for (int d = 2; d < out->ndim; d++) {
    int status = pvt_view_insert(&b, b.ndim);
    if (status != PVT_OK) return status;
  }
  return pvt_binary(PVT_ADD, out, &b, out);
}

static int check(const char *what, const pvt_array *x, const pvt_array *weights,
                 const pvt_array *bias, const pvt_array *out, int64_t groups) {
  if (x->dtype != weights->dtype || x->dtype != out->dtype ||
      (bias != NULL && bias->dtype != x->dtype))
    return pvt_fail(PVT_E_DTYPE, "%s: image, weights, bias and result must be of one type", what);
  if (x->dtype == PVT_BOOL) return pvt_fail(PVT_E_DTYPE, "%s: bool has no products", what);
  if (weights->ndim != x->ndim)
    return pvt_fail(PVT_E_SHAPE, "%s: an image of %d dimensions and weights of %d", what, x->ndim,
                    weights->ndim);
  if (!out->writable) return pvt_fail(PVT_E_READONLY, "%s: the result is read-only", what);
  if (groups < 1) return pvt_fail(PVT_E_VALUE, "%s: there must be at least 1 group", what);
  return PVT_OK;
}

static int check_channels(const char *what, const pvt_array *bias, int64_t in, int64_t out,
                          int64_t weights_in, int64_t weights_out, int64_t groups) {
  if (in % groups != 0 || out % groups != 0 || weights_in != in / groups || weights_out != out)
    return pvt_fail(PVT_E_SHAPE,
                    "%s: weights for %lld times %lld channels do not fit %lld channels in, %lld "
                    "out and %lld groups",
                    what, (long long)weights_out, (long long)weights_in, (long long)in,
                    (long long)out, (long long)groups);
  if (bias != NULL && (bias->ndim != 1 || bias->dim[0].size != weights_out))
    return pvt_fail(PVT_E_SHAPE, "%s: the bias has not one element for each channel", what);
  return PVT_OK;
}

typedef int direction(const convolution *c, const char *x, const char *weights, char *out);

static int run(direction *compute, convolution *c, const pvt_array *x, const pvt_array *weights,
               const pvt_array *bias, pvt_array *out) {
  pvt_dtype dtype = (pvt_dtype)x->dtype;
  if (dtype == PVT_FLOAT16 || dtype == PVT_BFLOAT16) dtype = PVT_FLOAT32;
  c->dtype = dtype;
  c->itemsize = (int64_t)pvt_itemsize(dtype);
  c->taps = c->sweep.window[0] * c->sweep.window[1] * c->sweep.window[2];
  pvt_array made_x = {0}, made_weights = {0}, made_bias = {0}, made_out = {0};
  const pvt_array *use_x = x, *use_weights = weights, *use_bias = bias;
  int status = settle(x, dtype, &made_x, &use_x);
  if (status == PVT_OK) status = settle(weights, dtype, &made_weights, &use_weights);
  if (status == PVT_OK && bias != NULL) status = settle(bias, dtype, &made_bias, &use_bias);
  pvt_array *target = out;
  if (status == PVT_OK &&
      (out->dtype != dtype || !pvt_sweep_dense(out) || pvt_array_overlap(x, out) ||
       pvt_array_overlap(weights, out) || (bias != NULL && pvt_array_overlap(bias, out)))) {
    int64_t shape[PVT_MAX_DIMS];
    for (int d = 0; d < out->ndim; d++) shape[d] = out->dim[d].size;
    status = pvt_array_new(&made_out, dtype, out->ndim, shape);
    target = &made_out;
  }
  if (status == PVT_OK) status = compute(c, use_x->data, use_weights->data, target->data);
  if (status == PVT_OK && bias != NULL) status = add_bias(use_bias, target);
  if (status == PVT_OK && target != out) status = pvt_copy(target, out);
  pvt_array_release(&made_x);
  pvt_array_release(&made_weights);
  pvt_array_release(&made_bias);
  pvt_array_release(&made_out);
  return status;
}

int pvt_conv(const pvt_array *x, const pvt_array *weights, const pvt_array *bias,
             const pvt_window *window, int64_t groups, pvt_array *out) {
  int status = check("conv", x, weights, bias, out, groups);
  if (status != PVT_OK) return status;
  int64_t size[PVT_MAX_DIMS];
  for (int d = 2; d < weights->ndim; d++) size[d - 2] = weights->dim[d].size;
  convolution c = {.groups = groups};
  if ((status = pvt_sweep_of(&c.sweep, "conv", x, out, size, window)) != PVT_OK) return status;
  status = check_channels("conv", bias, c.sweep.in, c.sweep.out, weights->dim[1].size,
                          weights->dim[0].size, groups);
  if (status != PVT_OK || (status = pvt_sweep_check(&c.sweep, "conv", false)) != PVT_OK)
    return status;
  c.in = c.sweep.in / groups, c.out = c.sweep.out / groups;
  return run(forward, &c, x, weights, bias, out);
}

int pvt_conv_transposed(const pvt_array *x, const pvt_array *weights, const pvt_array *bias,
                        const pvt_window *window, int64_t groups, pvt_array *out) {
  const char *what = "conv_transposed";
  int status = check(what, x, weights, bias, out, groups);
  if (status != PVT_OK) return status;
  int64_t size[PVT_MAX_DIMS];
  for (int d = 2; d < weights->ndim; d++) size[d - 2] = weights->dim[d].size;
  convolution c = {.groups = groups};
  if ((status = pvt_sweep_of(&c.sweep, what, out, x, size, window)) != PVT_OK) return status;
  status = check_channels(what, bias, c.sweep.out, c.sweep.in, weights->dim[0].size / groups,
                          weights->dim[1].size * groups, groups);
  if (status != PVT_OK) return status;
  if (weights->dim[0].size != c.sweep.out)
    return pvt_fail(PVT_E_SHAPE, "%s: the weights are for %lld channels, the image has %lld", what,
                    (long long)weights->dim[0].size, (long long)c.sweep.out);
  for (int d = 0; d < 3; d++) {
    const pvt_sweep *s = &c.sweep;
    int64_t least = s->stride[d] * (s->result[d] - 1) + s->dilation[d] * (s->window[d] - 1) + 1 -
                    s->before[d] - s->after[d];
    if (s->result[d] > 0 && (s->size[d] < least || s->size[d] >= least + s->stride[d]))
      return pvt_fail(PVT_E_SHAPE,
                      "%s: the result's size must be %lld, or less than %lld more, not %lld", what,
                      (long long)least, (long long)s->stride[d], (long long)s->size[d]);
  }
  c.in = c.sweep.in / groups, c.out = c.sweep.out / groups;
  return run(backward, &c, x, weights, bias, out);
}

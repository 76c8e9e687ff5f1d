/* plain.c - the ways for everything, by the operators of tensor.h: plain layouts, any sizes. */
#include <string.h>

#include "portable.h"

static void window_of(const pvb_conv *conv, pvt_window *window) {
  for (int i = 0; i < conv->spatial; i++) {
    window->size[i] = conv->kernel[i];
    window->stride[i] = conv->stride[i];
    window->dilation[i] = conv->dilation[i];
    window->before[i] = conv->before[i];
    window->after[i] = conv->after[i];
  }
}

/* Constant weights as a contiguous array. */
static int keep_weights(const pvb_work *work, pvb_packed *packed) {
  if (work->weights == NULL) return PVT_OK;
  pvt_array copy;
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < work->weights->ndim; d++) shape[d] = work->weights->dim[d].size;
  pvt_array_over(&copy, packed->weights, PVT_FLOAT32, work->weights->ndim, shape);
  return pvt_copy(work->weights, &copy);
}

static int prepare_with(const pvb_work *work, int (*run)(const pvb_kernel *, const pvb_run *),
                        pvb_kernel **kernel) {
  pvb_packed *packed;
  int64_t floats = work->weights == NULL ? 0 : pvt_array_count(work->weights);
  int status = pvb_packed_new(sizeof *packed, work, floats, run, &packed);
  if (status != PVT_OK) return status;
  if ((status = keep_weights(work, packed)) != PVT_OK) {
    pvb_release(&packed->kernel);
    return status;
  }
  *kernel = &packed->kernel;
  return PVT_OK;
}

static void bias_of(const pvb_packed *packed, int64_t size, pvt_array *bias) {
  pvt_array_over(bias, packed->bias, PVT_FLOAT32, 1, &size);
}

/* y = activation(y + residual), where the residual may be y as it was before: *kept has it then. */
static int keep_residual(const pvb_run *run, pvt_array *kept) {
  *kept = (pvt_array){0};
  if (run->residual == NULL || !pvt_array_overlap(run->residual, run->y)) return PVT_OK;
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < run->y->ndim; d++) shape[d] = run->y->dim[d].size;
  int status = pvt_array_new(kept, PVT_FLOAT32, run->y->ndim, shape);
  return status == PVT_OK ? pvt_copy(run->residual, kept) : status;
}

static int finish(const pvb_packed *packed, const pvb_run *run, int status, pvt_array *kept) {
  const pvt_array *residual = kept->data != NULL ? kept : run->residual;
  if (status == PVT_OK) status = pvb_finish(&packed->work.epilogue, residual, run->y);
  pvt_array_release(kept);
  return status;
}

/* ---- Convolutions ------------------------------------------------------- */

static bool columns_suit(const pvb_work *work, pvb_way *way) {
  if (work->kind != PVB_CONV && work->kind != PVB_CONV_TRANSPOSED) return false;
  const pvb_speed *speed = pvb_speed_get();
  double moved = (double)work->conv.n * (double)work->conv.in * (double)pvb_taps(&work->conv) *
                 (double)pvb_out_pixels(&work->conv) * sizeof(float);
  way->reads = way->writes = PVB_PLAIN;
  way->seconds = 2e-6 + 1.3 * pvb_work_products(work) / speed->products + 2 * moved / speed->cached;
  /* products of few rows hardly use the registers */
  if (work->conv.out / work->conv.groups < 8)
    way->seconds += (double)work->conv.groups * (double)work->conv.n * 1e-6 +
                    3 * pvb_work_products(work) / speed->products;
  return true;
}

static int run_columns(const pvb_kernel *kernel, const pvb_run *run) {
  const pvb_packed *packed = (const pvb_packed *)kernel;
  const pvb_conv *conv = &packed->work.conv;
  bool transposed = packed->work.kind == PVB_CONV_TRANSPOSED;
  pvt_window window;
  window_of(conv, &window);
  pvt_array made, bias, kept;
  const pvt_array *weights = run->b;
  if (packed->work.weights != NULL) {
    int64_t shape[2 + PVB_SPATIAL] = {transposed ? conv->in : conv->out,
                                      (transposed ? conv->out : conv->in) / conv->groups};
    memcpy(shape + 2, conv->kernel, sizeof conv->kernel);
    pvt_array_over(&made, packed->weights, PVT_FLOAT32, 2 + conv->spatial, shape);
    weights = &made;
  }
  if (packed->bias != NULL) bias_of(packed, conv->out, &bias);
  const pvt_array *with = packed->bias != NULL ? &bias : NULL;
  int status = keep_residual(run, &kept);
  if (status == PVT_OK)
    status = (transposed ? pvt_conv_transposed : pvt_conv)(run->x, weights, with, &window,
                                                           conv->groups, run->y);
  return finish(packed, run, status, &kept);
}

static int prepare_columns(const pvb_work *work, const pvb_way *way, pvb_kernel **kernel) {
  (void)way;
  return prepare_with(work, run_columns, kernel);
}

const pvb_algorithm pvb_columns = {"columns", columns_suit, prepare_columns};

/* ---- Products ----------------------------------------------------------- */

static bool multiply_suits(const pvb_work *work, pvb_way *way) {
  if (work->kind != PVB_PRODUCT) return false;
  const pvb_speed *speed = pvb_speed_get();
  const pvb_product *p = &work->product;
  way->reads = way->writes = PVB_PLAIN;
  double bytes = 4.0 * (double)p->k * (double)p->n;
  way->seconds = 1e-6 + 1.2 * pvb_work_products(work) / speed->products + bytes / speed->memory;
  return true;
}

static int run_multiply(const pvb_kernel *kernel, const pvb_run *run) {
  const pvb_packed *packed = (const pvb_packed *)kernel;
  const pvb_product *p = &packed->work.product;
  pvt_array made, other, kept;
  const pvt_array *b = run->b;
  if (packed->work.weights != NULL) {
    pvt_array_over(&made, packed->weights, PVT_FLOAT32, 2, (const int64_t[]){p->k, p->n});
    b = &made;
  }
  int status = keep_residual(run, &kept);
  if (status == PVT_OK) status = pvt_matmul(run->x, b, run->y);
  float scale = p->scale;
  if (status == PVT_OK && scale != 1) {
    pvt_array_over(&other, &scale, PVT_FLOAT32, 0, NULL);
    status = pvt_binary(PVT_MULTIPLY, run->y, &other, run->y);
  }
  if (status == PVT_OK && packed->bias != NULL) {
    bias_of(packed, p->n, &other);
    status = pvt_binary(PVT_ADD, run->y, &other, run->y);
  }
  return finish(packed, run, status, &kept);
}

static int prepare_multiply(const pvb_work *work, const pvb_way *way, pvb_kernel **kernel) {
  (void)way;
  return prepare_with(work, run_multiply, kernel);
}

const pvb_algorithm pvb_multiply = {"multiply", multiply_suits, prepare_multiply};

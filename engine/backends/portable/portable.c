/* portable.c - the backend of our own kernels: what it has ways for, and its kernels' memory. */
#include "portable.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The order is that of the ways' numbers. */
static const pvb_algorithm *const algorithms[] = {
    &pvb_columns,     &pvb_multiply,    &pvb_direct,         &pvb_direct_plain, &pvb_dense,
    &pvb_channelwise, &pvb_winograd_2,  &pvb_winograd_4,     &pvb_direct_pairs, &pvb_direct_bytes,
    &pvb_dense_pairs, &pvb_dense_bytes, &pvb_dense_multiples};
#define ALGORITHMS ((int)(sizeof algorithms / sizeof *algorithms))

static bool available(void) {
  return true;
}

static const char *describe(void) {
  return pvt_isa();
}

static int ways(const pvb_work *work, pvb_way found[PVB_WAYS]) {
  int count = 0;
  for (int i = 0; i < ALGORITHMS; i++) {
    pvb_way way = {.backend = &pvb_portable, .algorithm = algorithms[i]->name, .variant = i};
    if (algorithms[i]->suits(work, &way)) found[count++] = way;
  }
  return count;
}

static int prepare(const pvb_work *work, const pvb_way *way, pvb_kernel **kernel) {
  return algorithms[way->variant]->prepare(work, way, kernel);
}

const pvb_backend pvb_portable = {
    .name = "portable",
    .available = available,
    .describe = describe,
    .ways = ways,
    .prepare = prepare,
};

/* ---- Kernels ------------------------------------------------------------ */

static void release(pvb_kernel *kernel) {
  pvb_packed *packed = (pvb_packed *)kernel;
  pvt_buffer_release(packed->memory);
  free(packed);
}

/* Floats for so many channels, read a tile's blocks at a time. */
static int64_t whole_blocks(int64_t channels) {
  if (channels == 0) return 0;
  return ((channels + PVB_BLOCK - 1) / PVB_BLOCK + PVT_TILE_BLOCKS) * PVB_BLOCK;
}

int pvb_packed_new(size_t size, const pvb_work *work, int64_t floats,
                   int (*run)(const pvb_kernel *kernel, const pvb_run *run), pvb_packed **packed) {
  return pvb_packed_bytes(size, work, floats * (int64_t)sizeof(float), 0, run, packed);
}

int pvb_packed_bytes(size_t size, const pvb_work *work, int64_t weight_bytes, int64_t scales,
                     int (*run)(const pvb_kernel *kernel, const pvb_run *run), pvb_packed **made) {
  pvb_packed *packed = calloc(1, size);
  if (packed == NULL) return pvt_fail(PVT_E_NOMEM, "out of memory");
  int64_t channels = work->bias == NULL ? 0 : work->bias->dim[0].size;
  int64_t bias_floats = whole_blocks(channels), scale_floats = whole_blocks(scales);
  int64_t weight_room = (weight_bytes + 63) / 64 * 64;
  size_t bytes = (size_t)weight_room + (size_t)(bias_floats + scale_floats) * sizeof(float);
  packed->work = *work;
  packed->kernel = (pvb_kernel){.run = run, .release = release, .packed = bytes};
  if (bytes > 0) {
    packed->memory = pvt_buffer_new(bytes);
    if (packed->memory == NULL) {
      free(packed);
      return pvt_error_status();
    }
    packed->weights = pvt_buffer_data(packed->memory);
    memset((char *)packed->weights + weight_room, 0, bytes - (size_t)weight_room);
  }
  float *behind = (float *)(void *)((char *)packed->weights + weight_room);
  if (scales > 0) packed->scale = behind + bias_floats;
  if (channels > 0) {
    packed->bias = behind;
    const pvt_array *bias = work->bias;
    for (int64_t i = 0; i < channels; i++)
      memcpy(packed->bias + i, bias->data + i * bias->dim[0].stride, sizeof(float));
  }
  *made = packed;
  return PVT_OK;
}

/* ---- Weights ------------------------------------------------------------ */

bool pvb_has_pairs(void) {
#if defined(__x86_64__)
  return pvt_kernels_get()->layers->bf16->tiles != NULL && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

const pvt_tiles *pvb_tiles_of(pvb_weights weights) {
  const pvt_layers *layers = pvt_kernels_get()->layers;
  return weights == PVB_FLOATS  ? layers->tiles
         : weights == PVB_PAIRS ? layers->bf16->tiles
                                : layers->tiles_i8;
}

static uint32_t rounded(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (x != x) return bits >> 16 | 0x40;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

uint32_t pvb_pair(float low, float high) {
  return rounded(low) | rounded(high) << 16;
}

float pvb_scale_of(const float *weights, int64_t count, int64_t step) {
  float most = 0;
  for (int64_t i = 0; i < count; i++)
    if (fabsf(weights[i * step]) > most) most = fabsf(weights[i * step]);
  return most / 127;
}

int8_t pvb_byte(float weight, float scale) {
  float steps = scale > 0 ? rintf(weight / scale) : 0;
  return (int8_t)(steps > 127 ? 127 : steps >= -128 ? steps : -128);
}

int pvb_finish(const pvb_epilogue *epilogue, const pvt_array *residual, pvt_array *y) {
  int status = PVT_OK;
  if (residual != NULL && !pvt_array_is_contiguous(residual)) {
    status = pvt_binary(PVT_ADD, y, residual, y);
    residual = NULL;
  }
  if (status != PVT_OK || (residual == NULL && epilogue->activation == PVB_NONE)) return status;
  pvt_activate_kernel *activate = pvt_kernels_get()->layers->activate[epilogue->activation];
  float *at = (float *)y->data;
  const float *from = residual == NULL ? NULL : (const float *)residual->data;
  int64_t count = pvt_array_count(y);
  for (int64_t i = 0; i < count; i += PVT_TILE) {
    activate(count - i < PVT_TILE ? count - i : PVT_TILE, at + i, from == NULL ? NULL : from + i,
             epilogue->alpha, epilogue->beta);
    if ((status = pvt_poll()) != PVT_OK) return status;
  }
  return PVT_OK;
}

/* ---- Sizes -------------------------------------------------------------- */

static int64_t product_of(const int64_t *sizes, int count) {
  int64_t all = 1;
  for (int i = 0; i < count; i++) all *= sizes[i];
  return all;
}

int64_t pvb_pixels(const pvb_conv *conv) {
  return product_of(conv->size, conv->spatial);
}

int64_t pvb_out_pixels(const pvb_conv *conv) {
  return product_of(conv->out_size, conv->spatial);
}

int64_t pvb_taps(const pvb_conv *conv) {
  return product_of(conv->kernel, conv->spatial);
}

double pvb_work_products(const pvb_work *work) {
  if (work->kind == PVB_PRODUCT) {
    const pvb_product *p = &work->product;
    return (double)p->batch * (double)p->m * (double)p->n * (double)p->k;
  }
  const pvb_conv *c = &work->conv;
  int64_t places = work->kind == PVB_CONV ? pvb_out_pixels(c) : pvb_pixels(c);
  return (double)c->n * (double)places * (double)pvb_taps(c) * (double)c->out *
         ((double)c->in / (double)c->groups);
}

static bool whole_and_once(const pvb_conv *conv) {
  for (int i = 0; i < conv->spatial; i++)
    if (conv->kernel[i] != 1 || conv->stride[i] != 1 || conv->before[i] != 0 || conv->after[i] != 0)
      return false;
  return true;
}

pvb_conv pvb_conv_narrowed(const pvb_conv *conv) {
  pvb_conv narrowed = *conv;
  for (int d; (d = narrowed.spatial - 1) > 0; narrowed.spatial--)
    if (conv->size[d] != 1 || conv->kernel[d] != 1 || conv->out_size[d] != 1 ||
        conv->before[d] != 0)
      break;
  return narrowed;
}

void pvb_geometry_of(const pvb_conv *given, pvb_geometry *g) {
  const pvb_conv narrowed = pvb_conv_narrowed(given), *conv = &narrowed;
  *g = (pvb_geometry){.n = conv->n,
                      .groups = conv->groups,
                      .in = conv->in / conv->groups,
                      .out = conv->out / conv->groups,
                      .size = {1, 1, 1},
                      .result = {1, 1, 1},
                      .kernel = {1, 1, 1},
                      .stride = {1, 1, 1},
                      .dilation = {1, 1, 1},
                      .pixels = pvb_pixels(conv),
                      .results = pvb_out_pixels(conv),
                      .taps = pvb_taps(conv)};
  if (whole_and_once(conv)) {
    g->size[2] = g->pixels, g->result[2] = g->results;
    return;
  }
  for (int i = 0; i < conv->spatial; i++) {
    int d = 3 - conv->spatial + i;
    g->size[d] = conv->size[i], g->result[d] = conv->out_size[i], g->kernel[d] = conv->kernel[i];
    g->stride[d] = conv->stride[i], g->dilation[d] = conv->dilation[i];
    g->before[d] = conv->before[i];
    int64_t end = (g->result[d] - 1) * g->stride[d] + (g->kernel[d] - 1) * g->dilation[d] + 1;
    g->padded |= g->before[d] > 0 || end - g->before[d] > g->size[d];
  }
}

int pvb_in_order(const pvt_array *array, pvt_array *copy, const float **floats) {
  *copy = (pvt_array){0};
  *floats = (const float *)array->data;
  if (pvt_array_is_contiguous(array) && (uintptr_t)array->data % sizeof(float) == 0) return PVT_OK;
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < array->ndim; d++) shape[d] = array->dim[d].size;
  int status = pvt_array_new(copy, PVT_FLOAT32, array->ndim, shape);
  if (status == PVT_OK) status = pvt_copy(array, copy);
  *floats = (const float *)copy->data;
  return status;
}

int pvb_tile_blocks(int64_t rows, int64_t blocks) {
  const int *most = pvt_kernels_get()->layers->tiles->most_rows;
  int best = 1;
  double best_sums = 0;
  for (int b = 1; b <= PVT_TILE_BLOCKS && b <= blocks; b *= 2) {
    if (most[b - 1] == 0) continue;
    int64_t tiles = (rows + most[b - 1] - 1) / most[b - 1];
    double sums = (double)rows / (double)tiles * b;
    if (sums > best_sums) best = b, best_sums = sums;
  }
  return best;
}

bool pvb_keeps_zero(const pvb_epilogue *epilogue) {
  float zero = 0;
  pvt_kernels_get()->layers->activate[epilogue->activation](1, &zero, NULL, epilogue->alpha,
                                                            epilogue->beta);
  return zero == 0;
}

/* ---- Speed -------------------------------------------------------------- */

/* Of this thread: what others of a busy machine take is not the machine's. */
static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* The best of a few rounds. */
static void measure(pvb_speed *speed) {
  enum { N = 192, BYTES = 1 << 23, ROUNDS = 4 };
  *speed = (pvb_speed){2e10, 2e10, 8e9};
  pvt_buffer *buffer = pvt_buffer_new(2 * BYTES);
  if (buffer == NULL) return;
  char *memory = pvt_buffer_data(buffer);
  memset(memory, 0, 2 * BYTES);
  float *a = (float *)(void *)memory, *b = a + N * N, *c = b + N * N;
  double products = 1, cached = 1, beyond = 1;
  for (int round = 0; round < ROUNDS; round++) {
    double start = now();
    pvt_kernels_get()->products->gemm[PVT_FLOAT32](N, N, N, a, N, 1, b, N, 1, c, N, PVT_SET);
    double one = now();
    for (int i = 0; i < 8; i++) memcpy(c, a, N * N * sizeof(float));
    double two = now();
    memcpy(memory + BYTES, memory, BYTES);
    double three = now();
    if (one - start < products) products = one - start;
    if (two - one < cached) cached = two - one;
    if (three - two < beyond) beyond = three - two;
  }
  pvt_buffer_release(buffer);
  speed->products = (double)N * N * N / (products + 1e-9);
  speed->cached = 8 * 2.0 * N * N * sizeof(float) / (cached + 1e-9);
  speed->memory = 2.0 * BYTES / (beyond + 1e-9);
}

const pvb_speed *pvb_speed_get(void) {
  static pvb_speed speed;
  static _Atomic int state; /* 0: not measured, 1: somebody does, 2: it is there */
  static const pvb_speed usual = {5e10, 3e10, 8e9};
  if (atomic_load_explicit(&state, memory_order_acquire) == 2) return &speed;
  int none = 0;
  if (!atomic_compare_exchange_strong(&state, &none, 1)) return &usual;
  const pvt_context *context = pvt_context_set(NULL);
  measure(&speed);
  pvt_context_set(context);
  atomic_store_explicit(&state, 2, memory_order_release);
  return &speed;
}

/* What is small stays in a cache between runs, and reading in order is quicker than copying. */
double pvb_fetching(size_t packed) {
  const double kept = 512 << 10;
  return (double)packed < kept ? 0 : ((double)packed - kept) / (2 * pvb_speed_get()->memory);
}

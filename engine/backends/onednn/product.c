/* product.c - products with a constant matrix by oneDNN: rows of a are cut into parts, or, where
** there are few of them, columns of b.
*/
#include <stdlib.h>
#include <string.h>

#include "onednn.h"

enum { WHOLE, LAST, SIZES };

typedef struct product_kernel {
  pvb_packed packed;
  int dtype;
  int threads;
  bool by_columns;
  int64_t rows;  /* of y, all of the stack */
  int64_t chunk; /* rows or columns of a part */
  int64_t chunks;
  pvb_step convert[SIZES]; /* a part's rows, or all of them, to what the primitive reads */
  pvb_step main[SIZES];
  size_t converted, slot;
  char **weights; /* of each part */
  pvt_buffer *memory, *scales;
} product_kernel;

static int64_t size_of(const product_kernel *kernel, int which) {
  int64_t all = kernel->by_columns ? kernel->packed.work.product.n : kernel->rows;
  return which == WHOLE ? kernel->chunk : all % kernel->chunk;
}

static int which_of(const product_kernel *kernel, int64_t chunk) {
  return chunk == kernel->chunks - 1 && kernel->main[LAST].primitive != NULL ? LAST : WHOLE;
}

/* NULL after pvt_fail. */
static dnnl_desc *matrix(int64_t rows, int64_t columns, int64_t stride, int dtype) {
  dnnl_desc *desc = NULL;
  int status = pvb_dnnl_get()->memory_desc_create_with_strides(&desc, 2, (dnnl_dims){rows, columns},
                                                               dtype, (dnnl_dims){stride, 1});
  if (status != 0) pvb_dnnl_fail(status, "matrix");
  return desc;
}

static dnnl_desc *tagged(int ndim, int64_t first, int64_t second, int dtype, int tag) {
  dnnl_desc *desc = NULL;
  int status = pvb_dnnl_get()->memory_desc_create_with_tag(&desc, ndim, (dnnl_dims){first, second},
                                                           dtype, tag);
  if (status != 0) pvb_dnnl_fail(status, "matrix");
  return desc;
}

static void forget(dnnl_desc *desc) {
  if (desc != NULL) pvb_dnnl_get()->memory_desc_destroy(desc);
}

static dnnl_attr *attributes(const product_kernel *kernel) {
  dnnl_attr *attr = pvb_step_attr(&kernel->packed.work.epilogue);
  if (attr == NULL || kernel->dtype != DNNL_S8) return attr;
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  int status = dnnl->primitive_attr_set_scales_mask(attr, DNNL_SRC, 0);
  if (status == 0) status = dnnl->primitive_attr_set_scales_mask(attr, DNNL_WEIGHTS, 2);
  if (status == 0) return attr;
  dnnl->primitive_attr_destroy(attr);
  pvb_dnnl_fail(status, "scales");
  return NULL;
}

/* The main step of one size of parts. */
static int prepare_main(product_kernel *kernel, int which) {
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  const pvb_product *p = &kernel->packed.work.product;
  pvb_step *step = &kernel->main[which];
  bool bias = kernel->packed.bias != NULL, small = kernel->dtype == DNNL_S8;
  int64_t rows = kernel->by_columns ? kernel->rows : size_of(kernel, which);
  int64_t columns = kernel->by_columns ? size_of(kernel, which) : p->n;
  dnnl_desc *src = matrix(rows, p->k, p->k, kernel->dtype);
  dnnl_desc *dst = matrix(rows, columns, p->n, DNNL_F32);
  dnnl_desc *any = tagged(2, p->k, columns, kernel->dtype, DNNL_TAG_ANY);
  dnnl_desc *line = tagged(2, 1, columns, DNNL_F32, DNNL_AB);
  dnnl_desc *one = tagged(1, 1, 0, DNNL_F32, DNNL_A);
  dnnl_desc *each = tagged(1, columns, 0, DNNL_F32, DNNL_A);
  dnnl_attr *attr = attributes(kernel);
  dnnl_primitive_desc *desc = NULL;
  int status = PVT_OK;
  if (src == NULL || dst == NULL || any == NULL || line == NULL || one == NULL || each == NULL ||
      attr == NULL)
    status = pvt_error_status();
  if (status == PVT_OK)
    status = pvb_dnnl_fail(dnnl->matmul_primitive_desc_create(&desc, pvb_dnnl_engine(), src, any,
                                                              bias ? line : NULL, dst, attr),
                           "product");
  if (status == PVT_OK) {
    status = pvb_step_take(step, DNNL_SRC, src);
    if (status == PVT_OK)
      status = pvb_step_take(step, DNNL_WEIGHTS,
                             dnnl->primitive_desc_query_md(desc, DNNL_QUERY_WEIGHTS, 0));
    if (status == PVT_OK) status = pvb_step_take(step, DNNL_DST, dst);
    if (status == PVT_OK && bias) status = pvb_step_take(step, DNNL_BIAS, line);
    if (status == PVT_OK && small) status = pvb_step_take(step, DNNL_SCALES | DNNL_SRC, one);
    if (status == PVT_OK && small) status = pvb_step_take(step, DNNL_SCALES | DNNL_WEIGHTS, each);
    int made = pvb_step_make(step, desc, attr);
    attr = NULL;
    if (status == PVT_OK) status = made;
  }
  if (attr != NULL) dnnl->primitive_attr_destroy(attr);
  forget(src);
  forget(dst);
  forget(any);
  forget(line);
  forget(one);
  forget(each);
  return status;
}

/* Rows of a, from float32 to the primitive's type. */
static int prepare_conversion(product_kernel *kernel, int which) {
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  static const pvb_epilogue none;
  const pvb_product *p = &kernel->packed.work.product;
  if (kernel->dtype == DNNL_F32) return PVT_OK;
  int64_t rows = kernel->by_columns ? kernel->rows : size_of(kernel, which);
  dnnl_desc *from = matrix(rows, p->k, p->k, DNNL_F32);
  dnnl_desc *to = matrix(rows, p->k, p->k, kernel->dtype);
  dnnl_desc *one = tagged(1, 1, 0, DNNL_F32, DNNL_A);
  dnnl_attr *attr = pvb_step_attr(&none);
  int status = from == NULL || to == NULL || one == NULL || attr == NULL ? pvt_error_status() : 0;
  if (status == PVT_OK && kernel->dtype == DNNL_S8) {
    status = pvb_dnnl_fail(dnnl->primitive_attr_set_scales_mask(attr, DNNL_DST, 0), "scales");
    if (status == PVT_OK)
      status = pvb_step_take(&kernel->convert[which], DNNL_SCALES | DNNL_DST, one);
  }
  if (status == PVT_OK) status = pvb_step_reorder(&kernel->convert[which], from, to, attr);
  else if (attr != NULL) dnnl->primitive_attr_destroy(attr);
  size_t bytes = (size_t)(rows * p->k) * (kernel->dtype == DNNL_S8 ? 1 : 2);
  if (which == WHOLE) kernel->converted = (bytes + 63) / 64 * 64;
  forget(from);
  forget(to);
  forget(one);
  return status;
}

/* b with the scale in it, contiguous, as float32 or as int8 by one scale a column. */
static int plain_weights(product_kernel *kernel, const pvt_array *b, pvt_array *plain) {
  const pvb_product *p = &kernel->packed.work.product;
  float scale = p->scale;
  pvt_array factor;
  int status = pvt_array_new(plain, PVT_FLOAT32, 2, (const int64_t[]){p->k, p->n});
  if (status != PVT_OK) return status;
  pvt_array_over(&factor, &scale, PVT_FLOAT32, 0, NULL);
  status = scale == 1 ? pvt_copy(b, plain) : pvt_binary(PVT_MULTIPLY, b, &factor, plain);
  if (status != PVT_OK || kernel->dtype != DNNL_S8) return status;
  pvt_array small;
  status = pvt_array_new(&small, PVT_INT8, 2, (const int64_t[]){p->k, p->n});
  if (status != PVT_OK) return status;
  kernel->scales = pvt_buffer_new((size_t)p->n * sizeof(float));
  if (kernel->scales == NULL) {
    pvt_array_release(&small);
    return pvt_error_status();
  }
  pvb_onednn_quantise((const float *)(const void *)plain->data, p->n, 1, p->k, p->n,
                      (int8_t *)small.data, pvt_buffer_data(kernel->scales));
  pvt_array_release(plain);
  *plain = small;
  return PVT_OK;
}

/* Columns from `first` on, packed for the main step of a size. */
static int pack_one(const product_kernel *kernel, int which, const pvt_array *plain, int64_t first,
                    char *to) {
  const pvb_product *p = &kernel->packed.work.product;
  bool small = kernel->dtype == DNNL_S8;
  int64_t columns = kernel->by_columns ? size_of(kernel, which) : p->n;
  pvb_step step = {0};
  pvt_buffer *scratch = NULL;
  dnnl_desc *given = matrix(p->k, columns, p->n, small ? DNNL_S8 : DNNL_F32);
  int status = given == NULL ? pvt_error_status()
                             : pvb_step_reorder(&step, given, kernel->main[which].descs[1], NULL);
  forget(given);
  if (status == PVT_OK && step.scratch > 0 && (scratch = pvt_buffer_new(step.scratch)) == NULL)
    status = pvt_error_status();
  if (status == PVT_OK)
    status = pvb_step_run(&step, (void *[]){plain->data + first * (small ? 1 : 4), to,
                                            scratch == NULL ? NULL : pvt_buffer_data(scratch)});
  pvt_buffer_release(scratch);
  pvb_step_release(&step);
  return status;
}

/* Parts by rows share one packing, if both sizes like the same. */
static int pack(product_kernel *kernel, const pvt_array *b) {
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  size_t sizes[SIZES] = {0};
  bool last = kernel->main[LAST].primitive != NULL;
  bool shared = !kernel->by_columns && last &&
                dnnl->memory_desc_equal(kernel->main[WHOLE].descs[1], kernel->main[LAST].descs[1]);
  int64_t wholes = kernel->by_columns ? kernel->chunks - last : 1;
  for (int i = 0; i < SIZES; i++)
    if (kernel->main[i].primitive != NULL && !(i == LAST && shared))
      sizes[i] = (dnnl->memory_desc_get_size(kernel->main[i].descs[1]) + 63) / 64 * 64;
  size_t total = sizes[WHOLE] * (size_t)wholes + sizes[LAST];
  kernel->weights = calloc((size_t)kernel->chunks, sizeof *kernel->weights);
  kernel->memory = pvt_buffer_new(total);
  if (kernel->weights == NULL) return pvt_fail(PVT_E_NOMEM, "out of memory");
  if (kernel->memory == NULL) return pvt_error_status();
  pvt_array plain = {0};
  char *to = pvt_buffer_data(kernel->memory);
  int status = plain_weights(kernel, b, &plain);
  for (int64_t i = 0; i < wholes && status == PVT_OK; i++)
    status = pack_one(kernel, WHOLE, &plain, kernel->by_columns ? i * kernel->chunk : 0,
                      to + (size_t)i * sizes[WHOLE]);
  if (status == PVT_OK && sizes[LAST] > 0)
    status = pack_one(kernel, LAST, &plain, kernel->by_columns ? wholes * kernel->chunk : 0,
                      to + sizes[WHOLE] * (size_t)wholes);
  for (int64_t i = 0; i < kernel->chunks; i++) {
    bool own = which_of(kernel, i) == LAST && !shared;
    kernel->weights[i] = to + sizes[WHOLE] * (size_t)(own ? wholes : kernel->by_columns ? i : 0);
  }
  kernel->packed.kernel.packed += total;
  pvt_array_release(&plain);
  return status;
}

/* ---- Running ------------------------------------------------------------ */

typedef struct product_run {
  product_kernel *kernel;
  const char *a;
  char *y;
  char *converted; /* all rows, where columns are cut */
  float scale;
  pvb_slots slots;
} product_run;

static int convert(product_run *run, int which, const char *from, char *to, char *scratch) {
  pvb_step *step = &run->kernel->convert[which];
  return run->kernel->dtype == DNNL_S8
             ? pvb_step_run(step, (void *[]){&run->scale, (char *)from, to, scratch})
             : pvb_step_run(step, (void *[]){(char *)from, to, scratch});
}

static int run_part(void *arg, int chunk) {
  product_run *run = arg;
  product_kernel *kernel = run->kernel;
  const pvb_product *p = &kernel->packed.work.product;
  int which = which_of(kernel, chunk), slot = 0, status = pvt_poll();
  int64_t row = kernel->by_columns ? 0 : chunk * kernel->chunk;
  int64_t column = kernel->by_columns ? chunk * kernel->chunk : 0;
  if (status != PVT_OK) return status;
  char *scratch = pvb_slot_take(&run->slots, &slot), *rest = scratch;
  const char *a = run->a + (size_t)(row * p->k) * sizeof(float);
  if (run->converted != NULL) a = run->converted;
  else if (kernel->dtype != DNNL_F32) {
    rest += kernel->converted;
    status = convert(run, which, a, scratch, rest);
    a = scratch;
  }
  void *data[PVB_STEP_ARGS] = {(char *)a, kernel->weights[chunk],
                               run->y + (size_t)(row * p->n + column) * sizeof(float)};
  int count = 3;
  if (kernel->packed.bias != NULL) data[count++] = kernel->packed.bias + column;
  if (kernel->scales != NULL) {
    data[count++] = &run->scale;
    data[count++] = (float *)pvt_buffer_data(kernel->scales) + column;
  }
  data[count] = rest;
  if (status == PVT_OK) status = pvb_step_run(&kernel->main[which], data);
  pvb_slot_give(&run->slots, slot);
  return status;
}

static int run_product(const pvb_kernel *base, const pvb_run *given) {
  product_kernel *kernel = (product_kernel *)base;
  product_run run = {.kernel = kernel, .a = given->x->data, .y = given->y->data};
  pvt_array copy = {0};
  int status = PVT_OK;
  if (!pvt_array_is_contiguous(given->x)) {
    int64_t shape[PVT_MAX_DIMS];
    for (int d = 0; d < given->x->ndim; d++) shape[d] = given->x->dim[d].size;
    status = pvt_array_new(&copy, PVT_FLOAT32, given->x->ndim, shape);
    if (status == PVT_OK) status = pvt_copy(given->x, &copy);
    run.a = copy.data;
  }
  /* the primitive adds to what is there */
  if (status == PVT_OK && given->residual != NULL && !pvt_array_same(given->residual, given->y))
    status = pvt_copy(given->residual, given->y);
  if (status == PVT_OK && kernel->dtype == DNNL_S8) status = pvb_onednn_scale(given->x, &run.scale);
  char *scratch = given->scratch;
  if (status == PVT_OK && kernel->by_columns && kernel->dtype != DNNL_F32) {
    run.converted = scratch;
    scratch += kernel->converted;
    status = convert(&run, WHOLE, run.a, run.converted, scratch);
  }
  run.slots = (pvb_slots){.memory = scratch, .size = kernel->slot};
  pvb_team *team = given->team;
  if (team != NULL && team->threads > kernel->threads) team = NULL; /* slots */
  if (status == PVT_OK) status = pvb_spread(team, (int)kernel->chunks, run_part, &run);
  pvt_array_release(&copy);
  return status;
}

static void release(pvb_kernel *base) {
  product_kernel *kernel = (product_kernel *)base;
  for (int i = 0; i < SIZES; i++) {
    pvb_step_release(&kernel->convert[i]);
    pvb_step_release(&kernel->main[i]);
  }
  pvt_buffer_release(kernel->scales);
  pvt_buffer_release(kernel->memory);
  pvt_buffer_release(kernel->packed.memory);
  free(kernel->weights);
  free(kernel);
}

/* Rows, in parts of some milliseconds; columns where there are too few rows for the threads, or one
** row is a long part already. */
static void cut(product_kernel *kernel, double seconds) {
  const pvb_product *p = &kernel->packed.work.product;
  int64_t parts = (int64_t)(seconds / PVB_ONEDNN_PART) + 1;
  if (kernel->threads > parts && seconds > 3e-5) parts = kernel->threads;
  kernel->by_columns = parts > 1 && kernel->rows < 16 * parts && p->n >= 64 * parts;
  int64_t all = kernel->by_columns ? p->n : kernel->rows;
  int64_t unit = kernel->by_columns ? 64 : 16; /* whole tiles of registers */
  kernel->chunk = ((all + parts - 1) / parts + unit - 1) / unit * unit;
  if (kernel->chunk > all) kernel->chunk = all;
  kernel->chunks = (all + kernel->chunk - 1) / kernel->chunk;
}

int pvb_onednn_product_prepare(const pvb_work *work, const pvb_recipe *recipe, double seconds,
                               pvb_kernel **made) {
  pvb_packed *packed;
  int status = pvb_packed_new(sizeof(product_kernel), work, 0, run_product, &packed);
  if (status != PVT_OK) return status;
  product_kernel *kernel = (product_kernel *)packed;
  packed->kernel.release = release;
  kernel->dtype = recipe->dtype;
  kernel->threads = work->threads < 1 ? 1 : work->threads > 64 ? 64 : work->threads;
  kernel->rows = work->product.batch * work->product.m;
  cut(kernel, seconds);
  int before = pvb_dnnl_enter();
  status = prepare_main(kernel, WHOLE);
  if (status == PVT_OK) status = prepare_conversion(kernel, WHOLE);
  if (status == PVT_OK && size_of(kernel, LAST) > 0) {
    status = prepare_main(kernel, LAST);
    if (status == PVT_OK && !kernel->by_columns) status = prepare_conversion(kernel, LAST);
  }
  if (status == PVT_OK) status = pack(kernel, work->weights);
  pvb_dnnl_leave(before);
  for (int i = 0; i < SIZES; i++) {
    size_t convert = kernel->convert[i].scratch, main = kernel->main[i].scratch;
    size_t rest = (convert > main ? convert : main) + kernel->converted;
    if (rest > kernel->slot) kernel->slot = rest;
  }
  kernel->slot = (kernel->slot + 63) / 64 * 64;
  packed->kernel.scratch = kernel->slot * (size_t)kernel->threads + kernel->converted;
  packed->work.weights = packed->work.bias = NULL;
  if (status != PVT_OK) release(&packed->kernel);
  else *made = &packed->kernel;
  return status;
}

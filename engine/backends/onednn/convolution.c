/* convolution.c - convolutions by oneDNN, also transposed ones.
**
** A run is cut into parts: images, and of each image blocks of output channels, so that a run is
** left within some milliseconds and can be shared by threads. Equal parts share a primitive; of
** channels there are at most two sizes, whole parts and a last one.
*/
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "onednn.h"

enum { WHOLE, LAST, SIZES };

/* Parts of one size. */
typedef struct part {
  int64_t channels;
  pvb_step before; /* the residual, to where the primitive adds to it */
  pvb_step main;
  pvb_step after; /* the result, to the layout of the way */
  size_t written; /* bytes of the primitive's own result, if it is converted then */
} part;

typedef struct conv_kernel {
  pvb_packed packed; /* kernel and work; the bias with it */
  pvb_recipe recipe;
  int64_t images; /* of a primitive */
  int64_t chunks; /* parts of each */
  int threads;
  size_t converted; /* bytes of one part's converted images; 0: they are read as they are */
  size_t source;    /* bytes of one part's images as given */
  size_t slot;
  pvb_step convert;
  part parts[SIZES];
  char **weights;     /* of each chunk, packed */
  pvt_buffer *memory; /* of those */
  pvt_buffer *scales; /* of int8 weights, one a channel; NULL */
} conv_kernel;

/* ---- Descriptions ------------------------------------------------------- */

static dnnl_desc *image_desc(const pvb_conv *conv, bool result, int64_t channels, int64_t images,
                             int dtype, pvb_order order) {
  static const int tags[3][PVB_SPATIAL] = {{DNNL_ABC, DNNL_ABCD, DNNL_ABCDE},
                                           {DNNL_ABC16B, DNNL_ABCD16B, DNNL_ABCDE16B},
                                           {DNNL_ACB, DNNL_ACDB, DNNL_ACDEB}};
  dnnl_dims dims = {images, channels};
  memcpy(dims + 2, result ? conv->out_size : conv->size,
         (size_t)conv->spatial * sizeof conv->size[0]);
  dnnl_desc *desc = NULL;
  int status = pvb_dnnl_get()->memory_desc_create_with_tag(&desc, conv->spatial + 2, dims, dtype,
                                                           tags[order][conv->spatial - 1]);
  if (status != 0) pvb_dnnl_fail(status, "image");
  return desc;
}

/* Of `channels` outputs' weights, as the model has them, or in any order the primitive likes. */
static dnnl_desc *weights_desc(const pvb_work *work, int64_t channels, int dtype, bool any) {
  const pvb_conv *c = &work->conv;
  bool transposed = work->kind == PVB_CONV_TRANSPOSED;
  int64_t groups = c->groups, in = c->in / groups, out = channels / groups, taps = pvb_taps(c);
  int first = groups > 1, ndim = 2 + first + c->spatial;
  int64_t all_out = c->out / groups;
  dnnl_dims dims = {groups}, strides = {(transposed ? all_out : out) * in * taps};
  dims[first] = out, dims[first + 1] = in;
  strides[first] = transposed ? taps : in * taps;
  strides[first + 1] = transposed ? all_out * taps : taps;
  for (int d = c->spatial - 1, stride = 1; d >= 0; stride *= (int)c->kernel[d--]) {
    dims[first + 2 + d] = c->kernel[d];
    strides[first + 2 + d] = stride;
  }
  dnnl_desc *desc = NULL;
  int status =
      any ? pvb_dnnl_get()->memory_desc_create_with_tag(&desc, ndim, dims, dtype, DNNL_TAG_ANY)
          : pvb_dnnl_get()->memory_desc_create_with_strides(&desc, ndim, dims, dtype, strides);
  if (status != 0) pvb_dnnl_fail(status, "weights");
  return desc;
}

static dnnl_desc *vector_desc(int64_t size) {
  dnnl_desc *desc = NULL;
  int status =
      pvb_dnnl_get()->memory_desc_create_with_tag(&desc, 1, (dnnl_dims){size}, DNNL_F32, DNNL_A);
  if (status != 0) pvb_dnnl_fail(status, "vector");
  return desc;
}

static void forget(dnnl_desc *desc) {
  if (desc != NULL) pvb_dnnl_get()->memory_desc_destroy(desc);
}

/* ---- Preparing ---------------------------------------------------------- */

static int order_of(pvb_layout layout) {
  return layout == PVB_BLOCKED ? PVB_ORDER_BLOCKED : PVB_ORDER_PLAIN;
}

static int describe_primitive(const conv_kernel *kernel, const dnnl_desc *src,
                              const dnnl_desc *weights, const dnnl_desc *bias, const dnnl_desc *dst,
                              const dnnl_attr *attr, dnnl_primitive_desc **made) {
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  const pvb_conv *conv = &kernel->packed.work.conv;
  bool transposed = kernel->packed.work.kind == PVB_CONV_TRANSPOSED;
  dnnl_dims stride = {0}, dilation = {0}, before = {0}, after = {0};
  for (int d = 0; d < conv->spatial; d++) {
    int64_t reach = (conv->kernel[d] - 1) * conv->dilation[d] + 1;
    stride[d] = conv->stride[d];
    dilation[d] = conv->dilation[d] - 1;
    before[d] = conv->before[d];
    /* what oneDNN's own rule for the sizes wants: rows that no window reaches do not count */
    after[d] = transposed ? (conv->size[d] - 1) * stride[d] + reach - before[d] - conv->out_size[d]
                          : (conv->out_size[d] - 1) * stride[d] + reach - before[d] - conv->size[d];
  }
  int status = (transposed ? dnnl->deconvolution_forward_primitive_desc_create
                           : dnnl->convolution_forward_primitive_desc_create)(
      made, pvb_dnnl_engine(), DNNL_INFERENCE,
      transposed ? DNNL_DECONVOLUTION_DIRECT : DNNL_CONVOLUTION_DIRECT, src, weights, bias, dst,
      stride, dilation, before, after, attr);
  return pvb_dnnl_fail(status, "convolution");
}

/* The arguments of the main step, in the order of `data` in run_part. */
static int take_arguments(const conv_kernel *kernel, part *part, const dnnl_desc *src,
                          const dnnl_desc *weights, const dnnl_desc *bias, const dnnl_desc *dst) {
  bool small = kernel->recipe.dtype == DNNL_S8;
  dnnl_desc *one = vector_desc(1), *each = vector_desc(part->channels);
  int status = one == NULL || each == NULL ? pvt_error_status() : PVT_OK;
  if (status == PVT_OK) status = pvb_step_take(&part->main, DNNL_SRC, src);
  if (status == PVT_OK) status = pvb_step_take(&part->main, DNNL_WEIGHTS, weights);
  if (status == PVT_OK) status = pvb_step_take(&part->main, DNNL_DST, dst);
  if (status == PVT_OK && bias != NULL) status = pvb_step_take(&part->main, DNNL_BIAS, bias);
  if (status == PVT_OK && small) status = pvb_step_take(&part->main, DNNL_SCALES | DNNL_SRC, one);
  if (status == PVT_OK && small)
    status = pvb_step_take(&part->main, DNNL_SCALES | DNNL_WEIGHTS, each);
  forget(one);
  forget(each);
  return status;
}

static dnnl_attr *attributes(const conv_kernel *kernel) {
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  dnnl_attr *attr = pvb_step_attr(&kernel->packed.work.epilogue);
  if (attr == NULL || kernel->recipe.dtype != DNNL_S8) return attr;
  int mask = kernel->packed.work.conv.groups > 1 ? 3 : 1; /* groups and channels, or channels */
  int status = dnnl->primitive_attr_set_scales_mask(attr, DNNL_SRC, 0);
  if (status == 0) status = dnnl->primitive_attr_set_scales_mask(attr, DNNL_WEIGHTS, mask);
  if (status == 0) return attr;
  dnnl->primitive_attr_destroy(attr);
  pvb_dnnl_fail(status, "scales");
  return NULL;
}

/* The steps of parts of so many channels. */
static int prepare_part(conv_kernel *kernel, part *part, int64_t channels) {
  const pvb_work *work = &kernel->packed.work;
  const pvb_recipe *recipe = &kernel->recipe;
  const pvb_conv *conv = &work->conv;
  part->channels = channels;
  dnnl_desc *src = image_desc(conv, false, conv->in, kernel->images, recipe->dtype, recipe->src);
  dnnl_desc *dst = image_desc(conv, true, channels, kernel->images, DNNL_F32, recipe->dst);
  dnnl_desc *y = image_desc(conv, true, channels, kernel->images, DNNL_F32,
                            (pvb_order)order_of(recipe->writes));
  dnnl_desc *weights = weights_desc(work, channels, recipe->dtype, true);
  dnnl_desc *bias = kernel->packed.bias != NULL ? vector_desc(channels) : NULL;
  dnnl_attr *attr = attributes(kernel);
  dnnl_primitive_desc *desc = NULL;
  int status = PVT_OK;
  if (src == NULL || dst == NULL || y == NULL || weights == NULL || attr == NULL ||
      (bias == NULL && kernel->packed.bias != NULL))
    status = pvt_error_status();
  if (status == PVT_OK) status = describe_primitive(kernel, src, weights, bias, dst, attr, &desc);
  if (status == PVT_OK) {
    const dnnl_desc *liked = pvb_dnnl_get()->primitive_desc_query_md(desc, DNNL_QUERY_WEIGHTS, 0);
    status = take_arguments(kernel, part, src, liked, bias, dst);
    int made = pvb_step_make(&part->main, desc, attr);
    attr = NULL;
    if (status == PVT_OK) status = made;
  }
  if (status == PVT_OK && recipe->dst != (pvb_order)order_of(recipe->writes)) {
    part->written = (pvb_dnnl_get()->memory_desc_get_size(dst) + 63) / 64 * 64;
    status = pvb_step_reorder(&part->after, dst, y, NULL);
    if (status == PVT_OK && work->epilogue.residual)
      status = pvb_step_reorder(&part->before, y, dst, NULL);
  }
  if (attr != NULL) pvb_dnnl_get()->primitive_attr_destroy(attr);
  forget(src);
  forget(dst);
  forget(y);
  forget(weights);
  forget(bias);
  return status;
}

/* From the images as they are given to what the primitive reads. */
static int prepare_conversion(conv_kernel *kernel) {
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  const pvb_recipe *recipe = &kernel->recipe;
  const pvb_conv *conv = &kernel->packed.work.conv;
  static const pvb_epilogue none;
  dnnl_desc *from = image_desc(conv, false, conv->in, kernel->images, DNNL_F32,
                               (pvb_order)order_of(recipe->reads));
  dnnl_desc *to = image_desc(conv, false, conv->in, kernel->images, recipe->dtype, recipe->src);
  int status = from == NULL || to == NULL ? pvt_error_status() : PVT_OK;
  if (status == PVT_OK) {
    kernel->source = dnnl->memory_desc_get_size(from);
    if (!dnnl->memory_desc_equal(from, to)) {
      dnnl_attr *attr = pvb_step_attr(&none);
      kernel->converted = (dnnl->memory_desc_get_size(to) + 63) / 64 * 64;
      if (attr == NULL) status = pvt_error_status();
      else if (recipe->dtype == DNNL_S8)
        status = pvb_dnnl_fail(dnnl->primitive_attr_set_scales_mask(attr, DNNL_DST, 0), "scales");
      if (status != PVT_OK && attr != NULL) dnnl->primitive_attr_destroy(attr);
      if (status == PVT_OK && recipe->dtype == DNNL_S8) {
        dnnl_desc *one = vector_desc(1);
        status = one == NULL ? pvt_error_status()
                             : pvb_step_take(&kernel->convert, DNNL_SCALES | DNNL_DST, one);
        forget(one);
        if (status != PVT_OK) dnnl->primitive_attr_destroy(attr);
      }
      if (status == PVT_OK) status = pvb_step_reorder(&kernel->convert, from, to, attr);
    }
  }
  forget(from);
  forget(to);
  return status;
}

/* Packs each chunk's weights. */
static int pack(conv_kernel *kernel) {
  const pvb_dnnl *dnnl = pvb_dnnl_get();
  const pvb_work *work = &kernel->packed.work;
  const pvb_conv *conv = &work->conv;
  bool small = kernel->recipe.dtype == DNNL_S8;
  int64_t taps = pvb_taps(conv), each = conv->in / conv->groups * taps;
  int64_t channel = work->kind == PVB_CONV_TRANSPOSED ? taps : each;
  pvt_array plain;
  int64_t shape[2 + PVB_SPATIAL], count = pvt_array_count(work->weights);
  for (int d = 0; d < work->weights->ndim; d++) shape[d] = work->weights->dim[d].size;
  int status = pvt_array_new(&plain, PVT_FLOAT32, work->weights->ndim, shape);
  if (status != PVT_OK) return status;
  status = pvt_copy(work->weights, &plain);
  char *from = plain.data;
  pvt_buffer *bytes = NULL;
  if (status == PVT_OK && small) {
    bytes = pvt_buffer_new((size_t)count);
    kernel->scales = pvt_buffer_new((size_t)conv->out * sizeof(float));
    if (bytes == NULL || kernel->scales == NULL) status = pvt_error_status();
    else {
      pvb_onednn_quantise((const float *)(const void *)plain.data, conv->out, each, each, 1,
                          pvt_buffer_data(bytes), pvt_buffer_data(kernel->scales));
      from = pvt_buffer_data(bytes);
    }
  }
  size_t sizes[SIZES] = {0}, total = 0;
  for (int i = 0; i < SIZES; i++)
    if (kernel->parts[i].main.primitive != NULL)
      sizes[i] = (dnnl->memory_desc_get_size(kernel->parts[i].main.descs[1]) + 63) / 64 * 64;
  int64_t whole = kernel->parts[LAST].main.primitive != NULL ? kernel->chunks - 1 : kernel->chunks;
  total = sizes[WHOLE] * (size_t)whole + sizes[LAST];
  kernel->weights = calloc((size_t)kernel->chunks, sizeof *kernel->weights);
  if (status == PVT_OK && kernel->weights == NULL) status = pvt_fail(PVT_E_NOMEM, "out of memory");
  if (status == PVT_OK && (kernel->memory = pvt_buffer_new(total)) == NULL)
    status = pvt_error_status();
  char *to = status == PVT_OK ? pvt_buffer_data(kernel->memory) : NULL;
  for (int64_t i = 0, done = 0; i < kernel->chunks && status == PVT_OK; i++) {
    part *part = &kernel->parts[i < whole ? WHOLE : LAST];
    pvb_step step = {0};
    dnnl_desc *given = weights_desc(work, part->channels, small ? DNNL_S8 : DNNL_F32, false);
    status = given == NULL ? pvt_error_status()
                           : pvb_step_reorder(&step, given, part->main.descs[1], NULL);
    forget(given);
    pvt_buffer *scratch = NULL;
    if (status == PVT_OK && step.scratch > 0 && (scratch = pvt_buffer_new(step.scratch)) == NULL)
      status = pvt_error_status();
    char *chunk = from + (size_t)(done * channel) * (small ? 1 : sizeof(float));
    if (status == PVT_OK)
      status = pvb_step_run(
          &step, (void *[]){chunk, to, scratch == NULL ? NULL : pvt_buffer_data(scratch)});
    pvt_buffer_release(scratch);
    pvb_step_release(&step);
    kernel->weights[i] = to;
    to += sizes[i < whole ? WHOLE : LAST];
    done += part->channels;
  }
  kernel->packed.kernel.packed += total;
  pvt_buffer_release(bytes);
  pvt_array_release(&plain);
  return status;
}

/* ---- Running ------------------------------------------------------------ */

typedef struct conv_run {
  conv_kernel *kernel;
  const char *x;
  char *y;
  char *converted;
  float scale;
  pvb_slots slots;
} conv_run;

static int convert_part(void *arg, int image) {
  conv_run *run = arg;
  conv_kernel *kernel = run->kernel;
  int slot = 0, status = pvt_poll();
  if (status != PVT_OK) return status;
  char *scratch = pvb_slot_take(&run->slots, &slot);
  void *from = (char *)run->x + (size_t)image * kernel->source;
  void *to = run->converted + (size_t)image * kernel->converted;
  status = kernel->recipe.dtype == DNNL_S8
               ? pvb_step_run(&kernel->convert, (void *[]){&run->scale, from, to, scratch})
               : pvb_step_run(&kernel->convert, (void *[]){from, to, scratch});
  pvb_slot_give(&run->slots, slot);
  return status;
}

static int run_part(void *arg, int number) {
  conv_run *run = arg;
  conv_kernel *kernel = run->kernel;
  const pvb_conv *conv = &kernel->packed.work.conv;
  int64_t image = number / kernel->chunks, chunk = number % kernel->chunks;
  bool last = chunk == kernel->chunks - 1 && kernel->parts[LAST].main.primitive != NULL;
  part *part = &kernel->parts[last ? LAST : WHOLE];
  int64_t first = chunk * kernel->parts[WHOLE].channels;
  int64_t pixels = pvb_out_pixels(conv);
  int64_t blocks = (conv->out + PVB_BLOCK - 1) / PVB_BLOCK * PVB_BLOCK;
  int64_t channels = kernel->recipe.writes == PVB_BLOCKED ? blocks : conv->out;
  char *y = run->y + (size_t)((image * kernel->images * channels + first) * pixels) * sizeof(float);
  int slot = 0, status = pvt_poll();
  if (status != PVT_OK) return status;
  char *scratch = pvb_slot_take(&run->slots, &slot);
  char *dst = part->written > 0 ? scratch : y, *rest = scratch + part->written;
  if (part->before.primitive != NULL)
    status = pvb_step_run(&part->before, (void *[]){y, dst, rest});
  void *data[PVB_STEP_ARGS] = {run->converted != NULL
                                   ? run->converted + (size_t)image * kernel->converted
                                   : (char *)run->x + (size_t)image * kernel->source,
                               kernel->weights[chunk], dst};
  int count = 3;
  if (kernel->packed.bias != NULL) data[count++] = kernel->packed.bias + first;
  if (kernel->scales != NULL) {
    data[count++] = &run->scale;
    data[count++] = (float *)pvt_buffer_data(kernel->scales) + first;
  }
  data[count] = rest;
  if (status == PVT_OK) status = pvb_step_run(&part->main, data);
  if (status == PVT_OK && part->after.primitive != NULL)
    status = pvb_step_run(&part->after, (void *[]){dst, y, rest});
  pvb_slot_give(&run->slots, slot);
  return status;
}

static int run_conv(const pvb_kernel *base, const pvb_run *given) {
  conv_kernel *kernel = (conv_kernel *)base;
  const pvb_conv *conv = &kernel->packed.work.conv;
  int64_t images = conv->n / kernel->images;
  conv_run run = {.kernel = kernel, .x = given->x->data, .y = given->y->data};
  pvt_array copy = {0};
  int status = PVT_OK;
  if (!pvt_array_is_contiguous(given->x)) {
    int64_t shape[PVT_MAX_DIMS];
    for (int d = 0; d < given->x->ndim; d++) shape[d] = given->x->dim[d].size;
    status = pvt_array_new(&copy, PVT_FLOAT32, given->x->ndim, shape);
    if (status == PVT_OK) status = pvt_copy(given->x, &copy);
    run.x = copy.data;
  }
  /* the primitive adds to what is there */
  if (status == PVT_OK && given->residual != NULL && !pvt_array_same(given->residual, given->y))
    status = pvt_copy(given->residual, given->y);
  char *scratch = given->scratch;
  if (kernel->converted > 0) {
    run.converted = scratch;
    scratch += kernel->converted * (size_t)images;
  }
  run.slots = (pvb_slots){.memory = scratch, .size = kernel->slot};
  pvb_team *team = given->team;
  if (team != NULL && team->threads > kernel->threads)
    team = NULL; /* there are not so many slots */
  if (status == PVT_OK && kernel->recipe.dtype == DNNL_S8)
    status = pvb_onednn_scale(given->x, &run.scale);
  if (status == PVT_OK && kernel->converted > 0)
    status = pvb_spread(team, (int)images, convert_part, &run);
  if (status == PVT_OK) status = pvb_spread(team, (int)(images * kernel->chunks), run_part, &run);
  pvt_array_release(&copy);
  return status;
}

static void release(pvb_kernel *base) {
  conv_kernel *kernel = (conv_kernel *)base;
  pvb_step_release(&kernel->convert);
  for (int i = 0; i < SIZES; i++) {
    pvb_step_release(&kernel->parts[i].before);
    pvb_step_release(&kernel->parts[i].main);
    pvb_step_release(&kernel->parts[i].after);
  }
  pvt_buffer_release(kernel->scales);
  pvt_buffer_release(kernel->memory);
  pvt_buffer_release(kernel->packed.memory);
  free(kernel->weights);
  free(kernel);
}

/* How many images a primitive takes, and how its channels are cut. */
static int64_t cut(conv_kernel *kernel, double seconds) {
  const pvb_conv *conv = &kernel->packed.work.conv;
  int threads = kernel->threads;
  double image = seconds / (double)conv->n;
  kernel->images = conv->n;
  kernel->chunks = 1;
  if (seconds < PVB_ONEDNN_PART && (threads == 1 || seconds < 1e-4)) return conv->out;
  kernel->images = 1;
  int64_t blocks = (conv->out + PVB_BLOCK - 1) / PVB_BLOCK;
  int64_t wanted = (int64_t)(image / PVB_ONEDNN_PART) + 1;
  if (wanted * conv->n < threads) wanted = (threads + conv->n - 1) / conv->n;
  if (conv->groups > 1 || wanted <= 1) return conv->out;
  /* four blocks at least: fewer do not fill the registers */
  int64_t each = (blocks + wanted - 1) / wanted;
  each = each < 4 ? 4 : each;
  int64_t channels = each * PVB_BLOCK < conv->out ? each * PVB_BLOCK : conv->out;
  kernel->chunks = (conv->out + channels - 1) / channels;
  return channels;
}

int pvb_onednn_conv_prepare(const pvb_work *work, const pvb_recipe *recipe, double seconds,
                            pvb_kernel **made) {
  pvb_packed *packed;
  int status = pvb_packed_new(sizeof(conv_kernel), work, 0, run_conv, &packed);
  if (status != PVT_OK) return status;
  conv_kernel *kernel = (conv_kernel *)packed;
  packed->kernel.release = release;
  packed->work.conv = pvb_conv_narrowed(&work->conv); /* its kernels go along rows */
  kernel->recipe = *recipe;
  kernel->threads = work->threads < 1 ? 1 : work->threads > 64 ? 64 : work->threads;
  int64_t channels = cut(kernel, seconds), rest = work->conv.out % channels;
  int before = pvb_dnnl_enter();
  status = prepare_conversion(kernel);
  if (status == PVT_OK) status = prepare_part(kernel, &kernel->parts[WHOLE], channels);
  if (status == PVT_OK && rest > 0) status = prepare_part(kernel, &kernel->parts[LAST], rest);
  if (status == PVT_OK) status = pack(kernel);
  pvb_dnnl_leave(before);
  size_t slot = kernel->convert.scratch;
  for (int i = 0; i < SIZES; i++) {
    const part *part = &kernel->parts[i];
    size_t steps[] = {part->before.scratch, part->main.scratch, part->after.scratch};
    for (int j = 0; j < 3; j++)
      if (part->written + steps[j] > slot) slot = part->written + steps[j];
  }
  kernel->slot = (slot + 63) / 64 * 64;
  packed->kernel.scratch = kernel->converted * (size_t)(work->conv.n / kernel->images) +
                           kernel->slot * (size_t)kernel->threads;
  packed->work.weights = packed->work.bias = NULL;
  if (status != PVT_OK) release(&packed->kernel);
  else *made = &packed->kernel;
  return status;
}

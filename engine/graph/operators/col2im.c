/* col2im.c - Col2Im: blocks that slid over an image, added up where they were. */
#include <string.h>

#include "context.h"
#include "image_operators.h"

/* What attributes and inputs say of each dimension. */
typedef struct sliding {
  int dims;
  int64_t image[PVT_MAX_DIMS], block[PVT_MAX_DIMS], stride[PVT_MAX_DIMS], dilation[PVT_MAX_DIMS];
  int64_t before[PVT_MAX_DIMS], steps[PVT_MAX_DIMS];
} sliding;

int pvg_col2im_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  int64_t image[PVT_MAX_DIMS], block[PVT_MAX_DIMS];
  int dims = pvg_known_ints(infer, 1, image), blocks = pvg_known_ints(infer, 2, block);
  pvg_infer_is(infer, 0, x->dtype, -1, NULL);
  if (dims < 1 || blocks != dims || !x->ranked || x->ndim != 3 || dims > PVT_MAX_DIMS - 2)
    return PVT_OK;
  int64_t all = 1;
  for (int i = 0; i < dims; i++) {
    if (image[i] < 0 || block[i] < 1 || block[i] > INT32_MAX ||
        __builtin_mul_overflow(all, block[i], &all))
      return pvt_fail(PVT_E_VALUE, "Col2Im: image_shape or block_shape is out of range");
  }
  pvg_size size[PVT_MAX_DIMS] = {x->size[0]};
  size[1] = PVG_IS_SYMBOL(x->size[1]) ? pvg_symbol(infer) : x->size[1] / all;
  for (int i = 0; i < dims; i++) size[i + 2] = image[i];
  pvg_infer_is(infer, 0, x->dtype, dims + 2, size);
  return PVT_OK;
}

static int read_sliding(pvg_call *call, sliding *s) {
  const pvg_node *node = call->node;
  int dims = pvg_some_ints("Col2Im: image_shape", call->inputs[1], s->image);
  int blocks = pvg_some_ints("Col2Im: block_shape", call->inputs[2], s->block);
  if (dims < 0 || blocks < 0) return dims < 0 ? dims : blocks;
  int strides_count, dilations_count, pads_count;
  const int64_t *strides = pvg_ints(node, "strides", &strides_count);
  const int64_t *dilations = pvg_ints(node, "dilations", &dilations_count);
  const int64_t *pads = pvg_ints(node, "pads", &pads_count);
  if (dims < 1 || blocks != dims || dims > PVT_MAX_DIMS - 2 ||
      (strides_count != 0 && strides_count != dims) ||
      (dilations_count != 0 && dilations_count != dims) ||
      (pads_count != 0 && pads_count != 2 * dims))
    return pvt_fail(PVT_E_SHAPE, "Col2Im: shapes and attributes are for different dimensions");
  s->dims = dims;
  for (int i = 0; i < dims; i++) {
    s->stride[i] = strides_count != 0 ? strides[i] : 1;
    s->dilation[i] = dilations_count != 0 ? dilations[i] : 1;
    s->before[i] = pads_count != 0 ? pads[i] : 0;
    int64_t after = pads_count != 0 ? pads[i + dims] : 0, reach;
    const int64_t most = INT32_MAX;
    if (s->image[i] < 0 || s->block[i] < 1 || s->stride[i] < 1 || s->dilation[i] < 1 ||
        s->image[i] > most || s->block[i] > most || s->stride[i] > most || s->dilation[i] > most ||
        s->before[i] < 0 || after < 0 || s->before[i] > most || after > most)
      return pvt_fail(PVT_E_VALUE, "Col2Im: sizes are out of range");
    reach = (s->block[i] - 1) * s->dilation[i] + 1;
    int64_t room = s->image[i] + s->before[i] + after;
    s->steps[i] = room < reach ? 0 : (room - reach) / s->stride[i] + 1;
  }
  return PVT_OK;
}

/* Rows of the innermost dimension are added; the others are counted through. */
#define ADD(T, name)                                                                               \
  static void name(const sliding *s, const int64_t *offset, const T *from, T *to) {                \
    int last = s->dims - 1;                                                                        \
    int64_t step[PVT_MAX_DIMS] = {0}, rows = pvg_product_of(s->steps, 0, last);                    \
    for (int64_t row = 0; row < rows; row++, from += s->steps[last]) {                             \
      int64_t at = 0;                                                                              \
      bool inside = true;                                                                          \
      for (int d = 0; d < last; d++) {                                                             \
        int64_t place = step[d] * s->stride[d] + offset[d];                                        \
        inside = inside && place >= 0 && place < s->image[d];                                      \
        at = at * s->image[d] + place;                                                             \
      }                                                                                            \
      for (int64_t i = 0; i < s->steps[last] && inside; i++) {                                     \
        int64_t place = i * s->stride[last] + offset[last];                                        \
        if (place >= 0 && place < s->image[last]) to[at * s->image[last] + place] += from[i];      \
      }                                                                                            \
      for (int d = last - 1; d >= 0 && ++step[d] == s->steps[d]; d--) step[d] = 0;                 \
    }                                                                                              \
  }
ADD(float, add_f32)
ADD(double, add_f64)
ADD(uint64_t, add_u64)

int pvg_col2im_run(pvg_call *call) {
  const pvt_array *x = call->inputs[0];
  sliding s;
  int status = read_sliding(call, &s);
  if (status != PVT_OK) return status;
  int64_t block = 1, steps = 1, image = 1;
  bool fits = x->ndim == 3;
  for (int i = 0; i < s.dims && fits; i++)
    fits = !__builtin_mul_overflow(block, s.block[i], &block) &&
           !__builtin_mul_overflow(steps, s.steps[i], &steps) &&
           !__builtin_mul_overflow(image, s.image[i], &image);
  if (!fits || x->dim[1].size % block != 0 || x->dim[2].size != steps)
    return pvt_fail(PVT_E_SHAPE, "Col2Im: x does not have the blocks that the shapes give");
  int64_t shape[PVT_MAX_DIMS] = {x->dim[0].size, x->dim[1].size / block};
  memcpy(shape + 2, s.image, (size_t)s.dims * sizeof *shape);
  pvt_kind kind = pvt_dtype_kind((pvt_dtype)x->dtype);
  if (kind == PVT_KIND_COMPLEX)
    return pvt_fail(PVT_E_DTYPE, "Col2Im: complex images are not supported");
  pvt_dtype type = kind == PVT_KIND_FLOAT ? pvg_real(x) : PVT_UINT64; /* integers wrap */
  pvg_result y;
  status = pvg_result_begin(call, &y, 0, (pvt_dtype)x->dtype, type, s.dims + 2, shape);
  if (status != PVT_OK) return status;
  const char *from = pvg_dense(call, x, type);
  if (from == NULL) return pvt_error_status();
  size_t size = pvt_itemsize(type);
  memset(y.data, 0, (size_t)(shape[0] * shape[1] * image) * size);
  for (int64_t i = 0; i < shape[0] * shape[1]; i++) {
    char *to = (char *)y.data + (size_t)(i * image) * size;
    for (int64_t b = 0; b < block; b++, from += (size_t)steps * size) {
      int64_t offset[PVT_MAX_DIMS], rest = b;
      for (int d = s.dims - 1; d >= 0; d--) {
        offset[d] = rest % s.block[d] * s.dilation[d] - s.before[d];
        rest /= s.block[d];
      }
      if (type == PVT_FLOAT32) add_f32(&s, offset, (const float *)from, (float *)to);
      else if (type == PVT_FLOAT64) add_f64(&s, offset, (const double *)from, (double *)to);
      else add_u64(&s, offset, (const uint64_t *)from, (uint64_t *)to);
      if ((status = pvt_poll()) != PVT_OK) return status;
    }
  }
  return pvg_result_end(&y);
}

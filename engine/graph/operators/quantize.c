/* quantize.c - QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear. */
#include <math.h>

#include "context.h"
#include "quantised_operators.h"

int pvg_scales_of(pvg_call *call, const pvt_array *x, const pvt_array *scale, const pvt_array *zero,
                  int64_t axis, int64_t block, pvg_scales *scales) {
  int64_t shape[PVT_MAX_DIMS], count = pvt_array_count(scale);
  int ndim = pvg_sizes_of(x, shape);
  const char *type = call->node->type;
  scales->block = scales->blocks = 0;
  if (block > INT32_MAX) return pvt_fail(PVT_E_VALUE, "%s: block_size is out of range", type);
  if (block > 0) {
    int at = pvg_axis(axis, ndim);
    if (at < 0) return at;
    scales->outer = pvg_product_of(shape, 0, at);
    scales->axis = shape[at];
    scales->inner = pvg_product_of(shape, at + 1, ndim);
    scales->block = block;
    scales->blocks = scale->ndim == ndim ? scale->dim[at].size : -1;
    for (int i = 0; i < ndim && scales->blocks >= 0; i++)
      if (i != at && scale->dim[i].size != shape[i]) scales->blocks = -1;
    if (scales->blocks < 0 || (shape[at] + block - 1) / block != scales->blocks)
      return pvt_fail(PVT_E_SHAPE, "%s: the scale's shape is not that of x in blocks of %lld", type,
                      (long long)block);
  } else if (count == 1) {
    scales->outer = scales->axis = 1;
    scales->inner = pvt_array_count(x);
  } else {
    int at = pvg_axis(axis, ndim);
    if (at < 0) return at;
    scales->outer = pvg_product_of(shape, 0, at);
    scales->axis = shape[at];
    scales->inner = pvg_product_of(shape, at + 1, ndim);
    if (count != shape[at])
      return pvt_fail(PVT_E_SHAPE, "%s: %lld scales for an axis of %lld elements", type,
                      (long long)count, (long long)shape[at]);
  }
  if (zero != NULL && pvt_array_count(zero) != count)
    return pvt_fail(PVT_E_SHAPE, "%s: the zero point's shape is not the scale's", type);
  scales->scale = pvg_dense(call, scale, PVT_FLOAT32);
  scales->zero = zero != NULL ? pvg_dense(call, zero, PVT_INT32) : NULL;
  return scales->scale == NULL || (zero != NULL && scales->zero == NULL) ? pvt_error_status()
                                                                         : PVT_OK;
}

/* Clamped before it is rounded, which is the same as after: the bounds are whole. NaN gives the
** lower bound. Only the calls that follow meet int32, whose bounds a float cannot say exactly. */
#define QUANTISE(T, name, LOW, HIGH)                                                               \
  static inline T name##_one(float x, float scale, int32_t zero) {                                 \
    float q = x / scale, low = (float)(LOW) - zero, high = (float)(HIGH) - zero;                   \
    q = q > low ? q : low;                                                                         \
    q = q < high ? q : high;                                                                       \
    return (T)((int32_t)lrintf(q) + zero);                                                         \
  }                                                                                                \
  static void name(const float *from, void *out, int64_t n, const float *scale,                    \
                   const int32_t *zero, bool each) {                                               \
    T *to = out;                                                                                   \
    if (each) {                                                                                    \
      for (int64_t i = 0; i < n; i++)                                                              \
        to[i] = name##_one(from[i], scale[i], zero != NULL ? zero[i] : 0);                         \
    } else {                                                                                       \
      float by = *scale;                                                                           \
      int32_t plus = zero != NULL ? *zero : 0;                                                     \
      for (int64_t i = 0; i < n; i++) to[i] = name##_one(from[i], by, plus);                       \
    }                                                                                              \
  }                                                                                                \
  static void de##name(const void *in, float *to, int64_t n, const float *scale,                   \
                       const int32_t *zero, bool each) {                                           \
    const T *from = in;                                                                            \
    if (each) {                                                                                    \
      for (int64_t i = 0; i < n; i++)                                                              \
        to[i] = (float)(from[i] - (zero != NULL ? zero[i] : 0)) * scale[i];                        \
    } else {                                                                                       \
      float by = *scale;                                                                           \
      int32_t less = zero != NULL ? *zero : 0;                                                     \
      for (int64_t i = 0; i < n; i++) to[i] = (float)(from[i] - less) * by;                        \
    }                                                                                              \
  }
QUANTISE(int8_t, quantise_i8, -128, 127)
QUANTISE(uint8_t, quantise_u8, 0, 255)
QUANTISE(int16_t, quantise_i16, -32768, 32767)
QUANTISE(uint16_t, quantise_u16, 0, 65535)

/* int32 is only read. */
static void dequantise_i32(const void *in, float *to, int64_t n, const float *scale,
                           const int32_t *zero, bool each) {
  const int32_t *from = in;
  for (int64_t i = 0; i < n; i++) {
    int64_t j = each ? i : 0;
    to[i] = (float)((int64_t)from[i] - (zero != NULL ? zero[j] : 0)) * scale[j];
  }
}

typedef void quantiser(const float *from, void *to, int64_t n, const float *scale,
                       const int32_t *zero, bool each);
typedef void dequantiser(const void *from, float *to, int64_t n, const float *scale,
                         const int32_t *zero, bool each);

/* Run by run: runs of elements that share a scale, or that have one each. */
#define RUNS(scales, STEP)                                                                         \
  do {                                                                                             \
    const pvg_scales *s_ = (scales);                                                               \
    int64_t done_ = 0;                                                                             \
    for (int64_t o = 0; o < s_->outer; o++) {                                                      \
      for (int64_t a = 0; a < s_->axis; a++) {                                                     \
        int64_t at = (o * s_->axis + a) * s_->inner;                                               \
        int64_t k = s_->block > 0 ? (o * s_->blocks + a / s_->block) * s_->inner : a;              \
        for (int64_t i = 0; i < s_->inner; i += PVT_TILE) {                                        \
          int64_t n = s_->inner - i < PVT_TILE ? s_->inner - i : PVT_TILE;                         \
          int64_t j = s_->block > 0 ? k + i : k;                                                   \
          STEP;                                                                                    \
          if ((done_ += n) < PVT_TILE) continue;                                                   \
          done_ = 0;                                                                               \
          int status = pvt_poll();                                                                 \
          if (status != PVT_OK) return status;                                                     \
        }                                                                                          \
      }                                                                                            \
    }                                                                                              \
  } while (0)

int pvg_quantise(const pvg_scales *scales, const float *from, pvt_dtype dtype, void *to) {
  quantiser *run;
  switch (dtype) {
  case PVT_INT8: run = quantise_i8; break;
  case PVT_UINT8: run = quantise_u8; break;
  case PVT_INT16: run = quantise_i16; break;
  case PVT_UINT16: run = quantise_u16; break;
  default: return pvt_fail(PVT_E_DTYPE, "quantising to %s is not supported", pvt_dtype_name(dtype));
  }
  size_t size = pvt_itemsize(dtype);
  RUNS(scales, run(from + at + i, (char *)to + (size_t)(at + i) * size, n, scales->scale + j,
                   scales->zero != NULL ? scales->zero + j : NULL, scales->block > 0));
  return PVT_OK;
}

int pvg_dequantise(const pvg_scales *scales, pvt_dtype dtype, const void *from, float *to) {
  dequantiser *run;
  switch (dtype) {
  case PVT_INT8: run = dequantise_i8; break;
  case PVT_UINT8: run = dequantise_u8; break;
  case PVT_INT16: run = dequantise_i16; break;
  case PVT_UINT16: run = dequantise_u16; break;
  case PVT_INT32: run = dequantise_i32; break;
  default: return pvt_fail(PVT_E_DTYPE, "dequantising %s is not supported", pvt_dtype_name(dtype));
  }
  size_t size = pvt_itemsize(dtype);
  RUNS(scales, run((const char *)from + (size_t)(at + i) * size, to + at + i, n, scales->scale + j,
                   scales->zero != NULL ? scales->zero + j : NULL, scales->block > 0));
  return PVT_OK;
}

/* ---- The operators ---------------------------------------------------------- */

int pvg_quantise_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_quantise_state *state = memory;
  state->axis = pvg_int(prepare->node, "axis", 1);
  state->block = pvg_int(prepare->node, "block_size", 0);
  state->dtype = pvg_dtype_attribute(prepare->node, "output_dtype", -1);
  return state->dtype < -1 ? state->dtype : PVT_OK;
}

int pvg_quantise_infer(pvg_infer *infer) {
  const pvg_info *x = PVG_INPUT(infer, 0), *zero = PVG_INPUT(infer, 2);
  int dtype = pvg_dtype_attribute(infer->node, "output_dtype", PVT_UINT8);
  if (zero != NULL) dtype = zero->dtype;
  if (dtype < -1) return dtype;
  pvg_infer_is(infer, 0, dtype, x->ranked ? x->ndim : -1, x->size);
  return PVT_OK;
}

int pvg_dequantise_infer(pvg_infer *infer) {
  const pvg_info *x = PVG_INPUT(infer, 0), *scale = PVG_INPUT(infer, 1);
  int dtype = pvg_dtype_attribute(infer->node, "output_dtype", scale->dtype);
  if (dtype < -1) return dtype;
  pvg_infer_is(infer, 0, dtype, x->ranked ? x->ndim : -1, x->size);
  return PVT_OK;
}

int pvg_dynamic_quantise_infer(pvg_infer *infer) {
  pvg_infer_copy(infer, 0, 0);
  if (infer->output_count > 0) infer->outputs[0].dtype = PVT_UINT8;
  pvg_infer_is(infer, 1, PVT_FLOAT32, 0, NULL);
  pvg_infer_is(infer, 2, PVT_UINT8, 0, NULL);
  return PVT_OK;
}

int pvg_quantise_run(pvg_call *call) {
  const pvg_quantise_state *state = call->state;
  const pvt_array *x = call->inputs[0], *zero = PVG_INPUT(call, 2);
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  pvt_dtype dtype = zero != NULL        ? (pvt_dtype)zero->dtype
                    : state->dtype >= 0 ? (pvt_dtype)state->dtype
                                        : PVT_UINT8;
  pvt_array *y = pvg_output(call, 0, dtype, ndim, shape);
  if (y == NULL) return pvt_error_status();
  pvg_scales scales;
  int status = pvg_scales_of(call, x, call->inputs[1], zero, state->axis, state->block, &scales);
  if (status != PVT_OK) return status;
  const float *from = pvg_dense(call, x, PVT_FLOAT32);
  return from == NULL ? pvt_error_status() : pvg_quantise(&scales, from, dtype, y->data);
}

int pvg_dequantise_run(pvg_call *call) {
  const pvg_quantise_state *state = call->state;
  const pvt_array *x = call->inputs[0], *scale = call->inputs[1];
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  pvt_dtype dtype = state->dtype >= 0 ? (pvt_dtype)state->dtype : (pvt_dtype)scale->dtype;
  pvg_result y;
  int status = pvg_result_begin(call, &y, 0, dtype, PVT_FLOAT32, ndim, shape);
  if (status != PVT_OK) return status;
  pvg_scales scales;
  status = pvg_scales_of(call, x, scale, PVG_INPUT(call, 2), state->axis, state->block, &scales);
  if (status != PVT_OK) return status;
  const void *from = pvg_dense(call, x, (pvt_dtype)x->dtype);
  if (from == NULL) return pvt_error_status();
  status = pvg_dequantise(&scales, (pvt_dtype)x->dtype, from, y.data);
  return status == PVT_OK ? pvg_result_end(&y) : status;
}

void pvg_dynamic_quantise(const float *x, int64_t count, uint8_t *y, float *scale, uint8_t *zero) {
  float low = 0, high = 0;
  for (int64_t i = 0; i < count; i++) low = x[i] < low ? x[i] : low;
  for (int64_t i = 0; i < count; i++) high = x[i] > high ? x[i] : high;
  float by = (high - low) / 255;
  if (by == 0) by = 1; /* all are 0 */
  float at = rintf(-low / by);
  int32_t plus = at < 0 ? 0 : at > 255 ? 255 : (int32_t)at;
  *scale = by;
  *zero = (uint8_t)plus;
  quantise_u8(x, y, count, &by, &plus, false);
}

int pvg_dynamic_quantise_run(pvg_call *call) {
  const pvt_array *x = call->inputs[0];
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  pvg_result y, scale, zero;
  int status = pvg_result_begin(call, &y, 0, PVT_UINT8, PVT_UINT8, ndim, shape);
  if (status == PVT_OK)
    status = pvg_result_begin(call, &scale, 1, PVT_FLOAT32, PVT_FLOAT32, 0, NULL);
  if (status == PVT_OK) status = pvg_result_begin(call, &zero, 2, PVT_UINT8, PVT_UINT8, 0, NULL);
  if (status != PVT_OK) return status;
  const float *from = pvg_dense(call, x, PVT_FLOAT32);
  if (from == NULL) return pvt_error_status();
  pvg_dynamic_quantise(from, pvt_array_count(x), y.data, scale.data, zero.data);
  return PVT_OK;
}

/* ---- For those that compute in float32 between two quantised ends ------------ */

const float *pvg_dequantised(pvg_call *call, const pvt_array *x, const pvt_array *scale,
                             const pvt_array *zero) {
  pvg_scales scales;
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  pvt_array to;
  if (pvg_scales_of(call, x, scale, zero, 1, 0, &scales) != PVT_OK ||
      pvg_scratch_array(call, &to, PVT_FLOAT32, ndim, shape) != PVT_OK)
    return NULL;
  const void *from = pvg_dense(call, x, (pvt_dtype)x->dtype);
  if (from == NULL) return NULL;
  float *data = (float *)to.data;
  return pvg_dequantise(&scales, (pvt_dtype)x->dtype, from, data) == PVT_OK ? data : NULL;
}

int pvg_give_quantised(pvg_call *call, int i, const float *from, int ndim, const int64_t *shape,
                       const pvt_array *scale, const pvt_array *zero) {
  pvt_dtype dtype = zero != NULL ? (pvt_dtype)zero->dtype : PVT_UINT8;
  pvt_array *y = pvg_output(call, i, dtype, ndim, shape);
  if (y == NULL) return pvt_error_status();
  pvg_scales scales;
  int status = pvg_scales_of(call, y, scale, zero, 1, 0, &scales);
  return status == PVT_OK ? pvg_quantise(&scales, from, dtype, y->data) : status;
}

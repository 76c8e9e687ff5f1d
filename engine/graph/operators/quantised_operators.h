/* quantised_operators.h - integers that stand for floats: what the files of the family share. */
#ifndef PVG_QUANTISED_OPERATORS_H
#define PVG_QUANTISED_OPERATORS_H

#include "window.h"

/* Where the scale and the zero point of an element are: real = (integer - zero) * scale. Elements
** are [outer, axis, inner]; there is one scale for all, one for each of the axis, or one for each
** block of the axis at every place of outer and inner. */
typedef struct pvg_scales {
  int64_t outer, axis, inner;
  int64_t block, blocks; /* of the axis; 0: not blocked */
  const float *scale;
  const int32_t *zero; /* NULL: 0 */
} pvg_scales;

/* Scales of an array of that shape: `scale` and `zero` (NULL) are scalars, vectors along the axis,
** or blocked by `block` along it. PVT_E_SHAPE. */
int pvg_scales_of(pvg_call *call, const pvt_array *x, const pvt_array *scale, const pvt_array *zero,
                  int64_t axis, int64_t block, pvg_scales *scales);
/* `from` in C order, float32; to: int8, uint8, int16, uint16 or int32 elements in C order. */
int pvg_quantise(const pvg_scales *scales, const float *from, pvt_dtype dtype, void *to);
/* The reverse. */
int pvg_dequantise(const pvg_scales *scales, pvt_dtype dtype, const void *from, float *to);

/* An input with one scale, or one for each of axis 1 (or `axis`), as float32 in C order. NULL after
** pvt_fail. zero may be NULL. */
const float *pvg_dequantised(pvg_call *call, const pvt_array *x, const pvt_array *scale,
                             const pvt_array *zero);
/* Output i: float32 elements, quantised by a scale and a zero point. */
int pvg_give_quantised(pvg_call *call, int i, const float *from, int ndim, const int64_t *shape,
                       const pvt_array *scale, const pvt_array *zero);

/* (a - a's zero) times (b - b's zero), in int32, in scratch memory. a is [..., m, k], b [..., k, n];
** zeros are NULL, scalars, or vectors (a's: for each row, b's: for each column). */
int pvg_integer_product(pvg_call *call, const pvt_array *a, const pvt_array *a_zero,
                        const pvt_array *b, const pvt_array *b_zero, pvt_array *out);
/* x less its zero point as int32 in C order, in scratch memory. Vectors of zeros go along the
** axis. */
int pvg_without_zero(pvg_call *call, const pvt_array *x, const pvt_array *zero, int axis,
                     pvt_array *out);
/* a uint8 [count], scale and zero point as DynamicQuantizeLinear gives them. */
void pvg_dynamic_quantise(const float *x, int64_t count, uint8_t *y, float *scale, uint8_t *zero);

typedef struct pvg_quantise_state {
  int64_t axis, block;
  int dtype; /* of the result; -1: as the zero point, or the scale, says */
} pvg_quantise_state;
typedef struct pvg_integer_conv_state {
  pvg_window window;
  int64_t groups;
} pvg_integer_conv_state;
typedef struct pvg_integer_gemm_state {
  float alpha;
  bool a_transposed, b_transposed, a_batch_transposed, b_batch_transposed;
} pvg_integer_gemm_state;
typedef struct pvg_bits_state {
  int64_t k, n, bits, block;
} pvg_bits_state;
typedef struct pvg_qlinear_state {
  double alpha;
  int64_t axis;
  bool channels_last;
} pvg_qlinear_state;

/* quantize.c */
int pvg_quantise_prepare(const pvg_prepare *prepare, void *state);
int pvg_quantise_infer(pvg_infer *infer);
int pvg_dequantise_infer(pvg_infer *infer);
int pvg_dynamic_quantise_infer(pvg_infer *infer);
int pvg_quantise_run(pvg_call *call);
int pvg_dequantise_run(pvg_call *call);
int pvg_dynamic_quantise_run(pvg_call *call);
/* integer_product.c */
int pvg_integer_product_infer(pvg_infer *infer);
int pvg_matmul_integer_run(pvg_call *call);
int pvg_qlinear_matmul_run(pvg_call *call);
int pvg_dynamic_matmul_run(pvg_call *call);
int pvg_matmul_to_float_run(pvg_call *call);
/* integer_gemm.c */
int pvg_integer_gemm_prepare(const pvg_prepare *prepare, void *state);
int pvg_qgemm_run(pvg_call *call);
int pvg_qgemm_infer(pvg_infer *infer);
int pvg_fused_matmul_infer(pvg_infer *infer);
int pvg_fused_matmul_run(pvg_call *call);
int pvg_bits_prepare(const pvg_prepare *prepare, void *state);
int pvg_bits_infer(pvg_infer *infer);
int pvg_bits_run(pvg_call *call);
/* integer_conv.c */
int pvg_integer_conv_prepare(const pvg_prepare *prepare, void *state);
int pvg_integer_conv_infer(pvg_infer *infer);
int pvg_conv_integer_run(pvg_call *call);
int pvg_qlinear_conv_run(pvg_call *call);
/* qlinear.c */
int pvg_qlinear_prepare(const pvg_prepare *prepare, void *state);
int pvg_qlinear_binary_infer(pvg_infer *infer);
int pvg_qlinear_unary_infer(pvg_infer *infer);
int pvg_qlinear_pool_infer(pvg_infer *infer);
int pvg_qlinear_concat_infer(pvg_infer *infer);
int pvg_qlinear_binary_run(pvg_call *call);
int pvg_qlinear_unary_run(pvg_call *call);
int pvg_qlinear_concat_run(pvg_call *call);
int pvg_qlinear_global_pool_run(pvg_call *call);

#endif

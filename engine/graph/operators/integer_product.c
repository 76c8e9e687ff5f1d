/* integer_product.c - products of quantised matrices. */
#include <math.h>
#include <string.h>

#include "context.h"
#include "quantised_operators.h"

/* A vector becomes a matrix of one row (a) or one column (b). */
static void as_matrix(const pvt_array *x, bool row, pvt_array *view) {
  pvg_look(view, x);
  if (x->ndim == 1) pvt_view_insert(view, row ? 0 : 1);
}

int pvg_without_zero(pvg_call *call, const pvt_array *x, const pvt_array *zero, int axis,
                     pvt_array *out) {
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  int status = pvg_scratch_array(call, out, PVT_INT32, ndim, shape);
  if (status == PVT_OK) status = pvt_copy(x, out);
  if (status != PVT_OK || zero == NULL) return status;
  pvt_array less;
  pvg_look(&less, zero);
  if (pvt_array_count(zero) == 1) {
    less.ndim = 0;
  } else if (zero->ndim == 1) {
    for (int i = axis + 1; i < ndim && status == PVT_OK; i++)
      status = pvt_view_insert(&less, less.ndim);
  }
  return status == PVT_OK ? pvt_binary(PVT_SUBTRACT, out, &less, out) : status;
}

/* The product's shape, as matrices: batch dimensions, m, n. */
static int product_shape(pvg_call *call, const pvt_array *a, const pvt_array *b,
                         int64_t shape[PVT_MAX_DIMS]) {
  if (a->ndim < 2 || b->ndim < 2 || a->dim[a->ndim - 1].size != b->dim[b->ndim - 2].size) {
    char left[PVT_SHAPE_TEXT], right[PVT_SHAPE_TEXT];
    return pvt_fail(PVT_E_SHAPE, "%s: shapes %s and %s do not fit", call->node->type,
                    pvt_shape_text(a, left), pvt_shape_text(b, right));
  }
  pvt_array head_a, head_b;
  pvg_look(&head_a, a);
  pvg_look(&head_b, b);
  head_a.ndim -= 2;
  head_b.ndim -= 2;
  int ndim, status = pvt_broadcast_shapes(&head_a, &head_b, &ndim, shape);
  if (status != PVT_OK) return status;
  shape[ndim] = a->dim[a->ndim - 2].size;
  shape[ndim + 1] = b->dim[b->ndim - 1].size;
  return ndim + 2;
}

int pvg_integer_product(pvg_call *call, const pvt_array *a, const pvt_array *a_zero,
                        const pvt_array *b, const pvt_array *b_zero, pvt_array *out) {
  pvt_array left, right, a_view, b_view;
  as_matrix(a, true, &a_view);
  as_matrix(b, false, &b_view);
  int64_t shape[PVT_MAX_DIMS];
  int ndim = product_shape(call, &a_view, &b_view, shape);
  if (ndim < 0) return ndim;
  int status = pvg_without_zero(call, &a_view, a_zero, a_view.ndim - 2, &left);
  if (status == PVT_OK) status = pvg_without_zero(call, &b_view, b_zero, b_view.ndim - 1, &right);
  if (status == PVT_OK) status = pvg_scratch_array(call, out, PVT_INT32, ndim, shape);
  return status == PVT_OK ? pvt_matmul(&left, &right, out) : status;
}

/* The output's shape: without the dimensions that vectors got. */
static int final_shape(const pvt_array *a, const pvt_array *b, const pvt_array *product,
                       int64_t shape[PVT_MAX_DIMS]) {
  int ndim = 0;
  for (int i = 0; i < product->ndim; i++) {
    if (i == product->ndim - 2 && a->ndim == 1) continue;
    if (i == product->ndim - 1 && b->ndim == 1) continue;
    shape[ndim++] = product->dim[i].size;
  }
  return ndim;
}

static int infer_product(pvg_infer *infer, const pvg_info *a, const pvg_info *b, int dtype) {
  pvg_infer_is(infer, 0, dtype, -1, NULL);
  if (a == NULL || b == NULL || !a->ranked || !b->ranked || a->ndim == 0 || b->ndim == 0)
    return PVT_OK;
  pvg_info left = *a, right = *b, out = {.dtype = dtype};
  left.ndim = a->ndim >= 2 ? a->ndim - 2 : 0;
  right.ndim = b->ndim >= 2 ? b->ndim - 2 : 0;
  left.constant = right.constant = NULL;
  int status = pvg_infer_broadcast(infer, &left, &right, &out);
  if (status != PVT_OK || !out.ranked) return status;
  int ndim = out.ndim;
  if (a->ndim >= 2) out.size[ndim++] = a->size[a->ndim - 2];
  if (b->ndim >= 2) out.size[ndim++] = b->size[b->ndim - 1];
  pvg_infer_is(infer, 0, dtype, ndim, out.size);
  return PVT_OK;
}

int pvg_integer_product_infer(pvg_infer *infer) {
  const char *type = infer->node->type;
  if (strcmp(type, "QLinearMatMul") == 0) {
    const pvg_info *zero = PVG_INPUT(infer, 7);
    return infer_product(infer, infer->inputs[0], infer->inputs[3],
                         zero != NULL ? zero->dtype : PVT_UINT8);
  }
  return infer_product(infer, infer->inputs[0], infer->inputs[1],
                       strcmp(type, "MatMulInteger") == 0 ? PVT_INT32 : PVT_FLOAT32);
}

int pvg_matmul_integer_run(pvg_call *call) {
  const pvt_array *a = call->inputs[0], *b = call->inputs[1];
  pvt_array product, view;
  int status = pvg_integer_product(call, a, PVG_INPUT(call, 2), b, PVG_INPUT(call, 3), &product);
  if (status != PVT_OK) return status;
  int64_t shape[PVT_MAX_DIMS];
  int ndim = final_shape(a, b, &product, shape);
  pvt_array *y = pvg_output(call, 0, PVT_INT32, ndim, shape);
  if (y == NULL) return pvt_error_status();
  pvt_array_over(&view, product.data, PVT_INT32, ndim, shape);
  return pvt_copy(&view, y);
}

/* to[..., m, n] = from * (a's scale, for each row or for all) * (b's, for each column or for all),
** all divided by `by`. */
static int scale_product(pvg_call *call, const pvt_array *from, const pvt_array *a_scale,
                         const pvt_array *b_scale, float by, float *to) {
  int ndim = from->ndim;
  int64_t shape[PVT_MAX_DIMS];
  pvg_sizes_of(from, shape);
  int64_t m = shape[ndim - 2], n = shape[ndim - 1], rows = pvg_product_of(shape, 0, ndim - 1);
  pvt_array a_view, b_view;
  int64_t a_count = 1, b_count = 1;
  pvg_look(&b_view, b_scale);
  if (a_scale != NULL) {
    pvg_look(&a_view, a_scale);
    a_count = pvt_array_count(a_scale);
  }
  b_count = pvt_array_count(b_scale);
  if (a_count == 0 || b_count == 0) {
    if (rows == 0 || n == 0) return PVT_OK;
    return pvt_fail(PVT_E_SHAPE, "%s: a scale is missing", call->node->type);
  }
  const float *a = NULL, *b;
  bool by_row = a_count > 1, by_column = b_count > 1;
  if (by_row) { /* [m], or [..., m, 1] */
    if (a_scale->ndim == 1) pvt_view_insert(&a_view, 1);
    int64_t whole[PVT_MAX_DIMS];
    memcpy(whole, shape, (size_t)ndim * sizeof *whole);
    whole[ndim - 1] = 1;
    a = pvg_dense_as(call, &a_view, PVT_FLOAT32, ndim, whole);
  } else if (a_scale != NULL) {
    a = pvg_dense(call, a_scale, PVT_FLOAT32);
  }
  bool stacked = by_column && b_scale->ndim > 1;
  if (stacked) { /* [..., 1, n]: one row for each matrix */
    int64_t whole[PVT_MAX_DIMS];
    memcpy(whole, shape, (size_t)ndim * sizeof *whole);
    whole[ndim - 2] = 1;
    b = pvg_dense_as(call, &b_view, PVT_FLOAT32, ndim, whole);
  } else if (by_column) {
    b = pvg_dense_as(call, &b_view, PVT_FLOAT32, 1, &n);
  } else {
    b = pvg_dense(call, b_scale, PVT_FLOAT32);
  }
  if (b == NULL || (a_scale != NULL && a == NULL)) return pvt_error_status();
  const int32_t *x = (const int32_t *)from->data;
  for (int64_t row = 0; row < rows; row++, x += n, to += n) {
    float row_scale = (by_row ? a[row] : a != NULL ? *a : 1);
    if (by_column) {
      const float *column = stacked ? b + row / m * n : b;
      for (int64_t i = 0; i < n; i++) to[i] = (float)x[i] * (row_scale * column[i] / by);
    } else {
      float scale = row_scale * *b / by;
      for (int64_t i = 0; i < n; i++) to[i] = (float)x[i] * scale;
    }
    if (row % 16 == 0) {
      int status = pvt_poll();
      if (status != PVT_OK) return status;
    }
  }
  return PVT_OK;
}

int pvg_qlinear_matmul_run(pvg_call *call) {
  const pvt_array *a = call->inputs[0], *b = call->inputs[3], *zero = call->inputs[7];
  pvt_array product, real;
  int status = pvg_integer_product(call, a, call->inputs[2], b, call->inputs[5], &product);
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(&product, shape);
  if (status == PVT_OK) status = pvg_scratch_array(call, &real, PVT_FLOAT32, ndim, shape);
  if (status != PVT_OK) return status;
  pvt_array one;
  float unit = 1;
  double scale = 1;
  pvt_array_over(&one, &unit, PVT_FLOAT32, 0, NULL);
  /* The result's scale may be one for each row; otherwise it is part of the products' scale. */
  bool by_row = pvt_array_count(call->inputs[6]) > 1;
  if (!by_row) status = pvg_one_float("QLinearMatMul: y_scale", call->inputs[6], &scale);
  if (status == PVT_OK)
    status = scale_product(call, &product, call->inputs[1], call->inputs[4], (float)scale,
                           (float *)real.data);
  if (status != PVT_OK) return status;
  ndim = final_shape(a, b, &product, shape);
  pvt_array *y = pvg_output(call, 0, (pvt_dtype)zero->dtype, ndim, shape);
  if (y == NULL) return pvt_error_status();
  pvg_scales scales;
  status = pvg_scales_of(call, y, by_row ? call->inputs[6] : &one, zero, ndim - 2, 0, &scales);
  if (status != PVT_OK) return status;
  return pvg_quantise(&scales, (const float *)real.data, (pvt_dtype)zero->dtype, y->data);
}

/* The end of those whose result is float32: scales and a bias. */
static int give_float(pvg_call *call, const pvt_array *a, const pvt_array *b,
                      const pvt_array *product, const pvt_array *a_scale, const pvt_array *b_scale,
                      const pvt_array *bias) {
  int64_t shape[PVT_MAX_DIMS];
  int ndim = final_shape(a, b, product, shape);
  pvt_array *y = pvg_output(call, 0, PVT_FLOAT32, ndim, shape);
  if (y == NULL) return pvt_error_status();
  int status = scale_product(call, product, a_scale, b_scale, 1, (float *)y->data);
  if (status == PVT_OK && bias != NULL) status = pvt_binary(PVT_ADD, y, bias, y);
  return status;
}

/* com.microsoft DynamicQuantizeMatMul: a (float32), b, b's scale, b's zero point, bias. */
int pvg_dynamic_matmul_run(pvg_call *call) {
  const pvt_array *a = call->inputs[0], *b = call->inputs[1];
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(a, shape);
  pvt_array quantised, product, zero, scale;
  float a_scale;
  uint8_t a_zero;
  int status = pvg_scratch_array(call, &quantised, PVT_UINT8, ndim, shape);
  if (status != PVT_OK) return status;
  const float *from = pvg_dense(call, a, PVT_FLOAT32);
  if (from == NULL) return pvt_error_status();
  pvg_dynamic_quantise(from, pvt_array_count(a), (uint8_t *)quantised.data, &a_scale, &a_zero);
  pvt_array_over(&zero, &a_zero, PVT_UINT8, 0, NULL);
  pvt_array_over(&scale, &a_scale, PVT_FLOAT32, 0, NULL);
  status = pvg_integer_product(call, &quantised, &zero, b, PVG_INPUT(call, 3), &product);
  if (status != PVT_OK) return status;
  return give_float(call, a, b, &product, &scale, call->inputs[2], PVG_INPUT(call, 4));
}

/* com.microsoft MatMulIntegerToFloat: a, b, their scales, their zero points, bias. */
int pvg_matmul_to_float_run(pvg_call *call) {
  const pvt_array *a = call->inputs[0], *b = call->inputs[1];
  pvt_array product;
  int status = pvg_integer_product(call, a, PVG_INPUT(call, 4), b, PVG_INPUT(call, 5), &product);
  if (status != PVT_OK) return status;
  return give_float(call, a, b, &product, call->inputs[2], call->inputs[3], PVG_INPUT(call, 6));
}

/* integer_gemm.c - onnxruntime's products: QGemm, FusedMatMul, MatMulNBits. */
#include <string.h>

#include "context.h"
#include "quantised_operators.h"

int pvg_integer_gemm_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_integer_gemm_state *state = memory;
  const pvg_node *node = prepare->node;
  state->alpha = pvg_float(node, "alpha", 1);
  state->a_transposed = pvg_int(node, "transA", 0) != 0;
  state->b_transposed = pvg_int(node, "transB", 0) != 0;
  state->a_batch_transposed = pvg_int(node, "transBatchA", 0) != 0;
  state->b_batch_transposed = pvg_int(node, "transBatchB", 0) != 0;
  return PVT_OK;
}

/* batch: the first dimension goes before the last one; then the last two change places. */
static int transpose(const pvt_array *x, bool batch, bool matrix, pvt_array *view) {
  int axes[PVT_MAX_DIMS], n = x->ndim;
  pvg_look(view, x);
  if (n < 2) return PVT_OK;
  for (int i = 0; i < n; i++) axes[i] = i;
  if (batch) {
    for (int i = 0; i < n - 2; i++) axes[i] = i + 1;
    axes[n - 2] = 0;
  }
  if (matrix) {
    int last = axes[n - 1];
    axes[n - 1] = axes[n - 2];
    axes[n - 2] = last;
  }
  return pvt_view_permute(view, axes);
}

int pvg_qgemm_infer(pvg_infer *infer) {
  const pvg_info *a = PVG_INPUT(infer, 0), *b = PVG_INPUT(infer, 3);
  const pvg_info *zero = PVG_INPUT(infer, 8);
  bool a_t = pvg_int(infer->node, "transA", 0) != 0, b_t = pvg_int(infer->node, "transB", 0) != 0;
  int dtype = PVG_INPUT(infer, 7) == NULL ? PVT_FLOAT32 : zero != NULL ? zero->dtype : PVT_UINT8;
  bool known = a->ranked && b->ranked && a->ndim == 2 && b->ndim == 2;
  pvg_size size[2] = {known ? a->size[a_t ? 1 : 0] : 0, known ? b->size[b_t ? 0 : 1] : 0};
  pvg_infer_is(infer, 0, dtype, known ? 2 : -1, size);
  return PVT_OK;
}

/* a, a's scale and zero, b, b's scale and zero, c (int32), y's scale and zero. */
int pvg_qgemm_run(pvg_call *call) {
  const pvg_integer_gemm_state *state = call->state;
  const pvt_array *c = PVG_INPUT(call, 6), *y_scale = PVG_INPUT(call, 7);
  pvt_array a, b, product;
  int status = transpose(call->inputs[0], false, state->a_transposed, &a);
  if (status == PVT_OK) status = transpose(call->inputs[3], false, state->b_transposed, &b);
  if (status != PVT_OK) return status;
  if (a.ndim != 2 || b.ndim != 2)
    return pvt_fail(PVT_E_SHAPE, "QGemm: a and b should have 2 dimensions");
  status = pvg_integer_product(call, &a, call->inputs[2], &b, PVG_INPUT(call, 5), &product);
  if (status == PVT_OK && c != NULL) status = pvt_binary(PVT_ADD, &product, c, &product);
  if (status != PVT_OK) return status;
  double a_scale;
  status = pvg_one_float("QGemm: a_scale", call->inputs[1], &a_scale);
  int64_t shape[2] = {product.dim[0].size, product.dim[1].size};
  const float *b_scale = pvg_dense_as(call, call->inputs[4], PVT_FLOAT32, 1, &shape[1]);
  if (status != PVT_OK || b_scale == NULL) return pvt_error_status();
  pvt_array real, *y = &real;
  if (y_scale == NULL) y = pvg_output(call, 0, PVT_FLOAT32, 2, shape);
  else status = pvg_scratch_array(call, &real, PVT_FLOAT32, 2, shape);
  if (status != PVT_OK || y == NULL) return pvt_error_status();
  const int32_t *from = (const int32_t *)product.data;
  float *to = (float *)y->data, by = (float)a_scale * state->alpha;
  for (int64_t i = 0; i < shape[0]; i++, from += shape[1], to += shape[1]) {
    for (int64_t j = 0; j < shape[1]; j++) to[j] = (float)from[j] * (by * b_scale[j]);
    if ((status = pvt_poll()) != PVT_OK) return status;
  }
  if (y_scale == NULL) return PVT_OK;
  return pvg_give_quantised(call, 0, (const float *)real.data, 2, shape, y_scale,
                            PVG_INPUT(call, 8));
}

/* ---- FusedMatMul -------------------------------------------------------------- */

int pvg_fused_matmul_infer(pvg_infer *infer) {
  const pvg_info *sides[2] = {PVG_INPUT(infer, 0), PVG_INPUT(infer, 1)};
  pvg_info moved[2], out = {.dtype = sides[0]->dtype};
  static const char *const batch[] = {"transBatchA", "transBatchB"}, *const matrix[] = {"transA",
                                                                                        "transB"};
  pvg_infer_is(infer, 0, sides[0]->dtype, -1, NULL);
  for (int s = 0; s < 2; s++) {
    const pvg_info *from = sides[s];
    if (!from->ranked || from->ndim < 2) return PVT_OK;
    int n = from->ndim;
    moved[s] = *from;
    moved[s].constant = NULL;
    if (pvg_int(infer->node, batch[s], 0) != 0) {
      for (int i = 0; i < n - 2; i++) moved[s].size[i] = from->size[i + 1];
      moved[s].size[n - 2] = from->size[0];
    }
    if (pvg_int(infer->node, matrix[s], 0) != 0) {
      pvg_size last = moved[s].size[n - 1];
      moved[s].size[n - 1] = moved[s].size[n - 2];
      moved[s].size[n - 2] = last;
    }
    moved[s].ndim -= 2;
  }
  int status = pvg_infer_broadcast(infer, &moved[0], &moved[1], &out);
  if (status != PVT_OK || !out.ranked) return status;
  out.size[out.ndim] = moved[0].size[moved[0].ndim];
  out.size[out.ndim + 1] = moved[1].size[moved[1].ndim + 1];
  pvg_infer_is(infer, 0, sides[0]->dtype, out.ndim + 2, out.size);
  return PVT_OK;
}

int pvg_fused_matmul_run(pvg_call *call) {
  const pvg_integer_gemm_state *state = call->state;
  pvt_array a, b, head_a, head_b, alpha;
  int status = transpose(call->inputs[0], state->a_batch_transposed, state->a_transposed, &a);
  if (status == PVT_OK)
    status = transpose(call->inputs[1], state->b_batch_transposed, state->b_transposed, &b);
  if (status != PVT_OK) return status;
  if (a.ndim < 2 || b.ndim < 2)
    return pvt_fail(PVT_E_SHAPE, "FusedMatMul: a and b should have 2 or more dimensions");
  pvg_look(&head_a, &a);
  pvg_look(&head_b, &b);
  head_a.ndim -= 2;
  head_b.ndim -= 2;
  int64_t shape[PVT_MAX_DIMS];
  int ndim;
  status = pvt_broadcast_shapes(&head_a, &head_b, &ndim, shape);
  if (status != PVT_OK) return status;
  shape[ndim] = a.dim[a.ndim - 2].size;
  shape[ndim + 1] = b.dim[b.ndim - 1].size;
  pvt_array *y = pvg_output(call, 0, (pvt_dtype)a.dtype, ndim + 2, shape);
  if (y == NULL) return pvt_error_status();
  status = pvt_matmul(&a, &b, y);
  if (status != PVT_OK || state->alpha == 1) return status;
  float narrow = state->alpha;
  pvt_array_over(&alpha, &narrow, PVT_FLOAT32, 0, NULL);
  return pvt_binary(PVT_MULTIPLY, y, &alpha, y);
}

/* ---- MatMulNBits --------------------------------------------------------------- */

int pvg_bits_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_bits_state *state = memory;
  const pvg_node *node = prepare->node;
  state->k = pvg_int(node, "K", 0);
  state->n = pvg_int(node, "N", 0);
  state->bits = pvg_int(node, "bits", 4);
  state->block = pvg_int(node, "block_size", 0);
  if (state->bits != 2 && state->bits != 4 && state->bits != 8)
    return pvt_fail(PVT_E_VALUE, "MatMulNBits: weights of %lld bits are not supported",
                    (long long)state->bits);
  if (state->k < 1 || state->n < 1 || state->block < 8 / state->bits || state->k > INT32_MAX ||
      state->n > INT32_MAX || state->block > INT32_MAX || state->block * state->bits % 8 != 0)
    return pvt_fail(PVT_E_VALUE, "MatMulNBits: K, N and block_size are missing or out of range");
  if (prepare->input_count > 4 && prepare->inputs[4] != NULL)
    return pvt_fail(PVT_E_UNSUPPORTED, "MatMulNBits: g_idx is not supported");
  return PVT_OK;
}

int pvg_bits_infer(pvg_infer *infer) {
  if (pvg_int(infer->node, "N", 0) < 1)
    return pvt_fail(PVT_E_VALUE, "MatMulNBits: N is missing or out of range");
  const pvg_info *a = PVG_INPUT(infer, 0);
  pvg_infer_is(infer, 0, a->dtype, a->ranked ? a->ndim : -1, a->size);
  if (a->ranked && a->ndim > 0 && infer->output_count > 0)
    infer->outputs[0].size[a->ndim - 1] = pvg_int(infer->node, "N", 0);
  return PVT_OK;
}

#define BITS_ROWS 64 /* columns of y whose weights are unpacked at a time */

/* a [..., k], b uint8 [n, k / block, block * bits / 8], scales [n * blocks], zero points: packed as b
** is, or floats [n * blocks]; then bias [n]. */
int pvg_bits_run(pvg_call *call) {
  const pvg_bits_state *state = call->state;
  const pvt_array *a = call->inputs[0], *b = call->inputs[1], *scales = call->inputs[2];
  const pvt_array *zeros = PVG_INPUT(call, 3), *bias = PVG_INPUT(call, 5);
  int64_t k = state->k, n = state->n, bits = state->bits, block = state->block;
  int64_t blocks = (k + block - 1) / block, blob = block * bits / 8, each = 8 / bits;
  int64_t zero_row = (blocks * bits + 7) / 8;
  bool packed_zeros = zeros != NULL && zeros->dtype == PVT_UINT8;
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(a, shape);
  if (ndim < 1 || shape[ndim - 1] != k || b->dtype != PVT_UINT8 ||
      pvt_array_count(b) != n * blocks * blob || pvt_array_count(scales) != n * blocks ||
      (zeros != NULL && pvt_array_count(zeros) != (packed_zeros ? n * zero_row : n * blocks)) ||
      (bias != NULL && pvt_array_count(bias) != n))
    return pvt_fail(PVT_E_SHAPE, "MatMulNBits: inputs are not of the shapes that K, N and "
                                 "block_size say");
  int64_t rows = pvg_product_of(shape, 0, ndim - 1);
  shape[ndim - 1] = n;
  pvg_result y;
  int status = pvg_result_begin(call, &y, 0, (pvt_dtype)a->dtype, PVT_FLOAT32, ndim, shape);
  if (status != PVT_OK) return status;
  const float *x = pvg_dense(call, a, PVT_FLOAT32), *scale = pvg_dense(call, scales, PVT_FLOAT32);
  const uint8_t *codes = pvg_dense(call, b, PVT_UINT8), *zero_codes = NULL;
  const float *zero = NULL, *plus = NULL;
  if (packed_zeros) zero_codes = pvg_dense(call, zeros, PVT_UINT8);
  else if (zeros != NULL) zero = pvg_dense(call, zeros, PVT_FLOAT32);
  if (bias != NULL) plus = pvg_dense(call, bias, PVT_FLOAT32);
  float *unpacked = pvg_scratch(call, (size_t)(BITS_ROWS * blocks * block) * sizeof(float));
  if (x == NULL || scale == NULL || codes == NULL || unpacked == NULL ||
      (zeros != NULL && zero_codes == NULL && zero == NULL) || (bias != NULL && plus == NULL))
    return pvt_error_status();
  int mask = (1 << bits) - 1;
  for (int64_t first = 0; first < n; first += BITS_ROWS) {
    int64_t count = n - first < BITS_ROWS ? n - first : BITS_ROWS;
    for (int64_t r = 0; r < count; r++) {
      for (int64_t i = 0; i < blocks; i++) {
        int64_t at = (first + r) * blocks + i;
        float less = (float)(1 << (bits - 1));
        if (zero != NULL) less = zero[at];
        if (zero_codes != NULL)
          less = (float)(zero_codes[(first + r) * zero_row + i / each] >> (i % each * bits) & mask);
        const uint8_t *code = codes + at * blob;
        float *to = unpacked + (r * blocks + i) * block, by = scale[at];
        if (bits == 4) {
          for (int64_t j = 0; j < blob; j++) {
            to[2 * j] = ((float)(code[j] & 15) - less) * by;
            to[2 * j + 1] = ((float)(code[j] >> 4) - less) * by;
          }
        } else {
          for (int64_t j = 0; j < block; j++)
            to[j] = ((float)(code[j / each] >> (j % each * bits) & mask) - less) * by;
        }
      }
    }
    pvt_array left, right, out;
    int64_t left_shape[2] = {rows, k}, right_shape[2] = {k, count}, out_shape[2] = {rows, count};
    pvt_array_over(&left, (void *)x, PVT_FLOAT32, 2, left_shape);
    pvt_array_over(&right, unpacked, PVT_FLOAT32, 2, right_shape);
    right.dim[0].stride = sizeof(float);
    right.dim[1].stride = blocks * block * (int64_t)sizeof(float);
    pvt_array_over(&out, (float *)y.data + first, PVT_FLOAT32, 2, out_shape);
    out.dim[0].stride = n * (int64_t)sizeof(float);
    status = pvt_matmul(&left, &right, &out);
    if (status == PVT_OK) status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  float *to = y.data;
  for (int64_t r = 0; r < rows && plus != NULL; r++, to += n)
    for (int64_t j = 0; j < n; j++) to[j] += plus[j];
  return pvg_result_end(&y);
}

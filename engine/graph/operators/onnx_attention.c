/* onnx_attention.c - ONNX's Attention: one head or many, shared keys, caches, masks, windows. */
#include <math.h>
#include <string.h>

#include "attention_operators.h"

int pvg_attention_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_attention_state *state = memory;
  const pvg_node *node = prepare->node;
  state->heads = pvg_int(node, "q_num_heads", 0);
  state->key_heads = pvg_int(node, "kv_num_heads", 0);
  state->scale = pvg_float(node, "scale", 0);
  state->cap = pvg_float(node, "softcap", 0);
  state->causal = pvg_int(node, "is_causal", 0) != 0;
  state->mode = (int)pvg_int(node, "qk_matmul_output_mode", 0);
  state->left = pvg_int(node, "left_window_size", -1);
  state->right = pvg_int(node, "right_window_size", -1);
  if (state->left < -1 || state->right < -1 || state->left > INT32_MAX || state->right > INT32_MAX)
    return pvt_fail(PVT_E_VALUE, "Attention: a window's size is out of range");
  if (state->mode < 0 || state->mode > 3)
    return pvt_fail(PVT_E_VALUE, "Attention: qk_matmul_output_mode should be 0 to 3");
  return PVT_OK;
}

int pvg_attention_infer(pvg_infer *infer) {
  const pvg_info *q = infer->inputs[0], *k = infer->inputs[1], *v = infer->inputs[2];
  const pvg_info *past = PVG_INPUT(infer, 4);
  int64_t heads = pvg_int(infer->node, "q_num_heads", 0);
  int64_t key_heads = pvg_int(infer->node, "kv_num_heads", 0);
  pvg_infer_is(infer, 0, q->dtype, -1, NULL);
  pvg_infer_is(infer, 1, k->dtype, -1, NULL);
  pvg_infer_is(infer, 2, v->dtype, -1, NULL);
  pvg_infer_is(infer, 3, q->dtype, -1, NULL);
  if (!q->ranked || !k->ranked || !v->ranked || q->ndim != k->ndim || q->ndim != v->ndim)
    return PVT_OK;
  const pvg_info *all[3] = {q, k, v};
  pvg_size size[3][4]; /* [batch, heads, rows, size] of each */
  for (int i = 0; i < 3; i++) {
    if (q->ndim == 4) {
      memcpy(size[i], all[i]->size, sizeof size[i]);
    } else if (q->ndim == 3) {
      int64_t by = i == 0 ? heads : key_heads;
      if (by < 1 || by > INT32_MAX)
        return pvt_fail(PVT_E_VALUE, "Attention: q_num_heads or kv_num_heads is missing");
      size[i][0] = all[i]->size[0];
      size[i][1] = by;
      size[i][2] = all[i]->size[1];
      size[i][3] = PVG_IS_SYMBOL(all[i]->size[2]) ? pvg_symbol(infer) : all[i]->size[2] / by;
    } else {
      return PVT_OK;
    }
  }
  pvg_size columns = size[1][2];
  if (past != NULL) {
    bool known =
        past->ranked && past->ndim == 4 && !PVG_IS_SYMBOL(past->size[2]) && !PVG_IS_SYMBOL(columns);
    columns = known ? columns + past->size[2] : pvg_symbol(infer);
  }
  pvg_size y[4] = {size[0][0], size[0][1], size[0][2], size[2][3]};
  if (q->ndim == 3) {
    y[1] = size[0][2];
    y[2] = PVG_IS_SYMBOL(size[2][3]) || size[2][3] > INT32_MAX ? pvg_symbol(infer)
                                                               : size[0][1] * size[2][3];
  }
  pvg_infer_is(infer, 0, q->dtype, q->ndim, y);
  for (int i = 1; i < 3; i++) {
    pvg_size present[4] = {size[i][0], size[i][1], columns, size[i][3]};
    pvg_infer_is(infer, i, all[i]->dtype, 4, present);
  }
  pvg_size product[4] = {size[0][0], size[0][1], size[0][2], columns};
  pvg_infer_is(infer, 3, q->dtype, 4, product);
  return PVT_OK;
}

/* The mask as numbers that are added; columns that it leaves out are hidden. */
static int bias_of(pvg_call *call, const pvt_array *mask, pvt_dtype type, int64_t columns,
                   pvt_array *bias) {
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(mask, shape), status;
  if (ndim < 1 || ndim > 4)
    return pvt_fail(PVT_E_SHAPE, "Attention: the mask has %d dimensions", ndim);
  int64_t given = shape[ndim - 1];
  pvt_array part, nothing, zero;
  char nothing_memory[16], zero_memory[16];
  pvg_scalar(&nothing, nothing_memory, type, -INFINITY);
  pvg_scalar(&zero, zero_memory, type, 0);
  bool wider = given != 1 || columns == 1 || mask->ndim == 1;
  if (given > columns && given != 1)
    return pvt_fail(PVT_E_SHAPE, "Attention: the mask has %lld columns, there are %lld",
                    (long long)given, (long long)columns);
  if (wider) shape[ndim - 1] = columns;
  if ((status = pvg_scratch_array(call, bias, type, ndim, shape)) != PVT_OK) return status;
  if (shape[ndim - 1] != given && (status = pvt_copy(&nothing, bias)) != PVT_OK) return status;
  pvg_look(&part, bias);
  status = pvt_view_slice(&part, ndim - 1, 0, given, 1);
  if (status != PVT_OK) return status;
  return mask->dtype == PVT_BOOL ? pvt_where(mask, &zero, &nothing, &part) : pvt_copy(mask, &part);
}

int pvg_attention_run(pvg_call *call) {
  const pvg_attention_state *state = call->state;
  const pvt_array *q = call->inputs[0], *mask = PVG_INPUT(call, 3), *valid = PVG_INPUT(call, 6);
  pvt_dtype type = pvg_real(q);
  pvg_attend a = {.type = type,
                  .causal = state->causal,
                  .left = state->left,
                  .right = state->right,
                  .cap = state->cap};
  pvt_array new_k, new_v, bias;
  int status = pvg_as(call, q, type, &a.q);
  if (status == PVT_OK) status = pvg_as(call, call->inputs[1], type, &new_k);
  if (status == PVT_OK) status = pvg_as(call, call->inputs[2], type, &new_v);
  if (status != PVT_OK) return status;
  bool flat = q->ndim == 3;
  if (new_k.ndim != q->ndim || new_v.ndim != q->ndim || (!flat && q->ndim != 4))
    return pvt_fail(PVT_E_SHAPE,
                    "Attention: queries, keys and values should have 3 or 4 dimensions");
  if (flat) {
    status = pvg_split_heads(&a.q, state->heads);
    if (status == PVT_OK) status = pvg_split_heads(&new_k, state->key_heads);
    if (status == PVT_OK) status = pvg_split_heads(&new_v, state->key_heads);
    if (status != PVT_OK) return status;
  }
  const pvt_array *past_k = PVG_INPUT(call, 4), *past_v = PVG_INPUT(call, 5);
  pvg_result present_k, present_v, kept = {0}, y;
  if ((past_k == NULL) != (past_v == NULL) || (valid != NULL && past_k != NULL))
    return pvt_fail(PVT_E_VALUE, "Attention: past keys and values come together, and without "
                                 "nonpad_kv_seqlen");
  status = pvg_grow(call, 1, (pvt_dtype)call->inputs[1]->dtype, past_k, &new_k, &a.k, &present_k);
  if (status == PVT_OK)
    status = pvg_grow(call, 2, (pvt_dtype)call->inputs[2]->dtype, past_v, &new_v, &a.v, &present_v);
  if (status != PVT_OK) return status;
  a.offset = past_k != NULL ? past_k->dim[2].size : 0;
  int64_t batch = a.q.dim[0].size, heads = a.q.dim[1].size, rows = a.q.dim[2].size;
  int64_t columns = a.k.dim[2].size, width = a.v.dim[3].size;
  a.scale = state->scale != 0 ? state->scale : 1 / sqrt((double)a.q.dim[3].size);
  if (valid != NULL) {
    if (pvt_array_count(valid) != batch)
      return pvt_fail(PVT_E_SHAPE, "Attention: nonpad_kv_seqlen should have %lld elements",
                      (long long)batch);
    if ((a.valid = pvg_dense(call, valid, PVT_INT64)) == NULL) return pvt_error_status();
    for (int64_t b = 0; b < batch; b++)
      if (a.valid[b] < 0 || a.valid[b] > INT32_MAX)
        return pvt_fail(PVT_E_VALUE, "Attention: nonpad_kv_seqlen is out of range");
  }
  if (mask != NULL) {
    if ((status = bias_of(call, mask, type, columns, &bias)) != PVT_OK) return status;
    a.bias = &bias;
  }
  int64_t product[4] = {batch, heads, rows, columns};
  if (call->output_count > 3 && pvg_output_wanted(call, 3)) {
    status = pvg_result_begin(call, &kept, 3, (pvt_dtype)q->dtype, type, 4, product);
    if (status != PVT_OK) return status;
    a.kept = kept.data;
    a.keep = (pvg_keep)(PVG_KEEP_PRODUCT + state->mode);
  }
  int64_t shape[4] = {batch, heads, rows, width}, flat_shape[3] = {batch, rows, heads * width};
  status = pvg_result_begin(call, &y, 0, (pvt_dtype)q->dtype, type, flat ? 3 : 4,
                            flat ? flat_shape : shape);
  if (status != PVT_OK) return status;
  pvt_array_over(&a.y, y.data, type, flat ? 3 : 4, flat ? flat_shape : shape);
  if (flat) status = pvg_split_heads(&a.y, heads);
  if (status == PVT_OK) status = pvg_attend_run(call, &a);
  if (status == PVT_OK && kept.data != NULL) status = pvg_result_end(&kept);
  return status == PVT_OK ? pvg_result_end(&y) : status;
}

/* packed_attention.c - onnxruntime's Attention and MultiHeadAttention. */
#include <math.h>
#include <string.h>

#include "attention_operators.h"

int pvg_packed_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_packed_state *state = memory;
  const pvg_node *node = prepare->node;
  int count;
  const int64_t *sizes = pvg_ints(node, "qkv_hidden_sizes", &count);
  state->heads = pvg_int(node, "num_heads", 0);
  state->scale = pvg_float(node, "scale", 0);
  state->hidden = pvg_float(node, "mask_filter_value", -10000);
  state->causal = pvg_int(node, "unidirectional", 0) != 0;
  for (int i = 0; i < 3 && count == 3; i++) state->sizes[i] = sizes[i];
  if (pvg_int(node, "do_rotary", 0) != 0 || pvg_int(node, "past_present_share_buffer", 0) != 0)
    return pvt_fail(PVT_E_UNSUPPORTED,
                    "%s: do_rotary and past_present_share_buffer are not "
                    "supported",
                    node->type);
  if (state->heads < 1 || state->heads > INT32_MAX)
    return pvt_fail(PVT_E_VALUE, "%s: num_heads is missing", node->type);
  return PVT_OK;
}

/* ---- Masks ------------------------------------------------------------------------------- */

/* What is added to scores, [batch, 1, 1 or rows, columns], from onnxruntime's forms of masks: [batch]
** ends, [2 batch] ends and starts, or 0 for hidden columns in [batch, columns], [batch, rows,
** columns], [batch, 1, most, most]. */
static int mask_bias(pvg_call *call, const pvg_packed_state *state, const pvt_array *mask,
                     pvt_dtype type, int64_t batch, int64_t rows, int64_t columns,
                     pvt_array *bias) {
  int64_t shape[4] = {batch, 1, mask->ndim > 2 ? rows : 1, columns}, count = pvt_array_count(mask);
  int status = pvg_scratch_array(call, bias, type, 4, shape);
  if (status != PVT_OK) return status;
  pvt_array view, hidden, zero, visible;
  char hidden_memory[16], zero_memory[16];
  pvg_scalar(&hidden, hidden_memory, type, state->hidden);
  pvg_scalar(&zero, zero_memory, type, 0);
  if (mask->ndim == 1) {
    const int64_t *at = pvg_dense(call, mask, PVT_INT64);
    if (at == NULL) return pvt_error_status();
    if (count != batch && count != 2 * batch && count != 3 * batch + 2)
      return pvt_fail(PVT_E_SHAPE, "%s: a mask of %lld elements for a batch of %lld",
                      call->node->type, (long long)count, (long long)batch);
    for (int64_t b = 0; b < batch; b++) {
      int64_t first = count == 2 * batch ? at[batch + b] : 0;
      for (int64_t j = 0; j < columns; j++) {
        double value = j >= first && j < at[b] ? 0 : state->hidden;
        if (type == PVT_FLOAT64) ((double *)bias->data)[b * columns + j] = value;
        else ((float *)bias->data)[b * columns + j] = (float)value;
      }
    }
    return PVT_OK;
  }
  pvg_look(&view, mask);
  if (mask->ndim == 4) { /* the rows before these are past */
    int64_t most = mask->dim[2].size;
    if (mask->dim[3].size < columns || most < columns || columns < rows)
      return pvt_fail(PVT_E_SHAPE, "%s: the mask is too small", call->node->type);
    status = pvt_view_slice(&view, 2, columns - rows, rows, 1);
    if (status == PVT_OK) status = pvt_view_slice(&view, 3, 0, columns, 1);
  } else {
    status = pvt_view_insert(&view, 1);
    if (status == PVT_OK && mask->ndim == 2) status = pvt_view_insert(&view, 1);
  }
  if (status == PVT_OK) status = pvg_scratch_array(call, &visible, PVT_BOOL, 4, shape);
  if (status == PVT_OK) status = pvt_binary(PVT_NOT_EQUAL, &view, &zero, &visible);
  return status == PVT_OK ? pvt_where(&visible, &zero, &hidden, bias) : status;
}

/* Masks and biases together, in scratch memory; *bias stays as it is where there is none. */
static int join_bias(pvg_call *call, const pvg_packed_state *state, const pvt_array *mask,
                     const pvt_array *given, const pvg_attend *a, pvt_array *memory,
                     const pvt_array **bias) {
  int64_t shape[4] = {a->q.dim[0].size, a->q.dim[1].size, a->q.dim[2].size, a->k.dim[2].size};
  pvt_array other;
  int status = PVT_OK;
  if (mask != NULL) {
    status = mask_bias(call, state, mask, a->type, shape[0], shape[2], shape[3], memory);
    *bias = memory;
  }
  if (given == NULL || status != PVT_OK) return status;
  if ((status = pvg_as(call, given, a->type, &other)) != PVT_OK) return status;
  if (mask == NULL) {
    pvg_look(memory, &other);
  } else {
    pvt_array sum;
    status = pvg_scratch_array(call, &sum, a->type, 4, shape);
    if (status == PVT_OK) status = pvt_binary(PVT_ADD, memory, &other, &sum);
    pvg_look(memory, &sum);
  }
  *bias = memory;
  return status;
}

/* The end of both: biases, the attention itself, output 0 as [batch, rows, heads * size]. */
static int finish(pvg_call *call, const pvg_packed_state *state, pvt_dtype dtype,
                  const pvt_array *mask, const pvt_array *given, pvg_attend *a) {
  pvt_array memory;
  const pvt_array *bias = NULL;
  int status = join_bias(call, state, mask, given, a, &memory, &bias);
  if (status != PVT_OK) return status;
  a->bias = bias;
  int64_t heads = a->q.dim[1].size;
  int64_t shape[3] = {a->q.dim[0].size, a->q.dim[2].size, heads * a->v.dim[3].size};
  a->scale = state->scale != 0 ? state->scale : 1 / sqrt((double)a->q.dim[3].size);
  a->causal = state->causal;
  a->left = a->right = -1;
  pvg_result y;
  status = pvg_result_begin(call, &y, 0, dtype, a->type, 3, shape);
  if (status != PVT_OK) return status;
  pvt_array_over(&a->y, y.data, a->type, 3, shape);
  status = pvg_split_heads(&a->y, heads);
  if (status == PVT_OK) status = pvg_attend_run(call, a);
  a->bias = NULL;
  return status == PVT_OK ? pvg_result_end(&y) : status;
}

/* ---- Attention ----------------------------------------------------------------------------- */

int pvg_packed_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0], *w = infer->inputs[1], *past = PVG_INPUT(infer, 4);
  int count;
  const int64_t *sizes = pvg_ints(infer->node, "qkv_hidden_sizes", &count);
  int64_t heads = pvg_int(infer->node, "num_heads", 1);
  bool known = x->ranked && x->ndim == 3 && w->ranked && w->ndim == 2 && !PVG_IS_SYMBOL(w->size[1]);
  if (heads < 1 || heads > INT32_MAX || (count == 3 && sizes[2] < 0))
    return pvt_fail(PVT_E_VALUE, "Attention: num_heads or qkv_hidden_sizes are out of range");
  pvg_size size[3] = {0};
  if (known) {
    size[0] = x->size[0];
    size[1] = x->size[1];
    size[2] = count == 3 ? sizes[2] : w->size[1] / 3;
  }
  pvg_infer_is(infer, 0, x->dtype, known ? 3 : -1, size);
  if (infer->output_count < 2) return PVT_OK;
  bool rows = known && !PVG_IS_SYMBOL(x->size[1]) && heads > 0;
  pvg_size columns = rows ? x->size[1] : -1;
  if (past != NULL) {
    rows = rows && past->ranked && past->ndim == 5 && !PVG_IS_SYMBOL(past->size[3]);
    columns = rows ? columns + past->size[3] : -1;
  }
  pvg_size present[5] = {2, size[0], heads, rows ? columns : pvg_symbol(infer),
                         heads > 0 ? size[2] / heads : 0};
  pvg_infer_is(infer, 1, x->dtype, known && heads > 0 ? 5 : -1, present);
  return PVT_OK;
}

/* x [batch, rows, inputs], weights [inputs, all], bias [all], mask, past [2, batch, heads, columns,
** size], bias of scores. */
int pvg_packed_run(pvg_call *call) {
  const pvg_packed_state *state = call->state;
  const pvt_array *x = call->inputs[0], *w = call->inputs[1], *b = PVG_INPUT(call, 2);
  const pvt_array *past = PVG_INPUT(call, 4);
  if (x->ndim != 3 || w->ndim != 2 || x->dim[2].size != w->dim[0].size ||
      (b != NULL && pvt_array_count(b) != w->dim[1].size))
    return pvt_fail(PVT_E_SHAPE, "Attention: x, weights and bias do not fit");
  int64_t all = w->dim[1].size, sizes[3], shape[3] = {x->dim[0].size, x->dim[1].size, all};
  for (int i = 0; i < 3; i++) sizes[i] = state->sizes[i] > 0 ? state->sizes[i] : all / 3;
  if (sizes[0] + sizes[1] + sizes[2] != all || sizes[0] != sizes[1])
    return pvt_fail(PVT_E_SHAPE, "Attention: the weights do not make queries, keys and values");
  pvt_dtype type = pvg_real(x);
  pvg_attend a = {.type = type};
  pvt_array input, weights, projected, parts[3];
  int status = pvg_as(call, x, type, &input);
  if (status == PVT_OK) status = pvg_as(call, w, type, &weights);
  if (status == PVT_OK) status = pvg_scratch_array(call, &projected, type, 3, shape);
  if (status == PVT_OK) status = pvt_matmul(&input, &weights, &projected);
  if (status == PVT_OK && b != NULL) status = pvt_binary(PVT_ADD, &projected, b, &projected);
  int64_t from = 0;
  for (int i = 0; i < 3 && status == PVT_OK; from += sizes[i++]) {
    pvg_look(&parts[i], &projected);
    status = pvt_view_slice(&parts[i], 2, from, sizes[i], 1);
    if (status == PVT_OK) status = pvg_split_heads(&parts[i], state->heads);
  }
  if (status != PVT_OK) return status;
  pvg_look(&a.q, &parts[0]);
  pvg_look(&a.k, &parts[1]);
  pvg_look(&a.v, &parts[2]);
  bool wanted = call->output_count > 1 && pvg_output_wanted(call, 1);
  if (past != NULL || wanted) {
    int64_t before = past != NULL ? past->dim[3].size : 0, size = parts[1].dim[3].size;
    int64_t whole[5] = {2, shape[0], state->heads, before + shape[1], size};
    if (parts[2].dim[3].size != size ||
        (past != NULL &&
         (past->ndim != 5 || past->dim[0].size != 2 || past->dim[1].size != shape[0] ||
          past->dim[2].size != state->heads || past->dim[4].size != size)))
      return pvt_fail(PVT_E_SHAPE, "Attention: past does not fit");
    pvg_result present;
    pvt_array both, half, part;
    if (call->output_count > 1) {
      status = pvg_result_begin(call, &present, 1, (pvt_dtype)x->dtype, type, 5, whole);
      if (status != PVT_OK) return status;
      pvt_array_over(&both, present.data, type, 5, whole);
    } else {
      present.out = NULL;
      status = pvg_scratch_array(call, &both, type, 5, whole);
    }
    for (int i = 0; i < 2 && status == PVT_OK; i++) {
      pvg_look_at(&half, &both, 0, i);
      if (past != NULL) {
        pvt_array old;
        pvg_look_at(&old, past, 0, i);
        pvg_look(&part, &half);
        status = pvt_view_slice(&part, 2, 0, before, 1);
        if (status == PVT_OK) status = pvt_copy(&old, &part);
      }
      pvg_look(&part, &half);
      if (status == PVT_OK) status = pvt_view_slice(&part, 2, before, shape[1], 1);
      if (status == PVT_OK) status = pvt_copy(&parts[1 + i], &part);
      pvg_look(i == 0 ? &a.k : &a.v, &half);
    }
    if (status == PVT_OK && present.out != NULL) status = pvg_result_end(&present);
    if (status != PVT_OK) return status;
    a.offset = before;
  }
  return finish(call, state, (pvt_dtype)x->dtype, PVG_INPUT(call, 3), PVG_INPUT(call, 5), &a);
}

/* ---- MultiHeadAttention -------------------------------------------------------------------- */

int pvg_multi_head_infer(pvg_infer *infer) {
  const pvg_info *q = infer->inputs[0], *v = PVG_INPUT(infer, 2);
  pvg_infer_is(infer, 0, q->dtype, -1, NULL);
  for (int i = 1; i < 3; i++) pvg_infer_is(infer, i, q->dtype, -1, NULL);
  if (q->ranked && q->ndim == 3 && v != NULL && v->ranked && v->ndim == 3) {
    pvg_size size[3] = {q->size[0], q->size[1], v->size[2]};
    pvg_infer_is(infer, 0, q->dtype, 3, size);
  } else if (q->ranked && q->ndim == 5 && !PVG_IS_SYMBOL(q->size[2]) &&
             !PVG_IS_SYMBOL(q->size[4])) {
    pvg_size size[3] = {q->size[0], q->size[1], q->size[2] * q->size[4]};
    pvg_infer_is(infer, 0, q->dtype, 3, size);
  }
  return PVT_OK;
}

/* Part i of [batch, rows, heads, parts, size] as [batch, heads, rows, size]. */
static int packed_part(const pvt_array *x, int i, pvt_array *part) {
  pvg_look(part, x);
  int status = pvt_view_slice(part, 3, i, 1, 1);
  if (status == PVT_OK) status = pvt_view_remove(part, 3);
  return status == PVT_OK ? pvt_view_permute(part, (const int[]){0, 2, 1, 3}) : status;
}

/* One of queries, keys, values as [batch, heads, rows, size], with its part of the bias. */
static int one_side(pvg_call *call, const pvg_packed_state *state, const pvt_array *x, int64_t from,
                    pvt_dtype type, pvt_array *side) {
  const pvt_array *bias = PVG_INPUT(call, 3);
  pvt_array as;
  int status = pvg_as(call, x, type, &as);
  if (status != PVT_OK) return status;
  if (bias != NULL && x->ndim == 3) {
    int64_t shape[PVT_MAX_DIMS], width = x->dim[2].size;
    pvg_sizes_of(x, shape);
    pvt_array part, sum;
    pvg_look(&part, bias);
    if (bias->ndim != 1 || from + width > bias->dim[0].size)
      return pvt_fail(PVT_E_SHAPE, "MultiHeadAttention: the bias is too short");
    status = pvt_view_slice(&part, 0, from, width, 1);
    if (status == PVT_OK) status = pvg_scratch_array(call, &sum, type, 3, shape);
    if (status == PVT_OK) status = pvt_binary(PVT_ADD, &as, &part, &sum);
    if (status != PVT_OK) return status;
    pvg_look(&as, &sum);
  }
  pvg_look(side, &as);
  if (side->ndim == 3) return pvg_split_heads(side, state->heads);
  if (side->ndim == 4) return PVT_OK; /* [batch, heads, rows, size] already */
  return pvt_fail(PVT_E_SHAPE, "MultiHeadAttention: an input has %d dimensions", side->ndim);
}

/* queries, keys, values, bias, mask of keys, bias of scores, past keys, past values. */
int pvg_multi_head_run(pvg_call *call) {
  const pvg_packed_state *state = call->state;
  const pvt_array *q = call->inputs[0], *k = PVG_INPUT(call, 1), *v = PVG_INPUT(call, 2);
  const pvt_array *past_k = PVG_INPUT(call, 6), *past_v = PVG_INPUT(call, 7);
  pvt_dtype type = pvg_real(q), dtype = (pvt_dtype)q->dtype;
  pvg_attend a = {.type = type};
  pvt_array packed, new_k, new_v;
  int status;
  if (q->ndim == 5 || (k != NULL && k->ndim == 5)) {
    if (PVG_INPUT(call, 3) != NULL)
      return pvt_fail(PVT_E_UNSUPPORTED, "MultiHeadAttention: packed inputs with a bias are not "
                                         "supported");
    const pvt_array *from = q->ndim == 5 ? q : k;
    int parts = q->ndim == 5 ? 3 : 2, first = parts - 2;
    if (from->dim[3].size != parts || from->dim[2].size != state->heads)
      return pvt_fail(PVT_E_SHAPE, "MultiHeadAttention: packed inputs are not of the right shape");
    status = pvg_as(call, from, type, &packed);
    if (status == PVT_OK && parts == 3) status = packed_part(&packed, 0, &a.q);
    if (status == PVT_OK && parts == 2) status = one_side(call, state, q, 0, type, &a.q);
    if (status == PVT_OK) status = packed_part(&packed, first, &new_k);
    if (status == PVT_OK) status = packed_part(&packed, first + 1, &new_v);
  } else {
    if (k == NULL || v == NULL || q->ndim != 3)
      return pvt_fail(PVT_E_SHAPE, "MultiHeadAttention: keys or values are missing");
    int64_t width = q->dim[2].size;
    status = one_side(call, state, q, 0, type, &a.q);
    if (status == PVT_OK) status = one_side(call, state, k, width, type, &new_k);
    if (status == PVT_OK) status = one_side(call, state, v, 2 * width, type, &new_v);
  }
  if (status != PVT_OK) return status;
  pvg_result present_k, present_v;
  status = pvg_grow(call, 1, dtype, past_k, &new_k, &a.k, &present_k);
  if (status == PVT_OK) status = pvg_grow(call, 2, dtype, past_v, &new_v, &a.v, &present_v);
  if (status != PVT_OK) return status;
  a.offset = past_k != NULL ? past_k->dim[2].size : 0;
  return finish(call, state, dtype, PVG_INPUT(call, 4), PVG_INPUT(call, 5), &a);
}

/* embeddings.c - onnxruntime's sums that are normalised: SkipLayerNormalization and its like,
** EmbedLayerNormalization. */
#include <string.h>

#include "attention_operators.h"
#include "context.h"
#include "normalising_operators.h"

int pvg_skip_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_skip_state *state = memory;
  const pvg_node *node = prepare->node;
  state->rms = strcmp(node->type, "SkipSimplifiedLayerNormalization") == 0;
  bool embed = strcmp(node->type, "EmbedLayerNormalization") == 0;
  state->epsilon = pvg_float(node, "epsilon", embed ? 1e-12F : 1e-5F);
  return PVT_OK;
}

int pvg_skip_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  pvg_infer_copy(infer, 0, 0);
  pvg_infer_copy(infer, 3, 0);
  pvg_size size[PVT_MAX_DIMS];
  for (int i = 0; x->ranked && i < x->ndim; i++) size[i] = i < x->ndim - 1 ? x->size[i] : 1;
  for (int i = 1; i < 3; i++) pvg_infer_is(infer, i, PVT_FLOAT32, x->ranked ? x->ndim : -1, size);
  return PVT_OK;
}

/* Normalise rows of `n` sums into outputs 0 to 2. */
static int give_normalised(pvg_call *call, const pvg_skip_state *state, pvt_dtype dtype,
                           pvt_dtype type, int ndim, const int64_t *shape, const void *sums,
                           const pvt_array *gamma, const pvt_array *beta, bool statistics) {
  int64_t n = shape[ndim - 1], reduced[PVT_MAX_DIMS];
  pvg_rows rows = {.type = type,
                   .rows = pvg_product_of(shape, 0, ndim - 1),
                   .n = n,
                   .x = sums,
                   .repeat = 1,
                   .period = 1,
                   .epsilon = state->epsilon,
                   .rms = state->rms};
  memcpy(reduced, shape, (size_t)ndim * sizeof *reduced);
  reduced[ndim - 1] = 1;
  pvg_result y, extra[2] = {{0}, {0}};
  int status = pvg_result_begin(call, &y, 0, dtype, type, ndim, shape);
  for (int i = 0; i < 2 && statistics && status == PVT_OK; i++)
    if (i + 1 < call->output_count && pvg_output_wanted(call, i + 1))
      status = pvg_result_begin(call, &extra[i], i + 1, PVT_FLOAT32, type, ndim, reduced);
  if (status != PVT_OK) return status;
  rows.y = y.data;
  rows.mean = extra[0].data;
  rows.deviation = extra[1].data;
  rows.scale = pvg_dense_as(call, gamma, type, 1, &n);
  if (beta != NULL) rows.bias = pvg_dense_as(call, beta, type, 1, &n);
  if (rows.scale == NULL || (beta != NULL && rows.bias == NULL)) return pvt_error_status();
  if (n > 0) status = pvg_normalise_rows(&rows);
  for (int i = 0; i < 2 && status == PVT_OK; i++)
    if (extra[i].data != NULL) status = pvg_result_end(&extra[i]);
  return status == PVT_OK ? pvg_result_end(&y) : status;
}

/* x, skip, gamma, beta (not for root mean squares), bias. */
int pvg_skip_run(pvg_call *call) {
  const pvg_skip_state *state = call->state;
  const pvt_array *x = call->inputs[0], *skip = call->inputs[1];
  const pvt_array *beta = state->rms ? NULL : PVG_INPUT(call, 3);
  const pvt_array *bias = PVG_INPUT(call, state->rms ? 3 : 4);
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  if (ndim < 1) return pvt_fail(PVT_E_SHAPE, "%s: x has no dimensions", call->node->type);
  pvt_dtype type = pvg_real(x);
  pvg_result sum;
  int status;
  if (call->output_count > 3) {
    status = pvg_result_begin(call, &sum, 3, (pvt_dtype)x->dtype, type, ndim, shape);
  } else {
    pvt_array scratch;
    status = pvg_scratch_array(call, &scratch, type, ndim, shape);
    sum = (pvg_result){.data = scratch.data, .computed = type};
  }
  if (status != PVT_OK) return status;
  pvt_array all;
  pvt_array_over(&all, sum.data, type, ndim, shape);
  status = pvt_binary(PVT_ADD, x, skip, &all);
  if (status == PVT_OK && bias != NULL) status = pvt_binary(PVT_ADD, &all, bias, &all);
  if (status == PVT_OK) status = pvg_result_end(&sum);
  if (status != PVT_OK) return status;
  return give_normalised(call, state, (pvt_dtype)x->dtype, type, ndim, shape, sum.data,
                         call->inputs[2], beta, true);
}

/* ---- EmbedLayerNormalization ---------------------------------------------------------- */

int pvg_embed_infer(pvg_infer *infer) {
  int status = pvg_infer_needs(infer, 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6);
  if (status != PVT_OK) return status;
  const pvg_info *ids = infer->inputs[0], *words = infer->inputs[2];
  bool known = ids->ranked && ids->ndim == 2 && words->ranked && words->ndim == 2;
  pvg_size size[3] = {0};
  if (known) {
    size[0] = ids->size[0];
    size[1] = ids->size[1];
    size[2] = words->size[1];
  }
  pvg_infer_is(infer, 0, words->dtype, known ? 3 : -1, size);
  pvg_infer_is(infer, 1, PVT_INT32, known ? 1 : -1, size);
  pvg_infer_is(infer, 2, words->dtype, known ? 3 : -1, size);
  return PVT_OK;
}

/* Add row ids[i] of a table to each row of `to`; ids NULL: row i, counted anew after `period`. */
static int add_rows(pvg_call *call, const pvt_array *table, const pvt_array *ids, int64_t count,
                    int64_t period, pvt_array *to) {
  if (table == NULL) return PVT_OK;
  int64_t rows = table->dim[0].size, ids_count = ids != NULL ? pvt_array_count(ids) : 0;
  if (table->ndim != 2 || table->dim[1].size != to->dim[1].size ||
      (ids != NULL && ids_count != count && ids_count != period))
    return pvt_fail(PVT_E_SHAPE, "%s: a table or its indices do not fit", call->node->type);
  const int64_t *at = ids != NULL ? pvg_dense(call, ids, PVT_INT64) : NULL;
  if (ids != NULL && at == NULL) return pvt_error_status();
  for (int64_t i = 0; i < count; i++) {
    int64_t row = at == NULL ? i % period : at[ids_count == count ? i : i % period];
    if (row < 0 || row >= rows)
      return pvt_fail(PVT_E_INDEX, "%s: row %lld of a table of %lld", call->node->type,
                      (long long)row, (long long)rows);
    pvt_array from, line;
    pvg_look_at(&from, table, 0, row);
    pvg_look_at(&line, to, 0, i);
    int status = pvt_binary(PVT_ADD, &line, &from, &line);
    if (status == PVT_OK) status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

/* ids, segments, tables of words, positions and segments, gamma, beta, mask, positions. */
int pvg_embed_run(pvg_call *call) {
  const pvg_skip_state *state = call->state;
  const pvt_array *ids = call->inputs[0], *segments = PVG_INPUT(call, 1), *words = call->inputs[2];
  const pvt_array *mask = PVG_INPUT(call, 7);
  if (ids->ndim != 2 || words->ndim != 2)
    return pvt_fail(PVT_E_SHAPE, "EmbedLayerNormalization: ids and words should have 2 dimensions");
  int64_t batch = ids->dim[0].size, seq = ids->dim[1].size;
  int64_t shape[3] = {batch, seq, words->dim[1].size}, flat[2] = {batch * seq, shape[2]};
  pvt_dtype type = pvg_real(words), dtype = (pvt_dtype)words->dtype;
  pvt_array sums;
  int status = pvg_scratch_array(call, &sums, type, 2, flat);
  if (status != PVT_OK) return status;
  memset(sums.data, 0, (size_t)(flat[0] * flat[1]) * pvt_itemsize(type));
  status = add_rows(call, words, ids, flat[0], seq, &sums);
  if (status == PVT_OK)
    status = add_rows(call, PVG_INPUT(call, 3), PVG_INPUT(call, 8), flat[0], seq, &sums);
  if (status == PVT_OK && segments != NULL)
    status = add_rows(call, PVG_INPUT(call, 4), segments, flat[0], seq, &sums);
  if (status != PVT_OK) return status;
  if (call->output_count > 1 && pvg_output_wanted(call, 1)) {
    pvt_array *index = pvg_output(call, 1, PVT_INT32, 1, &batch);
    if (index == NULL) return pvt_error_status();
    int32_t *to = (int32_t *)index->data;
    const int32_t *from = mask != NULL ? pvg_dense(call, mask, PVT_INT32) : NULL;
    if (mask != NULL && (from == NULL || pvt_array_count(mask) != flat[0]))
      return pvt_fail(PVT_E_SHAPE, "EmbedLayerNormalization: the mask does not fit the ids");
    for (int64_t b = 0; b < batch; b++) {
      to[b] = 0;
      for (int64_t i = 0; i < seq && from != NULL; i++) to[b] += from[b * seq + i] != 0;
    }
  }
  if (call->output_count > 2 && pvg_output_wanted(call, 2)) {
    pvg_result sum;
    status = pvg_result_begin(call, &sum, 2, dtype, type, 3, shape);
    if (status != PVT_OK) return status;
    memcpy(sum.data, sums.data, (size_t)(flat[0] * flat[1]) * pvt_itemsize(type));
    if ((status = pvg_result_end(&sum)) != PVT_OK) return status;
  }
  return give_normalised(call, state, dtype, type, 3, shape, sums.data, call->inputs[5],
                         PVG_INPUT(call, 6), false);
}

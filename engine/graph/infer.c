/* infer.c - types and shapes before anything has run. */
#include "infer.h"

#include <stdio.h>
#include <string.h>

pvg_size pvg_symbol(pvg_infer *infer) {
  return -++infer->symbols->count;
}

static int64_t int_at(const pvt_array *array, const char *at) {
  switch (array->dtype) {
  case PVT_BOOL:
  case PVT_UINT8: return (int64_t)*(const uint8_t *)at;
  case PVT_INT8: return (int64_t)*(const int8_t *)at;
  default: break;
  }
  int64_t value = 0;
  size_t size = pvt_itemsize((pvt_dtype)array->dtype);
  memcpy(&value, at, size);
  if (pvt_dtype_kind((pvt_dtype)array->dtype) == PVT_KIND_INT) {
    unsigned unused = 64 - 8 * (unsigned)size;
    value = (int64_t)((uint64_t)value << unused) >> unused;
  }
  return value;
}

int pvg_known_ints(const pvg_infer *infer, int input, int64_t values[PVT_MAX_DIMS]) {
  const pvg_info *info = input < infer->input_count ? infer->inputs[input] : NULL;
  const pvt_array *array = info != NULL ? info->constant : NULL;
  if (array == NULL || array->ndim > 1) return -1;
  pvt_kind kind = pvt_dtype_kind((pvt_dtype)array->dtype);
  if (kind == PVT_KIND_FLOAT || kind == PVT_KIND_COMPLEX) return -1;
  int64_t count = pvt_array_count(array);
  if (count > PVT_MAX_DIMS) return -1;
  for (int64_t i = 0; i < count; i++)
    values[i] = int_at(array, array->data + (array->ndim > 0 ? i * array->dim[0].stride : 0));
  return (int)count;
}

int pvg_infer_broadcast(pvg_infer *infer, const pvg_info *a, const pvg_info *b, pvg_info *out) {
  out->ranked = a->ranked && b->ranked;
  out->ndim = 0;
  if (!out->ranked) return PVT_OK;
  int ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
  pvg_size size[PVT_MAX_DIMS]; /* out may be a or b */
  for (int i = 0; i < ndim; i++) {
    int of_a = i - (ndim - a->ndim), of_b = i - (ndim - b->ndim);
    pvg_size x = of_a >= 0 ? a->size[of_a] : 1, y = of_b >= 0 ? b->size[of_b] : 1;
    if (x == y || y == 1) size[i] = x;
    else if (x == 1) size[i] = y;
    else if (!PVG_IS_SYMBOL(x) && !PVG_IS_SYMBOL(y)) {
      char text[PVG_NODE_TEXT];
      return pvt_fail(PVT_E_SHAPE, "%s: sizes %lld and %lld do not go together in dimension %d",
                      pvg_node_text(infer->node, text), (long long)x, (long long)y, i);
    } else if (!PVG_IS_SYMBOL(x)) size[i] = x; /* the other one is 1 or the same */
    else if (!PVG_IS_SYMBOL(y)) size[i] = y;
    else size[i] = pvg_symbol(infer);
  }
  out->ndim = (uint8_t)ndim;
  memcpy(out->size, size, (size_t)ndim * sizeof *size);
  return PVT_OK;
}

bool pvg_info_is_fixed(const pvg_info *info) {
  if (info->dtype < 0 || !info->ranked) return false;
  for (int i = 0; i < info->ndim; i++)
    if (PVG_IS_SYMBOL(info->size[i])) return false;
  return true;
}

int64_t pvg_info_bytes(const pvg_info *info) {
  int64_t bytes = (int64_t)pvt_itemsize((pvt_dtype)info->dtype);
  bool empty = false;
  for (int i = 0; i < info->ndim; i++) {
    if (info->size[i] == 0) empty = true;
    else if (__builtin_mul_overflow(bytes, info->size[i], &bytes) || bytes > (int64_t)1 << 62)
      return -1;
  }
  return empty ? 0 : bytes;
}

/* Sentences of operators may lack the node's name. */
static int with_name(int status, const pvg_node *node) {
  char text[PVG_NODE_TEXT], sentence[PVT_ERROR_MAX];
  snprintf(sentence, sizeof sentence, "%s", pvt_error());
  pvg_node_text(node, text);
  if (status == PVT_E_CANCELLED || status == PVT_E_QUOTA || strstr(sentence, text) != NULL)
    return status;
  return pvt_fail(status, "%s: %.700s", text, sentence);
}

int pvg_infer_node(pvg_symbols *symbols, const pvg_node *node, const pvg_info *const *inputs,
                   pvg_info *outputs) {
  for (int i = 0; i < node->output_count; i++) outputs[i] = (pvg_info){.dtype = -1};
  if (node->operator->infer == NULL) return PVT_OK;
  const pvg_operator *operator = node->operator;
  if (node->output_count < 1) return with_name(pvt_fail(PVT_E_VALUE, "it has no outputs"), node);
  for (int i = 0; i < node->input_count; i++)
    if (inputs[i] == NULL &&
        (i < operator->min_inputs || (operator->max_inputs < 0 && operator->min_inputs > 0)))
      return with_name(pvt_fail(PVT_E_VALUE, "its input %d is left out", i), node);
  pvg_infer infer = {.node = node,
                     .input_count = node->input_count,
                     .output_count = node->output_count,
                     .inputs = inputs,
                     .outputs = outputs,
                     .symbols = symbols};
  int status = node->operator->infer(&infer);
  if (status < 0) return with_name(status, node);
  for (int i = 0; i < node->output_count; i++)
    if (outputs[i].dtype >= 0 && pvg_info_is_fixed(&outputs[i]) && pvg_info_bytes(&outputs[i]) < 0)
      return with_name(pvt_fail(PVT_E_SHAPE, "its result is too large"), node);
  return PVT_OK;
}

int pvg_name_error(int status, const pvg_node *node) {
  return status < 0 ? with_name(status, node) : status;
}

/* ---- A whole graph, with symbols ---------------------------------------- */

int pvg_infer_graph(pvg_symbols *symbols, pvg_graph *graph) {
  for (int n = 0; n < graph->node_count; n++) {
    pvg_node *node = graph->nodes[n];
    for (int a = 0; a < node->attribute_count; a++)
      if (node->attributes[a].kind == PVG_GRAPH) {
        int status = pvg_infer_graph(symbols, node->attributes[a].graph);
        if (status < 0) return status;
      }
    size_t in = (size_t)node->input_count, out = (size_t)node->output_count;
    pvg_pool *scratch = pvg_pool_new();
    const pvg_info **inputs = scratch != NULL ? pvg_pool_array(scratch, in, sizeof *inputs) : NULL;
    pvg_info *outputs = inputs != NULL ? pvg_pool_array(scratch, out, sizeof *outputs) : NULL;
    int status = outputs != NULL ? PVT_OK : pvt_error_status();
    for (int i = 0; i < node->input_count && status >= 0; i++)
      inputs[i] = node->inputs[i] != NULL ? &node->inputs[i]->info : NULL;
    if (status >= 0) status = pvg_infer_node(symbols, node, inputs, outputs);
    for (int i = 0; i < node->output_count && status >= 0; i++) {
      if (node->outputs[i] == NULL || node->outputs[i]->info.constant != NULL) continue;
      int declared = node->outputs[i]->info.dtype;
      node->outputs[i]->info = outputs[i];
      if (outputs[i].dtype < 0) node->outputs[i]->info.dtype = declared;
    }
    pvg_pool_release(scratch);
    if (status < 0) return status;
  }
  return PVT_OK;
}

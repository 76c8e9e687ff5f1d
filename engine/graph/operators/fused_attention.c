/* fused_attention.c - softmax(scale q k + mask) v, as passes/attention.c puts it together.
**
** Inputs: q [..., n, d], k [..., d, m] as the product took it, v [..., m, e], mask or none. The
** attributes are what pvb_attending says.
*/
#include "attention_operators.h"
#include "rows.h"

int pvg_fused_attention_infer(pvg_infer *infer) {
  const pvg_info *q = infer->inputs[0], *v = infer->inputs[2];
  infer->outputs[0].dtype = q->dtype;
  if (!q->ranked || !v->ranked || q->ndim != v->ndim || q->ndim < 2) return PVT_OK;
  pvg_size size[PVT_MAX_DIMS];
  for (int d = 0; d < q->ndim; d++) size[d] = q->size[d] != 1 ? q->size[d] : v->size[d];
  size[q->ndim - 2] = q->size[q->ndim - 2];
  size[q->ndim - 1] = v->size[v->ndim - 1];
  pvg_info_sizes(&infer->outputs[0], q->ndim, size);
  return PVT_OK;
}

int pvg_fused_attention_run(pvg_call *call) {
  const pvt_array *q = call->inputs[0], *v = call->inputs[2];
  int ndim = q->ndim;
  if (ndim < 2 || v->ndim != ndim || call->inputs[1]->ndim != ndim)
    return pvt_fail(PVT_E_SHAPE, "queries, keys and values have different dimensions");
  pvt_array k;
  pvg_look(&k, call->inputs[1]);
  pvt_dim rows = k.dim[ndim - 1];
  k.dim[ndim - 1] = k.dim[ndim - 2];
  k.dim[ndim - 2] = rows;
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < ndim; d++) shape[d] = q->dim[d].size != 1 ? q->dim[d].size : v->dim[d].size;
  shape[ndim - 2] = q->dim[ndim - 2].size;
  shape[ndim - 1] = v->dim[ndim - 1].size;
  pvt_array *y = pvg_output(call, 0, PVT_FLOAT32, ndim, shape);
  if (y == NULL) return pvt_error_status();
  pvb_attending how = {.scale = pvg_float(call->node, "scale", 1),
                       .none_is_zero = pvg_int(call->node, "none_is_zero", 0) != 0,
                       .fast = pvg_may_be_fast(call)};
  return pvb_attention(q, &k, v, PVG_INPUT(call, 3), &how, pvg_team(call), y);
}

/* attend.c - scaled products of queries and keys, and what they weigh of the values. */
#include <math.h>
#include <string.h>

#include "attention_operators.h"
#include "context.h"
#include "kernels.h"

#define REAL float
#define NAME(x) x##_f32
#define F(x) x##f
#include "attend.inc"
#undef REAL
#undef NAME
#undef F
#define REAL double
#define NAME(x) x##_f64
#define F(x) x
#include "attend.inc"

/* [rows, size] of one head. */
static void head_of(const pvt_array *x, int64_t b, int64_t h, pvt_array *view) {
  *view = (pvt_array){.data = x->data + b * x->dim[0].stride + h * x->dim[1].stride,
                      .dtype = x->dtype,
                      .ndim = 2,
                      .writable = x->writable};
  view->dim[0] = x->dim[2];
  view->dim[1] = x->dim[3];
}

int pvg_attend_run(pvg_call *call, const pvg_attend *a) {
  int64_t batch = a->q.dim[0].size, heads = a->q.dim[1].size, key_heads = a->k.dim[1].size;
  int64_t rows = a->q.dim[2].size, columns = a->k.dim[2].size;
  int64_t shape[4] = {batch, heads, rows, columns};
  if (key_heads == 0 ? heads != 0 : heads % key_heads != 0)
    return pvt_fail(PVT_E_SHAPE, "%s: %lld heads of queries, %lld of keys", call->node->type,
                    (long long)heads, (long long)key_heads);
  bool fits = a->k.dim[0].size == batch && a->v.dim[0].size == batch &&
              a->v.dim[1].size == key_heads && a->v.dim[2].size == columns &&
              a->k.dim[3].size == a->q.dim[3].size;
  if (!fits)
    return pvt_fail(PVT_E_SHAPE, "%s: queries, keys and values do not fit", call->node->type);
  pvt_array bias, scores;
  if (a->bias != NULL) {
    pvg_look(&bias, a->bias);
    int status = pvt_view_broadcast(&bias, 4, shape);
    if (status != PVT_OK) return status;
  }
  int status = pvg_scratch_array(call, &scores, a->type, 2, shape + 2);
  for (int64_t i = 0; i < batch * heads && status == PVT_OK; i++) {
    int64_t b = i / heads, h = i % heads, key = h / (heads / key_heads);
    pvt_array q, k, v, y;
    head_of(&a->q, b, h, &q);
    head_of(&a->k, b, key, &k);
    head_of(&a->v, b, key, &v);
    head_of(&a->y, b, h, &y);
    pvt_dim rows_of_k = k.dim[0];
    k.dim[0] = k.dim[1];
    k.dim[1] = rows_of_k;
    status = pvt_matmul(&q, &k, &scores);
    const pvt_array *plus = a->bias != NULL ? &bias : NULL;
    if (status == PVT_OK)
      status = a->type == PVT_FLOAT64 ? weigh_head_f64(a, b, h, (double *)scores.data, plus)
                                      : weigh_head_f32(a, b, h, (float *)scores.data, plus);
    if (status == PVT_OK) status = pvt_matmul(&scores, &v, &y);
  }
  return status;
}

int pvg_split_heads(pvt_array *x, int64_t heads) {
  int64_t width = x->dim[x->ndim - 1].size;
  if (x->ndim != 3 || heads < 1 || width % heads != 0)
    return pvt_fail(PVT_E_SHAPE, "attention: %lld numbers do not make %lld heads", (long long)width,
                    (long long)heads);
  pvt_dim rows = x->dim[1], each = {width / heads, x->dim[2].stride};
  x->ndim = 4;
  x->dim[1] = (pvt_dim){heads, each.size * each.stride};
  x->dim[2] = rows;
  x->dim[3] = each;
  return PVT_OK;
}

int pvg_grow(pvg_call *call, int i, pvt_dtype dtype, const pvt_array *past, const pvt_array *x,
             pvt_array *all, pvg_result *result) {
  int64_t shape[PVT_MAX_DIMS];
  pvg_sizes_of(x, shape);
  result->out = NULL;
  result->data = NULL;
  bool wanted = i < call->output_count && pvg_output_wanted(call, i);
  if (past == NULL && !wanted) {
    pvg_look(all, x);
    return PVT_OK;
  }
  int64_t before = past != NULL ? past->dim[2].size : 0;
  if (past != NULL && (past->ndim != 4 || past->dim[0].size != shape[0] ||
                       past->dim[1].size != shape[1] || past->dim[3].size != shape[3]))
    return pvt_fail(PVT_E_SHAPE, "%s: what is past does not fit what is new", call->node->type);
  shape[2] += before;
  pvt_dtype type = (pvt_dtype)x->dtype;
  int status;
  if (wanted) {
    status = pvg_result_begin(call, result, i, dtype, type, 4, shape);
    if (status == PVT_OK) pvt_array_over(all, result->data, type, 4, shape);
  } else {
    status = pvg_scratch_array(call, all, type, 4, shape);
  }
  if (status != PVT_OK) return status;
  pvt_array part;
  if (past != NULL) {
    pvg_look(&part, all);
    status = pvt_view_slice(&part, 2, 0, before, 1);
    if (status == PVT_OK) status = pvt_copy(past, &part);
  }
  if (status == PVT_OK) {
    pvg_look(&part, all);
    status = pvt_view_slice(&part, 2, before, x->dim[2].size, 1);
  }
  if (status == PVT_OK) status = pvt_copy(x, &part);
  return status == PVT_OK && wanted ? pvg_result_end(result) : status;
}

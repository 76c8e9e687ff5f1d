/* choosing.c - operators that choose elements: gather, scatter, top-k, non-zero. */
#include "choosing_operators.h"

/* ---- Gather ------------------------------------------------------------- */

typedef struct gathering {
  int axis;
  bool single; /* one constant index: a view */
  int64_t index;
  int ndim;
  int64_t shape[PVT_MAX_DIMS];
} gathering;

static int out_of_bounds(int64_t index, int axis, int64_t size) {
  return pvt_fail(PVT_E_INDEX, "index %lld is out of bounds for axis %d with size %lld",
                  (long long)index, axis, (long long)size);
}

static int infer_gather(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0], *indices = infer->inputs[1];
  pvg_info *out = &infer->outputs[0];
  out->dtype = x->dtype;
  if (!x->ranked || !indices->ranked) return PVT_OK;
  int axis = pvg_axis(pvg_int(infer->node, "axis", 0), x->ndim);
  if (axis < 0) return axis;
  if (x->ndim - 1 + indices->ndim > PVT_MAX_DIMS)
    return pvt_fail(PVT_E_SHAPE, "the output has more than %d dimensions", PVT_MAX_DIMS);
  out->ranked = true;
  out->ndim = 0;
  for (int d = 0; d < axis; d++) out->size[out->ndim++] = x->size[d];
  for (int d = 0; d < indices->ndim; d++) out->size[out->ndim++] = indices->size[d];
  for (int d = axis + 1; d < x->ndim; d++) out->size[out->ndim++] = x->size[d];
  return PVT_OK;
}

static int prepare_gather(const pvg_prepare *prepare, void *memory) {
  gathering *state = memory;
  const pvg_info *x = prepare->inputs[0], *indices = prepare->inputs[1];
  const pvg_info *out = &prepare->outputs[0];
  state->axis = pvg_axis(pvg_int(prepare->node, "axis", 0), x->ndim);
  state->ndim = out->ndim;
  for (int d = 0; d < out->ndim; d++) state->shape[d] = out->size[d];
  state->single =
      indices->constant != NULL && indices->ndim <= 1 && pvt_array_count(indices->constant) == 1;
  if (!state->single) return PVT_OK;
  int64_t index = pvg_int_at(indices->constant, 0), size = x->size[state->axis];
  if (index < -size || index >= size) return out_of_bounds(index, state->axis, size);
  state->index = index < 0 ? index + size : index;
  return PVT_OK;
}

static int run_gather(pvg_call *call) {
  const gathering *state = call->state;
  const pvt_array *x = call->inputs[0];
  pvt_array indices;
  if (state->single) {
    if (state->ndim < x->ndim) {
      pvg_look_at(&indices, x, state->axis, state->index);
    } else {
      pvg_look(&indices, x);
      indices.data += state->index * x->dim[state->axis].stride;
      indices.dim[state->axis].size = 1;
    }
    return pvg_output_view(call, 0, &indices);
  }
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)x->dtype, state->ndim, state->shape);
  if (out == NULL) return pvt_error_status();
  int status = pvg_as(call, call->inputs[1], PVT_INT64, &indices);
  return status == PVT_OK ? pvt_take(x, &indices, state->axis, PVT_INDEX_RAISE, out) : status;
}

/* ---- GatherElements, GatherND ------------------------------------------- */

static int infer_gather_elements(pvg_infer *infer) {
  infer->outputs[0].dtype = infer->inputs[0]->dtype;
  pvg_info_shape(&infer->outputs[0], infer->inputs[1]);
  return PVT_OK;
}

static int run_gather_elements(pvg_call *call) {
  pvt_array x, indices;
  pvg_look(&x, call->inputs[0]);
  const pvt_array *places = call->inputs[1];
  int axis = pvg_axis(pvg_int(call->node, "axis", 0), x.ndim);
  if (axis < 0) return axis;
  if (places->ndim != x.ndim)
    return pvt_fail(PVT_E_SHAPE, "indices of %d dimensions for an input of %d", places->ndim,
                    x.ndim);
  int64_t shape[PVT_MAX_DIMS];
  pvg_shape_of(places, shape);
  for (int d = 0; d < x.ndim; d++) {
    if (d == axis) continue;
    if (shape[d] > x.dim[d].size)
      return pvt_fail(PVT_E_SHAPE, "%lld indices for %lld elements of axis %d", (long long)shape[d],
                      (long long)x.dim[d].size, d);
    x.dim[d].size = shape[d];
  }
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)x.dtype, x.ndim, shape);
  if (out == NULL) return pvt_error_status();
  int status = pvg_as(call, places, PVT_INT64, &indices);
  return status == PVT_OK ? pvt_take_along(&x, &indices, axis, out) : status;
}

static int infer_gather_nd(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0], *indices = infer->inputs[1];
  pvg_info *out = &infer->outputs[0];
  out->dtype = x->dtype;
  if (!x->ranked || !indices->ranked) return PVT_OK;
  int64_t batch = pvg_int(infer->node, "batch_dims", 0);
  if (indices->ndim < 1 || batch < 0 || batch >= indices->ndim || batch >= x->ndim)
    return pvt_fail(PVT_E_SHAPE, "%lld batch dimensions of indices with %d dimensions",
                    (long long)batch, indices->ndim);
  pvg_size k = indices->size[indices->ndim - 1];
  if (PVG_IS_SYMBOL(k)) return PVT_OK;
  if (k < 1 || k + batch > x->ndim)
    return pvt_fail(PVT_E_SHAPE, "indices of %lld numbers for %d dimensions", (long long)k,
                    x->ndim);
  int left = x->ndim - (int)(batch + k);
  if (indices->ndim - 1 + left > PVT_MAX_DIMS)
    return pvt_fail(PVT_E_SHAPE, "the output has more than %d dimensions", PVT_MAX_DIMS);
  out->ranked = true;
  out->ndim = (uint8_t)(indices->ndim - 1 + left);
  for (int d = 0; d < indices->ndim - 1; d++) out->size[d] = indices->size[d];
  for (int d = 0; d < left; d++) out->size[indices->ndim - 1 + d] = x->size[x->ndim - left + d];
  return PVT_OK;
}

void pvg_index_columns(const pvt_array *indices, pvt_array *columns, const pvt_array **pointers) {
  int last = indices->ndim - 1;
  for (int64_t i = 0; i < indices->dim[last].size; i++) {
    pvg_look_at(&columns[i], indices, last, i);
    pointers[i] = &columns[i];
  }
}

static int run_gather_nd(pvg_call *call) {
  const pvt_array *x = call->inputs[0];
  pvt_array indices;
  int batch = (int)pvg_int(call->node, "batch_dims", 0);
  int status = pvg_as(call, call->inputs[1], PVT_INT64, &indices);
  if (status != PVT_OK) return status;
  int last = indices.ndim - 1, count = batch + (int)indices.dim[last].size;
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < last; d++) shape[d] = indices.dim[d].size;
  for (int d = count; d < x->ndim; d++) shape[last + d - count] = x->dim[d].size;
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)x->dtype, last + x->ndim - count, shape);
  if (out == NULL) return pvt_error_status();
  pvt_array *columns = pvg_scratch(call, (size_t)count * sizeof *columns);
  if (columns == NULL) return pvt_error_status();
  const pvt_array *pointers[PVT_MAX_DIMS];
  for (int i = 0; i < batch; i++) { /* 0, 1, 2 ... along dimension i */
    if (x->dim[i].size != shape[i])
      return pvt_fail(PVT_E_SHAPE, "batch dimension %d has sizes %lld and %lld", i,
                      (long long)x->dim[i].size, (long long)shape[i]);
    pvt_array numbers;
    status = pvg_scratch_array(call, &numbers, PVT_INT64, 1, &shape[i]);
    if (status == PVT_OK) status = pvt_arange_int(&numbers, 0, 1);
    if (status != PVT_OK) return status;
    pvt_array_over(&columns[i], numbers.data, PVT_INT64, last, shape);
    for (int d = 0; d < last; d++) columns[i].dim[d].stride = d == i ? 8 : 0;
    pointers[i] = &columns[i];
  }
  pvg_index_columns(&indices, columns + batch, pointers + batch);
  return pvt_gather(x, pointers, count, out);
}

/* ---- NonZero, Compress, OneHot ------------------------------------------ */

static int infer_nonzero(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  pvg_size sizes[2] = {x->ranked ? x->ndim : pvg_symbol(infer), pvg_symbol(infer)};
  infer->outputs[0].dtype = PVT_INT64;
  pvg_info_sizes(&infer->outputs[0], 2, sizes);
  return PVT_OK;
}

static int run_nonzero(pvg_call *call) {
  const pvt_array *x = call->inputs[0];
  int64_t count;
  int status = pvt_nonzero_count(x, &count);
  if (status != PVT_OK) return status;
  pvt_array *out = pvg_output(call, 0, PVT_INT64, 2, (int64_t[]){x->ndim, count}), turned;
  if (out == NULL) return pvt_error_status();
  pvg_look(&turned, out);
  turned.dim[0] = out->dim[1];
  turned.dim[1] = out->dim[0];
  return pvt_nonzero(x, &turned);
}

static int infer_compress(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  const pvg_attribute *axis = pvg_attribute_of(infer->node, "axis");
  if (axis == NULL) return pvg_infer_open(infer, 1);
  if (!x->ranked) return pvg_infer_open(infer, -1);
  int at = pvg_axis(axis->i, x->ndim);
  if (at < 0) return at;
  pvg_infer_like(infer);
  infer->outputs[0].size[at] = pvg_symbol(infer);
  return PVT_OK;
}

/* The axis comes first. */
static void axis_first(pvt_array *array, int axis) {
  pvt_dim along = array->dim[axis];
  for (int d = axis; d > 0; d--) array->dim[d] = array->dim[d - 1];
  array->dim[0] = along;
}

static int run_compress(pvg_call *call) {
  const pvg_attribute *given = pvg_attribute_of(call->node, "axis");
  pvt_array x, mask, turned;
  int64_t shape[PVT_MAX_DIMS], count = pvt_array_count(call->inputs[0]), chosen;
  int axis = 0, status;
  pvg_look(&x, call->inputs[0]);
  if (given != NULL) {
    axis = pvg_axis(given->i, x.ndim);
    if (axis < 0) return axis;
  } else { /* of all elements in C order */
    bool possible;
    status = pvt_view_reshape(&x, 1, &count, &possible);
    if (status == PVT_OK && !possible) {
      pvg_shape_of(&x, shape);
      pvt_array copy;
      status = pvg_scratch_array(call, &copy, (pvt_dtype)x.dtype, x.ndim, shape);
      if (status == PVT_OK) status = pvt_copy(&x, &copy);
      if (status == PVT_OK) pvt_array_over(&x, copy.data, (pvt_dtype)x.dtype, 1, &count);
    }
    if (status != PVT_OK) return status;
  }
  pvg_look(&mask, call->inputs[1]);
  if (mask.ndim != 1 || mask.dtype != PVT_BOOL)
    return pvt_fail(PVT_E_SHAPE, "the condition is one row of bool");
  int64_t size = x.dim[axis].size;
  if (mask.dim[0].size > size) { /* more than there is: only if they choose nothing */
    pvt_array more;
    pvg_look(&more, &mask);
    more.data += size * mask.dim[0].stride;
    more.dim[0].size -= size;
    status = pvt_mask_count(&more, &chosen);
    if (status == PVT_OK && chosen > 0) return out_of_bounds(size, axis, size);
    if (status != PVT_OK) return status;
    mask.dim[0].size = size;
  }
  x.dim[axis].size = mask.dim[0].size;
  status = pvt_mask_count(&mask, &chosen);
  if (status != PVT_OK) return status;
  pvg_shape_of(&x, shape);
  shape[axis] = chosen;
  pvt_array *out = pvg_output(call, 0, (pvt_dtype)x.dtype, x.ndim, shape);
  if (out == NULL) return pvt_error_status();
  pvg_look(&turned, out);
  axis_first(&x, axis);
  axis_first(&turned, axis);
  return pvt_mask_take(&x, &mask, &turned);
}

static int infer_one_hot(pvg_infer *infer) {
  const pvg_info *indices = infer->inputs[0], *depth = infer->inputs[1];
  pvg_info *out = &infer->outputs[0];
  out->dtype = infer->inputs[2]->dtype;
  if (!indices->ranked) return PVT_OK;
  int ndim = indices->ndim + 1, axis = pvg_axis(pvg_int(infer->node, "axis", -1), ndim);
  if (axis < 0) return axis;
  if (ndim > PVT_MAX_DIMS) return pvt_fail(PVT_E_SHAPE, "the output has %d dimensions", ndim);
  bool known = depth->constant != NULL && pvt_array_count(depth->constant) == 1;
  out->ranked = true;
  out->ndim = (uint8_t)ndim;
  for (int d = 0, from = 0; d < ndim; d++)
    if (d != axis) out->size[d] = indices->size[from++];
    else out->size[d] = known ? pvg_int_at(depth->constant, 0) : pvg_symbol(infer);
  if (known && out->size[axis] < 0)
    return pvt_fail(PVT_E_VALUE, "the depth is %lld", (long long)out->size[axis]);
  return PVT_OK;
}

static int run_one_hot(pvg_call *call) {
  pvt_array indices, values;
  if (pvt_array_count(call->inputs[1]) != 1 || pvt_array_count(call->inputs[2]) != 2)
    return pvt_fail(PVT_E_SHAPE, "the depth is one element, the values are two");
  int status = pvg_as(call, call->inputs[0], PVT_INT64, &indices);
  if (status != PVT_OK) return status;
  int64_t depth = pvg_int_at(call->inputs[1], 0), shape[PVT_MAX_DIMS];
  int ndim = indices.ndim + 1, axis = pvg_axis(pvg_int(call->node, "axis", -1), ndim);
  if (axis < 0) return axis;
  if (depth < 0) return pvt_fail(PVT_E_VALUE, "the depth is %lld", (long long)depth);
  for (int d = 0, from = 0; d < ndim; d++) shape[d] = d == axis ? depth : indices.dim[from++].size;
  pvg_look(&values, call->inputs[2]);
  pvt_dtype dtype = (pvt_dtype)values.dtype;
  pvt_array *out = pvg_output(call, 0, dtype, ndim, shape);
  if (out == NULL) return pvt_error_status();
  status = pvt_fill(out, values.data); /* [off, on] */
  if (status != PVT_OK || depth == 0) return status;
  const char *on = values.data + values.dim[0].stride;
  size_t size = pvt_itemsize(dtype);
  int64_t count = pvt_array_count(&indices), inner = 1;
  for (int d = axis + 1; d < ndim; d++) inner *= shape[d];
  for (int64_t i = 0; i < count; i++) {
    int64_t index = pvg_int_at(&indices, i);
    if (index < -depth || index >= depth) continue; /* all off */
    if (index < 0) index += depth;
    memcpy(out->data + (size_t)((i / inner * depth + index) * inner + i % inner) * size, on, size);
  }
  return PVT_OK;
}

/* ---- The table ---------------------------------------------------------- */

const pvg_operator pvg_choosing_operators[] = {
    {"Compress", "", 9, 0, 2, 2, 0, infer_compress, 0, NULL, NULL, run_compress, NULL},
    {"Gather", "", 1, 0, 2, 2, PVG_VIEW, infer_gather, sizeof(gathering), prepare_gather, NULL,
     run_gather, NULL},
    {"GatherElements", "", 11, 0, 2, 2, 0, infer_gather_elements, 0, NULL, NULL,
     run_gather_elements, NULL},
    {"GatherND", "", 11, 0, 2, 2, 0, infer_gather_nd, 0, NULL, NULL, run_gather_nd, NULL},
    {"NonMaxSuppression", "", 10, 0, 2, 5, 0, pvg_suppression_infer, 0, NULL, NULL,
     pvg_suppression_run, NULL},
    {"NonZero", "", 9, 0, 1, 1, 0, infer_nonzero, 0, NULL, NULL, run_nonzero, NULL},
    {"OneHot", "", 9, 0, 3, 3, 0, infer_one_hot, 0, NULL, NULL, run_one_hot, NULL},
    {"Scatter", "", 9, 0, 3, 3, 0, pvg_infer_like, 0, NULL, NULL, pvg_scatter_elements_run, NULL},
    {"ScatterElements", "", 11, 0, 3, 3, 0, pvg_infer_like, 0, NULL, NULL, pvg_scatter_elements_run,
     NULL},
    {"ScatterND", "", 11, 0, 3, 3, 0, pvg_infer_like, 0, NULL, NULL, pvg_scatter_nd_run, NULL},
    {"TfIdfVectorizer", "", 9, 0, 1, 1, 0, pvg_ngrams_infer, sizeof(pvg_ngrams), pvg_ngrams_prepare,
     NULL, pvg_ngrams_run, NULL},
    {"TopK", "", 1, 0, 1, 2, 0, pvg_top_k_infer, 0, NULL, NULL, pvg_top_k_run, NULL},
    {"Unique", "", 11, 0, 1, 1, 0, pvg_unique_infer, 0, NULL, NULL, pvg_unique_run, NULL},
    {0},
};

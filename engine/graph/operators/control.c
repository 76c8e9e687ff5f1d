/* control.c - operators that run graphs: If, Loop, Scan. */
#include "control_operators.h"

/* ---- Piles -------------------------------------------------------------- */

static bool is_like(const pvt_array *a, const pvt_array *b) {
  if (a->dtype != b->dtype || a->ndim != b->ndim) return false;
  for (int d = 0; d < a->ndim; d++)
    if (a->dim[d].size != b->dim[d].size) return false;
  return true;
}

static size_t bytes_of(const pvt_array *array) {
  return (size_t)pvt_array_count(array) * pvt_itemsize((pvt_dtype)array->dtype);
}

int pvg_pile_add(pvg_pile *pile, const pvt_array *array) {
  size_t bytes = bytes_of(array);
  if (pile->count == 0) {
    if (array->ndim == PVT_MAX_DIMS)
      return pvt_fail(PVT_E_SHAPE, "the output has more than %d dimensions", PVT_MAX_DIMS);
    pvg_look(&pile->first, array);
  } else if (!is_like(&pile->first, array)) {
    char shapes[2][PVT_SHAPE_TEXT];
    return pvt_fail(PVT_E_SHAPE, "an iteration gives shape %s, one before gave %s",
                    pvt_shape_text(array, shapes[0]), pvt_shape_text(&pile->first, shapes[1]));
  }
  if (pile->count == pile->room) {
    size_t room = (size_t)pile->room * 2 + 4, size;
    if (__builtin_mul_overflow(room, bytes, &size))
      return pvt_fail(PVT_E_SHAPE, "an output is too large");
    pvt_buffer *larger = pvt_buffer_new(size);
    if (larger == NULL) return pvt_error_status();
    if (pile->count > 0)
      memcpy(pvt_buffer_data(larger), pvt_buffer_data(pile->buffer), (size_t)pile->count * bytes);
    pvt_buffer_release(pile->buffer);
    pile->buffer = larger;
    pile->room = (int64_t)room;
  }
  int64_t shape[PVT_MAX_DIMS];
  pvt_array place;
  pvg_shape_of(array, shape);
  pvt_array_over(&place, (char *)pvt_buffer_data(pile->buffer) + (size_t)pile->count * bytes,
                 (pvt_dtype)array->dtype, array->ndim, shape);
  pile->count++;
  return bytes > 0 ? pvt_copy(array, &place) : PVT_OK;
}

int pvg_pile_give(pvg_call *call, int i, const pvg_pile *pile, const pvg_info *info, int axis,
                  bool backward) {
  if (!pvg_output_wanted(call, i)) return PVT_OK;
  int ndim = pile->count > 0 ? pile->first.ndim : info->ranked ? info->ndim : 0;
  int dtype = pile->count > 0 ? pile->first.dtype : info->dtype;
  int64_t own[PVT_MAX_DIMS], shape[PVT_MAX_DIMS];
  if (dtype < 0) return pvt_fail(PVT_E_DTYPE, "the type of output %d is not known", i);
  axis = pvg_axis(axis, ndim + 1);
  if (axis < 0) return axis;
  for (int d = 0; d < ndim; d++) {
    own[d] = pile->count > 0 ? pile->first.dim[d].size : info->size[d];
    if (own[d] < 0) own[d] = 0;
    shape[d < axis ? d : d + 1] = own[d];
  }
  shape[axis] = pile->count;
  pvt_array *out = pvg_output(call, i, (pvt_dtype)dtype, ndim + 1, shape), from, to;
  if (out == NULL) return pvt_error_status();
  if (pile->count == 0 || pvt_array_count(out) == 0) return PVT_OK;
  /* [count, own...] to the axis' place. */
  memmove(own + 1, own, (size_t)ndim * sizeof *own);
  own[0] = pile->count;
  pvt_array_over(&from, pvt_buffer_data(pile->buffer), (pvt_dtype)dtype, ndim + 1, own);
  if (backward) {
    from.data += (pile->count - 1) * from.dim[0].stride;
    from.dim[0].stride = -from.dim[0].stride;
  }
  pvg_look(&to, out);
  pvt_dim along = to.dim[axis];
  for (int d = axis; d > 0; d--) to.dim[d] = to.dim[d - 1];
  to.dim[0] = along;
  return pvt_copy(&from, &to);
}

void pvg_pile_release(pvg_pile *pile) {
  pvt_buffer_release(pile->buffer);
  pile->buffer = NULL;
}

/* ---- Inference ---------------------------------------------------------- */

int pvg_check_body(const pvg_graph *body, int inputs, int outputs) {
  if (body == NULL) return pvt_fail(PVT_E_VALUE, "the graph to be run is left out");
  if (body->input_count == inputs && body->output_count == outputs) return PVT_OK;
  return pvt_fail(PVT_E_VALUE,
                  "the graph takes %d values and gives %d, where it should be %d and %d",
                  body->input_count, body->output_count, inputs, outputs);
}

void pvg_infer_state(pvg_infer *infer, const pvg_info *initial, const pvg_value *in,
                     const pvg_value *body_out, pvg_info *out) {
  const pvg_info *after = &body_out->info, *before = &in->info;
  out->dtype = initial->dtype >= 0 ? initial->dtype : after->dtype;
  if (!after->ranked || !initial->ranked || after->ndim != initial->ndim) return;
  out->ranked = true;
  out->ndim = initial->ndim;
  for (int d = 0; d < initial->ndim; d++) {
    bool kept = after->size[d] == initial->size[d] && !PVG_IS_SYMBOL(initial->size[d]);
    if (before->ranked && before->ndim == after->ndim && before->size[d] == after->size[d])
      kept = true; /* the same symbol goes in and comes out */
    out->size[d] = kept ? initial->size[d] : pvg_symbol(infer);
  }
}

void pvg_infer_pile(pvg_infer *infer, const pvg_value *body_out, int64_t axis, pvg_size count,
                    pvg_info *out) {
  const pvg_info *each = &body_out->info;
  out->dtype = each->dtype;
  if (!each->ranked || each->ndim == PVT_MAX_DIMS) return;
  if (axis < 0) axis += each->ndim + 1;
  out->ranked = true;
  out->ndim = (uint8_t)(each->ndim + 1);
  for (int d = 0, from = 0; d < out->ndim; d++)
    if (d == axis) out->size[d] = count;
    else {
      pvg_size size = from < each->ndim ? each->size[from++] : 0;
      out->size[d] = PVG_IS_SYMBOL(size) ? pvg_symbol(infer) : size;
    }
}

/* ---- If ----------------------------------------------------------------- */

static int infer_if(pvg_infer *infer) {
  const pvg_graph *branches[2] = {pvg_subgraph(infer->node, "then_branch"),
                                  pvg_subgraph(infer->node, "else_branch")};
  for (int i = 0; i < 2; i++) {
    int status = pvg_check_body(branches[i], 0, infer->output_count);
    if (status != PVT_OK) return status;
  }
  for (int i = 0; i < infer->output_count; i++) {
    const pvg_info *a = &branches[0]->outputs[i]->info, *b = &branches[1]->outputs[i]->info;
    pvg_info *out = &infer->outputs[i];
    if (a->dtype >= 0 && b->dtype >= 0 && a->dtype != b->dtype)
      return pvt_fail(PVT_E_DTYPE, "output %d is %s in one branch and %s in the other", i,
                      pvt_dtype_name(a->dtype), pvt_dtype_name(b->dtype));
    out->dtype = a->dtype >= 0 ? a->dtype : b->dtype;
    if (!a->ranked || !b->ranked || a->ndim != b->ndim) continue;
    out->ranked = true;
    out->ndim = a->ndim;
    for (int d = 0; d < a->ndim; d++) {
      bool same = a->size[d] == b->size[d] && !PVG_IS_SYMBOL(a->size[d]);
      out->size[d] = same ? a->size[d] : pvg_symbol(infer);
    }
  }
  return PVT_OK;
}

static int run_if(pvg_call *call) {
  const pvt_array *condition = call->inputs[0];
  if (pvt_array_count(condition) != 1)
    return pvt_fail(PVT_E_SHAPE, "the condition is not one element");
  bool holds = pvg_int_at(condition, 0) != 0;
  const pvg_graph *branch = pvg_subgraph(call->node, holds ? "then_branch" : "else_branch");
  pvt_array *outputs = pvg_scratch(call, (size_t)call->output_count * sizeof *outputs + 1);
  if (outputs == NULL) return pvt_error_status();
  int status = pvg_call_graph(call, branch, NULL, outputs);
  if (status != PVT_OK) return status;
  for (int i = 0; i < call->output_count; i++) {
    if (status == PVT_OK) status = pvg_output_view(call, i, &outputs[i]);
    pvt_array_release(&outputs[i]);
  }
  return status;
}

/* ---- The table ---------------------------------------------------------- */

const pvg_operator pvg_control_operators[] = {
    {"If", "", 1, 0, 1, 1, 0, infer_if, 0, NULL, NULL, run_if, NULL},
    {"Loop", "", 1, 0, 0, -1, 0, pvg_loop_infer, 0, NULL, NULL, pvg_loop_run, NULL},
    {"Scan", "", 8, 0, 0, -1, 0, pvg_scan_infer, 0, NULL, NULL, pvg_scan_run, NULL},
    {0},
};

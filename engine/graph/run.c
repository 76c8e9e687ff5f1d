/* run.c - what operators ask for while they run: results, views, scratch. */
#include "run.h"

#include <string.h>

#include "infer.h"
#include "plan.h"

/* ---- Outputs ------------------------------------------------------------ */

bool pvg_output_wanted(const pvg_call *call, int i) {
  const pvg_active *active = (const pvg_active *)call;
  return i < call->output_count && active->outputs[i] != NULL;
}

static bool is_as_foreseen(const pvt_array *array, pvt_dtype dtype, int ndim,
                           const int64_t *shape) {
  if (array->dtype != dtype || array->ndim != ndim) return false;
  for (int i = 0; i < ndim; i++)
    if (array->dim[i].size != shape[i]) return false;
  return true;
}

static pvt_array *disagree(const pvg_call *call, int i) {
  char text[PVG_NODE_TEXT];
  pvt_fail(PVT_E_SHAPE, "%s gave another type or shape for output %d than was inferred",
           pvg_node_text(call->node, text), i);
  return NULL;
}

pvt_array *pvg_output(pvg_call *call, int i, pvt_dtype dtype, int ndim, const int64_t *shape) {
  pvg_active *active = (pvg_active *)call;
  if (i >= call->output_count || active->outputs[i] == NULL) return NULL;
  pvt_array *output = active->outputs[i];
  if (active->dry) {
    active->copied = true;
    pvt_fail(PVT_E_UNSUPPORTED, "no view");
    return NULL;
  }
  if (active->placed != NULL && active->placed[i])
    return is_as_foreseen(output, dtype, ndim, shape) ? output : disagree(call, i);
  pvt_array_release(output);
  return pvt_array_new(output, dtype, ndim, shape) == PVT_OK ? output : NULL;
}

pvt_array *pvg_output_over(pvg_call *call, int i, int j, pvt_dtype dtype, int ndim,
                           const int64_t *shape) {
  (void)j; /* the plan has done it, where it can be */
  return pvg_output(call, i, dtype, ndim, shape);
}

int pvg_output_view(pvg_call *call, int i, const pvt_array *view) {
  pvg_active *active = (pvg_active *)call;
  if (i >= call->output_count || active->outputs[i] == NULL) return PVT_OK;
  pvt_array *output = active->outputs[i];
  if (active->placed != NULL && active->placed[i]) {
    /* Foreseen as memory of its own: planned where the view was not possible. */
    int64_t shape[PVT_MAX_DIMS];
    for (int d = 0; d < view->ndim; d++) shape[d] = view->dim[d].size;
    if (!is_as_foreseen(output, (pvt_dtype)view->dtype, view->ndim, shape)) {
      disagree(call, i);
      return PVT_E_SHAPE;
    }
    return pvt_copy(view, output);
  }
  if (output == view) return PVT_OK;
  pvt_buffer *before = active->dry ? NULL : output->buffer;
  if (active->dry) {
    memcpy(output, view, offsetof(pvt_array, dim) + view->ndim * sizeof(pvt_dim));
    output->buffer = NULL;
  } else pvt_array_view(output, view);
  output->writable = false;
  pvt_buffer_release(before);
  return PVT_OK;
}

/* ---- Scratch ------------------------------------------------------------ */

void *pvg_scratch(pvg_call *call, size_t bytes) {
  pvg_frame *frame = call->frame;
  size_t size = (bytes + 63) / 64 * 64;
  if (size < bytes) size = SIZE_MAX / 2;
  size_t held = frame->scratch != NULL ? pvt_buffer_size(frame->scratch) : 0;
  if (frame->scratch == NULL && frame->scratch_used == 0) {
    frame->scratch = pvt_buffer_new(size > 4096 ? size : 4096);
    if (frame->scratch == NULL) return NULL;
    held = pvt_buffer_size(frame->scratch);
  }
  frame->scratch_wanted += size;
  if (held - frame->scratch_used >= size) {
    void *taken = (char *)pvt_buffer_data(frame->scratch) + frame->scratch_used;
    frame->scratch_used += size;
    return taken;
  }
  if (frame->scratch_more == NULL) frame->scratch_more = pvg_pool_new();
  if (frame->scratch_more == NULL) return NULL;
  pvt_buffer *buffer = pvt_buffer_new(size);
  if (buffer == NULL) return NULL;
  void *taken = pvt_buffer_data(buffer);
  return pvg_pool_keep(frame->scratch_more, buffer) == PVT_OK ? taken : NULL;
}

void pvg_scratch_reset(pvg_frame *frame) {
  if (frame->scratch_wanted == 0) return;
  if (frame->scratch_more != NULL) {
    /* Next time in one piece. */
    pvg_pool_release(frame->scratch_more);
    frame->scratch_more = NULL;
    pvt_buffer_release(frame->scratch);
    frame->scratch = pvt_buffer_new(frame->scratch_wanted); /* or NULL: asked for again then */
  }
  frame->scratch_used = frame->scratch_wanted = 0;
}

void pvg_scratch_release(pvg_frame *frame) {
  pvg_pool_release(frame->scratch_more);
  pvt_buffer_release(frame->scratch);
  frame->scratch = NULL;
  frame->scratch_more = NULL;
  frame->scratch_used = frame->scratch_wanted = 0;
}

/* ---- A node as it comes -------------------------------------------------- */

void *pvg_prepare_memory(const pvg_prepare *prepare, size_t bytes) {
  return pvg_pool_take(prepare->pool, bytes);
}

static int prepare_and_run(pvg_frame *frame, const pvg_node *node, const pvt_array *const *inputs,
                           pvt_array *const *outputs, const bool *placed, pvg_pool *pool) {
  size_t in = (size_t)node->input_count, out = (size_t)node->output_count;
  pvg_info *infos = pvg_pool_array(pool, in + out, sizeof *infos);
  const pvg_info **pointers = pvg_pool_array(pool, in + 1, sizeof *pointers);
  const pvg_operator *operator = node->operator;
  void *state = pvg_pool_take(pool, operator->state_size + 1);
  if (infos == NULL || pointers == NULL || state == NULL) return pvt_error_status();
  for (size_t i = 0; i < in; i++) {
    if (inputs[i] == NULL) continue;
    pvg_info_of(&infos[i], inputs[i]);
    infos[i].constant = inputs[i];
    pointers[i] = &infos[i];
  }
  pvg_symbols symbols = {0};
  int status = pvg_infer_node(&symbols, node, pointers, infos + in);
  if (status < 0) return status;
  bool prepared = operator->state_size > 0 && operator->prepare != NULL;
  if (prepared) {
    pvg_prepare prepare = {.node = node,
                           .input_count = node->input_count,
                           .output_count = node->output_count,
                           .inputs = pointers,
                           .outputs = infos + in,
                           .pool = pool};
    status = operator->prepare(&prepare, state);
    if (status != PVT_OK) return status < 0 ? pvg_name_error(status, node) : PVT_E_VALUE;
  }
  pvg_active active = {.call = {.node = node,
                                .state = prepared ? state : NULL,
                                .input_count = node->input_count,
                                .output_count = node->output_count,
                                .inputs = inputs,
                                .frame = frame},
                       .outputs = outputs,
                       .placed = placed};
  status = operator->run(&active.call);
  if (prepared && operator->unprepare != NULL) operator->unprepare(state);
  pvg_scratch_reset(frame);
  return pvg_name_error(status, node);
}

int pvg_run_node(pvg_frame *frame, const pvg_node *node, const pvt_array *const *inputs,
                 pvt_array *const *outputs, const bool *placed) {
  pvg_pool *pool = pvg_pool_new();
  if (pool == NULL) return pvt_error_status();
  int status = prepare_and_run(frame, node, inputs, outputs, placed, pool);
  pvg_pool_release(pool);
  return status;
}

struct pvb_team *pvg_team(const pvg_call *call) {
  return call->frame->team;
}

bool pvg_may_be_fast(const pvg_call *call) {
  const pvg_plan *plan = call->frame->plan;
  return plan != NULL && plan->model->options.precision == PVG_FAST;
}

/* session.c - running a model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "infer.h"
#include "model.h"
#include "run.h"

struct pvg_session {
  pvg_model *model;
};

int pvg_session_new(pvg_model *model, pvg_session **session) {
  *session = calloc(1, sizeof **session);
  if (*session == NULL) return pvt_fail(PVT_E_NOMEM, "out of memory");
  (*session)->model = pvg_model_retain(model);
  return PVT_OK;
}

void pvg_session_release(pvg_session *session) {
  if (session == NULL) return;
  pvg_model_release(session->model);
  free(session);
}

/* ---- A graph, node by node ---------------------------------------------- */

static pvt_array *array_of(const pvg_frame *frame, const pvg_value *value) {
  if (value->info.constant != NULL) return (pvt_array *)value->info.constant;
  if (value->graph == frame->graph) return frame->arrays[value->index];
  for (int i = 0; i < frame->graph->capture_count; i++)
    if (frame->graph->captures[i] == value) return frame->captures[i];
  return NULL;
}

static int run_nodes(pvg_frame *frame, pvg_pool *pool, pvt_array *room) {
  const pvg_graph *graph = frame->graph;
  for (int n = 0; n < graph->node_count; n++) {
    const pvg_node *node = graph->nodes[n];
    const pvt_array **inputs = pvg_pool_array(pool, (size_t)node->input_count + 1, sizeof *inputs);
    pvt_array **outputs = pvg_pool_array(pool, (size_t)node->output_count + 1, sizeof *outputs);
    if (inputs == NULL || outputs == NULL) return pvt_error_status();
    for (int i = 0; i < node->input_count; i++)
      if (node->inputs[i] != NULL) inputs[i] = array_of(frame, node->inputs[i]);
    for (int i = 0; i < node->output_count; i++) {
      if (node->outputs[i] == NULL) continue;
      outputs[i] = &room[node->outputs[i]->index];
      frame->arrays[node->outputs[i]->index] = outputs[i];
    }
    int status = pvt_poll();
    if (status == PVT_OK) status = pvg_run_node(frame, node, inputs, outputs);
    if (status < 0) return status;
  }
  return PVT_OK;
}

static int give_output(const pvg_frame *frame, const pvg_value *value, pvt_array *output) {
  const pvt_array *array = array_of(frame, value);
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < array->ndim; i++) shape[i] = array->dim[i].size;
  int status = pvt_array_new(output, (pvt_dtype)array->dtype, array->ndim, shape);
  return status < 0 ? status : pvt_copy(array, output);
}

static int run_graph(pvg_session *session, const pvg_graph *graph, pvt_array **captures,
                     const pvt_array *const *inputs, pvt_array *outputs) {
  pvg_pool *pool = pvg_pool_new();
  if (pool == NULL) return pvt_error_status();
  int status = PVT_OK, given = 0;
  size_t count = (size_t)graph->value_count;
  pvt_array *room = pvg_pool_array(pool, count + 1, sizeof *room);
  pvg_frame frame = {.session = session, .graph = graph, .captures = captures};
  frame.arrays = pvg_pool_array(pool, count + 1, sizeof *frame.arrays);
  if (room == NULL || frame.arrays == NULL) status = pvt_error_status();
  else {
    for (int i = 0; i < graph->input_count; i++)
      frame.arrays[graph->inputs[i]->index] = (pvt_array *)inputs[i];
    status = run_nodes(&frame, pool, room);
    for (; given < graph->output_count && status >= 0; given++)
      status = give_output(&frame, graph->outputs[given], &outputs[given]);
    for (size_t i = 0; i < count; i++) pvt_array_release(&room[i]);
  }
  if (status < 0)
    while (given-- > 0) pvt_array_release(&outputs[given]);
  pvg_scratch_release(&frame);
  pvg_pool_release(pool);
  return status;
}

int pvg_call_graph(pvg_call *call, const pvg_graph *graph, const pvt_array *const *inputs,
                   pvt_array *outputs) {
  const pvg_frame *frame = call->frame;
  pvt_array **captures = calloc((size_t)graph->capture_count + 1, sizeof *captures);
  if (captures == NULL) return pvt_fail(PVT_E_NOMEM, "out of memory");
  for (int i = 0; i < graph->capture_count; i++) captures[i] = array_of(frame, graph->captures[i]);
  int status = run_graph(frame->session, graph, captures, inputs, outputs);
  free(captures);
  return status;
}

/* ---- Runs --------------------------------------------------------------- */

static int check_input(const pvg_model *model, int i, const pvt_array *array) {
  const pvg_value *value = model->graph->inputs[i];
  if (value->info.dtype >= 0 && array->dtype != value->info.dtype)
    return pvt_fail(PVT_E_DTYPE, "the input '%.100s' should be of %s, and is of %s", value->name,
                    pvt_dtype_name(value->info.dtype), pvt_dtype_name(array->dtype));
  if (!value->info.ranked) return PVT_OK;
  bool fits = array->ndim == value->info.ndim;
  for (int d = 0; d < array->ndim && fits; d++)
    fits = PVG_IS_SYMBOL(value->info.size[d]) || value->info.size[d] == array->dim[d].size;
  if (fits) return PVT_OK;
  char wanted[PVT_SHAPE_TEXT] = "(", text[PVT_SHAPE_TEXT];
  size_t used = 1;
  for (int d = 0; d < value->info.ndim && used < 90; d++) {
    const char *symbol = pvg_symbol_name(&model->symbols, value->info.size[d]);
    if (PVG_IS_SYMBOL(value->info.size[d]))
      used += (size_t)snprintf(wanted + used, 30, "%s%.20s", d > 0 ? ", " : "",
                               symbol != NULL ? symbol : "any");
    else
      used += (size_t)snprintf(wanted + used, 30, "%s%lld", d > 0 ? ", " : "",
                               (long long)value->info.size[d]);
  }
  snprintf(wanted + used, sizeof wanted - used, ")");
  return pvt_fail(PVT_E_SHAPE, "the input '%.100s' should have the shape %s, and has %s",
                  value->name, wanted, pvt_shape_text(array, text));
}

int pvg_session_run(pvg_session *session, const pvt_array *const *inputs, pvt_array *outputs) {
  const pvg_graph *graph = session->model->graph;
  for (int i = 0; i < graph->input_count; i++) {
    int status = check_input(session->model, i, inputs[i]);
    if (status < 0) return status;
  }
  return run_graph(session, graph, NULL, inputs, outputs);
}

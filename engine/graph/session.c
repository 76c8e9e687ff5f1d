/* session.c - running a model. */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>

#include "team.h"

int pvg_session_new(pvg_model *model, pvg_session **session) {
  *session = calloc(1, sizeof **session);
  if (*session == NULL) return pvt_fail(PVT_E_NOMEM, "out of memory");
  (*session)->model = pvg_model_retain(model);
  return PVT_OK;
}

void pvg_session_release(pvg_session *session) {
  if (session == NULL) return;
  while (session->bounds != NULL) {
    pvg_bound *bound = session->bounds;
    session->bounds = bound->next;
    pvg_bound_release(bound);
  }
  pvt_buffer_release(session->arena.buffer);
  pvg_model_release(session->model);
  free(session);
}

/* The array of a value that a graph captures, in the frame of the graph around it. */
static const pvt_array *captured(const pvg_frame *frame, const pvg_value *value) {
  const pvg_graph *graph = frame->plan->graph;
  if (value->graph == graph) return frame->arrays[value->index];
  for (int i = 0; i < graph->capture_count; i++)
    if (graph->captures[i] == value) return frame->arrays[graph->value_count + i];
  return NULL;
}

int pvg_call_graph(pvg_call *call, const pvg_graph *graph, const pvt_array *const *inputs,
                   pvt_array *outputs) {
  const pvg_frame *frame = call->frame;
  if (frame->session == NULL)
    return pvt_fail(PVT_E_UNSUPPORTED, "graphs within nodes need a session");
  const pvt_array *few[16], **captures = few;
  if (graph->capture_count > 16) {
    captures = malloc((size_t)graph->capture_count * sizeof *captures);
    if (captures == NULL) return pvt_fail(PVT_E_NOMEM, "out of memory");
  }
  int status = PVT_OK;
  for (int i = 0; i < graph->capture_count && status >= 0; i++) {
    captures[i] = captured(frame, graph->captures[i]);
    if (captures[i] == NULL || captures[i]->data == NULL)
      status = pvt_fail(PVT_E_VALUE, "'%.100s' is read in a graph before it is there",
                        graph->captures[i]->name);
  }
  pvg_bound *bound;
  if (status >= 0) status = pvg_bound_get(frame->session, graph, inputs, captures, &bound);
  if (status >= 0) {
    bound->frame.team = frame->team;
    status = pvg_bound_run(bound, inputs, captures, outputs);
  }
  if (captures != few) free(captures);
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

static int check_inputs(const pvg_model *model, const pvt_array *const *inputs) {
  int status = PVT_OK;
  for (int i = 0; i < model->graph->input_count && status >= 0; i++)
    status = check_input(model, i, inputs[i]);
  return status;
}

int pvg_session_run(pvg_session *session, const pvt_array *const *inputs, pvt_array *outputs) {
  int status = check_inputs(session->model, inputs);
  pvg_bound *bound;
  if (status >= 0) status = pvg_bound_get(session, session->model->graph, inputs, NULL, &bound);
  if (status < 0) return status;
  pvb_crew crew;
  bound->frame.team = pvb_crew_join(&crew, session->model->options.threads);
  status = pvg_bound_run(bound, inputs, NULL, outputs);
  if (bound->frame.team != NULL) pvb_crew_leave(&crew);
  bound->frame.team = NULL;
  return status;
}

int pvg_model_prepare(pvg_model *model, const pvt_array *const *inputs) {
  int status = check_inputs(model, inputs);
  pvg_plan *plan;
  if (status >= 0)
    status = pvg_plans_get(model->graph->plans, model, model->graph, inputs, NULL, &plan);
  if (status >= 0) pvg_plan_release(plan);
  return status;
}

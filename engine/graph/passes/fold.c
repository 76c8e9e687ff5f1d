/* fold.c - nodes that only read constants are computed when the model is loaded. */
#include "passes.h"
#include "run.h"

/* Results that are kept: as much as this, and what is no larger than some times what it is made of.
** Some models compute their weights; others would fill the memory from a file of a few bytes. */
#define MOST_FOLDED ((int64_t)1 << 30)
#define TIMES 4

static bool can_fold(pvg_pass *pass, const pvg_node *node) {
  unsigned traits = node->operator->traits;
  int64_t bytes = 0, result = 0;
  if (traits & PVG_RANDOM) return false;
  for (int a = 0; a < node->attribute_count; a++)
    if (node->attributes[a].kind == PVG_GRAPH) return false;
  for (int i = 0; i < node->input_count; i++) {
    if (node->inputs[i] == NULL) continue;
    const pvg_info *info = &node->inputs[i]->info;
    if (info->constant == NULL) return false;
    bytes += pvg_info_bytes(info);
  }
  for (int i = 0; i < node->output_count; i++) {
    if (node->outputs[i] == NULL) continue;
    const pvg_info *info = &node->outputs[i]->info;
    if (!pvg_info_is_fixed(info)) {
      if (bytes > MOST_FOLDED) return false;
    } else result += pvg_info_bytes(info);
  }
  if (result > TIMES * bytes && pass->folded + result > MOST_FOLDED) return false;
  if (result > TIMES * bytes) pass->folded += result;
  return true;
}

static int compute(pvg_pass *pass, const pvg_node *node, pvg_pool *scratch) {
  size_t in = (size_t)node->input_count, out = (size_t)node->output_count;
  const pvt_array **inputs = pvg_pool_array(scratch, in + 1, sizeof *inputs);
  pvt_array *made = pvg_pool_array(scratch, out + 1, sizeof *made);
  pvt_array **outputs = pvg_pool_array(scratch, out + 1, sizeof *outputs);
  if (inputs == NULL || made == NULL || outputs == NULL) return pvt_error_status();
  for (size_t i = 0; i < in; i++)
    if (node->inputs[i] != NULL) inputs[i] = node->inputs[i]->info.constant;
  for (size_t i = 0; i < out; i++)
    if (node->outputs[i] != NULL) outputs[i] = &made[i];
  pvg_frame frame = {0};
  int status = pvg_run_node(&frame, node, inputs, outputs, NULL);
  pvg_scratch_release(&frame);
  for (size_t i = 0; i < out; i++) {
    if (status < 0 || outputs[i] == NULL) {
      pvt_array_release(&made[i]);
      continue;
    }
    made[i].writable = false;
    pvt_array *held = pvg_pool_hold(pass->pool, &made[i]);
    if (held == NULL) {
      status = pvt_error_status();
      continue;
    }
    pvg_info_of(&node->outputs[i]->info, held);
    node->outputs[i]->info.constant = held;
    node->outputs[i]->producer = NULL;
  }
  return status;
}

int pvg_fold_constants(pvg_pass *pass) {
  pvg_graph *graph = pass->graph;
  int kept = 0, status = PVT_OK;
  for (int n = 0; n < graph->node_count; n++) {
    pvg_node *node = graph->nodes[n];
    if (status < 0 || !can_fold(pass, node)) {
      graph->nodes[kept++] = node;
      continue;
    }
    pvg_pool *scratch = pvg_pool_new();
    if (scratch == NULL) return pvt_error_status();
    status = compute(pass, node, scratch);
    pvg_pool_release(scratch);
    if (status >= 0) pass->changes++;
    else graph->nodes[kept++] = node;
    /* What cannot be computed fails where a run comes to it, if one does. */
    if (status != PVT_E_CANCELLED && status != PVT_E_QUOTA && status != PVT_E_NOMEM)
      status = PVT_OK;
  }
  graph->node_count = kept;
  return status;
}

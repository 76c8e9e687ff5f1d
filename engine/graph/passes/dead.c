/* dead.c - nodes whose results nobody reads. */
#include "passes.h"

static bool is_read(const pvg_node *node) {
  for (int i = 0; i < node->output_count; i++)
    if (node->outputs[i] != NULL && node->outputs[i]->users > 0) return true;
  return false;
}

static void let_go(const pvg_graph *graph, const pvg_node *node) {
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i] != NULL && node->inputs[i]->graph == graph) node->inputs[i]->users--;
  for (int a = 0; a < node->attribute_count; a++) {
    if (node->attributes[a].kind != PVG_GRAPH) continue;
    const pvg_graph *inner = node->attributes[a].graph;
    for (int i = 0; i < inner->capture_count; i++)
      if (inner->captures[i]->graph == graph) inner->captures[i]->users--;
  }
}

int pvg_remove_dead(pvg_pass *pass) {
  pvg_graph *graph = pass->graph;
  /* From the end: what only dead nodes read is dead by the time that it is looked at. */
  for (int n = graph->node_count - 1; n >= 0; n--) {
    if (is_read(graph->nodes[n])) continue;
    let_go(graph, graph->nodes[n]);
    graph->nodes[n] = NULL;
    pass->changes++;
  }
  int kept = 0;
  for (int n = 0; n < graph->node_count; n++)
    if (graph->nodes[n] != NULL) graph->nodes[kept++] = graph->nodes[n];
  graph->node_count = kept;
  return PVT_OK;
}

/* order.c - a graph's nodes in an order in which they can be run, and who reads what. */
#include <string.h>

#include "ir.h"
#include "pool.h"

typedef struct list {
  pvg_value **items;
  int count, capacity;
} list;

typedef struct indexing {
  pvg_pool *pool;    /* of the model */
  pvg_pool *scratch; /* of this time */
  pvg_graph *graph;
  list values, captures;
  pvg_names captured; /* by address */
} indexing;

static int append(pvg_pool *pool, list *list, pvg_value *value) {
  if (list->count == list->capacity) {
    int capacity = list->capacity > 0 ? 2 * list->capacity : 16;
    pvg_value **items = pvg_pool_array(pool, (size_t)capacity, sizeof *items);
    if (items == NULL) return pvt_error_status();
    if (list->count > 0) memcpy(items, list->items, (size_t)list->count * sizeof *items);
    list->items = items;
    list->capacity = capacity;
  }
  list->items[list->count++] = value;
  return PVT_OK;
}

/* Give the value a place among the graph's, once: places are -1 before. */
static int place(indexing *indexing, pvg_value *value) {
  if (value->index >= 0) return PVT_OK;
  value->index = indexing->values.count;
  return append(indexing->scratch, &indexing->values, value);
}

/* The graph reads a value of its own or of an outer graph's. */
static int read_value(indexing *indexing, pvg_value *value) {
  if (value->graph == indexing->graph) {
    value->users++;
    return place(indexing, value);
  }
  if (value->info.constant != NULL) return PVT_OK;
  void *key = pvg_pool_take(indexing->scratch, sizeof value);
  if (key == NULL) return pvt_error_status();
  memcpy(key, &value, sizeof value);
  int status = pvg_names_add(&indexing->captured, indexing->scratch, key, sizeof value, value);
  return status == 1 ? append(indexing->scratch, &indexing->captures, value) : status;
}

static void forget(pvg_graph *graph) {
  for (int i = 0; i < graph->input_count; i++) {
    graph->inputs[i]->index = -1;
    graph->inputs[i]->users = 0;
  }
  for (int n = 0; n < graph->node_count; n++) {
    pvg_node *node = graph->nodes[n];
    for (int i = 0; i < node->output_count; i++)
      if (node->outputs[i] != NULL) {
        node->outputs[i]->index = -1;
        node->outputs[i]->users = 0;
      }
    for (int i = 0; i < node->input_count; i++)
      if (node->inputs[i] != NULL && node->inputs[i]->graph == graph) {
        node->inputs[i]->index = -1;
        node->inputs[i]->users = 0;
      }
  }
  for (int i = 0; i < graph->output_count; i++)
    if (graph->outputs[i]->graph == graph) {
      graph->outputs[i]->index = -1;
      graph->outputs[i]->users = 0;
    }
}

static int given_by(pvg_graph *graph, const pvg_value *value) {
  if (value->producer != NULL || value->info.constant != NULL) return PVT_OK;
  for (int i = 0; i < graph->input_count; i++)
    if (graph->inputs[i] == value) return PVT_OK;
  return pvt_fail(PVT_E_VALUE, "'%.100s' is read in the model, and nothing gives it", value->name);
}

/* ---- Order -------------------------------------------------------------- */

typedef struct visit {
  pvg_node *node;
  int next; /* of its dependencies */
} visit;

/* The i-th node that has to come before; NULL beyond the last. *none: there is no i-th, but more. */
static pvg_node *dependency(const pvg_graph *graph, const pvg_node *node, int i, bool *none) {
  *none = false;
  const pvg_value *value = NULL;
  if (i < node->input_count) value = node->inputs[i];
  else {
    i -= node->input_count;
    int a = 0;
    for (; a < node->attribute_count; a++) {
      if (node->attributes[a].kind != PVG_GRAPH) continue;
      if (i < node->attributes[a].graph->capture_count) break;
      i -= node->attributes[a].graph->capture_count;
    }
    if (a == node->attribute_count) return NULL;
    value = node->attributes[a].graph->captures[i];
  }
  *none = value == NULL || value->graph != graph || value->producer == NULL;
  return *none ? NULL : value->producer;
}

/* Depth first, in the order that the model has: one that is right already stays. */
static int sort_nodes(pvg_pool *scratch, pvg_graph *graph) {
  size_t count = (size_t)graph->node_count;
  pvg_names state = {0}; /* by node: 1 being visited, 2 done */
  pvg_node **order = pvg_pool_array(scratch, count, sizeof *order);
  visit *stack = pvg_pool_array(scratch, count, sizeof *stack);
  uint8_t *states = pvg_pool_array(scratch, count, 1);
  pvg_node **keys = pvg_pool_array(scratch, count, sizeof *keys);
  if (order == NULL || stack == NULL || states == NULL || keys == NULL) return pvt_error_status();
  for (size_t i = 0; i < count; i++) {
    keys[i] = graph->nodes[i];
    int status = pvg_names_add(&state, scratch, &keys[i], sizeof *keys, &states[i]);
    if (status < 0) return status;
  }
  size_t done = 0;
  for (size_t first = 0; first < count; first++) {
    if (states[first] != 0) continue;
    size_t depth = 0;
    stack[depth++] = (visit){graph->nodes[first], 0};
    states[first] = 1;
    while (depth > 0) {
      visit *top = &stack[depth - 1];
      bool none;
      pvg_node *before = dependency(graph, top->node, top->next++, &none);
      if (none) continue;
      if (before == NULL) {
        *(uint8_t *)pvg_names_get(&state, &top->node, sizeof top->node, NULL) = 2;
        order[done++] = top->node;
        depth--;
        continue;
      }
      uint8_t *seen = pvg_names_get(&state, &before, sizeof before, NULL);
      if (seen == NULL || *seen == 2) continue;
      if (*seen == 1) {
        char text[PVG_NODE_TEXT];
        return pvt_fail(PVT_E_VALUE, "the model has a cycle: %s needs its own result",
                        pvg_node_text(before, text));
      }
      *seen = 1;
      stack[depth++] = (visit){before, 0};
    }
  }
  if (count > 0) memcpy(graph->nodes, order, count * sizeof *order);
  return PVT_OK;
}

/* ---- Index -------------------------------------------------------------- */

static int index_node(indexing *indexing, pvg_node *node) {
  int status = PVT_OK;
  for (int i = 0; i < node->input_count && status >= 0; i++)
    if (node->inputs[i] != NULL) status = read_value(indexing, node->inputs[i]);
  for (int a = 0; a < node->attribute_count && status >= 0; a++) {
    if (node->attributes[a].kind != PVG_GRAPH) continue;
    const pvg_graph *inner = node->attributes[a].graph;
    for (int i = 0; i < inner->capture_count && status >= 0; i++)
      status = read_value(indexing, inner->captures[i]);
  }
  for (int i = 0; i < node->output_count && status >= 0; i++)
    if (node->outputs[i] != NULL) status = place(indexing, node->outputs[i]);
  return status;
}

static int index_graph(pvg_pool *pool, pvg_pool *scratch, pvg_graph *graph) {
  int status = PVT_OK;
  forget(graph);
  for (int n = 0; n < graph->node_count; n++)
    for (int a = 0; a < graph->nodes[n]->attribute_count; a++)
      if (graph->nodes[n]->attributes[a].kind == PVG_GRAPH) {
        graph->nodes[n]->attributes[a].graph->outer = graph;
        status = index_graph(pool, scratch, graph->nodes[n]->attributes[a].graph);
        if (status < 0) return status;
      }
  indexing indexing = {.pool = pool, .scratch = scratch, .graph = graph};
  if ((status = sort_nodes(scratch, graph)) < 0) return status;
  for (int i = 0; i < graph->input_count && status >= 0; i++)
    status = place(&indexing, graph->inputs[i]);
  for (int n = 0; n < graph->node_count && status >= 0; n++)
    status = index_node(&indexing, graph->nodes[n]);
  for (int i = 0; i < graph->output_count && status >= 0; i++)
    status = read_value(&indexing, graph->outputs[i]);
  for (int i = 0; i < indexing.values.count && status >= 0; i++)
    status = given_by(graph, indexing.values.items[i]);
  if (status < 0) return status;
  graph->value_count = indexing.values.count;
  graph->capture_count = indexing.captures.count;
  graph->values = pvg_pool_array(pool, (size_t)graph->value_count, sizeof *graph->values);
  graph->captures = pvg_pool_array(pool, (size_t)graph->capture_count, sizeof *graph->captures);
  if (graph->values == NULL || graph->captures == NULL) return pvt_error_status();
  if (graph->value_count > 0)
    memcpy(graph->values, indexing.values.items, (size_t)graph->value_count * sizeof(pvg_value *));
  if (graph->capture_count > 0)
    memcpy(graph->captures, indexing.captures.items,
           (size_t)graph->capture_count * sizeof(pvg_value *));
  return PVT_OK;
}

int pvg_graph_index(pvg_pool *pool, pvg_graph *graph) {
  pvg_pool *scratch = pvg_pool_new();
  if (scratch == NULL) return pvt_error_status();
  int status = index_graph(pool, scratch, graph);
  pvg_pool_release(scratch);
  return status;
}

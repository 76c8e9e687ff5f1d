/* common.c - nodes that compute the same as one before them. */
#include <string.h>

#include "passes.h"

typedef struct sharing {
  pvg_pass *pass;
  pvg_pool *scratch;
  pvg_names known;   /* nodes by what they compute */
  pvg_names instead; /* values by address, of those that are dropped */
} sharing;

/* ---- What a node computes, as bytes ------------------------------------- */

typedef struct writer {
  char *bytes; /* NULL: only counting */
  size_t size;
} writer;

static void put(writer *writer, const void *data, size_t size) {
  if (writer->bytes != NULL && size > 0) memcpy(writer->bytes + writer->size, data, size);
  writer->size += size;
}

static void put_text(writer *writer, const char *text) {
  put(writer, text, strlen(text) + 1);
}

static bool put_attribute(writer *writer, const pvg_attribute *attribute) {
  size_t count = (size_t)attribute->count;
  put_text(writer, attribute->name);
  put(writer, &attribute->kind, sizeof attribute->kind);
  put(writer, &attribute->count, sizeof attribute->count);
  switch (attribute->kind) {
  case PVG_INT: put(writer, &attribute->i, sizeof attribute->i); return true;
  case PVG_FLOAT: put(writer, &attribute->f, sizeof attribute->f); return true;
  case PVG_STRING: put_text(writer, attribute->s); return true;
  case PVG_INTS: put(writer, attribute->ints, count * sizeof(int64_t)); return true;
  case PVG_FLOATS: put(writer, attribute->floats, count * sizeof(float)); return true;
  case PVG_STRINGS:
    for (size_t i = 0; i < count; i++) put_text(writer, attribute->strings[i]);
    return true;
  default: return false; /* tensors and graphs are not compared */
  }
}

static bool put_node(writer *writer, const pvg_node *node) {
  put_text(writer, node->type);
  put_text(writer, node->domain);
  put(writer, &node->version, sizeof node->version);
  put(writer, &node->output_count, sizeof node->output_count);
  for (int i = 0; i < node->output_count; i++) {
    char wanted = node->outputs[i] != NULL;
    put(writer, &wanted, 1);
  }
  put(writer, &node->input_count, sizeof node->input_count);
  put(writer, node->inputs, (size_t)node->input_count * sizeof *node->inputs);
  for (int a = 0; a < node->attribute_count; a++)
    if (!put_attribute(writer, &node->attributes[a])) return false;
  return true;
}

/* ---- Sharing ------------------------------------------------------------ */

static pvg_value *instead_of(const sharing *sharing, pvg_value *value) {
  pvg_value *other = pvg_names_get(&sharing->instead, &value, sizeof value, NULL);
  return other != NULL ? other : value;
}

static void redirect(const sharing *sharing, pvg_node *node) {
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i] != NULL) node->inputs[i] = instead_of(sharing, node->inputs[i]);
  for (int a = 0; a < node->attribute_count; a++) {
    if (node->attributes[a].kind != PVG_GRAPH) continue;
    pvg_graph *inner = node->attributes[a].graph;
    for (int n = 0; n < inner->node_count; n++) redirect(sharing, inner->nodes[n]);
    for (int i = 0; i < inner->output_count; i++)
      inner->outputs[i] = instead_of(sharing, inner->outputs[i]);
  }
}

static bool is_output(const pvg_graph *graph, const pvg_node *node) {
  for (int i = 0; i < graph->output_count; i++)
    for (int j = 0; j < node->output_count; j++)
      if (graph->outputs[i] == node->outputs[j]) return true;
  return false;
}

static int share(sharing *sharing, pvg_node *node) {
  if (node->operator->traits & PVG_RANDOM || is_output(sharing->pass->graph, node)) return PVT_OK;
  writer writer = {NULL, 0};
  if (!put_node(&writer, node)) return PVT_OK;
  char *key = pvg_pool_take(sharing->scratch, writer.size);
  if (key == NULL) return pvt_error_status();
  writer.bytes = key;
  writer.size = 0;
  put_node(&writer, node);
  int status = pvg_names_add(&sharing->known, sharing->scratch, key, writer.size, node);
  if (status != 0) return status;
  const pvg_node *first = pvg_names_get(&sharing->known, key, writer.size, NULL);
  for (int i = 0; i < node->output_count; i++) {
    if (node->outputs[i] == NULL) continue;
    status = pvg_names_add(&sharing->instead, sharing->scratch, &node->outputs[i],
                           sizeof node->outputs[i], first->outputs[i]);
    if (status < 0) return status;
  }
  sharing->pass->changes++;
  return PVT_OK;
}

int pvg_share_common(pvg_pass *pass) {
  sharing sharing = {.pass = pass, .scratch = pvg_pool_new()};
  if (sharing.scratch == NULL) return pvt_error_status();
  int status = PVT_OK;
  for (int n = 0; n < pass->graph->node_count && status >= 0; n++) {
    redirect(&sharing, pass->graph->nodes[n]);
    status = share(&sharing, pass->graph->nodes[n]);
  }
  pvg_pool_release(sharing.scratch);
  return status;
}

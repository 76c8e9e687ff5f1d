/* ir.c - attributes by name, and what an info says. */
#include "ir.h"

#include <stdio.h>
#include <string.h>

const pvg_attribute *pvg_attribute_of(const pvg_node *node, const char *name) {
  for (int i = 0; i < node->attribute_count; i++)
    if (strcmp(node->attributes[i].name, name) == 0) return &node->attributes[i];
  return NULL;
}

static const pvg_attribute *of_kind(const pvg_node *node, const char *name,
                                    pvg_attribute_kind kind) {
  const pvg_attribute *attribute = pvg_attribute_of(node, name);
  return attribute != NULL && attribute->kind == kind ? attribute : NULL;
}

int64_t pvg_int(const pvg_node *node, const char *name, int64_t otherwise) {
  const pvg_attribute *attribute = of_kind(node, name, PVG_INT);
  return attribute != NULL ? attribute->i : otherwise;
}

float pvg_float(const pvg_node *node, const char *name, float otherwise) {
  const pvg_attribute *attribute = of_kind(node, name, PVG_FLOAT);
  return attribute != NULL ? attribute->f : otherwise;
}

const char *pvg_string(const pvg_node *node, const char *name, const char *otherwise) {
  const pvg_attribute *attribute = of_kind(node, name, PVG_STRING);
  return attribute != NULL ? attribute->s : otherwise;
}

const int64_t *pvg_ints(const pvg_node *node, const char *name, int *count) {
  const pvg_attribute *attribute = of_kind(node, name, PVG_INTS);
  bool fits = attribute != NULL && attribute->count <= INT32_MAX;
  *count = fits ? (int)attribute->count : 0;
  return fits ? attribute->ints : NULL;
}

const float *pvg_floats(const pvg_node *node, const char *name, int *count) {
  const pvg_attribute *attribute = of_kind(node, name, PVG_FLOATS);
  bool fits = attribute != NULL && attribute->count <= INT32_MAX;
  *count = fits ? (int)attribute->count : 0;
  return fits ? attribute->floats : NULL;
}

const pvt_array *pvg_tensor(const pvg_node *node, const char *name) {
  const pvg_attribute *attribute = of_kind(node, name, PVG_TENSOR);
  return attribute != NULL ? attribute->tensor : NULL;
}

pvg_graph *pvg_subgraph(const pvg_node *node, const char *name) {
  const pvg_attribute *attribute = of_kind(node, name, PVG_GRAPH);
  return attribute != NULL ? attribute->graph : NULL;
}

void pvg_info_of(pvg_info *info, const pvt_array *array) {
  info->dtype = array->dtype;
  info->ranked = true;
  info->ndim = array->ndim;
  for (int i = 0; i < array->ndim; i++) info->size[i] = array->dim[i].size;
  info->constant = NULL;
}

const char *pvg_node_text(const pvg_node *node, char text[PVG_NODE_TEXT]) {
  const char *given = "";
  for (int i = 0; i < node->output_count && given[0] == 0; i++)
    if (node->outputs[i] != NULL) given = node->outputs[i]->name;
  if (node->name[0] != 0)
    snprintf(text, PVG_NODE_TEXT, "node '%.100s' (%.60s)", node->name, node->type);
  else snprintf(text, PVG_NODE_TEXT, "the node for '%.100s' (%.60s)", given, node->type);
  return text;
}

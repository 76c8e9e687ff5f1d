/* passes.c - the order of the passes, and what they look with. */
#include "passes.h"

#include <math.h>
#include <string.h>

/* ---- Looking ------------------------------------------------------------ */

const pvg_node *pvg_given_by(const pvg_value *value, const char *type) {
  const pvg_node *node = value != NULL ? value->producer : NULL;
  if (node == NULL || value->info.constant != NULL || node->domain[0] != 0) return NULL;
  return strcmp(node->type, type) == 0 ? node : NULL;
}

const pvg_node *pvg_only_given_by(const pvg_value *value, const char *type) {
  return value != NULL && value->users == 1 ? pvg_given_by(value, type) : NULL;
}

bool pvg_is_scalar(const pvg_value *value, float *number) {
  const pvt_array *array = value != NULL ? value->info.constant : NULL;
  if (array == NULL || pvt_array_count(array) != 1) return false;
  if (array->dtype == PVT_FLOAT32) memcpy(number, array->data, sizeof *number);
  else if (array->dtype == PVT_FLOAT64) {
    double wide;
    memcpy(&wide, array->data, sizeof wide);
    *number = (float)wide;
  } else return false;
  return true;
}

bool pvg_is_near(const pvg_value *value, double number) {
  float found;
  return pvg_is_scalar(value, &found) && fabs(found - number) <= 1e-4 * fabs(number);
}

pvg_value *pvg_beside(const pvg_node *node, double number) {
  if (node == NULL || node->input_count != 2) return NULL;
  if (pvg_is_near(node->inputs[1], number)) return node->inputs[0];
  return pvg_is_near(node->inputs[0], number) ? node->inputs[1] : NULL;
}

static int gather_factors(const pvg_value *value, bool top, pvg_value **factors, int most,
                          int count, double *scale, int depth) {
  float number;
  if (pvg_is_scalar(value, &number)) {
    *scale *= number;
    return count;
  }
  const pvg_node *product = top ? pvg_given_by(value, "Mul") : pvg_only_given_by(value, "Mul");
  const pvg_node *quotient = top ? pvg_given_by(value, "Div") : pvg_only_given_by(value, "Div");
  if (depth < 8 && quotient != NULL && pvg_is_scalar(quotient->inputs[1], &number) && number != 0) {
    *scale /= number;
    return gather_factors(quotient->inputs[0], false, factors, most, count, scale, depth + 1);
  }
  if (depth < 8 && product != NULL) {
    for (int i = 0; i < 2 && count >= 0; i++)
      count = gather_factors(product->inputs[i], false, factors, most, count, scale, depth + 1);
    return count;
  }
  if (count < 0 || count == most) return -1;
  factors[count] = (pvg_value *)value;
  return count + 1;
}

int pvg_factors(const pvg_value *product, pvg_value **factors, int most, double *scale) {
  *scale = 1;
  int count = gather_factors(product, true, factors, most, 0, scale, 0);
  return count < 0 ? 0 : count;
}

/* ---- Replacing ---------------------------------------------------------- */

pvg_node *pvg_replace(pvg_pass *pass, int place, const char *type, int version, int inputs,
                      int attributes) {
  pvg_node *before = pass->graph->nodes[place];
  pvg_node *node = pvg_pool_take(pass->pool, sizeof *node);
  pvg_value **values = pvg_pool_array(pass->pool, (size_t)inputs + 1, sizeof *values);
  pvg_attribute *all = pvg_pool_array(pass->pool, (size_t)attributes + 1, sizeof *all);
  if (node == NULL || values == NULL || all == NULL) return NULL;
  *node = (pvg_node){.name = before->name,
                     .type = type,
                     .domain = "",
                     .operator = pvg_operator_find("", type, version),
                     .version = version,
                     .input_count = inputs,
                     .output_count = 1,
                     .attribute_count = attributes,
                     .inputs = values,
                     .outputs = values + inputs,
                     .attributes = all};
  node->outputs[0] = before->outputs[0];
  node->outputs[0]->producer = node;
  pass->graph->nodes[place] = node;
  pass->changes++;
  return node;
}

pvg_value *pvg_new_constant(pvg_pass *pass, const char *name, pvt_array *array) {
  array->writable = false;
  pvt_array *held = pvg_pool_hold(pass->pool, array);
  pvg_value *value = held != NULL ? pvg_pool_take(pass->pool, sizeof *value) : NULL;
  if (value == NULL) return NULL;
  value->name = name;
  value->graph = pass->graph;
  pvg_info_of(&value->info, held);
  value->info.constant = held;
  return value;
}

/* ---- The order ---------------------------------------------------------- */

typedef int pass_function(pvg_pass *pass);

static int apply(pvg_pass *pass, pass_function *function) {
  int before = pass->changes;
  int status = function(pass);
  if (status < 0 || pass->changes == before) return status;
  if ((status = pvg_graph_index(pass->pool, pass->graph)) < 0) return status;
  status = pvg_remove_dead(pass);
  if (status >= 0) status = pvg_graph_index(pass->pool, pass->graph);
  return status < 0 ? status : pvg_infer_graph(pass->symbols, pass->graph);
}

int pvg_simplify(pvg_pool *pool, pvg_symbols *symbols, pvg_graph *graph) {
  static pass_function *const passes[] = {
      pvg_fold_constants, pvg_share_common, pvg_fuse_batch_norm, pvg_fuse_layer_norm,
      pvg_fuse_gelu,      pvg_fuse_swish,   pvg_fuse_attention};
  pvg_pass pass = {.pool = pool, .symbols = symbols, .graph = graph};
  int status = pvg_remove_dead(&pass);
  if (status >= 0) status = pvg_graph_index(pool, graph);
  for (size_t i = 0; i < sizeof passes / sizeof *passes && status >= 0; i++)
    status = apply(&pass, passes[i]);
  for (int n = 0; n < graph->node_count && status >= 0; n++)
    for (int a = 0; a < graph->nodes[n]->attribute_count && status >= 0; a++)
      if (graph->nodes[n]->attributes[a].kind == PVG_GRAPH)
        status = pvg_simplify(pool, symbols, graph->nodes[n]->attributes[a].graph);
  return status < 0 ? status : pvg_graph_index(pool, graph);
}

/* layer_norm.c - means, squares and roots written out, as one LayerNormalization.
**
**   d = x - mean(x)     y = d / sqrt(mean(d^2) + epsilon) * scale + shift
**
** over the last axis, d being one value or computed twice.
*/
#include <string.h>

#include "passes.h"

#define VERSION 17

/* x of a mean over the last axis that keeps it. */
static pvg_value *mean_of(const pvg_node *mean) {
  if (mean == NULL || pvg_int(mean, "keepdims", 1) != 1) return NULL;
  const pvg_value *x = mean->inputs[0];
  int count;
  const int64_t *axes = pvg_ints(mean, "axes", &count);
  int64_t axis = 0;
  if (mean->input_count > 1 && mean->inputs[1] != NULL) {
    const pvt_array *given = mean->inputs[1]->info.constant;
    if (given == NULL || given->dtype != PVT_INT64 || pvt_array_count(given) != 1) return NULL;
    memcpy(&axis, given->data, sizeof axis);
  } else if (count == 1) axis = axes[0];
  else return NULL;
  bool last = axis == -1 || (x->info.ranked && axis == x->info.ndim - 1);
  return last ? (pvg_value *)x : NULL;
}

/* x of x - mean(x). */
static pvg_value *centred(const pvg_value *value) {
  const pvg_node *difference = pvg_given_by(value, "Sub");
  if (difference == NULL) return NULL;
  pvg_value *x = mean_of(pvg_given_by(difference->inputs[1], "ReduceMean"));
  return x == difference->inputs[0] ? x : NULL;
}

static pvg_value *squared(const pvg_value *value) {
  const pvg_node *power = pvg_given_by(value, "Pow"), *product = pvg_given_by(value, "Mul");
  if (power != NULL && pvg_is_near(power->inputs[1], 2)) return power->inputs[0];
  return product != NULL && product->inputs[0] == product->inputs[1] ? product->inputs[0] : NULL;
}

/* x of (x - mean) / deviation, and epsilon. */
static pvg_value *normalised(const pvg_value *value, float *epsilon) {
  const pvg_node *quotient = pvg_only_given_by(value, "Div");
  const pvg_node *product = pvg_only_given_by(value, "Mul");
  const pvg_value *top, *root;
  if (quotient != NULL) {
    top = quotient->inputs[0];
    root = quotient->inputs[1];
  } else if (product != NULL) {
    const pvg_node *inverse = pvg_given_by(product->inputs[1], "Reciprocal");
    if (inverse == NULL) return NULL;
    top = product->inputs[0];
    root = inverse->inputs[0];
  } else return NULL;
  const pvg_node *deviation = pvg_given_by(root, "Sqrt");
  const pvg_node *sum = deviation != NULL ? pvg_given_by(deviation->inputs[0], "Add") : NULL;
  if (sum == NULL) return NULL;
  int constant = pvg_is_scalar(sum->inputs[1], epsilon) ? 1 : 0;
  if (!pvg_is_scalar(sum->inputs[constant], epsilon) || *epsilon < 0) return NULL;
  pvg_value *mean = mean_of(pvg_given_by(sum->inputs[1 - constant], "ReduceMean"));
  pvg_value *x = centred(top);
  return x != NULL && mean != NULL && centred(squared(mean)) == x ? x : NULL;
}

static bool is_row(const pvg_value *value, const pvg_value *x) {
  const pvg_info *row = &value->info, *of = &x->info;
  if (row->constant == NULL || row->dtype != PVT_FLOAT32 || row->ndim != 1) return false;
  return of->ranked && of->ndim > 0 && of->dtype == PVT_FLOAT32 &&
         of->size[of->ndim - 1] == row->size[0];
}

static int fuse(pvg_pass *pass, int place) {
  const pvg_node *sum = pass->graph->nodes[place];
  if (sum->domain[0] != 0 || strcmp(sum->type, "Add") != 0) return PVT_OK;
  for (int s = 0; s < 2; s++) {
    const pvg_node *product = pvg_only_given_by(sum->inputs[s], "Mul");
    for (int p = 0; product != NULL && p < 2; p++) {
      float epsilon;
      pvg_value *x = normalised(product->inputs[p], &epsilon);
      pvg_value *scale = product->inputs[1 - p], *shift = sum->inputs[1 - s];
      if (x == NULL || !is_row(scale, x) || !is_row(shift, x)) continue;
      pvg_node *node = pvg_replace(pass, place, "LayerNormalization", VERSION, 3, 2);
      if (node == NULL) return pvt_error_status();
      node->inputs[0] = x;
      node->inputs[1] = scale;
      node->inputs[2] = shift;
      node->attributes[0] = (pvg_attribute){.name = "axis", .kind = PVG_INT, .i = -1};
      node->attributes[1] = (pvg_attribute){.name = "epsilon", .kind = PVG_FLOAT, .f = epsilon};
      return PVT_OK;
    }
  }
  return PVT_OK;
}

int pvg_fuse_layer_norm(pvg_pass *pass) {
  if (pvg_operator_find("", "LayerNormalization", VERSION) == NULL) return PVT_OK;
  int status = PVT_OK;
  for (int n = 0; n < pass->graph->node_count && status >= 0; n++) status = fuse(pass, n);
  return status;
}

/* attention.c - softmax(scale q k + mask) v, written out, as one operator that needs no matrix of all
** queries by all keys. The scale may be on the product, or on q and k; NaN in what soft-max gives may be
** put to 0.
*/
#include <string.h>

#include "passes.h"

#define DOMAIN "polyvm"

static bool is_stack(const pvg_value *value) {
  return value->info.dtype == PVT_FLOAT32 && value->info.ranked && value->info.ndim == 4;
}

static bool is_last_axis(const pvg_node *softmax) {
  int64_t axis = pvg_int(softmax, "axis", softmax->version >= 13 ? -1 : 1);
  return axis == -1 || axis == 3;
}

/* q and k of a product that is scaled. */
static const pvg_node *scaled_product(const pvg_value *value, float *scale) {
  *scale = 1;
  const pvg_node *product = pvg_only_given_by(value, "MatMul");
  if (product != NULL) return product;
  const pvg_node *factor = pvg_only_given_by(value, "Mul");
  const pvg_node *quotient = pvg_only_given_by(value, "Div");
  if (quotient != NULL && pvg_is_scalar(quotient->inputs[1], scale) && *scale != 0) {
    *scale = 1 / *scale;
    return pvg_only_given_by(quotient->inputs[0], "MatMul");
  }
  for (int i = 0; factor != NULL && i < 2; i++)
    if (pvg_is_scalar(factor->inputs[i], scale))
      return pvg_only_given_by(factor->inputs[1 - i], "MatMul");
  return NULL;
}

/* What a factor of the product multiplies, if that is a scalar's multiple of something else. */
static pvg_value *unscaled(pvg_value *value, float *scale) {
  const pvg_node *factor = pvg_only_given_by(value, "Mul");
  float number;
  for (int i = 0; factor != NULL && i < 2; i++) {
    if (!pvg_is_scalar(factor->inputs[i], &number) || !is_stack(factor->inputs[1 - i])) continue;
    *scale *= number;
    return factor->inputs[1 - i];
  }
  return value;
}

/* The soft-max that gives a value, also where its NaNs are put to 0 (*none_is_zero). NULL. */
static const pvg_node *softmax_of(const pvg_value *value, bool *none_is_zero) {
  *none_is_zero = false;
  const pvg_node *where = pvg_only_given_by(value, "Where");
  if (where == NULL) return pvg_only_given_by(value, "Softmax");
  const pvg_node *test = pvg_only_given_by(where->inputs[0], "IsNaN");
  const pvg_value *weights = where->inputs[2];
  float number;
  if (test == NULL || test->inputs[0] != weights || weights->users != 2 ||
      !pvg_is_scalar(where->inputs[1], &number) || number != 0)
    return NULL;
  *none_is_zero = true;
  return pvg_given_by(weights, "Softmax");
}

/* A mask must not have more elements than the scores: it is broadcast to them. */
static bool is_mask(const pvg_value *mask, const pvg_value *q) {
  const pvg_info *info = &mask->info;
  if (info->dtype != PVT_FLOAT32 || !info->ranked || info->ndim < 1 || info->ndim > 4) return false;
  for (int d = 0; d < info->ndim - 2; d++)
    if (info->size[d] > 1 && q->info.size[d + 4 - info->ndim] == 1) return false;
  return true;
}

static int fuse(pvg_pass *pass, int place) {
  const pvg_node *last = pass->graph->nodes[place];
  if (last->domain[0] != 0 || strcmp(last->type, "MatMul") != 0) return PVT_OK;
  bool none_is_zero;
  const pvg_node *softmax = softmax_of(last->inputs[0], &none_is_zero);
  if (softmax == NULL || !is_last_axis(softmax) || !is_stack(last->inputs[1])) return PVT_OK;
  float scale;
  pvg_value *mask = NULL;
  const pvg_node *product = scaled_product(softmax->inputs[0], &scale);
  const pvg_node *sum = pvg_only_given_by(softmax->inputs[0], "Add");
  for (int i = 0; product == NULL && sum != NULL && i < 2; i++) {
    product = scaled_product(sum->inputs[i], &scale);
    mask = sum->inputs[1 - i];
  }
  if (product == NULL || !is_stack(product->inputs[0]) || !is_stack(product->inputs[1]) ||
      (mask != NULL && !is_mask(mask, product->inputs[0])))
    return PVT_OK;
  pvg_value *q = unscaled(product->inputs[0], &scale), *k = unscaled(product->inputs[1], &scale);
  pvg_node *node = pvg_replace(pass, place, "Attention", 1, mask != NULL ? 4 : 3, 2);
  if (node == NULL) return pvt_error_status();
  node->domain = DOMAIN;
  node->operator = pvg_operator_find(DOMAIN, "Attention", 1);
  node->inputs[0] = q;
  node->inputs[1] = k;
  node->inputs[2] = last->inputs[1];
  if (mask != NULL) node->inputs[3] = mask;
  node->attributes[0] = (pvg_attribute){.name = "scale", .kind = PVG_FLOAT, .f = scale};
  node->attributes[1] = (pvg_attribute){.name = "none_is_zero", .kind = PVG_INT, .i = none_is_zero};
  return PVT_OK;
}

int pvg_fuse_attention(pvg_pass *pass) {
  if (pvg_operator_find(DOMAIN, "Attention", 1) == NULL) return PVT_OK;
  int status = PVT_OK;
  for (int n = 0; n < pass->graph->node_count && status >= 0; n++) status = fuse(pass, n);
  return status;
}

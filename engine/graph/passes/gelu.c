/* gelu.c - x / 2 (1 + erf(x / sqrt(2))), and its approximation by tanh, written out. */
#include <math.h>
#include <string.h>

#include "passes.h"

#define VERSION 20
#define MOST 4

/* x of erf(x / sqrt(2)) + 1. */
static pvg_value *by_erf(const pvg_value *value) {
  pvg_value *erf = pvg_beside(pvg_only_given_by(value, "Add"), 1);
  const pvg_node *node = pvg_only_given_by(erf, "Erf");
  if (node == NULL) return NULL;
  pvg_value *factors[MOST];
  double scale;
  if (pvg_factors(node->inputs[0], factors, MOST, &scale) != 1) return NULL;
  return fabs(scale - sqrt(0.5)) < 1e-4 ? factors[0] : NULL;
}

/* Whether a value is 0.044715 x^3. */
static bool is_cube(const pvg_value *value, const pvg_value *x) {
  pvg_value *factors[MOST];
  double scale;
  int count = pvg_factors(value, factors, MOST, &scale);
  if (fabs(scale - 0.044715) > 1e-5) return false;
  if (count == 3) return factors[0] == x && factors[1] == x && factors[2] == x;
  if (count == 2) { /* x times x^2 */
    for (int i = 0; i < 2; i++) {
      const pvg_node *square = pvg_given_by(factors[i], "Pow");
      if (square != NULL && square->inputs[0] == x && pvg_is_near(square->inputs[1], 2) &&
          factors[1 - i] == x)
        return true;
    }
    return false;
  }
  const pvg_node *power = count == 1 ? pvg_given_by(factors[0], "Pow") : NULL;
  return power != NULL && power->inputs[0] == x && pvg_is_near(power->inputs[1], 3);
}

/* x of tanh(sqrt(2 / pi) (x + 0.044715 x^3)) + 1. */
static pvg_value *by_tanh(const pvg_value *value) {
  pvg_value *tanh = pvg_beside(pvg_only_given_by(value, "Add"), 1);
  const pvg_node *node = pvg_only_given_by(tanh, "Tanh");
  if (node == NULL) return NULL;
  pvg_value *factors[MOST];
  double scale;
  if (pvg_factors(node->inputs[0], factors, MOST, &scale) != 1) return NULL;
  const pvg_node *sum = pvg_only_given_by(factors[0], "Add");
  if (sum == NULL || fabs(scale - sqrt(2 / M_PI)) > 1e-4) return NULL;
  for (int i = 0; i < 2; i++)
    if (is_cube(sum->inputs[1 - i], sum->inputs[i])) return sum->inputs[i];
  return NULL;
}

static int fuse(pvg_pass *pass, int place) {
  const pvg_node *product = pass->graph->nodes[place];
  if (product->domain[0] != 0 || product->output_count != 1) return PVT_OK;
  if (strcmp(product->type, "Mul") != 0 && strcmp(product->type, "Div") != 0) return PVT_OK;
  pvg_value *factors[MOST];
  double scale;
  if (pvg_factors(product->outputs[0], factors, MOST, &scale) != 2 || fabs(scale - 0.5) > 1e-5)
    return PVT_OK;
  for (int i = 0; i < 2; i++) {
    pvg_value *x = factors[1 - i];
    bool erf = by_erf(factors[i]) == x;
    if ((!erf && by_tanh(factors[i]) != x) || x->info.dtype != PVT_FLOAT32) continue;
    pvg_node *node = pvg_replace(pass, place, "Gelu", VERSION, 1, 1);
    if (node == NULL) return pvt_error_status();
    node->inputs[0] = x;
    node->attributes[0] =
        (pvg_attribute){.name = "approximate", .kind = PVG_STRING, .s = erf ? "none" : "tanh"};
    return PVT_OK;
  }
  return PVT_OK;
}

int pvg_fuse_gelu(pvg_pass *pass) {
  if (pvg_operator_find("", "Gelu", VERSION) == NULL) return PVT_OK;
  int status = PVT_OK;
  for (int n = 0; n < pass->graph->node_count && status >= 0; n++) status = fuse(pass, n);
  return status;
}

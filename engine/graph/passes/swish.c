/* swish.c - x sigmoid(x), and x hard_sigmoid(x) in its forms, written out. */
#include <math.h>
#include <string.h>

#include "passes.h"

#define SWISH 24
#define HARD_SWISH 14
#define MOST 3

static bool is_clip(const pvg_node *clip, double low, double high) {
  float least = pvg_float(clip, "min", -INFINITY), most = pvg_float(clip, "max", INFINITY);
  if (clip->input_count > 1 && clip->inputs[1] != NULL && !pvg_is_scalar(clip->inputs[1], &least))
    return false;
  if (clip->input_count > 2 && clip->inputs[2] != NULL && !pvg_is_scalar(clip->inputs[2], &most))
    return false;
  return fabs(least - low) < 1e-6 && fabs(most - high) < 1e-6;
}

static bool is_hard(const pvg_value *gate, const pvg_value *x, double scale) {
  const pvg_node *sigmoid = pvg_only_given_by(gate, "HardSigmoid");
  if (sigmoid != NULL)
    return sigmoid->inputs[0] == x && fabs(scale - 1) < 1e-6 &&
           fabs(pvg_float(sigmoid, "alpha", 0.2f) - 1.0 / 6) < 1e-6 &&
           fabs(pvg_float(sigmoid, "beta", 0.5f) - 0.5) < 1e-6;
  const pvg_node *clip = pvg_only_given_by(gate, "Clip");
  if (clip == NULL || !is_clip(clip, 0, 6) || fabs(scale - 1.0 / 6) > 1e-6) return false;
  return pvg_beside(pvg_only_given_by(clip->inputs[0], "Add"), 3) == x;
}

static int fuse(pvg_pass *pass, int place) {
  const pvg_node *product = pass->graph->nodes[place];
  if (product->domain[0] != 0 || product->output_count != 1) return PVT_OK;
  if (strcmp(product->type, "Mul") != 0 && strcmp(product->type, "Div") != 0) return PVT_OK;
  pvg_value *factors[MOST];
  double scale;
  if (pvg_factors(product->outputs[0], factors, MOST, &scale) != 2) return PVT_OK;
  for (int i = 0; i < 2; i++) {
    pvg_value *gate = factors[i], *x = factors[1 - i];
    if (x->info.dtype != PVT_FLOAT32) continue;
    const pvg_node *sigmoid = pvg_only_given_by(gate, "Sigmoid");
    bool soft = sigmoid != NULL && sigmoid->inputs[0] == x && fabs(scale - 1) < 1e-6;
    if (!soft && !is_hard(gate, x, scale)) continue;
    pvg_node *node = soft ? pvg_replace(pass, place, "Swish", SWISH, 1, 0)
                          : pvg_replace(pass, place, "HardSwish", HARD_SWISH, 1, 0);
    if (node == NULL) return pvt_error_status();
    node->inputs[0] = x;
    return PVT_OK;
  }
  return PVT_OK;
}

int pvg_fuse_swish(pvg_pass *pass) {
  bool there = pvg_operator_find("", "Swish", SWISH) != NULL &&
               pvg_operator_find("", "HardSwish", HARD_SWISH) != NULL;
  int status = PVT_OK;
  for (int n = 0; there && n < pass->graph->node_count && status >= 0; n++) status = fuse(pass, n);
  return status;
}

/* batch_norm.c - BatchNormalization behind a convolution, into its weights and bias. */
#include <math.h>
#include <string.h>

#include "passes.h"

static const pvt_array *numbers(const pvg_value *value, int64_t count) {
  const pvt_array *array = value != NULL ? value->info.constant : NULL;
  bool fits = array != NULL && array->dtype == PVT_FLOAT32 && array->ndim == 1 &&
              array->dim[0].size == count;
  return fits ? array : NULL;
}

static float at(const pvt_array *array, int64_t i) {
  float number;
  memcpy(&number, array->data + i * array->dim[0].stride, sizeof number);
  return number;
}

/* weights times the channel's factor, channels being the first dimension. */
static int scale_weights(const pvt_array *weights, const float *factors, pvt_array *scaled) {
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < weights->ndim; d++) shape[d] = weights->dim[d].size;
  int status = pvt_array_new(scaled, PVT_FLOAT32, weights->ndim, shape);
  if (status < 0) return status;
  if ((status = pvt_copy(weights, scaled)) < 0) {
    pvt_array_release(scaled);
    return status;
  }
  float *to = (float *)(void *)scaled->data;
  int64_t each = shape[0] > 0 ? pvt_array_count(scaled) / shape[0] : 0;
  for (int64_t c = 0; c < shape[0]; c++)
    for (int64_t i = 0; i < each; i++) *to++ *= factors[c];
  return PVT_OK;
}

static int fuse(pvg_pass *pass, int place) {
  const pvg_node *norm = pass->graph->nodes[place];
  if (norm->domain[0] != 0 || strcmp(norm->type, "BatchNormalization") != 0) return PVT_OK;
  if (norm->output_count != 1 || pvg_int(norm, "training_mode", 0) != 0) return PVT_OK;
  const pvg_node *conv = pvg_only_given_by(norm->inputs[0], "Conv");
  if (conv == NULL || conv->inputs[1] == NULL) return PVT_OK;
  const pvt_array *weights = conv->inputs[1]->info.constant;
  if (weights == NULL || weights->dtype != PVT_FLOAT32 || weights->ndim < 3) return PVT_OK;
  int64_t channels = weights->dim[0].size;
  const pvt_array *given[4]; /* scale, shift, mean, variance */
  for (int i = 0; i < 4; i++)
    if ((given[i] = numbers(norm->inputs[1 + i], channels)) == NULL) return PVT_OK;
  bool has_bias = conv->input_count > 2 && conv->inputs[2] != NULL;
  const pvt_array *before = has_bias ? numbers(conv->inputs[2], channels) : NULL;
  if (has_bias && before == NULL) return PVT_OK;
  double epsilon = pvg_float(norm, "epsilon", 1e-5f);
  pvt_array bias, scaled;
  int status = pvt_array_new(&bias, PVT_FLOAT32, 1, &channels);
  if (status < 0) return status;
  float *factors = pvg_pool_array(pass->pool, (size_t)channels, sizeof *factors);
  float *to = (float *)(void *)bias.data;
  for (int64_t c = 0; factors != NULL && c < channels; c++) {
    double factor = at(given[0], c) / sqrt(at(given[3], c) + epsilon);
    double shift = before != NULL ? at(before, c) : 0;
    factors[c] = (float)factor;
    to[c] = (float)((shift - at(given[2], c)) * factor + at(given[1], c));
  }
  status = factors != NULL ? scale_weights(weights, factors, &scaled) : pvt_error_status();
  if (status < 0) {
    pvt_array_release(&bias);
    return status;
  }
  pvg_value *new_bias = pvg_new_constant(pass, norm->inputs[2]->name, &bias);
  pvg_value *new_weights = pvg_new_constant(pass, conv->inputs[1]->name, &scaled);
  if (new_bias == NULL || new_weights == NULL) return pvt_error_status();
  pvg_node *node = pvg_replace(pass, place, "Conv", conv->version, 3, conv->attribute_count);
  if (node == NULL) return pvt_error_status();
  memcpy(node->attributes, conv->attributes,
         (size_t)conv->attribute_count * sizeof *conv->attributes);
  node->name = conv->name;
  node->inputs[0] = conv->inputs[0];
  node->inputs[1] = new_weights;
  node->inputs[2] = new_bias;
  return PVT_OK;
}

int pvg_fuse_batch_norm(pvg_pass *pass) {
  int status = PVT_OK;
  for (int n = 0; n < pass->graph->node_count && status >= 0; n++) status = fuse(pass, n);
  return status;
}

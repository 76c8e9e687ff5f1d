/* batch_norm.c - BatchNormalization behind a convolution, into its weights and bias; also where it is
** written as a factor for each channel, with the sum that follows (which kernels take over). */
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
static int scale_weights(const pvt_array *weights, const double *factors, pvt_array *scaled) {
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
    for (int64_t i = 0; i < each; i++, to++) *to = (float)(*to * factors[c]);
  return PVT_OK;
}

/* The convolution whose result only this node reads, if its weights are constants; NULL. */
static const pvg_node *convolution(const pvg_value *value, int64_t *channels) {
  const pvg_node *conv = pvg_only_given_by(value, "Conv");
  if (conv == NULL || conv->inputs[1] == NULL) return NULL;
  const pvt_array *weights = conv->inputs[1]->info.constant;
  if (weights == NULL || weights->dtype != PVT_FLOAT32 || weights->ndim < 3) return NULL;
  *channels = weights->dim[0].size;
  bool has_bias = conv->input_count > 2 && conv->inputs[2] != NULL;
  return has_bias && numbers(conv->inputs[2], *channels) == NULL ? NULL : conv;
}

/* In the node's place the convolution, each channel times a factor plus a shift. */
static int replace(pvg_pass *pass, int place, const pvg_node *conv, int64_t channels,
                   const double *factors, const double *shifts) {
  bool has_bias = conv->input_count > 2 && conv->inputs[2] != NULL;
  const pvt_array *before = has_bias ? conv->inputs[2]->info.constant : NULL;
  pvt_array bias, scaled;
  int status = pvt_array_new(&bias, PVT_FLOAT32, 1, &channels);
  if (status < 0) return status;
  float *to = (float *)(void *)bias.data;
  for (int64_t c = 0; c < channels; c++)
    to[c] = (float)((before != NULL ? at(before, c) : 0) * factors[c] + shifts[c]);
  status = scale_weights(conv->inputs[1]->info.constant, factors, &scaled);
  if (status < 0) {
    pvt_array_release(&bias);
    return status;
  }
  pvg_value *new_bias = pvg_new_constant(pass, "bias", &bias);
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

static int fuse_norm(pvg_pass *pass, int place) {
  const pvg_node *norm = pass->graph->nodes[place];
  int64_t channels;
  if (norm->output_count != 1 || pvg_int(norm, "training_mode", 0) != 0) return PVT_OK;
  const pvg_node *conv = convolution(norm->inputs[0], &channels);
  if (conv == NULL) return PVT_OK;
  const pvt_array *given[4]; /* scale, shift, mean, variance */
  for (int i = 0; i < 4; i++)
    if ((given[i] = numbers(norm->inputs[1 + i], channels)) == NULL) return PVT_OK;
  double epsilon = pvg_float(norm, "epsilon", 1e-5f);
  double *factors = pvg_pool_array(pass->pool, 2 * (size_t)channels, sizeof *factors);
  if (factors == NULL) return pvt_error_status();
  for (int64_t c = 0; c < channels; c++) {
    factors[c] = at(given[0], c) / sqrt(at(given[3], c) + epsilon);
    factors[channels + c] = at(given[1], c) - at(given[2], c) * factors[c];
  }
  return replace(pass, place, conv, channels, factors, factors + channels);
}

/* A constant with one number for each channel of an image: [channels, 1, 1], and 1 before. */
static bool is_by_channel(const pvg_value *value, int ndim, int64_t channels) {
  const pvt_array *array = value != NULL ? value->info.constant : NULL;
  int axis = array != NULL ? array->ndim - (ndim - 1) : -1;
  if (array == NULL || array->dtype != PVT_FLOAT32 || axis < 0) return false;
  for (int d = 0; d < array->ndim; d++)
    if (array->dim[d].size != (d == axis ? channels : 1)) return false;
  return true;
}

static int fuse_factor(pvg_pass *pass, int place) {
  const pvg_node *product = pass->graph->nodes[place];
  for (int i = 0; i < 2; i++) {
    int64_t channels;
    const pvg_node *conv = convolution(product->inputs[i], &channels);
    const pvg_value *by = product->inputs[1 - i];
    int ndim = conv != NULL ? conv->inputs[1]->info.ndim : 0;
    if (conv == NULL || !is_by_channel(by, ndim, channels) || by->info.ndim > ndim) continue;
    const pvt_array *array = by->info.constant;
    int64_t stride = array->dim[array->ndim - (ndim - 1)].stride;
    double *factors = pvg_pool_array(pass->pool, 2 * (size_t)channels, sizeof *factors);
    if (factors == NULL) return pvt_error_status();
    for (int64_t c = 0; c < channels; c++) {
      float factor;
      memcpy(&factor, array->data + c * stride, sizeof factor);
      factors[c] = factor;
    }
    return replace(pass, place, conv, channels, factors, factors + channels);
  }
  return PVT_OK;
}

static int fuse(pvg_pass *pass, int place) {
  const pvg_node *node = pass->graph->nodes[place];
  if (node->domain[0] != 0) return PVT_OK;
  if (strcmp(node->type, "BatchNormalization") == 0) return fuse_norm(pass, place);
  bool product = strcmp(node->type, "Mul") == 0 && node->input_count == 2;
  return product ? fuse_factor(pass, place) : PVT_OK;
}

int pvg_fuse_batch_norm(pvg_pass *pass) {
  int status = PVT_OK;
  for (int n = 0; n < pass->graph->node_count && status >= 0; n++) status = fuse(pass, n);
  return status;
}

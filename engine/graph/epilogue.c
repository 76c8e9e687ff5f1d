/* epilogue.c - a convolution or a product takes over what follows it element by element.
**
** In this order: a factor (products), a bias, a residual, an activation; each only where nobody else
** reads what is in between.
*/
#include <math.h>
#include <string.h>

#include "heavy.h"

typedef struct match {
  pvg_heavy *heavy;
  pvg_item *item;
  pvb_work *work;
  int y; /* the slot that is computed so far */
} match;

/* The one step that reads y, and where; NULL if there are others. */
static pvg_item *only_reader(const match *match, int *input) {
  const pvg_heavy *heavy = match->heavy;
  int start = heavy->reader_start[match->y], end = heavy->reader_start[match->y + 1];
  if (end - start != 1 || heavy->readers[start].item < 0) return NULL;
  pvg_item *item = &heavy->items[heavy->readers[start].item];
  *input = heavy->readers[start].input;
  bool plain = item->step != NULL && item->work == NULL && item->step->doing == PVG_CALLS &&
               !item->step->late && item->step->node->domain[0] == 0 &&
               item->step->output_count == 1 && item->step->outputs[0] >= 0;
  return plain ? item : NULL;
}

static bool scalar_of(const match *match, int slot, float *value) {
  const pvt_array *array = slot >= 0 ? match->heavy->plan->slots[slot].info.constant : NULL;
  if (array == NULL || array->dtype != PVT_FLOAT32 || pvt_array_count(array) != 1) return false;
  memcpy(value, array->data, sizeof *value);
  return true;
}

static bool same_shape(const match *match, int a, int b) {
  const pvg_info *x = &match->heavy->plan->slots[a].info, *y = &match->heavy->plan->slots[b].info;
  if (!pvg_info_is_fixed(x) || !pvg_info_is_fixed(y) || x->dtype != y->dtype || x->ndim != y->ndim)
    return false;
  return memcmp(x->size, y->size, x->ndim * sizeof *x->size) == 0;
}

/* ---- Additions ----------------------------------------------------------- */

/* A constant that says one number for each channel (or one for all), as [channels]. */
static pvt_array *as_bias(const match *match, int slot) {
  const pvt_array *array = match->heavy->plan->slots[slot].info.constant;
  const pvg_info *y = &match->heavy->plan->slots[match->y].info;
  if (array == NULL || array->dtype != PVT_FLOAT32 || array->ndim > y->ndim) return NULL;
  bool product = match->work->kind == PVB_PRODUCT;
  int axis = product ? y->ndim - 1 : 1;
  int64_t channels = product ? match->work->product.n : match->work->conv.out;
  if (y->ndim < 2 || y->size[axis] != channels) return NULL;
  int at = axis - (y->ndim - array->ndim); /* of the array's dimensions */
  int64_t stride = 0;
  for (int d = 0; d < array->ndim; d++) {
    if (d == at && array->dim[d].size == y->size[axis]) stride = array->dim[d].stride;
    else if (array->dim[d].size != 1) return NULL;
  }
  pvt_array *bias = pvg_pool_take(match->heavy->plan->pool, sizeof *bias);
  if (bias == NULL) return NULL;
  *bias = (pvt_array){.data = array->data, .dtype = PVT_FLOAT32, .ndim = 1};
  bias->dim[0] = (pvt_dim){y->size[axis], stride};
  return bias;
}

/* Two biases as one; NULL where there is no memory, and then they stay apart. */
static pvt_array *sum_of(const match *match, const pvt_array *a, const pvt_array *b) {
  int64_t channels = b->dim[0].size;
  if (a->ndim != 1 || a->dim[0].size != channels) return NULL;
  pvt_array *sum = pvg_pool_take(match->heavy->plan->pool, sizeof *sum);
  float *data = pvg_pool_array(match->heavy->plan->pool, (size_t)channels, sizeof *data);
  if (sum == NULL || data == NULL) return NULL;
  for (int64_t c = 0; c < channels; c++) {
    float x, y;
    memcpy(&x, a->data + c * a->dim[0].stride, sizeof x);
    memcpy(&y, b->data + c * b->dim[0].stride, sizeof y);
    data[c] = x + y;
  }
  pvt_array_over(sum, data, PVT_FLOAT32, 1, &channels);
  return sum;
}

static bool take_addition(match *match, const pvg_step *step, int input) {
  int other = step->inputs[1 - input];
  pvb_work *work = match->work;
  if (step->input_count != 2 || other < 0 || other == match->y) return false;
  if (!same_shape(match, step->outputs[0], match->y)) return false;
  if (work->epilogue.residual) return false;
  pvt_array *bias = as_bias(match, other);
  if (bias != NULL && work->bias != NULL) bias = sum_of(match, work->bias, bias);
  if (bias != NULL) {
    work->bias = bias;
    return true;
  }
  if (!same_shape(match, other, match->y)) return false;
  if (match->heavy->plan->slots[other].array == NULL) return false;
  work->epilogue.residual = true;
  match->item->step->inputs[2] = other;
  return true;
}

static bool take_factor(match *match, const pvg_step *step, int input, bool divides) {
  pvb_work *work = match->work;
  float factor;
  if (work->kind != PVB_PRODUCT || work->bias != NULL || work->epilogue.residual) return false;
  if (step->input_count != 2 || (divides && input != 0)) return false;
  if (!scalar_of(match, step->inputs[1 - input], &factor) || (divides && factor == 0)) return false;
  if (!same_shape(match, step->outputs[0], match->y)) return false;
  work->product.scale *= divides ? 1 / factor : factor;
  return true;
}

/* ---- Activations --------------------------------------------------------- */

static bool clip_limits(const match *match, const pvg_step *step, float *low, float *high) {
  *low = pvg_float(step->node, "min", -INFINITY);
  *high = pvg_float(step->node, "max", INFINITY);
  if (step->input_count > 1 && step->inputs[1] >= 0 && !scalar_of(match, step->inputs[1], low))
    return false;
  if (step->input_count > 2 && step->inputs[2] >= 0 && !scalar_of(match, step->inputs[2], high))
    return false;
  return *low <= *high;
}

static bool take_activation(match *match, const pvg_step *step) {
  static const struct {
    const char *type;
    pvb_activation activation;
  } plain[] = {{"Relu", PVB_RELU},
               {"Sigmoid", PVB_SIGMOID},
               {"Tanh", PVB_TANH},
               {"HardSwish", PVB_HARD_SWISH}};
  const pvg_node *node = step->node;
  pvb_epilogue *epilogue = &match->work->epilogue;
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
    if (strcmp(node->type, plain[i].type) == 0) {
      epilogue->activation = plain[i].activation;
      return true;
    }
  if (strcmp(node->type, "Clip") == 0) {
    if (!clip_limits(match, step, &epilogue->alpha, &epilogue->beta)) return false;
    epilogue->activation = PVB_CLIP;
  } else if (strcmp(node->type, "LeakyRelu") == 0) {
    epilogue->activation = PVB_LEAKY_RELU;
    epilogue->alpha = pvg_float(node, "alpha", 0.01f);
  } else if (strcmp(node->type, "HardSigmoid") == 0) {
    epilogue->activation = PVB_HARD_SIGMOID;
    epilogue->alpha = pvg_float(node, "alpha", 0.2f);
    epilogue->beta = pvg_float(node, "beta", 0.5f);
  } else if (strcmp(node->type, "Gelu") == 0) {
    bool tanh = strcmp(pvg_string(node, "approximate", "none"), "tanh") == 0;
    epilogue->activation = tanh ? PVB_GELU_TANH : PVB_GELU;
  } else if (strcmp(node->type, "Swish") == 0 && pvg_float(node, "alpha", 1) == 1) {
    epilogue->activation = PVB_SILU;
  } else return false;
  return true;
}

static bool take(match *match, const pvg_step *step, int input) {
  const char *type = step->node->type;
  if (match->work->epilogue.activation != PVB_NONE) return false;
  if (strcmp(type, "Add") == 0) return take_addition(match, step, input);
  if (strcmp(type, "Mul") == 0) return take_factor(match, step, input, false);
  if (strcmp(type, "Div") == 0) return take_factor(match, step, input, true);
  return input == 0 && take_activation(match, step);
}

int pvg_heavy_absorb(pvg_heavy *heavy, int number) {
  pvg_item *item = &heavy->items[number];
  pvg_step *step = item->step;
  match match = {heavy, item, item->work, step->outputs[0]};
  step->fused = pvg_pool_array(heavy->plan->pool, 6, sizeof *step->fused);
  if (step->fused == NULL) return pvt_error_status();
  while (step->fused_count < 5) {
    int input;
    pvg_item *next = only_reader(&match, &input);
    if (next == NULL || !take(&match, next->step, input)) break;
    step->fused[step->fused_count++] = next->step->node;
    match.y = next->step->outputs[0];
    step->outputs[0] = match.y;
    /* It is computed where the last of them was: by then all that it reads is there. */
    *next = *item;
    *item = (pvg_item){.step = NULL};
    item = next;
    match.item = item;
  }
  return PVT_OK;
}

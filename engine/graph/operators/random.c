/* random.c - random numbers: normal and uniform ones, Bernoulli trials, draws. */
#include <sys/random.h>

#include "context.h"
#include "creating_operators.h"

void pvg_random_start(const pvg_node *node, pvt_bits *bits) {
  uint32_t words[PVT_SEED_POOL], pool[PVT_SEED_POOL];
  const pvg_attribute *seed = pvg_attribute_of(node, "seed");
  size_t count = PVT_SEED_POOL;
  if (seed != NULL) {
    int64_t whole = seed->i;
    if (seed->kind == PVG_FLOAT) {
      memcpy(words, &seed->f, sizeof *words);
      count = 1;
    } else {
      memcpy(words, &whole, sizeof whole);
      count = 2;
    }
  } else if (getrandom(words, sizeof words, 0) != (ssize_t)sizeof words) {
    uint64_t address = (uint64_t)(uintptr_t)bits; /* no system has been seen to come here */
    memcpy(words, &address, sizeof address);
    count = 2;
  }
  pvt_seed_mix(words, count, pool);
  pvt_bits_seed(bits, PVT_PCG64, pool);
}

/* ---- Shapes ------------------------------------------------------------- */

int pvg_random_infer(pvg_infer *infer) {
  int dtype = pvg_dtype_of(pvg_int(infer->node, "dtype", 1)), count;
  if (dtype < 0) return dtype;
  const int64_t *shape = pvg_ints(infer->node, "shape", &count);
  if (count > PVT_MAX_DIMS) return pvt_fail(PVT_E_SHAPE, "a shape has %d dimensions", count);
  for (int d = 0; d < count; d++)
    if (shape[d] < 0) return pvt_fail(PVT_E_SHAPE, "a size is %lld", (long long)shape[d]);
  infer->outputs[0].dtype = dtype;
  pvg_info_sizes(&infer->outputs[0], count, shape);
  return PVT_OK;
}

int pvg_random_like_infer(pvg_infer *infer) {
  const pvg_attribute *type = pvg_attribute_of(infer->node, "dtype");
  int dtype = type != NULL ? pvg_dtype_of(type->i) : infer->inputs[0]->dtype;
  if (type != NULL && dtype < 0) return dtype;
  pvg_infer_like(infer);
  infer->outputs[0].dtype = dtype;
  return PVT_OK;
}

int pvg_random_prepare(const pvg_prepare *prepare, void *state) {
  pvg_random *random = state;
  const pvg_node *node = prepare->node;
  const pvg_info *out = &prepare->outputs[0];
  random->dtype = (pvt_dtype)out->dtype;
  random->ndim = out->ndim;
  for (int d = 0; d < out->ndim; d++) random->shape[d] = out->size[d];
  if (strncmp(node->type, "RandomNormal", 12) == 0) {
    random->low = pvg_float(node, "mean", 0);
    random->scale = pvg_float(node, "scale", 1);
  } else {
    random->low = pvg_float(node, "low", 0);
    random->scale = pvg_float(node, "high", 1) - random->low;
  }
  return PVT_OK;
}

/* ---- Numbers ------------------------------------------------------------ */

static int fill(pvg_call *call, pvt_distribution distribution) {
  const pvg_random *random = call->state;
  pvt_array *out = pvg_output(call, 0, random->dtype, random->ndim, random->shape), numbers;
  if (out == NULL) return pvt_error_status();
  int status = pvg_scratch_array(call, &numbers, PVT_FLOAT64, random->ndim, random->shape);
  if (status != PVT_OK) return status;
  pvt_bits bits;
  pvg_random_start(call->node, &bits);
  double parameters[2] = {random->low, random->scale};
  pvt_array first, second;
  pvt_array_over(&first, &parameters[0], PVT_FLOAT64, 0, NULL);
  pvt_array_over(&second, &parameters[1], PVT_FLOAT64, 0, NULL);
  status = pvt_random(&bits, distribution, (const pvt_array *const[]){&first, &second}, &numbers);
  return status == PVT_OK ? pvt_copy(&numbers, out) : status;
}

int pvg_normal_run(pvg_call *call) {
  return fill(call, PVT_NORMAL);
}

int pvg_uniform_run(pvg_call *call) {
  return fill(call, PVT_UNIFORM);
}

int pvg_bernoulli_run(pvg_call *call) {
  const pvg_random *random = call->state;
  pvt_array *out = pvg_output(call, 0, random->dtype, random->ndim, random->shape);
  if (out == NULL) return pvt_error_status();
  pvt_array numbers, less;
  int status = pvg_scratch_array(call, &numbers, PVT_FLOAT64, random->ndim, random->shape);
  if (status == PVT_OK)
    status = pvg_scratch_array(call, &less, PVT_BOOL, random->ndim, random->shape);
  if (status != PVT_OK) return status;
  pvt_bits bits;
  pvg_random_start(call->node, &bits);
  status = pvt_random(&bits, PVT_RANDOM, NULL, &numbers);
  if (status == PVT_OK) status = pvt_binary(PVT_LESS, &numbers, call->inputs[0], &less);
  return status == PVT_OK ? pvt_copy(&less, out) : status;
}

/* ---- Multinomial -------------------------------------------------------- */

int pvg_multinomial_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  int dtype = pvg_dtype_of(pvg_int(infer->node, "dtype", 6));
  if (dtype < 0) return dtype;
  if (x->ranked && x->ndim != 2)
    return pvt_fail(PVT_E_SHAPE, "the input has %d dimensions, not 2", x->ndim);
  int64_t samples = pvg_int(infer->node, "sample_size", 1);
  if (samples < 0) return pvt_fail(PVT_E_VALUE, "sample_size is %lld", (long long)samples);
  infer->outputs[0].dtype = dtype;
  pvg_info_sizes(&infer->outputs[0], 2,
                 (pvg_size[]){x->ranked ? x->size[0] : pvg_symbol(infer), samples});
  return PVT_OK;
}

/* Draws from each row's classes, whose probabilities are the exponentials of its elements. */
int pvg_multinomial_run(pvg_call *call) {
  const pvg_random *random = call->state;
  int64_t rows = random->shape[0], samples = random->shape[1];
  int64_t classes = call->inputs[0]->dim[1].size;
  pvt_array *out = pvg_output(call, 0, random->dtype, 2, random->shape), logits, draws;
  if (out == NULL) return pvt_error_status();
  int status = pvg_scratch_array(call, &logits, PVT_FLOAT64, 2, (int64_t[]){rows, classes});
  if (status == PVT_OK) status = pvg_scratch_array(call, &draws, PVT_INT64, 2, random->shape);
  if (status == PVT_OK) status = pvt_copy(call->inputs[0], &logits);
  if (status != PVT_OK || rows == 0 || samples == 0) return status;
  if (classes == 0) return pvt_fail(PVT_E_SHAPE, "there are no classes to draw from");
  pvt_bits bits;
  pvg_random_start(call->node, &bits);
  for (int64_t row = 0; row < rows; row++) {
    double *weights = (double *)logits.data + row * classes, highest = weights[0], sum = 0;
    for (int64_t i = 0; i < classes; i++) highest = weights[i] > highest ? weights[i] : highest;
    for (int64_t i = 0; i < classes; i++)
      weights[i] = sum += __builtin_exp(weights[i] - highest); /* sums up to each class */
    for (int64_t i = 0; i < samples; i++) {
      double at = pvt_bits_double(&bits) * sum;
      int64_t low = 0, high = classes - 1;
      while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (at < weights[middle]) high = middle;
        else low = middle + 1;
      }
      ((int64_t *)draws.data)[row * samples + i] = low;
      if (i % 1024 == 1023 && (status = pvt_poll()) != PVT_OK) return status;
    }
    status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  return pvt_copy(&draws, out);
}

/* losses.c - NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss. */
#include "context.h"
#include "scoring_operators.h"

/* ---- Inference ---------------------------------------------------------- */

int pvg_nll_infer(pvg_infer *infer) {
  pvg_info *out = &infer->outputs[0];
  out->dtype = infer->inputs[0]->dtype;
  if (strcmp(pvg_string(infer->node, "reduction", "mean"), "none") == 0)
    pvg_info_shape(out, infer->inputs[1]);
  else pvg_info_sizes(out, 0, NULL);
  return PVT_OK;
}

int pvg_cross_entropy_infer(pvg_infer *infer) {
  if (infer->output_count > 1) {
    infer->outputs[1].dtype = infer->inputs[0]->dtype;
    pvg_info_shape(&infer->outputs[1], infer->inputs[0]);
  }
  return pvg_nll_infer(infer);
}

/* ---- The loss ----------------------------------------------------------- */

static int check(const pvt_array *scores, const pvt_array *targets, const pvt_array *weights) {
  bool fits = scores->ndim >= 2 && targets->ndim == scores->ndim - 1 &&
              pvt_dtype_kind((pvt_dtype)targets->dtype) <= PVT_KIND_UINT;
  for (int d = 0; fits && d < targets->ndim; d++)
    fits = targets->dim[d].size == scores->dim[d == 0 ? 0 : d + 1].size;
  char shapes[2][PVT_SHAPE_TEXT];
  if (!fits)
    return pvt_fail(PVT_E_SHAPE, "targets of shape %s are no classes for scores of shape %s",
                    pvt_shape_text(targets, shapes[0]), pvt_shape_text(scores, shapes[1]));
  if (weights != NULL && (weights->ndim != 1 || weights->dim[0].size != scores->dim[1].size))
    return pvt_fail(PVT_E_SHAPE, "there is not one weight for each of %lld classes",
                    (long long)scores->dim[1].size);
  return PVT_OK;
}

/* log_p: float64 [n, places, classes] in C order. */
static int loss(pvg_call *call, const double *log_p, int64_t classes) {
  const pvt_array *targets = call->inputs[1], *weights = PVG_INPUT(call, 2);
  pvt_dtype dtype = (pvt_dtype)call->inputs[0]->dtype;
  const char *reduction = pvg_string(call->node, "reduction", "mean");
  const pvg_attribute *ignored = pvg_attribute_of(call->node, "ignore_index");
  bool none = strcmp(reduction, "none") == 0, mean = strcmp(reduction, "mean") == 0;
  if (!none && !mean && strcmp(reduction, "sum") != 0)
    return pvt_fail(PVT_E_VALUE, "reduction is \"%.20s\", not none, sum or mean", reduction);
  int64_t shape[PVT_MAX_DIMS], count = pvt_array_count(targets);
  pvg_shape_of(targets, shape);
  pvt_array *out = pvg_output(call, 0, dtype, none ? targets->ndim : 0, shape);
  pvt_array classes_of, weight_of, each;
  if (out == NULL) return pvt_error_status();
  int status = pvg_as(call, targets, PVT_INT64, &classes_of);
  if (status == PVT_OK) status = pvg_scratch_array(call, &each, PVT_FLOAT64, targets->ndim, shape);
  if (status == PVT_OK && weights != NULL) status = pvg_as(call, weights, PVT_FLOAT64, &weight_of);
  if (status != PVT_OK) return status;
  double total = 0, weight_total = 0, *losses = (double *)each.data;
  for (int64_t i = 0; i < count; i++) {
    int64_t class = pvg_int_at(&classes_of, i);
    double weight = 0;
    losses[i] = 0;
    if (ignored == NULL || class != ignored->i) {
      if (class < 0 || class >= classes)
        return pvt_fail(PVT_E_INDEX, "target %lld is none of %lld classes", (long long)class,
                        (long long)classes);
      weight = weights != NULL ? pvg_float_at(&weight_of, class) : 1;
      losses[i] = -weight * log_p[i * classes + class];
    }
    total += losses[i];
    weight_total += weight;
    if (i % 4096 == 4095 && (status = pvt_poll()) != PVT_OK) return status;
  }
  if (none) return pvt_copy(&each, out);
  if (mean) total /= weight_total;
  pvt_array_over(&each, &total, PVT_FLOAT64, 0, NULL);
  return pvt_copy(&each, out);
}

/* Scores as float64 [n, places..., classes] in scratch memory. */
static int classes_last(pvg_call *call, pvt_array *scores) {
  const pvt_array *x = call->inputs[0];
  int status = check(x, call->inputs[1], PVG_INPUT(call, 2));
  if (status != PVT_OK) return status;
  int64_t shape[PVT_MAX_DIMS];
  pvt_array turned;
  pvg_look(&turned, x);
  for (int d = 1; d < x->ndim - 1; d++) turned.dim[d] = x->dim[d + 1];
  turned.dim[x->ndim - 1] = x->dim[1];
  pvg_shape_of(&turned, shape);
  status = pvg_scratch_array(call, scores, PVT_FLOAT64, x->ndim, shape);
  return status == PVT_OK ? pvt_copy(&turned, scores) : status;
}

int pvg_nll_run(pvg_call *call) {
  pvt_array scores;
  int status = classes_last(call, &scores);
  return status == PVT_OK ? loss(call, (const double *)scores.data, call->inputs[0]->dim[1].size)
                          : status;
}

int pvg_cross_entropy_run(pvg_call *call) {
  const pvt_array *x = call->inputs[0];
  pvt_array scores;
  int status = classes_last(call, &scores);
  if (status != PVT_OK) return status;
  int64_t classes = x->dim[1].size, count = pvt_array_count(x);
  if (count > 0) status = pvg_softmax_rows(count / classes, classes, &scores, &scores, true);
  if (status == PVT_OK && pvg_output_wanted(call, 1)) {
    int64_t shape[PVT_MAX_DIMS];
    pvg_shape_of(x, shape);
    pvt_array *out = pvg_output(call, 1, (pvt_dtype)x->dtype, x->ndim, shape), turned;
    if (out == NULL) return pvt_error_status();
    pvg_look(&turned, out);
    for (int d = 1; d < x->ndim - 1; d++) turned.dim[d] = out->dim[d + 1];
    turned.dim[x->ndim - 1] = out->dim[1];
    status = pvt_copy(&scores, &turned);
  }
  return status == PVT_OK ? loss(call, (const double *)scores.data, classes) : status;
}

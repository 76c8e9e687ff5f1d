/* training.c - steps of gradient descent: Adam, Adagrad, Momentum. */
#include <math.h>
#include <string.h>

#include "context.h"
#include "dense.h"

typedef enum method { ADAM, ADAGRAD, MOMENTUM, NESTEROV } method;

typedef struct training_state {
  method method;
  int states; /* tensors that are kept for each one that is trained */
  double alpha, beta, epsilon, decay, norm, norm_after;
} training_state;

static int prepare_training(const pvg_prepare *prepare, void *memory) {
  training_state *state = memory;
  const pvg_node *node = prepare->node;
  bool adam = strcmp(node->type, "Adam") == 0, adagrad = strcmp(node->type, "Adagrad") == 0;
  const char *mode = pvg_string(node, "mode", "standard");
  state->method = adam ? ADAM : adagrad ? ADAGRAD : MOMENTUM;
  if (state->method == MOMENTUM && strcmp(mode, "nesterov") == 0) state->method = NESTEROV;
  state->states = adam ? 2 : 1;
  state->alpha = pvg_float(node, "alpha", 0.9F);
  state->beta = pvg_float(node, "beta", 0.999F);
  state->epsilon = pvg_float(node, "epsilon", 1e-6F);
  state->decay = pvg_float(node, "decay_factor", 0);
  state->norm = pvg_float(node, "norm_coefficient", 0);
  state->norm_after = pvg_float(node, "norm_coefficient_post", 0);
  int each = 2 + state->states, given = prepare->input_count - 2;
  if (given % each != 0 || prepare->output_count > given / each * (1 + state->states))
    return pvt_fail(PVT_E_SHAPE, "%s: %d inputs and %d outputs do not go together", node->type,
                    prepare->input_count, prepare->output_count);
  return PVT_OK;
}

/* Inputs: rate, step, then the tensors, their gradients, and their states; outputs: the tensors, and
** their states. */
static int infer_training(pvg_infer *infer) {
  int each = strcmp(infer->node->type, "Adam") == 0 ? 4 : 3;
  int count = (infer->input_count - 2) / each;
  for (int i = 0; i < infer->output_count && count > 0; i++)
    pvg_infer_copy(infer, i, i < count ? 2 + i : 2 + count + i);
  return PVT_OK;
}

static void train(const training_state *s, double rate, bool started, int64_t n, const double *x,
                  const double *gradient, const double *const *before, double *y,
                  double *const *after) {
  for (int64_t i = 0; i < n; i++) {
    double g = s->norm * x[i] + gradient[i], v, h;
    switch (s->method) {
    case ADAM:
      v = s->alpha * before[0][i] + (1 - s->alpha) * g;
      h = s->beta * before[1][i] + (1 - s->beta) * g * g;
      y[i] = (1 - s->norm_after) * (x[i] - rate * v / (sqrt(h) + s->epsilon));
      after[0][i] = v;
      after[1][i] = h;
      break;
    case ADAGRAD:
      h = before[0][i] + g * g;
      y[i] = x[i] - rate * g / (sqrt(h) + s->epsilon);
      after[0][i] = h;
      break;
    default:
      v = s->alpha * before[0][i] + (started ? s->beta : 1) * g;
      y[i] = x[i] - rate * (s->method == NESTEROV ? g + s->alpha * v : v);
      after[0][i] = v;
    }
  }
}

static int run_training(pvg_call *call) {
  const training_state *s = call->state;
  double rate;
  int64_t step;
  int count = (call->input_count - 2) / (2 + s->states);
  int status = pvg_one_float("the learning rate", call->inputs[0], &rate);
  if (status == PVT_OK) status = pvg_one_int("the step", call->inputs[1], &step);
  if (status != PVT_OK) return status;
  if (s->method == ADAM && step > 0)
    rate *= sqrt(1 - pow(s->beta, (double)step)) / (1 - pow(s->alpha, (double)step));
  if (s->method == ADAGRAD) rate /= 1 + (double)step * s->decay;
  for (int i = 0; i < count; i++) {
    const pvt_array *x = call->inputs[2 + i];
    int64_t shape[PVT_MAX_DIMS], n = pvt_array_count(x);
    int ndim = pvg_sizes_of(x, shape);
    const double *in[4];
    pvg_result out[3];
    for (int j = 0; j < 2 + s->states; j++) {
      const pvt_array *input = call->inputs[2 + j * count + i];
      if (pvt_array_count(input) != n)
        return pvt_fail(PVT_E_SHAPE, "%s: a tensor, its gradient and its state differ in shape",
                        call->node->type);
      if ((in[j] = pvg_dense(call, input, PVT_FLOAT64)) == NULL) return pvt_error_status();
    }
    for (int j = 0; j < 1 + s->states; j++) {
      int at = j * count + i;
      pvt_array scratch;
      out[j].out = NULL;
      if (at < call->output_count) {
        status = pvg_result_begin(call, &out[j], at, (pvt_dtype)x->dtype, PVT_FLOAT64, ndim, shape);
      } else {
        status = pvg_scratch_array(call, &scratch, PVT_FLOAT64, ndim, shape);
        out[j].data = scratch.data;
      }
      if (status != PVT_OK) return status;
    }
    for (int64_t from = 0; from < n; from += PVT_TILE) {
      int64_t part = n - from < PVT_TILE ? n - from : PVT_TILE;
      const double *before[2] = {in[2] + from, s->states > 1 ? in[3] + from : NULL};
      double *after[2] = {(double *)out[1].data + from,
                          s->states > 1 ? (double *)out[2].data + from : NULL};
      train(s, rate, step > 0, part, in[0] + from, in[1] + from, before,
            (double *)out[0].data + from, after);
      if ((status = pvt_poll()) != PVT_OK) return status;
    }
    for (int j = 0; j < 1 + s->states && status == PVT_OK; j++) status = pvg_result_end(&out[j]);
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

#define TRAINING                                                                                   \
  "ai.onnx.preview.training", 1, 0, 2, -1, PVG_PURE, infer_training, sizeof(training_state),       \
      prepare_training, NULL, run_training

const pvg_operator pvg_training_operators[] = {
    {"Adam", TRAINING}, {"Adagrad", TRAINING}, {"Momentum", TRAINING}, {0}};

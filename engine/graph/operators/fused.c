/* fused.c - onnxruntime's joined operators: GELU with a bias, convolutions and products with an
** activation. */
#include <math.h>
#include <string.h>

#include "activations.h"
#include "attention_operators.h"
#include "elementwise.h"

/* ---- GELU ------------------------------------------------------------------------------ */

int pvg_gelu_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_fused_state *state = memory;
  const char *type = prepare->node->type;
  state->activation = strcmp(type, "FastGelu") == 0    ? PVT_GELU_TANH
                      : strcmp(type, "QuickGelu") == 0 ? PVT_SWISH
                                                       : PVT_GELU;
  state->alpha = pvg_float(prepare->node, "alpha", 1.702F);
  return PVT_OK;
}

int pvg_gelu_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  pvg_infer_is(infer, 0, x->dtype, x->ranked ? x->ndim : -1, x->size);
  return PVT_OK;
}

static int activate(const pvg_fused_state *state, pvt_array *y) {
  pvt_activation activation = {state->alpha, state->beta};
  pvt_kernel *const *row = pvt_kernels_get()->elementwise->activations[state->activation];
  const pvt_array *in = y;
  return pvt_elementwise_row(row, &activation, 1, &in, y, (pvt_dtype)y->dtype, (pvt_dtype)y->dtype);
}

int pvg_gelu_run(pvg_call *call) {
  const pvg_fused_state *state = call->state;
  const pvt_array *x = call->inputs[0], *bias = PVG_INPUT(call, 1);
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  pvt_array *y = pvg_output_over(call, 0, 0, (pvt_dtype)x->dtype, ndim, shape);
  if (y == NULL) return pvt_error_status();
  int status = bias != NULL ? pvt_binary(PVT_ADD, x, bias, y) : pvt_copy(x, y);
  return status == PVT_OK ? activate(state, y) : status;
}

/* ---- Convolutions and products ------------------------------------------------------------ */

/* Beyond the kernels of activations. */
enum { NONE = -1, RELU = -2, SIGMOID = -3, TANH = -4, CLIP = -5 };

static int read_activation(const pvg_node *node, pvg_fused_state *state) {
  static const struct {
    const char *name;
    int op;
    double alpha, beta;
  } known[] = {{"", NONE, 0, 0},
               {"Relu", RELU, 0, 0},
               {"Sigmoid", SIGMOID, 0, 0},
               {"Tanh", TANH, 0, 0},
               {"Clip", CLIP, -3.4028234663852886e38, 3.4028234663852886e38},
               {"LeakyRelu", PVT_LEAKY_RELU, 0.01, 0},
               {"HardSigmoid", PVT_HARD_SIGMOID, 0.2, 0.5},
               {"Elu", PVT_ELU, 1, 0},
               {"Softplus", PVT_SOFTPLUS, 0, 0},
               {"ThresholdedRelu", PVT_THRESHOLDED_RELU, 1, 0}};
  const char *name = pvg_string(node, "activation", "");
  int count;
  const float *values = pvg_floats(node, "activation_params", &count);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strcmp(known[i].name, name) != 0) continue;
    state->activation = known[i].op;
    state->alpha =
        count > 0 ? values[0] : pvg_float(node, "activation_alpha", (float)known[i].alpha);
    state->beta = count > 1 ? values[1] : pvg_float(node, "activation_beta", (float)known[i].beta);
    return PVT_OK;
  }
  return pvt_fail(PVT_E_UNSUPPORTED, "%s: activation '%s' is not supported", node->type, name);
}

int pvg_fused_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_fused_state *state = memory;
  const pvg_node *node = prepare->node;
  int status = read_activation(node, state);
  state->gemm_alpha = pvg_float(node, "alpha", 1);
  state->gemm_beta = pvg_float(node, "beta", 1);
  state->a_transposed = pvg_int(node, "transA", 0) != 0;
  state->b_transposed = pvg_int(node, "transB", 0) != 0;
  if (status == PVT_OK && strcmp(node->type, "FusedConv") == 0)
    status = pvg_conv_prepare(prepare, &state->conv);
  return status;
}

static int finish(const pvg_fused_state *state, pvt_array *y) {
  pvt_array low, high;
  char low_memory[16], high_memory[16];
  switch (state->activation) {
  case NONE: return PVT_OK;
  case SIGMOID: return pvt_unary(PVT_SIGMOID, y, y);
  case TANH: return pvt_unary(PVT_TANH, y, y);
  case RELU:
    pvg_scalar(&low, low_memory, (pvt_dtype)y->dtype, 0);
    return pvt_binary(PVT_MAXIMUM, y, &low, y);
  case CLIP:
    pvg_scalar(&low, low_memory, (pvt_dtype)y->dtype, state->alpha);
    pvg_scalar(&high, high_memory, (pvt_dtype)y->dtype, state->beta);
    return pvt_clip(y, &low, &high, y);
  default: return activate(state, y);
  }
}

/* x, weights, bias, and what is added before the activation. */
int pvg_fused_conv_run(pvg_call *call) {
  const pvg_fused_state *state = call->state;
  const pvg_conv_state *conv = &state->conv;
  const pvt_array *x = call->inputs[0], *w = call->inputs[1], *z = PVG_INPUT(call, 3);
  int64_t shape[PVT_MAX_DIMS] = {x->dim[0].size, w->dim[0].size};
  for (int i = 0; i < conv->fit.spatial; i++) shape[i + 2] = conv->fit.out[i];
  pvt_array *y = pvg_output(call, 0, (pvt_dtype)x->dtype, x->ndim, shape);
  if (y == NULL) return pvt_error_status();
  pvt_window window;
  pvg_fit_window(&conv->fit, &window);
  int status = pvt_conv(x, w, PVG_INPUT(call, 2), &window, conv->groups, y);
  if (status == PVT_OK && z != NULL) status = pvt_binary(PVT_ADD, y, z, y);
  return status == PVT_OK ? finish(state, y) : status;
}

int pvg_fused_gemm_infer(pvg_infer *infer) {
  const pvg_info *a = infer->inputs[0], *b = infer->inputs[1];
  bool known = a->ranked && b->ranked && a->ndim == 2 && b->ndim == 2;
  bool a_t = pvg_int(infer->node, "transA", 0) != 0, b_t = pvg_int(infer->node, "transB", 0) != 0;
  pvg_size size[2] = {known ? a->size[a_t ? 1 : 0] : 0, known ? b->size[b_t ? 0 : 1] : 0};
  pvg_infer_is(infer, 0, a->dtype, known ? 2 : -1, size);
  return PVT_OK;
}

int pvg_fused_gemm_run(pvg_call *call) {
  const pvg_fused_state *state = call->state;
  const pvt_array *c = PVG_INPUT(call, 2);
  pvt_array a, b, factor, part;
  char memory[16];
  pvg_look(&a, call->inputs[0]);
  pvg_look(&b, call->inputs[1]);
  if (a.ndim != 2 || b.ndim != 2)
    return pvt_fail(PVT_E_SHAPE, "FusedGemm: a and b should have 2 dimensions");
  int status = PVT_OK;
  if (state->a_transposed) status = pvt_view_permute(&a, (const int[]){1, 0});
  if (status == PVT_OK && state->b_transposed) status = pvt_view_permute(&b, (const int[]){1, 0});
  if (status != PVT_OK) return status;
  int64_t shape[2] = {a.dim[0].size, b.dim[1].size};
  pvt_array *y = pvg_output(call, 0, (pvt_dtype)a.dtype, 2, shape);
  if (y == NULL) return pvt_error_status();
  status = pvt_matmul(&a, &b, y);
  if (status == PVT_OK && state->gemm_alpha != 1) {
    pvg_scalar(&factor, memory, (pvt_dtype)y->dtype, state->gemm_alpha);
    status = pvt_binary(PVT_MULTIPLY, y, &factor, y);
  }
  if (status == PVT_OK && c != NULL && state->gemm_beta != 1) {
    status = pvg_scratch_array(call, &part, (pvt_dtype)y->dtype, 2, shape);
    pvg_scalar(&factor, memory, (pvt_dtype)y->dtype, state->gemm_beta);
    if (status == PVT_OK) status = pvt_binary(PVT_MULTIPLY, c, &factor, &part);
    c = &part;
  }
  if (status == PVT_OK && c != NULL) status = pvt_binary(PVT_ADD, y, c, y);
  return status == PVT_OK ? finish(state, y) : status;
}

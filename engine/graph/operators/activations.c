/* activations.c - operators that networks put between their layers. */
#include "activations.h"

#include "elementwise.h"
#include "elementwise_operators.h"

typedef struct description {
  const char *type;
  pvt_activation_op op;
  const char *alpha, *beta; /* attributes; NULL */
  double alpha_default, beta_default;
} description;

static const description descriptions[] = {
    {"Celu", PVT_CELU, "alpha", NULL, 1, 0},
    {"Elu", PVT_ELU, "alpha", NULL, 1, 0},
    {"Gelu", PVT_GELU, NULL, NULL, 0, 0},
    {"HardSigmoid", PVT_HARD_SIGMOID, "alpha", "beta", 0.2, 0.5},
    {"HardSwish", PVT_HARD_SWISH, NULL, NULL, 0, 0},
    {"LeakyRelu", PVT_LEAKY_RELU, "alpha", NULL, 0.01, 0},
    {"Mish", PVT_MISH, NULL, NULL, 0, 0},
    {"Selu", PVT_SELU, "alpha", "gamma", 1.67326319217681884765625, 1.05070102214813232421875},
    {"Shrink", PVT_SHRINK, "lambd", "bias", 0.5, 0},
    {"Softplus", PVT_SOFTPLUS, NULL, NULL, 0, 0},
    {"Softsign", PVT_SOFTSIGN, NULL, NULL, 0, 0},
    {"Swish", PVT_SWISH, "alpha", NULL, 1, 0},
    {"ThresholdedRelu", PVT_THRESHOLDED_RELU, "alpha", NULL, 1, 0},
};

int pvg_activation_prepare(const pvg_prepare *prepare, void *state) {
  pvg_elementwise *s = state;
  const pvg_node *node = prepare->node;
  pvg_elementwise_start(prepare, s);
  const description *one = descriptions;
  while (strcmp(one->type, node->type) != 0) one++;
  s->op = (int)one->op;
  s->alpha = one->alpha == NULL ? one->alpha_default
                                : pvg_float(node, one->alpha, (float)one->alpha_default);
  s->beta =
      one->beta == NULL ? one->beta_default : pvg_float(node, one->beta, (float)one->beta_default);
  if (one->op != PVT_GELU) return PVT_OK;
  const char *how = pvg_string(node, "approximate", "none");
  if (strcmp(how, "tanh") == 0) s->op = PVT_GELU_TANH;
  else if (strcmp(how, "none") != 0)
    return pvt_fail(PVT_E_VALUE, "approximate is \"%.20s\", not none or tanh", how);
  return PVT_OK;
}

int pvg_activate(int op, double alpha, double beta, const pvt_array *x, pvt_array *out) {
  pvt_dtype dtype = (pvt_dtype)out->dtype;
  pvt_activation activation = {alpha, beta};
  pvt_kernel *const *row = pvt_kernels_get()->elementwise->activations[op];
  pvt_kernel *kernel = row[dtype];
  int64_t strides[PVT_OPERANDS], n = kernel != NULL ? pvt_flat(1, &x, out, strides) : 0;
  if (n > 0) {
    char *const data[2] = {x->data, out->data};
    kernel(n, data, strides, &activation);
    return PVT_OK;
  }
  if (pvt_dtype_kind(dtype) <= PVT_KIND_UINT) { /* integers are shrunk as floats */
    static const pvt_dtype wanted[2] = {PVT_FLOAT64, PVT_FLOAT64};
    return pvt_elementwise_run(row[PVT_FLOAT64], &activation, 1, &x, out, wanted);
  }
  return pvt_elementwise_row(row, &activation, 1, &x, out, dtype, dtype);
}

int pvg_activation_run(pvg_call *call) {
  const pvg_elementwise *s = call->state;
  pvt_array *out = pvg_elementwise_output(call);
  if (out == NULL) return pvt_error_status();
  return pvg_activate(s->op, s->alpha, s->beta, call->inputs[0], out);
}

int pvg_relu_run(pvg_call *call) {
  const pvt_array *x = call->inputs[0];
  pvt_array *out = pvg_elementwise_output(call), zero;
  if (out == NULL) return pvt_error_status();
  char memory[16] = {0};
  pvt_array_over(&zero, memory, (pvt_dtype)x->dtype, 0, NULL);
  return pvt_binary(PVT_MAXIMUM, x, &zero, out);
}

/* ---- A slope for each element ------------------------------------------- */

#define SLOPED(name, T)                                                                            \
  static void name(int64_t n, char *const *data, const int64_t *strides, void *arg) {              \
    (void)arg;                                                                                     \
    for (int64_t i = 0; i < n; i++) {                                                              \
      T x = *(const T *)(data[0] + i * strides[0]);                                                \
      T slope = *(const T *)(data[1] + i * strides[1]);                                            \
      *(T *)(data[2] + i * strides[2]) = x < 0 ? (T)(x * slope) : x;                               \
    }                                                                                              \
  }
SLOPED(sloped_f32, float)
SLOPED(sloped_f64, double)
SLOPED(sloped_i64, int64_t)

int pvg_prelu_run(pvg_call *call) {
  static pvt_kernel *const row[PVT_DTYPES] = {
      [PVT_FLOAT32] = sloped_f32, [PVT_FLOAT64] = sloped_f64, [PVT_INT64] = sloped_i64};
  const pvg_elementwise *s = call->state;
  pvt_array slopes;
  pvg_look(&slopes, call->inputs[1]);
  if (call->node->version < 7 && slopes.ndim == 1) /* one for each channel */
    while (slopes.ndim < s->ndim - 1) slopes.dim[slopes.ndim++] = (pvt_dim){1, 0};
  const pvt_array *const in[2] = {call->inputs[0], &slopes};
  pvt_array *out = pvg_elementwise_output(call);
  if (out == NULL) return pvt_error_status();
  switch (pvt_dtype_kind(s->dtype)) {
  case PVT_KIND_BOOL:
  case PVT_KIND_UINT: return pvt_copy(in[0], out);
  case PVT_KIND_INT: {
    static const pvt_dtype wanted[3] = {PVT_INT64, PVT_INT64, PVT_INT64};
    return pvt_elementwise_run(sloped_i64, NULL, 2, in, out, wanted);
  }
  default: return pvt_elementwise_row(row, NULL, 2, in, out, s->dtype, s->dtype);
  }
}

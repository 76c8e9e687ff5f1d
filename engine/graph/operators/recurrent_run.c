/* recurrent_run.c - RNN, LSTM, GRU: attributes, shapes, and the way from inputs to steps. */
#include <string.h>
#include <strings.h>

#include "context.h"
#include "recurrent_operators.h"

/* ---- Attributes --------------------------------------------------------------- */

static const struct gate_type {
  const char *name;
  bool alpha, beta;
  float alpha_default, beta_default;
} gate_types[PVG_GATE_KINDS] = {
    [PVG_GATE_SIGMOID] = {"Sigmoid"},
    [PVG_GATE_TANH] = {"Tanh"},
    [PVG_GATE_RELU] = {"Relu"},
    [PVG_GATE_AFFINE] = {"Affine", true, true, 1, 0},
    [PVG_GATE_LEAKY_RELU] = {"LeakyRelu", true, false, 0.01F, 0},
    [PVG_GATE_THRESHOLDED_RELU] = {"ThresholdedRelu", true, false, 1, 0},
    [PVG_GATE_SCALED_TANH] = {"ScaledTanh", true, true, 1, 1},
    [PVG_GATE_HARD_SIGMOID] = {"HardSigmoid", true, true, 0.2F, 0.5F},
    [PVG_GATE_ELU] = {"Elu", true, false, 1, 0},
    [PVG_GATE_SOFTSIGN] = {"Softsign"},
    [PVG_GATE_SOFTPLUS] = {"Softplus"},
};

static int read_gates(const pvg_node *node, pvg_recurrent_state *state) {
  int count = 0, alphas = 0, betas = 0, alpha = 0, beta = 0;
  int each = state->cell == PVG_LSTM ? 3 : state->cell == PVG_GRU ? 2 : 1;
  const pvg_attribute *names = pvg_attribute_of(node, "activations");
  const float *a = pvg_floats(node, "activation_alpha", &alphas);
  const float *b = pvg_floats(node, "activation_beta", &betas);
  if (names != NULL && names->kind == PVG_STRINGS) count = (int)names->count;
  if (count != 0 && count != each * state->directions)
    return pvt_fail(PVT_E_VALUE, "%s: %d activations are given, but %d are needed", node->type,
                    count, each * state->directions);
  for (int i = 0; i < each * state->directions; i++) {
    pvg_gate *gate = &state->gate[i / each][i % each];
    gate->kind = state->cell != PVG_RNN && i % each == 0 ? PVG_GATE_SIGMOID : PVG_GATE_TANH;
    if (count == 0) continue;
    int kind = 0;
    while (kind < PVG_GATE_KINDS && strcasecmp(gate_types[kind].name, names->strings[i]) != 0)
      kind++;
    if (kind == PVG_GATE_KINDS)
      return pvt_fail(PVT_E_VALUE, "%s: there is no activation '%s'", node->type,
                      names->strings[i]);
    const struct gate_type *type = &gate_types[kind];
    gate->kind = (pvg_gate_kind)kind;
    /* Values are for those that take one, in their order. */
    gate->alpha = type->alpha && alpha < alphas ? a[alpha++] : type->alpha_default;
    gate->beta = type->beta && beta < betas ? b[beta++] : type->beta_default;
  }
  return PVT_OK;
}

static bool is_quantised(const pvg_node *node) {
  return strcmp(node->type, "DynamicQuantizeLSTM") == 0;
}

static int read_state(const pvg_node *node, pvg_recurrent_state *state) {
  const char *direction = pvg_string(node, "direction", "forward");
  state->cell = strcmp(node->type, "RNN") == 0   ? PVG_RNN
                : strcmp(node->type, "GRU") == 0 ? PVG_GRU
                                                 : PVG_LSTM;
  state->gates = state->cell == PVG_RNN ? 1 : state->cell == PVG_GRU ? 3 : 4;
  state->directions = strcmp(direction, "bidirectional") == 0 ? 2 : 1;
  state->reverse = strcmp(direction, "reverse") == 0;
  if (state->directions == 1 && !state->reverse && strcmp(direction, "forward") != 0)
    return pvt_fail(PVT_E_VALUE,
                    "%s: direction is '%s', which is none of forward, reverse, "
                    "bidirectional",
                    node->type, direction);
  state->batch_first = pvg_int(node, "layout", 0) != 0;
  state->input_forget = pvg_int(node, "input_forget", 0) != 0;
  state->linear_before_reset = pvg_int(node, "linear_before_reset", 0) != 0;
  state->clip = pvg_float(node, "clip", 0);
  return read_gates(node, state);
}

/* ---- Shapes ------------------------------------------------------------------- */

int pvg_recurrent_infer(pvg_infer *infer) {
  pvg_recurrent_state state;
  memset(&state, 0, sizeof state);
  int status = read_state(infer->node, &state);
  if (status == PVT_OK && is_quantised(infer->node))
    status = pvg_infer_needs(infer, 1 << 8 | 1 << 10);
  if (status != PVT_OK) return status;
  const pvg_info *x = PVG_INPUT(infer, 0), *r = PVG_INPUT(infer, 2);
  bool known = x->ranked && x->ndim == 3 && r->ranked && r->ndim == 3;
  pvg_size seq = 0, batch = 0, hidden = 0;
  if (known) {
    seq = x->size[state.batch_first ? 1 : 0];
    batch = x->size[state.batch_first ? 0 : 1];
    hidden = r->size[is_quantised(infer->node) ? 1 : 2];
  }
  pvg_size y[2][4] = {{seq, state.directions, batch, hidden},
                      {batch, seq, state.directions, hidden}};
  pvg_size last[2][3] = {{state.directions, batch, hidden}, {batch, state.directions, hidden}};
  int form = state.batch_first ? 1 : 0;
  pvg_infer_is(infer, 0, x->dtype, known ? 4 : -1, y[form]);
  pvg_infer_is(infer, 1, x->dtype, known ? 3 : -1, last[form]);
  pvg_infer_is(infer, 2, x->dtype, known ? 3 : -1, last[form]);
  return PVT_OK;
}

/* ---- Weights ------------------------------------------------------------------ */

/* The portable backend's best way of multiplying `rows` rows by w [n, k], transposed. None is no
** error. */
static int prepare_projection(const pvt_array *w, int direction, int64_t first, int64_t n,
                              int64_t rows, pvg_projection *projection) {
  pvt_array view;
  pvg_look(&view, w);
  int64_t k = w->dim[2].size;
  int status = pvt_view_slice(&view, 0, direction, 1, 1);
  if (status == PVT_OK) status = pvt_view_remove(&view, 0);
  if (status == PVT_OK) status = pvt_view_slice(&view, 0, first, n, 1);
  if (status == PVT_OK) status = pvt_view_permute(&view, (const int[]){1, 0});
  if (status != PVT_OK || n == 0 || k == 0 || rows == 0) return status;
  pvb_work work = {.kind = PVB_PRODUCT, .weights = &view, .threads = 1};
  work.product = (pvb_product){.batch = 1, .m = rows, .n = n, .k = k, .scale = 1, .constant = true};
  /* Its products of few rows read the weights once, as they lie packed. */
  const pvb_backend *backend = pvb_backend_named("portable");
  pvb_way ways[PVB_WAYS], *best = NULL;
  int count = backend->ways(&work, ways);
  for (int i = 0; i < count; i++)
    if (ways[i].reads == PVB_PLAIN && ways[i].writes == PVB_PLAIN &&
        (best == NULL || ways[i].seconds < best->seconds))
      best = &ways[i];
  if (best == NULL) return PVT_OK;
  projection->rows = rows;
  projection->n = n;
  projection->k = k;
  return backend->prepare(&work, best, &projection->kernel);
}

int pvg_recurrent_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_recurrent_state *state = memory;
  const pvg_node *node = prepare->node;
  int status = read_state(node, state);
  if (status != PVT_OK || is_quantised(node)) return status;
  const pvg_info *x = prepare->inputs[0], *w = prepare->inputs[1], *r = prepare->inputs[2];
  /* Packing pays where it is done once, not where x is there because a run goes on. */
  if (x->dtype != PVT_FLOAT32 || x->constant != NULL || w->constant == NULL ||
      r->constant == NULL || x->ndim != 3 || w->ndim != 3 || r->ndim != 3 ||
      w->dtype != PVT_FLOAT32 || r->dtype != PVT_FLOAT32)
    return PVT_OK;
  int64_t hidden = r->size[2], all = state->gates * hidden,
          batch = x->size[state->batch_first ? 0 : 1];
  if (w->size[1] != all || r->size[1] != all || w->size[0] != state->directions ||
      r->size[0] != state->directions || w->size[2] != x->size[2])
    return PVT_OK; /* run says what does not fit */
  bool split = state->cell == PVG_GRU && !state->linear_before_reset;
  for (int d = 0; d < state->directions && status == PVT_OK; d++) {
    status = prepare_projection(w->constant, d, 0, all, x->size[0] * x->size[1], &state->input[d]);
    if (status == PVT_OK)
      status = prepare_projection(r->constant, d, 0, split ? 2 * hidden : all, batch,
                                  &state->recurrent[d]);
    if (status == PVT_OK && split)
      status = prepare_projection(r->constant, d, 2 * hidden, hidden, batch, &state->candidate[d]);
  }
  if (status != PVT_OK) pvg_recurrent_unprepare(state);
  return status;
}

void pvg_recurrent_unprepare(void *memory) {
  pvg_recurrent_state *state = memory;
  for (int d = 0; d < 2; d++) {
    pvb_release(state->input[d].kernel);
    pvb_release(state->recurrent[d].kernel);
    pvb_release(state->candidate[d].kernel);
    state->input[d].kernel = state->recurrent[d].kernel = state->candidate[d].kernel = NULL;
  }
}

/* Weights of one direction in float; those of the kernels are only there where there is none. */
typedef struct float_weights {
  const pvg_projection *part[3], *input;
  pvt_array w, parts[3]; /* [k, n] each */
  void *scratch;
} float_weights;

static int multiply(const pvg_projection *projection, const pvt_array *w, pvt_dtype type,
                    void *scratch, int64_t rows, int64_t k, int64_t n, const void *from, void *to) {
  pvt_array x, y;
  pvt_array_over(&x, (void *)from, type, 2, (const int64_t[]){rows, k});
  pvt_array_over(&y, to, type, 2, (const int64_t[]){rows, n});
  if (projection->kernel == NULL || projection->rows != rows) return pvt_matmul(&x, w, &y);
  pvb_run run = {.x = &x, .y = &y, .scratch = scratch};
  return projection->kernel->run(projection->kernel, &run);
}

static int project_float(pvg_steps *steps, const void *x, int64_t rows, int64_t inputs, void *to) {
  float_weights *weights = steps->arg;
  return multiply(weights->input, &weights->w, steps->type, weights->scratch, rows, inputs,
                  steps->state->gates * steps->hidden, x, to);
}

static int multiply_float(pvg_steps *steps, int part, const void *from, void *to) {
  float_weights *weights = steps->arg;
  const pvt_array *w = &weights->parts[part];
  return multiply(weights->part[part], w, steps->type, weights->scratch, steps->batch,
                  steps->hidden, w->dim[1].size, from, to);
}

/* [directions, n, k] to [k, n] of one direction, rows first .. first + n - 1. */
static int direction_of(pvg_call *call, const pvt_array *from, pvt_dtype type, int direction,
                        int64_t first, int64_t n, pvt_array *view) {
  pvg_look(view, from);
  if (from->dtype != type) {
    int64_t shape[PVT_MAX_DIMS];
    int ndim = pvg_sizes_of(from, shape);
    const void *data = pvg_dense(call, from, type);
    if (data == NULL) return pvt_error_status();
    pvt_array_over(view, (void *)data, type, ndim, shape);
  }
  int status = pvt_view_slice(view, 0, direction, 1, 1);
  if (status == PVT_OK) status = pvt_view_remove(view, 0);
  if (status == PVT_OK) status = pvt_view_slice(view, 0, first, n, 1);
  return status == PVT_OK ? pvt_view_permute(view, (const int[]){1, 0}) : status;
}

static void *float_arg(pvg_call *call, int direction, int64_t inputs) {
  (void)inputs;
  const pvg_recurrent_state *state = call->state;
  float_weights *weights = pvg_scratch(call, sizeof *weights);
  if (weights == NULL) return NULL;
  const pvt_array *w = call->inputs[1], *r = call->inputs[2];
  pvt_dtype type = pvg_real(call->inputs[0]);
  int64_t hidden = r->dim[2].size, all = state->gates * hidden;
  weights->input = &state->input[direction];
  weights->part[0] = weights->part[1] = &state->recurrent[direction];
  weights->part[2] = &state->candidate[direction];
  int status = direction_of(call, w, type, direction, 0, all, &weights->w);
  if (status == PVT_OK) status = direction_of(call, r, type, direction, 0, all, &weights->parts[0]);
  if (status == PVT_OK && state->cell == PVG_GRU) {
    pvg_look(&weights->parts[1], &weights->parts[0]);
    pvg_look(&weights->parts[2], &weights->parts[0]);
    status = pvt_view_slice(&weights->parts[1], 1, 0, 2 * hidden, 1);
    if (status == PVT_OK) status = pvt_view_slice(&weights->parts[2], 1, 2 * hidden, hidden, 1);
  }
  if (status != PVT_OK) return NULL;
  const pvg_projection *all_parts[3] = {weights->input, weights->part[0], weights->part[2]};
  size_t most = 1;
  for (int i = 0; i < 3; i++) {
    const pvb_kernel *kernel = all_parts[i]->kernel;
    if (kernel != NULL && kernel->scratch > most) most = kernel->scratch;
  }
  weights->scratch = pvg_scratch(call, most);
  return weights->scratch == NULL ? NULL : weights;
}

/* ---- Running ------------------------------------------------------------------ */

static int check(pvg_call *call, int64_t seq, int64_t batch, int64_t inputs, int64_t hidden) {
  const pvg_recurrent_state *state = call->state;
  const char *type = call->node->type;
  const pvt_array *w = call->inputs[1], *r = call->inputs[2], *b = PVG_INPUT(call, 3);
  int64_t d = state->directions, all = state->gates * hidden;
  bool quantised = is_quantised(call->node);
  int width = quantised ? 2 : 1, depth = quantised ? 1 : 2;
  if (w->ndim != 3 || w->dim[0].size != d || w->dim[width].size != all ||
      w->dim[depth].size != inputs || r->dim[0].size != d || r->dim[width].size != all)
    return pvt_fail(PVT_E_SHAPE, "%s: x, W and R do not fit", type);
  if (b != NULL && (b->ndim != 2 || b->dim[0].size != d || b->dim[1].size != 2 * all))
    return pvt_fail(PVT_E_SHAPE, "%s: B should be [%lld, %lld]", type, (long long)d,
                    (long long)(2 * all));
  const pvt_array *lengths = PVG_INPUT(call, 4), *p = PVG_INPUT(call, 7);
  if (lengths != NULL && pvt_array_count(lengths) != batch)
    return pvt_fail(PVT_E_SHAPE, "%s: sequence_lens should have %lld elements", type,
                    (long long)batch);
  for (int i = 5; i < (state->cell == PVG_LSTM ? 7 : 6); i++)
    if (PVG_INPUT(call, i) != NULL && pvt_array_count(call->inputs[i]) != d * batch * hidden)
      return pvt_fail(PVT_E_SHAPE, "%s: an initial state is not of the right shape", type);
  if (state->cell == PVG_LSTM && p != NULL && pvt_array_count(p) != d * 3 * hidden)
    return pvt_fail(PVT_E_SHAPE, "%s: P should be [%lld, %lld]", type, (long long)d,
                    (long long)(3 * hidden));
  (void)seq;
  return PVT_OK;
}

/* Biases of input and state of one direction: their sum; GRU's state's before the reset stays
** alone. */
static int biases(pvg_steps *s, const pvt_array *b) {
  if (b == NULL) return PVT_OK;
  const pvg_recurrent_state *state = s->state;
  int64_t all = state->gates * s->hidden, together = all;
  if (state->cell == PVG_GRU && state->linear_before_reset) together = 2 * s->hidden;
  size_t size = pvt_itemsize(s->type);
  const char *from = pvg_dense(s->call, b, s->type);
  char *sum = pvg_scratch(s->call, (size_t)(all + 1) * size);
  if (from == NULL || sum == NULL) return pvt_error_status();
  from += (size_t)(s->direction * 2 * all) * size;
  memcpy(sum, from, (size_t)all * size);
  pvt_array left, right;
  pvt_array_over(&left, sum, s->type, 1, &together);
  pvt_array_over(&right, (void *)(from + (size_t)all * size), s->type, 1, &together);
  s->bias = sum;
  if (together != all) s->late_bias = from + (size_t)(all + together) * size;
  return pvt_binary(PVT_ADD, &left, &right, &left);
}

/* A state to start from, [batch, hidden] of one direction, in memory of its own. */
static void *initial(pvg_steps *s, const pvt_array *given) {
  pvt_array to, from;
  if (pvg_scratch_array(s->call, &to, s->type, 2, (const int64_t[]){s->batch, s->hidden}) != PVT_OK)
    return NULL;
  if (given == NULL) {
    memset(to.data, 0, (size_t)(s->batch * s->hidden) * pvt_itemsize(s->type));
    return to.data;
  }
  int axis = s->state->batch_first ? 1 : 0;
  pvg_look(&from, given);
  if (given->ndim != 3 || pvt_view_slice(&from, axis, s->direction, 1, 1) != PVT_OK ||
      pvt_view_remove(&from, axis) != PVT_OK || pvt_copy(&from, &to) != PVT_OK) {
    if (given->ndim != 3)
      pvt_fail(PVT_E_SHAPE, "%s: a state has 3 dimensions", s->call->node->type);
    return NULL;
  }
  return to.data;
}

static void *steps_memory(pvg_steps *s, int64_t elements) {
  return pvg_scratch(s->call, (size_t)(elements + 1) * pvt_itemsize(s->type));
}

/* The last state to its place among the directions. */
static void keep(const pvg_steps *s, const pvg_result *result, const void *from) {
  if (result->data == NULL) return;
  size_t row = (size_t)s->hidden * pvt_itemsize(s->type);
  int64_t d = s->direction, all = s->state->directions;
  for (int64_t b = 0; b < s->batch; b++) {
    int64_t at = s->state->batch_first ? b * all + d : d * s->batch + b;
    memcpy((char *)result->data + (size_t)at * row, (const char *)from + (size_t)b * row, row);
  }
}

int pvg_recurrent_run_with(pvg_call *call, const pvg_recurrent_weights *weights) {
  const pvg_recurrent_state *state = call->state;
  const pvt_array *x = call->inputs[0], *r = call->inputs[2], *lens = PVG_INPUT(call, 4);
  const char *type = call->node->type;
  if (x->ndim != 3 || r->ndim != 3)
    return pvt_fail(PVT_E_SHAPE, "%s: x and R should have 3 dimensions", type);
  pvt_array by_time;
  pvg_look(&by_time, x);
  int status = PVT_OK;
  if (state->batch_first) status = pvt_view_permute(&by_time, (const int[]){1, 0, 2});
  int64_t seq = by_time.dim[0].size, batch = by_time.dim[1].size, inputs = by_time.dim[2].size;
  int64_t hidden = r->dim[is_quantised(call->node) ? 1 : 2].size, d = state->directions;
  if (status == PVT_OK) status = check(call, seq, batch, inputs, hidden);
  if (status != PVT_OK) return status;
  pvt_dtype real = pvg_real(x), dtype = (pvt_dtype)x->dtype;
  int64_t y_shape[2][4] = {{seq, d, batch, hidden}, {batch, seq, d, hidden}};
  int64_t last_shape[2][3] = {{d, batch, hidden}, {batch, d, hidden}};
  int form = state->batch_first ? 1 : 0;
  pvg_result results[3];
  memset(results, 0, sizeof results);
  for (int i = 0; i < (state->cell == PVG_LSTM ? 3 : 2) && status == PVT_OK; i++)
    if (i < call->output_count && pvg_output_wanted(call, i))
      status = pvg_result_begin(call, &results[i], i, dtype, real, i == 0 ? 4 : 3,
                                i == 0 ? y_shape[form] : last_shape[form]);
  const void *input = status == PVT_OK ? pvg_dense(call, &by_time, real) : NULL;
  const int32_t *lengths = NULL;
  if (status == PVT_OK && lens != NULL && (lengths = pvg_dense(call, lens, PVT_INT32)) == NULL)
    status = pvt_error_status();
  if (status != PVT_OK || input == NULL) return pvt_error_status();
  bool full = true;
  for (int64_t b = 0; b < batch && lengths != NULL; b++) {
    if (lengths[b] < 0 || lengths[b] > seq)
      return pvt_fail(PVT_E_VALUE, "%s: a sequence of %d elements where x has %lld", type,
                      (int)lengths[b], (long long)seq);
    full = full && lengths[b] == seq;
  }
  if (!full && results[0].data != NULL)
    memset(results[0].data, 0, (size_t)(seq * d * batch * hidden) * pvt_itemsize(real));
  pvg_steps s = {.call = call,
                 .state = state,
                 .type = real,
                 .seq = seq,
                 .batch = batch,
                 .hidden = hidden,
                 .multiply = weights->multiply};
  if (!full) s.lengths = lengths;
  int64_t all = state->gates * hidden;
  void *projected = steps_memory(&s, seq * batch * all);
  s.projected = projected;
  s.summed = steps_memory(&s, batch * all);
  s.z = steps_memory(&s, all);
  s.reset = steps_memory(&s, batch * hidden);
  if (projected == NULL || s.summed == NULL || s.z == NULL || s.reset == NULL)
    return pvt_error_status();
  s.y_step = state->batch_first ? d * hidden : d * batch * hidden;
  s.y_row = state->batch_first ? seq * d * hidden : hidden;
  const char *peepholes = NULL;
  if (state->cell == PVG_LSTM && PVG_INPUT(call, 7) != NULL &&
      (peepholes = pvg_dense(call, call->inputs[7], real)) == NULL)
    return pvt_error_status();
  for (int i = 0; i < d && status == PVT_OK; i++) {
    s.direction = i;
    s.backwards = state->reverse || i == 1;
    s.bias = s.late_bias = NULL;
    s.peephole =
        peepholes != NULL ? peepholes + (size_t)(i * 3 * hidden) * pvt_itemsize(real) : NULL;
    status = biases(&s, PVG_INPUT(call, 3));
    if (status != PVT_OK) return status;
    s.h = initial(&s, PVG_INPUT(call, 5));
    s.c = state->cell == PVG_LSTM ? initial(&s, PVG_INPUT(call, 6)) : s.h;
    s.arg = weights->arg(call, i, inputs);
    if (s.h == NULL || s.c == NULL || s.arg == NULL) return pvt_error_status();
    s.y = results[0].data;
    if (s.y != NULL)
      s.y = (char *)s.y +
            (size_t)(i * (state->batch_first ? 1 : batch) * hidden) * pvt_itemsize(real);
    status = weights->project(&s, input, seq * batch, inputs, projected);
    if (status == PVT_OK) status = pvg_recurrent_steps(&s);
    keep(&s, &results[1], s.h);
    keep(&s, &results[2], s.c);
  }
  for (int i = 0; i < 3 && status == PVT_OK; i++)
    if (results[i].data != NULL) status = pvg_result_end(&results[i]);
  return status;
}

int pvg_recurrent_run(pvg_call *call) {
  static const pvg_recurrent_weights weights = {project_float, multiply_float, float_arg};
  return pvg_recurrent_run_with(call, &weights);
}

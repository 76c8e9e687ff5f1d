/* rotary.c - RotaryEmbedding: pairs of numbers turned by angles that positions give. */
#include <string.h>

#include "attention_operators.h"
#include "context.h"

int pvg_rotary_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_rotary_state *state = memory;
  const pvg_node *node = prepare->node;
  state->heads = pvg_int(node, "num_heads", 0);
  state->size = pvg_int(node, "rotary_embedding_dim", 0);
  state->interleaved = pvg_int(node, "interleaved", 0) != 0;
  state->scale = pvg_float(node, "scale", 1);
  state->positions_first = strcmp(node->domain, "com.microsoft") == 0;
  if (state->size < 0 || state->size % 2 != 0 || state->heads < 0)
    return pvt_fail(PVT_E_VALUE, "RotaryEmbedding: rotary_embedding_dim should be even");
  return PVT_OK;
}

#define TURN(REAL, name)                                                                           \
  static void name(const REAL *x, const REAL *cosine, const REAL *sine, int64_t half,              \
                   int64_t size, bool interleaved, REAL *y) {                                      \
    for (int64_t i = 0; i < half; i++) {                                                           \
      int64_t a = interleaved ? 2 * i : i, b = interleaved ? 2 * i + 1 : i + half;                 \
      REAL first = x[a], second = x[b];                                                            \
      y[a] = cosine[i] * first - sine[i] * second;                                                 \
      y[b] = sine[i] * first + cosine[i] * second;                                                 \
    }                                                                                              \
    memcpy(y + 2 * half, x + 2 * half, (size_t)(size - 2 * half) * sizeof *y);                     \
  }
TURN(float, turn_f32)
TURN(double, turn_f64)

/* x [batch, heads, seq, size] or [batch, seq, heads * size]; caches [positions, half], or without
** positions [batch, seq, half]. */
int pvg_rotary_run(pvg_call *call) {
  const pvg_rotary_state *state = call->state;
  const pvt_array *x = call->inputs[0];
  const pvt_array *positions = PVG_INPUT(call, state->positions_first ? 1 : 3);
  const pvt_array *cosines = call->inputs[state->positions_first ? 2 : 1];
  const pvt_array *sines = PVG_INPUT(call, state->positions_first ? 3 : 2);
  int64_t shape[PVT_MAX_DIMS];
  int ndim = pvg_sizes_of(x, shape);
  if ((ndim != 3 && ndim != 4) || cosines->ndim < 2 || sines == NULL)
    return pvt_fail(PVT_E_SHAPE, "RotaryEmbedding: x should have 3 or 4 dimensions");
  int64_t half = cosines->dim[cosines->ndim - 1].size, count = pvt_array_count(cosines);
  int64_t batch = shape[0], seq = ndim == 4 ? shape[2] : shape[1], heads, size;
  if (ndim == 4) {
    heads = shape[1];
    size = shape[3];
  } else { /* onnxruntime: heads from the caches, where nothing is said */
    size = state->heads > 0 ? shape[2] / state->heads : state->size > 0 ? 0 : 2 * half;
    heads = size > 0 ? shape[2] / size : 0;
    if (size == 0 || heads * size != shape[2])
      return pvt_fail(PVT_E_SHAPE, "RotaryEmbedding: num_heads is missing or does not fit");
  }
  if (pvt_array_count(sines) != count || (state->size > 0 && state->size != 2 * half) ||
      2 * half > size)
    return pvt_fail(PVT_E_SHAPE, "RotaryEmbedding: the caches do not fit x");
  int64_t rows = half > 0 ? count / half : 0,
          given = positions != NULL ? pvt_array_count(positions) : 0;
  if (positions != NULL ? given != batch * seq && given != 1 : rows != batch * seq)
    return pvt_fail(PVT_E_SHAPE, "RotaryEmbedding: there should be %lld positions",
                    (long long)(batch * seq));
  pvt_dtype type = pvg_real(x);
  pvg_result y;
  int status = pvg_result_begin(call, &y, 0, (pvt_dtype)x->dtype, type, ndim, shape);
  if (status != PVT_OK) return status;
  size_t item = pvt_itemsize(type);
  const char *from = pvg_dense(call, x, type), *cosine = pvg_dense(call, cosines, type);
  const char *sine = pvg_dense(call, sines, type);
  const int64_t *at = positions != NULL ? pvg_dense(call, positions, PVT_INT64) : NULL;
  if (from == NULL || cosine == NULL || sine == NULL || (positions != NULL && at == NULL))
    return pvt_error_status();
  for (int64_t i = 0; i < batch * seq; i++) {
    int64_t row = at == NULL ? i : given == 1 && batch * seq != 1 ? at[0] + i % seq : at[i];
    if (row < 0 || row >= rows)
      return pvt_fail(PVT_E_INDEX, "RotaryEmbedding: position %lld of %lld", (long long)row,
                      (long long)rows);
    const char *c = cosine + (size_t)(row * half) * item, *s = sine + (size_t)(row * half) * item;
    for (int64_t h = 0; h < heads; h++) {
      int64_t place = ndim == 4 ? (i / seq * heads + h) * seq + i % seq : i * heads + h;
      const char *p = from + (size_t)(place * size) * item;
      char *to = (char *)y.data + (size_t)(place * size) * item;
      if (type == PVT_FLOAT64)
        turn_f64((const double *)p, (const double *)c, (const double *)s, half, size,
                 state->interleaved, (double *)to);
      else
        turn_f32((const float *)p, (const float *)c, (const float *)s, half, size,
                 state->interleaved, (float *)to);
    }
    if (i % 16 == 0 && (status = pvt_poll()) != PVT_OK) return status;
  }
  return pvg_result_end(&y);
}

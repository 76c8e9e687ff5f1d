/* ngrams.c - TfIdfVectorizer: how often the n-grams of a pool come in rows of integers. */
#include <stdlib.h>

#include "choosing_operators.h"
#include "context.h"

int pvg_ngrams_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  int count;
  const int64_t *columns = pvg_ints(infer->node, "ngram_indexes", &count);
  if (pvg_attribute_of(infer->node, "pool_strings") != NULL)
    return pvt_fail(PVT_E_UNSUPPORTED, "n-grams of texts are not supported");
  int64_t most = -1;
  for (int i = 0; i < count; i++) most = columns[i] > most ? columns[i] : most;
  if (count == 0 || most >= INT32_MAX)
    return pvt_fail(PVT_E_VALUE, "ngram_indexes are left out, or out of range");
  infer->outputs[0].dtype = PVT_FLOAT32;
  if (!x->ranked) return PVT_OK;
  if (x->ndim < 1 || x->ndim > 2)
    return pvt_fail(PVT_E_SHAPE, "the input has %d dimensions, not 1 or 2", x->ndim);
  pvg_size sizes[2] = {x->size[0], most + 1};
  pvg_info_sizes(&infer->outputs[0], x->ndim, x->ndim == 1 ? sizes + 1 : sizes);
  return PVT_OK;
}

typedef struct sorting {
  const int64_t *const *gram;
  int64_t size;
} sorting;

static int compare_grams(const int64_t *a, const int64_t *b, int64_t size, int64_t step) {
  for (int64_t i = 0; i < size; i++)
    if (a[i] != b[i * step]) return a[i] < b[i * step] ? -1 : 1;
  return 0;
}

static int by_gram(const void *a, const void *b, void *arg) {
  const sorting *sorting = arg;
  return compare_grams(sorting->gram[*(const int64_t *)a], sorting->gram[*(const int64_t *)b],
                       sorting->size, 1);
}

int pvg_ngrams_prepare(const pvg_prepare *prepare, void *memory) {
  pvg_ngrams *state = memory;
  const pvg_node *node = prepare->node;
  int begin_count, pool_count, column_count;
  const int64_t *begins = pvg_ints(node, "ngram_counts", &begin_count);
  const int64_t *pool = pvg_ints(node, "pool_int64s", &pool_count);
  const int64_t *columns = pvg_ints(node, "ngram_indexes", &column_count);
  state->sizes = begin_count;
  state->columns = 0;
  for (int i = 0; i < column_count; i++) {
    if (columns[i] < 0) return pvt_fail(PVT_E_VALUE, "an ngram_index is negative");
    if (columns[i] >= state->columns) state->columns = columns[i] + 1;
  }
  state->gram = pvg_prepare_memory(prepare, ((size_t)pool_count + 1) * sizeof *state->gram);
  state->order = pvg_prepare_memory(prepare, ((size_t)pool_count + 1) * sizeof *state->order);
  state->begin = pvg_prepare_memory(prepare, ((size_t)begin_count + 1) * sizeof *state->begin);
  if (state->gram == NULL || state->order == NULL || state->begin == NULL)
    return pvt_error_status();
  for (int i = 0; i < begin_count; i++) {
    int64_t from = begins[i], to = i + 1 < begin_count ? begins[i + 1] : pool_count, size = i + 1;
    if (from < 0 || to < from || to > pool_count || (to - from) % size != 0)
      return pvt_fail(PVT_E_VALUE, "ngram_counts do not fit the pool");
    state->begin[i] = state->total;
    for (; from < to; from += size) {
      state->order[state->total] = state->total;
      state->gram[state->total++] = pool + from;
    }
    qsort_r(state->order + state->begin[i], (size_t)(state->total - state->begin[i]),
            sizeof *state->order, by_gram, &(sorting){state->gram, size});
  }
  state->begin[begin_count] = state->total;
  if (state->total > column_count)
    return pvt_fail(PVT_E_VALUE, "%lld n-grams have %d ngram_indexes", (long long)state->total,
                    column_count);
  return PVT_OK;
}

/* The number of the n-gram of that size at x, or -1. */
static int64_t find(const pvg_ngrams *state, int64_t size, const int64_t *x, int64_t step) {
  if (size > state->sizes) return -1;
  int64_t low = state->begin[size - 1], high = state->begin[size];
  while (low < high) {
    int64_t middle = low + (high - low) / 2, number = state->order[middle];
    int order = compare_grams(state->gram[number], x, size, step);
    if (order == 0) return number;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return -1;
}

int pvg_ngrams_run(pvg_call *call) {
  const pvg_ngrams *state = call->state;
  const pvg_node *node = call->node;
  const pvt_array *given = call->inputs[0];
  int count, weight_count;
  const int64_t *columns = pvg_ints(node, "ngram_indexes", &count);
  const float *weights = pvg_floats(node, "weights", &weight_count);
  const char *mode = pvg_string(node, "mode", "TF");
  bool idf = strcmp(mode, "IDF") == 0;
  if (!idf && strcmp(mode, "TF") != 0 && strcmp(mode, "TFIDF") != 0)
    return pvt_fail(PVT_E_VALUE, "mode is \"%.20s\", not TF, IDF or TFIDF", mode);
  if (strcmp(mode, "TF") == 0) weights = NULL;
  if (weights != NULL && weight_count < state->columns)
    return pvt_fail(PVT_E_VALUE, "there are %d weights for %lld columns", weight_count,
                    (long long)state->columns);
  int64_t shape[PVT_MAX_DIMS], skips = pvg_int(node, "max_skip_count", 0);
  pvg_shape_of(given, shape);
  int64_t length = shape[given->ndim - 1], rows = given->ndim == 1 ? 1 : shape[0];
  shape[given->ndim - 1] = state->columns;
  pvt_array *out = pvg_output(call, 0, PVT_FLOAT32, given->ndim, shape), x;
  if (out == NULL) return pvt_error_status();
  shape[given->ndim - 1] = length;
  int status = pvg_scratch_array(call, &x, PVT_INT64, given->ndim, shape);
  if (status == PVT_OK) status = pvt_copy(given, &x);
  if (status != PVT_OK) return status;
  memset(out->data, 0, (size_t)(rows * state->columns) * sizeof(float));
  for (int64_t row = 0; row < rows; row++) {
    const int64_t *own = (const int64_t *)x.data + row * length;
    float *frequency = (float *)out->data + row * state->columns;
    int64_t least = pvg_int(node, "min_gram_length", 1);
    int64_t most = pvg_int(node, "max_gram_length", 1);
    if (most > state->sizes) most = state->sizes; /* there are no longer ones */
    if (least < 1) return pvt_fail(PVT_E_VALUE, "min_gram_length is %lld", (long long)least);
    for (int64_t step = 1; step <= length && step - 1 <= skips && least <= most; step++) {
      for (int64_t i = 0; i < length; i++) {
        for (int64_t size = least; size <= most && i + step * (size - 1) < length; size++) {
          int64_t number = find(state, size, own + i, step);
          if (number >= 0) frequency[columns[number]]++;
        }
        if (i % 256 == 255 && (status = pvt_poll()) != PVT_OK) return status;
      }
      if (least == 1) least = 2; /* single ones do not depend on steps */
    }
    for (int64_t i = 0; i < state->columns; i++) {
      if (idf && frequency[i] > 0) frequency[i] = 1;
      if (weights != NULL) frequency[i] *= weights[i];
    }
    status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

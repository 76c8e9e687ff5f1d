/* ranking.c - the largest elements, and the different ones. */
#include <stdlib.h>

#include "choosing_operators.h"
#include "loop.h"

/* ---- TopK --------------------------------------------------------------- */

int pvg_top_k_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  if (infer->output_count > 1) infer->outputs[1].dtype = PVT_INT64;
  if (!x->ranked) return pvg_infer_open(infer, -1);
  int axis = pvg_axis(pvg_int(infer->node, "axis", -1), x->ndim);
  if (axis < 0) return axis;
  int64_t k;
  int count = pvg_node_ints(infer, 1, "k", &k, 1);
  if (count == PVG_LEFT_OUT) return pvt_fail(PVT_E_VALUE, "k is left out");
  if (count < 0 && count != PVG_UNKNOWN) return count;
  if (count == PVG_UNKNOWN) k = pvg_symbol(infer);
  else if (count != 1 || k < 0 || (!PVG_IS_SYMBOL(x->size[axis]) && k > x->size[axis]))
    return pvt_fail(PVT_E_VALUE, "k is %lld of %lld elements", count == 1 ? (long long)k : 0LL,
                    (long long)x->size[axis]);
  pvg_infer_like(infer);
  infer->outputs[0].size[axis] = k;
  if (infer->output_count > 1) pvg_info_shape(&infer->outputs[1], &infer->outputs[0]);
  return PVT_OK;
}

/* A candidate: larger keys are better, of equal ones the first. */
#define CANDIDATES(suffix, K)                                                                      \
  typedef struct candidate_##suffix {                                                              \
    K key;                                                                                         \
    int64_t place;                                                                                 \
  } candidate_##suffix;                                                                            \
                                                                                                   \
  static inline bool is_worse_##suffix(candidate_##suffix a, candidate_##suffix b) {               \
    return a.key < b.key || (a.key == b.key && a.place > b.place);                                 \
  }                                                                                                \
                                                                                                   \
  /* The worst is on top: move the top down to where it belongs. */                                \
  static void sink_##suffix(candidate_##suffix *heap, int64_t count) {                             \
    candidate_##suffix top = heap[0];                                                              \
    int64_t at = 0, child;                                                                         \
    for (; (child = 2 * at + 1) < count; at = child) {                                             \
      if (child + 1 < count && is_worse_##suffix(heap[child + 1], heap[child])) child++;           \
      if (!is_worse_##suffix(heap[child], top)) break;                                             \
      heap[at] = heap[child];                                                                      \
    }                                                                                              \
    heap[at] = top;                                                                                \
  }                                                                                                \
                                                                                                   \
  /* The best k of n keys, best first. */                                                          \
  static void best_##suffix(const K *keys, int64_t n, int64_t k, candidate_##suffix *heap) {       \
    for (int64_t i = k - 1; i >= 0; i--) heap[k - 1 - i] = (candidate_##suffix){keys[i], i};       \
    for (int64_t i = k / 2; i >= 0; i--) {                                                         \
      candidate_##suffix *part = heap;                                                             \
      candidate_##suffix top = part[i];                                                            \
      int64_t at = i, child;                                                                       \
      for (; (child = 2 * at + 1) < k; at = child) {                                               \
        if (child + 1 < k && is_worse_##suffix(heap[child + 1], heap[child])) child++;             \
        if (!is_worse_##suffix(heap[child], top)) break;                                           \
        heap[at] = heap[child];                                                                    \
      }                                                                                            \
      heap[at] = top;                                                                              \
    }                                                                                              \
    for (int64_t i = k; i < n; i++) {                                                              \
      if (i + 16 <= n) { /* most are no better than what there is: sixteen at once */              \
        K least = heap[0].key;                                                                     \
        int better = 0;                                                                            \
        for (int64_t j = 0; j < 16; j++) better |= keys[i + j] > least;                            \
        if (!better) {                                                                             \
          i += 15;                                                                                 \
          continue;                                                                                \
        }                                                                                          \
      }                                                                                            \
      if (!(keys[i] > heap[0].key)) continue;                                                      \
      heap[0] = (candidate_##suffix){keys[i], i};                                                  \
      sink_##suffix(heap, k);                                                                      \
    }                                                                                              \
    for (int64_t left = k - 1; left > 0; left--) {                                                 \
      candidate_##suffix worst = heap[0];                                                          \
      heap[0] = heap[left];                                                                        \
      heap[left] = worst;                                                                          \
      sink_##suffix(heap, left);                                                                   \
    }                                                                                              \
  }
CANDIDATES(short, float)
CANDIDATES(float, double)
CANDIDATES(whole, int64_t)

/* The best k of a line, by a heap. NaNs are the worst. */
typedef struct selecting {
  pvt_dtype dtype;
  bool largest;
  int64_t size, k;
  void *keys, *heap;
} selecting;

#define SELECT(suffix, K, type)                                                                    \
  static void select_##suffix(const selecting *s, const char *x, int64_t step, int64_t *places) {  \
    K *keys = s->keys;                                                                             \
    candidate_##suffix *heap = s->heap;                                                            \
    pvt_cast_find(s->dtype, type)(s->size, x, step, (char *)keys, sizeof(K));                      \
    for (int64_t i = 0; i < s->size; i++) {                                                        \
      K key = s->largest ? keys[i] : -keys[i];                                                     \
      keys[i] = key == key ? key : -(K)__builtin_inf();                                            \
    }                                                                                              \
    best_##suffix(keys, s->size, s->k, heap);                                                      \
    for (int64_t i = 0; i < s->k; i++) places[i] = heap[i].place;                                  \
  }
SELECT(short, float, PVT_FLOAT32)
SELECT(float, double, PVT_FLOAT64)

static void select_whole(const selecting *s, const char *x, int64_t step, int64_t *places) {
  int64_t *keys = s->keys;
  candidate_whole *heap = s->heap;
  pvt_cast_find(s->dtype, PVT_INT64)(s->size, x, step, (char *)keys, 8);
  uint64_t turned = s->dtype == PVT_UINT64 ? 1ull << 63 : 0;
  for (int64_t i = 0; i < s->size; i++) {
    keys[i] = (int64_t)((uint64_t)keys[i] ^ turned);
    if (!s->largest) keys[i] = ~keys[i];
  }
  best_whole(keys, s->size, s->k, heap);
  for (int64_t i = 0; i < s->k; i++) places[i] = heap[i].place;
}

static void select_line(const selecting *s, const char *x, int64_t step, int64_t *places) {
  if (pvt_dtype_kind(s->dtype) != PVT_KIND_FLOAT) select_whole(s, x, step, places);
  else if (s->dtype == PVT_FLOAT64) select_float(s, x, step, places);
  else select_short(s, x, step, places);
}

/* The axis comes last. */
static void axis_last(pvt_array *array, int axis) {
  pvt_dim along = array->dim[axis];
  for (int d = axis; d < array->ndim - 1; d++) array->dim[d] = array->dim[d + 1];
  array->dim[array->ndim - 1] = along;
}

/* places: int64 [lines, k] in C order; x's axis is the last one. */
static int select_lines(pvg_call *call, const pvt_array *x, bool largest, int64_t k,
                        int64_t *places) {
  int last = x->ndim - 1;
  selecting s = {
      .dtype = (pvt_dtype)x->dtype, .largest = largest, .size = x->dim[last].size, .k = k};
  s.keys = pvg_scratch(call, (size_t)s.size * 8 + 8);
  if (s.keys == NULL) return pvt_error_status();
  s.heap = pvg_scratch(call, (size_t)k * sizeof(candidate_whole));
  if (s.heap == NULL) return pvt_error_status();
  int64_t index[PVT_MAX_DIMS] = {0}, lines = pvt_array_count(x) / s.size, since = 0;
  const char *line = x->data;
  for (int64_t i = 0; i < lines; i++) {
    select_line(&s, line, x->dim[last].stride, places + i * k);
    since += s.size;
    int status = since >= PVT_TILE ? pvt_poll() : PVT_OK;
    if (status != PVT_OK) return status;
    if (since >= PVT_TILE) since = 0;
    for (int d = last - 1; d >= 0; d--) {
      line += x->dim[d].stride;
      if (++index[d] < x->dim[d].size) break;
      line -= x->dim[d].size * x->dim[d].stride;
      index[d] = 0;
    }
  }
  return PVT_OK;
}

int pvg_top_k_run(pvg_call *call) {
  const pvt_array *x = call->inputs[0], *given = PVG_INPUT(call, 1);
  bool largest = pvg_int(call->node, "largest", 1) != 0;
  int axis = pvg_axis(pvg_int(call->node, "axis", -1), x->ndim), last = x->ndim - 1;
  if (axis < 0) return axis;
  if (given != NULL && pvt_array_count(given) != 1)
    return pvt_fail(PVT_E_SHAPE, "k is one element");
  int64_t k = given != NULL ? pvg_int_at(given, 0) : pvg_int(call->node, "k", 0);
  int64_t size = x->dim[axis].size, shape[PVT_MAX_DIMS];
  if (k < 0 || k > size)
    return pvt_fail(PVT_E_VALUE, "k is %lld of %lld elements", (long long)k, (long long)size);
  pvg_shape_of(x, shape);
  shape[axis] = k;
  pvt_array turned, places, best, values, *made[2] = {NULL, NULL};
  for (int i = 0; i < 2; i++) {
    if (!pvg_output_wanted(call, i)) continue;
    made[i] = pvg_output(call, i, i == 0 ? (pvt_dtype)x->dtype : PVT_INT64, x->ndim, shape);
    if (made[i] == NULL) return pvt_error_status();
  }
  if (k == 0 || pvt_array_count(x) == 0) return PVT_OK;
  pvg_look(&turned, x);
  axis_last(&turned, axis);
  pvg_shape_of(&turned, shape);
  int status;
  if (k <= size / 8 + 1 && k <= 1024 && pvt_dtype_kind((pvt_dtype)x->dtype) < PVT_KIND_COMPLEX) {
    shape[last] = k;
    status = pvg_scratch_array(call, &places, PVT_INT64, x->ndim, shape);
    if (status == PVT_OK) status = select_lines(call, &turned, largest, k, (int64_t *)places.data);
  } else {
    status = pvg_scratch_array(call, &places, PVT_INT64, x->ndim, shape);
    if (status == PVT_OK) status = pvt_argsort(&turned, last, largest, &places);
    places.dim[last].size = k;
  }
  if (status == PVT_OK && made[1] != NULL) {
    pvg_look(&best, made[1]);
    axis_last(&best, axis);
    status = pvt_copy(&places, &best);
  }
  if (status != PVT_OK || made[0] == NULL) return status;
  pvg_look(&values, made[0]);
  axis_last(&values, axis);
  return pvt_take_along(&turned, &places, last, &values);
}

/* ---- Unique ------------------------------------------------------------- */

int pvg_unique_infer(pvg_infer *infer) {
  const pvg_info *x = infer->inputs[0];
  const pvg_attribute *axis = pvg_attribute_of(infer->node, "axis");
  pvg_size different = pvg_symbol(infer), all = pvg_symbol(infer);
  pvg_info *out = infer->outputs;
  out[0].dtype = x->dtype;
  if (axis == NULL) {
    pvg_info_sizes(&out[0], 1, &different);
    int64_t count = 1;
    for (int d = 0; x->ranked && d < x->ndim && count >= 0; d++)
      if (PVG_IS_SYMBOL(x->size[d]) || __builtin_mul_overflow(count, x->size[d], &count))
        count = -1;
    if (x->ranked && count >= 0) all = count;
  } else if (x->ranked) {
    int at = pvg_axis(axis->i, x->ndim);
    if (at < 0) return at;
    pvg_info_shape(&out[0], x);
    all = x->size[at];
    out[0].size[at] = different;
  }
  for (int i = 1; i < infer->output_count; i++) {
    out[i].dtype = PVT_INT64;
    pvg_info_sizes(&out[i], 1, i == 2 ? &all : &different);
  }
  return PVT_OK;
}

/* Rows of elements in C order; compared element by element, NaNs last and as equals. */
typedef struct rows {
  const char *data;
  int64_t length;
  pvt_dtype dtype; /* float64, int64 or uint64 */
  int status;      /* of a poll; then everything compares as it comes */
  int64_t since;
} rows;

static int compare_rows(rows *rows, int64_t a, int64_t b) {
  for (int64_t i = 0; i < rows->length; i++) {
    const char *p = rows->data + (a * rows->length + i) * 8;
    const char *q = rows->data + (b * rows->length + i) * 8;
    int order;
    if (rows->dtype == PVT_FLOAT64) {
      double x = *(const double *)p, y = *(const double *)q;
      order = x < y ? -1 : x > y ? 1 : (x != x) - (y != y);
    } else if (rows->dtype == PVT_INT64) {
      int64_t x = *(const int64_t *)p, y = *(const int64_t *)q;
      order = (x > y) - (x < y);
    } else {
      uint64_t x = *(const uint64_t *)p, y = *(const uint64_t *)q;
      order = (x > y) - (x < y);
    }
    if (order != 0) return order;
  }
  return 0;
}

static int by_row(const void *a, const void *b, void *arg) {
  rows *rows = arg;
  int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
  rows->since += rows->length + 1;
  if (rows->since >= PVT_TILE && rows->status == PVT_OK) {
    rows->status = pvt_poll();
    rows->since = 0;
  }
  int order = rows->status == PVT_OK ? compare_rows(rows, i, j) : 0;
  return order != 0 ? order : (i > j) - (i < j);
}

static int by_number(const void *a, const void *b) {
  int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
  return (i > j) - (i < j);
}

static int give_int64s(pvg_call *call, int i, const int64_t *values, int64_t count) {
  if (i >= call->output_count || !pvg_output_wanted(call, i)) return PVT_OK;
  pvt_array *out = pvg_output(call, i, PVT_INT64, 1, &count);
  if (out == NULL) return pvt_error_status();
  memcpy(out->data, values, (size_t)count * 8);
  return PVT_OK;
}

int pvg_unique_run(pvg_call *call) {
  const pvt_array *x = call->inputs[0];
  const pvg_attribute *given = pvg_attribute_of(call->node, "axis");
  bool sorted = pvg_int(call->node, "sorted", 1) != 0;
  int axis = given != NULL ? pvg_axis(given->i, x->ndim) : 0;
  if (axis < 0) return axis;
  /* Rows: the axis first, then all elements that belong to one place of it. */
  pvt_array turned, wide, chosen, *out;
  int64_t shape[PVT_MAX_DIMS], total = pvt_array_count(x);
  pvg_look(&turned, x);
  if (given != NULL) {
    pvt_dim along = turned.dim[axis];
    for (int d = axis; d > 0; d--) turned.dim[d] = turned.dim[d - 1];
    turned.dim[0] = along;
  }
  int64_t count = given != NULL ? turned.dim[0].size : total;
  pvg_shape_of(&turned, shape);
  pvt_kind kind = pvt_dtype_kind((pvt_dtype)x->dtype);
  if (kind == PVT_KIND_COMPLEX) return pvt_fail(PVT_E_DTYPE, "complex elements have no order");
  pvt_dtype as = kind == PVT_KIND_FLOAT  ? PVT_FLOAT64
                 : kind == PVT_KIND_UINT ? PVT_UINT64
                                         : PVT_INT64;
  int status = pvg_scratch_array(call, &wide, as, turned.ndim, shape);
  if (status == PVT_OK) status = pvt_copy(&turned, &wide);
  if (status != PVT_OK) return status;
  int64_t *numbers = pvg_scratch(call, ((size_t)count * 5 + 1) * 8);
  if (numbers == NULL) return pvt_error_status();
  int64_t *order = numbers, *first = order + count, *inverse = first + count;
  int64_t *counts = inverse + count, *rank = counts + count, different = 0;
  rows rows = {wide.data, count > 0 ? total / count : 0, as, PVT_OK, 0};
  for (int64_t i = 0; i < count; i++) order[i] = i;
  qsort_r(order, (size_t)count, sizeof *order, by_row, &rows);
  if (rows.status != PVT_OK) return rows.status;
  for (int64_t i = 0; i < count; i++) {
    if (i == 0 || compare_rows(&rows, order[i - 1], order[i]) != 0) {
      first[different] = order[i];
      counts[different++] = 0;
    }
    inverse[order[i]] = different - 1;
    counts[different - 1]++;
  }
  if (!sorted) { /* in the order in which they come */
    for (int64_t i = 0; i < different; i++) order[i] = first[i];
    qsort(order, (size_t)different, sizeof *order, by_number);
    for (int64_t i = 0; i < different; i++) rank[inverse[order[i]]] = i;
    for (int64_t i = 0; i < count; i++) inverse[i] = rank[inverse[i]];
    for (int64_t i = 0; i < different; i++) {
      first[i] = order[i];
      order[i] = 0;
    }
    for (int64_t i = 0; i < count; i++) order[inverse[i]]++;
    counts = order;
  }
  if (given != NULL) {
    pvg_shape_of(x, shape);
    shape[axis] = different;
  } else shape[0] = different;
  out = pvg_output(call, 0, (pvt_dtype)x->dtype, given != NULL ? x->ndim : 1, shape);
  if (out == NULL) return pvt_error_status();
  if (given != NULL) {
    pvt_array_over(&chosen, first, PVT_INT64, 1, &different);
    status = pvt_take(x, &chosen, axis, PVT_INDEX_RAISE, out);
  } else {
    pvt_array flat; /* the elements as they were read, back in their type */
    int64_t *picked = rank;
    for (int64_t i = 0; i < different; i++) memcpy(&picked[i], wide.data + first[i] * 8, 8);
    pvt_array_over(&flat, picked, as, 1, &different);
    status = pvt_copy(&flat, out);
  }
  if (status == PVT_OK) status = give_int64s(call, 1, first, different);
  if (status == PVT_OK) status = give_int64s(call, 2, inverse, count);
  return status == PVT_OK ? give_int64s(call, 3, counts, different) : status;
}

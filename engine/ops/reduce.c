/* reduce.c - sums, extremes, truth, means and variances over any axes.
**
** Two ways. Where the elements of one result lie close together, they are taken in blocks, and
** what the blocks give is combined in pairs, so that rounding errors grow with the logarithm of
** the count. Where neighbours belong to different results, whole rows are folded onto a strip of
** results that stays in the cache. Both see to types and strides by converting a block or a strip
** at a time.
*/
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

/* ---- Types -------------------------------------------------------------- */

static bool is_integer(pvt_dtype dtype) {
  return pvt_dtype_kind(dtype) <= PVT_KIND_UINT; /* bool, too */
}

/* In what a total of `dtype` is kept. */
static pvt_dtype total_type(pvt_dtype dtype) {
  if (is_integer(dtype)) return pvt_dtype_kind(dtype) == PVT_KIND_UINT ? PVT_UINT64 : PVT_INT64;
  return dtype == PVT_FLOAT16 || dtype == PVT_BFLOAT16 ? PVT_FLOAT32 : dtype;
}

static pvt_dtype mean_type(pvt_dtype dtype) {
  return is_integer(dtype) ? PVT_FLOAT64 : total_type(dtype);
}

static pvt_dtype real_type(pvt_dtype dtype) {
  if (dtype == PVT_COMPLEX64) return PVT_FLOAT32;
  return dtype == PVT_COMPLEX128 ? PVT_FLOAT64 : dtype;
}

int pvt_reduce_types(pvt_reduce_op op, pvt_dtype x, pvt_dtype *result) {
  bool half = x == PVT_FLOAT16 || x == PVT_BFLOAT16;
  switch (op) {
  case PVT_SUM:
  case PVT_PROD: *result = half ? x : total_type(x); return PVT_OK;
  case PVT_SUMSQ: *result = half ? x : real_type(total_type(x)); return PVT_OK;
  case PVT_MEAN: *result = half ? x : mean_type(x); return PVT_OK;
  case PVT_MAX:
  case PVT_MIN: *result = x; return PVT_OK;
  case PVT_ANY:
  case PVT_ALL: *result = PVT_BOOL; return PVT_OK;
  case PVT_COUNT_NONZERO: *result = PVT_INT64; return PVT_OK;
  default: return pvt_fail(PVT_E_VALUE, "there is no reduction of number %d", (int)op);
  }
}

/* ---- What is to be done ------------------------------------------------- */

#define BUFFER 8192  /* bytes converted at a time */
#define SHORT_ROW 16 /* below this many elements, a row is not worth a kernel's call */

typedef struct side {
  int ndim; /* 1 or more; descending strides of x */
  int64_t size[PVT_MAX_DIMS];
  int64_t x[PVT_MAX_DIMS]; /* strides in bytes */
  int64_t out[PVT_MAX_DIMS];
  int64_t mean[PVT_MAX_DIMS];
} side;

typedef struct reduction {
  pvt_reduce_op op;
  const char *x;
  const char *mean; /* of `input` type; squares are of the distance from it. NULL: no squares */
  char *out;
  side kept, reduced; /* dimensions; `reduced` has strides of x only */
  int64_t count;      /* elements of one result */
  pvt_dtype type;     /* of x */
  pvt_dtype input;    /* what the kernels take, by the row or folded */
  pvt_dtype folded;
  pvt_dtype total; /* what they give */
  pvt_dtype result;
  pvt_row_kernel *row;
  pvt_fold_kernel *fold, *combine;
  pvt_squares_kernel *squares, *fold_squares;
} reduction;

static void choose_kernels(reduction *r) {
  const pvt_reductions *kernels = pvt_kernels_get()->reductions;
  pvt_reduce_op op = r->op == PVT_MEAN ? PVT_SUM : r->op;
  if (r->result == PVT_BOOL && (op == PVT_SUM || op == PVT_SUMSQ)) op = PVT_ANY;
  if (r->result == PVT_BOOL && op == PVT_PROD) op = PVT_ALL;
  pvt_reduce_op combine = op;
  switch (op) {
  case PVT_MAX:
  case PVT_MIN:
    r->input = r->type == PVT_FLOAT16 || r->type == PVT_BFLOAT16 ? PVT_FLOAT32 : r->type;
    r->total = r->input;
    break;
  case PVT_ANY:
  case PVT_ALL: r->input = r->total = PVT_BOOL; break;
  case PVT_COUNT_NONZERO:
    r->input = PVT_BOOL;
    r->total = PVT_INT64;
    combine = PVT_SUM;
    break;
  default:
    if (r->mean == NULL)
      r->input = r->op == PVT_MEAN ? mean_type(r->result) : total_type(r->result);
    r->total = r->mean != NULL ? real_type(r->input) : r->input;
    combine = op == PVT_PROD ? PVT_PROD : PVT_SUM;
  }
  r->folded = r->input;
  if (op == PVT_SUM && is_integer(r->type) && is_integer(r->total)) r->input = r->type;
  r->op = r->op == PVT_MEAN ? PVT_MEAN : op;
  r->row = kernels->row[op][r->input];
  r->fold = kernels->fold[op][r->folded];
  r->combine = kernels->fold[combine][r->total];
  r->squares = kernels->squares[r->input];
  r->fold_squares = kernels->fold_squares[r->input];
}

/* Insert a dimension in its place by x's stride. */
static void add_dim(side *side, int64_t size, int64_t x, int64_t out, int64_t mean) {
  int d = side->ndim++;
  for (; d > 0 && llabs(side->x[d - 1]) < llabs(x); d--) {
    side->size[d] = side->size[d - 1];
    side->x[d] = side->x[d - 1];
    side->out[d] = side->out[d - 1];
    side->mean[d] = side->mean[d - 1];
  }
  side->size[d] = size;
  side->x[d] = x;
  side->out[d] = out;
  side->mean[d] = mean;
}

static void merge_dims(side *side) {
  if (side->ndim == 0) {
    *side = (struct side){.ndim = 1, .size = {1}};
    return;
  }
  int last = 0;
  for (int i = 1; i < side->ndim; i++) {
    int64_t size = side->size[i];
    if (side->x[last] == size * side->x[i] && side->out[last] == size * side->out[i] &&
        side->mean[last] == size * side->mean[i])
      size *= side->size[last];
    else last++;
    side->size[last] = size;
    side->x[last] = side->x[i];
    side->out[last] = side->out[i];
    side->mean[last] = side->mean[i];
  }
  side->ndim = last + 1;
}

static void lay_out(reduction *r, const pvt_array *x, uint32_t axes, const pvt_array *mean,
                    const pvt_array *out) {
  r->x = x->data;
  r->out = out->data;
  r->type = (pvt_dtype)x->dtype;
  r->result = (pvt_dtype)out->dtype;
  r->count = 1;
  r->kept.ndim = r->reduced.ndim = 0;
  for (int i = 0; i < x->ndim; i++) {
    int64_t size = x->dim[i].size, stride = x->dim[i].stride;
    bool reduces = axes >> i & 1;
    if (reduces) r->count *= size;
    if (size == 1) continue;
    if (!reduces) {
      add_dim(&r->kept, size, stride, out->dim[i].stride, mean != NULL ? mean->dim[i].stride : 0);
      continue;
    }
    if (stride < 0) {
      r->x += (size - 1) * stride;
      stride = -stride;
    }
    add_dim(&r->reduced, size, stride, 0, 0);
  }
  merge_dims(&r->kept);
  merge_dims(&r->reduced);
}

/* ---- Pieces that both ways use ------------------------------------------ */

/* n elements of x in the type `wanted`, one behind the other: where they are, or in `buffer`. */
static const char *load(const reduction *r, pvt_dtype wanted, int64_t n, const char *x,
                        int64_t stride, char *buffer) {
  int64_t size = (int64_t)pvt_itemsize(wanted);
  if (r->type == wanted && (stride == size || n == 1)) return x;
  pvt_cast_find(r->type, wanted)(n, x, stride, buffer, size);
  return buffer;
}

static void divide(pvt_dtype dtype, char *total, int64_t n, double by) {
  if (pvt_dtype_kind(dtype) == PVT_KIND_COMPLEX) n *= 2;
  if (real_type(dtype) == PVT_FLOAT32)
    for (int64_t i = 0; i < n; i++) ((float *)total)[i] /= (float)by;
  else
    for (int64_t i = 0; i < n; i++) ((double *)total)[i] /= by;
}

static void store(const reduction *r, char *total, int64_t n, char *out, int64_t stride) {
  if (r->op == PVT_MEAN) divide(r->total, total, n, (double)r->count);
  pvt_cast_find(r->total, r->result)(n, total, (int64_t)pvt_itemsize(r->total), out, stride);
}

/* n totals of nothing; not for max and min. */
static void fill_identity(const reduction *r, char *total, int64_t n) {
  int64_t size = (int64_t)pvt_itemsize(r->total);
  char one[16] = {0};
  bool real = pvt_dtype_kind(r->total) == PVT_KIND_FLOAT;
  if (r->op == PVT_PROD || r->op == PVT_ALL) {
    uint8_t truth = 1;
    pvt_cast_find(PVT_BOOL, r->total)(1, (char *)&truth, 1, one, size);
  } else if (real || pvt_dtype_kind(r->total) == PVT_KIND_COMPLEX) {
    double zero[2] = {r->count > 0 ? -0.0 : 0.0, r->count > 0 ? -0.0 : 0.0};
    pvt_cast_find(PVT_COMPLEX128, r->total)(1, (char *)zero, 16, one, size);
  }
  pvt_cast_find(r->total, r->total)(n, one, 0, total, size);
}

/* Step to the next of a side's first `ndim` dimensions; false after the last. */
static bool step(const side *side, int ndim, int64_t *index, const char **x, char **out,
                 const char **mean) {
  for (int d = ndim - 1; d >= 0; d--) {
    *x += side->x[d];
    if (out != NULL) *out += side->out[d];
    if (mean != NULL) *mean += side->mean[d];
    if (++index[d] < side->size[d]) return true;
    *x -= side->size[d] * side->x[d];
    if (out != NULL) *out -= side->size[d] * side->out[d];
    if (mean != NULL) *mean -= side->size[d] * side->mean[d];
    index[d] = 0;
  }
  return false;
}

static int look(int64_t *since, int64_t done) {
  *since += done;
  if (*since < PVT_TILE) return PVT_OK;
  *since = 0;
  return pvt_poll();
}

/* ---- By the row --------------------------------------------------------- */

/* Totals of 1, 2, 4, ... blocks: bit i of `blocks` says whether there is one of 2^i. */
typedef struct pairs {
  uint64_t blocks;
  _Alignas(16) char total[64][16];
} pairs;

static void add_block(const reduction *r, pairs *pairs, const char *partial) {
  int level = 0;
  char kept[16];
  memcpy(kept, partial, 16);
  for (; pairs->blocks >> level & 1; level++) {
    r->combine(1, kept, pairs->total[level]);
    memcpy(kept, pairs->total[level], 16);
  }
  memcpy(pairs->total[level], kept, 16);
  pairs->blocks++;
}

/* The total of all, which is `total[0]` after that. */
static char *add_pairs(const reduction *r, pairs *pairs) {
  int level = __builtin_ctzll(pairs->blocks);
  char sum[16];
  memcpy(sum, pairs->total[level], 16);
  for (level++; level < 64 && pairs->blocks >> level != 0; level++) {
    if (!(pairs->blocks >> level & 1)) continue;
    r->combine(1, sum, pairs->total[level]);
    memcpy(sum, pairs->total[level], 16);
  }
  memcpy(pairs->total[0], sum, 16);
  return pairs->total[0];
}

static bool add_row(const reduction *r, pairs *pairs, int64_t n, const char *x, const char *mean) {
  char partial[16] = {0};
  if (r->mean != NULL && r->squares != NULL) r->squares(n, x, mean, partial);
  else r->row(n, x, partial);
  add_block(r, pairs, partial);
  return (r->op == PVT_ANY && partial[0]) || (r->op == PVT_ALL && !partial[0]);
}

/* One result. */
static int reduce_one(const reduction *r, const char *x, const char *mean, char *out,
                      int64_t *since) {
  const side *reduced = &r->reduced;
  int inner = reduced->ndim - 1;
  int64_t n = reduced->size[inner], stride = reduced->x[inner], index[PVT_MAX_DIMS] = {0};
  int64_t size = (int64_t)pvt_itemsize(r->input), block = BUFFER / 2 / size, packed = 0;
  if (block > PVT_REDUCE_BLOCK) block = PVT_REDUCE_BLOCK;
  bool any_order =
      r->mean == NULL && (is_integer(r->total) || r->op == PVT_MAX || r->op == PVT_MIN);
  bool packs = inner > 0 && n < block / 4; /* several rows to a block */
  if (any_order && r->type == r->input && stride == size && !packs) block = PVT_TILE;
  _Alignas(64) char buffer[BUFFER / 2];
  pairs pairs;
  pairs.blocks = 0;
  bool decided = false;
  do {
    if (packs) {
      if (packed + n > block) {
        decided = add_row(r, &pairs, packed, buffer, mean);
        packed = 0;
      }
      pvt_cast_find(r->type, r->input)(n, x, stride, buffer + packed * size, size);
      packed += n;
      int status = look(since, n);
      if (status != PVT_OK) return status;
      continue;
    }
    for (int64_t done = 0; done < n && !decided; done += block) {
      int64_t count = n - done < block ? n - done : block;
      const char *loaded = load(r, r->input, count, x + done * stride, stride, buffer);
      decided = add_row(r, &pairs, count, loaded, mean);
      int status = look(since, count);
      if (status != PVT_OK) return status;
    }
  } while (!decided && step(reduced, inner, index, &x, NULL, NULL));
  if (packed > 0) add_row(r, &pairs, packed, buffer, mean);
  store(r, add_pairs(r, &pairs), 1, out, 0);
  return PVT_OK;
}

static int reduce_rows(const reduction *r) {
  int64_t index[PVT_MAX_DIMS] = {0}, since = 0;
  const char *x = r->x, *mean = r->mean;
  char *out = r->out;
  do {
    int status = reduce_one(r, x, mean, out, &since);
    if (status != PVT_OK) return status;
  } while (step(&r->kept, r->kept.ndim, index, &x, &out, r->mean != NULL ? &mean : NULL));
  return PVT_OK;
}

/* ---- Folded ------------------------------------------------------------- */

typedef struct strip {
  _Alignas(64) char total[BUFFER];
  _Alignas(64) char input[BUFFER];
  _Alignas(64) char mean[BUFFER];
} strip;

static void fold(const reduction *r, strip *strip, int64_t n, const char *x, int64_t stride) {
  const char *loaded = load(r, r->folded, n, x, stride, strip->input);
  if (r->mean != NULL && r->fold_squares != NULL)
    r->fold_squares(n, loaded, strip->mean, strip->total);
  else r->fold(n, loaded, strip->total);
}

/* A strip of n results. Rows of x that lie one behind the other and are shorter than the strip may
** be are folded `at_once`: the strip then holds as many partial results of each. */
static int fold_strip(const reduction *r, strip *strip, int64_t n, int64_t at_once, const char *x,
                      const char *mean, char *out, int64_t *since) {
  const side *kept = &r->kept, *reduced = &r->reduced;
  int inner = kept->ndim - 1, last = reduced->ndim - 1;
  int64_t stride = kept->x[inner], index[PVT_MAX_DIMS] = {0}, wide = n * at_once;
  int64_t size = (int64_t)pvt_itemsize(r->total), rows = reduced->size[last];
  int64_t input = (int64_t)pvt_itemsize(r->folded);
  bool extreme = r->op == PVT_MAX || r->op == PVT_MIN;
  if (!extreme) fill_identity(r, strip->total, wide);
  if (r->mean != NULL)
    for (int64_t i = 0; i < at_once; i++)
      pvt_cast_find(r->folded, r->folded)(n, mean, kept->mean[inner], strip->mean + i * n * input,
                                          input);
  bool first = extreme;
  do {
    const char *row = x;
    int64_t left = rows;
    while (left > 0) {
      int64_t many = left < at_once ? left : at_once, count = many * n;
      if (first && many == at_once) {
        pvt_cast_find(r->type, r->total)(count, row, stride, strip->total, size);
        first = false;
      } else fold(r, strip, count, row, stride);
      row += many * reduced->x[last];
      left -= many;
      int status = look(since, count);
      if (status != PVT_OK) return status;
    }
  } while (step(reduced, last, index, &x, NULL, NULL));
  for (int64_t i = 1; i < at_once; i++) r->combine(n, strip->total + i * n * size, strip->total);
  store(r, strip->total, n, out, kept->out[inner]);
  return PVT_OK;
}

/* How many results fit into a strip. */
static int64_t strip_length(const reduction *r) {
  size_t size = pvt_itemsize(r->folded), total = pvt_itemsize(r->total);
  return (int64_t)(BUFFER / (size > total ? size : total));
}

/* How many rows of x may be folded at once. */
static int64_t rows_at_once(const reduction *r) {
  const side *kept = &r->kept, *reduced = &r->reduced;
  int inner = kept->ndim - 1, last = reduced->ndim - 1;
  int64_t n = kept->size[inner], length = strip_length(r);
  if (n > length / 4 || kept->x[inner] == 0 || reduced->x[last] != n * kept->x[inner]) return 1;
  int64_t most = length / n;
  return reduced->size[last] < 4 * most ? 1 : most;
}

static int reduce_folded(const reduction *r) {
  const side *kept = &r->kept;
  int inner = kept->ndim - 1;
  int64_t n = kept->size[inner], most = strip_length(r), at_once = rows_at_once(r);
  int64_t index[PVT_MAX_DIMS] = {0}, since = 0;
  const char *x = r->x, *mean = r->mean;
  char *out = r->out;
  strip strip;
  do {
    for (int64_t done = 0; done < n; done += most) {
      int status = fold_strip(r, &strip, n - done < most ? n - done : most, at_once,
                              x + done * kept->x[inner],
                              mean != NULL ? mean + done * kept->mean[inner] : NULL,
                              out + done * kept->out[inner], &since);
      if (status != PVT_OK) return status;
    }
  } while (step(kept, inner, index, &x, &out, mean != NULL ? &mean : NULL));
  return PVT_OK;
}

static int run(const reduction *r) {
  const side *kept = &r->kept, *reduced = &r->reduced;
  int64_t results = kept->size[kept->ndim - 1], row = reduced->size[reduced->ndim - 1];
  bool apart = llabs(kept->x[kept->ndim - 1]) < reduced->x[reduced->ndim - 1];
  bool folded = apart ? results >= SHORT_ROW / 2 || (results > 1 && rows_at_once(r) > 1)
                      : row < SHORT_ROW && results >= SHORT_ROW;
  return folded ? reduce_folded(r) : reduce_rows(r);
}

/* ---- Checks ------------------------------------------------------------- */

static int check(const pvt_array *x, uint32_t axes, const pvt_array *out) {
  if (!out->writable) return pvt_fail(PVT_E_READONLY, "the result is read-only");
  if (x->ndim < 32 && axes >> x->ndim != 0)
    return pvt_fail(PVT_E_AXIS, "axis %d is out of bounds for array of dimension %d",
                    31 - __builtin_clz(axes), x->ndim);
  bool fits = out->ndim == x->ndim;
  for (int i = 0; fits && i < x->ndim; i++)
    fits = out->dim[i].size == (axes >> i & 1 ? 1 : x->dim[i].size);
  if (fits) return PVT_OK;
  char shapes[2][PVT_SHAPE_TEXT];
  return pvt_fail(PVT_E_SHAPE, "an array of shape %s does not reduce to one of shape %s",
                  pvt_shape_text(x, shapes[0]), pvt_shape_text(out, shapes[1]));
}

/* An array of out's shape, whose memory is not x's. */
static int new_like(pvt_array *made, pvt_dtype dtype, const pvt_array *out) {
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < out->ndim; i++) shape[i] = out->dim[i].size;
  return pvt_array_new(made, dtype, out->ndim, shape);
}

static int reduce_empty(reduction *r, pvt_array *out) {
  if (r->op == PVT_MAX || r->op == PVT_MIN)
    return pvt_fail(PVT_E_SHAPE, "zero-size array to reduction operation %s which has no identity",
                    r->op == PVT_MAX ? "maximum" : "minimum");
  char total[16], element[16];
  fill_identity(r, total, 1);
  store(r, total, 1, element, 0);
  return pvt_fill(out, element);
}

static int reduce_into(pvt_reduce_op op, const pvt_array *x, uint32_t axes, const pvt_array *mean,
                       pvt_array *out) {
  if (pvt_array_count(out) == 0) return PVT_OK;
  static const char zero[16];
  reduction r = {.op = op};
  lay_out(&r, x, axes, mean, out);
  if (mean != NULL) {
    r.mean = mean->data;
    r.input = (pvt_dtype)mean->dtype;
  } else if (op == PVT_SUMSQ && r.result != PVT_BOOL &&
             !(is_integer(r.type) && is_integer(r.result))) {
    r.mean = zero;
    r.input = pvt_dtype_kind(r.type) == PVT_KIND_COMPLEX ? r.type : total_type(r.result);
    if (r.input == PVT_COMPLEX64 && real_type(total_type(r.result)) == PVT_FLOAT64)
      r.input = PVT_COMPLEX128;
    if (is_integer(r.input)) r.input = mean_type(r.type);
  }
  choose_kernels(&r);
  return r.count == 0 ? reduce_empty(&r, out) : run(&r);
}

int pvt_reduce(pvt_reduce_op op, const pvt_array *x, uint32_t axes, pvt_array *out) {
  pvt_dtype ignored;
  int status = pvt_reduce_types(op, (pvt_dtype)x->dtype, &ignored);
  if (status == PVT_OK) status = check(x, axes, out);
  if (status != PVT_OK) return status;
  if (!pvt_array_overlap(x, out)) return reduce_into(op, x, axes, NULL, out);
  pvt_array apart;
  status = new_like(&apart, (pvt_dtype)out->dtype, out);
  if (status != PVT_OK) return status;
  status = reduce_into(op, x, axes, NULL, &apart);
  if (status == PVT_OK) status = pvt_copy(&apart, out);
  pvt_array_release(&apart);
  return status;
}

int pvt_variance(const pvt_array *x, uint32_t axes, double correction, pvt_array *out) {
  int status = check(x, axes, out);
  if (status != PVT_OK) return status;
  pvt_dtype wanted = mean_type((pvt_dtype)x->dtype);
  if (out->dtype == PVT_FLOAT64 && wanted == PVT_FLOAT32) wanted = PVT_FLOAT64;
  if (out->dtype == PVT_FLOAT64 && wanted == PVT_COMPLEX64) wanted = PVT_COMPLEX128;
  pvt_array mean, sum;
  status = new_like(&mean, wanted, out);
  if (status != PVT_OK) return status;
  status = new_like(&sum, real_type(wanted), out);
  if (status != PVT_OK) {
    pvt_array_release(&mean);
    return status;
  }
  status = reduce_into(PVT_MEAN, x, axes, NULL, &mean);
  if (status == PVT_OK) status = reduce_into(PVT_SUMSQ, x, axes, &mean, &sum);
  if (status == PVT_OK) {
    double count = 1;
    for (int i = 0; i < x->ndim; i++)
      if (axes >> i & 1) count *= (double)x->dim[i].size;
    count = count > correction ? count - correction : 0;
    divide((pvt_dtype)sum.dtype, sum.data, pvt_array_count(&sum), count);
    status = pvt_copy(&sum, out);
  }
  pvt_array_release(&mean);
  pvt_array_release(&sum);
  return status;
}

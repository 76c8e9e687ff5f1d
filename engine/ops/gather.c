/* gather.c - elements and slices chosen by indices: taken, put, or added to. */
#include <string.h>

#include "choose.h"
#include "elements.h"
#include "kernels.h"
#include "offsets.h"

/* ---- Indexing by integer arrays ----------------------------------------- */

static int check_count(const pvt_array *x, int count) {
  if (count >= 0 && count <= x->ndim) return PVT_OK;
  return pvt_fail(PVT_E_INDEX,
                  "too many indices for array: array is %d-dimensional, but %d were indexed",
                  x->ndim, count);
}

/* So few that the general way would take longer to set up than to do. */
#define FEW 64

/* Elements of a vector by a few contiguous indices. False: nothing is done, take the general way,
** which also says what is wrong. */
static bool gather_few(const pvt_array *x, const pvt_array *indices, pvt_array *out) {
  int64_t n = indices->dim[0].size, size = x->dim[0].size, stride = x->dim[0].stride;
  int64_t itemsize = (int64_t)pvt_itemsize((pvt_dtype)x->dtype);
  if (n > FEW || indices->dtype != PVT_INT64 || indices->dim[0].stride != 8) return false;
  if (out->ndim != 1 || out->dim[0].size != n || out->dim[0].stride != itemsize) return false;
  if (out->dtype != x->dtype || !out->writable) return false;
  if (pvt_array_overlap(x, out) || pvt_array_overlap(indices, out)) return false;
  const int64_t *index = (const int64_t *)indices->data;
  int64_t offset[FEW];
  for (int64_t i = 0; i < n; i++) {
    int64_t at = index[i] < 0 ? index[i] + size : index[i];
    if (at < 0 || at >= size) return false;
    offset[i] = at * stride;
  }
  const char *from = x->data;
  char *to = out->data;
  switch (itemsize) {
  case 1:
    for (int64_t i = 0; i < n; i++) to[i] = from[offset[i]];
    return true;
  case 4:
    for (int64_t i = 0; i < n; i++) memcpy(to + 4 * i, from + offset[i], 4);
    return true;
  case 8:
    for (int64_t i = 0; i < n; i++) memcpy(to + 8 * i, from + offset[i], 8);
    return true;
  default: return false;
  }
}

int pvt_gather(const pvt_array *x, const pvt_array *const *indices, int count, pvt_array *out) {
  if (count == 1 && x->ndim == 1 && indices[0]->ndim == 1 && gather_few(x, indices[0], out))
    return PVT_OK;
  int ndim;
  int64_t shape[PVT_MAX_DIMS];
  int status = check_count(x, count);
  if (status == PVT_OK) status = pvt_offsets_shape(indices, count, &ndim, shape);
  if (status != PVT_OK) return status;
  bool fits = out->ndim == ndim + x->ndim - count;
  for (int i = 0; fits && i < out->ndim; i++)
    fits = out->dim[i].size == (i < ndim ? shape[i] : x->dim[count + i - ndim].size);
  if (!fits) {
    char text[PVT_SHAPE_TEXT];
    return pvt_fail(PVT_E_SHAPE, "the indices do not give a result of shape %s",
                    pvt_shape_text(out, text));
  }
  pvt_offsets offsets;
  status = pvt_offsets_start(&offsets, x, indices, count, ndim, shape);
  if (status != PVT_OK) return status;
  pvt_result result;
  status = pvt_result_start(&result, out, (pvt_dtype)x->dtype, x, NULL);
  if (status != PVT_OK) return status;
  bool overlaps = false;
  for (int k = 0; k < count; k++) overlaps |= pvt_array_overlap(indices[k], out);
  if (overlaps && !result.apart) { /* read them all before anything is written */
    int64_t own[PVT_MAX_DIMS];
    for (int i = 0; i < out->ndim; i++) own[i] = out->dim[i].size;
    status = pvt_array_new(&result.made, (pvt_dtype)x->dtype, out->ndim, own);
    if (status != PVT_OK) return status;
    result.apart = true;
  }
  const pvt_array *into = result.apart ? &result.made : out;
  pvt_chunk chunk;
  pvt_chunk_of(&chunk, x, count, into, ndim);
  int64_t step = (int64_t)pvt_itemsize((pvt_dtype)x->dtype), offset[PVT_OFFSETS_BLOCK], n;
  for (int i = ndim; i < into->ndim; i++) step *= into->dim[i].size;
  char *to = into->data;
  const pvt_choosers *choosers = pvt_kernels_get()->choosers;
  while ((n = pvt_offsets_next(&offsets, offset)) > 0) {
    if (chunk.empty) continue; /* indices are checked all the same */
    if (chunk.log >= 0) {
      choosers->gather[chunk.log](n, x->data + chunk.source, offset, to);
      to += n * step;
      continue;
    }
    for (int64_t i = 0; i < n && status == PVT_OK; i++, to += step) {
      status = pvt_chunk_copy(&chunk, x->data + offset[i], to);
      if (status == PVT_OK && i % 64 == 63) status = pvt_poll();
    }
    if (status != PVT_OK) break;
  }
  if (status == PVT_OK && n < 0) status = (int)n;
  return pvt_result_finish(&result, status);
}

/* Add in the type that sums of x's are kept in, a stretch at a time. */
typedef struct adding {
  pvt_cast_kernel *load, *store;
  pvt_fold_kernel *fold;
  int64_t size; /* of an element of that type */
} adding;

static void adding_of(adding *a, pvt_dtype dtype) {
  pvt_dtype total = dtype;
  if (dtype == PVT_FLOAT16 || dtype == PVT_BFLOAT16) total = PVT_FLOAT32;
  else if (pvt_dtype_kind(dtype) <= PVT_KIND_UINT) total = PVT_INT64;
  a->load = pvt_cast_find(dtype, total);
  a->store = pvt_cast_find(total, dtype);
  a->fold = pvt_kernels_get()->reductions->fold[PVT_SUM][total];
  a->size = (int64_t)pvt_itemsize(total);
}

#define STRETCH 256

static void add_row(const adding *a, int64_t n, const char *values, int64_t stride, char *x,
                    int64_t x_stride) {
  _Alignas(64) char value[STRETCH * 16], total[STRETCH * 16];
  for (; n > 0; n -= STRETCH, values += STRETCH * stride, x += STRETCH * x_stride) {
    int64_t count = n < STRETCH ? n : STRETCH;
    a->load(count, values, stride, value, a->size);
    a->load(count, x, x_stride, total, a->size);
    a->fold(count, value, total);
    a->store(count, total, a->size, x, x_stride);
  }
}

static int add_chunk(const adding *a, const pvt_chunk *chunk, const char *values, char *x) {
  const pvt_move *move = &chunk->move;
  int inner = move->ndim - 1;
  int64_t index[PVT_MOVE_DIMS] = {0}, since = 0;
  values += chunk->source;
  x += chunk->target;
  for (;;) {
    add_row(a, move->size[inner], values, move->source_stride[inner], x,
            move->target_stride[inner]);
    int d = inner - 1;
    for (; d >= 0; d--) {
      values += move->source_stride[d];
      x += move->target_stride[d];
      if (++index[d] < move->size[d]) break;
      values -= move->size[d] * move->source_stride[d];
      x -= move->size[d] * move->target_stride[d];
      index[d] = 0;
    }
    if (d < 0) return PVT_OK;
    since += move->size[inner];
    if (since < PVT_TILE) continue;
    since = 0;
    int status = pvt_poll();
    if (status != PVT_OK) return status;
  }
}

/* A type for single elements that are added as they are; false: as chunks. */
static bool add_elements(pvt_dtype dtype, int64_t n, const char *values, int64_t stride,
                         const int64_t *offset, char *x) {
#define ADD(TYPE)                                                                                  \
  for (int64_t i = 0; i < n; i++)                                                                  \
    *(TYPE *)(x + offset[i]) += *(const TYPE *)(values + i * stride);                              \
  return true
  switch (dtype) {
  case PVT_INT8:
  case PVT_UINT8: ADD(e_u8);
  case PVT_INT16:
  case PVT_UINT16: ADD(e_u16);
  case PVT_INT32:
  case PVT_UINT32: ADD(e_u32);
  case PVT_INT64:
  case PVT_UINT64: ADD(e_u64);
  case PVT_FLOAT32: ADD(e_f32);
  case PVT_FLOAT64: ADD(e_f64);
  default: return false;
  }
#undef ADD
}

/* Where the values of the index places begin, walked as the offsets are. */
typedef struct walk {
  int ndim;
  int64_t size[PVT_MAX_DIMS], stride[PVT_MAX_DIMS], index[PVT_MAX_DIMS];
  const char *at;
} walk;

static void walk_of(walk *w, const pvt_array *values, int ndim, const int64_t *shape, int rest) {
  w->at = values->data;
  w->ndim = 0;
  int added = ndim + rest - values->ndim;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] == 1) continue;
    bool steps = i >= added && values->dim[i - added].size != 1;
    int64_t stride = steps ? values->dim[i - added].stride : 0, size = shape[i];
    int last = w->ndim - 1;
    if (last >= 0 && w->stride[last] == size * stride) size *= w->size[last];
    else last = w->ndim++;
    w->size[last] = size;
    w->stride[last] = stride;
    w->index[last] = 0;
  }
  if (w->ndim > 0) return;
  w->ndim = 1;
  w->size[0] = 1;
  w->stride[0] = w->index[0] = 0;
}

/* How many of `n` lie in one row from here on. */
static int64_t row_of(const walk *w, int64_t n) {
  int64_t left = w->size[w->ndim - 1] - w->index[w->ndim - 1];
  return n < left ? n : left;
}

static void advance(walk *w, int64_t n) {
  int d = w->ndim - 1;
  w->at += n * w->stride[d];
  w->index[d] += n;
  for (; d >= 0 && w->index[d] == w->size[d]; d--) {
    w->at -= w->size[d] * w->stride[d];
    w->index[d] = 0;
    if (d == 0) return;
    w->at += w->stride[d - 1];
    w->index[d - 1]++;
  }
}

static int scatter_block(const pvt_array *x, pvt_chunk *chunk, walk *w, int64_t n,
                         const int64_t *offset, const adding *add) {
  const pvt_choosers *choosers = pvt_kernels_get()->choosers;
  while (n > 0) {
    int64_t row = row_of(w, n), stride = w->stride[w->ndim - 1];
    const char *values = w->at;
    bool done = false;
    if (chunk->log >= 0 && add == NULL) {
      choosers->scatter[chunk->log](row, values + chunk->source, stride, offset,
                                    x->data + chunk->target);
      done = true;
    } else if (add != NULL && chunk->move.ndim == 1 && chunk->move.size[0] == 1 &&
               chunk->bytes == (int64_t)pvt_itemsize((pvt_dtype)x->dtype)) {
      done = add_elements((pvt_dtype)x->dtype, row, values, stride, offset, x->data);
    }
    for (int64_t i = 0; i < row && !done; i++, values += stride) {
      int status = add != NULL ? add_chunk(add, chunk, values, x->data + offset[i])
                               : pvt_chunk_copy(chunk, values, x->data + offset[i]);
      if (status == PVT_OK && i % 64 == 63) status = pvt_poll();
      if (status != PVT_OK) return status;
    }
    advance(w, row);
    offset += row;
    n -= row;
  }
  return PVT_OK;
}

static int check_values(const pvt_array *values, int ndim, const int64_t *shape, const pvt_array *x,
                        int count) {
  int all = ndim + x->ndim - count, added = all - values->ndim;
  bool fits = added >= 0;
  for (int i = 0; fits && i < values->ndim; i++) {
    int at = i + added;
    int64_t size = at < ndim ? shape[at] : x->dim[count + at - ndim].size;
    fits = values->dim[i].size == 1 || values->dim[i].size == size;
  }
  if (fits) return PVT_OK;
  char text[PVT_SHAPE_TEXT];
  return pvt_fail(PVT_E_SHAPE,
                  "shape mismatch: value array of shape %s could not be broadcast to the indexing "
                  "result",
                  pvt_shape_text(values, text));
}

/* Index arrays that x does not overlap. */
static int scatter_apart(pvt_array *x, const pvt_array *const *indices, int count, int ndim,
                         const int64_t *shape, const pvt_array *values, bool accumulate) {
  pvt_offsets offsets;
  int64_t offset[PVT_OFFSETS_BLOCK], n;
  int status = pvt_offsets_start(&offsets, x, indices, count, ndim, shape);
  if (status != PVT_OK) return status;
  while ((n = pvt_offsets_next(&offsets, offset)) > 0) continue;
  if (n < 0) return (int)n; /* before anything is written */
  pvt_source source;
  status = pvt_source_start(&source, values, (pvt_dtype)x->dtype, x);
  if (status != PVT_OK) return status;
  const pvt_array *from = &source.array;
  int rest = x->ndim - count, own_rest = from->ndim < rest ? from->ndim : rest;
  pvt_chunk chunk;
  pvt_chunk_of(&chunk, from, from->ndim - own_rest, x, count);
  walk w;
  walk_of(&w, from, ndim, shape, rest);
  adding add;
  if (accumulate) {
    adding_of(&add, (pvt_dtype)x->dtype);
    /* Not joined into larger elements: they are added. */
    if (chunk.move.itemsize != pvt_itemsize((pvt_dtype)x->dtype)) {
      int64_t itemsize = (int64_t)pvt_itemsize((pvt_dtype)x->dtype);
      int d = chunk.move.ndim++;
      chunk.move.size[d] = (int64_t)chunk.move.itemsize / itemsize;
      chunk.move.source_stride[d] = chunk.move.target_stride[d] = itemsize;
      chunk.move.itemsize = (size_t)itemsize;
    }
  }
  status = pvt_offsets_start(&offsets, x, indices, count, ndim, shape);
  while (status == PVT_OK && !chunk.empty && (n = pvt_offsets_next(&offsets, offset)) != 0)
    status = n < 0 ? (int)n : scatter_block(x, &chunk, &w, n, offset, accumulate ? &add : NULL);
  pvt_source_finish(&source);
  return status;
}

int pvt_scatter(pvt_array *x, const pvt_array *const *indices, int count, const pvt_array *values,
                bool accumulate) {
  int ndim;
  int64_t shape[PVT_MAX_DIMS];
  if (!x->writable) return pvt_fail(PVT_E_READONLY, "assignment destination is read-only");
  int status = check_count(x, count);
  if (status == PVT_OK) status = pvt_offsets_shape(indices, count, &ndim, shape);
  if (status == PVT_OK) status = check_values(values, ndim, shape, x, count);
  if (status != PVT_OK) return status;
  pvt_source kept[PVT_MAX_DIMS];
  const pvt_array *own[PVT_MAX_DIMS];
  int made = 0;
  for (; made < count && status == PVT_OK; made++) {
    status = pvt_source_start(&kept[made], indices[made], PVT_INT64, x);
    own[made] = &kept[made].array;
    if (status != PVT_OK) break;
  }
  if (status == PVT_OK) status = scatter_apart(x, own, count, ndim, shape, values, accumulate);
  while (made > 0) pvt_source_finish(&kept[--made]);
  return status;
}

/* ---- Counting ----------------------------------------------------------- */

int pvt_bincount(const pvt_array *x, const pvt_array *weights, pvt_array *out) {
  pvt_dtype wanted = weights != NULL ? PVT_FLOAT64 : PVT_INT64;
  bool fits = x->ndim == 1 && out->ndim == 1;
  if (weights != NULL) fits = fits && weights->ndim == 1 && weights->dim[0].size == x->dim[0].size;
  if (!fits)
    return pvt_fail(PVT_E_SHAPE, "values and bins have one dimension, and weights are as many as "
                                 "values");
  if (x->dtype != PVT_INT64 || out->dtype != wanted ||
      (weights != NULL && weights->dtype != PVT_FLOAT64))
    return pvt_fail(PVT_E_DTYPE, "values are int64 here, and weights float64");
  pvt_result result;
  int status = pvt_result_start(&result, out, wanted, x, weights);
  if (status != PVT_OK) return status;
  int64_t bins = out->dim[0].size;
  char *data = pvt_result_data(&result);
  e_i64 *count = (e_i64 *)data;
  e_f64 *total = (e_f64 *)data;
  memset(data, 0, (size_t)bins * 8);
  for (int64_t i = 0; i < x->dim[0].size && status == PVT_OK; i++) {
    int64_t value = *(const e_i64 *)(x->data + i * x->dim[0].stride);
    if (value < 0) status = pvt_fail(PVT_E_VALUE, "'list' argument must have no negative elements");
    else if (value >= bins) status = pvt_offsets_fail(value, 0, bins);
    else if (weights == NULL) count[value]++;
    else total[value] += *(const e_f64 *)(weights->data + i * weights->dim[0].stride);
    if (status == PVT_OK && i % PVT_TILE == PVT_TILE - 1) status = pvt_poll();
  }
  return pvt_result_finish(&result, status);
}

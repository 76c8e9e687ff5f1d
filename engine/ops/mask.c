/* mask.c - elements chosen by a boolean mask, and the indices of those that are not zero. */
#include <string.h>

#include "choose.h"
#include "kernels.h"

#define BLOCK 1024 /* mask bytes at a time */
#define SPARE 64   /* places that kernels may write beyond those they report */

/* ---- Counting ----------------------------------------------------------- */

int pvt_nonzero_count(const pvt_array *x, int64_t *count) {
  pvt_array out;
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < x->ndim; i++) shape[i] = 1;
  pvt_array_over(&out, count, PVT_INT64, x->ndim, shape);
  uint32_t axes = x->ndim < 32 ? ((uint32_t)1 << x->ndim) - 1 : UINT32_MAX;
  return pvt_reduce(PVT_COUNT_NONZERO, x, axes, &out);
}

/* So few that setting a reduction up would take longer than counting. */
#define FEW 2048

int pvt_mask_count(const pvt_array *mask, int64_t *count) {
  if (mask->dtype != PVT_BOOL) return pvt_fail(PVT_E_DTYPE, "a mask is an array of bool");
  int64_t n = pvt_array_count(mask);
  if (n <= FEW && pvt_array_is_contiguous(mask)) {
    const char *bytes = mask->data;
    int32_t set = 0;
    for (int64_t i = 0; i < n; i++) set += bytes[i] != 0;
    *count = set;
    return PVT_OK;
  }
  return pvt_nonzero_count(mask, count);
}

/* ---- Walking mask and array together, in C order ------------------------ */

typedef struct masked {
  int ndim; /* of the mask after merging, 1 or more */
  int64_t size[PVT_MAX_DIMS], mask_stride[PVT_MAX_DIMS], x_stride[PVT_MAX_DIMS];
  const char *mask;
  char *x;
} masked;

static int check_mask(const pvt_array *x, const pvt_array *mask) {
  if (mask->dtype != PVT_BOOL) return pvt_fail(PVT_E_DTYPE, "a mask is an array of bool");
  if (mask->ndim > x->ndim)
    return pvt_fail(PVT_E_INDEX,
                    "too many indices for array: array is %d-dimensional, but the mask has %d "
                    "dimensions",
                    x->ndim, mask->ndim);
  for (int i = 0; i < mask->ndim; i++)
    if (mask->dim[i].size != x->dim[i].size)
      return pvt_fail(PVT_E_INDEX,
                      "boolean index did not match indexed array along axis %d; size of axis is "
                      "%lld but size of corresponding boolean axis is %lld",
                      i, (long long)x->dim[i].size, (long long)mask->dim[i].size);
  return PVT_OK;
}

static void lay_out(masked *m, const pvt_array *x, const pvt_array *mask) {
  m->mask = mask->data;
  m->x = x->data;
  m->ndim = 0;
  for (int i = 0; i < mask->ndim; i++) {
    int64_t size = mask->dim[i].size;
    if (size == 1) continue;
    int last = m->ndim - 1;
    bool joins = last >= 0 && m->mask_stride[last] == size * mask->dim[i].stride &&
                 m->x_stride[last] == size * x->dim[i].stride;
    if (joins) size *= m->size[last];
    else last = m->ndim++;
    m->size[last] = size;
    m->mask_stride[last] = mask->dim[i].stride;
    m->x_stride[last] = x->dim[i].stride;
  }
  if (m->ndim == 0) {
    m->ndim = 1;
    m->size[0] = 1;
    m->mask_stride[0] = 1;
    m->x_stride[0] = 0;
  }
}

/* What is done with a stretch of n elements whose mask bytes are contiguous. */
typedef int stretch(int64_t n, const char *mask, char *x, int64_t x_stride, void *arg);

static int each_stretch(const masked *m, stretch *act, void *arg) {
  int inner = m->ndim - 1;
  int64_t index[PVT_MAX_DIMS] = {0}, n = m->size[inner], since = 0;
  int64_t mask_stride = m->mask_stride[inner], x_stride = m->x_stride[inner];
  const char *mask = m->mask;
  char *x = m->x, buffer[BLOCK];
  pvt_cast_kernel *copy = pvt_cast_find(PVT_BOOL, PVT_BOOL);
  for (;;) {
    for (int64_t done = 0; done < n; done += BLOCK) {
      int64_t count = n - done < BLOCK ? n - done : BLOCK;
      const char *bytes = mask + done * mask_stride;
      if (mask_stride != 1) {
        copy(count, bytes, mask_stride, buffer, 1);
        bytes = buffer;
      }
      int status = act(count, bytes, x + done * x_stride, x_stride, arg);
      if (status == PVT_OK && (since += count) >= PVT_TILE) {
        since = 0;
        status = pvt_poll();
      }
      if (status != PVT_OK) return status;
    }
    int d = inner - 1;
    for (; d >= 0; d--) {
      mask += m->mask_stride[d];
      x += m->x_stride[d];
      if (++index[d] < m->size[d]) break;
      mask -= m->size[d] * m->mask_stride[d];
      x -= m->size[d] * m->x_stride[d];
      index[d] = 0;
    }
    if (d < 0) return PVT_OK;
  }
}

static const pvt_dtype moved_as[5] = {PVT_UINT8, PVT_UINT16, PVT_UINT32, PVT_UINT64,
                                      PVT_COMPLEX128};

/* ---- Taking ------------------------------------------------------------- */

typedef struct taking {
  const pvt_choosers *choosers;
  pvt_chunk chunk;
  pvt_cast_kernel *copy;
  char *out;
  int64_t step; /* bytes of out for one chosen */
  int64_t left; /* chosen ones still to come */
} taking;

static int take_elements(int64_t n, const char *mask, char *x, int64_t x_stride, void *arg) {
  taking *t = arg;
  int log = t->chunk.log;
  _Alignas(64) char buffer[BLOCK * 16];
  const char *from = x + t->chunk.source;
  if (x_stride != (int64_t)1 << log) {
    t->copy(n, from, x_stride, buffer, (int64_t)1 << log);
    from = buffer;
  }
  int64_t set = t->choosers->compress[log](n, from, mask, t->out, t->left);
  t->out += set << log;
  t->left -= set;
  return PVT_OK;
}

static int take_chunks(int64_t n, const char *mask, char *x, int64_t x_stride, void *arg) {
  taking *t = arg;
  int64_t places[BLOCK + SPARE];
  int64_t set = t->choosers->places(n, mask, 0, (char *)places, BLOCK + SPARE);
  for (int64_t i = 0; i < set; i++, t->out += t->step) {
    int status = pvt_chunk_copy(&t->chunk, x + places[i] * x_stride, t->out);
    if (status == PVT_OK && i % 64 == 63) status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

/* x's shape behind the mask's dimensions, out's behind its first. */
static int check_rest(const pvt_array *x, int masked_dims, const pvt_array *out, int64_t set) {
  bool fits = out->ndim == x->ndim - masked_dims + 1 && out->dim[0].size == set;
  for (int i = 1; fits && i < out->ndim; i++)
    fits = out->dim[i].size == x->dim[masked_dims + i - 1].size;
  if (fits) return PVT_OK;
  char shape[PVT_SHAPE_TEXT];
  return pvt_fail(PVT_E_SHAPE, "%lld elements are chosen, which an array of shape %s does not hold",
                  (long long)set, pvt_shape_text(out, shape));
}

int pvt_mask_take(const pvt_array *x, const pvt_array *mask, pvt_array *out) {
  int64_t set;
  int status = check_mask(x, mask);
  if (status == PVT_OK) status = pvt_mask_count(mask, &set);
  if (status == PVT_OK) status = check_rest(x, mask->ndim, out, set);
  if (status != PVT_OK) return status;
  pvt_result result;
  status = pvt_result_start(&result, out, (pvt_dtype)x->dtype, x, mask);
  if (status != PVT_OK) return status;
  const pvt_array *into = result.apart ? &result.made : out;
  taking t = {.choosers = pvt_kernels_get()->choosers, .out = into->data, .left = set};
  pvt_chunk_of(&t.chunk, x, mask->ndim, into, 1);
  t.step = (int64_t)pvt_itemsize((pvt_dtype)x->dtype);
  for (int i = 1; i < into->ndim; i++) t.step *= into->dim[i].size;
  if (set > 0 && !t.chunk.empty) {
    masked m;
    lay_out(&m, x, mask);
    if (t.chunk.log >= 0) t.copy = pvt_cast_find(moved_as[t.chunk.log], moved_as[t.chunk.log]);
    status = each_stretch(&m, t.chunk.log >= 0 ? take_elements : take_chunks, &t);
  }
  return pvt_result_finish(&result, status);
}

/* ---- Putting ------------------------------------------------------------ */

typedef struct putting {
  const pvt_choosers *choosers;
  pvt_chunk chunk;
  pvt_cast_kernel *copy;
  const char *values;
  int64_t step; /* bytes from one value to the next, or 0 */
  int64_t left; /* values still to come */
} putting;

static int put_elements(int64_t n, const char *mask, char *x, int64_t x_stride, void *arg) {
  putting *p = arg;
  int log = p->chunk.log;
  int64_t size = (int64_t)1 << log;
  _Alignas(64) char buffer[BLOCK * 16];
  char *to = x + p->chunk.target, *place = to;
  if (x_stride != size) {
    p->copy(n, to, x_stride, buffer, size);
    to = buffer;
  }
  const char *values = p->values + p->chunk.source;
  int64_t used = p->choosers->expand[log](n, values, p->step, p->left, mask, to);
  p->values += used * p->step;
  p->left -= used;
  if (x_stride != size) p->copy(n, buffer, size, place, x_stride);
  return PVT_OK;
}

static int put_chunks(int64_t n, const char *mask, char *x, int64_t x_stride, void *arg) {
  putting *p = arg;
  int64_t places[BLOCK + SPARE];
  int64_t set = p->choosers->places(n, mask, 0, (char *)places, BLOCK + SPARE);
  for (int64_t i = 0; i < set; i++, p->values += p->step) {
    int status = pvt_chunk_copy(&p->chunk, p->values, x + places[i] * x_stride);
    if (status == PVT_OK && i % 64 == 63) status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

static int check_values(const pvt_array *x, int masked_dims, const pvt_array *values, int64_t set) {
  int rest = x->ndim - masked_dims, added = rest + 1 - values->ndim;
  bool fits = added >= 0;
  if (fits && added == 0 && values->dim[0].size != 1 && values->dim[0].size != set) {
    if (rest == 0)
      return pvt_fail(PVT_E_SHAPE,
                      "NumPy boolean array indexing assignment cannot assign %lld input values to "
                      "the %lld output values where the mask is true",
                      (long long)values->dim[0].size, (long long)set);
    fits = false;
  }
  for (int i = 0; fits && i < values->ndim; i++) {
    int dim = masked_dims + added + i - 1;
    if (added + i == 0) continue;
    fits = values->dim[i].size == 1 || values->dim[i].size == x->dim[dim].size;
  }
  if (fits) return PVT_OK;
  char shape[PVT_SHAPE_TEXT];
  return pvt_fail(PVT_E_SHAPE,
                  "shape mismatch: value array of shape %s could not be broadcast to the %lld "
                  "chosen elements",
                  pvt_shape_text(values, shape), (long long)set);
}

int pvt_mask_put(pvt_array *x, const pvt_array *mask, const pvt_array *values) {
  int64_t set;
  int status = check_mask(x, mask);
  if (status == PVT_OK && !x->writable)
    status = pvt_fail(PVT_E_READONLY, "assignment destination is read-only");
  if (status == PVT_OK) status = pvt_mask_count(mask, &set);
  if (status == PVT_OK) status = check_values(x, mask->ndim, values, set);
  if (status != PVT_OK || set == 0) return status;
  pvt_source source, own_mask;
  status = pvt_source_start(&source, values, (pvt_dtype)x->dtype, x);
  if (status != PVT_OK) return status;
  status = pvt_source_start(&own_mask, mask, PVT_BOOL, x);
  if (status != PVT_OK) {
    pvt_source_finish(&source);
    return status;
  }
  const pvt_array *from = &source.array;
  int rest = x->ndim - mask->ndim;
  bool steps = from->ndim == rest + 1 && from->dim[0].size != 1;
  putting p = {.choosers = pvt_kernels_get()->choosers, .values = from->data, .left = set};
  p.step = steps ? from->dim[0].stride : 0;
  pvt_chunk_of(&p.chunk, from, from->ndim == rest + 1 ? 1 : 0, x, mask->ndim);
  if (!p.chunk.empty) {
    masked m;
    lay_out(&m, x, &own_mask.array);
    if (p.chunk.log >= 0) p.copy = pvt_cast_find(moved_as[p.chunk.log], moved_as[p.chunk.log]);
    status = each_stretch(&m, p.chunk.log >= 0 ? put_elements : put_chunks, &p);
  }
  pvt_source_finish(&source);
  pvt_source_finish(&own_mask);
  return status;
}

/* ---- Indices ------------------------------------------------------------ */

int pvt_nonzero(const pvt_array *x, pvt_array *out) {
  int64_t set;
  int status = pvt_nonzero_count(x, &set);
  if (status != PVT_OK) return status;
  if (out->ndim != 2 || out->dim[0].size != set || out->dim[1].size != x->ndim)
    return pvt_fail(PVT_E_SHAPE, "%lld elements of %d dimensions are not zero: the result has %s",
                    (long long)set, x->ndim, "another shape");
  pvt_result result;
  status = pvt_result_start(&result, out, PVT_INT64, x, NULL);
  if (status != PVT_OK || set == 0 || x->ndim == 0) return pvt_result_finish(&result, status);
  const pvt_choosers *choosers = pvt_kernels_get()->choosers;
  pvt_cast_kernel *truth = pvt_cast_find((pvt_dtype)x->dtype, PVT_BOOL);
  int64_t *row = (int64_t *)pvt_result_data(&result), index[PVT_MAX_DIMS] = {0}, since = 0;
  int ndim = x->ndim, inner = ndim - 1;
  int64_t n = x->dim[inner].size, stride = x->dim[inner].stride, left = set;
  const char *at = x->data;
  for (;;) {
    for (int64_t done = 0; done < n && left > 0; done += BLOCK) {
      int64_t count = n - done < BLOCK ? n - done : BLOCK, places[BLOCK + SPARE];
      char buffer[BLOCK];
      const char *mask = at + done * stride;
      if (x->dtype != PVT_BOOL || stride != 1) {
        truth(count, mask, stride, buffer, 1);
        mask = buffer;
      }
      if (ndim == 1) {
        int64_t some = choosers->places(count, mask, done, (char *)row, left);
        row += some;
        left -= some;
      } else {
        int64_t some = choosers->places(count, mask, done, (char *)places, BLOCK + SPARE);
        left -= some;
        for (int64_t i = 0; i < some; i++, row += ndim) {
          for (int d = 0; d < inner; d++) row[d] = index[d];
          row[inner] = places[i];
        }
      }
      if ((since += count) >= PVT_TILE) {
        since = 0;
        status = pvt_poll();
        if (status != PVT_OK) return pvt_result_finish(&result, status);
      }
    }
    int d = inner - 1;
    for (; d >= 0; d--) {
      at += x->dim[d].stride;
      if (++index[d] < x->dim[d].size) break;
      at -= x->dim[d].size * x->dim[d].stride;
      index[d] = 0;
    }
    if (d < 0 || left == 0) return pvt_result_finish(&result, PVT_OK);
  }
}

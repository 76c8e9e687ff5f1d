/* rowwise.c - soft-max, normalisations and activations of arrays: see rows.h. */
#include <string.h>

#include "kernels.h"
#include "layers.h"
#include "rows.h"

#define MOST 10 /* arrays that are walked together */

/* Arrays of one shape, walked row by row; rows that do not lie side by side go through scratch. */
typedef struct walk {
  int count, ndim; /* of the dimensions before the last */
  int64_t n, rows;
  struct {
    char *data; /* NULL: there is none */
    int64_t step[PVT_MAX_DIMS], inner;
    int64_t length; /* n, or 1 */
    bool direct;    /* a row is used where it lies */
    bool written;
    float *scratch;
  } of[MOST];
  int64_t size[PVT_MAX_DIMS], index[PVT_MAX_DIMS];
  pvt_buffer *buffer;
} walk;

static int walk_begin(walk *w, const pvt_array *shape) {
  *w = (walk){.ndim = shape->ndim - 1, .rows = 1};
  if (shape->ndim < 1) return pvt_fail(PVT_E_SHAPE, "rows: a single element is no row");
  w->n = shape->dim[w->ndim].size;
  for (int d = 0; d < w->ndim; d++) w->rows *= w->size[d] = shape->dim[d].size;
  return PVT_OK;
}

/* `single`: the last dimension is 1. Arrays that are not written are broadcast. */
static int walk_add(walk *w, const pvt_array *array, bool written, bool single) {
  int i = w->count++;
  w->of[i].data = NULL;
  if (array == NULL) return PVT_OK;
  if (array->dtype != PVT_FLOAT32) return pvt_fail(PVT_E_DTYPE, "rows: arrays must be float32");
  if (written && !array->writable) return pvt_fail(PVT_E_READONLY, "rows: the result is read-only");
  int added = w->ndim + 1 - array->ndim;
  int64_t length = single ? 1 : w->n;
  if (added < 0 || (written && added > 0))
    return pvt_fail(PVT_E_SHAPE, "rows: an array's dimensions do not fit");
  for (int d = 0; d <= w->ndim; d++) {
    int64_t size = d == w->ndim ? length : w->size[d];
    const pvt_dim *dim = d >= added ? &array->dim[d - added] : NULL;
    if (dim != NULL && dim->size != size && (written || dim->size != 1))
      return pvt_fail(PVT_E_SHAPE, "rows: an array's size of %lld does not fit %lld",
                      (long long)dim->size, (long long)size);
    int64_t stride = dim == NULL || dim->size == 1 ? 0 : dim->stride;
    if (d == w->ndim) w->of[i].inner = stride;
    else w->of[i].step[d] = stride;
  }
  w->of[i].data = array->data;
  w->of[i].length = length;
  w->of[i].written = written;
  w->of[i].direct = (length == 1 || w->of[i].inner == sizeof(float)) &&
                    (uintptr_t)array->data % sizeof(float) == 0;
  for (int d = 0; d < w->ndim; d++)
    if (w->of[i].step[d] % (int64_t)sizeof(float) != 0) w->of[i].direct = false;
  return PVT_OK;
}

static int walk_ready(walk *w) {
  int64_t floats = 0;
  for (int i = 0; i < w->count; i++)
    if (w->of[i].data != NULL && !w->of[i].direct) floats += w->of[i].length;
  if (floats == 0) return PVT_OK;
  w->buffer = pvt_buffer_new((size_t)floats * sizeof(float));
  if (w->buffer == NULL) return pvt_error_status();
  float *at = pvt_buffer_data(w->buffer);
  for (int i = 0; i < w->count; i++)
    if (w->of[i].data != NULL && !w->of[i].direct) w->of[i].scratch = at, at += w->of[i].length;
  return PVT_OK;
}

/* Array i's row, its elements side by side. */
static float *row_of(walk *w, int i) {
  if (w->of[i].data == NULL) return NULL;
  if (w->of[i].direct) return (float *)(void *)w->of[i].data;
  if (!w->of[i].written)
    for (int64_t j = 0; j < w->of[i].length; j++)
      memcpy(w->of[i].scratch + j, w->of[i].data + j * w->of[i].inner, sizeof(float));
  return w->of[i].scratch;
}

/* Bring written rows back, and step to the next ones. */
static void walk_step(walk *w) {
  for (int i = 0; i < w->count; i++)
    if (w->of[i].data != NULL && w->of[i].written && !w->of[i].direct)
      for (int64_t j = 0; j < w->of[i].length; j++)
        memcpy(w->of[i].data + j * w->of[i].inner, w->of[i].scratch + j, sizeof(float));
  for (int d = w->ndim - 1; d >= 0; d--) {
    bool again = ++w->index[d] == w->size[d];
    for (int i = 0; i < w->count; i++)
      if (w->of[i].data != NULL) w->of[i].data += w->of[i].step[d] * (again ? 1 - w->size[d] : 1);
    if (!again) return;
    w->index[d] = 0;
  }
}

typedef void row_function(walk *w, const void *arg);

static int walk_rows(walk *w, row_function *row, const void *arg) {
  int status = w->n > 0 ? walk_ready(w) : PVT_OK;
  int64_t work = 0;
  for (int64_t r = 0; r < w->rows && w->n > 0 && status == PVT_OK; r++) {
    row(w, arg);
    walk_step(w);
    if ((work += w->n + 16) < PVT_TILE) continue;
    work = 0;
    status = pvt_poll();
  }
  pvt_buffer_release(w->buffer);
  return status;
}

/* ---- Soft-max ----------------------------------------------------------- */

typedef struct softening {
  float scale;
  bool logs;
} softening;

static void soften(walk *w, const void *arg) {
  const softening *s = arg;
  const float *mask = row_of(w, 1);
  pvt_kernels_get()->layers->rows->softmax(w->n, row_of(w, 0), s->scale, mask, s->logs,
                                           row_of(w, 2));
}

int pvb_softmax(const pvt_array *x, float scale, const pvt_array *mask, bool logs, pvt_array *y) {
  walk w;
  softening s = {scale, logs};
  int status = walk_begin(&w, y);
  if (status == PVT_OK) status = walk_add(&w, x, false, false);
  if (status == PVT_OK) status = walk_add(&w, mask, false, false);
  if (status == PVT_OK) status = walk_add(&w, y, true, false);
  return status == PVT_OK ? walk_rows(&w, soften, &s) : status;
}

/* ---- Normalisation ------------------------------------------------------ */

static void normalise(walk *w, const void *arg) {
  const pvb_normal *normal = arg;
  pvt_normal row = {
      .x = row_of(w, 0),
      .residual = row_of(w, 1),
      .added = row_of(w, 2),
      .gamma = row_of(w, 3),
      .beta = row_of(w, 4),
      .epsilon = normal->epsilon,
      .rms = normal->rms,
      .y = row_of(w, 5),
      .sum = row_of(w, 6),
      .mean = row_of(w, 7),
      .inverse = row_of(w, 8),
  };
  pvt_kernels_get()->layers->rows->normalise(&row, w->n);
}

int pvb_normalise(const pvt_array *x, const pvb_normal *normal, pvt_array *y) {
  walk w;
  int status = walk_begin(&w, y);
  const pvt_array *const read[] = {x, normal->residual, normal->added, normal->gamma, normal->beta};
  for (int i = 0; i < 5 && status == PVT_OK; i++) status = walk_add(&w, read[i], false, false);
  if (status == PVT_OK) status = walk_add(&w, y, true, false);
  if (status == PVT_OK) status = walk_add(&w, normal->sum, true, false);
  if (status == PVT_OK) status = walk_add(&w, normal->mean, true, true);
  if (status == PVT_OK) status = walk_add(&w, normal->inverse, true, true);
  return status == PVT_OK ? walk_rows(&w, normalise, normal) : status;
}

/* ---- Activations -------------------------------------------------------- */

typedef struct activating {
  pvt_activate_kernel *kernel;
  float alpha, beta;
} activating;

static void activate(walk *w, const void *arg) {
  const activating *a = arg;
  const float *x = row_of(w, 0);
  float *y = row_of(w, 1);
  for (int64_t i = 0; i < w->n;
       i += PVT_TILE / 4) { /* copied and worked on within the first cache */
    int64_t some = w->n - i < PVT_TILE / 4 ? w->n - i : PVT_TILE / 4;
    if (x != y) memcpy(y + i, x + i, (size_t)some * sizeof(float));
    a->kernel(some, y + i, NULL, a->alpha, a->beta);
  }
}

/* All elements one behind the other, in pieces. */
static int activate_flat(const activating *a, const pvt_array *x, pvt_array *y) {
  int64_t count = pvt_array_count(y);
  const float *from = (const float *)x->data;
  float *to = (float *)y->data;
  for (int64_t i = 0; i < count; i += PVT_TILE / 4) {
    int64_t some = count - i < PVT_TILE / 4 ? count - i : PVT_TILE / 4;
    if (from != to) memcpy(to + i, from + i, (size_t)some * sizeof(float));
    a->kernel(some, to + i, NULL, a->alpha, a->beta);
    int status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

int pvb_activate(pvb_activation activation, float alpha, float beta, const pvt_array *x,
                 pvt_array *y) {
  activating a = {pvt_kernels_get()->layers->activate[activation], alpha, beta};
  walk w;
  int status = walk_begin(&w, y);
  if (status == PVT_OK) status = walk_add(&w, x, false, false);
  if (status == PVT_OK) status = walk_add(&w, y, true, false);
  if (status != PVT_OK) return status;
  bool flat = pvt_array_is_contiguous(x) && pvt_array_is_contiguous(y) && w.of[0].direct &&
              w.of[1].direct && pvt_array_count(x) == pvt_array_count(y);
  return flat ? activate_flat(&a, x, y) : walk_rows(&w, activate, &a);
}

/* take.c - elements of one axis chosen by indices. */
#include <string.h>

#include "choose.h"
#include "kernels.h"
#include "offsets.h"

/* ---- take --------------------------------------------------------------- */

/* Indices that count from the end, and none out of bounds. */
static int raise_offsets(const pvt_array *x, int axis, const pvt_array *indices,
                         pvt_array *offsets) {
  int64_t shape[PVT_MAX_DIMS], n;
  for (int i = 0; i < indices->ndim; i++) shape[i] = indices->dim[i].size;
  pvt_array line = {.data = x->data, .dtype = x->dtype, .ndim = 1, .dim = {x->dim[axis]}};
  pvt_offsets reader;
  int status = pvt_offsets_start(&reader, &line, &indices, 1, indices->ndim, shape);
  if (status != PVT_OK) return status;
  reader.first_axis = axis;
  int64_t *offset = (int64_t *)offsets->data, block[PVT_OFFSETS_BLOCK];
  while ((n = pvt_offsets_next(&reader, block)) > 0) {
    memcpy(offset, block, (size_t)n * sizeof *offset);
    offset += n;
  }
  return n < 0 ? (int)n : PVT_OK;
}

/* Any integers, wrapped around or cut to the axis. */
static int fit_offsets(const pvt_array *x, int axis, const pvt_array *indices, bool wrap,
                       pvt_array *offsets) {
  int status = pvt_copy(indices, offsets);
  int64_t size = x->dim[axis].size, stride = x->dim[axis].stride;
  int64_t count = pvt_array_count(offsets), *offset = (int64_t *)offsets->data;
  for (int64_t i = 0; i < count && status == PVT_OK; i++) {
    int64_t k = offset[i];
    if (wrap) {
      if (k < 0 || k >= size) k %= size;
      if (k < 0) k += size;
    } else {
      k = k < 0 ? 0 : k >= size ? size - 1 : k;
    }
    offset[i] = k * stride;
    if (i % PVT_TILE == PVT_TILE - 1) status = pvt_poll();
  }
  return status;
}

/* Offsets along the axis, in C order. */
static int offsets_of(const pvt_array *x, int axis, const pvt_array *indices, pvt_index_mode mode,
                      pvt_array *offsets) {
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < indices->ndim; i++) shape[i] = indices->dim[i].size;
  if (x->dim[axis].size == 0 && pvt_array_count(indices) > 0)
    return pvt_fail(PVT_E_INDEX, "cannot do a non-empty take from an empty axes.");
  int status = pvt_array_new(offsets, PVT_INT64, indices->ndim, shape);
  if (status != PVT_OK) return status;
  status = mode == PVT_INDEX_RAISE ? raise_offsets(x, axis, indices, offsets)
                                   : fit_offsets(x, axis, indices, mode == PVT_INDEX_WRAP, offsets);
  if (status != PVT_OK) pvt_array_release(offsets);
  return status;
}

static int take_all(const pvt_array *x, int axis, const pvt_array *offsets, const pvt_array *out,
                    int index_dims) {
  const pvt_choosers *choosers = pvt_kernels_get()->choosers;
  const int64_t *offset = (const int64_t *)offsets->data;
  int64_t count = pvt_array_count(offsets), since = 0, index[PVT_MAX_DIMS] = {0};
  int64_t step = (int64_t)pvt_itemsize((pvt_dtype)x->dtype);
  for (int i = axis + index_dims; i < out->ndim; i++) step *= out->dim[i].size;
  pvt_chunk chunk;
  pvt_chunk_of(&chunk, x, axis + 1, out, axis + index_dims);
  if (chunk.empty || pvt_array_count(out) == 0) return PVT_OK;
  const char *from = x->data;
  char *to = out->data;
  for (;;) {
    for (int64_t done = 0; done < count; done += PVT_OFFSETS_BLOCK) {
      int64_t n = count - done < PVT_OFFSETS_BLOCK ? count - done : PVT_OFFSETS_BLOCK;
      int status = PVT_OK;
      if (chunk.log >= 0) {
        choosers->gather[chunk.log](n, from + chunk.source, offset + done, to);
        to += n * step;
      } else {
        for (int64_t i = 0; i < n && status == PVT_OK; i++, to += step) {
          status = pvt_chunk_copy(&chunk, from + offset[done + i], to);
          if (status == PVT_OK && (since += step) >= PVT_TILE) {
            since = 0;
            status = pvt_poll();
          }
        }
      }
      if (status == PVT_OK && (since += n) >= PVT_TILE) {
        since = 0;
        status = pvt_poll();
      }
      if (status != PVT_OK) return status;
    }
    int d = axis - 1;
    for (; d >= 0; d--) {
      from += x->dim[d].stride;
      if (++index[d] < x->dim[d].size) break;
      from -= x->dim[d].size * x->dim[d].stride;
      index[d] = 0;
    }
    if (d < 0) return PVT_OK;
  }
}

static int check_axis(const pvt_array *x, int axis) {
  if (axis >= 0 && axis < x->ndim) return PVT_OK;
  return pvt_fail(PVT_E_AXIS, "axis %d is out of bounds for array of dimension %d", axis, x->ndim);
}

int pvt_take(const pvt_array *x, const pvt_array *indices, int axis, pvt_index_mode mode,
             pvt_array *out) {
  int status = check_axis(x, axis);
  if (status != PVT_OK) return status;
  if (indices->dtype != PVT_INT64) return pvt_fail(PVT_E_DTYPE, "indices are int64 here");
  int dims = indices->ndim;
  bool fits = out->ndim == x->ndim - 1 + dims;
  for (int i = 0; fits && i < out->ndim; i++) {
    int64_t size = i < axis          ? x->dim[i].size
                   : i < axis + dims ? indices->dim[i - axis].size
                                     : x->dim[i - dims + 1].size;
    fits = out->dim[i].size == size;
  }
  if (!fits) {
    char text[PVT_SHAPE_TEXT];
    return pvt_fail(PVT_E_SHAPE, "the indices do not give a result of shape %s",
                    pvt_shape_text(out, text));
  }
  pvt_array offsets;
  status = offsets_of(x, axis, indices, mode, &offsets);
  if (status != PVT_OK) return status;
  pvt_result result;
  status = pvt_result_start(&result, out, (pvt_dtype)x->dtype, x, NULL);
  if (status == PVT_OK) {
    status = take_all(x, axis, &offsets, result.apart ? &result.made : out, dims);
    status = pvt_result_finish(&result, status);
  }
  pvt_array_release(&offsets);
  return status;
}

/* ---- take_along, put_along ---------------------------------------------- */

/* x's element for every index, row by row of the last dimension. */
typedef struct along {
  int axis, ndim;
  int64_t size[PVT_MAX_DIMS]; /* of the broadcast shape */
  const pvt_array *x, *indices;
  int64_t x_stride[PVT_MAX_DIMS], index_stride[PVT_MAX_DIMS], other_stride[PVT_MAX_DIMS];
} along;

/* n elements: what `offset`, from x's first element, says, and `other` with its stride. */
typedef void act(const along *a, int64_t n, const int64_t *offset, char *other, int64_t stride);

static int check_along(along *a, const pvt_array *x, const pvt_array *indices, int axis,
                       const pvt_array *other, bool broadcast_other) {
  int status = check_axis(x, axis);
  if (status != PVT_OK) return status;
  if (indices->dtype != PVT_INT64) return pvt_fail(PVT_E_DTYPE, "indices are int64 here");
  *a = (along){.axis = axis, .ndim = x->ndim, .x = x, .indices = indices};
  bool fits = indices->ndim == x->ndim && other->ndim <= x->ndim;
  int added = x->ndim - other->ndim;
  for (int i = 0; fits && i < x->ndim; i++) {
    int64_t mine = x->dim[i].size, theirs = indices->dim[i].size;
    int64_t own = i < added ? 1 : other->dim[i - added].size;
    a->size[i] = i == axis || mine == 1 ? theirs : mine;
    fits = (i == axis || theirs == a->size[i] || theirs == 1) &&
           (own == a->size[i] || (broadcast_other && own == 1));
    a->x_stride[i] = i == axis || mine == 1 ? 0 : x->dim[i].stride;
    a->index_stride[i] = theirs == 1 ? 0 : indices->dim[i].stride;
    a->other_stride[i] = own == 1 ? 0 : other->dim[i - added].stride;
  }
  if (fits) return PVT_OK;
  char shapes[2][PVT_SHAPE_TEXT];
  return pvt_fail(PVT_E_INDEX,
                  "indices of shape %s do not go along axis %d of an array of shape %s",
                  pvt_shape_text(indices, shapes[0]), axis, pvt_shape_text(x, shapes[1]));
}

static int each_row(const along *a, char *other, act *act) {
  const pvt_choosers *choosers = pvt_kernels_get()->choosers;
  int inner = a->ndim - 1;
  int64_t axis_size = a->x->dim[a->axis].size, axis_stride = a->x->dim[a->axis].stride;
  int64_t index[PVT_MAX_DIMS] = {0}, base = 0, since = 0, n = a->size[inner];
  const char *indices = a->indices->data;
  for (int i = 0; i < a->ndim; i++)
    if (a->size[i] == 0) return PVT_OK;
  for (;;) {
    for (int64_t done = 0; done < n; done += PVT_OFFSETS_BLOCK) {
      int64_t count = n - done < PVT_OFFSETS_BLOCK ? n - done : PVT_OFFSETS_BLOCK;
      int64_t offset[PVT_OFFSETS_BLOCK];
      for (int64_t i = 0; i < count; i++) offset[i] = base + (done + i) * a->x_stride[inner];
      const char *at = indices + done * a->index_stride[inner];
      int64_t good =
          choosers->add_offsets(count, at, a->index_stride[inner], axis_size, axis_stride, offset);
      if (good < count) {
        int64_t k;
        memcpy(&k, at + good * a->index_stride[inner], sizeof k);
        return pvt_offsets_fail(k, a->axis, axis_size);
      }
      if (act != NULL)
        act(a, count, offset, other + done * a->other_stride[inner], a->other_stride[inner]);
      since += count;
    }
    if (since >= PVT_TILE) {
      since = 0;
      int status = pvt_poll();
      if (status != PVT_OK) return status;
    }
    int d = inner - 1;
    for (; d >= 0; d--) {
      base += a->x_stride[d];
      indices += a->index_stride[d];
      other += a->other_stride[d];
      if (++index[d] < a->size[d]) break;
      base -= a->size[d] * a->x_stride[d];
      indices -= a->size[d] * a->index_stride[d];
      other -= a->size[d] * a->other_stride[d];
      index[d] = 0;
    }
    if (d < 0) return PVT_OK;
  }
}

static int log_of(const pvt_array *x) {
  return __builtin_ctzll(pvt_itemsize((pvt_dtype)x->dtype));
}

static void take_row(const along *a, int64_t n, const int64_t *offset, char *out, int64_t stride) {
  (void)stride; /* the result is contiguous */
  pvt_kernels_get()->choosers->gather[log_of(a->x)](n, a->x->data, offset, out);
}

int pvt_take_along(const pvt_array *x, const pvt_array *indices, int axis, pvt_array *out) {
  along a;
  int status = check_along(&a, x, indices, axis, out, false);
  if (status != PVT_OK) return status;
  pvt_result result;
  status = pvt_result_start(&result, out, (pvt_dtype)x->dtype, x, indices);
  if (status != PVT_OK) return status;
  if (result.apart)
    for (int i = 0; i < a.ndim; i++)
      a.other_stride[i] = a.size[i] == 1 ? 0 : result.made.dim[i].stride;
  status = each_row(&a, pvt_result_data(&result), take_row);
  return pvt_result_finish(&result, status);
}

static void put_row(const along *a, int64_t n, const int64_t *offset, char *values,
                    int64_t stride) {
  pvt_kernels_get()->choosers->scatter[log_of(a->x)](n, values, stride, offset, a->x->data);
}

int pvt_put_along(pvt_array *x, const pvt_array *indices, const pvt_array *values, int axis) {
  if (!x->writable) return pvt_fail(PVT_E_READONLY, "assignment destination is read-only");
  along a;
  int status = check_along(&a, x, indices, axis, values, true);
  if (status == PVT_OK) status = each_row(&a, values->data, NULL); /* all indices first */
  if (status != PVT_OK) return status;
  pvt_source value, index;
  status = pvt_source_start(&value, values, (pvt_dtype)x->dtype, x);
  if (status != PVT_OK) return status;
  status = pvt_source_start(&index, indices, PVT_INT64, x);
  if (status == PVT_OK) {
    status = check_along(&a, x, &index.array, axis, &value.array, true);
    if (status == PVT_OK) status = each_row(&a, value.array.data, put_row);
    pvt_source_finish(&index);
  }
  pvt_source_finish(&value);
  return status;
}

/* transform.c - operators that only move elements, as lists of regions.
**
** Nearly all are one copy between two views: the arithmetic is in the views' sizes and strides.
*/
#include <string.h>

#include "regions.h"

/* ---- Lists -------------------------------------------------------------- */

void pvt_regions_release(pvt_regions *regions) {
  pvt_buffer_release(regions->buffer);
  *regions = (pvt_regions)PVT_REGIONS_NONE;
}

int pvt_regions_add(pvt_regions *regions, const pvt_region *region) {
  if (regions->count == regions->capacity) {
    size_t capacity = regions->capacity == 0 ? 8 : 2 * regions->capacity;
    pvt_buffer *buffer = pvt_buffer_new(capacity * sizeof *region);
    if (buffer == NULL) return pvt_error_status();
    pvt_region *items = pvt_buffer_data(buffer);
    if (regions->count > 0) memcpy(items, regions->items, regions->count * sizeof *items);
    pvt_buffer_release(regions->buffer);
    regions->buffer = buffer;
    regions->items = items;
    regions->capacity = capacity;
  }
  regions->items[regions->count++] = *region;
  return regions->count % 1024 == 0 ? pvt_poll() : PVT_OK;
}

int pvt_regions_run(const pvt_regions *regions, pvt_dtype dtype) {
  return pvt_raster(regions->items, regions->count, pvt_itemsize(dtype));
}

int pvt_array_placeholder(pvt_array *array, pvt_dtype dtype, int ndim, const int64_t *shape) {
  if (ndim < 0 || ndim > PVT_MAX_DIMS)
    return pvt_fail(PVT_E_SHAPE, "%d dimensions: there may be up to %d", ndim, PVT_MAX_DIMS);
  int64_t bytes = (int64_t)pvt_itemsize(dtype);
  for (int i = 0; i < ndim; i++)
    if (shape[i] < 0 || (shape[i] > 0 && __builtin_mul_overflow(bytes, shape[i], &bytes)) ||
        bytes > (int64_t)1 << 55)
      return pvt_fail(PVT_E_SHAPE, "an array of that shape cannot be");
  /* Beyond what a process can map, so that these addresses are nothing else's. */
  pvt_array_over(array, (void *)((uintptr_t)1 << 56), dtype, ndim, shape);
  array->writable = false;
  return PVT_OK;
}

/* ---- A copy between views ----------------------------------------------- */

static int check_types(const pvt_array *x, const pvt_array *to) {
  if (x->dtype == to->dtype) return PVT_OK;
  return pvt_fail(PVT_E_DTYPE, "regions move elements as they are, not %s to %s",
                  pvt_dtype_name(x->dtype), pvt_dtype_name(to->dtype));
}

static int mismatch(const pvt_array *x, const pvt_array *to) {
  char shapes[2][PVT_SHAPE_TEXT];
  return pvt_fail(PVT_E_SHAPE, "an array of shape %s does not give one of shape %s this way",
                  pvt_shape_text(x, shapes[0]), pvt_shape_text(to, shapes[1]));
}

/* Regions have fewer dimensions than arrays may have: the outermost ones are counted out. */
static int add_move(pvt_regions *regions, pvt_move *move) {
  if (!pvt_move_normalise(move)) return PVT_OK;
  int extra = move->ndim > PVT_REGION_DIMS ? move->ndim - PVT_REGION_DIMS : 0;
  int64_t index[PVT_MOVE_DIMS] = {0};
  pvt_region region = {.source = move->source, .target = move->target};
  region.ndim = move->ndim - extra;
  for (int i = 0; i < region.ndim; i++) {
    region.size[i] = move->size[extra + i];
    region.source_stride[i] = move->source_stride[extra + i];
    region.target_stride[i] = move->target_stride[extra + i];
  }
  for (;;) {
    int status = pvt_regions_add(regions, &region);
    if (status != PVT_OK) return status;
    int d = extra - 1;
    for (; d >= 0; d--) {
      region.source += move->source_stride[d];
      region.target += move->target_stride[d];
      if (++index[d] < move->size[d]) break;
      region.source -= move->size[d] * move->source_stride[d];
      region.target -= move->size[d] * move->target_stride[d];
      index[d] = 0;
    }
    if (d < 0) return PVT_OK;
  }
}

int pvt_transform_copy(pvt_regions *regions, const pvt_array *x, const pvt_array *to) {
  int status = check_types(x, to);
  if (status != PVT_OK) return status;
  int added = to->ndim - x->ndim;
  if (added < 0) return mismatch(x, to);
  for (int i = 0; i < x->ndim; i++)
    if (x->dim[i].size != 1 && x->dim[i].size != to->dim[i + added].size) return mismatch(x, to);
  pvt_move move;
  pvt_move_between(&move, x, to);
  move.joins = false;
  return add_move(regions, &move);
}

static int copy_exactly(pvt_regions *regions, const pvt_array *x, const pvt_array *to) {
  if (x->ndim != to->ndim) return mismatch(x, to);
  for (int i = 0; i < x->ndim; i++)
    if (x->dim[i].size != to->dim[i].size) return mismatch(x, to);
  return pvt_transform_copy(regions, x, to);
}

static int fill(pvt_regions *regions, const void *element, const pvt_array *to) {
  pvt_array one;
  pvt_array_over(&one, (void *)(uintptr_t)element, (pvt_dtype)to->dtype, 0, NULL);
  return pvt_transform_copy(regions, &one, to);
}

static int check_axis(const pvt_array *x, int axis) {
  if (axis >= 0 && axis < x->ndim) return PVT_OK;
  return pvt_fail(PVT_E_AXIS, "axis %d is out of bounds for array of dimension %d", axis, x->ndim);
}

/* The description only, without a reference. */
static pvt_array view_of(const pvt_array *array) {
  pvt_array view = {
      .data = array->data, .dtype = array->dtype, .ndim = array->ndim, .writable = array->writable};
  memcpy(view.dim, array->dim, array->ndim * sizeof *array->dim);
  return view;
}

/* `count` elements from `start` on. The address is computed even where there are none. */
static pvt_array part_of(const pvt_array *array, int axis, int64_t start, int64_t count) {
  pvt_array part = view_of(array);
  part.data += start * part.dim[axis].stride;
  part.dim[axis].size = count;
  return part;
}

/* ---- Permuting, reshaping ----------------------------------------------- */

int pvt_transform_permute(pvt_regions *regions, const pvt_array *x, const int *axes,
                          const pvt_array *to) {
  pvt_array view = view_of(x);
  int status = pvt_view_permute(&view, axes);
  return status != PVT_OK ? status : copy_exactly(regions, &view, to);
}

int pvt_transform_reshape(pvt_regions *regions, const pvt_array *x, const pvt_array *to) {
  int64_t shape[PVT_MAX_DIMS];
  bool possible;
  pvt_array view = view_of(to);
  if (!pvt_array_is_contiguous(to)) return pvt_fail(PVT_E_VALUE, "the result is not contiguous");
  for (int i = 0; i < x->ndim; i++) shape[i] = x->dim[i].size;
  int status = pvt_view_reshape(&view, x->ndim, shape, &possible);
  return status != PVT_OK ? status : copy_exactly(regions, x, &view);
}

int pvt_transform_flip(pvt_regions *regions, const pvt_array *x, uint32_t axes,
                       const pvt_array *to) {
  pvt_array view = view_of(x);
  for (int i = 0; i < x->ndim; i++)
    if (axes >> i & 1 && x->dim[i].size > 0) {
      view.data += (x->dim[i].size - 1) * x->dim[i].stride;
      view.dim[i].stride = -x->dim[i].stride;
    }
  return copy_exactly(regions, &view, to);
}

int pvt_transform_diagonal(pvt_regions *regions, const pvt_array *x, int64_t offset, int axis1,
                           int axis2, const pvt_array *to) {
  int status = check_axis(x, axis1);
  if (status == PVT_OK) status = check_axis(x, axis2);
  if (status == PVT_OK && axis1 == axis2)
    status = pvt_fail(PVT_E_AXIS, "axis1 and axis2 cannot be the same");
  if (status != PVT_OK) return status;
  pvt_dim first = x->dim[axis1], second = x->dim[axis2];
  pvt_array view = view_of(x);
  int64_t down = offset < 0 ? -offset : 0, across = offset > 0 ? offset : 0;
  int64_t rows = first.size - down, columns = second.size - across;
  int64_t length = rows < columns ? rows : columns;
  if (length > 0) view.data += down * first.stride + across * second.stride;
  view.ndim = 0;
  for (int i = 0; i < x->ndim; i++)
    if (i != axis1 && i != axis2) view.dim[view.ndim++] = x->dim[i];
  view.dim[view.ndim++] = (pvt_dim){length > 0 ? length : 0, first.stride + second.stride};
  return copy_exactly(regions, &view, to);
}

int pvt_transform_windows(pvt_regions *regions, const pvt_array *x, int axis, int64_t size,
                          int64_t step, const pvt_array *to) {
  int status = check_axis(x, axis);
  if (status != PVT_OK) return status;
  if (size < 1 || step < 1 || size > x->dim[axis].size)
    return pvt_fail(PVT_E_VALUE, "windows of %lld elements every %lld do not fit into %lld",
                    (long long)size, (long long)step, (long long)x->dim[axis].size);
  if (x->ndim == PVT_MAX_DIMS) return mismatch(x, to);
  pvt_array view = view_of(x);
  view.dim[axis].size = (x->dim[axis].size - size) / step + 1;
  view.dim[axis].stride = x->dim[axis].stride * step;
  view.dim[view.ndim++] = (pvt_dim){size, x->dim[axis].stride};
  return copy_exactly(regions, &view, to);
}

/* ---- Putting together, taking apart ------------------------------------- */

int pvt_transform_concat(pvt_regions *regions, const pvt_array *const *inputs, int count, int axis,
                         const pvt_array *to) {
  int status = check_axis(to, axis);
  int64_t done = 0;
  for (int i = 0; i < count && status == PVT_OK; i++) {
    int64_t size = inputs[i]->ndim == to->ndim ? inputs[i]->dim[axis].size : -1;
    if (size < 0 || size > to->dim[axis].size - done) return mismatch(inputs[i], to);
    pvt_array part = part_of(to, axis, done, size);
    status = copy_exactly(regions, inputs[i], &part);
    done += size;
  }
  if (status == PVT_OK && done != to->dim[axis].size)
    return pvt_fail(PVT_E_SHAPE, "the inputs have %lld elements along axis %d, the result %lld",
                    (long long)done, axis, (long long)to->dim[axis].size);
  return status;
}

int pvt_transform_stack(pvt_regions *regions, const pvt_array *const *inputs, int count, int axis,
                        const pvt_array *to) {
  int status = check_axis(to, axis);
  if (status == PVT_OK && to->dim[axis].size != count)
    return pvt_fail(PVT_E_SHAPE, "%d inputs do not stack to %lld", count,
                    (long long)to->dim[axis].size);
  for (int i = 0; i < count && status == PVT_OK; i++) {
    pvt_array part = part_of(to, axis, i, 1);
    status = pvt_view_remove(&part, axis);
    if (status == PVT_OK) status = copy_exactly(regions, inputs[i], &part);
  }
  return status;
}

int pvt_transform_split(pvt_regions *regions, const pvt_array *x, int axis,
                        const pvt_array *const *parts, int count) {
  int status = check_axis(x, axis);
  int64_t done = 0;
  for (int i = 0; i < count && status == PVT_OK; i++) {
    int64_t size = parts[i]->ndim == x->ndim ? parts[i]->dim[axis].size : -1;
    if (size < 0 || size > x->dim[axis].size - done) return mismatch(x, parts[i]);
    pvt_array part = part_of(x, axis, done, size);
    status = copy_exactly(regions, &part, parts[i]);
    done += size;
  }
  if (status == PVT_OK && done != x->dim[axis].size)
    return pvt_fail(PVT_E_SHAPE, "the parts have %lld elements along axis %d, the array %lld",
                    (long long)done, axis, (long long)x->dim[axis].size);
  return status;
}

/* ---- Repeating ---------------------------------------------------------- */

int pvt_transform_tile(pvt_regions *regions, const pvt_array *x, const int64_t *repeats,
                       const pvt_array *to) {
  int added = to->ndim - x->ndim;
  if (added < 0) return mismatch(x, to);
  int status = check_types(x, to);
  if (status != PVT_OK) return status;
  pvt_move move = {.source = x->data, .target = to->data, .joins = false};
  move.itemsize = pvt_itemsize((pvt_dtype)to->dtype);
  for (int i = 0; i < to->ndim; i++) {
    pvt_dim own = i < added ? (pvt_dim){1, 0} : x->dim[i - added];
    if (repeats[i] < 0 || own.size * repeats[i] != to->dim[i].size) return mismatch(x, to);
    int64_t stride = to->dim[i].stride;
    const pvt_dim dims[2] = {{repeats[i], 0}, own};
    for (int k = 0; k < 2; k++) {
      if (dims[k].size == 1) continue;
      if (move.ndim == PVT_MOVE_DIMS)
        return pvt_fail(PVT_E_SHAPE, "too many dimensions are repeated at once");
      int d = move.ndim++;
      move.size[d] = dims[k].size;
      move.source_stride[d] = dims[k].stride;
      move.target_stride[d] = k == 0 ? stride * own.size : stride;
    }
  }
  return add_move(regions, &move);
}

int pvt_transform_repeat(pvt_regions *regions, const pvt_array *x, int axis, int64_t times,
                         const pvt_array *to) {
  int status = check_axis(x, axis);
  if (status != PVT_OK) return status;
  if (to->ndim != x->ndim || times < 0 || to->dim[axis].size != x->dim[axis].size * times ||
      x->ndim == PVT_MAX_DIMS)
    return mismatch(x, to);
  pvt_array from = view_of(x), into = view_of(to);
  status = pvt_view_insert(&from, axis + 1);
  if (status == PVT_OK) status = pvt_view_insert(&into, axis + 1);
  if (status != PVT_OK) return status;
  into.dim[axis] = (pvt_dim){x->dim[axis].size, to->dim[axis].stride * times};
  into.dim[axis + 1] = (pvt_dim){times, to->dim[axis].stride};
  return pvt_transform_copy(regions, &from, &into);
}

int pvt_transform_repeat_each(pvt_regions *regions, const pvt_array *x, int axis,
                              const int64_t *times, const pvt_array *to) {
  int status = check_axis(x, axis);
  if (status != PVT_OK) return status;
  if (to->ndim != x->ndim) return mismatch(x, to);
  int64_t done = 0;
  for (int64_t i = 0; i < x->dim[axis].size && status == PVT_OK; i++) {
    if (times[i] < 0) return pvt_fail(PVT_E_VALUE, "repeats may not contain negative values.");
    if (times[i] > to->dim[axis].size - done) return mismatch(x, to);
    pvt_array from = part_of(x, axis, i, 1), into = part_of(to, axis, done, times[i]);
    status = pvt_transform_copy(regions, &from, &into);
    done += times[i];
  }
  return status == PVT_OK && done != to->dim[axis].size ? mismatch(x, to) : status;
}

/* ---- Blocks of pictures ------------------------------------------------- */

int pvt_transform_depth_to_space(pvt_regions *regions, const pvt_array *x, int64_t block,
                                 bool channel_first, const pvt_array *to) {
  if (x->ndim != 4 || to->ndim != 4 || block < 1 || x->dim[1].size % (block * block) != 0)
    return mismatch(x, to);
  int64_t n = x->dim[0].size, c = x->dim[1].size / (block * block), h = x->dim[2].size;
  int64_t w = x->dim[3].size, step = x->dim[1].stride;
  if (to->dim[0].size != n || to->dim[1].size != c || to->dim[2].size != h * block ||
      to->dim[3].size != w * block)
    return mismatch(x, to);
  int64_t place = channel_first ? 1 : c, channel = channel_first ? block * block : 1;
  pvt_array from = {.data = x->data, .dtype = x->dtype, .ndim = 6}, into = from;
  into.data = to->data;
  into.dtype = to->dtype;
  const pvt_dim source[6] = {x->dim[0], {c, channel * step},
                             x->dim[2], {block, place * block * step},
                             x->dim[3], {block, place * step}};
  const pvt_dim target[6] = {to->dim[0],
                             to->dim[1],
                             {h, to->dim[2].stride * block},
                             {block, to->dim[2].stride},
                             {w, to->dim[3].stride * block},
                             {block, to->dim[3].stride}};
  memcpy(from.dim, source, sizeof source);
  memcpy(into.dim, target, sizeof target);
  return copy_exactly(regions, &from, &into);
}

int pvt_transform_space_to_depth(pvt_regions *regions, const pvt_array *x, int64_t block,
                                 const pvt_array *to) {
  pvt_regions reverse = PVT_REGIONS_NONE;
  int status = pvt_transform_depth_to_space(&reverse, to, block, false, x);
  for (size_t i = 0; i < reverse.count && status == PVT_OK; i++) {
    pvt_region region = reverse.items[i];
    for (int d = 0; d < region.ndim; d++) {
      region.source_stride[d] = reverse.items[i].target_stride[d];
      region.target_stride[d] = reverse.items[i].source_stride[d];
    }
    region.source = reverse.items[i].target;
    region.target = (char *)(uintptr_t)reverse.items[i].source;
    status = pvt_regions_add(regions, &region);
  }
  pvt_regions_release(&reverse);
  return status;
}

/* Result places whose source is within 0 .. size - 1: start + step * i for i of `count`. */
static void inside(int64_t start, int64_t step, int64_t size, int64_t count, int64_t *first,
                   int64_t *end) {
  *first = start >= 0 ? 0 : (-start + step - 1) / step;
  *end = start >= size ? 0 : (size - 1 - start) / step + 1;
  if (*first > count) *first = count;
  if (*end > count) *end = count;
  if (*end < *first) *end = *first;
}

int pvt_transform_im2col(pvt_regions *regions, const pvt_array *x, const pvt_window2d *window,
                         const void *zero, const pvt_array *to) {
  bool fits = x->ndim == 4 && to->ndim == 6 && to->dim[0].size == x->dim[0].size &&
              to->dim[1].size == x->dim[1].size;
  for (int i = 0; fits && i < 2; i++) {
    int64_t span = window->dilation[i] * (window->kernel[i] - 1) + 1;
    int64_t size = x->dim[2 + i].size + window->padding[i] + window->padding[2 + i];
    fits = window->kernel[i] > 0 && window->stride[i] > 0 && window->dilation[i] > 0 &&
           window->padding[i] >= 0 && window->padding[2 + i] >= 0 && span <= size &&
           to->dim[2 + i].size == window->kernel[i] &&
           to->dim[4 + i].size == (size - span) / window->stride[i] + 1;
  }
  if (!fits) return mismatch(x, to);
  int status = PVT_OK;
  for (int64_t i = 0; i < window->kernel[0] && status == PVT_OK; i++)
    for (int64_t j = 0; j < window->kernel[1] && status == PVT_OK; j++) {
      int64_t start[2] = {i * window->dilation[0] - window->padding[0],
                          j * window->dilation[1] - window->padding[1]};
      pvt_array place = part_of(to, 2, i, 1);
      place = part_of(&place, 3, j, 1);
      int64_t first[2], end[2];
      for (int k = 0; k < 2; k++)
        inside(start[k], window->stride[k], x->dim[2 + k].size, to->dim[4 + k].size, &first[k],
               &end[k]);
      pvt_array above = part_of(&place, 4, 0, first[0]);
      pvt_array below = part_of(&place, 4, end[0], to->dim[4].size - end[0]);
      pvt_array rows = part_of(&place, 4, first[0], end[0] - first[0]);
      pvt_array left = part_of(&rows, 5, 0, first[1]);
      pvt_array right = part_of(&rows, 5, end[1], to->dim[5].size - end[1]);
      pvt_array middle = part_of(&rows, 5, first[1], end[1] - first[1]);
      pvt_array from = view_of(x);
      for (int k = 0; k < 2; k++) {
        from.dim[2 + k].size = end[k] - first[k];
        if (end[k] > first[k])
          from.data += (start[k] + first[k] * window->stride[k]) * x->dim[2 + k].stride;
        from.dim[2 + k].stride = x->dim[2 + k].stride * window->stride[k];
      }
      status = pvt_view_insert(&from, 2);
      if (status == PVT_OK) status = pvt_view_insert(&from, 2);
      if (status == PVT_OK) status = fill(regions, zero, &above);
      if (status == PVT_OK) status = fill(regions, zero, &left);
      if (status == PVT_OK) status = copy_exactly(regions, &from, &middle);
      if (status == PVT_OK) status = fill(regions, zero, &right);
      if (status == PVT_OK) status = fill(regions, zero, &below);
    }
  return status;
}

int pvt_transform_triangle(pvt_regions *regions, const pvt_array *x, bool lower, int64_t k,
                           const void *zero, const pvt_array *to) {
  if (x->ndim < 2 || x->ndim != to->ndim) return mismatch(x, to);
  int row = x->ndim - 2, column = x->ndim - 1, status = PVT_OK;
  int64_t columns = x->dim[column].size;
  if (to->dim[row].size != x->dim[row].size || to->dim[column].size != columns)
    return mismatch(x, to);
  for (int64_t i = 0; i < x->dim[row].size && status == PVT_OK; i++) {
    int64_t cut;
    if (__builtin_add_overflow(i, k, &cut)) cut = k > 0 ? columns : 0;
    else if (lower) cut = cut < columns ? cut + 1 : columns;
    cut = cut < 0 ? 0 : cut > columns ? columns : cut;
    pvt_array from = part_of(x, row, i, 1), into = part_of(to, row, i, 1);
    pvt_array kept = part_of(&from, column, lower ? 0 : cut, lower ? cut : columns - cut);
    pvt_array keep = part_of(&into, column, lower ? 0 : cut, lower ? cut : columns - cut);
    pvt_array clear = part_of(&into, column, lower ? cut : 0, lower ? columns - cut : cut);
    status = copy_exactly(regions, &kept, &keep);
    if (status == PVT_OK) status = fill(regions, zero, &clear);
  }
  return status;
}

/* ---- Stretches: each dimension on its own ------------------------------- */

/* to[target + i] = x[source + step * i] for i of count, along one dimension. */
typedef struct stretch {
  int64_t target, source, count, step;
} stretch;

/* The stretch of dimension `axis` that begins at target place `at`. */
typedef void stretch_at(const void *arg, const pvt_array *x, int axis, int64_t at, stretch *s);

/* Every combination of stretches of all dimensions from `axis` on. */
static int each_stretch(pvt_regions *regions, const pvt_array *x, const pvt_array *to, int axis,
                        const pvt_array *from, const pvt_array *into, stretch_at *find,
                        const void *arg) {
  if (axis == x->ndim) return copy_exactly(regions, from, into);
  for (int64_t at = 0; at < to->dim[axis].size;) {
    stretch s;
    find(arg, x, axis, at, &s);
    pvt_array source = part_of(from, axis, s.source, s.count);
    source.dim[axis].stride = x->dim[axis].stride * s.step;
    pvt_array target = part_of(into, axis, at, s.count);
    int status = each_stretch(regions, x, to, axis + 1, &source, &target, find, arg);
    if (status != PVT_OK) return status;
    at += s.count;
  }
  return PVT_OK;
}

static void rolled(const void *arg, const pvt_array *x, int axis, int64_t at, stretch *s) {
  int64_t size = x->dim[axis].size, shift = ((const int64_t *)arg)[axis] % size;
  if (shift < 0) shift += size;
  bool wrapped = at < shift;
  *s = (stretch){at, wrapped ? at + size - shift : at - shift, wrapped ? shift - at : size - at, 1};
}

int pvt_transform_roll(pvt_regions *regions, const pvt_array *x, const int64_t *shifts,
                       const pvt_array *to) {
  if (x->ndim != to->ndim) return mismatch(x, to);
  for (int i = 0; i < x->ndim; i++)
    if (x->dim[i].size != to->dim[i].size) return mismatch(x, to);
  return each_stretch(regions, x, to, 0, x, to, rolled, shifts);
}

typedef struct padding {
  const int64_t *before;
  const pvt_array *to;
  pvt_pad_mode mode;
} padding;

static void padded(const void *arg, const pvt_array *x, int axis, int64_t at, stretch *s) {
  const padding *p = arg;
  int64_t size = x->dim[axis].size, left = p->to->dim[axis].size - at;
  int64_t place = at - p->before[axis]; /* among x repeated without end in both directions */
  *s = (stretch){at, 0, left, 1};
  if (p->mode == PVT_PAD_EDGE || (p->mode == PVT_PAD_REFLECT && size == 1)) {
    if (place < 0) *s = (stretch){at, 0, -place, 0};
    else if (place >= size) *s = (stretch){at, size - 1, left, 0};
    else *s = (stretch){at, place, size - place, 1};
  } else if (p->mode == PVT_PAD_WRAP) {
    int64_t phase = ((place % size) + size) % size;
    *s = (stretch){at, phase, size - phase, 1};
  } else {
    /* Forwards over x, then backwards: with both ends twice (symmetric) or once. */
    int64_t period = p->mode == PVT_PAD_SYMMETRIC ? 2 * size : 2 * (size - 1);
    int64_t phase = ((place % period) + period) % period;
    if (phase < size) *s = (stretch){at, phase, size - phase, 1};
    else *s = (stretch){at, period - phase - (p->mode == PVT_PAD_SYMMETRIC), period - phase, -1};
  }
  if (s->count > left) s->count = left;
}

/* Around the middle, dimension after dimension: what is before and after it in this one is filled
** over all of the later ones. */
static int pad_constant(pvt_regions *regions, const pvt_array *x, const int64_t *before,
                        const void *value, const pvt_array *to) {
  pvt_array middle = view_of(to);
  int status = PVT_OK;
  for (int i = 0; i < x->ndim && status == PVT_OK; i++) {
    int64_t end = before[i] + x->dim[i].size;
    pvt_array low = part_of(&middle, i, 0, before[i]);
    pvt_array high = part_of(&middle, i, end, to->dim[i].size - end);
    status = fill(regions, value, &low);
    if (status == PVT_OK) status = fill(regions, value, &high);
    middle = part_of(&middle, i, before[i], x->dim[i].size);
  }
  return status != PVT_OK ? status : copy_exactly(regions, x, &middle);
}

int pvt_transform_pad(pvt_regions *regions, const pvt_array *x, const int64_t *before,
                      const int64_t *after, pvt_pad_mode mode, const void *value,
                      const pvt_array *to) {
  if (x->ndim != to->ndim) return mismatch(x, to);
  int status = check_types(x, to);
  if (status != PVT_OK) return status;
  for (int i = 0; i < x->ndim; i++) {
    if (before[i] < 0 || after[i] < 0)
      return pvt_fail(PVT_E_VALUE, "index can't contain negative values");
    if (to->dim[i].size != before[i] + x->dim[i].size + after[i]) return mismatch(x, to);
    if (mode != PVT_PAD_CONSTANT && x->dim[i].size == 0 && to->dim[i].size > 0)
      return pvt_fail(PVT_E_VALUE,
                      "can't extend empty axis %d using modes other than 'constant' or 'empty'", i);
  }
  if (mode == PVT_PAD_CONSTANT) return pad_constant(regions, x, before, value, to);
  padding p = {before, to, mode};
  return each_stretch(regions, x, to, 0, x, to, padded, &p);
}

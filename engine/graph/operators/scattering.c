/* scattering.c - ScatterElements and ScatterND, also with sums, products and extremes. */
#include "choosing_operators.h"
#include "loop.h"

/* ---- Combining an update with what is there ----------------------------- */

typedef enum combination { SET, ADD, MUL, MAX, MIN } combination;

static int combination_of(const pvg_node *node, combination *how) {
  static const char *const names[] = {"none", "add", "mul", "max", "min"};
  const char *name = pvg_string(node, "reduction", "none");
  for (*how = SET; *how <= MIN; ++*how)
    if (strcmp(name, names[*how]) == 0) return PVT_OK;
  return pvt_fail(PVT_E_VALUE, "reduction is \"%.20s\", not none, add, mul, max or min", name);
}

/* n elements side by side, of one type. */
#define COMBINE(name, T)                                                                           \
  static void name(combination how, int64_t n, char *target, const char *update) {                 \
    T *t = (T *)target;                                                                            \
    const T *u = (const T *)update;                                                                \
    switch (how) {                                                                                 \
    case ADD:                                                                                      \
      for (int64_t i = 0; i < n; i++) t[i] = (T)(t[i] + u[i]);                                     \
      break;                                                                                       \
    case MUL:                                                                                      \
      for (int64_t i = 0; i < n; i++) t[i] = (T)(t[i] * u[i]);                                     \
      break;                                                                                       \
    case MAX: /* NaNs win */                                                                       \
      for (int64_t i = 0; i < n; i++) t[i] = u[i] > t[i] || u[i] != u[i] ? u[i] : t[i];            \
      break;                                                                                       \
    default:                                                                                       \
      for (int64_t i = 0; i < n; i++) t[i] = u[i] < t[i] || u[i] != u[i] ? u[i] : t[i];            \
    }                                                                                              \
  }
COMBINE(combine_i8, int8_t)
COMBINE(combine_u8, uint8_t)
COMBINE(combine_f32, float)
COMBINE(combine_f64, double)
/* Sums and products of signed integers wrap. */
#define COMBINE_SIGNED(name, T, U)                                                                 \
  COMBINE(name##_plain, T)                                                                         \
  COMBINE(name##_wrapping, U)                                                                      \
  static void name(combination how, int64_t n, char *target, const char *update) {                 \
    if (how == ADD || how == MUL) name##_wrapping(how, n, target, update);                         \
    else name##_plain(how, n, target, update);                                                     \
  }
COMBINE(combine_i16, int16_t)
COMBINE(combine_u16, uint16_t)
COMBINE(combine_u32, uint32_t)
COMBINE(combine_u64, uint64_t)
COMBINE_SIGNED(combine_i32, int32_t, uint32_t)
COMBINE_SIGNED(combine_i64, int64_t, uint64_t)

static void combine_bool(combination how, int64_t n, char *target, const char *update) {
  for (int64_t i = 0; i < n; i++)
    if (how == ADD || how == MAX) target[i] |= update[i];
    else target[i] &= update[i];
}

static void combine_half(pvt_dtype dtype, combination how, int64_t n, char *target,
                         const char *update) {
  pvt_cast_kernel *load = pvt_cast_find(dtype, PVT_FLOAT32);
  pvt_cast_kernel *store = pvt_cast_find(PVT_FLOAT32, dtype);
  float t[64], u[64];
  for (int64_t done = 0; done < n; done += 64) {
    int64_t count = n - done < 64 ? n - done : 64;
    load(count, target + 2 * done, 2, (char *)t, 4);
    load(count, update + 2 * done, 2, (char *)u, 4);
    combine_f32(how, count, (char *)t, (const char *)u);
    store(count, (const char *)t, 4, target + 2 * done, 2);
  }
}

static int combine(pvt_dtype dtype, combination how, int64_t n, char *target, const char *update) {
  switch (dtype) {
  case PVT_BOOL: combine_bool(how, n, target, update); break;
  case PVT_INT8: combine_i8(how, n, target, update); break;
  case PVT_INT16: combine_i16(how, n, target, update); break;
  case PVT_INT32: combine_i32(how, n, target, update); break;
  case PVT_INT64: combine_i64(how, n, target, update); break;
  case PVT_UINT8: combine_u8(how, n, target, update); break;
  case PVT_UINT16: combine_u16(how, n, target, update); break;
  case PVT_UINT32: combine_u32(how, n, target, update); break;
  case PVT_UINT64: combine_u64(how, n, target, update); break;
  case PVT_FLOAT32: combine_f32(how, n, target, update); break;
  case PVT_FLOAT64: combine_f64(how, n, target, update); break;
  case PVT_FLOAT16:
  case PVT_BFLOAT16: combine_half(dtype, how, n, target, update); break;
  default: return pvt_fail(PVT_E_DTYPE, "a reduction of %s", pvt_dtype_name(dtype));
  }
  return PVT_OK;
}

/* ---- Shared ------------------------------------------------------------- */

/* Output 0 as a copy of input 0; indices as int64, updates of that type in C order. */
static int start(pvg_call *call, pvt_array **out, pvt_array *indices, pvt_array *updates) {
  const pvt_array *x = call->inputs[0], *given = call->inputs[2];
  int64_t shape[PVT_MAX_DIMS];
  if (given->dtype != x->dtype)
    return pvt_fail(PVT_E_DTYPE, "updates are %s, the input is %s", pvt_dtype_name(given->dtype),
                    pvt_dtype_name(x->dtype));
  pvg_shape_of(x, shape);
  *out = pvg_output(call, 0, (pvt_dtype)x->dtype, x->ndim, shape);
  if (*out == NULL) return pvt_error_status();
  int status = pvt_copy(x, *out);
  if (status == PVT_OK) status = pvg_as(call, call->inputs[1], PVT_INT64, indices);
  if (status != PVT_OK) return status;
  pvg_look(updates, given);
  if (pvt_array_is_contiguous(given)) return PVT_OK;
  pvg_shape_of(given, shape);
  status = pvg_scratch_array(call, updates, (pvt_dtype)given->dtype, given->ndim, shape);
  return status == PVT_OK ? pvt_copy(given, updates) : status;
}

static inline int resolve(int64_t *index, int axis, int64_t size) {
  if (*index < -size || *index >= size)
    return pvt_fail(PVT_E_INDEX, "index %lld is out of bounds for axis %d with size %lld",
                    (long long)*index, axis, (long long)size);
  if (*index < 0) *index += size;
  return PVT_OK;
}

/* ---- ScatterElements ---------------------------------------------------- */

/* Updates lie in C order. */
static int combine_elements(const pvt_array *indices, const pvt_array *updates, int axis,
                            combination how, pvt_array *out) {
  int last = out->ndim - 1;
  int64_t place[PVT_MAX_DIMS] = {0}, length = indices->dim[last].size, since = 0;
  int64_t lines = pvt_array_count(indices) / length, size = out->dim[axis].size;
  int64_t stride = out->dim[axis].stride, along = axis == last ? 0 : out->dim[last].stride;
  pvt_dtype dtype = (pvt_dtype)out->dtype;
  bool adds_floats = how == ADD && dtype == PVT_FLOAT32;
  int64_t item = (int64_t)pvt_itemsize(dtype);
  const char *update = updates->data, *index_line = indices->data;
  for (int64_t i = 0; i < lines; i++) {
    char *line = out->data;
    for (int d = 0; d < last; d++) line += d == axis ? 0 : place[d] * out->dim[d].stride;
    for (int64_t j = 0; j < length; j++, update += item) {
      int64_t index = *(const int64_t *)(index_line + j * indices->dim[last].stride);
      int status = resolve(&index, axis, size);
      if (status != PVT_OK) return status;
      char *target = line + index * stride + j * along;
      if (adds_floats) *(float *)target += *(const float *)update;
      else status = combine(dtype, how, 1, target, update);
      if (status == PVT_OK && ++since == PVT_TILE) {
        status = pvt_poll();
        since = 0;
      }
      if (status != PVT_OK) return status;
    }
    for (int d = last - 1; d >= 0; d--) {
      index_line += indices->dim[d].stride;
      if (++place[d] < indices->dim[d].size) break;
      index_line -= indices->dim[d].size * indices->dim[d].stride;
      place[d] = 0;
    }
  }
  return PVT_OK;
}

int pvg_scatter_elements_run(pvg_call *call) {
  pvt_array *out, indices, updates, target;
  combination how;
  int status = combination_of(call->node, &how);
  int axis = pvg_axis(pvg_int(call->node, "axis", 0), call->inputs[0]->ndim);
  if (status != PVT_OK || axis < 0) return status != PVT_OK ? status : axis;
  status = start(call, &out, &indices, &updates);
  if (status != PVT_OK) return status;
  bool fits = indices.ndim == out->ndim && updates.ndim == out->ndim;
  for (int d = 0; fits && d < out->ndim; d++)
    fits = indices.dim[d].size == updates.dim[d].size &&
           (d == axis || indices.dim[d].size <= out->dim[d].size);
  if (!fits)
    return pvt_fail(PVT_E_SHAPE, "indices and updates are not of one shape that fits the input");
  if (pvt_array_count(&indices) == 0) return PVT_OK;
  if (how != SET) return combine_elements(&indices, &updates, axis, how, out);
  pvg_look(&target, out);
  for (int d = 0; d < out->ndim; d++)
    if (d != axis) target.dim[d].size = indices.dim[d].size;
  return pvt_put_along(&target, &indices, &updates, axis);
}

/* ---- ScatterND ---------------------------------------------------------- */

static int combine_rows(const pvt_array *indices, const pvt_array *updates, combination how,
                        pvt_array *out) {
  int last = indices->ndim - 1, k = (int)indices->dim[last].size;
  int64_t count = pvt_array_count(indices) / k, length = 1;
  for (int d = k; d < out->ndim; d++) length *= out->dim[d].size;
  size_t bytes = (size_t)length * pvt_itemsize((pvt_dtype)out->dtype);
  for (int64_t i = 0; i < count; i++) {
    char *target = out->data;
    for (int d = 0; d < k; d++) {
      int64_t index = pvg_int_at(indices, i * k + d);
      int status = resolve(&index, d, out->dim[d].size);
      if (status != PVT_OK) return status;
      target += index * out->dim[d].stride;
    }
    int status =
        combine((pvt_dtype)out->dtype, how, length, target, updates->data + (size_t)i * bytes);
    if (status == PVT_OK && (i % 256 == 255 || length >= 4096)) status = pvt_poll();
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

int pvg_scatter_nd_run(pvg_call *call) {
  pvt_array *out, indices, updates;
  combination how;
  int status = combination_of(call->node, &how);
  if (status == PVT_OK) status = start(call, &out, &indices, &updates);
  if (status != PVT_OK) return status;
  int last = indices.ndim - 1;
  int64_t k = last >= 0 ? indices.dim[last].size : 0;
  bool fits = k >= 1 && k <= out->ndim && updates.ndim == last + out->ndim - k;
  for (int d = 0; fits && d < updates.ndim; d++)
    fits = updates.dim[d].size == (d < last ? indices.dim[d].size : out->dim[d - last + k].size);
  if (!fits) return pvt_fail(PVT_E_SHAPE, "the shapes of indices and updates do not fit the input");
  if (pvt_array_count(&updates) == 0) return PVT_OK;
  if (how != SET) return combine_rows(&indices, &updates, how, out);
  pvt_array *columns = pvg_scratch(call, (size_t)k * sizeof *columns);
  if (columns == NULL) return pvt_error_status();
  const pvt_array *pointers[PVT_MAX_DIMS];
  pvg_index_columns(&indices, columns, pointers);
  return pvt_scatter(out, pointers, (int)k, &updates, false);
}

/* index.c - x[key] and x[key] = value, by NumPy's rules.
**
** Integers, slices, None and ... only change the view. Arrays of integers and of booleans, and
** lists of them, are gathered: their dimensions are brought to the front of the view, looked up
** there, and the result's dimensions put where the first of them stood if they stood side by
** side, otherwise in front. A boolean array counts as the arrays of indices of its true
** elements.
*/
#include <string.h>

#include "binding.h"

typedef struct selection {
  np_state *state;
  pvt_array view;                  /* a reference, after the basic part of the key */
  int count;                       /* arrays of indices */
  PyObject *indices[PVT_MAX_DIMS]; /* int64 arrays, references */
  int axes[PVT_MAX_DIMS];          /* of the view that they index */
  bool apart;                      /* something else stands between them */
  bool only_integers;              /* the key picks one element */
} selection;

static void drop(selection *s) {
  for (int i = 0; i < s->count; i++) Py_DECREF(s->indices[i]);
  pvt_array_release(&s->view);
}

static bool is_mask(PyObject *object) {
  return np_array_check(object) && np_get(object)->dtype == PVT_BOOL;
}

/* What is no integer, slice, None or Ellipsis is an array, or becomes one. A new reference. */
static PyObject *as_index_array(np_state *state, PyObject *item) {
  PyObject *array = np_array_check(item) ? Py_NewRef(item) : np_from_object(state, item, -1, -1);
  if (array == NULL) return NULL;
  const pvt_array *a = np_get(array);
  pvt_kind kind = pvt_dtype_kind((pvt_dtype)a->dtype);
  if (kind == PVT_KIND_BOOL || a->dtype == PVT_INT64) return array;
  PyObject *indices = NULL;
  if (kind == PVT_KIND_INT || kind == PVT_KIND_UINT ||
      (pvt_array_count(a) == 0 && !np_array_check(item)))
    indices = np_astype(state, array, PVT_INT64, true);
  else
    PyErr_SetString(PyExc_IndexError,
                    "arrays used as indices must be of integer (or boolean) type");
  Py_DECREF(array);
  return indices;
}

static bool is_integer(PyObject *item) {
  if (PyBool_Check(item)) return false;
  if (np_array_check(item)) {
    const pvt_array *array = np_get(item);
    pvt_kind kind = pvt_dtype_kind((pvt_dtype)array->dtype);
    return array->ndim == 0 && (kind == PVT_KIND_INT || kind == PVT_KIND_UINT);
  }
  return PyIndex_Check(item);
}

/* How many of the array's dimensions an item uses up. */
static int dims_used(PyObject *item) {
  if (item == Py_None || item == Py_Ellipsis || PyBool_Check(item)) return 0;
  if (is_mask(item)) return np_get(item)->ndim;
  return 1;
}

static int out_of_range(selection *s, int64_t index, int axis, int64_t size) {
  (void)s;
  PyErr_Format(PyExc_IndexError, "index %lld is out of bounds for axis %d with size %lld",
               (long long)index, axis, (long long)size);
  return -1;
}

static int add_indices(selection *s, PyObject *array, int axis) {
  if (s->count == PVT_MAX_DIMS) {
    PyErr_SetString(PyExc_IndexError, "too many indices for array");
    return -1;
  }
  s->indices[s->count] = Py_NewRef(array);
  s->axes[s->count++] = axis;
  return 0;
}

/* One int64 array for each dimension of the mask. */
static int add_mask(selection *s, PyObject *mask, int axis) {
  const pvt_array *m = np_get(mask);
  for (int i = 0; i < m->ndim; i++)
    if (m->dim[i].size != s->view.dim[axis + i].size) {
      PyErr_Format(PyExc_IndexError,
                   "boolean index did not match indexed array along axis %d; size of axis is %lld "
                   "but size of corresponding boolean axis is %lld",
                   axis + i, (long long)s->view.dim[axis + i].size, (long long)m->dim[i].size);
      return -1;
    }
  int64_t set;
  int status = pvt_nonzero_count(m, &set);
  if (status != PVT_OK) return np_raise(s->state, status), -1;
  int64_t shape[2] = {set, m->ndim};
  PyObject *table = np_new(s->state, PVT_INT64, 2, shape);
  if (table == NULL) return -1;
  status = pvt_nonzero(m, np_get(table));
  if (status != PVT_OK) np_raise(s->state, status);
  int result = status == PVT_OK ? 0 : -1;
  for (int i = 0; result == 0 && i < m->ndim; i++) {
    pvt_array column;
    pvt_array_view(&column, np_get(table));
    pvt_view_slice(&column, 1, i, 1, 1);
    pvt_view_remove(&column, 1);
    PyObject *array = np_wrap(s->state, &column);
    result = array != NULL ? add_indices(s, array, axis + i) : -1;
    Py_XDECREF(array);
  }
  Py_DECREF(table);
  return result;
}

/* True and False, also as 0-d arrays, add a dimension of 1 or 0. */
static int add_truth(selection *s, bool truth, int axis) {
  int status = pvt_view_insert(&s->view, axis);
  if (status != PVT_OK) return np_raise(s->state, status), -1;
  int64_t count = truth;
  PyObject *array = np_new(s->state, PVT_INT64, 1, &count);
  if (array == NULL) return -1;
  if (truth) memset(np_get(array)->data, 0, sizeof(int64_t));
  int result = add_indices(s, array, axis);
  Py_DECREF(array);
  return result;
}

static int take_integer(selection *s, PyObject *item, int *axis, int original) {
  Py_ssize_t index = PyNumber_AsSsize_t(item, PyExc_IndexError);
  if (index == -1 && PyErr_Occurred()) return -1;
  int64_t size = s->view.dim[*axis].size;
  if (index < -size || index >= size) return out_of_range(s, index, original, size);
  s->view.data += (index < 0 ? index + size : index) * s->view.dim[*axis].stride;
  s->view.dim[*axis].size = 1;
  pvt_view_remove(&s->view, *axis);
  return 0;
}

static int take_slice(selection *s, PyObject *item, int *axis) {
  Py_ssize_t start, stop, step;
  if (PySlice_Unpack(item, &start, &stop, &step) < 0) return -1;
  Py_ssize_t count = PySlice_AdjustIndices(s->view.dim[*axis].size, &start, &stop, step);
  pvt_view_slice(&s->view, *axis, start, count, step);
  ++*axis;
  return 0;
}

static int select_with(selection *s, PyObject *self, PyObject *const *items, Py_ssize_t n) {
  pvt_array_view(&s->view, np_get(self));
  s->only_integers = true;
  int used = 0, ellipses = 0;
  bool arrays = false;
  for (Py_ssize_t i = 0; i < n; i++) {
    used += dims_used(items[i]);
    ellipses += items[i] == Py_Ellipsis;
    if (!is_integer(items[i])) s->only_integers = false;
  }
  if (ellipses > 1) {
    PyErr_SetString(PyExc_IndexError, "an index can only have a single ellipsis ('...')");
    return -1;
  }
  int ndim = s->view.ndim;
  if (used > ndim) {
    PyErr_Format(PyExc_IndexError,
                 "too many indices for array: array is %d-dimensional, but %d were indexed", ndim,
                 used);
    return -1;
  }
  if (used < ndim) s->only_integers = false;
  /* beside arrays, integers are arrays of no dimensions: they take part in the broadcast */
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *item = items[i];
    if (item != Py_None && item != Py_Ellipsis && !PySlice_Check(item) && !is_integer(item))
      arrays = true;
  }
  int axis = 0, original = 0, last_array = -2;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *item = items[i];
    int status;
    if (item == Py_Ellipsis) {
      axis += ndim - used;
      original += ndim - used;
      continue;
    }
    if (item == Py_None) {
      status = pvt_view_insert(&s->view, axis++);
      if (status != PVT_OK) return np_raise(s->state, status), -1;
      continue;
    }
    if (PySlice_Check(item)) {
      if (take_slice(s, item, &axis) < 0) return -1;
      original++;
      continue;
    }
    if (is_integer(item) && !arrays) {
      if (take_integer(s, item, &axis, original++) < 0) return -1;
      continue;
    }
    if (last_array >= 0 && last_array != i - 1) s->apart = true;
    last_array = (int)i;
    if (PyBool_Check(item) || (is_mask(item) && np_get(item)->ndim == 0)) {
      int truth = PyObject_IsTrue(item);
      if (truth < 0 || add_truth(s, truth, axis++) < 0) return -1;
      continue;
    }
    PyObject *array = as_index_array(s->state, item);
    if (array == NULL) return -1;
    bool mask = is_mask(array);
    int dims = mask ? np_get(array)->ndim : 1;
    if (axis + dims > s->view.ndim) {
      Py_DECREF(array);
      PyErr_Format(PyExc_IndexError,
                   "too many indices for array: array is %d-dimensional, but %d were indexed", ndim,
                   original + dims);
      return -1;
    }
    status = mask ? add_mask(s, array, axis) : add_indices(s, array, axis);
    Py_DECREF(array);
    if (status < 0) return -1;
    axis += dims;
    original += dims;
  }
  return 0;
}

/* Key as its items: `key` itself, or those of a tuple. */
static int choose(selection *s, PyObject *self, PyObject *key) {
  s->state = np_state_of_object(self);
  s->count = 0;
  s->apart = false;
  if (PyTuple_Check(key)) {
    PyObject **items = ((PyTupleObject *)key)->ob_item;
    return select_with(s, self, items, PyTuple_GET_SIZE(key));
  }
  return select_with(s, self, &key, 1);
}

/* ---- Gathering ---------------------------------------------------------- */

/* Bring the indexed dimensions to the front. Returns where the first stood. */
static int to_front(selection *s) {
  int order[PVT_MAX_DIMS], n = 0, first = s->axes[0];
  uint32_t indexed = 0;
  for (int i = 0; i < s->count; i++) {
    order[n++] = s->axes[i];
    indexed |= (uint32_t)1 << s->axes[i];
    if (s->axes[i] < first) first = s->axes[i];
  }
  for (int i = 0; i < s->view.ndim; i++)
    if (!(indexed >> i & 1)) order[n++] = i;
  pvt_view_permute(&s->view, order);
  return first;
}

static int index_shape(selection *s, int *ndim, int64_t *shape) {
  pvt_array total = {.ndim = 0};
  for (int i = 0; i < s->count; i++) {
    const pvt_array *array = np_get(s->indices[i]);
    if (pvt_broadcast_shapes(&total, array, ndim, shape) != PVT_OK) {
      PyErr_SetString(PyExc_IndexError,
                      "shape mismatch: indexing arrays could not be broadcast together");
      return -1;
    }
    total.ndim = (uint8_t)*ndim;
    for (int d = 0; d < *ndim; d++) total.dim[d] = (pvt_dim){shape[d], 0};
  }
  return 0;
}

/* Of an array whose first `moved` dimensions belong before dimension `place` of the others. */
static void order_of_result(int ndim, int moved, int place, int *order) {
  for (int i = 0; i < ndim; i++)
    order[i] = i < place ? moved + i : i < place + moved ? i - place : i;
}

static PyObject *gather(selection *s) {
  int first = to_front(s), ndim;
  int64_t shape[2 * PVT_MAX_DIMS];
  if (index_shape(s, &ndim, shape) < 0) return NULL;
  int moved = ndim;
  if (ndim + s->view.ndim - s->count > PVT_MAX_DIMS) {
    PyErr_SetString(PyExc_IndexError, "the result would have too many dimensions");
    return NULL;
  }
  for (int i = s->count; i < s->view.ndim; i++) shape[ndim++] = s->view.dim[i].size;
  PyObject *result = np_new(s->state, (pvt_dtype)s->view.dtype, ndim, shape);
  if (result == NULL) return NULL;
  const pvt_array *indices[PVT_MAX_DIMS];
  for (int i = 0; i < s->count; i++) indices[i] = np_get(s->indices[i]);
  int status = pvt_gather(&s->view, indices, s->count, np_get(result));
  if (status != PVT_OK) {
    Py_DECREF(result);
    return np_raise(s->state, status);
  }
  if (!s->apart && first > 0) {
    int order[PVT_MAX_DIMS];
    order_of_result(ndim, moved, first, order);
    pvt_view_permute(np_get(result), order);
  }
  return result;
}

static int scatter(selection *s, PyObject *value) {
  int first = to_front(s), ndim;
  int64_t shape[2 * PVT_MAX_DIMS];
  if (index_shape(s, &ndim, shape) < 0) return -1;
  int moved = ndim;
  for (int i = s->count; i < s->view.ndim && ndim < PVT_MAX_DIMS; i++)
    shape[ndim++] = s->view.dim[i].size;
  pvt_array values;
  pvt_array_view(&values, np_get(value));
  /* dimensions of 1 in front mean nothing */
  while (values.ndim > ndim && values.dim[0].size == 1) pvt_view_remove(&values, 0);
  int64_t target[PVT_MAX_DIMS];
  int order[PVT_MAX_DIMS], place = !s->apart && first > 0 ? first : 0;
  order_of_result(ndim, moved, place, order);
  for (int i = 0; i < ndim; i++) target[i] = shape[order[i]];
  int status = pvt_view_broadcast(&values, ndim, target);
  if (status != PVT_OK) {
    char text[200];
    PyErr_Format(PyExc_ValueError,
                 "shape mismatch: value array of shape %s could not be broadcast to indexing "
                 "result",
                 np_shape_text(np_get(value), text));
    pvt_array_release(&values);
    return -1;
  }
  int back[PVT_MAX_DIMS];
  for (int i = 0; i < ndim; i++) back[order[i]] = i;
  pvt_view_permute(&values, back);
  const pvt_array *indices[PVT_MAX_DIMS];
  for (int i = 0; i < s->count; i++) indices[i] = np_get(s->indices[i]);
  status = pvt_scatter(&s->view, indices, s->count, &values, false);
  pvt_array_release(&values);
  return status == PVT_OK ? 0 : (np_raise(s->state, status), -1);
}

/* ---- Masks alone -------------------------------------------------------- */

static bool is_plain_mask(PyObject *self, PyObject *key) {
  if (!is_mask(key) || np_get(key)->ndim == 0) return false;
  const pvt_array *array = np_get(self), *mask = np_get(key);
  if (mask->ndim > array->ndim) return false;
  for (int i = 0; i < mask->ndim; i++)
    if (mask->dim[i].size != array->dim[i].size) return false;
  return true;
}

static PyObject *take_masked(PyObject *self, PyObject *key) {
  np_state *state = np_state_of_object(self);
  const pvt_array *array = np_get(self), *mask = np_get(key);
  int64_t shape[PVT_MAX_DIMS];
  int status = pvt_mask_count(mask, &shape[0]), ndim = 1;
  if (status != PVT_OK) return np_raise(state, status);
  for (int i = mask->ndim; i < array->ndim; i++) shape[ndim++] = array->dim[i].size;
  PyObject *result = np_new(state, (pvt_dtype)array->dtype, ndim, shape);
  if (result == NULL) return NULL;
  status = pvt_mask_take(array, mask, np_get(result));
  if (status == PVT_OK) return result;
  Py_DECREF(result);
  return np_raise(state, status);
}

/* ---- One key that is an array of indices, or a slice --------------------- */

static bool is_plain_indices(PyObject *self, PyObject *key) {
  return np_array_check(key) && np_get(key)->dtype == PVT_INT64 && np_get(key)->ndim > 0 &&
         np_get(self)->ndim > 0 && np_get(self)->ndim + np_get(key)->ndim - 1 <= PVT_MAX_DIMS;
}

static PyObject *take_indexed(PyObject *self, PyObject *key) {
  np_state *state = np_state_of_object(self);
  const pvt_array *array = np_get(self), *indices = np_get(key);
  int64_t shape[PVT_MAX_DIMS];
  int ndim = 0;
  for (int i = 0; i < indices->ndim; i++) shape[ndim++] = indices->dim[i].size;
  for (int i = 1; i < array->ndim; i++) shape[ndim++] = array->dim[i].size;
  PyObject *result = np_new(state, (pvt_dtype)array->dtype, ndim, shape);
  if (result == NULL) return NULL;
  int status = pvt_gather(array, &indices, 1, np_get(result));
  if (status == PVT_OK) return result;
  Py_DECREF(result);
  return np_raise(state, status);
}

static PyObject *sliced(PyObject *self, PyObject *key) {
  const pvt_array *array = np_get(self);
  Py_ssize_t start, stop, step;
  if (PySlice_Unpack(key, &start, &stop, &step) < 0) return NULL;
  Py_ssize_t count = PySlice_AdjustIndices(array->dim[0].size, &start, &stop, step);
  pvt_array view;
  pvt_array_view(&view, array);
  pvt_view_slice(&view, 0, start, count, step);
  return np_wrap(np_state_of_object(self), &view);
}

/* ---- The slots ---------------------------------------------------------- */

PyObject *np_subscript(PyObject *self, PyObject *key) {
  const pvt_array *array = np_get(self);
  np_state *state = np_state_of_object(self);
  if (PyLong_CheckExact(key) && array->ndim == 1) { /* one element */
    Py_ssize_t i = PyLong_AsSsize_t(key);
    if (i == -1 && PyErr_Occurred()) return NULL;
    return np_sequence_item(self, i < 0 ? i + array->dim[0].size : i);
  }
  if (PySlice_Check(key) && array->ndim > 0) return sliced(self, key);
  if (is_plain_mask(self, key)) return take_masked(self, key);
  if (is_plain_indices(self, key)) return take_indexed(self, key);
  selection s;
  PyObject *result = NULL;
  int status = choose(&s, self, key);
  if (status == 0 && s.count > 0) {
    result = gather(&s);
  } else if (status == 0) {
    pvt_array view;
    pvt_array_view(&view, &s.view);
    result = np_wrap(state, &view);
    if (result != NULL && s.only_integers) { /* a scalar: it does not follow the array */
      PyObject *copy = np_astype(state, result, (pvt_dtype)view.dtype, true);
      Py_DECREF(result);
      result = np_scalar(copy);
    }
  }
  drop(&s);
  return result;
}

PyObject *np_sequence_item(PyObject *self, Py_ssize_t i) {
  const pvt_array *array = np_get(self);
  np_state *state = np_state_of_object(self);
  if (array->ndim == 0) {
    PyErr_SetString(PyExc_IndexError,
                    "too many indices for array: array is 0-dimensional, but 1 were indexed");
    return NULL;
  }
  int64_t size = array->dim[0].size;
  if (i < 0 || i >= size) {
    PyErr_Format(PyExc_IndexError, "index %zd is out of bounds for axis 0 with size %lld", i,
                 (long long)size);
    return NULL;
  }
  if (array->ndim == 1) {
    PyObject *made = np_new(state, (pvt_dtype)array->dtype, 0, NULL);
    if (made != NULL)
      memcpy(np_get(made)->data, array->data + i * array->dim[0].stride,
             pvt_itemsize((pvt_dtype)array->dtype));
    return np_scalar(made);
  }
  pvt_array view;
  pvt_array_view(&view, array);
  view.data += i * view.dim[0].stride;
  view.dim[0].size = 1;
  pvt_view_remove(&view, 0);
  return np_wrap(state, &view);
}

int np_assign_subscript(PyObject *self, PyObject *key, PyObject *value) {
  np_state *state = np_state_of_object(self);
  pvt_array *array = np_get(self);
  if (value == NULL) {
    PyErr_SetString(PyExc_ValueError, "cannot delete array elements");
    return -1;
  }
  if (!array->writable) {
    PyErr_SetString(PyExc_ValueError, "assignment destination is read-only");
    return -1;
  }
  PyObject *values;
  if (np_array_check(value)) {
    values = Py_NewRef(value);
  } else { /* numbers and lists take the array's type, with its bounds */
    _Alignas(16) char room[16];
    bool found = PyLong_Check(value) || PyFloat_Check(value) || PyComplex_Check(value);
    if (found) {
      if (np_store(state, value, (pvt_dtype)array->dtype, room) < 0) return -1;
      values = np_new(state, (pvt_dtype)array->dtype, 0, NULL);
      if (values != NULL) memcpy(np_get(values)->data, room, pvt_itemsize((pvt_dtype)array->dtype));
    } else {
      values = np_from_object(state, value, PyObject_CheckBuffer(value) ? -1 : array->dtype, -1);
    }
  }
  if (values == NULL) return -1;
  int result = -1;
  selection s;
  if (is_plain_mask(self, key)) {
    int status = pvt_mask_put(array, np_get(key), np_get(values));
    if (status != PVT_OK) np_raise(state, status);
    Py_DECREF(values);
    return status == PVT_OK ? 0 : -1;
  }
  if (choose(&s, self, key) == 0) {
    if (s.count > 0) {
      result = scatter(&s, values);
    } else {
      pvt_array from;
      pvt_array_view(&from, np_get(values));
      while (from.ndim > s.view.ndim && from.dim[0].size == 1) pvt_view_remove(&from, 0);
      int status = pvt_copy(&from, &s.view);
      pvt_array_release(&from);
      if (status == PVT_E_SHAPE) {
        char a[200], b[200];
        PyErr_Format(PyExc_ValueError,
                     "could not broadcast input array from shape %s into shape %s",
                     np_shape_text(np_get(values), a), np_shape_text(&s.view, b));
      } else if (status != PVT_OK) {
        np_raise(state, status);
      }
      result = status == PVT_OK ? 0 : -1;
    }
  }
  drop(&s);
  Py_DECREF(values);
  return result;
}

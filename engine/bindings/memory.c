/* memory.c - arrays and the memory that they lie in: other types, more room, who shares it. */
#include <string.h>

#include "binding.h"

/* ---- The same bytes as another type ------------------------------------- */

static PyObject *view_as(np_state *state, PyObject *self, pvt_dtype dtype) {
  const pvt_array *array = np_get(self);
  int64_t old = (int64_t)pvt_itemsize((pvt_dtype)array->dtype), new = (int64_t)pvt_itemsize(dtype);
  pvt_array view;
  if (old != new && array->ndim == 0) {
    PyErr_SetString(PyExc_ValueError,
                    "Changing the dtype of a 0d array is only supported if the itemsize is "
                    "unchanged");
    return NULL;
  }
  pvt_array_view(&view, array);
  view.dtype = (uint8_t)dtype;
  if (old == new) return np_wrap(state, &view);
  pvt_dim *last = &view.dim[view.ndim - 1];
  const char *reason = NULL;
  if (pvt_array_count(array) > 0 && last->size != 1 && last->stride != old)
    reason = "To change to a dtype of a different size, the last axis must be contiguous";
  else if (last->size * old % new != 0)
    reason = "When changing to a larger dtype, its size must be a divisor of the total size in "
             "bytes of the last axis of the array.";
  if (reason != NULL) {
    pvt_array_release(&view);
    PyErr_SetString(PyExc_ValueError, reason);
    return NULL;
  }
  *last = (pvt_dim){last->size * old / new, new};
  return np_wrap(state, &view);
}

static PyObject *array_view(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"dtype", NULL};
  PyObject *given;
  if (np_arguments("view", args, n, names, parameters, 1, 0, &given) < 0) return NULL;
  np_state *state = np_state_of_object(self);
  if (given == (PyObject *)state->array_type) given = NULL; /* as NumPy's view(type) */
  int dtype = np_get(self)->dtype;
  if (given != NULL && given != Py_None) dtype = np_dtype_parse(state, given, dtype);
  return dtype < 0 ? NULL : view_as(state, self, (pvt_dtype)dtype);
}

/* ---- Whose memory it is ------------------------------------------------- */

/* None for what fills its buffer in C order; else all of the buffer, as one dimension. None of a
** shared one: who was handed a part of it was not handed the rest. */
PyObject *np_base(PyObject *self, void *closure) {
  (void)closure;
  const pvt_array *array = np_get(self);
  int64_t itemsize = (int64_t)pvt_itemsize((pvt_dtype)array->dtype);
  if (array->buffer == NULL || pvt_buffer_is_shared(array->buffer)) Py_RETURN_NONE;
  int64_t bytes = (int64_t)pvt_buffer_size(array->buffer);
  char *data = pvt_buffer_data(array->buffer);
  if (array->data == data && pvt_array_count(array) * itemsize == bytes &&
      pvt_array_is_contiguous(array))
    Py_RETURN_NONE;
  bool whole = bytes % itemsize == 0;
  pvt_array base = {.data = data,
                    .dtype = whole ? array->dtype : PVT_UINT8,
                    .ndim = 1,
                    .writable = array->writable};
  base.dim[0] = (pvt_dim){whole ? bytes / itemsize : bytes, whole ? itemsize : 1};
  base.buffer = pvt_buffer_retain(array->buffer);
  return np_wrap(np_state_of_object(self), &base);
}

/* setflags(write=None, align=None, uic=None) */
static PyObject *array_setflags(PyObject *self, PyObject *const *args, Py_ssize_t n,
                                PyObject *names) {
  static const char *const parameters[] = {"write", "align", "uic", NULL};
  PyObject *values[3];
  if (np_arguments("setflags", args, n, names, parameters, 3, 0, values) < 0) return NULL;
  if (values[0] != NULL && values[0] != Py_None) {
    int write = PyObject_IsTrue(values[0]);
    pvt_array *array = np_get(self);
    if (write < 0) return NULL;
    if (write && !array->writable &&
        (array->buffer == NULL || pvt_buffer_is_foreign(array->buffer) ||
         pvt_buffer_is_shared(array->buffer))) {
      PyErr_SetString(PyExc_ValueError, "cannot set WRITEABLE flag to True of this array");
      return NULL;
    }
    array->writable = write;
  }
  Py_RETURN_NONE;
}

/* _layout(x): (in C order, in Fortran's, writable, fills its buffer) */
static PyObject *layout(PyObject *module, PyObject *object) {
  (void)module;
  if (!np_array_check(object)) {
    PyErr_SetString(PyExc_TypeError, "_layout() takes an array");
    return NULL;
  }
  const pvt_array *array = np_get(object);
  PyObject *base = np_base(object, NULL);
  if (base == NULL) return NULL;
  bool owns = base == Py_None;
  Py_DECREF(base);
  return PyTuple_Pack(4, pvt_array_is_contiguous(array) ? Py_True : Py_False,
                      pvt_array_is_fortran(array) ? Py_True : Py_False,
                      array->writable ? Py_True : Py_False, owns ? Py_True : Py_False);
}

/* _apart(x, y): bytes from x's first element to y's; None where their bounds do not meet */
static PyObject *apart(PyObject *module, PyObject *const *args, Py_ssize_t n) {
  (void)module;
  if (n != 2 || !np_array_check(args[0]) || !np_array_check(args[1])) {
    PyErr_SetString(PyExc_TypeError, "_apart() takes two arrays");
    return NULL;
  }
  const pvt_array *x = np_get(args[0]), *y = np_get(args[1]);
  if (!pvt_array_overlap(x, y)) Py_RETURN_NONE;
  return PyLong_FromLongLong((long long)((intptr_t)y->data - (intptr_t)x->data));
}

/* ---- More or less of it ------------------------------------------------- */

/* resize(new_shape, refcheck=True): in place; new elements are 0. */
static PyObject *array_resize(PyObject *self, PyObject *const *args, Py_ssize_t n,
                              PyObject *names) {
  static const char *const parameters[] = {"new_shape", "refcheck", NULL};
  PyObject *check, *sizes;
  PyObject *values[2] = {NULL, NULL};
  if (n > 1) { /* one argument a dimension */
    if (np_arguments("resize", args + n, 0, names, parameters, 0, 0, values) < 0) return NULL;
    sizes = PyTuple_New(n);
    for (Py_ssize_t i = 0; sizes != NULL && i < n; i++)
      PyTuple_SET_ITEM(sizes, i, Py_NewRef(args[i]));
    if (sizes == NULL) return NULL;
  } else {
    if (np_arguments("resize", args, n, names, parameters, 1, 1, values) < 0) return NULL;
    sizes = Py_NewRef(values[0]);
  }
  check = values[1];
  np_state *state = np_state_of_object(self);
  pvt_array *array = np_get(self), made;
  int ndim, checked = check == NULL ? 1 : PyObject_IsTrue(check);
  int64_t shape[PVT_MAX_DIMS];
  int parsed = checked < 0 ? -1 : np_parse_shape(sizes, &ndim, shape);
  Py_DECREF(sizes);
  if (parsed < 0) return NULL;
  const char *reason = NULL;
  if (!array->writable || !pvt_array_is_contiguous(array))
    reason = "resize only works on single-segment arrays that may be written";
  else if (checked && array->buffer != NULL && pvt_buffer_references(array->buffer) > 1)
    reason = "cannot resize an array that references or is referenced by another array in this "
             "way. Use the np.resize function or refcheck=False";
  else if (ndim > Py_SIZE(self))
    reason = "an array cannot get more dimensions in place: use np.resize";
  if (reason != NULL) {
    PyErr_SetString(PyExc_ValueError, reason);
    return NULL;
  }
  int status = pvt_array_zeros(&made, (pvt_dtype)array->dtype, ndim, shape);
  if (status != PVT_OK) return np_raise(state, status);
  int64_t had = pvt_array_count(array), has = pvt_array_count(&made);
  size_t bytes = (size_t)(had < has ? had : has) * pvt_itemsize((pvt_dtype)array->dtype);
  if (bytes > 0) memcpy(made.data, array->data, bytes);
  pvt_array_release(array);
  memcpy(array, &made, offsetof(pvt_array, dim) + (size_t)ndim * sizeof(pvt_dim));
  Py_RETURN_NONE;
}

#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS

PyMethodDef np_memory_methods[] = {
    {"view", FAST(array_view), "view(dtype=None): the same bytes, as another type."},
    {"setflags", FAST(array_setflags), "setflags(write=None): may the elements be written?"},
    {"resize", FAST(array_resize), "resize(new_shape, refcheck=True): in place."},
    {NULL, NULL, 0, NULL},
};

PyMethodDef np_memory_functions[] = {
    {"_layout", layout, METH_O, "(in C order, in Fortran's, writable, fills its buffer)"},
    {"_apart", (PyCFunction)(void (*)(void))apart, METH_FASTCALL, "Bytes between two arrays."},
    {NULL, NULL, 0, NULL},
};

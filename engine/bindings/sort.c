/* sort.c - sorting and searching. */
#include "binding.h"

static PyObject *prepared(np_state *state, PyObject *object, PyObject *axis, int *along) {
  PyObject *x = np_from_object(state, object, -1, -1);
  if (x == NULL) return NULL;
  if (axis == Py_None) {
    PyObject *flat = PyObject_CallMethod(x, "ravel", NULL);
    Py_SETREF(x, flat);
    *along = 0;
    return x;
  }
  int ndim = np_get(x)->ndim;
  if (ndim == 0) *along = np_normalize_axis(state, -1, 0);
  else *along = axis == NULL ? ndim - 1 : np_parse_axis(state, axis, ndim);
  if (*along < 0) Py_CLEAR(x);
  return x;
}

static PyObject *like(np_state *state, PyObject *x, pvt_dtype dtype) {
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < np_get(x)->ndim; i++) shape[i] = np_get(x)->dim[i].size;
  return np_new(state, dtype, np_get(x)->ndim, shape);
}

static PyObject *done(np_state *state, PyObject *x, PyObject *result, int status) {
  Py_DECREF(x);
  if (status == PVT_OK) return result;
  Py_XDECREF(result);
  return np_raise(state, status);
}

static PyObject *sorted_by(PyObject *module, const char *name, bool indices, PyObject *const *args,
                           Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"x",          "axis",   "kind", "order",
                                           "descending", "stable", NULL};
  PyObject *values[6];
  if (np_arguments(name, args, n, names, parameters, 4, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  int along, descending = values[4] == NULL ? 0 : PyObject_IsTrue(values[4]);
  if (descending < 0) return NULL;
  PyObject *x = prepared(state, values[0], values[1], &along);
  if (x == NULL) return NULL;
  PyObject *result = like(state, x, indices ? PVT_INT64 : (pvt_dtype)np_get(x)->dtype);
  if (result == NULL) {
    Py_DECREF(x);
    return NULL;
  }
  int status = indices ? pvt_argsort(np_get(x), along, descending, np_get(result))
                       : pvt_sort(np_get(x), along, descending, np_get(result));
  return done(state, x, result, status);
}

static PyObject *sort(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  return sorted_by(module, "sort", false, args, n, names);
}

static PyObject *argsort(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  return sorted_by(module, "argsort", true, args, n, names);
}

static PyObject *partitioned(PyObject *module, const char *name, bool indices,
                             PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"x", "kth", "axis", NULL};
  PyObject *values[3];
  if (np_arguments(name, args, n, names, parameters, 3, 2, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  int along;
  Py_ssize_t k = PyNumber_AsSsize_t(values[1], PyExc_ValueError);
  if (k == -1 && PyErr_Occurred()) return NULL;
  PyObject *x = prepared(state, values[0], values[2], &along);
  if (x == NULL) return NULL;
  int64_t size = np_get(x)->dim[along].size;
  if (k < -size || k >= size) {
    PyErr_Format(PyExc_ValueError, "kth(=%zd) out of bounds (%lld)", k, (long long)size);
    Py_DECREF(x);
    return NULL;
  }
  if (k < 0) k += size;
  PyObject *result = like(state, x, indices ? PVT_INT64 : (pvt_dtype)np_get(x)->dtype);
  if (result == NULL) {
    Py_DECREF(x);
    return NULL;
  }
  int status = indices ? pvt_argpartition(np_get(x), along, k, np_get(result))
                       : pvt_partition(np_get(x), along, k, np_get(result));
  return done(state, x, result, status);
}

static PyObject *partition(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  return partitioned(module, "partition", false, args, n, names);
}

static PyObject *argpartition(PyObject *module, PyObject *const *args, Py_ssize_t n,
                              PyObject *names) {
  return partitioned(module, "argpartition", true, args, n, names);
}

static PyObject *searchsorted(PyObject *module, PyObject *const *args, Py_ssize_t n,
                              PyObject *names) {
  static const char *const parameters[] = {"x1", "x2", "side", "sorter", NULL};
  PyObject *values[4];
  if (np_arguments("searchsorted", args, n, names, parameters, 4, 2, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  bool left = true;
  if (values[2] != NULL) {
    left = PyUnicode_Check(values[2]) && PyUnicode_CompareWithASCIIString(values[2], "left") == 0;
    if (!left &&
        !(PyUnicode_Check(values[2]) && PyUnicode_CompareWithASCIIString(values[2], "right") == 0))
      return PyErr_Format(PyExc_ValueError, "search side must be one of 'left' or 'right' (got %R)",
                          values[2]);
  }
  PyObject *a = np_from_object(state, values[0], -1, -1), *v = NULL, *sorter = NULL, *result = NULL;
  if (a != NULL) {
    pvt_array number;
    _Alignas(16) char room[16];
    int found = np_from_scalar(values[1], np_get(a)->dtype, &number, room);
    if (found > 0) {
      v = np_new(state, (pvt_dtype)number.dtype, 0, NULL);
      if (v != NULL) pvt_copy(&number, np_get(v));
    } else if (found == 0) {
      v = np_from_object(state, values[1], -1, -1);
    }
  }
  if (v != NULL && np_get(a)->ndim != 1) {
    PyErr_SetString(PyExc_ValueError, "object too deep for desired array: x1 has one dimension");
    Py_CLEAR(v);
  }
  if (v != NULL && values[3] != NULL && values[3] != Py_None) {
    sorter = np_from_object(state, values[3], PVT_INT64, -1);
    if (sorter == NULL) Py_CLEAR(v);
  }
  if (v != NULL) {
    pvt_dtype dtype = pvt_promote((pvt_dtype)np_get(a)->dtype, (pvt_dtype)np_get(v)->dtype);
    Py_SETREF(a, np_astype(state, a, dtype, false));
    Py_SETREF(v, np_astype(state, v, dtype, false));
    if (a != NULL && v != NULL) result = like(state, v, PVT_INT64);
    if (result != NULL) {
      int status = pvt_searchsorted(np_get(a), np_get(v), left,
                                    sorter != NULL ? np_get(sorter) : NULL, np_get(result));
      if (status != PVT_OK) {
        Py_CLEAR(result);
        np_raise(state, status);
      }
    }
  }
  Py_XDECREF(a);
  Py_XDECREF(v);
  Py_XDECREF(sorter);
  return np_scalar(result);
}

#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS

PyMethodDef np_sort_functions[] = {
    {"sort", FAST(sort), "sort(x, axis=-1, *, descending=False, stable=True)"},
    {"argsort", FAST(argsort), "argsort(x, axis=-1, *, descending=False, stable=True)"},
    {"partition", FAST(partition), "partition(x, kth, axis=-1)"},
    {"argpartition", FAST(argpartition), "argpartition(x, kth, axis=-1)"},
    {"searchsorted", FAST(searchsorted), "searchsorted(x1, x2, side='left', sorter=None)"},
    {NULL, NULL, 0, NULL},
};

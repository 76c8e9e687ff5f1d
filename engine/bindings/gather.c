/* gather.c - choosing elements: where, clip, take, nonzero, bincount. */
#include <string.h>

#include "binding.h"

/* ---- where -------------------------------------------------------------- */

/* Both operands as arrays of the type they share; Python numbers take the other's. */
static int take_pair(np_state *state, PyObject *a, PyObject *b, PyObject **x, PyObject **y,
                     pvt_dtype *dtype) {
  PyObject *const given[2] = {a, b};
  PyObject *made[2] = {NULL, NULL};
  for (int pass = 0; pass < 2; pass++) /* numbers second: they look at the other */
    for (int i = 0; i < 2; i++) {
      bool number =
          !np_array_check(given[i]) &&
          (PyLong_Check(given[i]) || PyFloat_Check(given[i]) || PyComplex_Check(given[i]));
      if (number != (pass == 1) || made[i] != NULL) continue;
      if (number) {
        pvt_array scalar;
        _Alignas(16) char room[16];
        int beside = made[1 - i] != NULL ? np_get(made[1 - i])->dtype : -1;
        if (np_from_scalar(given[i], beside, &scalar, room) > 0) {
          made[i] = np_new(state, (pvt_dtype)scalar.dtype, 0, NULL);
          if (made[i] != NULL) pvt_copy(&scalar, np_get(made[i]));
        }
      } else {
        made[i] = np_from_object(state, given[i], -1, -1);
      }
      if (made[i] == NULL) {
        Py_XDECREF(made[1 - i]);
        return -1;
      }
    }
  *x = made[0];
  *y = made[1];
  *dtype = pvt_promote((pvt_dtype)np_get(*x)->dtype, (pvt_dtype)np_get(*y)->dtype);
  return 0;
}

static int meet(np_state *state, const pvt_array *x, int *ndim, int64_t *shape) {
  pvt_array so_far = {.ndim = (uint8_t)*ndim};
  for (int i = 0; i < *ndim; i++) so_far.dim[i] = (pvt_dim){shape[i], 0};
  int status = pvt_broadcast_shapes(&so_far, x, ndim, shape);
  return status == PVT_OK ? 0 : (np_raise(state, status), -1);
}

static PyObject *nonzero_of(np_state *state, PyObject *object) {
  PyObject *x = np_from_object(state, object, -1, -1), *result = NULL;
  if (x == NULL) return NULL;
  int ndim = np_get(x)->ndim;
  if (ndim == 0) {
    PyErr_SetString(PyExc_ValueError,
                    "Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(x).nonzero() "
                    "instead.");
    Py_DECREF(x);
    return NULL;
  }
  int64_t shape[2] = {0, ndim};
  int status = pvt_nonzero_count(np_get(x), &shape[0]);
  PyObject *table = status == PVT_OK ? np_new(state, PVT_INT64, 2, shape) : np_raise(state, status);
  if (table != NULL) {
    status = pvt_nonzero(np_get(x), np_get(table));
    if (status == PVT_OK) result = PyTuple_New(ndim);
    else np_raise(state, status);
  }
  for (int i = 0; result != NULL && i < ndim; i++) {
    pvt_array column;
    pvt_array_view(&column, np_get(table));
    pvt_view_slice(&column, 1, i, 1, 1);
    pvt_view_remove(&column, 1);
    PyObject *array = np_wrap(state, &column);
    if (array == NULL) Py_CLEAR(result);
    else PyTuple_SET_ITEM(result, i, array);
  }
  Py_XDECREF(table);
  Py_DECREF(x);
  return result;
}

static PyObject *nonzero(PyObject *module, PyObject *x) {
  return nonzero_of(np_state_of(module), x);
}

static PyObject *where(PyObject *module, PyObject *const *args, Py_ssize_t n) {
  np_state *state = np_state_of(module);
  if (n == 1) return nonzero_of(state, args[0]);
  if (n != 3) {
    PyErr_SetString(PyExc_ValueError, "either both or neither of x and y should be given");
    return NULL;
  }
  PyObject *x, *y, *result = NULL;
  pvt_dtype dtype;
  PyObject *condition = np_from_object(state, args[0], PVT_BOOL, -1);
  if (condition == NULL) return NULL;
  if (take_pair(state, args[1], args[2], &x, &y, &dtype) == 0) {
    int ndim = 0;
    int64_t shape[PVT_MAX_DIMS];
    if (meet(state, np_get(condition), &ndim, shape) == 0 &&
        meet(state, np_get(x), &ndim, shape) == 0 && meet(state, np_get(y), &ndim, shape) == 0)
      result = np_new(state, dtype, ndim, shape);
    if (result != NULL) {
      int status = pvt_where(np_get(condition), np_get(x), np_get(y), np_get(result));
      if (status != PVT_OK) {
        Py_CLEAR(result);
        np_raise(state, status);
      }
    }
    Py_DECREF(x);
    Py_DECREF(y);
  }
  Py_DECREF(condition);
  return result;
}

/* ---- clip --------------------------------------------------------------- */

static PyObject *bound(np_state *state, PyObject *object, pvt_dtype *dtype) {
  pvt_array scalar;
  _Alignas(16) char room[16];
  int found = np_array_check(object) ? 0 : np_from_scalar(object, (int)*dtype, &scalar, room);
  if (found < 0) return NULL;
  PyObject *made;
  if (found > 0) {
    made = np_new(state, (pvt_dtype)scalar.dtype, 0, NULL);
    if (made != NULL) pvt_copy(&scalar, np_get(made));
  } else {
    made = np_from_object(state, object, -1, -1);
  }
  if (made != NULL) *dtype = pvt_promote(*dtype, (pvt_dtype)np_get(made)->dtype);
  return made;
}

static PyObject *clip(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"x", "min", "max", "out", NULL};
  static const char *const old_parameters[] = {"a", "a_min", "a_max", "out", NULL};
  PyObject *values[4];
  if (np_arguments("clip", args, n, names, parameters, 4, 1, values) < 0) {
    PyErr_Clear();
    if (np_arguments("clip", args, n, names, old_parameters, 4, 1, values) < 0) return NULL;
  }
  np_state *state = np_state_of(module);
  PyObject *low = NULL, *high = NULL, *result = NULL;
  PyObject *x = np_from_object(state, values[0], -1, -1);
  if (x == NULL) return NULL;
  pvt_dtype dtype = (pvt_dtype)np_get(x)->dtype;
  bool has_low = values[1] != NULL && values[1] != Py_None;
  bool has_high = values[2] != NULL && values[2] != Py_None;
  if (!has_low && !has_high) {
    Py_SETREF(x, np_astype(state, x, dtype, true));
    return x;
  }
  if (has_low && (low = bound(state, values[1], &dtype)) == NULL) goto done;
  if (has_high && (high = bound(state, values[2], &dtype)) == NULL) goto done;
  int ndim = 0;
  int64_t shape[PVT_MAX_DIMS];
  if (meet(state, np_get(x), &ndim, shape) < 0) goto done;
  if (low != NULL && meet(state, np_get(low), &ndim, shape) < 0) goto done;
  if (high != NULL && meet(state, np_get(high), &ndim, shape) < 0) goto done;
  bool into = values[3] != NULL && np_array_check(values[3]);
  result = into ? Py_NewRef(values[3]) : np_new(state, dtype, ndim, shape);
  if (result != NULL) {
    int status = pvt_clip(np_get(x), low != NULL ? np_get(low) : NULL,
                          high != NULL ? np_get(high) : NULL, np_get(result));
    if (status != PVT_OK) {
      Py_CLEAR(result);
      np_raise(state, status);
    }
  }
done:
  Py_DECREF(x);
  Py_XDECREF(low);
  Py_XDECREF(high);
  return result;
}

/* ---- take --------------------------------------------------------------- */

static int parse_mode(PyObject *object, pvt_index_mode *mode) {
  *mode = PVT_INDEX_RAISE;
  if (object == NULL) return 0;
  const char *text = PyUnicode_Check(object) ? PyUnicode_AsUTF8(object) : "";
  if (text != NULL && strcmp(text, "wrap") == 0) *mode = PVT_INDEX_WRAP;
  else if (text != NULL && strcmp(text, "clip") == 0) *mode = PVT_INDEX_CLIP;
  else if (text == NULL || strcmp(text, "raise") != 0) {
    PyErr_Format(PyExc_ValueError, "mode must be 'raise', 'wrap' or 'clip' (got %R)", object);
    return -1;
  }
  return 0;
}

static PyObject *index_array(np_state *state, PyObject *object) {
  PyObject *indices = np_from_object(state, object, -1, -1);
  if (indices == NULL) return NULL;
  pvt_kind kind = pvt_dtype_kind((pvt_dtype)np_get(indices)->dtype);
  if (kind == PVT_KIND_FLOAT && pvt_array_count(np_get(indices)) == 0) kind = PVT_KIND_INT;
  if (kind > PVT_KIND_UINT) {
    PyErr_SetString(PyExc_TypeError, "indices must be integers");
    Py_CLEAR(indices);
  } else {
    Py_SETREF(indices, np_astype(state, indices, PVT_INT64, false));
  }
  return indices;
}

static PyObject *take(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"x", "indices", "axis", "mode", NULL};
  PyObject *values[4];
  if (np_arguments("take", args, n, names, parameters, 3, 2, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  pvt_index_mode mode;
  if (parse_mode(values[3], &mode) < 0) return NULL;
  PyObject *x = np_from_object(state, values[0], -1, -1), *indices = NULL, *result = NULL;
  if (x == NULL || (indices = index_array(state, values[1])) == NULL) goto done;
  int axis = 0;
  if (values[2] == NULL || values[2] == Py_None) {
    if (np_get(x)->ndim != 1) {
      PyObject *flat = PyObject_CallMethod(x, "ravel", NULL);
      Py_SETREF(x, flat);
      if (x == NULL) goto done;
    }
  } else if ((axis = np_parse_axis(state, values[2], np_get(x)->ndim)) < 0) {
    goto done;
  }
  const pvt_array *a = np_get(x), *i = np_get(indices);
  int64_t shape[2 * PVT_MAX_DIMS];
  int ndim = 0;
  for (int d = 0; d < axis; d++) shape[ndim++] = a->dim[d].size;
  for (int d = 0; d < i->ndim; d++) shape[ndim++] = i->dim[d].size;
  for (int d = axis + 1; d < a->ndim; d++) shape[ndim++] = a->dim[d].size;
  result = np_new(state, (pvt_dtype)a->dtype, ndim, shape);
  if (result != NULL) {
    int status = pvt_take(a, i, axis, mode, np_get(result));
    if (status != PVT_OK) {
      Py_CLEAR(result);
      np_raise(state, status);
    }
  }
done:
  Py_XDECREF(x);
  Py_XDECREF(indices);
  return np_scalar(result);
}

static PyObject *take_along_axis(PyObject *module, PyObject *const *args, Py_ssize_t n,
                                 PyObject *names) {
  static const char *const parameters[] = {"x", "indices", "axis", NULL};
  PyObject *values[3];
  if (np_arguments("take_along_axis", args, n, names, parameters, 3, 2, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  PyObject *x = np_from_object(state, values[0], -1, -1), *indices = NULL, *result = NULL;
  if (x == NULL || (indices = index_array(state, values[1])) == NULL) goto done;
  if (values[2] == Py_None) {
    PyObject *flat = PyObject_CallMethod(x, "ravel", NULL);
    Py_SETREF(x, flat);
    if (x == NULL) goto done;
  }
  const pvt_array *a = np_get(x), *i = np_get(indices);
  if (a->ndim != i->ndim) {
    PyErr_SetString(PyExc_ValueError,
                    "`indices` and `arr` must have the same number of dimensions");
    goto done;
  }
  int axis = values[2] == NULL || values[2] == Py_None ? a->ndim - 1
                                                       : np_parse_axis(state, values[2], a->ndim);
  if (axis < 0) {
    if (!PyErr_Occurred()) np_normalize_axis(state, -1, 0);
    goto done;
  }
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < a->ndim; d++)
    shape[d] = d == axis || a->dim[d].size == 1 ? i->dim[d].size : a->dim[d].size;
  result = np_new(state, (pvt_dtype)a->dtype, a->ndim, shape);
  if (result != NULL) {
    int status = pvt_take_along(a, i, axis, np_get(result));
    if (status != PVT_OK) {
      Py_CLEAR(result);
      np_raise(state, status);
    }
  }
done:
  Py_XDECREF(x);
  Py_XDECREF(indices);
  return result;
}

static PyObject *put_along_axis(PyObject *module, PyObject *args) {
  PyObject *x, *index_object, *value_object, *axis_object;
  if (!PyArg_ParseTuple(args, "OOOO:put_along_axis", &x, &index_object, &value_object,
                        &axis_object))
    return NULL;
  np_state *state = np_state_of(module);
  if (!np_array_check(x)) {
    PyErr_SetString(PyExc_TypeError, "put_along_axis changes an array");
    return NULL;
  }
  int axis = np_parse_axis(state, axis_object, np_get(x)->ndim);
  if (axis < 0) return NULL;
  if (!np_get(x)->writable) {
    PyErr_SetString(PyExc_ValueError, "assignment destination is read-only");
    return NULL;
  }
  PyObject *indices = index_array(state, index_object);
  PyObject *values = indices != NULL ? np_from_object(state, value_object, -1, -1) : NULL;
  int status = PVT_OK;
  if (values != NULL) status = pvt_put_along(np_get(x), np_get(indices), np_get(values), axis);
  bool done = values != NULL && status == PVT_OK;
  Py_XDECREF(indices);
  Py_XDECREF(values);
  if (status != PVT_OK) return np_raise(state, status);
  if (!done) return NULL;
  Py_RETURN_NONE;
}

/* x[indices] += values, every duplicate counting: np.add.at. */
static PyObject *add_at(PyObject *module, PyObject *args) {
  PyObject *x, *index_object, *value_object;
  if (!PyArg_ParseTuple(args, "OOO:_add_at", &x, &index_object, &value_object)) return NULL;
  np_state *state = np_state_of(module);
  if (!np_array_check(x) || !np_get(x)->writable) {
    PyErr_SetString(PyExc_TypeError, "only an array that can be written can be added to");
    return NULL;
  }
  PyObject *items =
      PyTuple_Check(index_object) ? Py_NewRef(index_object) : PyTuple_Pack(1, index_object);
  if (items == NULL) return NULL;
  const pvt_array *arrays[PVT_MAX_DIMS];
  PyObject *kept[PVT_MAX_DIMS], *values = NULL;
  Py_ssize_t count = 0, wanted = PyTuple_GET_SIZE(items);
  bool fine = wanted <= np_get(x)->ndim;
  if (!fine) PyErr_SetString(PyExc_IndexError, "too many indices for array");
  for (; fine && count < wanted; count++) {
    kept[count] = index_array(state, PyTuple_GET_ITEM(items, count));
    if (kept[count] == NULL) break;
    arrays[count] = np_get(kept[count]);
  }
  int status = PVT_OK;
  if (fine && count == wanted) values = np_from_object(state, value_object, np_get(x)->dtype, -1);
  if (values != NULL) status = pvt_scatter(np_get(x), arrays, (int)count, np_get(values), true);
  bool done = values != NULL && status == PVT_OK;
  for (Py_ssize_t i = 0; i < count; i++) Py_DECREF(kept[i]);
  Py_XDECREF(values);
  Py_DECREF(items);
  if (status != PVT_OK) return np_raise(state, status);
  if (!done) return NULL;
  Py_RETURN_NONE;
}

/* The least or the largest of int64 elements, of which there are some. 0, or -1. */
static int extreme(np_state *state, pvt_reduce_op op, PyObject *x, int64_t *value) {
  PyObject *found = np_reduce(state, op, x, Py_None, -1, false, NULL);
  if (found == NULL) return -1;
  memcpy(value, np_get(found)->data, sizeof *value);
  Py_DECREF(found);
  return 0;
}

static PyObject *bincount(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"x", "weights", "minlength", NULL};
  PyObject *values[3];
  if (np_arguments("bincount", args, n, names, parameters, 3, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  Py_ssize_t least = values[2] == NULL ? 0 : PyNumber_AsSsize_t(values[2], PyExc_ValueError);
  if (least < 0) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "'minlength' must not be negative");
    return NULL;
  }
  if (np_array_check(values[0]) &&
      !pvt_can_cast((pvt_dtype)np_get(values[0])->dtype, PVT_INT64, PVT_CAST_SAFE))
    return PyErr_Format(PyExc_TypeError,
                        "Cannot cast array data from dtype('%s') to dtype('int64') according to "
                        "the rule 'safe'",
                        pvt_dtype_name(np_get(values[0])->dtype));
  PyObject *x = index_array(state, values[0]), *weights = NULL, *result = NULL;
  if (x == NULL) return NULL;
  if (np_get(x)->ndim != 1) {
    PyErr_SetString(PyExc_ValueError, "object too deep for desired array: x has one dimension");
    goto done;
  }
  int64_t bins = least, low, high;
  const pvt_array *array = np_get(x);
  if (array->dim[0].size > 0) {
    if (extreme(state, PVT_MIN, x, &low) < 0 || extreme(state, PVT_MAX, x, &high) < 0) goto done;
    if (low < 0) {
      PyErr_SetString(PyExc_ValueError, "'list' argument must have no negative elements");
      goto done;
    }
    if (high >= bins) bins = high + 1;
  }
  bool weighted = values[1] != NULL && values[1] != Py_None;
  if (weighted && (weights = np_from_object(state, values[1], PVT_FLOAT64, -1)) == NULL) goto done;
  result = np_new(state, weighted ? PVT_FLOAT64 : PVT_INT64, 1, &bins);
  if (result != NULL) {
    int status = pvt_bincount(array, weighted ? np_get(weights) : NULL, np_get(result));
    if (status != PVT_OK) {
      Py_CLEAR(result);
      np_raise(state, status);
    }
  }
done:
  Py_DECREF(x);
  Py_XDECREF(weights);
  return result;
}

static PyObject *matmul(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"x1", "x2", "out", NULL};
  PyObject *values[3];
  if (np_arguments("matmul", args, n, names, parameters, 3, 2, values) < 0) return NULL;
  bool into = values[2] != NULL && np_array_check(values[2]);
  return np_matmul(np_state_of(module), values[0], values[1], into ? values[2] : NULL);
}

#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS

PyMethodDef np_gather_functions[] = {
    {"where", (PyCFunction)(void (*)(void))where, METH_FASTCALL,
     "where($module, condition, x1=None, x2=None, /)\n--\n\nElements of x1 where the condition is "
     "true, else of x2."},
    {"clip", FAST(clip), "clip($module, x, /, min=None, max=None)\n--\n\nLimit the values."},
    {"nonzero", nonzero, METH_O, "nonzero(x): indices by dimension"},
    {"take", FAST(take),
     "take($module, x, indices, /, axis=None, mode='raise')\n--\n\nElements by their indices."},
    {"take_along_axis", FAST(take_along_axis),
     "take_along_axis($module, x, indices, /, axis=-1)\n--\n\nElements by indices along an axis."},
    {"put_along_axis", put_along_axis, METH_VARARGS, "put_along_axis(x, indices, values, axis)"},
    {"_add_at", add_at, METH_VARARGS, "_add_at(x, indices, values): np.add.at"},
    {"bincount", FAST(bincount), "bincount(x, weights=None, minlength=0)"},
    {"matmul", FAST(matmul), "matmul(x1, x2)"},
    {NULL, NULL, 0, NULL},
};

/* shape.c - the same elements in another shape, views where possible; joining arrays. */
#include <string.h>

#include "binding.h"

/* Hand a changed view over, or drop it and raise. */
static PyObject *finish(np_state *state, pvt_array *view, int status) {
  if (status == PVT_OK) return np_wrap(state, view);
  pvt_array_release(view);
  return np_raise(state, status);
}

/* ---- Reshape ------------------------------------------------------------ */

/* One size may be -1: what is left over for it. */
static int infer(const pvt_array *array, int ndim, int64_t *shape) {
  int64_t count = pvt_array_count(array), known = 1;
  int unknown = -1;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] >= 0) {
      if (__builtin_mul_overflow(known, shape[i], &known)) known = -1;
    } else if (shape[i] < -1 || unknown >= 0) {
      PyErr_SetString(PyExc_ValueError, shape[i] < -1 ? "negative dimensions not allowed"
                                                      : "can only specify one unknown dimension");
      return -1;
    } else {
      unknown = i;
    }
  }
  bool fits = known == count;
  if (unknown >= 0) {
    fits = known > 0 ? count % known == 0 : false;
    if (fits) shape[unknown] = count / known;
  }
  if (fits) return 0;
  pvt_array wanted = {.ndim = (uint8_t)ndim};
  for (int i = 0; i < ndim; i++) wanted.dim[i].size = shape[i];
  char text[200];
  PyErr_Format(PyExc_ValueError, "cannot reshape array of size %lld into shape %s",
               (long long)count, np_shape_text(&wanted, text));
  return -1;
}

static PyObject *reshaped(np_state *state, PyObject *x, int ndim, int64_t *shape, int copy) {
  pvt_array view;
  bool possible;
  if (infer(np_get(x), ndim, shape) < 0) return NULL;
  pvt_array_view(&view, np_get(x));
  int status = pvt_view_reshape(&view, ndim, shape, &possible);
  if (status != PVT_OK || (possible && copy != 1)) return finish(state, &view, status);
  pvt_array_release(&view);
  if (copy == 0) {
    PyErr_SetString(PyExc_ValueError, "Unable to avoid creating a copy while reshaping.");
    return NULL;
  }
  PyObject *dense = np_astype(state, x, (pvt_dtype)np_get(x)->dtype, true);
  if (dense == NULL) return NULL;
  pvt_array_view(&view, np_get(dense));
  Py_DECREF(dense);
  return finish(state, &view, pvt_view_reshape(&view, ndim, shape, &possible));
}

static PyObject *fortran(np_state *state, PyObject *x, int ndim, int64_t *shape) {
  if (infer(np_get(x), ndim, shape) < 0) return NULL;
  int reverse[PVT_MAX_DIMS];
  int64_t backwards[PVT_MAX_DIMS];
  pvt_array view;
  pvt_array_view(&view, np_get(x));
  for (int i = 0; i < view.ndim; i++) reverse[i] = view.ndim - 1 - i;
  for (int i = 0; i < ndim; i++) backwards[i] = shape[ndim - 1 - i];
  pvt_view_permute(&view, reverse);
  PyObject *turned = np_wrap(state, &view);
  PyObject *result = turned != NULL ? reshaped(state, turned, ndim, backwards, -1) : NULL;
  Py_XDECREF(turned);
  if (result == NULL) return NULL;
  for (int i = 0; i < ndim; i++) reverse[i] = ndim - 1 - i;
  pvt_view_permute(np_get(result), reverse);
  return result;
}

static int is_fortran(PyObject *order, bool *yes) {
  *yes = false;
  if (order == NULL || order == Py_None) return 0;
  const char *text = PyUnicode_Check(order) ? PyUnicode_AsUTF8(order) : NULL;
  if (text == NULL || strchr("CFAK", text[0]) == NULL || text[0] == '\0' || text[1] != '\0') {
    PyErr_Format(PyExc_ValueError, "order must be one of 'C', 'F', 'A', or 'K' (got %R)", order);
    return -1;
  }
  *yes = text[0] == 'F';
  return 0;
}

static PyObject *reshape_with(np_state *state, PyObject *x, PyObject *sizes, PyObject *order,
                              PyObject *copy_object) {
  int ndim, copy = -1;
  int64_t shape[PVT_MAX_DIMS];
  bool backwards;
  if (copy_object != NULL && copy_object != Py_None) copy = PyObject_IsTrue(copy_object);
  if (is_fortran(order, &backwards) < 0 || np_parse_shape(sizes, &ndim, shape) < 0) return NULL;
  return backwards ? fortran(state, x, ndim, shape) : reshaped(state, x, ndim, shape, copy);
}

static PyObject *reshape_method(PyObject *self, PyObject *const *args, Py_ssize_t n,
                                PyObject *names) {
  PyObject *order = NULL, *copy = NULL;
  for (Py_ssize_t i = 0; names != NULL && i < PyTuple_GET_SIZE(names); i++) {
    PyObject *name = PyTuple_GET_ITEM(names, i);
    if (PyUnicode_CompareWithASCIIString(name, "order") == 0) order = args[n + i];
    else if (PyUnicode_CompareWithASCIIString(name, "copy") == 0) copy = args[n + i];
    else
      return PyErr_Format(PyExc_TypeError, "reshape() got an unexpected keyword argument %R", name);
  }
  if (n == 0) {
    PyErr_SetString(PyExc_TypeError, "reshape() takes exactly 1 argument (0 given)");
    return NULL;
  }
  if (n == 1) return reshape_with(np_state_of_object(self), self, args[0], order, copy);
  PyObject *sizes = PyTuple_New(n);
  if (sizes == NULL) return NULL;
  for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(sizes, i, Py_NewRef(args[i]));
  PyObject *result = reshape_with(np_state_of_object(self), self, sizes, order, copy);
  Py_DECREF(sizes);
  return result;
}

static PyObject *reshape(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"x", "shape", "order", "copy", NULL};
  PyObject *values[4];
  if (np_arguments("reshape", args, n, names, parameters, 3, 2, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  PyObject *x = np_from_object(state, values[0], -1, -1);
  PyObject *result = x != NULL ? reshape_with(state, x, values[1], values[2], values[3]) : NULL;
  Py_XDECREF(x);
  return result;
}

static PyObject *flat(np_state *state, PyObject *x, PyObject *order, int copy) {
  int64_t count = pvt_array_count(np_get(x));
  bool backwards;
  if (is_fortran(order, &backwards) < 0) return NULL;
  PyObject *result = backwards ? fortran(state, x, 1, &count) : reshaped(state, x, 1, &count, copy);
  if (result == NULL || !backwards || copy != 1) return result;
  Py_SETREF(result, np_astype(state, result, (pvt_dtype)np_get(x)->dtype, true));
  return result;
}

/* Elements in the order of memory: "K" follows strides of any order, "A" only Fortran's. */
static bool wants_fortran(const pvt_array *x, PyObject *order) {
  return order != NULL && PyUnicode_Check(order) && !pvt_array_is_contiguous(x) &&
         pvt_array_is_fortran(x) &&
         (PyUnicode_CompareWithASCIIString(order, "A") == 0 ||
          PyUnicode_CompareWithASCIIString(order, "K") == 0);
}

/* The dimensions from the widest stride to the narrowest, as "K" walks them. */
static PyObject *by_stride(np_state *state, PyObject *x) {
  pvt_array view;
  pvt_array_view(&view, np_get(x));
  int axes[PVT_MAX_DIMS];
  for (int i = 0; i < view.ndim; i++) {
    int k = i;
    for (; k > 0 && llabs(view.dim[axes[k - 1]].stride) < llabs(view.dim[i].stride); k--)
      axes[k] = axes[k - 1];
    axes[k] = i;
  }
  int status = pvt_view_permute(&view, axes);
  if (status == PVT_OK) return np_wrap(state, &view);
  pvt_array_release(&view);
  return np_raise(state, status);
}

static PyObject *flat_with(np_state *state, PyObject *x, PyObject *order, int copy) {
  if (order != NULL && PyUnicode_Check(order) &&
      PyUnicode_CompareWithASCIIString(order, "K") == 0) {
    PyObject *permuted = by_stride(state, x);
    PyObject *result = permuted != NULL ? flat(state, permuted, NULL, copy) : NULL;
    Py_XDECREF(permuted);
    return result;
  }
  if (wants_fortran(np_get(x), order)) {
    PyObject *fortran_order = PyUnicode_FromString("F");
    PyObject *result = fortran_order != NULL ? flat(state, x, fortran_order, copy) : NULL;
    Py_XDECREF(fortran_order);
    return result;
  }
  return flat(state, x, order, copy);
}

static PyObject *flatten_method(PyObject *self, PyObject *const *args, Py_ssize_t n,
                                PyObject *names) {
  static const char *const parameters[] = {"order", NULL};
  PyObject *order;
  if (np_arguments("flatten", args, n, names, parameters, 1, 0, &order) < 0) return NULL;
  return flat_with(np_state_of_object(self), self, order, 1);
}

static PyObject *ravel_method(PyObject *self, PyObject *const *args, Py_ssize_t n,
                              PyObject *names) {
  static const char *const parameters[] = {"order", NULL};
  PyObject *order;
  if (np_arguments("ravel", args, n, names, parameters, 1, 0, &order) < 0) return NULL;
  return flat_with(np_state_of_object(self), self, order, -1);
}

static PyObject *ravel(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"a", "order", NULL};
  PyObject *values[2];
  if (np_arguments("ravel", args, n, names, parameters, 2, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  PyObject *x = np_from_object(state, values[0], -1, -1);
  PyObject *result = x != NULL ? flat_with(state, x, values[1], -1) : NULL;
  Py_XDECREF(x);
  return result;
}

/* ---- Permuting ---------------------------------------------------------- */

static PyObject *permuted(np_state *state, PyObject *x, PyObject *axes) {
  pvt_array view;
  int order[PVT_MAX_DIMS], ndim = np_get(x)->ndim;
  if (axes == NULL || axes == Py_None) {
    for (int i = 0; i < ndim; i++) order[i] = ndim - 1 - i;
  } else {
    int count;
    int64_t given[PVT_MAX_DIMS];
    if (np_parse_shape(axes, &count, given) < 0) return NULL;
    if (count != ndim) {
      PyErr_SetString(PyExc_ValueError, "axes don't match array");
      return NULL;
    }
    for (int i = 0; i < ndim; i++) {
      order[i] = np_normalize_axis(state, (Py_ssize_t)given[i], ndim);
      if (order[i] < 0) return NULL;
      for (int j = 0; j < i; j++)
        if (order[j] == order[i]) {
          PyErr_SetString(PyExc_ValueError, "repeated axis in transpose");
          return NULL;
        }
    }
  }
  pvt_array_view(&view, np_get(x));
  return finish(state, &view, pvt_view_permute(&view, order));
}

static PyObject *transpose_method(PyObject *self, PyObject *args) {
  np_state *state = np_state_of_object(self);
  Py_ssize_t n = PyTuple_GET_SIZE(args);
  if (n == 0) return permuted(state, self, NULL);
  PyObject *first = PyTuple_GET_ITEM(args, 0);
  return permuted(state, self, n == 1 && !PyIndex_Check(first) ? first : args);
}

static PyObject *transpose(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"x", "axes", NULL};
  PyObject *values[2];
  if (np_arguments("transpose", args, n, names, parameters, 2, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  PyObject *x = np_from_object(state, values[0], -1, -1);
  PyObject *result = x != NULL ? permuted(state, x, values[1]) : NULL;
  Py_XDECREF(x);
  return result;
}

static PyObject *swapped(np_state *state, PyObject *x, PyObject *first, PyObject *second) {
  int order[PVT_MAX_DIMS], ndim = np_get(x)->ndim;
  int a = np_parse_axis(state, first, ndim), b = a < 0 ? -1 : np_parse_axis(state, second, ndim);
  if (a < 0 || b < 0) return NULL;
  for (int i = 0; i < ndim; i++) order[i] = i == a ? b : i == b ? a : i;
  pvt_array view;
  pvt_array_view(&view, np_get(x));
  return finish(state, &view, pvt_view_permute(&view, order));
}

static PyObject *swapaxes_method(PyObject *self, PyObject *args) {
  PyObject *a, *b;
  if (!PyArg_ParseTuple(args, "OO:swapaxes", &a, &b)) return NULL;
  return swapped(np_state_of_object(self), self, a, b);
}

static PyObject *swapaxes(PyObject *module, PyObject *args) {
  PyObject *object, *a, *b;
  if (!PyArg_ParseTuple(args, "OOO:swapaxes", &object, &a, &b)) return NULL;
  np_state *state = np_state_of(module);
  PyObject *x = np_from_object(state, object, -1, -1);
  PyObject *result = x != NULL ? swapped(state, x, a, b) : NULL;
  Py_XDECREF(x);
  return result;
}

/* ---- Dimensions of 1 ---------------------------------------------------- */

static PyObject *squeezed(np_state *state, PyObject *x, PyObject *axis) {
  const pvt_array *array = np_get(x);
  uint32_t axes = 0;
  if (axis != NULL && axis != Py_None) {
    if (np_parse_axes(state, axis, array->ndim, &axes) < 0) return NULL;
    for (int i = 0; i < array->ndim; i++)
      if (axes >> i & 1 && array->dim[i].size != 1) {
        PyErr_SetString(PyExc_ValueError,
                        "cannot select an axis to squeeze out which has size not equal to one");
        return NULL;
      }
  } else {
    for (int i = 0; i < array->ndim; i++)
      if (array->dim[i].size == 1) axes |= (uint32_t)1 << i;
  }
  pvt_array view;
  pvt_array_view(&view, array);
  for (int i = array->ndim - 1; i >= 0; i--)
    if (axes >> i & 1) pvt_view_remove(&view, i);
  return np_wrap(state, &view);
}

static PyObject *squeeze_method(PyObject *self, PyObject *const *args, Py_ssize_t n,
                                PyObject *names) {
  static const char *const parameters[] = {"axis", NULL};
  PyObject *values[1];
  if (np_arguments("squeeze", args, n, names, parameters, 1, 0, values) < 0) return NULL;
  return squeezed(np_state_of_object(self), self, values[0]);
}

static PyObject *squeeze(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"x", "axis", NULL};
  PyObject *values[2];
  if (np_arguments("squeeze", args, n, names, parameters, 2, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  PyObject *x = np_from_object(state, values[0], -1, -1);
  PyObject *result = x != NULL ? squeezed(state, x, values[1]) : NULL;
  Py_XDECREF(x);
  return result;
}

static PyObject *expand_dims(PyObject *module, PyObject *const *args, Py_ssize_t n,
                             PyObject *names) {
  static const char *const parameters[] = {"x", "axis", NULL};
  PyObject *values[2];
  if (np_arguments("expand_dims", args, n, names, parameters, 2, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  PyObject *x = np_from_object(state, values[0], -1, -1);
  if (x == NULL) return NULL;
  PyObject *result = NULL, *zero = NULL;
  if (values[1] == NULL) values[1] = zero = PyLong_FromLong(0);
  bool many = PyTuple_Check(values[1]) || PyList_Check(values[1]);
  Py_ssize_t added = many ? PySequence_Size(values[1]) : 1;
  int ndim = np_get(x)->ndim + (int)added;
  uint32_t axes;
  if (added + np_get(x)->ndim > PVT_MAX_DIMS)
    PyErr_Format(PyExc_ValueError, "an array has up to %d dimensions", PVT_MAX_DIMS);
  else if (np_parse_axes(state, values[1], ndim, &axes) == 0) {
    pvt_array view;
    int status = PVT_OK;
    pvt_array_view(&view, np_get(x));
    for (int i = 0; status == PVT_OK && i < ndim; i++)
      if (axes >> i & 1) status = pvt_view_insert(&view, i);
    result = finish(state, &view, status);
  }
  Py_XDECREF(zero);
  Py_DECREF(x);
  return result;
}

/* ---- Broadcasting ------------------------------------------------------- */

static PyObject *broadcast_to(PyObject *module, PyObject *const *args, Py_ssize_t n,
                              PyObject *names) {
  static const char *const parameters[] = {"x", "shape", NULL};
  PyObject *values[2];
  if (np_arguments("broadcast_to", args, n, names, parameters, 2, 2, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  int ndim;
  int64_t shape[PVT_MAX_DIMS];
  if (np_parse_shape(values[1], &ndim, shape) < 0) return NULL;
  PyObject *x = np_from_object(state, values[0], -1, -1);
  if (x == NULL) return NULL;
  pvt_array view;
  pvt_array_view(&view, np_get(x));
  Py_DECREF(x);
  int status = pvt_view_broadcast(&view, ndim, shape);
  view.writable = false;
  return finish(state, &view, status);
}

/* ---- Joining ------------------------------------------------------------ */

/* Inexact types first: what integers are to each other does not matter beside them. */
static pvt_dtype common_dtype(PyObject *arrays) {
  int dtype = -1;
  for (int kind = PVT_KIND_COMPLEX; kind >= PVT_KIND_BOOL; kind--)
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arrays); i++) {
      pvt_dtype own = (pvt_dtype)np_get(PyTuple_GET_ITEM(arrays, i))->dtype;
      if ((int)pvt_dtype_kind(own) != kind) continue;
      dtype = dtype < 0 ? (int)own : (int)pvt_promote((pvt_dtype)dtype, own);
    }
  return (pvt_dtype)dtype;
}

/* Arrays of one sequence as a tuple of arrays, and the type that they all fit in. */
static PyObject *take_arrays(np_state *state, PyObject *sequence, pvt_dtype *dtype) {
  PyObject *items = PySequence_Tuple(sequence);
  if (items == NULL) return NULL;
  Py_ssize_t count = PyTuple_GET_SIZE(items);
  PyObject *arrays = count > 0 ? PyTuple_New(count) : NULL;
  if (count == 0) PyErr_SetString(PyExc_ValueError, "need at least one array to concatenate");
  for (Py_ssize_t i = 0; arrays != NULL && i < count; i++) {
    PyObject *array = np_from_object(state, PyTuple_GET_ITEM(items, i), -1, -1);
    if (array == NULL) {
      Py_CLEAR(arrays);
      break;
    }
    PyTuple_SET_ITEM(arrays, i, array);
  }
  Py_DECREF(items);
  if (arrays != NULL) *dtype = common_dtype(arrays);
  return arrays;
}

static PyObject *joined(np_state *state, PyObject *arrays, int axis, pvt_dtype dtype) {
  const pvt_array *first = np_get(PyTuple_GET_ITEM(arrays, 0));
  int64_t shape[PVT_MAX_DIMS], total = 0;
  int ndim = first->ndim;
  for (int i = 0; i < ndim; i++) shape[i] = first->dim[i].size;
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(arrays); k++) {
    const pvt_array *part = np_get(PyTuple_GET_ITEM(arrays, k));
    if (part->ndim != ndim) {
      PyErr_Format(PyExc_ValueError,
                   "all the input array dimensions must match exactly: the array at index 0 has %d "
                   "dimension(s) and the array at index %zd has %d dimension(s)",
                   ndim, k, part->ndim);
      return NULL;
    }
    for (int i = 0; i < ndim; i++)
      if (i != axis && part->dim[i].size != shape[i]) {
        PyErr_Format(PyExc_ValueError,
                     "all the input array dimensions except for the concatenation axis must match "
                     "exactly, but along dimension %d, the array at index 0 has size %lld and the "
                     "array at index %zd has size %lld",
                     i, (long long)shape[i], k, (long long)part->dim[i].size);
        return NULL;
      }
    total += part->dim[axis].size;
  }
  shape[axis] = total;
  PyObject *result = np_new(state, dtype, ndim, shape);
  int64_t start = 0;
  for (Py_ssize_t k = 0; result != NULL && k < PyTuple_GET_SIZE(arrays); k++) {
    const pvt_array *part = np_get(PyTuple_GET_ITEM(arrays, k));
    pvt_array place;
    pvt_array_view(&place, np_get(result));
    pvt_view_slice(&place, axis, start, part->dim[axis].size, 1);
    int status = pvt_copy(part, &place);
    pvt_array_release(&place);
    start += part->dim[axis].size;
    if (status != PVT_OK) {
      Py_CLEAR(result);
      np_raise(state, status);
    }
  }
  return result;
}

static PyObject *concat(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"arrays", "axis", "dtype", NULL};
  PyObject *values[3];
  if (np_arguments("concat", args, n, names, parameters, 2, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  pvt_dtype dtype = PVT_FLOAT64;
  PyObject *arrays = take_arrays(state, values[0], &dtype), *result = NULL;
  if (arrays == NULL) return NULL;
  int wanted = np_dtype_parse(state, values[2], (int)dtype), axis = 0;
  if (wanted < 0) goto done;
  if (values[1] == Py_None) {
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(arrays); k++) {
      PyObject *flattened = flat(state, PyTuple_GET_ITEM(arrays, k), NULL, -1);
      if (flattened == NULL) goto done;
      PyObject *old = PyTuple_GET_ITEM(arrays, k);
      PyTuple_SET_ITEM(arrays, k, flattened);
      Py_DECREF(old);
    }
  } else {
    int ndim = np_get(PyTuple_GET_ITEM(arrays, 0))->ndim;
    if (ndim == 0) {
      PyErr_SetString(PyExc_ValueError, "zero-dimensional arrays cannot be concatenated");
      goto done;
    }
    if (values[1] != NULL && (axis = np_parse_axis(state, values[1], ndim)) < 0) goto done;
  }
  result = joined(state, arrays, axis, (pvt_dtype)wanted);
done:
  Py_DECREF(arrays);
  return result;
}

static PyObject *stack(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"arrays", "axis", NULL};
  PyObject *values[2];
  if (np_arguments("stack", args, n, names, parameters, 2, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  pvt_dtype dtype = PVT_FLOAT64;
  PyObject *arrays = take_arrays(state, values[0], &dtype), *result = NULL;
  if (arrays == NULL) return NULL;
  const pvt_array *first = np_get(PyTuple_GET_ITEM(arrays, 0));
  int axis = 0;
  if (values[1] != NULL && (axis = np_parse_axis(state, values[1], first->ndim + 1)) < 0) goto done;
  for (Py_ssize_t k = 1; k < PyTuple_GET_SIZE(arrays); k++) {
    const pvt_array *part = np_get(PyTuple_GET_ITEM(arrays, k));
    bool same = part->ndim == first->ndim;
    for (int i = 0; same && i < part->ndim; i++) same = part->dim[i].size == first->dim[i].size;
    if (!same) {
      PyErr_SetString(PyExc_ValueError, "all input arrays must have the same shape");
      goto done;
    }
  }
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(arrays); k++) {
    PyObject *old = PyTuple_GET_ITEM(arrays, k);
    pvt_array view;
    pvt_array_view(&view, np_get(old));
    PyObject *wide = finish(state, &view, pvt_view_insert(&view, axis));
    if (wide == NULL) goto done;
    PyTuple_SET_ITEM(arrays, k, wide);
    Py_DECREF(old);
  }
  result = joined(state, arrays, axis, dtype);
done:
  Py_DECREF(arrays);
  return result;
}

#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS

PyMethodDef np_shape_methods[] = {
    {"reshape", FAST(reshape_method), "reshape(*shape, order='C', copy=None)"},
    {"flatten", FAST(flatten_method), "A flat copy."},
    {"ravel", FAST(ravel_method), "The elements as one dimension, a view where possible."},
    {"transpose", transpose_method, METH_VARARGS, "transpose(*axes): a view."},
    {"swapaxes", swapaxes_method, METH_VARARGS, "swapaxes(a, b): a view."},
    {"squeeze", FAST(squeeze_method), "squeeze(axis=None): a view."},
    {NULL, NULL, 0, NULL},
};

PyMethodDef np_shape_functions[] = {
    {"reshape", FAST(reshape), "reshape(x, shape, order='C', *, copy=None)"},
    {"ravel", FAST(ravel), "ravel(a, order='C')"},
    {"transpose", FAST(transpose), "transpose(x, axes=None): a view."},
    {"permute_dims", FAST(transpose), "permute_dims(x, axes): a view."},
    {"swapaxes", swapaxes, METH_VARARGS, "swapaxes(x, a, b): a view."},
    {"squeeze", FAST(squeeze),
     "squeeze($module, x, /, axis=None)\n--\n\nA view without dimensions of size 1."},
    {"expand_dims", FAST(expand_dims),
     "expand_dims($module, x, /, axis=0)\n--\n\nA view with more dimensions of size 1."},
    {"broadcast_to", FAST(broadcast_to), "broadcast_to(x, shape): a view that may only be read."},
    {"concat", FAST(concat),
     "concat($module, arrays, /, axis=0, *, dtype=None)\n--\n\nJoin along an axis."},
    {"concatenate", FAST(concat), "concatenate(arrays, axis=0)"},
    {"stack", FAST(stack), "stack(arrays, axis=0)"},
    {NULL, NULL, 0, NULL},
};

/* windows.c - convolutions and pooling; np/nn.py has the functions that tasks call. */
#include "binding.h"

static const char *const FIELDS[] = {"size", "stride", "dilation", "before", "after"};

/* A tuple of five tuples of ints, as pvt_window has them. 0, or -1 with an exception. */
static int window_of(PyObject *object, pvt_window *window) {
  int64_t *const to[] = {window->size, window->stride, window->dilation, window->before,
                         window->after};
  *window = (pvt_window){{0}};
  if (!PyTuple_Check(object) || PyTuple_GET_SIZE(object) != 5) {
    PyErr_SetString(PyExc_TypeError, "a window is five tuples of integers");
    return -1;
  }
  for (int i = 0; i < 5; i++) {
    PyObject *values = PyTuple_GET_ITEM(object, i);
    if (!PyTuple_Check(values) || PyTuple_GET_SIZE(values) > PVT_WINDOW_DIMS) {
      PyErr_Format(PyExc_TypeError, "a window's %s is a tuple of up to %d integers", FIELDS[i],
                   PVT_WINDOW_DIMS);
      return -1;
    }
    for (Py_ssize_t d = 0; d < PyTuple_GET_SIZE(values); d++) {
      to[i][d] = PyLong_AsLongLong(PyTuple_GET_ITEM(values, d));
      if (to[i][d] == -1 && PyErr_Occurred()) return -1;
    }
  }
  return 0;
}

/* conv(x, weights, bias, window, groups, transposed, shape): arrays of one type, bias or None. */
static PyObject *conv(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"x",      "weights",    "bias",  "window",
                                           "groups", "transposed", "shape", NULL};
  PyObject *values[7];
  if (np_arguments("conv", args, n, names, parameters, 7, 7, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  pvt_window window;
  int64_t shape[PVT_MAX_DIMS];
  int ndim, transposed = PyObject_IsTrue(values[5]);
  Py_ssize_t groups = PyNumber_AsSsize_t(values[4], PyExc_OverflowError);
  if (transposed < 0 || (groups == -1 && PyErr_Occurred()) || window_of(values[3], &window) < 0 ||
      np_parse_shape(values[6], &ndim, shape) < 0)
    return NULL;
  PyObject *x = np_from_object(state, values[0], -1, -1), *bias = NULL, *result = NULL;
  PyObject *weights = x != NULL ? np_from_object(state, values[1], -1, -1) : NULL;
  if (weights == NULL) goto done;
  if (values[2] != Py_None && (bias = np_from_object(state, values[2], -1, -1)) == NULL) goto done;
  result = np_new(state, (pvt_dtype)np_get(x)->dtype, ndim, shape);
  if (result == NULL) goto done;
  int status = (transposed ? pvt_conv_transposed : pvt_conv)(np_get(x), np_get(weights),
                                                             bias != NULL ? np_get(bias) : NULL,
                                                             &window, groups, np_get(result));
  if (status != PVT_OK) {
    Py_CLEAR(result);
    np_raise(state, status);
  }
done:
  Py_XDECREF(x);
  Py_XDECREF(weights);
  Py_XDECREF(bias);
  return result;
}

/* pool(op, x, window, p, shape, places): the result, or it and the places of what is largest. */
static PyObject *pool(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"op", "x", "window", "p", "shape", "places", NULL};
  PyObject *values[6];
  if (np_arguments("pool", args, n, names, parameters, 6, 6, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  pvt_window window;
  int64_t shape[PVT_MAX_DIMS];
  int ndim, wanted = PyObject_IsTrue(values[5]);
  long op = PyLong_AsLong(values[0]);
  double p = PyFloat_AsDouble(values[3]);
  if (PyErr_Occurred() || wanted < 0 || window_of(values[2], &window) < 0 ||
      np_parse_shape(values[4], &ndim, shape) < 0)
    return NULL;
  if (op < PVT_POOL_MAX || op > PVT_POOL_LP)
    return PyErr_Format(PyExc_ValueError, "there is no pooling %ld", op);
  PyObject *x = np_from_object(state, values[1], -1, -1), *places = NULL, *both = NULL;
  if (x == NULL) return NULL;
  PyObject *result = np_new(state, (pvt_dtype)np_get(x)->dtype, ndim, shape);
  if (result != NULL && wanted) places = np_new(state, PVT_INT64, ndim, shape);
  if (result == NULL || (wanted && places == NULL)) goto done;
  int status = pvt_pool((pvt_pool_op)op, np_get(x), &window, p, np_get(result),
                        wanted ? np_get(places) : NULL);
  if (status != PVT_OK) np_raise(state, status);
  else both = wanted ? PyTuple_Pack(2, result, places) : Py_NewRef(result);
done:
  Py_DECREF(x);
  Py_XDECREF(result);
  Py_XDECREF(places);
  return both;
}

PyMethodDef np_window_functions[] = {
    {"_nn_conv", (PyCFunction)(void (*)(void))conv, METH_FASTCALL | METH_KEYWORDS,
     "_nn_conv(x, weights, bias, window, groups, transposed, shape)"},
    {"_nn_pool", (PyCFunction)(void (*)(void))pool, METH_FASTCALL | METH_KEYWORDS,
     "_nn_pool(op, x, window, p, shape, places)"},
    {NULL, NULL, 0, NULL},
};

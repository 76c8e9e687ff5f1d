/* element.c - arrays of one element as Python's numbers; elements out of larger ones. */
#include "binding.h"

static PyObject *only_element(PyObject *self, const char *what) {
  const pvt_array *array = np_get(self);
  if (array->ndim != 0) {
    PyErr_Format(PyExc_TypeError, "only 0-dimensional arrays can be converted to %s", what);
    return NULL;
  }
  return np_item(array->data, (pvt_dtype)array->dtype);
}

static int array_bool(PyObject *self) {
  const pvt_array *array = np_get(self);
  if (pvt_array_count(array) != 1) {
    PyErr_SetString(PyExc_ValueError,
                    pvt_array_count(array) == 0
                        ? "The truth value of an empty array is ambiguous. Use `array.size > 0` to "
                          "check that an array is not empty."
                        : "The truth value of an array with more than one element is ambiguous. "
                          "Use a.any() or a.all()");
    return -1;
  }
  PyObject *item = np_item(array->data, (pvt_dtype)array->dtype);
  int truth = item == NULL ? -1 : PyObject_IsTrue(item);
  Py_XDECREF(item);
  return truth;
}

static PyObject *array_int(PyObject *self) {
  PyObject *item = only_element(self, "Python integers");
  if (item == NULL) return NULL;
  PyObject *result;
  if (PyComplex_Check(item)) {
    PyErr_SetString(PyExc_TypeError, "a complex element cannot be converted to an integer");
    result = NULL;
  } else {
    result = PyNumber_Long(item);
  }
  Py_DECREF(item);
  return result;
}

static PyObject *array_float(PyObject *self) {
  PyObject *item = only_element(self, "Python floats");
  if (item == NULL) return NULL;
  PyObject *result;
  if (PyComplex_Check(item)) {
    PyErr_SetString(PyExc_TypeError, "a complex element cannot be converted to a float");
    result = NULL;
  } else {
    result = PyNumber_Float(item);
  }
  Py_DECREF(item);
  return result;
}

static PyObject *array_complex(PyObject *self, PyObject *unused) {
  (void)unused;
  PyObject *item = only_element(self, "Python complex numbers");
  if (item == NULL || PyComplex_Check(item)) return item;
  PyObject *number = PyNumber_Float(item);
  Py_DECREF(item);
  if (number == NULL) return NULL;
  PyObject *result = PyComplex_FromDoubles(PyFloat_AS_DOUBLE(number), 0.0);
  Py_DECREF(number);
  return result;
}

static PyObject *array_index(PyObject *self) {
  const pvt_array *array = np_get(self);
  pvt_kind kind = pvt_dtype_kind((pvt_dtype)array->dtype);
  if (array->ndim != 0 || (kind != PVT_KIND_INT && kind != PVT_KIND_UINT)) {
    PyErr_SetString(PyExc_TypeError,
                    "only integer scalar arrays can be converted to a scalar index");
    return NULL;
  }
  return np_item(array->data, (pvt_dtype)array->dtype);
}

static PyObject *array_item(PyObject *self, PyObject *args) {
  PyObject *element = self;
  if (PyTuple_GET_SIZE(args) > 0) {
    const pvt_array *array = np_get(self);
    if (PyTuple_GET_SIZE(args) == 1 && array->ndim != 1 &&
        !PyTuple_Check(PyTuple_GET_ITEM(args, 0))) {
      Py_ssize_t flat = PyNumber_AsSsize_t(PyTuple_GET_ITEM(args, 0), PyExc_IndexError);
      if (flat == -1 && PyErr_Occurred()) return NULL;
      int64_t count = pvt_array_count(array);
      if (flat < -count || flat >= count) {
        PyErr_Format(PyExc_IndexError, "index %zd is out of bounds for size %lld", flat,
                     (long long)count);
        return NULL;
      }
      if (flat < 0) flat += count;
      const char *data = array->data;
      for (int i = array->ndim - 1; i >= 0; i--) {
        data += flat % array->dim[i].size * array->dim[i].stride;
        flat /= array->dim[i].size;
      }
      return np_item(data, (pvt_dtype)array->dtype);
    }
    PyObject *key = PyTuple_GET_SIZE(args) == 1 ? PyTuple_GET_ITEM(args, 0) : args;
    element = np_subscript(self, key);
    if (element == NULL) return NULL;
  }
  PyObject *item = NULL;
  if (pvt_array_count(np_get(element)) != 1)
    PyErr_SetString(PyExc_ValueError, "can only convert an array of size 1 to a Python scalar");
  else item = np_item(np_get(element)->data, (pvt_dtype)np_get(element)->dtype);
  if (element != self) Py_DECREF(element);
  return item;
}

/* ---- What else scalars do ----------------------------------------------- */

static PyObject *array_format(PyObject *self, PyObject *format) {
  bool plain = PyUnicode_Check(format) && PyUnicode_GET_LENGTH(format) == 0;
  if (plain && np_get(self)->ndim != 0) return PyObject_Str(self);
  if (np_get(self)->ndim != 0) {
    PyErr_SetString(PyExc_TypeError,
                    "unsupported format string passed to numpy.ndarray.__format__");
    return NULL;
  }
  PyObject *item = np_item(np_get(self)->data, (pvt_dtype)np_get(self)->dtype);
  PyObject *text = item != NULL ? PyObject_Format(item, format) : NULL;
  Py_XDECREF(item);
  return text;
}

static PyObject *array_round(PyObject *self, PyObject *args) {
  PyObject *digits = NULL;
  if (!PyArg_ParseTuple(args, "|O:__round__", &digits)) return NULL;
  if (np_get(self)->ndim != 0) {
    PyErr_SetString(PyExc_TypeError, "only scalar arrays can be rounded: use np.round");
    return NULL;
  }
  PyObject *item = np_item(np_get(self)->data, (pvt_dtype)np_get(self)->dtype);
  if (item == NULL) return NULL;
  PyObject *result = digits != NULL && digits != Py_None
                         ? PyObject_CallMethod(item, "__round__", "O", digits)
                         : PyObject_CallMethod(item, "__round__", NULL);
  Py_DECREF(item);
  return result;
}

static Py_hash_t array_hash(PyObject *self) {
  const pvt_array *array = np_get(self);
  if (array->ndim != 0 || array->writable) {
    PyErr_SetString(PyExc_TypeError, "unhashable type: 'ndarray'");
    return -1;
  }
  PyObject *item = np_item(array->data, (pvt_dtype)array->dtype);
  Py_hash_t hash = item == NULL ? -1 : PyObject_Hash(item);
  Py_XDECREF(item);
  return hash;
}

PyMethodDef np_element_methods[] = {
    {"item", array_item, METH_VARARGS, "item(*index): an element as a Python number."},
    {"__complex__", array_complex, METH_NOARGS, NULL},
    {"__format__", array_format, METH_O, NULL},
    {"__round__", array_round, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

const PyType_Slot np_element_slots[] = {
    {Py_tp_hash, array_hash},   {Py_nb_bool, array_bool},   {Py_nb_int, array_int},
    {Py_nb_float, array_float}, {Py_nb_index, array_index}, {0, NULL},
};

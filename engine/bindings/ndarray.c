/* ndarray.c - the array type: its life, copies, pickling, its protocol slots. */
#include <string.h>

#include "binding.h"

static void array_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  pvt_buffer_release(np_get(self)->buffer);
  PyObject_Free(self);
  Py_DECREF(type);
}

bool np_array_check(PyObject *object) {
  return Py_TYPE(object)->tp_dealloc == array_dealloc;
}

PyObject *np_wrap(np_state *state, pvt_array *array) {
  np_array *made = PyObject_NewVar(np_array, state->array_type, array->ndim);
  if (made == NULL) {
    pvt_array_release(array);
    return NULL;
  }
  memcpy(&made->array, array, offsetof(pvt_array, dim) + array->ndim * sizeof(pvt_dim));
  return (PyObject *)made;
}

PyObject *np_new(np_state *state, pvt_dtype dtype, int ndim, const int64_t *shape) {
  pvt_array array;
  int status = pvt_array_new(&array, dtype, ndim, shape);
  return status != PVT_OK ? np_raise(state, status) : np_wrap(state, &array);
}

PyObject *np_shape_tuple(const pvt_array *array) {
  PyObject *shape = PyTuple_New(array->ndim);
  for (int i = 0; shape != NULL && i < array->ndim; i++) {
    PyObject *size = PyLong_FromLongLong(array->dim[i].size);
    if (size == NULL) Py_CLEAR(shape);
    else PyTuple_SET_ITEM(shape, i, size);
  }
  return shape;
}

const char *np_shape_text(const pvt_array *array, char *text) {
  char *at = text;
  *at++ = '(';
  for (int i = 0; i < array->ndim && at < text + 170; i++)
    at += sprintf(at, i == 0 ? "%lld" : ",%lld", (long long)array->dim[i].size);
  if (array->ndim == 1) *at++ = ',';
  strcpy(at, ")");
  return text;
}

int np_parse_shape(PyObject *object, int *ndim, int64_t shape[PVT_MAX_DIMS]) {
  if (PyIndex_Check(object) && !(np_array_check(object) && np_get(object)->ndim > 0)) {
    Py_ssize_t size = PyNumber_AsSsize_t(object, PyExc_ValueError);
    if (size == -1 && PyErr_Occurred()) return -1;
    *ndim = 1;
    shape[0] = size;
    return 0;
  }
  PyObject *sizes = PySequence_Fast(object, "a shape is an integer or a sequence of integers");
  if (sizes == NULL) return -1;
  Py_ssize_t count = PySequence_Fast_GET_SIZE(sizes);
  int status = 0;
  if (count > PVT_MAX_DIMS) {
    PyErr_Format(PyExc_ValueError, "maximum supported dimension for an ndarray is %d, found %zd",
                 PVT_MAX_DIMS, count);
    status = -1;
  }
  for (Py_ssize_t i = 0; status == 0 && i < count; i++) {
    Py_ssize_t size = PyNumber_AsSsize_t(PySequence_Fast_GET_ITEM(sizes, i), PyExc_ValueError);
    if (size == -1 && PyErr_Occurred()) status = -1;
    else shape[i] = size;
  }
  *ndim = (int)count;
  Py_DECREF(sizes);
  return status;
}

static PyObject *array_tolist(PyObject *self, PyObject *unused) {
  (void)unused;
  return np_to_list(np_get(self));
}

static PyObject *array_tobytes(PyObject *self, PyObject *unused) {
  (void)unused;
  const pvt_array *array = np_get(self);
  int64_t bytes = pvt_array_count(array) * (int64_t)pvt_itemsize((pvt_dtype)array->dtype);
  PyObject *result = PyBytes_FromStringAndSize(NULL, bytes);
  if (result == NULL) return NULL;
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < array->ndim; i++) shape[i] = array->dim[i].size;
  pvt_array target;
  pvt_array_over(&target, PyBytes_AS_STRING(result), (pvt_dtype)array->dtype, array->ndim, shape);
  int status = pvt_copy(array, &target);
  if (status == PVT_OK) return result;
  Py_DECREF(result);
  return np_raise(np_state_of_object(self), status);
}

static PyObject *array_astype(PyObject *self, PyObject *const *args, Py_ssize_t n,
                              PyObject *names) {
  static const char *const parameters[] = {"dtype", "order",  "casting", "subok",
                                           "copy",  "device", NULL};
  PyObject *values[6];
  if (np_arguments("astype", args, n, names, parameters, 5, 1, values) < 0) return NULL;
  np_state *state = np_state_of_object(self);
  int dtype = np_dtype_parse(state, values[0], PVT_FLOAT64);
  int copy = values[4] == NULL ? 1 : PyObject_IsTrue(values[4]);
  if (dtype < 0 || copy < 0) return NULL;
  if (values[2] != NULL && !np_may_cast(np_get(self)->dtype, dtype, values[2])) return NULL;
  return np_astype(state, self, (pvt_dtype)dtype, copy);
}

static PyObject *array_copy(PyObject *self, PyObject *args) {
  (void)args;
  return np_astype(np_state_of_object(self), self, (pvt_dtype)np_get(self)->dtype, true);
}

static PyObject *array_deepcopy(PyObject *self, PyObject *memo) {
  return array_copy(self, memo);
}

static PyObject *array_fill(PyObject *self, PyObject *value) {
  if (np_assign_subscript(self, Py_Ellipsis, value) < 0) return NULL;
  Py_RETURN_NONE;
}

static PyObject *array_to_device(PyObject *self, PyObject *const *args, Py_ssize_t n,
                                 PyObject *names) {
  static const char *const parameters[] = {"device", "stream", NULL};
  PyObject *values[2];
  if (np_arguments("to_device", args, n, names, parameters, 1, 1, values) < 0) return NULL;
  if (!PyUnicode_Check(values[0]) || PyUnicode_CompareWithASCIIString(values[0], "cpu") != 0) {
    PyErr_Format(PyExc_ValueError, "Unsupported device %R: there is only 'cpu'", values[0]);
    return NULL;
  }
  if (values[1] != NULL && values[1] != Py_None) {
    PyErr_SetString(PyExc_ValueError, "the stream argument has no meaning for 'cpu'");
    return NULL;
  }
  return Py_NewRef(self);
}

static PyObject *array_namespace(PyObject *self, PyObject *const *args, Py_ssize_t n,
                                 PyObject *names) {
  static const char *const parameters[] = {"api_version", NULL};
  PyObject *values[1];
  if (np_arguments("__array_namespace__", args, n, names, parameters, 0, 0, values) < 0)
    return NULL;
  np_state *state = np_state_of_object(self);
  if (values[0] != NULL && values[0] != Py_None) {
    static const char *const known[] = {"2021.12", "2022.12", "2023.12", "2024.12", NULL};
    int i = 0;
    while (known[i] != NULL && !(PyUnicode_Check(values[0]) &&
                                 PyUnicode_CompareWithASCIIString(values[0], known[i]) == 0))
      i++;
    if (known[i] == NULL) {
      PyErr_Format(PyExc_ValueError, "unsupported version of the array API: %R", values[0]);
      return NULL;
    }
  }
  if (state->namespace == NULL) return PyImport_ImportModule("polyvm.np");
  return Py_NewRef(state->namespace);
}

static PyObject *array_reduce(PyObject *self, PyObject *unused) {
  (void)unused;
  PyObject *maker = PyObject_GetAttrString((PyObject *)Py_TYPE(self), "_rebuild");
  PyObject *shape = np_shape_tuple(np_get(self)), *data = array_tobytes(self, NULL);
  PyObject *result = NULL;
  if (maker != NULL && shape != NULL && data != NULL)
    result = Py_BuildValue(
        "O(NOO)", maker, np_dtype_object(np_state_of_object(self), (pvt_dtype)np_get(self)->dtype),
        shape, data);
  Py_XDECREF(maker);
  Py_XDECREF(shape);
  Py_XDECREF(data);
  return result;
}

static PyObject *array_rebuild(PyObject *type, PyObject *args) {
  PyObject *dtype_object, *shape_object;
  Py_buffer data;
  if (!PyArg_ParseTuple(args, "OOy*", &dtype_object, &shape_object, &data)) return NULL;
  np_state *state = PyType_GetModuleState((PyTypeObject *)type);
  int64_t shape[PVT_MAX_DIMS];
  int ndim, dtype = np_dtype_parse(state, dtype_object, PVT_FLOAT64);
  PyObject *made = NULL;
  if (dtype >= 0 && np_parse_shape(shape_object, &ndim, shape) == 0)
    made = np_new(state, (pvt_dtype)dtype, ndim, shape);
  if (made != NULL) {
    if (data.len == pvt_array_count(np_get(made)) * (int64_t)pvt_itemsize((pvt_dtype)dtype)) {
      memcpy(np_get(made)->data, data.buf, (size_t)data.len);
    } else {
      PyErr_SetString(PyExc_ValueError, "the pickled array's data has not its shape's size");
      Py_CLEAR(made);
    }
  }
  PyBuffer_Release(&data);
  return made;
}

/* ---- Printing ----------------------------------------------------------- */

static PyObject *print(PyObject *self, PyObject *is_repr) {
  np_state *state = np_state_of_object(self);
  if (state->printer != NULL)
    return PyObject_CallFunctionObjArgs(state->printer, self, is_repr, NULL);
  PyObject *list = np_to_list(np_get(self));
  PyObject *text = list != NULL ? PyObject_Repr(list) : NULL;
  Py_XDECREF(list);
  return text;
}

static PyObject *array_repr(PyObject *self) {
  return print(self, Py_True);
}

static PyObject *array_str(PyObject *self) {
  return print(self, Py_False);
}

/* ---- Protocols ---------------------------------------------------------- */

static Py_ssize_t array_length(PyObject *self) {
  const pvt_array *array = np_get(self);
  if (array->ndim > 0) return array->dim[0].size;
  PyErr_SetString(PyExc_TypeError, "len() of unsized object");
  return -1;
}

static PyObject *array_iterate(PyObject *self) {
  if (np_get(self)->ndim > 0) return PySeqIter_New(self);
  PyErr_SetString(PyExc_TypeError, "iteration over a 0-d array");
  return NULL;
}

static int array_contains(PyObject *self, PyObject *value) {
  np_state *state = np_state_of_object(self);
  PyObject *equal = np_binary(state, PVT_EQUAL, self, value, NULL, -1, true);
  PyObject *any = equal != NULL ? np_reduce(state, PVT_ANY, equal, Py_None, -1, false, NULL) : NULL;
  int truth = any != NULL ? PyObject_IsTrue(any) : -1;
  Py_XDECREF(equal);
  Py_XDECREF(any);
  return truth;
}

static PyMethodDef own_methods[] = {
    {"tolist", array_tolist, METH_NOARGS, "Nested lists of Python numbers."},
    {"tobytes", array_tobytes, METH_NOARGS, "The elements in C order."},
    {"astype", (PyCFunction)(void (*)(void))array_astype, METH_FASTCALL | METH_KEYWORDS,
     "astype(dtype, *, copy=True): the elements in another type."},
    {"copy", array_copy, METH_VARARGS, "A copy in C order."},
    {"fill", array_fill, METH_O, "Set every element."},
    {"to_device", (PyCFunction)(void (*)(void))array_to_device, METH_FASTCALL | METH_KEYWORDS,
     "to_device('cpu'): the array itself."},
    {"__array_namespace__", (PyCFunction)(void (*)(void))array_namespace,
     METH_FASTCALL | METH_KEYWORDS, NULL},
    {"__dlpack__", (PyCFunction)(void (*)(void))np_dlpack, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"__dlpack_device__", np_dlpack_device, METH_NOARGS, NULL},
    {"__copy__", array_copy, METH_VARARGS, NULL},
    {"__deepcopy__", array_deepcopy, METH_O, NULL},
    {"__reduce__", array_reduce, METH_NOARGS, NULL},
    {"_rebuild", array_rebuild, METH_VARARGS | METH_CLASS, "What pickle calls."},
    {NULL, NULL, 0, NULL},
};

/* ---- The type ----------------------------------------------------------- */

static PyType_Slot own_slots[] = {
    {Py_tp_dealloc, array_dealloc},
    {Py_tp_repr, array_repr},
    {Py_tp_str, array_str},
    {Py_tp_iter, array_iterate},
    {Py_tp_richcompare, np_compare},
    {Py_tp_getset, np_properties},
    {Py_mp_length, array_length},
    {Py_mp_subscript, np_subscript},
    {Py_mp_ass_subscript, np_assign_subscript},
    {Py_sq_length, array_length},
    {Py_sq_item, np_sequence_item},
    {Py_sq_contains, array_contains},
    {Py_bf_getbuffer, np_buffer_get},
    {Py_bf_releasebuffer, np_buffer_release},
    {Py_tp_doc, "An n-dimensional array. np.array, np.zeros and others make them."},
    {0, NULL},
};

/* One table of methods out of those that several files have. The interpreter reads it as long as
** the type lives, which is as long as the module does: it is never freed. */
static PyMethodDef *gather_methods(void) {
  PyMethodDef *const tables[] = {own_methods,       np_element_methods, np_memory_methods,
                                 np_reduce_methods, np_shape_methods,   np_forwarded_methods};
  size_t count = 1;
  for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
    for (PyMethodDef *m = tables[t]; m->ml_name != NULL; m++) count++;
  PyMethodDef *all = PyMem_RawCalloc(count, sizeof *all);
  if (all == NULL) return NULL;
  count = 0;
  for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
    for (PyMethodDef *m = tables[t]; m->ml_name != NULL; m++) all[count++] = *m;
  return all;
}

int np_array_setup(PyObject *module, np_state *state) {
  PyType_Slot slots[100];
  size_t count = 0;
  PyMethodDef *methods = gather_methods();
  if (methods == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  slots[count++] = (PyType_Slot){Py_tp_methods, methods};
  for (const PyType_Slot *s = own_slots; s->slot != 0; s++) slots[count++] = *s;
  for (const PyType_Slot *s = np_number_slots; s->slot != 0; s++) slots[count++] = *s;
  for (const PyType_Slot *s = np_element_slots; s->slot != 0; s++) slots[count++] = *s;
  slots[count] = (PyType_Slot){0, NULL};
  PyType_Spec spec = {.name = "polyvm.np.ndarray",
                      .basicsize = offsetof(np_array, array.dim),
                      .itemsize = sizeof(pvt_dim),
                      .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
                               Py_TPFLAGS_DISALLOW_INSTANTIATION,
                      .slots = slots};
  state->array_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
  if (state->array_type == NULL) return -1;
  return PyModule_AddObjectRef(module, "ndarray", (PyObject *)state->array_type);
}

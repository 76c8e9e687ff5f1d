/* dtype.c - np.float32 and its like: one object for each element type. */
#include <string.h>

#include "binding.h"

static void dtype_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

bool np_dtype_check(PyObject *object) {
  return Py_TYPE(object)->tp_dealloc == dtype_dealloc;
}

PyObject *np_dtype_object(np_state *state, pvt_dtype dtype) {
  return Py_NewRef(state->dtypes[dtype]);
}

static pvt_dtype dtype_of(PyObject *self) {
  return ((np_dtype *)self)->dtype;
}

/* Kind and size, as in NumPy's array interface; bfloat16 has no such code. */
static const char kinds[] = {'b', 'i', 'u', 'f', 'c'};

static const struct {
  const char *name;
  pvt_dtype dtype;
} aliases[] = {
    {"?", PVT_BOOL},         {"b", PVT_INT8},
    {"h", PVT_INT16},        {"i", PVT_INT32},
    {"l", PVT_INT64},        {"q", PVT_INT64},
    {"B", PVT_UINT8},        {"H", PVT_UINT16},
    {"I", PVT_UINT32},       {"L", PVT_UINT64},
    {"Q", PVT_UINT64},       {"e", PVT_FLOAT16},
    {"f", PVT_FLOAT32},      {"d", PVT_FLOAT64},
    {"F", PVT_COMPLEX64},    {"D", PVT_COMPLEX128},
    {"b1", PVT_BOOL},        {"i1", PVT_INT8},
    {"i2", PVT_INT16},       {"i4", PVT_INT32},
    {"i8", PVT_INT64},       {"u1", PVT_UINT8},
    {"u2", PVT_UINT16},      {"u4", PVT_UINT32},
    {"u8", PVT_UINT64},      {"f2", PVT_FLOAT16},
    {"f4", PVT_FLOAT32},     {"f8", PVT_FLOAT64},
    {"c8", PVT_COMPLEX64},   {"c16", PVT_COMPLEX128},
    {"int", PVT_INT64},      {"uint", PVT_UINT64},
    {"float", PVT_FLOAT64},  {"complex", PVT_COMPLEX128},
    {"half", PVT_FLOAT16},   {"single", PVT_FLOAT32},
    {"double", PVT_FLOAT64}, {"bool_", PVT_BOOL},
};

static int by_name(const char *name) {
  for (int i = 0; i < PVT_DTYPES; i++)
    if (strcmp(name, pvt_dtype_name(i)) == 0) return i;
  if (*name == '<' || *name == '=' || *name == '|') name++;
  for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
    if (strcmp(name, aliases[i].name) == 0) return (int)aliases[i].dtype;
  return -1;
}

int np_dtype_parse(np_state *state, PyObject *object, int fallback) {
  (void)state;
  if (object == NULL || object == Py_None) return fallback;
  if (np_dtype_check(object)) return (int)dtype_of(object);
  if (object == (PyObject *)&PyBool_Type) return PVT_BOOL;
  if (object == (PyObject *)&PyLong_Type) return PVT_INT64;
  if (object == (PyObject *)&PyFloat_Type) return PVT_FLOAT64;
  if (object == (PyObject *)&PyComplex_Type) return PVT_COMPLEX128;
  if (PyUnicode_Check(object)) {
    const char *name = PyUnicode_AsUTF8(object);
    if (name == NULL) return -1;
    int dtype = by_name(name);
    if (dtype < 0) PyErr_Format(PyExc_TypeError, "data type %R not understood", object);
    return dtype;
  }
  /* a foreign dtype, such as NumPy's, says its name */
  PyObject *name = NULL;
  if (PyType_Check(object)) {
    PyObject *own = PyObject_GetAttrString(object, "__name__");
    name = own;
  } else {
    name = PyObject_GetAttrString(object, "name");
  }
  int dtype = -1;
  if (name != NULL && PyUnicode_Check(name)) {
    const char *text = PyUnicode_AsUTF8(name);
    if (text != NULL) dtype = by_name(text);
  }
  Py_XDECREF(name);
  PyErr_Clear();
  if (dtype < 0) PyErr_Format(PyExc_TypeError, "Cannot interpret %R as a data type", object);
  return dtype;
}

static PyObject *dtype_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  static char *names[] = {"dtype", NULL};
  PyObject *object;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O:dtype", names, &object)) return NULL;
  np_state *state = PyType_GetModuleState(type);
  int dtype = np_dtype_parse(state, object, PVT_FLOAT64);
  return dtype < 0 ? NULL : np_dtype_object(state, (pvt_dtype)dtype);
}

static PyObject *dtype_call(PyObject *self, PyObject *args, PyObject *keywords) {
  PyObject *value = NULL;
  if (keywords != NULL && PyDict_GET_SIZE(keywords) > 0) {
    PyErr_SetString(PyExc_TypeError, "a data type takes no keyword arguments");
    return NULL;
  }
  if (!PyArg_ParseTuple(args, "|O", &value)) return NULL;
  np_state *state = np_state_of_object(self);
  PyObject *zero = value == NULL ? PyLong_FromLong(0) : NULL;
  PyObject *made = np_from_object(state, value != NULL ? value : zero, (int)dtype_of(self), 1);
  Py_XDECREF(zero);
  return np_scalar(made);
}

static PyObject *dtype_repr(PyObject *self) {
  return PyUnicode_FromFormat("dtype('%s')", pvt_dtype_name((int)dtype_of(self)));
}

static PyObject *dtype_str(PyObject *self) {
  return PyUnicode_FromString(pvt_dtype_name((int)dtype_of(self)));
}

static Py_hash_t dtype_hash(PyObject *self) {
  return 7919 + (Py_hash_t)dtype_of(self);
}

static PyObject *dtype_compare(PyObject *self, PyObject *other, int op) {
  if (op != Py_EQ && op != Py_NE) Py_RETURN_NOTIMPLEMENTED;
  bool same;
  if (np_dtype_check(other)) {
    same = dtype_of(self) == dtype_of(other);
  } else if (PyUnicode_Check(other) || PyType_Check(other)) {
    int dtype = np_dtype_parse(NULL, other, -1);
    if (dtype < 0) PyErr_Clear();
    same = dtype == (int)dtype_of(self);
  } else {
    Py_RETURN_NOTIMPLEMENTED;
  }
  return PyBool_FromLong(same == (op == Py_EQ));
}

static PyObject *get_name(PyObject *self, void *closure) {
  (void)closure;
  return dtype_str(self);
}

static PyObject *get_itemsize(PyObject *self, void *closure) {
  (void)closure;
  return PyLong_FromSize_t(pvt_itemsize(dtype_of(self)));
}

static PyObject *get_kind(PyObject *self, void *closure) {
  (void)closure;
  char kind = kinds[pvt_dtype_kind(dtype_of(self))];
  return PyUnicode_FromStringAndSize(&kind, 1);
}

static PyObject *get_code(PyObject *self, void *closure) {
  (void)closure;
  pvt_dtype dtype = dtype_of(self);
  size_t size = pvt_itemsize(dtype);
  return PyUnicode_FromFormat("%c%c%zu", size == 1 ? '|' : '<', kinds[pvt_dtype_kind(dtype)], size);
}

static PyObject *get_type(PyObject *self, void *closure) {
  (void)closure;
  return Py_NewRef(self);
}

static PyObject *dtype_reduce(PyObject *self, PyObject *unused) {
  (void)unused;
  return Py_BuildValue("O(s)", Py_TYPE(self), pvt_dtype_name((int)dtype_of(self)));
}

static PyGetSetDef properties[] = {
    {"name", get_name, NULL, "Its name, such as 'float32'.", NULL},
    {"__name__", get_name, NULL, NULL, NULL},
    {"itemsize", get_itemsize, NULL, "Bytes of an element.", NULL},
    {"kind", get_kind, NULL, "'b', 'i', 'u', 'f' or 'c'.", NULL},
    {"str", get_code, NULL, "NumPy's code, such as '<f4'.", NULL},
    {"type", get_type, NULL, "The dtype itself: it makes scalars when called.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef methods[] = {
    {"__reduce__", dtype_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, dtype_new},
    {Py_tp_dealloc, dtype_dealloc},
    {Py_tp_call, dtype_call},
    {Py_tp_repr, dtype_repr},
    {Py_tp_str, dtype_str},
    {Py_tp_hash, dtype_hash},
    {Py_tp_richcompare, dtype_compare},
    {Py_tp_getset, properties},
    {Py_tp_methods, methods},
    {Py_tp_doc, "dtype(object)\n--\n\nThe type of an array's elements. Called, it makes a scalar."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "polyvm.np.dtype",
    .basicsize = sizeof(np_dtype),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

/* ---- Rules -------------------------------------------------------------- */

static PyObject *promote(PyObject *module, PyObject *args) {
  PyObject *a, *b;
  if (!PyArg_ParseTuple(args, "OO:_promote", &a, &b)) return NULL;
  np_state *state = np_state_of(module);
  int first = np_dtype_parse(state, a, PVT_FLOAT64), second = np_dtype_parse(state, b, PVT_FLOAT64);
  if (first < 0 || second < 0) return NULL;
  return np_dtype_object(state, pvt_promote((pvt_dtype)first, (pvt_dtype)second));
}

/* 1 or 0 by one of NumPy's rules; -1 with ValueError for another. */
static int by_rule(pvt_dtype from, pvt_dtype to, const char *rule) {
  if (strcmp(rule, "no") == 0 || strcmp(rule, "equiv") == 0) return from == to;
  if (strcmp(rule, "safe") == 0) return pvt_can_cast(from, to, PVT_CAST_SAFE);
  if (strcmp(rule, "same_kind") == 0) return pvt_can_cast(from, to, PVT_CAST_SAME_KIND);
  if (strcmp(rule, "unsafe") == 0) return true;
  PyErr_Format(PyExc_ValueError,
               "casting must be one of 'no', 'equiv', 'safe', 'same_kind', or 'unsafe' (got '%s')",
               rule);
  return -1;
}

static PyObject *can_cast(PyObject *module, PyObject *args) {
  PyObject *a, *b;
  const char *rule;
  if (!PyArg_ParseTuple(args, "OOs:_can_cast", &a, &b, &rule)) return NULL;
  np_state *state = np_state_of(module);
  int from = np_dtype_parse(state, a, PVT_FLOAT64), to = np_dtype_parse(state, b, PVT_FLOAT64);
  if (from < 0 || to < 0) return NULL;
  int may = by_rule((pvt_dtype)from, (pvt_dtype)to, rule);
  return may < 0 ? NULL : PyBool_FromLong(may);
}

bool np_may_cast(int from, int to, PyObject *rule) {
  const char *text = PyUnicode_Check(rule) ? PyUnicode_AsUTF8(rule) : "";
  int may = text != NULL ? by_rule((pvt_dtype)from, (pvt_dtype)to, text) : -1;
  if (may == 0)
    PyErr_Format(
        PyExc_TypeError,
        "Cannot cast array data from dtype('%s') to dtype('%s') according to the rule '%s'",
        pvt_dtype_name(from), pvt_dtype_name(to), text);
  return may > 0;
}

PyMethodDef np_dtype_functions[] = {
    {"_promote", promote, METH_VARARGS, "_promote(a, b): the type that both fit in."},
    {"_can_cast", can_cast, METH_VARARGS, "_can_cast(from, to, casting)"},
    {NULL, NULL, 0, NULL},
};

int np_dtype_setup(PyObject *module, np_state *state) {
  state->dtype_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
  if (state->dtype_type == NULL) return -1;
  for (int i = 0; i < PVT_DTYPES; i++) {
    np_dtype *dtype = PyObject_New(np_dtype, state->dtype_type);
    if (dtype == NULL) return -1;
    dtype->dtype = (pvt_dtype)i;
    state->dtypes[i] = (PyObject *)dtype;
    if (PyModule_AddObjectRef(module, pvt_dtype_name(i), state->dtypes[i]) < 0) return -1;
  }
  return PyModule_AddObjectRef(module, "dtype", (PyObject *)state->dtype_type);
}

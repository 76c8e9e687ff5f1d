/* convert.c - between Python's numbers and nested sequences, and arrays. */
#include <string.h>

#include "binding.h"

/* ---- Half precision, one number at a time ------------------------------- */

static double get_as_double(const char *data, pvt_dtype dtype) {
  pvt_array from, to;
  double value;
  pvt_array_over(&from, (void *)(uintptr_t)data, dtype, 0, NULL);
  pvt_array_over(&to, &value, PVT_FLOAT64, 0, NULL);
  pvt_copy(&from, &to);
  return value;
}

static void set_from_double(double value, pvt_dtype dtype, char *data) {
  pvt_array from, to;
  pvt_array_over(&from, &value, PVT_FLOAT64, 0, NULL);
  pvt_array_over(&to, data, dtype, 0, NULL);
  pvt_copy(&from, &to);
}

/* ---- One element -------------------------------------------------------- */

#define GET(type)                                                                                  \
  ({                                                                                               \
    type value_;                                                                                   \
    memcpy(&value_, data, sizeof value_);                                                          \
    value_;                                                                                        \
  })

PyObject *np_item(const char *data, pvt_dtype dtype) {
  switch (dtype) {
  case PVT_BOOL: return PyBool_FromLong(*data != 0);
  case PVT_INT8: return PyLong_FromLong(GET(int8_t));
  case PVT_INT16: return PyLong_FromLong(GET(int16_t));
  case PVT_INT32: return PyLong_FromLong(GET(int32_t));
  case PVT_INT64: return PyLong_FromLongLong(GET(int64_t));
  case PVT_UINT8: return PyLong_FromLong(GET(uint8_t));
  case PVT_UINT16: return PyLong_FromLong(GET(uint16_t));
  case PVT_UINT32: return PyLong_FromUnsignedLong(GET(uint32_t));
  case PVT_UINT64: return PyLong_FromUnsignedLongLong(GET(uint64_t));
  case PVT_FLOAT16:
  case PVT_BFLOAT16: return PyFloat_FromDouble(get_as_double(data, dtype));
  case PVT_FLOAT32: return PyFloat_FromDouble(GET(float));
  case PVT_FLOAT64: return PyFloat_FromDouble(GET(double));
  case PVT_COMPLEX64: {
    float parts[2];
    memcpy(parts, data, sizeof parts);
    return PyComplex_FromDoubles(parts[0], parts[1]);
  }
  case PVT_COMPLEX128: {
    double parts[2];
    memcpy(parts, data, sizeof parts);
    return PyComplex_FromDoubles(parts[0], parts[1]);
  }
  }
  Py_UNREACHABLE();
}

static int out_of_bounds(PyObject *number, pvt_dtype dtype) {
  PyErr_Format(PyExc_OverflowError, "Python integer %R out of bounds for %s", number,
               pvt_dtype_name(dtype));
  return -1;
}

static int store_integer(PyObject *number, pvt_dtype dtype, char *data) {
  static const struct {
    int64_t low;
    uint64_t high;
  } ranges[] = {[PVT_INT8] = {INT8_MIN, INT8_MAX},    [PVT_INT16] = {INT16_MIN, INT16_MAX},
                [PVT_INT32] = {INT32_MIN, INT32_MAX}, [PVT_INT64] = {INT64_MIN, INT64_MAX},
                [PVT_UINT8] = {0, UINT8_MAX},         [PVT_UINT16] = {0, UINT16_MAX},
                [PVT_UINT32] = {0, UINT32_MAX},       [PVT_UINT64] = {0, UINT64_MAX}};
  int overflow;
  int64_t value = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (value == -1 && overflow == 0 && PyErr_Occurred()) return -1;
  uint64_t bits = (uint64_t)value;
  if (overflow > 0 && dtype == PVT_UINT64) {
    bits = PyLong_AsUnsignedLongLong(number);
    if (bits == UINT64_MAX && PyErr_Occurred()) {
      PyErr_Clear();
      return out_of_bounds(number, dtype);
    }
  } else if (overflow != 0 || value < ranges[dtype].low ||
             (value >= 0 && bits > ranges[dtype].high)) {
    return out_of_bounds(number, dtype);
  }
  memcpy(data, &bits, pvt_itemsize(dtype)); /* little-endian: the low bytes come first */
  return 0;
}

static int store_float(double value, pvt_dtype dtype, char *data) {
  if (dtype == PVT_FLOAT64) {
    memcpy(data, &value, sizeof value);
  } else if (dtype == PVT_FLOAT32) {
    float narrow = (float)value;
    memcpy(data, &narrow, sizeof narrow);
  } else {
    set_from_double(value, dtype, data);
  }
  return 0;
}

static int store_complex(Py_complex value, pvt_dtype dtype, char *data) {
  if (dtype == PVT_COMPLEX128) {
    double parts[2] = {value.real, value.imag};
    memcpy(data, parts, sizeof parts);
  } else {
    float parts[2] = {(float)value.real, (float)value.imag};
    memcpy(data, parts, sizeof parts);
  }
  return 0;
}

int np_store(np_state *state, PyObject *object, pvt_dtype dtype, char *data) {
  if (np_array_check(object)) {
    if (np_get(object)->ndim != 0) {
      PyErr_SetString(PyExc_ValueError, "setting an array element with a sequence.");
      return -1;
    }
    pvt_array to;
    pvt_array_over(&to, data, dtype, 0, NULL);
    int status = pvt_copy(np_get(object), &to);
    return status == PVT_OK ? 0 : (np_raise(state, status), -1);
  }
  switch (pvt_dtype_kind(dtype)) {
  case PVT_KIND_BOOL: {
    int truth = PyObject_IsTrue(object);
    if (truth >= 0) *data = (char)truth;
    return truth < 0 ? -1 : 0;
  }
  case PVT_KIND_INT:
  case PVT_KIND_UINT: {
    PyObject *number;
    if (PyLong_Check(object)) number = Py_NewRef(object);
    else if (PyComplex_Check(object)) {
      PyErr_SetString(PyExc_TypeError,
                      "int() argument must be a string, a bytes-like object or a real number, not "
                      "'complex'");
      return -1;
    } else number = PyNumber_Long(object);
    if (number == NULL) return -1;
    int result = store_integer(number, dtype, data);
    Py_DECREF(number);
    return result;
  }
  case PVT_KIND_FLOAT: {
    double value = PyFloat_AsDouble(object);
    if (value == -1.0 && PyErr_Occurred()) return -1;
    return store_float(value, dtype, data);
  }
  case PVT_KIND_COMPLEX: {
    Py_complex value = PyComplex_AsCComplex(object);
    if (value.real == -1.0 && PyErr_Occurred()) return -1;
    return store_complex(value, dtype, data);
  }
  }
  Py_UNREACHABLE();
}

/* ---- Python numbers beside arrays --------------------------------------- */

static pvt_dtype integer_type(PyObject *number) {
  int overflow;
  PyLong_AsLongLongAndOverflow(number, &overflow);
  return overflow > 0 ? PVT_UINT64 : PVT_INT64;
}

int np_from_scalar(PyObject *object, int beside, pvt_array *array, void *room) {
  pvt_dtype dtype;
  pvt_kind kind = beside < 0 ? PVT_KIND_BOOL : pvt_dtype_kind((pvt_dtype)beside);
  if (PyBool_Check(object)) {
    dtype = PVT_BOOL;
  } else if (PyLong_CheckExact(object)) {
    dtype = kind == PVT_KIND_BOOL ? integer_type(object) : (pvt_dtype)beside;
  } else if (PyFloat_Check(object)) {
    dtype = kind >= PVT_KIND_FLOAT ? (pvt_dtype)beside : PVT_FLOAT64;
  } else if (PyComplex_CheckExact(object)) {
    dtype = kind == PVT_KIND_COMPLEX ? (pvt_dtype)beside
            : beside == PVT_FLOAT32 || beside == PVT_FLOAT16 || beside == PVT_BFLOAT16
                ? PVT_COMPLEX64
                : PVT_COMPLEX128;
  } else if (PyLong_Check(object)) { /* IntEnum and its like */
    dtype = kind == PVT_KIND_BOOL ? integer_type(object) : (pvt_dtype)beside;
  } else {
    return 0;
  }
  if (np_store(NULL, object, dtype, room) < 0) return -1;
  pvt_array_over(array, room, dtype, 0, NULL);
  array->writable = false;
  return 1;
}

/* ---- Nested sequences --------------------------------------------------- */

typedef struct discovery {
  np_state *state;
  int dtype; /* of all elements so far; -1: none was seen */
  int ndim;  /* of the innermost so far; -1: not known */
  int64_t shape[PVT_MAX_DIMS];
} discovery;

static bool is_sequence(PyObject *object) {
  return PyList_Check(object) || PyTuple_Check(object) || PyRange_Check(object) ||
         (PySequence_Check(object) && !PyUnicode_Check(object) && !PyBytes_Check(object) &&
          !PyDict_Check(object) && !np_array_check(object));
}

static int ragged(const discovery *found, int depth) {
  char text[200] = "(";
  size_t at = 1;
  for (int i = 0; i < depth && at < 150; i++)
    at += (size_t)snprintf(text + at, sizeof text - at, i ? ", %lld" : "%lld",
                           (long long)found->shape[i]);
  snprintf(text + at, sizeof text - at, depth == 1 ? ",)" : ")");
  PyErr_Format(PyExc_ValueError,
               "setting an array element with a sequence. The requested array has an "
               "inhomogeneous shape after %d dimensions. The detected shape was %s + "
               "inhomogeneous part.",
               depth, text);
  return -1;
}

static void meet(discovery *found, pvt_dtype dtype) {
  found->dtype = found->dtype < 0 ? (int)dtype : (int)pvt_promote((pvt_dtype)found->dtype, dtype);
}

static int note_leaf(discovery *found, int depth) {
  if (found->ndim < 0) found->ndim = depth;
  return found->ndim == depth ? 0 : ragged(found, depth < found->ndim ? depth : found->ndim);
}

static int discover(discovery *found, PyObject *object, int depth) {
  if (PyFloat_CheckExact(object)) {
    meet(found, PVT_FLOAT64);
    return note_leaf(found, depth);
  }
  if (PyBool_Check(object)) {
    meet(found, PVT_BOOL);
    return note_leaf(found, depth);
  }
  if (PyLong_Check(object)) {
    meet(found, integer_type(object));
    return note_leaf(found, depth);
  }
  if (PyFloat_Check(object)) {
    meet(found, PVT_FLOAT64);
    return note_leaf(found, depth);
  }
  if (PyComplex_Check(object)) {
    meet(found, PVT_COMPLEX128);
    return note_leaf(found, depth);
  }
  if (np_array_check(object)) {
    const pvt_array *array = np_get(object);
    meet(found, (pvt_dtype)array->dtype);
    for (int i = 0; i < array->ndim; i++, depth++) {
      if (found->ndim >= 0 && depth >= found->ndim) return ragged(found, found->ndim);
      if (depth == PVT_MAX_DIMS) break;
      if (found->shape[depth] < 0) found->shape[depth] = array->dim[i].size;
      else if (found->shape[depth] != array->dim[i].size) return ragged(found, depth);
    }
    return note_leaf(found, depth);
  }
  if (!is_sequence(object)) {
    if (PyIndex_Check(object)) {
      meet(found, PVT_INT64);
      return note_leaf(found, depth);
    }
    if (Py_TYPE(object)->tp_as_number != NULL && Py_TYPE(object)->tp_as_number->nb_float != NULL) {
      meet(found, PVT_FLOAT64);
      return note_leaf(found, depth);
    }
    PyErr_Format(PyExc_TypeError,
                 "an array holds numbers and booleans: '%.100s' object cannot be an element",
                 Py_TYPE(object)->tp_name);
    return -1;
  }
  if (depth == PVT_MAX_DIMS) {
    PyErr_Format(PyExc_ValueError, "a sequence is nested more than %d deep", PVT_MAX_DIMS);
    return -1;
  }
  PyObject *items = PySequence_Fast(object, "not a sequence");
  if (items == NULL) return -1;
  Py_ssize_t count = PySequence_Fast_GET_SIZE(items);
  int status = 0;
  if (found->ndim >= 0 && depth >= found->ndim) status = ragged(found, found->ndim);
  else if (found->shape[depth] < 0) found->shape[depth] = count;
  else if (found->shape[depth] != count) status = ragged(found, depth);
  if (count == 0 && status == 0 && found->ndim < 0) found->ndim = depth + 1;
  for (Py_ssize_t i = 0; status == 0 && i < PySequence_Fast_GET_SIZE(items); i++)
    status = discover(found, PySequence_Fast_GET_ITEM(items, i), depth + 1);
  Py_DECREF(items);
  return status;
}

/* Store the elements; the sequences are walked anew and may have changed in between. */
static int store_all(np_state *state, PyObject *object, pvt_array *to, int depth, char *data) {
  if (depth == to->ndim) return np_store(state, object, (pvt_dtype)to->dtype, data);
  if (np_array_check(object)) {
    pvt_array part;
    pvt_array_over(&part, data, (pvt_dtype)to->dtype, 0, NULL);
    part.ndim = (uint8_t)(to->ndim - depth);
    memcpy(part.dim, to->dim + depth, part.ndim * sizeof(pvt_dim));
    int status = pvt_copy(np_get(object), &part);
    return status == PVT_OK ? 0 : (np_raise(state, status), -1);
  }
  PyObject *items = PySequence_Fast(object, "not a sequence");
  if (items == NULL) return -1;
  int status = 0;
  if (PySequence_Fast_GET_SIZE(items) != to->dim[depth].size) {
    PyErr_SetString(PyExc_ValueError, "a sequence changed its size while it was read");
    status = -1;
  }
  for (Py_ssize_t i = 0; status == 0 && i < to->dim[depth].size; i++) {
    if (i >= PySequence_Fast_GET_SIZE(items)) {
      PyErr_SetString(PyExc_ValueError, "a sequence changed its size while it was read");
      status = -1;
      break;
    }
    PyObject *item = Py_NewRef(PySequence_Fast_GET_ITEM(items, i));
    if (depth + 1 == to->ndim && to->dtype == PVT_FLOAT64 && PyFloat_CheckExact(item)) {
      double value = PyFloat_AS_DOUBLE(item);
      memcpy(data, &value, sizeof value);
    } else {
      status = store_all(state, item, to, depth + 1, data);
    }
    Py_DECREF(item);
    data += to->dim[depth].stride;
  }
  Py_DECREF(items);
  return status;
}

static PyObject *from_sequence(np_state *state, PyObject *object, int dtype) {
  discovery found = {.state = state, .dtype = -1, .ndim = -1};
  for (int i = 0; i < PVT_MAX_DIMS; i++) found.shape[i] = -1;
  if (discover(&found, object, 0) < 0) return NULL;
  if (dtype < 0) dtype = found.dtype < 0 ? PVT_FLOAT64 : found.dtype;
  PyObject *made = np_new(state, (pvt_dtype)dtype, found.ndim, found.shape);
  if (made == NULL || pvt_array_count(np_get(made)) == 0) return made;
  if (store_all(state, object, np_get(made), 0, np_get(made)->data) < 0) Py_CLEAR(made);
  return made;
}

/* ---- Any object --------------------------------------------------------- */

PyObject *np_astype(np_state *state, PyObject *object, pvt_dtype dtype, bool copy) {
  const pvt_array *array = np_get(object);
  if (!copy && array->dtype == (uint8_t)dtype) return Py_NewRef(object);
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < array->ndim; i++) shape[i] = array->dim[i].size;
  PyObject *made = np_new(state, dtype, array->ndim, shape);
  if (made == NULL) return NULL;
  int status = pvt_copy(array, np_get(made));
  if (status == PVT_OK) return made;
  Py_DECREF(made);
  return np_raise(state, status);
}

static PyObject *never_without_copy(void) {
  PyErr_SetString(PyExc_ValueError,
                  "Unable to avoid copy while creating an array as requested. If using "
                  "`np.array(obj, copy=False)` replace it with `np.asarray(obj)`.");
  return NULL;
}

static PyObject *as_wanted(np_state *state, PyObject *array, int dtype, int copy) {
  bool other = dtype >= 0 && np_get(array)->dtype != (uint8_t)dtype;
  if (!other && copy != 1) return Py_NewRef(array);
  if (copy == 0) return never_without_copy();
  return np_astype(state, array, other ? (pvt_dtype)dtype : (pvt_dtype)np_get(array)->dtype, true);
}

PyObject *np_from_object(np_state *state, PyObject *object, int dtype, int copy) {
  if (np_array_check(object)) return as_wanted(state, object, dtype, copy);
  if (PyUnicode_Check(object) || PyBytes_Check(object)) {
    PyErr_Format(PyExc_TypeError, "an array holds numbers and booleans, not '%.100s'%s",
                 Py_TYPE(object)->tp_name,
                 PyBytes_Check(object) ? ": np.frombuffer reads bytes" : "");
    return NULL;
  }
  if (PyObject_CheckBuffer(object)) {
    PyObject *view = np_from_buffer(state, object);
    if (view == NULL) return NULL;
    PyObject *result = as_wanted(state, view, dtype, copy);
    Py_DECREF(view);
    return result;
  }
  if (copy == 0) return never_without_copy();
  return from_sequence(state, object, dtype);
}

/* ---- To lists ----------------------------------------------------------- */

static PyObject *list_of(const pvt_array *array, int depth, const char *data) {
  if (depth == array->ndim) return np_item(data, (pvt_dtype)array->dtype);
  int64_t size = array->dim[depth].size;
  PyObject *list = PyList_New(size);
  for (int64_t i = 0; list != NULL && i < size; i++, data += array->dim[depth].stride) {
    PyObject *item = list_of(array, depth + 1, data);
    if (item == NULL) Py_CLEAR(list);
    else PyList_SET_ITEM(list, i, item);
  }
  return list;
}

PyObject *np_to_list(const pvt_array *array) {
  return list_of(array, 0, array->data);
}

/* create.c - making arrays: from objects, of a shape, from ranges and from bytes. */
#include <math.h>
#include <string.h>

#include "binding.h"

static int check_device(PyObject *device) {
  if (device == NULL || device == Py_None ||
      (PyUnicode_Check(device) && PyUnicode_CompareWithASCIIString(device, "cpu") == 0))
    return 0;
  PyErr_Format(PyExc_ValueError, "Unsupported device %R: there is only 'cpu'", device);
  return -1;
}

/* copy=None or absent: if needed; otherwise a truth. -2 with an exception. */
static int parse_copy(PyObject *object, int fallback) {
  if (object == NULL) return fallback;
  if (object == Py_None) return -1;
  int truth = PyObject_IsTrue(object);
  return truth < 0 ? -2 : truth;
}

static PyObject *array(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"object", "dtype", "copy", "order", "ndmin", NULL};
  PyObject *values[5];
  if (np_arguments("array", args, n, names, parameters, 2, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  int dtype = np_dtype_parse(state, values[1], -1), copy = parse_copy(values[2], 1);
  if ((dtype < 0 && PyErr_Occurred()) || copy == -2) return NULL;
  PyObject *made = np_from_object(state, values[0], dtype, copy);
  if (made == NULL || values[4] == NULL) return made;
  Py_ssize_t least = PyNumber_AsSsize_t(values[4], PyExc_ValueError);
  if (least == -1 && PyErr_Occurred()) {
    Py_DECREF(made);
    return NULL;
  }
  pvt_array view;
  pvt_array_view(&view, np_get(made));
  int status = PVT_OK;
  while (status == PVT_OK && view.ndim < least) status = pvt_view_insert(&view, 0);
  Py_DECREF(made);
  if (status == PVT_OK) return np_wrap(state, &view);
  pvt_array_release(&view);
  return np_raise(state, status);
}

static PyObject *asarray(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"obj", "dtype", "order", "device", "copy", NULL};
  PyObject *values[5];
  if (np_arguments("asarray", args, n, names, parameters, 3, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  int dtype = np_dtype_parse(state, values[1], -1), copy = parse_copy(values[4], -1);
  if ((dtype < 0 && PyErr_Occurred()) || copy == -2 || check_device(values[3]) < 0) return NULL;
  return np_from_object(state, values[0], dtype, copy);
}

/* A value in every element; its type is the array's unless one is given. */
static PyObject *filled(np_state *state, int ndim, const int64_t *shape, int dtype,
                        PyObject *value) {
  PyObject *source =
      np_array_check(value) ? Py_NewRef(value) : np_from_object(state, value, dtype, -1);
  if (source == NULL) return NULL;
  if (dtype < 0) dtype = np_get(source)->dtype;
  PyObject *made = np_new(state, (pvt_dtype)dtype, ndim, shape);
  if (made != NULL) {
    int status = pvt_copy(np_get(source), np_get(made));
    if (status != PVT_OK) {
      Py_CLEAR(made);
      np_raise(state, status);
    }
  }
  Py_DECREF(source);
  return made;
}

enum { EMPTY, ZEROS, ONES };

static PyObject *plain(np_state *state, int what, int dtype, int ndim, const int64_t *shape) {
  pvt_array made;
  int status = what == ZEROS ? pvt_array_zeros(&made, (pvt_dtype)dtype, ndim, shape)
                             : pvt_array_new(&made, (pvt_dtype)dtype, ndim, shape);
  if (status == PVT_OK && what == ONES) {
    _Alignas(16) char one[16];
    PyObject *number = PyLong_FromLong(1);
    if (number == NULL || np_store(state, number, (pvt_dtype)dtype, one) < 0) {
      Py_XDECREF(number);
      pvt_array_release(&made);
      return NULL;
    }
    Py_DECREF(number);
    status = pvt_fill(&made, one);
    if (status != PVT_OK) pvt_array_release(&made);
  }
  return status != PVT_OK ? np_raise(state, status) : np_wrap(state, &made);
}

static PyObject *of_shape(PyObject *module, const char *name, int what, PyObject *const *args,
                          Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"shape", "dtype", "order", "device", NULL};
  PyObject *values[4];
  if (np_arguments(name, args, n, names, parameters, 3, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  int ndim, dtype = np_dtype_parse(state, values[1], PVT_FLOAT64);
  int64_t shape[PVT_MAX_DIMS];
  if (dtype < 0 || check_device(values[3]) < 0 || np_parse_shape(values[0], &ndim, shape) < 0)
    return NULL;
  return plain(state, what, dtype, ndim, shape);
}

static PyObject *like(PyObject *module, const char *name, int what, PyObject *const *args,
                      Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"x", "dtype", "order", "subok", "shape", "device", NULL};
  PyObject *values[6];
  if (np_arguments(name, args, n, names, parameters, 5, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  PyObject *x = np_from_object(state, values[0], -1, -1), *made = NULL;
  if (x == NULL) return NULL;
  int ndim = np_get(x)->ndim, dtype = np_dtype_parse(state, values[1], np_get(x)->dtype);
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < ndim; i++) shape[i] = np_get(x)->dim[i].size;
  bool given = values[4] != NULL && values[4] != Py_None;
  if (dtype >= 0 && check_device(values[5]) == 0 &&
      (!given || np_parse_shape(values[4], &ndim, shape) == 0))
    made = plain(state, what, dtype, ndim, shape);
  Py_DECREF(x);
  return made;
}

#define MAKER(name, what)                                                                          \
  static PyObject *name(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {  \
    return of_shape(module, #name, what, args, n, names);                                          \
  }                                                                                                \
  static PyObject *name##_like(PyObject *module, PyObject *const *args, Py_ssize_t n,              \
                               PyObject *names) {                                                  \
    return like(module, #name "_like", what, args, n, names);                                      \
  }

MAKER(empty, EMPTY)
MAKER(zeros, ZEROS)
MAKER(ones, ONES)

static PyObject *full(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"shape", "fill_value", "dtype", "order", "device", NULL};
  PyObject *values[5];
  if (np_arguments("full", args, n, names, parameters, 4, 2, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  int ndim, dtype = np_dtype_parse(state, values[2], -1);
  int64_t shape[PVT_MAX_DIMS];
  if ((dtype < 0 && PyErr_Occurred()) || check_device(values[4]) < 0 ||
      np_parse_shape(values[0], &ndim, shape) < 0)
    return NULL;
  return filled(state, ndim, shape, dtype, values[1]);
}

static PyObject *full_like(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"x",     "fill_value", "dtype",  "order",
                                           "subok", "shape",      "device", NULL};
  PyObject *values[7];
  if (np_arguments("full_like", args, n, names, parameters, 6, 2, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  PyObject *x = np_from_object(state, values[0], -1, -1), *made = NULL;
  if (x == NULL) return NULL;
  int ndim = np_get(x)->ndim, dtype = np_dtype_parse(state, values[2], np_get(x)->dtype);
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < ndim; i++) shape[i] = np_get(x)->dim[i].size;
  bool given = values[5] != NULL && values[5] != Py_None;
  if (dtype >= 0 && check_device(values[6]) == 0 &&
      (!given || np_parse_shape(values[5], &ndim, shape) == 0))
    made = filled(state, ndim, shape, dtype, values[1]);
  Py_DECREF(x);
  return made;
}

/* ---- Ranges ------------------------------------------------------------- */

static bool is_whole(PyObject *number) {
  return number == NULL || number == Py_None || PyLong_Check(number) ||
         (!PyFloat_Check(number) && PyIndex_Check(number));
}

static int as_int64(PyObject *number, int64_t fallback, int64_t *value) {
  *value = fallback;
  if (number == NULL || number == Py_None) return 0;
  *value = PyNumber_AsSsize_t(number, PyExc_OverflowError);
  return *value == -1 && PyErr_Occurred() ? -1 : 0;
}

static int as_double(PyObject *number, double fallback, double *value) {
  *value = fallback;
  if (number == NULL || number == Py_None) return 0;
  *value = PyFloat_AsDouble(number);
  return *value == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *arange(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"start", "stop", "step", "dtype", "device", NULL};
  PyObject *values[5];
  if (np_arguments("arange", args, n, names, parameters, 4, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  int dtype = np_dtype_parse(state, values[3], -1);
  if ((dtype < 0 && PyErr_Occurred()) || check_device(values[4]) < 0) return NULL;
  PyObject *start = values[0], *stop = values[1], *step = values[2];
  if (stop == NULL || stop == Py_None) {
    stop = start;
    start = NULL;
  }
  bool whole = is_whole(start) && is_whole(stop) && is_whole(step);
  int64_t from = 0, by = 1, to, count;
  double first = 0, each = 1, last;
  if (whole) {
    if (as_int64(start, 0, &from) < 0 || as_int64(stop, 0, &to) < 0 || as_int64(step, 1, &by) < 0)
      return NULL;
    first = (double)from;
    each = (double)by;
    if (by == 0) goto zero_step;
    __int128 span = by > 0 ? (__int128)to - from : (__int128)from - to;
    __int128 stride = by > 0 ? by : -(__int128)by;
    __int128 needed = span <= 0 ? 0 : (span + stride - 1) / stride;
    if (needed > INT64_MAX / 16) goto too_large;
    count = (int64_t)needed;
  } else {
    if (as_double(start, 0, &first) < 0 || as_double(stop, 0, &last) < 0 ||
        as_double(step, 1, &each) < 0)
      return NULL;
    if (each == 0) goto zero_step;
    double needed = ceil((last - first) / each);
    if (isnan(needed)) {
      PyErr_SetString(PyExc_ValueError, "arange: cannot compute length");
      return NULL;
    }
    if (needed > 1e18) goto too_large;
    count = needed < 0 ? 0 : (int64_t)needed;
  }
  if (dtype < 0) dtype = whole ? PVT_INT64 : PVT_FLOAT64;
  PyObject *made = np_new(state, (pvt_dtype)dtype, 1, &count);
  if (made == NULL) return NULL;
  bool integers = pvt_dtype_kind((pvt_dtype)dtype) <= PVT_KIND_UINT;
  int status;
  if (integers && !whole) {
    from = (int64_t)first;
    by = (int64_t)each;
  }
  status = integers ? pvt_arange_int(np_get(made), from, by)
                    : pvt_arange_float(np_get(made), first, each);
  if (status == PVT_OK) return made;
  Py_DECREF(made);
  return np_raise(state, status);
zero_step:
  PyErr_SetString(PyExc_ZeroDivisionError, "arange: step must not be 0");
  return NULL;
too_large:
  PyErr_SetString(PyExc_ValueError, "arange: Maximum allowed size exceeded");
  return NULL;
}

/* ---- From bytes --------------------------------------------------------- */

static PyObject *frombuffer(PyObject *module, PyObject *const *args, Py_ssize_t n,
                            PyObject *names) {
  static const char *const parameters[] = {"buffer", "dtype", "count", "offset", NULL};
  PyObject *values[4];
  if (np_arguments("frombuffer", args, n, names, parameters, 4, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  int dtype = np_dtype_parse(state, values[1], PVT_FLOAT64);
  int64_t count, offset;
  if (dtype < 0 || as_int64(values[2], -1, &count) < 0 || as_int64(values[3], 0, &offset) < 0)
    return NULL;
  PyObject *bytes = PyMemoryView_FromObject(values[0]);
  if (bytes == NULL) return NULL;
  PyObject *flat = PyObject_CallMethod(bytes, "cast", "s", "B");
  Py_DECREF(bytes);
  PyObject *view = flat != NULL ? np_from_buffer(state, flat) : NULL;
  Py_XDECREF(flat);
  if (view == NULL) return NULL;
  pvt_array *array = np_get(view);
  int64_t size = array->dim[0].size, itemsize = (int64_t)pvt_itemsize((pvt_dtype)dtype);
  const char *wrong = NULL;
  if (offset < 0 || offset > size)
    wrong = "offset must be non-negative and no greater than buffer length";
  else if (count < 0 && (size - offset) % itemsize != 0)
    wrong = "buffer size must be a multiple of element size";
  else if (count >= 0 && count > (size - offset) / itemsize)
    wrong = "buffer is smaller than requested size";
  if (wrong != NULL) {
    PyErr_SetString(PyExc_ValueError, wrong);
    Py_DECREF(view);
    return NULL;
  }
  array->data += offset;
  array->dtype = (uint8_t)dtype;
  array->dim[0] = (pvt_dim){count < 0 ? (size - offset) / itemsize : count, itemsize};
  return view;
}

#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS

PyMethodDef np_create_functions[] = {
    {"array", FAST(array), "array(object, dtype=None, *, copy=True, ndmin=0)"},
    {"asarray", FAST(asarray), "asarray(obj, dtype=None, *, device=None, copy=None)"},
    {"empty", FAST(empty),
     "empty($module, shape, dtype=None, order='C', *, device=None)\n--\n\nAn array that is not "
     "initialised."},
    {"zeros", FAST(zeros),
     "zeros($module, shape, dtype=None, order='C', *, device=None)\n--\n\nAn array of zeros."},
    {"ones", FAST(ones),
     "ones($module, shape, dtype=None, order='C', *, device=None)\n--\n\nAn array of ones."},
    {"full", FAST(full),
     "full($module, shape, fill_value, dtype=None, order='C', *, device=None)\n--\n\nAn array of "
     "one value."},
    {"empty_like", FAST(empty_like), "empty_like(x, dtype=None)"},
    {"zeros_like", FAST(zeros_like), "zeros_like(x, dtype=None)"},
    {"ones_like", FAST(ones_like), "ones_like(x, dtype=None)"},
    {"full_like", FAST(full_like), "full_like(x, fill_value, dtype=None)"},
    {"arange", FAST(arange),
     "arange($module, start, /, stop=None, step=1, dtype=None, *, device=None)\n--\n\nA range of "
     "numbers."},
    {"frombuffer", FAST(frombuffer), "frombuffer(buffer, dtype=float64, count=-1, offset=0)"},
    {"from_dlpack", FAST(np_from_dlpack), "from_dlpack(x, *, device=None, copy=None)"},
    {NULL, NULL, 0, NULL},
};

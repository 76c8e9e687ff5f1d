/* reduce.c - sums, extremes, means and running totals: functions, and methods of arrays. */
#include <math.h>

#include "binding.h"

/* ---- Axes --------------------------------------------------------------- */

int np_normalize_axis(np_state *state, Py_ssize_t axis, int ndim) {
  if (axis >= -ndim && axis < ndim) return (int)(axis < 0 ? axis + ndim : axis);
  PyErr_Format(state->axis_error, "axis %zd is out of bounds for array of dimension %d", axis,
               ndim);
  return -1;
}

int np_parse_axis(np_state *state, PyObject *object, int ndim) {
  Py_ssize_t axis = PyNumber_AsSsize_t(object, PyExc_ValueError);
  if (axis == -1 && PyErr_Occurred()) return -1;
  return np_normalize_axis(state, axis, ndim);
}

int np_parse_axes(np_state *state, PyObject *object, int ndim, uint32_t *axes) {
  *axes = 0;
  if (object == NULL || object == Py_None) {
    *axes = ndim == 32 ? UINT32_MAX : ((uint32_t)1 << ndim) - 1;
    return 0;
  }
  if (!PyTuple_Check(object) && !PyList_Check(object)) {
    int axis = np_parse_axis(state, object, ndim);
    if (axis < 0) return -1;
    *axes = (uint32_t)1 << axis;
    return 0;
  }
  PyObject *items = PySequence_Fast(object, "axes are integers");
  if (items == NULL) return -1;
  int status = 0;
  for (Py_ssize_t i = 0; status == 0 && i < PySequence_Fast_GET_SIZE(items); i++) {
    int axis = np_parse_axis(state, PySequence_Fast_GET_ITEM(items, i), ndim);
    if (axis < 0) {
      status = -1;
    } else if (*axes >> axis & 1) {
      PyErr_SetString(PyExc_ValueError, "duplicate value in 'axis'");
      status = -1;
    } else {
      *axes |= (uint32_t)1 << axis;
    }
  }
  Py_DECREF(items);
  return status;
}

/* ---- Reductions --------------------------------------------------------- */

/* Take the reduced dimensions, which have size 1, out of a description. */
static void squeeze(pvt_array *array, uint32_t axes) {
  for (int i = array->ndim - 1; i >= 0; i--)
    if (axes >> i & 1) pvt_view_remove(array, i);
}

/* A new array of x's shape with the reduced dimensions of size 1, or a view of `out` that has them.
 */
static int target_for(np_state *state, const pvt_array *x, uint32_t axes, pvt_dtype dtype,
                      bool keepdims, PyObject *out, pvt_array *target) {
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < x->ndim; i++) shape[i] = axes >> i & 1 ? 1 : x->dim[i].size;
  if (out == NULL) {
    int status = pvt_array_new(target, dtype, x->ndim, shape);
    if (status != PVT_OK) np_raise(state, status);
    return status == PVT_OK ? 0 : -1;
  }
  if (!np_get(out)->writable) {
    PyErr_SetString(PyExc_ValueError, "output array is read-only");
    return -1;
  }
  pvt_array_view(target, np_get(out));
  int status = PVT_OK;
  for (int i = 0; status == PVT_OK && !keepdims && i < x->ndim; i++)
    if (axes >> i & 1 && i <= target->ndim) status = pvt_view_insert(target, i);
  bool fits = status == PVT_OK && target->ndim == x->ndim;
  for (int i = 0; fits && i < x->ndim; i++) fits = target->dim[i].size == shape[i];
  if (fits) return 0;
  pvt_array_release(target);
  char text[200];
  PyErr_Format(PyExc_ValueError, "output parameter has the wrong shape %s for this reduction",
               np_shape_text(np_get(out), text));
  return -1;
}

static PyObject *hand_over(np_state *state, pvt_array *target, uint32_t axes, bool keepdims,
                           PyObject *out, int status) {
  if (status != PVT_OK || out != NULL) {
    pvt_array_release(target);
    return status != PVT_OK ? np_raise(state, status) : Py_NewRef(out);
  }
  if (!keepdims) squeeze(target, axes);
  return np_scalar(np_wrap(state, target));
}

static const char *const names_of_ops[] = {[PVT_SUM] = "sum",
                                           [PVT_PROD] = "prod",
                                           [PVT_MAX] = "maximum",
                                           [PVT_MIN] = "minimum",
                                           [PVT_ANY] = "any",
                                           [PVT_ALL] = "all",
                                           [PVT_COUNT_NONZERO] = "count_nonzero",
                                           [PVT_MEAN] = "mean",
                                           [PVT_SUMSQ] = "sumsq"};

PyObject *np_reduce(np_state *state, pvt_reduce_op op, PyObject *object, PyObject *axis, int dtype,
                    bool keepdims, PyObject *out) {
  PyObject *x = np_from_object(state, object, -1, -1);
  if (x == NULL) return NULL;
  const pvt_array *array = np_get(x);
  uint32_t axes;
  pvt_dtype type;
  pvt_array target;
  PyObject *result = NULL;
  if (np_parse_axes(state, axis, array->ndim, &axes) < 0) goto done;
  int status = pvt_reduce_types(op, (pvt_dtype)array->dtype, &type);
  if (status != PVT_OK) {
    np_raise(state, status);
    goto done;
  }
  if (dtype >= 0) type = (pvt_dtype)dtype;
  if (op == PVT_MAX || op == PVT_MIN)
    for (int i = 0; i < array->ndim; i++)
      if (axes >> i & 1 && array->dim[i].size == 0) {
        PyErr_Format(PyExc_ValueError,
                     "zero-size array to reduction operation %s which has no identity",
                     names_of_ops[op]);
        goto done;
      }
  if (target_for(state, array, axes, type, keepdims, out, &target) < 0) goto done;
  status = pvt_reduce(op, array, axes, &target);
  result = hand_over(state, &target, axes, keepdims, out, status);
done:
  Py_DECREF(x);
  return result;
}

/* What sum(x, axis, dtype, out, keepdims, initial, where) and its like have in common. where= takes
** the identity's place in x first, initial= is put on top. */
static PyObject *with_options(np_state *state, pvt_reduce_op op, PyObject *x, PyObject **values) {
  PyObject *axis = values[0], *out = values[2] == Py_None ? NULL : values[2];
  PyObject *initial = values[4] == Py_None ? NULL : values[4];
  PyObject *where = values[5] == Py_True ? NULL : values[5];
  int dtype = np_dtype_parse(state, values[1], -1);
  if (dtype < 0 && PyErr_Occurred()) return NULL;
  int keepdims = values[3] == NULL ? 0 : PyObject_IsTrue(values[3]);
  if (keepdims < 0) return NULL;
  if (out != NULL && !np_array_check(out)) {
    PyErr_SetString(PyExc_TypeError, "return arrays must be of ArrayType");
    return NULL;
  }
  PyObject *input = np_from_object(state, x, -1, -1);
  if (input == NULL) return NULL;
  if (where != NULL) {
    if ((op == PVT_MAX || op == PVT_MIN) && initial == NULL) {
      PyErr_SetString(PyExc_ValueError, "where= of a maximum or a minimum needs initial=");
      Py_DECREF(input);
      return NULL;
    }
    PyObject *mask = np_from_object(state, where, PVT_BOOL, -1), *filled = NULL;
    if (mask != NULL) {
      _Alignas(16) char room[16];
      pvt_array other;
      PyObject *identity = op == PVT_MAX || op == PVT_MIN
                               ? Py_NewRef(initial)
                               : PyLong_FromLong(op == PVT_PROD || op == PVT_ALL);
      pvt_dtype own = (pvt_dtype)np_get(input)->dtype;
      if (identity != NULL && np_store(state, identity, own, room) == 0) {
        pvt_array_over(&other, room, own, 0, NULL);
        int ndim;
        int64_t shape[PVT_MAX_DIMS];
        int status = pvt_broadcast_shapes(np_get(input), np_get(mask), &ndim, shape);
        filled = status == PVT_OK ? np_new(state, own, ndim, shape) : np_raise(state, status);
        if (filled != NULL &&
            (status = pvt_where(np_get(mask), np_get(input), &other, np_get(filled))) != PVT_OK) {
          Py_CLEAR(filled);
          np_raise(state, status);
        }
      }
      Py_XDECREF(identity);
    }
    Py_XDECREF(mask);
    Py_SETREF(input, filled);
    if (input == NULL) return NULL;
  }
  PyObject *result;
  if (initial != NULL && (op == PVT_MAX || op == PVT_MIN) && pvt_array_count(np_get(input)) == 0) {
    uint32_t axes;
    pvt_array target;
    result = NULL;
    if (np_parse_axes(state, axis, np_get(input)->ndim, &axes) == 0 &&
        target_for(state, np_get(input), axes, (pvt_dtype)np_get(input)->dtype, keepdims, NULL,
                   &target) == 0) {
      result = hand_over(state, &target, axes, keepdims, NULL, PVT_OK);
      bool writable = result != NULL && np_get(result)->writable;
      if (result != NULL) np_get(result)->writable = true;
      if (result != NULL && np_assign_subscript(result, Py_Ellipsis, initial) < 0) Py_CLEAR(result);
      if (result != NULL) np_get(result)->writable = writable;
    }
    Py_DECREF(input);
    return result;
  }
  result = np_reduce(state, op, input, axis, dtype, keepdims, initial == NULL ? out : NULL);
  Py_DECREF(input);
  if (initial == NULL || result == NULL) return result;
  pvt_binary_op on_top = op == PVT_SUM    ? PVT_ADD
                         : op == PVT_PROD ? PVT_MULTIPLY
                         : op == PVT_MAX  ? PVT_MAXIMUM
                                          : PVT_MINIMUM;
  PyObject *total = np_binary(state, on_top, result, initial, out, -1, true);
  Py_DECREF(result);
  return total;
}

static const char *const options[] = {"axis", "dtype", "out", "keepdims", "initial", "where", NULL};
static const char *const function_options[] = {"x",        "axis",    "dtype", "out",
                                               "keepdims", "initial", "where", NULL};
/* max, min, any and all have no dtype by position */
static const char *const plain_options[] = {"axis", "out", "keepdims", "initial", "where", NULL};
static const char *const plain_function_options[] = {"x",       "axis",  "out", "keepdims",
                                                     "initial", "where", NULL};

static void insert_dtype(PyObject **values) {
  for (int i = 5; i > 1; i--) values[i] = values[i - 1];
  values[1] = NULL;
}

#define WITH_DTYPE(name, op)                                                                       \
  static PyObject *name##_method(PyObject *self, PyObject *const *args, Py_ssize_t n,              \
                                 PyObject *names) {                                                \
    PyObject *values[6];                                                                           \
    if (n == 0 && names == NULL)                                                                   \
      return np_reduce(np_state_of_object(self), op, self, NULL, -1, false, NULL);                 \
    if (np_arguments(#name, args, n, names, options, 6, 0, values) < 0) return NULL;               \
    return with_options(np_state_of_object(self), op, self, values);                               \
  }                                                                                                \
  static PyObject *name##_function(PyObject *module, PyObject *const *args, Py_ssize_t n,          \
                                   PyObject *names) {                                              \
    PyObject *values[7];                                                                           \
    if (n == 1 && names == NULL)                                                                   \
      return np_reduce(np_state_of(module), op, args[0], NULL, -1, false, NULL);                   \
    if (np_arguments(#name, args, n, names, function_options, 7, 1, values) < 0) return NULL;      \
    return with_options(np_state_of(module), op, values[0], values + 1);                           \
  }

#define WITHOUT_DTYPE(name, op)                                                                    \
  static PyObject *name##_method(PyObject *self, PyObject *const *args, Py_ssize_t n,              \
                                 PyObject *names) {                                                \
    PyObject *values[6];                                                                           \
    if (n == 0 && names == NULL)                                                                   \
      return np_reduce(np_state_of_object(self), op, self, NULL, -1, false, NULL);                 \
    if (np_arguments(#name, args, n, names, plain_options, 5, 0, values) < 0) return NULL;         \
    insert_dtype(values);                                                                          \
    return with_options(np_state_of_object(self), op, self, values);                               \
  }                                                                                                \
  static PyObject *name##_function(PyObject *module, PyObject *const *args, Py_ssize_t n,          \
                                   PyObject *names) {                                              \
    PyObject *values[7];                                                                           \
    if (n == 1 && names == NULL)                                                                   \
      return np_reduce(np_state_of(module), op, args[0], NULL, -1, false, NULL);                   \
    if (np_arguments(#name, args, n, names, plain_function_options, 6, 1, values) < 0)             \
      return NULL;                                                                                 \
    insert_dtype(values + 1);                                                                      \
    return with_options(np_state_of(module), op, values[0], values + 1);                           \
  }

WITH_DTYPE(sum, PVT_SUM)
WITH_DTYPE(prod, PVT_PROD)
WITH_DTYPE(mean, PVT_MEAN)
WITHOUT_DTYPE(max, PVT_MAX)
WITHOUT_DTYPE(min, PVT_MIN)
WITHOUT_DTYPE(any, PVT_ANY)
WITHOUT_DTYPE(all, PVT_ALL)

static PyObject *count_nonzero(PyObject *module, PyObject *const *args, Py_ssize_t n,
                               PyObject *names) {
  static const char *const parameters[] = {"x", "axis", "keepdims", NULL};
  PyObject *values[3];
  if (np_arguments("count_nonzero", args, n, names, parameters, 2, 1, values) < 0) return NULL;
  int keepdims = values[2] == NULL ? 0 : PyObject_IsTrue(values[2]);
  if (keepdims < 0) return NULL;
  return np_reduce(np_state_of(module), PVT_COUNT_NONZERO, values[0], values[1], -1, keepdims,
                   NULL);
}

/* ---- Variance and deviation --------------------------------------------- */

static PyObject *spread(np_state *state, PyObject *object, PyObject **values, bool root) {
  PyObject *out = values[2] == Py_None ? NULL : values[2];
  int dtype = np_dtype_parse(state, values[1], -1);
  if (dtype < 0 && PyErr_Occurred()) return NULL;
  double correction = 0;
  PyObject *given = values[3] != NULL ? values[3] : values[5];
  if (given != NULL) correction = PyFloat_AsDouble(given);
  if (correction == -1 && PyErr_Occurred()) return NULL;
  int keepdims = values[4] == NULL ? 0 : PyObject_IsTrue(values[4]);
  if (keepdims < 0) return NULL;
  PyObject *x = np_from_object(state, object, -1, -1);
  if (x == NULL) return NULL;
  pvt_dtype type = dtype >= 0 ? (pvt_dtype)dtype : (pvt_dtype)np_get(x)->dtype;
  if (pvt_dtype_kind(type) < PVT_KIND_FLOAT) type = PVT_FLOAT64;
  Py_SETREF(x, np_astype(state, x, type, false));
  if (x == NULL) return NULL;
  pvt_dtype real = type == PVT_COMPLEX64    ? PVT_FLOAT32
                   : type == PVT_COMPLEX128 ? PVT_FLOAT64
                                            : type;
  const pvt_array *array = np_get(x);
  PyObject *result = NULL;
  uint32_t axes;
  pvt_array target;
  if (np_parse_axes(state, values[0], array->ndim, &axes) == 0 &&
      target_for(state, array, axes, real, keepdims, out, &target) == 0) {
    int status = pvt_variance(array, axes, correction, &target);
    if (status == PVT_OK && root) status = pvt_unary(PVT_SQRT, &target, &target);
    result = hand_over(state, &target, axes, keepdims, out, status);
  }
  Py_DECREF(x);
  return result;
}

static const char *const spread_options[] = {"axis",     "dtype",      "out", "ddof",
                                             "keepdims", "correction", NULL};
static const char *const spread_function_options[] = {"x",    "axis",     "dtype",      "out",
                                                      "ddof", "keepdims", "correction", NULL};

#define SPREAD(name, root)                                                                         \
  static PyObject *name##_method(PyObject *self, PyObject *const *args, Py_ssize_t n,              \
                                 PyObject *names) {                                                \
    PyObject *values[6];                                                                           \
    if (np_arguments(#name, args, n, names, spread_options, 5, 0, values) < 0) return NULL;        \
    return spread(np_state_of_object(self), self, values, root);                                   \
  }                                                                                                \
  static PyObject *name##_function(PyObject *module, PyObject *const *args, Py_ssize_t n,          \
                                   PyObject *names) {                                              \
    PyObject *values[7];                                                                           \
    if (np_arguments(#name, args, n, names, spread_function_options, 6, 1, values) < 0)            \
      return NULL;                                                                                 \
    return spread(np_state_of(module), values[0], values + 1, root);                               \
  }

SPREAD(var, false)
SPREAD(std, true)

/* ---- Where the extremes are --------------------------------------------- */

static PyObject *flattened(np_state *state, PyObject *x) {
  pvt_array view;
  bool possible;
  int64_t count = pvt_array_count(np_get(x));
  pvt_array_view(&view, np_get(x));
  int status = pvt_view_reshape(&view, 1, &count, &possible);
  if (status == PVT_OK && possible) return np_wrap(state, &view);
  pvt_array_release(&view);
  if (status != PVT_OK) return np_raise(state, status);
  PyObject *copy = np_astype(state, x, (pvt_dtype)np_get(x)->dtype, true);
  if (copy == NULL) return NULL;
  PyObject *flat = flattened(state, copy);
  Py_DECREF(copy);
  return flat;
}

static PyObject *arg_extreme(np_state *state, PyObject *object, PyObject *axis, PyObject *keep,
                             bool largest) {
  int keepdims = keep == NULL ? 0 : PyObject_IsTrue(keep);
  if (keepdims < 0) return NULL;
  PyObject *x = np_from_object(state, object, -1, -1), *result = NULL;
  if (x == NULL) return NULL;
  int ndim = np_get(x)->ndim, along = 0;
  bool all = axis == NULL || axis == Py_None;
  if (all) {
    Py_SETREF(x, flattened(state, x));
    if (x == NULL) return NULL;
  } else if ((along = np_parse_axis(state, axis, ndim)) < 0) {
    goto done;
  }
  const pvt_array *array = np_get(x);
  if (array->dim[along].size == 0) {
    PyErr_Format(PyExc_ValueError, "attempt to get arg%s of an empty sequence",
                 largest ? "max" : "min");
    goto done;
  }
  pvt_array target;
  uint32_t axes = (uint32_t)1 << along;
  if (target_for(state, array, axes, PVT_INT64, keepdims, NULL, &target) < 0) goto done;
  int status = pvt_arg_reduce(largest, array, along, &target);
  if (status == PVT_OK && all && keepdims) {
    bool possible;
    int64_t ones[PVT_MAX_DIMS];
    for (int i = 0; i < ndim; i++) ones[i] = 1;
    status = pvt_view_reshape(&target, ndim, ones, &possible);
  }
  result = hand_over(state, &target, axes, keepdims, NULL, status);
done:
  Py_DECREF(x);
  return result;
}

#define EXTREME(name, largest)                                                                     \
  static PyObject *name##_method(PyObject *self, PyObject *const *args, Py_ssize_t n,              \
                                 PyObject *names) {                                                \
    static const char *const parameters[] = {"axis", "keepdims", NULL};                            \
    PyObject *values[2];                                                                           \
    if (np_arguments(#name, args, n, names, parameters, 1, 0, values) < 0) return NULL;            \
    return arg_extreme(np_state_of_object(self), self, values[0], values[1], largest);             \
  }                                                                                                \
  static PyObject *name##_function(PyObject *module, PyObject *const *args, Py_ssize_t n,          \
                                   PyObject *names) {                                              \
    static const char *const parameters[] = {"x", "axis", "keepdims", NULL};                       \
    PyObject *values[3];                                                                           \
    if (np_arguments(#name, args, n, names, parameters, 2, 1, values) < 0) return NULL;            \
    return arg_extreme(np_state_of(module), values[0], values[1], values[2], largest);             \
  }

EXTREME(argmax, true)
EXTREME(argmin, false)

/* ---- Running totals ----------------------------------------------------- */

static PyObject *scan(np_state *state, pvt_scan_op op, PyObject *object, PyObject *axis,
                      PyObject *dtype_object, PyObject *out) {
  if (out == Py_None) out = NULL;
  int dtype = np_dtype_parse(state, dtype_object, -1);
  if (dtype < 0 && PyErr_Occurred()) return NULL;
  PyObject *x = np_from_object(state, object, -1, -1), *result = NULL;
  if (x == NULL) return NULL;
  int along = 0;
  if (axis == NULL || axis == Py_None) {
    Py_SETREF(x, flattened(state, x));
    if (x == NULL) return NULL;
  } else if ((along = np_parse_axis(state, axis, np_get(x)->ndim)) < 0) {
    goto done;
  }
  const pvt_array *array = np_get(x);
  pvt_dtype type = (pvt_dtype)array->dtype;
  if (dtype >= 0) type = (pvt_dtype)dtype;
  else if (op == PVT_CUMSUM) pvt_reduce_types(PVT_SUM, type, &type);
  else if (op == PVT_CUMPROD) pvt_reduce_types(PVT_PROD, type, &type);
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < array->ndim; i++) shape[i] = array->dim[i].size;
  result = out != NULL ? Py_NewRef(out) : np_new(state, type, array->ndim, shape);
  if (result == NULL) goto done;
  bool fits = np_array_check(result) && np_get(result)->ndim == array->ndim;
  for (int i = 0; fits && i < array->ndim; i++) fits = np_get(result)->dim[i].size == shape[i];
  if (!fits) {
    Py_CLEAR(result);
    PyErr_SetString(PyExc_ValueError, "the output has not the result's shape");
    goto done;
  }
  int status = pvt_scan(op, array, along, np_get(result));
  if (status != PVT_OK) {
    Py_CLEAR(result);
    np_raise(state, status);
  }
done:
  Py_DECREF(x);
  return result;
}

#define SCAN(name, op)                                                                             \
  static PyObject *name##_method(PyObject *self, PyObject *const *args, Py_ssize_t n,              \
                                 PyObject *names) {                                                \
    static const char *const parameters[] = {"axis", "dtype", "out", NULL};                        \
    PyObject *values[3];                                                                           \
    if (np_arguments(#name, args, n, names, parameters, 3, 0, values) < 0) return NULL;            \
    return scan(np_state_of_object(self), op, self, values[0], values[1], values[2]);              \
  }                                                                                                \
  static PyObject *name##_function(PyObject *module, PyObject *const *args, Py_ssize_t n,          \
                                   PyObject *names) {                                              \
    static const char *const parameters[] = {"x", "axis", "dtype", "out", NULL};                   \
    PyObject *values[4];                                                                           \
    if (np_arguments(#name, args, n, names, parameters, 4, 1, values) < 0) return NULL;            \
    return scan(np_state_of(module), op, values[0], values[1], values[2], values[3]);              \
  }

SCAN(cumsum, PVT_CUMSUM)
SCAN(cumprod, PVT_CUMPROD)

#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS
#define METHOD(name) {#name, FAST(name##_method), "See np." #name "."}
#define FUNCTION(name, text) {#name, FAST(name##_function), text}

PyMethodDef np_reduce_methods[] = {
    METHOD(sum),    METHOD(prod),   METHOD(mean),    METHOD(max),           METHOD(min),
    METHOD(any),    METHOD(all),    METHOD(var),     METHOD(std),           METHOD(argmax),
    METHOD(argmin), METHOD(cumsum), METHOD(cumprod), {NULL, NULL, 0, NULL},
};

PyMethodDef np_reduce_functions[] = {
    FUNCTION(sum, "sum(x, axis=None, dtype=None, out=None, keepdims=False, initial=0, where=True)"),
    FUNCTION(prod,
             "prod(x, axis=None, dtype=None, out=None, keepdims=False, initial=1, where=True)"),
    FUNCTION(mean, "mean(x, axis=None, dtype=None, out=None, keepdims=False)"),
    FUNCTION(max, "max(x, axis=None, out=None, keepdims=False, initial=None, where=True)"),
    FUNCTION(min, "min(x, axis=None, out=None, keepdims=False, initial=None, where=True)"),
    FUNCTION(any, "any(x, axis=None, out=None, keepdims=False)"),
    FUNCTION(all, "all(x, axis=None, out=None, keepdims=False)"),
    FUNCTION(var,
             "var(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, correction=0)"),
    FUNCTION(std,
             "std(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, correction=0)"),
    FUNCTION(argmax, "argmax(x, axis=None, *, keepdims=False)"),
    FUNCTION(argmin, "argmin(x, axis=None, *, keepdims=False)"),
    FUNCTION(cumsum, "cumsum(x, axis=None, dtype=None, out=None)"),
    FUNCTION(cumprod, "cumprod(x, axis=None, dtype=None, out=None)"),
    {"count_nonzero", FAST(count_nonzero), "count_nonzero(x, axis=None, *, keepdims=False)"},
    {NULL, NULL, 0, NULL},
};

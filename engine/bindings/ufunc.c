/* ufunc.c - elementwise functions: np.add, np.exp and their like, as callable objects. */
#include "binding.h"
#include <structmember.h>

#if PY_VERSION_HEX < 0x030C0000
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_READONLY READONLY
#endif

typedef struct np_ufunc {
  PyObject_HEAD vectorcallfunc vectorcall;
  int op; /* pvt_unary_op or pvt_binary_op */
  bool binary;
} np_ufunc;

/* ---- Operands ----------------------------------------------------------- */

/* An operand as an array: an array object, or a Python number kept in `room`. */
typedef struct operand {
  PyObject *owner; /* a reference, or NULL */
  const pvt_array *array;
  pvt_array scalar;
  _Alignas(16) char room[16];
} operand;

static void let_go(operand *x) {
  Py_XDECREF(x->owner);
}

static bool is_number(PyObject *object) {
  return PyLong_Check(object) || PyFloat_Check(object) || PyComplex_Check(object);
}

/* May an operator make an array of it? Other types get their turn by NotImplemented. */
static bool is_array_like(PyObject *object) {
  return PyList_Check(object) || PyTuple_Check(object) ||
         (PyObject_CheckBuffer(object) && !PyBytes_Check(object) && !PyByteArray_Check(object));
}

static int take_object(np_state *state, PyObject *object, operand *x) {
  x->owner = np_array_check(object) ? Py_NewRef(object) : np_from_object(state, object, -1, -1);
  if (x->owner == NULL) return -1;
  x->array = np_get(x->owner);
  return 0;
}

/* A Python number takes its type from what stands beside it. An integer that does not fit there
** is compared as it is, and otherwise an OverflowError, as in NumPy. */
static int take_number(PyObject *object, int beside, bool comparing, operand *x) {
  x->owner = NULL;
  int status = np_from_scalar(object, beside, &x->scalar, x->room);
  if (status < 0 && comparing && PyErr_ExceptionMatches(PyExc_OverflowError)) {
    PyErr_Clear();
    status = np_from_scalar(object, -1, &x->scalar, x->room);
    if (status < 0) { /* beyond 64 bits: as far out as a float can say */
      PyErr_Clear();
      int overflow;
      PyLong_AsLongLongAndOverflow(object, &overflow);
      double far = overflow < 0 ? -1e300 : 1e300;
      memcpy(x->room, &far, sizeof far);
      pvt_array_over(&x->scalar, x->room, PVT_FLOAT64, 0, NULL);
      status = 1;
    }
  }
  x->array = &x->scalar;
  return status < 0 ? -1 : 0;
}

static bool is_comparison(pvt_binary_op op) {
  return op >= PVT_EQUAL && op <= PVT_GREATER_EQUAL;
}

/* ---- Calls -------------------------------------------------------------- */

static PyObject *result_for(np_state *state, PyObject *out, pvt_dtype dtype, int ndim,
                            const int64_t *shape) {
  if (out == NULL) return np_new(state, dtype, ndim, shape);
  const pvt_array *array = np_get(out);
  bool fits = array->ndim == ndim;
  for (int i = 0; fits && i < ndim; i++) fits = array->dim[i].size == shape[i];
  if (!fits) {
    char text[200];
    PyErr_Format(PyExc_ValueError,
                 "non-broadcastable output operand with shape %s doesn't match the result's shape",
                 np_shape_text(array, text));
    return NULL;
  }
  if (!array->writable) {
    PyErr_SetString(PyExc_ValueError, "output array is read-only");
    return NULL;
  }
  if (!pvt_can_cast(dtype, (pvt_dtype)array->dtype, PVT_CAST_SAME_KIND)) {
    PyErr_Format(PyExc_TypeError,
                 "Cannot cast ufunc output from dtype('%s') to dtype('%s') with casting rule "
                 "'same_kind'",
                 pvt_dtype_name(dtype), pvt_dtype_name(array->dtype));
    return NULL;
  }
  return Py_NewRef(out);
}

static bool scalar_like(PyObject *object) {
  return !np_array_check(object) || (np_get(object)->ndim == 0 && !np_get(object)->writable);
}

static PyObject *broadcast_error(const pvt_array *a, const pvt_array *b) {
  char first[200], second[200];
  PyErr_Format(PyExc_ValueError, "operands could not be broadcast together with shapes %s %s ",
               np_shape_text(a, first), np_shape_text(b, second));
  return NULL;
}

PyObject *np_binary(np_state *state, pvt_binary_op op, PyObject *a, PyObject *b, PyObject *out,
                    int dtype, bool strict) {
  operand x, y;
  x.owner = y.owner = NULL;
  bool a_number = !np_array_check(a) && is_number(a), b_number = !np_array_check(b) && is_number(b);
  if (!strict) {
    if (!np_array_check(a) && !a_number && !is_array_like(a)) Py_RETURN_NOTIMPLEMENTED;
    if (!np_array_check(b) && !b_number && !is_array_like(b)) Py_RETURN_NOTIMPLEMENTED;
  }
  bool comparing = is_comparison(op);
  if (a_number && b_number) {
    if (take_number(a, -1, comparing, &x) < 0 ||
        take_number(b, comparing ? -1 : (int)x.array->dtype, comparing, &y) < 0)
      return NULL;
    if (pvt_promote((pvt_dtype)x.array->dtype, (pvt_dtype)y.array->dtype) != x.array->dtype &&
        take_number(a, (int)y.array->dtype, comparing, &x) < 0)
      return NULL;
  } else if (a_number) {
    if (take_object(state, b, &y) < 0) return NULL;
    if (take_number(a, y.array->dtype, comparing, &x) < 0) goto failed;
  } else {
    if (take_object(state, a, &x) < 0) return NULL;
    if (b_number ? take_number(b, x.array->dtype, comparing, &y) < 0
                 : take_object(state, b, &y) < 0)
      goto failed;
  }
  pvt_dtype loop, type;
  pvt_dtype tx = (pvt_dtype)x.array->dtype, ty = (pvt_dtype)y.array->dtype;
  if (dtype >= 0) tx = ty = (pvt_dtype)dtype;
  int status = pvt_binary_types(op, tx, ty, &loop, &type);
  if (status != PVT_OK) {
    np_raise(state, status);
    goto failed;
  }
  int ndim;
  int64_t shape[PVT_MAX_DIMS];
  if (pvt_broadcast_shapes(x.array, y.array, &ndim, shape) != PVT_OK) {
    broadcast_error(x.array, y.array);
    goto failed;
  }
  if (out != NULL && np_get(out)->ndim >= ndim) { /* inputs may be broadcast to the output */
    pvt_array fitted = {.ndim = (uint8_t)ndim};
    for (int i = 0; i < ndim; i++) fitted.dim[i] = (pvt_dim){shape[i], 0};
    int64_t wide[PVT_MAX_DIMS];
    int wide_ndim;
    if (pvt_broadcast_shapes(&fitted, np_get(out), &wide_ndim, wide) == PVT_OK) {
      ndim = wide_ndim;
      memcpy(shape, wide, (size_t)ndim * sizeof *shape);
    }
  }
  PyObject *result = result_for(state, out, type, ndim, shape);
  if (result == NULL) goto failed;
  status = PVT_OK;
  if (dtype >= 0 && (tx != x.array->dtype || ty != y.array->dtype)) {
    PyObject *cx = NULL, *cy = NULL;
    pvt_array vx, vy;
    pvt_array_view(&vx, x.array);
    pvt_array_view(&vy, y.array);
    PyObject *wx = np_wrap(state, &vx), *wy = np_wrap(state, &vy);
    if (wx != NULL && wy != NULL) {
      cx = np_astype(state, wx, tx, false);
      cy = np_astype(state, wy, ty, false);
    }
    Py_XDECREF(wx);
    Py_XDECREF(wy);
    if (cx != NULL && cy != NULL) status = pvt_binary(op, np_get(cx), np_get(cy), np_get(result));
    bool converted = cx != NULL && cy != NULL;
    Py_XDECREF(cx);
    Py_XDECREF(cy);
    if (!converted) {
      Py_DECREF(result);
      goto failed;
    }
  } else {
    status = pvt_binary(op, x.array, y.array, np_get(result));
  }
  if (status != PVT_OK) {
    Py_CLEAR(result);
    np_raise(state, status);
  } else if (out == NULL && ndim == 0 && scalar_like(a) && scalar_like(b)) {
    np_scalar(result);
  }
  let_go(&x);
  let_go(&y);
  return result;
failed:
  let_go(&x);
  let_go(&y);
  return NULL;
}

PyObject *np_unary(np_state *state, pvt_unary_op op, PyObject *object, PyObject *out, int dtype) {
  operand x;
  x.owner = NULL;
  if (!np_array_check(object) && is_number(object) ? take_number(object, -1, false, &x) < 0
                                                   : take_object(state, object, &x) < 0)
    return NULL;
  if (dtype >= 0 && x.array->dtype != (uint8_t)dtype) {
    pvt_array view;
    pvt_array_view(&view, x.array);
    PyObject *plain = np_wrap(state, &view);
    PyObject *converted = plain != NULL ? np_astype(state, plain, (pvt_dtype)dtype, false) : NULL;
    Py_XDECREF(plain);
    if (converted == NULL) {
      let_go(&x);
      return NULL;
    }
    Py_XSETREF(x.owner, converted);
    x.array = np_get(converted);
  }
  PyObject *result = NULL;
  pvt_dtype loop, type;
  int status = pvt_unary_types(op, (pvt_dtype)x.array->dtype, &loop, &type);
  if (status == PVT_OK) {
    int64_t shape[PVT_MAX_DIMS];
    for (int i = 0; i < x.array->ndim; i++) shape[i] = x.array->dim[i].size;
    result = result_for(state, out, type, x.array->ndim, shape);
    if (result != NULL) status = pvt_unary(op, x.array, np_get(result));
  }
  if (status != PVT_OK) {
    Py_CLEAR(result);
    np_raise(state, status);
  }
  if (result != NULL && out == NULL && scalar_like(object)) np_scalar(result);
  let_go(&x);
  return result;
}

/* ---- The objects -------------------------------------------------------- */

static const char *name_of(const np_ufunc *ufunc) {
  return ufunc->binary ? pvt_binary_name(ufunc->op) : pvt_unary_name(ufunc->op);
}

static int parse_out(PyObject *object, PyObject **out) {
  *out = NULL;
  if (object == NULL || object == Py_None) return 0;
  if (PyTuple_Check(object) && PyTuple_GET_SIZE(object) == 1) object = PyTuple_GET_ITEM(object, 0);
  if (object == Py_None) return 0;
  if (!np_array_check(object)) {
    PyErr_SetString(PyExc_TypeError, "return arrays must be of ArrayType");
    return -1;
  }
  *out = object;
  return 0;
}

/* With where=, places where it is false keep what out has there; without out they are zero. */
static PyObject *masked(np_state *state, PyObject *result, PyObject *where, PyObject *out) {
  PyObject *mask = np_from_object(state, where, PVT_BOOL, -1);
  if (mask == NULL) goto failed;
  const pvt_array *full = np_get(result);
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < full->ndim; i++) shape[i] = full->dim[i].size;
  PyObject *target =
      out != NULL ? Py_NewRef(out) : np_new(state, (pvt_dtype)full->dtype, full->ndim, shape);
  int status = PVT_OK;
  if (target != NULL && out == NULL) {
    char zero[16] = {0};
    status = pvt_fill(np_get(target), zero);
  }
  if (target != NULL && status == PVT_OK)
    status = pvt_where(np_get(mask), full, np_get(target), np_get(target));
  if (target == NULL || status != PVT_OK) {
    if (status != PVT_OK) np_raise(state, status);
    Py_XDECREF(target);
    goto failed;
  }
  Py_DECREF(mask);
  Py_DECREF(result);
  return target;
failed:
  Py_XDECREF(mask);
  Py_DECREF(result);
  return NULL;
}

static PyObject *call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names) {
  np_ufunc *ufunc = (np_ufunc *)self;
  np_state *state = np_state_of_object(self);
  Py_ssize_t n = PyVectorcall_NARGS(flags);
  if (names == NULL && n == (ufunc->binary ? 2 : 1))
    return ufunc->binary
               ? np_binary(state, (pvt_binary_op)ufunc->op, args[0], args[1], NULL, -1, true)
               : np_unary(state, (pvt_unary_op)ufunc->op, args[0], NULL, -1);
  static const char *const unary[] = {"x", "out", "where", "dtype", "casting", NULL};
  static const char *const binary[] = {"x1", "x2", "out", "where", "dtype", "casting", NULL};
  PyObject *values[6], *out;
  int inputs = ufunc->binary ? 2 : 1;
  if (np_arguments(name_of(ufunc), args, n, names, ufunc->binary ? binary : unary, inputs + 1,
                   inputs, values) < 0)
    return NULL;
  if (parse_out(values[inputs], &out) < 0) return NULL;
  PyObject *where = values[inputs + 1] == Py_True ? NULL : values[inputs + 1];
  int dtype = np_dtype_parse(state, values[inputs + 2], -1);
  if (dtype < 0 && PyErr_Occurred()) return NULL;
  PyObject *direct = where == NULL ? out : NULL;
  PyObject *result =
      ufunc->binary
          ? np_binary(state, (pvt_binary_op)ufunc->op, values[0], values[1], direct, dtype, true)
          : np_unary(state, (pvt_unary_op)ufunc->op, values[0], direct, dtype);
  return result != NULL && where != NULL ? masked(state, result, where, out) : result;
}

static int reduction_of(const np_ufunc *ufunc) {
  if (ufunc->binary) switch ((pvt_binary_op)ufunc->op) {
    case PVT_ADD: return PVT_SUM;
    case PVT_MULTIPLY: return PVT_PROD;
    case PVT_MAXIMUM: return PVT_MAX;
    case PVT_MINIMUM: return PVT_MIN;
    case PVT_LOGICAL_AND: return PVT_ALL;
    case PVT_LOGICAL_OR: return PVT_ANY;
    default: break;
    }
  PyErr_Format(PyExc_ValueError, "np.%s has no reduction", name_of(ufunc));
  return -1;
}

static PyObject *reduce(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"array", "axis", "dtype", "out", "keepdims", NULL};
  PyObject *values[5], *out;
  if (np_arguments("reduce", args, n, names, parameters, 5, 1, values) < 0) return NULL;
  np_state *state = np_state_of_object(self);
  int op = reduction_of((np_ufunc *)self), dtype = np_dtype_parse(state, values[2], -1);
  int keep = values[4] == NULL ? 0 : PyObject_IsTrue(values[4]);
  if (op < 0 || keep < 0 || (dtype < 0 && PyErr_Occurred()) || parse_out(values[3], &out) < 0)
    return NULL;
  PyObject *zero = values[1] == NULL ? PyLong_FromLong(0) : Py_NewRef(values[1]);
  PyObject *result = np_reduce(state, (pvt_reduce_op)op, values[0], zero, dtype, keep, out);
  Py_XDECREF(zero);
  return result;
}

static PyObject *accumulate(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"array", "axis", NULL};
  PyObject *values[2];
  if (np_arguments("accumulate", args, n, names, parameters, 2, 1, values) < 0) return NULL;
  int op = reduction_of((np_ufunc *)self);
  if (op < 0) return NULL;
  if (op > PVT_MIN) {
    PyErr_Format(PyExc_ValueError, "np.%s has no accumulate", name_of((np_ufunc *)self));
    return NULL;
  }
  static const pvt_scan_op scans[] = {[PVT_SUM] = PVT_CUMSUM,
                                      [PVT_PROD] = PVT_CUMPROD,
                                      [PVT_MAX] = PVT_CUMMAX,
                                      [PVT_MIN] = PVT_CUMMIN};
  np_state *state = np_state_of_object(self);
  PyObject *x = np_from_object(state, values[0], -1, -1), *result = NULL;
  if (x == NULL) return NULL;
  const pvt_array *array = np_get(x);
  int axis = np_normalize_axis(state, 0, array->ndim);
  if (values[1] != NULL) axis = np_parse_axis(state, values[1], array->ndim);
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < array->ndim; i++) shape[i] = array->dim[i].size;
  pvt_dtype dtype = (pvt_dtype)array->dtype;
  if (op <= PVT_PROD) pvt_reduce_types((pvt_reduce_op)op, dtype, &dtype);
  if (axis >= 0) result = np_new(state, dtype, array->ndim, shape);
  if (result != NULL) {
    int status = pvt_scan(scans[op], array, axis, np_get(result));
    if (status != PVT_OK) {
      Py_CLEAR(result);
      np_raise(state, status);
    }
  }
  Py_DECREF(x);
  return result;
}

static PyObject *outer(PyObject *self, PyObject *const *args, Py_ssize_t n) {
  np_ufunc *ufunc = (np_ufunc *)self;
  np_state *state = np_state_of_object(self);
  if (!ufunc->binary || n != 2) {
    PyErr_SetString(PyExc_TypeError, "outer takes two arrays, of a function of two");
    return NULL;
  }
  PyObject *a = np_from_object(state, args[0], -1, -1), *b = np_from_object(state, args[1], -1, -1);
  PyObject *result = NULL, *wide = NULL;
  if (a != NULL && b != NULL) {
    pvt_array view;
    pvt_array_view(&view, np_get(a));
    int status = PVT_OK;
    for (int i = 0; status == PVT_OK && i < np_get(b)->ndim; i++)
      status = pvt_view_insert(&view, view.ndim);
    if (status == PVT_OK) wide = np_wrap(state, &view);
    else {
      pvt_array_release(&view);
      np_raise(state, status);
    }
    if (wide != NULL) result = np_binary(state, (pvt_binary_op)ufunc->op, wide, b, NULL, -1, true);
  }
  Py_XDECREF(wide);
  Py_XDECREF(a);
  Py_XDECREF(b);
  return result;
}

static PyObject *ufunc_repr(PyObject *self) {
  return PyUnicode_FromFormat("<ufunc '%s'>", name_of((np_ufunc *)self));
}

static PyObject *get_name(PyObject *self, void *closure) {
  (void)closure;
  return PyUnicode_FromString(name_of((np_ufunc *)self));
}

static PyObject *get_inputs(PyObject *self, void *closure) {
  (void)closure;
  return PyLong_FromLong(((np_ufunc *)self)->binary ? 2 : 1);
}

static void ufunc_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyGetSetDef properties[] = {
    {"__name__", get_name, NULL, NULL, NULL},
    {"nin", get_inputs, NULL, "How many inputs it takes.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef methods[] = {
    {"reduce", (PyCFunction)(void (*)(void))reduce, METH_FASTCALL | METH_KEYWORDS,
     "reduce(array, axis=0, dtype=None, out=None, keepdims=False)"},
    {"accumulate", (PyCFunction)(void (*)(void))accumulate, METH_FASTCALL | METH_KEYWORDS,
     "accumulate(array, axis=0)"},
    {"outer", (PyCFunction)(void (*)(void))outer, METH_FASTCALL, "outer(a, b)"},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(np_ufunc, vectorcall), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, ufunc_dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_repr, ufunc_repr},
    {Py_tp_getset, properties},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_doc, "A function of elements. Inputs are broadcast; out, where and dtype as in NumPy."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "polyvm.np.ufunc",
    .basicsize = sizeof(np_ufunc),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

static int add(PyObject *module, np_state *state, int op, bool binary) {
  np_ufunc *ufunc = PyObject_New(np_ufunc, state->ufunc_type);
  if (ufunc == NULL) return -1;
  ufunc->vectorcall = call;
  ufunc->op = op;
  ufunc->binary = binary;
  int status = PyModule_AddObjectRef(module, name_of(ufunc), (PyObject *)ufunc);
  Py_DECREF(ufunc);
  return status;
}

int np_ufunc_setup(PyObject *module, np_state *state) {
  state->ufunc_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
  if (state->ufunc_type == NULL) return -1;
  for (int op = 0; op < PVT_UNARY_OPS; op++)
    if (add(module, state, op, false) < 0) return -1;
  for (int op = 0; op < PVT_BINARY_OPS; op++)
    if (add(module, state, op, true) < 0) return -1;
  return PyModule_AddObjectRef(module, "ufunc", (PyObject *)state->ufunc_type);
}

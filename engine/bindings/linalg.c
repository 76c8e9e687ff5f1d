/* linalg.c - matrices given to linalg.h's functions; np/linalg.py has the names that users see. */
#include "linalg.h"
#include "binding.h"

static void *linalg_error(np_state *state, const char *format, ...) {
  va_list args;
  va_start(args, format);
  PyErr_FormatV(state->linalg_error, format, args);
  va_end(args);
  return NULL;
}

/* The type that is computed in: integers and booleans in float64, as in NumPy; -1 with TypeError.
 */
static int computing_type(pvt_dtype dtype) {
  if (dtype == PVT_FLOAT16 || dtype == PVT_BFLOAT16) {
    PyErr_Format(PyExc_TypeError, "array type %s is unsupported in linalg", pvt_dtype_name(dtype));
    return -1;
  }
  return dtype >= PVT_FLOAT32 ? (int)dtype : PVT_FLOAT64;
}

static pvt_dtype real_type(pvt_dtype dtype) {
  return dtype == PVT_FLOAT32 || dtype == PVT_COMPLEX64 ? PVT_FLOAT32 : PVT_FLOAT64;
}

static pvt_dtype complex_type(pvt_dtype dtype) {
  return real_type(dtype) == PVT_FLOAT32 ? PVT_COMPLEX64 : PVT_COMPLEX128;
}

/* An array of at least `least` dimensions in a type that is computed in. */
static PyObject *floats(np_state *state, PyObject *object, int least) {
  PyObject *a = np_from_object(state, object, -1, -1);
  if (a == NULL) return NULL;
  int ndim = np_get(a)->ndim, dtype = -1;
  if (ndim < least)
    linalg_error(state, "%d-dimensional array given. Array must be at least %s", ndim,
                 least == 1 ? "one-dimensional" : "two-dimensional");
  else dtype = computing_type((pvt_dtype)np_get(a)->dtype);
  if (dtype < 0) Py_CLEAR(a);
  else Py_SETREF(a, np_astype(state, a, (pvt_dtype)dtype, false));
  return a;
}

static PyObject *matrices(np_state *state, PyObject *object, bool square) {
  PyObject *a = floats(state, object, 2);
  if (a == NULL || !square) return a;
  const pvt_array *array = np_get(a);
  if (array->dim[array->ndim - 1].size == array->dim[array->ndim - 2].size) return a;
  Py_DECREF(a);
  return linalg_error(state, "Last 2 dimensions of the array must be square");
}

/* A result with a's stack and then `rows` and `columns`, each left out if it is negative. */
static PyObject *stacked(np_state *state, PyObject *a, pvt_dtype dtype, int64_t rows,
                         int64_t columns) {
  int64_t shape[PVT_MAX_DIMS];
  int ndim = np_get(a)->ndim - 2;
  for (int i = 0; i < ndim; i++) shape[i] = np_get(a)->dim[i].size;
  if (rows >= 0) shape[ndim++] = rows;
  if (columns >= 0) shape[ndim++] = columns;
  return np_new(state, dtype, ndim, shape);
}

static int64_t rows_of(PyObject *a) {
  return np_get(a)->dim[np_get(a)->ndim - 2].size;
}

static int64_t columns_of(PyObject *a) {
  return np_get(a)->dim[np_get(a)->ndim - 1].size;
}

static pvt_dtype type_of(PyObject *a) {
  return (pvt_dtype)np_get(a)->dtype;
}

/* Drops `a`; a tuple of the results (stolen, NULLs left out), or NULL and nothing of them. */
static PyObject *finish(np_state *state, int status, PyObject *a, PyObject *x, PyObject *y,
                        PyObject *z) {
  PyObject *parts[] = {x, y, z}, *result = NULL;
  Py_XDECREF(a);
  if (status != PVT_OK && !PyErr_Occurred()) np_raise(state, status);
  if (status == PVT_OK) {
    int count = (x != NULL) + (y != NULL) + (z != NULL), at = 0;
    result = PyTuple_New(count);
    for (int i = 0; result != NULL && i < 3; i++)
      if (parts[i] != NULL) PyTuple_SET_ITEM(result, at++, Py_NewRef(np_scalar(parts[i])));
  }
  for (int i = 0; i < 3; i++) Py_XDECREF(parts[i]);
  return result;
}

/* The same for functions of one result. */
static PyObject *finish_one(np_state *state, int status, PyObject *a, PyObject *x) {
  Py_DECREF(a);
  if (status == PVT_OK) return np_scalar(x);
  Py_DECREF(x);
  return np_raise(state, status);
}

/* ---- Systems of equations ----------------------------------------------- */

static PyObject *inverse(PyObject *module, PyObject *object) {
  np_state *state = np_state_of(module);
  PyObject *a = matrices(state, object, true);
  if (a == NULL) return NULL;
  PyObject *x = stacked(state, a, type_of(a), rows_of(a), columns_of(a));
  if (x == NULL) {
    Py_DECREF(a);
    return NULL;
  }
  return finish_one(state, pvt_inverse(np_get(a), np_get(x)), a, x);
}

static PyObject *determinant(PyObject *module, PyObject *object) {
  np_state *state = np_state_of(module);
  PyObject *a = matrices(state, object, true);
  if (a == NULL) return NULL;
  PyObject *x = stacked(state, a, type_of(a), -1, -1);
  if (x == NULL) {
    Py_DECREF(a);
    return NULL;
  }
  return finish_one(state, pvt_det(np_get(a), np_get(x)), a, x);
}

static PyObject *sign_and_logarithm(PyObject *module, PyObject *object) {
  np_state *state = np_state_of(module);
  PyObject *a = matrices(state, object, true);
  if (a == NULL) return NULL;
  PyObject *sign = stacked(state, a, type_of(a), -1, -1);
  PyObject *logabs = sign != NULL ? stacked(state, a, real_type(type_of(a)), -1, -1) : NULL;
  int status = logabs != NULL ? pvt_slogdet(np_get(a), np_get(sign), np_get(logabs)) : PVT_E_NOMEM;
  return finish(state, status, a, sign, logabs, NULL);
}

/* Both in the type that they have together. */
static int together(np_state *state, PyObject **a, PyObject **b) {
  pvt_dtype dtype = pvt_promote(type_of(*a), type_of(*b));
  Py_SETREF(*a, np_astype(state, *a, dtype, false));
  if (*a != NULL) Py_SETREF(*b, np_astype(state, *b, dtype, false));
  return *a != NULL && *b != NULL ? 0 : -1;
}

/* solve(a, b): b of one dimension is a vector, otherwise a stack of matrices. */
static PyObject *solve(PyObject *module, PyObject *const *args, Py_ssize_t n) {
  np_state *state = np_state_of(module);
  if (n != 2) return PyErr_Format(PyExc_TypeError, "solve() takes 2 arguments (%zd given)", n);
  PyObject *x = NULL, *a = matrices(state, args[0], true);
  PyObject *b = a != NULL ? floats(state, args[1], 1) : NULL;
  pvt_array left = {.ndim = 0}, right = {.ndim = 0};
  if (b == NULL || together(state, &a, &b) < 0) goto done;
  pvt_array_view(&left, np_get(a));
  pvt_array_view(&right, np_get(b));
  bool vector = right.ndim == 1;
  int status = vector ? pvt_view_insert(&right, 1) : PVT_OK;
  if (status == PVT_OK && left.dim[left.ndim - 1].size != right.dim[right.ndim - 2].size) {
    PyErr_Format(
        PyExc_ValueError, "solve: the right side has %lld rows, but the matrix has %lld columns",
        (long long)right.dim[right.ndim - 2].size, (long long)left.dim[left.ndim - 1].size);
    goto done;
  }
  int ndim = 0;
  int64_t shape[PVT_MAX_DIMS];
  pvt_array left_stack = left, right_stack = right;
  left_stack.ndim -= 2;
  right_stack.ndim -= 2;
  if (status == PVT_OK) status = pvt_broadcast_shapes(&left_stack, &right_stack, &ndim, shape);
  if (status == PVT_OK) {
    shape[ndim] = shape[ndim + 1] = left.dim[left.ndim - 1].size;
    status = pvt_view_broadcast(&left, ndim + 2, shape);
    shape[ndim + 1] = right.dim[right.ndim - 1].size;
  }
  if (status == PVT_OK) status = pvt_view_broadcast(&right, ndim + 2, shape);
  if (status == PVT_OK) {
    x = np_new(state, type_of(a), ndim + 2, shape);
    if (x == NULL) goto done;
    status = pvt_solve(&left, &right, np_get(x));
  }
  if (status == PVT_OK && vector) status = pvt_view_remove(np_get(x), ndim + 1);
  if (status != PVT_OK) {
    Py_CLEAR(x);
    np_raise(state, status);
  }
done:
  pvt_array_release(&left);
  pvt_array_release(&right);
  Py_XDECREF(a);
  Py_XDECREF(b);
  return x;
}

/* lstsq(a, b, rcond) of two matrices: (x, rank, singular values). */
static PyObject *least_squares(PyObject *module, PyObject *args) {
  np_state *state = np_state_of(module);
  PyObject *first, *second, *x = NULL, *s = NULL, *result = NULL;
  double rcond;
  if (!PyArg_ParseTuple(args, "OOd:lstsq", &first, &second, &rcond)) return NULL;
  PyObject *a = matrices(state, first, false);
  PyObject *b = a != NULL ? matrices(state, second, false) : NULL;
  if (b == NULL || together(state, &a, &b) < 0) goto done;
  if (np_get(a)->ndim != 2 || np_get(b)->ndim != 2) {
    linalg_error(state, "%d-dimensional array given. Array must be two-dimensional",
                 np_get(a)->ndim != 2 ? np_get(a)->ndim : np_get(b)->ndim);
    goto done;
  }
  int64_t m = rows_of(a), columns = columns_of(a);
  if (m != rows_of(b)) {
    linalg_error(state, "Incompatible dimensions");
    goto done;
  }
  int64_t shape[] = {columns, columns_of(b)}, least = m < columns ? m : columns, rank = 0;
  x = np_new(state, type_of(a), 2, shape);
  s = x != NULL ? np_new(state, real_type(type_of(a)), 1, &least) : NULL;
  if (s == NULL) goto done;
  int status = pvt_lstsq(np_get(a), np_get(b), rcond, np_get(x), &rank, np_get(s));
  if (status != PVT_OK) np_raise(state, status);
  else result = Py_BuildValue("OLO", x, (long long)rank, s);
done:
  Py_XDECREF(a);
  Py_XDECREF(b);
  Py_XDECREF(x);
  Py_XDECREF(s);
  return result;
}

/* ---- Factorings --------------------------------------------------------- */

/* cholesky(a, upper) */
static PyObject *cholesky(PyObject *module, PyObject *args) {
  np_state *state = np_state_of(module);
  PyObject *object;
  int upper;
  if (!PyArg_ParseTuple(args, "Op:cholesky", &object, &upper)) return NULL;
  PyObject *a = matrices(state, object, true);
  if (a == NULL) return NULL;
  PyObject *x = stacked(state, a, type_of(a), rows_of(a), columns_of(a));
  if (x == NULL) {
    Py_DECREF(a);
    return NULL;
  }
  return finish_one(state, pvt_cholesky(np_get(a), upper, np_get(x)), a, x);
}

/* qr(a, complete, only_r): (q, r) or (r,) */
static PyObject *orthogonal(PyObject *module, PyObject *args) {
  np_state *state = np_state_of(module);
  PyObject *object, *q = NULL;
  int complete, only_r;
  if (!PyArg_ParseTuple(args, "Opp:qr", &object, &complete, &only_r)) return NULL;
  PyObject *a = matrices(state, object, false);
  if (a == NULL) return NULL;
  int64_t m = rows_of(a), n = columns_of(a), inner = complete || m < n ? m : n;
  int status = PVT_E_NOMEM;
  PyObject *r = stacked(state, a, type_of(a), inner, n);
  if (r != NULL && !only_r) q = stacked(state, a, type_of(a), m, inner);
  if (r != NULL && (only_r || q != NULL))
    status = pvt_qr(np_get(a), only_r ? NULL : np_get(q), np_get(r));
  return finish(state, status, a, q, r, NULL);
}

/* eigh(a, upper, vectors): (values, vectors) or (values,) */
static PyObject *hermitian(PyObject *module, PyObject *args) {
  np_state *state = np_state_of(module);
  PyObject *object, *v = NULL;
  int upper, vectors;
  if (!PyArg_ParseTuple(args, "Opp:eigh", &object, &upper, &vectors)) return NULL;
  PyObject *a = matrices(state, object, true);
  if (a == NULL) return NULL;
  int status = PVT_E_NOMEM;
  PyObject *w = stacked(state, a, real_type(type_of(a)), rows_of(a), -1);
  if (w != NULL && vectors) v = stacked(state, a, type_of(a), rows_of(a), rows_of(a));
  if (w != NULL && (!vectors || v != NULL))
    status = pvt_eigh(np_get(a), upper, np_get(w), vectors ? np_get(v) : NULL);
  return finish(state, status, a, w, v, NULL);
}

/* svd(a, full, vectors): (u, s, vh) or (s,) */
static PyObject *singular(PyObject *module, PyObject *args) {
  np_state *state = np_state_of(module);
  PyObject *object, *u = NULL, *vh = NULL;
  int full, vectors;
  if (!PyArg_ParseTuple(args, "Opp:svd", &object, &full, &vectors)) return NULL;
  PyObject *a = matrices(state, object, false);
  if (a == NULL) return NULL;
  int64_t m = rows_of(a), n = columns_of(a), least = m < n ? m : n;
  int status = PVT_E_NOMEM;
  PyObject *s = stacked(state, a, real_type(type_of(a)), least, -1);
  if (s != NULL && vectors) {
    u = stacked(state, a, type_of(a), m, full ? m : least);
    if (u != NULL) vh = stacked(state, a, type_of(a), full ? n : least, n);
  }
  if (s != NULL && (!vectors || vh != NULL))
    status = pvt_svd(np_get(a), vectors ? np_get(u) : NULL, np_get(s), vectors ? np_get(vh) : NULL);
  return finish(state, status, a, u, s, vh);
}

/* eig(a, vectors): complex (values, vectors) or (values,) */
static PyObject *general(PyObject *module, PyObject *args) {
  np_state *state = np_state_of(module);
  PyObject *object, *v = NULL;
  int vectors;
  if (!PyArg_ParseTuple(args, "Op:eig", &object, &vectors)) return NULL;
  PyObject *a = matrices(state, object, true);
  if (a == NULL) return NULL;
  int status = PVT_E_NOMEM;
  pvt_dtype dtype = complex_type(type_of(a));
  PyObject *w = stacked(state, a, dtype, rows_of(a), -1);
  if (w != NULL && vectors) v = stacked(state, a, dtype, rows_of(a), rows_of(a));
  if (w != NULL && (!vectors || v != NULL))
    status = pvt_eig(np_get(a), np_get(w), vectors ? np_get(v) : NULL);
  return finish(state, status, a, w, v, NULL);
}

/* ---- OpenBLAS ----------------------------------------------------------- */

static PyObject *blas_open(PyObject *module, PyObject *path) {
  PyObject *bytes;
  if (!PyUnicode_FSConverter(path, &bytes)) return NULL;
  int status = pvt_blas_open(PyBytes_AS_STRING(bytes));
  Py_DECREF(bytes);
  if (status != PVT_OK) return np_raise(np_state_of(module), status);
  Py_RETURN_NONE;
}

static PyObject *blas_name(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return PyUnicode_FromString(pvt_blas_name());
}

PyMethodDef np_linalg_functions[] = {
    {"_linalg_inv", inverse, METH_O, "inv(a)"},
    {"_linalg_det", determinant, METH_O, "det(a)"},
    {"_linalg_slogdet", sign_and_logarithm, METH_O, "slogdet(a): (sign, logabsdet)"},
    {"_linalg_solve", (PyCFunction)(void (*)(void))solve, METH_FASTCALL, "solve(a, b)"},
    {"_linalg_lstsq", least_squares, METH_VARARGS, "lstsq(a, b, rcond): (x, rank, s)"},
    {"_linalg_cholesky", cholesky, METH_VARARGS, "cholesky(a, upper)"},
    {"_linalg_qr", orthogonal, METH_VARARGS, "qr(a, complete, only_r): (q, r) or (r,)"},
    {"_linalg_eigh", hermitian, METH_VARARGS, "eigh(a, upper, vectors): (w, v) or (w,)"},
    {"_linalg_svd", singular, METH_VARARGS, "svd(a, full, vectors): (u, s, vh) or (s,)"},
    {"_linalg_eig", general, METH_VARARGS, "eig(a, vectors): (w, v) or (w,)"},
    {"_blas_open", blas_open, METH_O, "Load OpenBLAS from a path, once for the process."},
    {"_blas_name", blas_name, METH_NOARGS, "What OpenBLAS says of itself, or 'none'."},
    {NULL, NULL, 0, NULL},
};

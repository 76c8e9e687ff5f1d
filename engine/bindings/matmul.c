/* matmul.c - a @ b: vectors become matrices for the engine and lose the dimension again. */
#include "binding.h"

PyObject *np_matmul(np_state *state, PyObject *left, PyObject *right, PyObject *out) {
  PyObject *result = NULL, *a = np_from_object(state, left, -1, -1);
  PyObject *b = a != NULL ? np_from_object(state, right, -1, -1) : NULL;
  pvt_array x = {.ndim = 0}, y = {.ndim = 0};
  if (a == NULL || b == NULL) goto done;
  if (np_get(a)->ndim == 0 || np_get(b)->ndim == 0) {
    PyErr_SetString(PyExc_ValueError,
                    "matmul: Input operand does not have enough dimensions (a scalar was given)");
    goto done;
  }
  pvt_dtype dtype = pvt_promote((pvt_dtype)np_get(a)->dtype, (pvt_dtype)np_get(b)->dtype);
  Py_SETREF(a, np_astype(state, a, dtype, false));
  if (a == NULL) goto done;
  Py_SETREF(b, np_astype(state, b, dtype, false));
  if (b == NULL) goto done;
  pvt_array_view(&x, np_get(a));
  pvt_array_view(&y, np_get(b));
  bool row = x.ndim == 1, column = y.ndim == 1;
  int status = row ? pvt_view_insert(&x, 0) : PVT_OK;
  if (status == PVT_OK && column) status = pvt_view_insert(&y, 1);
  if (status != PVT_OK) {
    np_raise(state, status);
    goto done;
  }
  pvt_dim inner = x.dim[x.ndim - 1], other = y.dim[y.ndim - 2];
  if (inner.size != other.size) {
    char first[200], second[200];
    PyErr_Format(PyExc_ValueError,
                 "matmul: shapes %s and %s do not fit: the inner sizes are %lld and %lld",
                 np_shape_text(np_get(a), first), np_shape_text(np_get(b), second),
                 (long long)inner.size, (long long)other.size);
    goto done;
  }
  pvt_array front_x = x, front_y = y;
  front_x.ndim -= 2;
  front_y.ndim -= 2;
  int ndim;
  int64_t shape[PVT_MAX_DIMS];
  status = pvt_broadcast_shapes(&front_x, &front_y, &ndim, shape);
  if (status != PVT_OK) {
    np_raise(state, status);
    goto done;
  }
  int64_t rows = x.dim[x.ndim - 2].size, columns = y.dim[y.ndim - 1].size;
  shape[ndim] = rows;
  shape[ndim + 1] = columns;
  result = np_new(state, dtype, ndim + 2, shape);
  if (result == NULL) goto done;
  status = pvt_matmul(&x, &y, np_get(result));
  if (status != PVT_OK) {
    Py_CLEAR(result);
    np_raise(state, status);
    goto done;
  }
  /* no dimensions are left to a scalar; sizes of 1 can always be taken away */
  if (column) pvt_view_remove(np_get(result), np_get(result)->ndim - 1);
  if (row) pvt_view_remove(np_get(result), np_get(result)->ndim - (column ? 1 : 2));
  if (row && column) np_scalar(result);
  if (out != NULL) {
    status = out == result ? PVT_OK
             : np_get(out)->ndim != np_get(result)->ndim
                 ? pvt_fail(PVT_E_SHAPE, "matmul: the output has not the result's shape")
                 : pvt_copy(np_get(result), np_get(out));
    Py_SETREF(result, status == PVT_OK ? Py_NewRef(out) : NULL);
    if (status != PVT_OK) np_raise(state, status);
  }
done:
  pvt_array_release(&x);
  pvt_array_release(&y);
  Py_XDECREF(a);
  Py_XDECREF(b);
  return result;
}

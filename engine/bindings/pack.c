/* pack.c - see pack.h. */
#include "pack.h"

#include <string.h>

#include "binding.h"

static size_t head_size(int ndim) {
  return 2 + (size_t)ndim * sizeof(int64_t);
}

static size_t bytes_of(const pvt_array *array) {
  return (size_t)pvt_array_count(array) * pvt_itemsize((pvt_dtype)array->dtype);
}

PyObject *np_packed_number(PyObject *object) {
  const pvt_array *array = np_get(object);
  pvt_dtype dtype = (pvt_dtype)array->dtype;
  if (array->ndim != 0 || array->writable || pvt_dtype_kind(dtype) == PVT_KIND_COMPLEX) return NULL;
  return np_item(array->data, dtype);
}

size_t np_packed_size_of(const pvt_array *array) {
  return head_size(array->ndim) + bytes_of(array);
}

size_t np_packed_size(PyObject *object) {
  return np_packed_size_of(np_get(object));
}

/* All but the elements; returns where these go. */
static unsigned char *put_head(const pvt_array *array, void *to) {
  unsigned char *at = to;
  *at++ = array->dtype;
  *at++ = array->ndim;
  for (int i = 0; i < array->ndim; i++, at += sizeof(int64_t))
    memcpy(at, &array->dim[i].size, sizeof(int64_t));
  return at;
}

bool np_pack_array(const pvt_array *array, void *to) {
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < array->ndim; i++) shape[i] = array->dim[i].size;
  pvt_array packed;
  pvt_array_over(&packed, put_head(array, to), (pvt_dtype)array->dtype, array->ndim, shape);
  return pvt_copy(array, &packed) == PVT_OK;
}

/* n bytes, stopped when the task must stop. Bytes become bools as 0 and not 0. */
static int move(np_state *state, const void *from, void *to, size_t n, bool to_bool) {
  int64_t count = (int64_t)n;
  pvt_array source, target;
  pvt_array_over(&source, (void *)(uintptr_t)from, PVT_UINT8, 1, &count);
  pvt_array_over(&target, to, to_bool ? PVT_BOOL : PVT_UINT8, 1, &count);
  int status = pvt_copy(&source, &target);
  if (status == PVT_OK) return 0;
  np_raise(state, status);
  return -1;
}

int np_pack(PyObject *object, void *to) {
  np_state *state = np_state_of_object(object);
  const pvt_array *array = np_get(object);
  PyObject *in_order = pvt_array_is_contiguous(array)
                           ? Py_NewRef(object)
                           : np_astype(state, object, (pvt_dtype)array->dtype, true);
  if (in_order == NULL) return -1;
  array = np_get(in_order);
  int status = move(state, array->data, put_head(array, to), bytes_of(array), false);
  Py_DECREF(in_order);
  return status;
}

const char *np_packed_fault(const void *data, size_t size) {
  const unsigned char *at = data;
  if (size < 2 || size < head_size(at[1])) return "an array is cut short";
  if (at[0] >= PVT_DTYPES) return "an array has an unknown element type";
  if (at[1] > PVT_MAX_DIMS) return "an array has more than 32 dimensions";
  int64_t bytes = (int64_t)pvt_itemsize((pvt_dtype)at[0]), stretch = bytes;
  for (int i = 0; i < at[1]; i++) {
    int64_t n;
    memcpy(&n, at + head_size(i), sizeof n);
    /* Empty arrays have strides too, which must not overflow. */
    if (n < 0 || __builtin_mul_overflow(bytes, n, &bytes) ||
        __builtin_mul_overflow(stretch, n == 0 ? 1 : n, &stretch))
      return "an array has an impossible shape";
  }
  if ((uint64_t)bytes == size - head_size(at[1])) return NULL;
  return "an array's shape and its number of elements differ";
}

bool np_is_module(PyObject *module) {
  if (PyModule_Check(module) && PyModule_GetDef(module) == &np_module) return true;
  PyErr_SetString(PyExc_ImportError, "the module of arrays has been replaced");
  return false;
}

PyObject *np_unpack(PyObject *module, const void *data, size_t size) {
  if (!np_is_module(module)) return NULL;
  const unsigned char *at = data;
  pvt_dtype dtype = (pvt_dtype)at[0];
  int64_t shape[PVT_MAX_DIMS];
  memcpy(shape, at + 2, at[1] * sizeof(int64_t));
  np_state *state = np_state_of(module);
  PyObject *made = np_new(state, dtype, at[1], shape);
  if (made == NULL) return NULL;
  pvt_array *array = np_get(made);
  if (move(state, at + head_size(at[1]), array->data, bytes_of(array), dtype == PVT_BOOL) == 0)
    return made;
  Py_DECREF(made);
  return NULL;
}

/* ---- For the host ------------------------------------------------------- */

static PyObject *pack(PyObject *module, PyObject *object) {
  (void)module;
  if (!np_array_check(object))
    return PyErr_Format(PyExc_TypeError, "an array is needed, not '%.100s'",
                        Py_TYPE(object)->tp_name);
  PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)np_packed_size(object));
  if (bytes != NULL && np_pack(object, PyBytes_AS_STRING(bytes)) < 0) Py_CLEAR(bytes);
  return bytes;
}

static PyObject *packed_number(PyObject *module, PyObject *object) {
  (void)module;
  PyObject *number = np_array_check(object) ? np_packed_number(object) : NULL;
  return number != NULL || PyErr_Occurred() ? number : Py_NewRef(Py_None);
}

static PyObject *unpack(PyObject *module, PyObject *object) {
  Py_buffer view;
  if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0) return NULL;
  const char *fault = np_packed_fault(view.buf, (size_t)view.len);
  PyObject *made = NULL;
  if (fault != NULL) PyErr_Format(PyExc_ValueError, "a packed array is invalid: %s", fault);
  else made = np_unpack(module, view.buf, (size_t)view.len);
  PyBuffer_Release(&view);
  return made;
}

PyMethodDef np_pack_functions[] = {
    {"_pack", pack, METH_O, "The array as bytes: see pack.h."},
    {"_packed_number", packed_number, METH_O, "What a scalar is sent as; None: it is packed."},
    {"_unpack", unpack, METH_O, "The array that `_pack` gave these bytes for."},
    {NULL, NULL, 0, NULL},
};

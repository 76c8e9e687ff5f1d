/* share.c - shared arrays: making them, their handles, and arrays of handles. See pack.h. */
#include "binding.h"

/* One element is smaller than a handle, and mostly a number: arrays of no dimensions are packed. */
const pvt_array *np_shared(PyObject *object) {
  const pvt_array *array = np_get(object);
  return array->ndim > 0 && pvt_buffer_is_shared(array->buffer) ? array : NULL;
}

PyObject *np_open_shared(PyObject *module, const void *handle, size_t size) {
  if (!np_is_module(module)) return NULL;
  np_state *state = np_state_of(module);
  pvt_array array;
  int status = pvt_handle_open(&array, handle, size);
  return status == PVT_OK ? np_wrap(state, &array) : np_raise(state, status);
}

/* The array itself if nobody else refers to its memory, and so can write; a copy if anybody might.
 */
static PyObject *share(PyObject *module, PyObject *object) {
  np_state *state = np_state_of(module);
  if (!np_array_check(object))
    return PyErr_Format(PyExc_TypeError, "an array is needed, not '%.100s'",
                        Py_TYPE(object)->tp_name);
  pvt_array *array = np_get(object);
  if (array->ndim == 0) array->writable = false;
  if (array->ndim == 0 || np_shared(object) != NULL) return Py_NewRef(object);
  int status = PVT_E_VALUE;
  if (array->buffer != NULL && pvt_buffer_references(array->buffer) == 1) status = pvt_share(array);
  if (status == PVT_OK) return Py_NewRef(object);
  if (status != PVT_E_VALUE) return np_raise(state, status);
  PyObject *copy = np_astype(state, object, (pvt_dtype)array->dtype, true);
  if (copy == NULL || (status = pvt_share(np_get(copy))) == PVT_OK) return copy;
  Py_DECREF(copy);
  return np_raise(state, status);
}

static PyObject *handle(PyObject *module, PyObject *object) {
  (void)module;
  const pvt_array *array = np_array_check(object) ? np_shared(object) : NULL;
  if (array == NULL) Py_RETURN_NONE;
  PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)pvt_handle_size(array));
  if (bytes != NULL) pvt_handle_write(array, PyBytes_AS_STRING(bytes));
  return bytes;
}

static PyObject *open_shared(PyObject *module, PyObject *object) {
  Py_buffer view;
  if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0) return NULL;
  PyObject *array = np_open_shared(module, view.buf, (size_t)view.len);
  PyBuffer_Release(&view);
  return array;
}

static PyObject *shared_now(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  pvt_shared now = pvt_shared_now();
  return Py_BuildValue("(Inn)", now.count, (Py_ssize_t)now.bytes, (Py_ssize_t)now.limit);
}

static PyObject *set_limit(PyObject *module, PyObject *object) {
  (void)module;
  Py_ssize_t bytes = PyLong_AsSsize_t(object);
  if (bytes == -1 && PyErr_Occurred()) return NULL;
  if (bytes < 0) {
    PyErr_SetString(PyExc_ValueError, "a limit of bytes is not negative");
    return NULL;
  }
  pvt_shared_set_limit((size_t)bytes);
  Py_RETURN_NONE;
}

PyMethodDef np_share_functions[] = {
    {"_share", share, METH_O, "A read-only array that crosses without its elements."},
    {"_handle", handle, METH_O, "The handle of a shared array; None if it is not shared."},
    {"_open", open_shared, METH_O, "The array that a handle names."},
    {"_shared_now", shared_now, METH_NOARGS, "Shared buffers: how many, their bytes, the limit."},
    {"_set_shared_limit", set_limit, METH_O, "Bytes that all shared buffers may have together."},
    {NULL, NULL, 0, NULL},
};

/* task_series.c - kept events as time series, from within a VM. */
#include <string.h>

#include "event_store.h"
#include "task_store.h"
#include "trigger_set.h"

#define ROWS_MAX 10000 /* what they take while they are read is not the VM's: 2 MB at most */

static int interrupted(void *arg) {
  (void)arg;
  return _Py_CheckAsyncExc(_PyThreadState_GET()) < 0;
}

/* [[seconds, value, ...], ...] of the rows that were read. */
static PyObject *in_seconds(pvm_buffer *rows) {
  PyObject *list = pvm_decode(&pvm_vm_current()->codec, rows->data, rows->len);
  for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(list); i++) {
    PyObject *row = PyList_GET_ITEM(list, i);
    long long ns = PyLong_AsLongLong(PyList_GET_ITEM(row, 0));
    PyObject *seconds = PyFloat_FromDouble((double)ns / 1e9);
    if (seconds == NULL || PyList_SetItem(row, 0, seconds) < 0) Py_CLEAR(list);
  }
  return list;
}

static PyObject *refuse(int status, const char *err, PyObject *stream) {
  if (PyErr_Occurred()) return NULL;
  if (status == PVM_E_NOMEM) return PyErr_NoMemory();
  if (status == PVM_E_UNKNOWN)
    return PyErr_Format(PyExc_LookupError, "there is no stream '%U'", stream);
  if (status == PVM_E_INVALID && err[0] != 0) {
    PyErr_SetString(PyExc_ValueError, err);
    return NULL;
  }
  return PyErr_Format(PyExc_RuntimeError, "stream '%U' cannot be read: %s", stream,
                      pvm_strerror(status));
}

static int read_step(PyObject *given, int64_t *step_ns) {
  *step_ns = 0;
  if (given == Py_None) return 0;
  double step = PyFloat_AsDouble(given);
  if (PyErr_Occurred()) return -1;
  if (!(step > 0 && step < 9e9)) {
    PyErr_SetString(PyExc_ValueError, "the step of a series is more than 0 seconds");
    return -1;
  }
  *step_ns = (int64_t)(step * 1e9);
  if (*step_ns == 0) *step_ns = 1;
  return 0;
}

/* kept_series(stream, field, key, since, until, step, functions, fill, value) */
static PyObject *series(PyObject *module, PyObject *const *args, Py_ssize_t n) {
  (void)module;
  if (n != 9 || !PyUnicode_Check(args[0]) || !PyUnicode_Check(args[1]) ||
      !PyUnicode_Check(args[6]) || !PyUnicode_Check(args[7])) {
    PyErr_SetString(PyExc_TypeError, "the stream, field, agg and fill of a series are texts");
    return NULL;
  }
  pvm_executor *executor = pvm_task_executor("kept events");
  if (executor == NULL) return NULL;
  pvm_store *store = pvm_trigger_store(executor);
  if (store == NULL)
    return PyErr_Format(PyExc_RuntimeError, "this host keeps no events; it does with --events DIR");
  pvm_series_query query = {.stream = PyUnicode_AsUTF8(args[0]),
                            .field = PyUnicode_AsUTF8(args[1]),
                            .functions = PyUnicode_AsUTF8(args[6]),
                            .fill = PyUnicode_AsUTF8(args[7]),
                            .rows = ROWS_MAX};
  if (PyErr_Occurred()) return NULL;
  query.value = PyFloat_AsDouble(args[8]);
  if (PyErr_Occurred() || read_step(args[5], &query.step_ns) < 0) return NULL;
  if (pvm_task_time(args[3], INT64_MIN, &query.from_ns) < 0) return NULL;
  if (pvm_task_time(args[4], INT64_MAX, &query.until_ns) < 0) return NULL;
  PyObject *owner = NULL;
  store_bytes key = {NULL, 0};
  if (args[2] != Py_None) {
    if (pvm_task_key(args[2], &owner, &key) < 0) return NULL;
    query.key = key.data;
    query.key_len = key.len;
  }
  pvm_buffer rows = {0};
  char err[PVM_ERR_MAX] = "";
  int status = pvm_series_read_polled(store, &query, interrupted, &rows, err);
  Py_XDECREF(owner);
  if (status != PVM_OK) return refuse(status, err, args[0]);
  PyObject *list = in_seconds(&rows);
  pvm_buffer_free(&rows);
  return list;
}

PyMethodDef pvm_task_series[] = {{"kept_series", (PyCFunction)(void (*)(void))series, METH_FASTCALL,
                                  "kept_series(stream, field, key, since, until, step, functions, "
                                  "fill, value) -> [[time, value, "
                                  "...], ...]"},
                                 {NULL, NULL, 0, NULL}};

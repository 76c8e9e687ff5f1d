/* meter.c - calls with an account of their own, which refuse or stop where a test says.
**
** What a call leaves behind, however it ends, is seen to the byte: in ordinary Python, which counts
** for nobody, and in a VM, whose account has more in it.
*/
#include <stdatomic.h>

#include "binding.h"

typedef struct meter {
  long requests, refuse_at; /* the request that is refused, from 1; 0: none */
  long looks, stop_at;      /* the look from a kernel that stops it, likewise */
} meter;

static int admit(void *arg, size_t bytes) {
  meter *m = arg;
  (void)bytes;
  return ++m->requests != m->refuse_at;
}

static int attend(void *arg) {
  meter *m = arg;
  return ++m->looks == m->stop_at;
}

static PyObject *metered(PyObject *module, PyObject *const *args, Py_ssize_t n) {
  static const _Atomic uint32_t always = 1;
  (void)module;
  meter m = {0};
  if (n != 3) return PyErr_Format(PyExc_TypeError, "_metered(function, refuse_at, stop_at)");
  m.refuse_at = PyLong_AsLong(args[1]);
  m.stop_at = PyLong_AsLong(args[2]);
  if (PyErr_Occurred()) return NULL;
  pvt_account *account = pvt_account_new(admit, &m);
  if (account == NULL) return PyErr_NoMemory();
  pvt_context context = {account, &always, attend, &m};
  const pvt_context *before = pvt_context_set(&context);
  PyObject *result = PyObject_CallNoArgs(args[0]);
  const char *error = "";
  PyObject *type = NULL, *value = NULL, *traceback = NULL;
  if (result == NULL) PyErr_Fetch(&type, &value, &traceback);
  if (type != NULL) error = ((PyTypeObject *)type)->tp_name;
  PyObject *name = PyUnicode_FromString(error);
  size_t most = pvt_account_peak(account);
  Py_XDECREF(result);
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(traceback);
  if (pvt_account_bytes(account) != 0) PyGC_Collect();
  pvt_context_set(before);
  size_t left = pvt_account_bytes(account);
  pvt_account_close(account);
  if (name == NULL) return NULL;
  return Py_BuildValue("(nnllN)", (Py_ssize_t)left, (Py_ssize_t)most, m.requests, m.looks, name);
}

PyMethodDef np_meter_functions[] = {
    {"_metered", (PyCFunction)(void (*)(void))metered, METH_FASTCALL,
     "_metered(function, refuse_at, stop_at) -> (bytes left, most bytes, requests, looks, error)"},
    {NULL, NULL, 0, NULL},
};

/* backends.c - the backends of models, as Python sees them: which there are, where libraries lie. */
#include "binding.h"
#include "graph.h"

static PyObject *onednn_use(PyObject *module, PyObject *path) {
  PyObject *bytes;
  if (!PyUnicode_FSConverter(path, &bytes)) return NULL;
  int status = pvg_onednn_use(PyBytes_AS_STRING(bytes));
  Py_DECREF(bytes);
  if (status != PVT_OK) return np_raise(np_state_of(module), status);
  Py_RETURN_NONE;
}

/* Asking loads libraries, which may take some time. */
static PyObject *list(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  PyObject *backends = PyList_New(0);
  for (int i = 0; backends != NULL; i++) {
    const char *name, *about;
    bool available, there;
    Py_BEGIN_ALLOW_THREADS;
    there = pvg_backend_name(i, &name, &available, &about);
    Py_END_ALLOW_THREADS;
    if (!there) break;
    PyObject *item = Py_BuildValue("(sOs)", name, available ? Py_True : Py_False, about);
    if (item == NULL || PyList_Append(backends, item) < 0) Py_CLEAR(backends);
    Py_XDECREF(item);
  }
  return backends;
}

PyMethodDef np_backend_functions[] = {
    {"_onednn_use", onednn_use, METH_O, "Say where oneDNN lies; it is loaded when it is wanted."},
    {"_backends", list, METH_NOARGS, "Of each: its name, whether it can be used, what it is."},
    {NULL, NULL, 0, NULL},
};

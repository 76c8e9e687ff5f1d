/* task_module.c - `_polyvm`: assets, identity and log of the task in this VM. */
#include "task_module.h"

#include <limits.h>
#include <string.h>

#include "log.h"
#include "task_store.h"
#include "vm_state.h"

static pvm_program *current_program(void) {
  pvm_vm *vm = pvm_vm_current();
  return vm != NULL ? vm->program : NULL;
}

static const pvm_item *find_asset(PyObject *path) {
  pvm_program *program = current_program();
  const char *name = PyUnicode_AsUTF8(path);
  if (name == NULL) return NULL;
  const pvm_item *asset = program ? pvm_program_find(&program->assets, name) : NULL;
  if (asset == NULL)
    PyErr_Format(PyExc_FileNotFoundError, "task '%s' has no asset '%U'",
                 program ? program->name : "?", path);
  return asset;
}

static PyObject *get_asset(PyObject *module, PyObject *path) {
  (void)module;
  const pvm_item *asset = find_asset(path);
  if (asset == NULL) return NULL;
  return PyBytes_FromStringAndSize((const char *)asset->data, (Py_ssize_t)asset->len);
}

/* The program outlives every object of a VM that holds it, so the view needs no owner. */
static PyObject *view_asset(PyObject *module, PyObject *path) {
  (void)module;
  const pvm_item *asset = find_asset(path);
  if (asset == NULL) return NULL;
  return PyMemoryView_FromMemory((char *)asset->data, (Py_ssize_t)asset->len, PyBUF_READ);
}

static PyObject *get_task(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  pvm_program *program = current_program();
  if (program == NULL) return Py_BuildValue("(ss)", "", "");
  return Py_BuildValue("(ss)", program->name, program->version);
}

static PyObject *put_log(PyObject *module, PyObject *const *args, Py_ssize_t n) {
  (void)module;
  if (n != 3 || !PyLong_Check(args[0]) || !PyUnicode_Check(args[1]) || !PyUnicode_Check(args[2])) {
    PyErr_SetString(PyExc_TypeError, "log(level: int, logger: str, message: str)");
    return NULL;
  }
  int overflow;
  long level = PyLong_AsLongAndOverflow(args[0], &overflow);
  if (overflow != 0 || level > INT_MAX || level < INT_MIN) level = overflow < 0 ? 0 : INT_MAX;
  PyObject *logger = PyUnicode_AsEncodedString(args[1], "utf-8", "replace");
  PyObject *message = PyUnicode_AsEncodedString(args[2], "utf-8", "replace");
  if (logger != NULL && message != NULL) {
    pvm_program *program = current_program();
    pvm_log_put(PVM_LOG_LOGGING, (int)level, program ? program->name : "",
                PyBytes_AS_STRING(logger), (size_t)PyBytes_GET_SIZE(logger),
                PyBytes_AS_STRING(message), (size_t)PyBytes_GET_SIZE(message));
  }
  int failed = logger == NULL || message == NULL;
  Py_XDECREF(logger);
  Py_XDECREF(message);
  if (failed) return NULL;
  Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"asset", get_asset, METH_O, "asset(path) -> bytes of a file in the task's bundle"},
    {"asset_view", view_asset, METH_O, "asset_view(path) -> read-only memoryview, no copy"},
    {"task", get_task, METH_NOARGS, "task() -> (name, version)"},
    {"log", (PyCFunction)(void (*)(void))put_log, METH_FASTCALL, "log(level, logger, message)"},
    {NULL, NULL, 0, NULL}};

#define INTERRUPTED_DOC                                                                            \
  "Raised in a task that must stop: its deadline passed, it is over its quota, or the host "       \
  "stops.\n"                                                                                       \
  "It may be caught to clean up, for some milliseconds; raise it again."

static int exec_module(PyObject *module) {
  PyObject *interrupted =
      PyErr_NewExceptionWithDoc("polyvm.Interrupted", INTERRUPTED_DOC, PyExc_BaseException, NULL);
  if (interrupted == NULL || PyModule_Add(module, "Interrupted", interrupted) < 0) return -1;
  if (PyModule_AddFunctions(module, pvm_task_features) < 0) return -1;
  if (PyModule_AddFunctions(module, pvm_task_events) < 0) return -1;
  if (PyModule_AddFunctions(module, pvm_task_series) < 0) return -1;
  PyType_Spec *specs[] = {&pvm_importer_spec, &pvm_stream_spec};
  for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
    PyObject *type = PyType_FromModuleAndSpec(module, specs[i], NULL);
    int status = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);
    Py_XDECREF(type);
    if (status < 0) return -1;
  }
  return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, exec_module},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL}};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_polyvm", .m_size = 0,
                                 .m_methods = functions, .m_slots = slots};

PyMODINIT_FUNC PyInit__polyvm(void) {
  return PyModuleDef_Init(&definition);
}

/* importer.c - `_polyvm.Importer`: finds and loads the modules of the VM's task.
**
** It stands last on sys.meta_path, behind built-in and frozen modules, so a task cannot
** shadow the standard library.
*/
#include <string.h>

#include "task_module.h"
#include "vm_state.h"

static const pvm_item *find_module(PyObject *name) {
  pvm_vm *vm = pvm_vm_current();
  const char *utf8 = PyUnicode_AsUTF8(name);
  if (utf8 == NULL || vm == NULL || vm->program == NULL) return NULL;
  return pvm_program_find(&vm->program->modules, utf8);
}

/* "NAME/pkg/mod.py": where the module stood in the task's folder. */
static PyObject *origin_of(const pvm_item *item) {
  const char *task = pvm_vm_current()->program->name;
  PyObject *dotted = PyUnicode_FromString(item->name);
  PyObject *dot = PyUnicode_FromString("."), *slash = PyUnicode_FromString("/");
  PyObject *path = NULL, *origin = NULL;
  if (dotted != NULL && dot != NULL && slash != NULL)
    path = PyUnicode_Replace(dotted, dot, slash, -1);
  if (path != NULL)
    origin = PyUnicode_FromFormat(
        item->flags & PVM_MODULE_PACKAGE ? "%s/%U/__init__.py" : "%s/%U.py", task, path);
  Py_XDECREF(dotted);
  Py_XDECREF(dot);
  Py_XDECREF(slash);
  Py_XDECREF(path);
  return origin;
}

/* importlib.machinery.ModuleSpec(name, loader, origin=..., is_package=...) */
static PyObject *make_spec(PyObject *self, PyObject *name, const pvm_item *item) {
  PyObject *spec = NULL, *origin = origin_of(item), *kwargs = NULL, *args = NULL;
  PyObject *machinery = PyImport_ImportModule("_frozen_importlib");
  PyObject *type = machinery ? PyObject_GetAttrString(machinery, "ModuleSpec") : NULL;
  if (type == NULL || origin == NULL) goto done;
  PyObject *package = item->flags & PVM_MODULE_PACKAGE ? Py_True : Py_False;
  args = PyTuple_Pack(2, name, self);
  kwargs = Py_BuildValue("{sOsO}", "origin", origin, "is_package", package);
  if (args != NULL && kwargs != NULL) spec = PyObject_Call(type, args, kwargs);
done:
  Py_XDECREF(args);
  Py_XDECREF(kwargs);
  Py_XDECREF(origin);
  Py_XDECREF(type);
  Py_XDECREF(machinery);
  return spec;
}

static PyObject *find_spec(PyObject *self, PyObject *const *args, Py_ssize_t n) {
  if (n < 1 || !PyUnicode_Check(args[0])) {
    PyErr_SetString(PyExc_TypeError, "find_spec(name, path=None, target=None)");
    return NULL;
  }
  const pvm_item *item = find_module(args[0]);
  if (item != NULL) return make_spec(self, args[0], item);
  if (PyErr_Occurred()) return NULL;
  Py_RETURN_NONE; /* importlib then says why a well-known module is not here */
}

static PyObject *create_module(PyObject *self, PyObject *spec) {
  (void)self;
  (void)spec;
  Py_RETURN_NONE; /* the usual module object */
}

static PyObject *load_code(PyObject *name) {
  const pvm_item *item = find_module(name);
  if (item == NULL) {
    if (!PyErr_Occurred()) PyErr_Format(PyExc_ImportError, "the task has no module '%U'", name);
    return NULL;
  }
  PyObject *code = PyMarshal_ReadObjectFromString((const char *)item->data, (Py_ssize_t)item->len);
  if (code != NULL && PyCode_Check(code)) return code;
  Py_XDECREF(code);
  if (PyErr_ExceptionMatches(PyExc_MemoryError)) return NULL;
  PyErr_Clear();
  PyErr_Format(PyExc_ImportError,
               "module '%U' holds no bytecode of CPython " PY_VERSION ": pack the task anew", name);
  return NULL;
}

static PyObject *exec_module(PyObject *self, PyObject *module) {
  (void)self;
  PyObject *name = PyModule_GetNameObject(module);
  PyObject *code = name != NULL ? load_code(name) : NULL;
  PyObject *dict = PyModule_GetDict(module);
  PyObject *value = NULL;
  /* __file__ names no file; it is there for code that looks at it when it is imported */
  if (code != NULL && dict != NULL &&
      PyDict_SetItemString(dict, "__builtins__", PyEval_GetBuiltins()) == 0 &&
      PyDict_SetItemString(dict, "__file__", ((PyCodeObject *)code)->co_filename) == 0)
    value = PyEval_EvalCode(code, dict, dict);
  Py_XDECREF(name);
  Py_XDECREF(code);
  if (value == NULL) return NULL;
  Py_DECREF(value);
  Py_RETURN_NONE;
}

/* What importlib does for a module that is no package and in none, less the search: the VM knows
** where its entry point is. */
PyObject *pvm_import_entry(PyObject *importer, PyObject *modules, const char *name) {
  PyObject *text = PyUnicode_InternFromString(name), *spec = NULL, *module = NULL, *done = NULL;
  const pvm_item *item = text != NULL ? find_module(text) : NULL;
  if (item == NULL) {
    if (text != NULL && !PyErr_Occurred())
      PyErr_Format(PyExc_ModuleNotFoundError, "No module named '%U'", text);
    goto fail;
  }
  spec = make_spec(importer, text, item);
  module = spec != NULL ? PyModule_NewObject(text) : NULL;
  if (module == NULL || PyModule_AddObjectRef(module, "__spec__", spec) < 0 ||
      PyModule_AddObjectRef(module, "__loader__", importer) < 0 ||
      PyModule_AddStringConstant(module, "__package__", "") < 0 ||
      PyDict_SetItem(modules, text, module) < 0)
    goto fail;
  done = exec_module(importer, module);
  if (done == NULL) {
    PyObject *exception = PyErr_GetRaisedException();
    if (PyDict_DelItem(modules, text) < 0) PyErr_Clear();
    PyErr_SetRaisedException(exception);
    goto fail;
  }
  Py_SETREF(module, Py_XNewRef(PyDict_GetItemWithError(modules, text))); /* it may replace itself */
  Py_DECREF(done);
  Py_DECREF(spec);
  Py_DECREF(text);
  return module;
fail:
  Py_XDECREF(module);
  Py_XDECREF(spec);
  Py_XDECREF(text);
  return NULL;
}

static PyObject *get_code(PyObject *self, PyObject *name) {
  (void)self;
  return PyUnicode_Check(name) ? load_code(name)
                               : PyErr_Format(PyExc_TypeError, "name must be str");
}

static PyMethodDef methods[] = {
    {"find_spec", (PyCFunction)(void (*)(void))find_spec, METH_FASTCALL, NULL},
    {"create_module", create_module, METH_O, NULL},
    {"exec_module", exec_module, METH_O, NULL},
    {"get_code", get_code, METH_O, NULL},
    {NULL, NULL, 0, NULL}};

static PyType_Slot slots[] = {{Py_tp_methods, methods}, {0, NULL}};

PyType_Spec pvm_importer_spec = {.name = "_polyvm.Importer",
                                 .basicsize = sizeof(PyObject),
                                 .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
                                 .slots = slots};

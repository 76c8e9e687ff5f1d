/* cut.c - applies the cut: removes functions from C modules, explains what is missing. */

#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
#include "cut.h"

#include <string.h>

/*
** {==================================================================
** Functions of C modules
** ===================================================================
*/

/* Remove or replace one row of a method table that ends with a NULL name. */
static void cut_function(PyMethodDef *methods, const pvm_cut_function *cut) {
  PyMethodDef *from = methods;
  while (from->ml_name != NULL && strcmp(from->ml_name, cut->name) != 0) from++;
  if (from->ml_name == NULL) return; /* this build has no such function */
  if (cut->refuse != NULL) {
    from->ml_meth = (PyCFunction)(void (*)(void))cut->refuse;
    from->ml_flags = METH_VARARGS | METH_KEYWORDS;
    return;
  }
  do {
    from[0] = from[1];
  } while ((from++)->ml_name != NULL);
}

static int cut_module(PyModuleDef *def, const pvm_cut_module *module) {
  if (def == NULL || def->m_methods == NULL) return -1;
  for (const pvm_cut_function *cut = module->functions; cut->name != NULL; cut++)
    cut_function(def->m_methods, cut);
  return 0;
}

/* A multi-phase module's init function does no more than return its definition. */
static PyModuleDef *module_def(PyObject *(*init)(void)) {
  PyObject *def = init();
  if (def == NULL || !PyObject_TypeCheck(def, &PyModuleDef_Type)) return NULL;
  return (PyModuleDef *)def;
}

int pvm_inittab_filter(void) {
  for (const pvm_cut_module *module = pvm_cut_modules; module->name != NULL; module++) {
    if (module->init != NULL && cut_module(module_def(module->init), module) < 0) return -1;
  }
  return 0;
}

int pvm_sys_filter(void) {
  for (const pvm_cut_module *module = pvm_cut_modules; module->name != NULL; module++) {
    if (module->init != NULL) continue;
    PyObject *sys = PyImport_ImportModule(module->name);
    int status = sys != NULL ? cut_module(PyModule_GetDef(sys), module) : -1;
    Py_XDECREF(sys);
    if (status < 0) return -1;
  }
  return 0;
}

PyObject *pvm_refuse(const char *function, const char *reason) {
  PyErr_Format(PyExc_RuntimeError, "%s() is not available in a VM: %s", function, reason);
  return NULL;
}

/* }================================================================== */

/*
** {==================================================================
** Explanations
** ===================================================================
*/

static const pvm_dropped *dropped_find(const char *name, size_t len) {
  size_t low = 0, high = pvm_dropped_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const char *candidate = pvm_dropped_modules[middle].name;
    int order = strncmp(candidate, name, len);
    if (order == 0 && candidate[len] != '\0') order = 1;
    if (order == 0) return &pvm_dropped_modules[middle];
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return NULL;
}

const char *pvm_dropped_reason(const char *module) {
  size_t len = strlen(module);
  while (len > 0) {
    const pvm_dropped *found = dropped_find(module, len);
    if (found != NULL) return found->reason;
    do {
      len--;
    } while (len > 0 && module[len] != '.');
  }
  return NULL;
}

const char *pvm_dropped_function(const char *module, const char *function) {
  for (const pvm_cut_module *cut = pvm_cut_modules; cut->name != NULL; cut++) {
    if (strcmp(cut->name, module) != 0) continue;
    for (const pvm_cut_function *f = cut->functions; f->name != NULL; f++)
      if (strcmp(f->name, function) == 0) return cut->reason;
  }
  return NULL;
}

/* reason(module) -> str | None */
static PyObject *cut_reason(PyObject *self, PyObject *name) {
  const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : "";
  (void)self;
  if (text == NULL) return NULL;
  text = pvm_dropped_reason(text);
  if (text == NULL) Py_RETURN_NONE;
  return PyUnicode_FromString(text);
}

/* function_reason(module, function) -> str | None */
static PyObject *cut_function_reason(PyObject *self, PyObject *args) {
  const char *module, *function;
  (void)self;
  if (!PyArg_ParseTuple(args, "ss", &module, &function)) return NULL;
  const char *text = pvm_dropped_function(module, function);
  if (text == NULL) Py_RETURN_NONE;
  return PyUnicode_FromString(text);
}

static PyMethodDef cut_methods[] = {
    {"reason", cut_reason, METH_O, NULL},
    {"function_reason", cut_function_reason, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot cut_slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef cut_def = {PyModuleDef_HEAD_INIT, .m_name = "_cut", .m_methods = cut_methods,
                              .m_slots = cut_slots};

PyObject *PyInit__cut(void) {
  return PyModuleDef_Init(&cut_def);
}

/* }================================================================== */

/* task_module.h - `_polyvm`, the C module through which a task meets the library. */
#ifndef PVM_TASK_MODULE_H
#define PVM_TASK_MODULE_H

#include "python.h"

PyMODINIT_FUNC PyInit__polyvm(void);

/* Pass on what a Stream holds of an unfinished line. */
void pvm_stream_flush(PyObject *stream);

/* Import the task's module `name`, which is no package and in none. A new reference, or NULL
** with an exception and `modules` as before. modules: the VM's sys.modules. */
PyObject *pvm_import_entry(PyObject *importer, PyObject *modules, const char *name);

/* The type of the object on sys.meta_path that finds a task's modules; see importer.c. */
extern PyType_Spec pvm_importer_spec;
extern PyType_Spec pvm_stream_spec;

#endif

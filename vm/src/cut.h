/* cut.h - what a VM has of the standard library, as the freezer generated it.
**
** The tables are defined by the files that stdlib_trimmed/freeze.py writes: frozen.c,
** inittab.c and dropped.c. cut.c holds the code that applies them.
*/
#ifndef PVM_CUT_H
#define PVM_CUT_H

#include <stddef.h>

#ifndef Py_PYTHON_H
#include "Python.h"
#endif

/* One function of a C module that goes (refuse == NULL) or is replaced by `refuse`. */
typedef struct pvm_cut_function {
  const char *name;
  PyCFunctionWithKeywords refuse;
} pvm_cut_function;

/* One C module with functions cut; init == NULL stands for sys, which has none. */
typedef struct pvm_cut_module {
  const char *name;
  PyObject *(*init)(void);
  const char *reason;
  const pvm_cut_function *functions; /* ends with {NULL, NULL} */
} pvm_cut_module;

typedef struct pvm_dropped {
  const char *name; /* sorted by strcmp */
  const char *reason;
} pvm_dropped;

extern const pvm_cut_module pvm_cut_modules[]; /* ends with a NULL name */
extern const pvm_dropped pvm_dropped_modules[];
extern const size_t pvm_dropped_count;
extern const unsigned pvm_builtin_count; /* C modules linked in */
extern const unsigned pvm_frozen_count;  /* Python modules frozen in */
extern const size_t pvm_frozen_bytes;    /* size of their bytecode */
extern const char pvm_module_names[];    /* of both kinds, sorted, one a line */

/* Cut the functions of every C module but sys. Once, before Py_Initialize: the method
** tables are static data that later interpreters copy from. 0, or -1 when a module
** does not have the shape that the cut needs (no exception is set then). */
int pvm_inittab_filter(void);

/* Cut the functions of sys. Once, with the main interpreter current and before any
** other is made: the main one, which runs no task, keeps them. 0 or -1. */
int pvm_sys_filter(void);

/* Why a module is not there, as a sentence; NULL for a name that was never known.
** Looks for "a.b.c", then "a.b", then "a". */
const char *pvm_dropped_reason(const char *module);

/* Why an attribute of a C module is not there; NULL if it was not cut. */
const char *pvm_dropped_function(const char *module, const char *function);

/* Raise RuntimeError for a refused function; returns NULL. */
PyObject *pvm_refuse(const char *function, const char *reason);

/* Builtin module `_cut`, which frozen Python code asks for the texts above. */
PyObject *PyInit__cut(void);

#endif

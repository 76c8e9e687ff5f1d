/* strip.h - toolchain flavour: bytecode without docstrings and line numbers. */
#ifndef PVM_STRIP_H
#define PVM_STRIP_H

#include "python.h"

struct _mod;

/* Take the docstrings out of a module's syntax tree, in place. A body that was nothing but
** a docstring becomes `pass`. */
void pvm_strip_docstrings(struct _mod *module);
/* A copy of a code object, and of those nested in it, that knows of no lines: its line table
** has the length that CPython expects and says "none". NULL with an exception. */
PyObject *pvm_strip_lines(PyObject *code);

#endif

/* traceback.h - exceptions as text, without Python code and without sources. */
#ifndef PVM_TRACEBACK_H
#define PVM_TRACEBACK_H

#include "../include/vm.h"
#include "python.h"

/* The text that Python prints for an uncaught exception, causes and notes included,
** source lines left out (tasks ship without sources). Leaves no exception set. `out` is
** malloc's; empty when memory is out. */
void pvm_traceback(PyObject *exception, pvm_buffer *out);
/* Only the last line, "Type: message", into err[PVM_ERR_MAX]; takes the exception that is
** set and clears it. err may be NULL. */
void pvm_take_error(char *err);

/* Write the calling thread's Python stack; async-signal-safe, so it tells little. */
void pvm_traceback_dump(int fd);

#endif

/* task_store.h - what tasks reach of the host's store: tables of features, events. */
#ifndef PVM_TASK_STORE_H
#define PVM_TASK_STORE_H

#include "executor.h"
#include "store.h"
#include "vm_state.h"

/* The functions of `_polyvm`; they end with a NULL name. */
extern PyMethodDef pvm_task_features[];
extern PyMethodDef pvm_task_events[];
extern PyMethodDef pvm_task_series[];

/* The executor that runs the task in this VM. NULL with RuntimeError, in which `what` is what it would
** have been asked for. */
pvm_executor *pvm_task_executor(const char *what);
/* The bytes of a key: text, bytes, or an int, which counts as its digits. *owner is a new reference, which
** keeps them. 0, or -1 with an exception. */
int pvm_task_key(PyObject *key, PyObject **owner, store_bytes *bytes);
/* Seconds since the epoch as nanoseconds; None: `otherwise`. 0, or -1 with an exception. */
int pvm_task_time(PyObject *seconds, int64_t otherwise, int64_t *ns);
/* Raise what a pvm_status stands for, with `err` as its sentence; returns NULL. */
PyObject *pvm_task_refuse(int status, const char *err);

#endif

/* python.h - the one place that includes CPython's headers.
**
** The runtime is linked from the private CPython's own objects, so it may use its
** internal interfaces; which ones is for each file to say.
*/
#ifndef PVM_PYTHON_H
#define PVM_PYTHON_H

#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <marshal.h>

#include "internal/pycore_ceval.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_import.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_object.h"
#include "internal/pycore_pyhash.h"
#include "internal/pycore_pystate.h"
#include "internal/pycore_runtime.h"
#include "internal/pycore_traceback.h"

#endif

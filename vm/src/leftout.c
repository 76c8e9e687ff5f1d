/* leftout.c - what is linked in place of CPython parts that a library never runs.
**
** The command line (main, getopt), the search for a standard library on disk
** (getpath), loading of shared-object extensions (dynload), faulthandler and the perf
** trampolines. As with nocompiler.c, defining the symbols here keeps the archive's
** members from being linked. Both flavours are linked with this file.
*/
#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
#include "Python.h"

#include "pycore_ceval.h"
#include "pycore_faulthandler.h"
#include "pycore_getopt.h"
#include "pycore_importdl.h"
#include "pycore_initconfig.h"
#include "pycore_pathconfig.h"
#include "pycore_unicodeobject.h"

/*
** {==================================================================
** Paths: everything is frozen in, so every path is empty
** ===================================================================
*/

/* Contract of the original: fill what the caller left unset. The module search path
** becomes an empty list, the rest empty strings; no file is looked at. */
PyStatus _PyConfig_InitPathConfig(PyConfig *config, int compute_path_config) {
  wchar_t **unset[] = {&config->prefix,           &config->exec_prefix, &config->base_prefix,
                       &config->base_exec_prefix, &config->executable,  &config->base_executable,
                       &config->platlibdir};
  if (!compute_path_config) return _PyStatus_OK();
  for (size_t i = 0; i < sizeof(unset) / sizeof(*unset); i++) {
    if (*unset[i] != NULL) continue;
    PyStatus status = PyConfig_SetString(config, unset[i], L"");
    if (PyStatus_Exception(status)) return status;
  }
  config->module_search_paths_set = 1;
  return _PyStatus_OK();
}

/* }================================================================== */

/*
** {==================================================================
** Command line: never parsed (PyConfig.parse_argv = 0)
** ===================================================================
*/

int _PyOS_opterr = 0;
Py_ssize_t _PyOS_optind = 1;
const wchar_t *_PyOS_optarg = NULL;

void _PyOS_ResetGetOpt(void) {
  _PyOS_optind = 1;
}

/* -1: no more options. */
int _PyOS_GetOpt(Py_ssize_t argc, wchar_t *const *argv, int *longindex) {
  (void)argc, (void)argv, (void)longindex;
  return -1;
}

/* }================================================================== */

/*
** {==================================================================
** Shared-object extensions: they would bind to the host's CPython
** ===================================================================
*/

const char *_PyImport_DynLoadFiletab[] = {NULL};

dl_funcptr _PyImport_FindSharedFuncptr(const char *prefix, const char *shortname,
                                       const char *pathname, FILE *fp) {
  (void)prefix, (void)fp;
  PyErr_Format(PyExc_ImportError,
               "%.200s (%.200s) is an extension for ordinary Python and cannot load in a VM",
               shortname, pathname);
  return NULL;
}

/* }================================================================== */

/*
** {==================================================================
** Process-wide debugging aids
** ===================================================================
*/

PyStatus _PyFaulthandler_Init(int enable) {
  if (enable) return _PyStatus_ERR("faulthandler is not available in the VM library");
  return _PyStatus_OK();
}

void _PyFaulthandler_Fini(void) {
}

_PyPerf_Callbacks _Py_perfmap_callbacks = {NULL, NULL, NULL};
_PyPerf_Callbacks _Py_perfmap_jit_callbacks = {NULL, NULL, NULL};

int _PyPerfTrampoline_SetCallbacks(_PyPerf_Callbacks *callbacks) {
  (void)callbacks;
  PyErr_SetString(PyExc_RuntimeError, "perf trampolines are not available in a VM");
  return -1;
}

void _PyPerfTrampoline_GetCallbacks(_PyPerf_Callbacks *callbacks) {
  memset(callbacks, 0, sizeof(*callbacks));
}

int _PyPerfTrampoline_Init(int activate) {
  (void)activate;
  return 0;
}

int _PyPerfTrampoline_Fini(void) {
  return 0;
}

int _PyIsPerfTrampolineActive(void) {
  return 0;
}

PyStatus _PyPerfTrampoline_AfterFork_Child(void) {
  return _PyStatus_OK();
}

/* }================================================================== */

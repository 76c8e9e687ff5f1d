/* runtime.c - see runtime.h. */
#include "runtime.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "confine.h"
#include "crash.h"
#include "cut.h"
#include "ladder.h"
#include "landlock.h"
#include "log.h"
#include "memory.h"
#include "python.h"
#include "traceback.h"

#if !defined(PVM_BUILD_VARIANT) || !defined(PVM_BYTECODE_MAGIC)
#error "vm/build.py passes both, from sdk.json"
#endif

static struct {
  pthread_mutex_t lock;
  _Atomic int started;
  int broken; /* what the only attempt to start ended with, if it failed */
  _Atomic int forked;
} runtime = {.lock = PTHREAD_MUTEX_INITIALIZER};

const char *pvm_strerror(int status) {
  switch (status) {
  case PVM_OK: return "no error";
  case PVM_E_NOMEM: return "memory could not be had";
  case PVM_E_INVALID: return "an argument is out of its range";
  case PVM_E_STATE: return "not possible in this state";
  case PVM_E_THREAD: return "the VM belongs to another thread";
  case PVM_E_FORKED:
    return "this process was forked after the runtime had started: VMs cannot be used in it";
  case PVM_E_PYTHON: return "CPython refused";
  case PVM_E_ENTRY: return "the entry point is missing or not callable";
  case PVM_E_DECODE: return "the payload is not the MessagePack that VMs accept";
  case PVM_E_FULL: return "the queue is full";
  case PVM_E_UNKNOWN: return "no such task";
  case PVM_E_COMPILE: return "the source text does not compile";
  case PVM_E_OS: return "a system call failed";
  case PVM_E_BREAKER: return "the task's circuit breaker is open";
  case PVM_E_STORE: return "the event store did not take it: is the disk full?";
  case PVM_E_RATE: return "more invocations than the task's rate allows";
  case PVM_E_BYTECODE: return "the bytecode is damaged or of another compiler";
  default: return "unknown status";
  }
}

const char *pvm_outcome_name(int outcome) {
  static const char *const names[] = {"done",    "failed",    "timed_out", "over_quota",
                                      "crashed", "cancelled", "rejected"};
  return outcome >= PVM_DONE && outcome <= PVM_REJECTED ? names[outcome] : NULL;
}

void pvm_buffer_free(pvm_buffer *buffer) {
  if (buffer == NULL) return;
  free(buffer->data);
  pvm_held_free(buffer->held);
  *buffer = (pvm_buffer){NULL, 0, NULL};
}

void pvm_buffer_text(pvm_buffer *buffer, const char *text) {
  size_t len = strlen(text);
  pvm_buffer_free(buffer);
  buffer->data = malloc(len ? len : 1);
  if (buffer->data == NULL) return;
  memcpy(buffer->data, text, len);
  buffer->len = len;
}

int pvm_runtime_info(pvm_info *info) {
  if (info == NULL) return PVM_E_INVALID;
  memset(info, 0, sizeof *info);
  info->abi_version = PVM_ABI_VERSION;
#ifdef Py_GIL_DISABLED
  info->flavour = "free-threaded";
#else
  info->flavour = "isolated";
#endif
  info->release = PY_VERSION;
  info->compiler = Py_GetCompiler() + (Py_GetCompiler()[0] == '\n');
  info->build = PVM_BUILD_VARIANT;
#ifdef PVM_TOOLCHAIN
  info->has_compiler = 1;
#endif
  info->bytecode_magic = PVM_BYTECODE_MAGIC;
  info->builtin_modules = pvm_builtin_count;
  info->frozen_modules = pvm_frozen_count;
  info->frozen_bytes = pvm_frozen_bytes;
  info->landlock_abi = pvm_landlock_abi();
  info->has_seccomp = pvm_has_seccomp();
  return PVM_OK;
}

const char *pvm_runtime_modules(void) {
  return pvm_module_names;
}

int pvm_runtime_forked(void) {
  return atomic_load_explicit(&runtime.forked, memory_order_relaxed);
}

int pvm_runtime_check(void) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  return atomic_load_explicit(&runtime.started, memory_order_acquire) ? PVM_OK : PVM_E_STATE;
}

static void after_fork_in_child(void) {
  atomic_store(&runtime.forked, 1);
}

static int refuse(char *err, const PyStatus *status) {
  if (err)
    snprintf(err, PVM_ERR_MAX, "CPython did not start: %s%s%s", status->func ? status->func : "",
             status->func ? ": " : "", status->err_msg ? status->err_msg : "no reason given");
  return PVM_E_PYTHON;
}

/* Import the C modules with static types in the main interpreter. The first import of such
** a module sets up parts of its types that all interpreters share; were that done in a VM,
** they would die with the VM's memory. */
static int import_static_modules(char *err) {
  static const char *const names[] = {"_datetime"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    PyObject *module = PyImport_ImportModule(names[i]);
    if (module == NULL) {
      pvm_take_error(err);
      return PVM_E_PYTHON;
    }
    Py_DECREF(module);
  }
  return PVM_OK;
}

/* The isolated configurations read neither the environment nor files, and leave the host's
** locale, signal handlers and C streams alone. */
static int start_python(char *err) {
  PyPreConfig preconfig;
  PyPreConfig_InitIsolatedConfig(&preconfig);
  preconfig.configure_locale = 0;
  preconfig.utf8_mode = 1;
  PyStatus status = Py_PreInitialize(&preconfig);
  if (PyStatus_Exception(status)) return refuse(err, &status);
  PyConfig config;
  PyConfig_InitIsolatedConfig(&config);
  config.site_import = 0;
  config.install_signal_handlers = 0;
  config.pathconfig_warnings = 0;
  config.write_bytecode = 0;
  config.use_frozen_modules = 1;
  config.module_search_paths_set = 1; /* and empty: nothing is ever imported from files */
  wchar_t **const paths[] = {
      &config.program_name, &config.executable,       &config.base_executable,
      &config.prefix,       &config.base_prefix,      &config.exec_prefix,
      &config.home,         &config.base_exec_prefix, &config.stdlib_dir,
      &config.platlibdir};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    status = PyConfig_SetString(&config, paths[i], L"");
    if (PyStatus_Exception(status)) goto done;
  }
  status = Py_InitializeFromConfig(&config);
done:
  PyConfig_Clear(&config);
  if (PyStatus_Exception(status)) return refuse(err, &status);
  int result = import_static_modules(err);
  if (result == PVM_OK && pvm_sys_filter() != 0) {
    pvm_take_error(err);
    result = PVM_E_PYTHON;
  }
  PyEval_SaveThread(); /* the main interpreter runs nothing more */
  return result;
}

int pvm_runtime_start(char *err) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (atomic_load_explicit(&runtime.started, memory_order_acquire)) return PVM_OK;
  pthread_mutex_lock(&runtime.lock);
  int status = runtime.broken;
  if (status != PVM_OK) {
    if (err) snprintf(err, PVM_ERR_MAX, "CPython did not start before and cannot be started again");
  } else if (!atomic_load(&runtime.started)) {
    tzset(); /* VMs that import time side by side would each set up the C library's zone */
    pvm_memory_install();
    if (pvm_inittab_filter() != 0) {
      if (err) snprintf(err, PVM_ERR_MAX, "the C modules' function tables do not fit this release");
      status = PVM_E_PYTHON;
    }
    if (status == PVM_OK) status = pvm_log_init();
    if (status == PVM_OK) status = pvm_ladder_signal_install();
    if (status == PVM_OK) status = start_python(err);
    if (status == PVM_OK && pthread_atfork(NULL, NULL, after_fork_in_child) != 0) {
      if (err) snprintf(err, PVM_ERR_MAX, "pthread_atfork failed");
      status = PVM_E_OS;
    }
    if (status == PVM_OK) atomic_store_explicit(&runtime.started, 1, memory_order_release);
    else runtime.broken = status;
  }
  pthread_mutex_unlock(&runtime.lock);
  return status;
}

int pvm_crash_report(const char *report, char *err) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  return pvm_crash_install(report, pvm_traceback_dump, err);
}

/* vm.c - one VM: an own-GIL subinterpreter on the thread that made it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "park.h"
#include "runtime.h"
#include "task_module.h"
#include "thread.h"
#include "trace.h"
#include "traceback.h"
#include "vm_state.h"

/* CPython's set-up and finalisation of interpreters are not safe against each other in
** every release, so they are serialised. Pools hide the wait. */
static pthread_mutex_t lifecycle = PTHREAD_MUTEX_INITIALIZER;

static _Atomic uint64_t last_id;

pvm_vm *pvm_vm_current(void) {
  return (pvm_vm *)pvm_memory_current();
}

void pvm_vm_leave(void) {
  pvm_vm *vm = pvm_vm_current();
  if (vm == NULL) return;
  if (vm->tstate != NULL) PyEval_SaveThread();
  pvt_context_set(NULL);
  pvm_memory_enter(NULL);
}

void pvm_vm_enter(pvm_vm *vm) {
  if (pvm_vm_current() == vm) return;
  pvm_vm_leave();
  pvm_memory_enter(&vm->memory);
  pvt_context_set(&vm->arrays);
  if (vm->tstate != NULL) PyEval_RestoreThread(vm->tstate);
}

/* An engine kernel looks up from its work. What stops the run is pending as an exception, which
** the binding lets out. */
static int attend(void *arg) {
  pvm_vm *vm = arg;
  uint32_t what = atomic_exchange(&vm->attention, 0);
  if (what & PVM_ATTENTION_PAUSE && vm->runner != NULL) pvm_thread_pause(vm->runner);
  return (what & PVM_ATTENTION_STOP) != 0;
}

static void open_account(pvm_vm *vm) {
  vm->memory.arrays = pvt_account_new(pvm_memory_admit, &vm->memory);
  vm->arrays = (pvt_context){vm->memory.arrays, &vm->attention, attend, vm};
  pvt_context_set(&vm->arrays);
}

/* Arrays that others share stay, and are charged to nobody's limit any more. */
static void close_account(pvm_vm *vm) {
  pvt_context_set(NULL);
  pvt_account_close(vm->memory.arrays);
  vm->memory.arrays = NULL;
  vm->arrays = (pvt_context){NULL, NULL, NULL, NULL};
}

pvm_vm *pvm_vm_new(void) {
  pvm_vm *vm = calloc(1, sizeof *vm);
  if (vm == NULL) return NULL;
  vm->thread = pthread_self();
  vm->id = atomic_fetch_add(&last_id, 1) + 1;
  return vm;
}

/* ---- Begin -------------------------------------------------------------- */

/* What the interpreter looks like to a task: its own streams, an importer for the task's
** modules behind those that are linked in, no way to files. */
static int furnish(pvm_vm *vm) {
  int status = -1;
  PyObject *task = PyImport_ImportModule("_polyvm");
  PyObject *importer = task != NULL ? PyObject_CallMethod(task, "Importer", NULL) : NULL;
  PyObject *meta_path = PySys_GetObject("meta_path");
  if (importer == NULL || meta_path == NULL || !PyList_Check(meta_path)) goto done;
  if (PyList_Append(meta_path, importer) < 0) goto done;
  static const char *const names[2][2] = {{"stdout", "__stdout__"}, {"stderr", "__stderr__"}};
  for (int i = 0; i < 2; i++) {
    vm->streams[i] = PyObject_CallMethod(task, "Stream", "i", i);
    if (vm->streams[i] == NULL || PySys_SetObject(names[i][0], vm->streams[i]) < 0 ||
        PySys_SetObject(names[i][1], vm->streams[i]) < 0)
      goto done;
  }
  if (PySys_SetObject("stdin", Py_None) < 0 || PySys_SetObject("__stdin__", Py_None) < 0) goto done;
  vm->interrupted = PyObject_GetAttrString(task, "Interrupted");
  if (vm->interrupted == NULL) goto done;
  _Py_SetImmortal(vm->interrupted); /* other threads name it without counting */
  vm->modules = Py_XNewRef(PySys_GetObject("modules"));
  vm->importer = Py_NewRef(importer);
  status = vm->modules != NULL && PyDict_Check(vm->modules) ? 0 : -1;
done:
  Py_XDECREF(importer);
  Py_XDECREF(task);
  return status;
}

/* CPython 3.13 counts nested C calls up to a fixed limit, whatever stack there is. The
** hungriest of them (list.sort with a comparison in Python) takes under 10 KB a level. */
static int c_calls_that_fit(void) {
  pthread_attr_t attributes;
  void *lowest = NULL;
  size_t size = 0, left = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return Py_C_RECURSION_LIMIT;
  pthread_attr_getstack(&attributes, &lowest, &size);
  pthread_attr_destroy(&attributes);
  char here;
  if ((uintptr_t)&here > (uintptr_t)lowest) left = (uintptr_t)&here - (uintptr_t)lowest;
  size_t fit = left / 12288;
  return fit < Py_C_RECURSION_LIMIT ? (int)fit : Py_C_RECURSION_LIMIT;
}

int pvm_vm_begin(pvm_vm *vm, char *err) {
  static const PyInterpreterConfig config = {
      .use_main_obmalloc = 0,
      .allow_fork = 0,
      .allow_exec = 0,
      .allow_threads = 0,
      .allow_daemon_threads = 0,
      .check_multi_interp_extensions = 1,
      .gil = PyInterpreterConfig_OWN_GIL,
  };
  uint64_t started = pvm_now();
  pvm_vm_leave();
  pvm_memory_enter(&vm->memory);
  open_account(vm);
  pthread_mutex_lock(&lifecycle);
  PyThreadState *tstate = NULL;
  PyStatus status = Py_NewInterpreterFromConfig(&tstate, &config);
  pthread_mutex_unlock(&lifecycle);
  if (PyStatus_Exception(status) || tstate == NULL) {
    close_account(vm);
    pvm_memory_enter(NULL);
    pvm_memory_release(&vm->memory);
    if (err)
      snprintf(err, PVM_ERR_MAX, "CPython made no interpreter: %s",
               status.err_msg ? status.err_msg : "no reason given");
    return PVM_E_PYTHON;
  }
  vm->tstate = tstate;
  tstate->c_recursion_remaining = c_calls_that_fit();
  if (furnish(vm) < 0) {
    pvm_take_error(err);
    pvm_vm_end(vm);
    return PVM_E_PYTHON;
  }
  vm->create_ns = pvm_now() - started;
  return PVM_OK;
}

/* ---- End ---------------------------------------------------------------- */

/* A task may have replaced or emptied what CPython's finalisation relies on. */
static void restore_for_end(pvm_vm *vm) {
  PyErr_Clear();
  vm->tstate->interp->gc.debug = 0; /* would print on the host's stderr */
  PyEval_SetTrace(NULL, NULL);
  PyEval_SetProfile(NULL, NULL);
  if (vm->modules != NULL && PySys_SetObject("modules", vm->modules) < 0) PyErr_Clear();
  PyObject *atexit = PyImport_ImportModule("atexit");
  PyObject *cleared = atexit != NULL ? PyObject_CallMethod(atexit, "_clear", NULL) : NULL;
  Py_XDECREF(cleared);
  Py_XDECREF(atexit);
  PyErr_Clear();
}

static void flush_streams(pvm_vm *vm) {
  for (int i = 0; i < 2; i++)
    if (vm->streams[i] != NULL) pvm_stream_flush(vm->streams[i]);
}

/* Empty the task's modules, so that what they hold ends now, outside the lifecycle lock. */
static void drop_modules(pvm_vm *vm) {
  if (vm->program == NULL || vm->modules == NULL) return;
  for (size_t i = 0; i < vm->program->modules.count; i++) {
    const char *name = vm->program->modules.items[i].name;
    PyObject *module = PyMapping_GetItemString(vm->modules, name);
    PyErr_Clear();
    if (module == NULL) continue;
    if (PyDict_DelItemString(vm->modules, name) < 0) PyErr_Clear();
    if (PyModule_Check(module)) PyDict_Clear(PyModule_GetDict(module));
    Py_DECREF(module);
  }
}

void pvm_vm_unload(pvm_vm *vm) {
  if (vm->tstate == NULL) return;
  pvm_vm_enter(vm);
  restore_for_end(vm);
  Py_CLEAR(vm->entry);
  Py_CLEAR(vm->importer);
  pvm_codec_clear(&vm->codec);
  drop_modules(vm);
  PyGC_Enable();
  PyGC_Collect();
  PyErr_Clear();
  restore_for_end(vm); /* a __del__ may have undone it */
  flush_streams(vm);
  for (int i = 0; i < 2; i++) Py_CLEAR(vm->streams[i]);
  Py_CLEAR(vm->modules);
}

void pvm_vm_end(pvm_vm *vm) {
  if (vm->tstate != NULL) {
    pvm_vm_unload(vm);
    pthread_mutex_lock(&lifecycle);
    Py_EndInterpreter(vm->tstate);
    pthread_mutex_unlock(&lifecycle);
    vm->tstate = NULL;
  }
  close_account(vm);
  pvm_memory_enter(NULL);
  vm->interrupted = NULL;
  pvm_memory_release(&vm->memory);
  pvm_program_release(vm->program);
  vm->program = NULL;
}

void pvm_vm_delete(pvm_vm *vm) {
  if (vm == NULL) return;
  pvm_vm_end(vm);
  free(vm);
}

/* ---- Load and call ------------------------------------------------------ */

static void take_traceback(pvm_buffer *error) {
  PyObject *exception = PyErr_GetRaisedException();
  if (exception == NULL) return;
  _PyThreadState_SetDoom(PyThreadState_Get(), NULL); /* or its text could not be had */
  if (error != NULL) pvm_traceback(exception, error);
  Py_DECREF(exception);
}

static int find_entry(pvm_vm *vm, pvm_buffer *error, char *err) {
  pvm_program *program = vm->program;
  const pvm_item *item = pvm_program_find(&program->modules, program->module);
  int plain = strchr(program->module, '.') == NULL && !(item->flags & PVM_MODULE_PACKAGE);
  PyObject *module = plain ? pvm_import_entry(vm->importer, vm->modules, program->module)
                           : PyImport_ImportModule(program->module);
  if (module == NULL) {
    take_traceback(error);
    if (err)
      snprintf(err, PVM_ERR_MAX, "%s: module '%s' cannot be imported", program->name,
               program->module);
    return PVM_E_PYTHON;
  }
  vm->entry = PyObject_GetAttrString(module, program->function);
  Py_DECREF(module);
  if (vm->entry != NULL && PyCallable_Check(vm->entry)) return PVM_OK;
  PyErr_Clear();
  Py_CLEAR(vm->entry);
  if (err)
    snprintf(err, PVM_ERR_MAX, "%s: module '%s' has no function '%s'", program->name,
             program->module, program->function);
  return PVM_E_ENTRY;
}

int pvm_vm_bind(pvm_vm *vm, pvm_program *program, pvm_buffer *error, char *err) {
  if (vm->tstate == NULL || vm->program != NULL) return PVM_E_STATE;
  pvm_vm_enter(vm);
  vm->program = pvm_program_retain(program);
  int status = find_entry(vm, error, err);
  flush_streams(vm);
  return status;
}

/* Of the invocation that a worker's thread runs in the VM; NULL: none is traced. */
static pvm_trace_marks *trace_of(const pvm_vm *vm) {
  const pvm_invocation *invocation = vm->runner != NULL ? vm->runner->run.invocation : NULL;
  return invocation != NULL ? invocation->trace : NULL;
}

int pvm_vm_run(pvm_vm *vm, const void *payload, size_t len, pvm_buffer *result, char *err) {
  if (vm->entry == NULL) return PVM_E_STATE;
  pvm_trace_marks *trace = trace_of(vm);
  pvm_vm_enter(vm);
  vm->calls++;
  PyObject *argument = pvm_decode(&vm->codec, payload, len);
  if (argument == NULL) {
    pvm_take_error(err);
    return PVM_E_DECODE;
  }
  pvm_trace_mark(trace, PVM_STAGE_DECODED);
  PyObject *value = PyObject_CallOneArg(vm->entry, argument);
  pvm_trace_mark(trace, PVM_STAGE_RETURNED);
  Py_DECREF(argument);
  int encoded = value != NULL ? pvm_encode(value, result) : -1;
  Py_XDECREF(value);
  if (encoded < 0) take_traceback(result);
  pvm_trace_mark(trace, PVM_STAGE_ENCODED);
  flush_streams(vm);
  return encoded < 0 ? PVM_FAILED : PVM_DONE;
}

/* What PyThreadState_SetAsyncExc does, without the GIL that a stuck task never gives back.
** The types are immortal, so no count is at stake. */
static void raise_soon(pvm_vm *vm, PyObject *type) {
  PyThreadState *tstate = vm->tstate;
  if (tstate == NULL || type == NULL) return;
  _Py_atomic_exchange_ptr(&tstate->async_exc, type);
  _Py_set_eval_breaker_bit(tstate, _PY_ASYNC_EXCEPTION_BIT);
}

void pvm_vm_interrupt(pvm_vm *vm, int doom) {
  raise_soon(vm, vm->interrupted);
  atomic_fetch_or(&vm->attention, PVM_ATTENTION_STOP); /* after the exception is there */
  if (doom && vm->tstate != NULL && vm->interrupted != NULL)
    _PyThreadState_SetDoom(vm->tstate, vm->interrupted);
}

static int pause_here(void *thread) {
  pvm_thread_pause(thread);
  return 0;
}

void pvm_vm_ask_pause(pvm_vm *vm) {
  atomic_fetch_or(&vm->attention, PVM_ATTENTION_PAUSE);
  /* full: then it is asked again */
  if (vm->tstate != NULL && vm->runner != NULL)
    (void)_PyEval_AddPendingCall(vm->tstate->interp, pause_here, vm->runner, 0);
}

void pvm_vm_raise_memory_error(pvm_vm *vm) {
  raise_soon(vm, PyExc_MemoryError);
}

void pvm_vm_calm(pvm_vm *vm) {
  atomic_store(&vm->attention, 0);
  if (vm->tstate != NULL) _PyThreadState_SetDoom(vm->tstate, NULL);
}

/* ---- The public functions ----------------------------------------------- */

static int check(pvm_vm *vm) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (vm == NULL) return PVM_E_INVALID;
  return pthread_equal(vm->thread, pthread_self()) ? PVM_OK : PVM_E_THREAD;
}

int pvm_vm_create(pvm_vm **out, char *err) {
  int status = pvm_runtime_start(err);
  if (status != PVM_OK) return status;
  if (out == NULL) return PVM_E_INVALID;
  *out = NULL;
  pvm_vm *vm = pvm_vm_new();
  if (vm == NULL) return PVM_E_NOMEM;
  status = pvm_vm_begin(vm, err);
  pvm_vm_leave();
  if (status != PVM_OK) pvm_vm_delete(vm);
  else *out = vm;
  return status;
}

int pvm_vm_load(pvm_vm *vm, pvm_program *program, pvm_buffer *error, char *err) {
  int status = check(vm);
  if (status != PVM_OK) return status;
  if (program == NULL || !program->finished) return PVM_E_INVALID;
  if (error != NULL) *error = (pvm_buffer){NULL, 0, NULL};
  status = pvm_vm_bind(vm, program, error, err);
  pvm_vm_leave();
  return status;
}

int pvm_vm_call(pvm_vm *vm, const void *payload, size_t len, pvm_buffer *result, char *err) {
  int status = check(vm);
  if (status != PVM_OK) return status;
  if (result == NULL || (payload == NULL && len != 0)) return PVM_E_INVALID;
  *result = (pvm_buffer){NULL, 0, NULL};
  status = pvm_vm_run(vm, payload, len, result, err);
  pvm_vm_leave();
  return status;
}

int pvm_vm_reset(pvm_vm *vm, char *err) {
  int status = check(vm);
  if (status != PVM_OK) return status;
  pvm_vm_end(vm);
  status = pvm_vm_begin(vm, err);
  pvm_vm_leave();
  vm->generation++;
  return status;
}

int pvm_vm_retire(pvm_vm *vm) {
  int status = check(vm);
  if (status == PVM_OK) pvm_vm_delete(vm);
  return status;
}

int pvm_vm_stats_get(pvm_vm *vm, pvm_vm_stats *stats) {
  int status = check(vm);
  if (status != PVM_OK) return status;
  if (stats == NULL) return PVM_E_INVALID;
  stats->id = vm->id;
  stats->generation = vm->generation;
  stats->calls = vm->calls;
  stats->bytes = pvm_memory_total(&vm->memory);
  stats->peak_bytes = atomic_load_explicit(&vm->memory.peak, memory_order_relaxed);
  stats->create_ns = vm->create_ns;
  return PVM_OK;
}

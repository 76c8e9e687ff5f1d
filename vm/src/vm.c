/* vm.c - one VM: an own-GIL subinterpreter on the thread that made it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "park.h"
#include "runtime.h"
#include "task_module.h"
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
  pvm_memory_enter(NULL);
}

void pvm_vm_enter(pvm_vm *vm) {
  if (pvm_vm_current() == vm) return;
  pvm_vm_leave();
  pvm_memory_enter(&vm->memory);
  if (vm->tstate != NULL) PyEval_RestoreThread(vm->tstate);
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
  vm->modules = Py_XNewRef(PySys_GetObject("modules"));
  status = vm->modules != NULL ? 0 : -1;
done:
  Py_XDECREF(importer);
  Py_XDECREF(task);
  return status;
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
  pthread_mutex_lock(&lifecycle);
  PyThreadState *tstate = NULL;
  PyStatus status = Py_NewInterpreterFromConfig(&tstate, &config);
  pthread_mutex_unlock(&lifecycle);
  if (PyStatus_Exception(status) || tstate == NULL) {
    pvm_memory_enter(NULL);
    pvm_memory_release(&vm->memory);
    if (err)
      snprintf(err, PVM_ERR_MAX, "CPython made no interpreter: %s",
               status.err_msg ? status.err_msg : "no reason given");
    return PVM_E_PYTHON;
  }
  vm->tstate = tstate;
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

void pvm_vm_end(pvm_vm *vm) {
  if (vm->tstate != NULL) {
    pvm_vm_enter(vm);
    restore_for_end(vm);
    flush_streams(vm);
    Py_CLEAR(vm->entry);
    Py_CLEAR(vm->modules);
    for (int i = 0; i < 2; i++) Py_CLEAR(vm->streams[i]);
    pvm_codec_clear(&vm->codec);
    pthread_mutex_lock(&lifecycle);
    Py_EndInterpreter(vm->tstate);
    pthread_mutex_unlock(&lifecycle);
    vm->tstate = NULL;
  }
  pvm_memory_enter(NULL);
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
  if (error != NULL) pvm_traceback(exception, error);
  Py_DECREF(exception);
}

static int find_entry(pvm_vm *vm, pvm_buffer *error, char *err) {
  pvm_program *program = vm->program;
  PyObject *module = PyImport_ImportModule(program->module);
  if (module == NULL) {
    take_traceback(error);
    if (err) snprintf(err, PVM_ERR_MAX, "%s: module '%s' cannot be imported", program->name,
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

int pvm_vm_run(pvm_vm *vm, const void *payload, size_t len, pvm_buffer *result, char *err) {
  if (vm->entry == NULL) return PVM_E_STATE;
  pvm_vm_enter(vm);
  vm->calls++;
  PyObject *argument = pvm_decode(&vm->codec, payload, len);
  if (argument == NULL) {
    pvm_take_error(err);
    return PVM_E_DECODE;
  }
  PyObject *value = PyObject_CallOneArg(vm->entry, argument);
  Py_DECREF(argument);
  int encoded = value != NULL ? pvm_encode(value, result) : -1;
  Py_XDECREF(value);
  if (encoded < 0) take_traceback(result);
  flush_streams(vm);
  return encoded < 0 ? PVM_FAILED : PVM_DONE;
}

void pvm_vm_interrupt(pvm_vm *vm) {
  /* What PyThreadState_SetAsyncExc does, without the GIL that a stuck task never gives
  ** back. KeyboardInterrupt is static and immortal, so no count is at stake. */
  PyThreadState *tstate = vm->tstate;
  if (tstate == NULL) return;
  _Py_atomic_exchange_ptr(&tstate->async_exc, PyExc_KeyboardInterrupt);
  _Py_set_eval_breaker_bit(tstate, _PY_ASYNC_EXCEPTION_BIT);
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
  if (program == NULL || !program->sealed) return PVM_E_INVALID;
  if (error != NULL) *error = (pvm_buffer){NULL, 0};
  status = pvm_vm_bind(vm, program, error, err);
  pvm_vm_leave();
  return status;
}

int pvm_vm_call(pvm_vm *vm, const void *payload, size_t len, pvm_buffer *result, char *err) {
  int status = check(vm);
  if (status != PVM_OK) return status;
  if (result == NULL || (payload == NULL && len != 0)) return PVM_E_INVALID;
  *result = (pvm_buffer){NULL, 0};
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
  stats->bytes = atomic_load_explicit(&vm->memory.bytes, memory_order_relaxed);
  stats->peak_bytes = atomic_load_explicit(&vm->memory.peak, memory_order_relaxed);
  stats->create_ns = vm->create_ns;
  return PVM_OK;
}

/* shell.c - runs marshalled code objects in a VM-like subinterpreter, for tests.
**
**   shell FILE...           run each FILE in a fresh own-GIL subinterpreter
**   shell --measure N FILE  CPU time and memory of N interpreters that run FILE, kept alive
**
** Links the generated library sources, cut.c, nocompiler.c, leftout.c and the static
** CPython; what libpolyvm adds to these is replaced by the small `_polyvm` below. Exit
** status 1 if any FILE raised; its traceback goes to stderr.
*/
#include "cut.h"

#include <marshal.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- _polyvm, as far as frozen modules use it ---- */

/* log(level, logger, message): one line on stdout, so that tests see it in order. */
static PyObject *shell_log(PyObject *self, PyObject *args) {
  int level;
  const char *logger, *message;
  (void)self;
  if (!PyArg_ParseTuple(args, "iss", &level, &logger, &message)) return NULL;
  PyObject *out = PySys_GetObject("stdout");
  PyObject *line = PyUnicode_FromFormat("log %d %s %s\n", level, logger, message);
  if (line == NULL || out == NULL || PyFile_WriteObject(line, out, Py_PRINT_RAW) < 0) {
    Py_XDECREF(line);
    return NULL;
  }
  Py_DECREF(line);
  Py_RETURN_NONE;
}

/* Stream(): what a task's sys.stdout and sys.stderr are, here the shell's own. */
static PyObject *stream_write(PyObject *self, PyObject *text) {
  Py_ssize_t size;
  (void)self;
  PyObject *bytes = PyUnicode_Check(text)
                        ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace")
                        : PyErr_Format(PyExc_TypeError, "write() argument must be str");
  if (bytes == NULL) return NULL;
  size = PyBytes_GET_SIZE(bytes);
  fwrite(PyBytes_AS_STRING(bytes), 1, (size_t)size, stdout);
  Py_DECREF(bytes);
  return PyLong_FromSsize_t(PyUnicode_GET_LENGTH(text));
}

static PyObject *stream_flush(PyObject *self, PyObject *unused) {
  (void)self, (void)unused;
  Py_RETURN_NONE;
}

static PyMethodDef stream_methods[] = {
    {"write", stream_write, METH_O, NULL},
    {"flush", stream_flush, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot stream_slots[] = {{Py_tp_methods, stream_methods}, {0, NULL}};

static PyType_Spec stream_spec = {
    .name = "_polyvm.Stream", .flags = Py_TPFLAGS_DEFAULT, .slots = stream_slots};

static int shell_exec(PyObject *module) {
  PyObject *type = PyType_FromModuleAndSpec(module, &stream_spec, NULL);
  int status = type != NULL ? PyModule_AddType(module, (PyTypeObject *)type) : -1;
  Py_XDECREF(type);
  PyObject *interrupted = PyErr_NewException("polyvm.Interrupted", PyExc_BaseException, NULL);
  return status < 0 || interrupted == NULL ? -1 : PyModule_Add(module, "Interrupted", interrupted);
}

static PyMethodDef shell_methods[] = {
    {"log", shell_log, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot shell_slots[] = {
    {Py_mod_exec, shell_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef shell_def = {PyModuleDef_HEAD_INIT, .m_name = "_polyvm",
                                .m_methods = shell_methods, .m_slots = shell_slots};

PyObject *PyInit__polyvm(void) {
  return PyModuleDef_Init(&shell_def);
}

/* The shell is without the tensor engine. */
PyObject *PyInit__polyvm_tensor(void) {
  PyErr_SetString(PyExc_ImportError, "this shell has no arrays");
  return NULL;
}

/* ---- runtime ---- */

static void start_runtime(void) {
  PyPreConfig preconfig;
  PyPreConfig_InitIsolatedConfig(&preconfig);
  preconfig.configure_locale = 0;
  preconfig.utf8_mode = 1;
  PyStatus status = Py_PreInitialize(&preconfig);
  if (PyStatus_Exception(status)) Py_ExitStatusException(status);
  if (pvm_inittab_filter() < 0) {
    fprintf(stderr, "shell: a module does not have the shape that the cut needs\n");
    exit(2);
  }
  PyConfig config;
  PyConfig_InitIsolatedConfig(&config);
  config.site_import = 0;
  config.write_bytecode = 0;
  config.install_signal_handlers = 0;
  config.use_frozen_modules = 1;
  config.module_search_paths_set = 1;
  config.pathconfig_warnings = 0;
  status = Py_InitializeFromConfig(&config);
  if (PyStatus_Exception(status)) Py_ExitStatusException(status);
  PyConfig_Clear(&config);
  if (pvm_sys_filter() < 0) {
    fprintf(stderr, "shell: sys does not have the shape that the cut needs\n");
    exit(2);
  }
}

static PyThreadState *make_vm(void) {
  PyThreadState *vm = NULL;
  PyInterpreterConfig config = {
      .use_main_obmalloc = 0,
      .allow_fork = 0,
      .allow_exec = 0,
      .allow_threads = 0,
      .allow_daemon_threads = 0,
      .check_multi_interp_extensions = 1,
      .gil = PyInterpreterConfig_OWN_GIL,
  };
  PyStatus status = Py_NewInterpreterFromConfig(&vm, &config);
  if (PyStatus_Exception(status)) Py_ExitStatusException(status);
  return vm;
}

/* What a task prints, and the traceback of what it raises, goes to the shell's stdout. */
static void give_streams(void) {
  PyObject *module = PyImport_ImportModule("_polyvm");
  PyObject *stream = module != NULL ? PyObject_CallMethod(module, "Stream", NULL) : NULL;
  if (stream == NULL || PySys_SetObject("stdout", stream) < 0 ||
      PySys_SetObject("stderr", stream) < 0) {
    fprintf(stderr, "shell: no streams\n");
    exit(2);
  }
  Py_DECREF(stream);
  Py_DECREF(module);
}

/* Run a file of marshalled code as __main__ of the current interpreter. 0 or 1. */
static int run_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    perror(path);
    return 1;
  }
  PyObject *code = PyMarshal_ReadLastObjectFromFile(file);
  fclose(file);
  PyObject *globals = PyModule_GetDict(PyImport_AddModule("__main__"));
  PyObject *result = code != NULL ? PyEval_EvalCode(code, globals, globals) : NULL;
  Py_XDECREF(code);
  if (result == NULL) PyErr_Print();
  Py_XDECREF(result);
  fflush(stdout);
  return result == NULL;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static long resident_kib(void) {
  long pages = 0, size = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%ld %ld", &size, &pages) != 2) pages = 0;
  if (file != NULL) fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int measure(int count, const char *path) {
  double create = 0, run = 0;
  long before = resident_kib();
  PyThreadState *main_state = PyThreadState_Get();
  int failed = 0;
  for (int i = 0; i < count; i++) {
    double start = now();
    make_vm();
    double made = now();
    give_streams();
    failed |= run_file(path);
    run += now() - made;
    create += made - start;
    PyThreadState_Swap(main_state);
  }
  printf("{\"create_ms\": %.3f, \"run_ms\": %.3f, \"kib\": %ld}\n", create / count, run / count,
         (resident_kib() - before) / count);
  return failed;
}

/* VMs run on a thread that is not the process's main one, as in libpolyvm. */
typedef struct arguments {
  int argc;
  char **argv;
  int failed;
} arguments;

static void *run_all(void *data) {
  arguments *a = data;
  PyGILState_Ensure();
  if (a->argc == 4 && strcmp(a->argv[1], "--measure") == 0) {
    a->failed = measure(atoi(a->argv[2]), a->argv[3]);
    return NULL;
  }
  PyThreadState *main_state = PyThreadState_Get();
  for (int i = 1; i < a->argc; i++) {
    PyThreadState *vm = make_vm();
    give_streams();
    a->failed |= run_file(a->argv[i]);
    Py_EndInterpreter(vm);
    PyThreadState_Swap(main_state);
  }
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t thread;
  arguments a = {argc, argv, 0};
  start_runtime();
  PyEval_SaveThread();
  if (pthread_create(&thread, NULL, run_all, &a) != 0) return 2;
  pthread_join(thread, NULL);
  return a.failed;
}

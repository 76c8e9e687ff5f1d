/* toolchain.c - pvm_compile: source text to .pyc, in the library that has the compiler. */
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

#ifdef PVM_TOOLCHAIN

#include <pthread.h>

#include "python.h" /* first: the others rely on it */

#include "pycore_compile.h"
#include "pycore_parser.h"
#include "pycore_pyarena.h"
#include "strip.h"
#include "traceback.h"

#define HEADER 16 /* PEP 552: magic, flags, source hash */

static pthread_mutex_t compiling = PTHREAD_MUTEX_INITIALIZER;

static void put_u32(unsigned char *at, uint32_t v) {
  for (int i = 0; i < 4; i++) at[i] = (unsigned char)(v >> 8 * i);
}

static int write_pyc(PyObject *code, const char *source, size_t len, pvm_buffer *pyc) {
  PyObject *marshalled = PyMarshal_WriteObjectToString(code, Py_MARSHAL_VERSION);
  if (marshalled == NULL) return PVM_E_COMPILE;
  uint64_t hash = _Py_KeyedHash((uint64_t)PVM_BYTECODE_MAGIC, source, (Py_ssize_t)len);
  size_t n = (size_t)PyBytes_GET_SIZE(marshalled);
  unsigned char *data = malloc(HEADER + n);
  if (data == NULL) {
    Py_DECREF(marshalled);
    return PVM_E_NOMEM;
  }
  put_u32(data, PVM_BYTECODE_MAGIC);
  put_u32(data + 4, 1); /* hash-based, and never checked against a source */
  put_u32(data + 8, (uint32_t)hash);
  put_u32(data + 12, (uint32_t)(hash >> 32));
  memcpy(data + HEADER, PyBytes_AS_STRING(marshalled), n);
  Py_DECREF(marshalled);
  pyc->data = data;
  pyc->len = HEADER + n;
  return PVM_OK;
}

/* "file:line: message" of the SyntaxError that is set; other exceptions as they are. */
static void describe(PyObject *filename, pvm_buffer *error) {
  PyObject *exception = PyErr_GetRaisedException(), *text = NULL;
  if (exception == NULL) return;
  if (PyErr_GivenExceptionMatches(exception, PyExc_SyntaxError)) {
    PyObject *line = PyObject_GetAttrString(exception, "lineno");
    PyObject *message = PyObject_GetAttrString(exception, "msg");
    if (line != NULL && message != NULL)
      text = PyUnicode_FromFormat("%U:%S: %S", filename, line, message);
    Py_XDECREF(line);
    Py_XDECREF(message);
  } else {
    text = PyUnicode_FromFormat("%U:1: %S", filename, exception);
  }
  Py_DECREF(exception);
  Py_ssize_t n;
  const char *utf8 = text != NULL ? PyUnicode_AsUTF8AndSize(text, &n) : NULL;
  if (utf8 != NULL && error != NULL && (error->data = malloc((size_t)n + 1)) != NULL) {
    memcpy(error->data, utf8, (size_t)n);
    error->len = (size_t)n;
  }
  Py_XDECREF(text);
  PyErr_Clear();
}

static PyObject *compile_text(const char *text, PyObject *name, int optimize, int strip) {
  PyCompilerFlags flags = _PyCompilerFlags_INIT;
  PyArena *arena = _PyArena_New();
  if (arena == NULL) return NULL;
  PyObject *code = NULL;
  mod_ty module = _PyParser_ASTFromString(text, name, Py_file_input, &flags, arena);
  if (module != NULL) {
    if (strip) pvm_strip_docstrings(module);
    code = (PyObject *)_PyAST_Compile(module, name, &flags, optimize, arena);
  }
  _PyArena_Free(arena);
  if (code != NULL && strip) Py_SETREF(code, pvm_strip_lines(code));
  return code;
}

static int compile_here(const char *source, size_t len, const char *filename, int optimize,
                        int strip, pvm_buffer *pyc, pvm_buffer *error) {
  PyObject *name = PyUnicode_DecodeFSDefault(filename), *code = NULL;
  int status = PVM_E_COMPILE;
  if (name == NULL) goto done;
  if (memchr(source, '\0', len) != NULL)
    PyErr_SetString(PyExc_ValueError, "source text contains null bytes");
  else {
    char *text = strndup(source, len); /* the parser wants a final 0 */
    code = text ? compile_text(text, name, optimize, strip) : NULL;
    free(text);
  }
  if (code != NULL) status = write_pyc(code, source, len, pyc);
done:
  if (status == PVM_E_COMPILE && name != NULL) describe(name, error);
  PyErr_Clear();
  Py_XDECREF(code);
  Py_XDECREF(name);
  return status;
}

int pvm_compile(const char *source, size_t len, const char *filename, int optimize, int flags,
                pvm_buffer *pyc, pvm_buffer *error) {
  char err[PVM_ERR_MAX] = "";
  int status = pvm_runtime_start(err);
  if (status != PVM_OK) {
    if (error != NULL) *error = (pvm_buffer){NULL, 0, NULL}, pvm_buffer_text(error, err);
    return status;
  }
  if (source == NULL || filename == NULL || pyc == NULL || optimize < 0 || optimize > 2 ||
      (flags & ~PVM_COMPILE_STRIP) != 0)
    return PVM_E_INVALID;
  *pyc = (pvm_buffer){NULL, 0, NULL};
  if (error != NULL) *error = (pvm_buffer){NULL, 0, NULL};
  pthread_mutex_lock(&compiling);
  PyThreadState *tstate = PyThreadState_New(PyInterpreterState_Main());
  if (tstate == NULL) {
    pthread_mutex_unlock(&compiling);
    return PVM_E_NOMEM;
  }
  PyEval_RestoreThread(tstate);
  status = compile_here(source, len, filename, optimize, flags & PVM_COMPILE_STRIP, pyc, error);
  PyThreadState_Clear(tstate);
  PyThreadState_DeleteCurrent();
  pthread_mutex_unlock(&compiling);
  return status;
}

#else

int pvm_compile(const char *source, size_t len, const char *filename, int optimize, int flags,
                pvm_buffer *pyc, pvm_buffer *error) {
  (void)source, (void)len, (void)filename, (void)optimize, (void)flags, (void)pyc, (void)error;
  return pvm_runtime_forked() ? PVM_E_FORKED : PVM_E_STATE;
}

#endif

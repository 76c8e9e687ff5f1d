/* traceback.c - see traceback.h. */
#include "traceback.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CHAIN 16     /* causes, contexts and groups followed */
#define MAX_FRAMES 200   /* lines printed of one traceback, half from each end */
#define SAME_FRAMES 3    /* equal frames in a row that are printed, as Python does */
#define MAX_TEXT 1000000 /* bytes; a message may be as long as its author likes */

typedef struct text {
  char *data;
  size_t len;
  size_t cap;
  int full; /* out of memory or over MAX_TEXT: what follows is dropped */
} text;

static void put(text *t, const char *s, size_t n) {
  if (t->full) return;
  if (n > MAX_TEXT - t->len) {
    n = MAX_TEXT - t->len;
    while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80) n--; /* whole characters */
    t->full = 1;
  }
  if (t->cap - t->len < n) {
    size_t cap = t->cap ? t->cap : 512;
    while (cap - t->len < n) cap *= 2;
    char *data = realloc(t->data, cap);
    if (data == NULL) {
      t->full = 1;
      return;
    }
    t->data = data;
    t->cap = cap;
  }
  if (n != 0) memcpy(t->data + t->len, s, n);
  t->len += n;
}

static void put_s(text *t, const char *s) {
  put(t, s, strlen(s));
}

__attribute__((format(printf, 2, 3))) static void put_f(text *t, const char *format, ...) {
  char line[128];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  put_s(t, line);
}

/* A str as UTF-8; lone surrogates become '?'. Anything else as `otherwise`. */
static void put_str(text *t, PyObject *s, const char *otherwise) {
  PyObject *bytes = NULL;
  if (s != NULL && PyUnicode_Check(s)) bytes = PyUnicode_AsEncodedString(s, "utf-8", "replace");
  if (bytes != NULL) put(t, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
  else put_s(t, otherwise);
  Py_XDECREF(bytes);
  PyErr_Clear();
}

static void put_frame(text *t, PyCodeObject *code, int line) {
  put_s(t, "  File \"");
  put_str(t, code->co_filename, "?");
  if (line >= 0) put_f(t, "\", line %d, in ", line);
  else put_s(t, "\", in "); /* stripped of its lines */
  put_str(t, code->co_name, "?");
  put_s(t, "\n");
}

static int tb_line(PyTracebackObject *tb, PyCodeObject *code) {
  return tb->tb_lineno >= 0 ? tb->tb_lineno : PyCode_Addr2Line(code, tb->tb_lasti);
}

/* One entry of a traceback: where it was. The code is kept alive by the entry's frame. */
typedef struct place {
  PyTracebackObject *tb; /* NULL: there is none */
  PyCodeObject *code;
  int line;
} place;

/* The first entry from tb on that is not the import system's own. */
static place place_from(PyTracebackObject *tb) {
  for (; tb != NULL; tb = tb->tb_next) {
    PyCodeObject *code = PyFrame_GetCode(tb->tb_frame);
    PyObject *file = code->co_filename;
    Py_DECREF(code);
    if (PyUnicode_EqualToUTF8(file, "<frozen importlib._bootstrap>")) continue;
    if (PyUnicode_EqualToUTF8(file, "<frozen importlib._bootstrap_external>")) continue;
    return (place){tb, code, tb_line(tb, code)};
  }
  return (place){NULL, NULL, 0};
}

static int same_place(place a, place b) {
  return a.code == b.code && a.line == b.line;
}

static void put_repeated(text *t, Py_ssize_t times) {
  put_f(t, "  [Previous line repeated %zd more time%s]\n", times, times == 1 ? "" : "s");
}

/* The lines of a traceback, runs of equal ones cut short. Lines first to last - 1 are left
** out; t may be NULL, to count. Returns how many lines there are. */
static Py_ssize_t put_lines(text *t, PyObject *traceback, Py_ssize_t first, Py_ssize_t last) {
  Py_ssize_t lines = 0, repeated = 0;
  place before = {NULL, NULL, 0}, p = place_from((PyTracebackObject *)traceback), next;
  for (; p.tb != NULL; before = p, p = next) {
    next = place_from(p.tb->tb_next);
    repeated = same_place(p, before) ? repeated + 1 : 0;
    int is_frame = repeated < SAME_FRAMES, is_end = !is_frame && !same_place(p, next);
    if (t != NULL && (is_frame || is_end)) {
      if (lines == first && first < last) put_f(t, "  [%zd lines left out]\n", last - first);
      if (lines >= first && lines < last) is_frame = is_end = 0, lines++;
      else if (is_frame) put_frame(t, p.code, p.line);
      else put_repeated(t, repeated - SAME_FRAMES + 1);
    }
    lines += is_frame || is_end;
  }
  return lines;
}

static void put_frames(text *t, PyObject *traceback) {
  Py_ssize_t lines = put_lines(NULL, traceback, 0, 0);
  Py_ssize_t extra = lines > MAX_FRAMES ? lines - MAX_FRAMES : 0;
  put_s(t, "Traceback (most recent call last):\n");
  put_lines(t, traceback, MAX_FRAMES / 2, MAX_FRAMES / 2 + extra);
}

static void put_type_name(text *t, PyObject *type) {
  PyObject *module = PyObject_GetAttrString(type, "__module__");
  PyErr_Clear();
  if (module != NULL && PyUnicode_Check(module) && !PyUnicode_EqualToUTF8(module, "builtins") &&
      !PyUnicode_EqualToUTF8(module, "__main__")) {
    put_str(t, module, "?");
    put_s(t, ".");
  }
  Py_XDECREF(module);
  PyObject *name = PyType_GetQualName((PyTypeObject *)type);
  put_str(t, name, "?");
  Py_XDECREF(name);
  PyErr_Clear();
}

static void put_last_line(text *t, PyObject *exception) {
  put_type_name(t, (PyObject *)Py_TYPE(exception));
  PyObject *message = PyObject_Str(exception);
  if (message == NULL) {
    PyErr_Clear();
    put_s(t, ": <exception str() failed>");
  } else if (PyUnicode_GetLength(message) != 0) {
    put_s(t, ": ");
    put_str(t, message, "?");
  }
  Py_XDECREF(message);
}

static void put_notes(text *t, PyObject *exception) {
  PyObject *notes = PyObject_GetAttrString(exception, "__notes__");
  PyErr_Clear();
  if (notes != NULL && PyList_Check(notes)) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(notes); i++) {
      put_str(t, PyList_GET_ITEM(notes, i), "<a note that is no str>");
      put_s(t, "\n");
    }
  }
  Py_XDECREF(notes);
}

static void put_exception(text *t, PyObject *exception, int depth);

static void put_group(text *t, PyObject *exception, int depth) {
  PyObject *members = PyObject_GetAttrString(exception, "exceptions");
  PyErr_Clear();
  if (members != NULL && PyTuple_Check(members)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(members); i++) {
      put_f(t, "---- exception %zd of %zd ----\n", i + 1, PyTuple_GET_SIZE(members));
      put_exception(t, PyTuple_GET_ITEM(members, i), depth + 1);
    }
  }
  Py_XDECREF(members);
}

static void put_exception(text *t, PyObject *exception, int depth) {
  if (t->full) return; /* groups may share members: far more paths than exceptions */
  if (depth >= MAX_CHAIN || !PyExceptionInstance_Check(exception)) {
    put_s(t, "[earlier exceptions left out]\n");
    return;
  }
  PyBaseExceptionObject *e = (PyBaseExceptionObject *)exception;
  if (e->cause != NULL) {
    put_exception(t, e->cause, depth + 1);
    put_s(t, "\nThe above exception was the direct cause of the following exception:\n\n");
  } else if (e->context != NULL && !e->suppress_context) {
    put_exception(t, e->context, depth + 1);
    put_s(t, "\nDuring handling of the above exception, another exception occurred:\n\n");
  }
  if (e->traceback != NULL && PyTraceBack_Check(e->traceback)) put_frames(t, e->traceback);
  put_last_line(t, exception);
  put_s(t, "\n");
  put_notes(t, exception);
  if (PyObject_IsInstance(exception, PyExc_BaseExceptionGroup) == 1) put_group(t, exception, depth);
  PyErr_Clear();
}

void pvm_traceback(PyObject *exception, pvm_buffer *out) {
  text t = {0};
  put_exception(&t, exception, 0);
  while (t.len > 0 && t.data[t.len - 1] == '\n') t.len--;
  out->data = t.data;
  out->len = t.len;
}

void pvm_take_error(char *err) {
  PyObject *exception = PyErr_GetRaisedException();
  if (exception == NULL || err == NULL) {
    Py_XDECREF(exception);
    return;
  }
  text t = {0};
  put_last_line(&t, exception);
  size_t n = t.len < PVM_ERR_MAX ? t.len : PVM_ERR_MAX - 1;
  while (n > 0 && n < t.len && ((unsigned char)t.data[n] & 0xc0) == 0x80) n--;
  if (n != 0) memcpy(err, t.data, n);
  err[n] = '\0';
  free(t.data);
  Py_DECREF(exception);
}

void pvm_traceback_dump(int fd) {
  PyThreadState *tstate = PyThreadState_GetUnchecked();
  if (tstate != NULL) _Py_DumpTraceback(fd, tstate);
}

/* stream.c - `_polyvm.Stream`: a task's stdout or stderr, passed on line by line. */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "task_module.h"
#include "vm_state.h"

typedef struct stream {
  PyObject_HEAD pvm_log_source source;
  char *line; /* PyMem's: what follows the last newline; at most PVM_LOG_TEXT_MAX bytes */
  size_t len;
  size_t cap;
  int split; /* pieces of this line have gone out already */
} stream;

static void emit(stream *s, const char *text, size_t len) {
  pvm_vm *vm = pvm_vm_current();
  const char *task = vm != NULL && vm->program != NULL ? vm->program->name : "";
  pvm_log_put(s->source, s->source == PVM_LOG_STDERR ? 40 : 20, task, NULL, 0, text, len);
}

static int keep(stream *s, const char *text, size_t len) {
  if (len == 0) return 0;
  if (s->cap - s->len < len) {
    size_t cap = s->cap ? s->cap : 256;
    while (cap - s->len < len) cap *= 2;
    char *line = PyMem_Realloc(s->line, cap);
    if (line == NULL) {
      PyErr_NoMemory();
      return -1;
    }
    s->line = line;
    s->cap = cap;
  }
  memcpy(s->line + s->len, text, len);
  s->len += len;
  return 0;
}

/* The line is as long as a record may be: pass it on, but for a character cut in two. */
static void emit_piece(stream *s) {
  size_t n = s->len;
  while (n > 1 && ((unsigned char)s->line[n - 1] & 0xc0) == 0x80) n--;
  if ((unsigned char)s->line[n - 1] < 0x80) n = s->len;
  else n--;
  emit(s, s->line, n);
  memmove(s->line, s->line + n, s->len - n);
  s->len -= n;
  s->split = 1;
}

static void end_line(stream *s) {
  if (s->len != 0 || !s->split) emit(s, s->line, s->len);
  s->len = 0;
  s->split = 0;
}

/* Whole lines go out; those longer than a record go out in pieces. */
static int write_text(stream *s, const char *text, size_t len) {
  while (len > 0) {
    const char *newline = memchr(text, '\n', len);
    size_t n = newline != NULL ? (size_t)(newline - text) : len;
    if (newline != NULL && s->len == 0 && !s->split && n <= PVM_LOG_TEXT_MAX) {
      emit(s, text, n);
    } else {
      if (n > PVM_LOG_TEXT_MAX - s->len) {
        n = PVM_LOG_TEXT_MAX - s->len;
        newline = NULL;
      }
      if (keep(s, text, n) < 0) return -1;
      if (newline != NULL) end_line(s);
      else if (s->len == PVM_LOG_TEXT_MAX) emit_piece(s);
    }
    n += newline != NULL;
    text += n;
    len -= n;
  }
  return 0;
}

void pvm_stream_flush(PyObject *self) {
  stream *s = (stream *)self;
  if (s->len != 0) emit(s, s->line, s->len);
  s->len = 0;
  s->split = 0;
}

static PyObject *stream_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  int source;
  if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
    PyErr_SetString(PyExc_TypeError, "Stream(source) takes no keywords");
    return NULL;
  }
  if (!PyArg_ParseTuple(args, "i:Stream", &source)) return NULL;
  if (source != PVM_LOG_STDOUT && source != PVM_LOG_STDERR) {
    PyErr_SetString(PyExc_ValueError, "source is 0 for stdout or 1 for stderr");
    return NULL;
  }
  stream *s = PyObject_New(stream, type);
  if (s == NULL) return NULL;
  s->source = (pvm_log_source)source;
  s->line = NULL;
  s->len = s->cap = 0;
  s->split = 0;
  return (PyObject *)s;
}

static void stream_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyMem_Free(((stream *)self)->line);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyObject *stream_write(PyObject *self, PyObject *text) {
  if (!PyUnicode_Check(text)) {
    PyErr_Format(PyExc_TypeError, "write() argument must be str, not %.100s",
                 Py_TYPE(text)->tp_name);
    return NULL;
  }
  Py_ssize_t n;
  const char *utf8 = PyUnicode_AsUTF8AndSize(text, &n);
  int status;
  if (utf8 != NULL) {
    status = write_text((stream *)self, utf8, (size_t)n);
  } else { /* lone surrogates: a log must not fail for them */
    PyErr_Clear();
    PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    if (bytes == NULL) return NULL;
    status = write_text((stream *)self, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
  }
  return status < 0 ? NULL : PyLong_FromSsize_t(PyUnicode_GET_LENGTH(text));
}

static PyObject *stream_writelines(PyObject *self, PyObject *lines) {
  PyObject *iterator = PyObject_GetIter(lines), *line;
  if (iterator == NULL) return NULL;
  while ((line = PyIter_Next(iterator)) != NULL) {
    PyObject *written = stream_write(self, line);
    Py_DECREF(line);
    if (written == NULL) break;
    Py_DECREF(written);
  }
  Py_DECREF(iterator);
  if (PyErr_Occurred()) return NULL;
  Py_RETURN_NONE;
}

static PyObject *stream_flush(PyObject *self, PyObject *unused) {
  (void)unused;
  pvm_stream_flush(self);
  Py_RETURN_NONE;
}

static PyObject *answer_true(PyObject *self, PyObject *unused) {
  (void)self;
  (void)unused;
  Py_RETURN_TRUE;
}

static PyObject *answer_false(PyObject *self, PyObject *unused) {
  (void)self;
  (void)unused;
  Py_RETURN_FALSE;
}

static PyObject *stream_fileno(PyObject *self, PyObject *unused) {
  (void)self;
  (void)unused;
  PyErr_SetString(PyExc_OSError, "a VM's stream goes to the host's log and has no descriptor");
  return NULL;
}

static PyObject *get_name(PyObject *self, void *unused) {
  (void)unused;
  return PyUnicode_FromString(((stream *)self)->source ? "<stderr>" : "<stdout>");
}

static PyObject *get_text(PyObject *self, void *text) {
  (void)self;
  return PyUnicode_FromString(text);
}

static PyObject *get_closed(PyObject *self, void *unused) {
  (void)self;
  (void)unused;
  Py_RETURN_FALSE;
}

static PyMethodDef methods[] = {
    {"write", stream_write, METH_O, NULL},         {"writelines", stream_writelines, METH_O, NULL},
    {"flush", stream_flush, METH_NOARGS, NULL},    {"close", stream_flush, METH_NOARGS, NULL},
    {"isatty", answer_false, METH_NOARGS, NULL},   {"readable", answer_false, METH_NOARGS, NULL},
    {"seekable", answer_false, METH_NOARGS, NULL}, {"writable", answer_true, METH_NOARGS, NULL},
    {"fileno", stream_fileno, METH_NOARGS, NULL},  {NULL, NULL, 0, NULL}};

static PyGetSetDef attributes[] = {{"name", get_name, NULL, NULL, NULL},
                                   {"mode", get_text, NULL, NULL, "w"},
                                   {"encoding", get_text, NULL, NULL, "utf-8"},
                                   {"errors", get_text, NULL, NULL, "backslashreplace"},
                                   {"closed", get_closed, NULL, NULL, NULL},
                                   {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot slots[] = {{Py_tp_new, stream_new},
                              {Py_tp_dealloc, stream_dealloc},
                              {Py_tp_methods, methods},
                              {Py_tp_getset, attributes},
                              {0, NULL}};

PyType_Spec pvm_stream_spec = {.name = "_polyvm.Stream",
                               .basicsize = sizeof(stream),
                               .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
                               .slots = slots};

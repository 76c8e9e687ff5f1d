/* methods.c - methods of arrays that are functions of polyvm.np under the same name.
**
** The function is looked up when it is called, so that those written in Python are imported only
** where they are used.
*/
#include "binding.h"

#define MOST_ARGUMENTS 12

PyObject *np_forward(PyObject *self, PyObject *first, const char *name, PyObject *const *args,
                     Py_ssize_t n, PyObject *names) {
  Py_ssize_t count = n + (names != NULL ? PyTuple_GET_SIZE(names) : 0);
  if (count > MOST_ARGUMENTS)
    return PyErr_Format(PyExc_TypeError, "%s() takes at most %d arguments (%zd given)", name,
                        MOST_ARGUMENTS, count);
  np_state *state = np_state_of_object(self);
  PyObject *namespace =
      state->namespace != NULL ? Py_NewRef(state->namespace) : PyImport_ImportModule("polyvm.np");
  PyObject *function = namespace != NULL ? PyObject_GetAttrString(namespace, name) : NULL;
  Py_XDECREF(namespace);
  if (function == NULL) return NULL;
  PyObject *all[MOST_ARGUMENTS + 1] = {first};
  for (Py_ssize_t i = 0; i < count; i++) all[i + 1] = args[i];
  PyObject *result = PyObject_Vectorcall(function, all, (size_t)n + 1, names);
  Py_DECREF(function);
  return result;
}

static PyObject *forward(PyObject *self, const char *name, PyObject *const *args, Py_ssize_t n,
                         PyObject *names) {
  return np_forward(self, self, name, args, n, names);
}

/* The same, its result put in place of the elements. */
static PyObject *in_place(PyObject *self, const char *name, PyObject *const *args, Py_ssize_t n,
                          PyObject *names) {
  if (!np_get(self)->writable) {
    PyErr_SetString(PyExc_ValueError, "assignment destination is read-only");
    return NULL;
  }
  PyObject *result = forward(self, name, args, n, names);
  if (result == NULL) return NULL;
  int status = np_assign_subscript(self, Py_Ellipsis, result);
  Py_DECREF(result);
  if (status < 0) return NULL;
  Py_RETURN_NONE;
}

#define FORWARDED_TO(name, function)                                                               \
  static PyObject *name##_method(PyObject *self, PyObject *const *args, Py_ssize_t n,              \
                                 PyObject *names) {                                                \
    return forward(self, function, args, n, names);                                                \
  }
#define FORWARDED(name) FORWARDED_TO(name, #name)

#define IN_PLACE(name)                                                                             \
  static PyObject *name##_method(PyObject *self, PyObject *const *args, Py_ssize_t n,              \
                                 PyObject *names) {                                                \
    return in_place(self, #name, args, n, names);                                                  \
  }

FORWARDED(argpartition)
FORWARDED(argsort)
FORWARDED(choose)
FORWARDED(clip)
FORWARDED(conj)
FORWARDED(conjugate)
FORWARDED(diagonal)
FORWARDED(dot)
FORWARDED(nonzero)
FORWARDED(ptp)
FORWARDED(put)
FORWARDED(repeat)
FORWARDED(round)
FORWARDED(searchsorted)
FORWARDED(take)
FORWARDED(trace)
FORWARDED_TO(tofile, "_tofile")
IN_PLACE(partition)
IN_PLACE(sort)

/* a.compress(condition, ...) has the array second. */
static PyObject *compress_method(PyObject *self, PyObject *const *args, Py_ssize_t n,
                                 PyObject *names) {
  if (n == 0) {
    PyErr_SetString(PyExc_TypeError, "compress() missing required argument 'condition'");
    return NULL;
  }
  Py_ssize_t count = n + (names != NULL ? PyTuple_GET_SIZE(names) : 0);
  if (count > MOST_ARGUMENTS) {
    PyErr_SetString(PyExc_TypeError, "compress() takes at most 3 arguments");
    return NULL;
  }
  PyObject *all[MOST_ARGUMENTS + 1];
  all[0] = self; /* changes places with the condition */
  for (Py_ssize_t i = 1; i < count; i++) all[i] = args[i];
  return np_forward(self, args[0], "compress", all, n, names);
}

#define METHOD(name)                                                                               \
  {#name, (PyCFunction)(void (*)(void))name##_method, METH_FASTCALL | METH_KEYWORDS,               \
   "See np." #name "."}

PyMethodDef np_forwarded_methods[] = {
    METHOD(argpartition),  METHOD(argsort),   METHOD(choose),   METHOD(clip),   METHOD(compress),
    METHOD(conj),          METHOD(conjugate), METHOD(diagonal), METHOD(dot),    METHOD(nonzero),
    METHOD(partition),     METHOD(ptp),       METHOD(put),      METHOD(repeat), METHOD(round),
    METHOD(searchsorted),  METHOD(sort),      METHOD(take),     METHOD(trace),  METHOD(tofile),
    {NULL, NULL, 0, NULL},
};

PyObject *np_flat(PyObject *self, void *closure) {
  (void)closure;
  return forward(self, "flatiter", NULL, 0, NULL);
}

int np_set_flat(PyObject *self, PyObject *value, void *closure) {
  PyObject *flat = value != NULL ? np_flat(self, closure) : NULL;
  if (flat == NULL) {
    if (value == NULL) PyErr_SetString(PyExc_AttributeError, "flat cannot be deleted");
    return -1;
  }
  int status = PyObject_SetItem(flat, Py_Ellipsis, value);
  Py_DECREF(flat);
  return status;
}

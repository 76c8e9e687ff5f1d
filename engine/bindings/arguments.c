/* arguments.c - positional and keyword arguments of fast calls. */
#include <string.h>

#include "binding.h"

int np_arguments(const char *function, PyObject *const *args, Py_ssize_t n, PyObject *names,
                 const char *const *parameters, int positional, int required, PyObject **values) {
  int count = 0;
  while (parameters[count] != NULL) values[count++] = NULL;
  if (n > positional) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %d positional arguments (%zd given)",
                 function, positional, n);
    return -1;
  }
  for (Py_ssize_t i = 0; i < n; i++) values[i] = args[i];
  Py_ssize_t named = names != NULL ? PyTuple_GET_SIZE(names) : 0;
  for (Py_ssize_t i = 0; i < named; i++) {
    PyObject *name = PyTuple_GET_ITEM(names, i);
    int k = 0;
    while (k < count && PyUnicode_CompareWithASCIIString(name, parameters[k]) != 0) k++;
    if (k == count) {
      PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument %R", function, name);
      return -1;
    }
    if (values[k] != NULL) {
      PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument %R", function, name);
      return -1;
    }
    values[k] = args[n + i];
  }
  for (int k = 0; k < required; k++)
    if (values[k] == NULL) {
      PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'", function, parameters[k]);
      return -1;
    }
  return 0;
}

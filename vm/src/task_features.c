/* task_features.c - tables of features from within a VM, no interpreter but the VM's own.
**
** What is read is copied out of the table first, and decoded afterwards: decoding may run code of the
** task's, which may take as long as it likes, and no row may be held as long.
*/
#include <stdlib.h>
#include <string.h>

#include "feature_store.h"
#include "task_store.h"

#define ON_STACK 2048 /* bytes of a row that need no memory of their own */

pvm_executor *pvm_task_executor(const char *what) {
  pvm_vm *vm = pvm_vm_current();
  if (vm != NULL && vm->runner != NULL) return vm->runner->worker->executor;
  PyErr_Format(PyExc_RuntimeError, "this VM belongs to no host, which would have %s", what);
  return NULL;
}

int pvm_task_key(PyObject *key, PyObject **owner, store_bytes *bytes) {
  Py_ssize_t len;
  const char *data;
  if (PyLong_Check(key) && !PyBool_Check(key)) {
    *owner = PyObject_Str(key);
    if (*owner == NULL) return -1;
  } else if (PyUnicode_Check(key) || PyBytes_Check(key)) {
    *owner = Py_NewRef(key);
  } else {
    PyErr_Format(PyExc_TypeError, "a key is a str, bytes or an int, not '%.100s'",
                 Py_TYPE(key)->tp_name);
    return -1;
  }
  if (PyBytes_Check(*owner)) {
    data = PyBytes_AS_STRING(*owner);
    len = PyBytes_GET_SIZE(*owner);
  } else if ((data = PyUnicode_AsUTF8AndSize(*owner, &len)) == NULL) {
    Py_CLEAR(*owner);
    return -1;
  }
  *bytes = (store_bytes){data, (size_t)len};
  return 0;
}

int pvm_task_time(PyObject *seconds, int64_t otherwise, int64_t *ns) {
  *ns = otherwise;
  if (seconds == Py_None) return 0;
  if (PyLong_Check(seconds) && !PyBool_Check(seconds)) {
    int overflow;
    long long whole = PyLong_AsLongLongAndOverflow(seconds, &overflow);
    if (overflow == 0 && !__builtin_mul_overflow(whole, 1000000000LL, ns)) return 0;
  } else if (PyFloat_Check(seconds)) {
    double count = PyFloat_AS_DOUBLE(seconds) * 1e9;
    if (count > -0x1p63 && count < 0x1p63) {
      *ns = (int64_t)count;
      return 0;
    }
  } else {
    PyErr_Format(PyExc_TypeError, "a time is a number of seconds since the epoch, not '%.100s'",
                 Py_TYPE(seconds)->tp_name);
    return -1;
  }
  PyErr_SetString(PyExc_ValueError,
                  "a time is a number of seconds since the epoch within 292 years");
  return -1;
}

PyObject *pvm_task_refuse(int status, const char *err) {
  PyObject *type = status == PVM_E_NOMEM     ? PyExc_MemoryError
                   : status == PVM_E_INVALID ? PyExc_ValueError
                   : status == PVM_E_STORE   ? PyExc_OSError
                                             : PyExc_RuntimeError;
  PyErr_SetString(type, err);
  return NULL;
}

/* ---- Tables ------------------------------------------------------------- */

static feature_store *features_of_task(void) {
  pvm_executor *executor = pvm_task_executor("tables of features");
  if (executor == NULL) return NULL;
  feature_store *features = pvm_executor_features(executor);
  if (features == NULL) PyErr_SetString(PyExc_RuntimeError, "this host has no tables of features");
  return features;
}

/* A table by the number that find gave. */
static feature_table *table_of(PyObject *number) {
  feature_store *features = features_of_task();
  if (features == NULL) return NULL;
  unsigned long i = PyLong_AsUnsignedLong(number);
  if (PyErr_Occurred()) return NULL;
  feature_table *table = i <= UINT32_MAX ? feature_table_at(features, (uint32_t)i) : NULL;
  if (table == NULL) PyErr_SetString(PyExc_LookupError, "there is no such table");
  return table;
}

/* table(name) -> its number, for the others */
static PyObject *find(PyObject *module, PyObject *name) {
  (void)module;
  feature_store *features = features_of_task();
  const char *wanted = features != NULL ? PyUnicode_AsUTF8(name) : NULL;
  if (wanted == NULL) return NULL;
  feature_table *table;
  for (uint32_t i = 0; (table = feature_table_at(features, i)) != NULL; i++)
    if (strcmp(feature_table_name(table), wanted) == 0) return PyLong_FromUnsignedLong(i);
  PyObject *names = PyUnicode_FromString("");
  for (uint32_t i = 0; names != NULL && (table = feature_table_at(features, i)) != NULL; i++)
    Py_SETREF(names,
              PyUnicode_FromFormat("%U%s%s", names, i != 0 ? ", " : "", feature_table_name(table)));
  if (names == NULL) return NULL;
  PyErr_Format(PyExc_LookupError,
               "there is no table of features '%U'; there are: %U. A manifest declares one with "
               "[[tables]]",
               name, PyUnicode_GET_LENGTH(names) != 0 ? names : Py_None);
  Py_DECREF(names);
  return NULL;
}

/* ---- Reading ------------------------------------------------------------ */

/* The values of a row, decoded; None if there is none. */
static PyObject *read_row(feature_table *table, store_bytes key, int64_t at_ns) {
  feature_row row;
  feature_hold hold;
  if (feature_get(table, key, at_ns, &row, &hold) != FEATURE_OK) Py_RETURN_NONE;
  char small[ON_STACK], *copy = small;
  size_t len = row.values.len;
  if (len > sizeof small) copy = pvm_memory_may_hold(len) ? malloc(len) : NULL;
  if (copy != NULL) memcpy(copy, row.values.data, len);
  feature_release(&hold);
  if (copy == NULL) return PyErr_NoMemory();
  PyObject *values = pvm_decode(&pvm_vm_current()->codec, copy, len);
  if (copy != small) free(copy);
  return values;
}

static int arguments(const char *usage, Py_ssize_t given, Py_ssize_t wanted) {
  if (given == wanted) return 0;
  PyErr_SetString(PyExc_TypeError, usage);
  return -1;
}

static PyObject *read_key(feature_table *table, PyObject *key, int64_t at_ns) {
  PyObject *owner;
  store_bytes bytes;
  if (pvm_task_key(key, &owner, &bytes) < 0) return NULL;
  PyObject *values = read_row(table, bytes, at_ns);
  Py_DECREF(owner);
  return values;
}

static PyObject *get(PyObject *module, PyObject *const *args, Py_ssize_t n) {
  (void)module;
  int64_t at_ns;
  if (arguments("feature_get(table, key, at)", n, 3) < 0) return NULL;
  feature_table *table = table_of(args[0]);
  if (table == NULL || pvm_task_time(args[2], FEATURE_LATEST, &at_ns) < 0) return NULL;
  return read_key(table, args[1], at_ns);
}

static PyObject *get_many(PyObject *module, PyObject *const *args, Py_ssize_t n) {
  (void)module;
  int64_t at_ns;
  if (arguments("feature_get_many(table, keys, at)", n, 3) < 0) return NULL;
  feature_table *table = table_of(args[0]);
  if (table == NULL || pvm_task_time(args[2], FEATURE_LATEST, &at_ns) < 0) return NULL;
  PyObject *keys = PySequence_List(args[1]);
  Py_ssize_t count = keys != NULL ? PyList_GET_SIZE(keys) : 0;
  PyObject *rows = keys != NULL ? PyList_New(count) : NULL;
  for (Py_ssize_t i = 0; rows != NULL && i < count; i++) {
    PyObject *row = NULL;
    if ((i & 63) != 0 || _Py_CheckAsyncExc(_PyThreadState_GET()) == 0)
      row = read_key(table, PyList_GET_ITEM(keys, i), at_ns);
    if (row == NULL) Py_CLEAR(rows);
    else PyList_SET_ITEM(rows, i, row);
  }
  Py_XDECREF(keys);
  return rows;
}

/* Rows one behind the other: time, length, values. */
typedef struct copying {
  char *data;
  size_t len, capacity;
  int failed;
} copying;

static int copy_row(void *arg, const feature_row *row) {
  copying *c = arg;
  size_t wanted = c->len + sizeof row->time_ns + sizeof row->values.len + row->values.len;
  if (wanted > c->capacity) {
    size_t more = 2 * wanted;
    char *grown = pvm_memory_may_hold(more) ? realloc(c->data, more) : NULL;
    if (grown == NULL) return c->failed = 1;
    c->data = grown;
    c->capacity = more;
  }
  char *at = c->data + c->len;
  memcpy(at, &row->time_ns, sizeof row->time_ns);
  memcpy(at += sizeof row->time_ns, &row->values.len, sizeof row->values.len);
  memcpy(at + sizeof row->values.len, row->values.data, row->values.len);
  c->len = wanted;
  return 0;
}

static PyObject *decode_rows(const copying *c) {
  PyObject *rows = PyList_New(0);
  for (size_t at = 0; rows != NULL && at < c->len;) {
    int64_t time_ns;
    size_t len;
    memcpy(&time_ns, c->data + at, sizeof time_ns);
    memcpy(&len, c->data + at + sizeof time_ns, sizeof len);
    at += sizeof time_ns + sizeof len;
    PyObject *values = pvm_decode(&pvm_vm_current()->codec, c->data + at, len);
    PyObject *row = values != NULL ? Py_BuildValue("(dN)", (double)time_ns / 1e9, values) : NULL;
    if (row == NULL || PyList_Append(rows, row) < 0) Py_CLEAR(rows);
    Py_XDECREF(row);
    at += len;
  }
  return rows;
}

static PyObject *history(PyObject *module, PyObject *const *args, Py_ssize_t n) {
  (void)module;
  PyObject *owner;
  store_bytes key;
  if (arguments("feature_history(table, key)", n, 2) < 0) return NULL;
  feature_table *table = table_of(args[0]);
  if (table == NULL || pvm_task_key(args[1], &owner, &key) < 0) return NULL;
  copying c = {0};
  if (feature_history(table, key, copy_row, &c) < 0) c.failed = 1;
  Py_DECREF(owner);
  PyObject *rows = c.failed ? PyErr_NoMemory() : decode_rows(&c);
  free(c.data);
  return rows;
}

/* ---- Writing ------------------------------------------------------------ */

static int64_t now_ns(void) {
  PyTime_t now;
  return PyTime_Time(&now) == 0 ? now : -1;
}

static PyObject *put_packed(feature_table *table, PyObject *key, PyObject *at,
                            const pvm_buffer *values, int merge) {
  PyObject *owner;
  store_bytes bytes;
  int64_t at_ns, now = at == Py_None ? now_ns() : 0;
  char err[PVM_ERR_MAX];
  if (PyErr_Occurred() || pvm_task_time(at, now, &at_ns) < 0) return NULL;
  if (pvm_task_key(key, &owner, &bytes) < 0) return NULL;
  const void *data = values != NULL ? values->data : NULL;
  int status =
      pvm_feature_put(table, bytes, at_ns, data, values != NULL ? values->len : 0, merge, err);
  int synced = status == PVM_OK ? feature_commit(table) : STORE_OK;
  if (synced != STORE_OK) status = pvm_feature_status(FEATURE_E_STORE, synced, err);
  Py_DECREF(owner);
  if (status != PVM_OK) return pvm_task_refuse(status, err);
  Py_RETURN_NONE;
}

static PyObject *put(PyObject *module, PyObject *const *args, Py_ssize_t n) {
  (void)module;
  pvm_buffer values;
  if (arguments("feature_put(table, key, values, at, merge)", n, 5) < 0) return NULL;
  feature_table *table = table_of(args[0]);
  int merge = table != NULL ? PyObject_IsTrue(args[4]) : -1;
  if (merge < 0 || pvm_encode(args[2], &values) < 0) return NULL;
  PyObject *done = put_packed(table, args[1], args[3], &values, merge);
  pvm_buffer_free(&values);
  return done;
}

static PyObject *take_out(PyObject *module, PyObject *const *args, Py_ssize_t n) {
  (void)module;
  if (arguments("feature_remove(table, key, at)", n, 3) < 0) return NULL;
  feature_table *table = table_of(args[0]);
  return table != NULL ? put_packed(table, args[1], args[2], NULL, 0) : NULL;
}

#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL

PyMethodDef pvm_task_features[] = {
    {"feature_table", find, METH_O, "feature_table(name) -> its number"},
    {"feature_get", FAST(get), "feature_get(table, key, at) -> dict or None"},
    {"feature_get_many", FAST(get_many), "feature_get_many(table, keys, at) -> list"},
    {"feature_history", FAST(history), "feature_history(table, key) -> [(seconds, dict), ...]"},
    {"feature_put", FAST(put), "feature_put(table, key, values, at, merge)"},
    {"feature_remove", FAST(take_out), "feature_remove(table, key, at)"},
    {NULL, NULL, 0, NULL}};

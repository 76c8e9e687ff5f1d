/* task_events.c - events from within a VM: appending them, reading those that are kept. */
#include <stdlib.h>
#include <string.h>

#include "event_store.h"
#include "ingest.h"
#include "task_store.h"
#include "trigger_set.h"

/* ---- Appending ---------------------------------------------------------- */

/* Events one behind the other, as MessagePack. */
typedef struct packing {
  char *data;
  size_t *ends;
  size_t len, capacity, count;
} packing;

static int pack(packing *p, PyObject *event) {
  if (!PyDict_Check(event)) {
    PyErr_Format(PyExc_TypeError, "an event is a dict, not '%.100s'", Py_TYPE(event)->tp_name);
    return -1;
  }
  pvm_buffer packed, elements = {0};
  if (pvm_encode(event, &packed) < 0) return -1;
  /* the events of one call may be kept long after the arrays that are shared in them */
  int expanded = pvm_expand(packed.data, packed.len, &elements);
  const pvm_buffer *from = expanded > 0 ? &elements : &packed;
  int failed = expanded < 0;
  if (!failed && p->len + from->len > p->capacity) {
    size_t more = 2 * (p->len + from->len);
    char *grown = pvm_memory_may_hold(more) ? realloc(p->data, more) : NULL;
    if (grown != NULL) {
      p->data = grown;
      p->capacity = more;
    } else failed = 1;
  }
  if (!failed) {
    memcpy(p->data + p->len, from->data, from->len);
    p->len += from->len;
    p->ends[p->count++] = p->len;
  } else PyErr_NoMemory();
  pvm_buffer_free(&elements);
  pvm_buffer_free(&packed);
  return failed ? -1 : 0;
}

static uint32_t depth_of_run(void) {
  const pvm_invocation *invocation = pvm_vm_current()->runner->run.invocation;
  return invocation != NULL ? invocation->depth + 1 : 1;
}

/* All of them, or the exception says how many were. The number of those that are no dead letters and no
** duplicates. */
static PyObject *hand_in(pvm_executor *executor, const packing *p) {
  uint32_t depth = depth_of_run();
  if (depth > PVM_DEPTH_MAX)
    return PyErr_Format(
        PyExc_RuntimeError,
        "this run was started by an event that a task appended, and that one too, %d "
        "times in a row: it may append none",
        PVM_DEPTH_MAX);
  if (pvm_outbox_is_full(&executor->outbox))
    return PyErr_Format(PyExc_RuntimeError, "the host is behind with what appended events have "
                                            "started; append less, or later");
  pvm_vm *vm = pvm_vm_current();
  pvm_ingestion in = {.data = p->data,
                      .len = p->len,
                      .ends = p->ends,
                      .count = p->count,
                      .source = vm->program != NULL ? vm->program->name : NULL,
                      .depth = depth};
  pvm_fired_batch fired;
  int64_t taken = pvm_ingest(executor, &in, &fired);
  int status = taken < 0 ? (int)taken : fired.status;
  int64_t counted = taken < 0 ? 0 : taken - (int64_t)fired.duplicates - (int64_t)fired.dead;
  if (fired.count != 0 && pvm_outbox_put(&executor->outbox, &fired) != 0) status = PVM_E_NOMEM;
  pvm_park_ring(&executor->collector);
  pvm_fired_free(&fired);
  if (status == PVM_OK) return PyLong_FromLongLong(counted);
  PyErr_Format(status == PVM_E_NOMEM   ? PyExc_MemoryError
               : status == PVM_E_STORE ? PyExc_OSError
                                       : PyExc_RuntimeError,
               "%lld of %zu events were appended, and the next one was not: %s",
               (long long)(taken < 0 ? 0 : taken), p->count, pvm_strerror(status));
  return NULL;
}

static PyObject *append(PyObject *module, PyObject *events) {
  (void)module;
  pvm_executor *executor = pvm_task_executor("streams of events");
  if (executor == NULL) return NULL;
  PyObject *list = PyDict_Check(events) ? PyList_New(0) : PySequence_List(events);
  if (list == NULL || (PyDict_Check(events) && PyList_Append(list, events) < 0)) {
    Py_XDECREF(list);
    return NULL;
  }
  Py_ssize_t count = PyList_GET_SIZE(list);
  packing p = {.ends = malloc(((size_t)count + 1) * sizeof *p.ends)};
  int failed = p.ends == NULL;
  if (failed) PyErr_NoMemory();
  for (Py_ssize_t i = 0; !failed && i < count && i < PyList_GET_SIZE(list); i++)
    failed = pack(&p, PyList_GET_ITEM(list, i)) < 0;
  Py_DECREF(list);
  PyObject *done = failed ? NULL : hand_in(executor, &p);
  free(p.data);
  free(p.ends);
  return done;
}

/* ---- Reading ------------------------------------------------------------ */

typedef struct reading {
  PyObject *events;
  uint64_t left;
} reading;

/* What an event points to stays as long as this call, whatever code decoding runs. */
static int read_event(void *arg, const store_event *event) {
  reading *r = arg;
  if (_Py_CheckAsyncExc(_PyThreadState_GET()) < 0) return -1;
  PyObject *value = pvm_decode(&pvm_vm_current()->codec, event->value.data, event->value.len);
  if (value == NULL) return -1;
  PyObject *key = PyUnicode_DecodeUTF8(event->key.data, (Py_ssize_t)event->key.len, "replace");
  PyObject *row = key != NULL ? Py_BuildValue("(KddNN)", (unsigned long long)event->sequence,
                                              (double)event->time_ns / 1e9,
                                              (double)event->arrival_ns / 1e9, key, value)
                              : (Py_DECREF(value), NULL);
  int failed = row == NULL || PyList_Append(r->events, row) < 0;
  Py_XDECREF(row);
  return failed || --r->left == 0;
}

/* kept_events(stream, key, since, until, after, most) */
static PyObject *kept(PyObject *module, PyObject *const *args, Py_ssize_t n) {
  (void)module;
  reading r = {0};
  pvm_store_query query = {0};
  if (n != 6 || !PyUnicode_Check(args[0])) {
    PyErr_SetString(PyExc_TypeError, "kept_events(stream: str, key, since, until, after, most)");
    return NULL;
  }
  pvm_executor *executor = pvm_task_executor("kept events");
  pvm_store *store = executor != NULL ? pvm_trigger_store(executor) : NULL;
  if (executor == NULL) return NULL;
  if (store == NULL)
    return PyErr_Format(PyExc_RuntimeError, "this host keeps no events; it does with --events DIR");
  int of_span = args[2] != Py_None || args[3] != Py_None;
  if (pvm_task_time(args[2], INT64_MIN, &query.from_ns) < 0) return NULL;
  if (pvm_task_time(args[3], of_span ? INT64_MAX : 0, &query.until_ns) < 0) return NULL;
  query.stream = PyUnicode_AsUTF8(args[0]);
  query.sequence = PyLong_AsUnsignedLongLong(args[4]) + 1;
  r.left = PyErr_Occurred() ? 0 : PyLong_AsUnsignedLongLong(args[5]);
  if (PyErr_Occurred()) return NULL;
  if (r.left == 0 || (of_span && query.until_ns == 0)) return PyList_New(0);
  query.most = UINT64_MAX; /* the reading counts what it takes */
  PyObject *owner = NULL;
  store_bytes key = {NULL, 0};
  if (args[1] != Py_None) {
    if (pvm_task_key(args[1], &owner, &key) < 0) return NULL;
    query.key = key.data;
    query.key_len = key.len;
  }
  r.events = PyList_New(0);
  int64_t visited = r.events != NULL ? pvm_store_visit(store, &query, read_event, &r) : 0;
  Py_XDECREF(owner);
  if (visited < 0 && !PyErr_Occurred())
    PyErr_Format(visited == PVM_E_UNKNOWN ? PyExc_LookupError : PyExc_RuntimeError,
                 visited == PVM_E_UNKNOWN ? "there is no stream '%U'"
                                          : "stream '%U' cannot be read",
                 args[0]);
  if (PyErr_Occurred()) Py_CLEAR(r.events);
  return r.events;
}

PyMethodDef pvm_task_events[] = {
    {"append_events", append, METH_O, "append_events(dict or [dict, ...]) -> how many"},
    {"kept_events", (PyCFunction)(void (*)(void))kept, METH_FASTCALL,
     "kept_events(stream, key, since, until, after, most) -> [(sequence, time, arrival, key, "
     "event)]"},
    {NULL, NULL, 0, NULL}};

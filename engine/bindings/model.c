/* model.c - class Model: an ONNX model of the engine's, called with arrays.
**
** `Model(source, precision, budget, cache, folder, backends, threads)` takes bytes or a path. What it holds is shared by all Models of equal bytes and options in
** the process; sessions are its own, one for each call that is under way.
*/
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"
#include "graph.h"

#define IDLE 4

typedef struct model_object {
  PyObject_HEAD pvg_model *model;
  _Atomic(pvg_session *) idle[IDLE];
} model_object;

static void model_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  model_object *object = (model_object *)self;
  for (int i = 0; i < IDLE; i++) pvg_session_release(atomic_load(&object->idle[i]));
  pvg_model_release(object->model);
  type->tp_free(self);
  Py_DECREF(type);
}

static int load(np_state *state, PyObject *source, const pvg_options *options, pvg_model **model) {
  int status;
  if (PyUnicode_Check(source) || !PyObject_CheckBuffer(source)) {
    PyObject *path;
    if (!PyUnicode_FSConverter(source, &path)) return -1;
    Py_BEGIN_ALLOW_THREADS;
    status = pvg_model_open(PyBytes_AS_STRING(path), options, model);
    Py_END_ALLOW_THREADS;
    Py_DECREF(path);
  } else {
    Py_buffer view;
    if (PyObject_GetBuffer(source, &view, PyBUF_SIMPLE) < 0) return -1;
    /* Copied: who gave the bytes might write to them later, and other VMs share the model. */
    Py_BEGIN_ALLOW_THREADS;
    status = pvg_model_load(view.buf, (size_t)view.len, options, NULL, NULL, model);
    Py_END_ALLOW_THREADS;
    PyBuffer_Release(&view);
  }
  if (status == PVT_OK) return 0;
  np_raise(state, status);
  return -1;
}

static int text_of(PyObject *object, const char *name, const char **text) {
  *text = NULL;
  if (object == NULL || object == Py_None) return 0;
  if (PyUnicode_Check(object)) *text = PyUnicode_AsUTF8(object);
  else PyErr_Format(PyExc_TypeError, "%s is a str, not %s", name, Py_TYPE(object)->tp_name);
  return *text != NULL ? 0 : -1;
}

static PyObject *model_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  static char *names[] = {"source", "precision", "budget",  "cache",
                          "folder", "backends",  "threads", NULL};
  static const char *const precisions[] = {"exact", "fast", "small"};
  PyObject *source, *cache = NULL, *folder = NULL, *backends = NULL;
  const char *precision = "exact";
  pvg_options options = {0};
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|$sdOOOi:Model", names, &source, &precision,
                                   &options.budget, &cache, &folder, &backends, &options.threads))
    return NULL;
  int found = -1;
  for (int i = 0; i < 3; i++)
    if (strcmp(precision, precisions[i]) == 0) found = i;
  if (found < 0)
    return PyErr_Format(PyExc_ValueError, "precision is 'exact', 'fast' or 'small', not '%s'",
                        precision);
  options.precision = (pvg_precision)found;
  if (text_of(cache, "cache", &options.cache) < 0 ||
      text_of(folder, "folder", &options.folder) < 0 ||
      text_of(backends, "backends", &options.backends) < 0)
    return NULL;
  pvg_model *model;
  if (load(PyType_GetModuleState(type), source, &options, &model) < 0) return NULL;
  model_object *object = (model_object *)type->tp_alloc(type, 0);
  if (object == NULL) pvg_model_release(model);
  else object->model = model;
  return (PyObject *)object;
}

/* ---- Runs --------------------------------------------------------------- */

static pvg_session *take_session(model_object *object, int *status) {
  for (int i = 0; i < IDLE; i++) {
    if (atomic_load_explicit(&object->idle[i], memory_order_relaxed) == NULL) continue;
    pvg_session *session = atomic_exchange(&object->idle[i], NULL);
    if (session != NULL) return session;
  }
  pvg_session *session;
  *status = pvg_session_new(object->model, &session);
  return *status == PVT_OK ? session : NULL;
}

static void give_session(model_object *object, pvg_session *session) {
  for (int i = 0; i < IDLE; i++) {
    pvg_session *none = NULL;
    if (atomic_compare_exchange_strong(&object->idle[i], &none, session)) return;
  }
  pvg_session_release(session);
}

typedef int action(model_object *object, const pvt_array *const *inputs, void *arg);

static int run(model_object *object, const pvt_array *const *inputs, void *arg) {
  int status = PVT_OK;
  pvg_session *session = take_session(object, &status);
  if (session == NULL) return status;
  status = pvg_session_run(session, inputs, arg);
  give_session(object, session);
  return status;
}

/* Turn the arguments into arrays and do it. In a VM the interpreter stays held: cancelling needs it. */
static int with_inputs(np_state *state, model_object *object, PyObject *const *args,
                       Py_ssize_t given, action *action, void *arg) {
  Py_ssize_t count = pvg_model_inputs(object->model);
  if (given != count) {
    PyErr_Format(PyExc_TypeError, "the model takes %zd inputs, and %zd were given", count, given);
    return -1;
  }
  PyObject **objects = PyMem_Calloc((size_t)count + 1, sizeof *objects);
  const pvt_array **inputs = PyMem_Calloc((size_t)count + 1, sizeof *inputs);
  int status = objects == NULL || inputs == NULL ? -1 : 0;
  if (status < 0) PyErr_NoMemory();
  for (Py_ssize_t i = 0; i < count && status == 0; i++) {
    pvg_port port;
    pvg_model_input(object->model, (int)i, &port);
    int dtype = np_array_check(args[i]) || PyObject_CheckBuffer(args[i]) ? -1 : port.dtype;
    objects[i] = np_from_object(state, args[i], dtype, -1);
    if (objects[i] == NULL) status = -1;
    else inputs[i] = np_get(objects[i]);
  }
  if (status == 0) {
    if (pvt_context_get() == NULL) {
      Py_BEGIN_ALLOW_THREADS;
      status = action(object, inputs, arg);
      Py_END_ALLOW_THREADS;
    } else status = action(object, inputs, arg);
    if (status < 0) np_raise(state, status);
  }
  for (Py_ssize_t i = 0; objects != NULL && i < count; i++) Py_XDECREF(objects[i]);
  PyMem_Free(objects);
  PyMem_Free(inputs);
  return status < 0 ? -1 : 0;
}

static PyObject *model_run(PyObject *self, PyObject *args) {
  model_object *object = (model_object *)self;
  np_state *state = PyType_GetModuleState(Py_TYPE(self));
  Py_ssize_t count = pvg_model_outputs(object->model);
  pvt_array *outputs = PyMem_Malloc((size_t)(count + 1) * sizeof *outputs);
  if (outputs == NULL) return PyErr_NoMemory();
  PyObject *results = NULL;
  if (with_inputs(state, object, &PyTuple_GET_ITEM(args, 0), PyTuple_GET_SIZE(args), run,
                  outputs) == 0) {
    results = PyTuple_New(count);
    for (Py_ssize_t i = 0; i < count; i++) {
      if (results == NULL) {
        pvt_array_release(&outputs[i]);
        continue;
      }
      PyObject *array = np_wrap(state, &outputs[i]);
      if (array == NULL) Py_CLEAR(results);
      else PyTuple_SET_ITEM(results, i, array);
    }
  }
  PyMem_Free(outputs);
  return results;
}

/* ---- Plans ---------------------------------------------------------------- */

static int prepare(model_object *object, const pvt_array *const *inputs, void *arg) {
  (void)arg;
  return pvg_model_prepare(object->model, inputs);
}

static PyObject *model_prepare(PyObject *self, PyObject *args) {
  np_state *state = PyType_GetModuleState(Py_TYPE(self));
  if (with_inputs(state, (model_object *)self, &PyTuple_GET_ITEM(args, 0), PyTuple_GET_SIZE(args),
                  prepare, NULL) < 0)
    return NULL;
  Py_RETURN_NONE;
}

typedef struct description {
  int rounds;
  char *text;
  size_t size, capacity;
  bool full;
} description;

static void append(void *arg, const char *text, size_t size) {
  description *all = arg;
  if (all->size + size > all->capacity) {
    size_t capacity = 2 * all->capacity + size + 4096;
    char *larger = realloc(all->text, capacity);
    if (larger == NULL) {
      all->full = true;
      return;
    }
    all->text = larger;
    all->capacity = capacity;
  }
  memcpy(all->text + all->size, text, size);
  all->size += size;
}

static int describe(model_object *object, const pvt_array *const *inputs, void *arg) {
  description *all = arg;
  return pvg_model_describe(object->model, inputs, all->rounds, append, all);
}

static PyObject *model_describe(PyObject *self, PyObject *args) {
  np_state *state = PyType_GetModuleState(Py_TYPE(self));
  Py_ssize_t given = PyTuple_GET_SIZE(args);
  if (given < 1) return PyErr_Format(PyExc_TypeError, "describe() takes rounds and the inputs");
  description all = {0};
  long rounds = PyLong_AsLong(PyTuple_GET_ITEM(args, 0));
  if (rounds == -1 && PyErr_Occurred()) return NULL;
  all.rounds = rounds < 0 ? 0 : rounds > 1000000 ? 1000000 : (int)rounds;
  PyObject *text = NULL;
  if (with_inputs(state, (model_object *)self, &PyTuple_GET_ITEM(args, 0) + 1, given - 1, describe,
                  &all) == 0)
    text = all.full ? PyErr_NoMemory()
                    : PyUnicode_DecodeUTF8(all.text, (Py_ssize_t)all.size, "replace");
  free(all.text);
  return text;
}

/* ---- What is known of it ------------------------------------------------ */

static PyObject *port_tuple(const pvg_port *port) {
  PyObject *shape = port->ranked ? PyTuple_New(port->ndim) : Py_NewRef(Py_None);
  for (int i = 0; shape != NULL && port->ranked && i < port->ndim; i++) {
    PyObject *size =
        port->size[i] >= 0 ? PyLong_FromLongLong(port->size[i])
        : port->symbol[i] != NULL
            ? PyUnicode_DecodeUTF8(port->symbol[i], (Py_ssize_t)strlen(port->symbol[i]), "replace")
            : Py_NewRef(Py_None);
    if (size == NULL) Py_CLEAR(shape);
    else PyTuple_SET_ITEM(shape, i, size);
  }
  if (shape == NULL) return NULL;
  PyObject *name = PyUnicode_DecodeUTF8(port->name, (Py_ssize_t)strlen(port->name), "replace");
  if (name == NULL) {
    Py_DECREF(shape);
    return NULL;
  }
  return Py_BuildValue("(NzN)", name, pvt_dtype_name(port->dtype), shape);
}

static PyObject *ports(const pvg_model *model, int count,
                       void (*get)(const pvg_model *model, int i, pvg_port *port)) {
  PyObject *all = PyTuple_New(count);
  for (int i = 0; all != NULL && i < count; i++) {
    pvg_port port;
    get(model, i, &port);
    PyObject *one = port_tuple(&port);
    if (one == NULL) Py_CLEAR(all);
    else PyTuple_SET_ITEM(all, i, one);
  }
  return all;
}

static PyObject *get_inputs(PyObject *self, void *closure) {
  (void)closure;
  const pvg_model *model = ((model_object *)self)->model;
  return ports(model, pvg_model_inputs(model), pvg_model_input);
}

static PyObject *get_outputs(PyObject *self, void *closure) {
  (void)closure;
  const pvg_model *model = ((model_object *)self)->model;
  return ports(model, pvg_model_outputs(model), pvg_model_output);
}

static PyObject *get_nbytes(PyObject *self, void *closure) {
  (void)closure;
  return PyLong_FromSize_t(pvg_model_bytes(((model_object *)self)->model));
}

static PyGetSetDef properties[] = {
    {"inputs", get_inputs, NULL, "(name, dtype, shape) of each input, as far as they are known.",
     NULL},
    {"outputs", get_outputs, NULL, "(name, dtype, shape) of each output.", NULL},
    {"nbytes", get_nbytes, NULL, "Bytes of weights.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef methods[] = {
    {"run", model_run, METH_VARARGS, "Outputs, as a tuple, for one array for each input."},
    {"prepare", model_prepare, METH_VARARGS, "Make the plan for inputs of these shapes."},
    {"describe", model_describe, METH_VARARGS,
     "describe(rounds, *inputs): the plan as text, with times of so many runs."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, model_dealloc},
    {Py_tp_new, model_new},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_doc, "A model, loaded once for the process."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "polyvm.engine.Model",
    .basicsize = sizeof(model_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

static PyObject *operators(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  PyObject *all = PyList_New(0);
  const char *type, *domain;
  int since, until;
  for (int i = 0; all != NULL && pvg_operator_name(i, &type, &domain, &since, &until); i++) {
    PyObject *one = Py_BuildValue("(ssii)", domain, type, since, until);
    if (one == NULL || PyList_Append(all, one) < 0) Py_CLEAR(all);
    Py_XDECREF(one);
  }
  return all;
}

static PyMethodDef functions[] = {
    {"_operators", operators, METH_NOARGS,
     "(domain, type, since, until) of each operator of models; until 0: still so."},
    {NULL, NULL, 0, NULL},
};

int np_model_setup(PyObject *module) {
  PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
  if (type == NULL) return -1;
  int status = PyModule_AddObjectRef(module, "Model", type);
  Py_DECREF(type);
  return status < 0 ? status : PyModule_AddFunctions(module, functions);
}

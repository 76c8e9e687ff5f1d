/* random.c - bit generators as objects, which fill arrays; np/random.py has NumPy's classes. */
#include "random.h"

#include <string.h>

#include "binding.h"

typedef struct np_bits {
  PyObject_HEAD pvt_bits bits;
} np_bits;

static pvt_bits *bits_of(PyObject *self) {
  return &((np_bits *)self)->bits;
}

static void bits_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

/* (kind, 16 bytes of a pool of entropy) */
static PyObject *bits_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  (void)keywords;
  int kind;
  Py_buffer pool;
  if (!PyArg_ParseTuple(args, "iy*:Bits", &kind, &pool)) return NULL;
  PyObject *self = NULL;
  uint32_t words[PVT_SEED_POOL];
  if (pvt_bits_name(kind) == NULL || pool.len != sizeof words) {
    PyErr_SetString(PyExc_ValueError, "a bit generator needs a known kind and 16 bytes of seed");
  } else if ((self = type->tp_alloc(type, 0)) != NULL) {
    memcpy(words, pool.buf, sizeof words);
    pvt_bits_seed(bits_of(self), (pvt_bits_kind)kind, words);
  }
  PyBuffer_Release(&pool);
  return self;
}

/* ---- State -------------------------------------------------------------- */

static PyObject *get_state(PyObject *self, PyObject *unused) {
  (void)unused;
  const pvt_bits *bits = bits_of(self);
  int count = pvt_bits_words((pvt_bits_kind)bits->kind);
  PyObject *words = PyTuple_New(count);
  for (int i = 0; words != NULL && i < count; i++) {
    PyObject *word = PyLong_FromUnsignedLongLong(bits->state[i]);
    if (word == NULL) Py_CLEAR(words);
    else PyTuple_SET_ITEM(words, i, word);
  }
  if (words == NULL) return NULL;
  return Py_BuildValue("NiI", words, bits->has_half, bits->half);
}

static PyObject *set_state(PyObject *self, PyObject *args) {
  PyObject *words;
  int has_half;
  unsigned half;
  if (!PyArg_ParseTuple(args, "O!pI:set_state", &PyTuple_Type, &words, &has_half, &half))
    return NULL;
  uint64_t state[PVT_BITS_STATE];
  pvt_bits *bits = bits_of(self);
  int count = pvt_bits_words((pvt_bits_kind)bits->kind);
  if (PyTuple_GET_SIZE(words) != count) {
    PyErr_SetString(PyExc_ValueError, "state must have as many words as get_state gives");
    return NULL;
  }
  for (int i = 0; i < count; i++) {
    state[i] = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(words, i));
    if (state[i] == (uint64_t)-1 && PyErr_Occurred()) return NULL;
  }
  memcpy(bits->state, state, (size_t)count * sizeof *state);
  if (bits->kind == PVT_PHILOX && bits->state[10] > 4) bits->state[10] = 4;
  bits->has_half = has_half;
  bits->half = half;
  Py_RETURN_NONE;
}

/* seed_legacy(words): MT19937 and the distributions as RandomState has them; words of 4 bytes */
static PyObject *seed_legacy(PyObject *self, PyObject *words) {
  if (!PyBytes_Check(words) || PyBytes_GET_SIZE(words) < 4) {
    PyErr_SetString(PyExc_TypeError, "seed_legacy() takes bytes, at least 4");
    return NULL;
  }
  pvt_bits_seed_twister(bits_of(self), (const uint32_t *)(const void *)PyBytes_AS_STRING(words),
                        (size_t)PyBytes_GET_SIZE(words) / 4);
  bits_of(self)->legacy = true;
  Py_RETURN_NONE;
}

/* legacy_normal([has, value]): the normal number that is left over; sets it if given, and makes
** distributions RandomState's. */
static PyObject *legacy_normal(PyObject *self, PyObject *args) {
  pvt_bits *bits = bits_of(self);
  if (PyTuple_GET_SIZE(args) > 0) {
    int has;
    double value;
    if (!PyArg_ParseTuple(args, "pd:legacy_normal", &has, &value)) return NULL;
    bits->legacy = true;
    bits->has_normal = has;
    bits->normal = value;
  }
  return Py_BuildValue("id", bits->has_normal, bits->normal);
}

/* (low, high): by high * 2^64 + low steps */
static PyObject *advance(PyObject *self, PyObject *args) {
  unsigned long long low, high;
  if (!PyArg_ParseTuple(args, "KK:advance", &low, &high)) return NULL;
  int status = pvt_bits_advance(bits_of(self), low, high);
  if (status != PVT_OK) return np_raise(np_state_of_object(self), status);
  Py_RETURN_NONE;
}

static PyObject *raw(PyObject *self, PyObject *unused) {
  (void)unused;
  return PyLong_FromUnsignedLongLong(pvt_bits_next64(bits_of(self)));
}

/* ---- Distributions ------------------------------------------------------ */

/* A parameter: a Python number in `room`, or an array that `owner` keeps. 0, or -1. */
static int parameter(np_state *state, PyObject *object, PyObject **owner, pvt_array *array,
                     double *room) {
  *owner = NULL;
  if (PyFloat_CheckExact(object) || PyLong_CheckExact(object)) {
    *room = PyFloat_AsDouble(object);
    if (*room == -1.0 && PyErr_Occurred()) return -1;
    pvt_array_over(array, room, PVT_FLOAT64, 0, NULL);
    return 0;
  }
  *owner = np_from_object(state, object, PVT_FLOAT64, -1);
  if (*owner == NULL) return -1;
  pvt_array_view(array, np_get(*owner));
  return 0;
}

/* fill(distribution, size, dtype, out, *parameters): a Python number where nothing has a shape */
static PyObject *fill(PyObject *self, PyObject *const *args, Py_ssize_t n) {
  np_state *state = np_state_of_object(self);
  long which = n >= 4 ? PyLong_AsLong(args[0]) : -1;
  if (pvt_distribution_name((int)which) == NULL ||
      n != 4 + pvt_distribution_parameters((pvt_distribution)which)) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "fill() needs all parameters");
    return NULL;
  }
  pvt_distribution distribution = (pvt_distribution)which;
  int count = (int)n - 4, ndim = 0, seen = 0;
  PyObject *owners[3] = {NULL, NULL, NULL}, *result = NULL;
  pvt_array arrays[3];
  const pvt_array *parameters[3] = {&arrays[0], &arrays[1], &arrays[2]};
  double room[3];
  int64_t shape[PVT_MAX_DIMS];
  int dtype = np_dtype_parse(state, args[2],
                             distribution >= PVT_POISSON ? (int)PVT_INT64 : (int)PVT_FLOAT64);
  if (dtype < 0) return NULL;
  bool shaped = false;
  for (; seen < count; seen++) {
    if (parameter(state, args[4 + seen], &owners[seen], &arrays[seen], &room[seen]) < 0) goto done;
    shaped |= owners[seen] != NULL && arrays[seen].ndim > 0;
  }
  int status = PVT_OK;
  if (args[3] != Py_None) {
    if (!np_array_check(args[3])) {
      PyErr_SetString(PyExc_TypeError, "out must be an array");
      goto done;
    }
    const pvt_array *out = np_get(args[3]);
    if (out->dtype != dtype) {
      PyErr_Format(PyExc_TypeError, "Supplied output array has the wrong type. Expected %s, got %s",
                   pvt_dtype_name(dtype), pvt_dtype_name(out->dtype));
      goto done;
    }
    bool fits = true;
    if (args[1] != Py_None) {
      if (np_parse_shape(args[1], &ndim, shape) < 0) goto done;
      fits = ndim == out->ndim;
      for (int i = 0; fits && i < ndim; i++) fits = shape[i] == out->dim[i].size;
    }
    if (!fits || !out->writable || !pvt_array_is_contiguous(out)) {
      PyErr_SetString(PyExc_ValueError,
                      fits ? "Supplied output array must be contiguous, writable, aligned, and in "
                             "machine byte-order."
                           : "size must match out.shape when used together");
      goto done;
    }
    result = Py_NewRef(args[3]);
  } else if (args[1] != Py_None) {
    if (np_parse_shape(args[1], &ndim, shape) < 0) goto done;
    result = np_new(state, (pvt_dtype)dtype, ndim, shape);
  } else if (shaped) {
    pvt_array whole = {.ndim = 0};
    for (int i = 0; i < count && status == PVT_OK; i++) {
      status = pvt_broadcast_shapes(&whole, &arrays[i], &ndim, shape);
      whole.ndim = (uint8_t)ndim;
      for (int d = 0; status == PVT_OK && d < ndim; d++) whole.dim[d].size = shape[d];
    }
    if (status != PVT_OK) np_raise(state, status);
    else result = np_new(state, (pvt_dtype)dtype, ndim, shape);
  } else { /* one number */
    _Alignas(16) char number[16];
    pvt_array one;
    pvt_array_over(&one, number, (pvt_dtype)dtype, 0, NULL);
    status = pvt_random(bits_of(self), distribution, parameters, &one);
    if (status != PVT_OK) np_raise(state, status);
    else result = np_item(number, (pvt_dtype)dtype);
    goto done;
  }
  if (result == NULL) goto done;
  status = pvt_random(bits_of(self), distribution, parameters, np_get(result));
  if (status != PVT_OK) {
    Py_CLEAR(result);
    np_raise(state, status);
  }
done:
  for (int i = 0; i < seen; i++)
    if (owners[i] != NULL) {
      pvt_array_release(&arrays[i]);
      Py_DECREF(owners[i]);
    }
  return result;
}

/* integers(low, range, size, dtype): low and range are uint64 arrays, or integers of 64 bits */
static PyObject *integers(PyObject *self, PyObject *const *args, Py_ssize_t n) {
  np_state *state = np_state_of_object(self);
  if (n != 4) return PyErr_Format(PyExc_TypeError, "integers() needs 4 arguments (%zd given)", n);
  int dtype = np_dtype_parse(state, args[3], PVT_INT64), ndim = 0;
  if (dtype < 0) return NULL;
  pvt_array given[2];
  uint64_t room[2];
  int64_t shape[PVT_MAX_DIMS];
  PyObject *owners[2] = {NULL, NULL}, *result = NULL;
  for (int i = 0; i < 2; i++) {
    if (PyLong_Check(args[i])) {
      room[i] = PyLong_AsUnsignedLongLongMask(args[i]);
      pvt_array_over(&given[i], &room[i], PVT_UINT64, 0, NULL);
    } else {
      owners[i] = np_from_object(state, args[i], PVT_UINT64, -1);
      if (owners[i] == NULL) goto done;
      pvt_array_view(&given[i], np_get(owners[i]));
    }
  }
  int status = PVT_OK;
  if (args[2] != Py_None) {
    if (np_parse_shape(args[2], &ndim, shape) < 0) goto done;
  } else {
    status = pvt_broadcast_shapes(&given[0], &given[1], &ndim, shape);
    if (status != PVT_OK) np_raise(state, status);
  }
  if (status == PVT_OK) result = np_new(state, (pvt_dtype)dtype, ndim, shape);
  if (result == NULL) goto done;
  status = pvt_random_integers(bits_of(self), &given[0], &given[1], np_get(result));
  if (status != PVT_OK) {
    Py_CLEAR(result);
    np_raise(state, status);
  }
  if (args[2] == Py_None) np_scalar(result);
done:
  for (int i = 0; i < 2; i++)
    if (owners[i] != NULL) {
      pvt_array_release(&given[i]);
      Py_DECREF(owners[i]);
    }
  return result;
}

/* shuffle(order): an int64 array in C order, in place */
static PyObject *shuffle(PyObject *self, PyObject *order) {
  np_state *state = np_state_of_object(self);
  if (!np_array_check(order) || np_get(order)->dtype != PVT_INT64 || !np_get(order)->writable ||
      !pvt_array_is_contiguous(np_get(order))) {
    PyErr_SetString(PyExc_TypeError, "shuffle() takes a writable int64 array in C order");
    return NULL;
  }
  pvt_array *array = np_get(order);
  int status = pvt_random_shuffle(bits_of(self), (int64_t *)array->data, pvt_array_count(array));
  if (status != PVT_OK) return np_raise(state, status);
  Py_RETURN_NONE;
}

/* sample(population, count, shuffle) */
static PyObject *sample(PyObject *self, PyObject *args) {
  long long population, count;
  int shuffled;
  if (!PyArg_ParseTuple(args, "LLp:sample", &population, &count, &shuffled)) return NULL;
  np_state *state = np_state_of_object(self);
  int64_t shape = count;
  PyObject *result = np_new(state, PVT_INT64, 1, &shape);
  if (result == NULL) return NULL;
  int status = pvt_random_sample(bits_of(self), population, count, shuffled,
                                 (int64_t *)np_get(result)->data);
  if (status == PVT_OK) return result;
  Py_DECREF(result);
  return np_raise(state, status);
}

/* multinomial(n, probabilities): int64 [times, kinds] for vectors n [times] and [kinds] */
static PyObject *multinomial(PyObject *self, PyObject *args) {
  np_state *state = np_state_of_object(self);
  PyObject *counts, *given;
  if (!PyArg_ParseTuple(args, "OO:multinomial", &counts, &given)) return NULL;
  PyObject *n = np_from_object(state, counts, PVT_INT64, 1), *result = NULL;
  PyObject *p = n != NULL ? np_from_object(state, given, PVT_FLOAT64, 1) : NULL;
  if (p != NULL && np_get(n)->ndim == 1 && np_get(p)->ndim == 1) {
    int64_t shape[] = {np_get(n)->dim[0].size, np_get(p)->dim[0].size};
    result = np_new(state, PVT_INT64, 2, shape);
    int64_t *to = result != NULL ? (int64_t *)np_get(result)->data : NULL;
    for (int64_t i = 0; result != NULL && i < shape[0]; i++, to += shape[1])
      pvt_random_multinomial(bits_of(self), ((int64_t *)np_get(n)->data)[i],
                             (double *)np_get(p)->data, shape[1], to);
  } else if (p != NULL) {
    PyErr_SetString(PyExc_ValueError, "multinomial() takes two vectors");
  }
  Py_XDECREF(n);
  Py_XDECREF(p);
  return result;
}

/* ---- The type and seeds ------------------------------------------------- */

/* seed_pool(words): the pool of 16 bytes that words (4 bytes each) are mixed into */
static PyObject *seed_pool(PyObject *module, PyObject *object) {
  (void)module;
  if (!PyBytes_Check(object)) {
    PyErr_SetString(PyExc_TypeError, "seed_pool() takes bytes");
    return NULL;
  }
  uint32_t pool[PVT_SEED_POOL];
  pvt_seed_mix((const uint32_t *)(const void *)PyBytes_AS_STRING(object),
               (size_t)PyBytes_GET_SIZE(object) / sizeof *pool, pool);
  return PyBytes_FromStringAndSize((const char *)pool, sizeof pool);
}

/* seed_draw(pool, count): so many words of state, as bytes */
static PyObject *seed_draw(PyObject *module, PyObject *args) {
  (void)module;
  const char *bytes;
  Py_ssize_t size, count;
  if (!PyArg_ParseTuple(args, "y#n:seed_draw", &bytes, &size, &count)) return NULL;
  uint32_t pool[PVT_SEED_POOL];
  if (size != sizeof pool || count < 0 || count > PY_SSIZE_T_MAX / 4) {
    PyErr_SetString(PyExc_ValueError, "seed_draw() takes a pool of 16 bytes and a count");
    return NULL;
  }
  memcpy(pool, bytes, sizeof pool);
  PyObject *result = PyBytes_FromStringAndSize(NULL, count * 4);
  if (result != NULL)
    pvt_seed_draw(pool, (size_t)count, (uint32_t *)(void *)PyBytes_AS_STRING(result));
  return result;
}

#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL

static PyMethodDef methods[] = {
    {"get_state", get_state, METH_NOARGS, "(words, has_half, half)"},
    {"set_state", set_state, METH_VARARGS, "set_state(words, has_half, half)"},
    {"seed_legacy", seed_legacy, METH_O, "seed_legacy(words)"},
    {"legacy_normal", legacy_normal, METH_VARARGS, "legacy_normal([has, value])"},
    {"advance", advance, METH_VARARGS, "advance(low, high): by high * 2**64 + low steps"},
    {"raw", raw, METH_NOARGS, "The next 64 bits."},
    {"fill", FAST(fill), "fill(distribution, size, dtype, out, *parameters)"},
    {"integers", FAST(integers), "integers(low, range, size, dtype)"},
    {"shuffle", shuffle, METH_O, "shuffle(order)"},
    {"sample", sample, METH_VARARGS, "sample(population, count, shuffle)"},
    {"multinomial", multinomial, METH_VARARGS, "multinomial(n, probabilities)"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, bits_dealloc},
    {Py_tp_new, bits_new},
    {Py_tp_methods, methods},
    {Py_tp_doc, "A bit generator: polyvm.np.random has what is to be used."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "polyvm.np.random._Bits",
    .basicsize = sizeof(np_bits),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyMethodDef np_random_functions[] = {
    {"_seed_pool", seed_pool, METH_O, "seed_pool(words)"},
    {"_seed_draw", seed_draw, METH_VARARGS, "seed_draw(pool, count)"},
    {NULL, NULL, 0, NULL},
};

int np_random_setup(PyObject *module) {
  PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
  if (type == NULL) return -1;
  int status = PyModule_AddObjectRef(module, "_Bits", type);
  Py_DECREF(type);
  PyObject *names = status == 0 ? PyTuple_New(PVT_DISTRIBUTIONS) : NULL;
  for (int i = 0; names != NULL && i < PVT_DISTRIBUTIONS; i++) {
    PyObject *name = PyUnicode_FromString(pvt_distribution_name(i));
    if (name == NULL) Py_CLEAR(names);
    else PyTuple_SET_ITEM(names, i, name);
  }
  if (names == NULL) return -1;
  status = PyModule_AddObjectRef(module, "_distributions", names);
  Py_DECREF(names);
  return status;
}

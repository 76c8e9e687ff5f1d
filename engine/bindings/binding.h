/* binding.h - what the files of the extension module share.
**
** The module is compiled twice: into the VM library as `_polyvm_tensor`, and for ordinary Python
** as `polyvm.engine._tensor`. It keeps nothing static: types and dtypes are the module's, of which
** every interpreter has its own. polyvm.np puts Python on top and is what tasks import.
**
** Scalars: what NumPy gives as a scalar (a full reduction, an element by its indices) is a 0-d
** array that may only be read. It can be hashed, prints as a number, and `+=` makes a new one.
*/
#ifndef PVT_BINDING_H
#define PVT_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "pack.h"
#include "tensor.h"

/* dim[] is cut off behind ndim: the object has tp_itemsize sizeof(pvt_dim). */
typedef struct np_array {
  PyObject_VAR_HEAD pvt_array array;
} np_array;

typedef struct np_dtype {
  PyObject_HEAD pvt_dtype dtype;
} np_dtype;

typedef struct np_state {
  PyTypeObject *array_type;
  PyTypeObject *dtype_type;
  PyTypeObject *ufunc_type;
  PyObject *dtypes[PVT_DTYPES];
  PyObject *axis_error;   /* AxisError, a ValueError and an IndexError */
  PyObject *linalg_error; /* LinAlgError, a ValueError */
  PyObject *printer;      /* polyvm.np's: (array, is_repr) -> str; NULL until it is set */
  PyObject *namespace;    /* polyvm.np, for __array_namespace__; NULL until it is set */
} np_state;

extern struct PyModuleDef np_module;

/* ---- module.c ---- */
np_state *np_state_of(PyObject *module);
/* The state of the module that an array, a dtype or a ufunc belongs to. */
static inline np_state *np_state_of_object(PyObject *object) {
  return PyType_GetModuleState(Py_TYPE(object));
}
/* Set the exception for a failed engine call; always NULL. */
void *np_raise(np_state *state, int status);

/* ---- dtype.c ---- */
int np_dtype_setup(PyObject *module, np_state *state);
bool np_dtype_check(PyObject *object);
extern PyMethodDef np_dtype_functions[];
PyObject *np_dtype_object(np_state *state, pvt_dtype dtype); /* a new reference */
/* A dtype, its name, a Python type (bool, int, float, complex) or a struct code. None gives
** `fallback`. Returns -1 with TypeError. */
int np_dtype_parse(np_state *state, PyObject *object, int fallback);
/* Does NumPy's rule allow the cast? If not, false with TypeError. */
bool np_may_cast(int from, int to, PyObject *rule);

/* ---- ndarray.c ---- */
int np_array_setup(PyObject *module, np_state *state);
static inline pvt_array *np_get(PyObject *object) {
  return &((np_array *)object)->array;
}
bool np_array_check(PyObject *object);
/* A new array, not initialised; NULL with an exception. */
PyObject *np_new(np_state *state, pvt_dtype dtype, int ndim, const int64_t *shape);
/* An object for `array`, whose reference to its buffer is taken over, also on failure. */
PyObject *np_wrap(np_state *state, pvt_array *array);
/* The same array as a scalar: see above. Steals and returns it; NULL passes through. */
static inline PyObject *np_scalar(PyObject *array) {
  if (array != NULL && np_get(array)->ndim == 0) np_get(array)->writable = false;
  return array;
}
PyObject *np_shape_tuple(const pvt_array *array);
/* An int or a sequence of ints: ndim and shape. One size may be -1 if `infer`. 0, or -1. */
int np_parse_shape(PyObject *object, int *ndim, int64_t shape[PVT_MAX_DIMS]);
/* "(2, 3)" into `text`, which holds 200 bytes. */
const char *np_shape_text(const pvt_array *array, char *text);

/* ---- convert.c ---- */
/* An array of dtype (-1: as it comes) with the object's elements: the object itself if it is
** one and `copy` is not 1. copy: 1 always, 0 never (ValueError), -1 if needed. NULL with an
** exception. */
PyObject *np_from_object(np_state *state, PyObject *object, int dtype, int copy);
/* Python's bool, int, float or complex as one element of a type that goes with `beside` (a
** dtype; -1: none), by NumPy's rules for Python scalars. 1; 0 if it is none of these; -1 with an
** exception. `room` has 16 bytes and stays in use by `array`. */
int np_from_scalar(PyObject *object, int beside, pvt_array *array, void *room);
/* An element as a Python object. */
PyObject *np_item(const char *data, pvt_dtype dtype);
/* Store a Python number; 0, or -1 with an exception. */
int np_store(np_state *state, PyObject *object, pvt_dtype dtype, char *data);
PyObject *np_to_list(const pvt_array *array);
PyObject *np_astype(np_state *state, PyObject *array, pvt_dtype dtype, bool copy);

/* ---- exchange.c: the buffer protocol and DLPack ---- */
int np_buffer_get(PyObject *self, Py_buffer *view, int flags);
void np_buffer_release(PyObject *self, Py_buffer *view);
/* An array over an exporter's memory, without a copy. NULL with an exception. */
PyObject *np_from_buffer(np_state *state, PyObject *exporter);
PyObject *np_dlpack(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names);
PyObject *np_dlpack_device(PyObject *self, PyObject *unused);
PyObject *np_from_dlpack(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names);

/* ---- pack.c, share.c: see pack.h ---- */
extern PyMethodDef np_pack_functions[];
extern PyMethodDef np_share_functions[];
extern PyMethodDef np_meter_functions[]; /* meter.c */
/* Whether it is the extension module; if not, with ImportError. */
bool np_is_module(PyObject *module);

/* ---- index.c ---- */
PyObject *np_subscript(PyObject *self, PyObject *key);
int np_assign_subscript(PyObject *self, PyObject *key, PyObject *value);
PyObject *np_sequence_item(PyObject *self, Py_ssize_t i);

/* ---- number.c ---- */
PyObject *np_compare(PyObject *a, PyObject *b, int op);
extern const PyType_Slot np_number_slots[];

/* ---- ufunc.c ---- */
int np_ufunc_setup(PyObject *module, np_state *state);
/* op over operands that are arrays, Python numbers or nested sequences. Py_NotImplemented (new)
** for other objects if `strict` is false. out: an array, or NULL. dtype: -1, or the loop's. */
PyObject *np_binary(np_state *state, pvt_binary_op op, PyObject *a, PyObject *b, PyObject *out,
                    int dtype, bool strict);
PyObject *np_unary(np_state *state, pvt_unary_op op, PyObject *x, PyObject *out, int dtype);

/* ---- reduce.c ---- */
/* None, an int or a tuple: bit i for axis i. 0, or -1 with AxisError. */
int np_parse_axes(np_state *state, PyObject *object, int ndim, uint32_t *axes);
/* One axis, counted from the end if negative; -1 with AxisError. */
int np_parse_axis(np_state *state, PyObject *object, int ndim);
int np_normalize_axis(np_state *state, Py_ssize_t axis, int ndim);
PyObject *np_reduce(np_state *state, pvt_reduce_op op, PyObject *x, PyObject *axis, int dtype,
                    bool keepdims, PyObject *out);
extern PyMethodDef np_reduce_methods[];   /* of the type */
extern PyMethodDef np_reduce_functions[]; /* of the module */

/* ---- matmul.c ---- */
PyObject *np_matmul(np_state *state, PyObject *a, PyObject *b, PyObject *out);

/* ---- shape.c, create.c, sort.c, ...: functions of the module and methods of the type ---- */
extern PyMethodDef np_shape_methods[];
extern PyMethodDef np_shape_functions[];
extern PyMethodDef np_create_functions[];
extern PyMethodDef np_sort_functions[];
extern PyMethodDef np_gather_functions[];
extern PyMethodDef np_linalg_functions[];
extern PyMethodDef np_fft_functions[];
extern PyMethodDef np_window_functions[];

/* ---- backends.c ---- */

extern PyMethodDef np_backend_functions[];

/* ---- properties.c, element.c ---- */
extern PyGetSetDef np_properties[];
extern PyMethodDef np_element_methods[];
extern const PyType_Slot np_element_slots[];

/* ---- memory.c ---- */
PyObject *np_base(PyObject *self, void *closure);
extern PyMethodDef np_memory_methods[];
extern PyMethodDef np_memory_functions[];

/* ---- methods.c ---- */
extern PyMethodDef np_forwarded_methods[];
/* polyvm.np's NAME(first, *args, **names); self says whose polyvm.np. */
PyObject *np_forward(PyObject *self, PyObject *first, const char *name, PyObject *const *args,
                     Py_ssize_t n, PyObject *names);
PyObject *np_flat(PyObject *self, void *closure);
int np_set_flat(PyObject *self, PyObject *value, void *closure);

/* ---- random.c ---- */
extern PyMethodDef np_random_functions[];
int np_random_setup(PyObject *module);

/* ---- model.c ---- */
int np_model_setup(PyObject *module);

/* ---- arguments.c ---- */
/* Match positional arguments and keywords of a METH_FASTCALL | METH_KEYWORDS call against names;
** the first `positional` of them may be given by position, `required` must be there; missing ones
** are NULL in `values`. 0, or -1 with TypeError. */
int np_arguments(const char *function, PyObject *const *args, Py_ssize_t n, PyObject *names,
                 const char *const *parameters, int positional, int required, PyObject **values);

#endif

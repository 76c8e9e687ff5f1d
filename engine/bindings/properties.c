/* properties.c - what arrays say of themselves. */
#include "binding.h"

static PyObject *get_shape(PyObject *self, void *closure) {
  (void)closure;
  return np_shape_tuple(np_get(self));
}

static PyObject *get_strides(PyObject *self, void *closure) {
  (void)closure;
  const pvt_array *array = np_get(self);
  PyObject *strides = PyTuple_New(array->ndim);
  for (int i = 0; strides != NULL && i < array->ndim; i++) {
    PyObject *stride = PyLong_FromLongLong(array->dim[i].stride);
    if (stride == NULL) Py_CLEAR(strides);
    else PyTuple_SET_ITEM(strides, i, stride);
  }
  return strides;
}

static PyObject *get_ndim(PyObject *self, void *closure) {
  (void)closure;
  return PyLong_FromLong(np_get(self)->ndim);
}

static PyObject *get_size(PyObject *self, void *closure) {
  (void)closure;
  return PyLong_FromLongLong(pvt_array_count(np_get(self)));
}

static PyObject *get_itemsize(PyObject *self, void *closure) {
  (void)closure;
  return PyLong_FromSize_t(pvt_itemsize((pvt_dtype)np_get(self)->dtype));
}

static PyObject *get_nbytes(PyObject *self, void *closure) {
  (void)closure;
  int64_t itemsize = (int64_t)pvt_itemsize((pvt_dtype)np_get(self)->dtype);
  return PyLong_FromLongLong(pvt_array_count(np_get(self)) * itemsize);
}

static PyObject *get_dtype(PyObject *self, void *closure) {
  (void)closure;
  return np_dtype_object(np_state_of_object(self), (pvt_dtype)np_get(self)->dtype);
}

static PyObject *get_device(PyObject *self, void *closure) {
  (void)self;
  (void)closure;
  return PyUnicode_FromString("cpu");
}

static PyObject *permuted(PyObject *self, const int *axes) {
  pvt_array view;
  pvt_array_view(&view, np_get(self));
  int status = pvt_view_permute(&view, axes);
  if (status == PVT_OK) return np_wrap(np_state_of_object(self), &view);
  pvt_array_release(&view);
  return np_raise(np_state_of_object(self), status);
}

static PyObject *get_transposed(PyObject *self, void *closure) {
  (void)closure;
  int axes[PVT_MAX_DIMS], ndim = np_get(self)->ndim;
  for (int i = 0; i < ndim; i++) axes[i] = ndim - 1 - i;
  return permuted(self, axes);
}

static PyObject *get_matrix_transposed(PyObject *self, void *closure) {
  (void)closure;
  int axes[PVT_MAX_DIMS], ndim = np_get(self)->ndim;
  if (ndim < 2) {
    PyErr_SetString(PyExc_ValueError, "matrix transpose with ndim < 2 is undefined");
    return NULL;
  }
  for (int i = 0; i < ndim; i++) axes[i] = i;
  axes[ndim - 2] = ndim - 1;
  axes[ndim - 1] = ndim - 2;
  return permuted(self, axes);
}

/* A view of one of a complex array's two parts; of a real one itself, or zeros. */
static PyObject *get_part(PyObject *self, void *closure) {
  bool imaginary = closure != NULL;
  np_state *state = np_state_of_object(self);
  const pvt_array *array = np_get(self);
  pvt_array view;
  if (pvt_dtype_kind((pvt_dtype)array->dtype) == PVT_KIND_COMPLEX) {
    pvt_array_view(&view, array);
    view.dtype = array->dtype == PVT_COMPLEX64 ? PVT_FLOAT32 : PVT_FLOAT64;
    if (imaginary) view.data += pvt_itemsize((pvt_dtype)view.dtype);
    return np_wrap(state, &view);
  }
  if (!imaginary) return Py_NewRef(self);
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < array->ndim; i++) shape[i] = array->dim[i].size;
  int status = pvt_array_zeros(&view, (pvt_dtype)array->dtype, array->ndim, shape);
  if (status != PVT_OK) return np_raise(state, status);
  view.writable = false;
  return np_wrap(state, &view);
}

static int set_part(PyObject *self, PyObject *value, void *closure) {
  if (value == NULL) {
    PyErr_SetString(PyExc_AttributeError, "a part of an array cannot be deleted");
    return -1;
  }
  if (pvt_dtype_kind((pvt_dtype)np_get(self)->dtype) != PVT_KIND_COMPLEX && closure != NULL) {
    PyErr_SetString(PyExc_TypeError, "array does not have imaginary part to set");
    return -1;
  }
  PyObject *part = get_part(self, closure);
  int status = part == NULL ? -1 : np_assign_subscript(part, Py_Ellipsis, value);
  Py_XDECREF(part);
  return status;
}

static int set_shape(PyObject *self, PyObject *value, void *closure) {
  (void)self;
  (void)value;
  (void)closure;
  PyErr_SetString(PyExc_AttributeError, "an array's shape is fixed: use reshape");
  return -1;
}

static PyObject *get_flags(PyObject *self, void *closure) {
  (void)closure;
  return np_forward(self, self, "_flags", NULL, 0, NULL);
}

static PyObject *get_data(PyObject *self, void *closure) {
  (void)closure;
  return PyMemoryView_FromObject(self);
}

PyGetSetDef np_properties[] = {
    {"shape", get_shape, set_shape, "The sizes of the dimensions.", NULL},
    {"strides", get_strides, NULL, "Bytes from one element to the next, by dimension.", NULL},
    {"ndim", get_ndim, NULL, "How many dimensions there are.", NULL},
    {"size", get_size, NULL, "How many elements there are.", NULL},
    {"itemsize", get_itemsize, NULL, "Bytes of an element.", NULL},
    {"nbytes", get_nbytes, NULL, "Bytes of all elements.", NULL},
    {"dtype", get_dtype, NULL, "The type of the elements.", NULL},
    {"device", get_device, NULL, "'cpu'.", NULL},
    {"flags", get_flags, NULL, "How the elements lie in memory, and whether they may be written.",
     NULL},
    {"base", np_base, NULL, "An array of all the memory that this one is a part of, or None.",
     NULL},
    {"T", get_transposed, NULL, "A view with the dimensions in reverse order.", NULL},
    {"mT", get_matrix_transposed, NULL, "A view with the last two dimensions exchanged.", NULL},
    {"real", get_part, set_part, "A view of the real part.", NULL},
    {"flat", np_flat, np_set_flat, "The elements in C order, to walk, read and set.", NULL},
    {"data", get_data, NULL, "A memoryview of the elements.", NULL},
    {"imag", get_part, set_part, "A view of the imaginary part.", (void *)1},
    {NULL, NULL, NULL, NULL, NULL},
};

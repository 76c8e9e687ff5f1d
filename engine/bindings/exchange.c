/* exchange.c - sharing memory with others: the buffer protocol and DLPack, in both directions. */
#include <string.h>

#include "binding.h"

/* ---- Out through the buffer protocol ------------------------------------ */

static const char *const formats[PVT_DTYPES] = {
    [PVT_BOOL] = "?",    [PVT_INT8] = "b",       [PVT_INT16] = "h",       [PVT_INT32] = "i",
    [PVT_INT64] = "l",   [PVT_UINT8] = "B",      [PVT_UINT16] = "H",      [PVT_UINT32] = "I",
    [PVT_UINT64] = "L",  [PVT_FLOAT16] = "e",    [PVT_BFLOAT16] = NULL,   [PVT_FLOAT32] = "f",
    [PVT_FLOAT64] = "d", [PVT_COMPLEX64] = "Zf", [PVT_COMPLEX128] = "Zd",
};

/* What a view needs until it is released: the memory, whatever becomes of the array. */
typedef struct exported {
  pvt_buffer *buffer;
  Py_ssize_t dims[]; /* sizes, then strides */
} exported;

int np_buffer_get(PyObject *self, Py_buffer *view, int flags) {
  const pvt_array *array = np_get(self);
  pvt_dtype dtype = (pvt_dtype)array->dtype;
  view->obj = NULL;
  if ((flags & PyBUF_WRITABLE) == PyBUF_WRITABLE && !array->writable) {
    PyErr_SetString(PyExc_BufferError, "the array is read-only");
    return -1;
  }
  if (formats[dtype] == NULL && (flags & PyBUF_FORMAT) == PyBUF_FORMAT) {
    PyErr_SetString(PyExc_BufferError, "the buffer protocol has no name for bfloat16");
    return -1;
  }
  bool in_c_order = pvt_array_is_contiguous(array), in_fortran = pvt_array_is_fortran(array);
  bool strided = (flags & PyBUF_STRIDES) == PyBUF_STRIDES;
  if ((!strided && !in_c_order) ||
      ((flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS && !in_c_order) ||
      ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS && !in_fortran) ||
      ((flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS && !in_c_order && !in_fortran)) {
    PyErr_SetString(PyExc_BufferError, "the array is not contiguous as asked for");
    return -1;
  }
  exported *kept = PyMem_Malloc(sizeof *kept + 2 * (size_t)array->ndim * sizeof *kept->dims);
  if (kept == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  Py_ssize_t *dims = kept->dims;
  for (int i = 0; i < array->ndim; i++) {
    dims[i] = array->dim[i].size;
    dims[array->ndim + i] = array->dim[i].stride;
  }
  *view = (Py_buffer){.buf = array->data,
                      .obj = Py_NewRef(self),
                      .len = pvt_array_count(array) * (Py_ssize_t)pvt_itemsize(dtype),
                      .itemsize = (Py_ssize_t)pvt_itemsize(dtype),
                      .readonly = !array->writable,
                      .ndim = (flags & PyBUF_ND) ? array->ndim : 1,
                      .format = (flags & PyBUF_FORMAT) ? (char *)(uintptr_t)formats[dtype] : NULL,
                      .shape = (flags & PyBUF_ND) ? dims : NULL,
                      .strides = strided ? dims + array->ndim : NULL,
                      .internal = kept};
  kept->buffer = pvt_buffer_retain(array->buffer); /* who asks whether others write sees the view */
  return 0;
}

void np_buffer_release(PyObject *self, Py_buffer *view) {
  (void)self;
  pvt_buffer_release(((exported *)view->internal)->buffer);
  PyMem_Free(view->internal);
}

/* ---- In through the buffer protocol ------------------------------------- */

static int dtype_of_format(const char *format, Py_ssize_t itemsize) {
  if (format == NULL) return itemsize == 1 ? PVT_UINT8 : -1;
  if (*format == '@' || *format == '=' || *format == '<') format++;
  if (format[0] == 'Z' && format[1] == 'f') return PVT_COMPLEX64;
  if (format[0] == 'Z' && format[1] == 'd') return PVT_COMPLEX128;
  if (format[0] == '\0' || format[1] != '\0') return -1;
  switch (*format) {
  case '?': return PVT_BOOL;
  case 'e': return PVT_FLOAT16;
  case 'f': return PVT_FLOAT32;
  case 'd': return PVT_FLOAT64;
  case 'b':
  case 'h':
  case 'i':
  case 'l':
  case 'q':
  case 'n':
    return itemsize == 1   ? PVT_INT8
           : itemsize == 2 ? PVT_INT16
           : itemsize == 4 ? PVT_INT32
                           : PVT_INT64;
  case 'c':
  case 'B':
  case 'H':
  case 'I':
  case 'L':
  case 'Q':
  case 'N':
    return itemsize == 1   ? PVT_UINT8
           : itemsize == 2 ? PVT_UINT16
           : itemsize == 4 ? PVT_UINT32
                           : PVT_UINT64;
  default: return -1;
  }
}

/* The last reference may go on a thread that runs no Python. Not so in a VM, whose foreign buffers
** never leave it: there the thread has its interpreter, and PyGILState would choose another. */
static void with_python(void (*call)(void *), void *arg) {
#if PY_VERSION_HEX >= 0x030D0000
  bool attached = PyThreadState_GetUnchecked() != NULL;
#else
  bool attached = _PyThreadState_UncheckedGet() != NULL;
#endif
  PyGILState_STATE gil = attached ? PyGILState_LOCKED : PyGILState_Ensure();
  call(arg);
  if (!attached) PyGILState_Release(gil);
}

static void end_view(void *view) {
  PyBuffer_Release(view);
  PyMem_Free(view);
}

static void let_go(void *view) {
  with_python(end_view, view);
}

PyObject *np_from_buffer(np_state *state, PyObject *exporter) {
  Py_buffer *view = PyMem_Malloc(sizeof *view);
  if (view == NULL) return PyErr_NoMemory();
  if (PyObject_GetBuffer(exporter, view, PyBUF_FULL_RO) < 0) {
    PyMem_Free(view);
    return NULL;
  }
  int dtype = dtype_of_format(view->format, view->itemsize);
  pvt_array array = {.data = view->buf, .ndim = 0, .writable = !view->readonly};
  if (dtype < 0 || view->suboffsets != NULL || view->ndim > PVT_MAX_DIMS) {
    PyErr_Format(PyExc_TypeError,
                 "a buffer of format '%.100s' holds no numbers of an array's types",
                 view->format != NULL ? view->format : "");
    goto failed;
  }
  array.dtype = (uint8_t)dtype;
  array.ndim = (uint8_t)view->ndim;
  Py_ssize_t stride = view->itemsize;
  for (int i = view->ndim - 1; i >= 0; i--) {
    Py_ssize_t size = view->shape != NULL ? view->shape[i] : view->len / view->itemsize;
    array.dim[i] = (pvt_dim){size, view->strides != NULL ? view->strides[i] : stride};
    stride *= size;
  }
  array.buffer = pvt_buffer_foreign(view->buf, (size_t)view->len, let_go, view);
  if (array.buffer != NULL) return np_wrap(state, &array);
  np_raise(state, PVT_E_NOMEM);
failed:
  PyBuffer_Release(view);
  PyMem_Free(view);
  return NULL;
}

/* ---- DLPack ------------------------------------------------------------- */

typedef struct dl_device {
  int32_t type; /* 1: CPU */
  int32_t id;
} dl_device;

typedef struct dl_tensor {
  void *data;
  dl_device device;
  int32_t ndim;
  struct {
    uint8_t code; /* 0 int, 1 uint, 2 float, 4 bfloat, 5 complex, 6 bool */
    uint8_t bits;
    uint16_t lanes;
  } dtype;
  int64_t *shape;
  int64_t *strides; /* in elements; NULL: C order */
  uint64_t byte_offset;
} dl_tensor;

typedef struct dl_managed {
  dl_tensor tensor;
  void *context;
  void (*deleter)(struct dl_managed *self);
} dl_managed;

typedef struct dl_versioned {
  struct {
    uint32_t major, minor;
  } version;
  void *context;
  void (*deleter)(struct dl_versioned *self);
  uint64_t flags; /* 1: read-only, 2: copied */
  dl_tensor tensor;
} dl_versioned;

#define PLAIN "dltensor"
#define PLAIN_USED "used_dltensor"
#define VERSIONED "dltensor_versioned"
#define VERSIONED_USED "used_dltensor_versioned"

static const uint8_t codes[] = {[PVT_KIND_BOOL] = 6,
                                [PVT_KIND_INT] = 0,
                                [PVT_KIND_UINT] = 1,
                                [PVT_KIND_FLOAT] = 2,
                                [PVT_KIND_COMPLEX] = 5};

static void plain_deleter(dl_managed *self) {
  pvt_buffer_release(self->context);
  PyMem_RawFree(self);
}

static void versioned_deleter(dl_versioned *self) {
  pvt_buffer_release(self->context);
  PyMem_RawFree(self);
}

static void drop_plain(PyObject *capsule) {
  if (!PyCapsule_IsValid(capsule, PLAIN)) return;
  dl_managed *managed = PyCapsule_GetPointer(capsule, PLAIN);
  managed->deleter(managed);
}

static void drop_versioned(PyObject *capsule) {
  if (!PyCapsule_IsValid(capsule, VERSIONED)) return;
  dl_versioned *managed = PyCapsule_GetPointer(capsule, VERSIONED);
  managed->deleter(managed);
}

static void describe(dl_tensor *tensor, const pvt_array *array, int64_t *dims) {
  pvt_dtype dtype = (pvt_dtype)array->dtype;
  int64_t itemsize = (int64_t)pvt_itemsize(dtype);
  *tensor = (dl_tensor){.data = array->data, .device = {1, 0}, .ndim = array->ndim};
  tensor->dtype.code = dtype == PVT_BFLOAT16 ? 4 : codes[pvt_dtype_kind(dtype)];
  tensor->dtype.bits = (uint8_t)(8 * itemsize);
  tensor->dtype.lanes = 1;
  tensor->shape = dims;
  tensor->strides = dims + array->ndim;
  for (int i = 0; i < array->ndim; i++) {
    dims[i] = array->dim[i].size;
    dims[array->ndim + i] = array->dim[i].stride / itemsize;
  }
}

static int wants_version(PyObject *version) {
  if (version == NULL || version == Py_None) return 0;
  long major = 0;
  if (!PyTuple_Check(version) || PyTuple_GET_SIZE(version) < 1 ||
      ((major = PyLong_AsLong(PyTuple_GET_ITEM(version, 0))) == -1 && PyErr_Occurred()))
    PyErr_Clear();
  return major >= 1;
}

static int check_device(PyObject *device) {
  if (device == NULL || device == Py_None) return 0;
  int type, id;
  if (!PyArg_ParseTuple(device, "ii;dl_device is a pair of integers", &type, &id)) return -1;
  if (type == 1) return 0;
  PyErr_SetString(PyExc_BufferError, "the array is on the CPU and cannot go elsewhere");
  return -1;
}

PyObject *np_dlpack(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"stream", "max_version", "dl_device", "copy", NULL};
  PyObject *values[4];
  if (np_arguments("__dlpack__", args, n, names, parameters, 0, 0, values) < 0) return NULL;
  if (values[0] != NULL && values[0] != Py_None) {
    PyErr_SetString(PyExc_BufferError, "a stream has no meaning for the CPU");
    return NULL;
  }
  if (check_device(values[2]) < 0) return NULL;
  bool copied = values[3] == Py_True;
  PyObject *source =
      copied ? np_astype(np_state_of_object(self), self, (pvt_dtype)np_get(self)->dtype, true)
             : Py_NewRef(self);
  if (source == NULL) return NULL;
  const pvt_array *array = np_get(source);
  bool versioned = wants_version(values[1]);
  PyObject *capsule = NULL;
  if (!versioned && !array->writable && array->ndim > 0) {
    PyErr_SetString(PyExc_BufferError, "a read-only array needs DLPack 1.0 or newer");
    goto done;
  }
  size_t dims = 2 * (size_t)array->ndim * sizeof(int64_t);
  if (versioned) {
    dl_versioned *managed = PyMem_RawMalloc(sizeof *managed + dims);
    if (managed == NULL) goto no_memory;
    managed->version.major = 1;
    managed->version.minor = 0;
    managed->flags = (array->writable ? 0 : 1) | (copied ? 2 : 0);
    managed->deleter = versioned_deleter;
    managed->context = pvt_buffer_retain(array->buffer);
    describe(&managed->tensor, array, (int64_t *)(managed + 1));
    capsule = PyCapsule_New(managed, VERSIONED, drop_versioned);
    if (capsule == NULL) versioned_deleter(managed);
  } else {
    dl_managed *managed = PyMem_RawMalloc(sizeof *managed + dims);
    if (managed == NULL) goto no_memory;
    managed->deleter = plain_deleter;
    managed->context = pvt_buffer_retain(array->buffer);
    describe(&managed->tensor, array, (int64_t *)(managed + 1));
    capsule = PyCapsule_New(managed, PLAIN, drop_plain);
    if (capsule == NULL) plain_deleter(managed);
  }
  goto done;
no_memory:
  PyErr_NoMemory();
done:
  Py_DECREF(source);
  return capsule;
}

PyObject *np_dlpack_device(PyObject *self, PyObject *unused) {
  (void)self;
  (void)unused;
  return Py_BuildValue("(ii)", 1, 0);
}

static int dtype_of_dlpack(const dl_tensor *tensor) {
  if (tensor->dtype.lanes != 1) return -1;
  for (int i = 0; i < PVT_DTYPES; i++) {
    uint8_t code = i == PVT_BFLOAT16 ? 4 : codes[pvt_dtype_kind((pvt_dtype)i)];
    if (code == tensor->dtype.code && tensor->dtype.bits == 8 * pvt_itemsize((pvt_dtype)i))
      return i;
  }
  return -1;
}

static void end_plain(void *owner) {
  dl_managed *managed = owner;
  if (managed->deleter != NULL) managed->deleter(managed);
}

static void end_versioned(void *owner) {
  dl_versioned *managed = owner;
  if (managed->deleter != NULL) managed->deleter(managed);
}

static void let_plain_go(void *owner) {
  with_python(end_plain, owner);
}

static void let_versioned_go(void *owner) {
  with_python(end_versioned, owner);
}

static PyObject *adopt(np_state *state, const dl_tensor *tensor, bool writable,
                       void (*release)(void *), void *owner) {
  int dtype = dtype_of_dlpack(tensor);
  if (tensor->device.type != 1 || dtype < 0 || tensor->ndim > PVT_MAX_DIMS || tensor->ndim < 0) {
    PyErr_SetString(PyExc_BufferError,
                    "only tensors on the CPU with an array's element types can be taken in");
    release(owner);
    return NULL;
  }
  pvt_array array = {.data = (char *)tensor->data + tensor->byte_offset,
                     .dtype = (uint8_t)dtype,
                     .ndim = (uint8_t)tensor->ndim,
                     .writable = writable};
  int64_t itemsize = (int64_t)pvt_itemsize((pvt_dtype)dtype), stride = 1;
  for (int i = tensor->ndim - 1; i >= 0; i--) {
    int64_t own = tensor->strides != NULL ? tensor->strides[i] : stride;
    array.dim[i] = (pvt_dim){tensor->shape[i], own * itemsize};
    stride *= tensor->shape[i];
  }
  array.buffer = pvt_buffer_foreign(array.data, 0, release, owner);
  if (array.buffer != NULL) return np_wrap(state, &array);
  release(owner);
  return np_raise(state, PVT_E_NOMEM);
}

PyObject *np_from_dlpack(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  static const char *const parameters[] = {"x", "device", "copy", NULL};
  PyObject *values[3];
  if (np_arguments("from_dlpack", args, n, names, parameters, 1, 1, values) < 0) return NULL;
  np_state *state = np_state_of(module);
  if (values[1] != NULL && values[1] != Py_None &&
      !(PyUnicode_Check(values[1]) && PyUnicode_CompareWithASCIIString(values[1], "cpu") == 0)) {
    PyErr_Format(PyExc_ValueError, "Unsupported device %R: there is only 'cpu'", values[1]);
    return NULL;
  }
  PyObject *method = PyObject_GetAttrString(values[0], "__dlpack__");
  if (method == NULL) return NULL;
  PyObject *none = PyTuple_New(0);
  PyObject *wishes = Py_BuildValue("{s:(ii)}", "max_version", 1, 0);
  if (wishes != NULL && values[2] != NULL && values[2] != Py_None)
    PyDict_SetItemString(wishes, "copy", values[2]);
  PyObject *capsule = none != NULL && wishes != NULL ? PyObject_Call(method, none, wishes) : NULL;
  if (capsule == NULL && PyErr_ExceptionMatches(PyExc_TypeError)) { /* of before DLPack 1.0 */
    PyErr_Clear();
    capsule = PyObject_CallNoArgs(method);
  }
  Py_XDECREF(wishes);
  Py_XDECREF(none);
  Py_DECREF(method);
  if (capsule == NULL) return NULL;
  PyObject *array = NULL;
  if (PyCapsule_IsValid(capsule, VERSIONED)) {
    dl_versioned *managed = PyCapsule_GetPointer(capsule, VERSIONED);
    if (managed->version.major > 1) {
      PyErr_SetString(PyExc_BufferError, "a DLPack version newer than 1 is not understood");
    } else {
      PyCapsule_SetName(capsule, VERSIONED_USED);
      array = adopt(state, &managed->tensor, (managed->flags & 1) == 0, let_versioned_go, managed);
    }
  } else if (PyCapsule_IsValid(capsule, PLAIN)) {
    dl_managed *managed = PyCapsule_GetPointer(capsule, PLAIN);
    PyCapsule_SetName(capsule, PLAIN_USED);
    array = adopt(state, &managed->tensor, true, let_plain_go, managed);
  } else {
    PyErr_SetString(PyExc_BufferError, "__dlpack__ gave no DLPack capsule");
  }
  Py_DECREF(capsule);
  if (array != NULL && values[2] == Py_True) {
    PyObject *copy = np_astype(state, array, (pvt_dtype)np_get(array)->dtype, true);
    Py_SETREF(array, copy);
  }
  return array;
}

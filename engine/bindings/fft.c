/* fft.c - Fourier transforms along one axis; np/fft.py has those along several. */
#include <math.h>
#include <string.h>

#include "binding.h"
#include "fft.h"

typedef enum kind { FFT, IFFT, RFFT, IRFFT, HFFT, IHFFT } kind;

static const char *const kind_names[] = {"fft", "ifft", "rfft", "irfft", "hfft", "ihfft"};

static bool is_single(pvt_dtype dtype) {
  return dtype == PVT_FLOAT32 || dtype == PVT_COMPLEX64;
}

/* In float32, float64 or their complex types; conjugated for hfft. NULL with an exception. */
static PyObject *prepared(np_state *state, kind which, PyObject *object) {
  PyObject *x = np_from_object(state, object, -1, -1);
  if (x == NULL) return NULL;
  pvt_dtype dtype = (pvt_dtype)np_get(x)->dtype;
  bool complex = pvt_dtype_kind(dtype) == PVT_KIND_COMPLEX;
  if (complex && (which == RFFT || which == IHFFT)) {
    PyErr_Format(PyExc_TypeError, "%s() takes real input, not %s", kind_names[which],
                 pvt_dtype_name(dtype));
    Py_DECREF(x);
    return NULL;
  }
  pvt_dtype working = dtype;
  if (dtype == PVT_FLOAT16 || dtype == PVT_BFLOAT16) working = PVT_FLOAT32;
  else if (dtype < PVT_FLOAT32) working = PVT_FLOAT64;
  if ((which == IRFFT || which == HFFT) && !complex)
    working = working == PVT_FLOAT32 ? PVT_COMPLEX64 : PVT_COMPLEX128;
  Py_SETREF(x, np_astype(state, x, working, false));
  if (x != NULL && which == HFFT && complex) Py_SETREF(x, np_unary(state, PVT_CONJ, x, NULL, -1));
  return x;
}

/* By what results are multiplied; NaN with ValueError. */
static double scale_of(PyObject *norm, bool forward, int64_t n) {
  const char *name = "backward";
  if (norm != NULL && norm != Py_None) {
    name = PyUnicode_Check(norm) ? PyUnicode_AsUTF8(norm) : "";
    if (name == NULL) return NAN;
  }
  if (strcmp(name, "ortho") == 0) return 1 / sqrt((double)n);
  bool backward = strcmp(name, "backward") == 0;
  if (backward || strcmp(name, "forward") == 0) return backward == forward ? 1 : 1 / (double)n;
  PyErr_Format(PyExc_ValueError,
               "Invalid norm value %S; should be \"backward\",\"ortho\" or \"forward\".", norm);
  return NAN;
}

/* The length of the transform: as given, or what x has. 0, or -1 with an exception. */
static int length_of(kind which, PyObject *given, int64_t size, int64_t *n) {
  *n = which == IRFFT || which == HFFT ? 2 * (size - 1) : size;
  if (given != NULL && given != Py_None) {
    Py_ssize_t wanted = PyNumber_AsSsize_t(given, PyExc_OverflowError);
    if (wanted == -1 && PyErr_Occurred()) return -1;
    *n = wanted;
  }
  if (*n >= 1) return 0;
  PyErr_Format(PyExc_ValueError, "Invalid number of FFT data points (%lld) specified.",
               (long long)*n);
  return -1;
}

static PyObject *into(np_state *state, PyObject *result, PyObject *out) {
  if (!np_array_check(out)) {
    PyErr_SetString(PyExc_TypeError, "return arrays must be of ArrayType");
  } else {
    bool fits = np_get(out)->ndim == np_get(result)->ndim;
    for (int i = 0; fits && i < np_get(out)->ndim; i++)
      fits = np_get(out)->dim[i].size == np_get(result)->dim[i].size;
    if (!fits) PyErr_SetString(PyExc_ValueError, "output array has wrong shape.");
    else if (!pvt_can_cast((pvt_dtype)np_get(result)->dtype, (pvt_dtype)np_get(out)->dtype,
                           PVT_CAST_SAME_KIND))
      PyErr_SetString(PyExc_TypeError, "Cannot cast the result to the output array's type");
    else {
      int status = pvt_copy(np_get(result), np_get(out));
      if (status != PVT_OK) np_raise(state, status);
    }
  }
  Py_DECREF(result);
  return PyErr_Occurred() ? NULL : Py_NewRef(out);
}

static PyObject *transform(PyObject *module, kind which, PyObject *const *args, Py_ssize_t count,
                           PyObject *names) {
  static const char *const parameters[] = {"a", "n", "axis", "norm", "out", NULL};
  PyObject *values[5];
  if (np_arguments(kind_names[which], args, count, names, parameters, 5, 1, values) < 0)
    return NULL;
  np_state *state = np_state_of(module);
  PyObject *x = prepared(state, which, values[0]), *result = NULL;
  if (x == NULL) return NULL;
  int ndim = np_get(x)->ndim;
  int axis = values[2] == NULL ? np_normalize_axis(state, -1, ndim)
                               : np_parse_axis(state, values[2], ndim);
  int64_t n;
  if (axis < 0 || length_of(which, values[1], np_get(x)->dim[axis].size, &n) < 0) goto done;
  double scale = scale_of(values[3], which == FFT || which == RFFT || which == HFFT, n);
  if (isnan(scale)) goto done;
  bool half = which == RFFT || which == IHFFT, real = which == IRFFT || which == HFFT;
  bool single = is_single((pvt_dtype)np_get(x)->dtype);
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < ndim; i++) shape[i] = np_get(x)->dim[i].size;
  shape[axis] = half ? n / 2 + 1 : n;
  pvt_dtype dtype = real     ? (single ? PVT_FLOAT32 : PVT_FLOAT64)
                    : single ? PVT_COMPLEX64
                             : PVT_COMPLEX128;
  result = np_new(state, dtype, ndim, shape);
  if (result == NULL) goto done;
  int status;
  if (half) status = pvt_rfft(np_get(x), axis, n, scale, np_get(result));
  else if (real) status = pvt_irfft(np_get(x), axis, scale, np_get(result));
  else status = pvt_fft(np_get(x), axis, which == FFT, scale, np_get(result));
  if (status == PVT_OK && which == IHFFT)
    status = pvt_unary(PVT_CONJ, np_get(result), np_get(result));
  if (status != PVT_OK) {
    Py_CLEAR(result);
    np_raise(state, status);
  } else if (values[4] != NULL && values[4] != Py_None) {
    result = into(state, result, values[4]);
  }
done:
  Py_DECREF(x);
  return result;
}

#define TRANSFORM(name, which)                                                                     \
  static PyObject *name(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names) {  \
    return transform(module, which, args, n, names);                                               \
  }
TRANSFORM(fft, FFT)
TRANSFORM(ifft, IFFT)
TRANSFORM(rfft, RFFT)
TRANSFORM(irfft, IRFFT)
TRANSFORM(hfft, HFFT)
TRANSFORM(ihfft, IHFFT)

#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS

PyMethodDef np_fft_functions[] = {
    {"_fft_fft", FAST(fft), "fft(a, n=None, axis=-1, norm=None, out=None)"},
    {"_fft_ifft", FAST(ifft), "ifft(a, n=None, axis=-1, norm=None, out=None)"},
    {"_fft_rfft", FAST(rfft), "rfft(a, n=None, axis=-1, norm=None, out=None)"},
    {"_fft_irfft", FAST(irfft), "irfft(a, n=None, axis=-1, norm=None, out=None)"},
    {"_fft_hfft", FAST(hfft), "hfft(a, n=None, axis=-1, norm=None, out=None)"},
    {"_fft_ihfft", FAST(ihfft), "ihfft(a, n=None, axis=-1, norm=None, out=None)"},
    {NULL, NULL, 0, NULL},
};

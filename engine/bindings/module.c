/* module.c - the extension module: its state, its parts, and how engine errors become exceptions.
 */
#include "binding.h"

np_state *np_state_of(PyObject *module) {
  return PyModule_GetState(module);
}

void *np_raise(np_state *state, int status) {
  PyObject *type = PyExc_RuntimeError;
  switch (status) {
  case PVT_E_NOMEM:
  case PVT_E_QUOTA: type = PyExc_MemoryError; break;
  case PVT_E_CANCELLED:
    /* what stops the thread is pending as an exception, and this is where it comes out */
    if (PyErr_Occurred() || PyErr_CheckSignals() < 0) return NULL;
    break;
  case PVT_E_SHAPE:
  case PVT_E_VALUE:
  case PVT_E_READONLY: type = PyExc_ValueError; break;
  case PVT_E_DTYPE: type = PyExc_TypeError; break;
  case PVT_E_INDEX: type = PyExc_IndexError; break;
  case PVT_E_AXIS: type = state != NULL ? state->axis_error : PyExc_ValueError; break;
  case PVT_E_LINALG: type = state != NULL ? state->linalg_error : PyExc_ValueError; break;
  default: break;
  }
  PyErr_SetString(type, pvt_error());
  return NULL;
}

static PyObject *set_printer(PyObject *module, PyObject *printer) {
  Py_XSETREF(np_state_of(module)->printer, Py_NewRef(printer));
  Py_RETURN_NONE;
}

static PyObject *set_namespace(PyObject *module, PyObject *namespace) {
  Py_XSETREF(np_state_of(module)->namespace, Py_NewRef(namespace));
  Py_RETURN_NONE;
}

static PyObject *isa(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return PyUnicode_FromString(pvt_isa());
}

static PyMethodDef own_functions[] = {
    {"_set_printer", set_printer, METH_O, "Say what prints arrays: (array, is_repr) -> str."},
    {"_set_namespace", set_namespace, METH_O, "Say what __array_namespace__ gives."},
    {"_isa", isa, METH_NOARGS, "The instruction set whose kernels run here."},
    {NULL, NULL, 0, NULL},
};

static int add_errors(PyObject *module, np_state *state) {
  PyObject *bases = PyTuple_Pack(2, PyExc_ValueError, PyExc_IndexError);
  if (bases == NULL) return -1;
  state->axis_error =
      PyErr_NewExceptionWithDoc("polyvm.np.AxisError", "An axis is out of bounds.", bases, NULL);
  Py_DECREF(bases);
  state->linalg_error =
      PyErr_NewExceptionWithDoc("polyvm.np.linalg.LinAlgError",
                                "A matrix is not what the function needs.", PyExc_ValueError, NULL);
  if (state->axis_error == NULL || state->linalg_error == NULL) return -1;
  if (PyModule_AddObjectRef(module, "AxisError", state->axis_error) < 0) return -1;
  return PyModule_AddObjectRef(module, "LinAlgError", state->linalg_error);
}

static int execute(PyObject *module) {
  np_state *state = np_state_of(module);
  PyMethodDef *const tables[] = {
      own_functions,       np_reduce_functions,  np_shape_functions,  np_create_functions,
      np_sort_functions,   np_gather_functions,  np_dtype_functions,  np_pack_functions,
      np_linalg_functions, np_fft_functions,     np_random_functions, np_share_functions,
      np_meter_functions,  np_backend_functions, np_memory_functions, np_window_functions};
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
    if (PyModule_AddFunctions(module, tables[i]) < 0) return -1;
  if (add_errors(module, state) < 0) return -1;
  if (np_dtype_setup(module, state) < 0) return -1;
  if (np_array_setup(module, state) < 0) return -1;
  if (np_random_setup(module) < 0) return -1;
  if (np_model_setup(module) < 0) return -1;
  return np_ufunc_setup(module, state);
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
  np_state *state = np_state_of(module);
  Py_VISIT(state->array_type);
  Py_VISIT(state->dtype_type);
  Py_VISIT(state->ufunc_type);
  Py_VISIT(state->axis_error);
  Py_VISIT(state->linalg_error);
  Py_VISIT(state->printer);
  Py_VISIT(state->namespace);
  return 0;
}

static int clear(PyObject *module) {
  np_state *state = np_state_of(module);
  Py_CLEAR(state->array_type);
  Py_CLEAR(state->dtype_type);
  Py_CLEAR(state->ufunc_type);
  Py_CLEAR(state->axis_error);
  Py_CLEAR(state->linalg_error);
  Py_CLEAR(state->printer);
  Py_CLEAR(state->namespace);
  for (int i = 0; i < PVT_DTYPES; i++) Py_CLEAR(state->dtypes[i]);
  return 0;
}

static void release(void *module) {
  clear(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

struct PyModuleDef np_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_tensor",
    .m_doc = "Arrays of the tensor engine; polyvm.np is what to import.",
    .m_size = sizeof(np_state),
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyMODINIT_FUNC PyInit__tensor(void) {
  return PyModuleDef_Init(&np_module);
}

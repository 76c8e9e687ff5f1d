/* number.c - the operators of arrays: +, -, <, @ and the rest. */
#include "binding.h"

static np_state *state_of(PyObject *a, PyObject *b) {
  return np_state_of_object(np_array_check(a) ? a : b);
}

#define BINARY(name, op)                                                                           \
  static PyObject *name(PyObject *a, PyObject *b) {                                                \
    return np_binary(state_of(a, b), op, a, b, NULL, -1, false);                                   \
  }

/* In place: into the left operand itself, unless it is a scalar, which never changes. */
#define IN_PLACE(name, op)                                                                         \
  static PyObject *name(PyObject *a, PyObject *b) {                                                \
    bool scalar = np_get(a)->ndim == 0 && !np_get(a)->writable;                                    \
    return np_binary(np_state_of_object(a), op, a, b, scalar ? NULL : a, -1, false);               \
  }

#define UNARY(name, op)                                                                            \
  static PyObject *name(PyObject *a) {                                                             \
    return np_unary(np_state_of_object(a), op, a, NULL, -1);                                       \
  }

BINARY(add, PVT_ADD)
BINARY(subtract, PVT_SUBTRACT)
BINARY(multiply, PVT_MULTIPLY)
BINARY(divide, PVT_DIVIDE)
BINARY(floor_divide, PVT_FLOOR_DIVIDE)
BINARY(remainder_, PVT_REMAINDER)
BINARY(bit_and, PVT_BITWISE_AND)
BINARY(bit_or, PVT_BITWISE_OR)
BINARY(bit_xor, PVT_BITWISE_XOR)
BINARY(shift_left, PVT_LEFT_SHIFT)
BINARY(shift_right, PVT_RIGHT_SHIFT)

IN_PLACE(add_in_place, PVT_ADD)
IN_PLACE(subtract_in_place, PVT_SUBTRACT)
IN_PLACE(multiply_in_place, PVT_MULTIPLY)
IN_PLACE(divide_in_place, PVT_DIVIDE)
IN_PLACE(floor_divide_in_place, PVT_FLOOR_DIVIDE)
IN_PLACE(remainder_in_place, PVT_REMAINDER)
IN_PLACE(power_in_place_, PVT_POWER)
IN_PLACE(bit_and_in_place, PVT_BITWISE_AND)
IN_PLACE(bit_or_in_place, PVT_BITWISE_OR)
IN_PLACE(bit_xor_in_place, PVT_BITWISE_XOR)
IN_PLACE(shift_left_in_place, PVT_LEFT_SHIFT)
IN_PLACE(shift_right_in_place, PVT_RIGHT_SHIFT)

UNARY(negative, PVT_NEGATIVE)
UNARY(positive, PVT_POSITIVE)
UNARY(absolute, PVT_ABSOLUTE)
UNARY(invert, PVT_INVERT)

/* Squares are common, and cheaper than powers. */
static bool is_two(PyObject *b) {
  return PyLong_CheckExact(b) && PyLong_AsLong(b) == 2;
}

static PyObject *power(PyObject *a, PyObject *b, PyObject *modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  np_state *state = state_of(a, b);
  if (PyLong_CheckExact(b)) {
    bool two = is_two(b);
    if (PyErr_Occurred()) PyErr_Clear();
    if (two && np_array_check(a) && np_get(a)->dtype != PVT_BOOL)
      return np_unary(state, PVT_SQUARE, a, NULL, -1);
  }
  return np_binary(state, PVT_POWER, a, b, NULL, -1, false);
}

static PyObject *power_in_place(PyObject *a, PyObject *b, PyObject *modulus) {
  (void)modulus;
  return power_in_place_(a, b);
}

static PyObject *divide_both(PyObject *a, PyObject *b) {
  PyObject *quotient = floor_divide(a, b);
  if (quotient == NULL || quotient == Py_NotImplemented) return quotient;
  PyObject *rest = remainder_(a, b);
  PyObject *both = rest != NULL ? PyTuple_Pack(2, quotient, rest) : NULL;
  Py_DECREF(quotient);
  Py_XDECREF(rest);
  return both;
}

static bool can_be_matrix(PyObject *object) {
  return np_array_check(object) || PyList_Check(object) || PyTuple_Check(object) ||
         PyObject_CheckBuffer(object);
}

static PyObject *matmul(PyObject *a, PyObject *b) {
  if (!can_be_matrix(a) || !can_be_matrix(b)) Py_RETURN_NOTIMPLEMENTED;
  return np_matmul(state_of(a, b), a, b, NULL);
}

static PyObject *matmul_in_place(PyObject *a, PyObject *b) {
  if (!can_be_matrix(b)) Py_RETURN_NOTIMPLEMENTED;
  return np_matmul(np_state_of_object(a), a, b, a);
}

PyObject *np_compare(PyObject *a, PyObject *b, int op) {
  static const pvt_binary_op ops[] = {[Py_LT] = PVT_LESS,    [Py_LE] = PVT_LESS_EQUAL,
                                      [Py_EQ] = PVT_EQUAL,   [Py_NE] = PVT_NOT_EQUAL,
                                      [Py_GT] = PVT_GREATER, [Py_GE] = PVT_GREATER_EQUAL};
  return np_binary(np_state_of_object(a), ops[op], a, b, NULL, -1, false);
}

const PyType_Slot np_number_slots[] = {
    {Py_nb_add, add},
    {Py_nb_subtract, subtract},
    {Py_nb_multiply, multiply},
    {Py_nb_true_divide, divide},
    {Py_nb_floor_divide, floor_divide},
    {Py_nb_remainder, remainder_},
    {Py_nb_divmod, divide_both},
    {Py_nb_power, power},
    {Py_nb_and, bit_and},
    {Py_nb_or, bit_or},
    {Py_nb_xor, bit_xor},
    {Py_nb_lshift, shift_left},
    {Py_nb_rshift, shift_right},
    {Py_nb_matrix_multiply, matmul},
    {Py_nb_inplace_add, add_in_place},
    {Py_nb_inplace_subtract, subtract_in_place},
    {Py_nb_inplace_multiply, multiply_in_place},
    {Py_nb_inplace_true_divide, divide_in_place},
    {Py_nb_inplace_floor_divide, floor_divide_in_place},
    {Py_nb_inplace_remainder, remainder_in_place},
    {Py_nb_inplace_power, power_in_place},
    {Py_nb_inplace_and, bit_and_in_place},
    {Py_nb_inplace_or, bit_or_in_place},
    {Py_nb_inplace_xor, bit_xor_in_place},
    {Py_nb_inplace_lshift, shift_left_in_place},
    {Py_nb_inplace_rshift, shift_right_in_place},
    {Py_nb_inplace_matrix_multiply, matmul_in_place},
    {Py_nb_negative, negative},
    {Py_nb_positive, positive},
    {Py_nb_absolute, absolute},
    {Py_nb_invert, invert},
    {0, NULL},
};

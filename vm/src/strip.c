/* strip.c - see strip.h. */
#include "strip.h"

#include <string.h>

#include "pycore_ast.h"

/* ---- Docstrings --------------------------------------------------------- */

static int is_docstring(const stmt_ty statement) {
  if (statement->kind != Expr_kind) return 0;
  const expr_ty value = statement->v.Expr.value;
  return value->kind == Constant_kind && PyUnicode_CheckExact(value->v.Constant.value);
}

/* A second string would become the docstring when the first is gone, so all leading ones
** go: as statements they do nothing. */
static void drop_docstrings(asdl_stmt_seq *body) {
  Py_ssize_t n = asdl_seq_LEN(body), first = 0;
  while (first < n && is_docstring(asdl_seq_GET(body, first))) first++;
  if (first == 0) return;
  if (first == n) {
    first = n - 1;
    stmt_ty last = asdl_seq_GET(body, n - 1);
    last->kind = Pass_kind;
  }
  memmove(body->typed_elements, body->typed_elements + first,
          (size_t)(n - first) * sizeof *body->typed_elements);
  body->size = n - first;
}

static void strip_body(asdl_stmt_seq *body);

static void strip_statement(stmt_ty s) {
  switch (s->kind) {
  case FunctionDef_kind:
    drop_docstrings(s->v.FunctionDef.body);
    strip_body(s->v.FunctionDef.body);
    break;
  case AsyncFunctionDef_kind:
    drop_docstrings(s->v.AsyncFunctionDef.body);
    strip_body(s->v.AsyncFunctionDef.body);
    break;
  case ClassDef_kind:
    drop_docstrings(s->v.ClassDef.body);
    strip_body(s->v.ClassDef.body);
    break;
  case For_kind:
    strip_body(s->v.For.body);
    strip_body(s->v.For.orelse);
    break;
  case AsyncFor_kind:
    strip_body(s->v.AsyncFor.body);
    strip_body(s->v.AsyncFor.orelse);
    break;
  case While_kind:
    strip_body(s->v.While.body);
    strip_body(s->v.While.orelse);
    break;
  case If_kind:
    strip_body(s->v.If.body);
    strip_body(s->v.If.orelse);
    break;
  case With_kind: strip_body(s->v.With.body); break;
  case AsyncWith_kind: strip_body(s->v.AsyncWith.body); break;
  case Match_kind:
    for (Py_ssize_t i = 0; i < asdl_seq_LEN(s->v.Match.cases); i++)
      strip_body(asdl_seq_GET(s->v.Match.cases, i)->body);
    break;
  case Try_kind:
  case TryStar_kind: /* the same fields in the same places */
    strip_body(s->v.Try.body);
    for (Py_ssize_t i = 0; i < asdl_seq_LEN(s->v.Try.handlers); i++)
      strip_body(asdl_seq_GET(s->v.Try.handlers, i)->v.ExceptHandler.body);
    strip_body(s->v.Try.orelse);
    strip_body(s->v.Try.finalbody);
    break;
  default: break; /* holds no statements */
  }
}

/* The parser bounds how deep statements nest (100 levels of indentation). */
static void strip_body(asdl_stmt_seq *body) {
  for (Py_ssize_t i = 0; i < asdl_seq_LEN(body); i++) strip_statement(asdl_seq_GET(body, i));
}

void pvm_strip_docstrings(mod_ty module) {
  if (module->kind != Module_kind) return;
  drop_docstrings(module->v.Module.body);
  strip_body(module->v.Module.body);
}

/* ---- Lines -------------------------------------------------------------- */

#define NO_LOCATION 15 /* PY_CODE_LOCATION_INFO_NONE */
#define UNITS_AN_ENTRY 8

static PyObject *empty_line_table(Py_ssize_t units) {
  Py_ssize_t n = (units + UNITS_AN_ENTRY - 1) / UNITS_AN_ENTRY;
  PyObject *table = PyBytes_FromStringAndSize(NULL, n);
  for (Py_ssize_t i = 0; table != NULL && i < n; i++) {
    Py_ssize_t left = units - i * UNITS_AN_ENTRY;
    Py_ssize_t covered = left < UNITS_AN_ENTRY ? left : UNITS_AN_ENTRY;
    PyBytes_AS_STRING(table)[i] = (char)(0x80 | NO_LOCATION << 3 | (covered - 1));
  }
  return table;
}

static PyObject *strip_constants(PyObject *constants) {
  Py_ssize_t n = PyTuple_GET_SIZE(constants);
  PyObject *stripped = PyTuple_New(n);
  for (Py_ssize_t i = 0; stripped != NULL && i < n; i++) {
    PyObject *item = PyTuple_GET_ITEM(constants, i);
    item = PyCode_Check(item) ? pvm_strip_lines(item) : Py_NewRef(item);
    if (item == NULL) Py_CLEAR(stripped);
    else PyTuple_SET_ITEM(stripped, i, item);
  }
  return stripped;
}

PyObject *pvm_strip_lines(PyObject *code) {
  PyCodeObject *c = (PyCodeObject *)code;
  PyObject *stripped = NULL, *no_arguments = PyTuple_New(0), *changes = NULL;
  PyObject *table = empty_line_table(Py_SIZE(c)), *constants = strip_constants(c->co_consts);
  PyObject *replace = PyObject_GetAttrString(code, "replace");
  if (table != NULL && constants != NULL)
    changes = Py_BuildValue("{sOsOsi}", "co_linetable", table, "co_consts", constants,
                            "co_firstlineno", 1);
  if (changes != NULL && replace != NULL && no_arguments != NULL)
    stripped = PyObject_Call(replace, no_arguments, changes);
  Py_XDECREF(replace);
  Py_XDECREF(changes);
  Py_XDECREF(constants);
  Py_XDECREF(table);
  Py_XDECREF(no_arguments);
  return stripped;
}

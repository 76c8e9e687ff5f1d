/* nocompiler.c - what is linked in place of CPython's compiler.
**
** The runtime library runs bytecode only. The parser, the AST, the symbol table and
** the code generator are members of the static CPython library that the linker pulls
** in only while one of their symbols is wanted. This file defines every symbol that
** the rest of the runtime wants from them, so none is pulled in.
**
** Contract: whatever would need the compiler raises RuntimeError with NO_COMPILER and
** touches nothing. Linking this file and a compiler object together fails with a
** duplicate symbol, by intent. The toolchain library is linked without this file.
**
** A symbol that a later release wants and this file lacks shows as an undefined
** reference or as a compiler symbol in the library; tests check both.
*/
#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
#include "Python.h"

#include "pycore_ast.h"
#include "pycore_compile.h"
#include "pycore_instruction_sequence.h"
#include "pycore_parser.h"
#include "pycore_symtable.h"

/* The tables that the evaluation loop shares with the code generator; the symbol
** _PyOpcode_Caches and its kin live in compile.o otherwise. */
#define NEED_OPCODE_METADATA
#include "pycore_opcode_metadata.h"
#undef NEED_OPCODE_METADATA

#define NO_COMPILER                                                                                \
  "compile() is not available in a VM: tasks run bytecode only; exec and "                         \
  "eval take code objects"

static void *no_compiler(void) {
  PyErr_SetString(PyExc_RuntimeError, NO_COMPILER);
  return NULL;
}

/*
** {==================================================================
** Source to AST
** ===================================================================
*/

struct _mod *_PyParser_ASTFromString(const char *str, PyObject *filename, int mode,
                                     PyCompilerFlags *flags, PyArena *arena) {
  (void)str, (void)filename, (void)mode, (void)flags, (void)arena;
  return no_compiler();
}

struct _mod *_PyParser_ASTFromFile(FILE *fp, PyObject *filename, const char *enc, int mode,
                                   const char *ps1, const char *ps2, PyCompilerFlags *flags,
                                   int *errcode, PyArena *arena) {
  (void)fp, (void)filename, (void)enc, (void)mode, (void)ps1, (void)ps2, (void)flags;
  (void)errcode, (void)arena;
  return no_compiler();
}

struct _mod *_PyParser_InteractiveASTFromFile(FILE *fp, PyObject *filename, const char *enc,
                                              int mode, const char *ps1, const char *ps2,
                                              PyCompilerFlags *flags, int *errcode,
                                              PyObject **source, PyArena *arena) {
  (void)fp, (void)filename, (void)enc, (void)mode, (void)ps1, (void)ps2, (void)flags;
  (void)errcode, (void)source, (void)arena;
  return no_compiler();
}

/* Reached only to show a source line in a traceback: there are no sources. */
const char *_PyTokenizer_FindEncodingFilename(int fd, PyObject *filename) {
  (void)fd, (void)filename;
  return NULL;
}

/* input() on a terminal; a VM's sys.stdin is never one. */
char *PyOS_Readline(FILE *in, FILE *out, const char *prompt) {
  (void)in, (void)out, (void)prompt;
  PyErr_SetString(PyExc_RuntimeError, "input() is not available in a VM: there is no terminal");
  return NULL;
}

int (*PyOS_InputHook)(void) = NULL;

/* }================================================================== */

/*
** {==================================================================
** AST to code
** ===================================================================
*/

/* The first thing compile() asks: refusing here refuses source text and trees alike. */
int PyAST_Check(PyObject *obj) {
  (void)obj;
  no_compiler();
  return -1;
}

PyObject *PyAST_mod2obj(mod_ty tree) {
  (void)tree;
  return no_compiler();
}

mod_ty PyAST_obj2mod(PyObject *ast, PyArena *arena, int mode) {
  (void)ast, (void)arena, (void)mode;
  return no_compiler();
}

int _PyAST_Validate(mod_ty tree) {
  (void)tree;
  no_compiler();
  return 0;
}

PyCodeObject *_PyAST_Compile(struct _mod *tree, PyObject *filename, PyCompilerFlags *flags,
                             int optimize, struct _arena *arena) {
  (void)tree, (void)filename, (void)flags, (void)optimize, (void)arena;
  return no_compiler();
}

int _PyCompile_AstOptimize(struct _mod *tree, PyObject *filename, PyCompilerFlags *flags,
                           int optimize, struct _arena *arena) {
  (void)tree, (void)filename, (void)flags, (void)optimize, (void)arena;
  no_compiler();
  return -1;
}

void _PyAST_Fini(PyInterpreterState *interp) {
  (void)interp;
}

/* Asked by assignment to frame.f_lineno, which debuggers use: no jump is valid. */
int PyCompile_OpcodeStackEffect(int opcode, int oparg) {
  (void)opcode, (void)oparg;
  return PY_INVALID_STACK_EFFECT;
}

/* Two rows of the table of static types that every interpreter readies. Nothing in a VM
** makes an instance of either. */
PyTypeObject PySTEntry_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "symtable entry",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

PyTypeObject _PyInstructionSequence_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "InstructionSequence",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

/* }================================================================== */

/* The private name of `ident` in class `klass`, as __slots__ needs it at run time:
** __x becomes _Class__x unless it ends in two underscores, holds a dot, or the class
** name is nothing but underscores. A new reference; NULL with an exception. */
PyObject *_Py_Mangle(PyObject *klass, PyObject *ident) {
  Py_ssize_t size = PyUnicode_GET_LENGTH(ident), skip = 0, class_size;
  if (klass == NULL || !PyUnicode_Check(klass) || size < 2 ||
      PyUnicode_READ_CHAR(ident, 0) != '_' || PyUnicode_READ_CHAR(ident, 1) != '_')
    return Py_NewRef(ident);
  if ((PyUnicode_READ_CHAR(ident, size - 1) == '_' &&
       PyUnicode_READ_CHAR(ident, size - 2) == '_') ||
      PyUnicode_FindChar(ident, '.', 0, size, 1) != -1)
    return Py_NewRef(ident);
  class_size = PyUnicode_GET_LENGTH(klass);
  while (skip < class_size && PyUnicode_READ_CHAR(klass, skip) == '_') skip++;
  if (skip == class_size) return Py_NewRef(ident);
  PyObject *bare = PyUnicode_Substring(klass, skip, class_size);
  if (bare == NULL) return NULL;
  PyObject *mangled = PyUnicode_FromFormat("_%U%U", bare, ident);
  Py_DECREF(bare);
  return mangled;
}

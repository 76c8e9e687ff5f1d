/* verify_checker.h - what the parts of the verifier know of the code object at hand.
**
** verify_code.c looks at its fields, verify_tables.c at its tables of lines and exceptions,
** verify_instructions.c at each instruction by itself, verify_paths.c at where they lead.
*/
#ifndef PVM_VERIFY_CHECKER_H
#define PVM_VERIFY_CHECKER_H

#include "../include/vm.h"
#include "verify_code.h"

/* The SDK's own description of its instructions. Its definitions get names of their own: the
** objects that CPython defines them in are not linked into every flavour. */
#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
#define _PyOpcode_num_popped pvm_opcode_num_popped
#define _PyOpcode_num_pushed pvm_opcode_num_pushed
#define _PyOpcode_opcode_metadata pvm_opcode_metadata
#define _PyOpcode_macro_expansion pvm_opcode_macro_expansion
#define _PyOpcode_OpName pvm_opcode_names
#define _PyOpcode_Caches pvm_opcode_caches
#define _PyOpcode_Deopt pvm_opcode_deopt
#define _PyOpcode_PseudoTargets pvm_opcode_pseudo_targets
#include "internal/pycore_opcode_metadata.h"

/* Include/cpython/code.h and Include/internal/pycore_code.h, which want all of Python.h. */
enum {
  CO_OPTIMIZED = 0x1,
  CO_NEWLOCALS = 0x2,
  CO_VARARGS = 0x4,
  CO_VARKEYWORDS = 0x8,
  CO_NESTED = 0x10,
  CO_GENERATOR = 0x20,
  CO_COROUTINE = 0x80,
  CO_ASYNC_GENERATOR = 0x200,
  CO_FUTURES = 0x1fe0000, /* from __future__ import ... */
  CO_SUSPENDS = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR,
  CO_FUNCTION = CO_OPTIMIZED | CO_NEWLOCALS,
  CO_ONLY_FUNCTION = CO_VARARGS | CO_VARKEYWORDS | CO_NESTED | CO_SUSPENDS,
};
enum { HIDDEN = 0x10, LOCAL = 0x20, CELL = 0x40, FREE = 0x80 };

#define MAX_STACK (1 << 20)
#define TRACKED 64 /* variables whose binding is followed, as many as the compiler follows */
#define MAX_OPARG (1u << 28) /* larger ones would overflow sums of stack effects */
#define RESUME_KIND 3        /* mask: where a RESUME is */
#define RESUME_ALL 7
#define CLOSURE 8 /* oparg of SET_FUNCTION_ATTRIBUTE */

/* depth[] of a unit */
enum { NO_START = -2, NOT_SEEN = -1 };

typedef struct pvm_handler {
  uint32_t target, depth; /* depth: that the stack is cut to */
  int with_lasti;         /* where it happened is pushed below the exception */
} pvm_handler;

typedef struct pvm_instruction {
  uint32_t at, size; /* in units, with prefixes and caches */
  uint32_t oparg;
  uint8_t opcode;
} pvm_instruction;

typedef struct pvm_checker {
  const pvm_code_fields *f;
  uint32_t units;
  uint32_t cells, frees, parameters;
  int32_t *depth;    /* by unit: of the stack before the instruction that starts here */
  uint32_t *handled; /* by unit: 1 + index of its handler; 0: none */
  uint64_t *unbound; /* by unit: which variables may be unbound there, a bit each */
  uint64_t tracked;  /* the variables that these bits are kept of */
  uint32_t *todo;    /* instructions to follow paths from */
  uint8_t *is_todo;  /* by unit: on that list */
  uint32_t ntodo;
  pvm_handler *handlers;
  uint32_t nhandlers;
  char *why;
} pvm_checker;

/* PVM_E_BYTECODE, with what is wrong in `why`. */
int pvm_checker_fail(pvm_checker *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
int pvm_checker_fail_at(pvm_checker *c, const pvm_instruction *in, const char *what);

/* Read the instruction at a unit, which is within the code; PVM_E_BYTECODE if it is not whole. */
static inline int pvm_checker_decode(pvm_checker *c, uint32_t unit, pvm_instruction *in) {
  const unsigned char *p = c->f->code.data + 2 * (size_t)unit,
                      *end = c->f->code.data + c->f->code.len;
  uint32_t oparg = 0, prefixes = 0;
  *in = (pvm_instruction){.at = unit};
  for (; p < end && p[0] == EXTENDED_ARG; p += 2, prefixes++) {
    oparg = (oparg | p[1]) << 8;
    if (oparg == 0 || prefixes == 3)
      return pvm_checker_fail(c, "the prefixes at unit %u are no oparg's", unit);
  }
  if (p >= end) return pvm_checker_fail(c, "the code ends within an instruction");
  in->opcode = p[0];
  in->oparg = oparg | p[1];
  in->size = prefixes + 1 + pvm_opcode_caches[in->opcode];
  if (in->size > c->units - unit) return pvm_checker_fail(c, "the code ends within an instruction");
  return PVM_OK;
}

/* Each is PVM_OK or PVM_E_BYTECODE, and needs what those before it have found out. */
int pvm_check_lines(pvm_checker *c);
int pvm_check_instructions(pvm_checker *c); /* marks where instructions start */
int pvm_check_exceptions(pvm_checker *c);   /* makes the handlers */
int pvm_check_paths(pvm_checker *c);        /* with the depth of the stack */

#endif

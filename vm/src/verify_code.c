/* verify_code.c - see verify_code.h.
**
** Two passes over the instructions. The first goes through them in order and looks at each by
** itself. The second follows every path from the entry, with the depth of the stack.
*/
#include "verify_code.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../include/vm.h"

/* The SDK's own description of its instructions. Its definitions get names of their own: the
** objects that CPython defines them in are not linked into every flavour. */
#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
#define NEED_OPCODE_METADATA
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

typedef struct handler {
  uint32_t target, depth; /* depth: that the stack is cut to */
  int with_lasti;         /* where it happened is pushed below the exception */
} handler;

typedef struct instruction {
  uint32_t at, size; /* in units, with prefixes and caches */
  uint32_t oparg;
  uint8_t opcode;
} instruction;

typedef struct checker {
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
  handler *handlers;
  uint32_t nhandlers;
  char *why;
} checker;

static int fail(checker *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(checker *c, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(c->why, PVM_WHY_MAX, format, arguments);
  va_end(arguments);
  return PVM_E_BYTECODE;
}

static int fail_at(checker *c, const instruction *in, const char *what) {
  return fail(c, "instruction %u (%s %u) %s", in->at, pvm_opcode_names[in->opcode], in->oparg,
              what);
}

/* ---- Counts, flags, variables ------------------------------------------- */

static int one_at_most(int bits) {
  return (bits & (bits - 1)) == 0;
}

static int check_flags(checker *c) {
  int32_t flags = c->f->flags;
  if ((flags & ~(CO_FUNCTION | CO_ONLY_FUNCTION | CO_FUTURES)) != 0)
    return fail(c, "unknown flags in 0x%x", (unsigned)flags);
  int function = flags & CO_FUNCTION;
  if ((function != 0 && function != CO_FUNCTION) || !one_at_most(flags & CO_SUSPENDS) ||
      (!function && (flags & CO_ONLY_FUNCTION)))
    return fail(c, "flags 0x%x exclude each other", (unsigned)flags);
  if (c->f->is_module && function) return fail(c, "a module cannot be a function");
  return PVM_OK;
}

/* Locals come first, parameters at their head; then cells; then free variables. */
static int check_variables(checker *c) {
  const pvm_code_fields *f = c->f;
  if (f->nlocals != f->kinds.len)
    return fail(c, "%u variables have %u kinds", f->nlocals, f->kinds.len);
  uint32_t locals = 0;
  for (uint32_t i = 0; i < f->kinds.len; i++) {
    unsigned kind = f->kinds.data[i];
    int ordered;
    if (kind & LOCAL) ordered = i == locals++ && !(kind & ~(LOCAL | CELL | HIDDEN));
    else ordered = kind == FREE || (kind == CELL && c->frees == 0);
    if (!ordered) return fail(c, "variable %u has the impossible kind 0x%02x", i, kind);
    c->cells += (kind & CELL) != 0;
    c->frees += kind == FREE;
  }
  int32_t extra = !!(f->flags & CO_VARARGS) + !!(f->flags & CO_VARKEYWORDS);
  int64_t parameters = (int64_t)f->argcount + f->kwonly + extra;
  if (f->posonly < 0 || f->argcount < f->posonly || f->kwonly < 0 || parameters > locals)
    return fail(c, "%d + %d parameters, %d of them positional only, do not fit %u locals",
                f->argcount, f->kwonly, f->posonly, locals);
  if (!(f->flags & CO_FUNCTION) && f->argcount + f->kwonly != 0)
    return fail(c, "what is no function has parameters");
  if (c->f->is_module && c->frees != 0) return fail(c, "a module has free variables");
  c->parameters = (uint32_t)parameters;
  return PVM_OK;
}

/* ---- Tables ------------------------------------------------------------- */

/* Numbers of both tables: 6 bits a byte, 0x40 for "more to come"; the line table has the
** lowest bits first, the exception table the highest. 0x80 only marks first bytes. */
static int line_number(const pvm_bytes *table, uint32_t *at, int64_t *number) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 36 && *at < table->len; shift += 6) {
    unsigned char byte = table->data[(*at)++];
    if (byte & 0x80) return 0;
    value |= (uint64_t)(byte & 0x3f) << shift;
    if (byte & 0x40) continue;
    *number = (int64_t)value;
    return value <= UINT32_MAX;
  }
  return 0;
}

/* The lowest bit is the sign. */
static int64_t signed_number(int64_t number) {
  return number & 1 ? -(number >> 1) : number >> 1;
}

static int check_lines(checker *c) {
  const pvm_bytes *table = &c->f->lines;
  uint64_t covered = 0;
  int64_t line = c->f->firstlineno;
  for (uint32_t at = 0; at < table->len;) {
    unsigned char first = table->data[at];
    unsigned form = first >> 3 & 15, plain = 0, numbers = 0;
    int64_t number[4] = {0};
    if (!(first & 0x80)) return fail(c, "the line table has no entry at byte %u", at);
    covered += (first & 7) + 1;
    at++;
    if (form < 10) plain = 1;      /* the same line, columns in a byte */
    else if (form < 13) plain = 2; /* one of three lines, columns in two */
    else if (form == 13) numbers = 1;
    else if (form == 14) numbers = 4;
    for (; plain > 0; plain--, at++)
      if (at >= table->len || table->data[at] & 0x80)
        return fail(c, "the line table's entry before byte %u is cut short", at);
    for (unsigned i = 0; i < numbers; i++)
      if (!line_number(table, &at, &number[i]))
        return fail(c, "the line table has no number before byte %u", at);
    line += numbers ? signed_number(number[0]) : form >= 10 && form < 13 ? form - 10 : 0;
    if (line < 0 || line + number[1] > INT32_MAX)
      return fail(c, "the line table leaves the file before byte %u", at);
  }
  if (covered != c->units)
    return fail(c, "the line table is for %llu units of code, not %u", (unsigned long long)covered,
                c->units);
  return PVM_OK;
}

static int table_number(const pvm_bytes *table, uint32_t *at, int first, uint32_t *number) {
  *number = 0;
  for (int i = 0; i < 5 && *at < table->len; i++) {
    unsigned char byte = table->data[(*at)++];
    if (((byte & 0x80) != 0) != (first && i == 0)) return 0;
    *number = *number << 6 | (byte & 0x3f);
    if (!(byte & 0x40)) return 1;
    if (*number == 0) return 0; /* no number starts with zeros */
  }
  return 0;
}

static int starts(const checker *c, uint32_t unit) {
  return unit < c->units && c->depth[unit] != NO_START;
}

/* Needs to know where instructions start. */
static int check_exceptions(checker *c) {
  const pvm_bytes *table = &c->f->exceptions;
  uint32_t from = 0;
  for (uint32_t at = 0; at < table->len;) {
    uint32_t start, size, target, depth;
    if (!table_number(table, &at, 1, &start) || !table_number(table, &at, 0, &size) ||
        !table_number(table, &at, 0, &target) || !table_number(table, &at, 0, &depth))
      return fail(c, "the exception table has no number before byte %u", at);
    uint32_t end = start + size; /* of 30 bits each */
    if (size == 0 || start < from || !starts(c, start) || (end != c->units && !starts(c, end)))
      return fail(c, "the exception table has an impossible range, %u to %u", start, end);
    if (!starts(c, target))
      return fail(c, "the exception table has an impossible handler at %u", target);
    c->handlers[c->nhandlers++] = (handler){target, depth >> 1, depth & 1};
    for (uint32_t i = start; i < end; i++) c->handled[i] = c->nhandlers;
    from = end;
  }
  return PVM_OK;
}

/* ---- Instructions, each by itself ---------------------------------------- */

/* Read the instruction at a unit, which is within the code; PVM_E_BYTECODE if it is not whole. */
static int decode(checker *c, uint32_t unit, instruction *in) {
  const unsigned char *p = c->f->code.data + 2 * (size_t)unit,
                      *end = c->f->code.data + c->f->code.len;
  uint32_t oparg = 0, prefixes = 0;
  *in = (instruction){.at = unit};
  for (; p < end && p[0] == EXTENDED_ARG; p += 2, prefixes++) {
    oparg = (oparg | p[1]) << 8;
    if (oparg == 0 || prefixes == 3) return fail(c, "the prefixes at unit %u are no oparg's", unit);
  }
  if (p >= end) return fail(c, "the code ends within an instruction");
  in->opcode = p[0];
  in->oparg = oparg | p[1];
  in->size = prefixes + 1 + pvm_opcode_caches[in->opcode];
  if (in->size > c->units - unit) return fail(c, "the code ends within an instruction");
  return PVM_OK;
}

static int is_emitted(unsigned opcode) {
  switch (opcode) {
  case CACHE:
  case RESERVED:
  case EXTENDED_ARG:
  case INTERPRETER_EXIT:
  case EXIT_INIT_CHECK:
  case ENTER_EXECUTOR: return 0;
  default:
    return opcode < MIN_INSTRUMENTED_OPCODE && pvm_opcode_metadata[opcode].valid_entry &&
           pvm_opcode_deopt[opcode] == opcode;
  }
}

static int has_cell(const checker *c, uint32_t variable, unsigned kinds) {
  return variable < c->f->nlocals && (c->f->kinds.data[variable] & kinds) != 0;
}

/* Comparison in the top 3 bits, "to bool" in the next, a mask that follows from it. */
static int is_comparison(uint32_t oparg) {
  static const uint8_t masks[] = {2, 2 | 8, 8, 1 | 2 | 4, 4, 4 | 8}; /* < <= == != > >= */
  return oparg >> 5 < sizeof masks && (oparg & 15) == masks[oparg >> 5];
}

static int is_oparg(const checker *c, const instruction *in) {
  const pvm_code_fields *f = c->f;
  uint32_t n = in->oparg;
  switch (in->opcode) {
  case LOAD_GLOBAL:
  case LOAD_ATTR: return n >> 1 < f->nnames;
  case LOAD_SUPER_ATTR: return n >> 2 < f->nnames;
  case LOAD_FAST_LOAD_FAST:
  case STORE_FAST_LOAD_FAST:
  case STORE_FAST_STORE_FAST: return n < 256 && n >> 4 < f->nlocals && (n & 15) < f->nlocals;
  case MAKE_CELL: return has_cell(c, n, CELL | FREE); /* FREE: an inlined comprehension's */
  case COPY_FREE_VARS: return n == c->frees;
  case BINARY_OP: return n <= 25; /* NB_INPLACE_XOR */
  case COMPARE_OP: return is_comparison(n);
  case CALL_INTRINSIC_1: return n >= 1 && n <= 11; /* MAX_INTRINSIC_1 */
  case CALL_INTRINSIC_2: return n >= 1 && n <= 5;
  case CONTAINS_OP:
  case IS_OP:
  case YIELD_VALUE:
  case CALL_FUNCTION_EX: return n <= 1;
  case GET_AWAITABLE:
  case RAISE_VARARGS:
  case RERAISE: return n <= 2;
  case CONVERT_VALUE: return n >= 1 && n <= 3;
  case BUILD_SLICE: return n == 2 || n == 3;
  case SET_FUNCTION_ATTRIBUTE: return n == 1 || n == 2 || n == 4 || n == CLOSURE;
  case RESUME: return n <= RESUME_ALL;
  case COPY:
  case LIST_APPEND:
  case LIST_EXTEND:
  case SET_ADD:
  case SET_UPDATE:
  case MAP_ADD:
  case DICT_MERGE:
  case DICT_UPDATE: return n >= 1;
  case SWAP:
  case JUMP_BACKWARD_NO_INTERRUPT: return n >= 2; /* 1: to itself, for ever */
  default: break;
  }
  int flags = pvm_opcode_metadata[in->opcode].flags;
  if (!(flags & HAS_ARG_FLAG)) return n == 0;
  if (flags & HAS_CONST_FLAG) return n < f->nconsts;
  if (flags & HAS_NAME_FLAG) return n < f->nnames;
  if (flags & HAS_FREE_FLAG) return has_cell(c, n, CELL | FREE);
  if (flags & HAS_LOCAL_FLAG) return n < f->nlocals;
  return n < MAX_OPARG;
}

static const pvm_value *constant_of(const checker *c, const instruction *in) {
  return in->opcode == LOAD_CONST ? &c->f->consts[in->oparg] : NULL;
}

/* Instructions that take their operands' types for granted come right after what makes
** these. before[0] is the instruction before, before[1] the one before that. */
static int follows(const checker *c, const instruction *in, const instruction before[3]) {
  const pvm_value *constant = constant_of(c, &before[0]);
  const pvm_value *code = constant_of(c, &before[1]);
  /* Code with free variables gets its closure at once. */
  int wants_closure = before[0].opcode == MAKE_FUNCTION && code->count != 0;
  int sets_closure = in->opcode == SET_FUNCTION_ATTRIBUTE && in->oparg == CLOSURE;
  if (wants_closure != sets_closure) return 0;
  switch (in->opcode) {
  case MAKE_FUNCTION: return constant != NULL && constant->kind == PVM_KIND_CODE;
  case SET_FUNCTION_ATTRIBUTE:
    if (sets_closure) return before[2].opcode == BUILD_TUPLE && before[2].oparg == code->count;
    return before[0].opcode == MAKE_FUNCTION || before[0].opcode == SET_FUNCTION_ATTRIBUTE;
  case CALL_KW:
    return constant != NULL && constant->strings && constant->count >= 1 &&
           constant->count <= in->oparg;
  case BUILD_CONST_KEY_MAP:
    return constant != NULL && constant->kind == PVM_KIND_TUPLE && constant->count == in->oparg;
  case RESUME: return (before[0].opcode == YIELD_VALUE) == ((in->oparg & RESUME_KIND) != 0);
  default: return before[0].opcode != YIELD_VALUE;
  }
}

/* The free variables, the cells, the generator, in this order and only here; then RESUME.
** *unit receives what comes next. */
static int check_prologue(checker *c, uint32_t *unit) {
  uint32_t cells = 0, resumes = 0;
  enum { FREES, CELLS, RETURNS, POPS, RESUMES } next = FREES;
  int suspends = (c->f->flags & CO_SUSPENDS) != 0;
  int64_t last_cell = -1;
  while (resumes == 0) {
    instruction in;
    if (*unit >= c->units) return fail(c, "the code ends before its prologue does");
    int status = decode(c, *unit, &in);
    if (status != PVM_OK) return status;
    if (next == FREES && c->frees == 0) next = CELLS;
    if (next == CELLS && cells == c->cells) next = suspends ? RETURNS : RESUMES;
    static const uint8_t OPCODES[] = {COPY_FREE_VARS, MAKE_CELL, RETURN_GENERATOR, POP_TOP, RESUME};
    if (in.opcode != OPCODES[next] || !is_oparg(c, &in) || (next == RESUMES && in.oparg != 0))
      return fail_at(c, &in, "is not what the prologue has here");
    if (next == CELLS && in.oparg <= last_cell)
      return fail_at(c, &in, "makes a cell that there is already");
    if (next == CELLS) last_cell = in.oparg, cells++;
    else if (next == RESUMES) resumes++;
    else next++;
    c->depth[*unit] = NOT_SEEN;
    *unit += in.size;
  }
  return PVM_OK;
}

static int is_prologue_only(unsigned opcode) {
  return opcode == COPY_FREE_VARS || opcode == RETURN_GENERATOR;
}

static int check_instructions(checker *c) {
  instruction before[3] = {{0}}; /* CACHE: no instruction */
  uint32_t unit = 0;
  int status = check_prologue(c, &unit);
  if (status != PVM_OK) return status;
  int suspends = (c->f->flags & CO_SUSPENDS) != 0;
  for (instruction in; unit < c->units; unit += in.size) {
    status = decode(c, unit, &in);
    if (status != PVM_OK) return status;
    if (!is_emitted(in.opcode))
      return fail(c, "instruction %u is %u, which the compiler does not emit", unit, in.opcode);
    if (!is_oparg(c, &in)) return fail_at(c, &in, "has an impossible oparg");
    if (is_prologue_only(in.opcode) || !follows(c, &in, before))
      return fail_at(c, &in, "is out of place");
    if (in.opcode == YIELD_VALUE && !suspends) return fail_at(c, &in, "is in no generator");
    const unsigned char *end = c->f->code.data + 2 * ((size_t)unit + in.size);
    for (const unsigned char *p = end - 2 * pvm_opcode_caches[in.opcode]; p < end; p++)
      if (*p != 0) return fail_at(c, &in, "has caches that are not empty");
    c->depth[unit] = NOT_SEEN;
    before[2] = before[1], before[1] = before[0], before[0] = in;
  }
  return PVM_OK;
}

/* ---- Paths --------------------------------------------------------------- */

static int ends_path(unsigned opcode) {
  switch (opcode) {
  case RETURN_VALUE:
  case RETURN_CONST:
  case RAISE_VARARGS:
  case RERAISE:
  case JUMP_FORWARD:
  case JUMP_BACKWARD:
  case JUMP_BACKWARD_NO_INTERRUPT: return 1;
  default: return 0;
  }
}

/* What an instruction does to the variables that may be unbound; is it allowed? CPython reads
** a variable with LOAD_FAST only where the compiler has seen that it is bound. */
static int changes_variables(const checker *c, const instruction *in, uint64_t *unbound) {
  uint64_t only = in->oparg < TRACKED ? c->tracked & (uint64_t)1 << in->oparg : 0;
  uint64_t first = c->tracked & (uint64_t)1 << (in->oparg >> 4 & 15); /* of a pair */
  uint64_t second = c->tracked & (uint64_t)1 << (in->oparg & 15);
  switch (in->opcode) {
  case LOAD_FAST: return !(*unbound & only);
  case LOAD_FAST_LOAD_FAST: return !(*unbound & (first | second));
  case STORE_FAST_LOAD_FAST: *unbound &= ~first; return !(*unbound & second);
  case STORE_FAST_STORE_FAST: *unbound &= ~(first | second); return 1;
  case LOAD_FAST_CHECK:
  case STORE_FAST: *unbound &= ~only; return 1;
  case DELETE_FAST:
  case LOAD_FAST_AND_CLEAR: *unbound |= only; return 1;
  default: return 1;
  }
}

static int go(checker *c, const instruction *from, int64_t to, int32_t depth, uint64_t unbound) {
  if (to < 0 || to >= c->units || c->depth[to] == NO_START)
    return fail_at(c, from, "does not lead to an instruction");
  if (depth > c->f->stacksize && depth > 1) /* CPython has room for one at least */
    return fail_at(c, from, "fills the stack beyond its size");
  if (c->depth[to] != NOT_SEEN && c->depth[to] != depth)
    return fail_at(c, from, "meets another path with another depth of the stack");
  int is_news = c->depth[to] == NOT_SEEN || (unbound & ~c->unbound[to]) != 0;
  if (!is_news) return PVM_OK;
  c->depth[to] = depth;
  c->unbound[to] |= unbound;
  if (!c->is_todo[to]) c->todo[c->ntodo++] = (uint32_t)to;
  c->is_todo[to] = 1;
  return PVM_OK;
}

static int jump(checker *c, const instruction *in, int32_t depth, uint64_t unbound) {
  int64_t to = (int64_t)in->at + in->size;
  int back = in->opcode == JUMP_BACKWARD || in->opcode == JUMP_BACKWARD_NO_INTERRUPT;
  to += back ? -(int64_t)in->oparg : in->oparg;
  int status = go(c, in, to, depth, unbound);
  if (status == PVM_OK && in->opcode == FOR_ITER) {
    const unsigned char *p = c->f->code.data + 2 * to; /* it skips both */
    if (to + 2 >= c->units || p[0] != END_FOR || p[2] != POP_TOP)
      return fail_at(c, in, "does not lead to its loop's end");
  }
  return status;
}

/* Most instructions have taken their operands when they raise. */
static int32_t depth_of_failure(const instruction *in, int32_t depth, int effect) {
  int flags = pvm_opcode_metadata[in->opcode].flags & (HAS_ERROR_FLAG | HAS_ERROR_NO_POP_FLAG);
  return flags == HAS_ERROR_FLAG && effect < 0 ? depth + effect : depth;
}

static int step(checker *c, uint32_t unit) {
  instruction in;
  int status = decode(c, unit, &in);
  if (status != PVM_OK) return status;
  int32_t depth = c->depth[unit];
  uint64_t unbound = c->unbound[unit];
  int popped = pvm_opcode_num_popped(in.opcode, (int)in.oparg);
  int pushed = pvm_opcode_num_pushed(in.opcode, (int)in.oparg);
  if (popped > depth) return fail_at(c, &in, "takes more than there is on the stack");
  if (c->handled[unit] != 0) {
    const handler *h = &c->handlers[c->handled[unit] - 1];
    if (h->depth > (uint32_t)depth_of_failure(&in, depth, pushed - popped))
      return fail_at(c, &in, "has too little on the stack for its handler");
    status = go(c, &in, h->target, (int32_t)h->depth + 1 + h->with_lasti, unbound);
    if (status != PVM_OK) return status;
  }
  depth += pushed - popped;
  if (!changes_variables(c, &in, &unbound))
    return fail_at(c, &in, "reads a variable that may be unbound");
  if ((in.opcode == RETURN_VALUE || in.opcode == RETURN_CONST) && depth != 0)
    return fail_at(c, &in, "leaves something on the stack");
  if (pvm_opcode_metadata[in.opcode].flags & HAS_JUMP_FLAG) status = jump(c, &in, depth, unbound);
  if (status == PVM_OK && !ends_path(in.opcode))
    status = go(c, &in, (int64_t)unit + in.size, depth, unbound);
  return status;
}

static int check_paths(checker *c) {
  const pvm_code_fields *f = c->f;
  for (uint32_t i = 0; i < f->nlocals && i < TRACKED; i++) {
    uint64_t bit = (uint64_t)1 << i;
    if (f->kinds.data[i] & (CELL | FREE)) continue; /* hold a cell from the start */
    c->tracked |= bit;
    if (i >= c->parameters) c->unbound[0] |= bit;
  }
  c->depth[0] = 0;
  c->todo[c->ntodo++] = 0;
  int status = PVM_OK;
  while (status == PVM_OK && c->ntodo > 0) {
    uint32_t unit = c->todo[--c->ntodo];
    c->is_todo[unit] = 0;
    status = step(c, unit);
  }
  return status;
}

/* ---- All of it ----------------------------------------------------------- */

/* Arrays for the largest code object so far. */
static int make_room(checker *c, pvm_verify_room *room) {
  size_t units = c->units, handlers = c->f->exceptions.len / 4;
  size_t a_unit = sizeof *c->unbound + sizeof *c->depth + sizeof *c->handled + sizeof *c->todo +
                  sizeof *c->is_todo;
  size_t size = units * a_unit + handlers * sizeof *c->handlers;
  if (size > room->size) {
    free(room->memory);
    room->size = 0;
    room->memory = malloc(2 * size);
    if (room->memory == NULL) return PVM_E_NOMEM;
    room->size = 2 * size;
  }
  c->unbound = room->memory; /* the widest first: all are aligned */
  c->depth = (int32_t *)(c->unbound + units);
  c->handled = (uint32_t *)(c->depth + units);
  c->todo = c->handled + units;
  c->handlers = (handler *)(c->todo + units);
  c->is_todo = (uint8_t *)(c->handlers + handlers);
  memset(room->memory, 0, size);
  for (size_t i = 0; i < units; i++) c->depth[i] = NO_START;
  return PVM_OK;
}

int pvm_verify_fields(const pvm_code_fields *fields, pvm_verify_room *room, uint32_t *free,
                      char why[PVM_WHY_MAX]) {
  checker c = {.f = fields, .units = fields->code.len / 2, .why = why};
  if (fields->code.len == 0 || fields->code.len % 2 != 0)
    return fail(&c, "%u bytes are no instructions", fields->code.len);
  if (fields->stacksize < 0 || fields->stacksize > MAX_STACK)
    return fail(&c, "a stack of %d is out of range", fields->stacksize);
  if (fields->firstlineno < 0) return fail(&c, "it starts before the file");
  int status = check_flags(&c);
  if (status == PVM_OK) status = check_variables(&c);
  if (status == PVM_OK) status = check_lines(&c);
  if (status == PVM_OK) status = make_room(&c, room);
  if (status == PVM_OK) status = check_instructions(&c);
  if (status == PVM_OK) status = check_exceptions(&c);
  if (status == PVM_OK) status = check_paths(&c);
  *free = c.frees;
  return status;
}

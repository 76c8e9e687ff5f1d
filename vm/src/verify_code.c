/* verify_code.c - see verify_code.h.
**
** After the fields, two passes over the instructions. The first goes through them in order and
** looks at each by itself. The second follows every path from the entry, with the depth of the
** stack.
*/
#include "verify_code.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verify_checker.h"

int pvm_checker_fail(pvm_checker *c, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(c->why, PVM_WHY_MAX, format, arguments);
  va_end(arguments);
  return PVM_E_BYTECODE;
}

int pvm_checker_fail_at(pvm_checker *c, const pvm_instruction *in, const char *what) {
  return pvm_checker_fail(c, "instruction %u (%s %u) %s", in->at, pvm_opcode_names[in->opcode],
                          in->oparg, what);
}

/* ---- Counts, flags, variables ------------------------------------------- */

static int one_at_most(int bits) {
  return (bits & (bits - 1)) == 0;
}

static int check_flags(pvm_checker *c) {
  int32_t flags = c->f->flags;
  if ((flags & ~(CO_FUNCTION | CO_ONLY_FUNCTION | CO_FUTURES)) != 0)
    return pvm_checker_fail(c, "unknown flags in 0x%x", (unsigned)flags);
  int function = flags & CO_FUNCTION;
  if ((function != 0 && function != CO_FUNCTION) || !one_at_most(flags & CO_SUSPENDS) ||
      (!function && (flags & CO_ONLY_FUNCTION)))
    return pvm_checker_fail(c, "flags 0x%x exclude each other", (unsigned)flags);
  if (c->f->is_module && function) return pvm_checker_fail(c, "a module cannot be a function");
  return PVM_OK;
}

/* Locals come first, parameters at their head; then cells; then free variables. */
static int check_variables(pvm_checker *c) {
  const pvm_code_fields *f = c->f;
  if (f->nlocals != f->kinds.len)
    return pvm_checker_fail(c, "%u variables have %u kinds", f->nlocals, f->kinds.len);
  uint32_t locals = 0;
  for (uint32_t i = 0; i < f->kinds.len; i++) {
    unsigned kind = f->kinds.data[i];
    int ordered;
    if (kind & LOCAL) ordered = i == locals++ && !(kind & ~(LOCAL | CELL | HIDDEN));
    else ordered = kind == FREE || (kind == CELL && c->frees == 0);
    if (!ordered) return pvm_checker_fail(c, "variable %u has the impossible kind 0x%02x", i, kind);
    c->cells += (kind & CELL) != 0;
    c->frees += kind == FREE;
  }
  int32_t extra = !!(f->flags & CO_VARARGS) + !!(f->flags & CO_VARKEYWORDS);
  int64_t parameters = (int64_t)f->argcount + f->kwonly + extra;
  if (f->posonly < 0 || f->argcount < f->posonly || f->kwonly < 0 || parameters > locals)
    return pvm_checker_fail(c,
                            "%d + %d parameters, %d of them positional only, do not fit %u locals",
                            f->argcount, f->kwonly, f->posonly, locals);
  if (!(f->flags & CO_FUNCTION) && f->argcount + f->kwonly != 0)
    return pvm_checker_fail(c, "what is no function has parameters");
  if (c->f->is_module && c->frees != 0) return pvm_checker_fail(c, "a module has free variables");
  c->parameters = (uint32_t)parameters;
  return PVM_OK;
}

/* ---- All of it ----------------------------------------------------------- */

/* Arrays for the largest code object so far. */
static int make_room(pvm_checker *c, pvm_verify_room *room) {
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
  c->handlers = (pvm_handler *)(c->todo + units);
  c->is_todo = (uint8_t *)(c->handlers + handlers);
  memset(room->memory, 0, size);
  for (size_t i = 0; i < units; i++) c->depth[i] = NO_START;
  return PVM_OK;
}

int pvm_verify_fields(const pvm_code_fields *fields, pvm_verify_room *room, uint32_t *free,
                      char why[PVM_WHY_MAX]) {
  pvm_checker c = {.f = fields, .units = fields->code.len / 2, .why = why};
  if (fields->code.len == 0 || fields->code.len % 2 != 0)
    return pvm_checker_fail(&c, "%u bytes are no instructions", fields->code.len);
  if (fields->stacksize < 0 || fields->stacksize > MAX_STACK)
    return pvm_checker_fail(&c, "a stack of %d is out of range", fields->stacksize);
  if (fields->firstlineno < 0) return pvm_checker_fail(&c, "it starts before the file");
  int status = check_flags(&c);
  if (status == PVM_OK) status = check_variables(&c);
  if (status == PVM_OK) status = pvm_check_lines(&c);
  if (status == PVM_OK) status = make_room(&c, room);
  if (status == PVM_OK) status = pvm_check_instructions(&c);
  if (status == PVM_OK) status = pvm_check_exceptions(&c);
  if (status == PVM_OK) status = pvm_check_paths(&c);
  *free = c.frees;
  return status;
}

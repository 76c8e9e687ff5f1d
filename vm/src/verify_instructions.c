/* verify_instructions.c - each instruction by itself, in order; see verify_checker.h. */
#define NEED_OPCODE_METADATA /* its definitions are to be here */
#include "verify_checker.h"

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

static int has_cell(const pvm_checker *c, uint32_t variable, unsigned kinds) {
  return variable < c->f->nlocals && (c->f->kinds.data[variable] & kinds) != 0;
}

/* Comparison in the top 3 bits, "to bool" in the next, a mask that follows from it. */
static int is_comparison(uint32_t oparg) {
  static const uint8_t masks[] = {2, 2 | 8, 8, 1 | 2 | 4, 4, 4 | 8}; /* < <= == != > >= */
  return oparg >> 5 < sizeof masks && (oparg & 15) == masks[oparg >> 5];
}

static int is_oparg(const pvm_checker *c, const pvm_instruction *in) {
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

static const pvm_value *constant_of(const pvm_checker *c, const pvm_instruction *in) {
  return in->opcode == LOAD_CONST ? &c->f->consts[in->oparg] : NULL;
}

/* Instructions that take their operands' types for granted come right after what makes
** these. before[0] is the instruction before, before[1] the one before that. */
static int follows(const pvm_checker *c, const pvm_instruction *in,
                   const pvm_instruction before[3]) {
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
static int check_prologue(pvm_checker *c, uint32_t *unit) {
  uint32_t cells = 0, resumes = 0;
  enum { FREES, CELLS, RETURNS, POPS, RESUMES } next = FREES;
  int suspends = (c->f->flags & CO_SUSPENDS) != 0;
  int64_t last_cell = -1;
  while (resumes == 0) {
    pvm_instruction in;
    if (*unit >= c->units) return pvm_checker_fail(c, "the code ends before its prologue does");
    int status = pvm_checker_decode(c, *unit, &in);
    if (status != PVM_OK) return status;
    if (next == FREES && c->frees == 0) next = CELLS;
    if (next == CELLS && cells == c->cells) next = suspends ? RETURNS : RESUMES;
    static const uint8_t OPCODES[] = {COPY_FREE_VARS, MAKE_CELL, RETURN_GENERATOR, POP_TOP, RESUME};
    if (in.opcode != OPCODES[next] || !is_oparg(c, &in) || (next == RESUMES && in.oparg != 0))
      return pvm_checker_fail_at(c, &in, "is not what the prologue has here");
    if (next == CELLS && in.oparg <= last_cell)
      return pvm_checker_fail_at(c, &in, "makes a cell that there is already");
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

int pvm_check_instructions(pvm_checker *c) {
  pvm_instruction before[3] = {{0}}; /* CACHE: no instruction */
  uint32_t unit = 0;
  int status = check_prologue(c, &unit);
  if (status != PVM_OK) return status;
  int suspends = (c->f->flags & CO_SUSPENDS) != 0;
  for (pvm_instruction in; unit < c->units; unit += in.size) {
    status = pvm_checker_decode(c, unit, &in);
    if (status != PVM_OK) return status;
    if (!is_emitted(in.opcode))
      return pvm_checker_fail(c, "instruction %u is %u, which the compiler does not emit", unit,
                              in.opcode);
    if (!is_oparg(c, &in)) return pvm_checker_fail_at(c, &in, "has an impossible oparg");
    if (is_prologue_only(in.opcode) || !follows(c, &in, before))
      return pvm_checker_fail_at(c, &in, "is out of place");
    if (in.opcode == YIELD_VALUE && !suspends)
      return pvm_checker_fail_at(c, &in, "is in no generator");
    const unsigned char *end = c->f->code.data + 2 * ((size_t)unit + in.size);
    for (const unsigned char *p = end - 2 * pvm_opcode_caches[in.opcode]; p < end; p++)
      if (*p != 0) return pvm_checker_fail_at(c, &in, "has caches that are not empty");
    c->depth[unit] = NOT_SEEN;
    before[2] = before[1], before[1] = before[0], before[0] = in;
  }
  return PVM_OK;
}

/* verify_paths.c - every path from the entry, with the depth of the stack; see verify_checker.h. */
#include "verify_checker.h"

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
static int changes_variables(const pvm_checker *c, const pvm_instruction *in, uint64_t *unbound) {
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

static int go(pvm_checker *c, const pvm_instruction *from, int64_t to, int32_t depth,
              uint64_t unbound) {
  if (to < 0 || to >= c->units || c->depth[to] == NO_START)
    return pvm_checker_fail_at(c, from, "does not lead to an instruction");
  if (depth > c->f->stacksize && depth > 1) /* CPython has room for one at least */
    return pvm_checker_fail_at(c, from, "fills the stack beyond its size");
  if (c->depth[to] != NOT_SEEN && c->depth[to] != depth)
    return pvm_checker_fail_at(c, from, "meets another path with another depth of the stack");
  int is_news = c->depth[to] == NOT_SEEN || (unbound & ~c->unbound[to]) != 0;
  if (!is_news) return PVM_OK;
  c->depth[to] = depth;
  c->unbound[to] |= unbound;
  if (!c->is_todo[to]) c->todo[c->ntodo++] = (uint32_t)to;
  c->is_todo[to] = 1;
  return PVM_OK;
}

static int jump(pvm_checker *c, const pvm_instruction *in, int32_t depth, uint64_t unbound) {
  int64_t to = (int64_t)in->at + in->size;
  int back = in->opcode == JUMP_BACKWARD || in->opcode == JUMP_BACKWARD_NO_INTERRUPT;
  to += back ? -(int64_t)in->oparg : in->oparg;
  int status = go(c, in, to, depth, unbound);
  if (status == PVM_OK && in->opcode == FOR_ITER) {
    const unsigned char *p = c->f->code.data + 2 * to; /* it skips both */
    if (to + 2 >= c->units || p[0] != END_FOR || p[2] != POP_TOP)
      return pvm_checker_fail_at(c, in, "does not lead to its loop's end");
  }
  return status;
}

/* Most instructions have taken their operands when they raise. */
static int32_t depth_of_failure(const pvm_instruction *in, int32_t depth, int effect) {
  int flags = pvm_opcode_metadata[in->opcode].flags & (HAS_ERROR_FLAG | HAS_ERROR_NO_POP_FLAG);
  return flags == HAS_ERROR_FLAG && effect < 0 ? depth + effect : depth;
}

static int step(pvm_checker *c, uint32_t unit) {
  pvm_instruction in;
  int status = pvm_checker_decode(c, unit, &in);
  if (status != PVM_OK) return status;
  int32_t depth = c->depth[unit];
  uint64_t unbound = c->unbound[unit];
  int popped = pvm_opcode_num_popped(in.opcode, (int)in.oparg);
  int pushed = pvm_opcode_num_pushed(in.opcode, (int)in.oparg);
  if (popped > depth) return pvm_checker_fail_at(c, &in, "takes more than there is on the stack");
  if (c->handled[unit] != 0) {
    const pvm_handler *h = &c->handlers[c->handled[unit] - 1];
    if (h->depth > (uint32_t)depth_of_failure(&in, depth, pushed - popped))
      return pvm_checker_fail_at(c, &in, "has too little on the stack for its handler");
    status = go(c, &in, h->target, (int32_t)h->depth + 1 + h->with_lasti, unbound);
    if (status != PVM_OK) return status;
  }
  depth += pushed - popped;
  if (!changes_variables(c, &in, &unbound))
    return pvm_checker_fail_at(c, &in, "reads a variable that may be unbound");
  if ((in.opcode == RETURN_VALUE || in.opcode == RETURN_CONST) && depth != 0)
    return pvm_checker_fail_at(c, &in, "leaves something on the stack");
  if (pvm_opcode_metadata[in.opcode].flags & HAS_JUMP_FLAG) status = jump(c, &in, depth, unbound);
  if (status == PVM_OK && !ends_path(in.opcode))
    status = go(c, &in, (int64_t)unit + in.size, depth, unbound);
  return status;
}

int pvm_check_paths(pvm_checker *c) {
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

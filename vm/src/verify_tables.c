/* verify_tables.c - the tables of lines and of exception handlers; see verify_checker.h. */
#include "verify_checker.h"

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

int pvm_check_lines(pvm_checker *c) {
  const pvm_bytes *table = &c->f->lines;
  uint64_t covered = 0;
  int64_t line = c->f->firstlineno;
  for (uint32_t at = 0; at < table->len;) {
    unsigned char first = table->data[at];
    unsigned form = first >> 3 & 15, plain = 0, numbers = 0;
    int64_t number[4] = {0};
    if (!(first & 0x80)) return pvm_checker_fail(c, "the line table has no entry at byte %u", at);
    covered += (first & 7) + 1;
    at++;
    if (form < 10) plain = 1;      /* the same line, columns in a byte */
    else if (form < 13) plain = 2; /* one of three lines, columns in two */
    else if (form == 13) numbers = 1;
    else if (form == 14) numbers = 4;
    for (; plain > 0; plain--, at++)
      if (at >= table->len || table->data[at] & 0x80)
        return pvm_checker_fail(c, "the line table's entry before byte %u is cut short", at);
    for (unsigned i = 0; i < numbers; i++)
      if (!line_number(table, &at, &number[i]))
        return pvm_checker_fail(c, "the line table has no number before byte %u", at);
    line += numbers ? signed_number(number[0]) : form >= 10 && form < 13 ? form - 10 : 0;
    if (line < 0 || line + number[1] > INT32_MAX)
      return pvm_checker_fail(c, "the line table leaves the file before byte %u", at);
  }
  if (covered != c->units)
    return pvm_checker_fail(c, "the line table is for %llu units of code, not %u",
                            (unsigned long long)covered, c->units);
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

static int starts(const pvm_checker *c, uint32_t unit) {
  return unit < c->units && c->depth[unit] != NO_START;
}

/* Needs to know where instructions start. */
int pvm_check_exceptions(pvm_checker *c) {
  const pvm_bytes *table = &c->f->exceptions;
  uint32_t from = 0;
  for (uint32_t at = 0; at < table->len;) {
    uint32_t start, size, target, depth;
    if (!table_number(table, &at, 1, &start) || !table_number(table, &at, 0, &size) ||
        !table_number(table, &at, 0, &target) || !table_number(table, &at, 0, &depth))
      return pvm_checker_fail(c, "the exception table has no number before byte %u", at);
    uint32_t end = start + size; /* of 30 bits each */
    if (size == 0 || start < from || !starts(c, start) || (end != c->units && !starts(c, end)))
      return pvm_checker_fail(c, "the exception table has an impossible range, %u to %u", start,
                              end);
    if (!starts(c, target))
      return pvm_checker_fail(c, "the exception table has an impossible handler at %u", target);
    c->handlers[c->nhandlers++] = (pvm_handler){target, depth >> 1, depth & 1};
    for (uint32_t i = start; i < end; i++) c->handled[i] = c->nhandlers;
    from = end;
  }
  return PVM_OK;
}

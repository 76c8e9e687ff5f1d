/* verify.c - see verify.h. Here: the marshal stream, walked without making objects.
**
** The format is that of CPython's Python/marshal.c, version 4.
*/
#include "verify.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../include/vm.h"
#include "verify_code.h"

#define FLAG_REF 0x80   /* later references may name this object */
#define SHORT 256       /* lengths below it have types of their own */
#define CODE_OBJECTS 10 /* of a code object's fields: the rest are plain numbers */

typedef struct values {
  pvm_value *items;
  size_t count, cap;
} values;

typedef struct reader {
  const unsigned char *data;
  size_t at, end;
  size_t owed;    /* objects that tuples and code objects still wait for */
  size_t objects; /* read so far, with those that references stand for */
  unsigned depth;
  values refs;  /* by the index that references use */
  values items; /* of every tuple, together */
  pvm_verify_room room;
  char *err;
} reader;

static int fail(reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(reader *r, const char *format, ...) {
  if (r->err != NULL) {
    int n = snprintf(r->err, PVM_ERR_MAX, "the bytecode is damaged at byte %zu: ", r->at);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(r->err + n, PVM_ERR_MAX - (size_t)n, format, arguments);
    va_end(arguments);
  }
  return PVM_E_BYTECODE;
}

static int no_memory(reader *r) {
  if (r->err != NULL) snprintf(r->err, PVM_ERR_MAX, "no memory to check the bytecode");
  return PVM_E_NOMEM;
}

static size_t left(const reader *r) {
  return r->end - r->at;
}

/* Room for n more values; they are the caller's to fill. */
static int extend(reader *r, values *list, size_t n) {
  if (n > list->cap - list->count) {
    size_t cap = list->cap + list->cap / 2 + n + 16;
    pvm_value *items = realloc(list->items, cap * sizeof *items);
    if (items == NULL) return no_memory(r);
    list->items = items;
    list->cap = cap;
  }
  list->count += n;
  return PVM_OK;
}

static int read_number(reader *r, int32_t *number) {
  if (left(r) < 4) return fail(r, "the data ends within a number");
  const unsigned char *p = r->data + r->at;
  *number = (int32_t)(p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24);
  r->at += 4;
  return PVM_OK;
}

static int read_size(reader *r, int is_short, uint32_t *size) {
  *size = 0;
  if (is_short) {
    if (left(r) < 1) return fail(r, "the data ends within a length");
    *size = r->data[r->at++];
    return PVM_OK;
  }
  int32_t n;
  int status = read_number(r, &n);
  if (status != PVM_OK) return status;
  if (n < 0) return fail(r, "a length is negative");
  *size = (uint32_t)n;
  return PVM_OK;
}

/* ---- Values without others in them -------------------------------------- */

static int skip(reader *r, size_t n) {
  if (left(r) < n) return fail(r, "%zu bytes are announced, %zu are left", n, left(r));
  r->at += n;
  return PVM_OK;
}

static int read_bytes(reader *r, pvm_value *value) {
  uint32_t n;
  int status = read_size(r, 0, &n);
  if (status != PVM_OK) return status;
  value->kind = PVM_KIND_BYTES;
  value->at = (uint32_t)r->at;
  value->count = n;
  return skip(r, n);
}

static size_t ascii_prefix(const unsigned char *p, size_t n) {
  size_t i = 0;
  for (uint64_t word; n - i >= sizeof word; i += sizeof word) {
    memcpy(&word, p + i, sizeof word);
    if (word & 0x8080808080808080u) break;
  }
  while (i < n && p[i] < 0x80) i++;
  return i;
}

static int continues(const unsigned char *p, size_t n) {
  for (size_t i = 1; i < n; i++)
    if ((p[i] & 0xc0) != 0x80) return 0;
  return 1;
}

/* UTF-8 in which surrogates may occur, as Python's str may hold them alone. */
static int is_text(const unsigned char *p, size_t n) {
  for (;;) {
    size_t plain = ascii_prefix(p, n);
    p += plain, n -= plain;
    if (n == 0) return 1;
    size_t size = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (size == 0 || n < size || !continues(p, size)) return 0;
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0; /* too long a form */
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0; /* past the last character */
    p += size, n -= size;
  }
}

static int read_str(reader *r, unsigned char type, pvm_value *value) {
  int is_short = type == 'z' || type == 'Z', is_ascii = is_short || type == 'a' || type == 'A';
  uint32_t n;
  int status = read_size(r, is_short, &n);
  if (status != PVM_OK) return status;
  value->kind = PVM_KIND_STR;
  value->at = (uint32_t)r->at;
  value->count = n;
  const unsigned char *text = r->data + r->at;
  status = skip(r, n);
  if (status != PVM_OK) return status;
  r->at = value->at; /* what follows is about the text */
  int plain = ascii_prefix(text, n) == n;
  if (is_ascii && !plain) return fail(r, "a text marked ASCII is not");
  if (is_ascii && !is_short && n < SHORT) return fail(r, "a short text has a long one's type");
  if (!is_ascii && plain) return fail(r, "an ASCII text is not marked as one");
  if (!is_ascii && !is_text(text, n)) return fail(r, "a text is not UTF-8");
  r->at += n;
  return PVM_OK;
}

/* Digits of 15 bits, the lowest first; only for what does not fit into 32 bits. */
static int read_long(reader *r) {
  int32_t signed_count;
  int status = read_number(r, &signed_count);
  if (status != PVM_OK) return status;
  size_t n = signed_count < 0 ? -(size_t)signed_count : (size_t)signed_count;
  if (n < 3) return fail(r, "a small integer has a long one's type");
  if (n > left(r) / 2) return fail(r, "an integer goes past the end");
  const unsigned char *digits = r->data + r->at;
  for (size_t i = 0; i < n; i++)
    if (digits[2 * i + 1] & 0x80) return fail(r, "an integer has a digit out of range");
  unsigned top = digits[2 * n - 2] | digits[2 * n - 1] << 8;
  if (top == 0) return fail(r, "an integer starts with a zero digit");
  if (n == 3 && top < 2) return fail(r, "a small integer has a long one's type");
  r->at += 2 * n;
  return PVM_OK;
}

/* ---- Values with others in them ----------------------------------------- */

static int read_value(reader *r, pvm_value *value);

/* n objects are to follow, each of at least one byte: a length that lies costs nothing. */
static int promise(reader *r, size_t n) {
  if (r->owed > left(r) || n > left(r) - r->owed)
    return fail(r, "%zu objects are announced, %zu bytes are left", n, left(r));
  r->owed += n;
  return PVM_OK;
}

static int read_promised(reader *r, pvm_value *value) {
  r->owed--;
  return read_value(r, value);
}

static void contains(pvm_value *outer, const pvm_value *inner) {
  if (outer->depth <= inner->depth) outer->depth = (uint16_t)(inner->depth + 1);
  outer->objects += inner->objects;
}

/* A tuple, or a frozenset, whose items are looked at and forgotten. */
static int read_items(reader *r, unsigned char type, pvm_value *value) {
  int is_short = type == ')', is_tuple = type != '>';
  uint32_t n;
  int status = read_size(r, is_short, &n);
  if (status != PVM_OK) return status;
  if (!is_short && is_tuple && n < SHORT) return fail(r, "a short tuple has a long one's type");
  size_t first = r->items.count;
  status = promise(r, n);
  if (status == PVM_OK && is_tuple) status = extend(r, &r->items, n);
  if (status != PVM_OK) return status;
  int strings = 1, has_code = 0;
  for (uint32_t i = 0; i < n; i++) {
    pvm_value item;
    status = read_promised(r, &item);
    if (status != PVM_OK) return status;
    contains(value, &item);
    strings &= item.kind == PVM_KIND_STR;
    has_code |= item.kind == PVM_KIND_CODE;
    if (item.has_code || (has_code && !is_tuple))
      return fail(r, "a code object is within a constant");
    if (is_tuple) r->items.items[first + i] = item;
  }
  value->kind = is_tuple ? PVM_KIND_TUPLE : PVM_KIND_OTHER;
  value->strings = (uint8_t)(is_tuple && strings);
  value->has_code = (uint8_t)has_code;
  value->count = is_tuple ? n : 0;
  value->at = (uint32_t)first;
  return PVM_OK;
}

enum { CODE, CONSTS, NAMES, LOCALS, KINDS, FILENAME, NAME, QUALNAME, LINES, EXCEPTIONS };

static const struct {
  const char *name;
  pvm_kind kind;
  int strings; /* a tuple that may hold nothing else */
} FIELDS[CODE_OBJECTS] = {
    [CODE] = {"instructions", PVM_KIND_BYTES, 0},
    [CONSTS] = {"constants", PVM_KIND_TUPLE, 0},
    [NAMES] = {"names", PVM_KIND_TUPLE, 1},
    [LOCALS] = {"variables", PVM_KIND_TUPLE, 1},
    [KINDS] = {"kinds of variables", PVM_KIND_BYTES, 0},
    [FILENAME] = {"file name", PVM_KIND_STR, 0},
    [NAME] = {"name", PVM_KIND_STR, 0},
    [QUALNAME] = {"qualified name", PVM_KIND_STR, 0},
    [LINES] = {"line table", PVM_KIND_BYTES, 0},
    [EXCEPTIONS] = {"exception table", PVM_KIND_BYTES, 0},
};

static pvm_bytes bytes_of(const reader *r, const pvm_value *value) {
  return (pvm_bytes){r->data + value->at, value->count};
}

/* At most 80 bytes of a name, with nothing that could garble a message. */
static const char *printable(const reader *r, const pvm_value *name, char out[81]) {
  pvm_bytes text = bytes_of(r, name);
  size_t n = text.len < 80 ? text.len : 80;
  for (size_t i = 0; i < n; i++)
    out[i] = (char)(text.data[i] >= 0x20 && text.data[i] < 0x7f ? text.data[i] : '?');
  out[n] = '\0';
  return out;
}

static int read_fields(reader *r, pvm_code_fields *fields, pvm_value objects[CODE_OBJECTS]) {
  int32_t *const numbers[] = {&fields->argcount, &fields->posonly, &fields->kwonly,
                              &fields->stacksize, &fields->flags};
  int status = PVM_OK;
  for (size_t i = 0; status == PVM_OK && i < sizeof numbers / sizeof *numbers; i++)
    status = read_number(r, numbers[i]);
  if (status == PVM_OK) status = promise(r, CODE_OBJECTS);
  for (int i = 0; status == PVM_OK && i < CODE_OBJECTS; i++) {
    if (i == LINES && (status = read_number(r, &fields->firstlineno)) != PVM_OK) break;
    status = read_promised(r, &objects[i]);
    if (status != PVM_OK) break;
    if (objects[i].kind != FIELDS[i].kind || (FIELDS[i].strings && !objects[i].strings))
      status = fail(r, "a code object's %s have the wrong type", FIELDS[i].name);
  }
  return status;
}

/* The fields are all there: do they make a code object? Kept out of the recursion, whose
** frames would be several times as large with these texts in them. */
static __attribute__((noinline)) int check_code(reader *r, size_t start, pvm_code_fields *fields,
                                                const pvm_value objects[CODE_OBJECTS],
                                                uint32_t *free) {
  char why[PVM_WHY_MAX], name[81];
  fields->code = bytes_of(r, &objects[CODE]);
  fields->kinds = bytes_of(r, &objects[KINDS]);
  fields->lines = bytes_of(r, &objects[LINES]);
  fields->exceptions = bytes_of(r, &objects[EXCEPTIONS]);
  fields->consts = r->items.items + objects[CONSTS].at;
  fields->nconsts = objects[CONSTS].count;
  fields->nnames = objects[NAMES].count;
  fields->nlocals = objects[LOCALS].count;
  fields->is_module = r->depth == 1;
  int status = pvm_verify_fields(fields, &r->room, free, why);
  if (status == PVM_OK) return PVM_OK;
  if (status == PVM_E_NOMEM) return no_memory(r);
  r->at = start;
  return fail(r, "in '%s', line %d: %s", printable(r, &objects[QUALNAME], name),
              fields->firstlineno, why);
}

static int read_code(reader *r, pvm_value *value) {
  pvm_code_fields fields;
  pvm_value objects[CODE_OBJECTS];
  size_t start = r->at - 1;
  int status = read_fields(r, &fields, objects);
  if (status == PVM_OK) status = check_code(r, start, &fields, objects, &value->count);
  if (status != PVM_OK) return status;
  for (int i = 0; i < CODE_OBJECTS; i++) contains(value, &objects[i]);
  value->kind = PVM_KIND_CODE;
  return PVM_OK;
}

static int read_reference(reader *r, pvm_value *value) {
  uint32_t index;
  int status = read_size(r, 0, &index);
  if (status != PVM_OK) return status;
  if (index >= r->refs.count)
    return fail(r, "reference %u is to one of %zu objects", index, r->refs.count);
  *value = r->refs.items[index];
  if (value->kind == PVM_KIND_UNFINISHED)
    return fail(r, "reference %u is to an object that holds it", index);
  if (r->depth + value->depth > PVM_VERIFY_DEPTH) return fail(r, "objects nest too deep");
  r->objects += value->objects - 1;
  return PVM_OK;
}

static int read_typed(reader *r, unsigned char type, pvm_value *value) {
  switch (type) {
  case 'N': /* None, True, False, Ellipsis */
  case 'T':
  case 'F':
  case '.': return PVM_OK;
  case 'i': return skip(r, 4);
  case 'l': return read_long(r);
  case 'g': return skip(r, 8);
  case 'y': return skip(r, 16);
  case 's': return read_bytes(r, value);
  case 'z':
  case 'Z':
  case 'a':
  case 'A':
  case 'u':
  case 't': return read_str(r, type, value);
  case '(':
  case ')':
  case '>': return read_items(r, type, value);
  case 'c': return read_code(r, value);
  default: r->at--; return fail(r, "no constant has type 0x%02x", type);
  }
}

static int read_value(reader *r, pvm_value *value) {
  if (left(r) < 1) return fail(r, "the data ends where an object is expected");
  if (r->depth >= PVM_VERIFY_DEPTH) return fail(r, "objects nest too deep");
  unsigned char first = r->data[r->at], type = first & ~FLAG_REF;
  int is_kept = (first & FLAG_REF) != 0;
  if (is_kept && memchr("NTF.r", type, 5) != NULL)
    return fail(r, "an object of type 0x%02x cannot be referred to", type);
  r->at++;
  *value = (pvm_value){.kind = PVM_KIND_UNFINISHED, .depth = 1, .objects = 1};
  size_t index = r->refs.count;
  int status = is_kept ? extend(r, &r->refs, 1) : PVM_OK;
  if (status != PVM_OK) return status;
  if (is_kept) r->refs.items[index] = *value;
  value->kind = PVM_KIND_OTHER;
  r->depth++;
  r->objects++;
  status = type == 'r' ? read_reference(r, value) : read_typed(r, type, value);
  r->depth--;
  if (status != PVM_OK) return status;
  if (r->objects > PVM_VERIFY_OBJECTS) return fail(r, "too many objects");
  if (is_kept) r->refs.items[index] = *value;
  return PVM_OK;
}

int pvm_verify_code(const void *data, size_t len, char *err) {
  reader r = {.data = data, .end = len, .err = err};
  pvm_value module;
  int status;
  if (len == 0 || data == NULL) status = fail(&r, "there is none");
  else if (len > PVM_VERIFY_BYTES) status = fail(&r, "%zu bytes are too many", len);
  else if ((r.data[0] & ~FLAG_REF) != 'c') status = fail(&r, "it is no code object");
  else status = read_value(&r, &module);
  if (status == PVM_OK && left(&r) != 0)
    status = fail(&r, "%zu bytes are left over at the end", left(&r));
  free(r.refs.items);
  free(r.items.items);
  free(r.room.memory);
  return status;
}

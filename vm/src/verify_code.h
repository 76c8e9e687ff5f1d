/* verify_code.h - one code object: its fields, instructions and tables; see verify.h. */
#ifndef PVM_VERIFY_CODE_H
#define PVM_VERIFY_CODE_H

#include <stddef.h>
#include <stdint.h>

typedef struct pvm_bytes {
  const unsigned char *data;
  uint32_t len;
} pvm_bytes;

/* What is known of an object in the stream. */
typedef enum pvm_kind {
  PVM_KIND_UNFINISHED, /* read only in part: nothing may refer to it */
  PVM_KIND_OTHER,      /* None, a number, a frozenset, ... */
  PVM_KIND_STR,
  PVM_KIND_BYTES,
  PVM_KIND_TUPLE,
  PVM_KIND_CODE
} pvm_kind;

typedef struct pvm_value {
  uint8_t kind;
  uint8_t strings;  /* a tuple of nothing but str */
  uint8_t has_code; /* a tuple with a code object in it */
  uint16_t depth;   /* of objects in objects, references followed */
  uint32_t objects; /* in it, itself included, references followed */
  uint32_t count;   /* bytes of bytes and str, items of a tuple, free variables of code */
  uint32_t at;      /* where bytes and str start in the data, a tuple's first item in items */
} pvm_value;

typedef struct pvm_code_fields {
  int32_t argcount, posonly, kwonly, stacksize, flags, firstlineno;
  pvm_bytes code, kinds, lines, exceptions;
  const pvm_value *consts;
  uint32_t nconsts, nnames, nlocals; /* locals of all kinds */
  int is_module;                     /* not nested in another code object */
} pvm_code_fields;

/* Memory that one code object after another uses; zeroed at first. */
typedef struct pvm_verify_room {
  void *memory;
  size_t size;
} pvm_verify_room;

#define PVM_WHY_MAX 256

/* PVM_OK, PVM_E_NOMEM, or PVM_E_BYTECODE with what is wrong in `why`. Of a code object that
** passes, *free is how many free variables it has. */
int pvm_verify_fields(const pvm_code_fields *fields, pvm_verify_room *room, uint32_t *free,
                      char why[PVM_WHY_MAX]);

#endif

/* json.h - one JSON text as MessagePack, without anything in between. */
#ifndef STREAM_JSON_H
#define STREAM_JSON_H

#include "value.h"

#define STREAM_JSON_DEPTH 128 /* containers in one another */

enum { STREAM_JSON_BLANK = 1 }; /* nothing but white space */

/* Memory that one text after the other is packed into; begins as all 0, and `data` is freed by whoever
** has it. */
typedef struct stream_packing {
  unsigned char *data;
  size_t len, capacity;
} stream_packing;

/* Pack a text as RFC 8259 has it. Integers that fit 64 bits, signed or not, are integers, other
** integers are refused; numbers with a fraction or an exponent are the nearest double, and refused if
** there is none. Of names that are there twice both are kept. STREAM_OK, STREAM_JSON_BLANK,
** STREAM_E_NOMEM, or STREAM_E_DECODE with *why, a sentence. */
int stream_json_pack(const char *text, size_t len, stream_packing *packing, const char **why);

#endif

/* value.h - MessagePack, read where it lies. */
#ifndef STREAM_VALUE_H
#define STREAM_VALUE_H

#include "../include/stream.h"

typedef enum stream_kind {
  STREAM_NIL,
  STREAM_BOOL,    /* integer is 0 or 1 */
  STREAM_INTEGER, /* negative: integer, as two's complement */
  STREAM_FLOAT,
  STREAM_STRING,
  STREAM_BINARY,
  STREAM_ARRAY,
  STREAM_MAP,
  STREAM_EXTENSION
} stream_kind;

typedef struct stream_value {
  stream_kind kind;
  int negative;
  uint64_t integer;
  double number;
  stream_text text; /* of strings; */
  uint32_t count;   /* items of an array, pairs of a map; they follow in the reader */
} stream_value;

typedef struct stream_reader {
  const unsigned char *at;
  const unsigned char *end;
} stream_reader;

/* Read a scalar whole, or the head of a container. 0; -1 at the end or at what is no value. */
int stream_read(stream_reader *reader, stream_value *value);
/* Pass over one value with all that is in it, however deep. 0 or -1. */
int stream_skip(stream_reader *reader);
int stream_text_equal(stream_text a, stream_text b);

/* The field of a map under a name, or names of nested maps with dots between: 1, or 0 if there is none.
** Of a container it is the head. */
int stream_find_field(stream_text map, stream_text path, stream_value *value);

/* How two scalars compare. */
typedef enum stream_order {
  STREAM_LESS = -1,
  STREAM_EQUAL = 0,
  STREAM_GREATER = 1,
  STREAM_UNORDERED = 2 /* unequal, and neither is less */
} stream_order;

stream_order stream_compare(const stream_value *a, const stream_value *b);

#endif

/* columns.h - rows of columns as MessagePack: columns as NumPy and Arrow have them in, a map a row out.
**
** Nothing is copied on the way in, and nothing is looked at but the rows that are asked for. Whoever
** describes columns answers for their memory: offsets are within the values, text is UTF-8.
*/
#ifndef COLUMNS_H
#define COLUMNS_H

#include "stream.h"

typedef enum stream_column_kind {
  STREAM_COLUMN_NIL = 0,
  STREAM_COLUMN_BITS = 1,     /* booleans of a bit, the lowest one of a byte first */
  STREAM_COLUMN_BOOLEANS = 2, /* of a byte */
  STREAM_COLUMN_INTEGERS = 3, /* of `width` bytes: 1, 2, 4, 8 */
  STREAM_COLUMN_NATURALS = 4, /* the same without a sign */
  STREAM_COLUMN_FLOATS = 5,   /* of `width` bytes: 4, 8 */
  STREAM_COLUMN_TIMES = 6,    /* integers of 8 bytes, `factor` nanoseconds each; INT64_MIN is nil. They
                              ** become numbers of the unit that is asked for, integers where they are
                              ** whole, else the nearest doubles */
  STREAM_COLUMN_TEXT = 7,     /* bytes of `values` between two offsets of `width` bytes: 4, 8 */
  STREAM_COLUMN_BINARY = 8,   /* the same */
  STREAM_COLUMN_LISTS = 9,    /* values of the one child, between two offsets */
  STREAM_COLUMN_MAPS = 10,    /* the same row of each child, under its name */
  STREAM_COLUMN_PACKED = 11   /* MessagePack, one value behind the other; they are taken one for each row
                              ** that is asked for. Not within others */
} stream_column_kind;

typedef struct stream_column {
  const unsigned char *name; /* MessagePack; of columns and of what maps have */
  size_t name_len;
  int kind;
  int width;
  int64_t stride; /* bytes from a value to the next, of any sign; of fixed widths */
  int64_t first;  /* where row 0 is: in `values` by stride, in `offsets`, bits and `valid`; not of children */
  const unsigned char *values;
  const unsigned char *offsets;
  const unsigned char *valid; /* a bit a row; 0: nil. NULL: none is */
  int64_t factor;
  size_t len; /* of PACKED: bytes that are left at `values` */
  struct stream_column *children;
  uint32_t count; /* of children */
} stream_column;

/* Rows from `row` on, in *rows, which is malloc's and begins as NULL: an array of maps. unit_ns: that of
** times, 1 or more. STREAM_OK; STREAM_E_NOMEM; STREAM_E_INVALID: a time of column *which is beyond what 64
** bits of nanoseconds hold; STREAM_E_DECODE: PACKED column *which has no value for a row. */
int stream_columns_pack(stream_column *columns, uint32_t count, uint64_t row, uint32_t rows,
                        int64_t unit_ns, unsigned char **packed, size_t *len, uint32_t *which);

#endif

/* columns_api.h - vm.h's part on events in columns. engine/include/columns.h says what they are. */
#ifndef PVM_COLUMNS_API_H
#define PVM_COLUMNS_API_H

typedef enum pvm_column_kind {
  PVM_COLUMN_NIL = 0,
  PVM_COLUMN_BITS = 1,
  PVM_COLUMN_BOOLEANS = 2,
  PVM_COLUMN_INTEGERS = 3,
  PVM_COLUMN_NATURALS = 4,
  PVM_COLUMN_FLOATS = 5,
  PVM_COLUMN_TIMES = 6,
  PVM_COLUMN_TEXT = 7,
  PVM_COLUMN_BINARY = 8,
  PVM_COLUMN_LISTS = 9,
  PVM_COLUMN_MAPS = 10,
  PVM_COLUMN_PACKED = 11
} pvm_column_kind;

typedef struct pvm_column {
  const unsigned char *name;
  size_t name_len;
  int kind;
  int width;
  int64_t stride;
  int64_t first;
  const unsigned char *values;
  const unsigned char *offsets;
  const unsigned char *valid;
  int64_t factor;
  size_t len;
  struct pvm_column *children;
  uint32_t count;
} pvm_column;

/* Rows from `row` on as one MessagePack array of maps, such as pvm_ingest takes. unit_ns: of times.
** PVM_E_INVALID: a time of column *which is beyond what 64 bits of nanoseconds hold; PVM_E_DECODE: what is
** packed in column *which is no value; PVM_E_NOMEM. */
PVM_API int pvm_columns_pack(pvm_column *columns, uint32_t count, uint64_t row, uint32_t rows,
                             int64_t unit_ns, pvm_buffer *packed, uint32_t *which);

#endif

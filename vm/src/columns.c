/* columns.c - events in columns, for hosts. */
#include "columns.h"

#include "../include/vm.h"

_Static_assert((int)PVM_COLUMN_PACKED == (int)STREAM_COLUMN_PACKED, "the same kinds");
_Static_assert(sizeof(pvm_column) == sizeof(stream_column), "one struct in two headers");
_Static_assert(offsetof(pvm_column, factor) == offsetof(stream_column, factor), "with its fields");
_Static_assert(offsetof(pvm_column, count) == offsetof(stream_column, count), "in their places");

int pvm_columns_pack(pvm_column *columns, uint32_t count, uint64_t row, uint32_t rows,
                     int64_t unit_ns, pvm_buffer *packed, uint32_t *which) {
  if ((columns == NULL && count != 0) || unit_ns < 1 || packed == NULL || which == NULL)
    return PVM_E_INVALID;
  unsigned char *data;
  size_t len;
  int status =
      stream_columns_pack((stream_column *)columns, count, row, rows, unit_ns, &data, &len, which);
  *packed = (pvm_buffer){.data = data, .len = len};
  return status == STREAM_OK          ? PVM_OK
         : status == STREAM_E_NOMEM   ? PVM_E_NOMEM
         : status == STREAM_E_INVALID ? PVM_E_INVALID
                                      : PVM_E_DECODE;
}

/* rows.c - see rows.h. */
#include "rows.h"

#include <stdlib.h>

#define HEAD 5 /* bytes of the array's own, left free at the start */

int pvm_rows_begin(pvm_rows *rows) {
  *rows = (pvm_rows){.data = malloc(4096), .len = HEAD, .capacity = 4096};
  return rows->data != NULL ? PVM_OK : PVM_E_NOMEM;
}

unsigned char *pvm_rows_next(pvm_rows *rows, size_t most) {
  size_t wanted = rows->len + most;
  rows->failed |= rows->count == UINT32_MAX || (rows->max_bytes != 0 && wanted > rows->max_bytes);
  if (wanted > rows->capacity && !rows->failed) {
    size_t more = rows->capacity * 2 > wanted ? rows->capacity * 2 : wanted + 4096;
    unsigned char *grown = realloc(rows->data, more);
    if (grown != NULL) {
      rows->data = grown;
      rows->capacity = more;
    } else rows->failed = 1;
  }
  return rows->failed ? NULL : rows->data + rows->len;
}

void pvm_rows_end(pvm_rows *rows, const unsigned char *end) {
  rows->len = (size_t)(end - rows->data);
  rows->count++;
}

int pvm_rows_finish(pvm_rows *rows, pvm_buffer *out) {
  if (rows->failed) {
    pvm_rows_free(rows);
    return PVM_E_NOMEM;
  }
  stream_put(rows->data, 0xdd, rows->count, 4);
  *out = (pvm_buffer){.data = rows->data, .len = rows->len};
  return PVM_OK;
}

void pvm_rows_free(pvm_rows *rows) {
  free(rows->data);
}

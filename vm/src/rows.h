/* rows.h - rows on their way out, as one MessagePack array whose length is known at its end. */
#ifndef PVM_ROWS_H
#define PVM_ROWS_H

#include "../../engine/stream/pack.h"
#include "../include/vm.h"

typedef struct pvm_rows {
  unsigned char *data;
  size_t len, capacity;
  uint64_t max_bytes; /* 0: no limit; else what would be longer fails */
  uint32_t count;
  int failed; /* no memory, too long, or more rows than an array takes */
} pvm_rows;

/* PVM_OK or PVM_E_NOMEM. What has begun is finished, or freed. */
int pvm_rows_begin(pvm_rows *rows);
/* Where the next row may be written, of so many bytes at most; NULL: it has failed. */
unsigned char *pvm_rows_next(pvm_rows *rows, size_t most);
/* The row that was begun is whole, up to `end`. */
void pvm_rows_end(pvm_rows *rows, const unsigned char *end);
/* PVM_OK with the array in *out, or PVM_E_NOMEM. */
int pvm_rows_finish(pvm_rows *rows, pvm_buffer *out);
void pvm_rows_free(pvm_rows *rows);

#endif

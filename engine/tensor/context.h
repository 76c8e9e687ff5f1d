/* context.h - what the engine's own files ask of the calling thread's context. */
#ifndef PVT_CONTEXT_H
#define PVT_CONTEXT_H

#include <stdatomic.h>

#include "tensor.h"

/* Account of the calling thread; NULL. */
pvt_account *pvt_context_account(void);

/* Ask whether to stop. Kernels do so after each tile of PVT_TILE elements, or about 100 us of
** other work. Returns PVT_OK or PVT_E_CANCELLED, the error being set. */
int pvt_poll(void);

#define PVT_TILE 16384 /* elements of elementwise work between two looks */

/* Walks over n things by pieces of `size` of them (0: PVT_TILE), with a look between two:
**   pvt_pieces t = {.n = n};
**   while (pvt_piece(&t)) for (int64_t i = t.first; i < t.end; i++) ...
** t.status says afterwards whether all was done. */
typedef struct pvt_pieces {
  int64_t n, size, first, end;
  int status;
} pvt_pieces;

static inline __attribute__((always_inline)) bool pvt_piece(pvt_pieces *t) {
  if (t->end >= t->n) return false;
  if (t->end > 0 && (t->status = pvt_poll()) != PVT_OK) return false;
  int64_t size = t->size > 0 ? t->size : PVT_TILE;
  t->first = t->end;
  t->end = t->n - t->first < size ? t->n : t->first + size;
  return true;
}

/* memcpy, and memset to 0, which look at the cancel word while much is left. */
int pvt_copy_bytes(void *to, const void *from, size_t bytes);
int pvt_clear_bytes(void *to, size_t bytes);

/* Charge `bytes` to the account, which may be NULL: PVT_OK or PVT_E_QUOTA, the error being set. */
int pvt_account_charge(pvt_account *account, size_t bytes);
/* The calling thread only ever helps others: what it charges to their accounts is added up without
** asking, and they ask afterwards, by a charge of 0 bytes. */
void pvt_context_helps(void);
void pvt_account_refund(pvt_account *account, size_t bytes);
pvt_account *pvt_account_retain(pvt_account *account);
void pvt_account_release(pvt_account *account);

#endif

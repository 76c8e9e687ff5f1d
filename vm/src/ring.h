/* ring.h - a bounded queue of pointers for any number of producers and consumers.
**
** After Dmitry Vyukov's bounded MPMC queue: each cell carries a sequence number that
** says whose turn it is, so a push or a pop is one compare-and-swap and no lock.
** Order is that in which pushes claimed their cells. An item may also be taken from the middle; its
** cell stays occupied until pops have come to it.
*/
#ifndef PVM_RING_H
#define PVM_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pvm_ring_cell {
  _Atomic size_t turn;
  _Atomic uint64_t stamp;
  _Atomic uint64_t key;
  _Atomic(void *) item;
} pvm_ring_cell;

typedef struct pvm_ring {
  pvm_ring_cell *cells;
  size_t mask;                    /* capacity - 1; capacity is a power of 2 */
  _Alignas(64) _Atomic size_t in; /* apart, so that the two ends share no cache line */
  _Alignas(64) _Atomic size_t out;
} pvm_ring;

/* capacity: rounded up to a power of 2, at least 2. Returns 0, or -1 without memory. */
int pvm_ring_init(pvm_ring *ring, size_t capacity);
void pvm_ring_free(pvm_ring *ring);
/* 1, or 0 when full. Everything written before the push is visible after the pop. stamp:
** a note for pvm_ring_oldest; key: names it for pvm_ring_take, 0 for nothing. */
int pvm_ring_push(pvm_ring *ring, void *item, uint64_t stamp, uint64_t key);
/* NULL when empty. */
void *pvm_ring_pop(pvm_ring *ring);
/* Take out the item that was pushed with this key, not 0, wherever it is; NULL if it is not there
** any more. Looks at every item. */
void *pvm_ring_take(pvm_ring *ring, uint64_t key);
/* A guess while others push and pop; exact when they do not and nothing was taken. */
size_t pvm_ring_count(pvm_ring *ring);
/* The stamp of the item that is next to be popped; UINT64_MAX when there is none. A guess
** as well: that item may be gone when the caller acts. */
uint64_t pvm_ring_oldest(pvm_ring *ring);

#endif

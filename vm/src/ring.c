/* ring.c - see ring.h. */
#include "ring.h"

#include <stdlib.h>

int pvm_ring_init(pvm_ring *ring, size_t capacity) {
  size_t size = 2;
  while (size < capacity) size *= 2;
  ring->cells = calloc(size, sizeof *ring->cells);
  if (ring->cells == NULL) return -1;
  for (size_t i = 0; i < size; i++) atomic_init(&ring->cells[i].turn, i);
  ring->mask = size - 1;
  atomic_init(&ring->in, 0);
  atomic_init(&ring->out, 0);
  return 0;
}

void pvm_ring_free(pvm_ring *ring) {
  free(ring->cells);
  ring->cells = NULL;
}

/* In a cell's turn: its item was taken, and whoever pops goes on to the next. Turns count pushes
** and do not get there. */
#define TAKEN (~(SIZE_MAX >> 1))

int pvm_ring_push(pvm_ring *ring, void *item, uint64_t stamp, uint64_t key) {
  size_t at = atomic_load_explicit(&ring->in, memory_order_relaxed);
  for (;;) {
    pvm_ring_cell *cell = &ring->cells[at & ring->mask];
    size_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
    ptrdiff_t ahead = (ptrdiff_t)((turn & ~TAKEN) - at);
    if (ahead == 0) {
      if (atomic_compare_exchange_weak_explicit(&ring->in, &at, at + 1, memory_order_relaxed,
                                                memory_order_relaxed)) {
        atomic_store_explicit(&cell->item, item, memory_order_relaxed);
        atomic_store_explicit(&cell->stamp, stamp, memory_order_relaxed);
        atomic_store_explicit(&cell->key, key, memory_order_relaxed);
        atomic_store_explicit(&cell->turn, at + 1, memory_order_release);
        return 1;
      }
    } else if (ahead < 0) {
      return 0; /* the cell still holds an item of the round before */
    } else {
      at = atomic_load_explicit(&ring->in, memory_order_relaxed);
    }
  }
}

void *pvm_ring_pop(pvm_ring *ring) {
  size_t at = atomic_load_explicit(&ring->out, memory_order_relaxed);
  for (;;) {
    pvm_ring_cell *cell = &ring->cells[at & ring->mask];
    size_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
    ptrdiff_t ahead = (ptrdiff_t)((turn & ~TAKEN) - (at + 1));
    if (ahead == 0) {
      /* release: who finds the item gone, by `out` or by `turn`, also sees what this thread
      ** did before it popped */
      if (atomic_compare_exchange_weak_explicit(&ring->out, &at, at + 1, memory_order_release,
                                                memory_order_relaxed)) {
        void *item = atomic_load_explicit(&cell->item, memory_order_relaxed);
        turn = atomic_exchange_explicit(&cell->turn, at + ring->mask + 1, memory_order_acq_rel);
        if (!(turn & TAKEN)) return item;
        at = atomic_load_explicit(&ring->out, memory_order_relaxed);
      }
    } else if (ahead < 0) {
      return NULL;
    } else {
      at = atomic_load_explicit(&ring->out, memory_order_relaxed);
    }
  }
}

void *pvm_ring_take(pvm_ring *ring, uint64_t key) {
  size_t at = atomic_load_explicit(&ring->out, memory_order_acquire);
  size_t end = atomic_load_explicit(&ring->in, memory_order_acquire);
  for (; at < end; at++) {
    pvm_ring_cell *cell = &ring->cells[at & ring->mask];
    size_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
    if (turn != at + 1 || atomic_load_explicit(&cell->key, memory_order_relaxed) != key) continue;
    void *item = atomic_load_explicit(&cell->item, memory_order_relaxed);
    /* the turn is another one if the cell was popped meanwhile, so key and item belong together */
    int mine = atomic_compare_exchange_strong_explicit(&cell->turn, &turn, turn | TAKEN,
                                                       memory_order_acq_rel, memory_order_relaxed);
    return mine ? item : NULL;
  }
  return NULL;
}

size_t pvm_ring_count(pvm_ring *ring) {
  size_t out = atomic_load_explicit(&ring->out, memory_order_relaxed);
  size_t in = atomic_load_explicit(&ring->in, memory_order_relaxed);
  size_t count = in - out;
  return count > ring->mask + 1 ? 0 : count;
}

uint64_t pvm_ring_oldest(pvm_ring *ring) {
  for (size_t at = atomic_load_explicit(&ring->out, memory_order_relaxed);; at++) {
    pvm_ring_cell *cell = &ring->cells[at & ring->mask];
    size_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
    if (turn == ((at + 1) | TAKEN)) continue;
    if (turn != at + 1) return UINT64_MAX;
    return atomic_load_explicit(&cell->stamp, memory_order_relaxed);
  }
}

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

int pvm_ring_push(pvm_ring *ring, void *item, uint64_t stamp) {
  size_t at = atomic_load_explicit(&ring->in, memory_order_relaxed);
  for (;;) {
    pvm_ring_cell *cell = &ring->cells[at & ring->mask];
    size_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
    ptrdiff_t ahead = (ptrdiff_t)(turn - at);
    if (ahead == 0) {
      if (atomic_compare_exchange_weak_explicit(&ring->in, &at, at + 1, memory_order_relaxed,
                                                memory_order_relaxed)) {
        cell->item = item;
        atomic_store_explicit(&cell->stamp, stamp, memory_order_relaxed);
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
    ptrdiff_t ahead = (ptrdiff_t)(turn - (at + 1));
    if (ahead == 0) {
      if (atomic_compare_exchange_weak_explicit(&ring->out, &at, at + 1, memory_order_relaxed,
                                                memory_order_relaxed)) {
        void *item = cell->item;
        atomic_store_explicit(&cell->turn, at + ring->mask + 1, memory_order_release);
        return item;
      }
    } else if (ahead < 0) {
      return NULL;
    } else {
      at = atomic_load_explicit(&ring->out, memory_order_relaxed);
    }
  }
}

size_t pvm_ring_count(pvm_ring *ring) {
  size_t out = atomic_load_explicit(&ring->out, memory_order_relaxed);
  size_t in = atomic_load_explicit(&ring->in, memory_order_relaxed);
  size_t count = in - out;
  return count > ring->mask + 1 ? 0 : count;
}

uint64_t pvm_ring_oldest(pvm_ring *ring) {
  size_t at = atomic_load_explicit(&ring->out, memory_order_relaxed);
  pvm_ring_cell *cell = &ring->cells[at & ring->mask];
  if (atomic_load_explicit(&cell->turn, memory_order_acquire) != at + 1) return UINT64_MAX;
  return atomic_load_explicit(&cell->stamp, memory_order_relaxed);
}

/* outbox.c - see outbox.h. */
#include "outbox.h"

#include <stdlib.h>
#include <string.h>

struct pvm_letter {
  pvm_letter *next;
  uint64_t bytes;
  pvm_fired_batch fired;
};

void pvm_outbox_init(pvm_outbox *outbox) {
  pthread_mutex_init(&outbox->lock, NULL);
}

void pvm_outbox_free(pvm_outbox *outbox) {
  for (pvm_fired_batch left; pvm_outbox_take(outbox, &left);) pvm_fired_free(&left);
  pthread_mutex_destroy(&outbox->lock);
}

int pvm_outbox_is_full(const pvm_outbox *outbox) {
  return atomic_load_explicit(&outbox->bytes, memory_order_relaxed) >= PVM_OUTBOX_BYTES;
}

int pvm_outbox_put(pvm_outbox *outbox, pvm_fired_batch *fired) {
  pvm_letter *letter = malloc(sizeof *letter);
  if (letter == NULL) return -1;
  uint64_t data = fired->count != 0 ? fired->fired[fired->count - 1].end : 0;
  *letter = (pvm_letter){NULL, sizeof *letter + fired->count * sizeof(pvm_fired) + data, *fired};
  memset(fired, 0, sizeof *fired);
  pthread_mutex_lock(&outbox->lock);
  if (outbox->last != NULL) outbox->last->next = letter;
  else outbox->first = letter;
  outbox->last = letter;
  atomic_fetch_add(&outbox->bytes, letter->bytes);
  atomic_fetch_add(&outbox->count, 1);
  pthread_mutex_unlock(&outbox->lock);
  return 0;
}

int pvm_outbox_take(pvm_outbox *outbox, pvm_fired_batch *fired) {
  if (atomic_load(&outbox->count) == 0) return 0;
  pthread_mutex_lock(&outbox->lock);
  pvm_letter *letter = outbox->first;
  if (letter != NULL) {
    outbox->first = letter->next;
    if (outbox->first == NULL) outbox->last = NULL;
    atomic_fetch_sub(&outbox->bytes, letter->bytes);
    atomic_fetch_sub(&outbox->count, 1);
  }
  pthread_mutex_unlock(&outbox->lock);
  if (letter == NULL) return 0;
  *fired = letter->fired;
  free(letter);
  return 1;
}

/* gathered.h - what callbacks are told, as MessagePack values one behind the other, each behind its
** length in four bytes of this machine's order. */
#ifndef GATHERED_H
#define GATHERED_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct gathered {
  pthread_mutex_t lock;
  unsigned char *data;
  size_t len, capacity;
} gathered;

/* Where a value of at most so many bytes may be written; with the lock until gathered_end. */
static inline unsigned char *gathered_begin(gathered *all, size_t most) {
  pthread_mutex_lock(&all->lock);
  if (all->len + 4 + most > all->capacity) {
    all->capacity = 2 * all->capacity + 4 + most;
    all->data = realloc(all->data, all->capacity);
    if (all->data == NULL) abort();
  }
  return all->data + all->len + 4;
}

static inline void gathered_end(gathered *all, const unsigned char *end) {
  uint32_t len = (uint32_t)(end - all->data - all->len - 4);
  memcpy(all->data + all->len, &len, 4);
  all->len += 4 + len;
  pthread_mutex_unlock(&all->lock);
}

#endif

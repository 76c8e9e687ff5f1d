/* gathered.h - what callbacks are told, as MessagePack values one behind the other, each behind its
** length in four bytes of this machine's order. */
#ifndef GATHERED_H
#define GATHERED_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"

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

static inline unsigned char *put_head(unsigned char *at, unsigned char head, uint64_t number,
                                      int bytes) {
  *at++ = head;
  for (int i = bytes - 1; i >= 0; i--) *at++ = (unsigned char)(number >> 8 * i);
  return at;
}

static inline unsigned char *put_packed(unsigned char *at, stream_text packed) {
  if (packed.len != 0) memcpy(at, packed.data, packed.len);
  return at + packed.len;
}

static inline unsigned char *put_text(unsigned char *at, stream_text text) {
  return put_packed(put_head(at, 0xdb, text.len, 4), text);
}

#endif

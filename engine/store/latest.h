/* latest.h - where each key's latest event is.
**
** A table of places by the hash of the key; the key itself is in the event. Entries whose events are
** gone go when the table grows. Guarded by the stream's lock.
*/
#ifndef STORE_LATEST_H
#define STORE_LATEST_H

#include "segment.h"

typedef struct store_latest {
  struct store_latest_entry {
    uint64_t hash;
    store_place place; /* 0: free */
  } *entries;
  uint32_t mask, used;
} store_latest;

/* 0, or -1 without memory. */
int store_latest_init(store_latest *latest);
void store_latest_free(store_latest *latest);
/* Is the event at this place of that key? Asked for places that have its hash. */
typedef int store_is_key(void *arg, store_place place, store_bytes key);
/* The key's entry, or a free one for it, whose place is 0. Valid until the next call. Room for one
** more must have been made. */
struct store_latest_entry *store_latest_find(const store_latest *latest, uint64_t hash,
                                             store_bytes key, store_is_key *is_key, void *arg);
/* Make room for one more key. Places below `first` are of no use any more. 0 or -1. */
int store_latest_reserve(store_latest *latest, store_place first);

#endif

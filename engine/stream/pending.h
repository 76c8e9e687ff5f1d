/* pending.h - how far matches have come, for the keys of one shard.
**
** A key holds an entry for each trie node that its latest match has reached: the node's children
** are what it waits for next. (The roots' children, which every key always waits for, take no
** entry.) An entry with a new stamp has not been used up by any child; a child's entry says in
** `from` which stamp of its parent's it has used up, and stays for that alone where nothing
** follows.
**
** The events of a match are a chain of links, shared with the matches that began alike. Links
** are released by any thread; everything else is guarded by the shard's lock.
*/
#ifndef STREAM_PENDING_H
#define STREAM_PENDING_H

#include <pthread.h>

#include "trie.h"

/* A copy of an event that matches hold. */
typedef struct stream_blob {
  _Atomic uint32_t references;
  void *held; /* of stream_config's hold; NULL */
  void (*let_go)(void *held);
  size_t len;
  char data[];
} stream_blob;

typedef struct stream_link {
  _Atomic uint32_t references;
  struct stream_link *before; /* NULL: the match's first event */
  stream_blob *blob;
} stream_link;

typedef struct stream_entry {
  uint64_t mask;  /* of the node; 0: nothing follows */
  uint64_t until; /* on the key's clock: after that it can complete nothing */
  uint64_t start; /* when the match began */
  uint64_t epoch; /* in which it began */
  uint64_t stamp;
  uint64_t from;     /* the parent's stamp that was used up */
  stream_link *link; /* NULL where nothing follows */
  uint32_t node;
  uint32_t generation;
} stream_entry;

typedef struct stream_key {
  struct stream_key *next; /* of its bucket */
  struct stream_key *newer;
  struct stream_key *older;
  uint64_t hash;
  uint64_t clock;   /* the latest time of its events that conditions name */
  uint64_t seen_ns; /* when one came last, monotonic */
  uint64_t version; /* of the trie, that the entries' masks are of */
  uint64_t stamps;
  stream_entry *entries;
  uint32_t count, capacity;
  uint32_t space;
  size_t len;
  char text[];
} stream_key;

typedef struct stream_shard {
  _Alignas(64) pthread_mutex_t lock;
  stream_key **buckets;
  uint32_t bucket_mask;
  uint32_t keys;
  stream_key *newest, *oldest; /* by use */
  uint64_t waiting;            /* entries with a link */
  uint64_t events, matched, fired, dropped, evicted;
} stream_shard;

/* Links and blobs are counted in *bytes. NULL without memory. hold, let_go: stream_config's. */
stream_blob *stream_blob_new(stream_text event, void *(*hold)(const void *, size_t),
                             void (*let_go)(void *), _Atomic uint64_t *bytes);
void stream_blob_release(stream_blob *blob, _Atomic uint64_t *bytes);
/* Takes references to both. */
stream_link *stream_link_new(stream_link *before, stream_blob *blob, _Atomic uint64_t *bytes);
void stream_link_release(stream_link *link, _Atomic uint64_t *bytes);

int stream_shard_init(stream_shard *shard);
void stream_shard_free(stream_shard *shard, _Atomic uint64_t *bytes);

/* NULL: it is not known. */
stream_key *stream_key_find(const stream_shard *shard, uint32_t space, stream_text text,
                            uint64_t hash);
/* The newest, with a clock of 0. NULL without memory. */
stream_key *stream_key_add(stream_shard *shard, uint32_t space, stream_text text, uint64_t hash);
void stream_key_touch(stream_shard *shard, stream_key *key);
/* Give up all its entries, which count as dropped if anything could have followed. */
void stream_key_clear(stream_shard *shard, stream_key *key, _Atomic uint64_t *bytes);
void stream_key_evict(stream_shard *shard, stream_key *key, _Atomic uint64_t *bytes);

/* Give the entry a link, whose reference it takes, or NULL; its former one is released. */
void stream_entry_hold(stream_shard *shard, stream_entry *entry, stream_link *link,
                       _Atomic uint64_t *bytes);
/* NULL: it has none for the node. */
stream_entry *stream_entry_find(const stream_key *key, uint32_t node, uint32_t generation);
/* Without a link. With `max` entries the oldest goes first. NULL without memory. */
stream_entry *stream_entry_add(stream_shard *shard, stream_key *key, uint32_t max,
                               const stream_trie *trie, _Atomic uint64_t *bytes);
/* The last entry takes its place. */
void stream_entry_remove(stream_shard *shard, stream_key *key, stream_entry *entry,
                         _Atomic uint64_t *bytes);

#endif

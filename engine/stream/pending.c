/* pending.c - see pending.h. */
#include "pending.h"

#include <stdlib.h>
#include <string.h>

/* ---- Events held -------------------------------------------------------- */

stream_blob *stream_blob_new(stream_text event, void *(*hold)(const void *, size_t),
                             void (*let_go)(void *), _Atomic uint64_t *bytes) {
  stream_blob *blob = malloc(sizeof *blob + event.len);
  if (blob == NULL) return NULL;
  atomic_init(&blob->references, 1);
  blob->held = hold != NULL ? hold(event.data, event.len) : NULL;
  blob->let_go = let_go;
  blob->len = event.len;
  memcpy(blob->data, event.data, event.len);
  atomic_fetch_add_explicit(bytes, sizeof *blob + event.len, memory_order_relaxed);
  return blob;
}

void stream_blob_release(stream_blob *blob, _Atomic uint64_t *bytes) {
  if (blob == NULL) return;
  if (atomic_fetch_sub_explicit(&blob->references, 1, memory_order_acq_rel) != 1) return;
  atomic_fetch_sub_explicit(bytes, sizeof *blob + blob->len, memory_order_relaxed);
  if (blob->held != NULL) blob->let_go(blob->held);
  free(blob);
}

stream_link *stream_link_new(stream_link *before, stream_blob *blob, _Atomic uint64_t *bytes) {
  stream_link *link = malloc(sizeof *link);
  if (link == NULL) return NULL;
  atomic_init(&link->references, 1);
  if (before != NULL) atomic_fetch_add_explicit(&before->references, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);
  link->before = before;
  link->blob = blob;
  atomic_fetch_add_explicit(bytes, sizeof *link, memory_order_relaxed);
  return link;
}

void stream_link_release(stream_link *link, _Atomic uint64_t *bytes) {
  while (link != NULL) {
    if (atomic_fetch_sub_explicit(&link->references, 1, memory_order_acq_rel) != 1) return;
    stream_link *before = link->before;
    stream_blob_release(link->blob, bytes);
    free(link);
    atomic_fetch_sub_explicit(bytes, sizeof *link, memory_order_relaxed);
    link = before;
  }
}

void stream_entry_hold(stream_shard *shard, stream_entry *entry, stream_link *link,
                       _Atomic uint64_t *bytes) {
  shard->waiting += link != NULL;
  shard->waiting -= entry->link != NULL;
  stream_link_release(entry->link, bytes);
  entry->link = link;
}

/* ---- Keys --------------------------------------------------------------- */

int stream_shard_init(stream_shard *shard) {
  memset(shard, 0, sizeof *shard);
  shard->bucket_mask = 15;
  shard->buckets = calloc((size_t)shard->bucket_mask + 1, sizeof(stream_key *));
  if (shard->buckets == NULL) return -1;
  pthread_mutex_init(&shard->lock, NULL);
  return 0;
}

void stream_shard_free(stream_shard *shard, _Atomic uint64_t *bytes) {
  if (shard->buckets == NULL) return;
  while (shard->oldest != NULL) stream_key_evict(shard, shard->oldest, bytes);
  free(shard->buckets);
  pthread_mutex_destroy(&shard->lock);
}

stream_key *stream_key_find(const stream_shard *shard, uint32_t space, stream_text text,
                            uint64_t hash) {
  stream_key *key = shard->buckets[hash & shard->bucket_mask];
  while (key != NULL && !(key->hash == hash && key->space == space &&
                          stream_text_equal((stream_text){key->text, key->len}, text)))
    key = key->next;
  return key;
}

static void grow(stream_shard *shard) {
  uint32_t mask = shard->bucket_mask * 2 + 1;
  stream_key **buckets = calloc((size_t)mask + 1, sizeof(stream_key *));
  if (buckets == NULL) return; /* the old ones do, with longer chains */
  for (stream_key *key = shard->newest; key != NULL; key = key->older) {
    key->next = buckets[key->hash & mask];
    buckets[key->hash & mask] = key;
  }
  free(shard->buckets);
  shard->buckets = buckets;
  shard->bucket_mask = mask;
}

static void make_newest(stream_shard *shard, stream_key *key) {
  key->newer = NULL;
  key->older = shard->newest;
  if (shard->newest != NULL) shard->newest->newer = key;
  else shard->oldest = key;
  shard->newest = key;
}

static void leave_order(stream_shard *shard, stream_key *key) {
  if (key->newer != NULL) key->newer->older = key->older;
  else shard->newest = key->older;
  if (key->older != NULL) key->older->newer = key->newer;
  else shard->oldest = key->newer;
}

void stream_key_touch(stream_shard *shard, stream_key *key) {
  if (shard->newest == key) return;
  leave_order(shard, key);
  make_newest(shard, key);
}

stream_key *stream_key_add(stream_shard *shard, uint32_t space, stream_text text, uint64_t hash) {
  stream_key *key = malloc(sizeof *key + text.len);
  if (key == NULL) return NULL;
  memset(key, 0, sizeof *key);
  key->hash = hash;
  key->space = space;
  key->len = text.len;
  if (text.len != 0) memcpy(key->text, text.data, text.len);
  if (shard->keys++ > shard->bucket_mask) grow(shard);
  key->next = shard->buckets[hash & shard->bucket_mask];
  shard->buckets[hash & shard->bucket_mask] = key;
  make_newest(shard, key);
  return key;
}

void stream_key_clear(stream_shard *shard, stream_key *key, _Atomic uint64_t *bytes) {
  for (uint32_t i = 0; i < key->count; i++) {
    shard->dropped += key->entries[i].link != NULL;
    stream_entry_hold(shard, &key->entries[i], NULL, bytes);
  }
  key->count = 0;
}

void stream_key_evict(stream_shard *shard, stream_key *key, _Atomic uint64_t *bytes) {
  stream_key_clear(shard, key, bytes);
  stream_key **link = &shard->buckets[key->hash & shard->bucket_mask];
  while (*link != key) link = &(*link)->next;
  *link = key->next;
  leave_order(shard, key);
  shard->keys--;
  shard->evicted++;
  free(key->entries);
  free(key);
}

/* ---- Entries ------------------------------------------------------------ */

stream_entry *stream_entry_find(const stream_key *key, uint32_t node, uint32_t generation) {
  for (uint32_t i = 0; i < key->count; i++)
    if (key->entries[i].node == node && key->entries[i].generation == generation)
      return &key->entries[i];
  return NULL;
}

void stream_entry_remove(stream_shard *shard, stream_key *key, stream_entry *entry,
                         _Atomic uint64_t *bytes) {
  stream_entry_hold(shard, entry, NULL, bytes);
  *entry = key->entries[--key->count];
}

/* What nothing follows is of use only while its parent's stamp is the one that it used up. */
static void drop_idle(stream_shard *shard, stream_key *key, const stream_trie *trie,
                      _Atomic uint64_t *bytes) {
  for (uint32_t i = 0; i < key->count;) {
    stream_entry *entry = &key->entries[i];
    const stream_node *node = &trie->nodes[entry->node];
    int gone = node->generation != entry->generation;
    if (!gone && entry->link == NULL) {
      const stream_node *parent = &trie->nodes[node->parent];
      const stream_entry *before = stream_entry_find(key, node->parent, parent->generation);
      gone = before == NULL || before->stamp != entry->from;
    }
    if (gone) stream_entry_remove(shard, key, entry, bytes);
    else i++;
  }
}

static void drop_oldest(stream_shard *shard, stream_key *key, _Atomic uint64_t *bytes) {
  stream_entry *oldest = &key->entries[0];
  for (uint32_t i = 1; i < key->count; i++)
    if (key->entries[i].stamp < oldest->stamp) oldest = &key->entries[i];
  shard->dropped += oldest->link != NULL;
  stream_entry_remove(shard, key, oldest, bytes);
}

stream_entry *stream_entry_add(stream_shard *shard, stream_key *key, uint32_t max,
                               const stream_trie *trie, _Atomic uint64_t *bytes) {
  /* Looking for idle ones is dear, so it is done where there would be more room to make. */
  if (key->count == key->capacity && key->count < max) drop_idle(shard, key, trie, bytes);
  if (key->count >= max) drop_oldest(shard, key, bytes);
  if (key->count == key->capacity) {
    uint32_t capacity = key->capacity != 0 ? key->capacity * 2 : 4;
    stream_entry *more = realloc(key->entries, capacity * sizeof *more);
    if (more == NULL) return NULL;
    key->entries = more;
    key->capacity = capacity;
  }
  stream_entry *entry = &key->entries[key->count++];
  memset(entry, 0, sizeof *entry);
  return entry;
}

/* pool.c - memory that goes with its owner, and tables of names in it. */
#include "pool.h"

#include <string.h>

#define FIRST_CHUNK 4000
#define LARGEST_CHUNK ((size_t)256 << 10)

typedef struct kept {
  struct kept *next;
  pvt_buffer *buffer;
} kept;

struct pvg_pool {
  kept *kept;
  char *at, *end; /* of the newest chunk */
  size_t next_chunk, bytes;
};

pvg_pool *pvg_pool_new(void) {
  pvt_buffer *buffer = pvt_buffer_new(FIRST_CHUNK);
  if (buffer == NULL) return NULL;
  struct {
    pvg_pool pool;
    kept first;
  } *start = pvt_buffer_data(buffer);
  start->first = (kept){NULL, buffer};
  start->pool = (pvg_pool){.kept = &start->first,
                           .at = (char *)start + (sizeof *start + 15) / 16 * 16,
                           .end = (char *)start + FIRST_CHUNK,
                           .next_chunk = (size_t)16 << 10,
                           .bytes = FIRST_CHUNK};
  return &start->pool;
}

void pvg_pool_release(pvg_pool *pool) {
  /* Newest first: what lies in a chunk, links and in the end the pool, came after it. */
  kept *next = pool != NULL ? pool->kept : NULL;
  while (next != NULL) {
    pvt_buffer *buffer = next->buffer;
    next = next->next;
    pvt_buffer_release(buffer);
  }
}

static int add_chunk(pvg_pool *pool, size_t bytes) {
  size_t link = (sizeof(kept) + 15) / 16 * 16;
  size_t wanted = bytes + link > pool->next_chunk ? bytes + link : pool->next_chunk;
  pvt_buffer *buffer = pvt_buffer_new(wanted);
  if (buffer == NULL) return pvt_error_status();
  kept *head = pvt_buffer_data(buffer);
  *head = (kept){pool->kept, buffer};
  pool->kept = head;
  pool->at = (char *)head + link;
  pool->end = (char *)head + wanted;
  pool->bytes += wanted;
  if (pool->next_chunk < LARGEST_CHUNK) pool->next_chunk *= 2;
  return PVT_OK;
}

void *pvg_pool_take(pvg_pool *pool, size_t bytes) {
  if (bytes > ((size_t)1 << 48)) {
    pvt_fail(PVT_E_NOMEM, "%zu bytes are too much for one model", bytes);
    return NULL;
  }
  bytes = (bytes + 15) / 16 * 16;
  if ((size_t)(pool->end - pool->at) < bytes && add_chunk(pool, bytes) != PVT_OK) return NULL;
  void *taken = pool->at;
  pool->at += bytes;
  return memset(taken, 0, bytes);
}

void *pvg_pool_array(pvg_pool *pool, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) bytes = SIZE_MAX;
  return pvg_pool_take(pool, bytes);
}

char *pvg_pool_text(pvg_pool *pool, const char *text, size_t size) {
  char *copy = pvg_pool_take(pool, size + 1);
  if (copy != NULL && size > 0) memcpy(copy, text, size);
  return copy;
}

int pvg_pool_keep(pvg_pool *pool, pvt_buffer *buffer) {
  if (buffer == NULL) return PVT_OK;
  kept *link = pvg_pool_take(pool, sizeof *link);
  if (link == NULL) {
    pvt_buffer_release(buffer);
    return pvt_error_status();
  }
  *link = (kept){pool->kept, buffer};
  pool->kept = link;
  pool->bytes += pvt_buffer_size(buffer);
  return PVT_OK;
}

pvt_array *pvg_pool_hold(pvg_pool *pool, pvt_array *array) {
  size_t bytes = offsetof(pvt_array, dim) + array->ndim * sizeof(pvt_dim);
  pvt_array *held = pvg_pool_take(pool, bytes);
  if (held == NULL) {
    pvt_array_release(array);
    return NULL;
  }
  memcpy(held, array, bytes);
  array->buffer = NULL;
  return pvg_pool_keep(pool, held->buffer) == PVT_OK ? held : NULL;
}

size_t pvg_pool_bytes(const pvg_pool *pool) {
  return pool->bytes;
}

/* ---- Names -------------------------------------------------------------- */

struct pvg_name {
  const void *key; /* NULL: free */
  size_t size;
  uint64_t hash;
  void *value;
};

static uint64_t hash_of(const void *key, size_t size) {
  const unsigned char *at = key;
  uint64_t hash = 0x9e3779b97f4a7c15u ^ size;
  for (; size > 0; size--) {
    hash = (hash ^ *at++) * 0x100000001b3u;
    hash ^= hash >> 29;
  }
  return hash * 0x9e3779b97f4a7c15u;
}

static struct pvg_name *place(struct pvg_name *table, size_t capacity, const void *key, size_t size,
                              uint64_t hash) {
  for (size_t i = hash >> 20;; i++) {
    struct pvg_name *name = &table[i & (capacity - 1)];
    if (name->key == NULL) return name;
    if (name->hash == hash && name->size == size && memcmp(name->key, key, size) == 0) return name;
  }
}

void *pvg_names_get(const pvg_names *names, const void *key, size_t size, bool *found) {
  struct pvg_name *name = NULL;
  if (names->capacity > 0)
    name = place(names->table, names->capacity, key, size, hash_of(key, size));
  bool there = name != NULL && name->key != NULL;
  if (found != NULL) *found = there;
  return there ? name->value : NULL;
}

int pvg_names_add(pvg_names *names, pvg_pool *pool, const void *key, size_t size, void *value) {
  if (2 * names->count >= names->capacity) {
    size_t capacity = names->capacity > 0 ? 2 * names->capacity : 16;
    struct pvg_name *table = pvg_pool_array(pool, capacity, sizeof *table);
    if (table == NULL) return pvt_error_status();
    for (size_t i = 0; i < names->capacity; i++) {
      struct pvg_name *old = &names->table[i];
      if (old->key != NULL) *place(table, capacity, old->key, old->size, old->hash) = *old;
    }
    names->table = table;
    names->capacity = capacity;
  }
  uint64_t hash = hash_of(key, size);
  struct pvg_name *name = place(names->table, names->capacity, key, size, hash);
  if (name->key != NULL) return 0;
  *name = (struct pvg_name){key, size, hash, value};
  names->count++;
  return 1;
}

/* arena.c - memory that is given back all at once: see row.h. */
#include "row.h"

#include <stdalign.h>
#include <stdlib.h>

#define FIRST_BYTES ((size_t)1024)
#define KEPT_BYTES ((size_t)1 << 20) /* what a reset keeps at most */

typedef struct chunk {
  struct chunk *before;
  size_t size;
  alignas(8) char bytes[];
} chunk;

struct flow_arena {
  char *at, *end; /* of the latest chunk */
  chunk *latest;
  size_t total; /* of all chunks */
};

flow_arena *flow_arena_new(void) {
  return calloc(1, sizeof(flow_arena));
}

static void free_chunks(flow_arena *arena) {
  for (chunk *one = arena->latest; one != NULL;) {
    chunk *before = one->before;
    free(one);
    one = before;
  }
  arena->latest = NULL;
  arena->at = arena->end = NULL;
  arena->total = 0;
}

void flow_arena_free(flow_arena *arena) {
  if (arena == NULL) return;
  free_chunks(arena);
  free(arena);
}

static int grow(flow_arena *arena, size_t needed) {
  size_t size = arena->total < FIRST_BYTES ? FIRST_BYTES : arena->total;
  if (size > KEPT_BYTES) size = KEPT_BYTES;
  if (size < needed) size = needed;
  chunk *one = malloc(sizeof *one + size);
  if (one == NULL) return -1;
  *one = (chunk){.before = arena->latest, .size = size};
  arena->latest = one;
  arena->at = one->bytes;
  arena->end = one->bytes + size;
  arena->total += size;
  return 0;
}

void *flow_arena_take(flow_arena *arena, size_t bytes) {
  if (bytes > SIZE_MAX / 2) return NULL;
  bytes = (bytes + 7) & ~(size_t)7;
  if ((size_t)(arena->end - arena->at) < bytes || arena->at == NULL)
    if (grow(arena, bytes) != 0) return NULL;
  void *taken = arena->at;
  arena->at += bytes;
  return taken;
}

/* Several chunks become one, so that what an event needed is there for the next one at once. */
void flow_arena_reset(flow_arena *arena) {
  chunk *one = arena->latest;
  if (one == NULL) return;
  if (one->before == NULL && one->size <= KEPT_BYTES) {
    arena->at = one->bytes;
    return;
  }
  size_t total = arena->total < KEPT_BYTES ? arena->total : KEPT_BYTES;
  free_chunks(arena);
  grow(arena, total); /* without memory, the next take says so */
}

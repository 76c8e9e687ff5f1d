/* duplicates.c - see duplicates.h. */
#include "duplicates.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "symbol.h"

#define STRIPES 16
#define TAGS 16u /* an entry has its pane's number modulo this in its lowest bits */
#define SLACK 4u /* panes that a stripe may go on before what is outdated is swept out */
#define SMALLEST 64u

/* Entries of panes between newest - PANES - SLACK and newest are told apart by their tags. */
_Static_assert(STREAM_PANES + SLACK < TAGS, "a tag means one pane");

typedef struct stream_stripe {
  pthread_mutex_t lock;
  uint64_t *entries; /* hash with a tag; 0: free */
  uint64_t capacity; /* a power of two, or 0 */
  uint64_t used;     /* entries that are not free, outdated ones included */
  uint64_t newest;   /* the newest pane when an entry was last put in */
  uint64_t floor;    /* panes below were given up */
  uint64_t swept;    /* the newest pane when it was last swept */
  uint64_t in_pane[TAGS];
  uint64_t forgotten;
} __attribute__((aligned(64))) stream_stripe;

struct stream_duplicates {
  uint64_t width_ns;
  uint64_t most; /* of a stripe */
  uint64_t seed;
  _Atomic uint64_t newest; /* pane of an event that was kept */
  stream_stripe stripes[STRIPES];
};

static uint64_t oldest_of(const stream_stripe *stripe, uint64_t newest) {
  uint64_t oldest = newest > STREAM_PANES ? newest - STREAM_PANES : 0;
  return oldest > stripe->floor ? oldest : stripe->floor;
}

/* The pane of an entry: the last one with its tag, up to the newest that the stripe has seen. */
static uint64_t pane_of(const stream_stripe *stripe, uint64_t entry) {
  uint64_t back = (stripe->newest - entry) % TAGS;
  return stripe->newest >= back ? stripe->newest - back : 0;
}

stream_duplicates *stream_duplicates_new(uint64_t span_ns, uint64_t most, uint64_t seed) {
  stream_duplicates *made = NULL;
  if (posix_memalign((void **)&made, 64, sizeof *made) != 0) return NULL;
  *made = (stream_duplicates){.width_ns = span_ns / STREAM_PANES + (span_ns % STREAM_PANES != 0),
                              .most = most / STRIPES + 1,
                              .seed = seed};
  for (int i = 0; i < STRIPES; i++) pthread_mutex_init(&made->stripes[i].lock, NULL);
  return made;
}

void stream_duplicates_free(stream_duplicates *duplicates) {
  if (duplicates == NULL) return;
  for (int i = 0; i < STRIPES; i++) {
    pthread_mutex_destroy(&duplicates->stripes[i].lock);
    free(duplicates->stripes[i].entries);
  }
  free(duplicates);
}

/* Multiplied, as neighbours in a table should not be neighbours in the next, smaller one. */
static uint64_t place_of(uint64_t entry, uint64_t capacity) {
  return ((entry / TAGS) * 0x9e3779b97f4a7c15u >> 32) & (capacity - 1);
}

/* A table without what is outdated, with room for more. 0, or -1 without memory. */
static int sweep(stream_stripe *stripe, uint64_t newest) {
  uint64_t oldest = oldest_of(stripe, newest), live = 0;
  for (uint64_t pane = oldest; pane <= stripe->newest; pane++) live += stripe->in_pane[pane % TAGS];
  uint64_t capacity = SMALLEST;
  while (capacity < 2 * (live + 1)) capacity *= 2;
  uint64_t *entries = calloc(capacity, sizeof *entries), count = 0;
  if (entries == NULL) return -1;
  uint64_t in_pane[TAGS] = {0};
  for (uint64_t i = 0; i < stripe->capacity; i++) {
    uint64_t entry = stripe->entries[i];
    if (entry == 0 || pane_of(stripe, entry) < oldest) continue;
    uint64_t at = place_of(entry, capacity);
    while (entries[at] != 0) at = (at + 1) & (capacity - 1);
    entries[at] = entry;
    in_pane[entry % TAGS]++;
    count++;
  }
  free(stripe->entries);
  stripe->entries = entries;
  stripe->capacity = capacity;
  stripe->used = count;
  stripe->swept = newest;
  for (uint32_t i = 0; i < TAGS; i++) stripe->in_pane[i] = in_pane[i];
  return 0;
}

/* All that it knows goes, before its time. */
static void clear(stream_stripe *stripe, uint64_t newest) {
  memset(stripe->entries, 0, stripe->capacity * sizeof *stripe->entries);
  memset(stripe->in_pane, 0, sizeof stripe->in_pane);
  stripe->forgotten += stripe->used;
  stripe->used = 0;
  stripe->swept = newest;
}

/* Room for one entry more, and tags that mean one pane each. 0, or -1 without memory. */
static int prepare(stream_duplicates *duplicates, stream_stripe *stripe, uint64_t newest) {
  if (stripe->capacity != 0 && newest - stripe->swept >= SLACK && sweep(stripe, newest) != 0)
    return -1;
  if (stripe->capacity == 0) stripe->swept = newest;
  if (newest > stripe->newest) stripe->newest = newest;
  while (stripe->used >= duplicates->most) {
    uint64_t oldest = oldest_of(stripe, newest), before = stripe->used;
    if (sweep(stripe, newest) != 0) return -1;
    if (stripe->used < duplicates->most) break;
    if (stripe->used < before) continue;
    while (oldest < newest && stripe->in_pane[oldest % TAGS] == 0) oldest++;
    if (oldest == newest) {
      clear(stripe, newest);
      break;
    }
    stripe->forgotten += stripe->in_pane[oldest % TAGS];
    stripe->floor = oldest + 1;
  }
  if ((stripe->used + 1) * 10 > stripe->capacity * 7) return sweep(stripe, newest);
  return 0;
}

int stream_duplicates_claim(stream_duplicates *duplicates, stream_text id, uint64_t time_ns,
                            stream_claim *claim) {
  uint64_t hash = stream_hash(id, duplicates->seed);
  stream_stripe *stripe = &duplicates->stripes[hash >> 60];
  uint64_t entry = hash & ~(uint64_t)(TAGS - 1);
  if (entry == 0) entry = TAGS; /* a pane's tag may be 0, and 0 is a free place */
  pthread_mutex_lock(&stripe->lock);
  uint64_t pane = time_ns / duplicates->width_ns;
  uint64_t newest = atomic_load_explicit(&duplicates->newest, memory_order_acquire);
  if (newest < stripe->newest) newest = stripe->newest;
  if (prepare(duplicates, stripe, newest) != 0) {
    pthread_mutex_unlock(&stripe->lock);
    return STREAM_E_NOMEM;
  }
  uint64_t oldest = oldest_of(stripe, newest), mask = stripe->capacity - 1;
  for (uint64_t at = place_of(entry, stripe->capacity); stripe->entries[at] != 0;
       at = (at + 1) & mask) {
    if ((stripe->entries[at] ^ entry) >= TAGS) continue;
    if (pane_of(stripe, stripe->entries[at]) < oldest) continue;
    pthread_mutex_unlock(&stripe->lock);
    return 1;
  }
  *claim = (stream_claim){stripe, entry, pane};
  return 0;
}

void stream_duplicates_settle(stream_duplicates *duplicates, const stream_claim *claim, int kept) {
  stream_stripe *stripe = claim->stripe;
  if (kept) {
    uint64_t newest = atomic_load_explicit(&duplicates->newest, memory_order_relaxed);
    while (claim->pane > newest &&
           !atomic_compare_exchange_weak_explicit(&duplicates->newest, &newest, claim->pane,
                                                  memory_order_acq_rel, memory_order_relaxed))
      continue;
    if (claim->pane > newest) newest = claim->pane;
    if (newest < stripe->newest) newest = stripe->newest;
    uint64_t oldest = oldest_of(stripe, newest);
    uint64_t pane = claim->pane > oldest ? claim->pane : oldest;
    /* Without memory: outdated ids would be taken for known ones after a while. */
    if (newest - stripe->swept >= SLACK && sweep(stripe, newest) != 0) clear(stripe, newest);
    stripe->newest = newest;
    uint64_t entry = claim->entry | pane % TAGS, mask = stripe->capacity - 1;
    uint64_t at = place_of(entry, stripe->capacity);
    while (stripe->entries[at] != 0) at = (at + 1) & mask;
    stripe->entries[at] = entry;
    stripe->in_pane[pane % TAGS]++;
    stripe->used++;
  }
  pthread_mutex_unlock(&stripe->lock);
}

int stream_duplicates_matters(const stream_duplicates *duplicates, uint64_t time_ns,
                              uint64_t before_ns, uint64_t newest_ns) {
  uint64_t width = duplicates->width_ns, pane = time_ns / width, before = before_ns / width;
  if (before > STREAM_PANES && pane < before - STREAM_PANES) pane = before - STREAM_PANES;
  return pane + STREAM_PANES >= newest_ns / width;
}

void stream_duplicates_stats_get(stream_duplicates *duplicates, stream_duplicates_stats *stats) {
  *stats = (stream_duplicates_stats){0};
  for (int i = 0; i < STRIPES; i++) {
    stream_stripe *stripe = &duplicates->stripes[i];
    pthread_mutex_lock(&stripe->lock);
    stats->ids += stripe->used;
    stats->bytes += stripe->capacity * sizeof *stripe->entries;
    stats->forgotten += stripe->forgotten;
    pthread_mutex_unlock(&stripe->lock);
  }
}

/* epoch.c - see epoch.h. */
#include "epoch.h"

#include <stdlib.h>

#define LOOK_EVERY 32 /* retired objects between two looks at the readers */

uint32_t feature_reader(void) {
  static _Atomic uint32_t readers;
  static _Thread_local uint32_t self; /* + 1 */
  if (self == 0) self = atomic_fetch_add_explicit(&readers, 1, memory_order_relaxed) + 1;
  return (self - 1) % FEATURE_PLACES;
}

void feature_epoch_init(feature_epoch *epoch) {
  atomic_init(&epoch->now, 1);
}

static void note_used(feature_epoch *epoch, uint32_t place) {
  uint32_t used = atomic_load_explicit(&epoch->used, memory_order_relaxed);
  while (used <= place && !atomic_compare_exchange_weak(&epoch->used, &used, place + 1)) {
  }
}

void *feature_pin(feature_epoch *epoch) {
  uint32_t self = feature_reader();
  for (uint32_t i = 0; i < FEATURE_TRIES; i++) {
    uint32_t at = (self + i) % FEATURE_PLACES;
    feature_place *place = &epoch->places[at];
    uint64_t nobody = 0;
    if (atomic_load_explicit(&place->pinned, memory_order_relaxed) != 0) continue;
    /* before it is pinned: whoever looks at the readers looks this far */
    if (atomic_load_explicit(&epoch->used, memory_order_relaxed) <= at) note_used(epoch, at);
    if (atomic_compare_exchange_strong(&place->pinned, &nobody, atomic_load(&epoch->now)))
      return place;
  }
  atomic_fetch_add(&epoch->crowd, 1);
  return (char *)&epoch->crowd + 1; /* odd: it is told from a place */
}

void feature_unpin(void *pinned) {
  if (((uintptr_t)pinned & 1) == 0) {
    feature_place *place = pinned;
    atomic_store_explicit(&place->pinned, 0, memory_order_release);
  } else {
    _Atomic uint64_t *crowd = (_Atomic uint64_t *)((char *)pinned - 1);
    atomic_fetch_sub_explicit(crowd, 1, memory_order_release);
  }
}

/* Begin the next epoch if all readers are in this one. */
static void go_on(feature_epoch *epoch) {
  uint64_t now = atomic_load(&epoch->now);
  if (atomic_load(&epoch->crowd) != 0) return;
  uint32_t used = atomic_load(&epoch->used);
  for (uint32_t i = 0; i < used; i++) {
    uint64_t pinned = atomic_load(&epoch->places[i].pinned);
    if (pinned != 0 && pinned != now) return;
  }
  atomic_compare_exchange_strong(&epoch->now, &now, now + 1);
}

static void free_all(feature_limbo *limbo, unsigned i) {
  for (feature_retired *each = limbo->first[i], *next; each != NULL; each = next) {
    next = each->next;
    free(each);
  }
  limbo->first[i] = NULL;
}

void feature_retire(feature_epoch *epoch, feature_limbo *limbo, void *object) {
  if (object == NULL) return;
  if (++limbo->since >= LOOK_EVERY) {
    limbo->since = 0;
    go_on(epoch);
  }
  uint64_t now = atomic_load(&epoch->now);
  for (unsigned i = 0; i < 3; i++)
    if (limbo->epoch[i] + 2 <= now) free_all(limbo, i);
  unsigned mine = now % 3; /* what was there is from now - 3 or before, and is freed */
  limbo->epoch[mine] = now;
  feature_retired *retired = object;
  retired->next = limbo->first[mine];
  limbo->first[mine] = retired;
}

void feature_limbo_clear(feature_limbo *limbo) {
  for (unsigned i = 0; i < 3; i++) free_all(limbo, i);
}

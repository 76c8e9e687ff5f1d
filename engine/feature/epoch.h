/* epoch.h - when what readers may still look at can be freed.
**
** Readers pin the epoch in a place of their own while they read: two stores, no lock, no loop that
** others could prolong. Writers unlink an object first and then retire it. The epoch goes on only
** when no reader is pinned at an earlier one, so what was retired in epoch e is out of everybody's
** reach in e + 2.
**
** Pins, and the pointers that lead readers to objects, are loaded and stored with sequential
** consistency: a reader that a writer did not see pinned does see what that writer has unlinked.
*/
#ifndef FEATURE_EPOCH_H
#define FEATURE_EPOCH_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define FEATURE_PLACES 256 /* readers with a place of their own, at one time */
#define FEATURE_TRIES 16   /* places that a reader looks at before it joins the crowd */

typedef struct feature_place {
  _Alignas(64) _Atomic uint64_t pinned; /* the epoch; 0: nobody */
} feature_place;

typedef struct feature_epoch {
  _Alignas(64) _Atomic uint64_t now; /* from 1 */
  _Alignas(
      64) _Atomic uint64_t crowd; /* readers without a place: the epoch waits for all of them */
  _Atomic uint32_t used;          /* places beyond this were never taken */
  feature_place places[FEATURE_PLACES];
} feature_epoch;

/* At the head of whatever is retired; from malloc. */
typedef struct feature_retired {
  struct feature_retired *next;
} feature_retired;

/* What one writer has retired, by epoch; guarded by the writer's lock. */
typedef struct feature_limbo {
  feature_retired *first[3];
  uint64_t epoch[3];
  uint32_t since; /* retired since the last look at the readers */
} feature_limbo;

/* Which reader this thread is, of about FEATURE_PLACES. */
uint32_t feature_reader(void);

void feature_epoch_init(feature_epoch *epoch);
/* What to give to feature_unpin. */
void *feature_pin(feature_epoch *epoch);
void feature_unpin(void *pinned);

/* Free it once no reader can have it. NULL is fine. */
void feature_retire(feature_epoch *epoch, feature_limbo *limbo, void *object);
/* Free all at once: there are no readers any more. */
void feature_limbo_clear(feature_limbo *limbo);

#endif

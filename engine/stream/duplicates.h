/* duplicates.h - which ids were seen of late.
**
** Time is cut into panes of an eighth of the span. An id is known from when it was kept until the
** newest pane that anything was kept in is more than 8 panes after its own: for the span at least, for
** nine eighths of it at most. A time older than all of these counts as the oldest one.
**
** Ids are known by their hash under a secret seed: 60 bits of it tell two ids apart, so of events
** whose id is new one in 2^60 / n is taken for a duplicate while n ids are known; with 4 million,
** one in 2.9e11. An id takes 8 bytes, in a table that is 25 to 70 % full.
**
** Any thread may claim at any time; ids are spread over stripes with a lock each.
*/
#ifndef STREAM_DUPLICATES_H
#define STREAM_DUPLICATES_H

#include "value.h"

#define STREAM_PANES 8 /* of a span */

typedef struct stream_duplicates stream_duplicates;

/* span_ns: 1 or more. most: ids that are known at a time, about; beyond it those of the oldest pane
** go, and are counted. NULL without memory. */
stream_duplicates *stream_duplicates_new(uint64_t span_ns, uint64_t most, uint64_t seed);
void stream_duplicates_free(stream_duplicates *duplicates);

typedef struct stream_claim {
  struct stream_stripe *stripe;
  uint64_t entry;
  uint64_t pane;
} stream_claim;

/* An event with this id comes. 1: it is a duplicate. 0: it is not, and no other event of its stripe
** is judged until stream_duplicates_settle, which must follow, in the same thread. STREAM_E_NOMEM. */
int stream_duplicates_claim(stream_duplicates *duplicates, stream_text id, uint64_t time_ns,
                            stream_claim *claim);
/* kept: the id is known from now on. */
void stream_duplicates_settle(stream_duplicates *duplicates, const stream_claim *claim, int kept);
/* Would an event of that time, the next one, still be known once the newest is `newest_ns`? */
int stream_duplicates_matters(const stream_duplicates *duplicates, uint64_t time_ns,
                              uint64_t before_ns, uint64_t newest_ns);

typedef struct stream_duplicates_stats {
  uint64_t ids;       /* that are known now, about */
  uint64_t bytes;     /* of tables */
  uint64_t forgotten; /* ids given up before their time, for there were too many */
} stream_duplicates_stats;
void stream_duplicates_stats_get(stream_duplicates *duplicates, stream_duplicates_stats *stats);

#endif

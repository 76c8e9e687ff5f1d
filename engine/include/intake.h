/* intake.h - what events must be like to be kept: declared streams, duplicates, dead letters.
**
** An event that is refused is not seen by triggers. It is kept in the stream STREAM_DEAD instead, as
** a map of "stream" (its own), "reason" (a sentence), "source" (whoever handed it in) and "event": as
** it is, if all readers can decode that; else as text or binary data, and cut to STREAM_DEAD_MAX
** bytes, with "bytes", how many there were.
**
** Refused is, in every stream: what is no map, or cannot be decoded; a key of more than
** STREAM_KEY_MAX bytes; a time that is NaN, below 0 or beyond 2262; the name of a stream that is for
** the store's own. In a declared stream also: what does not fit the schema (stream/schema.h), lacks
** its id, or has a time further ahead of the clock than declared.
**
** An event of a declared stream whose id was seen is passed over (stream/duplicates.h). It counts at
** its own time, but not later than it came, so that one wrong time in the future forgets nothing.
*/
#ifndef INTAKE_H
#define INTAKE_H

#include "stream.h"

#define STREAM_DEAD "dead-letters"
#define STREAM_DEAD_MAX ((size_t)1 << 20)
#define STREAM_KEY_MAX ((size_t)1 << 16)

/* What stream_append returns for an event that no trigger has seen. */
enum { STREAM_PASSED_OVER = 2, STREAM_REFUSED = 3 };

/* declarations: a MessagePack map of streams by name, each a map:
**
**   "fields"    map of names and types; absent: any
**   "open"      bool: others may be there, too
**   "id"        text: a field, text or integer; its duplicates are passed over
**   "span_ns"   integer, with "id": for how long ids are known
**   "most"      integer, with "id": how many at most, about; 4194304
**   "clock_ns"  integer: how far ahead a time may be; absent: as far as it likes
**
** NULL: none. The store outlives it; ids come back from what it has kept, which is read for that.
** Field names and units of time are those of `config`. NULL with a sentence in `err`. */
stream_intake *stream_intake_new(const stream_config *config, const void *declarations, size_t len,
                                 char *err);
void stream_intake_free(stream_intake *intake);

/* Keep what is no event at all as a dead letter, such as a line that is no JSON. stream: empty if it
** is not known. A store_status. */
int stream_intake_bury(stream_intake *intake, stream_text stream, stream_text event,
                       const char *reason, stream_text source, uint64_t wall_ns);

typedef struct stream_intake_stats {
  uint64_t duplicates; /* passed over */
  uint64_t dead;       /* refused */
  uint64_t ids;        /* known now, about */
  uint64_t forgotten;  /* ids given up before their time, as there were too many */
  uint64_t bytes;      /* of memory for ids */
} stream_intake_stats;
/* stream: one that is declared; NULL: all together. -1: it is not declared. */
int stream_intake_stats_get(stream_intake *intake, const char *stream, stream_intake_stats *stats);

#endif

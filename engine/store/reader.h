/* reader.h - the events of any segment by their places, those of sealed ones unsealed block by block.
**
** A reader belongs to one thread and holds one block at most. An event that it has given is valid until it
** is asked for the next one.
*/
#ifndef STORE_READER_H
#define STORE_READER_H

#include "stream.h"

typedef struct store_reader {
  char *data; /* the events of a sealed block */
  size_t capacity;
  const store_segment *segment; /* of which data is; NULL: of none */
  uint32_t from, until;         /* the offsets that data has */
  int status;                   /* why an event could not be given that is there; STORE_OK */
} store_reader;

/* All zeros begins one. Overwrites what it held. */
void store_reader_end(store_reader *reader);
/* The event at an offset of a segment that outlives the reader; NULL at the end, or see status. */
const store_record *store_reader_at(store_reader *reader, const store_segment *segment,
                                    uint32_t offset);
/* The event at a place; NULL: it is gone, or see status. */
const store_record *store_reader_place(store_reader *reader, const store_segments *segments,
                                       store_place place);
/* The offset of the event with this sequence number, which must be in the segment. */
uint32_t store_reader_find(store_reader *reader, const store_segment *segment, uint64_t sequence);

#endif

/* sealed.h - a segment whose file holds sealed blocks of events instead of events.
**
** The segment that is written has its events in memory as well, as a plain one has them in its file;
** store_sealed_flush seals those that are not yet in the file as one block behind the last one. The block's
** head word is stored last. Each block is bound to its segment, by the key, and to its place in it. A
** last block without events says that the segment is complete: what is missing before it is damage.
**
** Layout, in the byte order of the machine: a page with the head in its first sector, then blocks, then
** zeros.
*/
#ifndef STORE_SEALED_H
#define STORE_SEALED_H

#include "seal.h"

#define STORE_SEALED_MAGIC "PVMSEAL" /* with its final 0: 8 bytes */
#define STORE_BLOCK_BYTES 65536u     /* of events; one that is larger has a block of its own */

typedef struct store_sealed_head {
  store_segment_head head;
  store_wrapped wrapped[2];
} store_sealed_head;

/* What a block's tag binds beside its events. */
typedef struct store_block_words {
  uint64_t head; /* bytes of all << 32 | number in the segment, from 1; 0: nothing is here yet */
  uint64_t sequence; /* of its first event */
  uint32_t count;    /* events; 0: the end */
  uint32_t offset;   /* of the first event among the segment's events, as a store_place has it */
} store_block_words;

typedef struct store_block {
  _Atomic uint64_t head;
  uint64_t sequence;
  uint32_t count, offset;
  unsigned char text[]; /* sealed: the events; the tag */
} store_block;

#define STORE_BLOCK_ROOM ((uint32_t)(sizeof(store_block) + STORE_TAG_BYTES)) /* beside the events */
/* What an event in a sealed segment takes more than in a plain one: its block's room, and the end's. */
#define STORE_SEALED_ROOM (2 * STORE_BLOCK_ROOM)

typedef struct store_sealed {
  _Atomic uint32_t references;
  store_data_key key;
  char *map;            /* of the file */
  uint64_t bytes;       /* of the mapping */
  uint32_t file_end;    /* behind the last block */
  uint32_t offset;      /* behind the last event that is in a block */
  uint32_t event_count; /* in blocks */
  int ended;
  struct store_block_place {
    uint32_t offset; /* of its first event */
    uint32_t at;     /* in the file */
  } *blocks;
  uint32_t count, capacity;
} store_sealed;

/* For a new segment, whose file is open and allocated: a key of its own. A status. */
int store_sealed_make(store_segment *segment, const store_vault *vault);
/* Its head, once its sequence number is known. A status. */
int store_sealed_begin(store_segment *segment, const char *stream);
void store_sealed_release(store_sealed *sealed);

/* Is there room for an event of so many bytes, padded? May seal the ones before it. All that is said to
** have room can be sealed. With the stream's lock, as all below. */
int store_sealed_has_room(store_segment *segment, uint32_t bytes);
/* Seal what is not in the file yet. */
void store_sealed_flush(store_segment *segment);
/* Nothing more will come. */
void store_sealed_end(store_segment *segment);
/* The same segment without its events in memory, to be read only, after its end; NULL without
** memory. */
store_segment *store_sealed_freeze(const store_segment *segment);

/* For a file that is open: head and key. Statuses as store_segment_open has them. */
int store_sealed_open(store_segment *segment, const store_vault *vault, const char *stream);
/* Then all of its events, as store_segment_open has it. Nothing is appended to it any more: a nonce would
** come twice. STORE_OK or STORE_E_NOMEM. */
int store_sealed_scan(store_segment *segment, int last, store_seen *seen, void *arg,
                      store_scan *scan);

/* The index of the block that has the event at an offset, in a segment that is only read. */
uint32_t store_sealed_find(const store_sealed *sealed, uint32_t offset);
/* How many bytes of events it has; 0: it is not as it was when the file was opened. */
uint32_t store_sealed_bytes(const store_segment *segment, uint32_t index);
/* Those bytes. 0, or -1 as above. */
int store_sealed_read(const store_segment *segment, uint32_t index, void *events);

/* What a wrapped key belongs to. */
typedef struct store_bound {
  char stream[STORE_NAME_MAX];
  store_segment_head head; /* its checksum 0 */
} store_bound;
void store_bound_fill(store_bound *bound, const char *stream, const store_segment_head *head);

#endif

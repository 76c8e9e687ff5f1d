/* reader.c - see reader.h. */
#include "reader.h"

#include <stdlib.h>
#include <string.h>

#include "sealed.h"

void store_reader_end(store_reader *reader) {
  if (reader->data != NULL) explicit_bzero(reader->data, reader->capacity);
  free(reader->data);
}

/* The block that has this offset. A status. */
static int load_block(store_reader *reader, const store_segment *segment, uint32_t offset) {
  uint32_t index = store_sealed_find(segment->sealed, offset);
  uint32_t bytes = store_sealed_bytes(segment, index);
  reader->segment = NULL;
  if (bytes == 0) return STORE_E_DAMAGED;
  if (bytes > reader->capacity) {
    size_t capacity = bytes > STORE_BLOCK_BYTES ? bytes : STORE_BLOCK_BYTES;
    char *more = malloc(capacity);
    if (more == NULL) return STORE_E_NOMEM;
    store_reader_end(reader);
    reader->data = more;
    reader->capacity = capacity;
  }
  if (store_sealed_read(segment, index, reader->data) != 0) return STORE_E_DAMAGED;
  reader->segment = segment;
  reader->from = segment->sealed->blocks[index].offset;
  reader->until = reader->from + bytes;
  return STORE_OK;
}

const store_record *store_reader_at(store_reader *reader, const store_segment *segment,
                                    uint32_t offset) {
  if (offset >= atomic_load_explicit(&segment->end, memory_order_acquire)) return NULL;
  if (segment->map != NULL) return (const store_record *)(segment->map + offset);
  if (reader->segment != segment || offset < reader->from || offset >= reader->until) {
    int status = load_block(reader, segment, offset);
    if (status != STORE_OK) {
      reader->status = status;
      return NULL;
    }
  }
  return (const store_record *)(reader->data + (offset - reader->from));
}

const store_record *store_reader_place(store_reader *reader, const store_segments *segments,
                                       store_place place) {
  const store_segment *segment = store_segments_get(segments, place >> 32);
  return segment != NULL ? store_reader_at(reader, segment, (uint32_t)place) : NULL;
}

uint32_t store_reader_find(store_reader *reader, const store_segment *segment, uint64_t sequence) {
  uint64_t index = sequence - segment->sequence;
  uint32_t offset = segment->chunks[index / STORE_CHUNK].offset;
  for (uint64_t i = index % STORE_CHUNK; i != 0; i--) {
    const store_record *record = store_reader_at(reader, segment, offset);
    if (record == NULL) break;
    offset += store_padded(store_record_bytes(record));
  }
  return offset;
}

/* sealed.c - see sealed.h. */
#include "sealed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

_Static_assert(sizeof(store_sealed_head) <= 512, "one sector, so that it is written whole");
_Static_assert(sizeof(store_block) == sizeof(store_block_words), "the same words");

static int map_file(store_sealed *sealed, int file, uint64_t bytes) {
  void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (map == MAP_FAILED) return errno == ENOMEM ? STORE_E_NOMEM : STORE_E_IO;
  sealed->map = map;
  sealed->bytes = bytes;
  madvise(map, bytes, MADV_DONTFORK);
  return STORE_OK;
}

static store_sealed *blank(void) {
  store_sealed *sealed = calloc(1, sizeof *sealed);
  if (sealed == NULL) return NULL;
  atomic_init(&sealed->references, 1);
  sealed->file_end = sealed->offset = STORE_SEGMENT_HEAD;
  return sealed;
}

void store_sealed_release(store_sealed *sealed) {
  if (sealed == NULL) return;
  if (atomic_fetch_sub_explicit(&sealed->references, 1, memory_order_acq_rel) != 1) return;
  if (sealed->map != NULL) munmap(sealed->map, sealed->bytes);
  free(sealed->blocks);
  explicit_bzero(sealed, sizeof *sealed);
  free(sealed);
}

void store_bound_fill(store_bound *bound, const char *stream, const store_segment_head *head) {
  memset(bound, 0, sizeof *bound);
  memcpy(bound->stream, stream, strnlen(stream, sizeof bound->stream));
  bound->head = *head;
  bound->head.checksum = 0;
}

/* ---- Writing ------------------------------------------------------------ */

int store_sealed_make(store_segment *segment, const store_vault *vault) {
  store_sealed *sealed = segment->sealed = blank();
  if (sealed == NULL) return STORE_E_NOMEM;
  if (store_data_key_new(&sealed->key, vault) != 0) return STORE_E_IO;
  return map_file(sealed, segment->file, segment->bytes);
}

int store_sealed_begin(store_segment *segment, const char *stream) {
  store_sealed_head head = {0};
  store_bound bound;
  store_head_fill(segment, STORE_SEALED_MAGIC, &head.head);
  store_bound_fill(&bound, stream, &head.head);
  if (store_wrap(&head.wrapped[0], &segment->sealed->key, &bound, sizeof bound) != 0)
    return STORE_E_IO;
  /* not through the mapping: a kill must not leave half of it */
  return pwrite(segment->file, &head, sizeof head, 0) == (ssize_t)sizeof head ? STORE_OK
                                                                              : store_file_status();
}

static int reserve_block(store_sealed *sealed) {
  if (sealed->count + 2 <= sealed->capacity) return 0;
  uint32_t capacity = sealed->capacity != 0 ? sealed->capacity * 2 : 64;
  struct store_block_place *more = realloc(sealed->blocks, capacity * sizeof *more);
  if (more == NULL) return -1;
  sealed->blocks = more;
  sealed->capacity = capacity;
  return 0;
}

int store_sealed_has_room(store_segment *segment, uint32_t bytes) {
  store_sealed *sealed = segment->sealed;
  if (sealed->ended || reserve_block(sealed) != 0) return 0;
  uint32_t end = atomic_load_explicit(&segment->end, memory_order_relaxed);
  uint32_t waiting = end - sealed->offset;
  if ((uint64_t)sealed->file_end + waiting + bytes + STORE_SEALED_ROOM > sealed->bytes) return 0;
  if (waiting == 0 || (uint64_t)waiting + bytes <= STORE_BLOCK_BYTES) return 1;
  store_sealed_flush(segment);
  return (uint64_t)sealed->file_end + bytes + STORE_SEALED_ROOM <= sealed->bytes &&
         reserve_block(sealed) == 0;
}

static void put_block(store_sealed *sealed, uint64_t sequence, uint32_t count, const char *events,
                      uint32_t len) {
  store_block *block = (store_block *)(sealed->map + sealed->file_end);
  uint32_t bytes = STORE_BLOCK_ROOM + len;
  uint64_t number = sealed->count + 1;
  store_block_words bound = {(uint64_t)bytes << 32 | number, sequence, count, sealed->offset};
  block->sequence = sequence;
  block->count = count;
  block->offset = sealed->offset;
  store_seal_block(&sealed->key, number, &bound, sizeof bound, events, len, block->text);
  atomic_store_explicit(&block->head, bound.head, memory_order_release);
  sealed->blocks[sealed->count++] = (struct store_block_place){sealed->offset, sealed->file_end};
  sealed->file_end += bytes;
}

void store_sealed_flush(store_segment *segment) {
  store_sealed *sealed = segment->sealed;
  uint32_t end = atomic_load_explicit(&segment->end, memory_order_relaxed);
  uint32_t count = atomic_load_explicit(&segment->count, memory_order_relaxed);
  if (end == sealed->offset) return;
  put_block(sealed, segment->sequence + sealed->event_count, count - sealed->event_count,
            segment->map + sealed->offset, end - sealed->offset);
  sealed->offset = end;
  sealed->event_count = count;
}

void store_sealed_end(store_segment *segment) {
  store_sealed *sealed = segment->sealed;
  if (sealed->ended) return;
  store_sealed_flush(segment);
  put_block(sealed, segment->sequence + sealed->event_count, 0, NULL, 0);
  sealed->count--; /* nobody reads it by its place */
  sealed->ended = 1;
}

store_segment *store_sealed_freeze(const store_segment *segment) {
  store_segment *frozen = calloc(1, sizeof *frozen);
  if (frozen == NULL) return NULL;
  uint32_t chunks = atomic_load(&segment->chunk_count);
  atomic_init(&frozen->references, 1);
  frozen->file = -1;
  frozen->path = strdup(segment->path);
  frozen->chunks = malloc((chunks + 1u) * sizeof *frozen->chunks);
  frozen->bytes = segment->bytes;
  frozen->number = segment->number;
  frozen->sequence = segment->sequence;
  frozen->salt = segment->salt;
  frozen->newest_ns = segment->newest_ns;
  frozen->cut = segment->cut;
  atomic_init(&frozen->end, atomic_load(&segment->end));
  atomic_init(&frozen->count, atomic_load(&segment->count));
  atomic_init(&frozen->chunk_count, chunks);
  if (frozen->path == NULL || frozen->chunks == NULL) {
    store_segment_release(frozen);
    return NULL;
  }
  memcpy(frozen->chunks, segment->chunks, chunks * sizeof *frozen->chunks);
  frozen->sealed = segment->sealed;
  atomic_fetch_add_explicit(&frozen->sealed->references, 1, memory_order_relaxed);
  return frozen;
}

/* ---- Reading ------------------------------------------------------------ */

uint32_t store_sealed_find(const store_sealed *sealed, uint32_t offset) {
  uint32_t low = 0, high = sealed->count;
  while (high - low > 1) {
    uint32_t middle = low + (high - low) / 2;
    if (sealed->blocks[middle].offset <= offset) low = middle;
    else high = middle;
  }
  return low;
}

uint32_t store_sealed_bytes(const store_segment *segment, uint32_t index) {
  const store_sealed *sealed = segment->sealed;
  if (index >= sealed->count) return 0;
  const struct store_block_place *place = &sealed->blocks[index];
  uint32_t end = index + 1 < sealed->count
                     ? place[1].offset
                     : atomic_load_explicit(&segment->end, memory_order_acquire);
  return end - place->offset;
}

/* The events of the block at `at`, whose bound words are these. */
static int unseal(const store_sealed *sealed, uint32_t at, const store_block_words *bound,
                  void *events) {
  const store_block *block = (const store_block *)(sealed->map + at);
  return store_unseal_block(&sealed->key, (uint32_t)bound->head, bound, sizeof *bound, block->text,
                            (uint32_t)(bound->head >> 32) - sizeof *bound, events);
}

/* A copy of the words, since the file may change while it is looked at. */
static store_block_words words_of(const store_sealed *sealed, uint32_t at) {
  const store_block *block = (const store_block *)(sealed->map + at);
  return (store_block_words){atomic_load_explicit(&block->head, memory_order_relaxed),
                             block->sequence, block->count, block->offset};
}

int store_sealed_read(const store_segment *segment, uint32_t index, void *events) {
  const store_sealed *sealed = segment->sealed;
  const struct store_block_place *place = &sealed->blocks[index];
  store_block_words bound = words_of(sealed, place->at);
  uint32_t bytes = STORE_BLOCK_ROOM + store_sealed_bytes(segment, index);
  if (bound.head != ((uint64_t)bytes << 32 | (index + 1u))) return -1;
  return unseal(sealed, place->at, &bound, events);
}

/* ---- Opening ------------------------------------------------------------ */

int store_sealed_open(store_segment *segment, const store_vault *vault, const char *stream) {
  struct stat about;
  store_sealed_head head;
  if (fstat(segment->file, &about) != 0) return STORE_E_IO;
  ssize_t got = pread(segment->file, &head, sizeof head, 0);
  if (got < 0) return STORE_E_IO;
  if ((size_t)got < sizeof head) return STORE_E_DAMAGED;
  int status = store_head_check(&head.head, STORE_SEALED_MAGIC, (uint64_t)about.st_size);
  if (status != STORE_OK) return status;
  segment->number = head.head.number;
  segment->sequence = head.head.sequence;
  segment->salt = head.head.salt;
  segment->bytes = (uint64_t)about.st_size & ~(uint64_t)4095;
  segment->cut = 1;
  store_sealed *sealed = segment->sealed = blank();
  if (sealed == NULL) return STORE_E_NOMEM;
  store_bound bound;
  store_bound_fill(&bound, stream, &head.head);
  status = store_unwrap(head.wrapped, vault, &bound, sizeof bound, &sealed->key);
  return status == STORE_OK ? map_file(sealed, segment->file, segment->bytes) : status;
}

/* Room for what a block holds. */
typedef struct scratch {
  unsigned char *data;
  size_t capacity;
} scratch;

static int make_room(scratch *room, size_t bytes) {
  if (bytes <= room->capacity) return 0;
  unsigned char *more = malloc(bytes);
  if (more == NULL) return -1;
  if (room->data != NULL) explicit_bzero(room->data, room->capacity);
  free(room->data);
  *room = (scratch){more, bytes};
  return 0;
}

static void drop_room(scratch *room) {
  if (room->data != NULL) explicit_bzero(room->data, room->capacity);
  free(room->data);
}

/* The block at `at`, if it is whole, with its events in `room`. number, sequence and offset are those
** it must have; 0 for any above `sequence`. 1; 0: it is not; -1 without memory. */
static int check_block(const store_sealed *sealed, uint32_t at, uint32_t number, uint64_t sequence,
                       uint32_t offset, scratch *room, store_block_words *bound) {
  if ((uint64_t)at + STORE_BLOCK_ROOM > sealed->bytes) return 0;
  *bound = words_of(sealed, at);
  uint64_t head = bound->head;
  uint32_t bytes = (uint32_t)(head >> 32);
  if (bytes < STORE_BLOCK_ROOM || bytes % 8 != 0 || bytes > sealed->bytes - at) return 0;
  if (number != 0
          ? (uint32_t)head != number || bound->sequence != sequence || bound->offset != offset
          : bound->sequence < sequence || bound->sequence - sequence > sealed->bytes ||
                (uint32_t)head == 0 || (uint32_t)head > sealed->bytes / STORE_BLOCK_ROOM)
    return 0;
  uint32_t len = bytes - STORE_BLOCK_ROOM;
  if (bound->count > len / sizeof(store_record) || (bound->count == 0) != (len == 0)) return 0;
  if (make_room(room, (size_t)len + 8) != 0) return -1;
  return unseal(sealed, at, bound, room->data) == 0;
}

/* The sequence number of the last event behind `at` in a block that is whole; 0: there is none. Of an end
** that is found there, the one before it. */
static uint64_t last_behind(const store_sealed *sealed, uint32_t at, uint64_t sequence,
                            scratch *room) {
  uint64_t last = 0;
  for (uint64_t place = (uint64_t)at + 8; place + STORE_BLOCK_ROOM <= sealed->bytes; place += 8) {
    store_block_words bound;
    if (check_block(sealed, (uint32_t)place, 0, sequence, 0, room, &bound) != 1) continue;
    uint64_t end = bound.sequence + bound.count - 1;
    if (end >= sequence) last = end;
    place += (bound.head >> 32) - 8;
  }
  return last;
}

/* What is behind the last block goes, with the space that it took. How many bytes were not 0. */
static uint32_t cut_off(store_segment *segment) {
  store_sealed *sealed = segment->sealed;
  uint32_t cleared = 0;
  uint64_t used = ((uint64_t)sealed->file_end + 4095) & ~(uint64_t)4095;
  for (uint64_t at = sealed->file_end; at < sealed->bytes; at += 8)
    cleared += store_is_zero(sealed->map + at, 8) ? 0 : 8;
  memset(sealed->map + sealed->file_end, 0, used - sealed->file_end);
  if (ftruncate(segment->file, (off_t)used) == 0) segment->bytes = used;
  if (cleared != 0) fdatasync(segment->file);
  return cleared;
}

/* Its events, which must fit: that they are authentic does not say that they were written soundly. */
static int take_events(store_segment *segment, const store_block_words *bound, const scratch *room,
                       store_seen *seen, void *arg) {
  uint32_t len = (uint32_t)(bound->head >> 32) - STORE_BLOCK_ROOM, at = 0;
  for (uint32_t i = 0; i < bound->count; i++) {
    const store_record *record = (const store_record *)(room->data + at);
    if (len - at < sizeof *record || !store_record_fits(record, len - at, bound->sequence + i))
      return -1;
    at += store_padded(store_record_bytes(record));
    if (at > len) return -1;
  }
  if (at != len) return -1;
  at = 0;
  for (uint32_t i = 0; i < bound->count; i++) {
    const store_record *record = (const store_record *)(room->data + at);
    uint32_t offset = bound->offset + at;
    store_segment_note(segment, record, offset);
    seen(arg, segment, record, segment->number << 32 | offset);
    at += store_padded(store_record_bytes(record));
  }
  return 0;
}

static int scan_blocks(store_segment *segment, int last, store_seen *seen, void *arg,
                       store_scan *scan, scratch *room) {
  store_sealed *sealed = segment->sealed;
  uint64_t sequence = segment->sequence;
  store_block_words bound;
  int whole;
  while ((whole = check_block(sealed, sealed->file_end, sealed->count + 1, sequence, sealed->offset,
                              room, &bound)) == 1) {
    uint32_t bytes = (uint32_t)(bound.head >> 32);
    if (bound.count == 0) {
      sealed->ended = 1;
      sealed->file_end += bytes;
      break;
    }
    if (reserve_block(sealed) != 0) return STORE_E_NOMEM;
    if (take_events(segment, &bound, room, seen, arg) != 0) break;
    sealed->blocks[sealed->count++] = (struct store_block_place){sealed->offset, sealed->file_end};
    sealed->file_end += bytes;
    sealed->offset += bytes - STORE_BLOCK_ROOM;
    sequence += bound.count;
  }
  if (whole < 0) return STORE_E_NOMEM;
  sealed->event_count = (uint32_t)(sequence - segment->sequence);
  atomic_store(&segment->end, sealed->offset);
  if (!sealed->ended) scan->behind = last_behind(sealed, sealed->file_end, sequence, room);
  if (last && scan->behind == 0) scan->cleared = cut_off(segment);
  return STORE_OK;
}

int store_sealed_scan(store_segment *segment, int last, store_seen *seen, void *arg,
                      store_scan *scan) {
  scratch room = {NULL, 0};
  uint64_t most = (segment->bytes - STORE_SEGMENT_HEAD) / sizeof(store_record);
  segment->chunks = malloc((most / STORE_CHUNK + 1) * sizeof *segment->chunks);
  if (segment->chunks == NULL) return STORE_E_NOMEM;
  int status = scan_blocks(segment, last, seen, arg, scan, &room);
  drop_room(&room);
  uint32_t chunks = atomic_load(&segment->chunk_count);
  store_chunk *less = realloc(segment->chunks, (chunks + 1u) * sizeof *less);
  if (less != NULL) segment->chunks = less;
  return status;
}

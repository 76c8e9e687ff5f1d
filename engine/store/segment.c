/* segment.c - see segment.h. */
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checksum.h"
#include "files.h"
#include "sealed.h"

_Static_assert(sizeof(store_record) == 48, "as segment.h says");
_Static_assert(sizeof(store_segment_head) <= STORE_SEGMENT_HEAD, "it has a page of its own");

store_segment *store_segment_retain(store_segment *segment) {
  atomic_fetch_add_explicit(&segment->references, 1, memory_order_relaxed);
  return segment;
}

void store_segment_release(store_segment *segment) {
  if (segment == NULL) return;
  if (atomic_fetch_sub_explicit(&segment->references, 1, memory_order_acq_rel) != 1) return;
  if (segment->map != NULL) munmap(segment->map, segment->bytes);
  store_sealed_release(segment->sealed);
  if (segment->file >= 0) close(segment->file);
  free(segment->path);
  free(segment->chunks);
  free(segment);
}

void store_segment_close(store_segment *segment) {
  if (segment->file >= 0) close(segment->file);
  segment->file = -1;
}

/* msync does what fdatasync does, by the mapping: a store of many segments needs few descriptors. */
int store_segment_sync(const store_segment *segment) {
  const store_sealed *sealed = segment->sealed;
  void *map = sealed != NULL ? sealed->map : segment->map;
  return msync(map, sealed != NULL ? sealed->bytes : segment->bytes, MS_SYNC) == 0 ? STORE_OK
                                                                                   : STORE_E_IO;
}

/* ---- Making and opening ------------------------------------------------- */

static store_segment *blank(void) {
  store_segment *segment = calloc(1, sizeof *segment);
  if (segment == NULL) return NULL;
  atomic_init(&segment->references, 1);
  atomic_init(&segment->end, STORE_SEGMENT_HEAD);
  segment->file = -1;
  segment->newest_ns = INT64_MIN;
  return segment;
}

static int make_chunks(store_segment *segment) {
  uint64_t most = (segment->bytes - STORE_SEGMENT_HEAD) / sizeof(store_record);
  segment->chunks = malloc((most / STORE_CHUNK + 1) * sizeof *segment->chunks);
  return segment->chunks != NULL ? STORE_OK : STORE_E_NOMEM;
}

/* Map segment->bytes of the file, or of memory (file -1). A fork does not inherit them: two processes
** would write one file. */
static int map_it(store_segment *segment, int file) {
  int flags = file >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
  void *map = mmap(NULL, segment->bytes, PROT_READ | PROT_WRITE, flags, file, 0);
  if (map == MAP_FAILED) return errno == ENOMEM ? STORE_E_NOMEM : STORE_E_IO;
  segment->map = map;
  madvise(map, segment->bytes, MADV_DONTFORK);
  return STORE_OK;
}

/* Space for all of it, so that no store into the mapping can find the disk full. */
static int allocate(int file, uint64_t bytes) {
  int error = posix_fallocate(file, 0, (off_t)bytes);
  if (error == 0) return STORE_OK;
  errno = error;
  return store_file_status();
}

static uint32_t head_sum(const store_segment_head *head) {
  return store_checksum(0, head, offsetof(store_segment_head, checksum));
}

void store_head_fill(const store_segment *segment, const char *magic, store_segment_head *head) {
  *head = (store_segment_head){.version = STORE_SEGMENT_VERSION,
                               .order = STORE_SEGMENT_ORDER,
                               .bytes = segment->bytes,
                               .number = segment->number,
                               .sequence = segment->sequence,
                               .salt = segment->salt};
  memcpy(head->magic, magic, sizeof head->magic);
  head->checksum = head_sum(head);
}

static int make_file(store_segment *segment, const char *folder) {
  if (asprintf(&segment->path, "%s/%016llx.events", folder, (unsigned long long)segment->number) <
      0) {
    segment->path = NULL;
    return STORE_E_NOMEM;
  }
  segment->file = open(segment->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (segment->file < 0) return store_file_status();
  return allocate(segment->file, segment->bytes);
}

static int make_plain(store_segment *segment, const char *folder) {
  int status = folder != NULL ? make_file(segment, folder) : STORE_OK;
  return status == STORE_OK ? map_it(segment, segment->file) : status;
}

static int make_sealed(store_segment *segment, const store_origin *origin) {
  int status = make_file(segment, origin->folder);
  if (status == STORE_OK) status = map_it(segment, -1);
  if (status != STORE_OK) return status;
  madvise(segment->map, segment->bytes, MADV_DONTDUMP);
  return store_sealed_make(segment, origin->vault);
}

int store_segment_make(const store_origin *origin, uint64_t bytes, uint64_t number,
                       store_segment **out) {
  store_segment *segment = blank();
  if (segment == NULL) return STORE_E_NOMEM;
  segment->bytes = bytes;
  segment->number = number;
  if (getrandom(&segment->salt, sizeof segment->salt, 0) < 0)
    segment->salt = number ^ (uintptr_t)segment;
  int status = make_chunks(segment);
  if (status == STORE_OK)
    status = origin->folder != NULL && origin->vault != NULL ? make_sealed(segment, origin)
                                                             : make_plain(segment, origin->folder);
  if (status == STORE_OK) *out = segment;
  else store_segment_discard(segment);
  return status;
}

void store_segment_discard(store_segment *segment) {
  int error = errno;
  if (segment->file >= 0) unlink(segment->path);
  store_segment_release(segment);
  errno = error;
}

int store_segment_begin(store_segment *segment, const store_origin *origin, uint64_t sequence) {
  segment->sequence = sequence;
  if (segment->sealed != NULL) return store_sealed_begin(segment, origin->stream);
  store_segment_head head;
  store_head_fill(segment, STORE_SEGMENT_MAGIC, &head);
  if (segment->file < 0) memcpy(segment->map, &head, sizeof head);
  else if (pwrite(segment->file, &head, sizeof head, 0) != (ssize_t)sizeof head)
    return store_file_status();
  return STORE_OK;
}

int store_segment_is_unborn(const char *path) {
  char page[STORE_SEGMENT_HEAD + sizeof(uint64_t)];
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return 0;
  ssize_t got = pread(file, page, sizeof page, 0);
  close(file);
  return got >= 0 && ((size_t)got < sizeof page || store_is_zero(page, sizeof page));
}

int store_head_check(const store_segment_head *head, const char *magic, uint64_t size) {
  if (size < STORE_SEGMENT_HEAD || head->checksum != head_sum(head)) return STORE_E_DAMAGED;
  if (memcmp(head->magic, magic, sizeof head->magic) != 0)
    return memcmp(head->magic, STORE_SEGMENT_MAGIC, sizeof head->magic) == 0 ||
                   memcmp(head->magic, STORE_SEALED_MAGIC, sizeof head->magic) == 0
               ? STORE_E_INVALID
               : STORE_E_DAMAGED;
  if (head->version != STORE_SEGMENT_VERSION || head->order != STORE_SEGMENT_ORDER)
    return STORE_E_VERSION;
  return head->bytes >= STORE_SEGMENT_MIN && head->bytes <= STORE_SEGMENT_MAX &&
                 head->bytes % 4096 == 0 && size <= head->bytes
             ? STORE_OK
             : STORE_E_DAMAGED;
}

uint64_t store_segment_used(const store_segment *segment) {
  return segment->sealed != NULL ? segment->sealed->file_end
                                 : atomic_load_explicit(&segment->end, memory_order_relaxed);
}

void store_segment_populate(const store_segment *segment, uint64_t from, uint64_t to) {
  char *map = segment->sealed != NULL ? segment->sealed->map : segment->map;
  madvise(map + from, to - from, MADV_POPULATE_WRITE); /* where the kernel can */
}

/* ---- Events ------------------------------------------------------------- */

static uint32_t record_sum(const store_segment *segment, const store_record *record,
                           uint32_t bytes) {
  uint32_t sum = store_checksum(0, &segment->salt, sizeof segment->salt);
  size_t from = offsetof(store_record, sequence);
  return store_checksum(sum, (const char *)record + from, bytes - from);
}

/* The whole event at an offset, if there is one. */
static const store_record *check_record(const store_segment *segment, uint32_t offset,
                                        uint64_t sequence) {
  if (offset + sizeof(store_record) > segment->bytes) return NULL;
  const store_record *record = (const store_record *)(segment->map + offset);
  uint64_t head = atomic_load_explicit(&record->head, memory_order_relaxed);
  if (!store_record_fits(record, segment->bytes - offset, sequence)) return NULL;
  uint32_t bytes = (uint32_t)(head >> 32);
  return record_sum(segment, record, bytes) == (uint32_t)head ? record : NULL;
}

int store_record_fits(const store_record *record, uint64_t bytes, uint64_t sequence) {
  uint32_t taken = store_record_bytes(record);
  return taken >= sizeof *record && taken <= bytes && record->sequence == sequence &&
         record->key_len <= taken - sizeof *record;
}

void store_segment_note(store_segment *segment, const store_record *record, uint32_t offset) {
  uint32_t count = atomic_load_explicit(&segment->count, memory_order_relaxed);
  store_chunk *chunk = &segment->chunks[count / STORE_CHUNK];
  if (count % STORE_CHUNK == 0) {
    *chunk = (store_chunk){offset, record->time_ns, record->time_ns};
    atomic_store_explicit(&segment->chunk_count, count / STORE_CHUNK + 1, memory_order_release);
  } else {
    if (record->time_ns < chunk->earliest) chunk->earliest = record->time_ns;
    if (record->time_ns > chunk->latest) chunk->latest = record->time_ns;
  }
  if (record->arrival_ns > segment->newest_ns) segment->newest_ns = record->arrival_ns;
  atomic_store_explicit(&segment->count, count + 1, memory_order_release);
}

store_place store_segment_put(store_segment *segment, const store_event *event,
                              store_place before) {
  uint32_t offset = atomic_load_explicit(&segment->end, memory_order_relaxed);
  uint64_t bytes = sizeof(store_record) + (uint64_t)event->key.len + event->value.len;
  if (bytes > segment->bytes - offset) return 0;
  if (segment->sealed != NULL && !store_sealed_has_room(segment, store_padded(bytes))) return 0;
  store_record *record = (store_record *)(segment->map + offset);
  record->sequence = event->sequence;
  record->time_ns = event->time_ns;
  record->arrival_ns = event->arrival_ns;
  record->before = before;
  record->key_len = (uint32_t)event->key.len;
  record->unused = 0;
  if (event->key.len != 0) memcpy(record->text, event->key.data, event->key.len);
  if (event->value.len != 0)
    memcpy(record->text + event->key.len, event->value.data, event->value.len);
  /* a sealed block says more than a checksum */
  uint32_t sum = segment->sealed == NULL ? record_sum(segment, record, (uint32_t)bytes) : 0;
  atomic_store_explicit(&record->head, bytes << 32 | sum, memory_order_release);
  store_segment_note(segment, record, offset);
  atomic_store_explicit(&segment->end, offset + store_padded(bytes), memory_order_release);
  return segment->number << 32 | offset;
}

/* ---- Scanning ----------------------------------------------------------- */

/* The sequence number of the last whole event behind an offset; 0: there is none, and what lies there
** is a torn tail. */
static uint64_t last_behind(const store_segment *segment, uint32_t offset, uint64_t sequence) {
  uint64_t last = 0;
  for (uint64_t at = offset + 8; at + sizeof(store_record) <= segment->bytes; at += 8) {
    const store_record *record = (const store_record *)(segment->map + at);
    uint64_t next = record->sequence;
    if (next <= sequence || next - sequence >= segment->bytes ||
        check_record(segment, (uint32_t)at, next) == NULL)
      continue;
    last = next;
    at += store_padded(store_record_bytes(record)) - 8;
  }
  return last;
}

/* Zeros from an offset to the end; how many bytes were something else. Only pages that have any are
** touched. */
static uint32_t clear(store_segment *segment, uint32_t offset) {
  uint32_t cleared = 0;
  uint64_t *word = (uint64_t *)(segment->map + offset);
  const uint64_t *end = (const uint64_t *)(segment->map + segment->bytes);
  for (; word < end; word++)
    if (*word != 0) {
      *word = 0;
      cleared += 8;
    }
  return cleared;
}

static void scan_all(store_segment *segment, int last, store_seen *seen, void *arg,
                     store_scan *scan) {
  uint32_t offset = STORE_SEGMENT_HEAD;
  for (uint64_t sequence = segment->sequence;; sequence++) {
    const store_record *record = check_record(segment, offset, sequence);
    if (record == NULL) {
      scan->behind = last_behind(segment, offset, sequence);
      segment->cut = scan->behind != 0;
      break;
    }
    store_segment_note(segment, record, offset);
    seen(arg, segment, record, segment->number << 32 | offset);
    offset += store_padded(store_record_bytes(record));
  }
  atomic_store(&segment->end, offset);
  if (last && scan->behind == 0) {
    scan->cleared = clear(segment, offset);
    if (scan->cleared != 0) msync(segment->map, segment->bytes, MS_SYNC);
  }
}

int store_is_zero(const void *data, size_t len) {
  const char *at = data;
  while (len != 0 && *at == 0) at++, len--;
  return len == 0;
}

/* With the file open: its head, its size, the space of a last one. */
static int take_file(store_segment *segment, int last) {
  struct stat about;
  store_segment_head head;
  if (fstat(segment->file, &about) != 0) return STORE_E_IO;
  ssize_t got = pread(segment->file, &head, sizeof head, 0);
  if (got < 0) return STORE_E_IO;
  if ((size_t)got < sizeof head) return STORE_E_DAMAGED;
  int status = store_head_check(&head, STORE_SEGMENT_MAGIC, (uint64_t)about.st_size);
  if (status != STORE_OK) return status;
  segment->number = head.number;
  segment->sequence = head.sequence;
  segment->salt = head.salt;
  segment->bytes = (uint64_t)about.st_size & ~(uint64_t)4095;
  if (!last) return STORE_OK;
  segment->bytes = head.bytes;
  return allocate(segment->file, head.bytes);
}

static int open_plain(store_segment *segment, int last) {
  int status = take_file(segment, last);
  if (status == STORE_OK) status = make_chunks(segment);
  return status == STORE_OK ? map_it(segment, segment->file) : status;
}

int store_segment_open(const store_origin *origin, const char *path, int last, store_seen *seen,
                       void *arg, store_scan *scan, store_segment **out) {
  *scan = (store_scan){0};
  store_segment *segment = blank();
  if (segment == NULL) return STORE_E_NOMEM;
  segment->path = strdup(path);
  int status = segment->path != NULL ? STORE_OK : STORE_E_NOMEM;
  if (status == STORE_OK) {
    segment->file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (segment->file < 0) status = STORE_E_IO;
    else if (origin->vault == NULL) status = open_plain(segment, last);
    else status = store_sealed_open(segment, origin->vault, origin->stream);
  }
  if (status == STORE_OK && origin->vault == NULL) scan_all(segment, last, seen, arg, scan);
  else if (status == STORE_OK) status = store_sealed_scan(segment, last, seen, arg, scan);
  if (status != STORE_OK) {
    int error = errno;
    store_segment_release(segment);
    errno = error;
    return status;
  }
  if (!last || segment->cut) store_segment_close(segment);
  *out = segment;
  return STORE_OK;
}

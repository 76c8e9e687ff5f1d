/* journal.c - see journal.h.
**
** Free blocks are in lists, one for each shard of the file, kept in private memory: the file
** holds only what its reader needs. Each list is a stack whose head carries a count of its
** changes, so that taking or returning a whole chain is one compare-and-swap. A thread takes
** from a shard of its own while that has enough.
*/
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../engine/store/checksum.h"

#define SHARDS 8u
#define NONE PVM_JOURNAL_NONE
#define DATA (PVM_JOURNAL_BLOCK - 16u)
#define BEFORE_BLOCKS                                                                              \
  (PVM_JOURNAL_PAGE + PVM_JOURNAL_THREADS * (uint64_t)sizeof(pvm_journal_thread))

typedef struct shard {
  _Alignas(64) _Atomic uint64_t head; /* changes << 32 | block */
} shard;

struct pvm_journal {
  pvm_journal_header *header;
  pvm_journal_thread *threads;
  pvm_journal_block *blocks;
  uint32_t count;    /* of blocks */
  uint32_t of_shard; /* blocks of each shard; the last one's may be more */
  _Atomic uint32_t
      *links; /* the next block, of free ones in their list, of others in their chain */
  int fd;
  shard shards[SHARDS];
};

/* ---- Free blocks -------------------------------------------------------- */

static uint32_t link_of(pvm_journal *j, uint32_t block) {
  return atomic_load_explicit(&j->links[block], memory_order_relaxed);
}

static void set_link(pvm_journal *j, uint32_t block, uint32_t next) {
  atomic_store_explicit(&j->links[block], next, memory_order_relaxed);
}

static shard *shard_of(pvm_journal *j, uint32_t block) {
  uint32_t index = block / j->of_shard;
  return &j->shards[index < SHARDS ? index : SHARDS - 1];
}

static uint64_t changed(uint64_t head, uint32_t block) {
  return ((head >> 32) + 1) << 32 | block;
}

static void put(pvm_journal *j, shard *s, uint32_t first, uint32_t last) {
  uint64_t head = atomic_load_explicit(&s->head, memory_order_relaxed);
  do set_link(j, last, (uint32_t)head);
  while (!atomic_compare_exchange_weak_explicit(&s->head, &head, changed(head, first),
                                                memory_order_release, memory_order_relaxed));
}

/* Return a chain to the shards that its blocks are of. */
static void put_chain(pvm_journal *j, uint32_t first) {
  while (first != NONE) {
    shard *s = shard_of(j, first);
    uint32_t last = first, next;
    while ((next = link_of(j, last)) != NONE && shard_of(j, next) == s) last = next;
    put(j, s, first, last);
    first = next;
  }
}

/* Up to `wanted` blocks of one shard; returns how many, from *first to *last. Others may change
** links while they are followed here, but then the head has changed as well. */
static uint32_t take_some(pvm_journal *j, shard *s, uint32_t wanted, uint32_t *first,
                          uint32_t *last) {
  uint64_t head = atomic_load_explicit(&s->head, memory_order_acquire);
  for (;;) {
    uint32_t n = 1, at = (uint32_t)head, next;
    if (at == NONE) return 0;
    while ((next = link_of(j, at)) != NONE && n < wanted) {
      at = next;
      n++;
    }
    if (atomic_compare_exchange_weak_explicit(&s->head, &head, changed(head, next),
                                              memory_order_acquire, memory_order_acquire)) {
      *first = (uint32_t)head;
      *last = at;
      return n;
    }
  }
}

/* A chain of n blocks; NONE if there are not as many. */
static uint32_t take(pvm_journal *j, uint32_t n) {
  static _Atomic uint32_t threads;
  static __thread uint32_t mine; /* 1 + the shard to begin with */
  if (mine == 0) mine = 1 + atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % SHARDS;
  uint32_t chain = NONE, first, last;
  for (uint32_t i = 0; i < SHARDS && n > 0; i++) {
    uint32_t got = take_some(j, &j->shards[(mine - 1 + i) % SHARDS], n, &first, &last);
    if (got == 0) continue;
    set_link(j, last, chain);
    chain = first;
    n -= got;
  }
  if (n == 0) return chain;
  put_chain(j, chain);
  return NONE;
}

/* ---- Invocations -------------------------------------------------------- */

/* Where the next byte of a chain goes. */
typedef struct cursor {
  pvm_journal *journal;
  uint32_t block;
  uint32_t at;  /* in its data */
  uint32_t sum; /* of the blocks before */
} cursor;

static void close_block(cursor *c) {
  pvm_journal_block *block = &c->journal->blocks[c->block];
  block->next = link_of(c->journal, c->block);
  c->sum = store_checksum(c->sum, block->data, c->at);
}

/* The data, and zeros up to a multiple of 16. */
static void append(cursor *c, const void *data, size_t len) {
  const unsigned char *from = data;
  while (len > 0) {
    if (c->at == DATA) {
      close_block(c);
      c->block = link_of(c->journal, c->block);
      c->at = 0;
    }
    size_t n = len < DATA - c->at ? len : DATA - c->at;
    memcpy(c->journal->blocks[c->block].data + c->at, from, n);
    c->at += (uint32_t)n;
    from += n;
    len -= n;
  }
  uint32_t fill = -c->at & 15; /* blocks are multiples of 16 as well */
  memset(c->journal->blocks[c->block].data + c->at, 0, fill);
  c->at += fill;
}

static uint64_t filled(uint64_t len) {
  return (len + 15) & ~(uint64_t)15;
}

int pvm_journal_accept(pvm_journal *j, const pvm_journal_record *record, uint32_t *block) {
  size_t name_len = strlen(record->task);
  if (record->id == 0 || name_len > PVM_NAME_MAX) return PVM_E_INVALID;
  if (record->len > (uint64_t)j->count * DATA) return PVM_E_INVALID;
  uint64_t bytes = sizeof(pvm_journal_fields) + filled(name_len) + filled(record->len);
  uint64_t n = (bytes + DATA - 1) / DATA;
  if (n > j->count) return PVM_E_INVALID;
  uint32_t head = take(j, (uint32_t)n);
  if (head == NONE) return PVM_E_FULL;
  pvm_journal_fields fields = {.id = record->id,
                               .tag = record->tag,
                               .accepted_ns = record->accepted_ns,
                               .deadline_ns = record->deadline_ns,
                               .len = record->len,
                               .attempt = record->attempt,
                               .ids = record->ids,
                               .name_len = (uint32_t)name_len,
                               .crashed = record->crashed};
  cursor c = {j, head, 0, 0};
  append(&c, &fields, sizeof fields);
  append(&c, record->task, name_len);
  append(&c, record->payload, record->len);
  close_block(&c);
  j->blocks[head].checksum = c.sum;
  atomic_store_explicit(&j->blocks[head].state, PVM_JOURNAL_LIVE, memory_order_release);
  *block = head;
  return PVM_OK;
}

void pvm_journal_finish(pvm_journal *j, uint32_t block) {
  /* before its blocks are anybody's */
  atomic_store_explicit(&j->blocks[block].state, 0, memory_order_release);
  put_chain(j, block);
}

void pvm_journal_note_position(pvm_journal *j, uint64_t position) {
  atomic_store_explicit(&j->header->position, position, memory_order_release);
}

/* ---- Threads ------------------------------------------------------------ */

pvm_journal_thread *pvm_journal_thread_take(pvm_journal *j, uint32_t worker) {
  if (j == NULL) return NULL;
  for (uint32_t i = 0; i < PVM_JOURNAL_THREADS; i++) {
    pvm_journal_thread *thread = &j->threads[i];
    uint32_t nobody = 0;
    if (atomic_load_explicit(&thread->tid, memory_order_relaxed) == 0 &&
        atomic_compare_exchange_strong_explicit(&thread->tid, &nobody, (uint32_t)gettid(),
                                                memory_order_acquire, memory_order_relaxed)) {
      thread->worker = worker;
      return thread;
    }
  }
  return NULL;
}

void pvm_journal_thread_return(pvm_journal_thread *thread) {
  pvm_journal_end(thread);
  atomic_store_explicit(&thread->tid, 0, memory_order_release);
}

void pvm_journal_thread_names(pvm_journal_thread *thread, int64_t task, const char *name,
                              const char *version) {
  /* always with a final 0: the crash handler prints them */
  strncpy(thread->name, name, sizeof thread->name - 1);
  strncpy(thread->version, version, sizeof thread->version - 1);
  atomic_store_explicit(&thread->task, task, memory_order_release);
}

/* ---- The file ----------------------------------------------------------- */

static int refuse(char *err, const char *path, const char *what, int error) {
  if (err) snprintf(err, PVM_ERR_MAX, "journal '%.300s': %s: %s", path, what, strerror(error));
  return error == ENOMEM ? PVM_E_NOMEM : PVM_E_OS;
}

static void free_all(pvm_journal *j) {
  uint32_t of_shard = j->count / SHARDS;
  j->of_shard = of_shard;
  for (uint32_t i = 0; i < SHARDS; i++) {
    uint32_t end = i == SHARDS - 1 ? j->count : (i + 1) * of_shard;
    for (uint32_t b = i * of_shard; b < end; b++) set_link(j, b, b + 1 < end ? b + 1 : NONE);
    atomic_init(&j->shards[i].head, i * of_shard);
  }
}

/* The magic last: a file without it was never used. */
static void write_header(pvm_journal_header *header, uint64_t bytes, uint64_t epoch,
                         uint32_t blocks) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  pvm_journal_header fixed = {.magic = PVM_JOURNAL_MAGIC,
                              .version = PVM_JOURNAL_VERSION,
                              .order = PVM_JOURNAL_ORDER,
                              .bytes = bytes,
                              .epoch = epoch,
                              .opened_ns =
                                  (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
                              .pid = (uint32_t)getpid(),
                              .threads = PVM_JOURNAL_THREADS,
                              .thread_bytes = sizeof(pvm_journal_thread),
                              .block_bytes = PVM_JOURNAL_BLOCK,
                              .blocks = blocks};
  fixed.checksum = store_checksum(0, &fixed, offsetof(pvm_journal_header, checksum));
  memcpy(&header->version, &fixed.version, sizeof fixed - offsetof(pvm_journal_header, version));
  atomic_signal_fence(memory_order_release);
  memcpy(header->magic, fixed.magic, sizeof fixed.magic);
}

static int map(pvm_journal *j, const char *path, uint64_t bytes, uint64_t epoch, char *err) {
  if (flock(j->fd, LOCK_EX | LOCK_NB) != 0)
    return refuse(err, path, "another process has it", errno);
  int error = posix_fallocate(j->fd, 0, (off_t)bytes);
  if (error != 0) return refuse(err, path, "there is no room for it", error);
  unsigned char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, j->fd, 0);
  if (base == MAP_FAILED) return refuse(err, path, "it cannot be mapped", errno);
  j->header = (pvm_journal_header *)base;
  j->threads = (pvm_journal_thread *)(base + PVM_JOURNAL_PAGE);
  j->blocks = (pvm_journal_block *)(base + BEFORE_BLOCKS);
  write_header(j->header, bytes, epoch, j->count);
  return PVM_OK;
}

int pvm_journal_create(const char *path, uint64_t bytes, uint64_t epoch, pvm_journal **out,
                       char *err) {
  if (path == NULL || out == NULL || bytes < PVM_JOURNAL_BYTES_MIN || bytes > PVM_JOURNAL_BYTES_MAX)
    return PVM_E_INVALID;
  *out = NULL;
  store_checksum_init();
  pvm_journal *j = NULL;
  if (posix_memalign((void **)&j, _Alignof(pvm_journal), sizeof *j) != 0) return PVM_E_NOMEM;
  memset(j, 0, sizeof *j);
  j->count = (uint32_t)((bytes - BEFORE_BLOCKS) / PVM_JOURNAL_BLOCK);
  j->links = calloc(j->count, sizeof *j->links);
  if (j->links == NULL) {
    free(j);
    return PVM_E_NOMEM;
  }
  free_all(j);
  j->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  int status =
      j->fd < 0 ? refuse(err, path, "it cannot be made", errno) : map(j, path, bytes, epoch, err);
  if (status == PVM_OK) {
    *out = j;
    return PVM_OK;
  }
  if (j->fd >= 0) {
    unlink(path);
    close(j->fd);
  }
  free((void *)j->links);
  free(j);
  return status;
}

void pvm_journal_note_orderly(pvm_journal *j) {
  atomic_store_explicit(&j->header->closed, 1, memory_order_release);
}

void pvm_journal_close(pvm_journal *j, int orderly) {
  if (j == NULL) return;
  if (orderly) pvm_journal_note_orderly(j);
  munmap(j->header, j->header->bytes);
  close(j->fd);
  free((void *)j->links);
  free(j);
}

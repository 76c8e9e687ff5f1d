/* journal.h - what must outlive the process: accepted work, and what each thread runs.
**
** A journal is a file mapped into memory, written by plain stores. What was stored is in the
** file however the process dies, kill -9 and segmentation faults included; nothing is synced to
** a disk, so it need not outlive a crash of the machine. The space is allocated when the file is
** made: a full disk is an error then, never a SIGBUS later.
**
** One process writes a journal, from its making to its end, and holds a lock on the file (flock)
** meanwhile. The next process reads it (host/journal.py) and makes one of its own.
**
** Layout, in the byte order of the machine: the header's page, PVM_JOURNAL_THREADS threads,
** blocks. An invocation takes a chain of blocks: a head, then the rest of its payload. A block's
** state is PVM_JOURNAL_LIVE in heads of accepted invocations only; it is stored last, so a
** half-written one is never seen. The head's checksum covers all that the chain holds.
*/
#ifndef PVM_JOURNAL_H
#define PVM_JOURNAL_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "../include/vm.h"

#define PVM_JOURNAL_MAGIC "PVMJRNL" /* with its final 0: 8 bytes */
#define PVM_JOURNAL_VERSION 1u
#define PVM_JOURNAL_ORDER 0x01020304u
#define PVM_JOURNAL_PAGE 4096u
#define PVM_JOURNAL_THREADS 512u /* all workers', and those given up */
#define PVM_JOURNAL_BLOCK 512u
#define PVM_JOURNAL_NONE UINT32_MAX
#define PVM_JOURNAL_LIVE 0x4556494c4d565076ull
#define PVM_JOURNAL_BYTES_MIN ((uint64_t)1 << 20)
#define PVM_JOURNAL_BYTES_MAX ((uint64_t)1 << 40)

typedef struct pvm_journal_header {
  char magic[8];
  uint32_t version;
  uint32_t order;
  uint64_t bytes; /* of the file */
  uint64_t epoch;
  uint64_t opened_ns; /* wall clock, as all times here */
  uint32_t pid;
  uint32_t threads;
  uint32_t thread_bytes;
  uint32_t block_bytes;
  uint32_t blocks;
  uint32_t checksum; /* of all before */
  /* what changes */
  _Atomic uint32_t closed; /* 1: the process ended its work in good order */
  uint32_t unused;
  _Atomic uint64_t position;
} pvm_journal_header;

typedef enum pvm_journal_doing {
  PVM_DOING_NOTHING = 0,
  PVM_DOING_LOAD = 1, /* running the task's top level */
  PVM_DOING_CALL = 2,
  PVM_DOING_UNLOAD = 3 /* running what the task left to its end */
} pvm_journal_doing;

/* What one thread does. Written by it alone, read when the process is dead. */
typedef struct pvm_journal_thread {
  _Alignas(64) _Atomic uint32_t tid; /* 0: this entry is free */
  _Atomic uint32_t doing;            /* stored last, and first reset: pvm_journal_doing */
  _Atomic uint64_t invocation;       /* its id; 0: none */
  _Atomic uint64_t started_ns;
  _Atomic uint64_t crash_address;
  _Atomic uint32_t crash_signal; /* 0: it did not crash */
  uint32_t worker;
  _Atomic int64_t task; /* whose names these are; 0: nobody's */
  _Alignas(64) char name[160];
  char version[160];
} pvm_journal_thread;

typedef struct pvm_journal_block {
  _Atomic uint64_t state;
  uint32_t next;     /* block of the chain; PVM_JOURNAL_NONE */
  uint32_t checksum; /* in heads */
  unsigned char data[PVM_JOURNAL_BLOCK - 16];
} pvm_journal_block;

/* What a head's data begins with. The task's name and the payload follow, each filled up with
** zeros to 16 bytes. */
typedef struct pvm_journal_fields {
  uint64_t id;
  uint64_t tag;
  uint64_t accepted_ns;
  uint64_t deadline_ns;
  uint64_t len; /* of the payload */
  uint32_t attempt;
  uint32_t ids; /* of its chain */
  uint32_t name_len;
  uint32_t unused;
  uint64_t crashed;
} pvm_journal_fields;

static_assert(sizeof(pvm_journal_header) <= PVM_JOURNAL_PAGE, "one page");
static_assert(sizeof(pvm_journal_thread) == 384, "the reader knows its size");
static_assert(offsetof(pvm_journal_thread, name) == 64, "what changes often has its own line");
static_assert(sizeof(pvm_journal_block) == PVM_JOURNAL_BLOCK, "the reader knows its size");
static_assert(sizeof(pvm_journal_fields) == 64, "the reader knows its size");
static_assert(PVM_NAME_MAX < 160, "names fit");

typedef struct pvm_journal pvm_journal;

/* One accepted invocation. id: never 0, unique among all journals of a host. attempt: 1 at
** first. deadline_ns: 0 for none. ids: how many ids from its own on are its chain's; 1: no chain.
** crashed: as in pvm_submit_options. */
typedef struct pvm_journal_record {
  uint64_t id;
  uint64_t tag;
  uint64_t accepted_ns;
  uint64_t deadline_ns;
  uint32_t attempt;
  uint32_t ids;
  uint64_t crashed;
  const char *task;
  const void *payload;
  size_t len;
} pvm_journal_record;

/* Make the file, which must not exist, for its owner's eyes only. bytes: of the whole file. */
int pvm_journal_create(const char *path, uint64_t bytes, uint64_t epoch, pvm_journal **journal,
                       char *err);
/* Nobody uses it any more. orderly: whoever reads it need not look for a crash. */
void pvm_journal_close(pvm_journal *journal, int orderly);

/* The process ended its work in good order, though threads that were given up still have it. */
void pvm_journal_note_orderly(pvm_journal *journal);

/* From any thread. PVM_E_FULL: there is no room now; PVM_E_INVALID: there never will be. */
int pvm_journal_accept(pvm_journal *journal, const pvm_journal_record *record, uint32_t *block);
/* Its result was handed out: forget it. From any thread, once. */
void pvm_journal_finish(pvm_journal *journal, uint32_t block);
/* How much of the host's input has been accepted; in what unit is the host's business. */
void pvm_journal_note_position(pvm_journal *journal, uint64_t position);

/* An entry for the calling thread; NULL if all are taken, or there is no journal: any zeroed
** pvm_journal_thread does as well, but is not read after a crash. */
pvm_journal_thread *pvm_journal_thread_take(pvm_journal *journal, uint32_t worker);
void pvm_journal_thread_return(pvm_journal_thread *thread);

/* By the thread itself. task: ids are never reused, so that names are copied only when it is
** another task's turn. */
void pvm_journal_thread_names(pvm_journal_thread *thread, int64_t task, const char *name,
                              const char *version);

static inline void pvm_journal_begin(pvm_journal_thread *thread, pvm_journal_doing doing,
                                     uint64_t invocation, uint64_t now_ns, int64_t task,
                                     const char *name, const char *version) {
  if (atomic_load_explicit(&thread->task, memory_order_relaxed) != task)
    pvm_journal_thread_names(thread, task, name, version);
  atomic_store_explicit(&thread->invocation, invocation, memory_order_relaxed);
  atomic_store_explicit(&thread->started_ns, now_ns, memory_order_relaxed);
  atomic_store_explicit(&thread->doing, doing, memory_order_release);
}

static inline void pvm_journal_end(pvm_journal_thread *thread) {
  atomic_store_explicit(&thread->doing, PVM_DOING_NOTHING, memory_order_release);
}

#endif

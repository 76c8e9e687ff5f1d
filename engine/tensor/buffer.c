/* buffer.c - memory of arrays: aligned, counted, and kept for the next array for a while.
**
** A fresh mapping costs a page fault for each 4 KiB, more than most kernels take to fill it, so
** freed blocks are kept: up to some MiB by the thread that freed them, which has them in its core's
** cache, larger ones and what that has no room for in slots that all threads share. A slot is taken
** and filled by one atomic exchange, so no lock is needed and no thread ever waits. What is kept is
** bounded and charged to nobody.
*/
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "shared.h"

#define ALIGNMENT 64

struct pvt_buffer {
  _Atomic uint32_t references;
  uint32_t class; /* of the block's size; NO_CLASS: foreign, or too large to keep */
  void *data;
  size_t size;          /* that was asked for */
  size_t block;         /* bytes charged: the whole block; 0: foreign */
  pvt_account *account; /* a reference, or NULL */
  void (*release)(void *owner);
  void *owner;
  _Atomic uint32_t place; /* in the table of shared.c; 0: it is not shared */
};

_Static_assert(sizeof(pvt_buffer) <= ALIGNMENT, "the header fits in front of aligned data");

/* ---- Classes of sizes --------------------------------------------------- */

/* Four to a doubling, from 128 bytes to 64 MiB. */
#define SMALLEST 128
#define CLASSES (4 * 19)
#define SMALL_CLASSES (4 * 9) /* up to 64 KiB: kept by threads */
#define NO_CLASS UINT32_MAX

static size_t class_size(uint32_t class) {
  size_t base = (size_t)SMALLEST << class / 4;
  return base + base / 4 * (class % 4);
}

static uint32_t class_of(size_t bytes) {
  if (bytes <= SMALLEST) return 0;
  uint32_t doubling = 63 - (uint32_t)__builtin_clzll((bytes - 1) / SMALLEST | 1);
  size_t base = (size_t)SMALLEST << doubling;
  uint32_t class = 4 * doubling;
  if (bytes > base) class += (uint32_t)((bytes - base - 1) / (base / 4)) + 1;
  return class < CLASSES ? class : NO_CLASS;
}

/* ---- What is kept ------------------------------------------------------- */

/* Small blocks: so many of each class, uncounted. Middle ones: so many of each class, and as many
** bytes as the thread has been granted, a grain at a time. What a thread has used last lies in its
** core's cache: handed to another thread, it would have to be fetched from there, and the lines of
** a list that all use with it. */
#define KEPT_OF_CLASS 8
#define MIDDLE_CLASSES 24 /* less than 4 MiB */
#define MIDDLE_OF_CLASS 8
#define GRAIN ((size_t)2 << 20)
#define MOST_OF_THREAD ((size_t)8 << 20)
typedef struct keeper {
  uint32_t count[SMALL_CLASSES];
  uint32_t middle_count[MIDDLE_CLASSES];
  uint32_t hand; /* the class that middle blocks are given up of next */
  size_t bytes;  /* of middle blocks */
  size_t granted;
  void *blocks[SMALL_CLASSES][KEPT_OF_CLASS];
  void *middle[MIDDLE_CLASSES][MIDDLE_OF_CLASS];
} keeper;

static _Thread_local keeper *kept; /* NULL until the first block is freed; GONE at thread exit */
#define GONE ((keeper *)1)
static pthread_key_t departure;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Large blocks, and middle ones that a thread has no room for. */
#define SLOTS 4
#define MOST_KEPT ((size_t)256 << 20) /* in slots, and granted to threads */
static _Atomic(void *) shared[CLASSES - SMALL_CLASSES][SLOTS];
static _Atomic size_t kept_bytes;

static _Atomic int wiping;

void pvt_wipe_freed(void) {
  atomic_store(&wiping, 1);
}

/* Whether so much more may be kept; then it is counted. */
static int reserve(size_t bytes) {
  if (atomic_fetch_add_explicit(&kept_bytes, bytes, memory_order_relaxed) + bytes <= MOST_KEPT)
    return 1;
  atomic_fetch_sub_explicit(&kept_bytes, bytes, memory_order_relaxed);
  return 0;
}

static void leave(void *arg) {
  keeper *mine = arg;
  kept = GONE;
  for (int class = 0; class < SMALL_CLASSES; class++)
    for (uint32_t i = 0; i < mine->count[class]; i++) free(mine->blocks[class][i]);
  for (int class = 0; class < MIDDLE_CLASSES; class++)
    for (uint32_t i = 0; i < mine->middle_count[class]; i++) free(mine->middle[class][i]);
  atomic_fetch_sub_explicit(&kept_bytes, mine->granted, memory_order_relaxed);
  free(mine);
}

static void make_key(void) {
  pthread_key_create(&departure, leave);
}

static keeper *my_keeper(void) {
  if (kept == NULL) {
    pthread_once(&once, make_key);
    keeper *mine = calloc(1, sizeof *mine);
    if (mine == NULL) return NULL;
    if (pthread_setspecific(departure, mine) != 0) {
      free(mine);
      return NULL;
    }
    kept = mine;
  }
  return kept == GONE ? NULL : kept;
}

static void *take_own(uint32_t class) {
  keeper *mine = kept;
  if (mine == NULL || mine == GONE) return NULL;
  if (class < SMALL_CLASSES)
    return mine->count[class] != 0 ? mine->blocks[class][--mine->count[class]] : NULL;
  uint32_t middle = class - SMALL_CLASSES;
  if (middle >= MIDDLE_CLASSES || mine->middle_count[middle] == 0) return NULL;
  mine->bytes -= class_size(class);
  return mine->middle[middle][--mine->middle_count[middle]];
}

static void *take_kept(uint32_t class) {
  void *own = take_own(class);
  if (own != NULL || class < SMALL_CLASSES) return own;
  for (int i = 0; i < SLOTS; i++) {
    _Atomic(void *) *slot = &shared[class - SMALL_CLASSES][i];
    if (atomic_load_explicit(slot, memory_order_relaxed) == NULL) continue;
    void *block = atomic_exchange_explicit(slot, NULL, memory_order_acquire);
    if (block != NULL) {
      atomic_fetch_sub_explicit(&kept_bytes, class_size(class), memory_order_relaxed);
      return block;
    }
  }
  return NULL;
}

/* For all threads. */
static int keep_shared(void *block, uint32_t class) {
  if (!reserve(class_size(class))) return 0;
  for (int i = 0; i < SLOTS; i++) {
    void *none = NULL;
    if (atomic_compare_exchange_strong_explicit(&shared[class - SMALL_CLASSES][i], &none, block,
                                                memory_order_release, memory_order_relaxed))
      return 1;
  }
  atomic_fetch_sub_explicit(&kept_bytes, class_size(class), memory_order_relaxed);
  return 0;
}

/* The thread gives up a middle block, of whichever class is next, for others. It has some. */
static void give_up_one(keeper *mine) {
  while (mine->middle_count[mine->hand] == 0) mine->hand = (mine->hand + 1) % MIDDLE_CLASSES;
  uint32_t middle = mine->hand, class = middle + SMALL_CLASSES;
  void *block = mine->middle[middle][--mine->middle_count[middle]];
  mine->hand = (middle + 1) % MIDDLE_CLASSES;
  mine->bytes -= class_size(class);
  if (!keep_shared(block, class)) free(block);
}

static int keep_middle(keeper *mine, void *block, uint32_t class) {
  uint32_t middle = class - SMALL_CLASSES;
  size_t size = class_size(class);
  if (mine->middle_count[middle] == MIDDLE_OF_CLASS) return 0;
  while (mine->bytes + size > mine->granted && mine->granted < MOST_OF_THREAD && reserve(GRAIN))
    mine->granted += GRAIN;
  if (size > mine->granted) return 0;
  while (mine->bytes + size > mine->granted) give_up_one(mine);
  mine->middle[middle][mine->middle_count[middle]++] = block;
  mine->bytes += size;
  return 1;
}

static int keep(void *block, uint32_t class) {
  keeper *mine = my_keeper();
  if (class < SMALL_CLASSES) {
    if (mine == NULL || mine->count[class] == KEPT_OF_CLASS) return 0;
    mine->blocks[class][mine->count[class]++] = block;
    return 1;
  }
  if (mine != NULL && class - SMALL_CLASSES < MIDDLE_CLASSES && keep_middle(mine, block, class))
    return 1;
  return keep_shared(block, class);
}

/* ---- Buffers ------------------------------------------------------------ */

pvt_buffer *pvt_buffer_new(size_t size) {
  if (size > ((size_t)1 << 62)) {
    pvt_fail(PVT_E_NOMEM, "an array of %zu bytes is too large", size);
    return NULL;
  }
  uint32_t class = class_of(size + ALIGNMENT);
  size_t block = class != NO_CLASS ? class_size(class)
                                   : (size + ALIGNMENT + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  pvt_account *account = pvt_context_account();
  if (pvt_account_charge(account, block) != PVT_OK) return NULL;
  pvt_buffer *buffer = class != NO_CLASS ? take_kept(class) : NULL;
  if (buffer == NULL)
    buffer = aligned_alloc(ALIGNMENT, (block + ALIGNMENT - 1) & -(size_t)ALIGNMENT);
  if (buffer == NULL) {
    pvt_account_refund(account, block);
    pvt_fail(PVT_E_NOMEM, "no memory for an array of %zu bytes", size);
    return NULL;
  }
  atomic_init(&buffer->references, 1);
  buffer->class = class;
  buffer->data = (char *)buffer + ALIGNMENT;
  buffer->size = size;
  buffer->block = block;
  buffer->account = pvt_account_retain(account);
  buffer->release = NULL;
  buffer->owner = NULL;
  atomic_init(&buffer->place, 0);
  return buffer;
}

pvt_buffer *pvt_buffer_foreign(void *data, size_t size, void (*release)(void *owner), void *owner) {
  pvt_buffer *buffer = malloc(sizeof *buffer);
  if (buffer == NULL) {
    pvt_fail(PVT_E_NOMEM, "out of memory");
    return NULL;
  }
  *buffer = (pvt_buffer){.references = 1,
                         .class = NO_CLASS,
                         .data = data,
                         .size = size,
                         .release = release,
                         .owner = owner};
  return buffer;
}

bool pvt_buffer_is_foreign(const pvt_buffer *buffer) {
  return buffer->block == 0;
}

pvt_buffer *pvt_buffer_retain(pvt_buffer *buffer) {
  if (buffer != NULL) atomic_fetch_add_explicit(&buffer->references, 1, memory_order_relaxed);
  return buffer;
}

void pvt_buffer_release(pvt_buffer *buffer) {
  if (buffer == NULL ||
      atomic_fetch_sub_explicit(&buffer->references, 1, memory_order_acq_rel) != 1)
    return;
  uint32_t place = atomic_load_explicit(&buffer->place, memory_order_relaxed);
  if (place != 0) pvt_shared_forget(place, buffer->block);
  pvt_account_refund(buffer->account, buffer->block);
  pvt_account_release(buffer->account);
  if (buffer->block == 0) {
    if (buffer->release != NULL) buffer->release(buffer->owner);
    free(buffer);
    return;
  }
  if (atomic_load_explicit(&wiping, memory_order_relaxed))
    explicit_bzero(buffer->data, buffer->size);
  if (buffer->class == NO_CLASS || !keep(buffer, buffer->class)) free(buffer);
}

void *pvt_buffer_data(const pvt_buffer *buffer) {
  return buffer->data;
}

size_t pvt_buffer_size(const pvt_buffer *buffer) {
  return buffer->size;
}

uint32_t pvt_buffer_references(const pvt_buffer *buffer) {
  return atomic_load_explicit((_Atomic uint32_t *)&buffer->references, memory_order_acquire);
}

/* ---- Sharing: see shared.h ---------------------------------------------- */

bool pvt_buffer_is_shared(const pvt_buffer *buffer) {
  return buffer != NULL &&
         atomic_load_explicit((_Atomic uint32_t *)&buffer->place, memory_order_acquire) != 0;
}

uint32_t pvt_buffer_place(const pvt_buffer *buffer) {
  return atomic_load_explicit((_Atomic uint32_t *)&buffer->place, memory_order_acquire);
}

int pvt_buffer_set_place(pvt_buffer *buffer, uint32_t place) {
  uint32_t none = 0;
  return atomic_compare_exchange_strong_explicit(&buffer->place, &none, place, memory_order_acq_rel,
                                                 memory_order_acquire);
}

size_t pvt_buffer_block(const pvt_buffer *buffer) {
  return buffer->block;
}

int pvt_buffer_retain_living(pvt_buffer *buffer) {
  uint32_t now = atomic_load_explicit(&buffer->references, memory_order_relaxed);
  while (now != 0)
    if (atomic_compare_exchange_weak_explicit(&buffer->references, &now, now + 1,
                                              memory_order_acquire, memory_order_relaxed))
      return 1;
  return 0;
}

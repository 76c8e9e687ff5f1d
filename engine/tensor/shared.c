/* shared.c - the table of shared buffers, and the handles that name them.
**
** Places are never freed, so a handle's place can be looked at whatever became of its buffer; they
** come in blocks, for as many as are in use at once. Looking up takes the lock of one place for
** some instructions; sharing, which is rarer, the lock of all.
*/
#include "shared.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define BLOCK 1024u
#define BLOCKS 64u /* times BLOCK: shared buffers at once */

typedef struct place {
  _Atomic uint32_t lock;
  uint32_t next; /* of those that are free */
  uint64_t key;  /* of its share, random; never two alike. 0: nothing is here */
  pvt_buffer *buffer;
  uint8_t dtype; /* when it was shared */
} place;

typedef struct handle {
  uint64_t process; /* random, this process's */
  uint64_t key;
  uint32_t place;
  uint8_t dtype;
  uint8_t ndim;
  uint8_t zero[2];
  int64_t offset; /* of the first element, from the buffer's first byte */
  pvt_dim dim[];
} handle;

_Static_assert(sizeof(handle) + PVT_MAX_DIMS * sizeof(pvt_dim) == PVT_HANDLE_MAX,
               "the longest handle");

static _Atomic(place *) blocks[BLOCKS];
static struct {
  pthread_mutex_t lock;
  uint32_t used; /* places that ever were */
  uint32_t free; /* a list; 0: none */
  uint64_t keys[32];
  uint32_t keys_left;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};
static _Atomic uint64_t process; /* 0: nothing was ever shared */
static _Atomic uint32_t count;
static _Atomic size_t bytes, limit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- Places ------------------------------------------------------------- */

/* Numbers count from 1. */
static place *place_at(uint32_t number) {
  place *block = atomic_load_explicit(&blocks[(number - 1) / BLOCK], memory_order_acquire);
  return block != NULL ? &block[(number - 1) % BLOCK] : NULL;
}

static void enter(place *at) {
  while (atomic_exchange_explicit(&at->lock, 1, memory_order_acquire) != 0) sched_yield();
}

static void leave(place *at) {
  atomic_store_explicit(&at->lock, 0, memory_order_release);
}

static int fill(void *to, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t got = getrandom((char *)to + done, size - done, 0);
    if (got < 0) return 0;
    done += (size_t)got;
  }
  return 1;
}

static void before_fork(void) {
  pthread_mutex_lock(&table.lock);
}

static void after_fork(void) {
  pthread_mutex_unlock(&table.lock);
}

/* What the parent sends is not this process's to open: it shares no memory with it any more. */
static void in_child(void) {
  for (uint32_t i = 1; i <= table.used; i++) atomic_store(&place_at(i)->lock, 0);
  uint64_t number;
  atomic_store(&process, fill(&number, sizeof number) ? number | 1 : 0);
  table.keys_left = 0;
  pthread_mutex_unlock(&table.lock);
}

static void begin(void) {
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGE_SIZE);
  size_t half = pages > 0 && size > 0 ? (size_t)pages / 2 * (size_t)size : (size_t)1 << 30;
  size_t unset = 0;
  atomic_compare_exchange_strong(&limit, &unset, half);
  uint64_t number = 0;
  if (pthread_atfork(before_fork, after_fork, in_child) == 0 && fill(&number, sizeof number))
    atomic_store(&process, number | 1);
}

/* Under the table's lock. 0 if random numbers cannot be had. */
static uint64_t new_key(void) {
  for (;;) {
    if (table.keys_left == 0) {
      if (!fill(table.keys, sizeof table.keys)) return 0;
      table.keys_left = sizeof table.keys / sizeof *table.keys;
    }
    uint64_t key = table.keys[--table.keys_left];
    if (key != 0) return key;
  }
}

/* Under the table's lock. 0: all are in use, or there is no memory. */
static uint32_t take_place(void) {
  if (table.free != 0) {
    uint32_t number = table.free;
    table.free = place_at(number)->next;
    return number;
  }
  if (table.used == BLOCK * BLOCKS) return 0;
  if (table.used % BLOCK == 0) {
    place *block = calloc(BLOCK, sizeof *block);
    if (block == NULL) return 0;
    atomic_store_explicit(&blocks[table.used / BLOCK], block, memory_order_release);
  }
  return ++table.used;
}

static void give_back(uint32_t number) {
  place_at(number)->next = table.free;
  table.free = number;
}

void pvt_shared_forget(uint32_t number, size_t block) {
  place *at = place_at(number);
  enter(at);
  at->key = 0;
  at->buffer = NULL;
  leave(at);
  pthread_mutex_lock(&table.lock);
  give_back(number);
  pthread_mutex_unlock(&table.lock);
  atomic_fetch_sub_explicit(&bytes, block, memory_order_relaxed);
  atomic_fetch_sub_explicit(&count, 1, memory_order_relaxed);
}

/* ---- Sharing ------------------------------------------------------------ */

int pvt_share(pvt_array *array) {
  pvt_buffer *buffer = array->buffer;
  if (pvt_buffer_is_shared(buffer)) {
    array->writable = false;
    return PVT_OK;
  }
  if (buffer == NULL || pvt_buffer_block(buffer) == 0)
    return pvt_fail(PVT_E_VALUE, "memory that the engine did not allocate cannot be shared");
  if (pvt_buffer_references(buffer) != 1)
    return pvt_fail(PVT_E_VALUE, "an array whose memory others refer to cannot be shared");
  pthread_once(&once, begin);
  if (atomic_load(&process) == 0)
    return pvt_fail(PVT_E_NOMEM, "no random number can be had for a share");
  size_t block = pvt_buffer_block(buffer), most = atomic_load(&limit);
  if (atomic_fetch_add(&bytes, block) + block > most) {
    atomic_fetch_sub(&bytes, block);
    return pvt_fail(PVT_E_NOMEM,
                    "all shared arrays together may have %zu bytes: some must go first", most);
  }
  pthread_mutex_lock(&table.lock);
  uint64_t key = new_key();
  uint32_t number = key != 0 ? take_place() : 0;
  pthread_mutex_unlock(&table.lock);
  if (number == 0) {
    atomic_fetch_sub(&bytes, block);
    return pvt_fail(PVT_E_NOMEM, "%u arrays are shared, as many as can be: some must go first",
                    BLOCK * BLOCKS);
  }
  atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
  array->writable = false;
  place *at = place_at(number);
  enter(at);
  at->key = key;
  at->buffer = buffer;
  at->dtype = array->dtype;
  leave(at);
  pvt_buffer_set_place(buffer, number); /* the caller's reference is the only one */
  return PVT_OK;
}

pvt_shared pvt_shared_now(void) {
  pthread_once(&once, begin);
  return (pvt_shared){atomic_load(&count), atomic_load(&bytes), atomic_load(&limit)};
}

bool pvt_shared_any(void) {
  return atomic_load_explicit(&count, memory_order_relaxed) != 0;
}

void pvt_shared_set_limit(size_t most) {
  pthread_once(&once, begin);
  atomic_store(&limit, most);
}

/* ---- Handles ------------------------------------------------------------ */

size_t pvt_handle_size(const pvt_array *array) {
  return sizeof(handle) + array->ndim * sizeof(pvt_dim);
}

void pvt_handle_write(const pvt_array *array, void *to) {
  uint32_t number = pvt_buffer_place(array->buffer);
  handle made = {.process = atomic_load(&process),
                 .key = place_at(number)->key, /* as long as the buffer lives */
                 .place = number,
                 .dtype = array->dtype,
                 .ndim = array->ndim,
                 .offset = array->data - (char *)pvt_buffer_data(array->buffer)};
  memcpy(to, &made, sizeof made);
  memcpy((char *)to + sizeof made, array->dim, array->ndim * sizeof(pvt_dim));
}

static bool is_own(const handle *head) {
  uint64_t own = atomic_load_explicit(&process, memory_order_acquire);
  return own != 0 && head->process == own;
}

/* A reference to the buffer; NULL. *dtype: what it was shared as. */
static pvt_buffer *find(const handle *head, uint8_t *dtype) {
  if (!is_own(head) || head->key == 0) return NULL;
  if (head->place == 0 || head->place > BLOCK * BLOCKS) return NULL;
  place *at = place_at(head->place);
  if (at == NULL) return NULL;
  enter(at);
  pvt_buffer *found = at->key == head->key ? at->buffer : NULL;
  if (found != NULL && !pvt_buffer_retain_living(found)) found = NULL;
  *dtype = at->dtype;
  leave(at);
  return found;
}

/* Whether all elements lie within the buffer. */
static bool is_within(const pvt_array *array, int64_t offset, size_t size) {
  int64_t first = offset, last, stretch = (int64_t)pvt_itemsize((pvt_dtype)array->dtype);
  bool is_empty = false;
  if (__builtin_add_overflow(offset, stretch, &last)) return false;
  for (int i = 0; i < array->ndim; i++) {
    int64_t n = array->dim[i].size, way;
    if (n < 0 || __builtin_mul_overflow(stretch, n == 0 ? 1 : n, &stretch)) return false;
    if (n == 0) is_empty = true;
    else if (__builtin_mul_overflow(array->dim[i].stride, n - 1, &way) ||
             __builtin_add_overflow(*(way < 0 ? &first : &last), way, way < 0 ? &first : &last))
      return false;
  }
  if (is_empty) return offset >= 0 && (uint64_t)offset <= size;
  return first >= 0 && (uint64_t)last <= size;
}

static bool read_head(handle *head, const void *from, size_t size) {
  if (size < sizeof *head) return false;
  memcpy(head, from, sizeof *head);
  return head->ndim <= PVT_MAX_DIMS && head->dtype < PVT_DTYPES && head->zero[0] == 0 &&
         head->zero[1] == 0 && size == sizeof *head + head->ndim * sizeof(pvt_dim);
}

int pvt_handle_open(pvt_array *array, const void *from, size_t size) {
  handle head;
  uint8_t dtype;
  if (!read_head(&head, from, size)) return pvt_fail(PVT_E_VALUE, "a shared array is damaged");
  if (!is_own(&head))
    return pvt_fail(PVT_E_VALUE,
                    "a shared array of another process cannot be read here: send its elements");
  pvt_buffer *buffer = find(&head, &dtype);
  if (buffer == NULL)
    return pvt_fail(PVT_E_VALUE, "a shared array is gone: who sends it must keep it, or the "
                                 "message that it is in, until it was received");
  *array = (pvt_array){.buffer = buffer, .dtype = head.dtype, .ndim = head.ndim};
  memcpy(array->dim, (const char *)from + sizeof head, head.ndim * sizeof(pvt_dim));
  /* Bytes that were not bools may be no bools. */
  if (!is_within(array, head.offset, pvt_buffer_size(buffer)) ||
      (head.dtype == PVT_BOOL && dtype != PVT_BOOL)) {
    pvt_buffer_release(buffer);
    return pvt_fail(PVT_E_VALUE, "a shared array is damaged");
  }
  array->data = (char *)pvt_buffer_data(buffer) + head.offset;
  return PVT_OK;
}

pvt_buffer *pvt_handle_hold(const void *from, size_t size) {
  handle head;
  uint8_t dtype;
  return read_head(&head, from, size) ? find(&head, &dtype) : NULL;
}

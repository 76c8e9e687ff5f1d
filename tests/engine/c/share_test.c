/* share_test.c - THREADS threads on buffers that they share, for the sanitizers.
**
** Each has a context with an account of its own. They make arrays, share them, hand their handles
** to others through slots, open what others have put there, compute with it, take views, give
** back, and end their accounts while others hold what these paid for. Accounts refuse at random,
** and a thread that only does this asks the others to stop in the middle of kernels. In the end
** nothing may be left: no byte in an account, no shared buffer.
**
** Array i is filled with one number, so that whoever opens a handle knows what must be there. A
** handle may be stale, but only after its array's last holder went.
**
**     share_test ROUNDS [SEED]
*/
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor.h"

#define THREADS 8
#define SLOTS 32

static long rounds;
static uint64_t seed;

static _Noreturn void fail(const char *what, int line) {
  fprintf(stderr, "line %d: not so: %s: %s (seed %llu)\n", line, what, pvt_error(),
          (unsigned long long)seed);
  exit(1);
}

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) fail(#condition, __LINE__);                                                  \
  } while (0)

static uint64_t next(uint64_t *random) {
  *random ^= *random << 13;
  *random ^= *random >> 7;
  return *random ^= *random << 17;
}

/* What a message would be: a handle's bytes, and a reference, which may be missing. */
typedef struct slot {
  pthread_mutex_t lock;
  pvt_buffer *held;
  size_t size;
  unsigned char handle[PVT_HANDLE_MAX];
  double number;
} slot;

static slot slots[SLOTS];

typedef struct thread {
  pthread_t id;
  uint64_t random;
  _Atomic uint32_t attention;
  _Atomic int refusing; /* one in so many requests; 0: none */
  pvt_account *account;
  pvt_context context;
  unsigned long opened, stale, stopped, refused;
} thread;

static thread threads[THREADS];
static _Atomic int running;

static int admit(void *arg, size_t bytes) {
  thread *t = arg;
  int often = atomic_load_explicit(&t->refusing, memory_order_relaxed);
  (void)bytes;
  return often == 0 || next(&t->random) % (uint64_t)often != 0;
}

/* Some stop, some only look up. */
static int attend(void *arg) {
  thread *t = arg;
  return (atomic_exchange(&t->attention, 0) & 2) != 0;
}

static void open_account(thread *t) {
  t->account = pvt_account_new(admit, t);
  CHECK(t->account != NULL);
  t->context = (pvt_context){t->account, &t->attention, attend, t};
  pvt_context_set(&t->context);
}

/* What is refused or stopped is told; anything else is a fault. */
static bool worked(thread *t, int status) {
  t->refused += status == PVT_E_QUOTA;
  t->stopped += status == PVT_E_CANCELLED;
  CHECK(status == PVT_OK || status == PVT_E_QUOTA || status == PVT_E_CANCELLED);
  return status == PVT_OK;
}

/* One number everywhere; small, large, and beyond what is kept. */
static bool make(thread *t, pvt_array *array, double number) {
  static const int64_t sizes[] = {1, 7, 100, 1000, 9000, 20000, 70000};
  int64_t n = sizes[next(&t->random) % 7], shape[2] = {n, 1 + (int64_t)(next(&t->random) % 3)};
  if (!worked(t, pvt_array_new(array, PVT_FLOAT64, 2, shape))) return false;
  if (worked(t, pvt_fill(array, &number))) return true;
  pvt_array_release(array);
  return false;
}

static void put(thread *t) {
  double number = (double)(next(&t->random) % 1000);
  pvt_array array;
  if (!make(t, &array, number)) return;
  CHECK(pvt_share(&array) == PVT_OK && !array.writable && pvt_buffer_is_shared(array.buffer));
  pvt_array view;
  pvt_array_view(&view, &array);
  if (next(&t->random) & 1) {
    int64_t count = view.dim[0].size / 2 + 1;
    CHECK(pvt_view_slice(&view, 0, view.dim[0].size - 1, count, -1) == PVT_OK);
  }
  slot *s = &slots[next(&t->random) % SLOTS];
  pthread_mutex_lock(&s->lock);
  pvt_buffer *before = s->held;
  s->size = pvt_handle_size(&view);
  pvt_handle_write(&view, s->handle);
  s->held = next(&t->random) % 4 != 0 ? pvt_buffer_retain(view.buffer) : NULL;
  s->number = number;
  pthread_mutex_unlock(&s->lock);
  pvt_buffer_release(before);
  pvt_array_release(&view);
  pvt_array_release(&array);
}

/* Open what lies in a slot, and compute with it, after the slot may have changed. */
static void get(thread *t) {
  slot *s = &slots[next(&t->random) % SLOTS];
  unsigned char handle[PVT_HANDLE_MAX];
  pthread_mutex_lock(&s->lock);
  size_t size = s->size;
  memcpy(handle, s->handle, size);
  double number = s->number;
  bool is_held = s->held != NULL;
  pvt_array array;
  int status = PVT_E_VALUE;
  bool at_once = (next(&t->random) & 1) != 0;
  if (size != 0 && at_once) status = pvt_handle_open(&array, handle, size);
  pthread_mutex_unlock(&s->lock);
  if (size == 0) return;
  CHECK(!at_once || !is_held || status == PVT_OK);
  if (!at_once) status = pvt_handle_open(&array, handle, size);
  CHECK(status == PVT_OK || status == PVT_E_VALUE);
  if (status != PVT_OK) {
    t->stale++;
    return;
  }
  t->opened++;
  CHECK(!array.writable);
  for (int64_t i = 0; i < array.dim[0].size; i += 1 + array.dim[0].size / 5)
    CHECK(*(const double *)(array.data + i * array.dim[0].stride) == number);
  int64_t shape[2] = {array.dim[0].size, array.dim[1].size};
  pvt_array sum;
  if (worked(t, pvt_array_new(&sum, PVT_FLOAT64, 2, shape))) {
    if (worked(t, pvt_binary(PVT_ADD, &array, &array, &sum)))
      CHECK(*(double *)sum.data == number + number);
    pvt_array_release(&sum);
  }
  pvt_array_release(&array);
}

/* Bits of a handle, or of none: whatever opens lies within a buffer. */
static void forge(thread *t) {
  slot *s = &slots[next(&t->random) % SLOTS];
  unsigned char handle[PVT_HANDLE_MAX];
  pthread_mutex_lock(&s->lock);
  size_t size = s->size;
  memcpy(handle, s->handle, sizeof handle);
  pthread_mutex_unlock(&s->lock);
  if (size == 0) size = 64;
  for (uint64_t n = 1 + next(&t->random) % 3; n > 0; n--)
    handle[next(&t->random) % size] = (unsigned char)(next(&t->random) >> 9);
  if (next(&t->random) % 4 == 0) size = next(&t->random) % (size + 1);
  pvt_array array;
  if (pvt_handle_open(&array, handle, size) != PVT_OK) return;
  const char *first = pvt_buffer_data(array.buffer), *last = first + pvt_buffer_size(array.buffer);
  volatile char seen = 0;
  if (pvt_array_count(&array) > 0) {
    CHECK(array.data >= first && array.data + pvt_itemsize((pvt_dtype)array.dtype) <= last);
    for (int i = 0; i < array.ndim; i++) {
      const char *end = array.data + (array.dim[i].size - 1) * array.dim[i].stride;
      CHECK(end >= first && end < last);
      seen = (char)(seen + *end);
    }
  }
  pvt_array_release(&array);
}

/* Buffers of all sizes, freed by others than who made them. */
static void churn(thread *t) {
  pvt_buffer *mine[6];
  int count = 0;
  for (int i = 0; i < 6; i++) {
    pvt_buffer *buffer = pvt_buffer_new((size_t)(next(&t->random) % (1u << next(&t->random) % 21)));
    if (buffer == NULL) t->refused += pvt_error_status() == PVT_E_QUOTA;
    else mine[count++] = buffer;
  }
  for (int i = 0; i < count; i++) {
    if (pvt_buffer_size(mine[i]) > 0) *(char *)pvt_buffer_data(mine[i]) = (char)i;
    slot *s = &slots[next(&t->random) % SLOTS];
    pthread_mutex_lock(&s->lock);
    pvt_buffer *before = s->held;
    s->held = mine[i];
    s->size = 0;
    pthread_mutex_unlock(&s->lock);
    pvt_buffer_release(before);
  }
}

static void *work(void *arg) {
  thread *t = arg;
  open_account(t);
  for (long i = 0; i < rounds * 100; i++) {
    switch (next(&t->random) % 8) {
    case 0:
    case 1: put(t); break;
    case 2:
    case 3:
    case 4: get(t); break;
    case 5: forge(t); break;
    case 6: churn(t); break;
    default:
      atomic_store(&t->refusing, next(&t->random) % 4 == 0 ? 1 + (int)(next(&t->random) % 4) : 0);
      if (next(&t->random) % 16 == 0) { /* as a VM does that ends: others hold what it paid for */
        pvt_context_set(NULL);
        pvt_account_close(t->account);
        open_account(t);
      }
    }
  }
  pvt_context_set(NULL);
  atomic_fetch_sub(&running, 1);
  return NULL;
}

static void *disturb(void *unused) {
  uint64_t random = seed * 2654435761u + 1;
  (void)unused;
  while (atomic_load(&running) > 0) {
    thread *t = &threads[next(&random) % THREADS];
    atomic_fetch_or(&t->attention, 1 + (uint32_t)(next(&random) & 1));
    for (volatile int i = 0; i < 2000; i++) continue;
  }
  return NULL;
}

int main(int argc, char **argv) {
  rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 10;
  seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  for (int i = 0; i < SLOTS; i++) pthread_mutex_init(&slots[i].lock, NULL);
  atomic_store(&running, THREADS);
  pthread_t disturber;
  for (int i = 0; i < THREADS; i++) {
    threads[i].random = (seed + 1) * 0x9E3779B97F4A7C15u + (uint64_t)i * 0xD1B54A32D192ED03u;
    CHECK(pthread_create(&threads[i].id, NULL, work, &threads[i]) == 0);
  }
  CHECK(pthread_create(&disturber, NULL, disturb, NULL) == 0);
  unsigned long opened = 0, stale = 0, stopped = 0, refused = 0;
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i].id, NULL);
    opened += threads[i].opened, stale += threads[i].stale;
    stopped += threads[i].stopped, refused += threads[i].refused;
  }
  pthread_join(disturber, NULL);
  for (int i = 0; i < SLOTS; i++) pvt_buffer_release(slots[i].held);
  for (int i = 0; i < THREADS; i++) {
    CHECK(pvt_account_bytes(threads[i].account) == 0);
    pvt_account_close(threads[i].account);
  }
  CHECK(pvt_shared_now().count == 0 && pvt_shared_now().bytes == 0 && !pvt_shared_any());
  CHECK(opened > 0 && stale > 0 && refused > 0);
  printf("share_test: %lu opened, %lu stale, %lu stopped, %lu refused\n", opened, stale, stopped,
         refused);
  return 0;
}

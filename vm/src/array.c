/* array.c - see array.h. */
#include "array.h"

#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "executor.h"
#include "packed.h"
#include "runtime.h"

enum { OPEN, ASLEEP /* open, and somebody sleeps */, DONE, DROPPED /* open, without a handle */ };

/* ---- Life --------------------------------------------------------------- */

static size_t aligned(size_t bytes) {
  return (bytes + 63) & ~(size_t)63; /* no two on one cache line: other threads run the next */
}

pvm_array *pvm_array_new(const unsigned char *first, const unsigned char *end, uint32_t count,
                         int *status) {
  size_t head = aligned(sizeof(pvm_array) + count * sizeof(pvm_invocation *)), bytes = head;
  const unsigned char *at = first;
  *status = PVM_E_DECODE;
  for (uint32_t i = 0; i < count; i++) {
    const unsigned char *next = pvm_packed_skip(at, end);
    if (next == NULL) return NULL;
    bytes += aligned(sizeof(pvm_invocation) + (size_t)(next - at));
    at = next;
  }
  if (at != end) return NULL;
  *status = PVM_E_NOMEM;
  pvm_array *array = NULL;
  if (posix_memalign((void **)&array, 64, bytes) != 0) return NULL;
  memset(array, 0, sizeof *array);
  array->count = count;
  atomic_init(&array->unfinished, count + 1);
  atomic_init(&array->references, count + 1);
  unsigned char *place = (unsigned char *)array + head;
  at = first;
  for (uint32_t i = 0; i < count; i++) {
    const unsigned char *next = pvm_packed_skip(at, end);
    pvm_invocation *invocation = (pvm_invocation *)(void *)place;
    memset(invocation, 0, sizeof *invocation);
    invocation->array = array;
    invocation->len = (size_t)(next - at);
    invocation->payload = invocation->copied;
    memcpy(invocation->payload, at, invocation->len);
    atomic_init(&invocation->references, 1);
    array->items[i] = invocation;
    place += aligned(sizeof *invocation + invocation->len);
    at = next;
  }
  *status = PVM_OK;
  return array;
}

void pvm_array_release(pvm_array *array) {
  if (atomic_fetch_sub_explicit(&array->references, 1, memory_order_acq_rel) == 1) free(array);
}

/* All have ended, and nobody has the handle any more. */
static void discard(pvm_array *array) {
  for (uint32_t i = 0; i < array->count; i++) {
    pvm_buffer_free(&array->items[i]->completion.data);
    pvm_invocation_release(array->items[i]);
  }
  pvm_array_release(array);
}

void pvm_array_note_end(pvm_array *array) {
  if (atomic_fetch_sub_explicit(&array->unfinished, 1, memory_order_acq_rel) != 1) return;
  pvm_executor_return_places(array->executor, array->lane, array->count);
  uint32_t before = atomic_exchange(&array->state, DONE);
  if (before == DROPPED) discard(array);
  /* whoever waits may have freed it by now; waking an address that has gone is harmless */
  if (before == ASLEEP)
    syscall(SYS_futex, &array->state, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* ---- The public functions ----------------------------------------------- */

int pvm_array_wait(pvm_array *array, uint32_t timeout_ms) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (array == NULL) return PVM_E_INVALID;
  uint64_t deadline = pvm_now() + (uint64_t)timeout_ms * 1000000u, now;
  while (atomic_load_explicit(&array->state, memory_order_acquire) != DONE) {
    if ((now = pvm_now()) >= deadline) return 0;
    uint32_t open = OPEN;
    atomic_compare_exchange_strong(&array->state, &open, ASLEEP);
    struct timespec left = {(time_t)((deadline - now) / 1000000000u),
                            (long)((deadline - now) % 1000000000u)};
    syscall(SYS_futex, &array->state, FUTEX_WAIT_PRIVATE, ASLEEP, &left, NULL, 0);
  }
  return 1;
}

static size_t results_size(const pvm_array *array) {
  size_t len = PVM_PACKED_HEAD;
  for (uint32_t i = 0; i < array->count; i++) len += array->items[i]->completion.data.len;
  return len;
}

int pvm_array_take(pvm_array *array, pvm_batch *batch) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (array == NULL || batch == NULL) return PVM_E_INVALID;
  if (atomic_load_explicit(&array->state, memory_order_acquire) != DONE || array->taken)
    return PVM_E_STATE;
  *batch = (pvm_batch){0};
  batch->records = malloc((array->count ? array->count : 1) * sizeof *batch->records);
  batch->data = malloc(results_size(array));
  if (batch->records == NULL || batch->data == NULL) {
    pvm_batch_free(batch);
    return PVM_E_NOMEM;
  }
  array->taken = 1;
  batch->count = array->count;
  pvm_packed_head(batch->data, array->count);
  size_t end = PVM_PACKED_HEAD;
  int not_done = 0;
  for (uint32_t i = 0; i < array->count; i++) {
    pvm_completion *completion = &array->items[i]->completion;
    if (completion->data.len != 0)
      memcpy(batch->data + end, completion->data.data, completion->data.len);
    end += completion->data.len;
    not_done += completion->outcome != PVM_DONE;
    pvm_record_write(&batch->records[i], completion, end);
    pvm_held_append(&batch->held, completion->data.held);
    completion->data.held = NULL;
    pvm_buffer_free(&completion->data);
  }
  return not_done;
}

void pvm_array_free(pvm_array *array) {
  if (array == NULL || pvm_runtime_forked()) return;
  if (atomic_exchange(&array->state, DROPPED) == DONE) discard(array);
}

/* firing.c - see firing.h. */
#include "firing.h"

#include <stdlib.h>
#include <string.h>

int pvm_firing_reserve(pvm_firing *f, size_t most) {
  if (most <= f->payload_capacity) return 1;
  unsigned char *more = realloc(f->payload, most);
  if (more == NULL) return 0;
  f->payload = more;
  f->payload_capacity = most;
  return 1;
}

void pvm_firing_free(pvm_firing *f) {
  free(f->payload);
}

static void *reserve(void *block, size_t *capacity, size_t wanted, size_t size) {
  if (wanted <= *capacity) return block;
  size_t more = *capacity * 2 > wanted ? *capacity * 2 : wanted;
  void *grown = realloc(block, more * size);
  if (grown != NULL) *capacity = more;
  return grown;
}

/* Tell the caller, with the payload if it was not accepted. Without memory it is only counted. */
static void tell(pvm_firing *f, const pvm_starter *starter, int status, uint64_t id, size_t len) {
  pvm_fired_batch *batch = f->batch;
  if (batch == NULL) return;
  /* who keeps it until there is room keeps the elements */
  pvm_buffer elements = {NULL, 0, NULL};
  const void *payload = f->payload;
  if (status != PVM_OK && len != 0 && pvm_expand(payload, len, &elements) == 1) {
    payload = elements.data;
    len = elements.len;
  }
  size_t kept = status == PVM_OK ? 0 : len;
  pvm_fired *fired = reserve(batch->fired, &f->fired_capacity, batch->count + 1u, sizeof *fired);
  if (fired != NULL) batch->fired = fired;
  unsigned char *data = reserve(batch->data, &f->data_capacity, f->data_len + kept, 1);
  if (data != NULL) batch->data = data;
  if (fired == NULL || (data == NULL && kept != 0)) {
    batch->lost++;
    pvm_buffer_free(&elements);
    return;
  }
  if (kept != 0) memcpy(data + f->data_len, payload, kept);
  pvm_buffer_free(&elements);
  f->data_len += kept;
  fired[batch->count++] = (pvm_fired){.trigger = starter->trigger,
                                      .flow = starter->flow,
                                      .task = starter->task,
                                      .tag = f->tag,
                                      .id = id,
                                      .end = f->data_len,
                                      .status = status,
                                      .depth = f->tasks};
}

int pvm_firing_start(pvm_firing *f, const pvm_starter *starter, int mode, size_t len) {
  int64_t id = PVM_E_NOMEM;
  if (len != 0)
    id = mode == PVM_TRIGGER_HAND_OUT || f->appended || f->tasks != 0
             ? 0
             : pvm_submit(f->executor, starter->task, f->tag, f->payload, len, NULL);
  int status = id < 0 ? (int)id : id > 0 ? PVM_OK : PVM_TRIGGER_HANDED_OUT;
  tell(f, starter, status, id > 0 ? (uint64_t)id : 0, len);
  return status;
}

void pvm_start_counts_add(pvm_start_counts *counts, int status) {
  _Atomic uint64_t *counter = status == PVM_OK                   ? &counts->accepted
                              : status == PVM_TRIGGER_HANDED_OUT ? &counts->handed_out
                              : status == PVM_E_FULL             ? &counts->full
                              : status == PVM_E_RATE             ? &counts->rate
                              : status == PVM_E_BREAKER          ? &counts->breaker
                                                                 : &counts->other;
  atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

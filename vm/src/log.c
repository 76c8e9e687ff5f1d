/* log.c - see log.h. */
#include "log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "park.h"
#include "ring.h"
#include "runtime.h"

#define RECORDS 16384 /* kept for the host; more than a second of heavy printing */

static pvm_ring records;
static pvm_park collector;
static _Atomic uint64_t dropped;
static _Atomic int ready;

int pvm_log_init(void) {
  if (pvm_ring_init(&records, RECORDS) < 0) return PVM_E_NOMEM;
  atomic_store(&ready, 1);
  return PVM_OK;
}

static int copy(pvm_buffer *to, const char *from, size_t len) {
  if (len > PVM_LOG_TEXT_MAX) {
    len = PVM_LOG_TEXT_MAX;
    while (len > 0 && ((unsigned char)from[len] & 0xc0) == 0x80) len--; /* whole characters */
  }
  to->len = len;
  to->data = NULL;
  if (len == 0) return 0;
  to->data = malloc(len);
  if (to->data == NULL) return -1;
  memcpy(to->data, from, len);
  return 0;
}

void pvm_log_put(pvm_log_source source, int level, const char *task, const char *logger,
                 size_t logger_len, const char *text, size_t text_len) {
  pvm_log *record = calloc(1, sizeof *record);
  struct timespec now;
  if (record == NULL) goto drop;
  clock_gettime(CLOCK_REALTIME, &now);
  record->time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  record->source = source;
  record->level = level;
  strncpy(record->task, task, PVM_NAME_MAX);
  if (copy(&record->logger, logger, logger_len) < 0 || copy(&record->text, text, text_len) < 0 ||
      !pvm_ring_push(&records, record, 0, 0)) {
    free(record->logger.data);
    free(record->text.data);
    goto drop;
  }
  pvm_park_ring(&collector);
  return;
drop:
  free(record);
  atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
}

int pvm_logs_collect(pvm_log *logs, uint32_t max, uint32_t timeout_ms, uint64_t *lost) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (!atomic_load(&ready)) return PVM_E_STATE;
  if (logs == NULL || max == 0) return PVM_E_INVALID;
  uint64_t deadline = pvm_now() + (uint64_t)timeout_ms * 1000000u;
  uint32_t count = 0;
  for (;;) {
    pvm_log *record;
    while (count < max && (record = pvm_ring_pop(&records)) != NULL) {
      logs[count++] = *record;
      free(record);
    }
    uint64_t now = pvm_now();
    if (count > 0 || now >= deadline) break;
    uint32_t ticket = pvm_park_ticket(&collector);
    if (pvm_ring_count(&records) != 0) pvm_park_leave(&collector);
    else pvm_park_sleep(&collector, ticket, (int64_t)(deadline - now));
  }
  if (lost != NULL) *lost = atomic_exchange_explicit(&dropped, 0, memory_order_relaxed);
  return (int)count;
}

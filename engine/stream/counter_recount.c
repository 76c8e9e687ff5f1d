/* counter_recount.c - a counter goes on from what is kept of its stream. */
#include <string.h>

#include "counter.h"
#include "triggers.h"

typedef struct recounting {
  stream_triggers *triggers;
  stream_counter *counter;
  const stream_recount *how;
  stream_tally *due;
  int failed;
} recounting;

static int count_again(void *arg, const store_event *kept) {
  recounting *r = arg;
  stream_event event;
  uint64_t wall_ns = r->how->wall_ns;
  int status =
      stream_event_read(&r->triggers->mapping, kept->value.data, kept->value.len, wall_ns, &event);
  if (status <= STREAM_EVENT_NONE) return 0;
  event.way = 0;
  event.keys[0] = (stream_text){kept->key.data, kept->key.len}; /* as a flow may have made it */
  stream_text key = {"", 0};
  if (r->counter->keyed && r->counter->space < event.key_count) key = event.keys[r->counter->space];
  if (r->counter->keyed && kept->sequence <= r->how->last_of(r->how->arg, key)) return 0;
  int64_t since = (int64_t)wall_ns - kept->arrival_ns;
  uint64_t waited = since > 0 ? (uint64_t)since : 0, now_ns = r->how->now_ns;
  r->failed = stream_counter_count(&r->triggers->counters, r->counter, &event, kept->sequence,
                                   now_ns > waited ? now_ns - waited : 0, &r->due) < 0;
  return r->failed;
}

int stream_counter_recount(stream_triggers *triggers, stream_counter *counter,
                           const stream_recount *how, void *context) {
  recounting r = {.triggers = triggers, .counter = counter, .how = how};
  stream_text stream = {counter->stream, counter->stream_len};
  struct stream_counter_slot *slot = stream_counters_lock(&triggers->counters, stream);
  stream_counter_begin_at(counter, how->after);
  if (how->kept != NULL) store_read(how->kept, how->after + 1, UINT64_MAX, count_again, &r);
  pthread_mutex_unlock(&slot->lock);
  stream_counters_fire(&triggers->counters, r.due, &triggers->config, context);
  return r.failed ? STREAM_E_NOMEM : STREAM_OK;
}

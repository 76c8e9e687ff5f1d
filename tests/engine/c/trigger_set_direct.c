/* trigger_set_direct.c - a set of triggers whose batches are gathered; see trigger_set_direct.py. */
#include <stdio.h>

#include "../../../engine/stream/pack.h"
#include "flow_set_direct.h"
#include "gathered.h"
#include "intake.h"

typedef struct triggers_direct {
  stream_triggers *set;
  stream_intake *intake;
  direct *flows; /* that events go on to; NULL */
  gathered fired;
} triggers_direct;

/* A batch: [[user, mode, key, [event, ...]], ...] */
static void fire(void *context, const stream_match *matches, size_t count) {
  triggers_direct *d = context;
  size_t most = 5;
  for (size_t i = 0; i < count; i++) {
    most += 32 + matches[i].key.len;
    for (uint32_t k = 0; k < matches[i].count; k++) most += matches[i].events[k].len;
  }
  unsigned char *at = stream_put_array(gathered_begin(&d->fired, most), (uint32_t)count);
  for (size_t i = 0; i < count; i++) {
    at = stream_put_integer(stream_put_array(at, 4), (uintptr_t)matches[i].user, 0);
    at = stream_put_integer(at, (uint64_t)matches[i].mode, 0);
    at = stream_put_array(stream_put_string(at, matches[i].key), matches[i].count);
    for (uint32_t k = 0; k < matches[i].count; k++) at = stream_put_raw(at, matches[i].events[k]);
  }
  gathered_end(&d->fired, at);
}

static void go_on(void *context, const stream_taken *event) {
  triggers_direct *d = context;
  flow_event one = {event->stream, event->key, event->whole, event->time_ns};
  if (direct_take(d->flows, &one) < 0) abort();
}

void triggers_direct_free(triggers_direct *d) {
  stream_triggers_free(d->set);
  stream_intake_free(d->intake);
  pthread_mutex_destroy(&d->fired.lock);
  free(d->fired.data);
  free(d);
}

/* NULL with a sentence. declarations: of streams, as intake.h has them. */
triggers_direct *triggers_direct_new(uint64_t time_unit_ns, uint64_t ttl_ns, uint32_t max_keys,
                                     uint32_t shards, const char *declarations, size_t len,
                                     direct *flows, char *err) {
  triggers_direct *d = calloc(1, sizeof *d);
  stream_config config;
  stream_config_init(&config);
  config.key = "k";
  config.time = "time";
  config.time_unit_ns = time_unit_ns;
  config.ttl_ns = ttl_ns;
  config.max_keys = max_keys;
  config.shards = shards;
  config.fire = fire;
  config.taken = flows != NULL ? go_on : NULL;
  d->flows = flows;
  pthread_mutex_init(&d->fired.lock, NULL);
  d->intake = stream_intake_new(&config, declarations, len, err);
  config.intake = d->intake;
  if (d->intake != NULL) d->set = stream_triggers_new(&config, err);
  if (d->set != NULL) return d;
  triggers_direct_free(d);
  return NULL;
}

int triggers_direct_add(triggers_direct *d, const char *condition, size_t len, int mode,
                        uint64_t user, const stream_condition *replaces, stream_condition **out,
                        char *err) {
  return stream_triggers_add(d->set, condition, len, mode, (void *)(uintptr_t)user, replaces, out,
                             err);
}

void triggers_direct_remove(triggers_direct *d, stream_condition *condition) {
  stream_triggers_remove(d->set, condition);
}

void triggers_direct_set(triggers_direct *d, stream_condition *condition, int mode) {
  stream_triggers_set(d->set, condition, mode);
}

/* As stream_append. */
int triggers_direct_append(triggers_direct *d, const char *event, size_t len, uint64_t wall_ns,
                           uint64_t now_ns) {
  int store_status = STORE_OK;
  return stream_append(d->set, event, len, wall_ns, now_ns, d, &store_status);
}

/* What has fired so far, one behind the other; it is forgotten by triggers_direct_clear. */
const unsigned char *triggers_direct_data(triggers_direct *d, size_t *len) {
  *len = d->fired.len;
  return d->fired.data;
}

void triggers_direct_clear(triggers_direct *d) {
  d->fired.len = 0;
}

void triggers_direct_stats(triggers_direct *d, uint64_t *out) {
  stream_stats stats;
  stream_triggers_stats(d->set, &stats);
  uint64_t all[] = {stats.events,  stats.matched, stats.fired, stats.dropped,    stats.evicted,
                    stats.pending, stats.keys,    stats.bytes, stats.conditions, stats.nodes};
  memcpy(out, all, sizeof all);
}

/* Events that were passed over, and refused. */
void triggers_direct_intake(triggers_direct *d, uint64_t *out) {
  stream_intake_stats stats;
  stream_intake_stats_get(d->intake, NULL, &stats);
  out[0] = stats.duplicates;
  out[1] = stats.dead;
}

/* event_store.c - the stream store for hosts: opening, reading as MessagePack. */
#include "event_store.h"

#include <string.h>

#include "rows.h"

_Static_assert(PVM_STREAM_NAME_MAX == STORE_NAME_MAX, "one limit in two headers");
_Static_assert(PVM_ERR_MAX >= STORE_ERR_MAX, "its sentences fit");
_Static_assert((int)PVM_LEVEL_SYNCED == (int)STORE_SYNCED, "the same levels");

static store *of(pvm_store *handle) {
  return (store *)handle;
}

void pvm_store_config_init(pvm_store_config *config) {
  store_config defaults;
  store_config_init(&defaults);
  *config = (pvm_store_config){.segment_bytes = defaults.segment_bytes,
                               .level = (pvm_level)defaults.level};
}

int pvm_store_status(int status) {
  return status == STORE_OK          ? PVM_OK
         : status == STORE_E_NOMEM   ? PVM_E_NOMEM
         : status == STORE_E_INVALID ? PVM_E_INVALID
         : status == STORE_E_FORKED  ? PVM_E_FORKED
         : status == STORE_E_UNKNOWN ? PVM_E_UNKNOWN
                                     : PVM_E_STORE;
}

static store_sealing sealing_of(const pvm_sealing *given) {
  store_sealing sealing = {.xchacha_seal = (store_seal *)given->xchacha_seal,
                           .xchacha_unseal = (store_unseal *)given->xchacha_unseal,
                           .aes_seal = (store_seal *)given->aes_seal,
                           .aes_unseal = (store_unseal *)given->aes_unseal};
  memcpy(sealing.key, given->key, sizeof sealing.key);
  memcpy(sealing.key_id, given->key_id, sizeof sealing.key_id);
  return sealing;
}

static int can_seal(const pvm_sealing *given) {
  return given != NULL && given->xchacha_seal != NULL && given->xchacha_unseal != NULL &&
         (given->aes_seal == NULL) == (given->aes_unseal == NULL);
}

int pvm_store_open(const char *folder, const pvm_store_config *config, pvm_store **opened,
                   char *err) {
  if (folder == NULL || config == NULL || opened == NULL || err == NULL) return PVM_E_INVALID;
  store_config own;
  store_config_init(&own);
  own.folder = folder;
  own.segment_bytes = config->segment_bytes;
  own.retention = (store_retention){config->keep_bytes, config->keep_events, config->keep_ns};
  own.level = (store_level)config->level;
  if (config->sealing == NULL) return pvm_store_status(store_open(&own, (store **)opened, err));
  if (!can_seal(config->sealing)) return PVM_E_INVALID;
  store_sealing sealing = sealing_of(config->sealing);
  own.sealing = &sealing;
  int status = store_open(&own, (store **)opened, err);
  explicit_bzero(&sealing, sizeof sealing);
  return pvm_store_status(status);
}

int pvm_store_rekey(const char *folder, const pvm_sealing *old, const pvm_sealing *newer,
                    uint64_t *segments, char *err) {
  if (folder == NULL || !can_seal(old) || !can_seal(newer) || segments == NULL || err == NULL)
    return PVM_E_INVALID;
  store_sealing from = sealing_of(old), to = sealing_of(newer);
  int status = store_rekey(folder, &from, &to, segments, err);
  explicit_bzero(&from, sizeof from);
  explicit_bzero(&to, sizeof to);
  return pvm_store_status(status);
}

int pvm_store_seal(const char *folder, const char *stream, const pvm_sealing *sealing,
                   uint64_t *events, char *err) {
  if (folder == NULL || stream == NULL || !can_seal(sealing) || events == NULL || err == NULL)
    return PVM_E_INVALID;
  store_sealing own = sealing_of(sealing);
  int status = store_seal_stream(folder, stream, &own, events, err);
  explicit_bzero(&own, sizeof own);
  return pvm_store_status(status);
}

int pvm_store_declare(pvm_store *handle, const char *name, int level, int sealed, char *err) {
  if (handle == NULL || name == NULL || err == NULL) return PVM_E_INVALID;
  store_stream *stream;
  store_rules rules = {(store_level)level, sealed != 0};
  return pvm_store_status(store_stream_declare(of(handle), name, &rules, &stream, err));
}

void pvm_store_close(pvm_store *handle) {
  store_close(of(handle));
}

int pvm_store_sync(pvm_store *handle) {
  store_stream *stream;
  for (uint32_t i = 0; (stream = store_stream_at(of(handle), i)) != NULL; i++) {
    if (store_stream_level(stream) == STORE_MEMORY) continue;
    store_stats stats;
    store_stream_stats(stream, &stats);
    int status = store_sync(stream, stats.next - 1);
    if (status != STORE_OK) return pvm_store_status(status);
  }
  return PVM_OK;
}

int pvm_store_retain(pvm_store *handle, const char *name, uint64_t keep_bytes, uint64_t keep_events,
                     uint64_t keep_ns) {
  if (handle == NULL || name == NULL) return PVM_E_INVALID;
  store_stream *stream;
  char err[STORE_ERR_MAX];
  int status = store_stream_open(of(handle), name, &stream, err);
  if (status != STORE_OK) return pvm_store_status(status);
  store_stream_retain(stream, &(store_retention){keep_bytes, keep_events, keep_ns});
  return PVM_OK;
}

int pvm_stream_stats_get(pvm_store *handle, uint32_t i, pvm_stream_stats *stats) {
  store_stream *stream = store_stream_at(of(handle), i);
  if (stream == NULL) return PVM_E_UNKNOWN;
  store_stats seen;
  store_stream_stats(stream, &seen);
  *stats = (pvm_stream_stats){.first = seen.first,
                              .next = seen.next,
                              .synced = seen.synced,
                              .bytes = seen.bytes,
                              .segments = seen.segments,
                              .keys = seen.keys,
                              .dropped = seen.dropped,
                              .damaged = seen.damaged,
                              .aside = seen.aside,
                              .cleared = seen.cleared,
                              .level = store_stream_level(stream),
                              .sealed = store_stream_is_sealed(stream)};
  memcpy(stats->name, store_stream_name(stream), strlen(store_stream_name(stream)) + 1);
  return PVM_OK;
}

/* ---- Reading ------------------------------------------------------------ */

static int write_event(void *arg, const store_event *event) {
  pvm_rows *rows = arg;
  unsigned char *at = pvm_rows_next(rows, 33 + event->key.len + event->value.len);
  if (at == NULL) return 1;
  at = stream_put_array(at, 5);
  at = stream_put(at, 0xcf, event->sequence, 8);
  at = stream_put(at, 0xd3, (uint64_t)event->time_ns, 8);
  at = stream_put(at, 0xd3, (uint64_t)event->arrival_ns, 8);
  at = stream_put(at, 0xc6, event->key.len, 4);
  at = stream_put_raw(at, (stream_text){event->key.data, event->key.len});
  at = stream_put_raw(at, (stream_text){event->value.data, event->value.len});
  pvm_rows_end(rows, at);
  return 0;
}

store_stream *pvm_store_find(pvm_store *handle, const char *name) {
  store_stream *stream;
  for (uint32_t i = 0; (stream = store_stream_at(of(handle), i)) != NULL; i++)
    if (strcmp(store_stream_name(stream), name) == 0) return stream;
  return NULL;
}

/* Events of a key, of which those in a span are to be visited. */
typedef struct spanning {
  const pvm_store_query *query;
  store_visit *visit;
  void *arg;
  uint64_t visited;
} spanning;

static int visit_in_span(void *arg, const store_event *event) {
  spanning *s = arg;
  if (event->time_ns < s->query->from_ns || event->time_ns >= s->query->until_ns) return 0;
  s->visited++;
  return s->visit(s->arg, event) != 0 || s->visited == s->query->most;
}

static int64_t read_key(store_stream *stream, const pvm_store_query *query, store_visit *visit,
                        void *arg) {
  store_bytes key = {query->key, query->key_len};
  if (query->until_ns == 0) return store_read_key(stream, key, query->most, visit, arg);
  spanning s = {.query = query, .visit = visit, .arg = arg};
  int64_t status = store_read_key(stream, key, UINT64_MAX, visit_in_span, &s);
  return status < 0 ? status : (int64_t)s.visited;
}

int64_t pvm_store_visit(pvm_store *handle, const pvm_store_query *query, store_visit *visit,
                        void *arg) {
  store_stream *stream = query->stream != NULL ? pvm_store_find(handle, query->stream) : NULL;
  if (stream == NULL) return PVM_E_UNKNOWN;
  int64_t visited;
  if (query->key != NULL) visited = read_key(stream, query, visit, arg);
  else if (query->until_ns != 0)
    visited = store_read_times(stream, query->from_ns, query->until_ns, query->sequence,
                               query->most, visit, arg);
  else visited = store_read(stream, query->sequence, query->most, visit, arg);
  return visited < 0 ? pvm_store_status((int)visited) : visited;
}

int pvm_store_read(pvm_store *handle, const pvm_store_query *query, pvm_buffer *events) {
  if (handle == NULL || query == NULL || events == NULL) return PVM_E_INVALID;
  pvm_rows rows;
  if (pvm_rows_begin(&rows) != PVM_OK) return PVM_E_NOMEM;
  rows.max_bytes = query->max_bytes;
  int64_t visited = pvm_store_visit(handle, query, write_event, &rows);
  if (visited >= 0) return pvm_rows_finish(&rows, events);
  pvm_rows_free(&rows);
  return (int)visited;
}

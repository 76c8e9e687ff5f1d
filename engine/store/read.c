/* read.c - events out: by number, by time, by key. */
#include <string.h>

#include "reader.h"

/* Where a walk over a segment's events is. */
typedef struct walk {
  store_visit *visit;
  void *arg;
  uint64_t left;
  int64_t visited;
  int64_t from_ns, until_ns;
  uint64_t sequence; /* events before it are not shown */
  int stopped;
  store_reader reader;
} walk;

/* What a reader returns at its end. */
static int64_t finish(walk *w, store_segments *list) {
  store_segments_release(list);
  store_reader_end(&w->reader);
  return w->reader.status == STORE_OK ? w->visited : w->reader.status;
}

static void show(walk *w, const store_record *record) {
  if (record->time_ns < w->from_ns || (record->time_ns >= w->until_ns && w->until_ns != INT64_MAX))
    return;
  if (record->sequence < w->sequence) return;
  store_event event = store_record_event(record);
  w->visited++;
  w->stopped = w->visit(w->arg, &event) != 0 || --w->left == 0;
}

/* Events from an offset up to another one (0: to the end). */
static void walk_from(walk *w, const store_segment *segment, uint32_t offset, uint32_t until) {
  const store_record *record;
  while (!w->stopped && (until == 0 || offset < until) &&
         (record = store_reader_at(&w->reader, segment, offset)) != NULL) {
    show(w, record);
    offset += store_padded(store_record_bytes(record));
  }
}

static int begin(store_stream *stream, uint64_t most, store_visit *visit) {
  if (stream->owner != store_process()) return STORE_E_FORKED;
  return visit != NULL && most != 0 ? STORE_OK : STORE_E_INVALID;
}

/* The sequence number behind its last event. */
static uint64_t ends_at(const store_segment *segment) {
  return segment->sequence + atomic_load_explicit(&segment->count, memory_order_acquire);
}

int64_t store_read(store_stream *stream, uint64_t sequence, uint64_t most, store_visit *visit,
                   void *arg) {
  int status = begin(stream, most, visit);
  if (status != STORE_OK) return status;
  store_segments *list = store_segments_hold(stream);
  walk w = {visit, arg, most, 0, INT64_MIN, INT64_MAX, 0, 0, {0}};
  for (uint32_t i = 0; i < list->count && !w.stopped && w.reader.status == STORE_OK; i++) {
    const store_segment *segment = list->segment[i];
    if (ends_at(segment) <= sequence) continue;
    uint32_t offset = sequence > segment->sequence ? store_reader_find(&w.reader, segment, sequence)
                                                   : STORE_SEGMENT_HEAD;
    walk_from(&w, segment, offset, 0);
  }
  return finish(&w, list);
}

/* Chunks whose events all come before the walk's first are passed over, and those whose times do not meet
** the range; of the last one they are not known. */
static void walk_times(walk *w, const store_segment *segment) {
  uint32_t chunks = atomic_load_explicit(&segment->chunk_count, memory_order_acquire);
  for (uint32_t i = 0; i < chunks && !w->stopped; i++) {
    const store_chunk *chunk = &segment->chunks[i];
    if (i + 1 < chunks && segment->sequence + (i + 1) * (uint64_t)STORE_CHUNK <= w->sequence)
      continue;
    if (i + 1 < chunks && (chunk->latest < w->from_ns || chunk->earliest >= w->until_ns)) continue;
    walk_from(w, segment, chunk->offset, i + 1 < chunks ? chunk[1].offset : 0);
  }
}

int64_t store_read_times(store_stream *stream, int64_t from_ns, int64_t until_ns, uint64_t sequence,
                         uint64_t most, store_visit *visit, void *arg) {
  int status = begin(stream, most, visit);
  if (status != STORE_OK) return status;
  store_segments *list = store_segments_hold(stream);
  walk w = {visit, arg, most, 0, from_ns, until_ns, sequence, 0, {0}};
  for (uint32_t i = 0; i < list->count && !w.stopped && w.reader.status == STORE_OK; i++)
    if (ends_at(list->segment[i]) > sequence) walk_times(&w, list->segment[i]);
  return finish(&w, list);
}

int64_t store_read_key(store_stream *stream, store_bytes key, uint64_t most, store_visit *visit,
                       void *arg) {
  int status = begin(stream, most, visit);
  if (status != STORE_OK) return status;
  uint64_t hash = store_key_hash(stream, key);
  pthread_mutex_lock(&stream->lock);
  store_segments *list = stream->segments;
  atomic_fetch_add_explicit(&list->references, 1, memory_order_relaxed);
  store_place place = store_latest_find(&stream->latest, hash, key, stream->is_key, list)->place;
  pthread_mutex_unlock(&stream->lock);
  walk w = {visit, arg, most, 0, INT64_MIN, INT64_MAX, 0, 0, {0}};
  const store_record *record;
  while (place != 0 && !w.stopped &&
         (record = store_reader_place(&w.reader, list, place)) != NULL) {
    place = record->before;
    if (store_record_is_of(record, key)) show(&w, record);
  }
  return finish(&w, list);
}

void store_stream_stats(store_stream *stream, store_stats *stats) {
  pthread_mutex_lock(&stream->lock);
  const store_segments *list = stream->segments;
  *stats = (store_stats){.next = stream->next,
                         .synced = atomic_load(&stream->synced),
                         .segments = list->count,
                         .keys = stream->latest.used,
                         .dropped = stream->dropped,
                         .damaged = stream->damaged,
                         .aside = stream->aside,
                         .cleared = stream->cleared};
  stats->first = list->count != 0 ? list->segment[0]->sequence : stream->next;
  for (uint32_t i = 0; i < list->count; i++)
    stats->bytes += atomic_load(&list->segment[i]->end) - STORE_SEGMENT_HEAD;
  pthread_mutex_unlock(&stream->lock);
}

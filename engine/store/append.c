/* append.c - events in: sequence numbers, segments, retention, syncing. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "sealed.h"
#include "stream.h"

/* Publish another list: without the first `gone`, with one more. The stream's lock is held. */
static int replace_segments(store_stream *stream, uint32_t gone, store_segment *added) {
  store_segments *old = stream->segments;
  uint32_t kept = old->count - gone;
  store_segments *list = malloc(sizeof *list + (kept + 1u) * sizeof list->segment[0]);
  if (list == NULL) return STORE_E_NOMEM;
  atomic_init(&list->references, 1);
  list->count = kept;
  for (uint32_t i = 0; i < kept; i++)
    list->segment[i] = store_segment_retain(old->segment[gone + i]);
  if (added != NULL) list->segment[list->count++] = added;
  stream->segments = list;
  store_segments_release(old);
  return STORE_OK;
}

/* How many of the oldest segments retention gives up, the last one never. */
static uint32_t outdated(const store_stream *stream, int64_t now_ns) {
  const store_segments *list = stream->segments;
  const store_retention *retention = &stream->retention;
  uint32_t gone = 0;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < list->count; i++) bytes += list->segment[i]->bytes;
  for (; gone + 1 < list->count; gone++) {
    const store_segment *oldest = list->segment[gone];
    int too_many = retention->bytes != 0 && bytes > retention->bytes;
    uint64_t left = stream->next - list->segment[gone + 1]->sequence;
    too_many |= retention->events != 0 && left >= retention->events;
    too_many |= retention->age_ns != 0 && oldest->newest_ns < now_ns &&
                (uint64_t)now_ns - (uint64_t)oldest->newest_ns > retention->age_ns;
    too_many |= list->segment[gone + 1]->sequence <= retention->below;
    if (!too_many) break;
    bytes -= oldest->bytes;
  }
  return gone;
}

static void drop_outdated(store_stream *stream, int64_t now_ns) {
  uint32_t gone = outdated(stream, now_ns);
  if (gone == 0) return;
  store_segments *old = stream->segments;
  atomic_fetch_add_explicit(&old->references, 1, memory_order_relaxed);
  if (replace_segments(stream, gone, NULL) == STORE_OK)
    for (uint32_t i = 0; i < gone; i++) {
      stream->dropped += atomic_load(&old->segment[i]->count);
      if (old->segment[i]->path != NULL) unlink(old->segment[i]->path);
    }
  store_segments_release(old);
}

static store_segment *last_of(const store_stream *stream) {
  const store_segments *list = stream->segments;
  return list->count != 0 ? list->segment[list->count - 1] : NULL;
}

/* The last sealed segment is complete: from now on its events are in its file only. */
static void end_sealed(store_stream *stream) {
  store_segments *list = stream->segments;
  store_segment *last = last_of(stream);
  if (last == NULL || last->sealed == NULL || last->map == NULL) return;
  store_sealed_end(last);
  store_segment *frozen = store_sealed_freeze(last);
  if (frozen == NULL) return; /* it goes on in memory */
  store_segments *copy = malloc(sizeof *copy + list->count * sizeof copy->segment[0]);
  if (copy == NULL) {
    store_segment_release(frozen);
    return;
  }
  atomic_init(&copy->references, 1);
  copy->count = list->count;
  for (uint32_t i = 0; i + 1 < list->count; i++)
    copy->segment[i] = store_segment_retain(list->segment[i]);
  copy->segment[list->count - 1] = frozen;
  stream->segments = copy;
  store_segments_release(list);
}

/* Begin the next segment. What retention gives up goes first: its space may be what is missing. */
static int begin_segment(store_stream *stream, int64_t now_ns) {
  drop_outdated(stream, now_ns);
  store_segment *last = last_of(stream);
  uint64_t number = last != NULL ? last->number + 1 : 1;
  if (number >= UINT32_MAX) return STORE_E_FULL;
  /* what comes before the new file's first event is in a file before that is */
  if (last != NULL && last->sealed != NULL && last->map != NULL) store_sealed_flush(last);
  store_segment *made = NULL;
  store_origin origin = {stream->folder, stream->name, stream->vault};
  int status = store_segment_new(&origin, stream->segment_bytes, number, stream->next, &made);
  if (status != STORE_OK) return status;
  end_sealed(stream);
  status = replace_segments(stream, 0, made);
  if (status != STORE_OK) {
    if (made->path != NULL) unlink(made->path);
    store_segment_release(made);
  } else if (stream->segments->count > 1) {
    store_segment_close(stream->segments->segment[stream->segments->count - 2]);
  }
  return status;
}

typedef struct beginning {
  store_stream *stream;
  int64_t now_ns;
  int status;
} beginning;

static void begin_there(void *arg) {
  beginning *b = arg;
  b->status = begin_segment(b->stream, b->now_ns);
}

static int append_one(store_stream *stream, store_event *event) {
  uint64_t most = stream->segment_bytes - STORE_SEGMENT_HEAD - sizeof(store_record);
  if (stream->vault != NULL) most -= STORE_SEALED_ROOM;
  if (event->key.len > UINT32_MAX || event->value.len > UINT32_MAX ||
      (uint64_t)event->key.len + event->value.len > most)
    return STORE_E_SIZE;
  store_place first = 0;
  if (stream->segments->count != 0) first = stream->segments->segment[0]->number << 32;
  if (store_latest_reserve(&stream->latest, first) != 0) return STORE_E_NOMEM;
  event->sequence = stream->next;
  uint64_t hash = store_key_hash(stream, event->key);
  struct store_latest_entry *entry =
      store_latest_find(&stream->latest, hash, event->key, stream->is_key, stream->segments);
  store_place place = 0;
  store_segment *last = last_of(stream);
  if (last != NULL && !last->cut && last->map != NULL)
    place = store_segment_put(last, event, entry->place);
  if (place == 0) {
    beginning b = {stream, event->arrival_ns, STORE_OK};
    store_files_do(stream->files, begin_there, &b);
    if (b.status != STORE_OK) return b.status;
    place = store_segment_put(last_of(stream), event, entry->place);
    if (place == 0) return STORE_E_NOMEM;
  }
  stream->latest.used += entry->place == 0;
  entry->hash = hash;
  entry->place = place;
  stream->next++;
  return STORE_OK;
}

int store_append(store_stream *stream, store_event *events, size_t count, size_t *accepted) {
  size_t done = 0;
  int status = stream->owner == store_process() ? STORE_OK : STORE_E_FORKED;
  if (status == STORE_OK) {
    pthread_mutex_lock(&stream->lock);
    for (; done < count; done++) {
      status = append_one(stream, &events[done]);
      if (status != STORE_OK) break;
    }
    store_segment *last = last_of(stream);
    if (last != NULL && last->sealed != NULL && last->map != NULL) store_sealed_flush(last);
    pthread_mutex_unlock(&stream->lock);
  }
  if (accepted != NULL) *accepted = done;
  return status;
}

void store_stream_retain(store_stream *stream, const store_retention *retention) {
  pthread_mutex_lock(&stream->lock);
  stream->retention = *retention;
  pthread_mutex_unlock(&stream->lock);
}

/* ---- Syncing ------------------------------------------------------------ */

typedef struct folder_sync {
  const char *folder;
  int status;
} folder_sync;

static void sync_folder(void *arg) {
  folder_sync *f = arg;
  int file = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  f->status = file >= 0 && fsync(file) == 0 ? STORE_OK : STORE_E_IO;
  if (file >= 0) close(file);
}

/* With sync_lock: everything that was there when it began. What the system could not write once it may
** have forgotten, and call the next sync a success: so the first failure is for good. */
static int sync_all(store_stream *stream) {
  pthread_mutex_lock(&stream->lock);
  store_segments *list = stream->segments;
  atomic_fetch_add_explicit(&list->references, 1, memory_order_relaxed);
  uint64_t until = stream->next - 1;
  pthread_mutex_unlock(&stream->lock);
  int status = STORE_OK;
  uint64_t synced = atomic_load(&stream->synced);
  for (uint32_t i = 0; i < list->count && status == STORE_OK; i++) {
    const store_segment *segment = list->segment[i];
    if (segment->sequence + atomic_load(&segment->count) <= synced + 1) continue;
    status = store_segment_sync(segment);
  }
  uint64_t newest = list->count != 0 ? list->segment[list->count - 1]->number : 0;
  if (status == STORE_OK && newest > stream->folder_synced) {
    folder_sync f = {.folder = stream->folder};
    store_files_do(stream->files, sync_folder, &f);
    status = f.status;
    if (status == STORE_OK) stream->folder_synced = newest;
  }
  store_segments_release(list);
  if (status == STORE_OK) atomic_store(&stream->synced, until);
  else stream->sync_failed = 1;
  return status;
}

int store_sync(store_stream *stream, uint64_t sequence) {
  if (stream->owner != store_process()) return STORE_E_FORKED;
  if (stream->folder == NULL) return STORE_E_INVALID;
  if (atomic_load(&stream->synced) >= sequence) return STORE_OK;
  pthread_mutex_lock(&stream->sync_lock);
  int status = STORE_OK;
  if (atomic_load(&stream->synced) < sequence)
    status = stream->sync_failed ? STORE_E_IO : sync_all(stream);
  pthread_mutex_unlock(&stream->sync_lock);
  return status;
}

int store_sync_all(store_stream *stream) {
  if (stream->owner != store_process()) return STORE_E_FORKED;
  pthread_mutex_lock(&stream->lock);
  uint64_t last = stream->next - 1;
  pthread_mutex_unlock(&stream->lock);
  return store_sync(stream, last);
}

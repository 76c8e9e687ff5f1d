/* append.c - events in: sequence numbers, segments, retention, syncing. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "sealed.h"
#include "stream.h"

/* Segments that nobody looks for any more: unmapping and removing files takes its time. */
typedef struct outgoing {
  store_segments *list; /* that had them */
  uint32_t gone;        /* files of so many, the oldest, are removed */
} outgoing;

static void let_go_there(void *arg) {
  outgoing *out = arg;
  for (uint32_t i = 0; i < out->gone; i++)
    if (out->list->segment[i]->path != NULL) unlink(out->list->segment[i]->path);
  store_segments_release(out->list);
  free(out);
}

static void let_go(const store_stream *stream, store_segments *list, uint32_t gone) {
  outgoing *out = malloc(sizeof *out);
  if (out == NULL) {
    store_segments_release(list); /* what is in the files is outdated the next time, too */
    return;
  }
  *out = (outgoing){list, gone};
  store_files_ask(stream->files, let_go_there, out);
}

/* Publish another list: without the first `gone`, whose files are removed, and with one more. The stream's
** lock is held. */
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
  for (uint32_t i = 0; i < gone; i++) stream->dropped += atomic_load(&old->segment[i]->count);
  stream->segments = list;
  let_go(stream, old, gone);
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
  let_go(stream, list, 0);
}

/* ---- The next segment --------------------------------------------------- */

#define POPULATE_BYTES ((uint64_t)1 << 20) /* of pages, ready before they are written */

static store_origin origin_of(const store_stream *stream) {
  return (store_origin){stream->folder, stream->name, stream->vault};
}

/* The stream's next segment is made when the last one is half full, so that nobody who appends waits for
** files. What fails is tried again, and told, when it is needed. */
static void make_ahead(void *arg) {
  store_stream *stream = arg;
  store_origin origin = origin_of(stream);
  store_segment *made;
  if (store_segment_make(&origin, stream->segment_bytes, stream->asked, &made) != STORE_OK) return;
  made->populated = made->bytes < POPULATE_BYTES ? made->bytes : POPULATE_BYTES;
  store_segment_populate(made, 0, made->populated);
  atomic_store(&stream->ahead, made);
}

typedef struct populating {
  store_segment *segment; /* with a reference */
  uint64_t from, to;
} populating;

static void populate_there(void *arg) {
  populating *p = arg;
  store_segment_populate(p->segment, p->from, p->to);
  store_segment_release(p->segment);
  free(p);
}

static void ask_populated(const store_stream *stream, store_segment *last, uint64_t used) {
  if (used + POPULATE_BYTES / 2 < last->populated || last->populated == last->bytes) return;
  populating *p = malloc(sizeof *p);
  if (p == NULL) return;
  uint64_t from = last->populated > used ? last->populated : used & ~(uint64_t)4095;
  uint64_t left = last->bytes - from;
  *p = (populating){store_segment_retain(last), from,
                    from + (left < POPULATE_BYTES ? left : POPULATE_BYTES)};
  last->populated = p->to;
  store_files_ask(stream->files, populate_there, p);
}

/* What whoever appends next will need of files is asked for now. */
static void ask_ahead(store_stream *stream) {
  store_segment *last = last_of(stream);
  if (last == NULL || last->file < 0 || last->cut) return;
  uint64_t used = store_segment_used(last);
  ask_populated(stream, last, used);
  uint32_t end = atomic_load_explicit(&last->end, memory_order_relaxed);
  if ((used > end ? used : end) <= last->bytes / 2 || stream->asked > last->number) return;
  stream->asked = last->number + 1;
  store_files_ask(stream->files, make_ahead, stream);
}

typedef struct making {
  store_stream *stream;
  uint64_t number;
  store_segment *made;
  int status;
} making;

/* Behind make_ahead, if that was asked for: either it has made the segment, or it never will. */
static void make_there(void *arg) {
  making *m = arg;
  store_origin origin = origin_of(m->stream);
  m->made = atomic_exchange(&m->stream->ahead, NULL);
  if (m->made == NULL)
    m->status = store_segment_make(&origin, m->stream->segment_bytes, m->number, &m->made);
}

static void discard_there(void *arg) {
  store_segment_discard(arg);
}

/* Begin the next segment. What retention gives up goes first: its space may be what is missing. */
static int begin_segment(store_stream *stream, int64_t now_ns) {
  uint32_t gone = outdated(stream, now_ns);
  if (gone != 0) replace_segments(stream, gone, NULL);
  store_segment *last = last_of(stream);
  making m = {stream, last != NULL ? last->number + 1 : 1, NULL, STORE_OK};
  if (m.number >= UINT32_MAX) return STORE_E_FULL;
  /* what comes before the new file's first event is in a file before that is */
  if (last != NULL && last->sealed != NULL && last->map != NULL) store_sealed_flush(last);
  m.made = atomic_exchange(&stream->ahead, NULL);
  if (m.made == NULL) store_files_do(stream->files, make_there, &m);
  if (m.made == NULL) return m.status;
  store_origin origin = origin_of(stream);
  int status = store_segment_begin(m.made, &origin, stream->next);
  if (status == STORE_OK) {
    end_sealed(stream);
    status = replace_segments(stream, 0, m.made);
  }
  if (status != STORE_OK) {
    int error = errno;
    store_files_do(stream->files, discard_there, m.made);
    errno = error;
  } else if (stream->segments->count > 1) {
    store_segment_close(stream->segments->segment[stream->segments->count - 2]);
  }
  return status;
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
    int status = begin_segment(stream, event->arrival_ns);
    if (status != STORE_OK) return status;
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
    ask_ahead(stream);
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

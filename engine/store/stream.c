/* stream.c - see stream.h: opening a stream and letting go of it. */
#include "stream.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../stream/symbol.h"
#include "files.h"
#include "sealed.h"

/* ---- Segments ----------------------------------------------------------- */

store_segments *store_segments_hold(store_stream *stream) {
  pthread_mutex_lock(&stream->lock);
  store_segments *segments = stream->segments;
  atomic_fetch_add_explicit(&segments->references, 1, memory_order_relaxed);
  pthread_mutex_unlock(&stream->lock);
  return segments;
}

void store_segments_release(store_segments *segments) {
  if (atomic_fetch_sub_explicit(&segments->references, 1, memory_order_acq_rel) != 1) return;
  for (uint32_t i = 0; i < segments->count; i++) store_segment_release(segments->segment[i]);
  free(segments);
}

store_segment *store_segments_get(const store_segments *segments, uint64_t number) {
  if (segments->count == 0 || number < segments->segment[0]->number) return NULL;
  uint64_t index = number - segments->segment[0]->number;
  if (index < segments->count && segments->segment[index]->number == number)
    return segments->segment[index];
  for (uint32_t i = segments->count; i-- != 0;) /* a file is missing in between */
    if (segments->segment[i]->number == number) return segments->segment[i];
  return NULL;
}

uint64_t store_key_hash(const store_stream *stream, store_bytes key) {
  return stream_hash((stream_text){key.data, key.len}, stream->seed);
}

static int key_is(void *arg, store_place place, store_bytes key) {
  const store_segment *segment = store_segments_get(arg, place >> 32);
  if (segment == NULL) return 0;
  return store_record_is_of((const store_record *)(segment->map + (uint32_t)place), key);
}

/* Of a sealed stream: to compare would be to unseal. Keys of one hash share an entry, and so one chain of
** events, of which readers take those that have their key. */
static int any_key(void *arg, store_place place, store_bytes key) {
  (void)arg, (void)place, (void)key;
  return 1;
}

/* ---- Loading ------------------------------------------------------------ */

/* The numbers of the segments in a folder, ascending; NULL with *count < 0 where it can't be read. */
static uint64_t *list_numbers(const char *folder, int *count) {
  DIR *entries = opendir(folder);
  uint64_t *numbers = NULL;
  int room = 0;
  *count = -1;
  if (entries == NULL) return NULL;
  *count = 0;
  for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    unsigned long long number;
    int read = 0;
    if (sscanf(entry->d_name, "%16llx.events%n", &number, &read) != 1 ||
        read != (int)strlen(entry->d_name) || read != 23 || number == 0 || number > UINT32_MAX)
      continue;
    if (*count == room) {
      room = room != 0 ? room * 2 : 16;
      uint64_t *more = realloc(numbers, (size_t)room * sizeof *more);
      if (more == NULL) {
        free(numbers);
        closedir(entries);
        *count = -1;
        errno = ENOMEM;
        return NULL;
      }
      numbers = more;
    }
    int at = (*count)++;
    for (; at > 0 && numbers[at - 1] > number; at--) numbers[at] = numbers[at - 1];
    numbers[at] = number;
  }
  closedir(entries);
  return numbers;
}

/* What loading a segment needs of the stream: its list grows by the segment while that is scanned. */
typedef struct loading {
  store_stream *stream;
  store_segments *segments; /* with room for all */
  char *err;
  int failed;
} loading;

static void index_event(void *arg, const store_segment *segment, const store_record *record,
                        store_place place) {
  loading *l = arg;
  store_stream *stream = l->stream;
  if (l->segments->segment[l->segments->count - 1] == NULL)
    l->segments->segment[l->segments->count - 1] = (store_segment *)segment;
  if (store_latest_reserve(&stream->latest, 0) != 0) {
    l->failed = 1;
    return;
  }
  store_bytes key = store_record_key(record);
  uint64_t hash = store_key_hash(stream, key);
  struct store_latest_entry *entry =
      store_latest_find(&stream->latest, hash, key, stream->is_key, l->segments);
  stream->latest.used += entry->place == 0;
  entry->hash = hash;
  entry->place = place;
  stream->next = record->sequence + 1;
}

/* Its events are counted as lost when the next segment says where it begins. */
static int put_aside(loading *l, const char *path) {
  char *aside;
  if (asprintf(&aside, "%s.damaged", path) < 0) return STORE_E_NOMEM;
  int status = rename(path, aside) == 0 ? STORE_OK : STORE_E_IO;
  if (status == STORE_OK) l->stream->aside++;
  else snprintf(l->err, STORE_ERR_MAX, "%s: it is damaged, and: %s", path, strerror(errno));
  free(aside);
  return status;
}

static const char *why_not(int status, int is_sealed) {
  switch (status) {
  case STORE_E_VERSION:
    return "these events were stored by another version of PolyVM, or on another kind of machine";
  case STORE_E_NOMEM: return "there is not enough memory to open it";
  case STORE_E_KEY: return "it is sealed with another key than the one that was given";
  case STORE_E_INVALID:
    return is_sealed ? "it is not sealed, but among sealed events; move it away"
                     : "it is sealed, but among events that are not; move it back";
  default: return strerror(errno);
  }
}

/* One file. A status. */
static int load_segment(loading *l, const char *path, int last) {
  store_stream *stream = l->stream;
  store_scan scan;
  store_segment *segment = NULL;
  uint64_t expected = stream->next;
  l->segments->segment[l->segments->count++] = NULL;
  store_origin origin = {stream->folder, stream->name, stream->vault};
  int status = store_segment_open(&origin, path, last, index_event, l, &scan, &segment);
  if (status != STORE_OK) {
    l->segments->count--;
    if (status == STORE_E_DAMAGED) return put_aside(l, path);
    snprintf(l->err, STORE_ERR_MAX, "%s: %s", path, why_not(status, stream->vault != NULL));
    return status;
  }
  l->segments->segment[l->segments->count - 1] = segment;
  if (expected != 0 && segment->sequence > expected)
    stream->damaged += segment->sequence - expected;
  stream->next = segment->sequence + atomic_load(&segment->count);
  if (scan.behind != 0 && last) {
    stream->damaged += scan.behind + 1 - stream->next;
    stream->next = scan.behind + 1;
  }
  stream->cleared += scan.cleared;
  if (!l->failed) return STORE_OK;
  snprintf(l->err, STORE_ERR_MAX, "%s: there is not enough memory for its keys", path);
  return STORE_E_NOMEM;
}

static char *segment_path(const store_stream *stream, uint64_t number) {
  char *path;
  return asprintf(&path, "%s/%016llx.events", stream->folder, (unsigned long long)number) < 0
             ? NULL
             : path;
}

/* The last file is the one that was made ahead, if the process died before it was begun: it goes. How
** many are left. */
static int drop_unborn(const store_stream *stream, const uint64_t *numbers, int count) {
  while (count > 0) {
    char *path = segment_path(stream, numbers[count - 1]);
    int gone = path != NULL && store_segment_is_unborn(path) && unlink(path) == 0;
    free(path);
    if (!gone) break;
    count--;
  }
  return count;
}

static int load_all(store_stream *stream, char *err) {
  int count;
  uint64_t *numbers = list_numbers(stream->folder, &count);
  if (count < 0) {
    snprintf(err, STORE_ERR_MAX, "%s: %s", stream->folder, strerror(errno));
    return STORE_E_IO;
  }
  count = drop_unborn(stream, numbers, count);
  loading l = {.stream = stream, .err = err};
  l.segments = calloc(1, sizeof *l.segments + ((size_t)count + 1) * sizeof(store_segment *));
  int status = l.segments != NULL ? STORE_OK : STORE_E_NOMEM;
  if (status == STORE_OK) {
    atomic_init(&l.segments->references, 1);
    store_segments_release(stream->segments);
    stream->segments = l.segments;
  }
  for (int i = 0; i < count && status == STORE_OK; i++) {
    char *path = segment_path(stream, numbers[i]);
    if (path == NULL) status = STORE_E_NOMEM;
    else {
      if (i == 0) stream->next = 0; /* what came before it was dropped, and is not missing */
      status = load_segment(&l, path, i == count - 1);
      free(path);
    }
  }
  free(numbers);
  if (status == STORE_E_NOMEM && err[0] == 0)
    snprintf(err, STORE_ERR_MAX, "%s: there is not enough memory to open it", stream->folder);
  return status;
}

static int load_folder(store_stream *stream, const char *folder, char *err) {
  stream->folder = strdup(folder);
  if (stream->folder == NULL) return STORE_E_NOMEM;
  if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
    snprintf(err, STORE_ERR_MAX, "%s: %s", folder, strerror(errno));
    return store_file_status();
  }
  int status = load_all(stream, err);
  if (stream->next == 0) stream->next = 1;
  return status;
}

int store_stream_load(const store_home *home, store_stream **out, char *err) {
  err[0] = 0;
  store_stream *stream = calloc(1, sizeof *stream);
  if (stream == NULL) return STORE_E_NOMEM;
  snprintf(stream->name, sizeof stream->name, "%s", home->name);
  pthread_mutex_init(&stream->lock, NULL);
  pthread_mutex_init(&stream->sync_lock, NULL);
  stream->segment_bytes = home->segment_bytes;
  stream->vault = home->folder != NULL ? home->vault : NULL;
  atomic_init(&stream->level, home->level);
  stream->is_key = stream->vault != NULL ? any_key : key_is;
  stream->owner = store_process();
  stream->next = 1;
  if (getrandom(&stream->seed, sizeof stream->seed, 0) < 0) stream->seed = stream->owner;
  stream->segments = calloc(1, sizeof *stream->segments);
  int status = stream->segments != NULL && store_latest_init(&stream->latest) == 0 ? STORE_OK
                                                                                   : STORE_E_NOMEM;
  if (status == STORE_OK) atomic_init(&stream->segments->references, 1);
  if (status == STORE_OK && home->folder != NULL) status = load_folder(stream, home->folder, err);
  if (status != STORE_OK) {
    store_stream_unload(stream);
    return status;
  }
  *out = stream;
  return STORE_OK;
}

int store_stream_move(store_stream *stream, const store_home *home) {
  char *folder = home->folder != NULL ? strdup(home->folder) : NULL;
  if (folder == NULL && home->folder != NULL) return STORE_E_NOMEM;
  pthread_mutex_lock(&stream->lock);
  int status = stream->segments->count == 0 && stream->next == 1 ? STORE_OK : STORE_E_INVALID;
  if (status == STORE_OK && folder != NULL && mkdir(folder, 0700) != 0 && errno != EEXIST)
    status = STORE_E_IO;
  if (status == STORE_OK && stream->folder != NULL && rmdir(stream->folder) != 0)
    status = STORE_E_INVALID;
  if (status == STORE_OK) {
    free(stream->folder);
    stream->folder = folder;
    stream->vault = folder != NULL ? home->vault : NULL;
    stream->is_key = stream->vault != NULL ? any_key : key_is;
    atomic_store(&stream->level, home->level);
  } else free(folder);
  pthread_mutex_unlock(&stream->lock);
  return status;
}

/* The last file gives back the space that it has not used. */
void store_stream_unload(store_stream *stream) {
  store_segments *list = stream->segments;
  if (list != NULL && list->count != 0 && stream->owner == store_process()) {
    store_segment *last = list->segment[list->count - 1];
    uint64_t used = (atomic_load(&last->end) + 4095) & ~(uint64_t)4095;
    if (last->sealed != NULL && !last->cut) {
      store_sealed_end(last);
      used = (last->sealed->file_end + 4095) & ~(uint64_t)4095;
    }
    if (last->file >= 0 && !last->cut && ftruncate(last->file, (off_t)used) != 0)
      errno = 0; /* it only takes more space than it needs */
  }
  store_segment *ahead = atomic_load(&stream->ahead);
  if (ahead != NULL && stream->owner == store_process()) store_segment_discard(ahead);
  if (list != NULL) store_segments_release(list);
  store_latest_free(&stream->latest);
  pthread_mutex_destroy(&stream->lock);
  pthread_mutex_destroy(&stream->sync_lock);
  free(stream->folder);
  free(stream);
}

/* convert.c - a stream that was kept plain becomes a sealed one.
**
** Its events are copied into sealed files in a folder of their own, sealed/sealing-NAME, which is read
** again, and synced. Then it is renamed to sealed/stream-NAME: from that moment on the sealed stream is
** the stream, and until then the plain one is. A mark in the folder says that the plain one has had its
** time: it is deleted, and the mark with it, by whoever opens the store next, if this is cut short.
*/
#include "convert.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "names.h"
#include "sealed.h"
#include "stream.h"

#define MARK "replaces-plain"
#define UNFINISHED "sealing-"
#define BATCH 512

static int tell(char *err, const char *path) {
  snprintf(err, STORE_ERR_MAX, "%s: %s", path, strerror(errno));
  return store_file_status();
}

static int is_there(const char *path) {
  struct stat about;
  return lstat(path, &about) == 0;
}

/* A file, or a folder, is on the disk. */
static int sync_path(const char *path, char *err) {
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  int status = file >= 0 && fsync(file) == 0 ? STORE_OK : tell(err, path);
  if (file >= 0) close(file);
  return status;
}

/* ---- Folders ------------------------------------------------------------ */

typedef int visit_entry(void *arg, const char *path, const char *name, char *err);

static int each_entry(const char *folder, visit_entry *visit, void *arg, char *err) {
  DIR *entries = opendir(folder);
  if (entries == NULL) return tell(err, folder);
  int status = STORE_OK;
  for (const struct dirent *entry; status == STORE_OK && (entry = readdir(entries)) != NULL;) {
    char *path;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0) {
      status = STORE_E_NOMEM;
    } else {
      status = visit(arg, path, entry->d_name, err);
      free(path);
    }
  }
  closedir(entries);
  return status;
}

static int delete_file(void *arg, const char *path, const char *name, char *err) {
  (void)arg, (void)name;
  return unlink(path) == 0 ? STORE_OK : tell(err, path);
}

static int delete_folder(const char *folder, char *err) {
  int status = each_entry(folder, delete_file, NULL, err);
  return status == STORE_OK && rmdir(folder) != 0 ? tell(err, folder) : status;
}

static int sync_file(void *arg, const char *path, const char *name, char *err) {
  (void)arg, (void)name;
  return sync_path(path, err);
}

/* Whoever asks for a stream to be sealed wants nothing of it to stay behind, and nothing else to go. */
static int check_file(void *arg, const char *path, const char *name, char *err) {
  (void)arg;
  if (strlen(name) == 23 && strspn(name, "0123456789abcdef") == 16 &&
      strcmp(name + 16, ".events") == 0)
    return STORE_OK;
  snprintf(err, STORE_ERR_MAX,
           "%s: it is no file that events can be read from, and would not be sealed; move it away, "
           "or delete it",
           path);
  return STORE_E_INVALID;
}

/* ---- The end ------------------------------------------------------------ */

/* The sealed stream is there, with its mark: the plain one goes. */
static int finish(const char *folder, const char *name, char *err) {
  char *plain = store_stream_path(folder, name, 0), *sealed = store_stream_path(folder, name, 1);
  char *mark = NULL;
  int status = STORE_E_NOMEM;
  if (plain != NULL && sealed != NULL && asprintf(&mark, "%s/" MARK, sealed) >= 0) {
    status = STORE_OK;
    if (is_there(plain)) status = delete_folder(plain, err);
    if (status == STORE_OK) status = sync_path(folder, err);
    if (status == STORE_OK && unlink(mark) != 0) status = tell(err, mark);
    free(mark);
  }
  free(plain);
  free(sealed);
  return status;
}

static int finish_entry(void *arg, const char *path, const char *entry, char *err) {
  char name[STORE_NAME_MAX + 1];
  if (strncmp(entry, UNFINISHED, sizeof UNFINISHED - 1) == 0) return delete_folder(path, err);
  if (store_stream_named(entry, name) != 0) return STORE_OK;
  char *mark;
  if (asprintf(&mark, "%s/" MARK, path) < 0) return STORE_E_NOMEM;
  int has_mark = is_there(mark);
  free(mark);
  return has_mark ? finish(arg, name, err) : STORE_OK;
}

int store_conversions_finish(const char *folder, char *err) {
  char *sealed = store_streams_folder(folder, 1);
  if (sealed == NULL) return STORE_E_NOMEM;
  int status = is_there(sealed) ? each_entry(sealed, finish_entry, (void *)folder, err) : STORE_OK;
  free(sealed);
  return status;
}

/* ---- Copying ------------------------------------------------------------ */

typedef struct copying {
  store_stream *from, *to;
  store_event batch[BATCH];
  size_t count;
  uint64_t bytes; /* of the batch */
  uint64_t events;
  int status;
} copying;

static int put_batch(copying *c) {
  size_t accepted;
  c->status = store_append(c->to, c->batch, c->count, &accepted);
  c->events += accepted;
  c->count = 0;
  c->bytes = 0;
  return c->status;
}

/* Events are lost before this number: as in the plain stream, a segment begins with it. */
static void skip_to(copying *c, uint64_t sequence) {
  store_segments *list = c->to->segments;
  if (list->count != 0) list->segment[list->count - 1]->cut = 1;
  c->to->next = sequence;
}

/* A plain event stays where it is as long as its stream is open. */
static int copy_event(void *arg, const store_event *event) {
  copying *c = arg;
  uint64_t bytes = sizeof(store_record) + event->key.len + event->value.len;
  uint64_t expected = c->to->next + c->count;
  int is_full = c->count == BATCH || (c->count != 0 && c->bytes + bytes > STORE_BLOCK_BYTES);
  if ((is_full || event->sequence != expected) && put_batch(c) != STORE_OK) return 1;
  if (event->sequence != expected) skip_to(c, event->sequence);
  c->batch[c->count++] = *event;
  c->bytes += bytes;
  return 0;
}

/* What fills a plain segment needs a larger sealed one. */
static int size_event(void *arg, const store_event *event) {
  uint64_t bytes = STORE_SEGMENT_HEAD + STORE_SEALED_ROOM + sizeof(store_record) + event->key.len +
                   event->value.len;
  uint64_t *most = arg;
  if (bytes > *most) *most = bytes;
  return 0;
}

/* As large as the plain ones, or as an event needs. 0: none is large enough. */
static uint64_t segment_bytes_for(store_stream *from) {
  uint64_t most = STORE_SEGMENT_MIN;
  store_read(from, 0, UINT64_MAX, size_event, &most);
  for (uint32_t i = 0; i < from->segments->count; i++)
    if (from->segments->segment[i]->bytes > most) most = from->segments->segment[i]->bytes;
  most = (most + 4095) & ~(uint64_t)4095;
  return most <= STORE_SEGMENT_MAX ? most : 0;
}

/* A segment without events: numbers that were given to events that are lost are not given again. */
static int put_end(copying *c) {
  store_segments *list = c->to->segments;
  uint64_t number = list->count != 0 ? list->segment[list->count - 1]->number + 1 : 1;
  store_origin origin = {c->to->folder, c->to->name, c->to->vault};
  store_segment *made = atomic_exchange(&c->to->ahead, NULL);
  int status =
      made != NULL ? STORE_OK : store_segment_make(&origin, c->to->segment_bytes, number, &made);
  if (status != STORE_OK) return status;
  status = store_segment_begin(made, &origin, c->from->next);
  if (status == STORE_OK && !store_sealed_has_room(made, 0)) status = STORE_E_NOMEM;
  if (status != STORE_OK) {
    store_segment_discard(made);
    return status;
  }
  store_sealed_end(made);
  if (ftruncate(made->file, (off_t)((made->sealed->file_end + 4095) & ~(uint64_t)4095)) != 0)
    status = STORE_E_IO;
  store_segment_release(made);
  return status;
}

static int copy(store_stream *from, const store_home *home, uint64_t *events, char *err) {
  copying *c = calloc(1, sizeof *c);
  if (c == NULL) return STORE_E_NOMEM;
  c->from = from;
  c->status = store_stream_load(home, &c->to, err);
  if (c->status == STORE_OK) {
    errno = 0;
    int64_t read = store_read(from, 0, UINT64_MAX, copy_event, c);
    if (read < 0) c->status = (int)read;
    if (c->status == STORE_OK) put_batch(c);
    if (c->status == STORE_OK && c->to->next != from->next) c->status = put_end(c);
    if (c->status != STORE_OK) tell(err, home->folder);
    store_stream_unload(c->to);
  }
  int status = c->status;
  *events = c->events;
  free(c);
  return status;
}

static uint64_t count_of(const store_stream *stream) {
  uint64_t events = 0;
  for (uint32_t i = 0; i < stream->segments->count; i++)
    events += atomic_load(&stream->segments->segment[i]->count);
  return events;
}

/* All that was copied can be read, from the files alone. */
static int check_copy(store_stream *from, const store_home *home, char *err) {
  store_stream *copied;
  int status = store_stream_load(home, &copied, err);
  if (status != STORE_OK) return status;
  if (count_of(copied) != count_of(from) || copied->next != from->next || copied->cleared != 0) {
    snprintf(
        err, STORE_ERR_MAX,
        "%s: the sealed events are not those that were copied; the disk, or the memory, is not "
        "sound",
        home->folder);
    status = STORE_E_DAMAGED;
  }
  store_stream_unload(copied);
  return status;
}

static int put_mark(const char *folder, char *err) {
  char *path;
  if (asprintf(&path, "%s/" MARK, folder) < 0) return STORE_E_NOMEM;
  int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  int status = file >= 0 ? STORE_OK : tell(err, path);
  if (file >= 0) close(file);
  free(path);
  return status;
}

/* With the store open. made: where the copy is made; goal: where it is to be. */
static int convert(const char *folder, store_stream *from, store_vault *vault, const char *made,
                   const char *goal, uint64_t *events, char *err) {
  char *sealed = store_streams_folder(folder, 1);
  store_home home = {made, from->name, vault, STORE_FLUSHED, segment_bytes_for(from)};
  int status = sealed != NULL ? each_entry(from->folder, check_file, NULL, err) : STORE_E_NOMEM;
  if (status == STORE_OK && home.segment_bytes == 0) {
    snprintf(err, STORE_ERR_MAX, "stream %s: it has an event that fits no sealed segment",
             from->name);
    status = STORE_E_SIZE;
  }
  if (status == STORE_OK && store_sealed_folder_make(folder) != STORE_OK)
    status = tell(err, sealed);
  if (status == STORE_OK) status = copy(from, &home, events, err);
  if (status == STORE_OK) status = check_copy(from, &home, err);
  if (status == STORE_OK) status = put_mark(made, err);
  if (status == STORE_OK) status = each_entry(made, sync_file, NULL, err);
  if (status == STORE_OK) status = sync_path(made, err);
  if (status == STORE_OK && rename(made, goal) != 0) status = tell(err, goal);
  if (status == STORE_OK) status = sync_path(sealed, err);
  if (status == STORE_OK) status = sync_path(folder, err);
  if (status == STORE_OK) status = finish(folder, from->name, err);
  else if (is_there(made)) {
    char unheard[STORE_ERR_MAX];
    delete_folder(made, unheard); /* or whoever opens the store next does */
  }
  free(sealed);
  return status;
}

static store_stream *find(store *opened, const char *name) {
  store_stream *stream;
  for (uint32_t i = 0; (stream = store_stream_at(opened, i)) != NULL; i++)
    if (strcmp(stream->name, name) == 0) return stream;
  return NULL;
}

static int seal_it(const char *folder, store_stream *stream, const store_sealing *sealing,
                   uint64_t *events, char *err) {
  char *goal = store_stream_path(folder, stream->name, 1), *made = NULL;
  store_vault *vault = store_vault_new(sealing);
  int status = STORE_E_NOMEM;
  if (goal != NULL && vault != NULL &&
      asprintf(&made, "%s/" STORE_SEALED_FOLDER "/" UNFINISHED "%s", folder,
               strrchr(goal, '/') + 1) >= 0)
    status = convert(folder, stream, vault, made, goal, events, err);
  free(made);
  free(goal);
  store_vault_free(vault);
  return status;
}

int store_seal_stream(const char *folder, const char *name, const store_sealing *sealing,
                      uint64_t *events, char *err) {
  store_config config;
  store *opened;
  *events = 0;
  store_config_init(&config);
  config.folder = folder;
  config.sealing = sealing; /* another one than that of its sealed streams is refused */
  if (!is_there(folder)) return tell(err, folder);
  int status = store_open(&config, &opened, err);
  if (status != STORE_OK) return status;
  store_stream *stream = find(opened, name);
  if (stream == NULL) {
    snprintf(err, STORE_ERR_MAX, "there is no stream %s", name);
    status = STORE_E_UNKNOWN;
  } else if (stream->vault != NULL) {
    *events = STORE_SEALED_BEFORE;
  } else {
    status = seal_it(folder, stream, sealing, events, err);
  }
  if (status == STORE_E_NOMEM && err[0] == 0)
    snprintf(err, STORE_ERR_MAX, "stream %s: there is not enough memory to seal it", name);
  store_close(opened);
  return status;
}

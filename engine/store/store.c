/* store.c - the folder: one process at a time, its streams by name. */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checksum.h"
#include "files.h"
#include "stream.h"

#define PREFIX "stream-" /* of a stream's folder; its name follows, odd bytes as %41 */

struct store {
  store_config config;
  char *folder; /* NULL: in memory */
  int lock_file;
  store_files *files; /* NULL: in memory */
  pid_t owner;
  pthread_mutex_t lock;
  _Atomic uint32_t count;
  store_stream *streams[STORE_STREAMS_MAX];
};

void store_config_init(store_config *config) {
  *config = (store_config){.segment_bytes = (uint64_t)16 << 20};
}

/* ---- Names -------------------------------------------------------------- */

static int is_plain(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* folder/stream-name; NULL without memory. */
static char *path_of(const char *folder, const char *name) {
  char *path = malloc(strlen(folder) + sizeof PREFIX + 3 * strlen(name) + 2);
  if (path == NULL) return NULL;
  char *at = path + sprintf(path, "%s/" PREFIX, folder);
  for (; *name != 0; name++) {
    if (is_plain((unsigned char)*name)) *at++ = *name;
    else at += sprintf(at, "%%%02x", (unsigned char)*name);
  }
  *at = 0;
  return path;
}

/* 0, or -1 for a folder that is no stream's. */
static int name_of(const char *folder, char name[STORE_NAME_MAX + 1]) {
  if (strncmp(folder, PREFIX, sizeof PREFIX - 1) != 0) return -1;
  size_t len = 0;
  for (folder += sizeof PREFIX - 1; *folder != 0; folder++) {
    unsigned byte = (unsigned char)*folder;
    if (byte == '%') {
      if (sscanf(folder + 1, "%2x", &byte) != 1 || byte == 0 || folder[2] == 0) return -1;
      folder += 2;
    }
    if (len == STORE_NAME_MAX) return -1;
    name[len++] = (char)byte;
  }
  name[len] = 0;
  return len != 0 ? 0 : -1;
}

/* ---- Streams ------------------------------------------------------------ */

static store_stream *find(store *store, const char *name) {
  uint32_t count = atomic_load_explicit(&store->count, memory_order_acquire);
  for (uint32_t i = 0; i < count; i++)
    if (strcmp(store->streams[i]->name, name) == 0) return store->streams[i];
  return NULL;
}

/* With the store's lock. */
static int add(store *store, const char *name, store_stream **out, char *err) {
  uint32_t count = atomic_load(&store->count);
  if (count == STORE_STREAMS_MAX) {
    snprintf(err, STORE_ERR_MAX, "stream %s: a store has at most %d streams", name,
             STORE_STREAMS_MAX);
    return STORE_E_INVALID;
  }
  char *path = store->folder != NULL ? path_of(store->folder, name) : NULL;
  int status = STORE_E_NOMEM;
  err[0] = 0;
  if (path != NULL || store->folder == NULL)
    status = store_stream_load(path, name, store->config.segment_bytes, out, err);
  free(path);
  if (status == STORE_OK) {
    (*out)->retention = store->config.retention;
    (*out)->files = store->files;
    store->streams[count] = *out;
    atomic_store_explicit(&store->count, count + 1, memory_order_release);
  } else if (err[0] == 0) {
    snprintf(err, STORE_ERR_MAX, "stream %s: there is not enough memory", name);
  }
  return status;
}

typedef struct adding {
  store *store;
  const char *name;
  store_stream **out;
  char *err;
  int status;
} adding;

static void add_there(void *arg) {
  adding *a = arg;
  a->status = add(a->store, a->name, a->out, a->err);
}

int store_stream_open(store *store, const char *name, store_stream **out, char *err) {
  if (store->owner != getpid()) {
    snprintf(err, STORE_ERR_MAX, "the store was opened by another process, before a fork");
    return STORE_E_FORKED;
  }
  size_t len = strlen(name);
  if (len == 0 || len > STORE_NAME_MAX) {
    snprintf(err, STORE_ERR_MAX, "the name of a stream has 1 to %d bytes, not %zu", STORE_NAME_MAX,
             len);
    return STORE_E_INVALID;
  }
  *out = find(store, name);
  if (*out != NULL) return STORE_OK;
  pthread_mutex_lock(&store->lock);
  *out = find(store, name);
  adding a = {store, name, out, err, STORE_OK};
  if (*out == NULL) store_files_do(store->files, add_there, &a);
  pthread_mutex_unlock(&store->lock);
  return a.status;
}

store_stream *store_stream_at(store *store, uint32_t i) {
  return i < atomic_load_explicit(&store->count, memory_order_acquire) ? store->streams[i] : NULL;
}

const char *store_stream_name(const store_stream *stream) {
  return stream->name;
}

/* ---- Opening ------------------------------------------------------------ */

static int open_streams(store *store, char *err) {
  DIR *entries = opendir(store->folder);
  int status = STORE_OK;
  if (entries == NULL) {
    snprintf(err, STORE_ERR_MAX, "%s: %s", store->folder, strerror(errno));
    return STORE_E_IO;
  }
  for (const struct dirent *entry; status == STORE_OK && (entry = readdir(entries)) != NULL;) {
    char name[STORE_NAME_MAX + 1];
    store_stream *stream;
    if (name_of(entry->d_name, name) == 0 && find(store, name) == NULL)
      status = add(store, name, &stream, err);
  }
  closedir(entries);
  return status;
}

static int take_folder(store *store, char *err) {
  char *path;
  if (mkdir(store->folder, 0700) != 0 && errno != EEXIST) {
    snprintf(err, STORE_ERR_MAX, "%s: %s", store->folder, strerror(errno));
    return errno == ENOSPC ? STORE_E_FULL : STORE_E_IO;
  }
  if (asprintf(&path, "%s/lock", store->folder) < 0) return STORE_E_NOMEM;
  store->lock_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  free(path);
  if (store->lock_file < 0) {
    snprintf(err, STORE_ERR_MAX, "%s: %s", store->folder, strerror(errno));
    return STORE_E_IO;
  }
  if (flock(store->lock_file, LOCK_EX | LOCK_NB) != 0) {
    snprintf(err, STORE_ERR_MAX, "%s: another process has this store open", store->folder);
    return STORE_E_BUSY;
  }
  store->files = store_files_start();
  return store->files != NULL ? open_streams(store, err) : STORE_E_NOMEM;
}

int store_open(const store_config *config, store **out, char *err) {
  if (config->segment_bytes < STORE_SEGMENT_MIN || config->segment_bytes > STORE_SEGMENT_MAX ||
      config->segment_bytes % 4096 != 0) {
    snprintf(err, STORE_ERR_MAX, "segments have 64 KiB to 2 GiB, in multiples of 4096, not %llu",
             (unsigned long long)config->segment_bytes);
    return STORE_E_INVALID;
  }
  store_checksum_init();
  err[0] = 0;
  store *made = calloc(1, sizeof *made);
  int status = made != NULL ? STORE_OK : STORE_E_NOMEM;
  if (status == STORE_OK) {
    made->config = *config;
    made->lock_file = -1;
    made->owner = getpid();
    pthread_mutex_init(&made->lock, NULL);
    if (config->folder != NULL) {
      made->folder = strdup(config->folder);
      status = made->folder != NULL ? take_folder(made, err) : STORE_E_NOMEM;
    }
  }
  if (status == STORE_OK) {
    *out = made;
    return status;
  }
  if (err[0] == 0) snprintf(err, STORE_ERR_MAX, "there is not enough memory to open a store");
  store_close(made);
  return status;
}

void store_close(store *store) {
  if (store == NULL || store->owner != getpid()) return; /* a child's mappings are gone */
  store_files_stop(store->files);
  uint32_t count = atomic_load(&store->count);
  for (uint32_t i = 0; i < count; i++) store_stream_unload(store->streams[i]);
  if (store->lock_file >= 0) close(store->lock_file);
  pthread_mutex_destroy(&store->lock);
  free(store->folder);
  free(store);
}

/* store.c - the folder: one process at a time, its streams by name. */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checksum.h"
#include "convert.h"
#include "files.h"
#include "names.h"
#include "seal.h"
#include "stream.h"

#define MEMORY_BYTES ((uint64_t)256 << 20) /* what a stream in memory keeps that is told no limit */

struct store {
  store_config config;
  char *folder;       /* NULL: in memory */
  store_vault *vault; /* NULL: no stream can be sealed */
  int lock_file;
  store_files *files; /* NULL: in memory */
  uint64_t owner;
  pthread_mutex_t lock;
  _Atomic uint32_t count;
  store_stream *streams[STORE_STREAMS_MAX];
};

void store_config_init(store_config *config) {
  *config = (store_config){.segment_bytes = (uint64_t)16 << 20, .level = STORE_FLUSHED};
}

/* ---- Streams ------------------------------------------------------------ */

static store_stream *find(store *store, const char *name) {
  uint32_t count = atomic_load_explicit(&store->count, memory_order_acquire);
  for (uint32_t i = 0; i < count; i++)
    if (strcmp(store->streams[i]->name, name) == 0) return store->streams[i];
  return NULL;
}

/* With the store's lock. level: not 0. */
static int add(store *store, const char *name, store_rules rules, store_stream **out, char *err) {
  uint32_t count = atomic_load(&store->count);
  if (count == STORE_STREAMS_MAX) {
    snprintf(err, STORE_ERR_MAX, "stream %s: a store has at most %d streams", name,
             STORE_STREAMS_MAX);
    return STORE_E_INVALID;
  }
  int in_memory = store->folder == NULL || rules.level == STORE_MEMORY;
  char *path = in_memory ? NULL : store_stream_path(store->folder, name, rules.sealed);
  int status = STORE_E_NOMEM;
  err[0] = 0;
  if (path != NULL && rules.sealed && store_sealed_folder_make(store->folder) != STORE_OK) {
    snprintf(err, STORE_ERR_MAX, "%s/" STORE_SEALED_FOLDER ": %s", store->folder, strerror(errno));
    free(path);
    return STORE_E_IO;
  }
  store_home home = {path, name, rules.sealed ? store->vault : NULL, rules.level,
                     store->config.segment_bytes};
  if (path != NULL || in_memory) status = store_stream_load(&home, out, err);
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
  store_rules rules;
  store_stream **out;
  char *err;
  int status;
} adding;

static void add_there(void *arg) {
  adding *a = arg;
  a->status = add(a->store, a->name, a->rules, a->out, a->err);
}

static int check_open(const store *store, const char *name, char *err) {
  if (store->owner != store_process()) {
    snprintf(err, STORE_ERR_MAX, "the store was opened by another process, before a fork");
    return STORE_E_FORKED;
  }
  size_t len = strlen(name);
  if (len != 0 && len <= STORE_NAME_MAX) return STORE_OK;
  snprintf(err, STORE_ERR_MAX, "the name of a stream has 1 to %d bytes, not %zu", STORE_NAME_MAX,
           len);
  return STORE_E_INVALID;
}

int store_stream_open(store *store, const char *name, store_stream **out, char *err) {
  int status = check_open(store, name, err);
  if (status != STORE_OK) return status;
  *out = find(store, name);
  if (*out != NULL) return STORE_OK;
  pthread_mutex_lock(&store->lock);
  *out = find(store, name);
  adding a = {store, name, {store->config.level, 0}, out, err, STORE_OK};
  if (*out == NULL) store_files_do(store->files, add_there, &a);
  pthread_mutex_unlock(&store->lock);
  return a.status;
}

/* A stream that is open is to keep these rules. With the store's lock. */
static int keep_rules(store *store, store_stream *stream, const store_rules *rules, char *err) {
  int level = rules->level != 0 ? (int)rules->level : atomic_load(&stream->level);
  int was_in_memory = atomic_load(&stream->level) == STORE_MEMORY,
      in_memory = level == STORE_MEMORY;
  int sealed = rules->sealed || stream->vault != NULL; /* what was sealed stays so */
  if (store->folder == NULL ||
      (was_in_memory == in_memory && (in_memory || sealed == (stream->vault != NULL)))) {
    atomic_store(&stream->level, level);
    return STORE_OK;
  }
  char *path = in_memory ? NULL : store_stream_path(store->folder, stream->name, sealed);
  int status = STORE_E_NOMEM;
  store_home home = {path, stream->name, sealed ? store->vault : NULL, level, 0};
  if ((in_memory || path != NULL) &&
      (!sealed || in_memory || store_sealed_folder_make(store->folder) == STORE_OK))
    status = store_stream_move(stream, &home);
  free(path);
  if (status != STORE_OK)
    snprintf(err, STORE_ERR_MAX, "stream %s: it has events that are %s", stream->name,
             was_in_memory ? "in memory alone; name another stream"
             : in_memory
                 ? "in files; name another stream, or move its folder away"
                 : "not sealed; seal them, with polyvm events seal, or name another stream");
  return status;
}

int store_stream_declare(store *store, const char *name, const store_rules *rules,
                         store_stream **out, char *err) {
  int status = check_open(store, name, err);
  if (status != STORE_OK) return status;
  store_rules own = *rules;
  if (own.level < 0 || own.level > STORE_SYNCED) {
    snprintf(err, STORE_ERR_MAX, "stream %s: there is no level %d", name, (int)own.level);
    return STORE_E_INVALID;
  }
  if (own.sealed && store->vault == NULL && store->folder != NULL) {
    snprintf(err, STORE_ERR_MAX, "stream %s: it is to be sealed, and there is no key", name);
    return STORE_E_KEY;
  }
  pthread_mutex_lock(&store->lock);
  *out = find(store, name);
  if (*out != NULL) status = keep_rules(store, *out, &own, err);
  else {
    if (own.level == 0) own.level = store->config.level;
    adding a = {store, name, own, out, err, STORE_OK};
    store_files_do(store->files, add_there, &a);
    status = a.status;
  }
  pthread_mutex_unlock(&store->lock);
  if (status == STORE_OK && own.level == STORE_MEMORY && store->config.retention.bytes == 0 &&
      store->config.retention.events == 0 && store->config.retention.age_ns == 0)
    store_stream_retain(*out, &(store_retention){.bytes = MEMORY_BYTES});
  return status;
}

store_level store_stream_level(const store_stream *stream) {
  return (store_level)atomic_load(&stream->level);
}

int store_stream_is_sealed(const store_stream *stream) {
  return stream->vault != NULL;
}

int store_commit(store *store) {
  store_stream *stream;
  for (uint32_t i = 0; (stream = store_stream_at(store, i)) != NULL; i++) {
    if (atomic_load(&stream->level) != STORE_SYNCED || stream->folder == NULL) continue;
    int status = store_sync_all(stream);
    if (status != STORE_OK) return status;
  }
  return STORE_OK;
}

store_stream *store_stream_at(store *store, uint32_t i) {
  return i < atomic_load_explicit(&store->count, memory_order_acquire) ? store->streams[i] : NULL;
}

const char *store_stream_name(const store_stream *stream) {
  return stream->name;
}

/* ---- Opening ------------------------------------------------------------ */

static int open_streams(store *store, int sealed, char *err) {
  char *folder = store_streams_folder(store->folder, sealed);
  if (folder == NULL) return STORE_E_NOMEM;
  DIR *entries = opendir(folder);
  int status = STORE_OK;
  if (entries == NULL) {
    if (!sealed || errno != ENOENT) {
      snprintf(err, STORE_ERR_MAX, "%s: %s", folder, strerror(errno));
      status = STORE_E_IO;
    }
    free(folder);
    return status;
  }
  for (const struct dirent *entry; status == STORE_OK && (entry = readdir(entries)) != NULL;) {
    char name[STORE_NAME_MAX + 1];
    store_stream *stream;
    if (store_stream_named(entry->d_name, name) != 0) continue;
    if (sealed && store->vault == NULL) {
      snprintf(err, STORE_ERR_MAX, "%s: these streams are sealed; the key is missing", folder);
      status = STORE_E_KEY;
    } else if (find(store, name) != NULL) {
      snprintf(err, STORE_ERR_MAX, "stream %s: it is there twice, sealed and not; move one away",
               name);
      status = STORE_E_INVALID;
    } else status = add(store, name, (store_rules){store->config.level, sealed}, &stream, err);
  }
  closedir(entries);
  free(folder);
  return status;
}

static int open_folder(store *store, char *err) {
  int status = store_folder_take(store->folder, 1, &store->lock_file, err);
  if (status == STORE_OK) status = store_conversions_finish(store->folder, err);
  if (status == STORE_OK && (store->files = store_files_start()) == NULL) status = STORE_E_NOMEM;
  if (status == STORE_OK) status = open_streams(store, 0, err);
  return status == STORE_OK ? open_streams(store, 1, err) : status;
}

int store_open(const store_config *config, store **out, char *err) {
  if (config->level < STORE_MEMORY || config->level > STORE_SYNCED) {
    snprintf(err, STORE_ERR_MAX, "there is no level %d", (int)config->level);
    return STORE_E_INVALID;
  }
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
    made->config.sealing = NULL;
    made->lock_file = -1;
    made->owner = store_process();
    pthread_mutex_init(&made->lock, NULL);
    if (config->sealing != NULL) {
      made->vault = store_vault_new(config->sealing);
      if (made->vault == NULL) status = STORE_E_NOMEM;
    }
    if (status == STORE_OK && config->folder != NULL) {
      made->folder = strdup(config->folder);
      status = made->folder != NULL ? open_folder(made, err) : STORE_E_NOMEM;
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
  if (store == NULL || store->owner != store_process()) return; /* a child's mappings are gone */
  store_files_stop(store->files);
  uint32_t count = atomic_load(&store->count);
  for (uint32_t i = 0; i < count; i++) store_stream_unload(store->streams[i]);
  if (store->lock_file >= 0) close(store->lock_file);
  pthread_mutex_destroy(&store->lock);
  store_vault_free(store->vault);
  free(store->folder);
  free(store);
}

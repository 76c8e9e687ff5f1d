/* model.c - loading models, and the process's table of those that are loaded.
**
** The table finds a model by its bytes (a keyed hash), options and folder, so that every VM that
** loads the same gets the same. Who comes first loads, outside of the lock; others wait for that. Its
** memory is charged to the first one, and counts until the last one has let go.
*/
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "context.h"
#include "passes.h"
#include "plan.h"
#include "timings.h"

/* ---- The table ---------------------------------------------------------- */

typedef enum state { LOADING, READY, FAILED } state;

typedef struct entry {
  pvg_model model; /* first: a pvg_model is its entry */
  struct entry *next;
  pvg_hash key;
  state state;
  uint32_t references; /* under the lock */
} entry;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t loaded = PTHREAD_COND_INITIALIZER;
static entry *entries;
static uint64_t secret[2];
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void make_secret(void) {
  if (getrandom(secret, sizeof secret, 0) == (ssize_t)sizeof secret) return;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  secret[0] = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u;
  secret[1] = (uint64_t)now.tv_sec ^ (uint64_t)(uintptr_t)&now;
}

static pvg_hash key_of(const void *bytes, size_t size, const pvg_options *options) {
  pthread_once(&secret_once, make_secret);
  struct {
    pvg_hash bytes, texts[3];
    double budget;
    uint64_t size;
    int64_t precision, threads;
  } all = {.bytes = pvg_hash_of(secret, bytes, size),
           .budget = options->budget,
           .size = size,
           .precision = options->precision,
           .threads = options->threads};
  const char *texts[3] = {options->cache, options->folder, options->backends};
  for (int i = 0; i < 3; i++)
    if (texts[i] != NULL) all.texts[i] = pvg_hash_of(secret, texts[i], strlen(texts[i]));
  return pvg_hash_of(secret, &all, sizeof all);
}

static entry *find(pvg_hash key) {
  for (entry *entry = entries; entry != NULL; entry = entry->next)
    if (entry->state != FAILED && memcmp(&entry->key, &key, sizeof key) == 0) return entry;
  return NULL;
}

static void unlink_entry(entry *gone) {
  for (entry **at = &entries; *at != NULL; at = &(*at)->next)
    if (*at == gone) {
      *at = gone->next;
      return;
    }
}

static void wait_a_little(void) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 5000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_nsec -= 1000000000;
    until.tv_sec++;
  }
  pthread_cond_timedwait(&loaded, &lock, &until);
}

/* The entry for the key: a ready one, referred to; or a new one that the caller has to load. */
static int acquire(pvg_hash key, entry **found, bool *load) {
  *load = false;
  for (;;) {
    pthread_mutex_lock(&lock);
    entry *there = find(key);
    if (there != NULL && there->state == READY && !pvg_folder_is_current(&there->model.folder)) {
      unlink_entry(there); /* who has it keeps it; others get what the files say now */
      there = NULL;
    }
    if (there != NULL && there->state == READY) {
      there->references++;
      *found = there;
      pthread_mutex_unlock(&lock);
      return PVT_OK;
    }
    if (there == NULL) {
      entry *made = calloc(1, sizeof *made);
      if (made != NULL) {
        *made = (entry){.next = entries, .key = key, .state = LOADING, .references = 1};
        entries = made;
      }
      pthread_mutex_unlock(&lock);
      *found = made;
      *load = true;
      return made != NULL ? PVT_OK : pvt_fail(PVT_E_NOMEM, "out of memory");
    }
    wait_a_little();
    pthread_mutex_unlock(&lock);
    int status = pvt_poll();
    if (status < 0) return status;
  }
}

/* Plans of a graph and of those within it: made or released. */
static int make_plans(pvg_graph *graph) {
  if (graph->plans != NULL) return PVT_OK; /* a function's attribute may be used twice */
  graph->plans = pvg_plans_new();
  int status = graph->plans != NULL ? PVT_OK : pvt_error_status();
  for (int n = 0; n < graph->node_count; n++)
    for (int a = 0; a < graph->nodes[n]->attribute_count && status >= 0; a++)
      if (graph->nodes[n]->attributes[a].kind == PVG_GRAPH)
        status = make_plans(graph->nodes[n]->attributes[a].graph);
  return status;
}

static void release_plans(pvg_graph *graph) {
  if (graph == NULL || graph->plans == NULL) return;
  pvg_plans_release(graph->plans);
  graph->plans = NULL;
  for (int n = 0; n < graph->node_count; n++)
    for (int a = 0; a < graph->nodes[n]->attribute_count; a++)
      if (graph->nodes[n]->attributes[a].kind == PVG_GRAPH)
        release_plans(graph->nodes[n]->attributes[a].graph);
}

static void dispose(entry *entry) {
  pvt_buffer *bytes = entry->model.bytes;
  release_plans(entry->model.graph);
  pvg_timings_release(entry->model.timings);
  pvg_pool_release(entry->model.pool);
  pvt_buffer_release(bytes);
  free(entry);
}

pvg_model *pvg_model_retain(pvg_model *model) {
  pthread_mutex_lock(&lock);
  ((entry *)model)->references++;
  pthread_mutex_unlock(&lock);
  return model;
}

void pvg_model_release(pvg_model *model) {
  if (model == NULL) return;
  entry *gone = (entry *)model;
  pthread_mutex_lock(&lock);
  bool last = --gone->references == 0;
  if (last) unlink_entry(gone);
  pthread_mutex_unlock(&lock);
  if (last) dispose(gone);
}

/* ---- Loading ------------------------------------------------------------ */

static int copy_options(pvg_model *model, const pvg_options *options) {
  model->options = *options;
  const char **texts[3] = {&model->options.cache, &model->options.folder, &model->options.backends};
  for (int i = 0; i < 3; i++) {
    if (*texts[i] == NULL) continue;
    *texts[i] = pvg_pool_text(model->pool, *texts[i], strlen(*texts[i]));
    if (*texts[i] == NULL) return pvt_error_status();
  }
  return PVT_OK;
}

static int fill(pvg_model *model, const void *bytes, size_t size, const pvg_options *options,
                bool kept) {
  model->pool = pvg_pool_new();
  if (model->pool == NULL) return pvt_error_status();
  int status = copy_options(model, options);
  if (status < 0) return status;
  model->folder = (pvg_folder){.path = model->options.folder, .pool = model->pool};
  pvg_source source = {.pool = model->pool, .kept = kept, .folder = &model->folder};
  if (options->cache != NULL) {
    static const uint64_t open_key[2] = {0, 0};
    model->name = pvg_hash_of(open_key, bytes, size);
  }
  status = pvg_onnx_read(&source, (pvg_span){bytes, size}, &model->symbols, &model->graph);
  if (status >= 0) status = pvg_infer_graph(&model->symbols, model->graph);
  if (status >= 0) status = pvg_simplify(model->pool, &model->symbols, model->graph);
  if (status >= 0) status = pvg_timings_new(model);
  return status < 0 ? status : make_plans(model->graph);
}

int pvg_model_load(const void *bytes, size_t size, const pvg_options *options,
                   void (*release)(void *owner), void *owner, pvg_model **model) {
  pvg_options wanted = options != NULL ? *options : (pvg_options){0};
  if (wanted.budget == 0) wanted.budget = 0.3;
  if (wanted.threads <= 0) wanted.threads = 1;
  if (wanted.precision < PVG_EXACT || wanted.precision > PVG_SMALL)
    return pvt_fail(PVT_E_VALUE, "there is no precision %d", (int)wanted.precision);
  entry *entry;
  bool load;
  int status = acquire(key_of(bytes, size, &wanted), &entry, &load);
  if (status < 0) return status;
  if (!load) {
    if (release != NULL) release(owner);
    *model = &entry->model;
    return PVT_OK;
  }
  status = fill(&entry->model, bytes, size, &wanted, release != NULL);
  if (status == PVT_OK && release != NULL) {
    entry->model.bytes = pvt_buffer_foreign((void *)bytes, size, release, owner);
    if (entry->model.bytes == NULL) status = pvt_error_status();
  }
  pthread_mutex_lock(&lock);
  entry->state = status == PVT_OK ? READY : FAILED;
  if (status != PVT_OK) unlink_entry(entry);
  pthread_cond_broadcast(&loaded);
  pthread_mutex_unlock(&lock);
  if (status != PVT_OK) dispose(entry);
  else *model = &entry->model;
  return status;
}

typedef struct mapping {
  void *data;
  size_t size;
} mapping;

static void unmap(void *owner) {
  mapping *mapping = owner;
  munmap(mapping->data, mapping->size);
  free(mapping);
}

int pvg_model_open(const char *path, const pvg_options *options, pvg_model **model) {
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat about;
  if (file < 0 || fstat(file, &about) != 0) {
    int status = pvt_fail(PVT_E_VALUE, "the model %s cannot be opened: %s", path, strerror(errno));
    if (file >= 0) close(file);
    return status;
  }
  if (!S_ISREG(about.st_mode) || about.st_size == 0) {
    close(file);
    return pvt_fail(PVT_E_VALUE, "the model %s is %s", path,
                    S_ISREG(about.st_mode) ? "empty" : "no plain file");
  }
  mapping *owner = malloc(sizeof *owner);
  char *folder = strdup(path);
  void *data = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  int status;
  if (owner == NULL || folder == NULL || data == MAP_FAILED)
    status = pvt_fail(PVT_E_NOMEM, "the model %s cannot be mapped: %s", path, strerror(errno));
  else {
    *owner = (mapping){data, (size_t)about.st_size};
    char *slash = strrchr(folder, '/');
    if (slash == folder) slash++;
    if (slash != NULL) *slash = 0;
    pvg_options wanted = options != NULL ? *options : (pvg_options){0};
    if (wanted.folder == NULL) wanted.folder = slash != NULL ? folder : ".";
    status = pvg_model_load(data, owner->size, &wanted, unmap, owner, model);
  }
  free(folder);
  if (status != PVT_OK) {
    if (data != MAP_FAILED) munmap(data, (size_t)about.st_size);
    free(owner);
  }
  return status;
}

/* ---- What is known of it ------------------------------------------------ */

int pvg_model_inputs(const pvg_model *model) {
  return model->graph->input_count;
}

int pvg_model_outputs(const pvg_model *model) {
  return model->graph->output_count;
}

static void describe_port(const pvg_model *model, const pvg_value *value, pvg_port *port) {
  *port = (pvg_port){.name = value->name,
                     .dtype = value->info.dtype,
                     .ranked = value->info.ranked,
                     .ndim = value->info.ndim};
  for (int i = 0; i < value->info.ndim; i++) {
    bool free = PVG_IS_SYMBOL(value->info.size[i]);
    port->size[i] = free ? -1 : value->info.size[i];
    port->symbol[i] = free ? pvg_symbol_name(&model->symbols, value->info.size[i]) : NULL;
  }
}

void pvg_model_input(const pvg_model *model, int i, pvg_port *port) {
  describe_port(model, model->graph->inputs[i], port);
}

void pvg_model_output(const pvg_model *model, int i, pvg_port *port) {
  describe_port(model, model->graph->outputs[i], port);
}

size_t pvg_model_bytes(const pvg_model *model) {
  return pvg_pool_bytes(model->pool) + (model->bytes != NULL ? pvt_buffer_size(model->bytes) : 0);
}

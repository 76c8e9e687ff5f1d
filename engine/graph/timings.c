/* timings.c - measurements, in memory and in a file. */
#include "timings.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "context.h"

#define VERSION "polyvm plan 2"
#define MOST_BYTES ((size_t)4 << 20)
#define LINE 512

typedef struct timing {
  const char *key;
  double seconds;
  struct timing *before;
} timing;

typedef struct pvg_timings {
  pthread_mutex_t lock;
  pvg_pool *pool;
  pvg_names names;
  timing *last;
  size_t bytes; /* as text, about */
  bool is_new;
  double spent;
} pvg_timings;

static const uint64_t open_key[2] = {0, 0};

/* ---- In memory ----------------------------------------------------------- */

static timing *find(pvg_timings *timings, const char *key) {
  return pvg_names_get(&timings->names, key, strlen(key), NULL);
}

double pvg_timings_get(pvg_timings *timings, const char *key) {
  pthread_mutex_lock(&timings->lock);
  const timing *known = find(timings, key);
  double seconds = known != NULL ? known->seconds : 0;
  pthread_mutex_unlock(&timings->lock);
  return seconds;
}

static void put(pvg_timings *timings, const char *key, size_t size, double seconds) {
  char *text = pvg_pool_text(timings->pool, key, size);
  timing *made = pvg_pool_take(timings->pool, sizeof *made);
  if (text == NULL || made == NULL || timings->bytes > MOST_BYTES / 2) return;
  *made = (timing){text, seconds, timings->last};
  if (pvg_names_add(&timings->names, timings->pool, text, size, made) != 1) return;
  timings->last = made;
  timings->bytes += size + 32;
}

void pvg_timings_put(pvg_timings *timings, const char *key, double seconds) {
  if (strlen(key) >= LINE - 40) return;
  pthread_mutex_lock(&timings->lock);
  put(timings, key, strlen(key), seconds);
  timings->is_new = true;
  pthread_mutex_unlock(&timings->lock);
}

#define BUDGETS 4 /* of one plan, for all of a model's */

double pvg_timings_left(pvg_timings *timings, double budget) {
  pthread_mutex_lock(&timings->lock);
  double left = BUDGETS * budget - timings->spent;
  pthread_mutex_unlock(&timings->lock);
  return left < 0 ? 0 : left < budget ? left : budget;
}

void pvg_timings_spend(pvg_timings *timings, double seconds) {
  pthread_mutex_lock(&timings->lock);
  timings->spent += seconds;
  pthread_mutex_unlock(&timings->lock);
}

/* ---- In a file ----------------------------------------------------------- */

/* The processor's name and what is used of it. */
static uint64_t machine(void) {
  char text[4096] = "";
  FILE *file = fopen("/proc/cpuinfo", "re");
  if (file != NULL) {
    char line[256];
    while (fgets(line, sizeof line, file) != NULL)
      if (strncmp(line, "model name", 10) == 0) {
        snprintf(text, sizeof text, "%s", line);
        break;
      }
    fclose(file);
  }
  size_t used = strlen(text);
  snprintf(text + used, sizeof text - used, " %s", pvt_isa());
  return pvg_hash_of(open_key, text, strlen(text)).word[0];
}

static int path_of(const pvg_model *model, char path[4096]) {
  static const char *const precisions[] = {"exact", "fast", "small"};
  int size =
      snprintf(path, 4096, "%s/%016llx%016llx-%016llx-%s.plan", model->options.cache,
               (unsigned long long)model->name.word[0], (unsigned long long)model->name.word[1],
               (unsigned long long)machine(), precisions[model->options.precision]);
  return size > 0 && size < 4096 - 16 ? PVT_OK : PVT_E_VALUE;
}

/* Lines "seconds key", if the last line has the hash of what is before it. */
static void read_text(pvg_timings *timings, char *text, size_t size) {
  size_t head = strlen(VERSION "\n");
  char *end = memrchr(text, '\n', size > 0 ? size - 1 : 0);
  if (size < head || memcmp(text, VERSION "\n", head) != 0 || end == NULL) return;
  char hash[40];
  size_t body = (size_t)(end + 1 - text);
  snprintf(hash, sizeof hash, "%016llx\n",
           (unsigned long long)pvg_hash_of(open_key, text, body).word[0]);
  if (size - body != strlen(hash) || memcmp(end + 1, hash, size - body) != 0) return;
  for (char *line = text + head; line <= end;) {
    char *stop = memchr(line, '\n', (size_t)(end + 1 - line));
    *stop = 0;
    char *key;
    double seconds = strtod(line, &key);
    if (*key == ' ' && isfinite(seconds) && seconds > 0)
      put(timings, key + 1, strlen(key + 1), seconds);
    line = stop + 1;
  }
}

static void read_file(pvg_timings *timings, const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat about;
  if (file < 0) return;
  if (fstat(file, &about) == 0 && S_ISREG(about.st_mode) && (size_t)about.st_size <= MOST_BYTES) {
    size_t size = (size_t)about.st_size;
    char *text = malloc(size + 1);
    if (text != NULL && read(file, text, size) == (ssize_t)size) read_text(timings, text, size);
    free(text);
  }
  close(file);
}

int pvg_timings_new(pvg_model *model) {
  pvg_pool *pool = pvg_pool_new();
  pvg_timings *timings = pool != NULL ? pvg_pool_take(pool, sizeof *timings) : NULL;
  if (timings == NULL) {
    pvg_pool_release(pool);
    return pvt_error_status();
  }
  timings->pool = pool;
  pthread_mutex_init(&timings->lock, NULL);
  char path[4096];
  if (model->options.cache != NULL && path_of(model, path) == PVT_OK) read_file(timings, path);
  model->timings = timings;
  return PVT_OK;
}

void pvg_timings_release(pvg_timings *timings) {
  if (timings == NULL) return;
  pthread_mutex_destroy(&timings->lock);
  pvg_pool_release(timings->pool);
}

static bool write_all(int file, const char *text, size_t size) {
  while (size > 0) {
    ssize_t done = write(file, text, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    text += done;
    size -= (size_t)done;
  }
  return true;
}

static void save(pvg_timings *timings, const char *path) {
  char *text = NULL;
  size_t size = 0;
  FILE *made = open_memstream(&text, &size);
  if (made == NULL) return;
  fputs(VERSION "\n", made);
  for (const timing *one = timings->last; one != NULL; one = one->before)
    fprintf(made, "%.6e %s\n", one->seconds, one->key);
  if (fflush(made) == 0)
    fprintf(made, "%016llx\n", (unsigned long long)pvg_hash_of(open_key, text, size).word[0]);
  char temporary[4096 + 16];
  snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
  if (fclose(made) == 0) {
    int file = mkostemp(temporary, O_CLOEXEC);
    if (file >= 0) {
      bool whole = write_all(file, text, size);
      if (close(file) != 0 || !whole || rename(temporary, path) != 0) unlink(temporary);
      else timings->is_new = false;
    }
  }
  free(text);
}

void pvg_timings_save(const pvg_model *model) {
  char path[4096];
  pvg_timings *timings = model->timings;
  if (model->options.cache == NULL || path_of(model, path) != PVT_OK) return;
  pthread_mutex_lock(&timings->lock);
  if (timings->is_new) save(timings, path);
  pthread_mutex_unlock(&timings->lock);
}

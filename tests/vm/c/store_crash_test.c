/* store_crash_test.c - a store after kill -9 at random instants, and after power cuts.
**
** A child appends and notes what was accepted, and what was synced, in memory that outlives it; it is
** killed when that has come to a random number. Every accepted event must be there, once; of a stream in
** memory none, and nothing in files. For a power cut, sectors that were not synced are set back at random
** to what the disk had before: every event that was committed at the level `synced` must be there, and
** nothing that was never appended. All of it for plain and for sealed streams.
**
** usage: store_crash_test [kills] [seed]
*/
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "sealing.h"
#include "store.h"

#define SECTOR 512
#define SEGMENT STORE_SEGMENT_MIN
#define VALUE_MAX 1500

typedef struct progress {
  _Atomic uint64_t accepted, synced; /* sequence numbers */
} progress;

static char folder[] = "/tmp/store_crash.XXXXXX";
static char err[STORE_ERR_MAX];
static progress *shared;
static uint64_t state;
static store_rules rules; /* of the stream */

static uint64_t draw(uint64_t below) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state % below;
}

/* Event number n always holds the same. */
static size_t make(char *text, uint64_t n) {
  size_t len = (size_t)(n * 2654435761u % VALUE_MAX);
  for (size_t i = 0; i < len; i++) text[i] = (char)(n * 31 + i * 7);
  return len;
}

static store *open_it(store_stream **stream) {
  store_config config;
  store_config_init(&config);
  config.folder = folder;
  config.segment_bytes = SEGMENT;
  store_sealing sealing = sealing_of(5);
  config.sealing = &sealing;
  store *opened;
  int status = store_open(&config, &opened, err);
  if (status != STORE_OK) fprintf(stderr, "%s\n", err);
  CHECK(status == STORE_OK);
  CHECK(store_stream_declare(opened, "events", &rules, stream, err) == STORE_OK);
  return opened;
}

static uint64_t next_of(store_stream *stream) {
  store_stats stats;
  store_stream_stats(stream, &stats);
  return stats.next;
}

/* What a child does until it is killed, or has appended `most`. */
static void append_until(uint64_t most, int syncs) {
  store_stream *stream;
  store *opened = open_it(&stream);
  char text[4][VALUE_MAX], key[4][8];
  for (uint64_t n = next_of(stream); most != 0;) {
    store_event events[4];
    size_t count = 1 + (size_t)(n % 4);
    for (size_t i = 0; i < count; i++) {
      events[i] = (store_event){.time_ns = (int64_t)(n + i), .arrival_ns = (int64_t)(n + i)};
      events[i].key = (store_bytes){key[i], (size_t)sprintf(key[i], "%d", (int)((n + i) % 50))};
      events[i].value = (store_bytes){text[i], make(text[i], n + i)};
    }
    if (store_append(stream, events, count, NULL) != STORE_OK) _exit(1);
    n += count;
    atomic_store(&shared->accepted, n - 1);
    if (syncs && n % 16 < count) {
      if (store_commit(opened) != STORE_OK) _exit(2);
      atomic_store(&shared->synced, n - 1);
    }
    most -= count < most ? count : most;
  }
  _exit(0);
}

typedef struct checking {
  uint64_t next;
} checking;

static int check_event(void *arg, const store_event *event) {
  checking *c = arg;
  char text[VALUE_MAX], key[8];
  CHECK(event->sequence >= c->next && event->time_ns == (int64_t)event->sequence);
  c->next = event->sequence + 1;
  CHECK(event->value.len == make(text, event->sequence));
  CHECK(memcmp(event->value.data, text, event->value.len) == 0);
  size_t len = (size_t)sprintf(key, "%d", (int)(event->sequence % 50));
  CHECK(event->key.len == len && memcmp(event->key.data, key, len) == 0);
  return 0;
}

/* All up to `until` are there, in order, once; returns the number of the last. */
static uint64_t check_store(uint64_t until) {
  store_stream *stream;
  store *opened = open_it(&stream);
  checking c = {1};
  int64_t count = store_read(stream, 1, UINT64_MAX, check_event, &c);
  uint64_t whole = (uint64_t)count;
  if (whole < until)
    fprintf(stderr, "%llu events of %llu\n", (unsigned long long)whole, (unsigned long long)until);
  CHECK(whole >= until);
  store_close(opened);
  return whole;
}

static void wait_until(uint64_t accepted, pid_t child) {
  while (atomic_load(&shared->accepted) < accepted) {
    CHECK(waitpid(child, NULL, WNOHANG) == 0);
    sched_yield();
  }
}

static void each_file(const char *path, void (*visit)(const char *path)) {
  DIR *entries = opendir(path);
  if (entries == NULL) {
    visit(path);
    return;
  }
  for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    if (entry->d_name[0] == '.' || strcmp(entry->d_name, "lock") == 0) continue;
    char inner[400];
    snprintf(inner, sizeof inner, "%.300s/%.80s", path, entry->d_name);
    each_file(inner, visit);
  }
  closedir(entries);
}

static void remove_file(const char *path) {
  unlink(path);
}

static void no_file(const char *path) {
  fprintf(stderr, "%s\n", path);
  CHECK(0);
}

/* Nothing of a stream in memory is there after a kill, and its files are none. */
static void test_kills_in_memory(long kills) {
  each_file(folder, remove_file);
  for (long i = 0; i < kills; i++) {
    atomic_store(&shared->accepted, 0);
    pid_t child = fork();
    if (child == 0) append_until(UINT64_MAX, 0);
    wait_until(1 + draw(400), child);
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(check_store(0) == 0);
  }
  each_file(folder, no_file);
}

static void test_kills(long kills) {
  for (long i = 0; i < kills; i++) {
    if (i % 50 == 0) { /* all of it is read again after each kill */
      each_file(folder, remove_file);
      atomic_store(&shared->accepted, 0);
    }
    uint64_t before = atomic_load(&shared->accepted);
    pid_t child = fork();
    if (child == 0) append_until(UINT64_MAX, 0);
    wait_until(before + 1 + draw(400), child);
    for (uint64_t spin = draw(2000); spin != 0; spin--) atomic_load(&shared->accepted);
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
    uint64_t there = check_store(atomic_load(&shared->accepted));
    CHECK(there <= atomic_load(&shared->accepted) + 4);
    atomic_store(&shared->accepted, there);
  }
}

/* ---- Power cuts --------------------------------------------------------- */

#define FILES_MAX 256
static struct file {
  char path[400];
  size_t size;
  char *bytes;
} before[FILES_MAX];
static int before_count;

static size_t load(const char *path, char **bytes) {
  int file = open(path, O_RDONLY);
  struct stat about;
  CHECK(file >= 0 && fstat(file, &about) == 0);
  *bytes = malloc((size_t)about.st_size + 1);
  CHECK(read(file, *bytes, (size_t)about.st_size) == about.st_size);
  close(file);
  return (size_t)about.st_size;
}

static void remember(const char *path) {
  CHECK(before_count < FILES_MAX);
  struct file *file = &before[before_count++];
  snprintf(file->path, sizeof file->path, "%s", path);
  file->size = load(path, &file->bytes);
}

/* Half of the sectors that changed since then have not reached the disk. */
static void cut(const char *path) {
  char *now;
  size_t size = load(path, &now);
  const struct file *old = NULL;
  for (int i = 0; i < before_count; i++)
    if (strcmp(before[i].path, path) == 0) old = &before[i];
  for (size_t at = 0; at < size; at += SECTOR) {
    size_t len = size - at < SECTOR ? size - at : SECTOR;
    if (draw(2) == 0) continue;
    if (old != NULL && at + len <= old->size) memcpy(now + at, old->bytes + at, len);
    else memset(now + at, 0, len);
  }
  int file = open(path, O_WRONLY);
  CHECK(file >= 0 && write(file, now, size) == (ssize_t)size);
  close(file);
  free(now);
}

/* Everything is synced, then more is appended, then the power goes. */
static void test_power_cuts(long cuts) {
  for (long i = 0; i < cuts; i++) {
    each_file(folder, remove_file);
    atomic_store(&shared->accepted, 0);
    pid_t child = fork();
    if (child == 0) append_until(1 + draw(300), 1);
    CHECK(waitpid(child, NULL, 0) == child);
    child = fork();
    if (child == 0) {
      store_stream *stream;
      _exit(store_commit(open_it(&stream)) == STORE_OK ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    uint64_t synced = atomic_load(&shared->accepted);
    for (int k = 0; k < before_count; k++) free(before[k].bytes);
    before_count = 0;
    each_file(folder, remember);
    child = fork();
    if (child == 0) append_until(1 + draw(300), 0);
    CHECK(waitpid(child, NULL, 0) == child);
    each_file(folder, cut);
    uint64_t there = check_store(synced);
    CHECK(there <= atomic_load(&shared->accepted));
    check_store(there); /* and once more: opening has not made it worse */
    child = fork(); /* appends go on */
    if (child == 0) append_until(10, 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    check_store(there + 10);
  }
}

int main(int argc, char **argv) {
  long kills = number(argc, argv, 1, 500);
  if (kills > 2000) kills = 16; /* the quick form of all programs says it so */
  state = (uint64_t)number(argc, argv, 2, (long)time(NULL));
  fprintf(stderr, "seed %llu\n", (unsigned long long)state);
  shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED && mkdtemp(folder) != NULL);
  rules = (store_rules){STORE_MEMORY, 0};
  test_kills_in_memory(kills / 8);
  for (int sealed = 0; sealed < 2; sealed++) {
    rules = (store_rules){STORE_FLUSHED, sealed};
    test_kills(kills);
    rules.level = STORE_SYNCED;
    test_power_cuts(kills / 8);
    char inner[400];
    each_file(folder, remove_file);
    snprintf(inner, sizeof inner, "rm -rf %s/stream-* %s/sealed", folder, folder);
    CHECK(system(inner) != -1);
  }
  each_file(folder, remove_file);
  char inner[400];
  snprintf(inner, sizeof inner, "rm -r %s", folder);
  CHECK(system(inner) == 0);
  puts("store_crash_test: ok");
  return 0;
}

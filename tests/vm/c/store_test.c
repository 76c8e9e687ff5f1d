/* store_test.c - threads append to streams, sealed ones too, and read them; what is read is what was
** appended.
**
** usage: store_test [events] [seed]
*/
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "sealing.h"
#include "store.h"

#define WRITERS 4
#define READERS 3
#define KEYS 37

static char folder[] = "/tmp/store_test.XXXXXX";
static char err[STORE_ERR_MAX];
static store_stream *stream;
static _Atomic int writing;
static long rounds;

/* What writer w's i-th event holds. */
static store_event make(char text[64], char key[16], long w, long i) {
  int len = sprintf(text, "%ld/%ld:", w, i);
  memset(text + len, 'x', (size_t)(i % 29));
  store_event event = {.time_ns = w * 1000000000L + i, .arrival_ns = i};
  event.key = (store_bytes){key, (size_t)sprintf(key, "k%ld", (w * 7 + i) % KEYS)};
  event.value = (store_bytes){text, (size_t)len + (size_t)(i % 29)};
  return event;
}

static void check_event(const store_event *event) {
  char text[64], key[16];
  long w = event->time_ns / 1000000000L, i = event->time_ns % 1000000000L;
  store_event expected = make(text, key, w, i);
  CHECK(event->key.len == expected.key.len && memcmp(event->key.data, key, event->key.len) == 0);
  CHECK(event->value.len == expected.value.len);
  CHECK(memcmp(event->value.data, text, event->value.len) == 0);
}

static void *write_events(void *argument) {
  long w = (long)argument;
  char text[8][64], key[8][16];
  for (long i = 0; i < rounds;) {
    store_event events[8];
    size_t count = 0, accepted;
    for (; count < (size_t)(1 + i % 8) && i < rounds; i++, count++)
      events[count] = make(text[count], key[count], w, i);
    CHECK(store_append(stream, events, count, &accepted) == STORE_OK && accepted == count);
    for (size_t k = 1; k < count; k++) CHECK(events[k].sequence == events[0].sequence + k);
    if (i % 1024 == 0) CHECK(store_sync(stream, events[count - 1].sequence) == STORE_OK);
  }
  return NULL;
}

typedef struct seen {
  uint64_t last;
  int64_t from, until;
  long by[WRITERS];
  long count;
} seen;

static int in_order(void *arg, const store_event *event) {
  seen *s = arg;
  check_event(event);
  CHECK(s->last == 0 || event->sequence == s->last + 1);
  s->last = event->sequence;
  s->by[event->time_ns / 1000000000L]++;
  s->count++;
  return 0;
}

static int in_time(void *arg, const store_event *event) {
  seen *s = arg;
  check_event(event);
  CHECK(event->time_ns >= s->from && event->time_ns < s->until);
  s->count++;
  return 0;
}

static int of_key(void *arg, const store_event *event) {
  seen *s = arg;
  check_event(event);
  CHECK(event->key.len == 2 && memcmp(event->key.data, "k5", 2) == 0);
  CHECK(s->last == 0 || event->sequence < s->last);
  s->last = event->sequence;
  s->count++;
  return 0;
}

static void *read_events(void *argument) {
  (void)argument;
  do {
    seen all = {0}, times = {.from = 1000000010L, .until = 1000000200L}, key = {0};
    CHECK(store_read(stream, 1, UINT64_MAX, in_order, &all) == all.count);
    CHECK(store_read_times(stream, times.from, times.until, 0, 100, in_time, &times) <= 100);
    CHECK(store_read_key(stream, (store_bytes){"k5", 2}, 50, of_key, &key) <= 50);
  } while (atomic_load(&writing));
  return NULL;
}

static store *open_it(uint64_t segment_bytes) {
  store_config config;
  store_config_init(&config);
  config.folder = folder;
  config.segment_bytes = segment_bytes;
  store_sealing sealing = sealing_of(3);
  config.sealing = &sealing;
  store *opened;
  CHECK(store_open(&config, &opened, err) == STORE_OK);
  return opened;
}

static void check_all(long writers) {
  seen all = {0}, key = {0}, times = {.from = 1000000010L, .until = 1000000020L};
  CHECK(store_read(stream, 0, UINT64_MAX, in_order, &all) == writers * rounds);
  for (long w = 0; w < writers; w++) CHECK(all.by[w] == rounds);
  long expected = 0;
  for (long w = 0; w < writers; w++)
    for (long i = 0; i < rounds; i++) expected += (w * 7 + i) % KEYS == 5;
  CHECK(store_read_key(stream, (store_bytes){"k5", 2}, UINT64_MAX, of_key, &key) == expected);
  CHECK(store_read_key(stream, (store_bytes){"none", 4}, 1, of_key, &key) == 0);
  CHECK(store_read_times(stream, times.from, times.until, 0, 1000, in_time, &times) == 10);
}

static void test_threads(int sealed) {
  store *opened = open_it(STORE_SEGMENT_MIN);
  store_rules rules = {STORE_FLUSHED, sealed};
  CHECK(store_stream_declare(opened, "clicks \xc3\xaf/..", &rules, &stream, err) == STORE_OK);
  pthread_t writers[WRITERS], readers[READERS];
  atomic_store(&writing, 1);
  for (long i = 0; i < WRITERS; i++)
    CHECK(pthread_create(&writers[i], NULL, write_events, (void *)i) == 0);
  for (long i = 0; i < READERS; i++)
    CHECK(pthread_create(&readers[i], NULL, read_events, NULL) == 0);
  for (int i = 0; i < WRITERS; i++) pthread_join(writers[i], NULL);
  atomic_store(&writing, 0);
  for (int i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
  check_all(WRITERS);
  store_close(opened);
  opened = open_it(STORE_SEGMENT_MIN * 2);
  stream = store_stream_at(opened, 0);
  CHECK(stream != NULL && strcmp(store_stream_name(stream), "clicks \xc3\xaf/..") == 0);
  check_all(WRITERS);
  store_stats stats;
  store_stream_stats(stream, &stats);
  CHECK(stats.first == 1 && stats.next == (uint64_t)(WRITERS * rounds) + 1);
  CHECK(stats.damaged == 0 && stats.cleared == 0 && stats.keys == KEYS);
  CHECK(store_stream_is_sealed(stream) == sealed);
  store_close(opened);
}

/* One process at a time; nothing for a child of it. */
static void test_processes(void) {
  store *opened = open_it(STORE_SEGMENT_MIN);
  stream = store_stream_at(opened, 0);
  pid_t child = fork();
  if (child == 0) {
    store_event event = {0};
    if (store_append(stream, &event, 1, NULL) != STORE_E_FORKED) _exit(1);
    if (store_read(stream, 0, 1, in_order, NULL) != STORE_E_FORKED) _exit(2);
    store_close(opened);
    store_config config;
    store_config_init(&config);
    config.folder = folder;
    _exit(store_open(&config, &opened, err) == STORE_E_BUSY ? 0 : 3);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  store_close(opened);
}

/* A store of many segments takes few descriptors. */
static void test_descriptors(int sealed) {
  struct rlimit before, few;
  CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
  few = (struct rlimit){40, before.rlim_max};
  CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
  static char big[STORE_SEGMENT_MIN / 2];
  store_rules rules = {STORE_SYNCED, sealed};
  store_stats stats;
  for (uint64_t turn = 0; turn < 2; turn++) {
    store *opened = open_it(STORE_SEGMENT_MIN);
    CHECK(store_stream_declare(opened, "many", &rules, &stream, err) == STORE_OK);
    store_event event = {.key = {"same", 4}, .value = {big, sizeof big}};
    for (int i = 0; i < 50; i++) CHECK(store_append(stream, &event, 1, NULL) == STORE_OK);
    CHECK(store_commit(opened) == STORE_OK);
    store_stream_stats(stream, &stats);
    CHECK(stats.next == turn * 50 + 51 && stats.synced == stats.next - 1 && stats.segments >= 50);
    store_close(opened);
  }
  CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

static int any(void *arg, const store_event *event) {
  (void)arg, (void)event;
  return 0;
}

/* The next segment is made ahead: a process that dies before it begins it leaves its file, which the next
** one removes; one that is closed leaves none. */
static void test_made_ahead(int sealed) {
  static char big[STORE_SEGMENT_MIN / 8];
  char inner[200];
  snprintf(inner, sizeof inner, "%s/%sstream-ahead", folder, sealed ? "sealed/" : "");
  char files[4][240];
  for (int i = 0; i < 4; i++) snprintf(files[i], sizeof files[i], "%s/%016x.events", inner, i);
  store_rules rules = {STORE_FLUSHED, sealed};
  store_event event = {.key = {"same", 4}, .value = {big, sizeof big}};
  pid_t child = fork();
  if (child == 0) {
    store *opened = open_it(STORE_SEGMENT_MIN);
    if (store_stream_declare(opened, "ahead", &rules, &stream, err) != STORE_OK) _exit(1);
    for (int i = 0; i < 5; i++)
      if (store_append(stream, &event, 1, NULL) != STORE_OK) _exit(2);
    struct stat about;
    while (stat(files[2], &about) != 0 || about.st_size != STORE_SEGMENT_MIN) sched_yield();
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(access(files[2], F_OK) == 0);
  store *opened = open_it(STORE_SEGMENT_MIN);
  CHECK(store_stream_open(opened, "ahead", &stream, err) == STORE_OK);
  CHECK(access(files[1], F_OK) == 0 && access(files[2], F_OK) != 0);
  CHECK(store_append(stream, &event, 1, NULL) == STORE_OK);
  CHECK(store_read(stream, 0, UINT64_MAX, any, NULL) == 6);
  store_stats stats;
  store_stream_stats(stream, &stats);
  CHECK(stats.next == 7 && stats.segments == 1u + (unsigned)sealed && stats.damaged == 0);
  store_close(opened);
  CHECK((access(files[2], F_OK) == 0) == sealed && access(files[3], F_OK) != 0);
}

static void test_retention(void) {
  store_config config;
  store_config_init(&config);
  config.segment_bytes = STORE_SEGMENT_MIN;
  store *opened;
  CHECK(store_open(&config, &opened, err) == STORE_OK);
  CHECK(store_stream_open(opened, "short", &stream, err) == STORE_OK);
  store_stream_retain(stream, &(store_retention){.bytes = 4 * STORE_SEGMENT_MIN});
  static char big[STORE_SEGMENT_MIN / 8];
  memset(big, 'b', sizeof big);
  for (int64_t i = 0; i < 200; i++) {
    store_event event = {.time_ns = i, .key = {"same", 4}, .value = {big, sizeof big}};
    CHECK(store_append(stream, &event, 1, NULL) == STORE_OK);
  }
  store_stats stats;
  store_stream_stats(stream, &stats);
  CHECK(stats.segments <= 5 && stats.first > 100 && stats.next == 201);
  CHECK(stats.dropped == stats.first - 1);
  store_event large = {.value = {big, sizeof big}};
  large.value.len = STORE_SEGMENT_MIN;
  CHECK(store_append(stream, &large, 1, NULL) == STORE_E_SIZE);
  CHECK(store_sync(stream, 1) == STORE_E_INVALID);
  store_close(opened);
}

static void remove_all(const char *path) {
  DIR *entries = opendir(path);
  if (entries == NULL) {
    unlink(path);
    return;
  }
  for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    char inner[512];
    snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
    remove_all(inner);
  }
  closedir(entries);
  rmdir(path);
}

int main(int argc, char **argv) {
  rounds = number(argc, argv, 1, 20000) / WRITERS + 300;
  CHECK(mkdtemp(folder) != NULL);
  for (int sealed = 0; sealed < 2; sealed++) {
    test_threads(sealed);
    test_processes();
    remove_all(folder);
    test_descriptors(sealed);
    remove_all(folder);
    test_made_ahead(sealed);
    remove_all(folder);
  }
  test_retention();
  puts("store_test: ok");
  return 0;
}

/* sealed_test.c - sealed streams: what can be seen, what damage and wrong keys do, rekeying; levels.
**
** usage: sealed_test [events] [seed]
*/
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "sealing.h"
#include "store.h"

static char folder[] = "/tmp/sealed_test.XXXXXX";
static char err[STORE_ERR_MAX];
static uint64_t state;

static uint64_t draw(uint64_t below) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state % below;
}

/* ---- Files -------------------------------------------------------------- */

static void each_file(const char *path, void (*visit)(const char *path)) {
  DIR *entries = opendir(path);
  if (entries == NULL) {
    visit(path);
    return;
  }
  for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    char inner[400];
    snprintf(inner, sizeof inner, "%.300s/%.80s", path, entry->d_name);
    each_file(inner, visit);
  }
  closedir(entries);
}

static size_t load(const char *path, unsigned char **bytes) {
  int file = open(path, O_RDONLY);
  struct stat about;
  CHECK(file >= 0 && fstat(file, &about) == 0);
  *bytes = malloc((size_t)about.st_size + 1);
  CHECK(read(file, *bytes, (size_t)about.st_size) == about.st_size);
  close(file);
  return (size_t)about.st_size;
}

static void put(const char *path, const unsigned char *bytes, size_t len) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  CHECK(file >= 0 && write(file, bytes, len) == (ssize_t)len);
  close(file);
}

static int file_count;
static uint64_t file_sum;

static void add_file(const char *path) {
  unsigned char *bytes;
  size_t len = load(path, &bytes);
  if (strstr(path, "/lock") == NULL) file_count++;
  for (size_t i = 0; i < len; i++) file_sum = file_sum * 31 + bytes[i];
  for (const char *c = path; *c != 0; c++) file_sum = file_sum * 31 + (unsigned char)*c;
  free(bytes);
}

/* Of all names and contents. */
static uint64_t sum_of_files(void) {
  file_count = 0;
  file_sum = 0;
  each_file(folder, add_file);
  return file_sum;
}

static void begin_anew(void) {
  char command[400];
  snprintf(command, sizeof command, "rm -rf %s && mkdir %s", folder, folder);
  CHECK(system(command) == 0);
}

/* ---- Stores ------------------------------------------------------------- */

static int try_open(unsigned char key, store **opened) {
  store_config config;
  store_sealing sealing = sealing_of(key);
  store_config_init(&config);
  config.folder = folder;
  config.segment_bytes = STORE_SEGMENT_MIN;
  config.sealing = key != 0 ? &sealing : NULL;
  return store_open(&config, opened, err);
}

static store *open_it(unsigned char key) {
  store *opened;
  int status = try_open(key, &opened);
  if (status != STORE_OK) fprintf(stderr, "%s\n", err);
  CHECK(status == STORE_OK);
  return opened;
}

static store_stream *declare(store *opened, const char *name, store_level level, int sealed) {
  store_stream *stream;
  int status = store_stream_declare(opened, name, &(store_rules){level, sealed}, &stream, err);
  if (status != STORE_OK) fprintf(stderr, "%s\n", err);
  CHECK(status == STORE_OK);
  return stream;
}

/* Event n always holds the same. */
static store_event make(char text[2000], char key[24], uint64_t n) {
  size_t len = (size_t)sprintf(text, "value-of-%llu-", (unsigned long long)n);
  size_t more = (size_t)(n * 2654435761u % 700);
  memset(text + len, 'v', more);
  store_event event = {.time_ns = 0x1234567800000000 + (int64_t)n, .arrival_ns = (int64_t)n};
  event.key = (store_bytes){key, (size_t)sprintf(key, "secret-key-%d", (int)(n % 17))};
  event.value = (store_bytes){text, len + more};
  return event;
}

static void append(store_stream *stream, uint64_t from, uint64_t until, size_t at_once) {
  char text[8][2000];
  char key[8][24];
  for (uint64_t n = from; n < until;) {
    store_event events[8];
    size_t count = 0;
    for (; count < at_once && n < until; count++, n++) events[count] = make(text[count], key[count], n);
    CHECK(store_append(stream, events, count, NULL) == STORE_OK);
  }
}

typedef struct seen {
  uint64_t next;
  uint64_t count;
  int falling;
} seen;

static int look(void *arg, const store_event *event) {
  seen *s = arg;
  char text[2000], key[24];
  store_event expected = make(text, key, event->sequence);
  CHECK(s->falling ? event->sequence < s->next : event->sequence >= s->next);
  CHECK(event->time_ns == expected.time_ns && event->arrival_ns == expected.arrival_ns);
  CHECK(event->key.len == expected.key.len && memcmp(event->key.data, key, event->key.len) == 0);
  CHECK(event->value.len == expected.value.len);
  CHECK(memcmp(event->value.data, text, event->value.len) == 0);
  s->next = event->sequence + !s->falling;
  s->count++;
  return 0;
}

/* Reads in all ways; `count` events are there, from number 1 on. */
static void check_events(store_stream *stream, uint64_t count) {
  seen all = {1, 0, 0};
  CHECK(store_read(stream, 1, UINT64_MAX, look, &all) == (int64_t)count);
  CHECK(all.next == count + 1);
  for (uint64_t key = 0; key < 17; key++) {
    char text[24];
    seen of_key = {UINT64_MAX, 0, 1};
    uint64_t expected = 0;
    for (uint64_t n = 1; n <= count; n++) expected += n % 17 == key;
    store_bytes name = {text, (size_t)sprintf(text, "secret-key-%d", (int)key)};
    CHECK(store_read_key(stream, name, UINT64_MAX, look, &of_key) == (int64_t)expected);
  }
  uint64_t from = 1 + draw(count), most = 1 + draw(50);
  uint64_t there = count - from + 1 < most ? count - from + 1 : most;
  seen some = {from, 0, 0}, span = {from, 0, 0};
  CHECK(store_read(stream, from, most, look, &some) == (int64_t)there);
  int64_t time = 0x1234567800000000 + (int64_t)from;
  CHECK(store_read_times(stream, time, time + (int64_t)most, 0, UINT64_MAX, look, &span) ==
        (int64_t)there);
}

/* ---- What is tested ----------------------------------------------------- */

static void look_for_plain(const char *path) {
  unsigned char *bytes;
  size_t len = load(path, &bytes);
  int64_t time = 0x1234567800000000;
  CHECK(memmem(bytes, len, "secret-key", 10) == NULL);
  CHECK(memmem(bytes, len, "value-of", 8) == NULL);
  CHECK(memmem(bytes, len, "vvvv", 4) == NULL);
  CHECK(memmem(bytes, len, (const char *)&time + 4, 4) == NULL);
  free(bytes);
}

static void test_nothing_plain_in_files(long events) {
  store *opened = open_it(1);
  store_stream *stream = declare(opened, "private", 0, 1);
  CHECK(store_stream_is_sealed(stream) && store_stream_level(stream) == STORE_FLUSHED);
  append(stream, 1, (uint64_t)events, 1 + (size_t)draw(8));
  check_events(stream, (uint64_t)events - 1);
  each_file(folder, look_for_plain); /* while it is open, too */
  store_close(opened);
  each_file(folder, look_for_plain);
  opened = open_it(1);
  CHECK(store_stream_open(opened, "private", &stream, err) == STORE_OK);
  CHECK(store_stream_is_sealed(stream));
  store_stats stats;
  store_stream_stats(stream, &stats);
  CHECK(stats.damaged == 0 && stats.aside == 0 && stats.cleared == 0);
  check_events(stream, (uint64_t)events - 1);
  append(stream, (uint64_t)events, (uint64_t)events + 100, 3);
  check_events(stream, (uint64_t)events + 99);
  store_close(opened);
}

static void test_keys(int rounds) {
  uint64_t before = sum_of_files();
  store *opened;
  CHECK(try_open(7, &opened) == STORE_E_KEY && strstr(err, "another key") != NULL);
  CHECK(try_open(0, &opened) == STORE_E_KEY && strstr(err, "key is missing") != NULL);
  CHECK(sum_of_files() == before);
  store_sealing old = sealing_of(1), newer = sealing_of(7), wrong = sealing_of(9);
  uint64_t done;
  CHECK(store_rekey(folder, &wrong, &newer, &done, err) == STORE_E_KEY && done == 0);
  CHECK(strstr(err, "neither the old key nor the new one") != NULL);
  CHECK(sum_of_files() == before);
  for (int i = 0; i < rounds; i++) { /* killed at some moment, done again */
    pid_t child = fork();
    if (child == 0) _exit(store_rekey(folder, &old, &newer, &done, err) == STORE_OK ? 0 : 1);
    for (volatile uint64_t spin = draw(300000); spin != 0; spin--) continue;
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(store_rekey(folder, &old, &newer, &done, err) == STORE_OK && done > 1);
    CHECK(try_open(old.key[0], &opened) == STORE_E_KEY);
    opened = open_it(newer.key[0]);
    CHECK(store_rekey(folder, &old, &newer, &done, err) == STORE_E_BUSY);
    store_stats stats;
    store_stream_stats(store_stream_at(opened, 0), &stats);
    CHECK(stats.damaged == 0 && stats.aside == 0);
    check_events(store_stream_at(opened, 0), stats.next - 1);
    store_close(opened);
    store_sealing other = old;
    old = newer;
    newer = other;
  }
}

/* Every byte of a file, one bit of each: it is noticed, or nothing has been changed that counts; events
** are there as they were appended, or not at all. */
static void test_every_byte(uint64_t events) {
  begin_anew();
  store *opened = open_it(1);
  append(declare(opened, "s", 0, 1), 1, events + 1, 4);
  store_close(opened);
  char path[400], aside[420];
  snprintf(path, sizeof path, "%s/sealed/stream-s/0000000000000001.events", folder);
  snprintf(aside, sizeof aside, "%s.damaged", path);
  unsigned char *bytes;
  size_t len = load(path, &bytes), noticed = 0, used = len;
  while (bytes[used - 1] == 0) used--;
  for (size_t at = 0; at < len; at++) {
    int is_filling = (at >= 232 && at < 4096) || at >= used;
    if (is_filling && draw(16) != 0) continue;
    unsigned char bit = (unsigned char)(1u << draw(8));
    bytes[at] ^= bit;
    put(path, bytes, len);
    bytes[at] ^= bit;
    int status = try_open(1, &opened);
    CHECK(status == STORE_OK || status == STORE_E_KEY || status == STORE_E_VERSION);
    if (status == STORE_OK) {
      store_stats stats;
      seen all = {1, 0, 0};
      store_stream_stats(store_stream_at(opened, 0), &stats);
      uint64_t there = (uint64_t)store_read(store_stream_at(opened, 0), 1, UINT64_MAX, look, &all);
      status = stats.damaged + stats.aside + stats.cleared != 0;
      CHECK(there <= events && (status || there == events));
      store_close(opened);
    }
    int in_use = !is_filling && (at < 144 || at >= 232); /* no second key is there */
    if (in_use && status == STORE_OK) fprintf(stderr, "byte %zu of %zu\n", at, len);
    CHECK(status != STORE_OK || !in_use);
    noticed += status != STORE_OK;
    unlink(aside);
  }
  CHECK(noticed >= used - 4096 + 144);
  free(bytes);
}

/* Blocks of one segment, and files, in each other's place. */
static void test_places(void) {
  begin_anew();
  store *opened = open_it(1);
  append(declare(opened, "a", 0, 1), 1, 200, 1);
  append(declare(opened, "b", 0, 1), 1, 200, 1);
  store_close(opened);
  char a[400], b[400], command[900];
  snprintf(a, sizeof a, "%s/sealed/stream-a/0000000000000001.events", folder);
  snprintf(b, sizeof b, "%s/sealed/stream-b/0000000000000001.events", folder);
  unsigned char *bytes;
  size_t len = load(b, &bytes);
  put(a, bytes, len);
  opened = open_it(1);
  store_stream *stream;
  CHECK(store_stream_open(opened, "a", &stream, err) == STORE_OK);
  store_stats stats;
  store_stream_stats(stream, &stats);
  CHECK(stats.aside == 1 && store_read(stream, 1, 10000, look, &(seen){1, 0, 0}) < 199);
  store_close(opened);
  uint64_t first = *(const uint64_t *)(bytes + 4096) >> 32;
  uint64_t second = *(const uint64_t *)(bytes + 4096 + first) >> 32;
  unsigned char *swapped = malloc(len);
  memcpy(swapped, bytes, len);
  memcpy(swapped + 4096, bytes + 4096 + first, second);
  memcpy(swapped + 4096 + second, bytes + 4096, first);
  put(b, swapped, len);
  opened = open_it(1);
  CHECK(store_stream_open(opened, "b", &stream, err) == STORE_OK);
  store_stream_stats(stream, &stats);
  CHECK(stats.damaged > 0);
  store_close(opened);
  /* what is not sealed is not taken for it */
  begin_anew();
  opened = open_it(1);
  append(declare(opened, "a", 0, 1), 1, 20, 1);
  append(declare(opened, "b", 0, 0), 1, 20, 1);
  store_close(opened);
  snprintf(command, sizeof command, "cp %s/stream-b/* %s/sealed/stream-a/", folder, folder);
  CHECK(system(command) == 0);
  uint64_t sum = sum_of_files();
  CHECK(try_open(1, &opened) == STORE_E_INVALID && strstr(err, "not sealed") != NULL);
  CHECK(sum_of_files() == sum);
  free(bytes);
  free(swapped);
}

static void test_rules(void) {
  begin_anew();
  store *opened = open_it(1);
  store_stream *stream;
  append(declare(opened, "plain", 0, 0), 1, 10, 1);
  CHECK(store_stream_declare(opened, "plain", &(store_rules){0, 1}, &stream, err) ==
        STORE_E_INVALID);
  CHECK(strstr(err, "not sealed") != NULL);
  CHECK(store_stream_declare(opened, "plain", &(store_rules){STORE_MEMORY, 0}, &stream, err) ==
        STORE_E_INVALID);
  CHECK(store_stream_declare(opened, "plain", &(store_rules){9, 0}, &stream, err) ==
        STORE_E_INVALID);
  declare(opened, "plain", STORE_SYNCED, 0);
  CHECK(store_stream_open(opened, "empty", &stream, err) == STORE_OK);
  CHECK(store_stream_is_sealed(declare(opened, "empty", 0, 1)));
  append(stream, 1, 10, 2);
  append(declare(opened, "fleeting", STORE_MEMORY, 0), 1, 5000, 8);
  CHECK(store_stream_open(opened, "fleeting", &stream, err) == STORE_OK);
  check_events(stream, 4999);
  CHECK(store_commit(opened) == STORE_OK);
  store_stats stats;
  CHECK(store_stream_open(opened, "plain", &stream, err) == STORE_OK);
  store_stream_stats(stream, &stats);
  CHECK(stats.synced == 9);
  CHECK(store_stream_open(opened, "empty", &stream, err) == STORE_OK);
  store_stream_stats(stream, &stats);
  CHECK(stats.synced == 0);
  sum_of_files();
  CHECK(file_count == 2); /* nothing of what is in memory */
  store_close(opened);
  sum_of_files();
  CHECK(file_count == 2);
  opened = open_it(1);
  CHECK(store_stream_declare(opened, "empty", &(store_rules){0, 0}, &stream, err) == STORE_OK);
  CHECK(store_stream_is_sealed(stream)); /* as it was */
  check_events(stream, 9);
  check_events(declare(opened, "plain", 0, 0), 9);
  CHECK(store_read(declare(opened, "fleeting", STORE_MEMORY, 0), 1, 1, look, &(seen){1, 0, 0}) == 0);
  store_close(opened);
  begin_anew();
  opened = open_it(0);
  CHECK(store_stream_declare(opened, "x", &(store_rules){0, 1}, &stream, err) == STORE_E_KEY);
  store_close(opened);
}

static void test_sizes(void) {
  begin_anew();
  store *opened = open_it(1);
  store_stream *stream = declare(opened, "large", 0, 1);
  static char big[STORE_SEGMENT_MIN];
  memset(big, 'b', sizeof big);
  size_t most = STORE_SEGMENT_MIN - 4096 - 48 - 80;
  store_event events[3] = {{.value = {big, most}}, {.value = {big, 10}}, {.value = {big, most}}};
  CHECK(store_append(stream, events, 3, NULL) == STORE_OK);
  events[0].value.len++;
  CHECK(store_append(stream, events, 1, NULL) == STORE_E_SIZE);
  store_close(opened);
  opened = open_it(1);
  store_stats stats;
  store_stream_stats(store_stream_at(opened, 0), &stats);
  CHECK(stats.next == 4 && stats.segments == 3 && stats.damaged == 0 && stats.cleared == 0);
  store_close(opened);
}

/* ---- Sealing what was plain --------------------------------------------- */

static void make_plain(uint64_t events) {
  begin_anew();
  store *opened = open_it(0);
  append(declare(opened, "s", 0, 0), 1, events + 1, 4);
  append(declare(opened, "other", 0, 0), 1, 20, 4);
  store_close(opened);
}

static int seal_it(unsigned char key, const char *name, uint64_t *sealed) {
  store_sealing sealing = sealing_of(key);
  return store_seal_stream(folder, name, &sealing, sealed, err);
}

static store_stream *stream_of(store *opened, const char *name) {
  store_stream *stream;
  for (uint32_t i = 0; (stream = store_stream_at(opened, i)) != NULL; i++)
    if (strcmp(store_stream_name(stream), name) == 0) return stream;
  return NULL;
}

static int count_folders(const char *inner, const char *prefix) {
  char path[400];
  int count = 0;
  snprintf(path, sizeof path, "%s%s", folder, inner);
  DIR *entries = opendir(path);
  if (entries == NULL) return 0;
  for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
    count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
  closedir(entries);
  return count;
}

/* Killed at some moment: the plain stream is whole, or the sealed one. */
static void test_sealing_is_killed(uint64_t events, int rounds) {
  make_plain(events);
  struct timespec from, until;
  uint64_t sealed;
  int done = 0, undone = 0;
  clock_gettime(CLOCK_MONOTONIC, &from);
  CHECK(seal_it(1, "s", &sealed) == STORE_OK && sealed == events);
  clock_gettime(CLOCK_MONOTONIC, &until);
  uint64_t took =
      (uint64_t)((until.tv_sec - from.tv_sec) * 1000000 + (until.tv_nsec - from.tv_nsec) / 1000);
  for (int i = 0; i < rounds; i++) {
    make_plain(events);
    pid_t child = fork();
    if (child == 0) _exit(seal_it(1, "s", &sealed) == STORE_OK ? 0 : 1);
    usleep((useconds_t)draw(took + took / 4 + 1));
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
    for (int again = 0; again < 2; again++) {
      store *opened = open_it(1);
      store_stream *stream = stream_of(opened, "s");
      CHECK(stream != NULL && count_folders("/sealed", "sealing-") == 0);
      int is_sealed = store_stream_is_sealed(stream);
      if (again == 0) done += is_sealed, undone += !is_sealed;
      CHECK(count_folders("", "stream-s") == !is_sealed);
      CHECK(count_folders("/sealed", "stream-s") == is_sealed);
      CHECK(count_folders("/sealed/stream-s", "replaces") == 0);
      store_stats stats;
      store_stream_stats(stream, &stats);
      CHECK(stats.damaged == 0 && stats.aside == 0 && stats.cleared == 0);
      check_events(stream, events);
      check_events(stream_of(opened, "other"), 19);
      store_close(opened);
      CHECK(seal_it(1, "s", &sealed) == STORE_OK);
      CHECK(sealed == (is_sealed || again ? STORE_SEALED_BEFORE : events));
    }
  }
  fprintf(stderr, "sealed before it was killed: %d, after: %d\n", done, undone);
  CHECK(seal_it(1, "other", &sealed) == STORE_OK && sealed == 19);
  each_file(folder, look_for_plain);
  store *opened = open_it(1);
  append(stream_of(opened, "s"), events + 1, events + 50, 3);
  check_events(stream_of(opened, "s"), events + 49);
  store_close(opened);
}

typedef struct numbers {
  uint64_t count, sum, next;
} numbers;

static int add_number(void *arg, const store_event *event) {
  numbers *n = arg;
  n->count++;
  n->sum = n->sum * 31 + event->sequence;
  return 0;
}

static numbers numbers_of(unsigned char key) {
  numbers n = {0};
  store *opened = open_it(key);
  store_stats stats;
  store_read(stream_of(opened, "s"), 1, UINT64_MAX, add_number, &n);
  store_stream_stats(stream_of(opened, "s"), &stats);
  n.next = stats.next;
  store_close(opened);
  return n;
}

/* Gaps stay where they are: events that were lost are neither given nor their numbers given again. */
static void test_sealing_with_gaps(uint64_t events) {
  for (int which = 1; which <= 3; which++) {
    make_plain(events);
    char path[400];
    snprintf(path, sizeof path, "%s/stream-s/%016x.events", folder,
             which < 3 ? which : count_folders("/stream-s", "0"));
    unsigned char *bytes;
    size_t len = load(path, &bytes), used = len;
    while (bytes[used - 1] == 0) used--;
    size_t middle = 4096 + (used - 4096) / 2;
    unsigned char *value = memmem(bytes + middle, used - middle, "value-of", 8);
    CHECK(value != NULL);
    *value ^= 1;
    put(path, bytes, len);
    free(bytes);
    numbers before = numbers_of(1);
    CHECK(before.count < events && before.next == events + 1);
    uint64_t sealed;
    CHECK(seal_it(1, "s", &sealed) == STORE_OK && sealed == before.count);
    numbers after = numbers_of(1);
    CHECK(after.count == before.count && after.sum == before.sum && after.next == before.next);
    store *opened = open_it(1);
    append(stream_of(opened, "s"), events + 1, events + 10, 1);
    store_close(opened);
    CHECK(numbers_of(1).next == events + 10);
  }
}

static void test_sealing_is_refused(uint64_t events) {
  uint64_t sealed;
  char path[400];
  make_plain(events);
  CHECK(seal_it(1, "none", &sealed) == STORE_E_UNKNOWN && strstr(err, "no stream none") != NULL);
  store *opened = open_it(0);
  CHECK(seal_it(1, "s", &sealed) == STORE_E_BUSY);
  store_close(opened);
  CHECK(seal_it(1, "other", &sealed) == STORE_OK);
  CHECK(seal_it(2, "s", &sealed) == STORE_E_KEY && strstr(err, "another key") != NULL);
  snprintf(path, sizeof path, "%s/stream-s/0000000000000001.events.damaged", folder);
  put(path, (const unsigned char *)"plain", 5);
  CHECK(seal_it(1, "s", &sealed) == STORE_E_INVALID && strstr(err, ".damaged") != NULL);
  CHECK(unlink(path) == 0);
  opened = open_it(1);
  CHECK(!store_stream_is_sealed(stream_of(opened, "s")));
  check_events(stream_of(opened, "s"), events);
  store_close(opened);
}

static void test_sealing_sizes(void) {
  begin_anew();
  store *opened = open_it(0);
  static char big[STORE_SEGMENT_MIN];
  memset(big, 'b', sizeof big);
  size_t most = STORE_SEGMENT_MIN - 4096 - 48;
  store_event events[3] = {{.value = {big, most}}, {.value = {big, 10}}, {.value = {big, most}}};
  CHECK(store_append(declare(opened, "s", 0, 0), events, 3, NULL) == STORE_OK);
  declare(opened, "empty", 0, 0);
  store_close(opened);
  numbers before = numbers_of(0);
  uint64_t sealed;
  pid_t child = fork();
  if (child == 0) { /* no space for the larger segment that it takes */
    struct rlimit small = {STORE_SEGMENT_MIN, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    CHECK(seal_it(1, "s", &sealed) == STORE_E_FULL && err[0] != 0);
    _exit(count_folders("/sealed", "s") == 0 ? 0 : 1);
  }
  int ended;
  CHECK(waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
  CHECK(numbers_of(0).sum == before.sum);
  CHECK(seal_it(1, "s", &sealed) == STORE_OK && sealed == 3);
  CHECK(seal_it(1, "empty", &sealed) == STORE_OK && sealed == 0);
  CHECK(numbers_of(1).sum == before.sum);
  opened = open_it(1);
  append(stream_of(opened, "empty"), 1, 100, 2);
  check_events(stream_of(opened, "empty"), 99);
  store_close(opened);
}

/* No space for another segment: refused, the rest is there, and goes on with space. */
static void test_full_disk(void) {
  begin_anew();
  store *opened = open_it(1);
  store_stream *stream = declare(opened, "s", 0, 1);
  append(stream, 1, 101, 8);
  struct rlimit none = {0, RLIM_INFINITY}, all = {RLIM_INFINITY, RLIM_INFINITY};
  signal(SIGXFSZ, SIG_IGN);
  CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
  char text[8][2000], key[8][24];
  uint64_t next = 101;
  int status = STORE_OK;
  while (status == STORE_OK) {
    store_event events[8];
    size_t accepted;
    for (size_t i = 0; i < 8; i++) events[i] = make(text[i], key[i], next + i);
    status = store_append(stream, events, 8, &accepted);
    next += accepted;
  }
  CHECK(status == STORE_E_FULL && next > 101);
  check_events(stream, next - 1);
  CHECK(setrlimit(RLIMIT_FSIZE, &all) == 0);
  append(stream, next, next + 500, 8);
  check_events(stream, next + 499);
  store_close(opened);
  opened = open_it(1);
  check_events(store_stream_at(opened, 0), next + 499);
  store_close(opened);
}

static void test_read_only_folder(void) {
  begin_anew();
  CHECK(chmod(folder, 0555) == 0);
  pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && setuid(65534) != 0) _exit(2);
    store *opened;
    _exit(try_open(1, &opened) == STORE_E_IO && strstr(err, strerror(EACCES)) != NULL ? 0 : 1);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(chmod(folder, 0755) == 0);
}

int main(int argc, char **argv) {
  long events = number(argc, argv, 1, 20000) / 20;
  state = (uint64_t)number(argc, argv, 2, (long)time(NULL));
  fprintf(stderr, "seed %llu\n", (unsigned long long)state);
  CHECK(mkdtemp(folder) != NULL);
  check_sealing();
  test_nothing_plain_in_files(events);
  test_keys(events < 5000 ? 4 : 20);
  test_every_byte(events < 5000 ? 2 : 10);
  test_places();
  test_rules();
  test_sizes();
  test_sealing_is_killed((uint64_t)events, events < 5000 ? 10 : 60);
  test_sealing_with_gaps((uint64_t)events);
  test_sealing_is_refused((uint64_t)events);
  test_sealing_sizes();
  test_full_disk();
  test_read_only_folder();
  char command[400];
  snprintf(command, sizeof command, "rm -r %s", folder);
  CHECK(system(command) == 0);
  puts("sealed_test: ok");
  return 0;
}

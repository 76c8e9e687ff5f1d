/* journal_test.c - the journal among threads, and what crashing threads leave behind.
**
** usage: journal_test [invocations of each thread]
**        journal_test write JOURNAL LEDGER SPINS   accepts and finishes until it kills itself
**        journal_test crash KIND JOURNAL REPORT    a confined thread crashes
**        journal_test host KIND JOURNAL REPORT     a thread that runs no VMs does
**
** The second and third are for tests that read the journal afterwards: what an invocation holds
** follows from its id, and the ledger has a byte for each id that tells how far it came.
*/
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "../../../engine/store/checksum.h"
#include "confine.h"
#include "crash.h"
#include "journal.h"

#define THREADS 3
#define IDS 1000000ull /* of each thread */
#define WINDOW 64
#define TASKS 7
#define LONGEST 60000

enum { ACCEPTING = 1, ACCEPTED, FINISHING, FINISHED };

static pvm_journal *journal;
static const unsigned char *file; /* the journal again, read only */
static uint32_t blocks;
static long per_thread;
static _Atomic unsigned char *ledger;
static _Atomic int begun;

/* ---- What an invocation holds follows from its id ------------------------ */

static uint64_t mixed(uint64_t id) {
  return id * 0x9e3779b97f4a7c15ull;
}

static size_t length(uint64_t id) {
  uint64_t m = mixed(id) >> 40;
  return m % 100 == 0 ? m % LONGEST : m % 1500;
}

static const unsigned char *payload(uint64_t id, unsigned char *to) {
  uint64_t word = mixed(id);
  for (size_t i = 0; i < length(id); i++) to[i] = (unsigned char)(word >> (8 * (i % 8)));
  return to;
}

static int accept_one(uint64_t id, uint32_t *block) {
  static __thread unsigned char bytes[LONGEST];
  char task[32];
  snprintf(task, sizeof task, "task-%llu", (unsigned long long)(id % TASKS));
  pvm_journal_record record = {.id = id,
                               .tag = ~id,
                               .accepted_ns = id + 1,
                               .deadline_ns = id + 2,
                               .attempt = (uint32_t)(id % 3 + 1),
                               .ids = (uint32_t)(id % 5),
                               .task = task,
                               .payload = payload(id, bytes),
                               .len = length(id)};
  return pvm_journal_accept(journal, &record, block);
}

/* ---- Reading, as another process would ----------------------------------- */

static const pvm_journal_block *block_at(uint32_t block) {
  CHECK(block < blocks);
  return (const pvm_journal_block *)(file + PVM_JOURNAL_PAGE +
                                     PVM_JOURNAL_THREADS * sizeof(pvm_journal_thread)) +
         block;
}

static void check_record(uint32_t head, uint64_t id) {
  unsigned char held[LONGEST + 1000], expected[LONGEST];
  const pvm_journal_block *block = block_at(head);
  const pvm_journal_fields *fields = (const pvm_journal_fields *)block->data;
  CHECK(block->state == PVM_JOURNAL_LIVE && fields->id == id && fields->tag == ~id);
  CHECK(fields->len == length(id) && fields->name_len == 6);
  size_t whole = sizeof *fields + 16 + ((fields->len + 15) & ~(size_t)15), at = 0;
  uint32_t sum = 0;
  for (uint32_t b = head; at < whole; b = block_at(b)->next) {
    size_t n = whole - at < sizeof block->data ? whole - at : sizeof block->data;
    memcpy(held + at, block_at(b)->data, n);
    sum = store_checksum(sum, block_at(b)->data, n);
    at += n;
  }
  CHECK(sum == block->checksum);
  CHECK(memcmp(held + sizeof *fields + 16, payload(id, expected), fields->len) == 0);
}

static uint32_t live(void) {
  uint32_t count = 0;
  for (uint32_t b = 0; b < blocks; b++) count += block_at(b)->state == PVM_JOURNAL_LIVE;
  return count;
}

static void open_journal(const char *path, uint64_t bytes) {
  char err[PVM_ERR_MAX] = "";
  CHECK(pvm_journal_create(path, bytes, 7, &journal, err) == PVM_OK);
  int fd = open(path, O_RDONLY);
  CHECK(fd >= 0);
  file = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
  CHECK(file != MAP_FAILED);
  close(fd);
  const pvm_journal_header *header = (const pvm_journal_header *)file;
  CHECK(memcmp(header->magic, PVM_JOURNAL_MAGIC, 8) == 0 && header->epoch == 7);
  blocks = header->blocks;
}

/* ---- Alone, and at the limits --------------------------------------------- */

/* A disk that is full refuses in the same way. */
static void no_room(void) {
  char err[PVM_ERR_MAX] = "", path[] = "/tmp/journal_test.none.XXXXXX";
  int fd = mkstemp(path);
  CHECK(fd >= 0);
  close(fd);
  unlink(path);
  struct rlimit before, small = {0};
  CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
  small.rlim_cur = 8192;
  small.rlim_max = before.rlim_max;
  signal(SIGXFSZ, SIG_IGN);
  CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
  pvm_journal *none = NULL;
  int status = pvm_journal_create(path, PVM_JOURNAL_BYTES_MIN, 8, &none, err);
  CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
  CHECK(status == PVM_E_OS && none == NULL && strstr(err, "there is no room for it") != NULL);
  CHECK(access(path, F_OK) != 0);
}

static void limits(const char *path) {
  char err[PVM_ERR_MAX] = "";
  pvm_journal *other = NULL;
  CHECK(pvm_journal_create(path, PVM_JOURNAL_BYTES_MIN, 8, &other, err) == PVM_E_OS);
  CHECK(strstr(err, path) != NULL && other == NULL);
  CHECK(pvm_journal_create("/tmp/x", PVM_JOURNAL_BYTES_MIN - 1, 8, &other, err) == PVM_E_INVALID);
  CHECK(pvm_journal_create("/no/such/folder", 1u << 20, 8, &other, err) == PVM_E_OS);
  no_room();
  uint32_t all[4096], count = 0, extra;
  CHECK(blocks <= 4096);
  pvm_journal_record small = {.id = 1, .attempt = 1, .task = "t"};
  while (pvm_journal_accept(journal, &small, &all[count]) == PVM_OK) count++;
  CHECK(count == blocks && live() == blocks); /* every block, whatever its shard */
  CHECK(pvm_journal_accept(journal, &small, &extra) == PVM_E_FULL);
  pvm_journal_finish(journal, all[--count]);
  unsigned char two_blocks[500] = {0};
  pvm_journal_record large = {
      .id = 2, .attempt = 1, .task = "t", .payload = two_blocks, .len = sizeof two_blocks};
  CHECK(pvm_journal_accept(journal, &large, &extra) == PVM_E_FULL);
  CHECK(pvm_journal_accept(journal, &small, &all[count++]) == PVM_OK); /* it took nothing */
  while (count > 0) pvm_journal_finish(journal, all[--count]);
  CHECK(live() == 0);
  large.len = (size_t)blocks * PVM_JOURNAL_BLOCK;
  CHECK(pvm_journal_accept(journal, &large, &extra) == PVM_E_INVALID);
  large.len = SIZE_MAX;
  CHECK(pvm_journal_accept(journal, &large, &extra) == PVM_E_INVALID);
  small.id = 0;
  CHECK(pvm_journal_accept(journal, &small, &extra) == PVM_E_INVALID);
}

/* ---- Threads that pass invocations on to each other ------------------------ */

/* id << 32 | block; 0: empty */
static _Atomic uint64_t boxes[THREADS];

static void settle(uint64_t item) {
  if (item == 0) return;
  check_record((uint32_t)item, item >> 32);
  pvm_journal_finish(journal, (uint32_t)item);
}

static void *pass_on(void *argument) {
  uint64_t me = (uintptr_t)argument;
  pvm_journal_thread *thread = pvm_journal_thread_take(journal, (uint32_t)me);
  CHECK(thread != NULL);
  for (long n = 1; n <= per_thread; n++) {
    uint64_t id = me * IDS + (uint64_t)n;
    uint32_t block;
    char name[16];
    snprintf(name, sizeof name, "task-%d", (int)(n / 10 % TASKS));
    pvm_journal_begin(thread, PVM_DOING_CALL, id, id, n / 10 % TASKS + 1, name, "1.0");
    int status = accept_one(id, &block);
    CHECK(status == PVM_OK || status == PVM_E_FULL);
    if (status == PVM_OK)
      settle(atomic_exchange(&boxes[(me + (uint64_t)n) % THREADS], id << 32 | block));
    CHECK(atomic_load(&thread->invocation) == id && strcmp(thread->name, name) == 0);
    pvm_journal_end(thread);
  }
  pvm_journal_thread_return(thread);
  return NULL;
}

static void together(void) {
  pthread_t threads[THREADS];
  for (uintptr_t t = 0; t < THREADS; t++)
    CHECK(pthread_create(&threads[t], NULL, pass_on, (void *)t) == 0);
  for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
  for (int t = 0; t < THREADS; t++) settle(atomic_exchange(&boxes[t], 0));
  CHECK(live() == 0);
}

static void thread_entries(void) {
  static pvm_journal_thread *taken[PVM_JOURNAL_THREADS];
  for (uint32_t i = 0; i < PVM_JOURNAL_THREADS; i++) {
    taken[i] = pvm_journal_thread_take(journal, i);
    CHECK(taken[i] != NULL && (uintptr_t)taken[i] % 64 == 0);
  }
  CHECK(pvm_journal_thread_take(journal, 0) == NULL && pvm_journal_thread_take(NULL, 0) == NULL);
  for (uint32_t i = 0; i < PVM_JOURNAL_THREADS; i++) pvm_journal_thread_return(taken[i]);
  CHECK(pvm_journal_thread_take(journal, 0) == taken[0]);
  pvm_journal_thread_return(taken[0]);
}

/* ---- A writer that is killed ----------------------------------------------- */

static void *write_on(void *argument) {
  uint64_t me = (uintptr_t)argument;
  struct {
    uint64_t id;
    uint32_t block;
  } open[WINDOW] = {{0}};
  atomic_fetch_add(&begun, 1);
  for (uint64_t id = me * IDS + 1; id < (me + 1) * IDS; id++) {
    uint64_t i = mixed(id) >> 32 & (WINDOW - 1);
    if (open[i].id != 0) {
      atomic_store(&ledger[open[i].id], FINISHING);
      pvm_journal_finish(journal, open[i].block);
      atomic_store(&ledger[open[i].id], FINISHED);
    }
    atomic_store(&ledger[id], ACCEPTING);
    CHECK(accept_one(id, &open[i].block) == PVM_OK);
    atomic_store(&ledger[id], ACCEPTED);
    open[i].id = id;
    pvm_journal_note_position(journal, id);
  }
  return NULL;
}

static int write_until_killed(char **argv) {
  open_journal(argv[2], 16u << 20);
  int fd = open(argv[3], O_RDWR | O_CREAT, 0600);
  CHECK(fd >= 0 && ftruncate(fd, THREADS * IDS) == 0);
  ledger = mmap(NULL, THREADS * IDS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(ledger != MAP_FAILED);
  pthread_t thread;
  for (uintptr_t t = 0; t < THREADS; t++)
    CHECK(pthread_create(&thread, NULL, write_on, (void *)t) == 0);
  while (atomic_load(&begun) < THREADS) continue;
  for (volatile long spins = strtol(argv[4], NULL, 10); spins > 0; spins--) continue;
  kill(getpid(), SIGKILL);
  return 1;
}

/* ---- Crashes ------------------------------------------------------------- */

static volatile int zero;

__attribute__((noinline)) static int deep(volatile int *n) {
  volatile int frame[256];
  if (*n < 0) return 0; /* it is never */
  frame[*n & 255] = *n;
  ++*n;
  return deep(n) + frame[*n & 255];
}

__attribute__((noinline, no_sanitize("address", "undefined", "thread"))) static void
crash_here(const char *kind, const char *short_file) {
  if (strcmp(kind, "SIGSEGV") == 0) *(volatile int *)(uintptr_t)(0xdead0 + zero) = 1;
  if (strcmp(kind, "SIGFPE") == 0) zero = 12345 / zero;
  if (strcmp(kind, "SIGILL") == 0) __builtin_trap();
  if (strcmp(kind, "SIGABRT") == 0) abort();
  if (strcmp(kind, "overflow") == 0) zero = deep(&(volatile int){0});
  if (strcmp(kind, "sent") == 0) raise(SIGFPE);
  if (strcmp(kind, "SIGBUS") == 0) {
    int fd = open(short_file, O_RDONLY);
    volatile char *page = mmap(NULL, 1 << 30, PROT_READ, MAP_SHARED, fd, 0);
    zero = page[(1 << 30) - 1]; /* behind the file's end */
  }
  fprintf(stderr, "no crash of the kind %s\n", kind);
  _exit(3);
}

static void dump(int fd) {
  const char *text = "Stack (most recent call first):\n  as the test says\n";
  CHECK(write(fd, text, strlen(text)) > 0);
}

static char **arguments;

static void *crash_in_task(void *nothing) {
  (void)nothing;
  int ruleset;
  char err[PVM_ERR_MAX] = "";
  static const pvm_policy policy = {.count = {1, 0}, .paths = {{"/tmp"}, {NULL}}};
  pvm_journal_thread *doing = pvm_journal_thread_take(journal, 5);
  CHECK(pvm_confine_prepare(&policy, &ruleset, err) == PVM_OK);
  CHECK(pvm_crash_thread_enter(doing) == PVM_OK);
  /* a thread comes and goes without a crash */
  pvm_crash_thread_leave();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(pvm_confine_enter(ruleset, err) == PVM_OK); /* sanitizers want other system calls */
#endif
  CHECK(pvm_crash_thread_enter(doing) == PVM_OK);
  pvm_journal_begin(doing, PVM_DOING_CALL, 77, 1700000000000000000ull, 3, "bad-task", "1.2.3");
  crash_here(arguments[2], arguments[3]);
  return NULL;
}

static void *crash_elsewhere(void *nothing) {
  (void)nothing;
  crash_here(arguments[2], arguments[3]);
  return NULL;
}

static int crash(char **argv) {
  arguments = argv;
  open_journal(argv[3], PVM_JOURNAL_BYTES_MIN);
  char err[PVM_ERR_MAX] = "";
  CHECK(pvm_crash_install(argv[4], dump, err) == PVM_OK);
  CHECK(pvm_crash_install(argv[4], dump, err) == PVM_E_STATE);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 1 << 20);
  sigset_t all;
  sigfillset(&all); /* as the library's workers begin */
  if (argv[1][0] == 'c') pthread_sigmask(SIG_SETMASK, &all, NULL);
  pthread_t thread;
  CHECK(pthread_create(&thread, &attributes, argv[1][0] == 'c' ? crash_in_task : crash_elsewhere,
                       NULL) == 0);
  pthread_join(thread, NULL);
  return 3;
}

static int status_of(char *const *command) {
  fflush(NULL);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    execv("/proc/self/exe", command);
    _exit(127);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  return status;
}

/* The handler itself under the sanitizers; what it writes is looked at by tests/vm. */
static void crashes(const char *folder) {
  static const struct {
    char *kind;
    int number;
  } cases[] = {{"SIGSEGV", SIGSEGV}, {"SIGABRT", SIGABRT}, {"SIGBUS", SIGBUS}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char path[128], report[128];
    snprintf(path, sizeof path, "%s/crashed", folder);
    snprintf(report, sizeof report, "%s/report", folder);
    char *command[] = {"journal_test", "crash", cases[i].kind, path, report, NULL};
    int status = status_of(command);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == cases[i].number);
    struct stat written;
    CHECK(stat(report, &written) == 0 && written.st_size > 0);
    unlink(path);
    unlink(report);
  }
}

int main(int argc, char **argv) {
  if (argc == 5 && strcmp(argv[1], "write") == 0) return write_until_killed(argv);
  if (argc == 5) return crash(argv);
  per_thread = number(argc, argv, 1, 20000);
  char folder[] = "/tmp/journal_test.XXXXXX", path[64];
  CHECK(mkdtemp(folder) != NULL && per_thread < (long)IDS);
  snprintf(path, sizeof path, "%s/journal", folder);
  open_journal(path, PVM_JOURNAL_BYTES_MIN);
  limits(path);
  together();
  limits(path); /* nothing was lost */
  thread_entries();
  pvm_journal_close(journal, 1);
  CHECK(((const pvm_journal_header *)file)->closed == 1);
  crashes(folder);
  unlink(path);
  rmdir(folder);
  printf("journal_test: ok\n");
  return 0;
}

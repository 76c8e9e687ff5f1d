/* crash.c - see crash.h. The handler calls nothing but async-signal-safe functions, and only
** system calls that confined threads may make: sigaction is none of them. */
#include "crash.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define SIGNALS 5
#define FRAMES 64
#define STACK_BYTES (64u << 10) /* beside what the processor's registers need */
#define PATIENCE_S 5            /* for another thread to write its report */

static const int signals[SIGNALS] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
static const char *const names[SIGNALS] = {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"};

static struct {
  int installed;
  int fd;
  char *path; /* NULL: stderr */
  pvm_crash_dump *dump;
  struct sigaction before[SIGNALS];
  _Atomic int writing; /* some thread writes the report */
} crash;

/* Lies at the beginning of the signal stack's memory. */
typedef struct crash_thread {
  pvm_journal_thread *doing;
  stack_t before;
  size_t bytes;
} crash_thread;

static __thread crash_thread *self; /* NULL on threads that run no VMs */

/* ---- Text without the C library's streams -------------------------------- */

typedef struct line {
  char text[640];
  size_t len;
} line;

static void add(line *l, const char *text) {
  while (*text != '\0' && l->len < sizeof l->text) l->text[l->len++] = *text++;
}

static void add_number(line *l, uint64_t number, unsigned base) {
  char digits[24];
  size_t at = sizeof digits - 1;
  digits[at] = '\0';
  do digits[--at] = "0123456789abcdef"[number % base];
  while ((number /= base) != 0);
  add(l, digits + at);
}

static void put(line *l) {
  for (size_t at = 0; at < l->len;) {
    ssize_t n = write(crash.fd, l->text + at, l->len - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    at += (size_t)n;
  }
  l->len = 0;
}

/* ---- The handler -------------------------------------------------------- */

static int index_of(int number) {
  int i = 0;
  while (i < SIGNALS - 1 && signals[i] != number) i++;
  return i;
}

/* Raised by the processor, so that it comes again when the handler returns. */
static int is_fault(int number, const siginfo_t *info) {
  return number != SIGABRT && info->si_code > 0;
}

static void mark(pvm_journal_thread *doing, int number, const siginfo_t *info) {
  uint64_t address = is_fault(number, info) ? (uint64_t)(uintptr_t)info->si_addr : 0;
  atomic_store_explicit(&doing->crash_address, address, memory_order_relaxed);
  atomic_store_explicit(&doing->crash_signal, (uint32_t)number, memory_order_release);
}

static void describe(const pvm_journal_thread *doing, int number, const siginfo_t *info) {
  static const char *const deeds[] = {"nothing", "load", "call", "unload"};
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  line l = {.len = 0};
  add(&l, "signal: ");
  add(&l, names[index_of(number)]);
  add(&l, ", code ");
  if (info->si_code < 0) add(&l, "-");
  add_number(&l, (uint64_t)llabs((long long)info->si_code), 10);
  if (is_fault(number, info)) {
    add(&l, ", address 0x");
    add_number(&l, (uint64_t)(uintptr_t)info->si_addr, 16);
  }
  add(&l, "\ntime: ");
  add_number(&l, (uint64_t)now.tv_sec, 10);
  add(&l, " s since the epoch\nprocess: ");
  add_number(&l, (uint64_t)getpid(), 10);
  add(&l, "\nthread: ");
  add_number(&l, (uint64_t)gettid(), 10);
  add(&l, "\n");
  put(&l);
  uint32_t deed = atomic_load_explicit(&doing->doing, memory_order_acquire);
  if (deed != PVM_DOING_NOTHING && deed <= PVM_DOING_UNLOAD) {
    uint64_t started = atomic_load_explicit(&doing->started_ns, memory_order_relaxed);
    add(&l, "task: ");
    add(&l, doing->name);
    add(&l, " ");
    add(&l, doing->version);
    add(&l, "\ndoing: ");
    add(&l, deeds[deed]);
    add(&l, "\ninvocation: ");
    add_number(&l, atomic_load_explicit(&doing->invocation, memory_order_relaxed), 10);
    add(&l, "\nsince: ");
    add_number(&l, started / 1000000000u, 10);
    add(&l, " s since the epoch\n");
    put(&l);
  }
}

/* The most useful first: what follows may itself crash, on a stack that was overwritten, and
** then the process ends there. */
static void report(const pvm_journal_thread *doing, int number, const siginfo_t *info) {
  line l = {.len = 0};
  describe(doing, number, info);
  if (crash.dump != NULL) {
    add(&l, "\nPython ");
    put(&l);
    crash.dump(crash.fd);
  }
  add(&l, "\nC stack (most recent call first):\n");
  put(&l);
  void *frames[FRAMES];
  int count = backtrace(frames, FRAMES);
  backtrace_symbols_fd(frames, count, crash.fd);
}

/* End the process by the signal, which is blocked here. */
static void end(int number, const siginfo_t *info, ucontext_t *context) {
  if (is_fault(number, info)) {
    /* It comes again on return, blocked: the kernel ends the process, whatever the action. */
    sigaddset(&context->uc_sigmask, number);
    return;
  }
  struct sigaction action = {.sa_handler = SIG_DFL};
  /* A confined thread may not do that. SIGABRT's action is reset already; one of the others can
  ** only have been sent by hand, and the process ends by another signal, blocked as well. */
  if (sigaction(number, &action, NULL) != 0 && number != SIGABRT) __builtin_trap();
  raise(number); /* comes when the handler returns */
}

static void on_crash(int number, siginfo_t *info, void *context) {
  if (self == NULL) {
    sigaction(number, &crash.before[index_of(number)], NULL);
    if (!is_fault(number, info)) raise(number); /* comes when this returns */
    return;
  }
  mark(self->doing, number, info);
  if (atomic_exchange(&crash.writing, 1) == 0) {
    report(self->doing, number, info);
  } else {
    struct timespec patience = {PATIENCE_S, 0};
    while (nanosleep(&patience, &patience) != 0 && errno == EINTR) continue;
  }
  end(number, info, context);
}

/* ---- Threads ------------------------------------------------------------ */

static void signal_set(sigset_t *set) {
  sigemptyset(set);
  for (int i = 0; i < SIGNALS; i++) sigaddset(set, signals[i]);
}

int pvm_crash_thread_enter(pvm_journal_thread *doing) {
  long registers = sysconf(_SC_SIGSTKSZ);
  size_t bytes = STACK_BYTES + (registers > 0 ? (size_t)registers : 0);
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return PVM_E_NOMEM;
  crash_thread *thread = memory;
  size_t own = (sizeof *thread + 63) & ~(size_t)63;
  stack_t stack = {.ss_sp = (char *)memory + own, .ss_size = bytes - own};
  if (sigaltstack(&stack, &thread->before) != 0) {
    munmap(memory, bytes);
    return PVM_E_OS;
  }
  thread->doing = doing;
  thread->bytes = bytes;
  self = thread;
  sigset_t ours;
  signal_set(&ours);
  pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
  return PVM_OK;
}

void pvm_crash_thread_leave(void) {
  crash_thread *thread = self;
  if (thread == NULL) return;
  sigset_t ours;
  signal_set(&ours);
  pthread_sigmask(SIG_BLOCK, &ours, NULL);
  self = NULL;
  sigaltstack(&thread->before, NULL);
  munmap(thread, thread->bytes);
}

/* ---- Installing --------------------------------------------------------- */

static int open_report(const char *path, char *err) {
  if (path == NULL) {
    crash.fd = STDERR_FILENO;
    return PVM_OK;
  }
  crash.path = strdup(path);
  if (crash.path == NULL) return PVM_E_NOMEM;
  crash.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (crash.fd >= 0) return PVM_OK;
  if (err)
    snprintf(err, PVM_ERR_MAX, "crash report '%.300s': it cannot be made: %s", path,
             strerror(errno));
  free(crash.path);
  crash.path = NULL;
  return PVM_E_OS;
}

int pvm_crash_install(const char *path, pvm_crash_dump *dump, char *err) {
  if (crash.installed) return PVM_E_STATE;
  int status = open_report(path, err);
  if (status != PVM_OK) return status;
  crash.dump = dump;
  void *frame[1];
  backtrace(frame, 1); /* the first call loads libgcc and allocates memory */
  for (int i = 0; i < SIGNALS; i++) {
    struct sigaction action = {.sa_sigaction = on_crash,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK |
                                           (signals[i] == SIGABRT ? (int)SA_RESETHAND : 0)};
    sigfillset(&action.sa_mask);
    sigaction(signals[i], &action, &crash.before[i]);
  }
  crash.installed = 1;
  return PVM_OK;
}

void pvm_crash_uninstall(void) {
  if (!crash.installed) return;
  for (int i = 0; i < SIGNALS; i++) {
    struct sigaction now;
    if (sigaction(signals[i], NULL, &now) == 0 && now.sa_sigaction == on_crash)
      sigaction(signals[i], &crash.before[i], NULL);
  }
  crash.installed = 0;
  if (crash.path == NULL) return;
  struct stat status;
  if (fstat(crash.fd, &status) == 0 && status.st_size == 0) unlink(crash.path);
  close(crash.fd);
  free(crash.path);
  crash.path = NULL;
}

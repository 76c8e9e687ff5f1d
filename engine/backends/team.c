/* team.c - helpers: threads of the process that take parts of a run's works. */
#include "team.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "context.h"
#include "graph.h"

#define SPINS 2000     /* pauses, some 20 us: a part that another thread has begun ends soon */
#define WAKE_NS 200000 /* so long a helper stays awake: the next work, or run, comes soon */
#define STRIPES 64

/* One work that is spread: on the caller's stack while it lasts. */
typedef struct job {
  int count;
  int (*part)(void *arg, int index);
  void *arg;
  pvt_account *account;
  _Atomic int next;
  _Atomic int status;    /* of the first part that failed */
  _Atomic uint32_t stop; /* the helpers' cancel word */
  char sentence[PVT_ERROR_MAX];
} job;

/* What a helper does. Only a crew that holds it posts, and takes back what it has not begun. */
enum { ABSENT, STARTING, FREE, HELD, POSTED, BUSY };

typedef struct helper {
  _Alignas(64) _Atomic uint32_t state; /* a futex */
  _Atomic uint32_t asleep;             /* the helper sleeps, or is about to */
  _Atomic uint32_t awaited;            /* the caller sleeps until it is HELD */
  job *job;
} helper;

typedef struct stripe {
  _Alignas(64) _Atomic int busy;
} stripe;

static helper helpers[PVB_HELPERS];
static stripe stripes[STRIPES];
static _Atomic int started, held_now, crews;
static _Atomic int core_count; /* 0: not counted yet */
static pthread_once_t forks = PTHREAD_ONCE_INIT;

static int cores(void) {
  int count = atomic_load_explicit(&core_count, memory_order_relaxed);
  if (count > 0) return count;
  cpu_set_t set;
  count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  atomic_store_explicit(&core_count, count, memory_order_relaxed);
  return count;
}

void pvg_thread_busy(unsigned number, int change) {
  atomic_fetch_add_explicit(&stripes[number % STRIPES].busy, change, memory_order_relaxed);
}

static int busy_threads(void) {
  int busy = 0;
  for (int i = 0; i < STRIPES; i++)
    busy += atomic_load_explicit(&stripes[i].busy, memory_order_relaxed);
  return busy;
}

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void sleep_on(_Atomic uint32_t *word, uint32_t value, const struct timespec *timeout) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout, NULL, 0);
}

static void wake(_Atomic uint32_t *word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* A child has none of the threads; who held them has gone on in the parent. */
static void in_child(void) {
  for (int i = 0; i < PVB_HELPERS; i++) atomic_store(&helpers[i].state, ABSENT);
  for (int i = 0; i < STRIPES; i++) atomic_store(&stripes[i].busy, 0);
  atomic_store(&started, 0);
  atomic_store(&held_now, 0);
  atomic_store(&crews, 0);
}

static void watch_forks(void) {
  pthread_atfork(NULL, NULL, in_child);
}

/* ---- Helpers ------------------------------------------------------------ */

static void fail(job *job, int status) {
  int none = 0;
  if (status == PVT_E_CANCELLED && atomic_load(&job->stop) != 0) return; /* the caller knows why */
  if (!atomic_compare_exchange_strong(&job->status, &none, status)) return;
  strncpy(job->sentence, pvt_error(), sizeof job->sentence - 1);
}

static void do_parts(job *job) {
  int index, status = PVT_OK;
  while (status >= 0 && atomic_load_explicit(&job->status, memory_order_relaxed) == 0 &&
         (index = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed)) < job->count)
    status = job->part(job->arg, index);
  if (status < 0) fail(job, status);
}

static int stop(void *arg) {
  (void)arg;
  return 1;
}

static void help(job *job) {
  pvt_context context = {job->account, &job->stop, stop, NULL};
  pvt_context_set(&context);
  do_parts(job);
  pvt_context_set(NULL);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void *live(void *arg) {
  helper *self = arg;
  pvt_context_helps();
  unsigned spins = 0;
  int64_t until = 0;
  for (;;) {
    uint32_t state = atomic_load_explicit(&self->state, memory_order_acquire);
    if (state == POSTED) {
      if (!atomic_compare_exchange_strong(&self->state, &state, BUSY)) continue;
      help(self->job);
      atomic_store(&self->state, HELD); /* from here on the job may be gone */
      if (atomic_exchange(&self->awaited, 0) != 0) wake(&self->state);
      until = now() + WAKE_NS;
    } else if (spins++ % 64 != 0 || now() < until) {
      relax();
    } else {
      atomic_store(&self->asleep, 1);
      if (atomic_load(&self->state) == state) sleep_on(&self->state, state, NULL);
      atomic_store(&self->asleep, 0);
      until = now() + WAKE_NS;
    }
  }
  return NULL;
}

/* False where no thread can be started, for want of memory or of permission. */
static bool start(helper *self) {
  pthread_attr_t attr;
  pthread_t thread;
  sigset_t all, before;
  if (pthread_attr_init(&attr) != 0) return false;
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attr, 1 << 20);
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are for others */
  bool made = pthread_create(&thread, &attr, live, self) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
  return made;
}

/* Take one that is free, or start one. */
static bool hold(pvb_crew *crew) {
  for (int i = 0; i < PVB_HELPERS && i < cores() - 1; i++) {
    uint32_t is = FREE;
    if (atomic_compare_exchange_strong(&helpers[i].state, &is, HELD)) {
      crew->held |= 1ull << i;
      return true;
    }
    is = ABSENT;
    if (atomic_compare_exchange_strong(&helpers[i].state, &is, STARTING)) {
      bool made = start(&helpers[i]);
      atomic_store(&helpers[i].state, made ? HELD : ABSENT);
      if (!made) return false;
      atomic_fetch_add(&started, 1);
      if (atomic_load(&helpers[i].asleep) != 0) wake(&helpers[i].state);
      crew->held |= 1ull << i;
      return true;
    }
  }
  return false;
}

static void let_go(pvb_crew *crew) {
  int i = __builtin_ctzll(crew->held);
  crew->held &= crew->held - 1;
  atomic_store(&helpers[i].state, FREE);
  atomic_fetch_sub(&held_now, 1);
}

/* ---- Crews -------------------------------------------------------------- */

/* Hold as many helpers as are this crew's share now. */
static void settle(pvb_crew *crew, int wanted) {
  int unused = cores() - busy_threads(), sharing = atomic_load(&crews);
  int share = unused <= 0 ? 0 : (unused + sharing - 1) / (sharing > 0 ? sharing : 1);
  if (wanted > share) wanted = share;
  while (__builtin_popcountll(crew->held) > (wanted > 0 ? wanted : 0)) let_go(crew);
  while (__builtin_popcountll(crew->held) < wanted) {
    /* the place is taken before the helper, so that two crews cannot both take the last core */
    if (atomic_fetch_add(&held_now, 1) >= unused || !hold(crew)) {
      atomic_fetch_sub(&held_now, 1);
      return;
    }
  }
}

static void post(helper *to, job *job) {
  to->job = job;
  atomic_store(&to->state, POSTED);
  if (atomic_load(&to->asleep) != 0) wake(&to->state);
}

/* Until the helper has ended its part, or has not begun one. */
static void await(helper *of, job *job) {
  uint32_t state = POSTED;
  if (atomic_compare_exchange_strong(&of->state, &state, HELD)) return;
  for (int spins = 0; atomic_load(&of->state) != HELD; spins++) {
    if (atomic_load(&job->stop) == 0 && pvt_poll() != PVT_OK) {
      fail(job, PVT_E_CANCELLED);
      atomic_store(&job->stop, 1);
    }
    if (spins < SPINS) {
      relax();
      continue;
    }
    atomic_store(&of->awaited, 1);
    if (atomic_load(&of->state) == BUSY)
      sleep_on(&of->state, BUSY, &(struct timespec){.tv_nsec = 1000000});
    atomic_store(&of->awaited, 0);
  }
}

static int spread(pvb_team *team, int count, int (*part)(void *arg, int index), void *arg) {
  pvb_crew *crew = (pvb_crew *)team;
  /* helpers may do all the parts: the caller asks at least here */
  if (pvt_poll() != PVT_OK) return PVT_E_CANCELLED;
  settle(crew, (count < team->threads ? count : team->threads) - 1);
  job job = {.count = count, .part = part, .arg = arg, .account = pvt_context_account()};
  for (uint64_t left = crew->held; left != 0; left &= left - 1)
    post(&helpers[__builtin_ctzll(left)], &job);
  do_parts(&job);
  if (atomic_load(&job.status) != 0) atomic_store(&job.stop, 1);
  for (uint64_t left = crew->held; left != 0; left &= left - 1)
    await(&helpers[__builtin_ctzll(left)], &job);
  int status = atomic_load(&job.status);
  if (status != 0) return pvt_fail(status, "%s", job.sentence);
  /* what helpers charged has not been asked for yet */
  return crew->held != 0 ? pvt_account_charge(job.account, 0) : PVT_OK;
}

pvb_team *pvb_crew_join(pvb_crew *crew, int threads) {
  if (threads <= 1) return NULL;
  pthread_once(&forks, watch_forks);
  *crew = (pvb_crew){.team = {.threads = threads, .spread = spread}};
  crew->counted = pvt_context_get() == NULL;
  if (crew->counted) pvg_thread_busy(0, 1);
  atomic_fetch_add(&crews, 1);
  return &crew->team;
}

void pvb_crew_leave(pvb_crew *crew) {
  while (crew->held != 0) let_go(crew);
  atomic_fetch_sub(&crews, 1);
  if (crew->counted) pvg_thread_busy(0, -1);
}

int pvb_helpers(int *held) {
  *held = atomic_load(&held_now);
  return atomic_load(&started);
}

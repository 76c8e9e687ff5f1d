/* executor.c - accepts invocations, spreads them over workers, collects their results. */
#include "executor.h"

#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime.h"

/* ---- Start -------------------------------------------------------------- */

void pvm_executor_config_init(pvm_executor_config *config) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  memset(config, 0, sizeof *config);
  config->workers = cores < 1 ? 1 : cores > PVM_MAX_WORKERS ? PVM_MAX_WORKERS : (uint32_t)cores;
  config->max_pending = 65536;
  config->vms_per_worker = 512;
  config->warm_vms = 2;
  config->spin_us = 20;
  config->core_workers = 1;
  config->low_workers = 1;
  config->confine = 1;
  config->preempt = 1;
  config->epoch = 1;
  config->grace_ms = 100;
}

static int valid(const pvm_executor_config *config) {
  return config->workers >= 1 && config->workers <= PVM_MAX_WORKERS && config->core_workers >= 1 &&
         config->core_workers <= PVM_MAX_WORKERS && config->low_workers >= 1 &&
         config->low_workers <= PVM_MAX_WORKERS && config->max_pending >= 1 &&
         config->max_pending <= (1u << 24) && config->vms_per_worker >= 1 &&
         config->warm_vms <= 1024 && config->spin_us <= 1000000 && config->confine <= 1 &&
         config->preempt <= 1 && config->epoch >= 1 && config->epoch < (1u << 24) &&
         config->grace_ms >= 1 && config->grace_ms <= 60000;
}

static void finish_handed(pvm_executor *executor);

static int is_all_collected(pvm_executor *executor) {
  uint32_t left = 0;
  for (int lane = 0; lane < PVM_LANES; lane++) left += atomic_load(&executor->outstanding[lane]);
  return left == 0;
}

static void release(pvm_executor *executor) {
  for (pvm_invocation *rest; (rest = pvm_ring_pop(&executor->completed)) != NULL;) {
    pvm_buffer_free(&rest->completion.data);
    pvm_invocation_release(rest);
  }
  if (executor->journal != NULL) pvm_journal_close(executor->journal, is_all_collected(executor));
  free(executor->handed);
  pthread_mutex_destroy(&executor->handing);
  for (uint32_t i = 0; i < executor->group_count; i++) pvm_group_free(executor->groups[i]);
  pvm_ring_free(&executor->completed);
  pvm_task_table_free(&executor->tasks);
  pthread_mutex_destroy(&executor->grouping);
  free(executor);
}

static uint32_t workers_of(const pvm_executor *executor, pvm_lane lane) {
  const pvm_executor_config *config = &executor->config;
  return lane == PVM_LANE_CORE  ? config->core_workers
         : lane == PVM_LANE_LOW ? config->low_workers
                                : config->workers;
}

static pvm_group *find_group(pvm_executor *executor, const pvm_policy *policy, pvm_lane lane) {
  uint32_t count = atomic_load(&executor->group_count);
  for (uint32_t i = 0; i < count; i++) {
    pvm_group *group = executor->groups[i];
    if (group->lane == lane && pvm_policy_equal(&group->policy, policy)) return group;
  }
  return NULL;
}

/* The group for a policy and a lane, started if there is none yet. NULL with *status and
** `err`. */
static pvm_group *group_for(pvm_executor *executor, const pvm_policy *policy, pvm_lane lane,
                            int *status, char *err) {
  pvm_group *group = find_group(executor, policy, lane);
  if (group != NULL) return group;
  uint32_t count = atomic_load(&executor->group_count), workers = workers_of(executor, lane);
  uint32_t first =
      count ? executor->groups[count - 1]->first + executor->groups[count - 1]->count : 0;
  if (first + workers > PVM_MAX_WORKERS) {
    if (err)
      snprintf(err, PVM_ERR_MAX,
               "there are %u worker threads for other lanes and permissions already; %u more would "
               "be over the limit of %d: let tasks share permissions, or start fewer workers",
               first, workers, PVM_MAX_WORKERS);
    *status = PVM_E_OS;
    return NULL;
  }
  group = pvm_group_start(executor, policy, lane, first, workers, status, err);
  if (group == NULL) return NULL;
  for (int other = 0; other < PVM_LANES; other++) {
    pvm_group *beside = find_group(executor, policy, (pvm_lane)other);
    if (beside == NULL) continue;
    atomic_store(&group->beside[other], beside);
    atomic_store(&beside->beside[lane], group);
  }
  executor->groups[count] = group;
  atomic_store(&executor->group_count, count + 1);
  return group;
}

/* A low task's work is run by the regular workers too, so there must be some. */
static pvm_group *groups_for(pvm_executor *executor, const pvm_policy *policy, pvm_lane lane,
                             int *status, char *err) {
  if (lane != PVM_LANE_REGULAR &&
      group_for(executor, policy, PVM_LANE_REGULAR, status, err) == NULL)
    return NULL;
  return group_for(executor, policy, lane, status, err);
}

int pvm_executor_start(const pvm_executor_config *config, pvm_executor **out, char *err) {
  int status = pvm_runtime_start(err);
  if (status != PVM_OK) return status;
  if (config == NULL || out == NULL || !valid(config)) return PVM_E_INVALID;
  *out = NULL;
  pvm_executor *executor = NULL;
  if (posix_memalign((void **)&executor, _Alignof(pvm_executor), sizeof *executor) != 0)
    return PVM_E_NOMEM;
  memset(executor, 0, sizeof *executor);
  executor->config = *config;
  cpu_set_t cpus;
  executor->cores = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (uint32_t)CPU_COUNT(&cpus) : 1;
  pthread_mutex_init(&executor->grouping, NULL);
  pthread_mutex_init(&executor->handing, NULL);
  struct timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  executor->wall_ns = (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec - pvm_now();
  pvm_task_table_init(&executor->tasks);
  status = pvm_ring_init(&executor->completed, PVM_LANES * (size_t)config->max_pending) == 0
               ? PVM_OK
               : PVM_E_NOMEM;
  if (status == PVM_OK && config->journal != NULL)
    status = pvm_journal_create(config->journal, config->journal_bytes, config->epoch,
                                &executor->journal, err);
  executor->config.journal = NULL; /* the caller's string */
  if (status == PVM_OK) status = pvm_ladder_start(&executor->ladder, executor);
  if (status != PVM_OK) {
    release(executor);
    return status;
  }
  static const pvm_policy nothing;
  if (group_for(executor, &nothing, PVM_LANE_REGULAR, &status, err) != NULL) {
    *out = executor;
    return PVM_OK;
  }
  pvm_ladder_stop(&executor->ladder);
  release(executor);
  return status;
}

/* ---- Tasks -------------------------------------------------------------- */

void pvm_task_config_init(pvm_task_config *config) {
  memset(config, 0, sizeof *config);
  config->lane = PVM_LANE_REGULAR;
}

static int is_valid_config(const pvm_task_config *config) {
  return config->lane >= PVM_LANE_CORE && config->lane <= PVM_LANE_LOW &&
         pvm_breaker_is_valid(&config->breaker) && config->rate >= 0 && config->rate <= 1e9 &&
         config->priority >= -PVM_PRIORITY_MAX && config->priority <= PVM_PRIORITY_MAX &&
         (config->memory_bytes == 0 || config->memory_bytes >= PVM_MEMORY_MIN);
}

static int64_t add_task(pvm_executor *executor, pvm_program *program, const pvm_task_config *config,
                        char *err) {
  int status = PVM_E_STATE;
  if (atomic_load(&executor->state) != PVM_EXECUTOR_RUNNING) return status;
  pvm_group *group = groups_for(executor, &program->policy, config->lane, &status, err);
  if (group == NULL) return status;
  pvm_task *task = pvm_task_table_add(&executor->tasks, program, config, group);
  return task != NULL ? task->id : PVM_E_NOMEM;
}

int64_t pvm_task_add(pvm_executor *executor, pvm_program *program, const pvm_task_config *config,
                     char *err) {
  pvm_task_config defaults;
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL || program == NULL || !program->finished) return PVM_E_INVALID;
  pvm_task_config_init(&defaults);
  if (config == NULL) config = &defaults;
  if (!is_valid_config(config)) return PVM_E_INVALID;
  pthread_mutex_lock(&executor->grouping);
  int64_t id = add_task(executor, program, config, err);
  pthread_mutex_unlock(&executor->grouping);
  return id;
}

static void for_each_worker(pvm_executor *executor, void (*act)(pvm_worker *worker)) {
  uint32_t count = atomic_load(&executor->group_count);
  for (uint32_t g = 0; g < count; g++)
    for (uint32_t i = 0; i < executor->groups[g]->count; i++) act(&executor->groups[g]->workers[i]);
}

static void ring_all(pvm_worker *w) {
  pvm_park_ring_all(&w->park);
}

void pvm_executor_note_withdrawal(pvm_executor *executor) {
  atomic_fetch_add(&executor->withdrawals, 1);
  for_each_worker(executor, ring_all);
}

/* A withdrawn task may have just run out of work: its VMs and its program can go. */
static void settle(pvm_executor *executor, pvm_task *task) {
  pvm_executor_note_withdrawal(executor);
  pvm_task_empty(task);
}

int pvm_task_withdraw(pvm_executor *executor, int64_t id) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  pvm_task *task = executor ? pvm_task_table_get(&executor->tasks, id) : NULL;
  if (task == NULL) return PVM_E_UNKNOWN;
  if (atomic_exchange(&task->withdrawn, 1)) return PVM_E_UNKNOWN;
  settle(executor, task);
  return PVM_OK;
}

int pvm_executor_stats_get(pvm_executor *executor, pvm_executor_stats *stats) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (executor == NULL || stats == NULL) return PVM_E_INVALID;
  for (int lane = 0; lane < PVM_LANES; lane++)
    stats->pending[lane] = atomic_load(&executor->outstanding[lane]);
  stats->unfinished = atomic_load(&executor->unfinished);
  uint32_t count = atomic_load(&executor->group_count);
  stats->threads = executor->groups[count - 1]->first + executor->groups[count - 1]->count;
  stats->stuck = atomic_load(&executor->stuck);
  stats->unserved = atomic_load(&executor->unserved);
  stats->pauses = atomic_load(&executor->pauses);
  return PVM_OK;
}

int pvm_task_stats_get(pvm_executor *executor, int64_t id, pvm_task_stats *stats) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL || stats == NULL) return PVM_E_INVALID;
  pvm_task *task = pvm_task_table_get(&executor->tasks, id);
  if (task == NULL) return PVM_E_UNKNOWN;
  stats->finished = atomic_load(&task->finished); /* before accepted: never ahead of it */
  stats->failed = atomic_load(&task->failed);
  stats->accepted = atomic_load(&task->accepted);
  stats->running = atomic_load(&task->running);
  stats->vms = atomic_load(&task->vms);
  stats->bytes = atomic_load(&task->bytes);
  return PVM_OK;
}

/* ---- Breakers ----------------------------------------------------------- */

static pvm_breaker *breaker_of(pvm_executor *executor, int64_t id) {
  pvm_task *task = executor ? pvm_task_table_get(&executor->tasks, id) : NULL;
  return task != NULL ? task->breaker : NULL;
}

int pvm_task_breaker_read(pvm_executor *executor, int64_t id, pvm_breaker_snapshot *snapshot) {
  pvm_breaker *breaker = breaker_of(executor, id);
  if (breaker == NULL) return PVM_E_UNKNOWN;
  pvm_breaker_read(breaker, pvm_now(), snapshot);
  return PVM_OK;
}

int pvm_task_breaker_restore(pvm_executor *executor, int64_t id,
                             const pvm_breaker_snapshot *snapshot) {
  pvm_breaker *breaker = breaker_of(executor, id);
  return breaker != NULL ? pvm_breaker_restore(breaker, pvm_now(), snapshot) : PVM_E_UNKNOWN;
}

int pvm_task_breaker_force(pvm_executor *executor, int64_t id, pvm_breaker_hold hold) {
  pvm_breaker *breaker = breaker_of(executor, id);
  if (breaker == NULL) return PVM_E_UNKNOWN;
  if (hold < PVM_BREAKER_AUTO || hold > PVM_BREAKER_HOLD_CLOSED) return PVM_E_INVALID;
  pvm_breaker_force(breaker, pvm_now(), hold);
  return PVM_OK;
}

int pvm_task_breaker_crashed(pvm_executor *executor, int64_t id) {
  pvm_breaker *breaker = breaker_of(executor, id);
  if (breaker == NULL) return PVM_E_UNKNOWN;
  pvm_breaker_note(breaker, pvm_now(), PVM_BREAKER_NO_TOKEN, PVM_CRASHED);
  return PVM_OK;
}

int pvm_task_breaker_explain(pvm_executor *executor, int64_t id, char *text) {
  pvm_breaker *breaker = breaker_of(executor, id);
  if (breaker == NULL) return PVM_E_UNKNOWN;
  pvm_breaker_explain(breaker, pvm_now(), text, PVM_ERR_MAX);
  return PVM_OK;
}

/* ---- Accepting ---------------------------------------------------------- */

/* Take places in the lane for up to `wanted` invocations; returns how many there were. */
static uint32_t take_places(pvm_executor *executor, pvm_lane lane, uint32_t wanted) {
  _Atomic uint32_t *outstanding = &executor->outstanding[lane];
  uint32_t now = atomic_load_explicit(outstanding, memory_order_relaxed);
  for (;;) {
    uint32_t free_places = executor->config.max_pending - now;
    uint32_t n = wanted < free_places ? wanted : free_places;
    if (n == 0) return 0;
    if (atomic_compare_exchange_weak(outstanding, &now, now + n)) return n;
  }
}

static void return_places(pvm_executor *executor, pvm_lane lane, uint32_t n) {
  atomic_fetch_sub(&executor->outstanding[lane], n);
}

static void count_down(pvm_executor *executor, uint32_t n) {
  if (atomic_fetch_sub(&executor->unfinished, n) == n) pvm_park_ring_all(&executor->drained);
}

/* Count n invocations as accepted, unless the task or the executor takes no more. */
static int admit(pvm_executor *executor, pvm_task *task, uint32_t n) {
  atomic_fetch_add(&executor->unfinished, n);
  atomic_fetch_add(&task->accepted, n);
  int status = PVM_OK;
  if (atomic_load(&task->withdrawn)) status = PVM_E_UNKNOWN;
  if (atomic_load(&executor->state) != PVM_EXECUTOR_RUNNING) status = PVM_E_STATE;
  if (status != PVM_OK) {
    atomic_fetch_sub(&task->accepted, n);
    count_down(executor, n);
    if (status == PVM_E_UNKNOWN && pvm_task_over(task)) settle(executor, task);
  }
  return status;
}

static uint64_t deadline_of(const pvm_task *task, const pvm_submit_options *options, uint64_t now) {
  uint64_t span = options != NULL && options->deadline_ns != 0 ? options->deadline_ns
                                                               : task->config.deadline_ns;
  return span == 0 || span > PVM_NEVER - now ? PVM_NEVER : now + span;
}

static uint64_t new_id(pvm_executor *executor) {
  uint64_t count = atomic_fetch_add_explicit(&executor->last, 1, memory_order_relaxed) + 1;
  return executor->config.epoch << 40 | count;
}

static int write_down(pvm_executor *executor, pvm_invocation *invocation) {
  invocation->block = PVM_JOURNAL_NONE;
  if (executor->journal == NULL) return PVM_OK;
  uint64_t deadline = invocation->deadline_ns;
  pvm_journal_record record = {.id = invocation->completion.id,
                               .tag = invocation->completion.tag,
                               .accepted_ns = executor->wall_ns + invocation->accepted_ns,
                               .deadline_ns =
                                   deadline == PVM_NEVER ? 0 : executor->wall_ns + deadline,
                               .attempt = invocation->completion.attempt,
                               .task = invocation->task->program->name,
                               .payload = invocation->payload,
                               .len = invocation->len};
  return pvm_journal_accept(executor->journal, &record, &invocation->block);
}

/* An invocation that rate and breaker let in, and that is in the journal. */
static int make(pvm_executor *executor, pvm_task *task, uint64_t tag, const void *payload,
                size_t len, const pvm_submit_options *options, pvm_invocation **out) {
  uint64_t now = pvm_now();
  if (!pvm_task_rate_admits(task, now)) return PVM_E_RATE;
  uint64_t token = pvm_breaker_admit(task->breaker, now);
  if (token == PVM_BREAKER_NO_TOKEN) return PVM_E_BREAKER;
  pvm_invocation *invocation = len > PTRDIFF_MAX / 2 ? NULL : malloc(sizeof *invocation + len);
  if (invocation == NULL) {
    pvm_breaker_note(task->breaker, now, token, PVM_REJECTED);
    return PVM_E_NOMEM;
  }
  memset(invocation, 0, sizeof *invocation);
  invocation->completion.tag = tag;
  invocation->completion.task = task->id;
  invocation->task = task;
  invocation->token = token;
  atomic_init(&invocation->references, 1);
  invocation->accepted_ns = now;
  invocation->deadline_ns = deadline_of(task, options, now);
  invocation->priority =
      options != NULL && options->priority != 0 ? options->priority : task->config.priority;
  invocation->len = len;
  if (len != 0) memcpy(invocation->payload, payload, len);
  int again = options != NULL && options->id != 0;
  invocation->completion.id = again ? options->id : new_id(executor);
  invocation->completion.attempt = again && options->attempt > 1 ? options->attempt : 1;
  int status = write_down(executor, invocation);
  if (status != PVM_OK) {
    pvm_breaker_note(task->breaker, now, token, PVM_REJECTED);
    free(invocation);
    return status;
  }
  *out = invocation;
  return PVM_OK;
}

/* Home first: there the task's VM is warm. When home is behind, whoever is shorter of
** home and the next in turn. */
static pvm_worker *choose(pvm_task *task) {
  pvm_group *group = task->group;
  pvm_worker *home = &group->workers[task->home];
  size_t behind = pvm_queue_count(&home->queue);
  if (behind < 2 || group->count == 1) return home;
  uint32_t turn = atomic_fetch_add_explicit(&task->spread, 1, memory_order_relaxed);
  pvm_worker *other = &group->workers[turn % group->count];
  return pvm_queue_count(&other->queue) < behind ? other : home;
}

static pvm_worker *enqueue(pvm_invocation *invocation) {
  pvm_worker *w = choose(invocation->task);
  pvm_queue_push(&w->queue, invocation);
  return w;
}

/* Wake a sleeper of the group, if there is one. */
static int wake_one(pvm_group *group, uint32_t first) {
  for (uint32_t i = 0; i < group->count; i++) {
    pvm_worker *other = &group->workers[(first + i) % group->count];
    if (atomic_load_explicit(&other->park.sleepers, memory_order_relaxed) != 0) {
      pvm_park_ring(&other->park);
      return 1;
    }
  }
  return 0;
}

/* Wake the worker, or, if it is busy, one that may steal from it. */
static void wake(pvm_worker *w) {
  if (pvm_park_asleep(&w->park)) {
    pvm_park_ring(&w->park);
    return;
  }
  if (atomic_load(&w->looking) && pvm_queue_count(&w->queue) <= 1) return;
  if (wake_one(w->group, w->index + 1)) return;
  pvm_group *helpers = atomic_load(&w->group->beside[PVM_LANE_REGULAR]);
  if (helpers != NULL) wake_one(helpers, 0);
}

/* To a worker, or into the task's backlog. */
static void dispatch(pvm_executor *executor, pvm_invocation *invocation) {
  if (invocation->task->config.lane == PVM_LANE_CORE &&
      atomic_fetch_add(&executor->core_unfinished, 1) == 0 &&
      atomic_load(&executor->low_running) != 0)
    pvm_ladder_ring(&executor->ladder);
  if (pvm_task_dispatch(invocation->task, invocation)) wake(enqueue(invocation));
}

void pvm_executor_dispatch_next(pvm_task *task) {
  pvm_invocation *next = pvm_task_dispatch_next(task);
  if (next != NULL) wake(enqueue(next));
}

static int find(pvm_executor *executor, int64_t id, pvm_task **task) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL) return PVM_E_INVALID;
  *task = pvm_task_table_get(&executor->tasks, id);
  return *task != NULL ? PVM_OK : PVM_E_UNKNOWN;
}

void pvm_executor_return(pvm_worker *worker, pvm_invocation *invocation) {
  pvm_queue_push(&worker->queue, invocation);
  pvm_park_ring(&worker->park);
}

int pvm_submit(pvm_executor *executor, int64_t id, uint64_t tag, const void *payload, size_t len,
               const pvm_submit_options *options) {
  size_t end = len;
  int64_t accepted = pvm_submit_many(executor, id, tag, payload, &end, 1, options);
  return accepted < 0 ? (int)accepted : PVM_OK;
}

int64_t pvm_submit_many(pvm_executor *executor, int64_t id, uint64_t first_tag,
                        const void *payloads, const size_t *ends, size_t count,
                        const pvm_submit_options *options) {
  pvm_task *task;
  int status = find(executor, id, &task);
  if (status != PVM_OK) return status;
  if (count == 0) return 0;
  if (options != NULL && abs(options->priority) > PVM_PRIORITY_MAX) return PVM_E_INVALID;
  if (ends == NULL || (payloads == NULL && ends[count - 1] != 0)) return PVM_E_INVALID;
  for (size_t i = 1; i < count; i++)
    if (ends[i] < ends[i - 1]) return PVM_E_INVALID;
  pvm_lane lane = task->config.lane;
  uint32_t n = take_places(executor, lane, count > UINT32_MAX ? UINT32_MAX : (uint32_t)count);
  if (n == 0) return PVM_E_FULL;
  status = admit(executor, task, n);
  if (status != PVM_OK) {
    return_places(executor, lane, n);
    return status;
  }
  size_t start = 0;
  uint32_t done = 0;
  for (; done < n; done++) {
    const unsigned char *payload = (const unsigned char *)payloads + start;
    pvm_invocation *invocation;
    status =
        make(executor, task, first_tag + done, payload, ends[done] - start, options, &invocation);
    if (status != PVM_OK) break;
    start = ends[done];
    dispatch(executor, invocation); /* each: workers sleep between two pushes */
  }
  if (done < n) { /* the rest is refused */
    atomic_fetch_sub(&task->accepted, n - done);
    count_down(executor, n - done);
    return_places(executor, lane, n - done);
    if (pvm_task_over(task)) settle(executor, task);
  }
  return done > 0 ? (int64_t)done : status;
}

/* ---- Results ------------------------------------------------------------ */

void pvm_executor_deliver(pvm_executor *executor, pvm_invocation *invocation) {
  if (invocation->waited_for) {
    /* after the exchange the waiter may free the invocation; waking an address that has
    ** gone is harmless */
    if (atomic_exchange(&invocation->over, PVM_OVER) == PVM_OVER_ASLEEP)
      syscall(SYS_futex, &invocation->over, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
  } else {
    pvm_ring_push(&executor->completed, invocation, 0);
    pvm_park_ring(&executor->collector);
  }
  count_down(executor, 1);
}

/* With this much accepted and unfinished, completions come in streams: a collector then
** sleeps for a while and gathers, instead of being rung awake for a handful. What it does
** for each awakening would be taken from the workers, who have the cores to themselves. */
#define STREAM 256
#define GATHER_FIRST_NS 100000 /* each further nap is twice as long */
#define GATHER_MOST_NS 1000000

static void gather(pvm_executor *executor, uint32_t wanted) {
  struct timespec nap = {0, GATHER_FIRST_NS};
  while (nap.tv_nsec <= GATHER_MOST_NS && pvm_ring_count(&executor->completed) < wanted &&
         atomic_load_explicit(&executor->unfinished, memory_order_relaxed) >= STREAM) {
    nanosleep(&nap, NULL);
    nap.tv_nsec *= 2;
  }
}

/* Wait for completions; 1 when there are some, 0 on time-out. Another collector may be
** quicker to take them. */
static int await_completions(pvm_executor *executor, uint64_t deadline) {
  while (pvm_ring_count(&executor->completed) == 0) {
    uint64_t now = pvm_now();
    if (now >= deadline) return 0;
    uint32_t ticket = pvm_park_ticket(&executor->collector);
    if (pvm_ring_count(&executor->completed) != 0) pvm_park_leave(&executor->collector);
    else pvm_park_sleep(&executor->collector, ticket, (int64_t)(deadline - now));
  }
  return 1;
}

/* What the last collection handed out has been seen: the journal may forget it. */
static void finish_handed(pvm_executor *executor) {
  pthread_mutex_lock(&executor->handing);
  for (size_t i = 0; i < executor->handed_count; i++)
    pvm_journal_finish(executor->journal, executor->handed[i]);
  executor->handed_count = 0;
  pthread_mutex_unlock(&executor->handing);
}

/* Without memory for the note it stays in the journal, and would run again. */
static void hand_out(pvm_executor *executor, const pvm_invocation *invocation) {
  if (invocation->block == PVM_JOURNAL_NONE) return;
  pthread_mutex_lock(&executor->handing);
  if (executor->handed_count == executor->handed_cap) {
    size_t cap = executor->handed_cap ? 2 * executor->handed_cap : 1024;
    uint32_t *handed = realloc(executor->handed, cap * sizeof *handed);
    if (handed != NULL) {
      executor->handed = handed;
      executor->handed_cap = cap;
    }
  }
  if (executor->handed_count < executor->handed_cap)
    executor->handed[executor->handed_count++] = invocation->block;
  pthread_mutex_unlock(&executor->handing);
}

/* Take ended invocations out, up to max, waiting for the first; hand each to `take`. */
static int collect(pvm_executor *executor, uint32_t max, uint32_t timeout_ms,
                   void (*take)(void *to, uint32_t index, pvm_completion *completion), void *to) {
  uint64_t deadline = pvm_now() + (uint64_t)timeout_ms * 1000000u;
  uint32_t count = 0, places[PVM_LANES] = {0};
  if (executor->journal != NULL) finish_handed(executor);
  if (timeout_ms > 0) gather(executor, max / 2);
  do {
    pvm_invocation *invocation;
    while (count < max && (invocation = pvm_ring_pop(&executor->completed)) != NULL) {
      take(to, count++, &invocation->completion);
      places[invocation->task->config.lane]++;
      hand_out(executor, invocation);
      pvm_invocation_release(invocation);
    }
  } while (count == 0 && await_completions(executor, deadline));
  for (int lane = 0; lane < PVM_LANES; lane++)
    if (places[lane] > 0) return_places(executor, (pvm_lane)lane, places[lane]);
  return (int)count;
}

static void take_completion(void *to, uint32_t index, pvm_completion *completion) {
  ((pvm_completion *)to)[index] = *completion;
}

int pvm_collect(pvm_executor *executor, pvm_completion *completions, uint32_t max,
                uint32_t timeout_ms) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (executor == NULL || completions == NULL || max == 0) return PVM_E_INVALID;
  return collect(executor, max, timeout_ms, take_completion, completions);
}

/* A batch as it grows. Without memory for more data, an invocation keeps its outcome and
** loses its data: the count of completions must be right above all. */
typedef struct growing {
  pvm_batch *batch;
  size_t len;
  size_t cap;
} growing;

static void take_record(void *to, uint32_t index, pvm_completion *completion) {
  growing *g = to;
  size_t len = completion->data.len;
  if (g->cap - g->len < len) {
    size_t cap = g->cap ? g->cap : 4096;
    while (cap - g->len < len) cap *= 2;
    unsigned char *data = realloc(g->batch->data, cap);
    if (data == NULL) {
      len = 0;
    } else {
      g->batch->data = data;
      g->cap = cap;
    }
  }
  if (len != 0) memcpy(g->batch->data + g->len, completion->data.data, len);
  g->len += len;
  g->batch->records[index] = (pvm_record){.id = completion->id,
                                          .tag = completion->tag,
                                          .task = completion->task,
                                          .outcome = completion->outcome,
                                          .worker = completion->worker,
                                          .queued_ns = completion->queued_ns,
                                          .load_ns = completion->load_ns,
                                          .run_ns = completion->run_ns,
                                          .end = g->len,
                                          .attempt = completion->attempt};
  pvm_buffer_free(&completion->data);
}

int pvm_collect_batch(pvm_executor *executor, pvm_batch *batch, uint32_t max, uint32_t timeout_ms) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (executor == NULL || batch == NULL || max == 0) return PVM_E_INVALID;
  growing g = {batch, 0, 0};
  batch->count = 0;
  batch->data = NULL;
  batch->records = malloc(max * sizeof *batch->records);
  if (batch->records == NULL) return PVM_E_NOMEM;
  batch->count = (uint32_t)collect(executor, max, timeout_ms, take_record, &g);
  return (int)batch->count;
}

void pvm_batch_free(pvm_batch *batch) {
  if (batch == NULL) return;
  free(batch->records);
  free(batch->data);
  *batch = (pvm_batch){0, NULL, NULL};
}

static void wait_for(pvm_executor *executor, pvm_invocation *invocation) {
  uint64_t until = pvm_now() + executor->config.spin_us * 1000u;
  do {
    for (int i = 0; i < 64; i++) {
      if (atomic_load_explicit(&invocation->over, memory_order_acquire) == PVM_OVER) return;
      pvm_spin();
    }
  } while (pvm_now() < until);
  uint32_t state = PVM_OVER_NOT;
  atomic_compare_exchange_strong(&invocation->over, &state, PVM_OVER_ASLEEP);
  while (atomic_load_explicit(&invocation->over, memory_order_acquire) != PVM_OVER)
    syscall(SYS_futex, &invocation->over, FUTEX_WAIT_PRIVATE, PVM_OVER_ASLEEP, NULL, NULL, 0);
}

int pvm_invoke(pvm_executor *executor, int64_t id, const void *payload, size_t len,
               const pvm_submit_options *options, pvm_completion *completion) {
  pvm_task *task;
  int status = find(executor, id, &task);
  if (status != PVM_OK) return status;
  if (completion == NULL || (payload == NULL && len != 0)) return PVM_E_INVALID;
  if (options != NULL && abs(options->priority) > PVM_PRIORITY_MAX) return PVM_E_INVALID;
  if (take_places(executor, task->config.lane, 1) == 0) return PVM_E_FULL;
  pvm_invocation *invocation = NULL;
  status = admit(executor, task, 1);
  if (status == PVM_OK &&
      (status = make(executor, task, 0, payload, len, options, &invocation)) != PVM_OK) {
    atomic_fetch_sub(&task->accepted, 1);
    count_down(executor, 1);
    if (pvm_task_over(task)) settle(executor, task);
  }
  if (status != PVM_OK) {
    return_places(executor, task->config.lane, 1);
    return status;
  }
  invocation->waited_for = 1;
  dispatch(executor, invocation);
  wait_for(executor, invocation);
  *completion = invocation->completion;
  if (invocation->block != PVM_JOURNAL_NONE)
    pvm_journal_finish(executor->journal, invocation->block);
  pvm_invocation_release(invocation);
  return_places(executor, task->config.lane, 1);
  return PVM_OK;
}

void pvm_executor_note_position(pvm_executor *executor, uint64_t position) {
  if (pvm_runtime_forked() || executor == NULL || executor->journal == NULL) return;
  pvm_journal_note_position(executor->journal, position);
}

/* ---- Stop --------------------------------------------------------------- */

static void drain(pvm_executor *executor, uint32_t drain_ms) {
  uint64_t deadline = pvm_now() + (uint64_t)drain_ms * 1000000u;
  for (;;) {
    uint32_t ticket = pvm_park_ticket(&executor->drained);
    uint64_t now = pvm_now();
    if (atomic_load(&executor->unfinished) == 0 || now >= deadline) {
      pvm_park_leave(&executor->drained);
      return;
    }
    pvm_park_sleep(&executor->drained, ticket, (int64_t)(deadline - now));
  }
}

/* Wait until the worker's thread has ended, or the ladder has given it up. */
static void await_end(pvm_worker *w) {
  pvm_executor *executor = w->executor;
  for (;;) {
    uint32_t ticket = pvm_park_ticket(&executor->departures);
    pvm_thread *thread = atomic_load(&w->thread);
    if (thread == NULL || atomic_load(&thread->ended)) {
      pvm_park_leave(&executor->departures);
      return;
    }
    pvm_park_sleep(&executor->departures, ticket, PVM_FOREVER);
  }
}

/* Once the ladder looks at no thread any more. */
static void join_thread(pvm_worker *w) {
  pvm_thread *thread = atomic_exchange(&w->thread, NULL);
  if (thread != NULL) pvm_thread_join(thread);
}

int pvm_executor_stop(pvm_executor *executor, uint32_t drain_ms) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (executor == NULL) return PVM_E_INVALID;
  int running = PVM_EXECUTOR_RUNNING;
  pthread_mutex_lock(&executor->grouping);
  int mine = atomic_compare_exchange_strong(&executor->state, &running, PVM_EXECUTOR_DRAINING);
  pthread_mutex_unlock(&executor->grouping);
  if (!mine) return PVM_E_STATE;
  drain(executor, drain_ms);
  atomic_store(&executor->state, PVM_EXECUTOR_CANCELLING);
  for_each_worker(executor, ring_all);
  pvm_ladder_ring(&executor->ladder); /* what runs is interrupted */
  for_each_worker(executor, await_end);
  pvm_ladder_stop(&executor->ladder);
  for_each_worker(executor, join_thread);
  /* a submitter that was let in before the state changed may still be putting its work
  ** into a queue */
  do {
    for_each_worker(executor, pvm_worker_cancel_queue);
  } while (atomic_load(&executor->unfinished) != 0 && sched_yield() == 0);
  atomic_store(&executor->state, PVM_EXECUTOR_STOPPED);
  return (int)atomic_load(&executor->cancelled);
}

void pvm_executor_free(pvm_executor *executor) {
  if (pvm_runtime_forked() || executor == NULL) return;
  if (atomic_load(&executor->state) != PVM_EXECUTOR_STOPPED) return;
  if (executor->journal != NULL) finish_handed(executor);
  /* threads that were given up still look at it: it is left to them */
  if (atomic_load(&executor->stuck) == 0) release(executor);
  else if (executor->journal != NULL && is_all_collected(executor))
    pvm_journal_note_orderly(executor->journal);
}

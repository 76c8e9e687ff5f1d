/* executor.c - start and stop, and the tasks that were added; submit.c and collect.c do the rest.
 */
#include "executor.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime.h"
#include "trigger_set.h"

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
         config->preempt <= 1 && config->epoch >= 1 && config->epoch < (1u << 23) &&
         config->grace_ms >= 1 && config->grace_ms <= 60000;
}

static int is_all_collected(pvm_executor *executor) {
  uint32_t left = 0;
  for (int lane = 0; lane < PVM_LANES; lane++) left += atomic_load(&executor->outstanding[lane]);
  return left == 0;
}

static void release(pvm_executor *executor) {
  for (pvm_invocation *rest; (rest = pvm_ring_pop(&executor->completed)) != NULL;) {
    pvm_buffer_free(&rest->completion.data);
    (void)pvm_executor_block_of(rest);
    pvm_invocation_release(rest);
  }
  if (executor->journal != NULL) pvm_journal_close(executor->journal, is_all_collected(executor));
  pvm_trigger_set_free(atomic_load(&executor->triggers));
  free(executor->handed);
  pthread_mutex_destroy(&executor->handing);
  pvm_outbox_free(&executor->outbox);
  for (uint32_t i = 0; i < executor->group_count; i++) pvm_group_free(executor->groups[i]);
  pvm_ring_free(&executor->completed);
  pvm_task_table_free(&executor->tasks);
  pthread_mutex_destroy(&executor->grouping);
  pvm_ladder_free(&executor->ladder);
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
  pvm_outbox_init(&executor->outbox);
  pthread_mutex_init(&executor->ladder.lock, NULL);
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

int pvm_task_config_is_valid(const pvm_task_config *config) {
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
  pvm_task *task = pvm_task_table_add(&executor->tasks, program->name, program, config, group);
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
  if (!pvm_task_config_is_valid(config)) return PVM_E_INVALID;
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
void pvm_executor_settle(pvm_executor *executor, pvm_task *task) {
  pvm_executor_note_withdrawal(executor);
  pvm_task_empty(task);
}

int pvm_task_withdraw(pvm_executor *executor, int64_t id) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  pvm_task *task = executor ? pvm_task_table_get(&executor->tasks, id) : NULL;
  if (task == NULL) return PVM_E_UNKNOWN;
  if (atomic_exchange(&task->withdrawn, 1)) return PVM_E_UNKNOWN;
  pvm_executor_settle(executor, task);
  return PVM_OK;
}

int pvm_executor_stats_get(pvm_executor *executor, pvm_executor_stats *stats) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (executor == NULL || stats == NULL) return PVM_E_INVALID;
  for (int lane = 0; lane < PVM_LANES; lane++)
    stats->pending[lane] = atomic_load(&executor->outstanding[lane]);
  stats->unfinished = (uint32_t)pvm_executor_unfinished(executor);
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
  stats->finished = pvm_task_finished(task); /* before accepted: never ahead of it */
  stats->accepted = atomic_load(&task->accepted);
  stats->failed = stats->running = 0;
  for (uint32_t i = 0; i < task->share_count; i++) {
    stats->failed += atomic_load(&task->shares[i].failed);
    stats->running += atomic_load(&task->shares[i].running);
  }
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

void pvm_executor_note_position(pvm_executor *executor, uint64_t position) {
  if (pvm_runtime_forked() || executor == NULL || executor->journal == NULL) return;
  pvm_journal_note_position(executor->journal, position);
}

/* ---- What is unfinished -------------------------------------------------- */

uint64_t pvm_executor_unfinished(pvm_executor *executor) {
  uint64_t delivered = atomic_load(&executor->delivered);
  uint32_t count = atomic_load(&executor->group_count);
  for (uint32_t g = 0; g < count; g++)
    for (uint32_t i = 0; i < executor->groups[g]->count; i++)
      delivered += atomic_load(&executor->groups[g]->workers[i].delivered);
  return atomic_load(&executor->admitted) - delivered; /* read last: never less than 0 */
}

void pvm_executor_tell_drained(pvm_executor *executor) {
  if (pvm_executor_unfinished(executor) == 0) pvm_park_ring_all(&executor->drained);
}

/* ---- Stop --------------------------------------------------------------- */

static void drain(pvm_executor *executor, uint32_t drain_ms) {
  uint64_t deadline = pvm_now() + (uint64_t)drain_ms * 1000000u;
  for (;;) {
    uint32_t ticket = pvm_park_ticket(&executor->drained);
    uint64_t now = pvm_now();
    if (pvm_executor_unfinished(executor) == 0 || now >= deadline) {
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
  uint32_t before = atomic_load(&executor->cancelled); /* one by one */
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
  } while (pvm_executor_unfinished(executor) != 0 && sched_yield() == 0);
  atomic_store(&executor->state, PVM_EXECUTOR_STOPPED);
  return (int)(atomic_load(&executor->cancelled) - before);
}

void pvm_executor_free(pvm_executor *executor) {
  if (pvm_runtime_forked() || executor == NULL) return;
  if (atomic_load(&executor->state) != PVM_EXECUTOR_STOPPED) return;
  if (executor->journal != NULL) pvm_executor_finish_handed(executor);
  /* threads that were given up still look at it: it is left to them */
  if (atomic_load(&executor->stuck) == 0) release(executor);
  else if (executor->journal != NULL && is_all_collected(executor))
    pvm_journal_note_orderly(executor->journal);
}

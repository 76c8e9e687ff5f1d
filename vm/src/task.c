/* task.c - see task.h. */
#include "task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "executor.h"

void pvm_task_table_init(pvm_task_table *table) {
  pthread_mutex_init(&table->lock, NULL);
  atomic_init(&table->count, 0);
  table->breakers = NULL;
  for (size_t i = 0; i < PVM_TASKS_CHUNKS; i++) atomic_init(&table->chunks[i], NULL);
}

pvm_task *pvm_task_table_get(pvm_task_table *table, int64_t id) {
  if (id < 1 || id > atomic_load_explicit(&table->count, memory_order_acquire)) return NULL;
  size_t at = (size_t)id - 1;
  pvm_task **chunk =
      atomic_load_explicit(&table->chunks[at / PVM_TASKS_CHUNK], memory_order_acquire);
  return chunk[at % PVM_TASKS_CHUNK];
}

pvm_seat *pvm_task_seat(pvm_task *task, uint32_t index, struct pvm_thread *thread) {
  pvm_seat *seat = atomic_load_explicit(&task->shares[index].seat, memory_order_acquire);
  if (seat != NULL && seat->thread == thread) return seat;
  seat = calloc(1, sizeof *seat);
  if (seat == NULL) return NULL;
  seat->task = task;
  seat->thread = thread;
  seat->made_before = atomic_load(&task->made);
  while (!atomic_compare_exchange_weak(&task->made, &seat->made_before, seat)) continue;
  atomic_store_explicit(&task->shares[index].seat, seat, memory_order_release);
  return seat;
}

/* ---- Limits ------------------------------------------------------------- */

/* The generic cell rate algorithm: each invocation is due one interval after the one before,
** and may come early by the burst. */
int pvm_task_rate_admits(pvm_task *task, uint64_t now) {
  if (task->config.rate <= 0) return 1;
  uint64_t interval = (uint64_t)(1e9 / task->config.rate);
  uint64_t early = interval * (task->config.burst > 1 ? task->config.burst - 1 : 0);
  uint64_t due = atomic_load_explicit(&task->next_ns, memory_order_relaxed), next;
  do {
    if (due > now + early) return 0;
    next = (due > now ? due : now) + interval;
  } while (!atomic_compare_exchange_weak(&task->next_ns, &due, next));
  return 1;
}

/* Locked. */
static void backlog_insert(pvm_task *task, pvm_invocation *invocation) {
  pvm_invocation **at = &task->backlog_first;
  if (*at != NULL && !pvm_invocation_before(invocation, task->backlog_last))
    at = &task->backlog_last->next; /* the usual case */
  while (*at != NULL && !pvm_invocation_before(invocation, *at)) at = &(*at)->next;
  invocation->next = *at;
  *at = invocation;
  if (invocation->next == NULL) task->backlog_last = invocation;
}

/* Locked, and not empty. */
static pvm_invocation *backlog_pop(pvm_task *task) {
  pvm_invocation *next = task->backlog_first;
  task->backlog_first = next->next;
  atomic_fetch_sub(&task->backlog, 1);
  return next;
}

static int take_turn(pvm_task *task) {
  uint32_t now = atomic_load(&task->dispatched);
  while (now < task->config.max_running)
    if (atomic_compare_exchange_weak(&task->dispatched, &now, now + 1)) return 1;
  return 0;
}

/* Nobody takes the lock while nothing waits. Whoever begins to wait says so in `backlog` before
** it looks at `dispatched` once more, and whoever ends lowers `dispatched` before it looks at
** `backlog`: one of the two sees the other. */
int pvm_task_dispatch(pvm_task *task, pvm_invocation *invocation) {
  if (task->config.max_running == 0) return 1;
  if (atomic_load(&task->backlog) == 0 && take_turn(task)) return 1;
  pthread_mutex_lock(&task->backlog_lock);
  atomic_fetch_add(&task->backlog, 1);
  int now = task->backlog_first == NULL && take_turn(task);
  if (now) atomic_fetch_sub(&task->backlog, 1);
  else backlog_insert(task, invocation);
  pthread_mutex_unlock(&task->backlog_lock);
  return now;
}

struct pvm_worker *
pvm_task_dispatch_next(pvm_task *task, struct pvm_worker *(*enqueue)(pvm_invocation *invocation)) {
  if (task->config.max_running == 0) return NULL;
  struct pvm_worker *worker = NULL;
  atomic_fetch_sub(&task->dispatched, 1);
  if (atomic_load(&task->backlog) == 0) return NULL;
  pthread_mutex_lock(&task->backlog_lock);
  if (task->backlog_first != NULL && take_turn(task)) worker = enqueue(backlog_pop(task));
  pthread_mutex_unlock(&task->backlog_lock);
  return worker;
}

pvm_invocation *pvm_task_backlog_take(pvm_task *task, uint64_t id) {
  if (task->config.max_running == 0) return NULL;
  pvm_invocation *before = NULL, *found;
  pthread_mutex_lock(&task->backlog_lock);
  for (found = task->backlog_first; found != NULL && found->completion.id != id;
       found = found->next)
    before = found;
  if (found != NULL) {
    *(before != NULL ? &before->next : &task->backlog_first) = found->next;
    if (found->next == NULL) task->backlog_last = before;
    atomic_fetch_sub(&task->backlog, 1);
    found->in_backlog = 1;
  }
  pthread_mutex_unlock(&task->backlog_lock);
  return found;
}

/* ---- Breakers ----------------------------------------------------------- */

struct pvm_named_breaker {
  pvm_breaker breaker; /* first: it is aligned */
  struct pvm_named_breaker *next;
  char name[PVM_NAME_MAX + 1];
};

/* With the table's lock. A version that follows another begins with a closed breaker. */
static pvm_breaker *breaker_of(pvm_task_table *table, const char *name, uint64_t now) {
  struct pvm_named_breaker *named = table->breakers;
  while (named != NULL && strcmp(named->name, name) != 0) named = named->next;
  if (named != NULL) {
    pvm_breaker_reset(&named->breaker, now);
    return &named->breaker;
  }
  if (posix_memalign((void **)&named, _Alignof(struct pvm_named_breaker), sizeof *named) != 0)
    return NULL;
  pvm_breaker_init(&named->breaker, now);
  snprintf(named->name, sizeof named->name, "%s", name);
  named->next = table->breakers;
  table->breakers = named;
  return &named->breaker;
}

static void free_breakers(pvm_task_table *table) {
  for (struct pvm_named_breaker *named = table->breakers, *next; named != NULL; named = next) {
    next = named->next;
    pvm_breaker_free(&named->breaker);
    free(named);
  }
}

/* ---- Life --------------------------------------------------------------- */

static void destroy(pvm_task *task) {
  for (pvm_seat *seat = atomic_load(&task->made), *before; seat != NULL; seat = before) {
    before = seat->made_before;
    free(seat);
  }
  pvm_program_release(task->program);
  pvm_buffer_free(&task->failure);
  pthread_mutex_destroy(&task->failure_lock);
  pthread_mutex_destroy(&task->backlog_lock);
  pthread_mutex_destroy(&task->chain_lock);
  pvm_chain_release(atomic_load(&task->chain));
  free(task);
}

static uint32_t shares_of(const pvm_executor_config *executor) {
  return executor->core_workers + executor->workers + executor->low_workers;
}

static pvm_task *make(const char *name, pvm_program *program, const pvm_task_config *config,
                      pvm_group *group) {
  uint32_t shares = group != NULL ? shares_of(&group->executor->config) : 1;
  size_t size = sizeof(pvm_task) + shares * sizeof(pvm_share);
  pvm_task *task = NULL;
  if (posix_memalign((void **)&task, _Alignof(pvm_task), size) != 0) return NULL;
  memset(task, 0, size);
  task->share_count = shares;
  snprintf(task->name, sizeof task->name, "%s", name);
  if (program != NULL) task->program = pvm_program_retain(program);
  task->config = *config;
  task->group = group;
  pthread_mutex_init(&task->failure_lock, NULL);
  pthread_mutex_init(&task->backlog_lock, NULL);
  pthread_mutex_init(&task->chain_lock, NULL);
  return task;
}

pvm_task *pvm_task_table_add(pvm_task_table *table, const char *name, pvm_program *program,
                             const pvm_task_config *config, pvm_group *group) {
  pvm_task *task = make(name, program, config, group);
  if (task == NULL) return NULL;
  pthread_mutex_lock(&table->lock);
  size_t at = (size_t)atomic_load(&table->count);
  pvm_task **chunk = NULL;
  if (at < (size_t)PVM_TASKS_CHUNK * PVM_TASKS_CHUNKS) {
    chunk = atomic_load(&table->chunks[at / PVM_TASKS_CHUNK]);
    if (chunk == NULL) {
      chunk = calloc(PVM_TASKS_CHUNK, sizeof *chunk);
      atomic_store_explicit(&table->chunks[at / PVM_TASKS_CHUNK], chunk, memory_order_release);
    }
  }
  task->breaker = chunk != NULL ? breaker_of(table, name, pvm_now()) : NULL;
  if (task->breaker == NULL) chunk = NULL;
  if (chunk != NULL) {
    (void)pvm_breaker_set_policy(task->breaker, &config->breaker); /* checked by the caller */
    task->id = (int64_t)at + 1;
    task->home = group != NULL ? (uint32_t)(at % group->count) : 0;
    chunk[at % PVM_TASKS_CHUNK] = task;
    atomic_store_explicit(&table->count, task->id, memory_order_release);
  }
  pthread_mutex_unlock(&table->lock);
  if (chunk == NULL) {
    destroy(task);
    return NULL;
  }
  return task;
}

void pvm_task_table_free(pvm_task_table *table) {
  int64_t count = atomic_load(&table->count);
  for (int64_t id = 1; id <= count; id++) destroy(pvm_task_table_get(table, id));
  for (size_t i = 0; i < PVM_TASKS_CHUNKS; i++) free(atomic_load(&table->chunks[i]));
  free_breakers(table);
  pthread_mutex_destroy(&table->lock);
}

static void copy(pvm_buffer *to, const pvm_buffer *from) {
  pvm_buffer_free(to);
  to->data = malloc(from->len ? from->len : 1);
  if (to->data == NULL) return;
  if (from->len != 0) memcpy(to->data, from->data, from->len);
  to->len = from->len;
}

void pvm_task_failure_note(pvm_task *task, uint64_t now, const pvm_buffer *why) {
  pthread_mutex_lock(&task->failure_lock);
  copy(&task->failure, why);
  atomic_store(&task->failed_at, now);
  pthread_mutex_unlock(&task->failure_lock);
}

int pvm_task_failure_recall(pvm_task *task, uint64_t now, pvm_buffer *why) {
  uint64_t at = atomic_load_explicit(&task->failed_at, memory_order_relaxed);
  if (at == 0 || now - at > PVM_TASK_RETRY_NS) return 0;
  pthread_mutex_lock(&task->failure_lock);
  copy(why, &task->failure);
  pthread_mutex_unlock(&task->failure_lock);
  return 1;
}

uint64_t pvm_task_finished(pvm_task *task) {
  uint64_t finished = 0;
  for (uint32_t i = 0; i < task->share_count; i++)
    finished += atomic_load(&task->shares[i].finished);
  return finished;
}

int pvm_task_over(pvm_task *task) {
  /* `withdrawn` first: once it is set no submitter keeps an acceptance it has counted. */
  return atomic_load(&task->withdrawn) && atomic_load(&task->accepted) == pvm_task_finished(task);
}

void pvm_task_empty(pvm_task *task) {
  if (!pvm_task_over(task) || atomic_load(&task->vms) != 0) return;
  if (atomic_exchange(&task->emptied, 1)) return;
  pvm_program_release(task->program);
  task->program = NULL;
}

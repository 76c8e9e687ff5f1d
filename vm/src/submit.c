/* submit.c - accepting invocations: places, rate, breaker and journal; then to a worker. */
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "array.h"
#include "chain_run.h"
#include "executor.h"
#include "packed.h"
#include "runtime.h"
#include "trace.h"

uint32_t pvm_executor_take_places(pvm_executor *executor, pvm_lane lane, uint32_t wanted) {
  _Atomic uint32_t *outstanding = &executor->outstanding[lane];
  uint32_t now = atomic_load_explicit(outstanding, memory_order_relaxed);
  for (;;) {
    uint32_t free_places = executor->config.max_pending - now;
    uint32_t n = wanted < free_places ? wanted : free_places;
    if (n == 0) return 0;
    if (atomic_compare_exchange_weak(outstanding, &now, now + n)) return n;
  }
}

void pvm_executor_return_places(pvm_executor *executor, pvm_lane lane, uint32_t n) {
  atomic_fetch_sub(&executor->outstanding[lane], n);
}

void pvm_executor_take_back(pvm_executor *executor, pvm_task *task, uint32_t n) {
  atomic_fetch_sub(&task->accepted, n);
  atomic_fetch_sub(&executor->admitted, n);
  pvm_executor_tell_drained(executor);
  if (pvm_task_over(task)) pvm_executor_settle(executor, task);
}

int pvm_executor_admit(pvm_executor *executor, pvm_task *task, uint32_t n) {
  atomic_fetch_add(&executor->admitted, n);
  atomic_fetch_add(&task->accepted, n);
  int status = PVM_OK;
  if (atomic_load(&task->withdrawn)) status = PVM_E_UNKNOWN;
  if (atomic_load(&executor->state) != PVM_EXECUTOR_RUNNING) status = PVM_E_STATE;
  if (status != PVM_OK) pvm_executor_take_back(executor, task, n);
  return status;
}

static uint64_t deadline_of(const pvm_task *task, const pvm_submit_options *options, uint64_t now) {
  uint64_t span = options != NULL && options->deadline_ns != 0 ? options->deadline_ns
                                                               : task->config.deadline_ns;
  return span == 0 || span > PVM_NEVER - now ? PVM_NEVER : now + span;
}

uint64_t pvm_executor_new_ids(pvm_executor *executor, uint32_t n) {
  uint64_t count = atomic_fetch_add_explicit(&executor->last, n, memory_order_relaxed) + 1;
  return executor->config.epoch << 40 | count;
}

static int write_down(pvm_executor *executor, pvm_invocation *invocation, uint32_t ids,
                      uint64_t crashed) {
  invocation->block = PVM_JOURNAL_NONE;
  if (executor->journal == NULL || invocation->warm) return PVM_OK;
  pvm_buffer elements; /* the record outlives what is shared */
  int expanded = pvm_expand(invocation->payload, invocation->len, &elements);
  if (expanded < 0) return expanded;
  uint64_t deadline = invocation->deadline_ns;
  pvm_journal_record record = {.id = invocation->completion.id,
                               .tag = invocation->completion.tag,
                               .accepted_ns = executor->wall_ns + invocation->accepted_ns,
                               .deadline_ns =
                                   deadline == PVM_NEVER ? 0 : executor->wall_ns + deadline,
                               .attempt = invocation->completion.attempt,
                               .ids = ids,
                               .crashed = crashed,
                               .task = invocation->task->name,
                               .payload = expanded ? elements.data : invocation->payload,
                               .len = expanded ? elements.len : invocation->len};
  int status = pvm_journal_accept(executor->journal, &record, &invocation->block);
  pvm_buffer_free(&elements);
  return status;
}

/* What the invocations of one submission have in common. */
typedef struct intake {
  pvm_executor *executor;
  pvm_task *task;
  const pvm_submit_options *options; /* NULL: none */
  uint64_t now;
  uint32_t ids; /* of each, its chain's included */
} intake;

/* Rate and breaker let the invocation in, whose payload is in place, and it is in the journal. */
static int let_in(const intake *in, pvm_invocation *invocation, uint64_t tag, uint64_t id) {
  pvm_task *task = in->task;
  const pvm_submit_options *options = in->options;
  invocation->warm = options != NULL && options->warm;
  if (!invocation->warm && !pvm_task_rate_admits(task, in->now)) return PVM_E_RATE;
  uint64_t token = pvm_breaker_admit(task->breaker, in->now);
  if (token == PVM_BREAKER_NO_TOKEN) return PVM_E_BREAKER;
  int again = options != NULL && options->id != 0;
  invocation->completion.tag = tag;
  invocation->completion.task = task->id;
  invocation->completion.id = again ? options->id : id;
  invocation->completion.attempt = again && options->attempt > 1 ? options->attempt : 1;
  invocation->task = task;
  invocation->depth = options != NULL ? options->depth : 0;
  invocation->token = token;
  invocation->accepted_ns = in->now;
  invocation->deadline_ns = deadline_of(task, options, in->now);
  invocation->priority =
      options != NULL && options->priority != 0 ? options->priority : task->config.priority;
  uint32_t ids = !again ? in->ids : options->ids > 1 ? options->ids : 1;
  int status = write_down(in->executor, invocation, ids, again ? options->crashed : 0);
  if (status == PVM_OK) invocation->held = pvm_hold(invocation->payload, invocation->len);
  else pvm_breaker_note(task->breaker, in->now, token, PVM_REJECTED);
  return status;
}

/* An invocation by itself that is let in. */
static int make(const intake *in, uint64_t tag, uint64_t id, const void *payload, size_t len,
                pvm_invocation **out) {
  pvm_invocation *invocation = len > PTRDIFF_MAX / 2 ? NULL : malloc(sizeof *invocation + len);
  if (invocation == NULL) return PVM_E_NOMEM;
  memset(invocation, 0, sizeof *invocation);
  atomic_init(&invocation->references, 1);
  invocation->payload = invocation->copied;
  invocation->len = len;
  if (len != 0) memcpy(invocation->payload, payload, len);
  int status = let_in(in, invocation, tag, id);
  if (status != PVM_OK) {
    free(invocation);
    return status;
  }
  pvm_trace_begin(atomic_load_explicit(&in->executor->traced_below, memory_order_relaxed),
                  in->options, invocation);
  *out = invocation;
  return PVM_OK;
}

int pvm_executor_make(pvm_executor *executor, pvm_task *task, uint64_t tag, const void *payload,
                      size_t len, const pvm_submit_options *options, uint32_t ids,
                      pvm_invocation **out) {
  intake in = {executor, task, options, pvm_now(), ids};
  return make(&in, tag, pvm_executor_new_ids(executor, ids), payload, len, out);
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
  pvm_trace_mark(invocation->trace, PVM_STAGE_QUEUED);
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

/* So many were pushed. Wake the worker, and, if it is busy or has more than one to do, one that
** may steal from it. */
static void wake(pvm_worker *w, uint32_t pushed) {
  if (pvm_park_asleep(&w->park)) {
    pvm_park_ring(&w->park);
    if (pushed == 1) return;
  } else if (atomic_load(&w->looking) && pvm_queue_count(&w->queue) <= 1) {
    return;
  }
  if (wake_one(w->group, w->index + 1)) return;
  pvm_group *helpers = atomic_load(&w->group->beside[PVM_LANE_REGULAR]);
  if (helpers != NULL) wake_one(helpers, 0);
}

/* Invocations of one task: to a worker, or into the task's backlog. */
static void dispatch(pvm_executor *executor, pvm_task *task, pvm_invocation **block, uint32_t n) {
  if (n == 0) return;
  if (task->config.lane == PVM_LANE_CORE && atomic_fetch_add(&executor->core_unfinished, n) == 0 &&
      atomic_load(&executor->low_running) != 0)
    pvm_ladder_ring(&executor->ladder);
  uint32_t ready = 0;
  for (uint32_t i = 0; i < n; i++)
    if (pvm_task_dispatch(task, block[i])) block[ready++] = block[i];
  if (ready == 0) return;
  pvm_worker *w = choose(task);
  for (uint32_t i = 0; i < ready; i++) {
    pvm_trace_mark(block[i]->trace, PVM_STAGE_QUEUED);
    pvm_queue_push(&w->queue, block[i]);
  }
  wake(w, ready);
}

void pvm_executor_dispatch(pvm_executor *executor, pvm_invocation *invocation) {
  dispatch(executor, invocation->task, &invocation, 1);
}

void pvm_executor_dispatch_next(pvm_task *task) {
  pvm_worker *w = pvm_task_dispatch_next(task, enqueue);
  if (w != NULL) wake(w, 1);
}

int pvm_executor_find(pvm_executor *executor, int64_t id, pvm_task **task) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL) return PVM_E_INVALID;
  *task = pvm_task_table_get(&executor->tasks, id);
  return *task != NULL ? PVM_OK : PVM_E_UNKNOWN;
}

void pvm_executor_return(pvm_worker *worker, pvm_invocation *invocation) {
  atomic_fetch_add(&worker->executor->returned, 1);
  pvm_queue_push(&worker->queue, invocation);
  pvm_park_ring(&worker->park);
}

static int is_valid(const pvm_submit_options *options) {
  return options == NULL ||
         (abs(options->priority) <= PVM_PRIORITY_MAX && options->id <= INT64_MAX);
}

/* A task that workers run. */
static int find_own(pvm_executor *executor, int64_t id, pvm_task **task) {
  int status = pvm_executor_find(executor, id, task);
  if (status == PVM_OK && (*task)->group == NULL) status = PVM_E_INVALID;
  return status;
}

/* ---- One ------------------------------------------------------------------ */

int pvm_executor_accept(pvm_executor *executor, pvm_task *task, uint64_t tag, const void *payload,
                        size_t len, const pvm_submit_options *options,
                        pvm_invocation **invocation) {
  if (payload == NULL && len != 0) return PVM_E_INVALID;
  if (!is_valid(options)) return PVM_E_INVALID;
  if (pvm_executor_take_places(executor, task->config.lane, 1) == 0) return PVM_E_FULL;
  int status = pvm_executor_admit(executor, task, 1);
  if (status == PVM_OK) {
    status = pvm_executor_make(executor, task, tag, payload, len, options, 1, invocation);
    if (status != PVM_OK) pvm_executor_take_back(executor, task, 1);
  }
  if (status != PVM_OK) pvm_executor_return_places(executor, task->config.lane, 1);
  return status;
}

/* The same, with all that it starts. It does not run before `begin`. */
static int accept(pvm_executor *executor, pvm_task *task, uint64_t tag, const void *payload,
                  size_t len, const pvm_submit_options *options, pvm_invocation **out) {
  for (;;) {
    int chained = pvm_chain_is_set(task) && !(options != NULL && options->warm);
    pvm_chain *chain = chained ? pvm_chain_of(task) : NULL;
    if (chain == NULL) return pvm_executor_accept(executor, task, tag, payload, len, options, out);
    int status = pvm_chain_trigger(executor, chain, tag, payload, len, options, out);
    /* a member was withdrawn just after another chain without it had been set */
    int replaced = status == PVM_E_UNKNOWN && !atomic_load(&task->withdrawn) &&
                   atomic_load(&task->chain) != chain;
    pvm_chain_release(chain);
    if (!replaced) return status;
  }
}

static void begin(pvm_executor *executor, pvm_invocation *invocation) {
  if (invocation->chain != NULL) pvm_chain_begin(executor, invocation);
  else pvm_executor_dispatch(executor, invocation);
}

/* ---- Many ----------------------------------------------------------------- */

static int64_t submit_chains(pvm_executor *executor, pvm_task *task, uint64_t first_tag,
                             const void *payloads, const size_t *ends, size_t count,
                             const pvm_submit_options *options, uint64_t *last) {
  size_t start = 0, done = 0;
  for (; done < count; done++) {
    const unsigned char *payload = (const unsigned char *)payloads + start;
    pvm_invocation *invocation;
    int status =
        accept(executor, task, first_tag + done, payload, ends[done] - start, options, &invocation);
    if (status != PVM_OK) return done > 0 ? (int64_t)done : status;
    start = ends[done];
    *last = invocation->completion.id;
    begin(executor, invocation);
  }
  return (int64_t)done;
}

/* Invocations of one submission go to workers in blocks, so that choosing and waking cost little;
** in small ones at first, so that they begin at once. */
#define BLOCK 16

static uint32_t larger(uint32_t size) {
  return size < BLOCK ? size * 2 : BLOCK;
}

/* As pvm_submit_many; *last: the id of the last that was accepted. */
static int64_t submit(pvm_executor *executor, int64_t id, uint64_t first_tag, const void *payloads,
                      const size_t *ends, size_t count, const pvm_submit_options *options,
                      uint64_t *last) {
  pvm_task *task;
  int status = find_own(executor, id, &task);
  if (status != PVM_OK) return status;
  if (count == 0) return 0;
  if (!is_valid(options)) return PVM_E_INVALID;
  if (ends == NULL || (payloads == NULL && ends[count - 1] != 0)) return PVM_E_INVALID;
  for (size_t i = 1; i < count; i++)
    if (ends[i] < ends[i - 1]) return PVM_E_INVALID;
  if (pvm_chain_is_set(task) && !(options != NULL && options->warm))
    return submit_chains(executor, task, first_tag, payloads, ends, count, options, last);
  pvm_lane lane = task->config.lane;
  uint32_t wanted = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
  uint32_t n = pvm_executor_take_places(executor, lane, wanted);
  if (n == 0) return PVM_E_FULL;
  status = pvm_executor_admit(executor, task, n);
  if (status != PVM_OK) {
    pvm_executor_return_places(executor, lane, n);
    return status;
  }
  uint64_t first_id = pvm_executor_new_ids(executor, n);
  uint32_t done = 0;
  for (uint32_t size = 1; done < n && status == PVM_OK; size = larger(size)) {
    pvm_invocation *block[BLOCK];
    uint32_t made = 0;
    intake in = {executor, task, options, pvm_now(), 1};
    for (; made < size && done + made < n; made++) {
      uint32_t i = done + made;
      size_t start = i > 0 ? ends[i - 1] : 0;
      status = make(&in, first_tag + i, first_id + i, (const unsigned char *)payloads + start,
                    ends[i] - start, &block[made]);
      if (status != PVM_OK) break;
      *last = block[made]->completion.id; /* it may be gone as soon as it is dispatched */
    }
    dispatch(executor, task, block, made);
    done += made;
  }
  if (done < n) { /* the rest is refused */
    pvm_executor_take_back(executor, task, n - done);
    pvm_executor_return_places(executor, lane, n - done);
  }
  return done > 0 ? (int64_t)done : status;
}

int64_t pvm_submit(pvm_executor *executor, int64_t id, uint64_t tag, const void *payload,
                   size_t len, const pvm_submit_options *options) {
  uint64_t accepted = 0;
  int64_t count = submit(executor, id, tag, payload, &len, 1, options, &accepted);
  return count < 0 ? count : (int64_t)accepted;
}

int64_t pvm_submit_many(pvm_executor *executor, int64_t id, uint64_t first_tag,
                        const void *payloads, const size_t *ends, size_t count,
                        const pvm_submit_options *options) {
  uint64_t last;
  return submit(executor, id, first_tag, payloads, ends, count, options, &last);
}

/* ---- Arrays ------------------------------------------------------------- */

/* Why it was not let in, as its own outcome. */
static void reject(const intake *in, pvm_invocation *invocation, int status) {
  char why[PVM_ERR_MAX];
  if (status == PVM_E_BREAKER) pvm_breaker_explain(in->task->breaker, in->now, why, sizeof why);
  invocation->block = PVM_JOURNAL_NONE;
  invocation->completion.task = in->task->id;
  invocation->completion.outcome = PVM_REJECTED;
  pvm_buffer_text(&invocation->completion.data,
                  status == PVM_E_BREAKER ? why : pvm_strerror(status));
}

static void submit_array(pvm_executor *executor, pvm_task *task, pvm_array *array, uint64_t tag,
                         const pvm_submit_options *options) {
  uint64_t id = pvm_executor_new_ids(executor, array->count);
  uint32_t size = 1, refused = 0;
  for (uint32_t done = 0; done < array->count; size = larger(size)) {
    pvm_invocation *block[BLOCK];
    uint32_t made = 0, end = array->count - done < size ? array->count : done + size;
    intake in = {executor, task, options, pvm_now(), 1};
    for (; done < end; done++) {
      pvm_invocation *invocation = array->items[done];
      int status = let_in(&in, invocation, tag + done, id + done);
      if (status == PVM_OK) {
        block[made++] = invocation;
      } else {
        reject(&in, invocation, status);
        refused++;
        pvm_array_note_end(array);
      }
    }
    dispatch(executor, task, block, made);
  }
  if (refused > 0) pvm_executor_take_back(executor, task, refused);
}

int64_t pvm_array_submit(pvm_executor *executor, int64_t id, uint64_t first_tag, const void *packed,
                         size_t len, const pvm_submit_options *options, pvm_array **out) {
  pvm_task *task;
  int status = find_own(executor, id, &task);
  if (status != PVM_OK) return status;
  if (out == NULL || (packed == NULL && len != 0)) return PVM_E_INVALID;
  if (!is_valid(options) || (options != NULL && (options->id != 0 || options->warm)))
    return PVM_E_INVALID;
  if (pvm_chain_is_set(task)) return PVM_E_INVALID;
  const unsigned char *end = (const unsigned char *)packed + len;
  uint32_t count;
  const unsigned char *first = pvm_packed_array(packed, end, &count);
  if (first == NULL || count > len) return PVM_E_DECODE;
  if (count > executor->config.max_pending) return PVM_E_INVALID;
  pvm_array *array = pvm_array_new(first, end, count, &status);
  if (array == NULL) return status;
  array->executor = executor;
  array->lane = task->config.lane;
  if (count > 0) {
    uint32_t places = pvm_executor_take_places(executor, array->lane, count);
    status = places == count ? pvm_executor_admit(executor, task, count) : PVM_E_FULL;
    if (status != PVM_OK) {
      pvm_executor_return_places(executor, array->lane, places);
      free(array);
      return status;
    }
    submit_array(executor, task, array, first_tag, options);
  }
  *out = array;
  pvm_array_note_end(array); /* the submitter's own */
  return count;
}

/* ---- One, waited for ----------------------------------------------------- */

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
  int status = find_own(executor, id, &task);
  if (status != PVM_OK) return status;
  if (completion == NULL) return PVM_E_INVALID;
  pvm_invocation *invocation;
  if ((payload == NULL && len != 0) || !is_valid(options)) return PVM_E_INVALID;
  status = accept(executor, task, 0, payload, len, options, &invocation);
  if (status != PVM_OK) return status;
  invocation->waited_for = 1;
  begin(executor, invocation);
  wait_for(executor, invocation);
  *completion = invocation->completion;
  uint32_t block = pvm_executor_block_of(invocation);
  if (block != PVM_JOURNAL_NONE) pvm_journal_finish(executor->journal, block);
  pvm_invocation_release(invocation);
  pvm_executor_return_places(executor, task->config.lane, 1);
  return PVM_OK;
}

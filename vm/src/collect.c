/* collect.c - handing out how invocations ended. */
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "array.h"
#include "chain_run.h"
#include "executor.h"
#include "runtime.h"
#include "trace.h"

static void deliver(pvm_executor *executor, pvm_invocation *invocation) {
  if (invocation->array != NULL) {
    if (invocation->block != PVM_JOURNAL_NONE)
      pvm_journal_finish(executor->journal, invocation->block);
    pvm_array_note_end(invocation->array);
  } else if (invocation->waited_for) {
    /* after the exchange the waiter may free the invocation; waking an address that has
    ** gone is harmless */
    if (atomic_exchange(&invocation->over, PVM_OVER) == PVM_OVER_ASLEEP)
      syscall(SYS_futex, &invocation->over, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
  } else {
    pvm_ring_push(&executor->completed, invocation, 0, 0);
    pvm_park_ring(&executor->collector);
  }
}

/* Count it, and hand it on. */
static void end(pvm_executor *executor, pvm_invocation *invocation, pvm_share *share,
                _Atomic uint64_t *delivered) {
  pvm_task *task = invocation->task;
  int outcome = invocation->completion.outcome;
  if (outcome == PVM_CANCELLED) atomic_fetch_add(&executor->cancelled, 1);
  if (outcome != PVM_DONE) atomic_fetch_add_explicit(&share->failed, 1, memory_order_relaxed);
  atomic_fetch_add(&share->finished, 1);
  if (atomic_load_explicit(&task->withdrawn, memory_order_relaxed) && pvm_task_over(task))
    pvm_executor_settle(executor, task);
  pvm_trace_mark(invocation->trace, PVM_STAGE_ENDED);
  deliver(executor, invocation);
  atomic_fetch_add(delivered, 1);
  if (atomic_load(&executor->state) != PVM_EXECUTOR_RUNNING) pvm_executor_tell_drained(executor);
}

void pvm_executor_end_unstarted(pvm_executor *executor, pvm_invocation *invocation) {
  end(executor, invocation, &invocation->task->shares[0], &executor->delivered);
}

void pvm_executor_end(pvm_executor *executor, pvm_invocation *invocation, pvm_share *share,
                      _Atomic uint64_t *delivered) {
  const pvm_completion *how = &invocation->completion;
  pvm_breaker_note(invocation->task->breaker,
                   invocation->accepted_ns + how->queued_ns + how->load_ns + how->run_ns,
                   invocation->token, (pvm_outcome)how->outcome);
  atomic_fetch_sub_explicit(&share->running, 1, memory_order_relaxed);
  pvm_chain_next next = {NULL, NULL};
  if (invocation->chain != NULL) pvm_chain_note_end(invocation, &next);
  end(executor, invocation, share, delivered);
  pvm_chain_go_on(executor, &next);
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
         pvm_executor_unfinished(executor) >= STREAM) {
    nanosleep(&nap, NULL);
    nap.tv_nsec *= 2;
  }
}

/* Wait for completions; 1 when there are some, 0 on time-out, or when there is something else for the
** host. Another collector may be quicker to take them. */
static int await_completions(pvm_executor *executor, uint64_t deadline) {
  while (pvm_ring_count(&executor->completed) == 0) {
    if (atomic_load(&executor->outbox.count) != 0) return 0;
    uint64_t now = pvm_now();
    if (now >= deadline) return 0;
    uint32_t ticket = pvm_park_ticket(&executor->collector);
    int come =
        pvm_ring_count(&executor->completed) != 0 || atomic_load(&executor->outbox.count) != 0;
    if (come) pvm_park_leave(&executor->collector);
    else pvm_park_sleep(&executor->collector, ticket, (int64_t)(deadline - now));
  }
  return 1;
}

/* What the last collection handed out has been seen: the journal may forget it. */
void pvm_executor_finish_handed(pvm_executor *executor) {
  pthread_mutex_lock(&executor->handing);
  for (size_t i = 0; i < executor->handed_count; i++)
    pvm_journal_finish(executor->journal, executor->handed[i]);
  executor->handed_count = 0;
  pthread_mutex_unlock(&executor->handing);
}

uint32_t pvm_executor_block_of(pvm_invocation *invocation) {
  return invocation->chain != NULL ? pvm_chain_note_collected(invocation) : invocation->block;
}

/* Without memory for the note it stays in the journal, and would run again. */
static void hand_out(pvm_executor *executor, uint32_t block) {
  if (block == PVM_JOURNAL_NONE) return;
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
    executor->handed[executor->handed_count++] = block;
  pthread_mutex_unlock(&executor->handing);
}

/* Take ended invocations out, up to max, waiting for the first; hand each to `take`. */
static int collect(pvm_executor *executor, uint32_t max, uint32_t timeout_ms,
                   void (*take)(void *to, uint32_t index, pvm_invocation *invocation), void *to) {
  uint64_t deadline = pvm_now() + (uint64_t)timeout_ms * 1000000u;
  uint32_t count = 0, places[PVM_LANES] = {0};
  if (executor->journal != NULL) pvm_executor_finish_handed(executor);
  if (timeout_ms > 0) gather(executor, max / 2);
  do {
    pvm_invocation *invocation;
    while (count < max && (invocation = pvm_ring_pop(&executor->completed)) != NULL) {
      take(to, count++, invocation);
      places[invocation->task->config.lane]++;
      hand_out(executor, pvm_executor_block_of(invocation));
      pvm_invocation_release(invocation);
    }
  } while (count == 0 && await_completions(executor, deadline));
  for (int lane = 0; lane < PVM_LANES; lane++)
    if (places[lane] > 0) pvm_executor_return_places(executor, (pvm_lane)lane, places[lane]);
  return (int)count;
}

int pvm_fired_collect(pvm_executor *executor, pvm_fired_batch *batch) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (executor == NULL || batch == NULL) return PVM_E_INVALID;
  *batch = (pvm_fired_batch){0};
  (void)pvm_outbox_take(&executor->outbox, batch);
  return atomic_load(&executor->outbox.count) != 0;
}

static void take_completion(void *to, uint32_t index, pvm_invocation *invocation) {
  ((pvm_completion *)to)[index] = invocation->completion;
}

int pvm_collect(pvm_executor *executor, pvm_completion *completions, uint32_t max,
                uint32_t timeout_ms) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (executor == NULL || completions == NULL || max == 0) return PVM_E_INVALID;
  return collect(executor, max, timeout_ms, take_completion, completions);
}

void pvm_record_write(pvm_record *record, const pvm_completion *completion, size_t end) {
  *record = (pvm_record){.id = completion->id,
                         .tag = completion->tag,
                         .task = completion->task,
                         .outcome = completion->outcome,
                         .worker = completion->worker,
                         .queued_ns = completion->queued_ns,
                         .load_ns = completion->load_ns,
                         .run_ns = completion->run_ns,
                         .end = end,
                         .attempt = completion->attempt,
                         .trigger = completion->trigger};
}

/* A batch as it grows. Without memory for more data, an invocation keeps its outcome and
** loses its data: the count of completions must be right above all. */
typedef struct growing {
  pvm_batch *batch;
  size_t len;
  size_t cap;
  uint64_t wall_ns;
  uint32_t trace_cap;
  pvm_held **held_end; /* where the batch's list goes on */
} growing;

/* Without memory the trace is lost. */
static void take_trace(growing *g, pvm_invocation *invocation) {
  pvm_batch *batch = g->batch;
  pvm_trace_mark(invocation->trace, PVM_STAGE_COLLECTED);
  if (batch->trace_count == g->trace_cap) {
    uint32_t cap = g->trace_cap ? 2 * g->trace_cap : 16;
    pvm_trace *traces = realloc(batch->traces, cap * sizeof *traces);
    if (traces == NULL) return;
    batch->traces = traces;
    g->trace_cap = cap;
  }
  pvm_trace_read(invocation, g->wall_ns, &batch->traces[batch->trace_count++]);
}

static void take_record(void *to, uint32_t index, pvm_invocation *invocation) {
  growing *g = to;
  pvm_completion *completion = &invocation->completion;
  if (invocation->trace != NULL) take_trace(g, invocation);
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
  pvm_record_write(&g->batch->records[index], completion, g->len);
  pvm_held_append(g->held_end, completion->data.held);
  while (*g->held_end != NULL) g->held_end = &(*g->held_end)->next;
  completion->data.held = NULL;
  pvm_buffer_free(&completion->data);
}

int pvm_collect_batch(pvm_executor *executor, pvm_batch *batch, uint32_t max, uint32_t timeout_ms) {
  if (pvm_runtime_forked()) return PVM_E_FORKED;
  if (executor == NULL || batch == NULL || max == 0) return PVM_E_INVALID;
  growing g = {.batch = batch, .wall_ns = executor->wall_ns, .held_end = &batch->held};
  *batch = (pvm_batch){0};
  batch->records = malloc(max * sizeof *batch->records);
  if (batch->records == NULL) return PVM_E_NOMEM;
  batch->count = (uint32_t)collect(executor, max, timeout_ms, take_record, &g);
  return (int)batch->count;
}

void pvm_batch_free(pvm_batch *batch) {
  if (batch == NULL) return;
  free(batch->records);
  free(batch->data);
  free(batch->traces);
  pvm_held_free(batch->held);
  *batch = (pvm_batch){0};
}

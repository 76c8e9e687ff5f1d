/* chain_run.c - see chain_run.h. */
#include "chain_run.h"

#include <stdio.h>
#include <string.h>

#include "chain_input.h"
#include "executor.h"
#include "packed.h"
#include "runtime.h"
#include "trace.h"

typedef struct node {
  pvm_invocation *invocation; /* until it starts or ends */
  int outcome;                /* once it has ended */
  pvm_buffer result;          /* a copy, while somebody waits for it */
} node;

struct pvm_chain_run {
  pvm_chain *chain;
  _Atomic uint32_t uncollected;
  _Atomic uint32_t stopped_by; /* 1 + the node whose end stopped it; 0: it goes on */
  uint32_t block;              /* of the journal */
  uint64_t deadline_ns;        /* of all; PVM_NEVER */
  uint64_t crashed;            /* nodes that took an earlier process down */
  pthread_mutex_t lock;        /* of everything below */
  pvm_invocation *first;       /* for its payload, while anything waits; NULL */
  uint64_t waiting;
  uint64_t ended;
  node nodes[];
};

static uint64_t bit(uint32_t index) {
  return (uint64_t)1 << index;
}

/* Take the lowest node out of a set that is not empty. */
static uint32_t pop(uint64_t *set) {
  uint32_t index = (uint32_t)__builtin_ctzll(*set);
  *set &= *set - 1;
  return index;
}

/* ---- Reasons ------------------------------------------------------------- */

static const char *ended_words(int outcome) {
  switch (outcome) {
  case PVM_FAILED: return "failed";
  case PVM_TIMED_OUT: return "timed out";
  case PVM_OVER_QUOTA: return "went over its quota";
  case PVM_CRASHED: return "crashed";
  case PVM_CANCELLED: return "was cancelled";
  default: return "was rejected";
  }
}

/* "skipped: a failed" */
static void tell(pvm_buffer *why, const char *what, const char *name, int outcome) {
  char text[PVM_NAME_MAX + 64];
  snprintf(text, sizeof text, "%s: %s %s", what, name, ended_words(outcome));
  pvm_buffer_text(why, text);
}

/* ---- What is next, under the run's lock ------------------------------------ */

static void push(pvm_invocation **list, pvm_invocation *invocation) {
  while (*list != NULL) list = &(*list)->next;
  invocation->next = NULL;
  *list = invocation;
}

/* A node that waited ends. `why` is its completion's from here on. */
static void end_node(pvm_chain_run *run, uint32_t index, int outcome, pvm_buffer why,
                     pvm_chain_next *next) {
  node *n = &run->nodes[index];
  n->invocation->completion.outcome = outcome;
  n->invocation->completion.data = why;
  push(&next->ended, n->invocation);
  n->invocation = NULL;
  n->outcome = outcome;
  run->waiting &= ~bit(index);
  run->ended |= bit(index);
}

static int make_input(pvm_chain_run *run, uint32_t index, pvm_buffer *input) {
  pvm_chain_source sources[PVM_CHAIN_TASKS_MAX];
  uint32_t count = 0;
  for (uint64_t after = run->chain->members[index].after; after != 0;) {
    uint32_t i = pop(&after);
    const node *n = &run->nodes[i];
    sources[count++] = (pvm_chain_source){run->chain->members[i].task->name, n->outcome,
                                          n->result.data, n->result.len};
  }
  return pvm_chain_input(run->first->payload, run->first->len, sources, count, input);
}

/* The outcome of a node that cannot start although its turn has come, with the reason; PVM_DONE if
** it can, with its input. */
static int prepare(pvm_chain_run *run, uint32_t index, uint64_t now, pvm_buffer *input,
                   pvm_buffer *why) {
  pvm_invocation *invocation = run->nodes[index].invocation;
  pvm_task *task = invocation->task;
  if (run->crashed & bit(index)) {
    pvm_buffer_text(why, "the host's process ended while it ran");
    return PVM_CRASHED;
  }
  /* a task that was done has decoded it */
  if (run->nodes[0].outcome != PVM_DONE &&
      pvm_packed_skip(run->first->payload, run->first->payload + run->first->len) !=
          run->first->payload + run->first->len) {
    pvm_buffer_text(why, "what its chain was triggered with is not MessagePack");
    return PVM_FAILED;
  }
  if (!pvm_task_rate_admits(task, now)) {
    pvm_buffer_text(why, pvm_strerror(PVM_E_RATE));
    return PVM_REJECTED;
  }
  invocation->token = pvm_breaker_admit(task->breaker, now);
  if (invocation->token == PVM_BREAKER_NO_TOKEN) {
    char text[PVM_ERR_MAX];
    pvm_breaker_explain(task->breaker, now, text, sizeof text);
    pvm_buffer_text(why, text);
    return PVM_REJECTED;
  }
  if (make_input(run, index, input) == 0) return PVM_DONE;
  pvm_breaker_note(task->breaker, now, invocation->token, PVM_REJECTED);
  pvm_buffer_text(why, pvm_strerror(PVM_E_NOMEM));
  return PVM_REJECTED;
}

/* All that it comes after has ended: its turn has come. 0 if it ends at once. */
static int start_node(pvm_chain_run *run, uint32_t index, pvm_chain_next *next) {
  pvm_invocation *invocation = run->nodes[index].invocation;
  pvm_buffer input = {NULL, 0, NULL}, why = {NULL, 0, NULL};
  uint64_t now = pvm_now(), span = invocation->task->config.deadline_ns;
  int outcome = prepare(run, index, now, &input, &why);
  if (outcome != PVM_DONE) {
    end_node(run, index, outcome, why, next);
    return 0;
  }
  invocation->accepted_ns = now;
  invocation->deadline_ns = span == 0 || span > PVM_NEVER - now ? PVM_NEVER : now + span;
  if (run->deadline_ns < invocation->deadline_ns) invocation->deadline_ns = run->deadline_ns;
  invocation->payload = input.data;
  invocation->len = input.len;
  invocation->held = pvm_hold(input.data, input.len);
  run->nodes[index].invocation = NULL;
  run->waiting &= ~bit(index);
  push(&next->started, invocation);
  return 1;
}

/* The node has not been done, and `follower` waits for it. Returns the nodes that end by it. */
static uint64_t fail_follower(pvm_chain_run *run, uint32_t index, uint32_t follower,
                              pvm_chain_next *next) {
  const pvm_chain_member *members = run->chain->members;
  int stop = members[follower].failure == PVM_AFTER_STOP;
  uint64_t ending = stop ? run->waiting : bit(follower);
  if (stop) atomic_store(&run->stopped_by, index + 1);
  for (uint64_t left = ending; left != 0;) {
    pvm_buffer why = {NULL, 0, NULL};
    tell(&why, stop ? "stopped" : "skipped", members[index].task->name, run->nodes[index].outcome);
    end_node(run, pop(&left), PVM_CANCELLED, why, next);
  }
  return ending;
}

/* What the end of a node decides. Returns the nodes that end by it. */
static uint64_t decide(pvm_chain_run *run, uint32_t index, pvm_chain_next *next) {
  const pvm_chain_member *members = run->chain->members;
  int failed = run->nodes[index].outcome != PVM_DONE;
  uint64_t ending = 0;
  for (uint64_t left = members[index].followers; left != 0;) {
    uint32_t follower = pop(&left);
    if (!(run->waiting & bit(follower))) continue;
    if (failed && members[follower].failure != PVM_AFTER_CONTINUE)
      ending |= fail_follower(run, index, follower, next);
    else if ((members[follower].after & ~run->ended) == 0 && !start_node(run, follower, next))
      ending |= bit(follower);
  }
  return ending;
}

/* Let go of results that nobody waits for, and of the first's payload. */
static void forget(pvm_chain_run *run) {
  for (uint32_t i = 0; i < run->chain->count; i++)
    if ((run->chain->members[i].followers & run->waiting) == 0)
      pvm_buffer_free(&run->nodes[i].result);
  if (run->waiting == 0 && run->first != NULL) {
    pvm_invocation_release(run->first);
    run->first = NULL;
  }
}

/* Without memory for it, those after it see a failure. */
static int keep_result(pvm_chain_run *run, uint32_t index, const pvm_buffer *data) {
  if ((run->chain->members[index].followers & run->waiting) == 0) return PVM_DONE;
  pvm_buffer *result = &run->nodes[index].result;
  result->data = malloc(data->len);
  if (result->data == NULL) return PVM_FAILED;
  memcpy(result->data, data->data, data->len);
  result->len = data->len;
  if (data->held != NULL) result->held = pvm_hold(data->data, data->len);
  return PVM_DONE;
}

void pvm_chain_note_end(pvm_invocation *invocation, pvm_chain_next *next) {
  pvm_chain_run *run = invocation->chain;
  uint32_t index = invocation->node;
  int outcome = invocation->completion.outcome;
  pthread_mutex_lock(&run->lock);
  if (outcome == PVM_DONE) outcome = keep_result(run, index, &invocation->completion.data);
  run->nodes[index].outcome = outcome;
  run->ended |= bit(index);
  for (uint64_t left = bit(index); left != 0;) left |= decide(run, pop(&left), next);
  forget(run);
  pthread_mutex_unlock(&run->lock);
}

int pvm_chain_is_stopped(pvm_invocation *invocation, pvm_buffer *why) {
  pvm_chain_run *run = invocation->chain;
  if (run == NULL) return 0;
  uint32_t by = atomic_load(&run->stopped_by);
  if (by == 0) return 0;
  tell(why, "stopped", run->chain->members[by - 1].task->name, run->nodes[by - 1].outcome);
  return 1;
}

/* ---- Outside of it --------------------------------------------------------- */

void pvm_chain_go_on(pvm_executor *executor, pvm_chain_next *next) {
  for (pvm_invocation *at = next->started, *after; at != NULL; at = after) {
    after = at->next;
    pvm_executor_dispatch(executor, at);
  }
  for (pvm_invocation *at = next->ended, *after; at != NULL; at = after) {
    after = at->next;
    pvm_executor_end_unstarted(executor, at);
  }
}

/* ---- Life ------------------------------------------------------------------ */

static void destroy(pvm_chain_run *run) {
  for (uint32_t i = 0; i < run->chain->count; i++) {
    pvm_buffer_free(&run->nodes[i].result);
    if (run->nodes[i].invocation != NULL) pvm_invocation_release(run->nodes[i].invocation);
  }
  if (run->first != NULL) pvm_invocation_release(run->first);
  pthread_mutex_destroy(&run->lock);
  pvm_chain_release(run->chain);
  free(run);
}

uint32_t pvm_chain_note_collected(pvm_invocation *invocation) {
  pvm_chain_run *run = invocation->chain;
  if (atomic_fetch_sub(&run->uncollected, 1) != 1) return PVM_JOURNAL_NONE;
  uint32_t block = run->block;
  destroy(run);
  return block;
}

static pvm_invocation *make_waiting(pvm_chain_run *run, uint32_t index) {
  pvm_invocation *invocation = calloc(1, sizeof *invocation);
  if (invocation == NULL) return NULL;
  pvm_task *task = run->chain->members[index].task;
  invocation->completion.task = task->id;
  invocation->task = task;
  invocation->chain = run;
  invocation->node = index;
  invocation->block = PVM_JOURNAL_NONE;
  invocation->payload = invocation->copied;
  atomic_init(&invocation->references, 1);
  return invocation;
}

/* A run in which everything waits, and nothing is accepted yet. Retains the chain. */
static pvm_chain_run *make(pvm_chain *chain) {
  pvm_chain_run *run = calloc(1, sizeof *run + chain->count * sizeof run->nodes[0]);
  if (run == NULL) return NULL;
  atomic_fetch_add_explicit(&chain->references, 1, memory_order_relaxed);
  run->chain = chain;
  run->block = PVM_JOURNAL_NONE;
  pthread_mutex_init(&run->lock, NULL);
  atomic_init(&run->uncollected, chain->count);
  for (uint32_t i = 1; i < chain->count; i++) {
    run->nodes[i].invocation = make_waiting(run, i);
    run->waiting |= bit(i);
    if (run->nodes[i].invocation == NULL) {
      destroy(run);
      return NULL;
    }
  }
  return run;
}

/* ---- Triggers ---------------------------------------------------------------- */

static void return_places(pvm_executor *executor, const pvm_chain *chain) {
  for (int lane = 0; lane < PVM_LANES; lane++)
    if (chain->places[lane] != 0)
      pvm_executor_return_places(executor, (pvm_lane)lane, chain->places[lane]);
}

/* All places or none. */
static int take_places(pvm_executor *executor, const pvm_chain *chain) {
  for (int lane = 0; lane < PVM_LANES; lane++) {
    uint32_t wanted = chain->places[lane];
    if (wanted == 0) continue;
    uint32_t got = pvm_executor_take_places(executor, (pvm_lane)lane, wanted);
    if (got == wanted) continue;
    pvm_executor_return_places(executor, (pvm_lane)lane, got);
    while (lane-- > 0)
      if (chain->places[lane] != 0)
        pvm_executor_return_places(executor, (pvm_lane)lane, chain->places[lane]);
    return 0;
  }
  return 1;
}

/* Of the first `count` nodes: they were counted as accepted, and are not. */
static void take_back(pvm_executor *executor, const pvm_chain *chain, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) pvm_executor_take_back(executor, chain->members[i].task, 1);
}

static int admit(pvm_executor *executor, const pvm_chain *chain) {
  for (uint32_t i = 0; i < chain->count; i++) {
    int status = pvm_executor_admit(executor, chain->members[i].task, 1);
    if (status == PVM_OK) continue;
    take_back(executor, chain, i);
    return status;
  }
  return PVM_OK;
}

/* The ids of a chain follow each other. One that had fewer in an earlier process, as it has grown
** since, takes new ones for what is new. */
static void number(pvm_executor *executor, pvm_chain_run *run, const pvm_submit_options *options,
                   const pvm_invocation *first) {
  const pvm_completion *trigger = &first->completion;
  uint32_t had = run->chain->count;
  if (options != NULL && options->id != 0) had = options->ids > 1 ? options->ids : 1;
  for (uint32_t i = 1; i < run->chain->count; i++) {
    pvm_invocation *invocation = run->nodes[i].invocation;
    pvm_completion *completion = &invocation->completion;
    completion->id = i < had ? trigger->id + i : pvm_executor_new_ids(executor, 1);
    completion->tag = trigger->tag;
    completion->attempt = trigger->attempt;
    completion->trigger = trigger->id;
    invocation->depth = first->depth;
    if (first->trace != NULL) pvm_trace_begin(UINT64_MAX, NULL, invocation);
    invocation->priority = options != NULL && options->priority != 0
                               ? options->priority
                               : invocation->task->config.priority;
  }
}

int pvm_chain_trigger(pvm_executor *executor, pvm_chain *chain, uint64_t tag, const void *payload,
                      size_t len, const pvm_submit_options *options, pvm_invocation **out) {
  if (!take_places(executor, chain)) return PVM_E_FULL;
  int status = admit(executor, chain);
  if (status != PVM_OK) {
    return_places(executor, chain);
    return status;
  }
  pvm_chain_run *run = make(chain);
  pvm_invocation *first = NULL;
  status = run == NULL ? PVM_E_NOMEM
                       : pvm_executor_make(executor, chain->members[0].task, tag, payload, len,
                                           options, chain->count, &first);
  if (status != PVM_OK) {
    if (run != NULL) destroy(run);
    take_back(executor, chain, chain->count);
    return_places(executor, chain);
    return status;
  }
  atomic_fetch_add(&first->references, 1);
  first->chain = run;
  first->completion.trigger = first->completion.id;
  run->first = first;
  run->block = first->block;
  first->block = PVM_JOURNAL_NONE;
  run->crashed = options != NULL ? options->crashed : 0;
  run->deadline_ns = options != NULL && options->deadline_ns != 0 ? first->deadline_ns : PVM_NEVER;
  number(executor, run, options, first);
  *out = first;
  return PVM_OK;
}

void pvm_chain_begin(pvm_executor *executor, pvm_invocation *first) {
  if ((first->chain->crashed & 1) == 0) {
    pvm_executor_dispatch(executor, first);
    return;
  }
  pvm_chain_next next = {NULL, NULL};
  first->completion.outcome = PVM_CRASHED;
  pvm_buffer_text(&first->completion.data, "the host's process ended while it ran");
  pvm_breaker_note(first->task->breaker, pvm_now(), first->token, PVM_CANCELLED);
  pvm_chain_note_end(first, &next);
  pvm_executor_end_unstarted(executor, first);
  pvm_chain_go_on(executor, &next);
}

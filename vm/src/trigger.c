/* trigger.c - see trigger.h. */
#include "trigger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../engine/stream/pack.h"
#include "counter_keep.h"
#include "event_store.h"
#include "executor.h"
#include "feature_store.h"
#include "firing.h"
#include "runtime.h"
#include "trigger_set.h"

typedef struct pvm_trigger {
  int64_t id;
  int64_t task;
  stream_condition *condition; /* one of these two */
  stream_counter *counter;
  _Atomic(char *) keep; /* the name that what the counter has fired with is kept under; NULL */
  _Atomic uint64_t fired;
  pvm_start_counts starts;
  char name[PVM_NAME_MAX + 1];
} pvm_trigger;

/* A place in the table. An id is generation << 32 | place + 1, so that one is not used twice. */
typedef struct pvm_trigger_slot {
  pvm_trigger *trigger; /* NULL: free */
  uint32_t generation;
  uint32_t next; /* free place + 1 */
} slot;

/* ---- Payloads ----------------------------------------------------------- */

/* {"trigger": name, "key": text, "event": the last, "events": [all]}. Its length; 0 without
** memory, or if the events are too much for one payload. */
static size_t write_match(pvm_firing *f, const char *name, const stream_match *match) {
  stream_text last = match->events[match->count - 1];
  size_t most = 64 + strlen(name) + match->key.len + last.len;
  for (uint32_t i = 0; i < match->count; i++) most += match->events[i].len;
  if (match->key.len > UINT32_MAX || !pvm_firing_reserve(f, most)) return 0;
  unsigned char *at = stream_put_map(f->payload, 4);
  at = stream_put_name(stream_put_name(at, "trigger"), name);
  at = stream_put_string(stream_put_name(at, "key"), match->key);
  at = stream_put_raw(stream_put_name(at, "event"), last);
  at = stream_put_array(stream_put_name(at, "events"), match->count);
  for (uint32_t i = 0; i < match->count; i++) at = stream_put_raw(at, match->events[i]);
  return (size_t)(at - f->payload);
}

/* nil for 0. */
static unsigned char *put_sequence(unsigned char *at, uint64_t number) {
  return number != 0 ? stream_put(at, 0xcf, number, 8) : stream_put(at, 0xc0, 0, 0);
}

/* {"trigger": name, "stream": text, "key": text or nil, "first":, "last": numbers or nil, "events":,
** "bytes": how many}. As above. */
static size_t write_amount(pvm_firing *f, const char *name, const stream_amount *amount) {
  size_t most = 128 + strlen(name) + amount->stream.len + amount->key.len;
  if (amount->key.len > UINT32_MAX || !pvm_firing_reserve(f, most)) return 0;
  unsigned char *at = stream_put_map(f->payload, 7);
  at = stream_put_name(stream_put_name(at, "trigger"), name);
  at = stream_put_string(stream_put_name(at, "stream"), amount->stream);
  at = stream_put_name(at, "key");
  at = amount->keyed ? stream_put_string(at, amount->key) : stream_put(at, 0xc0, 0, 0);
  at = put_sequence(stream_put_name(at, "first"), amount->first);
  at = put_sequence(stream_put_name(at, "last"), amount->last);
  at = stream_put(stream_put_name(at, "events"), 0xcf, amount->events, 8);
  at = stream_put(stream_put_name(at, "bytes"), 0xcf, amount->bytes, 8);
  return (size_t)(at - f->payload);
}

/* ---- Firing ------------------------------------------------------------- */

static void start_task(pvm_firing *f, pvm_trigger *trigger, int mode, size_t len) {
  pvm_starter starter = {.trigger = trigger->id, .task = trigger->task};
  atomic_fetch_add_explicit(&trigger->fired, 1, memory_order_relaxed);
  pvm_start_counts_add(&trigger->starts, pvm_firing_start(f, &starter, mode, len));
}

void pvm_trigger_fire(void *context, const stream_match *matches, size_t count) {
  pvm_firing *f = context;
  for (size_t i = 0; i < count; i++) {
    pvm_trigger *trigger = matches[i].user;
    start_task(f, trigger, matches[i].mode, write_match(f, trigger->name, &matches[i]));
  }
}

void pvm_trigger_enough(void *context, const stream_amount *amount) {
  pvm_firing *f = context;
  pvm_trigger *trigger = amount->user;
  uint32_t tasks = f->tasks;
  f->tasks = amount->way >> 16;
  start_task(f, trigger, amount->mode, write_amount(f, trigger->name, amount));
  f->tasks = tasks;
}

void pvm_trigger_settled(void *context, const stream_amount *amount) {
  pvm_firing *f = context;
  pvm_trigger *trigger = amount->user;
  const char *keep = atomic_load(&trigger->keep);
  if (keep != NULL && amount->mode != PVM_TRIGGER_OFF)
    pvm_counter_keep_note(pvm_executor_features(f->executor), keep, amount);
}

void pvm_trigger_forget(void *user) {
  pvm_trigger *trigger = user;
  free(atomic_load(&trigger->keep));
  free(trigger);
}

/* ---- The table ---------------------------------------------------------- */

void pvm_trigger_table_init(pvm_trigger_table *table) {
  *table = (pvm_trigger_table){0};
  pthread_mutex_init(&table->lock, NULL);
}

void pvm_trigger_table_free(pvm_trigger_table *table) {
  pthread_mutex_destroy(&table->lock);
  free(table->slots);
}

/* With the lock. NULL: there is none. */
static slot *find(pvm_trigger_table *table, int64_t id) {
  uint32_t place = (uint32_t)id;
  if (id <= 0 || place == 0 || place > table->count) return NULL;
  slot *found = &table->slots[place - 1];
  return found->trigger != NULL && found->trigger->id == id ? found : NULL;
}

static slot *take_slot(pvm_trigger_table *table) {
  if (table->free != 0) {
    slot *taken = &table->slots[table->free - 1];
    table->free = taken->next;
    return taken;
  }
  if (table->count == table->capacity) {
    uint32_t capacity = table->capacity != 0 ? table->capacity * 2 : 64;
    slot *more = realloc(table->slots, capacity * sizeof *more);
    if (more == NULL) return NULL;
    table->slots = more;
    table->capacity = capacity;
  }
  slot *taken = &table->slots[table->count++];
  *taken = (slot){0};
  return taken;
}

static void free_slot(pvm_trigger_table *table, slot *freed) {
  freed->next = table->free;
  table->free = (uint32_t)(freed - table->slots) + 1;
}

/* ---- Triggers ----------------------------------------------------------- */

static int valid_mode(int mode) {
  return mode >= PVM_TRIGGER_OFF && mode <= PVM_TRIGGER_HAND_OUT;
}

int pvm_trigger_status(int stream_status) {
  return stream_status == STREAM_E_NOMEM    ? PVM_E_NOMEM
         : stream_status == STREAM_E_DECODE ? PVM_E_DECODE
                                            : PVM_E_INVALID;
}

/* With the lock; the trigger is in its place when its first event may come. */
static int64_t add(struct pvm_trigger_set *set, pvm_trigger *trigger, const void *condition,
                   size_t len, int mode, int64_t replaces, char *err) {
  pvm_trigger_table *table = &set->triggers;
  slot *replaced = replaces != 0 ? find(table, replaces) : NULL;
  const pvm_trigger *former = replaced != NULL ? replaced->trigger : NULL;
  slot *place = take_slot(table); /* slots may have moved */
  if (place == NULL) return PVM_E_NOMEM;
  trigger->id = (int64_t)place->generation << 32 | (place - table->slots + 1);
  int status;
  if (stream_is_counter(condition, len))
    status = stream_counter_add(set->stream, condition, len, mode, trigger,
                                former != NULL ? former->counter : NULL, &trigger->counter, err);
  else
    status =
        stream_triggers_add(set->stream, condition, len, mode, trigger,
                            former != NULL ? former->condition : NULL, &trigger->condition, err);
  if (status == STREAM_OK) {
    place->trigger = trigger;
    return trigger->id;
  }
  free_slot(table, place);
  return pvm_trigger_status(status);
}

int64_t pvm_trigger_add(pvm_executor *executor, int64_t task, const char *name,
                        const void *condition, size_t len, pvm_trigger_mode mode, int64_t replaces,
                        char *err) {
  struct pvm_trigger_set *set;
  int status = pvm_trigger_set_of(executor, &set, err);
  if (status != PVM_OK) return status;
  if (name == NULL || strlen(name) > PVM_NAME_MAX || !valid_mode(mode)) return PVM_E_INVALID;
  if (task != 0 && pvm_task_table_get(&executor->tasks, task) == NULL) return PVM_E_UNKNOWN;
  if (task == 0 && mode == PVM_TRIGGER_SUBMIT) return PVM_E_INVALID;
  pvm_trigger *trigger = calloc(1, sizeof *trigger);
  if (trigger == NULL) return PVM_E_NOMEM;
  trigger->task = task;
  snprintf(trigger->name, sizeof trigger->name, "%s", name);
  pthread_mutex_lock(&set->triggers.lock);
  int64_t id = add(set, trigger, condition, len, mode, replaces, err);
  pthread_mutex_unlock(&set->triggers.lock);
  if (id < 0) free(trigger);
  return id;
}

/* ---- From process to process -------------------------------------------- */

/* Is another trigger's counter kept under this name, of the version that comes or goes? With the lock. */
static int is_kept_by_another(const pvm_trigger_table *table, const pvm_trigger *one,
                              const char *keep) {
  for (uint32_t i = 0; i < table->count; i++) {
    const pvm_trigger *other = table->slots[i].trigger;
    const char *name = other != NULL && other != one ? atomic_load(&other->keep) : NULL;
    if (name != NULL && strcmp(name, keep) == 0) return 1;
  }
  return 0;
}

typedef struct recalling {
  feature_store *features;
  const char *keep;
} recalling;

static uint64_t last_of(void *arg, stream_text key) {
  const recalling *r = arg;
  return pvm_counter_keep_last(r->features, r->keep, key);
}

/* The number that the next event of a stream gets, less one. */
static uint64_t last_in(store_stream *stream) {
  store_stats stats;
  if (stream == NULL) return 0;
  store_stream_stats(stream, &stats);
  return stats.next - 1;
}

/* Count on from what is kept, with the lock. What is enough by now goes to the host, which counts an
** invocation before it ends. */
static int resume(pvm_executor *executor, struct pvm_trigger_set *set, pvm_trigger *trigger,
                  const char *keep, store_stream *kept) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  recalling r = {pvm_executor_features(executor), keep};
  stream_recount how = {.kept = kept,
                        .last_of = last_of,
                        .arg = &r,
                        .wall_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
                        .now_ns = pvm_now()};
  uint64_t last = last_in(kept);
  int known = pvm_counter_keep_find(r.features, keep, &how.after);
  if (!known || how.after > last) { /* a stream that begins again has lower numbers */
    how.after = last;
    pvm_counter_keep_begin(r.features, keep, last);
  }
  pvm_fired_batch fired = {0};
  pvm_firing f = {.executor = executor, .set = set, .batch = &fired, .appended = 1};
  int status = stream_counter_recount(set->stream, trigger->counter, &how, &f);
  if (fired.count != 0 && pvm_outbox_put(&executor->outbox, &fired) != 0) status = STREAM_E_NOMEM;
  pvm_park_ring(&executor->collector);
  pvm_fired_free(&fired);
  pvm_firing_free(&f);
  return status == STREAM_OK ? PVM_OK : PVM_E_NOMEM;
}

/* With the lock. *name is taken over if it is kept. */
static int keep_counter(pvm_executor *executor, struct pvm_trigger_set *set, pvm_trigger *trigger,
                        const char *stream, char **name, int mode, int goes_on) {
  feature_store *features = pvm_executor_features(executor);
  store_stream *kept = pvm_store_find(set->store, stream);
  if (kept != NULL && store_stream_level(kept) == STORE_MEMORY) return PVM_OK;
  const char *former = atomic_load(&trigger->keep);
  if (former != NULL && strcmp(former, *name) != 0) return PVM_E_INVALID;
  if (former == NULL) {
    former = *name;
    atomic_store(&trigger->keep, *name);
    *name = NULL;
  }
  uint64_t after;
  if (mode == PVM_TRIGGER_OFF) pvm_counter_keep_forget(features, former);
  else if (!goes_on) return resume(executor, set, trigger, former, kept);
  else if (!pvm_counter_keep_find(features, former, &after))
    pvm_counter_keep_begin(features, former, stream_counter_settled(set->stream, trigger->counter));
  return PVM_OK;
}

int pvm_trigger_keep(pvm_executor *executor, int64_t id, const char *stream, const char *keep,
                     pvm_trigger_mode mode, int goes_on) {
  struct pvm_trigger_set *set;
  int status = pvm_trigger_set_of(executor, &set, NULL);
  if (status != PVM_OK) return status;
  if (stream == NULL || keep == NULL || strlen(keep) > PVM_COUNTER_NAME_MAX || !valid_mode(mode))
    return PVM_E_INVALID;
  char *name = strdup(keep);
  if (name == NULL) return PVM_E_NOMEM;
  pthread_mutex_lock(&set->triggers.lock);
  slot *found = find(&set->triggers, id);
  if (found == NULL || found->trigger->counter == NULL) status = PVM_E_UNKNOWN;
  else if (set->store != NULL && pvm_executor_features(executor) != NULL)
    status = keep_counter(executor, set, found->trigger, stream, &name, (int)mode, goes_on);
  pthread_mutex_unlock(&set->triggers.lock);
  free(name);
  return status;
}

int pvm_trigger_remove(pvm_executor *executor, int64_t id) {
  struct pvm_trigger_set *set;
  int status = pvm_trigger_set_of(executor, &set, NULL);
  if (status != PVM_OK) return status;
  pthread_mutex_lock(&set->triggers.lock);
  slot *found = find(&set->triggers, id);
  if (found != NULL) {
    stream_condition *condition = found->trigger->condition;
    stream_counter *counter = found->trigger->counter;
    const char *keep = atomic_load(&found->trigger->keep);
    if (keep != NULL && !is_kept_by_another(&set->triggers, found->trigger, keep))
      pvm_counter_keep_forget(pvm_executor_features(executor), keep);
    found->trigger = NULL;
    found->generation = (found->generation + 1) & INT32_MAX;
    free_slot(&set->triggers, found);
    if (counter != NULL) stream_counter_remove(set->stream, counter);
    else stream_triggers_remove(set->stream, condition);
  }
  pthread_mutex_unlock(&set->triggers.lock);
  return found != NULL ? PVM_OK : PVM_E_UNKNOWN;
}

int pvm_trigger_set_mode(pvm_executor *executor, int64_t id, pvm_trigger_mode mode) {
  struct pvm_trigger_set *set;
  int status = pvm_trigger_set_of(executor, &set, NULL);
  if (status != PVM_OK) return status;
  if (!valid_mode(mode)) return PVM_E_INVALID;
  pthread_mutex_lock(&set->triggers.lock);
  slot *found = find(&set->triggers, id);
  if (found == NULL) status = PVM_E_UNKNOWN;
  else if (found->trigger->task == 0 && mode == PVM_TRIGGER_SUBMIT) status = PVM_E_INVALID;
  else if (found->trigger->counter != NULL)
    stream_counter_set(set->stream, found->trigger->counter, mode);
  else stream_triggers_set(set->stream, found->trigger->condition, mode);
  pthread_mutex_unlock(&set->triggers.lock);
  return status;
}

int pvm_trigger_stats_get(pvm_executor *executor, int64_t id, pvm_trigger_stats *stats) {
  struct pvm_trigger_set *set;
  int status = pvm_trigger_set_of(executor, &set, NULL);
  if (status != PVM_OK) return status;
  if (stats == NULL) return PVM_E_INVALID;
  pthread_mutex_lock(&set->triggers.lock);
  slot *found = find(&set->triggers, id);
  if (found != NULL) {
    pvm_trigger *trigger = found->trigger;
    *stats = (pvm_trigger_stats){.accepted = atomic_load(&trigger->starts.accepted),
                                 .handed_out = atomic_load(&trigger->starts.handed_out),
                                 .full = atomic_load(&trigger->starts.full),
                                 .rate = atomic_load(&trigger->starts.rate),
                                 .breaker = atomic_load(&trigger->starts.breaker),
                                 .other = atomic_load(&trigger->starts.other)};
    stats->fired = atomic_load(&trigger->fired); /* last: never behind the others */
  }
  pthread_mutex_unlock(&set->triggers.lock);
  return found != NULL ? PVM_OK : PVM_E_UNKNOWN;
}

/* trigger.c - triggers: events come in, the stream store matches them, invocations go out. */
#include "trigger.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../engine/stream/json.h"
#include "event_store.h"
#include "executor.h"
#include "feature_store.h"
#include "flow.h"
#include "flows.h"
#include "intake.h"
#include "runtime.h"
#include "stream.h"

typedef struct pvm_trigger {
  int64_t id;
  int64_t task;
  stream_condition *condition; /* one of these two */
  stream_counter *counter;
  _Atomic uint64_t fired;
  _Atomic uint64_t accepted;
  _Atomic uint64_t handed_out;
  _Atomic uint64_t full;
  _Atomic uint64_t rate;
  _Atomic uint64_t breaker;
  _Atomic uint64_t other;
  char name[PVM_NAME_MAX + 1];
} pvm_trigger;

/* A place in the table. An id is generation << 32 | place + 1, so that one is not used twice. */
typedef struct slot {
  pvm_trigger *trigger; /* NULL: free */
  uint32_t generation;
  uint32_t next; /* free place + 1 */
} slot;

struct pvm_trigger_set {
  stream_triggers *stream;
  pvm_store *store;      /* NULL */
  stream_intake *intake; /* NULL without a store */
  struct pvm_flows *flows;
  pthread_mutex_t lock; /* of the table: adding, removing, setting, figures; never of an event */
  slot *slots;
  uint32_t count, capacity, free;
};

/* ---- Payloads ----------------------------------------------------------- */

static size_t put_head(unsigned char *out, unsigned char head, uint64_t number, size_t bytes) {
  out[0] = head;
  for (size_t i = 0; i < bytes; i++) out[1 + i] = (unsigned char)(number >> 8 * (bytes - 1 - i));
  return 1 + bytes;
}

static size_t put_text(unsigned char *out, const char *text, size_t len) {
  size_t head = len < 32    ? put_head(out, (unsigned char)(0xa0 | len), 0, 0)
                : len < 256 ? put_head(out, 0xd9, len, 1)
                            : put_head(out, 0xdb, len, 4);
  if (len != 0) memcpy(out + head, text, len);
  return head + len;
}

static size_t put_raw(unsigned char *out, stream_text value) {
  memcpy(out, value.data, value.len);
  return value.len;
}

int pvm_firing_reserve(pvm_firing *f, size_t most) {
  if (most <= f->payload_capacity) return 1;
  unsigned char *more = realloc(f->payload, most);
  if (more == NULL) return 0;
  f->payload = more;
  f->payload_capacity = most;
  return 1;
}

/* {"trigger": name, "key": text, "event": the last, "events": [all]}. Its length; 0 without
** memory, or if the events are too much for one payload. */
static size_t write_payload(pvm_firing *f, const char *name, const stream_match *match) {
  size_t most = 64 + strlen(name) + match->key.len + match->events[match->count - 1].len;
  for (uint32_t i = 0; i < match->count; i++) most += match->events[i].len;
  if (match->key.len > UINT32_MAX) return 0;
  if (!pvm_firing_reserve(f, most)) return 0;
  unsigned char *at = f->payload;
  at += put_head(at, 0x84, 0, 0);
  at += put_text(at, "trigger", 7);
  at += put_text(at, name, strlen(name));
  at += put_text(at, "key", 3);
  at += put_text(at, match->key.data, match->key.len);
  at += put_text(at, "event", 5);
  at += put_raw(at, match->events[match->count - 1]);
  at += put_text(at, "events", 6);
  at += put_head(at, 0xdc, match->count, 2);
  for (uint32_t i = 0; i < match->count; i++) at += put_raw(at, match->events[i]);
  return (size_t)(at - f->payload);
}

/* {"trigger": name, "stream": text, "key": text or nil, "first":, "last": numbers or nil, "events":,
** "bytes": how many}. As above. */
static size_t write_amount(pvm_firing *f, const char *name, const stream_amount *amount) {
  if (amount->key.len > UINT32_MAX) return 0;
  size_t most = 128 + strlen(name) + amount->stream.len + amount->key.len;
  if (!pvm_firing_reserve(f, most)) return 0;
  unsigned char *at = f->payload;
  at += put_head(at, 0x87, 0, 0);
  at += put_text(at, "trigger", 7);
  at += put_text(at, name, strlen(name));
  at += put_text(at, "stream", 6);
  at += put_text(at, amount->stream.data, amount->stream.len);
  at += put_text(at, "key", 3);
  at += amount->keyed ? put_text(at, amount->key.data, amount->key.len) : put_head(at, 0xc0, 0, 0);
  at += put_text(at, "first", 5);
  at += amount->first != 0 ? put_head(at, 0xcf, amount->first, 8) : put_head(at, 0xc0, 0, 0);
  at += put_text(at, "last", 4);
  at += amount->last != 0 ? put_head(at, 0xcf, amount->last, 8) : put_head(at, 0xc0, 0, 0);
  at += put_text(at, "events", 6);
  at += put_head(at, 0xcf, amount->events, 8);
  at += put_text(at, "bytes", 5);
  at += put_head(at, 0xcf, amount->bytes, 8);
  return (size_t)(at - f->payload);
}

/* ---- Firing ------------------------------------------------------------- */

static void count_end(pvm_trigger *trigger, int status) {
  _Atomic uint64_t *counter = status == PVM_OK                   ? &trigger->accepted
                              : status == PVM_TRIGGER_HANDED_OUT ? &trigger->handed_out
                              : status == PVM_E_FULL             ? &trigger->full
                              : status == PVM_E_RATE             ? &trigger->rate
                              : status == PVM_E_BREAKER          ? &trigger->breaker
                                                                 : &trigger->other;
  atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void *reserve(void *block, size_t *capacity, size_t wanted, size_t size) {
  if (wanted <= *capacity) return block;
  size_t more = *capacity * 2 > wanted ? *capacity * 2 : wanted;
  void *grown = realloc(block, more * size);
  if (grown != NULL) *capacity = more;
  return grown;
}

/* Tell the caller, with the payload if it was not accepted. Without memory it is only counted. */
static void tell(pvm_firing *f, const pvm_starter *starter, int status, uint64_t id, size_t len) {
  pvm_fired_batch *batch = f->batch;
  if (batch == NULL) return;
  /* who keeps it until there is room keeps the elements */
  pvm_buffer elements = {NULL, 0, NULL};
  const void *payload = f->payload;
  if (status != PVM_OK && len != 0 && pvm_expand(payload, len, &elements) == 1) {
    payload = elements.data;
    len = elements.len;
  }
  size_t kept = status == PVM_OK ? 0 : len;
  pvm_fired *fired = reserve(batch->fired, &f->fired_capacity, batch->count + 1u, sizeof *fired);
  if (fired != NULL) batch->fired = fired;
  unsigned char *data = reserve(batch->data, &f->data_capacity, f->data_len + kept, 1);
  if (data != NULL) batch->data = data;
  if (fired == NULL || (data == NULL && kept != 0)) {
    batch->lost++;
    pvm_buffer_free(&elements);
    return;
  }
  if (kept != 0) memcpy(data + f->data_len, payload, kept);
  pvm_buffer_free(&elements);
  f->data_len += kept;
  fired[batch->count++] = (pvm_fired){.trigger = starter->trigger,
                                      .flow = starter->flow,
                                      .task = starter->task,
                                      .tag = f->tag,
                                      .id = id,
                                      .end = f->data_len,
                                      .status = status,
                                      .depth = f->appended};
}

int pvm_firing_start(pvm_firing *f, const pvm_starter *starter, int mode, size_t len) {
  int64_t id = PVM_E_NOMEM;
  if (len != 0)
    id = mode == PVM_TRIGGER_HAND_OUT || f->appended != 0
             ? 0
             : pvm_submit(f->executor, starter->task, f->tag, f->payload, len, NULL);
  int status = id < 0 ? (int)id : id > 0 ? PVM_OK : PVM_TRIGGER_HANDED_OUT;
  tell(f, starter, status, id > 0 ? (uint64_t)id : 0, len);
  return status;
}

static void start_task(pvm_firing *f, pvm_trigger *trigger, int mode, size_t len) {
  pvm_starter starter = {.trigger = trigger->id, .task = trigger->task};
  atomic_fetch_add_explicit(&trigger->fired, 1, memory_order_relaxed);
  count_end(trigger, pvm_firing_start(f, &starter, mode, len));
}

static void fire(void *context, const stream_match *matches, size_t count) {
  pvm_firing *f = context;
  for (size_t i = 0; i < count; i++) {
    pvm_trigger *trigger = matches[i].user;
    start_task(f, trigger, matches[i].mode, write_payload(f, trigger->name, &matches[i]));
  }
}

static void enough(void *context, const stream_amount *amount) {
  pvm_firing *f = context;
  pvm_trigger *trigger = amount->user;
  start_task(f, trigger, amount->mode, write_amount(f, trigger->name, amount));
}

static void taken(void *context, const stream_taken *event) {
  pvm_firing *f = context;
  pvm_flows_take(f->set->flows, event, f);
}

/* ---- What events need while partial matches hold them ---- */

static void *hold_event(const void *event, size_t len) {
  return pvm_hold(event, len);
}

static void let_event_go(void *held) {
  pvm_held_free(held);
}

/* ---- The set ------------------------------------------------------------ */

void pvm_trigger_config_init(pvm_trigger_config *config) {
  stream_config defaults;
  flow_config flows;
  stream_config_init(&defaults);
  flow_config_init(&flows);
  *config = (pvm_trigger_config){.type = defaults.type,
                                 .page = defaults.page,
                                 .id = defaults.id,
                                 .key = defaults.key,
                                 .time = defaults.time,
                                 .stream = defaults.stream,
                                 .time_unit_ns = defaults.time_unit_ns,
                                 .max_bytes = defaults.max_bytes,
                                 .ttl_ns = defaults.ttl_ns,
                                 .max_keys = defaults.max_keys,
                                 .max_pending = defaults.max_pending,
                                 .flow_bytes = flows.max_bytes};
}

/* With the executor's lock of grouping. */
static int make_set(pvm_executor *executor, const pvm_trigger_config *config, char *err) {
  struct pvm_trigger_set *set = calloc(1, sizeof *set);
  if (set == NULL) return PVM_E_NOMEM;
  char unheard[PVM_ERR_MAX];
  if (err == NULL) err = unheard;
  stream_config stream;
  stream_config_init(&stream);
  stream.type = config->type;
  stream.page = config->page;
  stream.id = config->id;
  stream.key = config->key;
  stream.time = config->time;
  stream.stream = config->stream;
  stream.store = (store *)config->store;
  stream.time_unit_ns = config->time_unit_ns;
  stream.max_bytes = config->max_bytes;
  stream.ttl_ns = config->ttl_ns;
  stream.max_keys = config->max_keys;
  stream.max_pending = config->max_pending;
  stream.fire = fire;
  stream.enough = enough;
  stream.taken = taken;
  set->store = config->store;
  if (config->store == NULL && config->streams_len != 0) {
    snprintf(err, PVM_ERR_MAX, "streams are declared, and no store is given to keep them");
    free(set);
    return PVM_E_INVALID;
  }
  if (config->store != NULL) {
    set->intake = stream_intake_new(&stream, config->streams, config->streams_len, err);
    if (set->intake == NULL) {
      free(set);
      return PVM_E_INVALID;
    }
  }
  stream.intake = set->intake;
  stream.hold = hold_event;
  stream.let_go = let_event_go;
  stream.forget = free;
  set->stream = stream_triggers_new(&stream, err);
  if (set->stream == NULL) {
    stream_intake_free(set->intake);
    free(set);
    return PVM_E_INVALID;
  }
  set->flows = pvm_flows_new(set, config);
  if (set->flows == NULL) {
    stream_triggers_free(set->stream);
    stream_intake_free(set->intake);
    free(set);
    return PVM_E_NOMEM;
  }
  pthread_mutex_init(&set->lock, NULL);
  pvm_flows_set_tables(set->flows, pvm_executor_features(executor));
  atomic_store(&executor->triggers, set);
  return PVM_OK;
}

void pvm_trigger_set_free(struct pvm_trigger_set *set) {
  if (set == NULL) return;
  pvm_flows_free(set->flows);
  stream_triggers_free(set->stream); /* and the triggers, by forget */
  stream_intake_free(set->intake);
  pthread_mutex_destroy(&set->lock);
  free(set->slots);
  free(set);
}

int pvm_triggers_configure(pvm_executor *executor, const pvm_trigger_config *config, char *err) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL || config == NULL) return PVM_E_INVALID;
  pthread_mutex_lock(&executor->grouping);
  status = atomic_load(&executor->triggers) == NULL ? make_set(executor, config, err) : PVM_E_STATE;
  pthread_mutex_unlock(&executor->grouping);
  return status;
}

int pvm_trigger_set_of(pvm_executor *executor, struct pvm_trigger_set **set, char *err) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL) return PVM_E_INVALID;
  *set = atomic_load_explicit(&executor->triggers, memory_order_acquire);
  if (*set != NULL) return PVM_OK;
  pvm_trigger_config config;
  pvm_trigger_config_init(&config);
  status = pvm_triggers_configure(executor, &config, err);
  *set = atomic_load_explicit(&executor->triggers, memory_order_acquire);
  return *set != NULL ? PVM_OK : status;
}

struct pvm_flows *pvm_trigger_set_flows(struct pvm_trigger_set *set) {
  return set->flows;
}

pvm_store *pvm_trigger_set_store(struct pvm_trigger_set *set) {
  return set->store;
}

/* ---- Triggers ----------------------------------------------------------- */

/* With the set's lock. NULL: there is none. */
static slot *find(struct pvm_trigger_set *set, int64_t id) {
  uint32_t place = (uint32_t)id;
  if (id <= 0 || place == 0 || place > set->count) return NULL;
  slot *found = &set->slots[place - 1];
  return found->trigger != NULL && found->trigger->id == id ? found : NULL;
}

static slot *take_slot(struct pvm_trigger_set *set) {
  if (set->free != 0) {
    slot *taken = &set->slots[set->free - 1];
    set->free = taken->next;
    return taken;
  }
  if (set->count == set->capacity) {
    uint32_t capacity = set->capacity != 0 ? set->capacity * 2 : 64;
    slot *more = realloc(set->slots, capacity * sizeof *more);
    if (more == NULL) return NULL;
    set->slots = more;
    set->capacity = capacity;
  }
  slot *taken = &set->slots[set->count++];
  *taken = (slot){0};
  return taken;
}

static int valid_mode(int mode) {
  return mode >= PVM_TRIGGER_OFF && mode <= PVM_TRIGGER_HAND_OUT;
}

static int status_of(int stream_status) {
  return stream_status == STREAM_E_NOMEM    ? PVM_E_NOMEM
         : stream_status == STREAM_E_DECODE ? PVM_E_DECODE
                                            : PVM_E_INVALID;
}

/* With the set's lock; the trigger is in its place when its first event may come. */
static int64_t add(struct pvm_trigger_set *set, pvm_trigger *trigger, const void *condition,
                   size_t len, int mode, int64_t replaces, char *err) {
  slot *former = replaces != 0 ? find(set, replaces) : NULL;
  slot *place = take_slot(set);
  if (place == NULL) return PVM_E_NOMEM;
  trigger->id = (int64_t)place->generation << 32 | (place - set->slots + 1);
  int status;
  if (stream_is_counter(condition, len))
    status = stream_counter_add(set->stream, condition, len, mode, trigger,
                                former != NULL ? former->trigger->counter : NULL, &trigger->counter,
                                err);
  else
    status = stream_triggers_add(set->stream, condition, len, mode, trigger,
                                 former != NULL ? former->trigger->condition : NULL,
                                 &trigger->condition, err);
  if (status == STREAM_OK) {
    place->trigger = trigger;
    return trigger->id;
  }
  place->next = set->free;
  set->free = (uint32_t)(place - set->slots) + 1;
  return status_of(status);
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
  pthread_mutex_lock(&set->lock);
  int64_t id = add(set, trigger, condition, len, mode, replaces, err);
  pthread_mutex_unlock(&set->lock);
  if (id < 0) free(trigger);
  return id;
}

int pvm_trigger_remove(pvm_executor *executor, int64_t id) {
  struct pvm_trigger_set *set;
  int status = pvm_trigger_set_of(executor, &set, NULL);
  if (status != PVM_OK) return status;
  pthread_mutex_lock(&set->lock);
  slot *found = find(set, id);
  if (found != NULL) {
    stream_condition *condition = found->trigger->condition;
    stream_counter *counter = found->trigger->counter;
    found->trigger = NULL;
    found->generation = (found->generation + 1) & INT32_MAX;
    found->next = set->free;
    set->free = (uint32_t)(found - set->slots) + 1;
    if (counter != NULL) stream_counter_remove(set->stream, counter);
    else stream_triggers_remove(set->stream, condition);
  }
  pthread_mutex_unlock(&set->lock);
  return found != NULL ? PVM_OK : PVM_E_UNKNOWN;
}

int pvm_trigger_set_mode(pvm_executor *executor, int64_t id, pvm_trigger_mode mode) {
  struct pvm_trigger_set *set;
  int status = pvm_trigger_set_of(executor, &set, NULL);
  if (status != PVM_OK) return status;
  if (!valid_mode(mode)) return PVM_E_INVALID;
  pthread_mutex_lock(&set->lock);
  slot *found = find(set, id);
  if (found == NULL) status = PVM_E_UNKNOWN;
  else if (found->trigger->task == 0 && mode == PVM_TRIGGER_SUBMIT) status = PVM_E_INVALID;
  else if (found->trigger->counter != NULL)
    stream_counter_set(set->stream, found->trigger->counter, mode);
  else stream_triggers_set(set->stream, found->trigger->condition, mode);
  pthread_mutex_unlock(&set->lock);
  return status;
}

int pvm_trigger_stats_get(pvm_executor *executor, int64_t id, pvm_trigger_stats *stats) {
  struct pvm_trigger_set *set;
  int status = pvm_trigger_set_of(executor, &set, NULL);
  if (status != PVM_OK) return status;
  if (stats == NULL) return PVM_E_INVALID;
  pthread_mutex_lock(&set->lock);
  slot *found = find(set, id);
  if (found != NULL) {
    pvm_trigger *trigger = found->trigger;
    *stats = (pvm_trigger_stats){.accepted = atomic_load(&trigger->accepted),
                                 .handed_out = atomic_load(&trigger->handed_out),
                                 .full = atomic_load(&trigger->full),
                                 .rate = atomic_load(&trigger->rate),
                                 .breaker = atomic_load(&trigger->breaker),
                                 .other = atomic_load(&trigger->other)};
    stats->fired = atomic_load(&trigger->fired); /* last: never behind the others */
  }
  pthread_mutex_unlock(&set->lock);
  return found != NULL ? PVM_OK : PVM_E_UNKNOWN;
}

int pvm_triggers_stats_get(pvm_executor *executor, pvm_triggers_stats *stats) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL || stats == NULL) return PVM_E_INVALID;
  memset(stats, 0, sizeof *stats);
  struct pvm_trigger_set *set = atomic_load_explicit(&executor->triggers, memory_order_acquire);
  if (set == NULL) return PVM_OK;
  stream_stats seen;
  stream_triggers_stats(set->stream, &seen);
  *stats = (pvm_triggers_stats){.events = seen.events,
                                .matched = seen.matched,
                                .fired = seen.fired,
                                .dropped = seen.dropped,
                                .evicted = seen.evicted,
                                .pending = seen.pending,
                                .keys = seen.keys,
                                .bytes = seen.bytes,
                                .triggers = seen.conditions + seen.counters,
                                .nodes = seen.nodes};
  if (set->intake == NULL) return PVM_OK;
  stream_intake_stats intake;
  stream_intake_stats_get(set->intake, NULL, &intake);
  stats->duplicates = intake.duplicates;
  stats->dead = intake.dead;
  return PVM_OK;
}

int pvm_intake_stats_get(pvm_executor *executor, const char *stream, pvm_intake_stats *stats) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL || stats == NULL) return PVM_E_INVALID;
  struct pvm_trigger_set *set = atomic_load_explicit(&executor->triggers, memory_order_acquire);
  stream_intake_stats seen;
  if (set == NULL || set->intake == NULL ||
      stream_intake_stats_get(set->intake, stream, &seen) != 0)
    return PVM_E_UNKNOWN;
  *stats = (pvm_intake_stats){.duplicates = seen.duplicates,
                              .dead = seen.dead,
                              .ids = seen.ids,
                              .forgotten = seen.forgotten,
                              .bytes = seen.bytes};
  return PVM_OK;
}

/* ---- Events ------------------------------------------------------------- */

static uint64_t wall_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What is kept outlives the process, so it has the elements of shared arrays, not their handles. */
static int take_event(struct pvm_trigger_set *set, const stream_origin *origin, const char *event,
                      size_t len, uint64_t wall_ns, uint64_t now_ns, pvm_firing *f) {
  pvm_buffer elements = {0};
  if (set->store != NULL) {
    int expanded = pvm_expand(event, len, &elements);
    if (expanded < 0) return expanded;
    if (expanded > 0) event = elements.data, len = elements.len;
  }
  int kept = STORE_OK;
  if (f->depth == 0) pvm_flows_enter(set->flows);
  f->flowed = 0;
  int status = stream_append_from(set->stream, origin, event, len, wall_ns, now_ns, f, &kept);
  if (f->depth == 0) pvm_flows_leave(set->flows);
  pvm_buffer_free(&elements);
  return status >= 0                ? status
         : status == STREAM_E_STORE ? pvm_store_status(kept)
                                    : status_of(status);
}

int pvm_firing_append(pvm_firing *f, const stream_origin *origin, const char *event, size_t len) {
  return take_event(f->set, origin, event, len, wall_now(), pvm_now(), f);
}

void pvm_firing_free(pvm_firing *f) {
  free(f->payload);
}

/* A batch on its way in. */
typedef struct ingesting {
  struct pvm_trigger_set *set;
  stream_origin origin;
  uint64_t wall_ns, now_ns;
  pvm_firing *firing;
  pvm_fired_batch *told;
  uint64_t first_tag;
  size_t done;
} ingesting;

/* PVM_OK, or why it was not taken in. */
static int take_next(ingesting *i, const char *event, size_t len) {
  i->firing->tag = i->first_tag + i->done;
  int status = take_event(i->set, &i->origin, event, len, i->wall_ns, i->now_ns, i->firing);
  if (status < 0) return status;
  i->done++;
  i->told->matched += status == 1 || (status == 0 && i->firing->flowed);
  i->told->duplicates += status == STREAM_PASSED_OVER;
  i->told->dead += status == STREAM_REFUSED;
  return PVM_OK;
}

static int take_packed(ingesting *i, const char *data, const size_t *ends, size_t count) {
  size_t start = 0;
  int status = PVM_OK;
  for (size_t n = 0; n < count && status == PVM_OK; n++) {
    status = take_next(i, data + start, ends[n] - start);
    start = ends[n];
  }
  return status;
}

/* Values one behind the other; an array is what is in it. What cannot be told apart any more is one
** event, which is refused. */
static int take_values(ingesting *i, const char *data, size_t len) {
  stream_reader reader = {(const unsigned char *)data, (const unsigned char *)data + len};
  int status = PVM_OK;
  uint64_t inside = 0; /* values of an array that are to come */
  while (reader.at != reader.end && status == PVM_OK) {
    stream_reader here = reader;
    stream_value value;
    if (inside == 0 && stream_read(&here, &value) == 0 && value.kind == STREAM_ARRAY) {
      inside = value.count;
      reader = here;
      continue;
    }
    here = reader;
    if (stream_skip(&here) != 0) here.at = here.end;
    status = take_next(i, (const char *)reader.at, (size_t)(here.at - reader.at));
    reader = here;
    inside -= inside != 0;
  }
  return status;
}

static int bury(ingesting *i, const char *event, size_t len, const char *reason) {
  if (i->set->intake == NULL) return PVM_E_DECODE;
  stream_text text = {event, len};
  int status = stream_intake_bury(i->set->intake, i->origin.stream, text, reason, i->origin.source,
                                  i->wall_ns);
  if (status != STORE_OK) return pvm_store_status(status);
  i->done++;
  i->told->dead++;
  return PVM_OK;
}

static int take_lines(ingesting *i, const char *data, size_t len) {
  const char *end = data + len;
  stream_packing packing = {0};
  int status = PVM_OK;
  while (data != end && status == PVM_OK) {
    const char *newline = memchr(data, '\n', (size_t)(end - data));
    size_t size = newline != NULL ? (size_t)(newline - data) : (size_t)(end - data);
    const char *why;
    int packed = stream_json_pack(data, size, &packing, &why);
    if (packed == STREAM_JSON_BLANK) i->first_tag++;
    else if (packed == STREAM_E_NOMEM) status = PVM_E_NOMEM;
    else if (packed != STREAM_OK) status = bury(i, data, size, why);
    else status = take_next(i, (const char *)packing.data, packing.len);
    data += size + (newline != NULL);
  }
  free(packing.data);
  return status;
}

int64_t pvm_trigger_ingest(pvm_executor *executor, const pvm_ingestion *in, uint32_t appended,
                           pvm_fired_batch *batch) {
  int status = pvm_runtime_check();
  pvm_fired_batch untold = {0};
  if (batch != NULL) memset(batch, 0, sizeof *batch);
  if (status != PVM_OK) return status;
  if (executor == NULL || in == NULL || (in->data == NULL && in->len != 0)) return PVM_E_INVALID;
  if (in->ends != NULL)
    for (size_t n = 0; n < in->count; n++)
      if (in->ends[n] < (n != 0 ? in->ends[n - 1] : 0) || in->ends[n] > in->len)
        return PVM_E_INVALID;
  struct pvm_trigger_set *set;
  status = pvm_trigger_set_of(executor, &set, NULL);
  if (status != PVM_OK) return status;
  pvm_firing f = {.executor = executor, .set = set, .appended = appended, .batch = batch};
  ingesting i = {.set = set,
                 .origin = {{in->source, in->source != NULL ? strlen(in->source) : 0},
                            {in->stream, in->stream != NULL ? strlen(in->stream) : 0}},
                 .wall_ns = wall_now(),
                 .now_ns = pvm_now(),
                 .firing = &f,
                 .told = batch != NULL ? batch : &untold,
                 .first_tag = in->first_tag};
  status = in->lines          ? take_lines(&i, in->data, in->len)
           : in->ends != NULL ? take_packed(&i, in->data, in->ends, in->count)
                              : take_values(&i, in->data, in->len);
  pvm_firing_free(&f);
  if (i.done > 0 && set->store != NULL) {
    int synced = pvm_store_status(store_commit((store *)set->store));
    if (synced != PVM_OK) return synced;
  }
  i.told->status = status;
  return i.done > 0 || status == PVM_OK ? (int64_t)i.done : status;
}

int64_t pvm_ingest(pvm_executor *executor, const pvm_ingestion *in, pvm_fired_batch *batch) {
  return pvm_trigger_ingest(executor, in, 0, batch);
}

pvm_store *pvm_trigger_store(pvm_executor *executor) {
  struct pvm_trigger_set *set = atomic_load_explicit(&executor->triggers, memory_order_acquire);
  return set != NULL ? set->store : NULL;
}

int64_t pvm_events(pvm_executor *executor, uint64_t first_tag, const void *events,
                   const size_t *ends, size_t count, pvm_fired_batch *batch) {
  if (batch != NULL) memset(batch, 0, sizeof *batch);
  if (count != 0 && ends == NULL) return PVM_E_INVALID;
  pvm_ingestion in = {.data = events,
                      .len = count != 0 ? ends[count - 1] : 0,
                      .ends = ends,
                      .count = count,
                      .first_tag = first_tag};
  return pvm_ingest(executor, &in, batch);
}

int pvm_event(pvm_executor *executor, uint64_t tag, const void *event, size_t len,
              pvm_fired_batch *batch) {
  int64_t taken = pvm_events(executor, tag, event, &len, 1, batch);
  return taken < 0 ? (int)taken : PVM_OK;
}

int pvm_triggers_tick(pvm_executor *executor, int all, uint64_t *next_ns, pvm_fired_batch *batch) {
  int status = pvm_runtime_check();
  if (batch != NULL) memset(batch, 0, sizeof *batch);
  if (status != PVM_OK) return status;
  if (executor == NULL || next_ns == NULL) return PVM_E_INVALID;
  *next_ns = UINT64_MAX;
  struct pvm_trigger_set *set = atomic_load_explicit(&executor->triggers, memory_order_acquire);
  if (set == NULL) return PVM_OK;
  pvm_firing f = {.executor = executor, .set = set, .batch = batch};
  *next_ns = stream_counters_tick(set->stream, pvm_now(), all, &f);
  uint64_t flows_ns = pvm_flows_tick(set->flows, &f);
  if (flows_ns < *next_ns) *next_ns = flows_ns;
  pvm_firing_free(&f);
  return set->store != NULL ? pvm_store_status(store_commit((store *)set->store)) : PVM_OK;
}

int pvm_flows_finish(pvm_executor *executor, pvm_fired_batch *batch) {
  int status = pvm_runtime_check();
  if (batch != NULL) memset(batch, 0, sizeof *batch);
  if (status != PVM_OK) return status;
  if (executor == NULL) return PVM_E_INVALID;
  struct pvm_trigger_set *set = atomic_load_explicit(&executor->triggers, memory_order_acquire);
  if (set == NULL) return PVM_OK;
  pvm_firing f = {.executor = executor, .set = set, .batch = batch};
  status = pvm_flows_end(set->flows, &f);
  pvm_firing_free(&f);
  return status;
}

int pvm_dead_letter(pvm_executor *executor, const void *event, size_t len, const char *reason,
                    const char *source) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL || reason == NULL || (event == NULL && len != 0)) return PVM_E_INVALID;
  struct pvm_trigger_set *set = atomic_load_explicit(&executor->triggers, memory_order_acquire);
  if (set == NULL || set->intake == NULL) return PVM_E_STATE;
  stream_text unknown = {NULL, 0}, text = {event, len};
  stream_text from = {source, source != NULL ? strlen(source) : 0};
  int kept = stream_intake_bury(set->intake, unknown, text, reason, from, wall_now());
  if (kept == STORE_OK) kept = store_commit((store *)set->store);
  return pvm_store_status(kept);
}

void pvm_fired_free(pvm_fired_batch *batch) {
  free(batch->fired);
  free(batch->data);
  memset(batch, 0, sizeof *batch);
}

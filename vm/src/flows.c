/* flows.c - flows of an executor: events go in behind the triggers; rows go to streams and tasks. */
#include "flows.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../engine/stream/pack.h"
#include "catch_up.h"
#include "executor.h"
#include "flow.h"
#include "ingest.h"
#include "trigger_set.h"

#define GATES 8            /* that threads share out among themselves */
#define TICK_NS 100000000u /* between two ticks */

typedef struct pvm_flow {
  int64_t id;
  flow *flow;
  struct pvm_flow *next;
  _Atomic int64_t task;
  _Atomic int mode;
  pvm_start_counts starts;
  _Atomic uint64_t refused; /* rows that their stream did not take */
  char name[PVM_NAME_MAX + 1];
} pvm_flow;

struct pvm_flows {
  struct pvm_trigger_set *set;
  flow_set *flows;
  _Atomic uint32_t count; /* of flows that are started */
  pthread_mutex_t lock;   /* of the list; never of an event */
  pvm_flow *first;
  int64_t ids;
  struct gate {
    _Alignas(64) pthread_rwlock_t lock;
  } gate[GATES];
};

/* ---- What leaves ---- */

/* {"flow": name, "key": text, "row": map}. Its length; 0 without memory. */
static size_t write_payload(pvm_firing *f, const pvm_flow *flow, const flow_output *output) {
  size_t name = strlen(flow->name);
  if (!pvm_firing_reserve(f, 64 + name + output->key.len + output->row.len)) return 0;
  unsigned char *at = stream_put_map(f->payload, 3);
  at = stream_put_name(stream_put_name(at, "flow"), flow->name);
  at = stream_put_string(stream_put_name(at, "key"), output->key);
  at = stream_put_raw(stream_put_name(at, "row"), output->row);
  return (size_t)(at - f->payload);
}

static void start_task(pvm_firing *f, pvm_flow *flow, const flow_output *output) {
  int mode = atomic_load(&flow->mode);
  int status = PVM_E_STATE;
  pvm_starter starter = {.flow = flow->id, .task = atomic_load(&flow->task)};
  if (mode != PVM_TRIGGER_OFF)
    status = pvm_firing_start(f, &starter, mode, write_payload(f, flow, output));
  pvm_start_counts_add(&flow->starts, status);
}

static void put_into_stream(pvm_firing *f, pvm_flow *flow, const flow_output *output) {
  char source[sizeof flow->name + 8];
  snprintf(source, sizeof source, "flow %s", flow->name);
  stream_origin origin = {.source = {source, strlen(source)},
                          .stream = output->into,
                          .derived = 1,
                          .key = output->key,
                          .time_ns = output->time_ns};
  int status = PVM_E_STATE;
  if (f->depth < PVM_FLOW_DEPTH) {
    f->depth++;
    origin.way = pvm_firing_way(f);
    status = pvm_firing_append(f, &origin, output->row.data, output->row.len);
  }
  if (status < 0) atomic_fetch_add_explicit(&flow->refused, 1, memory_order_relaxed);
}

/* A row of a window has come through what its latest event has, whoever moves time on. f->depth is that
** of the calls as well, one within the other. */
static void emit(void *context, const flow_output *output) {
  pvm_firing *f = context;
  pvm_flow *flow = output->user;
  if (f->quiet) return;
  uint32_t depth = f->depth, tasks = f->tasks;
  if ((output->way & 0xffff) > depth) f->depth = output->way & 0xffff;
  f->tasks = output->way >> 16;
  if (output->task) start_task(f, flow, output);
  else put_into_stream(f, flow, output);
  f->depth = depth;
  f->tasks = tasks;
}

/* ---- Events ---- */

static struct gate *gate_of(struct pvm_flows *flows) {
  uintptr_t thread = (uintptr_t)pthread_self();
  return &flows->gate[((thread >> 12) * 0x9e3779b97f4a7c15u >> 32) % GATES];
}

void pvm_flows_enter(struct pvm_flows *flows) {
  if (flows->set->store != NULL) pthread_rwlock_rdlock(&gate_of(flows)->lock);
}

void pvm_flows_leave(struct pvm_flows *flows) {
  if (flows->set->store != NULL) pthread_rwlock_unlock(&gate_of(flows)->lock);
}

void pvm_flows_take(struct pvm_flows *flows, const stream_taken *event, pvm_firing *f) {
  if (atomic_load_explicit(&flows->count, memory_order_acquire) == 0) return;
  flow_event one = {.stream = event->stream,
                    .key = event->key,
                    .whole = event->whole,
                    .time_ns = event->time_ns,
                    .way = pvm_firing_way(f)};
  f->flowed = flow_append(flows->flows, &one, f) == 1;
}

uint64_t pvm_flows_tick(struct pvm_flows *flows, pvm_firing *f) {
  if (atomic_load_explicit(&flows->count, memory_order_acquire) == 0) return UINT64_MAX;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  flow_tick(flows->flows, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec, f);
  return TICK_NS;
}

int pvm_flows_end(struct pvm_flows *flows, pvm_firing *f) {
  return flow_finish(flows->flows, f) == STREAM_OK ? PVM_OK : PVM_E_NOMEM;
}

/* ---- Lives ---- */

struct pvm_flows *pvm_flows_new(struct pvm_trigger_set *set, const pvm_trigger_config *config) {
  struct pvm_flows *flows = NULL;
  if (posix_memalign((void **)&flows, _Alignof(struct pvm_flows), sizeof *flows) != 0) return NULL;
  memset(flows, 0, sizeof *flows);
  flows->set = set;
  flow_config own;
  flow_config_init(&own);
  if (config->flow_bytes != 0) own.max_bytes = config->flow_bytes;
  own.emit = emit;
  own.forget = free;
  flows->flows = flow_set_new(&own, NULL);
  if (flows->flows == NULL) {
    free(flows);
    return NULL;
  }
  pthread_mutex_init(&flows->lock, NULL);
  for (int i = 0; i < GATES; i++) pthread_rwlock_init(&flows->gate[i].lock, NULL);
  return flows;
}

void pvm_flows_set_tables(struct pvm_flows *flows, feature_store *features) {
  flow_set_tables(flows->flows, features);
}

void pvm_flows_free(struct pvm_flows *flows) {
  if (flows == NULL) return;
  flow_set_free(flows->flows); /* and the flows, by forget */
  pthread_mutex_destroy(&flows->lock);
  for (int i = 0; i < GATES; i++) pthread_rwlock_destroy(&flows->gate[i].lock);
  free(flows);
}

/* With the lock. The link that holds it; NULL: there is none. */
static pvm_flow **find(struct pvm_flows *flows, int64_t id) {
  for (pvm_flow **link = &flows->first; *link != NULL; link = &(*link)->next)
    if ((*link)->id == id) return link;
  return NULL;
}

static int status_of(int stream_status) {
  return stream_status == STREAM_E_NOMEM ? PVM_E_NOMEM : PVM_E_INVALID;
}

static void stop_events(struct pvm_flows *flows) {
  for (int i = 0; i < GATES; i++) pthread_rwlock_wrlock(&flows->gate[i].lock);
}

static void let_events(struct pvm_flows *flows) {
  for (int i = GATES; i-- > 0;) pthread_rwlock_unlock(&flows->gate[i].lock);
}

/* Feed it what is kept, and start it when nothing is left that it has not seen. */
static int catch_up(pvm_executor *executor, struct pvm_flows *flows, flow *made) {
  pvm_firing f = {.executor = executor, .set = flows->set, .depth = 1, .quiet = 1};
  pvm_catch_up *reading = pvm_catch_up_new(flows->set->store, flows->flows, made);
  if (reading == NULL) return STREAM_E_NOMEM;
  int status = pvm_catch_up_read(reading, &f);
  stop_events(flows);
  if (status == STREAM_OK) status = pvm_catch_up_read(reading, &f); /* what came meanwhile */
  if (status == STREAM_OK) status = flow_start(flows->flows, made, NULL);
  let_events(flows);
  pvm_catch_up_free(reading);
  pvm_firing_free(&f);
  return status;
}

/* With the lock. */
static int64_t add(pvm_executor *executor, struct pvm_flows *flows, pvm_flow *made,
                   const void *declaration, size_t len, int catches_up, int64_t replaces,
                   char *err) {
  pvm_flow **link = replaces != 0 ? find(flows, replaces) : NULL;
  flow *former = link != NULL ? (*link)->flow : NULL;
  pvm_flow *next = link != NULL ? (*link)->next : NULL; /* it may be freed with the flow */
  int status = flow_prepare(flows->flows, declaration, len, made, former, &made->flow, err);
  if (status != STREAM_OK) {
    free(made);
    return status_of(status);
  }
  int is_new = former == NULL || !flow_says(former, declaration, len);
  made->id = ++flows->ids;
  /* before it starts: nobody may pass by flows that there are */
  if (link == NULL) atomic_fetch_add(&flows->count, 1);
  if (is_new && catches_up && flows->set->store != NULL) {
    status = catch_up(executor, flows, made->flow);
    if (status == STREAM_OK && former != NULL) flow_remove(flows->flows, former);
  } else {
    status = flow_start(flows->flows, made->flow, former);
  }
  if (status != STREAM_OK) {
    if (link == NULL) atomic_fetch_sub(&flows->count, 1);
    flow_remove(flows->flows, made->flow); /* and made, by forget */
    return status_of(status);
  }
  if (link != NULL) *link = next;
  made->next = flows->first;
  flows->first = made;
  return made->id;
}

int pvm_flow_check(pvm_executor *executor, const void *declaration, size_t len, char *err) {
  struct pvm_trigger_set *set;
  if (err != NULL) err[0] = 0;
  int status = pvm_trigger_set_of(executor, &set, err);
  if (status != PVM_OK) return status;
  if (declaration == NULL && len != 0) return PVM_E_INVALID;
  struct pvm_flows *flows = set->flows;
  status = flow_check(flows->flows, declaration, len, err);
  return status == STREAM_OK ? PVM_OK : status_of(status);
}

int64_t pvm_flow_add(pvm_executor *executor, int64_t task, const char *name,
                     const void *declaration, size_t len, pvm_trigger_mode mode, int catch_up,
                     int64_t replaces, char *err) {
  struct pvm_trigger_set *set;
  if (err != NULL) err[0] = 0;
  int status = pvm_trigger_set_of(executor, &set, err);
  if (status != PVM_OK) return status;
  if (name == NULL || strlen(name) > PVM_NAME_MAX || (declaration == NULL && len != 0) ||
      mode < PVM_TRIGGER_OFF || mode > PVM_TRIGGER_HAND_OUT ||
      (task == 0 && mode == PVM_TRIGGER_SUBMIT))
    return PVM_E_INVALID;
  if (task != 0 && pvm_task_table_get(&executor->tasks, task) == NULL) return PVM_E_UNKNOWN;
  struct pvm_flows *flows = set->flows;
  pvm_flow *made = calloc(1, sizeof *made);
  if (made == NULL) return PVM_E_NOMEM;
  atomic_init(&made->task, task);
  atomic_init(&made->mode, (int)mode);
  snprintf(made->name, sizeof made->name, "%s", name);
  pthread_mutex_lock(&flows->lock);
  int64_t id = add(executor, flows, made, declaration, len, catch_up, replaces, err);
  pthread_mutex_unlock(&flows->lock);
  return id;
}

/* The executor's flows with their lock, and the link to one of them; NULL with the lock let go. */
static struct pvm_flows *lock_flow(pvm_executor *executor, int64_t id, pvm_flow ***link,
                                   int *status) {
  struct pvm_trigger_set *set;
  *status = pvm_trigger_set_of(executor, &set, NULL);
  if (*status != PVM_OK) return NULL;
  struct pvm_flows *flows = set->flows;
  pthread_mutex_lock(&flows->lock);
  *link = find(flows, id);
  if (*link != NULL) return flows;
  pthread_mutex_unlock(&flows->lock);
  *status = PVM_E_UNKNOWN;
  return NULL;
}

int pvm_flow_remove(pvm_executor *executor, int64_t id) {
  pvm_flow **link;
  int status;
  struct pvm_flows *flows = lock_flow(executor, id, &link, &status);
  if (flows == NULL) return status;
  pvm_flow *gone = *link, *next = gone->next;
  if (flow_remove(flows->flows, gone->flow) == STREAM_OK) { /* it may be freed by now */
    *link = next;
    atomic_fetch_sub(&flows->count, 1);
  } else {
    status = PVM_E_NOMEM;
  }
  pthread_mutex_unlock(&flows->lock);
  return status;
}

int pvm_flow_set_task(pvm_executor *executor, int64_t id, int64_t task, pvm_trigger_mode mode) {
  pvm_flow **link;
  int status;
  if (mode < PVM_TRIGGER_OFF || mode > PVM_TRIGGER_HAND_OUT ||
      (task == 0 && mode == PVM_TRIGGER_SUBMIT))
    return PVM_E_INVALID;
  struct pvm_flows *flows = lock_flow(executor, id, &link, &status);
  if (flows == NULL) return status;
  atomic_store(&(*link)->task, task);
  atomic_store(&(*link)->mode, (int)mode);
  pthread_mutex_unlock(&flows->lock);
  return PVM_OK;
}

int pvm_flow_stats_get(pvm_executor *executor, int64_t id, pvm_flow_stats *stats) {
  pvm_flow **link;
  int status;
  if (stats == NULL) return PVM_E_INVALID;
  struct pvm_flows *flows = lock_flow(executor, id, &link, &status);
  if (flows == NULL) return status;
  pvm_flow *one = *link;
  flow_stats seen;
  flow_stats_get(one->flow, &seen);
  *stats = (pvm_flow_stats){.events = seen.events,
                            .rows = seen.rows,
                            .late = seen.late,
                            .dropped = seen.dropped,
                            .refused = seen.refused + atomic_load(&one->refused),
                            .keys = seen.keys,
                            .bytes = seen.bytes,
                            .watermark_ns = seen.watermark_ns,
                            .accepted = atomic_load(&one->starts.accepted),
                            .handed_out = atomic_load(&one->starts.handed_out),
                            .full = atomic_load(&one->starts.full),
                            .rate = atomic_load(&one->starts.rate),
                            .breaker = atomic_load(&one->starts.breaker),
                            .other = atomic_load(&one->starts.other)};
  pthread_mutex_unlock(&flows->lock);
  return PVM_OK;
}

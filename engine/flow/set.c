/* set.c - flows come and go, and events go through them; see set.h. */
#include "set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "declaration.h"

void flow_config_init(flow_config *config) {
  *config = (flow_config){
      .shards = 64, .max_bytes = UINT64_C(256) << 20, .idle_ns = UINT64_C(1000000000)};
}

/* ---- Lives ---- */

void flow_core_release(flow_core *core) {
  if (atomic_fetch_sub(&core->references, 1) != 1) return;
  flow_keyed_forget(core->set, core);
  flow_core_free(core);
}

static void release_flow(flow *flow) {
  if (atomic_fetch_sub(&flow->references, 1) != 1) return;
  flow_set *set = flow->core->set;
  flow_core_release(flow->core);
  if (set->config.forget != NULL && flow->user != NULL) set->config.forget(flow->user);
  free(flow);
}

static void release_list(flow_list *list) {
  if (atomic_fetch_sub(&list->references, 1) != 1) return;
  for (uint32_t i = 0; i < list->count; i++) release_flow(list->flow[i]);
  free(list);
}

static flow_list *list_new(uint32_t count) {
  flow_list *list = malloc(sizeof *list + count * sizeof(flow *));
  if (list == NULL) return NULL;
  atomic_init(&list->references, 1);
  list->count = 0;
  return list;
}

/* Takes the reference to the list. With `changing`. */
static void publish(flow_set *set, flow_list *list) {
  flow_list *former[FLOW_SLOTS];
  atomic_fetch_add(&list->references, FLOW_SLOTS - 1);
  for (int i = 0; i < FLOW_SLOTS; i++) {
    pthread_mutex_lock(&set->slot[i].lock);
    former[i] = set->slot[i].list;
    set->slot[i].list = list;
    pthread_mutex_unlock(&set->slot[i].lock);
  }
  for (int i = 0; i < FLOW_SLOTS; i++)
    if (former[i] != NULL) release_list(former[i]);
}

static void free_run(flow_run *run) {
  flow_arena_free(run->arena);
  free(run);
}

flow_set *flow_set_new(const flow_config *config, char *err) {
  const char *why = NULL;
  if (config->shards < 1 || config->shards > 1024) why = "shards is 1 to 1024";
  if (config->emit == NULL) why = "emit is not given";
  flow_set *set = NULL;
  if (why == NULL && posix_memalign((void **)&set, _Alignof(flow_set), sizeof *set) != 0)
    set = NULL;
  flow_list *none = set != NULL ? list_new(0) : NULL;
  if (none == NULL) {
    if (err != NULL) snprintf(err, STREAM_ERR_MAX, "%s", why != NULL ? why : "out of memory");
    free(set);
    return NULL;
  }
  memset(set, 0, sizeof *set);
  set->config = *config;
  if (getrandom(&set->seed, sizeof set->seed, GRND_NONBLOCK) != sizeof set->seed)
    set->seed = (uint64_t)(uintptr_t)set;
  pthread_mutex_init(&set->changing, NULL);
  pthread_mutex_init(&set->ticking, NULL);
  for (int i = 0; i < FLOW_SLOTS; i++) pthread_mutex_init(&set->slot[i].lock, NULL);
  publish(set, none);
  if (posix_memalign((void **)&set->shards, _Alignof(flow_shard),
                     config->shards * sizeof(flow_shard)) != 0)
    set->shards = NULL;
  uint32_t made = 0;
  while (set->shards != NULL && made < config->shards &&
         flow_shard_init(&set->shards[made], made) == 0)
    made++;
  if (made == config->shards) return set;
  set->config.shards = made;
  if (err != NULL) snprintf(err, STREAM_ERR_MAX, "out of memory");
  flow_set_free(set);
  return NULL;
}

void flow_set_free(flow_set *set) {
  if (set == NULL) return;
  const flow_list *left = set->slot[0].list;
  for (uint32_t i = 0; i < left->count; i++) release_flow(left->flow[i]); /* as if removed */
  for (int i = 0; i < FLOW_SLOTS; i++) {
    release_list(set->slot[i].list);
    for (flow_run *run = set->slot[i].free, *next; run != NULL; run = next) {
      next = run->next;
      free_run(run);
    }
    pthread_mutex_destroy(&set->slot[i].lock);
  }
  for (uint32_t i = 0; set->shards != NULL && i < set->config.shards; i++)
    flow_shard_free(&set->shards[i]);
  pthread_mutex_destroy(&set->changing);
  pthread_mutex_destroy(&set->ticking);
  free(set->shards);
  free(set);
}

void flow_set_tables(flow_set *set, feature_store *features) {
  pthread_mutex_lock(&set->changing);
  set->config.features = features;
  pthread_mutex_unlock(&set->changing);
}

/* ---- Adding and removing ---- */

/* With `changing`: `gone` out of the list, if it is in it, and `added` into it. */
static int change(flow_set *set, const flow *gone, flow *added) {
  flow_list *old = set->slot[0].list, *list = list_new(old->count + 1);
  if (list == NULL) return STREAM_E_NOMEM;
  for (uint32_t i = 0; i < old->count; i++) {
    if (old->flow[i] == gone) continue;
    atomic_fetch_add(&old->flow[i]->references, 1);
    list->flow[list->count++] = old->flow[i];
  }
  if (added != NULL) {
    atomic_fetch_add(&added->references, 1);
    list->flow[list->count++] = added;
  }
  publish(set, list);
  return STREAM_OK;
}

/* A flow of that name is there already, and is not the one that goes. */
static int is_named(const flow_set *set, const flow_core *core, const flow *replaces) {
  const flow_list *list = set->slot[0].list;
  for (uint32_t i = 0; i < list->count; i++)
    if (list->flow[i] != replaces && stream_text_equal(list->flow[i]->core->name, core->name))
      return 1;
  return 0;
}

static flow_core *core_of(flow_set *set, const void *declaration, size_t len, const flow *replaces,
                          char *err, int *status) {
  if (replaces != NULL && flow_says(replaces, declaration, len)) {
    atomic_fetch_add(&replaces->core->references, 1);
    *status = STREAM_OK;
    return replaces->core;
  }
  return flow_declaration_compile(set, declaration, len, err, status);
}

int flow_check(flow_set *set, const void *declaration, size_t len, char *err) {
  int status;
  if (err != NULL) err[0] = 0;
  pthread_mutex_lock(&set->changing);
  flow_core *core = flow_declaration_compile(set, declaration, len, err, &status);
  pthread_mutex_unlock(&set->changing);
  if (core != NULL) flow_core_free(core);
  if (status == STREAM_E_NOMEM && err != NULL) snprintf(err, STREAM_ERR_MAX, "out of memory");
  return status;
}

int flow_prepare(flow_set *set, const void *declaration, size_t len, void *user,
                 const flow *replaces, flow **out, char *err) {
  int status = STREAM_E_NOMEM;
  if (err != NULL) err[0] = 0;
  flow *made = calloc(1, sizeof *made);
  pthread_mutex_lock(&set->changing);
  flow_core *core = NULL;
  if (made != NULL) core = core_of(set, declaration, len, replaces, err, &status);
  if (core != NULL && is_named(set, core, replaces)) {
    status = STREAM_E_INVALID;
    if (err != NULL)
      snprintf(err, STREAM_ERR_MAX, "flow %.*s: there is one of that name already",
               (int)core->name.len, core->name.data);
  }
  pthread_mutex_unlock(&set->changing);
  if (status == STREAM_OK) {
    made->core = core;
    made->user = user;
    atomic_init(&made->references, 1); /* the caller's, until it removes it */
    *out = made;
    return STREAM_OK;
  }
  if (core != NULL) flow_core_release(core);
  free(made);
  if (status == STREAM_E_NOMEM && err != NULL) snprintf(err, STREAM_ERR_MAX, "out of memory");
  return status;
}

int flow_start(flow_set *set, flow *flow, struct flow *replaces) {
  if (replaces == NULL || replaces->core != flow->core) {
    pthread_mutex_lock(&set->ticking);
    flow_core_restart(flow->core);
    pthread_mutex_unlock(&set->ticking);
  }
  pthread_mutex_lock(&set->changing);
  int status = change(set, replaces, flow);
  pthread_mutex_unlock(&set->changing);
  if (status == STREAM_OK && replaces != NULL) release_flow(replaces);
  return status;
}

int flow_add(flow_set *set, const void *declaration, size_t len, void *user, flow *replaces,
             flow **out, char *err) {
  int status = flow_prepare(set, declaration, len, user, replaces, out, err);
  if (status != STREAM_OK) return status;
  status = flow_start(set, *out, replaces);
  if (status == STREAM_OK) return STREAM_OK;
  (*out)->user = NULL; /* it is still the caller's */
  release_flow(*out);
  if (err != NULL) snprintf(err, STREAM_ERR_MAX, "out of memory");
  return status;
}

int flow_remove(flow_set *set, flow *flow) {
  pthread_mutex_lock(&set->changing);
  int status = change(set, flow, NULL);
  pthread_mutex_unlock(&set->changing);
  if (status == STREAM_OK) release_flow(flow);
  return status;
}

int flow_says(const flow *flow, const void *declaration, size_t len) {
  return flow->core->declaration_len == len &&
         memcmp(flow->core->declaration, declaration, len) == 0;
}

stream_text flow_stream_at(const flow *flow, uint32_t i) {
  for (uint32_t k = 0; k < flow->core->input_count; k++) {
    const flow_input *input = &flow->core->input[k];
    if (i < input->source_count) return input->source[i].stream;
    i -= input->source_count;
  }
  return (stream_text){NULL, 0};
}

void flow_stats_get(flow *flow, flow_stats *stats) {
  flow_core *core = flow->core;
  *stats = (flow_stats){.events = atomic_load(&core->events),
                        .rows = atomic_load(&core->rows),
                        .late = atomic_load(&core->late),
                        .dropped = atomic_load(&core->dropped),
                        .refused = atomic_load(&core->refused),
                        .keys = atomic_load(&core->keys),
                        .bytes = atomic_load(&core->bytes),
                        .watermark_ns = atomic_load(&core->watermark)};
}

/* ---- Events and ticks ---- */

typedef struct visit {
  flow_slot *slot;
  flow_list *list;
  flow_run *run;
} visit;

/* The flows that there are, and a run for this thread. 0, or -1 without memory. */
static int begin(flow_set *set, visit *v) {
  uintptr_t thread = (uintptr_t)pthread_self();
  v->slot = &set->slot[((thread >> 12) * 0x9e3779b97f4a7c15u >> 32) % FLOW_SLOTS];
  pthread_mutex_lock(&v->slot->lock);
  v->list = v->slot->list;
  atomic_fetch_add_explicit(&v->list->references, 1, memory_order_relaxed);
  v->run = v->slot->free;
  if (v->run != NULL) v->slot->free = v->run->next;
  pthread_mutex_unlock(&v->slot->lock);
  if (v->run == NULL) {
    v->run = calloc(1, sizeof *v->run);
    if (v->run != NULL) v->run->arena = flow_arena_new();
    if (v->run == NULL || v->run->arena == NULL) {
      free(v->run);
      release_list(v->list);
      return -1;
    }
    v->run->set = set;
  }
  v->run->first = NULL;
  v->run->last = &v->run->first;
  return 0;
}

static void end(visit *v) {
  flow_arena_reset(v->run->arena);
  pthread_mutex_lock(&v->slot->lock);
  v->run->next = v->slot->free;
  v->slot->free = v->run;
  pthread_mutex_unlock(&v->slot->lock);
  release_list(v->list);
}

/* Values that an event has without its map. */
static void add_special(const flow_input *input, const flow_event *event, stream_value *values) {
  if (input->time_column >= 0) values[input->time_column] = flow_integer(event->time_ns);
  if (input->key_column >= 0) values[input->key_column] = flow_string(event->key);
  if (input->stream_column >= 0) values[input->stream_column] = flow_string(event->stream);
}

static int take_event(flow_run *run, const flow_input *input, const flow_event *event) {
  flow_arena_reset(run->arena);
  stream_value *values = flow_arena_take(run->arena, (input->columns->count + 1) * sizeof *values);
  if (values == NULL) return STREAM_E_NOMEM;
  if (flow_row_read(input->columns, event->whole, values) != 0) return STREAM_E_DECODE;
  add_special(input, event, values);
  flow_row row = {.values = values,
                  .time_ns = event->time_ns,
                  .whole = event->whole,
                  .event = event,
                  .way = event->way};
  flow_stage_take(run, input->first, input->side, &row);
  return STREAM_OK;
}

/* NULL: the input does not take this stream. */
static flow_source *source_of(flow_input *input, stream_text stream) {
  for (uint32_t i = 0; i < input->source_count; i++)
    if (stream_text_equal(input->source[i].stream, stream)) return &input->source[i];
  return NULL;
}

static int64_t wall_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int take(flow_run *run, flow *flow, const flow_event *given) {
  flow_core *core = flow->core;
  flow_event event = *given;
  int status = STREAM_OK, taken = 0;
  for (uint32_t i = 0; i < core->input_count && status == STREAM_OK; i++) {
    flow_input *input = &core->input[i];
    flow_source *source = source_of(input, event.stream);
    if (source == NULL) continue;
    if (!taken) {
      atomic_fetch_add_explicit(&core->events, 1, memory_order_relaxed);
      if (core->arrival) event.time_ns = event.arrival_ns != 0 ? event.arrival_ns : wall_now();
    }
    taken = 1;
    run->flow = flow;
    status = take_event(run, input, &event);
    flow_source_saw(source, event.time_ns);
  }
  if (taken) flow_core_advance(run);
  return status != STREAM_OK ? status : taken;
}

int flow_append(flow_set *set, const flow_event *event, void *context) {
  visit v;
  if (begin(set, &v) != 0) return STREAM_E_NOMEM;
  v.run->context = context;
  int status = STREAM_OK;
  for (uint32_t i = 0; i < v.list->count; i++) {
    int one = take(v.run, v.list->flow[i], event);
    if (one < 0 || status == STREAM_OK) status = one;
  }
  end(&v);
  return status;
}

static void tick(flow_run *run, flow *flow, int64_t wall_ns) {
  run->flow = flow;
  pthread_mutex_lock(&run->set->ticking);
  flow_core_tick(flow->core, wall_ns);
  pthread_mutex_unlock(&run->set->ticking);
  flow_core_advance(run);
}

int flow_feed(flow_set *set, flow *flow, const flow_event *event, void *context) {
  visit v;
  if (begin(set, &v) != 0) return STREAM_E_NOMEM;
  v.run->context = context;
  v.run->again = 1;
  /* sources were silent then as they were between these events */
  if (event->arrival_ns != 0) tick(v.run, flow, event->arrival_ns);
  int status = take(v.run, flow, event);
  if (event->arrival_ns != 0) tick(v.run, flow, event->arrival_ns);
  v.run->again = 0;
  end(&v);
  return status;
}

int flow_tick(flow_set *set, int64_t wall_ns, void *context) {
  visit v;
  if (begin(set, &v) != 0) return STREAM_E_NOMEM;
  v.run->context = context;
  for (uint32_t i = 0; i < v.list->count; i++) tick(v.run, v.list->flow[i], wall_ns);
  end(&v);
  return STREAM_OK;
}

static int is_fed(flow_core *core, const flow_core *by) {
  for (uint32_t i = 0; i < core->input_count; i++)
    if (by->sink == FLOW_TO_STREAM && source_of(&core->input[i], by->into) != NULL) return 1;
  return 0;
}

/* One that is not done, and that no other one feeds which is not; in a circle, any. */
static uint32_t next_to_finish(const flow_list *list, const char *done) {
  uint32_t any = list->count;
  for (uint32_t i = 0; i < list->count; i++) {
    if (done[i]) continue;
    any = i;
    uint32_t k = 0;
    while (k < list->count &&
           (done[k] || k == i || !is_fed(list->flow[i]->core, list->flow[k]->core)))
      k++;
    if (k == list->count) return i;
  }
  return any;
}

int flow_finish(flow_set *set, void *context) {
  visit v;
  if (begin(set, &v) != 0) return STREAM_E_NOMEM;
  v.run->context = context;
  char *done = calloc(v.list->count + 1u, 1);
  for (uint32_t i; done != NULL && (i = next_to_finish(v.list, done)) < v.list->count;
       done[i] = 1) {
    v.run->flow = v.list->flow[i];
    flow_core_finish(v.run->flow->core);
    flow_core_advance(v.run);
  }
  int status = done != NULL ? STREAM_OK : STREAM_E_NOMEM;
  free(done);
  end(&v);
  return status;
}

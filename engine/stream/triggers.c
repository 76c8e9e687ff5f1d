/* triggers.c - the set of conditions; append.c says what an event does to it. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "triggers.h"

/* ---- Life --------------------------------------------------------------- */

void stream_config_init(stream_config *config) {
  *config = (stream_config){.type = "event,type",
                            .page = "page,page_id,pageId",
                            .id = "id,click_id,clickId",
                            .key = "key,session_id,user_id",
                            .time = "time,ts,timestamp",
                            .stream = "stream",
                            .time_unit_ns = 1000000000,
                            .shards = 64,
                            .max_keys = 100000,
                            .max_pending = 1024,
                            .max_bytes = 64u << 20,
                            .ttl_ns = 3600 * UINT64_C(1000000000)};
}

static const char *objection(const stream_config *config) {
  if (config->fire == NULL) return "fire is not given";
  if (config->time_unit_ns < 1 || config->time_unit_ns > 1000000000)
    return "time_unit_ns is 1 to 1000000000";
  if (config->shards < 1 || config->shards > 1024) return "shards is 1 to 1024";
  if (config->max_keys < 1 || config->max_pending < 1)
    return "max_keys and max_pending are 1 or more";
  return NULL;
}

static int map_fields(stream_mapping *mapping, const stream_config *config) {
  const char *lists[] = {config->type, config->page, config->id,
                         config->key,  config->time, config->stream};
  stream_names *names[] = {&mapping->type,    &mapping->page, &mapping->id,
                           &mapping->keys[0], &mapping->time, &mapping->stream};
  for (int i = 0; i < 6; i++) {
    int status = lists[i] != NULL ? stream_names_init(names[i], lists[i]) : STREAM_E_INVALID;
    if (status != STREAM_OK) return status;
  }
  atomic_init(&mapping->key_count, 1);
  mapping->time_unit_ns = config->time_unit_ns;
  return STREAM_OK;
}

static uint64_t new_seed(void) {
  uint64_t seed;
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == sizeof seed) return seed;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return stream_mix((uint64_t)now.tv_nsec, (uint64_t)(uintptr_t)&seed);
}

stream_triggers *stream_triggers_new(const stream_config *config, char *err) {
  const char *why = objection(config);
  stream_triggers *triggers = why == NULL ? calloc(1, sizeof *triggers) : NULL;
  if (triggers == NULL) {
    if (err != NULL) snprintf(err, STREAM_ERR_MAX, "%s", why != NULL ? why : "out of memory");
    return NULL;
  }
  triggers->config = *config;
  triggers->seed = new_seed();
  int status = map_fields(&triggers->mapping, config);
  if (stream_trie_init(&triggers->trie, triggers->seed) != 0 && status == STREAM_OK)
    status = STREAM_E_NOMEM;
  triggers->max_keys = (config->max_keys + config->shards - 1) / config->shards;
  if (posix_memalign((void **)&triggers->shards, _Alignof(stream_shard),
                     config->shards * sizeof(stream_shard)) != 0)
    triggers->shards = NULL;
  uint32_t made = 0;
  while (triggers->shards != NULL && made < config->shards &&
         stream_shard_init(&triggers->shards[made]) == 0)
    made++;
  if (made < config->shards && status == STREAM_OK) status = STREAM_E_NOMEM;
  triggers->config.shards = made;
  stream_counters_init(&triggers->counters, config, triggers->seed);
  if (status == STREAM_OK) return triggers;
  if (err != NULL)
    snprintf(err, STREAM_ERR_MAX, "%s",
             status == STREAM_E_NOMEM ? "out of memory"
                                      : "field names are 1 to 8 names with commas between");
  stream_triggers_free(triggers);
  return NULL;
}

void stream_condition_release(stream_condition *condition) {
  if (atomic_fetch_sub_explicit(&condition->references, 1, memory_order_acq_rel) != 1) return;
  if (condition->forget != NULL) condition->forget(condition->user);
  free(condition);
}

void stream_triggers_free(stream_triggers *triggers) {
  if (triggers == NULL) return;
  for (uint32_t i = 0; i < triggers->config.shards; i++)
    stream_shard_free(&triggers->shards[i], &triggers->bytes);
  for (uint32_t node = STREAM_SPACES_MAX; node < triggers->trie.node_count; node++) {
    while (triggers->trie.nodes[node].ends != NULL) {
      stream_condition *condition = triggers->trie.nodes[node].ends;
      stream_trie_remove(&triggers->trie, condition);
      stream_condition_release(condition);
    }
  }
  stream_trie_free(&triggers->trie);
  stream_counters_free(&triggers->counters);
  stream_mapping *mapping = &triggers->mapping;
  stream_names *names[] = {&mapping->type, &mapping->page, &mapping->id, &mapping->time,
                           &mapping->stream};
  for (int i = 0; i < 5; i++) stream_names_free(names[i]);
  for (int i = 0; i < STREAM_SPACES_MAX; i++) stream_names_free(&mapping->keys[i]);
  free(triggers->shards);
  free(triggers);
}

/* ---- Conditions --------------------------------------------------------- */

static void lock_all(stream_triggers *triggers) {
  for (uint32_t i = 0; i < triggers->config.shards; i++)
    pthread_mutex_lock(&triggers->shards[i].lock);
}

static void unlock_all(stream_triggers *triggers) {
  for (uint32_t i = triggers->config.shards; i-- > 0;)
    pthread_mutex_unlock(&triggers->shards[i].lock);
}

/* The root for a key field; with all locks. A field keeps its root. */
static int find_space(stream_triggers *triggers, stream_text key, uint32_t *space, char *err) {
  stream_mapping *mapping = &triggers->mapping;
  uint32_t count = atomic_load_explicit(&mapping->key_count, memory_order_relaxed);
  *space = 0;
  if (key.len == 0) return STREAM_OK;
  for (*space = 1; *space < count; ++*space)
    if (stream_text_equal(mapping->keys[*space].name[0], key)) return STREAM_OK;
  if (count == STREAM_SPACES_MAX) {
    if (err != NULL)
      snprintf(
          err, STREAM_ERR_MAX,
          "the trigger's key %.*s would be the 16th other field that is a key; use one that is "
          "in use",
          (int)key.len, key.data);
    return STREAM_E_INVALID;
  }
  char *copy = malloc(key.len);
  if (copy == NULL) return STREAM_E_NOMEM;
  memcpy(copy, key.data, key.len);
  mapping->keys[count].count = 1;
  mapping->keys[count].name[0] = (stream_text){copy, key.len};
  atomic_store_explicit(&mapping->key_count, count + 1, memory_order_release);
  return STREAM_OK;
}

int stream_triggers_space(stream_triggers *triggers, stream_text key, uint32_t *space, char *err) {
  lock_all(triggers);
  int status = find_space(triggers, key, space, err);
  unlock_all(triggers);
  if (status == STREAM_E_NOMEM && err != NULL) snprintf(err, STREAM_ERR_MAX, "out of memory");
  return status;
}

static uint32_t space_of(const stream_trie *trie, uint32_t node) {
  while (node >= STREAM_SPACES_MAX) node = trie->nodes[node].parent;
  return node;
}

static int add(stream_triggers *triggers, const stream_condition_text *text,
               const stream_condition *replaces, stream_condition *condition, char *err) {
  uint32_t space;
  int status = find_space(triggers, text->key, &space, err);
  if (status != STREAM_OK) return status;
  status = stream_trie_add(&triggers->trie, space, text, condition);
  if (status != STREAM_OK) return status;
  int goes_on = replaces != NULL && replaces->node == condition->node && replaces->mode != 0;
  condition->since = goes_on ? replaces->since : ++triggers->epoch;
  triggers->version++;
  triggers->conditions++;
  atomic_fetch_add(&triggers->in_space[space], 1);
  return STREAM_OK;
}

int stream_triggers_add(stream_triggers *triggers, const void *data, size_t len, int mode,
                        void *user, const stream_condition *replaces, stream_condition **out,
                        char *err) {
  stream_condition_text text;
  int status = stream_condition_parse(data, len, &text, err);
  stream_condition *condition = NULL;
  if (status == STREAM_OK) {
    condition = calloc(1, sizeof *condition);
    status = condition != NULL ? STREAM_OK : STREAM_E_NOMEM;
  }
  if (status == STREAM_OK) {
    condition->user = user;
    condition->forget = triggers->config.forget;
    condition->mode = mode;
    condition->within_ns = text.within_ns;
    atomic_init(&condition->references, 1);
    lock_all(triggers);
    status = add(triggers, &text, replaces, condition, err);
    unlock_all(triggers);
  }
  stream_condition_text_free(&text);
  if (status == STREAM_OK) *out = condition;
  else free(condition);
  if (status == STREAM_E_NOMEM && err != NULL) snprintf(err, STREAM_ERR_MAX, "out of memory");
  return status;
}

void stream_triggers_remove(stream_triggers *triggers, stream_condition *condition) {
  lock_all(triggers);
  atomic_fetch_sub(&triggers->in_space[space_of(&triggers->trie, condition->node)], 1);
  stream_trie_remove(&triggers->trie, condition);
  triggers->version++;
  triggers->conditions--;
  unlock_all(triggers);
  stream_condition_release(condition);
}

void stream_triggers_set(stream_triggers *triggers, stream_condition *condition, int mode) {
  lock_all(triggers);
  if (condition->mode == 0 && mode != 0) condition->since = ++triggers->epoch;
  condition->mode = mode;
  unlock_all(triggers);
}

/* ---- Figures ----------------------------------------------------------- */

void stream_triggers_stats(stream_triggers *triggers, stream_stats *stats) {
  memset(stats, 0, sizeof *stats);
  stats->events = atomic_load(&triggers->unheard);
  for (uint32_t i = 0; i < triggers->config.shards; i++) {
    stream_shard *shard = &triggers->shards[i];
    pthread_mutex_lock(&shard->lock);
    stats->events += shard->events;
    stats->matched += shard->matched;
    stats->fired += shard->fired;
    stats->dropped += shard->dropped;
    stats->evicted += shard->evicted;
    stats->pending += shard->waiting;
    stats->keys += shard->keys;
    stats->conditions = triggers->conditions;
    stats->nodes = triggers->trie.nodes_live;
    pthread_mutex_unlock(&shard->lock);
  }
  stats->fired += atomic_load(&triggers->counters.fired);
  stats->matched += atomic_load(&triggers->counters.alone);
  stats->counters = atomic_load(&triggers->counters.count);
  stats->bytes = atomic_load(&triggers->bytes);
}

/* features.c - the tables by name: making, finding, figures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "table.h"

struct feature_store {
  feature_epoch epoch;  /* first: it is aligned */
  store *kept;          /* NULL: in memory alone */
  pthread_mutex_t lock; /* of making and setting tables */
  _Atomic uint32_t count;
  feature_table *tables[FEATURE_TABLES_MAX];
};

static void *take(size_t bytes) {
  bytes = (bytes + 63) & ~(size_t)63;
  void *taken = aligned_alloc(64, bytes);
  if (taken != NULL) memset(taken, 0, bytes);
  return taken;
}

feature_store *feature_store_new(store *kept, char *err) {
  feature_store *features = take(sizeof *features);
  if (features == NULL) {
    snprintf(err, STORE_ERR_MAX, "there is not enough memory for feature tables");
    return NULL;
  }
  feature_epoch_init(&features->epoch);
  features->kept = kept;
  pthread_mutex_init(&features->lock, NULL);
  return features;
}

static void free_part(feature_part *part) {
  for (feature_entry *entry = part->first, *after; entry != NULL; entry = after) {
    after = entry->after;
    for (feature_node *row = atomic_load(&entry->latest), *older; row != NULL; row = older) {
      older = atomic_load(&row->older);
      free(row);
    }
    free(entry);
  }
  free(atomic_load(&part->map));
  feature_limbo_clear(&part->limbo);
  pthread_mutex_destroy(&part->lock);
}

static void free_table(feature_table *table) {
  for (uint32_t i = 0; i < FEATURE_PARTS; i++) free_part(&table->parts[i]);
  pthread_mutex_destroy(&table->carrying);
  free(table);
}

void feature_store_free(feature_store *features) {
  if (features == NULL) return;
  uint32_t count = atomic_load(&features->count);
  for (uint32_t i = 0; i < count; i++) free_table(features->tables[i]);
  pthread_mutex_destroy(&features->lock);
  free(features);
}

/* ---- Tables ------------------------------------------------------------- */

void feature_table_config_init(feature_table_config *config) {
  *config = (feature_table_config){.versions = 1};
}

feature_table *feature_table_at(feature_store *features, uint32_t i) {
  uint32_t count = atomic_load_explicit(&features->count, memory_order_acquire);
  return i < count ? features->tables[i] : NULL;
}

feature_table *feature_table_find(feature_store *features, store_bytes name) {
  feature_table *table;
  for (uint32_t i = 0; (table = feature_table_at(features, i)) != NULL; i++)
    if (strlen(table->name) == name.len && memcmp(table->name, name.data, name.len) == 0)
      return table;
  return NULL;
}

const char *feature_table_name(const feature_table *table) {
  return table->name;
}

static void set_bounds(feature_table *table, const feature_table_config *config) {
  atomic_store(&table->versions, config->versions);
  atomic_store(&table->ttl_ns, config->ttl_ns);
  atomic_store(&table->max_keys, config->max_keys);
  atomic_store(&table->max_bytes, config->max_bytes);
}

/* What was within the former bounds may not be within these. */
static void apply_bounds(feature_table *table) {
  for (uint32_t i = 0; i < FEATURE_PARTS; i++) {
    feature_part *part = &table->parts[i];
    pthread_mutex_lock(&part->lock);
    for (feature_entry *entry = part->first; entry != NULL; entry = entry->after)
      feature_trim(table, part, entry);
    pthread_mutex_unlock(&part->lock);
  }
  feature_bound(table, 0, feature_now());
}

static feature_table *make_table(feature_store *features, const char *name) {
  feature_table *table = take(sizeof *table);
  if (table == NULL) return NULL;
  memcpy(table->name, name, strlen(name));
  table->epoch = &features->epoch;
  table->owner = store_process();
  if (getrandom(&table->seed, sizeof table->seed, 0) < 0) table->seed = table->owner;
  pthread_mutex_init(&table->carrying, NULL);
  atomic_init(&table->newest, INT64_MIN);
  for (uint32_t i = 0; i < FEATURE_PARTS; i++) {
    pthread_mutex_init(&table->parts[i].lock, NULL);
    atomic_init(&table->parts[i].least_touched, UINT64_MAX);
  }
  return table;
}

/* With the lock. */
static int add(feature_store *features, const char *name, const feature_table_config *config,
               feature_table **out, char *err) {
  uint32_t count = atomic_load(&features->count);
  if (count == FEATURE_TABLES_MAX) {
    snprintf(err, STORE_ERR_MAX, "table %s: there are at most %d tables", name, FEATURE_TABLES_MAX);
    return FEATURE_E_INVALID;
  }
  feature_table *table = make_table(features, name);
  if (table == NULL) {
    snprintf(err, STORE_ERR_MAX, "table %s: there is not enough memory", name);
    return FEATURE_E_NOMEM;
  }
  set_bounds(table, config);
  int status = features->kept != NULL ? feature_load(table, features->kept, err) : FEATURE_OK;
  if (status != FEATURE_OK) {
    free_table(table);
    return status;
  }
  features->tables[count] = table;
  atomic_store_explicit(&features->count, count + 1, memory_order_release);
  *out = table;
  return FEATURE_OK;
}

static int check(const char *name, const feature_table_config *config, char *err) {
  size_t len = strlen(name);
  if (len == 0 || len > FEATURE_NAME_MAX) {
    snprintf(err, STORE_ERR_MAX, "the name of a table has 1 to %d bytes, not %zu", FEATURE_NAME_MAX,
             len);
    return FEATURE_E_INVALID;
  }
  if (config->versions != 0 && config->versions <= FEATURE_VERSIONS_MAX) return FEATURE_OK;
  snprintf(err, STORE_ERR_MAX, "table %s: a key has 1 to %d versions, not %u", name,
           FEATURE_VERSIONS_MAX, config->versions);
  return FEATURE_E_INVALID;
}

int feature_table_open(feature_store *features, const char *name,
                       const feature_table_config *config, feature_table **out, char *err) {
  feature_table_config defaults;
  feature_table_config_init(&defaults);
  int status = check(name, config != NULL ? config : &defaults, err);
  if (status != FEATURE_OK) return status;
  pthread_mutex_lock(&features->lock);
  *out = feature_table_find(features, (store_bytes){name, strlen(name)});
  if (*out == NULL) {
    status = add(features, name, config != NULL ? config : &defaults, out, err);
  } else if (config != NULL) {
    set_bounds(*out, config);
    apply_bounds(*out);
  }
  pthread_mutex_unlock(&features->lock);
  return status;
}

void feature_table_stats(feature_table *table, feature_stats *stats) {
  *stats = (feature_stats){.keys = atomic_load(&table->keys),
                           .rows = atomic_load(&table->rows),
                           .bytes = atomic_load(&table->bytes),
                           .puts = atomic_load(&table->puts),
                           .expired = atomic_load(&table->expired),
                           .dropped = atomic_load(&table->dropped),
                           .ttl_ns = atomic_load(&table->ttl_ns),
                           .newest_ns = atomic_load(&table->newest)};
  for (uint32_t i = 0; i < FEATURE_STRIPES; i++) {
    stats->gets += atomic_load(&table->stripes[i].gets);
    stats->misses += atomic_load(&table->stripes[i].misses);
  }
}

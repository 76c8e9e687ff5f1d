/* flow_set_direct.c - a set of flows whose output is gathered; see flow_set_direct.py. */
#include "flow_set_direct.h"

#include "../../../engine/stream/pack.h"
#include "gathered.h"

struct direct {
  flow_set *set;
  feature_store *features;
  gathered left;
  uint64_t late;
};

/* [into, is a task, key, time, row, way] */
static void emit(void *context, const flow_output *output) {
  direct *d = context;
  unsigned char *at =
      gathered_begin(&d->left, 48 + output->into.len + output->key.len + output->row.len);
  at = stream_put_string(stream_put_array(at, 6), output->into);
  at = stream_put(at, output->task ? 0xc3 : 0xc2, 0, 0);
  at = stream_put_string(at, output->key);
  at = stream_put_integer(at, (uint64_t)output->time_ns, output->time_ns < 0);
  at = stream_put_raw(at, output->row);
  gathered_end(&d->left, stream_put_integer(at, output->way, 0));
}

static void late(void *context, void *user, const flow_event *event) {
  direct *d = context;
  (void)user;
  if (event->whole.len == 0) abort();
  __atomic_add_fetch(&d->late, 1, __ATOMIC_RELAXED);
}

direct *direct_new(uint64_t max_bytes, uint32_t shards, uint64_t idle_ns, char *err) {
  direct *d = calloc(1, sizeof *d);
  flow_config config;
  flow_config_init(&config);
  d->features = feature_store_new(NULL, err);
  config.features = d->features;
  config.emit = emit;
  config.late = late;
  if (max_bytes != 0) config.max_bytes = max_bytes;
  if (shards != 0) config.shards = shards;
  if (idle_ns != 0) config.idle_ns = idle_ns;
  pthread_mutex_init(&d->left.lock, NULL);
  d->set = flow_set_new(&config, err);
  return d;
}

void direct_free(direct *d) {
  flow_set_free(d->set);
  feature_store_free(d->features);
  pthread_mutex_destroy(&d->left.lock);
  free(d->left.data);
  free(d);
}

int direct_add(direct *d, const char *declaration, size_t len, flow *replaces, flow **out,
               char *err) {
  return flow_add(d->set, declaration, len, NULL, replaces, out, err);
}

void direct_remove(direct *d, flow *flow) {
  flow_remove(d->set, flow);
}

void direct_stats(flow *flow, uint64_t *out) {
  flow_stats stats;
  flow_stats_get(flow, &stats);
  uint64_t all[] = {stats.events,  stats.rows, stats.late,  stats.dropped,
                    stats.refused, stats.keys, stats.bytes, (uint64_t)stats.watermark_ns};
  memcpy(out, all, sizeof all);
}

int direct_append(direct *d, const char *stream, const char *key, const char *event, size_t len,
                  int64_t time_ns, uint32_t way) {
  flow_event one = {.stream = {stream, strlen(stream)},
                    .key = {key, strlen(key)},
                    .whole = {event, len},
                    .time_ns = time_ns,
                    .way = way};
  return direct_take(d, &one);
}

int direct_take(direct *d, const flow_event *event) {
  return flow_append(d->set, event, d);
}

int direct_tick(direct *d, int64_t wall_ns) {
  return flow_tick(d->set, wall_ns, d);
}

int direct_finish(direct *d) {
  return flow_finish(d->set, d);
}

uint64_t direct_late(direct *d) {
  return __atomic_load_n(&d->late, __ATOMIC_RELAXED);
}

/* What has left so far, one behind the other; it is forgotten by direct_clear. */
const unsigned char *direct_data(direct *d, size_t *len) {
  *len = d->left.len;
  return d->left.data;
}

void direct_clear(direct *d) {
  d->left.len = 0;
}

int direct_feature(direct *d, const char *table, const char *key, int64_t at_ns, char *out,
                   size_t size) {
  feature_table *found = feature_table_find(d->features, (store_bytes){table, strlen(table)});
  feature_row row;
  feature_hold hold;
  if (found == NULL) return -100;
  int status = feature_get(found, (store_bytes){key, strlen(key)}, at_ns, &row, &hold);
  if (status != FEATURE_OK) return status;
  int len = row.values.len <= size ? (int)row.values.len : -101;
  if (len >= 0) memcpy(out, row.values.data, row.values.len);
  feature_release(&hold);
  return len;
}

int direct_put_feature(direct *d, const char *table, const char *key, int64_t time_ns,
                       const char *values, size_t len) {
  feature_table *made;
  feature_table_config config;
  char err[STORE_ERR_MAX];
  int kept;
  feature_table_config_init(&config);
  config.versions = FEATURE_VERSIONS_MAX;
  int status = feature_table_open(d->features, table, &config, &made, err);
  if (status != FEATURE_OK) return status;
  feature_row row = {.time_ns = time_ns, .key = {key, strlen(key)}, .values = {values, len}};
  return feature_put(made, &row, 0, &kept);
}

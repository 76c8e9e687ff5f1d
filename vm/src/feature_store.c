/* feature_store.c - tables of features for hosts: opening, and rows in and out as MessagePack. */
#include "feature_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../engine/stream/value.h"
#include "event_store.h"
#include "executor.h"
#include "rows.h"
#include "runtime.h"
#include "trigger_set.h"

_Static_assert(PVM_TABLE_NAME_MAX == FEATURE_NAME_MAX, "one limit in two headers");
_Static_assert(PVM_TABLE_LATEST == FEATURE_LATEST, "one time in two headers");

static feature_store *of(pvm_features *features) {
  return (feature_store *)features;
}

feature_store *pvm_executor_features(pvm_executor *executor) {
  return of(atomic_load_explicit(&executor->features, memory_order_acquire));
}

int pvm_feature_status(int status, int store_status, char *err) {
  if (status == FEATURE_OK) return PVM_OK;
  switch (status) {
  case FEATURE_E_NOMEM:
    snprintf(err, PVM_ERR_MAX, "there is not enough memory");
    return PVM_E_NOMEM;
  case FEATURE_E_SIZE:
    snprintf(err, PVM_ERR_MAX, "a key takes at most %d bytes, and a row 1 MiB", FEATURE_KEY_MAX);
    return PVM_E_INVALID;
  case FEATURE_E_STORE: {
    int why = pvm_store_status(store_status);
    snprintf(err, PVM_ERR_MAX, "it could not be kept: %s",
             store_status == STORE_E_FULL   ? "the disk is full"
             : store_status == STORE_E_SIZE ? "it is larger than a segment of the store"
                                            : pvm_strerror(why));
    return why;
  }
  default:
    snprintf(err, PVM_ERR_MAX, "its values are no map whose names are text");
    return PVM_E_INVALID;
  }
}

int pvm_features_open(pvm_store *store, pvm_features **features, char *err) {
  if (features == NULL || err == NULL) return PVM_E_INVALID;
  *features = (pvm_features *)feature_store_new((struct store *)store, err);
  return *features != NULL ? PVM_OK : PVM_E_NOMEM;
}

void pvm_features_close(pvm_features *features) {
  feature_store_free(of(features));
}

int pvm_features_attach(pvm_executor *executor, pvm_features *features) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL || features == NULL) return PVM_E_INVALID;
  pvm_features *none = NULL;
  pthread_mutex_lock(&executor->grouping); /* triggers and their flows are made with it */
  if (!atomic_compare_exchange_strong(&executor->features, &none, features)) status = PVM_E_STATE;
  struct pvm_trigger_set *set = atomic_load(&executor->triggers);
  if (status == PVM_OK && set != NULL) pvm_flows_set_tables(set->flows, of(features));
  pthread_mutex_unlock(&executor->grouping);
  return status;
}

void pvm_table_config_init(pvm_table_config *config) {
  *config = (pvm_table_config){.versions = 1};
}

int pvm_table_open(pvm_features *features, const char *name, const pvm_table_config *config,
                   char *err) {
  if (features == NULL || name == NULL || err == NULL) return PVM_E_INVALID;
  feature_table_config own;
  if (config != NULL)
    own = (feature_table_config){config->versions, config->ttl_ns, config->max_keys,
                                 config->max_bytes};
  feature_table *table;
  int status = feature_table_open(of(features), name, config != NULL ? &own : NULL, &table, err);
  return status == FEATURE_OK          ? PVM_OK
         : status == FEATURE_E_STORE   ? PVM_E_STORE
         : status == FEATURE_E_INVALID ? PVM_E_INVALID
                                       : PVM_E_NOMEM;
}

int pvm_table_stats_get(pvm_features *features, uint32_t i, pvm_table_stats *stats) {
  feature_table *table = feature_table_at(of(features), i);
  if (table == NULL) return PVM_E_UNKNOWN;
  feature_stats seen;
  feature_table_stats(table, &seen);
  *stats = (pvm_table_stats){.keys = seen.keys,
                             .rows = seen.rows,
                             .bytes = seen.bytes,
                             .puts = seen.puts,
                             .gets = seen.gets,
                             .misses = seen.misses,
                             .expired = seen.expired,
                             .dropped = seen.dropped,
                             .ttl_ns = seen.ttl_ns,
                             .newest_ns = seen.newest_ns};
  snprintf(stats->name, sizeof stats->name, "%s", feature_table_name(table));
  return PVM_OK;
}

static feature_table *find(pvm_features *features, const char *name) {
  return feature_table_find(of(features), (store_bytes){name, strlen(name)});
}

/* ---- Rows in ------------------------------------------------------------ */

int pvm_feature_put(feature_table *table, store_bytes key, int64_t time_ns, const void *values,
                    size_t len, int merge, char *err) {
  int kept = STORE_OK;
  if (values == NULL)
    return pvm_feature_status(feature_remove(table, key, time_ns, &kept), kept, err);
  pvm_buffer elements = {0};
  int expanded = pvm_expand(values, len, &elements); /* what is kept outlives what is shared */
  if (expanded < 0) {
    snprintf(err, PVM_ERR_MAX, "%s", pvm_strerror(expanded));
    return expanded;
  }
  feature_row row = {.time_ns = time_ns, .key = key, .values = {values, len}};
  if (expanded > 0) row.values = (store_bytes){(const char *)elements.data, elements.len};
  int status = feature_put(table, &row, merge, &kept);
  pvm_buffer_free(&elements);
  return pvm_feature_status(status, kept, err);
}

/* As bytes; an integer's digits are written to `digits`. -1: it can be no key. */
static int key_of(const stream_value *value, char digits[24], store_bytes *key) {
  if (value->kind == STREAM_STRING || value->kind == STREAM_BINARY) {
    *key = (store_bytes){value->text.data, value->text.len};
    return 0;
  }
  if (value->kind != STREAM_INTEGER) return -1;
  int len = value->negative ? snprintf(digits, 24, "%lld", (long long)value->integer)
                            : snprintf(digits, 24, "%llu", (unsigned long long)value->integer);
  *key = (store_bytes){digits, (size_t)len};
  return 0;
}

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int put_next(feature_table *table, stream_reader *reader, int merge, char *err) {
  stream_value row, key, time;
  char digits[24];
  store_bytes bytes;
  if (stream_read(reader, &row) != 0 || row.kind != STREAM_ARRAY || row.count != 3 ||
      stream_read(reader, &key) != 0 || key_of(&key, digits, &bytes) != 0) {
    snprintf(err, PVM_ERR_MAX, "a row is a key, a time and a map; a key is text or an integer");
    return PVM_E_INVALID;
  }
  if (stream_read(reader, &time) != 0 || (time.kind != STREAM_INTEGER && time.kind != STREAM_NIL) ||
      (!time.negative && time.integer > INT64_MAX)) {
    snprintf(err, PVM_ERR_MAX, "the time of a row is an integer of nanoseconds, or nil for now");
    return PVM_E_INVALID;
  }
  const unsigned char *values = reader->at;
  if (stream_skip(reader) != 0) {
    snprintf(err, PVM_ERR_MAX, "a row is cut short");
    return PVM_E_DECODE;
  }
  return pvm_feature_put(table, bytes, time.kind == STREAM_NIL ? now_ns() : (int64_t)time.integer,
                         *values == 0xc0 ? NULL : values, (size_t)(reader->at - values), merge,
                         err);
}

int64_t pvm_table_put(pvm_features *features, const char *table, const void *rows, size_t len,
                      int merge, int *status, char *err) {
  if (features == NULL || table == NULL || (rows == NULL && len != 0) || err == NULL ||
      status == NULL)
    return PVM_E_INVALID;
  err[0] = 0;
  *status = PVM_OK;
  feature_table *into = find(features, table);
  if (into == NULL) return PVM_E_UNKNOWN;
  stream_reader reader = {rows, (const unsigned char *)rows + len};
  stream_value all;
  if (stream_read(&reader, &all) != 0 || all.kind != STREAM_ARRAY) return PVM_E_DECODE;
  int64_t done = 0;
  for (; done < all.count; done++) {
    *status = put_next(into, &reader, merge, err);
    if (*status != PVM_OK) break;
  }
  int synced = done != 0 ? feature_commit(into) : STORE_OK;
  return synced == STORE_OK ? done : pvm_feature_status(FEATURE_E_STORE, synced, err);
}

/* ---- Rows out ----------------------------------------------------------- */

typedef struct table_rows {
  pvm_rows rows;
  int with_keys;
} table_rows;

static int write_row(void *arg, const feature_row *row) {
  table_rows *w = arg;
  unsigned char *at = pvm_rows_next(&w->rows, 32 + row->key.len + row->values.len);
  if (at == NULL) return 1;
  at = stream_put_array(at, w->with_keys ? 4 : 3);
  if (w->with_keys) {
    at = stream_put(at, 0xc6, row->key.len, 4);
    at = stream_put_raw(at, (stream_text){row->key.data, row->key.len});
  }
  at = stream_put(at, 0xd3, (uint64_t)row->time_ns, 8);
  at = stream_put(at, 0xcf, row->version, 8);
  at = stream_put_raw(at, (stream_text){row->values.data, row->values.len});
  pvm_rows_end(&w->rows, at);
  return 0;
}

static void write_nil(pvm_rows *rows) {
  unsigned char *at = pvm_rows_next(rows, 1);
  if (at != NULL) pvm_rows_end(rows, stream_put(at, 0xc0, 0, 0));
}

int pvm_table_get(pvm_features *features, const char *table, const void *keys, size_t len,
                  int64_t at_ns, pvm_buffer *rows) {
  if (features == NULL || table == NULL || (keys == NULL && len != 0) || rows == NULL)
    return PVM_E_INVALID;
  feature_table *from = find(features, table);
  if (from == NULL) return PVM_E_UNKNOWN;
  stream_reader reader = {keys, (const unsigned char *)keys + len};
  stream_value all, key;
  if (stream_read(&reader, &all) != 0 || all.kind != STREAM_ARRAY) return PVM_E_DECODE;
  table_rows w = {.with_keys = 0};
  if (pvm_rows_begin(&w.rows) != PVM_OK) return PVM_E_NOMEM;
  for (uint32_t i = 0; i < all.count && !w.rows.failed; i++) {
    char digits[24];
    store_bytes bytes;
    if (stream_read(&reader, &key) != 0 || key_of(&key, digits, &bytes) != 0) {
      pvm_rows_free(&w.rows);
      return PVM_E_DECODE;
    }
    feature_row row;
    feature_hold hold;
    if (feature_get(from, bytes, at_ns, &row, &hold) == FEATURE_OK) {
      write_row(&w, &row);
      feature_release(&hold);
    } else write_nil(&w.rows);
  }
  return pvm_rows_finish(&w.rows, rows);
}

int pvm_table_scan(pvm_features *features, const char *table, int64_t at_ns, uint64_t most,
                   pvm_buffer *rows) {
  if (features == NULL || table == NULL || rows == NULL) return PVM_E_INVALID;
  feature_table *from = find(features, table);
  if (from == NULL) return PVM_E_UNKNOWN;
  table_rows w = {.with_keys = 1};
  if (pvm_rows_begin(&w.rows) != PVM_OK) return PVM_E_NOMEM;
  feature_scan(from, at_ns, most, write_row, &w);
  return pvm_rows_finish(&w.rows, rows);
}

int pvm_table_history(pvm_features *features, const char *table, const void *key, size_t key_len,
                      pvm_buffer *rows) {
  if (features == NULL || table == NULL || (key == NULL && key_len != 0) || rows == NULL)
    return PVM_E_INVALID;
  feature_table *from = find(features, table);
  if (from == NULL) return PVM_E_UNKNOWN;
  table_rows w = {.with_keys = 1};
  if (pvm_rows_begin(&w.rows) != PVM_OK) return PVM_E_NOMEM;
  if (feature_history(from, (store_bytes){key, key_len}, write_row, &w) < 0) w.rows.failed = 1;
  return pvm_rows_finish(&w.rows, rows);
}

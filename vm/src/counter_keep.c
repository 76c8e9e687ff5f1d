/* counter_keep.c - see counter_keep.h. */
#include "counter_keep.h"

#include <string.h>

#include "../../engine/stream/pack.h"
#include "../../engine/stream/value.h"

#define COUNTERS ".counters" /* hosts' own names begin with a letter or a digit */
#define KEYS ".counted"
#define KEYS_MAX 1000000 /* a key that is given up is counted again */

static feature_table *table_of(feature_store *features, const char *name, uint64_t max_keys) {
  feature_table *table = feature_table_find(features, (store_bytes){name, strlen(name)});
  if (table != NULL) return table;
  char err[STORE_ERR_MAX];
  feature_table_config config;
  feature_table_config_init(&config);
  config.max_keys = max_keys;
  return feature_table_open(features, name, &config, &table, err) == FEATURE_OK ? table : NULL;
}

/* The name, a zero byte and the key; len 0 if it is too long to be a row's. */
static store_bytes join(char *at, const char *name, stream_text key) {
  size_t len = strlen(name);
  if (len + 1 + key.len > FEATURE_KEY_MAX) return (store_bytes){NULL, 0};
  memcpy(at, name, len + 1);
  if (key.len != 0) memcpy(at + len + 1, key.data, key.len);
  return (store_bytes){at, len + 1 + key.len};
}

/* {"n": number}, of the time 0: each row takes the place of the one before. */
static void put(feature_table *table, store_bytes key, uint64_t number) {
  unsigned char values[3 + STREAM_HEAD_MAX];
  unsigned char *end = stream_put_name(stream_put(values, 0x81, 0, 0), "n");
  end = stream_put_integer(end, number, 0);
  feature_row row = {.key = key, .values = {(const char *)values, (size_t)(end - values)}};
  feature_put(table, &row, 0, NULL);
}

static int get(feature_table *table, store_bytes key, uint64_t *number) {
  feature_row row;
  feature_hold hold;
  *number = 0;
  if (feature_get(table, key, FEATURE_LATEST, &row, &hold) != FEATURE_OK) return 0;
  stream_reader reader = {(const unsigned char *)row.values.data,
                          (const unsigned char *)row.values.data + row.values.len};
  stream_value map, name, value;
  int is_one = stream_read(&reader, &map) == 0 && stream_read(&reader, &name) == 0 &&
               stream_read(&reader, &value) == 0 && value.kind == STREAM_INTEGER;
  if (is_one) *number = value.integer;
  feature_release(&hold);
  return is_one;
}

void pvm_counter_keep_note(feature_store *features, const char *name, const stream_amount *amount) {
  char text[FEATURE_KEY_MAX];
  feature_table *keys = amount->keyed ? table_of(features, KEYS, KEYS_MAX) : NULL;
  store_bytes key = join(text, name, amount->key);
  if (keys != NULL && key.len != 0) put(keys, key, amount->last);
  pvm_counter_keep_begin(features, name, amount->settled);
}

void pvm_counter_keep_begin(feature_store *features, const char *name, uint64_t after) {
  feature_table *table = table_of(features, COUNTERS, 0);
  if (table != NULL) put(table, (store_bytes){name, strlen(name)}, after);
}

int pvm_counter_keep_find(feature_store *features, const char *name, uint64_t *after) {
  feature_table *table = table_of(features, COUNTERS, 0);
  return table != NULL && get(table, (store_bytes){name, strlen(name)}, after);
}

uint64_t pvm_counter_keep_last(feature_store *features, const char *name, stream_text key) {
  char text[FEATURE_KEY_MAX];
  feature_table *keys = table_of(features, KEYS, KEYS_MAX);
  store_bytes joined = join(text, name, key);
  uint64_t number = 0;
  if (keys != NULL && joined.len != 0) get(keys, joined, &number);
  return number;
}

void pvm_counter_keep_forget(feature_store *features, const char *name) {
  feature_table *table = table_of(features, COUNTERS, 0);
  if (table != NULL) feature_remove(table, (store_bytes){name, strlen(name)}, 0, NULL);
}

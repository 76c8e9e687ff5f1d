/* keep.c - a table's rows in a stream of the store, and what is carried forward in it.
**
** The stream's events are rows: under their key, with their time, their value is the map, or nil for a
** removal. What is in the table is in the stream; the stream has more, which is of no use: rows that
** others have taken the place of. Once that is most of it, every few puts look at some of its oldest
** rows, and keep those anew that are still in the table. What lies before the cursor may then go, and
** goes by whole segments. So a put costs the same whatever there is, and the stream stays about twice
** the table's size, and two segments.
**
** A row that is kept anew has the arrival of the first time. Its copy lies behind whatever it takes the
** place of, and before whatever takes its place: reading the stream in order gives the table again.
*/
#include <stdio.h>
#include <string.h>

#include "../include/stream.h"
#include "table.h"

#define LOOK_EVERY 64      /* puts between looks at how large the stream is */
#define CARRY_EVERY 4      /* puts between carrying */
#define CARRY_EVENTS 16    /* that are looked at then */
#define CARRY_BYTES 65536u /* that are kept again then, about */

/* ---- Loading ------------------------------------------------------------ */

typedef struct loading {
  feature_table *table;
  int status;
} loading;

static int load_row(void *arg, const store_event *event) {
  loading *l = arg;
  int status = feature_restore(l->table, event);
  if (status == FEATURE_E_NOMEM) l->status = status;
  return l->status != FEATURE_OK;
}

int feature_load(feature_table *table, store *kept, char *err) {
  char name[STORE_NAME_MAX + 1];
  snprintf(name, sizeof name, STREAM_ROWS "%s", table->name);
  store_stream *stream;
  int status = store_stream_open(kept, name, &stream, err);
  if (status != STORE_OK) return FEATURE_E_STORE;
  store_stats stats;
  store_stream_stats(stream, &stats);
  table->cursor = stats.first;
  store_stream_retain(stream, &(store_retention){.below = stats.first});
  loading l = {table, FEATURE_OK};
  int64_t read = store_read(stream, 0, UINT64_MAX, load_row, &l);
  if (l.status != FEATURE_OK || read < 0) {
    snprintf(err, STORE_ERR_MAX, "table %s: its rows cannot be read: %s", table->name,
             l.status != FEATURE_OK ? "there is not enough memory"
                                    : "the store does not give them");
    return read < 0 ? FEATURE_E_STORE : FEATURE_E_NOMEM;
  }
  /* numbers go on where they could have been */
  if (atomic_load(&table->version) < stats.next - 1) atomic_store(&table->version, stats.next - 1);
  table->stream = stream;
  return FEATURE_OK;
}

/* ---- Keeping ------------------------------------------------------------ */

int feature_keep(feature_table *table, store_bytes key, feature_node *row) {
  static const char removed = (char)FEATURE_REMOVED;
  store_event event = {
      .time_ns = row->time_ns,
      .arrival_ns = row->arrival_ns,
      .key = key,
      .value = {row->removed ? &removed : row->values, row->removed ? 1 : row->len}};
  int status = store_append(table->stream, &event, 1, NULL);
  if (status == STORE_OK) row->sequence = event.sequence;
  return status;
}

int feature_commit(feature_table *table) {
  if (table->stream == NULL || store_stream_level(table->stream) != STORE_SYNCED) return STORE_OK;
  store_stats stats;
  store_stream_stats(table->stream, &stats);
  return store_sync(table->stream, stats.next - 1);
}

/* ---- Carrying ----------------------------------------------------------- */

typedef struct carrying {
  feature_table *table;
  uint64_t bytes;
} carrying;

static feature_node *find_kept(feature_entry *entry, uint64_t sequence) {
  feature_node *row = entry != NULL ? atomic_load(&entry->latest) : NULL;
  while (row != NULL && row->sequence != sequence) row = atomic_load(&row->older);
  return row;
}

/* One event from the cursor on. */
static int carry_row(void *arg, const store_event *event) {
  carrying *c = arg;
  feature_table *table = c->table;
  uint64_t hash = feature_hash(table, event->key);
  feature_part *part = feature_part_of(table, hash);
  int status = STORE_OK;
  pthread_mutex_lock(&part->lock);
  feature_entry *entry = feature_map_find(atomic_load(&part->map), event->key, hash);
  feature_node *row = find_kept(entry, event->sequence);
  if (row != NULL) {
    status = feature_keep(table, event->key, row);
    c->bytes += event->key.len + row->len;
  }
  pthread_mutex_unlock(&part->lock);
  if (status != STORE_OK) return 1; /* there may be room another time */
  table->cursor = event->sequence + 1;
  return c->bytes >= CARRY_BYTES;
}

/* Is most of the stream of no use? The rows in memory take no less than those in the stream. */
static int is_due(const feature_table *table) {
  store_stats stats;
  store_stream_stats(table->stream, &stats);
  if (stats.segments < 3 || table->cursor >= stats.next || stats.next == stats.first) return 0;
  uint64_t from = table->cursor > stats.first ? table->cursor : stats.first;
  double left = (double)(stats.next - from) / (double)(stats.next - stats.first);
  double segments = 2.0 * (double)stats.bytes / (double)stats.segments;
  return left * (double)stats.bytes > 2.0 * (double)atomic_load(&table->bytes) + segments;
}

void feature_carry(feature_table *table, uint64_t version) {
  if (table->stream == NULL || version % CARRY_EVERY != 0) return;
  if (pthread_mutex_trylock(&table->carrying) != 0) return;
  if (version % LOOK_EVERY == 0) table->carries = is_due(table);
  if (table->carries) {
    carrying c = {.table = table};
    store_read(table->stream, table->cursor, CARRY_EVENTS, carry_row, &c);
    store_stream_retain(table->stream, &(store_retention){.below = table->cursor});
  }
  pthread_mutex_unlock(&table->carrying);
}

/* counter.c - see counter.h. */
#include "counter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbol.h"
#include "triggers.h"

/* ---- Declarations ------------------------------------------------------- */

typedef struct declaration {
  stream_text stream, key;
  uint64_t events, bytes, wait_ns;
} declaration;

static int refuse(char *err, const char *what) {
  if (err != NULL) snprintf(err, STREAM_ERR_MAX, "the trigger's counter is not usable: %s", what);
  return STREAM_E_INVALID;
}

static int is_named(stream_text text, const char *name) {
  return text.len == strlen(name) && memcmp(text.data, name, text.len) == 0;
}

static int read_declaration(const void *data, size_t len, declaration *out, char *err) {
  stream_reader reader = {data, (const unsigned char *)data + len};
  stream_value map, name, value;
  *out = (declaration){0};
  if (data == NULL || stream_read(&reader, &map) != 0 || map.kind != STREAM_MAP)
    return refuse(err, "it is no map");
  for (uint32_t left = map.count; left != 0; left--) {
    if (stream_read(&reader, &name) != 0 || name.kind != STREAM_STRING ||
        stream_read(&reader, &value) != 0)
      return refuse(err, "it is cut short");
    stream_text *text = is_named(name.text, "stream") ? &out->stream
                        : is_named(name.text, "key")  ? &out->key
                                                      : NULL;
    uint64_t *number = is_named(name.text, "events")    ? &out->events
                       : is_named(name.text, "bytes")   ? &out->bytes
                       : is_named(name.text, "wait_ns") ? &out->wait_ns
                                                        : NULL;
    if (text != NULL && value.kind == STREAM_STRING) *text = value.text;
    else if (number != NULL && value.kind == STREAM_INTEGER && !value.negative)
      *number = value.integer;
    else return refuse(err, "it has texts stream and key, numbers events, bytes and wait_ns");
  }
  if (reader.at != reader.end) return refuse(err, "something follows it");
  if (out->stream.len == 0 || out->stream.len > STORE_NAME_MAX)
    return refuse(err, "the name of a stream has 1 to 64 bytes");
  if (out->key.len > STREAM_TEXT_MAX) return refuse(err, "key has at most 256 bytes");
  if (out->events == 0 && out->bytes == 0)
    return refuse(err, "events or bytes says how much is enough");
  return STREAM_OK;
}

int stream_is_counter(const void *data, size_t len) {
  stream_reader reader = {data, (const unsigned char *)data + len};
  stream_value map, name;
  if (data == NULL || stream_read(&reader, &map) != 0 || map.kind != STREAM_MAP) return 0;
  for (uint32_t left = map.count; left != 0; left--) {
    if (stream_read(&reader, &name) != 0 || name.kind != STREAM_STRING) return 0;
    if (is_named(name.text, "stream")) return 1;
    if (stream_skip(&reader) != 0) return 0;
  }
  return 0;
}

/* ---- Tallies ------------------------------------------------------------ */

static stream_tally *find(const stream_counter *counter, uint64_t hash, stream_text key) {
  stream_tally *at = counter->buckets[hash & counter->mask];
  while (at != NULL &&
         (at->hash != hash || !stream_text_equal((stream_text){at->key, at->len}, key)))
    at = at->next;
  return at;
}

/* Twice the buckets; without memory they stay as they are. */
static void grow(stream_counter *counter) {
  uint32_t mask = counter->mask * 2 + 1;
  stream_tally **more = calloc(mask + 1u, sizeof(stream_tally *));
  if (more == NULL) return;
  free(counter->buckets);
  counter->buckets = more;
  counter->mask = mask;
  for (stream_tally *at = counter->oldest; at != NULL; at = at->newer) {
    at->next = more[at->hash & mask];
    more[at->hash & mask] = at;
  }
}

static stream_tally *begin(stream_counter *counter, uint64_t hash, stream_text key,
                           uint64_t now_ns) {
  stream_tally *made = calloc(1, sizeof *made + key.len);
  if (made == NULL) return NULL;
  if (counter->keys > counter->mask) grow(counter);
  made->hash = hash;
  made->began_ns = now_ns;
  made->len = key.len;
  if (key.len != 0) memcpy(made->key, key.data, key.len);
  made->next = counter->buckets[hash & counter->mask];
  counter->buckets[hash & counter->mask] = made;
  made->older = counter->newest;
  *(counter->newest != NULL ? &counter->newest->newer : &counter->oldest) = made;
  counter->newest = made;
  counter->keys++;
  counter->key_bytes += key.len;
  return made;
}

static void take_out(stream_counter *counter, stream_tally *tally) {
  stream_tally **at = &counter->buckets[tally->hash & counter->mask];
  while (*at != tally) at = &(*at)->next;
  *at = tally->next;
  *(tally->older != NULL ? &tally->older->newer : &counter->oldest) = tally->newer;
  *(tally->newer != NULL ? &tally->newer->older : &counter->newest) = tally->older;
  counter->keys--;
  counter->key_bytes -= tally->len;
}

static void hand_out(stream_counter *counter, stream_tally *tally, stream_tally **due) {
  take_out(counter, tally);
  atomic_fetch_add_explicit(&counter->references, 1, memory_order_relaxed);
  tally->counter = counter;
  tally->mode = counter->mode;
  tally->older = NULL;
  tally->newer = counter->leaving;
  if (counter->leaving != NULL) counter->leaving->older = tally;
  counter->leaving = tally;
  tally->next = *due;
  *due = tally;
}

static void clear(stream_counter *counter) {
  while (counter->oldest != NULL) {
    stream_tally *tally = counter->oldest;
    take_out(counter, tally);
    free(tally);
  }
}

/* ---- Counting ----------------------------------------------------------- */

static struct stream_counter_slot *slot_of(stream_counters *counters, stream_text stream) {
  return &counters->slots[stream_hash(stream, counters->seed) % STREAM_COUNTER_SLOTS];
}

struct stream_counter_slot *stream_counters_lock(stream_counters *counters, stream_text stream) {
  if (atomic_load_explicit(&counters->count, memory_order_acquire) == 0) return NULL;
  struct stream_counter_slot *slot = slot_of(counters, stream);
  pthread_mutex_lock(&slot->lock);
  return slot;
}

int stream_counter_count(const stream_counters *counters, stream_counter *counter,
                         const stream_event *event, uint64_t sequence, uint64_t now_ns,
                         stream_tally **due) {
  stream_text key = {"", 0};
  if (counter->keyed) {
    if (counter->space >= event->key_count) return 0; /* it was read before the counter was there */
    key = event->keys[counter->space];
  }
  uint64_t hash = counter->keyed ? stream_hash(key, counters->seed) : 0;
  stream_tally *tally = find(counter, hash, key);
  if (tally == NULL) tally = begin(counter, hash, key, now_ns);
  if (tally == NULL) return -1;
  if (tally->events++ == 0) tally->first = sequence;
  tally->last = counter->upto = sequence;
  tally->bytes += event->whole.len;
  tally->way = event->way;
  if ((counter->events != 0 && tally->events >= counter->events) ||
      (counter->bytes != 0 && tally->bytes >= counter->bytes))
    hand_out(counter, tally, due);
  /* What must make room is less than was asked for, but is not lost. */
  while (counter->oldest != NULL &&
         (counter->keys > counters->max_keys || counter->key_bytes > counters->max_bytes))
    hand_out(counter, counter->oldest, due);
  return 0;
}

int stream_counters_count(stream_counters *counters, struct stream_counter_slot *slot,
                          stream_text stream, const stream_event *event, uint64_t sequence,
                          uint64_t now_ns, stream_tally **due) {
  int counted = 0;
  for (stream_counter *at = slot->first; at != NULL; at = at->next)
    if (at->mode != 0 && stream_text_equal((stream_text){at->stream, at->stream_len}, stream)) {
      int failed = stream_counter_count(counters, at, event, sequence, now_ns, due) != 0;
      counted = failed || counted < 0 ? -1 : 1;
    }
  return counted;
}

static void release(stream_counter *counter) {
  if (atomic_fetch_sub_explicit(&counter->references, 1, memory_order_acq_rel) != 1) return;
  clear(counter);
  if (counter->forget != NULL) counter->forget(counter->user);
  free(counter->buckets);
  free(counter);
}

void stream_counter_begin_at(stream_counter *counter, uint64_t after) {
  clear(counter);
  counter->upto = after;
}

/* Tallies begin in the order of their first events; those that leave are few. With the lock. */
static uint64_t settled(const stream_counter *counter) {
  uint64_t least = counter->oldest != NULL ? counter->oldest->first : counter->upto + 1;
  for (const stream_tally *at = counter->leaving; at != NULL; at = at->newer)
    if (at->first < least) least = at->first;
  return least != 0 ? least - 1 : 0;
}

uint64_t stream_counter_settled(stream_triggers *triggers, stream_counter *counter) {
  struct stream_counter_slot *slot =
      slot_of(&triggers->counters, (stream_text){counter->stream, counter->stream_len});
  pthread_mutex_lock(&slot->lock);
  uint64_t upto = settled(counter);
  pthread_mutex_unlock(&slot->lock);
  return upto;
}

/* It has been fired. */
static void settle(stream_counters *counters, stream_tally *tally, const stream_config *config,
                   void *context, stream_amount *amount) {
  stream_counter *counter = tally->counter;
  struct stream_counter_slot *slot = slot_of(counters, amount->stream);
  pthread_mutex_lock(&slot->lock);
  *(tally->older != NULL ? &tally->older->newer : &counter->leaving) = tally->newer;
  if (tally->newer != NULL) tally->newer->older = tally->older;
  amount->settled = settled(counter);
  if (config->settled != NULL) config->settled(context, amount);
  pthread_mutex_unlock(&slot->lock);
}

void stream_counters_fire(stream_counters *counters, stream_tally *due, const stream_config *config,
                          void *context) {
  stream_tally *in_order = NULL;
  while (due != NULL) {
    stream_tally *next = due->next;
    due->next = in_order;
    in_order = due;
    due = next;
  }
  while (in_order != NULL) {
    stream_tally *tally = in_order;
    stream_counter *counter = tally->counter;
    in_order = tally->next;
    atomic_fetch_add_explicit(&counters->fired, 1, memory_order_relaxed);
    stream_amount amount = {.user = counter->user,
                            .mode = tally->mode,
                            .stream = {counter->stream, counter->stream_len},
                            .keyed = counter->keyed,
                            .key = {tally->key, tally->len},
                            .first = tally->first,
                            .last = tally->last,
                            .events = tally->events,
                            .bytes = tally->bytes,
                            .way = tally->way};
    if (config->enough != NULL) config->enough(context, &amount);
    settle(counters, tally, config, context, &amount);
    release(counter);
    free(tally);
  }
}

/* Hand out what has waited for long enough; how long the next one still waits. */
static uint64_t hand_out_waiting(stream_counter *counter, uint64_t now_ns, int all,
                                 stream_tally **due) {
  while (counter->oldest != NULL) {
    uint64_t began = counter->oldest->began_ns, waited = now_ns > began ? now_ns - began : 0;
    if (!all && (counter->wait_ns == 0 || waited < counter->wait_ns))
      return counter->wait_ns != 0 ? counter->wait_ns - waited : UINT64_MAX;
    hand_out(counter, counter->oldest, due);
  }
  return UINT64_MAX;
}

uint64_t stream_counters_tick(stream_triggers *triggers, uint64_t now_ns, int all, void *context) {
  stream_counters *counters = &triggers->counters;
  uint64_t next = UINT64_MAX;
  if (atomic_load_explicit(&counters->count, memory_order_acquire) == 0) return next;
  stream_tally *due = NULL;
  for (int i = 0; i < STREAM_COUNTER_SLOTS; i++) {
    struct stream_counter_slot *slot = &counters->slots[i];
    pthread_mutex_lock(&slot->lock);
    for (stream_counter *at = slot->first; at != NULL; at = at->next) {
      uint64_t wait = hand_out_waiting(at, now_ns, all, &due);
      if (wait < next) next = wait;
    }
    pthread_mutex_unlock(&slot->lock);
  }
  stream_counters_fire(counters, due, &triggers->config, context);
  return next;
}

/* ---- The set ------------------------------------------------------------ */

void stream_counters_init(stream_counters *counters, const stream_config *config, uint64_t seed) {
  for (int i = 0; i < STREAM_COUNTER_SLOTS; i++) {
    pthread_mutex_init(&counters->slots[i].lock, NULL);
    counters->slots[i].first = NULL;
  }
  atomic_init(&counters->count, 0);
  atomic_init(&counters->fired, 0);
  atomic_init(&counters->alone, 0);
  counters->seed = seed;
  counters->max_keys = config->max_keys;
  counters->max_bytes = config->max_bytes;
}

void stream_counters_free(stream_counters *counters) {
  for (int i = 0; i < STREAM_COUNTER_SLOTS; i++) {
    while (counters->slots[i].first != NULL) {
      stream_counter *counter = counters->slots[i].first;
      counters->slots[i].first = counter->next;
      release(counter);
    }
    pthread_mutex_destroy(&counters->slots[i].lock);
  }
}

/* Go on with what the other one has counted, with the slot's lock. 0, or -1 without memory. */
static int go_on(stream_counter *counter, const stream_counter *before) {
  counter->upto = before->upto;
  for (const stream_tally *at = before->oldest; at != NULL; at = at->newer) {
    stream_tally *copy = begin(counter, at->hash, (stream_text){at->key, at->len}, at->began_ns);
    if (copy == NULL) return -1;
    copy->first = at->first;
    copy->last = at->last;
    copy->events = at->events;
    copy->bytes = at->bytes;
    copy->way = at->way;
  }
  return 0;
}

int stream_counter_add(stream_triggers *triggers, const void *data, size_t len, int mode,
                       void *user, const stream_counter *replaces, stream_counter **out,
                       char *err) {
  declaration wanted;
  int status = read_declaration(data, len, &wanted, err);
  if (status != STREAM_OK) return status;
  uint32_t space = 0;
  status = stream_triggers_space(triggers, wanted.key, &space, err);
  if (status != STREAM_OK) return status;
  stream_counters *counters = &triggers->counters;
  stream_counter *made = calloc(1, sizeof *made);
  stream_tally **buckets = calloc(8, sizeof(stream_tally *));
  if (made == NULL || buckets == NULL) {
    free(made);
    free(buckets);
    if (err != NULL) snprintf(err, STREAM_ERR_MAX, "out of memory");
    return STREAM_E_NOMEM;
  }
  *made = (stream_counter){.user = user,
                           .forget = triggers->config.forget,
                           .mode = mode,
                           .events = wanted.events,
                           .bytes = wanted.bytes,
                           .wait_ns = wanted.wait_ns,
                           .space = space,
                           .keyed = wanted.key.len != 0,
                           .buckets = buckets,
                           .mask = 7,
                           .stream_len = wanted.stream.len};
  atomic_init(&made->references, 1);
  memcpy(made->stream, wanted.stream.data, wanted.stream.len);
  struct stream_counter_slot *slot = slot_of(counters, wanted.stream);
  pthread_mutex_lock(&slot->lock);
  int same = replaces != NULL && replaces->keyed == made->keyed && replaces->space == made->space &&
             replaces->stream_len == made->stream_len &&
             memcmp(replaces->stream, made->stream, made->stream_len) == 0;
  if (same && replaces->mode != 0 && mode != 0 && go_on(made, replaces) != 0)
    status = STREAM_E_NOMEM;
  if (status == STREAM_OK) {
    made->next = slot->first;
    slot->first = made;
    atomic_fetch_add(&counters->count, 1);
    *out = made;
  }
  pthread_mutex_unlock(&slot->lock);
  if (status != STREAM_OK) {
    made->forget = NULL; /* the caller still has its user */
    release(made);
    if (err != NULL) snprintf(err, STREAM_ERR_MAX, "out of memory");
  }
  return status;
}

void stream_counter_remove(stream_triggers *triggers, stream_counter *counter) {
  stream_counters *counters = &triggers->counters;
  struct stream_counter_slot *slot =
      slot_of(counters, (stream_text){counter->stream, counter->stream_len});
  pthread_mutex_lock(&slot->lock);
  stream_counter **at = &slot->first;
  while (*at != counter) at = &(*at)->next;
  *at = counter->next;
  atomic_fetch_sub(&counters->count, 1);
  pthread_mutex_unlock(&slot->lock);
  release(counter);
}

void stream_counter_set(stream_triggers *triggers, stream_counter *counter, int mode) {
  struct stream_counter_slot *slot =
      slot_of(&triggers->counters, (stream_text){counter->stream, counter->stream_len});
  pthread_mutex_lock(&slot->lock);
  if (counter->mode == 0 || mode == 0) clear(counter);
  counter->mode = mode;
  pthread_mutex_unlock(&slot->lock);
}

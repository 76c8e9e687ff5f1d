/* append.c - what one event does: matches begin, go on, and come true. */
#include <stdlib.h>
#include <string.h>

#include "intake.h"
#include "triggers.h"

#define FIRED_INLINE 16 /* matches of one event without an allocation */

/* A match that the event begins or takes on to a node. */
typedef struct advance {
  uint32_t node;
  stream_link *before; /* a reference; NULL: it begins */
  uint64_t start;
  uint64_t epoch;
  uint64_t from; /* the parent's stamp; 0: it begins */
} advance;

/* A condition that has come true, with references. */
typedef struct completed {
  stream_condition *condition;
  int mode;
  uint32_t space;
  stream_link *before;
} completed;

/* What one append gathers. */
typedef struct gathering {
  const stream_event *event;
  int out_of_memory;
  advance *advances;
  size_t advance_count, advance_capacity;
  completed *fired;
  size_t fired_count, fired_capacity;
  completed fired_inline[FIRED_INLINE];
} gathering;

static void keep(stream_link *link) {
  if (link != NULL) atomic_fetch_add_explicit(&link->references, 1, memory_order_relaxed);
}

static void push_advance(gathering *g, advance one) {
  if (g->advance_count == g->advance_capacity) {
    size_t capacity = g->advance_capacity != 0 ? g->advance_capacity * 2 : 16;
    advance *more = realloc(g->advances, capacity * sizeof *more);
    if (more == NULL) {
      g->out_of_memory = 1;
      return;
    }
    g->advances = more;
    g->advance_capacity = capacity;
  }
  keep(one.before);
  g->advances[g->advance_count++] = one;
}

static void push_fired(gathering *g, completed one) {
  if (g->fired_count == g->fired_capacity) {
    size_t capacity = g->fired_capacity * 2;
    int is_inline = g->fired == g->fired_inline;
    completed *more = realloc(is_inline ? NULL : g->fired, capacity * sizeof *more);
    if (more == NULL) {
      g->out_of_memory = 1;
      return;
    }
    if (is_inline) memcpy(more, g->fired, sizeof g->fired_inline);
    g->fired = more;
    g->fired_capacity = capacity;
  }
  keep(one.before);
  atomic_fetch_add_explicit(&one.condition->references, 1, memory_order_relaxed);
  g->fired[g->fired_count++] = one;
}

static uint64_t sum(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Masks and spans of the entries are of an earlier trie. */
static void refresh(stream_triggers *triggers, stream_shard *shard, stream_key *key) {
  if (key->version == triggers->version) return;
  for (uint32_t i = 0; i < key->count;) {
    stream_entry *entry = &key->entries[i];
    const stream_node *node = &triggers->trie.nodes[entry->node];
    if (node->generation != entry->generation) {
      stream_entry_remove(shard, key, entry, &triggers->bytes);
      continue;
    }
    /* What came to a node when nothing followed there has no link, and waits for nothing. */
    if (node->children == 0) stream_entry_hold(shard, entry, NULL, &triggers->bytes);
    entry->mask = entry->link != NULL ? node->mask : 0;
    entry->until = sum(entry->start, node->within_ns);
    i++;
  }
  key->version = triggers->version;
}

/* Children of a node that the event fits. */
static void advance_from(stream_triggers *triggers, gathering *g, const stream_probes *probes,
                         const stream_key *key, uint32_t node, advance one, uint64_t now) {
  const stream_trie *trie = &triggers->trie;
  for (uint32_t i = 0; i < probes->count; i++) {
    uint32_t edge = stream_trie_first(trie, node, &probes->probe[i]);
    for (; edge != 0; edge = stream_trie_next(trie, edge)) {
      one.node = trie->edges[edge].child;
      const stream_node *child = &trie->nodes[one.node];
      if (now - one.start > child->within_ns) continue;
      if (one.from != 0) {
        const stream_entry *used = stream_entry_find(key, one.node, child->generation);
        if (used != NULL && used->from == one.from) continue;
      }
      if (!stream_where_holds(child->where, child->where_count, g->event->whole)) continue;
      push_advance(g, one);
    }
  }
}

static void advance_pending(stream_triggers *triggers, stream_shard *shard, stream_key *key,
                            gathering *g, const stream_probes *probes, uint64_t now) {
  refresh(triggers, shard, key);
  for (uint32_t i = 0; i < key->count; i++) {
    const stream_entry *entry = &key->entries[i];
    if ((entry->mask & probes->mask) == 0 || entry->until < now) continue;
    advance one = {0, entry->link, entry->start, entry->epoch, entry->stamp};
    advance_from(triggers, g, probes, key, entry->node, one, now);
  }
}

/* What can complete nothing any more goes. */
static void drop_outdated(stream_triggers *triggers, stream_shard *shard, stream_key *key,
                          uint64_t now) {
  for (uint32_t i = 0; i < key->count;) {
    if (key->entries[i].until < now)
      stream_entry_remove(shard, key, &key->entries[i], &triggers->bytes);
    else i++;
  }
}

static void complete(stream_triggers *triggers, gathering *g, const advance *one, uint32_t space,
                     uint64_t now) {
  stream_condition *condition = triggers->trie.nodes[one->node].ends;
  for (; condition != NULL; condition = condition->next)
    if (condition->mode != 0 && one->epoch >= condition->since &&
        now - one->start <= condition->within_ns)
      push_fired(g, (completed){condition, condition->mode, space, one->before});
}

/* The key holds that a match has come to a node. 0, or -1 without memory. */
static int hold(stream_triggers *triggers, stream_shard *shard, stream_key *key, const advance *one,
                stream_blob *blob) {
  const stream_node *node = &triggers->trie.nodes[one->node];
  stream_link *link = NULL;
  if (node->children != 0) {
    link = stream_link_new(one->before, blob, &triggers->bytes);
    if (link == NULL) return -1;
  }
  stream_entry *entry = stream_entry_find(key, one->node, node->generation);
  if (entry == NULL)
    entry = stream_entry_add(shard, key, triggers->config.max_pending, &triggers->trie,
                             &triggers->bytes);
  if (entry == NULL) {
    stream_link_release(link, &triggers->bytes);
    return -1;
  }
  stream_entry_hold(shard, entry, link, &triggers->bytes);
  entry->mask = link != NULL ? node->mask : 0;
  entry->until = sum(one->start, node->within_ns);
  entry->start = one->start;
  entry->epoch = one->epoch;
  entry->stamp = ++key->stamps;
  entry->from = one->from;
  entry->node = one->node;
  entry->generation = node->generation;
  return 0;
}

/* Bounds are kept by giving up the keys that were used least recently. */
static void make_room(stream_triggers *triggers, stream_shard *shard, const stream_key *key,
                      uint64_t now_ns) {
  while (shard->oldest != NULL && shard->oldest != key) {
    uint64_t rest = now_ns > shard->oldest->seen_ns ? now_ns - shard->oldest->seen_ns : 0;
    if (shard->keys <= triggers->max_keys && rest <= triggers->config.ttl_ns &&
        atomic_load_explicit(&triggers->bytes, memory_order_relaxed) <= triggers->config.max_bytes)
      return;
    stream_key_evict(shard, shard->oldest, &triggers->bytes);
  }
}

/* Keep how far matches have come. */
static void remember(stream_triggers *triggers, stream_shard *shard, stream_key *key, gathering *g,
                     uint64_t now_ns) {
  stream_blob *blob = NULL;
  for (size_t i = 0; i < g->advance_count; i++) {
    const advance *one = &g->advances[i];
    int waits = triggers->trie.nodes[one->node].children != 0;
    if (!waits && one->from == 0) continue;
    if (waits && blob == NULL) {
      const stream_config *config = &triggers->config;
      blob = stream_blob_new(g->event->whole, config->hold, config->let_go, &triggers->bytes);
    }
    if ((waits && blob == NULL) || hold(triggers, shard, key, one, blob) != 0) g->out_of_memory = 1;
  }
  stream_blob_release(blob, &triggers->bytes);
  make_room(triggers, shard, key, now_ns);
  if (atomic_load_explicit(&triggers->bytes, memory_order_relaxed) > triggers->config.max_bytes)
    stream_key_clear(shard, key, &triggers->bytes); /* this one alone is too much */
}

/* An event of a type that conditions name has come. NULL: its key is not known, or not any more, as it
** has rested. It moves the key's clock on whatever it does: matches that nobody waits for any more must
** make no difference. */
static stream_key *find_key(stream_triggers *triggers, stream_shard *shard, uint32_t space,
                            const stream_event *event, uint64_t hash, uint64_t now_ns) {
  stream_key *key = stream_key_find(shard, space, event->keys[space], hash);
  if (key == NULL) return NULL;
  uint64_t ttl_ns = triggers->config.ttl_ns;
  if (now_ns > key->seen_ns && now_ns - key->seen_ns > ttl_ns) {
    stream_key_evict(shard, key, &triggers->bytes);
    return NULL;
  }
  if (event->time_ns > key->clock) {
    if (event->time_ns - key->clock > ttl_ns) stream_key_clear(shard, key, &triggers->bytes);
    key->clock = event->time_ns;
  }
  key->seen_ns = now_ns;
  stream_key_touch(shard, key);
  return key;
}

/* Is anything to be kept of what the event did? */
static int keeps(const stream_trie *trie, const gathering *g) {
  for (size_t i = 0; i < g->advance_count; i++)
    if (g->advances[i].from != 0 || trie->nodes[g->advances[i].node].children != 0) return 1;
  return 0;
}

/* With the shard's lock. Returns 1 if the event did anything for conditions of this space. */
static int match(stream_triggers *triggers, stream_shard *shard, uint32_t space, uint64_t hash,
                 gathering *g, uint64_t now_ns) {
  const stream_event *event = g->event;
  stream_probes probes;
  stream_trie_probe(&triggers->trie, event->type, event->page, event->id, &probes);
  if (probes.count == 0) return 0;
  stream_key *key = find_key(triggers, shard, space, event, hash, now_ns);
  uint64_t now = key != NULL ? key->clock : event->time_ns;
  g->advance_count = 0;
  advance beginning = {0, NULL, now, triggers->epoch, 0};
  advance_from(triggers, g, &probes, NULL, space, beginning, now);
  if (key != NULL) advance_pending(triggers, shard, key, g, &probes, now);
  for (size_t i = 0; i < g->advance_count; i++) complete(triggers, g, &g->advances[i], space, now);
  if (keeps(&triggers->trie, g)) {
    if (key == NULL) {
      key = stream_key_add(shard, space, event->keys[space], hash);
      if (key != NULL) {
        key->version = triggers->version;
        key->clock = now;
        key->seen_ns = now_ns;
      }
    }
    if (key != NULL) {
      drop_outdated(triggers, shard, key, now);
      remember(triggers, shard, key, g, now_ns);
    } else {
      g->out_of_memory = 1;
    }
  }
  for (size_t i = 0; i < g->advance_count; i++)
    stream_link_release(g->advances[i].before, &triggers->bytes);
  return g->advance_count != 0;
}

/* Call `fire` with all that has come true, and let go of it. */
static void fire(stream_triggers *triggers, gathering *g, void *context) {
  stream_match *matches = malloc(g->fired_count * sizeof *matches);
  stream_text(*events)[STREAM_STEPS_MAX] = malloc(g->fired_count * sizeof *events);
  if (matches == NULL || events == NULL) g->out_of_memory = 1;
  for (size_t i = 0; i < g->fired_count && !g->out_of_memory; i++) {
    const completed *one = &g->fired[i];
    uint32_t first = STREAM_STEPS_MAX - 1;
    events[i][first] = g->event->whole;
    for (const stream_link *link = one->before; link != NULL; link = link->before)
      events[i][--first] = (stream_text){link->blob->data, link->blob->len};
    matches[i] = (stream_match){one->condition->user, one->mode, g->event->keys[one->space],
                                STREAM_STEPS_MAX - first, &events[i][first]};
  }
  if (!g->out_of_memory) triggers->config.fire(context, matches, g->fired_count);
  free(matches);
  free(events);
}

static void let_go(stream_triggers *triggers, gathering *g) {
  for (size_t i = 0; i < g->fired_count; i++) {
    stream_link_release(g->fired[i].before, &triggers->bytes);
    stream_condition_release(g->fired[i].condition);
  }
  if (g->fired != g->fired_inline) free(g->fired);
  free(g->advances);
}

/* The name of the stream that an event belongs to. */
static stream_text stream_of(const stream_event *event) {
  stream_text wanted = event->stream;
  if (wanted.data == NULL) return (stream_text){STREAM_UNNAMED, sizeof STREAM_UNNAMED - 1};
  static const char rows[] = STREAM_ROWS;
  int usable =
      wanted.len != 0 && wanted.len <= STORE_NAME_MAX && memchr(wanted.data, 0, wanted.len) == NULL;
  if (wanted.len >= sizeof rows - 1 && memcmp(wanted.data, rows, sizeof rows - 1) == 0) usable = 0;
  return usable ? wanted : (stream_text){STREAM_MISNAMED, sizeof STREAM_MISNAMED - 1};
}

/* Put the event into its stream. */
static int put_away(store *store, const stream_event *event, stream_text wanted, uint64_t wall_ns,
                    uint64_t *sequence) {
  char name[STORE_NAME_MAX + 1], err[STORE_ERR_MAX];
  memcpy(name, wanted.data, wanted.len);
  name[wanted.len] = 0;
  store_stream *stream;
  int status = store_stream_open(store, name, &stream, err);
  if (status != STORE_OK) return status;
  store_event kept = {.time_ns = event->time_ns <= INT64_MAX ? (int64_t)event->time_ns : INT64_MAX,
                      .arrival_ns = (int64_t)wall_ns,
                      .key = {event->keys[0].data, event->keys[0].len},
                      .value = {event->whole.data, event->whole.len}};
  status = store_append(stream, &kept, 1, NULL);
  *sequence = kept.sequence;
  return status;
}

/* Keep the event and count it, which is one step for counters. A status of the store; what counters
** have enough of is in *due. */
static int keep_and_count(stream_triggers *triggers, const stream_event *event, uint64_t wall_ns,
                          uint64_t now_ns, uint64_t *sequence, stream_tally **due, int *tallied) {
  stream_text stream = stream_of(event);
  struct stream_counter_slot *slot = stream_counters_lock(&triggers->counters, stream);
  int status = STORE_OK;
  *sequence = 0;
  if (triggers->config.store != NULL)
    status = put_away(triggers->config.store, event, stream, wall_ns, sequence);
  if (slot == NULL) return status;
  if (status == STORE_OK)
    *tallied =
        stream_counters_count(&triggers->counters, slot, stream, event, *sequence, now_ns, due);
  pthread_mutex_unlock(&slot->lock);
  return status;
}

/* Keep the event and count it, if it may be kept. STREAM_OK: on it goes; else what stream_append
** returns. */
static int take_in(stream_triggers *triggers, const stream_origin *origin, int read,
                   const stream_event *event, stream_text data, uint64_t wall_ns, uint64_t now_ns,
                   uint64_t *sequence, stream_tally **due, int *tallied, int *store_status) {
  stream_intake *intake = triggers->config.intake;
  stream_ticket ticket = {0};
  if (intake != NULL) {
    int verdict = stream_intake_enter(intake, read, event, data, origin->source, wall_ns, &ticket,
                                      store_status);
    if (verdict == STREAM_REFUSED && *store_status != STORE_OK) return STREAM_E_STORE;
    if (verdict != STREAM_OK) return verdict;
  }
  if (read <= STREAM_EVENT_NONE) return read;
  int kept = keep_and_count(triggers, event, wall_ns, now_ns, sequence, due, tallied);
  stream_intake_leave(&ticket, kept == STORE_OK);
  if (kept == STORE_OK) return STREAM_OK;
  if (kept == STORE_E_SIZE && intake != NULL) {
    static const char why[] = "the event is larger than a segment of the store";
    kept = stream_intake_bury(intake, stream_of(event), data, why, origin->source, wall_ns);
    if (kept == STORE_OK) return STREAM_REFUSED;
  }
  *store_status = kept;
  return STREAM_E_STORE;
}

int stream_append(stream_triggers *triggers, const void *data, size_t len, uint64_t wall_ns,
                  uint64_t now_ns, void *context, int *store_status) {
  static const stream_origin nobody = {.source = {"", 0}};
  return stream_append_from(triggers, &nobody, data, len, wall_ns, now_ns, context, store_status);
}

/* What an event does not say of itself. */
static void place(const stream_origin *origin, stream_event *event) {
  event->way = origin->way;
  if (origin->stream.len != 0 && (event->stream.data == NULL || origin->derived))
    event->stream = origin->stream;
  if (!origin->derived) return;
  if (origin->key.len != 0) event->keys[0] = origin->key;
  event->time_ns = origin->time_ns > 0 ? (uint64_t)origin->time_ns : 0;
}

int stream_append_from(stream_triggers *triggers, const stream_origin *origin, const void *data,
                       size_t len, uint64_t wall_ns, uint64_t now_ns, void *context,
                       int *store_status) {
  stream_event event;
  int status = stream_event_read(&triggers->mapping, data, len, wall_ns, &event);
  if (status > STREAM_EVENT_NONE) place(origin, &event);
  stream_tally *due = NULL;
  int tallied = 0; /* by counters; -1: not by all of them */
  uint64_t sequence = 0;
  int taken = take_in(triggers, origin, status, &event, (stream_text){data, len}, wall_ns, now_ns,
                      &sequence, &due, &tallied, store_status);
  if (taken != STREAM_OK) return taken;
  gathering g;
  g.event = &event;
  g.out_of_memory = 0;
  g.advances = NULL;
  g.advance_count = g.advance_capacity = 0;
  g.fired = g.fired_inline;
  g.fired_count = 0;
  g.fired_capacity = FIRED_INLINE;
  stream_shard *counted = NULL; /* where the event itself is counted */
  int matched = 0;
  for (uint32_t space = 0; status == STREAM_EVENT_TYPED && space < event.key_count; space++) {
    if (atomic_load_explicit(&triggers->in_space[space], memory_order_acquire) == 0) continue;
    uint64_t hash = stream_mix(stream_hash(event.keys[space], triggers->seed), space);
    stream_shard *shard = &triggers->shards[(hash >> 40) % triggers->config.shards];
    pthread_mutex_lock(&shard->lock);
    size_t before = g.fired_count;
    int did = match(triggers, shard, space, hash, &g, now_ns);
    shard->fired += g.fired_count - before;
    shard->matched += did && !matched;
    shard->events += counted == NULL;
    pthread_mutex_unlock(&shard->lock);
    counted = shard;
    matched |= did;
  }
  if (counted == NULL) atomic_fetch_add_explicit(&triggers->unheard, 1, memory_order_relaxed);
  if (tallied > 0 && !matched) {
    matched = 1;
    atomic_fetch_add_explicit(&triggers->counters.alone, 1, memory_order_relaxed);
  }
  if (g.fired_count != 0) fire(triggers, &g, context);
  if (due != NULL) stream_counters_fire(&triggers->counters, due, &triggers->config, context);
  let_go(triggers, &g);
  if (triggers->config.taken != NULL) {
    int64_t time_ns = event.time_ns <= INT64_MAX ? (int64_t)event.time_ns : INT64_MAX;
    stream_taken one = {stream_of(&event), event.keys[0], event.whole, time_ns, sequence};
    triggers->config.taken(context, &one);
  }
  return g.out_of_memory || tallied < 0 ? STREAM_E_NOMEM : matched;
}

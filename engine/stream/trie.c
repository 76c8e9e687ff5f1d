/* trie.c - see trie.h. */
#include "trie.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_label(const stream_trie *trie, uint32_t type, uint32_t page, uint32_t id) {
  return stream_mix(stream_mix(trie->seed + type, page), id);
}

static uint32_t *bucket_of(const stream_trie *trie, uint32_t node, uint64_t label) {
  return &trie->buckets[stream_mix(label, node) & trie->bucket_mask];
}

static uint64_t bit_of(uint64_t label) {
  return (uint64_t)1 << (label >> 58);
}

int stream_trie_init(stream_trie *trie, uint64_t seed) {
  memset(trie, 0, sizeof *trie);
  trie->seed = seed;
  trie->node_capacity = 2 * STREAM_SPACES_MAX;
  trie->node_count = STREAM_SPACES_MAX;
  trie->node_free = STREAM_NO_NODE;
  trie->edge_capacity = 64;
  trie->edge_count = 1;
  trie->bucket_mask = 127;
  trie->nodes = calloc(trie->node_capacity, sizeof *trie->nodes);
  trie->edges = calloc(trie->edge_capacity, sizeof *trie->edges);
  trie->buckets = calloc((size_t)trie->bucket_mask + 1, sizeof *trie->buckets);
  int status = stream_symbols_init(&trie->symbols, seed);
  return trie->nodes != NULL && trie->edges != NULL && trie->buckets != NULL ? status : -1;
}

void stream_trie_free(stream_trie *trie) {
  stream_symbols_free(&trie->symbols);
  free(trie->nodes);
  free(trie->edges);
  free(trie->buckets);
}

/* ---- Edges -------------------------------------------------------------- */

static int grow_edges(stream_trie *trie) {
  uint32_t capacity = trie->edge_capacity * 2;
  stream_edge *more = realloc(trie->edges, capacity * sizeof *more);
  if (more == NULL) return -1;
  trie->edges = more;
  trie->edge_capacity = capacity;
  uint32_t mask = capacity * 2 - 1;
  uint32_t *buckets = calloc((size_t)mask + 1, sizeof *buckets);
  if (buckets == NULL) return 0; /* the old ones do, with longer chains */
  uint32_t *old = trie->buckets, old_mask = trie->bucket_mask;
  trie->buckets = buckets;
  trie->bucket_mask = mask;
  for (uint32_t i = 0; i <= old_mask; i++) {
    for (uint32_t at = old[i], next; at != 0; at = next) {
      stream_edge *edge = &trie->edges[at];
      next = edge->next;
      uint32_t *bucket =
          bucket_of(trie, edge->node, hash_label(trie, edge->type, edge->page, edge->id));
      edge->next = *bucket;
      *bucket = at;
    }
  }
  free(old);
  return 0;
}

static int add_edge(stream_trie *trie, stream_edge edge) {
  uint32_t at = trie->edge_free;
  if (at == 0 && trie->edge_count == trie->edge_capacity && grow_edges(trie) != 0) return -1;
  if (at != 0) trie->edge_free = trie->edges[at].next;
  else at = trie->edge_count++;
  uint64_t label = hash_label(trie, edge.type, edge.page, edge.id);
  uint32_t *bucket = bucket_of(trie, edge.node, label);
  edge.next = *bucket;
  trie->edges[at] = edge;
  *bucket = at;
  trie->nodes[edge.node].mask |= bit_of(label);
  return 0;
}

static void remove_edge(stream_trie *trie, stream_edge edge) {
  uint32_t *link = bucket_of(trie, edge.node, hash_label(trie, edge.type, edge.page, edge.id));
  while (*link != 0) {
    stream_edge *at = &trie->edges[*link];
    if (at->child == edge.child && at->id == edge.id && at->node == edge.node) {
      uint32_t gone = *link;
      *link = at->next;
      at->next = trie->edge_free;
      trie->edge_free = gone;
      return;
    }
    link = &at->next;
  }
}

/* ---- Nodes -------------------------------------------------------------- */

static uint32_t id_at(const stream_node *node, uint32_t i) {
  return node->id_count != 0 ? node->ids[i] : STREAM_NO_SYMBOL;
}

/* At least one edge: for any id if the step names none. */
static uint32_t edges_of(const stream_node *node) {
  return node->id_count != 0 ? node->id_count : 1;
}

static void free_node(stream_trie *trie, uint32_t at) {
  stream_node *node = &trie->nodes[at], *parent = &trie->nodes[node->parent];
  for (uint32_t i = 0; i < edges_of(node); i++)
    remove_edge(trie, (stream_edge){node->parent, node->type, node->page, id_at(node, i), at, 0});
  if (--parent->children == 0) parent->mask = 0;
  stream_symbol_drop(&trie->symbols, node->type);
  stream_symbol_drop(&trie->symbols, node->page);
  for (uint32_t i = 0; i < node->id_count; i++) stream_symbol_drop(&trie->symbols, node->ids[i]);
  free(node->ids);
  free((char *)node->where.data);
  *node = (stream_node){.generation = node->generation + 1, .parent = trie->node_free};
  trie->node_free = at;
  trie->nodes_live--;
}

static uint32_t take_node(stream_trie *trie) {
  uint32_t at = trie->node_free;
  if (at != STREAM_NO_NODE) {
    trie->node_free = trie->nodes[at].parent;
    return at;
  }
  if (trie->node_count == trie->node_capacity) {
    uint32_t capacity = trie->node_capacity * 2;
    stream_node *more = realloc(trie->nodes, capacity * sizeof *more);
    if (more == NULL) return STREAM_NO_NODE;
    trie->nodes = more;
    trie->node_capacity = capacity;
  }
  at = trie->node_count++;
  trie->nodes[at] = (stream_node){0};
  return at;
}

/* A child without references yet. STREAM_NO_NODE without memory, and nothing has changed. */
static uint32_t new_child(stream_trie *trie, uint32_t parent, const stream_step_text *step) {
  uint32_t at = take_node(trie);
  if (at == STREAM_NO_NODE) return at;
  stream_node *node = &trie->nodes[at];
  *node = (stream_node){.parent = parent, .generation = node->generation};
  trie->nodes_live++;
  trie->nodes[parent].children++;
  int whole = (node->type = stream_symbol_add(&trie->symbols, step->type)) != STREAM_NO_SYMBOL;
  if (step->page.data != NULL)
    whole &= (node->page = stream_symbol_add(&trie->symbols, step->page)) != STREAM_NO_SYMBOL;
  if (step->id_count != 0) {
    node->ids = calloc(step->id_count, sizeof *node->ids);
    whole &= node->ids != NULL;
    for (uint32_t i = 0; node->ids != NULL && i < step->id_count; i++) {
      uint32_t id = stream_symbol_add(&trie->symbols, step->ids[i]);
      whole &= id != STREAM_NO_SYMBOL;
      node->ids[node->id_count++] = id;
    }
  }
  if (step->where_count != 0) {
    char *copy = malloc(step->where.len);
    whole &= copy != NULL;
    if (copy != NULL) memcpy(copy, step->where.data, step->where.len);
    node->where = (stream_text){copy, step->where.len};
    node->where_count = step->where_count;
  }
  for (uint32_t i = 0; whole && i < edges_of(node); i++)
    whole =
        add_edge(trie, (stream_edge){parent, node->type, node->page, id_at(node, i), at, 0}) == 0;
  if (whole) return at;
  free_node(trie, at);
  return STREAM_NO_NODE;
}

static int is_symbol(const stream_trie *trie, uint32_t symbol, stream_text text) {
  return symbol == stream_symbol_find(&trie->symbols, text);
}

static int is_step(const stream_trie *trie, const stream_node *node, const stream_step_text *step) {
  if (node->id_count != step->id_count || !stream_text_equal(node->where, step->where)) return 0;
  for (uint32_t i = 0; i < step->id_count; i++)
    if (!is_symbol(trie, node->ids[i], step->ids[i])) return 0;
  return 1;
}

/* The child for a step; STREAM_NO_NODE: there is none. */
static uint32_t find_child(const stream_trie *trie, uint32_t parent, const stream_step_text *step) {
  uint32_t type = stream_symbol_find(&trie->symbols, step->type);
  uint32_t page = stream_symbol_find(&trie->symbols, step->page);
  uint32_t id = step->id_count != 0 ? stream_symbol_find(&trie->symbols, step->ids[0]) : 0;
  if (type == STREAM_NO_SYMBOL || (step->page.data != NULL && page == STREAM_NO_SYMBOL) ||
      (step->id_count != 0 && id == STREAM_NO_SYMBOL))
    return STREAM_NO_NODE;
  struct stream_probe probe = {type, page, id, hash_label(trie, type, page, id)};
  uint32_t edge = stream_trie_first(trie, parent, &probe);
  for (; edge != 0; edge = stream_trie_next(trie, edge)) {
    uint32_t child = trie->edges[edge].child;
    if (is_step(trie, &trie->nodes[child], step)) return child;
  }
  return STREAM_NO_NODE;
}

/* One condition less through a node and its parents. */
static void release_path(stream_trie *trie, uint32_t at) {
  while (at >= STREAM_SPACES_MAX) {
    uint32_t parent = trie->nodes[at].parent;
    if (--trie->nodes[at].references == 0) free_node(trie, at);
    at = parent;
  }
}

int stream_trie_add(stream_trie *trie, uint32_t root, const stream_condition_text *text,
                    struct stream_condition *condition) {
  uint32_t at = root;
  for (uint32_t i = 0; i < text->count; i++) {
    uint32_t child = find_child(trie, at, &text->steps[i]);
    if (child == STREAM_NO_NODE) child = new_child(trie, at, &text->steps[i]);
    if (child == STREAM_NO_NODE) {
      release_path(trie, at);
      return STREAM_E_NOMEM;
    }
    trie->nodes[child].references++;
    at = child;
  }
  for (uint32_t node = at; node >= STREAM_SPACES_MAX; node = trie->nodes[node].parent)
    if (trie->nodes[node].within_ns < text->within_ns)
      trie->nodes[node].within_ns = text->within_ns;
  condition->node = at;
  condition->next = trie->nodes[at].ends;
  trie->nodes[at].ends = condition;
  return STREAM_OK;
}

void stream_trie_remove(stream_trie *trie, struct stream_condition *condition) {
  struct stream_condition **link = &trie->nodes[condition->node].ends;
  while (*link != condition) link = &(*link)->next;
  *link = condition->next;
  release_path(trie, condition->node);
}

/* ---- Looking up --------------------------------------------------------- */

void stream_trie_probe(const stream_trie *trie, stream_text type, stream_text page, stream_text id,
                       stream_probes *probes) {
  probes->count = 0;
  probes->mask = 0;
  uint32_t t = stream_symbol_find(&trie->symbols, type);
  if (t == STREAM_NO_SYMBOL) return;
  uint32_t p = stream_symbol_find(&trie->symbols, page);
  uint32_t d = stream_symbol_find(&trie->symbols, id);
  for (int with = 0; with < STREAM_PROBES; with++) {
    if (((with & 1) && p == STREAM_NO_SYMBOL) || ((with & 2) && d == STREAM_NO_SYMBOL)) continue;
    struct stream_probe probe = {t, with & 1 ? p : STREAM_NO_SYMBOL,
                                 with & 2 ? d : STREAM_NO_SYMBOL, 0};
    probe.hash = hash_label(trie, probe.type, probe.page, probe.id);
    probes->mask |= bit_of(probe.hash);
    probes->probe[probes->count++] = probe;
  }
}

static uint32_t fitting(const stream_trie *trie, uint32_t at, uint32_t node, uint32_t type,
                        uint32_t page, uint32_t id) {
  for (; at != 0; at = trie->edges[at].next) {
    const stream_edge *edge = &trie->edges[at];
    if (edge->node == node && edge->type == type && edge->page == page && edge->id == id) break;
  }
  return at;
}

uint32_t stream_trie_first(const stream_trie *trie, uint32_t node,
                           const struct stream_probe *probe) {
  return fitting(trie, *bucket_of(trie, node, probe->hash), node, probe->type, probe->page,
                 probe->id);
}

uint32_t stream_trie_next(const stream_trie *trie, uint32_t edge) {
  const stream_edge *e = &trie->edges[edge];
  return fitting(trie, e->next, e->node, e->type, e->page, e->id);
}

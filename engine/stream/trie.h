/* trie.h - conditions by their steps; equal beginnings are one path.
**
** A node stands for a step after those of its parents. Its children are found by what an event is:
** type, page and id, each as a symbol, so that finding them costs the same however many there are.
** The root of space s is node s. Nodes and edges are named by index; a node that is gone and comes
** again has another generation. Reading needs no lock while nobody writes.
*/
#ifndef STREAM_TRIE_H
#define STREAM_TRIE_H

#include <stdatomic.h>

#include "condition.h"
#include "symbol.h"

/* A condition as it lives. Matches on their way to `fire` hold references. */
struct stream_condition {
  void *user;
  void (*forget)(void *user);
  _Atomic uint32_t references;
  int mode;           /* 0: off */
  uint64_t within_ns; /* UINT64_MAX: no limit */
  uint64_t since;     /* the epoch in which it was added or switched on */
  uint32_t node;
  struct stream_condition *next; /* that ends at the same node */
};

typedef struct stream_node {
  uint32_t parent;
  uint32_t generation;
  uint32_t references; /* conditions through it; 0: free, and `parent` is the next free one */
  uint32_t children;
  uint64_t mask;      /* of what fits its children, maybe of more: see stream_probe */
  uint64_t within_ns; /* the longest of the conditions through it, so far */
  struct stream_condition *ends;
  uint32_t type; /* symbols of the step */
  uint32_t page;
  uint32_t *ids;
  uint32_t id_count;
  uint32_t where_count;
  stream_text where;
} stream_node;

typedef struct stream_edge {
  uint32_t node;
  uint32_t type;
  uint32_t page; /* STREAM_NO_SYMBOL: any */
  uint32_t id;   /* the same */
  uint32_t child;
  uint32_t next; /* of its bucket, or free; [0] stands for none */
} stream_edge;

typedef struct stream_trie {
  stream_symbols symbols;
  stream_node *nodes; /* the first STREAM_SPACES_MAX are roots */
  uint32_t node_count, node_capacity, node_free;
  uint32_t nodes_live; /* without the roots */
  stream_edge *edges;
  uint32_t edge_count, edge_capacity, edge_free;
  uint32_t *buckets;
  uint32_t bucket_mask;
  uint64_t seed;
} stream_trie;

#define STREAM_NO_NODE UINT32_MAX
#define STREAM_PROBES 4

/* What an event may fit: its type with page or any, id or any. */
typedef struct stream_probes {
  uint32_t count;
  uint64_t mask; /* of all: a node whose own has no bit of it has no child for the event */
  struct stream_probe {
    uint32_t type, page, id;
    uint64_t hash;
  } probe[STREAM_PROBES];
} stream_probes;

int stream_trie_init(stream_trie *trie, uint64_t seed);
/* All conditions must be gone. */
void stream_trie_free(stream_trie *trie);

/* Add the path of a condition below a root, and end it there. STREAM_OK or STREAM_E_NOMEM, and
** then nothing has changed. */
int stream_trie_add(stream_trie *trie, uint32_t root, const stream_condition_text *text,
                    struct stream_condition *condition);
void stream_trie_remove(stream_trie *trie, struct stream_condition *condition);

/* No probes: no step fits. */
void stream_trie_probe(const stream_trie *trie, stream_text type, stream_text page, stream_text id,
                       stream_probes *probes);
/* The first edge from a node for a probe, and the one after an edge; 0: none. */
uint32_t stream_trie_first(const stream_trie *trie, uint32_t node,
                           const struct stream_probe *probe);
uint32_t stream_trie_next(const stream_trie *trie, uint32_t edge);

#endif

/* model.h - what stands behind pvg_model. */
#ifndef PVG_MODEL_H
#define PVG_MODEL_H

#include <stdatomic.h>

#include "graph.h"
#include "onnx.h"

typedef struct pvg_hash {
  uint64_t word[2];
} pvg_hash;

/* SipHash-1-3 with 128 bits of result. Whoever does not know the key cannot make two texts meet. */
pvg_hash pvg_hash_of(const uint64_t key[2], const void *data, size_t size);

struct pvg_model {
  pvg_pool *pool;
  pvg_options options; /* texts in the pool, defaults filled in */
  pvg_symbols symbols;
  pvg_folder folder;
  pvg_graph *graph;
  pvt_buffer *bytes;           /* the model's, where weights lie in them; NULL */
  pvg_hash name;               /* of its bytes, the same in every process; for caches */
  struct pvg_timings *timings; /* of works, by all plans: timings.c */
};

#endif

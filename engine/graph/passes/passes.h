/* passes.h - what makes a graph simpler once, when its model is loaded.
**
** Each pass looks for one pattern, from its last node backwards, and puts another node in the last
** one's place; what nobody reads any more is removed afterwards. Results stay the same up to the
** rounding of float32.
*/
#ifndef PVG_PASSES_H
#define PVG_PASSES_H

#include "infer.h"

typedef struct pvg_pass {
  pvg_pool *pool; /* of the model */
  pvg_symbols *symbols;
  pvg_graph *graph;
  int changes;
  int64_t folded; /* bytes of constants that were computed */
} pvg_pass;

/* All passes over a graph and those within it, which stay indexed and inferred. */
int pvg_simplify(pvg_pool *pool, pvg_symbols *symbols, pvg_graph *graph);

/* ---- The passes: each counts its changes -------------------------------- */

int pvg_fold_constants(pvg_pass *pass);
int pvg_remove_dead(pvg_pass *pass);
int pvg_share_common(pvg_pass *pass);
int pvg_fuse_batch_norm(pvg_pass *pass);
int pvg_fuse_layer_norm(pvg_pass *pass);
int pvg_fuse_gelu(pvg_pass *pass);
int pvg_fuse_swish(pvg_pass *pass);
int pvg_fuse_attention(pvg_pass *pass);

/* ---- Looking ------------------------------------------------------------ */

/* The node of ONNX's own domain that gives a value, if it is of that type; NULL. */
const pvg_node *pvg_given_by(const pvg_value *value, const char *type);
/* The same, for a value that only one node reads. */
const pvg_node *pvg_only_given_by(const pvg_value *value, const char *type);
/* A constant of one float32 or float64. */
bool pvg_is_scalar(const pvg_value *value, float *number);
bool pvg_is_near(const pvg_value *value, double number);
/* A node with two inputs, one of which is near a number: the other one. NULL. */
pvg_value *pvg_beside(const pvg_node *node, double number);
/* What a tree of Mul nodes multiplies, inner ones being read only there: how many, or 0 for more than
** `most`. Quotients by scalars and factors that are scalars are gathered in *scale. */
int pvg_factors(const pvg_value *product, pvg_value **factors, int most, double *scale);

/* ---- Replacing ---------------------------------------------------------- */

/* A node for `replaced`'s first output in its place among the graph's nodes. */
pvg_node *pvg_replace(pvg_pass *pass, int place, const char *type, int version, int inputs,
                      int attributes);
/* A constant of the model. Takes over the array's buffer. */
pvg_value *pvg_new_constant(pvg_pass *pass, const char *name, pvt_array *array);

#endif

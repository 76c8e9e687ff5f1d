/* infer.h - inference of whole graphs, and of one node for plans. */
#ifndef PVG_INFER_H
#define PVG_INFER_H

#include "onnx.h"
#include "operator.h"

/* What is known of a node's outputs, from what is known of its inputs (NULL: left out). */
int pvg_infer_node(pvg_symbols *symbols, const pvg_node *node, const pvg_info *const *inputs,
                   pvg_info *outputs);
/* All of a graph's values, and those of the graphs within it, into their info. */
int pvg_infer_graph(pvg_symbols *symbols, pvg_graph *graph);

/* Type and all sizes are numbers. */
bool pvg_info_is_fixed(const pvg_info *info);
/* Bytes of a known one's elements in C order; -1 for more than 2^62. */
int64_t pvg_info_bytes(const pvg_info *info);

/* Put the node's name in front of the thread's error, unless it is there. Returns `status`. */
int pvg_name_error(int status, const pvg_node *node);

#endif

/* build.h - what the files that build a graph from ONNX share. */
#ifndef PVG_BUILD_H
#define PVG_BUILD_H

#include "onnx.h"

/* For "%.*s": names in sentences are cut. */
#define SHOWN(span) ((span).size < 80 ? (int)(span).size : 80), (const char *)(span).at
#define NODE_TEXT 256

typedef struct spans {
  pvg_span *items;
  size_t count, capacity;
} spans;

typedef struct imports {
  pvg_names versions; /* domain to version */
} imports;

typedef struct function {
  spans inputs, outputs, nodes, defaults;
  imports imports;
} function;

typedef struct node_list {
  pvg_node **items;
  int count, capacity;
} node_list;

/* Names that are seen: of one graph, or of one call of a function. */
typedef struct scope {
  const struct scope *outer;
  pvg_names values;
  pvg_names results; /* names in a function of what its call gives */
} scope;

/* Where nodes go, and what they are read with. */
typedef struct context {
  pvg_graph *graph;
  node_list *list;
  const imports *imports;
  const pvg_attribute *attributes; /* of the function's call */
  int attribute_count;
  bool inside; /* of a function */
  int depth;
} context;

typedef struct reader {
  const pvg_source *source;
  pvg_symbols *symbols;
  pvg_pool *scratch; /* for the time of reading */
  pvg_names functions;
  int nodes;
  char unknown[600]; /* operators that there are not, by commas */
  size_t unknown_size;
  int unknown_more; /* that did not fit */
  pvg_names unknown_seen;
} reader;

int pvg_build_graph(reader *reader, const context *around, const scope *outer, pvg_span message,
                    pvg_graph **made);

/* ---- onnx_attribute.c ---- */

/* An AttributeProto: 1, or 0 where it refers to one that the function's caller left out. */
int pvg_build_attribute(reader *reader, const context *context, const scope *scope,
                        pvg_span message, const char *what, pvg_attribute *attribute);
/* Add a function's defaults to context->attributes, where the call does not give them. */
int pvg_build_defaults(reader *reader, context *context, const spans *defaults);

/* ---- onnx_type.c ---- */

/* A ValueInfoProto. Unnamed and negative dimensions are symbols of their own. */
int pvg_build_port(reader *reader, pvg_span message, pvg_span *name, pvg_info *info);

/* Collect operators that there are not; refuse a model that has some, naming all. */
int pvg_note_unknown(reader *reader, const pvg_node *node);
int pvg_refuse_unknown(const reader *reader);

#endif

/* ir.h - a model as the engine holds it: values, nodes, attributes.
**
** Read from ONNX by onnx.c, simplified by passes, then given to plans. Everything of one model lies
** in its pool and goes with it. After loading nothing changes: threads share it without locks.
*/
#ifndef PVG_IR_H
#define PVG_IR_H

#include "tensor.h"

/* A dimension's size, 0 or more; or, negative, the number of a symbol: equal numbers are equal
** sizes. Symbols have names ("batch") or were made on the way. */
typedef int64_t pvg_size;
#define PVG_IS_SYMBOL(size) ((size) < 0)

/* What is known of a value before it is there. */
typedef struct pvg_info {
  int dtype;   /* pvt_dtype; -1: not known */
  bool ranked; /* ndim and size are known */
  uint8_t ndim;
  pvg_size size[PVT_MAX_DIMS];
  const pvt_array *constant; /* its elements, where they are known already; NULL */
} pvg_info;

typedef struct pvg_graph pvg_graph;
typedef struct pvg_value pvg_value;
typedef struct pvg_node pvg_node;
typedef struct pvg_operator pvg_operator;

typedef enum pvg_attribute_kind {
  PVG_INT,
  PVG_FLOAT,
  PVG_STRING,
  PVG_TENSOR,
  PVG_GRAPH,
  PVG_INTS,
  PVG_FLOATS,
  PVG_STRINGS
} pvg_attribute_kind;

typedef struct pvg_attribute {
  const char *name;
  pvg_attribute_kind kind;
  int64_t count; /* of ints, floats, strings */
  union {
    int64_t i;
    float f;
    const char *s; /* ends with 0 */
    const pvt_array *tensor;
    pvg_graph *graph;
    const int64_t *ints;
    const float *floats;
    const char *const *strings;
  };
} pvg_attribute;

struct pvg_value {
  const char *name;
  pvg_info info;
  pvg_node *producer; /* NULL: an input, a constant, or of an outer graph */
  pvg_graph *graph;   /* whose value it is */
  int users;          /* nodes (they or graphs within them) and outputs that read it */
  int index;          /* of the graph's values */
};

struct pvg_node {
  const char *name;   /* for sentences; may be empty */
  const char *type;   /* "Conv" */
  const char *domain; /* "" for ONNX's own */
  const pvg_operator *operator;
  int version; /* of the operator set that the model imports for the domain */
  int input_count, output_count, attribute_count;
  pvg_value **inputs;  /* NULL: left out */
  pvg_value **outputs; /* NULL: not wanted */
  pvg_attribute *attributes;
};

struct pvg_graph {
  const char *name;
  pvg_graph *outer; /* NULL */
  int input_count, output_count, node_count, value_count, capture_count;
  pvg_value **inputs, **outputs; /* inputs without those that are constants */
  pvg_node **nodes;              /* in an order in which they can be run */
  pvg_value **values;
  pvg_value *
      *captures; /* values of outer graphs, not constant, that it or a graph within it reads */
  struct pvg_plans *plans; /* made so far: plans.c */
};

struct pvg_pool;
/* Bring a graph and those within it into order, and find out who reads what: nodes, values,
** captures, users. Values that nothing gives and cycles are PVT_E_VALUE, named. */
int pvg_graph_index(struct pvg_pool *pool, pvg_graph *graph);
/* What is known of an array's shape and type, not its elements. */
void pvg_info_of(pvg_info *info, const pvt_array *array);
/* "node 'name' (Type)", or by the output's name if it has none; returns `text`. */
#define PVG_NODE_TEXT 256
const char *pvg_node_text(const pvg_node *node, char text[PVG_NODE_TEXT]);

/* Attributes of a node by name; the second form where there is none. */
const pvg_attribute *pvg_attribute_of(const pvg_node *node, const char *name);
int64_t pvg_int(const pvg_node *node, const char *name, int64_t otherwise);
float pvg_float(const pvg_node *node, const char *name, float otherwise);
const char *pvg_string(const pvg_node *node, const char *name, const char *otherwise);
/* NULL and *count 0 where there is none. */
const int64_t *pvg_ints(const pvg_node *node, const char *name, int *count);
const float *pvg_floats(const pvg_node *node, const char *name, int *count);
const pvt_array *pvg_tensor(const pvg_node *node, const char *name);
pvg_graph *pvg_subgraph(const pvg_node *node, const char *name);

#endif

/* onnx.c - ModelProto and GraphProto into the engine's graph.
**
** A graph is read in two rounds: what it names (inputs, constants, outputs of nodes), then what its
** nodes read, so that nodes may come in any order. Functions of the model are put in the place of
** their calls. Names follow ONNX's scopes: a graph sees those of the graphs around it, a function
** sees only its own.
*/
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "operator.h"

enum {
  MODEL_GRAPH = 7,
  MODEL_OPSET = 8,
  MODEL_FUNCTIONS = 25,
  GRAPH_NODE = 1,
  GRAPH_NAME = 2,
  GRAPH_INITIALIZER = 5,
  GRAPH_INPUT = 11,
  GRAPH_OUTPUT = 12,
  GRAPH_SPARSE = 15,
  NODE_INPUT = 1,
  NODE_OUTPUT = 2,
  NODE_NAME = 3,
  NODE_TYPE = 4,
  NODE_ATTRIBUTE = 5,
  NODE_DOMAIN = 7,
  NODE_OVERLOAD = 8,
  FUNCTION_NAME = 1,
  FUNCTION_INPUT = 4,
  FUNCTION_OUTPUT = 5,
  FUNCTION_NODE = 7,
  FUNCTION_OPSET = 9,
  FUNCTION_DOMAIN = 10,
  FUNCTION_DEFAULT = 11,
  FUNCTION_OVERLOAD = 13
};

#define MOST_NODES 500000 /* functions that call functions could else grow without end */
#define DEEPEST 40        /* graphs and functions within each other */

/* ---- Names -------------------------------------------------------------- */

static int declare(reader *reader, scope *scope, pvg_span name, pvg_value *value) {
  int status = pvg_names_add(&scope->values, reader->scratch, name.at, name.size, value);
  if (status == 0)
    return pvt_fail(PVT_E_VALUE, "the name '%.*s' is given twice in the model", SHOWN(name));
  return status < 0 ? status : PVT_OK;
}

static int look_up(const scope *scope, pvg_span name, pvg_value **value) {
  bool found = false;
  *value = NULL;
  for (; scope != NULL && !found; scope = scope->outer)
    *value = pvg_names_get(&scope->values, name.at, name.size, &found);
  return found;
}

static pvg_value *new_value(reader *reader, pvg_graph *graph, pvg_span name) {
  pvg_value *value = pvg_pool_take(reader->source->pool, sizeof *value);
  if (value == NULL) return NULL;
  value->name = pvg_pool_text(reader->source->pool, (const char *)name.at, name.size);
  value->graph = graph;
  value->info.dtype = -1;
  return value->name != NULL ? value : NULL;
}

/* ---- Operator sets and functions ---------------------------------------- */

static bool is_main(pvg_span domain) {
  return domain.size == 0 || pvg_span_is(domain, "ai.onnx");
}

static int read_opset(reader *reader, imports *imports, pvg_span message) {
  pvg_field field;
  pvg_span domain = {(const uint8_t *)"", 0};
  uint64_t version = 0;
  int status;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.number == 1 && field.wire == PVG_BYTES) domain = field.bytes;
    if (field.number == 2 && field.wire == PVG_VARINT) version = field.value;
  }
  if (status < 0) return status;
  if (is_main(domain)) domain.size = 0;
  if (version > INT_MAX)
    return pvt_fail(PVT_E_VALUE, "the version of operator set '%.*s' is no valid number",
                    SHOWN(domain));
  /* The first one counts; models that name a set twice name the same version. */
  status = pvg_names_add(&imports->versions, reader->scratch, domain.at, domain.size,
                         (void *)(uintptr_t)version);
  return status < 0 ? status : PVT_OK;
}

static int version_of(const imports *imports, pvg_span domain) {
  bool found;
  if (is_main(domain)) domain.size = 0;
  uintptr_t version = (uintptr_t)pvg_names_get(&imports->versions, domain.at, domain.size, &found);
  return found ? (int)version : 1;
}

/* "domain:name:overload", as functions are found. */
static char *function_key(reader *reader, pvg_span domain, pvg_span name, pvg_span overload,
                          size_t *size) {
  if (is_main(domain)) domain.size = 0;
  *size = domain.size + name.size + overload.size + 2;
  char *key = pvg_pool_take(reader->scratch, *size + 1);
  if (key == NULL) return NULL;
  memcpy(key, domain.at, domain.size);
  memcpy(key + domain.size + 1, name.at, name.size);
  memcpy(key + domain.size + name.size + 2, overload.at, overload.size);
  return key;
}

static int add_span(reader *reader, spans *spans, pvg_span span) {
  if (spans->count == spans->capacity) {
    size_t capacity = spans->capacity > 0 ? 2 * spans->capacity : 4;
    pvg_span *items = pvg_pool_array(reader->scratch, capacity, sizeof *items);
    if (items == NULL) return pvt_error_status();
    if (spans->count > 0) memcpy(items, spans->items, spans->count * sizeof *items);
    spans->items = items;
    spans->capacity = capacity;
  }
  spans->items[spans->count++] = span;
  return PVT_OK;
}

static int read_function(reader *reader, pvg_span message) {
  function *function = pvg_pool_take(reader->scratch, sizeof *function);
  if (function == NULL) return pvt_error_status();
  pvg_span none = {(const uint8_t *)"", 0};
  pvg_span name = none, domain = none, overload = none;
  pvg_field field;
  int status;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.wire != PVG_BYTES) continue;
    switch (field.number) {
    case FUNCTION_NAME: name = field.bytes; break;
    case FUNCTION_DOMAIN: domain = field.bytes; break;
    case FUNCTION_OVERLOAD: overload = field.bytes; break;
    case FUNCTION_INPUT: status = add_span(reader, &function->inputs, field.bytes); break;
    case FUNCTION_OUTPUT: status = add_span(reader, &function->outputs, field.bytes); break;
    case FUNCTION_NODE: status = add_span(reader, &function->nodes, field.bytes); break;
    case FUNCTION_DEFAULT: status = add_span(reader, &function->defaults, field.bytes); break;
    case FUNCTION_OPSET: status = read_opset(reader, &function->imports, field.bytes); break;
    default: break;
    }
    if (status < 0) return status;
  }
  if (status < 0) return status;
  size_t size;
  char *key = function_key(reader, domain, name, overload, &size);
  if (key == NULL) return pvt_error_status();
  status = pvg_names_add(&reader->functions, reader->scratch, key, size, function);
  if (status == 0) return pvt_fail(PVT_E_VALUE, "the function '%.*s' is there twice", SHOWN(name));
  return status < 0 ? status : PVT_OK;
}

/* ---- Nodes -------------------------------------------------------------- */

typedef struct draft {
  pvg_span type, domain, name, overload;
  spans inputs, outputs, attributes;
  pvg_value **made; /* by output; NULL: left out */
} draft;

static int read_node(reader *reader, pvg_span message, draft *draft) {
  pvg_span none = {(const uint8_t *)"", 0};
  *draft = (struct draft){.type = none, .domain = none, .name = none, .overload = none};
  pvg_field field;
  int status;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.wire != PVG_BYTES) continue;
    switch (field.number) {
    case NODE_INPUT: status = add_span(reader, &draft->inputs, field.bytes); break;
    case NODE_OUTPUT: status = add_span(reader, &draft->outputs, field.bytes); break;
    case NODE_ATTRIBUTE: status = add_span(reader, &draft->attributes, field.bytes); break;
    case NODE_NAME: draft->name = field.bytes; break;
    case NODE_TYPE: draft->type = field.bytes; break;
    case NODE_DOMAIN: draft->domain = field.bytes; break;
    case NODE_OVERLOAD: draft->overload = field.bytes; break;
    default: break;
    }
    if (status < 0) return status;
  }
  return status;
}

/* Make the values that a node gives; a function's outputs are those of its call. */
static int declare_outputs(reader *reader, context *context, scope *scope, draft *draft) {
  draft->made = pvg_pool_array(reader->scratch, draft->outputs.count, sizeof(pvg_value *));
  if (draft->made == NULL) return pvt_error_status();
  for (size_t i = 0; i < draft->outputs.count; i++) {
    pvg_span name = draft->outputs.items[i];
    if (name.size == 0) continue;
    bool given = false;
    pvg_value *value = pvg_names_get(&scope->results, name.at, name.size, &given);
    if (!given) value = new_value(reader, context->graph, name);
    if (value == NULL) return pvt_error_status();
    draft->made[i] = value;
    int status = declare(reader, scope, name, value);
    if (status < 0) return status;
  }
  return PVT_OK;
}

static void describe_node(const draft *draft, char text[NODE_TEXT]) {
  if (draft->name.size > 0)
    snprintf(text, NODE_TEXT, "node '%.*s' (%.*s)", SHOWN(draft->name), SHOWN(draft->type));
  else if (draft->outputs.count > 0)
    snprintf(text, NODE_TEXT, "the node for '%.*s' (%.*s)", SHOWN(draft->outputs.items[0]),
             SHOWN(draft->type));
  else snprintf(text, NODE_TEXT, "a node (%.*s)", SHOWN(draft->type));
}

static int emit(reader *reader, context *context, pvg_node *node) {
  if (reader->nodes == MOST_NODES)
    return pvt_fail(PVT_E_VALUE, "the model has more than %d nodes", MOST_NODES);
  reader->nodes++;
  node_list *list = context->list;
  if (list->count == list->capacity) {
    int capacity = list->capacity > 0 ? 2 * list->capacity : 16;
    pvg_node **items = pvg_pool_array(reader->scratch, (size_t)capacity, sizeof *items);
    if (items == NULL) return pvt_error_status();
    if (list->count > 0) memcpy(items, list->items, (size_t)list->count * sizeof *items);
    list->items = items;
    list->capacity = capacity;
  }
  list->items[list->count++] = node;
  return PVT_OK;
}

static int call_function(reader *reader, context *context, const function *function,
                         pvg_value **inputs, int input_count, const draft *draft,
                         pvg_attribute *attributes, int attribute_count);

static int build_node(reader *reader, context *context, scope *scope, const draft *draft) {
  pvg_pool *pool = reader->source->pool;
  char what[NODE_TEXT];
  describe_node(draft, what);
  size_t input_count = draft->inputs.count, output_count = draft->outputs.count;
  /* Left out at the end is the same as not there. */
  while (input_count > 0 && draft->inputs.items[input_count - 1].size == 0) input_count--;
  while (output_count > 0 && draft->outputs.items[output_count - 1].size == 0) output_count--;
  pvg_node *node = pvg_pool_take(pool, sizeof *node);
  pvg_value **inputs = pvg_pool_array(pool, input_count, sizeof *inputs);
  pvg_attribute *attributes = pvg_pool_array(pool, draft->attributes.count, sizeof *attributes);
  if (node == NULL || inputs == NULL || attributes == NULL) return pvt_error_status();
  for (size_t i = 0; i < input_count; i++) {
    pvg_span name = draft->inputs.items[i];
    if (name.size > 0 && !look_up(scope, name, &inputs[i]))
      return pvt_fail(PVT_E_VALUE, "%s reads '%.*s', which nothing gives", what, SHOWN(name));
  }
  int attribute_count = 0, status;
  for (size_t i = 0; i < draft->attributes.count; i++) {
    status = pvg_build_attribute(reader, context, scope, draft->attributes.items[i], what,
                                 &attributes[attribute_count]);
    if (status < 0) return status;
    attribute_count += status;
  }
  size_t size;
  char *key = function_key(reader, draft->domain, draft->type, draft->overload, &size);
  if (key == NULL) return pvt_error_status();
  const function *function = pvg_names_get(&reader->functions, key, size, NULL);
  if (function != NULL)
    return call_function(reader, context, function, inputs, (int)input_count, draft, attributes,
                         attribute_count);
  pvg_span domain = draft->domain;
  if (is_main(domain)) domain.size = 0;
  node->name = pvg_pool_text(pool, (const char *)draft->name.at, draft->name.size);
  node->type = pvg_pool_text(pool, (const char *)draft->type.at, draft->type.size);
  node->domain = pvg_pool_text(pool, (const char *)domain.at, domain.size);
  node->version = version_of(context->imports, domain);
  node->outputs = pvg_pool_array(pool, output_count, sizeof(pvg_value *));
  if (node->name == NULL || node->type == NULL || node->domain == NULL || node->outputs == NULL)
    return pvt_error_status();
  for (size_t i = 0; i < output_count; i++) {
    node->outputs[i] = draft->made[i];
    if (draft->made[i] != NULL) draft->made[i]->producer = node;
  }
  node->inputs = inputs;
  node->input_count = (int)input_count;
  node->output_count = (int)output_count;
  node->attributes = attributes;
  node->attribute_count = attribute_count;
  node->operator = pvg_operator_find(node->domain, node->type, node->version);
  if (node->operator == NULL) status = pvg_note_unknown(reader, node);
  else if (node->input_count < node->operator->min_inputs ||
           (node->operator->max_inputs >= 0 && node->input_count > node->operator->max_inputs))
    status = pvt_fail(PVT_E_VALUE, "%s has %d inputs, which the operator does not take", what,
                      node->input_count);
  else status = PVT_OK;
  return status < 0 ? status : emit(reader, context, node);
}

/* Nodes of a graph or a function, in two rounds. */
static int build_nodes(reader *reader, context *context, scope *scope, const spans *nodes) {
  draft *drafts = pvg_pool_array(reader->scratch, nodes->count, sizeof *drafts);
  if (drafts == NULL) return pvt_error_status();
  int status = PVT_OK;
  for (size_t i = 0; i < nodes->count && status >= 0; i++) {
    status = read_node(reader, nodes->items[i], &drafts[i]);
    if (status >= 0) status = declare_outputs(reader, context, scope, &drafts[i]);
  }
  for (size_t i = 0; i < nodes->count && status >= 0; i++)
    status = build_node(reader, context, scope, &drafts[i]);
  return status;
}

/* An input of a function that is an output as well, with nothing in between. */
static int pass_through(reader *reader, context *body, scope *inner, pvg_span name) {
  pvg_value *result = pvg_names_get(&inner->results, name.at, name.size, NULL);
  pvg_value *given = pvg_names_get(&inner->values, name.at, name.size, NULL);
  if (result == NULL || result->producer != NULL || given == NULL || given == result) return PVT_OK;
  pvg_pool *pool = reader->source->pool;
  pvg_node *node = pvg_pool_take(pool, sizeof *node);
  pvg_value **values = pvg_pool_array(pool, 2, sizeof *values);
  if (node == NULL || values == NULL) return pvt_error_status();
  values[0] = given;
  values[1] = result;
  *node = (pvg_node){.name = "", .type = "Identity", .domain = "", .version = 13};
  node->operator = pvg_operator_find(node->domain, node->type, node->version);
  node->input_count = node->output_count = 1;
  node->inputs = values;
  node->outputs = values + 1;
  result->producer = node;
  int status = node->operator == NULL ? pvg_note_unknown(reader, node) : PVT_OK;
  return status < 0 ? status : emit(reader, body, node);
}

static int call_function(reader *reader, context *context, const function *function,
                         pvg_value **inputs, int input_count, const draft *draft,
                         pvg_attribute *attributes, int attribute_count) {
  if (context->depth == DEEPEST)
    return pvt_fail(PVT_E_VALUE, "the model's functions call each other more than %d deep",
                    DEEPEST);
  scope inner = {NULL};
  struct context body = {.graph = context->graph,
                         .list = context->list,
                         .imports = &function->imports,
                         .attributes = attributes,
                         .attribute_count = attribute_count,
                         .inside = true,
                         .depth = context->depth + 1};
  int status = pvg_build_defaults(reader, &body, &function->defaults);
  for (size_t i = 0; i < function->inputs.count && status >= 0; i++)
    status =
        declare(reader, &inner, function->inputs.items[i], (int)i < input_count ? inputs[i] : NULL);
  for (size_t i = 0; i < function->outputs.count && status >= 0; i++) {
    pvg_value *value = i < draft->outputs.count ? draft->made[i] : NULL;
    if (value == NULL) continue;
    pvg_span name = function->outputs.items[i];
    status = pvg_names_add(&inner.results, reader->scratch, name.at, name.size, value);
  }
  if (status >= 0) status = build_nodes(reader, &body, &inner, &function->nodes);
  for (size_t i = 0; i < function->outputs.count && status >= 0; i++)
    status = pass_through(reader, &body, &inner, function->outputs.items[i]);
  return status;
}

/* ---- Graphs ------------------------------------------------------------- */

typedef struct parts {
  spans nodes, inputs, outputs, initializers;
  pvg_span name;
} parts;

static int read_parts(reader *reader, pvg_span message, parts *parts) {
  *parts = (struct parts){.name = {(const uint8_t *)"", 0}};
  pvg_field field;
  int status;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.wire != PVG_BYTES) continue;
    switch (field.number) {
    case GRAPH_NODE: status = add_span(reader, &parts->nodes, field.bytes); break;
    case GRAPH_NAME: parts->name = field.bytes; break;
    case GRAPH_INITIALIZER: status = add_span(reader, &parts->initializers, field.bytes); break;
    case GRAPH_INPUT: status = add_span(reader, &parts->inputs, field.bytes); break;
    case GRAPH_OUTPUT: status = add_span(reader, &parts->outputs, field.bytes); break;
    case GRAPH_SPARSE:
      return pvt_fail(PVT_E_VALUE, "the model has sparse constants, which are not supported");
    default: break;
    }
    if (status < 0) return status;
  }
  return status;
}

static int build_constants(reader *reader, context *context, scope *scope, const spans *tensors) {
  for (size_t i = 0; i < tensors->count; i++) {
    pvg_span name;
    int status = pvg_onnx_tensor_name(tensors->items[i], &name);
    if (status < 0) return status;
    pvg_value *value = new_value(reader, context->graph, name);
    if (value == NULL) return pvt_error_status();
    char what[NODE_TEXT];
    snprintf(what, sizeof what, "the constant '%.*s'", SHOWN(name));
    const pvt_array *array;
    status = pvg_onnx_tensor(reader->source, tensors->items[i], what, &array);
    if (status == PVT_OK) status = declare(reader, scope, name, value);
    if (status < 0) return status;
    pvg_info_of(&value->info, array);
    value->info.constant = array;
  }
  return PVT_OK;
}

static int build_inputs(reader *reader, context *context, scope *scope, const spans *ports) {
  pvg_graph *graph = context->graph;
  graph->inputs = pvg_pool_array(reader->source->pool, ports->count, sizeof(pvg_value *));
  if (graph->inputs == NULL) return pvt_error_status();
  for (size_t i = 0; i < ports->count; i++) {
    pvg_span name;
    pvg_info info;
    int status = pvg_build_port(reader, ports->items[i], &name, &info);
    if (status < 0) return status;
    bool constant = false;
    pvg_names_get(&scope->values, name.at, name.size, &constant);
    if (constant && graph->outer == NULL) continue; /* in ONNX's first versions they were both */
    pvg_value *value = new_value(reader, graph, name);
    if (value == NULL) return pvt_error_status();
    value->info = info;
    if ((status = declare(reader, scope, name, value)) < 0) return status;
    graph->inputs[graph->input_count++] = value;
  }
  return PVT_OK;
}

static int build_outputs(reader *reader, context *context, scope *scope, const spans *ports) {
  pvg_graph *graph = context->graph;
  graph->outputs = pvg_pool_array(reader->source->pool, ports->count, sizeof(pvg_value *));
  if (graph->outputs == NULL) return pvt_error_status();
  for (size_t i = 0; i < ports->count; i++) {
    pvg_span name;
    pvg_info info;
    int status = pvg_build_port(reader, ports->items[i], &name, &info);
    if (status < 0) return status;
    pvg_value *value;
    if (!look_up(scope, name, &value) || value == NULL)
      return pvt_fail(PVT_E_VALUE, "the model's output '%.*s' is given by nothing", SHOWN(name));
    if (value->info.dtype < 0) value->info.dtype = info.dtype;
    graph->outputs[graph->output_count++] = value;
  }
  return PVT_OK;
}

int pvg_build_graph(reader *reader, const context *around, const scope *outer, pvg_span message,
                    pvg_graph **made) {
  if (around->depth == DEEPEST)
    return pvt_fail(PVT_E_VALUE, "the model has graphs more than %d deep", DEEPEST);
  pvg_graph *graph = pvg_pool_take(reader->source->pool, sizeof *graph);
  if (graph == NULL) return pvt_error_status();
  graph->outer = around->graph;
  node_list list = {0};
  scope scope = {.outer = outer};
  context context = *around;
  context.graph = graph;
  context.list = &list;
  context.depth++;
  parts parts;
  int status = read_parts(reader, message, &parts);
  if (status >= 0) status = build_constants(reader, &context, &scope, &parts.initializers);
  if (status >= 0) status = build_inputs(reader, &context, &scope, &parts.inputs);
  if (status >= 0) status = build_nodes(reader, &context, &scope, &parts.nodes);
  if (status >= 0) status = build_outputs(reader, &context, &scope, &parts.outputs);
  if (status < 0) return status;
  graph->name = pvg_pool_text(reader->source->pool, (const char *)parts.name.at, parts.name.size);
  graph->nodes = pvg_pool_array(reader->source->pool, (size_t)list.count, sizeof *graph->nodes);
  if (graph->name == NULL || graph->nodes == NULL) return pvt_error_status();
  if (list.count > 0) memcpy(graph->nodes, list.items, (size_t)list.count * sizeof *graph->nodes);
  graph->node_count = list.count;
  *made = graph;
  return PVT_OK;
}

/* ---- Models ------------------------------------------------------------- */

static int read_model(reader *reader, pvg_span message, pvg_graph **graph) {
  imports *imports = pvg_pool_take(reader->scratch, sizeof *imports);
  if (imports == NULL) return pvt_error_status();
  pvg_span found = {NULL, 0};
  pvg_field field;
  int status;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.wire != PVG_BYTES) continue;
    if (field.number == MODEL_GRAPH) found = field.bytes;
    else if (field.number == MODEL_OPSET) status = read_opset(reader, imports, field.bytes);
    else if (field.number == MODEL_FUNCTIONS) status = read_function(reader, field.bytes);
    if (status < 0) return status;
  }
  if (status < 0) return status;
  if (found.at == NULL)
    return pvt_fail(PVT_E_VALUE, "this is no ONNX model, or it is damaged: it has no graph");
  context context = {.imports = imports};
  status = pvg_build_graph(reader, &context, NULL, found, graph);
  return status < 0 ? status : pvg_refuse_unknown(reader);
}

int pvg_onnx_read(const pvg_source *source, pvg_span model, pvg_symbols *symbols,
                  pvg_graph **graph) {
  reader reader = {.source = source, .symbols = symbols, .scratch = pvg_pool_new()};
  if (reader.scratch == NULL) return pvt_error_status();
  int status = read_model(&reader, model, graph);
  pvg_pool_release(reader.scratch);
  return status < 0 ? status : pvg_graph_index(source->pool, *graph);
}

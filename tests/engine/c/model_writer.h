/* model_writer.h - small ONNX models, written by hand, for programs that cannot import onnx. */
#ifndef MODEL_WRITER_H
#define MODEL_WRITER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A message that is being written. */
typedef struct message {
  unsigned char *bytes;
  size_t size, capacity;
} message;

static void put_bytes(message *m, const void *bytes, size_t size) {
  if (m->size + size > m->capacity) {
    m->capacity = 2 * (m->size + size) + 64;
    m->bytes = realloc(m->bytes, m->capacity);
    if (m->bytes == NULL) abort();
  }
  if (size > 0) memcpy(m->bytes + m->size, bytes, size);
  m->size += size;
}

static void put_varint(message *m, uint64_t value) {
  for (; value >= 128; value >>= 7) {
    unsigned char byte = (unsigned char)(value | 128);
    put_bytes(m, &byte, 1);
  }
  unsigned char last = (unsigned char)value;
  put_bytes(m, &last, 1);
}

static void put_number(message *m, int field, uint64_t value) {
  put_varint(m, (uint64_t)field << 3);
  put_varint(m, value);
}

static void put_field(message *m, int field, const void *bytes, size_t size) {
  put_varint(m, (uint64_t)field << 3 | 2);
  put_varint(m, size);
  put_bytes(m, bytes, size);
}

static void put_text(message *m, int field, const char *text) {
  put_field(m, field, text, strlen(text));
}

/* `inner` becomes a field of `m`, and is empty again. */
static void put_message(message *m, int field, message *inner) {
  put_field(m, field, inner->bytes, inner->size);
  free(inner->bytes);
  *inner = (message){0};
}

/* ---- Parts of a model --------------------------------------------------- */

enum { ONNX_FLOAT = 1, ONNX_INT64 = 7, ONNX_BOOL = 9 };

/* A constant: TensorProto with raw bytes. */
static void put_tensor(message *m, int field, const char *name, int type, int ndim,
                       const int64_t *shape, const void *data, size_t bytes) {
  message tensor = {0};
  for (int i = 0; i < ndim; i++) put_number(&tensor, 1, (uint64_t)shape[i]);
  put_number(&tensor, 2, (uint64_t)type);
  put_text(&tensor, 8, name);
  put_field(&tensor, 9, data, bytes);
  put_message(m, field, &tensor);
}

/* Random floats of [-1, 1). */
static void put_floats(message *graph, const char *name, int ndim, const int64_t *shape) {
  int64_t count = 1;
  for (int i = 0; i < ndim; i++) count *= shape[i];
  float *data = malloc((size_t)count * sizeof *data + 1);
  if (data == NULL) abort();
  for (int64_t i = 0; i < count; i++)
    data[i] = (float)((double)((uint64_t)(i * 2654435761u + 12345) % 20001) / 10000 - 1);
  put_tensor(graph, 5, name, ONNX_FLOAT, ndim, shape, data, (size_t)count * sizeof *data);
  free(data);
}

static void put_ints(message *graph, const char *name, int count, const int64_t *values) {
  int64_t shape = count;
  put_tensor(graph, 5, name, ONNX_INT64, 1, &shape, values, (size_t)count * sizeof *values);
}

/* ValueInfoProto; sizes below 0 are the symbol "n". */
static void put_port(message *graph, int field, const char *name, int type, int ndim,
                     const int64_t *shape) {
  message port = {0}, tensor = {0}, sizes = {0}, whole = {0};
  for (int i = 0; i < ndim; i++) {
    message size = {0};
    if (shape[i] >= 0) put_number(&size, 1, (uint64_t)shape[i]);
    else put_text(&size, 2, "n");
    put_message(&sizes, 1, &size);
  }
  put_number(&tensor, 1, (uint64_t)type);
  put_message(&tensor, 2, &sizes);
  put_message(&whole, 1, &tensor);
  put_text(&port, 1, name);
  put_message(&port, 2, &whole);
  put_message(graph, field, &port);
}

/* NodeProto; names are apart by spaces, attributes are what was written to `attributes`. */
static void put_node(message *graph, const char *type, const char *inputs, const char *outputs,
                     message *attributes) {
  message node = {0};
  const char *const lists[] = {inputs, outputs};
  for (int l = 0; l < 2; l++)
    for (const char *at = lists[l]; *at != 0;) {
      size_t size = strcspn(at, " ");
      if (size == 1 && *at == '-') put_field(&node, l + 1, "", 0);
      else put_field(&node, l + 1, at, size);
      at += size + (at[size] != 0);
    }
  put_text(&node, 4, type);
  if (attributes != NULL) {
    put_bytes(&node, attributes->bytes, attributes->size);
    free(attributes->bytes);
    *attributes = (message){0};
  }
  put_message(graph, 1, &node);
}

static void put_int_attribute(message *attributes, const char *name, int64_t value) {
  message attribute = {0};
  put_text(&attribute, 1, name);
  put_number(&attribute, 3, (uint64_t)value);
  put_number(&attribute, 20, 2);
  put_message(attributes, 5, &attribute);
}

static void put_ints_attribute(message *attributes, const char *name, int count,
                               const int64_t *values) {
  message attribute = {0};
  put_text(&attribute, 1, name);
  for (int i = 0; i < count; i++) put_number(&attribute, 8, (uint64_t)values[i]);
  put_number(&attribute, 20, 7);
  put_message(attributes, 5, &attribute);
}

static void put_graph_attribute(message *attributes, const char *name, message *graph) {
  message attribute = {0};
  put_text(&attribute, 1, name);
  put_message(&attribute, 6, graph);
  put_number(&attribute, 20, 5);
  put_message(attributes, 5, &attribute);
}

/* ModelProto around a graph, with what is in `more` (functions). */
static message finish_model(message *graph, message *more) {
  message model = {0}, opset = {0};
  put_number(&model, 1, 10);
  put_text(&opset, 1, "");
  put_number(&opset, 2, 20);
  put_message(&model, 8, &opset);
  put_text(&opset, 1, "own");
  put_number(&opset, 2, 1);
  put_message(&model, 8, &opset);
  put_text(graph, 2, "written");
  put_message(&model, 7, graph);
  if (more != NULL) {
    put_bytes(&model, more->bytes, more->size);
    free(more->bytes);
    *more = (message){0};
  }
  return model;
}

/* ---- Models ------------------------------------------------------------- */

/* Convolutions with a normalisation, a residual, pooling, and a product: x is [n, 3, 8, 8]. */
static message image_model(void) {
  message g = {0}, a = {0};
  put_port(&g, 11, "x", ONNX_FLOAT, 4, (int64_t[]){-1, 3, 8, 8});
  put_floats(&g, "w1", 4, (int64_t[]){16, 3, 3, 3});
  put_floats(&g, "b1", 1, (int64_t[]){16});
  put_floats(&g, "w2", 4, (int64_t[]){16, 16, 1, 1});
  put_floats(&g, "scale", 1, (int64_t[]){16});
  put_floats(&g, "w3", 2, (int64_t[]){16, 5});
  put_ints_attribute(&a, "pads", 4, (int64_t[]){1, 1, 1, 1});
  put_node(&g, "Conv", "x w1 b1", "c1", &a);
  put_node(&g, "Relu", "c1", "r1", NULL);
  put_node(&g, "Conv", "r1 w2", "c2", NULL);
  put_node(&g, "Abs", "scale", "variance", NULL);
  put_node(&g, "BatchNormalization", "c2 scale b1 b1 variance", "n2", NULL);
  put_node(&g, "Add", "n2 r1", "s2", NULL);
  put_node(&g, "Relu", "s2", "r2", NULL);
  put_ints_attribute(&a, "kernel_shape", 2, (int64_t[]){2, 2});
  put_ints_attribute(&a, "strides", 2, (int64_t[]){2, 2});
  put_node(&g, "MaxPool", "r2", "p2", &a);
  put_node(&g, "GlobalAveragePool", "p2", "p3", NULL);
  put_node(&g, "Flatten", "p3", "f", NULL);
  put_node(&g, "MatMul", "f w3", "y", NULL);
  put_port(&g, 12, "y", ONNX_FLOAT, 2, (int64_t[]){-1, 5});
  return finish_model(&g, NULL);
}

/* Attention over tokens, shapes computed from shapes, GELU written out: x is [n, n', 8]. */
static message token_model(void) {
  message g = {0}, a = {0};
  put_port(&g, 11, "x", ONNX_FLOAT, 3, (int64_t[]){-1, -1, 8});
  put_floats(&g, "w", 2, (int64_t[]){8, 8});
  put_floats(&g, "row", 1, (int64_t[]){8});
  put_ints(&g, "axis", 1, (int64_t[]){-1});
  put_ints(&g, "zero", 1, (int64_t[]){0});
  put_ints(&g, "two", 1, (int64_t[]){2});
  put_ints(&g, "four", 2, (int64_t[]){2, 4});
  float one = 1, half = 0.5f, root = 1.41421356f, epsilon = 1e-5f, square = 2;
  put_tensor(&g, 5, "one", ONNX_FLOAT, 0, NULL, &one, sizeof one);
  put_tensor(&g, 5, "half", ONNX_FLOAT, 0, NULL, &half, sizeof half);
  put_tensor(&g, 5, "root", ONNX_FLOAT, 0, NULL, &root, sizeof root);
  put_tensor(&g, 5, "epsilon", ONNX_FLOAT, 0, NULL, &epsilon, sizeof epsilon);
  put_tensor(&g, 5, "square", ONNX_FLOAT, 0, NULL, &square, sizeof square);
  put_node(&g, "MatMul", "x w", "q0", NULL);
  put_node(&g, "Add", "q0 row", "q1", NULL);
  put_node(&g, "Shape", "x", "shape", NULL);
  put_node(&g, "Slice", "shape zero two", "front", NULL);
  put_int_attribute(&a, "axis", 0);
  put_node(&g, "Concat", "front four", "split", &a);
  put_node(&g, "Reshape", "q1 split", "q2", NULL);
  put_ints_attribute(&a, "perm", 4, (int64_t[]){0, 2, 1, 3});
  put_node(&g, "Transpose", "q2", "q3", &a);
  put_ints_attribute(&a, "perm", 4, (int64_t[]){0, 2, 3, 1});
  put_node(&g, "Transpose", "q2", "k3", &a);
  put_node(&g, "MatMul", "q3 k3", "scores", NULL);
  put_node(&g, "Softmax", "scores", "weights", NULL);
  put_node(&g, "MatMul", "weights q3", "mixed", NULL);
  put_ints_attribute(&a, "perm", 4, (int64_t[]){0, 2, 1, 3});
  put_node(&g, "Transpose", "mixed", "back", &a);
  put_node(&g, "Reshape", "back shape", "joined", NULL);
  put_node(&g, "Add", "joined x", "sum", NULL);
  put_node(&g, "ReduceMean", "sum axis", "mean", NULL);
  put_node(&g, "Sub", "sum mean", "centred", NULL);
  put_node(&g, "Pow", "centred square", "squares", NULL);
  put_node(&g, "ReduceMean", "squares axis", "variance", NULL);
  put_node(&g, "Add", "variance epsilon", "positive", NULL);
  put_node(&g, "Sqrt", "positive", "deviation", NULL);
  put_node(&g, "Div", "centred deviation", "normal", NULL);
  put_node(&g, "Mul", "normal row", "scaled", NULL);
  put_node(&g, "Add", "scaled row", "moved", NULL);
  put_node(&g, "Div", "moved root", "e0", NULL);
  put_node(&g, "Erf", "e0", "e1", NULL);
  put_node(&g, "Add", "e1 one", "e2", NULL);
  put_node(&g, "Mul", "moved e2", "e3", NULL);
  put_node(&g, "Mul", "e3 half", "y", NULL);
  put_port(&g, 12, "y", ONNX_FLOAT, 3, (int64_t[]){-1, -1, 8});
  return finish_model(&g, NULL);
}

/* A loop with a captured value, a condition, a function, sizes that depend on elements: x is [n]. */
static message control_model(void) {
  message g = {0}, a = {0}, body = {0}, yes = {0}, no = {0}, more = {0}, function = {0};
  int64_t trips = 3;
  unsigned char go = 1;
  put_port(&g, 11, "x", ONNX_FLOAT, 1, (int64_t[]){-1});
  put_tensor(&g, 5, "trips", ONNX_INT64, 0, NULL, &trips, sizeof trips);
  put_tensor(&g, 5, "go", ONNX_BOOL, 0, NULL, &go, sizeof go);
  put_port(&body, 11, "i", ONNX_INT64, 0, NULL);
  put_port(&body, 11, "on", ONNX_BOOL, 0, NULL);
  put_port(&body, 11, "state", ONNX_FLOAT, 1, (int64_t[]){-1});
  put_node(&body, "Identity", "on", "on_out", NULL);
  put_node(&body, "Add", "state x", "next", NULL);
  put_node(&body, "Identity", "next", "seen", NULL);
  put_port(&body, 12, "on_out", ONNX_BOOL, 0, NULL);
  put_port(&body, 12, "next", ONNX_FLOAT, 1, (int64_t[]){-1});
  put_port(&body, 12, "seen", ONNX_FLOAT, 1, (int64_t[]){-1});
  put_text(&body, 2, "body");
  put_graph_attribute(&a, "body", &body);
  put_node(&g, "Loop", "trips go x", "last all", &a);
  put_node(&g, "NonZero", "x", "places", NULL);
  put_node(&g, "Twice", "last", "twice", NULL); /* the model's own function */
  put_port(&yes, 12, "kept", ONNX_FLOAT, 1, (int64_t[]){-1});
  put_node(&yes, "Neg", "twice", "kept", NULL);
  put_text(&yes, 2, "yes");
  put_port(&no, 12, "left", ONNX_FLOAT, 1, (int64_t[]){-1});
  put_node(&no, "Add", "twice x", "left", NULL);
  put_text(&no, 2, "no");
  put_graph_attribute(&a, "then_branch", &yes);
  put_graph_attribute(&a, "else_branch", &no);
  put_node(&g, "If", "go", "y", &a);
  put_port(&g, 12, "y", ONNX_FLOAT, 1, (int64_t[]){-1});
  put_port(&g, 12, "all", ONNX_FLOAT, 2, (int64_t[]){3, -1});
  put_port(&g, 12, "places", ONNX_INT64, 2, (int64_t[]){1, -1});
  message opset = {0};
  put_text(&function, 1, "Twice");
  put_text(&function, 4, "given");
  put_text(&function, 5, "made");
  message node = {0};
  put_text(&node, 1, "given");
  put_text(&node, 1, "given");
  put_text(&node, 2, "made");
  put_text(&node, 4, "Add");
  put_message(&function, 7, &node);
  put_text(&opset, 1, "");
  put_number(&opset, 2, 20);
  put_message(&function, 9, &opset);
  put_message(&more, 25, &function);
  return finish_model(&g, &more);
}

#endif

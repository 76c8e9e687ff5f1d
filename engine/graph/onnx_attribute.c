/* onnx_attribute.c - AttributeProto, and references to attributes within functions. */
#include <stdio.h>
#include <string.h>

#include "build.h"

enum {
  A_NAME = 1,
  A_FLOAT = 2,
  A_INT = 3,
  A_STRING = 4,
  A_TENSOR = 5,
  A_GRAPH = 6,
  A_FLOATS = 7,
  A_INTS = 8,
  A_STRINGS = 9,
  A_TENSORS = 10,
  A_GRAPHS = 11,
  A_TYPE_PROTO = 14,
  A_TYPE_PROTOS = 15,
  A_TYPE = 20,
  A_REFERENCE = 21,
  A_SPARSE = 22,
  A_SPARSES = 23
};

/* AttributeProto's type by the field that holds it, for old models that do not say. */
static const uint8_t types[] = {
    [A_FLOAT] = 1,   [A_INT] = 2,      [A_STRING] = 3,      [A_TENSOR] = 4,      [A_GRAPH] = 5,
    [A_FLOATS] = 6,  [A_INTS] = 7,     [A_STRINGS] = 8,     [A_TENSORS] = 9,     [A_GRAPHS] = 10,
    [A_SPARSE] = 11, [A_SPARSES] = 12, [A_TYPE_PROTO] = 13, [A_TYPE_PROTOS] = 14};

typedef struct raw {
  pvg_span name, reference, text, tensor, graph;
  uint64_t type, i;
  float f;
} raw;

static int count_numbers(pvg_span message, uint32_t number, pvg_wire wire, size_t *count) {
  pvg_field field;
  int status;
  *count = 0;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.number != number) continue;
    size_t state = 0;
    uint64_t value;
    while ((status = pvg_number_next(&field, wire, &state, &value)) == 1) ++*count;
    if (status < 0) return status;
  }
  return status;
}

static int read_numbers(reader *reader, pvg_span message, pvg_attribute *attribute) {
  bool ints = attribute->kind == PVG_INTS;
  uint32_t number = ints ? A_INTS : A_FLOATS;
  pvg_wire wire = ints ? PVG_VARINT : PVG_FIXED32;
  size_t count, done = 0;
  int status = count_numbers(message, number, wire, &count);
  if (status < 0) return status;
  size_t size = ints ? sizeof(int64_t) : sizeof(float);
  char *items = pvg_pool_array(reader->source->pool, count, size);
  if (items == NULL) return pvt_error_status();
  pvg_field field;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.number != number) continue;
    size_t state = 0;
    uint64_t value;
    while (pvg_number_next(&field, wire, &state, &value) == 1)
      memcpy(items + size * done++, &value, size);
  }
  attribute->count = (int64_t)count;
  if (ints) attribute->ints = (const int64_t *)items;
  else attribute->floats = (const float *)items;
  return status;
}

static int read_strings(reader *reader, pvg_span message, pvg_attribute *attribute) {
  size_t count = 0, done = 0;
  pvg_span rest = message;
  pvg_field field;
  int status;
  while ((status = pvg_field_next(&rest, &field)) == 1) count += field.number == A_STRINGS;
  if (status < 0) return status;
  const char **items = pvg_pool_array(reader->source->pool, count, sizeof *items);
  if (items == NULL) return pvt_error_status();
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.number != A_STRINGS) continue;
    items[done] =
        pvg_pool_text(reader->source->pool, (const char *)field.bytes.at, field.bytes.size);
    if (items[done++] == NULL) return pvt_error_status();
  }
  attribute->count = (int64_t)count;
  attribute->strings = items;
  return PVT_OK;
}

static int read_raw(pvg_span message, raw *raw) {
  pvg_span none = {(const uint8_t *)"", 0};
  *raw = (struct raw){.name = none, .reference = none, .text = none};
  pvg_field field;
  uint64_t implied = 0;
  int status;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.number < sizeof types && types[field.number] > 0) implied = types[field.number];
    bool bytes = field.wire == PVG_BYTES;
    switch (field.number) {
    case A_NAME:
      if (bytes) raw->name = field.bytes;
      break;
    case A_REFERENCE:
      if (bytes) raw->reference = field.bytes;
      break;
    case A_STRING:
      if (bytes) raw->text = field.bytes;
      break;
    case A_TENSOR:
      if (bytes) raw->tensor = field.bytes;
      break;
    case A_GRAPH:
      if (bytes) raw->graph = field.bytes;
      break;
    case A_TYPE: raw->type = field.value; break;
    case A_INT: raw->i = field.value; break;
    case A_FLOAT: raw->f = pvg_float_bits(field.value); break;
    default: break;
    }
  }
  if (raw->type == 0) raw->type = implied;
  return status;
}

static const pvg_attribute *caller_attribute(const context *context, pvg_span name) {
  for (int i = 0; i < context->attribute_count; i++)
    if (pvg_span_is(name, context->attributes[i].name)) return &context->attributes[i];
  return NULL;
}

int pvg_build_attribute(reader *reader, const context *context, const scope *scope,
                        pvg_span message, const char *what, pvg_attribute *attribute) {
  raw raw;
  int status = read_raw(message, &raw);
  if (status < 0) return status;
  pvg_pool *pool = reader->source->pool;
  attribute->name = pvg_pool_text(pool, (const char *)raw.name.at, raw.name.size);
  if (attribute->name == NULL) return pvt_error_status();
  if (raw.reference.size > 0) {
    if (!context->inside)
      return pvt_fail(PVT_E_VALUE,
                      "the attribute '%s' of %s refers to a function's, outside of any",
                      attribute->name, what);
    const pvg_attribute *given = caller_attribute(context, raw.reference);
    if (given == NULL) return 0;
    const char *name = attribute->name;
    *attribute = *given;
    attribute->name = name;
    return 1;
  }
  switch (raw.type) {
  case 1:
    attribute->kind = PVG_FLOAT;
    attribute->f = raw.f;
    break;
  case 2:
    attribute->kind = PVG_INT;
    attribute->i = (int64_t)raw.i;
    break;
  case 3:
    attribute->kind = PVG_STRING;
    attribute->count = (int64_t)raw.text.size;
    attribute->s = pvg_pool_text(pool, (const char *)raw.text.at, raw.text.size);
    if (attribute->s == NULL) status = pvt_error_status();
    break;
  case 4: {
    char text[NODE_TEXT + 100];
    snprintf(text, sizeof text, "the attribute '%.60s' of %s", attribute->name, what);
    attribute->kind = PVG_TENSOR;
    status = pvg_onnx_tensor(reader->source, raw.tensor, text, &attribute->tensor);
    break;
  }
  case 5:
    attribute->kind = PVG_GRAPH;
    status = pvg_build_graph(reader, context, scope, raw.graph, &attribute->graph);
    break;
  case 6:
    attribute->kind = PVG_FLOATS;
    status = read_numbers(reader, message, attribute);
    break;
  case 7:
    attribute->kind = PVG_INTS;
    status = read_numbers(reader, message, attribute);
    break;
  case 8:
    attribute->kind = PVG_STRINGS;
    status = read_strings(reader, message, attribute);
    break;
  default:
    return pvt_fail(PVT_E_VALUE, "the attribute '%s' of %s is of kind %llu, which is not supported",
                    attribute->name, what, (unsigned long long)raw.type);
  }
  return status < 0 ? status : 1;
}

int pvg_build_defaults(reader *reader, context *context, const spans *defaults) {
  if (defaults->count == 0) return PVT_OK;
  size_t count = defaults->count + (size_t)context->attribute_count;
  pvg_attribute *all = pvg_pool_array(reader->scratch, count, sizeof *all);
  if (all == NULL) return pvt_error_status();
  int done = context->attribute_count;
  if (done > 0) memcpy(all, context->attributes, (size_t)done * sizeof *all);
  for (size_t i = 0; i < defaults->count; i++) {
    raw raw;
    int status = read_raw(defaults->items[i], &raw);
    if (status < 0) return status;
    if (caller_attribute(context, raw.name) != NULL) continue;
    status =
        pvg_build_attribute(reader, context, NULL, defaults->items[i], "a function", &all[done]);
    if (status < 0) return status;
    done += status;
  }
  context->attributes = all;
  context->attribute_count = done;
  return PVT_OK;
}

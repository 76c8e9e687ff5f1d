/* onnx_type.c - TypeProto and ValueInfoProto; names of sizes; operators that there are not. */
#include <stdio.h>
#include <string.h>

#include "build.h"

const char *pvg_symbol_name(const pvg_symbols *symbols, pvg_size symbol) {
  return symbol < 0 && -symbol <= symbols->named ? symbols->names[-symbol - 1] : NULL;
}

/* A symbol, named or (name NULL) not. */
static int new_symbol(reader *reader, const char *name, pvg_size *symbol) {
  pvg_symbols *symbols = reader->symbols;
  if ((symbols->count & (symbols->count + 1)) == 0) { /* 0, 1, 3, 7 ...: full */
    size_t capacity = (size_t)(2 * symbols->count + 1);
    const char **names = pvg_pool_array(reader->source->pool, capacity, sizeof *names);
    if (names == NULL) return pvt_error_status();
    if (symbols->count > 0) memcpy(names, symbols->names, (size_t)symbols->count * sizeof *names);
    symbols->names = names;
  }
  symbols->names[symbols->count++] = name;
  symbols->named = symbols->count;
  *symbol = -symbols->count;
  return PVT_OK;
}

static int named_symbol(reader *reader, pvg_span name, pvg_size *symbol) {
  bool found;
  uintptr_t known = (uintptr_t)pvg_names_get(&reader->symbols->numbers, name.at, name.size, &found);
  if (found) {
    *symbol = -(pvg_size)known;
    return PVT_OK;
  }
  pvg_pool *pool = reader->source->pool;
  char *text = pvg_pool_text(pool, (const char *)name.at, name.size);
  if (text == NULL) return pvt_error_status();
  int status = new_symbol(reader, text, symbol);
  if (status < 0) return status;
  status =
      pvg_names_add(&reader->symbols->numbers, pool, text, name.size, (void *)(uintptr_t)-*symbol);
  return status < 0 ? status : PVT_OK;
}

static int read_dimension(reader *reader, pvg_span message, pvg_size *size) {
  pvg_span symbol = {NULL, 0};
  int64_t number = -1;
  pvg_field field;
  int status;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.number == 1 && field.wire == PVG_VARINT) number = (int64_t)field.value;
    if (field.number == 2 && field.wire == PVG_BYTES) symbol = field.bytes;
  }
  if (status < 0) return status;
  *size = number;
  if (number >= 0) return PVT_OK;
  return symbol.size > 0 ? named_symbol(reader, symbol, size) : new_symbol(reader, NULL, size);
}

static int read_shape(reader *reader, pvg_span message, const char *what, pvg_info *info) {
  pvg_field field;
  int status;
  info->ranked = true;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.number != 1 || field.wire != PVG_BYTES) continue;
    if (info->ndim == PVT_MAX_DIMS)
      return pvt_fail(PVT_E_SHAPE, "%s has more than %d dimensions", what, PVT_MAX_DIMS);
    status = read_dimension(reader, field.bytes, &info->size[info->ndim++]);
    if (status < 0) return status;
  }
  return status;
}

static int read_tensor_type(reader *reader, pvg_span message, const char *what, pvg_info *info) {
  pvg_field field;
  int status;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.number == 1 && field.wire == PVG_VARINT && field.value != 0) {
      info->dtype = pvg_onnx_dtype(field.value, what);
      if (info->dtype < 0) return pvt_error_status();
    } else if (field.number == 2 && field.wire == PVG_BYTES) {
      info->ndim = 0;
      if ((status = read_shape(reader, field.bytes, what, info)) < 0) return status;
    }
  }
  return status;
}

int pvg_build_port(reader *reader, pvg_span message, pvg_span *name, pvg_info *info) {
  *name = (pvg_span){(const uint8_t *)"", 0};
  *info = (pvg_info){.dtype = -1};
  pvg_span type = {NULL, 0};
  pvg_field field;
  int status;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.number == 1 && field.wire == PVG_BYTES) *name = field.bytes;
    if (field.number == 2 && field.wire == PVG_BYTES) type = field.bytes;
  }
  if (status < 0) return status;
  if (name->size == 0)
    return pvt_fail(PVT_E_VALUE, "an input or an output of the model has no name");
  char what[NODE_TEXT];
  snprintf(what, sizeof what, "'%.*s'", SHOWN(*name));
  while ((status = pvg_field_next(&type, &field)) == 1) {
    if (field.wire != PVG_BYTES) continue;
    if (field.number == 1) status = read_tensor_type(reader, field.bytes, what, info);
    else if (field.number == 4 || field.number == 5 || field.number == 8 || field.number == 9)
      status = pvt_fail(PVT_E_DTYPE, "%s is a %s: only tensors are supported", what,
                        field.number == 4   ? "sequence"
                        : field.number == 5 ? "map"
                        : field.number == 8 ? "sparse tensor"
                                            : "optional value");
    if (status < 0) return status;
  }
  return status;
}

/* ---- Operators that there are not --------------------------------------- */

int pvg_note_unknown(reader *reader, const pvg_node *node) {
  char text[200];
  const char *dot = node->domain[0] != 0 ? "." : "";
  int size = snprintf(text, sizeof text, "%.80s%s%.80s (version %d)", node->domain, dot, node->type,
                      node->version);
  char *key = pvg_pool_text(reader->scratch, text, (size_t)size);
  if (key == NULL) return pvt_error_status();
  int status = pvg_names_add(&reader->unknown_seen, reader->scratch, key, (size_t)size, key);
  if (status <= 0) return status;
  if (reader->unknown_size + (size_t)size + 3 > sizeof reader->unknown) {
    reader->unknown_more++;
    return PVT_OK;
  }
  reader->unknown_size += (size_t)snprintf(reader->unknown + reader->unknown_size,
                                           sizeof reader->unknown - reader->unknown_size, "%s%s",
                                           reader->unknown_size > 0 ? ", " : "", text);
  return PVT_OK;
}

int pvg_refuse_unknown(const reader *reader) {
  if (reader->unknown_size == 0) return PVT_OK;
  char more[40] = "";
  if (reader->unknown_more > 0) snprintf(more, sizeof more, " and %d more", reader->unknown_more);
  return pvt_fail(PVT_E_UNSUPPORTED, "the model needs operators that there are not: %s%s",
                  reader->unknown, more);
}

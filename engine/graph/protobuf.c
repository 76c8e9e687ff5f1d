/* protobuf.c - reading protocol buffers in place. */
#include "protobuf.h"

#include <string.h>

static int damaged(const char *what) {
  return pvt_fail(PVT_E_VALUE, "this is no ONNX model, or it is damaged: %s", what);
}

int pvg_packed_varint(pvg_span *packed, uint64_t *value) {
  if (packed->size == 0) return 0;
  uint64_t number = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (packed->size == 0) return damaged("it ends within a number");
    uint8_t byte = *packed->at++;
    packed->size--;
    if (shift < 64) number |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = number;
      return 1;
    }
  }
  return damaged("a number has more than ten bytes");
}

int pvg_packed_fixed(pvg_span *packed, size_t bytes, uint64_t *value) {
  if (packed->size == 0) return 0;
  if (packed->size < bytes) return damaged("it ends within a number");
  *value = 0;
  memcpy(value, packed->at, bytes);
  packed->at += bytes;
  packed->size -= bytes;
  return 1;
}

int pvg_field_next(pvg_span *message, pvg_field *field) {
  uint64_t tag;
  int status = pvg_packed_varint(message, &tag);
  if (status <= 0) return status;
  if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return damaged("a field has no valid number");
  field->number = (uint32_t)(tag >> 3);
  field->wire = (pvg_wire)(tag & 7);
  field->value = 0;
  field->bytes = (pvg_span){NULL, 0};
  switch (field->wire) {
  case PVG_VARINT:
    status = pvg_packed_varint(message, &field->value);
    return status == 0 ? damaged("it ends within a field") : status;
  case PVG_FIXED64:
  case PVG_FIXED32:
    status = pvg_packed_fixed(message, field->wire == PVG_FIXED64 ? 8 : 4, &field->value);
    return status == 0 ? damaged("it ends within a field") : status;
  case PVG_BYTES: {
    uint64_t size;
    status = pvg_packed_varint(message, &size);
    if (status < 0) return status;
    if (status == 0 || size > message->size) return damaged("a field is longer than what holds it");
    field->bytes = (pvg_span){message->at, size};
    message->at += size;
    message->size -= size;
    return 1;
  }
  }
  return damaged("a field is of an unknown kind");
}

int pvg_number_next(const pvg_field *field, pvg_wire wire, size_t *state, uint64_t *value) {
  if (field->wire == wire) {
    *value = field->value;
    return (*state)++ == 0 ? 1 : 0;
  }
  if (field->wire != PVG_BYTES) return damaged("a list of numbers is of another kind");
  pvg_span rest = {field->bytes.at + *state, field->bytes.size - *state};
  int status = wire == PVG_VARINT ? pvg_packed_varint(&rest, value)
                                  : pvg_packed_fixed(&rest, wire == PVG_FIXED64 ? 8 : 4, value);
  *state = field->bytes.size - rest.size;
  return status;
}

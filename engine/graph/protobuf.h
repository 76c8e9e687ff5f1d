/* protobuf.h - reading protocol buffers in place, field by field.
**
** Nothing is trusted: every length is checked against what holds it. Messages within messages are
** spans that the caller reads in turn, so depth is the caller's to bound.
*/
#ifndef PVG_PROTOBUF_H
#define PVG_PROTOBUF_H

#include "tensor.h"

typedef struct pvg_span {
  const uint8_t *at;
  size_t size;
} pvg_span;

typedef enum pvg_wire { PVG_VARINT = 0, PVG_FIXED64 = 1, PVG_BYTES = 2, PVG_FIXED32 = 5 } pvg_wire;

typedef struct pvg_field {
  uint32_t number;
  pvg_wire wire;
  uint64_t value; /* of the numeric ones, not interpreted */
  pvg_span bytes; /* of PVG_BYTES */
} pvg_field;

/* Take the next field off the message: 1; 0 at its end; PVT_E_VALUE where it is damaged. */
int pvg_field_next(pvg_span *message, pvg_field *field);
/* Take a number off packed ones: 1, 0 or PVT_E_VALUE. */
int pvg_packed_varint(pvg_span *packed, uint64_t *value);
int pvg_packed_fixed(pvg_span *packed, size_t bytes, uint64_t *value);
/* The next of a repeated number's values in one field, packed or not: *state is 0 at first. */
int pvg_number_next(const pvg_field *field, pvg_wire wire, size_t *state, uint64_t *value);

static inline float pvg_float_bits(uint64_t value) {
  uint32_t bits = (uint32_t)value;
  float number;
  __builtin_memcpy(&number, &bits, sizeof number);
  return number;
}

static inline bool pvg_span_is(pvg_span span, const char *text) {
  return span.size == __builtin_strlen(text) &&
         (span.size == 0 || __builtin_memcmp(span.at, text, span.size) == 0);
}

#endif

/* kept.h - values that outlive their event, in 16 bytes and what they own.
**
** A text of at most 8 bytes lies in the value itself; a longer one, or a container, in memory of its own.
** What lies in the value moves with it: see flow_kept_value. */
#ifndef FLOW_KEPT_H
#define FLOW_KEPT_H

#include "row.h"

typedef struct flow_kept {
  uint8_t kind; /* stream_kind; a value of zeros is nil */
  uint8_t negative;
  uint32_t len; /* of text and containers */
  union {
    uint64_t integer;
    double number;
    char small[8];
    char *text;
  };
} flow_kept;

/* *held: bytes that are owned, counted up and down. STREAM_OK or STREAM_E_NOMEM. */
int flow_keep(flow_kept *kept, const stream_value *value, int64_t *held);
void flow_let_go(flow_kept *kept, int64_t *held);
/* Valid while `kept` stays where it is. */
stream_value flow_kept_value(const flow_kept *kept);
/* Its text is in the arena. Without memory: nil. */
stream_value flow_kept_copy(const flow_kept *kept, flow_arena *arena);
/* Equal under "==", or containers or binaries of equal bytes. */
int flow_kept_equal(const flow_kept *kept, const stream_value *value);

/* An array of values, in the arena. Without memory, or beyond FLOW_ARRAY_MAX bytes: nil. */
#define FLOW_ARRAY_MAX ((size_t)1 << 30)
stream_value flow_array_of(const stream_value *items, uint32_t count, flow_arena *arena);

#endif

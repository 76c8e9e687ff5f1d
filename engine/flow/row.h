/* row.h - a row on its way through a flow: values by column, and memory that ends with it.
**
** A value is a stream_value (stream/value.h). Text, and containers with all that is in them, are not
** copied on their way: `text` points into the event, into the arena of the event being worked on, or
** into a literal of the flow. Whoever keeps one beyond the event copies it.
*/
#ifndef FLOW_ROW_H
#define FLOW_ROW_H

#include "../stream/value.h"

#define FLOW_COLUMNS_MAX 64

/* The names of a row's columns. Open columns are those of an event: whoever asks for a name that is
** not there adds it, and it is found in the event when it comes (dots lead into nested maps). */
typedef struct flow_columns {
  uint32_t count;
  int open;
  stream_text name[FLOW_COLUMNS_MAX]; /* of memory that outlives this */
} flow_columns;

/* The column's place; -1: there is none, or no room for one more. Open columns keep `name` as it is. */
int flow_columns_find(flow_columns *columns, stream_text name);

/* Memory that is given back all at once, and then used again. Not for several threads. */
typedef struct flow_arena flow_arena;
flow_arena *flow_arena_new(void);
void flow_arena_free(flow_arena *arena);
/* Aligned to 8. NULL without memory. */
void *flow_arena_take(flow_arena *arena, size_t bytes);
void flow_arena_reset(flow_arena *arena);

/* Take the columns of an event out of its map in one pass; what it does not have is nil. An array or a
** map is a value whose text is its MessagePack. Of equal names the first counts. What comes behind the
** last column's value is not looked at. 0, or -1 for what is no map, or is cut short before that. */
int flow_row_read(const flow_columns *columns, stream_text event, stream_value *row);

/* MessagePack of a value, integers as short as can be; at most flow_value_bytes are needed. Returns
** behind the last byte. */
size_t flow_value_bytes(const stream_value *value);
unsigned char *flow_value_write(unsigned char *at, const stream_value *value);

/* The same for values that are equal under "==", 1 and 1.0 included, and for containers and binaries of
** equal bytes. All of its 64 bits may be used. With the same seed it is the same in every process. */
uint64_t flow_value_hash(const stream_value *value, uint64_t seed);

static inline stream_value flow_nil(void) {
  return (stream_value){.kind = STREAM_NIL};
}
static inline stream_value flow_bool(int truth) {
  return (stream_value){.kind = STREAM_BOOL, .integer = truth != 0};
}
static inline stream_value flow_integer(int64_t number) {
  return (stream_value){
      .kind = STREAM_INTEGER, .negative = number < 0, .integer = (uint64_t)number};
}
static inline stream_value flow_float(double number) {
  return (stream_value){.kind = STREAM_FLOAT, .number = number};
}
static inline stream_value flow_string(stream_text text) {
  return (stream_value){.kind = STREAM_STRING, .text = text};
}

#endif

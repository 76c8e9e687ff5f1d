/* fields.h - reading the maps of a declaration, with sentences that say where something is wrong.
**
** A getter returns STREAM_OK or STREAM_E_INVALID. Numbers and texts of fields that are absent or nil
** are the fallback. Texts point into the declaration.
*/
#ifndef FLOW_FIELDS_H
#define FLOW_FIELDS_H

#include "../stream/value.h"

typedef struct flow_reading {
  char *err;        /* STREAM_ERR_MAX bytes */
  stream_text flow; /* its name, once it is known */
  uint32_t step;    /* from 1; 0: none */
  const char *part; /* such as "window" */
} flow_reading;

typedef struct flow_field {
  const char *name;
  stream_text *packed; /* filled in: its MessagePack; data NULL: it is absent or nil */
} flow_field;

/* Say what is wrong; STREAM_E_INVALID. */
__attribute__((format(printf, 2, 3))) int flow_refuse(flow_reading *reading, const char *format,
                                                      ...);
int flow_fields_read(flow_reading *reading, stream_text map, const flow_field *fields,
                     uint32_t count);
int flow_field_integer(flow_reading *reading, stream_text packed, const char *name, int64_t least,
                       int64_t most, int64_t fallback, int64_t *out);
int flow_field_flag(flow_reading *reading, stream_text packed, const char *name, int fallback,
                    int *out);
/* At least one byte and at most `most`. Absent: data NULL. */
int flow_field_text(flow_reading *reading, stream_text packed, const char *name, size_t most,
                    stream_text *out);
/* The reader stands before the first of `count` items. Absent: 0. */
int flow_field_items(flow_reading *reading, stream_text packed, const char *name, uint32_t least,
                     uint32_t most, stream_reader *items, uint32_t *count);
/* The next value whole; the MessagePack was checked. */
stream_text flow_next(stream_reader *reader);
int flow_text_is(stream_text text, const char *name);

#endif

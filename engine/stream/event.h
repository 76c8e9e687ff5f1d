/* event.h - what a trigger looks at in an event, found in its map in one pass. */
#ifndef STREAM_EVENT_H
#define STREAM_EVENT_H

#include <stdatomic.h>

#include "value.h"

#define STREAM_FIELD_NAMES_MAX 8 /* of one configured list */

typedef struct stream_names {
  uint32_t count;
  stream_text name[STREAM_FIELD_NAMES_MAX];
} stream_names;

/* Which fields mean what. Only key_count and keys[1 ...] change, and they only grow. */
typedef struct stream_mapping {
  stream_names type, page, id, time, stream;
  uint64_t time_unit_ns;
  _Atomic uint32_t key_count;
  stream_names keys[STREAM_SPACES_MAX]; /* [0]: where a condition names none */
} stream_mapping;

#define STREAM_DIGITS 24 /* bytes of an integer's decimal digits, and more */

typedef struct stream_event {
  stream_text whole;
  stream_text type, page, id, stream; /* data NULL: the event has none */
  uint64_t time_ns;
  int bad_time; /* its time is a number that is no time: NaN, below 0, too large */
  uint32_t way; /* of its origin */
  uint32_t key_count;
  stream_text keys[STREAM_SPACES_MAX]; /* empty: the event has none */
  char digits[4 + STREAM_SPACES_MAX][STREAM_DIGITS];
} stream_event;

/* Copies a comma-separated list. STREAM_OK, _NOMEM, or _INVALID for a list that is empty or too
** long. The texts lie in one block that begins at name[0]. */
int stream_names_init(stream_names *names, const char *list);
void stream_names_free(stream_names *names);

/* The nanoseconds of a number of time units. 0: it is no number, NaN, below 0 or too large. */
int stream_event_time(const stream_value *value, uint64_t unit_ns, uint64_t *time_ns);
/* Text, or an integer's digits, put into `digits`; data NULL for other values. */
stream_text stream_event_text(const stream_value *value, char digits[STREAM_DIGITS]);

/* STREAM_EVENT_NONE for a value that is no map, or STREAM_E_DECODE; otherwise the event is filled in. The event's texts point into
** data and into itself. wall_ns stands for a time that is missing or out of range. */
enum {
  STREAM_EVENT_NONE = 0,
  STREAM_EVENT_TYPED = 1,
  STREAM_EVENT_UNTYPED = 2 /* no condition asks for it */
};

int stream_event_read(const stream_mapping *mapping, const void *data, size_t len, uint64_t wall_ns,
                      stream_event *event);

#endif

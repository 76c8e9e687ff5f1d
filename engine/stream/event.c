/* event.c - see event.h. */
#include "event.h"

#include <stdlib.h>
#include <string.h>

int stream_names_init(stream_names *names, const char *list) {
  memset(names, 0, sizeof *names);
  size_t len = strlen(list);
  char *copy = malloc(len + 1);
  if (copy == NULL) return STREAM_E_NOMEM;
  memcpy(copy, list, len + 1);
  names->name[0].data = copy;
  for (char *at = copy;;) {
    char *comma = strchr(at, ',');
    size_t size = comma != NULL ? (size_t)(comma - at) : strlen(at);
    if (size == 0 || names->count == STREAM_FIELD_NAMES_MAX) return STREAM_E_INVALID;
    names->name[names->count++] = (stream_text){at, size};
    if (comma == NULL) return STREAM_OK;
    at = comma + 1;
  }
}

void stream_names_free(stream_names *names) {
  free((char *)names->name[0].data);
  memset(names, 0, sizeof *names);
}

/* The place of a field's name in a list; its count: it is not in there. */
static uint32_t rank_in(const stream_names *names, stream_text name) {
  uint32_t i = 0;
  while (i < names->count && !stream_text_equal(names->name[i], name)) i++;
  return i;
}

stream_text stream_event_text(const stream_value *value, char digits[STREAM_DIGITS]) {
  if (value->kind == STREAM_STRING) return value->text;
  if (value->kind != STREAM_INTEGER) return (stream_text){NULL, 0};
  char *at = digits + STREAM_DIGITS;
  uint64_t rest = value->negative ? 0 - value->integer : value->integer;
  do *--at = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (value->negative) *--at = '-';
  return (stream_text){at, (size_t)(digits + STREAM_DIGITS - at)};
}

int stream_event_time(const stream_value *value, uint64_t unit_ns, uint64_t *time_ns) {
  if (value->kind == STREAM_INTEGER && !value->negative)
    return !__builtin_mul_overflow(value->integer, unit_ns, time_ns);
  if (value->kind != STREAM_FLOAT) return 0;
  double ns = value->number * (double)unit_ns;
  if (!(ns >= 0 && ns < 0x1p64)) return 0;
  *time_ns = (uint64_t)ns;
  return 1;
}

/* Which name of each list was found so far; the earlier one counts. */
typedef struct found {
  uint32_t type, page, id, time, stream, keys[STREAM_SPACES_MAX];
} found;

static void note(const stream_names *names, stream_text name, const stream_value *value,
                 uint32_t *best, stream_text *text, char *digits) {
  uint32_t rank = rank_in(names, name);
  if (rank >= *best) return;
  stream_text given = stream_event_text(value, digits);
  if (given.data == NULL) return;
  *best = rank;
  *text = given;
}

static void note_field(const stream_mapping *mapping, stream_text name, const stream_value *value,
                       found *best, stream_event *event) {
  note(&mapping->type, name, value, &best->type, &event->type, event->digits[0]);
  note(&mapping->page, name, value, &best->page, &event->page, event->digits[1]);
  note(&mapping->id, name, value, &best->id, &event->id, event->digits[2]);
  note(&mapping->stream, name, value, &best->stream, &event->stream, event->digits[3]);
  for (uint32_t i = 0; i < event->key_count; i++)
    note(&mapping->keys[i], name, value, &best->keys[i], &event->keys[i], event->digits[4 + i]);
  uint32_t rank = rank_in(&mapping->time, name);
  uint64_t time;
  if (rank >= best->time) return;
  if (stream_event_time(value, mapping->time_unit_ns, &time)) {
    best->time = rank;
    event->time_ns = time;
    event->bad_time = 0;
  } else if (best->time == mapping->time.count) {
    event->bad_time |= value->kind == STREAM_INTEGER || value->kind == STREAM_FLOAT;
  }
}

int stream_event_read(const stream_mapping *mapping, const void *data, size_t len, uint64_t wall_ns,
                      stream_event *event) {
  stream_reader reader = {data, (const unsigned char *)data + len};
  stream_value map, name, value;
  if (data == NULL || stream_read(&reader, &map) != 0) return STREAM_E_DECODE;
  int is_map = map.kind == STREAM_MAP;
  if (!is_map) {
    stream_reader whole = {data, reader.end};
    return stream_skip(&whole) == 0 && whole.at == whole.end ? STREAM_EVENT_NONE : STREAM_E_DECODE;
  }
  event->whole = (stream_text){data, len};
  event->type = event->page = event->id = event->stream = (stream_text){NULL, 0};
  event->time_ns = wall_ns;
  event->bad_time = 0;
  event->key_count = atomic_load_explicit(&mapping->key_count, memory_order_acquire);
  found best;
  memset(&best, 0xff, sizeof best); /* ranks: nothing yet */
  best.type = mapping->type.count;
  best.page = mapping->page.count;
  best.id = mapping->id.count;
  best.time = mapping->time.count;
  best.stream = mapping->stream.count;
  for (uint32_t i = 0; i < event->key_count; i++) {
    best.keys[i] = mapping->keys[i].count;
    event->keys[i] = (stream_text){"", 0};
  }
  for (uint32_t left = map.count; left != 0; left--) {
    stream_reader before = reader;
    if (stream_read(&reader, &name) != 0) return STREAM_E_DECODE;
    if (name.kind == STREAM_ARRAY || name.kind == STREAM_MAP) {
      reader = before;
      if (stream_skip(&reader) != 0) return STREAM_E_DECODE;
    }
    before = reader;
    if (stream_read(&reader, &value) != 0) return STREAM_E_DECODE;
    if (value.kind == STREAM_ARRAY || value.kind == STREAM_MAP) {
      reader = before;
      if (stream_skip(&reader) != 0) return STREAM_E_DECODE;
    } else if (name.kind == STREAM_STRING) {
      note_field(mapping, name.text, &value, &best, event);
    }
  }
  if (reader.at != reader.end) return STREAM_E_DECODE;
  return event->type.data != NULL ? STREAM_EVENT_TYPED : STREAM_EVENT_UNTYPED;
}

/* fields.c - see fields.h. */
#include "fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int flow_refuse(flow_reading *reading, const char *format, ...) {
  size_t len = 0, most = STREAM_ERR_MAX;
  char *err = reading->err;
  if (err == NULL) return STREAM_E_INVALID;
  if (reading->flow.data != NULL)
    len += (size_t)snprintf(err, most, "flow %.*s: ", (int)reading->flow.len, reading->flow.data);
  if (reading->step != 0 && reading->part != NULL)
    len += (size_t)snprintf(err + len, most - len, "step %u (%s): ", reading->step, reading->part);
  else if (reading->step != 0)
    len += (size_t)snprintf(err + len, most - len, "step %u: ", reading->step);
  else if (reading->part != NULL)
    len += (size_t)snprintf(err + len, most - len, "%s: ", reading->part);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(err + len, most - len, format, arguments);
  va_end(arguments);
  return STREAM_E_INVALID;
}

int flow_text_is(stream_text text, const char *name) {
  return text.len == strlen(name) && memcmp(text.data, name, text.len) == 0;
}

stream_text flow_next(stream_reader *reader) {
  const unsigned char *start = reader->at;
  if (stream_skip(reader) != 0) return (stream_text){NULL, 0};
  return (stream_text){(const char *)start, (size_t)(reader->at - start)};
}

static stream_reader reader_of(stream_text packed) {
  return (stream_reader){(const unsigned char *)packed.data,
                         (const unsigned char *)packed.data + packed.len};
}

/* "a, b and c" of the names there are. */
static void list_names(char *out, size_t most, const flow_field *fields, uint32_t count) {
  size_t len = 0;
  out[0] = 0;
  for (uint32_t i = 0; i < count && len < most; i++)
    len += (size_t)snprintf(out + len, most - len, "%s%s",
                            i == 0          ? ""
                            : i + 1 < count ? ", "
                                            : " and ",
                            fields[i].name);
}

int flow_fields_read(flow_reading *reading, stream_text map, const flow_field *fields,
                     uint32_t count) {
  stream_reader reader = reader_of(map);
  stream_value head, name;
  for (uint32_t i = 0; i < count; i++) *fields[i].packed = (stream_text){NULL, 0};
  if (map.data == NULL || stream_read(&reader, &head) != 0 || head.kind != STREAM_MAP)
    return flow_refuse(reading, "it is no map");
  for (uint32_t left = head.count; left != 0; left--) {
    stream_text packed = flow_next(&reader);
    stream_reader of_name = reader_of(packed);
    int is_text = stream_read(&of_name, &name) == 0 && name.kind == STREAM_STRING;
    stream_text value = flow_next(&reader);
    uint32_t i = 0;
    while (is_text && i < count && !flow_text_is(name.text, fields[i].name)) i++;
    if (!is_text || i == count) {
      char known[256];
      list_names(known, sizeof known, fields, count);
      return flow_refuse(reading, "field %.*s is unknown; there are %s",
                         is_text ? (int)(name.text.len < 64 ? name.text.len : 64) : 1,
                         is_text ? name.text.data : "?", known);
    }
    if (value.len == 1 && (unsigned char)value.data[0] == 0xc0) value.data = NULL;
    *fields[i].packed = value;
  }
  return STREAM_OK;
}

int flow_field_integer(flow_reading *reading, stream_text packed, const char *name, int64_t least,
                       int64_t most, int64_t fallback, int64_t *out) {
  *out = fallback;
  if (packed.data == NULL) {
    if (fallback >= least && fallback <= most) return STREAM_OK;
    return flow_refuse(reading, "%s is missing", name);
  }
  stream_reader reader = reader_of(packed);
  stream_value value;
  int ok = stream_read(&reader, &value) == 0 && value.kind == STREAM_INTEGER &&
           (value.negative || value.integer <= INT64_MAX);
  int64_t number = (int64_t)value.integer;
  if (!ok || number < least || number > most)
    return flow_refuse(reading, "%s is an integer from %lld to %lld", name, (long long)least,
                       (long long)most);
  *out = number;
  return STREAM_OK;
}

int flow_field_flag(flow_reading *reading, stream_text packed, const char *name, int fallback,
                    int *out) {
  *out = fallback;
  if (packed.data == NULL) return STREAM_OK;
  stream_reader reader = reader_of(packed);
  stream_value value;
  if (stream_read(&reader, &value) != 0 || value.kind != STREAM_BOOL)
    return flow_refuse(reading, "%s is true or false", name);
  *out = (int)value.integer;
  return STREAM_OK;
}

int flow_field_text(flow_reading *reading, stream_text packed, const char *name, size_t most,
                    stream_text *out) {
  *out = (stream_text){NULL, 0};
  if (packed.data == NULL) return STREAM_OK;
  stream_reader reader = reader_of(packed);
  stream_value value;
  if (stream_read(&reader, &value) != 0 || value.kind != STREAM_STRING || value.text.len == 0 ||
      value.text.len > most)
    return flow_refuse(reading, "%s is a text of 1 to %zu bytes", name, most);
  *out = value.text;
  return STREAM_OK;
}

int flow_field_items(flow_reading *reading, stream_text packed, const char *name, uint32_t least,
                     uint32_t most, stream_reader *items, uint32_t *count) {
  *count = 0;
  *items = reader_of(packed);
  if (packed.data == NULL && least == 0) return STREAM_OK;
  stream_value head = {.kind = STREAM_NIL};
  if (packed.data == NULL || stream_read(items, &head) != 0 || head.kind != STREAM_ARRAY ||
      head.count < least || head.count > most)
    return flow_refuse(reading, "%s is an array of %u to %u items", name, least, most);
  *count = head.count;
  return STREAM_OK;
}

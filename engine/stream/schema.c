/* schema.c - see schema.h. */
#include "schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sound.h"
#include "symbol.h"

typedef enum type { STR, INT, FLOAT, BOOL, TIME, LIST, MAP, ANY } type;

static const char *const TYPES[] = {"str", "int", "float", "bool", "time", "list", "map", "any"};
static const char *const WANTED[] = {
    "text",     "an integer", "a number", "true or false", "a time since the epoch",
    "an array", "a map",      "any value"};
static const char *const KINDS[] = {"null",     "true or false", "an integer",
                                    "a number", "text",          "binary data",
                                    "an array", "a map",         "an array of numbers"};

typedef struct field {
  stream_text name;
  type type;
  int optional;
} field;

struct stream_schema {
  uint32_t count;
  int open;
  uint64_t time_unit_ns;
  const stream_names *passing;
  uint64_t needed[STREAM_FIELDS_MAX / 64]; /* a bit for each field that must be there */
  uint16_t places[2 * STREAM_FIELDS_MAX];  /* by hash: field + 1; 0: free */
  field fields[STREAM_FIELDS_MAX];
  char names[];
};

/* ---- Making ------------------------------------------------------------- */

static int refuse(char *err, stream_text name, const char *what) {
  snprintf(err, STREAM_ERR_MAX, "field '%.*s' %s", (int)name.len, name.data, what);
  return STREAM_E_INVALID;
}

static uint32_t place_of(stream_text name) {
  return (uint32_t)stream_hash(name, 1) % (2 * STREAM_FIELDS_MAX);
}

/* The field's number; the count: there is none. Events mostly have them in the schema's order. */
static uint32_t find(const stream_schema *schema, stream_text name, uint32_t guess) {
  if (guess < schema->count && stream_text_equal(schema->fields[guess].name, name)) return guess;
  for (uint32_t at = place_of(name); schema->places[at] != 0;
       at = (at + 1) % (2 * STREAM_FIELDS_MAX)) {
    uint32_t number = schema->places[at] - 1u;
    if (stream_text_equal(schema->fields[number].name, name)) return number;
  }
  return schema->count;
}

static int type_of(stream_text text, type *found, int *optional) {
  *optional = text.len != 0 && text.data[text.len - 1] == '?';
  text.len -= *optional != 0;
  for (int i = STR; i <= ANY; i++)
    if (stream_text_equal(text, (stream_text){TYPES[i], strlen(TYPES[i])})) {
      *found = (type)i;
      return 0;
    }
  return -1;
}

static int add_fields(stream_schema *schema, stream_reader *reader, uint32_t count, char *err) {
  char *at = schema->names;
  for (; count != 0; count--) {
    stream_value name, text;
    if (stream_read(reader, &name) != 0 || name.kind != STREAM_STRING || name.text.len == 0 ||
        name.text.len > STREAM_FIELD_MAX || stream_read(reader, &text) != 0)
      return refuse(err, (stream_text){"", 0}, "is no name of 1 to 256 bytes");
    field *made = &schema->fields[schema->count];
    if (text.kind != STREAM_STRING || type_of(text.text, &made->type, &made->optional) != 0)
      return refuse(err, name.text,
                    "has a type that is none of str, int, float, bool, time, any, list and map, "
                    "with or without ? behind it");
    if (find(schema, name.text, schema->count) != schema->count)
      return refuse(err, name.text, "is there twice");
    memcpy(at, name.text.data, name.text.len);
    made->name = (stream_text){at, name.text.len};
    at += name.text.len;
    uint32_t place = place_of(made->name);
    while (schema->places[place] != 0) place = (place + 1) % (2 * STREAM_FIELDS_MAX);
    if (!made->optional) schema->needed[schema->count / 64] |= UINT64_C(1) << schema->count % 64;
    schema->places[place] = (uint16_t)++schema->count;
  }
  return STREAM_OK;
}

int stream_schema_new(stream_text fields, int open, const stream_names *passing,
                      uint64_t time_unit_ns, stream_schema **out, char *err) {
  stream_reader reader = {(const unsigned char *)fields.data,
                          (const unsigned char *)fields.data + fields.len};
  stream_value map;
  if (stream_read(&reader, &map) != 0 || map.kind != STREAM_MAP || map.count > STREAM_FIELDS_MAX) {
    snprintf(err, STREAM_ERR_MAX, "fields are a map of at most %d names and types",
             STREAM_FIELDS_MAX);
    return STREAM_E_INVALID;
  }
  stream_schema *made = calloc(1, sizeof *made + fields.len);
  if (made == NULL) return STREAM_E_NOMEM;
  made->open = open;
  made->passing = passing;
  made->time_unit_ns = time_unit_ns;
  int status = add_fields(made, &reader, map.count, err);
  if (status == STREAM_OK) *out = made;
  else free(made);
  return status;
}

void stream_schema_free(stream_schema *schema) {
  free(schema);
}

/* ---- Checking ----------------------------------------------------------- */

static int fits(const stream_schema *schema, type type, const stream_value *value) {
  uint64_t time_ns;
  switch (type) {
  case STR: return value->kind == STREAM_STRING;
  case INT: return value->kind == STREAM_INTEGER;
  case FLOAT: return value->kind == STREAM_FLOAT || value->kind == STREAM_INTEGER;
  case BOOL: return value->kind == STREAM_BOOL;
  case TIME:
    return stream_event_time(value, schema->time_unit_ns, &time_ns) && time_ns <= INT64_MAX;
  case LIST: return value->kind == STREAM_ARRAY;
  case MAP: return value->kind == STREAM_MAP;
  default: return 1;
  }
}

static int tell(char *reason, stream_text name, const char *what, const char *more) {
  int shown = name.len < 80 ? (int)name.len : 80;
  while (shown > 0 && shown < (int)name.len && (name.data[shown] & 0xc0) == 0x80) shown--;
  snprintf(reason, STREAM_REASON_MAX, "field '%.*s' %s%s", shown, name.data, what, more);
  return -1;
}

static int check_field(const stream_schema *schema, uint32_t number, const stream_value *value,
                       uint64_t *seen, char *reason) {
  const field *field = &schema->fields[number];
  uint64_t bit = UINT64_C(1) << number % 64;
  if (seen[number / 64] & bit) return tell(reason, field->name, "is there twice", "");
  seen[number / 64] |= bit;
  if (value->kind == STREAM_NIL && (field->optional || field->type == ANY)) return 0;
  if (fits(schema, field->type, value)) return 0;
  char what[96];
  snprintf(what, sizeof what, "is to be %s and is ", WANTED[field->type]);
  int is_time =
      field->type == TIME && (value->kind == STREAM_INTEGER || value->kind == STREAM_FLOAT);
  return tell(reason, field->name, what, is_time ? "out of range" : KINDS[value->kind]);
}

static int check_missing(const stream_schema *schema, const uint64_t *seen, char *reason) {
  for (uint32_t i = 0; i < STREAM_FIELDS_MAX / 64; i++) {
    uint64_t missing = schema->needed[i] & ~seen[i];
    if (missing == 0) continue;
    uint32_t number = i * 64 + (uint32_t)__builtin_ctzll(missing);
    return tell(reason, schema->fields[number].name, "is missing", "");
  }
  return 0;
}

static int may_pass(const stream_schema *schema, stream_text name) {
  if (schema->open) return 1;
  for (uint32_t i = 0; i < schema->passing->count; i++)
    if (stream_text_equal(schema->passing->name[i], name)) return 1;
  return 0;
}

int stream_schema_check(const stream_schema *schema, stream_text event, const stream_text *id,
                        stream_value *found_id, char *reason) {
  stream_reader reader = {(const unsigned char *)event.data,
                          (const unsigned char *)event.data + event.len};
  stream_reader whole = reader;
  const char *wrong = stream_sound(&whole);
  if (wrong == NULL && whole.at != whole.end) wrong = "has more behind its end";
  stream_value map, name, value;
  if (wrong == NULL && (stream_read(&reader, &map) != 0 || map.kind != STREAM_MAP))
    wrong = "is no map";
  if (wrong != NULL) {
    snprintf(reason, STREAM_REASON_MAX, "the event %s", wrong);
    return -1;
  }
  *found_id = (stream_value){.kind = STREAM_NIL};
  if (schema == NULL && id == NULL) return 0;
  uint64_t seen[STREAM_FIELDS_MAX / 64] = {0};
  uint32_t number = UINT32_MAX;
  for (uint32_t left = map.count; left != 0; left--) {
    stream_reader before;
    if (stream_read(&reader, &name) != 0) return -1; /* it is sound */
    before = reader;
    if (stream_read(&reader, &value) != 0) return -1;
    if (value.kind == STREAM_ARRAY || value.kind == STREAM_MAP) {
      reader = before;
      stream_skip(&reader);
    }
    int is_id = id != NULL && name.kind == STREAM_STRING && stream_text_equal(name.text, *id);
    if (is_id) *found_id = value;
    if (schema == NULL) continue;
    number = name.kind == STREAM_STRING ? find(schema, name.text, number + 1) : schema->count;
    if (number < schema->count) {
      if (check_field(schema, number, &value, seen, reason) != 0) return -1;
    } else if (!is_id && (name.kind != STREAM_STRING || !may_pass(schema, name.text))) {
      stream_text shown = name.kind == STREAM_STRING ? name.text : (stream_text){"a number", 8};
      return tell(reason, shown, "is not declared", "");
    }
  }
  return schema != NULL ? check_missing(schema, seen, reason) : 0;
}

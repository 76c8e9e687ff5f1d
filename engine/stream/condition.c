/* condition.c - see condition.h. */
#include "condition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const OPS[] = {"==", "!=", "<", "<=", ">", ">=", "in", "exists"};

static int refuse(char *err, const char *what) {
  if (err != NULL) snprintf(err, STREAM_ERR_MAX, "the trigger's condition is not usable: %s", what);
  return STREAM_E_INVALID;
}

static int is_named(stream_text text, const char *name) {
  return text.len == strlen(name) && memcmp(text.data, name, text.len) == 0;
}

static int read_kind(stream_reader *reader, stream_value *value, stream_kind kind) {
  return stream_read(reader, value) == 0 && value->kind == kind ? 0 : -1;
}

static int read_text(stream_reader *reader, stream_text *text) {
  stream_value value;
  if (read_kind(reader, &value, STREAM_STRING) != 0 || value.text.len > STREAM_TEXT_MAX) return -1;
  *text = value.text;
  return 0;
}

static int is_nil(const stream_reader *reader) {
  return reader->at < reader->end && *reader->at == 0xc0;
}

/* ---- Checking ----------------------------------------------------------- */

static int compare_texts(const void *a, const void *b) {
  const stream_text *x = a, *y = b;
  size_t common = x->len < y->len ? x->len : y->len;
  int order = common != 0 ? memcmp(x->data, y->data, common) : 0;
  return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static int read_ids(stream_reader *reader, stream_step_text *step, char *err) {
  stream_value value;
  if (read_kind(reader, &value, STREAM_ARRAY) != 0 || value.count == 0 ||
      value.count > STREAM_IDS_MAX)
    return refuse(err, "ids is an array of 1 to 256 texts");
  free(step->ids); /* a map may name a key twice */
  step->ids = calloc(value.count, sizeof *step->ids);
  if (step->ids == NULL) return STREAM_E_NOMEM;
  for (uint32_t i = 0; i < value.count; i++)
    if (read_text(reader, &step->ids[i]) != 0)
      return refuse(err, "ids are texts of at most 256 bytes");
  qsort(step->ids, value.count, sizeof *step->ids, compare_texts);
  step->id_count = 0;
  for (uint32_t i = 0; i < value.count; i++)
    if (i == 0 || compare_texts(&step->ids[i], &step->ids[step->id_count - 1]) != 0)
      step->ids[step->id_count++] = step->ids[i];
  return STREAM_OK;
}

static int op_of(stream_text text) {
  for (int op = 0; op <= STREAM_OP_EXISTS; op++)
    if (is_named(text, OPS[op])) return op;
  return -1;
}

static int is_scalar(const stream_value *value) {
  return value->kind <= STREAM_STRING;
}

static int check_predicate(stream_reader *reader, char *err) {
  stream_value value;
  stream_text field, name;
  if (read_kind(reader, &value, STREAM_ARRAY) != 0 || value.count != 3)
    return refuse(err, "where is an array of [field, op, value]");
  if (read_text(reader, &field) != 0 || field.len == 0)
    return refuse(err, "a field of where is a text of 1 to 256 bytes");
  int op = read_text(reader, &name) == 0 ? op_of(name) : -1;
  if (op < 0) return refuse(err, "an op is one of == != < <= > >= in exists");
  if (stream_read(reader, &value) != 0) return refuse(err, "it is cut short");
  if (op == STREAM_OP_EXISTS && value.kind != STREAM_BOOL)
    return refuse(err, "the value of exists is true or false");
  if (op == STREAM_OP_IN) {
    if (value.kind != STREAM_ARRAY || value.count == 0 || value.count > STREAM_IDS_MAX)
      return refuse(err, "the value of in is an array of 1 to 256 values");
    for (uint32_t left = value.count; left != 0; left--)
      if (stream_read(reader, &value) != 0 || !is_scalar(&value))
        return refuse(err, "values of where are null, true, false, numbers or texts");
  } else if (!is_scalar(&value)) {
    return refuse(err, "values of where are null, true, false, numbers or texts");
  }
  return STREAM_OK;
}

static int read_where(stream_reader *reader, stream_step_text *step, char *err) {
  stream_value value;
  if (read_kind(reader, &value, STREAM_ARRAY) != 0 || value.count > STREAM_WHERE_MAX)
    return refuse(err, "where is an array of at most 16 predicates");
  const unsigned char *start = reader->at;
  step->where_count = value.count;
  for (uint32_t left = value.count; left != 0; left--) {
    int status = check_predicate(reader, err);
    if (status != STREAM_OK) return status;
  }
  step->where = (stream_text){(const char *)start, (size_t)(reader->at - start)};
  return STREAM_OK;
}

static int read_step(stream_reader *reader, stream_step_text *step, char *err) {
  stream_value map;
  stream_text name;
  int status = STREAM_OK;
  if (read_kind(reader, &map, STREAM_MAP) != 0) return refuse(err, "a step is a map");
  for (uint32_t left = map.count; left != 0 && status == STREAM_OK; left--) {
    if (read_text(reader, &name) != 0) return refuse(err, "a step's fields have short names");
    if (is_nil(reader)) {
      reader->at++;
    } else if (is_named(name, "type")) {
      if (read_text(reader, &step->type) != 0)
        return refuse(err, "type is a text of at most 256 bytes");
    } else if (is_named(name, "page")) {
      if (read_text(reader, &step->page) != 0)
        return refuse(err, "page is a text of at most 256 bytes");
    } else if (is_named(name, "ids")) {
      status = read_ids(reader, step, err);
    } else if (is_named(name, "where")) {
      status = read_where(reader, step, err);
    } else {
      return refuse(err, "a step has type, page, ids and where, and nothing else");
    }
  }
  if (status == STREAM_OK && step->type.data == NULL) return refuse(err, "a step has no type");
  return status;
}

static int read_steps(stream_reader *reader, stream_condition_text *condition, char *err) {
  stream_value value;
  if (read_kind(reader, &value, STREAM_ARRAY) != 0 || value.count == 0 ||
      value.count > STREAM_STEPS_MAX || condition->count != 0)
    return refuse(err, "steps is one array of 1 to 16 maps");
  condition->count = value.count;
  for (uint32_t i = 0; i < value.count; i++) {
    int status = read_step(reader, &condition->steps[i], err);
    if (status != STREAM_OK) return status;
  }
  return STREAM_OK;
}

static int read_within(stream_reader *reader, stream_condition_text *condition, char *err) {
  stream_value value;
  if (read_kind(reader, &value, STREAM_INTEGER) != 0 || value.negative)
    return refuse(err, "within_ns is an integer, 0 or more");
  condition->within_ns = value.integer != 0 ? value.integer : UINT64_MAX;
  return STREAM_OK;
}

int stream_condition_parse(const void *data, size_t len, stream_condition_text *condition,
                           char *err) {
  memset(condition, 0, sizeof *condition);
  condition->within_ns = UINT64_MAX;
  const unsigned char *start = data;
  if (data == NULL) return refuse(err, "there is none");
  stream_reader reader = {start, start + len}, whole = reader;
  stream_value map;
  if (stream_skip(&whole) != 0 || whole.at != whole.end)
    return refuse(err, "it is no MessagePack, or is cut short");
  if (read_kind(&reader, &map, STREAM_MAP) != 0) return refuse(err, "it is no map");
  int status = STREAM_OK;
  for (uint32_t left = map.count; left != 0 && status == STREAM_OK; left--) {
    stream_text name;
    if (read_text(&reader, &name) != 0) return refuse(err, "its fields have short names");
    if (is_named(name, "steps")) {
      status = read_steps(&reader, condition, err);
    } else if (is_named(name, "within_ns")) {
      status = read_within(&reader, condition, err);
    } else if (is_named(name, "key")) {
      if (read_text(&reader, &condition->key) != 0)
        return refuse(err, "key is a text of at most 256 bytes");
    } else {
      return refuse(err, "it has steps, within_ns and key, and nothing else");
    }
  }
  if (status == STREAM_OK && condition->count == 0) return refuse(err, "it has no steps");
  return status;
}

void stream_condition_text_free(stream_condition_text *condition) {
  for (uint32_t i = 0; i < STREAM_STEPS_MAX; i++) free(condition->steps[i].ids);
}

/* ---- Predicates --------------------------------------------------------- */

static int satisfies(const stream_value *found, stream_op op, const stream_value *wanted) {
  stream_order order = stream_compare(found, wanted);
  if (op == STREAM_OP_EQ) return order == STREAM_EQUAL;
  if (op == STREAM_OP_NE) return order != STREAM_EQUAL;
  if (found->kind == STREAM_NIL || found->kind == STREAM_BOOL) return 0;
  switch (op) {
  case STREAM_OP_LT: return order == STREAM_LESS;
  case STREAM_OP_LE: return order == STREAM_LESS || order == STREAM_EQUAL;
  case STREAM_OP_GT: return order == STREAM_GREATER;
  default: return order == STREAM_GREATER || order == STREAM_EQUAL;
  }
}

static int predicate_holds(stream_reader *reader, stream_text event) {
  stream_value value, found;
  stream_text field = {NULL, 0}, name = {NULL, 0};
  stream_read(reader, &value);
  read_text(reader, &field);
  read_text(reader, &name);
  stream_op op = (stream_op)op_of(name);
  stream_read(reader, &value);
  int is_there = stream_find_field(event, field, &found);
  if (op == STREAM_OP_EXISTS) return is_there == (int)value.integer;
  int comparable = is_there && is_scalar(&found);
  if (op != STREAM_OP_IN) return comparable && satisfies(&found, op, &value);
  int holds = 0;
  for (uint32_t left = value.count; left != 0; left--) {
    stream_value item;
    stream_read(reader, &item);
    holds |= comparable && stream_compare(&found, &item) == STREAM_EQUAL;
  }
  return holds;
}

int stream_where_holds(stream_text where, uint32_t count, stream_text event) {
  stream_reader reader = {(const unsigned char *)where.data,
                          (const unsigned char *)where.data + where.len};
  for (; count != 0; count--)
    if (!predicate_holds(&reader, event)) return 0;
  return 1;
}

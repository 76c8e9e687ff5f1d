/* functions_of_kinds.c - functions of values of any kind that expressions call. */
#include "arithmetic.h"
#include "expression.h"
#include "functions.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- From one kind to another ------------------------------------------- */

stream_value flow_as_text(const stream_value *value, flow_arena *arena) {
  if (value->kind == STREAM_STRING) return *value;
  char *text = flow_arena_take(arena, FLOW_FLOAT_DIGITS);
  int len;
  if (text == NULL) return flow_nil();
  if (value->kind == STREAM_BOOL) len = sprintf(text, "%s", value->integer != 0 ? "True" : "False");
  else if (value->kind == STREAM_FLOAT) len = (int)flow_float_text(value->number, text);
  else if (value->kind != STREAM_INTEGER) return flow_nil();
  else if (value->negative) len = sprintf(text, "%lld", (long long)value->integer);
  else len = sprintf(text, "%llu", (unsigned long long)value->integer);
  return flow_string((stream_text){text, (size_t)len});
}

static stream_value to_text(const stream_value *value, uint32_t count, flow_arena *arena) {
  (void)count;
  return flow_as_text(value, arena);
}

static stream_value to_integer(const stream_value *value, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  if (value->kind == STREAM_INTEGER) return *value;
  if (value->kind == STREAM_BOOL) return flow_integer((int64_t)value->integer);
  stream_value number = *value;
  if (value->kind == STREAM_STRING) {
    number = flow_number_of_text(value->text);
    return number.kind == STREAM_INTEGER ? number : flow_nil();
  }
  if (value->kind != STREAM_FLOAT) return flow_nil();
  number = flow_from_whole(trunc(value->number));
  return number.kind == STREAM_INTEGER ? number : flow_nil();
}

static stream_value to_float(const stream_value *value, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  if (value->kind == STREAM_BOOL) return flow_float((double)value->integer);
  stream_value number = *value;
  if (value->kind == STREAM_STRING) number = flow_number_of_text(value->text);
  return flow_is_number(&number) ? flow_float(flow_double_of(&number)) : flow_nil();
}

static stream_value to_bool(const stream_value *value, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  return flow_bool(flow_true(value));
}

static stream_value kind(const stream_value *value, uint32_t count, flow_arena *arena) {
  static const char *const names[] = {
      [STREAM_NIL] = "nil",     [STREAM_BOOL] = "bool",   [STREAM_INTEGER] = "int",
      [STREAM_FLOAT] = "float", [STREAM_STRING] = "text", [STREAM_BINARY] = "binary",
      [STREAM_ARRAY] = "array", [STREAM_MAP] = "map",     [STREAM_EXTENSION] = "extension",
  };
  (void)count, (void)arena;
  const char *name = names[value->kind];
  return flow_string((stream_text){name, strlen(name)});
}

static stream_value coalesce(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  for (uint32_t i = 0; i < count; i++)
    if (values[i].kind != STREAM_NIL) return values[i];
  return flow_nil();
}

/* ---- Sizes and parts ---------------------------------------------------- */

static stream_value length(const stream_value *value, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  switch (value->kind) {
  case STREAM_STRING: return flow_integer((int64_t)flow_characters(value->text));
  case STREAM_BINARY: return flow_integer((int64_t)value->text.len);
  case STREAM_ARRAY:
  case STREAM_MAP: return flow_integer(value->count);
  default: return flow_nil();
  }
}

/* The next value with all that is in it. 0 or -1. */
static int next(stream_reader *reader, stream_value *value) {
  stream_reader start = *reader;
  if (stream_read(reader, value) != 0) return -1;
  if (value->kind != STREAM_ARRAY && value->kind != STREAM_MAP) return 0;
  *reader = start;
  if (stream_skip(reader) != 0) return -1;
  value->text = (stream_text){(const char *)start.at, (size_t)(reader->at - start.at)};
  return 0;
}

/* get(array, i[, otherwise]) from the end if i is negative, get(map, key[, otherwise]). */
static stream_value get(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  stream_value otherwise = count == 3 ? values[2] : flow_nil(), item, key;
  stream_text text = values[0].text;
  stream_reader reader = {(const unsigned char *)text.data,
                          (const unsigned char *)text.data + text.len};
  if (values[0].kind == STREAM_ARRAY && values[1].kind == STREAM_INTEGER) {
    if (stream_read(&reader, &item) != 0) return otherwise;
    flow_wide index = flow_wide_of(&values[1]);
    if (index < 0) index += values[0].count;
    if (index < 0 || index >= values[0].count) return otherwise;
    for (; index > 0; index--)
      if (stream_skip(&reader) != 0) return otherwise;
    return next(&reader, &item) == 0 ? item : otherwise;
  }
  if (values[0].kind != STREAM_MAP || stream_read(&reader, &item) != 0) return otherwise;
  for (uint32_t left = values[0].count; left != 0; left--) {
    if (next(&reader, &key) != 0) return otherwise;
    if (stream_compare(&key, &values[1]) == STREAM_EQUAL)
      return next(&reader, &item) == 0 ? item : otherwise;
    if (stream_skip(&reader) != 0) return otherwise;
  }
  return otherwise;
}

/* hash(x[, n]): the same on every machine and in every run; with n one of 0 to n - 1. */
static stream_value hash(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  uint64_t found = flow_value_hash(&values[0], 0);
  if (count == 1) return flow_from_wide((flow_wide)found);
  if (values[1].kind != STREAM_INTEGER || values[1].negative || values[1].integer == 0)
    return flow_nil();
  return flow_from_wide((flow_wide)((unsigned __int128)found * values[1].integer >> 64));
}

const flow_function flow_functions_of_kinds[] = {
    {"str", 1, 1, 0, to_text},    {"int", 1, 1, 0, to_integer},
    {"float", 1, 1, 0, to_float}, {"bool", 1, 1, 1, to_bool},
    {"kind", 1, 1, 1, kind},      {"coalesce", 1, FLOW_CALL_MAX, 1, coalesce},
    {"len", 1, 1, 0, length},     {"get", 2, 3, 1, get},
    {"hash", 1, 2, 0, hash},      {NULL, 0, 0, 0, NULL},
};

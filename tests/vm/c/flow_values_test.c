/* flow_values_test.c - rows and expressions of flows, whole and damaged: nothing is read beyond its end,
** and what is written reads back.
**
** usage: flow_values_test [steps] [seed]
*/
#include <string.h>

#include "../../../engine/flow/expression.h"
#include "check.h"

static uint64_t state;

static uint32_t below(uint32_t bound) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)((state >> 33) % bound);
}

typedef struct text {
  unsigned char *at;
  unsigned char bytes[1 << 16];
} text;

static const char *const names[] = {"a", "b", "a.b", "a.b.c", "b.a", "", "price"};
static const char *const operators[] = {"neg", "not", "is_nil", "if",  "+",  "-",  "*",
                                        "/",   "//",  "%",      "**",  "==", "!=", "<",
                                        "<=",  ">",   ">=",     "and", "or"};
static const unsigned operands[] = {1, 1, 1, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3};
static const struct {
  const char *name;
  unsigned arguments;
} calls[] = {{"abs", 1},        {"round", 2},    {"clip", 3},     {"digitize", 4}, {"log", 2},
             {"lower", 1},      {"strip", 1},    {"find", 2},     {"like", 2},     {"substr", 3},
             {"split", 3},      {"replace", 3},  {"concat", 5},   {"hour", 1},     {"date", 2},
             {"str", 1},        {"int", 1},      {"float", 1},    {"kind", 1},     {"coalesce", 4},
             {"len", 1},        {"get", 3},      {"hash", 2},     {"bucket", 2},   {"haversine", 4},
             {"weekday", 1},    {"endswith", 2}, {"contains", 2}, {"max", 3},      {"yearday", 1},
             {"floor_time", 2}, {"min", 2}};

static void put(text *out, const stream_value *value) {
  CHECK((size_t)(out->bytes + sizeof out->bytes - out->at) >= flow_value_bytes(value));
  out->at = flow_value_write(out->at, value);
}

static void put_string(text *out, const char *string) {
  stream_value value = flow_string((stream_text){string, strlen(string)});
  put(out, &value);
}

static void put_scalar(text *out) {
  static const char *const strings[] = {"", "x", "-12", "1e5", "\xc3\xbc\xff", "a,b,,c", "%x_"};
  stream_value value = flow_nil();
  double number = ((double)below(1u << 31) - 0x1p30) * (below(2) ? 1e-3 : 1e30);
  switch (below(7)) {
  case 0: value = flow_bool((int)below(2)); break;
  case 1: value = flow_integer((int64_t)below(40) - 20); break;
  case 2: value = flow_integer((int64_t)(state << below(64))); break;
  case 3: value = flow_float(number); break;
  case 4:
    value = flow_float(below(2) ? 0.0 / (double)below(2) : 1.0 / ((double)below(3) - 1));
    break;
  case 5: value = flow_string((stream_text){strings[below(7)], 0}); break;
  default: break;
  }
  if (value.kind == STREAM_STRING) value.text.len = strlen(value.text.data);
  put(out, &value);
}

static void put_map(text *out, int depth) {
  unsigned count = below(5);
  *out->at++ = (unsigned char)(0x80 | count);
  while (count-- != 0) {
    static const char *const keys[] = {"a", "b", "c", "", "price"};
    put_string(out, keys[below(5)]);
    if (depth > 0 && below(3) == 0) {
      put_map(out, depth - 1);
    } else if (below(6) == 0) {
      *out->at++ = 0x92;
      put_scalar(out);
      put_scalar(out);
    } else {
      put_scalar(out);
    }
  }
}

static void put_expression(text *out, int depth) {
  unsigned kind = below(8);
  if (depth == 0 || kind == 0) {
    put_scalar(out);
  } else if (kind < 3) {
    *out->at++ = 0x92;
    put_string(out, "field");
    const char *name = names[below(7)];
    put_string(out, name[0] != 0 ? name : "b");
  } else if (kind == 3) {
    unsigned count = below(2) ? 15 : 3;
    *out->at++ = 0x93;
    put_string(out, "in");
    put_expression(out, depth - 1);
    *out->at++ = (unsigned char)(0x90 | count);
    while (count-- != 0) put_scalar(out);
  } else if (kind < 6) {
    unsigned which = below(sizeof calls / sizeof *calls);
    *out->at++ = (unsigned char)(0x90 | (calls[which].arguments + 2));
    put_string(out, "call");
    put_string(out, calls[which].name);
    for (unsigned i = 0; i < calls[which].arguments; i++) put_expression(out, depth - 1);
  } else {
    unsigned which = below(sizeof operators / sizeof *operators);
    *out->at++ = (unsigned char)(0x90 | (operands[which] + 1));
    put_string(out, operators[which]);
    for (unsigned i = 0; i < operands[which]; i++) put_expression(out, depth - 1);
  }
}

/* In a block of its own size, so that a byte too far is seen. */
static stream_text exactly(const unsigned char *bytes, size_t len) {
  char *copy = malloc(len != 0 ? len : 1);
  CHECK(copy != NULL);
  memcpy(copy, bytes, len);
  return (stream_text){copy, len};
}

static stream_text damaged(const text *whole) {
  stream_text made = exactly(whole->bytes, (size_t)(whole->at - whole->bytes));
  unsigned changes = below(3);
  for (unsigned i = 0; i < changes && made.len != 0; i++)
    ((char *)made.data)[below((uint32_t)made.len)] = (char)below(256);
  size_t len = below(3) == 0 && made.len != 0 ? below((uint32_t)made.len) : made.len;
  stream_text cut = exactly((const unsigned char *)made.data, len);
  free((char *)made.data);
  return cut;
}

/* What is written is one value, and the same one. */
static void check_written(const stream_value *value) {
  size_t most = flow_value_bytes(value);
  unsigned char *bytes = malloc(most), *end = flow_value_write(bytes, value);
  CHECK(end > bytes && end <= bytes + most);
  stream_reader reader = {bytes, end};
  stream_value back;
  CHECK(stream_read(&reader, &back) == 0 && back.kind == value->kind);
  if (value->kind != STREAM_ARRAY && value->kind != STREAM_MAP) {
    CHECK(reader.at == end && flow_value_hash(&back, 7) == flow_value_hash(value, 7));
  }
  free(bytes);
}

static void try_one(flow_arena *arena) {
  static text written, event;
  written.at = written.bytes;
  event.at = event.bytes;
  put_expression(&written, 1 + (int)below(4));
  put_map(&event, 3);
  int is_whole = below(2) == 0;
  stream_text packed =
      is_whole ? exactly(written.bytes, (size_t)(written.at - written.bytes)) : damaged(&written);
  stream_text map =
      is_whole ? exactly(event.bytes, (size_t)(event.at - event.bytes)) : damaged(&event);
  flow_columns columns = {.open = 1};
  flow_expression *expression;
  char err[STREAM_ERR_MAX];
  int status = flow_expression_compile(packed, &columns, &expression, err);
  CHECK(!is_whole || status == STREAM_OK);
  CHECK(status == STREAM_OK || (columns.count == 0 && err[0] != 0));
  if (status == STREAM_OK) {
    stream_value row[FLOW_COLUMNS_MAX];
    status = flow_row_read(&columns, map, row);
    CHECK(!is_whole || status == 0);
    if (status == 0) {
      for (uint32_t i = 0; i < columns.count; i++) check_written(&row[i]);
      stream_value value = flow_expression_value(expression, row, arena);
      check_written(&value);
    }
    flow_expression_free(expression);
  }
  flow_arena_reset(arena);
  free((char *)packed.data);
  free((char *)map.data);
}

int main(int argc, char **argv) {
  long steps = number(argc, argv, 1, 20000);
  state = (uint64_t)number(argc, argv, 2, 1);
  flow_arena *arena = flow_arena_new();
  CHECK(arena != NULL);
  for (long i = 0; i < steps; i++) try_one(arena);
  flow_arena_free(arena);
  printf("flow_values_test: ok\n");
  return 0;
}

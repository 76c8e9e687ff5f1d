/* columns_test.c - columns at random, packed row by row, are the values that they hold; nothing outside
** their memory is read.
**
** usage: columns_test [rows] [seed]
*/
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../../engine/stream/value.h"
#include "check.h"
#include "columns.h"

#define COLUMNS_MAX 8
#define ROWS_MAX 300

static uint64_t state;

static uint64_t draw(uint64_t below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (state >> 33) % below;
}

/* Exactly so many bytes, so that whoever reads another one is seen. */
static unsigned char *memory(size_t bytes) {
  unsigned char *made = malloc(bytes != 0 ? bytes : 1);
  CHECK(made != NULL);
  for (size_t i = 0; i < bytes; i++) made[i] = (unsigned char)draw(256);
  return made;
}

static unsigned char *offsets(int width, int64_t count, int64_t *end) {
  unsigned char *made = memory((size_t)(count + 1) * (size_t)width);
  int64_t at = (int64_t)draw(3);
  for (int64_t i = 0; i <= count; i++) {
    int32_t narrow = (int32_t)at;
    memcpy(made + i * width, width == 4 ? (void *)&narrow : (void *)&at, (size_t)width);
    *end = at;
    if (i < count) at += (int64_t)draw(5);
  }
  return made;
}

static void make(stream_column *column, int64_t rows, int depth) {
  static const unsigned char name[] = {0xa1, 'x'};
  int kind = (int)draw(depth < 3 ? 11 : 9);
  *column = (stream_column){.name = name, .name_len = 2, .kind = kind, .factor = 1};
  column->first = (int64_t)draw(9);
  int64_t all = column->first + rows, end = 0;
  if (draw(2)) column->valid = memory((size_t)(all + 7) / 8);
  switch (kind) {
  case STREAM_COLUMN_BITS: column->values = memory((size_t)(all + 7) / 8); break;
  case STREAM_COLUMN_BOOLEANS:
    column->stride = 1;
    column->values = memory((size_t)all);
    break;
  case STREAM_COLUMN_INTEGERS:
  case STREAM_COLUMN_NATURALS:
  case STREAM_COLUMN_FLOATS:
    column->width = kind == STREAM_COLUMN_FLOATS ? (draw(2) ? 4 : 8) : 1 << draw(4);
    column->stride = column->width;
    column->values = memory((size_t)(all * column->width));
    break;
  case STREAM_COLUMN_TIMES:
    column->stride = 8;
    column->values = memory((size_t)all * 8);
    break;
  case STREAM_COLUMN_TEXT:
  case STREAM_COLUMN_BINARY:
  case STREAM_COLUMN_LISTS:
    column->width = draw(2) ? 4 : 8;
    column->offsets = offsets(column->width, all, &end);
    if (kind != STREAM_COLUMN_LISTS) {
      column->values = memory((size_t)end);
      break;
    }
    column->count = 1;
    column->children = malloc(sizeof *column);
    make(column->children, end, depth + 1);
    break;
  case STREAM_COLUMN_MAPS:
    column->count = (uint32_t)draw(4);
    column->children = calloc(column->count + 1, sizeof *column);
    for (uint32_t i = 0; i < column->count; i++) make(&column->children[i], rows, depth + 1);
    break;
  default: break;
  }
}

static void unmake(stream_column *column) {
  for (uint32_t i = 0; i < column->count; i++) unmake(&column->children[i]);
  free(column->children);
  free((void *)column->valid);
  free((void *)column->values);
  free((void *)column->offsets);
}

static int64_t whole(const unsigned char *at, int width, int sign) {
  uint64_t number = 0;
  for (int i = width - 1; i >= 0; i--) number = number << 8 | at[i];
  if (sign && width < 8 && number >> (8 * width - 1)) number |= ~(uint64_t)0 << 8 * width;
  return (int64_t)number;
}

/* The value at the reader is that of a row. */
static void compare(stream_reader *reader, const stream_column *column, int64_t row, int64_t unit) {
  int64_t place = column->first + row;
  const unsigned char *at = column->values + (column->stride != 0 ? place * column->stride : 0);
  stream_value value;
  CHECK(stream_read(reader, &value) == 0);
  int nil = column->kind == STREAM_COLUMN_NIL ||
            (column->valid != NULL && !(column->valid[place / 8] >> place % 8 & 1)) ||
            (column->kind == STREAM_COLUMN_TIMES && whole(at, 8, 1) == INT64_MIN);
  CHECK(nil == (value.kind == STREAM_NIL));
  if (nil) return;
  double number;
  float narrow;
  int64_t start, end, time;
  switch (column->kind) {
  case STREAM_COLUMN_BITS:
    CHECK(value.kind == STREAM_BOOL);
    CHECK(value.integer == (column->values[place / 8] >> place % 8 & 1u));
    break;
  case STREAM_COLUMN_BOOLEANS: CHECK(value.integer == (*at != 0)); break;
  case STREAM_COLUMN_INTEGERS:
    CHECK(value.kind == STREAM_INTEGER && (int64_t)value.integer == whole(at, column->width, 1));
    CHECK(value.negative == (whole(at, column->width, 1) < 0));
    break;
  case STREAM_COLUMN_NATURALS:
    CHECK(value.kind == STREAM_INTEGER && !value.negative);
    CHECK((int64_t)value.integer == whole(at, column->width, 0));
    break;
  case STREAM_COLUMN_FLOATS:
    memcpy(&narrow, at, 4);
    number = narrow;
    if (column->width == 8) memcpy(&number, at, 8);
    CHECK(value.kind == STREAM_FLOAT);
    CHECK(value.number == number || (isnan(value.number) && isnan(number)));
    break;
  case STREAM_COLUMN_TIMES:
    time = whole(at, 8, 1);
    if (time % unit == 0) CHECK((int64_t)value.integer == time / unit);
    else
      CHECK(fabsl((long double)value.number * unit - time) <= fabsl((long double)time) * 0x1p-52L);
    break;
  case STREAM_COLUMN_LISTS:
  case STREAM_COLUMN_TEXT:
  case STREAM_COLUMN_BINARY:
    start = whole(column->offsets + place * column->width, column->width, 1);
    end = whole(column->offsets + (place + 1) * column->width, column->width, 1);
    if (column->kind == STREAM_COLUMN_LISTS) {
      CHECK(value.kind == STREAM_ARRAY && value.count == end - start);
      for (; start < end; start++) compare(reader, column->children, start, unit);
      break;
    }
    CHECK(value.kind == (column->kind == STREAM_COLUMN_TEXT ? STREAM_STRING : STREAM_BINARY));
    CHECK(value.text.len == (size_t)(end - start));
    CHECK(memcmp(value.text.data, column->values + start, value.text.len) == 0);
    break;
  case STREAM_COLUMN_MAPS:
    CHECK(value.kind == STREAM_MAP && value.count == column->count);
    for (uint32_t i = 0; i < column->count; i++) {
      CHECK(stream_read(reader, &value) == 0 && value.text.len == 1);
      compare(reader, &column->children[i], row, unit);
    }
    break;
  default: CHECK(0);
  }
}

static void round_of(uint32_t rows) {
  stream_column columns[COLUMNS_MAX];
  uint32_t count = (uint32_t)draw(COLUMNS_MAX) + 1, which;
  for (uint32_t i = 0; i < count; i++) make(&columns[i], rows, 0);
  int64_t unit = (int64_t)draw(3) == 0 ? 1 : (int64_t)draw(2000000000) + 1;
  uint32_t from = (uint32_t)draw(rows + 1), most = (uint32_t)draw(rows - from + 1);
  unsigned char *packed;
  size_t len;
  CHECK(stream_columns_pack(columns, count, from, most, unit, &packed, &len, &which) == STREAM_OK);
  stream_reader reader = {packed, packed + len};
  stream_value value;
  CHECK(stream_read(&reader, &value) == 0 && value.kind == STREAM_ARRAY && value.count == most);
  for (uint32_t row = from; row < from + most; row++) {
    CHECK(stream_read(&reader, &value) == 0 && value.kind == STREAM_MAP && value.count == count);
    for (uint32_t i = 0; i < count; i++) {
      CHECK(stream_read(&reader, &value) == 0 && value.kind == STREAM_STRING);
      compare(&reader, &columns[i], row, unit);
    }
  }
  CHECK(reader.at == reader.end);
  free(packed);
  for (uint32_t i = 0; i < count; i++) unmake(&columns[i]);
}

/* Values that are packed already, and those that are missing. */
static void test_packed(void) {
  static const unsigned char values[] = {1, 0x92, 2, 3, 0xa1, 'a'}, name[] = {0xa1, 'x'};
  for (uint32_t rows = 0; rows <= 4; rows++) {
    stream_column column = {.name = name,
                            .name_len = 2,
                            .kind = STREAM_COLUMN_PACKED,
                            .values = values,
                            .len = sizeof values};
    unsigned char *packed;
    size_t len;
    uint32_t which = 9;
    int status = stream_columns_pack(&column, 1, 7, rows, 1, &packed, &len, &which);
    CHECK(status == (rows < 4 ? STREAM_OK : STREAM_E_DECODE));
    if (rows == 3) CHECK(len == 1 + 3 * 3 + sizeof values);
    CHECK(rows < 4 || (packed == NULL && which == 0));
    free(packed);
  }
}

static void test_times_beyond(void) {
  static const int64_t times[] = {0, INT64_MAX / 1000 + 1};
  static const unsigned char name[] = {0xa1, 'x'};
  stream_column columns[2] = {{.name = name, .name_len = 2, .kind = STREAM_COLUMN_NIL},
                              {.name = name,
                               .name_len = 2,
                               .kind = STREAM_COLUMN_TIMES,
                               .stride = 8,
                               .factor = 1000,
                               .values = (const unsigned char *)times}};
  unsigned char *packed;
  size_t len;
  uint32_t which = 9;
  CHECK(stream_columns_pack(columns, 2, 0, 1, 1, &packed, &len, &which) == STREAM_OK);
  free(packed);
  CHECK(stream_columns_pack(columns, 2, 0, 2, 1, &packed, &len, &which) == STREAM_E_INVALID);
  CHECK(which == 1 && packed == NULL);
}

int main(int argc, char **argv) {
  long rows = argc > 1 ? atol(argv[1]) : 100000;
  state = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
  fprintf(stderr, "seed %llu\n", (unsigned long long)state);
  test_packed();
  test_times_beyond();
  for (long done = 0; done < rows;) {
    uint32_t some = (uint32_t)draw(ROWS_MAX) + 1;
    round_of(some);
    done += some;
  }
  puts("columns_test: ok");
  return 0;
}

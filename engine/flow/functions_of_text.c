/* functions_of_text.c - functions of texts that expressions call.
**
** Texts are UTF-8; positions count characters. Of what is no UTF-8, every byte counts that does not go
** on with the character before it. Cases are those of Latin, Greek and Cyrillic letters up to U+052F
** which have just one of each in two bytes of UTF-8: those of all European languages, but for the Turkish
** dotted I and the German sharp s. */
#include "functions.h"

#include <string.h>

static int are_texts(const stream_value *values, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    if (values[i].kind != STREAM_STRING) return 0;
  return 1;
}

static int begins_character(char c) {
  return ((unsigned char)c & 0xc0) != 0x80;
}

/* Where the character of that number begins; the text's end: it has fewer. */
static size_t place_of(stream_text text, uint64_t character) {
  for (size_t i = 0; i < text.len; i++)
    if (begins_character(text.data[i]) && character-- == 0) return i;
  return text.len;
}

uint64_t flow_characters(stream_text text) {
  uint64_t count = 0;
  for (size_t i = 0; i < text.len; i++) count += begins_character(text.data[i]);
  return count;
}

static stream_value part(stream_text text, size_t from, size_t until) {
  return flow_string((stream_text){text.data + from, until - from});
}

/* ---- Cases and white space ---------------------------------------------- */

typedef struct letters {
  uint16_t first, last; /* small letters */
  uint16_t step;        /* 2: every other one, with its capital before it */
  int16_t to_capital;
} letters;

static const letters alphabets[] = {
    {0x00e0, 0x00f6, 1, -32}, {0x00f8, 0x00fe, 1, -32}, {0x00ff, 0x00ff, 1, 121},
    {0x0101, 0x012f, 2, -1},  {0x0133, 0x0137, 2, -1},  {0x013a, 0x0148, 2, -1},
    {0x014b, 0x0177, 2, -1},  {0x017a, 0x017e, 2, -1},  {0x03ac, 0x03ac, 1, -38},
    {0x03ad, 0x03af, 1, -37}, {0x03b1, 0x03c1, 1, -32}, {0x03c3, 0x03cb, 1, -32},
    {0x03cc, 0x03cc, 1, -64}, {0x03cd, 0x03ce, 1, -63}, {0x0430, 0x044f, 1, -32},
    {0x0450, 0x045f, 1, -80}, {0x0461, 0x0481, 2, -1},  {0x048b, 0x04bf, 2, -1},
    {0x04d1, 0x052f, 2, -1},
};

/* Of a character of two bytes. */
static unsigned other_case(unsigned character, int up) {
  for (size_t i = 0; i < sizeof alphabets / sizeof *alphabets; i++) {
    const letters *of = &alphabets[i];
    unsigned small = up ? character : character - (unsigned)of->to_capital;
    if (small >= of->first && small <= of->last && (small - of->first) % of->step == 0)
      return up ? character + (unsigned)of->to_capital : small;
  }
  return character;
}

static stream_value change_case(const stream_value *value, int up, flow_arena *arena) {
  if (value->kind != STREAM_STRING) return flow_nil();
  size_t len = value->text.len;
  const unsigned char *text = (const unsigned char *)value->text.data;
  unsigned char *copy = flow_arena_take(arena, len), first = up ? 'a' : 'A';
  if (copy == NULL) return flow_nil();
  for (size_t i = 0; i < len; i++) {
    unsigned c = text[i];
    copy[i] = (unsigned char)(c >= first && c < first + 26u ? c ^ 0x20 : c);
    if (c < 0xc3 || c > 0xd4 || i + 1 == len || (text[i + 1] & 0xc0) != 0x80) continue;
    unsigned other = other_case((c & 31) << 6 | (text[i + 1] & 63), up);
    copy[i] = (unsigned char)(0xc0 | other >> 6);
    copy[++i] = (unsigned char)(0x80 | (other & 63));
  }
  return flow_string((stream_text){(const char *)copy, len});
}

static stream_value lower(const stream_value *value, uint32_t count, flow_arena *arena) {
  (void)count;
  return change_case(value, 0, arena);
}

static stream_value upper(const stream_value *value, uint32_t count, flow_arena *arena) {
  (void)count;
  return change_case(value, 1, arena);
}

/* With what is to go as the second value; else white space. */
static stream_value strip_ends(const stream_value *values, uint32_t count, int left, int right) {
  if (!are_texts(values, count)) return flow_nil();
  stream_text text = values[0].text, gone = {" \t\n\v\f\r", 6};
  if (count == 2) gone = values[1].text;
  size_t from = 0, until = text.len;
  if (gone.len == 0) return values[0];
  while (left && from < until && memchr(gone.data, text.data[from], gone.len) != NULL) from++;
  while (right && from < until && memchr(gone.data, text.data[until - 1], gone.len) != NULL)
    until--;
  return part(text, from, until);
}

static stream_value strip(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  return strip_ends(values, count, 1, 1);
}

static stream_value strip_left(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  return strip_ends(values, count, 1, 0);
}

static stream_value strip_right(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  return strip_ends(values, count, 0, 1);
}

/* ---- Finding ------------------------------------------------------------ */

static const char *find_in(stream_text text, stream_text wanted) {
  if (wanted.len == 0) return text.data;
  return text.len < wanted.len ? NULL : memmem(text.data, text.len, wanted.data, wanted.len);
}

static stream_value begins_with(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  if (!are_texts(values, count)) return flow_nil();
  stream_text text = values[0].text;
  if (text.len > values[1].text.len) text.len = values[1].text.len;
  return flow_bool(stream_text_equal(text, values[1].text));
}

static stream_value ends_with(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  if (!are_texts(values, count)) return flow_nil();
  stream_text text = values[0].text;
  if (text.len > values[1].text.len) {
    text.data += text.len - values[1].text.len;
    text.len = values[1].text.len;
  }
  return flow_bool(stream_text_equal(text, values[1].text));
}

static stream_value contains(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  if (!are_texts(values, count)) return flow_nil();
  return flow_bool(values[1].text.len == 0 || find_in(values[0].text, values[1].text) != NULL);
}

static stream_value find(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  if (!are_texts(values, count)) return flow_nil();
  stream_text text = values[0].text;
  if (values[1].text.len == 0) return flow_integer(0);
  const char *found = find_in(text, values[1].text);
  if (found == NULL) return flow_integer(-1);
  text.len = (size_t)(found - text.data);
  return flow_integer((int64_t)flow_characters(text));
}

/* As LIKE of SQL does it: % stands for any characters, _ for one. The latest % is the only one that
** has to be tried again, so this takes no longer than the product of both lengths. */
static stream_value like(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  if (!are_texts(values, count)) return flow_nil();
  stream_text text = values[0].text, pattern = values[1].text;
  size_t i = 0, j = 0, again = SIZE_MAX, after = 0;
  while (i < text.len) {
    if (j < pattern.len && pattern.data[j] == '%') {
      after = ++j;
      again = i;
    } else if (j < pattern.len && pattern.data[j] == '_') {
      j++;
      for (i++; i < text.len && !begins_character(text.data[i]); i++) {
      }
    } else if (j < pattern.len && pattern.data[j] == text.data[i]) {
      i++, j++;
    } else if (again != SIZE_MAX) {
      for (again++; again < text.len && !begins_character(text.data[again]); again++) {
      }
      i = again;
      j = after;
    } else {
      return flow_bool(0);
    }
  }
  while (j < pattern.len && pattern.data[j] == '%') j++;
  return flow_bool(j == pattern.len);
}

/* ---- Parts -------------------------------------------------------------- */

/* substr(text, start[, count]); a negative start counts from the end. */
static stream_value substring(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)arena;
  if (values[0].kind != STREAM_STRING || values[1].kind != STREAM_INTEGER) return flow_nil();
  stream_text text = values[0].text;
  uint64_t start = values[1].integer, most = UINT64_MAX;
  if (count == 3) {
    if (values[2].kind != STREAM_INTEGER) return flow_nil();
    most = values[2].negative ? 0 : values[2].integer;
  }
  if (values[1].negative) {
    uint64_t all = flow_characters(text), back = 0 - start;
    start = back < all ? all - back : 0;
  }
  size_t from = place_of(text, start);
  stream_text rest = {text.data + from, text.len - from};
  return part(rest, 0, place_of(rest, most));
}

/* split(text, separator, i): the part of that number, from 0; from the end, if it is negative. */
static stream_value split(const stream_value *values, uint32_t count, flow_arena *arena) {
  (void)count, (void)arena;
  if (!are_texts(values, 2) || values[2].kind != STREAM_INTEGER) return flow_nil();
  stream_text text = values[0].text, separator = values[1].text;
  if (separator.len == 0) return flow_nil();
  uint64_t wanted = values[2].integer;
  for (int pass = 0;; pass++) {
    stream_text rest = text;
    uint64_t parts = 1;
    for (const char *at; (at = find_in(rest, separator)) != NULL; parts++) {
      if (!values[2].negative || pass == 1)
        if (parts - 1 == wanted) return part(rest, 0, (size_t)(at - rest.data));
      rest.len -= (size_t)(at - rest.data) + separator.len;
      rest.data = at + separator.len;
    }
    if (values[2].negative && pass == 0) {
      if (0 - wanted > parts) return flow_nil();
      wanted = parts - (0 - wanted);
      continue;
    }
    return parts - 1 == wanted ? flow_string(rest) : flow_nil();
  }
}

/* ---- New texts ---------------------------------------------------------- */

static stream_value replace(const stream_value *values, uint32_t count, flow_arena *arena) {
  if (!are_texts(values, count)) return flow_nil();
  stream_text text = values[0].text, old = values[1].text, other = values[2].text;
  size_t times = 0;
  stream_text rest = text;
  for (const char *at; old.len != 0 && (at = find_in(rest, old)) != NULL; times++) {
    rest.len -= (size_t)(at - rest.data) + old.len;
    rest.data = at + old.len;
  }
  size_t size;
  if (times == 0) return values[0];
  if (__builtin_mul_overflow(times, other.len, &size) ||
      __builtin_add_overflow(size, text.len - times * old.len, &size) || size > FLOW_TEXT_MAX)
    return flow_nil();
  char *copy = flow_arena_take(arena, size), *to = copy;
  if (copy == NULL) return flow_nil();
  rest = text;
  for (const char *at; (at = find_in(rest, old)) != NULL;) {
    size_t before = (size_t)(at - rest.data);
    to = mempcpy(to, rest.data, before);
    if (other.len != 0) to = mempcpy(to, other.data, other.len);
    rest.len -= before + old.len;
    rest.data = at + old.len;
  }
  if (rest.len != 0) memcpy(to, rest.data, rest.len);
  return flow_string((stream_text){copy, size});
}

static stream_value concat(const stream_value *values, uint32_t count, flow_arena *arena) {
  stream_text texts[FLOW_CALL_MAX];
  size_t size = 0;
  for (uint32_t i = 0; i < count; i++) {
    stream_value text = flow_as_text(&values[i], arena);
    if (text.kind != STREAM_STRING) return flow_nil();
    texts[i] = text.text;
    size += text.text.len;
  }
  if (size > FLOW_TEXT_MAX) return flow_nil();
  char *copy = flow_arena_take(arena, size), *to = copy;
  if (copy == NULL) return flow_nil();
  for (uint32_t i = 0; i < count; i++)
    if (texts[i].len != 0) to = mempcpy(to, texts[i].data, texts[i].len);
  return flow_string((stream_text){copy, size});
}

const flow_function flow_functions_of_text[] = {
    {"lower", 1, 1, 0, lower},
    {"upper", 1, 1, 0, upper},
    {"strip", 1, 2, 0, strip},
    {"lstrip", 1, 2, 0, strip_left},
    {"rstrip", 1, 2, 0, strip_right},
    {"startswith", 2, 2, 0, begins_with},
    {"endswith", 2, 2, 0, ends_with},
    {"contains", 2, 2, 0, contains},
    {"find", 2, 2, 0, find},
    {"like", 2, 2, 0, like},
    {"substr", 2, 3, 0, substring},
    {"split", 3, 3, 0, split},
    {"replace", 3, 3, 0, replace},
    {"concat", 1, FLOW_CALL_MAX, 0, concat},
    {NULL, 0, 0, 0, NULL},
};

/* json.c - see json.h. */
#include "json.h"

#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"
#include "sound.h"

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* A container that has not ended. */
typedef struct open_container {
  size_t head; /* where its head is */
  uint32_t count;
  int is_map;
} open_container;

/* What is read, and where it goes: there is room for three bytes for each one that is read, and no
** value takes more. */
typedef struct packer {
  const unsigned char *at, *end;
  unsigned char *out, *start;
  const char *why;
} packer;

static int refuse(packer *p, const char *why) {
  p->why = why;
  return -1;
}

static void skip_space(packer *p) {
  while (p->at != p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r' || *p->at == '\n'))
    p->at++;
}

static void put(packer *p, unsigned char head, uint64_t number, int bytes) {
  p->out = stream_put(p->out, head, number, bytes);
}

/* ---- Text --------------------------------------------------------------- */

/* Bytes of the eight that end a plain stretch: quotes, backslashes, control characters. */
static uint64_t special(uint64_t word) {
  uint64_t quote = word ^ ONES * '"', backslash = word ^ ONES * '\\';
  return (((quote - ONES) & ~quote) | ((backslash - ONES) & ~backslash) |
          ((word - ONES * 0x20) & ~word)) &
         HIGHS;
}

/* Up to the closing quote; 0: there is none, or something that may not be in a text. */
static int measure(const packer *p, size_t *len, int *escaped, int *beyond_ascii) {
  const unsigned char *at = p->at;
  *escaped = *beyond_ascii = 0;
  for (;;) {
    uint64_t word;
    while (p->end - at >= 8) {
      memcpy(&word, at, 8);
      if (special(word) != 0) break;
      *beyond_ascii |= (word & HIGHS) != 0;
      at += 8;
    }
    if (at == p->end) return 0;
    if (*at == '"') break;
    if (*at < 0x20) return 0;
    if (*at == '\\') {
      *escaped = 1;
      if (++at == p->end) return 0;
    }
    *beyond_ascii |= *at >= 0x80;
    at++;
  }
  *len = (size_t)(at - p->at);
  return 1;
}

static int hex4(const unsigned char *at, const unsigned char *end, uint32_t *code) {
  if (end - at < 4) return -1;
  *code = 0;
  for (int i = 0; i < 4; i++) {
    unsigned digit = at[i], low = digit | 0x20;
    if (digit >= '0' && digit <= '9') digit -= '0';
    else if (low >= 'a' && low <= 'f') digit = low - 'a' + 10;
    else return -1;
    *code = *code << 4 | digit;
  }
  return 0;
}

static unsigned char *put_character(unsigned char *out, uint32_t code) {
  if (code < 0x80) {
    *out++ = (unsigned char)code;
    return out;
  }
  int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const unsigned char heads[] = {0, 0xc0, 0xe0, 0xf0};
  *out++ = (unsigned char)(heads[more] | code >> 6 * more);
  while (more-- > 0) *out++ = (unsigned char)(0x80 | (code >> 6 * more & 0x3f));
  return out;
}

/* What follows a backslash. The place behind it, or NULL. */
static const unsigned char *unescape(const unsigned char *at, const unsigned char *end,
                                     unsigned char **out) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  const char *found = *at != 0 ? strchr(from, *at) : NULL;
  if (found != NULL) {
    *(*out)++ = (unsigned char)to[found - from];
    return at + 1;
  }
  uint32_t code, low;
  if (*at != 'u' || hex4(at + 1, end, &code) != 0) return NULL;
  at += 5;
  if (code >= 0xdc00 && code < 0xe000) return NULL;
  if (code >= 0xd800 && code < 0xdc00) {
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u' || hex4(at + 2, end, &low) != 0 ||
        low < 0xdc00 || low >= 0xe000)
      return NULL;
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    at += 6;
  }
  *out = put_character(*out, code);
  return at;
}

/* Behind the opening quote. Its head has room for the text as it is written, which is no shorter. */
static int pack_text(packer *p) {
  size_t len, head;
  int escaped, beyond_ascii;
  if (!measure(p, &len, &escaped, &beyond_ascii))
    return refuse(p, "it is no JSON: a text does not end, or has a control character in it");
  const unsigned char *end = p->at + len;
  if (beyond_ascii && !stream_is_utf8((stream_text){(const char *)p->at, len}))
    return refuse(p, "it is not UTF-8");
  if (len > UINT32_MAX) return refuse(p, "a text in it is larger than 4 GiB");
  head = len < 32 ? 1 : len < 256 ? 2 : len < 65536 ? 3 : 5;
  unsigned char *text = p->out + head, *out = text;
  if (!escaped) {
    memcpy(text, p->at, len);
    out = text + len;
    p->at = end + 1;
  } else {
    while (p->at != end) {
      if (*p->at != '\\') {
        *out++ = *p->at++;
        continue;
      }
      p->at = unescape(p->at + 1, end, &out);
      if (p->at == NULL)
        return refuse(p, "it is no JSON: a backslash is followed by nothing known");
    }
    p->at = end + 1;
  }
  size_t written = (size_t)(out - text);
  if (head == 1) put(p, (unsigned char)(0xa0 | written), 0, 0);
  else put(p, head == 2 ? 0xd9 : head == 3 ? 0xda : 0xdb, written, (int)head - 1);
  p->out = out;
  return 0;
}

/* ---- Numbers ------------------------------------------------------------ */

static locale_t plain_locale;

static void make_locale(void) {
  plain_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* The text of a number that is not exact by a division or a multiplication. 0, or -1. */
static int read_double(const unsigned char *text, size_t len, double *number) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_locale);
  char few[64], *copy = len < sizeof few ? few : malloc(len + 1), *end;
  if (copy == NULL || plain_locale == (locale_t)0) return -1;
  memcpy(copy, text, len);
  copy[len] = 0;
  *number = strtod_l(copy, &end, plain_locale);
  if (copy != few) free(copy);
  return *number - *number == 0 ? 0 : -1; /* not infinite */
}

static int pack_double(packer *p, const unsigned char *start, uint64_t digits, int exact,
                       int64_t exponent) {
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  double number;
  if (exact && digits <= UINT64_C(1) << 53 && exponent >= -22 && exponent <= 22) {
    number = exponent < 0 ? (double)digits / powers[-exponent] : (double)digits * powers[exponent];
    if (*start == '-') number = -number;
  } else if (read_double(start, (size_t)(p->at - start), &number) != 0) {
    return refuse(p, "a number in it is out of range");
  }
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  put(p, 0xcb, bits, 8);
  return 0;
}

static int is_digit(const packer *p) {
  return p->at != p->end && *p->at >= '0' && *p->at <= '9';
}

static int no_number(packer *p) {
  return refuse(p, "it is no JSON: a number in it is none");
}

/* One digit more; *exact goes when the sum does not fit. */
static void add_digit(const packer *p, uint64_t *digits, int *exact) {
  *exact &= !__builtin_mul_overflow(*digits, 10, digits) &&
            !__builtin_add_overflow(*digits, (uint64_t)(*p->at - '0'), digits);
}

static int pack_number(packer *p) {
  const unsigned char *start = p->at;
  int negative = *p->at == '-', exact = 1, whole = 1;
  uint64_t digits = 0;
  int64_t exponent = 0;
  p->at += negative;
  if (!is_digit(p)) return no_number(p);
  if (*p->at == '0') {
    p->at++;
    if (is_digit(p)) return no_number(p);
  }
  for (; is_digit(p); p->at++) add_digit(p, &digits, &exact);
  if (p->at != p->end && *p->at == '.') {
    whole = 0;
    p->at++;
    if (!is_digit(p)) return no_number(p);
    for (; is_digit(p); p->at++, exponent--) add_digit(p, &digits, &exact);
  }
  if (p->at != p->end && (*p->at | 0x20) == 'e') {
    whole = 0;
    p->at++;
    int down = p->at != p->end && *p->at == '-';
    p->at += p->at != p->end && (*p->at == '-' || *p->at == '+');
    if (!is_digit(p)) return no_number(p);
    int64_t written = 0;
    for (; is_digit(p); p->at++)
      if (written < 100000) written = written * 10 + (*p->at - '0');
    exponent += down ? -written : written;
  }
  if (!whole) return pack_double(p, start, digits, exact, exponent);
  if (!exact || (negative && digits > UINT64_C(1) << 63))
    return refuse(p, "it holds an integer of more than 64 bits");
  p->out = stream_put_integer(p->out, negative ? 0 - digits : digits, negative && digits != 0);
  return 0;
}

/* ---- Values ------------------------------------------------------------- */

static int pack_word(packer *p, const char *word, unsigned char packed) {
  size_t len = strlen(word);
  if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0)
    return refuse(p, "it is no JSON");
  p->at += len;
  *p->out++ = packed;
  return 0;
}

/* Its head has one byte so far. */
static void end_container(packer *p, const open_container *one) {
  unsigned char *head = p->start + one->head, *end = p->out;
  if (one->count < 16) {
    *head = (unsigned char)((one->is_map ? 0x80 : 0x90) | one->count);
    return;
  }
  int bytes = one->count < 65536 ? 2 : 4;
  memmove(head + 1 + bytes, head + 1, (size_t)(end - head - 1));
  p->out = head;
  put(p, (unsigned char)((one->is_map ? 0xde : 0xdc) + (bytes == 4)), one->count, bytes);
  p->out = end + bytes;
}

/* A name of a map, and the colon. */
static int pack_name(packer *p) {
  if (p->at == p->end || *p->at != '"') return refuse(p, "it is no JSON: a name is missing");
  p->at++;
  if (pack_text(p) != 0) return -1;
  skip_space(p);
  if (p->at == p->end || *p->at != ':') return refuse(p, "it is no JSON: a colon is missing");
  p->at++;
  skip_space(p);
  return 0;
}

static int pack_scalar(packer *p) {
  if (p->at == p->end) return refuse(p, "it is no JSON: it is cut short");
  switch (*p->at) {
  case '"': p->at++; return pack_text(p);
  case 't': return pack_word(p, "true", 0xc3);
  case 'f': return pack_word(p, "false", 0xc2);
  case 'n': return pack_word(p, "null", 0xc0);
  default: return *p->at == '-' || is_digit(p) ? pack_number(p) : refuse(p, "it is no JSON");
  }
}

/* Behind a value: containers that end here do. 1: nothing is open any more; 0: there is another value
** to come, and what is before it has been read. */
static int after_value(packer *p, open_container *open, uint32_t *depth) {
  while (*depth != 0) {
    open_container *one = &open[*depth - 1];
    skip_space(p);
    if (p->at == p->end) return refuse(p, "it is no JSON: it is cut short");
    if (*p->at == ',') {
      p->at++;
      skip_space(p);
      one->count++;
      return one->is_map ? pack_name(p) : 0;
    }
    if (*p->at != (one->is_map ? '}' : ']'))
      return refuse(p, "it is no JSON: a comma or a bracket is missing");
    p->at++;
    end_container(p, one);
    --*depth;
  }
  return 1;
}

static int pack(packer *p) {
  open_container open[STREAM_JSON_DEPTH];
  uint32_t depth = 0;
  for (;;) {
    int opens = p->at != p->end && (*p->at == '{' || *p->at == '[');
    if (opens) {
      if (depth == STREAM_JSON_DEPTH) return refuse(p, "it is nested more than 128 deep");
      int is_map = *p->at++ == '{';
      open[depth++] = (open_container){(size_t)(p->out - p->start), 1, is_map};
      *p->out++ = 0;
      skip_space(p);
      if (p->at != p->end && *p->at == (is_map ? '}' : ']')) {
        p->at++;
        open[--depth].count = 0;
        end_container(p, &open[depth]);
      } else {
        if (is_map && pack_name(p) != 0) return -1;
        continue;
      }
    } else if (pack_scalar(p) != 0) return -1;
    int over = after_value(p, open, &depth);
    if (over < 0) return -1;
    if (over) return 0;
  }
}

int stream_json_pack(const char *text, size_t len, stream_packing *packing, const char **why) {
  packer p = {.at = (const unsigned char *)text, .end = (const unsigned char *)text + len};
  skip_space(&p);
  if (p.at == p.end) return STREAM_JSON_BLANK;
  if (len > SIZE_MAX / 4) return STREAM_E_NOMEM;
  size_t needed = 3 * len + 16;
  if (needed > packing->capacity) {
    free(packing->data);
    packing->data = malloc(needed);
    packing->capacity = packing->data != NULL ? needed : 0;
    if (packing->data == NULL) return STREAM_E_NOMEM;
  }
  p.start = p.out = packing->data;
  int status = pack(&p);
  if (status == 0) skip_space(&p);
  if (status == 0 && p.at != p.end) status = refuse(&p, "it is no JSON: there is more behind it");
  packing->len = (size_t)(p.out - p.start);
  *why = p.why;
  return status == 0 ? STREAM_OK : STREAM_E_DECODE;
}

/* number_text.c - numbers as text, in whatever locale the process is: see functions.h. */
#include "arithmetic.h"
#include "functions.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES_MAX                                                                           \
  400 /* more than the longest float has that is written without an exponent */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t plain; /* numbers with a point; kept until the process ends */

static void find_plain(void) {
  plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static double parse(const char *text, char **end) {
  pthread_once(&once, find_plain);
  return plain != (locale_t)0 ? strtod_l(text, end, plain) : strtod(text, end);
}

/* ---- To text ------------------------------------------------------------ */

/* The digits of a number with so many of them, and its exponent. Whatever stands between the first and
** the second digit is the locale's. */
static size_t digits_of(double number, int count, char *digits, int *exponent) {
  char text[64];
  snprintf(text, sizeof text, "%.*e", count - 1, fabs(number));
  size_t len = 0;
  const char *at = text;
  for (; *at != 'e' && *at != 0; at++)
    if (*at >= '0' && *at <= '9' && len < 20) digits[len++] = *at;
  *exponent = *at == 'e' ? (int)strtol(at + 1, NULL, 10) : 0;
  digits[len] = 0;
  return len;
}

static int reads_back(double number, const char *digits, int exponent) {
  char text[64];
  snprintf(text, sizeof text, "%c.%se%d", digits[0], digits + 1, exponent);
  return parse(text, NULL) == fabs(number);
}

/* The fewest digits that read back as the number. */
static size_t shortest(double number, char *digits, int *exponent) {
  int first = fabs(number) < 0x1p-1022 ? 1 : 15; /* 15 are enough for whatever has 15 or fewer */
  size_t len = 0;
  for (int count = first; count <= 17; count++) {
    len = digits_of(number, count, digits, exponent);
    if (reads_back(number, digits, *exponent)) break;
  }
  while (len > 1 && digits[len - 1] == '0') digits[--len] = 0;
  return len;
}

size_t flow_float_text(double number, char *out) {
  if (number != number) return (size_t)sprintf(out, "nan");
  if (isinf(number)) return (size_t)sprintf(out, number < 0 ? "-inf" : "inf");
  char *at = out;
  if (signbit(number)) *at++ = '-';
  if (number == 0) return (size_t)(at - out) + (size_t)sprintf(at, "0.0");
  char digits[24];
  int exponent;
  int len = (int)shortest(number, digits, &exponent);
  if (exponent < -4 || exponent >= 16) {
    *at++ = digits[0];
    if (len > 1) *at++ = '.';
    at += sprintf(at, "%se%c%02d", digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
  } else if (exponent < 0) {
    at += sprintf(at, "0.%.*s%s", -exponent - 1, "000", digits);
  } else if (len <= exponent + 1) {
    at += sprintf(at, "%s%.*s.0", digits, exponent + 1 - len, "000000000000000");
  } else {
    at += sprintf(at, "%.*s.%s", exponent + 1, digits, digits + exponent + 1);
  }
  return (size_t)(at - out);
}

/* ---- From text ---------------------------------------------------------- */

static int is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/* 1 and the number, if it is one and fits into 64 bits. */
static int read_integer(stream_text text, stream_value *value) {
  size_t i = text.data[0] == '+' || text.data[0] == '-';
  int negative = text.data[0] == '-';
  uint64_t number = 0;
  if (i == text.len) return 0;
  for (; i < text.len; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return 0;
    if (__builtin_mul_overflow(number, (uint64_t)10, &number)) return 0;
    if (__builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number)) return 0;
  }
  *value = flow_from_wide(negative ? -(flow_wide)number : (flow_wide)number);
  return value->kind == STREAM_INTEGER;
}

/* strtod also takes hexadecimal numbers, and nan with more in brackets. */
static int may_be_float(stream_text text) {
  int letters = 0;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.data[i];
    if ((c >= '0' && c <= '9') || c == '.' || c == '+' || c == '-') continue;
    if (memchr("eEinftyaINFTYA", c, 14) == NULL) return 0;
    letters++;
  }
  return letters <= 8;
}

stream_value flow_number_of_text(stream_text text) {
  while (text.len != 0 && is_space(text.data[0])) text.data++, text.len--;
  while (text.len != 0 && is_space(text.data[text.len - 1])) text.len--;
  stream_value value;
  if (text.len == 0 || text.len > NUMBER_BYTES_MAX) return flow_nil();
  if (read_integer(text, &value)) return value;
  if (!may_be_float(text)) return flow_nil();
  char copy[NUMBER_BYTES_MAX + 1], *end;
  memcpy(copy, text.data, text.len);
  copy[text.len] = 0;
  double number = parse(copy, &end);
  return end == copy + text.len ? flow_float(number) : flow_nil();
}

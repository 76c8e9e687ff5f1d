/* sound.c - see sound.h. */
#include "sound.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* The length of the character that begins here; 0: it is none. As Unicode's table 3-7 has it: no
** overlong forms, no surrogates, nothing beyond U+10FFFF. */
static size_t character(const unsigned char *at, size_t left) {
  unsigned first = at[0];
  size_t len = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (first > 0xf4 || len == 0 || len > left) return 0;
  if (len == 1) return 1;
  unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (at[1] < low || at[1] > high) return 0;
  for (size_t i = 2; i < len; i++)
    if ((at[i] & 0xc0) != 0x80) return 0;
  return len;
}

int stream_is_utf8(stream_text text) {
  const unsigned char *at = (const unsigned char *)text.data;
  size_t left = text.len;
  while (left != 0) {
    uint64_t word;
    if (left >= sizeof word) {
      memcpy(&word, at, sizeof word);
      if ((word & HIGH_BITS) == 0) {
        at += sizeof word;
        left -= sizeof word;
        continue;
      }
    }
    size_t len = character(at, left);
    if (len == 0) return 0;
    at += len;
    left -= len;
  }
  return 1;
}

/* A container that is being read. */
typedef struct level {
  uint64_t left; /* values; a map's keys count too */
  int is_map;
} level;

const char *stream_sound(stream_reader *reader) {
  level levels[STREAM_DEPTH_MAX + 1];
  uint32_t depth = 0;
  levels[0] = (level){1, 0};
  for (;;) {
    while (levels[depth].left == 0) {
      if (depth == 0) return NULL;
      depth--;
    }
    level *here = &levels[depth];
    int is_key = here->is_map && here->left % 2 == 0;
    here->left--;
    stream_value value;
    if (stream_read(reader, &value) != 0) return "is cut short, or no MessagePack";
    if (is_key && value.kind != STREAM_STRING && value.kind != STREAM_INTEGER)
      return "has a map with a key that is neither text nor an integer";
    if (value.kind == STREAM_STRING && !stream_is_utf8(value.text))
      return "has a text that is not UTF-8";
    if (value.kind != STREAM_ARRAY && value.kind != STREAM_MAP) continue;
    if (depth == STREAM_DEPTH_MAX) return "is nested more than 128 deep";
    int is_map = value.kind == STREAM_MAP;
    levels[++depth] = (level){(uint64_t)value.count << is_map, is_map};
  }
}

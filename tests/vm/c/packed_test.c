/* packed_test.c - where values end, on values made at random, whole and damaged.
**
** usage: packed_test [values]
*/
#include "packed.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

static uint64_t state;

static uint32_t pick(uint32_t below) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 16) % below;
}

typedef struct text {
  unsigned char bytes[1 << 18];
  size_t len;
} text;

static void put(text *to, unsigned tag, int length_bytes, uint32_t length) {
  to->bytes[to->len++] = (unsigned char)tag;
  while (length_bytes-- > 0) to->bytes[to->len++] = (unsigned char)(length >> 8 * length_bytes);
}

static void fill(text *to, uint32_t bytes) {
  for (uint32_t i = 0; i < bytes; i++) to->bytes[to->len++] = (unsigned char)pick(256);
}

/* One value of any type; small enough that all fit. */
static void write_value(text *to, int depth) {
  static const unsigned char fixed[][2] = {{0xc0, 0},  {0xc2, 0},  {0xc3, 0},  {0xca, 4},  {0xcb, 8},
                                           {0xcc, 1},  {0xcd, 2},  {0xce, 4},  {0xcf, 8},  {0xd0, 1},
                                           {0xd1, 2},  {0xd2, 4},  {0xd3, 8},  {0xd4, 2},  {0xd5, 3},
                                           {0xd6, 5},  {0xd7, 9},  {0xd8, 17}, {0x00, 0},  {0x7f, 0},
                                           {0xe0, 0},  {0xff, 0}};
  uint32_t n = pick(depth < 3 ? 8 : 20), kind = pick(depth < 3 ? 12 : 8);
  switch (kind) {
  case 0:
  case 1: {
    const unsigned char *one = fixed[pick(sizeof fixed / sizeof fixed[0])];
    put(to, one[0], 0, 0);
    fill(to, one[1]);
    return;
  }
  case 2: put(to, 0xa0 | n, 0, 0), fill(to, n); return;
  case 3: put(to, 0xd9, 1, n), fill(to, n); return;
  case 4: put(to, 0xda, 2, n), fill(to, n); return;
  case 5: put(to, 0xc4 + (n & 1), 1 + (n & 1), n), fill(to, n); return;
  case 6: put(to, n & 1 ? 0xdb : 0xc6, 4, n), fill(to, n); return;
  case 7: put(to, 0xc7 + n % 3, 1 << n % 3, n), fill(to, n + 1); return;
  case 8: put(to, 0x90 | (n &= 7), 0, 0); break;
  case 9: put(to, n & 1 ? 0xdc : 0xdd, n & 1 ? 2 : 4, n); break;
  case 10: put(to, 0x80 | (n &= 7), 0, 0), n *= 2; break;
  default: put(to, n & 1 ? 0xde : 0xdf, n & 1 ? 2 : 4, n), n *= 2;
  }
  for (uint32_t i = 0; i < n; i++) write_value(to, depth + 1);
}

/* In a block of its exact size, so that a byte too far is seen. */
static const unsigned char *skip(const text *from, size_t len, ptrdiff_t *skipped) {
  unsigned char *copy = malloc(len ? len : 1);
  CHECK(copy != NULL);
  memcpy(copy, from->bytes, len);
  const unsigned char *end = pvm_packed_skip(copy, copy + len);
  *skipped = end != NULL ? end - copy : -1;
  free(copy);
  return end;
}

static void headers(void) {
  unsigned char head[PVM_PACKED_HEAD];
  uint32_t count;
  for (uint32_t n = 1; n != 0; n <<= 1) {
    pvm_packed_head(head, n);
    CHECK(pvm_packed_array(head, head + sizeof head, &count) == head + sizeof head && count == n);
    for (size_t len = 0; len < sizeof head; len++)
      CHECK(pvm_packed_array(head, head + len, &count) == NULL);
  }
  CHECK(pvm_packed_array((const unsigned char *)"\x93", (const unsigned char *)"\x93" + 1, &count));
  CHECK(count == 3);
  for (unsigned tag = 0; tag < 256; tag++) {
    unsigned char one[5] = {(unsigned char)tag};
    int is = (tag & 0xf0) == 0x90 || tag == 0xdc || tag == 0xdd;
    CHECK((pvm_packed_array(one, one + sizeof one, &count) != NULL) == is);
  }
}

int main(int argc, char **argv) {
  long values = number(argc, argv, 1, 20000);
  state = (uint64_t)time(NULL) | 1;
  fprintf(stderr, "packed_test: seed %llu\n", (unsigned long long)state);
  headers();
  static text text;
  for (long i = 0; i < values; i++) {
    ptrdiff_t skipped;
    text.len = 0;
    write_value(&text, 0);
    size_t len = text.len;
    text.bytes[text.len] = (unsigned char)pick(256); /* what follows is not its own */
    CHECK(skip(&text, len + 1, &skipped) != NULL && skipped == (ptrdiff_t)len);
    CHECK(skip(&text, pick((uint32_t)len), &skipped) == NULL);
    for (int damage = 0; damage < 4; damage++) {
      text.bytes[pick((uint32_t)len)] = (unsigned char)pick(256);
      skip(&text, len, &skipped);
      CHECK(skipped <= (ptrdiff_t)len);
    }
  }
  printf("packed_test: ok\n");
  return 0;
}

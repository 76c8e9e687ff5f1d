/* symbol.h - the texts that conditions name, each as a number.
**
** An event's texts are looked up once; what no condition names has no number and fits nothing but
** "any". Reading needs no lock while nobody adds or drops.
*/
#ifndef STREAM_SYMBOL_H
#define STREAM_SYMBOL_H

#include "value.h"

#define STREAM_NO_SYMBOL 0

typedef struct stream_symbol {
  char *text;
  uint32_t len;
  uint32_t references; /* 0: free, and `next` is of the free ones */
  uint64_t hash;
  uint32_t next; /* of its bucket */
} stream_symbol;

typedef struct stream_symbols {
  uint64_t seed;
  stream_symbol *symbols; /* [0] stands for none */
  uint32_t count;         /* that were ever used, with [0] */
  uint32_t capacity;
  uint32_t free;
  uint32_t *buckets;
  uint32_t mask;
} stream_symbols;

/* Of a text; with a secret seed, as events come from outside. */
uint64_t stream_hash(stream_text text, uint64_t seed);
static inline uint64_t stream_mix(uint64_t a, uint64_t b) {
  unsigned __int128 product =
      (unsigned __int128)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd6e8feb86659fd93u);
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* 0, or -1 without memory. */
int stream_symbols_init(stream_symbols *symbols, uint64_t seed);
void stream_symbols_free(stream_symbols *symbols);
/* Its number, with a reference; STREAM_NO_SYMBOL without memory. */
uint32_t stream_symbol_add(stream_symbols *symbols, stream_text text);
void stream_symbol_drop(stream_symbols *symbols, uint32_t symbol);
uint32_t stream_symbol_find(const stream_symbols *symbols, stream_text text);

#endif

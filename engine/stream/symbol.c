/* symbol.c - see symbol.h. */
#include "symbol.h"

#include <stdlib.h>
#include <string.h>

uint64_t stream_hash(stream_text text, uint64_t seed) {
  const char *at = text.data;
  size_t left = text.len;
  uint64_t hash = stream_mix(seed, text.len), word;
  for (; left >= 8; at += 8, left -= 8) {
    memcpy(&word, at, 8);
    hash = stream_mix(hash ^ word, seed);
  }
  word = 0;
  if (left != 0) memcpy(&word, at, left);
  return stream_mix(hash ^ word, seed + 1);
}

int stream_symbols_init(stream_symbols *symbols, uint64_t seed) {
  memset(symbols, 0, sizeof *symbols);
  symbols->seed = seed;
  symbols->capacity = 64;
  symbols->mask = 127;
  symbols->count = 1;
  symbols->symbols = calloc(symbols->capacity, sizeof *symbols->symbols);
  symbols->buckets = calloc((size_t)symbols->mask + 1, sizeof *symbols->buckets);
  return symbols->symbols != NULL && symbols->buckets != NULL ? 0 : -1;
}

void stream_symbols_free(stream_symbols *symbols) {
  for (uint32_t i = 1; i < symbols->count; i++)
    if (symbols->symbols[i].references != 0) free(symbols->symbols[i].text);
  free(symbols->symbols);
  free(symbols->buckets);
}

static int grow(stream_symbols *symbols) {
  uint32_t capacity = symbols->capacity * 2, mask = symbols->mask * 2 + 1;
  stream_symbol *more = realloc(symbols->symbols, capacity * sizeof *more);
  if (more == NULL) return -1;
  symbols->symbols = more;
  symbols->capacity = capacity;
  uint32_t *buckets = calloc((size_t)mask + 1, sizeof *buckets);
  if (buckets == NULL) return 0; /* the old ones do, with longer chains */
  free(symbols->buckets);
  symbols->buckets = buckets;
  symbols->mask = mask;
  for (uint32_t i = 1; i < symbols->count; i++) {
    stream_symbol *symbol = &symbols->symbols[i];
    if (symbol->references == 0) continue;
    symbol->next = buckets[symbol->hash & mask];
    buckets[symbol->hash & mask] = i;
  }
  return 0;
}

static uint32_t find(const stream_symbols *symbols, stream_text text, uint64_t hash) {
  uint32_t at = symbols->buckets[hash & symbols->mask];
  for (; at != 0; at = symbols->symbols[at].next) {
    const stream_symbol *symbol = &symbols->symbols[at];
    if (symbol->hash == hash && stream_text_equal((stream_text){symbol->text, symbol->len}, text))
      break;
  }
  return at;
}

uint32_t stream_symbol_find(const stream_symbols *symbols, stream_text text) {
  if (text.data == NULL || text.len > STREAM_TEXT_MAX) return STREAM_NO_SYMBOL;
  return find(symbols, text, stream_hash(text, symbols->seed));
}

uint32_t stream_symbol_add(stream_symbols *symbols, stream_text text) {
  uint64_t hash = stream_hash(text, symbols->seed);
  uint32_t at = find(symbols, text, hash);
  if (at != 0) {
    symbols->symbols[at].references++;
    return at;
  }
  if (symbols->free == 0 && symbols->count == symbols->capacity && grow(symbols) != 0)
    return STREAM_NO_SYMBOL;
  char *copy = malloc(text.len + 1);
  if (copy == NULL) return STREAM_NO_SYMBOL;
  memcpy(copy, text.data, text.len);
  at = symbols->free;
  if (at != 0) symbols->free = symbols->symbols[at].next;
  else at = symbols->count++;
  uint32_t *bucket = &symbols->buckets[hash & symbols->mask];
  symbols->symbols[at] = (stream_symbol){copy, (uint32_t)text.len, 1, hash, *bucket};
  *bucket = at;
  return at;
}

void stream_symbol_drop(stream_symbols *symbols, uint32_t at) {
  if (at == STREAM_NO_SYMBOL) return;
  stream_symbol *symbol = &symbols->symbols[at];
  if (--symbol->references != 0) return;
  uint32_t *link = &symbols->buckets[symbol->hash & symbols->mask];
  while (*link != at) link = &symbols->symbols[*link].next;
  *link = symbol->next;
  free(symbol->text);
  symbol->text = NULL;
  symbol->next = symbols->free;
  symbols->free = at;
}

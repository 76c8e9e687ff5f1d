/* chain_input.c - see chain_input.h. */
#include "chain_input.h"

#include <stdlib.h>
#include <string.h>

/* With `to` NULL nothing is written: it is only measured. */
typedef struct writer {
  unsigned char *to;
  size_t len;
} writer;

static void put(writer *w, const void *data, size_t len) {
  if (w->to != NULL && len != 0) memcpy(w->to + w->len, data, len);
  w->len += len;
}

static void put_map(writer *w, uint32_t count) {
  unsigned char head[3] = {0xde, (unsigned char)(count >> 8), (unsigned char)count};
  unsigned char small = (unsigned char)(0x80 | count);
  if (count < 16) put(w, &small, 1);
  else put(w, head, 3);
}

static void put_text(writer *w, const char *text) {
  size_t len = strlen(text); /* names of tasks and outcomes: fewer than 256 bytes */
  unsigned char head[2] = {0xd9, (unsigned char)len};
  unsigned char small = (unsigned char)(0xa0 | len);
  if (len < 32) put(w, &small, 1);
  else put(w, head, 2);
  put(w, text, len);
}

static void write_all(writer *w, const void *payload, size_t len, const pvm_chain_source *sources,
                      uint32_t count) {
  uint32_t done = 0;
  for (uint32_t i = 0; i < count; i++) done += sources[i].outcome == PVM_DONE;
  put_map(w, 3);
  put_text(w, "input");
  put(w, payload, len);
  put_text(w, "results");
  put_map(w, done);
  for (uint32_t i = 0; i < count; i++) {
    if (sources[i].outcome != PVM_DONE) continue;
    put_text(w, sources[i].name);
    put(w, sources[i].result, sources[i].len);
  }
  put_text(w, "failures");
  put_map(w, count - done);
  for (uint32_t i = 0; i < count; i++) {
    if (sources[i].outcome == PVM_DONE) continue;
    put_text(w, sources[i].name);
    put_text(w, pvm_outcome_name(sources[i].outcome));
  }
}

int pvm_chain_input(const void *payload, size_t len, const pvm_chain_source *sources,
                    uint32_t count, pvm_buffer *out) {
  writer w = {NULL, 0};
  write_all(&w, payload, len, sources, count);
  out->data = w.to = malloc(w.len);
  out->len = w.len;
  if (w.to == NULL) return -1;
  w.len = 0;
  write_all(&w, payload, len, sources, count);
  return 0;
}

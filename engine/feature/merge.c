/* merge.c - the features of two maps in one; see table.h. */
#include <stdlib.h>
#include <string.h>

#include "../stream/pack.h"
#include "../stream/symbol.h"
#include "table.h"

int feature_is_map(store_bytes values) {
  stream_reader reader = {(const unsigned char *)values.data,
                          (const unsigned char *)values.data + values.len};
  stream_value head, name;
  if (stream_read(&reader, &head) != 0 || head.kind != STREAM_MAP) return 0;
  for (uint32_t i = 0; i < head.count; i++) {
    if (stream_read(&reader, &name) != 0 || name.kind != STREAM_STRING) return 0;
    if (stream_skip(&reader) != 0) return 0;
  }
  return reader.at == reader.end;
}

/* Names of features that are there, by their hashes. */
typedef struct names {
  uint32_t mask;
  stream_text slot[];
} names;

/* 1 if it was there. */
static int names_add(names *names, stream_text name) {
  uint32_t at = (uint32_t)stream_hash(name, 1) & names->mask;
  for (; names->slot[at].data != NULL; at = (at + 1) & names->mask)
    if (stream_text_equal(names->slot[at], name)) return 1;
  names->slot[at] = name;
  return 0;
}

char *feature_merge(store_bytes values, store_bytes before, size_t *len) {
  stream_reader reader[2];
  stream_value head[2];
  const store_bytes *maps[2] = {&values, &before};
  for (int i = 0; i < 2; i++) {
    reader[i].at = (const unsigned char *)maps[i]->data;
    reader[i].end = reader[i].at + maps[i]->len;
    if (stream_read(&reader[i], &head[i]) != 0) return NULL;
  }
  uint64_t total = (uint64_t)head[0].count + head[1].count, size = 4;
  while (size < 2 * total) size *= 2;
  names *seen = total <= UINT32_MAX ? calloc(1, sizeof *seen + size * sizeof seen->slot[0]) : NULL;
  unsigned char *merged = malloc(8 + values.len + before.len), *at = merged;
  uint32_t count = 0;
  if (seen == NULL || merged == NULL) goto fail;
  seen->mask = (uint32_t)size - 1;
  at += 5; /* for the longest head */
  for (int i = 0; i < 2; i++)
    for (uint32_t n = 0; n < head[i].count; n++) {
      const unsigned char *start = reader[i].at;
      stream_value name;
      if (stream_read(&reader[i], &name) != 0 || stream_skip(&reader[i]) != 0) goto fail;
      int known = names_add(seen, name.text);
      if (i == 1 && known) continue;
      size_t bytes = (size_t)(reader[i].at - start);
      memcpy(at, start, bytes);
      at += bytes;
      count++;
    }
  free(seen);
  *len = (size_t)(at - merged);
  unsigned char headed[5];
  size_t short_by = 5 - (size_t)(stream_put_map(headed, count) - headed);
  memmove(merged + 5 - short_by, merged + 5, *len - 5);
  memcpy(merged, headed, 5 - short_by);
  *len -= short_by;
  return (char *)merged;
fail:
  free(seen);
  free(merged);
  return NULL;
}

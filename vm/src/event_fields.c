/* event_fields.c - which fields the events of a stream have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/stream/pack.h"
#include "../../engine/stream/symbol.h"
#include "../../engine/stream/value.h"
#include "event_store.h"

#define SLOTS (4 * PVM_FIELDS_MAX) /* a power of 2 */

typedef struct fields {
  stream_text names[PVM_FIELDS_MAX]; /* malloc's */
  uint32_t count;
  uint32_t slots[SLOTS]; /* a name's place + 1; 0: free */
  uint32_t next;         /* the name that came after the latest one in the event before, likely */
  uint64_t looked, last; /* events; the number of the latest */
  int failed;
} fields;

/* Names of a stream's events come in the same order, most of the time. */
static int is_known(fields *f, stream_text name) {
  uint32_t likely = f->next < f->count ? f->next : 0;
  if (f->count == 0 || !stream_text_equal(f->names[likely], name)) return 0;
  f->next = likely + 1;
  return 1;
}

static void add_name(fields *f, stream_text name) {
  if (is_known(f, name)) return;
  uint32_t slot = (uint32_t)stream_hash(name, 0) & (SLOTS - 1);
  for (; f->slots[slot] != 0; slot = (slot + 1) & (SLOTS - 1)) {
    uint32_t place = f->slots[slot] - 1;
    if (!stream_text_equal(f->names[place], name)) continue;
    f->next = place + 1;
    return;
  }
  if (f->count == PVM_FIELDS_MAX) return;
  char *kept = malloc(name.len + 1);
  if (kept == NULL) {
    f->failed = 1;
    return;
  }
  if (name.len != 0) memcpy(kept, name.data, name.len);
  f->names[f->count++] = (stream_text){kept, name.len};
  f->slots[slot] = f->count;
  f->next = f->count;
}

static int look(void *arg, const store_event *event) {
  fields *f = arg;
  f->looked++;
  f->last = event->sequence;
  stream_reader reader = {(const unsigned char *)event->value.data,
                          (const unsigned char *)event->value.data + event->value.len};
  stream_value map, name;
  if (stream_read(&reader, &map) != 0 || map.kind != STREAM_MAP) return 0;
  f->next = 0;
  for (uint32_t i = 0; i < map.count && !f->failed; i++) {
    char digits[24];
    if (stream_read(&reader, &name) != 0) break;
    if (name.kind == STREAM_STRING) add_name(f, name.text);
    else if (name.kind == STREAM_INTEGER) {
      int len = name.negative
                    ? snprintf(digits, sizeof digits, "%lld", (long long)name.integer)
                    : snprintf(digits, sizeof digits, "%llu", (unsigned long long)name.integer);
      add_name(f, (stream_text){digits, (size_t)len});
    } else break;
    if (stream_skip(&reader) != 0) break;
  }
  return f->failed;
}

/* PVM_E_NOMEM, or PVM_OK. */
static int tell(const fields *f, pvm_buffer *told) {
  size_t bytes = 32;
  for (uint32_t i = 0; i < f->count; i++) bytes += 5 + f->names[i].len;
  unsigned char *data = malloc(bytes), *at = data;
  if (data == NULL) return PVM_E_NOMEM;
  at = stream_put_array(at, 3);
  at = stream_put_integer(at, f->looked != 0 ? f->last + 1 : 0, 0);
  at = stream_put_integer(at, f->looked, 0);
  at = stream_put_array(at, f->count);
  for (uint32_t i = 0; i < f->count; i++) at = stream_put_string(at, f->names[i]);
  *told = (pvm_buffer){.data = data, .len = (size_t)(at - data)};
  return PVM_OK;
}

int pvm_store_fields(pvm_store *handle, const pvm_store_query *query, pvm_buffer *told) {
  if (handle == NULL || query == NULL || told == NULL) return PVM_E_INVALID;
  fields *f = calloc(1, sizeof *f);
  if (f == NULL) return PVM_E_NOMEM;
  int64_t visited = pvm_store_visit(handle, query, look, f);
  int status = visited < 0 ? (int)visited : f->failed ? PVM_E_NOMEM : tell(f, told);
  for (uint32_t i = 0; i < f->count; i++) free((char *)f->names[i].data);
  free(f);
  return status;
}

/* catch_up.c - see catch_up.h. A stream is read a batch at a time; of several, whichever has the
** earliest arrival is next. */
#include "catch_up.h"

#include <stdlib.h>
#include <string.h>

#include "event_store.h"

#define BATCH 256

typedef struct copy {
  int64_t time_ns, arrival_ns;
  uint32_t key_len, value_len;
  size_t at; /* in the text: the key, then the value */
} copy;

typedef struct reader {
  stream_text name;
  store_stream *stream; /* NULL: it is not there yet */
  uint64_t next;        /* sequence number */
  uint32_t count, at;   /* of the batch */
  copy batch[BATCH];
  char *text;
  size_t len, capacity;
  int out_of_memory;
} reader;

struct pvm_catch_up {
  store *kept;
  flow_set *set;
  flow *flow;
  uint32_t count;
  reader reader[];
};

pvm_catch_up *pvm_catch_up_new(pvm_store *kept, flow_set *set, flow *flow) {
  uint32_t count = 0;
  while (flow_stream_at(flow, count).data != NULL) count++;
  pvm_catch_up *reading = calloc(1, sizeof *reading + count * sizeof(reader));
  if (reading == NULL) return NULL;
  reading->kept = (store *)kept;
  reading->set = set;
  reading->flow = flow;
  for (uint32_t i = 0; i < count; i++) {
    stream_text name = flow_stream_at(flow, i);
    uint32_t k = 0; /* a stream may be of several inputs; it is fed once */
    while (k < reading->count && !(reading->reader[k].name.len == name.len &&
                                   memcmp(reading->reader[k].name.data, name.data, name.len) == 0))
      k++;
    if (k == reading->count) reading->reader[reading->count++].name = name;
  }
  return reading;
}

void pvm_catch_up_free(pvm_catch_up *reading) {
  for (uint32_t i = 0; i < reading->count; i++) free(reading->reader[i].text);
  free(reading);
}

static int note(void *arg, const store_event *event) {
  reader *r = arg;
  size_t len = event->key.len + event->value.len;
  if (r->len + len > r->capacity) {
    size_t capacity = r->capacity * 2 > r->len + len ? r->capacity * 2 : r->len + len;
    char *more = realloc(r->text, capacity);
    if (more == NULL) return r->out_of_memory = 1;
    r->text = more;
    r->capacity = capacity;
  }
  r->batch[r->count++] = (copy){event->time_ns, event->arrival_ns, (uint32_t)event->key.len,
                                (uint32_t)event->value.len, r->len};
  if (event->key.len != 0) memcpy(r->text + r->len, event->key.data, event->key.len);
  memcpy(r->text + r->len + event->key.len, event->value.data, event->value.len);
  r->len += len;
  r->next = event->sequence + 1;
  return 0;
}

static store_stream *find(store *kept, stream_text name) {
  store_stream *stream;
  for (uint32_t i = 0; (stream = store_stream_at(kept, i)) != NULL; i++) {
    const char *known = store_stream_name(stream);
    if (strlen(known) == name.len && memcmp(known, name.data, name.len) == 0) return stream;
  }
  return NULL;
}

/* Is there an event to be fed? -1 without memory. */
static int fill(pvm_catch_up *reading, reader *r) {
  if (r->at < r->count) return 1;
  if (r->stream == NULL) r->stream = find(reading->kept, r->name);
  if (r->stream == NULL) return 0;
  r->at = r->count = 0;
  r->len = 0;
  store_read(r->stream, r->next, BATCH, note, r);
  if (r->out_of_memory) return -1;
  return r->count != 0;
}

int pvm_catch_up_read(pvm_catch_up *reading, pvm_firing *f) {
  for (;;) {
    reader *first = NULL;
    for (uint32_t i = 0; i < reading->count; i++) {
      reader *r = &reading->reader[i];
      int there = fill(reading, r);
      if (there < 0) return STREAM_E_NOMEM;
      if (there &&
          (first == NULL || r->batch[r->at].arrival_ns < first->batch[first->at].arrival_ns))
        first = r;
    }
    if (first == NULL) return STREAM_OK;
    const copy *one = &first->batch[first->at++];
    const char *text = first->text + one->at;
    flow_event event = {.stream = first->name,
                        .key = {text, one->key_len},
                        .whole = {text + one->key_len, one->value_len},
                        .time_ns = one->time_ns,
                        .arrival_ns = one->arrival_ns};
    if (flow_feed(reading->set, reading->flow, &event, f) == STREAM_E_NOMEM) return STREAM_E_NOMEM;
  }
}

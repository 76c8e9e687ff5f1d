/* ingest.c - see ingest.h. */
#include "ingest.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../engine/stream/json.h"
#include "event_store.h"
#include "executor.h"
#include "runtime.h"
#include "trigger_set.h"

static uint64_t wall_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What is kept outlives the process, so it has the elements of shared arrays, not their handles. */
static int take_event(struct pvm_trigger_set *set, const stream_origin *origin, const char *event,
                      size_t len, uint64_t wall_ns, uint64_t now_ns, pvm_firing *f) {
  pvm_buffer elements = {0};
  if (set->store != NULL) {
    int expanded = pvm_expand(event, len, &elements);
    if (expanded < 0) return expanded;
    if (expanded > 0) event = elements.data, len = elements.len;
  }
  int kept = STORE_OK;
  if (f->depth == 0) pvm_flows_enter(set->flows);
  f->flowed = 0;
  int status = stream_append_from(set->stream, origin, event, len, wall_ns, now_ns, f, &kept);
  if (f->depth == 0) pvm_flows_leave(set->flows);
  pvm_buffer_free(&elements);
  return status >= 0                ? status
         : status == STREAM_E_STORE ? pvm_store_status(kept)
                                    : pvm_trigger_status(status);
}

int pvm_firing_append(pvm_firing *f, const stream_origin *origin, const char *event, size_t len) {
  return take_event(f->set, origin, event, len, wall_now(), pvm_now(), f);
}

/* A batch on its way in. */
typedef struct ingesting {
  struct pvm_trigger_set *set;
  stream_origin origin;
  uint64_t wall_ns, now_ns;
  pvm_firing *firing;
  pvm_fired_batch *told;
  uint64_t first_tag;
  size_t done;
  char *place;            /* of attended lines: the source with a number behind it; else NULL */
  size_t place_len;       /* of the source alone */
  pvm_journal *positions; /* NULL: they are not noted here */
} ingesting;

/* PVM_OK, or why it was not taken in. */
static int take_next(ingesting *i, const char *event, size_t len) {
  i->firing->tag = i->first_tag + i->done;
  int status = take_event(i->set, &i->origin, event, len, i->wall_ns, i->now_ns, i->firing);
  if (status < 0) return status;
  i->done++;
  i->told->matched += status == 1 || (status == 0 && i->firing->flowed);
  i->told->duplicates += status == STREAM_PASSED_OVER;
  i->told->dead += status == STREAM_REFUSED;
  return PVM_OK;
}

static int take_packed(ingesting *i, const char *data, const size_t *ends, size_t count) {
  size_t start = 0;
  int status = PVM_OK;
  for (size_t n = 0; n < count && status == PVM_OK; n++) {
    status = take_next(i, data + start, ends[n] - start);
    start = ends[n];
  }
  return status;
}

/* Values one behind the other; an array is what is in it. What cannot be told apart any more is one
** event, which is refused. */
static int take_values(ingesting *i, const char *data, size_t len) {
  stream_reader reader = {(const unsigned char *)data, (const unsigned char *)data + len};
  int status = PVM_OK;
  uint64_t inside = 0; /* values of an array that are to come */
  while (reader.at != reader.end && status == PVM_OK) {
    stream_reader here = reader;
    stream_value value;
    if (inside == 0 && stream_read(&here, &value) == 0 && value.kind == STREAM_ARRAY) {
      inside = value.count;
      reader = here;
      continue;
    }
    here = reader;
    if (stream_skip(&here) != 0) here.at = here.end;
    status = take_next(i, (const char *)reader.at, (size_t)(here.at - reader.at));
    reader = here;
    inside -= inside != 0;
  }
  return status;
}

static int bury(ingesting *i, const char *event, size_t len, const char *reason) {
  if (i->set->intake == NULL) return PVM_E_DECODE;
  stream_text text = {event, len};
  int status = stream_intake_bury(i->set->intake, i->origin.stream, text, reason, i->origin.source,
                                  i->wall_ns);
  if (status != STORE_OK) return pvm_store_status(status);
  i->done++;
  i->told->dead++;
  return PVM_OK;
}

/* The number of the line at hand behind the source. */
static void name_place(ingesting *i) {
  char digits[20], *at = i->place + i->place_len;
  size_t count = 0;
  for (uint64_t line = i->first_tag + i->done; line != 0 || count == 0; line /= 10)
    digits[count++] = (char)('0' + line % 10);
  *at++ = ':';
  while (count != 0) *at++ = digits[--count];
  i->origin.source = (stream_text){i->place, (size_t)(at - i->place)};
}

/* Take a line whose caller may have to see to it: 1 in *needed. */
static int take_attended(ingesting *i, const stream_packing *line, int *needed) {
  uint32_t told = i->told->count;
  uint64_t dead = i->told->dead;
  if (i->positions != NULL && i->done != 0)
    pvm_journal_note_position(i->positions, i->first_tag + i->done - 1);
  name_place(i);
  int status = take_next(i, (const char *)line->data, line->len);
  *needed = i->told->dead != dead;
  for (; told < i->told->count; told++) {
    int became = i->told->fired[told].status;
    *needed |= became == PVM_TRIGGER_HANDED_OUT || became == PVM_E_FULL;
  }
  return status;
}

static int take_lines(ingesting *i, const char *data, size_t len) {
  const char *begin = data, *end = data + len;
  stream_packing packing = {0};
  int status = PVM_OK, needed = 0;
  while (data != end && status == PVM_OK && !needed) {
    const char *newline = memchr(data, '\n', (size_t)(end - data));
    size_t size = newline != NULL ? (size_t)(newline - data) : (size_t)(end - data);
    const char *why;
    int packed = stream_json_pack(data, size, &packing, &why);
    if (packed == STREAM_JSON_BLANK) i->first_tag++;
    else if (packed == STREAM_E_NOMEM) status = PVM_E_NOMEM;
    else if (packed != STREAM_OK)
      status = i->place != NULL ? PVM_E_DECODE : bury(i, data, size, why);
    else if (i->place != NULL) status = take_attended(i, &packing, &needed);
    else status = take_next(i, (const char *)packing.data, packing.len);
    if (status == PVM_OK) data += size + (newline != NULL);
  }
  i->told->consumed = (size_t)(data - begin);
  free(packing.data);
  return status;
}

/* Is there a stream of which the disk has to have what was accepted? */
static int is_synced(pvm_store *handle) {
  store_stream *stream;
  for (uint32_t i = 0; (stream = store_stream_at((store *)handle, i)) != NULL; i++)
    if (store_stream_level(stream) == STORE_SYNCED) return 1;
  return 0;
}

/* Somebody attends to the lines. -1 without memory. */
static int attend(ingesting *i, pvm_executor *executor, const pvm_ingestion *in) {
  i->place_len = i->origin.source.len;
  i->place = malloc(i->place_len + 22);
  if (i->place == NULL) return -1;
  if (i->place_len != 0) memcpy(i->place, in->source, i->place_len);
  if (in->positions && (i->set->store == NULL || !is_synced(i->set->store)))
    i->positions = executor->journal;
  return 0;
}

int64_t pvm_ingest(pvm_executor *executor, const pvm_ingestion *in, pvm_fired_batch *batch) {
  int status = pvm_runtime_check();
  pvm_fired_batch untold = {0};
  if (batch != NULL) memset(batch, 0, sizeof *batch);
  if (status != PVM_OK) return status;
  if (executor == NULL || in == NULL || (in->data == NULL && in->len != 0)) return PVM_E_INVALID;
  if (in->depth > PVM_DEPTH_MAX) return PVM_E_INVALID;
  if (in->ends != NULL)
    for (size_t n = 0; n < in->count; n++)
      if (in->ends[n] < (n != 0 ? in->ends[n - 1] : 0) || in->ends[n] > in->len)
        return PVM_E_INVALID;
  struct pvm_trigger_set *set;
  status = pvm_trigger_set_of(executor, &set, NULL);
  if (status != PVM_OK) return status;
  pvm_firing f = {.executor = executor,
                  .set = set,
                  .tasks = in->depth,
                  .appended = in->depth != 0,
                  .batch = batch};
  ingesting i = {.set = set,
                 .origin = {{in->source, in->source != NULL ? strlen(in->source) : 0},
                            {in->stream, in->stream != NULL ? strlen(in->stream) : 0},
                            .way = pvm_firing_way(&f)},
                 .wall_ns = wall_now(),
                 .now_ns = pvm_now(),
                 .firing = &f,
                 .told = batch != NULL ? batch : &untold,
                 .first_tag = in->first_tag};
  int attended = in->lines && in->attended;
  if (attended && attend(&i, executor, in) != 0) return PVM_E_NOMEM;
  status = in->lines          ? take_lines(&i, in->data, in->len)
           : in->ends != NULL ? take_packed(&i, in->data, in->ends, in->count)
                              : take_values(&i, in->data, in->len);
  pvm_firing_free(&f);
  free(i.place);
  if (i.done > 0 && set->store != NULL) {
    int synced = pvm_store_status(store_commit((store *)set->store));
    if (synced != PVM_OK) { /* none is accepted; what they have fired is told all the same */
      i.told->status = synced;
      return batch != NULL ? 0 : synced;
    }
  }
  i.told->status = status;
  return i.done > 0 || status == PVM_OK || attended ? (int64_t)i.done : status;
}

int64_t pvm_events(pvm_executor *executor, uint64_t first_tag, const void *events,
                   const size_t *ends, size_t count, pvm_fired_batch *batch) {
  if (batch != NULL) memset(batch, 0, sizeof *batch);
  if (count != 0 && ends == NULL) return PVM_E_INVALID;
  pvm_ingestion in = {.data = events,
                      .len = count != 0 ? ends[count - 1] : 0,
                      .ends = ends,
                      .count = count,
                      .first_tag = first_tag};
  return pvm_ingest(executor, &in, batch);
}

int pvm_event(pvm_executor *executor, uint64_t tag, const void *event, size_t len,
              pvm_fired_batch *batch) {
  int64_t taken = pvm_events(executor, tag, event, &len, 1, batch);
  return taken < 0 ? (int)taken : PVM_OK;
}

int pvm_triggers_tick(pvm_executor *executor, int all, uint64_t *next_ns, pvm_fired_batch *batch) {
  int status = pvm_runtime_check();
  if (batch != NULL) memset(batch, 0, sizeof *batch);
  if (status != PVM_OK) return status;
  if (executor == NULL || next_ns == NULL) return PVM_E_INVALID;
  *next_ns = UINT64_MAX;
  struct pvm_trigger_set *set = pvm_trigger_set_made(executor);
  if (set == NULL) return PVM_OK;
  pvm_firing f = {.executor = executor, .set = set, .batch = batch};
  *next_ns = stream_counters_tick(set->stream, pvm_now(), all, &f);
  uint64_t flows_ns = pvm_flows_tick(set->flows, &f);
  if (flows_ns < *next_ns) *next_ns = flows_ns;
  pvm_firing_free(&f);
  return set->store != NULL ? pvm_store_status(store_commit((store *)set->store)) : PVM_OK;
}

int pvm_flows_finish(pvm_executor *executor, pvm_fired_batch *batch) {
  int status = pvm_runtime_check();
  if (batch != NULL) memset(batch, 0, sizeof *batch);
  if (status != PVM_OK) return status;
  if (executor == NULL) return PVM_E_INVALID;
  struct pvm_trigger_set *set = pvm_trigger_set_made(executor);
  if (set == NULL) return PVM_OK;
  pvm_firing f = {.executor = executor, .set = set, .batch = batch};
  status = pvm_flows_end(set->flows, &f);
  pvm_firing_free(&f);
  return status;
}

int pvm_dead_letter(pvm_executor *executor, const void *event, size_t len, const char *reason,
                    const char *source) {
  int status = pvm_runtime_check();
  if (status != PVM_OK) return status;
  if (executor == NULL || reason == NULL || (event == NULL && len != 0)) return PVM_E_INVALID;
  struct pvm_trigger_set *set = pvm_trigger_set_made(executor);
  if (set == NULL || set->intake == NULL) return PVM_E_STATE;
  stream_text unknown = {NULL, 0}, text = {event, len};
  stream_text from = {source, source != NULL ? strlen(source) : 0};
  int kept = stream_intake_bury(set->intake, unknown, text, reason, from, wall_now());
  if (kept == STORE_OK) kept = store_commit((store *)set->store);
  return pvm_store_status(kept);
}

void pvm_fired_free(pvm_fired_batch *batch) {
  free(batch->fired);
  free(batch->data);
  memset(batch, 0, sizeof *batch);
}

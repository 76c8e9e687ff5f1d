/* intake.c - see ../include/intake.h. */
#include "intake.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "letter.h"
#include "symbol.h"

#define IDS_MOST (UINT64_C(1) << 22)

struct stream_declared {
  stream_text name;      /* in the intake's copy of the declarations */
  stream_schema *schema; /* NULL: any */
  stream_text id;        /* data NULL: none */
  stream_duplicates *duplicates;
  uint64_t clock_ns;
  uint64_t span_ns, most;
  _Atomic uint64_t passed_over, refused;
};

struct stream_intake {
  store *store;        /* NULL */
  stream_names stream; /* fields that name an event's stream; always allowed */
  uint64_t time_unit_ns;
  uint32_t count;
  char *text; /* the declarations; names lie there */
  _Atomic uint64_t passed_over, refused;
  stream_declared declared[];
};

/* ---- Declarations ------------------------------------------------------- */

static int is_named(stream_text text, const char *name) {
  return stream_text_equal(text, (stream_text){name, strlen(name)});
}

static int refuse(char *err, stream_text stream, const char *what) {
  snprintf(err, STREAM_ERR_MAX, "stream '%.*s': %s", (int)stream.len, stream.data, what);
  return STREAM_E_INVALID;
}

static int read_number(const stream_value *value, uint64_t *number) {
  if (value->kind != STREAM_INTEGER || value->negative || value->integer == 0) return -1;
  *number = value->integer;
  return 0;
}

/* With `fields` pointing at their MessagePack; data NULL: none are declared. */
static int read_declared(stream_reader *reader, stream_declared *made, stream_text *fields,
                         int *open, char *err) {
  stream_value map, name, value;
  if (stream_read(reader, &map) != 0 || map.kind != STREAM_MAP)
    return refuse(err, made->name, "a declaration is a map");
  *fields = (stream_text){NULL, 0};
  *open = 0;
  for (uint32_t left = map.count; left != 0; left--) {
    stream_reader before;
    int wrong = stream_read(reader, &name) != 0 || name.kind != STREAM_STRING;
    before = *reader;
    wrong = wrong || stream_read(reader, &value) != 0;
    if (!wrong && is_named(name.text, "fields")) {
      *reader = before;
      wrong = stream_skip(reader) != 0;
      *fields = (stream_text){(const char *)before.at, (size_t)(reader->at - before.at)};
    } else if (!wrong && is_named(name.text, "open")) {
      wrong = value.kind != STREAM_BOOL;
      *open = (int)value.integer;
    } else if (!wrong && is_named(name.text, "id")) {
      wrong = value.kind != STREAM_STRING || value.text.len == 0;
      made->id = value.text;
    } else if (!wrong && is_named(name.text, "span_ns")) {
      wrong = read_number(&value, &made->span_ns) != 0;
    } else if (!wrong && is_named(name.text, "most")) {
      wrong = read_number(&value, &made->most) != 0;
    } else if (!wrong && is_named(name.text, "clock_ns")) {
      wrong = read_number(&value, &made->clock_ns) != 0;
    } else wrong = 1;
    if (wrong) return refuse(err, made->name, "its declaration is not as intake.h has it");
  }
  if ((made->id.data != NULL) != (made->span_ns != 0))
    return refuse(err, made->name,
                  "an id and the span in which its duplicates are found go together");
  return STREAM_OK;
}

static int declare(stream_intake *intake, stream_reader *reader, uint64_t seed, char *err) {
  stream_declared *made = &intake->declared[intake->count];
  stream_value name;
  if (stream_read(reader, &name) != 0 || name.kind != STREAM_STRING || name.text.len == 0 ||
      name.text.len > STORE_NAME_MAX)
    return refuse(err, (stream_text){"", 0}, "a stream's name is text of 1 to 64 bytes");
  *made = (stream_declared){.name = name.text, .clock_ns = UINT64_MAX, .most = IDS_MOST};
  intake->count++;
  stream_text fields;
  int open, status = read_declared(reader, made, &fields, &open, err);
  if (status == STREAM_OK && fields.data != NULL)
    status =
        stream_schema_new(fields, open, &intake->stream, intake->time_unit_ns, &made->schema, err);
  if (status == STREAM_OK && made->id.data != NULL) {
    made->duplicates = stream_duplicates_new(made->span_ns, made->most, seed);
    if (made->duplicates == NULL) status = STREAM_E_NOMEM;
  }
  return status;
}

static stream_declared *find(stream_intake *intake, stream_text name) {
  for (uint32_t i = 0; i < intake->count; i++)
    if (stream_text_equal(intake->declared[i].name, name)) return &intake->declared[i];
  return NULL;
}

/* ---- Ids of before ------------------------------------------------------ */

/* An event's time, but not later than it came. */
static uint64_t known_time(int64_t time_ns, int64_t arrival_ns) {
  int64_t time = time_ns < arrival_ns ? time_ns : arrival_ns;
  return time > 0 ? (uint64_t)time : 0;
}

typedef struct recalling {
  stream_declared *declared;
  uint64_t newest, running;
  int status;
} recalling;

static int find_newest(void *arg, const store_event *event) {
  recalling *r = arg;
  uint64_t time = known_time(event->time_ns, event->arrival_ns);
  if (time > r->newest) r->newest = time;
  return 0;
}

static int recall_event(void *arg, const store_event *event) {
  recalling *r = arg;
  uint64_t time = known_time(event->time_ns, event->arrival_ns), before = r->running;
  if (time > r->running) r->running = time;
  if (!stream_duplicates_matters(r->declared->duplicates, time, before, r->newest)) return 0;
  stream_value id;
  char reason[STREAM_REASON_MAX], digits[STREAM_DIGITS];
  stream_text whole = {event->value.data, event->value.len};
  if (stream_schema_check(NULL, whole, &r->declared->id, &id, reason) != 0) return 0;
  stream_text text = stream_event_text(&id, digits);
  if (text.data == NULL) return 0;
  stream_claim claim;
  int status = stream_duplicates_claim(r->declared->duplicates, text, time, &claim);
  if (status == 0) stream_duplicates_settle(r->declared->duplicates, &claim, 1);
  if (status >= 0) return 0;
  r->status = status;
  return 1;
}

/* The same ids are known as if the process had not ended. */
static int recall(stream_intake *intake, stream_declared *declared) {
  store_stream *stream = NULL;
  for (uint32_t i = 0; (stream = store_stream_at(intake->store, i)) != NULL; i++)
    if (is_named(declared->name, store_stream_name(stream))) break;
  if (stream == NULL) return STREAM_OK;
  recalling r = {.declared = declared};
  int64_t read = store_read(stream, 0, UINT64_MAX, find_newest, &r);
  if (read > 0) read = store_read(stream, 0, UINT64_MAX, recall_event, &r);
  return read < 0 ? STREAM_E_STORE : r.status;
}

/* ---- Life --------------------------------------------------------------- */

static int fill(stream_intake *intake, size_t len, uint32_t count, char *err) {
  stream_reader reader = {(const unsigned char *)intake->text,
                          (const unsigned char *)intake->text + len};
  stream_value map;
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
    seed = stream_mix((uint64_t)(uintptr_t)intake, (uint64_t)(uintptr_t)&seed);
  int status = count != 0 && stream_read(&reader, &map) != 0 ? STREAM_E_INVALID : STREAM_OK;
  for (; count != 0 && status == STREAM_OK; count--) status = declare(intake, &reader, seed, err);
  for (uint32_t i = 0; i < intake->count && status == STREAM_OK; i++)
    if (intake->declared[i].duplicates != NULL && intake->store != NULL)
      status = recall(intake, &intake->declared[i]);
  return status;
}

stream_intake *stream_intake_new(const stream_config *config, const void *declarations, size_t len,
                                 char *err) {
  stream_reader reader = {declarations, (const unsigned char *)declarations + len};
  stream_value map = {.kind = STREAM_MAP};
  if (declarations != NULL && (stream_read(&reader, &map) != 0 || map.kind != STREAM_MAP ||
                               map.count > STORE_STREAMS_MAX)) {
    snprintf(err, STREAM_ERR_MAX, "declarations of streams are a map of at most %d",
             STORE_STREAMS_MAX);
    return NULL;
  }
  stream_intake *made = calloc(1, sizeof *made + map.count * sizeof made->declared[0]);
  int status = made != NULL ? STREAM_OK : STREAM_E_NOMEM;
  if (made != NULL) {
    made->store = config->store;
    made->time_unit_ns = config->time_unit_ns;
    made->text = malloc(len + 1);
    status = made->text != NULL ? stream_names_init(&made->stream, config->stream) : STREAM_E_NOMEM;
    err[0] = 0;
  }
  if (status == STREAM_OK) {
    if (len != 0) memcpy(made->text, declarations, len);
    status = fill(made, len, map.count, err);
  }
  if (status == STREAM_OK) return made;
  if (made == NULL || err[0] == 0)
    snprintf(err, STREAM_ERR_MAX, "%s",
             status == STREAM_E_NOMEM   ? "there is not enough memory for the declared streams"
             : status == STREAM_E_STORE ? "kept events could not be read"
                                        : "the names of fields are not usable");
  stream_intake_free(made);
  return NULL;
}

void stream_intake_free(stream_intake *intake) {
  if (intake == NULL) return;
  for (uint32_t i = 0; i < intake->count; i++) {
    stream_schema_free(intake->declared[i].schema);
    stream_duplicates_free(intake->declared[i].duplicates);
  }
  stream_names_free(&intake->stream);
  free(intake->text);
  free(intake);
}

/* ---- Events ------------------------------------------------------------- */

static void count(stream_intake *intake, stream_declared *declared, int verdict) {
  int dead = verdict == STREAM_REFUSED;
  atomic_fetch_add_explicit(dead ? &intake->refused : &intake->passed_over, 1,
                            memory_order_relaxed);
  if (declared != NULL)
    atomic_fetch_add_explicit(dead ? &declared->refused : &declared->passed_over, 1,
                              memory_order_relaxed);
}

/* 0, or -1 with the reason, for what every stream asks. */
static int check_any(int read, const stream_event *event, char *reason) {
  const char *wrong = NULL;
  if (read == STREAM_EVENT_NONE) wrong = "the event is no map";
  else if (read < 0) wrong = "the event is no MessagePack";
  else if (event->bad_time || event->time_ns > INT64_MAX) wrong = "its time is out of range";
  else if (event->stream.data != NULL &&
           (is_named(event->stream, STREAM_DEAD) ||
            (event->stream.len >= strlen(STREAM_ROWS) &&
             memcmp(event->stream.data, STREAM_ROWS, strlen(STREAM_ROWS)) == 0)))
    wrong = "its stream is not for events from outside";
  if (wrong != NULL) {
    snprintf(reason, STREAM_REASON_MAX, "%s", wrong);
    return -1;
  }
  if (event->keys[0].len <= STREAM_KEY_MAX) return 0;
  snprintf(reason, STREAM_REASON_MAX, "its key has %zu bytes; it may have %zu", event->keys[0].len,
           STREAM_KEY_MAX);
  return -1;
}

static int check_clock(const stream_declared *declared, const stream_event *event, uint64_t wall_ns,
                       char *reason) {
  if (event->time_ns <= wall_ns || event->time_ns - wall_ns <= declared->clock_ns) return 0;
  snprintf(reason, STREAM_REASON_MAX, "its time is %llu s ahead of the clock; it may be %llu s",
           (unsigned long long)((event->time_ns - wall_ns) / 1000000000u),
           (unsigned long long)(declared->clock_ns / 1000000000u));
  return -1;
}

/* 0, or -1 with the reason; id_text is its id. */
static int check(const stream_declared *declared, const stream_event *event, uint64_t wall_ns,
                 stream_text *id_text, char *digits, char *reason) {
  if (declared == NULL) {
    stream_value id;
    return stream_schema_check(NULL, event->whole, NULL, &id, reason);
  }
  stream_value id;
  const stream_text *wanted = declared->id.data != NULL ? &declared->id : NULL;
  if (stream_schema_check(declared->schema, event->whole, wanted, &id, reason) != 0 ||
      check_clock(declared, event, wall_ns, reason) != 0)
    return -1;
  if (wanted == NULL) return 0;
  *id_text = stream_event_text(&id, digits);
  if (id_text->data != NULL) return 0;
  snprintf(reason, STREAM_REASON_MAX, "its id '%.*s' is %s", (int)wanted->len, wanted->data,
           id.kind == STREAM_NIL ? "missing" : "neither text nor an integer");
  return -1;
}

int stream_intake_enter(stream_intake *intake, int read, const stream_event *event,
                        stream_text data, stream_text source, uint64_t wall_ns,
                        stream_ticket *ticket, int *store_status) {
  char reason[STREAM_REASON_MAX], digits[STREAM_DIGITS];
  stream_text id, stream = {STREAM_UNNAMED, strlen(STREAM_UNNAMED)};
  *ticket = (stream_ticket){0};
  *store_status = STORE_OK;
  if (read <= STREAM_EVENT_NONE) stream.len = 0;
  else if (event->stream.data != NULL) stream = event->stream;
  if (stream.len != 0) ticket->declared = find(intake, stream);
  int wrong = check_any(read, event, reason) != 0 ||
              check(ticket->declared, event, wall_ns, &id, digits, reason) != 0;
  if (wrong) {
    *store_status = stream_letter_put(intake->store, stream, data, reason, source, wall_ns);
    if (*store_status == STORE_OK) count(intake, ticket->declared, STREAM_REFUSED);
    return STREAM_REFUSED;
  }
  if (ticket->declared == NULL || ticket->declared->duplicates == NULL) return STREAM_OK;
  int status = stream_duplicates_claim(ticket->declared->duplicates, id,
                                       known_time((int64_t)event->time_ns, (int64_t)wall_ns),
                                       &ticket->claim);
  if (status < 0) return status;
  if (status != 0) {
    count(intake, ticket->declared, STREAM_PASSED_OVER);
    return STREAM_PASSED_OVER;
  }
  ticket->claimed = 1;
  return STREAM_OK;
}

void stream_intake_leave(const stream_ticket *ticket, int kept) {
  if (ticket->claimed) stream_duplicates_settle(ticket->declared->duplicates, &ticket->claim, kept);
}

int stream_intake_bury(stream_intake *intake, stream_text stream, stream_text event,
                       const char *reason, stream_text source, uint64_t wall_ns) {
  int status = stream_letter_put(intake->store, stream, event, reason, source, wall_ns);
  if (status == STORE_OK) count(intake, find(intake, stream), STREAM_REFUSED);
  return status;
}

/* ---- Figures ------------------------------------------------------------ */

static void add_ids(const stream_declared *declared, stream_intake_stats *stats) {
  if (declared->duplicates == NULL) return;
  stream_duplicates_stats seen;
  stream_duplicates_stats_get(declared->duplicates, &seen);
  stats->ids += seen.ids;
  stats->bytes += seen.bytes;
  stats->forgotten += seen.forgotten;
}

int stream_intake_stats_get(stream_intake *intake, const char *stream, stream_intake_stats *stats) {
  *stats = (stream_intake_stats){0};
  if (stream == NULL) {
    stats->duplicates = atomic_load(&intake->passed_over);
    stats->dead = atomic_load(&intake->refused);
    for (uint32_t i = 0; i < intake->count; i++) add_ids(&intake->declared[i], stats);
    return 0;
  }
  stream_declared *declared = find(intake, (stream_text){stream, strlen(stream)});
  if (declared == NULL) return -1;
  stats->duplicates = atomic_load(&declared->passed_over);
  stats->dead = atomic_load(&declared->refused);
  add_ids(declared, stats);
  return 0;
}

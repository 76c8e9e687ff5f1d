/* trigger_api.h - vm.h's part on triggers, and on events that come in. */
#ifndef PVM_TRIGGER_API_H
#define PVM_TRIGGER_API_H

/* A trigger submits an invocation of its task when a sequence of events has come, or so many into a
** stream: pvm_event and pvm_events match in C and submit as pvm_submit does. engine/include/stream.h says what a
** condition is, how events match, and what is kept: partial matches end with the process, and are
** bounded. The invocation's payload is a map
**
**   {"trigger": its name, "key": text, "event": the event that completed it, "events": [all that
**    matched, in order]}
**
** or, of one that counts what comes into a stream,
**
**   {"trigger": its name, "stream": text, "key": text, or nil if it counts the whole stream,
**    "first":, "last": sequence numbers, or nil if events are not kept, "events":, "bytes": how many}
**
** Any thread may call any of these at any time. */
typedef enum pvm_trigger_mode {
  PVM_TRIGGER_OFF = 0,
  PVM_TRIGGER_SUBMIT = 1,
  PVM_TRIGGER_HAND_OUT = 2 /* its invocations are not submitted, but come back to the caller */
} pvm_trigger_mode;

enum { PVM_TRIGGER_HANDED_OUT = 1 }; /* a status of pvm_fired */

/* Field names are 1 to 8 names with commas between; the first that an event has counts. */
typedef struct pvm_trigger_config {
  const char *type;      /* "event,type" */
  const char *page;      /* "page,page_id,pageId" */
  const char *id;        /* "id,click_id,clickId" */
  const char *key;       /* "key,session_id,user_id": where a condition names no other field */
  const char *time;      /* "time,ts,timestamp"; without any, an event counts when it arrives */
  const char *stream;    /* "stream": which of the store's streams keeps it; "events" without any */
  pvm_store *store;      /* where events are kept before they are matched; NULL: nowhere. It outlives
                         ** the executor */
  const void *streams;   /* declarations of streams, as engine/include/intake.h has them; NULL: none.
                         ** They need a store */
  size_t streams_len;
  uint64_t time_unit_ns; /* of these times, which count from the epoch; 1 to 1000000000 (seconds) */
  uint64_t max_bytes;    /* of events that partial matches hold */
  uint64_t ttl_ns;       /* a key that rests so long loses its partial matches */
  uint32_t max_keys;     /* with partial matches; the least recently used go first */
  uint32_t max_pending;  /* partial matches of one key; the oldest go first */
  uint64_t flow_bytes;   /* of what flows remember; the least recently used keys go first */
} pvm_trigger_config;

PVM_API void pvm_trigger_config_init(pvm_trigger_config *config);
/* Before the executor's first trigger and event, else PVM_E_STATE. */
PVM_API int pvm_triggers_configure(pvm_executor *executor, const pvm_trigger_config *config,
                                   char *err);
/* Add a trigger for a task; returns its id (> 0) or a negative status. condition: the MessagePack
** map of a condition or a counter of stream.h; PVM_E_INVALID with a sentence if it is not one. task: 0 is for what others run;
** its mode is OFF or HAND_OUT. replaces: 0, or a trigger with whose partial matches this one goes on
** if steps and key are the same; the caller removes that one. */
PVM_API int64_t pvm_trigger_add(pvm_executor *executor, int64_t task, const char *name,
                                const void *condition, size_t len, pvm_trigger_mode mode,
                                int64_t replaces, char *err);
/* No event that comes later fires it. A task that is withdrawn keeps its triggers until then; what
** they submit is refused. */
PVM_API int pvm_trigger_remove(pvm_executor *executor, int64_t trigger);
/* Keep what a counter has fired with under a name of up to 512 bytes, beside the events, if the executor
** keeps its stream in files and has tables of features that are kept. In the next process the counter
** goes on from there when it is added and kept under the same name: what is enough by then is handed out
** by pvm_fired_collect. Events that fired when the process died may come twice, none is missed. stream:
** the counter's. mode: the counter's; OFF: what was kept is forgotten, and so it is when the trigger is
** removed, unless another one has the name. goes_on: it goes on with the counts of one that it replaces. */
PVM_API int pvm_trigger_keep(pvm_executor *executor, int64_t trigger, const char *stream,
                             const char *name, pvm_trigger_mode mode, int goes_on);
/* From PVM_TRIGGER_OFF it begins anew. */
PVM_API int pvm_trigger_set_mode(pvm_executor *executor, int64_t trigger, pvm_trigger_mode mode);

typedef struct pvm_trigger_stats {
  uint64_t fired;      /* matches; the others add up to it, or a little less while it fires */
  uint64_t accepted;   /* as invocations */
  uint64_t handed_out;
  uint64_t full;       /* refused: no place in the lane */
  uint64_t rate;       /* refused: over the task's rate */
  uint64_t breaker;    /* refused: the task's circuit breaker */
  uint64_t other;      /* refused: withdrawn, stopped, no memory */
} pvm_trigger_stats;

PVM_API int pvm_trigger_stats_get(pvm_executor *executor, int64_t trigger,
                                  pvm_trigger_stats *stats);

typedef struct pvm_triggers_stats {
  uint64_t events;   /* so far */
  uint64_t matched;  /* of these, those that began, continued or completed a match, or counted */
  uint64_t fired;    /* matches completed */
  uint64_t dropped;  /* partial matches given up: a bound was reached, or their key rested */
  uint64_t evicted;  /* keys given up */
  uint64_t pending;  /* partial matches held now, some past their span or used up */
  uint64_t keys;     /* keys that are known now */
  uint64_t bytes;    /* of events held now */
  uint64_t triggers; /* now */
  uint64_t nodes;    /* of the trie, now */
  uint64_t duplicates; /* events that were passed over: their id was seen. Not among `events` */
  uint64_t dead;       /* events that were refused, and kept as dead letters. Not among them either */
} pvm_triggers_stats;

PVM_API int pvm_triggers_stats_get(pvm_executor *executor, pvm_triggers_stats *stats);

/* Of one declared stream; of all for NULL. PVM_E_UNKNOWN: it is not declared. */
typedef struct pvm_intake_stats {
  uint64_t duplicates;
  uint64_t dead;
  uint64_t ids;       /* that are known now, about */
  uint64_t forgotten; /* ids given up before their time, as there were too many */
  uint64_t bytes;     /* of memory for ids */
} pvm_intake_stats;

PVM_API int pvm_intake_stats_get(pvm_executor *executor, const char *stream,
                                 pvm_intake_stats *stats);

/* What a trigger's match came to. */
typedef struct pvm_fired {
  int64_t trigger; /* 0: it is a row of a flow */
  int64_t flow;    /* 0: it is a trigger's match */
  int64_t task;
  uint64_t tag;    /* of the event, and of the invocation */
  uint64_t id;     /* of the invocation; 0 unless it was accepted */
  uint64_t end;    /* of the payload in the batch's data; it starts at the end before. There is one
                   ** only if status is not PVM_OK */
  int32_t status;  /* PVM_OK: accepted; PVM_TRIGGER_HANDED_OUT; or why it was refused */
  uint32_t depth;  /* how many tasks in a row, each started by what the one before made, it took; 0: it
                   ** came from outside */
} pvm_fired;

typedef struct pvm_fired_batch {
  uint32_t count;
  uint32_t lost;    /* matches that are counted but not told, for want of memory */
  uint64_t matched; /* events that began, continued or completed a match, counted, or that a flow took */
  uint64_t duplicates; /* passed over */
  uint64_t dead;    /* refused, and kept as dead letters */
  int32_t status;   /* PVM_OK, or why the next event was not taken in */
  size_t consumed;  /* of attended lines: bytes of those that are done with */
  pvm_fired *fired;
  unsigned char *data;
} pvm_fired_batch;

/* Hand in one event, a MessagePack map; other values are seen by no trigger. batch receives what
** fired, to be released with pvm_fired_free; NULL: it is counted only. PVM_E_DECODE. PVM_E_STORE: it was
** not kept, and no trigger has seen it. */
PVM_API int pvm_event(pvm_executor *executor, uint64_t tag, const void *event, size_t len,
                      pvm_fired_batch *batch);
/* The same for `count` events back to back, ends[i] the offset after event i, tags first_tag + i.
** Returns how many were taken in, up to the first that is no MessagePack or could not be kept; a
** negative status if none. Where events are kept, what is no event becomes a dead letter, and counts as
** taken in. */
PVM_API int64_t pvm_events(pvm_executor *executor, uint64_t first_tag, const void *events,
                           const size_t *ends, size_t count, pvm_fired_batch *batch);
PVM_API void pvm_fired_free(pvm_fired_batch *batch);
/* What fired by events that tasks have appended (polyvm.append) since the last call, oldest first; its
** invocations are not submitted. pvm_collect returns early when there is some. 1: there is more; 0. */
PVM_API int pvm_fired_collect(pvm_executor *executor, pvm_fired_batch *batch);
/* Fire the counters that have waited for as long as they are to, or with `all` whatever they have
** counted; tags are 0. batch as above. *next_ns: how long until one that has begun to count has
** waited for as long as it is to; UINT64_MAX: none has. */
PVM_API int pvm_triggers_tick(pvm_executor *executor, int all, uint64_t *next_ns,
                              pvm_fired_batch *batch);

/* Events in other forms, and where they come from. */
typedef struct pvm_ingestion {
  const void *data;
  size_t len;
  const size_t *ends; /* as above, with count; NULL: MessagePack values one behind the other, of which
                      ** an array stands for what is in it */
  size_t count;
  int lines;          /* 1: JSON lines instead; a blank one is none, one that is no JSON a dead letter,
                      ** or PVM_E_DECODE where no events are kept */
  const char *stream; /* of events that name none; NULL: "events" */
  const char *source; /* what dead letters tell of whoever hands them in; NULL: nothing */
  uint64_t first_tag; /* of the first event, or line */
  int attended;       /* 1, of lines: somebody sees to what needs it before the next line is taken. The
                      ** call returns behind a line whose event was refused, or fired what was handed out
                      ** or found its lane full, and before one that is no JSON, with PVM_E_DECODE as the
                      ** batch's status. What is taken may be 0 then. Dead letters tell the line's number
                      ** behind the source */
  int positions;      /* 1, of such lines: the journal has the number of each line as the position
                      ** (pvm_executor_note_position) once the next one is begun; the caller notes the
                      ** last. Where streams are synced it notes all of them */
  uint32_t depth;     /* if a task made them: the depth of its invocation + 1, and then what they start
                      ** is handed out with it; 0: they come from outside. At most PVM_DEPTH_MAX */
} pvm_ingestion;
enum { PVM_DEPTH_MAX = 8 };

/* As pvm_events. */
PVM_API int64_t pvm_ingest(pvm_executor *executor, const pvm_ingestion *in,
                           pvm_fired_batch *batch);
/* Keep a dead letter that the caller found, such as a line that is no JSON. PVM_E_STATE: events are
** not kept. PVM_E_STORE. */
PVM_API int pvm_dead_letter(pvm_executor *executor, const void *event, size_t len,
                            const char *reason, const char *source);

#endif

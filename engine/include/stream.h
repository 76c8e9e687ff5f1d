/* stream.h - the stream store: what to do when events come in, in C without Python.
**
** It holds triggers: conditions on sequences of events, matched as events are appended, and counters,
** which fire when so much has come into a stream. Limits first:
**
** - Everything is in memory and ends with the process: partial matches are not kept.
** - An event is one MessagePack map. A condition has 1 to STREAM_STEPS_MAX steps.
** - Partial matches are bounded: see stream_config. What goes over a bound is dropped, the least
**   recently used first, and counted.
** - Any thread may append, add and remove at any time. Appends to different keys run side by
**   side; adding and removing stop all of them for about a microsecond.
**
** Matching. Each condition is matched for each key on its own, in the order of arrival. Events that
** do not fit are passed over. An event that fits the first step begins a match, and replaces one
** that has come no further than that; a match goes on with the next event that fits its next step,
** and is used up by it. So the latest beginning counts, one event completes a condition at most
** once, and matches may overlap: an event may end one and begin another.
**
** Time. A match must end `within` its condition's span after its first event. The clock of a
** key does not go back: an event that comes late counts at the latest time of its key's events of
** types that conditions name, from the one that began a partial match until the key is given up. A
** condition sees nothing of what came before it was added, or switched on again.
**
** Counters. Each counts for the whole stream or for each key on its own, from the first event after it
** fired last. Events count in the order of their sequence numbers, so that `first` and `last` of what
** fires have all its events between them, and no event is in two. A counter has at most max_keys keys
** and max_bytes of their text: beyond that the oldest count is fired before it is enough.
*/
#ifndef STREAM_H
#define STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "store.h"

#define STREAM_STEPS_MAX 16  /* of a condition */
#define STREAM_IDS_MAX 256   /* of a step; also values of an `in` */
#define STREAM_WHERE_MAX 16  /* predicates of a step */
#define STREAM_TEXT_MAX 256  /* bytes of a type, page, id or field name in a condition */
#define STREAM_SPACES_MAX 16 /* different key fields that conditions may name, over time */
#define STREAM_UNNAMED "events"
#define STREAM_MISNAMED "misnamed"
#define STREAM_ROWS "features." /* streams that begin so hold rows of feature tables, and no events */
#define STREAM_ERR_MAX 512   /* bytes that an `err` text needs, with the final 0 */

typedef struct stream_intake stream_intake; /* intake.h */

typedef enum stream_status {
  STREAM_OK = 0,
  STREAM_E_NOMEM = -1,
  STREAM_E_INVALID = -2, /* the condition or the configuration is not as stated; `err` says how */
  STREAM_E_DECODE = -3,  /* the event is no MessagePack */
  STREAM_E_STORE = -4    /* the store did not take the event; *store_status says why */
} stream_status;

/* Bytes of somebody else; not ended by a 0. */
typedef struct stream_text {
  const char *data;
  size_t len;
} stream_text;

/* A condition that has come true. All of it is valid during the call of `fire` only. */
typedef struct stream_match {
  void *user;                /* of the condition */
  int mode;                  /* of the condition, at that moment */
  stream_text key;           /* empty: the event has none */
  uint32_t count;            /* 1 to STREAM_STEPS_MAX */
  const stream_text *events; /* the map of each event that matched, in order */
} stream_match;

/* What a counter has counted, when it is enough. Valid during the call of `enough` only. */
typedef struct stream_amount {
  void *user; /* of the counter */
  int mode;   /* of the counter, at that moment */
  stream_text stream;
  int keyed; /* it counts for each key */
  stream_text key;
  uint64_t first, last; /* sequence numbers in the store; 0: events are not kept */
  uint64_t events;
  uint64_t bytes; /* of the events' maps */
  uint32_t way;   /* of the last of them; see stream_origin */
  uint64_t settled; /* of `settled` only: all events up to this one were handed out, by this firing or
                    ** by others */
} stream_amount;

/* An event that was kept, and matched. Valid during the call of `taken` only. */
typedef struct stream_taken {
  stream_text stream;
  stream_text key;   /* of the configuration's field; empty: it has none */
  stream_text whole; /* its map */
  int64_t time_ns;
  uint64_t sequence; /* in the store; 0: events are not kept */
} stream_taken;

/* Field names are lists with commas between; the first field that an event has counts. Types,
** pages, ids and keys are text or integers, which count as their decimal digits. */
typedef struct stream_config {
  const char *type;      /* "event,type" */
  const char *page;      /* "page,page_id,pageId" */
  const char *id;        /* "id,click_id,clickId" */
  const char *key;       /* "key,session_id,user_id": where a condition names no other field */
  const char *time;      /* "time,ts,timestamp": a number of time units since the epoch */
  const char *stream;    /* "stream": in which stream of the store it is kept */
  uint64_t time_unit_ns; /* 1000000000: times are seconds; 1 to that */
  uint32_t shards;       /* 64: parts of the keys that are locked one by one; 1 to 1024 */
  uint32_t max_keys;     /* 100000: keys with partial matches, about; at least 1 */
  uint32_t max_pending;  /* 1024: partial matches of one key; at least 1 */
  uint64_t max_bytes;    /* 64 MiB: events that partial matches hold */
  uint64_t ttl_ns;       /* an hour: partial matches of a key that has no such event for longer,
                         ** by its events' time or by the clock of now_ns, are dropped */
  /* Called once for an event that completes conditions, with all of them, in the thread that
  ** appends, with no lock held. `context` is what was given to stream_append. */
  void (*fire)(void *context, const stream_match *matches, size_t count);
  /* Called in the same way for a counter that has enough. NULL: nothing is to be done. */
  void (*enough)(void *context, const stream_amount *amount);
  /* After that, of each counter in turn and with its lock: amount->settled is filled in. NULL: nothing. */
  void (*settled)(void *context, const stream_amount *amount);
  /* Called in the same way for every event, last. NULL: nothing is to be done. */
  void (*taken)(void *context, const stream_taken *event);
  /* Events are kept there before they are matched: whole, under their key, in the stream that they
  ** name, in STREAM_UNNAMED if they name none, in STREAM_MISNAMED if that is no name of a stream of events. It
  ** outlives the triggers. NULL: they are not kept. */
  store *store;
  /* What events must be like: those that it refuses or passes over are not kept as what they are,
  ** and not matched. It outlives the triggers. NULL: all are taken. */
  stream_intake *intake;
  /* The condition or counter that had this `user` is gone, and no `fire` or `enough` that has it goes
  ** on. NULL: nothing is to be done. */
  void (*forget)(void *user);
  /* An event that partial matches keep a copy of: what is returned, unless NULL, is given to let_go
  ** once the copy goes, from any thread. NULL: nothing is to be done. */
  void *(*hold)(const void *event, size_t len);
  void (*let_go)(void *held);
} stream_config;

typedef struct stream_stats {
  uint64_t events;     /* appended */
  uint64_t matched;    /* of these, those that began, continued or completed a match, or counted */
  uint64_t fired;      /* matches that were handed to `fire`, and amounts to `enough` */
  uint64_t dropped;    /* partial matches given up, as a bound was reached or their key rested */
  uint64_t evicted;    /* keys given up for the same reasons */
  uint64_t pending;    /* partial matches held now, some past their span or used up */
  uint64_t keys;       /* keys that have any, now */
  uint64_t bytes;      /* of the events that they hold, now */
  uint64_t conditions; /* now */
  uint64_t nodes;      /* of the trie, now */
  uint64_t counters;   /* now */
} stream_stats;

typedef struct stream_triggers stream_triggers;
typedef struct stream_condition stream_condition;
typedef struct stream_counter stream_counter;

/* The values named above; fire and forget are NULL. */
void stream_config_init(stream_config *config);
/* NULL with a sentence in `err`. Names are copied. fire must not be NULL. */
stream_triggers *stream_triggers_new(const stream_config *config, char *err);
/* When nobody uses it any more. Forgets all conditions and counters. */
void stream_triggers_free(stream_triggers *triggers);

/* Add a condition, a MessagePack map:
**
**   "steps"      array of maps: "type" text; optional "page" text, "ids" array of texts, any one of
**                which it is to be, and "where", array of [field, op, value]: all must hold
**   "within_ns"  integer; 0 or absent: no limit but the key's ttl
**   "key"        text: the field that is the key; empty or absent: the configuration's
**
** A field of `where` is a name, or names of nested maps with dots between. op is one of "=="
** "!=" "<" "<=" ">" ">=" "in" "exists"; value is nil, a bool, a number or text; for "in" an
** array of these, for "exists" a bool. Numbers compare as numbers, text by bytes; nil and bools
** are equal or not, and in no order, and so are different kinds. A field that is missing, or
** holds a container, satisfies nothing but "exists".
**
** mode: 0 is off; any other comes back in matches. replaces, if not NULL, is a condition of this
** set: if it has the same steps and key, the new one goes on with its partial matches. The
** caller removes it.
*/
int stream_triggers_add(stream_triggers *triggers, const void *condition, size_t len, int mode,
                        void *user, const stream_condition *replaces, stream_condition **out,
                        char *err);
void stream_triggers_remove(stream_triggers *triggers, stream_condition *condition);
/* From 0 to another mode it begins anew. */
void stream_triggers_set(stream_triggers *triggers, stream_condition *condition, int mode);

/* Add a counter, a MessagePack map:
**
**   "stream"   text: the stream whose events count
**   "events"   integer; "bytes" integer: it fires when either is reached; 0 or absent: it is no reason
**   "wait_ns"  integer: what has begun is fired after so long by stream_counters_tick; 0 or absent: it
**              waits for ever
**   "key"      text: the field whose values are counted each on their own; empty or absent: the whole
**              stream is
**
** mode and user as with conditions. replaces: a counter of this set; if it has the same stream and key,
** the new one goes on from its counts. The caller removes it. */
int stream_counter_add(stream_triggers *triggers, const void *counter, size_t len, int mode,
                       void *user, const stream_counter *replaces, stream_counter **out, char *err);
void stream_counter_remove(stream_triggers *triggers, stream_counter *counter);
/* How a counter goes on from events that are kept. */
typedef struct stream_recount {
  store_stream *kept; /* NULL: there are none */
  uint64_t after;     /* from the event behind this number on */
  /* Of counters with keys: the last number that was handed out of a key's events; they are passed over. */
  uint64_t (*last_of)(void *arg, stream_text key);
  void *arg;
  uint64_t wall_ns, now_ns; /* as stream_append has them: what has begun has waited since it came */
} stream_recount;

/* Forget what it has counted, and count these events instead; none that comes meanwhile is missed, or
** counted twice. Fires with what is enough. */
int stream_counter_recount(stream_triggers *triggers, stream_counter *counter,
                           const stream_recount *how, void *context);
/* The number up to which all events were handed out. */
uint64_t stream_counter_settled(stream_triggers *triggers, stream_counter *counter);
/* From 0 to another mode it begins anew. */
void stream_counter_set(stream_triggers *triggers, stream_counter *counter, int mode);
/* Is this map a counter's rather than a condition's? */
int stream_is_counter(const void *map, size_t len);
/* Fire what has waited for long enough at `now_ns`, of the clock of stream_append; with `all`, all that
** has been counted. Returns how long from then until something has waited for long enough that has
** begun by now; UINT64_MAX: nothing has. */
uint64_t stream_counters_tick(stream_triggers *triggers, uint64_t now_ns, int all, void *context);

/* Append one event. wall_ns: since the epoch, for events without a time; now_ns: of a monotonic
** clock. Returns 1 if any condition began, went on or completed, or a counter counted it, 0 if not,
** also for a value that is no map; STREAM_PASSED_OVER or STREAM_REFUSED (intake.h); or a status. With
** STREAM_E_NOMEM the event may have been seen in part; with STREAM_E_STORE it was not seen. */
int stream_append(stream_triggers *triggers, const void *event, size_t len, uint64_t wall_ns,
                  uint64_t now_ns, void *context, int *store_status);

/* Where events come from. */
typedef struct stream_origin {
  stream_text source; /* for dead letters: who handed them in */
  stream_text stream; /* of events that name none; empty: STREAM_UNNAMED */
  int derived;        /* 1: the stream is this one, and these are key (unless it is empty) and time,
                      ** whatever the event says: it was made of others */
  stream_text key;
  int64_t time_ns;
  uint32_t way; /* the caller's own; of what counters fire with */
} stream_origin;
int stream_append_from(stream_triggers *triggers, const stream_origin *origin, const void *event,
                       size_t len, uint64_t wall_ns, uint64_t now_ns, void *context,
                       int *store_status);

void stream_triggers_stats(stream_triggers *triggers, stream_stats *stats);

#endif

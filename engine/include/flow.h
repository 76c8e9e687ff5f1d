/* flow.h - flows: operators over streams of events, run as events come, one after the other.
**
** A flow takes the events of a stream, or of two that are joined, through a chain of operators, and
** puts what comes out into a table of features, another stream, or a task. Limits first:
**
** - State is in memory and ends with the process, unless the flow is told to catch up: then it reads the
**   kept events of its streams again when it starts.
** - State is bounded: max_bytes over all flows, ttl_ns for a key that rests. What goes over a bound is
**   dropped, the least recently used key first, and counted.
** - Any thread may append, add and remove at any time. Events of different keys run side by side.
**
** Time. Each stream of a flow has a watermark: the latest event time that came from it, less the flow's
** lateness. The flow's is the least of them, but for streams that are silent: flow_tick finds those from
** which nothing came for idle_ns, and they hold nothing back until their next event. When all are
** silent, the flow's watermark goes on with the clock, so that the last window does not wait for ever. It
** never goes back. A window gives its result when the watermark has passed its end; a row that comes for a
** window that has given its result is late: it is counted, and handed to `late`.
*/
#ifndef FLOW_H
#define FLOW_H

#include "feature.h"
#include "stream.h"

#define FLOW_NAME_MAX 160
#define FLOW_STEPS_MAX 32

/* An event as flows see it. */
typedef struct flow_event {
  stream_text stream;
  stream_text key;   /* may be empty */
  stream_text whole; /* its map */
  int64_t time_ns;
  int64_t arrival_ns; /* since the epoch, if it came earlier; 0: it comes now */
  uint32_t way;       /* the caller's own: it comes back in what the event leads to */
} flow_event;

/* What leaves a flow, but for features. Valid during the call. */
typedef struct flow_output {
  void *user;       /* of the flow */
  stream_text into; /* the stream, or the task */
  int task;         /* 1: `into` is a task, 0: a stream */
  stream_text key;
  int64_t time_ns;
  stream_text row; /* a MessagePack map */
  uint32_t way;    /* of the event that it is made of; of several, the latest of its key to come */
} flow_output;

typedef struct flow_config {
  feature_store
      *features;      /* where tables are, unless flow_set_tables says so; NULL: flows with tables
                              are refused */
  uint32_t shards;    /* 64: parts of the keys that are locked one by one; 1 to 1024 */
  uint64_t max_bytes; /* 256 MiB: of state, all flows together */
  uint64_t idle_ns;   /* a second: a stream from which nothing comes for so long is silent, of
                              flows that do not say otherwise */
  /* Called for a row that leaves, in the thread that appends or ticks, with no lock held. */
  void (*emit)(void *context, const flow_output *output);
  /* A row that came too late. NULL: it is only counted. */
  void (*late)(void *context, void *user, const flow_event *event);
  void (*forget)(void *user); /* the flow with this `user`, unless NULL, is gone */
} flow_config;

typedef struct flow_stats {
  uint64_t events; /* that came in */
  uint64_t rows;   /* that left */
  uint64_t late;
  uint64_t dropped; /* keys given up for a bound */
  uint64_t refused; /* rows that could not go on: a key over 64 KiB, a table that refused, memory */
  uint64_t keys;    /* with state, now */
  uint64_t bytes;   /* of state, now */
  int64_t watermark_ns; /* INT64_MIN: no event yet */
} flow_stats;

typedef struct flow_set flow_set;
typedef struct flow flow;

void flow_config_init(flow_config *config);
flow_set *flow_set_new(const flow_config *config, char *err);
void flow_set_free(flow_set *set);
/* Where the tables of flows that are added from now on are. It outlives the set. */
void flow_set_tables(flow_set *set, feature_store *features);

/* Could this be added, but for its name? STREAM_OK, or a status with a sentence. */
int flow_check(flow_set *set, const void *declaration, size_t len, char *err);
/* Add a flow: a MessagePack map, described in flow/declaration.h. `replaces`, if not NULL, is a flow of
** this set that is removed; if it says the same, its state goes on in the new one. */
int flow_add(flow_set *set, const void *declaration, size_t len, void *user, flow *replaces,
             flow **out, char *err);
/* The same in two steps: between them the flow gets the events of flow_feed only, which are taken for
** some that another process has seen: rows for a table that has the same row, or a later one of the
** key, are not put. With times of arrival, in their order, streams are silent as they were then. */
int flow_prepare(flow_set *set, const void *declaration, size_t len, void *user,
                 const flow *replaces, flow **out, char *err);
int flow_start(flow_set *set, flow *flow, struct flow *replaces);
int flow_feed(flow_set *set, flow *flow, const flow_event *event, void *context);
/* It gets no more events, and ends when nobody is at it. It may be one that was never started.
** STREAM_E_NOMEM: it goes on. */
int flow_remove(flow_set *set, flow *flow);
/* Does it have this declaration? */
int flow_says(const flow *flow, const void *declaration, size_t len);
/* The streams that it takes, of all its inputs; data NULL beyond the last. They live as long as it. */
stream_text flow_stream_at(const flow *flow, uint32_t i);
void flow_stats_get(flow *flow, flow_stats *stats);

/* One event through all flows that take its stream. 1 if there are any, 0 if not, or a status. */
int flow_append(flow_set *set, const flow_event *event, void *context);
/* Move on what only time moves. wall_ns: since the epoch. */
int flow_tick(flow_set *set, int64_t wall_ns, void *context);
/* The streams have ended: whatever is open gives its result, of flows that others feed last. Rows that
** come all the same are late. */
int flow_finish(flow_set *set, void *context);

#endif

/* trigger.h - the triggers of an executor: conditions of the stream store that submit. */
#ifndef PVM_TRIGGER_H
#define PVM_TRIGGER_H

#include "../include/vm.h"
#include "stream.h"

struct pvm_trigger_set;

/* What one call gathers. */
typedef struct pvm_firing {
  pvm_executor *executor;
  struct pvm_trigger_set *set;
  uint64_t tag;
  pvm_fired_batch *batch; /* NULL: nothing is handed out */
  size_t fired_capacity;
  size_t data_len, data_capacity;
  unsigned char *payload; /* room for one, kept between events */
  size_t payload_capacity;
  uint32_t depth;    /* how many flows an event has come through */
  uint32_t appended; /* tasks in a row that appended; not 0: nothing is submitted from here */
  int flowed;        /* a flow has taken the latest event */
  int quiet;         /* what leaves flows for streams and tasks has left before */
} pvm_firing;

/* Whose match it is: of these, one is 0. */
typedef struct pvm_starter {
  int64_t trigger, flow;
  int64_t task;
} pvm_starter;

void pvm_trigger_set_free(struct pvm_trigger_set *set);
/* The executor's set, made with the defaults if there is none. */
int pvm_trigger_set_of(pvm_executor *executor, struct pvm_trigger_set **set, char *err);
struct pvm_flows *pvm_trigger_set_flows(struct pvm_trigger_set *set);
pvm_store *pvm_trigger_set_store(struct pvm_trigger_set *set);

/* Room for a payload of so many bytes in f->payload; 0 without memory. */
int pvm_firing_reserve(pvm_firing *f, size_t most);
/* Start a task with the payload in f->payload; len 0: there was no memory for it. What became of it,
** which the caller is told. */
int pvm_firing_start(pvm_firing *f, const pvm_starter *starter, int mode, size_t len);
/* An event from within, on its way as any other. What pvm_events says of one. */
int pvm_firing_append(pvm_firing *f, const stream_origin *origin, const char *event, size_t len);
void pvm_firing_free(pvm_firing *f);
/* As pvm_ingest. appended, if not 0: so many tasks in a row did; nothing is submitted, but handed out. */
int64_t pvm_trigger_ingest(pvm_executor *executor, const pvm_ingestion *in, uint32_t appended,
                           pvm_fired_batch *batch);
/* Where the executor's events are kept; NULL: nowhere. */
pvm_store *pvm_trigger_store(pvm_executor *executor);

#endif

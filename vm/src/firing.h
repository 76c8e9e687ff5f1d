/* firing.h - what fires on an event's way: its payload, and what becomes of the invocation. */
#ifndef PVM_FIRING_H
#define PVM_FIRING_H

#include <stdatomic.h>

#include "../include/vm.h"

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
  uint32_t depth; /* how many flows an event has come through */
  uint32_t tasks; /* in a row, each started by what the one before made; not 0: handed out */
  int appended;   /* by a task, from within its VM: nothing is submitted from here */
  int flowed;     /* a flow has taken the latest event */
  int quiet;      /* what leaves flows for streams and tasks has left before */
} pvm_firing;

/* What an event has come through, as one word, for what it leads to later. */
static inline uint32_t pvm_firing_way(const pvm_firing *f) {
  return f->tasks << 16 | f->depth;
}

/* Whose match it is: of these, one is 0. */
typedef struct pvm_starter {
  int64_t trigger, flow;
  int64_t task;
} pvm_starter;

/* What became of a starter's invocations so far. */
typedef struct pvm_start_counts {
  _Atomic uint64_t accepted, handed_out, full, rate, breaker, other;
} pvm_start_counts;

/* Room for a payload of so many bytes in f->payload; 0 without memory. */
int pvm_firing_reserve(pvm_firing *f, size_t most);
/* Start a task with the payload in f->payload; len 0: there was no memory for it. What became of it,
** which the caller is told. */
int pvm_firing_start(pvm_firing *f, const pvm_starter *starter, int mode, size_t len);
void pvm_firing_free(pvm_firing *f);

/* Count one of that status, which pvm_firing_start returned. */
void pvm_start_counts_add(pvm_start_counts *counts, int status);

#endif

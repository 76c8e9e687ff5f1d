/* chain_run.h - one run of a chain: which of its invocations have ended, and which are next.
**
** All invocations are made when the run is triggered, so that each of them ends, and has its
** completion, whatever becomes of memory and of the executor. A further one is in one of three
** states: it waits, it was started (and is an ordinary invocation from then on), or it has ended.
** The end of one decides which of those that wait start and which end without having started; that
** is done by whoever ends it, a worker's thread or the ladder's, under the lock of this run alone.
**
** What decides as early as it can: a task that is to be skipped ends with the first failure before
** it, not with the last of what it comes after.
**
** The run is gone when all completions were collected.
*/
#ifndef PVM_CHAIN_RUN_H
#define PVM_CHAIN_RUN_H

#include "chain.h"
#include "invocation.h"

struct pvm_executor;
typedef struct pvm_chain_run pvm_chain_run;

/* What comes of an end: invocations in lists, by their `next`. */
typedef struct pvm_chain_next {
  pvm_invocation *started; /* to be dispatched */
  pvm_invocation *ended;   /* without having been dispatched */
} pvm_chain_next;

/* Accept one: its first invocation, in *first, and with it all; or nothing, and a negative status,
** as pvm_submit has it. The chain stays the caller's. Nothing runs before pvm_chain_begin. */
int pvm_chain_trigger(struct pvm_executor *executor, pvm_chain *chain, uint64_t tag,
                      const void *payload, size_t len, const pvm_submit_options *options,
                      pvm_invocation **first);
/* Set it going, once. After this the first invocation is the collector's. */
void pvm_chain_begin(struct pvm_executor *executor, pvm_invocation *first);

/* The invocation has its outcome; to be called once, before it is delivered. */
void pvm_chain_note_end(pvm_invocation *invocation, pvm_chain_next *next);
/* After it was delivered. */
void pvm_chain_go_on(struct pvm_executor *executor, pvm_chain_next *next);
/* Was the run stopped, and is this started invocation not to run? 1, with the reason. */
int pvm_chain_is_stopped(pvm_invocation *invocation, pvm_buffer *why);
/* The invocation's completion was collected. Returns the run's block of the journal if it was the
** last one, which ends the run; else PVM_JOURNAL_NONE. */
uint32_t pvm_chain_note_collected(pvm_invocation *invocation);

#endif

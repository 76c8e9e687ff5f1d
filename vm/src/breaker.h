/* breaker.h - the circuit breaker of one task: a task that keeps failing rests a while.
**
** Closed, it lets every invocation in. When a rule of its policy is broken it opens and refuses
** them; after its cool-down it is half-open and lets a few trials in. The first trial that
** succeeds closes it; one that fails opens it again, for twice as long.
**
** Why not a library: it is asked at every submission and told at every end, where no host
** Python runs, and the known ones are Python's or the JVM's.
**
** Each change of state begins a new generation, and a token carries the generation that let the
** invocation in. What was let in before a change tells nothing about the state after it, so its
** end is ignored: the last successes of a queue do not close what has just opened, nor its last
** failures open what has just closed.
**
** A breaker outlives the versions of its task; pvm_breaker_reset gives a new version its chance.
** Every function but init and free may be called from any thread. While it is closed, admit is
** one relaxed load, and note takes the lock for failures only. Times are of one monotonic clock,
** in nanoseconds; threads may hand them in slightly out of order.
*/
#ifndef PVM_BREAKER_H
#define PVM_BREAKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "../include/vm.h"

#define PVM_BREAKER_BUCKETS 16 /* the window moves on by a sixteenth of its length */

typedef struct pvm_breaker {
  _Alignas(64) _Atomic uint64_t gate; /* generation << 2 | state */
  _Atomic uint64_t until;             /* when the cool-down, or the wait for trials, is over */
  _Atomic uint32_t vacant;            /* trials that may still go in */
  _Atomic uint32_t changes;
  _Atomic uint64_t refused;
  /* Successes write here without the lock. A word of a window is bucket number << 32 | count,
  ** so no bucket must be emptied before its next turn. */
  _Alignas(64) _Atomic uint32_t failures;
  _Atomic uint32_t timeouts;
  _Atomic uint64_t bucket_ns; /* 0: no rule needs the window */
  _Atomic uint64_t succeeded[PVM_BREAKER_BUCKETS];
  _Alignas(64) pthread_mutex_t lock; /* of everything below, and of every change of state */
  _Atomic uint64_t failed[PVM_BREAKER_BUCKETS];
  pvm_breaker_policy policy;
  pvm_breaker_hold hold;
  pvm_breaker_reason reason;
  uint32_t trials; /* out now */
  uint32_t openings;
  uint64_t opened;
  uint64_t since;
  uint32_t crashes;
  uint64_t crash_at[PVM_BREAKER_CRASHES_MAX];
} pvm_breaker;

/* Not admitted; or, for pvm_breaker_note, not by this breaker: see there. */
#define PVM_BREAKER_NO_TOKEN 0

/* Closed, with a policy of zeros. */
void pvm_breaker_init(pvm_breaker *breaker, uint64_t now);
void pvm_breaker_free(pvm_breaker *breaker);
/* Does it agree with the comments in vm.h? */
int pvm_breaker_is_valid(const pvm_breaker_policy *policy);
/* PVM_E_INVALID for a policy that contradicts the comments there; then the old one stays. A
** running cool-down goes on as it is. */
int pvm_breaker_set_policy(pvm_breaker *breaker, const pvm_breaker_policy *policy);
/* A token, to be noted once when the invocation has ended in whatever outcome; or
** PVM_BREAKER_NO_TOKEN when it is refused. */
uint64_t pvm_breaker_admit(pvm_breaker *breaker, uint64_t now);
/* May an invocation that was let in and had to queue still start? 0 if the breaker opened
** meanwhile: so one bad task's queue need not be run to its end. */
int pvm_breaker_may_start(pvm_breaker *breaker, uint64_t token);
/* Returns 1 if this changed the state. A trial that is noted as cancelled or rejected is given
** back. PVM_BREAKER_NO_TOKEN is for what ended with an earlier process: its failure counts when
** closed, and fails the trial when half-open or when the cool-down is over. */
int pvm_breaker_note(pvm_breaker *breaker, uint64_t now, uint64_t token, pvm_outcome outcome);
/* Return to PVM_BREAKER_AUTO begins closed. */
void pvm_breaker_force(pvm_breaker *breaker, uint64_t now, pvm_breaker_hold hold);
/* Close it, and forget crashes and openings: for a new version, and for operators. What is
** held stays held. */
void pvm_breaker_reset(pvm_breaker *breaker, uint64_t now);
/* Counts the occasions on which there is something new to keep over a restart. */
uint32_t pvm_breaker_changes(pvm_breaker *breaker);
void pvm_breaker_read(pvm_breaker *breaker, uint64_t now, pvm_breaker_snapshot *snapshot);
/* Go on where a snapshot was taken; set the policy before. The trials of a half-open one went
** with their process, so it lets in others. PVM_E_INVALID, and no change, for numbers that
** pvm_breaker_read does not write. */
int pvm_breaker_restore(pvm_breaker *breaker, uint64_t now, const pvm_breaker_snapshot *snapshot);
/* Why an invocation was refused, in one sentence without a full stop. */
void pvm_breaker_explain(pvm_breaker *breaker, uint64_t now, char *text, size_t size);

#endif

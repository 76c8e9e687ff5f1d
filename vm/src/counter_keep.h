/* counter_keep.h - what counters have fired with, kept by name in tables of features.
**
** A counter that is kept has a row with the number up to which each of its events has been handed out, and
** one for each key with that of the last of the key's. Whoever counts on from there, and passes over
** what a key's row covers, misses no event; those of a firing that was not noted any more come twice. */
#ifndef PVM_COUNTER_KEEP_H
#define PVM_COUNTER_KEEP_H

#include "feature.h"
#include "stream.h"

#define PVM_COUNTER_NAME_MAX 512

/* An amount was handed out; with the counter's lock. What cannot be noted is counted again. */
void pvm_counter_keep_note(feature_store *features, const char *name, const stream_amount *amount);
/* All up to this number was handed out, or is of no interest. */
void pvm_counter_keep_begin(feature_store *features, const char *name, uint64_t after);
/* That number; 0 if nothing is kept under this name, else 1. */
int pvm_counter_keep_find(feature_store *features, const char *name, uint64_t *after);
/* The last number of a key's events that was handed out; 0: none is known. */
uint64_t pvm_counter_keep_last(feature_store *features, const char *name, stream_text key);
/* The counter begins anew when it comes again. */
void pvm_counter_keep_forget(feature_store *features, const char *name);

#endif

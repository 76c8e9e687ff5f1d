/* event_store.h - the stream store, for the runtime's other files. */
#ifndef PVM_EVENT_STORE_H
#define PVM_EVENT_STORE_H

#include "../include/vm.h"
#include "store.h"

/* The pvm_status for a store_status. */
int pvm_store_status(int status);
/* The stream of that name; NULL: there is none. */
store_stream *pvm_store_find(pvm_store *handle, const char *name);
/* What a query asks for, one after the other: how many, or a negative pvm_status. */
int64_t pvm_store_visit(pvm_store *handle, const pvm_store_query *query, store_visit *visit,
                        void *arg);
/* pvm_series_read; `poll` is called for each event that is looked at; not 0 ends it, with PVM_E_STATE. NULL
** is fine. */
int pvm_series_read_polled(pvm_store *handle, const pvm_series_query *query, int (*poll)(void *),
                           pvm_buffer *rows, char *err);

#endif

/* ingest.h - events on their way in: kept, matched, and through flows. */
#ifndef PVM_INGEST_H
#define PVM_INGEST_H

#include "firing.h"
#include "stream.h"

/* As pvm_ingest. appended, if not 0: so many tasks in a row did; nothing is submitted, but handed out. */
int64_t pvm_trigger_ingest(pvm_executor *executor, const pvm_ingestion *in, uint32_t appended,
                           pvm_fired_batch *batch);
/* An event from within, on its way as any other. What pvm_events says of one. */
int pvm_firing_append(pvm_firing *f, const stream_origin *origin, const char *event, size_t len);

#endif

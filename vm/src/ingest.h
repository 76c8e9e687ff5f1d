/* ingest.h - events on their way in: kept, matched, and through flows. */
#ifndef PVM_INGEST_H
#define PVM_INGEST_H

#include "firing.h"
#include "stream.h"

/* An event from within, on its way as any other. What pvm_events says of one. */
int pvm_firing_append(pvm_firing *f, const stream_origin *origin, const char *event, size_t len);

#endif

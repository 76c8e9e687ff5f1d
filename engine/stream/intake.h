/* intake.h - one event on its way in; ../include/intake.h says what is asked of it. */
#ifndef STREAM_INTAKE_H
#define STREAM_INTAKE_H

#include "../include/intake.h"
#include "duplicates.h"
#include "event.h"
#include "schema.h"

typedef struct stream_declared stream_declared;

/* An event that may be kept. */
typedef struct stream_ticket {
  stream_declared *declared; /* NULL: its stream is not */
  int claimed;               /* its id is */
  stream_claim claim;
} stream_ticket;

/* read: what stream_event_read said of data. STREAM_OK: it may be kept, and stream_intake_leave must
** follow, in the same thread. STREAM_PASSED_OVER, STREAM_REFUSED: it is over, and *store_status says
** whether the dead letter was kept. STREAM_E_NOMEM. */
int stream_intake_enter(stream_intake *intake, int read, const stream_event *event,
                        stream_text data, stream_text source, uint64_t wall_ns,
                        stream_ticket *ticket, int *store_status);
void stream_intake_leave(const stream_ticket *ticket, int kept);

#endif

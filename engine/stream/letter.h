/* letter.h - dead letters: events that were refused, as maps in a stream of their own. */
#ifndef STREAM_LETTER_H
#define STREAM_LETTER_H

#include "../include/intake.h"

/* ../include/intake.h says what is in it. stream: empty if it is not known. store NULL: nothing is
** kept. A store_status. */
int stream_letter_put(store *store, stream_text stream, stream_text event, const char *reason,
                      stream_text source, uint64_t wall_ns);

#endif

/* schema.h - which fields the events of a stream have, and of which types.
**
**   str     text                          int    an integer
**   float   a number, NaN and infinities  bool   true or false
**           included                      time   a number of time units since the epoch, from 0 to
**   list    an array                             the year 2262
**   map     a map                         any    any value, nil included
**
** With "?" behind it a field may be missing, or nil. Without, it is there, and not nil.
*/
#ifndef STREAM_SCHEMA_H
#define STREAM_SCHEMA_H

#include "event.h"

#define STREAM_FIELDS_MAX 256
#define STREAM_FIELD_MAX 256  /* bytes of a field's name */
#define STREAM_REASON_MAX 512 /* bytes of a reason, with the final 0 */

typedef struct stream_schema stream_schema;

/* fields: a MessagePack map of names and types. open: events may have other fields, too; those that
** `passing` names they always may. STREAM_OK, STREAM_E_NOMEM, or STREAM_E_INVALID with a sentence
** in `err` (STREAM_ERR_MAX bytes). */
int stream_schema_new(stream_text fields, int open, const stream_names *passing,
                      uint64_t time_unit_ns, stream_schema **out, char *err);
void stream_schema_free(stream_schema *schema);

/* Does an event fit? schema NULL: whatever it holds, but it is one that readers can decode (sound.h).
** id: a field's name, NULL for none; *found_id gets its value, nil if it is missing. 0, or -1 with the
** reason, which is one sentence. */
int stream_schema_check(const stream_schema *schema, stream_text event, const stream_text *id,
                        stream_value *found_id, char *reason);

#endif

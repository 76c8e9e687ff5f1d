/* sound.h - is a MessagePack value one that every reader of kept events can decode? */
#ifndef STREAM_SOUND_H
#define STREAM_SOUND_H

#include "value.h"

#define STREAM_DEPTH_MAX 128 /* containers in one another; what tasks can be given */

/* Pass over one value with all that is in it. NULL; or what is wrong with it, as words that follow
** "the event": cut short, text that is not UTF-8, maps with keys that are neither text nor integers,
** deeper than STREAM_DEPTH_MAX. */
const char *stream_sound(stream_reader *reader);
int stream_is_utf8(stream_text text);

#endif

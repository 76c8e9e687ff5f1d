/* letter.c - see letter.h. */
#include "letter.h"

#include <stdlib.h>
#include <string.h>

#include "pack.h"
#include "sound.h"

static int is_sound(stream_text event) {
  stream_reader reader = {(const unsigned char *)event.data,
                          (const unsigned char *)event.data + event.len};
  return event.len != 0 && stream_sound(&reader) == NULL && reader.at == reader.end;
}

/* Text where it is that, binary data otherwise. */
static unsigned char *put_text(unsigned char *at, stream_text text) {
  if (stream_is_utf8(text)) return stream_put_string(at, text);
  return stream_put_raw(stream_put_length(at, 0xc4, text.len), text);
}

static stream_text cut(stream_text text, size_t most) {
  if (text.len > most) text.len = most;
  return text;
}

int stream_letter_put(store *store, stream_text stream, stream_text event, const char *reason,
                      stream_text source, uint64_t wall_ns) {
  if (store == NULL) return STORE_OK;
  store_stream *into;
  char err[STORE_ERR_MAX];
  int status = store_stream_open(store, STREAM_DEAD, &into, err);
  if (status != STORE_OK) return status;
  stream = cut(stream, STORE_NAME_MAX);
  source = cut(source, STREAM_TEXT_MAX);
  stream_text why = {reason, strlen(reason)};
  size_t limit = STREAM_DEAD_MAX, whole = event.len;
  unsigned char *letter = NULL;
  do { /* a store of small segments takes less */
    int is_cut = whole > limit, sound = !is_cut && is_sound(event);
    stream_text shown = cut(event, limit);
    free(letter);
    letter = malloc(128 + stream.len + why.len + source.len + shown.len);
    if (letter == NULL) return STORE_E_NOMEM;
    unsigned char *at = letter;
    at = stream_put_map(at, 4 + (uint32_t)is_cut);
    at = put_text(stream_put_name(at, "stream"), stream);
    at = put_text(stream_put_name(at, "reason"), why);
    at = put_text(stream_put_name(at, "source"), source);
    at = stream_put_name(at, "event");
    at = sound ? stream_put_raw(at, event) : put_text(at, shown);
    if (is_cut) at = stream_put(stream_put_name(at, "bytes"), 0xcf, whole, 8);
    store_event kept = {.time_ns = (int64_t)wall_ns,
                        .arrival_ns = (int64_t)wall_ns,
                        .key = {stream.data, stream.len},
                        .value = {(const char *)letter, (size_t)(at - letter)}};
    status = store_append(into, &kept, 1, NULL);
    limit /= 4;
  } while (status == STORE_E_SIZE && limit > 1024);
  free(letter);
  return status;
}

/* held.c - see held.h. */
#include "held.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"
#include "packed.h"

int pvm_held_add(pvm_held **held, pvt_buffer *buffer) {
  pvm_held *list = *held;
  if (list == NULL || list->count == list->capacity) {
    uint32_t capacity = list != NULL ? 2 * list->capacity : 4;
    pvm_held *more = realloc(list, sizeof *more + capacity * sizeof *more->buffers);
    if (more == NULL) {
      pvt_buffer_release(buffer);
      return -1;
    }
    if (list == NULL) *more = (pvm_held){.next = NULL};
    more->capacity = capacity;
    *held = list = more;
  }
  list->buffers[list->count++] = buffer;
  return 0;
}

void pvm_held_append(pvm_held **held, pvm_held *more) {
  while (*held != NULL) held = &(*held)->next;
  *held = more;
}

void pvm_held_free(pvm_held *held) {
  while (held != NULL) {
    pvm_held *next = held->next;
    for (uint32_t i = 0; i < held->count; i++) pvt_buffer_release(held->buffers[i]);
    free(held);
    held = next;
  }
}

/* One extension of a message. */
typedef struct extension {
  const unsigned char *start; /* of its tag */
  const unsigned char *content;
  size_t len;
  int type;
} extension;

/* The next handle at or after `at`; `at` moves behind it. Values and parts of values may be read
** alike, as only heads are looked at. False: there is none, or what follows is no MessagePack. */
static int next_handle(const unsigned char **at, const unsigned char *end, extension *found) {
  while (*at < end) {
    const unsigned char *start = *at;
    unsigned char tag = *start;
    /* of maps and arrays the head alone: their values come next */
    size_t head = tag >= 0x80 && tag < 0xa0    ? 1
                  : tag == 0xdc || tag == 0xde ? 3
                  : tag == 0xdd || tag == 0xdf ? 5
                                               : 0;
    if (head != 0) {
      if ((size_t)(end - start) < head) return 0;
      *at = start + head;
      continue;
    }
    const unsigned char *after = pvm_packed_skip(start, end);
    if (after == NULL) return 0;
    *at = after;
    int bytes = tag >= 0xc7 && tag <= 0xc9   ? 1 << (tag - 0xc7)
                : tag >= 0xd4 && tag <= 0xd8 ? 0
                                             : -1;
    if (bytes < 0 || start[1 + bytes] != NP_SHARED_TYPE) continue;
    found->start = start;
    found->content = start + 2 + bytes;
    found->len = (size_t)(after - found->content);
    return 1;
  }
  return 0;
}

pvm_held *pvm_hold(const void *data, size_t len) {
  if (!pvt_shared_any() || data == NULL) return NULL;
  pvm_held *held = NULL;
  const unsigned char *at = data, *end = at + len;
  extension each;
  while (next_handle(&at, end, &each)) {
    pvt_buffer *buffer = pvt_handle_hold(each.content, each.len);
    if (buffer != NULL && pvm_held_add(&held, buffer) < 0)
      break; /* it may be gone when it is read */
  }
  return held;
}

/* ---- Elements instead of handles ---------------------------------------- */

typedef struct expansion {
  unsigned char *data;
  size_t len, capacity;
} expansion;

static unsigned char *room(expansion *to, size_t n) {
  if (to->capacity - to->len < n) {
    size_t capacity = to->capacity != 0 ? to->capacity : 4096;
    while (capacity - to->len < n) {
      if (capacity > PTRDIFF_MAX / 2) return NULL;
      capacity *= 2;
    }
    unsigned char *more = realloc(to->data, capacity);
    if (more == NULL) return NULL;
    to->data = more;
    to->capacity = capacity;
  }
  unsigned char *at = to->data + to->len;
  to->len += n;
  return at;
}

static int put(expansion *to, const unsigned char *from, const unsigned char *end) {
  if (end == from) return PVM_OK;
  unsigned char *at = room(to, (size_t)(end - from));
  if (at == NULL) return PVM_E_NOMEM;
  memcpy(at, from, (size_t)(end - from));
  return PVM_OK;
}

static int put_elements(expansion *to, const extension *handle) {
  pvt_array array;
  if (pvt_handle_open(&array, handle->content, handle->len) != PVT_OK) return PVM_E_DECODE;
  size_t n = np_packed_size_of(&array);
  int bytes = n <= 0xff ? 1 : n <= 0xffff ? 2 : 4; /* of the length */
  unsigned char *at = n <= UINT32_MAX ? room(to, 2 + (size_t)bytes + n) : NULL;
  int status = PVM_E_NOMEM;
  if (at != NULL) {
    *at++ = (unsigned char)(bytes == 4 ? 0xc9 : 0xc6 + bytes);
    for (int i = bytes; i-- > 0;) *at++ = (unsigned char)(n >> 8 * i);
    *at++ = NP_PACKED_TYPE;
    if (np_pack_array(&array, at)) status = PVM_OK;
  }
  pvt_array_release(&array);
  return status;
}

int pvm_expand(const void *data, size_t len, pvm_buffer *out) {
  *out = (pvm_buffer){NULL, 0, NULL};
  if (!pvt_shared_any() || data == NULL) return 0;
  const unsigned char *at = data, *end = at + len, *copied = data;
  expansion to = {NULL, 0, 0};
  extension each;
  int status = PVM_OK, any = 0;
  while (status == PVM_OK && next_handle(&at, end, &each)) {
    status = put(&to, copied, each.start);
    if (status == PVM_OK) status = put_elements(&to, &each);
    copied = at;
    any = 1;
  }
  if (any && status == PVM_OK) status = put(&to, copied, end);
  if (!any || status != PVM_OK) {
    free(to.data);
    return status;
  }
  out->data = to.data;
  out->len = to.len;
  return 1;
}

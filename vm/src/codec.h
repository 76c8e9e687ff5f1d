/* codec.h - MessagePack to Python objects and back, inside a VM.
**
** Accepted from a task: None, bool, int (64 bits), float, str, bytes, bytearray,
** memoryview, list, tuple, set, frozenset, dict, arrays of polyvm.np (their scalars as
** numbers), dataclass instances (as maps) and enum members (as their values). Given to a task:
** None, bool, int, float, str, bytes, list, dict, arrays. Arrays are the extension type of pack.h;
** others are refused. Both ways at most PVM_MAX_DEPTH containers deep.
*/
#ifndef PVM_CODEC_H
#define PVM_CODEC_H

#include "../include/vm.h"
#include "python.h"

#define PVM_KEY_CACHE 256 /* map keys remembered, a power of 2 */
#define PVM_KEY_MAX 32    /* bytes of the longest key that is remembered */

/* One VM's codec: the keys of past payloads, so that equal keys are one object. */
typedef struct pvm_codec {
  PyObject *keys[PVM_KEY_CACHE];
} pvm_codec;

/* A new reference, or NULL with ValueError set: what is wrong and at which byte. */
PyObject *pvm_decode(pvm_codec *codec, const void *data, size_t len);
/* 0, or -1 with TypeError, OverflowError or ValueError set; `out` is malloc's. */
int pvm_encode(PyObject *value, pvm_buffer *out);
void pvm_codec_clear(pvm_codec *codec);

#endif

/* codec.c - see codec.h. The format: https://github.com/msgpack/msgpack/blob/master/spec.md */
#include "codec.h"

#include <stdlib.h>
#include <string.h>

#include "held.h"
#include "memory.h"
#include "pack.h"

/* ---- Decoding ----------------------------------------------------------- */

typedef struct reader {
  pvm_codec *codec;
  const unsigned char *start;
  const unsigned char *at;
  const unsigned char *end;
  int depth;
} reader;

static PyObject *bad(reader *r, const char *what) {
  PyErr_Format(PyExc_ValueError, "payload is not valid MessagePack: %s at byte %zd", what,
               (Py_ssize_t)(r->at - r->start));
  return NULL;
}

static size_t left(const reader *r) {
  return (size_t)(r->end - r->at);
}

/* A big-endian number of n bytes; the caller has checked that they are there. */
static uint64_t take(reader *r, int n) {
  uint64_t v = 0;
  for (int i = 0; i < n; i++) v = v << 8 | *r->at++;
  return v;
}

static PyObject *decode(reader *r);

static PyObject *decode_str(reader *r, size_t n) {
  if (left(r) < n) return bad(r, "a string is cut short");
  PyObject *s = PyUnicode_DecodeUTF8((const char *)r->at, (Py_ssize_t)n, NULL);
  if (s == NULL) {
    PyErr_Clear();
    return bad(r, "a string is not UTF-8");
  }
  r->at += n;
  return s;
}

static PyObject *decode_bin(reader *r, size_t n) {
  if (left(r) < n) return bad(r, "a byte string is cut short");
  PyObject *b = PyBytes_FromStringAndSize((const char *)r->at, (Py_ssize_t)n);
  r->at += n;
  return b;
}

/* A short string key, remembered from an earlier payload where possible. */
static PyObject *decode_key(reader *r) {
  unsigned char tag = *r->at;
  size_t n = tag & 0x1f, hash = n;
  if ((tag & 0xe0) != 0xa0 || left(r) < 1 + n) return decode(r);
  const unsigned char *text = r->at + 1;
  for (size_t i = 0; i < n; i++) {
    if (text[i] >= 0x80) return decode(r); /* comparing below assumes ASCII */
    hash = hash * 31 + text[i];
  }
  PyObject **slot = &r->codec->keys[(hash ^ hash >> 8) & (PVM_KEY_CACHE - 1)];
  PyObject *known = *slot;
  if (known != NULL && (size_t)PyUnicode_GET_LENGTH(known) == n &&
      memcmp(PyUnicode_1BYTE_DATA(known), text, n) == 0) {
    r->at += 1 + n;
    return Py_NewRef(known);
  }
  PyObject *key = decode(r);
  if (key != NULL) {
    Py_XDECREF(known);
    *slot = Py_NewRef(key);
  }
  return key;
}

/* n bytes of content behind the type: arrays are the only extensions. */
static PyObject *decode_extension(reader *r, const unsigned char *tag, size_t n) {
  if (left(r) < 1 + n) return bad(r, "an extension is cut short");
  int shared = *r->at == NP_SHARED_TYPE;
  if (!shared && *r->at != NP_PACKED_TYPE) {
    r->at = tag;
    return bad(r, "an extension type or a reserved tag");
  }
  const unsigned char *content = r->at + 1;
  const char *fault = shared ? NULL : np_packed_fault(content, n);
  if (fault != NULL) return bad(r, fault);
  PyObject *module = PyImport_ImportModule("_polyvm_tensor");
  if (module == NULL) return NULL;
  PyObject *array = shared ? np_open_shared(module, content, n) : np_unpack(module, content, n);
  Py_DECREF(module);
  r->at = content + n;
  return array;
}

static PyObject *decode_array(reader *r, size_t n) {
  /* Each item takes a byte at least: a length that lies allocates nothing. */
  if (left(r) < n) return bad(r, "an array is cut short");
  if (++r->depth > PVM_MAX_DEPTH) return bad(r, "containers are nested too deep");
  PyObject *list = PyList_New((Py_ssize_t)n);
  if (list == NULL) return NULL;
  for (size_t i = 0; i < n; i++) {
    PyObject *item = decode(r);
    if (item == NULL) {
      Py_DECREF(list);
      return NULL;
    }
    PyList_SET_ITEM(list, (Py_ssize_t)i, item);
  }
  r->depth--;
  return list;
}

static PyObject *decode_map(reader *r, size_t n) {
  if (left(r) / 2 < n) return bad(r, "a map is cut short");
  if (++r->depth > PVM_MAX_DEPTH) return bad(r, "containers are nested too deep");
  PyObject *dict = PyDict_New();
  if (dict == NULL) return NULL;
  for (size_t i = 0; i < n; i++) {
    PyObject *key = left(r) ? decode_key(r) : bad(r, "a map is cut short");
    if (key == NULL) goto fail;
    if (PyList_CheckExact(key) || PyDict_CheckExact(key) || np_array_check(key)) {
      Py_DECREF(key);
      bad(r, "a map key is an array or a map");
      goto fail;
    }
    PyObject *value = decode(r);
    int ok = value != NULL && PyDict_SetItem(dict, key, value) == 0;
    Py_DECREF(key);
    Py_XDECREF(value);
    if (!ok) goto fail;
  }
  r->depth--;
  return dict;
fail:
  Py_DECREF(dict);
  return NULL;
}

/* The length that follows the tag in n bytes, or -1 with an exception. */
static Py_ssize_t take_length(reader *r, int n) {
  if (left(r) < (size_t)n) {
    bad(r, "a length is cut short");
    return -1;
  }
  return (Py_ssize_t)take(r, n);
}

static PyObject *decode_float(reader *r, int n) {
  if (left(r) < (size_t)n) return bad(r, "a number is cut short");
  uint64_t bits = take(r, n);
  if (n == 4) {
    uint32_t bits32 = (uint32_t)bits;
    float f;
    memcpy(&f, &bits32, sizeof f);
    return PyFloat_FromDouble(f);
  }
  double d;
  memcpy(&d, &bits, sizeof d);
  return PyFloat_FromDouble(d);
}

static PyObject *decode_int(reader *r, int n, int is_signed) {
  if (left(r) < (size_t)n) return bad(r, "a number is cut short");
  uint64_t v = take(r, n);
  if (!is_signed) return PyLong_FromUnsignedLongLong(v);
  int shift = 64 - 8 * n; /* sign-extend */
  return PyLong_FromLongLong((int64_t)(v << shift) >> shift);
}

static PyObject *decode(reader *r) {
  if (left(r) == 0) return bad(r, "it ends too early");
  const unsigned char *start = r->at;
  unsigned char tag = *r->at++;
  Py_ssize_t n;
  if (tag < 0x80) return PyLong_FromLong(tag);
  if (tag >= 0xe0) return PyLong_FromLong((signed char)tag);
  if (tag < 0x90) return decode_map(r, tag & 0x0f);
  if (tag < 0xa0) return decode_array(r, tag & 0x0f);
  if (tag < 0xc0) return decode_str(r, tag & 0x1f);
  switch (tag) {
  case 0xc0: Py_RETURN_NONE;
  case 0xc2: Py_RETURN_FALSE;
  case 0xc3: Py_RETURN_TRUE;
  case 0xc4:
  case 0xc5:
  case 0xc6: n = take_length(r, 1 << (tag - 0xc4)); return n < 0 ? NULL : decode_bin(r, (size_t)n);
  case 0xc7:
  case 0xc8:
  case 0xc9:
    n = take_length(r, 1 << (tag - 0xc7));
    return n < 0 ? NULL : decode_extension(r, start, (size_t)n);
  case 0xca: return decode_float(r, 4);
  case 0xcb: return decode_float(r, 8);
  case 0xcc:
  case 0xcd:
  case 0xce:
  case 0xcf: return decode_int(r, 1 << (tag - 0xcc), 0);
  case 0xd0:
  case 0xd1:
  case 0xd2:
  case 0xd3: return decode_int(r, 1 << (tag - 0xd0), 1);
  case 0xd4:
  case 0xd5:
  case 0xd6:
  case 0xd7:
  case 0xd8: return decode_extension(r, start, (size_t)1 << (tag - 0xd4));
  case 0xd9:
  case 0xda:
  case 0xdb: n = take_length(r, 1 << (tag - 0xd9)); return n < 0 ? NULL : decode_str(r, (size_t)n);
  case 0xdc:
  case 0xdd:
    n = take_length(r, 2 << (tag - 0xdc));
    return n < 0 ? NULL : decode_array(r, (size_t)n);
  case 0xde:
  case 0xdf: n = take_length(r, 2 << (tag - 0xde)); return n < 0 ? NULL : decode_map(r, (size_t)n);
  default: r->at = start; return bad(r, "an extension type or a reserved tag");
  }
}

PyObject *pvm_decode(pvm_codec *codec, const void *data, size_t len) {
  reader r = {codec, data, data, (const unsigned char *)data + len, 0};
  PyObject *value = decode(&r);
  if (value != NULL && r.at != r.end) {
    Py_DECREF(value);
    return bad(&r, "there is more after the value");
  }
  return value;
}

void pvm_codec_clear(pvm_codec *codec) {
  for (size_t i = 0; i < PVM_KEY_CACHE; i++) Py_CLEAR(codec->keys[i]);
}

/* ---- Encoding ----------------------------------------------------------- */

typedef struct writer {
  unsigned char *data;
  size_t len;
  size_t cap;
  int depth;
  pvm_held *held;
} writer;

static int grow(writer *w, size_t more) {
  size_t cap = w->cap ? w->cap : 128;
  while (cap - w->len < more) {
    if (cap > PTRDIFF_MAX / 2) goto fail;
    cap *= 2;
  }
  if (!pvm_memory_may_hold(cap)) goto fail;
  unsigned char *data = realloc(w->data, cap);
  if (data == NULL) goto fail;
  w->data = data;
  w->cap = cap;
  return 0;
fail:
  PyErr_NoMemory();
  return -1;
}

#define MANY 65536 /* bytes whose copying is worth a look at whether the task must stop */

/* Room for n more bytes; NULL with MemoryError, or what stops the task. */
static unsigned char *room(writer *w, size_t n) {
  if (n >= MANY && _Py_CheckAsyncExc(_PyThreadState_GET()) < 0) return NULL;
  if (w->cap - w->len < n && grow(w, n) < 0) return NULL;
  unsigned char *at = w->data + w->len;
  w->len += n;
  return at;
}

static int put_tagged(writer *w, unsigned char tag, uint64_t v, int n) {
  unsigned char *at = room(w, (size_t)n + 1);
  if (at == NULL) return -1;
  *at++ = tag;
  for (int i = n; i-- > 0;) *at++ = (unsigned char)(v >> 8 * i);
  return 0;
}

static int put_tag(writer *w, unsigned char tag) {
  return put_tagged(w, tag, 0, 0);
}

static int put_bytes(writer *w, const void *data, size_t n) {
  unsigned char *at = room(w, n);
  if (at == NULL) return -1;
  if (n != 0) memcpy(at, data, n);
  return 0;
}

static int put_unsigned(writer *w, uint64_t v) {
  if (v < 0x80) return put_tag(w, (unsigned char)v);
  if (v <= 0xff) return put_tagged(w, 0xcc, v, 1);
  if (v <= 0xffff) return put_tagged(w, 0xcd, v, 2);
  if (v <= 0xffffffff) return put_tagged(w, 0xce, v, 4);
  return put_tagged(w, 0xcf, v, 8);
}

static int put_signed(writer *w, int64_t v) {
  if (v >= 0) return put_unsigned(w, (uint64_t)v);
  if (v >= -32) return put_tag(w, (unsigned char)v);
  if (v >= INT8_MIN) return put_tagged(w, 0xd0, (uint64_t)v, 1);
  if (v >= INT16_MIN) return put_tagged(w, 0xd1, (uint64_t)v, 2);
  if (v >= INT32_MIN) return put_tagged(w, 0xd2, (uint64_t)v, 4);
  return put_tagged(w, 0xd3, (uint64_t)v, 8);
}

static int too_long(Py_ssize_t n) {
  if (n <= (Py_ssize_t)UINT32_MAX) return 0;
  PyErr_SetString(PyExc_ValueError, "a value of 4 GiB or more cannot be returned");
  return 1;
}

static int put_array_head(writer *w, Py_ssize_t n) {
  if (too_long(n)) return -1;
  if (n < 16) return put_tag(w, (unsigned char)(0x90 | n));
  return n <= 0xffff ? put_tagged(w, 0xdc, (uint64_t)n, 2) : put_tagged(w, 0xdd, (uint64_t)n, 4);
}

static int put_map_head(writer *w, Py_ssize_t n) {
  if (too_long(n)) return -1;
  if (n < 16) return put_tag(w, (unsigned char)(0x80 | n));
  return n <= 0xffff ? put_tagged(w, 0xde, (uint64_t)n, 2) : put_tagged(w, 0xdf, (uint64_t)n, 4);
}

static int encode(writer *w, PyObject *v);

static int encode_str(writer *w, PyObject *v) {
  Py_ssize_t n;
  const char *text = PyUnicode_AsUTF8AndSize(v, &n);
  if (text == NULL) {
    if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
      PyErr_Clear();
      PyErr_SetString(PyExc_ValueError, "a string with lone surrogates cannot be returned");
    }
    return -1;
  }
  int head;
  if (too_long(n)) return -1;
  if (n < 32) head = put_tag(w, (unsigned char)(0xa0 | n));
  else if (n <= 0xff) head = put_tagged(w, 0xd9, (uint64_t)n, 1);
  else if (n <= 0xffff) head = put_tagged(w, 0xda, (uint64_t)n, 2);
  else head = put_tagged(w, 0xdb, (uint64_t)n, 4);
  return head < 0 ? -1 : put_bytes(w, text, (size_t)n);
}

static int encode_bin(writer *w, const void *data, Py_ssize_t n) {
  int head;
  if (too_long(n)) return -1;
  if (n <= 0xff) head = put_tagged(w, 0xc4, (uint64_t)n, 1);
  else if (n <= 0xffff) head = put_tagged(w, 0xc5, (uint64_t)n, 2);
  else head = put_tagged(w, 0xc6, (uint64_t)n, 4);
  return head < 0 ? -1 : put_bytes(w, data, (size_t)n);
}

static int put_extension_head(writer *w, size_t n, unsigned char type) {
  int head;
  if (too_long((Py_ssize_t)n)) return -1;
  if (n <= 0xff) head = put_tagged(w, 0xc7, n, 1);
  else if (n <= 0xffff) head = put_tagged(w, 0xc8, n, 2);
  else head = put_tagged(w, 0xc9, n, 4);
  return head < 0 ? -1 : put_tag(w, type);
}

/* The result holds the buffer until it is freed itself. */
static int encode_shared(writer *w, const pvt_array *array) {
  size_t n = pvt_handle_size(array);
  if (put_extension_head(w, n, NP_SHARED_TYPE) < 0) return -1;
  unsigned char *at = room(w, n);
  if (at == NULL) return -1;
  pvt_handle_write(array, at);
  if (pvm_held_add(&w->held, pvt_buffer_retain(array->buffer)) == 0) return 0;
  PyErr_NoMemory();
  return -1;
}

static int encode_array(writer *w, PyObject *v) {
  PyObject *number = np_packed_number(v);
  if (number != NULL) {
    int status = encode(w, number);
    Py_DECREF(number);
    return status;
  }
  if (PyErr_Occurred()) return -1;
  const pvt_array *shared = np_shared(v);
  if (shared != NULL) return encode_shared(w, shared);
  size_t n = np_packed_size(v);
  if (put_extension_head(w, n, NP_PACKED_TYPE) < 0) return -1;
  unsigned char *at = room(w, n);
  return at == NULL ? -1 : np_pack(v, at);
}

static int encode_int(writer *w, PyObject *v) {
  int overflow;
  long long value = PyLong_AsLongLongAndOverflow(v, &overflow);
  if (overflow == 0) return value == -1 && PyErr_Occurred() ? -1 : put_signed(w, value);
  if (overflow > 0) {
    unsigned long long large = PyLong_AsUnsignedLongLong(v);
    if (large != (unsigned long long)-1 || !PyErr_Occurred()) return put_unsigned(w, large);
    PyErr_Clear();
  }
  PyErr_SetString(PyExc_OverflowError, "an int of more than 64 bits cannot be returned");
  return -1;
}

static int encode_float(writer *w, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return put_tagged(w, 0xcb, bits, 8);
}

/* The items of a list may be changed by a dataclass's property that encoding runs, so
** the length is taken again at each turn and must not differ in the end. */
static int encode_sequence(writer *w, PyObject *v) {
  Py_ssize_t n = PySequence_Fast_GET_SIZE(v), i;
  if (put_array_head(w, n) < 0) return -1;
  for (i = 0; i < n && i < PySequence_Fast_GET_SIZE(v); i++) {
    PyObject *item = Py_NewRef(PySequence_Fast_GET_ITEM(v, i));
    int status = encode(w, item);
    Py_DECREF(item);
    if (status < 0) return -1;
  }
  if (i == n && n == PySequence_Fast_GET_SIZE(v)) return 0;
  PyErr_SetString(PyExc_RuntimeError, "a list changed size while it was being returned");
  return -1;
}

static int encode_set(writer *w, PyObject *v) {
  PyObject *list = PySequence_List(v);
  if (list == NULL) return -1;
  int status = encode_sequence(w, list);
  Py_DECREF(list);
  return status;
}

static int encode_dict(writer *w, PyObject *v) {
  Py_ssize_t n = PyDict_GET_SIZE(v), at = 0, count = 0;
  PyObject *key, *value;
  if (put_map_head(w, n) < 0) return -1;
  while (count < n && PyDict_Next(v, &at, &key, &value)) {
    Py_INCREF(key);
    Py_INCREF(value);
    int status = encode(w, key) < 0 || encode(w, value) < 0;
    Py_DECREF(key);
    Py_DECREF(value);
    if (status) return -1;
    count++;
  }
  if (count == n && PyDict_GET_SIZE(v) == n) return 0;
  PyErr_SetString(PyExc_RuntimeError, "a dict changed size while it was being returned");
  return -1;
}

static int encode_dataclass(writer *w, PyObject *v, PyObject *fields) {
  PyObject *names = PySequence_List(fields);
  if (names == NULL) return -1;
  Py_ssize_t n = PyList_GET_SIZE(names);
  int status = put_map_head(w, n);
  for (Py_ssize_t i = 0; status == 0 && i < n; i++) {
    PyObject *name = PyList_GET_ITEM(names, i);
    PyObject *value = PyObject_GetAttr(v, name);
    status = value == NULL || encode(w, name) < 0 || encode(w, value) < 0 ? -1 : 0;
    Py_XDECREF(value);
  }
  Py_DECREF(names);
  return status;
}

/* Dataclass instances and enum members: known by what their types carry. */
static int encode_object(writer *w, PyObject *v) {
  PyObject *type = (PyObject *)Py_TYPE(v), *found;
  if (PyObject_GetOptionalAttrString(type, "__dataclass_fields__", &found) < 0) return -1;
  if (found != NULL) {
    int status = PyDict_Check(found) ? encode_dataclass(w, v, found) : -2;
    Py_DECREF(found);
    if (status != -2) return status;
  }
  if (PyObject_GetOptionalAttrString(type, "_member_map_", &found) < 0) return -1;
  if (found != NULL) {
    Py_DECREF(found);
    PyObject *value = PyObject_GetAttrString(v, "_value_");
    if (value == NULL) return -1;
    int status = encode(w, value);
    Py_DECREF(value);
    return status;
  }
  PyErr_Format(PyExc_TypeError,
               "a value of type '%.100s' cannot be returned from a task: return None, bool, int, "
               "float, str, bytes, a list, tuple, set or dict of these, an array of polyvm.np, "
               "a dataclass or an enum",
               Py_TYPE(v)->tp_name);
  return -1;
}

static int encode_container(writer *w, PyObject *v) {
  if (_Py_CheckAsyncExc(_PyThreadState_GET()) < 0) return -1;
  if (w->depth >= PVM_MAX_DEPTH) {
    PyErr_Format(PyExc_ValueError, "a value nested more than %d deep cannot be returned",
                 PVM_MAX_DEPTH);
    return -1;
  }
  int status;
  w->depth++;
  if (PyDict_Check(v)) status = encode_dict(w, v);
  else if (PyList_Check(v) || PyTuple_Check(v)) status = encode_sequence(w, v);
  else if (PyAnySet_Check(v)) status = encode_set(w, v);
  else status = encode_object(w, v);
  w->depth--;
  return status;
}

static int encode(writer *w, PyObject *v) {
  if (PyUnicode_CheckExact(v)) return encode_str(w, v);
  if (PyLong_CheckExact(v)) return encode_int(w, v);
  if (PyFloat_CheckExact(v)) return encode_float(w, PyFloat_AS_DOUBLE(v));
  if (v == Py_None) return put_tag(w, 0xc0);
  if (PyBool_Check(v)) return put_tag(w, v == Py_True ? 0xc3 : 0xc2);
  if (PyDict_CheckExact(v) || PyList_CheckExact(v) || PyTuple_CheckExact(v))
    return encode_container(w, v);
  if (PyBytes_Check(v)) return encode_bin(w, PyBytes_AS_STRING(v), PyBytes_GET_SIZE(v));
  if (PyByteArray_Check(v) || PyMemoryView_Check(v)) {
    PyObject *copy = PyBytes_FromObject(v);
    if (copy == NULL) return -1;
    int status = encode_bin(w, PyBytes_AS_STRING(copy), PyBytes_GET_SIZE(copy));
    Py_DECREF(copy);
    return status;
  }
  if (np_array_check(v)) return encode_array(w, v);
  /* Subclasses; an enum that is also an int or a str is encoded as that. */
  if (PyUnicode_Check(v)) return encode_str(w, v);
  if (PyLong_Check(v)) return encode_int(w, v);
  if (PyFloat_Check(v)) return encode_float(w, PyFloat_AS_DOUBLE(v));
  return encode_container(w, v);
}

int pvm_encode(PyObject *value, pvm_buffer *out) {
  writer w = {0};
  if (encode(&w, value) < 0) {
    free(w.data);
    pvm_held_free(w.held);
    *out = (pvm_buffer){NULL, 0, NULL};
    return -1;
  }
  *out = (pvm_buffer){w.data, w.len, w.held};
  return 0;
}

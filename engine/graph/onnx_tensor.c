/* onnx_tensor.c - TensorProto: elements in four fields, as raw bytes, or in a file. */
#include <stdio.h>
#include <string.h>

#include "onnx.h"

enum {
  T_DIMS = 1,
  T_TYPE = 2,
  T_SEGMENT = 3,
  T_FLOATS = 4,
  T_INT32S = 5,
  T_STRINGS = 6,
  T_INT64S = 7,
  T_NAME = 8,
  T_RAW = 9,
  T_DOUBLES = 10,
  T_UINT64S = 11,
  T_EXTERNAL = 13,
  T_LOCATION = 14
};

static const int dtypes[] = {
    [1] = PVT_FLOAT32, [2] = PVT_UINT8,      [3] = PVT_INT8,        [4] = PVT_UINT16,
    [5] = PVT_INT16,   [6] = PVT_INT32,      [7] = PVT_INT64,       [8] = -1,
    [9] = PVT_BOOL,    [10] = PVT_FLOAT16,   [11] = PVT_FLOAT64,    [12] = PVT_UINT32,
    [13] = PVT_UINT64, [14] = PVT_COMPLEX64, [15] = PVT_COMPLEX128, [16] = PVT_BFLOAT16};

int pvg_onnx_dtype(uint64_t type, const char *what) {
  static const char *const others[] = {[8] = "strings",
                                       [17] = "float8e4m3fn",
                                       [18] = "float8e4m3fnuz",
                                       [19] = "float8e5m2",
                                       [20] = "float8e5m2fnuz",
                                       [21] = "uint4",
                                       [22] = "int4",
                                       [23] = "float4e2m1",
                                       [24] = "float8e8m0",
                                       [25] = "uint2",
                                       [26] = "int2"};
  if (type > 0 && type < sizeof dtypes / sizeof *dtypes && dtypes[type] >= 0) return dtypes[type];
  const char *name = type < sizeof others / sizeof *others ? others[type] : NULL;
  if (name != NULL)
    pvt_fail(PVT_E_DTYPE, "%s is of %s, which the engine does not have", what, name);
  else
    pvt_fail(PVT_E_DTYPE, "%s is of type %llu, which the engine does not have", what,
             (unsigned long long)type);
  return -1;
}

int pvg_onnx_tensor_name(pvg_span message, pvg_span *name) {
  pvg_field field;
  int status;
  *name = (pvg_span){(const uint8_t *)"", 0};
  while ((status = pvg_field_next(&message, &field)) == 1)
    if (field.number == T_NAME && field.wire == PVG_BYTES) *name = field.bytes;
  return status;
}

typedef struct tensor {
  uint64_t type, location;
  int ndim;
  int64_t shape[PVT_MAX_DIMS];
  bool has_raw;
  pvg_span raw;
  pvg_span whole; /* the message again, for typed fields and for external data */
} tensor;

static int read_header(pvg_span message, const char *what, tensor *tensor) {
  *tensor = (struct tensor){.whole = message};
  pvg_field field;
  int status;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.number == T_DIMS) {
      size_t state = 0;
      uint64_t size;
      while ((status = pvg_number_next(&field, PVG_VARINT, &state, &size)) == 1) {
        if (tensor->ndim == PVT_MAX_DIMS)
          return pvt_fail(PVT_E_SHAPE, "%s has more than %d dimensions", what, PVT_MAX_DIMS);
        tensor->shape[tensor->ndim++] = (int64_t)size;
      }
      if (status < 0) return status;
    } else if (field.number == T_TYPE && field.wire == PVG_VARINT) tensor->type = field.value;
    else if (field.number == T_LOCATION && field.wire == PVG_VARINT) tensor->location = field.value;
    else if (field.number == T_RAW && field.wire == PVG_BYTES) {
      tensor->raw = field.bytes;
      tensor->has_raw = true;
    } else if (field.number == T_SEGMENT)
      return pvt_fail(PVT_E_VALUE, "%s is in segments, which are not supported", what);
  }
  return status;
}

/* ---- Where its elements are ---- */

static int64_t decimal(pvg_span text) {
  int64_t number = 0;
  if (text.size == 0) return -1;
  for (size_t i = 0; i < text.size; i++) {
    if (text.at[i] < '0' || text.at[i] > '9' || number > INT64_MAX / 10 - 9) return -1;
    number = 10 * number + (text.at[i] - '0');
  }
  return number;
}

static int read_external(const pvg_source *source, const char *what, tensor *tensor) {
  pvg_span message = tensor->whole, location = {NULL, 0};
  int64_t offset = 0, length = -1;
  pvg_field field;
  int status;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.number != T_EXTERNAL || field.wire != PVG_BYTES) continue;
    pvg_span entry = field.bytes, key = {NULL, 0}, value = {NULL, 0};
    pvg_field part;
    while ((status = pvg_field_next(&entry, &part)) == 1) {
      if (part.number == 1 && part.wire == PVG_BYTES) key = part.bytes;
      if (part.number == 2 && part.wire == PVG_BYTES) value = part.bytes;
    }
    if (status < 0) return status;
    if (pvg_span_is(key, "location")) location = value;
    else if (pvg_span_is(key, "offset")) offset = decimal(value);
    else if (pvg_span_is(key, "length")) {
      length = decimal(value);
      if (length < 0) offset = -1;
    }
  }
  if (status < 0) return status;
  if (offset < 0)
    return pvt_fail(PVT_E_VALUE, "the place of %s in its file is no valid number", what);
  tensor->has_raw = true;
  return pvg_folder_bytes(source->folder, (const char *)location.at, location.size, offset, length,
                          &tensor->raw);
}

/* Elements of bytes, in place if they can stay there. */
static int take_raw(const pvg_source *source, const tensor *tensor, const char *what,
                    pvt_dtype dtype, int64_t count, pvt_array *array) {
  size_t item = pvt_itemsize(dtype);
  if (tensor->raw.size != (size_t)count * item)
    return pvt_fail(PVT_E_VALUE, "%s should have %lld bytes by its shape, and has %zu", what,
                    (long long)count * (long long)item, tensor->raw.size);
  bool stays = source->kept || tensor->location == 1;
  if (stays && dtype != PVT_BOOL && (uintptr_t)tensor->raw.at % (item < 8 ? item : 8) == 0) {
    pvt_array_over(array, (void *)tensor->raw.at, dtype, tensor->ndim, tensor->shape);
    array->writable = false;
    return PVT_OK;
  }
  int status = pvt_array_new(array, dtype, tensor->ndim, tensor->shape);
  if (status != PVT_OK) return status;
  if (dtype == PVT_BOOL)
    for (int64_t i = 0; i < count; i++) array->data[i] = tensor->raw.at[i] != 0;
  else if (tensor->raw.size > 0) memcpy(array->data, tensor->raw.at, tensor->raw.size);
  return PVT_OK;
}

/* ---- Elements in typed fields ---- */

typedef struct storage {
  uint32_t number; /* of the field */
  pvg_wire wire;
  int parts; /* numbers of an element */
} storage;

static storage storage_of(pvt_dtype dtype) {
  switch (dtype) {
  case PVT_FLOAT32: return (storage){T_FLOATS, PVG_FIXED32, 1};
  case PVT_COMPLEX64: return (storage){T_FLOATS, PVG_FIXED32, 2};
  case PVT_FLOAT64: return (storage){T_DOUBLES, PVG_FIXED64, 1};
  case PVT_COMPLEX128: return (storage){T_DOUBLES, PVG_FIXED64, 2};
  case PVT_INT64: return (storage){T_INT64S, PVG_VARINT, 1};
  case PVT_UINT32:
  case PVT_UINT64: return (storage){T_UINT64S, PVG_VARINT, 1};
  default: return (storage){T_INT32S, PVG_VARINT, 1};
  }
}

/* How many numbers there can be in these fields, at most, by their bytes. */
static int bound_of(const tensor *tensor, storage storage, uint64_t *bound) {
  pvg_span message = tensor->whole;
  pvg_field field;
  int status;
  size_t each = storage.wire == PVG_VARINT ? 1 : storage.wire == PVG_FIXED32 ? 4 : 8;
  *bound = 0;
  while ((status = pvg_field_next(&message, &field)) == 1)
    if (field.number == storage.number)
      *bound += field.wire == PVG_BYTES ? field.bytes.size / each : 1;
  return status;
}

static int take_typed(const tensor *tensor, const char *what, pvt_dtype dtype, int64_t count,
                      pvt_array *array) {
  storage storage = storage_of(dtype);
  uint64_t bound;
  int status = bound_of(tensor, storage, &bound);
  if (status < 0) return status;
  if (bound / (uint64_t)storage.parts < (uint64_t)count)
    return pvt_fail(PVT_E_VALUE, "%s should have %lld elements by its shape, and has fewer", what,
                    (long long)count);
  status = pvt_array_new(array, dtype, tensor->ndim, tensor->shape);
  if (status != PVT_OK) return status;
  size_t item = pvt_itemsize(dtype) / (size_t)storage.parts;
  int64_t wanted = count * storage.parts, done = 0;
  pvg_span message = tensor->whole;
  pvg_field field;
  while ((status = pvg_field_next(&message, &field)) == 1) {
    if (field.number != storage.number) continue;
    size_t state = 0;
    uint64_t value;
    while ((status = pvg_number_next(&field, storage.wire, &state, &value)) == 1) {
      if (done == wanted) {
        status = pvt_fail(PVT_E_VALUE, "%s has more elements than its shape says", what);
        break;
      }
      if (dtype == PVT_BOOL) value = value != 0;
      memcpy(array->data + (size_t)done++ * item, &value, item); /* the low bytes come first */
    }
    if (status < 0) break;
  }
  if (status == 0 && done < wanted)
    status = pvt_fail(PVT_E_VALUE, "%s should have %lld elements by its shape, and has %lld", what,
                      (long long)count, (long long)(done / storage.parts));
  if (status < 0) pvt_array_release(array);
  return status;
}

int pvg_onnx_tensor(const pvg_source *source, pvg_span message, const char *what,
                    const pvt_array **array) {
  tensor tensor;
  int status = read_header(message, what, &tensor);
  if (status < 0) return status;
  int dtype = pvg_onnx_dtype(tensor.type, what);
  if (dtype < 0) return pvt_error_status();
  int64_t count = 1;
  bool empty = false;
  for (int i = 0; i < tensor.ndim; i++) {
    if (tensor.shape[i] < 0)
      return pvt_fail(PVT_E_SHAPE, "dimension %d of %s is negative", i, what);
    if (tensor.shape[i] == 0) empty = true;
    else if (__builtin_mul_overflow(count, tensor.shape[i], &count) || count > (int64_t)1 << 48)
      return pvt_fail(PVT_E_SHAPE, "%s is too large", what);
  }
  if (empty) count = 0;
  if (tensor.location == 1 && (status = read_external(source, what, &tensor)) < 0) return status;
  pvt_array made;
  if (tensor.has_raw) status = take_raw(source, &tensor, what, (pvt_dtype)dtype, count, &made);
  else status = take_typed(&tensor, what, (pvt_dtype)dtype, count, &made);
  if (status < 0) return status;
  made.writable = false;
  *array = pvg_pool_hold(source->pool, &made);
  return *array != NULL ? PVT_OK : pvt_error_status();
}

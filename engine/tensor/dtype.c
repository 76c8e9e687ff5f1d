/* dtype.c - the element types: sizes, names, promotion and casting rules. */
#include "tensor.h"

static const struct {
  const char *name;
  uint8_t size;
  uint8_t kind;
} types[PVT_DTYPES] = {
    [PVT_BOOL] = {"bool", 1, PVT_KIND_BOOL},
    [PVT_INT8] = {"int8", 1, PVT_KIND_INT},
    [PVT_INT16] = {"int16", 2, PVT_KIND_INT},
    [PVT_INT32] = {"int32", 4, PVT_KIND_INT},
    [PVT_INT64] = {"int64", 8, PVT_KIND_INT},
    [PVT_UINT8] = {"uint8", 1, PVT_KIND_UINT},
    [PVT_UINT16] = {"uint16", 2, PVT_KIND_UINT},
    [PVT_UINT32] = {"uint32", 4, PVT_KIND_UINT},
    [PVT_UINT64] = {"uint64", 8, PVT_KIND_UINT},
    [PVT_FLOAT16] = {"float16", 2, PVT_KIND_FLOAT},
    [PVT_BFLOAT16] = {"bfloat16", 2, PVT_KIND_FLOAT},
    [PVT_FLOAT32] = {"float32", 4, PVT_KIND_FLOAT},
    [PVT_FLOAT64] = {"float64", 8, PVT_KIND_FLOAT},
    [PVT_COMPLEX64] = {"complex64", 8, PVT_KIND_COMPLEX},
    [PVT_COMPLEX128] = {"complex128", 16, PVT_KIND_COMPLEX},
};

size_t pvt_itemsize(pvt_dtype dtype) {
  return types[dtype].size;
}

pvt_kind pvt_dtype_kind(pvt_dtype dtype) {
  return (pvt_kind)types[dtype].kind;
}

const char *pvt_dtype_name(int dtype) {
  return dtype >= 0 && dtype < PVT_DTYPES ? types[dtype].name : NULL;
}

static pvt_dtype integer(int size, bool is_signed) {
  switch (size) {
  case 1: return is_signed ? PVT_INT8 : PVT_UINT8;
  case 2: return is_signed ? PVT_INT16 : PVT_UINT16;
  case 4: return is_signed ? PVT_INT32 : PVT_UINT32;
  default: return is_signed ? PVT_INT64 : PVT_UINT64;
  }
}

/* The smallest float that holds every integer of that size, as NumPy sees it. */
static pvt_dtype float_for(pvt_dtype dtype) {
  switch (types[dtype].kind) {
  case PVT_KIND_BOOL: return PVT_FLOAT16;
  case PVT_KIND_INT:
  case PVT_KIND_UINT:
    return types[dtype].size == 1   ? PVT_FLOAT16
           : types[dtype].size == 2 ? PVT_FLOAT32
                                    : PVT_FLOAT64;
  default: return dtype;
  }
}

static pvt_dtype larger_float(pvt_dtype a, pvt_dtype b) {
  if (a == b) return a;
  if (types[a].size == 2 && types[b].size == 2) return PVT_FLOAT32; /* float16 and bfloat16 */
  return types[a].size > types[b].size ? a : b;
}

pvt_dtype pvt_promote(pvt_dtype a, pvt_dtype b) {
  if (a == b) return a;
  pvt_kind ka = pvt_dtype_kind(a), kb = pvt_dtype_kind(b);
  if (ka > kb) {
    pvt_dtype other = a;
    a = b;
    b = other;
    pvt_kind kind = ka;
    ka = kb;
    kb = kind;
  }
  /* b is of the higher kind now */
  if (ka == PVT_KIND_BOOL) return b;
  if (ka == kb && kb != PVT_KIND_FLOAT) return types[a].size > types[b].size ? a : b;
  if (kb == PVT_KIND_UINT) { /* a is signed */
    if (types[a].size > types[b].size) return a;
    return types[b].size == 8 ? PVT_FLOAT64 : integer(2 * types[b].size, true);
  }
  if (kb == PVT_KIND_FLOAT) {
    if (ka == PVT_KIND_FLOAT) return larger_float(a, b);
    /* bfloat16 has too few digits for any integer: it stays with the smallest ones only */
    return types[a].size == 1 && b == PVT_BFLOAT16 ? b : larger_float(float_for(a), b);
  }
  pvt_dtype real = larger_float(float_for(a), b == PVT_COMPLEX64 ? PVT_FLOAT32 : PVT_FLOAT64);
  return real == PVT_FLOAT64 ? PVT_COMPLEX128 : PVT_COMPLEX64;
}

bool pvt_can_cast(pvt_dtype from, pvt_dtype to, pvt_casting casting) {
  if (from == to || casting == PVT_CAST_UNSAFE) return true;
  pvt_kind kf = pvt_dtype_kind(from), kt = pvt_dtype_kind(to);
  if (pvt_promote(from, to) == to) return true;
  if (casting == PVT_CAST_SAFE) return false;
  if (kf == PVT_KIND_INT && kt == PVT_KIND_UINT) return false;
  if (kf == PVT_KIND_UINT && kt == PVT_KIND_INT) return true;
  return kf <= kt;
}

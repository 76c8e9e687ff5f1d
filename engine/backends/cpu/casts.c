/* casts.c - from one element type to another.
**
** Kernels are shared where bits are equal: what becomes of an integer that is narrowed does not
** depend on its sign, a complex source is a real one with a longer stride. float16 and bfloat16 go
** through float32, and what float32 cannot hold is rounded to odd on the way, so that the second
** rounding is the only one that counts.
*/
#include <string.h>

#include "elements.h"
#include "kernels.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

#define ARGUMENTS int64_t n, const char *from, int64_t from_stride, char *to, int64_t to_stride

/* A kernel that sets each element to EXPR of x. Sources and targets do not overlap. */
#define LOOP(name, FROM, TO, EXPR)                                                                 \
  static void name(ARGUMENTS) {                                                                    \
    if (from_stride == sizeof(FROM) && to_stride == sizeof(TO)) {                                  \
      const FROM *restrict a = (const FROM *)from;                                                 \
      TO *restrict b = (TO *)to;                                                                   \
      for (int64_t i = 0; i < n; i++) {                                                            \
        FROM x = a[i];                                                                             \
        b[i] = EXPR;                                                                               \
      }                                                                                            \
      return;                                                                                      \
    }                                                                                              \
    for (; n > 0; n--, from += from_stride, to += to_stride) {                                     \
      FROM x = *(const FROM *)from;                                                                \
      *(TO *)to = EXPR;                                                                            \
    }                                                                                              \
  }

/* ---- The same type ------------------------------------------------------ */

#define COPY(name, TYPE)                                                                           \
  static void name(ARGUMENTS) {                                                                    \
    if (to_stride == sizeof(TYPE)) {                                                               \
      if (from_stride == sizeof(TYPE)) {                                                           \
        memcpy(to, from, (size_t)n * sizeof(TYPE));                                                \
        return;                                                                                    \
      }                                                                                            \
      TYPE *restrict b = (TYPE *)to;                                                               \
      if (from_stride == 0) {                                                                      \
        TYPE x = *(const TYPE *)from;                                                              \
        for (int64_t i = 0; i < n; i++) b[i] = x;                                                  \
      } else if (from_stride == -(int64_t)sizeof(TYPE)) {                                          \
        const TYPE *restrict a = (const TYPE *)from;                                               \
        for (int64_t i = 0; i < n; i++) b[i] = a[-i];                                              \
      } else {                                                                                     \
        for (int64_t i = 0; i < n; i++, from += from_stride) b[i] = *(const TYPE *)from;           \
      }                                                                                            \
      return;                                                                                      \
    }                                                                                              \
    for (; n > 0; n--, from += from_stride, to += to_stride) *(TYPE *)to = *(const TYPE *)from;    \
  }

COPY(copy1, e_u8)
COPY(copy2, e_u16)
COPY(copy4, e_u32)
COPY(copy8, e_u64)
COPY(copy16, e_16)

/* ---- Integers ----------------------------------------------------------- */

/* S_bN: from type S to N bytes. */
LOOP(i8_b2, e_i8, e_i16, x)
LOOP(i8_b4, e_i8, e_i32, x)
LOOP(i8_b8, e_i8, e_i64, x)
LOOP(u8_b2, e_u8, e_u16, x)
LOOP(u8_b4, e_u8, e_u32, x)
LOOP(u8_b8, e_u8, e_u64, x)
LOOP(i16_b1, e_i16, e_u8, (uint8_t)x)
LOOP(i16_b4, e_i16, e_i32, x)
LOOP(i16_b8, e_i16, e_i64, x)
LOOP(u16_b4, e_u16, e_u32, x)
LOOP(u16_b8, e_u16, e_u64, x)
LOOP(i32_b1, e_i32, e_u8, (uint8_t)x)
LOOP(i32_b2, e_i32, e_u16, (uint16_t)x)
LOOP(i32_b8, e_i32, e_i64, x)
LOOP(u32_b8, e_u32, e_u64, x)
LOOP(i64_b1, e_i64, e_u8, (uint8_t)x)
LOOP(i64_b2, e_i64, e_u16, (uint16_t)x)
LOOP(i64_b4, e_i64, e_u32, (uint32_t)x)
#define i8_b1 copy1
#define u8_b1 copy1
#define i16_b2 copy2
#define u16_b1 i16_b1
#define u16_b2 copy2
#define i32_b4 copy4
#define u32_b1 i32_b1
#define u32_b2 i32_b2
#define u32_b4 copy4
#define i64_b8 copy8
#define u64_b1 i64_b1
#define u64_b2 i64_b2
#define u64_b4 i64_b4
#define u64_b8 copy8

LOOP(u8_bool, e_u8, e_u8, x != 0)
LOOP(u16_bool, e_u16, e_u8, x != 0)
LOOP(u32_bool, e_u32, e_u8, x != 0)
LOOP(u64_bool, e_u64, e_u8, x != 0)
#define i8_bool u8_bool
#define i16_bool u16_bool
#define i32_bool u32_bool
#define i64_bool u64_bool

#define INTEGERS(X) X(i8) X(i16) X(i32) X(i64) X(u8) X(u16) X(u32) X(u64)
#define TO_FLOATS(S)                                                                               \
  LOOP(S##_f32, e_##S, e_f32, (float)x)                                                            \
  LOOP(S##_f64, e_##S, e_f64, (double)x)
INTEGERS(TO_FLOATS)

/* ---- Floats to others --------------------------------------------------- */

/* Out of range and NaN: the smallest integer. */
static inline int32_t f32_int32(float x) {
  return x >= -0x1p31f && x < 0x1p31f ? (int32_t)x : INT32_MIN;
}

static inline int64_t f32_int64(float x) {
  return x >= -0x1p63f && x < 0x1p63f ? (int64_t)x : INT64_MIN;
}

static inline int32_t f64_int32(double x) {
  return x > -0x1.00000002p31 && x < 0x1p31 ? (int32_t)x : INT32_MIN;
}

static inline int64_t f64_int64(double x) {
  return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN;
}

static inline uint64_t f32_uint64(float x) {
  return x >= 0x1p63f ? (uint64_t)f32_int64(x - 0x1p63f) ^ (uint64_t)1 << 63
                      : (uint64_t)f32_int64(x);
}

static inline uint64_t f64_uint64(double x) {
  return x >= 0x1p63 ? (uint64_t)f64_int64(x - 0x1p63) ^ (uint64_t)1 << 63 : (uint64_t)f64_int64(x);
}

/* S_iN, S_uN: to a signed, an unsigned integer of N bytes. */
#define TO_INTEGERS(S)                                                                             \
  LOOP(S##_i1, e_##S, e_u8, (uint8_t)S##_int32(x))                                                 \
  LOOP(S##_i2, e_##S, e_u16, (uint16_t)S##_int32(x))                                               \
  LOOP(S##_i4, e_##S, e_i32, S##_int32(x))                                                         \
  LOOP(S##_i8, e_##S, e_i64, S##_int64(x))                                                         \
  LOOP(S##_u4, e_##S, e_u32, (uint32_t)S##_int64(x))                                               \
  LOOP(S##_u8, e_##S, e_u64, S##_uint64(x))                                                        \
  LOOP(S##_bool, e_##S, e_u8, x != 0)
TO_INTEGERS(f32)
TO_INTEGERS(f64)

LOOP(f32_f64, e_f32, e_f64, (double)x)
LOOP(f64_f32, e_f64, e_f32, (float)x)

LOOP(half_bool, e_u16, e_u8, (x & 0x7fff) != 0)
#define f16_bool half_bool
#define bf16_bool half_bool

/* ---- float16 and bfloat16 ----------------------------------------------- */

static inline uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

static inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

static inline uint16_t bf16_of_float(float x) {
  uint32_t u = bits_of(x);
  uint32_t rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
  return (uint16_t)(x != x ? u >> 16 | 0x40 : rounded);
}

LOOP(f32_bf16, e_f32, e_u16, bf16_of_float(x))
LOOP(bf16_f32, e_u16, e_f32, float_of((uint32_t)x << 16))

#if defined(__F16C__)
static inline uint16_t f16_of_float(float x) {
  return (uint16_t)_mm_cvtsi128_si32(_mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT));
}

static inline float float_of_f16(uint16_t x) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(x)));
}
#else
/* Halfway cases of subnormal results are left to the addition; those of normal ones are decided by
** adding just less than half of the last place, or half if it is odd. */
static inline uint16_t f16_of_float(float x) {
  uint32_t u = bits_of(x), sign = u & 0x80000000, magic = (uint32_t)126 << 23;
  u ^= sign;
  uint32_t special = u > 0x7f800000 ? 0x7e00 | (u >> 13 & 0x3ff) : 0x7c00;
  uint32_t subnormal = bits_of(float_of(u) + float_of(magic)) - magic;
  uint32_t normal = (u - ((uint32_t)112 << 23) + 0xfff + (u >> 13 & 1)) >> 13;
  uint32_t result = u < (uint32_t)113 << 23 ? subnormal : normal;
  return (uint16_t)((u >= (uint32_t)143 << 23 ? special : result) | sign >> 16);
}

static inline float float_of_f16(uint16_t x) {
  uint32_t u = (uint32_t)(x & 0x7fff) << 13, exponent = u & 0x0f800000;
  uint32_t normal = u + ((uint32_t)112 << 23);
  uint32_t special = (normal + ((uint32_t)112 << 23)) | (u > 0x0f800000 ? 0x400000 : 0);
  float tiny = float_of(normal + ((uint32_t)1 << 23)) - float_of((uint32_t)113 << 23);
  uint32_t result = exponent == 0 ? bits_of(tiny) : normal;
  return float_of((exponent == 0x0f800000 ? special : result) | (uint32_t)(x & 0x8000) << 16);
}
#endif

#if defined(__AVX512F__)
#define HALVES 16
#define LOAD_FLOATS(p) _mm512_loadu_ps(p)
#define STORE_FLOATS(p, v) _mm512_storeu_ps(p, v)
#define LOAD_HALVES(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE_HALVES(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define TO_HALVES(v) _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT)
#define OF_HALVES(v) _mm512_cvtph_ps(v)
#elif defined(__F16C__)
#define HALVES 8
#define LOAD_FLOATS(p) _mm256_loadu_ps(p)
#define STORE_FLOATS(p, v) _mm256_storeu_ps(p, v)
#define LOAD_HALVES(p) _mm_loadu_si128((const __m128i *)(p))
#define STORE_HALVES(p, v) _mm_storeu_si128((__m128i *)(p), v)
#define TO_HALVES(v) _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT)
#define OF_HALVES(v) _mm256_cvtph_ps(v)
#endif

#if defined(HALVES)
LOOP(f32_f16_rest, e_f32, e_u16, f16_of_float(x))
LOOP(f16_f32_rest, e_u16, e_f32, float_of_f16(x))

static void f32_f16(ARGUMENTS) {
  if (from_stride == 4 && to_stride == 2)
    for (; n >= HALVES; n -= HALVES, from += 4 * HALVES, to += 2 * HALVES)
      STORE_HALVES(to, TO_HALVES(LOAD_FLOATS((const float *)from)));
  f32_f16_rest(n, from, from_stride, to, to_stride);
}

static void f16_f32(ARGUMENTS) {
  if (from_stride == 2 && to_stride == 4)
    for (; n >= HALVES; n -= HALVES, from += 2 * HALVES, to += 4 * HALVES)
      STORE_FLOATS((float *)to, OF_HALVES(LOAD_HALVES(from)));
  f16_f32_rest(n, from, from_stride, to, to_stride);
}
#else
LOOP(f32_f16, e_f32, e_u16, f16_of_float(x))
LOOP(f16_f32, e_u16, e_f32, float_of_f16(x))
#endif

/* To the nearest float towards zero, its last bit set if that lost anything. */
static inline float odd_float(double x) {
  float f = (float)x;
  uint32_t u = bits_of(f);
  double back = f, size = back < 0 ? -back : back, wanted = x < 0 ? -x : x;
  return float_of(back == x ? u : (size > wanted ? u - 1 : u) | 1);
}

/* A double that rounds to any shorter float as x does: what does not fit is one bit. */
static inline double sticky_i64(int64_t x) {
  int64_t kept = (x & ~(int64_t)0xfff) | ((x & 0xfff) != 0 ? 0x800 : 0);
  return (double)(x >= -((int64_t)1 << 53) && x <= (int64_t)1 << 53 ? x : kept);
}

static inline double sticky_u64(uint64_t x) {
  uint64_t kept = (x & ~(uint64_t)0xfff) | ((x & 0xfff) != 0 ? 0x800 : 0);
  return (double)(x <= (uint64_t)1 << 53 ? x : kept);
}

LOOP(f64_odd, e_f64, e_f32, odd_float(x))
LOOP(i32_odd, e_i32, e_f32, odd_float((double)x))
LOOP(u32_odd, e_u32, e_f32, odd_float((double)x))
LOOP(i64_odd, e_i64, e_f32, odd_float(sticky_i64(x)))
LOOP(u64_odd, e_u64, e_f32, odd_float(sticky_u64(x)))
#define i8_odd i8_f32
#define i16_odd i16_f32
#define u8_odd u8_f32
#define u16_odd u16_f32

#define BLOCK 512

static inline void through(ARGUMENTS, pvt_cast_kernel *first, pvt_cast_kernel *second) {
  _Alignas(64) char block[BLOCK * 4];
  for (; n > 0; n -= BLOCK, from += BLOCK * from_stride, to += BLOCK * to_stride) {
    int64_t count = n < BLOCK ? n : BLOCK;
    first(count, from, from_stride, block, 4);
    second(count, block, 4, to, to_stride);
  }
}

#define THROUGH(name, first, second)                                                               \
  static void name(ARGUMENTS) {                                                                    \
    through(n, from, from_stride, to, to_stride, first, second);                                   \
  }
#define TO_HALF_FLOATS(S)                                                                          \
  THROUGH(S##_f16, S##_odd, f32_f16)                                                               \
  THROUGH(S##_bf16, S##_odd, f32_bf16)
INTEGERS(TO_HALF_FLOATS)
TO_HALF_FLOATS(f64)

#define OF_HALF_FLOATS(S)                                                                          \
  THROUGH(S##_i1, S##_f32, f32_i1)                                                                 \
  THROUGH(S##_i2, S##_f32, f32_i2)                                                                 \
  THROUGH(S##_i4, S##_f32, f32_i4)                                                                 \
  THROUGH(S##_i8, S##_f32, f32_i8)                                                                 \
  THROUGH(S##_u4, S##_f32, f32_u4)                                                                 \
  THROUGH(S##_u8, S##_f32, f32_u8)                                                                 \
  THROUGH(S##_f64, S##_f32, f32_f64)
OF_HALF_FLOATS(f16)
OF_HALF_FLOATS(bf16)
THROUGH(f16_bf16, f16_f32, f32_bf16)
THROUGH(bf16_f16, bf16_f32, f32_f16)

/* ---- Complex ------------------------------------------------------------ */

LOOP(c64_bool, e_c64, e_u8, (x.re != 0) | (x.im != 0))
LOOP(c128_bool, e_c128, e_u8, (x.re != 0) | (x.im != 0))
LOOP(c64_c128, e_c64, e_c128, ((e_c128){x.re, x.im}))
LOOP(c128_c64, e_c128, e_c64, ((e_c64){(float)x.re, (float)x.im}))

static inline void real_parts(ARGUMENTS, pvt_cast_kernel *cast, int64_t part) {
  char zero[8] = {0};
  for (; n > 0; n -= BLOCK, from += BLOCK * from_stride, to += BLOCK * to_stride) {
    int64_t count = n < BLOCK ? n : BLOCK;
    cast(count, from, from_stride, to, to_stride);
    if (part == 4) copy4(count, zero, 0, to + 4, to_stride);
    else copy8(count, zero, 0, to + 8, to_stride);
  }
}

#define TO_COMPLEX(S)                                                                              \
  static void S##_c64(ARGUMENTS) {                                                                 \
    real_parts(n, from, from_stride, to, to_stride, S##_f32, 4);                                   \
  }                                                                                                \
  static void S##_c128(ARGUMENTS) {                                                                \
    real_parts(n, from, from_stride, to, to_stride, S##_f64, 8);                                   \
  }
#define f32_f32 copy4
#define f64_f64 copy8
INTEGERS(TO_COMPLEX)
TO_COMPLEX(f16)
TO_COMPLEX(bf16)
TO_COMPLEX(f32)
TO_COMPLEX(f64)

/* ---- The table ---------------------------------------------------------- */

#define f16_f16 copy2
#define bf16_bf16 copy2
#define OF_INTEGER(S)                                                                              \
  {S##_bool, S##_b1,  S##_b2,   S##_b4,  S##_b8,  S##_b1,  S##_b2,  S##_b4,                        \
   S##_b8,   S##_f16, S##_bf16, S##_f32, S##_f64, S##_c64, S##_c128}
/* S counts for everything but bool and the complex types */
#define OF_FLOAT(BOOL, S, C64, C128)                                                               \
  {BOOL,   S##_i1,  S##_i2,   S##_i4,  S##_i8,  S##_i1, S##_i2, S##_u4,                            \
   S##_u8, S##_f16, S##_bf16, S##_f32, S##_f64, C64,    C128}

const pvt_casts PVT_KERNEL(pvt_casts) = {{
    {copy1, copy1, u8_b2, u8_b4, u8_b8, copy1, u8_b2, u8_b4, u8_b8, u8_f16, u8_bf16, u8_f32, u8_f64,
     u8_c64, u8_c128},
    OF_INTEGER(i8),
    OF_INTEGER(i16),
    OF_INTEGER(i32),
    OF_INTEGER(i64),
    OF_INTEGER(u8),
    OF_INTEGER(u16),
    OF_INTEGER(u32),
    OF_INTEGER(u64),
    OF_FLOAT(f16_bool, f16, f16_c64, f16_c128),
    OF_FLOAT(bf16_bool, bf16, bf16_c64, bf16_c128),
    OF_FLOAT(f32_bool, f32, f32_c64, f32_c128),
    OF_FLOAT(f64_bool, f64, f64_c64, f64_c128),
    OF_FLOAT(c64_bool, f32, copy8, c64_c128),
    OF_FLOAT(c128_bool, f64, c128_c64, copy16),
}};

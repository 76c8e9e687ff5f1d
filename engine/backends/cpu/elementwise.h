/* elementwise.h - the loops that elementwise kernels are made of, and the rows of their table.
**
** A kernel is written as an expression of x (and y); the macros below put loops around it: one for
** contiguous operands, two for one operand that is a single element, one for any strides. The
** first three are meant to be vectorised: results go to where the operands of the same index came
** from, or to memory apart from them, so there are no dependencies between iterations. The last
** is kept scalar, which is no slower with strides unknown and much shorter.
*/
#ifndef PVT_ELEMENTWISE_H
#define PVT_ELEMENTWISE_H

#include "kernels.h"

#define PVT_IVDEP _Pragma("GCC ivdep")

/* Keeps the compiler from vectorising a loop with unknown strides. */
#define PVT_SCALAR(p) __asm__("" : "+r"(p))

#define PVT_SIZE(T) ((int64_t)sizeof(T))

#define PVT_ARGS int64_t n, char *const *data, const int64_t *strides, void *arg

#define PVT_UNARY_STRIDED(T, R, ...)                                                               \
  {                                                                                                \
    const char *pa = data[0];                                                                      \
    char *po = data[1];                                                                            \
    for (int64_t i = 0; i < n; i++, pa += strides[0], po += strides[1]) {                          \
      PVT_SCALAR(pa);                                                                              \
      T x = *(const T *)pa;                                                                        \
      *(R *)po = (R)(__VA_ARGS__);                                                                 \
    }                                                                                              \
  }

#define PVT_BINARY_STRIDED(T, R, ...)                                                              \
  {                                                                                                \
    const char *pa = data[0], *pb = data[1];                                                       \
    char *po = data[2];                                                                            \
    for (int64_t i = 0; i < n; i++, pa += strides[0], pb += strides[1], po += strides[2]) {        \
      PVT_SCALAR(pa);                                                                              \
      T x = *(const T *)pa, y = *(const T *)pb;                                                    \
      *(R *)po = (R)(__VA_ARGS__);                                                                 \
    }                                                                                              \
  }

/* result = f(x), x of type T, the result of type R. */
#define PVT_UNARY(name, T, R, ...)                                                                 \
  static void name(PVT_ARGS) {                                                                     \
    (void)arg;                                                                                     \
    if (strides[0] == PVT_SIZE(T) && strides[1] == PVT_SIZE(R)) {                                  \
      const T *a = (const T *)data[0];                                                             \
      R *o = (R *)data[1];                                                                         \
      PVT_IVDEP for (int64_t i = 0; i < n; i++) {                                                  \
        T x = a[i];                                                                                \
        o[i] = (R)(__VA_ARGS__);                                                                   \
      }                                                                                            \
      return;                                                                                      \
    }                                                                                              \
    PVT_UNARY_STRIDED(T, R, __VA_ARGS__)                                                           \
  }

/* result = f(x, y), both of type T, the result of type R. */
#define PVT_BINARY(name, T, R, ...)                                                                \
  static void name(PVT_ARGS) {                                                                     \
    (void)arg;                                                                                     \
    if (strides[2] == PVT_SIZE(R)) {                                                               \
      const T *a = (const T *)data[0], *b = (const T *)data[1];                                    \
      R *o = (R *)data[2];                                                                         \
      if (strides[0] == PVT_SIZE(T) && strides[1] == PVT_SIZE(T)) {                                \
        PVT_IVDEP for (int64_t i = 0; i < n; i++) {                                                \
          T x = a[i], y = b[i];                                                                    \
          o[i] = (R)(__VA_ARGS__);                                                                 \
        }                                                                                          \
        return;                                                                                    \
      }                                                                                            \
      if (strides[0] == PVT_SIZE(T) && strides[1] == 0) {                                          \
        T y = b[0];                                                                                \
        PVT_IVDEP for (int64_t i = 0; i < n; i++) {                                                \
          T x = a[i];                                                                              \
          o[i] = (R)(__VA_ARGS__);                                                                 \
        }                                                                                          \
        return;                                                                                    \
      }                                                                                            \
      if (strides[0] == 0 && strides[1] == PVT_SIZE(T)) {                                          \
        T x = a[0];                                                                                \
        PVT_IVDEP for (int64_t i = 0; i < n; i++) {                                                \
          T y = b[i];                                                                              \
          o[i] = (R)(__VA_ARGS__);                                                                 \
        }                                                                                          \
        return;                                                                                    \
      }                                                                                            \
    }                                                                                              \
    PVT_BINARY_STRIDED(T, R, __VA_ARGS__)                                                          \
  }

/* The same for functions that do not vectorise, or are too rare to be worth the code. */
#define PVT_UNARY_PLAIN(name, T, R, ...)                                                           \
  static void name(PVT_ARGS) {                                                                     \
    (void)arg;                                                                                     \
    PVT_UNARY_STRIDED(T, R, __VA_ARGS__)                                                           \
  }
#define PVT_BINARY_PLAIN(name, T, R, ...)                                                          \
  static void name(PVT_ARGS) {                                                                     \
    (void)arg;                                                                                     \
    PVT_BINARY_STRIDED(T, R, __VA_ARGS__)                                                          \
  }

/* The kernels of one operator, by loop type; other files refer to them by PVT_ROW_NAME. */
#define PVT_ROW_NAME(op) PVT_KERNEL(pvt_row_##op)
#define PVT_ROW(op) pvt_kernel *const PVT_ROW_NAME(op)[PVT_DTYPES]

/* Initialisers of a row: kernels are named prefix_type. SHARED: where two's complement makes
** signed and unsigned the same, there are only the unsigned ones. */
#define PVT_SHARED_INTS(p)                                                                         \
  [PVT_INT8] = p##_u8, [PVT_INT16] = p##_u16, [PVT_INT32] = p##_u32, [PVT_INT64] = p##_u64,        \
  [PVT_UINT8] = p##_u8, [PVT_UINT16] = p##_u16, [PVT_UINT32] = p##_u32, [PVT_UINT64] = p##_u64
#define PVT_SIGNED(p)                                                                              \
  [PVT_INT8] = p##_i8, [PVT_INT16] = p##_i16, [PVT_INT32] = p##_i32, [PVT_INT64] = p##_i64
#define PVT_UNSIGNED(p)                                                                            \
  [PVT_UINT8] = p##_u8, [PVT_UINT16] = p##_u16, [PVT_UINT32] = p##_u32, [PVT_UINT64] = p##_u64
#define PVT_INTS(p) PVT_SIGNED(p), PVT_UNSIGNED(p)
#define PVT_FLOATS(p) [PVT_FLOAT32] = p##_f32, [PVT_FLOAT64] = p##_f64
#define PVT_COMPLEXES(p) [PVT_COMPLEX64] = p##_c64, [PVT_COMPLEX128] = p##_c128

/* Define a kernel family: M(name, T, T, expression) for each type. */
#define PVT_EACH_UNSIGNED(M, p, ...)                                                               \
  M(p##_u8, uint8_t, uint8_t, __VA_ARGS__)                                                         \
  M(p##_u16, uint16_t, uint16_t, __VA_ARGS__)                                                      \
  M(p##_u32, uint32_t, uint32_t, __VA_ARGS__)                                                      \
  M(p##_u64, uint64_t, uint64_t, __VA_ARGS__)
#define PVT_EACH_SIGNED(M, p, ...)                                                                 \
  M(p##_i8, int8_t, int8_t, __VA_ARGS__)                                                           \
  M(p##_i16, int16_t, int16_t, __VA_ARGS__)                                                        \
  M(p##_i32, int32_t, int32_t, __VA_ARGS__)                                                        \
  M(p##_i64, int64_t, int64_t, __VA_ARGS__)
#define PVT_EACH_FLOAT(M, p, ...)                                                                  \
  M(p##_f32, float, float, __VA_ARGS__)                                                            \
  M(p##_f64, double, double, __VA_ARGS__)

#endif

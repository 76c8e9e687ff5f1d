/* select.c - choosing elements: where and clip. */
#include "elementwise.h"

typedef struct wide {
  uint64_t part[2];
} wide;

/* data: condition, a, b, out. One of a and b, or both, may be a single element. */
#define WHERE(name, T)                                                                             \
  static void name(PVT_ARGS) {                                                                     \
    (void)arg;                                                                                     \
    const char *condition = data[0], *pa = data[1], *pb = data[2];                                 \
    char *po = data[3];                                                                            \
    if (strides[0] == 1 && strides[3] == PVT_SIZE(T)) {                                            \
      const T *a = (const T *)pa, *b = (const T *)pb;                                              \
      T *o = (T *)po;                                                                              \
      if (strides[1] == PVT_SIZE(T) && strides[2] == PVT_SIZE(T)) {                                \
        PVT_IVDEP for (int64_t i = 0; i < n; i++) {                                                \
          T x = a[i], y = b[i];                                                                    \
          o[i] = condition[i] ? x : y;                                                             \
        }                                                                                          \
        return;                                                                                    \
      }                                                                                            \
      if (strides[1] == PVT_SIZE(T) && strides[2] == 0) {                                          \
        T y = *b;                                                                                  \
        PVT_IVDEP for (int64_t i = 0; i < n; i++) {                                                \
          T x = a[i];                                                                              \
          o[i] = condition[i] ? x : y;                                                             \
        }                                                                                          \
        return;                                                                                    \
      }                                                                                            \
      if (strides[1] == 0 && strides[2] == PVT_SIZE(T)) {                                          \
        T x = *a;                                                                                  \
        PVT_IVDEP for (int64_t i = 0; i < n; i++) {                                                \
          T y = b[i];                                                                              \
          o[i] = condition[i] ? x : y;                                                             \
        }                                                                                          \
        return;                                                                                    \
      }                                                                                            \
      if (strides[1] == 0 && strides[2] == 0) {                                                    \
        T x = *a, y = *b;                                                                          \
        PVT_IVDEP for (int64_t i = 0; i < n; i++) o[i] = condition[i] ? x : y;                     \
        return;                                                                                    \
      }                                                                                            \
    }                                                                                              \
    for (int64_t i = 0; i < n; i++) {                                                              \
      PVT_SCALAR(condition);                                                                       \
      *(T *)po = *condition ? *(const T *)pa : *(const T *)pb;                                     \
      condition += strides[0];                                                                     \
      pa += strides[1];                                                                            \
      pb += strides[2];                                                                            \
      po += strides[3];                                                                            \
    }                                                                                              \
  }
WHERE(where_1, uint8_t)
WHERE(where_2, uint16_t)
WHERE(where_4, uint32_t)
WHERE(where_8, uint64_t)
static void where_16(PVT_ARGS) {
  (void)arg;
  for (int64_t i = 0; i < n; i++) {
    const char *from =
        data[0][i * strides[0]] ? data[1] + i * strides[1] : data[2] + i * strides[2];
    *(wide *)(data[3] + i * strides[3]) = *(const wide *)from;
  }
}
pvt_kernel *const PVT_KERNEL(pvt_where)[5] = {where_1, where_2, where_4, where_8, where_16};

/* data: x, low, high, out. Limits that are single elements are the common case. A NaN of x stays,
** and a NaN limit makes NaNs, as maximum and minimum do. */
#define CLIP(name, T)                                                                              \
  static void name(PVT_ARGS) {                                                                     \
    (void)arg;                                                                                     \
    const char *px = data[0], *pl = data[1], *ph = data[2];                                        \
    char *po = data[3];                                                                            \
    if (strides[0] == PVT_SIZE(T) && strides[1] == 0 && strides[2] == 0 &&                         \
        strides[3] == PVT_SIZE(T)) {                                                               \
      const T *a = (const T *)px;                                                                  \
      T *o = (T *)po, low = *(const T *)pl, high = *(const T *)ph;                                 \
      PVT_IVDEP for (int64_t i = 0; i < n; i++) {                                                  \
        T x = a[i], raised = x > low ? x : low;                                                    \
        o[i] = raised < high ? raised : high;                                                      \
      }                                                                                            \
      return;                                                                                      \
    }                                                                                              \
    for (int64_t i = 0; i < n; i++) {                                                              \
      PVT_SCALAR(px);                                                                              \
      T x = *(const T *)px, low = *(const T *)pl, high = *(const T *)ph;                           \
      T raised = x > low ? x : low;                                                                \
      *(T *)po = raised < high ? raised : high;                                                    \
      px += strides[0];                                                                            \
      pl += strides[1];                                                                            \
      ph += strides[2];                                                                            \
      po += strides[3];                                                                            \
    }                                                                                              \
  }
CLIP(clip_i8, int8_t)
CLIP(clip_i16, int16_t)
CLIP(clip_i32, int32_t)
CLIP(clip_i64, int64_t)
CLIP(clip_u8, uint8_t)
CLIP(clip_u16, uint16_t)
CLIP(clip_u32, uint32_t)
CLIP(clip_u64, uint64_t)

/* Floats take two steps, a block at a time: both choices in one loop would not be vectorised. */
extern PVT_ROW(maximum);
extern PVT_ROW(minimum);
#define CLIP_FLOAT(name, T, dtype)                                                                 \
  static void name(PVT_ARGS) {                                                                     \
    _Alignas(64) T block[512];                                                                     \
    const int64_t raising[3] = {strides[0], strides[1], PVT_SIZE(T)};                              \
    const int64_t lowering[3] = {PVT_SIZE(T), strides[2], strides[3]};                             \
    for (int64_t i = 0; i < n; i += 512) {                                                         \
      int64_t count = n - i < 512 ? n - i : 512;                                                   \
      char *const raise[3] = {data[0] + i * strides[0], data[1] + i * strides[1], (char *)block};  \
      char *const lower[3] = {(char *)block, data[2] + i * strides[2], data[3] + i * strides[3]};  \
      PVT_ROW_NAME(maximum)[dtype](count, raise, raising, arg);                                    \
      PVT_ROW_NAME(minimum)[dtype](count, lower, lowering, arg);                                   \
    }                                                                                              \
  }
CLIP_FLOAT(clip_f32, float, PVT_FLOAT32)
CLIP_FLOAT(clip_f64, double, PVT_FLOAT64)
PVT_ROW(clip) = {[PVT_BOOL] = clip_u8, PVT_INTS(clip), PVT_FLOATS(clip)};

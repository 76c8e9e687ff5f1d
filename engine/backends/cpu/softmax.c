/* softmax.c - e^(x - m) / sum of those, and its logarithm, of one row.
**
** m is the largest element. The row is gone through in blocks that stay in the cache; a row with a
** NaN, or of nothing but negative infinities, becomes NaNs.
*/
#include "elementwise.h"

extern PVT_ROW(exp);
extern PVT_ROW(log);
extern const pvt_reductions PVT_KERNEL(pvt_reductions);

#define BLOCK 1024

#define SOFTMAX(name, T, type)                                                                     \
  static int name(int64_t n, const void *from, void *to, bool logarithm) {                         \
    const T *x = from;                                                                             \
    T *out = to, most, sum = 0, scratch[BLOCK];                                                    \
    const pvt_reductions *reductions = &PVT_KERNEL(pvt_reductions);                                \
    static const int64_t steps[2] = {PVT_SIZE(T), PVT_SIZE(T)};                                    \
    reductions->row[PVT_MAX][type](n, (const char *)x, (char *)&most);                             \
    for (int64_t done = 0; done < n; done += BLOCK) {                                              \
      int64_t count = n - done < BLOCK ? n - done : BLOCK;                                         \
      T *e = logarithm ? scratch : out + done, part;                                               \
      const T *a = x + done;                                                                       \
      PVT_IVDEP for (int64_t i = 0; i < count; i++) e[i] = a[i] - most;                            \
      char *const both[2] = {(char *)e, (char *)e};                                                \
      PVT_ROW_NAME(exp)[type](count, both, steps, NULL);                                           \
      reductions->row[PVT_SUM][type](count, (const char *)e, (char *)&part);                       \
      sum += part;                                                                                 \
      int status = done % PVT_TILE == PVT_TILE - BLOCK ? pvt_poll() : PVT_OK;                      \
      if (status != PVT_OK) return status;                                                         \
    }                                                                                              \
    if (logarithm) {                                                                               \
      char *const both[2] = {(char *)&sum, (char *)&sum};                                          \
      PVT_ROW_NAME(log)[type](1, both, steps, NULL);                                               \
      PVT_IVDEP for (int64_t i = 0; i < n; i++) out[i] = x[i] - most - sum;                        \
      return PVT_OK;                                                                               \
    }                                                                                              \
    T scale = 1 / sum;                                                                             \
    PVT_IVDEP for (int64_t i = 0; i < n; i++) out[i] *= scale;                                     \
    return PVT_OK;                                                                                 \
  }
SOFTMAX(softmax_f32, float, PVT_FLOAT32)
SOFTMAX(softmax_f64, double, PVT_FLOAT64)

pvt_softmax_kernel *const PVT_KERNEL(pvt_softmax)[2] = {softmax_f32, softmax_f64};

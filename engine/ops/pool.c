/* pool.c - the largest, the average or the norm of what lies under a window. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "windows.h"

typedef struct pooling {
  pvt_sweep sweep;
  pvt_pool_op op;
  double p;
  int64_t *places; /* NULL */
} pooling;

/* How many elements the average at this place is of. */
static int64_t divisor(const pooling *pool, const int64_t at[3]) {
  const pvt_sweep *s = &pool->sweep;
  int64_t count = 1;
  for (int d = 0; d < 3; d++) {
    bool padded = pool->op == PVT_POOL_AVERAGE_PADDED;
    int64_t low = padded ? -s->before[d] : 0, high = s->size[d] + (padded ? s->after[d] : 0);
    int64_t start = at[d] * s->stride[d] - s->before[d], step = s->dilation[d], inside = 0;
    int64_t first = start >= low ? 0 : (low - start + step - 1) / step;
    int64_t end = start >= high ? 0 : (high - start - 1) / step + 1;
    if (end > s->window[d]) end = s->window[d];
    if (end > first) inside = end - first;
    count *= inside;
  }
  return count;
}

/* One row of results, `row` counted over the first two sizes, of one channel. sum: the type in which
** averages are added up. */
#define ROW(T, S, smallest, magnitude, root, quotient)                                             \
  static void row_##T(const pooling *pool, const char *image, int64_t row, char *to, void *sums,   \
                      int64_t *places) {                                                           \
    const pvt_sweep *s = &pool->sweep;                                                             \
    const T *x = (const T *)image;                                                                 \
    T *out = (T *)to;                                                                              \
    S *sum = sums;                                                                                 \
    int64_t width = s->result[2], stride = s->stride[2];                                           \
    int64_t at[3] = {row / s->result[1], row % s->result[1], 0};                                   \
    if (pool->op == PVT_POOL_MAX)                                                                  \
      for (int64_t i = 0; i < width; i++) out[i] = smallest;                                       \
    else memset(sum, 0, (size_t)width * sizeof *sum);                                              \
    if (places != NULL)                                                                            \
      for (int64_t i = 0; i < width; i++) places[i] = -1;                                          \
    for (int64_t t0 = 0; t0 < s->window[0]; t0++) {                                                \
      int64_t i0 = at[0] * s->stride[0] + t0 * s->dilation[0] - s->before[0];                      \
      if (i0 < 0 || i0 >= s->size[0]) continue;                                                    \
      for (int64_t t1 = 0; t1 < s->window[1]; t1++) {                                              \
        int64_t i1 = at[1] * s->stride[1] + t1 * s->dilation[1] - s->before[1];                    \
        if (i1 < 0 || i1 >= s->size[1]) continue;                                                  \
        for (int64_t t2 = 0; t2 < s->window[2]; t2++) {                                            \
          int64_t first, end;                                                                      \
          pvt_sweep_range(s, 2, t2, &first, &end);                                                 \
          int64_t place =                                                                          \
              (i0 * s->size[1] + i1) * s->size[2] + t2 * s->dilation[2] - s->before[2];            \
          if (places != NULL) {                                                                    \
            for (int64_t i = first; i < end; i++) {                                                \
              T v = x[place + i * stride];                                                         \
              bool better = places[i] < 0 || v > out[i] || (v != v && out[i] == out[i]);           \
              out[i] = better ? v : out[i];                                                        \
              places[i] = better ? place + i * stride : places[i];                                 \
            }                                                                                      \
          } else if (pool->op == PVT_POOL_MAX && stride == 1) {                                    \
            for (int64_t i = first; i < end; i++) {                                                \
              T v = x[place + i], old = out[i];                                                    \
              out[i] = old != old ? old : old > v ? old : v;                                       \
            }                                                                                      \
          } else if (pool->op == PVT_POOL_MAX) {                                                   \
            for (int64_t i = first; i < end; i++) {                                                \
              T v = x[place + i * stride], old = out[i];                                           \
              out[i] = old != old ? old : old > v ? old : v;                                       \
            }                                                                                      \
          } else if (pool->op == PVT_POOL_LP) {                                                    \
            for (int64_t i = first; i < end; i++)                                                  \
              sum[i] += magnitude(x[place + i * stride], pool);                                    \
          } else {                                                                                 \
            for (int64_t i = first; i < end; i++) sum[i] += (S)x[place + i * stride];              \
          }                                                                                        \
        }                                                                                          \
      }                                                                                            \
    }                                                                                              \
    if (places != NULL)                                                                            \
      for (int64_t i = 0; i < width; i++) places[i] = places[i] < 0 ? 0 : places[i];               \
    if (pool->op == PVT_POOL_LP)                                                                   \
      for (int64_t i = 0; i < width; i++) out[i] = (T)root(sum[i], pool);                          \
    else if (pool->op != PVT_POOL_MAX)                                                             \
      for (int64_t i = 0; i < width; i++) {                                                        \
        at[2] = i;                                                                                 \
        S count = (S)divisor(pool, at);                                                            \
        out[i] = (T)(quotient(sum[i], count));                                                     \
      }                                                                                            \
  }

static inline float magnitude_f32(float x, const pooling *pool) {
  return pool->p == 1 ? fabsf(x) : pool->p == 2 ? x * x : powf(fabsf(x), (float)pool->p);
}

static inline float root_f32(float x, const pooling *pool) {
  return pool->p == 1 ? x : pool->p == 2 ? sqrtf(x) : powf(x, (float)(1 / pool->p));
}

static inline double magnitude_f64(double x, const pooling *pool) {
  return pool->p == 1 ? fabs(x) : pool->p == 2 ? x * x : pow(fabs(x), pool->p);
}

static inline double root_f64(double x, const pooling *pool) {
  return pool->p == 1 ? x : pool->p == 2 ? sqrt(x) : pow(x, 1 / pool->p);
}

#define WHOLE_MAGNITUDE(x, pool) 0
#define WHOLE_ROOT(x, pool) 0
#define QUOTIENT(a, b) ((a) / (b))
#define WHOLE_QUOTIENT(a, b) ((b) == 0 ? 0 : (a) / (b))
ROW(float, float, -INFINITY, magnitude_f32, root_f32, QUOTIENT)
ROW(double, double, -INFINITY, magnitude_f64, root_f64, QUOTIENT)
#define WHOLE(T, S, smallest) ROW(T, S, smallest, WHOLE_MAGNITUDE, WHOLE_ROOT, WHOLE_QUOTIENT)
WHOLE(int8_t, int64_t, INT8_MIN)
WHOLE(int16_t, int64_t, INT16_MIN)
WHOLE(int32_t, int64_t, INT32_MIN)
WHOLE(int64_t, int64_t, INT64_MIN)
WHOLE(uint8_t, uint64_t, 0)
WHOLE(uint16_t, uint64_t, 0)
WHOLE(uint32_t, uint64_t, 0)
WHOLE(uint64_t, uint64_t, 0)

typedef void row_function(const pooling *pool, const char *image, int64_t row, char *to, void *sums,
                          int64_t *places);
static row_function *const rows[PVT_DTYPES] = {
    [PVT_INT8] = row_int8_t,     [PVT_INT16] = row_int16_t,   [PVT_INT32] = row_int32_t,
    [PVT_INT64] = row_int64_t,   [PVT_UINT8] = row_uint8_t,   [PVT_UINT16] = row_uint16_t,
    [PVT_UINT32] = row_uint32_t, [PVT_UINT64] = row_uint64_t, [PVT_FLOAT32] = row_float,
    [PVT_FLOAT64] = row_double,
};

/* All arrays contiguous, of a type that has rows. */
static int pool_all(const pooling *pool, const pvt_array *x, pvt_array *out) {
  const pvt_sweep *s = &pool->sweep;
  int64_t itemsize = (int64_t)pvt_itemsize((pvt_dtype)x->dtype), width = s->result[2];
  int64_t plane = s->size[0] * s->size[1] * s->size[2], count = s->result[0] * s->result[1];
  pvt_buffer *sums = pvt_buffer_new((size_t)width * 8);
  if (sums == NULL) return pvt_error_status();
  row_function *row_of = rows[x->dtype];
  char *to = out->data;
  int64_t *places = pool->places, work = 0;
  int64_t cost = width * s->window[0] * s->window[1] * s->window[2];
  int status = PVT_OK;
  for (int64_t i = 0; i < s->n * s->in && status == PVT_OK; i++)
    for (int64_t row = 0; row < count && status == PVT_OK; row++, to += width * itemsize) {
      row_of(pool, x->data + i * plane * itemsize, row, to, pvt_buffer_data(sums), places);
      if (places != NULL) places += width;
      work += cost;
      if (work < PVT_TILE) continue;
      work = 0;
      status = pvt_poll();
    }
  pvt_buffer_release(sums);
  return status;
}

static int converted(const pvt_array *from, pvt_dtype dtype, bool copied, pvt_array *made) {
  int64_t shape[PVT_MAX_DIMS];
  for (int d = 0; d < from->ndim; d++) shape[d] = from->dim[d].size;
  int status = pvt_array_new(made, dtype, from->ndim, shape);
  return status == PVT_OK && copied ? pvt_copy(from, made) : status;
}

int pvt_pool(pvt_pool_op op, const pvt_array *x, const pvt_window *window, double p, pvt_array *out,
             pvt_array *places) {
  if (x->dtype != out->dtype)
    return pvt_fail(PVT_E_DTYPE, "pool: image and result must be of one type");
  pvt_dtype dtype = (pvt_dtype)x->dtype;
  if (dtype == PVT_FLOAT16 || dtype == PVT_BFLOAT16) dtype = PVT_FLOAT32;
  bool floats = dtype == PVT_FLOAT32 || dtype == PVT_FLOAT64;
  if (rows[dtype] == NULL || (op == PVT_POOL_LP && !floats))
    return pvt_fail(PVT_E_DTYPE, "pool: this operator does not take %s",
                    pvt_dtype_name((int)x->dtype));
  if (op == PVT_POOL_LP && !(p >= 1))
    return pvt_fail(PVT_E_VALUE, "pool: p must be a number of at least 1");
  if (!out->writable || (places != NULL && !places->writable))
    return pvt_fail(PVT_E_READONLY, "pool: the result is read-only");
  pooling pool = {.op = op, .p = p};
  int status = pvt_sweep_of(&pool.sweep, "pool", x, out, window->size, window);
  if (status != PVT_OK || (status = pvt_sweep_check(&pool.sweep, "pool", true)) != PVT_OK)
    return status;
  if (pool.sweep.in != pool.sweep.out)
    return pvt_fail(PVT_E_SHAPE, "pool: the result's channels are not the image's");
  if (places != NULL) {
    if (op != PVT_POOL_MAX)
      return pvt_fail(PVT_E_VALUE, "pool: only the largest elements have places");
    bool fits = places->dtype == PVT_INT64 && places->ndim == out->ndim;
    for (int d = 0; d < out->ndim && fits; d++) fits = places->dim[d].size == out->dim[d].size;
    if (!fits) return pvt_fail(PVT_E_SHAPE, "pool: places must be int64 of the result's shape");
  }
  pvt_array image = {0}, result = {0}, found = {0};
  const pvt_array *use_x = x;
  pvt_array *use_out = out, *use_places = places;
  if (x->dtype != dtype || !pvt_sweep_dense(x)) {
    status = converted(x, dtype, true, &image);
    use_x = &image;
  }
  if (status == PVT_OK &&
      (out->dtype != dtype || !pvt_sweep_dense(out) || pvt_array_overlap(x, out))) {
    status = converted(out, dtype, false, &result);
    use_out = &result;
  }
  if (status == PVT_OK && places != NULL && !pvt_sweep_dense(places)) {
    status = converted(places, PVT_INT64, false, &found);
    use_places = &found;
  }
  if (use_places != NULL) pool.places = (int64_t *)use_places->data;
  if (status == PVT_OK) status = pool_all(&pool, use_x, use_out);
  if (status == PVT_OK && use_out != out) status = pvt_copy(use_out, out);
  if (status == PVT_OK && use_places != places) status = pvt_copy(use_places, places);
  pvt_array_release(&image);
  pvt_array_release(&result);
  pvt_array_release(&found);
  return status;
}

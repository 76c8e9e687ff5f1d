/* search.c - places in sorted arrays. */
#include "loop.h"

/* NaNs are larger than everything else, and equal to each other. */
#define ORDERED(T)                                                                                 \
  static inline bool before_##T(const T *a, const T *b) {                                          \
    return *a < *b;                                                                                \
  }
ORDERED(int8_t)
ORDERED(int16_t)
ORDERED(int32_t)
ORDERED(int64_t)
ORDERED(uint8_t)
ORDERED(uint16_t)
ORDERED(uint32_t)
ORDERED(uint64_t)

static inline bool before_float(const float *a, const float *b) {
  return *a < *b || (*b != *b && *a == *a);
}

static inline bool before_double(const double *a, const double *b) {
  return *a < *b || (*b != *b && *a == *a);
}

/* 16-bit floats by their bits, which are a number of the same order; -0 is 0. */
typedef struct half {
  uint16_t bits;
} half;
typedef struct brain {
  uint16_t bits;
} brain;

static inline int32_t rank16(uint16_t bits, uint16_t infinity) {
  int32_t size = bits & 0x7fff;
  if (size > infinity) return INT32_MAX;
  return bits >> 15 ? -size : size;
}

static inline bool before_half(const half *a, const half *b) {
  return rank16(a->bits, 0x7c00) < rank16(b->bits, 0x7c00);
}

static inline bool before_brain(const brain *a, const brain *b) {
  return rank16(a->bits, 0x7f80) < rank16(b->bits, 0x7f80);
}

typedef struct complex64 {
  float real, imag;
} complex64;
typedef struct complex128 {
  double real, imag;
} complex128;

#define ORDERED_COMPLEX(T)                                                                         \
  static inline bool before_##T(const T *a, const T *b) {                                          \
    int class_a = 2 * (a->real != a->real) + (a->imag != a->imag);                                 \
    int class_b = 2 * (b->real != b->real) + (b->imag != b->imag);                                 \
    if (class_a != class_b) return class_a < class_b;                                              \
    if (!(class_a & 2) && a->real != b->real) return a->real < b->real;                            \
    return !(class_a & 1) && a->imag < b->imag;                                                    \
  }
ORDERED_COMPLEX(complex64)
ORDERED_COMPLEX(complex128)

typedef struct haystack {
  const char *data;
  int64_t step, n;
  const int64_t *sorter; /* contiguous, checked; NULL */
} haystack;

/* Halving without branches: the place is behind `low` elements, of which each is known to come
** before the value. Values are looked up four at a time, so that their loads overlap. */
#define SEARCH(T)                                                                                  \
  static inline bool passes_##T(const haystack *h, int64_t at, const T *value, bool left) {        \
    const T *x = (const T *)(h->data + (h->sorter != NULL ? h->sorter[at] : at) * h->step);        \
    return left ? before_##T(x, value) : !before_##T(value, x);                                    \
  }                                                                                                \
                                                                                                   \
  static inline __attribute__((always_inline)) void find_##T(                                      \
      const haystack *h, int64_t count, const char *values, int64_t step, bool left, char *out,    \
      int64_t out_step) {                                                                          \
    int64_t i = 0;                                                                                 \
    for (; i + 4 <= count && h->n > 0; i += 4) {                                                   \
      int64_t low[4] = {0, 0, 0, 0}, n = h->n;                                                     \
      const T *value[4];                                                                           \
      for (int k = 0; k < 4; k++) value[k] = (const T *)(values + (i + k) * step);                 \
      while (n > 1) {                                                                              \
        int64_t half = n / 2;                                                                      \
        for (int k = 0; k < 4; k++)                                                                \
          low[k] += passes_##T(h, low[k] + half - 1, value[k], left) ? half : 0;                   \
        n -= half;                                                                                 \
      }                                                                                            \
      for (int k = 0; k < 4; k++)                                                                  \
        *(int64_t *)(out + (i + k) * out_step) = low[k] + passes_##T(h, low[k], value[k], left);   \
    }                                                                                              \
    for (; i < count; i++) {                                                                       \
      int64_t low = 0, n = h->n;                                                                   \
      const T *value = (const T *)(values + i * step);                                             \
      while (n > 1) {                                                                              \
        int64_t half = n / 2;                                                                      \
        low += passes_##T(h, low + half - 1, value, left) ? half : 0;                              \
        n -= half;                                                                                 \
      }                                                                                            \
      *(int64_t *)(out + i * out_step) = low + (n > 0 && passes_##T(h, low, value, left));         \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  static void search_##T(const haystack *h, int64_t count, const char *values, int64_t step,       \
                         bool left, char *out, int64_t out_step) {                                 \
    if (left) find_##T(h, count, values, step, true, out, out_step);                               \
    else find_##T(h, count, values, step, false, out, out_step);                                   \
  }

SEARCH(int8_t)
SEARCH(int16_t)
SEARCH(int32_t)
SEARCH(int64_t)
SEARCH(uint8_t)
SEARCH(uint16_t)
SEARCH(uint32_t)
SEARCH(uint64_t)
SEARCH(half)
SEARCH(brain)
SEARCH(float)
SEARCH(double)
SEARCH(complex64)
SEARCH(complex128)

typedef void search(const haystack *h, int64_t count, const char *values, int64_t step, bool left,
                    char *out, int64_t out_step);
static search *const searches[PVT_DTYPES] = {
    [PVT_BOOL] = search_uint8_t,          [PVT_INT8] = search_int8_t,
    [PVT_INT16] = search_int16_t,         [PVT_INT32] = search_int32_t,
    [PVT_INT64] = search_int64_t,         [PVT_UINT8] = search_uint8_t,
    [PVT_UINT16] = search_uint16_t,       [PVT_UINT32] = search_uint32_t,
    [PVT_UINT64] = search_uint64_t,       [PVT_FLOAT16] = search_half,
    [PVT_BFLOAT16] = search_brain,        [PVT_FLOAT32] = search_float,
    [PVT_FLOAT64] = search_double,        [PVT_COMPLEX64] = search_complex64,
    [PVT_COMPLEX128] = search_complex128,
};

/* A contiguous copy of the permutation, each index of which is within bounds. */
static int check_sorter(const pvt_array *sorter, int64_t n, pvt_buffer **copy) {
  if (sorter->dtype != PVT_INT64 || sorter->ndim != 1)
    return pvt_fail(PVT_E_DTYPE, "searchsorted: sorter must be a 1-d array of int64");
  if (sorter->dim[0].size != n)
    return pvt_fail(PVT_E_SHAPE, "searchsorted: sorter.size must equal a.size");
  *copy = pvt_buffer_new((size_t)n * sizeof(int64_t));
  if (*copy == NULL) return pvt_error_status();
  int64_t *to = pvt_buffer_data(*copy);
  for (int64_t i = 0; i < n; i++) {
    to[i] = *(const int64_t *)(sorter->data + i * sorter->dim[0].stride);
    if (to[i] >= 0 && to[i] < n) continue;
    pvt_buffer_release(*copy);
    *copy = NULL;
    return pvt_fail(PVT_E_INDEX, "searchsorted: sorter index %lld is out of bounds for size %lld",
                    (long long)to[i], (long long)n);
  }
  return PVT_OK;
}

typedef struct searching {
  haystack in;
  search *search;
  bool left;
} searching;

static void search_row(int64_t n, char *const *data, const int64_t *strides, void *arg) {
  const searching *s = arg;
  s->search(&s->in, n, data[0], strides[0], s->left, data[1], strides[1]);
}

int pvt_searchsorted(const pvt_array *sorted, const pvt_array *values, bool left,
                     const pvt_array *sorter, pvt_array *out) {
  if (sorted->ndim != 1)
    return pvt_fail(PVT_E_SHAPE, "searchsorted: the sorted array must have 1 dimension, not %d",
                    sorted->ndim);
  if (sorted->dtype != values->dtype || out->dtype != PVT_INT64)
    return pvt_fail(
        PVT_E_DTYPE, "searchsorted: arrays of types %s and %s and a result of type %s do not fit",
        pvt_dtype_name(sorted->dtype), pvt_dtype_name(values->dtype), pvt_dtype_name(out->dtype));
  if (!out->writable) return pvt_fail(PVT_E_READONLY, "searchsorted: the result is read-only");
  if (pvt_array_overlap(values, out) || pvt_array_overlap(sorted, out))
    return pvt_fail(PVT_E_VALUE, "searchsorted: the result must not overlap the arrays");
  int64_t n = sorted->dim[0].size;
  pvt_buffer *copy = NULL;
  int status = sorter != NULL ? check_sorter(sorter, n, &copy) : PVT_OK;
  if (status != PVT_OK) return status;
  searching s = {
      .in = {sorted->data, sorted->dim[0].stride, n, copy != NULL ? pvt_buffer_data(copy) : NULL},
      .search = searches[sorted->dtype],
      .left = left,
  };
  pvt_loop loop;
  status = pvt_loop_init(&loop, 2, (const pvt_array *const[]){values, out});
  if (status == PVT_OK) status = pvt_loop_run(&loop, search_row, &s);
  pvt_buffer_release(copy);
  return status;
}

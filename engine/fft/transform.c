/* transform.c - Fourier transforms along an axis: lines are taken apart into real and imaginary
** parts, several side by side where there are several, transformed, and put together again. */
#include "fft.h"
#include "lines.h"
#include "plan.h"

#include <string.h>

typedef enum kind { COMPLEX, REAL_FORWARD, REAL_INVERSE } kind;

typedef struct work {
  kind kind;
  bool inverse, real_input,
      halved; /* halved: a real transform by a complex one of half the length */
  double scale;
  int64_t n;                                    /* length of the transform */
  int64_t x_count, x_step, out_count, out_step; /* of a line, in elements and bytes */
  const pvt_plan *plan, *inner;
  pvt_buffer *scratch;
  void *room[4];
} work;

#define MOST_LINES 16

#define NUMBERS(T)                                                                                 \
  /* Elements of line b of `lines`: what is not there is 0. */                                     \
  static int load_##T(const work *w, const char *x, int64_t b, int64_t lines, T *re, T *im) {      \
    int64_t n = w->n, step = w->x_step, count = w->x_count < n ? w->x_count : n;                   \
    pvt_pieces t = {.n = count}, rest = {.n = n - count};                                          \
    re += b, im += b;                                                                              \
    while (pvt_piece(&t)) {                                                                        \
      int64_t i = t.first;                                                                         \
      if (w->real_input) {                                                                         \
        for (; i < t.end; i++) re[i * lines] = *(const T *)(x + i * step), im[i * lines] = 0;      \
      } else if (step == 2 * sizeof(T) && lines == 1) {                                            \
        const T *from = (const T *)x;                                                              \
        for (; i < t.end; i++) re[i] = from[2 * i], im[i] = from[2 * i + 1];                       \
      } else {                                                                                     \
        for (; i < t.end; i++) {                                                                   \
          const T *from = (const T *)(x + i * step);                                               \
          re[i * lines] = from[0], im[i * lines] = from[1];                                        \
        }                                                                                          \
      }                                                                                            \
    }                                                                                              \
    while (t.status == PVT_OK && pvt_piece(&rest))                                                 \
      for (int64_t i = count + rest.first; i < count + rest.end; i++)                              \
        re[i * lines] = im[i * lines] = 0;                                                         \
    return t.status == PVT_OK ? rest.status : t.status;                                            \
  }                                                                                                \
                                                                                                   \
  static int store_##T(const work *w, const T *re, const T *im, int64_t b, int64_t lines,          \
                       char *out, int64_t count) {                                                 \
    T scale = (T)w->scale;                                                                         \
    pvt_pieces t = {.n = count};                                                                   \
    re += b, im += b;                                                                              \
    while (pvt_piece(&t)) {                                                                        \
      if (w->out_step == 2 * sizeof(T) && lines == 1) {                                            \
        T *to = (T *)out;                                                                          \
        for (int64_t i = t.first; i < t.end; i++)                                                  \
          to[2 * i] = re[i] * scale, to[2 * i + 1] = im[i] * scale;                                \
      } else {                                                                                     \
        for (int64_t i = t.first; i < t.end; i++) {                                                \
          T *to = (T *)(out + i * w->out_step);                                                    \
          to[0] = re[i * lines] * scale, to[1] = im[i * lines] * scale;                            \
        }                                                                                          \
      }                                                                                            \
    }                                                                                              \
    return t.status;                                                                               \
  }                                                                                                \
                                                                                                   \
  static int store_real_##T(const work *w, const T *re, int64_t b, int64_t lines, char *out) {     \
    T scale = (T)w->scale;                                                                         \
    pvt_pieces t = {.n = w->n};                                                                    \
    while (pvt_piece(&t))                                                                          \
      for (int64_t i = t.first; i < t.end; i++)                                                    \
        *(T *)(out + i * w->out_step) = re[b + i * lines] * scale;                                 \
    return t.status;                                                                               \
  }                                                                                                \
                                                                                                   \
  /* Even elements are real parts, odd ones imaginary parts. */                                    \
  static int load_pairs_##T(const work *w, const char *x, int64_t b, int64_t lines, T *re,         \
                            T *im) {                                                               \
    int64_t half = w->n / 2, step = w->x_step, count = w->x_count < w->n ? w->x_count : w->n;      \
    pvt_pieces t = {.n = half};                                                                    \
    re += b, im += b;                                                                              \
    while (pvt_piece(&t)) {                                                                        \
      int64_t i = t.first, pairs = count / 2 < t.end ? count / 2 : t.end;                          \
      for (; i < pairs; i++) {                                                                     \
        re[i * lines] = *(const T *)(x + 2 * i * step);                                            \
        im[i * lines] = *(const T *)(x + (2 * i + 1) * step);                                      \
      }                                                                                            \
      for (; i < t.end; i++) {                                                                     \
        re[i * lines] = 2 * i < count ? *(const T *)(x + 2 * i * step) : 0;                        \
        im[i * lines] = 0;                                                                         \
      }                                                                                            \
    }                                                                                              \
    return t.status;                                                                               \
  }                                                                                                \
                                                                                                   \
  static int store_pairs_##T(const work *w, const T *re, const T *im, int64_t b, int64_t lines,    \
                             char *out) {                                                          \
    T scale = (T)w->scale;                                                                         \
    pvt_pieces t = {.n = w->n / 2};                                                                \
    while (pvt_piece(&t))                                                                          \
      for (int64_t i = t.first; i < t.end; i++) {                                                  \
        *(T *)(out + 2 * i * w->out_step) = re[b + i * lines] * scale;                             \
        *(T *)(out + (2 * i + 1) * w->out_step) = im[b + i * lines] * scale;                       \
      }                                                                                            \
    return t.status;                                                                               \
  }                                                                                                \
                                                                                                   \
  /* The spectrum of a real line from that of its pairs: the sums of elements k and half - k */    \
  /* (conjugated) come from the even ones, the differences from the odd ones. */                   \
  static int untwist_##T(const work *w, const T *re, const T *im, int64_t b, int64_t lines,        \
                         char *out) {                                                              \
    int64_t half = w->n / 2;                                                                       \
    const T *twist = w->plan->twist;                                                               \
    T scale = (T)(w->scale / 2);                                                                   \
    re += b, im += b;                                                                              \
    pvt_pieces t = {.n = half + 1};                                                                \
    while (pvt_piece(&t))                                                                          \
      for (int64_t k = t.first; k < t.end; k++) {                                                  \
        int64_t i = (k == half ? 0 : k) * lines, j = (k == 0 ? 0 : half - k) * lines;              \
        T even_r = re[i] + re[j], even_i = im[i] - im[j];                                          \
        T odd_r = im[i] + im[j], odd_i = re[j] - re[i];                                            \
        T *to = (T *)(out + k * w->out_step);                                                      \
        to[0] = (even_r + (odd_r * twist[2 * k] - odd_i * twist[2 * k + 1])) * scale;              \
        to[1] = (even_i + (odd_r * twist[2 * k + 1] + odd_i * twist[2 * k])) * scale;              \
      }                                                                                            \
    ((T *)out)[1] = 0;                                                                             \
    ((T *)(out + half * w->out_step))[1] = 0;                                                      \
    return t.status;                                                                               \
  }                                                                                                \
                                                                                                   \
  /* Element k of the half spectrum at x; those on the real axis are real. */                      \
  static inline void element_##T(const work *w, const char *x, int64_t k, T *re, T *im) {          \
    *re = *im = 0;                                                                                 \
    if (k >= w->x_count) return;                                                                   \
    *re = ((const T *)(x + k * w->x_step))[0];                                                     \
    if (k != 0 && 2 * k != w->n) *im = ((const T *)(x + k * w->x_step))[1];                        \
  }                                                                                                \
                                                                                                   \
  static int load_twisted_##T(const work *w, const char *x, int64_t b, int64_t lines, T *re,       \
                              T *im) {                                                             \
    int64_t half = w->n / 2;                                                                       \
    const T *twist = w->plan->twist;                                                               \
    pvt_pieces t = {.n = half};                                                                    \
    while (pvt_piece(&t))                                                                          \
      for (int64_t k = t.first; k < t.end; k++) {                                                  \
        T a, c, d, e;                                                                              \
        element_##T(w, x, k, &a, &c);                                                              \
        element_##T(w, x, half - k, &d, &e);                                                       \
        T even_r = a + d, even_i = c - e, low_r = a - d, low_i = c + e;                            \
        /* by the conjugate of twist */                                                            \
        T odd_r = low_r * twist[2 * k] + low_i * twist[2 * k + 1];                                 \
        T odd_i = low_i * twist[2 * k] - low_r * twist[2 * k + 1];                                 \
        re[b + k * lines] = even_r - odd_i;                                                        \
        im[b + k * lines] = even_i + odd_r;                                                        \
      }                                                                                            \
    return t.status;                                                                               \
  }                                                                                                \
                                                                                                   \
  static int load_hermitian_##T(const work *w, const char *x, int64_t b, int64_t lines, T *re,     \
                                T *im) {                                                           \
    int64_t n = w->n;                                                                              \
    pvt_pieces t = {.n = n / 2 + 1};                                                               \
    while (pvt_piece(&t))                                                                          \
      for (int64_t k = t.first; k < t.end; k++) {                                                  \
        T real, imag;                                                                              \
        element_##T(w, x, k, &real, &imag);                                                        \
        re[b + k * lines] = real, im[b + k * lines] = imag;                                        \
        if (k > 0) re[b + (n - k) * lines] = real, im[b + (n - k) * lines] = -imag;                \
      }                                                                                            \
    return t.status;                                                                               \
  }                                                                                                \
                                                                                                   \
  static int group_##T(const work *w, int count, int64_t lines, const char *const *x,              \
                       char *const *out) {                                                         \
    void *data[4] = {w->room[0], w->room[1], w->room[2], w->room[3]};                              \
    int64_t length = w->halved ? w->n / 2 : w->n;                                                  \
    int status = PVT_OK;                                                                           \
    if (count < lines) {                                                                           \
      memset(data[0], 0, (size_t)(length * lines) * sizeof(T));                                    \
      memset(data[1], 0, (size_t)(length * lines) * sizeof(T));                                    \
    }                                                                                              \
    for (int b = 0; b < count && status == PVT_OK; b++) {                                          \
      T *re = data[0], *im = data[1];                                                              \
      if (w->kind == REAL_INVERSE && w->halved)                                                    \
        status = load_twisted_##T(w, x[b], b, lines, re, im);                                      \
      else if (w->kind == REAL_INVERSE) status = load_hermitian_##T(w, x[b], b, lines, re, im);    \
      else if (w->halved) status = load_pairs_##T(w, x[b], b, lines, re, im);                      \
      else status = load_##T(w, x[b], b, lines, re, im);                                           \
    }                                                                                              \
    if (status != PVT_OK) return status;                                                           \
    void *turned[4] = {data[1], data[0], data[3], data[2]};                                        \
    void **use = w->inverse ? turned : data;                                                       \
    status = pvt_plan_run(w->inner, lines, use);                                                   \
    if (status != PVT_OK) return status;                                                           \
    const T *re = use[w->inverse], *im = use[!w->inverse];                                         \
    for (int b = 0; b < count && status == PVT_OK; b++) {                                          \
      if (w->kind == COMPLEX) status = store_##T(w, re, im, b, lines, out[b], w->n);               \
      else if (w->kind == REAL_INVERSE && w->halved)                                               \
        status = store_pairs_##T(w, re, im, b, lines, out[b]);                                     \
      else if (w->kind == REAL_INVERSE) status = store_real_##T(w, re, b, lines, out[b]);          \
      else if (w->halved) status = untwist_##T(w, re, im, b, lines, out[b]);                       \
      else {                                                                                       \
        status = store_##T(w, re, im, b, lines, out[b], w->out_count);                             \
        ((T *)out[b])[1] = 0; /* the sum of real numbers */                                        \
      }                                                                                            \
    }                                                                                              \
    return status;                                                                                 \
  }

NUMBERS(float)
NUMBERS(double)

/* Lines that go side by side must fit into the second cache, as should their transform. */
#define SIDE_BY_SIDE_BYTES ((int64_t)1 << 20)

static int run_lines(work *w, pvt_lines *lines, bool is_double) {
  int64_t length = pvt_plan_room(w->inner), itemsize = is_double ? 8 : 4;
  const pvt_passes *passes = pvt_kernels_get()->passes;
  int64_t side = is_double ? passes->lanes_f64 : passes->lanes_f32, total = 1;
  for (int i = 0; i < lines->ndim; i++) total *= lines->size[i];
  if (total < side / 2 || 4 * length * side * itemsize > SIDE_BY_SIDE_BYTES) side = 1;
  size_t each = ((size_t)(length * side * itemsize) + 127) / 64 * 64;
  w->scratch = pvt_buffer_new(4 * each);
  if (w->scratch == NULL) return pvt_error_status();
  for (size_t i = 0; i < 4; i++) w->room[i] = (char *)pvt_buffer_data(w->scratch) + i * each;
  int status = PVT_OK;
  int64_t since = 0;
  while (!lines->done && status == PVT_OK) {
    const char *x[MOST_LINES];
    char *out[MOST_LINES];
    int count = 0;
    for (; count < side && !lines->done; pvt_lines_next(lines), count++)
      x[count] = lines->x, out[count] = lines->out;
    bool together = side > 1 && count > 2;
    for (int i = 0; i < count && status == PVT_OK; i += together ? count : 1)
      status = is_double
                   ? group_double(w, together ? count : 1, together ? side : 1, x + i, out + i)
                   : group_float(w, together ? count : 1, together ? side : 1, x + i, out + i);
    since += count * (length + 16);
    if (since < PVT_TILE || status != PVT_OK) continue;
    since = 0;
    status = pvt_poll();
  }
  pvt_buffer_release(w->scratch);
  return status;
}

static int check_types(const char *name, kind kind, const pvt_array *x, const pvt_array *out) {
  bool complex = pvt_dtype_kind((pvt_dtype)x->dtype) == PVT_KIND_COMPLEX;
  pvt_dtype numbers = kind == REAL_INVERSE           ? (pvt_dtype)out->dtype
                      : out->dtype == PVT_COMPLEX64  ? PVT_FLOAT32
                      : out->dtype == PVT_COMPLEX128 ? PVT_FLOAT64
                                                     : PVT_BOOL;
  pvt_dtype pairs = numbers == PVT_FLOAT32 ? PVT_COMPLEX64 : PVT_COMPLEX128;
  bool fits = numbers == PVT_FLOAT32 || numbers == PVT_FLOAT64;
  if (complex) fits = fits && x->dtype == pairs && kind != REAL_FORWARD;
  else fits = fits && x->dtype == numbers && kind != REAL_INVERSE;
  if (fits) return PVT_OK;
  return pvt_fail(PVT_E_DTYPE, "%s does not take an array of type %s for a result of type %s", name,
                  pvt_dtype_name(x->dtype), pvt_dtype_name(out->dtype));
}

/* n < 0: out's size. */
static int transform(const char *name, work *w, const pvt_array *x, int axis, int64_t n,
                     pvt_array *out) {
  int status = check_types(name, w->kind, x, out);
  pvt_lines lines;
  if (status == PVT_OK) status = pvt_lines_init(&lines, name, x, out, axis);
  if (status != PVT_OK) return status;
  w->n = n < 0 ? lines.out_count : n;
  if (w->n < 1)
    return pvt_fail(PVT_E_VALUE, "Invalid number of FFT data points (%lld) specified.",
                    (long long)w->n);
  if (w->kind == REAL_FORWARD && lines.out_count != w->n / 2 + 1)
    return pvt_fail(PVT_E_SHAPE, "%s: the result has size %lld along the axis, not %lld", name,
                    (long long)lines.out_count, (long long)(w->n / 2 + 1));
  if (lines.done) return PVT_OK;
  if (pvt_array_overlap(x, out) && !pvt_array_same(x, out)) {
    pvt_array copy;
    int64_t shape[PVT_MAX_DIMS];
    for (int i = 0; i < x->ndim; i++) shape[i] = x->dim[i].size;
    status = pvt_array_new(&copy, (pvt_dtype)x->dtype, x->ndim, shape);
    if (status != PVT_OK) return status;
    status = pvt_copy(x, &copy);
    if (status == PVT_OK) status = transform(name, w, &copy, axis, n, out);
    pvt_array_release(&copy);
    return status;
  }
  bool is_double = x->dtype == PVT_FLOAT64 || x->dtype == PVT_COMPLEX128;
  w->x_count = lines.x_count, w->x_step = lines.x_step;
  w->out_count = lines.out_count, w->out_step = lines.out_step;
  w->real_input = pvt_dtype_kind((pvt_dtype)x->dtype) != PVT_KIND_COMPLEX;
  w->halved = w->kind != COMPLEX && w->n % 2 == 0;
  w->plan = pvt_plan_get(w->n, is_double, w->halved);
  if (w->plan == NULL) return pvt_error_status();
  w->inner = w->halved ? w->plan->inner : w->plan;
  status = run_lines(w, &lines, is_double);
  pvt_plan_done(w->plan);
  return status;
}

int pvt_fft(const pvt_array *x, int axis, bool forward, double scale, pvt_array *out) {
  work w = {.kind = COMPLEX, .inverse = !forward, .scale = scale};
  return transform("fft", &w, x, axis, -1, out);
}

int pvt_rfft(const pvt_array *x, int axis, int64_t n, double scale, pvt_array *out) {
  if (n < 1)
    return pvt_fail(PVT_E_VALUE, "Invalid number of FFT data points (%lld) specified.",
                    (long long)n);
  work w = {.kind = REAL_FORWARD, .scale = scale};
  return transform("rfft", &w, x, axis, n, out);
}

int pvt_irfft(const pvt_array *x, int axis, double scale, pvt_array *out) {
  work w = {.kind = REAL_INVERSE, .inverse = true, .scale = scale};
  return transform("irfft", &w, x, axis, -1, out);
}

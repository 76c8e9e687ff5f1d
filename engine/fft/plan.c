/* plan.c - see plan.h. */
#include "plan.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- Roots of unity ----------------------------------------------------- */

/* exp(-2 pi i k / n) is the product of two entries: few are computed, in long double. */
typedef struct roots {
  int64_t n, low_mask;
  int low_bits;
  pvt_buffer *memory;
  long double *low, *high; /* pairs */
} roots;

/* For 0 <= k < n, from an angle below pi / 4, so that nothing is lost by reduction. */
static void exact_root(int64_t k, int64_t n, long double *to) {
  bool below = 2 * k > n; /* the conjugate of n - k's */
  if (below) k = n - k;
  bool left = 4 * k > n; /* the mirror image of n / 2 - k's, in quarters to stay exact */
  int64_t quarters = left ? 2 * n - 4 * k : 4 * k; /* of n, up to n: a right angle */
  bool steep = 2 * quarters > n;
  long double angle = (long double)(steep ? n - quarters : quarters) / (long double)n *
                      1.5707963267948966192313216916397514L;
  long double x = steep ? sinl(angle) : cosl(angle), y = steep ? cosl(angle) : sinl(angle);
  to[0] = left ? -x : x;
  to[1] = below ? y : -y;
}

static int roots_init(roots *r, int64_t n) {
  r->n = n;
  r->low_bits = (64 - __builtin_clzll((uint64_t)n)) / 2;
  int64_t lows = (int64_t)1 << r->low_bits, highs = n / lows + 1;
  r->low_mask = lows - 1;
  r->memory = pvt_buffer_new((size_t)(2 * (lows + highs)) * sizeof(long double));
  if (r->memory == NULL) return pvt_error_status();
  r->low = pvt_buffer_data(r->memory);
  r->high = r->low + 2 * lows;
  pvt_pieces low = {.n = lows, .size = 256}, high = {.n = highs, .size = 256};
  while (pvt_piece(&low))
    for (int64_t k = low.first; k < low.end; k++) exact_root(k < n ? k : 0, n, r->low + 2 * k);
  while (low.status == PVT_OK && pvt_piece(&high))
    for (int64_t k = high.first; k < high.end; k++)
      exact_root(k * lows < n ? k * lows : 0, n, r->high + 2 * k);
  if (low.status == PVT_OK && high.status == PVT_OK) return PVT_OK;
  pvt_buffer_release(r->memory);
  return PVT_E_CANCELLED;
}

static inline void root(const roots *r, int64_t k, long double *to) {
  const long double *a = r->low + 2 * (k & r->low_mask), *b = r->high + 2 * (k >> r->low_bits);
  to[0] = a[0] * b[0] - a[1] * b[1];
  to[1] = a[0] * b[1] + a[1] * b[0];
}

/* ---- Building ----------------------------------------------------------- */

static void put(const pvt_plan *plan, void *to, int64_t at, long double x) {
  if (plan->is_double) ((double *)to)[at] = (double)x;
  else ((float *)to)[at] = (float)x;
}

/* The radices of n in the order of passes; 0 if a prime factor is too large. */
static int factor(int64_t n, int *radices) {
  int count = 0;
  if (n % 8 == 0) radices[count++] = 8, n /= 8;
  for (; n % 4 == 0; n /= 4) radices[count++] = 4;
  if (n % 2 == 0) radices[count++] = 2, n /= 2;
  for (int p = 3; p <= PVT_MAX_RADIX && n > 1; p += 2)
    for (; n % p == 0; n /= p) radices[count++] = p;
  return n == 1 ? count : 0;
}

static int64_t good_length(int64_t least) {
  int64_t best = INT64_MAX;
  for (int64_t fives = 1; fives < 2 * least; fives *= 5)
    for (int64_t threes = fives; threes < 2 * least; threes *= 3) {
      int64_t n = threes * 8;
      while (n < least) n *= 2;
      if (n < best) best = n;
    }
  return best;
}

static void plan_free(pvt_plan *plan) {
  if (plan == NULL) return;
  plan_free(plan->inner);
  pvt_buffer_release(plan->memory);
  free(plan);
}

/* Numbers of the tables of all passes. */
static int64_t table_size(int64_t n, int count, const int *radices) {
  int64_t size = 0, length = n, stride = 1;
  for (int i = 0; i < count; i++) {
    int64_t m = length / radices[i];
    size += 2 * m * (radices[i] - 1) + 16 + 2 * radices[i] + 16;
    if (stride < 8) size += 2 * m * stride * (radices[i] - 1) + 16;
    length = m;
    stride *= radices[i];
  }
  return size;
}

static int fill_passes(pvt_plan *plan, int count, const int *radices, char *at) {
  int64_t itemsize = plan->is_double ? 8 : 4, length = plan->n, stride = 1, work = 0;
  roots r;
  int status = roots_init(&r, plan->n);
  if (status != PVT_OK) return status;
  plan->passes = count;
  for (int i = 0; i < count && status == PVT_OK; i++) {
    int radix = radices[i];
    int64_t m = length / radix, step = plan->n / length;
    pvt_pass *pass = &plan->pass[i];
    char *twiddles = at, *spread = twiddles + (2 * m * (radix - 1) + 16) / 16 * 16 * itemsize;
    char *own =
        spread + (stride < 8 ? (2 * m * stride * (radix - 1) + 16) / 16 * 16 : 0) * itemsize;
    *pass = (pvt_pass){radix, m, stride, stride, twiddles, spread, own};
    for (int64_t p = 0; p < m; p++) {
      for (int k = 1; k < radix; k++) {
        long double w[2];
        root(&r, p * k * step, w);
        put(plan, twiddles, 2 * (p * (radix - 1) + k - 1), w[0]);
        put(plan, twiddles, 2 * (p * (radix - 1) + k - 1) + 1, w[1]);
        for (int64_t q = 0; q < stride && stride < 8; q++) {
          put(plan, spread, 2 * (k - 1) * stride * m + q + stride * p, w[0]);
          put(plan, spread, (2 * (k - 1) + 1) * stride * m + q + stride * p, w[1]);
        }
      }
      work += radix;
      if (work < 1024) continue;
      work = 0;
      if ((status = pvt_poll()) != PVT_OK) break;
    }
    for (int j = 0; j < radix; j++) {
      long double w[2];
      exact_root(j, radix, w);
      put(plan, own, j, w[0]);
      put(plan, own, radix + j, -w[1]);
    }
    at = own + (2 * radix + 16) / 16 * 16 * itemsize;
    length = m;
    stride *= radix;
  }
  pvt_buffer_release(r.memory);
  return status;
}

static pvt_plan *plan_build(int64_t n, bool is_double, bool real);

static int fill_bluestein(pvt_plan *plan) {
  int64_t n = plan->n, m = good_length(2 * n - 1), itemsize = plan->is_double ? 8 : 4;
  plan->inner = plan_build(m, plan->is_double, false);
  if (plan->inner == NULL) return pvt_error_status();
  plan->bytes += plan->inner->bytes;
  size_t chirp_size = (size_t)(2 * n + 16) / 16 * 16 * (size_t)itemsize;
  size_t filter_size = (size_t)(m + 16) / 16 * 16 * (size_t)itemsize;
  plan->memory = pvt_buffer_new(chirp_size + 4 * filter_size);
  if (plan->memory == NULL) return pvt_error_status();
  plan->bytes += pvt_buffer_size(plan->memory);
  char *chirp = pvt_buffer_data(plan->memory);
  void *data[4];
  for (int i = 0; i < 4; i++) data[i] = chirp + chirp_size + (size_t)i * filter_size;
  int status = pvt_clear_bytes(data[0], 2 * filter_size);
  if (status != PVT_OK) return status;
  roots r;
  if ((status = roots_init(&r, 2 * n)) != PVT_OK) return status;
  int64_t square = 0; /* k^2 modulo 2 n */
  for (int64_t k = 0; k < n && status == PVT_OK; k++) {
    long double w[2], over = 1 / (long double)m;
    root(&r, square, w);
    put(plan, chirp, 2 * k, w[0]);
    put(plan, chirp, 2 * k + 1, w[1]);
    put(plan, data[0], k, w[0] * over);
    put(plan, data[1], k, -w[1] * over);
    if (k > 0) {
      put(plan, data[0], m - k, w[0] * over);
      put(plan, data[1], m - k, -w[1] * over);
    }
    square += 2 * k + 1;
    while (square >= 2 * n) square -= 2 * n;
    if (k % 1024 == 1023) status = pvt_poll();
  }
  pvt_buffer_release(r.memory);
  if (status != PVT_OK) return status;
  plan->chirp = chirp;
  status = pvt_plan_run(plan->inner, 1, data);
  plan->filter[0] = data[0];
  plan->filter[1] = data[1];
  return status;
}

static int fill_real(pvt_plan *plan) {
  int64_t n = plan->n;
  plan->inner = plan_build(n / 2, plan->is_double, false);
  if (plan->inner == NULL) return pvt_error_status();
  plan->memory = pvt_buffer_new((size_t)(n + 2) * (plan->is_double ? 8 : 4));
  if (plan->memory == NULL) return pvt_error_status();
  plan->bytes += plan->inner->bytes + pvt_buffer_size(plan->memory);
  roots r;
  int status = roots_init(&r, n);
  if (status != PVT_OK) return status;
  char *twist = pvt_buffer_data(plan->memory);
  pvt_pieces t = {.n = n / 2 + 1, .size = 2048};
  while (pvt_piece(&t))
    for (int64_t k = t.first; k < t.end; k++) {
      long double w[2];
      root(&r, k, w);
      put(plan, twist, 2 * k, w[0]);
      put(plan, twist, 2 * k + 1, w[1]);
    }
  pvt_buffer_release(r.memory);
  plan->twist = twist;
  return t.status;
}

static pvt_plan *plan_build(int64_t n, bool is_double, bool real) {
  int radices[64];
  if (n > (int64_t)1 << 56) {
    pvt_fail(PVT_E_SHAPE, "fft: a length of %lld is too large", (long long)n);
    return NULL;
  }
  pvt_plan *plan = calloc(1, sizeof *plan);
  if (plan == NULL) {
    pvt_fail(PVT_E_NOMEM, "out of memory");
    return NULL;
  }
  plan->n = n;
  plan->is_double = is_double;
  plan->bytes = sizeof *plan;
  int status, count = real ? 0 : factor(n, radices);
  if (real) {
    status = fill_real(plan);
  } else if (n > 1 && count == 0) {
    status = fill_bluestein(plan);
  } else {
    plan->memory = pvt_buffer_new((size_t)table_size(n, count, radices) * (is_double ? 8 : 4));
    status = plan->memory != NULL ? fill_passes(plan, count, radices, pvt_buffer_data(plan->memory))
                                  : pvt_error_status();
    if (status == PVT_OK) plan->bytes += pvt_buffer_size(plan->memory);
  }
  if (status == PVT_OK) return plan;
  plan_free(plan);
  return NULL;
}

/* ---- What is kept ------------------------------------------------------- */

#define KEPT 16
#define MOST_BYTES ((size_t)4 << 20)
typedef struct cache {
  int count; /* the last used first */
  size_t bytes;
  pvt_plan *plans[KEPT];
} cache;

static _Thread_local cache *mine;
static pthread_key_t departure;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void leave(void *arg) {
  cache *c = arg;
  for (int i = 0; i < c->count; i++) plan_free(c->plans[i]);
  free(c);
  mine = NULL;
}

static void make_key(void) {
  pthread_key_create(&departure, leave);
}

static cache *my_cache(void) {
  if (mine != NULL) return mine;
  pthread_once(&once, make_key);
  cache *c = calloc(1, sizeof *c);
  if (c != NULL && pthread_setspecific(departure, c) != 0) {
    free(c);
    c = NULL;
  }
  return mine = c;
}

static bool is_kept(const pvt_plan *plan) {
  for (int i = 0; mine != NULL && i < mine->count; i++)
    if (mine->plans[i] == plan) return true;
  return false;
}

const pvt_plan *pvt_plan_get(int64_t n, bool is_double, bool real) {
  cache *c = my_cache();
  for (int i = 0; c != NULL && i < c->count; i++) {
    pvt_plan *plan = c->plans[i];
    if (plan->n != n || plan->is_double != is_double || (plan->twist != NULL) != real) continue;
    memmove(c->plans + 1, c->plans, (size_t)i * sizeof *c->plans);
    return c->plans[0] = plan;
  }
  /* a rough bound, so that what will not be kept is charged */
  if (c == NULL || n > (int64_t)(MOST_BYTES / 64)) return plan_build(n, is_double, real);
  pvt_context uncharged = {0};
  const pvt_context *before = pvt_context_get();
  if (before != NULL) uncharged = *before;
  uncharged.account = NULL;
  pvt_context_set(&uncharged);
  pvt_plan *plan = plan_build(n, is_double, real);
  pvt_context_set(before);
  if (plan == NULL) return NULL;
  while (c->count > 0 && (c->count == KEPT || c->bytes + plan->bytes > MOST_BYTES)) {
    pvt_plan *last = c->plans[--c->count];
    c->bytes -= last->bytes;
    plan_free(last);
  }
  memmove(c->plans + 1, c->plans, (size_t)c->count * sizeof *c->plans);
  c->count++;
  c->bytes += plan->bytes;
  return c->plans[0] = plan;
}

void pvt_plan_done(const pvt_plan *plan) {
  if (plan != NULL && !is_kept(plan)) plan_free((pvt_plan *)(uintptr_t)plan);
}

/* ---- Running ------------------------------------------------------------ */

int64_t pvt_plan_room(const pvt_plan *plan) {
  return plan->inner != NULL && plan->inner->n > plan->n ? plan->inner->n : plan->n;
}

#define PIECE 16384 /* elements of a pass between two looks at the cancel word */

static void exchange(void *data[4]) {
  void *real = data[0], *imag = data[1];
  data[0] = data[2], data[1] = data[3];
  data[2] = real, data[3] = imag;
}

static int run_passes(const pvt_plan *plan, int64_t lines, void *data[4]) {
  const pvt_passes *passes = pvt_kernels_get()->passes;
  pvt_pass_kernel *kernel = plan->is_double ? passes->f64 : passes->f32;
  int64_t work = 0, itemsize = plan->is_double ? 8 : 4;
  for (int i = 0; i < plan->passes; i++) {
    pvt_pass pass = plan->pass[i];
    pass.stride *= lines;
    /* large radices take their square's time */
    int64_t each = pass.radix * (pass.radix > 8 ? (pass.radix + 7) / 8 : 1);
    int64_t most = PIECE / each / 64 * 64, step = PIECE / (pass.stride * each);
    if (step < 1) step = 1;
    if (most < 64) most = 64;
    if (pass.stride < most) most = pass.stride;
    for (int64_t first = 0; first < pass.m; first += step) {
      int64_t end = pass.m - first < step ? pass.m : first + step;
      for (int64_t q = 0; q < pass.stride; q += most) {
        pass.width = pass.stride - q < most ? pass.stride - q : most;
        char *at[4];
        for (int k = 0; k < 4; k++) at[k] = (char *)data[k] + q * itemsize;
        kernel(&pass, first, end, at[0], at[1], at[2], at[3]);
        work += (end - first) * pass.width * each;
        if (work < PIECE) continue;
        work = 0;
        int status = pvt_poll();
        if (status != PVT_OK) return status;
      }
    }
    exchange(data);
  }
  return PVT_OK;
}

/* Element k of all lines is multiplied by number k of `by`: pairs, or apart. */
#define TIMES(T)                                                                                   \
  static int times_##T(int64_t n, int64_t lines, T *restrict real, T *restrict imag, const T *c,   \
                       const T *d, int64_t step) {                                                 \
    pvt_pieces t = {.n = n, .size = PIECE / lines};                                                \
    while (pvt_piece(&t))                                                                          \
      for (int64_t k = t.first; k < t.end; k++) {                                                  \
        T x = c[k * step], y = d[k * step];                                                        \
        for (int64_t i = k * lines; i < (k + 1) * lines; i++) {                                    \
          T r = real[i];                                                                           \
          real[i] = r * x - imag[i] * y;                                                           \
          imag[i] = r * y + imag[i] * x;                                                           \
        }                                                                                          \
      }                                                                                            \
    return t.status;                                                                               \
  }
TIMES(float)
TIMES(double)

static int times(const pvt_plan *plan, int64_t n, int64_t lines, void *const *data, const void *c,
                 const void *d, int64_t step) {
  if (plan->is_double) return times_double(n, lines, data[0], data[1], c, d, step);
  return times_float(n, lines, data[0], data[1], c, d, step);
}

int pvt_plan_run(const pvt_plan *plan, int64_t lines, void *data[4]) {
  if (plan->chirp == NULL) return run_passes(plan, lines, data);
  int64_t n = plan->n, m = plan->inner->n, itemsize = plan->is_double ? 8 : 4;
  const char *chirp = plan->chirp;
  int status = times(plan, n, lines, data, chirp, chirp + itemsize, 2);
  for (int i = 0; i < 2 && status == PVT_OK; i++)
    status = pvt_clear_bytes((char *)data[i] + n * lines * itemsize,
                             (size_t)((m - n) * lines * itemsize));
  if (status == PVT_OK) status = run_passes(plan->inner, lines, data);
  if (status == PVT_OK) status = times(plan, m, lines, data, plan->filter[0], plan->filter[1], 1);
  if (status != PVT_OK) return status;
  void *turned[4] = {data[1], data[0], data[3], data[2]};
  status = run_passes(plan->inner, lines, turned);
  data[0] = turned[1], data[1] = turned[0], data[2] = turned[3], data[3] = turned[2];
  return status == PVT_OK ? times(plan, n, lines, data, chirp, chirp + itemsize, 2) : status;
}

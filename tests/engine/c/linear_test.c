/* linear_test.c - products, factorings, transforms and sorts of random shapes, for the sanitizers.
**
** Arrays are allocated with not a byte to spare, so that AddressSanitizer sees what is read or
** written beyond; THREADS threads do the same at once. Results are checked only for what they are
** worth: a solution against its system, a spectrum against its inverse, an order.
**
**     linear_test ROUNDS [SEED]
*/
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fft.h"
#include "linalg.h"

#define THREADS 3

static long rounds;
static uint64_t seed;

static _Noreturn void fail(const char *what, int status) {
  fprintf(stderr, "%s: %d %s (seed %llu)\n", what, status, pvt_error(), (unsigned long long)seed);
  exit(1);
}

#define CHECK(call)                                                                                \
  do {                                                                                             \
    int status_ = (call);                                                                          \
    if (status_ != PVT_OK) fail(#call, status_);                                                   \
  } while (0)

static uint64_t next(uint64_t *random) {
  *random ^= *random << 13;
  *random ^= *random >> 7;
  return *random ^= *random << 17;
}

static int64_t below(uint64_t *random, int64_t n) {
  return (int64_t)(next(random) % (uint64_t)n);
}

/* Contiguous memory of just the size, described in C or Fortran order. */
static pvt_array make(uint64_t *random, pvt_dtype dtype, int ndim, const int64_t *shape) {
  int64_t count = 1;
  for (int i = 0; i < ndim; i++) count *= shape[i];
  size_t size = (size_t)count * pvt_itemsize(dtype);
  char *data = malloc(size + (size == 0));
  bool is_float = dtype == PVT_FLOAT32 || dtype == PVT_COMPLEX64;
  bool is_double = dtype == PVT_FLOAT64 || dtype == PVT_COMPLEX128;
  for (size_t i = 0; i < size / 4 && is_float; i++)
    ((float *)data)[i] = (float)below(random, 2000) / 1000 - 1;
  for (size_t i = 0; i < size / 8 && is_double; i++)
    ((double *)data)[i] = (double)below(random, 2000) / 1000 - 1;
  for (size_t i = 0; i < size && !is_float && !is_double; i++)
    data[i] = (char)(dtype == PVT_BOOL ? next(random) & 1 : next(random));
  pvt_array array;
  pvt_array_over(&array, data, dtype, ndim, shape);
  if (ndim == 2 && (next(random) & 1)) {
    array.dim[0].stride = (int64_t)pvt_itemsize(dtype);
    array.dim[1].stride = (int64_t)pvt_itemsize(dtype) * shape[0];
  }
  return array;
}

#define MAKE(random, dtype, ...)                                                                   \
  make(random, dtype, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

static void drop(pvt_array *array) {
  free(array->data);
}

static const pvt_dtype floats[] = {PVT_FLOAT32, PVT_FLOAT64, PVT_COMPLEX64, PVT_COMPLEX128};
static const pvt_dtype reals[] = {PVT_FLOAT32, PVT_FLOAT64, PVT_FLOAT32, PVT_FLOAT64};

static void products(uint64_t *random) {
  pvt_dtype dtype = (pvt_dtype)below(random, PVT_DTYPES);
  int64_t most = next(random) & 3 ? 40 : 150;
  int64_t m = below(random, most), n = below(random, most), k = below(random, most);
  pvt_array a = MAKE(random, dtype, m, k), b = MAKE(random, dtype, k, n);
  pvt_array c = MAKE(random, dtype, m, n);
  CHECK(pvt_matmul(&a, &b, &c));
  drop(&a), drop(&b), drop(&c);
}

static void factorings(uint64_t *random) {
  int type = (int)below(random, 4);
  pvt_dtype dtype = floats[type];
  int64_t n = below(random, 45), m = below(random, 45), k = m < n ? m : n;
  pvt_array a = MAKE(random, dtype, n, n), b = MAKE(random, dtype, n, 3);
  pvt_array x = MAKE(random, dtype, n, 3), product = MAKE(random, dtype, n, 3);
  int status = pvt_solve(&a, &b, &x);
  if (status != PVT_OK && status != PVT_E_LINALG) fail("pvt_solve", status);
  if (status == PVT_OK && dtype == PVT_FLOAT64) {
    CHECK(pvt_matmul(&a, &x, &product));
    for (int64_t i = 0; i < n; i++) {
      double error = *(double *)(product.data + i * product.dim[0].stride) -
                     *(double *)(b.data + i * b.dim[0].stride);
      if (!(fabs(error) < 1e-6)) fail("a x differs from b", 0);
    }
  }
  drop(&b), drop(&x), drop(&product);
  pvt_array h = MAKE(random, dtype, n, n), w = MAKE(random, reals[type], n);
  status = pvt_cholesky(&a, next(random) & 1, &h);
  if (status != PVT_OK && status != PVT_E_LINALG) fail("pvt_cholesky", status);
  if (n < 20) CHECK(pvt_eigh(&a, next(random) & 1, &w, &h));
  drop(&a), drop(&h), drop(&w);
  int64_t columns = next(random) & 1 ? m : k;
  pvt_array c = MAKE(random, dtype, m, n), q = MAKE(random, dtype, m, columns);
  pvt_array r = MAKE(random, dtype, columns, n);
  CHECK(pvt_qr(&c, &q, &r));
  drop(&q), drop(&r);
  bool full = next(random) & 1;
  pvt_array u = MAKE(random, dtype, m, full ? m : k), s = MAKE(random, reals[type], k);
  pvt_array vh = MAKE(random, dtype, full ? n : k, n);
  if (m < 20 && n < 20) CHECK(pvt_svd(&c, &u, &s, &vh));
  drop(&c), drop(&u), drop(&s), drop(&vh);
}

static void transforms(uint64_t *random) {
  int type = (int)(next(random) & 1);
  pvt_dtype real = reals[type], pair = floats[type + 2];
  int64_t lines = 1 + below(random, 20), n = 1 + below(random, next(random) & 7 ? 130 : 3000);
  int axis = (int)(next(random) & 1);
  int64_t half = n / 2 + 1;
  pvt_array x = axis ? MAKE(random, real, lines, n) : MAKE(random, real, n, lines);
  pvt_array y = axis ? MAKE(random, pair, lines, half) : MAKE(random, pair, half, lines);
  pvt_array z = axis ? MAKE(random, real, lines, n) : MAKE(random, real, n, lines);
  pvt_array whole = axis ? MAKE(random, pair, lines, n) : MAKE(random, pair, n, lines);
  CHECK(pvt_fft(&x, axis, true, 1, &whole));
  CHECK(pvt_rfft(&x, axis, n, 1, &y));
  CHECK(pvt_irfft(&y, axis, 1.0 / (double)n, &z));
  for (int64_t i = 0; i < lines * n; i++) {
    int64_t row = i / x.dim[1].size, column = i % x.dim[1].size;
    const char *a = x.data + row * x.dim[0].stride + column * x.dim[1].stride;
    const char *b = z.data + row * z.dim[0].stride + column * z.dim[1].stride;
    double error =
        type ? *(const double *)a - *(const double *)b : *(const float *)a - *(const float *)b;
    if (!(fabs(error) < 1e-4)) fail("the inverse transform differs", 0);
  }
  drop(&x), drop(&y), drop(&z), drop(&whole);
}

static void sorts(uint64_t *random) {
  pvt_dtype dtype = (pvt_dtype)below(random, PVT_DTYPES);
  int64_t n = below(random, next(random) & 7 ? 300 : 80000);
  pvt_array x = MAKE(random, dtype, n), out = MAKE(random, dtype, n);
  pvt_array order = MAKE(random, PVT_INT64, n), places = MAKE(random, PVT_INT64, n);
  bool down = next(random) & 1;
  CHECK(pvt_sort(&x, 0, down, &out));
  CHECK(pvt_argsort(&x, 0, down, &order));
  size_t size = pvt_itemsize(dtype);
  for (int64_t i = 0; i < n; i++)
    if (memcmp(out.data + i * (int64_t)size, x.data + ((int64_t *)order.data)[i] * (int64_t)size,
               size) != 0)
      fail("argsort and sort differ", 0);
  if (!down) CHECK(pvt_searchsorted(&out, &x, true, NULL, &places));
  if (n > 0) {
    CHECK(pvt_partition(&x, 0, below(random, n), &out));
    CHECK(pvt_argpartition(&x, 0, below(random, n), &order));
  }
  drop(&x), drop(&out), drop(&order), drop(&places);
}

static void *work(void *arg) {
  uint64_t random = seed * 0x9e3779b97f4a7c15 + (uint64_t)(uintptr_t)arg + 1;
  for (long i = 0; i < rounds; i++) {
    products(&random);
    factorings(&random);
    transforms(&random);
    sorts(&random);
  }
  return NULL;
}

int main(int count, char **arguments) {
  rounds = count > 1 ? atol(arguments[1]) : 100;
  seed = count > 2 ? strtoull(arguments[2], NULL, 10) : 20240607;
  const char *const isas[] = {"portable", "avx2", "avx512"};
  for (int i = 0; i < 3; i++) {
    if (pvt_isa_use(isas[i]) != PVT_OK) continue;
    pthread_t threads[THREADS];
    for (uintptr_t t = 0; t < THREADS; t++) pthread_create(&threads[t], NULL, work, (void *)t);
    for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
  }
  puts("linear_test: ok");
  return 0;
}

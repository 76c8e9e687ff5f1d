/* operators_fuzz.c - operators on random arrays, for the sanitizers.
**
** A random operator, types, shapes and strides, memory that ends with the last element, any bits in
** it, results over their inputs where operators take that. One account in two refuses requests at
** random, one thread in two is asked to stop at random. Whatever comes of it: a status that the
** headers name with a sentence, nothing read or written outside, and not a byte left in the account.
** What results are worth is asked by tests/engine/test_*.py.
**
**     operators_fuzz ROUNDS [SEED]
*/
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fft.h"
#include "linalg.h"
#include "random.h"

#define THREADS 3
#define OPERATIONS 100 /* of a round */

static long rounds;
static uint64_t seed;

typedef struct state {
  uint64_t random;
  pthread_t id;
  _Atomic uint32_t attention;
  pvt_account *account;
  pvt_context context;
  bool refuses;
  unsigned long done, refused, stopped, declined;
} state;

static _Noreturn void fail(const char *what, int status) {
  fprintf(stderr, "%s: %d %s (seed %llu)\n", what, status, pvt_error(), (unsigned long long)seed);
  exit(1);
}

static uint64_t next(state *s) {
  s->random ^= s->random << 13;
  s->random ^= s->random >> 7;
  return s->random ^= s->random << 17;
}

static int64_t below(state *s, int64_t n) {
  return (int64_t)(next(s) % (uint64_t)n);
}

static bool one_in(state *s, int n) {
  return below(s, n) == 0;
}

static int admit(void *arg, size_t bytes) {
  state *s = arg;
  (void)bytes;
  return !s->refuses || !one_in(s, 4);
}

static int attend(void *arg) {
  state *s = arg;
  return (int)(next(s) & 1);
}

/* ---- Arrays ------------------------------------------------------------- */

/* An array and the memory that it lies in, of which it is all or a part. */
typedef struct operand {
  pvt_array array;
  char *memory;
} operand;

static const pvt_dtype floats[] = {PVT_FLOAT32, PVT_FLOAT64, PVT_COMPLEX64, PVT_COMPLEX128};

static pvt_dtype any_dtype(state *s) {
  return (pvt_dtype)below(s, PVT_DTYPES);
}

static void any_bits(state *s, char *data, size_t size, pvt_dtype dtype) {
  int kind = (int)below(s, 3);
  for (size_t i = 0; i < size; i++) data[i] = kind == 0 ? (char)next(s) : (char)(next(s) & 3);
  if (dtype == PVT_BOOL)
    for (size_t i = 0; i < size; i++) data[i] &= 1;
}

static void set_size(state *s, int64_t *shape, int ndim) {
  int64_t most = one_in(s, 30) ? 40000 : one_in(s, 4) ? 300 : 9;
  for (int i = 0; i < ndim; i++) {
    shape[i] = below(s, most) + (one_in(s, 9) ? 0 : 1);
    most = most / (shape[i] + 1) + 2;
  }
}

/* Strides: C order; other orders of the axes, with gaps and backwards; and for `input` also 0. */
static operand lay_out(state *s, pvt_dtype dtype, int ndim, const int64_t *shape, bool input) {
  operand made;
  int64_t itemsize = (int64_t)pvt_itemsize(dtype), extent = itemsize, first = 0;
  pvt_array_over(&made.array, NULL, dtype, ndim, shape);
  bool plain = one_in(s, 2);
  bool used[PVT_MAX_DIMS] = {false};
  for (int n = 0; n < ndim; n++) {
    int i = plain ? ndim - 1 - n : (int)below(s, ndim);
    while (used[i]) i = (i + 1) % ndim;
    used[i] = true;
    int64_t size = shape[i], step = plain ? 1 : 1 + (one_in(s, 3) ? below(s, 3) : 0);
    int64_t stride = extent * step;
    if (!plain && input && one_in(s, 8)) stride = 0;
    else extent = size > 0 ? stride * (size - 1) + extent : extent;
    if (!plain && one_in(s, 3)) {
      first += stride * (size > 0 ? size - 1 : 0);
      stride = -stride;
    }
    made.array.dim[i].stride = stride;
  }
  int64_t before = one_in(s, 3) ? itemsize * below(s, 3) : 0;
  if (pvt_array_count(&made.array) == 0) extent = 0, first = 0;
  size_t size = (size_t)(before + extent);
  made.memory = malloc(size + (size == 0));
  if (made.memory == NULL) abort();
  any_bits(s, made.memory, size, dtype);
  made.array.data = made.memory + before + first;
  return made;
}

static operand input(state *s, pvt_dtype dtype, int ndim, const int64_t *shape) {
  return lay_out(s, dtype, ndim, shape, true);
}

static operand output(state *s, pvt_dtype dtype, int ndim, const int64_t *shape) {
  return lay_out(s, dtype, ndim, shape, false);
}

/* With some dimensions left out at the front or of size 1. */
static operand broadcast(state *s, pvt_dtype dtype, int ndim, const int64_t *shape) {
  int left_out = one_in(s, 4) ? (int)below(s, ndim + 1) : 0;
  int64_t less[PVT_MAX_DIMS];
  for (int i = left_out; i < ndim; i++) less[i - left_out] = one_in(s, 5) ? 1 : shape[i];
  return input(s, dtype, ndim - left_out, less);
}

static operand indices(state *s, int ndim, const int64_t *shape, int64_t n) {
  operand made = output(s, PVT_INT64, ndim, shape);
  bool wild = one_in(s, 6);
  pvt_array all;
  pvt_array_view(&all, &made.array);
  int64_t at[PVT_MAX_DIMS] = {0}, count = pvt_array_count(&all);
  for (int64_t i = 0; i < count; i++) {
    char *place = all.data;
    for (int d = 0; d < ndim; d++) place += at[d] * all.dim[d].stride;
    int64_t index = n > 0 ? below(s, 2 * n) - n : 0;
    if (wild && one_in(s, 50)) index = (int64_t)next(s) >> below(s, 60);
    memcpy(place, &index, sizeof index);
    for (int d = ndim - 1; d >= 0 && ++at[d] == shape[d]; d--) at[d] = 0;
  }
  return made;
}

static void drop(operand *made) {
  free(made->memory);
}

/* ---- Operators ---------------------------------------------------------- */

typedef int operation(state *s, int ndim, const int64_t *shape);

static int unary(state *s, int ndim, const int64_t *shape) {
  pvt_unary_op op = (pvt_unary_op)below(s, PVT_UNARY_OPS);
  pvt_dtype dtype = any_dtype(s), loop, result;
  if (pvt_unary_types(op, dtype, &loop, &result) != PVT_OK) return PVT_E_DTYPE;
  if (one_in(s, 6)) result = any_dtype(s);
  operand x = broadcast(s, dtype, ndim, shape), out = output(s, result, ndim, shape);
  int status;
  if (x.array.ndim == ndim && dtype == result &&
      one_in(s, 3)) /* over itself, the same way or not */
    status = pvt_unary(op, one_in(s, 2) ? &out.array : &x.array, &out.array);
  else status = pvt_unary(op, &x.array, &out.array);
  drop(&x), drop(&out);
  return status;
}

/* Two descriptions of one piece of memory. */
static int overlapping(state *s, int ndim, const int64_t *shape) {
  pvt_dtype dtype = any_dtype(s);
  if (ndim == 0 || shape[0] < 3) return PVT_OK;
  operand whole = output(s, dtype, ndim, shape);
  pvt_array a, out;
  pvt_array_view(&a, &whole.array);
  pvt_array_view(&out, &whole.array);
  int64_t half = shape[0] / 2;
  int status = PVT_OK;
  a.dim[0].size = out.dim[0].size = half;
  a.data += (shape[0] - 1) * a.dim[0].stride;
  a.dim[0].stride = -a.dim[0].stride;
  out.data += below(s, shape[0] - half + 1) * out.dim[0].stride;
  pvt_dtype loop, result;
  pvt_binary_op op = (pvt_binary_op)below(s, PVT_BINARY_OPS);
  if (one_in(s, 2)) status = pvt_copy(&a, &out);
  else if (pvt_binary_types(op, dtype, dtype, &loop, &result) == PVT_OK)
    status = pvt_binary(op, &a, &out, &out);
  drop(&whole);
  return status;
}

static int binary(state *s, int ndim, const int64_t *shape) {
  pvt_binary_op op = (pvt_binary_op)below(s, PVT_BINARY_OPS);
  pvt_dtype a_type = any_dtype(s), b_type = one_in(s, 2) ? a_type : any_dtype(s), loop, result;
  if (pvt_binary_types(op, a_type, b_type, &loop, &result) != PVT_OK) return PVT_E_DTYPE;
  if (one_in(s, 6)) result = any_dtype(s);
  operand a = broadcast(s, a_type, ndim, shape), b = broadcast(s, b_type, ndim, shape);
  operand out = output(s, result, ndim, shape);
  int status = pvt_binary(op, &a.array, &b.array, &out.array);
  drop(&a), drop(&b), drop(&out);
  return status;
}

static int choices(state *s, int ndim, const int64_t *shape) {
  pvt_dtype dtype = any_dtype(s);
  operand c = broadcast(s, PVT_BOOL, ndim, shape), a = broadcast(s, any_dtype(s), ndim, shape);
  operand b = broadcast(s, any_dtype(s), ndim, shape), out = output(s, dtype, ndim, shape);
  int status = one_in(s, 2)
                   ? pvt_where(&c.array, &a.array, &b.array, &out.array)
                   : pvt_clip(&out.array, &a.array, one_in(s, 2) ? &b.array : NULL, &out.array);
  drop(&c), drop(&a), drop(&b), drop(&out);
  return status;
}

static int copies(state *s, int ndim, const int64_t *shape) {
  operand x = broadcast(s, any_dtype(s), ndim, shape), out = output(s, any_dtype(s), ndim, shape);
  char element[16];
  any_bits(s, element, sizeof element, (pvt_dtype)out.array.dtype);
  int status = one_in(s, 8) ? pvt_fill(&out.array, element) : pvt_copy(&x.array, &out.array);
  drop(&x), drop(&out);
  return status;
}

static int reductions(state *s, int ndim, const int64_t *shape) {
  pvt_dtype dtype = any_dtype(s), result = PVT_INT64;
  pvt_reduce_op op = (pvt_reduce_op)below(s, PVT_REDUCE_OPS);
  int kind = (int)below(s, 6);
  uint32_t axes = (uint32_t)below(s, 1 << ndim);
  if (kind == 0 && ndim > 0) axes = 1u << below(s, ndim);
  if (kind == 0 && ndim == 0) return PVT_OK;
  if (kind == 1) dtype = floats[below(s, 4)], result = dtype & 1 ? PVT_FLOAT32 : PVT_FLOAT64;
  if (kind > 1 && pvt_reduce_types(op, dtype, &result) != PVT_OK) return PVT_E_DTYPE;
  int64_t less[PVT_MAX_DIMS];
  for (int i = 0; i < ndim; i++) less[i] = axes >> i & 1 ? 1 : shape[i];
  operand x = input(s, dtype, ndim, shape), out = output(s, result, ndim, less);
  int status = kind == 0   ? pvt_arg_reduce(one_in(s, 2), &x.array, __builtin_ctz(axes), &out.array)
               : kind == 1 ? pvt_variance(&x.array, axes, (double)below(s, 2), &out.array)
                           : pvt_reduce(op, &x.array, axes, &out.array);
  drop(&x), drop(&out);
  return status;
}

static int lines(state *s, int ndim, const int64_t *shape) {
  if (ndim == 0) return PVT_OK;
  pvt_dtype dtype = any_dtype(s);
  int axis = (int)below(s, ndim), kind = (int)below(s, 6);
  bool down = one_in(s, 2);
  operand x = input(s, dtype, ndim, shape);
  operand out = output(s, kind == 2 || kind == 4 ? PVT_INT64 : dtype, ndim, shape);
  int64_t k = shape[axis] > 0 ? below(s, 2 * shape[axis]) - shape[axis] : 0;
  int status = PVT_OK;
  switch (kind) {
  case 0: status = pvt_sort(&x.array, axis, down, &out.array); break;
  case 1: status = pvt_sort(&out.array, axis, down, &out.array); break;
  case 2: status = pvt_argsort(&x.array, axis, down, &out.array); break;
  case 3: status = pvt_partition(&x.array, axis, k, &out.array); break;
  case 4: status = pvt_argpartition(&x.array, axis, k, &out.array); break;
  default: status = pvt_scan((pvt_scan_op)below(s, PVT_SCAN_OPS), &x.array, axis, &out.array);
  }
  drop(&x), drop(&out);
  return status;
}

static int searches(state *s, int ndim, const int64_t *shape) {
  pvt_dtype dtype = any_dtype(s);
  int64_t n = below(s, 200);
  operand sorted = output(s, dtype, 1, &n), values = input(s, dtype, ndim, shape);
  operand sorter = output(s, PVT_INT64, 1, &n), out = output(s, PVT_INT64, ndim, shape);
  int status = pvt_argsort(&sorted.array, 0, false, &sorter.array);
  if (status == PVT_OK)
    status =
        pvt_searchsorted(&sorted.array, &values.array, one_in(s, 2), &sorter.array, &out.array);
  drop(&sorted), drop(&values), drop(&sorter), drop(&out);
  return status;
}

static int places(state *s, int ndim, const int64_t *shape) {
  if (ndim == 0) return PVT_OK;
  pvt_dtype dtype = any_dtype(s);
  int axis = (int)below(s, ndim), status;
  int64_t n = below(s, 40), taken[PVT_MAX_DIMS];
  operand x = output(s, dtype, ndim, shape), index, out;
  switch ((int)below(s, 4)) {
  case 0:
    memcpy(taken, shape, (size_t)ndim * sizeof *taken);
    taken[axis] = n;
    index = indices(s, 1, &n, shape[axis]);
    out = output(s, dtype, ndim, taken);
    status = pvt_take(&x.array, &index.array, axis, (pvt_index_mode)below(s, 3), &out.array);
    break;
  case 1:
    memcpy(taken, shape, (size_t)ndim * sizeof *taken);
    taken[axis] = n;
    index = indices(s, ndim, taken, shape[axis]);
    out = output(s, dtype, ndim, taken);
    status = one_in(s, 2) ? pvt_take_along(&x.array, &index.array, axis, &out.array)
                          : pvt_put_along(&x.array, &index.array, &out.array, axis);
    break;
  default:
    taken[0] = n;
    memcpy(taken + 1, shape + 1, (size_t)(ndim - 1) * sizeof *taken);
    index = indices(s, 1, &n, shape[0]);
    out = output(s, dtype, ndim, taken);
    const pvt_array *list[] = {&index.array};
    status = one_in(s, 2) ? pvt_gather(&x.array, list, 1, &out.array)
                          : pvt_scatter(&x.array, list, 1, &out.array, one_in(s, 2));
  }
  drop(&x), drop(&index), drop(&out);
  return status;
}

static int masks(state *s, int ndim, const int64_t *shape) {
  if (ndim == 0) return PVT_OK;
  int covered = 1 + (int)below(s, ndim);
  int64_t count = 0, taken[PVT_MAX_DIMS];
  pvt_dtype dtype = any_dtype(s);
  operand x = output(s, dtype, ndim, shape), mask = input(s, PVT_BOOL, covered, shape);
  int status = pvt_mask_count(&mask.array, &count);
  if (status == PVT_OK) {
    taken[0] = count;
    memcpy(taken + 1, shape + covered, (size_t)(ndim - covered) * sizeof *taken);
    operand out = output(s, dtype, ndim - covered + 1, taken);
    status = one_in(s, 2) ? pvt_mask_take(&x.array, &mask.array, &out.array)
                          : pvt_mask_put(&x.array, &mask.array, &out.array);
    drop(&out);
  }
  if (status == PVT_OK && (status = pvt_nonzero_count(&x.array, &count)) == PVT_OK) {
    int64_t rows[2] = {count, ndim};
    operand out = output(s, PVT_INT64, 2, rows);
    status = pvt_nonzero(&x.array, &out.array);
    drop(&out);
  }
  drop(&x), drop(&mask);
  return status;
}

static int products(state *s, int ndim, const int64_t *shape) {
  pvt_dtype dtype = any_dtype(s);
  int64_t m = below(s, 60), n = below(s, 60), k = below(s, 60);
  (void)ndim, (void)shape;
  operand a = input(s, dtype, 2, (int64_t[]){m, k}), b = input(s, dtype, 2, (int64_t[]){k, n});
  operand out = output(s, dtype, 2, (int64_t[]){m, n});
  int status =
      pvt_matmul(m == k && k == n && one_in(s, 4) ? &out.array : &a.array, &b.array, &out.array);
  drop(&a), drop(&b), drop(&out);
  return status;
}

static int transforms(state *s, int ndim, const int64_t *shape) {
  if (ndim == 0 || ndim > 3) return PVT_OK;
  int axis = (int)below(s, ndim), type = (int)below(s, 4);
  int64_t half[PVT_MAX_DIMS];
  memcpy(half, shape, (size_t)ndim * sizeof *half);
  half[axis] = shape[axis] / 2 + 1;
  int status;
  operand x, out;
  if (shape[axis] == 0) return PVT_OK;
  switch ((int)below(s, 3)) {
  case 0:
    x = input(s, floats[type], ndim, shape);
    out = output(s, type & 1 ? PVT_COMPLEX128 : PVT_COMPLEX64, ndim, shape);
    status = pvt_fft(&x.array, axis, one_in(s, 2), 1, &out.array);
    break;
  case 1:
    x = input(s, floats[type & 1], ndim, shape);
    out = output(s, floats[2 + (type & 1)], ndim, half);
    status = pvt_rfft(&x.array, axis, shape[axis], 1, &out.array);
    break;
  default:
    x = input(s, floats[2 + (type & 1)], ndim, half);
    out = output(s, floats[type & 1], ndim, shape);
    status = pvt_irfft(&x.array, axis, 1, &out.array);
  }
  drop(&x), drop(&out);
  return status;
}

static int factorings(state *s, int ndim, const int64_t *shape) {
  int type = (int)below(s, 4);
  pvt_dtype dtype = floats[type], real = floats[type & 1];
  int64_t m = below(s, 20), n = one_in(s, 2) ? m : below(s, 20), k = m < n ? m : n;
  (void)ndim, (void)shape;
  operand a = input(s, dtype, 2, (int64_t[]){m, n}), b = input(s, dtype, 2, (int64_t[]){m, 3});
  operand square = output(s, dtype, 2, (int64_t[]){m, m}), values = output(s, real, 1, &k);
  operand tall = output(s, dtype, 2, (int64_t[]){m, k}),
          wide = output(s, dtype, 2, (int64_t[]){k, n});
  operand x = output(s, dtype, 2, (int64_t[]){n, 3});
  int64_t rank;
  int status;
  switch ((int)below(s, 7)) {
  case 0: status = pvt_solve(&a.array, &b.array, &x.array); break;
  case 1: status = pvt_inverse(&a.array, &square.array); break;
  case 2: status = pvt_cholesky(&a.array, one_in(s, 2), &square.array); break;
  case 3: status = pvt_qr(&a.array, &tall.array, &wide.array); break;
  case 4: status = pvt_eigh(&a.array, one_in(s, 2), &values.array, &square.array); break;
  case 5: status = pvt_lstsq(&a.array, &b.array, -1, &x.array, &rank, &values.array); break;
  default: status = pvt_svd(&a.array, &tall.array, &values.array, &wide.array);
  }
  drop(&a), drop(&b), drop(&square), drop(&values), drop(&tall), drop(&wide), drop(&x);
  return status;
}

static int numbers(state *s, int ndim, const int64_t *shape) {
  uint32_t pool[PVT_SEED_POOL], words[2] = {(uint32_t)next(s), (uint32_t)next(s)};
  pvt_bits bits;
  pvt_seed_mix(words, 2, pool);
  pvt_bits_seed(&bits, (pvt_bits_kind)below(s, PVT_BITS_KINDS), pool);
  int64_t n = below(s, 200), order[200];
  if (one_in(s, 4)) {
    for (int64_t i = 0; i < n; i++) order[i] = i;
    int status = pvt_random_shuffle(&bits, order, n);
    return status != PVT_OK ? status : pvt_random_sample(&bits, n + below(s, 1000), n, true, order);
  }
  pvt_distribution which = (pvt_distribution)below(s, PVT_DISTRIBUTIONS);
  int count = pvt_distribution_parameters(which);
  operand made[4], out = output(s, one_in(s, 4) ? any_dtype(s) : PVT_FLOAT64, ndim, shape);
  const pvt_array *parameters[4];
  for (int i = 0; i < count; i++) {
    made[i] = broadcast(s, PVT_FLOAT64, ndim, shape);
    double value = (double)below(s, 100) / (one_in(s, 2) ? 1 : 100), wild = -1;
    if (one_in(s, 30)) memcpy(&value, &wild, sizeof value);
    pvt_fill(&made[i].array, &value);
    parameters[i] = &made[i].array;
  }
  int status = pvt_random(&bits, which, parameters, &out.array);
  for (int i = 0; i < count; i++) drop(&made[i]);
  drop(&out);
  return status;
}

static const struct {
  const char *name;
  operation *run;
} operations[] = {{"unary", unary},           {"binary", binary},     {"overlapping", overlapping},
                  {"choices", choices},       {"copies", copies},     {"reductions", reductions},
                  {"lines", lines},           {"searches", searches}, {"places", places},
                  {"masks", masks},           {"products", products}, {"transforms", transforms},
                  {"factorings", factorings}, {"numbers", numbers}};
#define KINDS (sizeof operations / sizeof *operations)

/* ---- Rounds ------------------------------------------------------------- */

static void one(state *s) {
  int ndim = (int)below(s, 5);
  int64_t shape[PVT_MAX_DIMS];
  set_size(s, shape, ndim);
  s->refuses = one_in(s, 3);
  atomic_store(&s->attention, one_in(s, 3));
  size_t before = pvt_account_bytes(s->account);
  size_t kind = (size_t)below(s, KINDS);
  int status = operations[kind].run(s, ndim, shape);
  if (status > 0 || status < PVT_E_UNSUPPORTED) fail(operations[kind].name, status);
  if (status != PVT_OK && pvt_error()[0] == '\0') fail("no sentence", status);
  if (status == PVT_E_NOMEM) fail(operations[kind].name, status);
  if (status == PVT_E_QUOTA && !s->refuses) fail(operations[kind].name, status);
  if (pvt_account_bytes(s->account) != before) fail(operations[kind].name, status);
  if (status == PVT_OK) s->done++;
  else if (status == PVT_E_QUOTA) s->refused++;
  else if (status == PVT_E_CANCELLED) s->stopped++;
  else s->declined++;
}

static void *work(void *arg) {
  state *s = arg;
  s->account = pvt_account_new(admit, s);
  if (s->account == NULL) abort();
  s->context = (pvt_context){s->account, &s->attention, attend, s};
  pvt_context_set(&s->context);
  for (long i = 0; i < rounds * OPERATIONS; i++) one(s);
  pvt_context_set(NULL);
  pvt_account_close(s->account);
  return NULL;
}

int main(int argc, char **argv) {
  rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 10;
  seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  static const char *const isas[] = {"portable", "avx2", "avx512"};
  int used = 0;
  for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
    if (pvt_isa_use(isas[i]) != PVT_OK) continue;
    used++;
    static state states[THREADS];
    memset(states, 0, sizeof states);
    for (int t = 0; t < THREADS; t++) {
      states[t].random = (seed + 1) * 0x9E3779B97F4A7C15u + (uint64_t)t * 0xD1B54A32D192ED03u + i;
      if (pthread_create(&states[t].id, NULL, work, &states[t]) != 0) abort();
    }
    unsigned long done = 0, refused = 0, stopped = 0, declined = 0;
    for (int t = 0; t < THREADS; t++) {
      pthread_join(states[t].id, NULL);
      done += states[t].done, refused += states[t].refused;
      stopped += states[t].stopped, declined += states[t].declined;
    }
    printf("operators_fuzz: %s: %lu done, %lu refused, %lu stopped, %lu declined\n", isas[i], done,
           refused, stopped, declined);
    if (done == 0 || refused == 0) fail("nothing was tried", 0);
  }
  return used > 0 ? 0 : 1;
}

/* reductions.c - many elements into one, element by element, and the place of the extreme one.
**
** Sums of floats are the same on every instruction set: 256 bytes of lanes (64 float32, 32 float64;
** real and imaginary parts in turn) take the elements one after the other and are then added
** half to half. NaN is beyond every extreme.
*/
#include <string.h>

#include "elements.h"
#include "kernels.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define INTEGER_TYPES(X) X(i8) X(i16) X(i32) X(i64) X(u8) X(u16) X(u32) X(u64)

/* ---- Sums --------------------------------------------------------------- */

#if defined(__AVX512F__)
#define VECTOR 64
#elif defined(__AVX__)
#define VECTOR 32
#else
#define VECTOR 16
#endif
#define LANE_BYTES 256
#define VECTORS (LANE_BYTES / VECTOR)

typedef float f32_vector __attribute__((vector_size(VECTOR)));
typedef double f64_vector __attribute__((vector_size(VECTOR)));

/* All n elements of TYPE, each put through TERM, in KEEP totals: 1, or 2 for complex numbers, whose
** parts are elements here. IDENTITY is of OP. */
#define LANES(name, TYPE, T, IDENTITY, OP, TERM)                                                   \
  static inline __attribute__((always_inline)) void name(int64_t n, const char *x, T first,        \
                                                         T second, int keep, char *out) {          \
    enum { COUNT = LANE_BYTES / sizeof(T), WIDTH = VECTOR / sizeof(T) };                           \
    TYPE##_vector lane[VECTORS], mean;                                                             \
    for (int j = 0; j < WIDTH; j++) mean[j] = j % 2 == 0 ? first : second;                         \
    _Pragma("GCC unroll 16") for (int j = 0; j < VECTORS; j++) lane[j] =                           \
        IDENTITY - (TYPE##_vector){0};                                                             \
    for (; n >= COUNT; n -= COUNT, x += LANE_BYTES)                                                \
      _Pragma("GCC unroll 16") for (int j = 0; j < VECTORS; j++) {                                 \
        TYPE##_vector v;                                                                           \
        memcpy(&v, x + j * VECTOR, VECTOR);                                                        \
        lane[j] = lane[j] OP TERM;                                                                 \
      }                                                                                            \
    _Alignas(64) T total[COUNT];                                                                   \
    memcpy(total, lane, sizeof total);                                                             \
    for (int64_t j = 0; j < n; j++) {                                                              \
      T v = ((const e_##TYPE *)x)[j], mean = j % 2 == 0 ? first : second;                          \
      (void)mean;                                                                                  \
      total[j] = total[j] OP TERM;                                                                 \
    }                                                                                              \
    for (int half = COUNT / 2; half >= keep; half /= 2)                                            \
      for (int j = 0; j < half; j++) total[j] = total[j] OP total[j + half];                       \
    memcpy(out, total, (size_t)keep * sizeof(T));                                                  \
  }

LANES(sum_f32_lanes, f32, float, -0.0f, +, v)
LANES(sum_f64_lanes, f64, double, -0.0, +, v)
LANES(product_f32_lanes, f32, float, 1.0f, *, v)
LANES(product_f64_lanes, f64, double, 1.0, *, v)
LANES(square_f32_lanes, f32, float, 0.0f, +, (v - mean) * (v - mean))
LANES(square_f64_lanes, f64, double, 0.0, +, (v - mean) * (v - mean))

#define ROW(name, BODY)                                                                            \
  static void name(int64_t n, const char *x, char *out) {                                          \
    BODY;                                                                                          \
  }
ROW(sum_f32, sum_f32_lanes(n, x, 0, 0, 1, out))
ROW(sum_f64, sum_f64_lanes(n, x, 0, 0, 1, out))
ROW(sum_c64, sum_f32_lanes(2 * n, x, 0, 0, 2, out))
ROW(sum_c128, sum_f64_lanes(2 * n, x, 0, 0, 2, out))
ROW(product_f32, product_f32_lanes(n, x, 0, 0, 1, out))
ROW(product_f64, product_f64_lanes(n, x, 0, 0, 1, out))

/* The squared distances from a mean; complex ones by their parts. */
#define SQUARES(S, T, LANES, PARTS)                                                                \
  static void squares_##S(int64_t n, const char *x, const char *mean, char *out) {                 \
    const e_##T *m = (const e_##T *)mean;                                                          \
    LANES(PARTS * n, x, m[0], m[PARTS - 1], 1, out);                                               \
  }
SQUARES(f32, f32, square_f32_lanes, 1)
SQUARES(f64, f64, square_f64_lanes, 1)
SQUARES(c64, f32, square_f32_lanes, 2)
SQUARES(c128, f64, square_f64_lanes, 2)

/* Integers wrap, so the order does not matter. */
#define INTEGER_ROW(name, TYPE, START, EXPR)                                                       \
  static void name(int64_t n, const char *x, char *out) {                                          \
    const TYPE *restrict a = (const TYPE *)x;                                                      \
    uint64_t total = START;                                                                        \
    for (int64_t i = 0; i < n; i++) total = EXPR;                                                  \
    *(e_u64 *)out = total;                                                                         \
  }
INTEGER_ROW(sum_i8, e_i8, 0, total + (uint64_t)(int64_t)a[i])
INTEGER_ROW(sum_i16, e_i16, 0, total + (uint64_t)(int64_t)a[i])
INTEGER_ROW(sum_i32, e_i32, 0, total + (uint64_t)(int64_t)a[i])
INTEGER_ROW(sum_u8, e_u8, 0, total + a[i])
INTEGER_ROW(sum_u16, e_u16, 0, total + a[i])
INTEGER_ROW(sum_u32, e_u32, 0, total + a[i])
INTEGER_ROW(sum_i64, e_u64, 0, total + a[i])
INTEGER_ROW(product_i64, e_u64, 1, total *a[i])
INTEGER_ROW(squares_i64, e_u64, 0, total + a[i] * a[i])

#define COMPLEX_PRODUCT(S, T)                                                                      \
  static inline e_##S times_##S(e_##S a, e_##S b) {                                                \
    return (e_##S){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};                          \
  }                                                                                                \
  static void product_##S(int64_t n, const char *x, char *out) {                                   \
    e_##S total = {1, 0};                                                                          \
    for (int64_t i = 0; i < n; i++) total = times_##S(total, ((const e_##S *)x)[i]);               \
    *(e_##S *)out = total;                                                                         \
  }
COMPLEX_PRODUCT(c64, float)
COMPLEX_PRODUCT(c128, double)

/* ---- Truth -------------------------------------------------------------- */

static void any_row(int64_t n, const char *x, char *out) {
  *out = memchr(x, 1, (size_t)n) != NULL;
}

static void all_row(int64_t n, const char *x, char *out) {
  *out = memchr(x, 0, (size_t)n) == NULL;
}

/* Bytes of lanes overflow after 255 rounds. */
static void count_row(int64_t n, const char *x, char *out) {
  typedef uint8_t bytes __attribute__((vector_size(VECTOR)));
  uint64_t total = 0;
  while (n >= 2 * VECTOR) {
    bytes low = {0}, high = {0};
    for (int round = 0; round < 255 && n >= 2 * VECTOR; round++, n -= 2 * VECTOR, x += 2 * VECTOR) {
      bytes v, w;
      memcpy(&v, x, VECTOR);
      memcpy(&w, x + VECTOR, VECTOR);
      low += v;
      high += w;
    }
    uint8_t lanes[2 * VECTOR];
    memcpy(lanes, &low, VECTOR);
    memcpy(lanes + VECTOR, &high, VECTOR);
    for (int i = 0; i < 2 * VECTOR; i++) total += lanes[i];
  }
  for (int64_t i = 0; i < n; i++) total += ((const uint8_t *)x)[i];
  *(e_u64 *)out = total;
}

/* ---- Extremes ----------------------------------------------------------- */

/* Complex numbers go by the real, then the imaginary part; a NaN in either wins for good. */
#define COMPLEX_ORDER(S)                                                                           \
  static inline int nan_##S(e_##S a) {                                                             \
    return a.re != a.re || a.im != a.im;                                                           \
  }                                                                                                \
  static inline int above_##S(e_##S a, e_##S b) {                                                  \
    return !nan_##S(b) && (nan_##S(a) || a.re > b.re || (a.re == b.re && a.im > b.im));            \
  }                                                                                                \
  static inline int below_##S(e_##S a, e_##S b) {                                                  \
    return !nan_##S(b) && (nan_##S(a) || a.re < b.re || (a.re == b.re && a.im < b.im));            \
  }
COMPLEX_ORDER(c64)
COMPLEX_ORDER(c128)

/* ---- Element by element ------------------------------------------------- */

#define FOLD(name, TYPE, OUT, EXPR)                                                                \
  static void name(int64_t n, const char *x, char *out) {                                          \
    const TYPE *restrict a = (const TYPE *)x;                                                      \
    OUT *restrict b = (OUT *)out;                                                                  \
    for (int64_t i = 0; i < n; i++) b[i] = EXPR;                                                   \
  }
FOLD(fold_sum_i64, e_u64, e_u64, b[i] + a[i])
FOLD(fold_sum_f32, e_f32, e_f32, b[i] + a[i])
FOLD(fold_sum_f64, e_f64, e_f64, b[i] + a[i])
ROW(fold_sum_c64, fold_sum_f32(2 * n, x, out))
ROW(fold_sum_c128, fold_sum_f64(2 * n, x, out))
FOLD(fold_product_i64, e_u64, e_u64, b[i] * a[i])
FOLD(fold_product_f32, e_f32, e_f32, b[i] * a[i])
FOLD(fold_product_f64, e_f64, e_f64, b[i] * a[i])
FOLD(fold_product_c64, e_c64, e_c64, times_c64(b[i], a[i]))
FOLD(fold_product_c128, e_c128, e_c128, times_c128(b[i], a[i]))
FOLD(fold_squares_i64, e_u64, e_u64, b[i] + a[i] * a[i])
FOLD(fold_any, e_u8, e_u8, b[i] | a[i])
FOLD(fold_all, e_u8, e_u8, b[i] & a[i])
FOLD(fold_count, e_u8, e_u64, b[i] + a[i])
#define INTEGER_FOLDS(S)                                                                           \
  FOLD(fold_max_##S, e_##S, e_##S, a[i] > b[i] ? a[i] : b[i])                                      \
  FOLD(fold_min_##S, e_##S, e_##S, a[i] < b[i] ? a[i] : b[i])
INTEGER_TYPES(INTEGER_FOLDS)
FOLD(fold_max_f32, e_f32, e_f32, (b[i] >= a[i]) | (b[i] != b[i]) ? b[i] : a[i])
FOLD(fold_min_f32, e_f32, e_f32, (b[i] <= a[i]) | (b[i] != b[i]) ? b[i] : a[i])
FOLD(fold_max_f64, e_f64, e_f64, (b[i] >= a[i]) | (b[i] != b[i]) ? b[i] : a[i])
FOLD(fold_min_f64, e_f64, e_f64, (b[i] <= a[i]) | (b[i] != b[i]) ? b[i] : a[i])
FOLD(fold_max_c64, e_c64, e_c64, above_c64(a[i], b[i]) ? a[i] : b[i])
FOLD(fold_min_c64, e_c64, e_c64, below_c64(a[i], b[i]) ? a[i] : b[i])
FOLD(fold_max_c128, e_c128, e_c128, above_c128(a[i], b[i]) ? a[i] : b[i])
FOLD(fold_min_c128, e_c128, e_c128, below_c128(a[i], b[i]) ? a[i] : b[i])

/* The extreme of a row: folded onto its own first kilobyte, that then half onto half. */
#define FOLDED_ROW(name, S)                                                                        \
  static void name##_##S(int64_t n, const char *x, char *out) {                                    \
    enum { SIZE = sizeof(e_##S), WIDTH = 1024 / SIZE };                                            \
    _Alignas(64) char top[1024];                                                                   \
    int64_t half = WIDTH;                                                                          \
    while (half > n) half /= 2;                                                                    \
    memcpy(top, x, (size_t)half * SIZE);                                                           \
    for (int64_t done = half; done < n; done += half)                                              \
      fold_##name##_##S(n - done < half ? n - done : half, x + done * SIZE, top);                  \
    for (half /= 2; half > 0; half /= 2) fold_##name##_##S(half, top + half * SIZE, top);          \
    memcpy(out, top, SIZE);                                                                        \
  }
#define FOLDED_ROWS(S) FOLDED_ROW(max, S) FOLDED_ROW(min, S)
FOLDED_ROWS(c64)
FOLDED_ROWS(c128)

/* Where there is an instruction for it, GCC finds it. */
#define PLAIN_ROW(name, S, BETTER)                                                                 \
  static void name##_##S(int64_t n, const char *x, char *out) {                                    \
    const e_##S *restrict a = (const e_##S *)x;                                                    \
    e_##S top = a[0];                                                                              \
    for (int64_t i = 1; i < n; i++) top = a[i] BETTER top ? a[i] : top;                            \
    *(e_##S *)out = top;                                                                           \
  }
#define PLAIN_ROWS(S) PLAIN_ROW(max, S, >) PLAIN_ROW(min, S, <)
PLAIN_ROWS(i8)
PLAIN_ROWS(i16)
PLAIN_ROWS(u8)
PLAIN_ROWS(u16)
#if defined(__AVX2__) || !defined(__SSE2__)
PLAIN_ROWS(i32)
PLAIN_ROWS(u32)
#else
FOLDED_ROWS(i32)
FOLDED_ROWS(u32)
#endif
#if defined(__AVX512F__)
PLAIN_ROWS(i64)
PLAIN_ROWS(u64)
#else
FOLDED_ROWS(i64)
FOLDED_ROWS(u64)
#endif

#if defined(__AVX512F__)
#define X86(name) _mm512_##name
#define UNORDERED_ps(seen, a, b) ((seen) | _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q))
#define UNORDERED_pd(seen, a, b) ((seen) | _mm512_cmp_pd_mask(a, b, _CMP_UNORD_Q))
#define SEEN_ps(seen) (seen)
#define SEEN_pd(seen) (seen)
typedef __m512 x86_ps;
typedef __m512d x86_pd;
typedef __mmask16 seen_ps;
typedef __mmask8 seen_pd;
#elif defined(__AVX__)
#define X86(name) _mm256_##name
#define UNORDERED_ps(seen, a, b) _mm256_or_ps(seen, _mm256_cmp_ps(a, b, _CMP_UNORD_Q))
#define UNORDERED_pd(seen, a, b) _mm256_or_pd(seen, _mm256_cmp_pd(a, b, _CMP_UNORD_Q))
#define SEEN_ps(seen) _mm256_movemask_ps(seen)
#define SEEN_pd(seen) _mm256_movemask_pd(seen)
typedef __m256 x86_ps, seen_ps;
typedef __m256d x86_pd, seen_pd;
#elif defined(__SSE2__)
#define X86(name) _mm_##name
#define UNORDERED_ps(seen, a, b) _mm_or_ps(seen, _mm_cmpunord_ps(a, b))
#define UNORDERED_pd(seen, a, b) _mm_or_pd(seen, _mm_cmpunord_pd(a, b))
#define SEEN_ps(seen) _mm_movemask_ps(seen)
#define SEEN_pd(seen) _mm_movemask_pd(seen)
typedef __m128 x86_ps, seen_ps;
typedef __m128d x86_pd, seen_pd;
#endif

/* x86's max and min give the second operand if one is a NaN, so a NaN in x is passed over; that
** there was one is kept apart. */
#define FLOAT_ROW(name, S, T, P)                                                                   \
  static void name##_##S(int64_t n, const char *x, char *out) {                                    \
    enum { WIDTH = VECTOR / sizeof(T) };                                                           \
    const T *a = (const T *)x;                                                                     \
    T result = *(const e_##S *)x;                                                                  \
    int64_t i = 1;                                                                                 \
    if (n >= 4 * WIDTH) {                                                                          \
      x86_##P top[4];                                                                              \
      seen_##P seen = {0};                                                                         \
      for (int j = 0; j < 4; j++) top[j] = X86(set1_##P)((T)START_##name);                         \
      for (i = 0; i + 4 * WIDTH <= n; i += 4 * WIDTH) {                                            \
        x86_##P v0 = X86(loadu_##P)(a + i), v1 = X86(loadu_##P)(a + i + WIDTH);                    \
        x86_##P v2 = X86(loadu_##P)(a + i + 2 * WIDTH), v3 = X86(loadu_##P)(a + i + 3 * WIDTH);    \
        top[0] = X86(name##_##P)(v0, top[0]);                                                      \
        top[1] = X86(name##_##P)(v1, top[1]);                                                      \
        top[2] = X86(name##_##P)(v2, top[2]);                                                      \
        top[3] = X86(name##_##P)(v3, top[3]);                                                      \
        seen = UNORDERED_##P(seen, v0, v1);                                                        \
        seen = UNORDERED_##P(seen, v2, v3);                                                        \
      }                                                                                            \
      if (SEEN_##P(seen)) {                                                                        \
        *(e_##S *)out = (T)__builtin_nan("");                                                      \
        return;                                                                                    \
      }                                                                                            \
      top[0] = X86(name##_##P)(X86(name##_##P)(top[0], top[1]), X86(name##_##P)(top[2], top[3]));  \
      T lanes[WIDTH];                                                                              \
      X86(storeu_##P)(lanes, top[0]);                                                              \
      result = lanes[0];                                                                           \
      for (int j = 1; j < WIDTH; j++) result = lanes[j] BETTER_##name result ? lanes[j] : result;  \
    }                                                                                              \
    for (; i < n; i++) {                                                                           \
      T v = ((const e_##S *)x)[i];                                                                 \
      result = v BETTER_##name result || v != v ? v : result;                                      \
    }                                                                                              \
    *(e_##S *)out = result;                                                                        \
  }
#define START_max -__builtin_inf()
#define START_min __builtin_inf()
#define BETTER_max >
#define BETTER_min <
#if defined(__SSE2__)
FLOAT_ROW(max, f32, float, ps)
FLOAT_ROW(min, f32, float, ps)
FLOAT_ROW(max, f64, double, pd)
FLOAT_ROW(min, f64, double, pd)
#else
FOLDED_ROWS(f32)
FOLDED_ROWS(f64)
#endif

#define FOLD_SQUARES(S, R, DISTANCE)                                                               \
  static void fold_squares_##S(int64_t n, const char *x, const char *mean, char *out) {            \
    const e_##S *restrict a = (const e_##S *)x, *restrict m = (const e_##S *)mean;                 \
    e_##R *restrict b = (e_##R *)out;                                                              \
    for (int64_t i = 0; i < n; i++) b[i] = b[i] + (DISTANCE);                                      \
  }
#define SQUARE(x) ((x) * (x))
FOLD_SQUARES(f32, f32, SQUARE(a[i] - m[i]))
FOLD_SQUARES(f64, f64, SQUARE(a[i] - m[i]))
FOLD_SQUARES(c64, f32, SQUARE(a[i].re - m[i].re) + SQUARE(a[i].im - m[i].im))
FOLD_SQUARES(c128, f64, SQUARE(a[i].re - m[i].re) + SQUARE(a[i].im - m[i].im))

/* ---- The place of the extreme ------------------------------------------- */

/* A NaN is beyond everything but another one. 64 at a time, so that looking for the first
** vectorises too. BEYOND(a, b) and IS(a, b) take elements. */
#define PLACE(name, S, T, INDEX, ROW, BEYOND, IS)                                                  \
  static int64_t name##_##S(int64_t n, const char *x, bool first, char *best) {                    \
    const e_##S *a = (const e_##S *)x;                                                             \
    char row[16];                                                                                  \
    ROW##_##S(n, x, row);                                                                          \
    T top = *(e_##S *)row, before = first ? top : *(e_##S *)best;                                  \
    if (!first && !(BEYOND(top, before))) return -1;                                               \
    *(e_##S *)best = top;                                                                          \
    int64_t i = 0;                                                                                 \
    for (; i + 64 <= n; i += 64) {                                                                 \
      int found = 0;                                                                               \
      for (int j = 0; j < 64; j++) found |= IS(a[i + j], top);                                     \
      if (found) break;                                                                            \
    }                                                                                              \
    while (!(IS(a[i], top))) i++;                                                                  \
    return i;                                                                                      \
  }                                                                                                \
  static void fold_##name##_##S(int64_t n, const char *x, int64_t index, char *best,               \
                                char *places) {                                                    \
    const e_##S *restrict a = (const e_##S *)x;                                                    \
    e_##S *restrict top = (e_##S *)best;                                                           \
    e_##INDEX *restrict place = (e_##INDEX *)places;                                               \
    if (index == 0) {                                                                              \
      memcpy(top, a, (size_t)n * sizeof *top);                                                     \
      memset(place, 0, (size_t)n * sizeof *place);                                                 \
      return;                                                                                      \
    }                                                                                              \
    for (int64_t i = 0; i < n; i++) {                                                              \
      T v = a[i], before = top[i];                                                                 \
      bool beyond = BEYOND(v, before);                                                             \
      top[i] = beyond ? v : before;                                                                \
      place[i] = beyond ? (e_##INDEX)index : place[i];                                             \
    }                                                                                              \
  }
#define ABOVE(a, b) ((a) > (b))
#define BELOW(a, b) ((a) < (b))
#define EQUAL(a, b) ((a) == (b))
#define FLOAT_ABOVE(a, b) (((a) > (b)) | (((a) != (a)) & ((b) == (b))))
#define FLOAT_BELOW(a, b) (((a) < (b)) | (((a) != (a)) & ((b) == (b))))
#define FLOAT_EQUAL(a, b) (((a) == (b)) | (((a) != (a)) & ((b) != (b))))
#define INTEGER_PLACES(S, T, INDEX)                                                                \
  PLACE(largest, S, T, INDEX, max, ABOVE, EQUAL)                                                   \
  PLACE(smallest, S, T, INDEX, min, BELOW, EQUAL)
#define FLOAT_PLACES(S, T, INDEX)                                                                  \
  PLACE(largest, S, T, INDEX, max, FLOAT_ABOVE, FLOAT_EQUAL)                                       \
  PLACE(smallest, S, T, INDEX, min, FLOAT_BELOW, FLOAT_EQUAL)
INTEGER_PLACES(i32, int32_t, i32)
INTEGER_PLACES(u32, uint32_t, i32)
INTEGER_PLACES(i64, int64_t, i64)
INTEGER_PLACES(u64, uint64_t, i64)
FLOAT_PLACES(f32, float, i32)
FLOAT_PLACES(f64, double, i64)

#define COMPLEX_PLACE(name, S, BETTER)                                                             \
  static int64_t name(int64_t n, const char *x, bool first, char *best) {                          \
    const e_##S *a = (const e_##S *)x;                                                             \
    e_##S top = first ? a[0] : *(e_##S *)best;                                                     \
    int64_t found = first ? 0 : -1;                                                                \
    for (int64_t i = 0; i < n; i++)                                                                \
      if (BETTER##_##S(a[i], top)) {                                                               \
        top = a[i];                                                                                \
        found = i;                                                                                 \
      }                                                                                            \
    *(e_##S *)best = top;                                                                          \
    return found;                                                                                  \
  }                                                                                                \
  static void fold_##name(int64_t n, const char *x, int64_t index, char *best, char *places) {     \
    const e_##S *a = (const e_##S *)x;                                                             \
    e_##S *top = (e_##S *)best;                                                                    \
    e_i64 *place = (e_i64 *)places;                                                                \
    for (int64_t i = 0; i < n; i++)                                                                \
      if (index == 0 || BETTER##_##S(a[i], top[i])) {                                              \
        top[i] = a[i];                                                                             \
        place[i] = index;                                                                          \
      }                                                                                            \
  }
COMPLEX_PLACE(largest_c64, c64, above)
COMPLEX_PLACE(smallest_c64, c64, below)
COMPLEX_PLACE(largest_c128, c128, above)
COMPLEX_PLACE(smallest_c128, c128, below)

/* ---- The table ---------------------------------------------------------- */

#define ALL_INTEGERS(name)                                                                         \
  [PVT_BOOL] = name##u8, [PVT_INT8] = name##i8, [PVT_INT16] = name##i16, [PVT_INT32] = name##i32,  \
  [PVT_INT64] = name##i64, [PVT_UINT8] = name##u8, [PVT_UINT16] = name##u16,                       \
  [PVT_UINT32] = name##u32, [PVT_UINT64] = name##u64
#define FLOATS(name)                                                                               \
  [PVT_FLOAT32] = name##f32, [PVT_FLOAT64] = name##f64, [PVT_COMPLEX64] = name##c64,               \
  [PVT_COMPLEX128] = name##c128
#define LONG_INTEGERS(name) [PVT_INT64] = name##i64, [PVT_UINT64] = name##i64
#define PLACED(name)                                                                               \
  [PVT_INT32] = name##i32, [PVT_INT64] = name##i64, [PVT_UINT32] = name##u32,                      \
  [PVT_UINT64] = name##u64, FLOATS(name)
#define sum_u64 sum_i64

const pvt_reductions PVT_KERNEL(pvt_reductions) = {
    .row =
        {
            [PVT_SUM] = {ALL_INTEGERS(sum_), FLOATS(sum_)},
            [PVT_PROD] = {LONG_INTEGERS(product_), FLOATS(product_)},
            [PVT_MAX] = {ALL_INTEGERS(max_), FLOATS(max_)},
            [PVT_MIN] = {ALL_INTEGERS(min_), FLOATS(min_)},
            [PVT_ANY] = {[PVT_BOOL] = any_row},
            [PVT_ALL] = {[PVT_BOOL] = all_row},
            [PVT_COUNT_NONZERO] = {[PVT_BOOL] = count_row},
            [PVT_SUMSQ] = {LONG_INTEGERS(squares_)},
        },
    .fold =
        {
            [PVT_SUM] = {LONG_INTEGERS(fold_sum_), FLOATS(fold_sum_)},
            [PVT_PROD] = {LONG_INTEGERS(fold_product_), FLOATS(fold_product_)},
            [PVT_MAX] = {ALL_INTEGERS(fold_max_), FLOATS(fold_max_)},
            [PVT_MIN] = {ALL_INTEGERS(fold_min_), FLOATS(fold_min_)},
            [PVT_ANY] = {[PVT_BOOL] = fold_any},
            [PVT_ALL] = {[PVT_BOOL] = fold_all},
            [PVT_COUNT_NONZERO] = {[PVT_BOOL] = fold_count},
            [PVT_SUMSQ] = {LONG_INTEGERS(fold_squares_)},
        },
    .squares = {FLOATS(squares_)},
    .fold_squares = {FLOATS(fold_squares_)},
    .place = {{PLACED(smallest_)}, {PLACED(largest_)}},
    .fold_place = {{PLACED(fold_smallest_)}, {PLACED(fold_largest_)}},
};

/* sort.c - sorting lines of elements, and their indices.
**
** A line becomes keys (keys.h), which are sorted. Indices travel in the lower half of 64-bit
** keys; where elements have 64 bits themselves, their leading bits travel with the indices, and
** runs that are equal so far are put in order at last. Complex elements are merged.
*/
#include "keys.h"
#include "lines.h"

#include <string.h>

typedef struct sorter {
  pvt_dtype dtype;
  pvt_order order;
  int size; /* bytes of an element */
  bool descending;
  int64_t n;
  uint64_t infinity;
  pvt_buffer *scratch;
  char *room[3];    /* n 8-byte numbers each; for complex, the first 16-byte ones */
  uint64_t *counts; /* for pvt_sort_* */
} sorter;

static int prepare(sorter *s, const pvt_array *x, int64_t n, bool descending) {
  s->dtype = (pvt_dtype)x->dtype;
  s->order = pvt_order_of(s->dtype);
  s->size = (int)pvt_itemsize(s->dtype);
  s->descending = descending;
  s->n = n;
  s->infinity = pvt_infinity_bits(s->dtype);
  size_t room = (size_t)n * 8 + 128, first = s->size == 16 ? 2 * room : room;
  size_t counts = (size_t)pvt_sort_counts(n) * sizeof *s->counts;
  s->scratch = pvt_buffer_new(first + 2 * room + counts);
  if (s->scratch == NULL) return pvt_error_status();
  s->counts = pvt_buffer_data(s->scratch);
  s->room[0] = (char *)s->counts + counts;
  s->room[1] = s->room[0] + first / 64 * 64;
  s->room[2] = s->room[1] + room / 64 * 64;
  return PVT_OK;
}

/* ---- Elements and keys -------------------------------------------------- */

#define TOP(K) ((K)((K)1 << (sizeof(K) * 8 - 1)))
#define KEY(K, bits, order)                                                                        \
  ((order) == PVT_ORDER_UNSIGNED ? (bits)                                                          \
   : (order) == PVT_ORDER_SIGNED                                                                   \
       ? (K)((bits) ^ TOP(K))                                                                      \
       : (K)((bits) ^ ((K)(0 - ((bits) >> (sizeof(K) * 8 - 1))) | TOP(K))))
#define ELEMENT(K, key, order)                                                                     \
  ((order) == PVT_ORDER_UNSIGNED ? (key)                                                           \
   : (order) == PVT_ORDER_SIGNED                                                                   \
       ? (K)((key) ^ TOP(K))                                                                       \
       : (K)((key) ^ ((K)(((key) >> (sizeof(K) * 8 - 1)) - 1) | TOP(K))))

/* load: the keys of what is no NaN go to the front, NaNs (as they are) to the end, the last first;
** returns how many keys there are, or a status below 0. store: the opposite, NaNs in their order. settle_zeros: where
** there are -0 and 0, in whatever order they came. */
#define ELEMENTS(K)                                                                                \
  static int64_t load_##K(const sorter *s, const char *x, int64_t step, K *keys) {                 \
    int64_t n = s->n, nans = 0;                                                                    \
    pvt_pieces t = {.n = n};                                                                       \
    pvt_order order = s->order;                                                                    \
    K turn = s->descending ? (K) ~(K)0 : 0;                                                        \
    if (order != PVT_ORDER_FLOAT) {                                                                \
      K flip = (K)(turn ^ (order == PVT_ORDER_SIGNED ? TOP(K) : 0));                               \
      while (pvt_piece(&t)) {                                                                      \
        if (step == (int64_t)sizeof(K))                                                            \
          for (int64_t i = t.first; i < t.end; i++) keys[i] = ((const K *)x)[i] ^ flip;            \
        else                                                                                       \
          for (int64_t i = t.first; i < t.end; i++, x += step) keys[i] = *(const K *)x ^ flip;     \
      }                                                                                            \
      return t.status == PVT_OK ? n : t.status;                                                    \
    }                                                                                              \
    K infinity = (K)s->infinity, any = 0;                                                          \
    const char *first = x;                                                                         \
    while (pvt_piece(&t))                                                                          \
      for (int64_t i = t.first; i < t.end; i++, x += step) { /* as if there were no NaN */         \
        K bits = *(const K *)x;                                                                    \
        any |= (K)((K)(bits & (K)~TOP(K)) > infinity);                                             \
        keys[i] = KEY(K, bits, PVT_ORDER_FLOAT) ^ turn;                                            \
      }                                                                                            \
    if (t.status != PVT_OK) return t.status;                                                       \
    if (!any) return n;                                                                            \
    x = first;                                                                                     \
    t = (pvt_pieces){.n = n};                                                                      \
    while (pvt_piece(&t))                                                                          \
      for (int64_t i = t.first; i < t.end; i++, x += step) {                                       \
        K bits = *(const K *)x;                                                                    \
        bool nan = (K)(bits & (K)~TOP(K)) > infinity;                                              \
        K key = KEY(K, bits, PVT_ORDER_FLOAT) ^ turn;                                              \
        keys[nan ? n - 1 - nans : i - nans] = nan ? bits : key;                                    \
        nans += nan;                                                                               \
      }                                                                                            \
    return t.status == PVT_OK ? n - nans : t.status;                                               \
  }                                                                                                \
                                                                                                   \
  static int64_t below_##K(const K *keys, int64_t n, K key) {                                      \
    int64_t low = 0;                                                                               \
    while (n > 0) {                                                                                \
      int64_t half = n / 2;                                                                        \
      if (keys[low + half] < key) low += half + 1, n -= half + 1;                                  \
      else n = half;                                                                               \
    }                                                                                              \
    return low;                                                                                    \
  }                                                                                                \
                                                                                                   \
  static int settle_zeros_##K(const sorter *s, const char *x, int64_t step, K *keys,               \
                              int64_t count) {                                                     \
    K turn = s->descending ? (K) ~(K)0 : 0;                                                        \
    K minus = (K)(TOP(K) - 1) ^ turn, plus = TOP(K) ^ turn, least = minus < plus ? minus : plus;   \
    int64_t first = below_##K(keys, count, least);                                                 \
    if (first == count || keys[first] != least) return PVT_OK;                                     \
    int64_t other = below_##K(keys, count, (K)(least + 1));                                        \
    if (other == count || keys[other] != (K)(least + 1)) return PVT_OK;                            \
    pvt_pieces t = {.n = s->n};                                                                    \
    while (pvt_piece(&t))                                                                          \
      for (int64_t i = t.first; i < t.end; i++, x += step)                                         \
        if ((K)(*(const K *)x << 1) == 0) keys[first++] = *(const K *)x == 0 ? plus : minus;       \
    return t.status;                                                                               \
  }                                                                                                \
                                                                                                   \
  static int store_##K(const sorter *s, const K *keys, int64_t count, const K *nans, char *out,    \
                       int64_t step) {                                                             \
    K turn = s->descending ? (K) ~(K)0 : 0;                                                        \
    pvt_pieces t = {.n = count};                                                                   \
    if (s->order == PVT_ORDER_FLOAT) {                                                             \
      while (pvt_piece(&t))                                                                        \
        for (int64_t i = t.first; i < t.end; i++, out += step) {                                   \
          K key = keys[i] ^ turn;                                                                  \
          *(K *)out = ELEMENT(K, key, PVT_ORDER_FLOAT);                                            \
        }                                                                                          \
      if (t.status != PVT_OK) return t.status;                                                     \
      t = (pvt_pieces){.n = s->n - count};                                                         \
      while (pvt_piece(&t))                                                                        \
        for (int64_t i = t.first; i < t.end; i++, out += step) *(K *)out = nans[s->n - 1 - i];     \
      return t.status;                                                                             \
    }                                                                                              \
    K flip = (K)(turn ^ (s->order == PVT_ORDER_SIGNED ? TOP(K) : 0));                              \
    while (pvt_piece(&t))                                                                          \
      for (int64_t i = t.first; i < t.end; i++, out += step) *(K *)out = keys[i] ^ flip;           \
    return t.status;                                                                               \
  }                                                                                                \
                                                                                                   \
  static int sort_line_##K(sorter *s, const char *x, int64_t x_step, char *out,                    \
                           int64_t out_step) {                                                     \
    K *keys = (K *)s->room[0], *loaded = keys, *spare = (K *)s->room[1];                           \
    int64_t count = load_##K(s, x, x_step, keys);                                                  \
    if (count < 0) return (int)count;                                                              \
    int status = pvt_sort_##K(count, &keys, &spare, s->counts, 0, sizeof(K) * 8);                  \
    if (status == PVT_OK && s->order == PVT_ORDER_FLOAT)                                           \
      status = settle_zeros_##K(s, x, x_step, keys, count);                                        \
    return status == PVT_OK ? store_##K(s, keys, count, loaded, out, out_step) : status;           \
  }

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
ELEMENTS(u8)
ELEMENTS(u16)
ELEMENTS(u32)
ELEMENTS(u64)

/* ---- Merging indices ---------------------------------------------------- */

/* Sorts n indices, stable; the result is in *indices, which may have been exchanged with *spare.
** LESS(data, i, j) orders what i and j stand for. */
#define MERGE(name, DATA, LESS)                                                                    \
  static int name(const DATA *data, int64_t n, int64_t **indices, int64_t **spare) {               \
    enum { RUN = 16 };                                                                             \
    int64_t *a = *indices, *b = *spare;                                                            \
    pvt_pieces runs = {.n = n, .size = 128 * RUN};                                                 \
    while (pvt_piece(&runs))                                                                       \
      for (int64_t first = runs.first; first < runs.end; first += RUN) {                           \
        int64_t end = n - first < RUN ? n : first + RUN;                                           \
        for (int64_t i = first + 1; i < end; i++) {                                                \
          int64_t x = a[i], j = i;                                                                 \
          for (; j > first && LESS(data, x, a[j - 1]); j--) a[j] = a[j - 1];                       \
          a[j] = x;                                                                                \
        }                                                                                          \
      }                                                                                            \
    if (runs.status != PVT_OK) return runs.status;                                                 \
    int64_t work = 0;                                                                              \
    for (int64_t run = RUN; run < n; run *= 2) {                                                   \
      for (int64_t first = 0; first < n; first += 2 * run) {                                       \
        int64_t middle = n - first < run ? n : first + run;                                        \
        int64_t end = n - middle < run ? n : middle + run;                                         \
        int64_t i = first, j = middle, k = first;                                                  \
        while (i < middle && j < end) {                                                            \
          bool right = LESS(data, a[j], a[i]);                                                     \
          b[k++] = right ? a[j] : a[i];                                                            \
          j += right, i += !right;                                                                 \
          if (++work < 4096) continue;                                                             \
          work = 0;                                                                                \
          int status = pvt_poll();                                                                 \
          if (status != PVT_OK) return status;                                                     \
        }                                                                                          \
        int status = pvt_copy_bytes(b + k, a + i, (size_t)(middle - i) * sizeof *b);               \
        if (status == PVT_OK)                                                                      \
          status = pvt_copy_bytes(b + k + (middle - i), a + j, (size_t)(end - j) * sizeof *b);     \
        if (status != PVT_OK) return status;                                                       \
        work += (end - first) / 16;                                                                \
      }                                                                                            \
      int64_t *other = a;                                                                          \
      a = b;                                                                                       \
      b = other;                                                                                   \
    }                                                                                              \
    *indices = a;                                                                                  \
    *spare = b;                                                                                    \
    return PVT_OK;                                                                                 \
  }

#define LESS_KEY(data, i, j) ((data)[i] < (data)[j])
MERGE(merge_keys, uint64_t, LESS_KEY)

/* NumPy's order of complex numbers: those without NaN first, then with one in the imaginary part,
** in the real part, in both. Descending turns only the first round. */
#define COMPLEX_ORDER(T)                                                                           \
  static inline bool ascends_##T(const T *a, const T *b) {                                         \
    int class_a = 2 * (a[0] != a[0]) + (a[1] != a[1]);                                             \
    int class_b = 2 * (b[0] != b[0]) + (b[1] != b[1]);                                             \
    if (class_a != class_b) return class_a < class_b;                                              \
    if (!(class_a & 2) && a[0] != b[0]) return a[0] < b[0];                                        \
    return !(class_a & 1) && a[1] < b[1];                                                          \
  }                                                                                                \
                                                                                                   \
  static inline bool descends_##T(const T *a, const T *b) {                                        \
    bool nan = a[0] != a[0] || a[1] != a[1] || b[0] != b[0] || b[1] != b[1];                       \
    return nan ? ascends_##T(a, b) : ascends_##T(b, a);                                            \
  }

COMPLEX_ORDER(float)
COMPLEX_ORDER(double)
#define ASCENDS_float(data, i, j) ascends_float((data) + 2 * (i), (data) + 2 * (j))
#define DESCENDS_float(data, i, j) descends_float((data) + 2 * (i), (data) + 2 * (j))
#define ASCENDS_double(data, i, j) ascends_double((data) + 2 * (i), (data) + 2 * (j))
#define DESCENDS_double(data, i, j) descends_double((data) + 2 * (i), (data) + 2 * (j))
MERGE(merge_ascending_float, float, ASCENDS_float)
MERGE(merge_descending_float, float, DESCENDS_float)
MERGE(merge_ascending_double, double, ASCENDS_double)
MERGE(merge_descending_double, double, DESCENDS_double)

/* The line's elements are in room[0] then, *indices in room[1] or room[2]. */
static int order_complex(sorter *s, const char *x, int64_t step, int64_t **indices) {
  int64_t *spare = (int64_t *)s->room[2];
  *indices = (int64_t *)s->room[1];
  pvt_pieces t = {.n = s->n};
  while (pvt_piece(&t))
    for (int64_t i = t.first; i < t.end; i++) {
      memcpy(s->room[0] + i * s->size, x + i * step, (size_t)s->size);
      (*indices)[i] = i;
    }
  if (t.status != PVT_OK) return t.status;
  const float *f = (const float *)s->room[0];
  const double *d = (const double *)s->room[0];
  if (s->size == 8)
    return s->descending ? merge_descending_float(f, s->n, indices, &spare)
                         : merge_ascending_float(f, s->n, indices, &spare);
  return s->descending ? merge_descending_double(d, s->n, indices, &spare)
                       : merge_ascending_double(d, s->n, indices, &spare);
}

static int sort_line_complex(sorter *s, const char *x, int64_t x_step, char *out,
                             int64_t out_step) {
  int64_t *indices;
  int status = order_complex(s, x, x_step, &indices);
  if (status != PVT_OK) return status;
  pvt_pieces t = {.n = s->n, .size = PVT_TILE / 4}; /* indices are anywhere */
  while (pvt_piece(&t))
    for (int64_t i = t.first; i < t.end; i++)
      memcpy(out + i * out_step, s->room[0] + indices[i] * s->size, (size_t)s->size);
  return t.status;
}

/* ---- Indices ------------------------------------------------------------ */

static int store_indices(const uint64_t *indices, int64_t n, uint64_t mask, char *out,
                         int64_t step) {
  pvt_pieces t = {.n = n};
  while (pvt_piece(&t))
    for (int64_t i = t.first; i < t.end; i++)
      *(int64_t *)(out + i * step) = (int64_t)(indices[i] & mask);
  return t.status;
}

/* Elements of up to 32 bits: key and index make one number. -0 gets 0's key. NaNs' indices follow
** in their order; they wait at the end, the last first. Returns as load does. */
#define PACK(K)                                                                                    \
  static int64_t pack_##K(const sorter *s, const char *x, int64_t step, uint64_t *packed) {        \
    int64_t n = s->n, nans = 0;                                                                    \
    pvt_pieces t = {.n = n};                                                                       \
    K turn = s->descending ? (K) ~(K)0 : 0, infinity = (K)s->infinity;                             \
    if (s->order != PVT_ORDER_FLOAT) {                                                             \
      K flip = (K)(turn ^ (s->order == PVT_ORDER_SIGNED ? TOP(K) : 0));                            \
      while (pvt_piece(&t))                                                                        \
        for (int64_t i = t.first; i < t.end; i++, x += step)                                       \
          packed[i] = (uint64_t)(K)(*(const K *)x ^ flip) << 32 | (uint64_t)i;                     \
      return t.status == PVT_OK ? n : t.status;                                                    \
    }                                                                                              \
    while (pvt_piece(&t))                                                                          \
      for (int64_t i = t.first; i < t.end; i++, x += step) {                                       \
        K bits = *(const K *)x;                                                                    \
        bits = (K)(bits << 1) == 0 ? 0 : bits;                                                     \
        bool nan = (K)(bits & (K)~TOP(K)) > infinity;                                              \
        K key = KEY(K, bits, PVT_ORDER_FLOAT) ^ turn;                                              \
        packed[nan ? n - 1 - nans : i - nans] = (uint64_t)key << 32 | (uint64_t)i;                 \
        nans += nan;                                                                               \
      }                                                                                            \
    return t.status == PVT_OK ? n - nans : t.status;                                               \
  }

PACK(u8)
PACK(u16)
PACK(u32)

static int argsort_line_packed(sorter *s, const char *x, int64_t x_step, char *out,
                               int64_t out_step) {
  uint64_t *packed = (uint64_t *)s->room[0], *loaded = packed, *spare = (uint64_t *)s->room[1];
  int64_t count = s->size == 1   ? pack_u8(s, x, x_step, packed)
                  : s->size == 2 ? pack_u16(s, x, x_step, packed)
                                 : pack_u32(s, x, x_step, packed);
  if (count < 0) return (int)count;
  int status = pvt_sort_u64(count, &packed, &spare, s->counts, 32, 32 + 8 * s->size);
  if (status == PVT_OK) status = store_indices(packed, count, UINT32_MAX, out, out_step);
  if (status != PVT_OK) return status;
  pvt_pieces t = {.n = s->n - count};
  while (pvt_piece(&t))
    for (int64_t i = t.first; i < t.end; i++)
      *(int64_t *)(out + (count + i) * out_step) = (int64_t)(loaded[s->n - 1 - i] & UINT32_MAX);
  return t.status;
}

/* Keys of 64 bits, or more elements than 32 bits count. keys[i] is element i's key; NaNs come
** behind all others, as the largest number. */
static int keys_of_line(const sorter *s, const char *x, int64_t step, uint64_t *keys) {
  pvt_pieces t = {.n = s->n};
  while (pvt_piece(&t))
    for (int64_t i = t.first; i < t.end; i++, x += step) {
      uint64_t bits = 0;
      memcpy(&bits, x, (size_t)s->size);
      if (s->order == PVT_ORDER_SIGNED) {
        bits ^= (uint64_t)1 << (8 * s->size - 1);
      } else if (s->order == PVT_ORDER_FLOAT) {
        uint64_t top = (uint64_t)1 << (8 * s->size - 1);
        bool nan = (bits & (top - 1)) > s->infinity;
        if ((bits & (top - 1)) == 0) bits = 0;
        bits = bits & top ? ~bits & (2 * top - 1) : bits | top;
        if (s->descending) bits = ~bits & (2 * top - 1);
        keys[i] = nan ? UINT64_MAX : bits;
        continue;
      }
      keys[i] = s->descending ? ~bits : bits;
    }
  return t.status;
}

/* packed's runs of one leading part are put in order by the whole keys. */
static int settle_runs(const uint64_t *keys, uint64_t *packed, int64_t n, int64_t *spare) {
  for (int64_t first = 0, end = 0, seen = 0; first < n; first = end) {
    uint64_t leading = packed[first] >> 32;
    pvt_pieces t = {.n = n - first};
    bool same = true;
    while (same && pvt_piece(&t))
      for (end = first + t.first; end < first + t.end && same; end += same)
        same = packed[end] >> 32 == leading;
    int status = t.status;
    if (status == PVT_OK && end - first > 1) {
      int64_t *run = (int64_t *)packed + first, *room = spare;
      pvt_pieces u = {.n = end - first};
      while (pvt_piece(&u))
        for (int64_t i = first + u.first; i < first + u.end; i++) packed[i] &= UINT32_MAX;
      status = u.status == PVT_OK ? merge_keys(keys, end - first, &run, &room) : u.status;
      if (status == PVT_OK && run == spare)
        status = pvt_copy_bytes(packed + first, spare, (size_t)(end - first) * sizeof *spare);
    }
    if (status == PVT_OK && end - seen >= PVT_TILE / 8) {
      seen = end;
      status = pvt_poll();
    }
    if (status != PVT_OK) return status;
  }
  return PVT_OK;
}

static int argsort_line_wide(sorter *s, const char *x, int64_t x_step, char *out,
                             int64_t out_step) {
  uint64_t *keys = (uint64_t *)s->room[0], *packed = (uint64_t *)s->room[1];
  uint64_t *spare = (uint64_t *)s->room[2], low = UINT64_MAX, high = 0;
  int64_t n = s->n;
  int status = keys_of_line(s, x, x_step, keys);
  if (status != PVT_OK) return status;
  pvt_pieces t = {.n = n};
  while (pvt_piece(&t))
    for (int64_t i = t.first; i < t.end; i++) {
      low = keys[i] < low ? keys[i] : low;
      high = keys[i] > high ? keys[i] : high;
    }
  if (t.status != PVT_OK) return t.status;
  t = (pvt_pieces){.n = n};
  if (n > (int64_t)UINT32_MAX) {
    int64_t *indices = (int64_t *)packed, *room = (int64_t *)spare;
    while (pvt_piece(&t))
      for (int64_t i = t.first; i < t.end; i++) indices[i] = i;
    status = t.status == PVT_OK ? merge_keys(keys, n, &indices, &room) : t.status;
    if (status != PVT_OK) return status;
    return store_indices((const uint64_t *)indices, n, UINT64_MAX, out, out_step);
  }
  int bits = high > low ? 64 - __builtin_clzll(high - low) : 0, rest = bits > 32 ? bits - 32 : 0;
  while (pvt_piece(&t))
    for (int64_t i = t.first; i < t.end; i++)
      packed[i] = (keys[i] - low) >> rest << 32 | (uint64_t)i;
  if (t.status != PVT_OK) return t.status;
  status = pvt_sort_u64(n, &packed, &spare, s->counts, 32, 32 + (bits - rest));
  if (status == PVT_OK && rest > 0) status = settle_runs(keys, packed, n, (int64_t *)spare);
  return status == PVT_OK ? store_indices(packed, n, UINT32_MAX, out, out_step) : status;
}

static int argsort_line_complex(sorter *s, const char *x, int64_t x_step, char *out,
                                int64_t out_step) {
  int64_t *indices;
  int status = order_complex(s, x, x_step, &indices);
  if (status != PVT_OK) return status;
  return store_indices((const uint64_t *)indices, s->n, UINT64_MAX, out, out_step);
}

/* ---- Selection ---------------------------------------------------------- */

#define SELECT_LINE(K)                                                                             \
  static int select_line_##K(sorter *s, const char *x, int64_t x_step, int64_t at, char *out,      \
                             int64_t out_step) {                                                   \
    K *keys = (K *)s->room[0];                                                                     \
    int64_t count = load_##K(s, x, x_step, keys);                                                  \
    if (count < 0) return (int)count;                                                              \
    int status = at < count ? pvt_select_##K(count, keys, (K *)s->room[1], at) : PVT_OK;           \
    return status == PVT_OK ? store_##K(s, keys, count, keys, out, out_step) : status;             \
  }

SELECT_LINE(u32)
SELECT_LINE(u64)

/* The element's key is found first; then indices of smaller, of equal and of larger keys follow. */
static int argselect_line(sorter *s, const char *x, int64_t x_step, int64_t at, char *out,
                          int64_t out_step) {
  uint64_t *keys = (uint64_t *)s->room[0], *copy = (uint64_t *)s->room[1];
  int64_t n = s->n, less = 0, equal = 0;
  int status = keys_of_line(s, x, x_step, keys);
  if (status == PVT_OK) status = pvt_copy_bytes(copy, keys, (size_t)n * sizeof *keys);
  if (status == PVT_OK) status = pvt_select_u64(n, copy, (uint64_t *)s->room[2], at);
  if (status != PVT_OK) return status;
  uint64_t pivot = copy[at];
  pvt_pieces t = {.n = n};
  while (pvt_piece(&t))
    for (int64_t i = t.first; i < t.end; i++) less += keys[i] < pivot, equal += keys[i] == pivot;
  if (t.status != PVT_OK) return t.status;
  int64_t place[3] = {0, less, less + equal};
  t = (pvt_pieces){.n = n};
  while (pvt_piece(&t))
    for (int64_t i = t.first; i < t.end; i++) {
      int class = keys[i] < pivot ? 0 : keys[i] == pivot ? 1 : 2;
      *(int64_t *)(out + place[class]++ * out_step) = i;
    }
  return t.status;
}

/* ---- Arrays ------------------------------------------------------------- */

typedef int by_line(sorter *s, const char *x, int64_t x_step, char *out, int64_t out_step);

static by_line *sort_line(pvt_dtype dtype) {
  if (pvt_dtype_kind(dtype) == PVT_KIND_COMPLEX) return sort_line_complex;
  switch (pvt_itemsize(dtype)) {
  case 1: return sort_line_u8;
  case 2: return sort_line_u16;
  case 4: return sort_line_u32;
  default: return sort_line_u64;
  }
}

static by_line *argsort_line(pvt_dtype dtype, int64_t n) {
  if (pvt_dtype_kind(dtype) == PVT_KIND_COMPLEX) return argsort_line_complex;
  return pvt_itemsize(dtype) < 8 && n <= (int64_t)UINT32_MAX ? argsort_line_packed
                                                             : argsort_line_wide;
}

typedef struct request {
  const char *name;
  bool indices, descending;
  int64_t select; /* this element only; ALL */
} request;
#define ALL INT64_MIN

static int run_lines(const request *r, const pvt_array *x, int axis, pvt_array *out) {
  pvt_lines lines;
  int status = pvt_lines_init(&lines, r->name, x, out, axis);
  if (status != PVT_OK) return status;
  int64_t n = lines.x_count, at = r->select, since = 0;
  if (n != lines.out_count)
    return pvt_fail(PVT_E_SHAPE, "%s: the result has size %lld along the axis, not %lld", r->name,
                    (long long)lines.out_count, (long long)n);
  if (at != ALL) {
    if (at < -n || at >= n)
      return pvt_fail(PVT_E_VALUE, "%s: kth(=%lld) out of bounds (%lld)", r->name, (long long)at,
                      (long long)n);
    if (at < 0) at += n;
  }
  if (lines.done || n == 0) return PVT_OK;
  sorter s;
  if ((status = prepare(&s, x, n, r->descending)) != PVT_OK) return status;
  bool whole = at == ALL || pvt_dtype_kind(s.dtype) == PVT_KIND_COMPLEX;
  by_line *all = r->indices ? argsort_line(s.dtype, n) : sort_line(s.dtype);
  for (; !lines.done && status == PVT_OK; pvt_lines_next(&lines)) {
    if (whole || (!r->indices && s.size < 4))
      status = all(&s, lines.x, lines.x_step, lines.out, lines.out_step);
    else if (r->indices)
      status = argselect_line(&s, lines.x, lines.x_step, at, lines.out, lines.out_step);
    else if (s.size == 4)
      status = select_line_u32(&s, lines.x, lines.x_step, at, lines.out, lines.out_step);
    else status = select_line_u64(&s, lines.x, lines.x_step, at, lines.out, lines.out_step);
    since += n + 64; /* a line takes some time, however short */
    if (since < PVT_TILE / 4 || status != PVT_OK) continue;
    since = 0;
    status = pvt_poll();
  }
  pvt_buffer_release(s.scratch);
  return status;
}

static int run(const request *r, const pvt_array *x, int axis, pvt_array *out) {
  pvt_dtype wanted = r->indices ? PVT_INT64 : (pvt_dtype)x->dtype;
  if (out->dtype != wanted)
    return pvt_fail(PVT_E_DTYPE, "%s: the result must be of type %s, not %s", r->name,
                    pvt_dtype_name(wanted), pvt_dtype_name(out->dtype));
  if (!pvt_array_overlap(x, out) || pvt_array_same(x, out)) return run_lines(r, x, axis, out);
  pvt_array copy;
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < out->ndim; i++) shape[i] = out->dim[i].size;
  int status = pvt_array_new(&copy, wanted, out->ndim, shape);
  if (status != PVT_OK) return status;
  status = run_lines(r, x, axis, &copy);
  if (status == PVT_OK) status = pvt_copy(&copy, out);
  pvt_array_release(&copy);
  return status;
}

int pvt_sort(const pvt_array *x, int axis, bool descending, pvt_array *out) {
  return run(&(request){"sort", false, descending, ALL}, x, axis, out);
}

int pvt_argsort(const pvt_array *x, int axis, bool descending, pvt_array *out) {
  return run(&(request){"argsort", true, descending, ALL}, x, axis, out);
}

int pvt_partition(const pvt_array *x, int axis, int64_t k, pvt_array *out) {
  return run(&(request){"partition", false, false, k}, x, axis, out);
}

int pvt_argpartition(const pvt_array *x, int axis, int64_t k, pvt_array *out) {
  return run(&(request){"argpartition", true, false, k}, x, axis, out);
}

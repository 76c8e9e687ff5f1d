/* kernels.h - the table of kernels that each instruction set fills in.
**
** Every file of this folder is compiled once for each instruction set (engine/build.py), with
** PVT_ISA defined as its name. What such a file defines is static or carries the name, through
** PVT_KERNEL. Entries may be NULL: then the operator converts to a type that has one (float16 and
** bfloat16 through float32), or refuses. Tables are constant: kernels hold no state.
*/
#ifndef PVT_KERNELS_H
#define PVT_KERNELS_H

#include "loop.h"

#define PVT_JOIN_(a, b) a##_##b
#define PVT_JOIN(a, b) PVT_JOIN_(a, b)
#define PVT_KERNEL(name) PVT_JOIN(name, PVT_ISA)

/* Inputs and result are of the operator's loop type, but for predicates and comparisons, whose
** result is bool, and for absolute, real, imag, angle of complex, whose result is real. Operators
** have rows of kernels by loop type. */
/* e^x of n contiguous elements, divided by their sum, or the logarithm of that. n >= 1; out may be
** x. PVT_OK or PVT_E_CANCELLED. */
typedef int pvt_softmax_kernel(int64_t n, const void *x, void *out, bool logarithm);

typedef struct pvt_elementwise {
  pvt_kernel *const *unary[PVT_UNARY_OPS];
  pvt_kernel *const *binary[PVT_BINARY_OPS];
  pvt_kernel *const *mixed; /* the six comparisons, from PVT_EQUAL on, of int64 with uint64 */
  pvt_kernel *const *where; /* by the logarithm of the size (0 to 4): condition, a, b, out */
  pvt_kernel *const *clip;  /* by type: x, low, high, out */
  pvt_kernel *const (*activations)[PVT_DTYPES]; /* see activations.h */
  pvt_softmax_kernel *const *softmax;           /* float32, float64 */
} pvt_elementwise;

/* Reductions see contiguous elements, of one of the types that they have a kernel for: callers
** convert others, in blocks. n >= 1. */

/* *out = all of x. */
typedef void pvt_row_kernel(int64_t n, const char *x, char *out);
/* out[i] = out[i] op x[i]. */
typedef void pvt_fold_kernel(int64_t n, const char *x, char *out);
/* *out = the squared distances of all x from *mean; out[i] += that of x[i] from mean[i]. Both are
** real, the means are of x's type. */
typedef void pvt_squares_kernel(int64_t n, const char *x, const char *mean, char *out);
/* Where x's first extreme is, if it is beyond *best, which it becomes (`first`: whatever that is);
** otherwise -1. 16 bytes for *best. */
typedef int64_t pvt_place_kernel(int64_t n, const char *x, bool first, char *best);
/* Where x[i] is beyond best[i], that becomes x[i] and place[i] `index`; with index 0 everywhere.
** Places are int32 for types of up to 4 bytes, else int64. */
typedef void pvt_fold_place_kernel(int64_t n, const char *x, int64_t index, char *best,
                                   char *places);

/* Elements that are added in a row before sums are added in pairs. */
#define PVT_REDUCE_BLOCK 1024

typedef struct pvt_reductions {
  /* Sums of integers give int64. Counts take bool and give int64; any and all take bool. */
  pvt_row_kernel *row[PVT_REDUCE_OPS][PVT_DTYPES];
  pvt_fold_kernel *fold[PVT_REDUCE_OPS][PVT_DTYPES];
  pvt_squares_kernel *squares[PVT_DTYPES];
  pvt_squares_kernel *fold_squares[PVT_DTYPES];
  pvt_place_kernel *place[2][PVT_DTYPES]; /* smallest, largest */
  pvt_fold_place_kernel *fold_place[2][PVT_DTYPES];
} pvt_reductions;

/* out[i] = *carry op x[0] op ... op x[i], and *carry the last of them; `first`: without *carry.
** x and out are contiguous and do not overlap. */
typedef void pvt_scan_kernel(int64_t n, const char *x, char *out, char *carry, bool first);

typedef struct pvt_scans {
  pvt_scan_kernel *scan[PVT_SCAN_OPS][PVT_DTYPES];
} pvt_scans;

/* Conversion of contiguous or strided elements; see pvt_cast_find. */
typedef struct pvt_casts {
  pvt_cast_kernel *cast[PVT_DTYPES][PVT_DTYPES];
} pvt_casts;

/* Moving elements, by the logarithm of their size (0 to 4). */
typedef struct pvt_movers {
  /* rows x columns elements: target[j][i] = source[i][j]; strides in bytes; the source's columns
  ** and the target's rows lie side by side. */
  void (*transpose[5])(int64_t rows, int64_t columns, const char *source, int64_t source_stride,
                       char *target, int64_t target_stride);
} pvt_movers;

/* Choosing elements, by the logarithm of their size. Masks are bytes of 0 or 1. */
typedef struct pvt_choosers {
  /* Elements of x whose mask byte is set, one behind the other; returns how many. No more than
  ** `room` elements of out are written, chosen or not. */
  int64_t (*compress[5])(int64_t n, const char *x, const char *mask, char *out, int64_t room);
  /* x[i] = the next of `left` values where the mask is set; returns how many were used, 0 if
  ** value_stride is 0. */
  int64_t (*expand[5])(int64_t n, const char *values, int64_t value_stride, int64_t left,
                       const char *mask, char *x);
  /* start + i as int64 for every mask byte i that is set. */
  int64_t (*places)(int64_t n, const char *mask, int64_t start, char *out, int64_t room);
  /* out[i] = the element at x + offset[i]; the reverse. */
  void (*gather[5])(int64_t n, const char *x, const int64_t *offset, char *out);
  void (*scatter[5])(int64_t n, const char *values, int64_t stride, const int64_t *offset, char *x);
  /* offset[i] += stride * index[i], negative indices counted from the end of `size`. Returns n, or
  ** the first i whose index is out of bounds. */
  int64_t (*add_offsets)(int64_t n, const char *index, int64_t index_stride, int64_t size,
                         int64_t stride, int64_t *offset);
} pvt_choosers;

/* Products c = a b, c += a b or c -= a b: m x k times k x n. Strides of a and b are any, in
** elements; c's columns lie side by side. They poll, and take scratch memory as they need it:
** PVT_OK or a negative status, c then being half done. Integers wrap; booleans are or-ed. Those
** only set. */
typedef enum pvt_into { PVT_SET, PVT_PLUS, PVT_MINUS } pvt_into;
typedef int pvt_gemm(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row,
                     int64_t a_column, const void *b, int64_t b_row, int64_t b_column, void *c,
                     int64_t c_row, pvt_into into);
typedef struct pvt_products {
  pvt_gemm *gemm[PVT_DTYPES]; /* float16 and bfloat16: NULL */
} pvt_products;

/* Factorings of one matrix in place, its columns side by side, rows `row` elements apart. All
** poll: PVT_OK or a negative status. See factors.inc for what is left where. */
#define PVT_REFLECTORS 32 /* columns of a block in QR */
typedef struct pvt_factors {
  /* Of m x n, with partial pivoting: row i was exchanged with row pivots[i]. *zero is the first
  ** column whose pivot is 0, or -1. */
  int (*lu)(int64_t m, int64_t n, void *a, int64_t row, int64_t *pivots, int64_t *zero);
  /* b (n x k) becomes the solution. */
  int (*lu_solve)(int64_t n, int64_t k, const void *lu, int64_t row, const int64_t *pivots, void *b,
                  int64_t b_row);
  /* The lower triangle is read and replaced, the rest left as it is. *bad: the first row where the
  ** matrix turns out not to be positive definite, or -1. */
  int (*cholesky)(int64_t n, void *a, int64_t row, int64_t *bad);
  /* Householder QR. t: min(m, n) rows of PVT_REFLECTORS. */
  int (*qr)(int64_t m, int64_t n, void *a, int64_t row, void *t);
  /* The first `columns` columns of Q (m x columns) from what qr left; k = min(m, n) there. */
  int (*qr_q)(int64_t m, int64_t k, const void *a, int64_t row, const void *t, int64_t columns,
              void *q, int64_t q_row);
} pvt_factors;

/* One pass of a Fourier transform by Stockham's scheme, real and imaginary parts apart: for p from
** `first` up to `end`, q < stride, with m = length / radix,
**   to[q + stride (radix p + k)] = w^(p k) sum over j of from[q + stride (p + m j)] r^(j k)
** where w and r are exp(-2 pi i / length) and exp(-2 pi i / radix). passes.c has the radices. */
typedef struct pvt_pass {
  int radix;
  int64_t m, stride, width; /* q < width only, which may be less for strides of 8 and more */
  const void *twiddles;     /* [p][k - 1] pairs, for strides of 8 and more */
  const void *spread;       /* [k - 1][real, imaginary][q + stride p], for smaller ones */
  const void *roots;        /* cosines of 2 pi j / radix, then sines */
} pvt_pass;
#define PVT_MAX_RADIX 47
typedef void pvt_pass_kernel(const pvt_pass *pass, int64_t first, int64_t end,
                             const void *from_real, const void *from_imag, void *to_real,
                             void *to_imag);
typedef struct pvt_passes {
  pvt_pass_kernel *f32;
  pvt_pass_kernel *f64;
  int64_t lanes_f32, lanes_f64; /* lines that are best transformed at once */
} pvt_passes;

/* Sorting unsigned keys, and putting the one that belongs at `at` there, smaller ones before it.
** `spare` has room for as many keys and 64 bytes. Both poll. NULL: there are none. */
typedef struct pvt_sorting {
  int (*sort_u32)(int64_t n, uint32_t *keys, uint32_t *spare);
  int (*sort_u64)(int64_t n, uint64_t *keys, uint64_t *spare);
  int (*select_u32)(int64_t n, uint32_t *keys, uint32_t *spare, int64_t at);
  int (*select_u64)(int64_t n, uint64_t *keys, uint64_t *spare, int64_t at);
} pvt_sorting;

struct pvt_layers; /* layers.h */

typedef struct pvt_kernels {
  const char *isa;
  const pvt_elementwise *elementwise;
  const pvt_reductions *reductions;
  const pvt_scans *scans;
  const pvt_casts *casts;
  const pvt_movers *movers;
  const pvt_choosers *choosers;
  const pvt_products *products;
  const pvt_passes *passes;
  const pvt_sorting *sorting;
  const pvt_factors *factors; /* float32, float64, complex64, complex128 */
  const struct pvt_layers *layers;
} pvt_kernels;

/* The best that this machine runs. */
const pvt_kernels *pvt_kernels_get(void);

#endif

/* tensor.h - PolyVM's tensor engine: arrays and operators, without any Python in it.
**
** This header is the manual of the engine's arrays. Limits first:
**
** - Up to PVT_MAX_DIMS dimensions; sizes, strides and offsets are int64.
** - Every function may be called from any number of threads at once, on arrays that share
**   buffers, as long as nobody writes what another reads. There is no global lock, and no
**   thread is started.
** - What one thread uses is counted by its context's account, and a call there ends early with
**   PVT_E_CANCELLED when the context says so: kernels ask at least every 100 us or so.
** - Big-endian machines are not supported. x86-64 has AVX2 and AVX-512 kernels, chosen at run
**   time; everything else has portable ones.
**
** Conventions: functions return PVT_OK (0) or a negative pvt_status, and then pvt_error() has one
** sentence about it for this thread. Results go into arrays that the caller has prepared, of
** the shape and the type that the operator gives; no operator allocates its result. Scratch
** memory is charged and given back in every case. Strides are in bytes.
*/
#ifndef PVT_TENSOR_H
#define PVT_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PVT_API __attribute__((visibility("default")))
#define PVT_PRINTF(a, b) __attribute__((format(printf, a, b)))
#else
#define PVT_API
#define PVT_PRINTF(a, b)
#endif

#define PVT_MAX_DIMS 32
#define PVT_ERROR_MAX 1024

typedef enum pvt_status {
  PVT_OK = 0,
  PVT_E_NOMEM = -1,       /* memory could not be had */
  PVT_E_QUOTA = -2,       /* the account may not hold so much */
  PVT_E_CANCELLED = -3,   /* the context asked to stop */
  PVT_E_SHAPE = -4,       /* shapes do not fit, or are too large */
  PVT_E_DTYPE = -5,       /* the operator does not take these types */
  PVT_E_INDEX = -6,       /* an index is out of bounds */
  PVT_E_AXIS = -7,        /* an axis is out of bounds, or named twice */
  PVT_E_VALUE = -8,       /* an argument is out of its stated range */
  PVT_E_READONLY = -9,    /* the result's buffer may only be read */
  PVT_E_LINALG = -10,     /* a matrix is singular, or an iteration did not converge */
  PVT_E_UNSUPPORTED = -11 /* needs a library that is not there */
} pvt_status;

/* This thread's last error, in one sentence. Valid until its next failing call. */
PVT_API const char *pvt_error(void);
/* The pvt_status that came with it. */
PVT_API int pvt_error_status(void);
/* Set both; returns `status`. For the engine's own files and for bindings. */
PVT_API int pvt_fail(int status, const char *format, ...) PVT_PRINTF(2, 3);

/* ---- Types -------------------------------------------------------------- */

typedef enum pvt_dtype {
  PVT_BOOL = 0, /* one byte, 0 or 1 */
  PVT_INT8,
  PVT_INT16,
  PVT_INT32,
  PVT_INT64,
  PVT_UINT8,
  PVT_UINT16,
  PVT_UINT32,
  PVT_UINT64,
  PVT_FLOAT16,
  PVT_BFLOAT16,
  PVT_FLOAT32,
  PVT_FLOAT64,
  PVT_COMPLEX64, /* two float32, real first */
  PVT_COMPLEX128
} pvt_dtype;
#define PVT_DTYPES 15

typedef enum pvt_kind {
  PVT_KIND_BOOL,
  PVT_KIND_INT,
  PVT_KIND_UINT,
  PVT_KIND_FLOAT,
  PVT_KIND_COMPLEX
} pvt_kind;

PVT_API size_t pvt_itemsize(pvt_dtype dtype);
PVT_API pvt_kind pvt_dtype_kind(pvt_dtype dtype);
/* "bool", "int8", ... as NumPy spells them, and "bfloat16"; NULL for a number that is none. */
PVT_API const char *pvt_dtype_name(int dtype);
/* The smallest type that both fit in by the Array API standard, where it says nothing by
** NumPy's rules (int64 with uint64 gives float64, int32 with float32 float64); float16 with
** bfloat16 gives float32. */
PVT_API pvt_dtype pvt_promote(pvt_dtype a, pvt_dtype b);
/* NumPy's casting rules: safe loses nothing; same_kind may lose precision, not kind. */
typedef enum pvt_casting { PVT_CAST_SAFE, PVT_CAST_SAME_KIND, PVT_CAST_UNSAFE } pvt_casting;
PVT_API bool pvt_can_cast(pvt_dtype from, pvt_dtype to, pvt_casting casting);

/* ---- Accounts and contexts ---------------------------------------------- */

/* Whose memory is it. Reference-counted; a buffer keeps its account as long as it lives, so an
** account outlives who opened it. `admit` is asked, on the allocating thread, before `bytes`
** more are charged, and says 0 to refuse; NULL admits everything. */
typedef struct pvt_account pvt_account;
PVT_API pvt_account *pvt_account_new(int (*admit)(void *arg, size_t bytes), void *arg);
/* Buffers keep the account; nothing is asked of `admit` any more. */
PVT_API void pvt_account_close(pvt_account *account);
PVT_API size_t pvt_account_bytes(const pvt_account *account);
PVT_API size_t pvt_account_peak(const pvt_account *account);

/* What a thread brings along. *attention is looked at between tiles of work; if it is not
** 0, attend(arg) is called, which may wait, and returns 0 to go on or another number to
** stop the operator with PVT_E_CANCELLED. All fields may be NULL. */
typedef struct pvt_context {
  pvt_account *account;
  const _Atomic uint32_t *attention;
  int (*attend)(void *arg);
  void *arg;
} pvt_context;

/* Make it this thread's; returns the one before. NULL: nothing is counted, nothing asked.
** The caller keeps it in place while it is set. */
PVT_API const pvt_context *pvt_context_set(const pvt_context *context);
PVT_API const pvt_context *pvt_context_get(void);

/* For processes that hold secrets, for good: freed buffers are overwritten. */
PVT_API void pvt_wipe_freed(void);

/* ---- Buffers and arrays ------------------------------------------------- */

/* Memory of arrays: reference-counted with atomic counts, aligned to 64 bytes unless it is
** foreign, charged to the account of the thread that made it. */
typedef struct pvt_buffer pvt_buffer;

/* Not initialised. size 0 is allowed. NULL after pvt_fail. */
PVT_API pvt_buffer *pvt_buffer_new(size_t size);
/* Somebody else's memory: release(owner) is called, from whatever thread, when the last
** reference goes. Not charged. On failure release is not called. */
PVT_API pvt_buffer *pvt_buffer_foreign(void *data, size_t size, void (*release)(void *owner),
                                       void *owner);
PVT_API bool pvt_buffer_is_foreign(const pvt_buffer *buffer);
PVT_API pvt_buffer *pvt_buffer_retain(pvt_buffer *buffer);
PVT_API void pvt_buffer_release(pvt_buffer *buffer); /* NULL is fine */
PVT_API void *pvt_buffer_data(const pvt_buffer *buffer);
PVT_API size_t pvt_buffer_size(const pvt_buffer *buffer);
/* How many references there are now; 1 means the caller's is the only one. */
PVT_API uint32_t pvt_buffer_references(const pvt_buffer *buffer);

typedef struct pvt_dim {
  int64_t size;   /* elements, 0 or more */
  int64_t stride; /* bytes, of any sign; 0 where one element stands for many */
} pvt_dim;

/* A strided view of a buffer. Sizes and strides are interleaved and come last, so that whoever
** keeps many arrays may leave out the dimensions beyond ndim: functions never touch those. */
typedef struct pvt_array {
  char *data;         /* of the first element */
  pvt_buffer *buffer; /* a reference; NULL: the memory is the caller's */
  uint8_t dtype;      /* pvt_dtype */
  uint8_t ndim;
  bool writable;
  pvt_dim dim[PVT_MAX_DIMS];
} pvt_array;

/* A new array in C order, not initialised. PVT_E_SHAPE for negative sizes and for more than
** 2^62 bytes. Release with pvt_array_release. */
PVT_API int pvt_array_new(pvt_array *array, pvt_dtype dtype, int ndim, const int64_t *shape);
/* The same, filled with zero bytes. */
PVT_API int pvt_array_zeros(pvt_array *array, pvt_dtype dtype, int ndim, const int64_t *shape);
/* Describe memory in C order that the caller keeps. */
PVT_API void pvt_array_over(pvt_array *array, void *data, pvt_dtype dtype, int ndim,
                            const int64_t *shape);
/* Copy the description and take a reference. `view` may be `array`'s neighbour, not itself. */
PVT_API void pvt_array_view(pvt_array *view, const pvt_array *array);
PVT_API void pvt_array_release(pvt_array *array);

PVT_API int64_t pvt_array_count(const pvt_array *array); /* elements */
PVT_API bool pvt_array_is_contiguous(const pvt_array *array); /* C order without gaps */
PVT_API bool pvt_array_is_fortran(const pvt_array *array);    /* Fortran order without gaps */
/* May writing one change the other? Bounds are compared, so it may say yes for interleaved
** views that do not meet. */
PVT_API bool pvt_array_overlap(const pvt_array *a, const pvt_array *b);
/* Same memory, shape, strides and type. */
PVT_API bool pvt_array_same(const pvt_array *a, const pvt_array *b);

/* "(2, 3)", "(5,)" or "()", cut short if it is long, for sentences; returns `text`. */
#define PVT_SHAPE_TEXT 128
PVT_API const char *pvt_shape_text(const pvt_array *array, char text[PVT_SHAPE_TEXT]);

/* Views: only the description changes, no data. All change `array` in place. */
PVT_API int pvt_view_broadcast(pvt_array *array, int ndim, const int64_t *shape);
PVT_API int pvt_view_permute(pvt_array *array, const int *axes); /* ndim of them */
/* start, count and step as resolved against the size: count elements from `start` on. */
PVT_API int pvt_view_slice(pvt_array *array, int axis, int64_t start, int64_t count, int64_t step);
PVT_API int pvt_view_insert(pvt_array *array, int axis); /* a dimension of 1 before `axis` */
PVT_API int pvt_view_remove(pvt_array *array, int axis); /* a dimension of 1 */
/* Another shape for the same elements in C order. *possible is false, and nothing changed,
** where that takes a copy; PVT_E_SHAPE where the counts differ. */
PVT_API int pvt_view_reshape(pvt_array *array, int ndim, const int64_t *shape, bool *possible);

/* What two shapes broadcast to. PVT_E_SHAPE where they do not. */
PVT_API int pvt_broadcast_shapes(const pvt_array *a, const pvt_array *b, int *ndim,
                                 int64_t shape[PVT_MAX_DIMS]);

/* ---- Sharing ------------------------------------------------------------ */

/* Arrays whose elements others may read where they lie: other VMs, and the host. What crosses is
** a handle, some bytes that name the buffer in a table of this process, and say which elements.
**
** - A handle is no reference: it opens as long as anybody holds the buffer, and whoever sends one
**   sees to that. After that it is stale, for good: no other buffer answers to it.
** - A handle that was not made by this process, or never, does not open: it names a share by a
**   number of 64 random bits beside those of the process. Nothing in it is an address, and what it
**   describes must lie within the buffer that it names.
** - A shared buffer is charged, as before, to the account of who made it, until its last reference
**   goes; who opens a handle pays nothing. All shared buffers of a process together are bounded. */
#define PVT_HANDLE_MAX 544 /* bytes of the longest handle */

/* From now on the array's buffer is shared, for as long as it lives, and the array read-only. Its
** reference must be the only one, so that nobody writes (PVT_E_VALUE; also for foreign memory).
** PVT_E_NOMEM where that is more than may be shared. Nothing happens to what is shared already. */
PVT_API int pvt_share(pvt_array *array);
PVT_API bool pvt_buffer_is_shared(const pvt_buffer *buffer); /* NULL: no */
/* Of an array, a view included, over a shared buffer: a handle's bytes, which are written. */
PVT_API size_t pvt_handle_size(const pvt_array *array);
PVT_API void pvt_handle_write(const pvt_array *array, void *handle);
/* The array that a handle is for, read-only, with a reference of its own. PVT_E_VALUE: it is
** damaged, stale, or of another process. */
PVT_API int pvt_handle_open(pvt_array *array, const void *handle, size_t size);
/* A reference to its buffer alone. NULL, and nothing else, if it does not open. */
PVT_API pvt_buffer *pvt_handle_hold(const void *handle, size_t size);

typedef struct pvt_shared {
  uint32_t count; /* shared buffers, now */
  size_t bytes;
  size_t limit; /* of bytes; half of the machine's memory if nobody says otherwise */
} pvt_shared;
PVT_API pvt_shared pvt_shared_now(void);
/* Whether there are any: for whoever would have to look through a message. */
PVT_API bool pvt_shared_any(void);
PVT_API void pvt_shared_set_limit(size_t bytes);

/* ---- Copying: the raster operator --------------------------------------- */

/* A region copies size[0] x size[1] x ... elements of one type from strided places to strided
** places. Every operator that only moves elements (transpose, slice, concatenate, pad, tile,
** roll, flip, repeat, reshape, im2col, depth to space ...) is a list of them. */
#define PVT_REGION_DIMS 8
typedef struct pvt_region {
  const char *source;
  char *target;
  int ndim;
  int64_t size[PVT_REGION_DIMS];
  int64_t source_stride[PVT_REGION_DIMS]; /* bytes */
  int64_t target_stride[PVT_REGION_DIMS];
} pvt_region;

/* Sources and targets must not overlap. itemsize: 1, 2, 4, 8 or 16 bytes. */
PVT_API int pvt_raster(const pvt_region *regions, size_t count, size_t itemsize);

/* Copy with conversion of types; `from` is broadcast to `to`, and they may overlap. Casts
** are C's, but out-of-range and non-finite floats to integers give what x86-64 gives NumPy (the
** smallest integer of int32 or int64, cut to size), and complex loses its imaginary part. */
PVT_API int pvt_copy(const pvt_array *from, pvt_array *to);
/* Fill with one element, given in the array's own type. */
PVT_API int pvt_fill(pvt_array *array, const void *element);
/* start + i * step for each i, in the array's type; for floats both are doubles. */
PVT_API int pvt_arange_int(pvt_array *array, int64_t start, int64_t step);
PVT_API int pvt_arange_float(pvt_array *array, double start, double step);

/* ---- Transform operators: lists of regions ------------------------------ */

/* Operators that only move elements append regions to a list, which pvt_raster then moves. Inputs
** are views of any strides; `to` is what they write, of the shape that the operator gives
** (PVT_E_SHAPE) and of the inputs' type (PVT_E_DTYPE). Only addresses are computed: neither need
** be there yet. Regions of one list never write one element twice. */
typedef struct pvt_regions {
  pvt_region *items;
  size_t count, capacity;
  pvt_buffer *buffer; /* of the items, charged as any other */
} pvt_regions;

#define PVT_REGIONS_NONE {0, 0, 0, 0}
PVT_API void pvt_regions_release(pvt_regions *regions);
/* Move them, if they are of arrays of that type. */
PVT_API int pvt_regions_run(const pvt_regions *regions, pvt_dtype dtype);
/* An array that is not there, to be the `to` of one list and the source of another. */
PVT_API int pvt_array_placeholder(pvt_array *array, pvt_dtype dtype, int ndim,
                                  const int64_t *shape);
/* What `second` reads of `between` (in C order), which `first` writes, read from where `first` reads
** it: one list instead of two, and nothing in between. What `second` reads elsewhere stays.
** *possible is false, and *both as it was, where that takes more dimensions than regions have, or
** where `first` does not write all that `second` reads. */
PVT_API int pvt_regions_compose(const pvt_regions *first, const pvt_array *between,
                                const pvt_regions *second, pvt_regions *both, bool *possible);

/* x broadcast to `to`: copies of views, so slices, permutations, reversals ... are this too. */
PVT_API int pvt_transform_copy(pvt_regions *regions, const pvt_array *x, const pvt_array *to);
PVT_API int pvt_transform_permute(pvt_regions *regions, const pvt_array *x, const int *axes,
                                  const pvt_array *to);
/* `to` is contiguous, of as many elements. */
PVT_API int pvt_transform_reshape(pvt_regions *regions, const pvt_array *x, const pvt_array *to);
PVT_API int pvt_transform_concat(pvt_regions *regions, const pvt_array *const *inputs, int count,
                                 int axis, const pvt_array *to);
/* Along a new axis. */
PVT_API int pvt_transform_stack(pvt_regions *regions, const pvt_array *const *inputs, int count,
                                int axis, const pvt_array *to);
/* The parts lie one behind the other along the axis, and are all of x. */
PVT_API int pvt_transform_split(pvt_regions *regions, const pvt_array *x, int axis,
                                const pvt_array *const *parts, int count);
/* Bit i of axes: dimension i is reversed. */
PVT_API int pvt_transform_flip(pvt_regions *regions, const pvt_array *x, uint32_t axes,
                               const pvt_array *to);
/* Dimension i is rolled by shifts[i] (any integer): there is one for each. */
PVT_API int pvt_transform_roll(pvt_regions *regions, const pvt_array *x, const int64_t *shifts,
                               const pvt_array *to);
/* x, repeats[i] times along to's dimension i; x may have fewer dimensions. */
PVT_API int pvt_transform_tile(pvt_regions *regions, const pvt_array *x, const int64_t *repeats,
                               const pvt_array *to);
/* Every element of the axis `times` times, one behind the other; or element i times[i] times. */
PVT_API int pvt_transform_repeat(pvt_regions *regions, const pvt_array *x, int axis, int64_t times,
                                 const pvt_array *to);
PVT_API int pvt_transform_repeat_each(pvt_regions *regions, const pvt_array *x, int axis,
                                      const int64_t *times, const pvt_array *to);
/* NumPy's modes. `value` is one element, read when the regions are moved; only for constant. */
typedef enum pvt_pad_mode {
  PVT_PAD_CONSTANT, PVT_PAD_EDGE, PVT_PAD_REFLECT, PVT_PAD_SYMMETRIC, PVT_PAD_WRAP
} pvt_pad_mode;
PVT_API int pvt_transform_pad(pvt_regions *regions, const pvt_array *x, const int64_t *before,
                              const int64_t *after, pvt_pad_mode mode, const void *value,
                              const pvt_array *to);
/* to[..., i, j] = x[..., i, j] on and below diagonal k (`lower`), or on and above it; `zero`, an
** element, elsewhere. */
PVT_API int pvt_transform_triangle(pvt_regions *regions, const pvt_array *x, bool lower, int64_t k,
                                   const void *zero, const pvt_array *to);
/* x's dimensions without the two, then the diagonal (`offset` above the main one). */
PVT_API int pvt_transform_diagonal(pvt_regions *regions, const pvt_array *x, int64_t offset,
                                   int axis1, int axis2, const pvt_array *to);
/* Windows of `size` elements, every `step`: the axis counts windows, a last dimension their
** elements. */
PVT_API int pvt_transform_windows(pvt_regions *regions, const pvt_array *x, int axis, int64_t size,
                                  int64_t step, const pvt_array *to);
/* x: [n, c, height, width]; to: [n, c, kernel[0], kernel[1], rows, columns]. Padding (top, left,
** bottom, right) is `zero`. */
typedef struct pvt_window2d {
  int64_t kernel[2], stride[2], dilation[2], padding[4];
} pvt_window2d;
PVT_API int pvt_transform_im2col(pvt_regions *regions, const pvt_array *x,
                                 const pvt_window2d *window, const void *zero, const pvt_array *to);
/* [n, c * block * block, h, w] to [n, c, h * block, w * block]; the block's place comes before the
** channel (as ONNX's DCR), or after it (CRD). */
PVT_API int pvt_transform_depth_to_space(pvt_regions *regions, const pvt_array *x, int64_t block,
                                         bool channel_first, const pvt_array *to);
/* The reverse of the first form. */
PVT_API int pvt_transform_space_to_depth(pvt_regions *regions, const pvt_array *x, int64_t block,
                                         const pvt_array *to);

/* ---- What operators there are ------------------------------------------- */

/* Atomic ones have kernels; transforms are regions or views only; composites call others. */
typedef enum pvt_operator_class { PVT_ATOMIC, PVT_TRANSFORM, PVT_COMPOSITE } pvt_operator_class;
/* The number of operators of a class, and the name of one of them; NULL beyond the last. */
PVT_API int pvt_operator_count(pvt_operator_class class);
PVT_API const char *pvt_operator_name(pvt_operator_class class, int i);

/* ---- Elementwise operators ---------------------------------------------- */

typedef enum pvt_unary_op {
  PVT_NEGATIVE, PVT_POSITIVE, PVT_ABSOLUTE, PVT_SIGN, PVT_SQUARE, PVT_SQRT, PVT_CBRT,
  PVT_RECIPROCAL, PVT_EXP, PVT_EXP2, PVT_EXPM1, PVT_LOG, PVT_LOG2, PVT_LOG10, PVT_LOG1P,
  PVT_SIN, PVT_COS, PVT_TAN, PVT_ASIN, PVT_ACOS, PVT_ATAN,
  PVT_SINH, PVT_COSH, PVT_TANH, PVT_ASINH, PVT_ACOSH, PVT_ATANH,
  PVT_ERF, PVT_SIGMOID, PVT_FLOOR, PVT_CEIL, PVT_TRUNC, PVT_RINT,
  PVT_ISNAN, PVT_ISINF, PVT_ISFINITE, PVT_SIGNBIT,
  PVT_LOGICAL_NOT, PVT_INVERT, PVT_CONJ, PVT_REAL, PVT_IMAG, PVT_ANGLE,
  PVT_DEG2RAD, PVT_RAD2DEG,
  PVT_UNARY_OPS
} pvt_unary_op;

typedef enum pvt_binary_op {
  PVT_ADD, PVT_SUBTRACT, PVT_MULTIPLY, PVT_DIVIDE, PVT_FLOOR_DIVIDE, PVT_REMAINDER, PVT_FMOD,
  PVT_POWER, PVT_MAXIMUM, PVT_MINIMUM, PVT_FMAX, PVT_FMIN, PVT_ATAN2, PVT_HYPOT, PVT_LOGADDEXP,
  PVT_LOGADDEXP2, PVT_COPYSIGN, PVT_NEXTAFTER, PVT_HEAVISIDE, PVT_GCD, PVT_LCM,
  PVT_EQUAL, PVT_NOT_EQUAL, PVT_LESS, PVT_LESS_EQUAL, PVT_GREATER, PVT_GREATER_EQUAL,
  PVT_LOGICAL_AND, PVT_LOGICAL_OR, PVT_LOGICAL_XOR,
  PVT_BITWISE_AND, PVT_BITWISE_OR, PVT_BITWISE_XOR, PVT_LEFT_SHIFT, PVT_RIGHT_SHIFT,
  PVT_BINARY_OPS
} pvt_binary_op;

/* "negative", "add", ...: NumPy's names; NULL for a number that is none. */
PVT_API const char *pvt_unary_name(int op);
PVT_API const char *pvt_binary_name(int op);
/* In which type it computes and what it gives, as NumPy decides; PVT_E_DTYPE if it does not
** take these. Inputs are converted to *loop. */
PVT_API int pvt_unary_types(pvt_unary_op op, pvt_dtype x, pvt_dtype *loop, pvt_dtype *result);
PVT_API int pvt_binary_types(pvt_binary_op op, pvt_dtype a, pvt_dtype b, pvt_dtype *loop,
                             pvt_dtype *result);
/* Inputs are broadcast to out's shape. out may have another type than the operator's result,
** which is then converted as pvt_copy does, and may be or overlap an input. Integer division
** by 0 gives 0, as NumPy's; a negative integer exponent is PVT_E_VALUE. */
PVT_API int pvt_unary(pvt_unary_op op, const pvt_array *x, pvt_array *out);
PVT_API int pvt_binary(pvt_binary_op op, const pvt_array *a, const pvt_array *b, pvt_array *out);
/* out = condition ? a : b; condition is bool, a and b are converted to out's type. */
PVT_API int pvt_where(const pvt_array *condition, const pvt_array *a, const pvt_array *b,
                      pvt_array *out);
/* out = min(max(x, low), high), NaNs stay; low and high may be NULL, not both. */
PVT_API int pvt_clip(const pvt_array *x, const pvt_array *low, const pvt_array *high,
                     pvt_array *out);

/* ---- Reductions and scans ----------------------------------------------- */

typedef enum pvt_reduce_op {
  PVT_SUM, PVT_PROD, PVT_MAX, PVT_MIN, PVT_ANY, PVT_ALL, PVT_COUNT_NONZERO, PVT_MEAN, PVT_SUMSQ,
  PVT_REDUCE_OPS
} pvt_reduce_op;

/* What it gives by NumPy's rules: sums of small integers in int64 or uint64, means of integers
** in float64, bool for any and all, int64 for counts; PVT_SUMSQ adds |x|^2, which is real. */
PVT_API int pvt_reduce_types(pvt_reduce_op op, pvt_dtype x, pvt_dtype *result);
/* Bit i of axes: dimension i is reduced. out has x's dimensions, the reduced ones of size 1. x is
** converted to out's type first where sums, products and means need it (so a wider out is
** summed in that width; float16 in float32). Sums are pairwise. NaNs win in max and min. An empty
** max or min is PVT_E_SHAPE; other empty ones give their identity, a mean NaN. */
PVT_API int pvt_reduce(pvt_reduce_op op, const pvt_array *x, uint32_t axes, pvt_array *out);
/* Index of the first largest (or smallest) along the axis; the first NaN wins. out is int64 and
** has size 1 there. */
PVT_API int pvt_arg_reduce(bool largest, const pvt_array *x, int axis, pvt_array *out);
/* Variance about the mean, divided by the count less `correction`; two passes. float and complex;
** out real, as pvt_reduce's. */
PVT_API int pvt_variance(const pvt_array *x, uint32_t axes, double correction, pvt_array *out);

typedef enum pvt_scan_op {
  PVT_CUMSUM, PVT_CUMPROD, PVT_CUMMAX, PVT_CUMMIN, PVT_SCAN_OPS
} pvt_scan_op;
/* out has x's shape, and the type in which it is added up. */
PVT_API int pvt_scan(pvt_scan_op op, const pvt_array *x, int axis, pvt_array *out);

/* ---- Sorting and searching ---------------------------------------------- */

/* Along the axis, stable in both directions: equal elements stay in their order, -0 and 0 being
** equal, and all NaNs. NaNs come last in both directions. Complex elements are ordered by real, then
** imaginary part, those with NaNs last as NumPy orders them. out has x's shape and type, for argsort
** int64; it may be x itself. Scratch memory: up to 48 bytes an element of one line. */
PVT_API int pvt_sort(const pvt_array *x, int axis, bool descending, pvt_array *out);
PVT_API int pvt_argsort(const pvt_array *x, int axis, bool descending, pvt_array *out);
/* out such that element k of the axis is where it would be if sorted, smaller or equal ones before,
** larger or equal ones after. A negative k counts from the end. For argpartition out is int64. */
PVT_API int pvt_partition(const pvt_array *x, int axis, int64_t k, pvt_array *out);
PVT_API int pvt_argpartition(const pvt_array *x, int axis, int64_t k, pvt_array *out);
/* Positions (int64, of values' shape) at which values would keep `sorted` (1-d) in order; left:
** before equal ones. Both of one type. sorter: int64 permutation that sorts `sorted`, or NULL; an
** index in it that is out of bounds is PVT_E_INDEX. */
PVT_API int pvt_searchsorted(const pvt_array *sorted, const pvt_array *values, bool left,
                             const pvt_array *sorter, pvt_array *out);

/* ---- Gathering and scattering ------------------------------------------- */

typedef enum pvt_index_mode { PVT_INDEX_RAISE, PVT_INDEX_WRAP, PVT_INDEX_CLIP } pvt_index_mode;

/* out[..., i..., ...] = x[..., indices[i...], ...]: the axis is replaced by indices' dimensions.
** indices are int64; negative ones count from the end with PVT_INDEX_RAISE. */
PVT_API int pvt_take(const pvt_array *x, const pvt_array *indices, int axis, pvt_index_mode mode,
                     pvt_array *out);
/* out[..., i, ...] = x[..., indices[..., i, ...], ...], shapes broadcast but for the axis. */
PVT_API int pvt_take_along(const pvt_array *x, const pvt_array *indices, int axis, pvt_array *out);
PVT_API int pvt_put_along(pvt_array *x, const pvt_array *indices, const pvt_array *values, int axis);
/* NumPy's indexing by integer arrays: the first `count` dimensions of x are replaced by the
** broadcast shape of `count` int64 arrays; the rest of x's dimensions follow. Callers permute x
** so that the indexed dimensions come first. */
PVT_API int pvt_gather(const pvt_array *x, const pvt_array *const *indices, int count,
                       pvt_array *out);
/* The same places written. With accumulate values are added instead (every duplicate counts). */
PVT_API int pvt_scatter(pvt_array *x, const pvt_array *const *indices, int count,
                        const pvt_array *values, bool accumulate);
/* A boolean mask over x's first mask->ndim dimensions: how many are set, and their elements. out
** is [set, rest of x's shape...]. */
PVT_API int pvt_mask_count(const pvt_array *mask, int64_t *count);
PVT_API int pvt_mask_take(const pvt_array *x, const pvt_array *mask, pvt_array *out);
/* x[mask] = values; values broadcast to [set, rest...]. */
PVT_API int pvt_mask_put(pvt_array *x, const pvt_array *mask, const pvt_array *values);
/* Indices of non-zero elements in C order, one row an element: out is int64 [set, x->ndim]. */
PVT_API int pvt_nonzero_count(const pvt_array *x, int64_t *count);
PVT_API int pvt_nonzero(const pvt_array *x, pvt_array *out);
/* How often each value 0 .. bins - 1 occurs in x (1-d, int64, not negative), weighted by weights
** (float64, x's shape) unless NULL. out: int64 or float64 [bins]. */
PVT_API int pvt_bincount(const pvt_array *x, const pvt_array *weights, pvt_array *out);

/* ---- Matrix products ---------------------------------------------------- */

/* The standard's matmul on at least 2-d arrays (callers insert dimensions for vectors): the last
** two dimensions are multiplied, the others broadcast. a, b and out are of one type; out may
** overlap a or b, which takes a copy. Integers wrap, booleans are or-ed, float16 and bfloat16 are
** added up in float32. Floats are added up in an order that depends on shapes, instruction set
** and library; NaNs and infinities come through. See linalg.h for OpenBLAS. */
PVT_API int pvt_matmul(const pvt_array *a, const pvt_array *b, pvt_array *out);

/* ---- Windows over images ------------------------------------------------ */

/* Images are [n, channels, sizes...] with one to three sizes. */
#define PVT_WINDOW_DIMS 3
/* How a window goes over an image's sizes, the first of them first. Paddings may be negative, which
** leaves elements out. */
typedef struct pvt_window {
  int64_t size[PVT_WINDOW_DIMS]; /* 1 or more; convolutions take it from their weights */
  int64_t stride[PVT_WINDOW_DIMS], dilation[PVT_WINDOW_DIMS]; /* 1 or more */
  int64_t before[PVT_WINDOW_DIMS], after[PVT_WINDOW_DIMS];    /* of padding */
} pvt_window;

/* x: [n, in, sizes...], weights: [channels, in / groups, window...], bias: [channels] or NULL, out:
** [n, channels, ...], each size (x + before + after - dilation (window - 1) - 1) / stride + 1. All
** of one type, not bool; integers wrap, float16 and bfloat16 are computed in float32. Scratch memory:
** up to 1 MiB or one row of windows, whatever is more. out may overlap the others, which takes a copy. */
PVT_API int pvt_conv(const pvt_array *x, const pvt_array *weights, const pvt_array *bias,
                     const pvt_window *window, int64_t groups, pvt_array *out);
/* The transposed one: what the convolution of these strides and paddings does to gradients. weights:
** [in, channels / groups, window...]; out's sizes are stride (x - 1) + dilation (window - 1) + 1 -
** before - after and up to stride - 1 more, as out says. */
PVT_API int pvt_conv_transposed(const pvt_array *x, const pvt_array *weights, const pvt_array *bias,
                                const pvt_window *window, int64_t groups, pvt_array *out);

typedef enum pvt_pool_op {
  PVT_POOL_MAX,     /* NaNs win; a window of padding alone gives the type's smallest value */
  PVT_POOL_AVERAGE, /* over elements of x; a window of padding alone gives NaN, integers 0 */
  PVT_POOL_AVERAGE_PADDED, /* padding counts as zeros, what lies beyond it not at all */
  PVT_POOL_LP              /* the p-th root of the sum of |x|^p, p being a number of 1 or more */
} pvt_pool_op;
/* x: [n, channels, sizes...], out: [n, channels, ...] of x's type, each size as a convolution's, or
** one more where the last window only begins within image and padding before it. Real types but
** bool; averages of integers are rounded towards 0. places, NULL or int64 of out's shape: where the
** first largest element lies, counted in x's image in C order (0 for a window of padding alone). */
PVT_API int pvt_pool(pvt_pool_op op, const pvt_array *x, const pvt_window *window, double p,
                     pvt_array *out, pvt_array *places);

/* ---- What there is ------------------------------------------------------ */

/* "avx512", "avx2" or "portable": the kernels this machine gets. */
PVT_API const char *pvt_isa(void);
/* Use another one that the machine has; for tests and measurements, before threads start. */
PVT_API int pvt_isa_use(const char *name);

#endif

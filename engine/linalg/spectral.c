/* spectral.c - eigenvalues and singular values of stacks, by LAPACK or by rotations. */
#include "spectral.h"

#include <math.h>
#include <string.h>

#include "stack.h"

static bool is_finite(int type, int64_t n, const char *a) {
  bool all = true;
  if (type >= 2) n *= 2;
  for (int64_t i = 0; i < n; i++)
    all &= isfinite(type & 1 ? ((const double *)a)[i] : ((const float *)a)[i]) != 0;
  return all;
}

static void conjugate(int type, int64_t n, char *a) {
  for (int64_t i = 0; i < n && type == 2; i++) ((float *)a)[2 * i + 1] *= -1;
  for (int64_t i = 0; i < n && type == 3; i++) ((double *)a)[2 * i + 1] *= -1;
}

/* Several pieces of scratch memory in one buffer; at[i] is where piece i lies. */
static pvt_buffer *pieces(int count, const int64_t *sizes, char **at) {
  int64_t total = 0;
  for (int i = 0; i < count; i++) total += (sizes[i] + 63) / 64 * 64;
  pvt_buffer *buffer = pvt_buffer_new((size_t)total);
  if (buffer == NULL) return NULL;
  char *next = pvt_buffer_data(buffer);
  for (int i = 0; i < count; i++) {
    at[i] = next;
    next += (sizes[i] + 63) / 64 * 64;
  }
  return buffer;
}

/* ---- Hermitian matrices ------------------------------------------------- */

/* The other triangle becomes the adjoint of the one that is given; the diagonal real. */
static void fill_hermitian(int type, int64_t n, bool upper, char *a) {
  int64_t itemsize = (int64_t[]){4, 8, 8, 16}[type];
  for (int64_t j = 0; j < n; j++)
    for (int64_t i = 0; i <= j; i++) {
      char *above = a + (j * n + i) * itemsize, *below = a + (i * n + j) * itemsize;
      char *from = upper ? above : below, *to = upper ? below : above;
      memmove(to, from, (size_t)itemsize);
      if (i != j) conjugate(type, 1, to);
      else if (type == 2) ((float *)to)[1] = 0;
      else if (type == 3) ((double *)to)[1] = 0;
    }
}

int pvt_eigh(const pvt_array *a, bool upper, pvt_array *w, pvt_array *v) {
  int type = pvt_linalg_type("eigh", a);
  if (type < 0) return type;
  pvt_dtype dtype = (pvt_dtype)a->dtype, real = pvt_real_type(dtype);
  int status = pvt_expect_type("eigh", w, real);
  if (status == PVT_OK) status = pvt_expect_type("eigh", v, dtype);
  if (status != PVT_OK) return status;
  pvt_stack stack;
  status = pvt_stack_init(&stack, "eigh", 1, 3, (const pvt_array *const[]){a, w, v},
                          (const int[]){2, 1, 2});
  if (status == PVT_OK) status = pvt_expect_square("eigh", &stack.item[0]);
  if (status != PVT_OK) return status;
  int64_t n = stack.item[0].dim[0].size, itemsize = (int64_t)pvt_itemsize(dtype);
  if ((status = pvt_expect_size("eigh", &stack.item[1], 0, n)) != PVT_OK) return status;
  if ((status = pvt_expect_size("eigh", &stack.item[2], 0, n)) != PVT_OK) return status;
  if ((status = pvt_expect_size("eigh", &stack.item[2], 1, n)) != PVT_OK) return status;
  if (stack.done || n == 0) return PVT_OK;
  bool lapack = pvt_blas_get() != NULL;
  char *at[3];
  pvt_buffer *scratch = pieces(3,
                               (const int64_t[]){n * n * itemsize, n * (int64_t)pvt_itemsize(real),
                                                 lapack || v == NULL ? 0 : n * n * itemsize},
                               at);
  if (scratch == NULL) return pvt_error_status();
  do {
    status = pvt_item_load(&stack.item[0], at[0], true);
    fill_hermitian(type, n, upper, at[0]);
    if (status == PVT_OK && !is_finite(type, n * n, at[0]))
      status = pvt_fail(PVT_E_LINALG, "Eigenvalues did not converge");
    if (status == PVT_OK)
      status = lapack ? pvt_lapack_eigh(type, v != NULL, 'L', n, at[0], at[1])
                      : pvt_jacobi_eigh(type, n, at[0], at[1], v != NULL ? at[2] : NULL);
    if (status == PVT_OK) status = pvt_item_store(at[1], false, &stack.item[1]);
    if (status == PVT_OK && v != NULL)
      status = pvt_item_store(lapack ? at[0] : at[2], true, &stack.item[2]);
  } while (pvt_stack_next(&stack, &status));
  pvt_buffer_release(scratch);
  return status;
}

/* ---- Singular values ---------------------------------------------------- */

static double singular_value(int type, const char *s, int64_t i) {
  return type & 1 ? ((const double *)s)[i] : ((const float *)s)[i];
}

/* u (m x n, Fortran order) has columns of 0 where singular values are; the result has `columns`
** orthonormal ones, in Fortran order as well. */
static int complete(int type, int64_t m, int64_t n, const char *u, const char *s, int64_t columns,
                    char *out) {
  int64_t itemsize = (int64_t[]){4, 8, 8, 16}[type], kept = 0;
  while (kept < n && singular_value(type, s, kept) > 0) {
    bool zero = true;
    for (int64_t i = 0; i < m * itemsize && zero; i++) zero = u[kept * m * itemsize + i] == 0;
    if (zero) break;
    kept++;
  }
  memcpy(out, u, (size_t)(kept * m * itemsize));
  if (kept == columns) return PVT_OK;
  char *at[3];
  pvt_buffer *scratch = pieces(
      3,
      (const int64_t[]){m * kept * itemsize, (kept + PVT_REFLECTORS) * PVT_REFLECTORS * itemsize,
                        m * columns * itemsize},
      at);
  if (scratch == NULL) return pvt_error_status();
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < kept; j++)
      memcpy(at[0] + (i * kept + j) * itemsize, u + (j * m + i) * itemsize, (size_t)itemsize);
  const pvt_factors *f = &pvt_kernels_get()->factors[type];
  int status = f->qr(m, kept, at[0], kept, at[1]);
  if (status == PVT_OK) status = f->qr_q(m, kept, at[0], kept, at[1], columns, at[2], columns);
  for (int64_t j = kept; j < columns && status == PVT_OK; j++)
    for (int64_t i = 0; i < m; i++)
      memcpy(out + (j * m + i) * itemsize, at[2] + (i * columns + j) * itemsize, (size_t)itemsize);
  pvt_buffer_release(scratch);
  return status;
}

/* Without LAPACK. a is in Fortran order, or its adjoint if m < n; `long_side` has columns for the
** longer side's vectors, in the end in `full`; short_side those of the shorter. */
typedef struct svd_room {
  char *a, *s, *full, *short_side, *vh;
} svd_room;

static int svd_item(int type, int64_t m, int64_t n, int64_t columns, bool vectors, pvt_stack *stack,
                    const svd_room *room) {
  bool wide = m < n;
  int64_t more = wide ? n : m, less = wide ? m : n;
  int status = pvt_item_load(&stack->item[0], room->a, !wide);
  if (wide) conjugate(type, m * n, room->a);
  if (status == PVT_OK && !is_finite(type, m * n, room->a))
    status = pvt_fail(PVT_E_LINALG, "SVD did not converge");
  if (status == PVT_OK)
    status = pvt_jacobi_svd(type, more, less, room->a, room->s, vectors ? room->short_side : NULL);
  if (status == PVT_OK) status = pvt_item_store(room->s, false, &stack->item[2]);
  if (status != PVT_OK || !vectors) return status;
  status = complete(type, more, less, room->a, room->s, columns, room->full);
  if (status != PVT_OK) return status;
  char *u = wide ? room->short_side : room->full, *v = wide ? room->full : room->short_side;
  conjugate(type, wide ? more * columns : less * less, v);
  status = pvt_item_store(u, true, &stack->item[1]);
  return status == PVT_OK ? pvt_item_store(v, false, &stack->item[3]) : status;
}

static int svd_item_lapack(int type, int64_t m, int64_t n, char job, pvt_stack *stack,
                           const svd_room *room) {
  int status = pvt_item_load(&stack->item[0], room->a, true);
  if (status == PVT_OK && !is_finite(type, m * n, room->a))
    status = pvt_fail(PVT_E_LINALG, "SVD did not converge");
  if (status == PVT_OK)
    status = pvt_lapack_svd(type, job, m, n, room->a, room->s, room->full, room->vh);
  if (status == PVT_OK) status = pvt_item_store(room->s, false, &stack->item[2]);
  if (status != PVT_OK || job == 'N') return status;
  status = pvt_item_store(room->full, true, &stack->item[1]);
  return status == PVT_OK ? pvt_item_store(room->vh, true, &stack->item[3]) : status;
}

int pvt_svd(const pvt_array *a, pvt_array *u, pvt_array *s, pvt_array *vh) {
  int type = pvt_linalg_type("svd", a);
  if (type < 0) return type;
  pvt_dtype dtype = (pvt_dtype)a->dtype, real = pvt_real_type(dtype);
  int status = pvt_expect_type("svd", s, real);
  if (status == PVT_OK) status = pvt_expect_type("svd", u, dtype);
  if (status == PVT_OK) status = pvt_expect_type("svd", vh, dtype);
  if (status != PVT_OK) return status;
  if ((u == NULL) != (vh == NULL))
    return pvt_fail(PVT_E_VALUE, "svd: both u and vh are wanted, or none");
  pvt_stack stack;
  status = pvt_stack_init(&stack, "svd", 1, 4, (const pvt_array *const[]){a, u, s, vh},
                          (const int[]){2, 2, 1, 2});
  if (status != PVT_OK) return status;
  bool vectors = u != NULL;
  int64_t m = stack.item[0].dim[0].size, n = stack.item[0].dim[1].size, k = m < n ? m : n;
  bool full = vectors && (stack.item[1].dim[1].size != k || stack.item[3].dim[0].size != k);
  int64_t itemsize = (int64_t)pvt_itemsize(dtype), columns = full ? (m < n ? n : m) : k;
  if ((status = pvt_expect_size("svd", &stack.item[2], 0, k)) != PVT_OK) return status;
  if ((status = pvt_expect_size("svd", &stack.item[1], 0, m)) != PVT_OK) return status;
  if ((status = pvt_expect_size("svd", &stack.item[1], 1, full ? m : k)) != PVT_OK) return status;
  if ((status = pvt_expect_size("svd", &stack.item[3], 0, full ? n : k)) != PVT_OK) return status;
  if ((status = pvt_expect_size("svd", &stack.item[3], 1, n)) != PVT_OK) return status;
  if (stack.done) return PVT_OK;
  bool lapack = pvt_blas_get() != NULL && k > 0;
  int64_t long_size = (m < n ? n : m) * columns;
  char *at[5];
  pvt_buffer *scratch =
      pieces(5,
             (const int64_t[]){m * n * itemsize, k * 8,
                               !vectors ? 0 : (lapack ? m * (full ? m : k) : long_size) * itemsize,
                               !vectors || lapack ? 0 : k * k * itemsize,
                               vectors && lapack ? n * (full ? n : k) * itemsize : 0},
             at);
  if (scratch == NULL) return pvt_error_status();
  svd_room room = {at[0], at[1], at[2], at[3], at[4]};
  do
    status = lapack ? svd_item_lapack(type, m, n,
                                      !vectors ? 'N'
                                      : full   ? 'A'
                                               : 'S',
                                      &stack, &room)
                    : svd_item(type, m, n, columns, vectors, &stack, &room);
  while (pvt_stack_next(&stack, &status));
  pvt_buffer_release(scratch);
  return status;
}

/* ---- Any square matrix -------------------------------------------------- */

int pvt_eig(const pvt_array *a, pvt_array *w, pvt_array *v) {
  int type = pvt_linalg_type("eig", a);
  if (type < 0) return type;
  pvt_dtype dtype = (pvt_dtype)a->dtype;
  pvt_dtype complex = pvt_real_type(dtype) == PVT_FLOAT32 ? PVT_COMPLEX64 : PVT_COMPLEX128;
  int status = pvt_expect_type("eig", w, complex);
  if (status == PVT_OK) status = pvt_expect_type("eig", v, complex);
  if (status != PVT_OK) return status;
  pvt_stack stack;
  status = pvt_stack_init(&stack, "eig", 1, 3, (const pvt_array *const[]){a, w, v},
                          (const int[]){2, 1, 2});
  if (status == PVT_OK) status = pvt_expect_square("eig", &stack.item[0]);
  if (status != PVT_OK) return status;
  int64_t n = stack.item[0].dim[0].size;
  if ((status = pvt_expect_size("eig", &stack.item[1], 0, n)) != PVT_OK) return status;
  if ((status = pvt_expect_size("eig", &stack.item[2], 0, n)) != PVT_OK) return status;
  if ((status = pvt_expect_size("eig", &stack.item[2], 1, n)) != PVT_OK) return status;
  if (stack.done || n == 0) return PVT_OK;
  if (pvt_blas_get() == NULL)
    return pvt_fail(PVT_E_UNSUPPORTED, "eigenvalues of a general matrix need OpenBLAS: install the "
                                       "package scipy-openblas32");
  int64_t itemsize = (int64_t)pvt_itemsize(dtype), complex_size = (int64_t)pvt_itemsize(complex);
  char *at[3];
  pvt_buffer *scratch = pieces(
      3,
      (const int64_t[]){n * n * itemsize, n * complex_size, v != NULL ? n * n * complex_size : 0},
      at);
  if (scratch == NULL) return pvt_error_status();
  do {
    status = pvt_item_load(&stack.item[0], at[0], true);
    if (status == PVT_OK && !is_finite(type, n * n, at[0]))
      status = pvt_fail(PVT_E_LINALG, "Array must not contain infs or NaNs");
    if (status == PVT_OK) status = pvt_lapack_eig(type, n, at[0], at[1], v != NULL ? at[2] : NULL);
    if (status == PVT_OK) status = pvt_item_store(at[1], false, &stack.item[1]);
    if (status == PVT_OK && v != NULL) status = pvt_item_store(at[2], true, &stack.item[2]);
  } while (pvt_stack_next(&stack, &status));
  pvt_buffer_release(scratch);
  return status;
}

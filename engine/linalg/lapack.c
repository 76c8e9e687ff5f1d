/* lapack.c - eigenvalues and singular values by LAPACK. */
#include <complex.h>
#include <string.h>

#include "spectral.h"

/* LAPACK says how much scratch memory it wants in the first element of `work`. */
static int64_t wanted(int type, const void *work) {
  double size = type == 0 || type == 2 ? *(const float *)work : *(const double *)work;
  /* float32 may have rounded it down */
  return (int64_t)(size * (type == 0 || type == 2 ? 1.000001 : 1)) + 1;
}

static int too_large(void) {
  return pvt_fail(PVT_E_SHAPE, "the matrix is too large for LAPACK");
}

static int did_not(int32_t info, const char *what) {
  if (info == 0) return PVT_OK;
  return pvt_fail(PVT_E_LINALG, "%s did not converge", what);
}

/* Workspaces behind each other in one buffer. */
static pvt_buffer *workspaces(int64_t a, int64_t b, int64_t c, char **at_b, char **at_c) {
  a = (a + 63) / 64 * 64, b = (b + 63) / 64 * 64;
  pvt_buffer *buffer = pvt_buffer_new((size_t)(a + b + c));
  if (buffer == NULL) return NULL;
  *at_b = (char *)pvt_buffer_data(buffer) + a;
  *at_c = *at_b + b;
  return buffer;
}

static const int64_t item[4] = {4, 8, 8, 16}, real_item[4] = {4, 8, 4, 8};

int pvt_lapack_eigh(int type, bool vectors, char triangle, int64_t n64, void *a, void *w) {
  if (n64 > 20000) return too_large(); /* work has some 2 n^2 elements, counted by 32 bits */
  const pvt_blas *blas = pvt_blas_get();
  const char *job = vectors ? "V" : "N";
  int32_t n = (int32_t)n64, query = -1, info = 0, integers = 0;
  double work_size[2] = {0}, real_size = 0;
  int which = type & 1;
  if (type < 2)
    blas->syevd[which](job, &triangle, &n, a, &n, w, work_size, &query, &integers, &query, &info, 1,
                       1);
  else
    blas->heevd[which](job, &triangle, &n, a, &n, w, work_size, &query, &real_size, &query,
                       &integers, &query, &info, 1, 1);
  int64_t work = wanted(type, work_size), reals = type < 2 ? 0 : wanted(type, &real_size);
  if (work > INT32_MAX || reals > INT32_MAX) return too_large();
  char *rwork, *iwork;
  pvt_buffer *scratch =
      workspaces(work * item[type], reals * real_item[type], 4 * (int64_t)integers, &rwork, &iwork);
  if (scratch == NULL) return pvt_error_status();
  int32_t lwork = (int32_t)work, lrwork = (int32_t)reals;
  int status = pvt_blas_enter();
  if (status == PVT_OK) {
    void *room = pvt_buffer_data(scratch);
    if (type < 2)
      blas->syevd[which](job, &triangle, &n, a, &n, w, room, &lwork, (int32_t *)iwork, &integers,
                         &info, 1, 1);
    else
      blas->heevd[which](job, &triangle, &n, a, &n, w, room, &lwork, rwork, &lrwork,
                         (int32_t *)iwork, &integers, &info, 1, 1);
    pvt_blas_leave();
    status = did_not(info, "Eigenvalues");
  }
  pvt_buffer_release(scratch);
  return status;
}

int pvt_lapack_svd(int type, char job, int64_t m64, int64_t n64, void *a, void *s, void *u,
                   void *vh) {
  int64_t least = m64 < n64 ? m64 : n64, most = m64 < n64 ? n64 : m64;
  if (most > 1000000000 || least > 20000) return too_large();
  const pvt_blas *blas = pvt_blas_get();
  int32_t m = (int32_t)m64, n = (int32_t)n64, k = (int32_t)least, query = -1, info = 0, ignored;
  int32_t ldvt = job == 'A' ? n : k, ldu = m;
  double work_size[2] = {0}, real_size;
  int which = type & 1;
  if (type < 2)
    blas->gesdd[which](&job, &m, &n, a, &m, s, u, &ldu, vh, &ldvt, work_size, &query, &ignored,
                       &info, 1);
  else
    blas->gesdd_complex[which](&job, &m, &n, a, &m, s, u, &ldu, vh, &ldvt, work_size, &query,
                               &real_size, &ignored, &info, 1);
  int64_t work = wanted(type, work_size), reals = 0;
  if (type >= 2) {
    int64_t by_square = 5 * least * least + 7 * least;
    int64_t by_length = 2 * most * least + 2 * least * least + least;
    reals = job == 'N' ? 7 * least : by_square > by_length ? by_square : by_length;
  }
  if (work > INT32_MAX) return too_large();
  char *rwork, *iwork;
  pvt_buffer *scratch =
      workspaces(work * item[type], reals * real_item[type], 4 * 8 * least, &rwork, &iwork);
  if (scratch == NULL) return pvt_error_status();
  int32_t lwork = (int32_t)work;
  int status = pvt_blas_enter();
  if (status == PVT_OK) {
    void *room = pvt_buffer_data(scratch);
    if (type < 2)
      blas->gesdd[which](&job, &m, &n, a, &m, s, u, &ldu, vh, &ldvt, room, &lwork, (int32_t *)iwork,
                         &info, 1);
    else
      blas->gesdd_complex[which](&job, &m, &n, a, &m, s, u, &ldu, vh, &ldvt, room, &lwork, rwork,
                                 (int32_t *)iwork, &info, 1);
    pvt_blas_leave();
    status = did_not(info, "SVD");
  }
  pvt_buffer_release(scratch);
  return status;
}

/* LAPACK gives real matrices' vectors in pairs: real parts, then imaginary parts, of the one with
** the positive imaginary part. */
#define UNPAIR(T)                                                                                  \
  static void unpair_##T(int64_t n, const T *wr, const T *wi, const T *vr, T complex *w,           \
                         T complex *v) {                                                           \
    for (int64_t j = 0; j < n; j++) {                                                              \
      ((T *)w)[2 * j] = wr[j];                                                                     \
      ((T *)w)[2 * j + 1] = wi[j];                                                                 \
    }                                                                                              \
    for (int64_t j = 0; j < n && v != NULL; j++) {                                                 \
      bool pair = wi[j] != 0 && j + 1 < n;                                                         \
      for (int64_t i = 0; i < n; i++) {                                                            \
        T real = vr[j * n + i], imag = pair ? vr[(j + 1) * n + i] : 0;                             \
        T *at = (T *)&v[j * n + i];                                                                \
        at[0] = real, at[1] = imag;                                                                \
        if (pair) at[2 * n] = real, at[2 * n + 1] = -imag;                                         \
      }                                                                                            \
      j += pair;                                                                                   \
    }                                                                                              \
  }
UNPAIR(float)
UNPAIR(double)

int pvt_lapack_eig(int type, int64_t n64, void *a, void *w, void *v) {
  if (n64 > 20000) return too_large();
  const pvt_blas *blas = pvt_blas_get();
  const char *job = v != NULL ? "V" : "N";
  int32_t n = (int32_t)n64, query = -1, info = 0;
  double work_size[2] = {0}, real_size; /* which is written to when asked */
  int which = type & 1;
  /* real ones: wr, wi and the vectors; complex ones: rwork */
  int64_t reals = type < 2 ? 2 * n64 + (v != NULL ? n64 * n64 : 0) : 2 * n64;
  if (type < 2)
    blas->geev[which]("N", job, &n, a, &n, NULL, NULL, NULL, &n, NULL, &n, work_size, &query, &info,
                      1, 1);
  else
    blas->geev_complex[which]("N", job, &n, a, &n, w, NULL, &n, v, &n, work_size, &query,
                              &real_size, &info, 1, 1);
  int64_t work = wanted(type, work_size);
  if (work > INT32_MAX) return too_large();
  char *room, *end;
  pvt_buffer *scratch = workspaces(work * item[type], reals * real_item[type], 0, &room, &end);
  if (scratch == NULL) return pvt_error_status();
  int32_t lwork = (int32_t)work;
  int status = pvt_blas_enter();
  if (status == PVT_OK) {
    char *wi = room + n64 * real_item[type], *vr = wi + n64 * real_item[type];
    if (type < 2)
      blas->geev[which]("N", job, &n, a, &n, room, wi, NULL, &n, vr, &n, pvt_buffer_data(scratch),
                        &lwork, &info, 1, 1);
    else
      blas->geev_complex[which]("N", job, &n, a, &n, w, NULL, &n, v, &n, pvt_buffer_data(scratch),
                                &lwork, room, &info, 1, 1);
    pvt_blas_leave();
    status = did_not(info, "Eigenvalues");
    if (status == PVT_OK && type == 0)
      unpair_float(n64, (float *)room, (float *)wi, (float *)vr, w, v);
    if (status == PVT_OK && type == 1)
      unpair_double(n64, (double *)room, (double *)wi, (double *)vr, w, v);
  }
  pvt_buffer_release(scratch);
  return status;
}
